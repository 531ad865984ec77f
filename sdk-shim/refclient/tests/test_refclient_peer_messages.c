/* Messages of a CoreWeave server that are wrong, odd, or out of order: what the client makes of each. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "peer.h"

#define TIMEOUT_MS 30000
#define BYTES(text) text, sizeof(text) - 1

static void in_both(void (*test)(struct site *site))
{
    for (int version = CWC_V1BETA2; version <= CWC_V1; version++) {
        struct site site;
        site_open(&site, (enum cwc_version) version, NULL, TIMEOUT_MS);
        test(&site);
        site_close(&site);
    }
}

/* ----------------------------------------------------------------- order */

/* r ready, o output, e stderr, x exit 7, y exit 8, ! error, . a message with nothing in it, 0 OK, - UNAVAILABLE,
   | the connection closes */
static enum peer_then put_script(struct sbc_buf *out, enum cwc_version version, const char *script)
{
    enum peer_then then = PEER_STAYS;
    struct sbc_buf nothing = { 0 };
    put_head(out);
    for (; *script != '\0'; script++) {
        switch (*script) {
        case 'r': put_ready(out, version); break;
        case 'o': put_output(out, version, CWC_STDOUT, "o"); break;
        case 'e': put_output(out, version, CWC_STDERR, "e"); break;
        case 'x': put_exit(out, version, 7); break;
        case 'y': put_exit(out, version, 8); break;
        case '!': put_error(out, version, "went wrong", "ODD_CODE"); break;
        case '.': put_message(out, &nothing); break;
        case '0': put_trailers(out, "grpc-status: 0\n"); break;
        case '-': put_trailers(out, "grpc-status: 14\n"); break;
        default: then = PEER_CLOSES; break;
        }
    }
    return then;
}

static const struct {
    const char *script;
    enum cwc_error_kind kind; /* CWC_OK: exit 7, and ... */
    const char *out, *err;
} orders[] = {
    { "rox0", CWC_OK, "o", "" },
    { "x0", CWC_OK, "", "" },
    { "ox-", CWC_OK, "o", "" },            /* the exit is known; how the stream ends does not matter */
    { "oroeorx0", CWC_OK, "ooo", "e" },    /* output before ready, ready twice */
    { "oxo0", CWC_OK, "o", "" },           /* output behind the exit is lost */
    { "oxy0", CWC_OK, "o", "" },           /* the first exit counts */
    { "ox!0", CWC_OK, "o", "" },
    { "o.x0", CWC_OK, "o", "" },
    { "o!x0", CWC_EXECUTION, "o", "" },
    { "!0", CWC_EXECUTION, "", "" },
    { "ro0", CWC_INCOMPLETE, "o", "" },
    { "0", CWC_INCOMPLETE, "", "" },
    { ".0", CWC_INCOMPLETE, "", "" },
    { "ox|", CWC_OK, "o", "" },            /* the last, since the connection goes, too */
};

static char *read_all(struct cwc_process *process, enum cwc_stream stream)
{
    struct sbc_buf all = { 0 };
    struct cwc_bytes piece;
    while (cwc_process_read(process, stream, true, &piece) == 1) {
        sbc_buf_add(&all, piece.data, piece.size);
        cwc_bytes_clear(&piece);
    }
    return sbc_buf_take(&all);
}

static void check_read(struct cwc_process *process, enum cwc_stream stream, const char *wanted, const char *script)
{
    char *said = read_all(process, stream);
    if (strcmp(said, wanted) != 0)
        fail_msg("%s: \"%s\"", script, said);
    free(said);
}

static void check_orders(struct site *site)
{
    for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++) {
        struct sbc_buf frames = { 0 };
        struct cwc_result result;
        enum peer_then then = put_script(&frames, site->version, orders[i].script);
        site_answer(site, "StreamExec", &frames, then);
        struct cwc_process *process = site_exec(site, &(struct cwc_command){ .has_stdin = i % 2 == 0 });
        int failed = site_result(site, process, &result);
        if ((failed == 0) != (orders[i].kind == CWC_OK) || (failed < 0 && site->err.kind != orders[i].kind))
            fail_msg("%s: %s", orders[i].script, failed == 0 ? "an exit" : site->err.message);
        if (failed == 0) {
            assert_int_equal(result.exit_code, 7);
            assert_string_equal(result.text, orders[i].out);
            assert_string_equal(result.err_text, orders[i].err);
            cwc_result_clear(&result);
        } else if (orders[i].kind == CWC_EXECUTION) {
            assert_string_equal(site->err.reason, "ODD_CODE");
            assert_false(site->err.has_status);
        }
        check_read(process, CWC_STDOUT, orders[i].out, orders[i].script);
        check_read(process, CWC_STDERR, orders[i].err, orders[i].script);
        cwc_process_free(process);
    }
}

static void the_first_exit_or_error_is_the_end(void **state)
{
    (void) state;
    in_both(check_orders);
}

/* ----------------------------------------------------------------- messages */

/* What a message of an exec is, with the numbers of its version: field numbers come first. */
enum { READY, OUTPUT, EXIT, ERROR };
static const unsigned char fields[][4] = { { 4, 1, 2, 3 }, { 1, 2, 3, 4 } };

/* "\x01" to "\x04" begin a part of that kind (1 + READY...), a length follows, as it stands. */
static void put_raw(struct sbc_buf *out, const struct site *site, unsigned kind, const char *body, size_t size)
{
    unsigned char tag = (unsigned char) (fields[site->version == CWC_V1][kind] << 3 | 2), len = (unsigned char) size;
    sbc_buf_add(out, &tag, 1);
    sbc_buf_add(out, &len, 1);
    sbc_buf_add(out, body, size);
}

struct bad {
    const char *name;
    int kind; /* the message is one such part; -1: it is `bytes` itself */
    const char *bytes;
    size_t size;
};

static const struct bad bad_ones[] = {
    { "a number without an end", EXIT, BYTES("\x08\xff\xff") },
    { "a number of 11 bytes", EXIT, BYTES("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01") },
    { "a tag without a value", EXIT, BYTES("\x08") },
    { "a part that is cut", -1, BYTES("\x0a\x05\x08") },
    { "a part longer than 2^63", -1, BYTES("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01") },
    { "a part longer than 2^31", -1, BYTES("\x0a\xff\xff\xff\xff\x0f") },
    { "field 0", -1, BYTES("\x00\x01") },
    { "field 0 with bytes", EXIT, BYTES("\x02\x01x") },
    { "a group", -1, BYTES("\xc3\x3e\xc4\x3e") },
    { "the end of a group", EXIT, BYTES("\x0c") },
    { "wire type 6", -1, BYTES("\xc6\x3e") },
    { "wire type 7", EXIT, BYTES("\x0f\x01") },
    { "a tag of 6 bytes", EXIT, BYTES("\x88\x80\x80\x80\x80\x01\x01") },
    { "a tag of 5 bytes beyond 32 bits", EXIT, BYTES("\x88\x80\x80\x80\x7f\x01") },
    { "a number where a part is", -1, BYTES("\x08\x01") },
    { "a part where a number is", EXIT, BYTES("\x0a\x01\x01") },
    { "eight bytes where a number is", EXIT, BYTES("\x09" "12345678") },
    { "text that is no UTF-8", ERROR, BYTES("\x0a\x02\xc3\x28") },
    { "text with a surrogate", ERROR, BYTES("\x12\x03\xed\xa0\x80") },
    { "text with a NUL", ERROR, BYTES("\x12\x03" "a\0b") },
    { "an unknown field that is cut", EXIT, BYTES("\xc2\x3e\x10zz") },
    { "unknown bytes that are cut", EXIT, BYTES("\xc1\x3e" "1234567") },
    { "four unknown bytes that are cut", EXIT, BYTES("\xc5\x3e" "123") },
};

static void check_bad_ones(struct site *site)
{
    for (size_t i = 0; i < sizeof bad_ones / sizeof bad_ones[0]; i++) {
        struct sbc_buf frames = { 0 }, message = { 0 };
        if (bad_ones[i].kind >= 0)
            put_raw(&message, site, (unsigned) bad_ones[i].kind, bad_ones[i].bytes, bad_ones[i].size);
        else
            sbc_buf_add(&message, bad_ones[i].bytes, bad_ones[i].size);
        put_head(&frames);
        put_message(&frames, &message);
        put_exit(&frames, site->version, 0);
        put_trailers(&frames, "grpc-status: 0\n");
        sbc_buf_free(&message);
        site_answer(site, "StreamExec", &frames, PEER_STAYS);
        struct cwc_process *process = site_exec(site, NULL);
        if (site_result(site, process, NULL) == 0 || site->err.kind != CWC_PROTOCOL || site->err.has_status)
            fail_msg("%s: %s", bad_ones[i].name, site->err.kind == CWC_OK ? "taken" : site->err.message);
        cwc_error_clear(&site->err);
        cwc_process_free(process);
    }
}

static void what_is_no_message_is_a_protocol_error(void **state)
{
    (void) state;
    in_both(check_bad_ones);
}

static const struct {
    const char *name, *bytes;
    size_t size;
    int code;
} exits[] = {
    { "nothing said", BYTES(""), 0 },
    { "-9 in ten bytes", BYTES("\x08\xf7\xff\xff\xff\xff\xff\xff\xff\xff\x01"), -9 },
    { "-9 in five bytes", BYTES("\x08\xf7\xff\xff\xff\x0f"), -9 },
    { "300", BYTES("\x08\xac\x02"), 300 },
    { "the least", BYTES("\x08\x80\x80\x80\x80\xf8\xff\xff\xff\xff\x01"), INT_MIN },
    { "more bits than it has", BYTES("\x08\x87\x80\x80\x80\x10"), 7 },
    { "more bytes than it needs", BYTES("\x08\x87\x80\x80\x80\x00"), 7 },
    { "twice: the later counts", BYTES("\x08\x05\x08\x07"), 7 },
    { "unknown fields of each kind", BYTES("\xc0\x3e\x07\xca\x3e\x02hi\xd1\x3e" "12345678\xdd\x3e" "1234\x08\x07"), 7 },
    { "unknown nested ones", BYTES("\xca\x3e\x08\x0a\x06\x0a\x04\x0a\x02\x0a\x00\x08\x07"), 7 },
    { "a tag in two bytes more", BYTES("\x88\x80\x00\x07"), 7 },
};

static void check_exits(struct site *site)
{
    for (size_t i = 0; i < sizeof exits / sizeof exits[0]; i++) {
        struct sbc_buf frames = { 0 }, message = { 0 };
        struct cwc_result result;
        put_raw(&message, site, EXIT, exits[i].bytes, exits[i].size);
        put_head(&frames);
        put_message(&frames, &message);
        put_trailers(&frames, "grpc-status: 0\n");
        sbc_buf_free(&message);
        site_answer(site, "StreamExec", &frames, PEER_STAYS);
        struct cwc_process *process = site_exec(site, NULL);
        if (site_result(site, process, &result) < 0)
            fail_msg("%s: %s", exits[i].name, site->err.message);
        if (result.exit_code != exits[i].code)
            fail_msg("%s: %d", exits[i].name, result.exit_code);
        cwc_result_clear(&result);
        cwc_process_free(process);
    }
}

static void numbers_are_read_as_protobuf_does(void **state)
{
    (void) state;
    in_both(check_exits);
}

/* An event of a kind that is not known is passed over; of two members of a oneof the last counts. */
static void check_oneof(struct site *site)
{
    struct sbc_buf frames = { 0 }, message = { 0 };
    struct cwc_result result;
    put_head(&frames);
    pb_bytes(&message, 15, "later", 5);
    put_message(&frames, &message);
    sbc_buf_drop(&message, message.size);
    put_raw(&message, site, OUTPUT, BYTES("\x08\x07\x12\x01?")); /* a stream without a name: stdout */
    put_message(&frames, &message);
    sbc_buf_drop(&message, message.size);
    put_raw(&message, site, ERROR, BYTES("\x0a\x01no"));
    sbc_buf_drop(&message, message.size);
    put_raw(&message, site, OUTPUT, BYTES("\x12\x01x"));
    put_raw(&message, site, EXIT, BYTES("\x08\x07"));
    put_message(&frames, &message);
    put_trailers(&frames, "grpc-status: 0\n");
    sbc_buf_free(&message);
    site_answer(site, "StreamExec", &frames, PEER_STAYS);
    struct cwc_process *process = site_exec(site, NULL);
    if (site_result(site, process, &result) < 0)
        fail_msg("%s", site->err.message);
    assert_int_equal(result.exit_code, 7);
    assert_string_equal(result.text, "?");
    cwc_result_clear(&result);
    cwc_process_free(process);
}

static void unknown_events_are_passed_over_and_the_last_of_a_oneof_counts(void **state)
{
    (void) state;
    in_both(check_oneof);
}

/* Protobuf would join them; see docs/wire-notes.md. */
static void check_twice(struct site *site)
{
    struct sbc_buf frames = { 0 }, message = { 0 };
    put_raw(&message, site, OUTPUT, BYTES("\x08\x01"));
    put_raw(&message, site, OUTPUT, BYTES("\x12\x01x"));
    put_head(&frames);
    put_message(&frames, &message);
    sbc_buf_free(&message);
    site_answer(site, "StreamExec", &frames, PEER_STAYS);
    struct cwc_process *process = site_exec(site, NULL);
    assert_int_equal(site_result(site, process, NULL), -1);
    assert_int_equal(site->err.kind, CWC_PROTOCOL);
    cwc_process_free(process);
}

static void a_part_that_comes_twice_is_refused(void **state)
{
    (void) state;
    in_both(check_twice);
}

/* --------------------------------------------------------------- unary answers */

static void answer_get(struct site *site, struct sbc_buf *message)
{
    struct sbc_buf frame = { 0 };
    put_message(&frame, message);
    sbc_buf_free(message);
    site_forget(site, "Get");
    site_answer_well(site, "Get", &frame);
}

static void check_get_refused(struct site *site, struct sbc_buf *message)
{
    answer_get(site, message);
    assert_null(cwc_sandbox_from_id(site->client, "box", &site->err));
    assert_int_equal(site->err.kind, CWC_PROTOCOL);
    assert_false(site->err.has_status);
}

static void check_bad_sandboxes(struct site *site)
{
    struct sbc_buf message = { 0 };
    sbc_buf_add(&message, "\xff", 1);
    check_get_refused(site, &message);
    sbc_buf_add(&message, "\x0a\x02\xc3\x28", 4);
    check_get_refused(site, &message);
    for (int i = 0; i <= 200000; i++) /* two bytes each, and some hundred in memory */
        pb_bytes(&message, site->version == CWC_V1 ? 3 : 9, "", 0);
    check_get_refused(site, &message);
    for (int i = 0; i <= 200000; i++)
        pb_bytes(&message, 1000, "", 0);
    check_get_refused(site, &message);
}

static void sandboxes_that_make_no_sense_are_refused(void **state)
{
    (void) state;
    in_both(check_bad_sandboxes);
}

/* v1: protobuf-c cannot join two statuses of which one has no exit code. */
static void a_status_in_two_parts_is_refused(void **state)
{
    (void) state;
    struct site site;
    struct sbc_buf message = { 0 };
    site_open(&site, CWC_V1, NULL, TIMEOUT_MS);
    sbc_buf_add(&message, "\x1a\x02\x08\x02\x1a\x02\x48\x00", 8);
    check_get_refused(&site, &message);
    sbc_buf_add(&message, "\x1a\x04\x08\x02\x48\x00\x1a\x02\x12\x00", 10);
    check_get_refused(&site, &message);
    site_close(&site);
}

static void check_state(struct site *site, struct sbc_buf *message, enum cwc_state state)
{
    struct cwc_sandbox_info info;
    answer_get(site, message);
    struct cwc_sandbox *found = cwc_sandbox_from_id(site->client, "box", &site->err);
    if (found == NULL)
        fail_msg("%s", site->err.message);
    cwc_sandbox_get_info(found, &info);
    assert_int_equal(info.state, state);
    cwc_sandbox_info_clear(&info);
    cwc_sandbox_free(found);
}

/* Unknown states count as UNSPECIFIED, and that as COMPLETED (wire page, 3.2). */
static void check_states(struct site *site)
{
    static const uint64_t numbers[] = { 0, 77, 8192, UINT64_MAX, (uint64_t) INT64_MIN, 1ull << 31 };
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        struct sbc_buf message = { 0 }, status = { 0 };
        pb_number(&status, 1, numbers[i]);
        if (site->version == CWC_V1)
            pb_bytes(&message, 3, status.data, status.size);
        else
            pb_number(&message, 3, numbers[i]);
        sbc_buf_free(&status);
        check_state(site, &message, CWC_COMPLETED);
    }
}

static void states_without_a_name_are_unspecified(void **state)
{
    (void) state;
    in_both(check_states);
}

/* An unknown field of 3 MiB, another that would be 10,000 messages deep, and ports packed and not. */
static void check_much_unknown(struct site *site)
{
    struct sbc_buf message = { 0 }, deep = { 0 };
    char *big = sbc_alloc(3 << 20, 1);
    pb_bytes(&message, 1000, big, 3 << 20);
    free(big);
    for (int i = 0; i < 1000; i++) {
        struct sbc_buf outer = { 0 };
        pb_part(&outer, 3, &deep);
        deep = outer;
    }
    pb_part(&message, 1001, &deep);
    struct sbc_buf status = { 0 };
    pb_number(&status, 1, 2);
    if (site->version == CWC_V1)
        pb_bytes(&message, 3, status.data, status.size);
    else
        pb_number(&message, 3, 2);
    sbc_buf_free(&status);
    check_state(site, &message, CWC_RUNNING);
}

static void unknown_fields_may_be_large_and_deep(void **state)
{
    (void) state;
    in_both(check_much_unknown);
}

/* A page of 100,000 sandboxes is read in a moment. */
static void check_long_list(struct site *site)
{
    struct sbc_buf message = { 0 }, frame = { 0 };
    struct cwc_list list;
    for (int i = 0; i < 100000; i++)
        pb_bytes(&message, 1, "", 0);
    put_message(&frame, &message);
    sbc_buf_free(&message);
    site_answer_well(site, "List", &frame);
    int64_t begun = sbc_now_ms();
    if (cwc_sandbox_list(site->client, NULL, &list, &site->err) < 0)
        fail_msg("%s", site->err.message);
    assert_int_equal(list.count, 100000);
    assert_true(sbc_now_ms() - begun < 20000);
    cwc_list_clear(&list);
}

static void a_long_list_is_read_in_linear_time(void **state)
{
    (void) state;
    in_both(check_long_list);
}

/* Pages that turn in circles, and pages without an end. */
static void check_pages(struct site *site)
{
    struct sbc_buf message = { 0 }, frame = { 0 };
    struct cwc_list list;
    pb_text(&message, 2, "again");
    put_message(&frame, &message);
    sbc_buf_free(&message);
    site_answer_well(site, "List", &frame);
    assert_int_equal(cwc_sandbox_list(site->client, NULL, &list, &site->err), -1);
    assert_int_equal(site->err.kind, CWC_VENDOR);
    assert_int_equal(site_calls(site, "List"), 2);
}

static void a_list_that_turns_in_circles_is_refused(void **state)
{
    (void) state;
    in_both(check_pages);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_exit_or_error_is_the_end),
        cmocka_unit_test(what_is_no_message_is_a_protocol_error),
        cmocka_unit_test(numbers_are_read_as_protobuf_does),
        cmocka_unit_test(unknown_events_are_passed_over_and_the_last_of_a_oneof_counts),
        cmocka_unit_test(a_part_that_comes_twice_is_refused),
        cmocka_unit_test(sandboxes_that_make_no_sense_are_refused),
        cmocka_unit_test(a_status_in_two_parts_is_refused),
        cmocka_unit_test(states_without_a_name_are_unspecified),
        cmocka_unit_test(unknown_fields_may_be_large_and_deep),
        cmocka_unit_test(a_long_list_is_read_in_linear_time),
        cmocka_unit_test(a_list_that_turns_in_circles_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
