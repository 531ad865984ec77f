/*
 * Reports: one result document, written in the form that somebody needs.
 *
 *   REPORT_JUNIT     JUnit XML, as Jenkins, GitLab and GitHub actions read it
 *   REPORT_TAP       TAP 13 with YAML diagnostics, as prove reads it
 *   REPORT_JSON      the document itself
 *   REPORT_MARKDOWN  for a job summary or a comment on a change
 *   REPORT_HTML      one page without any other file, for a browser
 *
 * Texts in a document are not trusted: they are escaped by the rules of each form, never interpreted.
 * Mutants are not clients under test.  They are left out of the matrix and of all totals; their part is the kill
 * matrix (report/kills.h), which the forms for people show, and JUnit and TAP have as suite "mutants".
 *
 * Thread: any; a tree belongs to one thread.
 */
#ifndef STANDBOX_REPORT_REPORT_H
#define STANDBOX_REPORT_REPORT_H

#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "report/results.h"

enum report_format { REPORT_JUNIT, REPORT_TAP, REPORT_JSON, REPORT_MARKDOWN, REPORT_HTML, REPORT_FORMATS };

/* "junit", "tap", "json", "md", "html": also the names of the options. */
const char *report_format_name(enum report_format format);

/*
 * Render `results` (borrowed) to `path`; "-" is standard output.  A file is written beside its place under another
 * name and then renamed, so a reader never finds half of one; a path that is no plain file (/dev/stderr, a FIFO) is
 * written to as it is.
 * Errors: ERR_IO with the path; ERR_INVALID when the document is broken (results_check), but for REPORT_JSON, which
 * is written all the same; ERR_NOMEM.
 */
int report_write(const struct cJSON *results, enum report_format format, const char *path, struct err *err);

/* The same into a buffer (appended). */
int report_render(const struct cJSON *results, enum report_format format, struct buf *out, struct err *err);

/* Numbers over all results that are not mutants'. */
struct report_totals {
    size_t clients, cases, results;
    size_t verdicts[RESULT_VERDICTS];
    size_t standings[STANDINGS];
    size_t unexpected[RESULT_VERDICTS]; /* of STANDING_UNEXPECTED, by verdict */
    double duration_ms;                 /* of the run, as the document says */
};

/* The totals of one client, or of all when `client` is NULL.  `results` must be a checked document or our own. */
void report_summary(const struct cJSON *results, const char *client, struct report_totals *out);

/*
 * The exit code of a run with these totals: 77 nothing there; 4 a harness-error; 1 an unlisted fail or a stale entry;
 * 3 an unlisted adapter-error or not-exercised, or not one pass; else 0.  The first that fits.
 */
int report_exit_code(const struct report_totals *totals);

/* "45 pass, 2 fail, 3 skipped; 1 of them known" into `out` (appended); no newline. */
void report_totals_line(const struct report_totals *totals, struct buf *out);

#endif
