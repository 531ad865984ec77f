#include "tests/support/http_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

#define PIECE 65536

static int fail(struct http_client *c, const char *why)
{
    c->why = why;
    return -1;
}

static int fail_errno(struct http_client *c)
{
    bool is_reset = errno == ECONNRESET || errno == EPIPE || errno == ECONNREFUSED;
    return fail(c, is_reset ? "reset" : strerror(errno));
}

static int left_ms(const struct http_client *c)
{
    int64_t left = (c->deadline_ns - mono_ns()) / 1000000;
    return left < 0 ? 0 : (int) left;
}

/* ---- opening and closing -------------------------------------------------------------- */

int http_client_open(struct http_client *c, const char *address, int port)
{
    *c = (struct http_client) { .fd = -1, .deadline_ns = mono_ns() + HTTP_CLIENT_LIMIT_MS * INT64_C(1000000),
                                .in = BUF_INIT, .why = "" };
    bool is_v6 = strchr(address, ':') != NULL;
    struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons((uint16_t) port) };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t) port) };
    if (inet_pton(is_v6 ? AF_INET6 : AF_INET, address, is_v6 ? (void *) &v6.sin6_addr : &v4.sin_addr) != 1)
        return fail(c, "bad address");
    c->fd = socket(is_v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    if (c->fd < 0 || setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0)
        return fail_errno(c);
    const struct sockaddr *to = is_v6 ? (const struct sockaddr *) &v6 : (const struct sockaddr *) &v4;
    return connect(c->fd, to, is_v6 ? sizeof v6 : sizeof v4) == 0 ? 0 : fail_errno(c);
}

void http_client_close(struct http_client *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    buf_fini(&c->in);
}

void http_client_reset(struct http_client *c)
{
    struct linger now = { 1, 0 };
    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    http_client_close(c);
}

int http_client_port(const char *url)
{
    const char *colon = strrchr(url, ':');
    return colon == NULL ? -1 : (int) strtol(colon + 1, NULL, 10);
}

/* ---- bytes ---------------------------------------------------------------------------- */

int http_client_send(struct http_client *c, const void *data, size_t len)
{
    for (const char *p = data; len > 0;) {
        struct pollfd out = { .fd = c->fd, .events = POLLOUT };
        if (poll(&out, 1, left_ms(c)) == 0)
            return fail(c, "deadline");
        ssize_t n = send(c->fd, p, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return fail_errno(c);
        if (n > 0) {
            p += n;
            len -= (size_t) n;
        }
    }
    return 0;
}

int http_client_text(struct http_client *c, const char *fmt, ...)
{
    char text[8192];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (n < 0 || (size_t) n >= sizeof text)
        return fail(c, "text too long");
    return http_client_send(c, text, (size_t) n);
}

int http_client_end_sending(struct http_client *c)
{
    return shutdown(c->fd, SHUT_WR) == 0 ? 0 : fail_errno(c);
}

int http_client_receive(struct http_client *c, int wait_ms)
{
    struct pollfd in = { .fd = c->fd, .events = POLLIN };
    int ready = poll(&in, 1, wait_ms < left_ms(c) ? wait_ms : left_ms(c));
    if (ready <= 0)
        return 0;
    char *at = buf_reserve(&c->in, PIECE);
    if (at == NULL)
        return fail(c, "no memory");
    ssize_t n = recv(c->fd, at, PIECE, 0);
    if (n == 0)
        return fail(c, "end");
    if (n < 0)
        return errno == EINTR ? 0 : fail_errno(c);
    c->in.len += (size_t) n;
    c->in.data[c->in.len] = '\0';
    return 1;
}

int http_client_need(struct http_client *c, size_t len)
{
    while (c->in.len < len) {
        if (left_ms(c) == 0)
            return fail(c, "deadline");
        if (http_client_receive(c, left_ms(c)) < 0)
            return -1;
    }
    return 0;
}

void http_client_take(struct http_client *c, struct buf *out, size_t len)
{
    if (out != NULL)
        buf_add(out, c->in.data, len);
    memmove(c->in.data, c->in.data + len, c->in.len - len + 1);
    c->in.len -= len;
}

int http_client_until_end(struct http_client *c)
{
    while (http_client_need(c, c->in.len + 1) == 0)
        continue;
    return strcmp(c->why, "end") == 0 || strcmp(c->why, "reset") == 0 ? 0 : -1;
}

/* Receive until `text` is there; returns where it ends, or -1. */
static ssize_t need_text(struct http_client *c, const char *text)
{
    size_t len = strlen(text);
    for (;;) {
        const char *hit = c->in.len == 0 ? NULL : memmem(c->in.data, c->in.len, text, len);
        if (hit != NULL)
            return (ssize_t) ((size_t) (hit - c->in.data) + len);
        if (http_client_need(c, c->in.len + 1) < 0)
            return -1;
    }
}

/* ---- answers -------------------------------------------------------------------------- */

/* The next field called `name`, behind `from` (or the status line when NULL); its value's place and length. */
static const char *next_field(const struct http_answer *answer, const char *from, const char *name, size_t *out_len)
{
    const char *line = from == NULL ? buf_cstr(&answer->head) : from;
    size_t len = strlen(name);
    while ((line = strstr(line, "\r\n")) != NULL) {
        line += 2;
        if (strncasecmp(line, name, len) != 0 || line[len] != ':')
            continue;
        const char *value = line + len + 1;
        value += strspn(value, " ");
        *out_len = strcspn(value, "\r");
        return value;
    }
    return NULL;
}

bool http_answer_field(const struct http_answer *answer, const char *name, struct buf *out)
{
    size_t len;
    const char *value = next_field(answer, NULL, name, &len);
    if (value == NULL)
        return false;
    buf_clear(out);
    buf_add(out, value, len);
    return true;
}

int http_answer_count(const struct http_answer *answer, const char *name)
{
    size_t len;
    int count = 0;
    for (const char *at = NULL; (at = next_field(answer, at, name, &len)) != NULL;)
        count++;
    return count;
}

static bool field_is(const struct http_answer *answer, const char *name, const char *value)
{
    BUF_AUTO text = BUF_INIT;
    return http_answer_field(answer, name, &text) && strcasecmp(text.data, value) == 0;
}

int http_client_head(struct http_client *c, struct http_answer *out)
{
    buf_clear(&out->head);
    buf_clear(&out->body);
    ssize_t end = need_text(c, "\r\n\r\n");
    if (end < 0)
        return -1;
    http_client_take(c, &out->head, (size_t) end);
    if (strncmp(out->head.data, "HTTP/1.1 ", 9) != 0)
        return fail(c, "bad answer");
    out->status = (int) strtol(out->head.data + 9, NULL, 10);
    out->chunked = field_is(out, "Transfer-Encoding", "chunked");
    out->closes = field_is(out, "Connection", "close");
    return out->status > 0 ? 0 : fail(c, "bad answer");
}

int http_client_chunk(struct http_client *c, struct buf *out)
{
    ssize_t line = need_text(c, "\r\n");
    if (line < 0)
        return -1;
    char *end;
    unsigned long size = strtoul(c->in.data, &end, 16);
    if (end == c->in.data || strncmp(end, "\r\n", 2) != 0 || http_client_need(c, (size_t) line + size + 2) < 0)
        return end == c->in.data ? fail(c, "bad chunk") : -1;
    http_client_take(c, NULL, (size_t) line);
    if (memcmp(c->in.data + size, "\r\n", 2) != 0)
        return fail(c, "bad chunk");
    http_client_take(c, out, size);
    http_client_take(c, NULL, 2);
    return size > 0;
}

static int read_body(struct http_client *c, struct http_answer *out)
{
    BUF_AUTO length = BUF_INIT;
    if (out->chunked) {
        int more;
        while ((more = http_client_chunk(c, &out->body)) > 0)
            continue;
        return more;
    }
    if (http_answer_field(out, "Content-Length", &length)) {
        size_t len = strtoul(length.data, NULL, 10);
        if (http_client_need(c, len) < 0)
            return -1;
        if (len > 0)
            http_client_take(c, &out->body, len);
        return 0;
    }
    if (http_client_until_end(c) < 0)
        return -1;
    if (c->in.len > 0)
        http_client_take(c, &out->body, c->in.len);
    return 0;
}

int http_client_answer(struct http_client *c, struct http_answer *out, bool is_head)
{
    if (http_client_head(c, out) < 0)
        return -1;
    return is_head || out->status < 200 ? 0 : read_body(c, out);
}

void http_answer_fini(struct http_answer *answer)
{
    buf_fini(&answer->head);
    buf_fini(&answer->body);
}
