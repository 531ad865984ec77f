/*
 * One connection and its calls: gRPC over HTTP/2 with prior knowledge (h2c).
 *
 * The connection's thread owns the socket and the nghttp2 session; everybody else leaves word in a call and waits on
 * its condition.  A stream's window is given back as its messages are taken, the connection's at once: who does not
 * read holds up himself alone.  A call's deadline is kept here, too: it ends with DEADLINE_EXCEEDED and RST_STREAM CANCEL.
 *
 * Thread: all functions from any, each call's cwc_call_next from one at a time.  Lock: the connection's; none of ours
 * is taken below it.
 */
#ifndef CWC_CONN_H
#define CWC_CONN_H

#include "cwc_grpc.h"

struct cwc_conn;
struct cwc_call;

struct cwc_call_options {
    const char *path;
    const char *authority;
    const char *auth;   /* value of the header, or NULL */
    int64_t timeout_ms; /* 0: none; goes out as grpc-timeout */
    size_t max_message; /* that may come */
};

/* Connect; NULL with `end` filled (UNAVAILABLE). */
struct cwc_conn *cwc_conn_open(const char *host, const char *port, int64_t timeout_ms, struct cwc_end *end);

/* Whether new calls may begin: not after a GOAWAY, not when it is broken. */
bool cwc_conn_is_open(struct cwc_conn *conn);

/* Broken, and no calls left: to be freed. */
bool cwc_conn_is_dead(struct cwc_conn *conn);

/* End all calls as cancelled. */
void cwc_conn_cancel(struct cwc_conn *conn);

/* When all calls are freed.  Says goodbye, joins the thread. */
void cwc_conn_free(struct cwc_conn *conn);

struct cwc_call *cwc_call_begin(struct cwc_conn *conn, const struct cwc_call_options *options);

/* Queue a message, and the end of ours.  What comes behind the end of the call is dropped. */
void cwc_call_send(struct cwc_call *call, const struct sbc_buf *message);
void cwc_call_half_close(struct cwc_call *call);

/* Wait until little is queued; false: the call is over. */
bool cwc_call_wait_room(struct cwc_call *call);

/* The next message, appended to `out`: 1; the call is over: 0; not before `until_ms` (sbc_now_ms; 0: no limit): -1. */
int cwc_call_next(struct cwc_call *call, int64_t until_ms, struct sbc_buf *out);

/* Reset the stream and end as cancelled, when it is not over. */
void cwc_call_cancel(struct cwc_call *call);

/* How it ended; valid once cwc_call_next gave 0, until it is freed. */
const struct cwc_end *cwc_call_end(const struct cwc_call *call);

void cwc_call_free(struct cwc_call *call); /* cancels */

#endif
