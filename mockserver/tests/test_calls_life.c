/* Who serves gRPC calls: threads that are used again, the reactor for quick ones, nobody for what is over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "tests/support/call_site.h"

#define CANCELLED 8u

static struct crew_stats stats_of(struct call_site *site)
{
    struct crew_stats stats;
    crew_get_stats(site->calls.crew, &stats);
    return stats;
}

/* The reactor does all of it, where there is no scenario and no input. */
static void a_command_alone_is_no_thread_s_work(void **state)
{
    struct call_site *site = *state;
    unsigned long before = stats_of(site).given;
    for (int i = 0; i < 20; i++) {
        struct h2_stream *s = call_exec(site, "exit 3", true);
        CALL_STORY story;
        assert_true(h2_await_closed(s));
        call_tell(site, s, &story);
        assert_int_equal(story.exit_code, 3);
    }
    assert_int_equal(stats_of(site).given, before);
}

/* One for the command, and one for its input when that ends a moment later. */
static void calls_one_after_another_share_threads(void **state)
{
    struct call_site *site = *state;
    (void) call_time_to_idle(site);
    unsigned long before = stats_of(site).started;
    for (int i = 0; i < 20; i++) {
        struct h2_stream *s = call_exec(site, "true", true);
        assert_true(h2_await_closed(s));
        assert_int_equal(h2_status(s), 0);
        (void) call_time_to_idle(site);
    }
    assert_true(stats_of(site).started <= before + 1);
}

static void a_quick_call_needs_no_thread(void **state)
{
    struct call_site *site = *state;
    (void) call_time_to_idle(site);
    struct h2_stream *busy = call_exec(site, "sleep 60", false);
    assert_true(h2_await_bytes(busy, 1));
    unsigned long before = stats_of(site).started;
    for (int i = 0; i < 20; i++)
        assert_int_equal(h2_status(call_get(site)), 0);
    assert_int_equal(stats_of(site).started, before);
    h2_reset(busy, CANCELLED);
    h2_step(&site->client);
    (void) call_time_to_idle(site);
}

static void commands_that_run_need_no_thread(void **state)
{
    struct call_site *site = *state;
    struct h2_stream *streams[20];
    for (size_t i = 0; i < 20; i++)
        streams[i] = call_exec(site, "exec cat", false);
    for (size_t i = 0; i < 20; i++)
        assert_true(h2_await_bytes(streams[i], 1));
    (void) call_time_to_idle(site);
    for (size_t i = 0; i < 20; i++) {
        call_stdin(site, streams[i], "hello\n", 6);
        h2_send(streams[i], "", 0, true);
    }
    for (size_t i = 0; i < 20; i++) {
        CALL_STORY story;
        assert_true(h2_await_closed(streams[i]));
        call_tell(site, streams[i], &story);
        assert_string_equal(buf_cstr(&story.out), "hello\n");
        assert_int_equal(story.exit_code, 0);
        assert_int_equal(story.after_exit, 0);
        assert_int_equal(h2_status(streams[i]), 0);
    }
}

enum { LARGE = 3 << 20 };   /* more than a stream's window */

/* What came before it has been dealt with, so all of the window is there for it. */
static void one_message_of_input_may_be_larger_than_the_window(void **state)
{
    struct call_site *site = *state;
    char *much = calloc(1, LARGE);
    struct h2_stream *s = call_exec(site, "exec wc -c", false);
    assert_non_null(much);
    assert_true(h2_await_bytes(s, 1));
    call_stdin(site, s, much, LARGE);
    h2_send(s, "", 0, true);
    free(much);
    assert_true(h2_await_closed(s));
    CALL_STORY story;
    call_tell(site, s, &story);
    assert_int_equal(strtol(buf_cstr(&story.out), NULL, 10), LARGE);
    assert_int_equal(story.exit_code, 0);
}

/* The reactor would have too much to do: a thread reads it. */
static void a_large_command_is_no_work_for_the_reactor(void **state)
{
    struct call_site *site = *state;
    BUF_AUTO line = BUF_INIT;
    buf_str(&line, "exit 3; : ");
    while (line.len < 100000)
        buf_str(&line, "xxxxxxxxxx");
    unsigned long before = stats_of(site).given;
    struct h2_stream *s = call_exec(site, buf_cstr(&line), true);
    assert_true(h2_await_closed(s));
    assert_true(stats_of(site).given > before);
    CALL_STORY story;
    call_tell(site, s, &story);
    assert_int_equal(story.exit_code, 3);
    (void) call_time_to_idle(site);
}

static void a_quick_call_that_a_rule_delays_holds_nobody_up(void **state)
{
    struct call_site *site = *state;
    lanes_freeze_clock(site->lanes, site->lane);
    call_play(site, "\"faults\": [{\"when\": {\"op\": \"sandbox.get\"}, \"times\": 1, "
                    "\"fault\": {\"kind\": \"delay\", \"ms\": 5000}}]");
    struct h2_stream *late = call_open(site, "get", NULL);
    call_ask(site, late, site->sandbox);
    call_await_match(site);
    for (int i = 0; i < 3; i++)
        assert_int_equal(h2_status(call_get(site)), 0);
    assert_false(late->is_closed);
    lanes_run_clock(site->lanes, site->lane, 1);
    clock_advance(lane_clock(site->lane), 5000);
    assert_true(h2_await_closed(late));
    assert_int_equal(h2_status(late), 0);
    call_assert_fired(site);
    call_forget_scenarios(site);
}

/* ---- ends --------------------------------------------------------------------------------------- */

/* So long did it take until `dead` processes had died, in ms. */
static int64_t time_to_die(struct call_site *site, struct h2_stream *s, size_t dead)
{
    int64_t begun = mono_ns();
    h2_reset(s, CANCELLED);
    h2_step(&site->client);
    call_await_facts(site, FACT_DIED, dead);
    return (mono_ns() - begun) / 1000000;
}

/* A reader looks up by itself once a second, so the best of some counts. */
static void a_cancel_of_a_command_kills_at_once(void **state)
{
    struct call_site *site = *state;
    int64_t best_ms = INT64_MAX;
    for (size_t i = 0; i < 5 && best_ms > 500; i++) {
        struct h2_stream *s = call_exec(site, "sleep 60", i % 2 == 1);
        assert_true(h2_await_bytes(s, 1));
        int64_t took_ms = time_to_die(site, s, i + 1);
        best_ms = took_ms < best_ms ? took_ms : best_ms;
    }
    assert_true(best_ms < 500);
}

/* What takes its input waits for the process, which does not read. */
static void a_cancel_of_a_command_that_does_not_read_kills_it(void **state)
{
    struct call_site *site = *state;
    static char much[60000];
    struct h2_stream *s = call_exec(site, "sleep 60", false);
    assert_true(h2_await_bytes(s, 1));
    for (int i = 0; i < 50; i++) {
        call_stdin(site, s, much, sizeof much);
        if (i % 10 == 9)
            assert_int_equal(h2_status(call_get(site)), 0);   /* so all that goes has gone */
    }
    call_await_facts(site, FACT_STDIN, 1);
    (void) time_to_die(site, s, 1);
    (void) call_time_to_idle(site);
}

static void a_message_that_cannot_be_read_kills_the_command(void **state)
{
    struct call_site *site = *state;
    struct h2_stream *s = call_exec(site, "sleep 60", false);
    assert_true(h2_await_bytes(s, 1));
    h2_send_message(s, "\xff\xff\xff", 3, false);
    assert_true(h2_await_closed(s));
    assert_int_equal(h2_status(s), GRPC_INTERNAL);
    call_await_facts(site, FACT_DIED, 1);
    (void) call_time_to_idle(site);
}

static void a_call_without_a_message_that_is_cancelled_leaves_nothing(void **state)
{
    struct call_site *site = *state;
    static const char *const whats[] = { "get", "stream", "logs", "exec" };
    unsigned long before = stats_of(site).started;
    for (size_t i = 0; i < sizeof whats / sizeof *whats; i++) {
        struct h2_stream *s = call_open(site, whats[i], NULL);
        h2_step(&site->client);
        h2_reset(s, CANCELLED);
        assert_int_equal(h2_status(call_get(site)), 0);
        struct cJSON *line = call_line(site, whats[i], 0);
        assert_non_null(line);
        cJSON_Delete(line);
    }
    (void) call_time_to_idle(site);
    assert_int_equal(stats_of(site).started, before);
}

static void a_stop_ends_calls_in_flight(void **state)
{
    struct call_site *site = *state;
    struct h2_stream *streams[20];
    for (size_t i = 0; i < 20; i++)
        streams[i] = call_exec(site, "sleep 60", i % 2 == 0);
    for (size_t i = 0; i < 20; i++)
        assert_true(h2_await_bytes(streams[i], 1));
    struct h2_stream *unasked = call_open(site, "get", NULL);
    h2_step(&site->client);
    grpc_server_free(site->grpc);
    site->grpc = NULL;
    calls_fini(&site->calls);
    assert_true(h2_await_closed(unasked));
    call_await_facts(site, FACT_DIED, 20);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, call_site_setup, call_site_teardown)
    const struct CMUnitTest tests[] = {
        TEST(calls_one_after_another_share_threads),
        TEST(a_quick_call_needs_no_thread),
        TEST(commands_that_run_need_no_thread),
        TEST(a_command_alone_is_no_thread_s_work),
        TEST(one_message_of_input_may_be_larger_than_the_window),
        TEST(a_large_command_is_no_work_for_the_reactor),
        TEST(a_quick_call_that_a_rule_delays_holds_nobody_up),
        TEST(a_cancel_of_a_command_kills_at_once),
        TEST(a_cancel_of_a_command_that_does_not_read_kills_it),
        TEST(a_message_that_cannot_be_read_kills_the_command),
        TEST(a_call_without_a_message_that_is_cancelled_leaves_nothing),
        TEST(a_stop_ends_calls_in_flight),
    };
    return call_site_run("life of calls", tests, sizeof tests / sizeof *tests);
}
