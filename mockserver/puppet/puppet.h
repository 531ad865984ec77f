/*
 * A running puppet: what all its parts share.
 *
 * One thread, and one place where it waits (wait.h): there signals' handlers run, background
 * connections are served, and the step's own business goes on when its time has come.  A fork
 * goes on with a copy of the struct.
 */
#ifndef STANDBOX_PUPPET_PUPPET_H
#define STANDBOX_PUPPET_PUPPET_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "puppet/control.h"
#include "puppet/serve.h"
#include "puppet/steps.h"

/* Exit codes of its own; 2 is wrong use. */
#define PUPPET_EXIT_UNEXPECTED 97 /* an expect step read something else */
#define PUPPET_EXIT_FAILED     98 /* a step could not be done */

struct puppet {
    double scale;         /* sleeps and rates run so many times as fast */
    bool is_clock_manual; /* sleeps ask the controller instead */
    char *const *args;    /* NULL at the end */
    struct control control;
    struct serve serve;
    bool stdin_ended; /* the last read found the end */
    pid_t *children;  /* not waited for yet */
    size_t child_count;
};

/* Run steps in order, with handlers in between.  Returns at their end. */
void puppet_run(struct puppet *p, const struct steps *steps);

/* Take this much API time: by the clock, or by asking the controller. */
void puppet_sleep_ms(struct puppet *p, const struct step *step, int64_t ms);

/* Say on stderr what the step could not do, and exit with 98. */
_Noreturn void puppet_fail(const struct step *step, int errnum, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The same fd, at 3 or above: whatever a script closes, our own ones must not take its place.  Takes fd; -1 stays. */
int puppet_lift_fd(int fd);

#endif
