#include "report/detail.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "report/chars.h"
#include "report/results.h"

#define SHOWN 2000 /* bytes of one text; the whole is in the JSON report */

/* ---- as others see it ------------------------------------------------------------------ */

enum outcome detail_outcome(const struct cJSON *result)
{
    static const enum outcome unexpected[RESULT_VERDICTS] = {
        [RESULT_FAIL] = OUTCOME_FAILURE,
        [RESULT_NOT_EXERCISED] = OUTCOME_ERROR,
        [RESULT_ADAPTER_ERROR] = OUTCOME_ERROR,
        [RESULT_HARNESS_ERROR] = OUTCOME_ERROR,
    };
    enum result_verdict verdict = result_verdict_of(result);
    switch (result_standing_of(result)) {
    case STANDING_STALE: return OUTCOME_FAILURE;
    case STANDING_LISTED: return OUTCOME_KNOWN;
    case STANDING_UNEXPECTED: return unexpected[verdict];
    case STANDING_FINE:
    case STANDINGS: break;
    }
    return verdict == RESULT_SKIPPED ? OUTCOME_SKIPPED : OUTCOME_PASS;
}

/* ---- problems -------------------------------------------------------------------------- */

static void visit_steps(const cJSON *result, problem_fn *visit, void *arg)
{
    const cJSON *step, *item;
    cJSON_ArrayForEach(step, results_list(result, "steps"))
    {
        cJSON_ArrayForEach(item, results_list(step, "problems"))
        {
            struct problem problem = { "step", results_text(item, "at"), results_text(item, "expected"),
                                       results_text(item, "seen") };
            visit(arg, &problem);
        }
    }
}

static void visit_checks(const cJSON *result, const char *kind, problem_fn *visit, void *arg)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, results_list(result, kind))
    {
        struct problem problem = { kind, results_text(item, "what"), results_text(item, "expected"),
                                   results_text(item, "seen") };
        if (!results_flag(item, "ok"))
            visit(arg, &problem);
    }
}

static void visit_journal(const cJSON *result, problem_fn *visit, void *arg)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, results_list(result, "journal"))
    {
        struct problem problem = { "journal", results_text(item, "id"), "", results_text(item, "what") };
        if (strcmp(results_text(item, "verdict"), "fail") == 0)
            visit(arg, &problem);
    }
}

static void visit_faults(const cJSON *result, problem_fn *visit, void *arg)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, results_list(result, "faults"))
    {
        double planned = results_number(item, "planned", 0), fired = results_number(item, "fired", 0);
        char expected[40], seen[40];
        struct problem problem = { "fault", results_text(item, "kind"), expected, seen };
        if (!(fired < planned))
            continue;
        snprintf(expected, sizeof expected, "fires %.0f times", planned);
        snprintf(seen, sizeof seen, "fired %.0f times", fired);
        visit(arg, &problem);
    }
}

static void visit_adapter(const cJSON *result, problem_fn *visit, void *arg)
{
    const cJSON *adapter = json_get(result, "adapter");
    const char *end = results_text(adapter, "end");
    if (end[0] == '\0' || strcmp(end, "answered") == 0)
        return;
    struct problem problem = { "adapter", end, "an answer", results_text(adapter, "line") };
    visit(arg, &problem);
}

void detail_visit_problems(const struct cJSON *result, problem_fn *visit, void *arg)
{
    visit_steps(result, visit, arg);
    visit_checks(result, "wire", visit, arg);
    visit_journal(result, visit, arg);
    visit_checks(result, "witness", visit, arg);
    visit_faults(result, visit, arg);
    visit_adapter(result, visit, arg);
}

/* ---- words ----------------------------------------------------------------------------- */

/* "r.value.exit_code: expected 7, seen 0" */
static void put_problem(struct buf *out, const struct problem *problem)
{
    chars_show(out, problem->at, SHOWN);
    if (problem->expected[0] != '\0') {
        buf_str(out, ": expected ");
        chars_show(out, problem->expected, SHOWN);
    }
    if (problem->seen[0] != '\0') {
        buf_str(out, problem->expected[0] != '\0' ? ", seen " : ": ");
        chars_show(out, problem->seen, SHOWN);
    }
}

struct first {
    struct buf *out;
    bool is_done;
};

static void put_first(void *arg, const struct problem *problem)
{
    struct first *first = arg;
    if (first->is_done)
        return;
    put_problem(first->out, problem);
    first->is_done = true;
}

static void put_stale(const cJSON *result, struct buf *out)
{
    bool is_fine = result_verdict_is_fine(result_verdict_of(result));
    buf_printf(out, "stale entry of the %s list: the case %s; ",
               results_text(result, "listed")[0] != '\0' ? results_text(result, "listed") : "known-failing",
               is_fine ? "passes now" : "fails in another way now");
    buf_str(out, is_fine ? "take it out of the list" : "look at it, then change the list");
    if (results_text(result, "listed_reason")[0] != '\0') {
        buf_str(out, " (its reason was: ");
        chars_show(out, results_text(result, "listed_reason"), SHOWN);
        buf_char(out, ')');
    }
}

void detail_put_summary(const struct cJSON *result, struct buf *out)
{
    enum result_verdict verdict = result_verdict_of(result);
    const char *text = results_text(result, verdict == RESULT_SKIPPED ? "skip_reason" : "summary");
    struct first first = { out, false };
    if (result_standing_of(result) == STANDING_STALE) {
        put_stale(result, out);
        return;
    }
    if (text[0] == '\0')
        text = results_text(result, "summary");
    if (text[0] != '\0') {
        chars_show(out, text, SHOWN);
        return;
    }
    detail_visit_problems(result, put_first, &first);
    if (!first.is_done)
        buf_str(out, result_verdict_name(verdict));
}

void detail_put_texts(const struct cJSON *list, struct buf *out)
{
    const cJSON *item;
    const char *between = "";
    cJSON_ArrayForEach(item, list)
    {
        if (!cJSON_IsString(item))
            continue;
        buf_str(out, between);
        chars_show(out, item->valuestring, SHOWN);
        between = ", ";
    }
}

static void put_problem_line(void *arg, const struct problem *problem)
{
    struct buf *out = arg;
    buf_printf(out, "%-8s ", problem->kind);
    put_problem(out, problem);
    buf_char(out, '\n');
}

static void put_line(struct buf *out, const char *head, const char *text)
{
    if (text[0] == '\0')
        return;
    buf_printf(out, "%s: ", head);
    chars_show(out, text, SHOWN);
    buf_char(out, '\n');
}

static void put_list_line(struct buf *out, const char *head, const cJSON *list)
{
    if (list == NULL || list->child == NULL)
        return;
    buf_printf(out, "%s: ", head);
    detail_put_texts(list, out);
    buf_char(out, '\n');
}

void detail_put_all(const struct cJSON *result, const struct cJSON *row, struct buf *out)
{
    buf_printf(out, "%s: ", result_verdict_name(result_verdict_of(result)));
    detail_put_summary(result, out);
    buf_char(out, '\n');
    put_line(out, "listed", results_text(result, "listed"));
    put_line(out, "reason", results_text(result, "listed_reason"));
    put_line(out, "requirement", results_text(row, "requirement"));
    put_list_line(out, "source", results_list(row, "source"));
    put_list_line(out, "bug", results_list(row, "bug"));
    detail_visit_problems(result, put_problem_line, out);
    put_line(out, "run it again", results_text(result, "rerun"));
}
