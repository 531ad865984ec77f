/* The operators of patterns: how each is matched and described, in one table. */
#include "judge/pattern_priv.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "judge/show.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

bool pattern_miss_op(struct match *m, const char *name, const cJSON *arg, const cJSON *value)
{
    BUF_AUTO text = BUF_INIT;
    if (pattern_match_wants_problems(m))
        pattern_known_op(name)->describe(arg, &text, PROBLEM_TEXT_MAX);
    return pattern_match_miss(m, buf_cstr(&text), value);
}

static bool is_there(const cJSON *value)
{
    return value != NULL && !cJSON_IsNull(value);
}

/* ---- there or not, types ------------------------------------------------------------------- */

static bool match_any(struct match *m, const cJSON *arg, const cJSON *value)
{
    return is_there(value) || pattern_miss_op(m, "$any", arg, value);
}

static void describe_any(const cJSON *arg, struct buf *out, size_t limit)
{
    (void) arg, (void) limit;
    buf_str(out, "anything");
}

static bool match_absent(struct match *m, const cJSON *arg, const cJSON *value)
{
    return !is_there(value) || pattern_miss_op(m, "$absent", arg, value);
}

static void describe_absent(const cJSON *arg, struct buf *out, size_t limit)
{
    (void) arg, (void) limit;
    buf_str(out, "nothing");
}

static cJSON_bool is_whole(const cJSON *value)
{
    return cJSON_IsNumber(value) && floor(value->valuedouble) >= value->valuedouble;
}

static cJSON_bool is_bytes(const cJSON *value)
{
    OUTPUT_AUTO output = OUTPUT_INIT;
    return cJSON_IsObject(value) && output_read(value, &output);
}

const char *const pattern_types[PATTERN_TYPES] = {
    "string", "integer", "number", "boolean", "object", "array", "bytes"
};

static bool match_type(struct match *m, const cJSON *arg, const cJSON *value)
{
    static cJSON_bool (*const is[PATTERN_TYPES])(const cJSON *) = { cJSON_IsString, is_whole,       cJSON_IsNumber,
                                                                    cJSON_IsBool,   cJSON_IsObject, cJSON_IsArray,
                                                                    is_bytes };
    for (size_t i = 0; i < PATTERN_TYPES; i++) {
        if (value != NULL && strcmp(arg->valuestring, pattern_types[i]) == 0 && is[i](value))
            return true;
    }
    return pattern_miss_op(m, "$type", arg, value);
}

static void describe_type(const cJSON *arg, struct buf *out, size_t limit)
{
    (void) limit;
    buf_printf(out, "of type %s", arg->valuestring);
}

/* ---- logic --------------------------------------------------------------------------------- */

static bool match_not(struct match *m, const cJSON *arg, const cJSON *value)
{
    return !pattern_match_quietly(m, arg, value) || pattern_miss_op(m, "$not", arg, value);
}

static void describe_not(const cJSON *arg, struct buf *out, size_t limit)
{
    buf_str(out, "not ");
    pattern_describe_node(arg, out, limit);
}

static bool match_in(struct match *m, const cJSON *arg, const cJSON *value)
{
    const cJSON *one;
    cJSON_ArrayForEach(one, arg)
    {
        if (pattern_match_quietly(m, one, value))
            return true;
    }
    return pattern_miss_op(m, "$in", arg, value);
}

static void describe_list(const cJSON *list, const char *between, struct buf *out, size_t limit)
{
    const cJSON *one;
    cJSON_ArrayForEach(one, list)
    {
        if (one != list->child)
            buf_str(out, between);
        if (out->len >= limit) {
            buf_str(out, "...");
            return;
        }
        pattern_describe_node(one, out, limit);
    }
}

static void describe_in(const cJSON *arg, struct buf *out, size_t limit)
{
    describe_list(arg, " or ", out, limit);
}

static bool match_all(struct match *m, const cJSON *arg, const cJSON *value)
{
    bool fine = true;
    const cJSON *one;
    cJSON_ArrayForEach(one, arg) fine = pattern_match_node(m, one, value) && fine;
    return fine;
}

static void describe_all(const cJSON *arg, struct buf *out, size_t limit)
{
    describe_list(arg, " and ", out, limit);
}

/* ---- numbers ------------------------------------------------------------------------------- */

static bool is_more(const cJSON *a, const cJSON *b)
{
    return cJSON_IsNumber(a) && cJSON_IsNumber(b) && a->valuedouble > b->valuedouble;
}

static bool is_no_less(const cJSON *a, const cJSON *b)
{
    return cJSON_IsNumber(a) && cJSON_IsNumber(b) && a->valuedouble >= b->valuedouble;
}

#define COMPARISON(name, holds, words) \
    static bool match_##name(struct match *m, const cJSON *arg, const cJSON *value) \
    { \
        return (holds) || pattern_miss_op(m, "$" #name, arg, value); \
    } \
    static void describe_##name(const cJSON *arg, struct buf *out, size_t limit) \
    { \
        (void) limit; \
        buf_str(out, words " "); \
        show_value(out, arg, 40); \
    }

COMPARISON(gt, is_more(value, arg), "more than")
COMPARISON(gte, is_no_less(value, arg), "at least")
COMPARISON(lt, is_more(arg, value), "less than")
COMPARISON(lte, is_no_less(arg, value), "at most")

/* ---- lengths, elements --------------------------------------------------------------------- */

static bool match_length(struct match *m, const cJSON *arg, const cJSON *value)
{
    OUTPUT_AUTO output = OUTPUT_INIT;
    bool is_array = cJSON_IsArray(value);
    if (!is_array && !output_read(value, &output))
        return pattern_miss_op(m, "$length", arg, value);
    cJSON *length = cJSON_CreateNumber(is_array ? cJSON_GetArraySize(value) : (double) output.len);
    CHECK(length != NULL);
    bool fine = pattern_match_below(m, "(length)", arg, length);
    cJSON_Delete(length);
    return fine;
}

static void describe_length(const cJSON *arg, struct buf *out, size_t limit)
{
    buf_str(out, "of length ");
    pattern_describe_node(arg, out, limit);
}

static bool match_each(struct match *m, const cJSON *arg, const cJSON *value)
{
    bool fine = true;
    size_t index = 0;
    const cJSON *element;
    if (!cJSON_IsArray(value))
        return pattern_miss_op(m, "$each", arg, value);
    cJSON_ArrayForEach(element, value) fine = pattern_match_element(m, index++, arg, element) && fine;
    return fine;
}

static void describe_each(const cJSON *arg, struct buf *out, size_t limit)
{
    buf_str(out, "an array, each element ");
    pattern_describe_node(arg, out, limit);
}

/* Taking the first that fits each time is enough: whatever fits later fits behind it, too. */
static bool match_order(struct match *m, const cJSON *arg, const cJSON *value)
{
    const cJSON *wanted = arg->child, *element;
    if (!cJSON_IsArray(value))
        return pattern_miss_op(m, "$order", arg, value);
    cJSON_ArrayForEach(element, value)
    {
        if (wanted != NULL && pattern_match_quietly(m, wanted, element))
            wanted = wanted->next;
    }
    return wanted == NULL || pattern_miss_op(m, "$order", arg, value);
}

static void describe_order(const cJSON *arg, struct buf *out, size_t limit)
{
    buf_str(out, "an array with, in this order, ");
    describe_list(arg, ", then ", out, limit);
}

/* Numbers by their value, texts (times in ISO form) byte by byte; nothing else can be compared. */
static bool rises(const cJSON *before, const cJSON *after)
{
    if (cJSON_IsString(before) && cJSON_IsString(after))
        return strcmp(before->valuestring, after->valuestring) < 0;
    return is_more(after, before);
}

static bool miss_rise(struct match *m, const cJSON *before, size_t index, const cJSON *key, const cJSON *seen)
{
    char what[24];
    size_t len = m->at.len;
    BUF_AUTO wanted = BUF_INIT;
    if (!pattern_match_wants_problems(m))
        return pattern_match_miss(m, "", seen);
    snprintf(what, sizeof what, ".%zu", index);
    buf_str(&m->at, what);
    if (*key->valuestring != '\0')
        buf_printf(&m->at, ".%s", key->valuestring);
    buf_str(&wanted, before == NULL ? "a number or a text" : "more than ");
    if (before != NULL)
        show_value(&wanted, before, PROBLEM_TEXT_MAX);
    pattern_match_miss(m, buf_cstr(&wanted), seen);
    m->at.len = len;
    m->at.data[len] = '\0';
    return false;
}

static bool match_rising(struct match *m, const cJSON *arg, const cJSON *value)
{
    const cJSON *element, *before = NULL;
    size_t index = 0;
    if (!cJSON_IsArray(value))
        return pattern_miss_op(m, "$rising", arg, value);
    cJSON_ArrayForEach(element, value)
    {
        const cJSON *seen = *arg->valuestring == '\0' ? element : json_get(element, arg->valuestring);
        bool fine = index == 0 ? cJSON_IsNumber(seen) || cJSON_IsString(seen) : rises(before, seen);
        if (!fine)
            return miss_rise(m, before, index, arg, seen);
        before = seen;
        index++;
    }
    return true;
}

static void describe_rising(const cJSON *arg, struct buf *out, size_t limit)
{
    (void) limit;
    buf_printf(out, "an array, rising%s%.80s", *arg->valuestring == '\0' ? "" : " by ", arg->valuestring);
}

/* ---- other steps --------------------------------------------------------------------------- */

static bool match_same(struct match *m, const cJSON *arg, const cJSON *value)
{
    const cJSON *other = pattern_value_at(m->outcomes, arg->valuestring);
    BUF_AUTO wanted = BUF_INIT;
    if (is_there(other) && value != NULL && pattern_equals(other, value))
        return true;
    if (!pattern_match_wants_problems(m))
        return pattern_match_miss(m, "", value);
    pattern_known_op("$same")->describe(arg, &wanted, PROBLEM_TEXT_MAX);
    buf_str(&wanted, is_there(other) ? ", which is " : ", which is not there");
    if (is_there(other))
        show_value(&wanted, other, PROBLEM_TEXT_MAX);
    return pattern_match_miss(m, buf_cstr(&wanted), value);
}

static void describe_same(const cJSON *arg, struct buf *out, size_t limit)
{
    (void) limit;
    buf_printf(out, "the same as %.100s", arg->valuestring);
}

/* ---- events -------------------------------------------------------------------------------- */

/* Adds the data of an event; false when there is something else in its place. */
static bool add_data(const cJSON *event, struct buf *joined, bool *is_text)
{
    OUTPUT_AUTO data = OUTPUT_INIT;
    const cJSON *member = json_get(event, "data");
    if (member == NULL)
        return true;
    if (!output_read(member, &data))
        return false;
    buf_add(joined, data.data, data.len);
    *is_text = *is_text && data.is_text;
    return !joined->failed;
}

static bool is_of_type(const cJSON *event, const char *type)
{
    const cJSON *seen = json_get(event, "type");
    return cJSON_IsString(seen) && strcmp(seen->valuestring, type) == 0;
}

/* All data of that type as one output; NULL when some is no output. */
static cJSON *join(const cJSON *events, const char *type)
{
    BUF_AUTO joined = BUF_INIT;
    bool is_text = true;
    const cJSON *event;
    cJSON_ArrayForEach(event, events)
    {
        if (is_of_type(event, type) && !add_data(event, &joined, &is_text))
            return NULL;
    }
    return output_to_json(buf_cstr(&joined), joined.len, is_text);
}

static bool match_joined(struct match *m, const cJSON *arg, const cJSON *value)
{
    char what[60];
    const char *type = json_get(arg, "type")->valuestring;
    cJSON *joined = cJSON_IsArray(value) ? join(value, type) : NULL;
    if (joined == NULL)
        return pattern_miss_op(m, "$joined", arg, value);
    snprintf(what, sizeof what, "(all %.40s)", type);
    bool fine = pattern_match_below(m, what, json_get(arg, "is"), joined);
    cJSON_Delete(joined);
    return fine;
}

static void describe_joined(const cJSON *arg, struct buf *out, size_t limit)
{
    buf_printf(out, "events, all %.40s together ", json_get(arg, "type")->valuestring);
    pattern_describe_node(json_get(arg, "is"), out, limit);
}

/* ---- the table ----------------------------------------------------------------------------- */

#define TEXT_OP(name, check, stem, doc) \
    { \
        name, check, pattern_match_##stem, pattern_describe_##stem, doc \
    }
#define OP(name, check, stem, doc) \
    { \
        name, check, match_##stem, describe_##stem, doc \
    }

const struct pattern_op pattern_ops[] = {
    OP("$any", pattern_check_true, any, "it is there, and not null"),
    OP("$absent", pattern_check_true, absent, "it is not there, or null"),
    OP("$type", pattern_check_type_word, type, "what kind of value it is"),
    OP("$not", pattern_check_node, not, "the pattern does not match"),
    OP("$in", pattern_check_patterns, in, "one of the patterns matches"),
    OP("$all", pattern_check_patterns, all, "each of the patterns matches"),
    TEXT_OP("$contains", pattern_check_contains, contains, "a part of an output; of an array: some element matches"),
    TEXT_OP("$starts", pattern_check_output, starts, "an output begins so"),
    TEXT_OP("$ends", pattern_check_output, ends, "an output ends so"),
    TEXT_OP("$matches", pattern_check_expression, matches, "a POSIX extended regular expression is found in an output"),
    OP("$gt", pattern_check_number, gt, "a greater number"),
    OP("$gte", pattern_check_number, gte, "this number or a greater one"),
    OP("$lt", pattern_check_number, lt, "a smaller number"),
    OP("$lte", pattern_check_number, lte, "this number or a smaller one"),
    OP("$length", pattern_check_node, length, "bytes of an output or elements of an array, as a pattern"),
    OP("$each", pattern_check_node, each, "every element of an array matches"),
    OP("$order", pattern_check_patterns, order, "elements of an array match these in this order, others between them or not"),
    OP("$rising", pattern_check_text, rising, "this member of each element is greater than that of the one before"),
    OP("$same", pattern_check_same, same, "equal to this place in another step's outcome"),
    TEXT_OP("$output", pattern_check_output, whole,
            "an output (or its pieces in an array) of just these bytes, or their decoded text"),
    OP("$joined", pattern_check_joined, joined, "the data of all events of a type, joined together, match"),
    TEXT_OP("$repeat", pattern_check_repeat, repeat,
            "an output (or its pieces in an array) that is this, so many times"),
};
const size_t pattern_op_count = COUNT(pattern_ops);

const struct pattern_op *pattern_find_op(const char *name)
{
    for (size_t i = 0; i < COUNT(pattern_ops); i++) {
        if (strcmp(pattern_ops[i].name, name) == 0)
            return &pattern_ops[i];
    }
    return NULL;
}

const struct pattern_op *pattern_known_op(const char *name)
{
    const struct pattern_op *op = pattern_find_op(name);
    CHECK(op != NULL);
    return op;
}

bool pattern_is_ops(const struct cJSON *pattern)
{
    return cJSON_IsObject(pattern) && pattern->child != NULL && pattern->child->string[0] == '$';
}

/* ---- describing ---------------------------------------------------------------------------- */

static void describe_object(const cJSON *pattern, struct buf *out, size_t limit)
{
    bool is_op = pattern_is_ops(pattern), is_array = cJSON_IsArray(pattern);
    const cJSON *member;
    buf_str(out, is_op ? "" : is_array ? "[" : "{");
    cJSON_ArrayForEach(member, pattern)
    {
        if (member != pattern->child)
            buf_str(out, is_op ? " and " : ", ");
        if (out->len >= limit) {
            buf_str(out, "...");
            break;
        }
        if (is_op) {
            pattern_known_op(member->string)->describe(member, out, limit);
            continue;
        }
        if (!is_array)
            buf_printf(out, "%.60s: ", member->string);
        pattern_describe_node(member, out, limit);
    }
    buf_str(out, is_op ? "" : is_array ? "]" : "}");
}

void pattern_describe_node(const struct cJSON *pattern, struct buf *out, size_t limit)
{
    if (cJSON_IsObject(pattern) || cJSON_IsArray(pattern))
        describe_object(pattern, out, limit);
    else
        show_value(out, pattern, limit > out->len + 20 ? limit - out->len : 20);
}

void pattern_describe(const struct cJSON *pattern, struct buf *out, size_t max)
{
    pattern_describe_node(pattern, out, out->len + max);
}
