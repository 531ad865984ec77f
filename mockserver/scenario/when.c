/* "when": which requests a rule is about. */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "scenario/scenario_priv.h"

#define MAX_NTH ((int64_t) 1 << 53)

static const char *const key_names[WHEN_KEYS] = {
    [WHEN_OP] = "op",           [WHEN_DIALECT] = "dialect", [WHEN_COMMAND] = "command",
    [WHEN_ARGV0] = "argv0",     [WHEN_CWD] = "cwd",         [WHEN_ENV] = "env",
    [WHEN_SANDBOX] = "sandbox", [WHEN_LANE] = "lane",       [WHEN_NTH] = "nth",
};

const char *when_key_name(enum when_key key)
{
    return key_names[key];
}

/* One value or a list of them: the items, without a copy. */
static int items_of(struct reader *r, const struct cJSON *value, const struct cJSON **out_first, size_t *out_count)
{
    *out_first = value;
    *out_count = 1;
    if (!cJSON_IsArray(value))
        return 0;
    *out_first = value->child;
    return reader_list(r, value, SCENARIO_MAX_LIST, out_count);
}

/* ---- names ---------------------------------------------------------------------------- */

static const struct word op_groups[] = { { "sandbox.*", 0 }, { "process.*", 1 }, { "file.*", 2 } };
static const struct words op_group_words = { "group of operations", op_groups, 3 };

/* All operations of the group's area. */
static uint64_t ops_of_group(const char *group)
{
    uint64_t ops = 0;
    for (size_t i = 0; i < vocab_ops.count; i++) {
        if (strncmp(vocab_ops.list[i].name, group, strlen(group) - 1) == 0)
            ops |= OP_BIT(vocab_ops.list[i].value);
    }
    return ops;
}

static int read_op(struct reader *r, const struct cJSON *value, void *out)
{
    struct when *when = out;
    const cJSON *item;
    size_t count;
    int op = 0;
    if (items_of(r, value, &item, &count) < 0)
        return -1;
    when->ops = 0;
    for (; count-- > 0; item = item->next) {
        if (cJSON_IsString(item) && vocab_find(&op_group_words, item->valuestring, &op))
            when->ops |= ops_of_group(item->valuestring);
        else if (reader_word(r, item, &vocab_ops, &op) < 0)
            return -1;
        else
            when->ops |= OP_BIT(op);
    }
    when->has |= 1u << WHEN_OP;
    return 0;
}

static int read_dialect(struct reader *r, const struct cJSON *value, void *out)
{
    struct when *when = out;
    const cJSON *item;
    size_t count;
    int dialect = 0;
    if (items_of(r, value, &item, &count) < 0)
        return -1;
    when->dialects = 0;
    for (; count-- > 0; item = item->next) {
        if (reader_word(r, item, &vocab_dialects, &dialect) < 0)
            return -1;
        when->dialects |= DIALECT_BIT(dialect);
    }
    when->has |= 1u << WHEN_DIALECT;
    return 0;
}

/* ---- texts ---------------------------------------------------------------------------- */

static int spend(struct reader *r, const struct cJSON *node, const struct pattern *pattern)
{
    r->pattern_cost += pattern_cost(pattern);
    if (r->pattern_cost <= SCENARIO_PATTERN_COST)
        return 0;
    return reader_refuse(r, node, "all patterns of the file together are too large (limit %d)", SCENARIO_PATTERN_COST);
}

/* {"regex": "..."}; into struct pattern. */
static int read_regex(struct reader *r, const struct cJSON *value, void *out)
{
    char *text = NULL;
    struct err why = ERR_INIT;
    int rc = reader_text(r, value, 1, &text);
    if (rc == 0 && pattern_init_regex(out, text, &why) < 0)
        rc = reader_refuse(r, value, "not a regular expression to use: %s", why.text);
    free(text);
    return rc;
}

static const struct key regex_list[] = { { "regex", read_regex, true } };
const struct keys when_regex_keys = { "regex", "a pattern", regex_list, 1 };

static int read_pattern(struct reader *r, const struct cJSON *value, struct pattern *out)
{
    char *text = NULL;
    struct err why = ERR_INIT;
    if (cJSON_IsObject(value)) {
        if (reader_object(r, value, &when_regex_keys, out) < 0)
            return -1;
    } else if (!cJSON_IsString(value)) {
        return reader_wants(r, value, "a text or {\"regex\": ...}");
    } else {
        int rc = reader_text(r, value, 0, &text);
        if (rc == 0 && pattern_init_text(out, text, &why) < 0)
            rc = reader_refuse(r, value, "%s", why.text);
        free(text);
        if (rc < 0)
            return -1;
    }
    return spend(r, value, out);
}

static int read_patterns(struct reader *r, const struct cJSON *value, bool may_be_null, struct patterns *out)
{
    const cJSON *item;
    size_t count;
    if (items_of(r, value, &item, &count) < 0)
        return -1;
    out->list = reader_alloc(r, count, sizeof *out->list);
    if (out->list == NULL)
        return -1;
    out->count = count;
    for (size_t i = 0; i < count; i++, item = item->next) {
        out->list[i].kind = PATTERN_ABSENT;
        if (!(may_be_null && cJSON_IsNull(item)) && read_pattern(r, item, &out->list[i]) < 0)
            return -1;
    }
    return 0;
}

static int read_text(struct reader *r, const struct cJSON *value, struct when *when, enum when_key key)
{
    when->has |= 1u << key;
    return read_patterns(r, value, false, &when->text[key]);
}

static int read_command(struct reader *r, const struct cJSON *value, void *out)
{
    return read_text(r, value, out, WHEN_COMMAND);
}

static int read_argv0(struct reader *r, const struct cJSON *value, void *out)
{
    return read_text(r, value, out, WHEN_ARGV0);
}

static int read_cwd(struct reader *r, const struct cJSON *value, void *out)
{
    return read_text(r, value, out, WHEN_CWD);
}

static int read_sandbox(struct reader *r, const struct cJSON *value, void *out)
{
    return read_text(r, value, out, WHEN_SANDBOX);
}

static int read_lane(struct reader *r, const struct cJSON *value, void *out)
{
    return read_text(r, value, out, WHEN_LANE);
}

/* ---- env ------------------------------------------------------------------------------ */

static int read_env_name(struct reader *r, const struct cJSON *member, char **out)
{
    struct buf name = BUF_INIT;
    json_name_bytes(member, &name);
    bool is_good = name.len > 0 && memchr(name.data, '=', name.len) == NULL && strlen(name.data) == name.len;
    if (!is_good) {
        buf_fini(&name);
        return reader_refuse_key(r, member, "the name of a variable must not be empty nor hold \"=\" or NUL");
    }
    *out = name.data;
    return 0;
}

static int read_env(struct reader *r, const struct cJSON *value, void *out)
{
    struct when *when = out;
    const cJSON *member;
    if (!cJSON_IsObject(value))
        return reader_wants(r, value, "an object of variables");
    size_t count = (size_t) cJSON_GetArraySize(value);
    if (count == 0 || count > SCENARIO_MAX_LIST)
        return reader_refuse(r, value, "must name from 1 to %d variables, not %zu", SCENARIO_MAX_LIST, count);
    when->env = reader_alloc(r, count, sizeof *when->env);
    if (when->env == NULL)
        return -1;
    cJSON_ArrayForEach(member, value)
    {
        struct when_env *env = &when->env[when->env_count++];
        if (read_env_name(r, member, &env->name) < 0 || read_patterns(r, member, true, &env->values) < 0)
            return -1;
    }
    when->has |= 1u << WHEN_ENV;
    return 0;
}

/* ---- nth ------------------------------------------------------------------------------ */

static int read_from(struct reader *r, const struct cJSON *value, void *out)
{
    struct when_range *range = out;
    int64_t n = 0;
    if (reader_int(r, value, 1, MAX_NTH, &n) < 0)
        return -1;
    range->from = (uint64_t) n;
    return 0;
}

static int read_to(struct reader *r, const struct cJSON *value, void *out)
{
    struct when_range *range = out;
    int64_t n = 0;
    if (reader_int(r, value, 1, MAX_NTH, &n) < 0)
        return -1;
    range->to = (uint64_t) n;
    return 0;
}

static const struct key range_list[] = { { "from", read_from, true }, { "to", read_to, false } };
const struct keys when_range_keys = { "range", "a range", range_list, 2 };

static int read_nth_item(struct reader *r, const struct cJSON *item, struct when_range *out)
{
    *out = (struct when_range){ 1, UINT64_MAX };
    if (cJSON_IsObject(item)) {
        if (reader_object(r, item, &when_range_keys, out) < 0)
            return -1;
        return out->to < out->from ? reader_refuse(r, item, "a range that ends before it begins") : 0;
    }
    if (!cJSON_IsNumber(item))
        return reader_wants(r, item, "a number, a list of numbers or {\"from\": N, \"to\": N}");
    if (read_from(r, item, out) < 0)
        return -1;
    out->to = out->from;
    return 0;
}

static int compare_ranges(const void *a, const void *b)
{
    const struct when_range *x = a, *y = b;
    return x->from < y->from ? -1 : x->from > y->from;
}

/* Sorted; the same number twice would make counts wrong. */
static int check_nth(struct reader *r, const struct cJSON *value, struct when *when)
{
    qsort(when->nth, when->nth_count, sizeof *when->nth, compare_ranges);
    for (size_t i = 1; i < when->nth_count; i++) {
        if (when->nth[i].from <= when->nth[i - 1].to)
            return reader_refuse(r, value, "%llu is in it twice", (unsigned long long) when->nth[i].from);
    }
    return 0;
}

static int read_nth(struct reader *r, const struct cJSON *value, void *out)
{
    struct when *when = out;
    const cJSON *item;
    size_t count;
    if (items_of(r, value, &item, &count) < 0)
        return -1;
    when->nth = reader_alloc(r, count, sizeof *when->nth);
    if (when->nth == NULL)
        return -1;
    when->nth_count = count;
    for (size_t i = 0; i < count; i++, item = item->next) {
        if (read_nth_item(r, item, &when->nth[i]) < 0)
            return -1;
    }
    when->has |= 1u << WHEN_NTH;
    return check_nth(r, value, when);
}

uint64_t when_nth_total(const struct when *when)
{
    uint64_t total = 0;
    for (size_t i = 0; i < when->nth_count; i++) {
        if (when->nth[i].to == UINT64_MAX)
            return 0;
        total += when->nth[i].to - when->nth[i].from + 1;
    }
    return total;
}

/* ---- the whole ------------------------------------------------------------------------ */

static const struct key when_list[] = {
    { "op", read_op, false },           { "dialect", read_dialect, false }, { "command", read_command, false },
    { "argv0", read_argv0, false },     { "cwd", read_cwd, false },         { "env", read_env, false },
    { "sandbox", read_sandbox, false }, { "lane", read_lane, false },       { "nth", read_nth, false },
};
const struct keys when_keys = { "when", "\"when\"", when_list, sizeof when_list / sizeof when_list[0] };

int when_read(struct reader *r, const struct cJSON *value, void *out)
{
    return reader_object(r, value, &when_keys, out);
}

void when_init(struct when *when)
{
    *when = (struct when){ .ops = OP_ALL, .dialects = DIALECT_BIT(DIALECT_COUNT) - 1 };
}

static void fini_patterns(struct patterns *patterns)
{
    for (size_t i = 0; i < patterns->count; i++)
        pattern_fini(&patterns->list[i]);
    free(patterns->list);
}

void when_fini(struct when *when)
{
    for (size_t key = 0; key < WHEN_KEYS; key++)
        fini_patterns(&when->text[key]);
    for (size_t i = 0; i < when->env_count; i++) {
        free(when->env[i].name);
        fini_patterns(&when->env[i].values);
    }
    free(when->env);
    free(when->nth);
}
