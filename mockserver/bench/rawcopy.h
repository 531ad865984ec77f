/*
 * The peer of the stream rows: a process's output copied from its pipe to a TCP socket.
 *
 * One thread reads 64 KiB and writes 64 KiB, another reads the loopback socket with the
 * same buffer size as the HTTP client.  Nothing is encoded, nothing is kept.
 */
#ifndef STANDBOX_BENCH_RAWCOPY_H
#define STANDBOX_BENCH_RAWCOPY_H

#include <stdint.h>

#include "base/err.h"

struct rawcopy;

/* Makes a folder and runs the shell line `prepare` in it; `line` waits for a line on its stdin, then writes
   `bytes` bytes.  Borrows both texts. */
struct rawcopy *rawcopy_new(const char *prepare, const char *line, uint64_t bytes, struct err *err);
void rawcopy_free(struct rawcopy *r); /* removes the folder; NULL is fine */

/* One run: MB a second, or -1 with `err`. */
double rawcopy_run(struct rawcopy *r, struct err *err);

#endif
