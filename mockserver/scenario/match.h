/*
 * Which rule of a scenario is a request's?  One `struct match` is a scenario at work in one lane:
 * counts of matches, dice, and why rules did not match.
 *
 * Rules are tried in the file's order and the first that matches wins; the request does not count
 * for rules behind it.  "nth" counts, for each rule, the requests that all its other conditions
 * hold for (with an immediate fault also that its after_fact was seen), from 1.  A rule whose
 * "times" are used up, or whose dice say no, lets the request go on to the next rule.
 *
 * A fault is taken when its request comes, and may strike much later or never (the stream ended
 * before byte 4097).  So match_fault gives a ticket, and match_fault_end says what became of it.
 *
 * Thread: any; one mutex inside, held for one request's matching.
 */
#ifndef STANDBOX_SCENARIO_MATCH_H
#define STANDBOX_SCENARIO_MATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "scenario/scenario.h"

struct match;

/* What is known of a request; texts are borrowed, NULL where there is none (no command in a "sandbox.get"). */
struct match_subject {
    enum scenario_op op;
    enum scenario_dialect dialect;
    const char *command, *argv0, *cwd, *sandbox, *lane;
    const char *const *env; /* "NAME=value", NULL-terminated, what the request gives; NULL: none */
    unsigned facts;         /* SEEN_BIT of what its process has in its log already */
};

/* Keeps a reference to `scenario`.  `seed` is for the dice when the scenario names none; its
   name goes in, too.  Returns a reference. */
int match_new(struct match **out_match, struct scenario *scenario, uint64_t seed, struct err *err);
struct match *match_ref(struct match *match);
void match_unref(struct match *match); /* NULL is fine */

const struct scenario *match_scenario(const struct match *match); /* borrowed */
uint64_t match_seed(const struct match *match);                   /* what to write into the file for the same luck */

/* The process rule for a start, or NULL: really run what was asked.  Counts as fired.  Borrowed from the scenario. */
const struct process_rule *match_process(struct match *match, const struct match_subject *subject);

struct match_ticket {
    const struct fault_rule *rule; /* borrowed from the scenario: hold the match for as long */
    size_t index;                  /* in the scenario's list */
    uint64_t generation;           /* private */
    uint64_t dice;                 /* random bits for this strike (jitter, random data), by the seed */
};

/* The fault for a request; false: none.  Every ticket must be handed to match_fault_end once. */
bool match_fault(struct match *match, const struct match_subject *subject, struct match_ticket *out_ticket);
void match_fault_end(struct match *match, const struct match_ticket *ticket, bool fired);

/* Forget all counts, dice begin anew.  Tickets still out are counted nowhere any more. */
void match_reset(struct match *match);

/* ---- what became of the rules --------------------------------------------------------- */

enum match_list { MATCH_PROCESSES, MATCH_FAULTS, MATCH_LISTS };

struct match_counts {
    uint64_t planned; /* how often it should fire at least; 0 never stands here */
    uint64_t matched; /* requests it took */
    uint64_t fired;
    uint64_t missed;  /* taken, and the request was over before the fault could strike */
    uint64_t pending; /* tickets out */
};

/* False when there is no such rule. */
bool match_get_counts(struct match *match, enum match_list list, size_t index, struct match_counts *out);
/* How many rules have fired less than planned. */
size_t match_count_unfired(struct match *match);

/* The request that came closest to a rule which never matched. */
struct match_near {
    bool any;       /* false: it matched once, or there was no request at all */
    char key[16];   /* the first condition that failed: "nth", "command", "env", "after_fact",
                            "probability", "times", or "first match" (an earlier rule took the request) */
    char seen[160]; /* printable, shortened */
    char expected[160];
    char subject[240]; /* the request: op, dialect, command */
};
bool match_get_near(struct match *match, enum match_list list, size_t index, struct match_near *out);

/* One line about a rule, for people: "x.json:12: /faults/0: never matched; closest ...".  Appends. */
void match_explain(struct match *match, enum match_list list, size_t index, struct buf *out);

#endif
