#include "scenario/scenario.h"

#include <cjson/cJSON.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "scenario/scenario_priv.h"

#define FORMAT      1
#define MAX_NAME    100
#define MAX_HOLD_MS ((int64_t) 24 * 60 * 60 * 1000)
#define MIN_SCALE   0.001
#define MAX_SCALE   1000000.0

/* ---- names ---------------------------------------------------------------------------- */

static int read_format(struct reader *r, const struct cJSON *value, void *out)
{
    (void) out;
    if (!cJSON_IsNumber(value) || value->valuedouble != FORMAT)
        return reader_refuse(r, value, "must be 1, the version of the format that is known here");
    return 0;
}

/* It goes into addresses and file names. */
static bool is_name(const char *name)
{
    for (const char *c = name; *c != '\0'; c++) {
        if (!islower((unsigned char) *c) && !isdigit((unsigned char) *c) && (c == name || strchr("._-", *c) == NULL))
            return false;
    }
    return *name != '\0' && strlen(name) <= MAX_NAME;
}

static int read_name(struct reader *r, const struct cJSON *value, void *out)
{
    struct scenario *scenario = out;
    if (reader_text(r, value, 1, &scenario->name) < 0)
        return -1;
    if (!is_name(scenario->name))
        return reader_refuse(r, value, "must be up to 100 of a-z 0-9 . _ - and begin with a letter or digit");
    return 0;
}

static int read_why(struct reader *r, const struct cJSON *value, void *out)
{
    return reader_text(r, value, 1, &((struct scenario *) out)->why);
}

static int read_source(struct reader *r, const struct cJSON *value, void *out)
{
    struct scenario *scenario = out;
    size_t count = 1;
    const cJSON *item = value;
    if (cJSON_IsArray(value)) {
        if (reader_list(r, value, SCENARIO_MAX_LIST, &count) < 0)
            return -1;
        item = value->child;
    } else if (!cJSON_IsString(value)) {
        return reader_wants(r, value, "a text or a list of texts");
    }
    scenario->sources = reader_alloc(r, count, sizeof *scenario->sources);
    if (scenario->sources == NULL)
        return -1;
    for (; item != NULL && scenario->source_count < count; item = item->next) {
        if (reader_text(r, item, 1, &scenario->sources[scenario->source_count++]) < 0)
            return -1;
    }
    return 0;
}

/* ---- lists of rules ------------------------------------------------------------------- */

static int read_rule_when(struct reader *r, const struct cJSON *value, void *out)
{
    struct when *when = &((struct process_rule *) out)->when;
    if (when_read(r, value, when) < 0)
        return -1;
    bool lists_ops = (when->has & 1u << WHEN_OP) != 0;
    if (lists_ops && (when->ops & ~vocab_ops_launching) != 0)
        return reader_refuse(r, json_get(value, "op"), "only process.exec, process.start and sandbox.create start a process");
    /* The main process of a sandbox is meant only by who says so: else a rule about all commands would end sandboxes. */
    when->ops &= lists_ops ? vocab_ops_launching : vocab_ops_starting;
    return 0;
}

static const struct key process_list[] = { { "when", read_rule_when, true }, { "run", run_read, true } };
static const struct keys process_keys = { "process_rule", "a rule of \"processes\"", process_list, 2 };

/* How many rules; an empty list is fine, unlike elsewhere: it says nothing that could be missed. */
static int count_rules(struct reader *r, const struct cJSON *value, size_t *out_count)
{
    if (cJSON_IsArray(value) && value->child == NULL) {
        *out_count = 0;
        return 0;
    }
    return reader_list(r, value, SCENARIO_MAX_RULES, out_count);
}

/* A rule without conditions takes all, so what stands behind it is a mistake. */
static int refuse_taken(struct reader *r, const struct cJSON *rule, const struct when *when, uint64_t taken)
{
    if (taken == 0 || (when->ops & ~taken) != 0)
        return 0;
    return reader_refuse(r, rule, "can never fire: the rule before it takes every request, and the first match wins");
}

/* Do all requests of these operations match? */
static bool is_unconditional(const struct when *when, uint64_t ops)
{
    return when->ops == ops && when->dialects == DIALECT_BIT(DIALECT_COUNT) - 1 &&
           (when->has & ~(1u << WHEN_OP | 1u << WHEN_DIALECT)) == 0;
}

/* Read one rule of a list; *taken: operations of which the rules before it leave nothing, and then it, too. */
typedef int read_rule_fn(struct reader *r, const cJSON *item, size_t line, void *rule, uint64_t *taken);

/* Into `rules`, which has room for `count` of `size` bytes each; *out_read grows with every one that is begun, so that
   all of them are freed when a later one is wrong. */
static int read_rules(struct reader *r, const struct cJSON *value, size_t count, void *rules, size_t size,
                      size_t *out_read, read_rule_fn *read)
{
    size_t *lines = reader_alloc(r, count, sizeof *lines);
    int rc = lines == NULL || rules == NULL ? -1 : 0;
    uint64_t taken = 0;
    if (rc == 0)
        jsonc_child_lines(&r->doc, value, lines);
    for (const cJSON *item = value->child; item != NULL && rc == 0; item = item->next) {
        size_t i = (*out_read)++;
        rc = read(r, item, lines[i], (char *) rules + i * size, &taken);
    }
    free(lines);
    return rc;
}

static int read_process_rule(struct reader *r, const cJSON *item, size_t line, void *out, uint64_t *taken)
{
    struct process_rule *rule = out;
    when_init(&rule->when);
    rule->line = line;
    if (reader_object(r, item, &process_keys, rule) < 0 || refuse_taken(r, item, &rule->when, *taken) < 0)
        return -1;
    rule->planned = when_nth_total(&rule->when) != 0 ? when_nth_total(&rule->when) : 1;
    if (is_unconditional(&rule->when, vocab_ops_starting) || is_unconditional(&rule->when, vocab_ops_launching))
        *taken |= rule->when.ops;
    return 0;
}

static int read_processes(struct reader *r, const struct cJSON *value, void *out)
{
    struct scenario *scenario = out;
    size_t count;
    if (count_rules(r, value, &count) < 0)
        return -1;
    scenario->processes = reader_alloc(r, count, sizeof *scenario->processes);
    return read_rules(r, value, count, scenario->processes, sizeof *scenario->processes, &scenario->process_count,
                      read_process_rule);
}

/* Does this rule take every request for ever? */
static bool takes_all(const struct fault_rule *rule)
{
    bool waits = rule->at.place == AT_FACT && fault_info_of(rule->fault.kind)->is_immediate;
    return is_unconditional(&rule->when, OP_ALL) && rule->times == 0 && rule->at.probability >= 1 && !waits;
}

static int read_fault_rule(struct reader *r, const cJSON *item, size_t line, void *out, uint64_t *taken)
{
    struct fault_rule *rule = out;
    rule->line = line;
    if (fault_rule_read(r, item, rule) < 0 || refuse_taken(r, item, &rule->when, *taken) < 0)
        return -1;
    if (takes_all(rule))
        *taken |= rule->when.ops;
    return 0;
}

static int read_faults(struct reader *r, const struct cJSON *value, void *out)
{
    struct scenario *scenario = out;
    size_t count;
    if (count_rules(r, value, &count) < 0)
        return -1;
    scenario->faults = reader_alloc(r, count, sizeof *scenario->faults);
    return read_rules(r, value, count, scenario->faults, sizeof *scenario->faults, &scenario->fault_count,
                      read_fault_rule);
}

/* ---- status, clock, seed -------------------------------------------------------------- */

static int read_queued_ms(struct reader *r, const struct cJSON *value, void *out)
{
    return reader_int(r, value, 1, MAX_HOLD_MS, &((struct scenario *) out)->queued_hold_ms);
}

static const struct key hold_list[] = { { "queued_ms", read_queued_ms, true } };
static const struct keys hold_keys = { "hold", "\"hold\"", hold_list, 1 };

static int read_hold(struct reader *r, const struct cJSON *value, void *out)
{
    return reader_object(r, value, &hold_keys, out);
}

static const struct key status_list[] = { { "hold", read_hold, true } };
static const struct keys status_keys = { "status", "\"status\"", status_list, 1 };

static int read_status(struct reader *r, const struct cJSON *value, void *out)
{
    return reader_object(r, value, &status_keys, out);
}

static int read_scale(struct reader *r, const struct cJSON *value, void *out)
{
    struct scenario *scenario = out;
    scenario->clock = CLOCK_SCALED;
    return reader_number(r, value, MIN_SCALE, MAX_SCALE, &scenario->clock_scale);
}

static const struct key clock_list[] = { { "scale", read_scale, true } };
static const struct keys clock_keys = { "clock", "\"clock\"", clock_list, 1 };

static int read_clock(struct reader *r, const struct cJSON *value, void *out)
{
    if (cJSON_IsObject(value))
        return reader_object(r, value, &clock_keys, out);
    if (!cJSON_IsString(value))
        return reader_wants(r, value, "{\"scale\": N} or \"manual\"");
    if (strcmp(value->valuestring, "manual") != 0)
        return reader_refuse(r, value, "must be {\"scale\": N} or \"manual\"");
    ((struct scenario *) out)->clock = CLOCK_MANUAL;
    return 0;
}

static int read_seed(struct reader *r, const struct cJSON *value, void *out)
{
    struct scenario *scenario = out;
    int64_t seed = 0;
    if (reader_int(r, value, 0, SCENARIO_MAX_SEED, &seed) < 0)
        return -1;
    scenario->has_seed = true;
    scenario->seed = (uint64_t) seed;
    return 0;
}

/* ---- the whole ------------------------------------------------------------------------ */

/* For editors that find the schema by it. */
static int read_schema(struct reader *r, const struct cJSON *value, void *out)
{
    (void) out;
    return cJSON_IsString(value) ? 0 : reader_wants(r, value, "a string");
}

static const struct key top_list[] = {
    { "standbox", read_format, true },
    { "name", read_name, true },
    { "why", read_why, true },
    { "source", read_source, false },
    { "processes", read_processes, false },
    { "faults", read_faults, false },
    { "settings", settings_read, false },
    { "status", read_status, false },
    { "clock", read_clock, false },
    { "seed", read_seed, false },
    { "$schema", read_schema, false },
};
static const struct keys top_keys = { "", "a scenario", top_list, sizeof top_list / sizeof top_list[0] };

const struct keys *const reader_tables[] = {
    &top_keys,   &process_keys,    &when_keys,     &when_regex_keys, &when_range_keys, &run_keys,
    &reply_keys, &fault_rule_keys, &fault_at_keys, &hold_keys,       &status_keys,     &clock_keys,
};
const size_t reader_table_count = sizeof reader_tables / sizeof reader_tables[0];

/* First of all: a file of another version may have other keys, and its keys are not what is wrong. */
static int read_top(struct reader *r, struct scenario *scenario)
{
    const cJSON *format = json_get(r->doc.root, "standbox");
    if (format != NULL && read_format(r, format, scenario) < 0)
        return -1;
    return reader_object(r, r->doc.root, &top_keys, scenario);
}

int scenario_parse_with(struct scenario **out, const struct scenario_hooks *hooks, const char *file_name,
                        const char *text, size_t len, struct err *err)
{
    struct reader r = { .hooks = hooks, .err = err };
    if (jsonc_open(&r.doc, file_name, text, len, err) < 0)
        return -1;
    int rc = -1;
    struct scenario *scenario = reader_alloc(&r, 1, sizeof *scenario);
    if (scenario != NULL) {
        scenario->refs = 1;
        scenario->file_name = strdup(file_name);
        rc = scenario->file_name == NULL ? err_set(err, ERR_NOMEM, 0, "%s", file_name) : read_top(&r, scenario);
    }
    jsonc_close(&r.doc);
    if (rc < 0) {
        scenario_unref(scenario);
        return -1;
    }
    *out = scenario;
    return 0;
}

int scenario_parse(struct scenario **out, const char *file_name, const char *text, size_t len, struct err *err)
{
    static const struct scenario_hooks none = { NULL, NULL };
    return scenario_parse_with(out, &none, file_name, text, len, err);
}

struct scenario *scenario_ref(struct scenario *scenario)
{
    __atomic_add_fetch(&scenario->refs, 1, __ATOMIC_RELAXED);
    return scenario;
}

static void free_scenario(struct scenario *scenario)
{
    for (size_t i = 0; i < scenario->process_count; i++) {
        when_fini(&scenario->processes[i].when);
        run_fini(&scenario->processes[i]);
    }
    for (size_t i = 0; i < scenario->fault_count; i++)
        fault_rule_fini(&scenario->faults[i]);
    for (size_t i = 0; i < scenario->source_count; i++)
        free(scenario->sources[i]);
    settings_fini(scenario);
    free(scenario->processes);
    free(scenario->faults);
    free(scenario->sources);
    free(scenario->file_name);
    free(scenario->name);
    free(scenario->why);
    free(scenario);
}

void scenario_unref(struct scenario *scenario)
{
    if (scenario != NULL && __atomic_sub_fetch(&scenario->refs, 1, __ATOMIC_ACQ_REL) == 0)
        free_scenario(scenario);
}
