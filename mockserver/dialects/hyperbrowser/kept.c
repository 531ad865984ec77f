/* Settings that a lane's scenarios change while requests look at them: nothing is ever changed in place. */
#include <stdlib.h>
#include <string.h>

#include "dialects/hyperbrowser/hb_priv.h"

#define KEPT_MAX 1000 /* different ones in the life of a lane */

struct hb_kept {
    struct hb_kept *next;
    struct hb_settings settings;
    char **texts; /* what the settings point into; NULL-terminated, or NULL: others own them */
};

static void free_kept(struct hb_kept *kept)
{
    for (size_t i = 0; kept->texts != NULL && kept->texts[i] != NULL; i++)
        free(kept->texts[i]);
    free(kept->texts);
    free(kept);
}

static int copy_texts(struct hb_kept *kept, const char *const *assignments)
{
    size_t count = 0;
    while (assignments[count] != NULL)
        count++;
    kept->texts = calloc(count + 1, sizeof *kept->texts);
    for (size_t i = 0; kept->texts != NULL && i < count; i++) {
        kept->texts[i] = strdup(assignments[i]);
        if (kept->texts[i] == NULL)
            return -1;
    }
    return kept->texts != NULL ? 0 : -1;
}

static struct hb_kept *make(const struct hb_settings *from, const char *const *assignments, struct err *err)
{
    struct hb_kept *kept = calloc(1, sizeof *kept);
    if (kept == NULL || copy_texts(kept, assignments) < 0)
        err_set(err, ERR_NOMEM, 0, "settings");
    else if (hb_settings_change(&kept->settings, from, (const char *const *) kept->texts, err) == 0)
        return kept;
    if (kept != NULL)
        free_kept(kept);
    return NULL;
}

static void keep(struct hb *hb, struct hb_kept *kept)
{
    kept->next = hb->kept;
    hb->kept = kept;
    hb->kept_count++;
}

static const struct hb_kept *find_same(const struct hb *hb, const struct hb_settings *settings)
{
    const struct hb_kept *kept = hb->kept;
    while (kept != NULL && !hb_settings_are_same(&kept->settings, settings))
        kept = kept->next;
    return kept;
}

int hb_keep_first(struct hb *hb, const struct hb_settings *settings, struct err *err)
{
    struct hb_kept *kept = calloc(1, sizeof *kept);
    if (kept == NULL)
        return err_set(err, ERR_NOMEM, 0, "settings");
    kept->settings = *settings;
    keep(hb, kept);
    hb->created_with = &kept->settings;
    hb_use_settings(hb, &kept->settings);
    return 0;
}

int hb_prepare_settings(void *self, const char *const *assignments, const void **out_ready, struct err *err)
{
    struct hb *hb = self;
    struct hb_kept *kept = make(hb->created_with, assignments, err);
    if (kept == NULL)
        return -1;
    const struct hb_kept *same = find_same(hb, &kept->settings);
    bool is_new = same == NULL && hb->kept_count < KEPT_MAX;
    if (is_new)
        keep(hb, kept);
    else
        free_kept(kept);
    if (!is_new && same == NULL)
        return err_set(err, ERR_LIMIT, 0, "a lane can have had %d different settings: delete it", KEPT_MAX);
    *out_ready = is_new ? &hb->kept->settings : &same->settings;
    return 0;
}

void hb_use_settings(void *self, const void *ready)
{
    struct hb *hb = self;
    atomic_store_explicit(&hb->settings, ready, memory_order_release);
}

void hb_kept_free(struct hb *hb)
{
    for (struct hb_kept *kept = hb->kept, *next; kept != NULL; kept = next) {
        next = kept->next;
        free_kept(kept);
    }
    hb->kept = NULL;
}
