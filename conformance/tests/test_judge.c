/* Each rule of the judge, and which of them comes first. */
#include "tests/support/judge_stage.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the rules ----------------------------------------------------------------------------- */

static void all_well_is_a_pass(void **state)
{
    stage_expect(state, &(struct run){ 0 }, VERDICT_PASS, "as required");
    stage_expect(state, &(struct run){ .is_should = true }, VERDICT_PASS, "as required");
}

static void a_need_that_is_not_declared_is_skipped(void **state)
{
    struct run run = { .missing_need = "poll", .adapter = { .end = JUDGE_NOT_RUN }, .ledger = "-", .line = "-" };
    JSON_AUTO *record = stage_record(state, &run, VERDICT_SKIPPED);
    assert_string_equal(kit_text(record, "skip_reason"), "the client does not declare poll");
    assert_null(json_get(record, "message_hash"));
}

static void an_adapter_may_say_that_the_client_cannot(void **state)
{
    struct run run = { .line = "{'type': 'skipped', 'message': 'no ptys', 'issue_url': 'https://x/1'}" };
    JSON_AUTO *record = stage_record(state, &run, VERDICT_SKIPPED);
    assert_string_equal(kit_text(record, "skip_reason"), "no ptys");
    assert_string_equal(kit_text(record, "issue_url"), "https://x/1");
    run.harness_error = "the lane is gone";
    stage_expect(state, &run, VERDICT_SKIPPED, "no ptys");
}

static void what_breaks_on_our_side_is_ours(void **state)
{
    stage_expect(state, &(struct run){ .harness_error = "no lane" }, VERDICT_HARNESS_ERROR, "no lane");
    stage_expect(state, &(struct run){ .ledger = "-" }, VERDICT_HARNESS_ERROR, "the ledger is missing");
    stage_expect(state, &(struct run){ .faults = "-" }, VERDICT_HARNESS_ERROR, "the list of faults is missing");
    stage_expect(state, &(struct run){ .journal = "-" }, VERDICT_HARNESS_ERROR, "the journal's verdict is missing");
    stage_expect(state, &(struct run){ .journal = "{'lanes': []}" }, VERDICT_HARNESS_ERROR,
                 "no check \"duplicate-starts\"");
    stage_expect(state, &(struct run){ .adapter = { .end = JUDGE_NOT_RUN } }, VERDICT_HARNESS_ERROR, "was not run");
    stage_expect(state, &(struct run){ .journal = "{'lanes': [{'checks': [{'id': 'auth', 'verdict': 'pass'}]}]}" },
                 VERDICT_HARNESS_ERROR, "no check \"duplicate-starts\"");
    stage_expect(state, &(struct run){ .journal = "{'lanes': [{'checks': [{'id': 'auth'}, {'verdict': 'fail'}, 7]}]}" },
                 VERDICT_HARNESS_ERROR, "no check \"duplicate-starts\"");
    struct run run = { .harness_error = "no lane", .line = BAD_LINE };
    stage_expect(state, &run, VERDICT_HARNESS_ERROR, "no lane");
    run = (struct run){ .harness_error = "no lane", .adapter = { .end = JUDGE_EXITED, .code = 1 } };
    stage_expect(state, &run, VERDICT_HARNESS_ERROR, "no lane");
}

static void a_broken_action_is_ours_a_late_one_is_not(void **state)
{
    struct run run = { .actions = { .end = ACTIONS_BROKEN, .index = 0, .why = "404" } };
    stage_expect(state, &run, VERDICT_HARNESS_ERROR, "action meanwhile/0 (await_fact) failed: 404");
    run.actions.in_before = true;
    stage_expect(state, &run, VERDICT_HARNESS_ERROR, "action before/0 (clock) failed: 404");
    run.actions.end = ACTIONS_TIMED_OUT;
    stage_expect(state, &run, VERDICT_HARNESS_ERROR, "action before/0 (clock) failed");
    run.actions.in_before = false;
    stage_expect(state, &run, VERDICT_NOT_EXERCISED, "action meanwhile/0 (await_fact) timed out: 404");
    run.actions = (struct action_report){ .end = ACTIONS_LEFT };
    stage_expect(state, &run, VERDICT_NOT_EXERCISED, "was not done: the client was back before it");
    run.line = BAD_LINE;
    stage_expect(state, &run, VERDICT_FAIL, "r.value.exit_code: expected 7, seen 0");
}

static void an_adapter_that_crashes_is_named_with_its_end(void **state)
{
    struct run run = {
        .adapter = { .end = JUDGE_EXITED, .code = 3, .at_step = "r", .stderr_tail = "a\nboom!\n", .stderr_len = 8 }
    };
    stage_expect(state, &run, VERDICT_ADAPTER_ERROR,
                 "the adapter ended with exit 3 before it answered in step \"r\"; its log ends with \"boom!\"");
    run.adapter = (struct adapter_report){ .end = JUDGE_KILLED, .code = 11 };
    stage_expect(state, &run, VERDICT_ADAPTER_ERROR, "ended with signal 11 (SIGSEGV) before it answered");
    run.adapter.code = 40;
    stage_expect(state, &run, VERDICT_ADAPTER_ERROR, "ended with signal 40 before");
    run.ledger = "";
    stage_expect(state, &run, VERDICT_ADAPTER_ERROR, "ended with signal 40");
    run.ledger = "-";
    stage_expect(state, &run, VERDICT_ADAPTER_ERROR, "ended with signal 40");
}

static void garbage_is_shown(void **state)
{
    struct run run = { .adapter = {
                           .end = JUDGE_GARBAGE, .garbage = "Hello\n", .garbage_len = 6, .garbage_why = "1:1: no" } };
    stage_expect(state, &run, VERDICT_ADAPTER_ERROR, "no line of the protocol: \"Hello\\n\" (1:1: no)");
    run.adapter.garbage = NULL;
    run.adapter.garbage_len = 0;
    stage_expect(state, &run, VERDICT_ADAPTER_ERROR, "the adapter broke the protocol: 1:1: no");
}

static void an_errored_line_is_the_adapters(void **state)
{
    struct run run = { .line = "{'type': 'errored', 'message': 'KeyError: x', 'traceback': 'tb'}" };
    JSON_AUTO *record = stage_record(state, &run, VERDICT_ADAPTER_ERROR);
    assert_string_equal(kit_text(record, "summary"), "the adapter failed: KeyError: x");
    kit_has(kit_text(json_get(record, "adapter"), "line"), "\"traceback\":\"tb\"");
    run.ledger = "";
    stage_expect(state, &run, VERDICT_ADAPTER_ERROR, "KeyError");
}

static void an_answer_that_is_none_is_the_adapters_unless_nothing_came(void **state)
{
    struct run run = { .line = "{'type': 'result', 'outcomes': [" BOX "]}" };
    stage_expect(state, &run, VERDICT_ADAPTER_ERROR, "the adapter's answer is none: step \"r\" has no outcome");
    run.ledger = EXITED;
    stage_expect(state, &run, VERDICT_NOT_EXERCISED,
                 "no request came from the client, and the adapter's answer is none");
}

static void nothing_on_the_wire_is_never_a_pass(void **state)
{
    stage_expect(state, &(struct run){ .ledger = "" }, VERDICT_NOT_EXERCISED, "no request came from the client");
    stage_expect(state, &(struct run){ .ledger = EXITED }, VERDICT_NOT_EXERCISED, "no request came from the client");
    struct run run = { .ledger = "", .line = BAD_LINE };
    stage_expect(state, &run, VERDICT_NOT_EXERCISED, "no request came from the client");
    run = (struct run){ .ledger = "", .adapter = { .end = JUDGE_DEADLINE } };
    stage_expect(state, &run, VERDICT_NOT_EXERCISED, "no request came from the client");
}

static void who_does_not_come_back_fails_in_the_step_it_hung_in(void **state)
{
    struct run run = { .adapter = { .end = JUDGE_DEADLINE, .at_step = "r" } };
    JSON_AUTO *record = stage_record(state, &run, VERDICT_FAIL);
    assert_string_equal(kit_text(record, "summary"), "did not come back within 10000 ms; it hung in step \"r\"");
    const struct cJSON *step = cJSON_GetArrayItem(json_get(record, "steps"), 1);
    const struct cJSON *problem = cJSON_GetArrayItem(json_get(step, "problems"), 0);
    assert_string_equal(kit_text(problem, "at"), "r");
    run.adapter.at_step = NULL;
    stage_expect(state, &run, VERDICT_FAIL, "it did not say in which step");
    run.is_should = true;
    stage_expect(state, &run, VERDICT_FAIL, "did not come back");
}

static void a_broken_expectation_fails_or_is_non_strict(void **state)
{
    struct run run = { .line = BAD_LINE };
    stage_expect(state, &run, VERDICT_FAIL, "r.value.exit_code: expected 7, seen 0");
    run.is_should = true;
    stage_expect(state, &run, VERDICT_NON_STRICT, "r.value.exit_code: expected 7, seen 0");
    run.ledger = REQUEST REQUEST EXITED;
    stage_expect(state, &run, VERDICT_NON_STRICT, "expected 7, seen 0 (and 1 more)");
}

static void a_broken_wire_check_fails(void **state)
{
    struct run run = { .ledger = REQUEST REQUEST EXITED };
    JSON_AUTO *record = stage_record(state, &run, VERDICT_FAIL);
    assert_string_equal(kit_text(record, "summary"), "on the wire: one request: expected exactly 1, seen 2");
    run.is_should = true;
    stage_expect(state, &run, VERDICT_NON_STRICT, "on the wire: one request");
}

static void a_named_check_of_the_journal_that_fails_fails_the_case(void **state)
{
    struct run run = { .journal = JOURNAL("fail") };
    stage_expect(state, &run, VERDICT_FAIL,
                 "journal: duplicate-starts: expected nothing of the kind, seen start sent 2 times");
    run.is_should = true;
    stage_expect(state, &run, VERDICT_NON_STRICT, "journal: duplicate-starts");
    stage_expect(state, &(struct run){ .journal = JOURNAL("warn") }, VERDICT_PASS, "as required");
    stage_expect(state, &(struct run){ .journal = JOURNAL("not-exercised") }, VERDICT_PASS, "as required");
}

static void a_missing_witness_is_never_a_pass(void **state)
{
    struct run run = { .ledger = REQUEST };
    stage_expect(state, &run, VERDICT_NOT_EXERCISED,
                 "no witness: it exited: expected at least 1, seen none of 1 entry");
    run.line = BAD_LINE;
    stage_expect(state, &run, VERDICT_FAIL, "expected 7, seen 0");
}

static void a_fault_that_did_not_fire_is_never_a_pass(void **state)
{
    struct run run = { .faults = FAULTS("1") };
    stage_expect(state, &run, VERDICT_NOT_EXERCISED, "a fault of the scenario did not fire: c/faults/0 (1 of 2)");
    run.line = BAD_LINE;
    stage_expect(state, &run, VERDICT_FAIL, "expected 7, seen 0");
}

static void on_a_foreign_server_only_expectations_count(void **state)
{
    struct run run = { .is_foreign = true, .ledger = "-", .faults = "-", .journal = "-" };
    stage_expect(state, &run, VERDICT_PASS, "as required");
    run.line = BAD_LINE;
    stage_expect(state, &run, VERDICT_FAIL, "expected 7, seen 0");
    run.line = "{'type': 'result', 'outcomes': []}";
    stage_expect(state, &run, VERDICT_ADAPTER_ERROR, "has no outcome");
    run = (struct run){ .is_foreign = true, .ledger = "-", .adapter = { .end = JUDGE_DEADLINE } };
    stage_expect(state, &run, VERDICT_FAIL, "did not come back");
}

/* ---- waiting for witnesses ----------------------------------------------------------------- */

static void missing(void **state, const char *ledger, bool wanted)
{
    struct stage *stage = *state;
    JSON_AUTO *line = kit_json(GOOD_LINE);
    struct evidence *evidence = stage_evidence(ledger, "");
    assert_true(judge_witness_missing(stage->list->cases[0], evidence, line) == wanted);
    assert_true(judge_witness_missing(stage->list->cases[0], evidence, NULL) == wanted);
    evidence_free(evidence);
}

static void a_witness_may_come_late(void **state)
{
    missing(state, "", true);
    missing(state, REQUEST, true);
    missing(state, GOOD_LEDGER, false);
    missing(state, EXITED, false);
}

/* ---- words --------------------------------------------------------------------------------- */

static void verdicts_have_words_and_words_verdicts(void **state)
{
    (void) state;
    static const char *const words[VERDICTS] = { "pass",    "fail",          "non-strict",   "not-exercised",
                                                 "skipped", "adapter-error", "harness-error" };
    for (unsigned i = 0; i < VERDICTS; i++) {
        enum verdict verdict = VERDICTS;
        assert_string_equal(verdict_name((enum verdict) i), words[i]);
        assert_true(verdict_from_name(words[i], &verdict));
        assert_int_equal(verdict, i);
    }
    enum verdict untouched = VERDICT_SKIPPED;
    assert_false(verdict_from_name("passed", &untouched));
    assert_int_equal(untouched, VERDICT_SKIPPED);
}

static void ends_of_adapters_have_words(void **state)
{
    (void) state;
    static const struct {
        struct adapter_report adapter;
        const char *words;
    } rows[] = {
        { { .end = JUDGE_ANSWERED }, "answered" },
        { { .end = JUDGE_EXITED, .code = 0 }, "exit 0" },
        { { .end = JUDGE_KILLED, .code = 9 }, "signal 9 (SIGKILL)" },
        { { .end = JUDGE_GARBAGE }, "garbage" },
        { { .end = JUDGE_DEADLINE }, "deadline" },
        { { .end = JUDGE_NOT_RUN }, "not run" },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        char text[64];
        judge_end_text(&rows[i].adapter, text);
        assert_string_equal(text, rows[i].words);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_well_is_a_pass),
        cmocka_unit_test(a_need_that_is_not_declared_is_skipped),
        cmocka_unit_test(an_adapter_may_say_that_the_client_cannot),
        cmocka_unit_test(what_breaks_on_our_side_is_ours),
        cmocka_unit_test(a_broken_action_is_ours_a_late_one_is_not),
        cmocka_unit_test(an_adapter_that_crashes_is_named_with_its_end),
        cmocka_unit_test(garbage_is_shown),
        cmocka_unit_test(an_errored_line_is_the_adapters),
        cmocka_unit_test(an_answer_that_is_none_is_the_adapters_unless_nothing_came),
        cmocka_unit_test(nothing_on_the_wire_is_never_a_pass),
        cmocka_unit_test(who_does_not_come_back_fails_in_the_step_it_hung_in),
        cmocka_unit_test(a_broken_expectation_fails_or_is_non_strict),
        cmocka_unit_test(a_broken_wire_check_fails),
        cmocka_unit_test(a_named_check_of_the_journal_that_fails_fails_the_case),
        cmocka_unit_test(a_missing_witness_is_never_a_pass),
        cmocka_unit_test(a_fault_that_did_not_fire_is_never_a_pass),
        cmocka_unit_test(on_a_foreign_server_only_expectations_count),
        cmocka_unit_test(a_witness_may_come_late),
        cmocka_unit_test(verdicts_have_words_and_words_verdicts),
        cmocka_unit_test(ends_of_adapters_have_words),
    };
    return cmocka_run_group_tests(tests, stage_new, stage_free);
}
