/* Scenarios over the admin API: add, look, take away, and what became of their rules. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scenario/match.h"
#include "tests/support/admin_world.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

#define KILL_LIES                                                                                              \
    "{ // as a file, with comments\n"                                                                          \
    "  \"standbox\": 1, \"name\": \"kill-lies\", \"why\": \"kill says ok\", \"source\": [\"bug 338\"],\n"      \
    "  \"processes\": [ { \"when\": { \"argv0\": \"missing\" }, \"run\": { \"fail\": \"ENOENT\" } } ],\n"      \
    "  \"faults\": [ { \"when\": { \"op\": \"process.kill\", \"nth\": [1, 2] }, "                              \
    "\"reply\": { \"pretend\": \"success\" } },\n"                                                             \
    "    { \"when\": { \"op\": \"process.get\" }, \"fault\": \"EMPTY_RESPONSE\" } ] }\n"

#define NAMED(name) "{\"standbox\":1,\"name\":\"" name "\",\"why\":\"test\",\"clock\":{\"scale\":1}}"

static struct lane *lane_named(struct admin_world *w, const char *name)
{
    struct err err = ERR_INIT;
    struct lane *lane = NULL;
    if (lanes_get(w->lanes, name, true, &lane, &err) != 0)
        fail_msg("%s", err.text);
    return lane;
}

static int scenarios_in(struct admin_world *w, const char *lane)
{
    char target[128];
    snprintf(target, sizeof target, "/__admin/scenarios?lane=%s", lane);
    ASKED *a = admin_ask(w, "GET", target, NULL);
    assert_int_equal(a->f.status, 200);
    return json_length(a->json, "scenarios");
}

static void add(struct admin_world *w, const char *target, const char *body)
{
    ASKED *a = admin_ask(w, "POST", target, body);
    if (a->f.status != 201)
        fail_msg("%d: %s", a->f.status, buf_cstr(&a->f.body));
}

/* Ask a lane's rules as a dialect would; `fired` ends the fault so. */
static bool strike(struct lane *lane, enum scenario_op op, bool fired)
{
    const struct match_subject subject = { .op = op, .dialect = DIALECT_HYPERBROWSER, .lane = lane_name(lane) };
    struct match *match;
    struct match_ticket ticket;
    if (!lane_match_fault(lane, &subject, &match, &ticket))
        return false;
    match_fault_end(match, &ticket, fired);
    match_unref(match);
    return true;
}

/* ---- adding and taking away ---------------------------------------------------------------- */

static void added_scenario_is_at_work_and_shown(void **state)
{
    struct admin_world *w = *state;
    ASKED *added = admin_ask(w, "POST", "/__admin/scenarios?lane=default", KILL_LIES);
    assert_int_equal(added->f.status, 201);
    assert_string_equal(json_text(added->json, "name"), "kill-lies");
    assert_string_equal(json_text(added->json, "lane"), "default");
    assert_int_equal(json_number(added->json, "processes"), 1);
    assert_int_equal(json_number(added->json, "faults"), 2);
    assert_non_null(strstr(added->headers.data, "Location: /__admin/scenarios/kill-lies\n"));
    assert_true(strike(w->lane, OP_PROCESS_KILL, true));

    ASKED *list = admin_ask(w, "GET", "/__admin/scenarios", NULL);
    const cJSON *shown = json_item(list->json, "scenarios", 0), *fault = json_item(shown, "faults", 0);
    assert_string_equal(json_text(shown, "why"), "kill says ok");
    assert_string_equal(json_text(shown, "file"), "BODY");
    assert_string_equal(json_item(shown, "source", 0)->valuestring, "bug 338");
    assert_string_equal(json_text(fault, "id"), "kill-lies/faults/0");
    assert_string_equal(json_text(fault, "does"), "reply");
    assert_int_equal(json_number(fault, "line"), 4);
    assert_int_equal(json_number(fault, "planned"), 2);
    assert_int_equal(json_number(fault, "fired"), 1);
    assert_int_equal(json_number(fault, "left"), 1);
    assert_string_equal(json_text(json_item(shown, "processes", 0), "does"), "fail");
    assert_int_equal(json_number(shown, "unfired"), 3);
}

static void file_name_of_the_caller_stands_in_what_is_shown(void **state)
{
    struct admin_world *w = *state;
    add(w, "/__admin/scenarios?file=kill.json", KILL_LIES);
    ASKED *one = admin_ask(w, "GET", "/__admin/scenarios/kill-lies?lane=default", NULL);
    assert_string_equal(json_text(json_item(one->json, "scenarios", 0), "file"), "kill.json");
    ASKED *bad = admin_ask(w, "POST", "/__admin/scenarios?file=a.json", "{}");
    assert_int_equal(strncmp(json_text(bad->json, "message"), "a.json:1:1: ", 12), 0);
}

static void scenario_without_a_lane_is_for_all_and_those_to_come(void **state)
{
    struct admin_world *w = *state;
    struct lane *early = lane_named(w, "early");
    add(w, "/__admin/scenarios", NAMED("common"));
    add(w, "/__admin/scenarios?lane=early", NAMED("own"));
    assert_int_equal(scenarios_in(w, "early"), 2);
    assert_int_equal(scenarios_in(w, "default"), 1);
    struct lane *late = lane_named(w, "late");
    assert_int_equal(scenarios_in(w, "late"), 1);
    ASKED *all = admin_ask(w, "GET", "/__admin/scenarios", NULL);
    assert_int_equal(json_length(all->json, "scenarios"), 4);
    ASKED *one = admin_ask(w, "GET", "/__admin/scenarios/common", NULL);
    assert_int_equal(json_length(one->json, "scenarios"), 3);
    lane_unref(early);
    lane_unref(late);
}

static void lane_that_a_scenario_is_for_comes_into_being(void **state)
{
    struct admin_world *w = *state;
    ASKED *none = admin_ask(w, "GET", "/__admin/scenarios?lane=fresh", NULL);
    assert_int_equal(none->f.status, 404);
    assert_non_null(strstr(json_text(none->json, "message"), "POST /__admin/lanes {\"name\": \"fresh\"}"));
    add(w, "/__admin/scenarios?lane=fresh", NAMED("a"));
    assert_int_equal(scenarios_in(w, "fresh"), 1);
    assert_int_equal(scenarios_in(w, "default"), 0);
}

static void same_name_replaces_and_replace_puts_it_in_the_place_of_all(void **state)
{
    struct admin_world *w = *state;
    add(w, "/__admin/scenarios", NAMED("a"));
    add(w, "/__admin/scenarios", NAMED("b"));
    add(w, "/__admin/scenarios", NAMED("a"));
    assert_int_equal(scenarios_in(w, "default"), 2);
    add(w, "/__admin/scenarios?replace=false", NAMED("c"));
    assert_int_equal(scenarios_in(w, "default"), 3);
    add(w, "/__admin/scenarios?replace=true", NAMED("d"));
    assert_int_equal(scenarios_in(w, "default"), 1);
}

static void scenarios_are_taken_away_by_name_or_all(void **state)
{
    struct admin_world *w = *state;
    add(w, "/__admin/scenarios", NAMED("a"));
    add(w, "/__admin/scenarios", NAMED("b"));
    ASKED *gone = admin_ask(w, "DELETE", "/__admin/scenarios/a", NULL);
    assert_int_equal(gone->f.status, 200);
    assert_int_equal(scenarios_in(w, "default"), 1);
    ASKED *again = admin_ask(w, "DELETE", "/__admin/scenarios/a", NULL);
    assert_int_equal(again->f.status, 404);
    assert_non_null(strstr(json_text(again->json, "message"), "no scenario \"a\""));
    ASKED *unknown = admin_ask(w, "GET", "/__admin/scenarios/a", NULL);
    assert_int_equal(unknown->f.status, 404);
    ASKED *all = admin_ask(w, "DELETE", "/__admin/scenarios", NULL);
    assert_int_equal(all->f.status, 200);
    assert_int_equal(scenarios_in(w, "default"), 0);
    ASKED *none = admin_ask(w, "DELETE", "/__admin/scenarios", NULL);
    assert_int_equal(none->f.status, 200);
}

static void mappings_are_another_name_of_scenarios(void **state)
{
    struct admin_world *w = *state;
    add(w, "/__admin/mappings", KILL_LIES);
    assert_true(strike(w->lane, OP_PROCESS_KILL, true));
    ASKED *list = admin_ask(w, "GET", "/__admin/mappings", NULL);
    const cJSON *fault = json_item(json_item(list->json, "scenarios", 0), "faults", 0);
    assert_int_equal(json_number(fault, "fired"), 1);
    ASKED *reset = admin_ask(w, "POST", "/__admin/mappings/reset", NULL);
    assert_int_equal(reset->f.status, 200);
    ASKED *after = admin_ask(w, "GET", "/__admin/mappings", NULL);
    assert_int_equal(json_number(json_item(json_item(after->json, "scenarios", 0), "faults", 0), "fired"), 0);
    ASKED *gone = admin_ask(w, "DELETE", "/__admin/mappings", NULL);
    assert_int_equal(gone->f.status, 200);
    assert_int_equal(scenarios_in(w, "default"), 0);
}

/* ---- refusals ------------------------------------------------------------------------------- */

static void refused_scenario_names_its_place_and_changes_nothing(void **state)
{
    struct admin_world *w = *state;
    static const struct { const char *body, *says, *pointer; int line, column; } rows[] = {
        { "", "BODY:", NULL, 1, 1 },
        { "{\"standbox\":1,}", "BODY:1:15: ", NULL, 1, 15 },
        { "{\"standbox\":1,\n\"nmae\":\"x\"}", "did you mean \"name\"?", "/nmae", 2, 1 },
        { "{\"standbox\":2,\"name\":\"x\",\"why\":\"y\"}", "/standbox: must be 1", "/standbox", 1, 13 },
        { "{\"standbox\":1,\"name\":\"x\",\"why\":\"y\",\"faults\":[{\"when\":{},\"fault\":\"nope\"}]}", "/faults/0",
          "/faults/0/fault", 1, 65 },
        { "{\"standbox\":1,\"name\":\"x\",\"why\":\"y\",\"processes\":[{\"when\":{},"
          "\"run\":{\"puppet\":[{\"bad\":1}]}}]}",
          "no such step", "/processes/0/run/puppet/0/bad", 1, 84 },
        { "{\"standbox\":1,\"name\":\"a\",\"name\":\"b\",\"why\":\"y\"}", "twice", "/name", 1, 26 },
        { "[]", "must be an object", "/", 1, 1 },
    };
    add(w, "/__admin/scenarios", NAMED("keep"));
    for (size_t i = 0; i < COUNT(rows); i++) {
        ASKED *a = admin_ask(w, "POST", "/__admin/scenarios?replace=true", rows[i].body);
        assert_int_equal(a->f.status, 422);
        assert_string_equal(json_text(a->json, "code"), "invalid_scenario");
        if (strstr(json_text(a->json, "message"), rows[i].says) == NULL)
            fail_msg("%s: not %s", json_text(a->json, "message"), rows[i].says);
        assert_int_equal(json_number(a->json, "line"), rows[i].line);
        assert_int_equal(json_number(a->json, "column"), rows[i].column);
        if (rows[i].pointer == NULL)
            assert_true(json_is_null(a->json, "pointer"));
        else
            assert_string_equal(json_text(a->json, "pointer"), rows[i].pointer);
        assert_int_equal(scenarios_in(w, "default"), 1);
    }
}

static void too_large_or_too_deep_scenarios_are_refused(void **state)
{
    struct admin_world *w = *state;
    size_t size = (size_t) 10 * 1024 * 1024 + 1;
    char *body = malloc(size);
    assert_non_null(body);
    memset(body, ' ', size);
    ASKED *large = admin_ask_bytes(w, "POST", "/__admin/scenarios", body, size);
    assert_int_equal(large->f.status, 413);
    memset(body, '[', 100000);
    ASKED *deep = admin_ask_bytes(w, "POST", "/__admin/scenarios", body, 100000);
    assert_int_equal(deep->f.status, 422);
    assert_non_null(strstr(json_text(deep->json, "message"), "nested too deep"));
    free(body);
    assert_int_equal(scenarios_in(w, "default"), 0);
}

/* ---- what became of the rules ----------------------------------------------------------------- */

static void faults_tell_planned_fired_missed_and_left(void **state)
{
    struct admin_world *w = *state;
    add(w, "/__admin/scenarios", KILL_LIES);
    struct lane *other = lane_named(w, "other");
    assert_true(strike(w->lane, OP_PROCESS_KILL, true));
    assert_true(strike(w->lane, OP_PROCESS_KILL, false));
    assert_true(strike(other, OP_PROCESS_KILL, true));
    ASKED *list = admin_ask(w, "GET", "/__admin/faults?lane=default", NULL);
    assert_int_equal(json_length(list->json, "faults"), 2);
    assert_int_equal(json_number(list->json, "unfired"), 2);
    const cJSON *fault = json_item(list->json, "faults", 0);
    assert_string_equal(json_text(fault, "id"), "kill-lies/faults/0");
    assert_string_equal(json_text(fault, "lane"), "default");
    assert_int_equal(json_number(fault, "matched"), 2);
    assert_int_equal(json_number(fault, "fired"), 1);
    assert_int_equal(json_number(fault, "missed"), 1);
    ASKED *all = admin_ask(w, "GET", "/__admin/faults", NULL);
    assert_int_equal(json_length(all->json, "faults"), 4);
    ASKED *sum = admin_ask(w, "GET", "/__admin/faults/kill-lies/0", NULL);
    assert_true(json_is_null(sum->json, "lane"));
    assert_int_equal(json_number(sum->json, "planned"), 4);
    assert_int_equal(json_number(sum->json, "fired"), 2);
    assert_int_equal(json_number(sum->json, "left"), 2);
    ASKED *one = admin_ask(w, "GET", "/__admin/faults/kill-lies/faults/0?lane=other", NULL);
    assert_string_equal(json_text(one->json, "lane"), "other");
    assert_int_equal(json_number(one->json, "fired"), 1);
    lane_unref(other);
}

static void unknown_faults_are_404(void **state)
{
    struct admin_world *w = *state;
    static const struct { const char *target; int status; } rows[] = {
        { "/__admin/faults/nope/0", 404 }, { "/__admin/faults/kill-lies/2", 404 },
        { "/__admin/faults/kill-lies/x", 400 },
        { "/__admin/faults/kill-lies/99999999999999999999999", 400 }, { "/__admin/faults/kill-lies/0?lane=nope", 404 },
    };
    add(w, "/__admin/scenarios", KILL_LIES);
    for (size_t i = 0; i < COUNT(rows); i++) {
        ASKED *a = admin_ask(w, "GET", rows[i].target, NULL);
        assert_int_equal(a->f.status, rows[i].status);
    }
}

static void near_misses_say_why_a_rule_never_matched(void **state)
{
    struct admin_world *w = *state;
    add(w, "/__admin/scenarios", KILL_LIES);
    assert_false(strike(w->lane, OP_PROCESS_SIGNAL, true));
    assert_true(strike(w->lane, OP_PROCESS_KILL, true));
    static const char *const targets[] = {
        "/__admin/near-misses", "/__admin/requests/unmatched/near-misses?lane=default",
    };
    for (size_t i = 0; i < COUNT(targets); i++) {
        ASKED *a = admin_ask(w, "GET", targets[i], NULL);
        assert_int_equal(json_length(a->json, "near_misses"), 2);
        const cJSON *rule = json_item(a->json, "near_misses", 0), *fault = json_item(a->json, "near_misses", 1);
        assert_string_equal(json_text(rule, "id"), "kill-lies/processes/0");
        assert_true(json_is_null(rule, "key"));
        assert_string_equal(json_text(fault, "id"), "kill-lies/faults/1");
        assert_string_equal(json_text(fault, "key"), "op");
        assert_string_equal(json_text(fault, "expected"), "process.get");
        assert_non_null(strstr(json_text(fault, "explanation"), "BODY:5: /faults/1: never matched; closest was"));
    }
}

static void counts_begin_anew_on_reset_in_the_lane_that_is_meant(void **state)
{
    struct admin_world *w = *state;
    add(w, "/__admin/scenarios", KILL_LIES);
    struct lane *other = lane_named(w, "other");
    assert_true(strike(w->lane, OP_PROCESS_KILL, true));
    assert_true(strike(other, OP_PROCESS_KILL, true));
    ASKED *reset = admin_ask(w, "POST", "/__admin/scenarios/reset?lane=other", NULL);
    assert_int_equal(reset->f.status, 200);
    ASKED *mine = admin_ask(w, "GET", "/__admin/faults/kill-lies/0?lane=default", NULL);
    assert_int_equal(json_number(mine->json, "fired"), 1);
    ASKED *theirs = admin_ask(w, "GET", "/__admin/faults/kill-lies/0?lane=other", NULL);
    assert_int_equal(json_number(theirs->json, "fired"), 0);
    lane_unref(other);
}

static void reset_takes_away_what_was_added(void **state)
{
    struct admin_world *w = *state;
    add(w, "/__admin/scenarios", NAMED("a"));
    add(w, "/__admin/scenarios?lane=other", NAMED("b"));
    ASKED *reset = admin_ask(w, "POST", "/__admin/reset", NULL);
    assert_int_equal(reset->f.status, 200);
    assert_int_equal(scenarios_in(w, "default"), 0);
    ASKED *lanes = admin_ask(w, "GET", "/__admin/lanes", NULL);
    assert_int_equal(json_length(lanes->json, "lanes"), 1);
}

/* A list of many rules is sent in pieces. */
static void long_lists_are_whole(void **state)
{
    struct admin_world *w = *state;
    BUF_AUTO text = BUF_INIT;
    buf_str(&text, "{\"standbox\":1,\"name\":\"many\",\"why\":\"long\",\"faults\":[");
    for (int i = 0; i < 3000; i++)
        buf_printf(&text, "%s{\"when\":{\"command\":\"c%d\"},\"fault\":\"EMPTY_RESPONSE\"}", i == 0 ? "" : ",", i);
    buf_str(&text, "]}");
    add(w, "/__admin/scenarios", buf_cstr(&text));
    ASKED *a = admin_ask(w, "GET", "/__admin/faults", NULL);
    assert_true(a->f.streamed);
    assert_true(a->f.writes > 3);
    assert_int_equal(json_length(a->json, "faults"), 3000);
    assert_string_equal(json_text(json_item(a->json, "faults", 2999), "id"), "many/faults/2999");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, admin_world_setup, admin_world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(added_scenario_is_at_work_and_shown),
        TEST(file_name_of_the_caller_stands_in_what_is_shown),
        TEST(scenario_without_a_lane_is_for_all_and_those_to_come),
        TEST(lane_that_a_scenario_is_for_comes_into_being),
        TEST(same_name_replaces_and_replace_puts_it_in_the_place_of_all),
        TEST(scenarios_are_taken_away_by_name_or_all),
        TEST(mappings_are_another_name_of_scenarios),
        TEST(refused_scenario_names_its_place_and_changes_nothing),
        TEST(too_large_or_too_deep_scenarios_are_refused),
        TEST(faults_tell_planned_fired_missed_and_left),
        TEST(unknown_faults_are_404),
        TEST(near_misses_say_why_a_rule_never_matched),
        TEST(counts_begin_anew_on_reset_in_the_lane_that_is_meant),
        TEST(reset_takes_away_what_was_added),
        TEST(long_lists_are_whole),
    };
    return world_run_modes("admin scenarios", tests, COUNT(tests));
}
