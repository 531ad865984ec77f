/* The journal over the admin API: list, find, count, wait, export; and the verdict on it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "tests/support/admin_world.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

static struct lane *lane_named(struct admin_world *w, const char *name)
{
    struct err err = ERR_INIT;
    struct lane *lane = NULL;
    if (lanes_get(w->lanes, name, true, &lane, &err) != 0)
        fail_msg("%s", err.text);
    return lane;
}

static void say_some(struct admin_world *w)
{
    static const struct said some[] = {
        { .id = "a1", .method = "POST", .path = "/sandbox/exec", .body = "{\"command\":\"ls -l\"}",
          .op = "process.exec", .sandbox = "s1", .process = "p1", .command = "ls -l", .status = 200 },
        { .id = "a2", .method = "GET", .path = "/sandbox/p1", .query = "x=1", .op = "process.get", .sandbox = "s1",
          .process = "p1", .command = "ls -l", .status = 200 },
        { .id = "a3", .method = "GET", .path = "/nope", .status = 404 },
        { .id = "a4", .method = "POST", .path = "/sandbox/exec", .body = "{\"command\":\"make\"}", .op = "process.exec",
          .sandbox = "s2", .process = "p2", .command = "make all", .status = 500, .fault = "reply" },
    };
    for (size_t i = 0; i < COUNT(some); i++)
        admin_world_say(w->lane, &some[i]);
}

/* ---- looking ---------------------------------------------------------------------------------- */

static void journal_is_shown_newest_first(void **state)
{
    struct admin_world *w = *state;
    say_some(w);
    ASKED *a = admin_ask(w, "GET", "/__admin/requests", NULL);
    assert_int_equal(json_length(a->json, "requests"), 4);
    assert_int_equal(json_number(cJSON_GetObjectItem(a->json, "meta"), "total"), 4);
    for (int i = 0; i < 4; i++)
        assert_int_equal(json_number(json_item(a->json, "requests", i), "number"), 4 - i);
    const cJSON *first = json_item(a->json, "requests", 3);
    assert_string_equal(json_text(first, "lane"), "default");
    assert_string_equal(json_text(first, "command"), "ls -l");
    assert_null(strstr(a->f.body.data, "very-secret"));
}

static void journal_can_be_cut_by_limit_and_since(void **state)
{
    struct admin_world *w = *state;
    static const struct { const char *query; int shown, total; } rows[] = {
        { "limit=1", 1, 4 }, { "limit=3", 3, 4 }, { "since=2", 2, 2 }, { "since=2&limit=1", 1, 2 }, { "since=4", 0, 0 },
        { "since=2000-01-01T00:00:00Z", 4, 4 }, { "since=2999-01-01T00:00:00.250Z", 0, 0 },
        { "since=2999-01-01T00:00:00", 0, 0 },
    };
    say_some(w);
    for (size_t i = 0; i < COUNT(rows); i++) {
        char target[128];
        snprintf(target, sizeof target, "/__admin/requests?%s", rows[i].query);
        ASKED *a = admin_ask(w, "GET", target, NULL);
        assert_int_equal(json_length(a->json, "requests"), rows[i].shown);
        assert_int_equal(json_number(cJSON_GetObjectItem(a->json, "meta"), "total"), rows[i].total);
    }
    static const char *const bad[] = {
        "since=", "since=x", "since=1x", "since=2000-01-01", "since=2000-01-01T00:00:00Q",
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        char target[128];
        snprintf(target, sizeof target, "/__admin/requests?%s", bad[i]);
        ASKED *a = admin_ask(w, "GET", target, NULL);
        assert_int_equal(a->f.status, 400);
    }
}

static void one_request_is_found_by_id_or_number(void **state)
{
    struct admin_world *w = *state;
    struct lane *other = lane_named(w, "other");
    say_some(w);
    admin_world_say(other, &(struct said) { .id = "b1", .status = 200 });
    static const struct { const char *target; int status; const char *id; } rows[] = {
        { "/__admin/requests/a2", 200, "a2" },           { "/__admin/requests/b1", 200, "b1" },
        { "/__admin/requests/3", 200, "a3" },            { "/__admin/requests/1", 409, NULL },
        { "/__admin/requests/1?lane=other", 200, "b1" }, { "/__admin/requests/1?lane=default", 200, "a1" },
        { "/__admin/requests/99", 404, NULL },           { "/__admin/requests/b1?lane=default", 404, NULL },
        { "/__admin/requests/99999999999999999999999", 404, NULL },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        ASKED *a = admin_ask(w, "GET", rows[i].target, NULL);
        if (a->f.status != rows[i].status)
            fail_msg("%s: %d", rows[i].target, a->f.status);
        if (rows[i].id != NULL)
            assert_string_equal(json_text(cJSON_GetObjectItem(a->json, "request"), "request_id"), rows[i].id);
    }
    lane_unref(other);
}

static void requests_are_found_by_each_condition(void **state)
{
    struct admin_world *w = *state;
    static const struct { const char *body; int count; } rows[] = {
        { "", 4 }, { "{}", 4 }, { "{\"op\":\"process.exec\"}", 2 }, { "{\"op\":\"process.exec\",\"status\":500}", 1 },
        { "{\"dialect\":\"hyperbrowser\"}", 3 }, { "{\"dialect\":\"modal\"}", 0 }, { "{\"method\":\"get\"}", 2 },
        { "{\"path\":\"/sandbox/*\"}", 3 }, { "{\"path\":\"/sandbox/exec\"}", 2 }, { "{\"path\":\"/sandbox\"}", 0 },
        { "{\"command\":\"ls*\"}", 2 }, { "{\"command\":\"make all\"}", 1 }, { "{\"command\":\"make\"}", 0 },
        { "{\"sandbox\":\"s2\"}", 1 }, { "{\"process\":\"p1\"}", 2 }, { "{\"status\":404}", 1 },
        { "{\"fault\":\"reply\"}", 1 }, { "{\"fault\":\"*\"}", 1 }, { "{\"fault\":\"delay\"}", 0 },
        { "{\"header\":{\"x-trace\":\"abc\"}}", 4 }, { "{\"header\":{\"X-Trace\":\"b*\"}}", 0 },
        { "{\"header\":{\"x-trace\":\"*\",\"user-agent\":\"tester/?.0\"}}", 4 },
        { "{\"header\":{\"x-none\":\"*\"}}", 0 },
        { "{\"body\":\"ls -l\"}", 1 }, { "{\"body\":\"command\"}", 2 },
        { "{ /* comments too */ \"status\": 200 }", 2 },
    };
    say_some(w);
    for (size_t i = 0; i < COUNT(rows); i++) {
        ASKED *count = admin_ask(w, "POST", "/__admin/requests/count", rows[i].body);
        if (count->f.status != 200 || json_number(count->json, "count") != rows[i].count)
            fail_msg("%s: %s", rows[i].body, buf_cstr(&count->f.body));
        ASKED *find = admin_ask(w, "POST", "/__admin/requests/find", rows[i].body);
        assert_int_equal(json_length(find->json, "requests"), rows[i].count);
    }
    ASKED *one = admin_ask(w, "POST", "/__admin/requests/find?limit=1", "{}");
    assert_int_equal(json_length(one->json, "requests"), 1);
    assert_string_equal(json_text(json_item(one->json, "requests", 0), "request_id"), "a4");
}

static void facts_are_no_requests_and_unmatched_ones_are_listed(void **state)
{
    struct admin_world *w = *state;
    struct fact fact = { .seq = 1, .wall_ms = 1, .kind = FACT_STARTED, .value = 7 };
    ledger_add_fact(lane_ledger(w->lane), "s1", "p1", "ls", &fact, NULL);
    say_some(w);
    ASKED *all = admin_ask(w, "GET", "/__admin/requests", NULL);
    assert_int_equal(json_length(all->json, "requests"), 4);
    ASKED *unmatched = admin_ask(w, "GET", "/__admin/requests/unmatched", NULL);
    assert_int_equal(json_length(unmatched->json, "requests"), 1);
    assert_string_equal(json_text(json_item(unmatched->json, "requests", 0), "path"), "/nope");
}

static void lanes_are_merged_and_told_apart(void **state)
{
    struct admin_world *w = *state;
    struct lane *other = lane_named(w, "other");
    say_some(w);
    admin_world_say(other, &(struct said) { .id = "b1", .path = "/other", .status = 200 });
    ASKED *all = admin_ask(w, "POST", "/__admin/requests/count", "{}");
    assert_int_equal(json_number(all->json, "count"), 5);
    ASKED *one = admin_ask(w, "GET", "/__admin/requests?lane=other", NULL);
    assert_int_equal(json_length(one->json, "requests"), 1);
    assert_string_equal(json_text(json_item(one->json, "requests", 0), "lane"), "other");
    ASKED *nope = admin_ask(w, "POST", "/__admin/requests/count?lane=nope", "{}");
    assert_int_equal(nope->f.status, 404);
    lane_unref(other);
}

/* ---- waiting ---------------------------------------------------------------------------------- */

static void wait_is_over_at_once_when_they_are_there_already(void **state)
{
    struct admin_world *w = *state;
    say_some(w);
    ASKED *a = admin_ask(w, "POST", "/__admin/requests/wait", "{\"op\":\"process.exec\",\"count\":2,\"timeout_ms\":0}");
    assert_int_equal(a->f.status, 200);
    assert_int_equal(json_number(a->json, "matched"), 2);
    assert_int_equal(json_length(a->json, "requests"), 2);
    assert_int_equal(json_number(json_item(a->json, "requests", 0), "number"), 4);
}

static void wait_ends_when_the_last_one_comes(void **state)
{
    struct admin_world *w = *state;
    ASKED *a = admin_ask_later(w, "POST", "/__admin/requests/wait",
                               "{\"path\":\"/sandbox/*\",\"status\":200,\"count\":2,\"timeout_ms\":60000}");
    say_some(w);
    admin_answer(w, a);
    assert_int_equal(a->f.status, 200);
    assert_int_equal(json_number(a->json, "matched"), 2);
}

/* What is open changes: it counts when its status is known, and once only. */
static void wait_sees_what_becomes_of_open_requests(void **state)
{
    struct admin_world *w = *state;
    struct ledger *ledger = lane_ledger(w->lane);
    uint64_t open[3];
    for (size_t i = 0; i < COUNT(open); i++)
        open[i] = admin_world_say(w->lane, &(struct said) { .path = "/x", .open = true });
    ASKED *a = admin_ask_later(w, "POST", "/__admin/requests/wait?lane=default",
                               "{\"status\":201,\"count\":3,\"timeout_ms\":60000}");
    for (size_t i = 0; i < COUNT(open); i++) {
        ledger_set_answer(ledger, open[i], 201, "application/json");
        ledger_end_request(ledger, open[i], ANSWER_COMPLETE);
    }
    admin_answer(w, a);
    assert_int_equal(a->f.status, 200);
    assert_int_equal(json_number(a->json, "matched"), 3);
}

static void wait_in_vain_says_what_was_seen(void **state)
{
    struct admin_world *w = *state;
    say_some(w);
    ASKED *a = admin_ask(w, "POST", "/__admin/requests/wait", "{\"status\":200,\"count\":3,\"timeout_ms\":30}");
    assert_int_equal(a->f.status, 408);
    assert_string_equal(json_text(a->json, "code"), "timeout");
    assert_non_null(strstr(json_text(a->json, "message"), "2 of 3 requests that fit have come"));
    assert_int_equal(json_number(a->json, "matched"), 2);
    assert_int_equal(json_number(a->json, "wanted"), 3);
    assert_int_equal(json_length(a->json, "seen"), 4);
    assert_string_equal(json_text(json_item(a->json, "seen", 1), "path"), "/nope");
}

static void wait_looks_at_lanes_that_come_meanwhile(void **state)
{
    struct admin_world *w = *state;
    ASKED *a = admin_ask_later(w, "POST", "/__admin/requests/wait", "{\"path\":\"/there\",\"timeout_ms\":60000}");
    ASKED *b = admin_ask_later(w, "POST", "/__admin/requests/wait?lane=new",
                               "{\"path\":\"/there\",\"timeout_ms\":60000}");
    struct lane *lane = lane_named(w, "new");
    admin_world_say(lane, &(struct said) { .path = "/there", .status = 200 });
    admin_answer(w, a);
    admin_answer(w, b);
    assert_int_equal(a->f.status, 200);
    assert_int_equal(b->f.status, 200);
    assert_string_equal(json_text(json_item(a->json, "requests", 0), "lane"), "new");
    lane_unref(lane);
}

static void wait_ends_when_the_client_goes(void **state)
{
    struct admin_world *w = *state;
    ASKED *a = admin_ask_later(w, "POST", "/__admin/requests/wait", "{\"path\":\"/never\",\"timeout_ms\":600000}");
    fake_exchange_hang_up(&a->f);
    assert_true(fake_exchange_await(&a->f, NULL, ADMIN_SECONDS));
}

/* ---- the ledger whole ---------------------------------------------------------------------------- */

static int count_lines(const struct buf *text)
{
    int lines = 0;
    struct err err = ERR_INIT;
    for (const char *line = buf_cstr(text); *line != '\0'; lines++) {
        size_t len = strcspn(line, "\n");
        assert_int_equal(line[len], '\n');
        cJSON *json = json_parse(line, len, &err);
        if (json == NULL)
            fail_msg("%s: %.*s", err.text, (int) len, line);
        json_text(json, "type");
        json_free(json);
        line += len + 1;
    }
    return lines;
}

static void ledger_is_exported_as_lines(void **state)
{
    struct admin_world *w = *state;
    struct lane *other = lane_named(w, "other");
    struct fact fact = { .seq = 1, .wall_ms = 1, .kind = FACT_STARTED, .value = 7 };
    ledger_add_fact(lane_ledger(w->lane), "s1", "p1", "ls", &fact, NULL);
    say_some(w);
    admin_world_say(other, &(struct said) { .id = "b1", .status = 200 });
    static const struct { const char *query; int lines; } rows[] = {
        { "", 6 }, { "?type=fact", 1 }, { "?type=request", 5 }, { "?lane=other", 1 }, { "?from=3", 3 },
        { "?lane=default&from=5&type=request", 1 }, { "?from=100", 0 },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        char target[128];
        snprintf(target, sizeof target, "/__admin/ledger%s", rows[i].query);
        ASKED *a = admin_ask(w, "GET", target, NULL);
        assert_int_equal(a->f.status, 200);
        assert_string_equal(a->f.type, "application/x-ndjson");
        assert_int_equal(count_lines(&a->f.body), rows[i].lines);
    }
    lane_unref(other);
}

static void long_export_goes_out_in_pieces(void **state)
{
    struct admin_world *w = *state;
    char body[2001];
    memset(body, 'x', sizeof body - 1);
    body[sizeof body - 1] = '\0';
    for (int i = 0; i < 500; i++)
        admin_world_say(w->lane, &(struct said) { .body = body, .status = 200 });
    ASKED *a = admin_ask(w, "GET", "/__admin/ledger", NULL);
    assert_true(a->f.streamed);
    assert_in_range(a->f.writes, 10, 30);
    assert_int_equal(count_lines(&a->f.body), 500);
    ASKED *list = admin_ask(w, "GET", "/__admin/requests?limit=500", NULL);
    assert_true(list->f.streamed);
    assert_int_equal(json_length(list->json, "requests"), 500);
}

static void ledger_can_be_emptied_and_tells_how_full_it_is(void **state)
{
    struct admin_world *w = *state;
    say_some(w);
    admin_world_say(w->lane, &(struct said) { .path = "/open", .open = true });
    ASKED *full = admin_ask(w, "GET", "/__admin/ledger/stats?lane=default", NULL);
    const cJSON *ledger = json_item(full->json, "ledgers", 0);
    assert_true(json_is_null(full->json, "file"));
    assert_int_equal(json_number(ledger, "entries"), 5);
    assert_int_equal(json_number(ledger, "next_number"), 6);
    assert_int_equal(json_number(ledger, "open_requests"), 1);
    static const char *const targets[] = { "/__admin/requests", "/__admin/ledger?lane=default" };
    for (size_t i = 0; i < COUNT(targets); i++) {
        admin_world_say(w->lane, &(struct said) { .path = "/more", .status = 200 });
        ASKED *gone = admin_ask(w, "DELETE", targets[i], NULL);
        assert_int_equal(gone->f.status, 200);
        ASKED *after = admin_ask(w, "POST", "/__admin/requests/count", "{\"path\":\"/more\"}");
        assert_int_equal(json_number(after->json, "count"), 0);
    }
}

static void admin_requests_are_in_no_ledger(void **state)
{
    struct admin_world *w = *state;
    ASKED *health = admin_ask(w, "GET", "/__admin/health", NULL);
    ASKED *a = admin_ask(w, "GET", "/__admin/ledger", NULL);
    assert_int_equal(health->f.status, 200);
    assert_int_equal(a->f.body.len, 0);
}

/* ---- the verdict ------------------------------------------------------------------------------------ */

static const cJSON *check_of(const struct asked *a, int lane, const char *id)
{
    const cJSON *check;
    cJSON_ArrayForEach(check, cJSON_GetObjectItem(json_item(a->json, "lanes", lane), "checks")) {
        if (strcmp(json_text(check, "id"), id) == 0)
            return check;
    }
    fail_msg("no check %s", id);
    return NULL;
}

static void verdict_is_of_each_lane_and_the_worst_of_all(void **state)
{
    struct admin_world *w = *state;
    struct lane *good = lane_named(w, "good"), *bad = lane_named(w, "bad");
    ASKED *nothing = admin_ask(w, "GET", "/__admin/verdict", NULL);
    assert_string_equal(json_text(nothing->json, "verdict"), "not-exercised");
    admin_world_say(good, &(struct said) { .op = "sandbox.get", .status = 200 });
    ASKED *pass = admin_ask(w, "GET", "/__admin/verdict", NULL);
    assert_string_equal(json_text(pass->json, "verdict"), "pass");
    assert_int_equal(json_length(pass->json, "lanes"), 3);
    assert_string_equal(json_text(json_item(pass->json, "lanes", 0), "verdict"), "not-exercised");
    uint64_t number = admin_world_say(bad, &(struct said) { .path = "/nope", .status = 404 });
    ASKED *fail = admin_ask(w, "GET", "/__admin/verdict", NULL);
    assert_string_equal(json_text(fail->json, "verdict"), "fail");
    const cJSON *check = check_of(fail, 2, "unknown-routes");
    assert_string_equal(json_text(check, "verdict"), "fail");
    assert_int_equal(json_item(check, "evidence", 0)->valueint, number);
    ASKED *one = admin_ask(w, "GET", "/__admin/verdict?lane=good", NULL);
    assert_string_equal(json_text(one->json, "verdict"), "pass");
    lane_unref(good);
    lane_unref(bad);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, admin_world_setup, admin_world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(journal_is_shown_newest_first),
        TEST(journal_can_be_cut_by_limit_and_since),
        TEST(one_request_is_found_by_id_or_number),
        TEST(requests_are_found_by_each_condition),
        TEST(facts_are_no_requests_and_unmatched_ones_are_listed),
        TEST(lanes_are_merged_and_told_apart),
        TEST(wait_is_over_at_once_when_they_are_there_already),
        TEST(wait_ends_when_the_last_one_comes),
        TEST(wait_sees_what_becomes_of_open_requests),
        TEST(wait_in_vain_says_what_was_seen),
        TEST(wait_looks_at_lanes_that_come_meanwhile),
        TEST(wait_ends_when_the_client_goes),
        TEST(ledger_is_exported_as_lines),
        TEST(long_export_goes_out_in_pieces),
        TEST(ledger_can_be_emptied_and_tells_how_full_it_is),
        TEST(admin_requests_are_in_no_ledger),
        TEST(verdict_is_of_each_lane_and_the_worst_of_all),
    };
    return world_run_modes("admin requests", tests, COUNT(tests));
}
