/*
 * The parts of a scenario's parser, one file each.  A `_read` fills its structure and may leave it
 * half-filled when it fails; `_fini` frees either.  Private to scenario/ and its tests.
 */
#ifndef STANDBOX_SCENARIO_SCENARIO_PRIV_H
#define STANDBOX_SCENARIO_SCENARIO_PRIV_H

#include "scenario/reader.h"
#include "scenario/scenario.h"

extern const struct keys when_keys, when_regex_keys, when_range_keys, run_keys, fault_rule_keys, fault_at_keys,
    reply_keys;

read_fn when_read;                 /* into struct when */
void when_init(struct when *when); /* everything matches */
void when_fini(struct when *when);
/* How many requests its nth lets through; 0: no end. */
uint64_t when_nth_total(const struct when *when);

read_fn run_read; /* into struct process_rule */
void run_fini(struct process_rule *rule);

read_fn reply_read; /* into struct fault */
void reply_free(struct reply *reply);

read_fn settings_read; /* into struct scenario */
void settings_fini(struct scenario *scenario);

read_fn fault_rule_read; /* into struct fault_rule */
void fault_rule_fini(struct fault_rule *rule);

#endif
