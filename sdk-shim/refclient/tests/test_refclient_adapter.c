/* The adapter program: its lines, its levels, its mutants. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <cjson/cJSON.h>

#include "sbc_text.h"
#include "scripted.h"
#include "spawned.h"

#define BOX "{\"step\":\"box\",\"op\":\"sandbox.create\",\"as\":\"box\",\"image\":\"default\"}"

static void start_adapter(struct spawned *adapter, const char *protocol)
{
    const char *const argv[] = { getenv("STANDBOX_REFCLIENT"), "--protocol", protocol, NULL };
    spawned_start(adapter, argv);
}

/* The next line that is no "at". */
static cJSON *read_answer(struct spawned *adapter)
{
    for (;;) {
        char *line = spawned_read_line(adapter);
        assert_non_null(line);
        cJSON *answer = cJSON_Parse(line);
        assert_non_null(answer);
        free(line);
        if (strcmp(cJSON_GetObjectItem(answer, "type")->valuestring, "at") != 0)
            return answer;
        cJSON_Delete(answer);
    }
}

static char *make_run(const char *url, const char *steps)
{
    return sbc_text_format("{\"type\":\"run\",\"seq\":4,\"case\":\"x\",\"vendor\":\"hyperbrowser\",\"client\":"
                           "{\"url\":\"%s\",\"api_key\":\"k\"},\"steps\":%s}",
                           url, steps);
}

static cJSON *run(struct spawned *adapter, const char *url, const char *steps)
{
    char *line = make_run(url, steps);
    spawned_write_line(adapter, line);
    free(line);
    return read_answer(adapter);
}

static const cJSON *outcome(const cJSON *answer, int index, const char *member)
{
    const cJSON *found = cJSON_GetArrayItem(cJSON_GetObjectItem(answer, "outcomes"), index);
    return cJSON_GetObjectItem(found, member);
}

static const char *text_of(const cJSON *object, const char *name)
{
    const cJSON *node = cJSON_GetObjectItem(object, name);
    assert_true(cJSON_IsString(node));
    return node->valuestring;
}

static bool has_text(const cJSON *list, const char *text)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, list)
    {
        if (strcmp(item->valuestring, text) == 0)
            return true;
    }
    return false;
}

/* ------------------------------------------------------------------- hello */

static void a_hello_names_what_the_protocol_offers(void **state)
{
    (void) state;
    for (int i = 0; i < 2; i++) {
        struct spawned adapter;
        start_adapter(&adapter, i == 0 ? "a" : "b");
        spawned_write_line(&adapter, "{\"type\":\"hello\",\"version\":1}");
        cJSON *hello = read_answer(&adapter);
        const cJSON *capabilities = cJSON_GetObjectItem(hello, "capabilities");
        assert_string_equal(text_of(hello, "language"), "c");
        assert_true(has_text(capabilities, "exec.cwd") && has_text(capabilities, "stream.from_seq"));
        assert_int_equal(has_text(capabilities, "protocol-a"), i == 0);
        assert_int_equal(has_text(capabilities, "protocol-b"), i == 1);
        assert_int_equal(has_text(capabilities, "disconnect"), i == 1);
        assert_false(has_text(capabilities, "exec.check"));
        cJSON_Delete(hello);
        assert_int_equal(spawned_wait(&adapter), 0);
    }
}

static void level_1_says_hello_when_asked_and_runs_one_line(void **state)
{
    (void) state;
    struct spawned adapter;
    const char *const hello[] = { getenv("STANDBOX_REFCLIENT"), "--level", "1", "--hello", NULL };
    spawned_start(&adapter, hello);
    cJSON *answer = read_answer(&adapter);
    assert_string_equal(text_of(answer, "type"), "hello");
    cJSON_Delete(answer);
    assert_int_equal(spawned_wait(&adapter), 0);
    const char *const once[] = { getenv("STANDBOX_REFCLIENT"), "--level", "1", "http://127.0.0.1:1", NULL };
    spawned_start(&adapter, once);
    char *line = make_run("http://127.0.0.1:1", "[" BOX "]");
    spawned_write_line(&adapter, line);
    char *said = spawned_read_line(&adapter); /* the very first line: no "at" here */
    assert_non_null(said);
    assert_non_null(strstr(said, "\"type\":\"result\""));
    free(said);
    free(line);
    assert_null(spawned_read_line(&adapter));
    assert_int_equal(spawned_wait(&adapter), 0);
}

static void level_1_takes_its_line_from_the_environment_too(void **state)
{
    (void) state;
    struct spawned adapter;
    const char *const argv[] = { getenv("STANDBOX_REFCLIENT"), "--level", "1", "http://127.0.0.1:1", NULL };
    char *line = make_run("http://127.0.0.1:1", "[]");
    setenv("STANDBOX_CONTEXT", line, 1);
    spawned_start(&adapter, argv);
    unsetenv("STANDBOX_CONTEXT");
    spawned_close_in(&adapter);
    cJSON *answer = read_answer(&adapter);
    assert_string_equal(text_of(answer, "type"), "result");
    cJSON_Delete(answer);
    free(line);
    assert_int_equal(spawned_wait(&adapter), 0);
}

/* ------------------------------------------------------------- wrong lines */

static void a_wrong_line_is_errored_with_its_place_and_nothing_is_done(void **state)
{
    (void) state;
    static const struct {
        const char *steps, *message;
    } rows[] = {
        { "7", "steps must be a list" },
        { "[7]", "steps[0]: it must be an object" },
        { "[" BOX ",{\"op\":\"exec\"}]", "steps[1]: step must be a text, not nothing" },
        { "[" BOX ",{\"step\":\"x\"}]", "steps[1]: op must be a text, not nothing" },
        { "[" BOX ",{\"step\":\"x\",\"op\":\"exec\",\"sandbox\":\"box\"}]",
          "steps[1]: command must be a text, not nothing" },
        { "[" BOX ",{\"step\":\"x\",\"op\":\"exec\",\"sandbox\":\"box\",\"command\":\"c\",\"env\":{\"A\":1}}]",
          "steps[1]: env must be an object of texts, not an object" },
        { "[" BOX ",{\"step\":\"x\",\"op\":\"get\",\"sandbox\":\"box\",\"as\":\"g\"}]",
          "steps[1]: from must be a text, not nothing" },
        { "[" BOX ",{\"step\":\"x\",\"op\":\"write\",\"process\":\"p\",\"data\":{\"base64\":\"?\"}}]",
          "steps[1]: data must be a text or {\"base64\":...}, not an object" },
        { "[" BOX ",{\"step\":\"x\",\"op\":\"stream\",\"process\":\"p\",\"take\":1.5}]",
          "steps[1]: take must be a whole number, not a number" },
        { "[" BOX ",{\"step\":\"x\",\"op\":\"join\",\"of\":\"box\"}]",
          "steps[1]: of: no background step before it is called \"box\"" },
    };
    struct scripted *server = scripted_start();
    struct spawned adapter;
    start_adapter(&adapter, "b");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        cJSON *answer = run(&adapter, scripted_url(server), rows[i].steps);
        assert_string_equal(text_of(answer, "type"), "errored");
        assert_string_equal(text_of(answer, "message"), rows[i].message);
        assert_int_equal(cJSON_GetObjectItem(answer, "seq")->valueint, 4);
        cJSON_Delete(answer);
    }
    assert_null(scripted_request(server, 0));
    assert_int_equal(spawned_wait(&adapter), 0);
    scripted_stop(server);
}

static void a_line_that_is_none_is_errored_and_the_next_one_works(void **state)
{
    (void) state;
    static const char *const lines[] = { "nonsense",
                                         "[]",
                                         "{}",
                                         "{\"type\":7}",
                                         "{\"type\":\"what\"}",
                                         "{\"type\":\"run\",\"seq\":1,\"steps\":[]}",
                                         "{\"type\":\"run\",\"seq\":1,\"client\":{\"url\":\"x\"},\"steps\":[]}" };
    struct spawned adapter;
    start_adapter(&adapter, "a");
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        spawned_write_line(&adapter, lines[i]);
        cJSON *answer = read_answer(&adapter);
        assert_string_equal(text_of(answer, "type"), "errored");
        cJSON_Delete(answer);
    }
    spawned_write_line(&adapter, "");
    cJSON *answer = run(&adapter, "http://127.0.0.1:1", "[]");
    assert_string_equal(text_of(answer, "type"), "result");
    cJSON_Delete(answer);
    assert_int_equal(spawned_wait(&adapter), 0);
}

/* ---------------------------------------------------------------- outcomes */

static void what_cannot_be_done_is_skipped(void **state)
{
    (void) state;
    struct scripted *server = scripted_start();
    struct spawned adapter;
    scripted_box(server);
    start_adapter(&adapter, "a");
    cJSON *answer = run(&adapter, scripted_url(server),
                        "[" BOX ",{\"step\":\"a\",\"op\":\"wait\",\"process\":\"none\"},"
                        "{\"step\":\"b\",\"op\":\"read\",\"process\":\"p\"},"
                        "{\"step\":\"c\",\"op\":\"exec\",\"sandbox\":\"box\",\"command\":\"c\",\"check\":true},"
                        "{\"step\":\"d\",\"op\":\"disconnect\",\"process\":\"none\"}]");
    assert_string_equal(text_of(outcome(answer, 0, "value"), "status"), "active");
    for (int i = 1; i <= 4; i++)
        assert_non_null(outcome(answer, i, "skipped"));
    assert_null(scripted_request(server, 1));
    cJSON_Delete(answer);
    assert_int_equal(spawned_wait(&adapter), 0);
    scripted_stop(server);
}

static void an_error_has_the_protocols_words(void **state)
{
    (void) state;
    static const struct {
        int status;
        const char *kind;
    } rows[] = {
        { 400, "invalid" },     { 401, "unauthenticated" }, { 403, "forbidden" }, { 404, "not_found" },
        { 408, "timeout" },     { 409, "conflict" },        { 410, "gone" },      { 413, "too_large" },
        { 422, "invalid" },     { 429, "rate_limited" },    { 500, "server" },    { 502, "unavailable" },
        { 503, "unavailable" }, { 504, "unavailable" },     { 418, "other" },     { 511, "server" },
    };
    struct scripted *server = scripted_start();
    struct spawned adapter;
    start_adapter(&adapter, "a");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        scripted_json(server, "POST /api/sandbox ", 1, rows[i].status, "{\"message\":\"m\",\"code\":\"c\",\"more\":1}");
        cJSON *answer = run(&adapter, scripted_url(server), "[" BOX "]");
        const cJSON *error = outcome(answer, 0, "error");
        assert_string_equal(text_of(error, "kind"), rows[i].kind);
        assert_string_equal(text_of(error, "class"), "SBC_HTTP");
        assert_string_equal(text_of(error, "message"), "m");
        assert_string_equal(text_of(error, "code"), "c");
        assert_string_equal(text_of(error, "service"), "control");
        assert_string_equal(text_of(error, "request_id"), "req_7");
        assert_int_equal(cJSON_GetObjectItem(cJSON_GetObjectItem(error, "details"), "more")->valueint, 1);
        cJSON_Delete(answer);
    }
    assert_int_equal(spawned_wait(&adapter), 0);
    scripted_stop(server);
}

static void a_background_step_is_told_by_its_join_or_dropped(void **state)
{
    (void) state;
    struct scripted *server = scripted_start();
    struct spawned adapter;
    scripted_box(server);
    scripted_json(server, "POST /sandbox/box/exec ", 1, 404, "{\"message\":\"m\"}");
    scripted_answer(server, "POST /sandbox/box/exec ", 1, "", 0, SCRIPTED_HOLD);
    start_adapter(&adapter, "a");
    cJSON *answer =
        run(&adapter, scripted_url(server),
            "[" BOX ",{\"step\":\"b\",\"op\":\"exec\",\"sandbox\":\"box\",\"command\":\"c\",\"background\":true},"
            "{\"step\":\"j\",\"op\":\"join\",\"of\":\"b\"},"
            "{\"step\":\"h\",\"op\":\"exec\",\"sandbox\":\"box\",\"command\":\"c\",\"background\":true}]");
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(answer, "outcomes")), 2);
    assert_string_equal(outcome(answer, 1, "step")->valuestring, "j");
    assert_string_equal(text_of(outcome(answer, 1, "error"), "kind"), "not_found");
    cJSON_Delete(answer);
    assert_int_equal(spawned_wait(&adapter), 0);
    scripted_stop(server);
}

/* -------------------------------------------------------------- arguments */

static int end_of(const char *program, const char *option, const char *value)
{
    struct spawned adapter;
    const char *const argv[] = { program, option, value, NULL };
    spawned_start(&adapter, argv);
    return spawned_wait(&adapter);
}

static void wrong_use_is_refused_with_2(void **state)
{
    (void) state;
    const char *program = getenv("STANDBOX_REFCLIENT");
    assert_int_equal(end_of(program, "--protocol", "c"), 2);
    assert_int_equal(end_of(program, "--level", "3"), 2);
    assert_int_equal(end_of(program, "--protocol", NULL), 2);
    assert_int_equal(end_of(program, "--what", NULL), 2);
    assert_int_equal(end_of(program, "http://127.0.0.1:1", NULL), 2);
    assert_int_equal(end_of(program, "--help", NULL), 0);
    assert_int_equal(end_of(program, "--version", NULL), 0);
}

/* ----------------------------------------------------------------- mutants */

/* The list's lines, as an array. */
static cJSON *list_mutants(void)
{
    struct spawned adapter;
    const char *const argv[] = { getenv("STANDBOX_REFCLIENT_MUTANTS"), "--list-mutants", NULL };
    cJSON *list = cJSON_CreateArray();
    spawned_start(&adapter, argv);
    for (char *line; (line = spawned_read_line(&adapter)) != NULL; free(line))
        cJSON_AddItemToArray(list, cJSON_Parse(line));
    assert_int_equal(spawned_wait(&adapter), 0);
    return list;
}

static void every_mutant_has_a_name_of_its_own_and_says_what_is_wrong(void **state)
{
    (void) state;
    cJSON *list = list_mutants();
    const cJSON *mutant, *other;
    assert_true(cJSON_GetArraySize(list) >= 40);
    cJSON_ArrayForEach(mutant, list)
    {
        const char *name = text_of(mutant, "name"), *imitates = text_of(mutant, "imitates");
        assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-"), strlen(name));
        assert_true(strlen(text_of(mutant, "what")) > 10);
        assert_true(imitates[0] == '\0' || strncmp(imitates, "https://", 8) == 0);
        assert_in_range(cJSON_GetArraySize(cJSON_GetObjectItem(mutant, "protocols")), 1, 2);
        for (other = mutant->next; other != NULL; other = other->next)
            assert_string_not_equal(name, text_of(other, "name"));
    }
    cJSON_Delete(list);
}

static void a_mutant_can_be_chosen_only_in_the_mutants_build(void **state)
{
    (void) state;
    const char *mutants = getenv("STANDBOX_REFCLIENT_MUTANTS");
    cJSON *list = list_mutants();
    const cJSON *mutant;
    cJSON_ArrayForEach(mutant, list)
    {
        assert_int_equal(end_of(mutants, "--mutant", text_of(mutant, "name")), 0);
    }
    cJSON_Delete(list);
    assert_int_equal(end_of(mutants, "--mutant", "no-such-mutant"), 2);
    assert_int_equal(end_of(mutants, "--mutant", "none"), 2);
    assert_int_equal(end_of(getenv("STANDBOX_REFCLIENT"), "--mutant", "stderr-ignored"), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hello_names_what_the_protocol_offers),
        cmocka_unit_test(level_1_says_hello_when_asked_and_runs_one_line),
        cmocka_unit_test(level_1_takes_its_line_from_the_environment_too),
        cmocka_unit_test(a_wrong_line_is_errored_with_its_place_and_nothing_is_done),
        cmocka_unit_test(a_line_that_is_none_is_errored_and_the_next_one_works),
        cmocka_unit_test(what_cannot_be_done_is_skipped),
        cmocka_unit_test(an_error_has_the_protocols_words),
        cmocka_unit_test(a_background_step_is_told_by_its_join_or_dropped),
        cmocka_unit_test(wrong_use_is_refused_with_2),
        cmocka_unit_test(every_mutant_has_a_name_of_its_own_and_says_what_is_wrong),
        cmocka_unit_test(a_mutant_can_be_chosen_only_in_the_mutants_build),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
