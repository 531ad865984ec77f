/* The server under the suite: started, attached to, watched, and gone with us. */
#include "tests/link_support.h"

#include "link/admin.h"
#include "link/host.h"
#include "link/jobs.h"

static const char *server_path(void)
{
    const char *path = getenv("STANDBOX_SERVER");
    if (path == NULL)
        fail_msg("STANDBOX_SERVER must name standbox-mockserver");
    return path;
}

/* Each stream is a thread of the server, and sanitizers make threads slow to start. */
static const char *const few[] = { "--max-streams", "40", NULL };

static struct host *start(const char *const *args)
{
    struct host_options options = { .server = server_path(), .args = args == NULL ? few : args,
                                    .warden = warden_path(), .ready_ms = PLENTY_MS };
    struct host *host = NULL;
    struct err err = ERR_INIT;
    if (host_start(&host, &options, &err) < 0)
        fail_msg("%s", err.text);
    return host;
}

static int ask_health(const char *url, const char *token, struct err *err)
{
    struct admin *admin = NULL;
    assert_int_equal(admin_open(&admin, url, token, err), 0);
    int result = admin_health(admin, err);
    admin_close(admin);
    return result;
}

static void a_started_server_answers_and_stops_by_itself(void **state)
{
    (void) state;
    char how[48];
    struct err err = ERR_INIT;
    struct host *host = start(NULL);
    assert_true(host_is_ours(host));
    assert_true(host_lives(host, NULL));
    assert_int_equal(strlen(host_token(host)), 32);
    assert_memory_equal(host_grpc(host), "http://127.0.0.1:", 17);
    assert_string_not_equal(host_grpc(host), host_url(host));
    assert_int_equal(ask_health(host_url(host), host_token(host), &err), 0);
    assert_int_equal(ask_health(host_url(host), "wrong", &err), -1);
    assert_int_equal(err.code, ERR_AUTH);
    assert_true(host_stop(host, how));
    assert_string_equal(how, "exit 0");
    assert_true(host_stop(NULL, how));
}

static void what_the_server_says_is_kept(void **state)
{
    (void) state;
    static const char *const args[] = { "--seed", "7", NULL };
    BUF_AUTO log = BUF_INIT;
    struct host *host = start(args);
    int64_t until_ns = mono_ns() + (int64_t) PLENTY_MS * NS_IN_MS;
    while (strstr(buf_cstr(&log), "STANDBOX") == NULL && strstr(buf_cstr(&log), "standbox") == NULL &&
           mono_ns() < until_ns) {
        poll(NULL, 0, 10); /* its words come after its ready line, if they do */
        buf_clear(&log);
        host_log(host, &log);
    }
    assert_true(log.len > 0);
    assert_true(host_stop(host, NULL));
}

static void a_server_that_does_not_start_says_why(void **state)
{
    (void) state;
    static const char *const bad[] = { "--no-such-option", NULL };
    static const struct {
        const char *server, *const *args, *text;
    } rows[] = { { NULL, bad, "the server ended before it was ready: exit 2; its stderr: " },
                 { "/nowhere/server", NULL, "start /nowhere/server: No such file" },
                 { "/bin/echo", NULL, "is no ready line: --http 127.0.0.1:0" } };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct host_options options = { .server = rows[i].server == NULL ? server_path() : rows[i].server,
                                        .args = rows[i].args, .warden = warden_path(), .ready_ms = PLENTY_MS };
        struct host *host = NULL;
        struct err err = ERR_INIT;
        assert_int_equal(host_start(&host, &options, &err), -1);
        if (strstr(err.text, rows[i].text) == NULL)
            fail_msg("\"%s\"", err.text);
    }
}

static void a_server_that_is_never_ready_is_given_up(void **state)
{
    (void) state;
    static const char *const args[] = { NULL };
    struct host_options options = { .server = "/bin/cat", .args = args, .warden = warden_path(), .ready_ms = 1000 };
    struct host *host = NULL;
    struct err err = ERR_INIT;
    char script[] = "/tmp/standbox-never-XXXXXX";
    int fd = mkostemp(script, O_CLOEXEC);
    assert_true(fd >= 0);
    static const char text[] = "#!/bin/sh\nwhile :; do sleep 60; done\n";
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t) strlen(text));
    assert_int_equal(fchmod(fd, 0700), 0);
    close(fd);
    options.server = script;
    assert_int_equal(host_start(&host, &options, &err), -1);
    assert_int_equal(err.code, ERR_TIMEOUT);
    unlink(script);
}

static void shut_down(const struct host *host)
{
    struct admin *admin = NULL;
    struct err err = ERR_INIT;
    struct admin_request request = { .method = "POST", .path = "/shutdown", .budget_ms = PLENTY_MS };
    assert_int_equal(admin_open(&admin, host_url(host), host_token(host), &err), 0);
    assert_int_equal(admin_call(admin, &request, NULL, &err), 0);
    admin_close(admin);
}

static void its_end_is_noticed(void **state)
{
    (void) state;
    char how[48] = "";
    struct host *host = start(NULL);
    int64_t until_ns = mono_ns() + (int64_t) PLENTY_MS * NS_IN_MS;
    shut_down(host);
    while (host_lives(host, how) && mono_ns() < until_ns)
        poll(NULL, 0, 5);
    assert_string_equal(how, "exit 0");
    assert_false(host_stop(host, how)); /* not because we stopped it */
    assert_string_equal(how, "exit 0");
}

static void one_that_is_there_can_be_attached_to(void **state)
{
    (void) state;
    struct err err = ERR_INIT;
    struct host *own = start(NULL), *host = NULL;
    char url[200];
    snprintf(url, sizeof url, "%s/", host_url(own));
    assert_int_equal(host_attach(&host, url, host_grpc(own), host_token(own), &err), 0);
    assert_string_equal(host_url(host), host_url(own));
    assert_string_equal(host_grpc(host), host_grpc(own));
    assert_false(host_is_ours(host));
    assert_true(host_lives(host, NULL));
    assert_true(host_stop(host, NULL));
    assert_int_equal(ask_health(host_url(own), host_token(own), &err), 0); /* it is not ours to stop */
    assert_int_equal(host_attach(&host, url, NULL, "wrong", &err), -1);
    assert_int_equal(err.code, ERR_AUTH);
    assert_true(host_stop(own, NULL));
    assert_int_equal(host_attach(&host, url, NULL, "any", &err), -1);
    assert_int_equal(err.code, ERR_IO);
    assert_int_equal(host_attach(&host, "localhost:1", NULL, "any", &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
}

/* ---- the runner itself dies ------------------------------------------------------------ */

static int be_a_runner(void)
{
    struct host_options options = { .server = getenv("STANDBOX_SERVER"), .warden = getenv("STANDBOX_WARDEN"),
                                    .args = few, .ready_ms = PLENTY_MS };
    struct host *host = NULL;
    struct err err = ERR_INIT;
    BUF_AUTO warden = BUF_INIT;
    if (child_find_program("standbox-warden", "STANDBOX_WARDEN", &warden, &err) < 0)
        return 1;
    options.warden = buf_cstr(&warden);
    if (host_start(&host, &options, &err) < 0)
        return 1;
    dprintf(1, "%s %s\n", host_url(host), host_token(host));
    for (;;)
        pause();
}

static pid_t start_runner(int out)
{
    extern char **environ;
    char self[] = "/proc/self/exe", verb[] = "be-a-runner", *argv[] = { self, verb, NULL };
    posix_spawn_file_actions_t actions;
    pid_t pid = 0;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, out, 1);
    assert_int_equal(posix_spawn(&pid, self, &actions, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    return pid;
}

static void the_server_of_a_killed_runner_ends(void **state)
{
    (void) state;
    int fds[2];
    char line[300] = "", url[200], token[64];
    struct err err = ERR_INIT;
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    pid_t runner = start_runner(fds[1]);
    close(fds[1]);
    assert_true(read(fds[0], line, sizeof line - 1) > 0);
    assert_int_equal(sscanf(line, "%199s %63s", url, token), 2);
    assert_int_equal(ask_health(url, token, &err), 0);
    assert_int_equal(kill(runner, SIGKILL), 0);
    assert_int_equal(waitpid(runner, NULL, 0), runner);
    int64_t until_ns = mono_ns() + (int64_t) PLENTY_MS * NS_IN_MS;
    while (ask_health(url, token, &err) == 0 && mono_ns() < until_ns)
        poll(NULL, 0, 20);
    assert_int_equal(err.code, ERR_IO);
    close(fds[0]);
}

/* ---- the machine ------------------------------------------------------------------------ */

static void the_load_factor_is_in_its_range_and_follows_patience(void **state)
{
    (void) state;
    unsetenv("STANDBOX_PATIENCE");
    double factor = jobs_load_factor();
    assert_true(factor >= 1 && factor <= JOBS_MAX_FACTOR);
    setenv("STANDBOX_PATIENCE", "1000", 1);
    assert_true(jobs_load_factor() == JOBS_MAX_FACTOR);
    setenv("STANDBOX_PATIENCE", "0.0001", 1);
    assert_true(jobs_load_factor() == 1);
    setenv("STANDBOX_PATIENCE", "much", 1);
    assert_true(jobs_load_factor() >= 1);
    unsetenv("STANDBOX_PATIENCE");
    assert_true(jobs_processors() >= 1);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "be-a-runner") == 0)
        return be_a_runner();
    const struct CMUnitTest tests[] = {
        leak_test(a_started_server_answers_and_stops_by_itself),
        leak_test(what_the_server_says_is_kept),
        leak_test(a_server_that_does_not_start_says_why),
        leak_test(a_server_that_is_never_ready_is_given_up),
        leak_test(its_end_is_noticed),
        leak_test(one_that_is_there_can_be_attached_to),
        leak_test(the_server_of_a_killed_runner_ends),
        leak_test(the_load_factor_is_in_its_range_and_follows_patience),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
