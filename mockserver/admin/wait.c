/* Waiting for something to happen in lanes, by the machine's time. */
#include <time.h>

#include "admin/admin_priv.h"

#define NS_PER_MS INT64_C(1000000)
#define SLICE_NS (50 * NS_PER_MS)     /* what no ledger tells (a new lane, a client that went) is seen after this */
#define LOOK_NS (20 * NS_PER_MS)      /* between two looks at several lanes, and for each lane more: */
#define LANE_NS (NS_PER_MS / 20)

void wait_begin(struct wait *wait, struct call *call)
{
    int64_t now = mono_ns();
    int64_t ms = call_int(call, "timeout_ms", WAIT_DEFAULT_MS);
    *wait = (struct wait) { .call = call, .begun_ns = now, .until_ns = now + ms * NS_PER_MS };
}

static void sleep_until(int64_t ns)
{
    struct timespec at = { .tv_sec = (time_t) (ns / 1000000000), .tv_nsec = (long) (ns % 1000000000) };
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
}

bool wait_next(struct wait *wait)
{
    struct call *call = wait->call;
    int64_t now = mono_ns();
    if (now >= wait->until_ns || call_is_over(call))
        return false;
    bool is_one = call->lane_count == 1;
    int64_t next = now + (is_one ? SLICE_NS : LOOK_NS + (int64_t) call->lane_count * LANE_NS);
    next = next < wait->until_ns ? next : wait->until_ns;
    if (is_one)
        ledger_await_change(lane_ledger(call->lanes[0]), &wait->change, next, call_is_over, call);
    else
        sleep_until(next);
    call_look_again(call);
    return true;
}

int64_t wait_taken_ms(const struct wait *wait)
{
    return (mono_ns() - wait->begun_ns) / NS_PER_MS;
}

void wait_put_failure(struct answer *a, const struct wait *wait, const char *what)
{
    BUF_AUTO message = BUF_INIT;
    a->status = 408;
    buf_printf(&message, "waited %lld ms: %s", (long long) wait_taken_ms(wait), what);
    jsonw_str(&a->w, "message", buf_cstr(&message));
    jsonw_str(&a->w, "error", buf_cstr(&message));
    jsonw_str(&a->w, "code", "timeout");
    jsonw_int(&a->w, "waited_ms", wait_taken_ms(wait));
}
