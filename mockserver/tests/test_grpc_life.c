/* transports/grpc: limits, clients that go, threads, and the server's end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/support/grpc_site.h"
#include "tests/support/patience.h"
#include "tests/support/world.h"

#define MIB ((size_t) 1024 * 1024)
#define MS INT64_C(1000000)

static void start(const struct grpc_config *config)
{
    struct err err = ERR_INIT;
    if (grpc_site_start(&grpc_site, config, &err) < 0)
        fail_msg("%s", err.text);
}

static struct h2_stream *ask(struct h2_client *c, const char *path, const char *text)
{
    struct h2_stream *s = h2_open(c, path, NULL);
    h2_send_message(s, text, strlen(text), true);
    return s;
}

/* ---- clients that go --------------------------------------------------------------------- */

static void answer_after_a_cancel_is_harmless(void **state)
{
    enum { CALLS = 5 };
    (void) state;
    struct h2_client c;
    start(NULL);
    grpc_site_join(&c);
    for (int i = 0; i < CALLS; i++) {
        struct h2_stream *s = ask(&c, "/t.Echo/Wait", "");
        assert_true(h2_await_head(s));
        h2_reset(s, 8);
    }
    h2_step(&c);
    assert_true(grpc_site_await_over(&grpc_site, CALLS));
    assert_int_equal(grpc_site_seen(&grpc_site).ends[EXCHANGE_CLIENT_GONE], CALLS);
    grpc_site_release(&grpc_site);
    assert_true(grpc_site_await_late(&grpc_site, CALLS));
    assert_int_equal(h2_unary(&c, "/t.Echo/Unary", "x", 1, NULL), 0);
    h2_close(&c);
    assert_true(grpc_site_await_idle(&grpc_site));
    grpc_site_stop(&grpc_site);
}

static void client_that_vanishes_ends_all_of_its_calls(void **state)
{
    (void) state;
    struct h2_client c;
    start(NULL);
    grpc_site_join(&c);
    for (int i = 0; i < 5; i++)
        assert_true(h2_await_head(ask(&c, "/t.Echo/Wait", "")));
    h2_close(&c);
    assert_true(grpc_site_await_over(&grpc_site, 5));
    assert_int_equal(grpc_site_seen(&grpc_site).ends[EXCHANGE_CLIENT_GONE], 5);
    grpc_site_release(&grpc_site);
    assert_true(grpc_site_await_late(&grpc_site, 5));
    grpc_site_stop(&grpc_site);
}

static void end_before_the_client_has_ended_is_complete(void **state)
{
    (void) state;
    struct h2_client c;
    start(NULL);
    grpc_site_join(&c);
    struct h2_stream *s = h2_open(&c, "/t.Echo/Early", NULL);
    h2_send_message(s, "first", 5, false);
    assert_true(h2_await_closed(s));
    assert_int_equal(h2_status(s), 0);
    assert_int_equal(s->code, 0);
    assert_int_equal(h2_messages(s), 1);
    assert_true(grpc_site_await_over(&grpc_site, 1));
    assert_int_equal(grpc_site_seen(&grpc_site).ends[EXCHANGE_COMPLETE], 1);
    assert_int_equal(grpc_site_seen(&grpc_site).status, 0);
    h2_close(&c);
    grpc_site_stop(&grpc_site);
}

/* ---- threads ------------------------------------------------------------------------------- */

static void threads_of_many_calls_answer_while_clients_come_and_go(void **state)
{
    enum { ROUNDS = 5, STREAMS = 40 };
    (void) state;
    start(NULL);
    for (int r = 0; r < ROUNDS; r++) {
        struct h2_client c;
        struct h2_stream *streams[STREAMS];
        grpc_site_join(&c);
        for (int i = 0; i < STREAMS; i++)
            streams[i] = ask(&c, "/t.Echo/Pour", "200 3000");
        for (int i = 0; i < STREAMS; i += 2)
            h2_reset(streams[i], 8);
        for (int i = 1; i < STREAMS; i += 2) {
            assert_true(h2_await_closed(streams[i]));
            assert_int_equal(h2_messages(streams[i]), 200);
            assert_int_equal(h2_status(streams[i]), 0);
        }
        struct h2_stream *last = ask(&c, "/t.Echo/Pour", "100000 3000");
        assert_true(h2_await_head(last));
        h2_close(&c);
    }
    assert_true(grpc_site_await_idle(&grpc_site));
    struct grpc_seen seen = grpc_site_seen(&grpc_site);
    assert_int_equal(seen.begun, seen.over);
    assert_int_equal(seen.went_on, 0);
    grpc_site_stop(&grpc_site);
}

/* ---- limits -------------------------------------------------------------------------------- */

static bool is_sent(void *arg)
{
    const struct h2_stream *s = arg;
    return s->is_closed || (s->out.len == 0 && s->client->out_at == s->client->out.len);
}

static void bytes_of_unfinished_messages_are_limited(void **state)
{
    static const struct grpc_config limits[] = {
        { .max_connection_bytes = MIB },
        { .max_server_bytes = MIB },
    };
    (void) state;
    for (size_t i = 0; i < 2; i++) {
        struct h2_client c;
        struct grpc_stats stats;
        struct h2_stream *streams[20];
        BUF_AUTO part = BUF_INIT;
        buf_add(&part, "\0\0\x10\0\0", 5);   /* of 1 MiB, which is the limit */
        for (size_t b = 0; b < 100000; b++)
            buf_char(&part, 'x');
        start(&limits[i]);
        grpc_site_join(&c);
        for (int s = 0; s < 20; s++) {
            streams[s] = h2_open(&c, "/t.Echo/Unary", NULL);
            h2_send(streams[s], part.data, part.len, false);
            assert_true(h2_run(&c, is_sent, streams[s], H2_LIMIT_MS));
            assert_int_equal(h2_unary(&c, "/t.Echo/Ask", "", 0, NULL), 0);
        }
        unsigned refused = 0;
        for (int s = 0; s < 20; s++)
            refused += h2_status(streams[s]) == GRPC_RESOURCE_EXHAUSTED;
        assert_int_equal(refused, 10);
        grpc_server_stats(grpc_site.server, &stats);
        assert_true(stats.request_bytes <= MIB);
        h2_close(&c);
        assert_true(grpc_site_await_idle(&grpc_site));
        grpc_site_stop(&grpc_site);
    }
}

static void message_of_the_largest_size_is_taken_and_no_larger(void **state)
{
    const struct grpc_config config = { .max_message_bytes = 1000 };
    char text[1001] = { 0 };
    (void) state;
    struct h2_client c;
    start(&config);
    grpc_site_join(&c);
    assert_int_equal(h2_unary(&c, "/t.Echo/Unary", text, 1000, NULL), 0);
    assert_int_equal(h2_unary(&c, "/t.Echo/Unary", text, 1001, NULL), GRPC_RESOURCE_EXHAUSTED);
    h2_close(&c);
    grpc_site_stop(&grpc_site);
}

static void connections_beyond_the_limit_are_closed(void **state)
{
    const struct grpc_config config = { .max_connections = 2 };
    (void) state;
    struct h2_client a, b, c;
    start(&config);
    grpc_site_join(&a);
    grpc_site_join(&b);
    assert_int_equal(h2_unary(&a, "/t.Echo/Unary", "x", 1, NULL), 0);
    assert_int_equal(h2_unary(&b, "/t.Echo/Unary", "x", 1, NULL), 0);
    grpc_site_join(&c);
    assert_true(h2_await_end(&c));
    h2_close(&c);
    h2_close(&b);
    struct grpc_stats stats;
    do
        grpc_server_stats(grpc_site.server, &stats);
    while (stats.open_connections > 1);
    grpc_site_join(&c);
    assert_int_equal(h2_unary(&c, "/t.Echo/Unary", "x", 1, NULL), 0);
    h2_close(&c);
    h2_close(&a);
    grpc_site_stop(&grpc_site);
}

static void streams_beyond_the_limit_are_refused(void **state)
{
    const struct grpc_config config = { .max_streams = 3 };
    (void) state;
    struct h2_client c;
    start(&config);
    grpc_site_join(&c);
    assert_true(h2_await_settings(&c));
    assert_int_equal(c.max_streams, 3);
    h2_close(&c);
    grpc_site_stop(&grpc_site);
}

static void connection_that_says_nothing_is_closed(void **state)
{
    const struct grpc_config config = { .hello_timeout_ms = 20 };
    (void) state;
    struct h2_client good;
    BUF_AUTO came = BUF_INIT;
    start(&config);
    grpc_site_join(&good);
    assert_int_equal(h2_unary(&good, "/t.Echo/Unary", "x", 1, NULL), 0);
    int fd = h2_dial(grpc_site.port, 0);
    assert_true(h2_dial_drain(fd, &came, H2_LIMIT_MS));
    close(fd);
    assert_int_equal(h2_unary(&good, "/t.Echo/Unary", "x", 1, NULL), 0);   /* this one has spoken */
    h2_close(&good);
    grpc_site_stop(&grpc_site);
}

static void addresses_that_can_be_reached_from_outside_need_leave(void **state)
{
    (void) state;
    struct err err = ERR_INIT;
    struct grpc_server *server;
    struct grpc_config config = { .address = "0.0.0.0", .find = grpc_site_find };
    assert_int_equal(grpc_server_new(&server, &config, &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
    config.allow_remote = true;
    assert_int_equal(grpc_server_new(&server, &config, &err), 0);
    assert_memory_equal(grpc_server_url(server), "http://127.0.0.1:", 17);
    grpc_server_free(server);
}

static void port_in_use_is_an_error(void **state)
{
    (void) state;
    struct err err = ERR_INIT;
    struct grpc_server *server;
    start(NULL);
    const struct grpc_config config = { .address = "127.0.0.1", .port = grpc_site.port, .find = grpc_site_find };
    assert_int_equal(grpc_server_new(&server, &config, &err), -1);
    assert_int_equal(err.code, ERR_IO);
    assert_int_equal(err.errnum, EADDRINUSE);
    grpc_site_stop(&grpc_site);
}

static void many_names_of_this_machine_are_taken(void **state)
{
    static const char *const names[] = { "localhost:8701", "127.0.0.1:8701", "[::1]:8701", "a.localhost", "box.test" };
    static const char *const suffixes[] = { ".test", NULL };
    const struct grpc_config config = { .extra_hosts = suffixes };
    (void) state;
    struct h2_client c;
    start(&config);
    grpc_site_join(&c);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *more[] = { ":authority", names[i], NULL };
        struct h2_stream *s = h2_open(&c, "/t.Echo/Unary", more);
        h2_send_message(s, "x", 1, true);
        assert_true(h2_await_closed(s));
        assert_int_equal(h2_status(s), 0);
    }
    h2_close(&c);
    grpc_site_stop(&grpc_site);
}

/* ---- the end ------------------------------------------------------------------------------- */

static void *stop(void *arg)
{
    grpc_server_free(arg);
    return NULL;
}

static void stop_ends_open_calls_and_says_goodbye(void **state)
{
    enum { CALLS = 10 };
    (void) state;
    struct h2_client c;
    struct h2_stream *streams[CALLS];
    pthread_t thread;
    start(NULL);
    grpc_site_join(&c);
    for (int i = 0; i < CALLS; i++) {
        streams[i] = i % 2 == 0 ? ask(&c, "/t.Echo/Wait", "") : h2_open(&c, "/t.Echo/Bidi", NULL);
        if (i % 2 == 0)
            assert_true(h2_await_head(streams[i]));
    }
    h2_step(&c);
    assert_true(grpc_site_await_begun(&grpc_site, CALLS));
    int64_t begin = mono_ns();
    assert_int_equal(pthread_create(&thread, NULL, stop, grpc_site.server), 0);
    for (int i = 0; i < CALLS; i++) {
        assert_true(h2_await_closed(streams[i]));
        assert_int_equal(h2_status(streams[i]), GRPC_UNAVAILABLE);
    }
    assert_true(h2_await_end(&c));
    assert_true(c.has_goaway);
    assert_int_equal(c.goaway_code, 0);
    h2_close(&c);
    pthread_join(thread, NULL);
    assert_false(took_too_long((mono_ns() - begin) / MS, 900));   /* less than it would have waited */
    grpc_site.server = NULL;
    struct grpc_seen seen = grpc_site_seen(&grpc_site);
    assert_int_equal(seen.over, CALLS);
    assert_int_equal(seen.ends[EXCHANGE_CUT], CALLS);
    grpc_site_release(&grpc_site);
    assert_true(grpc_site_await_late(&grpc_site, CALLS / 2));   /* their server is gone */
    grpc_site_stop(&grpc_site);
}

static void stop_does_not_wait_for_who_does_not_read(void **state)
{
    const struct grpc_config config = { .stop_ms = 50 };
    const struct h2_options shut = { .stream_window = -1, .receive_buffer = 4096 };
    (void) state;
    struct h2_client c;
    start(&config);
    assert_int_equal(h2_connect(&c, grpc_site.port, &shut), 0);
    assert_true(h2_await_head(ask(&c, "/t.Echo/Count", "100000 10000")));
    c.is_mute = true;
    assert_true(grpc_site_await_begun(&grpc_site, 1));
    int64_t begin = mono_ns();
    grpc_server_free(grpc_site.server);
    assert_false(took_too_long((mono_ns() - begin) / MS, 1000));
    grpc_site.server = NULL;
    assert_int_equal(grpc_site_seen(&grpc_site).over, 1);
    h2_close(&c);
    grpc_site_stop(&grpc_site);
}

static void nothing_is_left_behind(void **state)
{
    (void) state;
    size_t before = world_open_fds();
    for (int i = 0; i < 3; i++) {
        struct h2_client c;
        start(NULL);
        grpc_site_join(&c);
        assert_int_equal(h2_unary(&c, "/t.Echo/Unary", "x", 1, NULL), 0);
        assert_true(h2_await_head(ask(&c, "/t.Echo/Wait", "")));
        if (i == 1)
            h2_close(&c);
        grpc_site_stop(&grpc_site);
        if (i != 1)
            h2_close(&c);
    }
    assert_int_equal(world_open_fds(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answer_after_a_cancel_is_harmless),
        cmocka_unit_test(client_that_vanishes_ends_all_of_its_calls),
        cmocka_unit_test(end_before_the_client_has_ended_is_complete),
        cmocka_unit_test(threads_of_many_calls_answer_while_clients_come_and_go),
        cmocka_unit_test(bytes_of_unfinished_messages_are_limited),
        cmocka_unit_test(message_of_the_largest_size_is_taken_and_no_larger),
        cmocka_unit_test(connections_beyond_the_limit_are_closed),
        cmocka_unit_test(streams_beyond_the_limit_are_refused),
        cmocka_unit_test(connection_that_says_nothing_is_closed),
        cmocka_unit_test(addresses_that_can_be_reached_from_outside_need_leave),
        cmocka_unit_test(port_in_use_is_an_error),
        cmocka_unit_test(many_names_of_this_machine_are_taken),
        cmocka_unit_test(stop_ends_open_calls_and_says_goodbye),
        cmocka_unit_test(stop_does_not_wait_for_who_does_not_read),
        cmocka_unit_test(nothing_is_left_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
