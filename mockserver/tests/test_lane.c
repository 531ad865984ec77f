/* lanes: names and keys, what belongs to whom, deleting and resetting. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>

#include "tests/support/lane_world.h"
#include "tests/support/world.h"

static int open_world(void **state)
{
    static struct lane_world w;
    lane_world_open(&w, (struct lanes_config) { .seed = 7 });
    *state = &w;
    return 0;
}

static int close_world(void **state)
{
    lane_world_close(*state);
    return 0;
}

/* ---- looking ------------------------------------------------------------------------- */

static struct proc *start(struct sandbox *sandbox, const char *line)
{
    struct err err = ERR_INIT;
    struct proc *p = NULL;
    char *argv[4];
    struct proc_spec spec = world_shell(line, argv);
    spec.display = line;
    if (proc_start(sandbox, &spec, &p, &err) < 0)
        fail_msg("%s", err.text);
    return p;
}

static void run(struct sandbox *sandbox, const char *line)
{
    OUTCOME o = world_finish(start(sandbox, line));
    assert_int_equal(o.view.end.kind, FACT_EXITED);
}

static bool put_line(void *arg, const struct ledger_entry *entry)
{
    struct buf *out = arg;
    struct jsonw w;
    jsonw_init(&w, out);
    ledger_write_entry(&w, NULL, "", entry);
    buf_char(out, '\n');
    return true;
}

static uint64_t entries(struct lane *lane)
{
    struct ledger_stats stats;
    ledger_get_stats(lane_ledger(lane), &stats);
    return stats.entries;
}

static size_t count_sandboxes(struct lane_world *w, struct lane *lane)
{
    size_t count;
    struct sandbox **list = engine_list_sandboxes(w->engine, lane == NULL ? NULL : lane_owner(lane), NULL, &count);
    sandbox_list_free(list, count);
    return count;
}

static bool is_there(struct lane_world *w, const char *name)
{
    struct err err = ERR_INIT;
    struct lane *lane;
    if (lanes_get(w->lanes, name, false, &lane, &err) < 0) {
        assert_int_equal(err.code, ERR_NOT_FOUND);
        return false;
    }
    lane_unref(lane);
    return true;
}

/* ---- names --------------------------------------------------------------------------- */

static void names_are_of_a_few_characters(void **state)
{
    static const char *const good[] = { "a", "default", "A-z_0.9", "...",
                                        "0123456789012345678901234567890123456789012345678901234567890123" };
    static const char *const bad[] = { "", ".", "..", "a b", "a/b", "\xc3\xa4", "a\n",
                                       "01234567890123456789012345678901234567890123456789012345678901234" };
    (void) state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(lane_name_is_valid(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(lane_name_is_valid(bad[i]));
}

static void short_plain_keys_are_shown_and_others_are_not(void **state)
{
    static const char *const hidden[] = { "sk-live-0123456789abcdef0", "a b", "..", "key/with/slash" };
    char name[LANE_NAME_BYTES], again[LANE_NAME_BYTES];
    (void) state;
    lane_name_of_key("sk-live-0123456789abcdef", name);
    assert_string_equal(name, "sk-live-0123456789abcdef");
    for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++) {
        lane_name_of_key(hidden[i], name);
        assert_int_equal(strlen(name), 20);
        assert_memory_equal(name, "key-", 4);
        assert_true(lane_name_is_valid(name));
        lane_name_of_key(name, again);   /* what is shown leads to the same */
        assert_string_equal(again, name);
    }
    lane_name_of_key("sk-live-0123456789abcdef1", again);
    lane_name_of_key("sk-live-0123456789abcdef0", name);
    assert_string_not_equal(again, name);
}

static void a_lane_is_made_when_it_is_first_used(void **state)
{
    struct lane_world *w = *state;
    struct err err = ERR_INIT;
    struct lane *none;
    assert_false(is_there(w, "a"));
    struct lane *a = lane_world_get(w, "a"), *again = lane_world_get(w, "a"), *b = lane_world_get(w, "b");
    assert_ptr_equal(a, again);
    assert_ptr_not_equal(a, b);
    assert_string_equal(lane_name(a), "a");
    assert_ptr_not_equal(lane_clock(a), lane_clock(b));
    assert_true(lane_created_ms(a) > 0);
    assert_int_equal(lanes_get(w->lanes, "", true, &none, &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
    lane_unref(a);
    lane_unref(again);
    lane_unref(b);
}

static void a_key_leads_to_its_lane_however_it_is_said(void **state)
{
    struct lane_world *w = *state;
    struct lane *by_key = lane_world_get(w, "a secret that nobody may see");
    struct lane *by_name = lane_world_get(w, lane_name(by_key));
    assert_ptr_equal(by_key, by_name);
    assert_null(strstr(lane_name(by_key), "secret"));
    lane_unref(by_key);
    lane_unref(by_name);
}

static void the_list_begins_with_the_oldest(void **state)
{
    struct lane_world *w = *state;
    static const char *const names[] = { "z", "m", "a" };
    size_t count;
    for (size_t i = 0; i < 3; i++)
        lane_unref(lane_world_get(w, names[i]));
    struct lane **list = lanes_list(w->lanes, &count);
    assert_int_equal(count, 3);
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(lane_name(list[i]), names[i]);
    lane_list_free(list, count);
}

static void there_is_an_end_to_lanes(void **state)
{
    struct lane_world *w = *state;
    struct err err = ERR_INIT;
    struct lane *lane;
    for (int i = 0; i < LANES_MAX; i++) {
        char name[16];
        snprintf(name, sizeof name, "l%d", i);
        lane_unref(lane_world_get(w, name));
    }
    assert_int_equal(lanes_get(w->lanes, "one-more", true, &lane, &err), -1);
    assert_int_equal(err.code, ERR_LIMIT);
    assert_true(is_there(w, "l77"));
    assert_int_equal(lanes_delete(w->lanes, "l77", &err), 0);
    lane_unref(lane_world_get(w, "one-more"));
}

/* ---- what belongs to whom ------------------------------------------------------------ */

static void facts_go_into_the_ledger_of_the_sandbox_s_lane(void **state)
{
    struct lane_world *w = *state;
    struct lane *a = lane_world_get(w, "a"), *b = lane_world_get(w, "b");
    struct sandbox *sandbox = lane_world_sandbox(w, a);
    BUF_AUTO text = BUF_INIT, wanted = BUF_INIT;
    assert_ptr_equal(lane_of_owner(sandbox_owner(sandbox)), a);
    assert_ptr_equal(sandbox_clock(sandbox), lane_clock(a));
    assert_null(lane_of_owner(NULL));
    run(sandbox, "echo hello");
    ledger_visit(lane_ledger(a), 1, put_line, &text);
    buf_printf(&wanted, "\"sandbox\":\"%s\"", sandbox_id(sandbox));
    assert_non_null(strstr(buf_cstr(&text), buf_cstr(&wanted)));
    assert_non_null(strstr(text.data, "\"command\":\"echo hello\",\"seq\":1,\"fact\":\"queued\""));
    assert_non_null(strstr(text.data, "\"fact\":\"started\""));
    assert_non_null(strstr(text.data, "\"data\":\"hello\\n\""));
    assert_non_null(strstr(text.data, "\"exit_code\":0"));
    assert_non_null(strstr(text.data, "\"fact\":\"output-eof\""));
    assert_int_equal(entries(b), 0);
    sandbox_unref(sandbox);
    lane_unref(a);
    lane_unref(b);
}

/* ---- deleting ------------------------------------------------------------------------ */

static void a_deleted_lane_s_sandboxes_are_stopped(void **state)
{
    struct lane_world *w = *state;
    struct err err = ERR_INIT;
    struct lane *a = lane_world_get(w, "a"), *b = lane_world_get(w, "b");
    struct sandbox *in_a = lane_world_sandbox(w, a), *in_b = lane_world_sandbox(w, b);
    struct proc *p = start(in_a, "sleep 1000");
    world_await_fact(p, FACT_STARTED);
    assert_int_equal(lanes_delete(w->lanes, "a", &err), 0);
    assert_int_equal(sandbox_get_state(in_a), SANDBOX_CLOSED);
    assert_int_equal(sandbox_get_state(in_b), SANDBOX_ACTIVE);
    assert_int_equal(count_sandboxes(w, NULL), 1);
    assert_false(is_there(w, "a"));
    assert_int_equal(lanes_delete(w->lanes, "a", &err), -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    proc_unref(p);
    sandbox_unref(in_a);
    sandbox_unref(in_b);
    lane_unref(a);
    lane_unref(b);
}

static void who_holds_a_deleted_lane_can_use_it_but_make_no_sandbox(void **state)
{
    struct lane_world *w = *state;
    struct err err = ERR_INIT;
    struct lane *old = lane_world_get(w, "a");
    struct sandbox *sandbox;
    assert_int_equal(lanes_delete(w->lanes, "a", &err), 0);
    const struct sandbox_spec spec = { .owner = lane_owner(old), .dialect = "test", .user = "tester" };
    assert_int_equal(sandbox_create(w->engine, &spec, &sandbox, &err), -1);
    assert_int_equal(err.code, ERR_CONFLICT);
    assert_string_equal(lane_name(old), "a");
    ledger_end_request(lane_ledger(old), ledger_begin_request(lane_ledger(old), "r", "GET", "/", "", NULL, 0),
                       ANSWER_COMPLETE);
    assert_int_equal(entries(old), 1);
    struct lane *next = lane_world_get(w, "a");
    assert_ptr_not_equal(next, old);
    assert_int_equal(entries(next), 0);
    sandbox = lane_world_sandbox(w, next);
    sandbox_unref(sandbox);
    lane_unref(next);
    lane_unref(old);
}

static void the_default_lane_cannot_be_deleted(void **state)
{
    struct lane_world *w = *state;
    struct err err = ERR_INIT;
    lane_unref(lane_world_get(w, LANE_DEFAULT));
    assert_int_equal(lanes_delete(w->lanes, LANE_DEFAULT, &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
    assert_true(is_there(w, LANE_DEFAULT));
}

/* ---- resetting ----------------------------------------------------------------------- */

static void a_reset_empties_one_lane_and_leaves_the_others(void **state)
{
    struct lane_world *w = *state;
    struct lane *a = lane_world_get(w, "a"), *b = lane_world_get(w, "b");
    struct sandbox *in_a = lane_world_sandbox(w, a), *in_b = lane_world_sandbox(w, b);
    run(in_a, "true");
    run(in_b, "true");
    lanes_freeze_clock(w->lanes, a);
    lanes_freeze_clock(w->lanes, b);
    puppeteer_open_barrier(w->puppeteer, "a", "gate", true);
    lane_reset(a);
    assert_int_equal(sandbox_get_state(in_a), SANDBOX_CLOSED);
    assert_int_equal(count_sandboxes(w, a), 0);
    assert_int_equal(entries(a), 0);
    struct clock_state clock;
    clock_get(lane_clock(a), &clock);
    assert_false(clock.frozen);
    clock_get(lane_clock(b), &clock);
    assert_true(clock.frozen);
    size_t barriers;
    free(puppeteer_list_barriers(w->puppeteer, "a", &barriers));
    assert_int_equal(barriers, 0);
    assert_int_equal(count_sandboxes(w, b), 1);
    assert_true(entries(b) > 0);
    sandbox_unref(in_a);
    sandbox_unref(in_b);
    in_a = lane_world_sandbox(w, a);   /* it goes on being used */
    run(in_a, "true");
    sandbox_unref(in_a);
    lane_unref(a);
    lane_unref(b);
}

static void a_reset_of_all_leaves_the_default_lane_empty(void **state)
{
    struct lane_world *w = *state;
    size_t count;
    struct lane *a = lane_world_get(w, "a"), *standard = lane_world_get(w, LANE_DEFAULT);
    struct sandbox *in_a = lane_world_sandbox(w, a), *in_default = lane_world_sandbox(w, standard);
    run(in_default, "true");
    lanes_reset(w->lanes);
    struct lane **list = lanes_list(w->lanes, &count);
    assert_int_equal(count, 1);
    assert_ptr_equal(list[0], standard);
    lane_list_free(list, count);
    assert_int_equal(count_sandboxes(w, NULL), 0);
    assert_int_equal(sandbox_get_state(in_a), SANDBOX_CLOSED);
    assert_int_equal(entries(standard), 0);
    sandbox_unref(in_a);
    sandbox_unref(in_default);
    in_default = lane_world_sandbox(w, standard);
    sandbox_unref(in_default);
    lane_unref(a);
    lane_unref(standard);
}

/* ---- tenants ------------------------------------------------------------------------- */

struct tenants {
    atomic_int made, destroyed, reset;
    atomic_int strange;    /* calls that are not as they should be; they may come on any thread */
    bool refuses;
};

static int make_tenant(void **out, struct lane *lane, void *arg, struct err *err)
{
    struct tenants *t = arg;
    if (t->refuses)
        return err_set(err, ERR_IO, 0, "no room");
    atomic_fetch_add(&t->strange, lane_clock(lane) == NULL || lane_ledger(lane) == NULL);
    atomic_fetch_add(&t->made, 1);
    *out = t;
    return 0;
}

static void destroy_tenant(void *tenant, void *arg)
{
    struct tenants *t = arg;
    atomic_fetch_add(&t->strange, tenant != arg);
    atomic_fetch_add(&t->destroyed, 1);
}

static void reset_tenant(void *tenant, void *arg)
{
    struct tenants *t = arg;
    atomic_fetch_add(&t->strange, tenant != arg);
    atomic_fetch_add(&t->reset, 1);
}

static struct lane_tenant tenant_of(struct tenants *t)
{
    return (struct lane_tenant) { .create = make_tenant, .destroy = destroy_tenant, .reset = reset_tenant, .arg = t };
}

/* The engine's threads may drop the last reference a moment later. */
static void await_destroyed(const struct tenants *t, int count)
{
    int64_t end = mono_ns() + INT64_C(1000000) * WORLD_LIMIT_MS;
    while (atomic_load(&t->destroyed) < count && mono_ns() < end)
        sched_yield();
    assert_int_equal(t->destroyed, count);
    assert_int_equal(t->strange, 0);
}

static void tenants_live_as_long_as_their_lanes(void **state)
{
    struct tenants t = { .refuses = false };
    struct err err = ERR_INIT;
    struct lane_world w;
    struct lane *lane;
    (void) state;
    lane_world_open(&w, (struct lanes_config) { .tenant = tenant_of(&t) });
    struct lane *a = lane_world_get(&w, "a"), *b = lane_world_get(&w, "b");
    assert_int_equal(t.made, 2);
    assert_ptr_equal(lane_tenant(a), &t);
    lane_reset(a);
    assert_int_equal(t.reset, 1);
    struct sandbox *sandbox = lane_world_sandbox(&w, a);
    assert_int_equal(lanes_delete(w.lanes, "a", &err), 0);
    assert_int_equal(t.destroyed, 0);
    lane_unref(a);
    assert_int_equal(t.destroyed, 0);   /* somebody has its sandbox */
    sandbox_unref(sandbox);
    await_destroyed(&t, 1);
    t.refuses = true;
    assert_int_equal(lanes_get(w.lanes, "c", true, &lane, &err), -1);
    assert_string_equal(err.text, "lane c: no room");
    assert_false(is_there(&w, "c"));
    lane_unref(b);
    lane_world_close(&w);
    await_destroyed(&t, 2);
}

static void lanes_can_be_freed_with_sandboxes_in_them(void **state)
{
    struct tenants t = { .refuses = false };
    struct lane_world w;
    (void) state;
    lane_world_open(&w, (struct lanes_config) { .tenant = tenant_of(&t) });
    struct lane *a = lane_world_get(&w, "a");
    sandbox_unref(lane_world_sandbox(&w, a));
    lane_unref(a);
    lane_world_close(&w);
    await_destroyed(&t, 1);
}

/* ---- many at once -------------------------------------------------------------------- */

#define LANES         200
#define WITH_SANDBOX  25    /* every so many-th has a sandbox and a process, too */

#define SAME_RULES                                                                                             \
    ", \"processes\": [{\"when\": {\"command\": \"go\", \"nth\": 3}, \"run\": {\"fail\": \"ENOENT\"}}],"        \
    " \"faults\": [{\"when\": {\"op\": \"process.get\"}, \"fault\": \"cut\", \"times\": 2}], \"clock\": \"manual\""

struct tester {
    struct lane_world *w;
    struct scenario *scenario;
    int index;
    const char *wrong;     /* NULL: all is as it should be */
};

static bool takes_third_start(struct lane *lane)
{
    int taken = 0;
    for (int i = 1; i <= 5; i++) {
        const struct match_subject go = {
            .op = OP_PROCESS_START, .dialect = DIALECT_HYPERBROWSER, .command = "go", .argv0 = "go"
        };
        struct match *match;
        const struct process_rule *rule;
        if (!lane_match_process(lane, &go, &match, &rule))
            continue;
        taken += i == 3 ? 1 : 100;
        match_unref(match);
    }
    return taken == 1;
}

static bool strikes_twice(struct lane *lane)
{
    int strikes = 0;
    for (int i = 0; i < 5; i++) {
        const struct match_subject get = { .op = OP_PROCESS_GET, .dialect = DIALECT_HYPERBROWSER };
        struct match *match;
        struct match_ticket ticket;
        if (!lane_match_fault(lane, &get, &match, &ticket))
            continue;
        strikes++;
        match_fault_end(match, &ticket, true);
        match_unref(match);
    }
    return strikes == 2;
}

static bool keeps_own_time(struct lane *lane, int index)
{
    int64_t before = clock_now_ms(lane_clock(lane));
    for (int i = 0; i < 10; i++)
        clock_advance(lane_clock(lane), index);
    return clock_now_ms(lane_clock(lane)) == before + 10 * index;
}

static bool keeps_own_books(struct lane *lane, int index)
{
    const struct fact fact = { .seq = 1, .kind = FACT_QUEUED };
    uint64_t before = entries(lane);
    for (int i = 0; i < index; i++)
        ledger_add_fact(lane_ledger(lane), "s", "p", "c", &fact, NULL);
    return entries(lane) == before + (uint64_t) index;
}

static bool keeps_own_sandbox(struct lane_world *w, struct lane *lane)
{
    struct err err = ERR_INIT;
    struct sandbox *sandbox;
    struct proc *p;
    char *argv[4];
    size_t count = 0;
    const struct sandbox_spec spec = { .owner = lane_owner(lane), .dialect = "test", .user = "tester" };
    const struct proc_spec true_spec = world_shell("true", argv);
    if (sandbox_create(w->engine, &spec, &sandbox, &err) < 0)
        return false;
    bool ok = proc_start(sandbox, &true_spec, &p, &err) == 0;
    if (ok) {
        /* Its last fact: nothing more of it goes into the ledger. */
        ok = proc_wait_fact(p, 1u << FACT_OUTPUT_EOF, CLOCK_NEVER, NULL, NULL, &err) == 0;
        proc_unref(p);
    }
    struct sandbox **list = engine_list_sandboxes(w->engine, lane_owner(lane), NULL, &count);
    ok = ok && count == 1 && list[0] == sandbox && entries(lane) >= 3;
    sandbox_list_free(list, count);
    sandbox_unref(sandbox);
    return ok;
}

static void *use_lane(void *arg)
{
    struct tester *t = arg;
    struct err err = ERR_INIT;
    struct lane *lane;
    char name[16];
    snprintf(name, sizeof name, "t%d", t->index);
    if (lanes_get(t->w->lanes, name, true, &lane, &err) < 0) {
        t->wrong = "get";
        return NULL;
    }
    if (lanes_add_scenario(t->w->lanes, lane, t->scenario, &err) < 0)
        t->wrong = "add";
    else if (!takes_third_start(lane))
        t->wrong = "starts";
    else if (!strikes_twice(lane))
        t->wrong = "faults";
    else if (!keeps_own_time(lane, t->index))
        t->wrong = "clock";
    else if (t->index % WITH_SANDBOX == 0 && !keeps_own_sandbox(t->w, lane))
        t->wrong = "sandbox";
    else if (!keeps_own_books(lane, t->index))
        t->wrong = "ledger";
    lane_reset_matches(lane);
    if (t->wrong == NULL && !takes_third_start(lane))
        t->wrong = "starts after a reset";
    lane_unref(lane);
    return NULL;
}

static void lanes_in_parallel_do_not_see_each_other(void **state)
{
    static struct tester testers[LANES];
    pthread_t threads[LANES];
    struct lane_world *w = *state;
    size_t count;
    struct scenario *scenario = lane_world_scenario("same", SAME_RULES);
    for (int i = 0; i < LANES; i++) {
        testers[i] = (struct tester) { .w = w, .scenario = scenario, .index = i };
        assert_int_equal(pthread_create(&threads[i], NULL, use_lane, &testers[i]), 0);
    }
    for (int i = 0; i < LANES; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < LANES; i++)
        if (testers[i].wrong != NULL)
            fail_msg("lane %d: %s", i, testers[i].wrong);
    struct lane **list = lanes_list(w->lanes, &count);
    assert_int_equal(count, LANES);
    lane_list_free(list, count);
    assert_int_equal(count_sandboxes(w, NULL), LANES / WITH_SANDBOX);
    scenario_unref(scenario);
}

/* Somebody makes and uses lanes while another deletes, resets and changes what is common. */
static void *churn(void *arg)
{
    struct lane_world *w = arg;
    struct err err = ERR_INIT;
    for (int i = 0; i < 200; i++) {
        struct lane *lane;
        char name[16];
        snprintf(name, sizeof name, "c%d", i % 7);
        if (lanes_get(w->lanes, name, true, &lane, &err) < 0)
            continue;
        (void) takes_third_start(lane);
        (void) keeps_own_books(lane, 3);
        lane_unref(lane);
        if (i % 5 == 0)
            (void) lanes_delete(w->lanes, name, &err);
    }
    return NULL;
}

static void lanes_can_come_and_go_while_everything_changes(void **state)
{
    struct lane_world *w = *state;
    struct err err = ERR_INIT;
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, churn, w), 0);
    for (int i = 0; i < 20; i++) {
        lane_world_add(w, NULL, "same", SAME_RULES);
        lanes_run_clock(w->lanes, NULL, 1 + i);
        assert_int_equal(lanes_remove_scenario(w->lanes, NULL, NULL, &err), 0);
        lanes_reset(w->lanes);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    lanes_reset(w->lanes);
    size_t count;
    struct lane **list = lanes_list(w->lanes, &count);
    assert_int_equal(count, 0);
    lane_list_free(list, count);
}

#define WORLD_TEST(f) cmocka_unit_test_setup_teardown(f, open_world, close_world)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_of_a_few_characters),
        cmocka_unit_test(short_plain_keys_are_shown_and_others_are_not),
        WORLD_TEST(a_lane_is_made_when_it_is_first_used),
        WORLD_TEST(a_key_leads_to_its_lane_however_it_is_said),
        WORLD_TEST(the_list_begins_with_the_oldest),
        WORLD_TEST(there_is_an_end_to_lanes),
        WORLD_TEST(facts_go_into_the_ledger_of_the_sandbox_s_lane),
        WORLD_TEST(a_deleted_lane_s_sandboxes_are_stopped),
        WORLD_TEST(who_holds_a_deleted_lane_can_use_it_but_make_no_sandbox),
        WORLD_TEST(the_default_lane_cannot_be_deleted),
        WORLD_TEST(a_reset_empties_one_lane_and_leaves_the_others),
        WORLD_TEST(a_reset_of_all_leaves_the_default_lane_empty),
        cmocka_unit_test(tenants_live_as_long_as_their_lanes),
        cmocka_unit_test(lanes_can_be_freed_with_sandboxes_in_them),
        WORLD_TEST(lanes_in_parallel_do_not_see_each_other),
        WORLD_TEST(lanes_can_come_and_go_while_everything_changes),
    };
    return cmocka_run_group_tests_name("lane", tests, NULL, NULL);
}
