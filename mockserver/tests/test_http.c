/* transports/http: answers, request bodies, streams, kept connections. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/http_client.h"
#include "tests/support/http_site.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define HOST "Host: 127.0.0.1\r\n"

static struct site site;

/* ---- fixtures --------------------------------------------------------------------------- */

static int start_with(const struct http_config *config)
{
    struct err err = ERR_INIT;
    if (site_start(&site, config, &err) == 0)
        return 0;
    print_error("%s\n", err.text);
    return -1;
}

static int setup(void **state)
{
    (void) state;
    return start_with(NULL);
}

static int setup_hasty(void **state)
{
    (void) state;
    return start_with(&(struct http_config) { .max_streams = 20, .header_timeout_ms = 300 });
}

static int teardown(void **state)
{
    (void) state;
    site_stop(&site);
    return 0;
}

/* ---- answers ---------------------------------------------------------------------------- */

static void whole_answer_has_length_type_and_id(void **state)
{
    (void) state;
    HTTP_CLIENT c = HTTP_CLIENT_INIT;
    HTTP_ANSWER a = { 0 };
    site_join(&site, &c);
    site_ask(&c, &a, "POST /echo?x=1&y=%20 HTTP/1.1\r\nHost: LocalHost:99\r\nContent-Type: application/json\r\n"
                "Content-Length: 4\r\n\r\nabcd");
    assert_int_equal(a.status, 200);
    assert_string_equal(a.body.data, "abcd");
    site_assert_field(&a, "Content-Length", "4");
    site_assert_field(&a, "Content-Type", "application/json");
    site_assert_field(&a, "X-Method", "POST");
    site_assert_field(&a, "X-Path", "/echo");
    site_assert_field(&a, "X-Query", "x=1&y=%20");
    site_assert_field(&a, "X-Host", "localhost:99");
    site_assert_field(&a, "X-Base", http_server_url(site.server));
    assert_int_equal(http_answer_count(&a, "x-request-id"), 1);
    assert_int_equal(http_answer_count(&a, "Date"), 1);
}

static void empty_answer_still_has_a_length(void **state)
{
    (void) state;
    HTTP_CLIENT c = HTTP_CLIENT_INIT;
    HTTP_ANSWER a = { 0 };
    site_join(&site, &c);
    site_ask(&c, &a, "PUT /empty HTTP/1.1\r\n" HOST "Content-Type: application/json\r\nContent-Length: 0\r\n\r\n");
    site_assert_field(&a, "Content-Length", "0");
    assert_int_equal(http_answer_count(&a, "Transfer-Encoding"), 0);
}

static void kept_connection_serves_again_with_new_ids(void **state)
{
    (void) state;
    HTTP_CLIENT c = HTTP_CLIENT_INIT;
    char last[64] = "";
    site_join(&site, &c);
    for (int i = 0; i < 5; i++) {
        HTTP_ANSWER a = { 0 };
        BUF_AUTO id = BUF_INIT;
        site_ask(&c, &a, "GET /echo HTTP/1.1\r\n" HOST "\r\n");
        assert_int_equal(a.status, 200);
        site_assert_field(&a, "Connection", "keep-alive");
        site_assert_field(&a, "Keep-Alive", "timeout=5");
        assert_true(http_answer_field(&a, "x-request-id", &id));
        assert_int_equal(strncmp(id.data, "req_", 4), 0);
        assert_string_not_equal(id.data, last);
        snprintf(last, sizeof last, "%s", id.data);
    }
    assert_int_equal(c.in.len, 0);
}

static void close_is_honoured_and_announced(void **state)
{
    (void) state;
    static const char *const requests[] = {
        "GET /echo HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n",
        "GET /echo HTTP/1.1\r\n" HOST "Connection: x, Close\r\n\r\n",
        "GET /echo HTTP/1.0\r\n\r\n",
        "GET /echo HTTP/1.1\r\n" HOST "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        "GET /echo HTTP/1.1\r\n" HOST "Connection: keep-alive, Upgrade\r\nUpgrade: h2c\r\n\r\n",
    };
    for (size_t i = 0; i < COUNT(requests); i++) {
        HTTP_CLIENT c = HTTP_CLIENT_INIT;
        HTTP_ANSWER a = { 0 };
        site_join(&site, &c);
        site_ask(&c, &a, requests[i]);
        assert_int_equal(a.status, 200);
        assert_true(a.closes);
        assert_int_equal(http_client_until_end(&c), 0);
        assert_string_equal(c.why, "end");
        assert_int_equal(c.in.len, 0);
    }
}

static void http_1_0_connection_is_kept_on_request(void **state)
{
    (void) state;
    HTTP_CLIENT c = HTTP_CLIENT_INIT;
    HTTP_ANSWER a = { 0 };
    site_join(&site, &c);
    site_ask(&c, &a, "GET /echo HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_false(a.closes);
    site_ask(&c, &a, "GET /echo HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n");
    assert_int_equal(a.status, 200);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    (void) state;
    HTTP_CLIENT c = HTTP_CLIENT_INIT;
    BUF_AUTO all = BUF_INIT;
    site_join(&site, &c);
    for (int i = 0; i < 20; i++) {
        if (i % 2 == 0)
            buf_printf(&all, "POST /echo?n=%d HTTP/1.1\r\n" HOST "Content-Type: application/json\r\n"
                             "Content-Length: 6\r\n\r\nbody%02d", i, i);
        else
            buf_printf(&all, "POST /echo?n=%d HTTP/1.1\r\n" HOST "Content-Type: application/json\r\n"
                             "Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n2\r\n%02d\r\n0\r\n\r\n", i, i);
    }
    assert_int_equal(http_client_send(&c, all.data, all.len), 0);
    for (int i = 0; i < 20; i++) {
        HTTP_ANSWER a = { 0 };
        char body[16], query[16];
        snprintf(body, sizeof body, "body%02d", i);
        snprintf(query, sizeof query, "n=%d", i);
        site_get_answer(&c, &a);
        assert_string_equal(a.body.data, body);
        site_assert_field(&a, "X-Query", query);
    }
    assert_int_equal(c.in.len, 0);
}

static void head_answer_has_a_length_and_no_body(void **state)
{
    (void) state;
    HTTP_CLIENT c = HTTP_CLIENT_INIT;
    HTTP_ANSWER a = { 0 };
    site_join(&site, &c);
    assert_int_equal(http_client_text(&c, "HEAD /unread HTTP/1.1\r\n" HOST "\r\n"), 0);
    assert_int_equal(http_client_answer(&c, &a, true), 0);
    site_assert_field(&a, "Content-Length", "6");
    assert_int_equal(http_client_text(&c, "HEAD /stream?chunks=3&size=9 HTTP/1.1\r\n" HOST "\r\n"), 0);
    assert_int_equal(http_client_answer(&c, &a, true), 0);
    assert_int_equal(a.status, 200);
    site_ask(&c, &a, "GET /unread HTTP/1.1\r\n" HOST "\r\n");   /* nothing in between */
    assert_string_equal(a.body.data, "unread");
}

static void handler_answers_exactly_once(void **state)
{
    (void) state;
    HTTP_CLIENT c = HTTP_CLIENT_INIT;
    HTTP_ANSWER a = { 0 };
    site_join(&site, &c);
    site_ask(&c, &a, "GET /silent HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(a.status, 500);
    assert_non_null(strstr(a.body.data, "\"message\""));
    site_ask(&c, &a, "GET /twice HTTP/1.1\r\n" HOST "\r\n");
    assert_string_equal(a.body.data, "first");
    site_ask(&c, &a, "GET /unread HTTP/1.1\r\n" HOST "\r\n");
    assert_string_equal(a.body.data, "unread");
    assert_int_equal(site_get(&site, SITE_SECOND_REFUSED), 1);
}

static void header_value_cannot_become_a_second_header(void **state)
{
    (void) state;
    HTTP_CLIENT c = HTTP_CLIENT_INIT;
    HTTP_ANSWER a = { 0 };
    site_join(&site, &c);
    site_ask(&c, &a, "GET /split HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(http_answer_count(&a, "X-Evil"), 0);
    site_assert_field(&a, "X-Split", "a  X-Evil: yes  b");
}

static void header_of_the_handler_takes_the_place_of_the_transports_own(void **state)
{
    (void) state;
    HTTP_CLIENT c = HTTP_CLIENT_INIT;
    HTTP_ANSWER a = { 0 };
    site_join(&site, &c);
    site_ask(&c, &a, "GET /own HTTP/1.1\r\n" HOST "\r\n");
    assert_string_equal(a.body.data, "own");
    assert_int_equal(http_answer_count(&a, "x-request-id"), 1);
    site_assert_field(&a, "x-request-id", "mine");
    assert_int_equal(http_answer_count(&a, "Date"), 1);
    site_assert_field(&a, "Date", "yesterday");
}

static void path_is_decoded_once_and_slashes_collapse(void **state)
{
    (void) state;
    static const struct { const char *target, *path; } rows[] = {
        { "/a%20b", "/a b" },        { "/a%2fb", "/a/b" },      { "//api///x//", "/api/x/" },
        { "/%2525", "/%25" },        { "/a/../b/./c", "/a/../b/./c" }, { "/%2e%2E/x", "/../x" },
        { "/a+b", "/a+b" },          { "/%2F%2Fx", "/x" },      { "/", "/" },
    };
    HTTP_CLIENT c = HTTP_CLIENT_INIT;
    site_join(&site, &c);
    for (size_t i = 0; i < COUNT(rows); i++) {
        HTTP_ANSWER a = { 0 };
        assert_int_equal(http_client_text(&c, "GET %s?q HTTP/1.1\r\n" HOST "\r\n", rows[i].target), 0);
        site_get_answer(&c, &a);
        site_assert_field(&a, "X-Path", rows[i].path);
        site_assert_field(&a, "X-Raw-Path", rows[i].target);
        site_assert_field(&a, "X-Query", "q");
    }
}

/* ---- request bodies --------------------------------------------------------------------- */

#define POST_CHUNKED                                                                                                   \
    "POST /echo HTTP/1.1\r\n" HOST "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"

static void chunked_body_is_put_together_however_it_arrives(void **state)
{
    (void) state;
    static const char request[] = POST_CHUNKED "5\r\nhello\r\n1\r\n \r\n00A\r\n0123456789\r\n0\r\n\r\n";
    HTTP_CLIENT c = HTTP_CLIENT_INIT;
    site_join(&site, &c);
    for (size_t piece = 1; piece <= sizeof request; piece = piece * 3 + 1) {
        HTTP_ANSWER a = { 0 };
        for (size_t at = 0; at < sizeof request - 1; at += piece) {
            size_t len = sizeof request - 1 - at < piece ? sizeof request - 1 - at : piece;
            assert_int_equal(http_client_send(&c, request + at, len), 0);
        }
        site_get_answer(&c, &a);
        assert_string_equal(a.body.data, "hello 0123456789");
        assert_false(a.closes);
    }
}

static void large_body_arrives_whole(void **state)
{
    (void) state;
    HTTP_CLIENT c = HTTP_CLIENT_INIT;
    HTTP_ANSWER a = { 0 };
    size_t len = 3 * 1024 * 1024 + 17;
    char *body = malloc(len);
    assert_non_null(body);
    for (size_t i = 0; i < len; i++)
        body[i] = site_fill(i);
    site_join(&site, &c);
    assert_int_equal(http_client_text(&c, "POST /echo HTTP/1.1\r\n" HOST "Content-Type: application/json\r\n"
                                          "Content-Length: %zu\r\n\r\n", len), 0);
    assert_int_equal(http_client_send(&c, body, len), 0);
    site_get_answer(&c, &a);
    assert_int_equal(a.body.len, len);
    assert_memory_equal(a.body.data, body, len);
    free(body);
}

static void expected_continue_is_sent_before_the_body_is_read(void **state)
{
    (void) state;
    HTTP_CLIENT c = HTTP_CLIENT_INIT;
    HTTP_ANSWER a = { 0 };
    site_join(&site, &c);
    site_ask(&c, &a, "POST /echo HTTP/1.1\r\n" HOST "Content-Type: application/json\r\nContent-Length: 2\r\n"
                "Expect: 100-continue\r\n\r\n");
    assert_int_equal(a.status, 100);
    site_ask(&c, &a, "ok");
    assert_int_equal(a.status, 200);
    assert_string_equal(a.body.data, "ok");
    /* Who does not want the body does not ask for it. */
    site_ask(&c, &a, "POST /unread HTTP/1.1\r\n" HOST "Content-Type: application/json\r\nContent-Length: 2\r\n"
                "Expect: 100-continue\r\n\r\n");
    assert_int_equal(a.status, 200);
    assert_true(a.closes);
}

static void small_unread_body_does_not_cost_the_connection(void **state)
{
    (void) state;
    HTTP_CLIENT c = HTTP_CLIENT_INIT;
    HTTP_ANSWER a = { 0 };
    site_join(&site, &c);
    site_ask(&c, &a, "POST /unread HTTP/1.1\r\n" HOST "Content-Type: application/json\r\nContent-Length: 9\r\n\r\n"
                "GET / HTT");
    assert_false(a.closes);
    site_ask(&c, &a, "GET /echo HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(a.status, 200);
}

static void answer_survives_a_large_unread_body(void **state)
{
    (void) state;
    HTTP_CLIENT c = HTTP_CLIENT_INIT;
    HTTP_ANSWER a = { 0 };
    size_t len = 8 * 1024 * 1024;
    char *body = calloc(1, len);
    assert_non_null(body);
    site_join(&site, &c);
    assert_int_equal(http_client_text(&c, "POST /unread HTTP/1.1\r\n" HOST "Content-Type: application/json\r\n"
                                          "Content-Length: %zu\r\n\r\n", len), 0);
    assert_int_equal(http_client_send(&c, body, len), 0);
    free(body);
    site_get_answer(&c, &a);
    assert_int_equal(a.status, 200);
    assert_true(a.closes);
    assert_int_equal(http_client_until_end(&c), 0);
}

/* ---- streams ---------------------------------------------------------------------------- */

static void stream_is_one_chunk_a_write_and_ends_properly(void **state)
{
    (void) state;
    HTTP_CLIENT c = HTTP_CLIENT_INIT;
    HTTP_ANSWER a = { 0 };
    site_join(&site, &c);
    site_release(&site);
    assert_int_equal(http_client_text(&c, "GET /open HTTP/1.1\r\n" HOST "\r\n"), 0);
    assert_int_equal(http_client_head(&c, &a), 0);
    site_assert_field(&a, "Transfer-Encoding", "chunked");
    site_assert_field(&a, "Content-Type", "text/event-stream");
    assert_int_equal(http_answer_count(&a, "Content-Length"), 0);
    assert_int_equal(http_answer_count(&a, "x-request-id"), 1);
    static const char wire[] = "5\r\nhello\r\n0\r\n\r\n";
    assert_int_equal(http_client_need(&c, sizeof wire - 1), 0);
    assert_string_equal(c.in.data, wire);
    http_client_take(&c, NULL, sizeof wire - 1);
    site_ask(&c, &a, "GET /echo HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(a.status, 200);
}

static void stream_bytes_are_exact_at_every_size(void **state)
{
    (void) state;
    static const struct { size_t chunks, size; } rows[] = {
        { 1, 1 }, { 3, 15 }, { 3, 16 }, { 2, 255 }, { 2, 4096 }, { 70, 65536 }, { 3, 1048577 }, { 500, 3 },
    };
    HTTP_CLIENT c = HTTP_CLIENT_INIT;
    site_join(&site, &c);
    for (size_t i = 0; i < COUNT(rows); i++) {
        HTTP_ANSWER a = { 0 };
        assert_int_equal(http_client_text(&c, "GET /stream?chunks=%zu&size=%zu&empty=1 HTTP/1.1\r\n" HOST "\r\n",
                                          rows[i].chunks, rows[i].size), 0);
        assert_int_equal(http_client_head(&c, &a), 0);
        for (size_t n = 0; n < rows[i].chunks; n++) {
            size_t before = a.body.len;
            assert_int_equal(http_client_chunk(&c, &a.body), 1);
            assert_int_equal(a.body.len - before, rows[i].size);
        }
        assert_int_equal(http_client_chunk(&c, &a.body), 0);
        for (size_t k = 0; k < a.body.len; k++) {
            if (a.body.data[k] != site_fill(k))
                fail_msg("byte %zu of %zu x %zu differs", k, rows[i].chunks, rows[i].size);
        }
    }
}

static void head_and_bytes_of_a_quiet_stream_arrive_at_once(void **state)
{
    (void) state;
    HTTP_CLIENT c = HTTP_CLIENT_INIT;
    HTTP_ANSWER a = { 0 };
    site_join(&site, &c);
    assert_int_equal(http_client_text(&c, "GET /open HTTP/1.1\r\n" HOST "\r\n"), 0);
    assert_int_equal(http_client_head(&c, &a), 0);
    assert_int_equal(http_client_chunk(&c, &a.body), 1);   /* nothing more is written until released */
    assert_string_equal(a.body.data, "hello");
    assert_int_equal(site_get(&site, SITE_RELEASED), 0);
    site_release(&site);
    assert_int_equal(http_client_chunk(&c, &a.body), 0);
}

static void stream_left_without_end_has_no_terminator(void **state)
{
    (void) state;
    HTTP_CLIENT c = HTTP_CLIENT_INIT;
    HTTP_ANSWER a = { 0 };
    site_join(&site, &c);
    assert_int_equal(http_client_text(&c, "GET /stream?chunks=2&size=1&cut=1 HTTP/1.1\r\n" HOST "\r\n"), 0);
    assert_int_equal(http_client_head(&c, &a), 0);
    assert_int_equal(http_client_until_end(&c), 0);
    assert_int_equal(c.in.len, 12);
    assert_memory_equal(c.in.data, "1\r\n\0\r\n1\r\n\x1f\r\n", 12);
}

static void http_1_0_stream_ends_with_the_connection(void **state)
{
    (void) state;
    HTTP_CLIENT c = HTTP_CLIENT_INIT;
    HTTP_ANSWER a = { 0 };
    site_join(&site, &c);
    site_ask(&c, &a, "GET /stream?chunks=3&size=2 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_false(a.chunked);
    assert_true(a.closes);
    assert_int_equal(a.body.len, 6);
    assert_int_equal(a.body.data[5], site_fill(5));
}

static void slow_reader_gets_everything(void **state)
{
    (void) state;
    HTTP_CLIENT c = HTTP_CLIENT_INIT;
    HTTP_ANSWER a = { 0 };
    site_join(&site, &c);
    assert_int_equal(http_client_text(&c, "GET /stream?chunks=600&size=65536 HTTP/1.1\r\n" HOST "\r\n"), 0);
    /* It reads nothing for much longer than any time limit of the server; that is not a reason to give up. */
    assert_false(site_await(&site, SITE_WRITE_FAILED, 1, 1500));
    site_get_answer(&c, &a);
    assert_int_equal(a.body.len, (size_t) 600 * 65536);
    for (size_t k = 0; k < a.body.len; k += 997)
        assert_int_equal(a.body.data[k], site_fill(k));
}

#define WITH(f, up) cmocka_unit_test_setup_teardown(f, up, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH(whole_answer_has_length_type_and_id, setup),
        WITH(empty_answer_still_has_a_length, setup),
        WITH(kept_connection_serves_again_with_new_ids, setup),
        WITH(close_is_honoured_and_announced, setup),
        WITH(http_1_0_connection_is_kept_on_request, setup),
        WITH(pipelined_requests_are_answered_in_order, setup),
        WITH(head_answer_has_a_length_and_no_body, setup),
        WITH(handler_answers_exactly_once, setup),
        WITH(header_value_cannot_become_a_second_header, setup),
        WITH(header_of_the_handler_takes_the_place_of_the_transports_own, setup),
        WITH(path_is_decoded_once_and_slashes_collapse, setup),
        WITH(chunked_body_is_put_together_however_it_arrives, setup),
        WITH(large_body_arrives_whole, setup),
        WITH(expected_continue_is_sent_before_the_body_is_read, setup),
        WITH(small_unread_body_does_not_cost_the_connection, setup),
        WITH(answer_survives_a_large_unread_body, setup),
        WITH(stream_is_one_chunk_a_write_and_ends_properly, setup),
        WITH(stream_bytes_are_exact_at_every_size, setup),
        WITH(head_and_bytes_of_a_quiet_stream_arrive_at_once, setup),
        WITH(stream_left_without_end_has_no_terminator, setup),
        WITH(http_1_0_stream_ends_with_the_connection, setup),
        WITH(slow_reader_gets_everything, setup_hasty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
