/* engine: processes and sandboxes follow their clock, wherever it goes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>

#include "tests/support/world.h"

#define SECOND_MS INT64_C(1000)
#define MINUTE_MS (60 * SECOND_MS)
#define REAL_LIMIT_NS INT64_C(60000000000)      /* far less than the API time at stake */

static int frozen_setup(void **state)
{
    if (world_setup(state) != 0)
        return -1;
    struct world *w = *state;
    clock_freeze(w->clock);
    return 0;
}

static struct proc *start_limited(struct sandbox *sandbox, const char *line, int64_t timeout_ms, int64_t grace_ms)
{
    char *argv[4];
    struct err err = ERR_INIT;
    struct proc *p = NULL;
    struct proc_spec spec = world_shell(line, argv);
    spec.timeout_ms = timeout_ms;
    spec.term_grace_ms = grace_ms;
    if (proc_start(sandbox, &spec, &p, &err) != 0)
        fail_msg("%s", err.text);
    return p;
}

static struct proc_view look(struct proc *p)
{
    struct proc_view view;
    proc_get_view(p, &view);
    return view;
}

static void let_real_time_pass(int64_t ms)
{
    struct clock *real;
    assert_int_equal(clock_new(&real, 1, NULL), 0);
    clock_sleep_until(real, ms, NULL, NULL);
    clock_unref(real);
}

/* ---- processes -------------------------------------------------------------------------- */

#define STUBBORN "trap 'echo term' TERM; echo up; while :; do sleep 0.01; done"

static void a_half_hour_limit_and_its_grace_pass_in_an_instant(void **state)
{
    struct world *w = *state;
    int64_t begin = mono_ns();
    struct proc *p = start_limited(w->sandbox, STUBBORN, 30 * MINUTE_MS, 10 * MINUTE_MS);
    world_await_output(p, "up");
    clock_advance(w->clock, 30 * MINUTE_MS - 1);
    assert_false(look(p).timed_out);
    clock_advance(w->clock, 1);
    assert_true(look(p).timed_out);
    world_await_output(p, "term");
    clock_advance(w->clock, 10 * MINUTE_MS - 1);
    assert_int_equal(look(p).state, PROC_RUNNING);
    clock_advance(w->clock, 1);
    OUTCOME o = world_finish(p);
    assert_int_equal(o.view.end.kind, FACT_DIED);
    assert_int_equal(o.view.end.value, SIGKILL);
    assert_true(mono_ns() - begin < REAL_LIMIT_NS);
}

static void a_limit_does_not_pass_while_the_clock_stands_still(void **state)
{
    struct world *w = *state;
    struct proc *p = start_limited(w->sandbox, "echo up; exec sleep 1000", 50, 0);
    world_await_output(p, "up");
    let_real_time_pass(100);
    assert_false(look(p).timed_out);
    clock_run(w->clock, 1);
    world_await_fact(p, FACT_TIMED_OUT);
    OUTCOME o = world_finish(p);
    assert_true(o.view.timed_out);
}

static void a_new_pace_counts_for_limits_that_run(void **state)
{
    struct world *w = *state;
    int64_t begin = mono_ns();
    struct proc *p = start_limited(w->sandbox, "echo up; exec sleep 1000", 60 * MINUTE_MS, 0);
    world_await_output(p, "up");
    clock_run(w->clock, 1e6);
    OUTCOME o = world_finish(p);
    assert_true(o.view.timed_out);
    assert_true(mono_ns() - begin < REAL_LIMIT_NS);
}

static void times_are_those_of_the_clock(void **state)
{
    struct world *w = *state;
    clock_advance(w->clock, 1000 * MINUTE_MS);
    int64_t queued = clock_wall_ms(w->clock);
    struct proc *p = proc_ref(world_start_line(w, "read line"));
    world_await_fact(p, FACT_STARTED);
    proc_kill(p, WHO_CLIENT, NULL);
    OUTCOME o = world_finish(p);
    assert_int_equal(o.view.queued_ms, queued);
    assert_int_equal(o.view.started_ms, queued);
    assert_int_equal(o.view.ended_ms, queued);
    struct fact facts[32];
    size_t n = proc_facts(p, 1, facts, 32);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(facts[i].wall_ms, queued);
    assert_true(n >= 3);
    proc_unref(p);
}

/* ---- those who wait --------------------------------------------------------------------- */

struct waiter {
    struct proc *proc;
    struct proc_reader *reader;
    int64_t deadline_ms;
    atomic_int begun;
    int result;
    struct err err;
};

static void *wait_for_the_end(void *arg)
{
    struct waiter *w = arg;
    atomic_store(&w->begun, 1);
    w->result = proc_wait_state(w->proc, PROC_FINISHED, w->deadline_ms, NULL, NULL, &w->err);
    return NULL;
}

static void *wait_for_a_fact(void *arg)
{
    struct waiter *w = arg;
    atomic_store(&w->begun, 1);
    w->result = proc_wait_fact(w->proc, 1u << FACT_EXITED, w->deadline_ms, NULL, NULL, &w->err);
    return NULL;
}

static void *wait_for_room_in_stdin(void *arg)
{
    static char much[1024 * 1024];
    struct waiter *w = arg;
    atomic_store(&w->begun, 1);
    do
        w->result = proc_stdin_write(w->proc, much, sizeof much, false, w->deadline_ms, &w->err);
    while (w->result == 0);
    return NULL;
}

static void *wait_for_output(void *arg)
{
    struct waiter *w = arg;
    struct fact fact;
    BUF_AUTO bytes = BUF_INIT;
    enum read_result result;
    atomic_store(&w->begun, 1);
    do
        result = proc_reader_next(w->reader, w->deadline_ms, NULL, NULL, &fact, &bytes);
    while (result == READ_FACT);
    w->result = -1;
    w->err.code = result == READ_DEADLINE ? ERR_TIMEOUT : ERR_INTERNAL;
    return NULL;
}

static struct proc *start_silent(struct world *w)
{
    char *argv[4];
    struct proc_spec spec = world_shell("exec sleep 1000", argv);
    spec.stdin_mode = STDIN_PIPE;
    struct proc *p = world_start(w, &spec);
    world_await_fact(p, FACT_STARTED);
    return p;
}

static void every_kind_of_waiter_notices_that_its_time_is_up(void **state)
{
    static void *(*const kinds[])(void *) = { wait_for_the_end, wait_for_a_fact, wait_for_room_in_stdin,
                                              wait_for_output };
    struct world *w = *state;
    struct proc *p = start_silent(w);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        pthread_t thread;
        struct waiter waiter = { .proc = p, .deadline_ms = clock_now_ms(w->clock) + 30 * MINUTE_MS };
        assert_int_equal(proc_reader_open(p, 1, true, &waiter.reader, NULL), 0);
        assert_int_equal(pthread_create(&thread, NULL, kinds[i], &waiter), 0);
        while (atomic_load(&waiter.begun) == 0)
            sched_yield();
        clock_advance(w->clock, 30 * MINUTE_MS - 1);
        clock_advance(w->clock, 1);
        pthread_join(thread, NULL);
        proc_reader_close(waiter.reader);
        assert_int_equal(waiter.result, -1);
        assert_int_equal(waiter.err.code, ERR_TIMEOUT);
    }
    proc_kill(p, WHO_CLIENT, NULL);
    OUTCOME o = world_finish(p);
    assert_int_equal(o.view.end.value, SIGKILL);
}

/* The advance falls before, between or behind the steps of the wait; nobody may miss it. */
static void a_waiter_that_races_the_change_does_not_oversleep(void **state)
{
    struct world *w = *state;
    struct proc *p = start_silent(w);
    for (int i = 0; i < 300; i++) {
        pthread_t thread;
        struct waiter waiter = { .proc = p, .deadline_ms = clock_now_ms(w->clock) + 1 };
        assert_int_equal(pthread_create(&thread, NULL, i % 2 ? wait_for_the_end : wait_for_a_fact, &waiter), 0);
        while (atomic_load(&waiter.begun) == 0)
            continue;
        for (int k = 0; k < i % 50; k++)
            sched_yield();
        clock_advance(w->clock, 1);
        pthread_join(thread, NULL);
        assert_int_equal(waiter.err.code, ERR_TIMEOUT);
    }
    proc_kill(p, WHO_CLIENT, NULL);
    OUTCOME o = world_finish(p);
    assert_int_equal(o.view.end.value, SIGKILL);
}

/* ---- sandboxes -------------------------------------------------------------------------- */

static void count_nothing(struct owner *owner)
{
    (void) owner;
}

static struct owner with_clock(void)
{
    struct owner owner = { .ref = count_nothing, .unref = count_nothing };
    assert_int_equal(clock_new(&owner.clock, 1, NULL), 0);
    return owner;
}

static struct sandbox *make_sandbox(struct world *w, struct owner *owner, int64_t lifetime_ms)
{
    struct err err = ERR_INIT;
    struct sandbox *s = NULL;
    struct sandbox_spec spec = { .owner = owner, .dialect = "test", .lifetime_ms = lifetime_ms };
    if (sandbox_create(w->engine, &spec, &s, &err) != 0)
        fail_msg("%s", err.text);
    return s;
}

static void two_clocks_do_not_disturb_each_other(void **state)
{
    struct world *w = *state;
    struct owner owners[2] = { with_clock(), with_clock() };
    struct sandbox *boxes[2];
    struct proc *procs[2];
    for (int i = 0; i < 2; i++) {
        boxes[i] = make_sandbox(w, &owners[i], 0);
        assert_ptr_equal(sandbox_clock(boxes[i]), owners[i].clock);
        procs[i] = start_limited(boxes[i], "echo up; exec sleep 1000", 30 * MINUTE_MS, 0);
        world_await_output(procs[i], "up");
    }
    clock_freeze(owners[1].clock);
    clock_advance(owners[0].clock, 30 * MINUTE_MS);
    assert_true(look(procs[0]).timed_out);
    assert_false(look(procs[1]).timed_out);
    clock_advance(w->clock, 90 * MINUTE_MS);
    assert_false(look(procs[1]).timed_out);
    clock_advance(owners[1].clock, 30 * MINUTE_MS);
    for (int i = 0; i < 2; i++) {
        OUTCOME o = world_finish(procs[i]);
        assert_true(o.view.timed_out);
        sandbox_stop(boxes[i], STOP_REQUEST, NULL);
        /* Nobody but its owner uses it any more. */
        clock_advance(owners[i].clock, 1);
        sandbox_unref(boxes[i]);
    }
    engine_reset(w->engine, NULL);
    for (int i = 0; i < 2; i++)
        clock_unref(owners[i].clock);
}

static void a_sandbox_expires_when_its_clock_is_advanced(void **state)
{
    struct world *w = *state;
    struct sandbox *s = make_sandbox(w, NULL, 30 * MINUTE_MS);
    char *argv[4];
    struct err err = ERR_INIT;
    struct proc_spec spec = world_shell("true", argv);
    struct proc *p;
    clock_advance(w->clock, 30 * MINUTE_MS - 1);
    assert_int_equal(sandbox_get_state(s), SANDBOX_ACTIVE);
    clock_advance(w->clock, 1);
    assert_int_not_equal(sandbox_get_state(s), SANDBOX_ACTIVE);
    assert_int_equal(proc_start(s, &spec, &p, &err), -1);
    assert_int_equal(err.code, ERR_CONFLICT);
    assert_int_equal(sandbox_stop(s, STOP_REQUEST, NULL), 0);
    assert_int_equal(sandbox_get_state(s), SANDBOX_CLOSED);
    assert_int_equal(sandbox_get_stop_reason(s), STOP_EXPIRED);
    assert_int_equal(sandbox_ended_ms(s) - sandbox_created_ms(s), 30 * MINUTE_MS);
    sandbox_unref(s);
}

/* Sandboxes come and go while their clock is being moved. */
static void *move_the_clock(void *arg)
{
    struct waiter *w = arg;
    struct clock *clock = sandbox_clock(proc_sandbox(w->proc));
    while (atomic_load(&w->begun) == 0) {
        clock_advance(clock, 1);
        clock_run(clock, 2);
        clock_freeze(clock);
    }
    return NULL;
}

static void sandboxes_come_and_go_while_their_clock_moves(void **state)
{
    struct world *w = *state;
    struct waiter mover = { .proc = start_silent(w) };
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, move_the_clock, &mover), 0);
    for (int i = 0; i < 10; i++) {
        struct sandbox *s = make_sandbox(w, NULL, i % 2 == 0 ? 1 : 0);
        char *argv[4];
        struct proc_spec spec = world_shell("true", argv);
        struct proc *p;
        spec.timeout_ms = 10 * MINUTE_MS;
        if (proc_start(s, &spec, &p, NULL) == 0)
            proc_unref(p);
        assert_int_equal(sandbox_stop(s, STOP_REQUEST, NULL), 0);
        sandbox_unref(s);
    }
    atomic_store(&mover.begun, 1);
    pthread_join(thread, NULL);
    proc_kill(mover.proc, WHO_CLIENT, NULL);
    proc_unref(mover.proc);
}

#define FROZEN(f) cmocka_unit_test_setup_teardown(f, frozen_setup, world_teardown)
#define PLAIN(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        FROZEN(a_half_hour_limit_and_its_grace_pass_in_an_instant),
        FROZEN(a_limit_does_not_pass_while_the_clock_stands_still),
        PLAIN(a_new_pace_counts_for_limits_that_run),
        FROZEN(times_are_those_of_the_clock),
        FROZEN(every_kind_of_waiter_notices_that_its_time_is_up),
        FROZEN(a_waiter_that_races_the_change_does_not_oversleep),
        PLAIN(two_clocks_do_not_disturb_each_other),
        FROZEN(a_sandbox_expires_when_its_clock_is_advanced),
        FROZEN(sandboxes_come_and_go_while_their_clock_moves),
    };
    return world_run_modes("engine clock", tests, sizeof tests / sizeof *tests);
}
