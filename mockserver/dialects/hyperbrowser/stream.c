/*
 * Event streams (wire page §3.2): protocol B's answer to a start (base64, gapless) and GET .../stream (text).
 *
 * Each output fact becomes one event with the fact's own number.  Whole events are gathered and written
 * together while there are more to read, so that a flood costs one write per FLUSH_BYTES and a single line
 * is on the wire at once.
 */
#include "dialects/hyperbrowser/hb_priv.h"

#include <string.h>

#include "base/text.h"

#define SSE_TYPE    "text/event-stream"
#define FLUSH_BYTES (256u * 1024u)

struct feed {
    struct hb *hb;
    struct exchange *x;
    struct proc *proc;
    struct proc_reader *reader;
    void (*emit)(struct feed *feed, const struct fact *fact, const struct buf *bytes);
    struct buf out;    /* whole events, not yet written */
    uint64_t last_seq; /* of the newest event, 0: none */
    /* Text only: */
    uint64_t from_seq; /* events before it are not for this reader */
    struct held {
        char bytes[4]; /* the unfinished character at the end of a stream */
        size_t len;
        struct fact fact; /* where it came from */
    } held[2];
    struct buf text;
};

static void feed_fini(struct feed *feed)
{
    proc_reader_close(feed->reader);
    buf_fini(&feed->out);
    buf_fini(&feed->text);
}

/* ---- events -------------------------------------------------------------------------------- */

static void open_event(struct buf *out, struct jsonw *w, const char *name)
{
    buf_str(out, "event: ");
    buf_str(out, name);
    buf_str(out, "\ndata: ");
    jsonw_init(w, out);
}

static void close_event(struct buf *out)
{
    buf_add(out, "\n\n", 2);
}

static void open_output(struct feed *feed, struct jsonw *w, const struct fact *fact, uint64_t seq)
{
    open_event(&feed->out, w, "output");
    jsonw_object(w, NULL);
    jsonw_int(w, "seq", (int64_t) seq);
    jsonw_str(w, "stream", fact->kind == FACT_ERR ? "stderr" : "stdout");
    jsonw_int(w, "timestamp", fact->wall_ms);
    feed->last_seq = seq;
}

static void emit_base64(struct feed *feed, const struct fact *fact, const struct buf *bytes)
{
    struct jsonw w;
    open_output(feed, &w, fact, fact->out_seq);
    jsonw_str(&w, "encoding", "base64");
    jsonw_base64(&w, "data", bytes->data, bytes->len);
    jsonw_end_object(&w);
    close_event(&feed->out);
}

static void write_text(struct feed *feed, const struct fact *fact, uint64_t seq, const char *text, size_t len)
{
    struct jsonw w;
    open_output(feed, &w, fact, seq);
    jsonw_bytes(&w, "data", text, len);
    jsonw_end_object(&w);
    close_event(&feed->out);
}

/* A character cut in two would reach the client as two replacement characters: its first part waits for the
   rest, and goes with the event that brings it. */
static void emit_text(struct feed *feed, const struct fact *fact, const struct buf *bytes)
{
    struct held *held = &feed->held[fact->kind == FACT_ERR];
    buf_clear(&feed->text);
    buf_add(&feed->text, held->bytes, held->len);
    buf_add(&feed->text, bytes->data, bytes->len);
    if (feed->text.failed) {
        feed->out.failed = true;
        return;
    }
    size_t whole = utf8_complete_prefix(feed->text.data, feed->text.len);
    held->len = feed->text.len - whole;
    memcpy(held->bytes, feed->text.data + whole, held->len);
    held->fact = *fact;
    if (whole > 0 && fact->out_seq >= feed->from_seq)
        write_text(feed, fact, fact->out_seq, feed->text.data, whole);
}

/* The rest never came.  A number that was used already would step back, so the next free one. */
static void emit_held(struct feed *feed, struct held *held)
{
    if (held->len == 0 || held->fact.out_seq < feed->from_seq)
        return;
    uint64_t seq = held->fact.out_seq > feed->last_seq ? held->fact.out_seq : feed->last_seq + 1;
    write_text(feed, &held->fact, seq, held->bytes, held->len);
    held->len = 0;
}

static void emit_all_held(struct feed *feed)
{
    struct held *first = &feed->held[0], *second = &feed->held[1];
    bool swap = second->len > 0 && second->fact.out_seq < first->fact.out_seq;
    emit_held(feed, swap ? second : first);
    emit_held(feed, swap ? first : second);
}

/* ---- the loop -------------------------------------------------------------------------------- */

static int flush(struct feed *feed)
{
    if (feed->out.failed)
        return -1;
    if (feed->out.len == 0)
        return 0;
    int rc = feed->x->ops->stream_write(feed->x, feed->out.data, feed->out.len);
    buf_clear(&feed->out);
    return rc;
}

/* Clients count their idle limits in real time, whatever our clock does. */
static int64_t keepalive_deadline(const struct hb *hb)
{
    return clock_deadline(hb->clock, (int64_t) ((double) hb->settings.keepalive_ms * hb->clock->scale));
}

static int keep_alive(struct feed *feed)
{
    buf_str(&feed->out, ": keepalive\n\n");
    return flush(feed);
}

/* Until the end of the facts (READ_END), or why not.  Everything gathered is written. */
static enum read_result run(struct feed *feed)
{
    BUF_AUTO bytes = BUF_INIT;
    struct fact fact;
    for (;;) {
        bool gathered = feed->out.len > 0;
        int64_t deadline = gathered ? 0 : keepalive_deadline(feed->hb);
        enum read_result result = proc_reader_next(feed->reader, deadline, hb_peer_gone, feed->x, &fact, &bytes);
        if (result == READ_FACT && fact.out_seq > 0)
            feed->emit(feed, &fact, &bytes);
        else if (result == READ_DEADLINE && !gathered && keep_alive(feed) < 0)
            return READ_CLOSED;
        else if (result == READ_END || result == READ_LOST || result == READ_CLOSED)
            return flush(feed) < 0 ? READ_CLOSED : result;
        bool idle = result == READ_DEADLINE;
        if ((idle || feed->out.len >= FLUSH_BYTES || feed->out.failed) && flush(feed) < 0)
            return READ_CLOSED;
    }
}

static void write_lost(struct feed *feed)
{
    struct jsonw w;
    open_event(&feed->out, &w, "error");
    jsonw_object(&w, NULL);
    jsonw_str(&w, "error", "the reader fell behind: output was dropped before it was sent");
    jsonw_str(&w, "code", "output_truncated");
    jsonw_end_object(&w);
    close_event(&feed->out);
}

/* A stream that is cut short gets no proper end: the client must not take it for complete. */
static void finish(struct feed *feed)
{
    if (flush(feed) == 0)
        feed->x->ops->stream_end(feed->x);
}

/* ---- protocol B: start -------------------------------------------------------------------------- */

void hb_stream_start(struct hb *hb, struct exchange *x, struct proc *proc, struct proc_reader *reader)
{
    struct feed feed = { .hb = hb, .x = x, .proc = proc, .reader = reader, .emit = emit_base64 };
    struct jsonw w;
    open_event(&feed.out, &w, "started");
    hb_write_started(&w, &hb->settings, proc);
    close_event(&feed.out);
    if (x->ops->stream_begin(x, 200, SSE_TYPE) == 0 && flush(&feed) == 0) {
        enum read_result result = run(&feed);
        if (result == READ_END) {
            open_event(&feed.out, &w, "done");
            hb_write_done(&w, &hb->settings, proc, feed.last_seq);
            close_event(&feed.out);
        } else if (result == READ_LOST) {
            write_lost(&feed);
        }
        if (result != READ_CLOSED)
            finish(&feed);
    }
    feed_fini(&feed);
}

/* ---- GET .../stream -------------------------------------------------------------------------------- */

/* A reader that comes back behind event n was not shown what n held back, so a few facts before are read too,
   in silence. */
#define LOOK_BACK_FACTS 8

/* Open first and look then: what an open reader needs does not go away in between. */
static int open_replay(struct feed *feed, struct err *err)
{
    uint64_t window = (uint64_t) feed->hb->settings.replay_window_bytes;
    bool is_asked = feed->from_seq > 0;
    if (!is_asked)
        feed->from_seq = proc_oldest_in_window(feed->proc, window);
    uint64_t from = feed->from_seq > LOOK_BACK_FACTS ? feed->from_seq - LOOK_BACK_FACTS : 1;
    if (proc_reader_open(feed->proc, from, true, &feed->reader, err) < 0)
        return -1;
    if (is_asked && feed->from_seq < proc_oldest_in_window(feed->proc, window))
        return err_set(err, ERR_GONE, 0, "Replay window expired: output %llu of process %s is not kept any more",
                       (unsigned long long) feed->from_seq, proc_id(feed->proc));
    return 0;
}

static void serve_replay(struct feed *feed)
{
    struct jsonw w;
    enum read_result result = run(feed);
    if (result == READ_CLOSED)
        return;
    if (result == READ_LOST) {
        write_lost(feed);
    } else {
        emit_all_held(feed);
        open_event(&feed->out, &w, "done");
        hb_write_result(&w, NULL, &feed->hb->settings, feed->proc);
        close_event(&feed->out);
    }
    finish(feed);
}

void hb_stream_replay(struct hb *hb, struct exchange *x, struct proc *proc, uint64_t from_seq)
{
    struct feed feed = { .hb = hb, .x = x, .proc = proc, .emit = emit_text, .from_seq = from_seq };
    struct err err = ERR_INIT;
    if (open_replay(&feed, &err) < 0)
        hb_fail_err(x, &err);
    else if (x->ops->stream_begin(x, 200, SSE_TYPE) == 0)
        serve_replay(&feed);
    feed_fini(&feed);
}
