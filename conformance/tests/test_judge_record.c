/* The record of a judgement: its members, its hash, and answers that are none. */
#include "tests/support/judge_stage.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "judge/show.h"

/* ---- the record ---------------------------------------------------------------------------- */

static const struct cJSON *at(const struct cJSON *record, const char *list, int index)
{
    const struct cJSON *item = cJSON_GetArrayItem(json_get(record, list), index);
    if (item == NULL)
        fail_msg("no %s/%d", list, index);
    return item;
}

static void a_record_has_all_members_of_a_result(void **state)
{
    static const char *const members[] = { "case",      "client",  "verdict",      "listed",      "listed_reason",
                                           "stale",     "summary", "message_hash", "duration_ms", "skip_reason",
                                           "issue_url", "steps",   "wire",         "witness",     "journal",
                                           "faults",    "ledger",  "adapter",      "rerun",       "notes" };
    JSON_AUTO *record = stage_record(state, &(struct run){ 0 }, VERDICT_PASS);
    assert_int_equal(cJSON_GetArraySize(record), COUNT(members));
    for (size_t i = 0; i < COUNT(members); i++)
        assert_string_equal(cJSON_GetArrayItem(record, (int) i)->string, members[i]);
    assert_string_equal(kit_text(record, "case"), "acme/exec/m");
    assert_string_equal(kit_text(record, "client"), "acme-c");
    assert_int_equal((int) json_get(record, "duration_ms")->valuedouble, 12);
    assert_true(cJSON_IsFalse(json_get(record, "stale")));
    assert_string_equal(kit_text(json_get(record, "adapter"), "end"), "answered");
    assert_null(json_get(json_get(record, "adapter"), "line"));
}

static void steps_show_input_expectation_outcome_and_problems(void **state)
{
    JSON_AUTO *record = stage_record(state, &(struct run){ .line = BAD_LINE }, VERDICT_FAIL);
    const struct cJSON *box = at(record, "steps", 0), *step = at(record, "steps", 1);
    assert_null(json_get(box, "expect"));
    assert_int_equal(cJSON_GetArraySize(json_get(box, "problems")), 0);
    assert_string_equal(kit_text(step, "step"), "r");
    assert_string_equal(kit_text(step, "op"), "exec");
    assert_string_equal(kit_text(json_get(step, "input"), "command"), "exit 7");
    assert_null(json_get(json_get(step, "input"), "expect"));
    assert_non_null(json_get(json_get(step, "expect"), "value"));
    assert_non_null(json_get(json_get(step, "outcome"), "value"));
    const struct cJSON *problem = cJSON_GetArrayItem(json_get(step, "problems"), 0);
    assert_string_equal(kit_text(problem, "at"), "r.value.exit_code");
    assert_string_equal(kit_text(problem, "expected"), "7");
    assert_string_equal(kit_text(problem, "seen"), "0");
}

static void checks_show_what_was_expected_seen_and_where(void **state)
{
    JSON_AUTO *record = stage_record(state, &(struct run){ .ledger = REQUEST REQUEST EXITED }, VERDICT_FAIL);
    const struct cJSON *wire = at(record, "wire", 0), *witness = at(record, "witness", 0);
    assert_true(cJSON_IsFalse(json_get(wire, "ok")));
    assert_string_equal(kit_text(wire, "what"), "one request");
    assert_string_equal(kit_text(wire, "expected"), "exactly 1");
    assert_string_equal(kit_text(wire, "seen"), "2");
    assert_int_equal(cJSON_GetArraySize(json_get(wire, "entries")), 2);
    assert_true(cJSON_IsTrue(json_get(witness, "ok")));
    assert_int_equal(cJSON_GetArraySize(json_get(record, "ledger")), 3);
    assert_int_equal(cJSON_GetArraySize(json_get(record, "faults")), 1);
}

static void named_checks_of_the_journal_are_shown_others_noted_when_they_warn(void **state)
{
    JSON_AUTO *record = stage_record(state, &(struct run){ 0 }, VERDICT_PASS);
    assert_int_equal(cJSON_GetArraySize(json_get(record, "journal")), 1);
    assert_string_equal(kit_text(at(record, "journal", 0), "id"), "duplicate-starts");
    assert_int_equal(cJSON_GetArraySize(json_get(record, "notes")), 1);
    assert_string_equal(at(record, "notes", 0)->valuestring, "retries (warn): a read repeated");
}

static void a_case_that_was_not_run_has_a_record_too(void **state)
{
    struct run run = {
        .missing_need = "poll", .adapter = { .end = JUDGE_NOT_RUN }, .ledger = "-", .faults = "-", .journal = "-"
    };
    JSON_AUTO *record = stage_record(state, &run, VERDICT_SKIPPED);
    assert_int_equal(cJSON_GetArraySize(json_get(record, "steps")), 2);
    assert_int_equal(cJSON_GetArraySize(json_get(record, "wire")), 0);
    assert_int_equal(cJSON_GetArraySize(json_get(record, "ledger")), 0);
    assert_string_equal(kit_text(json_get(record, "adapter"), "end"), "not run");
    assert_string_equal(kit_text(record, "rerun"),
                        "standbox-conformance --client ... --vendor acme --run 'acme/exec/m'");
}

static void logs_and_garbage_are_made_printable_and_cut(void **state)
{
    char *log = malloc(6000);
    assert_non_null(log);
    memset(log, 'x', 6000);
    memcpy(log + 5990, "\xFF\0end\n", 6);
    struct run run = { .adapter = { .end = JUDGE_GARBAGE,
                                    .garbage = "\x1b[2J\xFF\0z",
                                    .garbage_len = 7,
                                    .stderr_tail = log,
                                    .stderr_len = 5996 } };
    JSON_AUTO *record = stage_record(state, &run, VERDICT_ADAPTER_ERROR);
    free(log);
    BUF_AUTO text = BUF_INIT;
    const struct cJSON *adapter = json_get(record, "adapter");
    json_print(&text, json_get(adapter, "stderr"));
    kit_has(text.data, "xx\\ufffd\\u0000end\\n\"");
    assert_true(text.len < 4096 + 40);
    buf_clear(&text);
    json_print(&text, json_get(adapter, "line"));
    assert_string_equal(text.data, "\"\\u001b[2J\\ufffd\\u0000z\"");
    kit_has(kit_text(record, "summary"), "\\u{1b}[2J\\xff\\u{0}z");
}

static void giant_outcomes_are_cut_in_the_record(void **state)
{
    BUF_AUTO line = BUF_INIT;
    buf_str(&line, "{'type': 'result', 'outcomes': [" BOX ", {'step': 'r', 'value': {'exit_code': 7, 'stdout': '");
    for (int i = 0; i < 200000; i++)
        buf_str(&line, "0123456789");
    buf_str(&line, "'}}]}");
    JSON_AUTO *record = stage_record(state, &(struct run){ .line = line.data }, VERDICT_PASS);
    const struct cJSON *value = json_get(json_get(at(record, "steps", 1), "outcome"), "value");
    kit_has(kit_text(value, "stdout"), "... [2000000 bytes]");
    assert_true(strlen(kit_text(value, "stdout")) < 4200);
}

static void summaries_are_one_line_of_bounded_length(void **state)
{
    BUF_AUTO line = BUF_INIT;
    buf_str(&line, "{'type': 'errored', 'message': 'a\\nb ");
    for (int i = 0; i < 500; i++)
        buf_str(&line, "\xC3\xA9");
    buf_str(&line, "'}");
    JSON_AUTO *record = stage_record(state, &(struct run){ .line = line.data }, VERDICT_ADAPTER_ERROR);
    const char *summary = kit_text(record, "summary");
    kit_has(summary, "the adapter failed: a b ");
    assert_true(strlen(summary) < 610);
    kit_has(summary, "\xC3\xA9...");
}

/* ---- the hash ------------------------------------------------------------------------------ */

static void hash_of(void **state, const struct run *run, enum verdict verdict, char out[9])
{
    JSON_AUTO *record = stage_record(state, run, verdict);
    const char *hash = kit_text(record, "message_hash");
    assert_int_equal(strlen(hash), 8);
    assert_int_equal(strspn(hash, "0123456789abcdef"), 8);
    memcpy(out, hash, 9);
}

static void both(void **state, const struct run *a, const struct run *b, enum verdict verdict, bool same)
{
    char x[9], y[9];
    hash_of(state, a, verdict, x);
    hash_of(state, b, verdict, y);
    if (same)
        assert_string_equal(x, y);
    else
        assert_string_not_equal(x, y);
}

#define OUTCOME(value)  "{'type': 'result', 'outcomes': [" BOX ", {'step': 'r', " value "}]}"
#define RAISED(message) OUTCOME("'error': {'kind': 'other', 'class': 'E', 'message': '" message "'}")

static void what_varies_from_run_to_run_is_not_hashed(void **state)
{
    static const char *const alike[][2] = {
        { RAISED("proc_6b3e35398eb2d1f7b1d7fd5d is gone"), RAISED("proc_aaaa35398eb2d1f7b1d7fd5e is gone") },
        { RAISED("connect to 127.0.0.1:45291 failed after 1.02 s"),
          RAISED("connect to 127.0.0.1:39 failed after 12.7 s") },
        { RAISED("sandbox 4675e5cc-4e43-4776-86cf-584358c659e1 closed"),
          RAISED("sandbox 0675abcd-face-4776-beef-584358c659e1 closed") },
        { RAISED("at 2026-11-21T13:35:24.435Z"), RAISED("at 2027-01-01T00:00:00.000Z") },
        { OUTCOME("'value': {'exit_code': 45291}"), OUTCOME("'value': {'exit_code': 45292}") },
    };
    for (size_t i = 0; i < COUNT(alike); i++)
        both(state, &(struct run){ .line = alike[i][0] }, &(struct run){ .line = alike[i][1] }, VERDICT_FAIL, true);
}

static void another_failure_has_another_hash(void **state)
{
    static const char *const different[][2] = {
        { RAISED("it is gone"), RAISED("it is late") },
        { RAISED("gone"), OUTCOME("'value': {'exit_code': 0}") },
        { OUTCOME("'value': {'exit_code': 0}"), OUTCOME("'value': {'exit_code': 137}") },
        { OUTCOME("'value': {'exit_code': 0}"), OUTCOME("'value': {'exit_code': -1}") },
        { OUTCOME("'value': {'exit_code': 0}"), OUTCOME("'value': {}") },
        { RAISED("decade"), RAISED("facade") },
    };
    for (size_t i = 0; i < COUNT(different); i++)
        both(state, &(struct run){ .line = different[i][0] }, &(struct run){ .line = different[i][1] }, VERDICT_FAIL,
             false);
}

static void what_is_hashed_is_the_failure_not_the_case(void **state)
{
    struct run must = { .ledger = "" }, should = { .is_should = true, .ledger = "" };
    both(state, &must, &should, VERDICT_NOT_EXERCISED, true);
    struct run wire = { .ledger = REQUEST REQUEST EXITED }, more = { .ledger = REQUEST REQUEST REQUEST EXITED };
    both(state, &wire, &more, VERDICT_FAIL, true);
    both(state, &wire, &(struct run){ .line = BAD_LINE }, VERDICT_FAIL, false);
    both(state, &wire, &(struct run){ .journal = JOURNAL("fail") }, VERDICT_FAIL, false);
    struct run first = { .adapter = { .end = JUDGE_DEADLINE, .at_step = "r" } };
    struct run other = { .adapter = { .end = JUDGE_DEADLINE, .at_step = "box" } };
    both(state, &first, &first, VERDICT_FAIL, true);
    both(state, &first, &other, VERDICT_FAIL, false);
    first.adapter = (struct adapter_report){ .end = JUDGE_EXITED, .code = 1, .stderr_tail = "at 1", .stderr_len = 4 };
    other.adapter = (struct adapter_report){ .end = JUDGE_EXITED, .code = 1, .stderr_tail = "bye", .stderr_len = 3 };
    both(state, &first, &other, VERDICT_ADAPTER_ERROR, true);
    first.adapter = (struct adapter_report){
        .end = JUDGE_GARBAGE, .garbage = "x", .garbage_len = 1, .stderr_tail = "at 1", .stderr_len = 4
    };
    other.adapter = (struct adapter_report){
        .end = JUDGE_GARBAGE, .garbage = "x", .garbage_len = 1, .stderr_tail = "bye", .stderr_len = 3
    };
    both(state, &first, &other, VERDICT_ADAPTER_ERROR, true);
    first.adapter = (struct adapter_report){ .end = JUDGE_EXITED, .code = 1 };
    other.adapter = first.adapter;
    other.adapter.code = 2;
    both(state, &first, &other, VERDICT_ADAPTER_ERROR, false);
}

/* ---- answers that are none ----------------------------------------------------------------- */

static void answers_are_checked_against_the_case(void **state)
{
    static const struct {
        const char *line, *complaint; /* NULL: it is one */
    } rows[] = {
        { GOOD_LINE, NULL },
        { OUTCOME("'error': {'kind': 'timeout'}"), NULL },
        { OUTCOME("'value': {}, 'error': {'kind': 'connection'}"), NULL },
        { OUTCOME("'skipped': 'no handle'"), NULL },
        { OUTCOME("'value': {'stdout': {'base64': 'AP8='}}, 'more': 1"), NULL },
        { "{'type': 'skipped'}", NULL },
        { "{'type': 'errored'}", NULL },
        { "{}", "the answer has no type" },
        { "{'type': 'hello'}", "an answer of type \"hello\"" },
        { "{'type': 'result'}", "no list of outcomes" },
        { "{'type': 'result', 'outcomes': {}}", "no list of outcomes" },
        { "{'type': 'result', 'outcomes': []}", "step \"box\" has no outcome" },
        { "{'type': 'result', 'outcomes': [7]}", "an outcome does not name its step" },
        { "{'type': 'result', 'outcomes': [" BOX "]}", "step \"r\" has no outcome" },
        { "{'type': 'result', 'outcomes': [" BOX "," BOX ", {'step': 'r', 'value': {}}]}",
          "step \"box\" has 2 outcomes" },
        { "{'type': 'result', 'outcomes': [" BOX ", {'step': 'q', 'value': {}}]}", "the case has no step \"q\"" },
        { OUTCOME("'x': 1"), "has neither value nor error nor skipped" },
        { OUTCOME("'value': null"), "has neither value nor error nor skipped" },
        { OUTCOME("'value': 7"), "has a value that is no object" },
        { OUTCOME("'error': 'no'"), "has an error that is no object" },
        { OUTCOME("'error': {}"), "has an error without one of the protocol's words" },
        { OUTCOME("'error': {'kind': 'bad'}"), "has an error without one of the protocol's words" },
        { OUTCOME("'skipped': true"), "is skipped without a reason" },
        { OUTCOME("'skipped': 'x', 'value': {}"), "is skipped, and has a value" },
        { OUTCOME("'value': {'events': [{'data': {'base64': '?'}}]}"), "has {\"base64\"} that is not base64" },
    };
    const struct stage *stage = *state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct err err = ERR_INIT;
        JSON_AUTO *line = kit_json(rows[i].line);
        int result = judge_check_answer(stage->list->cases[0], line, &err);
        if ((result == 0) != (rows[i].complaint == NULL))
            fail_msg("%s: %s", rows[i].line, err.text);
        if (rows[i].complaint != NULL)
            kit_has(err.text, rows[i].complaint);
    }
    struct err err = ERR_INIT;
    assert_int_equal(judge_check_answer(stage->list->cases[0], NULL, &err), -1);
}

static void steps_in_the_background_may_go_without_an_outcome(void **state)
{
    (void) state;
    void *folder = NULL;
    assert_int_equal(kit_folder_new(&folder), 0);
    LIST_AUTO *list = kit_load(folder, "{'id': 'c', " KIT_HEAD ", " KIT_WITNESS ", 'bare': true, 'steps': ["
                                       "{'step': 'l', 'op': 'sandbox.list', 'background': true},"
                                       "{'step': 'j', 'op': 'join', 'of': 'l'}]}");
    JSON_AUTO *without = kit_json("{'type': 'result', 'outcomes': [{'step': 'j', 'value': {}}]}");
    JSON_AUTO *with =
        kit_json("{'type': 'result', 'outcomes': [{'step': 'l', 'value': {}}, {'step': 'j', 'value': {}}]}");
    JSON_AUTO *unjoined = kit_json("{'type': 'result', 'outcomes': [{'step': 'l', 'value': {}}]}");
    struct err err = ERR_INIT;
    assert_int_equal(judge_check_answer(list->cases[0], without, &err), 0);
    assert_int_equal(judge_check_answer(list->cases[0], with, &err), 0);
    assert_int_equal(judge_check_answer(list->cases[0], unjoined, &err), -1);
    kit_folder_free(&folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_has_all_members_of_a_result),
        cmocka_unit_test(steps_show_input_expectation_outcome_and_problems),
        cmocka_unit_test(checks_show_what_was_expected_seen_and_where),
        cmocka_unit_test(named_checks_of_the_journal_are_shown_others_noted_when_they_warn),
        cmocka_unit_test(a_case_that_was_not_run_has_a_record_too),
        cmocka_unit_test(logs_and_garbage_are_made_printable_and_cut),
        cmocka_unit_test(giant_outcomes_are_cut_in_the_record),
        cmocka_unit_test(summaries_are_one_line_of_bounded_length),
        cmocka_unit_test(what_varies_from_run_to_run_is_not_hashed),
        cmocka_unit_test(another_failure_has_another_hash),
        cmocka_unit_test(what_is_hashed_is_the_failure_not_the_case),
        cmocka_unit_test(answers_are_checked_against_the_case),
        cmocka_unit_test(steps_in_the_background_may_go_without_an_outcome),
    };
    return cmocka_run_group_tests(tests, stage_new, stage_free);
}
