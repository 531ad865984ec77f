/*
 * The adapter around the reference clients: lines of sdk-shim/PROTOCOL.md in, lines out.  It does what steps say and
 * says what came of them; it judges nothing.
 *
 * What is the same for all vendors is here: lines, runs, handles, arguments, outcomes, background steps.  A vendor is
 * one struct vendor: a table of operations, and what a client, a handle and an error of its library are.
 *
 * Threads: a run belongs to the main thread; each background step has a thread of its own, which uses the handle
 * table and its own outcome only.
 */
#ifndef REFCLIENT_H
#define REFCLIENT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "sbc_json.h"
#include "sbc_text.h"

struct cJSON;
struct vendor;

/* What came of a step: any of value and error, or skipped.  Owned; see outcome_clear. */
struct outcome {
    const struct vendor *vendor;
    struct cJSON *value;
    bool has_error;
    void *error; /* the vendor's struct, empty at first */
    char *skipped;
};

void outcome_init(struct outcome *outcome, const struct vendor *vendor);
void outcome_clear(struct outcome *outcome);
void outcome_skip(struct outcome *outcome, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The value {} or, with `failed` negative, the error. */
void outcome_tell(struct outcome *outcome, int failed);

/* {"step":NAME, ...} */
struct cJSON *outcome_say(const struct outcome *outcome, const char *step);

/* Words of the protocol. */
struct cJSON *say_base64(const char *data, size_t size); /* {"base64":...} */
void say_text(struct cJSON *object, const char *name, const char *text); /* NULL: null; what is no UTF-8 is replaced */
void say_number(struct cJSON *object, const char *name, bool is_known, int64_t number);

/* Arguments of a step, which have been checked. */
const struct cJSON *step_member(const struct cJSON *step, const char *name); /* absent and null: NULL */
const char *step_text(const struct cJSON *step, const char *name);
double step_number(const struct cJSON *step, const char *name);
int64_t step_whole(const struct cJSON *step, const char *name);
bool step_flag(const struct cJSON *step, const char *name);

/* NULL-terminated texts, borrowed, of a list or a single one; NULL when it is absent.  free() the list. */
const char **step_texts(const struct cJSON *step, const char *name, size_t *out_count);

/* A text, or {"base64":...} for bytes; free() what it gives. */
struct sbc_bytes step_data(const struct cJSON *node, bool *out_is_bytes);

/* Handles by the names that steps gave them.  All stay until the end of the run: other threads may use them. */
enum handle_kind { HANDLE_SANDBOX, HANDLE_PROCESS, HANDLE_KINDS };

struct handle {
    struct handle *next;
    char *name;
    enum handle_kind kind;
    void *thing;
};

struct run {
    const struct vendor *vendor;
    unsigned protocol; /* index into the vendor's */
    void *client;
    const struct cJSON *steps;
    struct cJSON *outcomes; /* main thread */
    pthread_mutex_t lock;   /* of `handles` */
    struct handle *handles;
    struct background *backgrounds; /* main thread */
};

void run_keep(struct run *run, const char *name, enum handle_kind kind, void *thing); /* takes it */
void *run_find(struct run *run, const char *name, enum handle_kind kind);             /* NULL: never came to be */

/* The handle that member `name` names; NULL: the outcome says so. */
void *run_handle(struct run *run, const struct cJSON *step, const char *name, enum handle_kind kind,
                 struct outcome *outcome);

/* The value of member `name` that an earlier step gave, or NULL. */
const struct cJSON *run_find_value(const struct run *run, const char *step, const char *name);

/* An operation.  Types of `args`: t text, n number, w whole number, b true or false, d data, l texts, L text or texts,
   o object of texts, c cursor; "!" behind it: needed.  Those behind "-" are known, and the client has nothing for them.
*/
struct op {
    const char *name;
    const char *args;
    const char *fine;   /* names of finer capabilities */
    unsigned protocols; /* bits by index */
    void (*act)(struct run *run, const struct cJSON *step, struct outcome *outcome);
};

#define ON(protocol) (1u << (protocol))

struct protocol {
    const char *name;       /* as --protocol has it */
    const char *hello_name; /* of the client */
    const char *facts;      /* capabilities that are none of an operation */
};

struct vendor {
    const char *name;
    const struct protocol *protocols; /* the first is the default */
    size_t protocol_count;
    const struct op *ops;
    size_t op_count;
    const char *client_args; /* members of `client`, as an op's args */
    void *(*client_new)(const struct cJSON *options, unsigned protocol, char **out_problem); /* free() the problem */
    void (*client_cancel)(void *client);
    void (*client_free)(void *client);
    void (*handle_free[HANDLE_KINDS])(void *thing);
    size_t error_size; /* of the library's struct, for which zeros are a good start */
    void (*error_clear)(void *error);
    struct cJSON *(*error_say)(const void *error);
#ifdef SBC_MUTANTS
    int (*mutant_choose)(const char *name);
    void (*mutant_list)(FILE *out);
#endif
};

extern const struct vendor vendor_hyperbrowser, vendor_coreweave;

const struct op *op_find(const struct vendor *vendor, const char *name, unsigned protocol);

/* The answer to a run line: result or errored.  `at` is told each step as it begins; it may be NULL. */
struct cJSON *run_line(const struct cJSON *line, const struct vendor *vendor, unsigned protocol,
                       void (*at)(double seq, const char *step));

#endif
