/* Patterns: every operator both ways, and what is said when one does not match. */
#include "tests/support/judge_kit.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "judge/pattern.h"
#include "judge/pattern_priv.h"

static const char outcomes_text[] =
    "[{'step': 's', 'value': {'id': 'p-1', 'n': 7, 'out': {'base64': 'AP8='}, 'events': [{'seq': 3}, {'seq': 4}],"
    "  'whole': {'b': [1, null], 'a': true}}},"
    " {'step': 'e', 'error': {'kind': 'conflict'}}]";

/* ---- rows ---------------------------------------------------------------------------------- */

/* `value` NULL: absent.  `problem`: "at | expected | seen" of the first problem; NULL: it matches. */
struct row {
    const char *pattern, *value, *problem;
};

static void check_row(const struct row *row)
{
    JSON_AUTO *pattern = kit_json(row->pattern);
    JSON_AUTO *value = row->value == NULL ? NULL : kit_json(row->value);
    JSON_AUTO *outcomes = kit_json(outcomes_text);
    BUF_AUTO seen = BUF_INIT;
    PROBLEMS_AUTO problems = PROBLEMS_INIT;
    bool matches = pattern_match(pattern, value, outcomes, "v", &problems);
    assert_true(pattern_match(pattern, value, outcomes, "v", NULL) == matches);
    assert_true(matches == (problems.total == 0));
    if (problems.count > 0)
        buf_printf(&seen, "%s | %s | %s", problems.list[0].at, problems.list[0].expected, problems.list[0].seen);
    const char *wanted = row->problem == NULL ? "" : row->problem;
    if (strcmp(buf_cstr(&seen), wanted) != 0)
        fail_msg("%s against %s:\n  wanted \"%s\"\n  got    \"%s\"", row->pattern, row->value, wanted, buf_cstr(&seen));
}

#define ROWS(name, ...) \
    static const struct row name##_rows[] = { __VA_ARGS__ }; \
    static void name(void **state) \
    { \
        (void) state; \
        for (size_t i = 0; i < COUNT(name##_rows); i++) \
            check_row(&name##_rows[i]); \
    }

/* ---- plain values -------------------------------------------------------------------------- */

/* clang-format off */
ROWS(scalars_match_their_equals,
    { "7", "7", NULL },
    { "7", "7.0", NULL },
    { "7", "8", "v | 7 | 8" },
    { "0", "null", "v | 0 | null" },
    { "0", "false", "v | 0 | false" },
    { "0", "''", "v | 0 | \"\"" },
    { "0", NULL, "v | 0 | nothing" },
    { "1.5", "1.5", NULL },
    { "true", "true", NULL },
    { "true", "false", "v | true | false" },
    { "true", "1", "v | true | 1" },
    { "null", "null", NULL },
    { "null", NULL, "v | null | nothing" },
    { "null", "0", "v | null | 0" },
    { "'hi'", "'hi'", NULL },
    { "'hi'", "'Hi'", "v | \"hi\" | \"Hi\"" },
    { "'7'", "7", "v | \"7\" | 7" },
    { "''", "null", "v | \"\" | null" })

ROWS(a_text_matches_an_output_of_the_same_bytes,
    { "'hi\\n'", "{'base64': 'aGkK'}", NULL },
    { "'hi'", "{'base64': 'aGkK'}", "v | \"hi\" | \"hi\\n\"" },
    { "''", "{'base64': ''}", NULL },
    { "'a\\u0000b'", "{'base64': 'YQBi'}", NULL },
    { "'a\\u0000b'", "'a\\u0000b'", NULL },
    { "'a\\u0000b'", "'a'", "v | \"a\\u{0}b\" | \"a\"" },
    { "'hi\\n'", "{'bytes': 3, 'data': 'hi\\n', 'encoding': 'utf-8', 'cut': false}", NULL },
    { "'hi\\n'", "{'bytes': 3, 'data': 'aGkK', 'encoding': 'base64', 'cut': false}", NULL },
    { "'hi'", "{'base64': '!!!'}", "v | \"hi\" | {\"base64\": \"!!!\"}" })

ROWS(arrays_match_element_by_element,
    { "[1, 'a']", "[1, 'a']", NULL },
    { "[]", "[]", NULL },
    { "[1, 2]", "[1, 3]", "v.1 | 2 | 3" },
    { "[1, 2]", "[1]", "v | 2 elements: [1, 2] | [1]" },
    { "[1]", "[1, 2]", "v | 1 element: [1] | [1, 2]" },
    { "[]", "{}", "v | 0 elements: [] | {}" },
    { "[]", NULL, "v | 0 elements: [] | nothing" },
    { "[{'$gt': 1}]", "[2]", NULL })

ROWS(objects_match_the_members_they_name,
    { "{'a': 1}", "{'a': 1, 'b': 2}", NULL },
    { "{}", "{'a': 1}", NULL },
    { "{'a': 1}", "{'b': 1}", "v.a | 1 | nothing" },
    { "{'a': {'b': 'x'}}", "{'a': {'b': 'y'}}", "v.a.b | \"x\" | \"y\"" },
    { "{'a': null}", "{'a': null}", NULL },
    { "{'a': null}", "{}", "v.a | null | nothing" },
    { "{'a': 1}", "[1]", "v | {a: 1} | [1]" },
    { "{'a': 1}", "'a'", "v | {a: 1} | \"a\"" },
    { "{'a': 1}", NULL, "v | {a: 1} | nothing" },
    { "{'a': 1}", "{'A': 1}", "v.a | 1 | nothing" })

/* ---- operators ----------------------------------------------------------------------------- */

static const struct row operator_rows[] = {
    { "{'$any': true}", "0", NULL },
    { "{'$any': true}", "''", NULL },
    { "{'$any': true}", "null", "v | anything | null" },
    { "{'$any': true}", NULL, "v | anything | nothing" },

    { "{'$absent': true}", "null", NULL },
    { "{'$absent': true}", NULL, NULL },
    { "{'$absent': true}", "false", "v | nothing | false" },
    { "{'a': {'$absent': true}}", "{}", NULL },
    { "{'a': {'$absent': true}}", "{'a': 0}", "v.a | nothing | 0" },

    { "{'$type': 'string'}", "''", NULL },
    { "{'$type': 'string'}", "{'base64': ''}", "v | of type string | bytes \"\"" },
    { "{'$type': 'bytes'}", "{'base64': 'AP8='}", NULL },
    { "{'$type': 'bytes'}", "'x'", "v | of type bytes | \"x\"" },
    { "{'$type': 'bytes'}", "{'base64': '?'}", "v | of type bytes | {\"base64\": \"?\"}" },
    { "{'$type': 'integer'}", "-3", NULL },
    { "{'$type': 'integer'}", "3.5", "v | of type integer | 3.5" },
    { "{'$type': 'number'}", "3.5", NULL },
    { "{'$type': 'number'}", "'3'", "v | of type number | \"3\"" },
    { "{'$type': 'boolean'}", "false", NULL },
    { "{'$type': 'boolean'}", "0", "v | of type boolean | 0" },
    { "{'$type': 'object'}", "{}", NULL },
    { "{'$type': 'object'}", "[]", "v | of type object | []" },
    { "{'$type': 'array'}", "[]", NULL },
    { "{'$type': 'array'}", NULL, "v | of type array | nothing" },

    { "{'$not': 1}", "2", NULL },
    { "{'$not': 1}", NULL, NULL },
    { "{'$not': 1}", "1", "v | not 1 | 1" },
    { "{'$not': {'$contains': 'x'}}", "'axb'", "v | not containing \"x\" | \"axb\"" },

    { "{'$in': [1, 2]}", "2", NULL },
    { "{'$in': [1, {'$gt': 5}]}", "9", NULL },
    { "{'$in': [1, 2]}", "3", "v | 1 or 2 | 3" },
    { "{'$in': [1]}", NULL, "v | 1 | nothing" },

    { "{'$all': [{'$gt': 1}, {'$lt': 5}]}", "3", NULL },
    { "{'$all': [{'$gt': 1}, {'$lt': 5}]}", "7", "v | less than 5 | 7" },
    { "{'$all': [{'a': 1}, {'$not': {'b': 1}}]}", "{'a': 1, 'b': 1}", "v | not {b: 1} | {\"a\": 1, \"b\": 1}" },

    { "{'$contains': 'b'}", "'abc'", NULL },
    { "{'$contains': ''}", "''", NULL },
    { "{'$contains': 'd'}", "'abc'", "v | containing \"d\" | \"abc\"" },
    { "{'$contains': {'base64': '/w=='}}", "{'base64': 'AP8A'}", NULL },
    { "{'$contains': 'a'}", "{'base64': 'YWI='}", NULL },
    { "{'$contains': 'b'}", "['a', 'b']", NULL },
    { "{'$contains': 'b'}", "['ab']", "v | containing \"b\" | [\"ab\"]" },
    { "{'$contains': {'type': 'exit'}}", "[{'type': 'out'}, {'type': 'exit', 'n': 1}]", NULL },
    { "{'$contains': {'type': 'exit'}}", "[]", "v | containing {type: \"exit\"} | []" },
    { "{'$contains': {'type': 'exit'}}", "'exit'", "v | containing {type: \"exit\"} | \"exit\"" },
    { "{'$contains': '1'}", "1", "v | containing \"1\" | 1" },
    { "{'$order': ['a', 'b']}", "['a', 'x', 'b']", NULL },
    { "{'$order': ['a', 'a']}", "['a', 'x', 'a']", NULL },
    { "{'$order': ['a', 'a']}", "['a']", "v | an array with, in this order, \"a\", then \"a\" | [\"a\"]" },
    { "{'$order': ['a', 'b']}", "['b', 'a']", "v | an array with, in this order, \"a\", then \"b\" | [\"b\", \"a\"]" },
    { "{'$order': ['a']}", "'a'", "v | an array with, in this order, \"a\" | \"a\"" },

    { "{'$starts': 'ab'}", "'abc'", NULL },
    { "{'$starts': 'bc'}", "'abc'", "v | starting with \"bc\" | \"abc\"" },
    { "{'$starts': 'abc'}", "'ab'", "v | starting with \"abc\" | \"ab\"" },
    { "{'$starts': ''}", NULL, "v | starting with \"\" | nothing" },

    { "{'$ends': 'bc'}", "'abc'", NULL },
    { "{'$ends': {'base64': '/w=='}}", "{'base64': 'AP8='}", NULL },
    { "{'$ends': 'ab'}", "'abc'", "v | ending with \"ab\" | \"abc\"" },

    { "{'$matches': '^a.c$'}", "'abc'", NULL },
    { "{'$matches': 'b+'}", "{'base64': 'YWJi'}", NULL },
    { "{'$matches': '^$'}", "''", NULL },
    { "{'$matches': 'b$'}", "'a\\u0000b'", NULL },
    { "{'$matches': '^b'}", "'abc'", "v | matching /^b/ | \"abc\"" },
    { "{'$matches': '.'}", "7", "v | matching /./ | 7" },

    { "{'$gt': 3}", "4", NULL },
    { "{'$gt': 3}", "3", "v | more than 3 | 3" },
    { "{'$gte': 3}", "3", NULL },
    { "{'$gte': 3}", "2.9", "v | at least 3 | 2.9" },
    { "{'$lt': 3}", "2", NULL },
    { "{'$lt': 3}", "3", "v | less than 3 | 3" },
    { "{'$lte': 3}", "3", NULL },
    { "{'$lte': 3}", "4", "v | at most 3 | 4" },
    { "{'$gte': 3}", "'4'", "v | at least 3 | \"4\"" },
    { "{'$lt': 3}", "null", "v | less than 3 | null" },
    { "{'$lt': 3}", NULL, "v | less than 3 | nothing" },
    { "{'$gte': 1, '$lte': 3}", "2", NULL },
    { "{'$gte': 1, '$lte': 3}", "9", "v | at most 3 | 9" },

    { "{'$length': 3}", "'abc'", NULL },
    { "{'$length': 2}", "'\xC3\xA9'", NULL },
    { "{'$length': 2}", "{'base64': 'AP8='}", NULL },
    { "{'$length': {'$gt': 1}}", "[1, 2]", NULL },
    { "{'$length': 2}", "[1]", "v(length) | 2 | 1" },
    { "{'$length': 0}", "null", "v | of length 0 | null" },
    { "{'$length': 0}", NULL, "v | of length 0 | nothing" },
    { "{'$length': 1}", "{'a': 1}", "v | of length 1 | {\"a\": 1}" },

    { "{'$each': {'$gt': 0}}", "[1, 2]", NULL },
    { "{'$each': {'$gt': 0}}", "[]", NULL },
    { "{'$each': {'a': 1}}", "[{'a': 1}, {'a': 2}]", "v.1.a | 1 | 2" },
    { "{'$each': 1}", "1", "v | an array, each element 1 | 1" },

    { "{'$rising': 'seq'}", "[{'seq': 1}, {'seq': 2}, {'seq': 9}]", NULL },
    { "{'$rising': 'at'}", "[{'at': '2026-01-01T00:00:00Z'}, {'at': '2026-01-02T00:00:00Z'}]", NULL },
    { "{'$rising': ''}", "[1, 2.5]", NULL },
    { "{'$rising': ''}", "[]", NULL },
    { "{'$rising': 'seq'}", "[{'seq': 1}, {'seq': 1}]", "v.1.seq | more than 1 | 1" },
    { "{'$rising': ''}", "[2, 1]", "v.1 | more than 2 | 1" },
    { "{'$rising': 'seq'}", "[{}]", "v.0.seq | a number or a text | nothing" },
    { "{'$rising': 'seq'}", "[{'seq': 1}, {'seq': '2'}]", "v.1.seq | more than 1 | \"2\"" },
    { "{'$rising': 'seq'}", "'x'", "v | an array, rising by seq | \"x\"" },

    { "{'$same': 's.value.id'}", "'p-1'", NULL },
    { "{'$same': 's.value.out'}", "{'base64': 'AP8='}", NULL },
    { "{'$same': 's.value.events.1.seq'}", "4", NULL },
    { "{'$same': 's.value.whole'}", "{'a': true, 'b': [1, null]}", NULL },
    { "{'$same': 'e.error.kind'}", "'conflict'", NULL },
    { "{'$same': 's.value.id'}", "'p-2'", "v | the same as s.value.id, which is \"p-1\" | \"p-2\"" },
    { "{'$same': 's.value.n'}", "'7'", "v | the same as s.value.n, which is 7 | \"7\"" },
    { "{'$same': 's.value.whole'}", "{'a': true, 'b': [1]}",
      "v | the same as s.value.whole, which is {\"b\": [1, null], \"a\": true} | {\"a\": true, \"b\": [1]}" },
    { "{'$same': 's.value.whole'}", "{'a': true}",
      "v | the same as s.value.whole, which is {\"b\": [1, null], \"a\": true} | {\"a\": true}" },
    { "{'$same': 's.value.none'}", "null", "v | the same as s.value.none, which is not there | null" },
    { "{'$same': 's.value.none'}", NULL, "v | the same as s.value.none, which is not there | nothing" },
    { "{'$same': 's.value.events.2'}", "1", "v | the same as s.value.events.2, which is not there | 1" },
    { "{'$same': 's.value.events.x'}", "1", "v | the same as s.value.events.x, which is not there | 1" },

    { "{'$output': 'hi'}", "'hi'", NULL },
    { "{'$output': 'hi'}", "{'base64': 'aGk='}", NULL },
    { "{'$output': {'base64': 'aGk='}}", "'hi'", NULL },
    { "{'$output': {'base64': 'Yf9i'}}", "{'base64': 'Yf9i'}", NULL },
    { "{'$output': {'base64': 'Yf9i'}}", "'a\xEF\xBF\xBD" "b'", NULL },
    { "{'$output': 'ab'}", "['a', '', {'base64': 'Yg=='}]", NULL },
    { "{'$output': ''}", "[]", NULL },
    { "{'$output': {'base64': 'Yf9i'}}", "{'base64': 'Ye+/vWI='}", "v | \"a\\xffb\" | \"a\xEF\xBF\xBD" "b\"" },
    { "{'$output': 'hi'}", "'ho'", "v | \"hi\" | \"ho\"" },
    { "{'$output': 'ab'}", "['a', 1]", "v | \"ab\" | [\"a\", 1]" },
    { "{'$output': ''}", "null", "v | \"\" | null" },

    { "{'$joined': {'type': 'stdout', 'is': 'ab'}}",
      "[{'type': 'stdout', 'data': 'a'}, {'type': 'stderr', 'data': 'x'}, {'type': 'stdout', 'data': 'b'}]", NULL },
    { "{'$joined': {'type': 'stdout', 'is': 'ab'}}",
      "[{'type': 'stdout', 'data': 'a'}, {'type': 'stdout', 'data': {'base64': 'Yg=='}}]", NULL },
    { "{'$joined': {'type': 'stdout', 'is': {'$output': {'base64': 'w6k='}}}}",
      "[{'type': 'stdout', 'data': {'base64': 'ww=='}}, {'type': 'stdout', 'data': {'base64': 'qQ=='}}]", NULL },
    { "{'$joined': {'type': 'stdout', 'is': ''}}", "[{'type': 'exit'}]", NULL },
    { "{'$joined': {'type': 'exit', 'is': ''}}", "[{'type': 'exit', 'result': {}}]", NULL },
    { "{'$joined': {'type': 'stdout', 'is': {'$length': 2}}}", "[{'type': 'stdout', 'data': 'abc'}]",
      "v(all stdout)(length) | 2 | 3" },
    { "{'$joined': {'type': 'stdout', 'is': 'ab'}}",
      "[{'type': 'stdout', 'data': 'b'}, {'type': 'stdout', 'data': 'a'}]",
      "v(all stdout) | \"ab\" | \"ba\"" },
    { "{'$joined': {'type': 'stdout', 'is': 'a'}}", "[{'type': 'stdout', 'data': 7}]",
      "v | events, all stdout together \"a\" | [{\"type\": \"stdout\", \"data\": 7}]" },
    { "{'$joined': {'type': 'stdout', 'is': 'a'}}", "'a'", "v | events, all stdout together \"a\" | \"a\"" },

    { "{'$repeat': {'of': 'ab', 'times': 3}}", "'ababab'", NULL },
    { "{'$repeat': {'of': 'x', 'times': 0}}", "''", NULL },
    { "{'$repeat': {'of': {'base64': 'AP8='}, 'times': 2}}", "{'base64': 'AP8A/w=='}", NULL },
    { "{'$repeat': {'of': 'ab', 'times': 2}}", "['aba', 'b']", NULL },
    { "{'$repeat': {'of': 'ab', 'times': 2}}", "'abab\\n'",
      "v | \"ab\" 2 times (4 bytes) | 5 bytes, wrong at byte 4: \"abab\\n\"" },
    { "{'$repeat': {'of': 'ab', 'times': 2}}", "'aba'", "v | \"ab\" 2 times (4 bytes) | 3 bytes" },
    { "{'$repeat': {'of': 'ab', 'times': 2}}", "4", "v | \"ab\" 2 times (4 bytes) | 4" },
};
/* clang-format on */

static void operators_match_and_refuse(void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT(operator_rows); i++)
        check_row(&operator_rows[i]);
}

static void no_operator_is_tested_one_way_only(void **state)
{
    (void) state;
    for (size_t i = 0; i < pattern_op_count; i++) {
        char word[32];
        bool match = false, miss = false;
        snprintf(word, sizeof word, "'%s'", pattern_ops[i].name);
        for (size_t k = 0; k < COUNT(operator_rows); k++) {
            bool has = strstr(operator_rows[k].pattern, word) != NULL;
            match |= has && operator_rows[k].problem == NULL;
            miss |= has && operator_rows[k].problem != NULL;
        }
        if (!match || !miss)
            fail_msg("%s is tested one way only", pattern_ops[i].name);
    }
}

/* ---- problems ------------------------------------------------------------------------------ */

static void all_problems_are_told_each_with_its_place(void **state)
{
    (void) state;
    JSON_AUTO *pattern = kit_json("{'a': 1, 'b': [1, {'c': 2}], 'd': {'$gte': 1, '$lte': 2}}");
    JSON_AUTO *value = kit_json("{'a': 0, 'b': [0, {'c': 0}], 'd': 'x'}");
    static const char *const places[] = { "r.value.a", "r.value.b.0", "r.value.b.1.c", "r.value.d", "r.value.d" };
    PROBLEMS_AUTO problems = PROBLEMS_INIT;
    assert_false(pattern_match(pattern, value, NULL, "r.value", &problems));
    assert_int_equal(problems.count, COUNT(places));
    for (size_t i = 0; i < COUNT(places); i++)
        assert_string_equal(problems.list[i].at, places[i]);
}

static void more_problems_than_a_page_are_only_counted(void **state)
{
    (void) state;
    JSON_AUTO *pattern = kit_json("{'$each': 1}");
    JSON_AUTO *value = cJSON_CreateArray();
    PROBLEMS_AUTO problems = PROBLEMS_INIT;
    for (int i = 0; i < 200; i++)
        cJSON_AddItemToArray(value, cJSON_CreateNumber(2));
    assert_false(pattern_match(pattern, value, NULL, "v", &problems));
    assert_int_equal(problems.count, PROBLEMS_MAX);
    assert_int_equal(problems.total, 200);
}

/* A pattern and a value of `len` bytes that differ at `at`. */
static struct problem difference(size_t len, size_t at, struct problems *problems)
{
    char *text = malloc(len + 1);
    assert_non_null(text);
    memset(text, 'a', len);
    text[len] = '\0';
    JSON_AUTO *pattern = cJSON_CreateString(text);
    text[at] = 'b';
    JSON_AUTO *value = cJSON_CreateString(text);
    free(text);
    assert_false(pattern_match(pattern, value, NULL, "v", problems));
    assert_int_equal(problems->count, 1);
    return problems->list[0];
}

static void long_outputs_show_their_length_and_the_first_difference(void **state)
{
    (void) state;
    PROBLEMS_AUTO problems = PROBLEMS_INIT;
    struct problem problem = difference(5000, 4321, &problems);
    kit_has(problem.expected, "\"aaaa");
    kit_has(problem.expected, "(5000 bytes), at byte 4321: \"aaaa");
    kit_has(problem.seen, "(5000 bytes), at byte 4321: \"baaa");
    assert_true(strlen(problem.expected) <= PROBLEM_TEXT_MAX && strlen(problem.seen) <= PROBLEM_TEXT_MAX);
}

static void an_early_difference_is_seen_in_the_beginning(void **state)
{
    (void) state;
    PROBLEMS_AUTO problems = PROBLEMS_INIT;
    struct problem problem = difference(5000, 3, &problems);
    kit_has(problem.seen, "\"aaabaaa");
    kit_has_not(problem.seen, "at byte");
}

static void a_truncated_output_says_that_it_ends(void **state)
{
    (void) state;
    char text[301];
    PROBLEMS_AUTO problems = PROBLEMS_INIT;
    memset(text, 'x', 300);
    text[300] = '\0';
    JSON_AUTO *pattern = cJSON_CreateString(text);
    text[200] = '\0';
    JSON_AUTO *value = cJSON_CreateString(text);
    assert_false(pattern_match(pattern, value, NULL, "v", &problems));
    kit_has(problems.list[0].seen, "(200 bytes), at byte 200: the end");
}

static void texts_of_problems_are_bounded_and_whole_characters(void **state)
{
    (void) state;
    BUF_AUTO text = BUF_INIT;
    PROBLEMS_AUTO problems = PROBLEMS_INIT;
    for (int i = 0; i < 4000; i++)
        buf_str(&text, "\xC3\xA9");
    JSON_AUTO *pattern = kit_json("{'$type': 'integer'}");
    JSON_AUTO *value = cJSON_CreateString(text.data);
    assert_false(pattern_match(pattern, value, NULL, "v", &problems));
    assert_true(strlen(problems.list[0].seen) < PROBLEM_TEXT_MAX + 40);
    kit_has(problems.list[0].seen, "\xC3\xA9...\" (8000 bytes)");
}

/* ---- descriptions -------------------------------------------------------------------------- */

static void described(const char *pattern, const char *words)
{
    BUF_AUTO text = BUF_INIT;
    JSON_AUTO *json = kit_json(pattern);
    pattern_describe(json, &text, 200);
    assert_string_equal(buf_cstr(&text), words);
}

static void patterns_can_be_read_aloud(void **state)
{
    (void) state;
    described("7", "7");
    described("{'exit_code': 7, 'status': 'exited'}", "{exit_code: 7, status: \"exited\"}");
    described("{'$gte': 1, '$lt': 4}", "at least 1 and less than 4");
    described("{'$in': ['a', {'$starts': 'b'}]}", "\"a\" or starting with \"b\"");
    described("{'id': {'$same': 's.value.id'}}", "{id: the same as s.value.id}");
    described("{'$joined': {'type': 'stdout', 'is': {'$repeat': {'of': 'x', 'times': 9}}}}",
              "events, all stdout together \"x\" 9 times (9 bytes)");
    described("{'$length': {'$gt': 2}}", "of length more than 2");
    described("[1, {'$absent': true}]", "[1, nothing]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scalars_match_their_equals),
        cmocka_unit_test(a_text_matches_an_output_of_the_same_bytes),
        cmocka_unit_test(arrays_match_element_by_element),
        cmocka_unit_test(objects_match_the_members_they_name),
        cmocka_unit_test(operators_match_and_refuse),
        cmocka_unit_test(no_operator_is_tested_one_way_only),
        cmocka_unit_test(all_problems_are_told_each_with_its_place),
        cmocka_unit_test(more_problems_than_a_page_are_only_counted),
        cmocka_unit_test(long_outputs_show_their_length_and_the_first_difference),
        cmocka_unit_test(an_early_difference_is_seen_in_the_beginning),
        cmocka_unit_test(a_truncated_output_says_that_it_ends),
        cmocka_unit_test(texts_of_problems_are_bounded_and_whole_characters),
        cmocka_unit_test(patterns_can_be_read_aloud),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
