/*
 * The argv and environment that the server gives a command, for the peers.
 *
 * Asked of the server itself (a process prints its own environment), so that the peer
 * starts the very same thing with as much to copy.
 */
#ifndef STANDBOX_BENCH_SHELLENV_H
#define STANDBOX_BENCH_SHELLENV_H

#include "base/err.h"
#include "bench/target.h"

struct shellenv {
    const char *argv[4]; /* "/bin/bash", "-c", line */
    char **env;
    char *block;
};

/* The same of an environment that is known, one variable a line. */
int shellenv_take(struct shellenv *out, const char *environment, const char *line, struct err *err);
/* Borrows `line` until shellenv_fini. */
int shellenv_ask(struct shellenv *out, const struct target *t, const char *line, struct err *err);
void shellenv_fini(struct shellenv *s);

#endif
