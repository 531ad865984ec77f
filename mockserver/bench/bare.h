/*
 * The peer of the exec rows: the same program started without any server.
 *
 * Each of N threads does by itself what the server does for a caller: two pipes, a
 * vfork-style start (posix_spawn), both outputs read to their end, the child reaped.  Same
 * argv, same environment, stdin from /dev/null.
 */
#ifndef STANDBOX_BENCH_BARE_H
#define STANDBOX_BENCH_BARE_H

#include "base/err.h"

/* Run rounds of `ms` milliseconds on `threads` threads; returns how many a second, or -1 with `err`. */
double bare_run_round(char *const *argv, char *const *env, unsigned threads, unsigned ms, struct err *err);

#endif
