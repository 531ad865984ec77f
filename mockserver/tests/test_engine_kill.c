/* engine: signals, timeouts, trees that must die, survivors that hold pipes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/world.h"

#define assert_text(buf, text) assert_string_equal(buf_cstr(&(buf)), text)

static void assert_died(const struct outcome *o, int signo)
{
    assert_int_equal(o->view.end.kind, FACT_DIED);
    assert_int_equal(o->view.end.value, signo);
}

static bool has_fact(struct proc *p, enum fact_kind kind, int value, enum fact_who who)
{
    struct fact facts[64];
    size_t n = proc_facts(p, 1, facts, 64);
    for (size_t i = 0; i < n; i++)
        if (facts[i].kind == kind && facts[i].value == value && facts[i].who == who)
            return true;
    return false;
}

/* ---- signals --------------------------------------------------------------------------- */

static void a_signal_reaches_the_whole_group(void **state)
{
    struct proc *p = proc_ref(world_start_line(*state, "bash -c 'echo up; exec sleep 1000'; echo after $?"));
    world_await_output(p, "up");
    assert_int_equal(proc_signal(p, SIGTERM, WHO_CLIENT, NULL), 0);
    OUTCOME o = world_finish(p);
    assert_died(&o, SIGTERM);
    assert_text(o.out, "up\n");
    assert_true(o.view.signalled_by_client);
    assert_true(has_fact(p, FACT_SIGNALLED, SIGTERM, WHO_CLIENT));
    proc_unref(p);
}

static void a_signal_can_be_handled_by_the_process(void **state)
{
    struct proc *p = world_start_line(*state, "trap 'echo got; exit 3' USR1; echo up; while :; do sleep 0.01; done");
    world_await_output(p, "up");
    assert_int_equal(proc_signal(p, SIGUSR1, WHO_CLIENT, NULL), 0);
    OUTCOME o = world_finish(p);
    assert_int_equal(o.view.end.kind, FACT_EXITED);
    assert_int_equal(o.view.end.value, 3);
    assert_text(o.out, "up\ngot\n");
}

static void the_fact_of_the_signal_comes_before_the_end_it_causes(void **state)
{
    for (int i = 0; i < 50; i++) {
        struct proc *p = proc_ref(world_start_line(*state, "exec sleep 1000"));
        assert_int_equal(proc_signal(p, SIGKILL, WHO_CLIENT, NULL), 0);
        OUTCOME o = world_finish(p);
        assert_died(&o, SIGKILL);
        assert_true(o.view.signalled_by_client);
        proc_unref(p);
    }
}

static void a_signal_to_a_finished_process_is_a_conflict(void **state)
{
    struct err err = ERR_INIT;
    struct proc *p = proc_ref(world_start_line(*state, "true"));
    OUTCOME o = world_finish(p);
    assert_int_equal(o.view.end.value, 0);
    assert_int_equal(proc_signal(p, SIGTERM, WHO_CLIENT, &err), -1);
    assert_int_equal(err.code, ERR_CONFLICT);
    proc_unref(p);
}

static void a_failed_start_cannot_be_signalled(void **state)
{
    struct err err = ERR_INIT;
    char program[] = "/no/such/program", *argv[] = { program, NULL };
    struct proc *p = proc_ref(world_start(*state, &(struct proc_spec) { .argv = argv }));
    OUTCOME o = world_finish(p);
    assert_int_equal(o.view.end.kind, FACT_START_FAILED);
    assert_int_equal(proc_signal(p, SIGTERM, WHO_CLIENT, &err), -1);
    assert_int_equal(err.code, ERR_CONFLICT);
    assert_int_equal(proc_kill(p, WHO_CLIENT, NULL), 0);
    proc_unref(p);
}

/* A stopped process must be killable. */
static void a_stopped_process_can_be_killed(void **state)
{
    struct proc *p = world_start_line(*state, "echo up; exec sleep 1000");
    world_await_output(p, "up");
    assert_int_equal(proc_signal(p, SIGSTOP, WHO_CLIENT, NULL), 0);
    assert_int_equal(proc_kill(p, WHO_CLIENT, NULL), 0);
    OUTCOME o = world_finish(p);
    assert_died(&o, SIGKILL);
}

static void signal_names_and_numbers_are_understood(void **state)
{
    (void) state;
    static const struct { const char *text; int signo; } rows[] = {
        { "TERM", SIGTERM }, { "SIGTERM", SIGTERM }, { "sigkill", SIGKILL }, { "15", 15 }, { "Int", SIGINT },
        { "HUP", SIGHUP }, { "QUIT", SIGQUIT }, { "", 0 }, { "NOPE", 0 }, { "-1", 0 }, { "999", 0 }, { "SIG", 0 },
        { "15x", 0 }, { "0", 0 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(signal_from_name(rows[i].text), rows[i].signo);
    char spare[16];
    assert_string_equal(signal_name(SIGTERM, spare), "TERM");
}

/* ---- timeouts -------------------------------------------------------------------------- */

static struct outcome run_limited(struct world *w, const char *line, int64_t timeout_ms)
{
    char *argv[4];
    struct proc_spec spec = world_shell(line, argv);
    spec.timeout_ms = timeout_ms;
    return world_finish(world_start(w, &spec));
}

static void a_process_over_its_time_is_terminated(void **state)
{
    OUTCOME o = run_limited(*state, "sleep 1000", 50);
    assert_true(o.view.timed_out);
    assert_died(&o, SIGTERM);
}

static void one_that_ignores_term_is_killed_after_the_grace(void **state)
{
    OUTCOME o = run_limited(*state, "trap '' TERM; echo up; while :; do sleep 1000; done", 50);
    assert_true(o.view.timed_out);
    assert_died(&o, SIGKILL);
}

static void one_that_exits_on_term_keeps_its_exit_code_and_the_timeout(void **state)
{
    struct world *w = *state;
    char *argv[4];
    struct proc_spec spec = world_shell("trap 'echo bye; exit 5' TERM; echo up; while :; do sleep 0.01; done", argv);
    spec.timeout_ms = 100;
    /* Frozen, so that it has set its trap when its time is up, and its grace lasts. */
    clock_freeze(w->clock);
    struct proc *p = world_start(w, &spec);
    world_await_output(p, "up");
    clock_advance(w->clock, spec.timeout_ms);
    OUTCOME o = world_finish(p);
    assert_true(o.view.timed_out);
    assert_int_equal(o.view.end.kind, FACT_EXITED);
    assert_int_equal(o.view.end.value, 5);
    assert_text(o.out, "up\nbye\n");
}

static void one_that_is_quick_enough_is_not_timed_out(void **state)
{
    OUTCOME o = run_limited(*state, "echo quick", 50000);
    assert_false(o.view.timed_out);
    assert_int_equal(o.view.end.value, 0);
}

static void huge_timeouts_do_not_overflow(void **state)
{
    OUTCOME o = run_limited(*state, "echo fine", INT64_MAX - 1);
    assert_false(o.view.timed_out);
    assert_text(o.out, "fine\n");
}

/* Timer and exit race: whatever wins, the facts must agree with each other. */
static void exits_that_race_their_timeout_have_one_end(void **state)
{
    for (int i = 0; i < 40; i++) {
        OUTCOME o = run_limited(*state, "sleep 0.01", 10);
        bool by_signal = o.view.end.kind == FACT_DIED;
        assert_true(by_signal ? o.view.timed_out : o.view.end.value == 0 || o.view.timed_out);
    }
}

static int quick_clock(void **state)
{
    world_clock_scale = 1000;
    return world_setup(state);
}

static void timeouts_follow_the_scaled_clock(void **state)
{
    int64_t t0 = mono_ns();
    OUTCOME o = run_limited(*state, "sleep 1000", 100 * 1000);
    assert_true(o.view.timed_out);
    assert_true(mono_ns() - t0 < 60 * 1000000000LL);
}

/* ---- trees ----------------------------------------------------------------------------- */

/* A daemon that has left group, session and parent, has no environment, and ignores what can be ignored. */
#define DAEMON(name) \
    "(env -i /bin/bash -c 'trap \"\" TERM HUP INT; cp /bin/sleep ./" name "; " \
    "(setsid /bin/bash -c \"trap \\\"\\\" TERM HUP INT; exec -c ./" name " 1000\" </dev/null >/dev/null 2>&1 &) ')"

static void a_kill_finds_setsid_and_double_forked_descendants(void **state)
{
    struct world *w = *state;
    struct proc *p = world_start_line(w, "(setsid sleep 1000 </dev/null >/dev/null 2>&1 &); echo up; wait; exec sleep 999");
    world_await_output(p, "up");
    pid_t daemon = world_await_comm(w, "sleep");
    assert_int_equal(proc_kill(p, WHO_CLIENT, NULL), 0);
    assert_true(world_await_death(daemon, WORLD_LIMIT_MS));
    OUTCOME o = world_finish(p);
    assert_died(&o, SIGKILL);
    assert_true(o.view.killed_by_request);
}

static void a_kill_after_the_end_still_finds_the_daemon(void **state)
{
    struct world *w = *state;
    struct proc *p = proc_ref(world_start_line(w, "(setsid sleep 1000 </dev/null >/dev/null 2>&1 &); echo up"));
    OUTCOME o = world_finish(p);
    assert_int_equal(o.view.end.value, 0);
    pid_t daemon = world_await_comm(w, "sleep");
    assert_int_equal(proc_kill(p, WHO_CLIENT, NULL), 0);
    assert_true(world_await_death(daemon, WORLD_LIMIT_MS));
    proc_unref(p);
}

static void a_kill_spares_other_processes_of_the_sandbox(void **state)
{
    struct world *w = *state;
    struct proc *bystander = world_start_line(w, "echo up; read line; echo got $line");
    world_await_output(bystander, "up");
    struct proc *p = world_start_line(w, "sleep 1000");
    assert_int_equal(proc_kill(p, WHO_CLIENT, NULL), 0);
    OUTCOME killed = world_finish(p);
    assert_died(&killed, SIGKILL);
    OUTCOME o = world_finish(bystander);
    assert_text(o.out, "up\ngot\n");
}

static void stopping_the_sandbox_kills_daemons_without_a_trace(void **state)
{
    struct world *w = *state;
    OUTCOME o = world_run(w, DAEMON("standdaemon"));
    assert_int_equal(o.view.end.value, 0);
    pid_t daemon = world_await_comm(w, "standdaemon");
    assert_int_equal(sandbox_stop(w->sandbox, STOP_REQUEST, NULL), 0);
    assert_true(world_await_death(daemon, 0));
    assert_int_equal(sandbox_get_state(w->sandbox), SANDBOX_CLOSED);
    size_t count;
    assert_null(sandbox_census(w->sandbox, &count));
}

static void a_fork_bomb_of_daemons_dies_with_its_sandbox(void **state)
{
    struct world *w = *state;
    struct proc *p = world_start_line(w, "for i in 1 2 3 4 5 6 7 8 9 10; do (trap '' TERM; setsid sleep 1000 &) ; done; "
                                         "echo up; sleep 1000");
    world_await_output(p, "up");
    size_t count;
    struct census_entry *list = sandbox_census(w->sandbox, &count);
    assert_true(count > 10);
    assert_int_equal(sandbox_stop(w->sandbox, STOP_REQUEST, NULL), 0);
    for (size_t i = 0; i < count; i++)
        assert_true(world_await_death(list[i].host_pid, 0));
    free(list);
    OUTCOME o = world_finish(p);
    assert_died(&o, SIGKILL);
}

/* ---- stopping -------------------------------------------------------------------------- */

static void a_stop_ends_every_wait_and_later_starts_are_refused(void **state)
{
    struct world *w = *state;
    struct proc *p = proc_ref(world_start_line(w, "echo up; sleep 1000"));
    world_await_output(p, "up");
    assert_int_equal(sandbox_stop(w->sandbox, STOP_REQUEST, NULL), 0);
    OUTCOME o = world_finish(p);
    assert_died(&o, SIGKILL);
    assert_true(has_fact(p, FACT_SIGNALLED, SIGKILL, WHO_SANDBOX_STOP));
    proc_unref(p);
    char *argv[4];
    struct proc_spec spec = world_shell("true", argv);
    struct err err = ERR_INIT;
    struct proc *refused = NULL;
    assert_int_equal(proc_start(w->sandbox, &spec, &refused, &err), -1);
    assert_int_equal(err.code, ERR_CONFLICT);
    assert_int_equal(sandbox_stop(w->sandbox, STOP_REQUEST, NULL), 0);
    assert_int_equal(sandbox_get_stop_reason(w->sandbox), STOP_REQUEST);
}

static void *stop_it(void *arg)
{
    sandbox_stop(arg, STOP_REQUEST, NULL);
    return NULL;
}

/* Whatever the start was doing just then: it ends, and the sandbox, too. */
static void a_stop_during_starts_ends_them_all(void **state)
{
    struct world *w = *state;
    struct proc *procs[20];
    for (int i = 0; i < 20; i++)
        procs[i] = world_start_line(w, "sleep 1000");
    assert_int_equal(sandbox_stop(w->sandbox, STOP_REQUEST, NULL), 0);
    for (int i = 0; i < 20; i++) {
        OUTCOME o = world_finish(procs[i]);
        assert_true(o.view.end.kind == FACT_DIED || o.view.end.kind == FACT_START_FAILED);
    }
}

static void two_stops_at_once_both_return_when_it_is_closed(void **state)
{
    struct world *w = *state;
    struct proc *p = world_start_line(w, "sleep 1000");
    pthread_t other;
    assert_int_equal(pthread_create(&other, NULL, stop_it, w->sandbox), 0);
    assert_int_equal(sandbox_stop(w->sandbox, STOP_REQUEST, NULL), 0);
    assert_int_equal(sandbox_get_state(w->sandbox), SANDBOX_CLOSED);
    pthread_join(other, NULL);
    OUTCOME o = world_finish(p);
    assert_true(o.view.ended);
}

static enum sandbox_state await_closed(struct sandbox *s)
{
    int64_t end = mono_ns() + WORLD_LIMIT_MS * 1000000LL;
    while (sandbox_get_state(s) != SANDBOX_CLOSED && mono_ns() < end)
        sched_yield();
    return sandbox_get_state(s);
}

static void a_sandbox_whose_time_is_up_stops_by_itself(void **state)
{
    struct world *w = *state;
    struct sandbox *s = NULL;
    struct sandbox_spec spec = { .dialect = "test", .lifetime_ms = 50 };
    assert_int_equal(sandbox_create(w->engine, &spec, &s, NULL), 0);
    assert_int_equal(await_closed(s), SANDBOX_CLOSED);
    assert_int_equal(sandbox_get_stop_reason(s), STOP_EXPIRED);
    sandbox_unref(s);
}

/* With namespaces there are two: bubblewrap, our child, and the keeper, process 1 of the sandbox. */
static pid_t find_keeper(struct world *w, bool inner)
{
    size_t count;
    struct census_entry *list = sandbox_census(w->sandbox, &count);
    pid_t found = 0;
    for (size_t i = 0; i < count; i++)
        if (list[i].is_keeper && (list[i].host_ppid == getpid()) != (inner && world_isolation() == ISOLATION_NAMESPACE))
            found = list[i].host_pid;
    free(list);
    assert_int_not_equal(found, 0);
    return found;
}

static void a_keeper_that_is_killed_takes_all_along(struct world *w, bool inner)
{
    OUTCOME d = world_run(w, DAEMON("standdaemon"));
    assert_int_equal(d.view.end.value, 0);
    struct proc *p = world_start_line(w, "echo up; sleep 1000");
    world_await_output(p, "up");
    pid_t daemon = world_await_comm(w, "standdaemon");
    kill(find_keeper(w, inner), SIGKILL);
    OUTCOME o = world_finish(p);
    assert_died(&o, SIGKILL);
    assert_int_equal(await_closed(w->sandbox), SANDBOX_CLOSED);
    assert_int_equal(sandbox_get_stop_reason(w->sandbox), STOP_KEEPER_DIED);
    assert_true(world_await_death(daemon, 1000));
    assert_int_equal(world_zombies(), 0);
}

static void a_killed_keeper_takes_its_sandbox_along(void **state)
{
    a_keeper_that_is_killed_takes_all_along(*state, true);
}

static void a_killed_bubblewrap_takes_its_sandbox_along(void **state)
{
    a_keeper_that_is_killed_takes_all_along(*state, false);
}

static void the_keeper_cannot_be_killed_from_inside(void **state)
{
    OUTCOME o = world_run(*state, "kill -9 1; kill -TERM 1; kill -9 -1; echo tried");
    assert_text(o.out, "tried\n");
    OUTCOME again = world_run(*state, "echo alive");
    assert_text(again.out, "alive\n");
}

static void a_reset_forgets_every_sandbox(void **state)
{
    struct world *w = *state;
    struct proc *p = world_start_line(w, "echo up; sleep 1000");
    world_await_output(p, "up");
    engine_reset(w->engine, NULL);
    OUTCOME o = world_finish(p);
    assert_died(&o, SIGKILL);
    assert_null(engine_find_sandbox(w->engine, NULL, NULL, sandbox_id(w->sandbox)));
    size_t count;
    assert_null(engine_list_sandboxes(w->engine, NULL, NULL, &count));
    assert_int_equal(count, 0);
}

/* ---- survivors ------------------------------------------------------------------------- */

static void a_grandchild_with_the_pipe_does_not_hold_the_end_up(void **state)
{
    int64_t t0 = mono_ns();
    OUTCOME o = world_run(*state, "sleep 1000 & echo started");
    assert_int_equal(o.view.end.kind, FACT_EXITED);
    assert_text(o.out, "started\n");
    assert_true(o.view.output_held);
    assert_true(mono_ns() - t0 < WORLD_LIMIT_MS * 1000000LL);
}

static void what_a_survivor_writes_within_the_grace_is_kept(void **state)
{
    char *argv[4];
    struct proc_spec spec = world_shell("(trap '' HUP; sleep 0.05; echo late) & echo early", argv);
    spec.drain_grace_ms = WORLD_LIMIT_MS;
    OUTCOME o = world_finish(world_start(*state, &spec));
    assert_text(o.out, "early\nlate\n");
    assert_false(o.view.output_held);
}

static void a_survivor_is_not_killed_by_sigpipe(void **state)
{
    struct world *w = *state;
    char *argv[4];
    struct proc_spec spec = world_shell("(read line < pipe; echo late; echo wrote > pipe2) & ", argv);
    OUTCOME made = world_run(w, "mkfifo pipe pipe2");
    assert_int_equal(made.view.end.value, 0);
    spec.drain_grace_ms = 1;
    struct proc *p = proc_ref(world_start(w, &spec));
    OUTCOME o = world_finish(p);
    assert_true(o.view.output_held);
    OUTCOME told = world_run(w, "echo go > pipe; cat pipe2");
    assert_text(told.out, "wrote\n");
    BUF_AUTO out = BUF_INIT;
    proc_collect(p, 0, 0, &out);
    assert_int_equal(out.len, 0);
    proc_unref(p);
}

#define T(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

/* Where nothing isolates them, a process can stop the one that is to kill it; process 1 of a namespace it cannot. */
static void a_stopped_keeper_does_not_save_its_processes(void **state)
{
    struct world *w = *state;
    char keeper_state = '?';
    struct proc *p = world_start_line(w, "(setsid sleep 1000 &) ; kill -STOP $PPID; exec sleep 1000");
    pid_t sleeper = world_await_comm(w, "sleep");
    int64_t end = mono_ns() + WORLD_LIMIT_MS * 1000000LL;
    bool stops = world_isolation() == ISOLATION_NONE;
    while (stops && world_keeper(w, &keeper_state) != 0 && keeper_state != 'T' && mono_ns() < end)
        sched_yield();
    assert_int_equal(stops, keeper_state == 'T');
    assert_int_equal(sandbox_stop(w->sandbox, STOP_REQUEST, NULL), 0);
    assert_true(world_await_death(sleeper, 1000));
    size_t count;
    free(sandbox_census(w->sandbox, &count));
    assert_int_equal(count, 0);
    proc_unref(p);
}

enum { CROWD = 60, LONG_WORD = 12000 };   /* several times what a socket holds */

/* Who starts must not wait: it may be a thread that serves others, too.  The keeper has several threads: behind the word to
   stop one of them may find a start that has come before it. */
static void starts_do_not_wait_for_a_stopped_keeper_and_none_is_lost(void **state)
{
    struct world *w = *state;
    char line[LONG_WORD + 100];
    struct proc *procs[CROWD];
    size_t fds_before = world_open_fds();
    pid_t keeper = world_stop_keeper(w);
    for (int i = 0; i < CROWD; i++) {
        snprintf(line, sizeof line, "echo %d; exit %d; : %0*d", i, i, LONG_WORD, 0);
        procs[i] = proc_ref(world_start_line(w, line));
    }
    kill(keeper, SIGCONT);
    for (int i = 0; i < CROWD; i++) {
        OUTCOME o = world_finish(procs[i]);
        snprintf(line, sizeof line, "%d\n", i);
        assert_text(o.out, line);
        assert_int_equal(o.view.end.kind, FACT_EXITED);
        assert_int_equal(o.view.end.value, i);
        proc_unref(procs[i]);
    }
    assert_int_equal(world_open_fds(), fds_before);
    /* ... and a stop comes behind them all. */
    (void) world_stop_keeper(w);
    for (int i = 0; i < CROWD; i++) {
        snprintf(line, sizeof line, "exec sleep 1000; : %0*d", LONG_WORD, 0);
        procs[i] = proc_ref(world_start_line(w, line));
    }
    kill(keeper, SIGCONT);
    assert_int_equal(sandbox_stop(w->sandbox, STOP_REQUEST, NULL), 0);
    for (int i = 0; i < CROWD; i++) {
        OUTCOME o = world_finish(procs[i]);
        bool never_ran = o.view.end.kind == FACT_START_FAILED && o.view.end.value == ECANCELED;
        if (!never_ran)
            assert_died(&o, SIGKILL);
        proc_unref(procs[i]);
    }
}

/* What it was never told of, no keeper lost. */
static void starts_that_wait_for_a_keeper_that_dies_have_failed(void **state)
{
    struct world *w = *state;
    char line[LONG_WORD + 100];
    struct proc *procs[CROWD];
    pid_t keeper = world_stop_keeper(w);
    for (int i = 0; i < CROWD; i++) {
        snprintf(line, sizeof line, "exec sleep 1000; : %0*d", LONG_WORD, 0);
        procs[i] = proc_ref(world_start_line(w, line));
    }
    kill(keeper, SIGKILL);
    for (int i = 0; i < CROWD; i++) {
        OUTCOME o = world_finish(procs[i]);
        assert_int_equal(o.view.end.kind, FACT_START_FAILED);
        assert_int_equal(o.view.end.value, EPIPE);
        proc_unref(procs[i]);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        T(a_signal_reaches_the_whole_group),
        T(a_signal_can_be_handled_by_the_process),
        T(the_fact_of_the_signal_comes_before_the_end_it_causes),
        T(a_signal_to_a_finished_process_is_a_conflict),
        T(a_failed_start_cannot_be_signalled),
        T(a_stopped_process_can_be_killed),
        T(signal_names_and_numbers_are_understood),
        T(a_process_over_its_time_is_terminated),
        T(one_that_ignores_term_is_killed_after_the_grace),
        T(one_that_exits_on_term_keeps_its_exit_code_and_the_timeout),
        T(one_that_is_quick_enough_is_not_timed_out),
        T(huge_timeouts_do_not_overflow),
        T(exits_that_race_their_timeout_have_one_end),
        cmocka_unit_test_setup_teardown(timeouts_follow_the_scaled_clock, quick_clock, world_teardown),
        T(a_kill_finds_setsid_and_double_forked_descendants),
        T(a_kill_after_the_end_still_finds_the_daemon),
        T(a_kill_spares_other_processes_of_the_sandbox),
        T(stopping_the_sandbox_kills_daemons_without_a_trace),
        T(a_fork_bomb_of_daemons_dies_with_its_sandbox),
        T(a_stop_ends_every_wait_and_later_starts_are_refused),
        T(a_stop_during_starts_ends_them_all),
        T(two_stops_at_once_both_return_when_it_is_closed),
        T(a_sandbox_whose_time_is_up_stops_by_itself),
        T(a_killed_keeper_takes_its_sandbox_along),
        T(a_killed_bubblewrap_takes_its_sandbox_along),
        T(a_reset_forgets_every_sandbox),
        T(a_grandchild_with_the_pipe_does_not_hold_the_end_up),
        T(what_a_survivor_writes_within_the_grace_is_kept),
        T(a_survivor_is_not_killed_by_sigpipe),
        T(a_stopped_keeper_does_not_save_its_processes),
        T(starts_do_not_wait_for_a_stopped_keeper_and_none_is_lost),
        T(starts_that_wait_for_a_keeper_that_dies_have_failed),
    };
    static const struct CMUnitTest isolated[] = { T(the_keeper_cannot_be_killed_from_inside) };
    return world_run_modes("engine: kill", tests, sizeof tests / sizeof *tests) +
           world_run_namespace("engine: kill from inside", isolated, sizeof isolated / sizeof *isolated);
}
