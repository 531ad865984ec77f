/* The body of a call, checked against the table of what it may say; and its members. */
#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "admin/admin_priv.h"
#include "base/json.h"

#define BODY_NAME "BODY"                        /* instead of a file's name in complaints */
#define BODY_MAX ((size_t) 256 * 1024)          /* of a body that is no scenario */
#define MAX_GLOBS 32

/* ---- values ------------------------------------------------------------------------------ */

static const struct field *find_field(const struct shape *shape, const char *name)
{
    for (size_t i = 0; i < shape->count; i++) {
        if (strcmp(shape->fields[i].name, name) == 0)
            return &shape->fields[i];
    }
    return NULL;
}

static const char *type_name(const cJSON *node)
{
    if (cJSON_IsBool(node))
        return cJSON_IsTrue(node) ? "true" : "false";
    if (cJSON_IsString(node))
        return "a string";
    if (cJSON_IsNumber(node))
        return "a number";
    if (cJSON_IsArray(node))
        return "a list";
    return cJSON_IsObject(node) ? "an object" : "null";
}

#define complain(call, node, err, ...) jsonc_complain(&(call)->doc, node, JSONC_VALUE, err, __VA_ARGS__)

static int check_text(const struct call *call, const cJSON *node, struct err *err)
{
    BUF_AUTO bytes = BUF_INIT;
    if (!json_string_bytes(node, &bytes))
        return complain(call, node, err, "must be a string, not %s", type_name(node));
    if (memchr(buf_cstr(&bytes), '\0', bytes.len) != NULL)
        return complain(call, node, err, "must not hold a NUL character");
    return bytes.len == 0 ? complain(call, node, err, "must not be empty") : 0;
}

static int check_glob(const struct call *call, const cJSON *node, struct err *err)
{
    struct pattern pattern;
    struct err why = ERR_INIT;
    if (check_text(call, node, err) != 0)
        return -1;
    if (pattern_init_text(&pattern, node->valuestring, &why) != 0)
        return complain(call, node, err, "%s", why.text);
    pattern_fini(&pattern);
    return 0;
}

static int check_globs(const struct call *call, const cJSON *node, struct err *err)
{
    const cJSON *member;
    if (!cJSON_IsObject(node))
        return complain(call, node, err, "must be an object, not %s", type_name(node));
    if (cJSON_GetArraySize(node) > MAX_GLOBS)
        return complain(call, node, err, "more than %d", MAX_GLOBS);
    cJSON_ArrayForEach(member, node) {
        if (check_glob(call, member, err) != 0)
            return -1;
    }
    return 0;
}

static int check_word(const struct call *call, const cJSON *node, const struct words *words, struct err *err)
{
    int value;
    BUF_AUTO shown = BUF_INIT, known = BUF_INIT;
    if (check_text(call, node, err) != 0)
        return -1;
    if (vocab_find(words, node->valuestring, &value))
        return 0;
    const char *nearest = vocab_nearest(node->valuestring, words->list, words->count, sizeof words->list[0]);
    jsonc_quote(&shown, node->valuestring, strlen(node->valuestring), 40);
    if (nearest != NULL)
        return complain(call, node, err, "unknown %s %s: did you mean \"%s\"?", words->what, buf_cstr(&shown), nearest);
    vocab_list(words, &known);
    return complain(call, node, err, "unknown %s %s: known are %.240s", words->what, buf_cstr(&shown),
                    buf_cstr(&known));
}

static int check_number(const struct call *call, const cJSON *node, const struct field *field, struct err *err)
{
    bool whole = field->type == FIELD_INT;
    if (!cJSON_IsNumber(node))
        return complain(call, node, err, "must be a %snumber, not %s", whole ? "whole " : "", type_name(node));
    double d = node->valuedouble;
    if (whole && d != floor(d))
        return complain(call, node, err, "must be a whole number, not %g", d);
    if (d < (double) field->min || d > (double) field->max || (!whole && d <= 0))
        return complain(call, node, err, "must be %s %lld %s %lld, not %.15g", whole ? "from" : "above",
                        (long long) field->min, whole ? "to" : "and at most", (long long) field->max, d);
    return 0;
}

static int check_value(const struct call *call, const cJSON *node, const struct field *field, struct err *err)
{
    switch (field->type) {
    case FIELD_TEXT:
        return check_text(call, node, err);
    case FIELD_GLOB:
        return check_glob(call, node, err);
    case FIELD_GLOBS:
        return check_globs(call, node, err);
    case FIELD_WORD:
        return check_word(call, node, field->words, err);
    case FIELD_INT:
    case FIELD_NUMBER:
        return check_number(call, node, field, err);
    case FIELD_BOOL:
        return cJSON_IsBool(node) ? 0 : complain(call, node, err, "must be true or false, not %s", type_name(node));
    case FIELD_TIME:
    case FIELD_TEXTS:
    case FIELD_INTS:
    case FIELD_OBJECT:
    case FIELD_LIST:
    case FIELD_ENTRY:
    case FIELD_ENTRIES:
    case FIELD_TYPES:
        break;
    }
    return err_set(err, ERR_INTERNAL, 0, "/%s: no body has such a member", field->name);
}

static int complain_unknown(const struct call *call, const cJSON *member, struct err *err)
{
    const struct shape *shape = call->row->takes;
    BUF_AUTO name = BUF_INIT, shown = BUF_INIT, known = BUF_INIT;
    const char *nearest = vocab_nearest(member->string, shape->fields, shape->count, sizeof shape->fields[0]);
    json_name_bytes(member, &name);
    jsonc_quote(&shown, buf_cstr(&name), name.len, 40);
    if (nearest != NULL)
        return jsonc_complain(&call->doc, member, JSONC_KEY, err, "unknown key %s: did you mean \"%s\"?",
                              buf_cstr(&shown), nearest);
    for (size_t i = 0; i < shape->count; i++)
        buf_printf(&known, "%s%s", i == 0 ? "" : ", ", shape->fields[i].name);
    return jsonc_complain(&call->doc, member, JSONC_KEY, err, "unknown key %s: known are %s", buf_cstr(&shown),
                          buf_cstr(&known));
}

static int check_shape(const struct call *call, const cJSON *body, struct err *err)
{
    const struct shape *shape = call->row->takes;
    const cJSON *member;
    if (!cJSON_IsObject(body))
        return complain(call, body, err, "must be an object, not %s", type_name(body));
    cJSON_ArrayForEach(member, body) {
        const struct field *field = find_field(shape, member->string);
        if (field == NULL)
            return complain_unknown(call, member, err);
        if (check_value(call, member, field, err) != 0)
            return -1;
    }
    for (size_t i = 0; i < shape->count; i++) {
        if ((shape->fields[i].flags & FIELD_REQUIRED) != 0 &&
            cJSON_GetObjectItemCaseSensitive(body, shape->fields[i].name) == NULL)
            return complain(call, body, err, "needs \"%s\"", shape->fields[i].name);
    }
    return 0;
}

/* ---- the whole ---------------------------------------------------------------------------- */

static bool needs_body(const struct shape *shape)
{
    for (size_t i = 0; i < shape->count; i++) {
        if ((shape->fields[i].flags & FIELD_REQUIRED) != 0)
            return true;
    }
    return false;
}

static bool read_body(struct call *call)
{
    struct err err = ERR_INIT;
    if (exchange_body(call->x, &call->text, &call->len, &err) == 0)
        return true;
    if (err.code == ERR_LIMIT)
        call_fail(call, 413, "too_large", "%s", err.text);
    else if (err.code == ERR_TIMEOUT)
        call_fail(call, 408, "timeout", "the body: %s", err.text);
    else
        call_fail(call, 400, "invalid_request", "the body: %s", err.text);
    return false;
}

bool call_read_body(struct call *call)
{
    struct err err = ERR_INIT;
    size_t limit = call->row->body == BODY_SCENARIO ? JSONC_MAX_BYTES : BODY_MAX;
    if (call->row->body == BODY_NONE)
        return true;
    if (!read_body(call))
        return false;
    if (call->len > limit) {
        call_fail(call, 413, "too_large", "a body of %zu bytes (limit %zu)", call->len, limit);
        return false;
    }
    if (call->row->body == BODY_SCENARIO || (call->len == 0 && !needs_body(call->row->takes)))
        return true;
    int rc = jsonc_open(&call->doc, BODY_NAME, call->text, call->len, &err);
    if (rc == 0 && check_shape(call, call->doc.root, &err) == 0) {
        call->body = call->doc.root;
        return true;
    }
    if (rc == 0)
        jsonc_close(&call->doc);
    err.code = err.code == ERR_LIMIT ? ERR_INVALID : err.code;
    call_fail_err(call, &err);
    return false;
}

/* ---- members ------------------------------------------------------------------------------ */

static const cJSON *member_of(const struct call *call, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(call->body, name);
}

const char *call_text(const struct call *call, const char *name, const char *absent)
{
    const cJSON *member = member_of(call, name);
    return member == NULL ? absent : member->valuestring;
}

double call_number(const struct call *call, const char *name, double absent)
{
    const cJSON *member = member_of(call, name);
    return member == NULL ? absent : member->valuedouble;
}

int64_t call_int(const struct call *call, const char *name, int64_t absent)
{
    const cJSON *member = member_of(call, name);
    return member == NULL ? absent : (int64_t) member->valuedouble;
}

bool call_bool(const struct call *call, const char *name, bool absent)
{
    const cJSON *member = member_of(call, name);
    return member == NULL ? absent : cJSON_IsTrue(member);
}

int call_word(const struct call *call, const char *name, const struct words *words, int absent)
{
    int value = absent;
    const cJSON *member = member_of(call, name);
    return member != NULL && vocab_find(words, member->valuestring, &value) ? value : absent;
}

bool call_refuse(struct call *call, const char *name, const char *fmt, ...)
{
    char what[ERR_TEXT_BYTES];
    struct err err = ERR_INIT;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    jsonc_complain(&call->doc, member_of(call, name), JSONC_VALUE, &err, "%s", what);
    call_fail_err(call, &err);
    return false;
}
