/*
 * Result documents for tests of the reports: made by rules, with everything in them that a real run can have.
 *
 * Running out of memory ends the program.
 */
#ifndef STANDBOX_TESTS_SUPPORT_REPORT_SAMPLE_H
#define STANDBOX_TESTS_SUPPORT_REPORT_SAMPLE_H

#include <stddef.h>

struct cJSON;

/* A run of a reference client, two SDKs and some mutants: all verdicts, lists, faults, time-lines.  Returned;
   cJSON_Delete frees it, as those below. */
struct cJSON *sample_run(void);

/* A matrix of this size without mutants, a time-line for each result that is no pass. */
struct cJSON *sample_matrix(size_t clients, size_t cases);

/* As small as can be: one case, one client that passes it. */
struct cJSON *sample_small(void);

/* Texts everywhere that try to be markup, directives, escapes. */
struct cJSON *sample_hostile(void);
extern const char sample_evil[]; /* the text that is in all of its free places */

/* Sets or replaces a member by JSON, in which ' stands for ".  `place`: "results/3/verdict". */
void sample_set(struct cJSON *doc, const char *place, const char *json);
/* The node there, or the program ends. */
struct cJSON *sample_at(struct cJSON *doc, const char *place);
/* Parse JSON with ' for ". */
struct cJSON *sample_json(const char *text);

#endif
