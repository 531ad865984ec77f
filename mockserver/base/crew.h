/*
 * A crew: threads that are kept for jobs that may block.
 *
 * No job ever waits for a thread: one that is idle takes it, the one that was busy last, else a new one is started.  So
 * any number of jobs run at the same time, as long as the machine has threads.  Who has nothing to do stays for a
 * while, and goes when nothing comes, or when enough others are idle.
 *
 * Threads: any, but crew_free, which must not be called by a job.
 */
#ifndef STANDBOX_BASE_CREW_H
#define STANDBOX_BASE_CREW_H

#include <stddef.h>

#include "base/err.h"

struct crew;

struct crew_config {
    size_t stack_bytes;     /* of each thread */
    unsigned max_idle;      /* so many are kept at most */
    unsigned idle_ms;       /* for so long */
};

struct crew_stats {
    unsigned threads;       /* all that are there */
    unsigned idle;
    unsigned long started;  /* ever */
    unsigned long given;    /* pieces of work, ever */
};

int crew_new(struct crew **out_crew, const struct crew_config *config, struct err *err);

/* Let work(arg) be done at once, on some thread of the crew.  -1, ERR_LIMIT: no thread could be started, and it will
   not be done. */
int crew_give(struct crew *crew, void (*work)(void *arg), void *arg, struct err *err);

void crew_get_stats(struct crew *crew, struct crew_stats *out_stats);

/* When nothing more is given: wait until all is done and all threads have let go, and free.  NULL is fine. */
void crew_free(struct crew *crew);

#endif
