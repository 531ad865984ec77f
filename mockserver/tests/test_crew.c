/* base/crew: jobs never wait for a thread, threads are used again, and there are never many for nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/crew.h"

#define SECONDS 20
#define MANY    200

/* A job says that it runs, and waits until it may end. */
struct stage {
    sem_t begun, may_end, ended;
    atomic_uint at_once, most_at_once;
    atomic_bool is_quick;
};

static void act(void *arg)
{
    struct stage *stage = arg;
    unsigned now = atomic_fetch_add(&stage->at_once, 1) + 1;
    if (now > atomic_load(&stage->most_at_once))
        atomic_store(&stage->most_at_once, now);
    sem_post(&stage->begun);
    while (!atomic_load(&stage->is_quick) && sem_wait(&stage->may_end) != 0)
        ;
    atomic_fetch_sub(&stage->at_once, 1);
    sem_post(&stage->ended);
}

static void set_stage(struct stage *stage)
{
    sem_init(&stage->begun, 0, 0);
    sem_init(&stage->may_end, 0, 0);
    sem_init(&stage->ended, 0, 0);
    atomic_init(&stage->at_once, 0);
    atomic_init(&stage->most_at_once, 0);
    atomic_init(&stage->is_quick, false);
}

static void clear_stage(struct stage *stage)
{
    sem_destroy(&stage->begun);
    sem_destroy(&stage->may_end);
    sem_destroy(&stage->ended);
}

static void await(sem_t *sem, unsigned times)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += SECONDS;
    while (times > 0) {
        if (sem_timedwait(sem, &until) == 0)
            times--;
        else
            assert_int_equal(errno, EINTR);
    }
}

static void let_end(struct stage *stage, unsigned times)
{
    while (times-- > 0)
        sem_post(&stage->may_end);
}

static struct crew *make_crew(unsigned max_idle, unsigned idle_ms)
{
    struct err err = ERR_INIT;
    struct crew *crew = NULL;
    const struct crew_config config = { .stack_bytes = 128 * 1024, .max_idle = max_idle, .idle_ms = idle_ms };
    assert_int_equal(crew_new(&crew, &config, &err), 0);
    return crew;
}

static void give(struct crew *crew, struct stage *stage, unsigned times)
{
    struct err err = ERR_INIT;
    while (times-- > 0)
        assert_int_equal(crew_give(crew, act, stage, &err), 0);
}

static struct crew_stats stats_of(struct crew *crew)
{
    struct crew_stats stats;
    crew_get_stats(crew, &stats);
    return stats;
}

/* A thread is idle a moment after its job has ended. */
static void await_threads(struct crew *crew, unsigned threads, unsigned idle)
{
    int64_t until = mono_ns() + SECONDS * INT64_C(1000000000);
    struct crew_stats stats = stats_of(crew);
    while ((stats.threads != threads || stats.idle != idle) && mono_ns() < until) {
        sched_yield();
        stats = stats_of(crew);
    }
    assert_int_equal(stats.threads, threads);
    assert_int_equal(stats.idle, idle);
}

static void no_job_waits_for_another(void **state)
{
    (void) state;
    struct stage stage;
    struct crew *crew = make_crew(4, 60000);
    set_stage(&stage);
    give(crew, &stage, MANY);
    await(&stage.begun, MANY);
    assert_int_equal(atomic_load(&stage.at_once), MANY);
    let_end(&stage, MANY);
    await(&stage.ended, MANY);
    crew_free(crew);
    clear_stage(&stage);
}

static void jobs_one_after_another_share_a_thread(void **state)
{
    (void) state;
    struct stage stage;
    struct crew *crew = make_crew(4, 60000);
    set_stage(&stage);
    atomic_store(&stage.is_quick, true);
    for (int i = 0; i < 50; i++) {
        give(crew, &stage, 1);
        await(&stage.ended, 1);
        await_threads(crew, 1, 1);
    }
    assert_int_equal(stats_of(crew).started, 1);
    assert_int_equal(atomic_load(&stage.most_at_once), 1);
    crew_free(crew);
    clear_stage(&stage);
}

static void only_so_many_stay_idle(void **state)
{
    (void) state;
    struct stage stage;
    struct crew *crew = make_crew(3, 60000);
    set_stage(&stage);
    give(crew, &stage, MANY);
    await(&stage.begun, MANY);
    let_end(&stage, MANY);
    await_threads(crew, 3, 3);
    crew_free(crew);
    clear_stage(&stage);
}

static void who_has_nothing_to_do_goes_after_a_while(void **state)
{
    (void) state;
    struct stage stage;
    struct crew *crew = make_crew(16, 1);
    set_stage(&stage);
    give(crew, &stage, 16);
    await(&stage.begun, 16);
    let_end(&stage, 16);
    await_threads(crew, 0, 0);
    give(crew, &stage, 1);
    await(&stage.begun, 1);
    let_end(&stage, 1);
    await(&stage.ended, 1);
    crew_free(crew);
    clear_stage(&stage);
}

/* Threads that are just about to go are called again and again. */
static void a_job_that_comes_as_its_thread_goes_is_done(void **state)
{
    (void) state;
    struct stage stage;
    struct crew *crew = make_crew(16, 0);
    set_stage(&stage);
    atomic_store(&stage.is_quick, true);
    for (unsigned i = 0; i < 500; i++) {
        give(crew, &stage, 2);
        await(&stage.ended, 1 + i % 3 % 2);
    }
    crew_free(crew);
    int left = 0, most = 0;
    sem_getvalue(&stage.begun, &most);
    sem_getvalue(&stage.ended, &left);
    assert_int_equal(most, 1000);
    assert_int_equal(atomic_load(&stage.at_once), 0);
    clear_stage(&stage);
}

static void *let_end_soon(void *arg)
{
    let_end(arg, 8);
    return NULL;
}

static void the_end_waits_for_what_is_under_way(void **state)
{
    (void) state;
    struct stage stage;
    pthread_t thread;
    int ended = 0;
    struct crew *crew = make_crew(4, 60000);
    set_stage(&stage);
    give(crew, &stage, 8);
    await(&stage.begun, 8);
    assert_int_equal(pthread_create(&thread, NULL, let_end_soon, &stage), 0);
    crew_free(crew);
    sem_getvalue(&stage.ended, &ended);
    assert_int_equal(ended, 8);
    pthread_join(thread, NULL);
    clear_stage(&stage);
}

static void nobody_and_a_bad_stack_are_taken_well(void **state)
{
    (void) state;
    struct err err = ERR_INIT;
    struct crew *crew = NULL;
    const struct crew_config config = { .stack_bytes = 1 };
    crew_free(NULL);
    assert_int_equal(crew_new(&crew, &config, &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
    assert_null(crew);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_job_waits_for_another),
        cmocka_unit_test(jobs_one_after_another_share_a_thread),
        cmocka_unit_test(only_so_many_stay_idle),
        cmocka_unit_test(who_has_nothing_to_do_goes_after_a_while),
        cmocka_unit_test(a_job_that_comes_as_its_thread_goes_is_done),
        cmocka_unit_test(the_end_waits_for_what_is_under_way),
        cmocka_unit_test(nobody_and_a_bad_stack_are_taken_well),
    };
    return cmocka_run_group_tests_name("crew", tests, NULL, NULL);
}
