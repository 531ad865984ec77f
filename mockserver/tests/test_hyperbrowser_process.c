/* Hyperbrowser's processes: run, start, look, wait, signal, feed (wire page §3.1, §4, §6). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "tests/support/hb_world.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

static bool is_null(const struct answer *answer, const char *path)
{
    return cJSON_IsNull(hb_at(answer, path));
}

static struct answer *get(struct hb_world *world, const char *id)
{
    char rest[128];
    snprintf(rest, sizeof rest, "/processes/%s", id);
    return hb_runtime(world, "GET", rest, NULL);
}

static struct answer *kill_it(struct hb_world *world, const char *id)
{
    char rest[128];
    snprintf(rest, sizeof rest, "/processes/%s", id);
    return hb_runtime(world, "DELETE", rest, NULL);
}

/* ---- exec ------------------------------------------------------------------------------------- */

static void exec_tells_all_about_the_end(void **state)
{
    struct hb_world *world = *state;
    int64_t before = clock_wall_ms(lane_clock(world->lane));
    struct answer *a = hb_exec(world, "echo out; echo err >&2; exit 7");
    assert_int_equal(a->f.status, 200);
    assert_string_equal(a->f.type, "application/json");
    assert_memory_equal(hb_text(a, "result/id"), "proc_", 5);
    assert_string_equal(hb_text(a, "result/status"), "exited");
    assert_int_equal(hb_int(a, "result/exit_code"), 7);
    assert_string_equal(hb_text(a, "result/stdout"), "out\n");
    assert_string_equal(hb_text(a, "result/stderr"), "err\n");
    assert_true(is_null(a, "result/error"));
    assert_true(cJSON_IsFalse(hb_at(a, "result/output_truncated")));
    assert_int_equal(hb_int(a, "result/last_seq"), 2);
    int64_t started = hb_int(a, "result/started_at"), completed = hb_int(a, "result/completed_at");
    assert_true(before <= started && started <= completed);
    assert_true(completed <= clock_wall_ms(lane_clock(world->lane)));
}

static void options_reach_the_process(void **state)
{
    struct hb_world *world = *state;
    struct answer *a = hb_runtime(world, "POST", "/exec",
                                  "{\"command\":\"pwd && printf '%s|' \\\"$FOO\\\" \\\"$EMPTY\\\"\",\"cwd\":\"/usr\","
                                  "\"env\":{\"FOO\":\"gone\",\"FOO\":\"b=a\\nr\\u20ac\",\"EMPTY\":\"\",\"NONE\":null},"
                                  "\"timeoutMs\":null,\"timeout_sec\":60,\"future\":{}}");
    assert_string_equal(hb_text(a, "result/stdout"), "/usr\nb=a\nr\xE2\x82\xAC||");
}

static void exec_has_an_empty_stdin(void **state)
{
    assert_string_equal(hb_text(hb_exec(*state, "cat; echo over"), "result/stdout"), "over\n");
}

static void legacy_args_are_quoted_into_the_line(void **state)
{
    struct answer *a = hb_runtime(*state, "POST", "/exec",
                                  "{\"command\":\"printf\",\"args\":[\"%s\\n\",\"a b\",\"it's\",\"\",\"$HOME\",\"*\"],"
                                  "\"useShell\":true}");
    assert_string_equal(hb_text(a, "result/stdout"), "a b\nit's\n\n$HOME\n*\n");
}

static void odd_output_becomes_replacement_characters(void **state)
{
    struct answer *a = hb_exec(*state, "printf 'a\\377b\\303\\251\\342\\202'; printf '\\0' >&2");
    assert_string_equal(hb_text(a, "result/stdout"), "a\xEF\xBF\xBD"
                                                     "b\xC3\xA9\xEF\xBF\xBD");
    assert_non_null(strstr(a->f.body.data, "\"stderr\":\"\\u0000\""));
    for (size_t i = 0; i < a->f.body.len; i++)
        assert_true((unsigned char) a->f.body.data[i] < 0x80);
}

static void result_is_cut_to_its_window(void **state)
{
    struct hb_world *world = *state;
    world->settings.result_window_bytes = 8;
    hb_world_remake_dialect(world);
    /* The window begins inside the second euro sign, which is then left out whole. */
    struct answer *a = hb_exec(world, "printf '\\342\\202\\254\\342\\202\\254123456'");
    assert_string_equal(hb_text(a, "result/stdout"), "123456");
    assert_true(cJSON_IsTrue(hb_at(a, "result/output_truncated")));
}

static void bad_commands_are_refused(void **state)
{
    struct hb_world *world = *state;
    static const char *const bodies[] = {
        "",
        "x",
        "[]",
        "{}",
        "{\"command\":\"\"}",
        "{\"command\":null}",
        "{\"command\":[\"ls\"]}",
        "{\"command\":\"a\\u0000b\"}",
        "{\"command\":\"id\",\"cwd\":\"tmp\"}",
        "{\"command\":\"id\",\"cwd\":1}",
        "{\"command\":\"id\",\"cwd\":\"/\\u0000\"}",
        "{\"command\":\"id\",\"env\":[]}",
        "{\"command\":\"id\",\"env\":{\"\":\"x\"}}",
        "{\"command\":\"id\",\"env\":{\"A=B\":\"x\"}}",
        "{\"command\":\"id\",\"env\":{\"A\\u0000\":\"x\"}}",
        "{\"command\":\"id\",\"env\":{\"A\":\"\\u0000\"}}",
        "{\"command\":\"id\",\"env\":{\"A\":1}}",
        "{\"command\":\"id\",\"timeoutMs\":-1}",
        "{\"command\":\"id\",\"timeout_sec\":-0.5}",
        "{\"command\":\"id\",\"timeoutMs\":1.5}",
        "{\"command\":\"id\",\"timeoutMs\":\"5\"}",
        "{\"command\":\"id\",\"args\":\"x\"}",
        "{\"command\":\"id\",\"args\":[1]}",
        "{\"command\":\"id\",\"args\":[\"\\u0000\"]}",
        "{\"command\":\"id\",\"runAs\":0}",
        "{\"command\":\"id\"} x",
        "{\"command\":\"\\ud800\"}",
    };
    for (size_t i = 0; i < COUNT(bodies); i++) {
        hb_assert_refused(hb_runtime(world, "POST", "/exec", bodies[i]), 400, "invalid_request");
        hb_assert_refused(hb_runtime(world, "POST", "/processes", bodies[i]), 400, "invalid_request");
    }
    assert_int_equal(cJSON_GetArraySize(hb_at(hb_runtime(world, "GET", "/processes", NULL), "data")), 0);
}

static void environment_has_a_limit(void **state)
{
    struct hb_world *world = *state;
    world->settings.env_max = 2;
    hb_world_remake_dialect(world);
    hb_assert_refused(
        hb_runtime(world, "POST", "/exec", "{\"command\":\"id\",\"env\":{\"A\":\"\",\"B\":\"\",\"C\":\"\"}}"), 400,
        "invalid_request");
}

/* ---- the six words ------------------------------------------------------------------------------ */

static void failed_start_is_told(void **state)
{
    struct hb_world *world = *state;
    static const char body[] = "{\"command\":\"true\",\"cwd\":\"/no/such/folder\"}";
    struct answer *a = hb_runtime(world, "POST", "/exec", body);
    assert_int_equal(a->f.status, 200);
    assert_string_equal(hb_text(a, "result/status"), "failed");
    assert_non_null(strstr(hb_text(a, "result/error"), "/no/such/folder"));
    assert_true(is_null(a, "result/exit_code"));
    assert_string_equal(hb_text(a, "result/stdout"), "");
    assert_true(hb_int(a, "result/started_at") > 0);
    a = hb_runtime(world, "POST", "/processes", body);
    assert_string_equal(hb_text(a, "process/status"), "failed");
    assert_true(is_null(a, "process/pid"));
    a = hb_runtime(world, "POST", "/exec", "{\"command\":\"true\",\"runAs\":\"no-such-user\"}");
    assert_string_equal(hb_text(a, "result/status"), "failed");
    assert_non_null(strstr(hb_text(a, "result/error"), "user"));
}

static void time_limit_ends_the_process(void **state)
{
    struct hb_world *world = *state;
    struct answer *a = hb_runtime(world, "POST", "/exec", "{\"command\":\"echo before; sleep 300\",\"timeoutMs\":200}");
    assert_int_equal(a->f.status, 200);
    assert_string_equal(hb_text(a, "result/status"), "timed_out");
    assert_string_equal(hb_text(a, "result/stdout"), "before\n");
    assert_true(is_null(a, "result/exit_code"));
    a = hb_runtime(world, "POST", "/exec", "{\"command\":\"true\",\"timeoutMs\":1e300,\"timeout_sec\":1e18}");
    assert_string_equal(hb_text(a, "result/status"), "exited");
    a = hb_runtime(world, "POST", "/exec", "{\"command\":\"sleep 0.1\",\"timeoutMs\":0,\"timeout_sec\":0}");
    assert_string_equal(hb_text(a, "result/status"), "exited");
}

static void death_by_signal_is_killed(void **state)
{
    struct hb_world *world = *state;
    struct answer *a = hb_exec(world, "kill -KILL $$");
    assert_string_equal(hb_text(a, "result/status"), "killed");
    assert_true(is_null(a, "result/exit_code"));
    world->settings.killed_exit_code = "128+n";
    hb_world_remake_dialect(world);
    assert_int_equal(hb_int(hb_exec(world, "kill -TERM $$"), "result/exit_code"), 143);
    world->settings.killed_exit_code = "-1";
    hb_world_remake_dialect(world);
    assert_int_equal(hb_int(hb_exec(world, "kill -TERM $$"), "result/exit_code"), -1);
    assert_int_equal(hb_int(hb_exec(world, "exit 3"), "result/exit_code"), 3);
}

/* ---- start, get, wait ----------------------------------------------------------------------------- */

static void start_answers_before_the_end(void **state)
{
    struct hb_world *world = *state;
    struct answer *a = hb_runtime(world, "POST", "/processes", "{\"command\":\"read line; exit 4\",\"cwd\":\"/tmp\"}");
    assert_int_equal(a->f.status, 200);
    assert_string_equal(hb_text(a, "process/status"), "running");
    assert_string_equal(hb_text(a, "process/command"), "read line; exit 4");
    assert_string_equal(hb_text(a, "process/cwd"), "/tmp");
    assert_true(hb_int(a, "process/pid") > 0);
    assert_true(is_null(a, "process/exit_code") && is_null(a, "process/completed_at"));
    const char *id = hb_text(a, "process/id");
    assert_string_equal(hb_text(get(world, id), "process/status"), "running");
    assert_int_equal(hb_post(world, id, "stdin", "{\"eof\":true}")->f.status, 200);
    static const char *const waits[] = { "{}", "", "{\"timeoutMs\":null,\"timeout_sec\":null}", "{\"timeoutMs\":0}",
                                         "{\"timeoutMs\":1e300}" };
    for (size_t i = 0; i < COUNT(waits); i++) {
        struct answer *w = hb_post(world, id, "wait", waits[i]);
        assert_int_equal(hb_int(w, "result/exit_code"), 4);
        assert_int_equal(hb_int(w, "result/started_at"), hb_int(a, "process/started_at"));
    }
    a = get(world, id);
    assert_string_equal(hb_text(a, "process/status"), "exited");
    assert_true(hb_int(a, "process/completed_at") >= hb_int(a, "process/started_at"));
}

static void wait_times_out_and_the_process_goes_on(void **state)
{
    struct hb_world *world = *state;
    char id[64];
    hb_start(world, "read line; echo alive", id);
    static const char *const waits[] = { "{\"timeoutMs\":50}", "{\"timeoutMs\":60000,\"timeout_sec\":1}" };
    for (size_t i = 0; i < COUNT(waits); i++) {
        struct answer *a = hb_post(world, id, "wait", waits[i]);
        hb_assert_refused(a, 408, "wait_timeout");
        assert_non_null(strstr(hb_text(a, "message"), "timed out"));
    }
    hb_assert_refused(hb_post(world, id, "wait", "{\"timeoutMs\":-1}"), 400, "invalid_request");
    hb_post(world, id, "stdin", "{\"data\":\"\\n\"}");
    assert_string_equal(hb_text(hb_post(world, id, "wait", "{}"), "result/stdout"), "alive\n");
}

static void client_that_hangs_up_leaves_the_process_alone(void **state)
{
    struct hb_world *world = *state;
    char id[64];
    hb_start(world, "read line; echo alive", id);
    char rest[128];
    snprintf(rest, sizeof rest, "/processes/%s/wait", id);
    struct answer *waiter = hb_runtime_start(world, "POST", rest, "{}", NULL);
    fake_exchange_hang_up(&waiter->f);
    hb_finish(waiter);
    assert_string_equal(hb_text(get(world, id), "process/status"), "running");
    hb_post(world, id, "stdin", "{\"data\":\"\\n\"}");
    assert_string_equal(hb_text(hb_post(world, id, "wait", "{}"), "result/stdout"), "alive\n");
}

static void unknown_process_is_not_found(void **state)
{
    struct hb_world *world = *state;
    static const struct {
        const char *method, *rest;
    } rows[] = {
        { "GET", "" },         { "DELETE", "" },     { "POST", "/wait" },
        { "POST", "/signal" }, { "POST", "/stdin" }, { "GET", "/stream" },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        char rest[128];
        snprintf(rest, sizeof rest, "/processes/proc_unknown%s", rows[i].rest);
        struct answer *a = hb_runtime(world, rows[i].method, rest, "{}");
        hb_assert_refused(a, 404, "process_not_found");
        assert_non_null(strstr(hb_text(a, "message"), "not found"));
    }
}

/* A grandchild that keeps the pipe must not keep the answer. */
static void survivor_with_the_pipe_delays_nothing(void **state)
{
    struct answer *a = hb_exec(*state, "sleep 300 & echo done");
    assert_string_equal(hb_text(a, "result/status"), "exited");
    assert_string_equal(hb_text(a, "result/stdout"), "done\n");
}

/* ---- signal, kill ----------------------------------------------------------------------------------- */

static void signals_end_the_group(void **state)
{
    struct hb_world *world = *state;
    /* Not QUIT: bash ignores it always, and may not have become the sleep yet. */
    static const char *const names[] = { "TERM", "SIGKILL", "int", "HUP", "15" };
    for (size_t i = 0; i < COUNT(names); i++) {
        char id[64], body[64];
        hb_start(world, "exec sleep 300", id);
        snprintf(body, sizeof body, "{\"signal\":\"%s\"}", names[i]);
        struct answer *a = hb_post(world, id, "signal", body);
        assert_int_equal(a->f.status, 200);
        assert_string_equal(hb_text(a, "process/id"), id);
        assert_string_equal(hb_text(hb_post(world, id, "wait", "{}"), "result/status"), "killed");
        hb_assert_refused(hb_post(world, id, "signal", body), 409, "process_not_running");
    }
}

static void bad_signals_are_refused(void **state)
{
    struct hb_world *world = *state;
    char id[64];
    hb_start(world, "read line", id);
    static const char *const bodies[] = { "{\"signal\":\"NO-SUCH\"}", "{\"signal\":\"\"}", "{}", "{\"signal\":15}",
                                          "{\"signal\":\"0\"}",       "{\"signal\":null}", "" };
    for (size_t i = 0; i < COUNT(bodies); i++)
        hb_assert_refused(hb_post(world, id, "signal", bodies[i]), 400, "invalid_request");
    assert_string_equal(hb_text(get(world, id), "process/status"), "running");
}

static void delete_kills_and_may_be_repeated(void **state)
{
    struct hb_world *world = *state;
    char id[64];
    hb_start(world, "trap '' TERM; echo up; while :; do sleep 0.05; done", id);
    assert_int_equal(kill_it(world, id)->f.status, 200);
    struct answer *a = hb_post(world, id, "wait", "{\"timeoutMs\":5000}");
    assert_string_equal(hb_text(a, "result/status"), "killed");
    a = kill_it(world, id);
    assert_string_equal(hb_text(a, "process/status"), "killed");
    hb_start(world, "exit 3", id);
    hb_post(world, id, "wait", "{}");
    for (int i = 0; i < 2; i++) {
        a = kill_it(world, id);
        assert_int_equal(a->f.status, 200);
        assert_string_equal(hb_text(a, "process/status"), "exited");
        assert_int_equal(hb_int(a, "process/exit_code"), 3);
    }
}

/* ---- stdin ------------------------------------------------------------------------------------------- */

static void stdin_takes_text_bytes_and_eof(void **state)
{
    struct hb_world *world = *state;
    char id[64];
    hb_start(world, "cat | od -An -v -tx1 | tr -d ' \\n'", id);
    static const char *const bodies[] = {
        "{\"data\":\"\\u00e9\\u0000\",\"encoding\":\"utf8\",\"eof\":null}",
        "{\"data\":\"a\"}",
        "{\"data\":\"AP8=\",\"encoding\":\"base64\"}",
        "{\"data\":\"\"}",
        "{}",
        "{\"data\":\"z\",\"eof\":true}",
    };
    for (size_t i = 0; i < COUNT(bodies); i++)
        assert_true(cJSON_IsTrue(hb_at(hb_post(world, id, "stdin", bodies[i]), "success")));
    assert_string_equal(hb_text(hb_post(world, id, "wait", "{}"), "result/stdout"), "c3a9006100ff7a");
}

static void bad_input_is_refused_whole(void **state)
{
    struct hb_world *world = *state;
    char id[64];
    hb_start(world, "cat", id);
    static const char *const bodies[] = {
        "{\"data\":\"%%%%\",\"encoding\":\"base64\"}",
        "{\"data\":\"YQ\",\"encoding\":\"base64\"}",
        "{\"data\":\"x\",\"encoding\":\"hex\"}",
        "{\"data\":1}",
        "{\"eof\":\"yes\"}",
        "",
        "[]",
    };
    for (size_t i = 0; i < COUNT(bodies); i++)
        hb_assert_refused(hb_post(world, id, "stdin", bodies[i]), 400, "invalid_request");
    hb_post(world, id, "stdin", "{\"data\":\"fine\",\"eof\":true}");
    assert_string_equal(hb_text(hb_post(world, id, "wait", "{}"), "result/stdout"), "fine");
}

static void stdin_after_its_end_is_a_conflict(void **state)
{
    struct hb_world *world = *state;
    char id[64];
    hb_start(world, "cat; exec sleep 300", id);
    hb_post(world, id, "stdin", "{\"eof\":true}");
    hb_assert_refused(hb_post(world, id, "stdin", "{\"data\":\"late\"}"), 409, "conflict");
    kill_it(world, id);
    hb_assert_refused(hb_post(world, id, "stdin", "{\"data\":\"later\"}"), 409, "conflict");
    const char *done = hb_text(hb_exec(world, "true"), "result/id");
    hb_assert_refused(hb_post(world, done, "stdin", "{\"eof\":true}"), 409, "conflict");
}

static void stdin_that_nobody_reads_is_refused_in_time(void **state)
{
    struct hb_world *world = *state;
    world->settings.stdin_wait_ms = 100;
    hb_world_remake_dialect(world);
    char id[64];
    hb_start(world, "exec sleep 300", id);
    BUF_AUTO body = BUF_INIT;
    buf_str(&body, "{\"data\":\"");
    for (int i = 0; i < 2000000; i++)
        buf_char(&body, 'x');
    buf_str(&body, "\"}");
    assert_int_equal(hb_post(world, id, "stdin", body.data)->f.status, 200);
    struct answer *a = hb_post(world, id, "stdin", "{\"data\":\"x\"}");
    hb_assert_refused(a, 408, "stdin_timeout");
}

/* ---- list ---------------------------------------------------------------------------------------------- */

static void list_is_newest_first_and_filtered(void **state)
{
    struct hb_world *world = *state;
    char running[64];
    char exited[64];
    snprintf(exited, sizeof exited, "%s", hb_text(hb_exec(world, "exit 1"), "result/id"));
    hb_exec(world, "kill -KILL $$");
    hb_start(world, "read line", running);
    struct answer *a = hb_runtime(world, "GET", "/processes", NULL);
    assert_int_equal(cJSON_GetArraySize(hb_at(a, "data")), 3);
    assert_string_equal(hb_text(a, "data/0/id"), running);
    assert_string_equal(hb_text(a, "data/2/id"), exited);
    assert_true(is_null(a, "next_cursor"));
    a = hb_runtime(world, "GET", "/processes?status=running&limit=20", NULL);
    assert_int_equal(cJSON_GetArraySize(hb_at(a, "data")), 1);
    a = hb_runtime(world, "GET", "/processes?status=exited%2Ckilled", NULL);
    assert_int_equal(cJSON_GetArraySize(hb_at(a, "data")), 2);
    a = hb_runtime(world, "GET", "/processes?status=timed_out", NULL);
    assert_int_equal(cJSON_GetArraySize(hb_at(a, "data")), 0);
    a = hb_runtime(world, "GET", "/processes?created_before=1000", NULL);
    assert_int_equal(cJSON_GetArraySize(hb_at(a, "data")), 0);
    a = hb_runtime(world, "GET", "/processes?created_after=1000&status=&limit=", NULL);
    assert_int_equal(cJSON_GetArraySize(hb_at(a, "data")), 3);
    static const char *const bad[] = { "status=over", "limit=0", "limit=x", "cursor=5", "created_after=now" };
    for (size_t i = 0; i < COUNT(bad); i++) {
        char rest[64];
        snprintf(rest, sizeof rest, "/processes?%s", bad[i]);
        hb_assert_refused(hb_runtime(world, "GET", rest, NULL), 400, "invalid_request");
    }
}

static void list_has_pages(void **state)
{
    struct hb_world *world = *state;
    char ids[5][64], rest[128] = "/processes?limit=2";
    for (size_t i = 0; i < 5; i++)
        snprintf(ids[i], sizeof ids[i], "%s", hb_text(hb_exec(world, "true"), "result/id"));
    for (size_t i = 5; i > 0; i -= 2) {
        struct answer *a = hb_runtime(world, "GET", rest, NULL);
        assert_string_equal(hb_text(a, "data/0/id"), ids[i - 1]);
        if (i == 1) {
            assert_int_equal(cJSON_GetArraySize(hb_at(a, "data")), 1);
            assert_true(is_null(a, "next_cursor"));
            break;
        }
        assert_string_equal(hb_text(a, "data/1/id"), ids[i - 2]);
        snprintf(rest, sizeof rest, "/processes?limit=2&cursor=%s", hb_text(a, "next_cursor"));
    }
    struct answer *a = hb_runtime(world, "GET", "/processes?cursor=proc_forgotten", NULL);
    assert_int_equal(cJSON_GetArraySize(hb_at(a, "data")), 0);
}

/* ---- users ----------------------------------------------------------------------------------------------- */

/* Without namespaces users are the host's; the engine's own tests say what that means. */
static void default_user_and_root_are_had_with_namespaces(void **state)
{
    struct hb_world *world = *state;
    struct answer *a = hb_exec(world, "id -un; id -u");
    assert_string_equal(hb_text(a, "result/stdout"), "ubuntu\n1000\n");
    a = hb_runtime(world, "POST", "/exec", "{\"command\":\"whoami\",\"runAs\":\"root\"}");
    assert_string_equal(hb_text(a, "result/stdout"), "root\n");
}

#define WITH(name) cmocka_unit_test_setup_teardown(name, hb_world_setup, hb_world_teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        WITH(exec_tells_all_about_the_end),
        WITH(options_reach_the_process),
        WITH(exec_has_an_empty_stdin),
        WITH(legacy_args_are_quoted_into_the_line),
        WITH(odd_output_becomes_replacement_characters),
        WITH(result_is_cut_to_its_window),
        WITH(bad_commands_are_refused),
        WITH(environment_has_a_limit),
        WITH(failed_start_is_told),
        WITH(time_limit_ends_the_process),
        WITH(death_by_signal_is_killed),
        WITH(start_answers_before_the_end),
        WITH(wait_times_out_and_the_process_goes_on),
        WITH(client_that_hangs_up_leaves_the_process_alone),
        WITH(unknown_process_is_not_found),
        WITH(survivor_with_the_pipe_delays_nothing),
        WITH(signals_end_the_group),
        WITH(bad_signals_are_refused),
        WITH(delete_kills_and_may_be_repeated),
        WITH(stdin_takes_text_bytes_and_eof),
        WITH(bad_input_is_refused_whole),
        WITH(stdin_after_its_end_is_a_conflict),
        WITH(stdin_that_nobody_reads_is_refused_in_time),
        WITH(list_is_newest_first_and_filtered),
        WITH(list_has_pages),
    };
    static const struct CMUnitTest isolated[] = { WITH(default_user_and_root_are_had_with_namespaces) };
    return world_run_modes("hyperbrowser process", tests, COUNT(tests)) +
           world_run_namespace("hyperbrowser users", isolated, COUNT(isolated));
}
