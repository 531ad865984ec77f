/* engine: a sandbox's main process, and sandboxes that stop a while after they were told to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>

#include "tests/support/world.h"

static enum sandbox_state await_closed(struct sandbox *s)
{
    assert_true(sandbox_await_closed(s, WORLD_LIMIT_MS));
    return sandbox_get_state(s);
}

static struct proc *start_main(struct world *w, const char *line)
{
    char *argv[4];
    struct proc_spec spec = world_shell(line, argv);
    spec.is_main = true;
    return world_start(w, &spec);
}

static void a_sandbox_stops_when_its_main_process_has_ended(void **state)
{
    struct world *w = *state;
    struct proc *other = world_start_line(w, "sleep 1000");
    OUTCOME o = world_finish(start_main(w, "sleep 1000 & echo bye; exit 3"));
    assert_int_equal(o.view.end.value, 3);
    assert_string_equal(o.out.data, "bye\n");
    assert_int_equal(await_closed(w->sandbox), SANDBOX_CLOSED);
    assert_int_equal(sandbox_get_stop_reason(w->sandbox), STOP_MAIN_ENDED);
    OUTCOME killed = world_finish(other);
    assert_int_equal(killed.view.end.kind, FACT_DIED);
    assert_int_equal(killed.view.end.value, SIGKILL);
}

static void a_sandbox_stops_when_its_main_process_cannot_start(void **state)
{
    struct world *w = *state;
    char program[] = "/no/such/program", *argv[] = { program, NULL };
    const struct proc_spec spec = { .argv = argv, .is_main = true };
    OUTCOME o = world_finish(world_start(w, &spec));
    assert_int_equal(o.view.end.kind, FACT_START_FAILED);
    assert_int_equal(await_closed(w->sandbox), SANDBOX_CLOSED);
    assert_int_equal(sandbox_get_stop_reason(w->sandbox), STOP_MAIN_ENDED);
}

static void a_main_process_that_is_killed_in_the_queue_ends_its_sandbox(void **state)
{
    struct world *w = *state;
    char *argv[4];
    struct proc_spec spec = world_shell("true", argv);
    spec.is_main = true;
    spec.hold_ms = 1000000;
    struct proc *p = world_start(w, &spec);
    assert_int_equal(proc_signal(p, SIGTERM, WHO_CLIENT, NULL), 0);
    OUTCOME o = world_finish(p);
    assert_int_equal(o.view.end.value, SIGTERM);
    assert_int_equal(await_closed(w->sandbox), SANDBOX_CLOSED);
    assert_int_equal(sandbox_get_stop_reason(w->sandbox), STOP_MAIN_ENDED);
}

static void the_main_process_is_known_when_the_sandbox_is_closed(void **state)
{
    struct world *w = *state;
    struct proc_view view;
    BUF_AUTO out = BUF_INIT;
    assert_null(sandbox_main(w->sandbox));
    OUTCOME o = world_finish(start_main(w, "echo kept; exit 7"));
    assert_int_equal(o.view.end.value, 7);
    assert_int_equal(await_closed(w->sandbox), SANDBOX_CLOSED);
    size_t count;
    struct proc **list = sandbox_list_procs(w->sandbox, &count);
    proc_list_free(list, count);
    assert_int_equal(count, 0);
    struct proc *main_proc = sandbox_main(w->sandbox);
    assert_non_null(main_proc);
    proc_get_view(main_proc, &view);
    assert_int_equal(view.end.value, 7);
    assert_false(proc_collect(main_proc, 0, 0, &out));
    assert_string_equal(out.data, "kept\n");
    proc_unref(main_proc);
}

static void there_is_one_main_process_in_a_sandbox(void **state)
{
    struct world *w = *state;
    struct err err = ERR_INIT;
    char *argv[4];
    struct proc_spec spec = world_shell("true", argv);
    struct proc *second = NULL, *first = start_main(w, "sleep 1000");
    spec.is_main = true;
    assert_int_equal(proc_start(w->sandbox, &spec, &second, &err), -1);
    assert_int_equal(err.code, ERR_CONFLICT);
    assert_int_equal(sandbox_get_state(w->sandbox), SANDBOX_ACTIVE);
    proc_unref(first);
}

static void a_sandbox_stops_so_long_after_it_was_told_to(void **state)
{
    struct world *w = *state;
    struct proc *p = world_start_line(w, "sleep 1000");
    clock_freeze(w->clock);
    sandbox_stop_after(w->sandbox, 5000, STOP_REQUEST);
    clock_advance(w->clock, 4999);
    assert_int_equal(sandbox_get_state(w->sandbox), SANDBOX_ACTIVE);
    clock_advance(w->clock, 1);
    assert_int_not_equal(sandbox_get_state(w->sandbox), SANDBOX_ACTIVE);
    assert_int_equal(await_closed(w->sandbox), SANDBOX_CLOSED);
    assert_int_equal(sandbox_get_stop_reason(w->sandbox), STOP_REQUEST);
    OUTCOME o = world_finish(p);
    assert_true(o.view.ended);
}

static void the_soonest_of_several_stops_counts(void **state)
{
    struct world *w = *state;
    struct sandbox *s = NULL;
    struct sandbox_spec spec = { .dialect = "test", .lifetime_ms = 10000 };
    assert_int_equal(sandbox_create(w->engine, &spec, &s, NULL), 0);
    clock_freeze(w->clock);
    sandbox_stop_after(s, 20000, STOP_REQUEST);
    sandbox_stop_after(s, 3000, STOP_REQUEST);
    sandbox_stop_after(s, 4000, STOP_EXPIRED);
    clock_advance(w->clock, 3000);
    assert_int_equal(await_closed(s), SANDBOX_CLOSED);
    assert_int_equal(sandbox_get_stop_reason(s), STOP_REQUEST);
    sandbox_unref(s);
}

static void waiting_for_the_end_of_a_sandbox_is_bounded(void **state)
{
    struct world *w = *state;
    assert_false(sandbox_await_closed(w->sandbox, 0));
    assert_false(sandbox_await_closed(w->sandbox, 10));
    assert_int_equal(sandbox_stop(w->sandbox, STOP_REQUEST, NULL), 0);
    assert_true(sandbox_await_closed(w->sandbox, 0));
}

static void a_closed_sandbox_takes_no_further_stop(void **state)
{
    struct world *w = *state;
    assert_int_equal(sandbox_stop(w->sandbox, STOP_REQUEST, NULL), 0);
    sandbox_stop_after(w->sandbox, 0, STOP_EXPIRED);
    sandbox_stop_after(w->sandbox, 10, STOP_EXPIRED);
    assert_int_equal(sandbox_get_stop_reason(w->sandbox), STOP_REQUEST);
    assert_int_equal(sandbox_get_state(w->sandbox), SANDBOX_CLOSED);
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_sandbox_stops_when_its_main_process_has_ended),
        T(a_sandbox_stops_when_its_main_process_cannot_start),
        T(a_main_process_that_is_killed_in_the_queue_ends_its_sandbox),
        T(the_main_process_is_known_when_the_sandbox_is_closed),
        T(there_is_one_main_process_in_a_sandbox),
        T(a_sandbox_stops_so_long_after_it_was_told_to),
        T(the_soonest_of_several_stops_counts),
        T(waiting_for_the_end_of_a_sandbox_is_bounded),
        T(a_closed_sandbox_takes_no_further_stop),
    };
    return world_run_modes("engine main", tests, sizeof tests / sizeof *tests);
}
