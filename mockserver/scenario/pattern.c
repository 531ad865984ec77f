#include "scenario/pattern.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "scenario/ere.h"

static int init(struct pattern *out_pattern, enum pattern_kind kind, const char *text, struct err *err)
{
    char *copy = strdup(text);
    if (copy == NULL)
        return err_set(err, ERR_NOMEM, 0, "pattern");
    *out_pattern = (struct pattern){ .kind = kind, .text = copy };
    return 0;
}

int pattern_init_text(struct pattern *out_pattern, const char *text, struct err *err)
{
    bool is_glob = strpbrk(text, "*?") != NULL;
    if (is_glob && strlen(text) > PATTERN_MAX_GLOB)
        return err_set(err, ERR_LIMIT, 0, "a text with * or ? in it of %zu bytes (limit %d)", strlen(text),
                       PATTERN_MAX_GLOB);
    return init(out_pattern, is_glob ? PATTERN_GLOB : PATTERN_EXACT, text, err);
}

int pattern_init_regex(struct pattern *out_pattern, const char *regex, struct err *err)
{
    struct ere *ere;
    if (ere_compile(&ere, regex, err) < 0)
        return -1;
    if (init(out_pattern, PATTERN_ERE, regex, err) < 0) {
        ere_free(ere);
        return -1;
    }
    out_pattern->ere = ere;
    return 0;
}

void pattern_fini(struct pattern *pattern)
{
    free(pattern->text);
    ere_free(pattern->ere);
    *pattern = (struct pattern){ .kind = PATTERN_ABSENT };
}

size_t pattern_cost(const struct pattern *pattern)
{
    if (pattern->kind == PATTERN_ERE)
        return ere_size(pattern->ere);
    return pattern->kind == PATTERN_GLOB ? strlen(pattern->text) : 0;
}

static size_t one_character(const char *s, const char *end)
{
    uint32_t point;
    return utf8_next(s, (size_t) (end - s), &point);
}

/* Does the pattern's next element take the subject's next character?  How far both go on. */
static bool takes_one(const char *p, const char *s, const char *end, size_t *out_p, size_t *out_s)
{
    if (s == end || *p == '\0')
        return false;
    *out_p = 1;
    *out_s = 1;
    if (*p == '?') {
        *out_s = one_character(s, end);
        return true;
    }
    if (*p == '\\' && (p[1] == '*' || p[1] == '?')) {
        *out_p = 2;
        p++;
    }
    return *p == *s;
}

/* Only the last star needs another try: at most (pattern) x (subject) steps. */
static bool glob_holds(const char *p, const char *s, const char *end)
{
    const char *star = NULL, *star_s = s;
    size_t dp, ds;
    while (s < end || *p != '\0') {
        if (*p == '*') {
            star = ++p;
            star_s = s;
        } else if (takes_one(p, s, end, &dp, &ds)) {
            p += dp;
            s += ds;
        } else if (star != NULL && star_s < end) {
            star_s += one_character(star_s, end);
            p = star;
            s = star_s;
        } else {
            return false;
        }
    }
    return true;
}

bool pattern_holds(const struct pattern *pattern, const char *subject)
{
    if (subject == NULL || pattern->kind == PATTERN_ABSENT)
        return subject == NULL && pattern->kind == PATTERN_ABSENT;
    if (pattern->kind == PATTERN_ERE)
        return ere_search(pattern->ere, subject, strlen(subject));
    if (strcmp(pattern->text, subject) == 0)
        return true;
    return pattern->kind == PATTERN_GLOB &&
           glob_holds(pattern->text, subject, subject + strnlen(subject, ERE_MAX_SUBJECT));
}
