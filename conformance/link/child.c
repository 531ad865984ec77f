#include "link/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "warden/wire.h"

#define NS_IN_MS     1000000
#define FIRST_OWN_FD 10      /* the child's ends lie above those that it gets, so that no dup2 hits another one */
#define GONE_MS      10000   /* the warden itself gives up before */

extern char **environ;

/* ---- starting -------------------------------------------------------------------------- */

/* The far ends; index = the descriptor that the child gets. */
struct ends {
    int fd[4];
};

#define ENDS_INIT { { -1, -1, -1, -1 } }

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void close_ends(struct ends *ends)
{
    for (size_t i = 0; i < 4; i++)
        close_fd(&ends->fd[i]);
}

/* Takes `near` and `far`; keeps `near`, not blocking, and a duplicate of `far` above the low numbers. */
static int keep_pair(int near, int far, int *out_near, int *out_far, struct err *err)
{
    *out_near = near;
    *out_far = fcntl(far, F_DUPFD_CLOEXEC, FIRST_OWN_FD);
    int saved = errno;
    close(far);
    if (*out_far < 0)
        return err_set(err, ERR_IO, saved, "duplicate a descriptor");
    if (fcntl(near, F_SETFL, O_NONBLOCK) != 0)
        return err_set(err, ERR_IO, errno, "make a pipe not block");
    return 0;
}

static int open_pipe(int *out_near, int *out_far, bool near_writes, struct err *err)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) != 0)
        return err_set(err, ERR_IO, errno, "make a pipe");
    return near_writes ? keep_pair(fds[1], fds[0], out_near, out_far, err)
                       : keep_pair(fds[0], fds[1], out_near, out_far, err);
}

static int open_all(struct child *child, struct ends *ends, struct err *err)
{
    int fds[2];
    if (open_pipe(&child->in, &ends->fd[0], true, err) < 0 || open_pipe(&child->out, &ends->fd[1], false, err) < 0 ||
        open_pipe(&child->err, &ends->fd[2], false, err) < 0)
        return -1;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0)
        return err_set(err, ERR_IO, errno, "make a socket pair");
    return keep_pair(fds[0], fds[1], &child->control, &ends->fd[WARDEN_CONTROL_FD], err);
}

static size_t count_strings(const char *const *list)
{
    size_t count = 0;
    while (list != NULL && list[count] != NULL)
        count++;
    return count;
}

static bool is_overridden(const char *entry, const char *const *additions)
{
    size_t name = strcspn(entry, "=") + 1;
    for (; additions != NULL && *additions != NULL; additions++) {
        if (strncmp(*additions, entry, name) == 0)
            return true;
    }
    return false;
}

/* The array alone is new; its strings are borrowed.  NULL: no memory. */
static const char **build_env(const char *const *additions)
{
    const char *const *own = (const char *const *) environ;
    size_t added = count_strings(additions), n = added;
    const char **env = calloc(added + count_strings(own) + 1, sizeof *env);
    if (env == NULL)
        return NULL;
    for (size_t i = 0; i < added; i++)
        env[i] = additions[i];
    for (; *own != NULL; own++) {
        if (!is_overridden(*own, additions))
            env[n++] = *own;
    }
    return env;
}

static const char **build_argv(const struct child_options *options, const char *grace)
{
    size_t count = count_strings(options->argv), n = 0;
    const char **argv = calloc(count + 7, sizeof *argv);
    if (argv == NULL)
        return NULL;
    argv[n++] = options->warden;
    argv[n++] = "--grace-ms";
    argv[n++] = grace;
    if (options->cwd != NULL) {
        argv[n++] = "--cwd";
        argv[n++] = options->cwd;
    }
    argv[n++] = "--";
    memcpy(&argv[n], options->argv, count * sizeof *argv);
    return argv;
}

/* A session of its own: keys pressed at our terminal must not reach the warden.  Returns an errno. */
static int set_up_spawn(posix_spawn_file_actions_t *actions, posix_spawnattr_t *attr, const struct ends *ends)
{
    sigset_t all, none;
    int error = 0;
    sigfillset(&all);
    sigemptyset(&none);
    posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    posix_spawnattr_setsigdefault(attr, &all);
    posix_spawnattr_setsigmask(attr, &none);
    for (int i = 0; i < 4 && error == 0; i++)
        error = posix_spawn_file_actions_adddup2(actions, ends->fd[i], i);
    return error;
}

static int spawn_warden(struct child *child, const struct child_options *options, const char **argv, const char **env,
                        const struct ends *ends, struct err *err)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    if (posix_spawn_file_actions_init(&actions) != 0)
        return err_set(err, ERR_NOMEM, 0, "start the warden");
    if (posix_spawnattr_init(&attr) != 0) {
        posix_spawn_file_actions_destroy(&actions);
        return err_set(err, ERR_NOMEM, 0, "start the warden");
    }
    int error = set_up_spawn(&actions, &attr, ends);
    if (error == 0)
        error = posix_spawn(&child->warden, options->warden, &actions, &attr, (char *const *) argv,
                            (char *const *) env);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&actions);
    if (error == 0)
        return 0;
    child->warden = 0;
    return err_set(err, ERR_IO, error, "start the warden %s", options->warden);
}

static int launch(struct child *child, const struct child_options *options, struct err *err)
{
    struct ends ends = ENDS_INIT;
    char grace[24];
    snprintf(grace, sizeof grace, "%lld", (long long) options->grace_ms);
    const char **argv = build_argv(options, grace);
    const char **env = build_env(options->env);
    int result;
    if (argv == NULL || env == NULL)
        result = err_set(err, ERR_NOMEM, 0, "start %s", options->argv[0]);
    else if (open_all(child, &ends, err) < 0)
        result = -1;
    else
        result = spawn_warden(child, options, argv, env, &ends, err);
    close_ends(&ends);
    free(argv);
    free(env);
    return result;
}

/* ---- what the warden says -------------------------------------------------------------- */

/* One message.  1: taken; 0: none now; -1: the warden has gone. */
static int receive(const struct child *child, struct warden_report *out)
{
    ssize_t n;
    do {
        n = recv(child->control, out, sizeof *out, MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    if (n == (ssize_t) sizeof *out)
        return 1;
    return n < 0 && errno == EAGAIN ? 0 : -1;
}

static void take(struct child *child, const struct warden_report *report)
{
    switch (report->kind) {
    case WARDEN_STARTED:
        child->pid = report->value;
        break;
    case WARDEN_ENDED:
        child->ended = true;
        child->wait_status = report->value;
        break;
    case WARDEN_GONE:
        child->gone = true;
        child->left = report->value;
        break;
    default:
        break;
    }
}

/* Whoever killed the warden gets no living adapter for it; its daemons are out of our reach, though. */
static void lose(struct child *child)
{
    child->lost = true;
    if (child->pid > 0 && !child->ended)
        kill(-child->pid, SIGKILL);
}

void child_hear(struct child *child)
{
    struct warden_report report;
    int got = 0;
    while (child->control >= 0 && !child->gone && (got = receive(child, &report)) > 0)
        take(child, &report);
    if (got < 0 && !child->gone && !child->lost)
        lose(child);
}

/* Until the socket has something to say; false: `until_ns` has passed. */
static bool wait_control(const struct child *child, int64_t until_ns)
{
    for (;;) {
        int64_t left = until_ns - mono_ns();
        struct timespec wait = { .tv_sec = left > 0 ? left / 1000000000 : 0,
                                 .tv_nsec = left > 0 ? left % 1000000000 : 0 };
        struct pollfd fd = { .fd = child->control, .events = POLLIN };
        int n = ppoll(&fd, 1, &wait, NULL);
        if (n > 0)
            return true;
        if (n == 0 && mono_ns() >= until_ns)
            return false;
    }
}

static int await_start(struct child *child, const char *command, int64_t until_ns, struct err *err)
{
    struct warden_report report = { 0, 0 };
    if (!wait_control(child, until_ns))
        return err_set(err, ERR_TIMEOUT, 0, "start %s: the warden has not answered in time", command);
    if (receive(child, &report) <= 0)
        return err_set(err, ERR_IO, 0, "start %s: the warden ended without a word", command);
    if (report.kind == WARDEN_FAILED)
        return err_set(err, report.value == ENOENT ? ERR_NOT_FOUND : ERR_IO, report.value, "start %s", command);
    take(child, &report);
    return 0;
}

int child_start(struct child *child, const struct child_options *options, int64_t start_ms, struct err *err)
{
    int64_t until_ns = mono_ns() + start_ms * NS_IN_MS;
    *child = (struct child) CHILD_INIT;
    if (launch(child, options, err) == 0 && await_start(child, options->argv[0], until_ns, err) == 0)
        return 0;
    child_fini(child);
    return -1;
}

/* ---- acting on it ---------------------------------------------------------------------- */

static void request(struct child *child, enum warden_request_kind kind, int value)
{
    struct warden_request message = { kind, value };
    if (child->control < 0 || child->gone || child->lost)
        return;
    while (send(child->control, &message, sizeof message, MSG_NOSIGNAL) < 0 && errno == EINTR)
        ;
}

void child_signal(struct child *child, int signal)
{
    if (!child->ended)
        request(child, WARDEN_SIGNAL, signal);
}

void child_kill(struct child *child)
{
    request(child, WARDEN_KILL, 0);
}

void child_close_stdin(struct child *child)
{
    close_fd(&child->in);
}

/* The signal goes to the writing thread, so it can be held back there and taken away. */
ssize_t child_write(struct child *child, const void *data, size_t len)
{
    sigset_t pipe_only, before, pending;
    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    sigpending(&pending);
    pthread_sigmask(SIG_BLOCK, &pipe_only, &before);
    ssize_t n = write(child->in, data, len);
    int saved = errno;
    if (n < 0 && saved == EPIPE && !sigismember(&pending, SIGPIPE)) {
        static const struct timespec at_once = { 0, 0 };
        while (sigtimedwait(&pipe_only, NULL, &at_once) < 0 && errno == EINTR)
            ;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = saved;
    return n;
}

bool child_await_end(struct child *child, int64_t until_ns)
{
    child_hear(child);
    while (!child->ended && !child->gone && !child->lost && wait_control(child, until_ns))
        child_hear(child);
    return child->ended || child->gone || child->lost;
}

bool child_await_gone(struct child *child, int64_t until_ns)
{
    child_hear(child);
    while (!child->gone && !child->lost && wait_control(child, until_ns))
        child_hear(child);
    return child->gone || child->lost;
}

/* A warden that is still busy (with something that does not die) goes on without us. */
static void reap_warden(struct child *child, bool wait)
{
    while (waitpid(child->warden, NULL, wait ? 0 : WNOHANG) < 0 && errno == EINTR)
        ;
    child->warden = 0;
}

void child_fini(struct child *child)
{
    close_fd(&child->in);
    close_fd(&child->out);
    close_fd(&child->err);
    if (child->warden > 0) {
        child_kill(child);
        bool done = child_await_gone(child, mono_ns() + (int64_t) GONE_MS * NS_IN_MS);
        reap_warden(child, done);
    }
    close_fd(&child->control);
}

/* ---- words ----------------------------------------------------------------------------- */

void child_end_text(int wait_status, char out[48])
{
    if (WIFEXITED(wait_status)) {
        snprintf(out, 48, "exit %d", WEXITSTATUS(wait_status));
        return;
    }
    int signal = WTERMSIG(wait_status);
    const char *name = sigabbrev_np(signal);
    snprintf(out, 48, name == NULL ? "signal %d%s" : "signal %d (SIG%s)", signal, name == NULL ? "" : name);
}

int child_find_program(const char *name, const char *variable, struct buf *out, struct err *err)
{
    const char *said = getenv(variable);
    char self[4096];
    buf_clear(out);
    if (said != NULL && *said != '\0') {
        buf_str(out, said);
    } else {
        ssize_t n = readlink("/proc/self/exe", self, sizeof self);
        if (n < 0 || n == (ssize_t) sizeof self)
            return err_set(err, ERR_IO, errno, "find our own program");
        while (n > 0 && self[n - 1] != '/')
            n--;
        buf_add(out, self, (size_t) n);
        buf_str(out, name);
    }
    if (out->failed)
        return err_set(err, ERR_NOMEM, 0, "find %s", name);
    if (access(buf_cstr(out), X_OK) == 0)
        return 0;
    return err_set(err, ERR_NOT_FOUND, 0, "no program %s: set %s to where %s is", buf_cstr(out), variable, name);
}
