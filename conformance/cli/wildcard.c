#include "cli/wildcard.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/lines.h"

/* ---- one pattern ------------------------------------------------------------------------ */

static bool is_word(const char *component, size_t len, const char *word)
{
    return len == strlen(word) && memcmp(component, word, len) == 0;
}

static const char *component_end(const char *p)
{
    return p + strcspn(p, "/");
}

int wildcard_check(const char *pattern, struct err *err)
{
    if (*pattern == '\0')
        return err_set(err, ERR_INVALID, 0, "an empty pattern matches nothing");
    for (const char *p = pattern;; p++) {
        const char *end = component_end(p);
        size_t len = (size_t) (end - p);
        if (len == 0)
            return err_set(err, ERR_INVALID, 0, "\"%.100s\" has an empty component", pattern);
        if (memchr(p, '*', len) != NULL && !is_word(p, len, "*") && !is_word(p, len, "**"))
            return err_set(err, ERR_INVALID, 0,
                           "\"%.100s\": \"%.*s\" mixes text and *; a component is a name, * (any one) or ** (any "
                           "number)",
                           pattern, (int) len, p);
        if (*end == '\0')
            return 0;
        p = end;
    }
}

/* `id` is NULL when it is used up. */
static bool matches(const char *pattern, const char *id)
{
    if (pattern == NULL)
        return id == NULL;
    const char *end = component_end(pattern);
    const char *rest = *end == '/' ? end + 1 : NULL;
    size_t len = (size_t) (end - pattern);
    bool is_any_number = is_word(pattern, len, "**");
    if (is_any_number && matches(rest, id))
        return true;
    if (id == NULL)
        return false;
    const char *id_end = component_end(id);
    const char *id_rest = *id_end == '/' ? id_end + 1 : NULL;
    if (is_any_number)
        return matches(pattern, id_rest);
    size_t id_len = (size_t) (id_end - id);
    if (!is_word(pattern, len, "*") && !(len == id_len && memcmp(pattern, id, len) == 0))
        return false;
    return matches(rest, id_rest);
}

bool wildcard_matches(const char *pattern, const char *id)
{
    return matches(pattern, id);
}

bool wildcard_is_exact(const char *pattern)
{
    return strchr(pattern, '*') == NULL;
}

/* ---- a list ----------------------------------------------------------------------------- */

static void free_row(struct wildcard_row *row)
{
    free(row->pattern);
    free(row->place);
}

static void cut_to(struct wildcards *w, size_t count)
{
    while (w->count > count)
        free_row(&w->rows[--w->count]);
}

void wildcards_fini(struct wildcards *w)
{
    cut_to(w, 0);
    free(w->rows);
    *w = (struct wildcards) { NULL, 0 };
}

static int add_one(struct wildcards *w, const char *pattern, const char *place, struct err *err)
{
    if (wildcard_check(pattern, err) != 0)
        return err_wrap(err, "%s", place);
    struct wildcard_row *grown = realloc(w->rows, (w->count + 1) * sizeof *grown);
    if (grown == NULL)
        return err_set(err, ERR_NOMEM, 0, "patterns");
    w->rows = grown;
    struct wildcard_row row = { strdup(pattern), strdup(place), false };
    if (row.pattern == NULL || row.place == NULL) {
        free_row(&row);
        return err_set(err, ERR_NOMEM, 0, "patterns");
    }
    w->rows[w->count++] = row;
    return 0;
}

static int add_line(void *list, char *line, const char *place, struct err *err)
{
    return add_one(list, line, place, err);
}

int wildcards_add(struct wildcards *w, const char *pattern, const char *place, struct err *err)
{
    size_t before = w->count;
    int rc = pattern[0] == '@' ? lines_read(pattern + 1, add_line, w, err) : add_one(w, pattern, place, err);
    if (rc != 0)
        cut_to(w, before);
    return rc;
}

bool wildcards_match(struct wildcards *w, const char *id)
{
    bool found = false;
    for (size_t i = 0; i < w->count; i++) {
        if (wildcard_matches(w->rows[i].pattern, id))
            found = w->rows[i].is_used = true;
    }
    return found;
}

const struct wildcard_row *wildcards_unused(const struct wildcards *w)
{
    for (size_t i = 0; i < w->count; i++) {
        if (!w->rows[i].is_used)
            return &w->rows[i];
    }
    return NULL;
}
