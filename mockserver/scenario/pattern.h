/*
 * One text condition of a rule: exact text, glob (* any characters, ? one) or regular expression.
 *
 * A plain string matches when it is the same, or as a glob; \* and \? in it mean the characters
 * themselves.  Globs and expressions look at the first ERE_MAX_SUBJECT bytes of a subject, exact
 * texts at all of it.  Thread: a made pattern is const.
 */
#ifndef STANDBOX_SCENARIO_PATTERN_H
#define STANDBOX_SCENARIO_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct ere;

enum pattern_kind { PATTERN_EXACT, PATTERN_GLOB, PATTERN_ERE, PATTERN_ABSENT /* there must be no such text */ };

struct pattern {
    enum pattern_kind kind;
    char *text;      /* as it stands in the scenario; NULL for PATTERN_ABSENT */
    struct ere *ere; /* PATTERN_ERE */
};

#define PATTERN_MAX_GLOB 1024 /* bytes of a text with wildcards */

/* Exact or glob, by what is in it. */
int pattern_init_text(struct pattern *out_pattern, const char *text, struct err *err);
int pattern_init_regex(struct pattern *out_pattern, const char *regex, struct err *err);
void pattern_fini(struct pattern *pattern);
/* What it costs a search, for budgets: bytes of a glob, steps of an expression, else 0. */
size_t pattern_cost(const struct pattern *pattern);

/* `subject` NULL: there is no such text. */
bool pattern_holds(const struct pattern *pattern, const char *subject);

#endif
