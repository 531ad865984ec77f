/* Rows about exec: its rate beside bare spawning, a burst, and what 5,000 of them leave behind. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/against.h"
#include "bench/bench.h"
#include "bench/load.h"

#define WARM_UP          64
#define LEAK_CONNECTIONS 8
#define LEAK_WARM_UP     4000 /* until the ledger is full, and beyond the finished processes that a sandbox remembers */
#define LEAK_SLACK_KIB   1024 /* 200 bytes a process: anything real that leaks is more */
#define BURST            500

/* ---- rate ---------------------------------------------------------------------------- */

struct exec_level {
    unsigned connections;
    double target_none, target_namespace; /* 0: no target */
};

static const struct exec_level levels[] = {
    { 1, 0, 0 },
    { 8, 0.90, 0.80 },
    { 32, 0, 0 },
};

struct exec_figures {
    struct against against;
    uint64_t failed;
    char first_failure[200];
};

static int server_round(struct load *load, const struct bench *b, struct exec_figures *f, unsigned round,
                        struct err *err)
{
    struct load_result r;
    double before = against_client_cpu_s();
    if (load_run(load, 0, b->round_ms, &r, err) != 0)
        return -1;
    f->against.client_cpu_s += against_client_cpu_s() - before;
    f->against.server[round] = (double) r.done / r.seconds;
    f->against.execs += (double) r.done;
    f->failed += r.failed;
    if (r.failed > 0)
        snprintf(f->first_failure, sizeof f->first_failure, "%s", r.first_failure);
    return 0;
}

/* Peer, server, peer, server ... peer: see stats_paired_ratio. */
static int run_rounds(const struct bench *b, struct load *load, const struct shellenv *shell, struct exec_figures *f,
                      struct err *err)
{
    for (unsigned i = 0; i <= b->rounds; i++)
        if (against_bare_round(&f->against, b, shell, i, err) != 0 ||
            (i < b->rounds && server_round(load, b, f, i, err) != 0))
            return -1;
    return 0;
}

static int measure_level(const struct bench *b, const struct target *t, struct exec_figures *f, struct err *err)
{
    struct shellenv shell;
    struct load_result warm;
    if (shellenv_ask(&shell, t, b->command, err) != 0)
        return -1;
    struct load *load = load_open(t, f->against.callers, b->command, NULL, err);
    int rc = load == NULL ? -1 : load_run(load, WARM_UP, 0, &warm, err);
    if (rc == 0)
        rc = target_sample(t, &f->against.before, err);
    if (rc == 0)
        rc = run_rounds(b, load, &shell, f, err);
    if (rc == 0)
        rc = target_sample(t, &f->against.after, err);
    load_close(load);
    shellenv_fini(&shell);
    return rc;
}

static void report_level(struct bench *b, const struct exec_level *level, const struct exec_figures *f)
{
    char name[40];
    snprintf(name, sizeof name, "exec x%u", level->connections);
    struct report_line *line = against_report(&f->against, b, name);
    line->target = strcmp(b->isolation, "namespace") == 0 ? level->target_namespace : level->target_none;
    line->sense = line->target > 0 ? TARGET_AT_LEAST : TARGET_NONE;
    if (f->failed > 0) {
        line->state = LINE_FAILED;
        report_note_line(line, "; %llu failed, first: %s", (unsigned long long) f->failed, f->first_failure);
    }
}

static int run_levels(void *arg, const struct target *t, struct err *err)
{
    struct bench *b = arg;
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
        struct exec_figures f = { .against = { .callers = levels[i].connections } };
        if (measure_level(b, t, &f, err) != 0)
            return err_wrap(err, "exec x%u", levels[i].connections);
        report_level(b, &levels[i], &f);
    }
    return 0;
}

int exec_rows_run(struct bench *b, struct err *err)
{
    return target_run(b->server, b->isolation, run_levels, b, err);
}

/* ---- burst --------------------------------------------------------------------------- */

/* Every one sleeps, so that nearly all are alive at the same time. */
static int run_burst(void *arg, const struct target *t, struct err *err)
{
    struct bench *b = arg;
    struct load_result r;
    struct load *load = load_open(t, BURST, "sleep 1; echo out; echo err >&2", "\"stdout\":\"out\\n\"", err);
    if (load == NULL)
        return -1;
    int rc = load_run(load, BURST, 0, &r, err);
    load_close(load);
    if (rc != 0)
        return -1;
    struct report_line *line = report_add_line(&b->report, b->isolation, "500 execs at once");
    line->value = (double) r.done;
    line->unit = "right";
    line->sense = TARGET_AT_LEAST;
    line->target = BURST;
    report_note_line(line, "each sleeps 1 s; all over after %.1f s", r.seconds);
    if (r.failed > 0)
        report_note_line(line, "; %llu wrong, first: %s", (unsigned long long) r.failed, r.first_failure);
    return 0;
}

int burst_rows_run(struct bench *b, struct err *err)
{
    return target_run(b->server, b->isolation, run_burst, b, err);
}

/* ---- leaks --------------------------------------------------------------------------- */

static int settled_sample(const struct target *t, struct target_sample *out, struct err *err)
{
    /* The last child's exit may still be on its way through the keeper. */
    nanosleep(&(struct timespec){ .tv_nsec = 300000000 }, NULL);
    return target_sample(t, out, err);
}

static void report_growth(struct bench *b, const char *name, long before, long after, double allowed, const char *unit)
{
    struct report_line *line = report_add_line(&b->report, b->isolation, name);
    line->value = (double) (after - before);
    line->unit = unit;
    line->sense = TARGET_AT_MOST;
    line->target = allowed;
    report_note_line(line, "%ld before, %ld after %u execs", before, after, b->leak_execs);
}

static void report_leaks(struct bench *b, const struct target_sample *x, const struct target_sample *y)
{
    report_growth(b, "leak: server fds", x->fds, y->fds, 0, "more");
    report_growth(b, "leak: keeper fds", x->helper_fds, y->helper_fds, 0, "more");
    report_growth(b, "leak: zombies", 0, y->zombies, 0, "left");
    report_growth(b, "leak: other processes", x->descendants, y->descendants, 0, "more");
    report_growth(b, "leak: server memory", x->rss_kib, y->rss_kib, LEAK_SLACK_KIB, "KiB");
    report_growth(b, "leak: keeper memory", x->helper_rss_kib, y->helper_rss_kib, LEAK_SLACK_KIB, "KiB");
}

static int run_leak(void *arg, const struct target *t, struct err *err)
{
    struct bench *b = arg;
    struct load_result warm, r;
    struct target_sample before, after;
    struct load *load = load_open(t, LEAK_CONNECTIONS, b->command, NULL, err);
    if (load == NULL)
        return -1;
    int rc = load_run(load, LEAK_WARM_UP, 0, &warm, err);
    if (rc == 0)
        rc = settled_sample(t, &before, err);
    if (rc == 0)
        rc = load_run(load, b->leak_execs, 0, &r, err);
    if (rc == 0)
        rc = settled_sample(t, &after, err);
    if (rc == 0 && warm.failed + r.failed > 0)
        rc = err_set(err, ERR_INVALID, 0, "%llu execs failed, first: %s", (unsigned long long) warm.failed + r.failed,
                     r.failed > 0 ? r.first_failure : warm.first_failure);
    load_close(load);
    if (rc == 0)
        report_leaks(b, &before, &after);
    return rc;
}

int leak_rows_run(struct bench *b, struct err *err)
{
    return target_run(b->server, b->isolation, run_leak, b, err);
}
