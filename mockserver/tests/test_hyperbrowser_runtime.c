/* Hyperbrowser's runtime plane: whose request it is, tokens, what is not there (wire page §1, §3.3). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "tests/support/hb_world.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

static struct answer *with_token(struct hb_world *world, const char *method, const char *target, const char *host,
                                 const char *token, const char *body)
{
    char bearer[256];
    struct answer *a = hb_new_answer(world, method, target);
    snprintf(bearer, sizeof bearer, "Bearer %s", token);
    fake_exchange_header(&a->f, "Authorization", bearer);
    if (host != NULL)
        fake_exchange_host(&a->f, host);
    if (body != NULL)
        fake_exchange_body(&a->f, body, strlen(body));
    return hb_send(world, a);
}

static const char *host_of(const char *id)
{
    static char host[128];
    snprintf(host, sizeof host, "%s.sbx.localhost:8700", id);
    return host;
}

static bool is_claimed(struct hb_world *world, const char *path, const char *host)
{
    struct answer *a = hb_new_answer(world, "GET", path);
    if (host != NULL)
        fake_exchange_host(&a->f, host);
    return hyperbrowser_dialect.claims(world->dialect, &a->f.x);
}

/* ---- whose request --------------------------------------------------------------------------- */

static void only_the_vendors_paths_and_hosts_are_claimed(void **state)
{
    struct hb_world *world = *state;
    static const char *const ours[] = { "/api/sandbox",   "/api/sandbox/x/y", "/api/sandboxes", "/api/images/builds",
                                        "/api/snapshots", "/api/volume",      "/sandbox",       "/sandbox/x/exec" };
    static const char *const others[] = { "/",          "/api",  "/api/execute",      "/api/sandboxed",
                                          "/sandboxes", "/apis", "/api/process/list", "/__admin/health" };
    for (size_t i = 0; i < COUNT(ours); i++)
        assert_true(is_claimed(world, ours[i], NULL));
    for (size_t i = 0; i < COUNT(others); i++)
        assert_false(is_claimed(world, others[i], NULL));
    assert_true(is_claimed(world, "/anything", host_of(world->sandbox)));
    assert_false(is_claimed(world, "/anything", host_of("6f9619ff-8b86-4011-b42d-00c04fc964ff")));
}

static void path_form_reaches_the_sandbox(void **state)
{
    struct hb_world *world = *state;
    assert_string_equal(hb_text(hb_exec(world, "echo path"), "result/stdout"), "path\n");
}

static void host_form_reaches_the_sandbox(void **state)
{
    struct hb_world *world = *state;
    struct answer *a = with_token(world, "POST", "/sandbox/exec", host_of(world->sandbox), world->token,
                                  "{\"command\":\"echo host\"}");
    assert_string_equal(hb_text(a, "result/stdout"), "host\n");
    a = with_token(world, "GET", "/sandbox/processes", host_of(world->sandbox), world->token, NULL);
    assert_int_equal(cJSON_GetArraySize(hb_at(a, "data")), 1);
    a = with_token(world, "GET", "/sandbox", host_of(world->sandbox), world->token, NULL);
    hb_assert_refused(a, 404, "not_found");
}

static void host_form_base_is_handed_out_when_set(void **state)
{
    struct hb_world *world = *state;
    world->settings.host_suffix = ".sbx.test";
    hb_world_remake_dialect(world);
    hb_world_new_sandbox(world);
    char path[128], base[128];
    snprintf(path, sizeof path, "/api/sandbox/%s", world->sandbox);
    struct answer *a = hb_control(world, "GET", path, NULL);
    snprintf(base, sizeof base, "http://%s.sbx.test:8700", world->sandbox);
    assert_string_equal(hb_text(a, "runtime/baseUrl"), base);
}

/* As the lane does it when its scenarios change. */
static const void *change_settings(struct hb_world *world, const char *const *assignments)
{
    const void *ready = NULL;
    struct err err = ERR_INIT;
    if (hyperbrowser_dialect.prepare_settings(world->dialect, assignments, &ready, &err) < 0)
        fail_msg("%s", err.text);
    hyperbrowser_dialect.use_settings(world->dialect, ready);
    return ready;
}

static struct answer *look(struct hb_world *world)
{
    char path[128];
    snprintf(path, sizeof path, "/api/sandbox/%s", world->sandbox);
    return hb_control(world, "GET", path, NULL);
}

static void settings_of_a_lane_come_and_go(void **state)
{
    struct hb_world *world = *state;
    char assignment[] = "region=us-east";
    static const char *const nothing[] = { NULL };
    const char *const first[] = { "runtime_slash=1", assignment, "region=us-west", NULL };
    const char *const second[] = { "token_form=absent", NULL };
    const void *at_first = change_settings(world, nothing), *ready = change_settings(world, first);
    memset(assignment, 'x', sizeof assignment - 1);   /* they are the dialect's own */
    hb_world_new_sandbox(world);
    struct answer *a = look(world);
    assert_string_equal(hb_text(a, "region"), "us-west");
    const char *base = hb_text(a, "runtime/baseUrl");
    assert_int_equal(base[strlen(base) - 1], '/');
    change_settings(world, second);
    assert_null(cJSON_GetObjectItemCaseSensitive(look(world)->json, "token"));
    const char *const again[] = { "runtime_slash=1", "region=us-west", NULL };
    assert_ptr_equal(change_settings(world, again), ready);   /* kept once */
    assert_ptr_equal(change_settings(world, nothing), at_first);
    base = hb_text(look(world), "runtime/baseUrl");
    assert_int_not_equal(base[strlen(base) - 1], '/');
}

static void a_lane_has_only_so_many_settings(void **state)
{
    struct hb_world *world = *state;
    char assignment[64];
    const char *const list[] = { assignment, NULL };
    const void *ready = NULL;
    struct err err = ERR_INIT;
    for (int i = 1; i < 1000; i++) {
        snprintf(assignment, sizeof assignment, "token_lifetime_ms=%d", i);
        assert_int_equal(hyperbrowser_dialect.prepare_settings(world->dialect, list, &ready, &err), 0);
    }
    snprintf(assignment, sizeof assignment, "token_lifetime_ms=1000");
    assert_int_equal(hyperbrowser_dialect.prepare_settings(world->dialect, list, &ready, &err), -1);
    assert_int_equal(err.code, ERR_LIMIT);
    snprintf(assignment, sizeof assignment, "token_lifetime_ms=7");
    assert_int_equal(hyperbrowser_dialect.prepare_settings(world->dialect, list, &ready, &err), 0);
}

static void tokens_have_the_form_that_is_set(void **state)
{
    struct hb_world *world = *state;
    static const struct {
        const char *list[3];
        const char *token, *expiry;   /* JSON types: s, n, 0 (null), - (absent) */
    } rows[] = {
        { { NULL }, "s", "s" },
        { { "token_expiry=epoch_ms", NULL }, "s", "n" },
        { { "token_expiry=null", NULL }, "s", "0" },
        { { "token_form=null", NULL }, "0", "0" },
        { { "token_form=absent", NULL }, "-", "-" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *const names[] = { "token", "tokenExpiresAt" }, *const wanted[] = { rows[i].token, rows[i].expiry };
        change_settings(world, rows[i].list);
        const struct cJSON *json = look(world)->json;
        for (size_t k = 0; k < 2; k++) {
            const struct cJSON *member = cJSON_GetObjectItemCaseSensitive(json, names[k]);
            const char *seen = member == NULL ? "-" : cJSON_IsNull(member) ? "0" : cJSON_IsNumber(member) ? "n" : "s";
            assert_string_equal(seen, wanted[k]);
        }
    }
}

static void sandboxes_are_told_apart(void **state)
{
    struct hb_world *world = *state;
    struct hb_world first = *world;
    char id[64];
    hb_start(world, "read line", id);
    hb_world_new_sandbox(world);
    char rest[128];
    snprintf(rest, sizeof rest, "/processes/%s", id);
    hb_assert_refused(hb_runtime(world, "GET", rest, NULL), 404, "process_not_found");
    /* The other one's token is no good here. */
    snprintf(rest, sizeof rest, "/sandbox/%s/processes", first.sandbox);
    hb_assert_refused(with_token(world, "GET", rest, NULL, world->token, NULL), 401, "unauthorized");
}

static void unknown_sandboxes_are_not_found(void **state)
{
    struct hb_world *world = *state;
    static const char *const paths[] = { "/sandbox", "/sandbox/exec", "/sandbox/x/exec",
                                         "/sandbox/6f9619ff-8b86-4011-b42d-00c04fc964ff/exec",
                                         "/sandbox/6f9619ff-8b86-4011-b42d-00c04fc964ff-and-much-more/exec" };
    for (size_t i = 0; i < COUNT(paths); i++) {
        struct answer *a = with_token(world, "POST", paths[i], NULL, world->token, "{\"command\":\"id\"}");
        hb_assert_refused(a, 404, "sandbox_not_found");
        assert_non_null(strstr(hb_text(a, "message"), "not found"));
    }
}

/* ---- tokens ------------------------------------------------------------------------------------ */

static void bad_token_is_refused_before_anything_runs(void **state)
{
    struct hb_world *world = *state;
    char target[128];
    snprintf(target, sizeof target, "/sandbox/%s/exec", world->sandbox);
    static const char body[] = "{\"command\":\"echo x >> ran\"}";
    struct answer *refused = with_token(world, "POST", target, NULL, "garbage", body);
    hb_assert_refused(refused, 401, "unauthorized");
    assert_string_equal(refused->f.x.op_name, "process.exec");   /* the journal says what it was about */
    hb_assert_refused(with_token(world, "POST", target, NULL, "", body), 401, "unauthorized");
    struct answer *a = hb_new_answer(world, "POST", target);
    fake_exchange_header(&a->f, "x-api-key", world->token);
    fake_exchange_body(&a->f, body, strlen(body));
    hb_assert_refused(hb_send(world, a), 401, "unauthorized");
    assert_string_equal(hb_text(hb_exec(world, "echo x >> ran; cat ran"), "result/stdout"), "x\n");
}

static const char *fresh_token(struct hb_world *world)
{
    char path[128];
    snprintf(path, sizeof path, "/api/sandbox/%s", world->sandbox);
    return hb_text(hb_control(world, "GET", path, NULL), "token");
}

static void expired_token_is_refused_and_a_new_one_works(void **state)
{
    world_clock_scale = 10000;
    hb_world_setup_empty(state);
    struct hb_world *world = *state;
    world->settings.token_lifetime_ms = 3000; /* 0.3 ms */
    hb_world_remake_dialect(world);
    hb_world_new_sandbox(world);
    char old[128];
    snprintf(old, sizeof old, "%s", world->token);
    struct answer *a;
    int64_t limit = mono_ns() + 10 * 1000000000LL;
    do
        a = hb_runtime(world, "GET", "/processes", NULL);
    while (a->f.status == 200 && mono_ns() < limit);
    hb_assert_refused(a, 401, "unauthorized");
    world->settings.token_lifetime_ms = 3600000 * 1000LL;
    hb_world_remake_dialect(world);
    snprintf(world->token, sizeof world->token, "%s", fresh_token(world));
    assert_string_not_equal(world->token, old);
    assert_int_equal(hb_runtime(world, "GET", "/processes", NULL)->f.status, 200);
}

static void token_is_renewed_early_and_the_old_one_stays_good(void **state)
{
    struct hb_world *world = *state;
    assert_string_equal(fresh_token(world), world->token);
    world->settings.token_renew_below_ms = world->settings.token_lifetime_ms + 1;
    hb_world_remake_dialect(world);
    char newer[128];
    snprintf(newer, sizeof newer, "%s", fresh_token(world));
    assert_string_not_equal(newer, world->token);
    assert_int_equal(hb_runtime(world, "GET", "/processes", NULL)->f.status, 200);
    snprintf(world->token, sizeof world->token, "%s", newer);
    assert_int_equal(hb_runtime(world, "GET", "/processes", NULL)->f.status, 200);
}

static void stopped_sandbox_is_not_running(void **state)
{
    struct hb_world *world = *state;
    char path[128];
    snprintf(path, sizeof path, "/api/sandbox/%s/stop", world->sandbox);
    hb_control(world, "PUT", path, NULL);
    struct answer *a = hb_exec(world, "echo no");
    hb_assert_refused(a, 409, "sandbox_not_running");
    assert_non_null(strstr(hb_text(a, "message"), "not running"));
}

static void stop_ends_open_requests(void **state)
{
    struct hb_world *world = *state;
    char id[64], rest[128], path[128];
    hb_start(world, "echo up; exec sleep 300", id);
    snprintf(rest, sizeof rest, "/processes/%s/stream", id);
    struct answer *stream = hb_runtime_start(world, "GET", rest, NULL, NULL);
    struct answer *exec = hb_runtime_start(world, "POST", "/exec", "{\"command\":\"sleep 300\"}", NULL);
    assert_true(fake_exchange_await(&stream->f, "up\\n", 30));
    snprintf(path, sizeof path, "/api/sandbox/%s/stop", world->sandbox);
    assert_int_equal(hb_control(world, "PUT", path, NULL)->f.status, 200);
    hb_finish(stream);
    hb_finish(exec);
    assert_true(stream->f.ended);
    assert_non_null(strstr(buf_cstr(&stream->f.body), "\"status\":\"killed\""));
    /* It may have come before or after the start. */
    assert_true(exec->f.status == 409 || strstr(buf_cstr(&exec->f.body), "\"status\":\"killed\"") != NULL ||
                strstr(buf_cstr(&exec->f.body), "\"status\":\"failed\"") != NULL);
}

/* ---- what is not there --------------------------------------------------------------------------- */

static void files_and_terminals_say_not_supported(void **state)
{
    struct hb_world *world = *state;
    static const struct {
        const char *method, *rest;
    } rows[] = {
        { "GET", "/files?path=/" },  { "POST", "/files/read" },
        { "PUT", "/files/upload" },  { "GET", "/files/watch/x/ws" },
        { "POST", "/pty" },          { "GET", "/pty/x" },
        { "POST", "/pty/x/resize" }, { "GET", "/pty/x/ws?sessionId=1" },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct answer *a = hb_runtime(world, rows[i].method, rows[i].rest, "{}");
        hb_assert_refused(a, 501, "not_supported");
        assert_non_null(strstr(hb_text(a, "message"), "not supported yet"));
    }
}

static void unknown_routes_and_methods_are_told(void **state)
{
    struct hb_world *world = *state;
    hb_assert_refused(hb_runtime(world, "GET", "/exec", NULL), 405, "method_not_allowed");
    hb_assert_refused(hb_runtime(world, "PUT", "/processes", NULL), 405, "method_not_allowed");
    hb_assert_refused(hb_runtime(world, "GET", "", NULL), 404, "not_found");
    hb_assert_refused(hb_runtime(world, "GET", "/filesystem", NULL), 404, "not_found");
    hb_assert_refused(hb_runtime(world, "GET", "/processes/x/y", NULL), 404, "not_found");
}

static void exposed_port_says_that_its_traffic_is_not_carried(void **state)
{
    struct hb_world *world = *state;
    char host[128], path[128];
    snprintf(host, sizeof host, "3000-%s.localhost:8700", world->sandbox);
    snprintf(path, sizeof path, "/api/sandbox/%s/expose", world->sandbox);
    hb_assert_refused(with_token(world, "GET", "/", host, world->token, NULL), 403, "port_not_exposed");
    hb_control(world, "POST", path, "{\"port\":3000}");
    hb_assert_refused(with_token(world, "GET", "/", host, world->token, NULL), 501, "not_supported");
}

/* ---- catalogue ------------------------------------------------------------------------------------ */

static void used_images_are_listed_until_deleted(void **state)
{
    struct hb_world *world = *state;
    hb_control(world, "POST", "/api/sandbox", "{\"imageName\":\"mine\"}");
    struct answer *a = hb_control(world, "GET", "/api/images?search=MIN", NULL);
    assert_int_equal(hb_int(a, "totalCount"), 1);
    assert_string_equal(hb_text(a, "images/0/imageName"), "mine");
    assert_true(cJSON_IsTrue(hb_at(a, "images/0/ready")));
    char path[128];
    snprintf(path, sizeof path, "/api/images/%s", hb_text(a, "images/0/id"));
    a = hb_control(world, "DELETE", path, NULL);
    assert_true(cJSON_IsTrue(hb_at(a, "deleted")));
    assert_string_equal(hb_text(a, "imageName"), "mine");
    hb_assert_refused(hb_control(world, "DELETE", path, NULL), 404, "not_found");
    hb_assert_refused(hb_control(world, "POST", "/api/sandbox", "{\"imageName\":\"mine\"}"), 404, "not_found");
    /* A reset forgets that. */
    hyperbrowser_dialect.reset(world->dialect);
    assert_int_equal(hb_control(world, "POST", "/api/sandbox", "{\"imageName\":\"mine\"}")->f.status, 200);
}

static void snapshots_can_be_started_from(void **state)
{
    struct hb_world *world = *state;
    char path[128], body[256];
    snprintf(path, sizeof path, "/api/sandbox/%s/snapshot", world->sandbox);
    struct answer *snap = hb_control(world, "POST", path, "{\"snapshotName\":\"s1\"}");
    assert_int_equal(snap->f.status, 200);
    static const char *const members[] = { "snapshotName", "snapshotId", "namespace",     "status",
                                           "imageName",    "imageId",    "imageNamespace" };
    for (size_t i = 0; i < COUNT(members); i++)
        assert_true(strlen(hb_text(snap, members[i])) > 0);
    assert_true(strlen(hb_text(hb_control(world, "POST", path, ""), "snapshotName")) > 0);
    snprintf(body, sizeof body, "{\"snapshotName\":\"s1\",\"snapshotId\":\"%s\"}", hb_text(snap, "snapshotId"));
    assert_int_equal(hb_control(world, "POST", "/api/sandbox", body)->f.status, 200);
    struct answer *wrong =
        hb_control(world, "POST", "/api/sandbox", "{\"snapshotName\":\"s1\",\"snapshotId\":\"00000000-0000\"}");
    hb_assert_refused(wrong, 404, "not_found");
    hb_assert_refused(hb_control(world, "POST", "/api/sandbox", "{\"snapshotName\":\"s1\",\"vcpus\":1}"), 400,
                      "invalid_request");
    struct answer *list = hb_control(world, "GET", "/api/snapshots?status=created&limit=100", NULL);
    assert_int_equal(hb_int(list, "totalCount"), 2);
    assert_int_equal(hb_int(hb_control(world, "GET", "/api/snapshots?status=failed", NULL), "totalCount"), 0);
    struct answer *one = hb_control(world, "GET", "/api/snapshots/s1", NULL);
    assert_string_equal(hb_text(one, "snapshot/imageName"), "node");
    assert_int_equal(hb_control(world, "DELETE", "/api/snapshots/s1", NULL)->f.status, 200);
    hb_assert_refused(hb_control(world, "GET", "/api/snapshots/s1", NULL), 404, "not_found");
}

static void volumes_are_made_listed_and_deleted(void **state)
{
    struct hb_world *world = *state;
    struct answer *made = hb_control(world, "POST", "/api/volume", "{\"name\":\"data\"}");
    assert_string_equal(hb_text(made, "name"), "data");
    char path[128];
    snprintf(path, sizeof path, "/api/volume/%s", hb_text(made, "id"));
    assert_string_equal(hb_text(hb_control(world, "GET", path, NULL), "name"), "data");
    assert_string_equal(hb_text(hb_control(world, "GET", "/api/volume", NULL), "volumes/0/name"), "data");
    assert_true(cJSON_IsTrue(hb_at(hb_control(world, "DELETE", path, NULL), "deleted")));
    hb_assert_refused(hb_control(world, "GET", path, NULL), 404, "not_found");
    hb_assert_refused(hb_control(world, "POST", "/api/volume", "{}"), 400, "invalid_request");
}

#define WITH(name) cmocka_unit_test_setup_teardown(name, hb_world_setup, hb_world_teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        WITH(only_the_vendors_paths_and_hosts_are_claimed),
        WITH(path_form_reaches_the_sandbox),
        WITH(host_form_reaches_the_sandbox),
        WITH(host_form_base_is_handed_out_when_set),
        WITH(settings_of_a_lane_come_and_go),
        WITH(a_lane_has_only_so_many_settings),
        WITH(tokens_have_the_form_that_is_set),
        WITH(sandboxes_are_told_apart),
        WITH(unknown_sandboxes_are_not_found),
        WITH(bad_token_is_refused_before_anything_runs),
        cmocka_unit_test_teardown(expired_token_is_refused_and_a_new_one_works, hb_world_teardown),
        WITH(token_is_renewed_early_and_the_old_one_stays_good),
        WITH(stopped_sandbox_is_not_running),
        WITH(stop_ends_open_requests),
        WITH(files_and_terminals_say_not_supported),
        WITH(unknown_routes_and_methods_are_told),
        WITH(exposed_port_says_that_its_traffic_is_not_carried),
        WITH(used_images_are_listed_until_deleted),
        WITH(snapshots_can_be_started_from),
        WITH(volumes_are_made_listed_and_deleted),
    };
    return world_run_modes("hyperbrowser runtime", tests, COUNT(tests));
}
