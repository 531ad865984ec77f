/*
 * How slow is this machine now?  Budgets are multiplied by the answer, so that a busy machine makes no failures.
 * Thread: any.
 */
#ifndef STANDBOX_LINK_JOBS_H
#define STANDBOX_LINK_JOBS_H

#define JOBS_MAX_FACTOR 20.0

/* How many times as long as on an ordinary idle machine it takes to start and end small processes and to do a fixed
   piece of work, 1.0 to JOBS_MAX_FACTOR.  STANDBOX_PATIENCE (a number > 0) in the environment multiplies it.
   Takes some tens of milliseconds. */
double jobs_load_factor(void);

/* Processors that this process may use, 1 at least. */
int jobs_processors(void);

#endif
