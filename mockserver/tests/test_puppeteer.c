/* The puppeteer and real puppets: sleeps by a lane's clock, barriers, forks, ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/patience.h"
#include "tests/support/puppet_stage.h"

#define CAST    4
#define CROWD   200
#define MINUTE  60000
#define HOUR_MS (60LL * MINUTE)

static struct stage stage;
static struct puppet_child cast[CAST];

static int setup(void **state)
{
    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < CAST; i++)
        puppet_child_init(&cast[i]);
    *state = &stage;
    return stage_open(&stage) ? 0 : -1;
}

static int teardown(void **state)
{
    (void) state;
    for (size_t i = 0; i < CAST; i++)
        puppet_child_fini(&cast[i]);
    bool is_clean = stage_close(&stage);
    puppet_child_reap_orphans();
    return is_clean ? 0 : -1;
}

static void enter(size_t who, const char *steps)
{
    assert_true(stage_enter(&stage, &cast[who], "a", NULL, steps));
}

static void assert_finishes(size_t who, int code, const char *output)
{
    assert_true(puppet_child_finish(&cast[who]));
    assert_true(WIFEXITED(cast[who].status));
    assert_int_equal(WEXITSTATUS(cast[who].status), code);
    assert_string_equal(buf_cstr(&cast[who].got[1]), output);
}

/* ---- the clock ------------------------------------------------------------------------ */

static void a_sleep_of_30_minutes_ends_when_the_clock_is_advanced(void **state)
{
    (void) state;
    enter(0, "[{\"sleep_ms\":1800000},{\"out\":\"awake\"},{\"exit\":4}]");
    assert_true(stage_await(&stage, "a", NULL, 1));
    clock_advance(stage.clock, 30 * MINUTE - 1);
    assert_int_equal(stage_wishes(&stage), 1);
    clock_advance(stage.clock, 1);
    assert_int_equal(stage_wishes(&stage), 0); /* granted before the advance returns */
    assert_finishes(0, 4, "awake");
}

static void a_clock_that_stands_still_grants_nothing(void **state)
{
    (void) state;
    enter(0, "[{\"sleep_ms\":1},{\"out\":\"awake\"}]");
    assert_true(stage_await(&stage, "a", NULL, 1));
    /* A whole process comes up meanwhile, which takes more than that millisecond. */
    enter(1, "[{\"barrier\":\"later\"}]");
    assert_true(stage_await(&stage, "a", "later", 1));
    assert_int_equal(stage_wishes(&stage), 2);
    clock_run(stage.clock, 1);
    assert_finishes(0, 0, "awake");
    assert_int_equal(stage_wishes(&stage), 1);
}

static void sleep_zero_needs_no_clock(void **state)
{
    (void) state;
    enter(0, "[{\"sleep_ms\":0},{\"out\":\"awake\"}]");
    assert_finishes(0, 0, "awake");
}

static void sleeps_follow_the_scale(void **state)
{
    (void) state;
    clock_run(stage.clock, 1000);
    int64_t begin_ns = mono_ns();
    enter(0, "[{\"sleep_ms\":100000},{\"out\":\"awake\"}]");
    assert_finishes(0, 0, "awake");
    int64_t took_ms = (mono_ns() - begin_ns) / 1000000;
    assert_true(took_ms >= 99);
    assert_false(took_too_long(took_ms, 5000));
}

static void a_change_of_the_scale_wakes_who_sleeps_already(void **state)
{
    (void) state;
    clock_run(stage.clock, 0.001);
    enter(0, "[{\"sleep_ms\":3600000},{\"out\":\"awake\"}]");
    assert_true(stage_await(&stage, "a", NULL, 1));
    clock_run(stage.clock, 1000000);
    assert_finishes(0, 0, "awake");
}

static void a_freeze_in_the_middle_keeps_what_is_left(void **state)
{
    (void) state;
    clock_run(stage.clock, 1);
    enter(0, "[{\"sleep_ms\":3600000},{\"out\":\"awake\"}]");
    assert_true(stage_await(&stage, "a", NULL, 1));
    clock_freeze(stage.clock);
    clock_advance(stage.clock, HOUR_MS / 2);
    assert_int_equal(stage_wishes(&stage), 1);
    clock_advance(stage.clock, HOUR_MS / 2);
    assert_finishes(0, 0, "awake");
}

static void a_sleep_counts_from_its_wish(void **state)
{
    (void) state;
    enter(0, "[{\"sleep_ms\":100},{\"out\":\"first\"}]");
    assert_true(stage_await(&stage, "a", NULL, 1));
    clock_advance(stage.clock, 60);
    enter(1, "[{\"sleep_ms\":50},{\"out\":\"second\"}]");
    assert_true(stage_await(&stage, "a", NULL, 2));
    clock_advance(stage.clock, 40);
    assert_finishes(0, 0, "first");
    assert_int_equal(stage_wishes(&stage), 1);
    clock_advance(stage.clock, 10);
    assert_finishes(1, 0, "second");
}

static void each_lane_has_its_clock(void **state)
{
    (void) state;
    struct clock *other;
    assert_int_equal(clock_new(&other, 1, NULL), 0);
    clock_freeze(other);
    assert_true(stage_enter(&stage, &cast[0], "a", stage.clock, "[{\"sleep_ms\":1000},{\"out\":\"a\"}]"));
    assert_true(stage_enter(&stage, &cast[1], "b", other, "[{\"sleep_ms\":1000},{\"out\":\"b\"}]"));
    assert_true(stage_await(&stage, "a", NULL, 1));
    assert_true(stage_await(&stage, "b", NULL, 1));
    clock_advance(other, 1000);
    assert_finishes(1, 0, "b");
    assert_int_equal(stage_wishes(&stage), 1);
    /* The puppeteer holds a reference of its own, and lets it go with the last puppet. */
    clock_unref(other);
    clock_advance(stage.clock, 1000);
    assert_finishes(0, 0, "a");
}

static void rates_follow_the_clock(void **state)
{
    (void) state;
    enter(0, "[{\"out\":{\"text\":\"abcdefgh\",\"rate\":4,\"chunk\":4}},{\"out\":\"!\"}]");
    assert_true(stage_await(&stage, "a", NULL, 1));
    assert_true(puppet_child_await(&cast[0], 1, "abcd"));
    clock_advance(stage.clock, 1000);
    assert_true(puppet_child_await(&cast[0], 1, "abcdefgh"));
    assert_true(stage_await(&stage, "a", NULL, 1));
    assert_string_equal(buf_cstr(&cast[0].got[1]), "abcdefgh");
    clock_advance(stage.clock, 1000);
    assert_finishes(0, 0, "abcdefgh!");
}

/* How long 50 seconds in 1000 pieces take on a clock a thousand times as fast, in milliseconds of the machine. */
static int64_t play_fast_rate(size_t which)
{
    assert_true(stage_enter(&stage, &cast[which], "a", stage.clock,
                            "[{\"barrier\":\"gate\"},{\"out\":{\"text\":\"x\",\"repeat\":5000,\"rate\":100}}]"));
    assert_true(stage_await(&stage, "a", "gate", 1));
    int64_t begin_ns = mono_ns();
    puppeteer_open_barrier(stage.puppeteer, "a", "gate", false);
    assert_true(puppet_child_finish(&cast[which]));
    assert_int_equal(cast[which].got[1].len, 5000);
    return (mono_ns() - begin_ns) / 1000000;
}

static void a_rate_does_not_fall_behind_a_fast_clock(void **state)
{
    (void) state;
    /* Late answers, a millisecond or more each, would add up to more than a second in every round.  A busy machine
       is slow in some rounds, perhaps in all: then its load is what the bound grows with. */
    enum { ROUNDS = CAST, BOUND_MS = 900 };
    clock_run(stage.clock, 1000);
    int64_t best_ms = INT64_MAX;
    for (size_t i = 0; i < ROUNDS && best_ms > BOUND_MS; i++) {
        int64_t took_ms = play_fast_rate(i);
        assert_true(took_ms >= 50);
        best_ms = took_ms < best_ms ? took_ms : best_ms;
    }
    assert_false(took_too_long(best_ms, BOUND_MS));
}

static void the_grant_of_a_sleep_says_when_it_was_due(void **state)
{
    (void) state;
    struct clock_state now;
    int64_t at_ms = 0;
    int raw = raw_enter(&stage, "a");
    clock_advance(stage.clock, 5000);
    clock_get(stage.clock, &now);
    assert_true(raw_send(raw, "{\"sleep_ms\":100,\"id\":1}\n"));
    assert_true(stage_await(&stage, "a", NULL, 1));
    clock_advance(stage.clock, 900); /* late */
    assert_true(raw_wakes(raw, 1, &at_ms));
    assert_int_equal(at_ms, now.now_ms + 100);
    char line[64];
    for (int id = 2; id <= 4; id++) {
        int64_t until_ms = now.now_ms + 300 * (id - 1);
        snprintf(line, sizeof line, "{\"until_ms\":%lld,\"id\":%d}\n", (long long) until_ms, id);
        assert_true(raw_send(raw, line));
        assert_true(raw_wakes(raw, id, &at_ms)); /* past, and present */
        assert_int_equal(at_ms, until_ms);
    }
    snprintf(line, sizeof line, "{\"until_ms\":%lld,\"id\":9}\n", (long long) now.now_ms + 901);
    assert_true(raw_send(raw, line));
    assert_true(stage_await(&stage, "a", NULL, 1));
    clock_advance(stage.clock, 1);
    assert_true(raw_wakes(raw, 9, NULL));
    close(raw);
}

/* ---- barriers ------------------------------------------------------------------------- */

static void an_opened_barrier_lets_go_who_stands_there(void **state)
{
    (void) state;
    enter(0, "[{\"barrier\":\"gate\"},{\"out\":\"0\"}]");
    enter(1, "[{\"barrier\":\"gate\"},{\"out\":\"1\"},{\"barrier\":\"gate\"},{\"out\":\"again\"}]");
    assert_true(stage_await(&stage, "a", "gate", 2));
    assert_int_equal(puppeteer_open_barrier(stage.puppeteer, "a", "gate", false), 2);
    assert_finishes(0, 0, "0");
    assert_true(stage_await(&stage, "a", "gate", 1));
    assert_true(puppet_child_await(&cast[1], 1, "1"));
    assert_string_equal(buf_cstr(&cast[1].got[1]), "1");
    assert_int_equal(puppeteer_open_barrier(stage.puppeteer, "a", "gate", false), 1);
    assert_finishes(1, 0, "1again");
    assert_int_equal(puppeteer_open_barrier(stage.puppeteer, "a", "gate", false), 0);
}

static void a_barrier_that_is_open_for_good_stops_nobody_until_the_reset(void **state)
{
    static const char script[] = "[{\"barrier\":\"gate\"},{\"out\":\"through\"}]";
    (void) state;
    assert_int_equal(puppeteer_open_barrier(stage.puppeteer, "a", "gate", true), 0);
    enter(0, script);
    assert_finishes(0, 0, "through");
    assert_true(stage_enter(&stage, &cast[1], "b", NULL, script)); /* the same name elsewhere is another one */
    assert_true(stage_await(&stage, "b", "gate", 1));
    puppeteer_reset(stage.puppeteer, "b");
    assert_int_equal(puppeteer_open_barrier(stage.puppeteer, "a", "gate", false), 0);
    enter(2, script);
    assert_finishes(2, 0, "through"); /* an opening for once did not shut it, nor did another lane's reset */
    puppeteer_reset(stage.puppeteer, "a");
    enter(3, script);
    assert_true(stage_await(&stage, "a", "gate", 1));
    assert_int_equal(puppeteer_open_barrier(stage.puppeteer, "b", "gate", true), 1);
    assert_finishes(1, 0, "through");
    assert_int_equal(puppeteer_open_barrier(stage.puppeteer, "a", "gate", true), 1);
    assert_finishes(3, 0, "through");
    puppeteer_reset(stage.puppeteer, NULL);
    size_t count = 1;
    free(puppeteer_list_barriers(stage.puppeteer, NULL, &count));
    assert_int_equal(count, 0);
}

static void barriers_are_listed_with_who_stands_there(void **state)
{
    (void) state;
    enter(0, "[{\"barrier\":\"two\"}]");
    enter(1, "[{\"barrier\":\"two\"}]");
    enter(2, "[{\"sleep_ms\":10}]");
    assert_true(stage_enter(&stage, &cast[3], "b", NULL, "[{\"barrier\":\"two\"}]"));
    puppeteer_open_barrier(stage.puppeteer, "a", "one \"\xc3\xbc\"", true);
    assert_true(stage_await(&stage, "a", "two", 2));
    assert_true(stage_await(&stage, "b", "two", 1));
    assert_true(stage_await(&stage, "a", NULL, 1));
    size_t count = 0;
    struct barrier_info *list = puppeteer_list_barriers(stage.puppeteer, NULL, &count);
    assert_int_equal(count, 3); /* the sleeper stands at none */
    static const struct barrier_info expected[] = { { "a", "one \"\xc3\xbc\"", 0, true },
                                                    { "a", "two", 2, false },
                                                    { "b", "two", 1, false } };
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(list[i].lane, expected[i].lane);
        assert_string_equal(list[i].name, expected[i].name);
        assert_int_equal(list[i].waiting, expected[i].waiting);
        assert_int_equal(list[i].open, expected[i].open);
    }
    free(list);
    list = puppeteer_list_barriers(stage.puppeteer, "b", &count);
    assert_int_equal(count, 1);
    assert_string_equal(list[0].lane, "b");
    free(list);
}

static bool after_three(void *arg)
{
    return ++*(int *) arg == 3;
}

static void waiting_for_a_barrier_ends_by_number_deadline_or_interrupt(void **state)
{
    (void) state;
    int asked = 0;
    assert_true(puppeteer_await_barrier(stage.puppeteer, "a", "gate", 0, 0, NULL, NULL));
    assert_false(puppeteer_await_barrier(stage.puppeteer, "a", "gate", 1, mono_ns(), NULL, NULL));
    for (size_t i = 0; i < 3; i++)
        enter(i, "[{\"barrier\":\"gate\"}]");
    assert_true(stage_await(&stage, "a", "gate", 3));
    assert_true(puppeteer_await_barrier(stage.puppeteer, "a", "gate", 2, 0, NULL, NULL)); /* they are there already */
    assert_false(puppeteer_await_barrier(stage.puppeteer, "a", "gate", 4, INT64_MAX, after_three, &asked));
    assert_int_equal(asked, 3);
}

struct wait {
    unsigned count;
    bool reached;
};

static void *await_gate(void *arg)
{
    struct wait *wait = arg;
    wait->reached = stage_await(&stage, "a", "gate", wait->count);
    return NULL;
}

static void several_threads_await_several_numbers(void **state)
{
    (void) state;
    struct wait waits[3] = { { .count = 1 }, { .count = 3 }, { .count = 3 } };
    pthread_t threads[3];
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, await_gate, &waits[i]), 0);
    for (size_t i = 0; i < 3; i++)
        enter(i, "[{\"barrier\":\"gate\"}]");
    for (size_t i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        assert_true(waits[i].reached);
    }
}

/* ---- several wishes ------------------------------------------------------------------- */

static void a_handlers_wish_stands_above_the_interrupted_one(void **state)
{
    (void) state;
    enter(0, "[{\"on\":\"TERM\",\"do\":[{\"sleep_ms\":10},{\"out\":\"h\"}]},{\"barrier\":\"gate\"},{\"out\":\"m\"}]");
    assert_true(stage_await(&stage, "a", "gate", 1));
    kill(cast[0].pid, SIGTERM);
    assert_true(stage_await(&stage, "a", NULL, 1));
    assert_int_equal(stage_wishes(&stage), 2);
    assert_int_equal(puppeteer_open_barrier(stage.puppeteer, "a", "gate", false), 1);
    clock_advance(stage.clock, 10);
    assert_finishes(0, 0, "hm");
}

static void two_sleeps_of_one_puppet_end_each_at_its_time(void **state)
{
    (void) state;
    enter(0, "[{\"on\":\"TERM\",\"do\":[{\"sleep_ms\":100},{\"out\":\"h\"}]},{\"sleep_ms\":50},{\"out\":\"m\"}]");
    assert_true(stage_await(&stage, "a", NULL, 1));
    kill(cast[0].pid, SIGTERM);
    assert_true(stage_await(&stage, "a", NULL, 2));
    clock_advance(stage.clock, 50);
    assert_int_equal(stage_wishes(&stage), 1);
    clock_advance(stage.clock, 50);
    assert_finishes(0, 0, "hm");
}

static void forks_make_their_own_wishes(void **state)
{
    (void) state;
    enter(0, "[{\"fork\":[{\"sleep_ms\":100},{\"out\":\"c\"},{\"barrier\":\"gate\"},{\"out\":\"d\"}]},"
             "{\"sleep_ms\":50},{\"out\":\"p\"},{\"exit\":3}]");
    assert_true(stage_await(&stage, "a", NULL, 2));
    clock_advance(stage.clock, 50);
    assert_true(puppet_child_wait(&cast[0]));
    assert_int_equal(WEXITSTATUS(cast[0].status), 3);
    clock_advance(stage.clock, 50);
    assert_true(stage_await(&stage, "a", "gate", 1)); /* also when the parent is gone */
    assert_int_equal(puppeteer_open_barrier(stage.puppeteer, "a", "gate", false), 1);
    assert_true(puppet_child_await(&cast[0], 1, NULL));
    assert_string_equal(buf_cstr(&cast[0].got[1]), "pcd");
    assert_true(stage_settles(&stage, 0, 0));
}

static void forks_of_forks_and_daemons_are_served_too(void **state)
{
    (void) state;
    enter(0, "[{\"fork\":[{\"fork\":[{\"barrier\":\"gate\"},{\"out\":\"x\"}]},{\"barrier\":\"gate\"},{\"out\":\"x\"}]},"
             "{\"fork\":[{\"barrier\":\"gate\"},{\"out\":\"x\"}],\"double\":true,\"setsid\":true},{\"exit\":0}]");
    assert_true(stage_await(&stage, "a", "gate", 3));
    assert_int_equal(puppeteer_open_barrier(stage.puppeteer, "a", "gate", false), 3);
    assert_finishes(0, 0, "xxx");
    assert_true(stage_settles(&stage, 0, 0));
}

/* ---- ends ----------------------------------------------------------------------------- */

static void who_dies_waiting_is_forgotten(void **state)
{
    (void) state;
    size_t count = 1;
    enter(0, "[{\"barrier\":\"gate\"}]");
    enter(1, "[{\"sleep_ms\":1000}]");
    assert_true(stage_await(&stage, "a", "gate", 1));
    assert_true(stage_await(&stage, "a", NULL, 1));
    kill(cast[0].pid, SIGKILL);
    kill(cast[1].pid, SIGKILL);
    assert_true(stage_settles(&stage, 0, 0));
    clock_advance(stage.clock, 1000);
    assert_int_equal(puppeteer_open_barrier(stage.puppeteer, "a", "gate", false), 0);
    free(puppeteer_list_barriers(stage.puppeteer, NULL, &count));
    assert_int_equal(count, 0);
    assert_int_equal(stage_refused(&stage), 0);
}

static void the_end_of_the_puppeteer_ends_who_waits_with_98(void **state)
{
    (void) state;
    enter(0, "[{\"barrier\":\"gate\"}]");
    enter(1, "[{\"sleep_ms\":1000}]");
    assert_true(stage_await(&stage, "a", "gate", 1));
    assert_true(stage_await(&stage, "a", NULL, 1));
    puppeteer_free(stage.puppeteer);
    stage.puppeteer = NULL;
    for (size_t i = 0; i < 2; i++)
        assert_finishes(i, 98, "");
    assert_string_equal(buf_cstr(&cast[0].got[2]), "standbox-puppet: /0/barrier: the control socket was closed\n");
}

/* Raw sockets here, since only their number and speed count. */
static void *come_and_go(void *arg)
{
    for (int i = 0; i < CROWD; i++) {
        int fd = raw_enter(&stage, "a");
        if (fd < 0 || !raw_send(fd, "{\"sleep_ms\":5,\"id\":1}\n"))
            *(bool *) arg = false;
        if (i % 2 == 0 && !raw_wakes(fd, 1, NULL))
            *(bool *) arg = false;
        close(fd);
    }
    return arg;
}

static void clocks_change_while_puppets_come_and_go(void **state)
{
    (void) state;
    bool is_fine = true;
    pthread_t thread;
    clock_run(stage.clock, 1);
    assert_int_equal(pthread_create(&thread, NULL, come_and_go, &is_fine), 0);
    for (int i = 0; i < CROWD; i++) {
        clock_freeze(stage.clock);
        clock_advance(stage.clock, 3);
        clock_run(stage.clock, 10);
    }
    pthread_join(thread, NULL);
    assert_true(is_fine);
    assert_true(stage_settles(&stage, 0, 0));
}

static void two_hundred_puppets_at_once(void **state)
{
    (void) state;
    static struct puppet_child crowd[CROWD];
    size_t exited = 0;
    bool are_up = true;
    for (size_t i = 0; i < CROWD; i++)
        are_up = stage_enter(&stage, &crowd[i], "a", NULL,
                             "[{\"barrier\":\"start\"},{\"sleep_ms\":3600000},{\"exit\":7}]") && are_up;
    are_up = are_up && stage_await(&stage, "a", "start", CROWD);
    unsigned went = puppeteer_open_barrier(stage.puppeteer, "a", "start", false);
    bool are_asleep = are_up && stage_await(&stage, "a", NULL, CROWD);
    clock_advance(stage.clock, HOUR_MS);
    for (size_t i = 0; i < CROWD; i++) {
        exited += are_asleep && puppet_child_wait(&crowd[i]) && WEXITSTATUS(crowd[i].status) == 7;
        puppet_child_fini(&crowd[i]);
    }
    assert_int_equal(went, CROWD);
    assert_true(are_asleep);
    assert_int_equal(exited, CROWD);
    assert_true(stage_settles(&stage, 0, 0));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        T(a_sleep_of_30_minutes_ends_when_the_clock_is_advanced),
        T(a_clock_that_stands_still_grants_nothing),
        T(sleep_zero_needs_no_clock),
        T(sleeps_follow_the_scale),
        T(a_change_of_the_scale_wakes_who_sleeps_already),
        T(a_freeze_in_the_middle_keeps_what_is_left),
        T(a_sleep_counts_from_its_wish),
        T(each_lane_has_its_clock),
        T(rates_follow_the_clock),
        T(a_rate_does_not_fall_behind_a_fast_clock),
        T(the_grant_of_a_sleep_says_when_it_was_due),
        T(an_opened_barrier_lets_go_who_stands_there),
        T(a_barrier_that_is_open_for_good_stops_nobody_until_the_reset),
        T(barriers_are_listed_with_who_stands_there),
        T(waiting_for_a_barrier_ends_by_number_deadline_or_interrupt),
        T(several_threads_await_several_numbers),
        T(a_handlers_wish_stands_above_the_interrupted_one),
        T(two_sleeps_of_one_puppet_end_each_at_its_time),
        T(forks_make_their_own_wishes),
        T(forks_of_forks_and_daemons_are_served_too),
        T(who_dies_waiting_is_forgotten),
        T(the_end_of_the_puppeteer_ends_who_waits_with_98),
        T(clocks_change_while_puppets_come_and_go),
        T(two_hundred_puppets_at_once),
    };
    puppet_child_adopt_orphans();
    return cmocka_run_group_tests_name("puppeteer", tests, NULL, NULL);
}
