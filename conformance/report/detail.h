/*
 * What a report says about one result, in the same words in every form.
 *
 * Thread: any.
 */
#ifndef STANDBOX_REPORT_DETAIL_H
#define STANDBOX_REPORT_DETAIL_H

#include "base/buf.h"

struct cJSON;

/* How forms that know only passed, failed, broken and skipped see a result. */
enum outcome { OUTCOME_PASS, OUTCOME_FAILURE, OUTCOME_ERROR, OUTCOME_KNOWN, OUTCOME_SKIPPED, OUTCOMES };
enum outcome detail_outcome(const struct cJSON *result);

/* One thing that was not as it should be.  Texts are borrowed, "" where there is none. */
struct problem {
    const char *kind; /* "step", "wire", "witness", "journal", "fault", "adapter" */
    const char *at;   /* "r.value.exit_code"; what the check is about */
    const char *expected, *seen;
};
typedef void problem_fn(void *arg, const struct problem *problem);

/* Call `visit` for each, in the order in which they should be read. */
void detail_visit_problems(const struct cJSON *result, problem_fn *visit, void *arg);

/* One line: why the result is what it is (appended, hidden characters escaped).  Never empty. */
void detail_put_summary(const struct cJSON *result, struct buf *out);

/* Many lines for a log: summary, requirement, source, problems, what the adapter did, how to run it again. */
void detail_put_all(const struct cJSON *result, const struct cJSON *row, struct buf *out);

/* The texts of a list, with ", " between them. */
void detail_put_texts(const struct cJSON *list, struct buf *out);

#endif
