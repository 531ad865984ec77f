/*
 * Cases: what a client is asked to do, and what must come of it, read from fixtures/cases.
 *
 * Everything is checked when it is loaded (members, operations and their arguments, patterns, references
 * between steps, actions), so that a run never meets a bad case.  A complaint is one line:
 *
 *     FILE:LINE:COLUMN: /json/pointer: what is wrong
 *
 * What is loaded never changes.  Thread: any may read; the list is freed by one, when nobody reads.
 */
#ifndef STANDBOX_JUDGE_CASE_H
#define STANDBOX_JUDGE_CASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/err.h"

struct cJSON;

#define CASE_DEADLINE_MS     10000 /* when the case names none */
#define CASE_DEADLINE_MAX_MS 600000

enum case_severity { CASE_MUST, CASE_SHOULD };

struct case_step {
    const char *name, *op;
    bool is_background;
    const struct cJSON *input;  /* what the adapter is given: an element of `steps` */
    const struct cJSON *expect; /* the expectation, NULL: it must have a value and no error */
};

/* One case; of a case with axes, one combination.  All pointers belong to the list. */
struct case_def {
    const char *id; /* "hyperbrowser/exec/exit-code", "hyperbrowser/exec/split/At:3" */
    const char *vendor, *area;
    const char *file; /* where it was read, as the path was given, and its line there */
    size_t line;
    const char *const *aliases; /* ids that it once had, in full */
    size_t alias_count;

    const char *requirement, *tag; /* tag: "documented", "observed" or "inferred" */
    const char *kills_none;        /* why it notices no mutant, or NULL */
    const struct cJSON *sources;   /* array of texts, one at least */
    const struct cJSON *bugs;      /* array of texts, or NULL */
    enum case_severity severity;

    const char *const *needs; /* capabilities, sorted, each once */
    size_t need_count;

    const struct cJSON *client;   /* to be merged into the `client` of the run, or NULL.  `runtime_proxy` may be
                                       true: the runner puts its own host:port there; it also fills ${url} and ${host}
                                       in, here and in the scenario */
    int64_t deadline_ms;          /* before it is scaled by the load factor */
    const struct cJSON *steps;    /* array, ready to be sent: all defaults filled in, no `expect` */
    const struct case_step *step; /* the same one by one, in order */
    size_t step_count;

    const char *scenario;       /* text of one to be posted before the run, or NULL; comments are in it */
    const char *scenario_name;  /* what to call that text in complaints (`?file=`), or NULL */
    const struct cJSON *before; /* arrays of actions, or NULL */
    const struct cJSON *meanwhile;

    const struct cJSON *wire, *witness; /* arrays of checks; wire may be NULL */
    const struct cJSON *journal;        /* array of names of level-0 checks, or NULL */
    bool is_portable;                   /* may be run against a server that is not ours */
};

struct case_list {
    const struct case_def *const *cases; /* files by name, then in their order */
    size_t count;
};

/* All cases of `vendor`: FIXTURES/cases/VENDOR/<area>.json; `scenario_file` of a case is looked for in
   FIXTURES/scenarios.  Returns a list (free with case_list_free) or NULL with ERR_NOT_FOUND (no such folder, no file in
   it), ERR_IO, ERR_INVALID (a complaint), ERR_LIMIT or ERR_NOMEM. */
struct case_list *case_list_load(const char *fixtures, const char *vendor, struct err *err);
void case_list_free(struct case_list *list); /* NULL is fine */

/* By id, or by an alias.  NULL when there is none. */
const struct case_def *case_list_find(const struct case_list *list, const char *id);

/* The first need of the case that is not in `capabilities` (an array of texts), or NULL when all are. */
const char *case_missing_need(const struct case_def *def, const struct cJSON *capabilities);

/* All there is to know about a case, for people. */
void case_explain(const struct case_def *def, FILE *out);

#endif
