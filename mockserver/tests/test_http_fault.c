/* transports/http: every fault at every place where it may strike, as bytes on the wire. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/support/http_faulty.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define HOST "Host: 127.0.0.1\r\n"
#define QUIET_MS 15
#define STALL_MS 5000
#define NOISE_LINE "this is no size of a chunk\r\n"
#define NOISE_BYTES 32
#define RANDOM_BYTES 40

/* ---- the two ways of an answer ----------------------------------------------------------- */

static const char body_text[] = "one\ntwo\nthree\n";
#define BODY_BYTES (sizeof body_text - 1)

static const struct way {
    const char *path;
    bool is_chunked, has_events;
    size_t ends[3];                      /* of the pieces that the handler writes */
    size_t pieces;
} ways[] = {
    { "/events", true, true, { 4, 8, 14 }, 3 },
    { "/chunks", true, false, { 4, 8, 14 }, 3 },
    { "/whole", false, false, { 14 }, 1 },
};

/* ---- places ------------------------------------------------------------------------------ */

#define NOWHERE SIZE_MAX

static const struct place {
    enum fault_trigger trigger;
    const char *at;                      /* JSON or NULL */
    bool needs_events;
    bool has_head;                       /* on the wire by then */
    size_t from;                         /* behind so much of the body; NOWHERE: never */
} places[] = {
    { TRIGGER_PROBABILITY, NULL, false, false, 0 },
    { TRIGGER_PROBABILITY, "{ \"probability\": 1 }", false, false, 0 },
    { TRIGGER_BYTES, "{ \"after_bytes\": 0 }", false, true, 0 },
    { TRIGGER_BYTES, "{ \"after_bytes\": 1 }", false, true, 1 },
    { TRIGGER_BYTES, "{ \"after_bytes\": 6 }", false, true, 6 },
    { TRIGGER_BYTES, "{ \"after_bytes\": 8 }", false, true, 8 },
    { TRIGGER_BYTES, "{ \"after_bytes\": 14 }", false, true, 14 },
    { TRIGGER_BYTES, "{ \"after_bytes\": 15 }", false, true, NOWHERE },
    { TRIGGER_EVENTS, "{ \"after_events\": 0 }", true, true, 0 },
    { TRIGGER_EVENTS, "{ \"after_events\": 2 }", true, true, 8 },
    { TRIGGER_EVENTS, "{ \"after_events\": 3 }", true, true, 14 },
    { TRIGGER_EVENTS, "{ \"after_events\": 4 }", true, true, NOWHERE },
    { TRIGGER_FACT, "{ \"after_fact\": \"started\" }", false, false, 0 },
    { TRIGGER_FACT, "{ \"after_fact\": \"exited\" }", true, true, 8 },
};

/* ---- what each kind does ----------------------------------------------------------------- */

enum effect {
    UNTOUCHED = 1,  /* not the transport's business: it must leave the answer alone and not fire */
    GOES_ON,        /* the same bytes as without */
    GOES_ON_LATER,  /* ... when time moves on, and not before */
    GOES_ON_PACED,  /* ... as time moves on */
    GOES_ON_SPLIT,  /* every byte of the body in a chunk of its own */
    STAYS_SILENT,
    ENDS,           /* FIN */
    ENDS_PROPERLY,  /* the end of a chunked body, and the connection lives */
    RESETS,         /* RST */
    ENDS_BROKEN,    /* a bad chunk, FIN */
    ENDS_NOISY      /* random bytes, FIN */
};

static const struct row {
    enum fault_kind kind;
    const char *fault;                   /* JSON */
    enum effect effect;
    bool needs_head;                     /* strikes behind the head, even if its time has come before */
    enum exchange_end end;
} rows[] = {
    { FAULT_REPLY, "\"reply\": { \"status\": 503 }", UNTOUCHED, false, EXCHANGE_COMPLETE },
    { FAULT_DELAY, "\"fault\": { \"kind\": \"delay\", \"ms\": 5000 }", UNTOUCHED, false, EXCHANGE_COMPLETE },
    { FAULT_FIRST_BYTE_DELAY, "\"fault\": { \"kind\": \"first_byte_delay\", \"ms\": 5000 }", GOES_ON_LATER, false,
      EXCHANGE_COMPLETE },
    { FAULT_STALL, "\"fault\": { \"kind\": \"stall\", \"ms\": 5000 }", GOES_ON_LATER, false, EXCHANGE_COMPLETE },
    { FAULT_STALL, "\"fault\": \"stall\"", STAYS_SILENT, false, EXCHANGE_CLIENT_GONE },
    { FAULT_SLOW, "\"fault\": { \"kind\": \"slow\", \"bytes_per_s\": 20 }", GOES_ON_PACED, false, EXCHANGE_COMPLETE },
    { FAULT_DRIBBLE, "\"fault\": { \"kind\": \"dribble\", \"bytes\": 2, \"every_ms\": 100 }", GOES_ON_PACED, false,
      EXCHANGE_COMPLETE },
    { FAULT_SPLIT, "\"fault\": \"split\"", GOES_ON_SPLIT, false, EXCHANGE_COMPLETE },
    { FAULT_CUT, "\"fault\": \"cut\"", ENDS, true, EXCHANGE_CUT },
    { FAULT_CUT, "\"fault\": { \"kind\": \"cut\", \"terminator\": true }", ENDS_PROPERLY, true, EXCHANGE_CUT },
    { FAULT_EMPTY_RESPONSE, "\"fault\": \"EMPTY_RESPONSE\"", ENDS, false, EXCHANGE_NO_ANSWER },
    { FAULT_CONNECTION_RESET_BY_PEER, "\"fault\": \"CONNECTION_RESET_BY_PEER\"", RESETS, false, EXCHANGE_RESET },
    { FAULT_MALFORMED_RESPONSE_CHUNK, "\"fault\": \"MALFORMED_RESPONSE_CHUNK\"", ENDS_BROKEN, true, EXCHANGE_CUT },
    { FAULT_RANDOM_DATA_THEN_CLOSE, "\"fault\": { \"kind\": \"RANDOM_DATA_THEN_CLOSE\", \"bytes\": 40 }", ENDS_NOISY,
      false, EXCHANGE_CUT },
    { FAULT_LOST_REPLY, "\"fault\": \"lost_reply\"", ENDS, false, EXCHANGE_NO_ANSWER },
    { FAULT_LOST_REPLY, "\"fault\": { \"kind\": \"lost_reply\", \"how\": \"reset\" }", RESETS, false, EXCHANGE_RESET },
    { FAULT_LOST_REPLY, "\"fault\": { \"kind\": \"lost_reply\", \"how\": \"stall\" }", STAYS_SILENT, false,
      EXCHANGE_CLIENT_GONE },
    { FAULT_DUPLICATE_EVENT, "\"fault\": \"duplicate_event\"", UNTOUCHED, false, EXCHANGE_COMPLETE },
    { FAULT_REORDER, "\"fault\": \"reorder\"", UNTOUCHED, false, EXCHANGE_COMPLETE },
    { FAULT_DROP_TERMINAL_EVENT, "\"fault\": \"drop_terminal_event\"", UNTOUCHED, false, EXCHANGE_COMPLETE },
    { FAULT_FABRICATE_TERMINAL_EVENT, "\"fault\": \"fabricate_terminal_event\"", UNTOUCHED, false, EXCHANGE_COMPLETE },
    { FAULT_EXPIRE_TOKEN, "\"fault\": \"expire_token\"", GOES_ON, false, EXCHANGE_COMPLETE },
    { FAULT_DROP_EVENT, "\"fault\": \"drop_event\"", UNTOUCHED, false, EXCHANGE_COMPLETE },
};

/* ---- what should be on the wire ---------------------------------------------------------- */

struct plan {
    const struct way *way;
    const struct place *place;
    const struct row *row;
    enum effect effect;
    struct buf before, after;    /* the wire up to the place, and behind it; a head as "<head>" */
    size_t body;                 /* of the body, up to the place */
};

/* The body from `from` to `to` as it is framed when every piece that was written is a chunk, or (max) smaller ones. */
static void put_body(struct buf *out, const struct plan *p, bool chunked, size_t from, size_t to, size_t max)
{
    for (size_t piece = 0; piece < p->way->pieces; piece++) {
        for (size_t end = p->way->ends[piece]; from < end && from < to;) {
            size_t n = (end < to ? end : to) - from;
            n = n < max ? n : max;
            if (chunked)
                buf_printf(out, "%zx\r\n", n);
            buf_add(out, body_text + from, n);
            if (chunked)
                buf_str(out, "\r\n");
            from += n;
        }
    }
}

static void put_rest(struct plan *p)
{
    bool chunked = p->way->is_chunked;
    if (buf_cstr(&p->before)[0] == '\0')
        buf_str(&p->after, "<head>");
    put_body(&p->after, p, chunked, p->body, BODY_BYTES, p->effect == GOES_ON_SPLIT ? 1 : BODY_BYTES);
    if (chunked)
        buf_str(&p->after, "0\r\n\r\n");
}

static bool is_end(enum effect effect)
{
    return effect >= STAYS_SILENT;
}

static void make_plan(struct plan *p)
{
    bool never = p->place->from == NOWHERE;
    p->effect = never ? GOES_ON : p->row->effect;
    p->body = never ? BODY_BYTES : p->place->from;
    bool breaks = p->effect == ENDS_BROKEN;
    if (p->place->has_head || p->row->needs_head)
        buf_str(&p->before, "<head>");
    put_body(&p->before, p, p->way->is_chunked || breaks, 0, p->body, BODY_BYTES);
    if (!is_end(p->effect))
        put_rest(p);
    else if (p->effect == ENDS_PROPERLY && p->way->is_chunked)
        buf_str(&p->after, "0\r\n\r\n");
    else if (p->effect == ENDS_PROPERLY)         /* a length cannot be taken back */
        p->effect = ENDS;
    else if (breaks)
        buf_str(&p->after, NOISE_LINE);
}

/* ---- what is on the wire ----------------------------------------------------------------- */

/* The text received, the head written short, or left away while it is not complete. */
static void shorten(const struct http_client *c, struct buf *out)
{
    static const char begin[] = "HTTP/1.1 ";
    size_t len = c->in.len < sizeof begin - 1 ? c->in.len : sizeof begin - 1;
    buf_clear(out);
    if (c->in.len == 0)
        return;
    const char *end = memmem(c->in.data, c->in.len, "\r\n\r\n", 4);
    bool is_head = memcmp(c->in.data, begin, len) == 0;
    if (is_head && end == NULL)
        return;
    size_t skip = is_head ? (size_t) (end + 4 - c->in.data) : 0;
    buf_str(out, is_head ? "<head>" : "");
    buf_add(out, c->in.data + skip, c->in.len - skip);
}

static void complain(const struct plan *p, const char *what, const struct buf *seen)
{
    fail_msg("%s %s at %s: %s; seen: \"%s\", before: \"%s\", after: \"%s\"", p->way->path, p->row->fault,
             p->place->at == NULL ? "the start" : p->place->at, what, buf_cstr(seen), buf_cstr(&p->before),
             buf_cstr(&p->after));
}

/* Receive until the text is as long as `wanted`; then it must be the same, if `whole`. */
static void await_text(const struct plan *p, struct http_client *c, const char *wanted, int64_t step_ms)
{
    BUF_AUTO seen = BUF_INIT;
    for (shorten(c, &seen); seen.len < strlen(wanted); shorten(c, &seen)) {
        int rc = step_ms > 0 ? faulty_receive_in_time(&faulty_site, c, step_ms) : http_client_need(c, c->in.len + 1);
        if (rc < 0)
            complain(p, c->why, &seen);
    }
    if (seen.len != strlen(wanted) || strcmp(buf_cstr(&seen), wanted) != 0)
        complain(p, "other bytes", &seen);
}

static void assert_quiet(const struct plan *p, struct http_client *c)
{
    if (http_client_receive(c, QUIET_MS) != 0)
        complain(p, "not silent", &c->in);
}

/* FIN or RST, and nothing before it. */
static void assert_end(const struct plan *p, struct http_client *c, bool is_reset)
{
    char byte;
    ssize_t n = recv(c->fd, &byte, 1, 0);
    int error = errno;
    if (n > 0 || (n == 0) == is_reset || (n < 0 && error != ECONNRESET))
        complain(p, n > 0 ? "more bytes" : n == 0 ? "an orderly end" : strerror(error), &c->in);
}

/* Another request is served, at the latest when time moves on. */
static void assert_alive(const struct plan *p, struct http_client *c)
{
    BUF_AUTO seen = BUF_INIT;
    buf_clear(&c->in);
    int rc = http_client_text(c, "GET /plain HTTP/1.1\r\n" HOST "\r\n");
    for (; rc >= 0 && strcmp(buf_cstr(&seen), "<head>plain") != 0; shorten(c, &seen))
        rc = faulty_receive_in_time(&faulty_site, c, STALL_MS);
    if (rc < 0)
        complain(p, "the connection does not live on", &c->in);
}

static void await_noise(const struct plan *p, struct http_client *c, const char *wanted, size_t noise)
{
    BUF_AUTO seen = BUF_INIT;
    for (shorten(c, &seen); seen.len < strlen(wanted) + noise; shorten(c, &seen)) {
        if (http_client_need(c, c->in.len + 1) < 0)
            complain(p, c->why, &seen);
    }
    if (seen.len != strlen(wanted) + noise || memcmp(buf_cstr(&seen), wanted, strlen(wanted)) != 0)
        complain(p, "other bytes", &seen);
    assert_end(p, c, false);
}

static void check_wire(const struct plan *p, struct http_client *c)
{
    BUF_AUTO all = BUF_INIT;
    buf_printf(&all, "%s%s", buf_cstr(&p->before), buf_cstr(&p->after));
    const char *before = buf_cstr(&p->before), *whole = buf_cstr(&all);
    switch (p->effect) {
    case UNTOUCHED:
    case GOES_ON:
    case GOES_ON_SPLIT:
    case ENDS_PROPERLY:
        await_text(p, c, whole, 0);
        assert_alive(p, c);
        break;
    case GOES_ON_LATER:
        await_text(p, c, before, 0);
        assert_quiet(p, c);
        await_text(p, c, whole, STALL_MS);
        assert_alive(p, c);
        break;
    case GOES_ON_PACED:
        await_text(p, c, whole, 10000);
        assert_alive(p, c);
        break;
    case STAYS_SILENT:
        await_text(p, c, before, 0);
        clock_advance(faulty_site.clock, 10 * STALL_MS);
        assert_quiet(p, c);
        break;
    case ENDS:
    case RESETS:
        await_text(p, c, before, 0);
        assert_end(p, c, p->effect == RESETS);
        break;
    case ENDS_BROKEN:
        await_noise(p, c, whole, NOISE_BYTES);
        break;
    case ENDS_NOISY:
        await_noise(p, c, whole, RANDOM_BYTES);
        break;
    }
}

/* ---- one case ---------------------------------------------------------------------------- */

static void check_counts(const struct plan *p)
{
    struct match_counts counts;
    bool is_pace = p->effect == GOES_ON_PACED || p->effect == GOES_ON_SPLIT;   /* which fires with its first byte */
    bool fires = p->place->from != NOWHERE && p->effect != UNTOUCHED && (!is_pace || p->after.len > 0);
    faulty_get_counts(&faulty_site, &counts);
    if (counts.planned != 1 || counts.matched != 1 || counts.pending != 0 || counts.fired != fires
        || counts.missed != !fires)
        complain(p, fires ? "not fired as planned" : "fired", &faulty_site.seen.bytes);
}

static void check_seen(const struct plan *p)
{
    const struct faulty_seen *seen = &faulty_site.seen;
    bool goes_on = !is_end(p->effect), never = p->place->from == NOWHERE;
    size_t body = goes_on ? BODY_BYTES : p->body;
    bool has_head = goes_on || p->before.len > 0;
    if (seen->end != (never ? EXCHANGE_COMPLETE : p->row->end))
        complain(p, "another end is told", &seen->bytes);
    if (seen->status != (has_head ? 200 : 0) || seen->bytes.len != body
        || memcmp(buf_cstr(&seen->bytes), body_text, body) != 0)
        complain(p, "another answer is told", &seen->bytes);
    if (seen->told_ends > 1 || (seen->told_ends == 1 && seen->told_end != seen->end))
        complain(p, "another end is told beforehand, or twice", &seen->bytes);
    if (seen->was_ended == goes_on || seen->went_on)
        complain(p, goes_on ? "the handler was told of an end" : "the handler could go on", &seen->bytes);
    bool expires = p->row->kind == FAULT_EXPIRE_TOKEN && !never;
    if (seen->is_expired != expires || (expires && seen->expired_at != p->body))
        complain(p, "the token's expiry", &seen->bytes);
}

static void run(const struct way *way, const struct place *place, const struct row *row)
{
    struct err err = ERR_INIT;
    struct plan p = { .way = way, .place = place, .row = row, .before = BUF_INIT, .after = BUF_INIT };
    HTTP_CLIENT c = HTTP_CLIENT_INIT;
    make_plan(&p);
    if (faulty_arm(&faulty_site, place->at, row->fault, &err) < 0)
        fail_msg("%s at %s: %s", row->fault, place->at, err.text);
    assert_int_equal(http_client_open(&c, "127.0.0.1", faulty_site.port), 0);
    assert_int_equal(http_client_text(&c, "GET %s HTTP/1.1\r\n" HOST "\r\n", way->path), 0);
    check_wire(&p, &c);
    http_client_close(&c);
    assert_true(faulty_await(&faulty_site, 1));
    check_counts(&p);
    check_seen(&p);
    buf_fini(&p.before);
    buf_fini(&p.after);
}

/* Does this kind have such a place in such an answer? */
static bool makes_sense(const struct way *way, const struct place *place, const struct row *row)
{
    const struct fault_info *info = fault_info_of(row->kind);
    bool has_seen_fact = place->trigger != TRIGGER_FACT || !info->is_immediate || place->from == 0;
    return (info->triggers & TRIGGER_BIT(place->trigger)) != 0 && (way->has_events || !place->needs_events)
           && has_seen_fact;
}

/* ---- the claims -------------------------------------------------------------------------- */

static void run_kind(enum fault_kind kind)
{
    for (size_t r = 0; r < COUNT(rows); r++) {
        for (size_t i = 0; rows[r].kind == kind && i < COUNT(places) * COUNT(ways); i++) {
            if (makes_sense(&ways[i % COUNT(ways)], &places[i / COUNT(ways)], &rows[r]))
                run(&ways[i % COUNT(ways)], &places[i / COUNT(ways)], &rows[r]);
        }
    }
}

static bool has_row(enum fault_kind kind, enum fault_trigger trigger)
{
    for (size_t i = 0; i < COUNT(rows) * COUNT(places) * COUNT(ways); i++) {
        const struct row *row = &rows[i % COUNT(rows)];
        const struct place *place = &places[i / COUNT(rows) % COUNT(places)];
        if (row->kind == kind && place->trigger == trigger
            && makes_sense(&ways[i / COUNT(rows) / COUNT(places)], place, row))
            return true;
    }
    return false;
}

static void every_kind_of_http_has_a_row_for_each_of_its_triggers(void **state)
{
    (void) state;
    for (enum fault_kind kind = 0; kind < FAULT_KINDS; kind++) {
        const struct fault_info *info = fault_info_of(kind);
        for (enum fault_trigger trigger = 0; trigger < TRIGGERS; trigger++) {
            bool is_due = (info->triggers & TRIGGER_BIT(trigger)) != 0 && (info->dialects & vocab_dialects_http) != 0;
            if (is_due && !has_row(kind, trigger))
                fail_msg("%s has no row for %s", info->name, fault_trigger_name(trigger));
        }
    }
}

static void silences_last_as_long_as_they_should(void **state)
{
    (void) state;
    run_kind(FAULT_FIRST_BYTE_DELAY);
    run_kind(FAULT_STALL);
}

static void paces_change_no_byte_of_the_body(void **state)
{
    (void) state;
    run_kind(FAULT_SLOW);
    run_kind(FAULT_DRIBBLE);
    run_kind(FAULT_SPLIT);
}

static void cuts_end_the_body_at_their_place(void **state)
{
    (void) state;
    run_kind(FAULT_CUT);
    run_kind(FAULT_EMPTY_RESPONSE);
}

static void resets_are_real_and_lose_nothing_sent_before(void **state)
{
    (void) state;
    run_kind(FAULT_CONNECTION_RESET_BY_PEER);
}

static void noise_stands_where_the_answer_should_go_on(void **state)
{
    (void) state;
    run_kind(FAULT_MALFORMED_RESPONSE_CHUNK);
    run_kind(FAULT_RANDOM_DATA_THEN_CLOSE);
}

static void lost_replies_were_made_and_are_not_told(void **state)
{
    (void) state;
    run_kind(FAULT_LOST_REPLY);
}

static void tokens_expire_at_their_place(void **state)
{
    (void) state;
    run_kind(FAULT_EXPIRE_TOKEN);
}

static void faults_of_others_are_left_to_them(void **state)
{
    (void) state;
    run_kind(FAULT_REPLY);
    run_kind(FAULT_DELAY);
    run_kind(FAULT_DUPLICATE_EVENT);
    run_kind(FAULT_REORDER);
    run_kind(FAULT_DROP_TERMINAL_EVENT);
    run_kind(FAULT_FABRICATE_TERMINAL_EVENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_http_has_a_row_for_each_of_its_triggers),
        cmocka_unit_test(silences_last_as_long_as_they_should),
        cmocka_unit_test(paces_change_no_byte_of_the_body),
        cmocka_unit_test(cuts_end_the_body_at_their_place),
        cmocka_unit_test(resets_are_real_and_lose_nothing_sent_before),
        cmocka_unit_test(noise_stands_where_the_answer_should_go_on),
        cmocka_unit_test(lost_replies_were_made_and_are_not_told),
        cmocka_unit_test(tokens_expire_at_their_place),
        cmocka_unit_test(faults_of_others_are_left_to_them),
    };
    return cmocka_run_group_tests(tests, faulty_setup, faulty_teardown);
}
