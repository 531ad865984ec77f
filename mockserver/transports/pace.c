#include "transports/pace.h"

#include "lanes/strike.h"

#define STEPS_PER_S 50               /* slow sending goes in so many portions, or bytes */

static size_t least(size_t a, int64_t b)
{
    return (uint64_t) b < a ? (size_t) b : a;
}

/* What time has earned since it was looked last.  A clock that jumps far cannot make it overflow. */
static void save_up(struct pace *pace)
{
    int64_t now = clock_now_ms(pace->clock);
    int64_t most = INT64_MAX / 2 / pace->bytes_per_s;
    int64_t passed = now - pace->last_ms;
    int64_t earned = (passed < most ? passed : most) * pace->bytes_per_s;
    pace->credit = pace->credit < INT64_MAX / 2 ? pace->credit + earned : INT64_MAX / 2;
    pace->last_ms = now;
}

static size_t allow_slow(struct pace *pace, size_t want, int64_t *out_wake_ms)
{
    int64_t step = pace->bytes_per_s < STEPS_PER_S ? 1 : pace->bytes_per_s / STEPS_PER_S;
    int64_t need = (int64_t) least(want, step) * 1000;
    save_up(pace);
    if (pace->credit < need) {
        *out_wake_ms = pace->last_ms + (need - pace->credit + pace->bytes_per_s - 1) / pace->bytes_per_s;
        return 0;
    }
    size_t n = least(want, pace->credit / 1000);
    pace->credit -= (int64_t) n * 1000;
    return n;
}

static size_t allow_dribble(struct pace *pace, size_t want, int64_t *out_wake_ms)
{
    if (pace->left == 0) {
        if (clock_now_ms(pace->clock) < pace->next_ms) {
            *out_wake_ms = pace->next_ms;
            return 0;
        }
        pace->next_ms += pace->every_ms;
        pace->left = pace->bytes;
    }
    size_t n = least(want, pace->left);
    pace->left -= (int64_t) n;
    return n;
}

static size_t allow_split(struct pace *pace, size_t want, int64_t *out_wake_ms)
{
    (void) out_wake_ms;
    return least(want, pace->bytes);
}

static size_t (*const allow[FAULT_KINDS])(struct pace *pace, size_t want, int64_t *out_wake_ms) = {
    [FAULT_SLOW] = allow_slow,
    [FAULT_DRIBBLE] = allow_dribble,
    [FAULT_SPLIT] = allow_split,
};

size_t pace_allow(struct pace *pace, size_t want, int64_t *out_wake_ms)
{
    return allow[pace->kind](pace, want, out_wake_ms);
}

void pace_begin(struct pace *pace, const struct strike *strike)
{
    const struct fault *fault = strike->fault;
    int64_t now = clock_now_ms(strike->clock);
    *pace = (struct pace) { .kind = fault->kind, .is_on = true, .clock = strike->clock, .bytes = fault->bytes,
                            .bytes_per_s = fault->bytes_per_s, .every_ms = fault->every_ms, .last_ms = now,
                            .next_ms = now, .rested_ms = now };
}

void pace_resume(struct pace *pace)
{
    int64_t now = clock_now_ms(pace->clock), idle = now - pace->rested_ms;
    pace->last_ms = now;
    if (pace->next_ms < now)
        pace->next_ms = pace->next_ms + idle < now ? pace->next_ms + idle : now;
}

void pace_rest(struct pace *pace)
{
    if (pace->kind == FAULT_SLOW)
        save_up(pace);
    pace->rested_ms = clock_now_ms(pace->clock);
}
