/*
 * The words of a result document, and safe ways to read one.
 *
 * The document (fixtures/schema/results.schema.json, docs/reports.md) is a cJSON tree.  It may have come from a
 * file, so nothing in it is believed before results_check has seen it.
 *
 * Thread: any; a tree belongs to one thread.
 */
#ifndef STANDBOX_REPORT_RESULTS_H
#define STANDBOX_REPORT_RESULTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct cJSON;

#define RESULTS_FORMAT 1 /* "standbox_results" */

enum result_verdict {
    RESULT_PASS,
    RESULT_FAIL,
    RESULT_NON_STRICT,
    RESULT_NOT_EXERCISED,
    RESULT_SKIPPED,
    RESULT_ADAPTER_ERROR,
    RESULT_HARNESS_ERROR,
    RESULT_VERDICTS
};

/* "pass", "non-strict" ... */
const char *result_verdict_name(enum result_verdict verdict);
/* RESULT_VERDICTS when it is no such word. */
enum result_verdict result_verdict_find(const char *name);
/* Of a checked result. */
enum result_verdict result_verdict_of(const struct cJSON *result);

/* Is a result of this kind in order by itself (pass, skipped, non-strict)? */
bool result_verdict_is_fine(enum result_verdict verdict);

/* What to make of one result, with what the lists say about it. */
enum result_standing {
    STANDING_FINE,       /* pass, skipped, or non-strict */
    STANDING_LISTED,     /* not fine, and in the known-failing or known-flaky list */
    STANDING_STALE,      /* in the known-failing list, and passes (or fails in another way, where the list pins it) */
    STANDING_UNEXPECTED, /* not fine, and in no list */
    STANDINGS
};
enum result_standing result_standing_of(const struct cJSON *result);

/* A member's text, or "" when it is absent or no text.  Borrowed.  A NUL in it shows as the two bytes C0 80. */
const char *results_text(const struct cJSON *object, const char *name);
/* The member, whether array or not: iterating over its children is always safe.  NULL when absent. */
const struct cJSON *results_list(const struct cJSON *object, const char *name);
/* A number, or `otherwise`. */
double results_number(const struct cJSON *object, const char *name, double otherwise);
bool results_flag(const struct cJSON *object, const char *name);

/* The case or client with this id or key, or NULL; linear. */
const struct cJSON *results_find_case(const struct cJSON *doc, const char *id);
const struct cJSON *results_find_client(const struct cJSON *doc, const char *key);

/* Is this client a mutant ("mutant": true)? */
bool results_is_mutant(const struct cJSON *client);

/* The document's "shard", "2/4": part 2 of 4.  False when it is written in another way. */
bool results_shard(const struct cJSON *doc, unsigned *out_part, unsigned *out_parts);

/* The order of case ids, in which numbers are numbers: Split:2 before Split:10. */
int results_compare_ids(const char *one, const char *two);

/* "vendor/area" of a case id: the length of that part. */
size_t results_area_length(const char *case_id);

/*
 * Validate a document from outside: members, types, words, that every result's case and client are there, that none is
 * there twice.  Members it does not know are left alone.  0, or -1 with ERR_INVALID, the place first:
 * "/results/3/verdict: must be one of pass, fail ..., not \"passed\"".
 */
int results_check(const struct cJSON *doc, struct err *err);

/*
 * Read and check a file ("-": standard input).  Returns the tree (free with json_free), or NULL with ERR_NOT_FOUND,
 * ERR_IO, ERR_INVALID or ERR_LIMIT, the path first: "a.json: 3:14: ...", "a.json: /results/3/verdict: ...".
 */
struct cJSON *results_read(const char *path, struct err *err);

#endif
