/*
 * HTTP/1.1 over civetweb: the only code that knows it.
 *
 * Carries bytes and keeps strangers out; knows no vendor.  Every request goes to one
 * handler (civetweb serves no files).  Before the handler runs: request id; Host must be a
 * known local name (DNS rebinding); a foreign Origin is refused; a body must be declared
 * application/json unless the route says otherwise.
 *
 * Threads: `handle` runs on worker threads, one per connection.
 */
#ifndef STANDBOX_TRANSPORTS_HTTP_H
#define STANDBOX_TRANSPORTS_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "dialects/dialect.h"

struct http_server;

typedef void http_handler_fn(void *arg, struct exchange *x);

struct http_config {
    const char *address;           /* "127.0.0.1", "[::1]", "0.0.0.0" */
    int port;                      /* 0: any free one */
    unsigned max_streams;          /* connections served at once, before the spare ones (1000) */
    size_t max_body_bytes;         /* 0: 32 MiB */
    unsigned header_timeout_ms;    /* whole request head must arrive within this; 0: 30000 */
    bool allow_remote;             /* accept other Host names and non-loopback addresses */
    const char *const *extra_hosts;/* more Host suffixes to take (".sbx.test"), NULL-terminated, or NULL; kept */
    http_handler_fn *handle;
    /* May this request's body be something else than JSON (an upload)?  NULL: never. */
    bool (*takes_raw_body)(void *arg, const struct exchange *x);
    void *arg;
};

/* Bind and serve: at once with a few worker threads, while the others still start.  Loopback addresses only unless
   allow_remote. */
int http_server_new(struct http_server **out_server, const struct http_config *config, struct err *err);

/* Wait until all workers run.  -1: they could not be started; the server goes on with the few, and fewer streams.
   For the thread that may free the server. */
int http_server_await_workers(struct http_server *server, struct err *err);

/* "http://127.0.0.1:8700", as bound; borrowed. */
const char *http_server_url(const struct http_server *server);

/* Stop accepting, let `peer_gone` answer true everywhere so that streams end, wait for workers, free. */
void http_server_free(struct http_server *server);

struct http_stats { unsigned open_exchanges, open_streams; uint64_t requests, refused; };
void http_server_stats(const struct http_server *server, struct http_stats *out_stats);

#endif
