/* engine: processes that are kept in the queue, and those that are told to fail. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/keeper_wire.h"
#include "tests/support/world.h"

#define HOLD_MS (30 * 60 * 1000)
#define BIT(kind) (1u << (kind))

static int frozen_setup(void **state)
{
    if (world_setup(state) != 0)
        return -1;
    struct world *w = *state;
    clock_freeze(w->clock);
    return 0;
}

static struct proc *start_held(struct world *w, const char *line)
{
    char *argv[4];
    struct proc_spec spec = world_shell(line, argv);
    spec.hold_ms = HOLD_MS;
    spec.stdin_mode = STDIN_PIPE;
    return world_start(w, &spec);
}

static struct proc_view look(struct proc *p)
{
    struct proc_view view;
    proc_get_view(p, &view);
    return view;
}

/* Its whole log: queued, and then these. */
static void assert_facts(struct proc *p, const enum fact_kind *kinds, size_t count)
{
    struct fact facts[16];
    size_t n = proc_facts(p, 1, facts, 16);
    assert_int_equal(facts[0].kind, FACT_QUEUED);
    assert_int_equal(n, count + 1);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(facts[i + 1].kind, kinds[i]);
}

static const enum fact_kind killed[] = { FACT_SIGNALLED, FACT_DIED, FACT_OUTPUT_EOF };
#define assert_never_started(p) assert_facts(p, killed, sizeof killed / sizeof *killed)

/* ---- the hold --------------------------------------------------------------------------- */

static void a_held_process_is_queued_until_its_time_comes(void **state)
{
    struct world *w = *state;
    struct proc *p = start_held(w, "echo ran");
    clock_advance(w->clock, HOLD_MS - 1);
    assert_int_equal(look(p).state, PROC_QUEUED);
    assert_true(look(p).held);
    assert_int_equal(look(p).seen, BIT(FACT_QUEUED));
    clock_advance(w->clock, 1);
    assert_false(look(p).held);
    OUTCOME o = world_finish(p);
    assert_string_equal(buf_cstr(&o.out), "ran\n");
    assert_int_equal(o.view.end.kind, FACT_EXITED);
    assert_int_equal(o.view.started_ms - o.view.queued_ms, HOLD_MS);
}

static void one_that_is_not_held_never_looks_so(void **state)
{
    struct proc *p = world_start_line(*state, "true");
    assert_false(look(p).held);
    OUTCOME o = world_finish(p);
    assert_false(o.view.held);
}

static void the_limit_of_a_held_process_counts_from_its_start(void **state)
{
    struct world *w = *state;
    char *argv[4];
    struct proc_spec spec = world_shell("echo up; exec sleep 1000", argv);
    spec.hold_ms = HOLD_MS;
    spec.timeout_ms = 1000;
    struct proc *p = world_start(w, &spec);
    clock_advance(w->clock, HOLD_MS);
    world_await_output(p, "up");
    assert_false(look(p).timed_out);
    clock_advance(w->clock, 1000);
    OUTCOME o = world_finish(p);
    assert_true(o.view.timed_out);
}

static void what_is_written_meanwhile_is_there_when_it_starts(void **state)
{
    struct world *w = *state;
    char *argv[4];
    for (int pty = 0; pty < 2; pty++) {
        struct proc_spec spec = world_shell("read line; echo got $line", argv);
        spec.hold_ms = HOLD_MS;
        spec.stdin_mode = STDIN_PIPE;
        spec.pty = pty != 0;
        struct proc *p = world_start(w, &spec);
        assert_int_equal(proc_stdin_write(p, "early\n", 6, true, CLOCK_NEVER, NULL), 0);
        clock_advance(w->clock, HOLD_MS);
        OUTCOME o = world_finish(p);
        assert_non_null(strstr(buf_cstr(&o.out), "got early"));
    }
}

/* Too long for the packet: it goes over in a file. */
static void a_long_command_survives_the_hold(void **state)
{
    struct world *w = *state;
    BUF_AUTO line = BUF_INIT;
    buf_printf(&line, "echo ");
    while (line.len < 100000)
        buf_printf(&line, "x");
    struct proc *p = start_held(w, buf_cstr(&line));
    clock_advance(w->clock, HOLD_MS);
    OUTCOME o = world_finish(p);
    assert_int_equal(o.out.len, line.len - strlen("echo ") + 1);
}

static void a_bad_user_or_program_shows_after_the_hold(void **state)
{
    struct world *w = *state;
    char program[] = "/no/such/program", *argv[] = { program, NULL };
    struct proc_spec specs[] = { { .argv = argv, .hold_ms = HOLD_MS },
                                 { .argv = argv, .hold_ms = HOLD_MS, .run_as = "nobody-like-that" } };
    static const int stages[] = { STAGE_EXEC, STAGE_USER };
    for (size_t i = 0; i < 2; i++) {
        struct proc *p = world_start(w, &specs[i]);
        assert_true(look(p).held);
        clock_advance(w->clock, HOLD_MS);
        OUTCOME o = world_finish(p);
        assert_int_equal(o.view.end.kind, FACT_START_FAILED);
        assert_int_equal(o.view.end.flag, stages[i]);
        assert_int_equal(o.view.end.value, ENOENT);
    }
}

/* ---- ended while held ------------------------------------------------------------------- */

static void a_deadly_signal_ends_it_without_a_start(void **state)
{
    static const int deadly[] = { SIGTERM, SIGKILL, SIGINT, SIGUSR1 };
    struct world *w = *state;
    for (size_t i = 0; i < sizeof deadly / sizeof *deadly; i++) {
        struct proc *p = proc_ref(start_held(w, "echo ran"));
        assert_int_equal(proc_signal(p, deadly[i], WHO_CLIENT, NULL), 0);
        assert_int_equal(look(p).state, PROC_FINISHED);
        clock_advance(w->clock, HOLD_MS);
        OUTCOME o = world_finish(p);
        assert_int_equal(o.view.end.kind, FACT_DIED);
        assert_int_equal(o.view.end.value, deadly[i]);
        assert_true(o.view.signalled_by_client);
        assert_false(o.view.killed_by_request || o.view.held || o.view.stdin_open);
        assert_int_equal(o.view.started_ms, 0);
        assert_int_equal(o.out.len, 0);
        assert_never_started(p);
        assert_int_equal(proc_stdin_write(p, "x", 1, false, CLOCK_NEVER, NULL), -1);
        proc_unref(p);
    }
}

static void a_kill_ends_it_without_a_start(void **state)
{
    struct proc *p = proc_ref(start_held(*state, "echo ran"));
    assert_int_equal(proc_kill(p, WHO_ADMIN, NULL), 0);
    OUTCOME o = world_finish(p);
    assert_int_equal(o.view.end.value, SIGKILL);
    assert_true(o.view.killed_by_request);
    assert_never_started(p);
    struct fact facts[2];
    assert_int_equal(proc_facts(p, 2, facts, 2), 2);
    assert_int_equal(facts[0].who, WHO_ADMIN);
    proc_unref(p);
}

static void a_signal_it_would_survive_is_a_conflict(void **state)
{
    static const int harmless[] = { SIGWINCH, SIGCONT, SIGSTOP, SIGCHLD, 0 };
    struct world *w = *state;
    struct proc *p = start_held(w, "echo ran");
    for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++) {
        struct err err = ERR_INIT;
        assert_int_equal(proc_signal(p, harmless[i], WHO_CLIENT, &err), -1);
        assert_int_equal(err.code, ERR_CONFLICT);
    }
    assert_true(look(p).held);
    clock_advance(w->clock, HOLD_MS);
    OUTCOME o = world_finish(p);
    assert_string_equal(buf_cstr(&o.out), "ran\n");
}

static void the_end_of_its_sandbox_is_its_end(void **state)
{
    struct world *w = *state;
    struct proc *p = proc_ref(start_held(w, "echo ran"));
    int64_t begin = mono_ns();
    assert_int_equal(sandbox_stop(w->sandbox, STOP_REQUEST, NULL), 0);
    assert_true(mono_ns() - begin < INT64_C(60000000000));
    OUTCOME o = world_finish(p);
    assert_int_equal(o.view.end.kind, FACT_DIED);
    assert_int_equal(o.view.end.value, SIGKILL);
    assert_false(o.view.signalled_by_client);
    assert_never_started(p);
    struct fact facts[2];
    assert_int_equal(proc_facts(p, 2, facts, 2), 2);
    assert_int_equal(facts[0].who, WHO_SANDBOX_STOP);
    clock_advance(w->clock, HOLD_MS);
    assert_int_equal(look(p).state, PROC_FINISHED);
    proc_unref(p);
}

static void the_death_of_its_keeper_is_a_failed_start(void **state)
{
    struct world *w = *state;
    struct proc *p = start_held(w, "echo ran");
    size_t count;
    struct census_entry *list = sandbox_census(w->sandbox, &count);
    for (size_t i = 0; i < count; i++)
        if (list[i].is_keeper)
            kill(list[i].host_pid, SIGKILL);
    free(list);
    OUTCOME o = world_finish(p);
    assert_int_equal(o.view.end.kind, FACT_START_FAILED);
    assert_int_equal(o.view.end.flag, STAGE_KEEPER);
}

/* The end of the hold and the kill at the same moment: one of them is first, and nothing is left over. */
static void *advance_over_the_hold(void *arg)
{
    clock_advance(arg, HOLD_MS);
    return NULL;
}

static void a_kill_that_races_the_end_of_the_hold_is_the_end(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 50; i++) {
        pthread_t thread;
        struct proc *p = proc_ref(start_held(w, "exec sleep 1000"));
        assert_int_equal(pthread_create(&thread, NULL, advance_over_the_hold, w->clock), 0);
        assert_int_equal(proc_kill(p, WHO_CLIENT, NULL), 0);
        pthread_join(thread, NULL);
        OUTCOME o = world_finish(p);
        assert_int_equal(o.view.end.kind, FACT_DIED);
        assert_int_equal(o.view.end.value, SIGKILL);
        assert_true(o.view.killed_by_request && o.view.signalled_by_client);
        if (o.view.started_ms == 0)
            assert_never_started(p);
        proc_unref(p);
    }
}

static void nothing_of_held_ones_stays_open(void **state)
{
    struct world *w = *state;
    size_t before = world_open_fds();
    struct proc *procs[20];
    for (size_t i = 0; i < 20; i++)
        procs[i] = start_held(w, "cat");
    assert_true(world_open_fds() > before);
    for (size_t i = 0; i < 20; i++) {
        if (i % 2 == 0)
            assert_int_equal(proc_signal(procs[i], SIGTERM, WHO_CLIENT, NULL), 0);
        else
            assert_int_equal(proc_stdin_write(procs[i], NULL, 0, true, CLOCK_NEVER, NULL), 0);
    }
    clock_advance(w->clock, HOLD_MS);
    for (size_t i = 0; i < 20; i++) {
        OUTCOME o = world_finish(procs[i]);
        assert_int_equal(o.view.end.kind, i % 2 == 0 ? FACT_DIED : FACT_EXITED);
    }
    assert_int_equal(world_open_fds(), before);
}

/* ---- told to fail ----------------------------------------------------------------------- */

static void a_start_told_to_fail_runs_nothing(void **state)
{
    struct world *w = *state;
    char *argv[4];
    static const int64_t holds[] = { 0, HOLD_MS };
    static const enum fact_kind failed[] = { FACT_START_FAILED, FACT_OUTPUT_EOF };
    size_t before = world_open_fds();
    for (size_t i = 0; i < 2; i++) {
        struct proc_spec spec = world_shell("echo ran > ran", argv);
        spec.fail_errno = EACCES;
        spec.hold_ms = holds[i];
        spec.stdin_mode = STDIN_PIPE;
        struct proc *p = proc_ref(world_start(w, &spec));
        assert_int_equal(look(p).held, holds[i] != 0);
        clock_advance(w->clock, HOLD_MS);
        OUTCOME o = world_finish(p);
        assert_int_equal(o.view.end.kind, FACT_START_FAILED);
        assert_int_equal(o.view.end.value, EACCES);
        assert_int_equal(o.view.end.flag, STAGE_EXEC);
        assert_facts(p, failed, 2);
        proc_unref(p);
    }
    assert_int_equal(world_open_fds(), before);
    OUTCOME o = world_run(w, "ls ran 2>/dev/null | wc -l");
    assert_string_equal(buf_cstr(&o.out), "0\n");
}

/* ---- waiting for facts ------------------------------------------------------------------ */

struct fact_wait {
    struct proc *proc;
    unsigned mask;
    int result;
    struct err err;
};

static void *wait_for_fact(void *arg)
{
    struct fact_wait *w = arg;
    w->result = proc_wait_fact(w->proc, w->mask, CLOCK_NEVER, NULL, NULL, &w->err);
    return NULL;
}

static void whoever_waits_for_a_fact_is_woken_by_it(void **state)
{
    struct world *w = *state;
    struct proc *p = start_held(w, "read line; echo $line; exec sleep 1000");
    static const enum fact_kind kinds[] = { FACT_STARTED, FACT_STDIN, FACT_OUT, FACT_SIGNALLED, FACT_DIED };
    struct fact_wait waits[5];
    pthread_t threads[5];
    for (size_t i = 0; i < 5; i++) {
        waits[i] = (struct fact_wait) { .proc = p, .mask = BIT(kinds[i]) };
        assert_int_equal(pthread_create(&threads[i], NULL, wait_for_fact, &waits[i]), 0);
    }
    clock_advance(w->clock, HOLD_MS);
    pthread_join(threads[0], NULL);
    assert_int_equal(proc_stdin_write(p, "x\n", 2, false, CLOCK_NEVER, NULL), 0);
    pthread_join(threads[1], NULL);
    pthread_join(threads[2], NULL);
    assert_int_equal(proc_signal(p, SIGTERM, WHO_CLIENT, NULL), 0);
    pthread_join(threads[3], NULL);
    pthread_join(threads[4], NULL);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(waits[i].result, 0);
        assert_true((look(p).seen & waits[i].mask) != 0);
    }
    proc_unref(p);
}

static bool at_once(void *arg)
{
    (void) arg;
    return true;
}

static void a_wait_for_a_fact_ends_without_it(void **state)
{
    struct world *w = *state;
    struct err err = ERR_INIT;
    struct proc *p = start_held(w, "true");
    int64_t now = clock_now_ms(w->clock);
    assert_int_equal(proc_wait_fact(p, BIT(FACT_OUT), now, NULL, NULL, &err), -1);
    assert_int_equal(err.code, ERR_TIMEOUT);
    assert_int_equal(proc_wait_fact(p, BIT(FACT_OUT), CLOCK_NEVER, at_once, NULL, &err), -1);
    assert_int_equal(err.code, ERR_CLOSED);
    clock_advance(w->clock, HOLD_MS);
    assert_int_equal(proc_wait_fact(p, BIT(FACT_OUT), CLOCK_NEVER, NULL, NULL, &err), -1);
    assert_int_equal(err.code, ERR_GONE);
    assert_int_equal(proc_wait_fact(p, BIT(FACT_OUT) | BIT(FACT_EXITED), CLOCK_NEVER, NULL, NULL, &err), 0);
    proc_unref(p);
}

#define T(f) cmocka_unit_test_setup_teardown(f, frozen_setup, world_teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        T(a_held_process_is_queued_until_its_time_comes),
        T(one_that_is_not_held_never_looks_so),
        T(the_limit_of_a_held_process_counts_from_its_start),
        T(what_is_written_meanwhile_is_there_when_it_starts),
        T(a_long_command_survives_the_hold),
        T(a_bad_user_or_program_shows_after_the_hold),
        T(a_deadly_signal_ends_it_without_a_start),
        T(a_kill_ends_it_without_a_start),
        T(a_signal_it_would_survive_is_a_conflict),
        T(the_end_of_its_sandbox_is_its_end),
        T(the_death_of_its_keeper_is_a_failed_start),
        T(a_kill_that_races_the_end_of_the_hold_is_the_end),
        T(nothing_of_held_ones_stays_open),
        T(a_start_told_to_fail_runs_nothing),
        T(whoever_waits_for_a_fact_is_woken_by_it),
        T(a_wait_for_a_fact_ends_without_it),
    };
    return world_run_modes("engine hold", tests, sizeof tests / sizeof *tests);
}
