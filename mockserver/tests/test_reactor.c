/* engine/reactor: jobs, timers and descriptors, all on one thread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "engine/reactor.h"

struct bench {
    struct clock *clock;
    struct reactor *reactor;
};

static int bench_setup(void **state)
{
    struct bench *b = calloc(1, sizeof *b);
    assert_non_null(b);
    assert_int_equal(clock_new(&b->clock, 1, NULL), 0);
    assert_int_equal(reactor_new(&b->reactor, NULL), 0);
    assert_int_equal(reactor_use_clock(b->reactor, b->clock, NULL), 0);
    *state = b;
    return 0;
}

static int bench_teardown(void **state)
{
    struct bench *b = *state;
    reactor_drop_clock(b->reactor, b->clock);
    reactor_free(b->reactor);
    clock_unref(b->clock);
    free(b);
    return 0;
}

static void await(sem_t *sem)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 60;
    assert_int_equal(sem_timedwait(sem, &until), 0);
}

struct order {
    int seen[64];
    int count;
};

struct step {
    struct order *order;
    int number;
};

static void note(void *arg)
{
    struct step *step = arg;
    step->order->seen[step->order->count++] = step->number;
}

static void posted_jobs_run_in_order_on_the_reactors_thread(void **state)
{
    struct bench *b = *state;
    struct order order = { .count = 0 };
    struct step steps[20], last = { &order, 99 };
    struct reactor_job jobs[20];
    for (int i = 0; i < 20; i++) {
        steps[i] = (struct step) { &order, i };
        jobs[i] = (struct reactor_job) { .fn = note, .arg = &steps[i] };
        reactor_post(b->reactor, &jobs[i]);
    }
    reactor_call(b->reactor, note, &last);
    assert_int_equal(order.count, 21);
    for (int i = 0; i < 20; i++)
        assert_int_equal(order.seen[i], i);
    assert_false(reactor_is_mine(b->reactor));
}

/* ---- timers ---------------------------------------------------------------------------- */

enum { TIMERS = 50 };

struct timers {
    struct bench *bench;
    struct timer timer[TIMERS];
    struct step steps[TIMERS];
    struct order order;
    sem_t done;
    int wanted;
};

static void timer_fired(void *arg)
{
    struct step *step = arg;
    struct timers *t = (struct timers *) (void *) ((char *) step->order - offsetof(struct timers, order));
    note(arg);
    if (t->order.count == t->wanted)
        sem_post(&t->done);
}

/* Set in a scattered order; every third is cancelled again. */
static void set_timers(void *arg)
{
    struct timers *t = arg;
    int64_t now = clock_now_ms(t->bench->clock);
    for (int k = 0; k < TIMERS; k++) {
        int i = k * 17 % TIMERS;
        t->steps[i] = (struct step) { &t->order, i };
        t->timer[i] = (struct timer) { .fire = timer_fired, .arg = &t->steps[i] };
        (void) timer_set_api(t->bench->reactor, &t->timer[i], t->bench->clock, now + 20 + i);
    }
    for (int i = 0; i < TIMERS; i += 3)
        timer_cancel(t->bench->reactor, &t->timer[i]);
}

static void timers_fire_in_order_of_time_unless_cancelled(void **state)
{
    struct timers t = { .bench = *state };
    for (int i = 0; i < TIMERS; i++)
        t.wanted += i % 3 != 0;
    sem_init(&t.done, 0, 0);
    reactor_call(t.bench->reactor, set_timers, &t);
    await(&t.done);
    int before = -1;
    for (int i = 0; i < t.order.count; i++) {
        assert_true(t.order.seen[i] > before);
        assert_true(t.order.seen[i] % 3 != 0);
        before = t.order.seen[i];
    }
    assert_int_equal(t.order.count, t.wanted);
    sem_destroy(&t.done);
}

/* ---- clocks ---------------------------------------------------------------------------- */

enum { HOUR_MS = 3600 * 1000 };

struct alarm {
    struct bench *bench;
    struct clock *clock;
    struct timer timer;
    int64_t at_ms;
    atomic_int fired;
};

static void alarm_fired(void *arg)
{
    struct alarm *a = arg;
    atomic_fetch_add(&a->fired, 1);
}

static void alarm_set(void *arg)
{
    struct alarm *a = arg;
    a->timer.fire = alarm_fired;
    a->timer.arg = a;
    (void) timer_set_api(a->bench->reactor, &a->timer, a->clock, a->at_ms);
}

static struct alarm alarm_in(struct bench *b, struct clock *clock, int64_t ms)
{
    return (struct alarm) { .bench = b, .clock = clock, .at_ms = clock_now_ms(clock) + ms };
}

static void a_clock_that_is_advanced_fires_its_timers_before_that_returns(void **state)
{
    struct bench *b = *state;
    clock_freeze(b->clock);
    struct alarm soon = alarm_in(b, b->clock, HOUR_MS), late = alarm_in(b, b->clock, HOUR_MS + 1);
    reactor_call(b->reactor, alarm_set, &soon);
    reactor_call(b->reactor, alarm_set, &late);
    clock_advance(b->clock, HOUR_MS - 1);
    assert_int_equal(atomic_load(&soon.fired), 0);
    clock_advance(b->clock, 1);
    assert_int_equal(atomic_load(&soon.fired), 1);
    assert_int_equal(atomic_load(&late.fired), 0);
    clock_advance(b->clock, HOUR_MS);
    assert_int_equal(atomic_load(&soon.fired), 1);
    assert_int_equal(atomic_load(&late.fired), 1);
}

static void advance_by_an_hour(void *arg)
{
    clock_advance(arg, HOUR_MS);
}

static void the_reactors_own_thread_may_advance_a_clock(void **state)
{
    struct bench *b = *state;
    struct alarm a = alarm_in(b, b->clock, HOUR_MS);
    reactor_call(b->reactor, alarm_set, &a);
    reactor_call(b->reactor, advance_by_an_hour, b->clock);
    assert_int_equal(atomic_load(&a.fired), 1);
}

static void timers_due_at_once_fire_in_the_order_of_their_deadlines(void **state)
{
    struct bench *b = *state;
    struct timers t = { .bench = b, .wanted = -1 };
    clock_freeze(b->clock);
    reactor_call(b->reactor, set_timers, &t);
    clock_advance(b->clock, HOUR_MS);
    int before = -1;
    for (int i = 0; i < t.order.count; i++) {
        assert_true(t.order.seen[i] > before);
        before = t.order.seen[i];
    }
    assert_int_equal(t.order.count, TIMERS - (TIMERS + 2) / 3);
}

static void nothing(void *arg)
{
    (void) arg;
}

static void a_frozen_clock_fires_nothing_and_goes_on_later(void **state)
{
    struct bench *b = *state;
    struct alarm a = alarm_in(b, b->clock, 20);
    reactor_call(b->reactor, alarm_set, &a);
    clock_freeze(b->clock);
    int before = atomic_load(&a.fired);
    int64_t end = mono_ns() + 50 * 1000000LL;
    while (mono_ns() < end)
        reactor_call(b->reactor, nothing, NULL);
    assert_int_equal(atomic_load(&a.fired), before);
    clock_run(b->clock, 1e6);
    end = mono_ns() + 60 * 1000000000LL;
    while (atomic_load(&a.fired) == 0 && mono_ns() < end)
        reactor_call(b->reactor, nothing, NULL);
    assert_int_equal(atomic_load(&a.fired), 1);
}

static void clocks_do_not_disturb_each_other(void **state)
{
    struct bench *b = *state;
    struct clock *other;
    assert_int_equal(clock_new(&other, 1, NULL), 0);
    assert_int_equal(reactor_use_clock(b->reactor, other, NULL), 0);
    struct alarm mine = alarm_in(b, b->clock, HOUR_MS), theirs = alarm_in(b, other, HOUR_MS);
    reactor_call(b->reactor, alarm_set, &mine);
    reactor_call(b->reactor, alarm_set, &theirs);
    clock_advance(other, HOUR_MS);
    assert_int_equal(atomic_load(&mine.fired), 0);
    assert_int_equal(atomic_load(&theirs.fired), 1);
    clock_advance(b->clock, HOUR_MS);
    assert_int_equal(atomic_load(&mine.fired), 1);
    reactor_drop_clock(b->reactor, other);
    clock_unref(other);
}

/* Set at random moments around changes: each fires once the clock has passed it, whoever was first. */
static void *advance_by_small_steps(void *arg)
{
    for (int i = 0; i < 2000; i++)
        clock_advance(arg, 1);
    return NULL;
}

static void a_timer_set_during_a_change_is_not_forgotten(void **state)
{
    struct bench *b = *state;
    pthread_t thread;
    clock_freeze(b->clock);
    int64_t end = clock_now_ms(b->clock) + 2000;
    assert_int_equal(pthread_create(&thread, NULL, advance_by_small_steps, b->clock), 0);
    int set = 0;
    static struct alarm alarms[500];
    for (; set < 500 && clock_now_ms(b->clock) < end - 2; set++) {
        alarms[set] = alarm_in(b, b->clock, 1);
        reactor_call(b->reactor, alarm_set, &alarms[set]);
    }
    pthread_join(thread, NULL);
    /* One that was due when it was set fires in the reactor's next round; a call may come before the timers in one. */
    reactor_call(b->reactor, nothing, NULL);
    reactor_call(b->reactor, nothing, NULL);
    for (int i = 0; i < set; i++)
        assert_int_equal(atomic_load(&alarms[i].fired), 1);
}

struct dropping {
    struct reactor *reactor;
    struct clock *clock;
    struct timer timer;
};

static void drop_clock(void *arg)
{
    struct dropping *d = arg;
    reactor_drop_clock(d->reactor, d->clock);
}

static void set_dropping(void *arg)
{
    struct dropping *d = arg;
    d->timer = (struct timer) { .fire = drop_clock, .arg = d };
    (void) timer_set_api(d->reactor, &d->timer, d->clock, clock_now_ms(d->clock) + HOUR_MS);
}

/* The clock waits for the reactor just then; as when a timer ends the last puppet of a lane. */
static void a_clock_can_be_dropped_by_its_own_timer(void **state)
{
    struct bench *b = *state;
    struct dropping d = { .reactor = b->reactor };
    assert_int_equal(clock_new(&d.clock, 1, NULL), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(reactor_use_clock(b->reactor, d.clock, NULL), 0);
        reactor_call(b->reactor, set_dropping, &d);
        clock_advance(d.clock, HOUR_MS);
    }
    clock_unref(d.clock);
}

/* ---- descriptors ----------------------------------------------------------------------- */

struct reader {
    struct source source;
    struct bench *bench;
    sem_t got;
    atomic_char last;
};

static void reader_ready(struct source *source, uint32_t events)
{
    struct reader *r = (struct reader *) source;
    (void) events;
    char c;
    if (source->fd < 0 || read(source->fd, &c, 1) != 1)
        return;
    atomic_store(&r->last, c);
    if (c == 'x')
        reactor_close(r->bench->reactor, source);
    sem_post(&r->got);
}

static void a_descriptor_calls_until_it_is_closed(void **state)
{
    struct reader r = { .bench = *state };
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    sem_init(&r.got, 0, 0);
    r.source = (struct source) { .fd = ends[0], .ready = reader_ready };
    assert_int_equal(reactor_add(r.bench->reactor, &r.source, EPOLLIN, NULL), 0);
    for (const char *c = "abx"; *c != '\0'; c++) {
        assert_int_equal(write(ends[1], c, 1), 1);
        await(&r.got);
        assert_int_equal(atomic_load(&r.last), *c);
    }
    assert_int_equal(r.source.fd, -1);
    assert_int_equal(fcntl(ends[0], F_GETFD), -1);
    close(ends[1]);
    sem_destroy(&r.got);
}

static void a_bad_descriptor_is_an_error(void **state)
{
    struct bench *b = *state;
    struct err err = ERR_INIT;
    struct source source = { .fd = 100000, .ready = reader_ready };
    assert_int_equal(reactor_add(b->reactor, &source, EPOLLIN, &err), -1);
    assert_int_equal(err.code, ERR_IO);
}

#define T(f) cmocka_unit_test_setup_teardown(f, bench_setup, bench_teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        T(posted_jobs_run_in_order_on_the_reactors_thread),
        T(timers_fire_in_order_of_time_unless_cancelled),
        T(a_clock_that_is_advanced_fires_its_timers_before_that_returns),
        T(the_reactors_own_thread_may_advance_a_clock),
        T(timers_due_at_once_fire_in_the_order_of_their_deadlines),
        T(a_frozen_clock_fires_nothing_and_goes_on_later),
        T(clocks_do_not_disturb_each_other),
        T(a_timer_set_during_a_change_is_not_forgotten),
        T(a_clock_can_be_dropped_by_its_own_timer),
        T(a_descriptor_calls_until_it_is_closed),
        T(a_bad_descriptor_is_an_error),
    };
    return cmocka_run_group_tests_name("reactor", tests, NULL, NULL);
}
