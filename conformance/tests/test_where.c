/* run/where: where the server is, filled into texts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include <cjson/cJSON.h>

#include "run/where.h"

#define URL "http://127.0.0.1:8700"

static void url_and_host_are_filled_in_and_nothing_else_is(void **state)
{
    static const struct { const char *text, *filled; } rows[] = {
        { "", "" },
        { "${url}", URL },
        { "${url}/x${host}/", URL "/x127.0.0.1:8700/" },
        { "$${url}$", "$" URL "$" },
        { "${Url} ${url ${urls} ${HOME} $url {url}", "${Url} ${url ${urls} ${HOME} $url {url}" },
        { "${${host}}", "${127.0.0.1:8700}" },
    };
    (void) state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        BUF_AUTO out = BUF_INIT;
        where_fill(URL, rows[i].text, &out);
        assert_string_equal(buf_cstr(&out), rows[i].filled);
    }
}

static void a_host_is_what_stands_before_the_path(void **state)
{
    static const struct { const char *url, *host; } rows[] = {
        { URL, "127.0.0.1:8700" }, { URL "/lane/x", "127.0.0.1:8700" }, { "http://[::1]:80/", "[::1]:80" },
        { "example.test", "example.test" },
    };
    (void) state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        BUF_AUTO out = BUF_INIT;
        where_host(rows[i].url, &out);
        assert_string_equal(buf_cstr(&out), rows[i].host);
    }
}

static void every_text_of_a_value_is_filled(void **state)
{
    (void) state;
    cJSON *json = cJSON_Parse("{\"${url}\":[\"${host}\",1,null,{\"a\":\"a${url}b${url}\"}]}");
    assert_int_equal(where_fill_json(URL, json), 0);
    char *text = cJSON_PrintUnformatted(json);
    assert_string_equal(text, "{\"${url}\":[\"127.0.0.1:8700\",1,null,{\"a\":\"a" URL "b" URL "\"}]}");
    cJSON_free(text);
    cJSON_Delete(json);
}

static void a_vendor_has_its_carrier(void **state)
{
    (void) state;
    assert_int_equal(where_carrier_of("coreweave"), WHERE_GRPC);
    assert_int_equal(where_carrier_of("hyperbrowser"), WHERE_HTTP);
    assert_int_equal(where_carrier_of("nobody-knows"), WHERE_HTTP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(url_and_host_are_filled_in_and_nothing_else_is),
        cmocka_unit_test(a_host_is_what_stands_before_the_path),
        cmocka_unit_test(every_text_of_a_value_is_filled),
        cmocka_unit_test(a_vendor_has_its_carrier),
    };
    return cmocka_run_group_tests_name("where", tests, NULL, NULL);
}
