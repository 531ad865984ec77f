/*
 * The adapter around the reference client: lines of sdk-shim/PROTOCOL.md in, lines out.  It does what steps say and
 * says what came of them; it judges nothing.
 *
 * Threads: a run belongs to the main thread; each background step has a thread of its own, which uses the handle
 * table and its own outcome only.
 */
#ifndef REFCLIENT_H
#define REFCLIENT_H

#include <pthread.h>
#include <stdbool.h>

#include "sbc_json.h"
#include "sbc_text.h"
#include "standbox_client.h"

struct cJSON;

/* What came of a step: any of value and error, or skipped.  Owned; see outcome_clear. */
struct outcome {
    struct cJSON *value;
    bool has_error;
    struct sbc_error error;
    char *skipped;
};

void outcome_clear(struct outcome *outcome);
void outcome_skip(struct outcome *outcome, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* {"step":NAME, ...} */
struct cJSON *outcome_say(const struct outcome *outcome, const char *step);

/* The words of the protocol. */
struct cJSON *say_bytes(const struct sbc_bytes *bytes);
struct cJSON *say_sandbox(const struct sbc_sandbox_info *info);
struct cJSON *say_process(const struct sbc_process_info *info);
struct cJSON *say_result(const struct sbc_result *result);
struct cJSON *say_event(const struct sbc_event *event);
struct cJSON *say_error(const struct sbc_error *err);

/* Handles by the names that steps gave them.  All stay until the end of the run: other threads may use them. */
struct handle {
    struct handle *next;
    char *name;
    struct sbc_sandbox *sandbox; /* one of the two */
    struct sbc_process *process;
};

struct run {
    struct sbc_client *client;
    enum sbc_protocol protocol;
    const struct cJSON *steps;
    struct cJSON *outcomes; /* main thread */
    pthread_mutex_t lock;   /* of `handles` */
    struct handle *handles;
    struct background *backgrounds; /* main thread */
};

void run_keep_sandbox(struct run *run, const char *name, struct sbc_sandbox *sandbox); /* takes it */
void run_keep_process(struct run *run, const char *name, struct sbc_process *process);
struct sbc_sandbox *run_find_sandbox(struct run *run, const char *name); /* NULL: never came to be */
struct sbc_process *run_find_process(struct run *run, const char *name);

/* The value of member `name` that an earlier step gave, or NULL. */
const struct cJSON *run_find_value(const struct run *run, const char *step, const char *name);

/* An operation.  Types of `args`: t text, n number, w whole number, b true or false, d data, l texts, L text or texts,
   o object of texts, c cursor; "!" behind it: needed.  Those behind "-" are known, and the client has nothing for them.
*/
struct op {
    const char *name;
    const char *args;
    const char *fine; /* names of finer capabilities */
    unsigned protocols;
    void (*act)(struct run *run, const struct cJSON *step, struct outcome *outcome);
};

#define ON_A    1u
#define ON_B    2u
#define ON_BOTH 3u

extern const struct op ops[];
extern const size_t op_count;
const struct op *op_find(const char *name, enum sbc_protocol protocol);

/* The answer to a run line: result or errored.  `at` is told each step as it begins; it may be NULL. */
struct cJSON *run_line(const struct cJSON *line, enum sbc_protocol protocol, void (*at)(double seq, const char *step));

#endif
