/*
 * The only place where a puppet waits.
 *
 * While it waits, handlers of signals run (nested, so that the waiting step goes on afterwards)
 * and the background listeners are served.
 */
#ifndef STANDBOX_PUPPET_WAIT_H
#define STANDBOX_PUPPET_WAIT_H

#include <stdbool.h>
#include <stdint.h>

struct puppet;

#define WAIT_FOREVER INT64_MAX

struct wait {
    int fd;           /* -1: none */
    short events;     /* of poll */
    int64_t until_ns; /* machine's monotonic time */
    const bool *done; /* set by a handler: no need to wait any more; NULL: none */
};

/* true: fd is ready (or broken) or *done is set; false: the time has come. */
bool wait_for(struct puppet *p, const struct wait *what);

bool wait_for_fd(struct puppet *p, int fd, short events);
void wait_until(struct puppet *p, int64_t until_ns);

/* Look around without waiting: for steps that keep the processor busy. */
void wait_look(struct puppet *p);

#endif
