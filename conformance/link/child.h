/*
 * A child process that leaves nothing behind: it runs under a warden.
 *
 * The program standbox-warden starts the command in a process group of its own, with pipes for stdin, stdout and
 * stderr, and stays beside it.  When the command ends, or we ask, or we die (even by SIGKILL), the warden kills the
 * group and every other descendant, daemons too, and reaps them.  How the command ended is known as soon as it
 * has, whoever still holds its pipes: nobody here waits for the end of a pipe once the command is gone.
 *
 * Thread: a struct child belongs to one thread; several threads may start children at the same time (every
 * descriptor is close-on-exec, a child gets its own four and no others).  SIGPIPE is never raised in the caller.
 */
#ifndef STANDBOX_LINK_CHILD_H
#define STANDBOX_LINK_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

struct child_options {
    const char *const *argv;   /* NULL-ended; [0] is looked for in PATH when it has no slash */
    const char *const *env;    /* "NAME=VALUE", NULL-ended, put in front of our own environment; NULL: none */
    const char *warden;        /* path of standbox-warden */
    const char *cwd;           /* NULL: ours; a relative argv[0] is looked for from there */
    int64_t grace_ms;          /* when we die: SIGTERM first, and so long until everything is killed; 0: at once */
};

struct child {
    int in, out, err;          /* our ends of its stdin, stdout, stderr, not blocking; -1: closed */
    int control;               /* the warden; readable: call child_hear */
    pid_t warden;
    pid_t pid;                 /* of the command; 0: not known yet */
    bool ended;                /* how it ended is known: wait_status */
    int wait_status;           /* as wait(2) gives it */
    bool gone;                 /* every descendant is dead and reaped, or the warden gave up */
    int left;                  /* gone: how many could not be killed (another user's) */
    bool lost;                 /* the warden itself has died: nothing is known but that the group was killed */
};

#define CHILD_INIT { -1, -1, -1, -1, 0, 0, false, 0, false, 0, false }

/* Start it.  Returns when the command runs (its exec has worked), or -1: ERR_NOT_FOUND (no such command),
   ERR_IO (anything else that the system refused), with nothing left.  Waits `start_ms` for that at most. */
int child_start(struct child *child, const struct child_options *options, int64_t start_ms, struct err *err);

/* Take in what the warden has to say, without blocking. */
void child_hear(struct child *child);

/* Send the command (not its group) a signal; nothing happens when it has ended. */
void child_signal(struct child *child, int signal);

/* Let the warden kill everything now.  Does not wait: `gone` says when it is done. */
void child_kill(struct child *child);

/* Close our end of its stdin. */
void child_close_stdin(struct child *child);

/* write(2) to its stdin without SIGPIPE. */
ssize_t child_write(struct child *child, const void *data, size_t len);

/* Wait for `ended` (or `gone`, `lost`) until the machine's monotonic moment `until_ns`.  Nothing is read from the
   pipes meanwhile, so a child that has much to say may be stuck: see drain.h.  Is it so? */
bool child_await_end(struct child *child, int64_t until_ns);
bool child_await_gone(struct child *child, int64_t until_ns);

/* Kill what lives, wait until it is gone (some seconds at most), reap the warden, close everything.
   Fine for one that never started, and twice. */
void child_fini(struct child *child);

/* "exit 3", "signal 11 (SIGSEGV)". */
void child_end_text(int wait_status, char out[48]);

/* Where the program `name` is: what the environment variable `variable` says, else beside our own program.
   ERR_NOT_FOUND names both. */
int child_find_program(const char *name, const char *variable, struct buf *out, struct err *err);

#endif
