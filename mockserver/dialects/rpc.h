/*
 * The seam between the gRPC transport and dialects: one call, and the table of methods that a dialect serves.
 *
 * A call is an exchange (dialects/dialect.h), so that lanes, scenarios, the journal and op.h work as they do over HTTP;
 * what gRPC has beside is here.  Of the exchange's operations a gRPC dialect uses only `header` (metadata), `peer_gone`
 * (is the call over, whoever ended it?) and, through op_event, `stream_write`: one whole message, which counts as an
 * event.  It blocks while the client does not read, and is -1 when the call is over.
 *
 * Threads: a method's `serve` runs on a thread that is the call's as long, and may block; when it returns the call must
 * have been ended, or be over.  That of a method that is quick may run on the transport's reactor.  Beside it whoever
 * attends to the client's messages may run on another thread; only one of the two receives at the same time.
 */
#ifndef STANDBOX_DIALECTS_RPC_H
#define STANDBOX_DIALECTS_RPC_H

#include "dialects/dialect.h"

/* google.rpc.Code */
enum rpc_status {
    RPC_OK, RPC_CANCELLED, RPC_UNKNOWN, RPC_INVALID_ARGUMENT, RPC_DEADLINE_EXCEEDED, RPC_NOT_FOUND,
    RPC_ALREADY_EXISTS, RPC_PERMISSION_DENIED, RPC_RESOURCE_EXHAUSTED, RPC_FAILED_PRECONDITION, RPC_ABORTED,
    RPC_OUT_OF_RANGE, RPC_UNIMPLEMENTED, RPC_INTERNAL, RPC_UNAVAILABLE, RPC_DATA_LOSS, RPC_UNAUTHENTICATED,
    RPC_STATUSES
};

enum rpc_received {
    RPC_MESSAGE,         /* *out has it */
    RPC_HALF_CLOSED,     /* the client sends no more.  Said once: the next call waits until the call is over */
    RPC_OVER,            /* the call is over: ended by us, cancelled, or the client has gone */
    RPC_NOTHING          /* there is nothing for now */
};

struct rpc;

struct rpc_ops {
    /* Wait for the client's next message, which replaces what `out` held.  What was received before counts as dealt
       with: only then may the client send more. */
    enum rpc_received (*receive)(struct rpc *rpc, struct buf *out);
    /* The same without waiting: then RPC_NOTHING, or RPC_OVER. */
    enum rpc_received (*receive_now)(struct rpc *rpc, struct buf *out);
    /* From now on call `attend` on a thread beside this one, never twice at a time, whenever there is something to
       receive; it takes all there is, by receive_now, and may block.  When all there is by now is that the client has
       ended, it is called at once, by this one: then it must not block, as it may be the reactor.  What was received
       before counts as dealt with.  Once a call, and then attend_no_more before `serve` returns. */
    void (*attend)(struct rpc *rpc, void (*attend)(void *arg), void *arg);
    /* ... and no more.  When the call was ended, or is over: waits for who is at it. */
    void (*attend_no_more)(struct rpc *rpc);
    /* Only while no rule is asked (exchange.asks_no_rule).  Leave the rest of the call to `go_on`, which is called on the
       transport's reactor, so it may not wait, and never twice at a time: soon, after each knock, when there is room
       again, and when the call is over.  It must be the last that `serve` does.  NULL: this cannot be. */
    void (*leave_to)(struct rpc *rpc, void (*go_on)(void *arg), void *arg);
    /* Let it be called.  Any thread, whatever it holds. */
    void (*knock)(struct rpc *rpc);
    /* In go_on: may more be sent?  When not, it is called again. */
    bool (*has_room)(struct rpc *rpc);
    /* In go_on, as its last: all is done.  The call is ended if it was not; `last` is called at once when it does not wait
       and nobody attends to the client's messages, else on a thread of its own, where attend_no_more may wait, too. */
    void (*finish)(struct rpc *rpc, bool waits, void (*last)(void *arg), void *arg);
    /* One message that is the whole answer of a unary call: no event.  -1: the call is over. */
    int (*send)(struct rpc *rpc, const void *message, size_t len);
    /* The end.  `message` (NULL: none) any text; `details` the bytes of a google.rpc.Status, or NULL.  -1: it is over
       already. */
    int (*end)(struct rpc *rpc, enum rpc_status status, const char *message, const void *details, size_t len);
    /* Call `over` once, as soon as the call is over (now, if it is), on any thread and quickly; until the next watch,
       which also waits for one that is running.  NULL: nobody any more. */
    void (*watch)(struct rpc *rpc, void (*over)(void *arg), void *arg);
    /* Metadata that goes with the end, names in any case; what cannot be metadata, or is more than clients
       take, is left out. */
    void (*add_trailer)(struct rpc *rpc, const char *name, const char *value);
    /* The same as a proxy would do it that speaks no gRPC. */
    int (*end_http)(struct rpc *rpc, int status, const char *content_type, const void *body, size_t len);
};

struct rpc {
    struct exchange x;   /* `method` is "POST", `path` the call's */
    const struct rpc_ops *ops;
    bool ends_next;      /* the dialect says: behind the next event comes the end, so both may go together */
    bool follows_next;   /* ... comes another at once, so both do, whatever is armed */
};

enum rpc_kind { RPC_UNARY, RPC_SERVER_STREAM, RPC_BIDI };

struct rpc_method {
    const char *path;    /* "/package.Service/Method" */
    enum rpc_kind kind;
    const void *row;     /* the dialect's own */
    bool is_quick;       /* serving it never waits, but for a scenario's rule; a stream leaves what takes time to `go_on` */
};

/* What a dialect that speaks gRPC has beside (dialect.h: `rpc`). */
struct rpc_dialect {
    /* The method of this path, for ever; NULL: none of ours. */
    const struct rpc_method *(*find)(const char *path);
    /* Whose call is it?  A good API key (into `out_key`), or false.  Called on any lane's instance. */
    bool (*whose)(void *self, struct exchange *x, struct buf *out_key);
    void (*serve)(void *self, struct rpc *rpc, const struct rpc_method *method);
    /* For the journal: append one of the method's messages as a JSON object, with `room` and `out_cut` as in proto/tell.h.
       False: it cannot be read.  Any thread. */
    bool (*tell)(const struct rpc_method *method, bool from_client, const void *message, size_t len, size_t *room,
                 bool *out_cut, struct buf *out);
};

#endif
