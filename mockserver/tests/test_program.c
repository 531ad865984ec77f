/* The server as a program: what it prints, how it ends.  Runs the one that STANDBOX_SERVER names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <cjson/cJSON.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"

#define DEADLINE_MS 30000
#define FEW "--max-streams=40"   /* each is a thread, and sanitizers make threads slow to start */

struct program {
    pid_t pid;
    int out, err;   /* its stdout and stderr; -1 once closed */
};

static const char *server_path(void)
{
    const char *path = getenv("STANDBOX_SERVER");
    if (path == NULL)
        fail_msg("STANDBOX_SERVER is not set");
    return path;
}

static void run(struct program *out, const char *const *options, char *const *env)
{
    static char name[] = "standbox-mockserver";
    char *argv[12] = { name };
    size_t argc = 1;
    for (; *options != NULL; options++) {
        assert_true(argc < sizeof argv / sizeof *argv - 1);
        argv[argc++] = (char *) (uintptr_t) *options;
    }
    int outs[2], errs[2];
    assert_int_equal(pipe2(outs, O_CLOEXEC), 0);
    assert_int_equal(pipe2(errs, O_CLOEXEC), 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, outs[1], 1);
    posix_spawn_file_actions_adddup2(&actions, errs[1], 2);
    assert_int_equal(posix_spawn(&out->pid, server_path(), &actions, NULL, argv, env), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(outs[1]);
    close(errs[1]);
    out->out = outs[0];
    out->err = errs[0];
}

/* Read into `text` until a line ends (or, unless `line`, the stream). */
static void read_text(int fd, struct buf *text, bool line)
{
    int64_t end = mono_ns() / 1000000 + DEADLINE_MS;
    for (;;) {
        int64_t left = end - mono_ns() / 1000000;
        struct pollfd p = { .fd = fd, .events = POLLIN };
        if (left <= 0 || poll(&p, 1, (int) left) <= 0)
            fail_msg("nothing more within the deadline behind \"%s\"", buf_cstr(text));
        char chunk[4096];
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n <= 0)
            return;
        buf_add(text, chunk, (size_t) n);
        if (line && chunk[n - 1] == '\n')
            return;
    }
}

static int wait_status(struct program *program)
{
    int status = 0;
    for (int64_t end = mono_ns() / 1000000 + DEADLINE_MS; waitpid(program->pid, &status, WNOHANG) == 0;) {
        if (mono_ns() / 1000000 > end) {
            kill(program->pid, SIGKILL);
            waitpid(program->pid, &status, 0);
            fail_msg("did not end within the deadline");
        }
        poll(NULL, 0, 5);
    }
    return status;
}

/* Both streams to their ends, then the exit code. */
static int finish(struct program *program, struct buf *out, struct buf *err)
{
    if (program->out >= 0) {
        read_text(program->out, out, false);
        close(program->out);
    }
    read_text(program->err, err, false);
    close(program->err);
    int status = wait_status(program);
    if (!WIFEXITED(status))
        fail_msg("died of signal %d; said \"%s\"", WTERMSIG(status), buf_cstr(err));
    return WEXITSTATUS(status);
}

/* Exit code 0; else what it said is shown. */
static void assert_ends_well(struct program *program)
{
    BUF_AUTO text = BUF_INIT;
    int code = finish(program, &text, &text);
    if (code != 0)
        fail_msg("exit code %d; said \"%s\"", code, buf_cstr(&text));
}

static struct cJSON *parse(const struct buf *text)
{
    struct err err = ERR_INIT;
    struct cJSON *json = json_parse(buf_cstr(text), text->len, &err);
    if (json == NULL)
        fail_msg("%s in \"%s\"", err.text, buf_cstr(text));
    return json;
}

static void must_print(const char *const *options, int code, const char *on_out, const char *on_err)
{
    struct program program;
    BUF_AUTO out = BUF_INIT;
    BUF_AUTO err = BUF_INIT;
    run(&program, options, environ);
    int found = finish(&program, &out, &err);
    if (found != code)
        fail_msg("%s: exit code %d, \"%s\"", options[0], found, buf_cstr(&err));
    if (strstr(buf_cstr(&out), on_out) == NULL || strstr(buf_cstr(&err), on_err) == NULL)
        fail_msg("%s: stdout \"%s\", stderr \"%s\"", options[0], buf_cstr(&out), buf_cstr(&err));
}

static void questions_are_answered_on_stdout(void **state)
{
    (void) state;
    must_print((const char *[]) { "--version", NULL }, 0, "standbox-mockserver 0.", "");
    must_print((const char *[]) { "--help", NULL }, 0, "usage: standbox-mockserver", "");
}

static void wrong_use_is_exit_code_2_with_a_reason_on_stderr(void **state)
{
    (void) state;
    must_print((const char *[]) { "--htpp", "x", NULL }, 2, "", "--htpp; did you mean --http?");
    must_print((const char *[]) { "--grpc=0.0.0.0:0", NULL }, 2, "", "--allow-remote");
    must_print((const char *[]) { "--http", "0.0.0.0:0", NULL }, 2, "", "--allow-remote");
}

static void what_cannot_start_is_exit_code_1_with_a_reason(void **state)
{
    (void) state;
    must_print((const char *[]) { "--isolation=none", "--state-dir=/no/such/folder", NULL }, 1, "",
               "/no/such/folder");
}

/* ---- scenario files --------------------------------------------------------------------- */

static char *write_file(const char *name, const char *text)
{
    const char *tmp = getenv("TMPDIR");
    char *path = NULL;
    assert_true(asprintf(&path, "%s/standbox-%d-%s", tmp == NULL ? "/tmp" : tmp, (int) getpid(), name) > 0);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
    return path;
}

static void remove_file(char *path)
{
    unlink(path);
    free(path);
}

static const char never_fires[] = "{ \"standbox\": 1, \"name\": \"never\",\n"
                                  "  \"why\": \"nobody asks for it\",\n"
                                  "  \"faults\": [ { \"when\": { \"op\": \"process.kill\" },"
                                  " \"reply\": { \"pretend\": \"success\" } } ] }\n";

static void a_broken_scenario_is_exit_code_2_with_its_place(void **state)
{
    (void) state;
    char *path = write_file("broken.json", "{ \"standbox\": 1, \"name\": \"x\", \"why\": \"y\",\n  \"fualts\": [] }\n");
    must_print((const char *[]) { "--isolation=none", "--scenario", path, NULL }, 2, "", "broken.json:2:3: ");
    must_print((const char *[]) { "--check", "--scenario", path, NULL }, 2, "", "did you mean \"faults\"?");
    must_print((const char *[]) { "--check", "--scenario=/no/such/file", NULL }, 2, "", "/no/such/file: No such file");
    must_print((const char *[]) { "--check", NULL }, 2, "", "nothing to check");
    remove_file(path);
}

static void puppets_steps_are_checked_when_the_scenario_is(void **state)
{
    (void) state;
    char *path = write_file("steps.json", "{ \"standbox\": 1, \"name\": \"x\", \"why\": \"y\",\n"
                                          "  \"processes\": [ { \"when\": {},\n"
                                          "    \"run\": { \"puppet\": [ { \"out\": \"a\" },\n"
                                          "      { \"uot\": 1 } ] } } ] }\n");
    must_print((const char *[]) { "--check", "--scenario", path, NULL }, 2, "", "steps.json:4:");
    remove_file(path);
}

static void settings_are_checked_by_their_vendor(void **state)
{
    (void) state;
    static const struct { const char *settings, *why; } rows[] = {
        { "{ \"hyperbrowser\": { \"token_lifetme_ms\": 1 } }",
          ":2:35: /settings/hyperbrowser/token_lifetme_ms: hyperbrowser has no setting \"token_lifetme_ms\": did you mean "
          "\"token_lifetime_ms\"?" },
        { "{ \"hyperbrowser\": { \"shell\": \"/bin/sh\" } }", "/shell: hyperbrowser looks at this setting when the server starts" },
        { "{ \"coreweave\": { \"page_size\": 0 } }", "page_size must not be 0" },
        { "{ \"coreweave\": { \"stopped_state\": \"gone\" } }", "must be one of" },
        { "{ \"hyperbrowser\": { \"region\": 5 } }", "/region: must be a string, not a number" },
        { "{ \"hyperbrowser\": { \"token_lifetime_ms\": -5 } }", "the value must be a whole number, not below 0" },
        { "{ \"hyperbrowser\": { \"host_suffix\": \".example\" } }", "must be empty or end in \".sbx.test\"" },
        { "{ \"modal\": { \"x\": 1 } }", "/settings/modal: modal is not built into this server" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[400];
        snprintf(text, sizeof text, "{ \"standbox\": 1, \"name\": \"s\", \"why\": \"a test\",\n  \"settings\": %s }", rows[i].settings);
        char *file = write_file("settings.json", text);
        must_print((const char *[]) { "--check", "--scenario", file, NULL }, 2, "", rows[i].why);
        remove_file(file);
    }
}

static void check_names_every_good_file(void **state)
{
    (void) state;
    char *path = write_file("good.json", never_fires);
    must_print((const char *[]) { "--check", "--scenario", path, NULL }, 0, "good.json: ok: never", "");
    must_print((const char *[]) { "--check", "--scenario", path, "--scenario", path, NULL }, 2, "",
               "is also the name of");
    remove_file(path);
}

/* The reason is given in both cases; only --strict makes it a failure. */
static void what_did_not_fire_is_said_and_fails_a_strict_run(void **state)
{
    (void) state;
    char *path = write_file("never.json", never_fires);
    for (int strict = 0; strict < 2; strict++) {
        struct program program;
        BUF_AUTO line = BUF_INIT;
        BUF_AUTO out = BUF_INIT;
        BUF_AUTO err = BUF_INIT;
        run(&program, (const char *[]) { "--http=127.0.0.1:0", "--isolation=none", FEW, "--scenario", path,
            strict ? "--strict" : NULL, NULL }, environ);
        read_text(program.out, &line, true);
        kill(program.pid, SIGTERM);
        assert_int_equal(finish(&program, &out, &err), strict ? 3 : 0);
        assert_non_null(strstr(buf_cstr(&err), "/faults/0"));
        assert_non_null(strstr(buf_cstr(&err), "seed "));
    }
    remove_file(path);
}

static void print_config_is_json_and_keeps_secrets(void **state)
{
    (void) state;
    static const char *const options[] = { "--print-config", "--isolation=none", "--api-key=hushhush",
                                           "--admin-token=hushhush", "--http=[::1]:0", NULL };
    struct program program;
    BUF_AUTO out = BUF_INIT;
    BUF_AUTO err = BUF_INIT;
    BUF_AUTO value = BUF_INIT;
    run(&program, options, environ);
    assert_int_equal(finish(&program, &out, &err), 0);
    assert_null(strstr(buf_cstr(&out), "hushhush"));
    struct cJSON *json = parse(&out);
    assert_int_equal(json_get_text(json, "http", &value, NULL, NULL), 0);
    assert_string_equal(buf_cstr(&value), "[::1]:0");
    assert_int_equal(json_get_text(json, "isolation", &value, NULL, NULL), 0);
    assert_string_equal(buf_cstr(&value), "none");
    const struct cJSON *settings = json_get(json_get(json, "settings"), "hyperbrowser");
    assert_true(cJSON_GetArraySize(settings) > 10);
    json_free(json);
}

static const char *const plain[] = { "--http=127.0.0.1:0", "--isolation=none", FEW, NULL };

static struct cJSON *start_server(struct program *program, const char *const *options, char *const *env)
{
    BUF_AUTO line = BUF_INIT;
    run(program, options, env);
    read_text(program->out, &line, true);
    if (line.len == 0)
        read_text(program->err, &line, false);
    return parse(&line);
}

/* The order and the set of members are promised, too. */
static void the_ready_line_has_its_contract_form(void **state)
{
    (void) state;
    static const char *const names[] = { "standbox", "http", "grpc", "admin", "admin_token", "pid" };
    struct program program;
    struct cJSON *ready = start_server(&program, plain, environ);
    size_t i = 0;
    for (const struct cJSON *item = ready->child; item != NULL; item = item->next, i++) {
        assert_true(i < sizeof names / sizeof *names);
        assert_string_equal(item->string, names[i]);
    }
    assert_int_equal(i, sizeof names / sizeof *names);
    BUF_AUTO admin = BUF_INIT;
    const char *http = cJSON_GetObjectItem(ready, "http")->valuestring;
    assert_int_equal(strncmp(http, "http://127.0.0.1:", 17), 0);
    assert_true(strtol(http + 17, NULL, 10) > 0);
    buf_printf(&admin, "%s/__admin", http);
    assert_string_equal(cJSON_GetObjectItem(ready, "admin")->valuestring, buf_cstr(&admin));
    assert_string_equal(cJSON_GetObjectItem(ready, "standbox")->valuestring, "1.0");
    const char *grpc = cJSON_GetObjectItem(ready, "grpc")->valuestring;
    assert_int_equal(strncmp(grpc, "http://127.0.0.1:", 17), 0);
    assert_true(strtol(grpc + 17, NULL, 10) > 0);
    assert_string_not_equal(grpc, http);
    assert_int_equal(strlen(cJSON_GetObjectItem(ready, "admin_token")->valuestring), 32);
    assert_int_equal(cJSON_GetObjectItem(ready, "pid")->valueint, program.pid);
    BUF_AUTO out = BUF_INIT;
    BUF_AUTO err = BUF_INIT;
    kill(program.pid, SIGTERM);
    assert_int_equal(finish(&program, &out, &err), 0);
    assert_int_equal(out.len, 0);   /* nothing else on stdout */
    assert_non_null(strstr(buf_cstr(&err), http));
    json_free(ready);
}

static void the_token_of_the_environment_is_taken(void **state)
{
    (void) state;
    char token[] = "STANDBOX_ADMIN_TOKEN=from-the-environment";
    char *env[] = { token, NULL };
    struct program program;
    struct cJSON *ready = start_server(&program, plain, env);
    assert_string_equal(cJSON_GetObjectItem(ready, "admin_token")->valuestring, "from-the-environment");
    json_free(ready);
    kill(program.pid, SIGTERM);
    assert_ends_well(&program);
}

static void every_ending_signal_ends_it_cleanly(void **state)
{
    (void) state;
    static const int signals[] = { SIGTERM, SIGINT, SIGHUP };
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        struct program program;
        json_free(start_server(&program, plain, environ));
        kill(program.pid, signals[i]);
        assert_ends_well(&program);
    }
}

static void an_ignored_hangup_stays_ignored(void **state)
{
    (void) state;
    struct program program;
    signal(SIGHUP, SIG_IGN);   /* inherited, as from nohup */
    json_free(start_server(&program, plain, environ));
    signal(SIGHUP, SIG_DFL);
    /* Both are pending when it goes on.  A HUP that counts comes first, and the TERM is then the second call
       to end, which is exit code 1. */
    kill(program.pid, SIGSTOP);
    kill(program.pid, SIGHUP);
    kill(program.pid, SIGTERM);
    kill(program.pid, SIGCONT);
    assert_ends_well(&program);
}

static void a_reader_that_goes_away_does_not_end_it(void **state)
{
    (void) state;
    struct program program;
    run(&program, plain, environ);
    close(program.out);
    program.out = -1;
    BUF_AUTO text = BUF_INIT;
    read_text(program.err, &text, true);
    kill(program.pid, SIGTERM);
    assert_ends_well(&program);
}

static size_t count_entries(const char *folder)
{
    size_t count = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (struct dirent *e; (e = readdir(dir)) != NULL;)
        count += e->d_name[0] != '.';
    closedir(dir);
    return count;
}

static void the_state_folder_is_gone_afterwards(void **state)
{
    (void) state;
    char folder[] = "/tmp/standbox-test-XXXXXX";
    assert_non_null(mkdtemp(folder));
    const char *const options[] = { "--http=127.0.0.1:0", "--isolation=none", FEW, "--state-dir", folder, NULL };
    struct program program;
    json_free(start_server(&program, options, environ));
    assert_int_equal(count_entries(folder), 1);
    kill(program.pid, SIGTERM);
    assert_ends_well(&program);
    if (rmdir(folder) != 0)
        fail_msg("left something in %s: %s", folder, strerror(errno));
}

/* ThreadSanitizer has one that is there before main is. */
#ifdef __SANITIZE_THREAD__
#define FOREIGN_THREADS 1
#else
#define FOREIGN_THREADS 0
#endif

/* The ones of libraries, too. */
static void every_thread_is_in_the_background(void **state)
{
    (void) state;
    struct program program;
    json_free(start_server(&program, plain, environ));
    char folder[64];
    snprintf(folder, sizeof folder, "/proc/%d/task", (int) program.pid);
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    size_t ours = 0, others = 0;
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        int policy = e->d_name[0] == '.' ? -1 : sched_getscheduler((pid_t) strtol(e->d_name, NULL, 10));
        ours += policy == SCHED_BATCH;
        others += policy >= 0 && policy != SCHED_BATCH;
    }
    closedir(dir);
    assert_true(ours > 2);
    assert_true(others <= FOREIGN_THREADS);
    kill(program.pid, SIGTERM);
    assert_ends_well(&program);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(questions_are_answered_on_stdout),
        cmocka_unit_test(wrong_use_is_exit_code_2_with_a_reason_on_stderr),
        cmocka_unit_test(a_broken_scenario_is_exit_code_2_with_its_place),
        cmocka_unit_test(puppets_steps_are_checked_when_the_scenario_is),
        cmocka_unit_test(settings_are_checked_by_their_vendor),
        cmocka_unit_test(check_names_every_good_file),
        cmocka_unit_test(what_did_not_fire_is_said_and_fails_a_strict_run),
        cmocka_unit_test(what_cannot_start_is_exit_code_1_with_a_reason),
        cmocka_unit_test(print_config_is_json_and_keeps_secrets),
        cmocka_unit_test(the_ready_line_has_its_contract_form),
        cmocka_unit_test(the_token_of_the_environment_is_taken),
        cmocka_unit_test(every_ending_signal_ends_it_cleanly),
        cmocka_unit_test(an_ignored_hangup_stays_ignored),
        cmocka_unit_test(a_reader_that_goes_away_does_not_end_it),
        cmocka_unit_test(the_state_folder_is_gone_afterwards),
        cmocka_unit_test(every_thread_is_in_the_background),
    };
    return cmocka_run_group_tests_name("program", tests, NULL, NULL);
}
