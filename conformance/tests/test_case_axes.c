/* Axes: one case for each combination. */
#include "tests/support/judge_kit.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "judge/case.h"

#define AXES(axes, command) \
    "{'id': 'c', " KIT_HEAD ", " KIT_WITNESS ", 'axes': " axes ",\n" \
    "'steps': [{'step': 'r', 'op': 'exec', 'command': " command "}]}"

static void each_combination_is_a_case_the_last_axis_first(void **state)
{
    static const char *const ids[] = {
        "acme/exec/c/Split:1/Mode:a",
        "acme/exec/c/Split:1/Mode:b",
        "acme/exec/c/Split:2/Mode:a",
        "acme/exec/c/Split:2/Mode:b",
    };
    LIST_AUTO *list = kit_load(*state, AXES("{'Split': [1, 2], 'Mode': ['a', 'b']}", "'${Split} ${Mode}'"));
    assert_int_equal(list->count, COUNT(ids));
    for (size_t i = 0; i < COUNT(ids); i++)
        assert_string_equal(list->cases[i]->id, ids[i]);
    assert_string_equal(kit_text(list->cases[2]->step[1].input, "command"), "2 a");
}

static void a_whole_text_becomes_the_value_a_part_its_text(void **state)
{
    LIST_AUTO *list = kit_load(
        *state,
        "{'id': 'c', " KIT_HEAD ", 'axes': {'N': [7], 'Flag': [true]}, 'scenario': {'standbox': 1, 'seed': '${N}'},"
        "'steps': [{'step': 'r', 'op': 'exec', 'command': 'exit ${N}${N} ${HOME} ${Flag}', 'timeout_ms': '${N}',"
        "'check': '${Flag}', 'expect': {'value': {'exit_code': '${N}', 'text': 'n${N}'}}}],"
        "'witness': [{'what': 'it exited with ${N}', 'entry': {'exit_code': '${N}'}}]}");
    const struct case_def *def = list->cases[0];
    const struct cJSON *input = def->step[1].input, *value = json_get(def->step[1].expect, "value");
    JSON_AUTO *scenario = kit_json(def->scenario);
    assert_string_equal(kit_text(input, "command"), "exit 77 ${HOME} true");
    assert_true(cJSON_IsNumber(json_get(input, "timeout_ms")));
    assert_true(cJSON_IsTrue(json_get(input, "check")));
    assert_int_equal((int) json_get(value, "exit_code")->valuedouble, 7);
    assert_string_equal(kit_text(value, "text"), "n7");
    assert_int_equal((int) json_get(scenario, "seed")->valuedouble, 7);
    assert_string_equal(kit_text(cJSON_GetArrayItem(def->witness, 0), "what"), "it exited with 7");
}

static void a_named_value_may_be_anything(void **state)
{
    LIST_AUTO *list = kit_load(
        *state, "{'id': 'c', " KIT_HEAD ", " KIT_WITNESS ", 'axes': {'Call': ["
                "{'name': 'exec', 'value': {'step': 'r', 'op': 'exec', 'command': '${Call}'}},"
                "{'name': 'list', 'value': {'step': 'r', 'op': 'list'}}], 'Code': [{'name': 'none', 'value': null}]},"
                "'steps': ['${Call}', {'step': 's', 'op': 'exec', 'command': 'n${Code}', 'expect':"
                "{'value': {'exit_code': '${Code}'}}}]}");
    const struct case_def *exec = case_list_find(list, "acme/exec/c/Call:exec/Code:none");
    const struct case_def *other = case_list_find(list, "acme/exec/c/Call:list/Code:none");
    assert_non_null(exec);
    assert_non_null(other);
    assert_string_equal(exec->step[1].op, "exec");
    assert_string_equal(kit_text(exec->step[1].input, "command"), "${Call}");
    assert_string_equal(other->step[1].op, "list");
    assert_string_equal(kit_text(other->step[2].input, "command"), "nnull");
    assert_int_equal(other->need_count, 3);
}

static void aliases_get_the_same_ending(void **state)
{
    LIST_AUTO *list =
        kit_load(*state, "{'id': 'c', 'aliases': ['old'], " KIT_HEAD ", " KIT_WITNESS ","
                         "'axes': {'N': [1, 2]}, 'steps': [{'step': 'r', 'op': 'exec', 'command': 'echo ${N}'}]}");
    assert_string_equal(case_list_find(list, "acme/exec/old/N:2")->id, "acme/exec/c/N:2");
    assert_null(case_list_find(list, "acme/exec/old"));
}

static void combinations_do_not_touch_each_other(void **state)
{
    LIST_AUTO *list = kit_load(*state, AXES("{'N': [1, 2]}", "'n${N}'"));
    assert_string_equal(kit_text(list->cases[0]->step[1].input, "command"), "n1");
    assert_string_equal(kit_text(list->cases[1]->step[1].input, "command"), "n2");
}

static void wrong_axes_are_refused(void **state)
{
    static const struct {
        const char *cases, *complaint;
    } rows[] = {
        { AXES("{}", "'x'"), "/axes: from 1 to 16 axes" },
        { AXES("[1]", "'x'"), "/axes: must be an object" },
        { AXES("{'split': [1]}", "'${split}'"), "/axes/split: the name of an axis is a capital letter" },
        { AXES("{'N': []}", "'${N}'"), "/axes/N: must be a list that is not empty" },
        { AXES("{'N': [{}]}", "'${N}'"), "/axes/N/0: a value of an axis is" },
        { AXES("{'N': ['a/b']}", "'${N}'"), "/axes/N/0: a value of an axis is" },
        { AXES("{'N': ['']}", "'${N}'"), "/axes/N/0: a value of an axis is" },
        { AXES("{'N': [1.5]}", "'${N}'"), "/axes/N/0: a value of an axis is" },
        { AXES("{'N': [1, '1']}", "'${N}'"), "/axes/N/1: this value stands here twice" },
        { AXES("{'N': [1], 'M': [1]}", "'n${N}'"), "/axes/M: nothing in the case speaks of \"${M}\"" },
        { AXES("{'N': ['a b']}", "'${N}'"), "/axes/N/0: a value of an axis is" },
        { AXES("{'N': ['it\\u0027s']}", "'${N}'"), "/axes/N/0: a value of an axis is" },
        { AXES("{'N': [{'name': 'a'}]}", "'${N}'"), "/axes/N/0: a value of an axis is" },
        { AXES("{'N': [{'name': 'a b', 'value': 1}]}", "'${N}'"), "/axes/N/0: a value of an axis is" },
        { AXES("{'N': ['a', {'name': 'a', 'value': 1}]}", "'${N}'"), "/axes/N/1: this value stands here twice" },
        { "{'id': 'c', " KIT_HEAD ", " KIT_WITNESS
          ", 'axes': {'S': [{'name': 'a', 'value': {'step': 'r', 'op': 7}}]},\n"
          "'steps': ['${S}']}",
          "exec.json:3:11: /cases/0/steps/0: a step needs an operation" },
        /* In the values themselves, at the place in the file. */
        { AXES("{'N': [1, 'x']}", "'n${N}'") ", 7", "/cases/1: must be an object" },
        { "{'id': 'c', " KIT_HEAD ", " KIT_WITNESS ", 'axes': {'N': [1, 'x']},\n"
          "'steps': [{'step': 'r', 'op': 'exec', 'command': 'x', 'timeout_ms': '${N}'}]}",
          "exec.json:3:69: /cases/0/steps/0/timeout_ms: must be a whole number" },
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        kit_refused(*state, rows[i].cases, rows[i].complaint);
}

static void too_many_combinations_are_refused(void **state)
{
    BUF_AUTO axis = BUF_INIT;
    BUF_AUTO text = BUF_INIT;
    for (int i = 0; i < 30; i++)
        buf_printf(&axis, "%s%d", i == 0 ? "" : ",", i);
    buf_printf(&text, AXES("{'A': [%s], 'B': [%s]}", "'${A}${B}'"), axis.data, axis.data);
    kit_refused(*state, text.data, "/axes: more than 500 combinations");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(each_combination_is_a_case_the_last_axis_first),
        WITH_FOLDER(a_whole_text_becomes_the_value_a_part_its_text),
        WITH_FOLDER(a_named_value_may_be_anything),
        WITH_FOLDER(aliases_get_the_same_ending),
        WITH_FOLDER(combinations_do_not_touch_each_other),
        WITH_FOLDER(wrong_axes_are_refused),
        WITH_FOLDER(too_many_combinations_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
