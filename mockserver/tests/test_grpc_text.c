/* transports/grpc_text, grpc_message, grpc_fields: the pure parts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "transports/grpc_fields.h"
#include "transports/grpc_message.h"
#include "transports/grpc_text.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

static void timeouts_have_eight_digits_and_a_unit(void **state)
{
    static const struct { const char *text; int64_t ns; } rows[] = {
        { "5M", INT64_C(300000000000) }, { "306S", INT64_C(306000000000) }, { "20100m", INT64_C(20100000000) },
        { "1n", 1 }, { "7u", 7000 }, { "0S", 0 }, { "2H", INT64_C(7200000000000) }, { "99999999H", INT64_MAX },
        { "99999999n", 99999999 }, { "", -1 }, { "S", -1 }, { "5", -1 }, { "5s", -1 }, { "5 S", -1 }, { "-5S", -1 },
        { "123456789S", -1 }, { "5SS", -1 }, { "5S ", -1 }, { "+5S", -1 },
    };
    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        int64_t ns = -1;
        assert_int_equal(grpc_text_parse_timeout(rows[i].text, &ns), rows[i].ns >= 0);
        assert_int_equal(ns, rows[i].ns);
    }
}

static void content_types_of_grpc_are_known(void **state)
{
    static const char *const good[] = { "application/grpc", "application/grpc+proto", "Application/gRPC+Proto",
                                        "application/grpc;charset=utf-8", "application/grpc+proto ; a=b" };
    static const char *const bad[] = { "", "application/grpcx", "application/grpc+json", "application/grpc-web",
                                       "application/json", "text/html", "application/grpc+protobuf", "application" };
    (void) state;
    for (size_t i = 0; i < COUNT(good); i++)
        assert_true(grpc_text_is_grpc(good[i]));
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_false(grpc_text_is_grpc(bad[i]));
    assert_false(grpc_text_is_grpc(NULL));
}

static void messages_are_escaped_and_never_cut_in_a_character(void **state)
{
    static const struct { const char *text; size_t max; const char *out; } rows[] = {
        { "plain text", 100, "plain text" }, { "100%", 100, "100%25" }, { "a\nb", 100, "a%0Ab" },
        { "\xc3\xa9", 100, "%C3%A9" },       { "\xc3\xa9", 5, "" },     { "a\xc3\xa9" "b", 7, "a%C3%A9" },
        { "\x7f~ ", 100, "%7F~ " },          { "\xff\xfe", 3, "%FF" },  { "abc", 2, "ab" }, { "", 10, "" },
        { "a%", 3, "a" },
    };
    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        BUF_AUTO out = BUF_INIT;
        grpc_text_put_message(&out, rows[i].text, strlen(rows[i].text), rows[i].max);
        assert_string_equal(buf_cstr(&out), rows[i].out);
    }
}

static void binary_values_have_no_padding(void **state)
{
    static const struct { const char *data, *out; } rows[] = {
        { "", "" }, { "a", "YQ" }, { "ab", "YWI" }, { "abc", "YWJj" }, { "abcd", "YWJjZA" },
    };
    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        BUF_AUTO out = BUF_INIT;
        grpc_text_put_binary(&out, rows[i].data, strlen(rows[i].data));
        assert_string_equal(buf_cstr(&out), rows[i].out);
    }
}

static void metadata_that_would_break_a_head_is_none(void **state)
{
    (void) state;
    assert_true(grpc_text_is_name("x-request-id_2.b"));
    assert_false(grpc_text_is_name(""));
    assert_false(grpc_text_is_name("X-Upper"));
    assert_false(grpc_text_is_name(":status"));
    assert_false(grpc_text_is_name("a b"));
    assert_true(grpc_text_is_value("a value, with = signs"));
    assert_true(grpc_text_is_value(""));
    assert_false(grpc_text_is_value("a\nb"));
    assert_false(grpc_text_is_value(" a"));
    assert_false(grpc_text_is_value("a "));
    assert_false(grpc_text_is_value("\xc3\xa9"));
}

/* ---- gathering -------------------------------------------------------------------------- */

static const unsigned char three[] = { 0, 0, 0, 0, 2, 'h', 'i', 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 'y', 'o', 'u' };

/* All messages, each with a "|" behind it. */
static enum grpc_gathered feed(struct grpc_gather *g, const unsigned char *data, size_t len, struct buf *out)
{
    enum grpc_gathered what = GATHERED_PART;
    while (len > 0) {
        BUF_AUTO message = BUF_INIT;
        what = grpc_gather_feed(g, &data, &len, &message);
        if (what == GATHERED_MESSAGE) {
            buf_add(out, buf_cstr(&message), message.len);
            buf_char(out, '|');
        } else if (what != GATHERED_PART)
            return what;
    }
    return what;
}

static void messages_are_the_same_however_the_bytes_are_cut(void **state)
{
    (void) state;
    for (size_t first = 0; first <= sizeof three; first++) {
        for (size_t second = first; second <= sizeof three; second++) {
            struct grpc_gather g = { .max = 100, .body = BUF_INIT };
            BUF_AUTO out = BUF_INIT;
            feed(&g, three, first, &out);
            feed(&g, three + first, second - first, &out);
            feed(&g, three + second, sizeof three - second, &out);
            assert_string_equal(buf_cstr(&out), "hi||you|");
            assert_false(grpc_gather_is_inside(&g));
            assert_int_equal(grpc_gather_held(&g), 0);
        }
    }
}

static void a_part_of_a_message_is_remembered(void **state)
{
    (void) state;
    for (size_t len = 1; len < 7; len++) {
        struct grpc_gather g = { .max = 100, .body = BUF_INIT };
        BUF_AUTO out = BUF_INIT;
        feed(&g, three, len, &out);
        assert_true(grpc_gather_is_inside(&g));
        assert_int_equal(grpc_gather_held(&g), len > 5 ? len - 5 : 0);
        grpc_gather_fini(&g);
        assert_false(grpc_gather_is_inside(&g));
    }
}

static void bad_prefixes_are_told_apart(void **state)
{
    static const struct { unsigned char prefix[5]; enum grpc_gathered what; } rows[] = {
        { { 1, 0, 0, 0, 1 }, GATHERED_COMPRESSED }, { { 2, 0, 0, 0, 1 }, GATHERED_BAD_FLAG },
        { { 255, 0, 0, 0, 0 }, GATHERED_BAD_FLAG }, { { 0, 0, 0, 0, 101 }, GATHERED_TOO_LARGE },
        { { 0, 255, 255, 255, 255 }, GATHERED_TOO_LARGE }, { { 1, 0, 0, 0, 0 }, GATHERED_COMPRESSED },
        { { 0, 0, 0, 0, 100 }, GATHERED_PART }, { { 0, 0, 0, 0, 0 }, GATHERED_MESSAGE },
    };
    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct grpc_gather g = { .max = 100, .body = BUF_INIT };
        BUF_AUTO out = BUF_INIT;
        assert_int_equal(feed(&g, rows[i].prefix, 5, &out), rows[i].what);
        grpc_gather_fini(&g);
    }
}

static void an_announced_length_takes_no_memory(void **state)
{
    static const unsigned char announced[] = { 0, 6, 64, 0, 0, 'x' };   /* 100 MiB */
    (void) state;
    struct grpc_gather g = { .max = 100 << 20, .body = BUF_INIT };
    BUF_AUTO out = BUF_INIT;
    assert_int_equal(feed(&g, announced, sizeof announced, &out), GATHERED_PART);
    assert_true(g.body.cap <= 64);
    grpc_gather_fini(&g);
}

static void prefixes_are_what_is_gathered(void **state)
{
    (void) state;
    unsigned char prefix[GRPC_PREFIX_BYTES];
    grpc_message_put_prefix(prefix, 0x01020304);
    assert_memory_equal(prefix, ((unsigned char[]) { 0, 1, 2, 3, 4 }), 5);
}

/* ---- fields ----------------------------------------------------------------------------- */

static void fields_keep_their_order_and_the_first_is_found(void **state)
{
    (void) state;
    struct grpc_fields fields = { .text = BUF_INIT };
    const char *at = NULL, *name, *value;
    assert_false(grpc_fields_next(&fields, &at, &name, &value));
    assert_int_equal(grpc_fields_add(&fields, "a", 1, "1", 1), 0);
    assert_int_equal(grpc_fields_add(&fields, "b", 1, "", 0), 0);
    assert_int_equal(grpc_fields_add(&fields, "a", 1, "3", 1), 0);
    assert_string_equal(grpc_fields_find(&fields, "a"), "1");
    assert_string_equal(grpc_fields_find(&fields, "b"), "");
    assert_null(grpc_fields_find(&fields, "c"));
    assert_int_equal(fields.size, 3 * 32 + 5);
    const char *names[3], *values[3];
    for (int i = 0; i < 3; i++)
        assert_true(grpc_fields_next(&fields, &at, &names[i], &values[i]));
    assert_false(grpc_fields_next(&fields, &at, &name, &value));
    assert_string_equal(names[2], "a");
    assert_string_equal(values[2], "3");
    grpc_fields_fini(&fields);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timeouts_have_eight_digits_and_a_unit),
        cmocka_unit_test(content_types_of_grpc_are_known),
        cmocka_unit_test(messages_are_escaped_and_never_cut_in_a_character),
        cmocka_unit_test(binary_values_have_no_padding),
        cmocka_unit_test(metadata_that_would_break_a_head_is_none),
        cmocka_unit_test(messages_are_the_same_however_the_bytes_are_cut),
        cmocka_unit_test(a_part_of_a_message_is_remembered),
        cmocka_unit_test(bad_prefixes_are_told_apart),
        cmocka_unit_test(an_announced_length_takes_no_memory),
        cmocka_unit_test(prefixes_are_what_is_gathered),
        cmocka_unit_test(fields_keep_their_order_and_the_first_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
