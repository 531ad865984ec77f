/*
 * Shared by the files of this folder and their tests.
 *
 * One struct cw serves one lane.  Sandboxes and processes are the engine's; each sandbox carries one struct cw_record
 * (what it was asked to be, and whether it was told to stop), and states, exit codes and logs are read from the facts of
 * its main process.  A call is one thread's, its input aside (input.c).
 *
 * Locks: cw.lock guards what is being created, cw_record.lock one record; neither is held while an engine function
 * or a call is used.
 */
#ifndef STANDBOX_CW_PRIV_H
#define STANDBOX_CW_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "dialects/coreweave/settings.h"
#include "dialects/coreweave/wire.h"
#include "dialects/op.h"
#include "dialects/rpc.h"
#include "dialects/settings_kept.h"
#include "engine/engine.h"

#define CW_NAME "coreweave"

struct cw {
    struct engine *engine;
    struct lane *lane;
    struct owner *owner;          /* the lane, as its sandboxes know it */
    struct clock *clock;          /* the lane's */
    const char *const *api_keys;
    struct settings_kept kept;
    int64_t begun_ms;             /* epoch */
    pthread_mutex_t lock;         /* the two below */
    pthread_cond_t created;
    struct cw_claim *claims;      /* request ids of creates under way */
};

/* The settings that count now; they stay as they are for as long as the dialect lives. */
static inline const struct cw_settings *cw_now(const struct cw *cw)
{
    return settings_now(&cw->kept);
}

struct cw_call {
    struct cw *cw;
    struct rpc *rpc;
    const struct cw_row *row;
    const struct cw_wire *wire;
    struct cw_request request;
};

/* A log stream that can be resumed: which part of the main process's output it is, and in what form. */
struct cw_log_session {
    char id[40];
    uint64_t first_seq;           /* the output fact that it begins with ... */
    size_t first_skip;            /* ... and the bytes of it that it leaves out */
    int64_t since_ms;             /* epoch; lines that are older are left out */
    bool timestamps;
};

struct cw_record {
    struct cw_request made_from;
    const struct cw_wire *made_by;
    char reason[200];             /* why it failed before its main process began; "": it did not */
    atomic_bool is_stopping;      /* told to */
    pthread_mutex_t lock;         /* everything below */
    struct cw_log_session *sessions;
    size_t session_count;
};

/* ---- coreweave.c ------------------------------------------------------------------------- */

extern const struct cw_row cw_v1_rows[], cw_v1beta2_rows[], cw_unserved_rows[];
extern const size_t cw_v1_row_count, cw_v1beta2_row_count, cw_unserved_row_count;

bool cw_knows_key(const struct cw *cw, const char *key);

/* Readers of this process look up as soon as the call is over, until cw_unwatch. */
void cw_watch(struct cw_call *call, struct proc *proc);
void cw_unwatch(struct cw_call *call);
/* interrupt_fn: is the call over?  `arg` is the struct cw_call. */
bool cw_is_over(void *arg);

/* ---- kept.c ------------------------------------------------------------------------------ */

int cw_keep_first(struct cw *cw, const struct cw_settings *settings, struct err *err);
int cw_prepare_settings(void *self, const char *const *assignments, const void **out_ready, struct err *err);
void cw_use_settings(void *self, const void *ready);

/* ---- errors.c ---------------------------------------------------------------------------- */

/* End the call with a status and an ErrorInfo of the vendor's domain.  `reason` NULL: no details. */
void cw_fail(struct cw_call *call, enum rpc_status status, const char *reason, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* The same with metadata: `meta` is a NULL-terminated list of names and values. */
void cw_fail_with(struct cw_call *call, enum rpc_status status, const char *reason, const char *const *meta,
                  const char *message);
/* From an engine's or reader's complaint, by the one table. */
void cw_fail_err(struct cw_call *call, const struct err *err);
/* op_begin, and the answer when it is not to go on: then false.  `out_pretend` NULL: cannot be pretended. */
bool cw_begin(struct cw_call *call, const struct op *op, bool *out_pretend);
/* Answer with one message and OK, or with RESOURCE_EXHAUSTED when memory ran out while it was written. */
void cw_reply(struct cw_call *call, const struct buf *message);
/* Has a scenario wanted the answer itself to say that it failed, and has that been sent?  Ask behind cw_begin; `write` NULL:
   this version has no word for it, and the fault does not fire. */
bool cw_admits(struct cw_call *call, void (*write)(const char *message, struct buf *out));
/* A method that the vendor has and we do not. */
void cw_not_supported(struct cw_call *call);

/* ---- record.c, state.c ------------------------------------------------------------------- */

/* Takes what `request` holds and leaves it empty. */
int cw_record_new(struct cw_record **out_record, struct cw_request *request, const struct cw_wire *wire,
                  struct err *err);
void cw_record_free(void *record);
/* Remember a session; the oldest goes when there are more than `max`. */
int cw_record_add_session(struct cw_record *record, const struct cw_log_session *session, size_t max, struct err *err);
bool cw_record_find_session(struct cw_record *record, const char *id, struct cw_log_session *out_session);

bool cw_state_is_terminal(enum cw_state state);
/* What a process's end is called: the exit code, 128+n for a signal. */
int cw_exit_code(const struct proc_view *view);
/* Read from the facts.  Borrows sandbox and its record. */
void cw_view_sandbox(const struct cw *cw, struct sandbox *sandbox, struct cw_view *out_view);
/* Before they are written, once an answer: what a scenario wants to be seen instead. */
void cw_show_otherwise(struct cw_call *call, struct cw_view *views, size_t count);

/* ---- sandboxes.c ------------------------------------------------------------------------- */

/* The sandbox that the request names: a reference, or NULL.  Scenarios are asked next, also when it is not there. */
struct sandbox *cw_find_sandbox(const struct cw_call *call);
/* Is it there?  Else the call is ended with NOT_FOUND. */
bool cw_must_exist(struct cw_call *call, struct sandbox *sandbox);
/* The same, and FAILED_PRECONDITION unless it is RUNNING; a container that is not there is refused, too. */
bool cw_must_run(struct cw_call *call, struct sandbox *sandbox);
/* The call as scenarios see it, by its method; both may be NULL. */
struct op cw_op(const struct cw_call *call, struct sandbox *sandbox, struct proc *proc);

void cw_get_sandbox(struct cw_call *call);
void cw_list_sandboxes(struct cw_call *call);
void cw_stop_sandbox(struct cw_call *call);
/* create.c */
void cw_create_sandbox(struct cw_call *call);

/* ---- input.c ------------------------------------------------------------------------------ */

/* Takes what the client sends, on a thread beside the call's own while there is something. */
struct cw_inlet {
    struct cw_call *call;
    /* Each on that thread, and never two at a time.  `message`: false, nothing more is wanted of it. */
    bool (*message)(void *arg, const struct cw_input *input);
    void (*half_closed)(void *arg);
    void *arg;
    bool is_unwanted;             /* its own */
};

void cw_inlet_open(struct cw_inlet *inlet);
/* When the call was ended, or is over: then none of the above runs any more. */
void cw_inlet_close(struct cw_inlet *inlet);

/* ---- exec.c, exec_unary.c ----------------------------------------------------------------- */

void cw_stream_exec(struct cw_call *call);
void cw_unary_exec(struct cw_call *call);

/* The running sandbox that a command is for (a reference), and the request as scenarios see it, which have nothing
   against it; or NULL, and the call is ended.  `display` is the command's text, borrowed by the op. */
struct sandbox *cw_begin_command(struct cw_call *call, struct op *out_op, struct buf *display);
/* Start it, as the scenarios say. */
int cw_start_command(struct cw_call *call, struct sandbox *sandbox, struct op *op, enum stdin_mode stdin_mode,
                     struct proc **out_proc, struct proc_reader **out_reader, struct err *err);
/* "prog: not found" for a command that could not be started, and its exit code: 127, 126; 0: it is no exit, but an
   error. */
int cw_describe_failure(const struct cw *cw, const struct proc_view *view, const char *program, struct buf *out);

/* ---- logs.c, files.c, discovery.c, snapshots.c --------------------------------------------- */

void cw_stream_logs(struct cw_call *call);
void cw_read_file(struct cw_call *call);
void cw_write_file(struct cw_call *call);
/* Write what a new sandbox was given.  -1: `err` says what. */
int cw_mount_files(struct cw *cw, struct sandbox *sandbox, const struct cw_request *request, struct err *err);
void cw_list_runners(struct cw_call *call);
void cw_get_runner(struct cw_call *call);
void cw_list_profiles(struct cw_call *call);
void cw_get_profile(struct cw_call *call);
void cw_create_snapshot(struct cw_call *call);
void cw_get_snapshot(struct cw_call *call);
void cw_list_snapshots(struct cw_call *call);
void cw_delete_snapshot(struct cw_call *call);

#endif
