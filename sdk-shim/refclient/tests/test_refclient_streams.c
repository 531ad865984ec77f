/* Output as it comes: collected starts (protocol B), streams of their own, and how they break. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "boxed.h"
#include "sbc_text.h"

#define START  "POST /sandbox/box/processes "
#define WAIT   "POST /sandbox/box/processes/p1/wait "
#define STREAM "GET /sandbox/box/processes/p1/stream"

static const struct sbc_command command = { .command = "c" };

static struct sbc_process *start(struct boxed *boxed)
{
    struct sbc_process *process = sbc_process_start(boxed->box, &command, &boxed->err);
    assert_non_null(process);
    return process;
}

/* A collected start that brings `events`, and how its wait fails. */
static void assert_wait_breaks(const char *events, enum sbc_error_kind kind, const char *code, const char *details)
{
    struct boxed boxed;
    struct sbc_result result;
    boxed_start_with(&boxed, &(struct sbc_client_options){ .collect_bytes = 100, .idle_ms = 2000 });
    scripted_events(boxed.server, START, 1, events, SCRIPTED_CLOSE);
    struct sbc_process *process = start(&boxed);
    for (int i = 0; i < 2; i++) { /* it stays so */
        assert_int_equal(sbc_process_wait(process, NULL, &result, &boxed.err), -1);
        assert_int_equal(boxed.err.kind, kind);
        assert_string_equal(boxed.err.code, code);
        assert_string_equal(boxed.err.details, details);
        assert_false(boxed.err.is_definite);
        assert_false(boxed.err.is_retryable);
    }
    sbc_process_free(process);
    assert_int_equal(scripted_count(boxed.server, "POST "), 2);
    boxed_stop(&boxed);
}

static void assert_incomplete(const char *events, int last_seq)
{
    char *details = sbc_text_format("{\"process_id\":\"p1\",\"last_seq\":%d}", last_seq);
    assert_wait_breaks(events, SBC_INCOMPLETE, "incomplete_output", details);
    free(details);
}

/* -------------------------------------------------------------- collected */

static void a_collected_start_is_one_request_and_its_wait_none(void **state)
{
    (void) state;
    struct boxed boxed;
    struct sbc_result result;
    boxed_start(&boxed, SBC_PROTOCOL_B);
    scripted_events(boxed.server, START, 1,
                    STARTED ": sign of life\n\nevent: keepalive\ndata: {}\n\n" OUTPUT(1, "stdout", "one ")
                        OUTPUT(2, "stderr", "bad ") OUTPUT(3, "system", "sys") OUTPUT(4, "stdout", "two") DONE(4),
                    SCRIPTED_HOLD);
    struct sbc_process *process = start(&boxed);
    assert_non_null(strstr(scripted_request(boxed.server, 1), "\r\nAccept: text/event-stream\r\n"));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(sbc_process_wait(process, NULL, &result, &boxed.err), 0);
        assert_string_equal(result.out.data, "one two");
        assert_string_equal(result.err.data, "bad sys");
        assert_int_equal(result.exit_code, 3);
        assert_int_equal(result.completed_at, 2000);
        sbc_result_clear(&result);
    }
    sbc_process_free(process);
    assert_null(scripted_request(boxed.server, 2));
    boxed_stop(&boxed);
}

static void bytes_are_kept_and_characters_may_be_cut(void **state)
{
    (void) state;
    struct boxed boxed;
    struct sbc_result result;
    boxed_start(&boxed, SBC_PROTOCOL_B);
    scripted_events(boxed.server, START, 1,
                    STARTED "event: output\ndata: {\"seq\":1,\"stream\":\"stdout\",\"data\":\"4oI=\","
                            "\"encoding\":\"base64\",\"timestamp\":1}\n\n"
                            "event: output\ndata: {\"seq\":2,\"stream\":\"stdout\",\"data\":\"rAD/\","
                            "\"encoding\":\"base64\",\"timestamp\":1}\n\n" DONE(2),
                    SCRIPTED_CLOSE);
    struct sbc_process *process = start(&boxed);
    assert_int_equal(sbc_process_wait(process, NULL, &result, &boxed.err), 0);
    assert_int_equal(result.out.size, 5);
    assert_memory_equal(result.out.data, "\xE2\x82\xAC\0\xFF", 5);
    sbc_result_clear(&result);
    sbc_process_free(process);
    boxed_stop(&boxed);
}

static void a_stream_that_breaks_is_incomplete(void **state)
{
    (void) state;
    assert_incomplete(STARTED OUTPUT(1, "stdout", "a"), 1);                                  /* no end */
    assert_incomplete(STARTED OUTPUT(1, "stdout", "a") OUTPUT(3, "stdout", "c") DONE(3), 1); /* a gap */
    assert_incomplete(STARTED OUTPUT(1, "stdout", "a") OUTPUT(1, "stdout", "a") DONE(1), 1); /* a repetition */
    assert_incomplete(STARTED OUTPUT(2, "stdout", "b") DONE(2), 0);                          /* the first is missing */
    assert_incomplete(STARTED OUTPUT(1, "stdout", "a") DONE(2), 1);                          /* the last is missing */
    assert_incomplete(STARTED DONE(null), 0);                                                /* nobody says */
    assert_incomplete(STARTED OUTPUT(1, "tty", "a") DONE(1), 0);
    assert_incomplete(STARTED "event: output\ndata: {nonsense\n\n" DONE(0), 0);
    assert_incomplete(STARTED "event: done\ndata: 7\n\n", 0);
    assert_incomplete(STARTED "event: error\ndata: {\"error\":\"lost\"}\n\n", 0);
    assert_incomplete(STARTED "event: output\ndata: {\"seq\":1,\"stream\":\"stdout\",\"data\":\"a\","
                              "\"encoding\":\"base64\",\"timestamp\":1}\n\n" DONE(1),
                      0);
    assert_incomplete(STARTED "event: done\ndata: {\"id\":\"p1\",\"status\":\"exited\",\"started_at\":1,"
                              "\"last_seq\":0,\"output_truncated\":true}\n\n",
                      0);
    assert_incomplete(STARTED "event: done\ndata: {\"id\":\"p1\",\"status\":\"running\",\"started_at\":1,"
                              "\"last_seq\":0}\n\n",
                      0);
}

static void an_error_event_brings_its_own_code(void **state)
{
    (void) state;
    assert_wait_breaks(STARTED "event: error\ndata: {\"error\":\"lost\",\"code\":\"box_gone\"}\n\n", SBC_INCOMPLETE,
                       "box_gone", "{\"process_id\":\"p1\",\"last_seq\":0}");
}

static void output_over_the_limit_is_an_error_and_what_came_stays(void **state)
{
    (void) state;
    char text[80];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    char *events = sbc_text_format(
        STARTED OUTPUT(
            1, "stdout",
            "begin") "event: output\ndata: {\"seq\":2,\"stream\":\"stdout\",\"data\":\"%s%s\",\"timestamp\":1}\n\n" DONE(2),
        text, text);
    assert_wait_breaks(events, SBC_OUTPUT_LIMIT, "output_limit_exceeded", "{\"process_id\":\"p1\",\"last_seq\":1}");
    struct boxed boxed;
    struct sbc_event event;
    boxed_start_with(&boxed, &(struct sbc_client_options){ .collect_bytes = 100 });
    scripted_events(boxed.server, START, 1, events, SCRIPTED_CLOSE);
    struct sbc_process *process = start(&boxed);
    struct sbc_stream *stream = sbc_stream_open(process, 0, &boxed.err);
    assert_int_equal(sbc_stream_next(stream, &event, &boxed.err), 1);
    assert_string_equal(event.data.data, "begin");
    sbc_event_clear(&event);
    assert_int_equal(sbc_stream_next(stream, &event, &boxed.err), -1);
    assert_int_equal(boxed.err.kind, SBC_OUTPUT_LIMIT);
    sbc_stream_close(stream);
    sbc_process_free(process);
    scripted_events(boxed.server, START, 1, events, SCRIPTED_CLOSE);
    struct sbc_result result;
    struct sbc_command generous = { .command = "c", .max_output_bytes = 1000 };
    assert_int_equal(sbc_exec(boxed.box, &generous, &result, &boxed.err), 0);
    assert_int_equal(result.out.size, 5 + 2 * 79);
    sbc_result_clear(&result);
    boxed_stop(&boxed);
    free(events);
}

static void assert_start_fails(const char *events, enum sbc_error_kind kind)
{
    struct boxed boxed;
    boxed_start_with(&boxed, &(struct sbc_client_options){ .idle_ms = 2000 });
    scripted_events(boxed.server, START, 1, events, SCRIPTED_CLOSE);
    assert_null(sbc_process_start(boxed.box, &command, &boxed.err));
    assert_int_equal(boxed.err.kind, kind);
    assert_false(boxed.err.is_definite);
    assert_int_equal(scripted_count(boxed.server, START), 1);
    boxed_stop(&boxed);
}

static void a_stream_must_begin_with_started(void **state)
{
    (void) state;
    assert_start_fails("", SBC_MALFORMED);
    assert_start_fails(": only comments\n\n", SBC_MALFORMED);
    assert_start_fails(OUTPUT(1, "stdout", "a"), SBC_MALFORMED);
    assert_start_fails("event: started\ndata: {\"id\":1}\n\n", SBC_MALFORMED);
    assert_start_fails("event: started\ndata: nonsense\n\n", SBC_MALFORMED);
}

static void a_json_answer_to_a_streamed_start_is_refused_and_not_resent(void **state)
{
    (void) state;
    struct boxed boxed;
    boxed_start(&boxed, SBC_PROTOCOL_B);
    scripted_json(boxed.server, START, 0, 200, PROCESS("running"));
    assert_null(sbc_process_start(boxed.box, &command, &boxed.err));
    assert_int_equal(boxed.err.kind, SBC_UNSUPPORTED);
    assert_string_equal(boxed.err.code, "streaming_not_supported");
    assert_false(boxed.err.is_retryable);
    assert_false(boxed.err.is_definite);
    assert_int_equal(scripted_count(boxed.server, "POST "), 2);
    boxed_stop(&boxed);
}

static void a_wait_that_runs_out_of_time_can_be_repeated(void **state)
{
    (void) state;
    struct boxed boxed;
    struct sbc_result result;
    struct sbc_process_info info;
    boxed_start(&boxed, SBC_PROTOCOL_B);
    scripted_events(boxed.server, START, 1, STARTED OUTPUT(1, "stdout", "a"), SCRIPTED_HOLD);
    struct sbc_process *process = start(&boxed);
    for (int i = 0; i < 2; i++) {
        struct sbc_limit limit = { i == 0 ? 60 : 60000, i == 0 ? 0 : 0.05 }; /* seconds win */
        int64_t before = sbc_now_ms();
        assert_int_equal(sbc_process_wait(process, &limit, &result, &boxed.err), -1);
        assert_int_equal(boxed.err.kind, SBC_WAIT_TIMEOUT);
        assert_int_equal(boxed.err.status, 0);
        assert_in_range(sbc_now_ms() - before, 40, 5000);
    }
    sbc_process_get_info(process, &info);
    assert_string_equal(info.status, "running");
    sbc_process_info_clear(&info);
    assert_null(scripted_request(boxed.server, 2));
    sbc_process_free(process);
    boxed_stop(&boxed);
}

static void silence_ends_a_collection(void **state)
{
    (void) state;
    struct boxed boxed;
    struct sbc_result result;
    boxed_start_with(&boxed, &(struct sbc_client_options){ .idle_ms = 100 });
    scripted_events(boxed.server, START, 1, STARTED, SCRIPTED_HOLD);
    struct sbc_process *process = start(&boxed);
    assert_int_equal(sbc_process_wait(process, NULL, &result, &boxed.err), -1);
    assert_int_equal(boxed.err.kind, SBC_INCOMPLETE);
    sbc_process_free(process);
    boxed_stop(&boxed);
}

static void after_a_disconnect_the_end_is_not_known(void **state)
{
    (void) state;
    struct boxed boxed;
    struct sbc_result result;
    boxed_start(&boxed, SBC_PROTOCOL_B);
    scripted_events(boxed.server, START, 1, STARTED OUTPUT(1, "stdout", "a"), SCRIPTED_HOLD);
    struct sbc_process *process = start(&boxed);
    assert_int_equal(sbc_process_disconnect(process, &boxed.err), 0);
    assert_int_equal(sbc_process_wait(process, NULL, &result, &boxed.err), -1);
    assert_int_equal(boxed.err.kind, SBC_INCOMPLETE);
    assert_string_equal(boxed.err.code, "incomplete_output");
    assert_null(scripted_request(boxed.server, 2));
    sbc_process_free(process);
    boxed_stop(&boxed);
}

static void a_kill_believes_the_server_when_the_collection_broke(void **state)
{
    (void) state;
    struct boxed boxed;
    struct sbc_result result;
    boxed_start(&boxed, SBC_PROTOCOL_B);
    scripted_events(boxed.server, START, 1, STARTED, SCRIPTED_CLOSE);
    scripted_json(boxed.server, "DELETE /sandbox/box/processes/p1 ", 0, 200, PROCESS("running"));
    scripted_json(boxed.server, WAIT, 0, 200, RESULT("killed", "null", ""));
    struct sbc_process *process = start(&boxed);
    assert_int_equal(sbc_process_wait(process, NULL, &result, &boxed.err), -1);
    assert_int_equal(sbc_process_kill(process, NULL, &result, &boxed.err), 0);
    assert_string_equal(result.status, "killed");
    sbc_result_clear(&result);
    sbc_process_free(process);
    boxed_stop(&boxed);
}

static void a_truncated_answer_to_a_wait_is_incomplete_in_b_and_told_in_a(void **state)
{
    (void) state;
    static const char body[] = "{\"result\":{\"id\":\"p1\",\"status\":\"exited\",\"exit_code\":0,\"stdout\":\"end\","
                               "\"stderr\":\"\",\"started_at\":1,\"output_truncated\":true}}";
    for (int i = 0; i < 2; i++) {
        struct boxed boxed;
        struct sbc_result result;
        boxed_start(&boxed, i == 0 ? SBC_PROTOCOL_A : SBC_PROTOCOL_B);
        scripted_json(boxed.server, "GET /sandbox/box/processes/p1 ", 0, 200, PROCESS("running"));
        scripted_json(boxed.server, WAIT, 0, 200, body);
        struct sbc_process *process = sbc_process_get(boxed.box, "p1", &boxed.err);
        if (i == 0) {
            assert_int_equal(sbc_process_wait(process, NULL, &result, &boxed.err), 0);
            assert_true(result.is_truncated);
            sbc_result_clear(&result);
        } else {
            assert_int_equal(sbc_process_wait(process, NULL, &result, &boxed.err), -1);
            assert_string_equal(boxed.err.code, "incomplete_output");
        }
        sbc_process_free(process);
        boxed_stop(&boxed);
    }
}

/* --------------------------------------------------------------- requested */

/* "type:seq:data|" of what a stream of its own gives, and "!code" or "." for its end. */
static char *read_stream(const char *query, const char *events, int64_t from_seq)
{
    struct boxed boxed;
    struct sbc_event event;
    struct sbc_buf out = { 0 };
    char *begin = sbc_text_format(STREAM "%s ", query);
    boxed_start_with(&boxed, &(struct sbc_client_options){ .protocol = SBC_PROTOCOL_A, .idle_ms = 2000 });
    scripted_json(boxed.server, START, 1, 200, PROCESS("running"));
    scripted_events(boxed.server, begin, 1, events, SCRIPTED_CLOSE);
    struct sbc_process *process = start(&boxed);
    struct sbc_stream *stream = sbc_stream_open(process, from_seq, &boxed.err);
    assert_non_null(stream);
    int got;
    while ((got = sbc_stream_next(stream, &event, &boxed.err)) > 0) {
        sbc_buf_add_format(&out, "%s:%d:", sbc_event_type_name(event.type), (int) event.seq);
        sbc_buf_add_format(&out, "%s|", event.type == SBC_EXIT ? event.result.status : event.data.data);
        sbc_event_clear(&event);
    }
    sbc_buf_add_format(&out, "%s%s", got < 0 ? "!" : ".", got < 0 ? boxed.err.code : "");
    assert_int_equal(sbc_stream_next(stream, &event, &boxed.err), got); /* it stays so */
    sbc_stream_close(stream);
    sbc_process_free(process);
    boxed_stop(&boxed);
    free(begin);
    return sbc_buf_take(&out);
}

static void assert_stream(const char *query, const char *events, int64_t from_seq, const char *wanted)
{
    char *got = read_stream(query, events, from_seq);
    assert_string_equal(got, wanted);
    free(got);
}

static void a_stream_gives_output_and_then_the_exit(void **state)
{
    (void) state;
    assert_stream("", OUTPUT(1, "stdout", "a") "event: new\ndata: x\n\n" OUTPUT(2, "stderr", "b") DONE(2), 0,
                  "stdout:1:a|stderr:2:b|exit:0:exited|.");
    assert_stream("", DONE(0), -3, "exit:0:exited|.");
}

static void a_stream_from_a_number_asks_for_it(void **state)
{
    (void) state;
    assert_stream("?from_seq=2", OUTPUT(1, "stdout", "a") OUTPUT(2, "stdout", "b") DONE(2), 2,
                  "stdout:2:b|exit:0:exited|.");
}

static void what_is_sent_twice_is_given_once(void **state)
{
    (void) state;
    assert_stream(
        "", OUTPUT(1, "stdout", "a") OUTPUT(1, "stdout", "a") OUTPUT(2, "stdout", "b") OUTPUT(1, "stdout", "a") DONE(2),
        0, "stdout:1:a|stdout:2:b|exit:0:exited|.");
}

static void numbers_may_jump_but_not_step_back(void **state)
{
    (void) state;
    assert_stream("", OUTPUT(3, "stdout", "a") OUTPUT(5, "stdout", "b") DONE(5), 0,
                  "stdout:3:a|stdout:5:b|exit:0:exited|.");
    assert_stream("", OUTPUT(1, "stdout", "a") OUTPUT(3, "stdout", "c") OUTPUT(2, "stdout", "b") DONE(3), 0,
                  "stdout:1:a|stdout:3:c|!incomplete_output");
    assert_stream("", OUTPUT(2, "stdout", "b") OUTPUT(1, "stdout", "a") DONE(2), 0, "stdout:2:b|!incomplete_output");
}

static void a_stream_without_its_exit_is_never_an_end(void **state)
{
    (void) state;
    assert_stream("", OUTPUT(1, "stdout", "a"), 0, "stdout:1:a|!incomplete_output");
    assert_stream("", "", 0, "!incomplete_output");
    assert_stream("", OUTPUT(1, "stdout", "a") "event: done\ndata: {\"id\":", 0, "stdout:1:a|!incomplete_output");
    assert_stream("", "event: done\ndata: {\"status\":\"exited\"}\n\n", 0, "!incomplete_output");
    assert_stream("", "event: done\ndata: " RESULT_OF("running", "null", "") "\n\n", 0, "!incomplete_output");
}

static void a_stream_that_is_refused_is_an_error_before_it_begins(void **state)
{
    (void) state;
    struct boxed boxed;
    boxed_start(&boxed, SBC_PROTOCOL_A);
    scripted_json(boxed.server, START, 1, 200, PROCESS("running"));
    scripted_json(boxed.server, STREAM "?from_seq=1 ", 1, 410,
                  "{\"message\":\"Replay window expired\",\"code\":\"replay_window_expired\"}");
    scripted_json(boxed.server, STREAM " ", 1, 200, "{}");
    struct sbc_process *process = start(&boxed);
    assert_null(sbc_stream_open(process, 1, &boxed.err));
    assert_int_equal(boxed.err.status, 410);
    assert_string_equal(boxed.err.code, "replay_window_expired");
    assert_null(sbc_stream_open(process, 0, &boxed.err));
    assert_int_equal(boxed.err.kind, SBC_MALFORMED);
    assert_int_equal(sbc_process_disconnect(process, &boxed.err), -1);
    assert_int_equal(boxed.err.kind, SBC_UNSUPPORTED);
    sbc_process_free(process);
    boxed_stop(&boxed);
}

static void a_stream_can_be_left_at_any_time(void **state)
{
    (void) state;
    for (int i = 0; i < 2; i++) {
        struct boxed boxed;
        struct sbc_event event;
        boxed_start(&boxed, i == 0 ? SBC_PROTOCOL_A : SBC_PROTOCOL_B);
        if (i == 0)
            scripted_json(boxed.server, START, 1, 200, PROCESS("running"));
        else
            scripted_events(boxed.server, START, 1, STARTED OUTPUT(1, "stdout", "a"), SCRIPTED_HOLD);
        scripted_events(boxed.server, STREAM, 1, OUTPUT(1, "stdout", "a"), SCRIPTED_HOLD);
        struct sbc_process *process = start(&boxed);
        struct sbc_stream *stream = sbc_stream_open(process, 0, &boxed.err);
        sbc_process_free(process); /* the stream keeps what it needs */
        assert_int_equal(sbc_stream_next(stream, &event, &boxed.err), 1);
        sbc_event_clear(&event);
        sbc_stream_close(stream);
        boxed_stop(&boxed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_collected_start_is_one_request_and_its_wait_none),
        cmocka_unit_test(bytes_are_kept_and_characters_may_be_cut),
        cmocka_unit_test(a_stream_that_breaks_is_incomplete),
        cmocka_unit_test(an_error_event_brings_its_own_code),
        cmocka_unit_test(output_over_the_limit_is_an_error_and_what_came_stays),
        cmocka_unit_test(a_stream_must_begin_with_started),
        cmocka_unit_test(a_json_answer_to_a_streamed_start_is_refused_and_not_resent),
        cmocka_unit_test(a_wait_that_runs_out_of_time_can_be_repeated),
        cmocka_unit_test(silence_ends_a_collection),
        cmocka_unit_test(after_a_disconnect_the_end_is_not_known),
        cmocka_unit_test(a_kill_believes_the_server_when_the_collection_broke),
        cmocka_unit_test(a_truncated_answer_to_a_wait_is_incomplete_in_b_and_told_in_a),
        cmocka_unit_test(a_stream_gives_output_and_then_the_exit),
        cmocka_unit_test(a_stream_from_a_number_asks_for_it),
        cmocka_unit_test(what_is_sent_twice_is_given_once),
        cmocka_unit_test(numbers_may_jump_but_not_step_back),
        cmocka_unit_test(a_stream_without_its_exit_is_never_an_end),
        cmocka_unit_test(a_stream_that_is_refused_is_an_error_before_it_begins),
        cmocka_unit_test(a_stream_can_be_left_at_any_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
