#include "bench/bare.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

struct worker {
    pthread_t thread;
    char *const *argv, *const *env;
    int64_t deadline_ns;
    int null_fd;
    uint64_t done;
    int errnum; /* why it stopped early; 0: it did not */
    bool wrong_status;
};

static int spawn_child(const struct worker *w, int out, int err_fd, pid_t *out_pid)
{
    posix_spawn_file_actions_t actions;
    int rc = posix_spawn_file_actions_init(&actions);
    if (rc != 0)
        return rc;
    rc = posix_spawn_file_actions_adddup2(&actions, w->null_fd, STDIN_FILENO);
    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2(&actions, err_fd, STDERR_FILENO);
    if (rc == 0)
        rc = posix_spawn(out_pid, w->argv[0], &actions, NULL, w->argv, w->env);
    posix_spawn_file_actions_destroy(&actions);
    return rc;
}

/* Both ends of output; a child may write to either, so neither may be waited for alone. */
static void capture(int out, int err_fd)
{
    char bytes[4096];
    struct pollfd fds[2] = { { .fd = out, .events = POLLIN }, { .fd = err_fd, .events = POLLIN } };
    while (fds[0].fd >= 0 || fds[1].fd >= 0) {
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            return;
        for (int i = 0; i < 2; i++)
            if (fds[i].fd >= 0 && fds[i].revents != 0 && read(fds[i].fd, bytes, sizeof bytes) == 0)
                fds[i].fd = -1;
    }
}

static int run_child(struct worker *w)
{
    int out[2], errs[2], status = 0;
    pid_t pid;
    if (pipe2(out, O_CLOEXEC) != 0)
        return errno;
    if (pipe2(errs, O_CLOEXEC) != 0) {
        int rc = errno;
        close(out[0]), close(out[1]);
        return rc;
    }
    int rc = spawn_child(w, out[1], errs[1], &pid);
    close(out[1]), close(errs[1]);
    if (rc == 0) {
        capture(out[0], errs[0]);
        waitpid(pid, &status, 0);
        w->wrong_status = w->wrong_status || status != 0;
    }
    close(out[0]), close(errs[0]);
    return rc;
}

static void *work(void *arg)
{
    struct worker *w = arg;
    while (mono_ns() < w->deadline_ns && w->errnum == 0) {
        w->errnum = run_child(w);
        w->done += w->errnum == 0;
    }
    return NULL;
}

static int judge(const struct worker *workers, unsigned threads, struct err *err)
{
    for (unsigned i = 0; i < threads; i++) {
        if (workers[i].errnum != 0)
            return err_set(err, ERR_IO, workers[i].errnum, "bare spawn of %s", workers[i].argv[0]);
        if (workers[i].wrong_status)
            return err_set(err, ERR_INVALID, 0, "the measured command does not end with status 0");
    }
    return 0;
}

double bare_run_round(char *const *argv, char *const *env, unsigned threads, unsigned ms, struct err *err)
{
    struct worker *workers = calloc(threads, sizeof *workers);
    int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (workers == NULL || null_fd < 0) {
        free(workers);
        return err_set(err, ERR_IO, errno, "prepare bare spawns");
    }
    int64_t begin = mono_ns();
    unsigned started = 0;
    for (; started < threads; started++) {
        struct worker *w = &workers[started];
        *w = (struct worker){
            .argv = argv, .env = env, .null_fd = null_fd, .deadline_ns = begin + (int64_t) ms * 1000000
        };
        if (pthread_create(&w->thread, NULL, work, w) != 0)
            break;
    }
    uint64_t done = 0;
    for (unsigned i = 0; i < started; i++) {
        pthread_join(workers[i].thread, NULL);
        done += workers[i].done;
    }
    double seconds = (double) (mono_ns() - begin) / 1e9;
    int rc = started < threads ? err_set(err, ERR_IO, 0, "start %u threads", threads) : judge(workers, threads, err);
    close(null_fd);
    free(workers);
    return rc == 0 ? (double) done / seconds : -1;
}
