/*
 * The bench's result: lines with a figure, its target if there is one, and a note.
 *
 * Printed as a table, and on request as JSON for machines.  Belongs to the main thread.
 */
#ifndef STANDBOX_BENCH_REPORT_H
#define STANDBOX_BENCH_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/err.h"

enum target_sense { TARGET_NONE, TARGET_AT_LEAST, TARGET_AT_MOST, TARGET_SENSES };

enum line_state { LINE_MEASURED, LINE_FAILED, LINE_UNAVAILABLE, LINE_STATES };

struct report_line {
    char name[40];
    char isolation[12];
    enum line_state state;
    double value;
    const char *unit; /* a literal */
    enum target_sense sense;
    double target;
    char note[400]; /* the figures behind the figure, or why there is none */
};

struct report {
    struct report_line *lines;
    size_t count, cap;
    double load_before, load_after; /* share of the CPUs that others used; negative: unknown */
};

/* Add a line: its name and isolation; the caller fills the rest. */
struct report_line *report_add_line(struct report *report, const char *isolation, const char *name);
void report_note_line(struct report_line *line, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* "pass", "short", "-" (no target), "FAILED" or "n/a". */
const char *report_verdict(const struct report_line *line);

void report_print_table(const struct report *report, FILE *out);
int report_write_json(const struct report *report, const char *path, struct err *err);
bool report_has_failed(const struct report *report);
void report_fini(struct report *report);

#endif
