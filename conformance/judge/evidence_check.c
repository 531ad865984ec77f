/* Checks of `wire` and `witness`: how many entries match, or in what order. */
#include <cjson/cJSON.h>
#include <inttypes.h>
#include <string.h>

#include "base/json.h"
#include "judge/evidence.h"
#include "judge/pattern.h"

#define NEAREST_TRIED 200 /* entries that are compared in full to explain a miss */

void check_result_fini(struct check_result *result)
{
    buf_fini(&result->expected);
    buf_fini(&result->seen);
    *result = (struct check_result) CHECK_RESULT_INIT;
}

static int64_t number_of(const cJSON *entry)
{
    const cJSON *number = json_get(entry, "number");
    return cJSON_IsNumber(number) ? (int64_t) number->valuedouble : 0;
}

static void note(struct check_result *out, const cJSON *entry)
{
    if (out->entry_count < CHECK_ENTRIES_MAX)
        out->entries[out->entry_count++] = number_of(entry);
}

/* ---- why nothing matched ------------------------------------------------------------------- */

static const char *type_of(const cJSON *object)
{
    const cJSON *type = json_get(object, "type");
    return cJSON_IsString(type) ? type->valuestring : NULL;
}

/* One whose type the pattern does not exclude. */
static bool could_be(const cJSON *pattern, const cJSON *entry)
{
    const char *wanted = type_of(pattern), *seen = type_of(entry);
    return wanted == NULL || seen == NULL || strcmp(wanted, seen) == 0;
}

static void keep_better(struct problems *best, struct problems *these)
{
    struct problems swapped = *best;
    *best = *these;
    *these = swapped;
}

/* The entry that comes nearest, and its first problem. */
static void tell_nearest(const struct evidence *e, size_t from, const cJSON *pattern, const cJSON *outcomes,
                         struct buf *out)
{
    PROBLEMS_AUTO best = PROBLEMS_INIT;
    const cJSON *nearest = NULL;
    for (size_t i = from, tried = 0; i < evidence_count(e) && tried < NEAREST_TRIED; i++) {
        PROBLEMS_AUTO these = PROBLEMS_INIT;
        const cJSON *entry = evidence_entry(e, i);
        if (!could_be(pattern, entry) || pattern_match(pattern, entry, outcomes, "", &these))
            continue;
        tried++;
        if (nearest != NULL && these.total >= best.total)
            continue;
        nearest = entry;
        keep_better(&best, &these);
    }
    if (nearest == NULL || best.count == 0)
        return;
    const char *at = best.list[0].at;
    buf_printf(out, "; nearest is entry %" PRId64 ": %s should be %s, is %s", number_of(nearest), at + (*at == '.'),
               best.list[0].expected, best.list[0].seen);
}

/* ---- counting ------------------------------------------------------------------------------ */

static const cJSON *sole(const cJSON *pattern, const char *name)
{
    bool is_alone = cJSON_IsObject(pattern) && pattern->child != NULL && pattern->child->next == NULL;
    return is_alone ? json_get(pattern, name) : NULL;
}

/* "exactly 1", "at least 1", "2 or 3" */
static void describe_count(const cJSON *count, struct buf *out)
{
    if (count == NULL)
        buf_str(out, "at least 1");
    else if (cJSON_IsNumber(count))
        buf_printf(out, count->valuedouble > 0 ? "exactly %.0f" : "none", count->valuedouble);
    else
        pattern_describe(count, out, PROBLEM_TEXT_MAX);
}

static bool is_enough(const cJSON *wanted, size_t seen)
{
    if (wanted == NULL)
        return seen > 0;
    cJSON *count = cJSON_CreateNumber((double) seen);
    CHECK(count != NULL);
    bool fine = pattern_match(wanted, count, NULL, "", NULL);
    cJSON_Delete(count);
    return fine;
}

/* Would one more have been better? */
static bool is_short(const cJSON *wanted, size_t seen)
{
    if (cJSON_IsNumber(wanted))
        return (double) seen < wanted->valuedouble;
    return seen == 0 || sole(wanted, "$gte") != NULL;
}

static void check_count(const struct evidence *e, const cJSON *check, const cJSON *outcomes, struct check_result *out)
{
    const cJSON *pattern = json_get(check, "entry"), *count = json_get(check, "count");
    size_t seen = 0;
    for (size_t i = 0; i < evidence_count(e); i++) {
        if (!pattern_match(pattern, evidence_entry(e, i), outcomes, "", NULL))
            continue;
        seen++;
        note(out, evidence_entry(e, i));
    }
    out->ok = is_enough(count, seen);
    describe_count(count, &out->expected);
    if (seen > 0)
        buf_printf(&out->seen, "%zu", seen);
    else
        buf_printf(&out->seen, "none of %zu entr%s", evidence_count(e), evidence_count(e) == 1 ? "y" : "ies");
    if (!out->ok && is_short(count, seen))
        tell_nearest(e, 0, pattern, outcomes, &out->seen);
}

/* ---- order --------------------------------------------------------------------------------- */

static size_t find_next(const struct evidence *e, size_t from, const cJSON *pattern, const cJSON *outcomes)
{
    while (from < evidence_count(e) && !pattern_match(pattern, evidence_entry(e, from), outcomes, "", NULL))
        from++;
    return from;
}

/* Taking the first that fits each time is enough: whatever fits later fits behind it, too. */
static void check_order(const struct evidence *e, const cJSON *order, const cJSON *outcomes, struct check_result *out)
{
    size_t at = 0, done = 0, wanted = (size_t) cJSON_GetArraySize(order);
    const cJSON *pattern;
    buf_printf(&out->expected, "%zu entries in this order", wanted);
    cJSON_ArrayForEach(pattern, order)
    {
        size_t found = find_next(e, at, pattern, outcomes);
        if (found == evidence_count(e))
            break;
        note(out, evidence_entry(e, found));
        at = found + 1;
        done++;
    }
    out->ok = done == wanted;
    buf_printf(&out->seen, "%zu of %zu", done, wanted);
    if (out->ok)
        return;
    buf_str(&out->seen, "; there is none then like ");
    pattern_describe(pattern, &out->seen, PROBLEM_TEXT_MAX);
    tell_nearest(e, at, pattern, outcomes, &out->seen);
}

void evidence_check(const struct evidence *evidence, const struct cJSON *check, const struct cJSON *outcomes,
                    struct check_result *out)
{
    const cJSON *order = json_get(check, "order");
    if (order != NULL)
        check_order(evidence, order, outcomes, out);
    else
        check_count(evidence, check, outcomes, out);
}
