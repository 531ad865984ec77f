/*
 * The gRPC transport's own structs, for its files and tests.
 *
 *   grpc.c           server life: listening, accepting, news from other threads, stopping
 *   grpc_conn.c      one connection: its socket, bytes in and out, how it ends
 *   grpc_session.c   HTTP/2: the only file that knows nghttp2
 *   grpc_request.c   what comes in: heads, messages, what is refused
 *   grpc_answer.c    what goes out, on the reactor's side
 *   grpc_call.c      a call for its users on any thread
 *   grpc_fault.c     faults of scenario files, done to an answer
 *   grpc_message.c, grpc_fields.c, grpc_text.c   pure
 *
 * How it runs: every entry of the reactor (a socket is ready, a timer, a posted job) does its work and then calls
 * server_turn, which looks at all calls with news and lets their connections write.  Functions for users only change
 * what is under the call's lock and give news; on other threads they then wake the reactor, when they have let go.
 *
 * Locks: grpc_call.lock > grpc_server.news_lock.  No callback runs with one of them held, and nobody wakes the reactor.
 */
#ifndef STANDBOX_TRANSPORTS_GRPC_PRIV_H
#define STANDBOX_TRANSPORTS_GRPC_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "engine/reactor.h"
#include "transports/address.h"
#include "transports/grpc.h"
#include "transports/grpc_fields.h"
#include "transports/grpc_message.h"
#include "transports/moment.h"
#include "transports/pace.h"

struct nghttp2_session;
struct nghttp2_session_callbacks;
struct nghttp2_option;

#define GRPC_REQUEST_ID_BYTES 40
#define GRPC_READ_BYTES       65536u
#define GRPC_NO_STATUS        (-1)

/* ---- an answer -------------------------------------------------------------------------- */

enum grpc_item_kind { ITEM_MESSAGE, ITEM_EVENT, ITEM_RAW, ITEM_FACT, ITEM_POKE };

/* Of the queue: bytes for DATA frames, or a mark that is passed when all before it has been sent. */
struct grpc_item {
    struct grpc_item *next;
    enum grpc_item_kind kind;
    enum scenario_fact fact;         /* ITEM_FACT */
    size_t len, sent;
    unsigned char data[];
};

/* All of it under the call's lock. */
struct grpc_answer {
    struct grpc_fields head, trailers;
    struct grpc_item *first, **last;
    size_t queued;                   /* bytes not sent yet */
    int http_status;                 /* 200, unless it is no gRPC answer */
    char *http_type;                 /* ... then: its content type, or NULL */
    bool wants_head;
    bool has_begun;                  /* the head is with HTTP/2: too late to change it */
    bool ended;                      /* nothing more will be queued */
    bool no_trailers;                /* its end is a bare END_STREAM */
    int status;                      /* enum grpc_status */
    struct buf message, details;
    bool over;                       /* nobody wants it any more */
    bool wants_room;                 /* a sender was told to wait */
    bool settled;                    /* the reactor has seen all that was done to it */
    bool complete;                   /* its proper end is on its way */
};

/* ---- a fault, at work ------------------------------------------------------------------- */

/* The reactor's. */
struct grpc_fault {
    struct strike *strike;           /* NULL: none is armed */
    void (*behind)(void *arg);
    void *arg;
    struct pace pace;
    bool is_resting;                 /* of the pace: there was nothing to send */
    bool is_holding;                 /* nothing of the answer goes out for now */
    bool drains;                     /* ... until the client's kernel has what was sent */
    bool follows_clock;
    struct timer due;                /* when it does again, by the lane's clock */
    struct timer glance;             /* look whether anybody still wants that */
};

/* ---- a call ----------------------------------------------------------------------------- */

enum grpc_phase { PHASE_QUIET, PHASE_BEGUN, PHASE_ENDED };   /* of the answer: no head yet, head sent, end sent */

struct grpc_call {
    atomic_uint refs;
    struct grpc_server *server;      /* there while not detached */
    const struct grpc_method *method;/* NULL until found, and when refused */
    struct grpc_fields head;         /* of the request; these two and the next are fixed when begin runs */
    const char *path, *authority, *content_type, *http_method;
    char request_id[GRPC_REQUEST_ID_BYTES];
    int64_t deadline_ns;
    void *data;

    pthread_mutex_t lock;
    pthread_cond_t changed;          /* room, settled, over */
    struct grpc_answer answer;       /* lock */
    size_t consumed;                 /* lock; of what is kept, by grpc_call_consume */
    bool detached;                   /* lock; its stream is no more: the server may be gone */
    bool has_news;                   /* lock; it is in the server's list, or just being looked at */
    bool must_post;                  /* lock; the reactor is to be woken when that is let go */
    bool has_all;                    /* lock; the client has ended its half */
    bool is_knocked;                 /* lock; its handler is to be told so */
    struct grpc_call *next_news;     /* news_lock */

    /* The reactor's: */
    struct grpc_conn *conn;          /* NULL: detached */
    struct grpc_call *prev, *next;   /* of the connection */
    int32_t stream_id;
    struct grpc_gather gather;
    struct buf single;               /* the one message of a unary call, until the client ends */
    unsigned messages;
    size_t kept, withheld;           /* bytes of kept messages; window that the client does not get meanwhile */
    size_t charged;                  /* of the connection's and the server's bounds */
    enum grpc_phase phase;
    bool too_large;                  /* its head is */
    bool ignores_input;              /* refused, ended, or over */
    bool told_over, told_ending;
    bool was_reset;                  /* by the client, before our end: */
    uint32_t reset_code;
    bool has_end;                    /* a fault or a refusal decided how it ends: */
    enum exchange_end end;
    const struct grpc_observer *observer;
    void *observer_arg;
    struct grpc_fault fault;
};

/* ---- a connection ------------------------------------------------------------------------ */

enum conn_state {
    CONN_OPEN,
    CONN_FLUSHING,      /* HTTP/2 is over: what is written already goes out, then the end */
    CONN_DRAINING,      /* ... is out, and must reach the client's kernel before a reset */
    CONN_LINGERING,     /* our side is shut; what still comes is thrown away */
    CONN_CLOSED         /* to be freed */
};

struct grpc_conn {
    struct source source;            /* first */
    struct grpc_server *server;
    struct grpc_conn *prev, *next;
    enum conn_state state;
    struct nghttp2_session *session; /* NULL unless open */
    struct buf out;                  /* written by HTTP/2 */
    size_t out_at;                   /* of it is sent */
    uint32_t watched;                /* epoll events */
    struct grpc_call *calls;         /* the first */
    unsigned call_count;
    size_t charged;                  /* bytes of unfinished and kept messages */
    bool is_greeted;                 /* the client's preface and SETTINGS have come */
    bool resets;                     /* the end is a real RST */
    bool is_dirty;                   /* in the server's list */
    struct grpc_conn *next_dirty;
    bool is_last_frame_out;          /* nothing more may be written: a GOAWAY that ends all went */
    struct timer patience;           /* for the preface; for lingering */
    struct reactor_job farewell;
};

/* ---- a server ---------------------------------------------------------------------------- */

struct grpc_server {
    struct source listener;          /* first */
    struct grpc_config config;       /* its address is borrowed during grpc_server_new only */
    struct address address;
    char url[128];
    struct reactor *reactor;
    struct nghttp2_session_callbacks *callbacks;
    struct nghttp2_option *option;
    struct timer pause;              /* accepting goes on then */
    struct timer stop;               /* whoever is still there then is closed */

    pthread_mutex_t news_lock;
    struct grpc_call *news, **last_news;   /* news_lock; a reference each */
    bool is_posted;                  /* news_lock */
    atomic_uint posting;             /* threads that are about to wake the reactor */
    struct reactor_job job;

    pthread_mutex_t end_lock;
    pthread_cond_t ended;
    bool is_empty;                   /* end_lock; stopping, and no connection is left */

    /* The reactor's: */
    struct grpc_conn *conns;         /* the first */
    bool is_stopping, in_turn;
    struct grpc_conn *dirty;         /* those that may have something to write */
    unsigned char input[GRPC_READ_BYTES];

    atomic_uint open_connections, open_calls;
    atomic_uint_fast64_t connections, calls, refused;
    atomic_size_t request_bytes, answer_bytes;
};

/* ---- grpc.c ------------------------------------------------------------------------------- */

/* Has news: with the call's lock held, not detached.  True: the caller must let go of the lock and then call
   server_post, else the reactor would be awake only to wait for the lock. */
bool server_add_news(struct grpc_server *server, struct grpc_call *call);
void server_post(struct grpc_server *server);
/* The end of every entry of the reactor. */
void server_turn(struct grpc_server *server);
/* A connection is gone. */
void server_note_closed(struct grpc_server *server);

/* ---- grpc_conn.c -------------------------------------------------------------------------- */

/* Takes the socket.  -1: it was closed. */
int conn_open(struct grpc_server *server, int fd);
/* Is there enough to write for now? */
bool conn_is_full(const struct grpc_conn *conn);
/* Has the client's kernel all that was written? */
bool conn_is_drained(const struct grpc_conn *conn);
/* Let HTTP/2 write, and send. */
void conn_pump(struct grpc_conn *conn);
/* What is written goes out, then comes the end (a real RST if `resets`); all of its calls are over, as `end` says. */
void conn_finish(struct grpc_conn *conn, bool resets, enum exchange_end end);
/* Now. */
void conn_close(struct grpc_conn *conn, enum exchange_end end);

/* ---- grpc_session.c ------------------------------------------------------------------------ */

int session_init_server(struct grpc_server *server, struct err *err);
void session_fini_server(struct grpc_server *server);
/* Begins with our SETTINGS.  -1: no memory. */
int session_open(struct grpc_conn *conn);
void session_close(struct grpc_conn *conn);
/* -1: the connection is of no use any more. */
int session_feed(struct grpc_conn *conn, const unsigned char *data, size_t len);
/* Write into conn->out until it is full or there is nothing more.  -1: as above. */
int session_fill(struct grpc_conn *conn);
/* Has it come to its end? */
bool session_is_over(const struct grpc_conn *conn);
/* Frames the transport asks for; they go with the next session_fill. */
int session_submit_head(struct grpc_call *call, const struct grpc_fields *fields, bool is_end);
int session_submit_trailers(struct grpc_call *call, const struct grpc_fields *fields);
void session_resume(struct grpc_call *call);
void session_reset_stream(struct grpc_call *call, uint32_t code);
void session_say_goaway(struct grpc_conn *conn, uint32_t code);
void session_give_window(struct grpc_call *call, size_t bytes);

/* ---- grpc_request.c ------------------------------------------------------------------------ */

/* A stream begins.  NULL: no memory. */
struct grpc_call *request_open(struct grpc_conn *conn, int32_t stream_id);
void request_add_field(struct grpc_call *call, const char *name, size_t name_len, const char *value, size_t value_len);
void request_head(struct grpc_call *call);                /* the head is complete */
/* Returns how much of the stream's window the client may have back at once. */
size_t request_data(struct grpc_call *call, const unsigned char *data, size_t len);
void request_half_close(struct grpc_call *call);
/* The client has reset the stream. */
void request_note_reset(struct grpc_call *call, uint32_t code);
/* Bytes that the handler has dealt with. */
void request_consume(struct grpc_call *call, size_t bytes);
void request_fini(struct grpc_call *call);

/* ---- grpc_answer.c ------------------------------------------------------------------------- */

enum answer_step {
    STEP_DATA,          /* so many bytes of a DATA frame */
    STEP_WAIT,          /* nothing for now */
    STEP_END,           /* the end, trailers follow */
    STEP_BARE_END       /* the end, and nothing follows */
};

/* News: whatever can go on goes on. */
void answer_go_on(struct grpc_call *call);
/* What comes next of a body that has begun; at most `max` bytes. */
enum answer_step answer_next(struct grpc_call *call, size_t max, size_t *out_len);
/* Move so many bytes, which answer_next has promised, to conn->out. */
void answer_move(struct grpc_call *call, size_t len);
/* Instead of all that is not sent yet: this status.  The handler is told that the call is over. */
void answer_refuse(struct grpc_call *call, enum grpc_status status, const char *message, enum exchange_end end);
/* The same as an HTTP answer without a body. */
void answer_refuse_http(struct grpc_call *call, int http_status);
/* Nothing more of what is queued, then an end; as a fault wants it. */
void answer_cut(struct grpc_call *call, bool with_trailers);
/* Tell the handler, once. */
void answer_tell_over(struct grpc_call *call, enum exchange_end end);
/* Tell the observer, once. */
void answer_tell_ending(struct grpc_call *call, enum exchange_end end, int status);
/* The stream is no more: `end` unless it is known better.  Drops the transport's reference. */
void answer_close(struct grpc_call *call, enum exchange_end end);

/* ---- grpc_call.c --------------------------------------------------------------------------- */

struct grpc_call *call_new(struct grpc_server *server);
/* With the lock held. */
void call_drop_queue(struct grpc_call *call);
/* ... and then, unless this is the reactor's thread, let go of it by call_unlock. */
void call_give_news(struct grpc_call *call);
void call_unlock(struct grpc_call *call);

/* ---- grpc_fault.c -------------------------------------------------------------------------- */

/* Does it let the answer go on?  Acts when it is due. */
bool fault_lets_pass(struct grpc_call *call, enum moment moment);
/* Is there one that has not struck yet? */
bool fault_is_armed(const struct grpc_call *call);
/* Of an answer that has begun: is there something to be done before any further byte? */
bool fault_is_pending(const struct grpc_call *call);
/* How many of `want` bytes may go as one piece; 0: it will give news. */
size_t fault_room(struct grpc_call *call, size_t want);
/* There is nothing to send for now. */
void fault_rest(struct grpc_call *call);
/* The call is over, or its fault may not hold it any more. */
void fault_drop(struct grpc_call *call);

#endif
