#include "commands/record.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "report/results.h"

/* One line, and no " #", behind which a list has its comments. */
static void write_reason(const char *text, FILE *out)
{
    for (const char *p = text; *p != '\0'; p++)
        fputc((unsigned char) *p < ' ' ? ' ' : *p == '#' && p > text && p[-1] == ' ' ? '.' : *p, out);
}

static void write_row(const cJSON *result, FILE *out)
{
    const char *reason = results_text(result, "listed_reason"), *hash = results_text(result, "message_hash");
    bool keeps = *reason != '\0' && !results_flag(result, "stale");
    fprintf(out, "%s verdict=%s", results_text(result, "case"), results_text(result, "verdict"));
    if (*hash != '\0')
        fprintf(out, " message=%s", hash);
    fputc(' ', out);
    write_reason(keeps ? reason : results_text(result, "summary"), out);
    fputc('\n', out);
}

int record_failures(const cJSON *document, const char *path, struct err *err)
{
    bool is_stdout = strcmp(path, "-") == 0;
    FILE *out = is_stdout ? stdout : fopen(path, "we");
    if (out == NULL)
        return err_set(err, ERR_IO, errno, "%s", path);
    fputs("# Written by standbox-conformance --record-failures; for --known-failing.\n", out);
    const cJSON *result;
    cJSON_ArrayForEach(result, results_list(document, "results")) {
        enum result_verdict verdict = result_verdict_of(result);
        if (verdict != RESULT_PASS && verdict != RESULT_SKIPPED)
            write_row(result, out);
    }
    int failed = ferror(out);
    if ((is_stdout ? fflush(out) : fclose(out)) != 0 || failed)
        return err_set(err, ERR_IO, errno, "%s", path);
    return 0;
}
