/*
 * Shared by the files of this folder and their tests.
 *
 * One struct hb serves one lane.  Who holds what: processes and sandboxes live in the engine; each sandbox carries one
 * struct hb_record (vendor-shaped: tokens, region, ports...), and struct hb holds only the
 * small lists of images, snapshots and volumes.
 *
 * Locks: hb.lock guards the tables, hb_record.lock one record; neither is held while an
 * engine function or an exchange is called.
 */
#ifndef STANDBOX_HB_PRIV_H
#define STANDBOX_HB_PRIV_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"
#include "base/jsonw.h"
#include "dialects/dialect.h"
#include "dialects/hyperbrowser/catalog.h"
#include "dialects/hyperbrowser/record.h"
#include "dialects/hyperbrowser/settings.h"
#include "dialects/op.h"
#include "dialects/settings_kept.h"
#include "engine/engine.h"

#define HB_NAME   "hyperbrowser"
#define JSON_TYPE "application/json"

struct hb {
    struct engine *engine;
    struct lane *lane;
    struct owner *owner; /* the lane, as its sandboxes know it */
    struct clock *clock; /* the lane's */
    const char *const *api_keys;
    struct settings_kept kept;
    const char *shell;
    pthread_mutex_t lock;
    struct hb_catalog images, snapshots, volumes; /* guarded by lock */
};

/* The settings that count now; they stay as they are for as long as the dialect lives. */
static inline const struct hb_settings *hb_now(const struct hb *hb)
{
    return settings_now(&hb->kept);
}

/* What a runtime route gets as its `dialect`. */
struct hb_call {
    struct hb *hb;
    struct sandbox *sandbox; /* active, and the caller's token is good */
    const char *token;       /* the caller's */
};

/* A tree that drops itself at the end of a block. */
static inline void hb_drop_json(struct cJSON **json)
{
    json_free(*json);
}
#define JSON_AUTO    __attribute__((cleanup(hb_drop_json))) struct cJSON

/* ---- errors.c ------------------------------------------------------------------------ */

/* {"message","error","code"} (wire page §1 "Errors, both planes"). */
void hb_fail(struct exchange *x, int status, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* The same from an engine's or parser's complaint, by the one table. */
void hb_fail_err(struct exchange *x, const struct err *err);
/* For a route that found no row: 404, or 405 when only the method is wrong. */
void hb_fail_route(struct exchange *x, enum route_result result);
/* A route that the vendor has and we do not, yet: 501. */
void hb_not_supported(void *dialect, struct exchange *x, const struct route_params *params);
/* What a scenario refuses with, in the vendor's shape. */
void hb_fail_scripted(struct exchange *x);
/* As the vendor answers an expired or wrong token. */
void hb_fail_token(struct exchange *x);
/* op_begin, and the answer when it is not to go on: then false.  `out_pretend` NULL: cannot be pretended. */
bool hb_begin(struct exchange *x, const struct op *op, bool *out_pretend);
/* Answer 200 with the JSON in `body`, or 503 when memory ran out while it was built. */
void hb_reply(struct exchange *x, const struct buf *body);

/* ---- unknown.c ------------------------------------------------------------------------- */

/* A request about a sandbox that is not there: 404, unless a scenario makes something else of it.  `process`: the one
   that the path names, or "". */
void hb_refuse_unknown(struct exchange *x, const struct op *op, const char *id, const char *process);

/* ---- kept.c ---------------------------------------------------------------------------- */

int hb_keep_first(struct hb *hb, const struct hb_settings *settings, struct err *err);
int hb_prepare_settings(void *self, const char *const *assignments, const void **out_ready, struct err *err);
void hb_use_settings(void *self, const void *ready);

/* ---- request.c ----------------------------------------------------------------------- */

/* Read the body as a JSON object (free with json_free).  An empty body gives NULL in *out where `may_be_empty`.
   On failure answers by itself and returns -1. */
int hb_read_object(struct exchange *x, bool may_be_empty, struct cJSON **out);

/* Whole decimal number in query parameter `name`: 0 and *out untouched when absent or empty, -1 with ERR_INVALID. */
int hb_query_int(const struct exchange *x, const char *name, int64_t min, int64_t max, int64_t *out, struct err *err);

/* What follows "Bearer " in the Authorization header, or NULL. */
const char *hb_bearer(struct exchange *x);

/* `page` and `limit` of a control-plane list. */
struct hb_page {
    int64_t number, size;
};
int hb_query_page(const struct hb *hb, const struct exchange *x, struct hb_page *out, struct err *err);
/* Is the `index`-th match (from 0) on this page? */
bool hb_page_has(const struct hb_page *page, int64_t index);
/* totalCount, page, perPage into an open object. */
void hb_page_write(const struct hb_page *page, int64_t total, struct jsonw *w);

/* ---- control.c, create.c, catalog_routes.c --------------------------------------------- */

void hb_control_handle(struct hb *hb, struct exchange *x);
route_fn hb_create_sandbox, hb_create_snapshot;
extern const struct route hb_catalog_routes[];
extern const size_t hb_catalog_route_count;

/* May a client with this API key (NULL: none) come in? */
bool hb_knows_key(const struct hb *hb, const char *key);
/* A reference, or NULL: there is none of the lane's. */
struct sandbox *hb_look_up(struct hb *hb, const char *id);
/* A reference, or NULL and the exchange is answered with 404. */
struct sandbox *hb_find_sandbox(struct hb *hb, struct exchange *x, const char *id);
/* The same, and 409 unless it is active. */
struct sandbox *hb_find_active(struct hb *hb, struct exchange *x, const char *id);
/* {port, auth?} from a body. */
int hb_parse_port(const struct hb *hb, const struct cJSON *json, struct hb_port *out, struct err *err);
/* allowInternetAccess, allowOut, denyOut. */
int hb_parse_network(const struct cJSON *json, struct hb_network *out, struct err *err);

/* ---- sandbox_json.c -------------------------------------------------------------------- */

/* The vendor's word for a sandbox's state: "active", "closed", "error". */
const char *hb_sandbox_status(struct sandbox *sandbox);
/* A whole sandbox object; with_token: the detail that create and get answer. */
void hb_write_sandbox(struct jsonw *w, struct hb *hb, struct sandbox *sandbox, const char *base_url, bool with_token);
/* {port, auth, url, browserUrl, browserUrlExpiresAt} */
void hb_write_port(struct jsonw *w, const struct hb *hb, const char *id, const char *base_url,
                   const struct hb_port *port);

/* ---- runtime.c ------------------------------------------------------------------------ */

/* `rest` is the path behind /sandbox/<id> or, in host form, behind /sandbox. */
void hb_runtime_handle(struct hb *hb, struct exchange *x, const char *id, const char *rest);

/* interrupt_fn: has the exchange's client gone? */
bool hb_peer_gone(void *exchange);

/* ---- process.c ------------------------------------------------------------------------- */

/* A runtime request as scenarios see it.  Borrows all three; `proc` NULL: none. */
struct op hb_op(struct hb_call *call, enum scenario_op op, struct proc *proc);

route_fn hb_process_exec, hb_process_start, hb_process_get, hb_process_delete, hb_process_wait, hb_process_signal,
    hb_process_stdin, hb_process_stream;
/* process_list.c */
route_fn hb_process_list;

/* ---- command.c ------------------------------------------------------------------------ */

struct hb_command {
    struct buf line, cwd, run_as;
    bool has_cwd, has_run_as;
    char **env; /* NULL-terminated, or NULL */
    size_t env_count;
    int64_t timeout_ms; /* 0: none */
};

/* Fill from a request (wire page §3.1 "Command object"); free with hb_command_fini in either case. */
int hb_command_parse(struct hb_command *command, const struct cJSON *json, int64_t env_max, struct err *err);
void hb_command_fini(struct hb_command *command);
/* `op` is the request's, with the command filled in. */
int hb_command_start(struct hb_call *call, struct exchange *x, const struct op *op, const struct hb_command *command,
                     enum stdin_mode stdin_mode, struct proc **out_proc, struct proc_reader **out_reader,
                     struct err *err);

/* timeoutMs and timeout_sec: "seconds win when > 0, else milliseconds when > 0, else none" (0).  Values beyond
   any use are cut down, never overflow. */
int hb_parse_timeout(const struct cJSON *json, int64_t *out_ms, struct err *err);

/* ---- process_json.c ------------------------------------------------------------------- */

enum hb_status { HB_QUEUED, HB_RUNNING, HB_EXITED, HB_FAILED, HB_KILLED, HB_TIMED_OUT, HB_STATUSES };

enum hb_status hb_status_of(const struct proc_view *view);
const char *hb_status_name(enum hb_status status);
int64_t hb_started_ms(const struct proc_view *view);

/* A Summary as a whole object named `name` (NULL: bare). */
void hb_write_summary(struct jsonw *w, const char *name, const struct hb_settings *settings, struct proc *proc);
/* The same, but it says that the process was killed, which is not true. */
void hb_write_killed(struct jsonw *w, const char *name, const struct hb_settings *settings, struct proc *proc);
/* The data of protocol B's first event, a bare Summary. */
void hb_write_started(struct jsonw *w, const struct hb_settings *settings, struct proc *proc);

/* A Result as a whole object: with the output within the result window...  `made_up_exit` (NULL: the truth): as if
   it had exited so, though it may still run. */
void hb_write_result(struct jsonw *w, const char *name, const struct hb_settings *settings, struct proc *proc,
                     const int *made_up_exit);
/* ... or as protocol B's `done` has it: no output, for the client has it, but the last number it was sent. */
void hb_write_done(struct jsonw *w, const struct hb_settings *settings, struct proc *proc, uint64_t last_seq,
                   const int *made_up_exit);

/* ---- stream.c ------------------------------------------------------------------------- */

/* Protocol B: the answer to a start.  Takes the reader (from the first output on), borrows proc. */
void hb_stream_start(struct hb *hb, struct exchange *x, struct proc *proc, struct proc_reader *reader);
/* GET .../stream.  `from_seq` 0: the oldest in the window. */
void hb_stream_replay(struct hb *hb, struct exchange *x, struct proc *proc, uint64_t from_seq);

#endif
