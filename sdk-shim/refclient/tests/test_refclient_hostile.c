/* Answers that no server should give: an error each, in time, and never a crash. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <cjson/cJSON.h>

#include "boxed.h"
#include "sbc_priv.h"

#define EXEC "POST /sandbox/box/exec "

static const struct sbc_command command = { .command = "c" };

/* Dice that fall the same way in every run. */
static uint32_t roll(uint32_t *seed, uint32_t below)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (*seed >> 8) % below;
}

/* A copy in which some bytes are others, gone, or doubled; free() it. */
static char *spoil(const char *text, size_t size, uint32_t *seed, size_t *out_size)
{
    static const char tricks[] = "\0\xFF\"\\{}[]:,0-e.u\n\r \x80";
    struct sbc_buf out = { 0 };
    uint32_t rate = 3 + roll(seed, 60);
    sbc_buf_add(&out, "", 0);
    for (size_t i = 0; i < size; i++) {
        switch (roll(seed, rate)) {
        case 0: sbc_buf_add(&out, tricks + roll(seed, sizeof tricks - 1), 1); break;
        case 1: break;
        case 2: sbc_buf_add(&out, text + i, roll(seed, (uint32_t) (size - i)) + 1); break;
        default: sbc_buf_add(&out, text + i, 1); break;
        }
    }
    *out_size = out.size;
    return sbc_buf_take(&out);
}

/* ------------------------------------------------------------------ readers */

static void read_spoilt_result(const char *text, size_t size)
{
    struct sbc_result result = { 0 };
    struct sbc_reader reader;
    cJSON *tree = sbc_json_parse(text, size);
    sbc_reader_init(&reader, tree, "result");
    sbc_read_result(&reader, true, &result);
    if (reader.problem[0] == '\0') {
        assert_non_null(result.id);
        assert_non_null(result.status);
        assert_int_equal(result.out.data[result.out.size], '\0');
        assert_int_equal(result.err.data[result.err.size], '\0');
        sbc_result_clear(&result);
    } else {
        assert_null(result.id);
    }
    cJSON_Delete(tree);
}

static void spoilt_json_is_whole_or_refused(void **state)
{
    (void) state;
    static const char good[] = RESULT_OF("exited", "-7", "a\\u0000\\ud83d\\ude00\\n");
    uint32_t seed = 1;
    for (int i = 0; i < 20000; i++) {
        size_t size;
        char *text = spoil(good, sizeof good - 1, &seed, &size);
        read_spoilt_result(text, size);
        free(text);
    }
    for (size_t size = 0; size < sizeof good - 1; size++)
        assert_null(sbc_json_parse(good, size)); /* cut anywhere it is no JSON */
}

/* All events in one line of text, of bytes that come `step` at a time. */
static char *read_events(const char *text, size_t size, size_t step)
{
    struct sbc_sse sse;
    struct sbc_sse_event event;
    struct sbc_buf out = { 0 };
    int got = 0;
    sbc_sse_init(&sse, 1 << 20);
    for (size_t i = 0; i < size && got >= 0; i += step) {
        sbc_sse_feed(&sse, text + i, size - i < step ? size - i : step);
        while ((got = sbc_sse_next(&sse, &event)) > 0) {
            sbc_buf_add_format(&out, "%s:%zu|", event.name, event.size);
            sbc_buf_add(&out, event.data, event.size);
        }
    }
    sbc_sse_free(&sse);
    sbc_buf_add(&out, got < 0 ? "!" : ".", 2); /* with its NUL */
    return sbc_buf_take(&out);
}

static void spoilt_streams_read_the_same_however_they_are_cut(void **state)
{
    (void) state;
    static const char good[] = STARTED ": x\r\n\r\n" OUTPUT(1, "stdout", "a") OUTPUT(2, "stderr", "b\xC3\xA9") DONE(2);
    uint32_t seed = 2;
    for (int i = 0; i < 3000; i++) {
        size_t size;
        char *text = spoil(good, sizeof good - 1, &seed, &size);
        char *bytewise = read_events(text, size, 1), *odd = read_events(text, size, 7);
        assert_string_equal(bytewise, odd);
        free(bytewise);
        free(odd);
        free(text);
    }
}

/* -------------------------------------------------------------------- wire */

static void an_answer_that_is_no_http_is_an_error(void **state)
{
    (void) state;
    static const struct {
        const char *bytes;
        enum sbc_error_kind kind;
    } rows[] = {
        { "", SBC_CONNECTION },
        { "\r\n\r\n", SBC_MALFORMED },
        { "nonsense", SBC_MALFORMED },
        { "SSH-2.0-OpenSSH\r\n", SBC_MALFORMED },
        { "{\"result\":{}}", SBC_MALFORMED },
        { "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", SBC_CONNECTION },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", SBC_CONNECTION },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n", SBC_CONNECTION },
        { "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", SBC_MALFORMED },
        { "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", SBC_MALFORMED },
        { "HTTP/1.1 204 No Content\r\n\r\n", SBC_MALFORMED },
        { "HTTP/1.1 200 OK\r\n\r\n<html>all is well</html>", SBC_MALFORMED },
        { "HTTP/1.1 200 OK\r\n\r\n{\"result\":null}", SBC_MALFORMED },
        { "HTTP/1.1 200 OK\r\n\r\n{\"result\":[]}", SBC_MALFORMED },
        { "HTTP/1.1 200 OK\r\n\r\n{\"result\":{\"id\":\"p\\u0000\",\"status\":\"exited\",\"stdout\":\"\",\"stderr\":\"\","
          "\"started_at\":1}}",
          SBC_MALFORMED },
        { "HTTP/1.1 200 OK\r\n\r\n{\"result\":{\"id\":\"p\",\"status\":\"exited\",\"stdout\":\"\",\"stderr\":7,"
          "\"started_at\":1}}",
          SBC_MALFORMED },
        { "HTTP/1.1 200 OK\r\n\r\n{\"result\":{\"id\":\"p\",\"status\":\"exited\",\"stdout\":\"\",\"stderr\":\"\","
          "\"started_at\":\"2026-11-21\"}}",
          SBC_MALFORMED },
        { "HTTP/1.1 200 OK\r\n\r\n{\"result\":{\"id\":\"p\",\"status\":\"exited\",\"stdout\":\"\xFF\",\"stderr\":\"\","
          "\"started_at\":1}}",
          SBC_MALFORMED },
        { "HTTP/1.1 301 Moved\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", SBC_HTTP },
        { "HTTP/1.1 999 What\r\nContent-Length: 0\r\n\r\n", SBC_HTTP },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct boxed boxed;
        struct sbc_result result;
        boxed_start_with(&boxed, &(struct sbc_client_options){ .protocol = SBC_PROTOCOL_A, .timeout_ms = 5000 });
        scripted_answer(boxed.server, EXEC, 0, rows[i].bytes, strlen(rows[i].bytes), SCRIPTED_CLOSE);
        assert_int_equal(sbc_exec(boxed.box, &command, &result, &boxed.err), -1);
        if (boxed.err.kind != rows[i].kind)
            print_error("row %zu: %s\n", i, boxed.err.message);
        assert_int_equal(boxed.err.kind, rows[i].kind);
        assert_int_equal(scripted_count(boxed.server, EXEC), 1);
        boxed_stop(&boxed);
    }
}

static void a_head_without_an_end_is_refused(void **state)
{
    (void) state;
    struct boxed boxed;
    struct sbc_result result;
    struct sbc_buf head = { 0 };
    sbc_buf_add_text(&head, "HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < 200000; i++)
        sbc_buf_add_text(&head, "X-Long: yes\r\n");
    boxed_start_with(&boxed, &(struct sbc_client_options){ .protocol = SBC_PROTOCOL_A, .timeout_ms = 5000 });
    scripted_answer(boxed.server, EXEC, 0, head.data, head.size, SCRIPTED_CLOSE);
    assert_int_equal(sbc_exec(boxed.box, &command, &result, &boxed.err), -1);
    boxed_stop(&boxed);
    sbc_buf_free(&head);
}

static void spoilt_http_never_breaks_the_client(void **state)
{
    (void) state;
    static const char good[] = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 113\r\n"
                               "Connection: close\r\n\r\n" RESULT("exited", "7", "hello");
    uint32_t seed = 3;
    struct boxed boxed;
    boxed_start_with(&boxed, &(struct sbc_client_options){ .protocol = SBC_PROTOCOL_A, .timeout_ms = 2000 });
    for (int i = 0; i < 50; i++) {
        size_t size;
        struct sbc_result result;
        char *text = spoil(good, sizeof good - 1, &seed, &size);
        scripted_answer(boxed.server, EXEC, 1, text, size, SCRIPTED_CLOSE);
        if (sbc_exec(boxed.box, &command, &result, &boxed.err) == 0)
            sbc_result_clear(&result);
        else
            assert_non_null(boxed.err.message);
        free(text);
    }
    boxed_stop(&boxed);
}

static void spoilt_collections_end_in_a_result_or_an_error(void **state)
{
    (void) state;
    static const char good[] = STARTED OUTPUT(1, "stdout", "a") OUTPUT(2, "stderr", "b") DONE(2);
    uint32_t seed = 4;
    struct boxed boxed;
    boxed_start_with(&boxed, &(struct sbc_client_options){ .idle_ms = 2000 });
    for (int i = 0; i < 50; i++) {
        size_t size;
        struct sbc_result result;
        char *text = spoil(good, sizeof good - 1, &seed, &size);
        scripted_events(boxed.server, "POST /sandbox/box/processes ", 1, text, SCRIPTED_CLOSE);
        if (sbc_exec(boxed.box, &command, &result, &boxed.err) == 0)
            sbc_result_clear(&result);
        else
            assert_false(boxed.err.is_definite);
        free(text);
    }
    boxed_stop(&boxed);
}

/* --------------------------------------------------------------- sandboxes */

static void a_sandbox_that_makes_no_sense_is_refused(void **state)
{
    (void) state;
    static const char *const bodies[] = {
        "[]",
        "{}",
        "{\"id\":\"x\"}",
        "{\"id\":1,\"status\":\"active\"}",
        "{\"id\":\"x\",\"status\":\"active\",\"token\":\"t\"}",
        "{\"id\":\"x\",\"status\":\"active\",\"token\":\"t\",\"runtime\":{}}",
        "{\"id\":\"x\",\"status\":\"active\",\"token\":\"t\",\"runtime\":{\"baseUrl\":\"nowhere\"}}",
        "{\"id\":\"x\",\"status\":\"active\",\"token\":\"a\\r\\nX-Evil: 1\",\"runtime\":{\"baseUrl\":\"http://h/\"}}",
        "{\"id\":\"x\",\"status\":\"active\",\"token\":7,\"runtime\":{\"baseUrl\":\"http://h/\"}}",
    };
    struct boxed boxed;
    boxed_start(&boxed, SBC_PROTOCOL_A);
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        scripted_json(boxed.server, "GET /api/sandbox/x ", 1, 200, bodies[i]);
        assert_null(sbc_sandbox_connect(boxed.client, "x", &boxed.err));
        assert_int_equal(boxed.err.kind, SBC_MALFORMED);
        assert_int_equal(boxed.err.service, SBC_CONTROL);
    }
    boxed_stop(&boxed);
}

static void an_address_that_is_no_http_is_not_followed(void **state)
{
    (void) state;
    static const char *const bases[] = { "file:///etc", "gopher://127.0.0.1:1/", "http://a b/", "http://h:99999999/",
                                         "http://h\\r\\nX: y/" };
    struct boxed boxed;
    boxed_start(&boxed, SBC_PROTOCOL_A);
    for (size_t i = 0; i < sizeof bases / sizeof bases[0]; i++) {
        struct sbc_result result;
        char *body = sbc_text_format(
            "{\"id\":\"x\",\"status\":\"active\",\"token\":\"t\",\"runtime\":{\"baseUrl\":\"%s\"}}", bases[i]);
        scripted_json(boxed.server, "GET /api/sandbox/x ", 1, 200, body);
        struct sbc_sandbox *box = sbc_sandbox_connect(boxed.client, "x", &boxed.err);
        if (box != NULL) {
            assert_int_equal(sbc_exec(box, &command, &result, &boxed.err), -1);
            assert_true(boxed.err.is_definite);
            assert_false(boxed.err.is_retryable);
        }
        sbc_sandbox_free(box);
        free(body);
    }
    boxed_stop(&boxed);
}

static void lists_that_make_no_sense_are_refused(void **state)
{
    (void) state;
    static const char *const bodies[] = {
        "{}",
        "{\"data\":{}}",
        "{\"data\":[7]}",
        "{\"data\":[{\"id\":\"p\"}]}",
        "{\"data\":[],\"next_cursor\":7}",
        "{\"data\":[{\"id\":\"p\",\"status\":\"exited\",\"command\":\"c\",\"cwd\":\"/\",\"started_at\":1.5}]}",
    };
    struct boxed boxed;
    boxed_start(&boxed, SBC_PROTOCOL_A);
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        struct sbc_process_list list;
        scripted_json(boxed.server, "GET /sandbox/box/processes ", 1, 200, bodies[i]);
        assert_int_equal(sbc_process_list(boxed.box, NULL, &list, &boxed.err), -1);
        assert_int_equal(boxed.err.kind, SBC_MALFORMED);
    }
    boxed_stop(&boxed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spoilt_json_is_whole_or_refused),
        cmocka_unit_test(spoilt_streams_read_the_same_however_they_are_cut),
        cmocka_unit_test(an_answer_that_is_no_http_is_an_error),
        cmocka_unit_test(a_head_without_an_end_is_refused),
        cmocka_unit_test(spoilt_http_never_breaks_the_client),
        cmocka_unit_test(spoilt_collections_end_in_a_result_or_an_error),
        cmocka_unit_test(a_sandbox_that_makes_no_sense_is_refused),
        cmocka_unit_test(an_address_that_is_no_http_is_not_followed),
        cmocka_unit_test(lists_that_make_no_sense_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
