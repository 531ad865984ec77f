#include "puppet/serve.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "puppet/puppet.h"

#define HEAD_MAX_BYTES 65536
#define READ_BYTES     16384

/* A finished answer leaves the connection draining: closing it with unread bytes would send a reset, which can
   overtake the answer. */
enum conn_state { CONN_READING, CONN_WRITING, CONN_DRAINING, CONN_OVER };

struct conn {
    int fd;
    enum conn_state state;
    const struct step_listen *how;
    struct buf in, out;
    size_t sent;
};

/* ---- listeners ---------------------------------------------------------------------- */

static int open_listener(const struct step *step, int *out_port, struct err *err)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons((uint16_t) step->number),
                                   .sin_addr.s_addr = step->as.listen.host };
    socklen_t len = sizeof address;
    int on = 1;
    int fd = puppet_lift_fd(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (fd < 0)
        return err_set(err, ERR_IO, errno, "socket");
    /* Or a port of a puppet that has just ended could not be taken for a minute. */
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *) &address, sizeof address) < 0 || listen(fd, SOMAXCONN) < 0 ||
        getsockname(fd, (struct sockaddr *) &address, &len) < 0) {
        err_set(err, ERR_IO, errno, "port %d", (int) step->number);
        close(fd);
        return -1;
    }
    *out_port = ntohs(address.sin_port);
    return fd;
}

int serve_listen(struct serve *s, const struct step *step, int *out_port, struct err *err)
{
    if (s->listener_count == SERVE_MAX_LISTENERS)
        return err_set(err, ERR_LIMIT, 0, "more than %d listeners", SERVE_MAX_LISTENERS);
    int fd = open_listener(step, out_port, err);
    if (fd < 0)
        return -1;
    s->listeners[s->listener_count++] = (struct listener){ .fd = fd, .step = step };
    return 0;
}

void serve_unlisten(struct serve *s, int64_t port)
{
    size_t kept = 0;
    for (size_t i = 0; i < s->listener_count; i++) {
        if (s->listeners[i].step->number == port)
            close(s->listeners[i].fd);
        else
            s->listeners[kept++] = s->listeners[i];
    }
    s->listener_count = kept;
}

static void free_conn(struct conn *conn)
{
    close(conn->fd);
    buf_fini(&conn->in);
    buf_fini(&conn->out);
    free(conn);
}

void serve_leave(struct serve *s)
{
    for (size_t i = 0; i < s->listener_count; i++)
        close(s->listeners[i].fd);
    for (size_t i = 0; i < s->conn_count; i++)
        free_conn(s->conns[i]);
    *s = (struct serve){ .listener_count = 0 };
}

static void accept_one(struct serve *s, const struct listener *listener)
{
    int fd = puppet_lift_fd(accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (fd < 0) {
        s->is_out_of_fds = errno == EMFILE || errno == ENFILE;
        return;
    }
    struct conn *conn = calloc(1, sizeof *conn);
    if (conn == NULL) {
        close(fd);
        return;
    }
    conn->fd = fd;
    conn->how = &listener->step->as.listen;
    s->conns[s->conn_count++] = conn;
}

/* ---- HTTP --------------------------------------------------------------------------- */

static const struct {
    int status;
    const char *reason;
} reasons[] = {
    { 200, "OK" },
    { 201, "Created" },
    { 202, "Accepted" },
    { 204, "No Content" },
    { 301, "Moved Permanently" },
    { 302, "Found" },
    { 304, "Not Modified" },
    { 400, "Bad Request" },
    { 401, "Unauthorized" },
    { 403, "Forbidden" },
    { 404, "Not Found" },
    { 429, "Too Many Requests" },
    { 500, "Internal Server Error" },
    { 502, "Bad Gateway" },
    { 503, "Service Unavailable" },
    { 504, "Gateway Timeout" },
    { 431, "Request Header Fields Too Large" },
};

static const char *reason_of(int status)
{
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
        if (reasons[i].status == status)
            return reasons[i].reason;
    }
    return "Status"; /* the text may be anything (RFC 9112 §4) */
}

static void answer(struct conn *conn, const struct route *route, bool is_head)
{
    const char *type = route->type.len > 0 ? route->type.data : "text/plain; charset=utf-8";
    buf_printf(&conn->out, "HTTP/1.1 %d %s\r\nConnection: close\r\n", route->status, reason_of(route->status));
    if (route->status != 204 && route->status != 304)
        buf_printf(&conn->out, "Content-Type: %s\r\nContent-Length: %zu\r\n", type, route->body.len);
    buf_str(&conn->out, "\r\n");
    if (!is_head)
        buf_add(&conn->out, route->body.data, route->body.len);
    conn->state = conn->out.failed ? CONN_OVER : CONN_WRITING;
}

static void answer_status(struct conn *conn, int status)
{
    answer(conn, &(struct route){ .status = status }, false);
}

/* `head` is "METHOD TARGET VERSION..." and ends with NUL. */
static void answer_request(struct conn *conn, const char *head)
{
    size_t method = strcspn(head, " \r\n");
    const char *target = head + method + 1;
    if (head[method] != ' ' || *target != '/' || memchr(head, '\0', conn->in.len) != NULL) {
        answer_status(conn, 400);
        return;
    }
    size_t len = strcspn(target, " ?#\r\n");
    for (size_t i = 0; i < conn->how->route_count; i++) {
        const struct route *route = &conn->how->routes[i];
        if (strlen(route->path) == len && memcmp(route->path, target, len) == 0) {
            answer(conn, route, method == 4 && memcmp(head, "HEAD", 4) == 0);
            return;
        }
    }
    answer_status(conn, 404);
}

static void take_http(struct conn *conn)
{
    if (conn->in.len == 0)
        return;
    if (memmem(conn->in.data, conn->in.len, "\r\n\r\n", 4) != NULL)
        answer_request(conn, conn->in.data);
    else if (conn->in.len > HEAD_MAX_BYTES)
        answer_status(conn, 431);
}

/* ---- connections -------------------------------------------------------------------- */

static void take_input(struct conn *conn, const char *data, size_t len)
{
    if (conn->state == CONN_DRAINING || (!conn->how->http && !conn->how->echo))
        return;
    struct buf *into = conn->how->echo ? &conn->out : &conn->in;
    buf_add(into, data, len);
    if (into->failed)
        conn->state = CONN_OVER;
    else if (conn->how->echo)
        conn->state = CONN_WRITING;
    else
        take_http(conn);
}

static void read_conn(struct conn *conn)
{
    char chunk[READ_BYTES];
    ssize_t n = recv(conn->fd, chunk, sizeof chunk, 0);
    if (n > 0)
        take_input(conn, chunk, (size_t) n);
    else if (n == 0 || (errno != EAGAIN && errno != EINTR))
        conn->state = CONN_OVER;
}

static void write_conn(struct conn *conn)
{
    ssize_t n = send(conn->fd, conn->out.data + conn->sent, conn->out.len - conn->sent, MSG_NOSIGNAL);
    if (n < 0) {
        if (errno != EAGAIN && errno != EINTR)
            conn->state = CONN_OVER;
        return;
    }
    conn->sent += (size_t) n;
    if (conn->sent < conn->out.len)
        return;
    buf_clear(&conn->out);
    conn->sent = 0;
    conn->state = conn->how->http ? CONN_DRAINING : CONN_READING;
    if (conn->how->http)
        shutdown(conn->fd, SHUT_WR);
}

static void drop_finished(struct serve *s)
{
    size_t kept = 0;
    for (size_t i = 0; i < s->conn_count; i++) {
        if (s->conns[i]->state == CONN_OVER) {
            free_conn(s->conns[i]);
            s->is_out_of_fds = false;
        } else {
            s->conns[kept++] = s->conns[i];
        }
    }
    s->conn_count = kept;
}

size_t serve_fill(const struct serve *s, struct pollfd *fds)
{
    size_t count = 0;
    bool may_accept = s->conn_count < SERVE_MAX_CONNECTIONS && !s->is_out_of_fds;
    for (size_t i = 0; i < s->listener_count; i++)
        fds[count++] = (struct pollfd){ .fd = s->listeners[i].fd, .events = may_accept ? POLLIN : 0 };
    for (size_t i = 0; i < s->conn_count; i++) {
        short events = s->conns[i]->state == CONN_WRITING ? POLLOUT : POLLIN;
        fds[count++] = (struct pollfd){ .fd = s->conns[i]->fd, .events = events };
    }
    return count;
}

void serve_handle(struct serve *s, const struct pollfd *fds, size_t count)
{
    size_t listeners = s->listener_count;
    for (size_t i = listeners; i < count; i++) {
        struct conn *conn = s->conns[i - listeners];
        if (fds[i].revents == 0)
            continue;
        if (conn->state == CONN_WRITING)
            write_conn(conn);
        else
            read_conn(conn);
    }
    for (size_t i = 0; i < listeners && s->conn_count < SERVE_MAX_CONNECTIONS; i++) {
        if (fds[i].revents != 0)
            accept_one(s, &s->listeners[i]);
    }
    drop_finished(s);
}
