/* The result document (docs/reports.md) of a run, put together.  Thread: one. */
#ifndef STANDBOX_RUN_DOCUMENT_H
#define STANDBOX_RUN_DOCUMENT_H

#include <stddef.h>
#include <stdint.h>

#include "judge/case.h"

struct cJSON;

struct document_client {
    const char *key;
    const struct cJSON *hello;   /* NULL: it said none */
    const char *const *argv;
    int level;
    bool is_reference;
    const char *imitates;        /* of a mutant: what it does wrong; NULL: no mutant */
    const char *bug;             /* of a mutant: the real one it is like, or NULL */
};

struct document {
    const char *vendor;
    int64_t started_ms, duration_ms;   /* epoch; how long */
    double load_factor;
    unsigned shard, shards;
    const struct case_def *const *cases;
    size_t case_count;
};

/* An element of `clients`; NULL: no memory. */
struct cJSON *document_client(const struct document_client *client);

/* `clients` and `results` are taken over.  NULL: no memory. */
struct cJSON *document_make(const struct document *doc, struct cJSON *clients, struct cJSON *results);

#endif
