/*
 * A puppet as a child of the test: its three streams, what came out of them, how it ended.
 *
 * Everything gives up at a deadline and then returns false; nothing here asserts.  The program is
 * named by the environment variable STANDBOX_PUPPET.
 */
#ifndef STANDBOX_TESTS_PUPPET_CHILD_H
#define STANDBOX_TESTS_PUPPET_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/buf.h"

struct puppet_child {
    pid_t pid;         /* 0: none, or waited for */
    int fds[3];        /* our ends; -1: closed */
    struct buf got[3]; /* of stdout and stderr */
    int status;        /* as waitpid gives it */
    int pass_fd;       /* set before the start: kept open in the child; -1: none */
    bool packets;      /* set before the start: a read of stdout gives one write */
};

void puppet_child_init(struct puppet_child *c);
void puppet_child_fini(struct puppet_child *c); /* kills */

/* Start with these arguments (the program's name is added). */
bool puppet_child_start(struct puppet_child *c, const char *const *args);
bool puppet_child_steps(struct puppet_child *c, const char *steps);

bool puppet_child_send(struct puppet_child *c, const char *text);
void puppet_child_close(struct puppet_child *c, int fd);

/* Until the stream's text holds `text`, or (NULL) until its end.  The other output is read, too. */
bool puppet_child_await(struct puppet_child *c, int fd, const char *text);

/* Until it is dead; its outputs are left alone. */
bool puppet_child_wait(struct puppet_child *c);

/* Close stdin, read all, wait. */
bool puppet_child_finish(struct puppet_child *c);

/* Both in one: true when it was started, ended in time, and exited with `code`. */
bool puppet_child_exits(struct puppet_child *c, const char *steps, int code);

/* For main: the test becomes the parent of what its puppets leave behind ... */
void puppet_child_adopt_orphans(void);
/* ... and waits for it, when all streams are closed.  A process that stays ends the test by SIGALRM. */
void puppet_child_reap_orphans(void);

/* Wait until fd is readable. */
bool puppet_child_readable(int fd);

#endif
