/* dialects/router.c and query.c: which handler, with which parameters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "dialects/dialect.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

static void no_handler(void *dialect, struct exchange *x, const struct route_params *params)
{
    (void) dialect;
    (void) x;
    (void) params;
}

static const struct route routes[] = {
    { "GET", "/api/sandboxes", no_handler },
    { "POST", "/api/sandbox", no_handler },
    { "GET", "/api/sandbox/:id", no_handler },
    { "PUT", "/api/sandbox/:id/stop", no_handler },
    { "GET", "/sandbox/:id/processes/special", no_handler },
    { "GET", "/sandbox/:id/processes/:process", no_handler },
    { "DELETE", "/sandbox/:id/processes/:process", no_handler },
    { NULL, "/any/:thing", no_handler },
    { "GET", "/files/:id/*", no_handler },
    { "GET", "/", no_handler },
};

static enum route_result find(const char *method, const char *path, const struct route **out,
                              struct route_params *params)
{
    *out = NULL;
    params->count = 99;
    return route_find(routes, COUNT(routes), method, path, out, params);
}

static void first_fitting_row_is_found_with_its_parameters(void **state)
{
    (void) state;
    static const struct {
        const char *method, *path;
        size_t row, count;
        const char *first, *second;
    } rows[] = {
        { "GET", "/api/sandboxes", 0, 0, NULL, NULL },
        { "POST", "/api/sandbox", 1, 0, NULL, NULL },
        { "GET", "/api/sandbox/abc", 2, 1, "abc", NULL },
        { "PUT", "/api/sandbox/abc/stop", 3, 1, "abc", NULL },
        { "GET", "/sandbox/s/processes/special", 4, 1, "s", NULL },
        { "GET", "/sandbox/s/processes/p 1", 5, 2, "s", "p 1" },
        { "DELETE", "/sandbox/s/processes/special", 6, 2, "s", "special" },
        { "BREW", "/any/x", 7, 1, "x", NULL },
        { "GET", "/files/s/a/b/../c", 8, 2, "s", "a/b/../c" },
        { "GET", "/files/s/", 8, 2, "s", "" },
        { "GET", "/", 9, 0, NULL, NULL },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct route *route;
        struct route_params params;
        assert_int_equal(find(rows[i].method, rows[i].path, &route, &params), ROUTE_FOUND);
        assert_ptr_equal(route, &routes[rows[i].row]);
        assert_int_equal(params.count, rows[i].count);
        if (rows[i].first != NULL)
            assert_string_equal(params.value[0], rows[i].first);
        if (rows[i].second != NULL)
            assert_string_equal(params.value[1], rows[i].second);
    }
}

static void unknown_paths_fit_nothing(void **state)
{
    (void) state;
    static const char *const paths[] = {
        "", "/api", "/api/", "/api/sandboxes/", "/api/sandbox/", "/api/sandbox//stop", "/api/sandbox/a/stop/",
        "/API/sandboxes", "/api/sandboxesx", "/files", "/files/s", "api/sandboxes", "/sandbox/s/processes/",
    };
    for (size_t i = 0; i < COUNT(paths); i++) {
        const struct route *route;
        struct route_params params;
        assert_int_equal(find("GET", paths[i], &route, &params), ROUTE_NO_PATH);
        assert_null(route);
        assert_int_equal(params.count, 99);   /* outputs only on success */
    }
}

static void known_path_with_another_method_is_told_apart(void **state)
{
    (void) state;
    const struct route *route;
    struct route_params params;
    assert_int_equal(find("DELETE", "/api/sandboxes", &route, &params), ROUTE_NO_METHOD);
    assert_int_equal(find("get", "/api/sandboxes", &route, &params), ROUTE_NO_METHOD);
    assert_int_equal(find("PATCH", "/sandbox/s/processes/p", &route, &params), ROUTE_NO_METHOD);
    assert_null(route);
}

static void overlong_parameter_fits_nothing(void **state)
{
    (void) state;
    const struct route *route;
    struct route_params params;
    char path[400] = "/any/";
    memset(path + 5, 'x', 255);
    path[260] = '\0';
    assert_int_equal(find("GET", path, &route, &params), ROUTE_FOUND);
    assert_int_equal(strlen(params.value[0]), 255);
    path[260] = 'x';
    path[261] = '\0';
    assert_int_equal(find("GET", path, &route, &params), ROUTE_NO_PATH);
}

static void more_parameters_than_there_is_room_for_fit_nothing(void **state)
{
    (void) state;
    static const struct route many[] = { { "GET", "/:a/:b/:c/:d/:e", no_handler } };
    const struct route *route = NULL;
    struct route_params params;
    assert_int_equal(route_find(many, 1, "GET", "/1/2/3/4/5", &route, &params), ROUTE_NO_PATH);
    assert_null(route);
}

static void query_values_are_decoded(void **state)
{
    (void) state;
    static const struct {
        const char *query, *name, *value;
    } rows[] = {
        { "a=1&b=2", "a", "1" },
        { "a=1&b=2", "b", "2" },
        { "a=1&a=2", "a", "1" },
        { "path=%2Ftmp%2fx+y%20z", "path", "/tmp/x y z" },
        { "a=%", "a", "%" },
        { "a=%4", "a", "%4" },
        { "a=%zz%41", "a", "%zzA" },
        { "a=b=c", "a", "b=c" },
        { "a", "a", "" },
        { "a=", "a", "" },
        { "&&a=1", "a", "1" },
        { "na%6de=x", "name", "x" },
        { "u=%E2%82%AC", "u", "\xE2\x82\xAC" },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        BUF_AUTO out = BUF_INIT;
        assert_true(query_get(rows[i].query, rows[i].name, &out));
        assert_string_equal(buf_cstr(&out), rows[i].value);
    }
}

static void query_value_may_hold_a_nul(void **state)
{
    (void) state;
    BUF_AUTO out = BUF_INIT;
    assert_true(query_get("a=x%00y", "a", &out));
    assert_int_equal(out.len, 3);
    assert_memory_equal(out.data, "x\0y", 3);
}

static void absent_query_parameters_are_absent(void **state)
{
    (void) state;
    static const char *const queries[] = { "", "b=1", "aa=1", "A=1", "=1", "&", "b=a", "b=1&c" };
    for (size_t i = 0; i < COUNT(queries); i++) {
        BUF_AUTO out = BUF_INIT;
        buf_str(&out, "kept");
        assert_false(query_get(queries[i], "a", &out));
        assert_string_equal(out.data, "kept");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_fitting_row_is_found_with_its_parameters),
        cmocka_unit_test(unknown_paths_fit_nothing),
        cmocka_unit_test(known_path_with_another_method_is_told_apart),
        cmocka_unit_test(overlong_parameter_fits_nothing),
        cmocka_unit_test(more_parameters_than_there_is_room_for_fit_nothing),
        cmocka_unit_test(query_values_are_decoded),
        cmocka_unit_test(query_value_may_hold_a_nul),
        cmocka_unit_test(absent_query_parameters_are_absent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
