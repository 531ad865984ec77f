#include "dialects/hyperbrowser/settings.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

const struct hb_settings hb_default_settings = {
#define HB_VALUE(name, value, kind, why) .name = (value),
    HB_NUMBERS(HB_VALUE) HB_TEXTS(HB_VALUE)
#undef HB_VALUE
};

/* ---- assignments -------------------------------------------------------------------------- */

/* Numbers beyond this would overflow when they are added up. */
#define NUMBER_MAX (INT64_MAX / 1024)

static int set_number(int64_t *out, const char *assignment, const char *value, struct err *err)
{
    char *end;
    errno = 0;
    long long n = strtoll(value, &end, 10);
    if (end == value || *end != '\0' || errno != 0 || n < 0 || n > NUMBER_MAX)
        return err_set(err, ERR_INVALID, 0, "setting \"%.100s\": the value must be a whole number, not below 0",
                       assignment);
    *out = n;
    return 0;
}

static bool is_named(const char *assignment, size_t len, const char *name)
{
    return strlen(name) == len && memcmp(assignment, name, len) == 0;
}

static int apply(struct hb_settings *out, const char *assignment, struct err *err)
{
    size_t len = strcspn(assignment, "=");
    const char *value = assignment + len + (assignment[len] == '=');
    if (assignment[len] != '=')
        return err_set(err, ERR_INVALID, 0, "setting \"%.100s\": needs a value (NAME=VALUE)", assignment);
#define HB_TRY(name, default_value, kind, why) \
    if (is_named(assignment, len, #name)) \
        return set_number(&out->name, assignment, value, err);
    HB_NUMBERS(HB_TRY)
#undef HB_TRY
#define HB_TRY(name, default_value, kind, why) \
    if (is_named(assignment, len, #name)) { \
        out->name = value; \
        return 0; \
    }
    HB_TEXTS(HB_TRY)
#undef HB_TRY
    return err_set(err, ERR_INVALID, 0, "setting \"%.100s\": there is none of that name (--print-config lists them)",
                   assignment);
}

int hb_settings_parse(struct hb_settings *out, const char *const *assignments, struct err *err)
{
    struct hb_settings settings = hb_default_settings;
    for (; assignments != NULL && *assignments != NULL; assignments++) {
        if (apply(&settings, *assignments, err) < 0)
            return -1;
    }
    *out = settings;
    return 0;
}

/* ---- telling ------------------------------------------------------------------------------ */

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
