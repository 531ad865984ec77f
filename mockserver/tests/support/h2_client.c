#include "tests/support/h2_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <nghttp2/nghttp2.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "transports/grpc_message.h"

#define INPUT_BYTES 65536
#define MAX_FIELDS  16
#define STEP_MS     50

/* ---- nghttp2's callbacks ---------------------------------------------------------------- */

static struct h2_stream *find(nghttp2_session *session, int32_t id)
{
    return nghttp2_session_get_stream_user_data(session, id);
}

static ssize_t write_out(nghttp2_session *session, const uint8_t *data, size_t len, int flags, void *arg)
{
    struct h2_client *c = arg;
    (void) session;
    (void) flags;
    if (c->out.len - c->out_at > 4 * INPUT_BYTES)
        return NGHTTP2_ERR_WOULDBLOCK;
    buf_add(&c->out, data, len);
    return (ssize_t) len;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_len,
                     const uint8_t *value, size_t value_len, uint8_t flags, void *arg)
{
    struct h2_stream *s = find(session, frame->hd.stream_id);
    (void) flags;
    (void) arg;
    if (s != NULL)
        grpc_fields_add(s->heads == 0 ? &s->head : &s->trailers, (const char *) name, name_len, (const char *) value,
                        value_len);
    return 0;
}

static void note_settings(struct h2_client *c, const nghttp2_frame *frame)
{
    c->has_settings = c->has_settings || (frame->hd.flags & NGHTTP2_FLAG_ACK) == 0;
    for (size_t i = 0; i < frame->settings.niv; i++) {
        if (frame->settings.iv[i].settings_id == NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS)
            c->max_streams = frame->settings.iv[i].value;
    }
}

static void note_data(struct h2_stream *s, size_t len)
{
    if (len == 0)
        return;
    s->frames++;
    s->largest = len > s->largest ? len : s->largest;
    s->smallest = s->frames == 1 || len < s->smallest ? len : s->smallest;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct h2_client *c = arg;
    struct h2_stream *s = frame->hd.stream_id == 0 ? NULL : find(session, frame->hd.stream_id);
    if (frame->hd.type == NGHTTP2_SETTINGS)
        note_settings(c, frame);
    if (frame->hd.type == NGHTTP2_PING && (frame->hd.flags & NGHTTP2_FLAG_ACK) != 0)
        c->pongs++;
    if (frame->hd.type == NGHTTP2_GOAWAY) {
        c->has_goaway = true;
        c->goaway_code = frame->goaway.error_code;
        c->goaway_last = frame->goaway.last_stream_id;
    }
    if (s == NULL)
        return 0;
    if (frame->hd.type == NGHTTP2_HEADERS)
        s->heads++;
    if (frame->hd.type == NGHTTP2_DATA)
        note_data(s, frame->hd.length);
    bool may_end = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
    s->is_ended = s->is_ended || (may_end && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0);
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data, size_t len, void *arg)
{
    struct h2_stream *s = find(session, id);
    (void) flags;
    (void) arg;
    if (s != NULL)
        buf_add(&s->in, data, len);
    nghttp2_session_consume_connection(session, len);
    if (s == NULL || !s->reads_nothing)
        nghttp2_session_consume_stream(session, id, len);
    return 0;
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t code, void *arg)
{
    struct h2_stream *s = find(session, id);
    (void) arg;
    if (s != NULL) {
        s->is_closed = true;
        s->code = code;
    }
    return 0;
}

static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *buf, size_t max, uint32_t *flags,
                         nghttp2_data_source *source, void *arg)
{
    struct h2_stream *s = source->ptr;
    size_t n = s->out.len - s->out_at < max ? s->out.len - s->out_at : max;
    (void) session;
    (void) id;
    (void) arg;
    if (n == 0 && !s->out_end) {
        s->is_waiting = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    memcpy(buf, buf_cstr(&s->out) + s->out_at, n);
    s->out_at += n;
    if (s->out_at == s->out.len) {
        buf_clear(&s->out);
        s->out_at = 0;
        *flags = s->out_end ? NGHTTP2_DATA_FLAG_EOF : 0;
    }
    return (ssize_t) n;
}

/* ---- life ------------------------------------------------------------------------------- */

static int open_session(struct h2_client *c, const struct h2_options *o)
{
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;
    const nghttp2_settings_entry settings[] = {
        { NGHTTP2_SETTINGS_ENABLE_PUSH, 0 },
        { NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, o->stream_window < 0 ? 0 : (uint32_t) o->stream_window },
        { NGHTTP2_SETTINGS_MAX_FRAME_SIZE, o->max_frame },
    };
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_option_new(&option);
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_peer_max_concurrent_streams(option, 100000);
    nghttp2_session_callbacks_set_send_callback(callbacks, write_out);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    int rc = nghttp2_session_client_new2(&c->session, callbacks, c, option);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(option);
    if (rc != 0)
        return -1;
    nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, settings, 3);
    nghttp2_session_set_local_window_size(c->session, NGHTTP2_FLAG_NONE, 0, o->connection_window);
    return 0;
}

static int dial(int port, int receive_buffer)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t) port) };
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0)
        return -1;
    if (receive_buffer > 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(fd, (struct sockaddr *) &at, sizeof at) == 0)
        return fd;
    close(fd);
    return -1;
}

int h2_connect(struct h2_client *c, int port, const struct h2_options *options)
{
    struct h2_options o = options == NULL ? (struct h2_options) { 0 } : *options;
    *c = (struct h2_client) { .fd = dial(port, o.receive_buffer), .out = BUF_INIT };
    if (c->fd < 0)
        return -1;
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    o.stream_window = o.stream_window == 0 ? 65536 : o.stream_window;
    o.connection_window = o.connection_window == 0 ? 16 << 20 : o.connection_window;
    o.max_frame = o.max_frame == 0 ? 16384 : o.max_frame;
    c->is_open = true;
    return open_session(c, &o);
}

void h2_close(struct h2_client *c)
{
    while (c->streams != NULL) {
        struct h2_stream *s = c->streams;
        c->streams = s->next;
        buf_fini(&s->out);
        buf_fini(&s->in);
        grpc_fields_fini(&s->head);
        grpc_fields_fini(&s->trailers);
        free(s);
    }
    nghttp2_session_del(c->session);
    c->session = NULL;
    buf_fini(&c->out);
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    c->is_open = false;
}

/* ---- asking ----------------------------------------------------------------------------- */

static nghttp2_nv make_field(const char *name, const char *value)
{
    return (nghttp2_nv) { (uint8_t *) (uintptr_t) name, (uint8_t *) (uintptr_t) value, strlen(name), strlen(value), 0 };
}

static void replace_field(nghttp2_nv *list, size_t *count, const char *name, const char *value)
{
    for (size_t i = 0; i < *count; i++) {
        if (strcmp((const char *) list[i].name, name) == 0) {
            list[i] = make_field(name, value);
            return;
        }
    }
    list[(*count)++] = make_field(name, value);
}

static size_t drop_empty(nghttp2_nv *list, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (list[i].valuelen > 0)
            list[kept++] = list[i];
    }
    return kept;
}

struct h2_stream *h2_open(struct h2_client *c, const char *path, const char *const *more)
{
    nghttp2_nv list[MAX_FIELDS] = {
        make_field(":method", "POST"),   make_field(":scheme", "http"),
        make_field(":path", path),       make_field(":authority", "127.0.0.1"),
        make_field("te", "trailers"),    make_field("content-type", "application/grpc"),
    };
    size_t count = 6;
    struct h2_stream *s = calloc(1, sizeof *s);
    if (s == NULL)
        abort();
    for (; more != NULL && more[0] != NULL; more += 2)
        replace_field(list, &count, more[0], more[1]);
    count = drop_empty(list, count);
    nghttp2_data_provider body = { .source = { .ptr = s }, .read_callback = read_body };
    s->client = c;
    s->next = c->streams;
    c->streams = s;
    s->id = nghttp2_submit_request(c->session, NULL, list, count, &body, s);
    return s;
}

static void go_on(struct h2_stream *s)
{
    if (s->is_waiting) {
        s->is_waiting = false;
        nghttp2_session_resume_data(s->client->session, s->id);
    }
}

void h2_send(struct h2_stream *s, const void *data, size_t len, bool end)
{
    buf_add(&s->out, data, len);
    s->out_end = end;
    go_on(s);
}

void h2_send_message(struct h2_stream *s, const void *data, size_t len, bool end)
{
    unsigned char prefix[GRPC_PREFIX_BYTES];
    grpc_message_put_prefix(prefix, (uint32_t) len);
    buf_add(&s->out, prefix, sizeof prefix);
    h2_send(s, data, len, end);
}

void h2_reset(struct h2_stream *s, uint32_t code)
{
    nghttp2_submit_rst_stream(s->client->session, NGHTTP2_FLAG_NONE, s->id, code);
}

void h2_ping(struct h2_client *c)
{
    nghttp2_submit_ping(c->session, NGHTTP2_FLAG_NONE, NULL);
}

void h2_read_again(struct h2_stream *s)
{
    s->reads_nothing = false;
    nghttp2_session_consume_stream(s->client->session, s->id, s->in.len);
}

void h2_give_window(struct h2_stream *s, int32_t bytes)
{
    nghttp2_submit_window_update(s->client->session, NGHTTP2_FLAG_NONE, s->id, bytes);
}

/* ---- running ---------------------------------------------------------------------------- */

static void lose(struct h2_client *c)
{
    c->was_reset = errno == ECONNRESET || errno == EPIPE;
    c->is_open = false;
}

static void send_some(struct h2_client *c)
{
    while (c->is_open) {
        nghttp2_session_send(c->session);
        if (c->out_at == c->out.len)
            return;
        ssize_t n = send(c->fd, c->out.data + c->out_at, c->out.len - c->out_at, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN)
            c->out_at = c->out.len;   /* what the server still has to say is yet to be read */
        if (n < 0 && errno == EAGAIN)
            return;
        c->out_at += n > 0 ? (size_t) n : 0;
        c->moved += n > 0 ? (size_t) n : 0;
        if (c->out_at == c->out.len) {
            buf_clear(&c->out);
            c->out_at = 0;
        }
    }
}

static void receive_some(struct h2_client *c)
{
    unsigned char input[INPUT_BYTES];
    while (c->is_open && !c->is_mute) {
        ssize_t n = recv(c->fd, input, sizeof input, 0);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            errno = n == 0 ? 0 : errno;
            lose(c);
            return;
        }
        c->moved += (size_t) n;
        nghttp2_session_mem_recv(c->session, input, (size_t) n);
        send_some(c);
    }
}

void h2_step(struct h2_client *c)
{
    send_some(c);
    receive_some(c);
    send_some(c);
}

bool h2_run(struct h2_client *c, bool (*done)(void *arg), void *arg, int limit_ms)
{
    int64_t last_ns = mono_ns();
    for (size_t moved = c->moved;; moved = c->moved) {
        h2_step(c);
        if (done(arg))
            return true;
        if (c->moved > moved)
            last_ns = mono_ns();
        if (!c->is_open || mono_ns() > last_ns + (int64_t) limit_ms * 1000000)
            return false;
        struct pollfd p = { .fd = c->fd, .events = (short) ((c->is_mute ? 0 : POLLIN) |
                                                            (c->out_at < c->out.len ? POLLOUT : 0)) };
        poll(&p, 1, STEP_MS);
    }
}

static bool is_closed(void *arg)
{
    const struct h2_stream *s = arg;
    return s->is_closed;
}

static bool has_head(void *arg)
{
    const struct h2_stream *s = arg;
    return s->heads > 0;
}

static bool has_ended(void *arg)
{
    const struct h2_client *c = arg;
    return !c->is_open;
}

static bool has_goaway(void *arg)
{
    const struct h2_client *c = arg;
    return c->has_goaway;
}

static bool has_settings(void *arg)
{
    const struct h2_client *c = arg;
    return c->has_settings;
}

struct wanted { const struct h2_stream *stream; size_t bytes; };

static bool has_bytes(void *arg)
{
    const struct wanted *wanted = arg;
    return wanted->stream->in.len >= wanted->bytes;
}

bool h2_await_closed(struct h2_stream *s)
{
    return h2_run(s->client, is_closed, s, H2_LIMIT_MS);
}

bool h2_await_head(struct h2_stream *s)
{
    return h2_run(s->client, has_head, s, H2_LIMIT_MS);
}

bool h2_await_bytes(struct h2_stream *s, size_t least)
{
    return h2_run(s->client, has_bytes, &(struct wanted) { s, least }, H2_LIMIT_MS);
}

bool h2_await_end(struct h2_client *c)
{
    return h2_run(c, has_ended, c, H2_LIMIT_MS);
}

bool h2_await_goaway(struct h2_client *c)
{
    return h2_run(c, has_goaway, c, H2_LIMIT_MS);
}

bool h2_await_settings(struct h2_client *c)
{
    return h2_run(c, has_settings, c, H2_LIMIT_MS);
}

/* ---- answers ---------------------------------------------------------------------------- */

const char *h2_field(const struct h2_stream *s, const char *name)
{
    const char *value = grpc_fields_find(&s->trailers, name);
    return value != NULL ? value : grpc_fields_find(&s->head, name);
}

int h2_status(const struct h2_stream *s)
{
    const char *text = h2_field(s, "grpc-status");
    return text == NULL ? -1 : (int) strtol(text, NULL, 10);
}

long h2_message(const struct h2_stream *s, size_t index, const char **out)
{
    const unsigned char *p = (const unsigned char *) buf_cstr(&s->in);
    for (size_t left = s->in.len; left >= GRPC_PREFIX_BYTES; index--) {
        size_t len = (size_t) p[1] << 24 | (size_t) p[2] << 16 | (size_t) p[3] << 8 | p[4];
        if (left - GRPC_PREFIX_BYTES < len)
            return -1;
        if (index == 0) {
            *out = (const char *) p + GRPC_PREFIX_BYTES;
            return (long) len;
        }
        p += GRPC_PREFIX_BYTES + len;
        left -= GRPC_PREFIX_BYTES + len;
    }
    return -1;
}

size_t h2_messages(const struct h2_stream *s)
{
    const char *ignored;
    size_t count = 0;
    while (h2_message(s, count, &ignored) >= 0)
        count++;
    return count;
}

int h2_unary(struct h2_client *c, const char *path, const void *message, size_t len, struct buf *out)
{
    const char *answer;
    struct h2_stream *s = h2_open(c, path, NULL);
    h2_send_message(s, message, len, true);
    if (!h2_await_closed(s))
        return -1;
    long got = h2_message(s, 0, &answer);
    if (out != NULL && got >= 0)
        buf_add(out, answer, (size_t) got);
    return h2_status(s);
}

/* ---- without HTTP/2 --------------------------------------------------------------------- */

int h2_dial(int port, int receive_buffer)
{
    return dial(port, receive_buffer);
}

/* Four bytes at `at` of the payload of the first frame of this type. */
static int64_t code_in(const struct buf *frames, unsigned type, size_t at)
{
    const unsigned char *p = (const unsigned char *) buf_cstr(frames);
    for (size_t left = frames->len; left >= 9;) {
        size_t size = 9 + ((size_t) p[0] << 16 | (size_t) p[1] << 8 | p[2]);
        const unsigned char *code = p + 9 + at;
        if (size > left)
            break;
        if (p[3] == type && size >= 9 + at + 4)
            return (int64_t) code[0] << 24 | code[1] << 16 | code[2] << 8 | code[3];
        p += size;
        left -= size;
    }
    return -1;
}

int64_t h2_goaway_in(const struct buf *frames)
{
    return code_in(frames, NGHTTP2_GOAWAY, 4);
}

int64_t h2_reset_in(const struct buf *frames)
{
    return code_in(frames, NGHTTP2_RST_STREAM, 0);
}

bool h2_dial_send(int fd, const void *data, size_t len)
{
    const char *at = data;
    while (len > 0) {
        ssize_t n = send(fd, at, len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        at += n;
        len -= (size_t) n;
    }
    return true;
}

bool h2_dial_drain(int fd, struct buf *out, int limit_ms)
{
    char input[INPUT_BYTES];
    for (;;) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        if (poll(&p, 1, limit_ms) <= 0)
            return false;
        ssize_t n = recv(fd, input, sizeof input, 0);
        if (n <= 0)
            return true;
        buf_add(out, input, (size_t) n);
    }
}

void h2_put_frame(struct buf *out, unsigned type, unsigned flags, uint32_t stream, const void *payload, size_t len)
{
    const unsigned char head[9] = { (unsigned char) (len >> 16), (unsigned char) (len >> 8), (unsigned char) len,
                                    (unsigned char) type, (unsigned char) flags, (unsigned char) (stream >> 24),
                                    (unsigned char) (stream >> 16), (unsigned char) (stream >> 8),
                                    (unsigned char) stream };
    buf_add(out, head, sizeof head);
    buf_add(out, payload, len);
}

void h2_put_preface(struct buf *out)
{
    buf_add(out, NGHTTP2_CLIENT_MAGIC, NGHTTP2_CLIENT_MAGIC_LEN);
    h2_put_frame(out, NGHTTP2_SETTINGS, 0, 0, "", 0);
}

/* Literal fields without indexing: no state, so blocks can be repeated and cut. */
static void put_field(struct buf *out, const char *name, const char *value)
{
    buf_char(out, 0);
    buf_char(out, (char) strlen(name));
    buf_str(out, name);
    buf_char(out, (char) strlen(value));
    buf_str(out, value);
}

void h2_put_head_block(struct buf *out, const char *path)
{
    put_field(out, ":method", "POST");
    put_field(out, ":scheme", "http");
    put_field(out, ":path", path);
    put_field(out, ":authority", "127.0.0.1");
    put_field(out, "te", "trailers");
    put_field(out, "content-type", "application/grpc");
}

void h2_put_call(struct buf *out, uint32_t id, const char *path, const void *message, size_t len)
{
    unsigned char prefix[GRPC_PREFIX_BYTES];
    BUF_AUTO block = BUF_INIT;
    BUF_AUTO body = BUF_INIT;
    h2_put_head_block(&block, path);
    grpc_message_put_prefix(prefix, (uint32_t) len);
    buf_add(&body, prefix, sizeof prefix);
    buf_add(&body, message, len);
    h2_put_frame(out, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, id, block.data, block.len);
    h2_put_frame(out, NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, id, body.data, body.len);
}
