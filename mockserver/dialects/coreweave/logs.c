/*
 * StreamLogs (wire page §3.12): the main process's output, both streams in the order in which it was written.
 *
 * What a log session sends is a function of the facts: it begins at a place of the output and has a form (with
 * timestamps or without).  So a session is resumed by writing it again from its beginning, in silence up to the
 * offset that the client has.
 */
#include "dialects/coreweave/cw_priv.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

struct feed {
    struct cw_call *call;
    struct proc *proc;               /* the main one; borrowed */
    struct proc_reader *reader;
    struct cw_log_session session;
    bool follows;
    uint64_t last_seq;               /* without follows: the newest output there is */
    bool is_at_line_start, skips_line;
    uint64_t written, offset;        /* of the session: bytes so far; before `offset` in silence */
    int64_t chunk_ms;                /* of what is in `chunk`: its first fact's time */
    struct buf chunk, message;
    atomic_bool is_closed;           /* the client wants no more (v1beta2) */
    bool is_broken_off;              /* the scenario ends it with an error: */
    const char *error_code, *error_message;
};

/* ---- where it begins -------------------------------------------------------------------------- */

/* Beginnings of the newest lines, `count` at most, in a ring. */
struct ring {
    struct place {
        uint64_t seq;
        size_t skip;
    } *places;
    size_t size, next, count;
};

static void ring_add(struct ring *ring, uint64_t seq, size_t skip)
{
    ring->places[ring->next] = (struct place) { seq, skip };
    ring->next = (ring->next + 1) % ring->size;
    ring->count += ring->count < ring->size;
}

/* A line begins behind a newline when something follows. */
static void note_lines(struct ring *ring, uint64_t seq, const struct buf *bytes, bool *is_at_start)
{
    const char *data = buf_cstr(bytes);
    for (size_t at = 0; at < bytes->len;) {
        if (*is_at_start)
            ring_add(ring, seq, at);
        const char *newline = memchr(data + at, '\n', bytes->len - at);
        *is_at_start = newline != NULL;
        at = newline == NULL ? bytes->len : (size_t) (newline - data) + 1;
    }
}

static void read_lines(struct ring *ring, struct proc_reader *reader, uint64_t last_seq)
{
    BUF_AUTO bytes = BUF_INIT;
    struct fact fact = { 0 };
    bool is_at_start = true;
    while (fact.out_seq < last_seq && proc_reader_next(reader, 0, NULL, NULL, &fact, &bytes) == READ_FACT) {
        if (fact.out_seq > 0)
            note_lines(ring, fact.out_seq, &bytes, &is_at_start);
    }
}

#define TAIL_MAX 1000000   /* lines; more are as good as all */

static int find_tail(struct feed *feed, struct proc *main_proc, int64_t lines, struct err *err)
{
    struct proc_reader *reader;
    struct ring ring = { .size = (size_t) lines };
    if (proc_reader_open(main_proc, 1, true, &reader, err) < 0)
        return -1;
    ring.places = calloc(ring.size, sizeof *ring.places);
    if (ring.places == NULL) {
        proc_reader_close(reader);
        return err_set(err, ERR_NOMEM, 0, "tail of a log");
    }
    read_lines(&ring, reader, feed->last_seq);
    const struct place *first = &ring.places[ring.count < ring.size ? 0 : ring.next];
    if (ring.count > 0) {
        feed->session.first_seq = first->seq;
        feed->session.first_skip = first->skip;
    }
    free(ring.places);
    proc_reader_close(reader);
    return 0;
}

static int begin_session(struct feed *feed, struct proc *main_proc, struct cw_record *record, struct err *err)
{
    const struct cw_request *request = &feed->call->request;
    struct cw_log_session *session = &feed->session;
    session->first_seq = 1;
    session->timestamps = request->timestamps;
    session->since_ms = request->has_since ? request->since_ms : INT64_MIN;
    random_uuid(session->id);
    if (request->tail_lines > 0 && request->tail_lines < TAIL_MAX &&
        find_tail(feed, main_proc, request->tail_lines, err) < 0)
        return -1;
    return cw_record_add_session(record, session, (size_t) cw_now(feed->call->cw)->log_sessions, err);
}

/* ---- the form ----------------------------------------------------------------------------------- */

static void add(struct feed *feed, const char *data, size_t len)
{
    uint64_t silent = feed->offset > feed->written ? feed->offset - feed->written : 0;
    feed->written += len;
    if (silent >= len)
        return;
    buf_add(&feed->chunk, data + silent, len - (size_t) silent);
}

static void begin_line(struct feed *feed, int64_t ms)
{
    char stamp[32];
    feed->skips_line = ms < feed->session.since_ms;
    if (feed->skips_line || !feed->session.timestamps)
        return;
    iso_time(stamp, ms);
    add(feed, stamp, strlen(stamp));
    add(feed, " ", 1);
}

static void add_output(struct feed *feed, const char *data, size_t len, int64_t ms)
{
    while (len > 0) {
        const char *newline = memchr(data, '\n', len);
        size_t n = newline == NULL ? len : (size_t) (newline - data) + 1;
        if (feed->is_at_line_start)
            begin_line(feed, ms);
        if (!feed->skips_line)
            add(feed, data, n);
        feed->is_at_line_start = newline != NULL;
        data += n;
        len -= n;
    }
}

/* -1: the call is over. */
static int flush(struct feed *feed)
{
    const struct cw_wire *wire = feed->call->wire;
    size_t most = (size_t) cw_now(feed->call->cw)->log_chunk_bytes, at = 0;
    uint64_t base = feed->written - feed->chunk.len;
    while (at < feed->chunk.len && !feed->chunk.failed) {
        size_t left = feed->chunk.len - at, n = left < most ? left : most;
        size_t whole = n < left ? utf8_complete_prefix(feed->chunk.data + at, n) : n;
        n = whole > 0 ? whole : n;
        buf_clear(&feed->message);
        wire->write_log(feed->chunk.data + at, n, feed->chunk_ms, feed->session.id, base + at + n, &feed->message);
        if (feed->message.failed ||
            op_event(&feed->call->rpc->x, EVENT_OUTPUT, buf_cstr(&feed->message), feed->message.len) < 0)
            return -1;
        at += n;
    }
    bool failed = feed->chunk.failed;
    buf_clear(&feed->chunk);
    return failed ? -1 : 0;
}

/* ---- the loop ------------------------------------------------------------------------------------- */

static void take(struct feed *feed, const struct fact *fact, const struct buf *bytes)
{
    size_t skip = fact->out_seq == feed->session.first_seq ? feed->session.first_skip : 0;
    if (fact->out_seq < feed->session.first_seq || skip >= bytes->len)
        return;
    if (feed->chunk.len == 0)
        feed->chunk_ms = fact->wall_ms;
    add_output(feed, bytes->data + skip, bytes->len - skip, fact->wall_ms);
}

static bool is_closed(void *arg)
{
    struct feed *feed = arg;
    return atomic_load(&feed->is_closed) || cw_is_over(feed->call);
}

static bool has_all(const struct feed *feed, const struct fact *fact)
{
    return !feed->follows && fact->out_seq >= feed->last_seq;
}

/* All that there was when the call came has been gone through, and it ended before what the client says it has. */
static bool is_beyond(const struct feed *feed, const struct fact *fact)
{
    return fact->out_seq >= feed->last_seq && feed->offset > feed->written;
}

static bool is_broken_off(struct feed *feed)
{
    feed->is_broken_off = feed->is_broken_off || op_breaks_off(&feed->call->rpc->x, &feed->error_code,
                                                               &feed->error_message);
    return feed->is_broken_off;
}

/* READ_END: all there is to say has been written. */
static enum read_result run(struct feed *feed)
{
    BUF_AUTO bytes = BUF_INIT;
    struct fact fact = { 0 };
    enum read_result got = READ_FACT;
    if (is_broken_off(feed))
        return READ_END;
    while (got == READ_FACT && !has_all(feed, &fact) && !is_beyond(feed, &fact)) {
        /* What is there is gathered; before waiting for more it goes out. */
        bool waits = feed->follows && feed->chunk.len == 0;
        got = proc_reader_next(feed->reader, waits ? CLOCK_NEVER : 0, is_closed, feed, &fact, &bytes);
        if (got == READ_FACT && fact.out_seq > 0)
            take(feed, &fact, &bytes);
        bool is_full = feed->chunk.len >= (size_t) cw_now(feed->call->cw)->log_chunk_bytes;
        if ((is_full || got != READ_FACT) && flush(feed) < 0)
            return READ_CLOSED;
        if (is_broken_off(feed))
            return READ_END;
        if (got == READ_DEADLINE && feed->follows)
            got = READ_FACT;
    }
    if (flush(feed) < 0)
        return READ_CLOSED;
    return got == READ_LOST ? READ_LOST : got == READ_CLOSED && !atomic_load(&feed->is_closed) ? READ_CLOSED : READ_END;
}

static void end_with_error(struct feed *feed, const char *code, const char *message)
{
    buf_clear(&feed->message);
    feed->call->wire->write_log_error(code, message, &feed->message);
    if (op_event(&feed->call->rpc->x, EVENT_TERMINAL, buf_cstr(&feed->message), feed->message.len) == 0)
        (void) feed->call->rpc->ops->end(feed->call->rpc, RPC_OK, NULL, NULL, 0);
}

static void finish(struct feed *feed, enum read_result result)
{
    struct rpc *rpc = feed->call->rpc;
    if (result == READ_CLOSED)
        return;
    if (is_broken_off(feed)) {
        end_with_error(feed, feed->error_code, feed->error_message);
        return;
    }
    if (result == READ_LOST) {
        end_with_error(feed, "REPLAY_GAP", "this part of the log is not kept any more");
        return;
    }
    if (feed->offset > feed->written) {
        end_with_error(feed, "INVALID_RESUME_OFFSET", "the log is not so long");
        return;
    }
    buf_clear(&feed->message);
    if (feed->call->wire->write_log_end != NULL) {
        feed->call->wire->write_log_end(&feed->message);
        if (op_event(&rpc->x, EVENT_TERMINAL, buf_cstr(&feed->message), feed->message.len) < 0)
            return;
    }
    (void) rpc->ops->end(rpc, RPC_OK, NULL, NULL, 0);
}

/* ---- what the client sends ----------------------------------------------------------------------------- */

static bool take_message(void *arg, const struct cw_input *input)
{
    struct feed *feed = arg;
    if (input->kind == CW_INPUT_CLOSE) {
        atomic_store(&feed->is_closed, true);
        proc_nudge(feed->proc);
    }
    return true;
}

static void ignore(void *arg)
{
    (void) arg;
}

/* ---- the call ------------------------------------------------------------------------------------------- */

static void stream(struct feed *feed)
{
    struct cw_inlet inlet = { .call = feed->call, .message = take_message, .half_closed = ignore, .arg = feed };
    bool is_bidi = feed->call->row->method.kind == RPC_BIDI;
    cw_watch(feed->call, feed->proc);
    if (is_bidi)
        cw_inlet_open(&inlet);
    finish(feed, run(feed));
    (void) feed->call->rpc->ops->end(feed->call->rpc, RPC_INTERNAL, "the answer could not be written", NULL, 0);
    if (is_bidi)
        cw_inlet_close(&inlet);
    cw_unwatch(feed->call);
}

/* -1: it cannot be; the call is ended. */
static int prepare(struct feed *feed, struct proc *main_proc, struct cw_record *record)
{
    const struct cw_request *request = &feed->call->request;
    struct err err = ERR_INIT;
    bool resumes = request->session_id[0] != '\0';
    if (resumes && !cw_record_find_session(record, request->session_id, &feed->session)) {
        end_with_error(feed, "SESSION_NOT_FOUND", "there is no such log session any more");
        return -1;
    }
    if ((!resumes && begin_session(feed, main_proc, record, &err) < 0) ||
        proc_reader_open(main_proc, feed->session.first_seq, true, &feed->reader, &err) < 0) {
        cw_fail_err(feed->call, &err);
        return -1;
    }
    feed->offset = resumes ? request->offset : 0;
    return 0;
}

static void serve(struct cw_call *call, struct sandbox *sandbox, struct proc *main_proc)
{
    struct proc_view view;
    proc_get_view(main_proc, &view);
    struct feed feed = {
        .call = call, .proc = main_proc, .follows = call->request.follow, .last_seq = view.out_seq, .is_at_line_start = true
    };
    if (prepare(&feed, main_proc, sandbox_record(sandbox)) == 0)
        stream(&feed);
    proc_reader_close(feed.reader);
    buf_fini(&feed.chunk);
    buf_fini(&feed.message);
}

/* Of a sandbox that is over v1 gives none (SDK 1.22.0, sandbox_pb2_grpc.py, StreamLogs). */
static bool has_logs(struct cw_call *call, struct sandbox *sandbox)
{
    return call->wire->has_logs_of_ended ? cw_must_exist(call, sandbox) : cw_must_run(call, sandbox);
}

void cw_stream_logs(struct cw_call *call)
{
    SANDBOX_AUTO *sandbox = cw_find_sandbox(call);
    PROC_AUTO *main_proc = sandbox == NULL ? NULL : sandbox_main(sandbox);
    const struct op op = cw_op(call, sandbox, main_proc);
    if (!cw_begin(call, &op, NULL) || !has_logs(call, sandbox))
        return;
    if (main_proc != NULL)
        serve(call, sandbox, main_proc);
    else
        cw_fail(call, RPC_FAILED_PRECONDITION, "CWSANDBOX_SANDBOX_NOT_RUNNING", "sandbox %s never ran",
                sandbox_id(sandbox));
}
