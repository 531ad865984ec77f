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

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"

static bool is_user_name(const char *s)
{
    size_t len = strlen(s);
    return len > 0 && len <= 32 && strchr(DIGITS "-", *s) == NULL && s[strspn(s, LOWER DIGITS "_-")] == '\0';
}

static bool is_program(const char *s)
{
    return *s == '/';
}

static bool is_exit_code_rule(const char *s)
{
    return strcmp(s, "null") == 0 || strcmp(s, "-1") == 0 || strcmp(s, "128+n") == 0;
}

static bool is_host_suffix(const char *s)
{
    return *s == '\0' || (*s == '.' && s[1] != '\0' && s[strspn(s, LOWER DIGITS ".-")] == '\0');
}

static int check_texts(const struct hb_settings *s, struct err *err)
{
    const struct {
        const char *name, *value;
        bool (*is_good)(const char *value);
        const char *wanted;
    } rows[] = {
        { "user", s->user, is_user_name, "a user name of lower-case letters, digits, _ and -" },
        { "shell", s->shell, is_program, "the absolute path of a program" },
        { "killed_exit_code", s->killed_exit_code, is_exit_code_rule, "null, -1 or 128+n" },
        { "host_suffix", s->host_suffix, is_host_suffix, "empty, or a dot and a host name in lower case" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (!rows[i].is_good(rows[i].value))
            return err_set(err, ERR_INVALID, 0, "setting \"%s=%.100s\": the value must be %s", rows[i].name,
                           rows[i].value, rows[i].wanted);
    }
    return 0;
}

int hb_settings_parse(struct hb_settings *out, const char *const *assignments, struct err *err)
{
    struct hb_settings settings = hb_default_settings;
    for (; assignments != NULL && *assignments != NULL; assignments++) {
        if (apply(&settings, *assignments, err) < 0)
            return -1;
    }
    if (check_texts(&settings, err) < 0)
        return -1;
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
