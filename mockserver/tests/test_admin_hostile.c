/* Bodies that are wrong: refused with the place and the nearest name, nothing done. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "tests/support/admin_world.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

static void wrong_bodies_are_refused_with_their_place(void **state)
{
    struct admin_world *w = *state;
    static const struct { const char *path, *body, *says; } rows[] = {
        { "/__admin/clock/advance", NULL, "the text ends too early" },
        { "/__admin/clock/advance", "{}", "BODY:1:1: /: needs \\\"ms\\\"" },
        { "/__admin/clock/advance", "[]", "must be an object, not a list" },
        { "/__admin/clock/advance", "null", "must be an object, not null" },
        { "/__admin/clock/advance", "{\"ms\":1,}", "BODY:1:9: " },
        { "/__admin/clock/advance", "{\"ms\":-1}", "BODY:1:7: /ms: must be from 0 to" },
        { "/__admin/clock/advance", "{\"ms\":1.5}", "/ms: must be a whole number, not 1.5" },
        { "/__admin/clock/advance", "{\"ms\":1e300}", "/ms: must be from 0 to" },
        { "/__admin/clock/advance", "{\"ms\":\"1\"}", "/ms: must be a whole number, not a string" },
        { "/__admin/clock/advance", "{\"ms\":null}", "/ms: must be a whole number, not null" },
        { "/__admin/clock/advance", "{\"ms\":1,\"ms\":2}", "stands here twice" },
        { "/__admin/clock/advance", "{\"sm\":1}", "BODY:1:2: /sm: unknown key \\\"sm\\\": did you mean \\\"ms\\\"?" },
        { "/__admin/clock/run", "{\"scale\":0}", "/scale: must be above 0" },
        { "/__admin/clock/run", "{\"scale\":-2}", "/scale: must be above 0" },
        { "/__admin/clock/run", "{\"scale\":1e7}", "/scale: must be above 0 and at most 1000000" },
        { "/__admin/lanes", "{\"name\":\"\"}", "/name: must not be empty" },
        { "/__admin/lanes", "{\"name\":\"a/b\"}", "/name: must be up to 64 of" },
        { "/__admin/lanes", "{\"name\":\"..\"}", "/name: must be up to 64 of" },
        { "/__admin/lanes", "{\"name\":\"a\\u0000b\"}", "/name: must not hold a NUL character" },
        { "/__admin/lanes", "{\"name\":\"x\",\"scenarios\":[]}",
          "/scenarios: unknown key \\\"scenarios\\\": known are name" },
        { "/__admin/barriers/open", "{\"name\":\"b\",\"for_good\":1}",
          "/for_good: must be true or false, not a number" },
        { "/__admin/barriers/open", "{\"for_good\":true}", "needs \\\"name\\\"" },
        { "/__admin/requests/find", "{\"op\":\"process.strat\"}",
          "/op: unknown operation \\\"process.strat\\\": did you mean \\\"process.start\\\"?" },
        { "/__admin/requests/find", "{\"op\":\"zzz\"}", "known are sandbox.create" },
        { "/__admin/requests/find", "{\"pth\":\"/x\"}", "did you mean \\\"path\\\"?" },
        { "/__admin/requests/find", "{\"count\":1}", "/count: unknown key" },
        { "/__admin/requests/find", "{\"status\":99}", "/status: must be from 100 to 599" },
        { "/__admin/requests/find", "{\"fault\":\"CONNECTION_RESET\"}",
          "/fault: unknown fault \\\"CONNECTION_RESET\\\": did you mean \\\"CONNECTION_RESET_BY_PEER\\\"?" },
        { "/__admin/requests/find", "{\"header\":[\"a\"]}", "/header: must be an object, not a list" },
        { "/__admin/requests/find", "{\"header\":{\"a\":1}}", "/header/a: must be a string, not a number" },
        { "/__admin/requests/wait", "{\"timeout_ms\":600001}", "/timeout_ms: must be from 0 to 600000" },
        { "/__admin/requests/wait", "{\"count\":0}", "/count: must be from 1 to" },
        { "/__admin/processes/wait", "{\"state\":\"runing\"}", "did you mean \\\"running\\\"?" },
        { "/__admin/facts/wait", "{\"process\":\"p\"}", "needs \\\"fact\\\"" },
        { "/__admin/facts/wait", "{\"fact\":\"exit\"}", "/fact: unknown" },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        ASKED *a = admin_ask(w, "POST", rows[i].path, rows[i].body);
        if (a->f.status != 400 || strstr(buf_cstr(&a->f.body), rows[i].says) == NULL)
            fail_msg("%s %s: %d %s", rows[i].path, rows[i].body == NULL ? "" : rows[i].body, a->f.status,
                     buf_cstr(&a->f.body));
    }
    ASKED *lanes = admin_ask(w, "GET", "/__admin/lanes", NULL);
    assert_int_equal(json_length(lanes->json, "lanes"), 1);
}

static void refused_bodies_make_no_lane_and_move_no_clock(void **state)
{
    struct admin_world *w = *state;
    ASKED *frozen = admin_ask(w, "POST", "/__admin/clock/freeze", NULL);
    int before = json_number(json_item(frozen->json, "clocks", 0), "now_ms");
    ASKED *bad = admin_ask(w, "POST", "/__admin/clock/advance?lane=fresh", "{\"ms\":5,\"x\":1}");
    assert_int_equal(bad->f.status, 400);
    ASKED *bad_query = admin_ask(w, "POST", "/__admin/clock/advance?lain=default", "{\"ms\":5}");
    assert_int_equal(bad_query->f.status, 400);
    ASKED *lanes = admin_ask(w, "GET", "/__admin/lanes", NULL);
    assert_int_equal(json_length(lanes->json, "lanes"), 1);
    ASKED *clock = admin_ask(w, "GET", "/__admin/clock", NULL);
    assert_int_equal(json_number(json_item(clock->json, "clocks", 0), "now_ms"), before);
}

static void large_deep_and_broken_bodies_are_refused(void **state)
{
    struct admin_world *w = *state;
    size_t size = (size_t) 10 * 1024 * 1024;
    char *body = malloc(size);
    assert_non_null(body);
    memset(body, ' ', size);
    ASKED *large = admin_ask_bytes(w, "POST", "/__admin/requests/find", body, size);
    assert_int_equal(large->f.status, 413);
    memset(body, '[', 1000);
    ASKED *deep = admin_ask_bytes(w, "POST", "/__admin/requests/find", body, 1000);
    assert_int_equal(deep->f.status, 400);
    assert_non_null(strstr(buf_cstr(&deep->f.body), "nested too deep"));
    ASKED *binary = admin_ask_bytes(w, "POST", "/__admin/requests/find", "{\"op\":\"\xff\xfe\"}", 11);
    assert_int_equal(binary->f.status, 400);
    assert_non_null(strstr(buf_cstr(&binary->f.body), "UTF-8"));
    free(body);
}

static void too_many_or_too_long_patterns_are_refused(void **state)
{
    struct admin_world *w = *state;
    BUF_AUTO many = BUF_INIT, star = BUF_INIT;
    buf_str(&many, "{\"header\":{");
    for (int i = 0; i < 33; i++)
        buf_printf(&many, "%s\"h%d\":\"*\"", i == 0 ? "" : ",", i);
    buf_str(&many, "}}");
    ASKED *headers = admin_ask(w, "POST", "/__admin/requests/count", buf_cstr(&many));
    assert_int_equal(headers->f.status, 400);
    buf_str(&star, "{\"path\":\"");
    for (int i = 0; i < 600; i++)
        buf_str(&star, "*a");
    buf_str(&star, "\"}");
    ASKED *path = admin_ask(w, "POST", "/__admin/requests/count", buf_cstr(&star));
    assert_int_equal(path->f.status, 400);
    assert_non_null(strstr(buf_cstr(&path->f.body), "/path: "));
    BUF_AUTO name = BUF_INIT;
    buf_str(&name, "{\"name\":\"");
    for (int i = 0; i < 201; i++)
        buf_char(&name, 'b');
    buf_str(&name, "\"}");
    ASKED *barrier = admin_ask(w, "POST", "/__admin/barriers/open", buf_cstr(&name));
    assert_int_equal(barrier->f.status, 400);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, admin_world_setup, admin_world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(wrong_bodies_are_refused_with_their_place),
        TEST(refused_bodies_make_no_lane_and_move_no_clock),
        TEST(large_deep_and_broken_bodies_are_refused),
        TEST(too_many_or_too_long_patterns_are_refused),
    };
    return world_run_modes("admin hostile", tests, COUNT(tests));
}
