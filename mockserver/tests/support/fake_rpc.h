/*
 * A gRPC call without a network, for tests of dialects: the client's messages are put into a queue, the answer is
 * recorded.
 *
 * `fake_rpc_start` serves it on a thread of its own; what the answer has come to is reached through the functions here,
 * until fake_rpc_finish has returned.
 */
#ifndef STANDBOX_TESTS_FAKE_RPC_H
#define STANDBOX_TESTS_FAKE_RPC_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/buf.h"
#include "dialects/rpc.h"

#define FAKE_RPC_MESSAGES 4096

struct fake_rpc {
    struct rpc rpc;               /* first: a call is its fake */
    char path[200], bearer[100];
    const struct dialect *dialect;
    void *self;
    pthread_t thread;
    bool has_thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;       /* everything below */
    struct buf sent[FAKE_RPC_MESSAGES];   /* by the client */
    size_t sent_count, taken;
    bool half_closed, told_half_closed;
    bool stalled;                 /* the client reads nothing: stream_write waits */
    bool cancelled, ended, served;
    void (*on_over)(void *arg);
    void *on_over_arg;
    void (*attend)(void *arg);
    void *attend_arg;
    pthread_t attendant;
    struct buf got[FAKE_RPC_MESSAGES];    /* by the client */
    size_t got_count;
    enum rpc_status status;
    int http_status;              /* not 0: ended as no gRPC */
    struct buf message, details;
};

/* `path` as in ":path"; `key` NULL: no API key is sent. */
void fake_rpc_init(struct fake_rpc *f, const char *path, const char *key, struct lane *lane);
void fake_rpc_fini(struct fake_rpc *f);   /* cancels and joins */

void fake_rpc_send(struct fake_rpc *f, const void *message, size_t len);
void fake_rpc_half_close(struct fake_rpc *f);
void fake_rpc_cancel(struct fake_rpc *f);
/* The client stops reading, or goes on. */
void fake_rpc_stall(struct fake_rpc *f, bool stalled);

/* Serve it, which must be a method of `dialect`. */
void fake_rpc_start(struct fake_rpc *f, const struct dialect *dialect, void *self);
/* Wait until it was served; false: not in `seconds`. */
bool fake_rpc_finish(struct fake_rpc *f, int seconds);
/* Wait until the answer has `count` messages, or was served: false. */
bool fake_rpc_await(struct fake_rpc *f, size_t count, int seconds);
/* Wait until `taken` of the client's messages were received. */
bool fake_rpc_await_taken(struct fake_rpc *f, size_t taken, int seconds);

#endif
