/*
 * Execs through a server beside bare spawning: by speed, and by the CPU time of one.
 *
 * Rounds alternate: bare, server, bare, server ... bare (stats_paired_ratio).  Bare spawning is done twice a round, by as
 * many threads as there are callers and by no more than CPUs, and compared with each: the stronger peer counts.
 */
#ifndef STANDBOX_BENCH_AGAINST_H
#define STANDBOX_BENCH_AGAINST_H

#include "bench/bench.h"
#include "bench/shellenv.h"
#include "bench/stats.h"
#include "bench/target.h"

struct against {
    unsigned callers;                       /* set this, the rest begins with 0 */
    double server[STATS_MAX_ROUNDS];        /* execs a second */
    double bare[STATS_MAX_ROUNDS + 1], bare_cpus[STATS_MAX_ROUNDS + 1];
    double bare_cpu_s, bare_execs;
    double execs, client_cpu_s;             /* of the server's rounds; the rest of them is in the samples */
    struct target_sample before, after;     /* around all rounds: between them the server has nothing to do */
};

/* Round `i` of bare spawning.  -1 with `err`. */
int against_bare_round(struct against *a, const struct bench *b, const struct shellenv *shell, unsigned i, struct err *err);

/* CPU time of this thread, which is the client of the server's rounds. */
double against_client_cpu_s(void);

/* Add two lines: NAME, "of bare", and NAME by CPU time.  The first one is returned, without a target. */
struct report_line *against_report(const struct against *a, struct bench *b, const char *name);

#endif
