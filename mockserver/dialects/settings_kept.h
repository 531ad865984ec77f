/*
 * Settings that a lane's scenarios change while requests look at them: nothing is ever changed in place.
 *
 * All settings that were ever in use are kept for as long as the dialect lives, since a request may still look at them.
 *
 * Thread: settings_now any; the others the one that holds the lane's turn, or makes and unmakes the dialect.
 */
#ifndef STANDBOX_DIALECTS_SETTINGS_KEPT_H
#define STANDBOX_DIALECTS_SETTINGS_KEPT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct settings_one;

/* A vendor's struct of settings. */
struct settings_kind {
    size_t size;
    /* `from` with a NULL-terminated list of "name=value" put over it; texts are borrowed.  ERR_INVALID. */
    int (*change)(void *out, const void *from, const char *const *assignments, struct err *err);
    bool (*are_same)(const void *a, const void *b);
};

struct settings_kept {
    const struct settings_kind *kind;
    struct settings_one *list;
    size_t count;
    const void *first;             /* those that the dialect was made with */
    _Atomic(const void *) now;
};

/* `first` is copied, its texts are borrowed.  ERR_NOMEM. */
int settings_keep_first(struct settings_kept *kept, const struct settings_kind *kind, const void *first,
                        struct err *err);
/* Make ready what `assignments` make of the first ones; *out_ready lives as long as `kept`.  ERR_INVALID, ERR_NOMEM;
   ERR_LIMIT: there were too many different ones. */
int settings_prepare(struct settings_kept *kept, const char *const *assignments, const void **out_ready,
                     struct err *err);
/* From now on these. */
void settings_use(struct settings_kept *kept, const void *ready);
void settings_kept_fini(struct settings_kept *kept);

static inline const void *settings_now(const struct settings_kept *kept)
{
    return atomic_load_explicit(&kept->now, memory_order_acquire);
}

#endif
