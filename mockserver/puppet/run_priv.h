/* Between the table of steps (run.c) and the functions that carry them out. */
#ifndef STANDBOX_PUPPET_RUN_PRIV_H
#define STANDBOX_PUPPET_RUN_PRIV_H

#include <stddef.h>

#include "puppet/puppet.h"

typedef void run_fn(struct puppet *p, const struct step *step);

/* run_io.c */
run_fn run_out, run_read, run_expect;
/* Write all of it; what the peer does not take any more is dropped. */
void run_io_write(struct puppet *p, const struct step *step, int fd, const char *data, size_t len);

/* run_tree.c */
run_fn run_fork, run_wait;

#endif
