#include "bench/hconn.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define RX_BYTES       (256u * 1024u)
#define HEAD_MAX       16384
#define CALL_TIMEOUT_S 60

static char rx[RX_BYTES]; /* one thread receives: see the header */

/* ---- connecting ---------------------------------------------------------------------- */

static int connect_socket(struct hconn *c, struct err *err)
{
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        return err_set(err, ERR_IO, errno, "make a socket");
    int on = 1;
    struct timeval limit = { .tv_sec = CALL_TIMEOUT_S };
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (connect(c->fd, (const struct sockaddr *) &c->address, sizeof c->address) != 0) {
        err_set(err, ERR_IO, errno, "connect to the server");
        hconn_close(c);
        return -1;
    }
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };
    if (c->epoll_fd >= 0 && epoll_ctl(c->epoll_fd, EPOLL_CTL_ADD, c->fd, &event) != 0) {
        err_set(err, ERR_IO, errno, "watch a connection");
        hconn_close(c);
        return -1;
    }
    return 0;
}

int hconn_open(struct hconn *c, const struct sockaddr_in *address, int epoll_fd, const struct hconn_events *events,
               void *arg, struct err *err)
{
    *c = (struct hconn){ .fd = -1, .epoll_fd = epoll_fd, .address = *address, .events = events, .arg = arg };
    return connect_socket(c, err);
}

void hconn_close(struct hconn *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    c->state = HC_IDLE;
    buf_fini(&c->head);
}

static int send_whole(struct hconn *c, const void *request, size_t len)
{
    ssize_t n = send(c->fd, request, len, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n >= 0 && (size_t) n < len)
        errno = EMSGSIZE;
    return n == (ssize_t) len ? 0 : -1;
}

int hconn_send(struct hconn *c, const void *request, size_t len, struct err *err)
{
    if (c->fd < 0 && connect_socket(c, err) != 0)
        return -1;
    if (send_whole(c, request, len) != 0)
        return err_set(err, ERR_IO, errno, "send a request");
    buf_clear(&c->head);
    c->state = HC_HEAD;
    return 0;
}

/* ---- the answer ---------------------------------------------------------------------- */

static void break_off(struct hconn *c, const char *why)
{
    hconn_close(c);
    c->events->broken(c, why);
}

static void finish(struct hconn *c)
{
    c->state = HC_IDLE;
    if (c->closes)
        hconn_close(c);
    c->events->complete(c);
}

static const char *header_value(const char *head, const char *name)
{
    size_t len = strlen(name);
    for (const char *line = strstr(head, "\r\n"); line != NULL; line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, name, len) == 0 && line[len] == ':')
            return line + len + 1 + strspn(line + len + 1, " \t");
    }
    return NULL;
}

static bool value_is(const char *value, const char *word)
{
    return value != NULL && strncasecmp(value, word, strlen(word)) == 0;
}

/* The head is complete in c->head, NUL-terminated at its end.  False: not an answer we understand. */
static bool take_head(struct hconn *c)
{
    const char *head = buf_cstr(&c->head);
    if (strncmp(head, "HTTP/1.", 7) != 0 || strlen(head) < 12)
        return false;
    c->status = (int) strtol(head + 9, NULL, 10);
    c->closes = value_is(header_value(head, "Connection"), "close");
    const char *length = header_value(head, "Content-Length");
    c->line_len = 0;
    c->left = 0;
    if (value_is(header_value(head, "Transfer-Encoding"), "chunked")) {
        c->state = HC_CHUNK_SIZE;
        return true;
    }
    if (length == NULL)
        return false;
    c->left = strtoull(length, NULL, 10);
    c->state = HC_LENGTH;
    return true;
}

/* Each step takes some of the bytes and says how many; -1: nonsense. */
static ssize_t step_head(struct hconn *c, const char *data, size_t len)
{
    size_t before = c->head.len;
    buf_add(&c->head, data, len);
    const char *text = buf_cstr(&c->head);
    const char *end = strstr(text + (before < 3 ? 0 : before - 3), "\r\n\r\n");
    if (end == NULL)
        return c->head.len > HEAD_MAX ? -1 : (ssize_t) len;
    size_t used = (size_t) (end - text) + 4;
    c->head.len = used;
    c->head.data[used] = '\0';
    return take_head(c) ? (ssize_t) (used - before) : -1;
}

static int hex_digit(char ch)
{
    if (ch >= '0' && ch <= '9')
        return ch - '0';
    char lower = (char) (ch | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

static ssize_t step_chunk_size(struct hconn *c, const char *data, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (data[i] == '\n') {
            c->state = c->left == 0 ? HC_TRAILER : HC_CHUNK_DATA;
            c->line_len = 0;
            return (ssize_t) i + 1;
        }
        int digit = hex_digit(data[i]);
        if (digit >= 0)
            c->left = c->left * 16 + (uint64_t) digit;
        else if (data[i] != '\r')
            return -1;
    }
    return (ssize_t) len;
}

static ssize_t step_data(struct hconn *c, const char *data, size_t len)
{
    size_t take = len < c->left ? len : (size_t) c->left;
    c->left -= take;
    c->events->body(c, data, take);
    if (c->left == 0 && c->state == HC_CHUNK_DATA)
        c->state = HC_CHUNK_END;
    return (ssize_t) take;
}

static ssize_t step_chunk_end(struct hconn *c, const char *data, size_t len)
{
    (void) len;
    if (*data == '\n')
        c->state = HC_CHUNK_SIZE;
    return *data == '\n' || *data == '\r' ? 1 : -1;
}

/* Trailer lines until an empty one, which ends the answer. */
static ssize_t step_trailer(struct hconn *c, const char *data, size_t len)
{
    (void) len;
    if (*data == '\n' && c->line_len == 0)
        c->state = HC_IDLE;
    c->line_len = *data == '\n' ? 0 : c->line_len + (*data != '\r');
    return 1;
}

static ssize_t step_idle(struct hconn *c, const char *data, size_t len)
{
    (void) c, (void) data, (void) len;
    return -1; /* bytes that nobody asked for */
}

static ssize_t (*const steps[])(struct hconn *c, const char *data, size_t len) = {
    [HC_IDLE] = step_idle,       [HC_HEAD] = step_head,
    [HC_LENGTH] = step_data,     [HC_CHUNK_SIZE] = step_chunk_size,
    [HC_CHUNK_DATA] = step_data, [HC_CHUNK_END] = step_chunk_end,
    [HC_TRAILER] = step_trailer,
};

static void feed(struct hconn *c, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t used = steps[c->state](c, data, len);
        if (used < 0) {
            break_off(c, "an answer that is not HTTP as expected");
            return;
        }
        data += used;
        len -= (size_t) used;
        bool ended = c->state == HC_IDLE || (c->state == HC_LENGTH && c->left == 0);
        if (ended && len > 0) {
            break_off(c, "more bytes than the answer has");
            return;
        }
        if (ended)
            finish(c);
    }
}

static void receive(struct hconn *c, int flags)
{
    ssize_t n = recv(c->fd, rx, sizeof rx, flags);
    if (n > 0) {
        feed(c, rx, (size_t) n);
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR) || flags == 0) {
        if (c->state == HC_IDLE)
            hconn_close(c); /* an idle connection may go; the next request opens another */
        else
            break_off(c, n == 0 ? "the server closed the connection" : strerror(errno));
    }
}

int hconn_serve(int epoll_fd, int timeout_ms, struct err *err)
{
    struct epoll_event events[64];
    int n;
    while ((n = epoll_wait(epoll_fd, events, 64, timeout_ms)) < 0 && errno == EINTR)
        ;
    if (n < 0)
        return err_set(err, ERR_IO, errno, "wait for the server");
    for (int i = 0; i < n; i++) {
        struct hconn *c = events[i].data.ptr;
        if (c->fd >= 0)
            receive(c, MSG_DONTWAIT);
    }
    return n;
}

/* ---- one call ------------------------------------------------------------------------ */

struct call {
    struct buf *body;
    bool over;
    const char *broken;
};

static void call_body(struct hconn *c, const char *data, size_t len)
{
    struct call *call = c->arg;
    buf_add(call->body, data, len);
}

static void call_complete(struct hconn *c)
{
    ((struct call *) c->arg)->over = true;
}

static void call_broken(struct hconn *c, const char *why)
{
    struct call *call = c->arg;
    call->over = true;
    call->broken = why;
}

int hconn_call(const struct sockaddr_in *address, const void *request, size_t len, struct buf *out_body,
               struct err *err)
{
    static const struct hconn_events events = { call_body, call_complete, call_broken };
    struct call call = { .body = out_body };
    struct hconn c;
    if (hconn_open(&c, address, -1, &events, &call, err) != 0)
        return -1;
    int rc = hconn_send(&c, request, len, err);
    while (rc == 0 && !call.over)
        receive(&c, 0);
    int status = c.status;
    hconn_close(&c);
    if (rc == 0 && call.broken != NULL)
        rc = err_set(err, ERR_IO, 0, "%s", call.broken);
    return rc == 0 ? status : -1;
}

void hconn_make_request(struct buf *out, const char *method, const char *path, const char *auth, const char *accept,
                        const char *body)
{
    buf_printf(out, "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\n%s\r\nAccept: %s\r\n", method, path, auth, accept);
    if (body != NULL)
        buf_printf(out, "Content-Type: application/json\r\nContent-Length: %zu\r\n", strlen(body));
    buf_printf(out, "\r\n%s", body == NULL ? "" : body);
}
