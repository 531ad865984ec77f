/*
 * The file that all ledgers share.  Nobody may ever wait for it: a fact is written with a process's lock held.
 *
 * So pipes and terminals are written without blocking.  What of a line could not be written is kept and goes first
 * the next time, so that lines are whole, whatever comes in between; lines that find no room are counted.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lanes/ledger_priv.h"

#define BACKLOG_BYTES     (256u * 1024u) /* lines that wait for a slow reader */
#define CLOSE_PATIENCE_MS 500            /* for it at the end, without any progress */

struct ledger_file {
    int fd;
    bool is_socket;
    pthread_mutex_t lock;    /* everything below */
    struct buf backlog;      /* begins with the rest of a line that is half written */
    uint64_t waiting;        /* lines in it */
    uint64_t lost;
};

/* ---- opening -------------------------------------------------------------------------- */

#define WRITE_FLAGS (O_WRONLY | O_APPEND | O_NONBLOCK | O_CLOEXEC | O_NOCTTY)

/* Its reader may come later: while there is one, and be it ourselves, it can be opened for writing. */
static int open_fifo(const char *path)
{
    int reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    int fd = open(path, WRITE_FLAGS);
    if (reader >= 0)
        close(reader);
    return fd;
}

/* A description of our own: O_NONBLOCK on the one that is shared would upset everybody who has it.  That of a plain
   file must be shared, for its place. */
static int open_stderr(struct err *err)
{
    struct stat st;
    char path[32];
    int fd = -1;
    snprintf(path, sizeof path, "/proc/self/fd/%d", STDERR_FILENO);
    if (fstat(STDERR_FILENO, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISSOCK(st.st_mode))
        fd = open(path, WRITE_FLAGS);
    if (fd < 0)
        fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    if (fd < 0)
        err_set(err, ERR_IO, errno, "standard error");
    return fd;
}

static int open_path(const char *path, struct err *err)
{
    struct stat st;
    bool is_there = stat(path, &st) == 0;
    int fd = is_there && S_ISFIFO(st.st_mode) ? open_fifo(path) : open(path, WRITE_FLAGS | O_CREAT, 0600);
    if (fd < 0)
        err_set(err, ERR_IO, errno, "%s", path);
    return fd;
}

int ledger_file_open(struct ledger_file **out_file, const char *path, struct err *err)
{
    struct stat st;
    int fd = strcmp(path, "-") == 0 ? open_stderr(err) : open_path(path, err);
    if (fd < 0)
        return -1;
    struct ledger_file *file = calloc(1, sizeof *file);
    if (file == NULL) {
        close(fd);
        return err_set(err, ERR_NOMEM, 0, "%s", path);
    }
    file->fd = fd;
    file->is_socket = fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
    pthread_mutex_init(&file->lock, NULL);
    *out_file = file;
    return 0;
}

/* ---- writing -------------------------------------------------------------------------- */

/* How much went out; less than `len` when no more can be written now. */
static size_t write_some(const struct ledger_file *file, const char *data, size_t len)
{
    size_t done = 0;
    while (done < len) {
        ssize_t n = file->is_socket ? send(file->fd, data + done, len - done, MSG_DONTWAIT | MSG_NOSIGNAL)
                                    : write(file->fd, data + done, len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        done += (size_t) n;
    }
    return done;
}

static uint64_t count_lines(const char *data, size_t len)
{
    uint64_t lines = 0;
    for (const char *p = data; (p = memchr(p, '\n', len - (size_t) (p - data))) != NULL; p++)
        lines++;
    return lines;
}

/* Is all of it out? */
static bool flush(struct ledger_file *file)
{
    struct buf *b = &file->backlog;
    if (b->len == 0)
        return true;
    size_t done = write_some(file, b->data, b->len);
    file->waiting -= count_lines(b->data, done);
    memmove(b->data, b->data + done, b->len - done);
    b->len -= done;
    b->data[b->len] = '\0';
    return b->len == 0;
}

/* Keep what could not be written.  Of a line that has begun also beyond the bound, since it must be ended. */
static void keep(struct ledger_file *file, const char *rest, size_t len, bool has_begun)
{
    struct buf *b = &file->backlog;
    if (!has_begun && b->len + len > BACKLOG_BYTES) {
        file->lost++;
        return;
    }
    buf_add(b, rest, len);
    if (b->failed) {
        b->failed = false;
        file->lost++;
        return;
    }
    file->waiting++;
}

void ledger_file_write(struct ledger_file *file, const char *line, size_t len)
{
    pthread_mutex_lock(&file->lock);
    if (line == NULL) {
        file->lost++;
    } else {
        size_t done = flush(file) ? write_some(file, line, len) : 0;
        if (done < len)
            keep(file, line + done, len - done, done > 0);
    }
    pthread_mutex_unlock(&file->lock);
}

/* ---- closing -------------------------------------------------------------------------- */

static bool can_write(const struct ledger_file *file)
{
    struct pollfd p = { .fd = file->fd, .events = POLLOUT };
    return poll(&p, 1, CLOSE_PATIENCE_MS) > 0 && (p.revents & (POLLERR | POLLHUP | POLLNVAL)) == 0;
}

uint64_t ledger_file_close(struct ledger_file *file)
{
    if (file == NULL)
        return 0;
    bool goes_on = !flush(file);
    while (goes_on) {
        size_t before = file->backlog.len;
        goes_on = can_write(file) && !flush(file) && file->backlog.len < before;
    }
    uint64_t lost = file->lost + file->waiting;
    buf_fini(&file->backlog);
    pthread_mutex_destroy(&file->lock);
    close(file->fd);
    free(file);
    return lost;
}
