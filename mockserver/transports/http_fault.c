/*
 * What a fault of a scenario does to an HTTP/1.1 answer.
 *
 * Where it may strike: when a poke says that something was noted; when the answer is about to begin;
 * in its body.  Faults about whole events are done before they come here (dialects/op.c), and so
 * are those that the request meets at the door.
 */
#include "transports/http_priv.h"

#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/clock.h"

#define POLL_STEP_MS 200             /* how often a silent thread looks whether the server stops */
#define NOISE_BYTES 32

/* ---- ends of an answer ------------------------------------------------------------------ */

/* Nothing more will come, and the client is told so at once. */
static int say_end(struct http_exchange *hx, enum exchange_end end)
{
    exchange_tell_end(hx, end);
    shutdown(hx->conn->fd, SHUT_WR);
    hx->said_end = true;
    return exchange_give_up(hx, end);
}

static int close_silently(struct http_exchange *hx)
{
    return say_end(hx, hx->x.answered ? EXCHANGE_CUT : EXCHANGE_NO_ANSWER);
}

/* civetweb owns the descriptor, so it must not be closed here: but disconnecting resets, too.  What was sent before
   must have reached the client's kernel, for a reset throws away what has not. */
static int reset(struct http_exchange *hx)
{
    const struct sockaddr nobody = { .sa_family = AF_UNSPEC };
    if (wire_await_sent(hx->conn) < 0)
        return exchange_lose_client(hx);
    exchange_tell_end(hx, EXCHANGE_RESET);
    connect(hx->conn->fd, &nobody, sizeof nobody);
    return exchange_give_up(hx, EXCHANGE_RESET);
}

bool fault_is_interrupted(void *arg)
{
    struct http_exchange *hx = arg;
    bool is_stale = hx->x.strike != NULL && strike_is_stale(hx->x.strike);
    return is_stale || wire_peer_gone(hx->conn, &hx->half_closed_since_ns);
}

static bool has_half_closed(const struct http_exchange *hx)
{
    struct pollfd p = { .fd = hx->conn->fd, .events = POLLRDHUP };
    return poll(&p, 1, 0) > 0;
}

/* Until the client goes.  When it ends its sending side now, it has given up: no other sign of that would come while
   nothing is sent. */
static int stay_silent(struct http_exchange *hx)
{
    bool is_sign = !has_half_closed(hx);
    while (!fault_is_interrupted(hx)) {
        struct pollfd p = { .fd = hx->conn->fd, .events = is_sign ? POLLRDHUP : 0 };
        if (poll(&p, 1, POLL_STEP_MS) > 0 && is_sign)
            break;
    }
    return exchange_lose_client(hx);
}

/* ---- one function a kind ---------------------------------------------------------------- */


/* The wait has begun when the fault is said to have fired: who waits for that may let time pass at once. */
static int fire_and_wait(struct http_exchange *hx, int64_t ms)
{
    struct clock *clock = hx->x.strike->clock;
    int64_t due_ms = clock_deadline(clock, ms);
    strike_fired(hx->x.strike);
    bool has_come = clock_sleep_until(clock, due_ms, fault_is_interrupted, hx);
    return has_come ? 0 : exchange_lose_client(hx);
}

static int delay_first_byte(struct http_exchange *hx)
{
    return fire_and_wait(hx, strike_delay_ms(hx->x.strike));
}

static int stall(struct http_exchange *hx)
{
    int64_t ms = hx->x.strike->fault->ms;
    if (ms > 0)
        return fire_and_wait(hx, ms);
    strike_fired(hx->x.strike);
    return stay_silent(hx);
}

/* It fires with its first byte. */
static int change_pace(struct http_exchange *hx)
{
    pace_begin(&hx->pace, hx->x.strike);
    return 0;
}

static int send_raw(struct http_exchange *hx, const void *data, size_t len)
{
    return paced_send(hx, &(struct part) { .data = data, .len = len }, 1);
}

/* Can the answer end here as if this were all? */
static bool may_end_properly(const struct http_exchange *hx)
{
    return hx->no_body_out || (hx->streaming && hx->chunked);
}

static int cut(struct http_exchange *hx)
{
    bool is_proper = hx->x.strike->fault->terminator != 0 && may_end_properly(hx);
    strike_fired(hx->x.strike);
    if (!is_proper)
        return say_end(hx, EXCHANGE_CUT);
    exchange_tell_end(hx, EXCHANGE_CUT);
    if (!hx->no_body_out && send_raw(hx, "0\r\n\r\n", 5) < 0)
        return -1;
    hx->stream_ended = true;
    hx->over = true;                 /* but the connection is as good as new */
    hx->end = EXCHANGE_CUT;
    return -1;
}

static int close_empty(struct http_exchange *hx)
{
    strike_fired(hx->x.strike);
    return close_silently(hx);
}

static int reset_connection(struct http_exchange *hx)
{
    strike_fired(hx->x.strike);
    return reset(hx);
}

static int lose_reply(struct http_exchange *hx)
{
    static int (*const ways[])(struct http_exchange *hx) = {
        [LOST_CLOSE] = close_silently,
        [LOST_RESET] = reset,
        [LOST_STALL] = stay_silent,
    };
    strike_fired(hx->x.strike);
    return ways[hx->x.strike->fault->how](hx);
}

static void add_random(struct http_exchange *hx, struct buf *out, size_t len)
{
    char *at = buf_reserve(out, len);
    if (at == NULL)
        return;
    strike_random(hx->x.strike, at, len);
    out->len += len;
    at[len] = '\0';
}

static int send_noise(struct http_exchange *hx, const struct buf *noise)
{
    if (noise->failed)
        return exchange_give_up(hx, EXCHANGE_CUT);
    return send_raw(hx, noise->data, noise->len) < 0 ? -1 : say_end(hx, EXCHANGE_CUT);
}

/* Where the size of a chunk should stand. */
static int break_chunk(struct http_exchange *hx)
{
    BUF_AUTO noise = BUF_INIT;
    struct wire_head head = { .status = 200, .chunked = true };
    strike_fired(hx->x.strike);
    hx->keep_alive = false;
    if (!hx->x.answered && exchange_make_head(hx, &head, &noise) < 0)
        return exchange_give_up(hx, EXCHANGE_CUT);
    buf_str(&noise, "this is no size of a chunk\r\n");
    add_random(hx, &noise, NOISE_BYTES);
    return send_noise(hx, &noise);
}

static int send_random(struct http_exchange *hx)
{
    BUF_AUTO noise = BUF_INIT;
    strike_fired(hx->x.strike);
    add_random(hx, &noise, (size_t) hx->x.strike->fault->bytes);
    return send_noise(hx, &noise);
}

static int strike_behind(struct http_exchange *hx)
{
    if (hx->x.on_strike != NULL)
        hx->x.on_strike(&hx->x);
    return 0;
}

/* ---- which, and when -------------------------------------------------------------------- */

/* Each says -1 when the answer is over. */
static int (*const deeds[FAULT_KINDS])(struct http_exchange *hx) = {
    [FAULT_FIRST_BYTE_DELAY] = delay_first_byte,
    [FAULT_STALL] = stall,
    [FAULT_SLOW] = change_pace,
    [FAULT_DRIBBLE] = change_pace,
    [FAULT_SPLIT] = change_pace,
    [FAULT_CUT] = cut,
    [FAULT_EMPTY_RESPONSE] = close_empty,
    [FAULT_CONNECTION_RESET_BY_PEER] = reset_connection,
    [FAULT_MALFORMED_RESPONSE_CHUNK] = break_chunk,
    [FAULT_RANDOM_DATA_THEN_CLOSE] = send_random,
    [FAULT_LOST_REPLY] = lose_reply,
    [FAULT_EXPIRE_TOKEN] = strike_behind,
};

/* A pace that has begun is waiting for nothing but its first byte. */
static bool has_pending_deed(const struct http_exchange *hx)
{
    const struct strike *strike = hx->x.strike;
    bool is_pending = strike != NULL && !strike->fired && !hx->pace.is_on;
    return is_pending && deeds[strike->fault->kind] != NULL;
}

/* -1: the answer is over. */
static int strike_at(struct http_exchange *hx, enum moment moment)
{
    if (!has_pending_deed(hx) || !moment_is_right(hx->x.strike, moment))
        return 0;
    return deeds[hx->x.strike->fault->kind](hx);
}

/* ---- pieces ------------------------------------------------------------------------------- */

static int send_piece(struct http_exchange *hx, const void *data, size_t len, bool is_end)
{
    char size[24];
    int digits = snprintf(size, sizeof size, "%zx\r\n", len);
    const struct part parts[] = { { .data = size, .len = (size_t) digits },
                                  { .data = data, .len = len, .is_body = true, .is_end = is_end },
                                  { .data = "\r\n", .len = 2 } };
    return hx->chunked ? paced_send(hx, parts, 3) : paced_send(hx, parts + 1, 1);
}

/* The last piece of a whole answer, with nothing left that could still strike. */
static bool is_sure_end(const struct http_exchange *hx, size_t left, size_t piece)
{
    return !hx->streaming && piece == left && piece <= SURE_BYTES && !has_pending_deed(hx);
}

/* ---- a reply in pieces -------------------------------------------------------------------- */

/* The scenario's reply says where it is cut; NULL: it is not. */
static const struct reply *reply_in_pieces(const struct http_exchange *hx)
{
    const struct reply *reply = hx->x.strike == NULL ? NULL : hx->x.strike->fault->reply;
    return reply != NULL && reply->piece_count > 0 ? reply : NULL;
}

static int send_in_pieces(struct http_exchange *hx, const struct reply *reply, const char *data, size_t len)
{
    for (size_t i = 0; len > 0; i++) {
        bool is_cut = i < reply->piece_count && reply->pieces[i] < len;
        size_t n = is_cut ? reply->pieces[i] : len;
        if (paced_await_reader(hx) < 0)
            return exchange_lose_client(hx);
        if (send_piece(hx, data, n, is_sure_end(hx, len, n)) < 0)
            return -1;
        data += n;
        len -= n;
    }
    return 0;
}

/* ---- an answer -------------------------------------------------------------------------- */

/* How much goes before something may have to happen. */
static size_t size_of_piece(const struct http_exchange *hx, size_t len)
{
    uint64_t room = !has_pending_deed(hx) ? UINT64_MAX : strike_room(hx->x.strike);
    if (hx->pace.is_on && hx->pace.kind == FAULT_SPLIT)
        room = (uint64_t) hx->pace.bytes;
    return room < len ? (size_t) room : len;
}

static int send_body(struct http_exchange *hx, const char *data, size_t len)
{
    if (strike_at(hx, MOMENT_BODY) < 0)
        return -1;
    while (len > 0) {
        size_t n = size_of_piece(hx, len);
        if (send_piece(hx, data, n, is_sure_end(hx, len, n)) < 0 || strike_at(hx, MOMENT_BODY) < 0)
            return -1;
        data += n;
        len -= n;
    }
    return 0;
}

static int send_head(struct http_exchange *hx, struct wire_head *head, bool is_end)
{
    BUF_AUTO text = BUF_INIT;
    if (exchange_make_head(hx, head, &text) < 0)
        return exchange_give_up(hx, EXCHANGE_CUT);
    return paced_send(hx, &(struct part) { .data = text.data, .len = text.len, .is_end = is_end }, 1);
}

/* A chunk can only be broken where there are some. */
static bool will_break_chunk(const struct http_exchange *hx, size_t len)
{
    const struct strike *strike = hx->x.strike;
    return strike->fault->kind == FAULT_MALFORMED_RESPONSE_CHUNK && hx->speaks_chunks && !strike->fired
           && (strike_is_due(strike) || strike_room(strike) <= len);
}

int fault_reply(struct http_exchange *hx, struct wire_head *head, const void *body, size_t len)
{
    if (strike_at(hx, MOMENT_HEAD) < 0)
        return -1;
    head->chunked = hx->chunked = will_break_chunk(hx, len);
    bool is_all = len == 0 && !has_pending_deed(hx);
    if (send_head(hx, head, is_all) < 0)
        return -1;
    const struct reply *reply = reply_in_pieces(hx);
    return reply != NULL ? send_in_pieces(hx, reply, body, len) : send_body(hx, body, len);
}

int fault_stream_begin(struct http_exchange *hx, struct wire_head *head)
{
    if (strike_at(hx, MOMENT_HEAD) < 0 || send_head(hx, head, false) < 0)
        return -1;
    return strike_at(hx, MOMENT_BODY);
}

int fault_stream_write(struct http_exchange *hx, const void *data, size_t len)
{
    return send_body(hx, data, hx->no_body_out ? 0 : len);
}

int fault_stream_end(struct http_exchange *hx)
{
    if (strike_at(hx, MOMENT_BODY) < 0)
        return -1;
    hx->stream_ended = true;
    exchange_tell_end(hx, EXCHANGE_COMPLETE);
    return !hx->chunked || hx->no_body_out ? 0 : send_raw(hx, "0\r\n\r\n", 5);
}

int fault_poke(struct http_exchange *hx)
{
    return strike_at(hx, hx->x.answered ? MOMENT_BODY : MOMENT_POKE);
}
