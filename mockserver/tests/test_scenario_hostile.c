/* Huge, deep and otherwise hostile scenario files; expressions that blow up elsewhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/jsonc.h"
#include "scenario/match.h"
#include "scenario/scenario.h"

#define TOP "{\"standbox\":1,\"name\":\"x\",\"why\":\"y\","

/* Real work is far below it; only quadratic or worse goes over it, also under sanitizers. */
#define LONG_NS ((int64_t) 20 * 1000 * 1000 * 1000)

static void repeat(struct buf *out, const char *text, size_t times)
{
    for (size_t i = 0; i < times; i++)
        buf_str(out, text);
}

static void refused(const struct buf *text, enum err_code code, const char *error)
{
    struct scenario *s = NULL;
    struct err err = ERR_INIT;
    int64_t begin = mono_ns();
    assert_int_equal(scenario_parse(&s, "f", buf_cstr(text), text->len, &err), -1);
    assert_string_equal(err.text, error);
    assert_int_equal(err.code, code);
    assert_true(mono_ns() - begin < LONG_NS);
}

static void ten_thousand_levels_are_refused(void **state)
{
    (void) state;
    BUF_AUTO lists = BUF_INIT, objects = BUF_INIT;
    buf_str(&lists, TOP "\n\"faults\":");
    repeat(&lists, "[", 10000);
    repeat(&lists, "]", 10000);
    buf_str(&lists, "}");
    refused(&lists, ERR_LIMIT, "f:2:73: nested too deep (limit 64)");
    repeat(&objects, "{\"a\":", 10000);
    refused(&objects, ERR_LIMIT, "f:1:321: nested too deep (limit 64)");
}

static void the_deepest_that_is_taken_is_judged_by_its_content(void **state)
{
    (void) state;
    BUF_AUTO text = BUF_INIT;
    buf_str(&text, TOP "\n\"deep\":");
    repeat(&text, "[", 63);
    repeat(&text, "]", 63);
    buf_str(&text, "}");
    refused(&text, ERR_INVALID,
            "f:2:1: /deep: unknown key \"deep\": a scenario takes standbox, name, why, source, "
            "processes, faults, settings, status, clock, seed, $schema");
}

static void eleven_megabytes_are_refused_unread(void **state)
{
    (void) state;
    BUF_AUTO text = BUF_INIT;
    repeat(&text, "          ", JSONC_MAX_BYTES / 10);
    repeat(&text, " ", JSONC_MAX_BYTES % 10 + 1);
    refused(&text, ERR_LIMIT, "f:1:1: 10485761 bytes are too many (limit 10485760)");
}

static void ten_megabytes_of_comment_are_taken(void **state)
{
    (void) state;
    BUF_AUTO text = BUF_INIT;
    struct scenario *s = NULL;
    struct err err = ERR_INIT;
    buf_str(&text, TOP "/*");
    repeat(&text, "**********", (JSONC_MAX_BYTES - 200) / 10);
    buf_str(&text, "*/\"seed\":1}");
    assert_int_equal(scenario_parse(&s, "f", text.data, text.len, &err), 0);
    scenario_unref(s);
}

static void a_text_of_more_than_a_megabyte_is_refused(void **state)
{
    (void) state;
    BUF_AUTO value = BUF_INIT, name = BUF_INIT;
    buf_str(&value, TOP "\n\"source\":\"");
    repeat(&value, "x", JSONC_MAX_STRING + 1);
    buf_str(&value, "\"}");
    refused(&value, ERR_INVALID, "f:2:10: /source: a text of more than 1048576 bytes");
    buf_str(&name, TOP "\n\"");
    repeat(&name, "x", JSONC_MAX_STRING + 1);
    buf_str(&name, "\":1}");
    refused(&name, ERR_INVALID,
            "f:2:1: /xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...: a name of more than 1048576 bytes");
}

static void too_many_rules_are_refused_and_ten_thousand_taken(void **state)
{
    (void) state;
    BUF_AUTO text = BUF_INIT;
    struct scenario *s = NULL;
    struct err err = ERR_INIT;
    buf_str(&text, TOP "\"faults\":[");
    repeat(&text, "{\"when\":{\"argv0\":\"a\"},\"fault\":\"cut\"},\n", SCENARIO_MAX_RULES);
    text.len -= 2;
    buf_str(&text, "]}");
    assert_int_equal(scenario_parse(&s, "f", text.data, text.len, &err), 0);
    assert_int_equal(s->fault_count, SCENARIO_MAX_RULES);
    assert_int_equal(s->faults[SCENARIO_MAX_RULES - 1].line, SCENARIO_MAX_RULES);
    scenario_unref(s);
    text.len -= 2;
    buf_str(&text, ",{}]}");
    refused(&text, ERR_INVALID, "f:1:45: /faults: 10001 items are too many (limit 10000)");
}

static void a_million_values_are_refused(void **state)
{
    (void) state;
    BUF_AUTO text = BUF_INIT;
    repeat(&text, "[0,0,0,0,0,0,0,0,0,0", 1);
    repeat(&text, ",0,0,0,0,0,0,0,0,0,0", 100000);
    refused(&text, ERR_LIMIT, "f:1:2000000: too many values (limit 1000000)");
}

static void a_hundred_thousand_keys_are_compared_quickly(void **state)
{
    (void) state;
    BUF_AUTO text = BUF_INIT;
    buf_str(&text, "{");
    for (int i = 0; i < 100000; i++)
        buf_printf(&text, "\"k%d\":1,", i);
    buf_str(&text, "\n\"k5\":2}");
    refused(&text, ERR_INVALID, "f:2:1: /k5: this key stands here twice in one object");
}

static void lists_in_a_rule_are_bounded(void **state)
{
    (void) state;
    BUF_AUTO text = BUF_INIT;
    buf_str(&text, TOP "\n\"faults\":[{\"fault\":\"cut\",\"when\":{\"nth\":[");
    for (int i = 1; i <= 1001; i++)
        buf_printf(&text, "%s%d", i == 1 ? "" : ",", i);
    buf_str(&text, "]}}]}");
    refused(&text, ERR_INVALID, "f:2:40: /faults/0/when/nth: 1001 items are too many (limit 1000)");
}

static void all_patterns_together_are_bounded(void **state)
{
    (void) state;
    BUF_AUTO text = BUF_INIT;
    struct scenario *s = NULL;
    struct err err = ERR_INIT;
    buf_str(&text, TOP "\"faults\":[");
    repeat(&text, "{\"when\":{\"command\":{\"regex\":\"(a|b){250}\"}},\"fault\":\"cut\"},\n", 200);
    text.len -= 2;
    buf_str(&text, "]}");
    assert_int_equal(scenario_parse(&s, "f", text.data, text.len, &err), -1);
    assert_non_null(strstr(err.text, "all patterns of the file together are too large (limit 20000)"));
}

static void control_characters_of_a_key_do_not_reach_the_message(void **state)
{
    (void) state;
    BUF_AUTO text = BUF_INIT;
    buf_str(&text, "{\"standbox\":1,\"name\":\"x\",\"why\":\"y\",\"\\u001b[2J\\n\":1}");
    struct scenario *s = NULL;
    struct err err = ERR_INIT;
    assert_int_equal(scenario_parse(&s, "f", text.data, text.len, &err), -1);
    for (const char *c = err.text; *c != '\0'; c++)
        assert_true((unsigned char) *c >= 0x20 && (unsigned char) *c < 0x7F);
}

static void text_that_is_not_utf8_is_refused_also_in_comments(void **state)
{
    (void) state;
    BUF_AUTO text = BUF_INIT, mark = BUF_INIT;
    buf_str(&text, "{ // \n  \xFF\n}");
    refused(&text, ERR_INVALID, "f:2:3: not UTF-8");
    buf_str(&mark, "\xEF\xBB\xBF{}");
    refused(&mark, ERR_INVALID, "f:1:1: a byte order mark: save as UTF-8 without one");
}

/* ---- at work -------------------------------------------------------------------------- */

static void expressions_that_blow_up_elsewhere_are_quick_here(void **state)
{
    (void) state;
    static const char *const bombs[] = { "(a+)+$",           "(a|a)*$",          "((a*)*)*$",          "(a|aa)+$",
                                         "(.*)*(.*)*(.*)*x", "(a?){200}a{200}$", "(a|b)*a(a|b){250}x", "(x+x+)+y" };
    BUF_AUTO subject = BUF_INIT;
    repeat(&subject, "a", 60000);
    buf_char(&subject, '!');
    for (size_t i = 0; i < sizeof bombs / sizeof bombs[0]; i++) {
        struct pattern pattern;
        struct err err = ERR_INIT;
        int64_t begin = mono_ns();
        assert_int_equal(pattern_init_regex(&pattern, bombs[i], &err), 0);
        pattern_holds(&pattern, subject.data);
        pattern_fini(&pattern);
        assert_true(mono_ns() - begin < LONG_NS);
    }
}

static void globs_of_many_stars_are_quick(void **state)
{
    (void) state;
    BUF_AUTO subject = BUF_INIT, glob = BUF_INIT;
    struct pattern pattern;
    struct err err = ERR_INIT;
    repeat(&subject, "a", 100000);
    repeat(&glob, "*a", 500);
    buf_str(&glob, "b");
    int64_t begin = mono_ns();
    assert_int_equal(pattern_init_text(&pattern, glob.data, &err), 0);
    assert_false(pattern_holds(&pattern, subject.data));
    pattern_fini(&pattern);
    assert_true(mono_ns() - begin < LONG_NS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_thousand_levels_are_refused),
        cmocka_unit_test(the_deepest_that_is_taken_is_judged_by_its_content),
        cmocka_unit_test(eleven_megabytes_are_refused_unread),
        cmocka_unit_test(ten_megabytes_of_comment_are_taken),
        cmocka_unit_test(a_text_of_more_than_a_megabyte_is_refused),
        cmocka_unit_test(too_many_rules_are_refused_and_ten_thousand_taken),
        cmocka_unit_test(a_million_values_are_refused),
        cmocka_unit_test(a_hundred_thousand_keys_are_compared_quickly),
        cmocka_unit_test(lists_in_a_rule_are_bounded),
        cmocka_unit_test(all_patterns_together_are_bounded),
        cmocka_unit_test(control_characters_of_a_key_do_not_reach_the_message),
        cmocka_unit_test(text_that_is_not_utf8_is_refused_also_in_comments),
        cmocka_unit_test(expressions_that_blow_up_elsewhere_are_quick_here),
        cmocka_unit_test(globs_of_many_stars_are_quick),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
