/* What goes out: routes, tokens, repetitions, limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

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

/* ------------------------------------------------------------------ routes */

static void requests_carry_key_or_token_and_only_what_was_given(void **state)
{
    (void) state;
    struct boxed boxed;
    boxed_start(&boxed, SBC_PROTOCOL_A);
    scripted_json(boxed.server, EXEC, 0, 200, RESULT("exited", "7", "hi"));
    run_well(&boxed);
    const char *create = scripted_request(boxed.server, 0), *exec = scripted_request(boxed.server, 1);
    assert_non_null(strstr(create, "\r\nx-api-key: key\r\n"));
    assert_non_null(strstr(create, "\r\n\r\n{\"imageName\":\"default\"}"));
    assert_non_null(strstr(exec, "\r\nAuthorization: Bearer t1\r\n"));
    assert_null(strstr(exec, "x-api-key"));
    assert_null(strstr(exec, "Expect:"));
    assert_non_null(strstr(exec, "\r\n\r\n{\"command\":\"c\"}"));
    assert_null(scripted_request(boxed.server, 2));
    boxed_stop(&boxed);
}

static void slashes_at_the_end_of_the_url_do_not_matter(void **state)
{
    (void) state;
    struct scripted *server = scripted_start();
    char *url = sbc_text_format("%s///", scripted_url(server));
    struct sbc_client *client = sbc_client_new(&(struct sbc_client_options){ .url = url, .api_key = "k" }, NULL);
    struct sbc_sandbox_list list;
    scripted_json(server, "GET /api/sandboxes ", 0, 200,
                  "{\"sandboxes\":[{\"id\":\"a\",\"status\":\"active\"}],\"totalCount\":1,\"page\":1,\"perPage\":10}");
    assert_int_equal(sbc_sandbox_list(client, NULL, &list, NULL), 0);
    assert_int_equal(list.count, 1);
    assert_string_equal(list.items[0].status, "active");
    sbc_sandbox_list_clear(&list);
    sbc_client_free(client);
    free(url);
    scripted_stop(server);
}

static void an_override_is_connected_to_and_the_host_stays(void **state)
{
    (void) state;
    struct scripted *server = scripted_start();
    const char *port = strrchr(scripted_url(server), ':');
    char *proxy = sbc_text_format("127.0.0.1%s", port);
    struct sbc_client *client = sbc_client_new(
        &(struct sbc_client_options){
            .url = scripted_url(server), .api_key = "k", .protocol = SBC_PROTOCOL_A, .runtime_proxy = proxy },
        NULL);
    struct sbc_result result;
    scripted_json(server, "POST /api/sandbox ", 0, 200,
                  "{\"id\":\"box\",\"status\":\"active\",\"runtime\":{\"baseUrl\":\"http://box.sbx.test:81\"},"
                  "\"token\":\"t1\"}");
    scripted_json(server, "POST /sandbox/exec ", 0, 200, RESULT("exited", "7", "hi"));
    struct sbc_sandbox *box = sbc_sandbox_create(client, &(struct sbc_sandbox_options){ .image = "i" }, NULL);
    assert_int_equal(sbc_exec(box, &command, &result, NULL), 0);
    assert_non_null(strstr(scripted_request(server, 1), "\r\nHost: box.sbx.test:81\r\n"));
    sbc_result_clear(&result);
    sbc_sandbox_free(box);
    sbc_client_free(client);
    free(proxy);
    scripted_stop(server);
}

static void ids_are_one_segment_whatever_they_hold(void **state)
{
    (void) state;
    struct boxed boxed;
    boxed_start(&boxed, SBC_PROTOCOL_A);
    scripted_json(boxed.server, "GET /sandbox/box/processes/a%2F..%20%3F ", 0, 200, PROCESS("running"));
    struct sbc_process *process = sbc_process_get(boxed.box, "a/.. ?", &boxed.err);
    assert_non_null(process);
    sbc_process_free(process);
    assert_null(sbc_process_get(boxed.box, "", &boxed.err));
    assert_int_equal(boxed.err.kind, SBC_ARGUMENT);
    boxed_stop(&boxed);
}

static void a_list_joins_its_states_and_names_its_filters(void **state)
{
    (void) state;
    const char *status[] = { "running", "exited" };
    struct sbc_process_list list;
    struct boxed boxed;
    boxed_start(&boxed, SBC_PROTOCOL_A);
    scripted_json(boxed.server, "GET /sandbox/box/processes?status=running%2Cexited&limit=2&cursor=a%26b ", 0, 200,
                  "{\"data\":[],\"next_cursor\":\"next\"}");
    struct sbc_process_query query = { .status = status, .status_count = 2, .limit = 2, .cursor = "a&b" };
    assert_int_equal(sbc_process_list(boxed.box, &query, &list, &boxed.err), 0);
    assert_string_equal(list.cursor, "next");
    sbc_process_list_clear(&list);
    boxed_stop(&boxed);
}

static void the_end_of_a_list_has_no_cursor(void **state)
{
    (void) state;
    static const char *const bodies[] = { "{\"data\":[]}", "{\"data\":[],\"next_cursor\":null}",
                                          "{\"data\":[],\"next_cursor\":\"\"}" };
    struct boxed boxed;
    boxed_start(&boxed, SBC_PROTOCOL_A);
    for (size_t i = 0; i < 3; i++) {
        struct sbc_process_list list;
        scripted_json(boxed.server, "GET /sandbox/box/processes ", 1, 200, bodies[i]);
        assert_int_equal(sbc_process_list(boxed.box, NULL, &list, &boxed.err), 0);
        assert_null(list.cursor);
        sbc_process_list_clear(&list);
    }
    boxed_stop(&boxed);
}

static void input_is_text_bytes_or_base64(void **state)
{
    (void) state;
    static const struct {
        struct sbc_input input;
        const char *body;
    } rows[] = {
        { { "h\xC3\xA9\0y", 5, SBC_TEXT, false }, "\r\n\r\n{\"data\":\"h\xC3\xA9\\u0000y\",\"encoding\":\"utf8\"}" },
        { { "\xFF\0", 2, SBC_BYTES, false }, "\r\n\r\n{\"data\":\"/wA=\",\"encoding\":\"base64\"}" },
        { { "/wA=", 4, SBC_BASE64, true }, "\r\n\r\n{\"data\":\"/wA=\",\"encoding\":\"base64\",\"eof\":true}" },
        { { NULL, 0, SBC_TEXT, true }, "\r\n\r\n{\"eof\":true}" },
        { { "", 0, SBC_TEXT, false }, "\r\n\r\n{\"data\":\"\",\"encoding\":\"utf8\"}" },
    };
    struct boxed boxed;
    boxed_start(&boxed, SBC_PROTOCOL_A);
    scripted_json(boxed.server, "POST /sandbox/box/processes ", 0, 202, PROCESS("running"));
    scripted_json(boxed.server, "POST /sandbox/box/processes/p1/stdin ", 0, 200, "");
    struct sbc_process *process = sbc_process_start(boxed.box, &command, &boxed.err);
    assert_non_null(process);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(sbc_process_write(process, &rows[i].input, &boxed.err), 0);
        assert_non_null(strstr(scripted_request(boxed.server, 2 + i), rows[i].body));
    }
    assert_int_equal(sbc_process_write(process, &(struct sbc_input){ "\xFF", 1, SBC_TEXT, false }, &boxed.err), -1);
    assert_int_equal(boxed.err.kind, SBC_ARGUMENT);
    assert_int_equal(sbc_process_write(process, &(struct sbc_input){ 0 }, &boxed.err), -1);
    assert_null(scripted_request(boxed.server, 7));
    sbc_process_free(process);
    boxed_stop(&boxed);
}

/* ------------------------------------------------------------------ tokens */

static void a_refused_token_is_renewed_once_and_the_request_repeated_once(void **state)
{
    (void) state;
    struct boxed boxed;
    boxed_start(&boxed, SBC_PROTOCOL_A);
    scripted_json(boxed.server, EXEC, 1, 401, "{\"message\":\"old\",\"code\":\"token_expired\"}");
    scripted_json(boxed.server, EXEC, 1, 200, RESULT("exited", "7", "hi"));
    run_well(&boxed);
    assert_non_null(strstr(scripted_request(boxed.server, 1), "Bearer t1"));
    assert_int_equal(strncmp(scripted_request(boxed.server, 2), "GET /api/sandbox/box ", 21), 0);
    assert_non_null(strstr(scripted_request(boxed.server, 3), "Bearer t2"));
    assert_null(scripted_request(boxed.server, 4));
    boxed_stop(&boxed);
}

static void a_token_that_is_refused_twice_is_an_error(void **state)
{
    (void) state;
    struct boxed boxed;
    boxed_start(&boxed, SBC_PROTOCOL_A);
    scripted_json(boxed.server, EXEC, 0, 401, "{\"message\":\"no\",\"code\":\"bad_token\"}");
    run_badly(&boxed);
    assert_int_equal(boxed.err.status, 401);
    assert_string_equal(boxed.err.code, "bad_token");
    assert_int_equal(scripted_count(boxed.server, EXEC), 2);
    assert_int_equal(scripted_count(boxed.server, "GET "), 1);
    boxed_stop(&boxed);
}

/* Sandbox "late" with a token that lives so long. */
static void give_late_box(struct scripted *server, int64_t lives_ms, bool is_iso)
{
    int64_t at = sbc_wall_ms() + lives_ms;
    time_t seconds = (time_t) (at / 1000);
    char iso[64];
    strftime(iso, sizeof iso, "\"%Y-%m-%dT%H:%M:%SZ\"", gmtime(&seconds));
    char *number = sbc_text_format("%lld", (long long) at);
    char *body = sbc_text_format("{\"id\":\"late\",\"status\":\"active\",\"runtime\":{\"baseUrl\":\"%s/sandbox/late\"},"
                                 "\"token\":\"t\",\"tokenExpiresAt\":%s}",
                                 scripted_url(server), is_iso ? iso : number);
    scripted_json(server, "GET /api/sandbox/late ", 0, 200, body);
    free(body);
    free(number);
}

static int count_gets_of_late(int64_t lives_ms, bool is_iso)
{
    struct boxed boxed;
    struct sbc_result result;
    boxed_start(&boxed, SBC_PROTOCOL_A);
    give_late_box(boxed.server, lives_ms, is_iso);
    scripted_json(boxed.server, "POST /sandbox/late/exec ", 0, 200, RESULT("exited", "7", "hi"));
    struct sbc_sandbox *box = sbc_sandbox_connect(boxed.client, "late", &boxed.err);
    assert_non_null(box);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(sbc_exec(box, &command, &result, &boxed.err), 0);
        sbc_result_clear(&result);
    }
    int gets = scripted_count(boxed.server, "GET /api/sandbox/late ") - 1;
    sbc_sandbox_free(box);
    boxed_stop(&boxed);
    return gets;
}

static void a_token_in_its_last_minute_is_renewed_before_each_call(void **state)
{
    (void) state;
    assert_int_equal(count_gets_of_late(50000, true), 2);
    assert_int_equal(count_gets_of_late(50000, false), 2);
    assert_int_equal(count_gets_of_late(90000, true), 0);
    assert_int_equal(count_gets_of_late(90000, false), 0);
}

static void a_sandbox_without_a_token_is_refused_locally(void **state)
{
    (void) state;
    static const char *const bodies[] = {
        "{\"id\":\"off\",\"status\":\"active\",\"token\":null}",
        "{\"id\":\"off\",\"status\":\"closed\",\"runtime\":{\"baseUrl\":\"http://h/sandbox/off\"},\"token\":\"t\"}",
        "{\"id\":\"off\",\"status\":\"error\",\"runtime\":{\"baseUrl\":\"http://h/sandbox/off\"},\"token\":\"t\"}",
        "{\"id\":\"off\",\"status\":\"close-error\"}",
    };
    struct boxed boxed;
    boxed_start(&boxed, SBC_PROTOCOL_A);
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        scripted_json(boxed.server, "GET /api/sandbox/off ", 1, 200, bodies[i]);
        assert_null(sbc_sandbox_connect(boxed.client, "off", &boxed.err));
        assert_int_equal(boxed.err.status, 409);
        assert_string_equal(boxed.err.code, "sandbox_not_running");
        assert_non_null(strstr(boxed.err.message, "not running"));
        assert_int_equal(boxed.err.service, SBC_RUNTIME);
        assert_false(boxed.err.is_retryable);
        assert_null(scripted_request(boxed.server, 2 + i));
    }
    boxed_stop(&boxed);
}

static void a_sandbox_that_turns_out_to_be_closed_is_asked_nothing(void **state)
{
    (void) state;
    struct boxed boxed;
    boxed_start(&boxed, SBC_PROTOCOL_A);
    scripted_json(boxed.server, EXEC, 1, 401, "{}");
    scripted_forget(boxed.server, "GET /api/sandbox/box ");
    scripted_json(boxed.server, "GET /api/sandbox/box ", 0, 200, "{\"id\":\"box\",\"status\":\"closed\"}");
    run_badly(&boxed); /* the new token that a 401 asks for is none */
    assert_int_equal(boxed.err.status, 409);
    assert_int_equal(scripted_count(boxed.server, EXEC), 1);
    assert_int_equal(sbc_sandbox_refresh(boxed.box, &boxed.err), 0);
    run_badly(&boxed);
    assert_int_equal(boxed.err.status, 409);
    assert_int_equal(scripted_count(boxed.server, EXEC), 1);
    boxed_stop(&boxed);
}

static void a_stopped_sandbox_is_asked_nothing(void **state)
{
    (void) state;
    struct boxed boxed;
    struct sbc_sandbox_info info;
    boxed_start(&boxed, SBC_PROTOCOL_B);
    scripted_json(boxed.server, "PUT /api/sandbox/box/stop ", 0, 200, "{\"success\":true}");
    assert_int_equal(sbc_sandbox_stop(boxed.box, &boxed.err), 0);
    assert_non_null(strstr(scripted_request(boxed.server, 1), "Content-Length: 0\r\n"));
    sbc_sandbox_get_info(boxed.box, &info);
    assert_string_equal(info.status, "closed");
    sbc_sandbox_info_clear(&info);
    run_badly(&boxed);
    assert_int_equal(boxed.err.status, 409);
    assert_null(scripted_request(boxed.server, 2));
    boxed_stop(&boxed);
}

/* ------------------------------------------------------------- repetitions */

static void questions_to_the_control_plane_are_asked_three_times(void **state)
{
    (void) state;
    struct boxed boxed;
    boxed_start(&boxed, SBC_PROTOCOL_A);
    scripted_json(boxed.server, "GET /api/sandbox/flaky ", 1, 503, "{}");
    scripted_answer(boxed.server, "GET /api/sandbox/flaky ", 1, "", 0, SCRIPTED_RESET);
    scripted_json(boxed.server, "GET /api/sandbox/flaky ", 1, 200, "{\"id\":\"flaky\",\"status\":\"closed\"}");
    assert_null(sbc_sandbox_connect(boxed.client, "flaky", &boxed.err));
    assert_int_equal(boxed.err.status, 409); /* the third answer */
    assert_int_equal(scripted_count(boxed.server, "GET /api/sandbox/flaky "), 3);
    scripted_json(boxed.server, "GET /api/sandbox/dead ", 0, 502, "{}");
    assert_null(sbc_sandbox_connect(boxed.client, "dead", &boxed.err));
    assert_int_equal(boxed.err.status, 502);
    assert_true(boxed.err.is_retryable);
    assert_int_equal(scripted_count(boxed.server, "GET /api/sandbox/dead "), 3);
    scripted_json(boxed.server, "GET /api/sandbox/none ", 0, 404, "{\"message\":\"sandbox not found\"}");
    assert_null(sbc_sandbox_connect(boxed.client, "none", &boxed.err));
    assert_int_equal(scripted_count(boxed.server, "GET /api/sandbox/none "), 1);
    boxed_stop(&boxed);
}

static void what_may_change_something_is_sent_once(void **state)
{
    (void) state;
    struct boxed boxed;
    boxed_start(&boxed, SBC_PROTOCOL_A);
    scripted_json(boxed.server, EXEC, 1, 503, "{}");
    run_badly(&boxed);
    assert_true(boxed.err.is_retryable);
    assert_false(boxed.err.is_definite);
    assert_int_equal(scripted_count(boxed.server, EXEC), 1);
    scripted_answer(boxed.server, EXEC, 1, "", 0, SCRIPTED_RESET);
    run_badly(&boxed);
    assert_int_equal(boxed.err.kind, SBC_CONNECTION);
    assert_int_equal(boxed.err.status, 0);
    assert_true(boxed.err.is_retryable);
    assert_false(boxed.err.is_definite);
    scripted_answer(boxed.server, EXEC, 1, "", 0, SCRIPTED_CLOSE);
    run_badly(&boxed);
    assert_int_equal(boxed.err.kind, SBC_CONNECTION);
    assert_int_equal(scripted_count(boxed.server, EXEC), 3);
    assert_int_equal(scripted_count(boxed.server, "GET "), 0);
    boxed_stop(&boxed);
}

static void a_connection_that_is_refused_changed_nothing(void **state)
{
    (void) state;
    struct sbc_error err = SBC_ERROR_INIT;
    struct scripted *server = scripted_start();
    char *url = sbc_text_copy(scripted_url(server));
    scripted_stop(server);
    struct sbc_client *client = sbc_client_new(&(struct sbc_client_options){ .url = url, .api_key = "k" }, NULL);
    assert_null(sbc_sandbox_create(client, &(struct sbc_sandbox_options){ .image = "i" }, &err));
    assert_int_equal(err.kind, SBC_CONNECTION);
    assert_true(err.is_definite);
    assert_true(err.is_retryable);
    assert_int_equal(err.service, SBC_CONTROL);
    sbc_error_clear(&err);
    sbc_client_free(client);
    free(url);
}

/* ------------------------------------------------------------------ limits */

static void an_answer_that_comes_too_late_is_an_error(void **state)
{
    (void) state;
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"res";
    struct boxed boxed;
    boxed_start_with(&boxed, &(struct sbc_client_options){ .protocol = SBC_PROTOCOL_A, .timeout_ms = 150 });
    scripted_answer(boxed.server, EXEC, 1, "", 0, SCRIPTED_HOLD);
    scripted_answer(boxed.server, EXEC, 1, head, sizeof head - 1, SCRIPTED_HOLD);
    for (int i = 0; i < 2; i++) {
        int64_t before = sbc_now_ms();
        run_badly(&boxed);
        assert_int_equal(boxed.err.kind, SBC_CONNECTION);
        assert_int_equal(boxed.err.status, 0);
        assert_true(boxed.err.is_retryable);
        assert_false(boxed.err.is_definite);
        assert_in_range(sbc_now_ms() - before, 140, 5000);
    }
    assert_int_equal(scripted_count(boxed.server, EXEC), 2);
    boxed_stop(&boxed);
}

static void a_question_that_took_all_its_time_is_not_asked_again(void **state)
{
    (void) state;
    struct boxed boxed;
    boxed_start_with(&boxed, &(struct sbc_client_options){ .timeout_ms = 150 });
    scripted_answer(boxed.server, "GET /api/sandbox/slow ", 0, "", 0, SCRIPTED_HOLD);
    assert_null(sbc_sandbox_connect(boxed.client, "slow", &boxed.err));
    assert_int_equal(scripted_count(boxed.server, "GET /api/sandbox/slow "), 1);
    boxed_stop(&boxed);
}

static void an_answer_over_the_limit_is_refused(void **state)
{
    (void) state;
    size_t size = 3 << 20;
    char *big = sbc_alloc(size + 1, 1);
    memset(big, 'x', size);
    char *body = sbc_text_format("{\"result\":{\"stdout\":\"%s\"}}", big);
    struct boxed boxed;
    boxed_start_with(&boxed, &(struct sbc_client_options){ .protocol = SBC_PROTOCOL_A, .collect_bytes = 1000 });
    scripted_json(boxed.server, EXEC, 1, 200, body);
    run_badly(&boxed);
    assert_int_equal(boxed.err.kind, SBC_OUTPUT_LIMIT);
    assert_string_equal(boxed.err.code, "output_limit_exceeded");
    boxed_stop(&boxed);
    free(body);
    free(big);
}

static void a_cancelled_client_lets_go_of_everything(void **state)
{
    (void) state;
    struct boxed boxed;
    boxed_start(&boxed, SBC_PROTOCOL_A);
    sbc_client_cancel(boxed.client);
    run_badly(&boxed);
    assert_int_equal(boxed.err.kind, SBC_CANCELLED);
    boxed_stop(&boxed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_carry_key_or_token_and_only_what_was_given),
        cmocka_unit_test(slashes_at_the_end_of_the_url_do_not_matter),
        cmocka_unit_test(an_override_is_connected_to_and_the_host_stays),
        cmocka_unit_test(ids_are_one_segment_whatever_they_hold),
        cmocka_unit_test(a_list_joins_its_states_and_names_its_filters),
        cmocka_unit_test(the_end_of_a_list_has_no_cursor),
        cmocka_unit_test(input_is_text_bytes_or_base64),
        cmocka_unit_test(a_refused_token_is_renewed_once_and_the_request_repeated_once),
        cmocka_unit_test(a_token_that_is_refused_twice_is_an_error),
        cmocka_unit_test(a_token_in_its_last_minute_is_renewed_before_each_call),
        cmocka_unit_test(a_sandbox_without_a_token_is_refused_locally),
        cmocka_unit_test(a_sandbox_that_turns_out_to_be_closed_is_asked_nothing),
        cmocka_unit_test(a_stopped_sandbox_is_asked_nothing),
        cmocka_unit_test(questions_to_the_control_plane_are_asked_three_times),
        cmocka_unit_test(what_may_change_something_is_sent_once),
        cmocka_unit_test(a_connection_that_is_refused_changed_nothing),
        cmocka_unit_test(an_answer_that_comes_too_late_is_an_error),
        cmocka_unit_test(a_question_that_took_all_its_time_is_not_asked_again),
        cmocka_unit_test(an_answer_over_the_limit_is_refused),
        cmocka_unit_test(a_cancelled_client_lets_go_of_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
