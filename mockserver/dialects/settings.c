#include "dialects/settings.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Numbers beyond this would overflow when they are added up. */
#define NUMBER_MAX (INT64_MAX / 1024)

static int set_number(const struct setting_row *setting, int64_t *out, const char *assignment, const char *value,
                      struct err *err)
{
    char *end;
    errno = 0;
    long long n = strtoll(value, &end, 10);
    int64_t max = setting->max > 0 ? setting->max : NUMBER_MAX;
    if (end == value || *end != '\0' || errno != 0 || n < 0 || n > max)
        return err_set(err, ERR_INVALID, 0, "setting \"%.100s\": the value must be a whole number from 0 to %" PRId64,
                       assignment, max);
    *out = n;
    return 0;
}

static int set_word(const struct setting_row *setting, const char **out, const char *assignment, const char *value,
                    struct err *err)
{
    BUF_AUTO all = BUF_INIT;
    for (const char *const *word = setting->words; *word != NULL; word++) {
        if (strcmp(*word, value) == 0) {
            *out = value;
            return 0;
        }
        buf_printf(&all, "%s\"%s\"", all.len == 0 ? "" : ", ", *word);
    }
    return err_set(err, ERR_INVALID, 0, "setting \"%.100s\": the value must be one of %s", assignment, buf_cstr(&all));
}

static int set_text(const struct setting_row *setting, const char **out, const char *assignment, const char *value,
                    struct err *err)
{
    if (setting->words != NULL)
        return set_word(setting, out, assignment, value, err);
    if (setting->is_text[0] == '/' && value[0] != '/')
        return err_set(err, ERR_INVALID, 0, "setting \"%.100s\": the value must be an absolute path", assignment);
    *out = value;
    return 0;
}

static int apply(void *settings, const struct setting_row *table, size_t count, const char *assignment, struct err *err)
{
    size_t len = strcspn(assignment, "=");
    const char *value = assignment + len + 1;
    if (assignment[len] != '=')
        return err_set(err, ERR_INVALID, 0, "setting \"%.100s\": needs a value (NAME=VALUE)", assignment);
    for (size_t i = 0; i < count; i++) {
        void *field = (char *) settings + table[i].offset;
        if (strlen(table[i].name) != len || memcmp(table[i].name, assignment, len) != 0)
            continue;
        return table[i].is_text == NULL ? set_number(&table[i], field, assignment, value, err)
                                        : set_text(&table[i], field, assignment, value, err);
    }
    return err_set(err, ERR_INVALID, 0, "setting \"%.100s\": there is none of that name (--print-config lists them)",
                   assignment);
}

int settings_apply(void *settings, const struct setting_row *table, size_t count, const char *const *assignments,
                   struct err *err)
{
    for (; assignments != NULL && *assignments != NULL; assignments++) {
        if (apply(settings, table, count, *assignments, err) < 0)
            return -1;
    }
    return 0;
}

bool settings_are_same(const void *a, const void *b, const struct setting_row *table, size_t count)
{
    bool are_same = true;
    for (size_t i = 0; i < count && are_same; i++) {
        const void *left = (const char *) a + table[i].offset, *right = (const char *) b + table[i].offset;
        are_same = table[i].is_text == NULL
                       ? *(const int64_t *) left == *(const int64_t *) right
                       : strcmp(*(const char *const *) left, *(const char *const *) right) == 0;
    }
    return are_same;
}

void settings_tell(const void *settings, const struct setting_row *table, size_t count, struct buf *out)
{
    static const char *const sources[] = { [SETTING_KNOWN] = "known", [SETTING_GUESS] = "guess" };
    for (size_t i = 0; i < count; i++) {
        const void *field = (const char *) settings + table[i].offset;
        if (table[i].is_text == NULL)
            buf_printf(out, "%-24s %-10" PRId64 " %s: %s\n", table[i].name, *(const int64_t *) field,
                       sources[table[i].source], table[i].why);
        else
            buf_printf(out, "%-24s \"%s\" %s: %s\n", table[i].name, *(const char *const *) field,
                       sources[table[i].source], table[i].why);
    }
}
