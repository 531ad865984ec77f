/*
 * From a gRPC call to its lane and its dialect: what requests.h is for HTTP.
 *
 * The transport's reactor may not wait and dialects do, so calls are served by a crew of threads (base/crew.h), each
 * from when there is something to do for it; what the client sends meanwhile waits in a queue, and counts as kept, so
 * the client gets no window for more.  Where no scenario is at work, nothing can want a call to wait: then a quick
 * method (dialects/rpc.h) is served by the reactor at once, and others may leave it the rest of their call.
 *
 * Threads: calls_find and the handlers it names are the transport's reactor's; the others are the caller's.
 */
#ifndef STANDBOX_CALLS_H
#define STANDBOX_CALLS_H

#include "base/crew.h"
#include "lanes/lane.h"
#include "transports/grpc.h"

struct calls {
    struct lanes *lanes;          /* borrowed */
    struct lane *any;             /* whose vendors know the methods; borrowed */
    struct crew *crew;
};

int calls_init(struct calls *calls, struct lanes *lanes, struct lane *any, struct err *err);
/* When the transport has stopped: wait for the threads that still work. */
void calls_fini(struct calls *calls);

/* For grpc_config: `arg` is the struct calls. */
const struct grpc_method *calls_find(void *arg, const struct grpc_call *call);

#endif
