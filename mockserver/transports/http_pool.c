/*
 * Worker threads: civetweb's contexts, their start and their end.
 *
 * civetweb creates every worker before it accepts anybody, some 40 us each, so with a thousand the
 * first client would wait.  Hence two contexts: `first` has few workers and serves at once; meanwhile
 * a thread starts `rest`, which has them all, and then gives it the listening socket.
 *
 * The hand-over is two dup3: the listening socket over the one that `rest` was made with, then over the one
 * of `first` an eventfd that is never ready.  A master of `first` that was about to accept meets that, or takes
 * one connection more.  A poll under way stays with the waiting list of the old file but asks the new one when
 * it is woken, so the master of `rest` must not poll before; it hands over itself as it begins.
 *
 * Nobody may be left in the queue of `first`, since its workers may all hold streams without end.  Its
 * queue has one place and its master another, so HELD workers are kept from working until it accepts no
 * more: at any time it has accepted at most as many as it has workers.  Who comes in between waits in the
 * kernel's queue for `rest`.
 */
#include "transports/http_priv.h"

#include <civetweb.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

#define FEW_WORKERS 32
#define HELD_WORKERS 2              /* the queue of `first`, and the connection in its master's hand */
#define WORTH_TWO 128               /* up to so many workers are started at once */
#define FEW_STREAMS (FEW_WORKERS / 2) /* when there will never be more workers */
#define MASTER_LIMIT_NS (30 * NS_PER_S)  /* a busy machine may take seconds to run a thread behind a thousand others */
#define DRAIN_LIMIT_NS (500 * NS_PER_MS)
#define DRAIN_STEP_NS (2 * NS_PER_MS)
#define MAX_HEAD_BYTES 16384
#define MAX_HOLE 4096               /* so many unused numbers in a row: no more descriptors behind them */

/* ---- what goes wrong ------------------------------------------------------------------- */

/* civetweb tells some of it only to its log, on the thread that starts it. */
static _Thread_local struct http_context *being_started;

/* Nothing else is logged. */
static int on_complaint(const struct mg_connection *mg, const char *message)
{
    (void) mg;
    struct http_context *context = being_started;
    if (context != NULL && context->complaint[0] == '\0')
        snprintf(context->complaint, sizeof context->complaint, "%s", message);
    return 1;
}

/* ---- the listening socket -------------------------------------------------------------- */

/* civetweb does not give it. */
static int find_listener(const struct http_server *server, int port)
{
    for (int fd = 0, hole = 0; hole < MAX_HOLE; fd++) {
        int listens = 0;
        socklen_t len = sizeof listens;
        int rc = getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len);
        hole = rc != 0 && errno == EBADF ? hole + 1 : 0;
        if (rc == 0 && listens != 0 && http_is_bound_to(server, fd, port))
            return fd;
    }
    return -1;
}

/* Make the number `fd` mean the file of `from`.  Not by dup3() itself: ThreadSanitizer knows that one, and does
   not see that civetweb's stop flag is between it and the close. */
static int replace_fd(int from, int fd)
{
    return syscall(SYS_dup3, from, fd, O_CLOEXEC) < 0 ? -1 : 0;
}

/* Let the context take nobody until it gets a listening socket. */
static int park(const struct http_context *context)
{
    if (context->server->pool.listener < 0)   /* closed for good, a poll under way would not notice */
        return -1;
    return replace_fd(context->never, context->listener);
}

static void note_listener(struct http_server *server, int fd, int port)
{
    fcntl(fd, F_SETFL, O_NONBLOCK);
    server->pool.listener = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    http_note_port(server, port);
}

/* Bound, and no thread started yet. */
static void on_bound(const struct mg_context *mg)
{
    struct http_context *context = mg_get_user_data(mg);
    struct http_server *server = context->server;
    struct mg_server_port port;
    if (mg_get_server_ports(mg, 1, &port) != 1)
        return;
    context->listener = find_listener(server, port.port);
    if (context->listener < 0)
        return;
    if (context == &server->pool.first)
        note_listener(server, context->listener, port.port);
    else if (park(context) < 0)
        context->listener = -1;
}

/* With the lock held, so that the server does not stop in between. */
static bool hand_over(struct http_pool *pool)
{
    struct http_context *rest = &pool->rest;
    if (rest->complaint[0] != '\0' || rest->listener < 0 || atomic_load(&rest->server->stopping)
        || replace_fd(pool->listener, rest->listener) < 0)
        return false;
    park(&pool->first);
    return true;
}

/* ---- one context ----------------------------------------------------------------------- */

/* A worker begins, before it takes its first connection. */
static void on_worker(struct http_context *context)
{
    struct http_pool *pool = &context->server->pool;
    if (context->held == 0)
        return;
    pthread_mutex_lock(&pool->lock);
    if (context->begun++ >= context->workers - context->held) {
        while (!context->holds_none)
            pthread_cond_wait(&pool->changed, &pool->lock);
    }
    pthread_mutex_unlock(&pool->lock);
}

/* The master begins; all workers that could be were created. */
static void on_master(struct http_context *context)
{
    struct http_pool *pool = &context->server->pool;
    pthread_mutex_lock(&pool->lock);
    context->has_master = true;
    if (context == &pool->rest)
        pool->handed_over = hand_over(pool);
    pthread_cond_broadcast(&pool->changed);
    pthread_mutex_unlock(&pool->lock);
}

static void *on_thread(const struct mg_context *mg, int type)
{
    struct http_context *context = mg_get_user_data(mg);
    if (type == 0)
        on_master(context);
    else
        on_worker(context);
    return NULL;
}

static void release_held(struct http_context *context)
{
    struct http_pool *pool = &context->server->pool;
    pthread_mutex_lock(&pool->lock);
    context->holds_none = true;
    pthread_cond_broadcast(&pool->changed);
    pthread_mutex_unlock(&pool->lock);
}

/* civetweb does not look whether its master could be created; without one it can neither accept nor stop, and
   its idle workers stay. */
static void await_master(struct http_context *context)
{
    struct http_server *server = context->server;
    struct http_pool *pool = &server->pool;
    int64_t end = mono_ns() + MASTER_LIMIT_NS;
    struct timespec until = { end / NS_PER_S, end % NS_PER_S };
    int rc = 0;
    pthread_mutex_lock(&pool->lock);
    while (!context->has_master && !atomic_load(&server->stopping) && rc == 0)
        rc = pthread_cond_timedwait(&pool->changed, &pool->lock, &until);
    if (!context->has_master && context->complaint[0] == '\0')
        snprintf(context->complaint, sizeof context->complaint, "no thread to accept connections");
    pthread_mutex_unlock(&pool->lock);
}

static struct mg_context *start_civetweb(struct http_context *context, int port)
{
    struct http_server *server = context->server;
    char where[96], workers[16], queue[16], patience[16], keep[16], head[16], text[256] = "";
    snprintf(where, sizeof where, "%s:%d", server->address.text, port);
    snprintf(workers, sizeof workers, "%u", context->workers);
    snprintf(queue, sizeof queue, "%u", context->queue);
    snprintf(patience, sizeof patience, "%u", server->config.header_timeout_ms);
    snprintf(keep, sizeof keep, "%d", KEEP_ALIVE_MS);
    snprintf(head, sizeof head, "%d", MAX_HEAD_BYTES);
    const char *options[] = {
        "listening_ports", where,       "num_threads", workers,         "request_timeout_ms", patience,
        "enable_keep_alive", "yes",     "keep_alive_timeout_ms", keep,  "tcp_nodelay", "1",
        "max_request_size", head,       "connection_queue", queue,      "listen_backlog", "4096",
        "decode_url", "no",             "enable_auth_domain_check", "no", "enable_directory_listing", "no",
        NULL,
    };
    struct mg_callbacks callbacks = { .init_context = on_bound, .init_thread = on_thread, .log_message = on_complaint };
    http_set_callbacks(&callbacks);
    struct mg_init_data init = { .callbacks = &callbacks, .user_data = context, .configuration_options = options };
    struct mg_error_data error = { .text = text, .text_buffer_size = sizeof text };
    being_started = context;
    struct mg_context *mg = mg_start2(&init, &error);
    being_started = NULL;
    if (mg == NULL && context->complaint[0] == '\0')
        snprintf(context->complaint, sizeof context->complaint, "%s", text[0] != '\0' ? text : "civetweb failed");
    return mg;
}

/* Its connections must have been woken.  Its master looks only every other second whether it should stop,
   unless something happens to the file that it polls, which may still be the socket that was handed over. */
static void stop_context(struct http_context *context)
{
    release_held(context);
    eventfd_write(context->never, 1);
    if (atomic_load(&context->server->stopping)) {
        shutdown(context->server->pool.listener, SHUT_RD);
        shutdown(context->listener, SHUT_RD);   /* when there is no duplicate */
    }
    mg_stop(context->mg);
    context->mg = NULL;
}

static int start_context(struct http_context *context, int port, struct err *err)
{
    struct http_server *server = context->server;
    context->mg = start_civetweb(context, port);
    if (context->mg != NULL)
        await_master(context);
    const char *why = context->complaint;
    if (why[0] == '\0') {
        if (context->listener >= 0 && server->pool.listener >= 0)
            return 0;
        why = "no way to the listening socket";
    }
    return err_set(err, ERR_IO, 0, "listen on %s:%d: %s", server->address.text, port, why);
}

/* ---- both ------------------------------------------------------------------------------ */

/* The few workers are all there will be. */
static void settle_for_few(struct http_server *server)
{
    atomic_store(&server->stream_limit, FEW_STREAMS);
    conns_set_workers(&server->conns, FEW_WORKERS + HELD_WORKERS);
}

static void settle(struct http_pool *pool, const struct err *why)
{
    pthread_mutex_lock(&pool->lock);
    pool->why = *why;
    pool->settled = true;
    pthread_cond_broadcast(&pool->changed);
    pthread_mutex_unlock(&pool->lock);
}

static void *start_rest(void *arg)
{
    struct http_server *server = arg;
    struct http_pool *pool = &server->pool;
    struct err err = ERR_INIT;
    int rc = start_context(&pool->rest, 0, &err);
    if (rc == 0 && !pool->handed_over)
        rc = err_set(&err, ERR_CLOSED, 0, "the listening socket could not be handed over");
    release_held(&pool->first);
    if (rc < 0) {
        err_wrap(&err, "only %d worker threads", FEW_WORKERS + HELD_WORKERS);
        settle_for_few(server);
        if (pool->rest.mg != NULL)
            stop_context(&pool->rest);
    }
    settle(pool, &err);
    return NULL;
}

static void init_pool(struct http_pool *pool)
{
    pthread_condattr_t monotonic;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&pool->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

static void set_up_pool(struct http_server *server, unsigned workers)
{
    struct http_context all = { .server = server, .workers = workers, .queue = 1024, .listener = -1, .never = -1 };
    struct http_context few = all;
    few.workers = FEW_WORKERS + HELD_WORKERS;
    few.held = HELD_WORKERS;
    few.queue = 1;
    server->pool = (struct http_pool) { .first = workers <= WORTH_TWO ? all : few, .rest = all, .listener = -1 };
    init_pool(&server->pool);
}

static int make_never(struct http_context *context, struct err *err)
{
    context->never = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return context->never >= 0 ? 0 : err_set(err, ERR_IO, errno, "eventfd");
}

static int start_starter(struct http_server *server, struct err *err)
{
    struct http_pool *pool = &server->pool;
    if (make_never(&pool->rest, err) < 0)
        return -1;
    int rc = pthread_create(&pool->starter, NULL, start_rest, server);
    pool->has_starter = rc == 0;
    return rc == 0 ? 0 : err_set(err, ERR_IO, rc, "start the thread that starts the workers");
}

int pool_start(struct http_server *server, unsigned workers, struct err *err)
{
    set_up_pool(server, workers);
    struct http_pool *pool = &server->pool;
    pool->settled = workers <= WORTH_TWO;
    if (make_never(&pool->first, err) == 0 && start_context(&pool->first, server->config.port, err) == 0
        && (pool->settled || start_starter(server, err) == 0))
        return 0;
    pool_stop(server);
    return -1;
}

int pool_await(struct http_pool *pool, struct err *err)
{
    pthread_mutex_lock(&pool->lock);
    while (!pool->settled)
        pthread_cond_wait(&pool->changed, &pool->lock);
    struct err why = pool->why;
    pthread_mutex_unlock(&pool->lock);
    return why.code == ERR_NONE ? 0 : err_set(err, why.code, why.errnum, "%s", why.text);
}

/* civetweb forgets to close what is in its queue when it stops; so let workers take it first, which sees its
   end at once.  Those who do not come to an end are left to civetweb. */
static void let_connections_end(struct http_server *server)
{
    int64_t until = mono_ns() + DRAIN_LIMIT_NS;
    conns_wake_all(&server->conns, server->port);
    while (conns_are_left(server->port) && mono_ns() < until)
        nanosleep(&(struct timespec) { .tv_nsec = DRAIN_STEP_NS }, NULL);
}

static void close_if_open(int fd)
{
    if (fd >= 0)
        close(fd);
}

void pool_stop(struct http_server *server)
{
    struct http_pool *pool = &server->pool;
    pthread_mutex_lock(&pool->lock);
    atomic_store(&server->stopping, true);   /* no hand-over from here on */
    bool handed_over = pool->handed_over;
    park(handed_over ? &pool->rest : &pool->first);
    pthread_cond_broadcast(&pool->changed);
    pthread_mutex_unlock(&pool->lock);
    release_held(&pool->first);
    if (server->port != 0)
        let_connections_end(server);
    if (pool->first.mg != NULL)
        stop_context(&pool->first);
    if (pool->has_starter)
        pthread_join(pool->starter, NULL);
    if (handed_over)                         /* else the starter has stopped it */
        stop_context(&pool->rest);
    shutdown(pool->listener, SHUT_RD);
    close_if_open(pool->listener);
    close_if_open(pool->first.never);
    close_if_open(pool->rest.never);
    pthread_cond_destroy(&pool->changed);
    pthread_mutex_destroy(&pool->lock);
}
