/* Slow, dribbled and split sending: the waiting for it. */
#include "transports/http_priv.h"

#define MAX_PARTS 4
#define READER_PATIENCE_MS 5000      /* real time, once an answer */

int paced_await_reader(struct http_exchange *hx)
{
    int64_t until_ns = hx->reader_is_late ? 0 : mono_ns() + READER_PATIENCE_MS * NS_PER_MS;
    int has_read = peer_await_read(hx->conn, until_ns);
    hx->reader_is_late = hx->reader_is_late || has_read == 0;
    return has_read < 0 ? -1 : 0;
}

/* Wait until some of `want` bytes may go; how many.  0: the client is gone, or the server is stopping. */
static size_t await_turn(struct http_exchange *hx, size_t want)
{
    struct pace *pace = &hx->pace;
    int64_t wake_ms;
    size_t n;
    /* Not before the client has read the piece before: else the two would come to it as one. */
    if (pace->kind == FAULT_SPLIT && paced_await_reader(hx) < 0)
        return 0;
    while ((n = pace_allow(pace, want, &wake_ms)) == 0) {
        if (!clock_sleep_until(pace->clock, wake_ms, fault_is_interrupted, hx))
            return 0;
    }
    return n;
}

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
        size_t n = await_turn(hx, left);
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

int paced_send(struct http_exchange *hx, const struct part *parts, size_t count)
{
    if (!hx->pace.is_on)
        return send_at_once(hx, parts, count);
    pace_resume(&hx->pace);
    for (size_t i = 0; i < count; i++) {
        if (send_by_pace(hx, &parts[i]) < 0)
            return -1;
    }
    pace_rest(&hx->pace);
    return 0;
}
