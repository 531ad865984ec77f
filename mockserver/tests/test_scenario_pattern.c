/* Texts, globs and regular expressions; the latter also against the C library's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scenario/ere.h"
#include "scenario/pattern.h"

struct row {
    const char *pattern, *subject;
    bool holds;
};

static void check(const struct row *rows, size_t count, int (*init)(struct pattern *, const char *, struct err *))
{
    for (size_t i = 0; i < count; i++) {
        struct pattern pattern;
        struct err err = ERR_INIT;
        if (init(&pattern, rows[i].pattern, &err) < 0)
            fail_msg("%s: %s", rows[i].pattern, err.text);
        if (pattern_holds(&pattern, rows[i].subject) != rows[i].holds)
            fail_msg("\"%s\" %s \"%s\"", rows[i].pattern, rows[i].holds ? "misses" : "takes", rows[i].subject);
        pattern_fini(&pattern);
    }
}

static void globs_take_what_they_should(void **state)
{
    (void) state;
    static const struct row rows[] = {
        { "npm run dev", "npm run dev", true },
        { "npm run dev", "npm run dev2", false },
        { "npm run dev*", "npm run dev -p 3", true },
        { "npm run dev*", "npm run de", false },
        { "*", "", true },
        { "?", "", false },
        { "?", "\xC3\xA9", true },
        { "??", "\xC3\xA9", false },
        { "?", "\xFF", true },
        { "a*b*c", "a-b-b-c", true },
        { "a*b*c", "a-c-b", false },
        { "*ab", "aab", true },
        { "*a?b", "aaxb", true },
        { "rm \\*", "rm *", true },
        { "rm \\*", "rm x", false },
        { "echo \\?*", "echo ?1", true },
        { "ls *.c", "ls *.c", true },
        { "a\\b*", "a\\bc", true },
        { "", "", true },
        { "", "a", false },
        { "**", "x", true },
        { "*x", "", false },
    };
    check(rows, sizeof rows / sizeof rows[0], pattern_init_text);
}

static void expressions_take_what_they_should(void **state)
{
    (void) state;
    static const struct row rows[] = {
        { "dev", "npm run dev", true },
        { "^dev", "npm run dev", false },
        { "^npm .* dev$", "npm run dev", true },
        { "a{2,3}b", "aab", true },
        { "^a{2,3}$", "aaaa", false },
        { "^a{3}$", "aaa", true },
        { "^(a|bc)+$", "abcbca", true },
        { "^(a|bc)+$", "abcb", false },
        { "[[:digit:]]+ms", "15ms", true },
        { "^[^a-c]$", "b", false },
        { "^[^a-c]$", "\xC3\xA9", true },
        { "^[]x]$", "]", true },
        { "^[a-]$", "-", true },
        { "^.$", "\xE2\x82\xAC", true },
        { "^.$", "\xFF", true },
        { "\\.js$", "a.js", true },
        { "\\.js$", "a_js", false },
        { "^$", "", true },
        { "x*", "", true },
        { "^(()*)*x$", "x", true },
        { "a||b", "", true },
        { "(a|b|c|d)$", "xd", true },
        { "^(a|b|c|d)$", "e", false },
        { "^[\xC3\xA0-\xC3\xAF]$", "\xC3\xA9", true },
        { "^[\xC3\xA0-\xC3\xAF]$", "\xC3\xB1", false },
        { "a{0}b", "b", true },
        { "^(ab?){2,}c", "aabc", true },
        { "^(ab?){2,}c", "abc", false },
        { "a$b", "ab", false },
    };
    check(rows, sizeof rows / sizeof rows[0], pattern_init_regex);
}

static void nothing_is_matched_only_by_its_absence(void **state)
{
    (void) state;
    struct pattern glob, absent = { .kind = PATTERN_ABSENT };
    struct err err = ERR_INIT;
    assert_int_equal(pattern_init_text(&glob, "*", &err), 0);
    assert_false(pattern_holds(&glob, NULL));
    assert_true(pattern_holds(&absent, NULL));
    assert_false(pattern_holds(&absent, ""));
    pattern_fini(&glob);
}

/* Patterns and subjects of a small alphabet, made by a fixed generator: both engines must agree on each. */
static uint32_t next(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 16;
}

static void make_pattern(char *out, size_t room, uint32_t *seed)
{
    static const char *const parts[] = { "a",    "b",       "c",      ".",      "[ab]",   "[^a]",   "(a|b)",
                                         "(ab)", "(a|bc|)", "^",      "$",      "|",      "a*",     "b+",
                                         "c?",   "(ab)*",   "(a|b)+", "(b{2})", "a{1,2}", "(a*b)*", "[[:alpha:]]" };
    size_t len = 0;
    out[0] = '\0';
    for (uint32_t n = 1 + next(seed) % 5; n > 0; n--)
        len += (size_t) snprintf(out + len, room - len, "%s", parts[next(seed) % (sizeof parts / sizeof parts[0])]);
}

static void both_engines_agree(void **state)
{
    (void) state;
    uint32_t seed = 20240817;
    size_t compared = 0, held = 0;
    for (int i = 0; i < 4000; i++) {
        char text[128], subject[12];
        regex_t theirs;
        struct pattern ours;
        struct err err = ERR_INIT;
        make_pattern(text, sizeof text, &seed);
        if (regcomp(&theirs, text, REG_EXTENDED | REG_NOSUB) != 0)
            continue;
        if (pattern_init_regex(&ours, text, &err) < 0)
            fail_msg("%s: %s", text, err.text);
        for (int k = 0; k < 12; k++) {
            size_t len = next(&seed) % (sizeof subject - 1);
            for (size_t c = 0; c < len; c++)
                subject[c] = "abc"[next(&seed) % 3];
            subject[len] = '\0';
            bool want = regexec(&theirs, subject, 0, NULL, 0) == 0;
            if (pattern_holds(&ours, subject) != want)
                fail_msg("\"%s\" and \"%s\": theirs says %d", text, subject, want);
            compared++;
            held += want;
        }
        regfree(&theirs);
        pattern_fini(&ours);
    }
    assert_true(compared > 30000 && held > 5000 && compared - held > 5000);
}

static void what_is_not_taken_is_refused(void **state)
{
    (void) state;
    static const char *const bad[] = { "(",       ")",     "[a",  "*a",    "a{",    "a{2",        "a{3,2}",
                                       "a{256}",  "\\",    "\\1", "\\w",   "[b-a]", "[[:nope:]]", "[[.a.]]",
                                       "[[=a=]]", "a{,3}", "+",   "(?:a)", "a|*b" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct pattern pattern;
        struct err err = ERR_INIT;
        if (pattern_init_regex(&pattern, bad[i], &err) == 0)
            fail_msg("%s was taken", bad[i]);
        assert_int_equal(err.code, ERR_INVALID);
    }
}

static void deep_and_large_expressions_are_refused(void **state)
{
    (void) state;
    char deep[202], large[2000];
    struct pattern pattern;
    struct err err = ERR_INIT;
    memset(deep, '(', 100);
    memset(deep + 100, ')', 100);
    deep[200] = '\0';
    assert_int_equal(pattern_init_regex(&pattern, deep, &err), -1);
    memset(large, 'a', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    assert_int_equal(pattern_init_regex(&pattern, large, &err), -1);
    assert_int_equal(err.code, ERR_LIMIT);
    memset(large, '|', 1000);
    large[1000] = '\0';
    assert_int_equal(pattern_init_regex(&pattern, large, &err), -1);
    large[600] = '\0';
    assert_int_equal(pattern_init_regex(&pattern, large, &err), 0);
    assert_true(pattern_holds(&pattern, "x"));
    pattern_fini(&pattern);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(globs_take_what_they_should),
        cmocka_unit_test(expressions_take_what_they_should),
        cmocka_unit_test(nothing_is_matched_only_by_its_absence),
        cmocka_unit_test(both_engines_agree),
        cmocka_unit_test(what_is_not_taken_is_refused),
        cmocka_unit_test(deep_and_large_expressions_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
