/* Arguments of steps, and outcomes: the same for all vendors. */
#include "refclient.h"

#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

/* --------------------------------------------------------------- arguments */

const cJSON *step_member(const cJSON *step, const char *name)
{
    const cJSON *node = cJSON_GetObjectItemCaseSensitive(step, name);
    return cJSON_IsNull(node) ? NULL : node;
}

const char *step_text(const cJSON *step, const char *name)
{
    const cJSON *node = step_member(step, name);
    return node == NULL ? NULL : node->valuestring;
}

double step_number(const cJSON *step, const char *name)
{
    const cJSON *node = step_member(step, name);
    return node == NULL ? 0 : node->valuedouble;
}

int64_t step_whole(const cJSON *step, const char *name)
{
    return (int64_t) step_number(step, name);
}

bool step_flag(const cJSON *step, const char *name)
{
    return cJSON_IsTrue(step_member(step, name));
}

const char **step_texts(const cJSON *step, const char *name, size_t *out_count)
{
    const cJSON *node = step_member(step, name), *item;
    *out_count = 0;
    if (node == NULL)
        return NULL;
    const char **texts = sbc_alloc((size_t) cJSON_GetArraySize(node) + 2, sizeof *texts);
    if (cJSON_IsString(node))
        texts[(*out_count)++] = node->valuestring;
    else
        cJSON_ArrayForEach(item, node) texts[(*out_count)++] = item->valuestring;
    return texts;
}

struct sbc_bytes step_data(const cJSON *node, bool *out_is_bytes)
{
    *out_is_bytes = cJSON_IsObject(node);
    if (!*out_is_bytes)
        return sbc_json_bytes(node);
    struct sbc_buf bytes = { 0 };
    const char *text = step_text(node, "base64");
    sbc_base64_decode(text, strlen(text), &bytes);
    size_t size = bytes.size;
    return (struct sbc_bytes){ sbc_buf_take(&bytes), size };
}

/* ------------------------------------------------------------------- words */

struct cJSON *say_base64(const char *data, size_t size)
{
    cJSON *said = cJSON_CreateObject();
    char *text = sbc_base64_encode(data, size);
    cJSON_AddStringToObject(said, "base64", text);
    free(text);
    return said;
}

void say_text(struct cJSON *object, const char *name, const char *text)
{
    if (text == NULL) {
        cJSON_AddNullToObject(object, name);
        return;
    }
    char *clean = sbc_utf8_clean(text, strlen(text));
    cJSON_AddStringToObject(object, name, clean);
    free(clean);
}

void say_number(struct cJSON *object, const char *name, bool is_known, int64_t number)
{
    if (is_known)
        cJSON_AddNumberToObject(object, name, (double) number);
    else
        cJSON_AddNullToObject(object, name);
}

/* ---------------------------------------------------------------- outcomes */

void outcome_init(struct outcome *outcome, const struct vendor *vendor)
{
    *outcome = (struct outcome){ .vendor = vendor, .error = sbc_alloc(1, vendor->error_size) };
}

void outcome_clear(struct outcome *outcome)
{
    cJSON_Delete(outcome->value);
    outcome->vendor->error_clear(outcome->error);
    free(outcome->error);
    free(outcome->skipped);
    *outcome = (struct outcome){ 0 };
}

void outcome_skip(struct outcome *outcome, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    if (vasprintf(&outcome->skipped, fmt, args) < 0)
        abort(); /* only for want of memory */
    va_end(args);
}

void outcome_tell(struct outcome *outcome, int failed)
{
    outcome->has_error = failed < 0;
    if (failed >= 0)
        outcome->value = cJSON_CreateObject();
}

struct cJSON *outcome_say(const struct outcome *outcome, const char *step)
{
    cJSON *said = cJSON_CreateObject();
    cJSON_AddStringToObject(said, "step", step);
    if (outcome->skipped != NULL)
        say_text(said, "skipped", outcome->skipped);
    if (outcome->value != NULL)
        cJSON_AddItemToObject(said, "value", cJSON_Duplicate(outcome->value, true));
    if (outcome->has_error)
        cJSON_AddItemToObject(said, "error", outcome->vendor->error_say(outcome->error));
    return said;
}
