#include "bench/against.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "bench/bare.h"

static double timeval_s(struct timeval t)
{
    return (double) t.tv_sec + (double) t.tv_usec / 1e6;
}

/* Ours and that of all children we have reaped. */
static double family_cpu_s(void)
{
    struct rusage ours, children;
    getrusage(RUSAGE_SELF, &ours);
    getrusage(RUSAGE_CHILDREN, &children);
    return timeval_s(ours.ru_utime) + timeval_s(ours.ru_stime) + timeval_s(children.ru_utime) +
           timeval_s(children.ru_stime);
}

static double clock_s(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

double against_client_cpu_s(void)
{
    return clock_s(CLOCK_THREAD_CPUTIME_ID);
}

static unsigned at_most_cpus(unsigned callers)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    return cpus > 0 && (unsigned) cpus < callers ? (unsigned) cpus : callers;
}

static double bare_rate(struct against *a, const struct bench *b, const struct shellenv *shell, unsigned threads,
                        struct err *err)
{
    double cpu = family_cpu_s(), from = clock_s(CLOCK_MONOTONIC);
    double rate = bare_run_round((char *const *) shell->argv, shell->env, threads, b->round_ms, err);
    a->bare_execs += rate * (clock_s(CLOCK_MONOTONIC) - from);
    a->bare_cpu_s += family_cpu_s() - cpu;
    return rate;
}

int against_bare_round(struct against *a, const struct bench *b, const struct shellenv *shell, unsigned i, struct err *err)
{
    unsigned fewer = at_most_cpus(a->callers);
    a->bare[i] = a->bare_cpus[i] = bare_rate(a, b, shell, a->callers, err);
    if (a->bare[i] >= 0 && fewer < a->callers)
        a->bare_cpus[i] = bare_rate(a, b, shell, fewer, err);
    return a->bare_cpus[i] < 0 ? -1 : 0;
}

/* The same comparison by work instead of speed: it holds also on a machine that others keep busy. */
static void report_work(const struct against *a, struct bench *b, const char *name)
{
    struct report_line *line = report_add_line(&b->report, b->isolation, name);
    double us = 1e6 / (a->execs > 0 ? a->execs : 1);
    double server = (a->after.cpu_s - a->before.cpu_s) * us, keeper = (a->after.helper_cpu_s - a->before.helper_cpu_s) * us;
    double children = (a->after.children_cpu_s - a->before.children_cpu_s) * us, client = a->client_cpu_s * us;
    double bare = a->bare_cpu_s * 1e6 / (a->bare_execs > 0 ? a->bare_execs : 1);
    line->unit = "of bare";
    line->value = bare / (server + keeper + children + client);
    report_note_line(line, "CPU us per exec: bare %.0f; here child %.0f, server %.0f, keeper %.0f, this client %.0f",
                     bare, children, server, keeper, client);
}

/* On a small machine many threads get in each other's way: then the fewer are the stronger peer. */
static struct report_line *report_speed(const struct against *a, struct bench *b, const char *name)
{
    double server[STATS_MAX_ROUNDS], peer[STATS_MAX_ROUNDS + 1];   /* the median sorts */
    struct report_line *line = report_add_line(&b->report, b->isolation, name);
    double ratio = stats_paired_ratio(a->server, a->bare, b->rounds);
    double ratio_cpus = stats_paired_ratio(a->server, a->bare_cpus, b->rounds);
    bool fewer_is_stronger = ratio_cpus < ratio;
    memcpy(server, a->server, sizeof server);
    memcpy(peer, fewer_is_stronger ? a->bare_cpus : a->bare, sizeof peer);
    line->unit = "of bare";
    line->value = fewer_is_stronger ? ratio_cpus : ratio;
    report_note_line(line, "%.0f/s, bare %.0f/s on %u threads", stats_median(server, b->rounds),
                     stats_median(peer, b->rounds + 1), fewer_is_stronger ? at_most_cpus(a->callers) : a->callers);
    return line;
}

struct report_line *against_report(const struct against *a, struct bench *b, const char *name)
{
    char work[sizeof ((struct report_line *) NULL)->name];
    size_t speed = b->report.count;
    report_speed(a, b, name);
    snprintf(work, sizeof work, "%.25s, by CPU time", name);
    report_work(a, b, work);
    return &b->report.lines[speed];      /* the second one may have moved the first */
}
