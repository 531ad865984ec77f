/*
 * Time, in one place.
 *
 * Two notions: `clock_now_ms` is the API's time, monotonic, and runs `scale` times as fast as the
 * machine's, or stands still and moves only when somebody says so; process timeouts, token expiry and
 * keepalives follow it.  `clock_wall_ms` is the epoch time that answers show: it begins at the real one
 * and runs with the API's.  Real children cannot be scaled.
 *
 * A clock is counted, since sandboxes may outlive the lane whose time they keep.  Whoever sleeps by a
 * clock either uses clock_sleep_until, or listens and looks at its deadlines again after each change.
 *
 * Thread: any, all functions.
 */
#ifndef STANDBOX_BASE_CLOCK_H
#define STANDBOX_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/err.h"

#define CLOCK_NEVER INT64_MAX

struct clock;

/* A clock that runs `scale` (> 0) API milliseconds in a real one.  Returns a reference. */
int clock_new(struct clock **out_clock, double scale, struct err *err);
struct clock *clock_ref(struct clock *c);
void clock_unref(struct clock *c);   /* NULL is fine */

/* API milliseconds since the clock was made (monotonic). */
int64_t clock_now_ms(const struct clock *c);

/* Epoch milliseconds as the API shows them; monotonic, starts at the real epoch time. */
int64_t clock_wall_ms(const struct clock *c);

/* The machine's monotonic moment, in nanoseconds, of API time `api_ms` as things stand: a past one when it has been
   reached.  INT64_MAX: not while the clock stands still, or never. */
int64_t clock_real_ns(const struct clock *c, int64_t api_ms);

/* The same for pthread_cond_timedwait; never = some decades. */
struct timespec clock_real_deadline(const struct clock *c, int64_t api_ms);

/* API deadline `delay_ms` from now, without overflow; negative or huge means CLOCK_NEVER. */
int64_t clock_deadline(const struct clock *c, int64_t delay_ms);

/* ---- moving it ------------------------------------------------------------------------ */

struct clock_state {
    bool frozen;
    double scale;        /* while it runs */
    int64_t now_ms, wall_ms;
};
void clock_get(const struct clock *c, struct clock_state *out);

/* Each returns when all listeners have seen the change.  Not from a listener. */
void clock_freeze(struct clock *c);
void clock_run(struct clock *c, double scale);        /* from the present API time on */
void clock_advance(struct clock *c, int64_t ms);      /* ms >= 0; a frozen one stays frozen */

/* Called after every change, on the changing thread, no lock of the clock's held.  Embedded in its owner. */
struct clock_listener {
    struct clock_listener *next;                      /* private */
    void (*changed)(void *arg);
    void *arg;
};
void clock_listen(struct clock *c, struct clock_listener *listener);
void clock_unlisten(struct clock *c, struct clock_listener *listener);   /* returns when no call is under way */

/* Sleep until API time `api_ms`, or until `interrupt` (NULL: none; called about five times a second of real time)
   returns true.  Was the time reached? */
bool clock_sleep_until(struct clock *c, int64_t api_ms, bool (*interrupt)(void *arg), void *arg);

/* The machine's monotonic time in nanoseconds. */
int64_t mono_ns(void);

#endif
