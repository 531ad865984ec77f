#include "scenario/reader.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

#define SHOWN_WORDS 240 /* of a list of known words: an error has 511 bytes in all */

const char *reader_type(const struct cJSON *node)
{
    if (cJSON_IsString(node))
        return "a string";
    if (cJSON_IsNumber(node))
        return "a number";
    if (cJSON_IsBool(node))
        return cJSON_IsTrue(node) ? "true" : "false";
    if (cJSON_IsArray(node))
        return "a list";
    return cJSON_IsObject(node) ? "an object" : "null";
}

int reader_wants(struct reader *r, const struct cJSON *node, const char *what)
{
    return reader_refuse(r, node, "must be %s, not %s", what, reader_type(node));
}

void *reader_alloc(struct reader *r, size_t count, size_t size)
{
    void *room = calloc(count == 0 ? 1 : count, size);
    if (room == NULL)
        err_set(r->err, ERR_NOMEM, 0, "%s", r->doc.file_name);
    return room;
}

/* ---- objects -------------------------------------------------------------------------- */

int reader_unknown(struct reader *r, const struct cJSON *member, const struct keys *keys)
{
    BUF_AUTO shown = BUF_INIT, name = BUF_INIT;
    const char *nearest = vocab_nearest(member->string, keys->list, keys->count, sizeof keys->list[0]);
    json_name_bytes(member, &name);
    jsonc_quote(&shown, buf_cstr(&name), name.len, 40);
    if (nearest != NULL)
        return reader_refuse_key(r, member, "unknown key %s: did you mean \"%s\"?", buf_cstr(&shown), nearest);
    BUF_AUTO known = BUF_INIT;
    for (size_t i = 0; i < keys->count; i++)
        buf_printf(&known, "%s%s", i == 0 ? "" : ", ", keys->list[i].name);
    return reader_refuse_key(r, member, "unknown key %s: %s takes %s", buf_cstr(&shown), keys->what, buf_cstr(&known));
}

static const struct key *find_key(const struct keys *keys, const char *name)
{
    for (size_t i = 0; i < keys->count; i++) {
        if (strcmp(keys->list[i].name, name) == 0)
            return &keys->list[i];
    }
    return NULL;
}

int reader_object(struct reader *r, const struct cJSON *node, const struct keys *keys, void *out)
{
    const cJSON *member;
    if (!cJSON_IsObject(node))
        return reader_wants(r, node, "an object");
    cJSON_ArrayForEach(member, node)
    {
        if (find_key(keys, member->string) == NULL)
            return reader_unknown(r, member, keys);
    }
    for (size_t i = 0; i < keys->count; i++) {
        if (keys->list[i].required && cJSON_GetObjectItemCaseSensitive(node, keys->list[i].name) == NULL)
            return reader_refuse(r, node, "%s needs \"%s\"", keys->what, keys->list[i].name);
    }
    cJSON_ArrayForEach(member, node)
    {
        const struct key *key = find_key(keys, member->string);
        if (key != NULL && key->read(r, member, out) < 0)
            return -1;
    }
    return 0;
}

/* ---- values --------------------------------------------------------------------------- */

int reader_bytes(struct reader *r, const struct cJSON *node, char **out, size_t *out_len)
{
    struct buf text = BUF_INIT;
    if (!json_string_bytes(node, &text))
        return reader_wants(r, node, "a string");
    buf_reserve(&text, 1); /* an empty text is a text, too */
    if (text.failed || text.data == NULL) {
        buf_fini(&text);
        return err_set(r->err, ERR_NOMEM, 0, "%s", r->doc.file_name);
    }
    text.data[text.len] = '\0';
    free(*out);
    *out = text.data;
    *out_len = text.len;
    return 0;
}

int reader_text(struct reader *r, const struct cJSON *node, size_t min, char **out)
{
    size_t len = 0;
    if (reader_bytes(r, node, out, &len) < 0)
        return -1;
    if (strlen(*out) != len)
        return reader_refuse(r, node, "must not hold a NUL character");
    return len < min ? reader_refuse(r, node, "must not be empty") : 0;
}

int reader_int(struct reader *r, const struct cJSON *node, int64_t min, int64_t max, int64_t *out)
{
    if (!cJSON_IsNumber(node))
        return reader_wants(r, node, "a whole number");
    double d = node->valuedouble;
    if (d != floor(d))
        return reader_refuse(r, node, "must be a whole number, not %g", d);
    /* Every limit here is below 2^53, where doubles are exact. */
    if (d < (double) min || d > (double) max)
        return reader_refuse(r, node, "must be from %" PRId64 " to %" PRId64 ", not %.15g", min, max, d);
    *out = (int64_t) d;
    return 0;
}

int reader_number(struct reader *r, const struct cJSON *node, double min, double max, double *out)
{
    if (!cJSON_IsNumber(node))
        return reader_wants(r, node, "a number");
    double d = node->valuedouble;
    if (d < min || d > max)
        return reader_refuse(r, node, "must be from %.15g to %.15g, not %g", min, max, d);
    *out = d;
    return 0;
}

int reader_bool(struct reader *r, const struct cJSON *node, bool *out)
{
    if (!cJSON_IsBool(node))
        return reader_wants(r, node, "true or false");
    *out = cJSON_IsTrue(node);
    return 0;
}

int reader_word(struct reader *r, const struct cJSON *node, const struct words *words, int *out)
{
    if (!cJSON_IsString(node))
        return reader_refuse(r, node, "must be a string (%s), not %s", words->what, reader_type(node));
    if (vocab_find(words, node->valuestring, out))
        return 0;
    BUF_AUTO shown = BUF_INIT, known = BUF_INIT, name = BUF_INIT;
    const char *nearest = vocab_nearest(node->valuestring, words->list, words->count, sizeof words->list[0]);
    json_string_bytes(node, &name);
    jsonc_quote(&shown, buf_cstr(&name), name.len, 40);
    if (nearest != NULL)
        return reader_refuse(r, node, "unknown %s %s: did you mean \"%s\"?", words->what, buf_cstr(&shown), nearest);
    vocab_list(words, &known);
    if (known.len > SHOWN_WORDS)
        memcpy(known.data + SHOWN_WORDS - 4, "...", 4);
    return reader_refuse(r, node, "unknown %s %s: known are %s", words->what, buf_cstr(&shown), buf_cstr(&known));
}

int reader_list(struct reader *r, const struct cJSON *node, size_t max, size_t *out_count)
{
    size_t count = 0;
    const cJSON *item;
    if (!cJSON_IsArray(node))
        return reader_wants(r, node, "a list");
    cJSON_ArrayForEach(item, node) count++;
    if (count == 0)
        return reader_refuse(r, node, "must not be an empty list");
    if (count > max)
        return reader_refuse(r, node, "%zu items are too many (limit %zu)", count, max);
    *out_count = count;
    return 0;
}
