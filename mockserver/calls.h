/*
 * From a gRPC call to its lane and its dialect: what requests.h is for HTTP.
 *
 * The transport's reactor may not wait and dialects do, so each call is served on a thread of its own, which takes the
 * client's messages from a queue; what is in the queue counts as kept, so the client gets no window for more.
 *
 * Threads: calls_find and the handlers it names are the transport's reactor's; the others are the caller's.
 */
#ifndef STANDBOX_CALLS_H
#define STANDBOX_CALLS_H

#include <pthread.h>

#include "lanes/lane.h"
#include "transports/grpc.h"

struct calls {
    struct lanes *lanes;          /* borrowed */
    struct lane *any;             /* whose vendors know the methods; borrowed */
    pthread_mutex_t lock;         /* the two below */
    pthread_cond_t idle;
    unsigned running;             /* threads */
};

void calls_init(struct calls *calls, struct lanes *lanes, struct lane *any);
/* When the transport has stopped: wait for the threads that still work. */
void calls_fini(struct calls *calls);

/* For grpc_config: `arg` is the struct calls. */
const struct grpc_method *calls_find(void *arg, const struct grpc_call *call);

#endif
