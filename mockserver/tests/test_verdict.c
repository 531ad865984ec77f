/* What a journal alone says about a client: ledgers written here by hand, judged without a server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "lanes/ledger_priv.h"
#include "lanes/verdict.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

struct journal {
    struct clock *clock;           /* stands still: nothing may depend on it */
    int64_t now_ns;                /* the machine's time, as the test says */
    struct ledger *ledger;
    struct match *match;
    struct verdict_report report;
    bool judged;
};

static int setup(void **state)
{
    struct err err = ERR_INIT;
    struct ledger_config config = { .max_entries = 1000 };
    struct journal *j = calloc(1, sizeof *j);
    assert_non_null(j);
    assert_int_equal(clock_new(&j->clock, 1, &err), 0);
    clock_freeze(j->clock);
    j->now_ns = INT64_C(1000000000000);
    assert_int_equal(ledger_new(&j->ledger, "default", j->clock, &config, &err), 0);
    *state = j;
    return 0;
}

static int teardown(void **state)
{
    struct journal *j = *state;
    if (j->judged)
        verdict_fini(&j->report);
    match_unref(j->match);
    ledger_free(j->ledger);
    clock_unref(j->clock);
    free(j);
    return 0;
}

/* ---- writing a journal -------------------------------------------------------------------- */

struct line {
    const char *method, *path, *body, *op, *sandbox, *process;
    int status;
    enum answer_end end;
    const char *type;
    int64_t before_ms, takes_ms;   /* that pass before it comes, and until it is over */
    bool stays_open, fired;
    const char *grpc;              /* the status of a gRPC call */
};

static void pass(struct journal *j, int64_t ms)
{
    j->now_ns += ms * 1000000;
}

/* The ledger notes the machine's time, for which no test can wait: put the test's in its place. */
static void stamp(struct journal *j, uint64_t number, bool ends)
{
    struct ledger *l = j->ledger;
    for (size_t i = 0; i < l->count; i++) {
        struct ledger_item *item = l->ring[(l->head + i) % l->cap];
        if (item->number != number)
            continue;
        if (!item->is_request)
            ((struct ledger_fact_item *) (void *) item)->at_ns = j->now_ns;
        else if (ends)
            ((struct ledger_request_item *) (void *) item)->shown.end_ns = j->now_ns;
        else
            ((struct ledger_request_item *) (void *) item)->shown.begin_ns = j->now_ns;
    }
}

static uint64_t begin(struct journal *j, const struct line *l)
{
    const char *body = l->body == NULL ? "" : l->body;
    pass(j, l->before_ms);
    uint64_t n = ledger_begin_request(j->ledger, "id", l->method == NULL ? "POST" : l->method,
                                      l->path == NULL ? "/processes" : l->path, "", NULL, 0);
    stamp(j, n, false);
    if (l->grpc != NULL)
        ledger_begin_call(j->ledger, n, -1);
    ledger_set_request_body(j->ledger, n, body, strlen(body));
    if (l->op != NULL)
        ledger_set_request_op(j->ledger, n, "hyperbrowser", l->op, l->sandbox, l->process, "cmd");
    if (l->fired)
        ledger_set_request_fault(j->ledger, n, "s", 0, "delay", true);
    return n;
}

static void finish(struct journal *j, uint64_t n, const struct line *l)
{
    pass(j, l->takes_ms);
    if (l->status != 0)
        ledger_set_answer(j->ledger, n, l->status, l->type == NULL ? "application/json" : l->type);
    if (l->grpc != NULL)
        ledger_set_call_end(j->ledger, n, l->grpc, "", "");
    ledger_end_request(j->ledger, n, l->end);
    stamp(j, n, true);
}

static uint64_t say(struct journal *j, struct line l)
{
    uint64_t n = begin(j, &l);
    if (!l.stays_open)
        finish(j, n, &l);
    return n;
}

static void end_process(struct journal *j, const char *process)
{
    struct fact fact = { .seq = 3, .wall_ms = clock_wall_ms(j->clock), .kind = FACT_EXITED };
    struct ledger_stats stats;
    ledger_add_fact(j->ledger, "s1", process, "cmd", &fact, NULL);
    ledger_get_stats(j->ledger, &stats);
    stamp(j, stats.next_number - 1, true);
}

static const struct verdict_check *judge(struct journal *j, enum verdict_id id)
{
    struct err err = ERR_INIT;
    if (j->judged)
        verdict_fini(&j->report);
    j->judged = false;
    if (verdict_judge(j->ledger, &j->match, j->match != NULL, &j->report, &err) != 0)
        fail_msg("%s", err.text);
    j->judged = true;
    return &j->report.checks[id];
}

static void assert_word(const struct verdict_check *check, enum verdict_word word)
{
    if (check->word != word)
        fail_msg("%s, not %s: %s", verdict_name(check->word), verdict_name(word), buf_cstr(&check->what));
    assert_true(check->what.len > 0);
}

#define START .op = "process.start", .sandbox = "s1", .body = "{\"command\":\"x\"}"
#define EXEC .op = "process.exec", .sandbox = "s1", .body = "{\"command\":\"x\"}"

/* ---- the whole ------------------------------------------------------------------------------ */

static void nothing_asked_is_not_exercised(void **state)
{
    struct journal *j = *state;
    end_process(j, "p1");          /* what happens by itself is no request */
    for (int i = 0; i < VERDICT_CHECKS; i++)
        assert_word(judge(j, (enum verdict_id) i), VERDICT_NOT_EXERCISED);
    assert_int_equal(j->report.word, VERDICT_NOT_EXERCISED);
    assert_int_equal(j->report.requests, 0);
}

static void good_client_passes(void **state)
{
    struct journal *j = *state;
    say(j, (struct line) { START, .status = 200, .process = "p1" });
    say(j, (struct line) { .method = "GET", .path = "/p1/events", .op = "process.stream", .process = "p1",
                           .status = 200, .type = "text/event-stream", .takes_ms = 100 });
    end_process(j, "p1");
    assert_word(judge(j, VERDICT_DUPLICATE_STARTS), VERDICT_PASS);
    assert_word(judge(j, VERDICT_UNCLOSED_STREAMS), VERDICT_PASS);
    assert_word(judge(j, VERDICT_AUTH), VERDICT_NOT_EXERCISED);
    assert_word(judge(j, VERDICT_RETRIES), VERDICT_NOT_EXERCISED);
    assert_word(judge(j, VERDICT_UNKNOWN_ROUTES), VERDICT_PASS);
    assert_word(judge(j, VERDICT_CLIENT_ERRORS), VERDICT_PASS);
    assert_word(judge(j, VERDICT_FAULTS), VERDICT_NOT_EXERCISED);
    assert_word(judge(j, VERDICT_JOURNAL), VERDICT_PASS);
    assert_int_equal(j->report.word, VERDICT_PASS);
    assert_int_equal(j->report.requests, 2);
}

static void worst_check_is_the_verdict(void **state)
{
    (void) state;
    assert_int_equal(verdict_worse(VERDICT_NOT_EXERCISED, VERDICT_PASS), VERDICT_PASS);
    assert_int_equal(verdict_worse(VERDICT_WARN, VERDICT_PASS), VERDICT_WARN);
    assert_int_equal(verdict_worse(VERDICT_WARN, VERDICT_FAIL), VERDICT_FAIL);
    for (int i = 0; i < VERDICT_CHECKS; i++)
        assert_non_null(verdict_check_name((enum verdict_id) i));
}

static void dropped_entries_are_owned_up_to(void **state)
{
    struct journal *j = *state;
    for (int i = 0; i < 1100; i++)
        say(j, (struct line) { .method = "GET", .op = "sandbox.get", .status = 200 });
    const struct verdict_check *check = judge(j, VERDICT_JOURNAL);
    assert_word(check, VERDICT_WARN);
    assert_non_null(strstr(check->what.data, "did not see: 100"));
    assert_int_equal(j->report.requests, 1000);
}

/* ---- starts ---------------------------------------------------------------------------------- */

static void start_repeated_after_a_lost_answer_fails(void **state)
{
    static const struct { int status; enum answer_end end; } lost[] = {
        { 0, ANSWER_RESET }, { 0, ANSWER_CUT }, { 200, ANSWER_CUT }, { 0, ANSWER_NONE }, { 0, ANSWER_CLIENT_GONE },
        { 500, ANSWER_COMPLETE }, { 502, ANSWER_COMPLETE }, { 504, ANSWER_COMPLETE }, { 503, ANSWER_CUT },
    };
    struct journal *j = *state;
    for (size_t i = 0; i < COUNT(lost); i++) {
        ledger_clear(j->ledger);
        uint64_t first = say(j, (struct line) { EXEC, .status = lost[i].status, .end = lost[i].end });
        uint64_t again = say(j, (struct line) { EXEC, .status = 200, .before_ms = 2000 });
        const struct verdict_check *check = judge(j, VERDICT_DUPLICATE_STARTS);
        assert_word(check, VERDICT_FAIL);
        assert_int_equal(check->evidence_count, 2);
        assert_int_equal(check->evidence[0], first);
        assert_int_equal(check->evidence[1], again);
        assert_int_equal(j->report.word, VERDICT_FAIL);
    }
}

static void start_repeated_after_a_503_warns(void **state)
{
    struct journal *j = *state;
    say(j, (struct line) { START, .status = 503 });
    say(j, (struct line) { START, .status = 200, .before_ms = 1000 });
    assert_word(judge(j, VERDICT_DUPLICATE_STARTS), VERDICT_WARN);
}

static void same_start_later_elsewhere_or_otherwise_is_no_retry(void **state)
{
    struct journal *j = *state;
    say(j, (struct line) { EXEC, .end = ANSWER_RESET });
    say(j, (struct line) { EXEC, .status = 200, .before_ms = VERDICT_WINDOW_MS + 1 });
    assert_word(judge(j, VERDICT_DUPLICATE_STARTS), VERDICT_PASS);
    ledger_clear(j->ledger);
    say(j, (struct line) { EXEC, .end = ANSWER_RESET });
    say(j, (struct line) { .op = "process.exec", .sandbox = "s2", .body = "{\"command\":\"x\"}", .status = 200 });
    say(j, (struct line) { .op = "process.exec", .sandbox = "s1", .body = "{\"command\":\"y\"}", .status = 200 });
    assert_word(judge(j, VERDICT_DUPLICATE_STARTS), VERDICT_PASS);
}

static void same_command_one_after_the_other_is_fine_but_twice_at_once_warns(void **state)
{
    struct journal *j = *state;
    say(j, (struct line) { EXEC, .status = 200 });
    say(j, (struct line) { EXEC, .status = 200 });
    assert_word(judge(j, VERDICT_DUPLICATE_STARTS), VERDICT_PASS);
    ledger_clear(j->ledger);
    const struct line both = { EXEC, .status = 200, .takes_ms = 5 };
    uint64_t first = begin(j, &both), second = begin(j, &both);
    finish(j, first, &both);
    finish(j, second, &both);
    assert_word(judge(j, VERDICT_DUPLICATE_STARTS), VERDICT_WARN);
    ledger_clear(j->ledger);
    say(j, (struct line) { START, .status = 200 });
    say(j, (struct line) { START, .status = 200, .before_ms = 20 });
    assert_word(judge(j, VERDICT_DUPLICATE_STARTS), VERDICT_WARN);
}

/* ---- streams ---------------------------------------------------------------------------------- */

#define STREAM .method = "GET", .path = "/p1/events", .op = "process.stream", .process = "p1", .status = 200,      \
               .type = "text/event-stream"

static void stream_still_open_fails(void **state)
{
    struct journal *j = *state;
    uint64_t open = say(j, (struct line) { STREAM, .stays_open = true });
    const struct verdict_check *check = judge(j, VERDICT_UNCLOSED_STREAMS);
    assert_word(check, VERDICT_FAIL);
    assert_int_equal(check->evidence[0], open);
}

static void stream_left_while_the_process_lives_warns(void **state)
{
    struct journal *j = *state;
    say(j, (struct line) { STREAM, .end = ANSWER_CLIENT_GONE, .takes_ms = 50 });
    assert_word(judge(j, VERDICT_UNCLOSED_STREAMS), VERDICT_WARN);
    pass(j, 1000);
    end_process(j, "p1");
    assert_word(judge(j, VERDICT_UNCLOSED_STREAMS), VERDICT_WARN);
}

static void stream_left_after_the_end_by_a_fault_or_for_another_is_fine(void **state)
{
    struct journal *j = *state;
    end_process(j, "p1");
    say(j, (struct line) { STREAM, .end = ANSWER_CLIENT_GONE, .takes_ms = 50 });
    assert_word(judge(j, VERDICT_UNCLOSED_STREAMS), VERDICT_PASS);
    ledger_clear(j->ledger);
    say(j, (struct line) { STREAM, .end = ANSWER_CLIENT_GONE, .fired = true });
    assert_word(judge(j, VERDICT_UNCLOSED_STREAMS), VERDICT_PASS);
    ledger_clear(j->ledger);
    say(j, (struct line) { STREAM, .end = ANSWER_CLIENT_GONE });
    say(j, (struct line) { STREAM, .end = ANSWER_COMPLETE });
    assert_word(judge(j, VERDICT_UNCLOSED_STREAMS), VERDICT_PASS);
}

/* ---- auth ------------------------------------------------------------------------------------- */

#define READ .method = "GET", .path = "/p1", .op = "process.get", .sandbox = "s1"
#define REFRESH .method = "GET", .path = "/api/sandbox/s1", .op = "sandbox.get", .sandbox = "s1", .status = 200

static void one_refresh_and_one_retry_after_a_401_pass(void **state)
{
    struct journal *j = *state;
    say(j, (struct line) { READ, .status = 401 });
    say(j, (struct line) { REFRESH });
    say(j, (struct line) { READ, .status = 200 });
    assert_word(judge(j, VERDICT_AUTH), VERDICT_PASS);
    assert_word(judge(j, VERDICT_RETRIES), VERDICT_NOT_EXERCISED);
}

static void a_401_that_nobody_got_over_fails(void **state)
{
    struct journal *j = *state;
    uint64_t refused = say(j, (struct line) { READ, .status = 401 });
    say(j, (struct line) { READ, .status = 401 });
    const struct verdict_check *check = judge(j, VERDICT_AUTH);
    assert_word(check, VERDICT_FAIL);
    assert_int_equal(check->evidence_count, 1);
    assert_int_equal(check->evidence[0], refused);
    assert_null(strstr(check->what.data, "more than twice"));
    say(j, (struct line) { READ, .status = 401 });
    check = judge(j, VERDICT_AUTH);
    assert_non_null(strstr(check->what.data, "more than twice"));
}

static void more_refreshes_than_needed_fail_and_one_for_each_401_warns(void **state)
{
    struct journal *j = *state;
    say(j, (struct line) { READ, .status = 401 });
    say(j, (struct line) { REFRESH });
    say(j, (struct line) { REFRESH });
    say(j, (struct line) { READ, .status = 200 });
    assert_word(judge(j, VERDICT_AUTH), VERDICT_FAIL);
    ledger_clear(j->ledger);
    say(j, (struct line) { READ, .status = 401 });
    say(j, (struct line) { READ, .body = "other", .status = 401 });
    say(j, (struct line) { REFRESH });
    say(j, (struct line) { REFRESH });
    say(j, (struct line) { READ, .status = 200 });
    say(j, (struct line) { READ, .body = "other", .status = 200 });
    assert_word(judge(j, VERDICT_AUTH), VERDICT_WARN);
}

/* ---- final answers, routes, errors ---------------------------------------------------------------- */

static void final_answers_are_not_to_be_asked_again(void **state)
{
    struct journal *j = *state;
    static const struct { int status; enum verdict_word word; } rows[] = {
        { 400, VERDICT_FAIL }, { 403, VERDICT_FAIL }, { 404, VERDICT_FAIL }, { 410, VERDICT_FAIL },
        { 422, VERDICT_FAIL }, { 408, VERDICT_NOT_EXERCISED }, { 409, VERDICT_NOT_EXERCISED },
        { 429, VERDICT_NOT_EXERCISED }, { 503, VERDICT_NOT_EXERCISED },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        ledger_clear(j->ledger);
        say(j, (struct line) { .op = "process.signal", .body = "{}", .status = rows[i].status });
        say(j, (struct line) { .op = "process.signal", .body = "{}", .status = 200, .before_ms = 500 });
        assert_word(judge(j, VERDICT_RETRIES), rows[i].word);
    }
    ledger_clear(j->ledger);
    say(j, (struct line) { .op = "process.signal", .body = "{}", .status = 400 });
    say(j, (struct line) { .op = "process.signal", .body = "{}", .status = 400, .before_ms = 60000 });
    assert_word(judge(j, VERDICT_RETRIES), VERDICT_PASS);
    ledger_clear(j->ledger);
    say(j, (struct line) { READ, .status = 404 });
    say(j, (struct line) { READ, .status = 200 });
    assert_word(judge(j, VERDICT_RETRIES), VERDICT_WARN);
}

static void unknown_routes_fail_and_malformed_requests_warn(void **state)
{
    struct journal *j = *state;
    say(j, (struct line) { .path = "/nope", .status = 404 });
    say(j, (struct line) { .path = "/nope", .body = "2", .status = 405 });
    say(j, (struct line) { READ, .status = 404 });
    uint64_t known = ledger_begin_request(j->ledger, "id", "GET", "/api/sandbox/none", "", NULL, 0);
    ledger_set_request_op(j->ledger, known, "hyperbrowser", NULL, NULL, NULL, NULL);
    ledger_set_answer(j->ledger, known, 404, "application/json");
    ledger_end_request(j->ledger, known, ANSWER_COMPLETE);
    const struct verdict_check *check = judge(j, VERDICT_UNKNOWN_ROUTES);
    assert_word(check, VERDICT_FAIL);
    assert_int_equal(check->found, 2);
    assert_word(judge(j, VERDICT_CLIENT_ERRORS), VERDICT_PASS);
    say(j, (struct line) { START, .status = 400, .fired = true });
    assert_word(judge(j, VERDICT_CLIENT_ERRORS), VERDICT_PASS);
    say(j, (struct line) { .op = "process.start", .body = "3", .status = 400 });
    assert_word(judge(j, VERDICT_CLIENT_ERRORS), VERDICT_WARN);
}

static void evidence_is_sorted_bounded_and_counted(void **state)
{
    struct journal *j = *state;
    for (int i = 0; i < VERDICT_EVIDENCE + 50; i++)
        say(j, (struct line) { .path = "/nope", .status = 404 });
    const struct verdict_check *check = judge(j, VERDICT_UNKNOWN_ROUTES);
    assert_int_equal(check->found, VERDICT_EVIDENCE + 50);
    assert_int_equal(check->evidence_count, VERDICT_EVIDENCE);
    for (size_t i = 0; i < check->evidence_count; i++)
        assert_int_equal(check->evidence[i], i + 1);
}

/* ---- gRPC ------------------------------------------------------------------------------------- */

/* The status of HTTP is 200, whatever the call's own says. */
#define CALL(word) .path = "/x.Y/Z", .status = 200, .type = "application/grpc", .grpc = word

static void a_call_that_is_unauthenticated_is_a_401(void **state)
{
    struct journal *j = *state;
    uint64_t refused = say(j, (struct line) { EXEC, CALL("UNAUTHENTICATED") });
    const struct verdict_check *check = judge(j, VERDICT_AUTH);
    assert_word(check, VERDICT_FAIL);
    assert_int_equal(check->evidence[0], refused);
    say(j, (struct line) { EXEC, CALL("OK") });
    assert_word(judge(j, VERDICT_AUTH), VERDICT_PASS);
    assert_word(judge(j, VERDICT_DUPLICATE_STARTS), VERDICT_PASS);
}

static void calls_with_a_final_status_are_not_to_be_made_again(void **state)
{
    struct journal *j = *state;
    static const struct { const char *op, *status; enum verdict_word word; } rows[] = {
        { "sandbox.stop", "PERMISSION_DENIED", VERDICT_FAIL },  { "sandbox.stop", "INVALID_ARGUMENT", VERDICT_FAIL },
        { "sandbox.stop", "NOT_FOUND", VERDICT_FAIL },          { "sandbox.get", "NOT_FOUND", VERDICT_WARN },
        { "sandbox.stop", "OUT_OF_RANGE", VERDICT_FAIL },       { "sandbox.stop", "CANCELLED", VERDICT_NOT_EXERCISED },
        { "sandbox.stop", "ABORTED", VERDICT_NOT_EXERCISED },   { "sandbox.stop", "UNAVAILABLE", VERDICT_NOT_EXERCISED },
        { "sandbox.stop", "RESOURCE_EXHAUSTED", VERDICT_NOT_EXERCISED },
        { "sandbox.stop", "FAILED_PRECONDITION", VERDICT_NOT_EXERCISED },
        { "sandbox.stop", "UNIMPLEMENTED", VERDICT_NOT_EXERCISED },
        { "sandbox.stop", "DEADLINE_EXCEEDED", VERDICT_NOT_EXERCISED },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        ledger_clear(j->ledger);
        say(j, (struct line) { .op = rows[i].op, .body = "{}", CALL(rows[i].status) });
        say(j, (struct line) { .op = rows[i].op, .body = "{}", CALL("OK"), .before_ms = 500 });
        assert_word(judge(j, VERDICT_RETRIES), rows[i].word);
    }
}

static void a_command_that_is_sent_again_after_a_status_in_doubt_fails(void **state)
{
    struct journal *j = *state;
    static const struct { const char *status; enum verdict_word word; } rows[] = {
        { "INTERNAL", VERDICT_FAIL },    { "UNKNOWN", VERDICT_FAIL },            { "DEADLINE_EXCEEDED", VERDICT_FAIL },
        { "DATA_LOSS", VERDICT_FAIL },   { "UNAVAILABLE", VERDICT_WARN },        { "OK", VERDICT_PASS },
        { "NOT_FOUND", VERDICT_PASS },   { "FAILED_PRECONDITION", VERDICT_PASS }, { "RESOURCE_EXHAUSTED", VERDICT_PASS },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        ledger_clear(j->ledger);
        say(j, (struct line) { EXEC, CALL(rows[i].status) });
        say(j, (struct line) { EXEC, CALL("OK"), .before_ms = 500 });
        assert_word(judge(j, VERDICT_DUPLICATE_STARTS), rows[i].word);
    }
}

static void calls_that_no_api_has_or_that_are_malformed_are_found(void **state)
{
    struct journal *j = *state;
    say(j, (struct line) { .op = "sandbox.get", CALL("FAILED_PRECONDITION") });
    say(j, (struct line) { .op = "sandbox.get", .body = "2", CALL("UNIMPLEMENTED") });
    assert_word(judge(j, VERDICT_UNKNOWN_ROUTES), VERDICT_PASS);
    assert_word(judge(j, VERDICT_CLIENT_ERRORS), VERDICT_PASS);
    say(j, (struct line) { CALL("UNIMPLEMENTED") });
    say(j, (struct line) { .op = "sandbox.get", .body = "3", CALL("INVALID_ARGUMENT") });
    assert_word(judge(j, VERDICT_UNKNOWN_ROUTES), VERDICT_FAIL);
    assert_word(judge(j, VERDICT_CLIENT_ERRORS), VERDICT_WARN);
}

/* ---- the lane's clock ------------------------------------------------------------------------ */

/* Half an hour of the lane's time, and next to nothing of the client's, between a lost answer and the retry. */
static void clock_that_was_moved_on_does_not_excuse_a_retry(void **state)
{
    struct journal *j = *state;
    clock_run(j->clock, 1000000);
    say(j, (struct line) { EXEC, .end = ANSWER_RESET });
    say(j, (struct line) { .op = "process.signal", .body = "{}", .status = 400 });
    clock_advance(j->clock, 1800000);
    say(j, (struct line) { EXEC, .status = 200, .before_ms = 200 });
    say(j, (struct line) { .op = "process.signal", .body = "{}", .status = 400 });
    assert_word(judge(j, VERDICT_DUPLICATE_STARTS), VERDICT_FAIL);
    assert_word(judge(j, VERDICT_RETRIES), VERDICT_FAIL);
}

static void clock_that_stands_still_does_not_make_a_retry(void **state)
{
    struct journal *j = *state;
    say(j, (struct line) { EXEC, .end = ANSWER_RESET });
    say(j, (struct line) { .op = "process.signal", .body = "{}", .status = 400 });
    say(j, (struct line) { START, .status = 200, .path = "/start" });
    say(j, (struct line) { EXEC, .status = 200, .before_ms = VERDICT_WINDOW_MS + 1 });
    say(j, (struct line) { .op = "process.signal", .body = "{}", .status = 400 });
    say(j, (struct line) { START, .status = 200, .path = "/start" });
    assert_word(judge(j, VERDICT_DUPLICATE_STARTS), VERDICT_PASS);
    assert_word(judge(j, VERDICT_RETRIES), VERDICT_PASS);
}

/* A 401 from long before allows no second refresh now, though the lane's clock says that it was all at once. */
static void clock_that_stands_still_does_not_excuse_a_storm_of_refreshes(void **state)
{
    struct journal *j = *state;
    const struct line early = { REFRESH, .takes_ms = 50 }, refused = { READ, .status = 401 };
    say(j, (struct line) { READ, .body = "other", .status = 401 });
    say(j, early);
    say(j, (struct line) { READ, .body = "other", .status = 200 });
    pass(j, 1000);
    say(j, refused);
    say(j, early);
    say(j, early);
    say(j, (struct line) { READ, .status = 200 });
    assert_word(judge(j, VERDICT_AUTH), VERDICT_FAIL);
}

/* With the times that the ledger itself has noted. */
static void fast_clock_does_not_excuse_a_retry_of_a_real_journal(void **state)
{
    struct journal *j = *state;
    const struct line lost = { EXEC, .end = ANSWER_RESET }, again = { EXEC, .status = 200 };
    const struct line *const lines[] = { &lost, &again };
    clock_run(j->clock, 1000000);
    for (size_t i = 0; i < COUNT(lines); i++) {
        uint64_t n = ledger_begin_request(j->ledger, "id", "POST", "/processes", "", NULL, 0);
        ledger_set_request_op(j->ledger, n, "hyperbrowser", lines[i]->op, "s1", NULL, "x");
        if (lines[i]->status != 0)
            ledger_set_answer(j->ledger, n, lines[i]->status, "application/json");
        ledger_end_request(j->ledger, n, lines[i]->end);
        clock_advance(j->clock, 2 * VERDICT_WINDOW_MS);
    }
    assert_word(judge(j, VERDICT_DUPLICATE_STARTS), VERDICT_FAIL);
}

/* ---- scenarios ------------------------------------------------------------------------------------ */

static void planned_rules_that_did_not_fire_are_told_with_the_reason(void **state)
{
    struct journal *j = *state;
    static const char text[] =
        "{\"standbox\":1,\"name\":\"s\",\"why\":\"to see it told\","
        "\"processes\":[{\"when\":{\"command\":\"never\"},\"run\":{\"fail\":\"ENOENT\"}}],"
        "\"faults\":[{\"when\":{\"op\":\"process.kill\"},\"reply\":{\"status\":500}}]}";
    struct err err = ERR_INIT;
    struct scenario *scenario;
    if (scenario_parse(&scenario, "s.json", text, sizeof text - 1, &err) != 0)
        fail_msg("%s", err.text);
    assert_int_equal(match_new(&j->match, scenario, 1, &err), 0);
    scenario_unref(scenario);
    assert_word(judge(j, VERDICT_FAULTS), VERDICT_NOT_EXERCISED);
    say(j, (struct line) { READ, .status = 200 });
    const struct verdict_check *check = judge(j, VERDICT_FAULTS);
    assert_word(check, VERDICT_FAIL);
    assert_non_null(strstr(check->what.data, "s.json:1: /faults/0: never matched"));
    assert_word(judge(j, VERDICT_PROCESSES), VERDICT_WARN);

    const struct match_subject kill = { .op = OP_PROCESS_KILL, .dialect = DIALECT_HYPERBROWSER };
    const struct match_subject start = { .op = OP_PROCESS_START, .dialect = DIALECT_HYPERBROWSER, .command = "never" };
    struct match_ticket ticket;
    assert_true(match_fault(j->match, &kill, &ticket));
    assert_word(judge(j, VERDICT_FAULTS), VERDICT_FAIL);
    match_fault_end(j->match, &ticket, true);
    assert_non_null(match_process(j->match, &start));
    assert_word(judge(j, VERDICT_FAULTS), VERDICT_PASS);
    assert_word(judge(j, VERDICT_PROCESSES), VERDICT_PASS);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_asked_is_not_exercised),
        TEST(good_client_passes),
        cmocka_unit_test(worst_check_is_the_verdict),
        TEST(dropped_entries_are_owned_up_to),
        TEST(start_repeated_after_a_lost_answer_fails),
        TEST(start_repeated_after_a_503_warns),
        TEST(same_start_later_elsewhere_or_otherwise_is_no_retry),
        TEST(same_command_one_after_the_other_is_fine_but_twice_at_once_warns),
        TEST(stream_still_open_fails),
        TEST(stream_left_while_the_process_lives_warns),
        TEST(stream_left_after_the_end_by_a_fault_or_for_another_is_fine),
        TEST(one_refresh_and_one_retry_after_a_401_pass),
        TEST(a_401_that_nobody_got_over_fails),
        TEST(more_refreshes_than_needed_fail_and_one_for_each_401_warns),
        TEST(final_answers_are_not_to_be_asked_again),
        TEST(unknown_routes_fail_and_malformed_requests_warn),
        TEST(evidence_is_sorted_bounded_and_counted),
        TEST(a_call_that_is_unauthenticated_is_a_401),
        TEST(calls_with_a_final_status_are_not_to_be_made_again),
        TEST(a_command_that_is_sent_again_after_a_status_in_doubt_fails),
        TEST(calls_that_no_api_has_or_that_are_malformed_are_found),
        TEST(clock_that_was_moved_on_does_not_excuse_a_retry),
        TEST(clock_that_stands_still_does_not_make_a_retry),
        TEST(clock_that_stands_still_does_not_excuse_a_storm_of_refreshes),
        TEST(fast_clock_does_not_excuse_a_retry_of_a_real_journal),
        TEST(planned_rules_that_did_not_fire_are_told_with_the_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
