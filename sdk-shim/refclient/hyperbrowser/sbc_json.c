#include "sbc_json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#define KEPT_NUL "\xC0\x80"

/* Backslashes stand only inside of texts, so every one begins an escape. */
static void keep_nuls(struct sbc_buf *out, const char *text, size_t size)
{
    size_t from = 0;
    for (size_t i = 0; i + 1 < size; i++) {
        if (text[i] != '\\')
            continue;
        if (size - i >= 6 && memcmp(text + i, "\\u0000", 6) == 0) {
            sbc_buf_add(out, text + from, i - from);
            sbc_buf_add_text(out, KEPT_NUL);
            from = i + 6;
            i += 5;
        } else {
            i++;
        }
    }
    sbc_buf_add(out, text + from, size - from);
}

struct cJSON *sbc_json_parse(const char *text, size_t size)
{
    if (size == 0 || memchr(text, '\0', size) != NULL || !sbc_utf8_is_valid(text, size))
        return NULL;
    struct sbc_buf kept = { 0 };
    keep_nuls(&kept, text, size);
    cJSON *tree = cJSON_ParseWithLengthOpts(kept.data, kept.size + 1, NULL, true);
    sbc_buf_free(&kept);
    return tree;
}

char *sbc_json_print(const struct cJSON *tree)
{
    char *printed = cJSON_PrintUnformatted(tree);
    if (printed == NULL)
        abort(); /* only for want of memory */
    struct sbc_buf out = { 0 };
    const char *from = printed;
    for (const char *at; (at = strstr(from, KEPT_NUL)) != NULL; from = at + 2) {
        sbc_buf_add(&out, from, (size_t) (at - from));
        sbc_buf_add_text(&out, "\\u0000");
    }
    sbc_buf_add_text(&out, from);
    cJSON_free(printed);
    return sbc_buf_take(&out);
}

struct cJSON *sbc_json_new_text(const char *data, size_t size)
{
    struct sbc_buf kept = { 0 };
    sbc_buf_add(&kept, "", 0);
    for (size_t i = 0; i < size; i++)
        sbc_buf_add(&kept, data[i] == '\0' ? KEPT_NUL : data + i, data[i] == '\0' ? 2 : 1);
    cJSON *node = cJSON_CreateString(kept.data);
    sbc_buf_free(&kept);
    return node;
}

struct sbc_bytes sbc_json_bytes(const struct cJSON *node)
{
    struct sbc_bytes bytes = { sbc_text_copy(node->valuestring), 0 };
    char *to = bytes.data;
    for (const char *from = node->valuestring; *from != '\0'; from++, to++) {
        bool is_nul = memcmp(from, KEPT_NUL, 2) == 0;
        *to = is_nul ? '\0' : *from;
        from += is_nul;
    }
    *to = '\0';
    bytes.size = (size_t) (to - bytes.data);
    return bytes;
}

const char *sbc_json_type_name(const struct cJSON *node)
{
    return node == NULL           ? "nothing"
           : cJSON_IsNull(node)   ? "null"
           : cJSON_IsBool(node)   ? "true or false"
           : cJSON_IsNumber(node) ? "a number"
           : cJSON_IsString(node) ? "a text"
           : cJSON_IsArray(node)  ? "a list"
                                  : "an object";
}

/* ------------------------------------------------------------------ reader */

void sbc_reader_init(struct sbc_reader *reader, const struct cJSON *object, const char *where)
{
    *reader = (struct sbc_reader){ object, where, "" };
    if (!cJSON_IsObject(object)) {
        snprintf(reader->problem, sizeof reader->problem, "%s must be an object, not %s", where,
                 sbc_json_type_name(object));
        reader->object = NULL;
    }
}

void sbc_reader_refuse(struct sbc_reader *reader, const char *name, const char *wanted, const struct cJSON *seen)
{
    if (reader->problem[0] == '\0')
        snprintf(reader->problem, sizeof reader->problem, "%s.%s must be %s, not %s", reader->where, name, wanted,
                 sbc_json_type_name(seen));
}

const struct cJSON *sbc_reader_member(const struct sbc_reader *reader, const char *name)
{
    const cJSON *node = reader->object == NULL ? NULL : cJSON_GetObjectItemCaseSensitive(reader->object, name);
    return cJSON_IsNull(node) ? NULL : node;
}

/* The member when `fits` takes it. */
static const cJSON *find_typed(struct sbc_reader *reader, const char *name, bool is_needed,
                               cJSON_bool (*fits)(const cJSON *), const char *wanted)
{
    const cJSON *node = sbc_reader_member(reader, name);
    if (node == NULL ? is_needed : !fits(node))
        sbc_reader_refuse(reader, name, wanted, node);
    return node != NULL && fits(node) ? node : NULL;
}

struct sbc_bytes sbc_reader_bytes(struct sbc_reader *reader, const char *name, bool is_needed)
{
    const cJSON *node = find_typed(reader, name, is_needed, cJSON_IsString, "a text");
    return node == NULL ? (struct sbc_bytes){ NULL, 0 } : sbc_json_bytes(node);
}

char *sbc_reader_text(struct sbc_reader *reader, const char *name, bool is_needed)
{
    struct sbc_bytes bytes = sbc_reader_bytes(reader, name, is_needed);
    if (bytes.data != NULL && strlen(bytes.data) != bytes.size)
        sbc_reader_refuse(reader, name, "without NUL", sbc_reader_member(reader, name));
    return bytes.data;
}

bool sbc_reader_integer(struct sbc_reader *reader, const char *name, bool is_needed, int64_t *out)
{
    static const double largest = 9007199254740992.0; /* 2^53 */
    const cJSON *node = find_typed(reader, name, is_needed, cJSON_IsNumber, "a whole number");
    if (node == NULL)
        return false;
    if (!(fabs(node->valuedouble) <= largest) || floor(node->valuedouble) < node->valuedouble) {
        sbc_reader_refuse(reader, name, "a whole number", node);
        return false;
    }
    *out = (int64_t) node->valuedouble;
    return true;
}

bool sbc_reader_flag(struct sbc_reader *reader, const char *name)
{
    return cJSON_IsTrue(find_typed(reader, name, false, cJSON_IsBool, "true or false"));
}

const struct cJSON *sbc_reader_object(struct sbc_reader *reader, const char *name, bool is_needed)
{
    return find_typed(reader, name, is_needed, cJSON_IsObject, "an object");
}

const struct cJSON *sbc_reader_array(struct sbc_reader *reader, const char *name, bool is_needed)
{
    return find_typed(reader, name, is_needed, cJSON_IsArray, "a list");
}
