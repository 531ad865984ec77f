/* Axes: one case written once, run in each combination of some values. */
#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "judge/case_priv.h"
#include "judge/show.h"

#define MAX_COMBINATIONS 500
#define MAX_AXES         16

/* ---- checking ------------------------------------------------------------------------------ */

static bool is_axis_name(const char *name)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    return name[0] >= 'A' && name[0] <= 'Z' && strspn(name, letters) == strlen(name) && strlen(name) <= 40;
}

/* What stands in an id without trouble in shells, wildcards and lists of ids. */
static bool is_id_text(const char *text)
{
    size_t len = strlen(text);
    for (size_t i = 0; i < len; i++) {
        if (text[i] <= ' ' || text[i] > '~' || strchr("/*?'\"`\\$#,", text[i]) != NULL)
            return false;
    }
    return len > 0 && len <= 40;
}

static bool is_whole(const cJSON *value)
{
    return cJSON_IsNumber(value) && fabs(value->valuedouble) < 1e15 && floor(value->valuedouble) >= value->valuedouble;
}

/* {"name": "empty-list", "value": [...]}: any value, with a name for the id. */
static bool is_named(const cJSON *element)
{
    return cJSON_IsString(json_get(element, "name")) && cJSON_GetArraySize(element) == 2 &&
           cJSON_GetObjectItemCaseSensitive(element, "value") != NULL;
}

/* How an element stands in an id; nothing is appended when it cannot. */
static void put_id_text(const cJSON *element, struct buf *out)
{
    const cJSON *shown = is_named(element) ? json_get(element, "name") : element;
    if (cJSON_IsString(shown) && is_id_text(shown->valuestring))
        buf_str(out, shown->valuestring);
    else if (shown == element && (cJSON_IsBool(element) || is_whole(element)))
        json_print(out, element);
}

static const cJSON *value_of(const cJSON *element)
{
    return is_named(element) ? cJSON_GetObjectItemCaseSensitive(element, "value") : element;
}

static bool stands_before(const cJSON *first, const cJSON *element, const struct buf *text)
{
    for (; first != element; first = first->next) {
        BUF_AUTO other = BUF_INIT;
        put_id_text(first, &other);
        if (strcmp(buf_cstr(&other), buf_cstr(text)) == 0)
            return true;
    }
    return false;
}

static int check_axis(const struct reader *r, const cJSON *axis, struct err *err)
{
    const cJSON *value;
    if (!is_axis_name(axis->string))
        return shape_complain(r, axis, err, "the name of an axis is a capital letter, then letters and digits");
    if (shape_check_kind(r, KIND_ARRAY, axis, err) < 0)
        return -1;
    if (cJSON_GetArraySize(axis) > MAX_COMBINATIONS)
        return shape_complain(r, axis, err, "more than %d values", MAX_COMBINATIONS);
    cJSON_ArrayForEach(value, axis)
    {
        BUF_AUTO text = BUF_INIT;
        put_id_text(value, &text);
        if (text.len == 0)
            return shape_complain(r, value, err,
                                  "a value of an axis is a whole number, true, false, or a short text "
                                  "without blanks and quotes, since it becomes part of the id; else give it a name: "
                                  "{\"name\": ..., \"value\": ...}");
        if (stands_before(axis->child, value, &text))
            return shape_complain(r, value, err, "this value stands here twice");
    }
    return 0;
}

size_t axes_count(const struct reader *r, const struct cJSON *axes, struct err *err)
{
    size_t count = 1;
    const cJSON *axis;
    if (axes == NULL)
        return 1;
    if (shape_check_kind(r, KIND_OBJECT, axes, err) < 0)
        return 0;
    if (axes->child == NULL || cJSON_GetArraySize(axes) > MAX_AXES) {
        shape_complain(r, axes, err, "from 1 to %d axes", MAX_AXES);
        return 0;
    }
    cJSON_ArrayForEach(axis, axes)
    {
        if (check_axis(r, axis, err) < 0)
            return 0;
        count *= (size_t) cJSON_GetArraySize(axis);
        if (count > MAX_COMBINATIONS) {
            shape_complain(r, axes, err, "more than %d combinations", MAX_COMBINATIONS);
            return 0;
        }
    }
    return count;
}

/* ---- putting values in --------------------------------------------------------------------- */

struct choice {
    const cJSON *axis[MAX_AXES], *element[MAX_AXES];
    bool is_used[MAX_AXES];
    const cJSON *axes_copy;
    size_t count;
};

/* The last axis turns fastest, as the digits of a number do. */
static void choose(struct choice *c, const cJSON *axes, size_t index)
{
    const cJSON *axis;
    cJSON_ArrayForEach(axis, axes) c->axis[c->count++] = axis;
    for (size_t i = c->count; i-- > 0;) {
        size_t values = (size_t) cJSON_GetArraySize(c->axis[i]);
        c->element[i] = cJSON_GetArrayItem(c->axis[i], (int) (index % values));
        index /= values;
    }
}

/* Which axis is named at `text` ("${Split}...")?  Its number and how long that is; -1: none. */
static int find_reference(const struct choice *c, const char *text, size_t *out_len)
{
    for (size_t i = 0; i < c->count; i++) {
        size_t len = strlen(c->axis[i]->string);
        if (strncmp(text, "${", 2) == 0 && strncmp(text + 2, c->axis[i]->string, len) == 0 && text[2 + len] == '}') {
            *out_len = len + 3;
            return (int) i;
        }
    }
    return -1;
}

/* In the middle of a text: a text as it is, anything else as JSON. */
static void put_value(const cJSON *value, struct buf *out)
{
    if (cJSON_IsString(value))
        buf_str(out, value->valuestring);
    else
        json_print(out, value);
}

/* The text with all references replaced. */
static void put_in(struct choice *c, const char *text, struct buf *out)
{
    while (*text != '\0') {
        size_t len = 1;
        int axis = find_reference(c, text, &len);
        if (axis < 0) {
            buf_char(out, *text++);
            continue;
        }
        c->is_used[axis] = true;
        put_value(value_of(c->element[axis]), out);
        text += len;
    }
}

/* What a text becomes; NULL: no memory. */
static cJSON *replacement(struct choice *c, const char *text)
{
    size_t len = 0;
    int axis = find_reference(c, text, &len);
    if (axis >= 0 && len == strlen(text)) {
        c->is_used[axis] = true;
        return cJSON_Duplicate(value_of(c->element[axis]), 1);
    }
    BUF_AUTO made = BUF_INIT;
    put_in(c, text, &made);
    return made.failed ? NULL : cJSON_CreateString(buf_cstr(&made));
}

/* Changes `made` into what stands at `node`, name and neighbours kept. */
static void take_content(cJSON *node, cJSON *made)
{
    cJSON content = *made;
    made->type = node->type;
    made->valuestring = node->valuestring;
    made->child = NULL;
    node->type = content.type;
    node->valuestring = content.valuestring;
    node->child = content.child;
    node->valueint = content.valueint;
    node->valuedouble = content.valuedouble;
    cJSON_Delete(made);
}

static bool replace_below(struct choice *c, cJSON *node)
{
    cJSON *child;
    if (cJSON_IsString(node)) {
        if (strstr(node->valuestring, "${") == NULL)
            return true;
        cJSON *made = replacement(c, node->valuestring);
        if (made != NULL)
            take_content(node, made);
        return made != NULL;
    }
    cJSON_ArrayForEach(child, node)
    {
        bool is_axes = child == c->axes_copy; /* a value is not looked into for others */
        if (!is_axes && !replace_below(c, child))
            return false;
    }
    return true;
}

static const cJSON *find_unused(const struct choice *c)
{
    for (size_t i = 0; i < c->count; i++) {
        if (!c->is_used[i])
            return c->axis[i];
    }
    return NULL;
}

struct cJSON *axes_apply(const struct cJSON *case_json, const struct cJSON *axes, size_t index, struct buf *suffix,
                         const struct cJSON **out_unused)
{
    struct choice c = { .count = 0 };
    cJSON *copy = cJSON_Duplicate(case_json, 1);
    if (axes == NULL)
        return copy;
    choose(&c, axes, index);
    c.axes_copy = cJSON_GetObjectItemCaseSensitive(copy, "axes");
    if (copy == NULL || !replace_below(&c, copy)) {
        cJSON_Delete(copy);
        return NULL;
    }
    for (size_t i = 0; i < c.count; i++) {
        buf_printf(suffix, "/%s:", c.axis[i]->string);
        put_id_text(c.element[i], suffix);
    }
    *out_unused = find_unused(&c);
    return copy;
}
