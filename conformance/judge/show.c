#include "judge/show.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/jsonw.h"
#include "base/text.h"
#include "judge/output.h"

#define CLIP_CHILDREN 1000 /* of an array or object in a copy */

/* ---- text for people ----------------------------------------------------------------------- */

/* Characters that a terminal or a page would not show, or show somewhere else. */
static bool is_visible(uint32_t c)
{
    static const struct {
        uint32_t from, to;
    } hidden[] = { { 0, 0x1F },        { 0x7F, 0x9F },     { 0xAD, 0xAD },     { 0x200B, 0x200F },  { 0x2028, 0x202E },
                   { 0x2060, 0x206F }, { 0xFEFF, 0xFEFF }, { 0xFFF9, 0xFFFB }, { 0xE0000, 0xE0FFF } };
    for (size_t i = 0; i < sizeof hidden / sizeof hidden[0]; i++) {
        if (c >= hidden[i].from && c <= hidden[i].to)
            return false;
    }
    return true;
}

static void put_character(struct buf *out, const char *bytes, size_t len, uint32_t point)
{
    if (point == UTF8_BAD || point == UTF8_CUT) {
        for (size_t i = 0; i < len; i++)
            buf_printf(out, "\\x%02x", (unsigned char) bytes[i]);
    } else if (point == '"' || point == '\\') {
        buf_printf(out, "\\%c", (char) point);
    } else if (point == '\n' || point == '\t' || point == '\r') {
        buf_printf(out, "\\%c", point == '\n' ? 'n' : point == '\t' ? 't' : 'r');
    } else if (is_visible(point)) {
        buf_add(out, bytes, len);
    } else {
        buf_printf(out, "\\u{%" PRIx32 "}", point);
    }
}

/* `total`: how long all of it is, of which `text` is (the beginning).  What is escaped takes more room: it is the
   written text that is bounded. */
static void show_part(struct buf *out, const char *text, size_t len, size_t max, size_t total)
{
    size_t i = 0, limit = out->len + max;
    buf_char(out, '"');
    while (i < len && out->len <= limit) {
        uint32_t point;
        size_t n = utf8_next(text + i, len - i, &point);
        put_character(out, text + i, n, point);
        i += n;
    }
    buf_str(out, i < total ? "...\"" : "\"");
    if (i < total)
        buf_printf(out, " (%zu bytes)", total);
}

void show_text(struct buf *out, const char *text, size_t len, size_t max)
{
    show_part(out, text, len, max, len);
}

static bool is_same(double a, double b)
{
    return a >= b && a <= b;
}

/* As short as it can be read again. */
static void show_number(struct buf *out, double d)
{
    char text[40];
    if (d == floor(d) && fabs(d) < 9007199254740992.0)
        buf_printf(out, "%" PRId64, (int64_t) d);
    else if (snprintf(text, sizeof text, "%.15g", d) > 0 && is_same(strtod(text, NULL), d))
        buf_str(out, text);
    else
        buf_printf(out, "%.17g", d);
}

static bool is_base64_object(const cJSON *value)
{
    return cJSON_IsObject(value) && value->child != NULL && value->child->next == NULL &&
           strcmp(value->child->string, "base64") == 0 && cJSON_IsString(value->child);
}

/* Only as much is decoded as is shown. */
static bool show_bytes(struct buf *out, const char *digits, size_t max)
{
    BUF_AUTO bytes = BUF_INIT;
    struct err why;
    size_t len = strlen(digits), some = (max / 3 + 1) * 4;
    if (base64_decode(&bytes, digits, len < some ? len : some, &why) < 0)
        return false;
    size_t padding = len == 0 || digits[len - 1] != '=' ? 0 : digits[len - 2] != '=' ? 1 : 2;
    buf_str(out, "bytes ");
    show_part(out, buf_cstr(&bytes), bytes.len, max, len / 4 * 3 - padding);
    return true;
}

static void show_string(struct buf *out, const cJSON *value, size_t max)
{
    OUTPUT_AUTO text = OUTPUT_INIT;
    if (output_read(value, &text))
        show_text(out, text.data, text.len, max);
}

static void show_node(struct buf *out, const cJSON *value, size_t limit);

static void show_children(struct buf *out, const cJSON *value, size_t limit)
{
    bool is_object = cJSON_IsObject(value);
    const cJSON *child;
    buf_char(out, is_object ? '{' : '[');
    cJSON_ArrayForEach(child, value)
    {
        if (child != value->child)
            buf_str(out, ", ");
        if (out->len >= limit) {
            buf_str(out, "...");
            break;
        }
        if (is_object) {
            show_text(out, child->string, strlen(child->string), 60);
            buf_str(out, ": ");
        }
        show_node(out, child, limit);
    }
    buf_char(out, is_object ? '}' : ']');
}

static void show_node(struct buf *out, const cJSON *value, size_t limit)
{
    size_t left = limit > out->len + 20 ? limit - out->len : 20;
    if (cJSON_IsString(value))
        show_string(out, value, left);
    else if (cJSON_IsNumber(value))
        show_number(out, value->valuedouble);
    else if (cJSON_IsBool(value))
        buf_str(out, cJSON_IsTrue(value) ? "true" : "false");
    else if (cJSON_IsNull(value))
        buf_str(out, "null");
    else if (!is_base64_object(value) || !show_bytes(out, value->child->valuestring, left))
        show_children(out, value, limit);
}

void show_value(struct buf *out, const struct cJSON *value, size_t max)
{
    if (value == NULL)
        buf_str(out, "nothing");
    else
        show_node(out, value, out->len + max);
}

/* ---- shorter copies ------------------------------------------------------------------------ */

static cJSON *clip_string(const char *text, size_t max)
{
    size_t len = strlen(text);
    if (len <= max)
        return cJSON_CreateString(text);
    BUF_AUTO cut = BUF_INIT;
    size_t shown = utf8_complete_prefix(text, max);
    shown -= shown > 0 && text[shown - 1] == '\xC0'; /* the first half of a NUL's mark */
    buf_add(&cut, text, shown);
    buf_printf(&cut, "... [%zu bytes]", len);
    return cut.failed ? NULL : cJSON_CreateString(buf_cstr(&cut));
}

static cJSON *clip(const cJSON *value, size_t max);

/* Takes `made`. */
static bool add_child(cJSON *to, const char *name, cJSON *made)
{
    if (made != NULL && (name != NULL ? cJSON_AddItemToObject(to, name, made) : cJSON_AddItemToArray(to, made)) != 0)
        return true;
    cJSON_Delete(made);
    return false;
}

static cJSON *tell_more(size_t count)
{
    char text[60];
    snprintf(text, sizeof text, "... [%zu more]", count);
    return cJSON_CreateString(text);
}

static bool clip_children(cJSON *copy, const cJSON *value, size_t max)
{
    const cJSON *child;
    size_t count = 0;
    cJSON_ArrayForEach(child, value)
    {
        if (count++ < CLIP_CHILDREN && !add_child(copy, child->string, clip(child, max)))
            return false;
    }
    return count <= CLIP_CHILDREN ||
           add_child(copy, cJSON_IsObject(value) ? "..." : NULL, tell_more(count - CLIP_CHILDREN));
}

static cJSON *clip(const cJSON *value, size_t max)
{
    if (cJSON_IsString(value))
        return clip_string(value->valuestring, max);
    if (!cJSON_IsObject(value) && !cJSON_IsArray(value))
        return cJSON_Duplicate(value, 0);
    cJSON *copy = cJSON_IsObject(value) ? cJSON_CreateObject() : cJSON_CreateArray();
    if (copy == NULL || clip_children(copy, value, max))
        return copy;
    cJSON_Delete(copy);
    return NULL;
}

struct cJSON *show_clip(const struct cJSON *value, size_t max_text)
{
    return clip(value, max_text);
}
