/* lanes: secrets do not get into the ledger. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "lanes/ledger_redact.h"

/* ---- headers and queries ------------------------------------------------------------- */

static void check_header(const char *name, const char *value, const char *shown)
{
    BUF_AUTO out = BUF_INIT;
    redact_header(&out, name, value);
    assert_string_equal(buf_cstr(&out), shown);
}

static void headers_keep_their_scheme_and_lose_their_credentials(void **state)
{
    (void) state;
    check_header("Authorization", "Bearer abc.def", "Bearer [redacted]");
    check_header("authorization", "basic YTpi", "basic [redacted]");
    check_header("Authorization", "hunter2", "[redacted]");
    check_header("Authorization", "my hunter2", "[redacted]");
    check_header("X-Api-Key", "sk-123", "[redacted]");
    check_header("Cookie", "sid=1; b=2", "[redacted]");
    check_header("Content-Type", "text/plain", "text/plain");
}

static void that_a_credential_is_empty_is_shown(void **state)
{
    (void) state;
    check_header("Authorization", "", "");
    check_header("Authorization", "Bearer", "Bearer");
    check_header("Authorization", "Bearer ", "Bearer ");
}

static void check_query(const char *query, const char *shown)
{
    BUF_AUTO out = BUF_INIT;
    redact_query(&out, query);
    assert_string_equal(buf_cstr(&out), shown);
}

static void query_parameters_are_redacted_one_by_one(void **state)
{
    (void) state;
    check_query("", "");
    check_query("a=1&token=abc&b=2", "a=1&token=[redacted]&b=2");
    check_query("token=a=b&&apiKey=c", "token=[redacted]&&apiKey=[redacted]");
    check_query("%74oken=abc&t%6Fken=x", "%74oken=[redacted]&t%6Fken=[redacted]");
    check_query("token&token=&q=token", "token&token=&q=token");
    check_query("a%=1&%zz=2&token=%", "a%=1&%zz=2&token=[redacted]");
}

/* ---- JSON ---------------------------------------------------------------------------- */

static bool run(struct buf *out, const char *text, size_t len, size_t piece, size_t limit)
{
    struct redact_json r;
    bool whole = true;
    memset(&r, 0, sizeof r);
    for (size_t at = 0; at < len; at += piece)
        whole = redact_json(&r, text + at, len - at < piece ? len - at : piece, out, limit) && whole;
    return whole;
}

/* The same, however it comes in pieces. */
static void check(const char *text, const char *shown)
{
    static const size_t pieces[] = { 1, 2, 3, 7, 1000000 };
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        BUF_AUTO out = BUF_INIT;
        assert_true(run(&out, text, strlen(text), pieces[i], 1000000));
        assert_string_equal(buf_cstr(&out), shown);
    }
}

static void what_is_no_secret_stays_byte_by_byte(void **state)
{
    static const char *const texts[] = {
        "", "{}", "[1, 2.5e3, -1, true, null, \"token\"]",
        "{\"a\": \"b\\\"c\\\\\", \"d\": {\"e\": [\"token\", \"x\"]}}",
        "token", "\"token\"", "{\"kind\": \"token\", \"x\": \"y\"}", "plain text with \"quotes\": and colons",
        "{\"token\": null, \"hasSecret\": true}", "\xff\xfe\x01\"\x80", "{\"a\":\"\"}",
    };
    (void) state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        check(texts[i], texts[i]);
}

static void secret_members_are_redacted_at_any_depth(void **state)
{
    (void) state;
    check("{\"token\":\"abc\",\"a\":\"b\"}", "{\"token\":\"[redacted]\",\"a\":\"b\"}");
    check("{\"a\":[{\"API_KEY\" :\n \"x\\\"y\"}], \"b\": 1}", "{\"a\":[{\"API_KEY\" :\n \"[redacted]\"}], \"b\": 1}");
    check("{\"password\": 1234, \"n\": 5}", "{\"password\": \"[redacted]\", \"n\": 5}");
    check("{\"token\":\"\\\\\",\"a\":\"b\"}", "{\"token\":\"[redacted]\",\"a\":\"b\"}");
    check("{\"token\":\"a\\\\\",\"a\":\"b\"}", "{\"token\":\"[redacted]\",\"a\":\"b\"}");
    check("{\"token\":\"\",\"a\":\"b\"}", "{\"token\":\"\",\"a\":\"b\"}");
}

static void everything_in_a_secret_container_is_redacted_but_names(void **state)
{
    (void) state;
    check("{\"secrets\":{\"a\":\"x\",\"b\":[\"y\",3,{\"c\":\"z\"}],\"d\":true},\"e\":\"f\"}",
          "{\"secrets\":{\"a\":\"[redacted]\",\"b\":[\"[redacted]\",\"[redacted]\",{\"c\":\"[redacted]\"}],\"d\":true},"
          "\"e\":\"f\"}");
    check("{\"tokens\":[\"x\",\"y\"],\"n\":[\"z\"]}", "{\"tokens\":[\"[redacted]\",\"[redacted]\"],\"n\":[\"z\"]}");
}

static void a_name_with_escapes_or_too_long_to_judge_counts_as_secret(void **state)
{
    BUF_AUTO text = BUF_INIT, shown = BUF_INIT;
    (void) state;
    check("{\"\\u0074oken\":\"abc\"}", "{\"\\u0074oken\":\"[redacted]\"}");
    buf_str(&text, "{\"");
    for (int i = 0; i < 200; i++)
        buf_char(&text, 'n');
    buf_str(&text, "\":");
    buf_add(&shown, text.data, text.len);
    buf_str(&text, "\"abc\"}");
    buf_str(&shown, "\"[redacted]\"}");
    check(buf_cstr(&text), buf_cstr(&shown));
}

static void json_in_a_string_of_json_is_seen_through(void **state)
{
    (void) state;
    check("{\"data\":\"{\\\"token\\\":\\\"abc\\\",\\\"a\\\":\\\"b\\\"}\"}",
          "{\"data\":\"{\\\"token\\\":\\\"[redacted]\\\",\\\"a\\\":\\\"b\\\"}\"}");
    check("{\"data\":\"{\\n \\\"token\\\":\\n \\\"a\\\\\\\"bc\\\"}\"}",
          "{\"data\":\"{\\n \\\"token\\\":\\n \\\"[redacted]\\\"}\"}");
    check("{\"data\":\"{\\\"token\\\":\\\"\\\",\\\"a\\\":1}\"}", "{\"data\":\"{\\\"token\\\":\\\"\\\",\\\"a\\\":1}\"}");
}

static void text_that_is_no_json_hides_its_secrets_all_the_same(void **state)
{
    (void) state;
    check("data: {\"type\":\"x\",\"token\":\"abc\"}\n\ndata: {\"a\":\"b\"}\n\n",
          "data: {\"type\":\"x\",\"token\":\"[redacted]\"}\n\ndata: {\"a\":\"b\"}\n\n");
    check("5\" wide {\"token\":\"abc\"} and \"a\":\"b\"", "5\" wide {\"token\":\"[redacted]\"} and \"a\":\"b\"");
    check("}}]]{\"token\":\"abc\"}]", "}}]]{\"token\":\"[redacted]\"}]");
    check("{\"token\":\"never ends", "{\"token\":\"[redacted]");
}

static void a_cut_never_leaves_a_part_of_a_secret(void **state)
{
    static const char text[] = "{\"id\":\"s-1\",\"accessToken\":\"SECRETSECRETSECRET\",\"b\":\"c\"}";
    (void) state;
    for (size_t limit = 0; limit <= sizeof text; limit++) {
        for (size_t cut = 0; cut < sizeof text; cut++) {
            BUF_AUTO out = BUF_INIT;
            run(&out, text, cut, 5, limit);
            assert_true(out.len <= limit);
            assert_null(strstr(buf_cstr(&out), "S"));
        }
    }
}

static void a_limit_is_told(void **state)
{
    BUF_AUTO exact = BUF_INIT, tight = BUF_INIT;
    (void) state;
    assert_true(run(&exact, "12345", 5, 2, 5));
    assert_false(run(&tight, "12345", 5, 2, 4));
    assert_string_equal(buf_cstr(&tight), "1234");
}

/* Whatever valid JSON comes in, valid JSON goes out: the tools that read it may parse it. */
static void valid_json_stays_valid(void **state)
{
    static const char *const texts[] = {
        "{\"token\":{\"a\":[1,\"x\",{\"b\":null}],\"c\":-1.5e-3},\"d\":\"e\"}",
        "[{\"password\":\"a\\\\\\\"\"},{\"secret\":[]},{\"secret\":{}},{\"apikey\":0}]",
        "{\"s\":\"{\\\"token\\\":5,\\\"x\\\":\\\"y\\\"}\",\"token\":\"\\\\\\\\\"}",
        "{\"cookie\":\"a\\nb\",\"c\":[[[[\"token\"]]]],\"token\":true}",
    };
    (void) state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct err err = ERR_INIT;
        BUF_AUTO out = BUF_INIT;
        assert_true(run(&out, texts[i], strlen(texts[i]), 4, 100000));
        struct cJSON *json = json_parse(buf_cstr(&out), out.len, &err);
        if (json == NULL)
            fail_msg("%s: %s", buf_cstr(&out), err.text);
        json_free(json);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_keep_their_scheme_and_lose_their_credentials),
        cmocka_unit_test(that_a_credential_is_empty_is_shown),
        cmocka_unit_test(query_parameters_are_redacted_one_by_one),
        cmocka_unit_test(what_is_no_secret_stays_byte_by_byte),
        cmocka_unit_test(secret_members_are_redacted_at_any_depth),
        cmocka_unit_test(everything_in_a_secret_container_is_redacted_but_names),
        cmocka_unit_test(a_name_with_escapes_or_too_long_to_judge_counts_as_secret),
        cmocka_unit_test(json_in_a_string_of_json_is_seen_through),
        cmocka_unit_test(text_that_is_no_json_hides_its_secrets_all_the_same),
        cmocka_unit_test(a_cut_never_leaves_a_part_of_a_secret),
        cmocka_unit_test(a_limit_is_told),
        cmocka_unit_test(valid_json_stays_valid),
    };
    return cmocka_run_group_tests_name("ledger_redact", tests, NULL, NULL);
}
