/* Waiting for processes and facts over the admin API, with real processes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/admin_world.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

static void wait_ends_when_a_process_is_finished(void **state)
{
    struct admin_world *w = *state;
    ASKED *a = admin_ask_later(w, "POST", "/__admin/processes/wait?lane=default",
                               "{\"command\":\"echo *\",\"state\":\"finished\",\"count\":2,\"timeout_ms\":60000}");
    struct proc *one = admin_world_start(w, "echo one"), *two = admin_world_start(w, "echo two");
    admin_answer(w, a);
    assert_int_equal(a->f.status, 200);
    assert_int_equal(json_number(a->json, "matched"), 2);
    assert_int_equal(json_length(a->json, "processes"), 2);
    assert_string_equal(json_text(json_item(a->json, "processes", 0), "state"), "finished");
    assert_int_equal(json_number(json_item(a->json, "processes", 0), "waitStatus"), 0);
    proc_unref(one);
    proc_unref(two);
}

/* One that has passed the state has come to it; one that could not be started has not. */
static void running_is_said_of_who_ran_and_not_of_who_could_not(void **state)
{
    struct admin_world *w = *state;
    struct err err = ERR_INIT;
    struct proc *ran = admin_world_start(w, "exit 0"), *failed = NULL;
    char missing[] = "/no/such/program", *argv[] = { missing, NULL };
    struct proc_spec spec = { .argv = argv };
    assert_int_equal(proc_start(w->sandbox, &spec, &failed, &err), 0);
    assert_int_equal(proc_wait_state(ran, PROC_FINISHED, CLOCK_NEVER, NULL, NULL, &err), 0);
    assert_int_equal(proc_wait_state(failed, PROC_FINISHED, CLOCK_NEVER, NULL, NULL, &err), 0);
    static const struct { const char *body; int status, matched; } rows[] = {
        { "{\"state\":\"running\",\"timeout_ms\":0}", 200, 1 },
        { "{\"state\":\"running\",\"count\":2,\"timeout_ms\":20}", 408, 1 },
        { "{\"state\":\"finished\",\"count\":2,\"timeout_ms\":0}", 200, 2 },
        { "{\"fact\":\"start-failed\",\"timeout_ms\":0}", 200, 1 },
        { "{\"fact\":\"ended\",\"count\":2,\"timeout_ms\":0}", 200, 2 },
        { "{\"fact\":\"exited\",\"state\":\"finished\",\"timeout_ms\":0}", 200, 1 },
        { "{\"fact\":\"signalled\",\"timeout_ms\":0}", 408, 0 },
        { "{\"sandbox\":\"other\",\"timeout_ms\":0}", 408, 0 },
        { "{\"timeout_ms\":0}", 200, 2 },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        ASKED *a = admin_ask(w, "POST", "/__admin/processes/wait", rows[i].body);
        if (a->f.status != rows[i].status || json_number(a->json, "matched") != rows[i].matched)
            fail_msg("%s: %d %s", rows[i].body, a->f.status, buf_cstr(&a->f.body));
    }
    proc_unref(ran);
    proc_unref(failed);
}

static void process_is_awaited_by_id_in_its_lane(void **state)
{
    struct admin_world *w = *state;
    struct proc *p = admin_world_start(w, "exec sleep 600");
    char body[256];
    snprintf(body, sizeof body, "{\"id\":\"%s\",\"sandbox\":\"%s\",\"state\":\"running\",\"timeout_ms\":60000}",
             proc_id(p), sandbox_id(w->sandbox));
    ASKED *a = admin_ask(w, "POST", "/__admin/processes/wait", body);
    assert_int_equal(a->f.status, 200);
    assert_int_equal(json_number(a->json, "matched"), 1);
    snprintf(body, sizeof body, "{\"id\":\"%s\",\"timeout_ms\":0}", proc_id(p));
    ASKED *other = admin_ask(w, "POST", "/__admin/processes/wait?lane=other", body);
    assert_int_equal(other->f.status, 408);
    proc_unref(p);
}

static void wait_in_vain_shows_the_processes_there_are(void **state)
{
    struct admin_world *w = *state;
    struct proc *p = admin_world_start(w, "exec sleep 600");
    ASKED *a = admin_ask(w, "POST", "/__admin/processes/wait", "{\"state\":\"finished\",\"timeout_ms\":40}");
    assert_int_equal(a->f.status, 408);
    assert_non_null(strstr(json_text(a->json, "message"), "0 of 1 processes are so far, of 1 that there are"));
    assert_string_equal(json_text(json_item(a->json, "processes", 0), "command"), "exec sleep 600");
    proc_unref(p);
}

static void facts_are_awaited_wherever_they_happen(void **state)
{
    struct admin_world *w = *state;
    ASKED *all = admin_ask_later(w, "POST", "/__admin/facts/wait",
                                 "{\"fact\":\"died\",\"command\":\"kill*\",\"timeout_ms\":60000}");
    ASKED *lane = admin_ask_later(w, "POST", "/__admin/facts/wait?lane=default",
                                  "{\"fact\":\"ended\",\"count\":2,\"timeout_ms\":60000}");
    struct proc *p = admin_world_start(w, "kill -9 $$"), *q = admin_world_start(w, "exit 1");
    admin_answer(w, all);
    admin_answer(w, lane);
    assert_int_equal(all->f.status, 200);
    assert_string_equal(json_text(json_item(all->json, "facts", 0), "fact"), "died");
    assert_string_equal(json_text(json_item(all->json, "facts", 0), "process"), proc_id(p));
    assert_int_equal(lane->f.status, 200);
    assert_int_equal(json_number(lane->json, "matched"), 2);
    char body[256];
    snprintf(body, sizeof body, "{\"fact\":\"out\",\"process\":\"%s\",\"timeout_ms\":20}", proc_id(q));
    ASKED *vain = admin_ask(w, "POST", "/__admin/facts/wait", body);
    assert_int_equal(vain->f.status, 408);
    assert_non_null(strstr(json_text(vain->json, "message"), "0 of 1 facts that fit are there"));
    assert_in_range(json_length(vain->json, "seen"), 1, 10);
    json_text(json_item(vain->json, "seen", 0), "fact");
    proc_unref(p);
    proc_unref(q);
}

static void waits_do_not_follow_the_lanes_clock(void **state)
{
    struct admin_world *w = *state;
    ASKED *frozen = admin_ask(w, "POST", "/__admin/clock/freeze", NULL);
    assert_int_equal(frozen->f.status, 200);
    ASKED *a = admin_ask(w, "POST", "/__admin/processes/wait", "{\"timeout_ms\":30}");
    assert_int_equal(a->f.status, 408);
    assert_true(json_number(a->json, "waited_ms") >= 30);
}

static void waits_end_when_the_client_goes(void **state)
{
    struct admin_world *w = *state;
    static const struct { const char *target, *body; } rows[] = {
        { "/__admin/processes/wait", "{\"timeout_ms\":600000}" },
        { "/__admin/facts/wait?lane=default", "{\"fact\":\"died\",\"timeout_ms\":600000}" },
        { "/__admin/barriers/wait?lane=default", "{\"name\":\"b\",\"timeout_ms\":600000}" },
        { "/__admin/barriers/wait", "{\"name\":\"b\",\"timeout_ms\":600000}" },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        ASKED *a = admin_ask_later(w, "POST", rows[i].target, rows[i].body);
        fake_exchange_hang_up(&a->f);
        assert_true(fake_exchange_await(&a->f, NULL, ADMIN_SECONDS));
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, admin_world_setup, admin_world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(wait_ends_when_a_process_is_finished),
        TEST(running_is_said_of_who_ran_and_not_of_who_could_not),
        TEST(process_is_awaited_by_id_in_its_lane),
        TEST(wait_in_vain_shows_the_processes_there_are),
        TEST(facts_are_awaited_wherever_they_happen),
        TEST(waits_do_not_follow_the_lanes_clock),
        TEST(waits_end_when_the_client_goes),
    };
    return world_run_modes("admin waits", tests, COUNT(tests));
}
