/* The puppet's streams, signals and ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/puppet_child.h"

static int setup(void **state)
{
    static struct puppet_child child;
    signal(SIGPIPE, SIG_IGN);
    puppet_child_init(&child);
    *state = &child;
    return 0;
}

static int teardown(void **state)
{
    puppet_child_fini(*state);
    puppet_child_reap_orphans();
    return 0;
}

static void assert_output(struct puppet_child *c, int fd, const char *text)
{
    assert_string_equal(buf_cstr(&c->got[fd]), text);
}

static void assert_killed_by(struct puppet_child *c, int signo)
{
    assert_true(WIFSIGNALED(c->status));
    assert_int_equal(WTERMSIG(c->status), signo);
}

/* ---- output ------------------------------------------------------------------------- */

static void both_streams_are_written_in_order(void **state)
{
    struct puppet_child *c = *state;
    assert_true(puppet_child_exits(c,
                                   "[{\"out\":\"a\"},{\"err\":\"x\"},{\"out\":{\"text\":\"b\"}},{\"out\":\"\"},"
                                   "{\"err\":{\"text\":\"yz\",\"repeat\":3}}]",
                                   0));
    assert_output(c, 1, "ab");
    assert_output(c, 2, "xyzyzyz");
}

static void nul_bytes_come_through(void **state)
{
    struct puppet_child *c = *state;
    assert_true(puppet_child_exits(c, "[{\"out\":{\"base64\":\"AP8ACg==\"}},{\"out\":\"a\\u0000b\"}]", 0));
    assert_int_equal(c->got[1].len, 7);
    assert_memory_equal(c->got[1].data, "\0\xff\0\na\0b", 7);
}

static void chunk_splits_a_character_between_writes(void **state)
{
    struct puppet_child *c = *state;
    char got[16];
    c->packets = true;
    assert_true(puppet_child_steps(c, "[{\"out\":{\"text\":\"\xe2\x82\xac\",\"chunk\":1}}]"));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(read(c->fds[1], got + i, sizeof got - (size_t) i), 1);
    }
    assert_int_equal(read(c->fds[1], got, sizeof got), 0);
    assert_memory_equal(got, "\xe2\x82\xac", 3);
}

static void chunk_is_the_size_of_each_write(void **state)
{
    struct puppet_child *c = *state;
    static const ssize_t sizes[] = { 4, 4, 4, 3, 0 };
    char got[64];
    c->packets = true;
    assert_true(puppet_child_steps(c, "[{\"out\":{\"text\":\"abcde\",\"repeat\":3,\"chunk\":4}}]"));
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(read(c->fds[1], got, sizeof got), sizes[i]);
}

static void a_rate_is_kept_and_scaled(void **state)
{
    struct puppet_child *c = *state;
    /* 1000 s of output, in a blink. */
    assert_true(puppet_child_start(c, (const char *const[]){ "--scale", "1000000", "--steps",
                                                             "[{\"out\":{\"text\":\"0123456789\",\"repeat\":100,"
                                                             "\"rate\":1}}]",
                                                             NULL }));
    assert_true(puppet_child_finish(c));
    assert_int_equal(c->got[1].len, 1000);
    assert_memory_equal(c->got[1].data + 990, "0123456789", 10);
}

/* Reads of odd sizes; `len` is the period of the text. */
static void assert_repetition(int fd, const char *text, size_t total)
{
    size_t len = strlen(text), at = 0, wrong = 0;
    char piece[3001];
    ssize_t n;
    while ((n = read(fd, piece, sizeof piece)) > 0) {
        for (ssize_t i = 0; i < n; i++)
            wrong += piece[i] != text[at++ % len];
    }
    assert_int_equal(wrong, 0);
    assert_int_equal(at, total);
}

static void a_hundred_megabytes_reach_a_slow_reader(void **state)
{
    struct puppet_child *c = *state;
    assert_true(puppet_child_steps(c, "[{\"out\":{\"text\":\"0123456789abc\",\"repeat\":8000000}},{\"exit\":3}]"));
    assert_repetition(c->fds[1], "0123456789abc", 104000000);
    assert_true(puppet_child_finish(c));
    assert_int_equal(WEXITSTATUS(c->status), 3);
}

static void every_period_is_repeated_right(void **state)
{
    struct puppet_child *c = *state;
    static const int periods[] = { 1, 2, 3, 7, 4095, 4096, 4097, 10000 };
    for (size_t i = 0; i < sizeof periods / sizeof *periods; i++) {
        BUF_AUTO text = BUF_INIT, script = BUF_INIT;
        for (int k = 0; k < periods[i]; k++)
            buf_char(&text, (char) ('a' + (k * 7 + k / 26) % 26));
        buf_printf(&script, "[{\"out\":{\"text\":\"%s\",\"repeat\":%d}}]", text.data, 30000 / periods[i] + 2);
        assert_true(puppet_child_steps(c, script.data));
        assert_repetition(c->fds[1], text.data, text.len * (size_t) (30000 / periods[i] + 2));
        assert_true(puppet_child_finish(c));
        puppet_child_fini(c);
    }
}

static void broken_pipe_kills_as_it_does_any_program(void **state)
{
    struct puppet_child *c = *state;
    assert_true(puppet_child_steps(c, "[{\"read\":\"eof\"},{\"out\":\"x\"},{\"exit\":5}]"));
    puppet_child_close(c, 1);
    puppet_child_close(c, 0);
    assert_true(puppet_child_wait(c));
    assert_killed_by(c, SIGPIPE);
}

static void broken_pipe_can_be_ignored_or_handled(void **state)
{
    struct puppet_child *c = *state;
    assert_true(puppet_child_steps(c, "[{\"on\":\"PIPE\",\"do\":\"ignore\"},{\"read\":\"line\"},"
                                      "{\"out\":{\"text\":\"x\",\"repeat\":1000000000}},"
                                      "{\"on\":\"SIGPIPE\",\"do\":[{\"err\":\"pipe\\n\"}]},{\"out\":\"x\"},"
                                      "{\"exit\":5}]"));
    puppet_child_close(c, 1);
    puppet_child_close(c, 0);
    assert_true(puppet_child_await(c, 2, NULL));
    assert_true(puppet_child_wait(c));
    assert_int_equal(WEXITSTATUS(c->status), 5);
    assert_output(c, 2, "pipe\n");
}

static void close_ends_a_stream_and_nothing_takes_its_place(void **state)
{
    struct puppet_child *c = *state;
    assert_true(puppet_child_steps(c, "[{\"close\":\"stdout\"},{\"listen\":0},{\"err\":\"on\\n\"},{\"read\":\"eof\"},"
                                      "{\"out\":\"x\"}]"));
    assert_true(puppet_child_await(c, 1, NULL));
    assert_true(puppet_child_await(c, 2, "on\n"));
    assert_true(puppet_child_finish(c));
    assert_int_equal(WEXITSTATUS(c->status), 98);
    assert_output(c, 2, "on\nstandbox-puppet: /4/out: cannot write: Bad file descriptor\n");
}

/* ---- input -------------------------------------------------------------------------- */

static void reads_take_exactly_what_they_say(void **state)
{
    struct puppet_child *c = *state;
    assert_true(puppet_child_steps(c, "[{\"read\":\"line\",\"echo\":true},{\"out\":\"|\"},"
                                      "{\"read\":{\"bytes\":3},\"echo\":true},{\"out\":\"|\"},{\"read\":\"line\"},"
                                      "{\"read\":\"eof\",\"echo\":true},{\"out\":\"|\"},"
                                      "{\"read\":\"line\",\"echo\":true},{\"exit\":6}]"));
    assert_true(puppet_child_send(c, "one\ntwothree\nfour\nfive"));
    assert_true(puppet_child_finish(c));
    assert_int_equal(WEXITSTATUS(c->status), 6);
    assert_output(c, 1, "one\n|two|four\nfive|");
}

static void a_long_line_is_echoed_whole(void **state)
{
    struct puppet_child *c = *state;
    char line[30002];
    memset(line, 'l', 30000);
    memcpy(line + 30000, "\n", 2);
    assert_true(puppet_child_steps(c, "[{\"read\":\"line\",\"echo\":true}]"));
    assert_true(puppet_child_send(c, line));
    assert_true(puppet_child_finish(c));
    assert_output(c, 1, line);
}

static void a_loop_until_eof_is_a_filter(void **state)
{
    struct puppet_child *c = *state;
    assert_true(puppet_child_steps(c, "[{\"loop\":{\"times\":\"eof\",\"do\":[{\"read\":\"line\",\"echo\":true}]}},"
                                      "{\"out\":\"end\"}]"));
    assert_true(puppet_child_send(c, "1\n2\n"));
    assert_true(puppet_child_await(c, 1, "2\n"));
    assert_true(puppet_child_send(c, "3"));
    assert_true(puppet_child_finish(c));
    assert_output(c, 1, "1\n2\n3end");
}

static void expected_input_goes_on(void **state)
{
    struct puppet_child *c = *state;
    assert_true(
        puppet_child_steps(c, "[{\"expect\":\"hello\\n\"},{\"out\":\"yes\"},{\"read\":\"eof\",\"echo\":true}]"));
    assert_true(puppet_child_send(c, "hel"));
    assert_true(puppet_child_send(c, "lo\nrest"));
    assert_true(puppet_child_finish(c));
    assert_output(c, 1, "yesrest");
}

static void unexpected_input_says_what_was_wrong(void **state)
{
    struct puppet_child *c = *state;
    assert_true(puppet_child_steps(c, "[{\"out\":\"x\"},{\"expect\":\"hello\\n\"}]"));
    assert_true(puppet_child_send(c, "hex"));
    /* Before the end of the input: more would never come. */
    assert_true(puppet_child_wait(c));
    assert_int_equal(WEXITSTATUS(c->status), 97);
    assert_true(puppet_child_await(c, 2, NULL));
    assert_output(c, 2, "standbox-puppet: /1/expect: expected \"hello\\n\", got \"hex\"\n");
}

static void expected_input_that_ends_early_is_an_error(void **state)
{
    struct puppet_child *c = *state;
    assert_true(puppet_child_steps(c, "[{\"expect\":\"hello\"}]"));
    assert_true(puppet_child_send(c, "hell"));
    assert_true(puppet_child_finish(c));
    assert_int_equal(WEXITSTATUS(c->status), 97);
    assert_output(c, 2, "standbox-puppet: /0/expect: expected \"hello\", got \"hell\" and the end of the input\n");
}

/* ---- signals ------------------------------------------------------------------------ */

static void a_handler_runs_while_the_pipe_is_full(void **state)
{
    struct puppet_child *c = *state;
    assert_true(puppet_child_steps(c, "[{\"on\":\"USR1\",\"do\":[{\"err\":\"got\\n\"}]},"
                                      "{\"out\":{\"text\":\"0123456\",\"repeat\":200000}},{\"exit\":9}]"));
    assert_true(puppet_child_readable(c->fds[1]));
    for (int i = 0; i < 3; i++) {
        buf_clear(&c->got[2]);
        assert_int_equal(kill(c->pid, SIGUSR1), 0);
        char line[4];
        assert_int_equal(read(c->fds[2], line, 4), 4);
    }
    assert_repetition(c->fds[1], "0123456", 1400000);
    assert_true(puppet_child_finish(c));
    assert_int_equal(WEXITSTATUS(c->status), 9);
}

static void a_handler_runs_in_the_middle_of_a_line(void **state)
{
    struct puppet_child *c = *state;
    assert_true(puppet_child_steps(c, "[{\"on\":\"HUP\",\"do\":[{\"out\":\"hup\\n\"}]},{\"err\":\"ready\\n\"},"
                                      "{\"read\":\"line\",\"echo\":true},{\"exit\":4}]"));
    assert_true(puppet_child_await(c, 2, "ready"));
    assert_true(puppet_child_send(c, "par"));
    kill(c->pid, SIGHUP);
    assert_true(puppet_child_await(c, 1, "hup\n"));
    assert_true(puppet_child_send(c, "tial\n"));
    assert_true(puppet_child_finish(c));
    assert_output(c, 1, "hup\npartial\n");
    assert_int_equal(WEXITSTATUS(c->status), 4);
}

static void a_handler_runs_in_sleep_and_hang_and_may_exit(void **state)
{
    struct puppet_child *c = *state;
    static const char *const scripts[] = {
        "[{\"on\":\"TERM\",\"do\":[{\"out\":\"bye\"},{\"exit\":5}]},{\"err\":\"on\\n\"},{\"sleep_ms\":600000}]",
        "[{\"on\":\"TERM\",\"do\":[{\"out\":\"bye\"},{\"exit\":5}]},{\"err\":\"on\\n\"},{\"hang\":true}]",
        "[{\"on\":\"TERM\",\"do\":[{\"out\":\"bye\"},{\"exit\":5}]},{\"err\":\"on\\n\"},{\"spin_ms\":600000}]",
        "[{\"on\":\"TERM\",\"do\":[{\"out\":\"bye\"},{\"exit\":5}]},{\"err\":\"on\\n\"},"
        "{\"loop\":{\"times\":\"forever\",\"do\":[{\"env\":\"THERE_IS_NO_SUCH\"}]}}]",
        "[{\"on\":\"TERM\",\"do\":[{\"out\":\"bye\"},{\"exit\":5}]},{\"err\":\"on\\n\"},"
        "{\"fork\":[{\"read\":\"eof\"}]},{\"wait\":true}]",
    };
    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
        assert_true(puppet_child_steps(c, scripts[i]));
        assert_true(puppet_child_await(c, 2, "on\n"));
        kill(c->pid, SIGTERM);
        assert_true(puppet_child_wait(c));
        assert_int_equal(WEXITSTATUS(c->status), 5);
        puppet_child_close(c, 0);
        assert_true(puppet_child_await(c, 1, NULL));
        assert_output(c, 1, "bye");
        puppet_child_fini(c);
    }
}

static void a_signal_waits_while_its_handler_runs(void **state)
{
    struct puppet_child *c = *state;
    assert_true(puppet_child_steps(c, "[{\"on\":\"TERM\",\"do\":[{\"out\":\"[\"},{\"read\":\"line\"},{\"out\":\"]\"}]},"
                                      "{\"on\":\"INT\",\"do\":[{\"out\":\"i\"}]},{\"err\":\"on\"},{\"hang\":true}]"));
    assert_true(puppet_child_await(c, 2, "on"));
    kill(c->pid, SIGTERM);
    assert_true(puppet_child_await(c, 1, "["));
    kill(c->pid, SIGTERM);
    kill(c->pid, SIGTERM);
    kill(c->pid, SIGINT); /* another one may come between */
    assert_true(puppet_child_await(c, 1, "[i"));
    assert_true(puppet_child_send(c, "\n"));
    assert_true(puppet_child_await(c, 1, "[i]["));
    assert_true(puppet_child_send(c, "\n"));
    assert_true(puppet_child_await(c, 1, "[i][]"));
    kill(c->pid, SIGKILL);
    assert_true(puppet_child_finish(c));
    assert_output(c, 1, "[i][]");
}

static void term_can_be_ignored_and_taken_back(void **state)
{
    struct puppet_child *c = *state;
    assert_true(puppet_child_steps(c, "[{\"on\":\"TERM\",\"do\":\"ignore\"},{\"out\":\"1\"},{\"read\":\"line\"},"
                                      "{\"on\":\"TERM\",\"do\":\"default\"},{\"out\":\"2\"},{\"hang\":true}]"));
    assert_true(puppet_child_await(c, 1, "1"));
    kill(c->pid, SIGTERM);
    assert_true(puppet_child_send(c, "\n"));
    assert_true(puppet_child_await(c, 1, "2"));
    kill(c->pid, SIGTERM);
    assert_true(puppet_child_finish(c));
    assert_killed_by(c, SIGTERM);
}

static void what_the_parent_ignored_has_its_default_action(void **state)
{
    struct puppet_child *c = *state;
    sigset_t blocked, before;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR2);
    sigprocmask(SIG_BLOCK, &blocked, &before);
    assert_true(puppet_child_steps(c, "[{\"raise\":\"USR2\"},{\"exit\":1}]"));
    sigprocmask(SIG_SETMASK, &before, NULL);
    assert_true(puppet_child_finish(c));
    assert_killed_by(c, SIGUSR2);
    puppet_child_fini(c);
    signal(SIGINT, SIG_IGN);
    assert_true(puppet_child_steps(c, "[{\"raise\":\"INT\"},{\"exit\":1}]"));
    signal(SIGINT, SIG_DFL);
    assert_true(puppet_child_finish(c));
    assert_killed_by(c, SIGINT);
}

/* ---- ends --------------------------------------------------------------------------- */

static void every_exit_code_is_possible(void **state)
{
    struct puppet_child *c = *state;
    for (int code = 0; code < 256; code++) {
        char script[64];
        snprintf(script, sizeof script, "[{\"exit\":%d}]", code);
        assert_true(puppet_child_exits(c, script, code));
        assert_int_equal(c->got[1].len + c->got[2].len, 0);
        puppet_child_fini(c);
    }
}

static void raise_kills_by_that_very_signal(void **state)
{
    struct puppet_child *c = *state;
    static const struct {
        const char *name;
        int signo;
    } rows[] = { { "SEGV", SIGSEGV },    { "sigterm", SIGTERM }, { "KILL", SIGKILL }, { "PIPE", SIGPIPE },
                 { "SIGABRT", SIGABRT }, { "Usr1", SIGUSR1 },    { "IO", SIGIO },     { "ALRM", SIGALRM } };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char script[64];
        snprintf(script, sizeof script, "[{\"raise\":\"%s\"},{\"exit\":1}]", rows[i].name);
        assert_true(puppet_child_steps(c, script));
        assert_true(puppet_child_finish(c));
        assert_killed_by(c, rows[i].signo);
        puppet_child_fini(c);
    }
    assert_true(puppet_child_steps(c, "[{\"raise\":\"RTMIN+3\"}]"));
    assert_true(puppet_child_finish(c));
    assert_killed_by(c, SIGRTMIN + 3);
}

static void raise_runs_the_handler_before_the_next_step(void **state)
{
    struct puppet_child *c = *state;
    assert_true(puppet_child_exits(c,
                                   "[{\"on\":\"RTMAX-1\",\"do\":[{\"out\":\"h\"}]},{\"raise\":\"RTMAX-1\"},"
                                   "{\"out\":\"n\"},{\"raise\":\"RTMAX-1\"}]",
                                   0));
    assert_output(c, 1, "hnh");
}

/* The core file's name is the machine's choice. */
static void remove_folder(const char *path)
{
    DIR *folder = opendir(path);
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
        unlinkat(dirfd(folder), entry->d_name, 0);
    closedir(folder);
    assert_int_equal(rmdir(path), 0);
}

static void core_dies_by_abort_whatever_was_installed(void **state)
{
    struct puppet_child *c = *state;
    char folder[] = "/tmp/standbox-puppet-XXXXXX";
    char *here = getcwd(NULL, 0);
    /* Where a core file may come to lie. */
    assert_non_null(mkdtemp(folder));
    assert_int_equal(chdir(folder), 0);
    assert_true(puppet_child_steps(c, "[{\"on\":\"ABRT\",\"do\":\"ignore\"},{\"core\":true}]"));
    assert_true(puppet_child_finish(c));
    assert_killed_by(c, SIGABRT);
    assert_int_equal(chdir(here), 0);
    remove_folder(folder);
    free(here);
}

static void the_surroundings_can_be_printed(void **state)
{
    struct puppet_child *c = *state;
    BUF_AUTO expected = BUF_INIT;
    char *here = getcwd(NULL, 0);
    setenv("PUPPET_TEST", "a value", 1);
    buf_printf(&expected, "a value\n%s\n[\"-x\",\"\\\"\",\"\"]\n", here);
    free(here);
    assert_true(puppet_child_start(c, (const char *const[]){ "--steps",
                                                             "[{\"env\":\"PUPPET_TEST\"},{\"env\":\"PUPPET_NONE\"},"
                                                             "{\"cwd\":true},{\"args\":true}]",
                                                             "--", "-x", "\"", "", NULL }));
    assert_true(puppet_child_finish(c));
    assert_output(c, 1, expected.data);
}

static void title_and_memory_show_in_proc(void **state)
{
    struct puppet_child *c = *state;
    char path[64], line[256], comm[32] = "";
    long resident_kb = 0;
    assert_true(puppet_child_steps(c, "[{\"title\":\"node server.js\"},{\"memory_mb\":64},{\"out\":\"on\"},"
                                      "{\"read\":\"eof\"}]"));
    assert_true(puppet_child_await(c, 1, "on"));
    snprintf(path, sizeof path, "/proc/%d/status", (int) c->pid);
    FILE *status = fopen(path, "r");
    assert_non_null(status);
    while (fgets(line, sizeof line, status) != NULL) {
        if (strncmp(line, "Name:\t", 6) == 0)
            snprintf(comm, sizeof comm, "%.*s", (int) strcspn(line + 6, "\n"), line + 6);
        if (strncmp(line, "VmRSS:", 6) == 0)
            resident_kb = strtol(line + 6, NULL, 10);
    }
    fclose(status);
    assert_string_equal(comm, "node server.js");
    assert_true(resident_kb >= 64 * 1024);
    assert_true(puppet_child_finish(c));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        T(both_streams_are_written_in_order),
        T(nul_bytes_come_through),
        T(chunk_splits_a_character_between_writes),
        T(chunk_is_the_size_of_each_write),
        T(a_rate_is_kept_and_scaled),
        T(a_hundred_megabytes_reach_a_slow_reader),
        T(every_period_is_repeated_right),
        T(broken_pipe_kills_as_it_does_any_program),
        T(broken_pipe_can_be_ignored_or_handled),
        T(close_ends_a_stream_and_nothing_takes_its_place),
        T(reads_take_exactly_what_they_say),
        T(a_long_line_is_echoed_whole),
        T(a_loop_until_eof_is_a_filter),
        T(expected_input_goes_on),
        T(unexpected_input_says_what_was_wrong),
        T(expected_input_that_ends_early_is_an_error),
        T(a_handler_runs_while_the_pipe_is_full),
        T(a_handler_runs_in_the_middle_of_a_line),
        T(a_handler_runs_in_sleep_and_hang_and_may_exit),
        T(a_signal_waits_while_its_handler_runs),
        T(term_can_be_ignored_and_taken_back),
        T(what_the_parent_ignored_has_its_default_action),
        T(every_exit_code_is_possible),
        T(raise_kills_by_that_very_signal),
        T(raise_runs_the_handler_before_the_next_step),
        T(core_dies_by_abort_whatever_was_installed),
        T(the_surroundings_can_be_printed),
        T(title_and_memory_show_in_proc),
    };
    puppet_child_adopt_orphans();
    return cmocka_run_group_tests_name("puppet", tests, NULL, NULL);
}
