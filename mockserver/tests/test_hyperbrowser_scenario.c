/* Scenarios at work in the Hyperbrowser dialect: what is run, what is answered, single events, the clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/hb_world.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define SSE      "text/event-stream"

/* ---- helpers ------------------------------------------------------------------------------------ */

/* `members` is what follows "why": "\"faults\": [...]". */
static void play(struct hb_world *world, const char *name, const char *members)
{
    struct err err = ERR_INIT;
    struct scenario *scenario;
    BUF_AUTO text = BUF_INIT;
    buf_printf(&text, "{\"standbox\": 1, \"name\": \"%s\", \"why\": \"a test\", %s}", name, members);
    if (scenario_parse(&scenario, "test", buf_cstr(&text), text.len, &err) < 0 ||
        lanes_add_scenario(world->lanes, world->lane, scenario, &err) < 0)
        fail_msg("%s", err.text);
    scenario_unref(scenario);
}

/* Every rule has fired exactly as planned. */
static void assert_fired(struct hb_world *world)
{
    size_t count;
    struct match **matches = lane_matches(world->lane, &count);
    for (size_t i = 0; i < count; i++) {
        const struct scenario *scenario = match_scenario(matches[i]);
        const size_t rules[MATCH_LISTS] = {
            [MATCH_PROCESSES] = scenario->process_count, [MATCH_FAULTS] = scenario->fault_count
        };
        for (enum match_list list = 0; list < MATCH_LISTS; list++) {
            for (size_t r = 0; r < rules[list]; r++) {
                struct match_counts counts;
                assert_true(match_get_counts(matches[i], list, r, &counts));
                assert_int_equal(counts.fired, counts.planned);
                assert_int_equal(counts.pending, 0);
            }
        }
    }
    lane_matches_free(matches, count);
}

static struct answer *get(struct hb_world *world, const char *id)
{
    char rest[128];
    snprintf(rest, sizeof rest, "/processes/%s", id);
    return hb_runtime(world, "GET", rest, NULL);
}

static struct answer *start_stream(struct hb_world *world, const char *command)
{
    BUF_AUTO body = BUF_INIT;
    buf_printf(&body, "{\"command\": \"%s\"}", command);
    return hb_runtime_start(world, "POST", "/processes", buf_cstr(&body), SSE);
}

static struct answer *stream(struct hb_world *world, const char *id)
{
    char rest[128];
    snprintf(rest, sizeof rest, "/processes/%s/stream", id);
    struct answer *answer = hb_runtime_start(world, "GET", rest, NULL, SSE);
    return answer;
}

/* The events' names, or for outputs their number: "started 1 2 done". */
static void assert_events(const struct answer *answer, const char *expected)
{
    size_t count;
    struct hb_event *events = hb_events(answer, &count);
    BUF_AUTO text = BUF_INIT;
    for (size_t i = 0; i < count; i++) {
        const struct cJSON *seq = cJSON_GetObjectItemCaseSensitive(events[i].data, "seq");
        if (i > 0)
            buf_char(&text, ' ');
        if (seq != NULL)
            buf_printf(&text, "%d", (int) seq->valuedouble);
        else
            buf_str(&text, events[i].name);
    }
    assert_string_equal(buf_cstr(&text), expected);
    hb_events_free(events, count);
}

static int exit_code_of_last(const struct answer *answer)
{
    size_t count;
    struct hb_event *events = hb_events(answer, &count);
    assert_true(count > 0);
    assert_string_equal(events[count - 1].name, "done");
    const struct cJSON *code = cJSON_GetObjectItemCaseSensitive(events[count - 1].data, "exit_code");
    assert_true(cJSON_IsNumber(code));
    int value = (int) code->valuedouble;
    hb_events_free(events, count);
    return value;
}

static bool is_alive(struct hb_world *world, const char *id)
{
    return strcmp(hb_text(get(world, id), "process/status"), "running") == 0;
}

/* Three lines, each a write of its own, each after a line on stdin. */
#define STEPWISE "for i in 1 2 3; do read x; echo $i; done; exit 4"

static void feed(struct hb_world *world, const char *id, int lines)
{
    for (int i = 0; i < lines; i++)
        hb_post(world, id, "stdin", "{\"data\":\"\\n\"}");
}

/* ---- what is run ---------------------------------------------------------------------------------- */

static void a_start_can_fail_by_rule(void **state)
{
    struct hb_world *world = *state;
    play(world, "gone", "\"processes\": [{\"when\": {\"argv0\": \"missing\"}, \"run\": {\"fail\": \"ENOENT\"}}]");
    struct answer *answer = hb_exec(world, "missing --now");
    assert_string_equal(hb_text(answer, "result/status"), "failed");
    assert_non_null(strstr(hb_text(answer, "result/error"), "No such file"));
    assert_string_equal(hb_text(hb_exec(world, "echo there"), "result/stdout"), "there\n");
    assert_fired(world);
}

static void another_command_can_run_instead(void **state)
{
    struct hb_world *world = *state;
    play(world, "other", "\"processes\": [{\"when\": {\"command\": \"npm *\"}, \"run\": {\"command\": \"echo no npm; exit 3\"}}]");
    struct answer *answer = hb_exec(world, "npm run dev");
    assert_int_equal(hb_int(answer, "result/exit_code"), 3);
    assert_string_equal(hb_text(answer, "result/stdout"), "no npm\n");
    assert_fired(world);
}

static void a_puppet_is_a_real_process_that_says_its_lines(void **state)
{
    struct hb_world *world = *state;
    char id[64];
    play(world, "puppet",
         "\"processes\": [{\"when\": {\"command\": \"serve\"}, \"run\": {\"puppet\": ["
         "{\"on\": \"TERM\", \"do\": [{\"err\": \"not today\\n\"}]}, {\"out\": \"up\\n\"}, {\"hang\": true}]}}]");
    hb_start(world, "serve", id);
    struct answer *watched = stream(world, id);
    assert_true(fake_exchange_await(&watched->f, "up", 30));
    assert_true(hb_int(get(world, id), "process/pid") > 1);
    hb_post(world, id, "signal", "{\"signal\": \"TERM\"}");
    assert_true(fake_exchange_await(&watched->f, "not today", 30));
    assert_true(is_alive(world, id));
    hb_post(world, id, "signal", "{\"signal\": \"KILL\"}");
    hb_finish(watched);
    assert_string_equal(hb_text(get(world, id), "process/status"), "killed");
    assert_fired(world);
}

static void queued_is_seen_until_the_clock_says_so(void **state)
{
    struct hb_world *world = *state;
    char id[64];
    play(world, "hold", "\"status\": {\"hold\": {\"queued_ms\": 1800000}}, \"clock\": \"manual\"");
    hb_start(world, "echo hi", id);
    assert_string_equal(hb_text(get(world, id), "process/status"), "queued");
    clock_advance(lane_clock(world->lane), 1800000);
    assert_string_equal(hb_text(hb_post(world, id, "wait", NULL), "result/stdout"), "hi\n");
}

static void a_thirty_minute_limit_passes_at_once(void **state)
{
    struct hb_world *world = *state;
    play(world, "manual", "\"clock\": \"manual\"");
    struct answer *answer = hb_runtime_start(world, "POST", "/exec",
                                             "{\"command\": \"echo ready; exec sleep 10000\", \"timeoutMs\": 1800000}", NULL);
    /* Its limit is set when it is told to have started. */
    char id[64] = "";
    while (id[0] == '\0') {
        struct answer *list = hb_runtime(world, "GET", "/processes?status=running", NULL);
        if (cJSON_GetArraySize(hb_at(list, "data")) > 0)
            snprintf(id, sizeof id, "%s", hb_text(list, "data/0/id"));
    }
    struct answer *watched = stream(world, id);
    assert_true(fake_exchange_await(&watched->f, "ready", 30));
    clock_advance(lane_clock(world->lane), 1800000);
    hb_finish(answer);
    assert_string_equal(hb_text(answer, "result/status"), "timed_out");
    hb_finish(watched);
}

/* ---- what is answered -------------------------------------------------------------------------------- */

static void kill_can_lie(void **state)
{
    struct hb_world *world = *state;
    char id[64], rest[96];
    play(world, "lie", "\"faults\": [{\"when\": {\"op\": \"process.kill\", \"nth\": 1}, \"reply\": {\"pretend\": \"success\"}}]");
    hb_start(world, "exec sleep 1000", id);
    snprintf(rest, sizeof rest, "/processes/%s", id);
    assert_string_equal(hb_text(hb_runtime(world, "DELETE", rest, NULL), "process/status"), "killed");
    assert_true(is_alive(world, id));
    hb_runtime(world, "DELETE", rest, NULL);
    assert_string_equal(hb_text(get(world, id), "process/status"), "killed");
    assert_fired(world);
}

static void pretended_signals_and_input_reach_nobody(void **state)
{
    struct hb_world *world = *state;
    char id[64];
    play(world, "deaf", "\"faults\": [{\"when\": {\"op\": [\"process.signal\", \"process.stdin\"], \"nth\": [1, 2]},"
                        " \"reply\": {\"pretend\": \"success\"}}]");
    hb_start(world, "read x; echo got $x", id);
    hb_post(world, id, "signal", "{\"signal\": \"KILL\"}");
    assert_int_equal(hb_post(world, id, "stdin", "{\"data\": \"first\\n\"}")->f.status, 200);
    assert_true(is_alive(world, id));
    hb_post(world, id, "stdin", "{\"data\": \"second\\n\"}");
    assert_string_equal(hb_text(hb_post(world, id, "wait", NULL), "result/stdout"), "got second\n");
    assert_fired(world);
}

static void a_refusal_has_the_vendors_shape_and_nothing_runs(void **state)
{
    struct hb_world *world = *state;
    play(world, "busy", "\"faults\": [{\"when\": {\"op\": \"process.exec\", \"nth\": 1},"
                        " \"reply\": {\"status\": 503, \"retry_after_s\": 1.5, \"message\": \"come back\","
                        " \"code\": \"overloaded\", \"details\": {\"region\": \"us\"}, \"headers\": {\"X-Why\": \"test\"}}}]");
    struct answer *answer = hb_exec(world, "touch ran");
    hb_assert_refused(answer, 503, "overloaded");
    assert_string_equal(hb_text(answer, "message"), "come back");
    assert_string_equal(hb_text(answer, "region"), "us");
    assert_string_equal(hb_text(hb_exec(world, "test -e ran || echo none"), "result/stdout"), "none\n");
    assert_fired(world);
}

static void grpc_words_become_http_ones(void **state)
{
    struct hb_world *world = *state;
    play(world, "words", "\"faults\": [{\"when\": {\"op\": \"sandbox.get\"}, \"reply\": {\"status\": \"RESOURCE_EXHAUSTED\"}}]");
    char target[96];
    snprintf(target, sizeof target, "/api/sandbox/%s", world->sandbox);
    hb_assert_refused(hb_control(world, "GET", target, NULL), 429, "rate_limited");
    assert_fired(world);
}

static void sandboxes_operations_can_be_refused_too(void **state)
{
    struct hb_world *world = *state;
    char stop[96];
    snprintf(stop, sizeof stop, "/api/sandbox/%s/stop", world->sandbox);
    play(world, "sandboxes", "\"faults\": ["
         "{\"when\": {\"op\": \"sandbox.create\"}, \"reply\": {\"status\": 500}},"
         "{\"when\": {\"op\": \"sandbox.list\"}, \"reply\": {\"status\": 502}},"
         "{\"when\": {\"op\": \"sandbox.stop\"}, \"reply\": {\"pretend\": \"success\"}}]");
    hb_assert_refused(hb_control(world, "POST", "/api/sandbox", "{\"imageName\": \"x\"}"), 500, "internal_error");
    assert_int_equal(hb_control(world, "GET", "/api/sandboxes", NULL)->f.status, 502);
    assert_int_equal(hb_control(world, "PUT", stop, NULL)->f.status, 200);
    assert_string_equal(hb_text(hb_exec(world, "echo alive"), "result/stdout"), "alive\n");
    assert_fired(world);
}

static void a_token_expires_once_and_a_new_one_is_good(void **state)
{
    struct hb_world *world = *state;
    char target[96], old[128];
    play(world, "expiry", "\"faults\": [{\"when\": {\"op\": \"process.list\", \"nth\": 1}, \"fault\": \"expire_token\"}]");
    hb_assert_refused(hb_runtime(world, "GET", "/processes", NULL), 401, "unauthorized");
    assert_int_equal(hb_exec(world, "true")->f.status, 401);
    snprintf(old, sizeof old, "%s", world->token);
    snprintf(target, sizeof target, "/api/sandbox/%s", world->sandbox);
    snprintf(world->token, sizeof world->token, "%s", hb_text(hb_control(world, "GET", target, NULL), "token"));
    assert_string_not_equal(world->token, old);
    assert_int_equal(hb_runtime(world, "GET", "/processes", NULL)->f.status, 200);
    assert_fired(world);
}

/* What the request itself brings about is seen before its answer; an expiry tells, without a wire. */
static void facts_that_a_request_causes_are_seen_before_its_answer(void **state)
{
    static const struct {
        const char *op, *fact, *verb, *body;
    } rows[] = {
        { "process.signal", "signalled", "signal", "{\"signal\": \"CONT\"}" },
        { "process.stdin", "stdin", "stdin", "{\"data\": \"x\\n\"}" },
        { "process.kill", "signalled", NULL, NULL },
    };
    struct hb_world *world = *state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        char id[64], rest[128];
        BUF_AUTO rule = BUF_INIT;
        buf_printf(&rule, "\"faults\": [{\"when\": {\"op\": \"%s\"}, \"at\": {\"after_fact\": \"%s\"},"
                          " \"fault\": \"expire_token\"}]", rows[i].op, rows[i].fact);
        hb_start(world, "exec cat", id);
        play(world, "cause", buf_cstr(&rule));
        snprintf(rest, sizeof rest, "/processes/%s%s%s", id, rows[i].verb == NULL ? "" : "/",
                 rows[i].verb == NULL ? "" : rows[i].verb);
        struct answer *answer = hb_runtime(world, rows[i].verb == NULL ? "DELETE" : "POST", rest, rows[i].body);
        assert_int_equal(answer->f.status, 200);
        assert_int_equal(get(world, id)->f.status, 401);
        assert_fired(world);
        hb_world_new_sandbox(world);
    }
}

static void a_start_is_seen_before_its_answer(void **state)
{
    struct hb_world *world = *state;
    char id[64];
    play(world, "begun", "\"faults\": [{\"when\": {\"op\": \"process.start\"}, \"at\": {\"after_fact\": \"started\"},"
                         " \"fault\": \"expire_token\"}]");
    hb_start(world, "true", id);
    assert_int_equal(get(world, id)->f.status, 401);
    assert_fired(world);
}

/* The condition is about the log, however far a stream's answer would have come. */
static void what_strikes_before_a_stream_looks_at_the_log(void **state)
{
    struct hb_world *world = *state;
    char id[64];
    hb_start(world, "echo over", id);
    hb_post(world, id, "wait", NULL);
    play(world, "gone", "\"faults\": [{\"when\": {\"op\": \"process.stream\"}, \"at\": {\"after_fact\": \"ended\"},"
                        " \"reply\": {\"status\": 503}}]");
    struct answer *refused = stream(world, id);
    hb_finish(refused);
    hb_assert_refused(refused, 503, "service_unavailable");
    assert_fired(world);
}

/* Until somebody was given the first fault of the lane's only scenario. */
static void await_armed(struct hb_world *world)
{
    struct match_counts counts = { .matched = 0 };
    int64_t end = mono_ns() + WORLD_LIMIT_MS * 1000000LL;
    while (counts.matched == 0) {
        size_t count;
        struct match **matches = lane_matches(world->lane, &count);
        assert_int_equal(count, 1);
        assert_true(match_get_counts(matches[0], MATCH_FAULTS, 0, &counts));
        lane_matches_free(matches, count);
        if (mono_ns() > end)
            fail_msg("no request was given the fault");
        sched_yield();
    }
}

static void a_delay_follows_the_lanes_clock(void **state)
{
    struct hb_world *world = *state;
    char rest[96], id[64];
    hb_start(world, "cat", id);
    snprintf(rest, sizeof rest, "/processes/%s", id);
    play(world, "late", "\"clock\": \"manual\", \"faults\": [{\"when\": {\"op\": \"process.get\"},"
                        " \"fault\": {\"kind\": \"delay\", \"ms\": 60000}}]");
    struct answer *late = hb_runtime_start(world, "GET", rest, NULL, NULL);
    assert_int_equal(hb_runtime(world, "GET", "/processes", NULL)->f.status, 200);   /* others are served */
    /* Its token has been looked at, so that it may expire; its deadline is 60 s behind whenever it was reckoned. */
    await_armed(world);
    while (!fake_exchange_await(&late->f, NULL, 0))
        clock_advance(lane_clock(world->lane), 60000);
    hb_finish(late);
    assert_string_equal(hb_text(late, "process/status"), "running");
    assert_fired(world);
}

/* ---- single events -------------------------------------------------------------------------------------- */

static void an_event_is_doubled_where_the_rule_says(void **state)
{
    struct hb_world *world = *state;
    char id[64];
    play(world, "double", "\"faults\": [{\"when\": {\"op\": \"process.stream\"}, \"at\": {\"after_events\": 1},"
                          " \"fault\": {\"kind\": \"duplicate_event\", \"copies\": 2}}]");
    hb_start(world, STEPWISE, id);
    struct answer *watched = stream(world, id);
    for (int i = 1; i <= 3; i++) {
        char seq[16];
        feed(world, id, 1);
        snprintf(seq, sizeof seq, "\"seq\":%d", i);
        assert_true(fake_exchange_await(&watched->f, seq, 30));
    }
    hb_finish(watched);
    assert_events(watched, "1 2 2 2 3 done");
    assert_fired(world);
}

static void events_are_turned_round(void **state)
{
    struct hb_world *world = *state;
    char id[64];
    play(world, "turn", "\"faults\": [{\"when\": {\"op\": \"process.stream\", \"nth\": 1},"
                        " \"fault\": {\"kind\": \"reorder\", \"span\": 2}}]");
    hb_start(world, STEPWISE, id);
    struct answer *turned = stream(world, id);
    await_armed(world);
    struct answer *straight = stream(world, id);   /* shows that an event is there: one fact each */
    for (int i = 1; i <= 3; i++) {
        char seq[16];
        feed(world, id, 1);
        snprintf(seq, sizeof seq, "\"seq\":%d", i);
        assert_true(fake_exchange_await(&straight->f, seq, 30));
    }
    hb_finish(turned);
    hb_finish(straight);
    assert_events(turned, "2 1 3 done");
    assert_events(straight, "1 2 3 done");
    assert_fired(world);
}

static void a_stream_can_end_without_its_last_event(void **state)
{
    struct hb_world *world = *state;
    play(world, "drop", "\"faults\": [{\"when\": {\"op\": \"process.stream\", \"nth\": [1, 2]}, \"fault\": \"drop_terminal_event\", \"times\": 2}]");
    char id[64];
    hb_start(world, "echo a", id);
    struct answer *replay = stream(world, id), *started = start_stream(world, "echo b");
    hb_finish(replay);
    hb_finish(started);
    assert_true(replay->f.ended && started->f.ended);
    assert_events(replay, "1");
    assert_events(started, "started 1");
    assert_fired(world);
}

static void an_end_is_made_up_while_the_process_runs(void **state)
{
    struct hb_world *world = *state;
    char id[64];
    play(world, "made-up", "\"faults\": [{\"when\": {\"op\": \"process.stream\"}, \"at\": {\"after_fact\": \"out\"},"
                           " \"fault\": {\"kind\": \"fabricate_terminal_event\", \"exit\": 0}}]");
    hb_start(world, "echo up; exec sleep 1000", id);
    struct answer *watched = stream(world, id);
    hb_finish(watched);
    assert_events(watched, "1 done");
    assert_int_equal(exit_code_of_last(watched), 0);
    assert_true(is_alive(world, id));
    assert_fired(world);
}

/* A file speaks of process.stream, and the newer protocol streams in the answer to the start. */
static void rules_for_streams_hold_for_the_stream_of_a_start(void **state)
{
    struct hb_world *world = *state;
    play(world, "both", "\"faults\": [{\"when\": {\"op\": \"process.start\"}, \"fault\": {\"kind\": \"delay\", \"ms\": 1}},"
                        "{\"when\": {\"op\": \"process.stream\", \"command\": \"*b\"}, \"at\": {\"after_events\": 1},"
                        " \"fault\": {\"kind\": \"fabricate_terminal_event\", \"exit\": 9}}]");
    struct answer *answer = start_stream(world, "exec sleep 1000 #b");
    hb_finish(answer);
    assert_events(answer, "started done");
    assert_int_equal(exit_code_of_last(answer), 9);
    assert_fired(world);
}

/* ---- what is not there --------------------------------------------------------------------------------- */

#define NOBODY "6f9619ff-8b86-4011-b42d-00c04fc964ff"

static void rules_hold_for_sandboxes_that_are_not_there(void **state)
{
    static const struct {
        const char *op, *method, *rest;
    } rows[] = {
        { "process.exec", "POST", "/exec" },
        { "process.start", "POST", "/processes" },
        { "process.list", "GET", "/processes" },
        { "process.get", "GET", "/processes/p" },
        { "process.kill", "DELETE", "/processes/p" },
        { "process.wait", "POST", "/processes/p/wait" },
        { "process.signal", "POST", "/processes/p/signal" },
        { "process.stdin", "POST", "/processes/p/stdin" },
        { "process.stream", "GET", "/processes/p/stream" },
    };
    struct hb_world *world = *state;
    char target[128], name[8], rule[160];
    for (size_t i = 0; i < COUNT(rows); i++) {
        snprintf(name, sizeof name, "n%zu", i);
        snprintf(rule, sizeof rule, "\"faults\": [{\"when\": {\"op\": \"%s\", \"nth\": 1}, \"reply\": {\"status\": 429}}]",
                 rows[i].op);
        play(world, name, rule);
        snprintf(target, sizeof target, "/sandbox/" NOBODY "%s", rows[i].rest);
        hb_assert_refused(hb_control(world, rows[i].method, target, NULL), 429, "rate_limited");
        hb_assert_refused(hb_control(world, rows[i].method, target, NULL), 404, "sandbox_not_found");
    }
    assert_fired(world);
}

static void rules_hold_for_lost_sandboxes_of_the_control_plane_too(void **state)
{
    struct hb_world *world = *state;
    play(world, "lost", "\"faults\": [{\"when\": {\"op\": \"sandbox.get\", \"nth\": 1}, \"reply\": {\"status\": 503}},"
                        "{\"when\": {\"op\": \"sandbox.stop\", \"nth\": 1}, \"reply\": {\"pretend\": \"success\"}}]");
    hb_assert_refused(hb_control(world, "GET", "/api/sandbox/" NOBODY, NULL), 503, "service_unavailable");
    hb_assert_refused(hb_control(world, "GET", "/api/sandbox/" NOBODY, NULL), 404, "sandbox_not_found");
    assert_int_equal(hb_control(world, "PUT", "/api/sandbox/" NOBODY "/stop", NULL)->f.status, 200);
    hb_assert_refused(hb_control(world, "PUT", "/api/sandbox/" NOBODY "/stop", NULL), 404, "sandbox_not_found");
    assert_fired(world);
}

static void pretence_holds_for_sandboxes_that_are_not_there(void **state)
{
    struct hb_world *world = *state;
    play(world, "ghosts", "\"faults\": [{\"when\": {\"op\": [\"process.kill\", \"process.signal\", \"process.stdin\"],"
                          " \"nth\": [1, 2, 3]}, \"reply\": {\"pretend\": \"success\"}}]");
    struct answer *answer = hb_control(world, "DELETE", "/sandbox/" NOBODY "/processes/ghost", NULL);
    assert_string_equal(hb_text(answer, "process/id"), "ghost");
    assert_string_equal(hb_text(answer, "process/status"), "killed");
    answer = hb_control(world, "POST", "/sandbox/" NOBODY "/processes/ghost/signal", "{\"signal\": \"HUP\"}");
    assert_string_equal(hb_text(answer, "process/status"), "running");
    answer = hb_control(world, "POST", "/sandbox/" NOBODY "/processes/ghost/stdin", "{}");
    assert_int_equal(answer->f.status, 200);
    hb_assert_refused(hb_control(world, "DELETE", "/sandbox/" NOBODY "/processes/ghost", NULL), 404, "sandbox_not_found");
    assert_fired(world);
}

/* Else a rule about the answer to a wait would also answer those who ask for another process than they should. */
static void a_process_that_is_not_there_is_no_rules_business(void **state)
{
    struct hb_world *world = *state;
    char id[64];
    play(world, "busy", "\"faults\": [{\"when\": {\"op\": \"process.get\", \"nth\": 1}, \"reply\": {\"status\": 429}}]");
    struct answer *ghost = hb_runtime(world, "GET", "/processes/ghost", NULL);
    hb_assert_refused(ghost, 404, "process_not_found");
    assert_string_equal(ghost->f.x.op_name, "process.get");
    hb_start(world, "true", id);
    hb_assert_refused(get(world, id), 429, "rate_limited");
    assert_fired(world);
}

/* ---- lanes ------------------------------------------------------------------------------------------------ */

static void a_sandbox_of_another_lane_does_not_exist(void **state)
{
    struct hb_world *world = *state;
    struct err err = ERR_INIT;
    struct lane *mine = world->lane, *other;
    char target[96];
    assert_int_equal(lanes_get(world->lanes, "other", true, &other, &err), 0);
    snprintf(target, sizeof target, "/api/sandbox/%s", world->sandbox);
    world->lane = other;
    hb_world_remake_dialect(world);
    hb_assert_refused(hb_control(world, "GET", target, NULL), 404, "sandbox_not_found");
    assert_int_equal(hb_int(hb_control(world, "GET", "/api/sandboxes", NULL), "totalCount"), 0);
    world->lane = mine;
    hb_world_remake_dialect(world);
    assert_int_equal(hb_control(world, "GET", target, NULL)->f.status, 200);
    lane_unref(other);
}

static void a_request_says_whose_it_is(void **state)
{
    struct hb_world *world = *state;
    BUF_AUTO key = BUF_INIT;
    struct sandbox *sandbox = NULL;
    char target[96];
    struct answer *control = hb_new_answer(world, "GET", "/api/sandboxes");
    fake_exchange_header(&control->f, "x-api-key", "team-a");
    assert_true(hyperbrowser_dialect.whose(world->dialect, &control->f.x, &sandbox, &key));
    assert_null(sandbox);
    assert_string_equal(buf_cstr(&key), "team-a");
    snprintf(target, sizeof target, "/sandbox/%s/exec", world->sandbox);
    struct answer *runtime = hb_new_answer(world, "POST", target);
    assert_true(hyperbrowser_dialect.whose(world->dialect, &runtime->f.x, &sandbox, &key));
    assert_string_equal(sandbox_id(sandbox), world->sandbox);
    assert_ptr_equal(lane_of_owner(sandbox_owner(sandbox)), world->lane);
    sandbox_unref(sandbox);
    struct answer *nobody = hb_new_answer(world, "GET", "/api/sandboxes");
    assert_false(hyperbrowser_dialect.whose(world->dialect, &nobody->f.x, &sandbox, &key));
}

#define WITH(name) cmocka_unit_test_setup_teardown(name, hb_world_setup, hb_world_teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        WITH(a_start_can_fail_by_rule),
        WITH(another_command_can_run_instead),
        WITH(a_puppet_is_a_real_process_that_says_its_lines),
        WITH(queued_is_seen_until_the_clock_says_so),
        WITH(a_thirty_minute_limit_passes_at_once),
        WITH(kill_can_lie),
        WITH(pretended_signals_and_input_reach_nobody),
        WITH(a_refusal_has_the_vendors_shape_and_nothing_runs),
        WITH(grpc_words_become_http_ones),
        WITH(sandboxes_operations_can_be_refused_too),
        WITH(a_token_expires_once_and_a_new_one_is_good),
        WITH(facts_that_a_request_causes_are_seen_before_its_answer),
        WITH(a_start_is_seen_before_its_answer),
        WITH(what_strikes_before_a_stream_looks_at_the_log),
        WITH(a_delay_follows_the_lanes_clock),
        WITH(an_event_is_doubled_where_the_rule_says),
        WITH(events_are_turned_round),
        WITH(a_stream_can_end_without_its_last_event),
        WITH(an_end_is_made_up_while_the_process_runs),
        WITH(rules_for_streams_hold_for_the_stream_of_a_start),
        WITH(rules_hold_for_sandboxes_that_are_not_there),
        WITH(rules_hold_for_lost_sandboxes_of_the_control_plane_too),
        WITH(pretence_holds_for_sandboxes_that_are_not_there),
        WITH(a_process_that_is_not_there_is_no_rules_business),
        WITH(a_sandbox_of_another_lane_does_not_exist),
        WITH(a_request_says_whose_it_is),
    };
    return world_run_modes("hyperbrowser scenario", tests, COUNT(tests));
}
