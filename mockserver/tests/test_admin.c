/* The admin API on a real engine, through an exchange of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "admin/admin.h"
#include "base/json.h"
#include "tests/support/world.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define TOKEN "s3cret-token"

/* ---- an exchange that keeps the answer ------------------------------------------------- */

struct fake {
    struct exchange x;
    const char *field, *value;       /* the one request header */
    int status, answers;
    struct buf headers, body;
};

static const char *fake_header(struct exchange *x, const char *name)
{
    struct fake *f = (struct fake *) x;
    return f->field != NULL && strcasecmp(f->field, name) == 0 ? f->value : NULL;
}

static void fake_add_header(struct exchange *x, const char *name, const char *value)
{
    buf_printf(&((struct fake *) x)->headers, "%s: %s\n", name, value);
}

static int fake_reply(struct exchange *x, int status, const char *type, const void *body, size_t len)
{
    struct fake *f = (struct fake *) x;
    f->answers++;
    f->status = strcmp(type, "application/json") == 0 ? status : -1;
    buf_add(&f->body, body, len);
    x->answered = true;
    return 0;
}

static const struct exchange_ops fake_ops = {
    .header = fake_header, .add_header = fake_add_header, .reply = fake_reply,
};

static struct admin *admin;
static struct fake *current;         /* what is being asked, for the callbacks */
static int resets, shutdowns;
static bool answered_before_reset, answered_before_shutdown;

static void note_reset(void *arg)
{
    struct world *w = arg;
    resets++;
    answered_before_reset = current->x.answered;
    engine_reset(w->engine);
}

static void note_shutdown(void *arg)
{
    (void) arg;
    shutdowns++;
    answered_before_shutdown = current->x.answered;
}

/* Ask, with the right token unless the fake has a header already. */
static void ask(struct fake *f, const char *method, const char *path, const char *query)
{
    if (f->field == NULL) {
        f->field = "Authorization";
        f->value = "Bearer " TOKEN;
    }
    f->x = (struct exchange) { .ops = &fake_ops, .method = method, .path = path, .query = query, .host = "",
                               .base_url = "" };
    buf_clear(&f->headers);
    buf_clear(&f->body);
    f->answers = 0;
    current = f;
    admin_handle(admin, &f->x);
    assert_int_equal(f->answers, 1);
}

static void fake_fini(struct fake *f)
{
    buf_fini(&f->headers);
    buf_fini(&f->body);
}

#define FAKE __attribute__((cleanup(fake_fini))) struct fake

static void free_json(cJSON **json)
{
    json_free(*json);
}

#define JSON __attribute__((cleanup(free_json))) cJSON

static cJSON *parse(const struct fake *f)
{
    struct err err = ERR_INIT;
    cJSON *json = json_parse(buf_cstr(&f->body), f->body.len, &err);
    if (json == NULL)
        fail_msg("%s: %s", err.text, buf_cstr(&f->body));
    return json;
}

static const char *text_of(const cJSON *object, const char *name)
{
    const cJSON *member = cJSON_GetObjectItemCaseSensitive(object, name);
    if (!cJSON_IsString(member))
        fail_msg("no text %s", name);
    return member->valuestring;
}

static int number_of(const cJSON *object, const char *name)
{
    const cJSON *member = cJSON_GetObjectItemCaseSensitive(object, name);
    if (!cJSON_IsNumber(member))
        fail_msg("no number %s", name);
    return (int) member->valuedouble;
}

static const cJSON *item(const cJSON *object, const char *array, int index)
{
    const cJSON *found = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(object, array), index);
    if (found == NULL)
        fail_msg("no %s[%d]", array, index);
    return found;
}

static int setup(void **state)
{
    struct err err = ERR_INIT;
    if (world_setup(state) != 0)
        return -1;
    struct admin_config config = { .engine = ((struct world *) *state)->engine, .token = TOKEN, .reset = note_reset,
                                   .shutdown = note_shutdown, .arg = *state };
    resets = shutdowns = 0;
    return admin_new(&admin, &config, &err);
}

static int teardown(void **state)
{
    admin_free(admin);
    return world_teardown(state);
}

/* ---- who may ---------------------------------------------------------------------------- */

static void nothing_is_told_without_the_token(void **state)
{
    (void) state;
    static const struct { const char *field, *value; } keys[] = {
        { "X-Nothing", "" },
        { "Authorization", "" },
        { "Authorization", "Bearer" },
        { "Authorization", "Bearer " },
        { "Authorization", "Bearer wrong" },
        { "Authorization", "Bearer " TOKEN "x" },
        { "Authorization", "Bearer S3cret-token" },
        { "Authorization", "Basic " TOKEN },
        { "Authorization", TOKEN },
        { "X-Standbox-Token", "" },
        { "X-Standbox-Token", "s3cret-toke" },
    };
    static const struct { const char *method, *path; } requests[] = {
        { "GET", "/__admin" },     { "GET", "/__admin/health" },  { "POST", "/__admin/reset" },
        { "GET", "/__admin/nope" }, { "PUT", "/__admin/health" }, { "POST", "/__admin/shutdown" },
    };
    BUF_AUTO first = BUF_INIT;
    for (size_t i = 0; i < COUNT(keys) * COUNT(requests); i++) {
        FAKE f = { .field = keys[i / COUNT(requests)].field, .value = keys[i / COUNT(requests)].value };
        ask(&f, requests[i % COUNT(requests)].method, requests[i % COUNT(requests)].path, "");
        assert_int_equal(f.status, 401);
        assert_non_null(strstr(f.headers.data, "WWW-Authenticate: Bearer"));
        assert_null(strstr(f.headers.data, "Allow"));
        if (i == 0)
            buf_str(&first, f.body.data);
        assert_string_equal(f.body.data, first.data);
    }
    assert_int_equal(resets + shutdowns, 0);
}

static void token_is_taken_in_both_headers(void **state)
{
    (void) state;
    static const struct { const char *field, *value; } keys[] = {
        { "Authorization", "Bearer " TOKEN }, { "authorization", "bearer  " TOKEN }, { "X-Standbox-Token", TOKEN },
    };
    for (size_t i = 0; i < COUNT(keys); i++) {
        FAKE f = { .field = keys[i].field, .value = keys[i].value };
        ask(&f, "GET", "/__admin/health", "");
        assert_int_equal(f.status, 200);
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
    (void) state;
    FAKE f = { .field = NULL };
    ask(&f, "GET", "/__admin/nope", "");
    assert_int_equal(f.status, 404);
    ask(&f, "POST", "/__admin/health", "");
    assert_int_equal(f.status, 405);
    assert_string_equal(f.headers.data, "Allow: GET\n");
    ask(&f, "GET", "/__admin/reset", "");
    assert_int_equal(f.status, 405);
    assert_string_equal(f.headers.data, "Allow: POST\n");
    assert_int_equal(resets, 0);
}

static void routes_are_listed_and_every_listed_one_exists(void **state)
{
    (void) state;
    FAKE f = { .field = NULL };
    ask(&f, "GET", "/__admin", "");
    assert_int_equal(f.status, 200);
    JSON *json = parse(&f);
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(json, "routes");
    assert_int_equal(cJSON_GetArraySize(list), 7);
    const cJSON *row;
    cJSON_ArrayForEach(row, list) {
        FAKE probe = { .field = NULL };
        ask(&probe, "BREW", text_of(row, "path"), "");
        assert_int_equal(probe.status, 405);
        assert_non_null(strstr(probe.headers.data, text_of(row, "method")));
    }
}

static void health_and_version_answer(void **state)
{
    (void) state;
    FAKE f = { .field = NULL };
    ask(&f, "GET", "/__admin/health", "");
    JSON *health = parse(&f);
    assert_string_equal(text_of(health, "status"), "healthy");
    assert_in_range(number_of(health, "uptimeInSeconds"), 0, 60);
    ask(&f, "GET", "/__admin/version", "");
    JSON *version = parse(&f);
    assert_string_equal(text_of(version, "version"), text_of(health, "version"));
}

/* ---- what runs --------------------------------------------------------------------------- */

static const cJSON *find_alive(const cJSON *sandbox, const char *comm)
{
    const cJSON *entry;
    cJSON_ArrayForEach(entry, cJSON_GetObjectItemCaseSensitive(sandbox, "alive")) {
        if (strcmp(text_of(entry, "comm"), comm) == 0)
            return entry;
    }
    return NULL;
}

static void processes_show_the_kernels_truth_beside_the_log(void **state)
{
    struct world *w = *state;
    struct proc *p = world_start_line(w, "setsid sleep 600 & exec cat /dev/zero | tail -c 1");
    pid_t hidden = world_await_comm(w, "sleep");
    /* The kernel may show the child before the log does. */
    assert_int_equal(proc_wait_state(p, PROC_RUNNING, world_deadline(w), NULL, NULL, NULL), 0);
    FAKE f = { .field = NULL };
    ask(&f, "GET", "/__admin/processes", "");
    JSON *json = parse(&f);
    assert_string_equal(text_of(json, "isolation"), world_isolation() == ISOLATION_NONE ? "none" : "namespace");
    const cJSON *sandbox = item(json, "sandboxes", 0), *logged = item(sandbox, "processes", 0);
    assert_string_equal(text_of(sandbox, "id"), sandbox_id(w->sandbox));
    assert_string_equal(text_of(sandbox, "state"), "active");
    assert_string_equal(text_of(logged, "id"), proc_id(p));
    assert_string_equal(text_of(logged, "state"), "running");
    assert_true(cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(logged, "end")));
    const cJSON *alive = find_alive(sandbox, "sleep");
    assert_non_null(alive);
    assert_int_equal(number_of(alive, "hostPid"), hidden);
    assert_true(cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(alive, "isKeeper")));

    struct err err = ERR_INIT;
    assert_int_equal(sandbox_stop(w->sandbox, STOP_REQUEST, &err), 0);
    ask(&f, "GET", "/__admin/processes", "");
    JSON *after = parse(&f);
    sandbox = item(after, "sandboxes", 0);
    assert_string_equal(text_of(sandbox, "state"), "closed");
    assert_string_equal(text_of(sandbox, "stopReason"), "request");
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(sandbox, "alive")), 0);
    proc_unref(p);
}

static void list_can_be_narrowed_to_one_sandbox(void **state)
{
    struct world *w = *state;
    char query[128];
    FAKE f = { .field = NULL };
    snprintf(query, sizeof query, "sandbox=%s", sandbox_id(w->sandbox));
    ask(&f, "GET", "/__admin/processes", query);
    JSON *one = parse(&f);
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(one, "sandboxes")), 1);
    ask(&f, "GET", "/__admin/processes", "sandbox=other");
    JSON *none = parse(&f);
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(none, "sandboxes")), 0);
}

static const cJSON *find_fact(const cJSON *json, const char *kind)
{
    const cJSON *fact;
    cJSON_ArrayForEach(fact, cJSON_GetObjectItemCaseSensitive(json, "facts")) {
        if (strcmp(text_of(fact, "kind"), kind) == 0)
            return fact;
    }
    fail_msg("no fact %s", kind);
    return NULL;
}

static void facts_tell_the_whole_story(void **state)
{
    struct world *w = *state;
    struct proc *p = proc_ref(world_start_line(w, "printf hello; printf no >&2; exit 3"));
    OUTCOME o = world_finish(p);
    FAKE f = { .field = NULL };
    char path[128];
    snprintf(path, sizeof path, "/__admin/processes/%s/facts", proc_id(p));
    ask(&f, "GET", path, "");
    assert_int_equal(f.status, 200);
    JSON *json = parse(&f);
    assert_string_equal(text_of(json, "sandboxId"), sandbox_id(w->sandbox));
    assert_int_equal(o.view.facts, 6);
    assert_int_equal(number_of(json, "total"), 6);
    assert_true(cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(json, "next")));
    for (int i = 0; i < 6; i++)
        assert_int_equal(number_of(item(json, "facts", i), "seq"), i + 1);
    assert_int_equal(number_of(find_fact(json, "queued"), "seq"), 1);
    assert_int_equal(number_of(find_fact(json, "started"), "pid"), o.view.pid);
    assert_int_equal(number_of(find_fact(json, "out"), "bytes"), 5);
    assert_int_equal(number_of(find_fact(json, "err"), "bytes"), 2);
    assert_int_equal(number_of(find_fact(json, "exited"), "code"), 3);
    assert_true(cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(find_fact(json, "output-eof"), "heldBySurvivor")));
    proc_unref(p);
}

static void facts_come_in_pages(void **state)
{
    struct world *w = *state;
    struct proc *p = proc_ref(world_start_line(w, "kill -9 $$"));
    OUTCOME o = world_finish(p);
    FAKE f = { .field = NULL };
    char path[128], query[64] = "limit=1";
    snprintf(path, sizeof path, "/__admin/processes/%s/facts", proc_id(p));
    unsigned pages = 0;
    bool has_death = false;
    for (bool more = true; more; pages++) {
        ask(&f, "GET", path, query);
        JSON *json = parse(&f);
        const cJSON *fact = item(json, "facts", 0), *next = cJSON_GetObjectItemCaseSensitive(json, "next");
        assert_int_equal(number_of(fact, "seq"), pages + 1);
        if (strcmp(text_of(fact, "kind"), "died") == 0) {
            has_death = true;
            assert_string_equal(text_of(fact, "signal"), "KILL");
        }
        more = cJSON_IsNumber(next);
        snprintf(query, sizeof query, "limit=1&from=%u", pages + 2);
    }
    assert_int_equal(pages, o.view.facts);
    assert_true(has_death);
    proc_unref(p);
}

static void bad_questions_about_facts_are_refused(void **state)
{
    struct world *w = *state;
    static const char *const queries[] = {
        "from=0", "from=-1", "from=x", "from=", "limit=0", "limit=10001", "limit=99999999999999999999", "from=1x",
    };
    struct proc *p = world_start_line(w, "true");
    FAKE f = { .field = NULL };
    char path[128];
    snprintf(path, sizeof path, "/__admin/processes/%s/facts", proc_id(p));
    for (size_t i = 0; i < COUNT(queries); i++) {
        ask(&f, "GET", path, queries[i]);
        assert_int_equal(f.status, 400);
    }
    ask(&f, "GET", "/__admin/processes/proc_nope/facts", "");
    assert_int_equal(f.status, 404);
    assert_non_null(strstr(f.body.data, "not found"));
    ask(&f, "GET", path, "from=1000");
    assert_int_equal(f.status, 200);
    proc_unref(p);
}

/* ---- reset and shutdown ------------------------------------------------------------------ */

static void reset_is_over_when_it_answers(void **state)
{
    struct world *w = *state;
    struct proc *p = world_start_line(w, "exec sleep 600");
    pid_t pid = world_await_comm(w, "sleep");
    FAKE f = { .field = NULL };
    ask(&f, "POST", "/__admin/reset", "");
    assert_int_equal(f.status, 200);
    assert_int_equal(resets, 1);
    assert_false(answered_before_reset);
    assert_true(world_await_death(pid, 0));
    ask(&f, "GET", "/__admin/processes", "");
    JSON *json = parse(&f);
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(json, "sandboxes")), 0);
    proc_unref(p);
}

static void shutdown_answers_first(void **state)
{
    (void) state;
    FAKE f = { .field = NULL };
    ask(&f, "POST", "/__admin/shutdown", "");
    assert_int_equal(f.status, 200);
    assert_int_equal(shutdowns, 1);
    assert_true(answered_before_shutdown);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_is_told_without_the_token),
        TEST(token_is_taken_in_both_headers),
        cmocka_unit_test(admin_without_a_token_cannot_be_made),
        cmocka_unit_test(only_admin_paths_are_claimed),
        TEST(unknown_path_is_404_and_wrong_method_405),
        TEST(routes_are_listed_and_every_listed_one_exists),
        TEST(health_and_version_answer),
        TEST(processes_show_the_kernels_truth_beside_the_log),
        TEST(list_can_be_narrowed_to_one_sandbox),
        TEST(facts_tell_the_whole_story),
        TEST(facts_come_in_pages),
        TEST(bad_questions_about_facts_are_refused),
        TEST(reset_is_over_when_it_answers),
        TEST(shutdown_answers_first),
    };
    return world_run_modes("admin", tests, COUNT(tests));
}
