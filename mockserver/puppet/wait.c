#include "puppet/wait.h"

#include <errno.h>
#include <poll.h>
#include <time.h>

#include "base/clock.h"
#include "puppet/puppet.h"
#include "puppet/signals.h"

#define NS_PER_S 1000000000LL

enum { SLOT_SIGNALS, SLOT_STEP, SLOT_BACKGROUND };

static struct timespec time_left(int64_t until_ns)
{
    int64_t left = until_ns - mono_ns();
    if (left < 0)
        left = 0;
    return (struct timespec){ .tv_sec = left / NS_PER_S, .tv_nsec = left % NS_PER_S };
}

/* One look: serves the background, returns whether fd is ready. */
static bool poll_once(struct puppet *p, const struct wait *what)
{
    struct pollfd fds[SLOT_BACKGROUND + SERVE_MAX_FDS] = {
        [SLOT_SIGNALS] = { .fd = signals_fd(), .events = POLLIN },
        [SLOT_STEP] = { .fd = what->fd, .events = what->events },
    };
    struct timespec left;
    size_t count = serve_fill(&p->serve, &fds[SLOT_BACKGROUND]);
    if (what->until_ns != WAIT_FOREVER)
        left = time_left(what->until_ns);
    int ready = ppoll(fds, SLOT_BACKGROUND + count, what->until_ns == WAIT_FOREVER ? NULL : &left, NULL);
    if (ready <= 0)
        return false;
    serve_handle(&p->serve, &fds[SLOT_BACKGROUND], count);
    return what->fd >= 0 && fds[SLOT_STEP].revents != 0;
}

bool wait_for(struct puppet *p, const struct wait *what)
{
    for (;;) {
        signals_run(p);
        if (what->done != NULL && *what->done)
            return true;
        if (poll_once(p, what))
            return true;
        if (what->until_ns != WAIT_FOREVER && mono_ns() >= what->until_ns)
            return false;
    }
}

bool wait_for_fd(struct puppet *p, int fd, short events)
{
    return wait_for(p, &(struct wait){ .fd = fd, .events = events, .until_ns = WAIT_FOREVER });
}

void wait_until(struct puppet *p, int64_t until_ns)
{
    wait_for(p, &(struct wait){ .fd = -1, .until_ns = until_ns });
}

void wait_look(struct puppet *p)
{
    wait_until(p, 0);
}
