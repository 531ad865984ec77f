#include "bench/stats.h"

#include <stdlib.h>

#include "base/err.h"

static int compare(const void *a, const void *b)
{
    double x = *(const double *) a, y = *(const double *) b;
    return (x > y) - (x < y);
}

double stats_median(double *values, size_t count)
{
    CHECK(count > 0);
    qsort(values, count, sizeof *values, compare);
    return count % 2 == 1 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

double stats_paired_ratio(const double *ours, const double *peer, size_t rounds)
{
    double ratios[STATS_MAX_ROUNDS];
    CHECK(rounds <= STATS_MAX_ROUNDS);
    for (size_t i = 0; i < rounds; i++)
        ratios[i] = ours[i] / ((peer[i] + peer[i + 1]) / 2);
    return stats_median(ratios, rounds);
}
