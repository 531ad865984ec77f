/*
 * Callers of exec: N keep-alive connections, each with one request in flight, one thread.
 *
 * The request is made once; an answer is looked at just enough to know that the process
 * really ended with status 0 (and printed what was expected).
 */
#ifndef STANDBOX_BENCH_LOAD_H
#define STANDBOX_BENCH_LOAD_H

#include <stdint.h>

#include "bench/hconn.h"
#include "bench/target.h"

struct load;

/* `expect` (NULL: none) must occur in every answer.  Borrows `expect` until load_close. */
struct load *load_open(const struct target *t, unsigned connections, const char *command, const char *expect,
                       struct err *err);
void load_close(struct load *load); /* NULL is fine */

struct load_result {
    uint64_t done, failed;
    double seconds;
    char first_failure[200];
};

/* Until `ms` have passed (0: no limit) or `count` requests were made (0: no limit); those in flight are
   waited for and counted.  Failures are counted, not errors; -1 when nothing can be measured. */
int load_run(struct load *load, uint64_t count, unsigned ms, struct load_result *out_result, struct err *err);

#endif
