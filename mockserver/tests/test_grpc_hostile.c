/* transports/grpc: bad input gets the right error, costs a bounded amount of memory, and nobody else notices. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <linux/sockios.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/support/grpc_site.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define MIB ((size_t) 1024 * 1024)
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MEMORY_BYTES (768 * MIB)   /* sanitizers keep what was freed */
#else
#define MEMORY_BYTES (48 * MIB)
#endif

/* Frame types and flags, and error codes of RFC 9113. */
enum { DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION };
enum { END_STREAM = 1, ACK = 1, END_HEADERS = 4 };
enum { PROTOCOL_ERROR = 1, FLOW_CONTROL_ERROR = 3, STREAM_CLOSED = 5, FRAME_SIZE_ERROR = 6, COMPRESSION_ERROR = 9 };
enum { ENDS_SOMEHOW = -1 };   /* with any error, or none */

static size_t resident_bytes(void)
{
    long pages = 0, ignored;
    FILE *file = fopen("/proc/self/statm", "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%ld %ld", &ignored, &pages), 2);
    fclose(file);
    return (size_t) pages * (size_t) sysconf(_SC_PAGESIZE);
}

/* ---- connections that break the protocol --------------------------------------------------- */

static void put_head(struct buf *out, unsigned flags, uint32_t id)
{
    BUF_AUTO block = BUF_INIT;
    h2_put_head_block(&block, "/t.Echo/Bidi");
    h2_put_frame(out, HEADERS, flags, id, block.data, block.len);
}

static void garbage(struct buf *out)
{
    for (int i = 0; i < 300; i++)
        buf_char(out, (char) (i * 37 + 11));
}

static void http1(struct buf *out)
{
    buf_str(out, "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
}

static void preface_with_a_wrong_end(struct buf *out)
{
    buf_str(out, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r ");
}

static void no_settings(struct buf *out)
{
    buf_str(out, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    put_head(out, END_HEADERS, 1);
}

static void data_on_the_connection(struct buf *out)
{
    h2_put_preface(out);
    h2_put_frame(out, DATA, 0, 0, "x", 1);
}

static void data_before_a_head(struct buf *out)
{
    h2_put_preface(out);
    h2_put_frame(out, DATA, 0, 1, "x", 1);
}

static void head_on_an_even_stream(struct buf *out)
{
    h2_put_preface(out);
    put_head(out, END_HEADERS, 2);
}

static void continuation_of_nothing(struct buf *out)
{
    h2_put_preface(out);
    h2_put_frame(out, CONTINUATION, END_HEADERS, 1, "", 0);
}

static void frame_inside_a_head(struct buf *out)
{
    h2_put_preface(out);
    put_head(out, 0, 1);
    h2_put_frame(out, PING, 0, 0, "12345678", 8);
}

static void continuation_of_another_stream(struct buf *out)
{
    h2_put_preface(out);
    put_head(out, 0, 1);
    h2_put_frame(out, CONTINUATION, END_HEADERS, 3, "", 0);
}

static void settings_of_five_bytes(struct buf *out)
{
    h2_put_preface(out);
    h2_put_frame(out, SETTINGS, 0, 0, "12345", 5);
}

static void settings_ack_with_content(struct buf *out)
{
    h2_put_preface(out);
    h2_put_frame(out, SETTINGS, ACK, 0, "\0\3\0\0\0\1", 6);
}

static void settings_on_a_stream(struct buf *out)
{
    h2_put_preface(out);
    h2_put_frame(out, SETTINGS, 0, 1, "", 0);
}

static void settings_with_a_window_too_large(struct buf *out)
{
    h2_put_preface(out);
    h2_put_frame(out, SETTINGS, 0, 0, "\0\4\x80\0\0\0", 6);
}

static void ping_of_seven_bytes(struct buf *out)
{
    h2_put_preface(out);
    h2_put_frame(out, PING, 0, 0, "1234567", 7);
}

static void window_of_nothing(struct buf *out)
{
    h2_put_preface(out);
    h2_put_frame(out, WINDOW_UPDATE, 0, 0, "\0\0\0\0", 4);
}

static void window_that_overflows(struct buf *out)
{
    h2_put_preface(out);
    h2_put_frame(out, WINDOW_UPDATE, 0, 0, "\x7f\xff\xff\xff", 4);
}

static void reset_of_an_idle_stream(struct buf *out)
{
    h2_put_preface(out);
    h2_put_frame(out, RST_STREAM, 0, 7, "\0\0\0\10", 4);
}

static void reset_of_three_bytes(struct buf *out)
{
    h2_put_preface(out);
    put_head(out, END_HEADERS, 1);
    h2_put_frame(out, RST_STREAM, 0, 1, "\0\0\0", 3);
}

static void push_from_a_client(struct buf *out)
{
    h2_put_preface(out);
    put_head(out, END_HEADERS, 1);
    h2_put_frame(out, PUSH_PROMISE, END_HEADERS, 1, "\0\0\0\2", 4);
}

static void frame_too_large(struct buf *out)
{
    BUF_AUTO data = BUF_INIT;
    buf_reserve(&data, 20000);
    h2_put_preface(out);
    put_head(out, END_HEADERS, 1);
    for (int i = 0; i < 16385; i++)
        buf_char(&data, 'x');
    h2_put_frame(out, DATA, 0, 1, data.data, data.len);
}

static void head_of_garbage(struct buf *out)
{
    h2_put_preface(out);
    h2_put_frame(out, HEADERS, END_HEADERS, 1, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
}

static void head_with_an_index_of_nothing(struct buf *out)
{
    h2_put_preface(out);
    h2_put_frame(out, HEADERS, END_HEADERS, 1, "\xc6", 1);
}

static void padding_longer_than_the_frame(struct buf *out)
{
    h2_put_preface(out);
    put_head(out, END_HEADERS, 1);
    h2_put_frame(out, DATA, 8, 1, "\x20" "abc", 4);
}

static void message_after_half_close(struct buf *out)
{
    h2_put_preface(out);
    put_head(out, END_HEADERS, 1);
    h2_put_frame(out, DATA, END_STREAM, 1, "\0\0\0\0\1a", 6);
    h2_put_frame(out, DATA, 0, 1, "\0\0\0\0\1b", 6);
}

static const struct { void (*put)(struct buf *out); int code; } breaks[] = {
    { garbage, ENDS_SOMEHOW },
    { http1, ENDS_SOMEHOW },
    { preface_with_a_wrong_end, ENDS_SOMEHOW },
    { no_settings, PROTOCOL_ERROR },
    { data_on_the_connection, PROTOCOL_ERROR },
    { data_before_a_head, PROTOCOL_ERROR },
    { head_on_an_even_stream, PROTOCOL_ERROR },
    { continuation_of_nothing, PROTOCOL_ERROR },
    { frame_inside_a_head, PROTOCOL_ERROR },
    { continuation_of_another_stream, PROTOCOL_ERROR },
    { settings_of_five_bytes, FRAME_SIZE_ERROR },
    { settings_ack_with_content, FRAME_SIZE_ERROR },
    { settings_on_a_stream, PROTOCOL_ERROR },
    { settings_with_a_window_too_large, FLOW_CONTROL_ERROR },
    { ping_of_seven_bytes, FRAME_SIZE_ERROR },
    { window_of_nothing, PROTOCOL_ERROR },
    { window_that_overflows, FLOW_CONTROL_ERROR },
    { reset_of_an_idle_stream, PROTOCOL_ERROR },
    { reset_of_three_bytes, FRAME_SIZE_ERROR },
    { push_from_a_client, PROTOCOL_ERROR },
    { frame_too_large, FRAME_SIZE_ERROR },
    { head_of_garbage, COMPRESSION_ERROR },
    { head_with_an_index_of_nothing, COMPRESSION_ERROR },
    { padding_longer_than_the_frame, PROTOCOL_ERROR },
    { message_after_half_close, STREAM_CLOSED },
};

static void connection_that_breaks_the_protocol_is_ended_with_the_reason(void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT(breaks); i++) {
        BUF_AUTO out = BUF_INIT;
        BUF_AUTO came = BUF_INIT;
        breaks[i].put(&out);
        int fd = h2_dial(grpc_site.port, 0);
        assert_true(fd >= 0);
        h2_dial_send(fd, out.data, out.len);
        bool ended = h2_dial_drain(fd, &came, H2_LIMIT_MS);
        close(fd);
        if (!ended || (breaks[i].code >= 0 && h2_goaway_in(&came) != breaks[i].code))
            fail_msg("row %zu: ended %d, GOAWAY %ld, wanted %d", i, ended, (long) h2_goaway_in(&came), breaks[i].code);
        assert_true(h2_goaway_in(&came) != 0);
    }
    grpc_site_must_be_well();
    assert_true(grpc_site_await_idle(&grpc_site));
    assert_int_equal(grpc_site_seen(&grpc_site).went_on, 0);
}

static void data_beyond_the_window_of_a_stream_ends_that_stream(void **state)
{
    (void) state;
    char chunk[16384] = { 0 };
    BUF_AUTO out = BUF_INIT;
    BUF_AUTO came = BUF_INIT;
    BUF_AUTO block = BUF_INIT;
    h2_put_preface(&out);
    h2_put_head_block(&block, "/t.Echo/Keep");
    h2_put_frame(&out, HEADERS, END_HEADERS, 1, block.data, block.len);
    h2_put_frame(&out, DATA, 0, 1, "\0\0\0\0\1a", 6);   /* kept, so that no window comes back */
    for (size_t i = 0; i < 100; i++)
        h2_put_frame(&out, DATA, 0, 1, chunk, sizeof chunk);
    h2_put_call(&out, 3, "/t.Echo/Unary", "still here", 10);
    h2_put_frame(&out, GOAWAY, 0, 0, "\0\0\0\0\0\0\0\0", 8);
    int fd = h2_dial(grpc_site.port, 0);
    assert_true(h2_dial_send(fd, out.data, out.len));
    assert_true(h2_dial_drain(fd, &came, H2_LIMIT_MS));
    close(fd);
    assert_int_equal(h2_reset_in(&came), FLOW_CONTROL_ERROR);
    assert_non_null(memmem(came.data, came.len, "still here", 10));
    grpc_site_release(&grpc_site);
    assert_true(grpc_site_await_idle(&grpc_site));
    grpc_site_disarm(&grpc_site);
}

/* ---- streams that break gRPC --------------------------------------------------------------- */

static const struct {
    const char *name, *path;
    const char *more[3];
    const char *data;
    size_t len;
    int http_status, status;
} misfits[] = {
    { "unknown method", "/t.Echo/Nothing", { NULL }, "\0\0\0\0\0", 5, 200, GRPC_UNIMPLEMENTED },
    { "unknown service", "/x.Y/Unary", { NULL }, "\0\0\0\0\0", 5, 200, GRPC_UNIMPLEMENTED },
    { "no path of a method", "/", { NULL }, "\0\0\0\0\0", 5, 200, GRPC_UNIMPLEMENTED },
    { "other content type", "/t.Echo/Unary", { "content-type", "application/json" }, "{}", 2, 415, -1 },
    { "JSON messages", "/t.Echo/Unary", { "content-type", "application/grpc+json" }, "\0\0\0\0\0", 5, 415, -1 },
    { "no content type", "/t.Echo/Unary", { "content-type", "" }, "\0\0\0\0\0", 5, 415, -1 },
    { "PUT", "/t.Echo/Unary", { ":method", "PUT" }, "\0\0\0\0\0", 5, 405, -1 },
    { "name of another machine", "/t.Echo/Unary", { ":authority", "evil.example" }, "\0\0\0\0\0", 5, 200,
      GRPC_PERMISSION_DENIED },
    { "a web page", "/t.Echo/Unary", { "origin", "http://evil.example" }, "\0\0\0\0\0", 5, 200,
      GRPC_PERMISSION_DENIED },
    { "bad timeout", "/t.Echo/Unary", { "grpc-timeout", "soon" }, "\0\0\0\0\0", 5, 200, GRPC_INTERNAL },
    { "compressed message", "/t.Echo/Unary", { NULL }, "\1\0\0\0\1x", 6, 200, GRPC_UNIMPLEMENTED },
    { "bad flag", "/t.Echo/Unary", { NULL }, "\7\0\0\0\1x", 6, 200, GRPC_INTERNAL },
    { "message cut short", "/t.Echo/Unary", { NULL }, "\0\0\0\0\5abc", 8, 200, GRPC_INTERNAL },
    { "prefix cut short", "/t.Echo/Unary", { NULL }, "\0\0\0", 3, 200, GRPC_INTERNAL },
    { "message cut short in a stream", "/t.Echo/Bidi", { NULL }, "\0\0\0\0\5abc", 8, 200, GRPC_INTERNAL },
    { "message of 4 GiB", "/t.Echo/Unary", { NULL }, "\0\xff\xff\xff\xff" "abc", 8, 200, GRPC_RESOURCE_EXHAUSTED },
    { "two messages", "/t.Echo/Unary", { NULL }, "\0\0\0\0\1a\0\0\0\0\1b", 12, 200, GRPC_UNIMPLEMENTED },
    { "two messages for a stream", "/t.Echo/Count", { NULL }, "\0\0\0\0\1a\0\0\0\0\1b", 12, 200, GRPC_UNIMPLEMENTED },
    { "no message", "/t.Echo/Unary", { NULL }, "", 0, 200, GRPC_UNIMPLEMENTED },
};

static void stream_that_breaks_grpc_ends_with_the_right_status(void **state)
{
    (void) state;
    struct h2_client c;
    grpc_site_join(&c);
    for (size_t i = 0; i < COUNT(misfits); i++) {
        struct h2_stream *s = h2_open(&c, misfits[i].path, misfits[i].more);
        h2_send(s, misfits[i].data, misfits[i].len, true);
        assert_true(h2_await_closed(s));
        long http_status = strtol(h2_field(s, ":status"), NULL, 10);
        if (http_status != misfits[i].http_status || h2_status(s) != misfits[i].status || s->in.len > 0)
            fail_msg("%s: HTTP %ld, status %d", misfits[i].name, http_status, h2_status(s));
        assert_true(s->is_ended);
        assert_int_equal(h2_unary(&c, "/t.Echo/Unary", "x", 1, NULL), 0);   /* on the same connection */
    }
    h2_close(&c);
    assert_true(grpc_site_await_idle(&grpc_site));
    assert_int_equal(grpc_site_seen(&grpc_site).went_on, 0);
}

/* HPACK: a literal without Huffman coding; `len` from 127 on. */
static void put_long_field(struct buf *out, size_t len)
{
    buf_add(out, "\0\1x\x7f", 4);
    for (len -= 127; len >= 128; len >>= 7)
        buf_char(out, (char) (len | 128));
    buf_char(out, (char) len);
}

/* As many CONTINUATIONs as it takes. */
static void put_block(struct buf *out, uint32_t id, const struct buf *block)
{
    enum { FRAME = 16384 };
    for (size_t at = 0; at < block->len; at += FRAME) {
        size_t n = block->len - at < FRAME ? block->len - at : FRAME;
        h2_put_frame(out, at == 0 ? HEADERS : CONTINUATION, at + n == block->len ? END_HEADERS : 0, id,
                     block->data + at, n);
    }
}

/* One refusal, and the next call on the same connection is served. */
static void assert_head_is_refused(const struct buf *block)
{
    BUF_AUTO out = BUF_INIT;
    BUF_AUTO came = BUF_INIT;
    struct grpc_stats before, after;
    grpc_server_stats(grpc_site.server, &before);
    h2_put_preface(&out);
    put_block(&out, 1, block);
    h2_put_frame(&out, DATA, END_STREAM, 1, "\0\0\0\0\0", 5);
    h2_put_call(&out, 3, "/t.Echo/Unary", "still here", 10);
    h2_put_frame(&out, GOAWAY, 0, 0, "\0\0\0\0\0\0\0\0", 8);
    int fd = h2_dial(grpc_site.port, 0);
    assert_true(h2_dial_send(fd, out.data, out.len));
    assert_true(h2_dial_drain(fd, &came, H2_LIMIT_MS));
    close(fd);
    grpc_server_stats(grpc_site.server, &after);
    assert_int_equal(after.refused, before.refused + 1);
    assert_non_null(memmem(came.data, came.len, "still here", 10));
}

static void metadata_that_is_too_large_is_refused(void **state)
{
    enum { FIELDS = 9, BYTES = 8000 };
    (void) state;
    BUF_AUTO block = BUF_INIT;
    h2_put_head_block(&block, "/t.Echo/Unary");
    for (int i = 0; i < FIELDS; i++) {
        put_long_field(&block, BYTES);
        for (int b = 0; b < BYTES; b++)
            buf_char(&block, 'v');
    }
    assert_head_is_refused(&block);
}

static void fields_beyond_a_hundred_are_refused(void **state)
{
    (void) state;
    BUF_AUTO block = BUF_INIT;
    h2_put_head_block(&block, "/t.Echo/Unary");
    for (int i = 0; i < 200; i++)
        buf_add(&block, "\0\1x\1y", 5);
    assert_head_is_refused(&block);
}

/* ---- every place to cut ---------------------------------------------------------------------- */

static bool has_answer(const struct buf *came, const char *text)
{
    return came->len > 0 && memmem(came->data, came->len, text, strlen(text)) != NULL;
}

static void await_taken(int fd)
{
    int waiting = 1;
    struct pollfd p = { .fd = fd };
    while (ioctl(fd, SIOCOUTQ, &waiting) == 0 && waiting > 0)
        poll(&p, 1, 0);
}

static void request_may_be_cut_anywhere(void **state)
{
    (void) state;
    BUF_AUTO out = BUF_INIT;
    h2_put_preface(&out);
    h2_put_call(&out, 1, "/t.Echo/Unary", "cut me", 6);
    h2_put_frame(&out, GOAWAY, 0, 0, "\0\0\0\0\0\0\0\0", 8);
    for (size_t at = 0; at <= out.len; at++) {
        BUF_AUTO came = BUF_INIT;
        int fd = h2_dial(grpc_site.port, 0);
        assert_true(h2_dial_send(fd, out.data, at));
        await_taken(fd);
        assert_true(h2_dial_send(fd, out.data + at, out.len - at));
        assert_true(h2_dial_drain(fd, &came, H2_LIMIT_MS));
        close(fd);
        assert_true(has_answer(&came, "cut me"));
        assert_int_equal(h2_goaway_in(&came), -1);
    }
}

static void request_may_come_byte_by_byte(void **state)
{
    (void) state;
    BUF_AUTO out = BUF_INIT;
    BUF_AUTO came = BUF_INIT;
    h2_put_preface(&out);
    h2_put_call(&out, 1, "/t.Echo/Unary", "crumbs", 6);
    h2_put_frame(&out, GOAWAY, 0, 0, "\0\0\0\0\0\0\0\0", 8);
    int fd = h2_dial(grpc_site.port, 0);
    for (size_t i = 0; i < out.len; i++) {
        assert_true(h2_dial_send(fd, out.data + i, 1));
        await_taken(fd);
    }
    assert_true(h2_dial_drain(fd, &came, H2_LIMIT_MS));
    close(fd);
    assert_true(has_answer(&came, "crumbs"));
}

/* ---- floods ---------------------------------------------------------------------------------- */

/* The same bytes again and again; true when the server had enough of it before `max` of them. */
static bool flood(int fd, const struct buf *bytes, size_t max)
{
    for (size_t sent = 0; sent < max; sent += bytes->len) {
        if (!h2_dial_send(fd, bytes->data, bytes->len))
            return true;
    }
    return false;
}

/* In bytes that is no bound: a connection that is cut off still takes what comes for a moment, and throws it away. */
static bool flood_until_cut_off(int fd, const struct buf *bytes)
{
    int64_t until_ns = mono_ns() + H2_LIMIT_MS * INT64_C(1000000);
    while (mono_ns() < until_ns) {
        if (flood(fd, bytes, MIB))
            return true;
    }
    return false;
}

static void fill_with(struct buf *out, unsigned type, unsigned flags, uint32_t id, const char *payload, size_t len)
{
    while (out->len < 65536)
        h2_put_frame(out, type, flags, id, payload, len);
}

static int begin_flood(void)
{
    BUF_AUTO preface = BUF_INIT;
    h2_put_preface(&preface);
    int fd = h2_dial(grpc_site.port, 4096);
    assert_true(fd >= 0);
    assert_true(h2_dial_send(fd, preface.data, preface.len));
    return fd;
}

static void who_floods_and_does_not_read_is_cut_off(void **state)
{
    static const struct { unsigned type; const char *payload; size_t len; } floods[] = {
        { SETTINGS, "", 0 }, { PING, "12345678", 8 }, { SETTINGS, "\0\4\0\0\0\1", 6 },
    };
    (void) state;
    size_t before = resident_bytes();
    for (size_t i = 0; i < COUNT(floods); i++) {
        BUF_AUTO bytes = BUF_INIT;
        fill_with(&bytes, floods[i].type, 0, 0, floods[i].payload, floods[i].len);
        int fd = begin_flood();
        assert_true(flood_until_cut_off(fd, &bytes));
        close(fd);
        grpc_site_must_be_well();
    }
    assert_true(resident_bytes() < before + MEMORY_BYTES);
    assert_true(grpc_site_await_idle(&grpc_site));
}

static void continuation_flood_is_cut_off(void **state)
{
    (void) state;
    BUF_AUTO head = BUF_INIT;
    BUF_AUTO bytes = BUF_INIT;
    size_t before = resident_bytes();
    put_head(&head, 0, 1);
    fill_with(&bytes, CONTINUATION, 0, 1, "\0\1x\1y\0\1x\1y\0\1x\1y", 15);
    int fd = begin_flood();
    assert_true(h2_dial_send(fd, head.data, head.len));
    assert_true(flood_until_cut_off(fd, &bytes));
    close(fd);
    grpc_site_must_be_well();
    assert_true(resident_bytes() < before + MEMORY_BYTES);
    assert_true(grpc_site_await_idle(&grpc_site));
}

static void empty_frames_cost_nothing(void **state)
{
    (void) state;
    struct h2_client c;
    BUF_AUTO bytes = BUF_INIT;
    BUF_AUTO came = BUF_INIT;
    size_t before = resident_bytes();
    BUF_AUTO head = BUF_INIT;
    put_head(&head, END_HEADERS, 1);
    h2_put_frame(&head, DATA, 0, 1, "\0\0\0", 3);
    fill_with(&bytes, DATA, 0, 1, "", 0);
    int fd = begin_flood();
    assert_true(h2_dial_send(fd, head.data, head.len));
    flood(fd, &bytes, 2 * MIB);
    head.len = 0;
    h2_put_frame(&head, DATA, END_STREAM, 1, "\0\1a", 3);
    h2_put_frame(&head, GOAWAY, 0, 0, "\0\0\0\0\0\0\0\0", 8);
    h2_dial_send(fd, head.data, head.len);
    assert_true(h2_dial_drain(fd, &came, H2_LIMIT_MS));
    close(fd);
    grpc_site_join(&c);
    assert_int_equal(h2_unary(&c, "/t.Echo/Unary", "x", 1, NULL), 0);
    h2_close(&c);
    assert_true(resident_bytes() < before + MEMORY_BYTES);
    assert_true(grpc_site_await_idle(&grpc_site));
}

static void ten_thousand_resets_leave_nothing_behind(void **state)
{
    enum { RESETS = 10000 };
    (void) state;
    BUF_AUTO bytes = BUF_INIT;
    BUF_AUTO came = BUF_INIT;
    size_t before = resident_bytes();
    for (uint32_t i = 0; i < RESETS; i++) {
        put_head(&bytes, END_HEADERS, 1 + 2 * i);
        h2_put_frame(&bytes, RST_STREAM, 0, 1 + 2 * i, "\0\0\0\10", 4);
    }
    h2_put_frame(&bytes, GOAWAY, 0, 0, "\0\0\0\0\0\0\0\0", 8);
    int fd = begin_flood();
    h2_dial_send(fd, bytes.data, bytes.len);
    assert_true(h2_dial_drain(fd, &came, H2_LIMIT_MS));
    close(fd);
    grpc_site_must_be_well();
    assert_true(grpc_site_await_idle(&grpc_site));
    struct grpc_seen seen = grpc_site_seen(&grpc_site);
    assert_int_equal(seen.begun, seen.over);
    assert_int_equal(seen.went_on, 0);
    assert_true(resident_bytes() < before + MEMORY_BYTES);
}

/* ---- clients that do not read ------------------------------------------------------------------ */

static void window_that_never_opens_holds_a_bounded_answer(void **state)
{
    enum { STREAMS = 100 };
    const struct h2_options shut = { .stream_window = -1 };
    (void) state;
    struct h2_client c;
    struct grpc_stats stats;
    assert_int_equal(h2_connect(&c, grpc_site.port, &shut), 0);
    struct h2_stream *last = NULL;
    for (int i = 0; i < STREAMS; i++) {
        last = h2_open(&c, "/t.Echo/Count", NULL);
        h2_send_message(last, "100000 10000", 12, true);
    }
    assert_true(h2_await_head(last));
    grpc_server_stats(grpc_site.server, &stats);
    assert_true(stats.answer_bytes <= STREAMS * (MIB / 4 + 10005));
    assert_true(stats.answer_bytes >= MIB / 4);
    assert_int_equal(last->in.len, 0);
    grpc_site_must_be_well();
    h2_give_window(last, 100);
    assert_true(h2_await_bytes(last, 100));
    h2_close(&c);
    assert_true(grpc_site_await_idle(&grpc_site));
}

static void client_that_reads_nothing_holds_a_bounded_answer(void **state)
{
    enum { STREAMS = 50 };
    const struct h2_options wide = { .stream_window = 64 << 20, .connection_window = 1 << 30, .receive_buffer = 4096 };
    (void) state;
    struct h2_client c;
    size_t before = resident_bytes();
    grpc_site_disarm(&grpc_site);
    assert_int_equal(h2_connect(&c, grpc_site.port, &wide), 0);
    assert_true(h2_await_settings(&c));
    c.is_mute = true;
    for (int i = 0; i < STREAMS; i++)
        h2_send_message(h2_open(&c, "/t.Echo/Count", NULL), "100000 10000", 12, true);
    h2_step(&c);
    assert_true(grpc_site_await_begun(&grpc_site, STREAMS));
    for (int i = 0; i < 20; i++)
        grpc_site_must_be_well();
    assert_true(resident_bytes() < before + MEMORY_BYTES);
    h2_close(&c);
    assert_true(grpc_site_await_idle(&grpc_site));
    assert_int_equal(grpc_site_seen(&grpc_site).went_on, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connection_that_breaks_the_protocol_is_ended_with_the_reason),
        cmocka_unit_test(data_beyond_the_window_of_a_stream_ends_that_stream),
        cmocka_unit_test(stream_that_breaks_grpc_ends_with_the_right_status),
        cmocka_unit_test(metadata_that_is_too_large_is_refused),
        cmocka_unit_test(fields_beyond_a_hundred_are_refused),
        cmocka_unit_test(request_may_be_cut_anywhere),
        cmocka_unit_test(request_may_come_byte_by_byte),
        cmocka_unit_test(who_floods_and_does_not_read_is_cut_off),
        cmocka_unit_test(continuation_flood_is_cut_off),
        cmocka_unit_test(empty_frames_cost_nothing),
        cmocka_unit_test(ten_thousand_resets_leave_nothing_behind),
        cmocka_unit_test(window_that_never_opens_holds_a_bounded_answer),
        cmocka_unit_test(client_that_reads_nothing_holds_a_bounded_answer),
    };
    return cmocka_run_group_tests(tests, grpc_site_setup, grpc_site_teardown);
}
