/*
 * The listeners of a script and their connections, served in the background by whoever waits.
 *
 * Nothing here blocks.  HTTP is the least that a health check needs: any request to a known path
 * gets its answer, any other 404, and the connection ends.
 */
#ifndef STANDBOX_PUPPET_SERVE_H
#define STANDBOX_PUPPET_SERVE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "puppet/steps.h"

struct pollfd;
struct conn;

#define SERVE_MAX_LISTENERS   16
#define SERVE_MAX_CONNECTIONS 128
#define SERVE_MAX_FDS         (SERVE_MAX_LISTENERS + SERVE_MAX_CONNECTIONS)

struct listener {
    int fd;
    const struct step *step;
};

struct serve {
    struct listener listeners[SERVE_MAX_LISTENERS];
    size_t listener_count;
    struct conn *conns[SERVE_MAX_CONNECTIONS];
    size_t conn_count;
    bool is_out_of_fds; /* accept failed; until a connection ends */
};

/* Begin to listen as the step says (borrowed for ever); the port goes to *out_port. */
int serve_listen(struct serve *s, const struct step *step, int *out_port, struct err *err);

/* Stop listening where a step asked for this port; connections go on. */
void serve_unlisten(struct serve *s, int64_t port);

/* In a new fork: leave everything to the parent. */
void serve_leave(struct serve *s);

/* What to poll for (room for SERVE_MAX_FDS), and what came of it. */
size_t serve_fill(const struct serve *s, struct pollfd *fds);
void serve_handle(struct serve *s, const struct pollfd *fds, size_t count);

#endif
