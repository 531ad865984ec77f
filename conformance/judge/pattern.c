/* Matching: plain values, arrays and objects.  The operators are in pattern_ops.c. */
#include "judge/pattern_priv.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "judge/show.h"

#define AT_MAX     300 /* bytes of the path in a problem */
#define SHORT_TEXT 80  /* longer outputs are shown by their beginning and where they differ */
#define ESCAPED    4   /* written bytes that most of what must be escaped takes */
#define BEGINNING  40
#define AROUND     30

/* ---- problems ------------------------------------------------------------------------------ */

void problems_fini(struct problems *problems)
{
    for (size_t i = 0; i < problems->count; i++) {
        free(problems->list[i].at);
        free(problems->list[i].expected);
        free(problems->list[i].seen);
    }
    free(problems->list);
    *problems = (struct problems) PROBLEMS_INIT;
}

/* A copy of about `max` bytes at most. */
static char *copy_cut(const char *text, size_t max)
{
    size_t len = strlen(text);
    BUF_AUTO copy = BUF_INIT;
    buf_add(&copy, text, len <= max ? len : utf8_complete_prefix(text, max));
    if (len > max)
        buf_str(&copy, "...");
    char *taken = copy.data;
    copy = (struct buf) BUF_INIT;
    return taken;
}

void problems_add(struct problems *problems, const char *at, const char *expected, const char *seen)
{
    if (problems == NULL || problems->total++ >= PROBLEMS_MAX)
        return;
    struct problem *list = realloc(problems->list, (problems->count + 1) * sizeof *list);
    CHECK(list != NULL);
    problems->list = list;
    struct problem made = { copy_cut(at, AT_MAX), copy_cut(expected, 2 * PROBLEM_TEXT_MAX),
                            copy_cut(seen, 2 * PROBLEM_TEXT_MAX) };
    CHECK(made.at != NULL && made.expected != NULL && made.seen != NULL);
    list[problems->count++] = made;
}

bool pattern_match_wants_problems(const struct match *m)
{
    return m->problems != NULL && m->problems->count < PROBLEMS_MAX;
}

bool pattern_match_miss(struct match *m, const char *expected, const struct cJSON *value)
{
    if (pattern_match_wants_problems(m)) {
        BUF_AUTO seen = BUF_INIT;
        show_value(&seen, value, PROBLEM_TEXT_MAX);
        problems_add(m->problems, buf_cstr(&m->at), expected, buf_cstr(&seen));
    } else if (m->problems != NULL) {
        m->problems->total++;
    }
    return false;
}

/* ---- outputs ------------------------------------------------------------------------------- */

static size_t first_difference(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t len = a_len < b_len ? a_len : b_len, i = 0;
    while (i < len && a[i] == b[i])
        i++;
    return i;
}

/* The beginning, the length, and what stands where it goes wrong. */
static void show_difference(struct buf *out, const char *data, size_t len, size_t at)
{
    show_text(out, data, len, BEGINNING);
    if (at < BEGINNING / ESCAPED && len > BEGINNING)
        return;
    buf_printf(out, "%s at byte %zu: ", len > BEGINNING ? "," : "", at);
    if (at >= len)
        buf_str(out, "the end");
    else
        show_text(out, data + at, len - at < AROUND ? len - at : AROUND, ESCAPED * AROUND);
}

static void note_difference(struct match *m, const char *data, size_t len, const struct output *seen)
{
    BUF_AUTO wanted_text = BUF_INIT;
    BUF_AUTO seen_text = BUF_INIT;
    if (len <= SHORT_TEXT && seen->len <= SHORT_TEXT) {
        show_text(&wanted_text, data, len, ESCAPED * SHORT_TEXT);
        show_text(&seen_text, seen->data, seen->len, ESCAPED * SHORT_TEXT);
    } else {
        size_t at = first_difference(data, len, seen->data, seen->len);
        show_difference(&wanted_text, data, len, at);
        show_difference(&seen_text, seen->data, seen->len, at);
    }
    problems_add(m->problems, buf_cstr(&m->at), buf_cstr(&wanted_text), buf_cstr(&seen_text));
}

bool pattern_match_output(struct match *m, const char *data, size_t len, bool lenient, const struct cJSON *value)
{
    OUTPUT_AUTO seen = OUTPUT_INIT;
    if (!(lenient ? output_read_joined(value, &seen) : output_read(value, &seen))) {
        BUF_AUTO wanted = BUF_INIT;
        show_text(&wanted, data, len, PROBLEM_TEXT_MAX);
        return pattern_match_miss(m, buf_cstr(&wanted), value);
    }
    if (lenient ? output_is(&seen, data, len) : output_equals(&seen, data, len))
        return true;
    if (pattern_match_wants_problems(m))
        note_difference(m, data, len, &seen);
    else if (m->problems != NULL)
        m->problems->total++;
    return false;
}

/* ---- values -------------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
    const cJSON *const *x = a, *const *y = b;
    return strcmp((*x)->string, (*y)->string);
}

/* The members in the order of their names; free it. */
static const cJSON **sorted_members(const cJSON *object, size_t count)
{
    const cJSON **list = malloc((count + 1) * sizeof *list), *member;
    size_t n = 0;
    CHECK(list != NULL);
    cJSON_ArrayForEach(member, object) list[n++] = member;
    qsort(list, n, sizeof *list, by_name);
    return list;
}

static bool objects_equal(const cJSON *a, const cJSON *b)
{
    size_t count = (size_t) cJSON_GetArraySize(a);
    if (count != (size_t) cJSON_GetArraySize(b))
        return false;
    const cJSON **x = sorted_members(a, count), **y = sorted_members(b, count);
    bool same = true;
    for (size_t i = 0; i < count && same; i++)
        same = strcmp(x[i]->string, y[i]->string) == 0 && pattern_equals(x[i], y[i]);
    free(x);
    free(y);
    return same;
}

static bool arrays_equal(const cJSON *a, const cJSON *b)
{
    for (a = a->child, b = b->child; a != NULL && b != NULL; a = a->next, b = b->next) {
        if (!pattern_equals(a, b))
            return false;
    }
    return a == b;
}

bool pattern_equals(const struct cJSON *a, const struct cJSON *b)
{
    OUTPUT_AUTO x = OUTPUT_INIT;
    OUTPUT_AUTO y = OUTPUT_INIT;
    if (a == NULL || b == NULL)
        return a == b;
    if (output_read(a, &x))
        return output_read(b, &y) && output_equals(&x, y.data, y.len);
    if (cJSON_IsNumber(a) && cJSON_IsNumber(b))
        return a->valuedouble >= b->valuedouble && a->valuedouble <= b->valuedouble;
    if ((a->type & 0xFF) != (b->type & 0xFF))
        return false;
    return cJSON_IsObject(a) ? objects_equal(a, b) : !cJSON_IsArray(a) || arrays_equal(a, b);
}

static const cJSON *find_outcome(const cJSON *outcomes, const char *step, size_t len)
{
    const cJSON *outcome;
    cJSON_ArrayForEach(outcome, outcomes)
    {
        const cJSON *name = json_get(outcome, "step");
        if (cJSON_IsString(name) && strlen(name->valuestring) == len && memcmp(name->valuestring, step, len) == 0)
            return outcome;
    }
    return NULL;
}

static const cJSON *child_named(const cJSON *node, const char *token, size_t len)
{
    char name[100], *end;
    if (len == 0 || len >= sizeof name)
        return NULL;
    memcpy(name, token, len);
    name[len] = '\0';
    if (!cJSON_IsArray(node))
        return json_get(node, name);
    unsigned long index = strtoul(name, &end, 10);
    bool is_index = name[0] >= '0' && name[0] <= '9' && *end == '\0' && index < JSON_MAX_VALUES;
    return is_index ? cJSON_GetArrayItem(node, (int) index) : NULL;
}

const struct cJSON *pattern_value_at(const struct cJSON *outcomes, const char *path)
{
    size_t len = strcspn(path, ".");
    const cJSON *node = find_outcome(outcomes, path, len);
    for (path += len; node != NULL && *path == '.'; path += len) {
        path++;
        len = strcspn(path, ".");
        node = child_named(node, path, len);
    }
    return node;
}

/* ---- matching ------------------------------------------------------------------------------ */

static bool match_scalar(struct match *m, const cJSON *pattern, const cJSON *value)
{
    if (cJSON_IsString(pattern)) {
        OUTPUT_AUTO wanted = OUTPUT_INIT;
        CHECK(output_read(pattern, &wanted));
        return pattern_match_output(m, wanted.data, wanted.len, false, value);
    }
    if (value != NULL && pattern_equals(pattern, value))
        return true;
    BUF_AUTO wanted = BUF_INIT;
    if (pattern_match_wants_problems(m))
        show_value(&wanted, pattern, PROBLEM_TEXT_MAX);
    return pattern_match_miss(m, buf_cstr(&wanted), value);
}

bool pattern_match_below(struct match *m, const char *what, const struct cJSON *pattern, const struct cJSON *value)
{
    size_t len = m->at.len;
    if (m->problems != NULL)
        buf_str(&m->at, what);
    bool fine = pattern_match_node(m, pattern, value);
    if (m->problems != NULL) {
        m->at.len = len;
        m->at.data[len] = '\0';
    }
    return fine;
}

bool pattern_match_element(struct match *m, size_t index, const struct cJSON *pattern, const struct cJSON *value)
{
    char what[24];
    snprintf(what, sizeof what, ".%zu", index);
    return pattern_match_below(m, what, pattern, value);
}

bool pattern_match_quietly(const struct match *m, const struct cJSON *pattern, const struct cJSON *value)
{
    struct match quiet = { .outcomes = m->outcomes, .at = BUF_INIT };
    return pattern_match_node(&quiet, pattern, value);
}

/* How many elements an array must have. */
static bool match_count(struct match *m, const cJSON *pattern, const cJSON *value)
{
    int wanted = cJSON_GetArraySize(pattern);
    if (cJSON_IsArray(value) && cJSON_GetArraySize(value) == wanted)
        return true;
    BUF_AUTO text = BUF_INIT;
    if (pattern_match_wants_problems(m)) {
        buf_printf(&text, "%d element%s: ", wanted, wanted == 1 ? "" : "s");
        pattern_describe_node(pattern, &text, PROBLEM_TEXT_MAX);
    }
    return pattern_match_miss(m, buf_cstr(&text), value);
}

static bool match_array(struct match *m, const cJSON *pattern, const cJSON *value)
{
    if (!match_count(m, pattern, value))
        return false;
    const cJSON *element, *seen = value->child;
    size_t index = 0;
    bool fine = true;
    cJSON_ArrayForEach(element, pattern)
    {
        fine = pattern_match_element(m, index++, element, seen) && fine;
        if (!fine && m->problems == NULL)
            return false;
        seen = seen->next;
    }
    return fine;
}

static bool match_object(struct match *m, const cJSON *pattern, const cJSON *value)
{
    if (!cJSON_IsObject(value)) {
        BUF_AUTO text = BUF_INIT;
        if (pattern_match_wants_problems(m))
            pattern_describe_node(pattern, &text, PROBLEM_TEXT_MAX);
        return pattern_match_miss(m, buf_cstr(&text), value);
    }
    bool fine = true;
    const cJSON *member;
    cJSON_ArrayForEach(member, pattern)
    {
        BUF_AUTO what = BUF_INIT;
        if (m->problems != NULL)
            buf_printf(&what, ".%s", member->string);
        /* cJSON's own, since json_get takes null for absent. */
        fine =
            pattern_match_below(m, buf_cstr(&what), member, cJSON_GetObjectItemCaseSensitive(value, member->string)) &&
            fine;
        if (!fine && m->problems == NULL)
            return false;
    }
    return fine;
}

static bool match_ops(struct match *m, const cJSON *pattern, const cJSON *value)
{
    bool fine = true;
    const cJSON *member;
    cJSON_ArrayForEach(member, pattern)
    {
        fine = pattern_known_op(member->string)->match(m, member, value) && fine;
        if (!fine && m->problems == NULL)
            return false;
    }
    return fine;
}

bool pattern_match_node(struct match *m, const struct cJSON *pattern, const struct cJSON *value)
{
    if (cJSON_IsArray(pattern))
        return match_array(m, pattern, value);
    if (!cJSON_IsObject(pattern))
        return match_scalar(m, pattern, value);
    return pattern_is_ops(pattern) ? match_ops(m, pattern, value) : match_object(m, pattern, value);
}

bool pattern_match(const struct cJSON *pattern, const struct cJSON *value, const struct cJSON *outcomes, const char *at,
                   struct problems *problems)
{
    struct match m = { .outcomes = outcomes, .problems = problems, .at = BUF_INIT };
    if (problems != NULL)
        buf_str(&m.at, at);
    bool fine = pattern_match_node(&m, pattern, value);
    buf_fini(&m.at);
    return fine;
}
