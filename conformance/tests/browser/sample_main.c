/* report-sample KIND FORMAT PATH: writes a report of a made-up run.  KIND: run, matrix, small, hostile. */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#include "report/report.h"
#include "tests/support/report_sample.h"

static cJSON *make(const char *kind)
{
    if (strcmp(kind, "run") == 0)
        return sample_run();
    if (strcmp(kind, "matrix") == 0)
        return sample_matrix(40, 300);
    if (strcmp(kind, "small") == 0)
        return sample_small();
    return strcmp(kind, "hostile") == 0 ? sample_hostile() : NULL;
}

int main(int argc, char **argv)
{
    struct err err = ERR_INIT;
    enum report_format format = 0;
    cJSON *doc = argc == 4 ? make(argv[1]) : NULL;
    if (doc == NULL) {
        fprintf(stderr, "usage: report-sample run|matrix|small|hostile junit|tap|json|md|html PATH\n");
        return 2;
    }
    while (format < REPORT_FORMATS && strcmp(report_format_name(format), argv[2]) != 0)
        format++;
    int rc = format == REPORT_FORMATS ? err_set(&err, ERR_INVALID, 0, "%s: no such format", argv[2])
                                      : report_write(doc, format, argv[3], &err);
    cJSON_Delete(doc);
    if (rc < 0)
        fprintf(stderr, "report-sample: %s\n", err.text);
    return rc < 0 ? 1 : 0;
}
