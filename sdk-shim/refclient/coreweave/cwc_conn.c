/* The socket, the thread, and what callers leave for it. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cwc_conn_priv.h"
#include "cwc_mutants.h"

#define ROOM_BYTES ((size_t) 1 << 20) /* queued to go out, before a writer waits */
#define GOODBYE_MS 500                /* for a peer to read the last words */

/* ------------------------------------------------------------------- thread */

static void wake(struct cwc_conn *conn)
{
    char c = 0;
    ssize_t ignored = write(conn->wake[1], &c, 1);
    (void) ignored; /* a full pipe wakes as well */
}

static void keep_deadlines(struct cwc_conn *conn)
{
    for (struct cwc_call *call = conn->calls; call != NULL; call = call->next) {
        if (call->is_over || call->deadline_ms == 0 || sbc_now_ms() < call->deadline_ms)
            continue;
        cwc_h2_end(call, CWC_STATUS_DEADLINE_EXCEEDED, true, "Deadline Exceeded");
        call->wants_reset = call->has_news = !CWC_MUTANT(no_reset_on_deadline);
    }
}

static int next_deadline(const struct cwc_conn *conn)
{
    int64_t now = sbc_now_ms(), wait = conn->is_closing ? conn->closing_ms + GOODBYE_MS - now : INT_MAX;
    bool is_bounded = conn->is_closing;
    wait = wait > 0 ? wait : 0;
    for (const struct cwc_call *call = conn->calls; call != NULL; call = call->next) {
        if (call->is_over || call->deadline_ms == 0)
            continue;
        int64_t left = call->deadline_ms > now ? call->deadline_ms - now : 0;
        wait = left < wait ? left : wait;
        is_bounded = true;
    }
    return is_bounded ? (int) wait : -1;
}

static void apply_news(struct cwc_conn *conn)
{
    for (struct cwc_call *call = conn->calls; call != NULL; call = call->next)
        if (call->has_news)
            cwc_h2_apply(conn, call);
}

/* What the session has to say, until the socket takes no more; -1: broken. */
static int flush_out(struct cwc_conn *conn)
{
    for (;;) {
        if (conn->out_at == conn->out.size) {
            const uint8_t *bytes;
            ssize_t size = nghttp2_session_mem_send(conn->session, &bytes);
            if (size <= 0)
                return size < 0 ? -1 : 0;
            sbc_buf_drop(&conn->out, conn->out.size);
            conn->out_at = 0;
            sbc_buf_add(&conn->out, bytes, (size_t) size);
        }
        ssize_t sent = send(conn->fd, conn->out.data + conn->out_at, conn->out.size - conn->out_at, MSG_NOSIGNAL);
        if (sent < 0)
            return errno == EAGAIN || errno == EINTR ? 0 : -1;
        conn->out_at += (size_t) sent;
    }
}

/* Not more at once: deadlines and callers have their turn however much comes. */
static int take_in(struct cwc_conn *conn)
{
    static _Thread_local uint8_t bytes[65536];
    ssize_t size = recv(conn->fd, bytes, sizeof bytes, 0);
    if (size < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    return size == 0 || nghttp2_session_mem_recv(conn->session, bytes, (size_t) size) < 0 ? -1 : 0;
}

/* One turn: say, wait, hear.  -1: the connection is over. */
static int turn(struct cwc_conn *conn)
{
    keep_deadlines(conn);
    apply_news(conn);
    if (flush_out(conn) < 0)
        return -1;
    bool is_busy = conn->out_at < conn->out.size;
    if (conn->is_closing && (!is_busy || sbc_now_ms() - conn->closing_ms >= GOODBYE_MS))
        return -1;
    if (nghttp2_session_want_read(conn->session) == 0 && !is_busy && nghttp2_session_want_write(conn->session) == 0)
        return -1;
    struct pollfd fds[] = { { conn->fd, (short) (POLLIN | (is_busy ? POLLOUT : 0)), 0 }, { conn->wake[0], POLLIN, 0 } };
    int wait = next_deadline(conn);
    pthread_mutex_unlock(&conn->lock);
    poll(fds, 2, wait);
    char drop[256];
    while (fds[1].revents != 0 && read(conn->wake[0], drop, sizeof drop) == (ssize_t) sizeof drop)
        continue;
    pthread_mutex_lock(&conn->lock);
    return fds[0].revents != 0 ? take_in(conn) : 0;
}

static void *serve(void *arg)
{
    struct cwc_conn *conn = arg;
    pthread_mutex_lock(&conn->lock);
    while (turn(conn) == 0)
        continue;
    conn->is_over = conn->is_leaving = true;
    for (struct cwc_call *call = conn->calls; call != NULL; call = call->next) {
        if (CWC_MUTANT(broken_connection_is_ok))
            cwc_h2_end(call, CWC_STATUS_OK, false, NULL);
        cwc_h2_end(call, CWC_STATUS_UNAVAILABLE, false, "the connection broke off");
    }
    pthread_mutex_unlock(&conn->lock);
    shutdown(conn->fd, SHUT_RDWR);
    return NULL;
}

/* --------------------------------------------------------------------- life */

static int finish_connect(int fd, int64_t timeout_ms)
{
    int problem = 0;
    socklen_t size = sizeof problem;
    struct pollfd wanted = { fd, POLLOUT, 0 };
    if (poll(&wanted, 1, (int) (timeout_ms > INT_MAX ? INT_MAX : timeout_ms)) <= 0)
        return ETIMEDOUT;
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &problem, &size);
    return problem;
}

static int dial(const struct addrinfo *at, int64_t timeout_ms, int *out_problem)
{
    int on = 1, fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    *out_problem = fd < 0 ? errno : 0;
    if (fd >= 0 && connect(fd, at->ai_addr, at->ai_addrlen) < 0)
        *out_problem = errno == EINPROGRESS ? finish_connect(fd, timeout_ms) : errno;
    if (*out_problem == 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        return fd;
    }
    if (fd >= 0)
        close(fd);
    return -1;
}

static int dial_any(const char *host, const char *port, int64_t timeout_ms, struct cwc_end *end)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list = NULL;
    int problem = 0, fd = -1, failed = getaddrinfo(host, port, &hints, &list);
    for (struct addrinfo *at = list; at != NULL && fd < 0; at = at->ai_next)
        fd = dial(at, timeout_ms, &problem);
    if (list != NULL)
        freeaddrinfo(list);
    if (fd < 0) {
        end->status = CWC_STATUS_UNAVAILABLE;
        end->message = sbc_text_format("failed to connect to %s:%s: %s", host, port,
                                       failed != 0 ? gai_strerror(failed) : strerror(problem));
    }
    return fd;
}

struct cwc_conn *cwc_conn_open(const char *host, const char *port, int64_t timeout_ms, struct cwc_end *end)
{
    int fd = dial_any(host, port, timeout_ms, end);
    if (fd < 0)
        return NULL;
    struct cwc_conn *conn = sbc_alloc(1, sizeof *conn);
    conn->fd = fd;
    if (pipe2(conn->wake, O_CLOEXEC | O_NONBLOCK) != 0)
        abort(); /* no descriptors left */
    pthread_mutex_init(&conn->lock, NULL);
    conn->session = cwc_h2_new(conn);
    if (pthread_create(&conn->thread, NULL, serve, conn) != 0)
        abort(); /* no threads left */
    return conn;
}

bool cwc_conn_is_open(struct cwc_conn *conn)
{
    pthread_mutex_lock(&conn->lock);
    bool is_open = !conn->is_leaving;
    pthread_mutex_unlock(&conn->lock);
    return is_open;
}

bool cwc_conn_is_dead(struct cwc_conn *conn)
{
    pthread_mutex_lock(&conn->lock);
    bool is_dead = conn->is_over && conn->calls == NULL;
    pthread_mutex_unlock(&conn->lock);
    return is_dead;
}

static void cancel(struct cwc_call *call)
{
    if (call->is_over)
        return;
    cwc_h2_end(call, CWC_STATUS_CANCELLED, true, "cancelled by the caller");
    call->wants_reset = call->has_news = true;
}

void cwc_conn_cancel(struct cwc_conn *conn)
{
    pthread_mutex_lock(&conn->lock);
    for (struct cwc_call *call = conn->calls; call != NULL; call = call->next)
        cancel(call);
    pthread_mutex_unlock(&conn->lock);
    wake(conn);
}

void cwc_conn_free(struct cwc_conn *conn)
{
    if (conn == NULL)
        return;
    pthread_mutex_lock(&conn->lock);
    conn->is_closing = true;
    conn->closing_ms = sbc_now_ms();
    if (!conn->is_over)
        nghttp2_session_terminate_session(conn->session, NGHTTP2_NO_ERROR);
    pthread_mutex_unlock(&conn->lock);
    wake(conn);
    pthread_join(conn->thread, NULL);
    nghttp2_session_del(conn->session);
    close(conn->fd);
    close(conn->wake[0]);
    close(conn->wake[1]);
    sbc_buf_free(&conn->out);
    pthread_mutex_destroy(&conn->lock);
    free(conn);
}

/* -------------------------------------------------------------------- calls */

static void init_cond(pthread_cond_t *cond)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attr);
    pthread_condattr_destroy(&attr);
}

struct cwc_call *cwc_call_begin(struct cwc_conn *conn, const struct cwc_call_options *options)
{
    struct cwc_call *call = sbc_alloc(1, sizeof *call);
    call->conn = conn;
    call->path = sbc_text_copy(options->path);
    call->authority = sbc_text_copy(options->authority);
    call->auth = sbc_text_copy(options->auth);
    call->max_message = options->max_message;
    if (options->timeout_ms > 0) {
        call->timeout = CWC_MUTANT(no_grpc_timeout) ? NULL : cwc_grpc_timeout(options->timeout_ms);
        call->deadline_ms = sbc_now_ms() + options->timeout_ms;
    }
    init_cond(&call->changed);
    pthread_mutex_lock(&conn->lock);
    call->next = conn->calls;
    conn->calls = call;
    call->has_news = true;
    if (conn->is_over)
        cwc_h2_end(call, CWC_STATUS_UNAVAILABLE, false, "the connection broke off");
    pthread_mutex_unlock(&conn->lock);
    wake(conn);
    return call;
}

void cwc_call_send(struct cwc_call *call, const struct sbc_buf *message)
{
    pthread_mutex_lock(&call->conn->lock);
    if (!call->is_over && !call->wants_end) {
        cwc_grpc_put_message(&call->out, message->data != NULL ? message->data : "", message->size);
        call->has_news = true;
    }
    pthread_mutex_unlock(&call->conn->lock);
    wake(call->conn);
}

void cwc_call_half_close(struct cwc_call *call)
{
    pthread_mutex_lock(&call->conn->lock);
    call->wants_end = call->has_news = true;
    pthread_mutex_unlock(&call->conn->lock);
    wake(call->conn);
}

bool cwc_call_wait_room(struct cwc_call *call)
{
    pthread_mutex_lock(&call->conn->lock);
    while (!call->is_over && call->out.size - call->out_at > ROOM_BYTES)
        pthread_cond_wait(&call->changed, &call->conn->lock);
    bool is_alive = !call->is_over;
    pthread_mutex_unlock(&call->conn->lock);
    return is_alive;
}

static void take_first(struct cwc_call *call, struct sbc_buf *out)
{
    struct cwc_message *message = call->first;
    sbc_buf_add(out, message->data, message->size);
    call->first = message->next;
    call->last = call->first == NULL ? NULL : call->last;
    call->kept -= message->size + CWC_PREFIX_BYTES;
    free(message);
}

/* False: not before `until_ms`. */
static bool wait_for_change(struct cwc_call *call, int64_t until_ms)
{
    struct timespec until = { until_ms / 1000, until_ms % 1000 * 1000000 };
    if (until_ms == 0)
        return pthread_cond_wait(&call->changed, &call->conn->lock) == 0;
    return pthread_cond_timedwait(&call->changed, &call->conn->lock, &until) != ETIMEDOUT;
}

int cwc_call_next(struct cwc_call *call, int64_t until_ms, struct sbc_buf *out)
{
    bool is_late = false, gives_back = false;
    int got = -1;
    pthread_mutex_lock(&call->conn->lock);
    while (call->first == NULL && !call->is_over && !is_late)
        is_late = !wait_for_change(call, until_ms);
    bool is_dropped = call->is_over && call->end.is_ours && call->end.status == CWC_STATUS_CANCELLED;
    if (call->first != NULL && !is_dropped) {
        take_first(call, out);
        gives_back = call->owed > 0 && call->kept <= CWC_KEPT_BYTES;
        call->has_news = call->has_news || gives_back; /* a writer's news may be there already */
        got = 1;
    } else if (call->is_over) {
        got = 0;
    }
    pthread_mutex_unlock(&call->conn->lock);
    if (gives_back)
        wake(call->conn);
    return got;
}

void cwc_call_cancel(struct cwc_call *call)
{
    pthread_mutex_lock(&call->conn->lock);
    cancel(call);
    pthread_mutex_unlock(&call->conn->lock);
    wake(call->conn);
}

const struct cwc_end *cwc_call_end(const struct cwc_call *call)
{
    return &call->end;
}

static void unlink_call(struct cwc_conn *conn, struct cwc_call *call)
{
    struct cwc_call **at = &conn->calls;
    while (*at != call)
        at = &(*at)->next;
    *at = call->next;
    if (call->stream <= 0 || conn->is_over)
        return;
    if (call->wants_reset)
        nghttp2_submit_rst_stream(conn->session, NGHTTP2_FLAG_NONE, call->stream, NGHTTP2_CANCEL);
    nghttp2_session_set_stream_user_data(conn->session, call->stream, NULL);
}

void cwc_call_free(struct cwc_call *call)
{
    if (call == NULL)
        return;
    struct cwc_conn *conn = call->conn;
    pthread_mutex_lock(&conn->lock);
    cancel(call);
    unlink_call(conn, call);
    pthread_mutex_unlock(&conn->lock);
    wake(conn);
    while (call->first != NULL) {
        struct cwc_message *message = call->first;
        call->first = message->next;
        free(message);
    }
    pthread_cond_destroy(&call->changed);
    sbc_buf_free(&call->out);
    sbc_buf_free(&call->in);
    cwc_end_clear(&call->end);
    cwc_end_clear(&call->told);
    free(call->path);
    free(call->authority);
    free(call->auth);
    free(call->timeout);
    free(call);
}
