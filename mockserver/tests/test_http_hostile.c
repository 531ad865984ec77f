/* transports/http: strangers, broken clients, junk.  Nothing of it may reach a handler or cost the server anything. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "tests/support/http_client.h"
#include "tests/support/http_site.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define LIMIT_MS HTTP_CLIENT_LIMIT_MS
#define HOST "Host: 127.0.0.1\r\n"
#define JSON_TYPE "Content-Type: application/json\r\n"
#define MAX_BODY 200000

static struct site site;

static int setup(void **state)
{
    (void) state;
    static const char *const suffixes[] = { ".sbx.test", NULL };
    struct err err = ERR_INIT;
    struct http_config config = { .max_streams = 30, .header_timeout_ms = 400, .max_body_bytes = MAX_BODY,
                                  .extra_hosts = suffixes };
    if (site_start(&site, &config, &err) == 0)
        return 0;
    print_error("%s\n", err.text);
    return -1;
}

static int teardown(void **state)
{
    (void) state;
    site_stop(&site);
    return 0;
}

/* Send and read the answer; -1 when there was none. */
static int try_request(const void *request, size_t len, struct http_answer *answer)
{
    HTTP_CLIENT c = HTTP_CLIENT_INIT;
    site_join(&site, &c);
    if (http_client_send(&c, request, len) < 0)
        return -1;
    return http_client_answer(&c, answer, false) < 0 ? -1 : answer->status;
}

static int try_text(const char *request, struct http_answer *answer)
{
    return try_request(request, strlen(request), answer);
}

static void assert_refusal(const struct http_answer *answer, int status, const char *code, const char *request)
{
    char quoted[96];
    snprintf(quoted, sizeof quoted, "\"code\":\"%s\"", code);
    if (answer->status != status || strstr(buf_cstr(&answer->body), quoted) == NULL)
        fail_msg("%d %s instead of %d %s for %s", answer->status, buf_cstr(&answer->body), status, code, request);
    assert_non_null(strstr(answer->body.data, "\"message\":\""));
    assert_non_null(strstr(answer->body.data, "\"error\":\""));
    assert_int_equal(http_answer_count(answer, "x-request-id"), 1);
    assert_true(answer->closes);
}

static void assert_still_serves(void)
{
    HTTP_ANSWER a = { 0 };
    assert_int_equal(try_text("GET /echo HTTP/1.1\r\n" HOST "\r\n", &a), 200);
}

/* ---- who may come in -------------------------------------------------------------------- */

static void only_local_names_are_taken_for_host(void **state)
{
    (void) state;
    static const struct { const char *host; int status; } rows[] = {
        { "localhost", 200 },           { "LOCALHOST:8700", 200 },   { "127.0.0.1:1", 200 },
        { "127.9.8.7", 200 },           { "[::1]", 200 },            { "[::1]:8700", 200 },
        { "a.b.localhost:80", 200 },    { "77.sbx.test:8700", 200 }, { "X.SBX.TEST", 200 },
        { "evil.example", 403 },        { "localhost.evil.example", 403 }, { "127.0.0.1.evil.example", 403 },
        { "128.0.0.1", 403 },           { "[::2]", 403 },            { "0.0.0.0", 403 },
        { "notlocalhost", 403 },        { "sbx.test", 403 },         { "127.1", 403 },
        { "2130706433", 403 },          { "", 400 },                 { "[::1", 400 },
        { "localhost:80:80", 400 },     { "localhost:x", 400 },      { "user@localhost", 400 },
        { "localhost/evil", 400 },      { ":80", 400 },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        HTTP_ANSWER a = { 0 };
        char request[256];
        snprintf(request, sizeof request, "GET /echo HTTP/1.1\r\nHost: %s\r\n\r\n", rows[i].host);
        int status = try_text(request, &a);
        if (status != rows[i].status)
            fail_msg("Host %s: %d instead of %d", rows[i].host, status, rows[i].status);
        if (status != 200)
            assert_refusal(&a, status, status == 403 ? "host_not_allowed" : "bad_host", request);
    }
}

static void exactly_one_host_is_needed(void **state)
{
    (void) state;
    HTTP_ANSWER a = { 0 };
    try_text("GET /echo HTTP/1.1\r\n\r\n", &a);
    assert_refusal(&a, 400, "bad_host", "no Host");
    try_text("GET /echo HTTP/1.1\r\n" HOST "Host: evil.example\r\n\r\n", &a);
    assert_refusal(&a, 400, "bad_host", "two Hosts");
    assert_int_equal(try_text("GET /echo HTTP/1.0\r\n\r\n", &a), 200);
    try_text("GET /echo HTTP/1.0\r\nHost: evil.example\r\n\r\n", &a);
    assert_refusal(&a, 403, "host_not_allowed", "HTTP/1.0");
}

static void foreign_origins_are_refused_before_anything_runs(void **state)
{
    (void) state;
    static const struct { const char *origin; int status; } rows[] = {
        { "http://127.0.0.1:5", 200 },  { "HTTP://127.0.0.1:5", 200 }, { "null", 403 }, { "", 403 },
        { "http://evil.example", 403 }, { "https://127.0.0.1:5", 403 }, { "http://127.0.0.1", 403 },
        { "http://127.0.0.1:6", 403 },  { "http://127.0.0.1:5.evil.example", 403 }, { "http://localhost:5", 403 },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        HTTP_ANSWER a = { 0 };
        char request[256];
        unsigned before = site_get(&site, SITE_HANDLED);
        snprintf(request, sizeof request, "POST /echo HTTP/1.1\r\nHost: 127.0.0.1:5\r\nOrigin: %s\r\n" JSON_TYPE
                 "Content-Length: 2\r\n\r\n{}", rows[i].origin);
        assert_int_equal(try_text(request, &a), rows[i].status);
        if (rows[i].status == 403)
            assert_refusal(&a, 403, "origin_not_allowed", request);
        assert_int_equal(site_get(&site, SITE_HANDLED) - before, rows[i].status == 200);
        assert_int_equal(http_answer_count(&a, "Access-Control-Allow-Origin"), 0);
    }
    HTTP_ANSWER a = { 0 };
    try_text("GET /echo HTTP/1.1\r\n" HOST "Origin: http://127.0.0.1\r\nOrigin: http://evil.example\r\n\r\n", &a);
    assert_refusal(&a, 403, "origin_not_allowed", "two origins");
}

static void bodies_must_be_declared_json(void **state)
{
    (void) state;
    static const struct { const char *fields; int status; } rows[] = {
        { JSON_TYPE "Content-Length: 2\r\n\r\n{}", 200 },
        { "content-TYPE: Application/JSON ; charset=utf-8\r\nContent-Length: 2\r\n\r\n{}", 200 },
        { JSON_TYPE "Content-Length: 0\r\n\r\n", 200 },
        { "Content-Type: text/plain\r\nContent-Length: 0\r\n\r\n", 200 },
        { "Content-Length: 0\r\n\r\n", 200 },
        { "\r\n", 200 },
        { "Content-Length: 2\r\n\r\n{}", 415 },
        { "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}", 415 },
        { "Content-Type: application/jsonx\r\nContent-Length: 2\r\n\r\n{}", 415 },
        { "Content-Type: text/plain, application/json\r\nContent-Length: 2\r\n\r\n{}", 415 },
        { "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 2\r\n\r\n{}", 415 },
        { "Content-Type: multipart/form-data; boundary=x\r\nTransfer-Encoding: chunked\r\n\r\n"
          "2\r\n{}\r\n0\r\n\r\n", 415 },
    };
    static const char *const methods[] = { "POST", "PUT", "PATCH", "DELETE", "GET" };
    for (size_t i = 0; i < COUNT(rows) * COUNT(methods); i++) {
        HTTP_ANSWER a = { 0 };
        char request[512];
        int status = rows[i / COUNT(methods)].status;
        snprintf(request, sizeof request, "%s /echo HTTP/1.1\r\n" HOST "%s", methods[i % COUNT(methods)],
                 rows[i / COUNT(methods)].fields);
        if (try_text(request, &a) != status)
            fail_msg("%d for %s", a.status, request);
        if (status == 415)
            assert_refusal(&a, 415, "unsupported_media_type", request);
    }
    HTTP_ANSWER a = { 0 };
    assert_int_equal(try_text("PUT /raw HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nxy", &a), 200);
    assert_string_equal(a.body.data, "xy");
}

/* ---- requests that are not clear ---------------------------------------------------------- */

static void unclear_framing_is_refused(void **state)
{
    (void) state;
    static const char *const fields[] = {
        "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n",
        "Content-Length: 2\r\nContent-Length: 2\r\n",
        "Content-Length: +2\r\n",
        "Content-Length: 2, 2\r\n",
        "Content-Length: 0x2\r\n",
        "Content-Length: 99999999999999999999\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: identity\r\n",
    };
    for (size_t i = 0; i < COUNT(fields); i++) {
        HTTP_ANSWER a = { 0 };
        char request[512];
        snprintf(request, sizeof request, "POST /echo HTTP/1.1\r\n" HOST JSON_TYPE "%s\r\n{}", fields[i]);
        try_text(request, &a);
        assert_refusal(&a, 400, "bad_framing", request);
    }
    HTTP_ANSWER a = { 0 };
    try_text("POST /echo HTTP/1.0\r\n" JSON_TYPE "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", &a);
    assert_refusal(&a, 400, "bad_framing", "chunked HTTP/1.0");
    assert_int_equal(site_get(&site, SITE_HANDLED), 0);
}

/* What civetweb itself cannot read is answered in our words too. */
static void unreadable_requests_get_a_json_refusal(void **state)
{
    (void) state;
    static const struct { const char *request; int status; const char *code; } rows[] = {
        { "BREW /echo HTTP/1.1\r\n" HOST "\r\n", 400, "bad_request" },
        { "GET /echo\r\n\r\n", 400, "bad_request" },
        { "GET /echo HTTP/2.0\r\n" HOST "\r\n", 505, "bad_request" },
        { "GET /echo FTP/1.1\r\n" HOST "\r\n", 400, "bad_request" },
        { "GET  HTTP/1.1\r\n" HOST "\r\n", 400, "bad_request" },
        { "GET /echo HTTP/1.1\r\nno colon here\r\n\r\n", 400, "bad_request" },
        { "GET echo HTTP/1.1\r\n" HOST "\r\n", 400, "bad_request" },
        { "CONNECT evil.example:443 HTTP/1.1\r\n" HOST "\r\n", 400, "bad_request" },
        { "GET http://evil.example/ HTTP/1.1\r\n" HOST "\r\n", 400, "bad_target" },
        { "OPTIONS * HTTP/1.1\r\n" HOST "\r\n", 400, "bad_target" },
        { "POST /echo HTTP/1.1\r\n" HOST JSON_TYPE "Content-Length: x\r\n\r\n", 411, "bad_request" },
        { "POST /echo HTTP/1.1\r\n" HOST JSON_TYPE "Content-Length: -1\r\n\r\n", 411, "bad_request" },
        { "POST /echo HTTP/1.1\r\n" HOST JSON_TYPE "Transfer-Encoding: gzip\r\n\r\n", 400, "bad_request" },
        { "GET /%zz HTTP/1.1\r\n" HOST "\r\n", 400, "bad_path" },
        { "GET /%4 HTTP/1.1\r\n" HOST "\r\n", 400, "bad_path" },
        { "GET /% HTTP/1.1\r\n" HOST "\r\n", 400, "bad_path" },
        { "GET /a%00b HTTP/1.1\r\n" HOST "\r\n", 400, "bad_path" },
        { "GET /echo HTTP/1.1\r\n" HOST "Expect: 200-ok\r\n\r\n", 417, "bad_expectation" },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        HTTP_ANSWER a = { 0 };
        try_text(rows[i].request, &a);
        assert_refusal(&a, rows[i].status, rows[i].code, rows[i].request);
    }
    assert_int_equal(site_get(&site, SITE_HANDLED), 0);
}

static void oversized_heads_are_refused(void **state)
{
    (void) state;
    HTTP_ANSWER a = { 0 };
    BUF_AUTO request = BUF_INIT;
    buf_str(&request, "GET /echo HTTP/1.1\r\n" HOST);
    for (int i = 0; i < 100; i++)
        buf_printf(&request, "X-%d: y\r\n", i);
    buf_str(&request, "\r\n");
    try_request(request.data, request.len, &a);
    assert_refusal(&a, 431, "too_many_headers", "100 fields");
    buf_clear(&request);
    buf_str(&request, "GET /echo HTTP/1.1\r\n" HOST "X-Long: ");
    for (int i = 0; i < 20000; i++)
        buf_char(&request, 'x');
    buf_str(&request, "\r\n\r\n");
    try_request(request.data, request.len, &a);
    assert_refusal(&a, 400, "bad_request", "20000 bytes");
    assert_int_equal(site_get(&site, SITE_HANDLED), 0);
}

/* ---- bodies -------------------------------------------------------------------------------- */

static void oversized_bodies_are_a_limit_error(void **state)
{
    (void) state;
    HTTP_CLIENT c = HTTP_CLIENT_INIT;
    HTTP_ANSWER a = { 0 };
    /* Declared: refused without waiting for it. */
    site_join(&site, &c);
    assert_int_equal(http_client_text(&c, "POST /echo HTTP/1.1\r\n" HOST JSON_TYPE "Content-Length: %d\r\n"
                                          "Expect: 100-continue\r\n\r\n", MAX_BODY + 1), 0);
    assert_int_equal(http_client_answer(&c, &a, false), 0);
    assert_int_equal(a.status, 413);
    assert_true(a.closes);
    assert_int_equal(http_client_until_end(&c), 0);
    /* In chunks: refused when there is too much. */
    HTTP_CLIENT chunks = HTTP_CLIENT_INIT;
    static char piece[100002 + 8];
    memset(piece, 'x', sizeof piece);
    memcpy(piece, "186a0\r\n", 7);
    memcpy(piece + 7 + 100000, "\r\n", 2);
    site_join(&site, &chunks);
    assert_int_equal(http_client_text(&chunks, "POST /echo HTTP/1.1\r\n" HOST JSON_TYPE
                                               "Transfer-Encoding: chunked\r\n\r\n"), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(http_client_send(&chunks, piece, 100009), 0);
    assert_int_equal(http_client_answer(&chunks, &a, false), 0);
    assert_int_equal(a.status, 413);
    assert_true(a.closes);
    assert_int_equal(site_get(&site, SITE_BODY_LIMIT), 2);
    assert_int_equal(site_get(&site, SITE_BODIES), 0);
}

/* A client that writes all of its body before it reads, on a slow line: a reset would take the answer with it. */
static void a_slow_sender_of_too_much_still_gets_its_answer(void **state)
{
    (void) state;
    enum { PIECES = 25, PAUSE_MS = 60 };
    static char piece[100000];
    HTTP_CLIENT c = HTTP_CLIENT_INIT;
    HTTP_ANSWER a = { 0 };
    memset(piece, 'x', sizeof piece);
    site_join(&site, &c);
    assert_int_equal(http_client_text(&c, "POST /echo HTTP/1.1\r\n" HOST JSON_TYPE "Content-Length: %zu\r\n\r\n",
                                      PIECES * sizeof piece), 0);
    for (int i = 0; i < PIECES; i++) {
        assert_int_equal(http_client_send(&c, piece, sizeof piece), 0);
        poll(NULL, 0, PAUSE_MS);
    }
    assert_int_equal(http_client_answer(&c, &a, false), 0);
    assert_int_equal(a.status, 413);
}

static void cut_bodies_are_a_closed_error(void **state)
{
    (void) state;
    static const char *const requests[] = {
        "POST /echo HTTP/1.1\r\n" HOST JSON_TYPE "Content-Length: 100\r\n\r\n0123456789",
        "POST /echo HTTP/1.1\r\n" HOST JSON_TYPE "Content-Length: 100\r\n\r\n",
        "POST /echo HTTP/1.1\r\n" HOST JSON_TYPE "Transfer-Encoding: chunked\r\n\r\n5\r\nabc",
        "POST /echo HTTP/1.1\r\n" HOST JSON_TYPE "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        "POST /echo HTTP/1.1\r\n" HOST JSON_TYPE "Transfer-Encoding: chunked\r\n\r\n",
    };
    for (unsigned i = 0; i < COUNT(requests); i++) {
        HTTP_CLIENT c = HTTP_CLIENT_INIT;
        HTTP_ANSWER a = { 0 };
        site_join(&site, &c);
        assert_int_equal(http_client_text(&c, "%s", requests[i]), 0);
        assert_int_equal(http_client_end_sending(&c), 0);
        assert_int_equal(http_client_answer(&c, &a, false), 0);
        assert_int_equal(a.status, 400);
        assert_int_equal(site_get(&site, SITE_BODY_CLOSED), i + 1);
    }
    assert_int_equal(site_get(&site, SITE_BODIES), 0);
}

static void malformed_chunks_are_no_body(void **state)
{
    (void) state;
    static const char *const bodies[] = {
        "x\r\nabc\r\n0\r\n\r\n", "-1\r\na\r\n0\r\n\r\n", "3\r\nabcd\r\n0\r\n\r\n", "3\nabc\n0\n\n", "\r\n\r\n",
        "ffffffffffffffff\r\nabc\r\n0\r\n\r\n", "7fffffffffffffff\r\nabc", "0x3\r\nabc\r\n0\r\n\r\n",
    };
    for (unsigned i = 0; i < COUNT(bodies); i++) {
        HTTP_CLIENT c = HTTP_CLIENT_INIT;
        HTTP_ANSWER a = { 0 };
        site_join(&site, &c);
        assert_int_equal(http_client_text(&c, "POST /echo HTTP/1.1\r\n" HOST JSON_TYPE
                                              "Transfer-Encoding: chunked\r\n\r\n%s", bodies[i]), 0);
        assert_int_equal(http_client_end_sending(&c), 0);
        assert_int_equal(http_client_answer(&c, &a, false), 0);
        if (a.status != 400 && a.status != 413)
            fail_msg("%d for chunks %s", a.status, bodies[i]);
        assert_true(a.closes);
    }
    assert_int_equal(site_get(&site, SITE_BODIES), 0);
}

/* ---- slow clients --------------------------------------------------------------------------- */

/* Send a byte whenever nothing came for 20 ms, until the server ends it; the answer is left in `c`. */
static void trickle(struct http_client *c, const char *bytes)
{
    for (size_t i = 0;; i = bytes[i + 1] == '\0' ? 0 : i + 1) {
        int got = http_client_receive(c, 20);
        if (got < 0 || strstr(buf_cstr(&c->in), "\r\n\r\n") != NULL)
            return;
        if (http_client_send(c, bytes + i, 1) < 0)
            return;
    }
}

static void slow_heads_time_out(void **state)
{
    (void) state;
    static const char *const starts[] = { "GET /echo HTTP/1.1\r\n" HOST "X-Slow: ", "G", "GET /echo HTTP/1.1\r\n" };
    for (size_t i = 0; i < COUNT(starts) * 2; i++) {
        HTTP_CLIENT c = HTTP_CLIENT_INIT;
        HTTP_ANSWER a = { 0 };
        site_join(&site, &c);
        assert_int_equal(http_client_text(&c, "%s", starts[i / 2]), 0);
        if (i % 2 == 0)
            trickle(&c, "a");
        assert_int_equal(http_client_answer(&c, &a, false), 0);
        assert_refusal(&a, 408, "request_timeout", starts[i / 2]);
    }
    HTTP_CLIENT mute = HTTP_CLIENT_INIT;   /* who says nothing at all is told nothing */
    site_join(&site, &mute);
    assert_int_equal(http_client_until_end(&mute), 0);
    assert_int_equal(mute.in.len, 0);
}

static void slow_bodies_time_out(void **state)
{
    (void) state;
    static const struct { const char *fields, *bytes; } rows[] = {
        { "Content-Length: 1000\r\n\r\n", "x" },
        { "Content-Length: 1000\r\n\r\n", NULL },
        { "Transfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n" },
        { "Transfer-Encoding: chunked\r\n\r\nff\r\nabc", NULL },
    };
    for (unsigned i = 0; i < COUNT(rows); i++) {
        HTTP_CLIENT c = HTTP_CLIENT_INIT;
        HTTP_ANSWER a = { 0 };
        site_join(&site, &c);
        assert_int_equal(http_client_text(&c, "POST /echo HTTP/1.1\r\n" HOST JSON_TYPE "%s", rows[i].fields), 0);
        if (rows[i].bytes != NULL)
            trickle(&c, rows[i].bytes);
        assert_int_equal(http_client_answer(&c, &a, false), 0);
        assert_int_equal(a.status, 408);
        assert_true(a.closes);
        assert_int_equal(site_get(&site, SITE_BODY_TIMEOUT), i + 1);
    }
    assert_still_serves();
}

static void slow_clients_do_not_stop_the_others(void **state)
{
    (void) state;
    struct http_client slow[60];
    for (size_t i = 0; i < COUNT(slow); i++) {
        site_join(&site, &slow[i]);
        assert_int_equal(http_client_text(&slow[i], "GET /echo HTTP/1.1\r\nX-Slow: "), 0);
    }
    for (int i = 0; i < 100; i++)
        assert_still_serves();
    for (size_t i = 0; i < COUNT(slow); i++)
        http_client_close(&slow[i]);
}

/* ---- junk ------------------------------------------------------------------------------------ */

static uint64_t seed = 20240607;

static uint32_t next_random(void)
{
    seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (uint32_t) (seed >> 33);
}

static void put_random(struct buf *out, size_t len, bool printable)
{
    for (size_t i = 0; i < len; i++)
        buf_char(out, (char) (printable ? 33 + next_random() % 94 : next_random()));
}

/* One of several kinds of what is not a request of ours. */
static void put_junk(struct buf *out, unsigned kind)
{
    static const char tls[] = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    switch (kind % 10) {
    case 0: put_random(out, 1 + next_random() % 200, false); break;
    case 1: buf_add(out, tls, sizeof tls - 1); put_random(out, 100, false); break;
    case 2: buf_str(out, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"); break;
    case 3: put_random(out, next_random() % 300, true); buf_str(out, "\r\n\r\n"); break;
    case 4: buf_str(out, "GET /"); put_random(out, next_random() % 100, false); break;
    case 5: buf_str(out, "GET / HTTP/1.1\r\n"); put_random(out, 50, true); buf_str(out, "\r\n\r\n"); break;
    case 6: buf_str(out, "\r\n\r\n\r\n\r\n"); break;
    case 7: buf_str(out, "POST /echo HTTP/1.1\r\nHost: evil\r\nContent-Length: 5\r\n\r\n"); break;
    case 8: buf_str(out, "GET /echo HTTP/1.1\r\nHost: 127.0.0.1\r\n"); buf_add(out, "\0: x\r\n\r\n", 8); break;
    default: break;   /* nothing at all */
    }
}

static size_t open_fds(void)
{
    size_t n = 0;
    DIR *dir = opendir("/proc/self/fd");
    assert_non_null(dir);
    while (readdir(dir) != NULL)
        n++;
    closedir(dir);
    return n;
}

static void ten_thousand_junk_requests_run_nothing_and_leave_nothing(void **state)
{
    (void) state;
    assert_still_serves();
    unsigned before = site_get(&site, SITE_HANDLED);
    size_t fds = open_fds();
    for (unsigned i = 0; i < 10000; i++) {
        struct http_client c;
        BUF_AUTO junk = BUF_INIT;
        site_join(&site, &c);
        put_junk(&junk, i);
        http_client_send(&c, buf_cstr(&junk), junk.len);
        if (i % 10 < 2)
            http_client_reset(&c);
        else if (i % 10 == 3) {   /* polite: takes the refusal */
            assert_int_equal(http_client_until_end(&c), 0);
            http_client_close(&c);
        } else
            http_client_close(&c);
    }
    assert_true(site_await_open(&site, 0, 0, LIMIT_MS));
    assert_int_equal(site_get(&site, SITE_HANDLED), before);
    assert_still_serves();
    for (int64_t until = mono_ns() + LIMIT_MS * INT64_C(1000000); open_fds() > fds && mono_ns() < until;)
        assert_still_serves();
    assert_in_range(open_fds(), 0, fds);
}

static void clients_that_vanish_in_mid_request_leave_nothing(void **state)
{
    (void) state;
    static const char request[] = "POST /echo HTTP/1.1\r\n" HOST JSON_TYPE "Content-Length: 20\r\n\r\n"
                                  "{\"command\":\"true\"}  ";
    for (size_t cut = 1; cut < sizeof request; cut++) {
        struct http_client c;
        site_join(&site, &c);
        assert_int_equal(http_client_send(&c, request, cut), 0);
        if (cut % 2 == 0)
            http_client_reset(&c);
        else
            http_client_close(&c);
    }
    assert_true(site_await_open(&site, 0, 0, LIMIT_MS));
    assert_still_serves();
}

static void more_idle_connections_than_workers_do_not_lock_the_server(void **state)
{
    (void) state;
    enum { CLIENTS = 200 };   /* there are 94 workers */
    struct http_client clients[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) {
        HTTP_ANSWER a = { 0 };
        site_join(&site, &clients[i]);
        assert_int_equal(http_client_text(&clients[i], "GET /echo HTTP/1.1\r\n" HOST "\r\n"), 0);
        if (http_client_answer(&clients[i], &a, false) < 0)
            fail_msg("client %d: %s", i, clients[i].why);
        assert_int_equal(a.status, 200);
    }
    for (int i = 0; i < CLIENTS; i++)
        http_client_close(&clients[i]);
}

static void open_waits(struct http_client *clients, int count)
{
    for (int i = 0; i < count; i++) {
        site_join(&site, &clients[i]);
        assert_int_equal(http_client_text(&clients[i], "GET /wait HTTP/1.1\r\n" HOST "\r\n"), 0);
    }
}

static void idle_connections_make_room_for_those_with_work(void **state)
{
    (void) state;
    enum { IDLE = 80, BUSY = 40 };   /* there are 94 workers, and civetweb keeps idle ones for 15 s */
    struct http_client idle[IDLE], busy[BUSY];
    for (int i = 0; i < IDLE; i++) {
        HTTP_ANSWER a = { 0 };
        site_join(&site, &idle[i]);
        assert_int_equal(http_client_text(&idle[i], "GET /echo HTTP/1.1\r\n" HOST "\r\n"), 0);
        assert_int_equal(http_client_answer(&idle[i], &a, false), 0);
        assert_false(a.closes);
    }
    open_waits(busy, BUSY);
    assert_true(site_await(&site, SITE_OPENED, BUSY, 10000));
    site_release(&site);
    for (int i = 0; i < BUSY; i++) {
        HTTP_ANSWER a = { 0 };
        assert_int_equal(http_client_answer(&busy[i], &a, false), 0);
        assert_string_equal(a.body.data, "waited");
        http_client_close(&busy[i]);
    }
    for (int i = 0; i < IDLE; i++)
        http_client_close(&idle[i]);
}

/* A client that is slow to look sends its next request on a connection that has been ended meanwhile, and most do not
   send it again. */
static void idle_connections_are_left_alone_while_a_worker_is_free(void **state)
{
    (void) state;
    enum { BUSY = 80, LATE = 10, IDLE = 10, LOOK_MS = 1500 };   /* of 94 workers more than nine tenths, and not all */
    struct http_client idle[IDLE], busy[BUSY];
    struct pollfd looks[IDLE];
    open_waits(busy, BUSY - LATE);
    assert_true(site_await(&site, SITE_OPENED, BUSY - LATE, 10000));
    for (int i = 0; i < IDLE; i++) {
        HTTP_ANSWER a = { 0 };
        site_join(&site, &idle[i]);
        site_ask(&idle[i], &a, "GET /echo HTTP/1.1\r\n" HOST "\r\n");
        assert_false(a.closes);
        looks[i] = (struct pollfd) { .fd = idle[i].fd, .events = POLLIN };
    }
    open_waits(busy + BUSY - LATE, LATE);
    assert_true(site_await(&site, SITE_OPENED, BUSY, 10000));
    assert_int_equal(poll(looks, IDLE, LOOK_MS), 0);
    site_release(&site);
    for (int i = 0; i < BUSY; i++)
        http_client_close(&busy[i]);
    for (int i = 0; i < IDLE; i++)
        http_client_close(&idle[i]);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(only_local_names_are_taken_for_host),
        TEST(exactly_one_host_is_needed),
        TEST(foreign_origins_are_refused_before_anything_runs),
        TEST(bodies_must_be_declared_json),
        TEST(unclear_framing_is_refused),
        TEST(unreadable_requests_get_a_json_refusal),
        TEST(oversized_heads_are_refused),
        TEST(oversized_bodies_are_a_limit_error),
        TEST(a_slow_sender_of_too_much_still_gets_its_answer),
        TEST(cut_bodies_are_a_closed_error),
        TEST(malformed_chunks_are_no_body),
        TEST(slow_heads_time_out),
        TEST(slow_bodies_time_out),
        TEST(slow_clients_do_not_stop_the_others),
        TEST(ten_thousand_junk_requests_run_nothing_and_leave_nothing),
        TEST(clients_that_vanish_in_mid_request_leave_nothing),
        TEST(more_idle_connections_than_workers_do_not_lock_the_server),
        TEST(idle_connections_make_room_for_those_with_work),
        TEST(idle_connections_are_left_alone_while_a_worker_is_free),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
