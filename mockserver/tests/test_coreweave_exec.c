/* coreweave: StreamExec and unary Exec, in both versions, with real processes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "dialects/coreweave/wire.h"
#include "tests/support/cw_world.h"

#define SH(line) ((const char *[]) { "/bin/sh", "-c", line, NULL })

static void output_is_kept_apart_and_comes_before_the_exit(void **state)
{
    struct cw_world *w = *state;
    struct cw_answer *a = cw_exec(w, "echo out; echo err >&2; exit 7");
    CW_STORY s;
    cw_tell(w, a, &s);
    cw_assert_ok(a);
    assert_string_equal(buf_cstr(&s.out), "out\n");
    assert_string_equal(buf_cstr(&s.err), "err\n");
    assert_int_equal(s.ready, 1);
    assert_int_equal(s.exits, 1);
    assert_int_equal(s.exit_code, 7);
    assert_int_equal(s.after_exit, 0);
    assert_int_equal(s.errors, 0);
}

static void the_command_is_an_argv_and_no_shell_line(void **state)
{
    struct cw_world *w = *state;
    struct cw_answer *a = cw_exec_start(w, (const char *[]) { "printf", "<%s>", "a b", "$HOME", "", NULL }, false);
    fake_rpc_half_close(&a->f);
    cw_finish(a);
    CW_STORY s;
    cw_tell(w, a, &s);
    assert_string_equal(buf_cstr(&s.out), "<a b><$HOME><>");
}

static void half_close_right_after_init_is_the_end_of_input(void **state)
{
    struct cw_world *w = *state;
    struct cw_answer *a = cw_exec(w, "cat; echo done");
    CW_STORY s;
    cw_tell(w, a, &s);
    cw_assert_ok(a);
    assert_string_equal(buf_cstr(&s.out), "done\n");
}

static void ready_comes_while_the_process_waits_for_input(void **state)
{
    struct cw_world *w = *state;
    struct cw_answer *a = cw_exec_start(w, SH("cat"), false);
    assert_true(fake_rpc_await(&a->f, 1, CW_SECONDS));
    CW_STORY before;
    cw_tell(w, a, &before);
    assert_int_equal(before.ready, 1);
    cw_stdin(w, a, "one\n", 4);
    cw_await_output(w, a, "one\n");
    cw_stdin(w, a, "t\0wo\n", 5);
    cw_close(w, a);
    cw_finish(a);
    CW_STORY s;
    cw_tell(w, a, &s);
    assert_int_equal(s.out.len, 9);
    assert_memory_equal(s.out.data, "one\nt\0wo\n", 9);
    assert_int_equal(s.exit_code, 0);
}

static void close_alone_is_the_end_of_input(void **state)
{
    struct cw_world *w = *state;
    struct cw_answer *a = cw_exec_start(w, SH("sort"), false);
    cw_stdin(w, a, "b\na\n", 4);
    cw_close(w, a);
    cw_finish(a);
    CW_STORY s;
    cw_tell(w, a, &s);
    assert_string_equal(buf_cstr(&s.out), "a\nb\n");
}

static void half_close_alone_is_the_end_of_input(void **state)
{
    struct cw_world *w = *state;
    struct cw_answer *a = cw_exec_start(w, SH("sort"), false);
    cw_stdin(w, a, "b\na\n", 4);
    fake_rpc_half_close(&a->f);
    cw_finish(a);
    CW_STORY s;
    cw_tell(w, a, &s);
    assert_string_equal(buf_cstr(&s.out), "a\nb\n");
}

/* A `close` right behind init once ended a stream with 137 (SDK changelog, 0.26.2). */
static void a_close_before_the_start_is_taken(void **state)
{
    struct cw_world *w = *state;
    struct cw_answer *a = cw_exec_start(w, SH("cat; exit 5"), false);
    cw_close(w, a);
    fake_rpc_half_close(&a->f);
    cw_finish(a);
    CW_STORY s;
    cw_tell(w, a, &s);
    assert_int_equal(s.exit_code, 5);
}

static void input_for_a_process_that_is_over_is_nobodys(void **state)
{
    struct cw_world *w = *state;
    static char much[65536];
    struct cw_answer *a = cw_exec_start(w, SH("exec 0<&-; sleep 0.1; exit 4"), false);
    for (int i = 0; i < 40; i++)
        cw_stdin(w, a, much, sizeof much);
    cw_finish(a);
    CW_STORY s;
    cw_tell(w, a, &s);
    cw_assert_ok(a);
    assert_int_equal(s.exit_code, 4);
}

/* 4 MiB for a process that takes nothing: what is not taken waits with the client. */
static void input_that_is_not_read_is_not_taken(void **state)
{
    struct cw_world *w = *state;
    static char much[65536];
    struct cw_answer *b =
        cw_exec_start(w, SH("trap 'cat | wc -c; exit' USR1; echo up $$; sleep 1000 & wait"), false);
    cw_await_output(w, b, "\n");
    CW_STORY before;
    char line[64];
    cw_tell(w, b, &before);
    snprintf(line, sizeof line, "kill -USR1 %d", (int) strtol(buf_cstr(&before.out) + 3, NULL, 10));
    for (int i = 0; i < 64; i++)
        cw_stdin(w, b, much, sizeof much);
    assert_true(fake_rpc_await_taken(&b->f, 17, CW_SECONDS));
    pthread_mutex_lock(&b->f.lock);
    size_t taken = b->f.taken;
    pthread_mutex_unlock(&b->f.lock);
    assert_true(taken < 40);
    cw_close(w, b);
    cw_exec(w, line);
    cw_finish(b);
    CW_STORY s;
    cw_tell(w, b, &s);
    if (strstr(buf_cstr(&s.out), "4194304") == NULL)
        fail_msg("the process has seen \"%s\", its end is %d", buf_cstr(&s.out), s.exit_code);
}

static void a_signal_is_128_and_its_number(void **state)
{
    struct cw_world *w = *state;
    static const struct {
        const char *line;
        int code;
    } rows[] = { { "kill -9 $$", 137 }, { "kill -TERM $$", 143 }, { "exit 255", 255 }, { "exit 0", 0 } };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct cw_answer *a = cw_exec(w, rows[i].line);
        CW_STORY s;
        cw_tell(w, a, &s);
        assert_int_equal(s.exit_code, rows[i].code);
    }
}

static struct cw_answer *exec_program(struct cw_world *w, const char *program)
{
    struct cw_answer *a = cw_exec_start(w, (const char *[]) { program, NULL }, false);
    fake_rpc_half_close(&a->f);
    cw_finish(a);
    return a;
}

static void a_command_that_is_not_there_ends_with_127(void **state)
{
    struct cw_world *w = *state;
    struct cw_answer *a = exec_program(w, "no-such-program");
    CW_STORY s;
    cw_tell(w, a, &s);
    cw_assert_ok(a);
    assert_int_equal(s.exit_code, 127);
    assert_string_equal(buf_cstr(&s.err), "no-such-program: not found\n");
    assert_int_equal(s.ready, 0);
}

static void a_command_that_cannot_be_executed_ends_with_126(void **state)
{
    struct cw_world *w = *state;
    CW_STORY s;
    cw_tell(w, exec_program(w, "/etc"), &s);
    assert_int_equal(s.exit_code, 126);
    assert_true(s.err.len > 0);
}

static void a_failed_start_is_an_error_in_band_when_it_is_set_so(void **state)
{
    struct cw_world *w = *state;
    w->settings.start_failure = "error";
    cw_world_remake_dialect(w);
    struct cw_answer *a = exec_program(w, "no-such-program");
    CW_STORY s;
    cw_tell(w, a, &s);
    cw_assert_ok(a);
    assert_int_equal(s.errors, 1);
    assert_int_equal(s.exits, 0);
    assert_string_equal(s.error_code, "EXEC_FAILED");
}

static void an_empty_command_is_refused(void **state)
{
    struct cw_world *w = *state;
    struct cw_answer *a = cw_exec_start(w, (const char *[]) { NULL }, false);
    cw_finish(a);
    cw_assert_refused(a, RPC_INVALID_ARGUMENT, "CWSANDBOX_INVALID_REQUEST");
}

/* A kill is not over when it is asked for. */
#define GONE_SOON \
    "end=$(($(date +%%s) + 30)); while kill -0 %1$ld || kill -0 %2$ld; do [ $(date +%%s) -lt $end ] || exit 1; done 2>&-"

static void a_call_that_is_cancelled_takes_its_process_along(void **state)
{
    struct cw_world *w = *state;
    struct cw_answer *a = cw_exec_start(w, SH("sleep 1000 & echo $! $$; exec sleep 1000"), false);
    cw_await_output(w, a, "\n");
    fake_rpc_cancel(&a->f);
    cw_finish(a);
    CW_STORY before;
    CW_STORY after;
    cw_tell(w, a, &before);
    char line[256], *end;
    long child = strtol(buf_cstr(&before.out), &end, 10), main_one = strtol(end, NULL, 10);
    assert_true(child > 0 && main_one > 0);
    snprintf(line, sizeof line, GONE_SOON, child, main_one);
    cw_tell(w, cw_exec(w, line), &after);
    assert_int_equal(after.exits, 1);
    assert_int_equal(after.exit_code, 0);
}

static void a_background_child_does_not_hold_the_exit_back(void **state)
{
    struct cw_world *w = *state;
    struct cw_answer *a = cw_exec(w, "sleep 1000 & echo started");
    CW_STORY s;
    cw_tell(w, a, &s);
    assert_string_equal(buf_cstr(&s.out), "started\n");
    assert_int_equal(s.exit_code, 0);
}

static void a_stop_ends_the_streams_of_its_sandbox(void **state)
{
    struct cw_world *w = *state;
    struct cw_answer *a = cw_exec_start(w, SH("echo up; sleep 1000"), false);
    cw_await_output(w, a, "up");
    cw_assert_ok(cw_stop(w, w->sandbox, 10, false));
    cw_finish(a);
    CW_STORY s;
    cw_tell(w, a, &s);
    cw_assert_ok(a);
    assert_int_equal(s.exit_code, 137);
}

static void no_message_ends_inside_a_character(void **state)
{
    struct cw_world *w = *state;
    struct cw_answer *a = cw_exec_start(w, SH("printf 'a\\303'; read x; printf '\\274b\\303'"), false);
    cw_await_output(w, a, "a");
    cw_stdin(w, a, "\n", 1);
    cw_finish(a);
    CW_STORY s;
    cw_tell(w, a, &s);
    assert_string_equal(buf_cstr(&s.out), "a\303\274b\303");
    size_t outputs = 0;
    for (size_t i = 0; i < a->f.got_count; i++) {
        const char *data = buf_cstr(&a->f.got[i]);
        const char *at = memmem(data, a->f.got[i].len, "\303\274b", 3);
        outputs += at != NULL;
    }
    assert_int_equal(outputs, 1);
}

static void much_output_comes_whole_in_messages_of_the_set_size(void **state)
{
    struct cw_world *w = *state;
    w->settings.chunk_bytes = 5000;
    cw_world_remake_dialect(w);
    struct cw_answer *a = cw_exec(w, "head -c 3000000 /dev/zero | tr '\\0' x");
    CW_STORY s;
    cw_tell(w, a, &s);
    assert_int_equal(s.out.len, 3000000);
    assert_int_equal(strspn(s.out.data, "x"), 3000000);
    for (size_t i = 0; i < a->f.got_count; i++)
        assert_true(a->f.got[i].len < 5100);
}

/* A client that does not read must not keep what it sends from the process. */
static void input_goes_on_while_output_is_not_read(void **state)
{
    struct cw_world *w = *state;
    struct cw_answer *a = cw_exec_start(w, SH("yes & read line; kill $!; echo end >&2; exit 9"), false);
    cw_await_output(w, a, "y\ny\n");
    fake_rpc_stall(&a->f, true);
    cw_stdin(w, a, "x\n", 2);
    assert_true(fake_rpc_await_taken(&a->f, 2, CW_SECONDS));
    fake_rpc_stall(&a->f, false);
    /* Millions of lines would not fit the fake: the client goes. */
    fake_rpc_cancel(&a->f);
    cw_finish(a);
}

static void a_terminal_has_the_size_that_was_asked_for_and_later_another(void **state)
{
    struct cw_world *w = *state;
    struct cw_answer *a = cw_exec_start(w, SH("stty size; read x; stty size; exit 3"), true);
    cw_await_output(w, a, "24 80");
    cw_resize(w, a, 132, 43);
    cw_stdin(w, a, "\n", 1);
    cw_finish(a);
    CW_STORY s;
    cw_tell(w, a, &s);
    assert_non_null(strstr(buf_cstr(&s.out), "43 132"));
    assert_int_equal(s.err.len, 0);
    assert_int_equal(s.exit_code, 3);
}

static void a_terminal_ends_its_input_by_close(void **state)
{
    struct cw_world *w = *state;
    struct cw_answer *a = cw_exec_start(w, SH("cat; exit 6"), true);
    cw_stdin(w, a, "hi\n", 3);
    cw_await_output(w, a, "hi\r\nhi\r\n");
    cw_close(w, a);
    cw_finish(a);
    CW_STORY s;
    cw_tell(w, a, &s);
    assert_int_equal(s.exit_code, 6);
}

static void a_second_init_is_refused(void **state)
{
    struct cw_world *w = *state;
    struct cw_answer *a = cw_exec_start(w, SH("sleep 1000"), false);
    assert_true(fake_rpc_await(&a->f, 1, CW_SECONDS));
    static const char again[] = "\x0a\x00";
    fake_rpc_send(&a->f, again, 2);
    cw_finish(a);
    cw_assert_refused(a, RPC_INVALID_ARGUMENT, "CWSANDBOX_INVALID_REQUEST");
}

static void bytes_that_are_no_message_end_the_call(void **state)
{
    struct cw_world *w = *state;
    struct cw_answer *a = cw_exec_start(w, SH("sleep 1000"), false);
    assert_true(fake_rpc_await(&a->f, 1, CW_SECONDS));
    fake_rpc_send(&a->f, "\xff", 1);
    cw_finish(a);
    cw_assert_refused(a, RPC_INTERNAL, NULL);
}

static void the_first_message_must_be_init(void **state)
{
    struct cw_world *w = *state;
    struct cw_answer *a = cw_new(w, w->is_v1 ? "SandboxService/StreamExec" : "GatewayStreamingService/StreamExec");
    cw_close(w, a);
    cw_start(w, a);
    cw_finish(a);
    cw_assert_refused(a, RPC_INVALID_ARGUMENT, "CWSANDBOX_INVALID_REQUEST");
}

static void a_command_sees_the_sandboxs_environment_and_folder(void **state)
{
    struct cw_world *w = *state;
    cw_new_sandbox(w, &(struct cw_wish) { .env_name = "COLOUR", .env_value = "dark blue", .working_dir = "/tmp" });
    CW_STORY s;
    cw_tell(w, cw_exec(w, "echo $COLOUR; pwd"), &s);
    assert_string_equal(buf_cstr(&s.out), w->is_v1 ? "dark blue\n/tmp\n" : buf_cstr(&s.out));
    assert_non_null(strstr(buf_cstr(&s.out), "dark blue\n"));
}

/* ---- unary ------------------------------------------------------------------------------------------- */

static struct cw_answer *unary_exec(struct cw_world *w, const char *line, int most)
{
    char *argv[] = { proto_text("/bin/sh"), proto_text("-c"), proto_text(line) };
    if (w->is_v1) {
        Cw1__ExecRequest m = CW1__EXEC_REQUEST__INIT;
        m.sandbox_id = w->sandbox;
        m.n_command = 3;
        m.command = argv;
        m.max_output_bytes = most;
        return cw_unary(w, "SandboxService/Exec", &m);
    }
    Cwb2__ExecSandboxRequest m = CWB2__EXEC_SANDBOX_REQUEST__INIT;
    m.sandbox_id = w->sandbox;
    m.n_command = 1;
    m.command = argv;
    m.n_args = 2;
    m.args = argv + 1;
    return cw_unary(w, "GatewayService/Exec", &m);
}

static void unary_exec_answers_with_output_and_exit(void **state)
{
    struct cw_world *w = *state;
    struct cw_answer *a = unary_exec(w, "echo out; echo err >&2; cat; exit 9", 0);
    cw_assert_ok(a);
    if (w->is_v1) {
        const Cw1__ExecResponse *r = cw_read(a, 0, &cw1__exec_response__descriptor);
        assert_memory_equal(r->stdout.data, "out\n", 4);
        assert_memory_equal(r->stderr.data, "err\n", 4);
        assert_int_equal(r->exit_code, 9);
        assert_false(r->stdout_truncated);
        assert_int_equal(r->stdout_bytes_produced, 4);
        return;
    }
    const Cwb2__ExecResponse *r =
        ((const Cwb2__ExecSandboxResponse *) cw_read(a, 0, &cwb2__exec_sandbox_response__descriptor))->result;
    assert_int_equal(r->stdout.len, 4);
    assert_memory_equal(r->stderr.data, "err\n", 4);
    assert_int_equal(r->exit_code, 9);
}

static void unary_exec_cuts_what_is_too_much_and_says_so(void **state)
{
    struct cw_world *w = *state;
    if (!w->is_v1)
        return;   /* has no such field */
    struct cw_answer *a = unary_exec(w, "head -c 100000 /dev/zero; echo e >&2", 1000);
    const Cw1__ExecResponse *r = cw_read(a, 0, &cw1__exec_response__descriptor);
    assert_int_equal(r->stdout.len, 1000);
    assert_true(r->stdout_truncated);
    assert_false(r->stderr_truncated);
    assert_int_equal(r->stdout_bytes_produced, 100000);
    assert_int_equal(r->stderr_bytes_produced, 2);
}

#define T(name) cmocka_unit_test_setup_teardown(name, cw_world_setup, cw_world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(output_is_kept_apart_and_comes_before_the_exit),
        T(the_command_is_an_argv_and_no_shell_line),
        T(half_close_right_after_init_is_the_end_of_input),
        T(ready_comes_while_the_process_waits_for_input),
        T(close_alone_is_the_end_of_input),
        T(half_close_alone_is_the_end_of_input),
        T(a_close_before_the_start_is_taken),
        T(input_for_a_process_that_is_over_is_nobodys),
        T(input_that_is_not_read_is_not_taken),
        T(a_signal_is_128_and_its_number),
        T(a_command_that_is_not_there_ends_with_127),
        T(a_command_that_cannot_be_executed_ends_with_126),
        T(a_failed_start_is_an_error_in_band_when_it_is_set_so),
        T(an_empty_command_is_refused),
        T(a_call_that_is_cancelled_takes_its_process_along),
        T(a_background_child_does_not_hold_the_exit_back),
        T(a_stop_ends_the_streams_of_its_sandbox),
        T(no_message_ends_inside_a_character),
        T(much_output_comes_whole_in_messages_of_the_set_size),
        T(input_goes_on_while_output_is_not_read),
        T(a_terminal_has_the_size_that_was_asked_for_and_later_another),
        T(a_terminal_ends_its_input_by_close),
        T(a_second_init_is_refused),
        T(bytes_that_are_no_message_end_the_call),
        T(the_first_message_must_be_init),
        T(a_command_sees_the_sandboxs_environment_and_folder),
        T(unary_exec_answers_with_output_and_exit),
        T(unary_exec_cuts_what_is_too_much_and_says_so),
    };
    return cw_world_run("coreweave exec", tests, sizeof tests / sizeof *tests);
}
