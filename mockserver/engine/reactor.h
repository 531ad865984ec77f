/*
 * One thread, one epoll: it reads every pipe and every keeper's reports, and runs the
 * engine's timers.  A library of its own, too: the puppeteer has one.
 *
 * Threads: reactor_add, reactor_change, reactor_call, reactor_post, reactor_use_clock and
 * reactor_drop_clock from any thread; everything else, and every callback, on the reactor's own.
 */
#ifndef STANDBOX_ENGINE_REACTOR_H
#define STANDBOX_ENGINE_REACTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"

struct reactor;

/* Something with a file descriptor.  Embedded in its owner, who keeps it alive until after reactor_remove and,
   on the reactor thread, until the running batch is over (reactor_defer). */
struct source {
    int fd;                                             /* -1: not registered */
    void (*ready)(struct source *source, uint32_t events);
};

/* A timer, embedded in its owner.  Zero-initialise; `fire` and `arg` set once, the rest is private. */
struct timer {
    void (*fire)(void *arg);
    void *arg;
    const struct clock *clock;  /* whose time `api_ms` is; NULL: the machine's */
    int64_t api_ms;
    int64_t at_ns;              /* machine's monotonic time, as the clock stands */
    size_t slot;                /* place in the heap + 1; 0 = not set */
};

int reactor_new(struct reactor **out_reactor, struct err *err);
void reactor_free(struct reactor *reactor);             /* ends and joins the thread; NULL is fine */

/* Register source->fd (level-triggered).  `events` as epoll's. */
int reactor_add(struct reactor *reactor, struct source *source, uint32_t events, struct err *err);
void reactor_change(struct reactor *reactor, struct source *source, uint32_t events);
/* Unregister only: the descriptor stays open, and source->fd as it is. */
void reactor_remove(struct reactor *reactor, struct source *source);
/* Unregister and close the descriptor; source->fd becomes -1.  Events already fetched for it are not delivered
   when `ready` checks fd first (it must). */
void reactor_close(struct reactor *reactor, struct source *source);

/* Run fn(arg) on the reactor thread: after the current batch / and wait until it has run. */
struct reactor_job { struct reactor_job *next; void (*fn)(void *arg); void *arg; };
void reactor_post(struct reactor *reactor, struct reactor_job *job);  /* job lives until it has run */
void reactor_call(struct reactor *reactor, void (*fn)(void *arg), void *arg);
bool reactor_is_mine(const struct reactor *reactor);

/* After the current batch of events (reactor thread only). */
void reactor_defer(struct reactor *reactor, struct reactor_job *job);

/*
 * Timers by a clock's time follow its changes while the reactor uses that clock (counted; a reference is kept).
 * After a change all of its timers are looked at again on the reactor thread, and those due have fired when the
 * function that changed the clock returns: so it must not be called with a lock held that a timer's `fire` takes.
 * A clock's timers must be cancelled before it is dropped for the last time.
 */
int reactor_use_clock(struct reactor *reactor, struct clock *clock, struct err *err);
void reactor_drop_clock(struct reactor *reactor, struct clock *clock);

/* Reactor thread only.  Setting a set timer moves it.  0, or -1 without memory. */
int timer_set_api(struct reactor *reactor, struct timer *timer, const struct clock *clock,
                  int64_t api_ms);                                                  /* CLOCK_NEVER cancels */
int timer_set_real(struct reactor *reactor, struct timer *timer, int64_t delay_ms);
void timer_cancel(struct reactor *reactor, struct timer *timer);

#endif
