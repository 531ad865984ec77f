/* Slow, dribbled and split sending. */
#include "transports/http_priv.h"

#include <string.h>

#define STEPS_PER_S 50               /* slow sending goes in so many portions, or bytes */
#define MAX_PARTS 4
#define READER_PATIENCE_MS 5000      /* real time, once an answer */

/* ---- whose turn it is ------------------------------------------------------------------- */

static size_t least(size_t a, int64_t b)
{
    return (uint64_t) b < a ? (size_t) b : a;
}

/* What time has earned since it was looked last.  A clock that jumps far cannot make it overflow. */
static void save_up(struct http_pace *pace)
{
    int64_t now = clock_now_ms(pace->clock);
    int64_t most = INT64_MAX / 2 / pace->bytes_per_s;
    int64_t passed = now - pace->last_ms;
    int64_t earned = (passed < most ? passed : most) * pace->bytes_per_s;
    pace->credit = pace->credit < INT64_MAX / 2 ? pace->credit + earned : INT64_MAX / 2;
    pace->last_ms = now;
}

/* Wait until some of `want` bytes may go; how many.  0: the client is gone, or the server is stopping. */
static size_t await_slow(struct http_exchange *hx, size_t want)
{
    struct http_pace *pace = &hx->pace;
    int64_t step = pace->bytes_per_s < STEPS_PER_S ? 1 : pace->bytes_per_s / STEPS_PER_S;
    int64_t need = (int64_t) least(want, step) * 1000;
    save_up(pace);
    while (pace->credit < need) {
        int64_t wait_ms = (need - pace->credit + pace->bytes_per_s - 1) / pace->bytes_per_s;
        if (!clock_sleep_until(pace->clock, pace->last_ms + wait_ms, fault_is_interrupted, hx))
            return 0;
        save_up(pace);
    }
    size_t n = least(want, pace->credit / 1000);
    pace->credit -= (int64_t) n * 1000;
    return n;
}

static size_t await_dribble(struct http_exchange *hx, size_t want)
{
    struct http_pace *pace = &hx->pace;
    if (pace->left == 0) {
        if (!clock_sleep_until(pace->clock, pace->next_ms, fault_is_interrupted, hx))
            return 0;
        pace->next_ms += pace->every_ms;
        pace->left = pace->bytes;
    }
    size_t n = least(want, pace->left);
    pace->left -= (int64_t) n;
    return n;
}

int pace_await_reader(struct http_exchange *hx)
{
    int64_t until_ns = hx->pace.reader_is_late ? 0 : mono_ns() + READER_PATIENCE_MS * NS_PER_MS;
    int has_read = peer_await_read(hx->conn, until_ns);
    hx->pace.reader_is_late = hx->pace.reader_is_late || has_read == 0;
    return has_read < 0 ? -1 : 0;
}

/* Not before the client has read the piece before: else the two would come to it as one. */
static size_t await_split(struct http_exchange *hx, size_t want)
{
    return pace_await_reader(hx) < 0 ? 0 : least(want, hx->pace.bytes);
}

static size_t (*const await_turn[FAULT_KINDS])(struct http_exchange *hx, size_t want) = {
    [FAULT_SLOW] = await_slow,
    [FAULT_DRIBBLE] = await_dribble,
    [FAULT_SPLIT] = await_split,
};

void pace_begin(struct http_exchange *hx, const struct strike *strike)
{
    const struct fault *fault = strike->fault;
    int64_t now = clock_now_ms(strike->clock);
    hx->pace = (struct http_pace) { .kind = fault->kind, .is_on = true, .clock = strike->clock, .bytes = fault->bytes,
                                    .bytes_per_s = fault->bytes_per_s, .every_ms = fault->every_ms, .last_ms = now,
                                    .next_ms = now, .rested_ms = now };
}

/* ---- sending ---------------------------------------------------------------------------- */

static void observe(struct http_exchange *hx, const struct part *part)
{
    if (part->is_body && part->len > 0 && hx->x.observer != NULL)
        hx->x.observer->answer_bytes(&hx->x, part->data, part->len);
    if (part->is_end)
        exchange_tell_end(hx, EXCHANGE_COMPLETE);
}

static void note(struct http_exchange *hx, const struct part *part)
{
    if (part->is_body && hx->x.strike != NULL)
        strike_note_bytes(hx->x.strike, part->len);
}

static int send_at_once(struct http_exchange *hx, const struct part *parts, size_t count)
{
    struct iovec iov[MAX_PARTS];
    for (size_t i = 0; i < count; i++) {
        observe(hx, &parts[i]);
        iov[i] = (struct iovec) { (void *) (uintptr_t) parts[i].data, parts[i].len };
    }
    if (wire_send(hx->conn, iov, (int) count) < 0)
        return exchange_lose_client(hx);
    for (size_t i = 0; i < count; i++)
        note(hx, &parts[i]);
    return 0;
}

static int send_by_pace(struct http_exchange *hx, const struct part *part)
{
    const char *at = part->data;
    for (size_t left = part->len; left > 0;) {
        size_t n = await_turn[hx->pace.kind](hx, left);
        if (n == 0)
            return exchange_lose_client(hx);
        if (hx->x.strike != NULL && !hx->x.strike->fired)
            strike_fired(hx->x.strike);
        const struct part now = { .data = at, .len = n, .is_body = part->is_body, .is_end = part->is_end && n == left };
        if (send_at_once(hx, &now, 1) < 0)
            return -1;
        at += n;
        left -= n;
    }
    return 0;
}

/* The time while there was nothing to send earns nothing. */
static void skip_idle_time(struct http_pace *pace)
{
    int64_t now = clock_now_ms(pace->clock), idle = now - pace->rested_ms;
    pace->last_ms = now;
    if (pace->next_ms < now)
        pace->next_ms = pace->next_ms + idle < now ? pace->next_ms + idle : now;
}

static void rest(struct http_pace *pace)
{
    if (pace->kind == FAULT_SLOW)
        save_up(pace);
    pace->rested_ms = clock_now_ms(pace->clock);
}

int pace_send(struct http_exchange *hx, const struct part *parts, size_t count)
{
    if (!hx->pace.is_on)
        return send_at_once(hx, parts, count);
    skip_idle_time(&hx->pace);
    for (size_t i = 0; i < count; i++) {
        if (send_by_pace(hx, &parts[i]) < 0)
            return -1;
    }
    rest(&hx->pace);
    return 0;
}
