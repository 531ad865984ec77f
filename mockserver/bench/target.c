#include "bench/target.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "base/clock.h"
#include "bench/hconn.h"

#define READY_LIMIT_MS 20000
#define STOP_LIMIT_MS  10000
#define USUAL_FD_LIMIT 1024

extern char **environ;

/* ---- start and stop ------------------------------------------------------------------ */

/* Put the end of the server's stderr behind what `err` says. */
static int add_log(const struct target *t, struct err *err)
{
    char tail[300];
    off_t size = t->log_fd < 0 ? 0 : lseek(t->log_fd, 0, SEEK_END);
    off_t from = size > (off_t) sizeof tail - 1 ? size - (off_t) sizeof tail + 1 : 0;
    ssize_t n = size > 0 ? pread(t->log_fd, tail, sizeof tail - 1, from) : 0;
    while (n > 0 && (tail[n - 1] == '\n' || tail[n - 1] == ' '))
        n--;
    if (n <= 0)
        return -1;
    for (ssize_t i = 0; i < n; i++)
        if (tail[i] == '\n')
            tail[i] = '|';
    struct err first = *err;
    return err_set(err, first.code, 0, "%.180s: %.*s", first.text, (int) n, tail);
}

/* Shells usually give 1,024 open files, whatever this program has raised its own limit to. */
static int spawn_with_usual_limit(pid_t *out_pid, const posix_spawn_file_actions_t *actions, const char *const *argv)
{
    struct rlimit ours, usual;
    if (getrlimit(RLIMIT_NOFILE, &ours) != 0)
        return errno;
    usual = ours;
    if (usual.rlim_cur > USUAL_FD_LIMIT)
        usual.rlim_cur = USUAL_FD_LIMIT;
    setrlimit(RLIMIT_NOFILE, &usual);
    int rc = posix_spawn(out_pid, argv[0], actions, NULL, (char *const *) argv, environ);
    setrlimit(RLIMIT_NOFILE, &ours);
    return rc;
}

static int spawn_server(struct target *t, const char *const *argv, int out, struct err *err)
{
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, t->log_fd, STDERR_FILENO);
    int rc = spawn_with_usual_limit(&t->pid, &actions, argv);
    posix_spawn_file_actions_destroy(&actions);
    if (rc == 0)
        return 0;
    t->pid = 0;
    return err_set(err, ERR_IO, rc, "start %s", argv[0]);
}

/* One line, newline removed, within the limit. */
static int read_line(int fd, char *line, size_t cap, struct err *err)
{
    int64_t deadline = mono_ns() + READY_LIMIT_MS * INT64_C(1000000);
    for (size_t len = 0; len + 1 < cap;) {
        int64_t left_ms = (deadline - mono_ns()) / 1000000;
        struct pollfd ready = { .fd = fd, .events = POLLIN };
        if (left_ms <= 0 || poll(&ready, 1, (int) left_ms) == 0)
            return err_set(err, ERR_TIMEOUT, 0, "no ready line within %d s", READY_LIMIT_MS / 1000);
        ssize_t n = read(fd, line + len, cap - 1 - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return err_set(err, ERR_CLOSED, 0, "the server ended without a ready line");
        len += (size_t) n;
        line[len] = '\0';
        char *newline = memchr(line, '\n', len);
        if (newline != NULL) {
            *newline = '\0';
            return 0;
        }
    }
    return err_set(err, ERR_LIMIT, 0, "the ready line does not end");
}

/* "http://127.0.0.1:8700/path" -> address; *out_path borrows from `url`. */
static int parse_url(const char *url, struct sockaddr_in *out_address, const char **out_path, struct err *err)
{
    char host[64];
    int port = 0, used = 0;
    if (url == NULL || sscanf(url, "http://%63[0-9.]:%d%n", host, &port, &used) != 2)
        return err_set(err, ERR_INVALID, 0, "not a URL the bench can use: %s", url == NULL ? "(none)" : url);
    *out_address = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t) port) };
    if (inet_pton(AF_INET, host, &out_address->sin_addr) != 1)
        return err_set(err, ERR_INVALID, 0, "not an address: %s", host);
    *out_path = url + used;
    return 0;
}

static const char *text_of(const cJSON *object, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
}

static int take_ready_line(struct target *t, const char *line, struct err *err)
{
    const char *path, *http, *grpc;
    cJSON *ready = cJSON_Parse(line);
    http = text_of(ready, "http");
    grpc = text_of(ready, "grpc");
    int rc = http != NULL || grpc == NULL ? parse_url(http, &t->address, &path, err) : 0;
    if (rc == 0 && grpc != NULL)
        rc = parse_url(grpc, &t->grpc, &path, err);
    cJSON_Delete(ready);
    return rc;
}

int target_start_program(struct target *t, const char *const *argv, struct err *err)
{
    char line[4096];
    *t = (struct target) TARGET_INIT;
    int out[2];
    t->log_fd = memfd_create("server-stderr", MFD_CLOEXEC);
    if (t->log_fd < 0 || pipe2(out, O_CLOEXEC) != 0)
        return err_set(err, ERR_IO, errno, "prepare a server's start");
    t->spawned_ns = mono_ns();
    int rc = spawn_server(t, argv, out[1], err);
    close(out[1]);
    if (rc == 0)
        rc = read_line(out[0], line, sizeof line, err);
    t->ready_ms = (double) (mono_ns() - t->spawned_ns) / 1e6;
    close(out[0]);
    if (rc == 0)
        rc = take_ready_line(t, line, err);
    if (rc != 0) {
        add_log(t, err);
        target_stop(t, NULL);
    }
    return rc;
}

int target_start(struct target *t, const char *server, const char *isolation, unsigned max_streams, struct err *err)
{
    char streams[16];
    const char *argv[] = { server, "--http", "127.0.0.1:0", "--isolation", isolation, NULL, NULL, NULL };
    if (max_streams > 0) {
        snprintf(streams, sizeof streams, "%u", max_streams);
        argv[5] = "--max-streams";
        argv[6] = streams;
    }
    return target_start_program(t, argv, err);
}

static bool wait_dead(pid_t pid, int limit_ms, int *out_status)
{
    int fd = (int) syscall(SYS_pidfd_open, pid, 0);
    struct pollfd ready = { .fd = fd, .events = POLLIN };
    bool dead = fd >= 0 && poll(&ready, 1, limit_ms) == 1;
    if (fd >= 0)
        close(fd);
    return dead && waitpid(pid, out_status, 0) == pid;
}

int target_stop(struct target *t, struct err *err)
{
    int rc = 0, status = 0;
    if (t->pid > 0) {
        kill(t->pid, SIGTERM);
        if (!wait_dead(t->pid, STOP_LIMIT_MS, &status)) {
            kill(t->pid, SIGKILL);
            waitpid(t->pid, &status, 0);
            rc = err_set(err, ERR_TIMEOUT, 0, "the server did not end on SIGTERM");
        } else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
            rc = err_set(err, ERR_INTERNAL, 0, "the server ended with wait status 0x%x", (unsigned) status);
            add_log(t, err);
        }
    }
    if (t->log_fd >= 0)
        close(t->log_fd);
    *t = (struct target) TARGET_INIT;
    return rc;
}

/* ---- requests ------------------------------------------------------------------------ */

static int take_sandbox(struct target *t, const char *text, struct err *err)
{
    const char *path = NULL;
    cJSON *sandbox = cJSON_Parse(text);
    const char *token = text_of(sandbox, "token");
    const char *base = text_of(cJSON_GetObjectItemCaseSensitive(sandbox, "runtime"), "baseUrl");
    int rc = parse_url(base, &t->address, &path, err);
    if (rc == 0 && token == NULL)
        rc = err_set(err, ERR_INVALID, 0, "a sandbox without a token");
    if (rc == 0) {
        snprintf(t->runtime_path, sizeof t->runtime_path, "%s", path);
        snprintf(t->auth, sizeof t->auth, "Authorization: Bearer %s", token);
    }
    cJSON_Delete(sandbox);
    return rc;
}

static int checked_call(const struct target *t, const struct buf *request, struct buf *out_body, struct err *err)
{
    int status = hconn_call(&t->address, request->data, request->len, out_body, err);
    if (status >= 0 && (status < 200 || status >= 300)) {
        err_set(err, ERR_INVALID, 0, "%.*s: status %d: %.200s", (int) strcspn(request->data, "\r"), request->data,
                status, buf_cstr(out_body));
        return add_log(t, err);
    }
    return status < 0 ? -1 : 0;
}

double target_first_answer(const struct target *t, struct err *err)
{
    BUF_AUTO request = BUF_INIT;
    BUF_AUTO body = BUF_INIT;
    hconn_make_request(&request, "GET", "/api/sandboxes", "x-api-key: bench", "application/json", NULL);
    if (checked_call(t, &request, &body, err) != 0)
        return -1;
    return (double) (mono_ns() - t->spawned_ns) / 1e6;
}

int target_open_sandbox(struct target *t, struct err *err)
{
    BUF_AUTO request = BUF_INIT;
    BUF_AUTO body = BUF_INIT;
    hconn_make_request(&request, "POST", "/api/sandbox", "x-api-key: bench", "application/json",
                       "{\"imageName\":\"default\"}");
    if (checked_call(t, &request, &body, err) != 0)
        return -1;
    return take_sandbox(t, buf_cstr(&body), err);
}

void target_make_request(const struct target *t, struct buf *out, const char *method, const char *tail,
                         const char *accept, const char *body)
{
    char path[256];
    snprintf(path, sizeof path, "%s%s", t->runtime_path, tail);
    hconn_make_request(out, method, path, t->auth, accept, body);
}

int target_call(const struct target *t, const char *method, const char *tail, const char *accept, const char *body,
                struct buf *out_body, struct err *err)
{
    BUF_AUTO request = BUF_INIT;
    target_make_request(t, &request, method, tail, accept, body);
    return checked_call(t, &request, out_body, err);
}

int target_run(const char *server, const char *isolation, target_measure_fn *measure, void *arg, struct err *err)
{
    struct target t;
    if (target_start(&t, server, isolation, 0, err) != 0)
        return -1;
    int rc = target_open_sandbox(&t, err);
    if (rc == 0)
        rc = measure(arg, &t, err);
    return target_stop(&t, rc == 0 ? err : NULL) != 0 ? -1 : rc;
}
