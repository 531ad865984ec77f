/*
 * Images, snapshots and volumes: lists of names that a client may make, see and delete.
 *
 * Nothing is behind the names: every sandbox starts from the same host files, whatever its
 * image, and a snapshot remembers a sandbox's settings, not its memory or files.
 *
 * No lock of its own (struct hb's guards it).  Items are found by id or name, newest first.
 */
#ifndef STANDBOX_HB_CATALOG_H
#define STANDBOX_HB_CATALOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct hb_item {
    char id[37];
    char *name;
    int64_t created_ms;
    bool deleted;     /* kept, so that the name is known to be gone */
    bool uploaded;    /* made by a client */
    char *image_name; /* snapshots: what it was started from; else NULL */
    char image_id[37];
    int64_t vcpus, mem_mib, disk_mib, size; /* 0: not given */
};

struct hb_catalog {
    struct hb_item **items; /* oldest first */
    size_t count;
};

void hb_catalog_fini(struct hb_catalog *catalog);

/* Add an item with a fresh id.  ERR_LIMIT when there are `max` already.  Borrowed until the catalog's end. */
int hb_catalog_add(struct hb_catalog *catalog, const char *name, int64_t now_ms, int64_t max, struct hb_item **out_item,
                   struct err *err);

/* By name, also a deleted one; NULL when there never was one. */
struct hb_item *hb_catalog_by_name(const struct hb_catalog *catalog, const char *name);
/* By id or, failing that, name; NULL when absent or deleted. */
struct hb_item *hb_catalog_by_key(const struct hb_catalog *catalog, const char *key);

#endif
