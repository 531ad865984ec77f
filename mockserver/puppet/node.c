#include "puppet/node.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/jsonw.h"
#include "puppet/words.h"

/* Longest text of a script that a complaint repeats. */
#define SHOWN_BYTES 60

struct node node_member(const struct node *up, const char *key)
{
    return (struct node){ .up = up, .key = key, .json = cJSON_GetObjectItemCaseSensitive(up->json, key) };
}

struct node node_item(const struct node *up, size_t index, const struct cJSON *json)
{
    return (struct node){ .up = up, .index = index, .json = json };
}

/* RFC 6901: '~' and '/' in names are written ~0 and ~1. */
static void add_key(struct buf *out, const char *key)
{
    for (;;) {
        size_t plain = strcspn(key, "~/");
        json_escape(out, key, plain);
        key += plain;
        if (*key == '\0')
            return;
        buf_str(out, *key++ == '~' ? "~0" : "~1");
    }
}

void node_pointer(const struct node *n, struct buf *out)
{
    if (n->up == NULL)
        return;
    node_pointer(n->up, out);
    if (n->key == NULL) {
        buf_printf(out, "/%zu", n->index);
        return;
    }
    buf_char(out, '/');
    add_key(out, n->key);
}

int node_bad(const struct node *n, struct err *err, const char *fmt, ...)
{
    BUF_AUTO where = BUF_INIT;
    char text[ERR_TEXT_BYTES];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    node_pointer(n, &where);
    return err_set(err, ERR_INVALID, 0, "%s%s%s", buf_cstr(&where), where.len > 0 ? ": " : "", text);
}

static int check_unique(const struct node *n, const cJSON *member, struct err *err)
{
    for (const cJSON *other = member->next; other != NULL; other = other->next) {
        if (strcmp(member->string, other->string) == 0) {
            struct node at = { .up = n, .key = member->string };
            return node_bad(&at, err, "is there twice");
        }
    }
    return 0;
}

int node_check_keys(const struct node *n, const char *const *keys, struct err *err)
{
    const cJSON *member;
    size_t count = 0;
    if (!cJSON_IsObject(n->json))
        return node_bad(n, err, "must be an object");
    while (keys[count] != NULL)
        count++;
    cJSON_ArrayForEach(member, n->json)
    {
        struct node at = { .up = n, .key = member->string };
        const char *near = words_nearest(member->string, keys, count);
        if (near == NULL)
            return node_bad(&at, err, "unknown key");
        if (strcmp(near, member->string) != 0)
            return node_bad(&at, err, "unknown key; did you mean \"%s\"?", near);
        if (check_unique(n, member, err) < 0)
            return -1;
    }
    return 0;
}

int node_int(const struct node *n, int64_t min, int64_t max, int64_t *out, struct err *err)
{
    double d = cJSON_IsNumber(n->json) ? n->json->valuedouble : NAN;
    if (isnan(d) || d != floor(d))
        return node_bad(n, err, "must be a whole number");
    if (d < (double) min || d > (double) max)
        return node_bad(n, err, "must be from %" PRId64 " to %" PRId64, min, max);
    *out = (int64_t) d;
    return 0;
}

int node_true(const struct node *n, struct err *err)
{
    return cJSON_IsTrue(n->json) ? 0 : node_bad(n, err, "must be true");
}

int node_bytes(const struct node *n, struct buf *out, struct err *err)
{
    if (!cJSON_IsString(n->json))
        return node_bad(n, err, "must be a string");
    if (!json_string_bytes(n->json, out) || out->failed)
        return err_set(err, ERR_NOMEM, 0, "script");
    return 0;
}

int node_text(const struct node *n, struct buf *out, struct err *err)
{
    BUF_AUTO bytes = BUF_INIT;
    if (node_bytes(n, &bytes, err) < 0)
        return -1;
    if (bytes.len == 0)
        return node_bad(n, err, "must not be empty");
    if (memchr(bytes.data, '\0', bytes.len) != NULL)
        return node_bad(n, err, "must not hold a NUL character");
    struct buf old = *out;
    *out = bytes;
    bytes = old;
    return 0;
}

static void list_names(struct buf *out, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        buf_printf(out, "%s\"%s\"", i == 0 ? "" : i + 1 == count ? " or " : ", ", names[i]);
}

int node_choice(const struct node *n, const char *const *names, size_t count, size_t *out, struct err *err)
{
    for (size_t i = 0; cJSON_IsString(n->json) && i < count; i++) {
        if (strcmp(n->json->valuestring, names[i]) == 0) {
            *out = i;
            return 0;
        }
    }
    BUF_AUTO list = BUF_INIT, shown = BUF_INIT;
    list_names(&list, names, count);
    if (!cJSON_IsString(n->json))
        return node_bad(n, err, "must be %s", buf_cstr(&list));
    json_escape(&shown, n->json->valuestring, strnlen(n->json->valuestring, SHOWN_BYTES));
    return node_bad(n, err, "must be %s, not \"%s\"", buf_cstr(&list), buf_cstr(&shown));
}

int node_opt_int(const struct node *up, const char *key, int64_t min, int64_t max, int64_t *out, struct err *err)
{
    struct node n = node_member(up, key);
    return n.json == NULL ? 0 : node_int(&n, min, max, out, err);
}

int node_opt_bool(const struct node *up, const char *key, bool *out, struct err *err)
{
    struct node n = node_member(up, key);
    if (n.json == NULL)
        return 0;
    if (!cJSON_IsBool(n.json))
        return node_bad(&n, err, "must be true or false");
    *out = cJSON_IsTrue(n.json);
    return 0;
}
