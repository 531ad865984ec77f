/*
 * gRPC over HTTP/2 without TLS, on nghttp2: only transports/grpc*.c know it.
 *
 * Carries messages and keeps strangers out; knows no vendor and no protobuf.  A client speaks HTTP/2 from its first
 * byte ("prior knowledge").  A call whose head is in order is given to the method that `find` names; the method's
 * handler is told what comes in, and whoever has the call answers when it likes, from any thread.
 *
 * Threads: one reactor thread serves all connections.  Every callback (find, handler, observer) runs on it, so none
 * may block, and none of a call's run at the same time.  The functions of a call may be used from any thread, inside
 * callbacks, too; they never block, but grpc_call_flush and grpc_call_await_room.
 *
 * A call is counted.  The transport has a reference while its stream lives, and a handler that wants to use the call
 * outside of callbacks takes another.  A call that is over (or whose server is gone) stays a valid object: what is
 * sent on it is dropped, and the sender told so by ERR_CLOSED.
 */
#ifndef STANDBOX_TRANSPORTS_GRPC_H
#define STANDBOX_TRANSPORTS_GRPC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "dialects/dialect.h"
#include "scenario/fault.h"

struct grpc_server;
struct grpc_call;
struct strike;

/* google.rpc.Code */
enum grpc_status {
    GRPC_OK, GRPC_CANCELLED, GRPC_UNKNOWN, GRPC_INVALID_ARGUMENT, GRPC_DEADLINE_EXCEEDED, GRPC_NOT_FOUND,
    GRPC_ALREADY_EXISTS, GRPC_PERMISSION_DENIED, GRPC_RESOURCE_EXHAUSTED, GRPC_FAILED_PRECONDITION, GRPC_ABORTED,
    GRPC_OUT_OF_RANGE, GRPC_UNIMPLEMENTED, GRPC_INTERNAL, GRPC_UNAVAILABLE, GRPC_DATA_LOSS, GRPC_UNAUTHENTICATED
};

/* ---- methods ---------------------------------------------------------------------------- */

/* All on the reactor's thread; each may be NULL. */
struct grpc_handler {
    /* The head of a call has come: the first callback. */
    void (*begin)(struct grpc_call *call);
    /* A whole message, without its prefix.  It is the transport's; a handler that wants to have it moves the struct
       and leaves BUF_INIT.  true: it is dealt with.  false: it counts as kept until grpc_call_consume, and while
       anything is kept the client gets no window to send more (backpressure for this call alone). */
    bool (*message)(struct grpc_call *call, struct buf *message);
    /* The client has no more messages. */
    void (*half_close)(struct grpc_call *call);
    /* A send was refused, or grpc_call_has_room said no, and now there is room again. */
    void (*room)(struct grpc_call *call);
    /* The last callback, exactly once: the stream is over, whoever ended it (the client cancelled or went; a refusal
       of bad input; a fault; our own end; the server stops).  The place to let go of grpc_call_data. */
    void (*over)(struct grpc_call *call, enum exchange_end end);
    /* grpc_call_knock was called since the last time. */
    void (*knock)(struct grpc_call *call);
};

enum grpc_kind {
    GRPC_UNARY, GRPC_SERVER_STREAM,   /* exactly one request message: given, like half_close, when the client ended */
    GRPC_CLIENT_STREAM, GRPC_BIDI     /* any number, as they come */
};

struct grpc_method {
    const char *path;                 /* "/package.Service/Method" */
    enum grpc_kind kind;
    const struct grpc_handler *handler;
};

/* The row of a table with this path, or NULL. */
const struct grpc_method *grpc_method_find(const struct grpc_method *methods, size_t count, const char *path);

/* ---- a server --------------------------------------------------------------------------- */

struct grpc_config {
    const char *address;              /* "127.0.0.1", "[::1]", "0.0.0.0"; borrowed during the call */
    int port;                         /* 0: any free one */
    bool allow_remote;                /* accept other names in :authority and non-loopback addresses */
    const char *const *extra_hosts;   /* more name suffixes to take, NULL-terminated, or NULL; kept */
    unsigned max_connections;         /* more are closed at once; 0: 1000 */
    unsigned max_streams;             /* of one connection; 0: 1000 */
    size_t max_message_bytes;         /* of one request message; 0: 100 MiB */
    size_t max_connection_bytes;      /* of all unfinished and kept messages of a connection; 0: 256 MiB */
    size_t max_server_bytes;          /* ... of all connections; 0: 1 GiB */
    size_t high_water_bytes;          /* of one answer: queued bytes from which a sender must wait; 0: 256 KiB */
    unsigned hello_timeout_ms;        /* a connection's preface must be there by then; 0: 10000 */
    unsigned stop_ms;                 /* how long the ends of open calls may take when the server stops; 0: 1000 */
    /* The call's method, borrowed for the call's life; NULL: UNIMPLEMENTED.  Path and headers are there. */
    const struct grpc_method *(*find)(void *arg, const struct grpc_call *call);
    void *arg;
};

/* Bind and serve.  Loopback addresses only unless allow_remote. */
int grpc_server_new(struct grpc_server **out_server, const struct grpc_config *config, struct err *err);

/* "http://127.0.0.1:8701", as bound; borrowed. */
const char *grpc_server_url(const struct grpc_server *server);

/* Stop accepting, send GOAWAY, end open calls with UNAVAILABLE, wait for that at most stop_ms, free.  Calls that
   somebody still refers to stay valid.  Not from a callback; NULL is fine. */
void grpc_server_free(struct grpc_server *server);

struct grpc_stats {
    unsigned open_connections, open_calls;
    uint64_t connections, calls, refused;   /* refused: connections and calls that no handler saw */
    size_t request_bytes;                   /* unfinished and kept messages, now */
    size_t answer_bytes;                    /* queued for clients that do not read, now */
};
void grpc_server_stats(const struct grpc_server *server, struct grpc_stats *out_stats);

/* ---- a call: what came ------------------------------------------------------------------- */

struct grpc_call *grpc_call_ref(struct grpc_call *call);
void grpc_call_unref(struct grpc_call *call);                      /* NULL is fine */

/* All of these are fixed when begin runs, and borrowed for the life of the call. */
const char *grpc_call_path(const struct grpc_call *call);
const char *grpc_call_authority(const struct grpc_call *call);     /* "" when absent */
const char *grpc_call_request_id(const struct grpc_call *call);
/* Value of request metadata `name` (lower case), or NULL.  The first of several. */
const char *grpc_call_header(const struct grpc_call *call, const char *name);
/* All of them, in order, pseudo headers left out; at most `max`.  How many. */
size_t grpc_call_headers(const struct grpc_call *call, const char **names, const char **values, size_t max);
/* The machine's time (mono_ns) by which the client wants an answer; INT64_MAX: any.  The client keeps that time
   itself, and cancels; the transport does not. */
int64_t grpc_call_deadline_ns(const struct grpc_call *call);

/* grpc_config.arg of the call's server.  In begin. */
void *grpc_call_server_arg(const struct grpc_call *call);
/* The handler's own; set it in begin. */
void grpc_call_set_data(struct grpc_call *call, void *data);
void *grpc_call_data(const struct grpc_call *call);

/* Of kept messages so many bytes are dealt with.  More than is kept counts as all. */
void grpc_call_consume(struct grpc_call *call, size_t bytes);

/* The HTTP/2 code with which the client reset the stream before its answer had an end; -1: it did not.  In `over`. */
int64_t grpc_call_reset_code(const struct grpc_call *call);

/* Is nothing that is sent of any use any more? */
bool grpc_call_is_over(struct grpc_call *call);

/* ---- a call: the answer ------------------------------------------------------------------ */

/* Metadata before the first message, or with the status; copied.  Names in lower case; a name that ends with "-bin"
   has a value in base64.  -1, ERR_CONFLICT: the head is on its way; ERR_INVALID: no name or value of a field;
   ERR_LIMIT: more than the 8 KiB that every client takes. */
int grpc_call_add_header(struct grpc_call *call, const char *name, const char *value, struct err *err);
int grpc_call_add_trailer(struct grpc_call *call, const char *name, const char *value, struct err *err);

/* Send the head now; the first message would do it otherwise. */
int grpc_call_send_head(struct grpc_call *call, struct err *err);

enum grpc_send_flags {
    GRPC_PLAIN = 0,
    GRPC_EVENT = 1,     /* it counts as an event for an armed fault, once it is on the wire */
    GRPC_MORE = 2,      /* more follows at once, and both may go together: the reactor is not told of this one yet */
    GRPC_ANY = 4        /* it is taken, however much is queued; for who asks grpc_call_has_room himself */
};

/* One message, copied.  -1 and not taken: ERR_CLOSED, the call is over or was ended; ERR_LIMIT, as much as
   high_water_bytes is queued already: wait for `room` (or grpc_call_await_room) and send it then; ERR_NOMEM. */
int grpc_call_send(struct grpc_call *call, const void *message, size_t len, unsigned flags, struct err *err);

/* Have the handler's `knock` called on the reactor, unless the call is over; for who has something to do there. */
void grpc_call_knock(struct grpc_call *call);

/* Would a message be taken?  When not, `room` will say so. */
bool grpc_call_has_room(struct grpc_call *call);

/* The end, behind all that was sent; without any message the answer is trailers alone.  `message` (NULL: none) may be
   any text; `details` (NULL: none): the bytes of a google.rpc.Status.  What of both does not fit into 8 KiB is cut or
   left out.  -1, ERR_CLOSED: it is over or ended already. */
int grpc_call_end(struct grpc_call *call, enum grpc_status status, const char *message, const void *details,
                  size_t details_len, struct err *err);

/* No gRPC at all: an HTTP answer of this status and type (NULL: none) and body (copied), as a proxy would give it.
   -1: ERR_CLOSED, or ERR_CONFLICT when the answer has begun. */
int grpc_call_end_http(struct grpc_call *call, int http_status, const char *content_type, const void *body, size_t len,
                       struct err *err);

/* For senders on threads of their own; never on the reactor's.  Wait until all that was sent so far is on its way, and
   all that was noted has been seen / until there is room.  -1, ERR_CLOSED: the call is over; ERR_TIMEOUT: it is
   `until_ns` (mono_ns; INT64_MAX: no limit). */
int grpc_call_flush(struct grpc_call *call, int64_t until_ns, struct err *err);
int grpc_call_await_room(struct grpc_call *call, int64_t until_ns, struct err *err);

/* ---- faults, and who looks on ------------------------------------------------------------- */

/* From now on this fault follows the answer.  `strike` is borrowed until `over` has returned, and is the reactor
   thread's (others may look at it after grpc_call_flush).  In begin, or before anything is sent.  Bytes are those of
   DATA frames, prefixes of messages included.  `behind` (NULL: none) is called on the reactor when the place of a fault
   is reached that leaves the answer alone. */
void grpc_call_arm(struct grpc_call *call, struct strike *strike, void (*behind)(void *arg), void *arg);

/* The answer now knows of a fact of its process: seen by the fault behind all that was sent before. */
void grpc_call_note_fact(struct grpc_call *call, enum scenario_fact fact);
/* Look at the fault again, since something was noted in it. */
void grpc_call_poke(struct grpc_call *call);

/* Who is told what goes over the wire, just before the client can see it.  Each may be NULL. */
struct grpc_observer {
    void (*request_bytes)(void *arg, const void *data, size_t len);     /* of DATA frames, as they come */
    void (*answer)(void *arg, int http_status, const char *content_type);
    void (*answer_bytes)(void *arg, const void *data, size_t len);      /* of DATA frames */
    void (*answer_message)(void *arg, const void *message, size_t len); /* ... the last byte of this one */
    /* `status`: -1, no gRPC status was said.  Not called when the client went before. */
    void (*ending)(void *arg, enum exchange_end end, int status);
};
/* In `ending`: append the status's text and its details. */
void grpc_call_get_end(struct grpc_call *call, struct buf *out_message, struct buf *out_details);
/* In begin; both are borrowed until `over` has returned. */
void grpc_call_observe(struct grpc_call *call, const struct grpc_observer *observer, void *arg);

#endif
