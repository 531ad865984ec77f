/* Between the table of actions (steps.c) and the functions that read one action each (actions.c). */
#ifndef STANDBOX_PUPPET_STEPS_PRIV_H
#define STANDBOX_PUPPET_STEPS_PRIV_H

#include "puppet/node.h"
#include "puppet/steps.h"

/* Read an action into a zeroed step: `step` is the whole object, `value` the action's value.  What was allocated
   when it fails belongs to the step, which the caller frees. */
typedef int action_fn(const struct node *step, const struct node *value, struct step *out, struct err *err);

action_fn action_out, action_err, action_number, action_read, action_expect, action_on, action_listen, action_fork,
    action_flag, action_close, action_raise, action_text, action_barrier, action_title, action_loop;

/* Range of `number` for kinds that are just a number. */
void steps_number_range(enum step_kind kind, int64_t *min, int64_t *max);

/* An array of steps, at least one. */
int steps_parse_list(const struct node *n, struct steps *out, struct err *err);

#endif
