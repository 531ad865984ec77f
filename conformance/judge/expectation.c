#include "judge/expectation.h"

#include <cjson/cJSON.h>
#include <string.h>

#include "base/json.h"
#include "judge/show.h"

/* ---- checking ------------------------------------------------------------------------------ */

static int refuse(const cJSON *node, const struct cJSON **out_bad, struct err *err, const char *what)
{
    *out_bad = node;
    return err_set(err, ERR_INVALID, 0, "%s", what);
}

static int check_any(const cJSON *any, pattern_same_fn *same, const void *arg, const struct cJSON **out_bad,
                     struct err *err)
{
    const cJSON *one;
    if (!cJSON_IsArray(any) || cJSON_GetArraySize(any) < 2)
        return refuse(any, out_bad, err, "any takes a list of two expectations or more");
    cJSON_ArrayForEach(one, any)
    {
        if (expectation_check(one, same, arg, out_bad, err) < 0)
            return -1;
    }
    return 0;
}

static int check_member(const cJSON *member, pattern_same_fn *same, const void *arg, const struct cJSON **out_bad,
                        struct err *err)
{
    bool is_alone = member->next == NULL && member->prev == member;
    if (strcmp(member->string, "value") == 0 || strcmp(member->string, "error") == 0)
        return pattern_check(member, same, arg, out_bad, err);
    if (strcmp(member->string, "any") == 0)
        return is_alone ? check_any(member, same, arg, out_bad, err) : refuse(member, out_bad, err, "any stands alone");
    if (strcmp(member->string, "skipped") == 0)
        return is_alone && cJSON_IsTrue(member)
                   ? 0
                   : refuse(member, out_bad, err, "skipped stands alone, and takes only true");
    return refuse(member, out_bad, err, "an expectation has value, error, skipped or any");
}

int expectation_check(const struct cJSON *expect, pattern_same_fn *same, const void *arg, const struct cJSON **out_bad,
                      struct err *err)
{
    const cJSON *member;
    if (cJSON_IsString(expect) && strcmp(expect->valuestring, "anything") == 0)
        return 0;
    if (!cJSON_IsObject(expect) || expect->child == NULL)
        return refuse(expect, out_bad, err,
                      "an expectation is {\"value\": ...}, {\"error\": ...}, both, {\"skipped\": true}, "
                      "{\"any\": [...]} or \"anything\"");
    cJSON_ArrayForEach(member, expect)
    {
        if (check_member(member, same, arg, out_bad, err) < 0)
            return -1;
    }
    return 0;
}

/* ---- matching ------------------------------------------------------------------------------ */

static const char *text_of(const cJSON *object, const char *name)
{
    const cJSON *member = json_get(object, name);
    return cJSON_IsString(member) ? member->valuestring : NULL;
}

/* "conflict (HyperbrowserError): sandbox is not running" */
static void show_error(struct buf *out, const cJSON *error)
{
    const char *kind = text_of(error, "kind"), *class = text_of(error, "class"), *message = text_of(error, "message");
    buf_printf(out, "an error: %.60s", kind == NULL ? "of no kind" : kind);
    if (class != NULL)
        buf_printf(out, " (%.80s)", class);
    if (message == NULL)
        return;
    buf_str(out, ": ");
    show_text(out, message, strlen(message), PROBLEM_TEXT_MAX);
}

static void show_outcome(struct buf *out, const cJSON *outcome)
{
    const char *skipped = text_of(outcome, "skipped");
    if (json_get(outcome, "error") != NULL) {
        show_error(out, json_get(outcome, "error"));
    } else if (skipped != NULL) {
        buf_str(out, "skipped: ");
        show_text(out, skipped, strlen(skipped), PROBLEM_TEXT_MAX);
    } else {
        buf_str(out, "the value ");
        show_value(out, json_get(outcome, "value"), PROBLEM_TEXT_MAX);
    }
}

static bool miss(struct problems *problems, const char *step, const char *part, const char *expected,
                 const cJSON *outcome)
{
    BUF_AUTO at = BUF_INIT;
    BUF_AUTO seen = BUF_INIT;
    if (problems == NULL)
        return false;
    buf_printf(&at, "%s%s", step, part);
    show_outcome(&seen, outcome);
    problems_add(problems, buf_cstr(&at), expected, buf_cstr(&seen));
    return false;
}

/* One of value and error, against its pattern (NULL: anything). */
static bool match_part(const cJSON *pattern, const char *part, const char *step, const cJSON *outcome,
                       const cJSON *outcomes, struct problems *problems)
{
    BUF_AUTO at = BUF_INIT;
    const cJSON *seen = json_get(outcome, part);
    if (seen == NULL) {
        BUF_AUTO expected = BUF_INIT;
        buf_str(&expected, strcmp(part, "value") == 0 ? "a value" : "an error");
        if (pattern != NULL && problems != NULL) {
            buf_char(&expected, ' ');
            pattern_describe(pattern, &expected, PROBLEM_TEXT_MAX);
        }
        return miss(problems, step, "", buf_cstr(&expected), outcome);
    }
    if (pattern == NULL)
        return true;
    buf_printf(&at, "%s.%s", step, part);
    return pattern_match(pattern, seen, outcomes, buf_cstr(&at), problems);
}

static bool match_both(const cJSON *expect, const char *step, const cJSON *outcome, const cJSON *outcomes,
                       struct problems *problems)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(expect, "value");
    const cJSON *error = cJSON_GetObjectItemCaseSensitive(expect, "error");
    bool wants_value = value != NULL || error == NULL, fine = true;
    if (error == NULL && json_get(outcome, "error") != NULL)
        return miss(problems, step, "", "no error", outcome);
    if (error != NULL)
        fine = match_part(error, "error", step, outcome, outcomes, problems);
    if (wants_value)
        fine = match_part(value, "value", step, outcome, outcomes, problems) && fine;
    return fine;
}

/* The problems of the alternative that has the fewest say most. */
static bool match_any(const cJSON *any, const char *step, const cJSON *outcome, const cJSON *outcomes,
                      struct problems *problems)
{
    PROBLEMS_AUTO best = PROBLEMS_INIT;
    const cJSON *one;
    cJSON_ArrayForEach(one, any)
    {
        PROBLEMS_AUTO these = PROBLEMS_INIT;
        if (expectation_match(one, step, outcome, outcomes, &these))
            return true;
        if (best.total > 0 && these.total >= best.total)
            continue;
        struct problems swapped = best;
        best = these;
        these = swapped;
    }
    if (problems == NULL)
        return false;
    BUF_AUTO expected = BUF_INIT;
    buf_printf(&expected, "one of %d expectations; what is missing for the nearest of them:", cJSON_GetArraySize(any));
    miss(problems, step, "", buf_cstr(&expected), outcome);
    for (size_t i = 0; i < best.count; i++)
        problems_add(problems, best.list[i].at, best.list[i].expected, best.list[i].seen);
    return false;
}

bool expectation_match(const struct cJSON *expect, const char *step, const struct cJSON *outcome,
                       const struct cJSON *outcomes, struct problems *problems)
{
    if (cJSON_IsString(expect)) /* "anything" */
        return true;
    const cJSON *any = json_get(expect, "any");
    if (any != NULL)
        return match_any(any, step, outcome, outcomes, problems);
    if (json_get(expect, "skipped") != NULL)
        return json_get(outcome, "skipped") != NULL || miss(problems, step, "", "the step skipped", outcome);
    return match_both(expect, step, outcome, outcomes, problems);
}

/* ---- describing ---------------------------------------------------------------------------- */

static void describe_any(const cJSON *any, struct buf *out, size_t max)
{
    const cJSON *one;
    cJSON_ArrayForEach(one, any)
    {
        if (one != any->child)
            buf_str(out, ", or ");
        expectation_describe(one, out, max);
    }
}

void expectation_describe(const struct cJSON *expect, struct buf *out, size_t max)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(expect, "value");
    const cJSON *error = cJSON_GetObjectItemCaseSensitive(expect, "error");
    if (expect == NULL) {
        buf_str(out, "a value, no error");
    } else if (cJSON_IsString(expect)) {
        buf_str(out, "anything");
    } else if (json_get(expect, "any") != NULL) {
        describe_any(json_get(expect, "any"), out, max);
    } else if (json_get(expect, "skipped") != NULL) {
        buf_str(out, "skipped");
    } else {
        if (value != NULL) {
            buf_str(out, "value ");
            pattern_describe(value, out, max);
        }
        buf_str(out, value != NULL && error != NULL ? ", and error " : error != NULL ? "error " : ", no error");
        if (error != NULL)
            pattern_describe(error, out, max);
    }
}
