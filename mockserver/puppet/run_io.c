/* Steps that write and read the standard streams. */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/jsonw.h"
#include "puppet/run_priv.h"
#include "puppet/wait.h"

/* The streams are shared with others (a terminal, a pipe that a fork keeps), so they stay blocking.  A pipe that
   poll calls writable takes at least this much without blocking; bigger writes would hold back the handlers. */
#define PIECE_BYTES PIPE_BUF
#define READ_PIECE  65536
/* With a rate and no chunk: so many pieces a second, of equal size. */
#define PIECES_PER_S 20
#define SHOWN_BYTES  200
#define NS_PER_S     1000000000.0

/* ---- writing ------------------------------------------------------------------------ */

/* false: nobody takes it any more. */
static bool write_piece(struct puppet *p, const struct step *step, int fd, const char *data, size_t len)
{
    while (len > 0) {
        wait_for_fd(p, fd, POLLOUT);
        ssize_t n = write(fd, data, len < PIECE_BYTES ? len : PIECE_BYTES);
        if (n >= 0) {
            data += n;
            len -= (size_t) n;
            continue;
        }
        /* Who gets here with EPIPE has caught or ignored PIPE; EIO: the terminal was hung up. */
        if (errno == EPIPE || errno == EIO)
            return false;
        if (errno != EINTR && errno != EAGAIN)
            puppet_fail(step, errno, "cannot write");
    }
    return true;
}

void run_io_write(struct puppet *p, const struct step *step, int fd, const char *data, size_t len)
{
    write_piece(p, step, fd, data, len);
}

/* `len` bytes of the endless repetition of `text`, from `offset` on. */
static void fill(char *out, size_t len, const struct buf *text, size_t offset)
{
    size_t first = text->len - offset, done = 0;
    if (first > len)
        first = len;
    memcpy(out, text->data + offset, first);
    done = first;
    size_t rest = offset < len - done ? offset : len - done;
    memcpy(out + done, text->data, rest);
    done += rest;
    /* One whole period is there; doubling it keeps the phase. */
    while (done < len) {
        size_t more = done < len - done ? done : len - done;
        memcpy(out + done, out, more);
        done += more;
    }
}

/* The pace of an output with a rate; it counts from the start, so that late pieces are made up for. */
struct pace {
    int64_t start_ns;
    int64_t slept_ms, start_ms; /* by the controller's clock; -1: it does not tell its time */
};

static void keep_manual_pace(struct puppet *p, const struct step *step, struct pace *pace, int64_t due_ms)
{
    if (due_ms <= pace->slept_ms)
        return;
    if (pace->start_ms >= 0) {
        control_sleep_until(p, step, pace->start_ms + due_ms);
    } else {
        int64_t at_ms = control_sleep_ms(p, step, due_ms - pace->slept_ms);
        pace->start_ms = at_ms >= due_ms ? at_ms - due_ms : -1;
    }
    pace->slept_ms = due_ms;
}

static void keep_pace(struct puppet *p, const struct step *step, struct pace *pace, int64_t written)
{
    double seconds = (double) written / (double) step->as.out.rate;
    if (p->is_clock_manual)
        keep_manual_pace(p, step, pace, (int64_t) (seconds * 1000));
    else
        wait_until(p, pace->start_ns + (int64_t) (seconds * NS_PER_S / p->scale));
}

static int64_t chunk_of(const struct step_out *out)
{
    if (out->chunk > 0)
        return out->chunk;
    if (out->rate == 0)
        return PIECE_BYTES;
    int64_t chunk = out->rate / PIECES_PER_S;
    return chunk < 1 ? 1 : chunk;
}

static bool write_chunk(struct puppet *p, const struct step *step, int64_t at, int64_t len)
{
    char piece[PIECE_BYTES];
    while (len > 0) {
        size_t n = len < PIECE_BYTES ? (size_t) len : PIECE_BYTES;
        fill(piece, n, &step->text, (size_t) (at % (int64_t) step->text.len));
        if (!write_piece(p, step, step->as.out.fd, piece, n))
            return false;
        at += (int64_t) n;
        len -= (int64_t) n;
    }
    return true;
}

void run_out(struct puppet *p, const struct step *step)
{
    const struct step_out *out = &step->as.out;
    int64_t total = (int64_t) step->text.len * out->repeat, chunk = chunk_of(out);
    struct pace pace = { .start_ns = mono_ns(), .start_ms = -1 };
    for (int64_t at = 0; at < total;) {
        int64_t len = chunk < total - at ? chunk : total - at;
        if (!write_chunk(p, step, at, len))
            return;
        at += len;
        if (out->rate > 0)
            keep_pace(p, step, &pace, at);
    }
}

/* ---- reading ------------------------------------------------------------------------ */

/* Up to `len` bytes, at least one; 0 at the end. */
static size_t read_some(struct puppet *p, const struct step *step, char *out, size_t len)
{
    for (;;) {
        wait_for_fd(p, STDIN_FILENO, POLLIN);
        ssize_t n = read(STDIN_FILENO, out, len);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        /* A closed stdin, or a terminal that was hung up, has nothing more to give. */
        if (n < 0 && errno != EBADF && errno != EIO)
            puppet_fail(step, errno, "cannot read");
        return n > 0 ? (size_t) n : 0;
    }
}

static void echo(struct puppet *p, const struct step *step, const char *data, size_t len)
{
    if (step->as.read.echo)
        run_io_write(p, step, STDOUT_FILENO, data, len);
}

/* How many bytes can be read without blocking. */
static size_t bytes_ready(void)
{
    int ready = 0;
    return ioctl(STDIN_FILENO, FIONREAD, &ready) == 0 && ready > 0 ? (size_t) ready : 0;
}

/* Byte by byte, as shells do it: what follows the line belongs to the next reader, which may be a fork. */
static size_t read_line(struct puppet *p, const struct step *step)
{
    char piece[PIECE_BYTES];
    size_t len = 0, total = 0, ready = 0;
    for (bool is_over = false; !is_over;) {
        ssize_t n = 0;
        if (ready > 0)
            n = read(STDIN_FILENO, piece + len, 1);
        if (n <= 0) {
            n = (ssize_t) read_some(p, step, piece + len, 1);
            ready = bytes_ready() + 1;
        }
        ready--;
        is_over = n == 0 || piece[len] == '\n';
        len += (size_t) n;
        if (is_over || len == sizeof piece) {
            echo(p, step, piece, len);
            total += len;
            len = 0;
        }
    }
    return total;
}

/* At most `limit` bytes, each passed on as it comes. */
static size_t read_bytes(struct puppet *p, const struct step *step, int64_t limit)
{
    char piece[READ_PIECE];
    int64_t total = 0;
    while (total < limit) {
        int64_t left = limit - total;
        size_t n = read_some(p, step, piece, left < READ_PIECE ? (size_t) left : READ_PIECE);
        if (n == 0)
            break;
        echo(p, step, piece, n);
        total += (int64_t) n;
    }
    return (size_t) total;
}

void run_read(struct puppet *p, const struct step *step)
{
    size_t got = 0;
    switch (step->as.read.how) {
    case READ_LINE: got = read_line(p, step); break;
    case READ_BYTES: got = read_bytes(p, step, step->number); break;
    case READ_EOF: read_bytes(p, step, INT64_MAX); break;
    }
    p->stdin_ended = got == 0;
}

_Noreturn static void unexpected(const struct step *step, const char *got, size_t len, bool is_end)
{
    BUF_AUTO wanted = BUF_INIT, shown = BUF_INIT;
    json_escape(&wanted, step->text.data, step->text.len < SHOWN_BYTES ? step->text.len : SHOWN_BYTES);
    json_escape(&shown, got, len < SHOWN_BYTES ? len : SHOWN_BYTES);
    dprintf(STDERR_FILENO, "standbox-puppet: %s: expected \"%s\", got \"%s\"%s\n", step->where, buf_cstr(&wanted),
            buf_cstr(&shown), is_end ? " and the end of the input" : "");
    _exit(PUPPET_EXIT_UNEXPECTED);
}

/* Compares as the bytes come: who sends too little and something else must not be waited for. */
void run_expect(struct puppet *p, const struct step *step)
{
    BUF_AUTO got = BUF_INIT;
    while (got.len < step->text.len) {
        size_t left = step->text.len - got.len;
        char *room = buf_reserve(&got, left);
        if (room == NULL)
            puppet_fail(step, ENOMEM, "input");
        size_t n = read_some(p, step, room, left);
        if (n == 0 || memcmp(room, step->text.data + got.len, n) != 0)
            unexpected(step, got.data, got.len + n, n == 0);
        got.len += n;
    }
}
