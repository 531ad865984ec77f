/* The operations of an exchange, and the life of one. */
#include "transports/http_priv.h"

#include <civetweb.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"

#define BODY_PIECE 65536
#define SMALL_BODY_BYTES 65536u      /* an unread body up to this is read to keep the connection */
#define SLOWEST_BYTES_PER_S 16384    /* a body may be this slow, beyond its first grace */

enum body_state { BODY_UNREAD, BODY_COMPLETE, BODY_FAILED };

struct http_exchange {
    struct exchange x;               /* first: the dialect's view */
    struct http_conn *conn;
    struct mg_connection *mg;
    const struct mg_request_info *info;
    struct framing framing;
    enum body_state body_state;
    enum err_code body_error;
    struct buf body, path, host, base_url, extra;
    bool no_body_out;                /* HEAD */
    bool keep_alive;                 /* the answer promised it */
    bool streaming, chunked, stream_ended;
    bool write_failed;
    int64_t half_closed_since_ns;
};

static struct http_exchange *self(struct exchange *x)
{
    return (struct http_exchange *) x;
}

static const char *get_header(struct exchange *x, const char *name)
{
    const struct mg_request_info *info = self(x)->info;
    for (int i = 0; i < info->num_headers; i++) {
        if (strcasecmp(info->http_headers[i].name, name) == 0)
            return info->http_headers[i].value;
    }
    return NULL;
}

/* ---- the request's body --------------------------------------------------------------- */

static int fail_body(struct http_exchange *hx, enum err_code code, struct err *err)
{
    hx->body_state = BODY_FAILED;
    hx->body_error = code;
    switch ((int) code) {
    case ERR_LIMIT:
        return err_set(err, code, 0, "the request body is larger than %zu bytes",
                       hx->conn->server->config.max_body_bytes);
    case ERR_TIMEOUT:
        return err_set(err, code, 0, "the request body did not arrive in time");
    case ERR_NOMEM:
        return err_set(err, code, 0, "request body");
    default:
        return err_set(err, code, 0, "the request body is cut short");
    }
}

static int64_t grace_ns(const struct http_exchange *hx)
{
    return (int64_t) hx->conn->server->config.header_timeout_ms * NS_PER_MS;
}

static void allow_more_time(struct http_exchange *hx, int64_t start_ns)
{
    int64_t earned_ns = (int64_t) hx->body.len * (NS_PER_S / SLOWEST_BYTES_PER_S);
    conns_set_deadline(hx->conn, start_ns + grace_ns(hx) + earned_ns);
}

/* Read until the end; ERR_NONE or what went wrong. */
static enum err_code read_to_end(struct http_exchange *hx, size_t max, int64_t start_ns)
{
    for (;;) {
        char *at = buf_reserve(&hx->body, BODY_PIECE);
        if (at == NULL)
            return ERR_NOMEM;
        *at = '\0';
        allow_more_time(hx, start_ns);
        int n = mg_read(hx->mg, at, BODY_PIECE);
        if (n > 0) {
            hx->body.len += (size_t) n;
            hx->body.data[hx->body.len] = '\0';
            if (hx->body.len > max)
                return ERR_LIMIT;
        }
        bool complete = hx->framing.chunked ? n == 0 : hx->body.len >= hx->framing.length;
        if (complete)
            return ERR_NONE;
        if (n <= 0)
            return ERR_CLOSED;
    }
}

static void send_continue(struct http_exchange *hx)
{
    static char line[] = "HTTP/1.1 100 Continue\r\n\r\n";
    if (get_header(&hx->x, "Expect") == NULL || strcmp(hx->info->http_version, "1.1") != 0)
        return;
    struct iovec iov = { line, sizeof line - 1 };
    if (wire_send(hx->conn, &iov, 1) < 0)
        hx->write_failed = true;
}

static int read_body(struct http_exchange *hx, size_t max, struct err *err)
{
    if (hx->framing.length > max)
        return fail_body(hx, ERR_LIMIT, err);
    send_continue(hx);
    int64_t start = mono_ns();
    enum err_code failure = read_to_end(hx, max, start);
    bool late = conns_clear_deadline(hx->conn) || mono_ns() - start >= grace_ns(hx);
    if (failure == ERR_CLOSED && late)   /* civetweb calls both the same */
        failure = ERR_TIMEOUT;
    if (failure != ERR_NONE)
        return fail_body(hx, failure, err);
    hx->body_state = BODY_COMPLETE;
    return 0;
}

static int get_body(struct exchange *x, const char **out, size_t *len, struct err *err)
{
    struct http_exchange *hx = self(x);
    if (hx->body_state == BODY_FAILED)
        return fail_body(hx, hx->body_error, err);
    if (hx->body_state == BODY_UNREAD && read_body(hx, hx->conn->server->config.max_body_bytes, err) < 0)
        return -1;
    *out = buf_cstr(&hx->body);
    *len = hx->body.len;
    return 0;
}

/* ---- the answer ----------------------------------------------------------------------- */

static void add_header(struct exchange *x, const char *name, const char *value)
{
    struct buf *extra = &self(x)->extra;
    buf_printf(extra, "%s: ", name);
    for (const char *p = value; *p != '\0'; p++)
        buf_char(extra, iscntrl((unsigned char) *p) ? ' ' : *p);   /* no second header by a line end */
    buf_str(extra, "\r\n");
}

/* civetweb's own rule for keeping a connection must come to the same result. */
static bool client_keeps(struct http_exchange *hx)
{
    const char *connection = get_header(&hx->x, "Connection");
    if (connection == NULL)
        return strcmp(hx->info->http_version, "1.1") == 0;
    return guard_has_token(connection, "keep-alive") && !guard_has_token(connection, "close")
           && strcasestr(connection, "upgrade") == NULL;
}

/* An unread body stands between this request and the next. */
static bool input_is_consumed(struct http_exchange *hx)
{
    bool is_small = !hx->framing.chunked && hx->framing.length <= SMALL_BODY_BYTES;
    if (hx->body_state == BODY_UNREAD && is_small && get_header(&hx->x, "Expect") == NULL)
        read_body(hx, SMALL_BODY_BYTES, NULL);
    return hx->body_state == BODY_COMPLETE;
}

static void decide_keep_alive(struct http_exchange *hx)
{
    struct http_server *server = hx->conn->server;
    hx->keep_alive = client_keeps(hx) && !conns_are_crowded(&server->conns) && !atomic_load(&server->stopping)
                     && input_is_consumed(hx);
}

static int send_head_and(struct http_exchange *hx, struct wire_head *head, const void *body, size_t len)
{
    BUF_AUTO text = BUF_INIT;
    head->request_id = hx->x.request_id;
    head->extra = &hx->extra;
    head->keep_alive = hx->keep_alive;
    wire_put_head(&text, head);
    hx->x.answered = true;
    struct iovec iov[] = { { text.data, text.len }, { (void *) (uintptr_t) body, len } };
    if (text.failed || hx->extra.failed || wire_send(hx->conn, iov, 2) < 0)
        hx->write_failed = true;
    return hx->write_failed ? -1 : 0;
}

static int reply(struct exchange *x, int status, const char *content_type, const void *body, size_t len)
{
    struct http_exchange *hx = self(x);
    if (x->answered)
        return -1;
    decide_keep_alive(hx);
    struct wire_head head = { .status = status, .content_type = content_type, .length = len };
    return send_head_and(hx, &head, body, hx->no_body_out ? 0 : len);
}

static void refuse_stream(struct http_exchange *hx)
{
    BUF_AUTO body = BUF_INIT;
    wire_put_refusal(&body, &refusal_too_many_streams);
    add_header(&hx->x, "Retry-After", "1");
    atomic_fetch_add(&hx->conn->server->refused, 1);
    reply(&hx->x, refusal_too_many_streams.status, "application/json", buf_cstr(&body), body.len);
}

static int stream_begin(struct exchange *x, int status, const char *content_type)
{
    struct http_exchange *hx = self(x);
    struct http_server *server = hx->conn->server;
    if (x->answered)
        return -1;
    if (atomic_fetch_add(&server->open_streams, 1) >= atomic_load(&server->stream_limit)) {
        atomic_fetch_sub(&server->open_streams, 1);
        refuse_stream(hx);
        return -1;
    }
    hx->streaming = true;
    hx->chunked = strcmp(hx->info->http_version, "1.1") == 0;
    decide_keep_alive(hx);
    hx->keep_alive = hx->keep_alive && hx->chunked;
    struct wire_head head = { .status = status, .content_type = content_type,
                              .chunked = hx->chunked, .until_close = !hx->chunked };
    return send_head_and(hx, &head, NULL, 0);
}

static int stream_write(struct exchange *x, const void *data, size_t len)
{
    struct http_exchange *hx = self(x);
    char size[24];
    static char end[] = "\r\n";
    if (!hx->streaming || hx->stream_ended || hx->write_failed)
        return -1;
    if (len == 0 || hx->no_body_out)   /* an empty chunk would end the stream */
        return 0;
    int digits = snprintf(size, sizeof size, "%zx\r\n", len);
    struct iovec iov[] = { { size, (size_t) digits }, { (void *) (uintptr_t) data, len }, { end, 2 } };
    if (wire_send(hx->conn, hx->chunked ? iov : iov + 1, hx->chunked ? 3 : 1) < 0)
        hx->write_failed = true;
    return hx->write_failed ? -1 : 0;
}

static int stream_end(struct exchange *x)
{
    struct http_exchange *hx = self(x);
    static char last[] = "0\r\n\r\n";
    if (!hx->streaming || hx->stream_ended || hx->write_failed)
        return -1;
    hx->stream_ended = true;
    if (!hx->chunked || hx->no_body_out)
        return 0;
    struct iovec iov = { last, sizeof last - 1 };
    if (wire_send(hx->conn, &iov, 1) < 0)
        hx->write_failed = true;
    return hx->write_failed ? -1 : 0;
}

static bool peer_gone(struct exchange *x)
{
    struct http_exchange *hx = self(x);
    return hx->write_failed || wire_peer_gone(hx->conn, &hx->half_closed_since_ns);
}

static const struct exchange_ops http_ops = {
    .header = get_header,
    .body = get_body,
    .add_header = add_header,
    .reply = reply,
    .stream_begin = stream_begin,
    .stream_write = stream_write,
    .stream_end = stream_end,
    .peer_gone = peer_gone,
};

/* ---- the life of one ------------------------------------------------------------------ */

/* A server on every address does not know its own name: the client does, unless it used a sandbox's. */
static void fill_base_url(struct http_exchange *hx)
{
    const struct http_server *server = hx->conn->server;
    const char *const *suffixes = server->config.extra_hosts;
    bool is_sandbox = guard_host_is_known(buf_cstr(&hx->host), suffixes)
                      && !guard_host_is_known(buf_cstr(&hx->host), NULL);
    if (server->wildcard && hx->host.len > 0 && !is_sandbox)
        buf_printf(&hx->base_url, "http://%s", hx->host.data);
    else
        buf_str(&hx->base_url, server->url);
}

static const struct refusal *open_exchange(struct http_exchange *hx)
{
    const struct mg_request_info *info = hx->info;
    const struct http_config *config = &hx->conn->server->config;
    const struct refusal *why = guard_request(config, info, &hx->framing);
    if (why == NULL)
        why = guard_path(info->local_uri_raw, &hx->path);
    if (why != NULL)
        return why;
    const char *host = get_header(&hx->x, "Host");
    for (const char *p = host == NULL ? "" : host; *p != '\0' && *p != ' ' && *p != '\t'; p++)
        buf_char(&hx->host, (char) tolower((unsigned char) *p));
    fill_base_url(hx);
    hx->body_state = hx->framing.has_body ? BODY_UNREAD : BODY_COMPLETE;
    hx->x.method = info->request_method;
    hx->x.path = buf_cstr(&hx->path);
    hx->x.query = info->query_string == NULL ? "" : info->query_string;
    hx->x.host = buf_cstr(&hx->host);
    hx->x.base_url = buf_cstr(&hx->base_url);
    if (!hx->framing.has_body || guard_is_json(get_header(&hx->x, "Content-Type")))
        return NULL;
    return config->takes_raw_body != NULL && config->takes_raw_body(config->arg, &hx->x) ? NULL : &refusal_bad_type;
}

static void handle(struct http_exchange *hx)
{
    struct http_server *server = hx->conn->server;
    atomic_fetch_add(&server->open_exchanges, 1);
    server->config.handle(server->config.arg, &hx->x);
    if (!hx->x.answered) {
        BUF_AUTO body = BUF_INIT;
        wire_put_refusal(&body, &refusal_no_answer);
        reply(&hx->x, refusal_no_answer.status, "application/json", buf_cstr(&body), body.len);
    }
    if (hx->streaming)
        atomic_fetch_sub(&server->open_streams, 1);
    atomic_fetch_sub(&server->open_exchanges, 1);
}

/* A stream left without its terminator must end with the connection: that is how the client sees the cut. */
static void close_exchange(struct http_exchange *hx)
{
    bool cut = hx->write_failed || (hx->streaming && !hx->stream_ended);
    if (!hx->keep_alive || cut) {
        mg_disable_connection_keep_alive(hx->mg);
        if (!cut && hx->body_state != BODY_COMPLETE)
            wire_linger(hx->conn);
    }
    buf_fini(&hx->body);
    buf_fini(&hx->path);
    buf_fini(&hx->host);
    buf_fini(&hx->base_url);
    buf_fini(&hx->extra);
}

void exchange_serve(struct http_conn *conn, struct mg_connection *mg)
{
    struct http_exchange hx = { .x = { .ops = &http_ops }, .conn = conn, .mg = mg, .info = mg_get_request_info(mg) };
    hx.no_body_out = strcmp(hx.info->request_method, "HEAD") == 0;
    wire_make_request_id(hx.x.request_id);
    atomic_fetch_add(&conn->server->requests, 1);
    const struct refusal *why = open_exchange(&hx);
    if (why == NULL) {
        handle(&hx);
    } else {
        hx.body_state = BODY_UNREAD;
        wire_refuse(conn, why, hx.x.request_id);
    }
    close_exchange(&hx);
}
