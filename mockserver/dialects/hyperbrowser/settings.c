#include "dialects/hyperbrowser/settings.h"

#include <inttypes.h>

const struct hb_settings hb_default_settings = {
#define HB_VALUE(name, value, kind, why) .name = (value),
    HB_NUMBERS(HB_VALUE) HB_TEXTS(HB_VALUE)
#undef HB_VALUE
};

static const char *kind_name(enum hb_setting_kind kind)
{
    return kind == HB_KNOWN ? "known" : "guess";
}

void hb_settings_describe(const struct hb_settings *settings, struct buf *out)
{
#define HB_LINE(name, value, kind, why) \
    buf_printf(out, "%-24s %-10" PRId64 " %s: %s\n", #name, settings->name, kind_name(kind), why);
    HB_NUMBERS(HB_LINE)
#undef HB_LINE
#define HB_LINE(name, value, kind, why) \
    buf_printf(out, "%-24s \"%s\" %s: %s\n", #name, settings->name, kind_name(kind), why);
    HB_TEXTS(HB_LINE)
#undef HB_LINE
}
