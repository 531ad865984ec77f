/*
 * What must come of a step: `expect` of a case.
 *
 *   {"value": PATTERN}                     a value that matches, and no error
 *   {"error": PATTERN}                     an error that matches
 *   {"value": PATTERN, "error": PATTERN}   both (what came, and how it broke)
 *   {"skipped": true}                      the adapter could not do it
 *   {"any": [EXPECT, ...]}                 one of them
 *   "anything"                             any outcome at all
 *
 * Without one: any value, and no error.  Thread: any.
 */
#ifndef STANDBOX_JUDGE_EXPECTATION_H
#define STANDBOX_JUDGE_EXPECTATION_H

#include "judge/pattern.h"

/* As pattern_check. */
int expectation_check(const struct cJSON *expect, pattern_same_fn *same, const void *arg, const struct cJSON **out_bad,
                      struct err *err);
/* Does `outcome` of `step` do?  `expect` NULL: there is none.  `outcomes`, `problems` as pattern_match. */
bool expectation_match(const struct cJSON *expect, const char *step, const struct cJSON *outcome,
                       const struct cJSON *outcomes, struct problems *problems);
/* In words, about `max` bytes. */
void expectation_describe(const struct cJSON *expect, struct buf *out, size_t max);

#endif
