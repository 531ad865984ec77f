/*
 * Which cases a run is about, and what its lists say of them.
 *
 * Thread: one.
 */
#ifndef STANDBOX_RUN_SELECT_H
#define STANDBOX_RUN_SELECT_H

#include <stddef.h>

#include "base/err.h"
#include "cli/options.h"
#include "judge/case.h"

struct selection {
    const struct case_def **cases;   /* in the order of the list; owns the array alone */
    size_t count;
};

/* The cases that --run, --skip, --truth, --shard and --server-only leave.  A pattern that matches no case at all is a
   wrong use: ERR_INVALID names it.  None left is no error. */
int select_cases(struct options *options, const struct case_list *list, struct selection *out, struct err *err);
void selection_fini(struct selection *selection);

/* The shard that a case belongs to, 1 to `shards`: by its id alone, so that new cases move no others. */
unsigned select_shard(const char *id, unsigned shards);

/* Holds the lists of known failures to the cases: an entry that names no case, one that names too many, and a case that
   is in both lists are ERR_INVALID with file and line. */
int select_check_known(struct options *options, const struct case_list *list, struct err *err);

struct cJSON;

/* Fill `listed`, `listed_reason` and `stale` of a result by the lists.  `today`: YYYY-MM-DD.  ERR_NOMEM. */
int select_apply_known(struct options *options, const char *today, struct cJSON *record, struct err *err);

#endif
