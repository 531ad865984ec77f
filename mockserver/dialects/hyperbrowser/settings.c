#include "dialects/hyperbrowser/settings.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "dialects/dialect.h"

const struct hb_settings hb_default_settings = {
#define HB_VALUE(name, value, kind, scope, why) .name = (value),
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
#define HB_TRY(name, default_value, kind, scope, why) \
    if (is_named(assignment, len, #name)) \
        return set_number(&out->name, assignment, value, err);
    HB_NUMBERS(HB_TRY)
#undef HB_TRY
#define HB_TRY(name, default_value, kind, scope, why) \
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

static bool is_token_form(const char *s)
{
    return strcmp(s, "text") == 0 || strcmp(s, "null") == 0 || strcmp(s, "absent") == 0;
}

static bool is_token_expiry(const char *s)
{
    return strcmp(s, "iso") == 0 || strcmp(s, "epoch_ms") == 0 || strcmp(s, "null") == 0;
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
        { "token_form", s->token_form, is_token_form, "text, null or absent" },
        { "token_expiry", s->token_expiry, is_token_expiry, "iso, epoch_ms or null" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (!rows[i].is_good(rows[i].value))
            return err_set(err, ERR_INVALID, 0, "setting \"%s=%.100s\": the value must be %s", rows[i].name,
                           rows[i].value, rows[i].wanted);
    }
    return 0;
}

/* Of what is divided by, or would let nobody come any further. */
static int check_numbers(const struct hb_settings *s, struct err *err)
{
    const struct {
        const char *name;
        int64_t value;
    } rows[] = {
        { "list_limit", s->list_limit },
        { "list_limit_max", s->list_limit_max },
        { "page_size", s->page_size },
        { "page_size_max", s->page_size_max },
        { "keepalive_ms", s->keepalive_ms },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].value == 0)
            return err_set(err, ERR_INVALID, 0, "setting \"%s=0\": the value must be 1 at least", rows[i].name);
    }
    return 0;
}

int hb_settings_change(struct hb_settings *out, const struct hb_settings *from, const char *const *assignments,
                       struct err *err)
{
    struct hb_settings settings = *from;
    for (; assignments != NULL && *assignments != NULL; assignments++) {
        if (apply(&settings, *assignments, err) < 0)
            return -1;
    }
    if (check_texts(&settings, err) < 0 || check_numbers(&settings, err) < 0)
        return -1;
    *out = settings;
    return 0;
}

int hb_settings_parse(struct hb_settings *out, const char *const *assignments, struct err *err)
{
    return hb_settings_change(out, &hb_default_settings, assignments, err);
}

bool hb_settings_are_same(const struct hb_settings *a, const struct hb_settings *b)
{
    bool are_same = true;
#define HB_COMPARE(name, value, kind, scope, why) are_same = are_same && a->name == b->name;
    HB_NUMBERS(HB_COMPARE)
#undef HB_COMPARE
#define HB_COMPARE(name, value, kind, scope, why) are_same = are_same && strcmp(a->name, b->name) == 0;
    HB_TEXTS(HB_COMPARE)
#undef HB_COMPARE
    return are_same;
}

/* ---- for lanes ------------------------------------------------------------------------------ */

/* Other host names would not get past the transport, which knows those of the command line alone. */
static bool is_reachable(const char *host_suffix)
{
    size_t len = strlen(host_suffix), tail = sizeof SANDBOX_HOSTS - 1;
    return len == 0 || (len >= tail && strcmp(host_suffix + len - tail, SANDBOX_HOSTS) == 0);
}

static int check_for_lane(const char *assignment, struct err *err)
{
    struct hb_settings settings;
    const char *const list[] = { assignment, NULL };
    if (hb_settings_parse(&settings, list, err) < 0)
        return -1;
    if (!is_reachable(settings.host_suffix))
        return err_set(err, ERR_INVALID, 0, "setting \"%.100s\": the value must be empty or end in \"" SANDBOX_HOSTS
                       "\"; for other hosts say --set", assignment);
    return 0;
}

enum scope { SERVER, LANES };

static const struct setting rows[] = {
#define HB_ROW(name, value, kind, scope, why) { #name, SETTING_NUMBER, (scope) == LANES },
    HB_NUMBERS(HB_ROW)
#undef HB_ROW
#define HB_ROW(name, value, kind, scope, why) { #name, SETTING_TEXT, (scope) == LANES },
    HB_TEXTS(HB_ROW)
#undef HB_ROW
};

const struct setting_table hb_setting_table = { rows, sizeof rows / sizeof *rows, check_for_lane };

/* ---- telling ------------------------------------------------------------------------------ */

static const char *kind_name(enum hb_setting_kind kind)
{
    return kind == HB_KNOWN ? "known" : "guess";
}

void hb_settings_describe(const struct hb_settings *settings, struct buf *out)
{
#define HB_LINE(name, value, kind, scope, why) \
    buf_printf(out, "%-24s %-10" PRId64 " %s: %s\n", #name, settings->name, kind_name(kind), why);
    HB_NUMBERS(HB_LINE)
#undef HB_LINE
#define HB_LINE(name, value, kind, scope, why) \
    buf_printf(out, "%-24s \"%s\" %s: %s\n", #name, settings->name, kind_name(kind), why);
    HB_TEXTS(HB_LINE)
#undef HB_LINE
}
