#include "bench/rawcopy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

#define COPY_BYTES 65536
#define READ_BYTES 262144

extern char **environ;

struct rawcopy {
    char folder[64];
    const char *line;
    uint64_t bytes;
    char *buffer; /* of the reader */
};

struct copier {
    int from, to;
    pthread_t thread;
};

static int spawn_line(const struct rawcopy *r, const char *line, int in, int out, pid_t *out_pid)
{
    const char *argv[] = { "/bin/bash", "-c", line, NULL };
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addchdir_np(&actions, r->folder);
    if (in >= 0)
        posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
    if (out >= 0)
        posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    int rc = posix_spawn(out_pid, argv[0], &actions, NULL, (char *const *) argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    return rc;
}

static int wait_zero(pid_t pid, struct err *err)
{
    int status = 0;
    if (waitpid(pid, &status, 0) == pid && status == 0)
        return 0;
    return err_set(err, ERR_INVALID, 0, "the producer ended with wait status 0x%x", (unsigned) status);
}

struct rawcopy *rawcopy_new(const char *prepare, const char *line, uint64_t bytes, struct err *err)
{
    const char *root = getenv("TMPDIR");
    struct rawcopy *r = calloc(1, sizeof *r);
    if (r == NULL || (r->buffer = malloc(READ_BYTES)) == NULL) {
        free(r);
        err_set(err, ERR_NOMEM, 0, "raw copy");
        return NULL;
    }
    r->line = line;
    r->bytes = bytes;
    snprintf(r->folder, sizeof r->folder, "%.40s/standbox-bench-XXXXXX", root == NULL ? "/tmp" : root);
    pid_t pid;
    if (mkdtemp(r->folder) == NULL) {
        err_set(err, ERR_IO, errno, "make %s", r->folder);
        free(r->buffer);
        free(r);
        return NULL;
    }
    int rc = spawn_line(r, prepare, -1, -1, &pid);
    if (rc != 0)
        err_set(err, ERR_IO, rc, "start the producer");
    if (rc != 0 || wait_zero(pid, err) != 0) {
        rawcopy_free(r);
        return NULL;
    }
    return r;
}

void rawcopy_free(struct rawcopy *r)
{
    if (r == NULL)
        return;
    char path[96];
    snprintf(path, sizeof path, "%s/text", r->folder);
    unlink(path);
    rmdir(r->folder);
    free(r->buffer);
    free(r);
}

static int socket_pair_tcp(int out[2], struct err *err)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    out[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok = listener >= 0 && out[0] >= 0 && bind(listener, (struct sockaddr *) &address, len) == 0 &&
              listen(listener, 1) == 0 && getsockname(listener, (struct sockaddr *) &address, &len) == 0 &&
              connect(out[0], (struct sockaddr *) &address, len) == 0 &&
              (out[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0;
    int rc = ok ? 0 : err_set(err, ERR_IO, errno, "connect two sockets");
    if (ok)
        setsockopt(out[1], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    else if (out[0] >= 0)
        close(out[0]);
    if (listener >= 0)
        close(listener);
    return rc;
}

static void *copy(void *arg)
{
    struct copier *c = arg;
    static char buffer[COPY_BYTES]; /* one copier at a time */
    ssize_t n;
    while ((n = read(c->from, buffer, sizeof buffer)) > 0)
        for (ssize_t at = 0, w; at < n; at += w)
            if ((w = send(c->to, buffer + at, (size_t) (n - at), MSG_NOSIGNAL)) < 0)
                return NULL;
    shutdown(c->to, SHUT_WR);
    return NULL;
}

static double read_all(struct rawcopy *r, int fd, int64_t begin, struct err *err)
{
    uint64_t got = 0;
    ssize_t n;
    while ((n = recv(fd, r->buffer, READ_BYTES, 0)) > 0)
        got += (uint64_t) n;
    double seconds = (double) (mono_ns() - begin) / 1e9;
    if (got == r->bytes)
        return (double) got / 1e6 / seconds;
    return err_set(err, ERR_INVALID, 0, "raw copy: %llu bytes of %llu came", (unsigned long long) got,
                   (unsigned long long) r->bytes);
}

static double run_copy(struct rawcopy *r, struct copier *c, int reader, int go, struct err *err)
{
    if (pthread_create(&c->thread, NULL, copy, c) != 0)
        return err_set(err, ERR_IO, 0, "start a thread");
    int64_t begin = mono_ns();
    double rate =
        write(go, "go\n", 3) == 3 ? read_all(r, reader, begin, err) : err_set(err, ERR_IO, errno, "wake the producer");
    close(reader); /* after a failure the copier ends too */
    pthread_join(c->thread, NULL);
    return rate;
}

double rawcopy_run(struct rawcopy *r, struct err *err)
{
    int sockets[2] = { -1, -1 }, in[2], out[2];
    pid_t pid;
    if (socket_pair_tcp(sockets, err) != 0)
        return -1;
    if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0)
        return err_set(err, ERR_IO, errno, "make pipes"); /* the bench ends after this */
    int rc = spawn_line(r, r->line, in[0], out[1], &pid);
    close(in[0]), close(out[1]);
    struct copier c = { .from = out[0], .to = sockets[1] };
    double rate = -1;
    if (rc != 0) {
        err_set(err, ERR_IO, rc, "start the producer");
        close(sockets[0]);
    } else {
        rate = run_copy(r, &c, sockets[0], in[1], err);
    }
    close(in[1]), close(out[0]), close(sockets[1]);
    if (rc == 0 && wait_zero(pid, rate < 0 ? NULL : err) != 0)
        rate = -1;
    return rate;
}
