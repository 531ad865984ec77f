/*
 * Names to places: find an item of a list by one of its texts, without walking the list each time.
 *
 * Thread: any; belongs to one thread.
 */
#ifndef STANDBOX_REPORT_INDEX_H
#define STANDBOX_REPORT_INDEX_H

#include <stddef.h>

#include "base/err.h"

struct cJSON;

struct index_entry {
    const char *name; /* borrowed from the document */
    const struct cJSON *item;
    size_t place; /* in the list: 0, 1, 2 ... */
};

struct index {
    struct index_entry *entries; /* sorted by name, then place */
    size_t count;
};

#define INDEX_INIT \
    { \
        NULL, 0 \
    }
#define INDEX_AUTO __attribute__((cleanup(index_fini))) struct index

/* By the text member `member` of each item; `list` may be NULL.  ERR_NOMEM. */
int index_init(struct index *index, const struct cJSON *list, const char *member, struct err *err);
void index_fini(struct index *index);

/* The first of that name, or NULL. */
const struct index_entry *index_find(const struct index *index, const char *name);

/* The second of two with the same name, or NULL when all differ. */
const struct index_entry *index_find_double(const struct index *index);

#endif
