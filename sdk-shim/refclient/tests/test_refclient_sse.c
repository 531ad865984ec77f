/* The reader of event streams, cut at every place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sbc_sse.h"

#define LIMIT 1000

/* "name=data|" of every event that is there. */
static void gather(struct sbc_sse *sse, struct sbc_buf *out)
{
    struct sbc_sse_event event;
    while (sbc_sse_next(sse, &event) > 0) {
        sbc_buf_add_format(out, "%s=", event.name);
        sbc_buf_add(out, event.data, event.size);
        sbc_buf_add_text(out, "|");
    }
}

/* Read `size` bytes in pieces that end at `first`, `second` and the end. */
static char *read_cut(const char *text, size_t size, size_t first, size_t second)
{
    struct sbc_sse sse;
    struct sbc_buf out = { 0 };
    sbc_sse_init(&sse, LIMIT);
    const size_t ends[] = { 0, first, second, size };
    for (size_t i = 0; i < 3; i++) {
        sbc_sse_feed(&sse, text + ends[i], ends[i + 1] - ends[i]);
        gather(&sse, &out);
    }
    sbc_sse_free(&sse);
    return sbc_buf_take(&out);
}

static void read_bytewise(const char *text, size_t size, const char *wanted)
{
    struct sbc_sse sse;
    struct sbc_buf out = { 0 };
    sbc_sse_init(&sse, LIMIT);
    for (size_t i = 0; i < size; i++) {
        sbc_sse_feed(&sse, text + i, 1);
        gather(&sse, &out);
    }
    sbc_sse_free(&sse);
    char *got = sbc_buf_take(&out);
    assert_string_equal(got, wanted);
    free(got);
}

static void assert_read_however_cut(const char *text, const char *wanted)
{
    size_t size = strlen(text);
    for (size_t first = 0; first <= size; first++) {
        for (size_t second = first; second <= size; second++) {
            char *got = read_cut(text, size, first, second);
            assert_string_equal(got, wanted);
            free(got);
        }
    }
    read_bytewise(text, size, wanted);
}

static void events_come_out_whole_wherever_the_stream_is_cut(void **state)
{
    (void) state;
    assert_read_however_cut("event: started\ndata: {\"id\":1}\n\nevent: output\ndata: caf\xC3\xA9 \xE2\x82\xAC\n\n",
                            "started={\"id\":1}|output=caf\xC3\xA9 \xE2\x82\xAC|");
}

static void lines_end_with_lf_cr_or_crlf(void **state)
{
    (void) state;
    assert_read_however_cut("event: a\ndata: 1\n\n", "a=1|");
    assert_read_however_cut("event: a\r\ndata: 1\r\n\r\n", "a=1|");
    assert_read_however_cut("event: a\rdata: 1\r\r", "a=1|");
    assert_read_however_cut("event: a\rdata: 1\n\r\nevent: b\r\ndata: 2\n\n", "a=1|b=2|");
    assert_read_however_cut("data: 1\r\n\ndata: 2\r\r\ndata: 3\n\r\n", "message=1|message=2|message=3|");
}

static void data_lines_are_joined_with_lf(void **state)
{
    (void) state;
    assert_read_however_cut("data: a\ndata:\ndata: b\n\n", "message=a\n\nb|");
    assert_read_however_cut("data\n\n", "message=|");
}

static void comments_and_unknown_fields_are_read_over(void **state)
{
    (void) state;
    assert_read_however_cut(": keepalive\n\n:\n\nid: 3\nretry: 5\nfoo: bar\nevent: a\n: inside\ndata: 1\n\n", "a=1|");
}

static void one_space_behind_the_colon_is_no_data(void **state)
{
    (void) state;
    assert_read_however_cut("data:a\n\ndata: b\n\ndata:  c\n\ndata:: d\n\n",
                            "message=a|message=b|message= c|message=: d|");
}

static void an_event_without_data_is_none_and_leaves_no_name(void **state)
{
    (void) state;
    assert_read_however_cut("event: a\n\ndata: 1\n\n", "message=1|");
}

static void a_byte_order_mark_is_skipped_only_at_the_beginning(void **state)
{
    (void) state;
    assert_read_however_cut("\xEF\xBB\xBF"
                            "data: 1\n\n\xEF\xBB\xBF"
                            "data: 2\n\ndata: 3\n\n",
                            "message=1|message=3|");
    assert_read_however_cut("\xEF\xBB"
                            "data: 1\n\ndata: 2\n\n",
                            "message=2|");
}

static void what_is_left_at_the_end_is_no_event(void **state)
{
    (void) state;
    assert_read_however_cut("data: 1\n\ndata: 2\n", "message=1|");
    assert_read_however_cut("data: 1\n\ndata: 2", "message=1|");
}

static void nul_is_data_like_any_other(void **state)
{
    (void) state;
    struct sbc_sse sse;
    struct sbc_sse_event event;
    sbc_sse_init(&sse, LIMIT);
    sbc_sse_feed(&sse, "data: a\0b\n\n", 11);
    assert_int_equal(sbc_sse_next(&sse, &event), 1);
    assert_int_equal(event.size, 3);
    assert_memory_equal(event.data, "a\0b", 3);
    sbc_sse_free(&sse);
}

static int feed_long(const char *line, size_t times)
{
    struct sbc_sse sse;
    struct sbc_sse_event event;
    int got = 0;
    sbc_sse_init(&sse, LIMIT);
    for (size_t i = 0; i < times && got == 0; i++) {
        sbc_sse_feed(&sse, line, strlen(line));
        got = sbc_sse_next(&sse, &event);
    }
    sbc_sse_free(&sse);
    return got;
}

static void an_event_over_the_limit_is_refused(void **state)
{
    (void) state;
    assert_int_equal(feed_long("xxxxxxxxxx", 1000), -1);         /* a line without an end */
    assert_int_equal(feed_long("data: xxxxxxxxxx\n", 1000), -1); /* an event without one */
    assert_int_equal(feed_long("event: xxxxxxxxx\n", 1000), 0);  /* the last name counts */
    assert_int_equal(feed_long(": xxxxxxxxxx\n", 1000), 0);      /* comments are not kept */
    assert_int_equal(feed_long("data: x\n\n", 1), 1);
}

static void a_long_line_that_comes_byte_by_byte_is_scanned_once(void **state)
{
    (void) state;
    struct sbc_sse sse;
    struct sbc_sse_event event;
    sbc_sse_init(&sse, 1 << 20);
    sbc_sse_feed(&sse, "data: ", 6);
    for (size_t i = 0; i < 500000; i++) { /* minutes, if each byte were looked at again */
        sbc_sse_feed(&sse, "x", 1);
        assert_int_equal(sbc_sse_next(&sse, &event), 0);
    }
    sbc_sse_feed(&sse, "\n\n", 2);
    assert_int_equal(sbc_sse_next(&sse, &event), 1);
    assert_int_equal(event.size, 500000);
    sbc_sse_free(&sse);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_come_out_whole_wherever_the_stream_is_cut),
        cmocka_unit_test(lines_end_with_lf_cr_or_crlf),
        cmocka_unit_test(data_lines_are_joined_with_lf),
        cmocka_unit_test(comments_and_unknown_fields_are_read_over),
        cmocka_unit_test(one_space_behind_the_colon_is_no_data),
        cmocka_unit_test(an_event_without_data_is_none_and_leaves_no_name),
        cmocka_unit_test(a_byte_order_mark_is_skipped_only_at_the_beginning),
        cmocka_unit_test(what_is_left_at_the_end_is_no_event),
        cmocka_unit_test(nul_is_data_like_any_other),
        cmocka_unit_test(an_event_over_the_limit_is_refused),
        cmocka_unit_test(a_long_line_that_comes_byte_by_byte_is_scanned_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
