/* The small parts: base64, UTF-8, shell words, times, addresses, JSON with NUL. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <cjson/cJSON.h>

#include "sbc_priv.h"

static void base64_round_trips_every_length_and_byte(void **state)
{
    (void) state;
    char bytes[300];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char) (i * 7 % 256);
    for (size_t size = 0; size <= sizeof bytes; size++) {
        struct sbc_buf out = { 0 };
        char *text = sbc_base64_encode(bytes, size);
        assert_true(sbc_base64_decode(text, strlen(text), &out));
        assert_int_equal(out.size, size);
        assert_memory_equal(out.data, bytes, size);
        sbc_buf_free(&out);
        free(text);
    }
}

static void base64_that_is_not_strict_is_refused_and_adds_nothing(void **state)
{
    (void) state;
    static const char *const wrong[] = { "a",        "ab",   "abc",   "abcde", "ab=c", "a===", "====", "ab==abcd",
                                         "abc=abcd", "ab c", "abc\n", "YWI-",  "YWI_", "YR==", "YWJ=", " YWI=" };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct sbc_buf out = { 0 };
        sbc_buf_add_text(&out, "before");
        assert_false(sbc_base64_decode(wrong[i], strlen(wrong[i]), &out));
        assert_string_equal(out.data, "before");
        sbc_buf_free(&out);
    }
    struct sbc_buf out = { 0 };
    assert_false(sbc_base64_decode("ab\0=", 4, &out));
    sbc_buf_free(&out);
}

static void utf8_is_what_the_standard_says(void **state)
{
    (void) state;
    static const char *const good[] = { "",
                                        "a",
                                        "\xC2\x80",
                                        "\xDF\xBF",
                                        "\xE0\xA0\x80",
                                        "\xED\x9F\xBF",
                                        "\xEE\x80\x80",
                                        "\xF0\x90\x80\x80",
                                        "\xF4\x8F\xBF\xBF" };
    static const char *const bad[] = { "\x80",
                                       "\xC0\x80",
                                       "\xC1\xBF",
                                       "\xC2",
                                       "\xC2\x41",
                                       "\xE0\x9F\xBF",
                                       "\xE2\x82",
                                       "\xED\xA0\x80",
                                       "\xF0\x8F\x80\x80",
                                       "\xF4\x90\x80\x80",
                                       "\xF5\x80\x80\x80",
                                       "\xFF" };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_true(sbc_utf8_is_valid(good[i], strlen(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(sbc_utf8_is_valid(bad[i], strlen(bad[i])));
    assert_true(sbc_utf8_is_valid("a\0b", 3));
}

static void cleaned_text_has_a_mark_for_each_bad_byte(void **state)
{
    (void) state;
    char *clean = sbc_utf8_clean("a\xFF\xC3\xA9\xE2\x82", 6);
    assert_string_equal(clean, "a\xEF\xBF\xBD\xC3\xA9\xEF\xBF\xBD\xEF\xBF\xBD");
    free(clean);
}

static void shell_words_are_quoted_as_the_page_says(void **state)
{
    (void) state;
    static const struct {
        const char *word, *quoted;
    } rows[] = {
        { "plain", "plain" },
        { "a-Z_0@%+=:,./", "a-Z_0@%+=:,./" },
        { "", "''" },
        { "a b", "'a b'" },
        { "it's", "'it'\"'\"'s'" },
        { "$HOME", "'$HOME'" },
        { "\xC3\xA9", "'\xC3\xA9'" },
        { "~", "'~'" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sbc_buf out = { 0 };
        sbc_shell_quote(&out, rows[i].word);
        assert_string_equal(out.data, rows[i].quoted);
        sbc_buf_free(&out);
    }
}

static void a_command_is_quoted_only_with_arguments(void **state)
{
    (void) state;
    const char *args[] = { "x y" };
    struct sbc_command command = { .command = "my tool" };
    cJSON *body = sbc_command_encode(&command, NULL);
    assert_string_equal(cJSON_GetObjectItem(body, "command")->valuestring, "my tool");
    cJSON_Delete(body);
    command.args = args;
    command.arg_count = 1;
    body = sbc_command_encode(&command, NULL);
    assert_string_equal(cJSON_GetObjectItem(body, "command")->valuestring, "'my tool' 'x y'");
    assert_null(cJSON_GetObjectItem(body, "args"));
    cJSON_Delete(body);
}

static void a_command_has_only_the_keys_that_were_given_in_the_wires_spelling(void **state)
{
    (void) state;
    const struct sbc_variable env[] = { { "A", "1" }, { "EMPTY", "" } };
    struct sbc_command command = { .command = "true" };
    cJSON *body = sbc_command_encode(&command, NULL);
    char *text = sbc_json_print(body);
    assert_string_equal(text, "{\"command\":\"true\"}");
    free(text);
    cJSON_Delete(body);
    command = (struct sbc_command){
        .command = "true", .cwd = "/tmp", .env = env, .env_count = 2, .timeout_ms = 5, .timeout_s = 2, .user = "root"
    };
    body = sbc_command_encode(&command, NULL);
    text = sbc_json_print(body);
    assert_string_equal(text, "{\"command\":\"true\",\"cwd\":\"/tmp\",\"env\":{\"A\":\"1\",\"EMPTY\":\"\"},"
                              "\"runAs\":\"root\",\"timeoutMs\":5,\"timeout_sec\":2}");
    free(text);
    cJSON_Delete(body);
}

static void arguments_that_make_no_sense_are_refused(void **state)
{
    (void) state;
    const struct sbc_variable env[] = { { "A", "\xFF" } };
    const struct sbc_command wrong[] = {
        { .command = NULL },
        { .command = "\xFF" },
        { .command = "x", .timeout_ms = -1 },
        { .command = "x", .timeout_s = -0.5 },
        { .command = "x", .cwd = "\x80" },
        { .command = "x", .env = env, .env_count = 1 },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct sbc_error err = SBC_ERROR_INIT;
        assert_null(sbc_command_encode(&wrong[i], &err));
        assert_int_equal(err.kind, SBC_ARGUMENT);
        assert_true(err.is_definite);
        assert_false(err.is_retryable);
        sbc_error_clear(&err);
    }
}

static void times_have_a_zone(void **state)
{
    (void) state;
    assert_int_equal(sbc_time_parse("1970-01-01T00:00:00Z"), 0);
    assert_int_equal(sbc_time_parse("2026-11-21T14:35:24.448Z"), 1795271724448);
    assert_int_equal(sbc_time_parse("2026-11-21T15:35:24.4487+01:00"), 1795271724448);
    assert_int_equal(sbc_time_parse("2026-11-21T14:35:24"), -1);
    assert_int_equal(sbc_time_parse("tomorrow"), -1);
    assert_int_equal(sbc_time_parse("2026-11-21T14:35:24Zx"), -1);
    assert_int_equal(sbc_time_parse(""), -1);
}

static void both_forms_of_address_lead_to_the_routes(void **state)
{
    (void) state;
    static const struct {
        const char *base, *prefix;
    } rows[] = {
        { "http://h:1/sandbox/id", "http://h:1/sandbox/id" },
        { "http://h:1/sandbox/id/", "http://h:1/sandbox/id" },
        { "http://h:1//sandbox//id//", "http://h:1/sandbox/id" },
        { "http://id.sbx.test:8080", "http://id.sbx.test:8080/sandbox" },
        { "http://id.sbx.test:8080/", "http://id.sbx.test:8080/sandbox" },
        { "https://id.sbx.test/sandbox", "https://id.sbx.test/sandbox" },
        { "https://id.sbx.test/sandbox/", "https://id.sbx.test/sandbox" },
        { "https://h/v1", "https://h/v1/sandbox" },
        { "https://h/sandbox/id?x=1#y", "https://h/sandbox/id" },
        { "no-url", NULL },
        { "http://", NULL },
        { "http:///sandbox/id", NULL },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *prefix = sbc_runtime_prefix(rows[i].base);
        if (rows[i].prefix == NULL)
            assert_null(prefix);
        else
            assert_string_equal(prefix, rows[i].prefix);
        free(prefix);
    }
}

static void json_keeps_nul_on_its_way_in_and_out(void **state)
{
    (void) state;
    static const char text[] = "{\"a\":\"x\\u0000y\\\\u0000\\\\\\u0000\",\"b\\\\\":1}";
    cJSON *tree = sbc_json_parse(text, sizeof text - 1);
    struct sbc_bytes bytes = sbc_json_bytes(cJSON_GetObjectItem(tree, "a"));
    assert_int_equal(bytes.size, 11);
    assert_memory_equal(bytes.data, "x\0y\\u0000\\\0", 11);
    free(bytes.data);
    char *again = sbc_json_print(tree);
    assert_string_equal(again, text);
    free(again);
    cJSON_Delete(tree);
}

static void json_is_one_value_in_utf8(void **state)
{
    (void) state;
    static const char *const wrong[] = { "",    " ",    "{",           "{}{}",    "{} x", "\"\xFF\"", "\"\xC0\x80\"",
                                         "nul", "[1,]", "\"\\ud800\"", "{\"a\":}" };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_null(sbc_json_parse(wrong[i], strlen(wrong[i])));
    assert_null(sbc_json_parse("\"a\0b\"", 5));
    cJSON *tree = sbc_json_parse(" {} \n", 5);
    assert_non_null(tree);
    cJSON_Delete(tree);
}

static void json_that_is_too_deep_is_refused(void **state)
{
    (void) state;
    size_t deep = 1000000;
    char *text = sbc_alloc(deep + 1, 1);
    memset(text, '[', deep);
    assert_null(sbc_json_parse(text, deep));
    free(text);
}

static void the_first_problem_of_an_object_is_named(void **state)
{
    (void) state;
    static const char text[] = "{\"id\":7,\"n\":1.5,\"big\":1e300,\"ok\":-3}";
    cJSON *tree = sbc_json_parse(text, sizeof text - 1);
    struct sbc_reader reader;
    int64_t number = 0;
    sbc_reader_init(&reader, tree, "thing");
    assert_true(sbc_reader_integer(&reader, "ok", true, &number));
    assert_int_equal(number, -3);
    assert_string_equal(reader.problem, "");
    assert_null(sbc_reader_text(&reader, "id", true));
    assert_false(sbc_reader_integer(&reader, "n", false, &number));
    assert_string_equal(reader.problem, "thing.id must be a text, not a number");
    sbc_reader_init(&reader, tree, "thing");
    assert_false(sbc_reader_integer(&reader, "big", false, &number));
    assert_string_equal(reader.problem, "thing.big must be a whole number, not a number");
    sbc_reader_init(&reader, tree, "thing");
    assert_null(sbc_reader_text(&reader, "none", true));
    assert_string_equal(reader.problem, "thing.none must be a text, not nothing");
    cJSON_Delete(tree);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base64_round_trips_every_length_and_byte),
        cmocka_unit_test(base64_that_is_not_strict_is_refused_and_adds_nothing),
        cmocka_unit_test(utf8_is_what_the_standard_says),
        cmocka_unit_test(cleaned_text_has_a_mark_for_each_bad_byte),
        cmocka_unit_test(shell_words_are_quoted_as_the_page_says),
        cmocka_unit_test(a_command_is_quoted_only_with_arguments),
        cmocka_unit_test(a_command_has_only_the_keys_that_were_given_in_the_wires_spelling),
        cmocka_unit_test(arguments_that_make_no_sense_are_refused),
        cmocka_unit_test(times_have_a_zone),
        cmocka_unit_test(both_forms_of_address_lead_to_the_routes),
        cmocka_unit_test(json_keeps_nul_on_its_way_in_and_out),
        cmocka_unit_test(json_is_one_value_in_utf8),
        cmocka_unit_test(json_that_is_too_deep_is_refused),
        cmocka_unit_test(the_first_problem_of_an_object_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
