/* engine: bytes into a process, back-pressure, end of input, terminals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/support/world.h"

#define assert_text(buf, text) assert_string_equal(buf_cstr(&(buf)), text)

static struct proc *start_open(struct world *w, const char *line)
{
    char *argv[4];
    struct proc_spec spec = world_shell(line, argv);
    spec.stdin_mode = STDIN_PIPE;
    return world_start(w, &spec);
}

static int write_text(struct world *w, struct proc *p, const char *text, bool eof, struct err *err)
{
    return proc_stdin_write(p, text, strlen(text), eof, world_deadline(w), err);
}

static void what_is_written_arrives_and_eof_ends_it(void **state)
{
    struct world *w = *state;
    struct proc *p = start_open(w, "cat; echo over");
    assert_int_equal(write_text(w, p, "one\n", false, NULL), 0);
    assert_int_equal(write_text(w, p, "two\n", true, NULL), 0);
    OUTCOME o = world_finish(p);
    assert_text(o.out, "one\ntwo\nover\n");
}

static void eof_alone_closes_it(void **state)
{
    struct world *w = *state;
    struct proc *p = start_open(w, "cat; echo over");
    assert_int_equal(write_text(w, p, "", true, NULL), 0);
    OUTCOME o = world_finish(p);
    assert_text(o.out, "over\n");
}

static void it_stays_open_until_then(void **state)
{
    struct world *w = *state;
    struct proc *p = start_open(w, "echo up; read line; echo \"got $line\"");
    world_await_output(p, "up");
    struct proc_view view;
    proc_get_view(p, &view);
    assert_true(view.stdin_open);
    assert_int_equal(write_text(w, p, "x\n", false, NULL), 0);
    OUTCOME o = world_finish(p);
    assert_text(o.out, "up\ngot x\n");
    assert_false(o.view.stdin_open);
}

static void binary_bytes_pass(void **state)
{
    struct world *w = *state;
    static const char bytes[] = "a\0\377\n\r\200";
    struct proc *p = start_open(w, "cat");
    assert_int_equal(proc_stdin_write(p, bytes, sizeof bytes - 1, true, world_deadline(w), NULL), 0);
    OUTCOME o = world_finish(p);
    assert_int_equal(o.out.len, sizeof bytes - 1);
    assert_memory_equal(o.out.data, bytes, sizeof bytes - 1);
}

static void ten_megabytes_pass_a_slow_reader_whole(void **state)
{
    enum { SIZE = 10 * 1024 * 1024, PIECE = 100 * 1000 };
    struct world *w = *state;
    struct proc *p = start_open(w, "cksum");
    char *piece = malloc(PIECE);
    assert_non_null(piece);
    size_t sent = 0;
    for (unsigned i = 0; sent < SIZE; i++) {
        size_t len = SIZE - sent < PIECE ? SIZE - sent : PIECE;
        memset(piece, 'a' + (int) (i % 26), len);
        sent += len;
        assert_int_equal(proc_stdin_write(p, piece, len, sent == SIZE, world_deadline(w), NULL), 0);
    }
    OUTCOME o = world_finish(p);
    OUTCOME again = world_run(w, "i=0; n=10485760; for c in $(for k in 1 2 3 4 5; do echo {a..z}; done); do "
                                 "l=100000; [ $n -lt $l ] && l=$n; [ $l -gt 0 ] && head -c $l /dev/zero | tr '\\0' $c; "
                                 "n=$((n-l)); done | cksum");
    assert_string_equal(buf_cstr(&o.out), buf_cstr(&again.out));
    free(piece);
}

static void a_process_that_does_not_read_holds_the_writer_back(void **state)
{
    enum { SIZE = 2 * 1024 * 1024 };
    struct world *w = *state;
    struct err err = ERR_INIT;
    struct proc *p = start_open(w, "echo up; exec sleep 1000");
    char *big = calloc(1, SIZE);
    assert_non_null(big);
    assert_int_equal(proc_stdin_write(p, big, SIZE, false, world_deadline(w), NULL), 0);
    assert_int_equal(proc_stdin_write(p, big, 1, false, clock_deadline(w->clock, 50), &err), -1);
    assert_int_equal(err.code, ERR_TIMEOUT);
    free(big);
    assert_int_equal(proc_kill(p, WHO_CLIENT, NULL), 0);
    OUTCOME o = world_finish(p);
    assert_int_equal(o.view.end.value, SIGKILL);
}

static void a_process_that_closes_its_stdin_does_not_kill_the_server(void **state)
{
    struct world *w = *state;
    struct proc *p = start_open(w, "exec 0<&-; echo closed; exec sleep 1000");
    world_await_output(p, "closed");
    struct err err = ERR_INIT;
    int64_t end = mono_ns() + WORLD_LIMIT_MS * 1000000LL;
    while (write_text(w, p, "x", false, &err) == 0 && mono_ns() < end)
        continue;
    assert_int_equal(err.code, ERR_CONFLICT);
    assert_int_equal(proc_kill(p, WHO_CLIENT, NULL), 0);
    OUTCOME o = world_finish(p);
    assert_int_equal(o.view.end.kind, FACT_DIED);
}

static void assert_conflict(struct world *w, struct proc *p, const char *word)
{
    struct err err = ERR_INIT;
    assert_int_equal(write_text(w, p, "x", false, &err), -1);
    assert_int_equal(err.code, ERR_CONFLICT);
    assert_non_null(strstr(err.text, word));
}

static void writing_after_eof_is_a_conflict(void **state)
{
    struct world *w = *state;
    struct proc *p = start_open(w, "cat; sleep 1000");
    assert_int_equal(write_text(w, p, "", true, NULL), 0);
    assert_conflict(w, p, "closed");
    assert_int_equal(proc_kill(p, WHO_CLIENT, NULL), 0);
    OUTCOME o = world_finish(p);
    assert_int_equal(o.out.len, 0);
}

static void writing_after_the_end_is_a_conflict(void **state)
{
    struct world *w = *state;
    struct proc *p = proc_ref(start_open(w, "true"));
    OUTCOME o = world_finish(p);
    assert_int_equal(o.view.end.value, 0);
    assert_conflict(w, p, "not running");
    proc_unref(p);
}

static void writing_to_a_process_without_stdin_is_a_conflict(void **state)
{
    struct world *w = *state;
    struct proc *p = world_start_line(w, "echo up; sleep 1000");
    assert_conflict(w, p, "no stdin");
    assert_int_equal(proc_kill(p, WHO_CLIENT, NULL), 0);
    OUTCOME o = world_finish(p);
    assert_int_equal(o.view.end.kind, FACT_DIED);
}

static void the_facts_tell_how_much_was_taken(void **state)
{
    struct world *w = *state;
    struct proc *p = proc_ref(start_open(w, "cat >/dev/null"));
    assert_int_equal(write_text(w, p, "12345", true, NULL), 0);
    OUTCOME o = world_finish(p);
    assert_int_equal(o.view.end.value, 0);
    struct fact facts[32];
    size_t n = proc_facts(p, 1, facts, 32), taken = 0, eofs = 0;
    for (size_t i = 0; i < n; i++) {
        taken += facts[i].kind == FACT_STDIN ? facts[i].len : 0;
        eofs += facts[i].kind == FACT_STDIN_EOF;
    }
    assert_int_equal(taken, 5);
    assert_int_equal(eofs, 1);
    proc_unref(p);
}

/* ---- terminals ------------------------------------------------------------------------- */

static struct proc *start_terminal(struct world *w, const char *line, unsigned short rows, unsigned short cols)
{
    char *argv[4];
    struct proc_spec spec = world_shell(line, argv);
    spec.pty = true;
    spec.rows = rows;
    spec.cols = cols;
    return world_start(w, &spec);
}

static void a_terminal_is_a_terminal_of_the_size_asked_for(void **state)
{
    OUTCOME o = world_finish(start_terminal(*state, "[ -t 0 ] && [ -t 1 ] && [ -t 2 ] && stty size", 33, 111));
    assert_text(o.out, "33 111\r\n");
}

static void a_new_size_reaches_the_process(void **state)
{
    struct world *w = *state;
    struct proc *p = start_terminal(w, "trap 'stty size; exit' WINCH; echo up; while :; do sleep 0.01; done", 0, 0);
    world_await_output(p, "up");
    assert_int_equal(proc_resize(p, 50, 132, NULL), 0);
    OUTCOME o = world_finish(p);
    assert_text(o.out, "up\r\n50 132\r\n");
}

static void eof_on_a_terminal_ends_the_reader(void **state)
{
    struct world *w = *state;
    struct proc *p = start_terminal(w, "stty -echo; echo up; cat; echo over", 0, 0);
    world_await_output(p, "up");
    assert_int_equal(write_text(w, p, "line\n", true, NULL), 0);
    OUTCOME o = world_finish(p);
    assert_text(o.out, "up\r\nline\r\nover\r\n");
}

static void control_c_interrupts_the_foreground_group(void **state)
{
    struct world *w = *state;
    struct proc *p = start_terminal(w, "echo up; exec sleep 1000", 0, 0);
    world_await_output(p, "up");
    (void) world_await_comm(w, "sleep");
    assert_int_equal(write_text(w, p, "\003", false, NULL), 0);
    OUTCOME o = world_finish(p);
    assert_int_equal(o.view.end.kind, FACT_DIED);
    assert_int_equal(o.view.end.value, SIGINT);
}

/* The server has no more descriptors when the keeper sends the terminal. */
static void a_terminal_that_is_lost_on_the_way_hangs_up(void **state)
{
    struct world *w = *state;
    struct rlimit usual, none;
    pid_t keeper = world_stop_keeper(w);
    struct proc *p = start_terminal(w, "exec sleep 1000", 0, 0);
    int next = dup(0);
    assert_true(next > 0);
    close(next);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &usual), 0);
    none = usual;
    none.rlim_cur = (rlim_t) next;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    kill(keeper, SIGCONT);
    world_await_fact(p, FACT_DIED);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &usual), 0);
    OUTCOME o = world_finish(p);
    assert_int_equal(o.view.end.value, SIGHUP);
    assert_int_equal(o.out.len, 0);
}

static void a_terminal_that_survives_its_process_is_hung_up(void **state)
{
    struct world *w = *state;
    struct proc *p = start_terminal(w, "trap '' HUP; sleep 1000 & disown; echo up", 0, 0);
    OUTCOME o = world_finish(p);
    assert_int_equal(o.view.end.value, 0);
    assert_text(o.out, "up\r\n");
}

static void only_terminals_have_a_size(void **state)
{
    struct world *w = *state;
    struct err err = ERR_INIT;
    struct proc *p = world_start_line(w, "true");
    assert_int_equal(proc_resize(p, 10, 10, &err), -1);
    assert_int_equal(err.code, ERR_CONFLICT);
    OUTCOME o = world_finish(p);
    assert_int_equal(o.view.end.value, 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        T(what_is_written_arrives_and_eof_ends_it),
        T(eof_alone_closes_it),
        T(it_stays_open_until_then),
        T(binary_bytes_pass),
        T(ten_megabytes_pass_a_slow_reader_whole),
        T(a_process_that_does_not_read_holds_the_writer_back),
        T(a_process_that_closes_its_stdin_does_not_kill_the_server),
        T(writing_after_eof_is_a_conflict),
        T(writing_after_the_end_is_a_conflict),
        T(writing_to_a_process_without_stdin_is_a_conflict),
        T(the_facts_tell_how_much_was_taken),
        T(a_terminal_is_a_terminal_of_the_size_asked_for),
        T(a_new_size_reaches_the_process),
        T(eof_on_a_terminal_ends_the_reader),
        T(control_c_interrupts_the_foreground_group),
        T(a_terminal_that_is_lost_on_the_way_hangs_up),
        T(a_terminal_that_survives_its_process_is_hung_up),
        T(only_terminals_have_a_size),
    };
    return world_run_modes("engine: stdin", tests, sizeof tests / sizeof *tests);
}
