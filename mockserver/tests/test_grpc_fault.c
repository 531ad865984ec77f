/* transports/grpc: every fault at the places where it may strike, as a client sees it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "tests/support/grpc_site.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define QUIET_MS 15
#define ALL 26                       /* bytes of the three events, prefixes included */

static const char events[] = "\0\0\0\0\3one\0\0\0\0\3two\0\0\0\0\5three";

/* ---- what a client sees -------------------------------------------------------------------- */

enum sight {
    COMPLETE,        /* all of it, status 0 */
    ENDED_BARE,      /* END_STREAM without trailers */
    ENDED_WELL,      /* trailers that say OK */
    STREAM_RESET,    /* RST_STREAM with `code` */
    CONNECTION_ENDED,
    CONNECTION_RESET,
    SAID_GOODBYE     /* GOAWAY with `code`, then the connection's end */
};

static const struct row {
    const char *at, *fault;
    enum sight sight;
    size_t bytes;
    unsigned heads;
    uint32_t code;
    enum exchange_end end;
    bool fires;
} rows[] = {
    { NULL, "\"fault\": \"cut\"", ENDED_BARE, 0, 1, 0, EXCHANGE_CUT, true },
    { "{ \"after_bytes\": 9 }", "\"fault\": \"cut\"", ENDED_BARE, 9, 1, 0, EXCHANGE_CUT, true },
    { "{ \"after_bytes\": 26 }", "\"fault\": \"cut\"", ENDED_BARE, 26, 1, 0, EXCHANGE_CUT, true },
    { "{ \"after_bytes\": 27 }", "\"fault\": \"cut\"", COMPLETE, ALL, 2, 0, EXCHANGE_COMPLETE, false },
    { "{ \"after_events\": 0 }", "\"fault\": \"cut\"", ENDED_BARE, 0, 1, 0, EXCHANGE_CUT, true },
    { "{ \"after_events\": 2 }", "\"fault\": \"cut\"", ENDED_BARE, 16, 1, 0, EXCHANGE_CUT, true },
    { "{ \"after_events\": 3 }", "\"fault\": \"cut\"", ENDED_BARE, 26, 1, 0, EXCHANGE_CUT, true },
    { "{ \"after_fact\": \"exited\" }", "\"fault\": \"cut\"", ENDED_BARE, 16, 1, 0, EXCHANGE_CUT, true },
    { "{ \"after_fact\": \"died\" }", "\"fault\": \"cut\"", COMPLETE, ALL, 2, 0, EXCHANGE_COMPLETE, false },
    { "{ \"after_events\": 2 }", "\"fault\": { \"kind\": \"cut\", \"terminator\": true }", ENDED_WELL, 16, 2, 0,
      EXCHANGE_CUT, true },
    { NULL, "\"fault\": { \"kind\": \"cut\", \"terminator\": true }", ENDED_WELL, 0, 2, 0, EXCHANGE_CUT, true },

    { NULL, "\"fault\": { \"kind\": \"RST_STREAM\", \"code\": \"REFUSED_STREAM\" }", STREAM_RESET, 0, 0, 7,
      EXCHANGE_RESET, true },
    { "{ \"after_events\": 1 }", "\"fault\": { \"kind\": \"RST_STREAM\", \"code\": \"ENHANCE_YOUR_CALM\" }",
      STREAM_RESET, 8, 1, 11, EXCHANGE_RESET, true },
    { "{ \"after_bytes\": 3 }", "\"fault\": { \"kind\": \"RST_STREAM\", \"code\": \"INTERNAL_ERROR\" }", STREAM_RESET,
      3, 1, 2, EXCHANGE_RESET, true },
    { "{ \"after_fact\": \"started\" }", "\"fault\": { \"kind\": \"RST_STREAM\", \"code\": \"CANCEL\" }", STREAM_RESET,
      0, 0, 8, EXCHANGE_RESET, true },
    { "{ \"after_fact\": \"exited\" }", "\"fault\": { \"kind\": \"RST_STREAM\", \"code\": \"NO_ERROR\" }", STREAM_RESET,
      16, 1, 0, EXCHANGE_RESET, true },

    { NULL, "\"fault\": \"GOAWAY\"", COMPLETE, ALL, 2, 0, EXCHANGE_COMPLETE, true },
    { "{ \"after_events\": 1 }", "\"fault\": \"GOAWAY\"", COMPLETE, ALL, 2, 0, EXCHANGE_COMPLETE, true },
    { "{ \"after_bytes\": 8 }", "\"fault\": { \"kind\": \"GOAWAY\", \"code\": \"INTERNAL_ERROR\" }", SAID_GOODBYE, 8, 1,
      2, EXCHANGE_CUT, true },
    { NULL, "\"fault\": { \"kind\": \"GOAWAY\", \"code\": \"ENHANCE_YOUR_CALM\" }", SAID_GOODBYE, 0, 0, 11,
      EXCHANGE_CUT, true },

    { NULL, "\"fault\": \"EMPTY_RESPONSE\"", CONNECTION_ENDED, 0, 0, 0, EXCHANGE_NO_ANSWER, true },
    { NULL, "\"fault\": \"CONNECTION_RESET_BY_PEER\"", CONNECTION_RESET, 0, 0, 0, EXCHANGE_RESET, true },
    { "{ \"after_bytes\": 12 }", "\"fault\": \"CONNECTION_RESET_BY_PEER\"", CONNECTION_RESET, 12, 1, 0, EXCHANGE_RESET,
      true },
    { "{ \"after_events\": 3 }", "\"fault\": \"CONNECTION_RESET_BY_PEER\"", CONNECTION_RESET, 26, 1, 0, EXCHANGE_RESET,
      true },
    { NULL, "\"fault\": \"RANDOM_DATA_THEN_CLOSE\"", CONNECTION_ENDED, 0, 0, 0, EXCHANGE_CUT, true },
    { "{ \"after_bytes\": 8 }", "\"fault\": { \"kind\": \"RANDOM_DATA_THEN_CLOSE\", \"bytes\": 40 }", CONNECTION_ENDED,
      8, 1, 0, EXCHANGE_CUT, true },
    { NULL, "\"fault\": \"lost_reply\"", CONNECTION_ENDED, 0, 0, 0, EXCHANGE_NO_ANSWER, true },
    { NULL, "\"fault\": { \"kind\": \"lost_reply\", \"how\": \"reset\" }", CONNECTION_RESET, 0, 0, 0, EXCHANGE_RESET,
      true },

    { "{ \"after_bytes\": 8 }", "\"fault\": \"expire_token\"", COMPLETE, ALL, 2, 0, EXCHANGE_COMPLETE, true },
    { "{ \"probability\": 1 }", "\"fault\": { \"kind\": \"split\", \"bytes\": 7 }", COMPLETE, ALL, 2, 0,
      EXCHANGE_COMPLETE, true },
    /* Not the transport's: it must leave the answer alone. */
    { NULL, "\"reply\": { \"status\": 503 }", COMPLETE, ALL, 2, 0, EXCHANGE_COMPLETE, false },
    { NULL, "\"fault\": { \"kind\": \"delay\", \"ms\": 5000 }", COMPLETE, ALL, 2, 0, EXCHANGE_COMPLETE, false },
    { NULL, "\"fault\": \"duplicate_event\"", COMPLETE, ALL, 2, 0, EXCHANGE_COMPLETE, false },
    { NULL, "\"fault\": \"reorder\"", COMPLETE, ALL, 2, 0, EXCHANGE_COMPLETE, false },
    { NULL, "\"fault\": \"drop_terminal_event\"", COMPLETE, ALL, 2, 0, EXCHANGE_COMPLETE, false },
    { NULL, "\"fault\": \"fabricate_terminal_event\"", COMPLETE, ALL, 2, 0, EXCHANGE_COMPLETE, false },
    { NULL, "\"fault\": \"drop_event\"", COMPLETE, ALL, 2, 0, EXCHANGE_COMPLETE, false },
    { NULL, "\"fault\": \"error_event\"", COMPLETE, ALL, 2, 0, EXCHANGE_COMPLETE, false },
    { NULL, "\"fault\": { \"kind\": \"insert_event\", \"what\": \"empty\" }", COMPLETE, ALL, 2, 0, EXCHANGE_COMPLETE,
      false },
    { NULL, "\"fault\": { \"kind\": \"show_state\", \"state\": \"failed\" }", COMPLETE, ALL, 2, 0, EXCHANGE_COMPLETE,
      false },
    { NULL, "\"fault\": { \"kind\": \"large_trailers\", \"bytes\": 20000 }", COMPLETE, ALL, 2, 0, EXCHANGE_COMPLETE,
      true },
};

static void arm(const char *at, const char *fault)
{
    struct err err = ERR_INIT;
    if (grpc_site_arm(&grpc_site, at, fault, &err) < 0)
        fail_msg("%s", err.text);
}

static struct h2_stream *ask(struct h2_client *c)
{
    struct h2_stream *s = h2_open(c, "/t.Echo/Events", NULL);
    h2_send_message(s, "", 0, true);
    return s;
}

static bool is_as_expected(struct h2_client *c, struct h2_stream *s, const struct row *row)
{
    switch (row->sight) {
    case COMPLETE:
    case ENDED_WELL: return h2_await_closed(s) && h2_status(s) == 0 && s->is_ended;
    case ENDED_BARE: return h2_await_closed(s) && h2_status(s) == -1 && s->is_ended && s->code == 0;
    case STREAM_RESET: return h2_await_closed(s) && !s->is_ended && s->code == row->code && h2_status(s) == -1;
    case CONNECTION_ENDED: return h2_await_end(c) && !c->was_reset && !s->is_closed;
    case CONNECTION_RESET: return h2_await_end(c) && c->was_reset;
    case SAID_GOODBYE: return h2_await_end(c) && !c->was_reset && c->has_goaway && c->goaway_code == row->code;
    }
    return false;
}

static void check_row(size_t i, const struct row *row)
{
    struct h2_client c;
    struct match_counts counts;
    arm(row->at, row->fault);
    grpc_site_join(&c);
    assert_true(h2_await_settings(&c));
    struct h2_stream *s = ask(&c);
    bool is_good = is_as_expected(&c, s, row);
    if (!is_good || s->in.len != row->bytes || s->heads != row->heads)
        fail_msg("row %zu: as expected %d, %zu bytes, %u heads, status %d, code %u, ended %d, connection %d", i, is_good,
                 s->in.len, s->heads, h2_status(s), s->code, s->is_ended, c.is_open);
    assert_memory_equal(buf_cstr(&s->in), events, s->in.len);
    h2_close(&c);
    assert_true(grpc_site_await_over(&grpc_site, 1));
    struct grpc_seen seen = grpc_site_seen(&grpc_site);
    grpc_site_counts(&grpc_site, &counts);
    if (seen.ends[row->end] != 1 || seen.told[row->end] != 1 || counts.fired != row->fires)
        fail_msg("row %zu: ended so %u, told so %u, fired %llu", i, seen.ends[row->end], seen.told[row->end],
                 (unsigned long long) counts.fired);
    assert_int_equal(seen.over, 1);
    assert_int_equal(seen.went_on, 0);
    assert_true(grpc_site_answered(&grpc_site, s == NULL ? "" : events, row->bytes));
    assert_true(grpc_site_await_idle(&grpc_site));
}

static void every_fault_is_seen_where_it_strikes(void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++)
        check_row(i, &rows[i]);
    grpc_site_disarm(&grpc_site);
}

static void goaway_without_an_error_sends_clients_to_a_new_connection(void **state)
{
    (void) state;
    struct h2_client c;
    arm(NULL, "\"fault\": \"GOAWAY\"");
    grpc_site_join(&c);
    assert_true(h2_await_settings(&c));
    struct h2_stream *s = ask(&c);
    assert_true(h2_await_closed(s));
    assert_true(c.has_goaway);
    assert_int_equal(c.goaway_code, 0);
    assert_int_equal(c.goaway_last, s->id);
    assert_true(h2_await_end(&c));
    h2_close(&c);
    grpc_site_disarm(&grpc_site);
}

static void what_ends_a_stream_leaves_the_others_alone(void **state)
{
    static const char *const faults[] = {
        "\"fault\": \"cut\"", "\"fault\": { \"kind\": \"RST_STREAM\", \"code\": \"CANCEL\" }", "\"fault\": \"stall\"",
    };
    (void) state;
    for (size_t i = 0; i < COUNT(faults); i++) {
        struct h2_client c;
        arm("{ \"after_events\": 1 }", faults[i]);
        grpc_site_join(&c);
        struct h2_stream *s = ask(&c);
        assert_true(h2_await_bytes(s, 8));
        assert_int_equal(h2_unary(&c, "/t.Echo/Unary", "x", 1, NULL), 0);
        h2_close(&c);
    }
    grpc_site_disarm(&grpc_site);
}

static void split_answer_has_a_byte_in_each_frame(void **state)
{
    (void) state;
    struct h2_client c;
    arm(NULL, "\"fault\": \"split\"");
    grpc_site_join(&c);
    struct h2_stream *s = ask(&c);
    assert_true(h2_await_closed(s));
    assert_int_equal(s->frames, ALL);
    assert_int_equal(s->largest, 1);
    assert_memory_equal(s->in.data, events, ALL);
    assert_int_equal(h2_status(s), 0);
    h2_close(&c);
    grpc_site_disarm(&grpc_site);
}

/* ---- what takes time -------------------------------------------------------------------------- */

static bool never(void *arg)
{
    (void) arg;
    return false;
}

/* Nothing more comes while the clock stands still. */
static void assert_quiet(struct h2_client *c, const struct h2_stream *s, size_t bytes, unsigned heads)
{
    h2_run(c, never, NULL, QUIET_MS);
    assert_int_equal(s->in.len, bytes);
    assert_int_equal(s->heads, heads);
    assert_false(s->is_closed);
}

static const struct { const char *at, *fault; size_t bytes; unsigned heads; } holds[] = {
    { NULL, "\"fault\": { \"kind\": \"first_byte_delay\", \"ms\": 5000 }", 0, 0 },
    { NULL, "\"fault\": { \"kind\": \"stall\", \"ms\": 5000 }", 0, 0 },
    { "{ \"after_bytes\": 0 }", "\"fault\": { \"kind\": \"stall\", \"ms\": 5000 }", 0, 1 },
    { "{ \"after_bytes\": 11 }", "\"fault\": { \"kind\": \"stall\", \"ms\": 5000 }", 11, 1 },
    { "{ \"after_fact\": \"exited\" }", "\"fault\": { \"kind\": \"stall\", \"ms\": 5000 }", 16, 1 },
    { "{ \"after_events\": 3 }", "\"fault\": { \"kind\": \"stall\", \"ms\": 5000 }", 26, 1 },
};

static void answer_that_is_held_goes_on_when_time_does(void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT(holds); i++) {
        struct h2_client c;
        struct match_counts counts;
        arm(holds[i].at, holds[i].fault);
        grpc_site_join(&c);
        struct h2_stream *s = ask(&c);
        assert_true(h2_await_bytes(s, holds[i].bytes));
        if (holds[i].heads > 0)
            assert_true(h2_await_head(s));
        assert_quiet(&c, s, holds[i].bytes, holds[i].heads);
        assert_true(grpc_site_await_fired(&grpc_site, 1));
        clock_advance(grpc_site.clock, 4999);
        assert_quiet(&c, s, holds[i].bytes, holds[i].heads);
        clock_advance(grpc_site.clock, 1);
        assert_true(h2_await_closed(s));
        assert_int_equal(s->in.len, ALL);
        assert_int_equal(h2_status(s), 0);
        grpc_site_counts(&grpc_site, &counts);
        assert_int_equal(counts.fired, 1);
        h2_close(&c);
        assert_true(grpc_site_await_idle(&grpc_site));
    }
    grpc_site_disarm(&grpc_site);
}

static const struct { const char *at, *fault; size_t bytes; } silences[] = {
    { NULL, "\"fault\": \"stall\"", 0 },
    { "{ \"after_bytes\": 11 }", "\"fault\": \"stall\"", 11 },
    { NULL, "\"fault\": { \"kind\": \"lost_reply\", \"how\": \"stall\" }", 0 },
};

static void silence_lasts_until_the_client_goes(void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT(silences); i++) {
        struct h2_client c;
        arm(silences[i].at, silences[i].fault);
        grpc_site_join(&c);
        struct h2_stream *s = ask(&c);
        assert_true(h2_await_bytes(s, silences[i].bytes));
        assert_quiet(&c, s, silences[i].bytes, silences[i].bytes > 0);
        clock_advance(grpc_site.clock, 1000000000);
        assert_quiet(&c, s, silences[i].bytes, silences[i].bytes > 0);
        h2_reset(s, 8);
        h2_step(&c);
        assert_true(grpc_site_await_over(&grpc_site, 1));
        assert_int_equal(grpc_site_seen(&grpc_site).ends[EXCHANGE_CLIENT_GONE], 1);
        assert_int_equal(h2_unary(&c, "/t.Echo/Nothing", "", 0, NULL), GRPC_UNIMPLEMENTED);
        h2_close(&c);
    }
    grpc_site_disarm(&grpc_site);
}

static const struct { const char *fault; int64_t step_ms; size_t bytes; } paces[] = {
    { "\"fault\": { \"kind\": \"slow\", \"bytes_per_s\": 10 }", 100, 1 },
    { "\"fault\": { \"kind\": \"slow\", \"bytes_per_s\": 10 }", 300, 3 },
    { "\"fault\": { \"kind\": \"dribble\", \"bytes\": 4, \"every_ms\": 700 }", 700, 4 },
};

static void paced_answer_goes_on_as_time_does(void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT(paces); i++) {
        struct h2_client c;
        arm("{ \"after_bytes\": 8 }", paces[i].fault);
        grpc_site_join(&c);
        struct h2_stream *s = ask(&c);
        bool at_once = strstr(paces[i].fault, "dribble") != NULL;
        size_t seen = 8 + (at_once ? paces[i].bytes : 0);
        assert_true(h2_await_bytes(s, seen));
        assert_quiet(&c, s, seen, 1);
        while (seen < ALL) {
            clock_advance(grpc_site.clock, paces[i].step_ms);
            size_t next = seen + paces[i].bytes < ALL ? seen + paces[i].bytes : ALL;
            assert_true(h2_await_bytes(s, next));
            h2_step(&c);
            assert_int_equal(s->in.len, next);
            seen = next;
        }
        assert_true(h2_await_closed(s));
        assert_int_equal(h2_status(s), 0);
        assert_memory_equal(s->in.data, events, ALL);
        h2_close(&c);
        assert_true(grpc_site_await_idle(&grpc_site));
    }
    grpc_site_disarm(&grpc_site);
}

/* A single answer, not a stream. */
static void unary_answers_meet_faults_too(void **state)
{
    static const struct { const char *at, *fault; size_t bytes; int status; } some[] = {
        { NULL, "\"fault\": \"cut\"", 0, -1 },
        { "{ \"after_bytes\": 5 }", "\"fault\": \"cut\"", 5, -1 },
        { NULL, "\"fault\": { \"kind\": \"cut\", \"terminator\": true }", 0, 0 },
        { NULL, "\"fault\": \"split\"", 10, 0 },
        { NULL, "\"fault\": { \"kind\": \"RST_STREAM\", \"code\": \"CANCEL\" }", 0, -1 },
    };
    (void) state;
    for (size_t i = 0; i < COUNT(some); i++) {
        struct h2_client c;
        arm(some[i].at, some[i].fault);
        grpc_site_join(&c);
        struct h2_stream *s = h2_open(&c, "/t.Echo/Unary", NULL);
        h2_send_message(s, "whole", 5, true);
        assert_true(h2_await_closed(s));
        assert_int_equal(s->in.len, some[i].bytes);
        assert_int_equal(h2_status(s), some[i].status);
        h2_close(&c);
    }
    grpc_site_disarm(&grpc_site);
}

/* Trailers alone leave no room for what strikes in a body: so there is one. */
static void an_error_can_be_cut(void **state)
{
    (void) state;
    struct h2_client c;
    arm(NULL, "\"fault\": \"cut\"");
    grpc_site_join(&c);
    struct h2_stream *s = h2_open(&c, "/t.Echo/Fail", NULL);
    h2_send_message(s, "5 no", 4, true);
    assert_true(h2_await_closed(s));
    assert_int_equal(h2_status(s), -1);
    assert_true(s->is_ended);
    h2_close(&c);
    grpc_site_disarm(&grpc_site);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_fault_is_seen_where_it_strikes),
        cmocka_unit_test(goaway_without_an_error_sends_clients_to_a_new_connection),
        cmocka_unit_test(what_ends_a_stream_leaves_the_others_alone),
        cmocka_unit_test(split_answer_has_a_byte_in_each_frame),
        cmocka_unit_test(answer_that_is_held_goes_on_when_time_does),
        cmocka_unit_test(silence_lasts_until_the_client_goes),
        cmocka_unit_test(paced_answer_goes_on_as_time_does),
        cmocka_unit_test(unary_answers_meet_faults_too),
        cmocka_unit_test(an_error_can_be_cut),
    };
    return cmocka_run_group_tests(tests, grpc_site_setup, grpc_site_teardown);
}
