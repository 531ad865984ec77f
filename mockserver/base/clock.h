/*
 * Time, in one place.
 *
 * Two notions: `clock_now_ms` is the API's time, monotonic, and runs `scale` times as
 * fast as the machine's; process timeouts, token expiry and keepalives follow it.
 * `clock_wall_ms` is the epoch time that answers show.  Real children cannot be scaled.
 *
 * Thread: any; a clock is immutable once made.
 */
#ifndef STANDBOX_BASE_CLOCK_H
#define STANDBOX_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define CLOCK_NEVER INT64_MAX

struct clock {
    double scale;          /* API milliseconds per real millisecond, > 0 */
    int64_t base_mono_ns;  /* when it was made, machine's monotonic time */
    int64_t base_wall_ms;  /* epoch at that moment */
};

void clock_init(struct clock *c, double scale);

/* API milliseconds since the clock was made (monotonic). */
int64_t clock_now_ms(const struct clock *c);

/* Epoch milliseconds as the API shows them; monotonic, starts at the real epoch time. */
int64_t clock_wall_ms(const struct clock *c);

/* The CLOCK_MONOTONIC moment of API time `api_ms`, for pthread_cond_timedwait. */
struct timespec clock_real_deadline(const struct clock *c, int64_t api_ms);

/* API deadline `delay_ms` from now, without overflow; negative or huge means CLOCK_NEVER. */
int64_t clock_deadline(const struct clock *c, int64_t delay_ms);

/* The machine's monotonic time in nanoseconds. */
int64_t mono_ns(void);

#endif
