/*
 * A gRPC call as calls*.c have it.
 *
 *   calls.c          what the transport says, and who serves the call
 *   calls_rpc.c      what a dialect sees: the exchange, and what gRPC has beside
 *   calls_journal.c  what the ledger is told
 *
 * Locks: job.lock > those of the transport's call, of the crew and of a process; no callback of the transport's runs
 * with one of its own held.
 */
#ifndef STANDBOX_CALLS_PRIV_H
#define STANDBOX_CALLS_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "calls.h"
#include "dialects/rpc.h"

struct kept {
    struct kept *next;
    struct buf message;
};

/* Has two owners, who serves it and the transport; the last one frees it. */
struct job {
    struct rpc rpc;               /* first: a call is its job */
    struct calls *calls;
    struct grpc_call *call;       /* a reference */
    const struct dialect *dialect;
    const struct rpc_method *method;
    struct lane *lane;            /* a reference, once known */
    bool is_given;                /* the reactor's: it is served, will be soon, or was */
    bool is_large;                /* the reactor's: one of its messages is */
    bool is_armed;                /* the server's: the transport knows of the fault */
    void (*left_to)(void *arg);   /* the server's: who is to go on when it returns */
    void *left_arg;
    void (*at_last)(void *arg);   /* ... and what is to be done at last */
    void *at_last_arg;
    struct told {                 /* in the journal; whoever's who begins that, then the transport's */
        size_t room[2];           /* for what the server says, and the client */
        bool has_body, is_full;
    } told;
    pthread_mutex_t lock;         /* everything below */
    pthread_cond_t changed;
    unsigned owners;
    struct kept *first, **last;
    size_t taken_bytes;           /* of the message that was received last: dealt with when the next is asked for */
    bool half_closed, told_half_closed;
    atomic_bool over;             /* ended by us, or gone; read also without the lock */
    void (*attend)(void *arg);    /* NULL: nobody does */
    void *attend_arg;
    bool is_attended;             /* a thread is at it */
    void (*go_on)(void *arg);     /* NULL: whoever serves it ends it, or has */
    void *go_on_arg;
    bool told_over;               /* the transport calls no more */
    void (*on_over)(void *arg);   /* NULL: nobody waits for that */
    void *on_over_arg;
    uint64_t journal;             /* 0: not there, or ended */
    bool has_end;                 /* how it ended is known: */
    enum exchange_end end;
    int status;                   /* -1: no gRPC status was said */
    struct buf message, reason;
};

/* ---- calls_rpc.c ------------------------------------------------------------------------- */

/* The job's exchange and operations. */
void calls_rpc_init(struct job *job);
/* End it like this, unless it was ended. */
void calls_refuse(struct job *job, enum rpc_status status, const char *message);
/* The call is over: nothing may wait for what is not there any more. */
void calls_wake(struct job *job);
/* Something came: whoever waits for it takes it.  -1: nobody could be found who does. */
int calls_queue(struct job *job, struct kept *kept);
int calls_half_close(struct job *job);

/* Who serves it has returned: somebody else goes on, or nobody. */
void calls_served(struct job *job);
/* On the reactor: `go_on` (NULL: nobody) is who goes on from now on. */
void calls_go_on_with(struct job *job, void (*go_on)(void *arg), void *arg);
/* On the reactor: the one who goes on has something to do. */
void calls_go_on(struct job *job);
/* ... and the transport calls no more. */
void calls_over(struct job *job);

/* ---- calls.c ------------------------------------------------------------------------------ */

void calls_drop(struct job *job);

/* ---- calls_journal.c --------------------------------------------------------------------- */

/* What the transport shall tell while the answer goes out; its argument is the job. */
extern const struct grpc_observer calls_journal;

/* Begin with what is known; what has come already is written first, from then on it is told as it comes. */
void calls_journal_begin(struct job *job);
/* A message has come, or goes; to entry `number`. */
void calls_journal_message(struct job *job, uint64_t number, bool from_client, const void *data, size_t len);
void calls_journal_half_close(struct job *job, uint64_t number);
/* It may be over before the journal has begun. */
void calls_journal_end(struct job *job, enum exchange_end end);
/* A call that nobody serves, and the transport refuses. */
void calls_journal_unknown(struct ledger *ledger, const struct grpc_call *call);

#endif
