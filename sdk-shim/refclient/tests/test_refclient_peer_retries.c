/* What the CoreWeave client asks again, and what never: polls, stops, logs that go on where they were. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "peer.h"

#define TIMEOUT_MS 30000

static void put_status(struct sbc_buf *out, int status)
{
    char lines[40];
    snprintf(lines, sizeof lines, "grpc-status: %d\n", status);
    put_headers(out, ":status: 200\ncontent-type: application/grpc\n", false);
    put_trailers(out, lines);
}

static void answer_status(struct site *site, const char *method, int status, int times)
{
    for (int i = 0; i < times; i++) {
        struct sbc_buf frames = { 0 };
        put_status(&frames, status);
        site_answer(site, method, &frames, PEER_STAYS);
    }
}

/* --------------------------------------------------------------------- polls */

static void check_poll(enum cwc_version version, int status, bool may_pass)
{
    struct site site;
    site_open(&site, version, NULL, TIMEOUT_MS);
    site_forget(&site, "Get");
    answer_status(&site, "Get", status, 2);
    site_run(&site);
    int failed = cwc_sandbox_wait(site.box, 20, &site.err);
    if ((failed == 0) != may_pass || site_calls(&site, "Get") != (may_pass ? 3 : 1))
        fail_msg("status %d: %s, %d questions", status, failed == 0 ? "passed" : site.err.message,
                 site_calls(&site, "Get"));
    if (failed < 0)
        assert_int_equal(site.err.status, status);
    site_close(&site);
}

static void polls_are_asked_again_behind_three_statuses_only(void **state)
{
    (void) state;
    for (int status = 1; status < CWC_STATUSES; status++) {
        bool may_pass = status == CWC_STATUS_UNAVAILABLE || status == CWC_STATUS_DEADLINE_EXCEEDED ||
                        status == CWC_STATUS_RESOURCE_EXHAUSTED;
        check_poll(CWC_V1BETA2, status, may_pass);
        check_poll(CWC_V1, status, may_pass);
    }
}

/* ------------------------------------------------------- what is asked once only */

static int create(struct site *site)
{
    struct cwc_sandbox *box = cwc_sandbox_create(site->client, &(struct cwc_sandbox_options){ 0 }, &site->err);
    cwc_sandbox_free(box);
    return box == NULL ? -1 : 0;
}

static int list(struct site *site)
{
    struct cwc_list found;
    return cwc_sandbox_list(site->client, NULL, &found, &site->err);
}

static int stop(struct site *site)
{
    return cwc_sandbox_stop(site->box, 1, false, &site->err);
}

static int write_file(struct site *site)
{
    return cwc_file_write(site->box, "/f", "x", 1, &site->err);
}

static int read_file(struct site *site)
{
    struct cwc_bytes data;
    return cwc_file_read(site->box, "/f", &data, &site->err);
}

static int exec(struct site *site)
{
    struct cwc_process *process = site_exec(site, NULL);
    int failed = site_result(site, process, NULL);
    cwc_process_free(process);
    return failed;
}

static int read_logs(struct site *site)
{
    struct cwc_bytes line;
    struct cwc_logs *logs = cwc_logs_open(site->box, NULL, &site->err);
    int got = logs == NULL ? -1 : cwc_logs_next(logs, &line, &site->err);
    cwc_logs_close(logs);
    return got;
}

static const struct {
    const char *method;
    int (*call)(struct site *);
} calls[] = {
    { "Start", create },          { "List", list },            { "Stop", stop },          { "AddFile", write_file },
    { "RetrieveFile", read_file }, { "StreamExec", exec },     { "StreamLogs", read_logs },
};

static void all_else_is_asked_once(void **state)
{
    (void) state;
    for (int version = CWC_V1BETA2; version <= CWC_V1; version++) {
        for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
            struct site site;
            site_open(&site, (enum cwc_version) version, NULL, TIMEOUT_MS);
            site_forget(&site, "Start");
            int before = site_calls(&site, calls[i].method);
            answer_status(&site, calls[i].method, CWC_STATUS_UNAVAILABLE, 2);
            assert_int_equal(calls[i].call(&site), -1);
            if (site.err.status != CWC_STATUS_UNAVAILABLE || site_calls(&site, calls[i].method) != before + 1)
                fail_msg("%s: %s, asked %d times", calls[i].method, site.err.message,
                         site_calls(&site, calls[i].method) - before);
            site_close(&site);
        }
    }
}

/* UNAVAILABLE with RetryInfo (10 ms), as 1.22.0 takes it: Status{ details: Any{ RetryInfo } }. */
static void put_hint(struct sbc_buf *out)
{
    struct sbc_buf status = { 0 }, any = { 0 }, info = { 0 }, delay = { 0 }, lines = { 0 };
    pb_number(&delay, 2, 10000000);
    pb_part(&info, 1, &delay);
    pb_text(&any, 1, "type.googleapis.com/google.rpc.RetryInfo");
    pb_part(&any, 2, &info);
    pb_number(&status, 1, 14);
    pb_part(&status, 3, &any);
    char *text = sbc_base64_encode(status.data, status.size);
    sbc_buf_add_format(&lines, "grpc-status: 14\ngrpc-status-details-bin: %s\n", text);
    put_head(out);
    put_trailers(out, lines.data);
    free(text);
    sbc_buf_free(&status);
    sbc_buf_free(&lines);
}

static void check_hint(enum cwc_version version, size_t call, bool is_heard)
{
    struct site site;
    site_open(&site, version, NULL, TIMEOUT_MS);
    site_forget(&site, "Start");
    int before = site_calls(&site, calls[call].method);
    for (int i = 0; i < 4; i++) {
        struct sbc_buf frames = { 0 };
        put_hint(&frames);
        site_answer(&site, calls[call].method, &frames, PEER_STAYS);
    }
    assert_int_equal(calls[call].call(&site), -1);
    assert_int_equal(site.err.status, CWC_STATUS_UNAVAILABLE);
    assert_int_equal(site.err.retry_after_ms, 10);
    if (site_calls(&site, calls[call].method) - before != (is_heard ? 3 : 1))
        fail_msg("%s: asked %d times", calls[call].method, site_calls(&site, calls[call].method) - before);
    site_close(&site);
}

static void stops_and_reads_are_asked_again_where_the_server_says_when(void **state)
{
    (void) state;
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        bool is_safe = strcmp(calls[i].method, "Stop") == 0 || strcmp(calls[i].method, "RetrieveFile") == 0;
        check_hint(CWC_V1BETA2, i, false);
        check_hint(CWC_V1, i, is_safe);
    }
}

/* ---------------------------------------------------------------------- logs */

static struct cwc_logs *follow(struct site *site)
{
    struct cwc_log_options options = { .follow = true, .tail_lines = 9, .timestamps = true };
    struct cwc_logs *logs = cwc_logs_open(site->box, &options, &site->err);
    if (logs == NULL)
        fail_msg("%s", site->err.message);
    return logs;
}

/* All lines with a bar behind each; then what the end was. */
static char *read_lines(struct site *site, struct cwc_logs *logs, int *out_end)
{
    struct sbc_buf all = { 0 };
    struct cwc_bytes line;
    while ((*out_end = cwc_logs_next(logs, &line, &site->err)) == 1) {
        sbc_buf_add(&all, line.data, line.size);
        sbc_buf_add_text(&all, "|");
        cwc_bytes_clear(&line);
    }
    return sbc_buf_take(&all);
}

static void check_lines(struct site *site, const char *wanted, int wanted_end)
{
    int end;
    struct cwc_logs *logs = follow(site);
    char *lines = read_lines(site, logs, &end);
    if (strcmp(lines, wanted) != 0)
        fail_msg("%zu bytes of lines: %.99s", strlen(lines), lines);
    if (end != wanted_end)
        fail_msg("%d: %s", end, site->err.message);
    free(lines);
    cwc_logs_close(logs);
}

/* Ways in which a stream breaks off in mid-line. */
static enum peer_then put_break(struct sbc_buf *out, int way)
{
    switch (way) {
    case 0: put_trailers(out, "grpc-status: 14\n"); return PEER_STAYS;
    case 1: put_trailers(out, "grpc-status: 13\n"); return PEER_STAYS;
    case 2: put_trailers(out, "grpc-status: 2\n"); return PEER_STAYS;
    case 3: put_rst(out, 2); return PEER_STAYS;
    case 4: put_goaway(out, 0, 0); return PEER_STAYS;
    case 5: put_data(out, "\0\0", 2, false); return PEER_CLOSES;
    case 6: put_log_error(out, "STREAM_INTERRUPTED"); return PEER_STAYS;
    default: return PEER_CLOSES;
    }
}

static bool has_bytes(const char *bytes, size_t size, const char *wanted, size_t wanted_size)
{
    return memmem(bytes, size, wanted, wanted_size) != NULL;
}

static void a_follower_loses_no_line_and_doubles_none(void **state)
{
    (void) state;
    for (int way = 0; way < 8; way++) {
        struct site site;
        struct sbc_buf first = { 0 }, second = { 0 };
        size_t size;
        site_open(&site, CWC_V1, NULL, TIMEOUT_MS);
        put_head(&first);
        put_log(&first, "one\ntw", "s7", 6);
        enum peer_then then = put_break(&first, way);
        site_answer(&site, "StreamLogs", &first, then);
        put_head(&second);
        put_log(&second, "o\nthree", "s7", 13);
        put_trailers(&second, "grpc-status: 0\n");
        site_answer(&site, "StreamLogs", &second, PEER_STAYS);
        check_lines(&site, "one\n|two\n|three|", 0);
        assert_int_equal(site_calls(&site, "StreamLogs"), 2);
        char *asked = peer_bytes(site.peer, "StreamLogs", &size);
        assert_true(has_bytes(asked, size, "\x3a\x02s7\x40\x06", 6)); /* session and offset */
        assert_true(has_bytes(asked, size, "\x18\x09\x30\x01", 4));   /* tail and timestamps, the first time */
        assert_int_equal(size, 5 + 11 + 5 + 13);                      /* ... and not the second */
        free(asked);
        site_close(&site);
    }
}

/* The session is lost: it begins anew, and half a line is not glued to what comes. */
static void a_lost_session_begins_anew(void **state)
{
    (void) state;
    static const char *const codes[] = { "SESSION_NOT_FOUND", "REPLAY_GAP", "RUNNER_UNAVAILABLE", "RUNNER_DRAINING" };
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        struct site site;
        struct sbc_buf first = { 0 }, second = { 0 };
        size_t size;
        site_open(&site, CWC_V1, NULL, TIMEOUT_MS);
        put_head(&first);
        put_log(&first, "one\ntw", "s7", 6);
        put_log_error(&first, codes[i]);
        site_answer(&site, "StreamLogs", &first, PEER_STAYS);
        put_head(&second);
        put_log(&second, "three\n", "s8", 6);
        put_trailers(&second, "grpc-status: 0\n");
        site_answer(&site, "StreamLogs", &second, PEER_STAYS);
        check_lines(&site, "one\n|three\n|", 0);
        char *asked = peer_bytes(site.peer, "StreamLogs", &size);
        assert_false(has_bytes(asked, size, "s7", 2));
        free(asked);
        site_close(&site);
    }
}

static const struct {
    int status;       /* 0: the error is said in the stream */
    const char *code;
    enum cwc_error_kind kind;
} ends[] = {
    { CWC_STATUS_NOT_FOUND, NULL, CWC_NOT_FOUND },
    { CWC_STATUS_PERMISSION_DENIED, NULL, CWC_AUTHENTICATION },
    { CWC_STATUS_CANCELLED, NULL, CWC_NOT_RUNNING },
    { CWC_STATUS_DEADLINE_EXCEEDED, NULL, CWC_REQUEST_TIMEOUT },
    { CWC_STATUS_RESOURCE_EXHAUSTED, NULL, CWC_EXHAUSTED },
    { 0, "STREAM_TRUNCATED", CWC_TRUNCATED },
    { 0, "INVALID_RESUME_OFFSET", CWC_SANDBOX },
    { 0, "WHAT_IS_THIS", CWC_SANDBOX },
};

static void what_cannot_pass_ends_a_follower_at_once(void **state)
{
    (void) state;
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        struct site site;
        struct sbc_buf frames = { 0 };
        char lines[40];
        site_open(&site, CWC_V1, NULL, TIMEOUT_MS);
        put_head(&frames);
        put_log(&frames, "one\ntw", "s7", 6);
        snprintf(lines, sizeof lines, "grpc-status: %d\n", ends[i].status);
        if (ends[i].code != NULL)
            put_log_error(&frames, ends[i].code);
        put_trailers(&frames, lines);
        site_answer(&site, "StreamLogs", &frames, PEER_STAYS);
        check_lines(&site, "one\n|", -1);
        assert_int_equal(site.err.kind, ends[i].kind);
        assert_int_equal(site_calls(&site, "StreamLogs"), 1);
        site_close(&site);
    }
}

static void a_follower_gives_up_behind_three_breaks(void **state)
{
    (void) state;
    struct site site;
    site_open(&site, CWC_V1, NULL, TIMEOUT_MS);
    answer_status(&site, "StreamLogs", CWC_STATUS_UNAVAILABLE, 5);
    check_lines(&site, "", -1);
    assert_int_equal(site.err.kind, CWC_UNAVAILABLE);
    assert_int_equal(site_calls(&site, "StreamLogs"), 3);
    site_close(&site);
}

/* Nobody is there for a while: a try like any other. */
static void a_refused_connection_is_one_break_of_three(void **state)
{
    (void) state;
    struct site site;
    struct sbc_buf frames = { 0 };
    site_open(&site, CWC_V1, NULL, TIMEOUT_MS);
    put_head(&frames);
    put_log(&frames, "one\n", "s7", 4);
    site_answer(&site, "StreamLogs", &frames, PEER_LEAVES);
    check_lines(&site, "one\n|", -1);
    assert_int_equal(site.err.kind, CWC_UNAVAILABLE);
    assert_non_null(strstr(site.err.message, "3 times"));
    site_close(&site);
}

/* No session was named, so none can be asked for: what was before is not asked for again. */
static void without_a_session_a_follower_goes_on_from_now(void **state)
{
    (void) state;
    struct site site;
    struct sbc_buf first = { 0 }, second = { 0 };
    size_t size;
    site_open(&site, CWC_V1, NULL, TIMEOUT_MS);
    put_head(&first);
    put_log(&first, "one\ntw", NULL, 0);
    put_trailers(&first, "grpc-status: 14\n");
    site_answer(&site, "StreamLogs", &first, PEER_STAYS);
    put_head(&second);
    put_log(&second, "three\n", NULL, 0);
    put_trailers(&second, "grpc-status: 0\n");
    site_answer(&site, "StreamLogs", &second, PEER_STAYS);
    check_lines(&site, "one\n|three\n|", 0);
    char *asked = peer_bytes(site.peer, "StreamLogs", &size);
    assert_true(size > 16 && has_bytes(asked, size, "\x0a\x03" "box\x10\x01\x18\x09\x30\x01", 11));
    assert_true(has_bytes(asked + 16, size - 16, "\x08", 1) &&
                has_bytes(asked + 16, size - 16, "\x22", 1));    /* since_time, about now */
    assert_false(has_bytes(asked + 16, size - 16, "\x18\x09", 2));       /* no tail */
    free(asked);
    site_close(&site);
}

static void a_line_without_an_end_is_not_kept_for_ever(void **state)
{
    (void) state;
    char *big = sbc_alloc((1 << 20) + 2, 1);
    memset(big, 'x', (1 << 20) + 1);
    for (int has_end = 0; has_end < 2; has_end++) {
        struct site site;
        struct sbc_buf frames = { 0 };
        site_open(&site, CWC_V1, NULL, TIMEOUT_MS);
        big[1 << 20] = has_end ? '\n' : 'x'; /* 1 MiB and its end */
        put_head(&frames);
        put_log(&frames, big, "s7", (1 << 20) + 1);
        put_trailers(&frames, "grpc-status: 0\n");
        site_answer(&site, "StreamLogs", &frames, PEER_STAYS);
        check_lines(&site, "", -1);
        assert_int_equal(site.err.kind, CWC_TRUNCATED);
        site_close(&site);
    }
    free(big);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(polls_are_asked_again_behind_three_statuses_only),
        cmocka_unit_test(all_else_is_asked_once),
        cmocka_unit_test(stops_and_reads_are_asked_again_where_the_server_says_when),
        cmocka_unit_test(a_follower_loses_no_line_and_doubles_none),
        cmocka_unit_test(a_lost_session_begins_anew),
        cmocka_unit_test(what_cannot_pass_ends_a_follower_at_once),
        cmocka_unit_test(a_follower_gives_up_behind_three_breaks),
        cmocka_unit_test(a_refused_connection_is_one_break_of_three),
        cmocka_unit_test(without_a_session_a_follower_goes_on_from_now),
        cmocka_unit_test(a_line_without_an_end_is_not_kept_for_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
