#include "bench/gconn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define WINDOW       (16 << 20)
#define INPUT_BYTES  (256 << 10)
#define OUTPUT_LIMIT (256 << 10)
#define PREFIX_BYTES 5

struct gcall {
    struct gconn *conn;
    struct gcall *next;
    int32_t id;
    const struct gcall_events *events;
    void *arg;
    struct buf out; /* of DATA frames, not sent yet */
    size_t out_at;
    bool out_end, is_waiting; /* ... then END_STREAM; nghttp2 was told that there is nothing now */
    struct buf in;            /* of a message that is not whole yet */
    int status;
};

struct gconn {
    int fd;
    nghttp2_session *session;
    struct gcall *calls;
    char authority[40];
    struct buf out;
    size_t out_at;
    char input[INPUT_BYTES];
};

/* ---- messages ------------------------------------------------------------------------ */

static void put_message(struct buf *out, const void *message, size_t len)
{
    const char prefix[PREFIX_BYTES] = { 0, (char) (len >> 24), (char) (len >> 16), (char) (len >> 8), (char) len };
    buf_add(out, prefix, sizeof prefix);
    buf_add(out, message, len);
}

static size_t message_len(const char *at)
{
    const unsigned char *p = (const unsigned char *) at;
    return (size_t) p[1] << 24 | (size_t) p[2] << 16 | (size_t) p[3] << 8 | p[4];
}

/* Hand on what is whole of these bytes; returns how many were. */
static size_t hand_on(struct gcall *call, const char *data, size_t len)
{
    size_t at = 0;
    while (len - at >= PREFIX_BYTES && len - at - PREFIX_BYTES >= message_len(data + at)) {
        size_t size = message_len(data + at);
        call->events->message(call->arg, call, data + at + PREFIX_BYTES, size);
        at += PREFIX_BYTES + size;
    }
    return at;
}

static void take_data(struct gcall *call, const char *data, size_t len)
{
    if (call->in.len == 0) {
        size_t used = hand_on(call, data, len);
        buf_add(&call->in, data + used, len - used);
        return;
    }
    buf_add(&call->in, data, len);
    size_t used = hand_on(call, call->in.data, call->in.len);
    memmove(call->in.data, call->in.data + used, call->in.len - used);
    call->in.len -= used;
}

/* ---- nghttp2's callbacks ------------------------------------------------------------- */

static ssize_t write_out(nghttp2_session *session, const uint8_t *data, size_t len, int flags, void *arg)
{
    struct gconn *c = arg;
    (void) session;
    (void) flags;
    if (c->out.len - c->out_at > OUTPUT_LIMIT)
        return NGHTTP2_ERR_WOULDBLOCK;
    buf_add(&c->out, data, len);
    return (ssize_t) len;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_len,
                     const uint8_t *value, size_t value_len, uint8_t flags, void *arg)
{
    struct gcall *call = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    (void) flags;
    (void) arg;
    if (call != NULL && name_len == strlen("grpc-status") && memcmp(name, "grpc-status", name_len) == 0)
        call->status = value_len > 0 ? (int) strtol((const char *) value, NULL, 10) : -1; /* values end in NUL */
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data, size_t len, void *arg)
{
    struct gcall *call = nghttp2_session_get_stream_user_data(session, id);
    (void) flags;
    (void) arg;
    if (call != NULL)
        take_data(call, (const char *) data, len);
    return 0;
}

static void forget(struct gcall *call)
{
    struct gcall **at = &call->conn->calls;
    while (*at != call)
        at = &(*at)->next;
    *at = call->next;
    buf_fini(&call->out);
    buf_fini(&call->in);
    free(call);
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t code, void *arg)
{
    struct gcall *call = nghttp2_session_get_stream_user_data(session, id);
    char why[60];
    (void) arg;
    if (call == NULL)
        return 0;
    snprintf(why, sizeof why, "HTTP/2 code %u, grpc-status %d", code, call->status);
    call->events->closed(call->arg, call->status, why);
    forget(call);
    return 0;
}

static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *buf, size_t max, uint32_t *flags,
                         nghttp2_data_source *source, void *arg)
{
    struct gcall *call = source->ptr;
    size_t left = call->out.len - call->out_at, n = left < max ? left : max;
    (void) session;
    (void) id;
    (void) arg;
    if (n > 0)
        memcpy(buf, call->out.data + call->out_at, n);
    call->out_at += n;
    if (call->out_at == call->out.len) {
        buf_clear(&call->out);
        call->out_at = 0;
        if (call->out_end)
            *flags |= NGHTTP2_DATA_FLAG_EOF;
    }
    call->is_waiting = n == 0 && !call->out_end;
    return call->is_waiting ? NGHTTP2_ERR_DEFERRED : (ssize_t) n;
}

/* ---- connections --------------------------------------------------------------------- */

static int make_session(struct gconn *c)
{
    nghttp2_session_callbacks *callbacks;
    const nghttp2_settings_entry settings[] = { { NGHTTP2_SETTINGS_ENABLE_PUSH, 0 },
                                                { NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW } };
    if (nghttp2_session_callbacks_new(&callbacks) != 0)
        return -1;
    nghttp2_session_callbacks_set_send_callback(callbacks, write_out);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    int rc = nghttp2_session_client_new(&c->session, callbacks, c);
    nghttp2_session_callbacks_del(callbacks);
    if (rc == 0)
        rc = nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, settings, sizeof settings / sizeof *settings);
    return rc == 0 ? nghttp2_session_set_local_window_size(c->session, NGHTTP2_FLAG_NONE, 0, WINDOW) : rc;
}

static int dial(const struct sockaddr_in *address)
{
    int yes = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *) address, sizeof *address) != 0 ||
        fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
        return fd < 0 ? -1 : (close(fd), -1);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    return fd;
}

struct gconn *gconn_open(const struct sockaddr_in *address, struct err *err)
{
    char host[INET_ADDRSTRLEN] = "";
    struct gconn *c = calloc(1, sizeof *c);
    if (c == NULL) {
        err_set(err, ERR_NOMEM, 0, "a connection");
        return NULL;
    }
    inet_ntop(AF_INET, &address->sin_addr, host, sizeof host);
    snprintf(c->authority, sizeof c->authority, "%s:%d", host, ntohs(address->sin_port));
    c->fd = dial(address);
    if (c->fd < 0)
        err_set(err, ERR_IO, errno, "connect to %s", c->authority);
    else if (make_session(c) != 0)
        err_set(err, ERR_NOMEM, 0, "an HTTP/2 session");
    else
        return c;
    gconn_close(c);
    return NULL;
}

void gconn_close(struct gconn *c)
{
    if (c == NULL)
        return;
    while (c->calls != NULL)
        forget(c->calls);
    nghttp2_session_del(c->session);
    if (c->fd >= 0)
        close(c->fd);
    buf_fini(&c->out);
    free(c);
}

#define FIELD(name, value) \
    { (uint8_t *) (name), (uint8_t *) (value), sizeof(name) - 1, strlen(value), NGHTTP2_NV_FLAG_NO_COPY_NAME }

struct gcall *gconn_call(struct gconn *c, const char *path, const void *message, size_t len, bool end,
                         const struct gcall_events *events, void *arg)
{
    const nghttp2_nv head[] = { FIELD(":method", "POST"), FIELD(":scheme", "http"), FIELD(":path", path),
                                FIELD(":authority", c->authority), FIELD("content-type", "application/grpc"),
                                FIELD("te", "trailers"), FIELD("authorization", "Bearer bench") };
    struct gcall *call = calloc(1, sizeof *call);
    if (call == NULL)
        return NULL;
    *call = (struct gcall){ .conn = c, .next = c->calls, .events = events, .arg = arg, .out_end = end, .status = -1 };
    c->calls = call;
    put_message(&call->out, message, len);
    nghttp2_data_provider body = { .source.ptr = call, .read_callback = read_body };
    call->id = nghttp2_submit_request(c->session, NULL, head, sizeof head / sizeof *head, &body, call);
    if (call->id > 0)
        return call;
    forget(call);
    return NULL;
}

void gcall_send(struct gcall *call, const void *message, size_t len, bool end)
{
    put_message(&call->out, message, len);
    call->out_end = end;
    if (call->is_waiting) {
        call->is_waiting = false;
        nghttp2_session_resume_data(call->conn->session, call->id);
    }
}

size_t gcall_unsent(const struct gcall *call)
{
    return call->out.len - call->out_at;
}

/* ---- moving bytes -------------------------------------------------------------------- */

static int flush(struct gconn *c, struct err *err)
{
    int moved = 0;
    int rc = nghttp2_session_send(c->session);
    if (rc != 0)
        return err_set(err, ERR_INTERNAL, 0, "nghttp2: %s", nghttp2_strerror(rc));
    while (c->out_at < c->out.len) {
        ssize_t n = send(c->fd, c->out.data + c->out_at, c->out.len - c->out_at, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return moved;
        if (n < 0)
            return err_set(err, ERR_IO, errno, "send");
        c->out_at += (size_t) n;
        moved += (int) n;
    }
    buf_clear(&c->out);
    c->out_at = 0;
    return moved;
}

static int take_input(struct gconn *c, struct err *err)
{
    ssize_t n = recv(c->fd, c->input, sizeof c->input, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n <= 0)
        return err_set(err, n < 0 ? ERR_IO : ERR_CLOSED, n < 0 ? errno : 0, "receive");
    ssize_t used = nghttp2_session_mem_recv(c->session, (const uint8_t *) c->input, (size_t) n);
    if (used < 0)
        return err_set(err, ERR_INVALID, 0, "nghttp2: %s", nghttp2_strerror((int) used));
    return (int) n;
}

int gconn_serve(struct gconn *c, int timeout_ms, struct err *err)
{
    int sent = flush(c, err);
    if (sent < 0)
        return -1;
    short wanted = POLLIN;
    if (c->out_at < c->out.len || nghttp2_session_want_write(c->session))
        wanted |= POLLOUT;
    struct pollfd ready = { .fd = c->fd, .events = wanted };
    int n = poll(&ready, 1, sent > 0 ? 0 : timeout_ms);
    if (n < 0 && errno != EINTR)
        return err_set(err, ERR_IO, errno, "poll");
    int got = n > 0 && (ready.revents & ~POLLOUT) != 0 ? take_input(c, err) : 0;
    int answered = got < 0 ? -1 : flush(c, err);
    return answered < 0 ? -1 : sent + got + answered + (n > 0);
}
