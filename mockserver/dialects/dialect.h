/*
 * The seam between transports and dialects.
 *
 * Each lane has an instance of each dialect of its own, so an instance knows one lane only.
 *
 * A transport carries bytes and calls a dialect's `handle` with an exchange; a dialect
 * answers through the exchange and never sees sockets.  A new vendor is a folder below
 * dialects/ and one row in vendors.c's table.
 *
 * Threads: `handle` runs on a transport's worker thread, one per request, and may block.
 * An exchange belongs to that thread until `handle` returns.
 */
#ifndef STANDBOX_DIALECTS_DIALECT_H
#define STANDBOX_DIALECTS_DIALECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "scenario/setting.h"
#include "scenario/vocab.h"

struct engine;
struct sandbox;
struct lane;
struct strike;

/* Hosts below it are taken by every server, and can never be somebody's (RFC 6761). */
#define SANDBOX_HOSTS ".sbx.test"

/* ---- one HTTP request and its answer ------------------------------------------------ */

struct exchange;

/* How an answer ended, as the server knows it. */
enum exchange_end {
    EXCHANGE_COMPLETE,
    EXCHANGE_CUT,          /* a fault ended it without its proper end */
    EXCHANGE_RESET,        /* a fault sent RST */
    EXCHANGE_CLIENT_GONE,
    EXCHANGE_NO_ANSWER     /* not a byte */
};

/* Who is told what goes over the wire (main: the lane's ledger).  Called by the transport, on the exchange's thread,
   framing aside, just before it is sent: a client that has an answer can already read of it. */
struct observer {
    void (*request_body)(struct exchange *x, const void *body, size_t len);   /* whole, when it was read */
    void (*answer)(struct exchange *x, int status, const char *content_type); /* the head; content_type may be NULL */
    void (*answer_bytes)(struct exchange *x, const void *data, size_t len);
    /* The client is about to see that the answer ends, and how.  Not called when nobody can know before (a long answer
       on its way to a slow client, a client that goes): how_ended tells in any case. */
    void (*ending)(struct exchange *x, enum exchange_end end);
};

#define EXCHANGE_MAX_HEADERS 100

/* How a transport implements an exchange (a test may bring its own). */
struct exchange_ops {
    /* Value of request header `name` (any case), or NULL.  Borrowed until handle returns. */
    const char *(*header)(struct exchange *x, const char *name);
    /* The whole body.  0 and out (borrowed until handle returns; may be "" with *len 0), or -1:
       ERR_LIMIT (over the bound), ERR_CLOSED (cut short), ERR_TIMEOUT.  Reading twice gives the same. */
    int (*body)(struct exchange *x, const char **out, size_t *len, struct err *err);
    /* Add a response header before reply or stream_begin (copied).  One that the transport sends by itself
       (x-request-id, Date) is then sent as given, and once. */
    void (*add_header)(struct exchange *x, const char *name, const char *value);
    /* Answer whole: Content-Length is always set, also for an empty body. */
    int (*reply)(struct exchange *x, int status, const char *content_type, const void *body, size_t len);
    /* Begin a 200 answer of unknown length; headers are flushed at once. */
    int (*stream_begin)(struct exchange *x, int status, const char *content_type);
    /* One chunk, on the wire when it returns.  -1: the client has gone. */
    int (*stream_write)(struct exchange *x, const void *data, size_t len);
    /* End the stream properly (terminating chunk). */
    int (*stream_end)(struct exchange *x);
    /* Has the client closed its connection for good?  A client that only ended its sending side has not. */
    bool (*peer_gone)(struct exchange *x);
    /* All request headers, in order; at most `max`.  How many; the texts are borrowed till handle returns. */
    size_t (*headers)(struct exchange *x, const char **names, const char **values, size_t max);
    /* When the handler has returned: how the answer ended.  */
    enum exchange_end (*how_ended)(struct exchange *x);
    /* Something was noted in x->strike: let its fault strike if it is due now, before any further byte.  -1: nothing
       more can be written, the answer is over. */
    int (*poke)(struct exchange *x);
    /* For a transport that looks after x->strike on a thread of its own: the answer now knows of this fact.  Then it
       notes events by itself, too, and `poke` has let it see all that was sent.  NULL: whoever answers notes both.
       -1 as with poke. */
    int (*note_fact)(struct exchange *x, enum scenario_fact fact);
};

struct exchange {
    const struct exchange_ops *ops;
    const char *method;          /* "GET" ... */
    const char *path;            /* percent-decoded once, no query, duplicate slashes collapsed, starts with "/" */
    const char *raw_path;        /* the path as it came, for the ledger; NULL: not known */
    const char *query;           /* raw text behind "?", or "" */
    const char *host;            /* Host header, lower case, with port if sent; "" when absent */
    const char *base_url;        /* "http://127.0.0.1:8700", also with "/lane/NAME": how it is reached, no trailing slash */
    struct lane *lane;           /* whose request it is; set before a dialect's handle; borrowed */
    const struct observer *observer;   /* NULL: nobody; set by whoever calls a dialect's handle */
    uint64_t journal;            /* its number in the lane's ledger; 0: not there */
    bool asks_no_rule;           /* no scenario was at work when it came, so op_begin asks none and never waits */
    /* Set by op_begin (dialects/op.h): */
    const char *op_name;         /* what it means: "process.exec"; NULL: not known */
    struct strike *strike;       /* the fault that is armed, or NULL; op_end takes it away */
    void (*on_strike)(struct exchange *x);   /* NULL: none.  For the transport: a fault's place in the bytes is reached */
    void (*expire_token)(void *arg);         /* make the request's token an expired one; NULL: cannot be */
    void *expire_arg;
    char request_id[40];         /* also sent as x-request-id by the transport, unless the answer has one of its own */
    bool answered;               /* set by the transport's reply / stream_begin */
};

/* Short forms. */
static inline const char *exchange_header(struct exchange *x, const char *name) { return x->ops->header(x, name); }
static inline int exchange_body(struct exchange *x, const char **out, size_t *len, struct err *err)
{
    return x->ops->body(x, out, len, err);
}
static inline int exchange_reply(struct exchange *x, int status, const char *type, const void *body, size_t len)
{
    return x->ops->reply(x, status, type, body, len);
}

/* {"message","error","code"}: the body that every refusal of ours has, whoever refuses. (dialects/refusal.c) */
void refusal_write(struct buf *out, const char *code, const char *message);

/* Decode query parameter `name` into `out`; false when absent.  Repeats: the first.  (dialects/query.c) */
bool query_get(const char *query, const char *name, struct buf *out);

/* ---- routing ------------------------------------------------------------------------ */

#define ROUTE_MAX_PARAMS 4

/* What a pattern such as "/api/sandbox/:id/stop" matched, percent-decoded. */
struct route_params {
    size_t count;
    char value[ROUTE_MAX_PARAMS][256];
};

typedef void route_fn(void *dialect, struct exchange *x, const struct route_params *params);

struct route {
    const char *method;   /* "GET"; NULL: any */
    const char *pattern;  /* literal segments and ":name" segments; a last segment "*" takes the rest */
    route_fn *fn;
};

enum route_result { ROUTE_FOUND, ROUTE_NO_PATH, ROUTE_NO_METHOD };

/* First row that fits, in table order.  A parameter over 255 bytes fits nothing. (dialects/router.c) */
enum route_result route_find(const struct route *routes, size_t count, const char *method, const char *path,
                             const struct route **out_route, struct route_params *out_params);

/* ---- a dialect ---------------------------------------------------------------------- */

struct dialect_env {
    struct engine *engine;        /* borrowed for the dialect's life */
    struct lane *lane;            /* the one it serves: its clock, its scenarios; borrowed for its life */
    const char *const *api_keys;  /* NULL-terminated; empty list: any non-empty key is taken */
    const char *const *settings;  /* NULL-terminated "name=value"; texts outlive the dialect; NULL: none */
};

struct rpc_dialect;

struct dialect {
    const char *name;                                        /* "hyperbrowser" */
    const struct rpc_dialect *rpc;                           /* what it serves over gRPC (dialects/rpc.h); NULL: nothing */
    int (*create)(void **out_self, const struct dialect_env *env, struct err *err);
    void (*destroy)(void *self);                             /* NULL is fine */
    /* Is this request mine?  By path prefix or host; the first dialect that says yes handles it. */
    bool (*claims)(void *self, const struct exchange *x);
    /* Whose request is it, by what the SDK sends anyway?  A sandbox that path, host or token names (a reference in
       *out_sandbox), else a good API key (in `out_key`).  Neither: false.  Called on any lane's instance. */
    bool (*whose)(void *self, struct exchange *x, struct sandbox **out_sandbox, struct buf *out_key);
    void (*handle)(void *self, struct exchange *x);          /* answers exactly once */
    /* May the body be something else than JSON (an upload)?  Asked before handle, which may answer without reading. */
    bool (*takes_raw_body)(void *self, const struct exchange *x);
    /* Forget what belongs to past sandboxes (admin reset); the engine's sandboxes are gone already. */
    void (*reset)(void *self);
    /* Its settings as "name=value" list `assignments` (NULL: none) makes them, one line each.  ERR_INVALID names
       the bad one. */
    int (*describe_settings)(struct buf *out, const char *const *assignments, struct err *err);
    /* What scenarios may say of them. */
    const struct setting_table *settings;
    /* Make ready what the assignments of the lane's scenarios ("name=value", NULL-terminated, the last of a name
       counts) make of those that it was created with.  *out_ready belongs to the dialect and lives as long.  With the
       lane's turn held, as the next.  Both are NULL when no row of the table is for lanes. */
    int (*prepare_settings)(void *self, const char *const *assignments, const void **out_ready, struct err *err);
    /* From now on these. */
    void (*use_settings)(void *self, const void *ready);
    /* End of the host names under which its sandboxes are reached (".sbx.test"), or NULL. */
    const char *(*host_suffix)(void *self);
    /* Lines that tell a person how to point this vendor's SDK at `base_url`, for stderr and docs. */
    void (*describe)(struct buf *out, const char *base_url);
};

#endif
