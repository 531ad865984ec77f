/* One rule of "faults": when, at which place, what, how often; and what contradicts what. */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "scenario/scenario_priv.h"

#define MAX_COUNT ((int64_t) 1 << 53)

/* ---- at ------------------------------------------------------------------------------- */

static int read_place_count(struct reader *r, const struct cJSON *value, struct fault_at *at, enum at_place place)
{
    int64_t count = 0;
    if (reader_int(r, value, 0, MAX_COUNT, &count) < 0)
        return -1;
    at->place = place;
    at->count = (uint64_t) count;
    return 0;
}

static int read_after_bytes(struct reader *r, const struct cJSON *value, void *out)
{
    return read_place_count(r, value, out, AT_BYTES);
}

static int read_after_events(struct reader *r, const struct cJSON *value, void *out)
{
    return read_place_count(r, value, out, AT_EVENTS);
}

static int read_after_fact(struct reader *r, const struct cJSON *value, void *out)
{
    struct fault_at *at = out;
    int fact = 0;
    if (reader_word(r, value, &vocab_facts, &fact) < 0)
        return -1;
    at->place = AT_FACT;
    at->fact = (enum scenario_fact) fact;
    return 0;
}

static int read_probability(struct reader *r, const struct cJSON *value, void *out)
{
    struct fault_at *at = out;
    if (reader_number(r, value, 0, 1, &at->probability) < 0)
        return -1;
    return at->probability > 0 ? 0 : reader_refuse(r, value, "with 0 the fault can never fire");
}

static const struct key at_list[TRIGGERS] = {
    [TRIGGER_BYTES] = { "after_bytes", read_after_bytes, false },
    [TRIGGER_EVENTS] = { "after_events", read_after_events, false },
    [TRIGGER_FACT] = { "after_fact", read_after_fact, false },
    [TRIGGER_PROBABILITY] = { "probability", read_probability, false },
};
const struct keys fault_at_keys = { "at", "\"at\"", at_list, TRIGGERS };

static int read_at(struct reader *r, const struct cJSON *value, void *out)
{
    struct fault_rule *rule = out;
    const cJSON *first = NULL, *member;
    if (reader_object(r, value, &fault_at_keys, &rule->at) < 0)
        return -1;
    cJSON_ArrayForEach(member, value)
    {
        if (strcmp(member->string, "probability") == 0)
            continue;
        if (first != NULL)
            return reader_refuse_key(r, member, "\"%s\" and \"%s\" contradict each other: a fault has one place",
                                     first->string, member->string);
        first = member;
    }
    return 0;
}

/* ---- fault ---------------------------------------------------------------------------- */

static int64_t *param_of(struct fault *fault, const struct fault_param *param)
{
    return (int64_t *) (void *) ((char *) fault + param->offset);
}

static char **text_of(struct fault *fault, const struct fault_param *param)
{
    return (char **) (void *) ((char *) fault + param->offset);
}

static int read_param(struct reader *r, const struct cJSON *value, const struct fault_param *param,
                      struct fault *fault)
{
    bool flag = false;
    int word = 0;
    int64_t *out = param->type == PARAM_TEXT ? NULL : param_of(fault, param);
    switch (param->type) {
    case PARAM_TEXT: return reader_text(r, value, 0, text_of(fault, param));
    case PARAM_INT: return reader_int(r, value, param->min, param->max, out);
    case PARAM_BOOL:
        if (reader_bool(r, value, &flag) < 0)
            return -1;
        *out = flag;
        return 0;
    case PARAM_WORD:
        if (reader_word(r, value, param->words, &word) < 0)
            return -1;
        *out = word;
        return 0;
    }
    return -1;
}

static int read_kind(struct reader *r, const struct cJSON *node, enum fault_kind *out_kind)
{
    if (!cJSON_IsString(node))
        return reader_wants(r, node, "the name of a fault");
    if (fault_find_kind(node->valuestring, out_kind))
        return 0;
    BUF_AUTO shown = BUF_INIT, name = BUF_INIT;
    const char *nearest = fault_nearest_kind(node->valuestring);
    json_string_bytes(node, &name);
    jsonc_quote(&shown, buf_cstr(&name), name.len, 40);
    if (strcmp(node->valuestring, "status") == 0)
        return reader_refuse(r, node, "a status is no fault: use \"reply\": {\"status\": 503} in its place");
    if (nearest != NULL)
        return reader_refuse(r, node, "unknown fault %s: did you mean \"%s\"?", buf_cstr(&shown), nearest);
    return reader_refuse(r, node,
                         "unknown fault %s: known are delay, first_byte_delay, stall, slow, dribble, split, "
                         "cut, EMPTY_RESPONSE, CONNECTION_RESET_BY_PEER and others (see the schema)",
                         buf_cstr(&shown));
}

/* The keys of one kind as a table, for messages. */
static size_t keys_of_kind(const struct fault_info *info, struct key *list)
{
    size_t count = 0;
    list[count++] = (struct key){ "kind", NULL, true };
    for (size_t i = 0; i < FAULT_MAX_PARAMS && info->params[i].name != NULL; i++)
        list[count++] = (struct key){ info->params[i].name, NULL, info->params[i].required };
    return count;
}

static int read_params(struct reader *r, const struct cJSON *object, const struct fault_info *info, struct fault *fault)
{
    struct key list[1 + FAULT_MAX_PARAMS];
    struct keys keys = { "", "this fault", list, keys_of_kind(info, list) };
    const cJSON *member;
    cJSON_ArrayForEach(member, object)
    {
        size_t i = 0;
        while (i < keys.count && strcmp(list[i].name, member->string) != 0)
            i++;
        if (i == keys.count)
            return reader_unknown(r, member, &keys);
        if (i > 0 && read_param(r, member, &info->params[i - 1], fault) < 0)
            return -1;
    }
    return 0;
}

/* What is absent gets its default, or is missed. */
static int fill_params(struct reader *r, const struct cJSON *value, const struct fault_info *info, struct fault *fault)
{
    for (size_t i = 0; i < FAULT_MAX_PARAMS && info->params[i].name != NULL; i++) {
        const struct fault_param *param = &info->params[i];
        if (cJSON_IsObject(value) && json_get(value, param->name) != NULL)
            continue;
        if (param->required)
            return reader_refuse(r, value, "\"%s\" needs \"%s\": {\"kind\": \"%s\", \"%s\": ...}", info->name,
                                 param->name, info->name, param->name);
        if (param->type != PARAM_TEXT)
            *param_of(fault, param) = param->when_absent;
    }
    return 0;
}

static int read_fault(struct reader *r, const struct cJSON *value, void *out)
{
    struct fault *fault = &((struct fault_rule *) out)->fault;
    const cJSON *kind = value;
    if (!cJSON_IsString(value) && !cJSON_IsObject(value))
        return reader_wants(r, value, "the name of a fault or an object with its \"kind\"");
    if (cJSON_IsObject(value)) {
        kind = cJSON_GetObjectItemCaseSensitive(value, "kind");
        if (kind == NULL)
            return reader_refuse(r, value, "needs \"kind\", the name of a fault");
    }
    if (read_kind(r, kind, &fault->kind) < 0)
        return -1;
    const struct fault_info *info = fault_info_of(fault->kind);
    if (cJSON_IsObject(value) && read_params(r, value, info, fault) < 0)
        return -1;
    return fill_params(r, value, info, fault);
}

/* ---- the rule's keys ------------------------------------------------------------------ */

static int read_when(struct reader *r, const struct cJSON *value, void *out)
{
    return when_read(r, value, &((struct fault_rule *) out)->when);
}

static int read_reply(struct reader *r, const struct cJSON *value, void *out)
{
    return reply_read(r, value, &((struct fault_rule *) out)->fault);
}

static int read_times(struct reader *r, const struct cJSON *value, void *out)
{
    int64_t times = 0;
    if (reader_int(r, value, 1, MAX_COUNT, &times) < 0)
        return -1;
    ((struct fault_rule *) out)->times = (uint64_t) times;
    return 0;
}

static const struct key rule_list[] = {
    { "when", read_when, true },    { "at", read_at, false },       { "fault", read_fault, false },
    { "reply", read_reply, false }, { "times", read_times, false },
};
const struct keys fault_rule_keys = { "fault_rule", "a rule of \"faults\"", rule_list,
                                      sizeof rule_list / sizeof rule_list[0] };

/* ---- what makes sense together -------------------------------------------------------- */

/* Every trigger that is given must be one of the kind's. */
static int check_triggers(struct reader *r, const struct cJSON *node, const struct fault_info *info)
{
    const cJSON *at = json_get(node, "at");
    for (size_t i = 0; at != NULL && i < TRIGGERS; i++) {
        const cJSON *given = json_get(at, at_list[i].name);
        if (given == NULL || (info->triggers & TRIGGER_BIT(i)) != 0)
            continue;
        BUF_AUTO list = BUF_INIT;
        for (size_t k = 0; k < TRIGGERS; k++) {
            if ((info->triggers & TRIGGER_BIT(k)) != 0)
                buf_printf(&list, "%s%s", list.len == 0 ? "" : ", ", at_list[k].name);
        }
        return reader_refuse_key(r, given, "\"%s\" makes no sense with \"%s\", which takes %s", at_list[i].name,
                                 info->name, buf_cstr(&list));
    }
    return 0;
}

struct need {
    uint64_t ops;
    const char *why;
};

#define NEEDS_MAX 2

/* What operations must be, or the rule is senseless; .why goes into "none of these ..." */
static size_t needs_of(const struct fault_rule *rule, const struct fault_info *info, struct need needs[NEEDS_MAX])
{
    size_t count = 0;
    if (rule->fault.reply != NULL && rule->fault.reply->pretend_success)
        needs[count++] =
            (struct need){ vocab_ops_acting, "can be pretended: only what gives nothing back but success" };
    else if (info->wants_events || rule->at.place == AT_EVENTS)
        needs[count++] = (struct need){ vocab_ops_streaming, "answers with events in any dialect" };
    else if (rule->fault.kind == FAULT_ERROR_ANSWER)
        needs[count++] = (struct need){ vocab_ops_admitting, "has an answer that can say that it failed" };
    /* What is decided when the request comes cannot look into the log of a process that the request only starts. */
    if (rule->at.place == AT_FACT && info->is_immediate)
        needs[count++] =
            (struct need){ vocab_ops_of_process & ~vocab_ops_starting, "is about a process that is there already" };
    else if (rule->at.place == AT_FACT)
        needs[count++] = (struct need){ vocab_ops_of_process, "is about one process, which has facts" };
    return count;
}

/* One of the operations is enough. */
static int check_needs(struct reader *r, const struct cJSON *op, uint64_t *ops, const struct need *needs, size_t count)
{
    BUF_AUTO why = BUF_INIT;
    for (size_t i = 0; i < count; i++) {
        buf_printf(&why, "%s%s", i == 0 ? "" : " and ", needs[i].why);
        *ops &= needs[i].ops;
        if (op != NULL && *ops == 0)
            return reader_refuse(r, op, "none of these %s", buf_cstr(&why));
    }
    return 0;
}

/* Pretending must be possible for all listed, as nothing else could answer. */
static int check_ops(struct reader *r, const struct cJSON *node, struct fault_rule *rule, const struct fault_info *info)
{
    struct need needs[NEEDS_MAX];
    size_t count = needs_of(rule, info, needs);
    const cJSON *when = json_get(node, "when"), *op = json_get(when, "op");
    uint64_t listed = rule->when.ops;
    bool pretends = rule->fault.reply != NULL && rule->fault.reply->pretend_success;
    if (pretends && op == NULL)
        return reader_refuse(r, when, "\"pretend\" needs \"op\": which operation pretends");
    if (check_needs(r, op, &rule->when.ops, needs, count) < 0)
        return -1;
    if (pretends && (listed & ~vocab_ops_acting) != 0)
        return reader_refuse(r, op, "not all of these can be pretended: only what gives nothing back but success");
    return 0;
}

/* They have API keys, which do not age: one request can be refused as if its key had, but not those behind it. */
#define WITHOUT_TOKENS DIALECT_BIT(DIALECT_COREWEAVE)

static int check_tokens(struct reader *r, const struct cJSON *node, struct fault_rule *rule)
{
    const cJSON *dialect = json_get(json_get(node, "when"), "dialect");
    if (rule->fault.kind != FAULT_EXPIRE_TOKEN || rule->at.place == AT_START)
        return 0;
    if (dialect != NULL && (rule->when.dialects & ~WITHOUT_TOKENS) == 0)
        return reader_refuse_key(r, json_get(node, "at"), "\"expire_token\" has no place with these, whose API keys do not "
                                 "expire: without one it refuses the request itself");
    rule->when.dialects &= ~WITHOUT_TOKENS;
    return 0;
}

static int check_dialects(struct reader *r, const struct cJSON *node, struct fault_rule *rule,
                          const struct fault_info *info)
{
    const cJSON *dialect = json_get(json_get(node, "when"), "dialect");
    if (dialect != NULL && (rule->when.dialects & info->dialects) == 0)
        return reader_refuse(r, dialect, "\"%s\" is a fault of %s, which none of these speaks", info->name,
                             info->needs);
    rule->when.dialects &= info->dialects;
    return 0;
}

static int check_times(struct reader *r, const struct cJSON *node, struct fault_rule *rule)
{
    uint64_t total = when_nth_total(&rule->when);
    if (total != 0 && rule->times > total)
        return reader_refuse(r, json_get(node, "times"), "\"nth\" lets it fire %llu times at most",
                             (unsigned long long) total);
    rule->planned = rule->times != 0 ? rule->times : total != 0 ? total : 1;
    /* What chance decides cannot be promised; once is what a useful run sees. */
    if (rule->times == 0 && rule->at.probability < 1)
        rule->planned = 1;
    return 0;
}

int fault_rule_read(struct reader *r, const struct cJSON *node, void *out)
{
    struct fault_rule *rule = out;
    when_init(&rule->when);
    rule->at.probability = 1;
    /* Before the keys are read: both write to the same fault. */
    const cJSON *fault = json_get(node, "fault"), *reply = json_get(node, "reply");
    if (fault != NULL && reply != NULL)
        return reader_refuse_key(r, reply, "\"fault\" and \"reply\" contradict each other: a rule has one of them");
    if (reader_object(r, node, &fault_rule_keys, rule) < 0)
        return -1;
    if (fault == NULL && reply == NULL)
        return reader_refuse(r, node, "needs \"fault\" or \"reply\"");
    const struct fault_info *info = fault_info_of(rule->fault.kind);
    if (check_triggers(r, node, info) < 0 || check_ops(r, node, rule, info) < 0 ||
        check_dialects(r, node, rule, info) < 0 || check_tokens(r, node, rule) < 0)
        return -1;
    return check_times(r, node, rule);
}

void fault_rule_fini(struct fault_rule *rule)
{
    when_fini(&rule->when);
    reply_free(rule->fault.reply);
    free(rule->fault.error_code);
    free(rule->fault.error_message);
}
