/* The objects of a case file, as tables; actions and checks. */
#include <cjson/cJSON.h>
#include <string.h>

#include "base/json.h"
#include "judge/case_priv.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

/* ---- files, cases -------------------------------------------------------------------------- */

const struct shape case_shape_file = {
    "file",
    "a case file",
    { { "$schema", KIND_TEXT, false },
      { "standbox_cases", KIND_ONE, true },
      { "vendor", KIND_TEXT, true },
      { "area", KIND_TEXT, true },
      { "cases", KIND_ARRAY, true } },
};

const struct shape case_shape_case = {
    "case",
    "a case",
    { { "id", KIND_TEXT, true },
      { "aliases", KIND_TEXTS, false },
      { "requirement", KIND_TEXT, true },
      { "source", KIND_TEXTS, true },
      { "tag", KIND_TAG, true },
      { "severity", KIND_SEVERITY, false },
      { "needs", KIND_TEXTS, false },
      { "bug", KIND_TEXTS, false },
      { "axes", KIND_OBJECT, false },
      { "scenario", KIND_OBJECT, false },
      { "scenario_file", KIND_TEXT, false },
      { "client", KIND_OBJECT, false },
      { "deadline_ms", KIND_COUNT, false },
      { "bare", KIND_BOOL, false },
      { "before", KIND_ARRAY, false },
      { "steps", KIND_ARRAY, true },
      { "meanwhile", KIND_ARRAY, false },
      { "wire", KIND_ARRAY, false },
      { "witness", KIND_ARRAY, true },
      { "journal", KIND_TEXTS, false },
      { "portable", KIND_BOOL, false },
      { "kills_none", KIND_TEXT, false } },
};

const struct shape case_shape_client = {
    "client",
    "client",
    { { "url", KIND_URL, false }, { "timeout_ms", KIND_COUNT, false }, { "runtime_proxy", KIND_PROXY, false } },
};

/* ---- actions ------------------------------------------------------------------------------- */

static const struct shape shape_await_request = {
    "await_request",
    "await_request",
    { { "op", KIND_TEXT, false },
      { "dialect", KIND_TEXT, false },
      { "method", KIND_TEXT, false },
      { "path", KIND_TEXT, false },
      { "command", KIND_TEXT, false },
      { "sandbox", KIND_TEXT, false },
      { "process", KIND_TEXT, false },
      { "status", KIND_COUNT, false },
      { "fault", KIND_TEXT, false },
      { "header", KIND_STRING_MAP, false },
      { "body", KIND_TEXT, false },
      { "count", KIND_COUNT, false },
      { "timeout_ms", KIND_INT, false } },
};

static const struct shape shape_await_fact = {
    "await_fact",
    "await_fact",
    { { "fact", KIND_TEXT, true },
      { "command", KIND_TEXT, false },
      { "sandbox", KIND_TEXT, false },
      { "process", KIND_TEXT, false },
      { "count", KIND_COUNT, false },
      { "timeout_ms", KIND_INT, false } },
};

static const struct shape shape_await_process = {
    "await_process",
    "await_process",
    { { "sandbox", KIND_TEXT, false },
      { "id", KIND_TEXT, false },
      { "command", KIND_TEXT, false },
      { "state", KIND_TEXT, false },
      { "fact", KIND_TEXT, false },
      { "count", KIND_COUNT, false },
      { "timeout_ms", KIND_INT, false } },
};

static const struct shape shape_await_barrier = {
    "await_barrier",
    "await_barrier",
    { { "name", KIND_TEXT, false }, { "count", KIND_COUNT, false }, { "timeout_ms", KIND_INT, false } },
};

static const struct shape shape_open_barrier = {
    "open_barrier",
    "open_barrier",
    { { "name", KIND_TEXT, true }, { "for_good", KIND_BOOL, false } },
};

static const struct shape shape_clock = {
    "clock",
    "clock",
    { { "freeze", KIND_BOOL, false },
      { "run", KIND_BOOL, false },
      { "advance_ms", KIND_COUNT, false },
      { "scale", KIND_NUMBER, false } },
};

const struct action_shape case_action_shapes[] = {
    { "await_request", &shape_await_request },
    { "await_fact", &shape_await_fact },
    { "await_process", &shape_await_process },
    { "await_barrier", &shape_await_barrier },
    { "open_barrier", &shape_open_barrier },
    { "clock", &shape_clock },
    { "scenario", NULL },
};
const size_t case_action_shape_count = COUNT(case_action_shapes);

static const struct action_shape *find_action(const char *name)
{
    for (size_t i = 0; i < COUNT(case_action_shapes); i++) {
        if (strcmp(case_action_shapes[i].name, name) == 0)
            return &case_action_shapes[i];
    }
    return NULL;
}

static int check_clock(const struct reader *r, const cJSON *clock, struct err *err)
{
    if (cJSON_GetArraySize(clock) != 1)
        return shape_complain(r, clock, err, "clock takes just one of freeze, run, advance_ms and scale");
    if (cJSON_IsFalse(clock->child))
        return shape_complain(r, clock->child, err, "takes only true");
    return 0;
}

static int check_action(const struct reader *r, const cJSON *action, struct err *err)
{
    if (!cJSON_IsObject(action) || cJSON_GetArraySize(action) != 1)
        return shape_complain(r, action, err, "an action is an object with one member: {\"await_fact\": {...}}");
    const cJSON *what = action->child;
    const struct action_shape *known = find_action(what->string);
    if (known == NULL)
        return shape_complain_key(r, what, err, "there is no action \"%.60s\"", what->string);
    if (known->shape == NULL)
        return shape_check_kind(r, KIND_OBJECT, what, err);
    if (shape_check(r, known->shape, what, err) < 0)
        return -1;
    return known->shape == &shape_clock ? check_clock(r, what, err) : 0;
}

int case_check_actions(const struct reader *r, const struct cJSON *actions, struct err *err)
{
    const cJSON *action;
    cJSON_ArrayForEach(action, actions)
    {
        if (check_action(r, action, err) < 0)
            return -1;
    }
    return 0;
}

/* ---- checks -------------------------------------------------------------------------------- */

const struct shape case_shape_check_entry = {
    "check_entry",
    "a check",
    { { "what", KIND_TEXT, true }, { "entry", KIND_OBJECT, true }, { "count", KIND_ANY, false } },
};

const struct shape case_shape_check_order = {
    "check_order",
    "a check of an order",
    { { "what", KIND_TEXT, true }, { "order", KIND_ARRAY, true } },
};

static int check_pattern(const struct reader *r, const cJSON *pattern, pattern_same_fn *same, const void *arg,
                         struct err *err)
{
    const cJSON *bad;
    struct err why = ERR_INIT;
    if (pattern_check(pattern, same, arg, &bad, &why) == 0)
        return 0;
    return shape_complain(r, bad, err, "%s", why.text);
}

static int check_order(const struct reader *r, const cJSON *check, pattern_same_fn *same, const void *arg,
                       struct err *err)
{
    const cJSON *one, *order = json_get(check, "order");
    if (shape_check(r, &case_shape_check_order, check, err) < 0)
        return -1;
    if (cJSON_GetArraySize(order) < 2)
        return shape_complain(r, order, err, "an order has two entries or more");
    cJSON_ArrayForEach(one, order)
    {
        if (shape_check_kind(r, KIND_OBJECT, one, err) < 0 || check_pattern(r, one, same, arg, err) < 0)
            return -1;
    }
    return 0;
}

static bool holds_for_none(const cJSON *count)
{
    cJSON *none = cJSON_CreateNumber(0);
    CHECK(none != NULL);
    bool holds = count != NULL && pattern_match(count, none, NULL, "", NULL);
    cJSON_Delete(none);
    return holds;
}

static int check_entry(const struct reader *r, const cJSON *check, bool is_witness, pattern_same_fn *same,
                       const void *arg, struct err *err)
{
    const cJSON *count = json_get(check, "count");
    if (shape_check(r, &case_shape_check_entry, check, err) < 0 ||
        check_pattern(r, json_get(check, "entry"), same, arg, err) < 0)
        return -1;
    if (count != NULL && check_pattern(r, count, NULL, NULL, err) < 0)
        return -1;
    if (is_witness && holds_for_none(count))
        return shape_complain(r, count, err, "a witness must be there; what must not be there belongs to \"wire\"");
    return 0;
}

int case_check_checks(const struct reader *r, const struct cJSON *checks, bool is_witness, pattern_same_fn *same,
                      const void *arg, struct err *err)
{
    const cJSON *check;
    cJSON_ArrayForEach(check, checks)
    {
        bool is_order = json_get(check, "order") != NULL;
        if ((is_order ? check_order(r, check, same, arg, err) : check_entry(r, check, is_witness, same, arg, err)) < 0)
            return -1;
    }
    return 0;
}

/* ---- the journal --------------------------------------------------------------------------- */

static bool is_one_of(const char *name, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(words[i], name) == 0)
            return true;
    }
    return false;
}

int case_check_journal(const struct reader *r, const struct cJSON *names, struct err *err)
{
    static const char *const known[] = { "duplicate-starts", "unclosed-streams",  "auth",
                                         "retries",          "unknown-routes",    "client-errors",
                                         "faults-fired",     "processes-matched", "whole-journal" };
    const cJSON *name;
    cJSON_ArrayForEach(name, names)
    {
        if (!is_one_of(name->valuestring, known, COUNT(known)))
            return shape_complain(r, name, err, "the server's verdict has no check \"%.60s\"", name->valuestring);
    }
    return 0;
}

/* ---- all shapes ---------------------------------------------------------------------------- */

const struct shape *const case_shapes[] = {
    &case_shape_file,        &case_shape_case,     &case_shape_client, &case_shape_check_entry,
    &case_shape_check_order, &shape_await_request, &shape_await_fact,  &shape_await_process,
    &shape_await_barrier,    &shape_open_barrier,  &shape_clock,
};
const size_t case_shape_count = COUNT(case_shapes);
