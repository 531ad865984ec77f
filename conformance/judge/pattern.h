/*
 * Patterns: what a value must look like, as JSON (docs/cases.md has the language).
 *
 * A pattern is checked once, when its case is loaded; matching takes it for checked.  Matching costs time in
 * proportion to pattern and value, also for outputs of many megabytes, but for `$matches`, whose expression is run
 * over all of the output.
 *
 * Thread: any; patterns and values are only read.
 */
#ifndef STANDBOX_JUDGE_PATTERN_H
#define STANDBOX_JUDGE_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

struct cJSON;

/* ---- problems ------------------------------------------------------------------------------ */

#define PROBLEM_TEXT_MAX 200 /* about so many characters of what was expected and seen */
#define PROBLEMS_MAX     50  /* of one comparison; more are only counted */

struct problem {
    char *at;       /* "r.value.exit_code" */
    char *expected; /* "7", "at least 3" */
    char *seen;     /* "0", "nothing" */
};

struct problems {
    struct problem *list;
    size_t count; /* in the list */
    size_t total; /* that there were */
};

#define PROBLEMS_INIT \
    { \
        NULL, 0, 0 \
    }
#define PROBLEMS_AUTO __attribute__((cleanup(problems_fini))) struct problems

void problems_fini(struct problems *problems);
/* Texts are copied.  NULL `problems` is fine. */
void problems_add(struct problems *problems, const char *at, const char *expected, const char *seen);

/* ---- patterns ------------------------------------------------------------------------------ */

/* What `$same` of a pattern under check may speak of: does `path` ("s.value.id") begin with a step that has an outcome?
   Fills `err` when not. */
typedef int pattern_same_fn(const void *arg, const char *path, struct err *err);

/* ERR_INVALID with what is wrong in words, and *out_bad is the node it is about (for its place).  `same` NULL: `$same`
   is not allowed here. */
int pattern_check(const struct cJSON *pattern, pattern_same_fn *same, const void *arg, const struct cJSON **out_bad,
                  struct err *err);

/* Does `value` (NULL: absent) match?  `outcomes` is an array of outcomes, for `$same` (NULL: none).  What does not
   match is added to `problems` (NULL: only the answer is wanted), with `at` in front of its place. */
bool pattern_match(const struct cJSON *pattern, const struct cJSON *value, const struct cJSON *outcomes, const char *at,
                   struct problems *problems);

/* In words: "7", "at least 3", "text that contains "x"".  About `max` bytes. */
void pattern_describe(const struct cJSON *pattern, struct buf *out, size_t max);

#endif
