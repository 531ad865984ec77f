/* One connection: its socket, bytes in and out, and the ways in which it ends. */
#include "transports/grpc_priv.h"

#include <errno.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define FULL_BYTES   262144u
#define READS_A_TURN 4               /* so that one client cannot keep the others waiting */
#define KEPT_BYTES   1048576u        /* of memory for what is written, when all of it is sent */
#define LINGER_MS    500
#define DRAIN_MS     1

/* ---- the end ---------------------------------------------------------------------------- */

static void free_conn(void *arg)
{
    struct grpc_conn *conn = arg;
    buf_fini(&conn->out);
    free(conn);
}

/* Freed only behind the running batch of events, which may have one for it. */
void conn_close(struct grpc_conn *conn, enum exchange_end end)
{
    struct grpc_server *server = conn->server;
    if (conn->state == CONN_CLOSED)
        return;
    conn->state = CONN_CLOSED;
    while (conn->calls != NULL)
        answer_close(conn->calls, end);
    session_close(conn);
    timer_cancel(server->reactor, &conn->patience);
    reactor_close(server->reactor, &conn->source);
    *(conn->prev == NULL ? &server->conns : &conn->prev->next) = conn->next;
    if (conn->next != NULL)
        conn->next->prev = conn->prev;
    atomic_fetch_sub(&server->open_connections, 1);
    conn->farewell = (struct reactor_job) { .fn = free_conn, .arg = conn };
    reactor_defer(server->reactor, &conn->farewell);
    server_note_closed(server);
}

static void watch(struct grpc_conn *conn, uint32_t events)
{
    if (conn->watched == events)
        return;
    conn->watched = events;
    reactor_change(conn->server->reactor, &conn->source, events);
}

/* Closing a socket with unread input would reset it, and could take with it what the client has not read yet. */
static void linger(struct grpc_conn *conn)
{
    shutdown(conn->source.fd, SHUT_WR);
    conn->state = CONN_LINGERING;
    watch(conn, EPOLLIN);
    timer_set_real(conn->server->reactor, &conn->patience, LINGER_MS);
}

static void reset(struct grpc_conn *conn)
{
    const struct linger none = { .l_onoff = 1, .l_linger = 0 };
    (void) setsockopt(conn->source.fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    conn_close(conn, EXCHANGE_RESET);
}

/* A reset throws away what has not reached the client's kernel. */
static void reset_when_drained(struct grpc_conn *conn)
{
    if (conn_is_drained(conn)) {
        reset(conn);
        return;
    }
    conn->state = CONN_DRAINING;
    watch(conn, 0);
    timer_set_real(conn->server->reactor, &conn->patience, DRAIN_MS);
}

/* ---- bytes out -------------------------------------------------------------------------- */

bool conn_is_full(const struct grpc_conn *conn)
{
    return conn->out.len - conn->out_at >= FULL_BYTES;
}

static bool has_output(const struct grpc_conn *conn)
{
    return conn->out_at < conn->out.len;
}

bool conn_is_drained(const struct grpc_conn *conn)
{
    int waiting = 0;
    return !has_output(conn) && (ioctl(conn->source.fd, SIOCOUTQ, &waiting) < 0 || waiting == 0);
}

static void forget_sent(struct grpc_conn *conn)
{
    conn->out_at = 0;
    if (conn->out.cap > KEPT_BYTES)
        buf_fini(&conn->out);
    else
        buf_clear(&conn->out);
}

/* So that the buffer of a client who never reads all of it does not grow. */
static void close_up(struct grpc_conn *conn)
{
    if (conn->out_at < FULL_BYTES)
        return;
    conn->out.len -= conn->out_at;
    memmove(conn->out.data, conn->out.data + conn->out_at, conn->out.len);
    conn->out_at = 0;
}

/* -1: the client is gone. */
static int send_output(struct grpc_conn *conn)
{
    while (has_output(conn)) {
        const char *at = conn->out.data + conn->out_at;
        ssize_t n = send(conn->source.fd, at, conn->out.len - conn->out_at, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            close_up(conn);
            return errno == EAGAIN ? 0 : -1;
        }
        conn->out_at += (size_t) n;
    }
    forget_sent(conn);
    return 0;
}

static void go_on_ending(struct grpc_conn *conn)
{
    if (send_output(conn) < 0)
        conn_close(conn, EXCHANGE_CLIENT_GONE);
    else if (has_output(conn))
        watch(conn, EPOLLOUT);
    else if (conn->resets)
        reset_when_drained(conn);
    else
        linger(conn);
}

void conn_finish(struct grpc_conn *conn, bool resets, enum exchange_end end)
{
    if (conn->state != CONN_OPEN)
        return;
    conn->state = CONN_FLUSHING;
    conn->resets = resets;
    timer_cancel(conn->server->reactor, &conn->patience);
    while (conn->calls != NULL)
        answer_close(conn->calls, end);
    session_close(conn);
    timer_set_real(conn->server->reactor, &conn->patience, (int64_t) conn->server->config.stop_ms);
    go_on_ending(conn);
}

/* The rest of the bad news still goes out. */
static void finish_broken(struct grpc_conn *conn)
{
    conn_finish(conn, false, EXCHANGE_CLIENT_GONE);
}

void conn_pump(struct grpc_conn *conn)
{
    while (conn->state == CONN_OPEN) {
        size_t before = conn->out.len;
        bool had_no_room = conn_is_full(conn);
        if (session_fill(conn) < 0 || conn->out.failed) {
            finish_broken(conn);
            return;
        }
        bool is_new = conn->out.len > before;
        if (send_output(conn) < 0) {
            conn_close(conn, EXCHANGE_CLIENT_GONE);
            return;
        }
        if (has_output(conn) || (!is_new && !had_no_room))
            break;
    }
    if (conn->state != CONN_OPEN)
        return;
    if (conn->is_last_frame_out)
        conn_finish(conn, false, EXCHANGE_CUT);
    else if (session_is_over(conn) && !has_output(conn))
        finish_broken(conn);
    else
        watch(conn, has_output(conn) ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

/* ---- bytes in --------------------------------------------------------------------------- */

static void throw_away_input(struct grpc_conn *conn)
{
    for (int i = 0; i < READS_A_TURN; i++) {
        ssize_t n = recv(conn->source.fd, conn->server->input, GRPC_READ_BYTES, 0);
        if (n > 0 || (n < 0 && errno == EINTR))
            continue;
        if (n == 0 || errno != EAGAIN)
            conn_close(conn, EXCHANGE_CLIENT_GONE);
        return;
    }
}

static void take_input(struct grpc_conn *conn)
{
    for (int i = 0; i < READS_A_TURN && conn->state == CONN_OPEN; i++) {
        ssize_t n = recv(conn->source.fd, conn->server->input, GRPC_READ_BYTES, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            conn_close(conn, EXCHANGE_CLIENT_GONE);
            return;
        }
        if (session_feed(conn, conn->server->input, (size_t) n) < 0) {
            conn_pump(conn);     /* its GOAWAY */
            finish_broken(conn);
            return;
        }
        server_turn(conn->server);
        if ((size_t) n < GRPC_READ_BYTES)
            return;              /* all that there was; what has come since is told again */
    }
}

static void on_ready(struct source *source, uint32_t events)
{
    struct grpc_conn *conn = (struct grpc_conn *) source;
    if (source->fd < 0)
        return;
    if (conn->state == CONN_LINGERING) {
        throw_away_input(conn);
    } else if (conn->state == CONN_FLUSHING) {
        go_on_ending(conn);
    } else if (conn->state == CONN_DRAINING) {
        reset_when_drained(conn);
    } else {
        if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
            take_input(conn);
        conn_pump(conn);
    }
    server_turn(conn->server);
}

static void run_out_of_patience(void *arg)
{
    struct grpc_conn *conn = arg;
    struct grpc_server *server = conn->server;
    if (conn->state == CONN_DRAINING)
        reset_when_drained(conn);
    else if (conn->state != CONN_OPEN)
        conn_close(conn, EXCHANGE_CUT);
    else if (!conn->is_greeted)
        finish_broken(conn);
    server_turn(server);
}

/* ---- the beginning ---------------------------------------------------------------------- */

int conn_open(struct grpc_server *server, int fd)
{
    struct err ignored;
    struct grpc_conn *conn = calloc(1, sizeof *conn);
    if (conn == NULL)
        goto close_fd;
    *conn = (struct grpc_conn) { .source = { .fd = fd, .ready = on_ready }, .server = server, .watched = EPOLLIN };
    conn->patience = (struct timer) { .fire = run_out_of_patience, .arg = conn };
    if (session_open(conn) < 0)
        goto free_it;
    if (reactor_add(server->reactor, &conn->source, EPOLLIN, &ignored) < 0)
        goto close_session;
    conn->next = server->conns;
    if (conn->next != NULL)
        conn->next->prev = conn;
    server->conns = conn;
    atomic_fetch_add(&server->open_connections, 1);
    timer_set_real(server->reactor, &conn->patience, (int64_t) server->config.hello_timeout_ms);
    conn_pump(conn);                 /* our SETTINGS, at once */
    return 0;
close_session:
    session_close(conn);
free_it:
    free(conn);
close_fd:
    close(fd);
    return -1;
}
