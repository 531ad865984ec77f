/* transports/http: segments, real resets and orderly ends of faults, one by one; what observers are told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/support/http_faulty.h"
#include "tests/support/patience.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define HOST "Host: 127.0.0.1\r\n"
#define QUIET_MS 15
#define BODY "one\ntwo\nthree\n"

static void ask(struct http_client *c, const char *text)
{
    if (c->fd < 0)
        assert_int_equal(http_client_open(c, "127.0.0.1", faulty_site.port), 0);
    assert_int_equal(http_client_send(c, text, strlen(text)), 0);
}

static void get(struct http_client *c, const char *target)
{
    char text[256];
    snprintf(text, sizeof text, "GET %s HTTP/1.1\r\n" HOST "\r\n", target);
    ask(c, text);
}

/* 0: FIN; ECONNRESET; -1: there are more bytes. */
static int end_of(struct http_client *c)
{
    char byte;
    ssize_t n = recv(c->fd, &byte, 1, 0);
    return n > 0 ? -1 : n == 0 ? 0 : errno;
}

static unsigned count_fired(void)
{
    struct match_counts counts;
    faulty_get_counts(&faulty_site, &counts);
    assert_int_equal(counts.pending, 0);
    return (unsigned) counts.fired;
}

/* ---- pieces ------------------------------------------------------------------------------- */

static unsigned segments_of(const struct http_client *c)
{
    struct tcp_info info = { 0 };
    socklen_t len = sizeof info;
    assert_int_equal(getsockopt(c->fd, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
    assert_true(len > offsetof(struct tcp_info, tcpi_data_segs_in));
    return info.tcpi_data_segs_in;
}

/* Everything of a kept answer until its last byte. */
static void receive_answer(struct http_client *c, const char *tail)
{
    size_t len = strlen(tail);
    while (c->in.len < len || memcmp(c->in.data + c->in.len - len, tail, len) != 0) {
        if (http_client_need(c, c->in.len + 1) < 0)
            fail_msg("%s: %s", tail, c->why);
    }
}

static void split_sends_every_byte_by_itself(void **state)
{
    (void) state;
    static const struct { const char *path, *tail, *body; } rows[] = {
        { "/events", "0\r\n\r\n", "1\r\no\r\n1\r\nn\r\n1\r\ne\r\n1\r\n\n\r\n1\r\nt\r\n" },
        { "/chunks", "0\r\n\r\n", "1\r\no\r\n1\r\nn\r\n1\r\ne\r\n1\r\n\n\r\n1\r\nt\r\n" },
        { "/whole", BODY, BODY },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        HTTP_CLIENT c = HTTP_CLIENT_INIT;
        faulty_must_arm(NULL, "\"fault\": \"split\"");
        get(&c, rows[i].path);
        receive_answer(&c, rows[i].tail);
        assert_int_equal(segments_of(&c), c.in.len);
        assert_non_null(strstr(c.in.data, rows[i].body));
        assert_true(faulty_await(&faulty_site, 1));
        assert_int_equal(count_fired(), 1);
    }
}

static void split_from_its_place_on_cuts_pieces_of_its_size(void **state)
{
    (void) state;
    HTTP_CLIENT c = HTTP_CLIENT_INIT;
    faulty_must_arm("{ \"after_bytes\": 4 }", "\"fault\": { \"kind\": \"split\", \"bytes\": 3 }");
    get(&c, "/chunks");
    receive_answer(&c, "0\r\n\r\n");
    assert_non_null(strstr(c.in.data, "\r\n\r\n4\r\none\n\r\n3\r\ntwo\r\n1\r\n\n\r\n"
                                      "3\r\nthr\r\n3\r\nee\n\r\n0\r\n\r\n"));
    /* head; one chunk; four chunks of three parts that fit; the end in two pieces */
    assert_int_equal(segments_of(&c), 1 + 1 + 4 * 3 + 2);
}

/* What the client gets with its next read, though it takes its time: more than one piece would be there by then. */
static size_t read_late(struct http_client *c, char *out, size_t size)
{
    struct pollfd p = { .fd = c->fd, .events = POLLIN };
    assert_int_equal(poll(&p, 1, HTTP_CLIENT_LIMIT_MS), 1);
    poll(NULL, 0, QUIET_MS);
    ssize_t n = recv(c->fd, out, size, 0);
    assert_true(n > 0);
    return (size_t) n;
}

static void pieces_of_a_reply_are_a_read_each(void **state)
{
    (void) state;
    static const char *const pieces[] = { "one", "\n", "two\nt", "hree\n" };
    HTTP_CLIENT c = HTTP_CLIENT_INIT;
    char got[4096];
    faulty_must_arm(NULL, "\"reply\": { \"status\": 200, \"body\": \"one\\ntwo\\nthree\\n\", \"pieces\": [ 3, 1, 5 ] }");
    get(&c, "/whole");
    size_t head = read_late(&c, got, sizeof got);
    assert_memory_equal(got + head - 4, "\r\n\r\n", 4);
    for (size_t i = 0; i < COUNT(pieces); i++) {
        size_t n = read_late(&c, got, sizeof got);
        assert_int_equal(n, strlen(pieces[i]));
        assert_memory_equal(got, pieces[i], n);
    }
    assert_true(faulty_await(&faulty_site, 1));
    assert_int_equal(faulty_site.seen.told_end, EXCHANGE_COMPLETE);
    assert_int_equal(faulty_site.seen.told_bytes, sizeof BODY - 1);
}

static void split_pieces_are_a_read_each(void **state)
{
    (void) state;
    HTTP_CLIENT c = HTTP_CLIENT_INIT;
    char got[4096];
    faulty_must_arm("{ \"after_bytes\": 0 }", "\"fault\": { \"kind\": \"split\", \"bytes\": 6 }");
    get(&c, "/whole");
    read_late(&c, got, sizeof got);
    static const size_t sizes[] = { 6, 6, 2 };
    for (size_t i = 0; i < COUNT(sizes); i++)
        assert_int_equal(read_late(&c, got, sizeof got), sizes[i]);
}

static void client_that_goes_ends_an_answer_in_pieces(void **state)
{
    (void) state;
    HTTP_CLIENT c = HTTP_CLIENT_INIT;
    faulty_must_arm(NULL, "\"reply\": { \"status\": 200, \"body\": \"one\\ntwo\\nthree\\n\", \"pieces\": [ 3 ] }");
    get(&c, "/whole");
    struct pollfd p = { .fd = c.fd, .events = POLLIN };
    assert_int_equal(poll(&p, 1, HTTP_CLIENT_LIMIT_MS), 1);   /* the head; it reads nothing of it */
    http_client_reset(&c);
    assert_true(faulty_await(&faulty_site, 1));
    assert_int_equal(faulty_site.seen.end, EXCHANGE_CLIENT_GONE);
}

static void whole_answer_is_split_from_its_place_on(void **state)
{
    (void) state;
    HTTP_CLIENT c = HTTP_CLIENT_INIT;
    faulty_must_arm("{ \"after_bytes\": 1000 }", "\"fault\": { \"kind\": \"split\", \"bytes\": 100 }");
    get(&c, "/whole?size=2000");
    HTTP_ANSWER a = { 0 };
    assert_int_equal(http_client_answer(&c, &a, false), 0);
    assert_int_equal(a.body.len, 2000);
    assert_int_equal(segments_of(&c), 1 + 1 + 10);
}

/* ---- resets ------------------------------------------------------------------------------- */

static void reset_waits_until_a_slow_reader_has_everything(void **state)
{
    (void) state;
    enum { BEFORE = 9000000 };           /* more than the kernel takes for it at once */
    HTTP_CLIENT c = HTTP_CLIENT_INIT;
    HTTP_ANSWER a = { 0 };
    faulty_must_arm("{ \"after_bytes\": 9000000 }", "\"fault\": \"CONNECTION_RESET_BY_PEER\"");
    get(&c, "/whole?size=9000001");
    assert_int_equal(http_client_head(&c, &a), 0);
    assert_int_equal(http_client_need(&c, BEFORE), 0);
    assert_int_equal(end_of(&c), ECONNRESET);
    assert_int_equal(c.in.len, BEFORE);
    for (size_t i = 0; i < BEFORE; i++) {
        if (c.in.data[i] != faulty_fill(i))
            fail_msg("byte %zu differs", i);
    }
    assert_true(faulty_await(&faulty_site, 1));
    assert_int_equal(count_fired(), 1);
}

/* civetweb closes a connection when the handler has returned, a moment later: wait for it with comes_down_to. */
static size_t count_descriptors(void *unused)
{
    (void) unused;
    size_t count = 0;
    DIR *dir = opendir("/proc/self/fd");
    assert_non_null(dir);
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count;
}

static void resets_leak_no_descriptor_and_no_worker(void **state)
{
    (void) state;
    static const char *const targets[] = { "/events", "/chunks", "/whole" };
    HTTP_CLIENT kept = HTTP_CLIENT_INIT;         /* must never find another's bytes, or its own end */
    HTTP_ANSWER a = { 0 };
    faulty_must_arm("{ \"after_bytes\": 6 }", "\"fault\": \"CONNECTION_RESET_BY_PEER\"");
    get(&kept, "/plain");
    assert_int_equal(http_client_answer(&kept, &a, false), 0);
    size_t before = count_descriptors(NULL);
    for (unsigned i = 0; i < 120; i++) {         /* there are 84 workers */
        HTTP_CLIENT c = HTTP_CLIENT_INIT;
        get(&c, targets[i % COUNT(targets)]);
        get(&kept, "/plain");
        assert_int_equal(http_client_head(&c, &a), 0);
        int end;
        while ((end = end_of(&c)) == -1)
            continue;
        assert_int_equal(end, ECONNRESET);
        assert_int_equal(http_client_answer(&kept, &a, false), 0);
        assert_string_equal(a.body.data, "plain");
    }
    assert_true(faulty_await(&faulty_site, 120));
    assert_int_equal(count_fired(), 120);
    assert_true(comes_down_to(count_descriptors, NULL, before));
    assert_true(faulty_await_idle(&faulty_site));
}

/* ---- orderly ends -------------------------------------------------------------------------- */

/* Closing with unread input would make a reset of it. */
static void orderly_end_stays_one_with_input_unread(void **state)
{
    (void) state;
    static const struct { const char *at, *fault; size_t least; } rows[] = {
        { NULL, "\"fault\": \"EMPTY_RESPONSE\"", 0 },
        { NULL, "\"fault\": \"lost_reply\"", 0 },
        { "{ \"after_bytes\": 6 }", "\"fault\": \"cut\"", 100 },
        { "{ \"after_bytes\": 6 }", "\"fault\": \"MALFORMED_RESPONSE_CHUNK\"", 100 },
        { "{ \"after_bytes\": 6 }", "\"fault\": \"RANDOM_DATA_THEN_CLOSE\"", 100 },
    };
    static char body[100000];
    memset(body, ' ', sizeof body);
    for (size_t i = 0; i < COUNT(rows); i++) {
        HTTP_CLIENT c = HTTP_CLIENT_INIT;
        HTTP_CLIENT two = HTTP_CLIENT_INIT;
        faulty_must_arm(rows[i].at, rows[i].fault);
        ask(&c, "POST /chunks HTTP/1.1\r\n" HOST "Content-Type: application/json\r\nContent-Length: 100000\r\n\r\n");
        assert_int_equal(http_client_send(&c, body, sizeof body), 0);
        assert_int_equal(http_client_until_end(&c), 0);
        assert_string_equal(c.why, "end");
        assert_true(c.in.len >= rows[i].least);
        ask(&two, "GET /chunks HTTP/1.1\r\n" HOST "\r\nGET /plain HTTP/1.1\r\n" HOST "\r\n");
        assert_int_equal(http_client_until_end(&two), 0);
        assert_string_equal(two.why, "end");
        assert_true(two.in.len == 0 || memmem(two.in.data, two.in.len, "plain", 5) == NULL);
    }
}

/* A client in the middle of its upload must not be reset for what it sends on. */
static void orderly_end_lets_the_client_finish_sending(void **state)
{
    (void) state;
    static char body[50000];
    memset(body, ' ', sizeof body);
    HTTP_CLIENT c = HTTP_CLIENT_INIT;
    faulty_must_arm(NULL, "\"fault\": \"EMPTY_RESPONSE\"");
    ask(&c, "POST /chunks HTTP/1.1\r\n" HOST "Content-Type: application/json\r\nContent-Length: 100000\r\n\r\n");
    assert_int_equal(http_client_send(&c, body, sizeof body), 0);
    assert_int_equal(end_of(&c), 0);
    assert_int_equal(http_client_send(&c, body, sizeof body), 0);
    struct pollfd errors = { .fd = c.fd };
    assert_int_equal(poll(&errors, 1, 50), 0);
}

static void ended_connection_serves_no_other_request(void **state)
{
    (void) state;
    static const char *const faults[] = { "\"fault\": \"cut\"", "\"fault\": \"RANDOM_DATA_THEN_CLOSE\"",
                                          "\"fault\": \"MALFORMED_RESPONSE_CHUNK\"" };
    size_t before = count_descriptors(NULL);
    for (size_t i = 0; i < COUNT(faults); i++) {
        HTTP_CLIENT c = HTTP_CLIENT_INIT;
        faulty_must_arm("{ \"after_bytes\": 6 }", faults[i]);
        get(&c, "/whole");
        assert_int_equal(http_client_until_end(&c), 0);
        assert_string_equal(c.why, "end");
        get(&c, "/whole");
        assert_true(comes_down_to(count_descriptors, NULL, before + 1));
        assert_int_equal(faulty_begun(&faulty_site), 1);
    }
}

static void head_and_old_clients_meet_faults_too(void **state)
{
    (void) state;
    static const struct { const char *at, *fault, *request, *tail; int end; } rows[] = {
        { "{ \"after_bytes\": 0 }", "\"fault\": \"cut\"", "HEAD /chunks HTTP/1.1\r\n" HOST "\r\n", "\r\n\r\n", 0 },
        { "{ \"after_bytes\": 0 }", "\"fault\": \"CONNECTION_RESET_BY_PEER\"", "HEAD /whole HTTP/1.1\r\n" HOST "\r\n",
          "\r\n\r\n", ECONNRESET },
        { "{ \"after_bytes\": 6 }", "\"fault\": \"cut\"", "GET /chunks HTTP/1.0\r\n" HOST "\r\n",
          "\r\n\r\none\ntw", 0 },
        { "{ \"after_bytes\": 6 }", "\"fault\": { \"kind\": \"cut\", \"terminator\": true }",
          "GET /chunks HTTP/1.0\r\n" HOST "\r\n", "\r\n\r\none\ntw", 0 },
        { "{ \"after_events\": 2 }", "\"fault\": \"CONNECTION_RESET_BY_PEER\"",
          "GET /events HTTP/1.0\r\n" HOST "\r\n", "\r\n\r\none\ntwo\n", ECONNRESET },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        HTTP_CLIENT c = HTTP_CLIENT_INIT;
        faulty_must_arm(rows[i].at, rows[i].fault);
        ask(&c, rows[i].request);
        receive_answer(&c, rows[i].tail);
        assert_int_equal(end_of(&c), rows[i].end);
        assert_true(faulty_await(&faulty_site, 1));
        assert_int_equal(count_fired(), 1);
    }
}

static void random_bytes_and_delays_come_from_the_seed(void **state)
{
    (void) state;
    BUF_AUTO first = BUF_INIT;
    for (int i = 0; i < 2; i++) {
        HTTP_CLIENT c = HTTP_CLIENT_INIT;
        faulty_must_arm(NULL, "\"fault\": { \"kind\": \"RANDOM_DATA_THEN_CLOSE\", \"bytes\": 1000 }");
        get(&c, "/whole");
        assert_int_equal(http_client_until_end(&c), 0);
        assert_string_equal(c.why, "end");
        assert_int_equal(c.in.len, 1000);
        if (i == 0)
            buf_add(&first, c.in.data, c.in.len);
        assert_memory_equal(first.data, c.in.data, c.in.len);
    }
}

/* ---- what observers are told ---------------------------------------------------------------- */

static void observer_is_told_what_was_said_and_how_it_ended(void **state)
{
    (void) state;
    static const struct { const char *target, *bytes; int status; enum exchange_end end; } rows[] = {
        { "/whole", BODY, 200, EXCHANGE_COMPLETE },
        { "/chunks", BODY, 200, EXCHANGE_COMPLETE },
        { "/endless", "cut", 200, EXCHANGE_CUT },
        { "/nothing", "", 0, EXCHANGE_NO_ANSWER },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_int_equal(faulty_setup(state), 0);
        HTTP_CLIENT c = HTTP_CLIENT_INIT;
        char text[256];
        snprintf(text, sizeof text, "POST %s HTTP/1.1\r\n" HOST "Content-Type: application/json\r\n"
                 "Content-Length: 8\r\n\r\n[\"body\"]", rows[i].target);
        ask(&c, text);
        assert_true(faulty_await(&faulty_site, 1));
        assert_int_equal(faulty_site.seen.end, rows[i].end);
        assert_int_equal(faulty_site.seen.status, rows[i].status);
        assert_string_equal(buf_cstr(&faulty_site.seen.bytes), rows[i].bytes);
        if (rows[i].status != 0)
            assert_string_equal(buf_cstr(&faulty_site.seen.request), "[\"body\"]");
        faulty_stop(&faulty_site);
    }
}

/* Who has seen the end of an answer looks for nothing more: the ledger closes its entry then. */
static void end_of_an_answer_under_a_fault_is_told_behind_its_bytes(void **state)
{
    (void) state;
    static const char *const faults[] = {
        "\"split\"", "{ \"kind\": \"slow\", \"bytes_per_s\": 20 }", "{ \"kind\": \"stall\", \"ms\": 10 }",
        "{ \"kind\": \"dribble\", \"bytes\": 2, \"every_ms\": 100 }", "{ \"kind\": \"first_byte_delay\", \"ms\": 10 }",
        "\"expire_token\"", "\"duplicate_event\"",
    };
    for (size_t i = 0; i < COUNT(faults); i++) {
        HTTP_CLIENT c = HTTP_CLIENT_INIT;
        char fault[128];
        snprintf(fault, sizeof fault, "\"fault\": %s", faults[i]);
        faulty_must_arm(NULL, fault);
        get(&c, "/whole");
        while (c.in.len == 0 || memmem(c.in.data, c.in.len, BODY, sizeof BODY - 1) == NULL)
            assert_int_equal(faulty_receive_in_time(&faulty_site, &c, 10), 1);
        assert_true(faulty_await(&faulty_site, 1));
        assert_int_equal(faulty_site.seen.told_ends, 1);
        assert_int_equal(faulty_site.seen.told_end, EXCHANGE_COMPLETE);
        assert_int_equal(faulty_site.seen.told_bytes, sizeof BODY - 1);
        assert_string_equal(buf_cstr(&faulty_site.seen.bytes), BODY);
    }
}

static void end_of_an_empty_answer_under_a_fault_is_told_before_it_is_seen(void **state)
{
    (void) state;
    HTTP_CLIENT c = HTTP_CLIENT_INIT;
    HTTP_ANSWER a = { 0 };
    faulty_must_arm(NULL, "\"fault\": \"expire_token\"");
    get(&c, "/whole?size=0");
    assert_int_equal(http_client_answer(&c, &a, false), 0);
    assert_true(faulty_await(&faulty_site, 1));
    assert_int_equal(faulty_site.seen.told_ends, 1);
    assert_int_equal(faulty_site.seen.told_end, EXCHANGE_COMPLETE);
}

static void client_that_went_is_told_and_not_answered(void **state)
{
    (void) state;
    HTTP_CLIENT c = HTTP_CLIENT_INIT;
    get(&c, "/nobody");
    assert_true(faulty_await_begun(&faulty_site, 1));
    http_client_reset(&c);
    assert_true(faulty_await(&faulty_site, 1));
    assert_int_equal(faulty_site.seen.end, EXCHANGE_CLIENT_GONE);
    assert_int_equal(faulty_site.seen.status, 0);
}

static void headers_are_given_as_they_came(void **state)
{
    (void) state;
    HTTP_CLIENT c = HTTP_CLIENT_INIT;
    HTTP_ANSWER a = { 0 };
    ask(&c, "GET /headers HTTP/1.1\r\nHost: 127.0.0.1\r\nX-B: 2\r\nx-a: 1\r\nX-B: 3\r\n\r\n");
    assert_int_equal(http_client_answer(&c, &a, false), 0);
    assert_string_equal(a.body.data, "Host: 127.0.0.1\nX-B: 2\nx-a: 1\nX-B: 3\n");
    ask(&c, "GET /headers?max=2 HTTP/1.1\r\nHost: 127.0.0.1\r\nX-B: 2\r\nx-a: 1\r\n\r\n");
    assert_int_equal(http_client_answer(&c, &a, false), 0);
    assert_string_equal(a.body.data, "Host: 127.0.0.1\nX-B: 2\n");
}

#define WITH_SITE(f) cmocka_unit_test_setup_teardown(f, faulty_setup, faulty_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SITE(split_sends_every_byte_by_itself),
        WITH_SITE(split_from_its_place_on_cuts_pieces_of_its_size),
        WITH_SITE(pieces_of_a_reply_are_a_read_each),
        WITH_SITE(split_pieces_are_a_read_each),
        WITH_SITE(client_that_goes_ends_an_answer_in_pieces),
        WITH_SITE(whole_answer_is_split_from_its_place_on),
        WITH_SITE(reset_waits_until_a_slow_reader_has_everything),
        WITH_SITE(resets_leak_no_descriptor_and_no_worker),
        WITH_SITE(orderly_end_stays_one_with_input_unread),
        WITH_SITE(orderly_end_lets_the_client_finish_sending),
        WITH_SITE(ended_connection_serves_no_other_request),
        WITH_SITE(head_and_old_clients_meet_faults_too),
        WITH_SITE(random_bytes_and_delays_come_from_the_seed),
        cmocka_unit_test(observer_is_told_what_was_said_and_how_it_ended),
        WITH_SITE(end_of_an_answer_under_a_fault_is_told_behind_its_bytes),
        WITH_SITE(end_of_an_empty_answer_under_a_fault_is_told_before_it_is_seen),
        WITH_SITE(client_that_went_is_told_and_not_answered),
        WITH_SITE(headers_are_given_as_they_came),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
