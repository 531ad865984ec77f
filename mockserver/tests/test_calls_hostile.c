/* Bad input for the whole gRPC side, dialect and engine behind it: messages that are none, and very many calls at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/support/call_site.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MEMORY_KB (768L * 1024)   /* sanitizers keep what was freed */
#else
#define MEMORY_KB (48L * 1024)
#endif

enum { OK = 0, INVALID_ARGUMENT = 3, UNIMPLEMENTED = 12, INTERNAL = 13 };
enum { DATA, HEADERS, RST_STREAM = 3, GOAWAY = 7 };
enum { END_STREAM = 1, END_HEADERS = 4 };

/* ---- messages that are none ----------------------------------------------------------------------- */

#define TEN "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"

/* For Get and a StreamExec's init: field 1 is a text in one, and a message with a text in field 1 in the other. */
static const struct {
    const char *name, *bytes;
    size_t len;
    bool is_nested;   /* as the content of field 1 for StreamExec, as it stands for Get; else as it stands for both */
} bad[] = {
    { "a varint without an end", "\x10" TEN, 11, true },
    { "a varint of eleven bytes", "\x10" TEN "\x01", 12, true },
    { "a tag without an end", "\xff\xff", 2, true },
    { "a tag of eleven bytes", TEN "\x01", 11, true },
    { "field number 0", "\x02\x00", 2, true },
    { "wire type 6", "\x0e\x00", 2, true },
    { "wire type 7", "\x0f\x00", 2, true },
    { "a group", "\x0b\x0c", 2, true },
    { "the end of a group", "\x0c", 1, true },
    { "a text longer than all", "\x0a\x7f" "abc", 5, true },
    { "a length of 2 GiB", "\x0a\xff\xff\xff\xff\x07" "abc", 9, true },
    { "a length of 2^64 - 1", "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01" "abc", 14, true },
    { "a length that is cut", "\x0a\xff", 2, true },
    { "a text that is not UTF-8", "\x0a\x02\xc3\x28", 4, true },
    { "a surrogate", "\x0a\x03\xed\xa0\x80", 5, true },
    { "half a character", "\x0a\x01\xc3", 3, true },
    { "a text with a NUL", "\x0a\x03" "a\0b", 5, true },
    { "a text that is a number", "\x08\x01", 2, true },
    { "an unknown field that is cut", "\xfa\x01\x7f", 3, true },
    { "garbage", "\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8", 8, false },
    { "JSON", "{\"sandbox_id\":\"x\"}", 18, false },
};

/* Status INTERNAL and nothing else; the connection goes on. */
static void assert_unreadable(struct call_site *site, const char *what, const char *name, const void *bytes, size_t len)
{
    struct h2_stream *s = call_open(site, what, NULL);
    h2_send_message(s, bytes, len, true);
    assert_true(h2_await_closed(s));
    if (h2_status(s) != INTERNAL || h2_messages(s) != 0)
        fail_msg("%s, %s: status %d, %zu messages", what, name, h2_status(s), h2_messages(s));
}

static void messages_that_are_none_end_their_call_alone(void **state)
{
    struct call_site *site = *state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        BUF_AUTO init = BUF_INIT;
        if (bad[i].is_nested)
            buf_printf(&init, "\x0a%c", (int) bad[i].len);
        buf_add(&init, bad[i].bytes, bad[i].len);
        assert_unreadable(site, "get", bad[i].name, bad[i].bytes, bad[i].len);
        assert_unreadable(site, "stream", bad[i].name, init.data, init.len);
    }
    assert_int_equal(h2_status(call_get(site)), OK);
}

/* Behind a good init: the command is killed, and its client told. */
static void bad_input_ends_its_command(void **state)
{
    struct call_site *site = *state;
    static const struct { const char *bytes; size_t len; int status; } inputs[] = {
        { "\x12\x7f", 2, INTERNAL }, { "\x1a\x0b" "\x08" TEN, 13, INTERNAL }, { TEN, 10, INTERNAL },
        { "\x0a\x00", 2, INVALID_ARGUMENT },   /* another init */
    };
    for (size_t i = 0; i < COUNT(inputs); i++) {
        struct h2_stream *s = call_exec(site, "exec sleep 1000", false);
        assert_true(h2_await_bytes(s, 1));
        h2_send_message(s, inputs[i].bytes, inputs[i].len, false);
        assert_true(h2_await_closed(s));
        assert_int_equal(h2_status(s), inputs[i].status);
        call_await_facts(site, FACT_DIED, i + 1);
    }
    assert_int_equal(h2_status(call_get(site)), OK);
}

/* Any message of the protocol may be cut anywhere: the first bytes are a good message or none, never a crash. */
static void an_init_may_be_cut_anywhere(void **state)
{
    struct call_site *site = *state;
    BUF_AUTO init = BUF_INIT;
    int len = (int) strlen(site->sandbox);
    buf_printf(&init, "\x0a%c\x0a%c%s\x12\x04true\x7a\x07unknown", len + 17, len, site->sandbox);
    for (size_t cut = 0; cut <= init.len; cut++) {
        struct h2_stream *s = call_open(site, "stream", NULL);
        h2_send_message(s, init.data, cut, true);
        assert_true(h2_await_closed(s));
        int status = h2_status(s), wanted = cut == 0 ? INVALID_ARGUMENT : cut == init.len ? OK : INTERNAL;
        if (status != wanted)
            fail_msg("cut at %zu of %zu: %d, not %d", cut, init.len, status, wanted);
    }
}

static void methods_that_there_are_not_are_unimplemented(void **state)
{
    struct call_site *site = *state;
    static const char *const paths[] = {
        "/coreweave.sandbox.v1.SandboxService/NoSuch", "/coreweave.sandbox.v1.SandboxService/getsandbox",
        "/coreweave.sandbox.v1.NoService/GetSandbox",  "/coreweave.sandbox.v1.SandboxService/",
        "/coreweave.aviato.v1beta1.ATCService/Start",  "/coreweave.sandbox.v1beta2.GatewayService/GetSandbox",
        "/coreweave.sandbox.v1/GetSandbox",            "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    };
    for (size_t i = 0; i < COUNT(paths); i++)
        assert_int_equal(h2_unary(&site->client, paths[i], "", 0, NULL), UNIMPLEMENTED);
    assert_int_equal(h2_status(call_get(site)), OK);
}

/* ---- very many calls ------------------------------------------------------------------------------- */

/* A line of this program's, which is the server, too; kB. */
static long of_status(const char *name)
{
    char line[200];
    long value = -1;
    size_t len = strlen(name);
    FILE *file = fopen("/proc/self/status", "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, name, len) == 0 && line[len] == ':')
            value = strtol(line + len + 1, NULL, 10);
    }
    fclose(file);
    return value;
}

/* From now on "VmHWM" is the most that there was since. */
static long begin_peak(void)
{
    FILE *file = fopen("/proc/self/clear_refs", "w");
    assert_non_null(file);
    assert_true(fputs("5", file) >= 0);
    assert_int_equal(fclose(file), 0);
    return of_status("VmHWM");
}

static void assert_peak(long before_kb)
{
    long more_kb = of_status("VmHWM") - before_kb;
    if (more_kb > MEMORY_KB)
        fail_msg("%ld kB more", more_kb);
}

static void put_call(struct buf *out, const char *path, uint32_t id, const struct buf *message, bool resets)
{
    BUF_AUTO block = BUF_INIT;
    BUF_AUTO body = BUF_INIT;
    h2_put_head_block(&block, path);
    buf_add(&block, "\0\x0d" "authorization\x10" "Bearer call-site", 32);   /* a literal: name and value with their lengths */
    buf_printf(&body, "%c%c%c%c%c", 0, 0, 0, 0, (int) message->len);
    buf_add(&body, message->data, message->len);
    h2_put_frame(out, HEADERS, END_HEADERS, id, block.data, block.len);
    h2_put_frame(out, DATA, END_STREAM, id, body.data, body.len);
    if (resets)
        h2_put_frame(out, RST_STREAM, 0, id, "\0\0\0\x08", 4);
}

/* So many calls, each reset as soon as it is sent, and then the client's goodbye: all on one connection. */
static void send_and_reset(struct call_site *site, const char *path, const struct buf *message, uint32_t count)
{
    BUF_AUTO bytes = BUF_INIT;
    BUF_AUTO came = BUF_INIT;
    h2_put_preface(&bytes);
    for (uint32_t i = 0; i < count; i++)
        put_call(&bytes, path, 1 + 2 * i, message, true);
    h2_put_frame(&bytes, GOAWAY, 0, 0, "\0\0\0\0\0\0\0\0", 8);
    int fd = h2_dial(site->port, 4096);
    assert_true(fd >= 0);
    (void) h2_dial_send(fd, bytes.data, bytes.len);   /* who is cut off has been dealt with, too */
    assert_true(h2_dial_drain(fd, &came, H2_LIMIT_MS));
    close(fd);
}

struct tally {
    size_t open, started, ended;     /* calls; processes */
};

static bool count(void *arg, const struct ledger_entry *entry)
{
    struct tally *tally = arg;
    tally->open += entry->is_request && entry->request.end_ms == 0;
    tally->started += !entry->is_request && entry->fact.fact.kind == FACT_STARTED;
    tally->ended += !entry->is_request && (entry->fact.fact.kind == FACT_DIED || entry->fact.fact.kind == FACT_EXITED);
    return true;
}

/* No call is open, and no process lives but the main one. */
static void await_idle(struct call_site *site)
{
    int64_t until = mono_ns() + WORLD_LIMIT_MS * INT64_C(1000000);
    uint64_t change = 0;
    struct tally tally;
    bool is_idle;
    do {
        tally = (struct tally) { 0 };
        ledger_visit(lane_ledger(site->lane), 1, count, &tally);
        is_idle = tally.open == 0 && tally.started == tally.ended + 1;
    } while (!is_idle && ledger_await_change(lane_ledger(site->lane), &change, until, NULL, NULL));
    if (!is_idle)
        fail_msg("%zu calls are open, %zu of %zu processes are over", tally.open, tally.ended, tally.started);
}

static void ten_thousand_calls_that_are_reset_leave_nothing_behind(void **state)
{
    enum { RESETS = 10000 };
    struct call_site *site = *state;
    BUF_AUTO get = BUF_INIT;
    const char *path = site->is_v1 ? "/coreweave.sandbox.v1.SandboxService/GetSandbox"
                                   : "/coreweave.sandbox.v1beta2.GatewayService/Get";
    buf_printf(&get, "\x0a%c%s", (int) strlen(site->sandbox), site->sandbox);
    await_idle(site);
    long before_kb = begin_peak();
    send_and_reset(site, path, &get, RESETS);
    await_idle(site);
    assert_peak(before_kb);
    assert_int_equal(h2_status(call_get(site)), OK);
}

/* Some were begun before their reset was seen; none lives on. */
static void commands_that_are_reset_at_once_are_all_dead(void **state)
{
    enum { RESETS = 100 };
    struct call_site *site = *state;
    BUF_AUTO init = BUF_INIT;
    const char *path = site->is_v1 ? "/coreweave.sandbox.v1.SandboxService/StreamExec"
                                   : "/coreweave.sandbox.v1beta2.GatewayStreamingService/StreamExec";
    int len = (int) strlen(site->sandbox);
    buf_printf(&init, "\x0a%c\x0a%c%s\x12\x05sleep\x12\x04" "1000", len + 15, len, site->sandbox);
    send_and_reset(site, path, &init, RESETS);
    await_idle(site);
    assert_int_equal(h2_status(call_get(site)), OK);
}

/* The window is shut, and the command writes without an end: it waits, and so does nobody else. */
static void a_window_that_never_opens_holds_a_bounded_answer(void **state)
{
    const struct h2_options shut = { .stream_window = -1 };
    struct call_site *site = *state;
    struct h2_client client;
    long before_kb = begin_peak();
    assert_int_equal(h2_connect(&client, site->port, &shut), 0);
    struct h2_stream *s = call_exec_on(site, &client, "exec cat /dev/zero", true);
    assert_true(h2_await_head(s));
    call_await_facts(site, FACT_OUT, 3);
    for (int i = 0; i < 50; i++)
        assert_int_equal(h2_status(call_get(site)), OK);
    assert_peak(before_kb);
    assert_int_equal(s->in.len, 0);
    h2_close(&client);
    call_await_facts(site, FACT_DIED, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, call_site_setup, call_site_teardown)
    const struct CMUnitTest tests[] = {
        TEST(messages_that_are_none_end_their_call_alone),
        TEST(bad_input_ends_its_command),
        TEST(an_init_may_be_cut_anywhere),
        TEST(methods_that_there_are_not_are_unimplemented),
        TEST(ten_thousand_calls_that_are_reset_leave_nothing_behind),
        TEST(commands_that_are_reset_at_once_are_all_dead),
        TEST(a_window_that_never_opens_holds_a_bounded_answer),
    };
    return call_site_run("calls and bad input", tests, sizeof tests / sizeof *tests);
}
