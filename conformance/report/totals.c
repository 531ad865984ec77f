/* Counting results: report_summary and what follows from it. */
#include <cjson/cJSON.h>
#include <string.h>

#include "report/report.h"

static bool is_counted(const cJSON *doc, const char *key, const char *client)
{
    if (client != NULL)
        return strcmp(key, client) == 0;
    return !results_is_mutant(results_find_client(doc, key));
}

static void count_result(struct report_totals *t, const cJSON *result)
{
    enum result_verdict verdict = result_verdict_of(result);
    enum result_standing standing = result_standing_of(result);
    t->results++;
    t->verdicts[verdict]++;
    t->standings[standing]++;
    if (standing == STANDING_UNEXPECTED)
        t->unexpected[verdict]++;
}

void report_summary(const struct cJSON *results, const char *client, struct report_totals *out)
{
    struct report_totals t = { .duration_ms = results_number(results, "duration_ms", 0) };
    const cJSON *item;
    cJSON_ArrayForEach(item, results_list(results, "clients")) t.clients +=
        is_counted(results, results_text(item, "key"), client);
    cJSON_ArrayForEach(item, results_list(results, "cases")) t.cases++;
    cJSON_ArrayForEach(item, results_list(results, "results"))
    {
        if (is_counted(results, results_text(item, "client"), client))
            count_result(&t, item);
    }
    *out = t;
}

int report_exit_code(const struct report_totals *t)
{
    if (t->results == 0)
        return 77;
    if (t->verdicts[RESULT_HARNESS_ERROR] > 0)
        return 4;
    if (t->unexpected[RESULT_FAIL] > 0 || t->standings[STANDING_STALE] > 0)
        return 1;
    if (t->standings[STANDING_UNEXPECTED] > 0 || t->verdicts[RESULT_PASS] == 0)
        return 3;
    return 0;
}

void report_totals_line(const struct report_totals *t, struct buf *out)
{
    const char *between = "";
    for (enum result_verdict v = 0; v < RESULT_VERDICTS; v++) {
        if (t->verdicts[v] == 0)
            continue;
        buf_printf(out, "%s%zu %s", between, t->verdicts[v], result_verdict_name(v));
        between = ", ";
    }
    if (t->standings[STANDING_LISTED] > 0)
        buf_printf(out, "; %zu of them known", t->standings[STANDING_LISTED]);
    if (t->standings[STANDING_STALE] > 0)
        buf_printf(out, "; %zu stale list %s", t->standings[STANDING_STALE],
                   t->standings[STANDING_STALE] == 1 ? "entry" : "entries");
    if (t->results == 0)
        buf_str(out, "no results");
}
