#include "dialects/settings_kept.h"

#include <stdlib.h>
#include <string.h>

#define KEPT_MAX 1000 /* different ones in the life of a lane */

struct settings_one {
    struct settings_one *next;
    void *settings;
    char **texts; /* what the settings point into; NULL-terminated, or NULL: others own them */
};

static void free_one(struct settings_one *one)
{
    if (one == NULL)
        return;
    for (size_t i = 0; one->texts != NULL && one->texts[i] != NULL; i++)
        free(one->texts[i]);
    free(one->texts);
    free(one->settings);
    free(one);
}

static struct settings_one *new_one(const struct settings_kept *kept)
{
    struct settings_one *one = calloc(1, sizeof *one);
    if (one != NULL)
        one->settings = calloc(1, kept->kind->size);
    if (one != NULL && one->settings != NULL)
        return one;
    free_one(one);
    return NULL;
}

static int copy_texts(struct settings_one *one, const char *const *assignments)
{
    size_t count = 0;
    while (assignments[count] != NULL)
        count++;
    one->texts = calloc(count + 1, sizeof *one->texts);
    for (size_t i = 0; one->texts != NULL && i < count; i++) {
        one->texts[i] = strdup(assignments[i]);
        if (one->texts[i] == NULL)
            return -1;
    }
    return one->texts != NULL ? 0 : -1;
}

static struct settings_one *make(const struct settings_kept *kept, const char *const *assignments, struct err *err)
{
    struct settings_one *one = new_one(kept);
    if (one == NULL || copy_texts(one, assignments) < 0)
        err_set(err, ERR_NOMEM, 0, "settings");
    else if (kept->kind->change(one->settings, kept->first, (const char *const *) one->texts, err) == 0)
        return one;
    free_one(one);
    return NULL;
}

static void keep(struct settings_kept *kept, struct settings_one *one)
{
    one->next = kept->list;
    kept->list = one;
    kept->count++;
}

static const struct settings_one *find_same(const struct settings_kept *kept, const void *settings)
{
    const struct settings_one *one = kept->list;
    while (one != NULL && !kept->kind->are_same(one->settings, settings))
        one = one->next;
    return one;
}

int settings_keep_first(struct settings_kept *kept, const struct settings_kind *kind, const void *first,
                        struct err *err)
{
    *kept = (struct settings_kept) { .kind = kind };
    struct settings_one *one = new_one(kept);
    if (one == NULL)
        return err_set(err, ERR_NOMEM, 0, "settings");
    memcpy(one->settings, first, kind->size);
    keep(kept, one);
    kept->first = one->settings;
    settings_use(kept, one->settings);
    return 0;
}

int settings_prepare(struct settings_kept *kept, const char *const *assignments, const void **out_ready,
                     struct err *err)
{
    struct settings_one *one = make(kept, assignments, err);
    if (one == NULL)
        return -1;
    const struct settings_one *same = find_same(kept, one->settings);
    bool is_new = same == NULL && kept->count < KEPT_MAX;
    if (is_new)
        keep(kept, one);
    else
        free_one(one);
    if (!is_new && same == NULL)
        return err_set(err, ERR_LIMIT, 0, "a lane can have had %d different settings: delete it", KEPT_MAX);
    *out_ready = is_new ? kept->list->settings : same->settings;
    return 0;
}

void settings_use(struct settings_kept *kept, const void *ready)
{
    atomic_store_explicit(&kept->now, ready, memory_order_release);
}

void settings_kept_fini(struct settings_kept *kept)
{
    for (struct settings_one *one = kept->list, *next; one != NULL; one = next) {
        next = one->next;
        free_one(one);
    }
    kept->list = NULL;
}
