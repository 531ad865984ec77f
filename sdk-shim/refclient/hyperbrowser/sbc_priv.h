/*
 * The handles' insides, for the library's own files.
 *
 * Locks, in the order in which they may be taken: sandbox.renewing, then one of sandbox.lock and process.lock,
 * then pool.lock.  None but `renewing` is held while a request is on its way.
 */
#ifndef SBC_PRIV_H
#define SBC_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "sbc_error.h"
#include "sbc_http.h"
#include "sbc_json.h"
#include "sbc_sse.h"
#include "sbc_text.h"
#include "standbox_client.h"

struct cJSON;

struct sbc_client {
    atomic_int refs;
    char *base;  /* of the API, without a slash at its end; "/api" is not part of it */
    char *auth;  /* header line with the API key */
    char *proxy; /* host:port, or NULL */
    enum sbc_protocol protocol;
    int64_t timeout_ms, idle_ms;
    size_t collect_bytes;
    size_t answer_bytes; /* limit of a JSON answer and of an event */
    struct sbc_http_pool pool;
};

struct sbc_sandbox {
    atomic_int refs;
    struct sbc_client *client;
    char *id;
    pthread_mutex_t renewing; /* one question for a new token at a time */
    pthread_mutex_t lock;     /* of what follows */
    char *status;
    char *prefix;       /* where the runtime's routes begin, such as http://host/sandbox/ID; or NULL */
    char *token;        /* or NULL: not running */
    int64_t expires_at; /* ms since 1970; -1: never */
};

/* What a process of protocol B writes, as far as it has come; locked by its process. */
struct sbc_output {
    struct sbc_piece {
        enum sbc_event_type type;
        int64_t seq, timestamp;
        size_t from, size; /* in bytes */
    } * pieces;
    size_t count, room;
    size_t limit; /* of bytes */
    struct sbc_buf bytes;
    bool has_result;
    struct sbc_result result; /* without output */
    struct sbc_error error;   /* SBC_OK: none */
};

struct sbc_process {
    atomic_int refs;
    struct sbc_sandbox *sandbox;
    char *id;
    bool is_collected;    /* protocol B, started here: a thread fills `output` */
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t changed;
    struct sbc_process_info info;
    bool is_settled; /* a result told the end */
    struct sbc_output output;
    struct sbc_http *http; /* of the thread, NULL behind its end */
    pthread_t thread;
    struct sbc_sse sse; /* the thread's own */
#ifdef SBC_MUTANTS
    bool was_waited_for;
#endif
};

/* -------------------------------------------------------------- sbc_client */

struct sbc_client *sbc_client_ref(struct sbc_client *client);

/* A request to the control plane: `path` behind "/api", `body` NULL for none.  GETs are asked up to three times.
   *out_answer (NULL: not wanted, and the answer may be anything) is the parsed object; cJSON_Delete it. */
int sbc_client_call(struct sbc_client *client, const char *method, const char *path, const struct cJSON *body,
                    struct cJSON **out_answer, struct sbc_error *err);

/* Read the whole body of `http` and the object in it; closes `http`. */
int sbc_client_finish(struct sbc_http *http, bool is_change, int64_t deadline_ms, struct cJSON **out_answer,
                      struct sbc_error *err);

/* Whether a status means that what was asked for was done. */
bool sbc_client_is_success(int status);

/* An answer without sense. */
int sbc_client_refuse(struct sbc_error *err, enum sbc_service service, bool is_change, const char *problem);

/* ------------------------------------------------------------- sbc_runtime */

/* A request to a sandbox's runtime; `path` such as "/processes/ID". */
struct sbc_route {
    const char *method;
    const char *path;
    const struct cJSON *body; /* or NULL */
    bool is_change;
    bool is_stream; /* wants text/event-stream */
};

/* Where routes begin, from the runtime's base URL; NULL: no URL.  free() it. */
char *sbc_runtime_prefix(const char *base_url);

/* Whether the sandbox runs, as far as the handle knows; if not, `err` is the local refusal. */
bool sbc_runtime_is_open(struct sbc_sandbox *sandbox, struct sbc_error *err);

/* Send it with a token that is good, renewing it where needed.  Only success comes back; the body is not read yet. */
struct sbc_http *sbc_runtime_open(struct sbc_sandbox *sandbox, const struct sbc_route *route, int64_t deadline_ms,
                                  struct sbc_error *err);

/* Send it and read the answer, as sbc_client_call. */
int sbc_runtime_call(struct sbc_sandbox *sandbox, const struct sbc_route *route, struct cJSON **out_answer,
                     struct sbc_error *err);

/* ------------------------------------------------------------- sbc_sandbox */

struct sbc_sandbox *sbc_sandbox_ref(struct sbc_sandbox *sandbox);

/* ------------------------------------------------------------- sbc_command */

/* The body of a start; NULL: refused. */
struct cJSON *sbc_command_encode(const struct sbc_command *command, struct sbc_error *err);

/* Add `limit` to a body under the names that the routes want. */
void sbc_command_add_limit(struct cJSON *body, int64_t timeout_ms, double timeout_s);

/* ---------------------------------------------------------------- sbc_read */

/* The structs of the answers.  Filled only when reader->problem stays "". */
void sbc_read_info(struct sbc_reader *reader, struct sbc_process_info *out_info);
void sbc_read_result(struct sbc_reader *reader, bool has_output, struct sbc_result *out_result);

void sbc_read_copy_info(struct sbc_process_info *to, const struct sbc_process_info *from);
void sbc_read_copy_result(struct sbc_result *to, const struct sbc_result *from); /* with its output */

/* exited, failed, killed, timed_out, and words of the future; not queued and running. */
bool sbc_read_is_final(const char *status);

/* A piece of output out of an event's data: bytes are appended to `out`. */
struct sbc_piece sbc_read_output(struct sbc_reader *reader, struct sbc_buf *out);

/* ------------------------------------------------------------- sbc_process */

struct sbc_process *sbc_process_ref(struct sbc_process *process);

/* Takes what `info` holds. */
struct sbc_process *sbc_process_make(struct sbc_sandbox *sandbox, const char *id, struct sbc_process_info *info);

/* What a result tells about the process; with process->lock held. */
void sbc_process_settle(struct sbc_process *process, const struct sbc_result *result);

/* Ask the server to wait. */
int sbc_process_wait_remote(struct sbc_process *process, const struct sbc_limit *limit, struct sbc_result *out_result,
                            struct sbc_error *err);

/* ------------------------------------------------------------- sbc_collect */

/* Start in protocol B: the process with its thread, which collects `limit` bytes. */
struct sbc_process *sbc_collect_start(struct sbc_sandbox *sandbox, const struct cJSON *body, size_t limit,
                                      struct sbc_error *err);

/* Wait for the collected end. */
int sbc_collect_wait(struct sbc_process *process, const struct sbc_limit *limit, struct sbc_result *out_result,
                     struct sbc_error *err);

/* Copy the result with all of its output; process->lock held. */
void sbc_collect_copy_result(struct sbc_process *process, struct sbc_result *out_result);

/* Close the connection; the thread ends soon. */
void sbc_collect_leave(struct sbc_process *process);

/* Leave, wait for the thread's end, free what was collected. */
void sbc_collect_free(struct sbc_process *process);

#endif
