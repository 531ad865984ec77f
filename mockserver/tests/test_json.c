/* base/json and base/jsonw: strict reading, ASCII writing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/jsonw.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

static void well_formed_documents_are_taken(void **state)
{
    (void) state;
    static const char *const rows[] = {
        "{}",
        "[]",
        "null",
        " \t\r\n true ",
        "0",
        "-0",
        "-1.5e+3",
        "1E-2",
        "\"\"",
        "[1,[2,{}]]",
        "{\"a\":[]}",
        "\"\\u00e9\"",
        "\"\\ud83d\\ude00\"",
        "\"\xE2\x80\xA8\"",
        "{\"a\":1,\"a\":2}",
        "\"\x7F\"",
        "1e308",
        "123456789012345678901234567890",
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct err err = ERR_INIT;
        struct cJSON *json = json_parse(rows[i], strlen(rows[i]), &err);
        if (json == NULL)
            fail_msg("%s: %s", rows[i], err.text);
        json_free(json);
    }
}

static void malformed_documents_name_their_place(void **state)
{
    (void) state;
    static const struct {
        const char *text, *place;
    } rows[] = {
        { "", "1:1:" },
        { "  ", "1:3:" },
        { "{", "1:2:" },
        { "{}x", "1:3:" },
        { "{} {}", "1:4:" },
        { "\xEF\xBB\xBF{}", "1:1:" },
        { "[1,]", "1:4:" },
        { "[1 2]", "1:4:" },
        { "[,1]", "1:2:" },
        { "{\"a\"}", "1:5:" },
        { "{\"a\":}", "1:6:" },
        { "{\"a\":1,}", "1:8:" },
        { "{a:1}", "1:2:" },
        { "{'a':1}", "1:2:" },
        { "{\"a\" 1}", "1:6:" },
        { "[}", "1:2:" },
        { "{]", "1:2:" },
        { "]", "1:1:" },
        { "01", "1:1:" },
        { "-", "1:1:" },
        { "+1", "1:1:" },
        { "1.", "1:1:" },
        { ".5", "1:1:" },
        { "1e", "1:1:" },
        { "1e999", "1:1:" },
        { "-1e999", "1:1:" },
        { "NaN", "1:1:" },
        { "Infinity", "1:1:" },
        { "nul", "1:1:" },
        { "True", "1:1:" },
        { "0x10", "1:2:" },
        { "\"a\nb\"", "1:3:" },
        { "\"\x01\"", "1:2:" },
        { "\"abc", "1:5:" },
        { "\"\\x\"", "1:3:" },
        { "\"\\u12g4\"", "1:3:" },
        { "\"\\ud83d\"", "1:3:" },
        { "\"\\ude00\"", "1:3:" },
        { "\"\\ud83dx\"", "1:3:" },
        { "\"\\", "1:3:" },
        { "\"\xFF\"", "1:2:" },
        { "\"\xC0\x80\"", "1:2:" },
        { "\"\xED\xA0\x80\"", "1:2:" },
        { "{\n \"k\xC3\xA9y\": tru}", "2:9:" },
        { "1234567890123456789012345678901234567890123456789012345678901234", "1:1:" },
        { "/* c */ {}", "1:1:" },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct err err = ERR_INIT;
        struct cJSON *json = json_parse(rows[i].text, strlen(rows[i].text), &err);
        if (json != NULL)
            fail_msg("taken: %s", rows[i].text);
        assert_int_equal(err.code, ERR_INVALID);
        if (strncmp(err.text, rows[i].place, strlen(rows[i].place)) != 0)
            fail_msg("%s: said \"%s\", should begin %s", rows[i].text, err.text, rows[i].place);
    }
}

static void raw_nul_is_not_json(void **state)
{
    (void) state;
    struct err err = ERR_INIT;
    assert_null(json_parse("{}\0", 3, &err));
    assert_int_equal(err.code, ERR_INVALID);
    assert_null(json_parse("\"\0\"", 3, &err));
    assert_null(json_parse("\"\\\0\"", 4, &err));
}

static struct cJSON *parse_nested(const char *open, const char *close, size_t depth, struct err *err)
{
    BUF_AUTO text = BUF_INIT;
    for (size_t i = 0; i < depth; i++)
        buf_str(&text, open);
    buf_str(&text, "1");
    for (size_t i = 0; i < depth; i++)
        buf_str(&text, close);
    return json_parse(text.data, text.len, err);
}

static void nesting_is_limited(void **state)
{
    (void) state;
    struct err err = ERR_INIT;
    struct cJSON *json = parse_nested("[", "]", JSON_MAX_DEPTH, &err);
    assert_non_null(json);
    json_free(json);
    json = parse_nested("{\"a\":", "}", JSON_MAX_DEPTH, &err);
    assert_non_null(json);
    json_free(json);
    assert_null(parse_nested("[", "]", JSON_MAX_DEPTH + 1, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    assert_null(parse_nested("[", "]", 1000000, &err));
    assert_int_equal(err.code, ERR_LIMIT);
}

static void number_of_values_is_limited(void **state)
{
    (void) state;
    BUF_AUTO text = BUF_INIT;
    struct err err = ERR_INIT;
    buf_str(&text, "[0");
    for (size_t i = 0; i < JSON_MAX_VALUES; i++)
        buf_str(&text, ",0");
    buf_str(&text, "]");
    assert_null(json_parse(text.data, text.len, &err));
    assert_int_equal(err.code, ERR_LIMIT);
}

static void nul_escapes_survive_in_values_and_names(void **state)
{
    (void) state;
    static const char text[] = "{\"v\":\"a\\u0000b\\\\u0000\\u0000\",\"n\\u0000m\":\"\\\\\\u0000\",\"p\":\"\\u0041\"}";
    struct err err = ERR_INIT;
    struct cJSON *json = json_parse(text, sizeof text - 1, &err);
    assert_non_null(json);
    BUF_AUTO out = BUF_INIT;
    bool present = false;
    assert_int_equal(json_get_bytes(json, "v", &out, &present, &err), 0);
    assert_true(present);
    assert_int_equal(out.len, 10);
    assert_memory_equal(out.data, "a\0b\\u0000\0", 10);
    assert_int_equal(json_get_text(json, "v", &out, NULL, &err), -1);
    assert_string_equal(err.text, "/v: must not hold a NUL character");
    const cJSON *second = json->child->next;
    json_name_bytes(second, &out);
    assert_int_equal(out.len, 3);
    assert_memory_equal(out.data, "n\0m", 3);
    assert_true(json_string_bytes(second, &out));
    assert_int_equal(out.len, 2);
    assert_memory_equal(out.data, "\\\0", 2);
    assert_int_equal(json_get_text(json, "p", &out, NULL, &err), 0);
    assert_string_equal(buf_cstr(&out), "A");
    json_free(json);
}

static void members_are_typed_and_null_is_absent(void **state)
{
    (void) state;
    static const char text[] = "{\"n\":null,\"b\":true,\"i\":42,\"f\":1.5,\"big\":1e300,\"top\":9223372036854775807,"
                               "\"s\":\"x\",\"d\":1,\"d\":2,\"N\":7}";
    struct err err = ERR_INIT;
    struct cJSON *json = json_parse(text, sizeof text - 1, &err);
    assert_non_null(json);
    int64_t i = -1;
    bool b = false, present = true;
    assert_int_equal(json_get_int(json, "n", 0, 10, &i, &present, &err), 0);
    assert_false(present);
    assert_int_equal(i, -1);
    assert_int_equal(json_get_int(json, "i", 0, 100, &i, &present, &err), 0);
    assert_true(present);
    assert_int_equal(i, 42);
    assert_int_equal(json_get_int(json, "d", 0, 100, &i, NULL, &err), 0);
    assert_int_equal(i, 2);
    assert_int_equal(json_get_bool(json, "b", &b, NULL, &err), 0);
    assert_true(b);
    assert_int_equal(json_get_int(json, "i", 0, 41, &i, NULL, &err), -1);
    assert_string_equal(err.text, "/i: must be from 0 to 41");
    assert_int_equal(json_get_int(json, "f", 0, 41, &i, NULL, &err), -1);
    assert_string_equal(err.text, "/f: must be a whole number");
    assert_int_equal(json_get_int(json, "big", 0, INT64_MAX, &i, NULL, &err), -1);
    assert_int_equal(json_get_int(json, "top", 0, INT64_MAX, &i, NULL, &err), -1); /* rounds to 2^63 */
    assert_int_equal(json_get_int(json, "s", 0, 1, &i, NULL, &err), -1);
    assert_int_equal(json_get_bool(json, "s", &b, NULL, &err), -1);
    BUF_AUTO out = BUF_INIT;
    assert_int_equal(json_get_text(json, "i", &out, NULL, &err), -1);
    assert_null(json_get(json, "missing"));
    assert_null(json_get(json->child, "x"));
    json_free(json);
}

static void large_documents_are_read(void **state)
{
    (void) state;
    BUF_AUTO text = BUF_INIT;
    BUF_AUTO out = BUF_INIT;
    buf_str(&text, "{\"data\":\"");
    for (size_t i = 0; i < 1024 * 1024; i++)
        buf_str(&text, i % 4 == 0 ? "\\u0000" : "abcde\\n");
    buf_str(&text, "\"}");
    struct err err = ERR_INIT;
    struct cJSON *json = json_parse(text.data, text.len, &err);
    assert_non_null(json);
    assert_int_equal(json_get_bytes(json, "data", &out, NULL, &err), 0);
    assert_int_equal(out.len, 1024 * 1024 / 4 * 19);
    assert_memory_equal(out.data, "\0abcde\nabcde\nabcde\n\0", 20);
    json_free(json);
}

/* ---- writing ------------------------------------------------------------------------ */

static void writer_puts_commas_and_names(void **state)
{
    (void) state;
    BUF_AUTO out = BUF_INIT;
    struct jsonw w;
    jsonw_init(&w, &out);
    jsonw_object(&w, NULL);
    jsonw_str(&w, "a\"b", "x");
    jsonw_str(&w, "none", NULL);
    jsonw_array(&w, "list");
    jsonw_int(&w, NULL, INT64_MIN);
    jsonw_bool(&w, NULL, false);
    jsonw_object(&w, NULL);
    jsonw_end_object(&w);
    jsonw_array(&w, NULL);
    jsonw_null(&w, NULL);
    jsonw_end_array(&w);
    jsonw_end_array(&w);
    jsonw_base64(&w, "b", "hi\n", 3);
    jsonw_end_object(&w);
    assert_string_equal(buf_cstr(&out), "{\"a\\\"b\":\"x\",\"none\":null,\"list\":[-9223372036854775808,false,{},"
                                        "[null]],\"b\":\"aGkK\"}");
}

static void escaping_gives_pure_ascii(void **state)
{
    (void) state;
    static const struct {
        const char *in;
        size_t len;
        const char *out;
    } rows[] = {
        { "plain text, longer than eight bytes", 35, "plain text, longer than eight bytes" },
        { "\b\t\n\f\r\"\\/\x7F", 9, "\\b\\t\\n\\f\\r\\\"\\\\/\x7F" },
        { "\0\x01\x1F", 3, "\\u0000\\u0001\\u001f" },
        { "\xC3\xA9\xE2\x80\xA8\xC2\x85", 7, "\\u00e9\\u2028\\u0085" },
        { "\xF0\x9F\x98\x80", 4, "\\ud83d\\ude00" },
        { "a\xFF"
          "b",
          3, "a\\ufffdb" },
        { "\xE2\x82", 2, "\\ufffd" }, /* one per maximal subpart */
        { "\xE2\x82\xE2\x82\xAC", 5, "\\ufffd\\u20ac" },
        { "\xC0\x80", 2, "\\ufffd\\ufffd" },
        { "\xED\xA0\x80", 3, "\\ufffd\\ufffd\\ufffd" },
        { "\xF0\x9F\x98", 3, "\\ufffd" },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        BUF_AUTO out = BUF_INIT;
        json_escape(&out, rows[i].in, rows[i].len);
        assert_string_equal(buf_cstr(&out), rows[i].out);
    }
}

static void escaping_survives_block_borders(void **state)
{
    (void) state;
    /* Three-byte characters over several blocks, at every alignment to the block border. */
    for (size_t shift = 0; shift < 4; shift++) {
        BUF_AUTO in = BUF_INIT;
        BUF_AUTO out = BUF_INIT;
        buf_add(&in, "xxx", shift);
        for (size_t i = 0; i < 50000; i++)
            buf_str(&in, "\xE2\x82\xAC");
        json_escape(&out, in.data, in.len);
        assert_int_equal(out.len, shift + 50000 * 6);
        for (size_t i = shift; i < out.len; i += 6)
            assert_memory_equal(out.data + i, "\\u20ac", 6);
    }
}

static void what_is_written_reads_back(void **state)
{
    (void) state;
    BUF_AUTO in = BUF_INIT;
    BUF_AUTO text = BUF_INIT;
    BUF_AUTO back = BUF_INIT;
    struct err err = ERR_INIT;
    for (unsigned c = 0; c < 0x110000; c += c < 0x300 ? 1 : 0x1F) {
        char utf8[4];
        size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
        if (c >= 0xD800 && c < 0xE000)
            continue;
        static const unsigned char lead[] = { 0, 0, 0xC0, 0xE0, 0xF0 };
        for (size_t i = n; i-- > 1;)
            utf8[i] = (char) (0x80 | (c >> 6 * (n - 1 - i) & 0x3F));
        utf8[0] = (char) (n == 1 ? c : (lead[n] | c >> 6 * (n - 1)));
        buf_add(&in, utf8, n);
    }
    struct jsonw w;
    jsonw_init(&w, &text);
    jsonw_object(&w, NULL);
    jsonw_bytes(&w, "s", in.data, in.len);
    jsonw_end_object(&w);
    for (size_t i = 0; i < text.len; i++)
        assert_in_range((unsigned char) text.data[i], 0x20, 0x7F);
    struct cJSON *json = json_parse(text.data, text.len, &err);
    assert_non_null(json);
    assert_int_equal(json_get_bytes(json, "s", &back, NULL, &err), 0);
    assert_int_equal(back.len, in.len);
    assert_memory_equal(back.data, in.data, in.len);
    json_free(json);
}

static void a_tree_is_printed_as_what_it_was_read_from(void **state)
{
    static const char *const texts[] = {
        "{\"a\\u0000\":[\"\\u0000x\\\"\\n\",0.1,-0,1e+21,9007199254740992,true,false,null,{}],\"\\u20ac\":[]}",
        "\"\"", "-12345678901", "[[],{\"\":{}}]", "1.5e-07",
    };
    (void) state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct err err = ERR_INIT;
        BUF_AUTO out = BUF_INIT;
        struct cJSON *json = json_parse(texts[i], strlen(texts[i]), &err);
        assert_non_null(json);
        json_print(&out, json);
        assert_string_equal(buf_cstr(&out), texts[i]);
        json_free(json);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(well_formed_documents_are_taken),
        cmocka_unit_test(malformed_documents_name_their_place),
        cmocka_unit_test(raw_nul_is_not_json),
        cmocka_unit_test(nesting_is_limited),
        cmocka_unit_test(number_of_values_is_limited),
        cmocka_unit_test(nul_escapes_survive_in_values_and_names),
        cmocka_unit_test(members_are_typed_and_null_is_absent),
        cmocka_unit_test(large_documents_are_read),
        cmocka_unit_test(writer_puts_commas_and_names),
        cmocka_unit_test(escaping_gives_pure_ascii),
        cmocka_unit_test(escaping_survives_block_borders),
        cmocka_unit_test(what_is_written_reads_back),
        cmocka_unit_test(a_tree_is_printed_as_what_it_was_read_from),
    };
    return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
