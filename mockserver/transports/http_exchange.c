/* The operations of an exchange, and the life of one. */
#include "transports/http_priv.h"

#include <civetweb.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>

#include "base/clock.h"
#include "transports/host.h"

#define BODY_PIECE 65536
#define SMALL_BODY_BYTES 65536u      /* an unread body up to this is read to keep the connection */
#define SLOWEST_BYTES_PER_S 16384    /* a body may be this slow, beyond its first grace */

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

static size_t get_headers(struct exchange *x, const char **names, const char **values, size_t max)
{
    const struct mg_request_info *info = self(x)->info;
    size_t count = 0;
    for (; count < (size_t) info->num_headers && count < max; count++) {
        names[count] = info->http_headers[count].name;
        values[count] = info->http_headers[count].value;
    }
    return count;
}

/* ---- how an answer ends early ---------------------------------------------------------- */

int exchange_give_up(struct http_exchange *hx, enum exchange_end end)
{
    hx->over = true;
    hx->broken = true;
    hx->end = end;
    hx->x.answered = true;
    return -1;
}

int exchange_lose_client(struct http_exchange *hx)
{
    bool is_stopping = atomic_load(&hx->conn->server->stopping);
    return exchange_give_up(hx, is_stopping ? EXCHANGE_CUT : EXCHANGE_CLIENT_GONE);
}

/* The handler may not write any more. */
static bool is_over(const struct http_exchange *hx)
{
    return hx->over || hx->stream_ended || (hx->x.answered && !hx->streaming);
}

static enum exchange_end how_ended(struct exchange *x)
{
    const struct http_exchange *hx = self(x);
    if (hx->over)
        return hx->end;
    if (x->answered && (!hx->streaming || hx->stream_ended))
        return EXCHANGE_COMPLETE;
    if (hx->client_gone)
        return EXCHANGE_CLIENT_GONE;
    return x->answered ? EXCHANGE_CUT : EXCHANGE_NO_ANSWER;
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
        exchange_lose_client(hx);
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
    if (hx->x.observer != NULL)
        hx->x.observer->request_body(&hx->x, buf_cstr(&hx->body), hx->body.len);
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

int exchange_make_head(struct http_exchange *hx, struct wire_head *head, struct buf *out)
{
    head->request_id = hx->x.request_id;
    head->extra = &hx->extra;
    head->keep_alive = hx->keep_alive;
    wire_put_head(out, head);
    hx->x.answered = true;
    if (hx->x.observer != NULL)
        hx->x.observer->answer(&hx->x, head->status, head->content_type);
    return out->failed || hx->extra.failed ? -1 : 0;
}

static void observe_bytes(struct http_exchange *hx, const void *bytes, size_t len)
{
    if (hx->x.observer != NULL && len > 0)
        hx->x.observer->answer_bytes(&hx->x, bytes, len);
}

void exchange_tell_end(struct http_exchange *hx, enum exchange_end end)
{
    if (hx->x.observer != NULL)
        hx->x.observer->ending(&hx->x, end);
}

static int send_or_lose(struct http_exchange *hx, struct iovec *iov, int count)
{
    return wire_send(hx->conn, iov, count) < 0 ? exchange_lose_client(hx) : 0;
}

static int send_head_and(struct http_exchange *hx, struct wire_head *head, const void *body, size_t len)
{
    BUF_AUTO text = BUF_INIT;
    if (exchange_make_head(hx, head, &text) < 0)
        return exchange_give_up(hx, EXCHANGE_CUT);
    observe_bytes(hx, body, len);
    if (!hx->streaming && len <= SURE_BYTES)
        exchange_tell_end(hx, EXCHANGE_COMPLETE);
    struct iovec iov[] = { { text.data, text.len }, { (void *) (uintptr_t) body, len } };
    return send_or_lose(hx, iov, 2);
}

static int reply(struct exchange *x, int status, const char *content_type, const void *body, size_t len)
{
    struct http_exchange *hx = self(x);
    if (x->answered)
        return -1;
    decide_keep_alive(hx);
    struct wire_head head = { .status = status, .content_type = content_type, .length = len };
    size_t shown = hx->no_body_out || !wire_status_has_body(status) ? 0 : len;
    return x->strike != NULL ? fault_reply(hx, &head, body, shown) : send_head_and(hx, &head, body, shown);
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
    hx->chunked = hx->speaks_chunks;
    decide_keep_alive(hx);
    hx->keep_alive = hx->keep_alive && hx->chunked;
    struct wire_head head = { .status = status, .content_type = content_type,
                              .chunked = hx->chunked, .until_close = !hx->chunked };
    return x->strike != NULL ? fault_stream_begin(hx, &head) : send_head_and(hx, &head, NULL, 0);
}

static int stream_write(struct exchange *x, const void *data, size_t len)
{
    struct http_exchange *hx = self(x);
    char size[24];
    static char end[] = "\r\n";
    if (!hx->streaming || is_over(hx))
        return -1;
    if (x->strike != NULL)
        return fault_stream_write(hx, data, len);
    if (len == 0 || hx->no_body_out)   /* an empty chunk would end the stream */
        return 0;
    observe_bytes(hx, data, len);
    int digits = snprintf(size, sizeof size, "%zx\r\n", len);
    struct iovec iov[] = { { size, (size_t) digits }, { (void *) (uintptr_t) data, len }, { end, 2 } };
    return send_or_lose(hx, hx->chunked ? iov : iov + 1, hx->chunked ? 3 : 1);
}

static int stream_end(struct exchange *x)
{
    struct http_exchange *hx = self(x);
    static char last[] = "0\r\n\r\n";
    if (!hx->streaming || is_over(hx))
        return -1;
    if (x->strike != NULL)
        return fault_stream_end(hx);
    hx->stream_ended = true;
    exchange_tell_end(hx, EXCHANGE_COMPLETE);
    if (!hx->chunked || hx->no_body_out)
        return 0;
    struct iovec iov = { last, sizeof last - 1 };
    return send_or_lose(hx, &iov, 1);
}

static bool peer_gone(struct exchange *x)
{
    struct http_exchange *hx = self(x);
    if (hx->over)
        return true;
    bool is_gone = wire_peer_gone(hx->conn, &hx->half_closed_since_ns);
    if (is_gone && !atomic_load(&hx->conn->server->stopping))
        hx->client_gone = true;
    return is_gone;
}

static int poke(struct exchange *x)
{
    struct http_exchange *hx = self(x);
    if (is_over(hx))
        return -1;
    return x->strike != NULL ? fault_poke(hx) : 0;
}

static const struct exchange_ops http_ops = {
    .header = get_header,
    .headers = get_headers,
    .body = get_body,
    .add_header = add_header,
    .reply = reply,
    .stream_begin = stream_begin,
    .stream_write = stream_write,
    .stream_end = stream_end,
    .peer_gone = peer_gone,
    .how_ended = how_ended,
    .poke = poke,
};

/* ---- the life of one ------------------------------------------------------------------ */

/* A server on every address does not know its own name: the client does, unless it used a sandbox's. */
static void fill_base_url(struct http_exchange *hx)
{
    const struct http_server *server = hx->conn->server;
    const char *const *suffixes = server->config.extra_hosts;
    bool is_sandbox = host_is_known(buf_cstr(&hx->host), suffixes)
                      && !host_is_known(buf_cstr(&hx->host), NULL);
    if (server->address.is_wildcard && hx->host.len > 0 && !is_sandbox)
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
    hx->x.raw_path = info->local_uri_raw;
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
    hx->x.observer = NULL;           /* whoever set it has looked at the end already */
    if (!hx->x.answered && !hx->client_gone) {
        BUF_AUTO body = BUF_INIT;
        wire_put_refusal(&body, &refusal_no_answer);
        reply(&hx->x, refusal_no_answer.status, "application/json", buf_cstr(&body), body.len);
    }
    if (hx->streaming)
        atomic_fetch_sub(&server->open_streams, 1);
    atomic_fetch_sub(&server->open_exchanges, 1);
}

static bool has_unread_input(const struct http_exchange *hx)
{
    int waiting = 0;
    return hx->body_state != BODY_COMPLETE || ioctl(hx->conn->fd, FIONREAD, &waiting) < 0 || waiting > 0;
}

/* A stream left without its terminator must end with the connection: that is how the client sees the cut. */
static void close_exchange(struct http_exchange *hx)
{
    bool cut = hx->broken || (hx->streaming && !hx->stream_ended);
    if (!hx->keep_alive || cut) {
        mg_disable_connection_keep_alive(hx->mg);
        if (cut ? hx->said_end && has_unread_input(hx) : hx->body_state != BODY_COMPLETE)
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
    hx.speaks_chunks = strcmp(hx.info->http_version, "1.1") == 0;
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
