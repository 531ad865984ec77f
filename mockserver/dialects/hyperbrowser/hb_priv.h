/*
 * Shared by the files of this folder and their tests.
 *
 * Who holds what: processes and sandboxes live in the engine; each sandbox carries one
 * struct hb_record (vendor-shaped: token, region, ports...), and struct hb holds only the
 * small tables of images, snapshots and volumes.
 *
 * Locks: hb.lock guards the tables, hb_record.lock one record; neither is held while an
 * engine function or an exchange is called.
 */
#ifndef STANDBOX_HB_PRIV_H
#define STANDBOX_HB_PRIV_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"
#include "base/jsonw.h"
#include "dialects/dialect.h"
#include "dialects/hyperbrowser/catalog.h"
#include "dialects/hyperbrowser/record.h"
#include "dialects/hyperbrowser/settings.h"
#include "engine/engine.h"

#define HB_NAME "hyperbrowser"
#define JSON_TYPE "application/json"

struct hb {
    struct engine *engine;
    const struct clock *clock;
    const char *const *api_keys;
    struct hb_settings settings;
    const char *shell;
    pthread_mutex_t lock;
    struct hb_catalog images, snapshots, volumes;   /* guarded by lock */
};

/* What a runtime route gets as its `dialect`. */
struct hb_call {
    struct hb *hb;
    struct sandbox *sandbox;   /* active, and the caller's token is good */
};

/* ---- errors.c ------------------------------------------------------------------------ */

/* {"message","error","code"} (wire page §1 "Errors, both planes"). */
void hb_fail(struct exchange *x, int status, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* The same from an engine's or parser's complaint, by the one table. */
void hb_fail_err(struct exchange *x, const struct err *err);
/* Answer 200 with the JSON in `body`, or 503 when memory ran out while it was built. */
void hb_reply(struct exchange *x, const struct buf *body);

/* Read the body as a JSON object (free with json_free).  An empty body gives NULL in *out where `may_be_empty`.
   On failure answers by itself and returns -1. */
int hb_read_object(struct exchange *x, bool may_be_empty, struct cJSON **out);

/* Whole decimal number in query parameter `name`: 0 and *out untouched when absent or empty, -1 with ERR_INVALID. */
int hb_query_int(const struct exchange *x, const char *name, int64_t min, int64_t max, int64_t *out,
                 struct err *err);

/* ---- control.c, catalog_routes.c ------------------------------------------------------ */

void hb_control_handle(struct hb *hb, struct exchange *x);
extern const struct route hb_catalog_routes[];
extern const size_t hb_catalog_route_count;

/* ---- runtime.c ------------------------------------------------------------------------ */

/* `rest` is the path behind /sandbox/<id> or, in host form, behind /sandbox. */
void hb_runtime_handle(struct hb *hb, struct exchange *x, const char *id, const char *rest);

/* interrupt_fn: has the exchange's client gone? */
bool hb_peer_gone(void *exchange);

/* ---- command.c ------------------------------------------------------------------------ */

struct hb_command {
    struct buf line, cwd, run_as;
    bool has_cwd, has_run_as;
    char **env;                /* NULL-terminated, or NULL */
    size_t env_count;
    int64_t timeout_ms;        /* 0: none */
};

/* Fill from a request (wire page §3.1 "Command object"); free with hb_command_fini in either case. */
int hb_command_parse(struct hb_command *command, const struct cJSON *json, int64_t env_max, struct err *err);
void hb_command_fini(struct hb_command *command);
int hb_command_start(struct hb_call *call, const struct hb_command *command, enum stdin_mode stdin_mode,
                     struct proc **out_proc, struct err *err);

/* "Seconds win when > 0, else milliseconds when > 0, else none" (0).  Never overflows. */
int hb_parse_timeout(const struct cJSON *json, int64_t *out_ms, struct err *err);

/* ---- process_json.c ------------------------------------------------------------------- */

enum hb_status { HB_QUEUED, HB_RUNNING, HB_EXITED, HB_FAILED, HB_KILLED, HB_TIMED_OUT, HB_STATUSES };

enum hb_status hb_status_of(const struct proc_view *view);
const char *hb_status_name(enum hb_status status);

/* Members of a Summary or Result into an open object. */
void hb_write_summary(struct jsonw *w, struct proc *proc, const struct proc_view *view);

struct hb_result_options {
    bool with_output;          /* else stdout and stderr are "" (protocol B's done event) */
    uint64_t window;
    uint64_t last_seq;
};
void hb_write_result(struct jsonw *w, struct proc *proc, const struct proc_view *view,
                     const struct hb_result_options *options);

/* ---- stream.c ------------------------------------------------------------------------- */

/* Protocol B: the answer to a start.  Borrows proc. */
void hb_stream_start(struct hb *hb, struct exchange *x, struct proc *proc);
/* GET .../stream.  `from_seq` 0: the oldest in the window. */
void hb_stream_replay(struct hb *hb, struct exchange *x, struct proc *proc, uint64_t from_seq);

#endif
