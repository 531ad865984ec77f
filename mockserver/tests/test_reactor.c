/* engine/reactor: jobs, timers and descriptors, all on one thread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "engine/reactor.h"

struct bench {
    struct clock clock;
    struct reactor *reactor;
};

static int bench_setup(void **state)
{
    struct bench *b = calloc(1, sizeof *b);
    assert_non_null(b);
    clock_init(&b->clock, 1);
    assert_int_equal(reactor_new(&b->reactor, &b->clock, NULL), 0);
    *state = b;
    return 0;
}

static int bench_teardown(void **state)
{
    struct bench *b = *state;
    reactor_free(b->reactor);
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
    int64_t now = clock_now_ms(&t->bench->clock);
    for (int k = 0; k < TIMERS; k++) {
        int i = k * 17 % TIMERS;
        t->steps[i] = (struct step) { &t->order, i };
        t->timer[i] = (struct timer) { .fire = timer_fired, .arg = &t->steps[i] };
        (void) timer_set_api(t->bench->reactor, &t->timer[i], now + 20 + i);
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
        T(a_descriptor_calls_until_it_is_closed),
        T(a_bad_descriptor_is_an_error),
    };
    return cmocka_run_group_tests_name("reactor", tests, NULL, NULL);
}
