/* The table of connections: which socket is whose, deadlines, waking up. */
#include "transports/http_priv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

#define NEVER_NS INT64_MAX
#define MAX_HOLE 4096                     /* so many unused numbers in a row: no more descriptors behind them */
#define WAKE_EVERY_NS (50 * NS_PER_MS)
/* An idle connection younger than this may have a request under way: also of a client that is slow to see that the
   connection has been ended.  When no worker is free somebody may be waiting, so there is less patience. */
#define EVICT_IDLE_NS (5 * NS_PER_S)
#define EVICT_IDLE_FULL_NS (1 * NS_PER_S)

/* ---- finding the socket --------------------------------------------------------------- */

static int port_of(const struct sockaddr_storage *ss)
{
    if (ss->ss_family == AF_INET)
        return ntohs(((const struct sockaddr_in *) ss)->sin_port);
    if (ss->ss_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *) ss)->sin6_port);
    return -1;
}

enum probe { PROBE_IS_IT, PROBE_OTHER, PROBE_UNUSED };

static enum probe probe_fd(int fd, const struct conn_peer *peer)
{
    struct sockaddr_storage ss;
    socklen_t len = sizeof ss;
    if (getpeername(fd, (struct sockaddr *) &ss, &len) != 0)
        return errno == EBADF ? PROBE_UNUSED : PROBE_OTHER;
    if (port_of(&ss) != peer->port)
        return PROBE_OTHER;
    char address[64];
    /* The same call as civetweb's, so that the texts agree. */
    if (getnameinfo((struct sockaddr *) &ss, len, address, sizeof address, NULL, 0, NI_NUMERICHOST) != 0
        || strcmp(address, peer->address) != 0)
        return PROBE_OTHER;
    len = sizeof ss;
    if (getsockname(fd, (struct sockaddr *) &ss, &len) != 0 || port_of(&ss) != peer->local_port)
        return PROBE_OTHER;
    return PROBE_IS_IT;
}

static bool is_taken(const struct conn_table *table, int fd)
{
    return (size_t) fd < table->taken_size && table->taken[fd];
}

/* A pair of addresses and ports exists once, so a match is the socket; those of others are skipped unasked. */
static int find_fd(const struct conn_table *table, const struct conn_peer *peer)
{
    for (unsigned i = table->spares; i-- > 0;) {
        int fd = table->spare[i];
        if (!is_taken(table, fd) && probe_fd(fd, peer) == PROBE_IS_IT)
            return fd;
    }
    for (int fd = 3, hole = 0; hole < MAX_HOLE; fd++) {
        enum probe what = is_taken(table, fd) ? PROBE_OTHER : probe_fd(fd, peer);
        if (what == PROBE_IS_IT)
            return fd;
        hole = what == PROBE_UNUSED ? hole + 1 : 0;
    }
    return -1;
}

/* ---- the table ------------------------------------------------------------------------ */

static int mark_taken(struct conn_table *table, int fd)
{
    if ((size_t) fd >= table->taken_size) {
        size_t size = ((size_t) fd + 256) & ~(size_t) 255;
        bool *taken = realloc(table->taken, size * sizeof *taken);
        if (taken == NULL)
            return -1;
        memset(taken + table->taken_size, 0, (size - table->taken_size) * sizeof *taken);
        table->taken = taken;
        table->taken_size = size;
    }
    table->taken[fd] = true;
    return 0;
}

static void forget_spare(struct conn_table *table, int fd)
{
    for (unsigned i = table->spares; i-- > 0;) {
        if (table->spare[i] == fd) {
            table->spare[i] = table->spare[--table->spares];
            return;
        }
    }
}

static void remember_spare(struct conn_table *table, int fd)
{
    if (table->spares == CONN_SPARE_FDS)
        memmove(table->spare, table->spare + 1, --table->spares * sizeof *table->spare);
    table->spare[table->spares++] = fd;
}

/* More connections than this: workers run short. */
static unsigned comfortable(const struct conn_table *table)
{
    return table->workers - table->workers / 10;
}

static bool is_crowded(const struct conn_table *table)
{
    return table->count > comfortable(table);
}

/* When crowded: how long a connection may be idle. */
static int64_t idle_limit_ns(const struct conn_table *table)
{
    return table->count >= table->workers ? EVICT_IDLE_FULL_NS : EVICT_IDLE_NS;
}

struct http_conn *conns_add(struct http_server *server)
{
    struct conn_table *table = &server->conns;
    struct http_conn *conn = calloc(1, sizeof *conn);
    if (conn == NULL)
        return NULL;
    *conn = (struct http_conn) { .server = server, .fd = -1, .waiting_since_ns = mono_ns() };
    pthread_mutex_lock(&table->lock);
    conn->next = table->first;
    if (conn->next != NULL)
        conn->next->prev = conn;
    table->first = conn;
    table->count++;
    if (is_crowded(table))
        pthread_cond_signal(&table->changed);
    pthread_mutex_unlock(&table->lock);
    return conn;
}

int conns_find_socket(struct http_conn *conn, const struct conn_peer *peer)
{
    struct conn_table *table = &conn->server->conns;
    if (conn->fd >= 0)
        return 0;
    pthread_mutex_lock(&table->lock);
    int fd = find_fd(table, peer);
    if (fd >= 0 && mark_taken(table, fd) == 0) {
        conn->fd = fd;
        forget_spare(table, fd);
    }
    pthread_mutex_unlock(&table->lock);
    return conn->fd >= 0 ? 0 : -1;
}

void conns_remove(struct http_conn *conn)
{
    struct conn_table *table = &conn->server->conns;
    pthread_mutex_lock(&table->lock);
    if (conn->prev != NULL)
        conn->prev->next = conn->next;
    else
        table->first = conn->next;
    if (conn->next != NULL)
        conn->next->prev = conn->prev;
    table->count--;
    if (conn->fd >= 0) {
        table->taken[conn->fd] = false;
        remember_spare(table, conn->fd);
    }
    pthread_mutex_unlock(&table->lock);
    free(conn);
}

int64_t conns_begin_request(struct http_conn *conn)
{
    pthread_mutex_lock(&conn->server->conns.lock);
    int64_t since = conn->waiting_since_ns;
    conn->waiting_since_ns = 0;
    pthread_mutex_unlock(&conn->server->conns.lock);
    return mono_ns() - since;
}

void conns_end_request(struct http_conn *conn)
{
    struct conn_table *table = &conn->server->conns;
    int64_t now = mono_ns();
    pthread_mutex_lock(&table->lock);
    conn->waiting_since_ns = now;
    conn->was_used = true;
    if (is_crowded(table) && now + idle_limit_ns(table) < table->next_wake_ns)
        pthread_cond_signal(&table->changed);
    pthread_mutex_unlock(&table->lock);
}

void conns_set_workers(struct conn_table *table, unsigned workers)
{
    pthread_mutex_lock(&table->lock);
    table->workers = workers;
    pthread_cond_signal(&table->changed);
    pthread_mutex_unlock(&table->lock);
}

bool conns_are_crowded(struct conn_table *table)
{
    pthread_mutex_lock(&table->lock);
    bool crowded = is_crowded(table);
    pthread_mutex_unlock(&table->lock);
    return crowded;
}

/* ---- waking up ------------------------------------------------------------------------ */

/* Is this a connection to our port, and not the socket that listens? */
static bool is_ours(int fd, int port)
{
    struct sockaddr_storage ss;
    socklen_t len = sizeof ss;
    if (getsockname(fd, (struct sockaddr *) &ss, &len) != 0 || port_of(&ss) != port)
        return false;
    int listens = 0;
    len = sizeof listens;
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) == 0 && listens == 0;
}

/* The next connection to our port, -1 at the end. */
static int next_of_ours(DIR *dir, int port)
{
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        int fd = (int) strtol(e->d_name, NULL, 10);
        if (e->d_name[0] != '.' && is_ours(fd, port))
            return fd;
    }
    return -1;
}

/* Also of those whose descriptor nobody has found, because they have not sent anything yet.  A duplicate is
   looked at, since the number may become another file at any moment. */
static void shut_all_input(int port)
{
    DIR *dir = opendir("/proc/self/fd");
    if (dir == NULL)
        return;
    for (int number; (number = next_of_ours(dir, port)) >= 0;) {
        int fd = fcntl(number, F_DUPFD_CLOEXEC, 0);
        if (fd >= 0 && is_ours(fd, port))
            shutdown(fd, SHUT_RD);
        if (fd >= 0)
            close(fd);
    }
    closedir(dir);
}

bool conns_are_left(int port)
{
    DIR *dir = opendir("/proc/self/fd");
    if (dir == NULL)
        return false;
    bool left = next_of_ours(dir, port) >= 0;
    closedir(dir);
    return left;
}

void conns_wake_all(struct conn_table *table, int port)
{
    pthread_mutex_lock(&table->lock);
    table->waking = true;
    table->port = port;
    pthread_cond_signal(&table->changed);
    pthread_mutex_unlock(&table->lock);
}

/* ---- deadlines ------------------------------------------------------------------------ */

void conns_set_deadline(struct http_conn *conn, int64_t deadline_ns)
{
    struct conn_table *table = &conn->server->conns;
    pthread_mutex_lock(&table->lock);
    conn->deadline_ns = deadline_ns;
    if (deadline_ns < table->next_wake_ns)
        pthread_cond_signal(&table->changed);
    pthread_mutex_unlock(&table->lock);
}

bool conns_clear_deadline(struct http_conn *conn)
{
    pthread_mutex_lock(&conn->server->conns.lock);
    conn->deadline_ns = 0;
    bool overdue = conn->overdue;
    pthread_mutex_unlock(&conn->server->conns.lock);
    return overdue;
}

/* When this connection's input is to be shut, and why. */
static int64_t end_of_patience(const struct conn_table *table, const struct http_conn *conn, bool *out_evicts)
{
    *out_evicts = conn->deadline_ns == 0;
    if (conn->deadline_ns != 0)
        return conn->deadline_ns;
    bool is_idle = conn->was_used && conn->fd >= 0 && conn->waiting_since_ns != 0;
    return is_idle && is_crowded(table) ? conn->waiting_since_ns + idle_limit_ns(table) : NEVER_NS;
}

/* Shut those who are late and, when workers run short, some of those that are idle.  Returns when to look again. */
static int64_t shut_overdue(struct conn_table *table)
{
    int64_t now = mono_ns(), next = NEVER_NS;
    unsigned excess = is_crowded(table) ? table->count - comfortable(table) : 0;
    for (struct http_conn *c = table->first; c != NULL; c = c->next) {
        bool evicts;
        int64_t end = end_of_patience(table, c, &evicts);
        if (end > now || (evicts && excess == 0)) {
            next = end > now && end < next ? end : next;
            continue;
        }
        excess -= evicts;
        c->overdue = !evicts;
        c->deadline_ns = 0;
        c->waiting_since_ns = 0;
        shutdown(c->fd, SHUT_RD);
    }
    return next;
}

/* Again and again while the server stops: a connection may have been on its way to its worker. */
static void wake_once(struct conn_table *table)
{
    int port = table->port;
    pthread_mutex_unlock(&table->lock);
    shut_all_input(port);
    pthread_mutex_lock(&table->lock);
    table->next_wake_ns = mono_ns() + WAKE_EVERY_NS;
}

static void *watch(void *arg)
{
    struct conn_table *table = arg;
    pthread_mutex_lock(&table->lock);
    while (!table->ending) {
        table->next_wake_ns = shut_overdue(table);
        if (table->waking)
            wake_once(table);
        if (table->ending)
            break;
        if (table->next_wake_ns == NEVER_NS) {
            pthread_cond_wait(&table->changed, &table->lock);
            continue;
        }
        struct timespec until = { table->next_wake_ns / NS_PER_S, table->next_wake_ns % NS_PER_S };
        pthread_cond_timedwait(&table->changed, &table->lock, &until);
    }
    pthread_mutex_unlock(&table->lock);
    return NULL;
}

int conns_init(struct conn_table *table, unsigned workers, struct err *err)
{
    *table = (struct conn_table) { .next_wake_ns = NEVER_NS, .workers = workers };
    pthread_condattr_t monotonic;
    pthread_mutex_init(&table->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&table->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    int rc = pthread_create(&table->watchdog, NULL, watch, table);
    if (rc == 0)
        return 0;
    pthread_cond_destroy(&table->changed);
    pthread_mutex_destroy(&table->lock);
    return err_set(err, ERR_IO, rc, "start the connections' watchdog");
}

void conns_fini(struct conn_table *table)
{
    pthread_mutex_lock(&table->lock);
    table->ending = true;
    pthread_cond_signal(&table->changed);
    pthread_mutex_unlock(&table->lock);
    pthread_join(table->watchdog, NULL);
    pthread_cond_destroy(&table->changed);
    pthread_mutex_destroy(&table->lock);
    free(table->taken);
}
