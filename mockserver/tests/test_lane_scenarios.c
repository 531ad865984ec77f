/* lanes: which scenarios are at work where, and what they make of the clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "tests/support/lane_world.h"

#define FAIL_RULE(command)                                                                                    \
    ", \"processes\": [{\"when\": {\"command\": \"" command "\"}, \"run\": {\"fail\": \"ENOENT\"}}]"
#define MANUAL    ", \"clock\": \"manual\"" FAIL_RULE("c")
#define SCALED(n) ", \"clock\": {\"scale\": " #n "}" FAIL_RULE("c")

static int open_world(void **state)
{
    static struct lane_world w;
    lane_world_open(&w, (struct lanes_config) { .seed = 7, .clock_scale = 3 });
    *state = &w;
    return 0;
}

static int close_world(void **state)
{
    lane_world_close(*state);
    return 0;
}

/* ---- looking ------------------------------------------------------------------------- */

/* The names at work, each followed by a blank. */
static void check_names(struct lane *lane, const char *expected)
{
    size_t count;
    BUF_AUTO names = BUF_INIT;
    struct match **list = lane_matches(lane, &count);
    for (size_t i = 0; i < count; i++)
        buf_printf(&names, "%s ", match_scenario(list[i])->name);
    lane_matches_free(list, count);
    assert_string_equal(buf_cstr(&names), expected);
}

/* Which scenario takes a start of `command`; "" for none. */
static const char *taker(struct lane *lane, const char *command)
{
    static char name[100];
    struct match *match;
    const struct process_rule *rule;
    const struct match_subject subject = {
        .op = OP_PROCESS_START, .dialect = DIALECT_HYPERBROWSER, .command = command, .argv0 = command
    };
    if (!lane_match_process(lane, &subject, &match, &rule))
        return "";
    assert_int_equal(rule->run, RUN_FAIL);
    snprintf(name, sizeof name, "%s", match_scenario(match)->name);
    match_unref(match);
    return name;
}

static uint64_t fired(struct lane *lane, size_t scenario)
{
    size_t count;
    struct match_counts counts;
    struct match **list = lane_matches(lane, &count);
    assert_true(scenario < count);
    assert_true(match_get_counts(list[scenario], MATCH_PROCESSES, 0, &counts));
    lane_matches_free(list, count);
    return counts.fired;
}

static struct clock_state clock_of(struct lane *lane)
{
    struct clock_state now;
    clock_get(lane_clock(lane), &now);
    return now;
}

static void check_runs(struct lane *lane, double scale)
{
    assert_false(clock_of(lane).frozen);
    assert_float_equal(clock_of(lane).scale, scale, 1e-9);
}

static void check_frozen(struct lane *lane)
{
    assert_true(clock_of(lane).frozen);
}

/* ---- lists --------------------------------------------------------------------------- */

static void the_first_scenario_that_fits_takes_the_start(void **state)
{
    struct lane_world *w = *state;
    struct lane *lane = lane_world_get(w, "a");
    lane_world_add(w, lane, "one", FAIL_RULE("x*"));
    lane_world_add(w, lane, "two", FAIL_RULE("*y"));
    assert_string_equal(taker(lane, "xy"), "one");
    assert_string_equal(taker(lane, "y"), "two");
    assert_string_equal(taker(lane, "z"), "");
    assert_int_equal(fired(lane, 0), 1);
    assert_int_equal(fired(lane, 1), 1);
    lane_unref(lane);
}

static void faults_are_looked_for_in_the_same_order(void **state)
{
    static const char fault[] =
        ", \"faults\": [{\"when\": {\"op\": \"sandbox.get\"}, \"fault\": \"cut\", \"times\": 1}]";
    struct lane_world *w = *state;
    struct lane *lane = lane_world_get(w, "a");
    const struct match_subject subject = { .op = OP_SANDBOX_GET, .dialect = DIALECT_HYPERBROWSER };
    struct match *match[3];
    struct match_ticket ticket[3];
    lane_world_add(w, lane, "one", fault);
    lane_world_add(w, lane, "two", fault);
    assert_true(lane_match_fault(lane, &subject, &match[0], &ticket[0]));
    assert_true(lane_match_fault(lane, &subject, &match[1], &ticket[1]));
    assert_false(lane_match_fault(lane, &subject, &match[2], &ticket[2]));
    assert_string_equal(match_scenario(match[0])->name, "one");
    assert_string_equal(match_scenario(match[1])->name, "two");
    for (int i = 0; i < 2; i++) {
        match_fault_end(match[i], &ticket[i], true);
        match_unref(match[i]);
    }
    lane_unref(lane);
}

static void the_same_name_takes_the_place_and_begins_anew(void **state)
{
    struct lane_world *w = *state;
    struct lane *lane = lane_world_get(w, "a");
    lane_world_add(w, lane, "one", FAIL_RULE("x"));
    lane_world_add(w, lane, "two", FAIL_RULE("y"));
    taker(lane, "x");
    taker(lane, "y");
    lane_world_add(w, lane, "one", FAIL_RULE("z"));
    check_names(lane, "one two ");
    assert_string_equal(taker(lane, "x"), "");
    assert_int_equal(fired(lane, 0), 0);
    assert_int_equal(fired(lane, 1), 1);
    lane_unref(lane);
}

static void what_is_given_to_all_reaches_lanes_that_are_and_lanes_to_come(void **state)
{
    struct lane_world *w = *state;
    struct lane *early = lane_world_get(w, "early");
    lane_world_add(w, early, "own", FAIL_RULE("x"));
    lane_world_add(w, NULL, "common", FAIL_RULE("y"));
    struct lane *late = lane_world_get(w, "late");
    check_names(early, "own common ");
    check_names(late, "common ");
    taker(early, "y");
    assert_int_equal(fired(early, 1), 1);
    assert_int_equal(fired(late, 0), 0);
    lane_unref(early);
    lane_unref(late);
}

static void one_can_be_taken_away_from_one_lane_or_from_all(void **state)
{
    struct lane_world *w = *state;
    struct err err = ERR_INIT;
    struct lane *a = lane_world_get(w, "a"), *b = lane_world_get(w, "b");
    lane_world_add(w, NULL, "one", FAIL_RULE("x"));
    lane_world_add(w, NULL, "two", FAIL_RULE("y"));
    assert_int_equal(lanes_remove_scenario(w->lanes, a, "one", &err), 0);
    check_names(a, "two ");
    check_names(b, "one two ");
    assert_int_equal(lanes_remove_scenario(w->lanes, a, "one", &err), -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_int_equal(lanes_remove_scenario(w->lanes, NULL, "one", &err), 0);
    check_names(b, "two ");
    assert_int_equal(lanes_remove_scenario(w->lanes, NULL, "one", &err), -1);
    assert_int_equal(lanes_remove_scenario(w->lanes, NULL, NULL, &err), 0);
    check_names(a, "");
    assert_int_equal(lanes_remove_scenario(w->lanes, NULL, NULL, &err), 0);
    struct lane *late = lane_world_get(w, "late");
    check_names(late, "");
    lane_unref(a);
    lane_unref(b);
    lane_unref(late);
}

static void a_set_takes_the_place_of_all_or_of_nothing(void **state)
{
    struct lane_world *w = *state;
    struct err err = ERR_INIT;
    struct lane *lane = lane_world_get(w, "a");
    struct scenario *list[3] = { lane_world_scenario("one", FAIL_RULE("x")), lane_world_scenario("two", FAIL_RULE("y")),
                                 lane_world_scenario("one", FAIL_RULE("z")) };
    lane_world_add(w, NULL, "old", FAIL_RULE("x"));
    taker(lane, "x");
    assert_int_equal(lanes_set_scenarios(w->lanes, NULL, list, 3, &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
    check_names(lane, "old ");
    assert_int_equal(fired(lane, 0), 1);
    assert_int_equal(lanes_set_scenarios(w->lanes, NULL, list, 2, &err), 0);
    check_names(lane, "one two ");
    taker(lane, "x");
    assert_int_equal(lanes_set_scenarios(w->lanes, lane, list, 1, &err), 0);
    check_names(lane, "one ");
    assert_int_equal(fired(lane, 0), 0);   /* the same scenario, put there anew */
    for (int i = 0; i < 3; i++)
        scenario_unref(list[i]);
    lane_unref(lane);
}

static void counts_begin_anew_when_they_are_told_to(void **state)
{
    struct lane_world *w = *state;
    struct lane *a = lane_world_get(w, "a"), *b = lane_world_get(w, "b");
    lane_world_add(w, NULL, "one", FAIL_RULE("x"));
    taker(a, "x");
    taker(b, "x");
    lane_reset_matches(a);
    assert_int_equal(fired(a, 0), 0);
    assert_int_equal(fired(b, 0), 1);
    lane_unref(a);
    lane_unref(b);
}

static void a_list_in_use_outlives_its_replacement(void **state)
{
    struct lane_world *w = *state;
    struct err err = ERR_INIT;
    struct lane *lane = lane_world_get(w, "a");
    lane_world_add(w, lane, "one", FAIL_RULE("x"));
    size_t count;
    struct match **list = lane_matches(lane, &count);
    assert_int_equal(lanes_remove_scenario(w->lanes, lane, NULL, &err), 0);
    assert_int_equal(count, 1);
    assert_string_equal(match_scenario(list[0])->name, "one");
    lane_matches_free(list, count);
    lane_unref(lane);
}

static void the_first_hold_counts(void **state)
{
    struct lane_world *w = *state;
    struct lane *lane = lane_world_get(w, "a");
    assert_int_equal(lane_queued_hold_ms(lane), 0);
    lane_world_add(w, lane, "none", FAIL_RULE("x"));
    lane_world_add(w, lane, "one", ", \"status\": {\"hold\": {\"queued_ms\": 200}}");
    lane_world_add(w, lane, "two", ", \"status\": {\"hold\": {\"queued_ms\": 300}}");
    assert_int_equal(lane_queued_hold_ms(lane), 200);
    lane_unref(lane);
}

/* ---- dice ---------------------------------------------------------------------------- */

static uint64_t seed_in(struct lane_world *w, const char *name)
{
    struct lane *lane = lane_world_get(w, name);
    size_t count;
    struct match **list = lane_matches(lane, &count);
    assert_int_equal(count, 1);
    uint64_t seed = match_seed(list[0]);
    lane_matches_free(list, count);
    lane_unref(lane);
    return seed;
}

static void each_lane_has_dice_of_its_own_the_same_in_every_run(void **state)
{
    struct lane_world *w = *state, again, other;
    lane_world_open(&again, (struct lanes_config) { .seed = 7 });
    lane_world_open(&other, (struct lanes_config) { .seed = 8 });
    lane_world_add(w, NULL, "x", FAIL_RULE("x"));
    lane_world_add(&again, NULL, "x", FAIL_RULE("x"));
    lane_world_add(&other, NULL, "x", FAIL_RULE("x"));
    assert_int_equal(seed_in(w, "a"), seed_in(&again, "a"));
    assert_int_not_equal(seed_in(w, "a"), seed_in(w, "b"));
    assert_int_not_equal(seed_in(w, "a"), seed_in(&other, "a"));
    lane_world_add(w, NULL, "x", ", \"seed\": 99" FAIL_RULE("x"));
    assert_int_equal(seed_in(w, "a"), 99);
    assert_int_equal(seed_in(w, "b"), 99);
    lane_world_close(&again);
    lane_world_close(&other);
}

/* ---- clocks -------------------------------------------------------------------------- */

static void the_last_scenario_that_speaks_of_the_clock_decides(void **state)
{
    struct lane_world *w = *state;
    struct err err = ERR_INIT;
    struct lane *lane = lane_world_get(w, "a");
    check_runs(lane, 3);
    lane_world_add(w, lane, "fast", SCALED(50));
    check_runs(lane, 50);
    lane_world_add(w, lane, "manual", MANUAL);
    check_frozen(lane);
    lane_world_add(w, lane, "silent", FAIL_RULE("x"));
    check_frozen(lane);
    assert_int_equal(lanes_remove_scenario(w->lanes, lane, "manual", &err), 0);
    check_runs(lane, 50);
    assert_int_equal(lanes_remove_scenario(w->lanes, lane, NULL, &err), 0);
    check_runs(lane, 3);
    lane_unref(lane);
}

static void what_was_said_by_hand_stands_until_scenarios_say_something_else(void **state)
{
    struct lane_world *w = *state;
    struct lane *lane = lane_world_get(w, "a");
    lane_world_add(w, lane, "fast", SCALED(50));
    lanes_freeze_clock(w->lanes, lane);
    lane_world_add(w, lane, "silent", FAIL_RULE("x"));
    check_frozen(lane);
    lane_world_add(w, lane, "fast", SCALED(50));
    check_runs(lane, 50);
    lanes_run_clock(w->lanes, lane, 2);
    check_runs(lane, 2);
    lanes_reset_clock(w->lanes, lane);
    check_runs(lane, 50);
    lane_unref(lane);
}

static void all_clocks_can_be_told_also_those_to_come(void **state)
{
    struct lane_world *w = *state;
    struct lane *a = lane_world_get(w, "a");
    lane_world_add(w, a, "fast", SCALED(50));
    lanes_freeze_clock(w->lanes, NULL);
    struct lane *b = lane_world_get(w, "b");
    check_frozen(a);
    check_frozen(b);
    lanes_run_clock(w->lanes, NULL, 9);
    struct lane *c = lane_world_get(w, "c");
    check_runs(a, 9);
    check_runs(b, 9);
    check_runs(c, 9);
    lanes_reset_clock(w->lanes, NULL);
    struct lane *d = lane_world_get(w, "d");
    check_runs(a, 50);
    check_runs(b, 3);
    check_runs(d, 3);
    lane_unref(a);
    lane_unref(b);
    lane_unref(c);
    lane_unref(d);
}

static void a_common_scenario_overrules_what_all_clocks_were_told(void **state)
{
    struct lane_world *w = *state;
    lanes_run_clock(w->lanes, NULL, 9);
    lane_world_add(w, NULL, "manual", MANUAL);
    struct lane *lane = lane_world_get(w, "a");
    check_frozen(lane);
    lane_unref(lane);
}

static void a_reset_brings_back_the_common_scenarios_and_their_clock(void **state)
{
    struct lane_world *w = *state;
    lane_world_add(w, NULL, "common", FAIL_RULE("x"));
    struct lane *lane = lane_world_get(w, "a");
    lane_world_add(w, lane, "own", MANUAL);
    taker(lane, "x");
    check_frozen(lane);
    lane_reset(lane);
    check_names(lane, "common ");
    assert_int_equal(fired(lane, 0), 0);
    check_runs(lane, 3);
    lanes_freeze_clock(w->lanes, lane);
    lane_reset(lane);
    check_runs(lane, 3);
    lane_unref(lane);
}

/* ---- back to the beginning ----------------------------------------------------------- */

static void a_reset_of_all_goes_back_to_what_was_sealed(void **state)
{
    struct lane_world *w = *state;
    struct err err = ERR_INIT;
    struct lane *gone;
    lane_world_add(w, NULL, "sealed", SCALED(20));
    lanes_seal(w->lanes);
    struct lane *standard = lane_world_get(w, LANE_DEFAULT), *a = lane_world_get(w, "a");
    lane_world_add(w, NULL, "later", FAIL_RULE("y"));
    lane_world_add(w, standard, "own", MANUAL);
    lanes_freeze_clock(w->lanes, NULL);
    lanes_reset(w->lanes);
    check_names(standard, "sealed ");
    check_runs(standard, 20);
    assert_int_equal(lanes_get(w->lanes, "a", false, &gone, &err), -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    struct lane *b = lane_world_get(w, "b");
    check_names(b, "sealed ");
    check_runs(b, 20);
    check_names(a, "sealed later ");   /* somebody holds it: it is as it was */
    lane_unref(standard);
    lane_unref(a);
    lane_unref(b);
}

#define WORLD_TEST(f) cmocka_unit_test_setup_teardown(f, open_world, close_world)

/* ---- settings ------------------------------------------------------------------------ */

#define SET(value) ", \"settings\": {\"modal\": {\"pace\": \"" value "\"}}"

/* A tenant that notes all that its lane's scenarios assign, one behind the other; "no" is refused. */
struct setter {
    char now[64];
};

struct setters {
    unsigned made, plans;   /* plans that are neither adopted nor dropped */
};

static int make_setter(void **out, struct lane *lane, void *arg, struct err *err)
{
    (void) lane;
    *out = calloc(1, sizeof(struct setter));
    ((struct setters *) arg)->made++;
    return *out != NULL ? 0 : err_set(err, ERR_NOMEM, 0, "setter");
}

static void free_setter(void *tenant, void *arg)
{
    (void) arg;
    free(tenant);
}

static int prepare_setter(void *tenant, struct scenario *const *list, size_t count, void **out_plan, void *arg,
                          struct err *err)
{
    BUF_AUTO text = BUF_INIT;
    (void) tenant;
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < list[i]->setting_count; k++)
            buf_printf(&text, "%s;", list[i]->settings[k].assignments[0]);
    }
    if (strstr(buf_cstr(&text), "=no;") != NULL)
        return err_set(err, ERR_LIMIT, 0, "no more");
    *out_plan = strdup(buf_cstr(&text));
    ((struct setters *) arg)->plans++;
    return *out_plan != NULL ? 0 : err_set(err, ERR_NOMEM, 0, "setter");
}

static void adopt_setter(void *tenant, void *plan, bool is_meant, void *arg)
{
    struct setter *setter = tenant;
    if (is_meant)
        snprintf(setter->now, sizeof setter->now, "%s", (const char *) plan);
    ((struct setters *) arg)->plans--;
    free(plan);
}

static void check_set(struct lane *lane, const char *expected)
{
    assert_string_equal(((struct setter *) lane_tenant(lane))->now, expected);
}

static void open_with_setters(struct lane_world *w, struct setters *t)
{
    lane_world_open(w, (struct lanes_config) { .tenant = { .create = make_setter, .destroy = free_setter,
                                                           .prepare = prepare_setter, .adopt = adopt_setter,
                                                           .arg = t } });
}

static void settings_follow_the_scenarios_of_their_lane(void **state)
{
    (void) state;
    struct lane_world w;
    struct setters t = { 0, 0 };
    struct err err = ERR_INIT;
    open_with_setters(&w, &t);
    struct lane *a = lane_world_get(&w, "a"), *b = lane_world_get(&w, "b");
    check_set(a, "");
    lane_world_add(&w, a, "one", SET("1"));
    lane_world_add(&w, NULL, "two", SET("2"));
    check_set(a, "pace=1;pace=2;");
    check_set(b, "pace=2;");
    lane_world_add(&w, a, "one", SET("3"));
    check_set(a, "pace=3;pace=2;");
    assert_int_equal(lanes_remove_scenario(w.lanes, a, "two", &err), 0);
    check_set(a, "pace=3;");
    lane_reset(a);
    check_set(a, "pace=2;");
    struct lane *c = lane_world_get(&w, "c");
    check_set(c, "pace=2;");
    lanes_reset(w.lanes);
    struct lane *standard = lane_world_get(&w, LANE_DEFAULT);
    check_set(standard, "");
    assert_int_equal(t.plans, 0);
    lane_unref(a);
    lane_unref(b);
    lane_unref(c);
    lane_unref(standard);
    lane_world_close(&w);
}

static void refused_settings_change_nothing_in_any_lane(void **state)
{
    (void) state;
    struct lane_world w;
    struct setters t = { 0, 0 };
    struct err err = ERR_INIT;
    open_with_setters(&w, &t);
    struct lane *a = lane_world_get(&w, "a"), *b = lane_world_get(&w, "b");
    lane_world_add(&w, b, "one", SET("1"));
    struct scenario *bad = lane_world_scenario("bad", SET("no"));
    assert_int_equal(lanes_add_scenario(w.lanes, NULL, bad, &err), -1);
    assert_string_equal(err.text, "no more");
    scenario_unref(bad);
    check_set(a, "");
    check_set(b, "pace=1;");
    assert_int_equal(t.plans, 0);
    lane_unref(a);
    lane_unref(b);
    lane_world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(the_first_scenario_that_fits_takes_the_start),
        WORLD_TEST(faults_are_looked_for_in_the_same_order),
        WORLD_TEST(the_same_name_takes_the_place_and_begins_anew),
        WORLD_TEST(what_is_given_to_all_reaches_lanes_that_are_and_lanes_to_come),
        WORLD_TEST(one_can_be_taken_away_from_one_lane_or_from_all),
        WORLD_TEST(a_set_takes_the_place_of_all_or_of_nothing),
        WORLD_TEST(counts_begin_anew_when_they_are_told_to),
        WORLD_TEST(a_list_in_use_outlives_its_replacement),
        WORLD_TEST(the_first_hold_counts),
        WORLD_TEST(each_lane_has_dice_of_its_own_the_same_in_every_run),
        WORLD_TEST(the_last_scenario_that_speaks_of_the_clock_decides),
        WORLD_TEST(what_was_said_by_hand_stands_until_scenarios_say_something_else),
        WORLD_TEST(all_clocks_can_be_told_also_those_to_come),
        WORLD_TEST(a_common_scenario_overrules_what_all_clocks_were_told),
        WORLD_TEST(a_reset_brings_back_the_common_scenarios_and_their_clock),
        WORLD_TEST(a_reset_of_all_goes_back_to_what_was_sealed),
        cmocka_unit_test(settings_follow_the_scenarios_of_their_lane),
        cmocka_unit_test(refused_settings_change_nothing_in_any_lane),
    };
    return cmocka_run_group_tests_name("lane_scenarios", tests, NULL, NULL);
}
