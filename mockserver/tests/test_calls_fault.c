/* Scenarios with gRPC: every fault on every operation of the CoreWeave dialect, through the real transport. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "tests/support/call_site.h"

#define CANCELLED 8u

#define COUNT(a) (sizeof(a) / sizeof *(a))

/* ---- all kinds, all places ------------------------------------------------------------------------ */

enum deed { CREATE, GET, EXEC, STREAM, LOGS, DEEDS };
#define DEED(d)   (1u << (d))
#define EVERYWHERE (DEED(DEEDS) - 1)
#define EVENTS    (DEED(EXEC) | DEED(STREAM))
#define STATES    (DEED(CREATE) | DEED(GET))

static const char *const ops[DEEDS] = { "sandbox.create", "sandbox.get", "process.exec", "process.stream", "process.logs" };

/* The parameters make each as quick as it can be. */
static const struct {
    const char *kind, *more;
    unsigned deeds;
} kinds[] = {
    { "delay", ", \"ms\": 5", EVERYWHERE },
    { "first_byte_delay", ", \"ms\": 5", EVERYWHERE },
    { "stall", ", \"ms\": 5", EVERYWHERE },
    { "slow", ", \"bytes_per_s\": 100000", EVERYWHERE },
    { "dribble", ", \"every_ms\": 1, \"bytes\": 40", EVERYWHERE },
    { "split", ", \"bytes\": 20", EVERYWHERE },
    { "cut", "", EVERYWHERE },
    { "EMPTY_RESPONSE", "", EVERYWHERE },
    { "CONNECTION_RESET_BY_PEER", "", EVERYWHERE },
    { "RANDOM_DATA_THEN_CLOSE", "", EVERYWHERE },
    { "GOAWAY", "", EVERYWHERE },
    { "RST_STREAM", ", \"code\": \"INTERNAL_ERROR\"", EVERYWHERE },
    { "lost_reply", "", EVERYWHERE },
    { "duplicate_event", "", EVENTS | DEED(LOGS) },
    { "reorder", "", EVENTS },
    { "drop_terminal_event", "", EVENTS },
    { "fabricate_terminal_event", ", \"exit\": -9", EVENTS },
    { "drop_event", "", EVENTS | DEED(LOGS) },
    { "insert_event", ", \"what\": \"empty\"", EVENTS },
    { "error_event", ", \"code\": \"X\"", EVENTS | DEED(LOGS) },
    { "large_trailers", ", \"bytes\": 20000", EVERYWHERE },
    { "show_state", ", \"state\": \"failed\"", STATES },
};

/* What comes surely, and early enough for everybody. */
static const char *const places[TRIGGERS] = {
    [TRIGGER_BYTES] = "\"after_bytes\": 3",
    [TRIGGER_EVENTS] = "\"after_events\": 0",
    [TRIGGER_FACT] = "\"after_fact\": \"queued\"",
    [TRIGGER_PROBABILITY] = "\"probability\": 1",
};

static struct h2_stream *do_deed(struct call_site *site, struct h2_client *client, enum deed deed)
{
    struct h2_stream *s;
    switch (deed) {
    case CREATE: return call_ask_create(site, client);
    case GET:
        s = call_open_on(site, client, "get", NULL);
        call_ask(site, s, site->sandbox);
        return s;
    case EXEC:
    case STREAM: return call_exec_on(site, client, "echo one; exit 4", true);
    case LOGS: return call_logs_on(site, client);
    case DEEDS: break;
    }
    return NULL;
}

static bool is_done(void *arg)
{
    const struct h2_stream *s = arg;
    return s->is_closed || !s->client->is_open;
}

static void play_one(struct call_site *site, size_t kind, int trigger, enum deed deed)
{
    struct h2_client client;
    BUF_AUTO members = BUF_INIT;
    buf_printf(&members, "\"faults\": [{\"when\": {\"op\": \"%s\"}, \"times\": 1, \"fault\": {\"kind\": \"%s\"%s}", ops[deed],
               kinds[kind].kind, kinds[kind].more);
    if (trigger >= 0)
        buf_printf(&members, ", \"at\": {%s}", places[trigger]);
    buf_str(&members, "}]");
    call_play(site, buf_cstr(&members));
    call_join(site, &client);
    struct h2_stream *s = do_deed(site, &client, deed);
    if (!is_done(s) && !h2_run(&client, is_done, s, H2_LIMIT_MS))
        fail_msg("%s: never over", buf_cstr(&members));
    h2_close(&client);
    call_assert_fired(site);
    call_forget_scenarios(site);
}

/* Can it be said, and is it worth its time?  All operations meet each kind; its places are tried with some. */
static bool is_tried(const struct fault_info *info, int trigger, enum deed deed)
{
    if (trigger < 0)
        return true;
    if ((info->triggers & TRIGGER_BIT(trigger)) == 0)
        return false;
    if (trigger == TRIGGER_EVENTS || trigger == TRIGGER_FACT)
        return deed == STREAM || deed == LOGS;
    return trigger == TRIGGER_BYTES ? deed == GET || deed == STREAM : deed == STREAM;
}

static void every_fault_fires_on_every_operation(void **state)
{
    struct call_site *site = *state;
    for (size_t k = 0; k < COUNT(kinds); k++) {
        enum fault_kind kind;
        assert_true(fault_find_kind(kinds[k].kind, &kind));
        for (int t = -1; t < TRIGGERS; t++) {
            for (enum deed d = CREATE; d < DEEDS; d++) {
                if ((kinds[k].deeds & DEED(d)) != 0 && is_tried(fault_info_of(kind), t, d))
                    play_one(site, k, t, d);
            }
        }
    }
    assert_int_equal(h2_status(call_get(site)), 0);
}

/* So that none is forgotten. */
static void the_table_has_every_kind_that_grpc_has(void **state)
{
    (void) state;
    size_t wanted = 0;
    for (enum fault_kind kind = FAULT_REPLY + 1; kind < FAULT_KINDS; kind++)
        wanted += (fault_info_of(kind)->dialects & DIALECT_BIT(DIALECT_COREWEAVE)) != 0 && kind != FAULT_EXPIRE_TOKEN &&
                  kind != FAULT_ERROR_ANSWER;   /* test_calls_rules.c has these two */
    assert_int_equal(COUNT(kinds), wanted);
}

/* ---- what a client sees ------------------------------------------------------------------------------- */

static struct h2_stream *run_with(struct call_site *site, const char *members, const char *line)
{
    call_play(site, members);
    struct h2_stream *s = call_exec(site, line, true);
    assert_true(h2_await_closed(s));
    return s;
}

#define FAULT(op, fault) "\"faults\": [{\"when\": {\"op\": \"" op "\"}, \"times\": 1, " fault "}]"

static void done_with(struct call_site *site)
{
    call_assert_fired(site);
    call_forget_scenarios(site);
}

static void ready_can_be_missing(void **state)
{
    struct call_site *site = *state;
    struct h2_stream *s = run_with(site, FAULT("process.exec", "\"fault\": \"drop_event\""), "echo hi");
    CALL_STORY story;
    call_tell(site, s, &story);
    assert_int_equal(story.ready, 0);
    assert_string_equal(buf_cstr(&story.out), "hi\n");
    assert_int_equal(story.exits, 1);
    done_with(site);
}

static void output_can_come_behind_the_exit(void **state)
{
    struct call_site *site = *state;
    struct h2_stream *s = run_with(
        site, FAULT("process.exec", "\"at\": {\"after_events\": 3}, \"fault\": {\"kind\": \"insert_event\", \"what\": \"output\"}"),
        "echo hi");
    CALL_STORY story;
    call_tell(site, s, &story);
    assert_int_equal(story.after_exit, 1);
    assert_string_equal(buf_cstr(&story.out), "hi\n");
    done_with(site);
}

static bool has_exit(void *s)
{
    return h2_messages(s) >= 3;    /* ready, output, exit */
}

/* Some clients leave as soon as they have the exit: what comes behind it is on its way by then. */
static void output_behind_the_exit_has_come_before_a_client_can_leave(void **state)
{
    struct call_site *site = *state;
    for (int i = 0; i < 20; i++) {
        call_play(site, FAULT("process.exec", "\"at\": {\"after_events\": 3}, "
                                              "\"fault\": {\"kind\": \"insert_event\", \"what\": \"output\"}"));
        struct h2_stream *s = call_exec(site, "echo hi", true);
        assert_true(h2_run(&site->client, has_exit, s, H2_LIMIT_MS));
        h2_reset(s, CANCELLED);
        assert_true(h2_await_closed(s));
        done_with(site);
    }
}

static void the_exit_can_be_missing_and_the_status_ok(void **state)
{
    struct call_site *site = *state;
    struct h2_stream *s = run_with(site, FAULT("process.exec", "\"fault\": \"drop_terminal_event\""), "echo hi");
    CALL_STORY story;
    call_tell(site, s, &story);
    assert_int_equal(story.exits, 0);
    assert_int_equal(h2_status(s), 0);
    done_with(site);
}

static void an_error_can_come_within_the_stream(void **state)
{
    struct call_site *site = *state;
    struct h2_stream *s = run_with(
        site,
        FAULT("process.exec", "\"at\": {\"after_events\": 2}, \"fault\": {\"kind\": \"error_event\", \"code\": \"STREAM_TRUNCATED\", "
                              "\"message\": \"lost some\"}"),
        "echo hi; exec sleep 60");
    CALL_STORY story;
    call_tell(site, s, &story);
    assert_string_equal(buf_cstr(&story.out), "hi\n");
    assert_int_equal(story.errors, 1);
    assert_string_equal(story.error_code, "STREAM_TRUNCATED");
    assert_int_equal(story.exits, 0);
    assert_int_equal(h2_status(s), 0);
    done_with(site);
}

static void messages_can_be_odd(void **state)
{
    struct call_site *site = *state;
    struct h2_stream *s = run_with(
        site, FAULT("process.exec", "\"fault\": {\"kind\": \"insert_event\", \"what\": \"empty\"}"), "echo hi");
    CALL_STORY empty;
    call_tell(site, s, &empty);
    assert_int_equal(empty.empty, 1);
    assert_string_equal(buf_cstr(&empty.out), "hi\n");
    done_with(site);
    s = run_with(site, FAULT("process.exec", "\"at\": {\"after_events\": 1}, \"fault\": {\"kind\": \"insert_event\", "
                                             "\"what\": \"unknown_stream\", \"bytes\": 3}"),
                 "echo hi");
    CALL_STORY odd;
    call_tell(site, s, &odd);
    assert_int_equal(odd.odd, 1);
    done_with(site);
    s = run_with(site, FAULT("process.exec", "\"fault\": {\"kind\": \"insert_event\", \"what\": \"output\", \"bytes\": 5000000}"),
                 "echo hi");
    const char *message;
    assert_true(h2_message(s, 0, &message) > 5000000);
    done_with(site);
}

static void an_exit_code_can_be_any_number(void **state)
{
    struct call_site *site = *state;
    static const int codes[] = { -9, 300, INT32_MIN };
    for (size_t i = 0; i < COUNT(codes); i++) {
        char members[200];
        snprintf(members, sizeof members,
                 FAULT("process.exec", "\"at\": {\"after_fact\": \"ended\"}, \"fault\": {\"kind\": \"fabricate_terminal_event\", "
                                       "\"exit\": %d}"), codes[i]);
        struct h2_stream *s = run_with(site, members, "echo hi");
        CALL_STORY story;
        call_tell(site, s, &story);
        assert_int_equal(story.exits, 1);
        assert_int_equal(story.exit_code, codes[i]);
        done_with(site);
    }
}

/* The end is there before the trailers are: these come when the clock is moved. */
static void trailers_can_be_late(void **state)
{
    struct call_site *site = *state;
    lanes_freeze_clock(site->lanes, site->lane);
    call_play(site, FAULT("process.exec", "\"at\": {\"after_events\": 3}, \"fault\": {\"kind\": \"stall\", \"ms\": 5000}"));
    struct h2_stream *s = call_exec(site, "echo hi", true);
    while (h2_messages(s) < 3)
        assert_true(h2_await_bytes(s, s->in.len + 1));
    CALL_STORY story;
    call_tell(site, s, &story);
    assert_int_equal(story.exits, 1);
    assert_false(s->is_ended);
    /* It is held from some moment behind the exit on. */
    for (int i = 0; i < 600 && !s->is_closed; i++) {
        clock_advance(lane_clock(site->lane), 5000);
        (void) h2_run(&site->client, is_done, s, 100);
    }
    assert_int_equal(h2_status(s), 0);
    lanes_run_clock(site->lanes, site->lane, 1);
    done_with(site);
}

static void trailers_can_be_too_large_for_clients(void **state)
{
    struct call_site *site = *state;
    struct h2_stream *s =
        run_with(site, FAULT("process.exec", "\"fault\": {\"kind\": \"large_trailers\", \"bytes\": 20000}"), "echo hi");
    assert_int_equal(h2_status(s), 0);
    assert_int_equal(strlen(h2_field(s, "x-padding")), 20000);
    done_with(site);
}

static void a_refusal_says_all_that_it_may(void **state)
{
    struct call_site *site = *state;
    struct h2_stream *s = run_with(
        site,
        FAULT("process.exec", "\"reply\": {\"status\": \"UNAVAILABLE\", \"code\": \"CWSANDBOX_RUNNER_UNAVAILABLE\", \"message\": "
                              "\"gone for now\", \"retry_after_s\": 2.5, \"details\": {\"runner\": \"r-1\"}, \"headers\": {\"X-Why\": "
                              "\"because\"}}"),
        "true");
    assert_int_equal(h2_status(s), 14);
    assert_string_equal(h2_field(s, "grpc-message"), "gone for now");
    assert_string_equal(h2_field(s, "x-why"), "because");
    assert_non_null(h2_field(s, "grpc-status-details-bin"));
    assert_int_equal(h2_messages(s), 0);
    done_with(site);
}

static void a_refusal_names_the_fields_that_are_wrong(void **state)
{
    struct call_site *site = *state;
    struct err err = ERR_INIT;
    struct h2_stream *s = run_with(
        site,
        FAULT("process.exec", "\"reply\": {\"status\": \"INVALID_ARGUMENT\", \"message\": \"no\", \"details\": {\"field_violations\": "
                              "[{\"field\": \"init.command\", \"description\": \"must be short\"}, {\"field\": \"init.tty\"}]}}"),
        "true");
    BUF_AUTO text = BUF_INIT;
    BUF_AUTO bytes = BUF_INIT;
    buf_str(&text, h2_field(s, "grpc-status-details-bin"));
    while (text.len % 4 != 0)
        buf_char(&text, '=');
    assert_int_equal(h2_status(s), 3);
    assert_int_equal(base64_decode(&bytes, text.data, text.len, &err), 0);
    static const char *const parts[] = { "google.rpc.BadRequest", "\x0a\x0cinit.command\x12\x0dmust be short", "\x0a\x08init.tty" };
    for (size_t i = 0; i < COUNT(parts); i++)
        assert_non_null(memmem(bytes.data, bytes.len, parts[i], strlen(parts[i])));
    assert_null(memmem(bytes.data, bytes.len, "ErrorInfo", 9));
    done_with(site);
}

/* ---- states ------------------------------------------------------------------------------------------------ */

static void a_sandbox_is_shown_as_the_scenario_wants(void **state)
{
    struct call_site *site = *state;
    static const struct {
        const char *word;
        int v1, v1beta2;
    } rows[] = { { "unspecified", 0, 0 }, { "failed", 4, 4 },  { "terminating", 5, 9 },
                 { "pending", 7, 6 },     { "paused", 8, 7 }, { "terminated", 6, 5 } };
    for (size_t i = 0; i < COUNT(rows); i++) {
        char members[200];
        snprintf(members, sizeof members, FAULT("sandbox.get", "\"fault\": {\"kind\": \"show_state\", \"state\": \"%s\"}"),
                 rows[i].word);
        call_play(site, members);
        assert_int_equal(call_state(site, call_get(site)), site->is_v1 ? rows[i].v1 : rows[i].v1beta2);
        done_with(site);
        assert_int_equal(call_state(site, call_get(site)), 2);
    }
}

/* RUNNING once more behind a stop, then the truth. */
static void a_stop_can_be_followed_by_a_stale_state(void **state)
{
    struct call_site *site = *state;
    call_play(site, FAULT("sandbox.get", "\"fault\": {\"kind\": \"show_state\", \"state\": \"running\"}"));
    assert_int_equal(h2_status(call_stop(site)), 0);
    assert_int_equal(call_state(site, call_get(site)), 2);
    int now = call_state(site, call_get(site));
    assert_true(now == 3 || now == (site->is_v1 ? 5 : 9));
    done_with(site);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, call_site_setup, call_site_teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_has_every_kind_that_grpc_has),
        TEST(ready_can_be_missing),
        TEST(output_can_come_behind_the_exit),
        TEST(output_behind_the_exit_has_come_before_a_client_can_leave),
        TEST(the_exit_can_be_missing_and_the_status_ok),
        TEST(an_error_can_come_within_the_stream),
        TEST(messages_can_be_odd),
        TEST(an_exit_code_can_be_any_number),
        TEST(trailers_can_be_late),
        TEST(trailers_can_be_too_large_for_clients),
        TEST(a_refusal_says_all_that_it_may),
        TEST(a_refusal_names_the_fields_that_are_wrong),
        TEST(a_sandbox_is_shown_as_the_scenario_wants),
        TEST(a_stop_can_be_followed_by_a_stale_state),
        TEST(every_fault_fires_on_every_operation),
    };
    return call_site_run("calls and faults", tests, sizeof tests / sizeof *tests);
}
