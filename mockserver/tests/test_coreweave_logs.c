/* coreweave: logs of the main process: whole, their tail, followed, resumed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dialects/coreweave/wire.h"
#include "tests/support/cw_world.h"

struct ask {
    bool follow, timestamps;
    int tail;
    const char *session;
    uint64_t offset;
};

static struct cw_answer *ask_logs(struct cw_world *w, struct ask ask)
{
    struct cw_answer *a = cw_new(w, w->is_v1 ? "SandboxService/StreamLogs" : "GatewayStreamingService/StreamLogs");
    if (w->is_v1) {
        Cw1__StreamLogsRequest m = CW1__STREAM_LOGS_REQUEST__INIT;
        m.sandbox_id = w->sandbox;
        m.follow = ask.follow;
        m.timestamps = ask.timestamps;
        m.tail_lines = ask.tail;
        m.resume_log_session_id = proto_text(ask.session == NULL ? "" : ask.session);
        m.resume_log_offset = ask.offset;
        cw_send(a, &m);
    } else {
        Cwb2__LogStreamRequest m = CWB2__LOG_STREAM_REQUEST__INIT;
        Cwb2__LogStreamInit init = CWB2__LOG_STREAM_INIT__INIT;
        init.sandbox_id = w->sandbox;
        init.follow = ask.follow;
        init.timestamps = ask.timestamps;
        init.tail_lines = ask.tail;
        m.request_case = CWB2__LOG_STREAM_REQUEST__REQUEST_INIT;
        m.init = &init;
        cw_send(a, &m);
    }
    if (w->is_v1 || !ask.follow)
        fake_rpc_half_close(&a->f);
    cw_start(w, a);
    return a;
}

struct told {
    struct buf text;
    char session[64], error[64];
    uint64_t offset;
    bool offsets_fit, complete;
};

static void take(struct told *out, const ProtobufCBinaryData *data)
{
    buf_add(&out->text, data->data, data->len);
}

static struct told tell(struct cw_world *w, struct cw_answer *a)
{
    struct told out = { .offsets_fit = true };
    pthread_mutex_lock(&a->f.lock);
    size_t count = a->f.got_count;
    pthread_mutex_unlock(&a->f.lock);
    for (size_t i = 0; i < count; i++) {
        if (w->is_v1) {
            const Cw1__LogEntry *e = cw_read(a, i, &cw1__log_entry__descriptor);
            take(&out, &e->data);
            if (e->error != NULL) {
                snprintf(out.error, sizeof out.error, "%s", e->error->code);
                continue;
            }
            out.offsets_fit = out.offsets_fit && (i == 0 || e->next_log_offset == out.offset + e->data.len);
            out.offset = e->next_log_offset;
            snprintf(out.session, sizeof out.session, "%s", e->log_session_id);
            continue;
        }
        const Cwb2__LogStreamResponse *r = cw_read(a, i, &cwb2__log_stream_response__descriptor);
        if (r->response_case == CWB2__LOG_STREAM_RESPONSE__RESPONSE_DATA)
            take(&out, &r->data->data);
        out.complete = out.complete || r->response_case == CWB2__LOG_STREAM_RESPONSE__RESPONSE_COMPLETE;
    }
    return out;
}

#define TOLD __attribute__((cleanup(told_fini))) struct told
static void told_fini(struct told *told)
{
    buf_fini(&told->text);
}

/* A sandbox whose main process has written all of it. */
static void make(struct cw_world *w, const char *line)
{
    cw_new_sandbox(w, &(struct cw_wish) { .program = "/bin/sh", .args = { "-c", line } });
    struct sandbox *sandbox = engine_find_sandbox(w->base->engine, NULL, NULL, w->sandbox);
    struct proc *proc = sandbox_main(sandbox);
    world_await_output(proc, "end\n");
    proc_unref(proc);
    sandbox_unref(sandbox);
}

#define LINES "echo one; echo two >&2; echo end; sleep 1000"

static void a_log_has_both_streams_as_they_were_written(void **state)
{
    struct cw_world *w = *state;
    make(w, "echo one; sleep 0.05; echo two >&2; sleep 0.05; echo end; sleep 1000");
    struct cw_answer *a = ask_logs(w, (struct ask) { .follow = false });
    cw_finish(a);
    cw_assert_ok(a);
    TOLD told = tell(w, a);
    assert_string_equal(buf_cstr(&told.text), "one\ntwo\nend\n");
    assert_true(told.offsets_fit);
    assert_int_equal(told.complete, !w->is_v1);
}

static void a_tail_is_so_many_lines(void **state)
{
    struct cw_world *w = *state;
    static const struct {
        int tail;
        const char *text;
    } rows[] = { { 1, "end\n" }, { 2, "b\nend\n" }, { 3, "a\nb\nend\n" }, { 100, "a\nb\nend\n" } };
    make(w, "printf 'a\\nb\\nend\\n'; sleep 1000");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct cw_answer *a = ask_logs(w, (struct ask) { .tail = rows[i].tail });
        cw_finish(a);
        TOLD told = tell(w, a);
        assert_string_equal(buf_cstr(&told.text), rows[i].text);
    }
}

static void timestamps_stand_before_each_line(void **state)
{
    struct cw_world *w = *state;
    make(w, "printf 'a\\nend\\n'; sleep 1000");
    struct cw_answer *a = ask_logs(w, (struct ask) { .timestamps = true });
    cw_finish(a);
    TOLD told = tell(w, a);
    int year, used = 0;
    assert_int_equal(sscanf(buf_cstr(&told.text), "%4d-%*2d-%*2dT%*2d:%*2d:%*fZ a\n%n", &year, &used), 1);
    assert_true(used > 20);
    assert_non_null(strstr(buf_cstr(&told.text) + used, "Z end\n"));
}

static void a_log_is_followed_until_the_sandbox_ends(void **state)
{
    struct cw_world *w = *state;
    make(w, "trap 'echo bye; exit 0' TERM; echo end; sleep 1000 & wait");
    struct cw_answer *a = ask_logs(w, (struct ask) { .follow = true });
    assert_true(fake_rpc_await(&a->f, 1, CW_SECONDS));
    cw_assert_ok(cw_stop(w, w->sandbox, 10, false));
    cw_finish(a);
    cw_assert_ok(a);
    TOLD told = tell(w, a);
    assert_string_equal(buf_cstr(&told.text), "end\nbye\n");
}

static void close_ends_a_log_that_is_followed(void **state)
{
    struct cw_world *w = *state;
    if (w->is_v1)
        return;   /* has no such message */
    make(w, LINES);
    struct cw_answer *a = ask_logs(w, (struct ask) { .follow = true });
    assert_true(fake_rpc_await(&a->f, 1, CW_SECONDS));
    Cwb2__LogStreamRequest m = CWB2__LOG_STREAM_REQUEST__INIT;
    Cwb2__LogStreamClose close = CWB2__LOG_STREAM_CLOSE__INIT;
    m.request_case = CWB2__LOG_STREAM_REQUEST__REQUEST_CLOSE;
    m.close = &close;
    cw_send(a, &m);
    cw_finish(a);
    cw_assert_ok(a);
    TOLD told = tell(w, a);
    assert_true(told.complete);
}

static void a_session_is_resumed_where_it_was_left(void **state)
{
    struct cw_world *w = *state;
    if (!w->is_v1)
        return;
    make(w, "printf 'first\\nsecond\\nend\\n'; sleep 1000");
    struct cw_answer *a = ask_logs(w, (struct ask) { .timestamps = true, .tail = 2 });
    cw_finish(a);
    TOLD whole = tell(w, a);
    assert_int_equal(whole.offset, whole.text.len);
    for (uint64_t from = 0; from <= whole.offset; from += 7) {
        struct cw_answer *b = ask_logs(w, (struct ask) { .session = whole.session, .offset = from });
        cw_finish(b);
        TOLD rest = tell(w, b);
        assert_string_equal(buf_cstr(&rest.text), whole.text.data + from);
    }
}

static void a_session_that_cannot_be_resumed_says_why(void **state)
{
    struct cw_world *w = *state;
    if (!w->is_v1)
        return;
    make(w, LINES);
    struct cw_answer *a = ask_logs(w, (struct ask) { .session = "no-such-session" });
    cw_finish(a);
    TOLD missing = tell(w, a);
    assert_string_equal(missing.error, "SESSION_NOT_FOUND");
    struct cw_answer *b = ask_logs(w, (struct ask) { .follow = false });
    cw_finish(b);
    TOLD whole = tell(w, b);
    struct cw_answer *c = ask_logs(w, (struct ask) { .session = whole.session, .offset = whole.offset + 1 });
    cw_finish(c);
    TOLD beyond = tell(w, c);
    assert_string_equal(beyond.error, "INVALID_RESUME_OFFSET");
    /* Also who follows is told at once. */
    struct cw_answer *d = ask_logs(w, (struct ask) { .session = whole.session, .offset = whole.offset + 1, .follow = true });
    cw_finish(d);
    TOLD followed = tell(w, d);
    assert_string_equal(followed.error, "INVALID_RESUME_OFFSET");
}

static void logs_of_a_sandbox_that_is_over_are_v1beta2s_alone(void **state)
{
    struct cw_world *w = *state;
    cw_assert_ok(cw_create(w, &(struct cw_wish) { .program = "/bin/sh", .args = { "-c", "echo end; exit 0" } }));
    cw_await_state(w, w->sandbox, CW_COMPLETED);
    struct cw_answer *a = ask_logs(w, (struct ask) { .follow = false });
    cw_finish(a);
    if (w->is_v1) {
        cw_assert_refused(a, RPC_FAILED_PRECONDITION, "CWSANDBOX_SANDBOX_NOT_RUNNING");
        return;
    }
    TOLD told = tell(w, a);
    assert_string_equal(buf_cstr(&told.text), "end\n");
}

#define E(name) cmocka_unit_test_setup_teardown(name, cw_world_setup_empty, cw_world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        E(a_log_has_both_streams_as_they_were_written),
        E(a_tail_is_so_many_lines),
        E(timestamps_stand_before_each_line),
        E(a_log_is_followed_until_the_sandbox_ends),
        E(close_ends_a_log_that_is_followed),
        E(a_session_is_resumed_where_it_was_left),
        E(a_session_that_cannot_be_resumed_says_why),
        E(logs_of_a_sandbox_that_is_over_are_v1beta2s_alone),
    };
    return cw_world_run("coreweave logs", tests, sizeof tests / sizeof *tests);
}
