/* Which members objects of a case file have, and of what kind; checked by tables. */
#include <cjson/cJSON.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "judge/case_priv.h"
#include "judge/output.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

/* The place of `node` in the document. */
static struct doc_path place_of(const struct reader *r, const cJSON *node)
{
    struct doc_path path = r->base, below = { { 0 }, 0 };
    if (doc_find_path(r->root, node, &below) == 0) {
        for (size_t i = 0; i < below.depth && path.depth < JSON_MAX_DEPTH; i++)
            path.index[path.depth++] = below.index[i];
    }
    return path;
}

int shape_complain(const struct reader *r, const struct cJSON *node, struct err *err, const char *fmt, ...)
{
    struct doc_path path = place_of(r, node);
    va_list ap;
    va_start(ap, fmt);
    doc_complain(r->doc, &path, JSONC_VALUE, err, fmt, ap);
    va_end(ap);
    return -1;
}

int shape_complain_key(const struct reader *r, const struct cJSON *node, struct err *err, const char *fmt, ...)
{
    struct doc_path path = place_of(r, node);
    va_list ap;
    va_start(ap, fmt);
    doc_complain(r->doc, &path, JSONC_KEY, err, fmt, ap);
    va_end(ap);
    return -1;
}

/* ---- kinds --------------------------------------------------------------------------------- */

bool shape_is_lower_name(const char *text)
{
    static const char middle[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
    size_t len = strlen(text);
    bool bad_end = len == 0 || text[0] == '-' || text[len - 1] == '-';
    return !bad_end && strspn(text, middle) == len && strstr(text, "--") == NULL;
}

static bool is_text(const cJSON *node)
{
    return cJSON_IsString(node) && node->valuestring[0] != '\0';
}

static bool are_all(const cJSON *node, bool (*is)(const cJSON *), bool is_list)
{
    const cJSON *child;
    if (is_list ? !cJSON_IsArray(node) : !cJSON_IsObject(node))
        return false;
    cJSON_ArrayForEach(child, node)
    {
        if (!is(child))
            return false;
    }
    return true;
}

static bool is_string(const cJSON *node)
{
    return cJSON_IsString(node);
}

static bool is_texts(const cJSON *node)
{
    return are_all(node, is_text, true) && node->child != NULL;
}

static bool is_strings(const cJSON *node)
{
    return are_all(node, is_string, true);
}

static bool is_string_map(const cJSON *node)
{
    return are_all(node, is_string, false);
}

static bool is_bool(const cJSON *node)
{
    return cJSON_IsBool(node);
}

static bool is_number(const cJSON *node)
{
    return cJSON_IsNumber(node);
}

static bool is_int(const cJSON *node)
{
    return cJSON_IsNumber(node) && floor(node->valuedouble) >= node->valuedouble && fabs(node->valuedouble) < 1e15;
}

static bool is_count(const cJSON *node)
{
    return is_int(node) && node->valuedouble >= 1;
}

static bool is_one(const cJSON *node)
{
    return is_count(node) && node->valuedouble < 2;
}

static bool is_object(const cJSON *node)
{
    return cJSON_IsObject(node);
}

static bool is_array(const cJSON *node)
{
    return cJSON_IsArray(node) && node->child != NULL;
}

static bool is_output(const cJSON *node)
{
    OUTPUT_AUTO output = OUTPUT_INIT;
    bool is_plain = cJSON_IsString(node) || (json_get(node, "base64") != NULL && cJSON_GetArraySize(node) == 1);
    return is_plain && output_read(node, &output);
}

/* What a client is to write, or {"of": "x", "times": N} for what is too long to be written out. */
static bool is_data(const cJSON *node)
{
    const cJSON *of = json_get(node, "of"), *times = json_get(node, "times");
    bool is_repeat = cJSON_GetArraySize(node) == 2 && is_text(of) && is_count(times);
    return is_output(node) ||
           (is_repeat && (double) strlen(of->valuestring) * times->valuedouble <= SHAPE_DATA_MAX);
}

static bool is_signal(const cJSON *node)
{
    return is_text(node) || is_int(node);
}

static bool is_cursor(const cJSON *node)
{
    return cJSON_IsString(node) || (is_text(json_get(node, "step")) && cJSON_GetArraySize(node) == 1);
}

static bool is_proxy(const cJSON *node)
{
    return cJSON_IsTrue(node) || (is_text(node) && strchr(node->valuestring, ':') != NULL);
}

static bool is_url(const cJSON *node)
{
    return is_text(node) &&
           (strstr(node->valuestring, "${url}") != NULL || strstr(node->valuestring, "${host}") != NULL);
}

static bool is_word(const cJSON *node, const char *const *words, size_t count)
{
    for (size_t i = 0; is_text(node) && i < count; i++) {
        if (strcmp(words[i], node->valuestring) == 0)
            return true;
    }
    return false;
}

static bool is_std(const cJSON *node)
{
    static const char *const words[] = { "stdout", "stderr" };
    return is_word(node, words, COUNT(words));
}

static bool is_tag(const cJSON *node)
{
    static const char *const words[] = { "documented", "observed", "inferred" };
    return is_word(node, words, COUNT(words));
}

static bool is_severity(const cJSON *node)
{
    static const char *const words[] = { "MUST", "SHOULD" };
    return is_word(node, words, COUNT(words));
}

static const struct {
    bool (*is)(const cJSON *node);
    const char *words;
} kinds[KINDS] = {
    [KIND_ANY] = { NULL, "anything" },
    [KIND_TEXT] = { is_text, "a text that is not empty" },
    [KIND_TEXTS] = { is_texts, "a list of texts, one at least, none of them empty" },
    [KIND_STRING] = { is_string, "a text" },
    [KIND_STRINGS] = { is_strings, "a list of texts" },
    [KIND_STRING_MAP] = { is_string_map, "an object of texts" },
    [KIND_BOOL] = { is_bool, "true or false" },
    [KIND_INT] = { is_int, "a whole number" },
    [KIND_COUNT] = { is_count, "a whole number from 1" },
    [KIND_NUMBER] = { is_number, "a number" },
    [KIND_OBJECT] = { is_object, "an object" },
    [KIND_ARRAY] = { is_array, "a list that is not empty" },
    [KIND_OUTPUT] = { is_output, "a text or {\"base64\": \"...\"}" },
    [KIND_DATA] = { is_data, "a text, {\"base64\": \"...\"} or {\"of\": \"x\", \"times\": N} (16 MiB at most)" },
    [KIND_SIGNAL] = { is_signal, "the name or the number of a signal" },
    [KIND_CURSOR] = { is_cursor, "a text or {\"step\": \"...\"}" },
    [KIND_ONE] = { is_one, "1" },
    [KIND_PROXY] = { is_proxy, "true (the suite's own address) or \"host:port\"" },
    [KIND_URL] = { is_url, "a text with ${url} or ${host} in it: where the server of the run is" },
    [KIND_STD] = { is_std, "\"stdout\" or \"stderr\"" },
    [KIND_TAG] = { is_tag, "\"documented\", \"observed\" or \"inferred\"" },
    [KIND_SEVERITY] = { is_severity, "\"MUST\" or \"SHOULD\"" },
};

int shape_check_kind(const struct reader *r, enum kind kind, const struct cJSON *node, struct err *err)
{
    CHECK((unsigned) kind < KINDS);
    if (kinds[kind].is == NULL || kinds[kind].is(node))
        return 0;
    return shape_complain(r, node, err, "must be %s", kinds[kind].words);
}

/* ---- shapes -------------------------------------------------------------------------------- */

const struct member *shape_member(const struct shape *shape, const char *name)
{
    for (size_t i = 0; i < SHAPE_MEMBERS && shape->members[i].name != NULL; i++) {
        if (strcmp(shape->members[i].name, name) == 0)
            return &shape->members[i];
    }
    return NULL;
}

int shape_check(const struct reader *r, const struct shape *shape, const struct cJSON *object, struct err *err)
{
    const cJSON *node;
    if (!cJSON_IsObject(object))
        return shape_complain(r, object, err, "%s must be an object", shape->what);
    cJSON_ArrayForEach(node, object)
    {
        const struct member *member = shape_member(shape, node->string);
        if (member == NULL)
            return shape_complain_key(r, node, err, "%s has no member \"%.60s\"", shape->what, node->string);
        if (shape_check_kind(r, member->kind, node, err) < 0)
            return -1;
    }
    for (size_t i = 0; i < SHAPE_MEMBERS && shape->members[i].name != NULL; i++) {
        if (shape->members[i].required && json_get(object, shape->members[i].name) == NULL)
            return shape_complain(r, object, err, "%s needs \"%s\"", shape->what, shape->members[i].name);
    }
    return 0;
}
