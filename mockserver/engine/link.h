/*
 * The server's end of a keeper: starts the keeper process, sends requests, delivers reports.
 *
 * Threads: callbacks on the reactor thread; link_start and link_free on any other; link_send on any.
 */
#ifndef STANDBOX_ENGINE_LINK_H
#define STANDBOX_ENGINE_LINK_H

#include <sys/types.h>

#include "base/err.h"
#include "engine/keeper_wire.h"
#include "engine/reactor.h"

struct link;

struct link_config {
    struct reactor *reactor;
    char *const *argv;           /* the keeper's, or bubblewrap's with the keeper's at the end; borrowed */
    char *const *env;            /* borrowed */
    /* A report; `fd` (or -1) is the receiver's to close. */
    void (*on_report)(void *arg, const struct keeper_report *report, int fd);
    /* The keeper's socket ended.  Called once, after the last report. */
    void (*on_end)(void *arg);
    void *arg;
};

/* Start the keeper and wait until it is ready (a few seconds at most); what it printed is in `err` otherwise.
   The reactor thread does the start itself: bubblewrap dies with the thread that started it. */
int link_start(struct link **out_link, const struct link_config *config, struct err *err);

/* One request.  Never blocks: what a busy keeper has no room for is sent when it has, in order.  ERR_IO: the keeper is gone,
   or memory or descriptors have run out.  The fds stay the caller's. */
int link_send(struct link *link, const struct keeper_request *request, const void *text, size_t len,
              const int *fds, size_t fd_count, struct err *err);

/* The process started here (bubblewrap, or the keeper itself), for reading its tree in /proc. */
pid_t link_pid(const struct link *link);

/* Close the socket, wait for the process (a second; then SIGKILL), free.  Did it end by itself?  Not on the
   reactor thread. NULL is fine. */
bool link_free(struct link *link);
/* Let a keeper go on that somebody has stopped: its processes can, where nothing isolates them. */
void link_wake(const struct link *link);

#endif
