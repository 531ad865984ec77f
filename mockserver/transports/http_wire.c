/* Bytes out: heads, refusals, waiting for a slow reader; and is the client still there? */
#include "transports/http_priv.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/sockios.h>
#include <poll.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>

#include "base/clock.h"
#include "base/text.h"

#define POLL_STEP_MS 200                      /* how often a waiting thread looks whether the server stops */
#define FIRST_STEP_NS 20000                   /* ... whether the client's kernel has everything */
#define LAST_STEP_NS (2 * NS_PER_MS)
#define LINGER_NS (15 * NS_PER_S)             /* how long a refused client may go on sending */
#define LINGER_IDLE_NS (1 * NS_PER_S)         /* ... and how long it may pause */
#define LINGER_BYTES 16384
#define HALF_CLOSED_NS (30 * NS_PER_S)        /* a client that ended its sending side may read on this long */

/* ---- sending -------------------------------------------------------------------------- */

/* Drop the first `done` bytes; returns how many parts are left, `*iov` moved to the first of them. */
static int skip_sent(struct iovec **iov, int count, size_t done)
{
    while (count > 0 && done >= (*iov)->iov_len) {
        done -= (*iov)->iov_len;
        (*iov)++;
        count--;
    }
    if (count > 0) {
        (*iov)->iov_base = (char *) (*iov)->iov_base + done;
        (*iov)->iov_len -= done;
    }
    return count;
}

static int wait_writable(struct http_conn *conn)
{
    for (;;) {
        struct pollfd p = { .fd = conn->fd, .events = POLLOUT };
        int n = poll(&p, 1, POLL_STEP_MS);
        if (n < 0 && errno != EINTR)
            return -1;
        if (n > 0)
            return 0;      /* also on an error: the next send tells */
        if (atomic_load(&conn->server->stopping))
            return -1;
    }
}

int wire_send(struct http_conn *conn, struct iovec *iov, int count)
{
    count = skip_sent(&iov, count, 0);
    while (count > 0) {
        struct msghdr message = { .msg_iov = iov, .msg_iovlen = (size_t) count };
        ssize_t n = sendmsg(conn->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n >= 0)
            count = skip_sent(&iov, count, (size_t) n);
        else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            if (wait_writable(conn) < 0)
                return -1;
        } else if (errno != EINTR)
            return -1;
    }
    return 0;
}

int wire_await_sent(struct http_conn *conn)
{
    struct timespec step = { 0, FIRST_STEP_NS };
    for (;;) {
        int waiting = 0;
        if (ioctl(conn->fd, SIOCOUTQ, &waiting) < 0)
            return -1;
        if (waiting == 0)
            return 0;
        struct pollfd p = { .fd = conn->fd };   /* the kernel has no event for it, only for the client's end */
        if (ppoll(&p, 1, &step, NULL) > 0 || atomic_load(&conn->server->stopping))
            return -1;
        step.tv_nsec = step.tv_nsec < LAST_STEP_NS ? step.tv_nsec * 2 : LAST_STEP_NS;
    }
}

/* ---- heads ---------------------------------------------------------------------------- */

static const char *reason_of(int status)
{
    static const struct { int status; const char *text; } reasons[] = {
        { 100, "Continue" },           { 101, "Switching Protocols" }, { 200, "OK" },
        { 201, "Created" },            { 202, "Accepted" },            { 204, "No Content" },
        { 304, "Not Modified" },       { 400, "Bad Request" },         { 401, "Unauthorized" },
        { 402, "Payment Required" },   { 403, "Forbidden" },           { 404, "Not Found" },
        { 405, "Method Not Allowed" }, { 406, "Not Acceptable" },      { 408, "Request Timeout" },
        { 409, "Conflict" },           { 410, "Gone" },                { 411, "Length Required" },
        { 413, "Content Too Large" },  { 414, "URI Too Long" },        { 415, "Unsupported Media Type" },
        { 417, "Expectation Failed" }, { 422, "Unprocessable Content" }, { 429, "Too Many Requests" },
        { 431, "Request Header Fields Too Large" }, { 499, "Client Closed Request" },
        { 500, "Internal Server Error" }, { 501, "Not Implemented" },  { 502, "Bad Gateway" },
        { 503, "Service Unavailable" }, { 504, "Gateway Timeout" },    { 505, "HTTP Version Not Supported" },
        { 507, "Insufficient Storage" },
    };
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
        if (reasons[i].status == status)
            return reasons[i].text;
    }
    return "Status";
}

/* Is there a line of this field among the handler's own? */
static bool is_given(const struct wire_head *head, const char *name)
{
    size_t len = strlen(name);
    const char *line = head->extra == NULL ? "" : buf_cstr(head->extra);
    for (; *line != '\0'; line += strcspn(line, "\n") + 1) {
        if (strncasecmp(line, name, len) == 0 && line[len] == ':')
            return true;
    }
    return false;
}

static void put_date(struct buf *out)
{
    static const char days[] = "SunMonTueWedThuFriSat", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t now = time(NULL);
    struct tm tm;
    if (gmtime_r(&now, &tm) == NULL)
        return;
    buf_printf(out, "Date: %.3s, %02d %.3s %d %02d:%02d:%02d GMT\r\n", days + 3 * tm.tm_wday, tm.tm_mday,
               months + 3 * tm.tm_mon, tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

bool wire_status_has_body(int status)
{
    return status >= 200 && status != 204 && status != 304;
}

void wire_put_head(struct buf *out, const struct wire_head *head)
{
    buf_printf(out, "HTTP/1.1 %d %s\r\n", head->status, reason_of(head->status));
    if (!is_given(head, "Date"))
        put_date(out);
    if (head->content_type != NULL)
        buf_printf(out, "Content-Type: %s\r\n", head->content_type);
    if (head->content_type != NULL && !is_given(head, "X-Content-Type-Options"))
        buf_str(out, "X-Content-Type-Options: nosniff\r\n");
    if (head->chunked)
        buf_str(out, "Transfer-Encoding: chunked\r\n");
    else if (!head->until_close && wire_status_has_body(head->status))
        buf_printf(out, "Content-Length: %" PRIu64 "\r\n", head->length);
    if (!is_given(head, "x-request-id"))
        buf_printf(out, "x-request-id: %s\r\n", head->request_id);
    /* Clients must give an idle connection up before we do (15 s), else they send into a closing one. */
    buf_str(out, head->keep_alive ? "Connection: keep-alive\r\nKeep-Alive: timeout=5\r\n" : "Connection: close\r\n");
    if (head->extra != NULL)
        buf_add(out, buf_cstr(head->extra), head->extra->len);
    buf_str(out, "\r\n");
}

void wire_make_request_id(char out[HTTP_REQUEST_ID_BYTES])
{
    memcpy(out, "req_", 4);
    random_hex(out + 4, 24);
}

/* ---- refusals ------------------------------------------------------------------------- */

void wire_put_refusal(struct buf *out, const struct refusal *why)
{
    refusal_write(out, why->code, why->message);
}

void wire_refuse(struct http_conn *conn, const struct refusal *why, const char *request_id)
{
    char id[HTTP_REQUEST_ID_BYTES];
    if (request_id == NULL)
        wire_make_request_id(id);
    BUF_AUTO body = BUF_INIT;
    BUF_AUTO head = BUF_INIT;
    wire_put_refusal(&body, why);
    wire_put_head(&head, &(struct wire_head) { .status = why->status, .content_type = "application/json",
                  .request_id = request_id == NULL ? id : request_id, .length = body.len });
    atomic_fetch_add(&conn->server->refused, 1);
    if (body.failed || head.failed)
        return;
    struct iovec iov[] = { { head.data, head.len }, { body.data, body.len } };
    wire_send(conn, iov, 2);
}

/* ---- the other side ------------------------------------------------------------------- */

void wire_linger(struct http_conn *conn)
{
    char sink[LINGER_BYTES];
    int64_t now = mono_ns(), until = now + LINGER_NS, idle_until = now + LINGER_IDLE_NS;
    shutdown(conn->fd, SHUT_WR);
    for (; now < until && now < idle_until && !atomic_load(&conn->server->stopping); now = mono_ns()) {
        struct pollfd p = { .fd = conn->fd, .events = POLLIN };
        int ready = poll(&p, 1, POLL_STEP_MS);
        if (ready == 0 || (ready < 0 && errno == EINTR))
            continue;
        ssize_t n = ready < 0 ? -1 : recv(conn->fd, sink, sizeof sink, MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
            return;
        if (n > 0)
            idle_until = mono_ns() + LINGER_IDLE_NS;
    }
}

bool wire_peer_gone(struct http_conn *conn, int64_t *half_closed_since_ns)
{
    if (atomic_load(&conn->server->stopping))
        return true;
    struct pollfd p = { .fd = conn->fd, .events = POLLRDHUP };
    if (poll(&p, 1, 0) <= 0)
        return false;
    if ((p.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0)
        return true;
    /* A close and a half-close look alike until something is sent; only time tells them apart. */
    int64_t now = mono_ns();
    if (*half_closed_since_ns == 0)
        *half_closed_since_ns = now;
    return now - *half_closed_since_ns >= HALF_CLOSED_NS;
}
