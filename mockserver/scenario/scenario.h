/*
 * A scenario file, read: which process starts do what, which faults fire where, how the clock runs.
 *
 * scenario_parse checks everything and builds a tree that never changes afterwards, or refuses with
 * one line (FILE:LINE:COLUMN: /pointer: what, base/jsonc.h) and builds nothing.  It acts on
 * nothing: match.h decides, others act.  The grammar is also published for editors in
 * fixtures/schema/scenario.schema.json; a test holds the two together.
 *
 * Limits: 10 MB of text, 64 levels, 1,000,000 values, 1 MB a text, 10,000 rules a list, 1,000 items
 * a list in a rule; all patterns together SCENARIO_PATTERN_COST.
 *
 * Thread: any; a scenario is const, and counted, since many lanes share it.
 */
#ifndef STANDBOX_SCENARIO_SCENARIO_H
#define STANDBOX_SCENARIO_SCENARIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "scenario/fault.h"
#include "scenario/pattern.h"
#include "scenario/setting.h"
#include "scenario/vocab.h"

struct cJSON;

#define SCENARIO_MAX_RULES    10000
#define SCENARIO_MAX_LIST     1000
#define SCENARIO_PATTERN_COST 20000  /* steps of expressions and bytes of globs: bounds the time of one request */

/* ---- when: which requests a rule is about --------------------------------------------- */

enum when_key {
    WHEN_OP,
    WHEN_DIALECT,
    WHEN_COMMAND,
    WHEN_ARGV0,
    WHEN_CWD,
    WHEN_ENV,
    WHEN_SANDBOX,
    WHEN_LANE,
    WHEN_NTH,
    WHEN_KEYS
};

const char *when_key_name(enum when_key key);

/* Any of them may hold. */
struct patterns {
    struct pattern *list;
    size_t count;
};

struct when_env {
    char *name;
    struct patterns values; /* PATTERN_ABSENT: the variable is not set */
};

struct when_range {
    uint64_t from, to; /* both inside */
};

struct when {
    unsigned has;                    /* bit k: key k is listed; all listed must hold */
    uint64_t ops;                    /* OP_BIT, of WHEN_OP */
    unsigned dialects;               /* DIALECT_BIT, of WHEN_DIALECT */
    struct patterns text[WHEN_KEYS]; /* of the keys that are texts */
    struct when_env *env;
    size_t env_count;
    struct when_range *nth; /* counts from 1 */
    size_t nth_count;
};

/* ---- rules ---------------------------------------------------------------------------- */

enum run_kind { RUN_PUPPET, RUN_FAIL, RUN_COMMAND };

struct process_rule {
    struct when when;
    size_t line; /* in the file */
    enum run_kind run;
    char *steps; /* RUN_PUPPET: a JSON list, also for the short form with "exit" */
    size_t steps_len;
    int errnum;       /* RUN_FAIL: the start fails so */
    char *command;    /* RUN_COMMAND: run this shell line instead */
    uint64_t planned; /* starts that are expected to match: a run with fewer says so */
};

enum at_place { AT_START, AT_BYTES, AT_EVENTS, AT_FACT };

/* When, in the life of a matched request, its fault strikes. */
struct fault_at {
    enum at_place place; /* AT_START: as soon as the fault can */
    uint64_t count;      /* AT_BYTES: behind so many bytes of the answer's body (framing not counted);
                               AT_EVENTS: behind so many events */
    enum scenario_fact fact;
    double probability; /* 1: always */
};

struct fault_rule {
    struct when when;
    size_t line;
    struct fault_at at;
    struct fault fault;
    uint64_t times;   /* strikes at most so often; 0: no limit */
    uint64_t planned; /* strikes that are expected: a run with fewer says so */
};

enum clock_mode { CLOCK_UNSAID, CLOCK_SCALED, CLOCK_MANUAL };

#define SCENARIO_MAX_SEED ((INT64_C(1) << 53) - 1) /* what every reader of JSON can take */

struct scenario {
    unsigned refs; /* private */
    char *file_name, *name, *why;
    char **sources; /* what it imitates: links, issues */
    size_t source_count;
    struct process_rule *processes;
    size_t process_count;
    struct fault_rule *faults;
    size_t fault_count;
    struct setting_group *settings; /* one for each vendor that is named */
    size_t setting_count;
    int64_t queued_hold_ms; /* 0: none */
    enum clock_mode clock;
    double clock_scale; /* CLOCK_SCALED */
    bool has_seed;
    uint64_t seed;
};

/* ---- reading -------------------------------------------------------------------------- */

/*
 * Checks the steps of a puppet, which are another's business.  `steps` is the list (never empty).  Its complaint
 * may begin with a JSON pointer seen from the list ("/2/out: must be a string"): the place is then found.
 */
typedef int scenario_check_steps_fn(const struct cJSON *steps, struct err *err);

struct scenario_hooks {
    scenario_check_steps_fn *check_steps; /* NULL: steps must be a list of objects, no more */
    setting_table_fn *settings_of;        /* NULL: settings must be numbers and texts, no more */
};

/* Returns a reference.  `file_name` is only for messages. */
int scenario_parse(struct scenario **out, const char *file_name, const char *text, size_t len, struct err *err);
int scenario_parse_with(struct scenario **out, const struct scenario_hooks *hooks, const char *file_name,
                        const char *text, size_t len, struct err *err);

struct scenario *scenario_ref(struct scenario *scenario);
void scenario_unref(struct scenario *scenario); /* NULL is fine */

#endif
