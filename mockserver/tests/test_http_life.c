/* transports/http: many clients at once, clients that go, the server's start and end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "tests/support/http_client.h"
#include "tests/support/http_site.h"
#include "tests/support/patience.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define LIMIT_MS HTTP_CLIENT_LIMIT_MS
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

static int setup_many(void **state)
{
    (void) state;
    return start_with(&(struct http_config) { .max_streams = 160 });
}

static int setup_narrow(void **state)
{
    (void) state;
    return start_with(&(struct http_config) { .max_streams = 2 });
}

static int setup_wildcard(void **state)
{
    (void) state;
    static const char *const suffixes[] = { ".sbx.test", NULL };
    return start_with(&(struct http_config) { .address = "0.0.0.0", .max_streams = 2, .allow_remote = true,
                                              .extra_hosts = suffixes });
}

static int teardown(void **state)
{
    (void) state;
    site_stop(&site);
    return 0;
}

/* ---- many at once ------------------------------------------------------------------------ */

static void many_streams_are_open_at_once(void **state)
{
    (void) state;
    enum { STREAMS = 150 };
    struct http_client clients[STREAMS];
    HTTP_ANSWER a = { 0 };
    for (int i = 0; i < STREAMS; i++) {
        site_join(&site, &clients[i]);
        assert_int_equal(http_client_text(&clients[i], "GET /open HTTP/1.1\r\n" HOST "\r\n"), 0);
    }
    for (int i = 0; i < STREAMS; i++) {
        assert_int_equal(http_client_head(&clients[i], &a), 0);
        assert_int_equal(http_client_chunk(&clients[i], NULL), 1);
    }
    assert_true(site_await_open(&site, STREAMS, STREAMS, LIMIT_MS));
    HTTP_CLIENT beside = HTTP_CLIENT_INIT;   /* and other calls get through */
    site_join(&site, &beside);
    site_ask(&beside, &a, "GET /echo HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(a.status, 200);
    site_release(&site);
    for (int i = 0; i < STREAMS; i++) {
        assert_int_equal(http_client_chunk(&clients[i], NULL), 0);
        http_client_close(&clients[i]);
    }
    assert_true(site_await_open(&site, 0, 0, LIMIT_MS));
    assert_int_equal(site_get(&site, SITE_GONE), 0);
}

static void stream_too_many_is_refused_and_may_come_back(void **state)
{
    (void) state;
    struct http_client clients[2];
    HTTP_CLIENT third = HTTP_CLIENT_INIT;
    HTTP_ANSWER a = { 0 };
    for (size_t i = 0; i < 2; i++) {
        site_join(&site, &clients[i]);
        assert_int_equal(http_client_text(&clients[i], "GET /open HTTP/1.1\r\n" HOST "\r\n"), 0);
    }
    assert_true(site_await(&site, SITE_OPENED, 2, LIMIT_MS));
    site_join(&site, &third);
    site_ask(&third, &a, "GET /open HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(a.status, 503);
    site_assert_field(&a, "Retry-After", "1");
    assert_non_null(strstr(a.body.data, "too_many_streams"));
    for (size_t i = 0; i < 2; i++)
        http_client_reset(&clients[i]);
    assert_true(site_await_open(&site, 0, 0, LIMIT_MS));
    site_release(&site);
    site_ask(&third, &a, "GET /open HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(a.status, 200);
}

/* ---- clients that go -------------------------------------------------------------------- */

static void reset_client_is_noticed(void **state)
{
    (void) state;
    static const char *const paths[] = { "/open", "/wait" };
    for (unsigned i = 0; i < COUNT(paths); i++) {
        HTTP_CLIENT c = HTTP_CLIENT_INIT;
        site_join(&site, &c);
        assert_int_equal(http_client_text(&c, "GET %s HTTP/1.1\r\n" HOST "\r\n", paths[i]), 0);
        assert_true(site_await(&site, SITE_OPENED, i + 1, LIMIT_MS));
        http_client_reset(&c);
        assert_true(site_await(&site, SITE_GONE, i + 1, LIMIT_MS));
    }
}

static void closed_client_is_noticed_when_written_to(void **state)
{
    (void) state;
    HTTP_CLIENT c = HTTP_CLIENT_INIT;
    site_join(&site, &c);
    assert_int_equal(http_client_text(&c, "GET /flood HTTP/1.1\r\n" HOST "\r\n"), 0);
    assert_true(site_await(&site, SITE_FLOODED, 1, LIMIT_MS));
    http_client_close(&c);
    assert_true(site_await(&site, SITE_WRITE_FAILED, 1, LIMIT_MS));
    assert_true(site_await_open(&site, 0, 0, LIMIT_MS));
}

static void half_closed_client_is_still_served(void **state)
{
    (void) state;
    HTTP_CLIENT c = HTTP_CLIENT_INIT;
    HTTP_CLIENT waiting = HTTP_CLIENT_INIT;
    HTTP_ANSWER a = { 0 };
    site_join(&site, &c);
    site_join(&site, &waiting);
    assert_int_equal(http_client_text(&c, "GET /open HTTP/1.1\r\n" HOST "\r\n"), 0);
    assert_int_equal(http_client_text(&waiting, "GET /wait HTTP/1.1\r\n" HOST "\r\n"), 0);
    assert_int_equal(http_client_end_sending(&c), 0);
    assert_int_equal(http_client_end_sending(&waiting), 0);
    assert_true(site_await(&site, SITE_OPENED, 2, LIMIT_MS));
    assert_false(site_await(&site, SITE_GONE, 1, 300));
    site_release(&site);
    site_get_answer(&c, &a);
    assert_string_equal(a.body.data, "hello");
    site_get_answer(&waiting, &a);
    assert_string_equal(a.body.data, "waited");
}

/* ---- the server ------------------------------------------------------------------------- */

static void stats_count_what_happened(void **state)
{
    (void) state;
    HTTP_CLIENT c = HTTP_CLIENT_INIT;
    HTTP_ANSWER a = { 0 };
    struct http_stats stats;
    site_join(&site, &c);
    site_ask(&c, &a, "GET /echo HTTP/1.1\r\n" HOST "\r\n");
    site_ask(&c, &a, "GET /echo HTTP/1.1\r\nHost: evil.example\r\n\r\n");
    assert_int_equal(a.status, 403);
    http_server_stats(site.server, &stats);
    assert_int_equal(stats.requests, 2);
    assert_int_equal(stats.refused, 1);
    assert_true(site_await_open(&site, 0, 0, LIMIT_MS));
}

static void wildcard_server_is_called_what_the_client_calls_it(void **state)
{
    (void) state;
    HTTP_CLIENT c = HTTP_CLIENT_INIT;
    HTTP_ANSWER a = { 0 };
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d", site.port);
    assert_string_equal(http_server_url(site.server), url);
    site_join(&site, &c);
    site_ask(&c, &a, "GET /echo HTTP/1.1\r\nHost: Build.Example:9000\r\n\r\n");
    site_assert_field(&a, "X-Base", "http://build.example:9000");
    /* A sandbox's name is not the server's. */
    site_ask(&c, &a, "GET /echo HTTP/1.1\r\nHost: 77.sbx.test:9000\r\n\r\n");
    site_assert_field(&a, "X-Base", url);
}

static void ipv6_loopback_is_served_or_refused_with_the_reason(void **state)
{
    (void) state;
    HTTP_CLIENT c = HTTP_CLIENT_INIT;
    HTTP_ANSWER a = { 0 };
    struct err err = ERR_INIT;
    if (site_start(&site, &(struct http_config) { .address = "[::1]", .max_streams = 2 }, &err) < 0) {
        assert_int_equal(err.code, ERR_UNSUPPORTED);
        assert_non_null(strstr(err.text, "without IPv6"));
        return;
    }
    int opened = http_client_open(&c, "::1", site.port);
    assert_int_equal(opened, 0);
    site_ask(&c, &a, "GET /echo HTTP/1.1\r\nHost: [::1]:8700\r\n\r\n");
    site_stop(&site);
    assert_int_equal(a.status, 200);
    site_assert_field(&a, "X-Host", "[::1]:8700");
}

static void bad_settings_are_refused_with_a_reason(void **state)
{
    (void) state;
    static const struct { struct http_config config; const char *text; } rows[] = {
        { { .address = "0.0.0.0", .max_streams = 1 }, "--allow-remote" },
        { { .address = "192.0.2.1", .max_streams = 1 }, "--allow-remote" },
        { { .address = "localhost", .max_streams = 1 }, "not an address" },
        { { .address = "127.0.0.1", .max_streams = 0 }, "number of streams" },
        { { .address = "127.0.0.1", .max_streams = 1, .port = 65536 }, "not a port" },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct http_server *server = NULL;
        struct err err = ERR_INIT;
        assert_int_equal(http_server_new(&server, &rows[i].config, &err), -1);
        assert_int_equal(err.code, ERR_INVALID);
        assert_non_null(strstr(err.text, rows[i].text));
        assert_null(server);
    }
}

static void taken_port_is_an_error_that_says_so(void **state)
{
    (void) state;
    struct site second;
    struct err err = ERR_INIT;
    struct http_config config = { .max_streams = 1, .port = site.port };
    assert_int_equal(site_start(&second, &config, &err), -1);
    assert_int_equal(err.code, ERR_IO);
    assert_non_null(strstr(err.text, "in use"));
}

static void stop_ends_streams_and_idle_connections_at_once(void **state)
{
    (void) state;
    enum { STREAMS = 50, IDLE = 60, FRESH = 20 };
    struct http_client streams[STREAMS], idle[IDLE], fresh[FRESH];
    HTTP_ANSWER a = { 0 };
    assert_int_equal(start_with(&(struct http_config) { .max_streams = 100 }), 0);
    for (int i = 0; i < STREAMS; i++) {
        site_join(&site, &streams[i]);
        assert_int_equal(http_client_text(&streams[i], "GET %s HTTP/1.1\r\n" HOST "\r\n",
                                          i % 5 == 0 ? "/flood" : "/open"), 0);
    }
    for (int i = 0; i < IDLE; i++) {
        site_join(&site, &idle[i]);
        site_ask(&idle[i], &a, "GET /echo HTTP/1.1\r\n" HOST "\r\n");
    }
    for (int i = 0; i < FRESH; i++)
        site_join(&site, &fresh[i]);
    assert_true(site_await(&site, SITE_OPENED, STREAMS, LIMIT_MS));
    int64_t start = mono_ns();
    site_stop(&site);
    int64_t took_ms = (mono_ns() - start) / 1000000;
    for (int i = 0; i < STREAMS; i++) {
        assert_int_equal(http_client_head(&streams[i], &a), 0);
        while (http_client_chunk(&streams[i], NULL) > 0)
            continue;
        assert_true(strcmp(streams[i].why, "end") == 0 || strcmp(streams[i].why, "reset") == 0);
        http_client_close(&streams[i]);
    }
    for (int i = 0; i < IDLE; i++) {
        assert_int_equal(http_client_until_end(&idle[i]), 0);
        http_client_close(&idle[i]);
    }
    for (int i = 0; i < FRESH; i++)
        http_client_close(&fresh[i]);
    if (took_too_long(took_ms, 1900))   /* civetweb alone takes 2000 and more */
        fail_msg("stopping took %lld ms", (long long) took_ms);
}

static void port_is_free_again_after_the_stop(void **state)
{
    (void) state;
    assert_int_equal(start_with(NULL), 0);
    int port = site.port;
    HTTP_CLIENT c = HTTP_CLIENT_INIT;
    HTTP_ANSWER a = { 0 };
    site_join(&site, &c);
    site_ask(&c, &a, "GET /echo HTTP/1.1\r\n" HOST "\r\n");
    site_stop(&site);
    struct http_client late;
    assert_int_equal(http_client_open(&late, "127.0.0.1", port), -1);
    assert_string_equal(late.why, "reset");
    http_client_close(&late);
    struct http_config config = { .max_streams = 2, .port = port };
    assert_int_equal(start_with(&config), 0);
    site_stop(&site);
}

#define WITH(f, up) cmocka_unit_test_setup_teardown(f, up, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH(many_streams_are_open_at_once, setup_many),
        WITH(stream_too_many_is_refused_and_may_come_back, setup_narrow),
        WITH(reset_client_is_noticed, setup),
        WITH(closed_client_is_noticed_when_written_to, setup),
        WITH(half_closed_client_is_still_served, setup),
        WITH(stats_count_what_happened, setup),
        WITH(wildcard_server_is_called_what_the_client_calls_it, setup_wildcard),
        WITH(taken_port_is_an_error_that_says_so, setup),
        cmocka_unit_test(ipv6_loopback_is_served_or_refused_with_the_reason),
        cmocka_unit_test(bad_settings_are_refused_with_a_reason),
        cmocka_unit_test(stop_ends_streams_and_idle_connections_at_once),
        cmocka_unit_test(port_is_free_again_after_the_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
