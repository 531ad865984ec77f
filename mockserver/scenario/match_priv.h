/* A scenario at work: what match.c and near.c share.  Private to scenario/. */
#ifndef STANDBOX_SCENARIO_MATCH_PRIV_H
#define STANDBOX_SCENARIO_MATCH_PRIV_H

#include "scenario/match.h"

/* Why a rule did not match: a key of "when", or one of these. */
enum near_reason { NEAR_FACT = WHEN_KEYS, NEAR_PROBABILITY, NEAR_TIMES, NEAR_EARLIER_RULE, NEAR_REASONS };

struct near {
    unsigned score; /* conditions that held, of all that the rule lists */
    struct match_near shown;
};

struct rule_state {
    struct match_counts counts;
    uint64_t nth;      /* requests that all other conditions held for */
    uint64_t dice;     /* state of its generator */
    struct near *near; /* NULL until something came near; dropped when it matches */
};

/* A rule of either list, as far as matching goes. */
struct rule_view {
    const struct when *when;
    const struct fault_rule *fault; /* NULL for a process rule */
    size_t line;
    struct rule_state *state;
};

struct verdict {
    bool holds; /* all conditions but nth, times and dice */
    unsigned score;
    unsigned reason; /* the first that failed */
    size_t env;      /* of WHEN_ENV: which variable */
};

/* Does the rule's "when" hold, nth apart?  `in_full`: count all conditions, not only to the first that fails. */
struct verdict near_judge(const struct rule_view *rule, const struct match_subject *subject, bool in_full);

/* Remember a request that was closer than those before.  `earlier_line` is for NEAR_EARLIER_RULE. */
void near_note(const struct rule_view *rule, const struct match_subject *subject, const struct verdict *verdict,
               size_t earlier_line);

const char *near_env_value(const struct match_subject *subject, const char *name);

#endif
