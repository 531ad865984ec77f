/* base/text: UTF-8, base64, random names, times. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

static void valid_text_is_told_from_invalid(void **state)
{
    (void) state;
    static const struct {
        const char *text;
        size_t len, valid;
    } rows[] = {
        { "", 0, 0 },
        { "plain ascii of more than eight bytes", 36, 36 },
        { "h\xC3\xA9", 3, 3 },
        { "\xE2\x82\xAC", 3, 3 },
        { "\xF0\x9F\x98\x80", 4, 4 },
        { "12345678\xFF", 9, 8 },
        { "a\xC0\x80", 3, 1 }, /* overlong */
        { "a\xE0\x80\x80", 4, 1 },
        { "a\xED\xA0\x80", 4, 1 },     /* surrogate */
        { "a\xF4\x90\x80\x80", 5, 1 }, /* beyond U+10FFFF */
        { "a\xE2\x82", 3, 1 },         /* cut */
        { "\x80", 1, 0 },
        { "\0\0", 2, 2 },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_int_equal(utf8_valid_prefix(rows[i].text, rows[i].len), rows[i].valid);
        assert_int_equal(utf8_is_valid(rows[i].text, rows[i].len), rows[i].valid == rows[i].len);
    }
}

static void unfinished_character_is_held_back(void **state)
{
    (void) state;
    static const struct {
        const char *text;
        size_t len, complete;
    } rows[] = {
        { "", 0, 0 },
        { "abc", 3, 3 },
        { "ab\xC3", 3, 2 },
        { "ab\xE2", 3, 2 },
        { "ab\xE2\x82", 4, 2 },
        { "ab\xE2\x82\xAC", 5, 5 },
        { "\xF0\x9F\x98", 3, 0 },
        { "\xF0\x9F\x98\x80", 4, 4 },
        { "ab\xFF", 3, 3 }, /* cannot become valid: not held */
        { "ab\xE0\x80", 4, 4 },
        { "ab\xED\xA0", 4, 4 },
        { "\x80\x80\x80\x80", 4, 4 },
        { "\xC3\xC3", 2, 1 },
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_int_equal(utf8_complete_prefix(rows[i].text, rows[i].len), rows[i].complete);
}

static void bad_bytes_are_taken_by_maximal_subparts(void **state)
{
    (void) state;
    uint32_t point;
    assert_int_equal(utf8_next("\xE2\x82"
                               "A",
                               3, &point),
                     2);
    assert_int_equal(point, UTF8_BAD);
    assert_int_equal(utf8_next("\xE2\x82", 2, &point), 2);
    assert_int_equal(point, UTF8_CUT);
    assert_int_equal(utf8_next("\xF0\x80", 2, &point), 1);
    assert_int_equal(point, UTF8_BAD);
    assert_int_equal(utf8_next("\xF0\x9F\x98\x80", 4, &point), 4);
    assert_int_equal(point, 0x1F600);
}

static void base64_matches_the_rfc_examples(void **state)
{
    (void) state;
    static const char *const rows[][2] = {
        { "", "" },
        { "f", "Zg==" },
        { "fo", "Zm8=" },
        { "foo", "Zm9v" },
        { "foob", "Zm9vYg==" },
        { "fooba", "Zm9vYmE=" },
        { "foobar", "Zm9vYmFy" },
        { "\xFB\xFF", "+/8=" },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        BUF_AUTO b64 = BUF_INIT;
        BUF_AUTO back = BUF_INIT;
        struct err err = ERR_INIT;
        base64_encode(&b64, rows[i][0], strlen(rows[i][0]));
        assert_string_equal(buf_cstr(&b64), rows[i][1]);
        assert_int_equal(base64_decode(&back, b64.data == NULL ? "" : b64.data, b64.len, &err), 0);
        assert_string_equal(buf_cstr(&back), rows[i][0]);
    }
}

static void base64_round_trips_all_byte_values(void **state)
{
    (void) state;
    unsigned char bytes[1021];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char) (i * 7 + i / 256);
    BUF_AUTO b64 = BUF_INIT;
    BUF_AUTO back = BUF_INIT;
    buf_str(&back, "in front:");
    base64_encode(&b64, bytes, sizeof bytes);
    assert_int_equal(b64.len, (sizeof bytes + 2) / 3 * 4);
    assert_int_equal(base64_decode(&back, b64.data, b64.len, NULL), 0);
    assert_int_equal(back.len, 9 + sizeof bytes);
    assert_memory_equal(back.data + 9, bytes, sizeof bytes);
}

static void bad_base64_is_refused_and_leaves_the_output(void **state)
{
    (void) state;
    static const char *const rows[] = { "Z",    "Zg",       "Zg=",  "Zg===", "====", "Z===", "Zm9v=",
                                        "Zm=v", "Zg==Zg==", "Zm 9", "Zm9\n", "Zm9-", "Zm9_", "\xFF\xFF\xFF\xFF" };
    for (size_t i = 0; i < COUNT(rows); i++) {
        BUF_AUTO out = BUF_INIT;
        struct err err = ERR_INIT;
        buf_str(&out, "kept");
        assert_int_equal(base64_decode(&out, rows[i], strlen(rows[i]), &err), -1);
        assert_int_equal(err.code, ERR_INVALID);
        assert_string_equal(buf_cstr(&out), "kept");
    }
}

static void random_names_have_their_form_and_differ(void **state)
{
    (void) state;
    char hex[66], other[66], uuid[37];
    random_hex(hex, 65);
    random_hex(other, 65);
    assert_int_equal(strlen(hex), 65);
    assert_int_equal(strspn(hex, "0123456789abcdef"), 65);
    assert_string_not_equal(hex, other);
    random_uuid(uuid);
    assert_int_equal(strlen(uuid), 36);
    assert_int_equal(uuid[14], '4');
    assert_non_null(strchr("89ab", uuid[19]));
    assert_int_equal(uuid[8], '-');
    assert_int_equal(uuid[23], '-');
}

static void secrets_compare_by_content(void **state)
{
    (void) state;
    assert_true(same_secret("", ""));
    assert_true(same_secret("abc", "abc"));
    assert_false(same_secret("abc", "abd"));
    assert_false(same_secret("abc", "abcabc"));
    assert_false(same_secret("abcabc", "abc"));
    assert_false(same_secret("", "a"));
    assert_false(same_secret("a", ""));
}

static void times_are_iso_8601_utc(void **state)
{
    (void) state;
    char text[32];
    iso_time(text, 1795243163123LL);
    assert_string_equal(text, "2026-11-21T06:39:23.123Z");
    iso_time(text, 0);
    assert_string_equal(text, "1970-01-01T00:00:00.000Z");
    iso_time(text, -1);
    assert_string_equal(text, "1969-12-31T23:59:59.999Z");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(valid_text_is_told_from_invalid),
        cmocka_unit_test(unfinished_character_is_held_back),
        cmocka_unit_test(bad_bytes_are_taken_by_maximal_subparts),
        cmocka_unit_test(base64_matches_the_rfc_examples),
        cmocka_unit_test(base64_round_trips_all_byte_values),
        cmocka_unit_test(bad_base64_is_refused_and_leaves_the_output),
        cmocka_unit_test(random_names_have_their_form_and_differ),
        cmocka_unit_test(secrets_compare_by_content),
        cmocka_unit_test(times_are_iso_8601_utc),
    };
    return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
