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
    void (*write_done)(struct feed *feed, struct jsonw *w, const int *made_up_exit);
    struct buf out;    /* whole events, not yet written; one at most while a fault watches */
    bool is_made_up;   /* the scenario makes an end up: `made_up_exit` */
    int made_up_exit;
    bool is_over;      /* nothing more can be written, or the scenario has ended it */
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

/* What is in `out` is one event (or none): send it by itself. */
static int send_event(struct feed *feed, enum event_kind kind)
{
    if (feed->out.failed || feed->is_over)
        return -1;
    if (feed->out.len == 0)
        return 0;
    int rc = op_event(feed->x, kind, feed->out.data, feed->out.len);
    buf_clear(&feed->out);
    feed->is_over = rc < 0;
    return rc;
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

static int emit_all_held(struct feed *feed)
{
    struct held *first = &feed->held[0], *second = &feed->held[1];
    bool swap = second->len > 0 && second->fact.out_seq < first->fact.out_seq;
    emit_held(feed, swap ? second : first);
    if (send_event(feed, EVENT_OUTPUT) < 0)
        return -1;
    emit_held(feed, swap ? first : second);
    return send_event(feed, EVENT_OUTPUT);
}

/* ---- the loop -------------------------------------------------------------------------------- */

static int flush(struct feed *feed)
{
    return send_event(feed, EVENT_OUTPUT);
}

static int64_t keepalive_deadline(const struct hb *hb)
{
    return clock_deadline(hb->clock, hb_now(hb)->keepalive_ms);
}

static int keep_alive(struct feed *feed)
{
    buf_str(&feed->out, ": keepalive\n\n");
    return send_event(feed, EVENT_COMMENT);
}

/* Everything a watched stream has to say about a fact, one event at a time.  -1: it is over. */
static int note(struct feed *feed, const struct fact *fact)
{
    if (flush(feed) < 0)
        return -1;
    if (op_note_fact(feed->x, fact) < 0) {
        feed->is_over = true;
        return -1;
    }
    feed->is_made_up = op_fabricates(feed->x, &feed->made_up_exit);
    return 0;
}

static int take(struct feed *feed, const struct fact *fact, const struct buf *bytes)
{
    if (fact->out_seq > 0)
        feed->emit(feed, fact, bytes);
    return op_is_watched(feed->x) ? note(feed, fact) : 0;
}

/* Until the end of the facts (READ_END), or why not.  Everything gathered is written. */
static enum read_result run(struct feed *feed)
{
    BUF_AUTO bytes = BUF_INIT;
    struct fact fact;
    while (!feed->is_made_up) {
        bool gathered = feed->out.len > 0;
        int64_t deadline = gathered ? 0 : keepalive_deadline(feed->hb);
        enum read_result result = proc_reader_next(feed->reader, deadline, hb_peer_gone, feed->x, &fact, &bytes);
        if (result == READ_FACT && take(feed, &fact, &bytes) < 0)
            return READ_CLOSED;
        if (result == READ_DEADLINE && !gathered && keep_alive(feed) < 0)
            return READ_CLOSED;
        if (result == READ_END || result == READ_LOST || result == READ_CLOSED)
            return flush(feed) < 0 ? READ_CLOSED : result;
        bool idle = result == READ_DEADLINE;
        if ((idle || feed->out.len >= FLUSH_BYTES || feed->out.failed) && flush(feed) < 0)
            return READ_CLOSED;
    }
    return READ_END;
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

/* How the process ended, or is said to have. */
static void write_end(struct feed *feed)
{
    struct jsonw w;
    open_event(&feed->out, &w, "done");
    feed->write_done(feed, &w, feed->is_made_up ? &feed->made_up_exit : NULL);
    close_event(&feed->out);
}

/* A stream that is cut short gets no proper end: the client must not take it for complete. */
static void finish(struct feed *feed, enum read_result result)
{
    if (result == READ_CLOSED)
        return;
    if (result == READ_END)
        write_end(feed);
    else
        write_lost(feed);
    if (send_event(feed, EVENT_TERMINAL) == 0)
        feed->x->ops->stream_end(feed->x);
}

/* ---- protocol B: start -------------------------------------------------------------------------- */

static void write_done_base64(struct feed *feed, struct jsonw *w, const int *made_up_exit)
{
    hb_write_done(w, hb_now(feed->hb), feed->proc, feed->last_seq, made_up_exit);
}

static int send_started(struct feed *feed)
{
    struct jsonw w;
    open_event(&feed->out, &w, "started");
    hb_write_started(&w, hb_now(feed->hb), feed->proc);
    close_event(&feed->out);
    if (feed->x->ops->stream_begin(feed->x, 200, SSE_TYPE) < 0 || send_event(feed, EVENT_FIRST) < 0)
        return -1;
    feed->is_made_up = op_fabricates(feed->x, &feed->made_up_exit);
    return 0;
}

void hb_stream_start(struct hb *hb, struct exchange *x, struct proc *proc, struct proc_reader *reader)
{
    struct feed feed = {
        .hb = hb, .x = x, .proc = proc, .reader = reader, .emit = emit_base64, .write_done = write_done_base64
    };
    if (send_started(&feed) == 0)
        finish(&feed, run(&feed));
    feed_fini(&feed);
}

/* ---- GET .../stream -------------------------------------------------------------------------------- */

/* A reader that comes back behind event n was not shown what n held back, so a few facts before are read too,
   in silence. */
#define LOOK_BACK_FACTS 8

/* Open first and look then: what an open reader needs does not go away in between. */
static int open_replay(struct feed *feed, struct err *err)
{
    uint64_t window = (uint64_t) hb_now(feed->hb)->replay_window_bytes;
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

static void write_done_text(struct feed *feed, struct jsonw *w, const int *made_up_exit)
{
    hb_write_result(w, NULL, hb_now(feed->hb), feed->proc, made_up_exit);
}

static void serve_replay(struct feed *feed)
{
    feed->is_made_up = op_fabricates(feed->x, &feed->made_up_exit);
    enum read_result result = run(feed);
    if (result == READ_END && emit_all_held(feed) < 0)
        result = READ_CLOSED;
    finish(feed, result);
}

void hb_stream_replay(struct hb *hb, struct exchange *x, struct proc *proc, uint64_t from_seq)
{
    struct feed feed = {
        .hb = hb, .x = x, .proc = proc, .emit = emit_text, .write_done = write_done_text, .from_seq = from_seq
    };
    struct err err = ERR_INIT;
    if (open_replay(&feed, &err) < 0)
        hb_fail_err(x, &err);
    else if (x->ops->stream_begin(x, 200, SSE_TYPE) == 0)
        serve_replay(&feed);
    feed_fini(&feed);
}
