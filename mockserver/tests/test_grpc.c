/* transports/grpc: what a well-behaved client gets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/grpc_site.h"

#define MIB (1024 * 1024)

static void assert_message(const struct h2_stream *s, size_t index, const char *text)
{
    const char *message;
    assert_int_equal(h2_message(s, index, &message), strlen(text));
    assert_memory_equal(message, text, strlen(text));
}

static struct h2_stream *ask(struct h2_client *c, const char *path, const char *text)
{
    struct h2_stream *s = h2_open(c, path, NULL);
    h2_send_message(s, text, strlen(text), true);
    assert_true(h2_await_closed(s));
    return s;
}

/* ---- the connection --------------------------------------------------------------------- */

static void settings_come_before_the_client_has_said_anything(void **state)
{
    (void) state;
    BUF_AUTO came = BUF_INIT;
    int fd = h2_dial(grpc_site.port, 0);
    assert_true(fd >= 0);
    while (came.len < 9)
        h2_dial_drain(fd, &came, 1);
    assert_int_equal(came.data[3], 4);   /* SETTINGS */
    h2_dial_drain(fd, &came, 0);
    (void) close(fd);
}

static void a_connection_takes_a_thousand_streams_or_more(void **state)
{
    (void) state;
    struct h2_client c;
    grpc_site_join(&c);
    assert_true(h2_await_settings(&c));
    assert_true(c.max_streams >= 1000);
    h2_close(&c);
}

static bool has_pongs(void *arg)
{
    const struct h2_client *c = arg;
    return c->pongs >= 3;
}

static void ping_is_answered(void **state)
{
    (void) state;
    struct h2_client c;
    grpc_site_join(&c);
    for (int i = 0; i < 3; i++)
        h2_ping(&c);
    assert_true(h2_run(&c, has_pongs, &c, H2_LIMIT_MS));
    h2_close(&c);
}

/* ---- calls ------------------------------------------------------------------------------ */

static void unary_call_is_answered(void **state)
{
    (void) state;
    struct h2_client c;
    grpc_site_join(&c);
    struct h2_stream *s = ask(&c, "/t.Echo/Unary", "hello");
    assert_string_equal(h2_field(s, ":status"), "200");
    assert_string_equal(h2_field(s, "content-type"), "application/grpc");
    assert_int_equal(h2_messages(s), 1);
    assert_message(s, 0, "hello");
    assert_int_equal(s->heads, 2);
    assert_int_equal(h2_status(s), 0);
    assert_null(h2_field(s, "grpc-message"));
    assert_int_equal(s->code, 0);
    h2_close(&c);
    assert_true(grpc_site_await_idle(&grpc_site));
}

static void empty_message_is_a_message(void **state)
{
    (void) state;
    struct h2_client c;
    grpc_site_join(&c);
    struct h2_stream *s = ask(&c, "/t.Echo/Unary", "");
    assert_int_equal(h2_messages(s), 1);
    assert_int_equal(h2_status(s), 0);
    h2_close(&c);
}

static void messages_of_a_stream_come_in_order_as_the_client_reads(void **state)
{
    static const char *const paths[] = { "/t.Echo/Count", "/t.Echo/Pour" };
    (void) state;
    struct h2_client c;
    grpc_site_join(&c);
    for (size_t p = 0; p < 2; p++) {
        const char *message;
        struct h2_stream *s = ask(&c, paths[p], "300 10000");
        assert_int_equal(h2_status(s), 0);
        assert_int_equal(h2_messages(s), 300);
        assert_int_equal(h2_message(s, 299, &message), 10000);
        for (size_t i = 0; i < 10000; i++)
            assert_int_equal(message[i], grpc_site_fill(i));
    }
    h2_close(&c);
    assert_true(grpc_site_await_idle(&grpc_site));
}

static void messages_of_the_client_are_taken_until_it_ends(void **state)
{
    (void) state;
    struct h2_client c;
    grpc_site_join(&c);
    struct h2_stream *s = h2_open(&c, "/t.Echo/Collect", NULL);
    h2_send_message(s, "abc", 3, false);
    h2_send_message(s, "", 0, false);
    h2_send_message(s, "de", 2, false);
    h2_step(&c);
    h2_send(s, "", 0, true);
    assert_true(h2_await_closed(s));
    assert_message(s, 0, "5 wrong");
    h2_close(&c);
}

static void both_sides_talk_in_turn(void **state)
{
    (void) state;
    struct h2_client c;
    grpc_site_join(&c);
    struct h2_stream *s = h2_open(&c, "/t.Echo/Bidi", NULL);
    for (size_t i = 0; i < 20; i++) {
        char text[8];
        int len = snprintf(text, sizeof text, "%zu", i);
        size_t so_far = s->in.len;
        h2_send_message(s, text, (size_t) len, false);
        assert_true(h2_await_bytes(s, so_far + 5 + (size_t) len));
        assert_message(s, i, text);
    }
    h2_send(s, "", 0, true);
    assert_true(h2_await_closed(s));
    assert_int_equal(h2_status(s), 0);
    h2_close(&c);
}

static void the_head_comes_before_any_message(void **state)
{
    (void) state;
    struct h2_client c;
    grpc_site_join(&c);
    grpc_site_disarm(&grpc_site);
    struct h2_stream *s = h2_open(&c, "/t.Echo/Wait", NULL);
    h2_send_message(s, "", 0, true);
    assert_true(h2_await_head(s));
    assert_int_equal(s->in.len, 0);
    grpc_site_release(&grpc_site);
    assert_true(h2_await_closed(s));
    assert_message(s, 0, "late");
    h2_close(&c);
    grpc_site_disarm(&grpc_site);
}

static void metadata_and_deadline_reach_the_handler(void **state)
{
    static const char *const more[] = { "x-key", "value", "grpc-timeout", "20100m", NULL };
    (void) state;
    struct h2_client c;
    const char *text;
    grpc_site_join(&c);
    struct h2_stream *s = h2_open(&c, "/t.Echo/Ask", more);
    h2_send_message(s, "", 0, true);
    assert_true(h2_await_closed(s));
    assert_true(h2_message(s, 0, &text) > 0);
    BUF_AUTO copy = BUF_INIT;
    buf_add(&copy, text, (size_t) h2_message(s, 0, &text));
    assert_non_null(strstr(copy.data, "path /t.Echo/Ask\nauthority 127.0.0.1\nseconds 2"));
    assert_non_null(strstr(copy.data, "x-key: value\n"));
    assert_null(strstr(copy.data, ":path"));
    assert_string_equal(h2_field(s, "x-first"), "1");
    assert_non_null(h2_field(s, "x-request-id"));
    h2_close(&c);
}

/* ---- statuses --------------------------------------------------------------------------- */

static void an_error_is_trailers_alone(void **state)
{
    (void) state;
    struct h2_client c;
    grpc_site_join(&c);
    struct h2_stream *s = ask(&c, "/t.Echo/Fail", "5 no such thing: 100% \xc3\xa9\n");
    assert_int_equal(s->heads, 1);
    assert_int_equal(s->in.len, 0);
    assert_int_equal(s->frames, 0);
    assert_string_equal(h2_field(s, ":status"), "200");
    assert_int_equal(h2_status(s), 5);
    assert_string_equal(h2_field(s, "grpc-message"), "no such thing: 100%25 %C3%A9%0A");
    assert_string_equal(h2_field(s, "grpc-status-details-bin"), "bm8gc3VjaCB0aGluZzogMTAwJSDDqQo");
    assert_string_equal(h2_field(s, "x-why"), "asked");
    h2_close(&c);
}

static void every_status_passes_unchanged(void **state)
{
    (void) state;
    struct h2_client c;
    char text[16];
    grpc_site_join(&c);
    for (int status = 0; status <= GRPC_UNAUTHENTICATED; status++) {
        snprintf(text, sizeof text, "%d why", status);
        assert_int_equal(h2_status(ask(&c, "/t.Echo/Fail", text)), status);
    }
    h2_close(&c);
}

static size_t size_of(const struct grpc_fields *fields)
{
    return fields->size;
}

static void a_status_never_needs_more_than_clients_take(void **state)
{
    (void) state;
    struct h2_client c;
    BUF_AUTO text = BUF_INIT;
    grpc_site_join(&c);
    buf_str(&text, "13 ");
    for (int i = 0; i < 4000; i++)
        buf_str(&text, "\xc3\xa9");
    struct h2_stream *s = ask(&c, "/t.Echo/Fail", text.data);
    assert_int_equal(h2_status(s), 13);
    assert_null(h2_field(s, "grpc-status-details-bin"));
    assert_true(size_of(&s->head) <= 8192);
    assert_true(size_of(&s->head) > 7000);
    assert_int_equal(strlen(h2_field(s, "grpc-message")) % 6, 0);   /* no character is cut */
    h2_close(&c);
}

static void an_answer_can_be_no_grpc_at_all(void **state)
{
    (void) state;
    struct h2_client c;
    grpc_site_join(&c);
    struct h2_stream *s = ask(&c, "/t.Echo/Http", "503 text/html");
    assert_string_equal(h2_field(s, ":status"), "503");
    assert_string_equal(h2_field(s, "content-type"), "text/html");
    assert_string_equal(buf_cstr(&s->in), "<p>hello</p>");
    assert_int_equal(s->heads, 1);
    assert_int_equal(h2_status(s), -1);
    assert_true(s->is_ended);
    h2_close(&c);
}

/* ---- many, large, slow ------------------------------------------------------------------- */

static void a_thousand_streams_of_one_connection_are_served_at_once(void **state)
{
    enum { STREAMS = 1000 };
    (void) state;
    struct h2_client c;
    struct h2_stream **streams = calloc(STREAMS, sizeof *streams);
    grpc_site_disarm(&grpc_site);
    grpc_site_join(&c);
    assert_true(h2_await_settings(&c));
    for (int i = 0; i < STREAMS; i++) {
        streams[i] = h2_open(&c, "/t.Echo/Bidi", NULL);
        h2_send_message(streams[i], &i, sizeof i, false);
    }
    for (int i = 0; i < STREAMS; i++)
        assert_true(h2_await_bytes(streams[i], 5 + sizeof i));
    struct grpc_stats stats;
    grpc_server_stats(grpc_site.server, &stats);
    assert_int_equal(stats.open_calls, STREAMS);
    for (int i = 0; i < STREAMS; i++)
        h2_send_message(streams[i], "end", 3, true);
    for (int i = 0; i < STREAMS; i++) {
        const char *message;
        assert_true(h2_await_closed(streams[i]));
        assert_int_equal(h2_status(streams[i]), 0);
        assert_int_equal(h2_message(streams[i], 0, &message), sizeof i);
        assert_memory_equal(message, &i, sizeof i);
        assert_message(streams[i], 1, "end");
    }
    free(streams);
    h2_close(&c);
    assert_true(grpc_site_await_idle(&grpc_site));
}

static void a_client_that_reads_one_stream_slowly_gets_the_others(void **state)
{
    (void) state;
    struct h2_client c;
    struct grpc_stats stats;
    grpc_site_join(&c);
    struct h2_stream *slow = h2_open(&c, "/t.Echo/Count", NULL);
    slow->reads_nothing = true;
    h2_send_message(slow, "1000 10000", 10, true);
    assert_true(h2_await_bytes(slow, 65536));
    for (int i = 0; i < 20; i++)
        assert_int_equal(h2_messages(ask(&c, "/t.Echo/Count", "100 10000")), 100);
    assert_int_equal(slow->in.len, 65536);
    grpc_server_stats(grpc_site.server, &stats);
    assert_true(stats.answer_bytes <= MIB / 4 + 10005);   /* the rest is not even made */
    h2_read_again(slow);
    assert_true(h2_await_closed(slow));
    assert_int_equal(h2_messages(slow), 1000);
    h2_close(&c);
    assert_true(grpc_site_await_idle(&grpc_site));
}

static void a_handler_that_is_slow_with_one_stream_gets_the_others(void **state)
{
    enum { BYTES = 4 * MIB };
    (void) state;
    struct h2_client c;
    BUF_AUTO text = BUF_INIT;
    grpc_site_disarm(&grpc_site);
    grpc_site_join(&c);
    assert_true(h2_await_settings(&c));
    for (size_t i = 0; i < 65536; i++)
        buf_char(&text, grpc_site_fill(i));
    struct h2_stream *slow = h2_open(&c, "/t.Echo/Keep", NULL);
    for (size_t sent = 0; sent < BYTES; sent += text.len)
        h2_send_message(slow, text.data, text.len, sent + text.len >= BYTES);
    for (int i = 0; i < 20; i++) {
        struct h2_stream *s = h2_open(&c, "/t.Echo/Collect", NULL);
        for (int m = 0; m < 20; m++)
            h2_send_message(s, text.data, text.len, m == 19);
        assert_true(h2_await_closed(s));
        assert_message(s, 0, "1310720");
    }
    struct grpc_stats stats;
    grpc_server_stats(grpc_site.server, &stats);
    assert_true(stats.request_bytes <= MIB + 65536);
    assert_true(slow->out.len - slow->out_at > 2 * MIB);
    grpc_site_release(&grpc_site);
    assert_true(h2_await_closed(slow));
    assert_message(slow, 0, "4194304");
    h2_close(&c);
    assert_true(grpc_site_await_idle(&grpc_site));
    grpc_site_disarm(&grpc_site);
}

static void a_message_of_100_mib_goes_both_ways(void **state)
{
    enum { BYTES = 100 * MIB };
    (void) state;
    struct h2_client c;
    const struct h2_options wide = { .stream_window = 8 << 20, .connection_window = 16 << 20, .max_frame = 1 << 20 };
    const char *message;
    char *text = malloc(BYTES);
    for (size_t i = 0; i < BYTES; i++)
        text[i] = grpc_site_fill(i);
    assert_int_equal(h2_connect(&c, grpc_site.port, &wide), 0);
    struct h2_stream *s = h2_open(&c, "/t.Echo/Unary", NULL);
    h2_send_message(s, text, BYTES, true);
    assert_true(h2_await_closed(s));
    assert_int_equal(h2_status(s), 0);
    assert_int_equal(h2_message(s, 0, &message), BYTES);
    assert_int_equal(memcmp(message, text, BYTES), 0);
    assert_true(s->largest > 16384);   /* what the client allows is used */
    h2_close(&c);
    free(text);
    assert_true(grpc_site_await_idle(&grpc_site));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings_come_before_the_client_has_said_anything),
        cmocka_unit_test(a_connection_takes_a_thousand_streams_or_more),
        cmocka_unit_test(ping_is_answered),
        cmocka_unit_test(unary_call_is_answered),
        cmocka_unit_test(empty_message_is_a_message),
        cmocka_unit_test(messages_of_a_stream_come_in_order_as_the_client_reads),
        cmocka_unit_test(messages_of_the_client_are_taken_until_it_ends),
        cmocka_unit_test(both_sides_talk_in_turn),
        cmocka_unit_test(the_head_comes_before_any_message),
        cmocka_unit_test(metadata_and_deadline_reach_the_handler),
        cmocka_unit_test(an_error_is_trailers_alone),
        cmocka_unit_test(every_status_passes_unchanged),
        cmocka_unit_test(a_status_never_needs_more_than_clients_take),
        cmocka_unit_test(an_answer_can_be_no_grpc_at_all),
        cmocka_unit_test(a_thousand_streams_of_one_connection_are_served_at_once),
        cmocka_unit_test(a_client_that_reads_one_stream_slowly_gets_the_others),
        cmocka_unit_test(a_handler_that_is_slow_with_one_stream_gets_the_others),
        cmocka_unit_test(a_message_of_100_mib_goes_both_ways),
    };
    return cmocka_run_group_tests(tests, grpc_site_setup, grpc_site_teardown);
}
