/*
 * The HTTP transport's own structs, for its files and tests.
 *
 *   http.c           server life, civetweb's callbacks
 *   http_pool.c      worker threads: quick start, stop
 *   http_conns.c     the table of connections: which socket is whose, deadlines, waking up
 *   http_guard.c     who may come in, and the path
 *   http_exchange.c  the operations of an exchange
 *   http_fault.c     faults of scenario files, done to an answer
 *   http_fault_pace.c  ... and slow, dribbled or split sending (pace.h has the arithmetic)
 *   http_peer.c      has the client read what it was sent?
 *   http_wire.c      bytes out: heads, refusals, waiting for a slow reader
 *
 * civetweb 1.15 has no function that gives a connection's socket, cuts every write at its request
 * timeout and copies each one: so it only accepts, parses heads and reads bodies here; everything
 * that goes out goes through wire_send on the socket itself, which conns_find_socket finds.
 * Its worker threads have a stack of 100 KiB, fixed when Debian built it.
 *
 * Locks: conn_table.lock and http_pool.lock, both leaves (nothing else is taken while one is held).
 */
#ifndef STANDBOX_TRANSPORTS_HTTP_PRIV_H
#define STANDBOX_TRANSPORTS_HTTP_PRIV_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/uio.h>

#include "base/buf.h"
#include "lanes/strike.h"
#include "transports/address.h"
#include "transports/http.h"
#include "transports/moment.h"
#include "transports/pace.h"

struct mg_callbacks;
struct mg_connection;
struct mg_context;
struct mg_request_info;

#define HTTP_REQUEST_ID_BYTES 40
#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S INT64_C(1000000000)
#define KEEP_ALIVE_MS 15000

/* ---- connections (http_conns.c) ----------------------------------------------------- */

#define CONN_SPARE_FDS 64

struct conn_table {
    pthread_mutex_t lock;
    pthread_cond_t changed;         /* the watchdog sleeps on it */
    pthread_t watchdog;
    struct http_conn *first;
    unsigned count, workers;        /* a connection holds a worker as long as it is open */
    int64_t next_wake_ns;           /* when the watchdog looks again */
    bool ending, waking;
    int port;                       /* our sockets' own, for waking those that nobody has found yet */
    bool *taken;                    /* by descriptor: is it in the table? */
    size_t taken_size;
    int spare[CONN_SPARE_FDS];      /* numbers lately given back: the kernel hands those out first */
    unsigned spares;
};

/* One client's connection.  Belongs to its worker thread but for what the table's lock guards. */
struct http_conn {
    struct http_conn *prev, *next;  /* lock */
    struct http_server *server;
    int fd;                         /* -1 until conns_find_socket; written under lock */
    int64_t deadline_ns;            /* lock; what is being read must be there by then; 0: none */
    int64_t waiting_since_ns;       /* lock; for a request; 0: one is being served */
    bool overdue;                   /* lock; the deadline passed and the receiving side was shut */
    bool was_used;                  /* has served a request */
    bool refused;                   /* civetweb could not read the request and it was answered */
};

/* How civetweb names a client. */
struct conn_peer { const char *address; int port, local_port; };

int conns_init(struct conn_table *table, unsigned workers, struct err *err);
void conns_fini(struct conn_table *table);

/* Take a new connection in, its socket unknown; NULL: no memory. */
struct http_conn *conns_add(struct http_server *server);
/* Find its socket, once civetweb says who it is.  -1: the client reset it already. */
int conns_find_socket(struct http_conn *conn, const struct conn_peer *peer);
/* Before civetweb closes the socket.  Frees it. */
void conns_remove(struct http_conn *conn);
/* Shut the receiving side when `deadline_ns` (monotonic) comes; replaces an earlier one. */
void conns_set_deadline(struct http_conn *conn, int64_t deadline_ns);
/* No deadline any more.  Was it missed? */
bool conns_clear_deadline(struct http_conn *conn);
/* A request begins, or is over.  Returns how long it was waited for. */
int64_t conns_begin_request(struct http_conn *conn);
void conns_end_request(struct http_conn *conn);
/* From now on end everybody's input, so that whoever waits for some wakes up. */
void conns_wake_all(struct conn_table *table, int port);
/* Is there any, also one that no worker has taken yet? */
bool conns_are_left(int port);
/* There are other than conns_init was told. */
void conns_set_workers(struct conn_table *table, unsigned workers);
/* Do workers run short?  Then idle connections are not kept. */
bool conns_are_crowded(struct conn_table *table);

/* ---- worker threads (http_pool.c) ---------------------------------------------------- */

/* One of civetweb's contexts: a master that accepts, a queue, and workers. */
struct http_context {
    struct http_server *server;
    struct mg_context *mg;          /* NULL: it does not run */
    unsigned workers, held, queue;  /* `held` of the workers do not work yet */
    int listener;                   /* number of its listening socket, which civetweb owns; -1: unknown */
    int never;                      /* eventfd in the place of a listening socket; ready only to end the master */
    unsigned begun;                 /* pool's lock; workers */
    bool has_master, holds_none;    /* pool's lock */
    char complaint[256];            /* of civetweb, when it was started */
};

struct http_pool {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct http_context first, rest;/* `rest` only when there are many workers */
    int listener;                   /* a duplicate of the one and only */
    pthread_t starter;              /* starts `rest` */
    bool has_starter;
    bool handed_over;               /* lock; `rest` has the listening socket */
    bool settled;                   /* lock; as many workers as there will be */
    struct err why;                 /* lock; why they are few */
};

/* Serve, at first with few workers if `workers` are many. */
int pool_start(struct http_server *server, unsigned workers, struct err *err);
/* Wait for the others.  -1: there are none. */
int pool_await(struct http_pool *pool, struct err *err);
/* Stop accepting, wake and wait for all workers.  Also sets server->stopping. */
void pool_stop(struct http_server *server);

/* ---- the server (http.c) ------------------------------------------------------------ */

struct http_server {
    struct http_config config;      /* its strings are borrowed during http_server_new only, but extra_hosts */
    struct http_pool pool;
    char url[128];
    struct address address;         /* a wildcard: base_url must come from Host */
    int port;
    struct conn_table conns;
    atomic_bool stopping;
    atomic_uint stream_limit;       /* config.max_streams, unless there are fewer workers */
    atomic_uint open_exchanges, open_streams;
    atomic_uint_fast64_t requests, refused;
};

void http_set_callbacks(struct mg_callbacks *callbacks);
/* Is this socket bound to the server's address, and this port? */
bool http_is_bound_to(const struct http_server *server, int fd, int port);
/* What the server is called from now on. */
void http_note_port(struct http_server *server, int port);

/* ---- who may come in (http_guard.c) -------------------------------------------------- */

struct refusal { int status; const char *code, *message; };

/* How the request's body is framed. */
struct framing { bool has_body, chunked; uint64_t length; };

/* NULL: let it in, and `out_framing` is filled. */
const struct refusal *guard_request(const struct http_config *config, const struct mg_request_info *info,
                                    struct framing *out_framing);
/* Percent-decode once, collapse slashes; NULL or why not. */
const struct refusal *guard_path(const char *raw, struct buf *out);
/* May a body of this content type (NULL: none declared) run something? */
bool guard_is_json(const char *content_type);
/* Is `token` one of the comma-separated words of `list`? */
bool guard_has_token(const char *list, const char *token);

extern const struct refusal refusal_no_answer, refusal_too_many_streams, refusal_bad_target, refusal_bad_type;

/* ---- bytes out (http_wire.c) --------------------------------------------------------- */

/* All of it, however slow the reader.  -1: the client is gone, or the server is stopping and it does not read. */
int wire_send(struct http_conn *conn, struct iovec *iov, int count);

struct wire_head {
    int status;
    const char *content_type;       /* NULL: none */
    const char *request_id;
    const struct buf *extra;        /* more header lines, or NULL */
    uint64_t length;
    bool chunked, until_close;      /* instead of a length */
    bool keep_alive;
};
void wire_put_head(struct buf *out, const struct wire_head *head);
/* 204 and 304 have none, whatever their handler gives. */
bool wire_status_has_body(int status);

void wire_make_request_id(char out[HTTP_REQUEST_ID_BYTES]);

/* Answer a request that no handler sees; the connection must be closed afterwards.  `request_id` may be NULL. */
void wire_refuse(struct http_conn *conn, const struct refusal *why, const char *request_id);
/* The JSON body of a refusal. */
void wire_put_refusal(struct buf *out, const struct refusal *why);

/* End our sending side and swallow what the client still sends, as long as it does (15 s at most): closing with unread
   input would reset the connection and could take the answer with it. */
void wire_linger(struct http_conn *conn);

/* Is the socket dead?  `half_closed_since_ns` (0 at first) remembers when the client ended its sending side. */
bool wire_peer_gone(struct http_conn *conn, int64_t *half_closed_since_ns);

/* Wait until the client's kernel has all that was sent.  -1: the client is gone, or the server is stopping. */
int wire_await_sent(struct http_conn *conn);

/* ---- the client's own socket (http_peer.c) --------------------------------------------- */

/* Wait until the client has read all that was sent: then the next bytes are a read of their own.  Of a client on
   another machine only its kernel's word can be had, and is enough.  1: it has; 0: not by `until_ns` (monotonic);
   -1: it is gone, or the server is stopping. */
int peer_await_read(struct http_conn *conn, int64_t until_ns);

/* ---- one exchange (http_exchange.c) ---------------------------------------------------- */

enum body_state { BODY_UNREAD, BODY_COMPLETE, BODY_FAILED };

struct http_exchange {
    struct exchange x;               /* first: the dialect's view */
    struct http_conn *conn;
    struct mg_connection *mg;
    const struct mg_request_info *info;
    struct framing framing;
    enum body_state body_state;
    enum err_code body_error;
    struct buf body, path, host, base_url, extra;
    bool speaks_chunks;              /* HTTP/1.1 */
    bool no_body_out;                /* HEAD */
    bool keep_alive;                 /* the answer promised it */
    bool streaming, chunked, stream_ended;
    bool over;                       /* a fault or the client ended the answer, as `end` says */
    bool broken;                     /* ... and the connection cannot be used any more */
    bool said_end;                   /* ... its sending side is shut */
    bool client_gone;                /* the handler was told so */
    enum exchange_end end;             /* when `over` */
    int64_t half_closed_since_ns;
    struct pace pace;
    bool reader_is_late;             /* split, pieces: it is not waited for any more */
};

/* Serve the request that civetweb has read. */
void exchange_serve(struct http_conn *conn, struct mg_connection *mg);

/* Complete the head and write it down; the exchange counts as answered from now on.  -1: no memory. */
#define SURE_BYTES 65536u            /* the kernel takes an answer of this size whole */

/* Tell the observer that the client will see this end next. */
void exchange_tell_end(struct http_exchange *hx, enum exchange_end end);
int exchange_make_head(struct http_exchange *hx, struct wire_head *head, struct buf *out);
/* The answer is over and the connection with it.  -1, for returning it. */
int exchange_give_up(struct http_exchange *hx, enum exchange_end end);
/* The same when sending or waiting failed: because of the client, or since the server stops. */
int exchange_lose_client(struct http_exchange *hx);

/* ---- faults (http_fault.c): the ways of answers for which one is armed ------------------- */

int fault_poke(struct http_exchange *hx);
/* Has the client gone, or the lane, whose clock might never reach what is waited for?  `arg`: the http_exchange. */
bool fault_is_interrupted(void *arg);
int fault_reply(struct http_exchange *hx, struct wire_head *head, const void *body, size_t len);
int fault_stream_begin(struct http_exchange *hx, struct wire_head *head);
int fault_stream_write(struct http_exchange *hx, const void *data, size_t len);
int fault_stream_end(struct http_exchange *hx);

/* ---- paced sending (http_fault_pace.c) --------------------------------------------------- */

/* Bytes for the wire: of the body, or framing. */
struct part {
    const void *data;
    size_t len;
    bool is_body;
    bool is_end;                     /* the answer is complete behind it, which is told just before it goes out */
};

/* Let the client read what it has, so that what follows comes to it by itself.  A client that does not read is waited
   for once, for a while.  -1: it is gone, or the server is stopping. */
int paced_await_reader(struct http_exchange *hx);
/* Send as the pace allows, and account for it.  -1: the answer is over. */
int paced_send(struct http_exchange *hx, const struct part *parts, size_t count);

#endif
