#include "bench/report.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cjson/cJSON.h>

/* Share of the CPUs in use by others from which figures are doubtful. */
#define BUSY 0.1

static const char *const sense_marks[TARGET_SENSES] = {
    [TARGET_NONE] = "",
    [TARGET_AT_LEAST] = ">=",
    [TARGET_AT_MOST] = "<=",
};

struct report_line *report_add_line(struct report *report, const char *isolation, const char *name)
{
    if (report->count == report->cap) {
        size_t cap = report->cap == 0 ? 32 : report->cap * 2;
        struct report_line *lines = realloc(report->lines, cap * sizeof *lines);
        CHECK(lines != NULL); /* a bench without memory has nothing to say */
        report->lines = lines;
        report->cap = cap;
    }
    struct report_line *line = &report->lines[report->count++];
    *line = (struct report_line){ .unit = "" };
    snprintf(line->name, sizeof line->name, "%s", name);
    snprintf(line->isolation, sizeof line->isolation, "%s", isolation);
    return line;
}

void report_note_line(struct report_line *line, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    size_t at = strlen(line->note);
    vsnprintf(line->note + at, sizeof line->note - at, fmt, args);
    va_end(args);
}

const char *report_verdict(const struct report_line *line)
{
    if (line->state != LINE_MEASURED)
        return line->state == LINE_FAILED ? "FAILED" : "n/a";
    if (line->sense == TARGET_NONE)
        return "-";
    bool ok = line->sense == TARGET_AT_LEAST ? line->value >= line->target : line->value <= line->target;
    return ok ? "pass" : "short";
}

/* Ratios ("of bare") need their decimals, counts have none. */
static void figure_text(char text[24], const struct report_line *line, double value)
{
    bool ratio = strncmp(line->unit, "of ", 3) == 0;
    bool whole = value == (double) (long long) value;
    snprintf(text, 24, "%.*f", ratio ? 2 : whole ? 0 : 1, value);
}

static void target_text(char text[40], const struct report_line *line)
{
    char figure[24];
    if (line->sense == TARGET_NONE) {
        snprintf(text, 40, "-");
        return;
    }
    figure_text(figure, line, line->target);
    snprintf(text, 40, "%s %s", sense_marks[line->sense], figure);
}

static void print_line(const struct report_line *line, FILE *out)
{
    char value[24] = "-", target[40];
    if (line->state == LINE_MEASURED)
        figure_text(value, line, line->value);
    target_text(target, line);
    fprintf(out, "%-30s %-10s %9s %-7s %-9s %-7s %s\n", line->name, line->isolation, value, line->unit, target,
            report_verdict(line), line->note);
}

void report_print_table(const struct report *report, FILE *out)
{
    fprintf(out, "%-30s %-10s %9s %-7s %-9s %-7s %s\n", "row", "isolation", "figure", "unit", "target", "verdict",
            "behind it");
    for (size_t i = 0; i < report->count; i++)
        print_line(&report->lines[i], out);
    fprintf(out, "%ld CPUs, of them in use by others: %.0f%% before, %.0f%% after\n", sysconf(_SC_NPROCESSORS_ONLN),
            report->load_before * 100, report->load_after * 100);
    if (report->load_before > BUSY || report->load_after > BUSY)
        fputs("This machine is busy with something else: figures are not worth quoting, also ratios (whoever has more "
              "threads gets the larger share).\n",
              out);
}

static cJSON *line_json(const struct report_line *line)
{
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "row", line->name);
    cJSON_AddStringToObject(object, "isolation", line->isolation);
    if (line->state == LINE_MEASURED)
        cJSON_AddNumberToObject(object, "value", line->value);
    cJSON_AddStringToObject(object, "unit", line->unit);
    if (line->sense != TARGET_NONE) {
        cJSON_AddStringToObject(object, "sense", sense_marks[line->sense]);
        cJSON_AddNumberToObject(object, "target", line->target);
    }
    cJSON_AddStringToObject(object, "verdict", report_verdict(line));
    cJSON_AddStringToObject(object, "note", line->note);
    return object;
}

static cJSON *machine_json(const struct report *report)
{
    struct utsname name;
    cJSON *object = cJSON_CreateObject();
    if (uname(&name) == 0)
        cJSON_AddStringToObject(object, "kernel", name.release);
    cJSON_AddNumberToObject(object, "cpus", (double) sysconf(_SC_NPROCESSORS_ONLN));
    cJSON_AddNumberToObject(object, "other_load_before", report->load_before);
    cJSON_AddNumberToObject(object, "other_load_after", report->load_after);
    return object;
}

int report_write_json(const struct report *report, const char *path, struct err *err)
{
    cJSON *root = cJSON_CreateObject();
    cJSON_AddItemToObject(root, "machine", machine_json(report));
    cJSON *rows = cJSON_AddArrayToObject(root, "rows");
    for (size_t i = 0; i < report->count; i++)
        cJSON_AddItemToArray(rows, line_json(&report->lines[i]));
    char *text = cJSON_Print(root);
    cJSON_Delete(root);
    if (text == NULL)
        return err_set(err, ERR_NOMEM, 0, "print the report");
    FILE *file = fopen(path, "we");
    bool ok = file != NULL && fprintf(file, "%s\n", text) > 0;
    if (file != NULL && fclose(file) != 0)
        ok = false;
    free(text);
    return ok ? 0 : err_set(err, ERR_IO, errno, "write %s", path);
}

bool report_has_failed(const struct report *report)
{
    for (size_t i = 0; i < report->count; i++)
        if (report->lines[i].state == LINE_FAILED)
            return true;
    return false;
}

void report_fini(struct report *report)
{
    free(report->lines);
    *report = (struct report){ .count = 0 };
}
