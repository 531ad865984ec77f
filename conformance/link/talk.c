#include "link/talk.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

#define CHUNK        65536
#define CHUNKS       16      /* that one turn reads from one pipe, so that no pipe starves another */
#define CLOSED_NS    ((int64_t) TALK_CLOSED_MS * 1000000)

int talk_start(struct talk *t, const struct child_options *options, size_t line_limit, int64_t start_ms,
               struct err *err)
{
    *t = (struct talk){ .lines = LINES_INIT(line_limit), .unsent = BUF_INIT, .cancel_fd = -1 };
    return child_start(&t->child, options, start_ms, err);
}

void talk_fini(struct talk *t)
{
    child_fini(&t->child);
    lines_fini(&t->lines);
    buf_fini(&t->unsent);
}

bool talk_say(struct talk *t, const char *data, size_t len)
{
    if (talk_all_said(t)) {
        buf_clear(&t->unsent);
        t->sent = 0;
    }
    buf_add(&t->unsent, data, len);
    return !t->unsent.failed;
}

bool talk_all_said(const struct talk *t)
{
    return t->sent == t->unsent.len;
}

void talk_rest(const struct talk *t, const char **out_data, size_t *out_len)
{
    lines_rest(&t->lines, out_data, out_len);
}

/* ---- moving bytes ---------------------------------------------------------------------- */

static void write_some(struct talk *t)
{
    while (!talk_all_said(t) && t->child.in >= 0) {
        ssize_t n = child_write(&t->child, t->unsent.data + t->sent, t->unsent.len - t->sent);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n < 0) {
            child_close_stdin(&t->child);
            t->in_broke_ns = mono_ns();
            return;
        }
        t->sent += (size_t) n;
    }
    if (t->close_behind)
        child_close_stdin(&t->child);
}

/* As read(2) into the right place, `most` bytes.  -1 with errno. */
static ssize_t read_out(struct talk *t, size_t most)
{
    char *room = lines_room(&t->lines, most);
    if (room == NULL) {
        errno = ENOMEM;
        return -1;
    }
    ssize_t n = read(t->child.out, room, most);
    if (n > 0)
        lines_added(&t->lines, (size_t) n);
    return n;
}

static ssize_t read_err(struct talk *t, size_t most)
{
    char chunk[CHUNK];
    ssize_t n = read(t->child.err, chunk, most < sizeof chunk ? most : sizeof chunk);
    if (n > 0)
        tail_add(&t->tail, chunk, (size_t) n);
    return n;
}

typedef ssize_t read_fn(struct talk *t, size_t most);

/* Until nothing is there, for now.  False: the end of the pipe. */
static bool read_some(struct talk *t, read_fn *reads)
{
    for (int i = 0; i < CHUNKS; i++) {
        ssize_t n = reads(t, CHUNK);
        if (n == 0)
            return false;
        if (n < 0 && errno != EINTR)
            return errno == EAGAIN || errno == ENOMEM;
    }
    return true;
}

/* What is in the pipe at this moment and no more: a survivor may be filling it all the time. */
static void drain(struct talk *t, int fd, read_fn *reads)
{
    int there = 0;
    if (fd < 0 || ioctl(fd, FIONREAD, &there) != 0)
        return;
    while (there > 0) {
        ssize_t n = reads(t, (size_t) there < CHUNK ? (size_t) there : CHUNK);
        if (n == 0 || (n < 0 && errno != EINTR))
            return;
        there -= n > 0 ? (int) n : 0;
    }
}

static void close_fd(int *fd)
{
    close(*fd);
    *fd = -1;
}

static void hear(struct talk *t)
{
    child_hear(&t->child);
    if (!t->child.ended || t->drained)
        return;
    drain(t, t->child.out, read_out);
    drain(t, t->child.err, read_err);
    t->drained = true;
}

/* One poll and what it brought; `until_ns` 0: without waiting.  False: cancelled. */
static bool turn(struct talk *t, int64_t until_ns)
{
    struct child *c = &t->child;
    bool has_more = !talk_all_said(t) || t->close_behind;
    struct pollfd fds[] = {
        { .fd = t->cancel_fd, .events = POLLIN },
        { .fd = t->drained ? -1 : c->err, .events = POLLIN },
        { .fd = t->drained ? -1 : c->out, .events = POLLIN },
        { .fd = has_more ? c->in : -1, .events = POLLOUT },
        { .fd = c->gone || c->lost ? -1 : c->control, .events = POLLIN },
    };
    int64_t left = until_ns == 0 ? 0 : until_ns - mono_ns();
    struct timespec wait = { .tv_sec = left > 0 ? left / 1000000000 : 0, .tv_nsec = left > 0 ? left % 1000000000 : 0 };
    if (ppoll(fds, sizeof fds / sizeof fds[0], &wait, NULL) <= 0)
        return true;
    if (fds[1].revents != 0 && !read_some(t, read_err))
        close_fd(&c->err);
    if (fds[2].revents != 0 && !read_some(t, read_out)) {
        close_fd(&c->out);
        t->out_closed_ns = mono_ns();
    }
    if (fds[3].revents != 0)
        write_some(t);
    if (fds[4].revents != 0)
        hear(t);
    return fds[0].revents == 0;
}

void talk_glance(struct talk *t)
{
    if (!t->drained)
        turn(t, 0);
}

/* ---- events ---------------------------------------------------------------------------- */

static bool long_ago(int64_t since_ns, int64_t now_ns)
{
    return since_ns != 0 && now_ns >= since_ns + CLOSED_NS;
}

static bool find_event(const struct talk *t, int64_t until_ns, enum talk_event *out)
{
    int64_t now_ns = mono_ns();
    if (t->drained)
        *out = TALK_ENDED;
    else if (t->child.lost)
        *out = TALK_LOST;
    else if (!t->needs_not_read && long_ago(t->in_broke_ns, now_ns))
        *out = TALK_NO_STDIN;
    else if (long_ago(t->out_closed_ns, now_ns))
        *out = TALK_NO_STDOUT;
    else if (now_ns >= until_ns)
        *out = TALK_TIMEOUT;
    else
        return false;
    return true;
}

static int64_t earlier(int64_t until_ns, int64_t since_ns)
{
    return since_ns != 0 && since_ns + CLOSED_NS < until_ns ? since_ns + CLOSED_NS : until_ns;
}

static int64_t next_moment(const struct talk *t, int64_t until_ns)
{
    if (!t->needs_not_read)
        until_ns = earlier(until_ns, t->in_broke_ns);
    return earlier(until_ns, t->out_closed_ns);
}

enum talk_event talk_next(struct talk *t, int64_t until_ns, const char **out_line, size_t *out_len)
{
    enum talk_event event = TALK_TIMEOUT;
    for (;;) {
        switch (lines_next(&t->lines, out_line, out_len)) {
        case LINES_ONE: return TALK_LINE;
        case LINES_TOO_LONG: return TALK_TOO_LONG;
        case LINES_NO_MEMORY: return TALK_NO_MEMORY;
        case LINES_NONE: break;
        }
        if (find_event(t, until_ns, &event))
            return event;
        if (!turn(t, next_moment(t, until_ns)))
            return TALK_CANCELLED;
    }
}
