/* What comes of answers: errors and results. */
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

#define EXEC "POST /sandbox/box/exec "

static const struct sbc_command command = { .command = "c" };

static int run(struct boxed *boxed, struct sbc_result *result)
{
    return sbc_exec(boxed->box, &command, result, &boxed->err);
}

static void run_well(struct boxed *boxed)
{
    struct sbc_result result;
    assert_int_equal(run(boxed, &result), 0);
    assert_int_equal(result.exit_code, 7);
    assert_string_equal(result.out.data, "hi");
    sbc_result_clear(&result);
}

static void run_badly(struct boxed *boxed)
{
    struct sbc_result result;
    assert_int_equal(run(boxed, &result), -1);
}

/* ------------------------------------------------------------------ errors */

static void an_errors_parts_are_read_from_its_answer(void **state)
{
    (void) state;
    struct boxed boxed;
    boxed_start(&boxed, SBC_PROTOCOL_A);
    scripted_json(boxed.server, EXEC, 1, 422,
                  "{\"error\":\"short\",\"message\":\"long \xC3\xA9\",\"code\":\"c1\",\"x\":[1]}");
    run_badly(&boxed);
    assert_int_equal(boxed.err.kind, SBC_HTTP);
    assert_int_equal(boxed.err.status, 422);
    assert_string_equal(boxed.err.message, "long \xC3\xA9");
    assert_string_equal(boxed.err.code, "c1");
    assert_string_equal(boxed.err.request_id, "req_7");
    assert_string_equal(boxed.err.details,
                        "{\"error\":\"short\",\"message\":\"long \xC3\xA9\",\"code\":\"c1\",\"x\":[1]}");
    assert_int_equal(boxed.err.service, SBC_RUNTIME);
    assert_true(boxed.err.is_definite);
    boxed_stop(&boxed);
}

static void an_error_has_a_message_whatever_its_answer(void **state)
{
    (void) state;
    static const struct {
        const char *body, *message;
    } rows[] = {
        { "{\"error\":\"only\"}", "only" },
        { "{\"message\":7,\"error\":\"second\",\"code\":8}", "second" },
        { "{}", "the server answered with status 500" },
        { "", "the server answered with status 500" },
        { "[1]", "[1]" },
        { "plain text", "plain text" },
        { "<html>", "<html>" },
        { "bad \xFF", "bad \xEF\xBF\xBD" },
    };
    struct boxed boxed;
    boxed_start(&boxed, SBC_PROTOCOL_A);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        scripted_json(boxed.server, EXEC, 1, 500, rows[i].body);
        run_badly(&boxed);
        assert_string_equal(boxed.err.message, rows[i].message);
        assert_null(boxed.err.code);
        assert_false(boxed.err.is_retryable);
    }
    boxed_stop(&boxed);
}

static void only_four_states_are_retryable(void **state)
{
    (void) state;
    static const struct {
        int status;
        bool is_retryable, is_definite;
    } rows[] = {
        { 400, false, true }, { 404, false, true }, { 408, false, true },  { 409, false, true },  { 410, false, true },
        { 413, false, true }, { 429, true, true },  { 500, false, false }, { 501, false, false }, { 502, true, false },
        { 503, true, false }, { 504, true, false }, { 302, false, true },
    };
    struct boxed boxed;
    boxed_start(&boxed, SBC_PROTOCOL_A);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        scripted_json(boxed.server, EXEC, 1, rows[i].status, "{}");
        run_badly(&boxed);
        assert_int_equal(boxed.err.status, rows[i].status);
        assert_int_equal(boxed.err.is_retryable, rows[i].is_retryable);
        assert_int_equal(boxed.err.is_definite, rows[i].is_definite);
    }
    boxed_stop(&boxed);
}

static void the_control_planes_word_on_retrying_counts(void **state)
{
    (void) state;
    static const struct sbc_sandbox_options options = { .image = "i" };
    struct boxed boxed;
    boxed_start(&boxed, SBC_PROTOCOL_A);
    scripted_forget(boxed.server, "POST /api/sandbox ");
    scripted_json(boxed.server, "POST /api/sandbox ", 1, 500, "{\"retryable\":true}");
    scripted_json(boxed.server, "POST /api/sandbox ", 1, 503, "{\"retryable\":false}");
    scripted_json(boxed.server, "POST /api/sandbox ", 1, 503, "{\"retryable\":\"no\"}");
    for (int i = 0; i < 3; i++) {
        assert_null(sbc_sandbox_create(boxed.client, &options, &boxed.err));
        assert_int_equal(boxed.err.is_retryable, i != 1);
    }
    scripted_json(boxed.server, EXEC, 1, 503, "{\"retryable\":false}");
    run_badly(&boxed);
    assert_true(boxed.err.is_retryable);
    boxed_stop(&boxed);
}

static void the_control_planes_code_may_stand_in_error(void **state)
{
    (void) state;
    static const struct {
        const char *body, *code;
    } rows[] = {
        { "{\"message\":\"m\",\"error\":\"API_KEY_SCOPE_DENIED\"}", "API_KEY_SCOPE_DENIED" },
        { "{\"message\":\"m\",\"error\":\"A_1\",\"code\":\"c\"}", "c" },
        { "{\"error\":\"A_1\"}", NULL },
        { "{\"message\":\"m\",\"error\":\"DENIED\"}", NULL },
        { "{\"message\":\"m\",\"error\":\"A_\"}", NULL },
        { "{\"message\":\"m\",\"error\":\"1_A\"}", NULL },
        { "{\"message\":\"m\",\"error\":\"A_b\"}", NULL },
        { "{\"message\":\"m\",\"error\":\"not found\"}", NULL },
    };
    struct boxed boxed;
    boxed_start(&boxed, SBC_PROTOCOL_A);
    scripted_forget(boxed.server, "POST /api/sandbox ");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        scripted_json(boxed.server, "POST /api/sandbox ", 1, 403, rows[i].body);
        assert_null(sbc_sandbox_create(boxed.client, &(struct sbc_sandbox_options){ .image = "i" }, &boxed.err));
        if (rows[i].code == NULL)
            assert_null(boxed.err.code);
        else
            assert_string_equal(boxed.err.code, rows[i].code);
    }
    boxed_stop(&boxed);
}

static void the_servers_word_about_coming_back_is_kept(void **state)
{
    (void) state;
    static const char answer[] =
        "HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nRequest-Id: other\r\nContent-Length: 2\r\n\r\n{}";
    struct boxed boxed;
    boxed_start(&boxed, SBC_PROTOCOL_A);
    scripted_answer(boxed.server, EXEC, 1, answer, sizeof answer - 1, SCRIPTED_CLOSE);
    run_badly(&boxed);
    assert_int_equal(boxed.err.retry_after_ms, 7000);
    assert_string_equal(boxed.err.request_id, "other");
    boxed_stop(&boxed);
}

/* ----------------------------------------------------------------- results */

static void an_unknown_exit_code_is_not_0(void **state)
{
    (void) state;
    struct sbc_result result;
    struct boxed boxed;
    boxed_start(&boxed, SBC_PROTOCOL_A);
    scripted_json(boxed.server, EXEC, 1, 200, RESULT("killed", "null", "a\\u0000\\u00e9"));
    assert_int_equal(run(&boxed, &result), 0);
    assert_false(result.has_exit_code);
    assert_string_equal(result.status, "killed");
    assert_int_equal(result.out.size, 4);
    assert_memory_equal(result.out.data, "a\0\xC3\xA9", 4);
    sbc_result_clear(&result);
    boxed_stop(&boxed);
}

static void a_result_in_camel_case_is_read(void **state)
{
    (void) state;
    struct sbc_result result;
    struct boxed boxed;
    boxed_start(&boxed, SBC_PROTOCOL_A);
    scripted_json(boxed.server, EXEC, 1, 200,
                  "{\"result\":{\"id\":\"p\",\"status\":\"exited\",\"exitCode\":4,\"stdout\":\"\",\"stderr\":\"\","
                  "\"startedAt\":5,\"completedAt\":6}}");
    assert_int_equal(run(&boxed, &result), 0);
    assert_int_equal(result.exit_code, 4);
    assert_int_equal(result.completed_at, 6);
    sbc_result_clear(&result);
    boxed_stop(&boxed);
}

static void an_exec_that_is_answered_too_early_is_waited_for(void **state)
{
    (void) state;
    struct boxed boxed;
    boxed_start(&boxed, SBC_PROTOCOL_A);
    scripted_json(boxed.server, EXEC, 0, 200, RESULT("running", "null", "so far"));
    scripted_json(boxed.server, "POST /sandbox/box/processes/p1/wait ", 1, 200, RESULT("exited", "7", "hi"));
    run_well(&boxed);
    scripted_json(boxed.server, "POST /sandbox/box/processes/p1/wait ", 1, 200, RESULT("running", "null", "so far"));
    run_badly(&boxed);
    assert_int_equal(boxed.err.kind, SBC_MALFORMED);
    boxed_stop(&boxed);
}

static void an_end_that_was_told_is_not_taken_back(void **state)
{
    (void) state;
    struct sbc_process_info info;
    struct sbc_result result;
    struct boxed boxed;
    boxed_start(&boxed, SBC_PROTOCOL_A);
    scripted_json(boxed.server, "POST /sandbox/box/processes ", 0, 200, PROCESS("running"));
    scripted_json(boxed.server, "POST /sandbox/box/processes/p1/wait ", 0, 200, RESULT("exited", "7", "hi"));
    scripted_json(boxed.server, "GET /sandbox/box/processes/p1 ", 0, 200, PROCESS("running"));
    struct sbc_process *process = sbc_process_start(boxed.box, &command, &boxed.err);
    assert_int_equal(sbc_process_wait(process, NULL, &result, &boxed.err), 0);
    sbc_result_clear(&result);
    assert_int_equal(sbc_process_poll(process, &info, &boxed.err), 0);
    assert_string_equal(info.status, "running");
    sbc_process_info_clear(&info);
    sbc_process_get_info(process, &info);
    assert_string_equal(info.status, "exited");
    assert_int_equal(info.exit_code, 7);
    sbc_process_info_clear(&info);
    sbc_process_free(process);
    boxed_stop(&boxed);
}

static void a_kill_is_done_when_the_wait_says_so(void **state)
{
    (void) state;
    struct sbc_result result;
    struct boxed boxed;
    boxed_start(&boxed, SBC_PROTOCOL_A);
    scripted_json(boxed.server, "POST /sandbox/box/processes ", 0, 200, PROCESS("running"));
    scripted_json(boxed.server, "DELETE /sandbox/box/processes/p1 ", 0, 200, PROCESS("killed"));
    scripted_json(boxed.server, "POST /sandbox/box/processes/p1/wait ", 1, 408, "{\"message\":\"timed out\"}");
    scripted_json(boxed.server, "POST /sandbox/box/processes/p1/wait ", 1, 200, RESULT("killed", "null", ""));
    struct sbc_process *process = sbc_process_start(boxed.box, &command, &boxed.err);
    assert_int_equal(sbc_process_kill(process, NULL, &result, &boxed.err), -1);
    assert_int_equal(boxed.err.status, 408);
    assert_false(boxed.err.is_definite);
    assert_non_null(strstr(scripted_request(boxed.server, 3), "\r\n\r\n{\"timeoutMs\":5000}"));
    assert_int_equal(sbc_process_kill(process, NULL, &result, &boxed.err), 0);
    assert_string_equal(result.status, "killed");
    sbc_result_clear(&result);
    sbc_process_free(process);
    boxed_stop(&boxed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_errors_parts_are_read_from_its_answer),
        cmocka_unit_test(an_error_has_a_message_whatever_its_answer),
        cmocka_unit_test(only_four_states_are_retryable),
        cmocka_unit_test(the_control_planes_word_on_retrying_counts),
        cmocka_unit_test(the_control_planes_code_may_stand_in_error),
        cmocka_unit_test(the_servers_word_about_coming_back_is_kept),
        cmocka_unit_test(an_unknown_exit_code_is_not_0),
        cmocka_unit_test(a_result_in_camel_case_is_read),
        cmocka_unit_test(an_exec_that_is_answered_too_early_is_waited_for),
        cmocka_unit_test(an_end_that_was_told_is_not_taken_back),
        cmocka_unit_test(a_kill_is_done_when_the_wait_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
