/* transports/http: faults that take time, by the lane's clock; and what ends their waiting. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/support/http_faulty.h"
#include "tests/support/patience.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define HOST "Host: 127.0.0.1\r\n"
#define QUIET_MS 20

static void ask(struct http_client *c, const char *target)
{
    assert_int_equal(http_client_open(c, "127.0.0.1", faulty_site.port), 0);
    assert_int_equal(http_client_text(c, "GET %s HTTP/1.1\r\n" HOST "\r\n", target), 0);
}

static void assert_fired(unsigned fired)
{
    struct match_counts counts;
    assert_true(faulty_await(&faulty_site, 1));
    faulty_get_counts(&faulty_site, &counts);
    assert_int_equal(counts.fired, fired);
    assert_int_equal(counts.pending, 0);
}

/* The first body byte is there once time has moved on; the head has been taken. */
static void await_first_byte(struct http_client *c, int64_t step_ms)
{
    HTTP_ANSWER a = { 0 };
    assert_int_equal(http_client_head(c, &a), 0);
    while (c->in.len == 0)
        assert_true(faulty_receive_in_time(&faulty_site, c, step_ms) >= 0);
}

/* So many more bytes come, and then none. */
static void assert_grows_by(struct http_client *c, size_t bytes)
{
    size_t wanted = c->in.len + bytes;
    if (bytes > 0)
        assert_int_equal(http_client_need(c, wanted), 0);
    assert_int_equal(http_client_receive(c, QUIET_MS), 0);
    assert_int_equal(c->in.len, wanted);
}

/* ---- paces ------------------------------------------------------------------------------- */

static void slow_answer_keeps_to_its_rate(void **state)
{
    (void) state;
    HTTP_CLIENT c = HTTP_CLIENT_INIT;
    faulty_must_arm("{ \"after_bytes\": 0 }", "\"fault\": { \"kind\": \"slow\", \"bytes_per_s\": 100 }");
    ask(&c, "/whole?size=5000");
    await_first_byte(&c, 10);
    assert_grows_by(&c, 0);
    clock_advance(faulty_site.clock, 19);
    assert_grows_by(&c, 0);
    clock_advance(faulty_site.clock, 1);
    assert_grows_by(&c, 2);                          /* it goes in fiftieths of a second */
    clock_advance(faulty_site.clock, 1000);
    assert_grows_by(&c, 100);
    clock_advance(faulty_site.clock, INT64_C(1) << 50);     /* more than can be multiplied */
    assert_int_equal(http_client_need(&c, 5000), 0);
    for (size_t i = 0; i < 5000; i++)
        assert_int_equal(c.in.data[i], faulty_fill(i));
    assert_fired(1);
}

static void dribble_lets_one_piece_go_each_time(void **state)
{
    (void) state;
    HTTP_CLIENT c = HTTP_CLIENT_INIT;
    faulty_must_arm("{ \"after_bytes\": 4 }", "\"fault\": { \"kind\": \"dribble\", \"bytes\": 3, \"every_ms\": 100 }");
    ask(&c, "/whole");
    await_first_byte(&c, 1);
    assert_int_equal(http_client_need(&c, 7), 0);
    assert_grows_by(&c, 0);
    clock_advance(faulty_site.clock, 60);
    assert_grows_by(&c, 0);
    clock_advance(faulty_site.clock, 40);
    assert_grows_by(&c, 3);
    clock_advance(faulty_site.clock, 200);
    assert_grows_by(&c, 4);
    assert_string_equal(c.in.data, "one\ntwo\nthree\n");
    assert_fired(1);
}

static void time_without_anything_to_send_earns_nothing(void **state)
{
    (void) state;
    static const struct { const char *fault; size_t at_once; } rows[] = {
        { "\"fault\": { \"kind\": \"slow\", \"bytes_per_s\": 1 }", 0 },
        { "\"fault\": { \"kind\": \"dribble\", \"every_ms\": 1000 }", 1 },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        HTTP_CLIENT c = HTTP_CLIENT_INIT;
        faulty_must_arm("{ \"after_bytes\": 4 }", rows[i].fault);
        ask(&c, "/pause");
        await_first_byte(&c, 1);
        assert_int_equal(http_client_need(&c, 9), 0);
        assert_grows_by(&c, 0);
        clock_advance(faulty_site.clock, 100000);
        faulty_release(&faulty_site);
        assert_grows_by(&c, rows[i].at_once);
        assert_int_equal(faulty_receive_in_time(&faulty_site, &c, 100), 1);
        clock_advance(faulty_site.clock, 100000);           /* but time goes on between two pieces of one answer */
        assert_int_equal(http_client_need(&c, strlen("4\r\none\n\r\na\r\ntwo\nthree\n\r\n0\r\n\r\n")), 0);
        assert_string_equal(c.in.data, "4\r\none\n\r\na\r\ntwo\nthree\n\r\n0\r\n\r\n");
        assert_fired(1);
    }
}

/* A clock that runs, so that nobody moves it. */
static void slow_answer_takes_its_time(void **state)
{
    (void) state;
    HTTP_CLIENT c = HTTP_CLIENT_INIT;
    faulty_must_arm("{ \"after_bytes\": 0 }", "\"fault\": { \"kind\": \"slow\", \"bytes_per_s\": 100000 }");
    clock_run(faulty_site.clock, 1.0);
    HTTP_ANSWER a = { 0 };
    ask(&c, "/whole?size=20000");
    assert_int_equal(http_client_head(&c, &a), 0);
    int64_t start = mono_ns();
    assert_int_equal(http_client_need(&c, 20000), 0);
    int64_t took_ms = (mono_ns() - start) / 1000000;
    assert_true(took_ms >= 150);                     /* 200, less what was lost between head and start */
    assert_false(took_too_long(took_ms, 1500));
    assert_fired(1);
}

static void paces_and_silences_follow_the_lane_when_it_is_fast(void **state)
{
    (void) state;
    HTTP_CLIENT c = HTTP_CLIENT_INIT;
    HTTP_ANSWER a = { 0 };
    faulty_must_arm(NULL, "\"fault\": { \"kind\": \"first_byte_delay\", \"ms\": 60000, \"jitter_ms\": 60000 }");
    clock_run(faulty_site.clock, 1000000.0);
    ask(&c, "/whole");
    int64_t start = mono_ns();
    assert_int_equal(http_client_answer(&c, &a, false), 0);
    assert_false(took_too_long((mono_ns() - start) / 1000000, 1000));
    assert_true(clock_now_ms(faulty_site.clock) >= 60000);
    assert_fired(1);
}

/* ---- what ends the waiting ---------------------------------------------------------------- */

static const struct { const char *fault, *at; bool has_sent; } waits[] = {
    { "\"fault\": { \"kind\": \"first_byte_delay\", \"ms\": 60000 }", NULL, false },
    { "\"fault\": { \"kind\": \"stall\", \"ms\": 60000 }", NULL, false },
    { "\"fault\": { \"kind\": \"stall\", \"ms\": 60000 }", "{ \"after_bytes\": 4 }", true },
    { "\"fault\": \"stall\"", "{ \"after_bytes\": 4 }", true },
    { "\"fault\": { \"kind\": \"slow\", \"bytes_per_s\": 1 }", "{ \"after_bytes\": 4 }", true },
    { "\"fault\": { \"kind\": \"dribble\", \"every_ms\": 60000 }", "{ \"after_bytes\": 4 }", true },
    { "\"fault\": { \"kind\": \"lost_reply\", \"how\": \"stall\" }", NULL, false },
};

static void begin_to_wait(struct http_client *c, size_t row)
{
    faulty_must_arm(waits[row].at, waits[row].fault);
    ask(c, "/chunks");
    assert_true(faulty_await_begun(&faulty_site, 1));
    if (waits[row].has_sent)
        assert_int_equal(http_client_need(c, 100), 0);
}

static void waiting_ends_with_a_client_that_resets(void **state)
{
    (void) state;
    for (size_t row = 0; row < COUNT(waits); row++) {
        HTTP_CLIENT c = HTTP_CLIENT_INIT;
        begin_to_wait(&c, row);
        http_client_reset(&c);
        assert_true(faulty_await(&faulty_site, 1));
        assert_int_equal(faulty_site.seen.end, EXCHANGE_CLIENT_GONE);
        assert_false(faulty_site.seen.went_on);
    }
    assert_true(faulty_await_idle(&faulty_site));
}

static void endless_silence_ends_with_a_client_that_closes(void **state)
{
    (void) state;
    static const char *const faults[] = { "\"fault\": \"stall\"",
                                          "\"fault\": { \"kind\": \"lost_reply\", \"how\": \"stall\" }" };
    for (size_t i = 0; i < COUNT(faults); i++) {
        HTTP_CLIENT c = HTTP_CLIENT_INIT;
        faulty_must_arm(NULL, faults[i]);
        ask(&c, "/events");
        assert_true(faulty_await_begun(&faulty_site, 1));
        assert_int_equal(http_client_receive(&c, QUIET_MS), 0);
        int64_t start = mono_ns();
        http_client_close(&c);
        assert_true(faulty_await(&faulty_site, 1));
        assert_false(took_too_long((mono_ns() - start) / 1000000, 1000));
        assert_int_equal(faulty_site.seen.end, EXCHANGE_CLIENT_GONE);
        assert_fired(1);
    }
}

/* It ended its sending side with the request, in one segment, so that says nothing. */
static void endless_silence_is_kept_for_a_client_that_only_reads(void **state)
{
    (void) state;
    HTTP_CLIENT c = HTTP_CLIENT_INIT;
    faulty_must_arm("{ \"after_bytes\": 0 }", "\"fault\": \"stall\"");
    assert_int_equal(http_client_open(&c, "127.0.0.1", faulty_site.port), 0);
    static const char request[] = "GET /events HTTP/1.1\r\n" HOST "\r\n";
    assert_int_equal(send(c.fd, request, sizeof request - 1, MSG_MORE), sizeof request - 1);
    assert_int_equal(http_client_end_sending(&c), 0);
    HTTP_ANSWER a = { 0 };
    assert_int_equal(http_client_head(&c, &a), 0);
    assert_int_equal(http_client_receive(&c, 400), 0);
    assert_int_equal(faulty_finished(&faulty_site), 0);
    http_client_reset(&c);
    assert_fired(1);
}

static void waiting_ends_when_the_server_stops(void **state)
{
    for (size_t row = 0; row < COUNT(waits); row++) {
        HTTP_CLIENT c = HTTP_CLIENT_INIT;
        assert_int_equal(faulty_setup(state), 0);
        begin_to_wait(&c, row);
        int64_t start = mono_ns();
        http_server_free(faulty_site.server);
        faulty_site.server = NULL;
        int64_t took_ms = (mono_ns() - start) / 1000000;
        assert_int_equal(http_client_until_end(&c), 0);
        assert_int_equal(faulty_finished(&faulty_site), 1);
        if (took_too_long(took_ms, 1500))
            fail_msg("%s: stopping took %lld ms", waits[row].fault, (long long) took_ms);
        faulty_stop(&faulty_site);
    }
}

static void time_that_passes_as_soon_as_a_fault_has_fired_counts(void **state)
{
    static const char *const faults[] = { "\"fault\": { \"kind\": \"first_byte_delay\", \"ms\": 60000 }",
                                          "\"fault\": { \"kind\": \"stall\", \"ms\": 60000 }" };
    (void) state;
    atomic_store(&faulty_site.jump_ms, 60000);
    for (size_t i = 0; i < COUNT(faults); i++) {
        HTTP_CLIENT c = HTTP_CLIENT_INIT;
        HTTP_ANSWER a = { 0 };
        faulty_must_arm(NULL, faults[i]);
        ask(&c, "/whole");
        assert_int_equal(http_client_answer(&c, &a, false), 0);
        assert_int_equal(a.status, 200);
        assert_fired(1);
    }
    atomic_store(&faulty_site.jump_ms, 0);
}

#define WITH_SITE(f) cmocka_unit_test_setup_teardown(f, faulty_setup, faulty_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SITE(slow_answer_keeps_to_its_rate),
        WITH_SITE(dribble_lets_one_piece_go_each_time),
        WITH_SITE(time_without_anything_to_send_earns_nothing),
        WITH_SITE(slow_answer_takes_its_time),
        WITH_SITE(paces_and_silences_follow_the_lane_when_it_is_fast),
        WITH_SITE(waiting_ends_with_a_client_that_resets),
        WITH_SITE(endless_silence_ends_with_a_client_that_closes),
        WITH_SITE(endless_silence_is_kept_for_a_client_that_only_reads),
        WITH_SITE(time_that_passes_as_soon_as_a_fault_has_fired_counts),
        cmocka_unit_test(waiting_ends_when_the_server_stops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
