/* Hyperbrowser's control plane: sandboxes made, shown, changed, stopped (wire page §1, §2). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "tests/support/hb_world.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

static const char *path_of(const struct hb_world *world, const char *rest)
{
    static char path[256];
    snprintf(path, sizeof path, "/api/sandbox/%s%s", world->sandbox, rest);
    return path;
}

static bool is_null(const struct answer *answer, const char *path)
{
    return cJSON_IsNull(hb_at(answer, path));
}

/* ---- keys ------------------------------------------------------------------------------- */

static int status_with(struct hb_world *world, const char *name, const char *value)
{
    struct answer *answer = hb_new_answer(world, "GET", "/api/sandboxes");
    if (name != NULL)
        fake_exchange_header(&answer->f, name, value);
    hb_send(world, answer);
    if (answer->f.status != 200)
        hb_assert_refused(answer, 401, "unauthorized");
    return answer->f.status;
}

static void any_key_but_none_is_taken(void **state)
{
    struct hb_world *world = *state;
    assert_int_equal(status_with(world, NULL, NULL), 401);
    assert_int_equal(status_with(world, "x-api-key", ""), 401);
    assert_int_equal(status_with(world, "x-api-key", "whatever"), 200);
    assert_int_equal(status_with(world, "authorization", "Bearer whatever"), 200);
    assert_int_equal(status_with(world, "authorization", "Bearer "), 401);
    assert_int_equal(status_with(world, "authorization", "Basic whatever"), 401);
}

static void only_listed_keys_are_taken(void **state)
{
    struct hb_world *world = *state;
    world->api_keys[0] = "one";
    world->api_keys[1] = "two";
    hb_world_remake_dialect(world);
    assert_int_equal(status_with(world, "x-api-key", "one"), 200);
    assert_int_equal(status_with(world, "X-Api-Key", "two"), 200);
    assert_int_equal(status_with(world, "authorization", "bearer two"), 200);
    assert_int_equal(status_with(world, "x-api-key", "on"), 401);
    assert_int_equal(status_with(world, "x-api-key", "oneone"), 401);
}

/* ---- create ------------------------------------------------------------------------------ */

static void created_sandbox_has_every_required_member(void **state)
{
    struct hb_world *world = *state;
    struct answer *a = hb_control(world, "POST", "/api/sandbox",
                                  "{\"imageName\":\"node\",\"region\":\"europe-west\",\"vcpus\":2,\"memMiB\":512,"
                                  "\"timeoutMinutes\":7,\"exposedPorts\":[{\"port\":3000,\"auth\":true},{\"port\":80}],"
                                  "\"allowInternetAccess\":true,\"denyOut\":[\"10.0.0.0/8\"],\"cwd\":null,"
                                  "\"mounts\":{\"/data\":{\"id\":\"v\",\"type\":\"ro\"}},\"futureKey\":[1]}");
    assert_int_equal(a->f.status, 200);
    assert_int_equal(strlen(hb_text(a, "id")), 36);
    assert_string_equal(hb_text(a, "status"), "active");
    assert_string_equal(hb_text(a, "region"), "europe-west");
    assert_string_equal(hb_text(a, "runtime/transport"), "regional_proxy");
    char base[128];
    snprintf(base, sizeof base, "http://127.0.0.1:8700/sandbox/%s", hb_text(a, "id"));
    assert_string_equal(hb_text(a, "runtime/baseUrl"), base);
    assert_string_equal(hb_text(a, "runtime/host"), "127.0.0.1");
    assert_true(hb_int(a, "duration") >= 0);
    assert_int_equal(hb_int(a, "vcpus"), 2);
    assert_int_equal(hb_int(a, "timeoutMinutes"), 7);
    assert_true(is_null(a, "diskSizeMiB") && is_null(a, "endTime") && is_null(a, "closeReason"));
    assert_int_equal(hb_int(a, "exposedPorts/0/port"), 80);
    assert_int_equal(hb_int(a, "exposedPorts/1/port"), 3000);
    assert_string_equal(hb_text(a, "network/denyOut/0"), "10.0.0.0/8");
    assert_non_null(strchr(hb_text(a, "createdAt"), 'T'));
    assert_non_null(strchr(hb_text(a, "tokenExpiresAt"), 'T'));
    assert_true(strlen(hb_text(a, "token")) > 20);
    assert_true(strlen(hb_text(a, "teamId")) > 0 && strlen(hb_text(a, "sessionUrl")) > 0);
    assert_true(cJSON_IsFalse(hb_at(a, "containsSecrets")));
}

static void bad_create_requests_are_refused(void **state)
{
    struct hb_world *world = *state;
    static const char *const bodies[] = {
        "",
        "nonsense",
        "[]",
        "{}",
        "{\"imageName\":\"\"}",
        "{\"imageName\":1}",
        "{\"imageName\":\"a\",\"snapshotName\":\"b\"}",
        "{\"imageId\":\"x\"}",
        "{\"imageName\":\"a\",\"snapshotId\":\"x\"}",
        "{\"imageName\":\"a\\u0000b\"}",
        "{\"imageName\":\"a\",\"region\":\"mars\"}",
        "{\"imageName\":\"a\",\"vcpus\":0}",
        "{\"imageName\":\"a\",\"vcpus\":-1}",
        "{\"imageName\":\"a\",\"vcpus\":1.5}",
        "{\"imageName\":\"a\",\"memMiB\":\"1\"}",
        "{\"imageName\":\"a\",\"timeoutMinutes\":0}",
        "{\"imageName\":\"a\",\"timeoutMinutes\":1e300}",
        "{\"imageName\":\"a\",\"exposedPorts\":{}}",
        "{\"imageName\":\"a\",\"exposedPorts\":[4001]}",
        "{\"imageName\":\"a\",\"exposedPorts\":[{\"port\":4001}]}",
        "{\"imageName\":\"a\",\"exposedPorts\":[{\"port\":0}]}",
        "{\"imageName\":\"a\",\"mounts\":[]}",
        "{\"imageName\":\"a\",\"mounts\":{\"/d\":{\"id\":\"v\",\"type\":\"rx\"}}}",
        "{\"imageName\":\"a\",\"allowInternetAccess\":1}",
        "{\"imageName\":\"a\",\"allowOut\":[1]}",
        "{\"imageName\":\"a\",\"enableRecording\":\"yes\"}",
    };
    for (size_t i = 0; i < COUNT(bodies); i++)
        hb_assert_refused(hb_control(world, "POST", "/api/sandbox", bodies[i]), 400, "invalid_request");
    assert_int_equal(hb_int(hb_control(world, "GET", "/api/sandboxes", NULL), "totalCount"), 0);
}

static void sandbox_with_secrets_is_refused(void **state)
{
    struct hb_world *world = *state;
    hb_assert_refused(hb_control(world, "POST", "/api/sandbox", "{\"imageName\":\"a\",\"vault\":\"v\"}"), 403,
                      "SECRETS_FEATURE_DISABLED");
    hb_world_new_sandbox(world);
    hb_assert_refused(hb_control(world, "POST", path_of(world, "/processes"), "{\"command\":\"id\",\"secrets\":{}}"),
                      403, "SECRETS_FEATURE_DISABLED");
}

static void missing_images_are_not_found(void **state)
{
    struct hb_world *world = *state;
    static const char *const bodies[] = {
        "{\"imageName\":\"missing-one\"}",
        "{\"imageName\":\"node\",\"imageId\":\"6f9619ff-8b86-4011-b42d-00c04fc964ff\"}",
        "{\"imageName\":\"never-used\",\"imageId\":\"6f9619ff-8b86-4011-b42d-00c04fc964ff\"}",
    };
    for (size_t i = 0; i < COUNT(bodies); i++) {
        struct answer *a = hb_control(world, "POST", "/api/sandbox", bodies[i]);
        hb_assert_refused(a, 404, "not_found");
        assert_non_null(strstr(hb_text(a, "message"), "image not found"));
    }
    struct answer *a = hb_control(world, "POST", "/api/sandbox", "{\"snapshotName\":\"none\"}");
    hb_assert_refused(a, 404, "not_found");
    assert_non_null(strstr(hb_text(a, "message"), "snapshot not found"));
}

/* ---- get, list, stop ---------------------------------------------------------------------- */

static void stopped_sandbox_is_shown_closed_and_without_token(void **state)
{
    struct hb_world *world = *state;
    for (int i = 0; i < 2; i++) {
        struct answer *stopped = hb_control(world, "PUT", path_of(world, "/stop"), i == 0 ? "" : NULL);
        assert_int_equal(stopped->f.status, 200);
        assert_true(cJSON_IsTrue(hb_at(stopped, "success")));
    }
    struct answer *a = hb_control(world, "GET", path_of(world, ""), NULL);
    assert_int_equal(a->f.status, 200);
    assert_string_equal(hb_text(a, "status"), "closed");
    assert_string_equal(hb_text(a, "closeReason"), "stopped");
    assert_true(is_null(a, "token") && is_null(a, "tokenExpiresAt"));
    assert_true(hb_int(a, "endTime") >= hb_int(a, "startTime"));
    assert_int_equal(hb_int(a, "duration"), hb_int(a, "endTime") - hb_int(a, "startTime"));
}

static void unknown_sandbox_is_not_found(void **state)
{
    struct hb_world *world = *state;
    static const struct {
        const char *method, *rest;
    } rows[] = {
        { "GET", "" },           { "PUT", "/stop" },    { "POST", "/snapshot" },  { "POST", "/expose" },
        { "POST", "/unexpose" }, { "PUT", "/network" }, { "POST", "/processes" },
    };
    snprintf(world->sandbox, sizeof world->sandbox, "6f9619ff-8b86-4011-b42d-00c04fc964ff");
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct answer *a = hb_control(world, rows[i].method, path_of(world, rows[i].rest), "{\"port\":1}");
        hb_assert_refused(a, 404, "sandbox_not_found");
        assert_non_null(strstr(hb_text(a, "message"), "not found"));
    }
}

static void unknown_routes_and_methods_are_told(void **state)
{
    struct hb_world *world = *state;
    hb_assert_refused(hb_control(world, "GET", "/api/sandbox", NULL), 405, "method_not_allowed");
    hb_assert_refused(hb_control(world, "DELETE", path_of(world, ""), NULL), 405, "method_not_allowed");
    hb_assert_refused(hb_control(world, "GET", path_of(world, "/nonsense"), NULL), 404, "not_found");
    hb_assert_refused(hb_control(world, "POST", "/api/images/builds", "{}"), 501, "not_supported");
    hb_assert_refused(hb_control(world, "GET", "/api/images/builds/x", NULL), 501, "not_supported");
}

static void lists_have_pages_and_filters(void **state)
{
    struct hb_world *world = *state;
    char first[64];
    snprintf(first, sizeof first, "%s", world->sandbox);
    hb_world_new_sandbox(world);
    hb_world_new_sandbox(world);
    hb_control(world, "PUT", path_of(world, "/stop"), NULL);
    struct answer *a = hb_control(world, "GET", "/api/sandboxes", NULL);
    assert_int_equal(hb_int(a, "totalCount"), 3);
    assert_int_equal(hb_int(a, "page"), 1);
    assert_int_equal(hb_int(a, "perPage"), 10);
    assert_string_equal(hb_text(a, "sandboxes/2/id"), first);
    assert_null(cJSON_GetObjectItem(hb_at(a, "sandboxes/0"), "token"));
    a = hb_control(world, "GET", "/api/sandboxes?page=3&limit=1", NULL);
    assert_string_equal(hb_text(a, "sandboxes/0/id"), first);
    a = hb_control(world, "GET", "/api/sandboxes?page=4&limit=1", NULL);
    assert_int_equal(cJSON_GetArraySize(hb_at(a, "sandboxes")), 0);
    assert_int_equal(hb_int(a, "totalCount"), 3);
    a = hb_control(world, "GET", "/api/sandboxes?status=closed", NULL);
    assert_int_equal(hb_int(a, "totalCount"), 1);
    assert_string_equal(hb_text(a, "sandboxes/0/id"), world->sandbox);
    char query[128];
    snprintf(query, sizeof query, "/api/sandboxes?search=%.8s", first);
    assert_int_equal(hb_int(hb_control(world, "GET", query, NULL), "totalCount"), 1);
    assert_int_equal(hb_int(hb_control(world, "GET", "/api/sandboxes?end=1000", NULL), "totalCount"), 0);
    assert_int_equal(hb_int(hb_control(world, "GET", "/api/sandboxes?limit=5000", NULL), "perPage"), 100);
}

static void bad_list_queries_are_refused(void **state)
{
    struct hb_world *world = *state;
    static const char *const queries[] = { "page=0",      "page=-1",        "page=x",
                                           "page=1.5",    "limit=0",        "limit=99999999999999999999",
                                           "status=open", "start=yesterday" };
    for (size_t i = 0; i < COUNT(queries); i++) {
        char target[128];
        snprintf(target, sizeof target, "/api/sandboxes?%s", queries[i]);
        hb_assert_refused(hb_control(world, "GET", target, NULL), 400, "invalid_request");
    }
}

/* The engine's timers follow the API clock. */
static void lifetime_ends_the_sandbox(void **state)
{
    world_clock_scale = 2000;
    hb_world_setup_empty(state);
    struct hb_world *world = *state;
    struct answer *a = hb_control(world, "POST", "/api/sandbox", "{\"imageName\":\"a\",\"timeoutMinutes\":20}");
    snprintf(world->sandbox, sizeof world->sandbox, "%s", hb_text(a, "id"));
    snprintf(world->token, sizeof world->token, "%s", hb_text(a, "token"));
    a = hb_exec(world, "sleep 300"); /* ends with the sandbox */
    assert_string_equal(hb_text(a, "result/status"), "killed");
    /* 20 minutes are 0.6 s; the state changes a moment after its processes have died. */
    int64_t limit = mono_ns() + 20 * 1000000000LL;
    do
        a = hb_control(world, "GET", path_of(world, ""), NULL);
    while (is_null(a, "endTime") && mono_ns() < limit);
    assert_string_equal(hb_text(a, "status"), "closed");
    assert_string_equal(hb_text(a, "closeReason"), "timeout");
}

/* ---- ports, network ------------------------------------------------------------------------- */

static void ports_are_exposed_and_taken_back(void **state)
{
    struct hb_world *world = *state;
    char url[128];
    struct answer *a = hb_control(world, "POST", path_of(world, "/expose"), "{\"port\":3000}");
    assert_int_equal(a->f.status, 200);
    assert_int_equal(hb_int(a, "port"), 3000);
    assert_true(cJSON_IsFalse(hb_at(a, "auth")));
    snprintf(url, sizeof url, "http://3000-%s.127.0.0.1:8700/", world->sandbox);
    assert_string_equal(hb_text(a, "url"), url);
    a = hb_control(world, "POST", path_of(world, "/expose"), "{\"port\":3000,\"auth\":true}");
    assert_true(cJSON_IsTrue(hb_at(a, "auth")));
    a = hb_control(world, "GET", path_of(world, ""), NULL);
    assert_int_equal(cJSON_GetArraySize(hb_at(a, "exposedPorts")), 1);
    a = hb_control(world, "POST", path_of(world, "/unexpose"), "{\"port\":3000}");
    assert_int_equal(hb_int(a, "port"), 3000);
    assert_true(cJSON_IsFalse(hb_at(a, "exposed")));
    a = hb_control(world, "GET", path_of(world, ""), NULL);
    assert_int_equal(cJSON_GetArraySize(hb_at(a, "exposedPorts")), 0);
    a = hb_control(world, "POST", path_of(world, "/expose"), "{\"port\":4001}");
    hb_assert_refused(a, 400, "invalid_request");
    assert_non_null(strstr(hb_text(a, "message"), "cannot be exposed"));
    hb_assert_refused(hb_control(world, "POST", path_of(world, "/expose"), "{}"), 400, "invalid_request");
}

static void ports_have_a_limit(void **state)
{
    struct hb_world *world = *state;
    char body[32];
    for (int port = 1; port <= 64; port++) {
        snprintf(body, sizeof body, "{\"port\":%d}", port);
        assert_int_equal(hb_control(world, "POST", path_of(world, "/expose"), body)->f.status, 200);
    }
    hb_assert_refused(hb_control(world, "POST", path_of(world, "/expose"), "{\"port\":65}"), 400, "invalid_request");
}

static void network_policy_is_changed_by_parts(void **state)
{
    struct hb_world *world = *state;
    assert_true(is_null(hb_control(world, "GET", path_of(world, ""), NULL), "network"));
    hb_control(world, "PUT", path_of(world, "/network"), "{\"allowOut\":[\"a.test\",\"b.test\"]}");
    struct answer *a = hb_control(world, "PUT", path_of(world, "/network"),
                                  "{\"allowInternetAccess\":false,\"denyOut\":[\"c.test\"]}");
    assert_int_equal(a->f.status, 200);
    assert_true(cJSON_IsFalse(hb_at(a, "network/allowInternetAccess")));
    assert_string_equal(hb_text(a, "network/allowOut/1"), "b.test");
    assert_string_equal(hb_text(a, "network/denyOut/0"), "c.test");
    a = hb_control(world, "PUT", path_of(world, "/network"), "{\"allowOut\":[]}");
    assert_int_equal(cJSON_GetArraySize(hb_at(a, "network/allowOut")), 0);
    hb_assert_refused(hb_control(world, "PUT", path_of(world, "/network"), "{\"allowOut\":\"x\"}"), 400,
                      "invalid_request");
}

static void stopped_sandbox_cannot_be_changed(void **state)
{
    struct hb_world *world = *state;
    hb_control(world, "PUT", path_of(world, "/stop"), NULL);
    static const struct {
        const char *method, *rest;
    } rows[] = {
        { "POST", "/snapshot" },
        { "POST", "/expose" },
        { "POST", "/unexpose" },
        { "PUT", "/network" },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct answer *a = hb_control(world, rows[i].method, path_of(world, rows[i].rest), "{\"port\":1}");
        hb_assert_refused(a, 409, "sandbox_not_running");
        assert_non_null(strstr(hb_text(a, "message"), "Sandbox is not running"));
    }
}

#define WITH(name)  cmocka_unit_test_setup_teardown(name, hb_world_setup, hb_world_teardown)
#define EMPTY(name) cmocka_unit_test_setup_teardown(name, hb_world_setup_empty, hb_world_teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        EMPTY(any_key_but_none_is_taken),
        EMPTY(only_listed_keys_are_taken),
        EMPTY(created_sandbox_has_every_required_member),
        EMPTY(bad_create_requests_are_refused),
        EMPTY(sandbox_with_secrets_is_refused),
        EMPTY(missing_images_are_not_found),
        WITH(stopped_sandbox_is_shown_closed_and_without_token),
        WITH(unknown_sandbox_is_not_found),
        WITH(unknown_routes_and_methods_are_told),
        WITH(lists_have_pages_and_filters),
        EMPTY(bad_list_queries_are_refused),
        cmocka_unit_test_teardown(lifetime_ends_the_sandbox, hb_world_teardown),
        WITH(ports_are_exposed_and_taken_back),
        WITH(ports_have_a_limit),
        WITH(network_policy_is_changed_by_parts),
        WITH(stopped_sandbox_cannot_be_changed),
    };
    return world_run_modes("hyperbrowser", tests, COUNT(tests));
}
