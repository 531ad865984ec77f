/* The life of a server: listening, accepting, news of calls, stopping. */
#include "transports/grpc_priv.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG          1024
#define ACCEPTS_AT_ONCE  64
#define PAUSE_MS         100         /* when no descriptor can be had */
#define MIB              ((size_t) 1024 * 1024)

const struct grpc_method *grpc_method_find(const struct grpc_method *methods, size_t count, const char *path)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(methods[i].path, path) == 0)
            return &methods[i];
    }
    return NULL;
}

/* ---- news ------------------------------------------------------------------------------- */

bool server_add_news(struct grpc_server *server, struct grpc_call *call)
{
    grpc_call_ref(call);
    pthread_mutex_lock(&server->news_lock);
    call->next_news = NULL;
    *server->last_news = call;
    server->last_news = &call->next_news;
    bool must_post = !server->is_posted && !reactor_is_mine(server->reactor);
    server->is_posted = server->is_posted || must_post;
    pthread_mutex_unlock(&server->news_lock);
    if (must_post)
        atomic_fetch_add(&server->posting, 1);
    return must_post;
}

void server_post(struct grpc_server *server)
{
    reactor_post(server->reactor, &server->job);
    atomic_fetch_sub(&server->posting, 1);
}

static struct grpc_call *take_news(struct grpc_server *server)
{
    pthread_mutex_lock(&server->news_lock);
    struct grpc_call *first = server->news;
    server->news = NULL;
    server->last_news = &server->news;
    pthread_mutex_unlock(&server->news_lock);
    return first;
}

static void look_at(struct grpc_server *server, struct grpc_call *call)
{
    pthread_mutex_lock(&call->lock);
    call->has_news = false;          /* what comes from now on is looked at again */
    pthread_mutex_unlock(&call->lock);
    if (call->conn == NULL)
        return;
    answer_go_on(call);
    if (call->conn != NULL && !call->conn->is_dirty) {
        call->conn->is_dirty = true;
        call->conn->next_dirty = server->dirty;
        server->dirty = call->conn;
    }
}

static void look_at_all(struct grpc_server *server, struct grpc_call *call)
{
    while (call != NULL) {
        struct grpc_call *next = call->next_news;
        look_at(server, call);
        grpc_call_unref(call);
        call = next;
    }
}

/* One that was closed meanwhile is freed only after the turn, and writes nothing. */
static void pump_dirty(struct grpc_server *server)
{
    while (server->dirty != NULL) {
        struct grpc_conn *conn = server->dirty;
        server->dirty = conn->next_dirty;
        conn->is_dirty = false;
        conn_pump(conn);
    }
}

/* Handlers may be told something in here, and may ask for more: until nothing is left. */
void server_turn(struct grpc_server *server)
{
    if (server->in_turn)
        return;
    server->in_turn = true;
    for (struct grpc_call *call; (call = take_news(server)) != NULL;) {
        look_at_all(server, call);
        pump_dirty(server);
    }
    server->in_turn = false;
}

static void take_post(void *arg)
{
    struct grpc_server *server = arg;
    pthread_mutex_lock(&server->news_lock);
    server->is_posted = false;
    pthread_mutex_unlock(&server->news_lock);
    server_turn(server);
}

/* ---- accepting -------------------------------------------------------------------------- */

static void pause_accepting(struct grpc_server *server)
{
    reactor_change(server->reactor, &server->listener, 0);
    timer_set_real(server->reactor, &server->pause, PAUSE_MS);
}

static void go_on_accepting(void *arg)
{
    struct grpc_server *server = arg;
    if (server->listener.fd >= 0)
        reactor_change(server->reactor, &server->listener, EPOLLIN);
}

static bool take_connection(struct grpc_server *server, int fd)
{
    int on = 1;
    atomic_fetch_add(&server->connections, 1);
    if (atomic_load(&server->open_connections) >= server->config.max_connections) {
        atomic_fetch_add(&server->refused, 1);
        close(fd);
        return false;
    }
    (void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return conn_open(server, fd) == 0;
}

static void on_listener(struct source *source, uint32_t events)
{
    struct grpc_server *server = (struct grpc_server *) source;
    (void) events;
    for (int i = 0; i < ACCEPTS_AT_ONCE && source->fd >= 0; i++) {
        int fd = accept4(source->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0)
            take_connection(server, fd);
        else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            pause_accepting(server);
        if (fd < 0 && errno != ECONNABORTED && errno != EINTR)
            break;
    }
    server_turn(server);
}

static int bind_to(const struct address *address, int fd, int port)
{
    int on = 1;
    struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons((uint16_t) port), .sin_addr = address->v4 };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t) port), .sin6_addr = address->v6 };
    (void) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (address->is_v4)
        return bind(fd, (struct sockaddr *) &v4, sizeof v4);
    (void) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    return bind(fd, (struct sockaddr *) &v6, sizeof v6);
}

static int port_of(int fd)
{
    union { struct sockaddr any; struct sockaddr_in v4; struct sockaddr_in6 v6; } at;
    socklen_t len = sizeof at;
    if (getsockname(fd, &at.any, &len) != 0)
        return 0;
    return ntohs(at.any.sa_family == AF_INET ? at.v4.sin_port : at.v6.sin6_port);
}

static int listen_on(struct grpc_server *server, struct err *err)
{
    const struct address *address = &server->address;
    int port = server->config.port;
    int fd = socket(address->is_v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind_to(address, fd, port) != 0 || listen(fd, BACKLOG) != 0) {
        err_set(err, ERR_IO, errno, "listen on %s:%d for gRPC", address->text, port);
        if (fd >= 0)
            close(fd);
        return -1;
    }
    server->listener = (struct source) { .fd = fd, .ready = on_listener };
    address_write_url(address, port_of(fd), server->url, sizeof server->url);
    return 0;
}

/* ---- the start -------------------------------------------------------------------------- */

static void fill_defaults(struct grpc_config *config)
{
    const struct grpc_config usual = { .max_connections = 1000, .max_streams = 1000, .max_message_bytes = 100 * MIB,
                                       .max_connection_bytes = 256 * MIB, .max_server_bytes = 1024 * MIB,
                                       .high_water_bytes = MIB / 4, .hello_timeout_ms = 10000, .stop_ms = 1000 };
#define DEFAULT(field) config->field = config->field == 0 ? usual.field : config->field
    DEFAULT(max_connections);
    DEFAULT(max_streams);
    DEFAULT(max_message_bytes);
    DEFAULT(max_connection_bytes);
    DEFAULT(max_server_bytes);
    DEFAULT(high_water_bytes);
    DEFAULT(hello_timeout_ms);
    DEFAULT(stop_ms);
#undef DEFAULT
}

static void close_rest(void *arg)
{
    struct grpc_server *server = arg;
    while (server->conns != NULL)
        conn_close(server->conns, EXCHANGE_CUT);
}

static void init_locks(struct grpc_server *server)
{
    pthread_condattr_t monotonic;
    pthread_mutex_init(&server->news_lock, NULL);
    pthread_mutex_init(&server->end_lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&server->ended, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

static void free_server(struct grpc_server *server)
{
    while (atomic_load(&server->posting) > 0)
        sched_yield();               /* a few instructions of another thread */
    reactor_free(server->reactor);
    session_fini_server(server);
    pthread_cond_destroy(&server->ended);
    pthread_mutex_destroy(&server->end_lock);
    pthread_mutex_destroy(&server->news_lock);
    free(server);
}

int grpc_server_new(struct grpc_server **out_server, const struct grpc_config *config, struct err *err)
{
    struct grpc_server *server = calloc(1, sizeof *server);
    if (server == NULL)
        return err_set(err, ERR_NOMEM, 0, "gRPC server");
    server->config = *config;
    server->last_news = &server->news;
    server->job = (struct reactor_job) { .fn = take_post, .arg = server };
    server->pause = (struct timer) { .fire = go_on_accepting, .arg = server };
    server->stop = (struct timer) { .fire = close_rest, .arg = server };
    server->listener.fd = -1;
    fill_defaults(&server->config);
    init_locks(server);
    if (address_parse(&server->address, config->address, config->port, config->allow_remote, err) < 0 ||
        session_init_server(server, err) < 0 || reactor_new(&server->reactor, err) < 0 || listen_on(server, err) < 0)
        goto free_it;
    if (reactor_add(server->reactor, &server->listener, EPOLLIN, err) < 0)
        goto close_listener;
    server->config.address = NULL;
    *out_server = server;
    return 0;
close_listener:
    close(server->listener.fd);
free_it:
    free_server(server);
    return -1;
}

/* ---- the end ---------------------------------------------------------------------------- */

void server_note_closed(struct grpc_server *server)
{
    if (!server->is_stopping || server->conns != NULL)
        return;
    pthread_mutex_lock(&server->end_lock);
    server->is_empty = true;
    pthread_cond_broadcast(&server->ended);
    pthread_mutex_unlock(&server->end_lock);
}

static void refuse_calls(struct grpc_conn *conn)
{
    for (struct grpc_call *call = conn->calls, *next; call != NULL; call = next) {
        next = call->next;
        fault_drop(call);
        answer_refuse(call, GRPC_UNAVAILABLE, "the server is stopping", EXCHANGE_CUT);
    }
}

static void begin_stop(void *arg)
{
    struct grpc_server *server = arg;
    server->is_stopping = true;
    timer_cancel(server->reactor, &server->pause);
    reactor_close(server->reactor, &server->listener);
    timer_set_real(server->reactor, &server->stop, (int64_t) server->config.stop_ms);
    for (struct grpc_conn *conn = server->conns, *next; conn != NULL; conn = next) {
        next = conn->next;
        if (conn->state != CONN_OPEN)
            continue;
        session_say_goaway(conn, 0);
        refuse_calls(conn);
        conn_pump(conn);
    }
    server_turn(server);
    server_note_closed(server);
}

static void cancel_timers(void *arg)
{
    struct grpc_server *server = arg;
    timer_cancel(server->reactor, &server->stop);
}

void grpc_server_free(struct grpc_server *server)
{
    if (server == NULL)
        return;
    CHECK(!reactor_is_mine(server->reactor));
    reactor_call(server->reactor, begin_stop, server);
    pthread_mutex_lock(&server->end_lock);
    while (!server->is_empty)
        pthread_cond_wait(&server->ended, &server->end_lock);
    pthread_mutex_unlock(&server->end_lock);
    reactor_call(server->reactor, cancel_timers, server);
    free_server(server);
}

/* ---- what it says ----------------------------------------------------------------------- */

const char *grpc_server_url(const struct grpc_server *server)
{
    return server->url;
}

void grpc_server_stats(const struct grpc_server *server, struct grpc_stats *out_stats)
{
    *out_stats = (struct grpc_stats) {
        .open_connections = atomic_load(&server->open_connections),
        .open_calls = atomic_load(&server->open_calls),
        .connections = atomic_load(&server->connections),
        .calls = atomic_load(&server->calls),
        .refused = atomic_load(&server->refused),
        .request_bytes = atomic_load(&server->request_bytes),
        .answer_bytes = atomic_load(&server->answer_bytes),
    };
}
