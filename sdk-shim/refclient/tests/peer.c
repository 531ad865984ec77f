#include "peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <nghttp2/nghttp2.h>

#define RULES       64
#define CONNECTIONS 1024
#define CALLS       4096
#define LIMIT_S     10
#define PREFACE     24 /* bytes */

struct rule {
    char *method;
    enum peer_when when;
    int left; /* -1: for ever */
    struct sbc_buf frames;
    enum peer_then then;
};

struct call {
    char *method;
    int connection;
    uint32_t stream;
    struct sbc_buf bytes; /* of DATA frames */
    bool is_reset;
    uint32_t code;
};

struct connection {
    int fd; /* -1: closed */
    nghttp2_hd_inflater *inflater;
    struct sbc_buf in, out, again;
    size_t taken; /* of the preface */
    bool is_flowing;
    size_t window; /* when flowing: what may be sent */
    bool is_ending, is_breaking, is_shut;
};

struct peer {
    int listener, wake[2];
    bool has_left; /* the listener is closed */
    char url[64];
    struct peer_options options;
    pthread_t thread;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t changed;
    bool is_stopping, is_deaf;
    struct rule rules[RULES];
    size_t rule_count;
    struct call calls[CALLS];
    size_t call_count;
    struct connection connections[CONNECTIONS];
    size_t connection_count;
};

/* ------------------------------------------------------------------ answers */

static uint32_t word_at(const char *bytes)
{
    const unsigned char *p = (const unsigned char *) bytes;
    return (uint32_t) p[0] << 24 | (uint32_t) p[1] << 16 | (uint32_t) p[2] << 8 | p[3];
}

static size_t frame_size(const char *head)
{
    return 9 + (word_at(head) >> 8);
}

/* Append the frames with the call's number in them.  What is no whole frame goes as it is. */
static void add_frames(struct sbc_buf *out, const struct sbc_buf *frames, uint32_t stream)
{
    size_t from = out->size;
    if (frames->size > 0)
        sbc_buf_add(out, frames->data, frames->size);
    for (size_t at = from; at + 9 <= out->size; at += frame_size(out->data + at)) {
        uint32_t number = htonl(stream);
        if (word_at(out->data + at + 5) == PEER_THIS)
            memcpy(out->data + at + 5, &number, sizeof number);
    }
}

static void use(struct peer *peer, struct connection *c, const struct sbc_buf *frames, uint32_t stream,
                enum peer_then then)
{
    add_frames(&c->out, frames, stream);
    c->is_ending = c->is_ending || then == PEER_CLOSES || then == PEER_BREAKS || then == PEER_LEAVES;
    c->is_breaking = c->is_breaking || then == PEER_BREAKS;
    if (then == PEER_REPEATS || then == PEER_FLOWS)
        add_frames(&c->again, frames, stream);
    c->is_flowing = c->is_flowing || then == PEER_FLOWS;
    if (then == PEER_LEAVES && !peer->has_left) {
        peer->has_left = true;
        close(peer->listener);
    }
}

static void answer(struct peer *peer, struct connection *c, const struct call *call, enum peer_when when)
{
    for (size_t i = 0; i < peer->rule_count; i++) {
        struct rule *rule = &peer->rules[i];
        if (rule->left == 0 || rule->when != when || strcmp(rule->method, call->method) != 0)
            continue;
        rule->left -= rule->left > 0;
        use(peer, c, &rule->frames, call->stream, rule->then);
        return;
    }
}

/* ------------------------------------------------------------------ hearing */

static struct call *find_call(struct peer *peer, const struct connection *c, uint32_t stream)
{
    int index = (int) (c - peer->connections);
    for (size_t i = peer->call_count; i-- > 0;)
        if (peer->calls[i].connection == index && peer->calls[i].stream == stream)
            return &peer->calls[i];
    return NULL;
}

/* The last word of :path. */
static char *read_method(struct connection *c, const uint8_t *block, size_t size)
{
    char *method = NULL;
    for (int flags = 0; (flags & NGHTTP2_HD_INFLATE_FINAL) == 0;) {
        nghttp2_nv nv;
        ssize_t n = nghttp2_hd_inflate_hd2(c->inflater, &nv, &flags, block, size, 1);
        if (n < 0)
            break;
        block += n;
        size -= (size_t) n;
        if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0 && nv.namelen == 5 && memcmp(nv.name, ":path", 5) == 0) {
            const uint8_t *slash = memrchr(nv.value, '/', nv.valuelen);
            method = sbc_text_copy_bytes((const char *) slash + 1, (size_t) (nv.value + nv.valuelen - slash - 1));
        }
    }
    nghttp2_hd_inflate_end_headers(c->inflater);
    return method;
}

static void hear_head(struct peer *peer, struct connection *c, uint32_t stream, const char *block, size_t size)
{
    char *method = read_method(c, (const uint8_t *) block, size);
    if (method == NULL || peer->call_count == CALLS) {
        free(method);
        return;
    }
    struct call *call = &peer->calls[peer->call_count++];
    *call = (struct call){ .method = method, .connection = (int) (c - peer->connections), .stream = stream };
    answer(peer, c, call, PEER_AT_HEAD);
}

static void hear_data(struct peer *peer, struct connection *c, struct call *call, const char *data, size_t size)
{
    if (size == 0)
        return;
    sbc_buf_add(&call->bytes, data, size);
    if (!peer->options.keeps_window && !peer->options.is_mute) {
        put_window(&c->out, 0, (uint32_t) size);
        put_window(&c->out, call->stream, (uint32_t) size);
    }
}

static void hear_frame(struct peer *peer, struct connection *c, const char *head, size_t size)
{
    unsigned type = (unsigned char) head[3], flags = (unsigned char) head[4];
    uint32_t stream = word_at(head + 5);
    if (type == PEER_SETTINGS && (flags & PEER_ACK) == 0 && !peer->options.is_mute)
        put_frame(&c->out, PEER_SETTINGS, PEER_ACK, 0, "", 0);
    if (type == PEER_HEADERS)
        hear_head(peer, c, stream, head + 9, size - 9);
    struct call *call = stream == 0 ? NULL : find_call(peer, c, stream);
    if (call == NULL)
        return;
    if (type == PEER_WINDOW)
        c->window += word_at(head + 9);
    if (type == PEER_DATA)
        hear_data(peer, c, call, head + 9, size - 9);
    if (type == PEER_RST && !call->is_reset) {
        call->is_reset = true;
        call->code = word_at(head + 9);
    }
    if ((type == PEER_DATA || type == PEER_HEADERS) && (flags & PEER_END_STREAM) != 0)
        answer(peer, c, call, PEER_AT_END);
}

static void hear(struct peer *peer, struct connection *c)
{
    if (c->taken < PREFACE && c->in.size >= PREFACE) {
        c->taken = PREFACE;
        sbc_buf_drop(&c->in, PREFACE);
    }
    while (c->taken == PREFACE && c->in.size >= 9 && c->in.size >= frame_size(c->in.data)) {
        size_t size = frame_size(c->in.data);
        hear_frame(peer, c, c->in.data, size);
        sbc_buf_drop(&c->in, size);
    }
    pthread_cond_broadcast(&peer->changed);
}

/* ------------------------------------------------------------- connections */

static void close_connection(struct connection *c)
{
    struct linger reset = { 1, 0 };
    if (c->fd < 0)
        return;
    if (c->is_breaking)
        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(c->fd);
    c->fd = -1;
}

/* Nothing more is said.  Closed while something unread lies here, it would be broken instead, and the other side lose what
   it has not read either: so the rest is heard until that side closes, too. */
static void end_connection(struct connection *c)
{
    if (c->is_breaking)
        close_connection(c);
    else if (c->fd >= 0 && !c->is_shut)
        shutdown(c->fd, SHUT_WR);
    c->is_shut = true;
}

static void accept_one(struct peer *peer)
{
    int fd = accept4(peer->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0 || peer->connection_count == CONNECTIONS) {
        if (fd >= 0)
            close(fd);
        return;
    }
    struct connection *c = &peer->connections[peer->connection_count++];
    *c = (struct connection){ .fd = fd, .window = 1 << 20 }; /* less than the client gives a stream */
    if (nghttp2_hd_inflate_new(&c->inflater) != 0)
        abort();
    if (peer->options.hello.size > 0)
        add_frames(&c->out, &peer->options.hello, 0);
    else if (!peer->options.is_mute)
        put_frame(&c->out, PEER_SETTINGS, 0, 0, "", 0);
}

/* Once, so that others have their turn. */
static void talk(struct connection *c)
{
    ssize_t sent = 0;
    if (c->is_shut)
        sbc_buf_drop(&c->out, c->out.size);
    if (c->fd >= 0 && c->out.size > 0)
        sent = send(c->fd, c->out.data, c->out.size < 1 << 20 ? c->out.size : 1 << 20, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN)
        close_connection(c);
    sbc_buf_drop(&c->out, sent > 0 ? (size_t) sent : 0);
    if (c->out.size == 0 && c->again.size > 0 && (!c->is_flowing || c->window >= c->again.size)) {
        sbc_buf_add(&c->out, c->again.data, c->again.size);
        c->window -= c->is_flowing ? c->again.size : 0;
    }
    if (c->out.size == 0 && c->is_ending)
        end_connection(c);
}

static void listen_to(struct peer *peer, struct connection *c)
{
    char bytes[65536];
    ssize_t got = recv(c->fd, bytes, sizeof bytes, 0);
    if (got == 0 || (got < 0 && errno != EAGAIN)) {
        close_connection(c);
        return;
    }
    if (got > 0)
        sbc_buf_add(&c->in, bytes, (size_t) got);
    hear(peer, c);
}

static void *serve(void *arg)
{
    struct peer *peer = arg;
    char drop[256];
    pthread_mutex_lock(&peer->lock);
    while (!peer->is_stopping) {
        struct pollfd fds[CONNECTIONS + 2] = { { peer->wake[0], POLLIN, 0 },
                                               { peer->has_left ? -1 : peer->listener, POLLIN, 0 } };
        size_t count = peer->connection_count;
        for (size_t i = 0; i < count; i++) {
            struct connection *c = &peer->connections[i];
            short wanted = (short) ((peer->is_deaf ? 0 : POLLIN) | (c->out.size > 0 ? POLLOUT : 0));
            fds[i + 2] = (struct pollfd){ wanted == 0 ? -1 : c->fd, wanted, 0 };
        }
        pthread_mutex_unlock(&peer->lock);
        poll(fds, count + 2, -1);
        while (fds[0].revents != 0 && read(peer->wake[0], drop, sizeof drop) == (ssize_t) sizeof drop)
            continue;
        pthread_mutex_lock(&peer->lock);
        for (size_t i = 0; i < count; i++) {
            struct connection *c = &peer->connections[i];
            if (c->fd >= 0 && !peer->is_deaf && (fds[i + 2].revents & ~POLLOUT) != 0)
                listen_to(peer, c);
            talk(c);
        }
        if (fds[1].revents != 0 && !peer->has_left)
            accept_one(peer);
        for (size_t i = count; i < peer->connection_count; i++)
            talk(&peer->connections[i]);
    }
    pthread_mutex_unlock(&peer->lock);
    return NULL;
}

/* --------------------------------------------------------------------- life */

static void wake(struct peer *peer)
{
    (void) !write(peer->wake[1], "", 1);
}

static void init_cond(pthread_cond_t *cond)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attr);
    pthread_condattr_destroy(&attr);
}

struct peer *peer_start(struct peer_options *options)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    struct peer *peer = sbc_alloc(1, sizeof *peer);
    if (options != NULL) {
        peer->options = *options;
        options->hello = (struct sbc_buf){ 0 };
    }
    int room = 4096;
    peer->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (peer->options.is_narrow)
        setsockopt(peer->listener, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    if (peer->listener < 0 || bind(peer->listener, (struct sockaddr *) &address, size) != 0 ||
        listen(peer->listener, 64) != 0 || getsockname(peer->listener, (struct sockaddr *) &address, &size) != 0 ||
        pipe2(peer->wake, O_CLOEXEC | O_NONBLOCK) != 0)
        abort();
    snprintf(peer->url, sizeof peer->url, "http://127.0.0.1:%d", ntohs(address.sin_port));
    pthread_mutex_init(&peer->lock, NULL);
    init_cond(&peer->changed);
    if (pthread_create(&peer->thread, NULL, serve, peer) != 0)
        abort();
    return peer;
}

static void free_connection(struct connection *c)
{
    close_connection(c);
    nghttp2_hd_inflate_del(c->inflater);
    sbc_buf_free(&c->in);
    sbc_buf_free(&c->out);
    sbc_buf_free(&c->again);
}

void peer_stop(struct peer *peer)
{
    if (peer == NULL)
        return;
    pthread_mutex_lock(&peer->lock);
    peer->is_stopping = true;
    pthread_mutex_unlock(&peer->lock);
    wake(peer);
    pthread_join(peer->thread, NULL);
    for (size_t i = 0; i < peer->connection_count; i++)
        free_connection(&peer->connections[i]);
    for (size_t i = 0; i < peer->call_count; i++) {
        free(peer->calls[i].method);
        sbc_buf_free(&peer->calls[i].bytes);
    }
    for (size_t i = 0; i < peer->rule_count; i++) {
        free(peer->rules[i].method);
        sbc_buf_free(&peer->rules[i].frames);
    }
    if (!peer->has_left)
        close(peer->listener);
    close(peer->wake[0]);
    close(peer->wake[1]);
    sbc_buf_free(&peer->options.hello);
    pthread_cond_destroy(&peer->changed);
    pthread_mutex_destroy(&peer->lock);
    free(peer);
}

const char *peer_url(const struct peer *peer)
{
    return peer->url;
}

/* -------------------------------------------------------------------- rules */

static void drop_used_rules(struct peer *peer)
{
    size_t kept = 0;
    for (size_t i = 0; i < peer->rule_count; i++) {
        if (peer->rules[i].left != 0) {
            peer->rules[kept++] = peer->rules[i];
            continue;
        }
        free(peer->rules[i].method);
        sbc_buf_free(&peer->rules[i].frames);
    }
    peer->rule_count = kept;
}

void peer_answer(struct peer *peer, const char *method, enum peer_when when, int times, struct sbc_buf *frames,
                 enum peer_then then)
{
    pthread_mutex_lock(&peer->lock);
    drop_used_rules(peer);
    if (peer->rule_count == RULES)
        abort();
    peer->rules[peer->rule_count++] =
        (struct rule){ sbc_text_copy(method), when, times == 0 ? -1 : times, *frames, then };
    *frames = (struct sbc_buf){ 0 };
    pthread_mutex_unlock(&peer->lock);
}

void peer_forget(struct peer *peer, const char *method)
{
    pthread_mutex_lock(&peer->lock);
    for (size_t i = 0; i < peer->rule_count; i++)
        if (strcmp(peer->rules[i].method, method) == 0)
            peer->rules[i].left = 0;
    pthread_mutex_unlock(&peer->lock);
}

void peer_say(struct peer *peer, const char *method, struct sbc_buf *frames, enum peer_then then)
{
    pthread_mutex_lock(&peer->lock);
    const struct call *call = peer->calls;
    while (call < peer->calls + peer->call_count && strcmp(call->method, method) != 0)
        call++;
    if (call == peer->calls + peer->call_count)
        abort(); /* it has not begun */
    use(peer, &peer->connections[call->connection], frames, call->stream, then);
    pthread_mutex_unlock(&peer->lock);
    wake(peer);
    sbc_buf_free(frames);
}

void peer_deafen(struct peer *peer)
{
    pthread_mutex_lock(&peer->lock);
    peer->is_deaf = true;
    pthread_mutex_unlock(&peer->lock);
    wake(peer);
}

/* ------------------------------------------------------------- what was said */

struct question {
    const char *method;
    size_t calls, bytes; /* at least */
    bool is_reset;
    uint32_t code;
};

static bool is_so(const struct peer *peer, const struct question *q)
{
    size_t calls = 0, bytes = 0;
    bool is_reset = !q->is_reset;
    for (size_t i = 0; i < peer->call_count; i++) {
        const struct call *call = &peer->calls[i];
        if (strcmp(call->method, q->method) != 0)
            continue;
        calls++;
        bytes += call->bytes.size;
        is_reset = is_reset || (call->is_reset && call->code == q->code);
    }
    return calls >= q->calls && bytes >= q->bytes && is_reset;
}

static bool await(struct peer *peer, const struct question *q)
{
    struct timespec until;
    int late = 0;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += LIMIT_S;
    pthread_mutex_lock(&peer->lock);
    while (!is_so(peer, q) && late == 0)
        late = pthread_cond_timedwait(&peer->changed, &peer->lock, &until);
    bool was_so = is_so(peer, q);
    pthread_mutex_unlock(&peer->lock);
    return was_so;
}

bool peer_await_calls(struct peer *peer, const char *method, int count)
{
    return await(peer, &(struct question){ .method = method, .calls = (size_t) count });
}

bool peer_await_reset(struct peer *peer, const char *method, uint32_t code)
{
    return await(peer, &(struct question){ .method = method, .is_reset = true, .code = code });
}

bool peer_await_bytes(struct peer *peer, const char *method, size_t least)
{
    return await(peer, &(struct question){ .method = method, .bytes = least });
}

int peer_calls(struct peer *peer, const char *method)
{
    int count = 0;
    pthread_mutex_lock(&peer->lock);
    for (size_t i = 0; i < peer->call_count; i++)
        count += strcmp(peer->calls[i].method, method) == 0;
    pthread_mutex_unlock(&peer->lock);
    return count;
}

int peer_connections(struct peer *peer)
{
    pthread_mutex_lock(&peer->lock);
    int count = (int) peer->connection_count;
    pthread_mutex_unlock(&peer->lock);
    return count;
}

char *peer_bytes(struct peer *peer, const char *method, size_t *out_size)
{
    struct sbc_buf bytes = { 0 };
    pthread_mutex_lock(&peer->lock);
    for (size_t i = 0; i < peer->call_count; i++)
        if (strcmp(peer->calls[i].method, method) == 0 && peer->calls[i].bytes.size > 0)
            sbc_buf_add(&bytes, peer->calls[i].bytes.data, peer->calls[i].bytes.size);
    pthread_mutex_unlock(&peer->lock);
    *out_size = bytes.size;
    return sbc_buf_take(&bytes);
}
