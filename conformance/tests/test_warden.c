/* The warden as a program, and the child that it keeps. */
#include "tests/link_support.h"

#include "link/lines.h"

static void start_shell(struct child *child, const char *script, int64_t grace_ms)
{
    const char *const argv[] = { "sh", "-c", script, NULL };
    struct child_options options = { .argv = argv, .warden = warden_path(), .grace_ms = grace_ms };
    struct err err = ERR_INIT;
    if (child_start(child, &options, PLENTY_MS, &err) < 0)
        fail_msg("%s", err.text);
}

static int64_t plenty(void)
{
    return mono_ns() + (int64_t) PLENTY_MS * NS_IN_MS;
}

static void it_is_no_program_for_people(void **state)
{
    (void) state;
    extern char **environ;
    char program[1000], help[] = "--help", rule[] = "--", command[] = "true", flag[] = "--cwd";
    snprintf(program, sizeof program, "%s", warden_path());
    char *rows[][5] = { { program, help, NULL },           { program, NULL },       { program, flag, NULL },
                        { program, rule, command, NULL },  { program, rule, NULL } };
    static const int codes[] = { 0, 2, 2, 2, 2 };
    posix_spawn_file_actions_t quiet;
    posix_spawn_file_actions_init(&quiet);
    posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&quiet, 2, "/dev/null", O_WRONLY, 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        pid_t pid;
        int status;
        assert_int_equal(posix_spawn(&pid, program, &quiet, NULL, rows[i], environ), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), codes[i]);
    }
    posix_spawn_file_actions_destroy(&quiet);
}

static void every_end_is_told_as_wait_gives_it(void **state)
{
    (void) state;
    static const struct {
        const char *script, *text;
    } rows[] = {
        { "exit 0", "exit 0" },
        { "exit 255", "exit 255" },
        { "kill -KILL $$", "signal 9 (SIGKILL)" },
        { "kill -TERM $$", "signal 15 (SIGTERM)" },
        { "ulimit -c 0; kill -ABRT $$", "signal 6 (SIGABRT)" },
        { "exec nosuchprogram 2>/dev/null", "exit 127" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct child child;
        char text[48];
        start_shell(&child, rows[i].script, 0);
        assert_true(child_await_end(&child, plenty()));
        assert_true(child.ended);
        child_end_text(child.wait_status, text);
        assert_string_equal(text, rows[i].text);
        assert_true(child_await_gone(&child, plenty()));
        assert_int_equal(child.left, 0);
        child_fini(&child);
        child_fini(&child); /* twice is fine */
    }
}

static void a_signal_reaches_the_command_alone(void **state)
{
    (void) state;
    struct child child;
    char text[48];
    start_shell(&child, "trap 'exit 7' TERM; echo ready; while :; do sleep 60 & wait; done", 0);
    struct pollfd fd = { .fd = child.out, .events = POLLIN };
    assert_int_equal(poll(&fd, 1, PLENTY_MS), 1);
    child_signal(&child, SIGTERM);
    assert_true(child_await_end(&child, plenty()));
    child_end_text(child.wait_status, text);
    assert_string_equal(text, "exit 7");
    child_signal(&child, SIGTERM); /* of nobody: ignored */
    child_fini(&child);
}

static void what_cannot_start_is_an_error_with_nothing_left(void **state)
{
    (void) state;
    struct err err = ERR_INIT;
    const char *const none[] = { "/nowhere/at/all", NULL };
    const char *const folder[] = { "/tmp", NULL }, *const sh[] = { "sh", NULL };
    struct child child;
    struct child_options options = { .argv = none, .warden = warden_path() };
    assert_int_equal(child_start(&child, &options, PLENTY_MS, &err), -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    options.argv = folder;
    assert_int_equal(child_start(&child, &options, PLENTY_MS, &err), -1);
    assert_int_equal(err.code, ERR_IO);
    options.argv = sh;
    options.cwd = "/nowhere";
    assert_int_equal(child_start(&child, &options, PLENTY_MS, &err), -1);
    options.cwd = NULL;
    options.warden = "/nowhere/warden";
    assert_int_equal(child_start(&child, &options, PLENTY_MS, &err), -1);
    assert_non_null(strstr(err.text, "/nowhere/warden"));
}

static void a_killed_warden_is_noticed_and_its_command_dies(void **state)
{
    (void) state;
    struct vigil vigil;
    struct child child;
    char script[200];
    vigil_open(&vigil);
    snprintf(script, sizeof script, "exec 9>%s; echo up >&9; while :; do sleep 60; done", vigil.path);
    start_shell(&child, script, 0);
    vigil_until_up(&vigil, 1);
    assert_int_equal(kill(child.warden, SIGKILL), 0);
    assert_true(child_await_gone(&child, plenty()));
    assert_true(child.lost);
    child_fini(&child);
    vigil_until_dead(&vigil);
    vigil_close(&vigil);
}

/* What the terminal's keys send must not take the warden away from what it guards. */
static void usual_signals_do_not_end_a_warden(void **state)
{
    (void) state;
    static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGUSR1 };
    struct child child;
    char text[48];
    start_shell(&child, "read line; exit 4", 0);
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
        assert_int_equal(kill(child.warden, signals[i]), 0);
    assert_int_equal(child_write(&child, "go\n", 3), 3);
    assert_true(child_await_end(&child, plenty()));
    child_end_text(child.wait_status, text);
    assert_string_equal(text, "exit 4");
    child_fini(&child);
}

static void a_grace_is_given_when_the_owner_goes(void **state)
{
    (void) state;
    struct vigil vigil;
    struct child child;
    char script[300], text[100] = "";
    vigil_open(&vigil);
    snprintf(script, sizeof script,
             "exec 9>%s; trap 'echo tidied >&9; exit 0' TERM; echo up >&9; while :; do sleep 60 & wait; done",
             vigil.path);
    start_shell(&child, script, PLENTY_MS);
    vigil_until_up(&vigil, 1);
    close(child.control); /* as our death would do it */
    child.control = -1;
    assert_true(vigil_wait(&vigil, plenty()));
    assert_true(read(vigil.fd, text, sizeof text - 1) > 0);
    assert_string_equal(text, "tidied\n");
    vigil_until_dead(&vigil);
    assert_int_equal(waitpid(child.warden, NULL, 0), child.warden);
    child.warden = 0;
    child_fini(&child);
    vigil_close(&vigil);
}

static void its_parts_are_found_by_variable_or_beside_us(void **state)
{
    (void) state;
    BUF_AUTO path = BUF_INIT;
    struct err err = ERR_INIT;
    assert_int_equal(child_find_program("standbox-nothing", "STANDBOX_NOT_SET", &path, &err), -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_non_null(strstr(err.text, "set STANDBOX_NOT_SET"));
    setenv("STANDBOX_NOT_SET", "/bin/sh", 1);
    assert_int_equal(child_find_program("standbox-nothing", "STANDBOX_NOT_SET", &path, &err), 0);
    assert_string_equal(path.data, "/bin/sh");
    unsetenv("STANDBOX_NOT_SET");
}

/* ---- lines and tails ------------------------------------------------------------------- */

static void feed(struct lines *lines, const char *text)
{
    char *room = lines_room(lines, strlen(text));
    assert_non_null(room);
    memcpy(room, text, strlen(text));
    lines_added(lines, strlen(text));
}

static void bytes_become_lines(void **state)
{
    (void) state;
    struct lines lines = LINES_INIT(5);
    const char *line;
    size_t len;
    assert_int_equal(lines_next(&lines, &line, &len), LINES_NONE);
    feed(&lines, "on");
    assert_int_equal(lines_next(&lines, &line, &len), LINES_NONE);
    feed(&lines, "e\n\ntwo\nthr");
    assert_int_equal(lines_next(&lines, &line, &len), LINES_ONE);
    assert_memory_equal(line, "one", len);
    assert_int_equal(lines_next(&lines, &line, &len), LINES_ONE);
    assert_int_equal(len, 0);
    assert_int_equal(lines_next(&lines, &line, &len), LINES_ONE);
    assert_memory_equal(line, "two", len);
    assert_int_equal(lines_next(&lines, &line, &len), LINES_NONE);
    lines_rest(&lines, &line, &len);
    assert_memory_equal(line, "thr", len);
    feed(&lines, "ee\n");
    assert_int_equal(lines_next(&lines, &line, &len), LINES_ONE);
    assert_int_equal(len, 5);
    feed(&lines, "123456");
    assert_int_equal(lines_next(&lines, &line, &len), LINES_TOO_LONG);
    feed(&lines, "\n");
    assert_int_equal(lines_next(&lines, &line, &len), LINES_TOO_LONG);
    lines_fini(&lines);
}

static void a_tail_keeps_the_last_bytes(void **state)
{
    (void) state;
    static struct tail tail;
    BUF_AUTO text = BUF_INIT, all = BUF_INIT;
    for (int i = 0; i < 3000; i++) {
        char line[20];
        snprintf(line, sizeof line, "%d\n", i);
        tail_add(&tail, line, strlen(line));
        buf_str(&all, line);
    }
    tail_text(&tail, &text);
    assert_int_equal(text.len, TAIL_BYTES);
    assert_memory_equal(text.data, all.data + all.len - TAIL_BYTES, TAIL_BYTES);
    tail_add(&tail, all.data, all.len); /* more than it holds, at once */
    buf_clear(&text);
    tail_text(&tail, &text);
    assert_memory_equal(text.data, all.data + all.len - TAIL_BYTES, TAIL_BYTES);
    static struct tail bad;
    tail_add(&bad, "a\xC3\xA4\xFF\0b", 6);
    buf_clear(&text);
    tail_text(&bad, &text);
    assert_string_equal(text.data, "a\xC3\xA4\xEF\xBF\xBD\xEF\xBF\xBD" "b");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(it_is_no_program_for_people),
        leak_test(every_end_is_told_as_wait_gives_it),
        leak_test(a_signal_reaches_the_command_alone),
        leak_test(what_cannot_start_is_an_error_with_nothing_left),
        leak_test(a_killed_warden_is_noticed_and_its_command_dies),
        leak_test(usual_signals_do_not_end_a_warden),
        leak_test(a_grace_is_given_when_the_owner_goes),
        leak_test(its_parts_are_found_by_variable_or_beside_us),
        leak_test(bytes_become_lines),
        leak_test(a_tail_keeps_the_last_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
