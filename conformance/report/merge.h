/*
 * Joining result documents: the shards of one run (same client, different cases) and the runs of several clients
 * (different keys), into one document.
 *
 * Refused, with the names of the documents: another vendor; a suite of another major.minor version; a case or client
 * that is not the same in two of them; a client with a shard missing ("hyperbrowser-python: shard 2/3 is missing"); one
 * case and client with two verdicts.
 *
 * Thread: any; a tree belongs to one thread.
 */
#ifndef STANDBOX_REPORT_MERGE_H
#define STANDBOX_REPORT_MERGE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct cJSON;

struct merge_input {
    const char *name;        /* for errors and for "parts": a file's path */
    const struct cJSON *doc; /* checked; borrowed */
};

struct merge_options {
    bool allow_flaky;   /* two verdicts: keep the worst, listed "known-flaky", with a note of where which came from */
    bool allow_missing; /* a missing shard becomes one of the document's "notes" */
};

/* Returns a new document (free with json_free), cases sorted by id, or NULL.  `options` NULL: neither.  What was
   joined is in its "parts".  Its order of results is that of clients, then cases. */
struct cJSON *results_merge(const struct merge_input *inputs, size_t count, const struct merge_options *options,
                            struct err *err);

#endif
