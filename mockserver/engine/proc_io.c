/* A process's pipes (or terminal): bytes out of it into the log, bytes into it from callers. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "engine/engine_priv.h"

#define READ_BYTES (64u * 1024u)
#define READS_PER_TURN 16      /* then the other descriptors get theirs */
#define GROWN_PIPE_BYTES (1024 * 1024)
#define PTY_EOF_BYTE 4         /* ^D: the only end of input that a terminal knows */

static struct reactor *reactor_of(const struct proc *p)
{
    return p->sandbox->engine->reactor;
}

/* ---- out ----------------------------------------------------------------------------- */

enum pump_result { PUMP_EMPTY, PUMP_MORE, PUMP_OVER };

/* A flood fills the pipe faster than we come by: fewer and larger reads.  May be refused; then it stays. */
static void grow_pipe(struct stream *s)
{
    if (!s->grown)
        (void) fcntl(s->source.fd, F_SETPIPE_SZ, GROWN_PIPE_BYTES);
    s->grown = true;
}

/* Only the reactor thread reads, so one buffer serves all. */
static char read_room[READ_BYTES];

static enum pump_result pump_once(struct stream *s)
{
    struct proc *p = s->proc;
    ssize_t n = read(s->source.fd, read_room, sizeof read_room);
    if (n < 0 && errno == EINTR)
        return PUMP_MORE;
    if (n < 0 && errno == EAGAIN)
        return PUMP_EMPTY;
    if (n <= 0)                 /* a terminal without users says EIO */
        return PUMP_OVER;
    pthread_mutex_lock(&p->lock);
    if (!p->discards)
        proc_append_output(p, s->slot == SLOT_ERR ? FACT_ERR : FACT_OUT, read_room, (size_t) n);
    pthread_mutex_unlock(&p->lock);
    pthread_cond_broadcast(&p->changed);
    if ((size_t) n == sizeof read_room)
        grow_pipe(s);
    /* A short read from a pipe has emptied it; a terminal gives a line at a time. */
    return (size_t) n == sizeof read_room || p->pty ? PUMP_MORE : PUMP_EMPTY;
}

static enum pump_result pump(struct stream *s)
{
    enum pump_result result = PUMP_MORE;
    for (int i = 0; i < READS_PER_TURN && result == PUMP_MORE; i++)
        result = pump_once(s);
    return result;
}

void proc_close_stream(struct proc *p, enum stream_slot slot)
{
    reactor_close(reactor_of(p), &p->streams[slot].source);
    if (slot == SLOT_IN) {
        p->pending_len = p->pending_at = 0;
        p->view.stdin_open = false;
        p->stdin_writable_watched = false;
    }
}

/* Who writes waits for its end of input.  The end of an output is awaited by nobody; when it was the last one, the
   process's state moves, and that is told. */
static void close_locked(struct proc *p, enum stream_slot slot)
{
    pthread_mutex_lock(&p->lock);
    proc_close_stream(p, slot);
    pthread_mutex_unlock(&p->lock);
    if (slot == SLOT_IN)
        pthread_cond_broadcast(&p->changed);
}

static void out_over(struct stream *s)
{
    struct proc *p = s->proc;
    close_locked(p, s->slot);
    if (p->pty)
        close_locked(p, SLOT_IN);
    if (proc_output_is_over(p))
        proc_happen(p, EVENT_OUTPUT_OVER, NULL);
}

static void out_ready(struct source *source, uint32_t events)
{
    (void) events;
    struct stream *s = (struct stream *) source;
    if (source->fd < 0 || s->proc->view.state == PROC_QUEUED)
        return;
    /* No reference taken: a process whose last one is gone is freed by this thread, after the batch. */
    if (pump(s) == PUMP_OVER)
        out_over(s);
}

void proc_read_output(struct proc *p)
{
    for (enum stream_slot slot = SLOT_OUT; slot <= SLOT_ERR; slot++)
        if (p->streams[slot].source.fd >= 0)
            reactor_change(reactor_of(p), &p->streams[slot].source, EPOLLIN);
}

bool proc_output_is_over(struct proc *p)
{
    pthread_mutex_lock(&p->lock);
    bool over = p->streams[SLOT_OUT].source.fd < 0 && p->streams[SLOT_ERR].source.fd < 0;
    pthread_mutex_unlock(&p->lock);
    return over;
}

/* What the process wrote before it ended is in the pipe now; bounded, because a survivor may go on writing. */
void proc_pump_all(struct proc *p)
{
    for (enum stream_slot slot = SLOT_OUT; slot <= SLOT_ERR; slot++) {
        struct stream *s = &p->streams[slot];
        for (int turn = 0; turn < 4 && s->source.fd >= 0; turn++) {
            enum pump_result result = pump(s);
            /* Empty may mean "and nobody has the other end": one more read tells. */
            if (result == PUMP_EMPTY)
                result = pump_once(s);
            if (result == PUMP_OVER)
                close_locked(p, slot);
            if (result == PUMP_EMPTY)
                break;
        }
    }
    if (p->pty && p->streams[SLOT_OUT].source.fd < 0)
        close_locked(p, SLOT_IN);
}

void proc_close_all(struct proc *p)
{
    pthread_mutex_lock(&p->lock);
    for (enum stream_slot slot = 0; slot < SLOTS; slot++)
        proc_close_stream(p, slot);
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
}

/* ---- in ------------------------------------------------------------------------------ */

/* Into the pipe as much as goes.  False: the process has closed its end. */
static bool push_pending(struct proc *p)
{
    int fd = p->streams[SLOT_IN].source.fd;
    while (p->pending_len > 0) {
        size_t want = p->pending_len < READ_BYTES ? p->pending_len : READ_BYTES;
        ssize_t n = write(fd, p->pending + p->pending_at, want);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN;
        (void) proc_add_fact(p, (struct fact) { .kind = FACT_STDIN, .len = (uint32_t) n }, p->pending + p->pending_at);
        p->pending_at += (size_t) n;
        p->pending_len -= (size_t) n;
    }
    p->pending_at = 0;
    return true;
}

static void watch_stdin(struct proc *p, bool writable)
{
    if (writable == p->stdin_writable_watched)
        return;
    reactor_change(reactor_of(p), &p->streams[SLOT_IN].source, writable ? EPOLLOUT : 0);
    p->stdin_writable_watched = writable;
}

/* All pending bytes are in: now the end of input may follow. */
static void finish_stdin(struct proc *p)
{
    if (p->pty) {
        static const char eof = PTY_EOF_BYTE;
        (void) !write(p->streams[SLOT_IN].source.fd, &eof, 1);
        p->view.stdin_open = false;
    } else {
        proc_close_stream(p, SLOT_IN);
    }
    (void) proc_add_fact(p, (struct fact) { .kind = FACT_STDIN_EOF }, NULL);
}

static void serve_stdin(struct proc *p)
{
    if (!push_pending(p)) {
        proc_close_stream(p, SLOT_IN);
        return;
    }
    if (p->pending_len == 0 && p->stdin_eof_wanted && p->view.stdin_open)
        finish_stdin(p);
    if (p->streams[SLOT_IN].source.fd >= 0)
        watch_stdin(p, p->pending_len > 0);
}

static void in_ready(struct source *source, uint32_t events)
{
    (void) events;
    struct proc *p = ((struct stream *) source)->proc;
    pthread_mutex_lock(&p->lock);
    if (source->fd >= 0) {
        if ((events & EPOLLERR) != 0)
            proc_close_stream(p, SLOT_IN);      /* nobody reads it any more */
        else
            serve_stdin(p);
        pthread_cond_broadcast(&p->changed);
    }
    pthread_mutex_unlock(&p->lock);
}

static int queue_stdin(struct proc *p, const void *data, size_t len, struct err *err)
{
    if (p->pending_at + p->pending_len + len > p->pending_cap) {
        if (p->pending_len > 0)
            memmove(p->pending, p->pending + p->pending_at, p->pending_len);
        p->pending_at = 0;
        size_t cap = p->pending_len + len;
        char *room = realloc(p->pending, cap);
        if (room == NULL)
            return err_set(err, ERR_NOMEM, 0, "keep %zu bytes for stdin", len);
        p->pending = room;
        p->pending_cap = cap;
    }
    memcpy(p->pending + p->pending_at + p->pending_len, data, len);
    p->pending_len += len;
    return 0;
}

static int stdin_refusal(const struct proc *p, struct err *err)
{
    if (p->view.ended)
        return err_set(err, ERR_CONFLICT, 0, "process %s is not running", p->id);
    if (!p->stdin_is_pipe)
        return err_set(err, ERR_CONFLICT, 0, "process %s has no stdin", p->id);
    if (!p->view.stdin_open || p->stdin_eof_wanted)
        return err_set(err, ERR_CONFLICT, 0, "stdin of process %s is closed", p->id);
    return 0;
}

int proc_stdin_write(struct proc *p, const void *data, size_t len, bool eof, int64_t deadline_ms,
                     struct err *err)
{
    pthread_mutex_lock(&p->lock);
    int rc;
    while ((rc = stdin_refusal(p, err)) == 0 && p->pending_len > STDIN_PENDING_BYTES)
        if (proc_wait_change(p, &p->changed, deadline_ms, NULL, NULL, NULL) == WAIT_DEADLINE) {
            rc = err_set(err, ERR_TIMEOUT, 0, "process %s does not read its stdin", p->id);
            break;
        }
    if (rc == 0 && len > 0)
        rc = queue_stdin(p, data, len, err);
    if (rc == 0) {
        p->stdin_eof_wanted = eof;
        /* A terminal that is not there yet gets its bytes when the keeper has sent it. */
        if (p->streams[SLOT_IN].source.fd >= 0) {
            serve_stdin(p);
            pthread_cond_broadcast(&p->changed);
        }
    }
    pthread_mutex_unlock(&p->lock);
    return rc;
}

/* ---- opening ------------------------------------------------------------------------- */

static int make_pipe(struct stream *s, int *child_end, struct err *err)
{
    int ends[2];
    bool in = s->slot == SLOT_IN;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return err_set(err, errno == EMFILE || errno == ENFILE ? ERR_LIMIT : ERR_IO, errno, "make a pipe");
    int ours = in ? ends[1] : ends[0];
    *child_end = in ? ends[0] : ends[1];
    /* Only our end: the child's is its own file description and must block as usual. */
    (void) fcntl(ours, F_SETFL, (in ? O_WRONLY : O_RDONLY) | O_NONBLOCK);
    s->source = (struct source) { .fd = ours, .ready = in ? in_ready : out_ready };
    return 0;
}

int proc_open_streams(struct proc *p, int *child_fds, size_t *child_fd_count, struct err *err)
{
    *child_fd_count = 0;
    for (enum stream_slot slot = 0; slot < SLOTS; slot++)
        p->streams[slot] = (struct stream) { .source = { .fd = -1, .ready = out_ready }, .proc = p,
                                             .slot = slot };
    p->streams[SLOT_IN].source.ready = in_ready;
    if (p->pty) {
        p->view.stdin_open = true;
        return 0;
    }
    static const enum stream_slot order[] = { SLOT_IN, SLOT_OUT, SLOT_ERR };
    for (size_t i = p->stdin_is_pipe ? 0 : 1; i < 3; i++) {
        struct stream *s = &p->streams[order[i]];
        if (make_pipe(s, &child_fds[*child_fd_count], err) != 0)
            return -1;
        ++*child_fd_count;
    }
    p->view.stdin_open = p->stdin_is_pipe;
    return 0;
}

/* Without a descriptor for it nobody has the terminal any more: that hangs up, which ends the process as a rule. */
static void give_terminal_up(struct proc *p)
{
    pthread_mutex_lock(&p->lock);
    p->view.stdin_open = false;
    pthread_mutex_unlock(&p->lock);
    pthread_cond_broadcast(&p->changed);
}

void proc_adopt_pty(struct proc *p, int master)
{
    if (master < 0) {
        give_terminal_up(p);
        return;
    }
    (void) fcntl(master, F_SETFL, O_RDWR | O_NONBLOCK);
    pthread_mutex_lock(&p->lock);
    p->streams[SLOT_OUT].source.fd = master;
    p->streams[SLOT_IN].source.fd = fcntl(master, F_DUPFD_CLOEXEC, 3);
    p->stdin_writable_watched = false;
    CHECK(reactor_add(reactor_of(p), &p->streams[SLOT_OUT].source, EPOLLIN, NULL) == 0);
    if (p->streams[SLOT_IN].source.fd >= 0) {
        CHECK(reactor_add(reactor_of(p), &p->streams[SLOT_IN].source, 0, NULL) == 0);
        serve_stdin(p);
        pthread_cond_broadcast(&p->changed);
    }
    pthread_mutex_unlock(&p->lock);
}

int proc_resize(struct proc *p, unsigned short rows, unsigned short cols, struct err *err)
{
    struct winsize size = { .ws_row = rows, .ws_col = cols };
    pthread_mutex_lock(&p->lock);
    int fd = p->pty ? p->streams[SLOT_OUT].source.fd : -1;
    int rc = 0;
    if (fd < 0)
        rc = err_set(err, ERR_CONFLICT, 0, "process %s has no terminal", p->id);
    else if (ioctl(fd, TIOCSWINSZ, &size) != 0)
        rc = err_set(err, ERR_IO, errno, "resize the terminal of process %s", p->id);
    pthread_mutex_unlock(&p->lock);
    return rc;
}
