/* What is no pattern is refused when it is loaded, with the part that is wrong. */
#include "tests/support/judge_kit.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "judge/expectation.h"
#include "judge/pattern.h"

/* Knows one step. */
static int same(const void *arg, const char *path, struct err *err)
{
    (void) arg;
    return strncmp(path, "s.", 2) == 0 ? 0 : err_set(err, ERR_INVALID, 0, "there is no such step");
}

typedef int check_fn(const struct cJSON *json, pattern_same_fn *fn, const void *arg, const struct cJSON **out_bad,
                     struct err *err);

/* `bad`: the name of the member that is complained about, "" for the whole. */
struct row {
    const char *pattern, *bad, *complaint;
};

static void refused(check_fn *check, const struct row *row)
{
    struct err err = ERR_INIT;
    const struct cJSON *bad = NULL;
    JSON_AUTO *json = kit_json(row->pattern);
    if (check(json, same, NULL, &bad, &err) == 0)
        fail_msg("taken: %s", row->pattern);
    kit_has(err.text, row->complaint);
    assert_int_equal(err.code, ERR_INVALID);
    assert_non_null(bad);
    const char *name = bad->string == NULL ? "" : bad->string;
    if (strcmp(name, row->bad) != 0)
        fail_msg("%s: \"%s\" is complained about, not \"%s\"", row->pattern, name, row->bad);
}

static void taken(check_fn *check, const char *pattern)
{
    struct err err = ERR_INIT;
    const struct cJSON *bad;
    JSON_AUTO *json = kit_json(pattern);
    if (check(json, same, NULL, &bad, &err) < 0)
        fail_msg("%s: %s", pattern, err.text);
}

static void patterns_that_are_none_are_refused(void **state)
{
    (void) state;
    static const struct row rows[] = {
        { "{'$foo': 1}", "$foo", "there is no operator $foo" },
        { "{'$gt': 1, '$foo': 1}", "$foo", "there is no operator $foo" },
        { "{'$gt': 1, 'a': 1}", "a", "do not mix" },
        { "{'a': 1, '$gt': 1}", "$gt", "do not mix" },
        { "{'a': [{'b': {'$foo': 1}}]}", "$foo", "there is no operator" },
        { "{'$any': false}", "$any", "$any takes only true" },
        { "{'$absent': 1}", "$absent", "$absent takes only true" },
        { "{'$type': 'text'}", "$type", "$type takes string, integer" },
        { "{'$type': 1}", "$type", "$type takes string, integer" },
        { "{'$not': {'$foo': 1}}", "$foo", "there is no operator" },
        { "{'$in': []}", "$in", "one at least" },
        { "{'$in': 'a'}", "$in", "a list of patterns" },
        { "{'$in': [{'$foo': 1}]}", "$foo", "there is no operator" },
        { "{'$all': {}}", "$all", "a list of patterns" },
        { "{'$contains': {'$foo': 1}}", "$foo", "there is no operator" },
        { "{'$starts': 1}", "$starts", "takes a text or" },
        { "{'$ends': {'base64': '!'}}", "$ends", "takes a text or" },
        { "{'$output': {'base64': 'aGk=', 'x': 1}}", "$output", "takes a text or" },
        { "{'$output': 7}", "$output", "takes a text or" },
        { "{'$matches': '('}", "$matches", "not an extended regular expression" },
        { "{'$matches': '(a)\\\\1'}", "$matches", "no back-references" },
        { "{'$matches': 1}", "$matches", "$matches takes a text" },
        { "{'$gt': '1'}", "$gt", "$gt takes a number" },
        { "{'$gte': null}", "$gte", "$gte takes a number" },
        { "{'$lt': true}", "$lt", "$lt takes a number" },
        { "{'$lte': []}", "$lte", "$lte takes a number" },
        { "{'$length': {'$foo': 1}}", "$foo", "there is no operator" },
        { "{'$each': {'$foo': 1}}", "$foo", "there is no operator" },
        { "{'$rising': 1}", "$rising", "$rising takes a text" },
        { "{'$same': 's'}", "$same", "a place in an outcome" },
        { "{'$same': 's.values.id'}", "$same", "a place in an outcome" },
        { "{'$same': 's.value..id'}", "$same", "a place in an outcome" },
        { "{'$same': 's.value.'}", "$same", "a place in an outcome" },
        { "{'$same': '.value.id'}", "$same", "a place in an outcome" },
        { "{'$same': 'other.value.id'}", "$same", "there is no such step" },
        { "{'$joined': {'type': 'stdout'}}", "$joined", "$joined takes" },
        { "{'$joined': {'type': 1, 'is': 'a'}}", "type", "takes a text" },
        { "{'$joined': {'type': 'stdout', 'is': {'$foo': 1}}}", "$foo", "there is no operator" },
        { "{'$joined': {'type': 'stdout', 'is': '', 'x': 1}}", "x", "has no member" },
        { "{'$repeat': 'x'}", "$repeat", "$repeat takes" },
        { "{'$repeat': {'of': '', 'times': 2}}", "of", "can be repeated" },
        { "{'$repeat': {'of': 1, 'times': 2}}", "of", "takes a text or" },
        { "{'$repeat': {'of': 'x', 'times': -1}}", "times", "a whole number" },
        { "{'$repeat': {'of': 'x', 'times': 1.5}}", "times", "a whole number" },
        { "{'$repeat': {'of': 'xx', 'times': 1e9}}", "times", "no more than" },
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        refused(pattern_check, &rows[i]);
}

static void patterns_are_taken(void **state)
{
    (void) state;
    static const char *const patterns[] = {
        "1",
        "null",
        "'a'",
        "[]",
        "{}",
        "{'a': {'b': [{'$gt': 1}]}}",
        "{'$contains': 'x'}",
        "{'$contains': {'a': 1}}",
        "{'$contains': {'base64': 'AA=='}}",
        "{'$matches': 'a\\\\.b'}",
        "{'$matches': '\\\\\\\\1'}",
        "{'$same': 's.value'}",
        "{'$same': 's.error.details.0'}",
        "{'$repeat': {'of': 'x', 'times': 12582912}}",
        "{'$not': {'$in': [1, 2]}}",
    };
    for (size_t i = 0; i < COUNT(patterns); i++)
        taken(pattern_check, patterns[i]);
}

static void same_means_nothing_where_there_are_no_steps(void **state)
{
    (void) state;
    struct err err = ERR_INIT;
    const struct cJSON *bad = NULL;
    JSON_AUTO *json = kit_json("{'$same': 's.value.id'}");
    assert_int_equal(pattern_check(json, NULL, NULL, &bad, &err), -1);
    kit_has(err.text, "has no meaning here");
}

/* ---- expectations -------------------------------------------------------------------------- */

static void expectations_that_are_none_are_refused(void **state)
{
    (void) state;
    static const struct row rows[] = {
        { "{}", "", "an expectation is" },
        { "[]", "", "an expectation is" },
        { "'nothing'", "", "an expectation is" },
        { "{'exit_code': 7}", "exit_code", "an expectation has" },
        { "{'value': {'$foo': 1}}", "$foo", "there is no operator" },
        { "{'value': {}, 'error': {'kind': {'$foo': 1}}}", "$foo", "there is no operator" },
        { "{'skipped': false}", "skipped", "takes only true" },
        { "{'skipped': true, 'value': {}}", "skipped", "stands alone" },
        { "{'any': [{'value': {}}, {'error': {}}], 'value': {}}", "any", "stands alone" },
        { "{'any': [{'value': {}}]}", "any", "two expectations" },
        { "{'any': {'value': {}}}", "any", "two expectations" },
        { "{'any': [{'value': {}}, {'x': 1}]}", "x", "an expectation has" },
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        refused(expectation_check, &rows[i]);
}

static void expectations_are_taken(void **state)
{
    (void) state;
    static const char *const expectations[] = {
        "'anything'",
        "{'value': {}}",
        "{'error': {'kind': 'timeout'}}",
        "{'value': {'a': 1}, 'error': {}}",
        "{'skipped': true}",
        "{'any': [{'value': {}}, {'error': {}}, 'anything']}",
    };
    for (size_t i = 0; i < COUNT(expectations); i++)
        taken(expectation_check, expectations[i]);
}

/* ---- what meets an expectation ------------------------------------------------------------- */

/* `problem` as "at | expected | seen"; NULL: it does. */
struct meeting {
    const char *expect, *outcome, *problem;
};

static void check_meeting(const struct meeting *row)
{
    BUF_AUTO seen = BUF_INIT;
    PROBLEMS_AUTO problems = PROBLEMS_INIT;
    JSON_AUTO *expect = row->expect == NULL ? NULL : kit_json(row->expect);
    JSON_AUTO *outcome = kit_json(row->outcome);
    bool fine = expectation_match(expect, "r", outcome, NULL, &problems);
    assert_true(fine == (problems.total == 0));
    if (problems.count > 0)
        buf_printf(&seen, "%s | %s | %s", problems.list[0].at, problems.list[0].expected, problems.list[0].seen);
    const char *wanted = row->problem == NULL ? "" : row->problem;
    if (strcmp(buf_cstr(&seen), wanted) != 0)
        fail_msg("%s for %s:\n  wanted \"%s\"\n  got    \"%s\"", row->outcome, row->expect, wanted, buf_cstr(&seen));
}

#define ERROR "{'step': 'r', 'error': {'kind': 'conflict', 'class': 'Err', 'message': 'no'}}"
#define VALUE "{'step': 'r', 'value': {'n': 1}}"
#define BOTH  "{'step': 'r', 'value': {'n': 1}, 'error': {'kind': 'connection'}}"
#define SKIP  "{'step': 'r', 'skipped': 'no handle'}"

static void outcomes_meet_expectations_or_say_why_not(void **state)
{
    (void) state;
    static const struct meeting rows[] = {
        { NULL, VALUE, NULL },
        { NULL, ERROR, "r | no error | an error: conflict (Err): \"no\"" },
        { NULL, BOTH, "r | no error | an error: connection" },
        { NULL, SKIP, "r | a value | skipped: \"no handle\"" },
        { "{'value': {'n': 1}}", VALUE, NULL },
        { "{'value': {'n': 2}}", VALUE, "r.value.n | 2 | 1" },
        { "{'value': {'n': 1}}", ERROR, "r | no error | an error: conflict (Err): \"no\"" },
        { "{'value': {'n': 1}}", BOTH, "r | no error | an error: connection" },
        { "{'value': {'n': 1}}", SKIP, "r | a value {n: 1} | skipped: \"no handle\"" },
        { "{'error': {'kind': 'conflict'}}", ERROR, NULL },
        { "{'error': {'kind': 'timeout'}}", ERROR, "r.error.kind | \"timeout\" | \"conflict\"" },
        { "{'error': {'kind': 'conflict'}}", VALUE, "r | an error {kind: \"conflict\"} | the value {\"n\": 1}" },
        { "{'error': {'kind': 'connection'}}", BOTH, NULL },
        { "{'value': {'n': 1}, 'error': {}}", BOTH, NULL },
        { "{'value': {'n': 1}, 'error': {}}", ERROR, "r | a value {n: 1} | an error: conflict (Err): \"no\"" },
        { "{'value': {'n': 1}, 'error': {}}", VALUE, "r | an error {} | the value {\"n\": 1}" },
        { "{'skipped': true}", SKIP, NULL },
        { "{'skipped': true}", VALUE, "r | the step skipped | the value {\"n\": 1}" },
        { "'anything'", SKIP, NULL },
        { "'anything'", ERROR, NULL },
        { "{'any': [{'value': {'n': 2}}, {'error': {}}]}", ERROR, NULL },
        { "{'any': [{'value': {'n': 2}}, {'error': {}}]}", VALUE,
          "r | one of 2 expectations; what is missing for the nearest of them: | the value {\"n\": 1}" },
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        check_meeting(&rows[i]);
}

static void of_several_expectations_the_nearest_is_explained(void **state)
{
    (void) state;
    PROBLEMS_AUTO problems = PROBLEMS_INIT;
    JSON_AUTO *expect = kit_json("{'any': [{'value': {'a': 1, 'b': 1}}, {'value': {'a': 1, 'b': 2, 'c': 3}}]}");
    JSON_AUTO *outcome = kit_json("{'step': 'r', 'value': {'a': 1, 'b': 2, 'c': 4}}");
    assert_false(expectation_match(expect, "r", outcome, NULL, &problems));
    assert_int_equal(problems.count, 2);
    assert_string_equal(problems.list[1].at, "r.value.b");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_that_are_none_are_refused),
        cmocka_unit_test(patterns_are_taken),
        cmocka_unit_test(same_means_nothing_where_there_are_no_steps),
        cmocka_unit_test(expectations_that_are_none_are_refused),
        cmocka_unit_test(expectations_are_taken),
        cmocka_unit_test(outcomes_meet_expectations_or_say_why_not),
        cmocka_unit_test(of_several_expectations_the_nearest_is_explained),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
