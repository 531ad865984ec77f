/* Rows about a server that has nothing to do: how soon it is ready, how much memory it holds. */
#include <stdio.h>
#include <time.h>

#include "bench/bench.h"
#include "bench/stats.h"
#include "bench/target.h"

#define READY_TARGET_MS 20.0

static const struct idle_case {
    const char *name;
    unsigned max_streams; /* 0: the server's default, 1,000 */
    double target_mib;
} idle_cases[] = {
    { "idle RSS", 0, 20 },
    { "idle RSS, 50 streams", 50, 6 },
};

static void report_start(struct bench *b, const char *name, double target_ms, double *ms)
{
    struct report_line *line = report_add_line(&b->report, b->isolation, name);
    line->value = stats_median(ms, b->starts);
    line->unit = "ms";
    line->sense = target_ms > 0 ? TARGET_AT_MOST : TARGET_NONE;
    line->target = target_ms;
    report_note_line(line, "%u starts, best %.1f, worst %.1f", b->starts, ms[0], ms[b->starts - 1]);
}

/* A ready line that came too early would show in the second figure. */
static int measure_starts(struct bench *b, struct err *err)
{
    double ready_ms[STATS_MAX_ROUNDS], answer_ms[STATS_MAX_ROUNDS];
    CHECK(b->starts <= STATS_MAX_ROUNDS);
    for (unsigned i = 0; i < b->starts; i++) {
        struct target t;
        if (target_start(&t, b->server, b->isolation, 0, err) != 0)
            return -1;
        ready_ms[i] = t.ready_ms;
        answer_ms[i] = target_first_answer(&t, err);
        if (target_stop(&t, answer_ms[i] < 0 ? NULL : err) != 0 || answer_ms[i] < 0)
            return -1;
    }
    report_start(b, "start to ready line", READY_TARGET_MS, ready_ms);
    report_start(b, "start to first answer", 0, answer_ms);
    return 0;
}

static int measure_idle(struct bench *b, const struct idle_case *c, struct err *err)
{
    struct target t;
    struct target_sample s;
    if (target_start(&t, b->server, b->isolation, c->max_streams, err) != 0)
        return -1;
    /* Threads that were started may still be touching their first stack page. */
    nanosleep(&(struct timespec){ .tv_nsec = 300000000 }, NULL);
    int rc = target_sample(&t, &s, err);
    if (target_stop(&t, rc == 0 ? err : NULL) != 0 || rc != 0)
        return -1;
    struct report_line *line = report_add_line(&b->report, b->isolation, c->name);
    line->value = (double) s.rss_kib / 1024;
    line->unit = "MiB";
    line->sense = TARGET_AT_MOST;
    line->target = c->target_mib;
    report_note_line(line, "of it %.1f MiB private; %u threads, %u fds", (double) s.anon_kib / 1024, s.threads, s.fds);
    return 0;
}

int start_rows_run(struct bench *b, struct err *err)
{
    if (measure_starts(b, err) != 0)
        return -1;
    for (size_t i = 0; i < sizeof idle_cases / sizeof *idle_cases; i++)
        if (measure_idle(b, &idle_cases[i], err) != 0)
            return err_wrap(err, "%s", idle_cases[i].name);
    return 0;
}
