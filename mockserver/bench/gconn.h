/*
 * A lean gRPC client connection: it shares the machine with what it measures.
 *
 * Many calls at once on one connection, as SDKs have it.  Messages are bytes here; grpc_load.c knows the few that the
 * bench needs.  The connection's and the streams' windows are wide (16 MiB) and given back at once.
 *
 * Thread: a connection and its calls belong to one thread.
 */
#ifndef STANDBOX_BENCH_GCONN_H
#define STANDBOX_BENCH_GCONN_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

struct gconn;
struct gcall;

struct gcall_events {
    void (*message)(void *arg, struct gcall *call, const char *data, size_t len); /* one whole message */
    /* The call is over and is freed after this.  `status` is grpc-status, -1 when there was none: then `why` says how
       it ended.  May begin the next call. */
    void (*closed)(void *arg, int status, const char *why);
};

/* Connect (blocking).  NULL with `err`. */
struct gconn *gconn_open(const struct sockaddr_in *address, struct err *err);
void gconn_close(struct gconn *c);   /* calls that are not over are dropped without a word.  NULL is fine */

/* Begin a call whose first message is these bytes; `end`: and the last.  Goes out with the next gconn_serve.
   `path` and `events` must outlive the call.  NULL: out of memory, or the connection takes no more. */
struct gcall *gconn_call(struct gconn *c, const char *path, const void *message, size_t len, bool end,
                         const struct gcall_events *events, void *arg);

/* One more message; `end`: the last. */
void gcall_send(struct gcall *call, const void *message, size_t len, bool end);
/* Bytes that wait for the server's window. */
size_t gcall_unsent(const struct gcall *call);

/* Send and receive for `timeout_ms` at most, until something has come.  How many bytes came or went; 0: nothing within
   the time; -1 with `err`: the connection is gone. */
int gconn_serve(struct gconn *c, int timeout_ms, struct err *err);

#endif
