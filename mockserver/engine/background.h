/*
 * How the server and its keepers are scheduled: as background work (SCHED_BATCH), so that one of their threads that
 * wakes up does not push the command that runs off its processor; it takes its turn a little later, and finds more to
 * do at once.  With a command on each processor that is about 3 % more commands a second.  Commands are scheduled as
 * usual, whoever starts them.
 */
#ifndef STANDBOX_ENGINE_BACKGROUND_H
#define STANDBOX_ENGINE_BACKGROUND_H

#include <stdbool.h>

/* The calling thread, and all that it starts from now on.  False: nothing was done, because somebody chose another
   policy for this program (chrt), which then also is its commands', or the kernel refuses. */
bool background_enter(void);

/* Back to usual; the nice value stays.  Async-signal-safe, and for a vfork child: touches no memory. */
void background_leave(void);

#endif
