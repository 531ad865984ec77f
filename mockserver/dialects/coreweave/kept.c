/* Settings that a lane's scenarios change (dialects/settings_kept.h). */
#include "dialects/coreweave/cw_priv.h"

static int change(void *out, const void *from, const char *const *assignments, struct err *err)
{
    return cw_settings_change(out, from, assignments, err);
}

static bool are_same(const void *a, const void *b)
{
    return cw_settings_are_same(a, b);
}

static const struct settings_kind kind = { sizeof(struct cw_settings), change, are_same };

int cw_keep_first(struct cw *cw, const struct cw_settings *settings, struct err *err)
{
    return settings_keep_first(&cw->kept, &kind, settings, err);
}

int cw_prepare_settings(void *self, const char *const *assignments, const void **out_ready, struct err *err)
{
    return settings_prepare(&((struct cw *) self)->kept, assignments, out_ready, err);
}

void cw_use_settings(void *self, const void *ready)
{
    settings_use(&((struct cw *) self)->kept, ready);
}
