/* What an adapter may send to hurt: giants, depth, odd keys.  Time is the processor's, busy machine or not. */
#include "tests/support/judge_kit.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <time.h>

#include "base/text.h"
#include "judge/pattern.h"
#include "judge/pattern_priv.h"
#include "judge/show.h"

#define GIANT ((size_t) 12 * 1024 * 1024)
#define QUICK 5.0 /* seconds of the processor, sanitizers and all: what is quadratic takes hours */

static clock_t begun;

static int begin(void **state)
{
    (void) state;
    begun = clock();
    return 0;
}

static int was_quick(void **state)
{
    (void) state;
    double took = (double) (clock() - begun) / CLOCKS_PER_SEC;
    if (took > QUICK)
        print_error("took %.1f s of the processor\n", took);
    return took > QUICK ? -1 : 0;
}

static char *giant(char c)
{
    char *text = malloc(GIANT + 1);
    assert_non_null(text);
    memset(text, c, GIANT);
    text[GIANT] = '\0';
    return text;
}

static void giant_outputs_are_compared_quickly(void **state)
{
    (void) state;
    char *text = giant('x');
    JSON_AUTO *value = cJSON_CreateString(text);
    JSON_AUTO *same = cJSON_CreateString(text);
    JSON_AUTO *repeat = kit_json("{'$repeat': {'of': 'x', 'times': 12582912}}");
    JSON_AUTO *parts = kit_json("{'$starts': 'xx', '$ends': 'xx', '$contains': 'xxx', '$length': {'$gt': 100}}");
    JSON_AUTO *search = kit_json("{'$matches': 'x+y'}");
    assert_true(pattern_match(same, value, NULL, "v", NULL));
    assert_true(pattern_match(repeat, value, NULL, "v", NULL));
    assert_true(pattern_match(parts, value, NULL, "v", NULL));
    text[GIANT - 1] = 'y';
    JSON_AUTO *other = cJSON_CreateString(text);
    PROBLEMS_AUTO problems = PROBLEMS_INIT;
    assert_false(pattern_match(same, other, NULL, "v", &problems));
    assert_false(pattern_match(repeat, other, NULL, "v", &problems));
    assert_true(pattern_match(search, other, NULL, "v", NULL));
    kit_has(problems.list[0].seen, "(12582912 bytes), at byte 12582911: \"y\"");
    kit_has(problems.list[1].seen, "12582912 bytes, wrong at byte 12582911");
    free(text);
}

static void giant_bytes_are_compared_quickly(void **state)
{
    (void) state;
    BUF_AUTO coded = BUF_INIT;
    char *text = giant('\xFF');
    base64_encode(&coded, text, GIANT);
    free(text);
    JSON_AUTO *value = cJSON_CreateObject();
    JSON_AUTO *repeat = kit_json("{'$repeat': {'of': {'base64': '/w=='}, 'times': 12582912}}");
    JSON_AUTO *wrong = kit_json("{'$type': 'integer'}");
    PROBLEMS_AUTO problems = PROBLEMS_INIT;
    assert_non_null(cJSON_AddStringToObject(value, "base64", coded.data));
    assert_true(pattern_match(repeat, value, NULL, "v", NULL));
    assert_false(pattern_match(wrong, value, NULL, "v", &problems));
    kit_has(problems.list[0].seen, "bytes \"\\xff\\xff");
    kit_has(problems.list[0].seen, "(12582912 bytes)");
}

static void a_giant_in_many_events_is_joined_quickly(void **state)
{
    (void) state;
    JSON_AUTO *events = cJSON_CreateArray();
    JSON_AUTO *pattern = kit_json("{'$joined': {'type': 'stdout', 'is': {'$repeat': {'of': 'ab', 'times': 200000}}},"
                                  " '$rising': 'seq', '$each': {'type': 'stdout'}}");
    for (int i = 0; i < 200000; i++) {
        cJSON *event = cJSON_CreateObject();
        cJSON_AddStringToObject(event, "type", "stdout");
        cJSON_AddStringToObject(event, "data", "ab");
        cJSON_AddNumberToObject(event, "seq", i);
        cJSON_AddItemToArray(events, event);
    }
    PROBLEMS_AUTO problems = PROBLEMS_INIT;
    assert_true(pattern_match(pattern, events, NULL, "v", &problems));
}

static struct cJSON *wide(int members, int step)
{
    struct cJSON *object = cJSON_CreateObject();
    char name[24];
    for (int i = 0; i < members; i++) {
        snprintf(name, sizeof name, "m%d", (i * step) % members);
        struct cJSON *number = cJSON_CreateNumber((i * step) % members);
        cJSON_AddItemToObject(object, name, number);
    }
    return object;
}

static void wide_objects_in_different_order_are_compared_quickly(void **state)
{
    (void) state;
    JSON_AUTO *a = wide(100003, 1);
    JSON_AUTO *b = wide(100003, 7919);
    assert_true(pattern_equals(a, b));
    cJSON_SetNumberValue(b->child->next, -1);
    assert_false(pattern_equals(a, b));
}

static void a_million_misses_are_counted_quickly(void **state)
{
    (void) state;
    JSON_AUTO *pattern = kit_json("{'$each': {'a': {'b': 'text'}}}");
    JSON_AUTO *value = cJSON_CreateArray();
    PROBLEMS_AUTO problems = PROBLEMS_INIT;
    for (int i = 0; i < 300000; i++)
        cJSON_AddItemToArray(value, cJSON_CreateNumber(i));
    assert_false(pattern_match(pattern, value, NULL, "v", &problems));
    assert_int_equal(problems.total, 300000);
}

static void the_deepest_json_is_matched_shown_and_copied(void **state)
{
    (void) state;
    BUF_AUTO text = BUF_INIT;
    for (int i = 0; i < JSON_MAX_DEPTH; i++)
        buf_str(&text, i % 2 == 0 ? "{'a':" : "[");
    buf_str(&text, "1");
    for (int i = JSON_MAX_DEPTH; i-- > 0;)
        buf_str(&text, i % 2 == 0 ? "}" : "]");
    JSON_AUTO *value = kit_json(text.data);
    JSON_AUTO *copy = show_clip(value, 10);
    BUF_AUTO shown = BUF_INIT;
    BUF_AUTO printed = BUF_INIT;
    assert_true(pattern_match(value, copy, NULL, "v", NULL));
    show_value(&shown, value, 100);
    kit_has(shown.data, "...");
    json_print(&printed, copy);
    JSON_AUTO *again = kit_json(printed.data);
    assert_true(pattern_equals(again, value));
}

static void of_a_key_that_stands_twice_one_counts_and_nothing_breaks(void **state)
{
    (void) state;
    JSON_AUTO *value = kit_json("{'a': 1, 'a': 2, 'base64': 'AA==', 'base64': 1}");
    JSON_AUTO *pattern = kit_json("{'a': {'$in': [1, 2]}}");
    JSON_AUTO *bytes = kit_json("{'$type': 'bytes'}");
    assert_true(pattern_match(pattern, value, NULL, "v", NULL));
    assert_false(pattern_match(bytes, value, NULL, "v", NULL));
    assert_true(pattern_equals(value, value));
}

static void names_with_dollars_and_dots_in_values_are_only_names(void **state)
{
    (void) state;
    JSON_AUTO *outcomes = kit_json("[{'step': 's', 'value': {'$any': true, 'a.b': 1}}]");
    JSON_AUTO *value = kit_json("{'$any': true, 'a.b': 1}");
    JSON_AUTO *other = kit_json("{'$any': 1}");
    JSON_AUTO *same = kit_json("{'$same': 's.value'}");
    assert_true(pattern_match(same, value, outcomes, "v", NULL));
    assert_false(pattern_match(same, other, outcomes, "v", NULL));
}

static void what_a_terminal_would_obey_is_escaped(void **state)
{
    (void) state;
    BUF_AUTO text = BUF_INIT;
    JSON_AUTO *value = kit_json("'\\u001b[2J\\u202e\\u0000\\u0085\\u200b tab\\t quote\\\" back\\\\ e\xC3\xA9'");
    show_value(&text, value, 200);
    assert_string_equal(text.data, "\"\\u{1b}[2J\\u{202e}\\u{0}\\u{85}\\u{200b} tab\\t quote\\\" back\\\\ e\xC3\xA9\"");
}

static void long_arrays_and_texts_are_cut_in_copies(void **state)
{
    (void) state;
    JSON_AUTO *value = kit_json("{'text': 'h\xC3\xA9h\xC3\xA9', 'nul': 'abc\\u0000def', 'list': []}");
    for (int i = 0; i < 1200; i++)
        cJSON_AddItemToArray(cJSON_GetObjectItem(value, "list"), cJSON_CreateNumber(i));
    JSON_AUTO *copy = show_clip(value, 5);
    assert_string_equal(kit_text(copy, "text"), "h\xC3\xA9h... [6 bytes]");
    assert_string_equal(kit_text(copy, "nul"), "abc\xC0\x80... [8 bytes]");
    assert_int_equal(cJSON_GetArraySize(json_get(copy, "list")), 1001);
    JSON_AUTO *shorter = show_clip(value, 4);
    assert_string_equal(kit_text(shorter, "nul"), "abc... [8 bytes]");
}

static void json_is_written_as_it_was_read(void **state)
{
    (void) state;
    static const char text[] = "{\"a\":\"x\\u0000y\",\"b\":[1,-2.5,1e+300,true,false,null,\"\\u00e9\\ud83d\\ude00\"],"
                               "\"c\":{},\"n\":1732195000123,\"f\":0.1,\"g\":0.30000000000000004}";
    BUF_AUTO out = BUF_INIT;
    struct err err = ERR_INIT;
    JSON_AUTO *value = json_parse(text, strlen(text), &err);
    json_print(&out, value);
    assert_string_equal(out.data, text);
}

#define QUICKLY(test) cmocka_unit_test_setup_teardown(test, begin, was_quick)

int main(void)
{
    const struct CMUnitTest tests[] = {
        QUICKLY(giant_outputs_are_compared_quickly),
        QUICKLY(giant_bytes_are_compared_quickly),
        QUICKLY(a_giant_in_many_events_is_joined_quickly),
        QUICKLY(wide_objects_in_different_order_are_compared_quickly),
        QUICKLY(a_million_misses_are_counted_quickly),
        QUICKLY(the_deepest_json_is_matched_shown_and_copied),
        cmocka_unit_test(of_a_key_that_stands_twice_one_counts_and_nothing_breaks),
        cmocka_unit_test(names_with_dollars_and_dots_in_values_are_only_names),
        cmocka_unit_test(what_a_terminal_would_obey_is_escaped),
        cmocka_unit_test(long_arrays_and_texts_are_cut_in_copies),
        cmocka_unit_test(json_is_written_as_it_was_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
