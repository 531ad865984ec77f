/* What the puppet says about scripts and command lines before it does anything. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/puppet_child.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

static int setup(void **state)
{
    static struct puppet_child child;
    puppet_child_init(&child);
    *state = &child;
    return 0;
}

static int teardown(void **state)
{
    puppet_child_fini(*state);
    return 0;
}

/* Nothing may come out on stdout, and the complaint must be exactly this. */
static void assert_refused(struct puppet_child *c, const char *const *args, const char *complaint)
{
    BUF_AUTO line = BUF_INIT;
    buf_printf(&line, "standbox-puppet: %s\n", complaint);
    assert_true(puppet_child_start(c, args));
    assert_true(puppet_child_finish(c));
    assert_string_equal(buf_cstr(&c->got[2]), line.data);
    assert_string_equal(buf_cstr(&c->got[1]), "");
    assert_true(WIFEXITED(c->status));
    assert_int_equal(WEXITSTATUS(c->status), 2);
    puppet_child_fini(c);
}

static void wrong_scripts_are_refused_with_their_place(void **state)
{
    static const struct {
        const char *script, *complaint;
    } rows[] = {
        /* JSON */
        { "", "1:1: the text ends too early" },
        { "[{\"out\":\"a\"},\n  {\"out\":\"b\" \"c\"}]", "2:14: ',' or '}' should be here" },
        { "[{\"out\":\"a\"}] x", "1:15: text behind the end of the document" },
        { "[{\"out\":\"\xff\"}]", "1:10: not UTF-8" },
        /* shape */
        { "{\"out\":\"a\"}", " a script must be an array of steps" },
        { "[\"out\"]", " /0: a step must be an object" },
        { "[{}]", " /0: an empty step" },
        { "[{\"out\":\"a\"},{\"slep_ms\":1}]", " /1/slep_ms: no such step; did you mean \"sleep_ms\"?" },
        { "[{\"xyzzy\":1}]", " /0/xyzzy: no such step" },
        { "[{\"echo\":true}]", " /0/echo: no such step" },
        { "[{\"a/b~c\":1}]", " /0/a~1b~0c: no such step" },
        { "[{\"out\":\"a\",\"err\":\"b\"}]", " /0/err: a step does one thing, and this one does \"out\" already" },
        { "[{\"out\":\"a\",\"out\":\"b\"}]", " /0/out: is there twice" },
        { "[{\"out\":\"a\",\"echo\":true}]", " /0/echo: unknown key" },
        { "[{\"read\":\"eof\",\"ecoh\":true}]", " /0/ecoh: unknown key; did you mean \"echo\"?" },
        { "[{\"read\":\"eof\",\"echo\":true,\"echo\":true}]", " /0/echo: is there twice" },
        /* output */
        { "[{\"out\":1}]", " /0/out: must be a string or an object" },
        { "[{\"out\":null}]", " /0/out: must be a string or an object" },
        { "[{\"err\":{}}]", " /0/err: needs \"text\" or \"base64\"" },
        { "[{\"out\":{\"txt\":\"a\"}}]", " /0/out/txt: unknown key; did you mean \"text\"?" },
        { "[{\"out\":{\"text\":\"a\",\"base64\":\"YQ==\"}}]",
          " /0/out/base64: either \"text\" or \"base64\", not both" },
        { "[{\"out\":{\"base64\":\"YQ=\"}}]", " /0/out/base64: not base64" },
        { "[{\"out\":{\"base64\":7}}]", " /0/out/base64: must be a string" },
        { "[{\"out\":{\"text\":\"a\",\"repeat\":0}}]", " /0/out/repeat: must be from 1 to 1000000000" },
        { "[{\"out\":{\"text\":\"a\",\"rate\":1.5}}]", " /0/out/rate: must be a whole number" },
        { "[{\"out\":{\"text\":\"a\",\"chunk\":\"1\"}}]", " /0/out/chunk: must be a whole number" },
        /* numbers and flags */
        { "[{\"sleep_ms\":-1}]", " /0/sleep_ms: must be from 0 to 604800000" },
        { "[{\"sleep_ms\":1e300}]", " /0/sleep_ms: must be from 0 to 604800000" },
        { "[{\"exit\":256}]", " /0/exit: must be from 0 to 255" },
        { "[{\"exit\":true}]", " /0/exit: must be a whole number" },
        { "[{\"hang\":false}]", " /0/hang: must be true" },
        { "[{\"wait\":1}]", " /0/wait: must be true" },
        { "[{\"memory_mb\":0}]", " /0/memory_mb: must be from 1 to 65536" },
        { "[{\"title\":\"sixteen letters!\"}]", " /0/title: must be at most 15 bytes" },
        { "[{\"env\":\"\"}]", " /0/env: must not be empty" },
        { "[{\"barrier\":\"a\\u0000b\"}]", " /0/barrier: must not hold a NUL character" },
        /* input */
        { "[{\"read\":\"lines\"}]", " /0/read: must be \"line\" or \"eof\", not \"lines\"" },
        { "[{\"read\":3}]", " /0/read: must be \"line\", \"eof\" or {\"bytes\": N}" },
        { "[{\"read\":{}}]", " /0/read/bytes: must be a whole number" },
        { "[{\"expect\":\"\"}]", " /0/expect: must not be empty" },
        { "[{\"close\":\"stdfoo\"}]", " /0/close: must be \"stdin\", \"stdout\" or \"stderr\", not \"stdfoo\"" },
        /* signals */
        { "[{\"on\":\"TREM\",\"do\":\"ignore\"}]", " /0/on: unknown signal \"TREM\"; did you mean \"TERM\"?" },
        { "[{\"raise\":\"SIGSEGC\"}]", " /0/raise: unknown signal \"SIGSEGC\"; did you mean \"SEGV\"?" },
        { "[{\"raise\":\"RTMIN+99\"}]", " /0/raise: unknown signal \"RTMIN+99\"" },
        { "[{\"raise\":15}]", " /0/raise: must be a string" },
        { "[{\"on\":\"KILL\",\"do\":\"ignore\"}]", " /0/on: nobody can catch or ignore KILL" },
        { "[{\"on\":\"SIGSTOP\",\"do\":\"default\"}]", " /0/on: nobody can catch or ignore STOP" },
        { "[{\"on\":\"TERM\"}]", " /0: \"on\" needs \"do\"" },
        { "[{\"on\":\"TERM\",\"do\":\"nothing\"}]", " /0/do: must be \"ignore\" or \"default\", not \"nothing\"" },
        { "[{\"on\":\"TERM\",\"do\":[]}]", " /0/do: must hold a step at least" },
        { "[{\"on\":\"TERM\",\"do\":[{\"exit\":0},{\"exti\":1}]}]",
          " /0/do/1/exti: no such step; did you mean \"exit\"?" },
        /* steps inside steps */
        { "[{\"fork\":{}}]", " /0/fork: must be an array of steps" },
        { "[{\"fork\":[{\"hang\":true}],\"keeps\":[\"stdout\",\"stdout\"]}]", " /0/keeps/1: is there twice" },
        { "[{\"fork\":[{\"hang\":true}],\"keeps\":\"stdout\"}]",
          " /0/keeps: must be an array of \"stdin\", \"stdout\", \"stderr\"" },
        { "[{\"fork\":[{\"fork\":[{\"exit\":-1}]}]}]", " /0/fork/0/fork/0/exit: must be from 0 to 255" },
        { "[{\"loop\":{\"do\":[{\"exit\":0}]}}]", " /0/loop/times: must be a whole number, \"forever\" or \"eof\"" },
        { "[{\"loop\":{\"times\":2}}]", " /0/loop/do: must be an array of steps" },
        { "[{\"loop\":{\"times\":\"ever\",\"do\":[{\"exit\":0}]}}]",
          " /0/loop/times: must be \"forever\" or \"eof\", not \"ever\"" },
        { "[{\"loop\":{\"times\":\"eof\",\"do\":[{\"out\":\"a\"}]}}]", " /0/loop/times: nothing in the loop reads" },
        /* listening */
        { "[{\"listen\":65536}]", " /0/listen: must be from 0 to 65535" },
        { "[{\"listen\":0,\"host\":\"localhost\"}]", " /0/host: must be an IPv4 address such as 127.0.0.1" },
        { "[{\"listen\":0,\"http\":{},\"echo\":true}]", " /0/echo: either \"http\" or \"echo\", not both" },
        { "[{\"listen\":0,\"http\":{\"health\":200}}]", " /0/http/health: a path begins with \"/\"" },
        { "[{\"listen\":0,\"http\":{\"/health\":99}}]", " /0/http/~1health: must be from 200 to 599" },
        { "[{\"listen\":0,\"http\":{\"/\":{\"status\":204,\"body\":\"x\"}}}]", " /0/http/~1: status 204 has no body" },
        { "[{\"listen\":0,\"http\":{\"/\":{\"type\":\"a\\r\\nb\"}}}]", " /0/http/~1/type: must be printable ASCII" },
        { "[{\"listen\":0,\"http\":{\"/\":200,\"/\":200}}]", " /0/http/~1: is there twice" },
        { "[{\"listen\":3000},{\"fork\":[{\"unlisten\":3001}]}]", " /1/fork/0/unlisten: no step listens on 3001" },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        char complaint[512];
        snprintf(complaint, sizeof complaint, "--steps:%s", rows[i].complaint);
        assert_refused(*state, (const char *const[]){ "--validate", "--steps", rows[i].script, NULL }, complaint);
    }
}

static void nothing_runs_when_a_later_step_is_wrong(void **state)
{
    assert_refused(*state, (const char *const[]){ "--steps", "[{\"out\":\"a\"},{\"exit\":300}]", NULL },
                   "--steps: /1/exit: must be from 0 to 255");
}

static void wrong_command_lines_are_refused(void **state)
{
    static const struct {
        const char *args[6], *complaint;
    } rows[] = {
        { { NULL }, "no script: FILE or --steps is needed (--help tells more)" },
        { { "--foo", "x" }, "--foo: unknown option (--help lists them)" },
        { { "--steps" }, "--steps: an option without its value (--help lists them)" },
        { { "--scale", "0", "x" }, "--scale: \"0\" is not a number from 0.001 to 1000000" },
        { { "--scale=fast", "x" }, "--scale: \"fast\" is not a number from 0.001 to 1000000" },
        { { "--clock=real", "--clock=fake", "x" }, "--clock: \"fake\" is not real or manual" },
        { { "--clock=manual", "x" }, "--clock manual: needs --control, or nobody could move it" },
        { { "--control", "-1", "x" }, "--control: \"-1\" is not a file descriptor" },
        { { "--control=1", "x" }, "--control: 1 is a standard stream" },
        { { "--control=77", "--steps", "[]" }, "--control: 77 is no stream socket: Bad file descriptor" },
        { { "/there/is/none" }, "/there/is/none: cannot open: No such file or directory" },
        { { "--steps", "[{\"fork\":[{\"barrier\":\"b\"}]}]" },
          "--steps: /0/fork/0/barrier: needs --control, or nobody could lift it" },
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_refused(*state, rows[i].args, rows[i].complaint);
}

static void validate_runs_nothing(void **state)
{
    struct puppet_child *c = *state;
    assert_true(
        puppet_child_start(c, (const char *const[]){ "--validate", "--steps",
                                                     "[{\"barrier\":\"b\"},{\"out\":\"x\"},{\"exit\":7}]", NULL }));
    assert_true(puppet_child_finish(c));
    assert_int_equal(c->status, 0);
    assert_int_equal(c->got[1].len + c->got[2].len, 0);
}

static void help_and_version_are_told(void **state)
{
    struct puppet_child *c = *state;
    assert_true(puppet_child_start(c, (const char *const[]){ "--help", NULL }));
    assert_true(puppet_child_finish(c));
    assert_int_equal(c->status, 0);
    assert_non_null(strstr(c->got[1].data, "--validate"));
    puppet_child_fini(c);
    assert_true(puppet_child_start(c, (const char *const[]){ "--version", NULL }));
    assert_true(puppet_child_finish(c));
    assert_int_equal(c->status, 0);
    assert_int_equal(strncmp(c->got[1].data, "standbox-puppet ", 16), 0);
}

/* An anonymous file with this text, as a path. */
static int make_file(const struct buf *text, char path[64])
{
    int fd = memfd_create("script", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text->data, text->len), (ssize_t) text->len);
    snprintf(path, 64, "/proc/%d/fd/%d", (int) getpid(), fd);
    return fd;
}

static void a_script_of_a_megabyte_runs(void **state)
{
    struct puppet_child *c = *state;
    BUF_AUTO script = BUF_INIT;
    char path[64];
    buf_str(&script, "[\n");
    for (int i = 0; script.len < 1 << 20; i++)
        buf_printf(&script, "{\"out\":\"%d\\n\"},\n", i % 10);
    buf_str(&script, "{\"exit\":11}]\n");
    int fd = make_file(&script, path);
    assert_true(puppet_child_start(c, (const char *const[]){ path, "--not-an-option", NULL }));
    assert_true(puppet_child_finish(c));
    close(fd);
    assert_int_equal(WEXITSTATUS(c->status), 11);
    assert_true(c->got[1].len > 100000);
    assert_memory_equal(c->got[1].data, "0\n1\n2\n", 6);
}

static void an_error_in_a_file_names_file_line_and_column(void **state)
{
    BUF_AUTO script = BUF_INIT;
    char path[64], complaint[256];
    buf_str(&script, "[\n  {\"out\": \"a\"},\n  {\"out\": \"b\",}\n]\n");
    int fd = make_file(&script, path);
    snprintf(complaint, sizeof complaint, "%s:3:15: a member name in quotes should be here", path);
    assert_refused(*state, (const char *const[]){ path, NULL }, complaint);
    close(fd);
}

static void a_file_that_is_too_big_is_refused(void **state)
{
    BUF_AUTO script = BUF_INIT;
    char path[64], complaint[128];
    buf_str(&script, "[]");
    int fd = make_file(&script, path);
    assert_int_equal(ftruncate(fd, (16 << 20) + 1), 0);
    snprintf(complaint, sizeof complaint, "%s: more than 16777216 bytes", path);
    assert_refused(*state, (const char *const[]){ path, NULL }, complaint);
    close(fd);
}

/* `depth` loops around one output. */
static void nest(struct buf *script, int depth)
{
    buf_clear(script);
    buf_char(script, '[');
    for (int i = 0; i < depth; i++)
        buf_str(script, "{\"loop\":{\"times\":1,\"do\":[");
    buf_str(script, "{\"out\":\"deep\"}");
    for (int i = 0; i < depth; i++)
        buf_str(script, "]}}");
    buf_char(script, ']');
}

static void twenty_levels_run_and_more_are_refused(void **state)
{
    struct puppet_child *c = *state;
    BUF_AUTO script = BUF_INIT;
    nest(&script, 20);
    assert_true(puppet_child_exits(c, script.data, 0));
    assert_string_equal(buf_cstr(&c->got[1]), "deep");
    puppet_child_fini(c);
    nest(&script, 21);
    assert_refused(c, (const char *const[]){ "--steps", script.data, NULL },
                   "--steps:1:527: nested too deep (limit 64)");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        T(wrong_scripts_are_refused_with_their_place),
        T(nothing_runs_when_a_later_step_is_wrong),
        T(wrong_command_lines_are_refused),
        T(validate_runs_nothing),
        T(help_and_version_are_told),
        T(a_script_of_a_megabyte_runs),
        T(an_error_in_a_file_names_file_line_and_column),
        T(a_file_that_is_too_big_is_refused),
        T(twenty_levels_run_and_more_are_refused),
    };
    return cmocka_run_group_tests_name("puppet_script", tests, NULL, NULL);
}
