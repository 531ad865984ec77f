/* Settings that a lane's scenarios change (dialects/settings_kept.h). */
#include "dialects/hyperbrowser/hb_priv.h"

static int change(void *out, const void *from, const char *const *assignments, struct err *err)
{
    return hb_settings_change(out, from, assignments, err);
}

static bool are_same(const void *a, const void *b)
{
    return hb_settings_are_same(a, b);
}

static const struct settings_kind kind = { sizeof(struct hb_settings), change, are_same };

int hb_keep_first(struct hb *hb, const struct hb_settings *settings, struct err *err)
{
    return settings_keep_first(&hb->kept, &kind, settings, err);
}

int hb_prepare_settings(void *self, const char *const *assignments, const void **out_ready, struct err *err)
{
    return settings_prepare(&((struct hb *) self)->kept, assignments, out_ready, err);
}

void hb_use_settings(void *self, const void *ready)
{
    settings_use(&((struct hb *) self)->kept, ready);
}
