/* Medians: one slow round on a busy machine must not colour the figure. */
#ifndef STANDBOX_BENCH_STATS_H
#define STANDBOX_BENCH_STATS_H

#include <stddef.h>

/* Median of `count` > 0 values; sorts them. */
double stats_median(double *values, size_t count);

/* Median over the rounds of ours[i] / mean(peer[i], peer[i + 1]): each round of ours lies between two of the
   peer's, so that a slow drift of the machine cancels.  `peer` has rounds + 1 values. */
double stats_paired_ratio(const double *ours, const double *peer, size_t rounds);

#define STATS_MAX_ROUNDS 64

#endif
