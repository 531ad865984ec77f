/* Is what the adapter answered an answer to the case? */
#include <cjson/cJSON.h>
#include <string.h>

#include "base/json.h"
#include "judge/case.h"
#include "judge/judge_priv.h"
#include "judge/output.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

const char *judge_text(const struct cJSON *object, const char *name)
{
    const cJSON *node = json_get(object, name);
    return cJSON_IsString(node) ? node->valuestring : NULL;
}

static int bad(struct err *err, const char *step, const char *what)
{
    return err_set(err, ERR_INVALID, 0, "the outcome of step \"%.60s\" %.200s", step, what);
}

/* Bytes that cannot be decoded are the adapter's fault, not the client's. */
static bool has_good_bytes(const cJSON *value)
{
    const cJSON *child;
    OUTPUT_AUTO output = OUTPUT_INIT;
    if (cJSON_IsString(json_get(value, "base64")) && cJSON_GetArraySize(value) == 1)
        return output_read(value, &output);
    cJSON_ArrayForEach(child, value)
    {
        if (!has_good_bytes(child))
            return false;
    }
    return true;
}

static bool is_kind(const char *kind)
{
    static const char *const kinds[] = { "invalid",      "unauthenticated", "forbidden",    "not_found",
                                         "timeout",      "conflict",        "gone",         "too_large",
                                         "rate_limited", "unavailable",     "server",       "connection",
                                         "malformed",    "incomplete",      "output_limit", "check_failed",
                                         "cancelled",    "unsupported",     "other" };
    for (size_t i = 0; kind != NULL && i < COUNT(kinds); i++) {
        if (strcmp(kind, kinds[i]) == 0)
            return true;
    }
    return false;
}

static int check_outcome(const cJSON *outcome, const char *step, struct err *err)
{
    const cJSON *value = json_get(outcome, "value"), *error = json_get(outcome, "error");
    const cJSON *skipped = json_get(outcome, "skipped");
    if (value == NULL && error == NULL && skipped == NULL)
        return bad(err, step, "has neither value nor error nor skipped");
    if (skipped != NULL && (value != NULL || error != NULL))
        return bad(err, step, "is skipped, and has a value or an error, too");
    if (value != NULL && !cJSON_IsObject(value))
        return bad(err, step, "has a value that is no object");
    if (error != NULL && !cJSON_IsObject(error))
        return bad(err, step, "has an error that is no object");
    if (error != NULL && !is_kind(judge_text(error, "kind")))
        return bad(err, step, "has an error without one of the protocol's words in \"kind\"");
    if (skipped != NULL && !cJSON_IsString(skipped))
        return bad(err, step, "is skipped without a reason in words");
    return has_good_bytes(value) ? 0 : bad(err, step, "has {\"base64\"} that is not base64");
}

static const struct case_step *find_step(const struct case_def *def, const char *name)
{
    for (size_t i = 0; i < def->step_count; i++) {
        if (strcmp(def->step[i].name, name) == 0)
            return &def->step[i];
    }
    return NULL;
}

static size_t count_outcomes(const cJSON *outcomes, const char *step)
{
    size_t count = 0;
    const cJSON *outcome;
    cJSON_ArrayForEach(outcome, outcomes)
    {
        const char *name = judge_text(outcome, "step");
        count += name != NULL && strcmp(name, step) == 0;
    }
    return count;
}

/* Each for a step of the case, each step once. */
static int check_steps(const struct case_def *def, const cJSON *outcomes, struct err *err)
{
    for (size_t i = 0; i < def->step_count; i++) {
        size_t count = count_outcomes(outcomes, def->step[i].name);
        if (count > 1)
            return err_set(err, ERR_INVALID, 0, "step \"%.60s\" has %zu outcomes", def->step[i].name, count);
        if (count == 0 && !def->step[i].is_background)
            return err_set(err, ERR_INVALID, 0, "step \"%.60s\" has no outcome", def->step[i].name);
    }
    return 0;
}

static int check_result(const struct case_def *def, const cJSON *line, struct err *err)
{
    const cJSON *outcomes = json_get(line, "outcomes"), *outcome;
    if (!cJSON_IsArray(outcomes))
        return err_set(err, ERR_INVALID, 0, "the result has no list of outcomes");
    cJSON_ArrayForEach(outcome, outcomes)
    {
        const char *step = judge_text(outcome, "step");
        if (step == NULL)
            return err_set(err, ERR_INVALID, 0, "an outcome does not name its step");
        if (find_step(def, step) == NULL)
            return err_set(err, ERR_INVALID, 0, "the case has no step \"%.60s\"", step);
        if (check_outcome(outcome, step, err) < 0)
            return -1;
    }
    return check_steps(def, outcomes, err);
}

int judge_check_answer(const struct case_def *def, const struct cJSON *line, struct err *err)
{
    const char *type = judge_text(line, "type");
    if (type == NULL)
        return err_set(err, ERR_INVALID, 0, "the answer has no type");
    if (strcmp(type, "result") == 0)
        return check_result(def, line, err);
    if (strcmp(type, "skipped") == 0 || strcmp(type, "errored") == 0)
        return 0;
    return err_set(err, ERR_INVALID, 0, "an answer of type \"%.60s\" instead of result, skipped or errored", type);
}
