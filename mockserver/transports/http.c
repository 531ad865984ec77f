#include "transports/http.h"

#include <civetweb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "transports/http_priv.h"

#define SPARE_WORKERS 64               /* for calls beside the streams: kill, stdin, admin */
#define DEFAULT_BODY_BYTES (32u * 1024 * 1024)
#define DEFAULT_HEADER_TIMEOUT_MS 30000
#define MAX_STREAMS 30000

/* ---- civetweb's callbacks -------------------------------------------------------------- */

static struct http_server *server_of(const struct mg_connection *mg)
{
    const struct http_context *context = mg_get_user_data(mg_get_context(mg));
    return context->server;
}

/* A new connection, on the worker that will serve it.  Who it is, civetweb tells only with a request. */
static int on_connection(const struct mg_connection *mg, void **out_conn)
{
    *out_conn = conns_add(server_of(mg));
    return 0;
}

/* The connection with its socket, or NULL when it is of no use any more. */
static struct http_conn *conn_of(const struct mg_connection *mg)
{
    struct http_conn *conn = mg_get_user_connection_data(mg);
    const struct mg_request_info *info = mg_get_request_info(mg);
    if (conn == NULL || info == NULL)
        return NULL;
    struct conn_peer peer = { info->remote_addr, info->remote_port, info->server_port };
    return conns_find_socket(conn, &peer) == 0 ? conn : NULL;
}

/* A whole request head.  Whatever is returned but 0 keeps civetweb from looking for files. */
static int on_request(struct mg_connection *mg)
{
    struct http_conn *conn = conn_of(mg);
    if (conn == NULL) {
        mg_disable_connection_keep_alive(mg);
        return 499;
    }
    conns_begin_request(conn);
    exchange_serve(conn, mg);
    conns_end_request(conn);
    return 200;
}

/* civetweb could not make a request out of what came: perhaps because not all of it did. */
static int on_bad_request(struct mg_connection *mg, int status, const char *message)
{
    struct http_conn *conn = conn_of(mg);
    if (conn == NULL)
        return 0;
    int64_t patience_ms = conn->was_used ? KEEP_ALIVE_MS : conn->server->config.header_timeout_ms;
    struct refusal why = { status, "bad_request", message };
    if (conns_begin_request(conn) >= patience_ms * NS_PER_MS)
        why = (struct refusal) { 408, "request_timeout", "the request head did not arrive in time" };
    else if (strcmp(message, "Malformed message") == 0)   /* its word for three things */
        why.message = "the request head is malformed, cut short or larger than 16 KiB";
    conn->refused = true;
    wire_refuse(conn, &why, NULL);
    wire_linger(conn);
    return 0;
}

/* "OPTIONS *" and targets on other servers end here without any other callback. */
static bool is_unanswered(const struct http_conn *conn, const struct mg_request_info *info)
{
    return !conn->refused && info != NULL && info->request_method != NULL && info->request_uri != NULL
           && info->local_uri == NULL;
}

static void on_close(const struct mg_connection *mg)
{
    struct http_conn *conn = mg_get_user_connection_data(mg);
    if (conn == NULL)
        return;
    if (is_unanswered(conn, mg_get_request_info(mg)) && conn_of(mg) != NULL) {
        wire_refuse(conn, &refusal_bad_target, NULL);
        wire_linger(conn);
    }
    conns_remove(conn);
}

void http_set_callbacks(struct mg_callbacks *callbacks)
{
    callbacks->begin_request = on_request;
    callbacks->http_error = on_bad_request;
    callbacks->init_connection = on_connection;
    callbacks->connection_close = on_close;
}

/* ---- the start ------------------------------------------------------------------------- */

static int check_config(struct http_server *server, struct err *err)
{
    struct http_config *config = &server->config;
    if (address_parse(&server->address, config->address, config->port, config->allow_remote, err) < 0)
        return -1;
    if (!server->address.is_v4 && !mg_check_feature(MG_FEATURES_IPV6))   /* Debian's has none */
        return err_set(err, ERR_UNSUPPORTED, 0, "%s: this civetweb was built without IPv6", config->address);
    if (config->max_streams == 0 || config->max_streams > MAX_STREAMS)
        return err_set(err, ERR_INVALID, 0, "the number of streams must be from 1 to %d", MAX_STREAMS);
    return 0;
}

bool http_is_bound_to(const struct http_server *server, int fd, int port)
{
    union { struct sockaddr any; struct sockaddr_in v4; struct sockaddr_in6 v6; } at;
    socklen_t len = sizeof at;
    const struct address *address = &server->address;
    if (getsockname(fd, &at.any, &len) != 0)
        return false;
    if (at.any.sa_family == AF_INET && address->is_v4)
        return ntohs(at.v4.sin_port) == port && at.v4.sin_addr.s_addr == address->v4.s_addr;
    return at.any.sa_family == AF_INET6 && !address->is_v4 && ntohs(at.v6.sin6_port) == port
           && IN6_ARE_ADDR_EQUAL(&at.v6.sin6_addr, &address->v6);
}

void http_note_port(struct http_server *server, int port)
{
    server->port = port;
    address_write_url(&server->address, port, server->url, sizeof server->url);
}

static void fill_defaults(struct http_server *server)
{
    struct http_config *config = &server->config;
    if (config->max_body_bytes == 0)
        config->max_body_bytes = DEFAULT_BODY_BYTES;
    if (config->header_timeout_ms == 0)
        config->header_timeout_ms = DEFAULT_HEADER_TIMEOUT_MS;
    atomic_store(&server->stream_limit, config->max_streams);
}

int http_server_new(struct http_server **out_server, const struct http_config *config, struct err *err)
{
    struct http_server *server = calloc(1, sizeof *server);
    if (server == NULL)
        return err_set(err, ERR_NOMEM, 0, "HTTP server");
    server->config = *config;
    fill_defaults(server);
    mg_init_library(MG_FEATURES_DEFAULT);
    unsigned workers = config->max_streams + SPARE_WORKERS;
    if (check_config(server, err) < 0 || conns_init(&server->conns, workers, err) < 0)
        goto free_server;
    server->config.address = NULL;
    if (pool_start(server, workers, err) < 0)
        goto fini_conns;
    *out_server = server;
    return 0;
fini_conns:
    conns_fini(&server->conns);
free_server:
    mg_exit_library();
    free(server);
    return -1;
}

/* ---- its life -------------------------------------------------------------------------- */

const char *http_server_url(const struct http_server *server)
{
    return server->url;
}

int http_server_await_workers(struct http_server *server, struct err *err)
{
    return pool_await(&server->pool, err);
}

void http_server_free(struct http_server *server)
{
    if (server == NULL)
        return;
    pool_stop(server);
    conns_fini(&server->conns);
    mg_exit_library();
    free(server);
}

void http_server_stats(const struct http_server *server, struct http_stats *out_stats)
{
    *out_stats = (struct http_stats) {
        .open_exchanges = atomic_load(&server->open_exchanges),
        .open_streams = atomic_load(&server->open_streams),
        .requests = atomic_load(&server->requests),
        .refused = atomic_load(&server->refused),
    };
}
