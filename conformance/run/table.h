/*
 * The table of tests: one cmocka test for each item of a run, made at run time.
 *
 * The workers do the items; a test waits for its own, tells the progress, and passes, fails or is skipped as the result
 * stands.  Thread: one run at a time in a process, since cmocka is like that.
 */
#ifndef STANDBOX_RUN_TABLE_H
#define STANDBOX_RUN_TABLE_H

#include <stdbool.h>

#include "base/err.h"
#include "run/progress.h"
#include "run/run.h"

struct table_config {
    const char *group;             /* name of the group of tests */
    const struct run_plan *plan;   /* of the run */
    struct progress *progress;
    bool is_cmocka_heard;          /* let cmocka say its own lines on stdout */
};

/* Run all tests; returns when every item is done.  What failed, the results say.  ERR_NOMEM or ERR_IO. */
int table_run(struct run *run, const struct table_config *config, struct err *err);

#endif
