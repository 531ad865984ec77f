#include "commands/output.h"

#include <errno.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "link/child.h"

#define NS_PER_MS INT64_C(1000000)
#define OUTPUT_BYTES (16u << 20)

/* Takes what is there; false when the pipe is at its end. */
static bool drain(int fd, struct buf *out)
{
    char block[4096];
    for (;;) {
        ssize_t n = read(fd, block, sizeof block);
        if (n > 0)
            buf_add(out, block, (size_t) n);
        else if (n == 0)
            return false;
        else if (errno != EINTR)
            return errno == EAGAIN || errno == EWOULDBLOCK;
    }
}

static int collect(struct child *child, int64_t until_ns, struct buf *out, struct buf *log, struct err *err)
{
    while (!child->ended && !child->lost) {
        struct pollfd fds[] = { { .fd = child->out, .events = POLLIN }, { .fd = child->err, .events = POLLIN },
                                { .fd = child->control, .events = POLLIN } };
        int64_t left_ms = (until_ns - mono_ns()) / NS_PER_MS;
        if (left_ms <= 0)
            return err_set(err, ERR_TIMEOUT, 0, "it does not end");
        if (poll(fds, 3, (int) left_ms) < 0 && errno != EINTR)
            return err_set(err, ERR_IO, errno, "poll");
        if (!drain(child->out, out)) {
            close(child->out);
            child->out = -1;
        }
        if (!drain(child->err, log)) {
            close(child->err);
            child->err = -1;
        }
        child_hear(child);
        if (out->len > OUTPUT_BYTES)
            return err_set(err, ERR_LIMIT, 0, "it prints more than %u bytes", OUTPUT_BYTES);
    }
    drain(child->out, out);
    drain(child->err, log);
    return 0;
}

int output_of(const char *const *argv, const char *warden, int64_t limit_ms, struct buf *out, struct err *err)
{
    struct child child = CHILD_INIT;
    BUF_AUTO log = BUF_INIT;
    struct child_options options = { .argv = argv, .warden = warden };
    if (child_start(&child, &options, limit_ms, err) != 0)
        return -1;
    child_close_stdin(&child);
    int rc = collect(&child, mono_ns() + limit_ms * NS_PER_MS, out, &log, err);
    if (rc == 0 && (child.lost || !WIFEXITED(child.wait_status) || WEXITSTATUS(child.wait_status) != 0)) {
        char end[48];
        child_end_text(child.wait_status, end);
        rc = err_set(err, ERR_INVALID, 0, "%s: %.200s", end, buf_cstr(&log));
    }
    child_fini(&child);
    return rc == 0 ? 0 : err_wrap(err, "%.100s", argv[0]);
}
