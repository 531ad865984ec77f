#include "base/clock.h"

#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/err.h"

#define NS_PER_MS 1000000LL
#define NS_PER_S 1000000000LL
#define MOST (INT64_MAX / 4)          /* sums of a few of these do not overflow */
#define INTERRUPT_EVERY_NS (200 * NS_PER_MS)

/* From `mono_ns` of the machine on, API time is `api_us` plus what has passed since, times `scale`. */
struct pace {
    int64_t mono_ns, api_us;
    double scale;
    bool frozen;
};

/*
 * Every request reads the time several times, and hardly anybody ever changes it, so readers take no lock: `turn` is
 * odd during a change, and who finds it odd, or another one afterwards, reads again.  Both sides look at the machine's
 * time while they have a turn, so that nobody follows an old pace beyond the moment at which it ended.
 */
struct clock {
    atomic_uint refs;
    int64_t base_wall_ms;
    _Atomic uint64_t turn;
    _Atomic int64_t mono_ns, api_us;
    _Atomic double scale;
    atomic_bool frozen;
    pthread_mutex_t changing;         /* held through a change and the calls that it causes: one at a time */
    pthread_mutex_t lock;             /* everything below */
    pthread_cond_t changed;           /* the pace; also: the call under way has returned */
    struct clock_listener *first, *next_call, *calling;
};

/* ---- reading ---------------------------------------------------------------------------- */

static int64_t read_ns(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (int64_t) ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

int64_t mono_ns(void)
{
    return read_ns(CLOCK_MONOTONIC);
}

static void load_pace(const struct clock *c, struct pace *out)
{
    out->mono_ns = atomic_load_explicit(&c->mono_ns, memory_order_acquire);
    out->api_us = atomic_load_explicit(&c->api_us, memory_order_acquire);
    out->scale = atomic_load_explicit(&c->scale, memory_order_acquire);
    out->frozen = atomic_load_explicit(&c->frozen, memory_order_acquire);
}

/* Returns the machine's time.  Acquire loads keep the second look at `turn` behind the others. */
static int64_t read_pace(const struct clock *c, struct pace *out)
{
    for (;;) {
        uint64_t turn = atomic_load_explicit(&c->turn, memory_order_acquire);
        load_pace(c, out);
        int64_t now = mono_ns();
        if (turn % 2 == 0 && atomic_load_explicit(&c->turn, memory_order_acquire) == turn)
            return now;
        sched_yield();
    }
}

static int64_t pace_us(const struct pace *p, int64_t now_ns)
{
    if (p->frozen)
        return p->api_us;
    double passed = (double) (now_ns - p->mono_ns) * p->scale / 1000.0;
    return passed > (double) (MOST - p->api_us) ? MOST : p->api_us + (int64_t) passed;
}

int64_t clock_now_ms(const struct clock *c)
{
    struct pace p;
    int64_t now = read_pace(c, &p);
    return pace_us(&p, now) / 1000;
}

int64_t clock_wall_ms(const struct clock *c)
{
    return c->base_wall_ms + clock_now_ms(c);
}

void clock_get(const struct clock *c, struct clock_state *out)
{
    struct pace p;
    int64_t now = read_pace(c, &p);
    *out = (struct clock_state) { .frozen = p.frozen, .scale = p.scale, .now_ms = pace_us(&p, now) / 1000 };
    out->wall_ms = c->base_wall_ms + out->now_ms;
}

int64_t clock_real_ns(const struct clock *c, int64_t api_ms)
{
    if (api_ms == CLOCK_NEVER)
        return INT64_MAX;
    struct pace p;
    int64_t now = read_pace(c, &p);
    bool reached = api_ms <= pace_us(&p, now) / 1000;
    if (!reached && p.frozen)
        return INT64_MAX;
    /* One nanosecond more than needed: at that moment the deadline must have been reached, whatever is rounded. */
    double left = ceil(((double) api_ms * 1000.0 - (double) p.api_us) * 1000.0 / p.scale) + 1.0;
    int64_t ns = p.mono_ns + (int64_t) fmax(fmin(left, (double) MOST), -(double) MOST);
    return reached && ns > now ? now : ns;
}

static struct timespec timespec_of(int64_t ns)
{
    return (struct timespec) { .tv_sec = ns / NS_PER_S, .tv_nsec = ns % NS_PER_S };
}

static bool is_before(struct timespec a, struct timespec b)
{
    return a.tv_sec != b.tv_sec ? a.tv_sec < b.tv_sec : a.tv_nsec < b.tv_nsec;
}

struct timespec clock_real_deadline(const struct clock *c, int64_t api_ms)
{
    int64_t ns = clock_real_ns(c, api_ms);
    return timespec_of(ns > MOST ? MOST : ns < 0 ? 0 : ns);
}

int64_t clock_deadline(const struct clock *c, int64_t delay_ms)
{
    if (delay_ms < 0 || delay_ms > MOST)
        return CLOCK_NEVER;
    return clock_now_ms(c) + delay_ms;
}

/* ---- life ------------------------------------------------------------------------------- */

static bool is_scale(double scale)
{
    return isfinite(scale) && scale > 0;
}

static void cond_init_monotonic(pthread_cond_t *cond)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attr);
    pthread_condattr_destroy(&attr);
}

int clock_new(struct clock **out_clock, double scale, struct err *err)
{
    if (!is_scale(scale))
        return err_set(err, ERR_INVALID, 0, "a clock cannot run %g times as fast", scale);
    struct clock *c = calloc(1, sizeof *c);
    if (c == NULL)
        return err_set(err, ERR_NOMEM, 0, "clock");
    atomic_init(&c->refs, 1);
    atomic_init(&c->scale, scale);
    atomic_init(&c->mono_ns, mono_ns());
    c->base_wall_ms = read_ns(CLOCK_REALTIME) / NS_PER_MS;
    pthread_mutex_init(&c->changing, NULL);
    pthread_mutex_init(&c->lock, NULL);
    cond_init_monotonic(&c->changed);
    *out_clock = c;
    return 0;
}

struct clock *clock_ref(struct clock *c)
{
    atomic_fetch_add(&c->refs, 1);
    return c;
}

void clock_unref(struct clock *c)
{
    if (c == NULL || atomic_fetch_sub(&c->refs, 1) != 1)
        return;
    CHECK(c->first == NULL);
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->lock);
    pthread_mutex_destroy(&c->changing);
    free(c);
}

/* ---- changing --------------------------------------------------------------------------- */

/* Each is called without the lock: it may come back to listen, to read, to unlisten another. */
static void tell_listeners(struct clock *c)
{
    pthread_mutex_lock(&c->lock);
    pthread_cond_broadcast(&c->changed);
    for (struct clock_listener *l = c->first; l != NULL; l = c->next_call) {
        c->next_call = l->next;
        c->calling = l;
        pthread_mutex_unlock(&c->lock);
        l->changed(l->arg);
        pthread_mutex_lock(&c->lock);
        c->calling = NULL;
        pthread_cond_broadcast(&c->changed);
    }
    c->next_call = NULL;
    pthread_mutex_unlock(&c->lock);
}

typedef void alter_fn(struct pace *p, double scale, int64_t ms);

/* One at a time, who holds `changing`.  The first addition is an acquire, too: no store moves before it. */
static void write_pace(struct clock *c, alter_fn *alter, double scale, int64_t ms)
{
    struct pace p;
    atomic_fetch_add_explicit(&c->turn, 1, memory_order_acq_rel);
    load_pace(c, &p);
    int64_t now = mono_ns();
    p.api_us = pace_us(&p, now);
    p.mono_ns = now;
    alter(&p, scale, ms);
    atomic_store_explicit(&c->mono_ns, p.mono_ns, memory_order_release);
    atomic_store_explicit(&c->api_us, p.api_us, memory_order_release);
    atomic_store_explicit(&c->scale, p.scale, memory_order_release);
    atomic_store_explicit(&c->frozen, p.frozen, memory_order_release);
    atomic_fetch_add_explicit(&c->turn, 1, memory_order_release);
}

static void change(struct clock *c, alter_fn *alter, double scale, int64_t ms)
{
    pthread_mutex_lock(&c->changing);
    write_pace(c, alter, scale, ms);
    tell_listeners(c);
    pthread_mutex_unlock(&c->changing);
}

static void alter_freeze(struct pace *p, double scale, int64_t ms)
{
    (void) scale;
    (void) ms;
    p->frozen = true;
}

static void alter_run(struct pace *p, double scale, int64_t ms)
{
    (void) ms;
    p->frozen = false;
    p->scale = scale;
}

static void alter_advance(struct pace *p, double scale, int64_t ms)
{
    (void) scale;
    int64_t most_ms = (MOST - p->api_us) / 1000;
    p->api_us += (ms < most_ms ? ms : most_ms) * 1000;
}

void clock_freeze(struct clock *c)
{
    change(c, alter_freeze, 0, 0);
}

void clock_run(struct clock *c, double scale)
{
    CHECK(is_scale(scale));
    change(c, alter_run, scale, 0);
}

void clock_advance(struct clock *c, int64_t ms)
{
    CHECK(ms >= 0);
    change(c, alter_advance, 0, ms);
}

/* ---- following -------------------------------------------------------------------------- */

void clock_listen(struct clock *c, struct clock_listener *listener)
{
    pthread_mutex_lock(&c->lock);
    listener->next = c->first;
    c->first = listener;
    pthread_mutex_unlock(&c->lock);
}

void clock_unlisten(struct clock *c, struct clock_listener *listener)
{
    pthread_mutex_lock(&c->lock);
    struct clock_listener **at = &c->first;
    while (*at != listener)
        at = &(*at)->next;
    *at = listener->next;
    if (c->next_call == listener)
        c->next_call = listener->next;
    while (c->calling == listener)
        pthread_cond_wait(&c->changed, &c->lock);
    pthread_mutex_unlock(&c->lock);
}

/* A change takes the lock after it has set the pace: a sleeper has either seen the new one or is woken. */
bool clock_sleep_until(struct clock *c, int64_t api_ms, bool (*interrupt)(void *arg), void *arg)
{
    bool stop = false;
    pthread_mutex_lock(&c->lock);
    while (!stop && clock_now_ms(c) < api_ms) {
        struct timespec until = clock_real_deadline(c, api_ms), look_up = timespec_of(mono_ns() + INTERRUPT_EVERY_NS);
        bool looks_up = interrupt != NULL && is_before(look_up, until);
        (void) pthread_cond_timedwait(&c->changed, &c->lock, looks_up ? &look_up : &until);
        if (interrupt == NULL)
            continue;
        pthread_mutex_unlock(&c->lock);
        stop = interrupt(arg);
        pthread_mutex_lock(&c->lock);
    }
    pthread_mutex_unlock(&c->lock);
    return clock_now_ms(c) >= api_ms;
}
