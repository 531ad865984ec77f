#include "judge/output.h"

#include <cjson/cJSON.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"

#define REPLACEMENT "\xEF\xBF\xBD" /* U+FFFD */

/* Where json_parse has put the two bytes that stand for a NUL (never in UTF-8). */
static bool has_nul_mark(const char *text, size_t len)
{
    return memchr(text, 0xC0, len) != NULL;
}

/* Without a copy where there is nothing to decode: outputs may be long. */
static bool read_text(const cJSON *value, struct output *out)
{
    out->data = value->valuestring;
    out->len = strlen(value->valuestring);
    out->is_text = true;
    if (!has_nul_mark(out->data, out->len))
        return true;
    json_string_bytes(value, &out->own);
    out->data = buf_cstr(&out->own);
    out->len = out->own.len;
    return !out->own.failed;
}

static bool read_base64(const cJSON *text, struct output *out)
{
    struct err why;
    const char *digits = text->valuestring;
    if (base64_decode(&out->own, digits, strlen(digits), &why) < 0)
        return false;
    out->data = buf_cstr(&out->own);
    out->len = out->own.len;
    out->is_text = false;
    return true;
}

static bool has_word(const cJSON *value, const char *name, const char *word)
{
    const cJSON *member = json_get(value, name);
    return cJSON_IsString(member) && strcmp(member->valuestring, word) == 0;
}

/* As the ledger writes them: bytes, also where they are shown as text. */
static bool read_ledger(const cJSON *value, struct output *out)
{
    const cJSON *data = json_get(value, "data");
    if (!cJSON_IsString(data))
        return false;
    if (has_word(value, "encoding", "base64"))
        return read_base64(data, out);
    if (!has_word(value, "encoding", "utf-8") || !read_text(data, out))
        return false;
    out->is_text = false;
    return true;
}

bool output_read(const struct cJSON *value, struct output *out)
{
    *out = (struct output) OUTPUT_INIT;
    if (cJSON_IsString(value))
        return read_text(value, out);
    const cJSON *base64 = json_get(value, "base64");
    bool fine = cJSON_IsString(base64) ? read_base64(base64, out) : read_ledger(value, out);
    if (!fine)
        output_fini(out);
    return fine;
}

static bool add_output(const cJSON *value, struct output *to)
{
    OUTPUT_AUTO part = OUTPUT_INIT;
    if (!output_read(value, &part))
        return false;
    buf_add(&to->own, part.data, part.len);
    to->is_text = to->is_text && part.is_text;
    return !to->own.failed;
}

bool output_read_joined(const struct cJSON *value, struct output *out)
{
    const cJSON *part;
    if (!cJSON_IsArray(value))
        return output_read(value, out);
    *out = (struct output){ .is_text = true, .own = BUF_INIT };
    cJSON_ArrayForEach(part, value)
    {
        if (!add_output(part, out)) {
            output_fini(out);
            return false;
        }
    }
    out->data = buf_cstr(&out->own);
    out->len = out->own.len;
    return true;
}

void output_fini(struct output *output)
{
    buf_fini(&output->own);
    *output = (struct output) OUTPUT_INIT;
}

bool output_equals(const struct output *output, const char *data, size_t len)
{
    return output->len == len && (len == 0 || memcmp(output->data, data, len) == 0);
}

/* What a decoder that goes on after errors makes of bytes. */
static void decode(const char *data, size_t len, struct buf *out)
{
    size_t i = 0;
    while (i < len) {
        uint32_t point;
        size_t good = utf8_valid_prefix(data + i, len - i);
        buf_add(out, data + i, good);
        i += good;
        if (i < len) {
            i += utf8_next(data + i, len - i, &point);
            buf_str(out, REPLACEMENT);
        }
    }
}

bool output_is(const struct output *output, const char *data, size_t len)
{
    if (output_equals(output, data, len))
        return true;
    if (!output->is_text || utf8_is_valid(data, len))
        return false;
    BUF_AUTO decoded = BUF_INIT;
    decode(data, len, &decoded);
    return !decoded.failed && output_equals(output, buf_cstr(&decoded), decoded.len);
}

/* A cJSON string cannot hold a NUL: it stands there as json_parse puts it. */
static void mark_nuls(const char *data, size_t len, struct buf *out)
{
    const char *end = data + len, *nul;
    while ((nul = memchr(data, '\0', (size_t) (end - data))) != NULL) {
        buf_add(out, data, (size_t) (nul - data));
        buf_add(out, "\xC0\x80", 2);
        data = nul + 1;
    }
    buf_add(out, data, (size_t) (end - data));
}

struct cJSON *output_to_json(const char *data, size_t len, bool as_text)
{
    BUF_AUTO text = BUF_INIT;
    if (as_text && utf8_is_valid(data, len)) {
        mark_nuls(data, len, &text);
        return text.failed ? NULL : cJSON_CreateString(buf_cstr(&text));
    }
    base64_encode(&text, data, len);
    cJSON *object = text.failed ? NULL : cJSON_CreateObject();
    if (object != NULL && cJSON_AddStringToObject(object, "base64", buf_cstr(&text)) == NULL) {
        cJSON_Delete(object);
        return NULL;
    }
    return object;
}

struct cJSON *output_to_text(const char *data, size_t len)
{
    BUF_AUTO decoded = BUF_INIT;
    decode(data, len, &decoded);
    return decoded.failed ? NULL : output_to_json(buf_cstr(&decoded), decoded.len, true);
}
