/* base/clock: time that runs, runs faster, stands still, jumps; and those who follow it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <time.h>

#include "base/clock.h"

#define HALF_HOUR_MS (30 * 60 * 1000)
#define NS_PER_MS 1000000LL

static int setup(void **state)
{
    struct clock *c;
    assert_int_equal(clock_new(&c, 1, NULL), 0);
    *state = c;
    return 0;
}

static int teardown(void **state)
{
    clock_unref(*state);
    return 0;
}

/* What claims that nothing happens needs time in which it could. */
static void let_real_time_pass(int64_t ms)
{
    int64_t end = mono_ns() + ms * NS_PER_MS;
    while (mono_ns() < end)
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &(struct timespec) { .tv_sec = end / (1000 * NS_PER_MS),
                                                                             .tv_nsec = end % (1000 * NS_PER_MS) },
                        NULL);
}

/* ---- reading ---------------------------------------------------------------------------- */

static void it_begins_at_zero_and_at_the_real_epoch(void **state)
{
    struct timespec real;
    clock_gettime(CLOCK_REALTIME, &real);
    int64_t real_ms = (int64_t) real.tv_sec * 1000 + real.tv_nsec / NS_PER_MS;
    assert_in_range(clock_now_ms(*state), 0, 59999);
    assert_true(clock_wall_ms(*state) - real_ms < 60000 && real_ms - clock_wall_ms(*state) < 60000);
}

static void a_pace_must_be_a_positive_number(void **state)
{
    (void) state;
    static const double bad[] = { 0, -1, NAN, INFINITY };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct clock *c;
        struct err err = ERR_INIT;
        assert_int_equal(clock_new(&c, bad[i], &err), -1);
        assert_int_equal(err.code, ERR_INVALID);
    }
}

static void a_scaled_clock_runs_faster_and_back_again(void **state)
{
    (void) state;
    struct clock *c;
    int64_t before = mono_ns();
    assert_int_equal(clock_new(&c, 1000, NULL), 0);
    int64_t real_ms = (clock_real_ns(c, 60000) - before) / NS_PER_MS;
    int64_t slack_ms = (mono_ns() - before) / NS_PER_MS;
    assert_in_range(real_ms, 60, 61 + slack_ms);
    clock_unref(c);
}

static void deadlines_do_not_overflow(void **state)
{
    assert_int_equal(clock_deadline(*state, INT64_MAX), CLOCK_NEVER);
    assert_int_equal(clock_deadline(*state, -1), CLOCK_NEVER);
    assert_int_equal(clock_real_ns(*state, CLOCK_NEVER), INT64_MAX);
    static const int64_t far[] = { CLOCK_NEVER, CLOCK_NEVER - 1, CLOCK_NEVER / 4 };
    for (size_t i = 0; i < sizeof far / sizeof *far; i++) {
        struct timespec never = clock_real_deadline(*state, far[i]);
        assert_true(never.tv_sec > 1000000);
        assert_true(never.tv_nsec >= 0 && never.tv_nsec < 1000000000L);
    }
}

/* Whoever sleeps until the real moment must find the API's deadline reached, at every pace. */
static void at_the_real_moment_the_deadline_is_reached(void **state)
{
    static const double paces[] = { 0.25, 1, 3, 7.3, 1000, 1e6 };
    for (size_t i = 0; i < sizeof paces / sizeof *paces; i++) {
        clock_run(*state, paces[i]);
        for (int k = 0; k < 20; k++) {
            int64_t deadline = clock_now_ms(*state) + 1;
            int64_t at = clock_real_ns(*state, deadline);
            while (mono_ns() < at)
                sched_yield();
            assert_true(clock_now_ms(*state) >= deadline);
        }
    }
}

/* ---- moving ----------------------------------------------------------------------------- */

static void a_frozen_clock_stands_still_until_it_is_advanced(void **state)
{
    clock_freeze(*state);
    int64_t now = clock_now_ms(*state), wall = clock_wall_ms(*state);
    let_real_time_pass(5);
    assert_int_equal(clock_now_ms(*state), now);
    clock_advance(*state, HALF_HOUR_MS);
    assert_int_equal(clock_now_ms(*state), now + HALF_HOUR_MS);
    assert_int_equal(clock_wall_ms(*state), wall + HALF_HOUR_MS);
    struct clock_state s;
    clock_get(*state, &s);
    assert_true(s.frozen);
    assert_int_equal(s.now_ms, now + HALF_HOUR_MS);
    assert_int_equal(s.wall_ms, wall + HALF_HOUR_MS);
}

static void while_it_stands_still_no_real_moment_is_a_future_deadline(void **state)
{
    clock_freeze(*state);
    int64_t now = clock_now_ms(*state);
    assert_int_equal(clock_real_ns(*state, now + 1), INT64_MAX);
    assert_true(clock_real_ns(*state, now) <= mono_ns());
    clock_advance(*state, 10);
    /* Reached ones keep their order. */
    assert_true(clock_real_ns(*state, now + 1) <= mono_ns());
    assert_true(clock_real_ns(*state, now + 1) < clock_real_ns(*state, now + 9));
}

static void a_new_pace_counts_from_the_present(void **state)
{
    clock_freeze(*state);
    clock_advance(*state, HALF_HOUR_MS);
    int64_t now = clock_now_ms(*state), before = mono_ns();
    clock_run(*state, 100);
    int64_t real_ms = (clock_real_ns(*state, now + 100000) - before) / NS_PER_MS;
    assert_in_range(real_ms, 999, 1001 + (mono_ns() - before) / NS_PER_MS);
    assert_true(clock_now_ms(*state) >= now);
    clock_advance(*state, HALF_HOUR_MS);
    assert_true(clock_now_ms(*state) >= now + HALF_HOUR_MS);
    struct clock_state s;
    clock_get(*state, &s);
    assert_false(s.frozen);
    assert_true(s.scale > 99.9 && s.scale < 100.1);
}

static void advances_beyond_all_bounds_stay_in_range(void **state)
{
    for (int i = 0; i < 3; i++) {
        clock_advance(*state, INT64_MAX);
        assert_true(clock_now_ms(*state) > 0);
        assert_true(clock_wall_ms(*state) > 0);
        assert_true(clock_deadline(*state, 1000) > 0);
    }
}

/* Readers race a thread that changes everything: none may ever see time go back. */
struct racer {
    struct clock *clock;
    atomic_bool *stop;
    bool went_back;
};

static void *read_on(void *arg)
{
    struct racer *r = arg;
    int64_t last = 0;
    while (!atomic_load(r->stop)) {
        int64_t now = clock_now_ms(r->clock);
        r->went_back = r->went_back || now < last;
        last = now;
    }
    return NULL;
}

static void time_never_goes_back_while_its_pace_changes(void **state)
{
    atomic_bool stop = false;
    struct racer racers[2];
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) {
        racers[i] = (struct racer) { .clock = *state, .stop = &stop };
        assert_int_equal(pthread_create(&threads[i], NULL, read_on, &racers[i]), 0);
    }
    for (int i = 0; i < 2000; i++) {
        clock_run(*state, i % 2 == 0 ? 1e6 : 0.001);
        clock_freeze(*state);
        clock_advance(*state, i % 3);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        assert_false(racers[i].went_back);
    }
}

/* ---- following -------------------------------------------------------------------------- */

struct follower {
    struct clock *clock;
    struct clock_listener listener, other;
    int calls;
    int64_t seen_ms;
    pthread_t thread;
};

static void follow(void *arg)
{
    struct follower *f = arg;
    f->calls++;
    f->seen_ms = clock_now_ms(f->clock);
    f->thread = pthread_self();
}

static void listeners_have_seen_the_change_when_it_returns(void **state)
{
    struct follower f[2];
    for (int i = 0; i < 2; i++) {
        f[i] = (struct follower) { .clock = *state, .listener = { .changed = follow, .arg = &f[i] } };
        clock_listen(*state, &f[i].listener);
    }
    clock_freeze(*state);
    int64_t now = clock_now_ms(*state);
    clock_advance(*state, 1000);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(f[i].calls, 2);
        assert_int_equal(f[i].seen_ms, now + 1000);
        assert_true(pthread_equal(f[i].thread, pthread_self()));
    }
    clock_unlisten(*state, &f[0].listener);
    clock_run(*state, 2);
    assert_int_equal(f[0].calls, 2);
    assert_int_equal(f[1].calls, 3);
    clock_unlisten(*state, &f[1].listener);
}

static void drop_the_other(void *arg)
{
    struct follower *f = arg;
    follow(arg);
    clock_unlisten(f->clock, &f->other);
}

static void a_listener_may_take_another_off_the_list(void **state)
{
    struct follower last = { .clock = *state };
    struct follower f = { .clock = *state, .listener = { .changed = drop_the_other, .arg = &f },
                          .other = { .changed = follow, .arg = &last } };
    clock_listen(*state, &f.other);
    clock_listen(*state, &f.listener);
    clock_advance(*state, 1);
    assert_int_equal(f.calls, 1);
    assert_int_equal(last.calls, 0);
    clock_unlisten(*state, &f.listener);
}

struct slow {
    struct clock *clock;
    struct clock_listener listener;
    sem_t entered, leave;
    atomic_bool left;
};

static void be_slow(void *arg)
{
    struct slow *s = arg;
    sem_post(&s->entered);
    sem_wait(&s->leave);
    atomic_store(&s->left, true);
}

static void *advance_once(void *arg)
{
    struct slow *s = arg;
    clock_advance(s->clock, 1);
    return NULL;
}

static void *let_it_leave(void *arg)
{
    struct slow *s = arg;
    let_real_time_pass(20);
    sem_post(&s->leave);
    return NULL;
}

static void unlistening_waits_for_the_call_under_way(void **state)
{
    struct slow s = { .clock = *state, .listener = { .changed = be_slow, .arg = &s } };
    pthread_t changer, opener;
    sem_init(&s.entered, 0, 0);
    sem_init(&s.leave, 0, 0);
    clock_listen(*state, &s.listener);
    assert_int_equal(pthread_create(&changer, NULL, advance_once, &s), 0);
    while (sem_wait(&s.entered) != 0)
        continue;
    assert_int_equal(pthread_create(&opener, NULL, let_it_leave, &s), 0);
    clock_unlisten(*state, &s.listener);
    assert_true(atomic_load(&s.left));
    pthread_join(changer, NULL);
    pthread_join(opener, NULL);
    sem_destroy(&s.entered);
    sem_destroy(&s.leave);
}

/* ---- sleeping --------------------------------------------------------------------------- */

struct sleeper {
    struct clock *clock;
    int64_t until_ms;
    atomic_bool reached;
};

static void *sleep_long(void *arg)
{
    struct sleeper *s = arg;
    atomic_store(&s->reached, clock_sleep_until(s->clock, s->until_ms, NULL, NULL));
    return NULL;
}

static void changes_in_any_order_wake_those_who_sleep(void **state)
{
    struct sleeper s[4];
    pthread_t threads[4];
    clock_freeze(*state);
    int64_t now = clock_now_ms(*state);
    for (int i = 0; i < 4; i++) {
        s[i] = (struct sleeper) { .clock = *state, .until_ms = now + HALF_HOUR_MS * (i + 1) };
        assert_int_equal(pthread_create(&threads[i], NULL, sleep_long, &s[i]), 0);
    }
    clock_advance(*state, HALF_HOUR_MS);
    pthread_join(threads[0], NULL);
    assert_true(atomic_load(&s[0].reached));
    clock_run(*state, 1e6);
    for (int i = 1; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_true(atomic_load(&s[i].reached));
    }
    assert_true(clock_now_ms(*state) >= s[3].until_ms);
}

static bool third_time(void *arg)
{
    int *asked = arg;
    return ++*asked == 3;
}

static void a_sleeper_can_be_interrupted(void **state)
{
    int asked = 0;
    clock_freeze(*state);
    assert_false(clock_sleep_until(*state, clock_now_ms(*state) + 1, third_time, &asked));
    assert_int_equal(asked, 3);
    assert_true(clock_sleep_until(*state, clock_now_ms(*state), third_time, &asked));
    assert_int_equal(asked, 3);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        T(it_begins_at_zero_and_at_the_real_epoch),
        T(a_pace_must_be_a_positive_number),
        T(a_scaled_clock_runs_faster_and_back_again),
        T(deadlines_do_not_overflow),
        T(at_the_real_moment_the_deadline_is_reached),
        T(a_frozen_clock_stands_still_until_it_is_advanced),
        T(while_it_stands_still_no_real_moment_is_a_future_deadline),
        T(a_new_pace_counts_from_the_present),
        T(advances_beyond_all_bounds_stay_in_range),
        T(time_never_goes_back_while_its_pace_changes),
        T(listeners_have_seen_the_change_when_it_returns),
        T(a_listener_may_take_another_off_the_list),
        T(unlistening_waits_for_the_call_under_way),
        T(changes_in_any_order_wake_those_who_sleep),
        T(a_sleeper_can_be_interrupted),
    };
    return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
