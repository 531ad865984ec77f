/* Operators about texts and outputs. */
#include <cjson/cJSON.h>
#include <regex.h>
#include <string.h>

#include "base/json.h"
#include "judge/pattern_priv.h"
#include "judge/show.h"

/* ---- parts of texts and outputs ------------------------------------------------------------ */

typedef bool part_fn(const struct output *whole, const struct output *part);

static bool has_part(const struct output *whole, const struct output *part)
{
    return part->len == 0 || (whole->len > 0 && memmem(whole->data, whole->len, part->data, part->len) != NULL);
}

static bool has_start(const struct output *whole, const struct output *part)
{
    return part->len <= whole->len && (part->len == 0 || memcmp(whole->data, part->data, part->len) == 0);
}

static bool has_end(const struct output *whole, const struct output *part)
{
    return part->len <= whole->len &&
           (part->len == 0 || memcmp(whole->data + whole->len - part->len, part->data, part->len) == 0);
}

static bool is_part(const cJSON *arg, const cJSON *value, part_fn *holds)
{
    OUTPUT_AUTO whole = OUTPUT_INIT;
    OUTPUT_AUTO part = OUTPUT_INIT;
    return output_read(value, &whole) && output_read(arg, &part) && holds(&whole, &part);
}

bool pattern_match_contains(struct match *m, const cJSON *arg, const cJSON *value)
{
    const cJSON *element;
    if (!cJSON_IsArray(value))
        return is_part(arg, value, has_part) || pattern_miss_op(m, "$contains", arg, value);
    cJSON_ArrayForEach(element, value)
    {
        if (pattern_match_quietly(m, arg, element))
            return true;
    }
    return pattern_miss_op(m, "$contains", arg, value);
}

void pattern_describe_contains(const cJSON *arg, struct buf *out, size_t limit)
{
    buf_str(out, "containing ");
    pattern_describe_node(arg, out, limit);
}

bool pattern_match_starts(struct match *m, const cJSON *arg, const cJSON *value)
{
    return is_part(arg, value, has_start) || pattern_miss_op(m, "$starts", arg, value);
}

void pattern_describe_starts(const cJSON *arg, struct buf *out, size_t limit)
{
    buf_str(out, "starting with ");
    pattern_describe_node(arg, out, limit);
}

bool pattern_match_ends(struct match *m, const cJSON *arg, const cJSON *value)
{
    return is_part(arg, value, has_end) || pattern_miss_op(m, "$ends", arg, value);
}

void pattern_describe_ends(const cJSON *arg, struct buf *out, size_t limit)
{
    buf_str(out, "ending with ");
    pattern_describe_node(arg, out, limit);
}

static bool search(const char *expression, const struct output *text)
{
    regex_t regex;
    regmatch_t range = { .rm_so = 0, .rm_eo = (regoff_t) text->len };
    CHECK(regcomp(&regex, expression, REG_EXTENDED | REG_NOSUB) == 0); /* it was tried when it was checked */
    bool found = regexec(&regex, text->len == 0 ? "" : text->data, 1, &range, REG_STARTEND) == 0;
    regfree(&regex);
    return found;
}

bool pattern_match_matches(struct match *m, const cJSON *arg, const cJSON *value)
{
    OUTPUT_AUTO text = OUTPUT_INIT;
    return (output_read(value, &text) && search(arg->valuestring, &text)) || pattern_miss_op(m, "$matches", arg, value);
}

void pattern_describe_matches(const cJSON *arg, struct buf *out, size_t limit)
{
    (void) limit;
    buf_printf(out, "matching /%.*s/", PROBLEM_TEXT_MAX, arg->valuestring);
}

/* ---- whole outputs ------------------------------------------------------------------------- */

bool pattern_match_whole(struct match *m, const cJSON *arg, const cJSON *value)
{
    OUTPUT_AUTO wanted = OUTPUT_INIT;
    CHECK(output_read(arg, &wanted));
    return pattern_match_output(m, wanted.data, wanted.len, true, value);
}

void pattern_describe_whole(const cJSON *arg, struct buf *out, size_t limit)
{
    show_value(out, arg, limit > out->len ? limit - out->len : 0);
}

/* Where a text stops being `unit` again and again; its length when it never does. */
static size_t repeated_length(const struct output *text, const struct output *unit)
{
    size_t i = 0;
    while (i < text->len && text->data[i] == unit->data[i % unit->len])
        i++;
    return i;
}

static bool is_repeated(const struct output *text, const struct output *unit, size_t times)
{
    if (text->len != unit->len * times)
        return false;
    /* It begins with the unit, and each byte is the one a unit before. */
    return text->len == 0 || (memcmp(text->data, unit->data, unit->len) == 0 &&
                              memcmp(text->data, text->data + unit->len, text->len - unit->len) == 0);
}

static void note_repeat(struct match *m, const cJSON *arg, const struct output *text, const struct output *unit)
{
    BUF_AUTO wanted = BUF_INIT;
    BUF_AUTO seen = BUF_INIT;
    size_t good = repeated_length(text, unit), from = good < 20 ? 0 : good - 20;
    size_t len = text->len - from < 40 ? text->len - from : 40;
    pattern_known_op("$repeat")->describe(arg, &wanted, PROBLEM_TEXT_MAX);
    buf_printf(&seen, "%zu bytes", text->len);
    if (good < text->len) {
        buf_printf(&seen, ", wrong at byte %zu: ", good);
        show_text(&seen, text->data + from, len, 4 * len);
    }
    problems_add(m->problems, buf_cstr(&m->at), buf_cstr(&wanted), buf_cstr(&seen));
}

bool pattern_match_repeat(struct match *m, const cJSON *arg, const cJSON *value)
{
    OUTPUT_AUTO text = OUTPUT_INIT;
    OUTPUT_AUTO unit = OUTPUT_INIT;
    CHECK(output_read(json_get(arg, "of"), &unit));
    if (!output_read_joined(value, &text))
        return pattern_miss_op(m, "$repeat", arg, value);
    if (is_repeated(&text, &unit, (size_t) json_get(arg, "times")->valuedouble))
        return true;
    if (m->problems != NULL)
        note_repeat(m, arg, &text, &unit);
    return false;
}

void pattern_describe_repeat(const cJSON *arg, struct buf *out, size_t limit)
{
    OUTPUT_AUTO unit = OUTPUT_INIT;
    size_t times = (size_t) json_get(arg, "times")->valuedouble;
    if (!output_read(json_get(arg, "of"), &unit))
        return;
    show_value(out, json_get(arg, "of"), limit > out->len + 60 ? 60 : 20);
    buf_printf(out, " %zu times (%zu bytes)", times, times * unit.len);
}
