/* The admin API on a real engine: who may ask, what there is, what runs. */
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

/* ---- who may ---------------------------------------------------------------------------- */

static void nothing_is_told_without_the_token(void **state)
{
    struct admin_world *w = *state;
    static const struct { const char *field, *value; } keys[] = {
        { "X-Nothing", "" },
        { "Authorization", "" },
        { "Authorization", "Bearer" },
        { "Authorization", "Bearer " },
        { "Authorization", "Bearer wrong" },
        { "Authorization", "Bearer " ADMIN_TOKEN "x" },
        { "Authorization", "Bearer S3cret-token" },
        { "Authorization", "Basic " ADMIN_TOKEN },
        { "Authorization", ADMIN_TOKEN },
        { "X-Standbox-Token", "" },
        { "X-Standbox-Token", "s3cret-toke" },
    };
    static const struct { const char *method, *path; } requests[] = {
        { "GET", "/__admin" },       { "GET", "/__admin/health" },  { "POST", "/__admin/reset" },
        { "GET", "/__admin/nope" },  { "PUT", "/__admin/health" },  { "POST", "/__admin/shutdown" },
        { "GET", "/__admin/docs" },  { "GET", "/__admin/docs/openapi.json" },
        { "GET", "/__admin/ledger" }, { "GET", "/__admin/lanes/nope" }, { "GET", "/__admin/health?bad=1" },
        { "POST", "/__admin/scenarios" },
    };
    BUF_AUTO first = BUF_INIT;
    for (size_t i = 0; i < COUNT(keys) * COUNT(requests); i++) {
        ASKED *a = admin_ask_as(w, requests[i % COUNT(requests)].method, requests[i % COUNT(requests)].path,
                                keys[i / COUNT(requests)].field, keys[i / COUNT(requests)].value);
        assert_int_equal(a->f.status, 401);
        assert_non_null(strstr(a->headers.data, "WWW-Authenticate: Bearer"));
        assert_null(strstr(a->headers.data, "Allow"));
        if (i == 0)
            buf_str(&first, a->f.body.data);
        assert_string_equal(a->f.body.data, first.data);
    }
    assert_int_equal(w->shutdowns, 0);
    assert_int_equal(sandbox_get_state(w->sandbox), SANDBOX_ACTIVE);
}

static void token_is_taken_in_both_headers(void **state)
{
    struct admin_world *w = *state;
    static const struct { const char *field, *value; } keys[] = {
        { "Authorization", "Bearer " ADMIN_TOKEN },
        { "authorization", "bearer  " ADMIN_TOKEN },
        { "X-Standbox-Token", ADMIN_TOKEN },
    };
    for (size_t i = 0; i < COUNT(keys); i++) {
        ASKED *a = admin_ask_as(w, "GET", "/__admin/health", keys[i].field, keys[i].value);
        assert_int_equal(a->f.status, 200);
    }
}

static void admin_without_a_token_cannot_be_made(void **state)
{
    (void) state;
    static const char *const tokens[] = { NULL, "" };
    for (size_t i = 0; i < COUNT(tokens); i++) {
        struct admin *made = NULL;
        struct err err = ERR_INIT;
        struct admin_config config = { .token = tokens[i] };
        assert_int_equal(admin_new(&made, &config, &err), -1);
        assert_int_equal(err.code, ERR_INVALID);
        assert_null(made);
    }
}

/* ---- routes ----------------------------------------------------------------------------- */

static void only_admin_paths_are_claimed(void **state)
{
    (void) state;
    static const struct { const char *path; bool claimed; } rows[] = {
        { "/__admin", true },   { "/__admin/", true },    { "/__admin/x/y", true }, { "/__adminx", false },
        { "/__admi", false },   { "/", false },           { "/x/__admin", false },  { "/__ADMIN", false },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct exchange x = { .path = rows[i].path };
        assert_int_equal(admin_claims(&x), rows[i].claimed);
    }
}

static void unknown_path_is_404_and_wrong_method_405(void **state)
{
    struct admin_world *w = *state;
    static const struct { const char *method, *path; int status; const char *allow; } rows[] = {
        { "GET", "/__admin/nope", 404, NULL },
        { "POST", "/__admin/health", 405, "Allow: GET\n" },
        { "GET", "/__admin/reset", 405, "Allow: POST\n" },
        { "PUT", "/__admin/scenarios", 405, "Allow: GET, POST, DELETE\n" },
        { "PATCH", "/__admin/lanes/x", 405, "Allow: GET, DELETE\n" },
        { "GET", "/__admin/lanes/x/y/z", 404, NULL },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        ASKED *a = admin_ask(w, rows[i].method, rows[i].path, NULL);
        assert_int_equal(a->f.status, rows[i].status);
        if (rows[i].allow != NULL)
            assert_string_equal(a->headers.data, rows[i].allow);
    }
    assert_int_equal(sandbox_get_state(w->sandbox), SANDBOX_ACTIVE);
}

static void routes_are_listed_and_every_listed_one_exists(void **state)
{
    struct admin_world *w = *state;
    ASKED *a = admin_ask(w, "GET", "/__admin", NULL);
    const cJSON *row;
    assert_in_range(json_length(a->json, "routes"), 40, 100);
    cJSON_ArrayForEach(row, cJSON_GetObjectItem(a->json, "routes")) {
        ASKED *probe = admin_ask(w, "BREW", json_text(row, "path"), NULL);
        assert_int_equal(probe->f.status, 405);
        assert_non_null(strstr(probe->headers.data, json_text(row, "method")));
    }
}

static void unknown_query_parameters_are_refused(void **state)
{
    struct admin_world *w = *state;
    static const struct { const char *method, *target, *says; } rows[] = {
        { "POST", "/__admin/reset?lnae=other", "unknown query parameter \\\"lnae\\\": did you mean \\\"lane\\\"?" },
        { "GET", "/__admin/health?x=1", "/__admin/health takes none" },
        { "GET", "/__admin/requests?limit=1&wrong", "unknown query parameter \\\"wrong\\\"" },
        { "GET", "/__admin/requests?limit=0", "query parameter limit: must be a whole number from 1 to 10000" },
        { "GET", "/__admin/ledger?type=facts", "query parameter type: must be fact or request" },
        { "GET", "/__admin/requests?since=yesterday", "query parameter since" },
        { "GET", "/__admin/processes?lane=a%20b%00c", "NUL" },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        ASKED *a = admin_ask(w, rows[i].method, rows[i].target, NULL);
        assert_int_equal(a->f.status, 400);
        if (strstr(buf_cstr(&a->f.body), rows[i].says) == NULL)
            fail_msg("%s: %s", rows[i].target, buf_cstr(&a->f.body));
    }
    assert_int_equal(sandbox_get_state(w->sandbox), SANDBOX_ACTIVE);
}

static void health_and_version_answer(void **state)
{
    struct admin_world *w = *state;
    ASKED *health = admin_ask(w, "GET", "/__admin/health", NULL);
    assert_string_equal(json_text(health->json, "status"), "healthy");
    assert_in_range(json_number(health->json, "uptimeInSeconds"), 0, 60);
    ASKED *version = admin_ask(w, "GET", "/__admin/version", NULL);
    assert_string_equal(json_text(version->json, "version"), json_text(health->json, "version"));
}

/* ---- what runs --------------------------------------------------------------------------- */

static const cJSON *find_alive(const cJSON *list, const char *comm)
{
    const cJSON *entry;
    cJSON_ArrayForEach(entry, list) {
        if (strcmp(json_text(entry, "comm"), comm) == 0)
            return entry;
    }
    return NULL;
}

/* Of the lane's sandbox, not of the other one. */
static pid_t await_comm(struct admin_world *w, const char *comm)
{
    struct world own = *w->base;
    own.sandbox = w->sandbox;
    return world_await_comm(&own, comm);
}

static struct asked *ask_sandbox(struct admin_world *w)
{
    char target[128];
    snprintf(target, sizeof target, "/__admin/processes?sandbox=%s", sandbox_id(w->sandbox));
    return admin_ask(w, "GET", target, NULL);
}

static void processes_show_the_kernels_truth_beside_the_log(void **state)
{
    struct admin_world *w = *state;
    struct proc *p = admin_world_start(w, "setsid sleep 600 & cat /dev/zero | tail -c 1");
    world_await_fact(p, FACT_STARTED);
    pid_t hidden = await_comm(w, "sleep");
    await_comm(w, "tail");
    ASKED *a = ask_sandbox(w);
    const cJSON *sandbox = json_item(a->json, "sandboxes", 0), *logged = json_item(sandbox, "processes", 0);
    assert_string_equal(json_text(a->json, "isolation"), world_isolation() == ISOLATION_NONE ? "none" : "namespace");
    assert_string_equal(json_text(sandbox, "lane"), "default");
    assert_string_equal(json_text(sandbox, "state"), "active");
    assert_string_equal(json_text(logged, "id"), proc_id(p));
    assert_string_equal(json_text(logged, "state"), "running");
    assert_true(json_is_null(logged, "end"));
    assert_true(json_is_null(logged, "waitStatus"));
    assert_int_equal(json_length(logged, "signals"), 0);
    const cJSON *alive = find_alive(cJSON_GetObjectItem(sandbox, "alive"), "sleep");
    assert_non_null(alive);
    assert_int_equal(json_number(alive, "hostPid"), hidden);
    assert_false(json_bool(alive, "isKeeper"));
    const cJSON *children = cJSON_GetObjectItem(logged, "children"), *tail = find_alive(children, "tail");
    assert_non_null(tail);
    assert_int_equal(json_number(tail, "hostParentPid"), json_number(logged, "hostPid"));
    assert_non_null(find_alive(children, "sleep"));
    assert_null(find_alive(children, "standbox-keeper"));

    struct err err = ERR_INIT;
    assert_int_equal(sandbox_stop(w->sandbox, STOP_REQUEST, &err), 0);
    ASKED *after = ask_sandbox(w);
    sandbox = json_item(after->json, "sandboxes", 0);
    assert_string_equal(json_text(sandbox, "state"), "closed");
    assert_string_equal(json_text(sandbox, "stopReason"), "request");
    assert_int_equal(json_length(sandbox, "alive"), 0);
    proc_unref(p);
}

static void process_shows_its_signals_and_wait_status(void **state)
{
    struct admin_world *w = *state;
    static const struct { const char *line; int status; } ends[] = {
        { "exit 3", 3 << 8 }, { "kill -9 $$", 9 }, { "exit 0", 0 },
    };
    struct err err = ERR_INIT;
    for (size_t i = 0; i < COUNT(ends); i++) {
        struct proc *p = admin_world_start(w, ends[i].line);
        assert_int_equal(proc_wait_state(p, PROC_FINISHED, world_deadline(w->base), NULL, NULL, &err), 0);
        ASKED *a = ask_sandbox(w);
        const cJSON *logged = json_item(json_item(a->json, "sandboxes", 0), "processes", 0);
        assert_string_equal(json_text(logged, "id"), proc_id(p));
        assert_int_equal(json_number(logged, "waitStatus"), ends[i].status);
        assert_true(json_is_null(logged, "hostPid"));
        proc_unref(p);
    }
    struct proc *p = admin_world_start(w, "trap 'exit 7' TERM; echo ready; while :; do sleep 0.05; done");
    world_await_output(p, "ready");
    assert_int_equal(proc_signal(p, 15, WHO_CLIENT, &err), 0);
    assert_int_equal(proc_wait_state(p, PROC_FINISHED, world_deadline(w->base), NULL, NULL, &err), 0);
    ASKED *a = ask_sandbox(w);
    const cJSON *logged = json_item(json_item(a->json, "sandboxes", 0), "processes", 0);
    assert_int_equal(json_length(logged, "signals"), 1);
    const cJSON *signal = json_item(logged, "signals", 0);
    assert_string_equal(json_text(signal, "signal"), "TERM");
    assert_string_equal(json_text(signal, "by"), "client");
    assert_int_equal(json_number(logged, "waitStatus"), 7 << 8);
    proc_unref(p);
}

static void list_can_be_narrowed_to_one_sandbox_or_lane(void **state)
{
    struct admin_world *w = *state;
    ASKED *all = admin_ask(w, "GET", "/__admin/processes", NULL);
    assert_int_equal(json_length(all->json, "sandboxes"), 2);
    ASKED *one = ask_sandbox(w);
    assert_int_equal(json_length(one->json, "sandboxes"), 1);
    ASKED *lane = admin_ask(w, "GET", "/__admin/processes?lane=default", NULL);
    assert_int_equal(json_length(lane->json, "sandboxes"), 1);
    assert_string_equal(json_text(json_item(lane->json, "sandboxes", 0), "id"), sandbox_id(w->sandbox));
    ASKED *none = admin_ask(w, "GET", "/__admin/processes?sandbox=other", NULL);
    assert_int_equal(json_length(none->json, "sandboxes"), 0);
}

static const cJSON *find_fact(const cJSON *json, const char *kind)
{
    const cJSON *fact;
    cJSON_ArrayForEach(fact, cJSON_GetObjectItem(json, "facts")) {
        if (strcmp(json_text(fact, "kind"), kind) == 0)
            return fact;
    }
    fail_msg("no fact %s", kind);
    return NULL;
}

static void facts_tell_the_whole_story(void **state)
{
    struct admin_world *w = *state;
    struct proc *p = proc_ref(admin_world_start(w, "printf hello; printf no >&2; exit 3"));
    OUTCOME o = world_finish(p);
    char target[128];
    snprintf(target, sizeof target, "/__admin/processes/%s/facts", proc_id(p));
    ASKED *a = admin_ask(w, "GET", target, NULL);
    assert_int_equal(a->f.status, 200);
    assert_string_equal(json_text(a->json, "sandboxId"), sandbox_id(w->sandbox));
    assert_int_equal(o.view.facts, 6);
    assert_int_equal(json_number(a->json, "total"), 6);
    assert_true(json_is_null(a->json, "next"));
    for (int i = 0; i < 6; i++)
        assert_int_equal(json_number(json_item(a->json, "facts", i), "seq"), i + 1);
    assert_int_equal(json_number(find_fact(a->json, "queued"), "seq"), 1);
    assert_int_equal(json_number(find_fact(a->json, "started"), "pid"), o.view.pid);
    assert_int_equal(json_number(find_fact(a->json, "out"), "bytes"), 5);
    assert_int_equal(json_number(find_fact(a->json, "err"), "bytes"), 2);
    assert_int_equal(json_number(find_fact(a->json, "exited"), "code"), 3);
    assert_false(json_bool(find_fact(a->json, "output-eof"), "heldBySurvivor"));
    proc_unref(p);
}

static void facts_come_in_pages(void **state)
{
    struct admin_world *w = *state;
    struct proc *p = proc_ref(admin_world_start(w, "kill -9 $$"));
    OUTCOME o = world_finish(p);
    char target[192];
    unsigned pages = 0;
    bool has_death = false;
    for (bool more = true; more; pages++) {
        snprintf(target, sizeof target, "/__admin/processes/%s/facts?limit=1&from=%u", proc_id(p), pages + 1);
        ASKED *a = admin_ask(w, "GET", target, NULL);
        const cJSON *fact = json_item(a->json, "facts", 0);
        assert_int_equal(json_number(fact, "seq"), pages + 1);
        if (strcmp(json_text(fact, "kind"), "died") == 0) {
            has_death = true;
            assert_string_equal(json_text(fact, "signal"), "KILL");
        }
        more = !json_is_null(a->json, "next");
    }
    assert_int_equal(pages, o.view.facts);
    assert_true(has_death);
    proc_unref(p);
}

static void bad_questions_about_facts_are_refused(void **state)
{
    struct admin_world *w = *state;
    static const char *const queries[] = {
        "from=0", "from=-1", "from=x", "from=", "limit=0", "limit=10001", "limit=99999999999999999999", "from=1x",
    };
    struct proc *p = admin_world_start(w, "true");
    char target[192];
    for (size_t i = 0; i < COUNT(queries); i++) {
        snprintf(target, sizeof target, "/__admin/processes/%s/facts?%s", proc_id(p), queries[i]);
        ASKED *a = admin_ask(w, "GET", target, NULL);
        assert_int_equal(a->f.status, 400);
    }
    ASKED *none = admin_ask(w, "GET", "/__admin/processes/proc_nope/facts", NULL);
    assert_int_equal(none->f.status, 404);
    assert_non_null(strstr(none->f.body.data, "not found"));
    snprintf(target, sizeof target, "/__admin/processes/%s/facts?from=1000", proc_id(p));
    ASKED *late = admin_ask(w, "GET", target, NULL);
    assert_int_equal(late->f.status, 200);
    proc_unref(p);
}

/* ---- reset and shutdown ------------------------------------------------------------------ */

static void reset_is_over_when_it_answers(void **state)
{
    struct admin_world *w = *state;
    struct proc *p = admin_world_start(w, "exec sleep 600");
    pid_t pid = await_comm(w, "sleep");
    ASKED *a = admin_ask(w, "POST", "/__admin/reset", NULL);
    assert_int_equal(a->f.status, 200);
    assert_true(world_await_death(pid, 0));
    ASKED *list = admin_ask(w, "GET", "/__admin/processes?lane=default", NULL);
    assert_int_equal(json_length(list->json, "sandboxes"), 0);
    proc_unref(p);
}

static void reset_of_a_lane_leaves_the_others_alone(void **state)
{
    struct admin_world *w = *state;
    struct err err = ERR_INIT;
    struct lane *other = NULL;
    struct sandbox *theirs = NULL;
    assert_int_equal(lanes_get(w->lanes, "other", true, &other, &err), 0);
    struct sandbox_spec spec = { .owner = lane_owner(other), .dialect = "test", .user = "tester" };
    assert_int_equal(sandbox_create(w->base->engine, &spec, &theirs, &err), 0);
    ASKED *a = admin_ask(w, "POST", "/__admin/reset?lane=other", NULL);
    assert_int_equal(a->f.status, 200);
    assert_int_equal(sandbox_get_state(theirs), SANDBOX_CLOSED);
    assert_int_equal(sandbox_get_state(w->sandbox), SANDBOX_ACTIVE);
    sandbox_unref(theirs);
    lane_unref(other);
}

static void shutdown_answers_first(void **state)
{
    struct admin_world *w = *state;
    ASKED *a = admin_ask(w, "POST", "/__admin/shutdown", NULL);
    assert_int_equal(a->f.status, 200);
    assert_int_equal(w->shutdowns, 1);
    assert_true(w->answered_before_shutdown);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, admin_world_setup, admin_world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_is_told_without_the_token),
        TEST(token_is_taken_in_both_headers),
        cmocka_unit_test(admin_without_a_token_cannot_be_made),
        cmocka_unit_test(only_admin_paths_are_claimed),
        TEST(unknown_path_is_404_and_wrong_method_405),
        TEST(routes_are_listed_and_every_listed_one_exists),
        TEST(unknown_query_parameters_are_refused),
        TEST(health_and_version_answer),
        TEST(processes_show_the_kernels_truth_beside_the_log),
        TEST(process_shows_its_signals_and_wait_status),
        TEST(list_can_be_narrowed_to_one_sandbox_or_lane),
        TEST(facts_tell_the_whole_story),
        TEST(facts_come_in_pages),
        TEST(bad_questions_about_facts_are_refused),
        TEST(reset_is_over_when_it_answers),
        TEST(reset_of_a_lane_leaves_the_others_alone),
        TEST(shutdown_answers_first),
    };
    return world_run_modes("admin", tests, COUNT(tests));
}
