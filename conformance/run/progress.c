#include "run/progress.h"

#include <string.h>

#include <cjson/cJSON.h>

#include "report/results.h"

#define CLEAR_LINE "\r\033[K"
#define PROBLEMS_SHOWN 5
#define LOG_SHOWN 600

void progress_wait(struct progress *p, size_t item, size_t done)
{
    if (!p->is_terminal || p->voice != PROGRESS_NORMAL)
        return;
    fprintf(p->out, CLEAR_LINE "[%zu/%zu] %.100s", done, p->total, p->name(p->arg, item));
    fflush(p->out);
}

void progress_end(struct progress *p)
{
    if (p->is_terminal && p->voice == PROGRESS_NORMAL) {
        fputs(CLEAR_LINE, p->out);
        fflush(p->out);
    }
}

/* ---- a result in words ------------------------------------------------------------------- */

static int describe_problems(const cJSON *record, FILE *out)
{
    const cJSON *step, *problem;
    int shown = 0;
    cJSON_ArrayForEach(step, results_list(record, "steps")) {
        cJSON_ArrayForEach(problem, results_list(step, "problems")) {
            if (shown++ < PROBLEMS_SHOWN)
                fprintf(out, "    %s: expected %s, seen %s\n", results_text(problem, "at"),
                        results_text(problem, "expected"), results_text(problem, "seen"));
        }
    }
    if (shown > PROBLEMS_SHOWN)
        fprintf(out, "    and %d more\n", shown - PROBLEMS_SHOWN);
    return shown;
}

static int describe_checks(const cJSON *record, const char *list, const char *title, FILE *out)
{
    const cJSON *check;
    int shown = 0;
    cJSON_ArrayForEach(check, results_list(record, list)) {
        if (results_flag(check, "ok"))
            continue;
        fprintf(out, "    %s: %s: expected %s, seen %s\n", title, results_text(check, "what"),
                results_text(check, "expected"), results_text(check, "seen"));
        shown++;
    }
    return shown;
}

/* The reasons one by one; how many there were.  What is missing, the summary says. */
static int describe_reasons(const cJSON *record, FILE *out)
{
    const char *verdict = results_text(record, "verdict");
    if (strcmp(verdict, "fail") != 0 && strcmp(verdict, "non-strict") != 0)
        return 0;
    return describe_problems(record, out) + describe_checks(record, "wire", "on the wire", out);
}

static void describe_log(const cJSON *record, FILE *out)
{
    const char *log = results_text(cJSON_GetObjectItemCaseSensitive(record, "adapter"), "stderr");
    size_t len = strlen(log);
    if (len == 0)
        return;
    fprintf(out, "    the adapter's stderr%s:\n", len > LOG_SHOWN ? " ends with" : "");
    const char *p = log + (len > LOG_SHOWN ? len - LOG_SHOWN : 0);
    while (*p != '\0') {
        size_t line = strcspn(p, "\n");
        fprintf(out, "      %.*s\n", (int) line, p);
        p += line + (p[line] == '\n');
    }
}

void progress_describe(const cJSON *record, bool with_client, FILE *out)
{
    fprintf(out, "%s  ", results_text(record, "verdict"));
    if (with_client)
        fprintf(out, "%s: ", results_text(record, "client"));
    fprintf(out, "%s\n", results_text(record, "case"));
    if (results_flag(record, "stale"))
        fprintf(out, "    %s\n", results_text(record, "listed_reason"));
    else if (describe_reasons(record, out) == 0)
        fprintf(out, "    %s\n", results_text(record, "summary"));
    describe_log(record, out);
    if (*results_text(record, "message_hash") != '\0')
        fprintf(out, "    message=%s\n", results_text(record, "message_hash"));
    if (*results_text(record, "rerun") != '\0')
        fprintf(out, "    again: %s\n", results_text(record, "rerun"));
}

void progress_result(struct progress *p, size_t item, const cJSON *record)
{
    if (record == NULL) {
        progress_end(p);
        fprintf(p->out, "%s: no memory to judge it\n", p->name(p->arg, item));
        return;
    }
    if (p->expects_failures)
        return;
    enum result_standing standing = result_standing_of(record);
    if (standing == STANDING_UNEXPECTED || standing == STANDING_STALE) {
        progress_end(p);
        progress_describe(record, p->has_many_clients, p->out);
    } else if (p->voice == PROGRESS_VERBOSE) {
        const char *why = results_text(record, "skip_reason");
        fprintf(p->out, "%s  %s%s%s\n", results_text(record, "verdict"), p->name(p->arg, item),
                *why != '\0' ? ": " : "", why);
    }
}
