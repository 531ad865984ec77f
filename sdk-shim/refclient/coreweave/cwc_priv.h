/*
 * The handles' insides, for the library's own files.
 *
 * Locks, in the order in which they may be taken: process.writing, process.lock, sandbox.lock, client.lock; a
 * connection's is below all of them.  None but `writing` is held while an answer is waited for.
 */
#ifndef CWC_PRIV_H
#define CWC_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "cwc_conn.h"
#include "cwc_error.h"
#include "cwc_mutants.h"
#include "cwc_wire.h"

#define CWC_REQUEST_MS 300000 /* a create, a list, a delete, a file; also an exec without a limit of its own */

struct cwc_client {
    atomic_int refs;
    enum cwc_version version;
    const struct cwc_wire *wire;
    char *host, *port, *authority, *auth; /* auth: NULL without a key */
    int64_t timeout_ms;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t changed;
    bool is_cancelled;
    size_t threads;                  /* of processes */
    struct cwc_conn **conns;         /* the last one is in use */
    size_t conn_count;
};

struct cwc_sandbox {
    atomic_int refs;
    struct cwc_client *client;
    char *id;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t changed;
    struct cwc_sandbox_info seen; /* its id is not used */
    bool is_stopping;             /* a stop of ours is on its way, or done */
    bool is_sending_stop;
    int64_t stopped_at_ms;        /* when it was granted */
    /* the questions that all share */
    size_t waiters;
    bool is_asking;
    int64_t interval_ms, next_ms; /* the next question */
    int64_t failing_since_ms;     /* 0: the last one was answered */
    unsigned failures;            /* that were final */
    struct cwc_error failure;     /* the last of them */
};

struct cwc_piece {
    enum cwc_stream stream;
    size_t from, size;
};

struct cwc_process {
    atomic_int refs;
    struct cwc_sandbox *box;
    struct cwc_command command; /* argv is `argv` or `wrapped` */
    char **argv;
    size_t argc;
    char *wrapped[3];
    pthread_mutex_t writing; /* one write at a time */
    pthread_mutex_t lock;    /* of what follows */
    pthread_cond_t changed;
    atomic_bool is_cancelled;
    bool is_done;
    int exit_code;
    struct cwc_error err; /* CWC_OK: it ended with exit_code */
    struct sbc_buf bytes; /* of both streams as they came */
    struct cwc_piece *pieces;
    size_t piece_count, piece_room;
    size_t read_at[2]; /* by stream: pieces that were looked at */
    struct cwc_call *call;
    bool is_ready, is_stdin_closed;
    struct sbc_buf *held; /* messages that wait for ready */
    size_t held_count, held_writes;
};

/* -------------------------------------------------------------- cwc_client */

struct cwc_client *cwc_client_ref(struct cwc_client *client);
void cwc_client_unref(struct cwc_client *client);

/* A call on the connection, which is made anew when it has to be; NULL with `err`.  `timeout_ms` 0: no limit. */
struct cwc_call *cwc_client_begin(struct cwc_client *client, enum cwc_method method, int64_t timeout_ms,
                                  struct cwc_error *err);

/* One question, one answer, which is appended to `answer`. */
int cwc_client_call(struct cwc_client *client, enum cwc_method method, const struct sbc_buf *request,
                    int64_t timeout_ms, struct sbc_buf *answer, struct cwc_error *err);

/* The same for what may be asked twice: v1 goes on, where the server is unavailable and says when.  `*out_is_again`: it
   did. */
int cwc_client_call_again(struct cwc_client *client, enum cwc_method method, const struct sbc_buf *request,
                          int64_t timeout_ms, struct sbc_buf *answer, bool *out_is_again, struct cwc_error *err);

/* An answer without sense. */
int cwc_client_refuse(struct cwc_error *err, enum cwc_method method);

/* Up to so long, or until the client is cancelled (true). */
bool cwc_client_sleep(struct cwc_client *client, int64_t ms);

bool cwc_client_is_cancelled(struct cwc_client *client);

/* Run `body(arg)` on a thread that cwc_client_free waits for. */
void cwc_client_spawn(struct cwc_client *client, void (*body)(void *), void *arg);

/* Somebody may be waiting for any of many processes. */
void cwc_client_tell(struct cwc_client *client);

void cwc_init_cond(pthread_cond_t *cond); /* on sbc_now_ms's clock */

/* False: `until_ms` (0: never) is over. */
bool cwc_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t until_ms);

/* When a wait of `timeout_s` (negative: for ever) is over. */
int64_t cwc_until(double timeout_s);

/* ---------------------------------------------------------------- cwc_poll */

enum cwc_goal { CWC_UNTIL_STABLE, CWC_UNTIL_OVER };

bool cwc_is_stable(enum cwc_state state);
bool cwc_is_over(enum cwc_state state);

/* Ask until the goal is reached.  `is_cancelled` (NULL: nobody) ends it, when it is told by cwc_poll_wake. */
int cwc_poll(struct cwc_sandbox *box, enum cwc_goal goal, int64_t until_ms, const atomic_bool *is_cancelled,
             struct cwc_error *err);
void cwc_poll_wake(struct cwc_sandbox *box);

/* One question; what it says is kept. */
int cwc_poll_once(struct cwc_sandbox *box, int64_t timeout_ms, struct cwc_error *err);

/* Poll, and be content with a sandbox that runs or is completed. */
int cwc_poll_running(struct cwc_sandbox *box, int64_t until_ms, const atomic_bool *is_cancelled,
                     struct cwc_error *err);

/* ------------------------------------------------------------- cwc_sandbox */

struct cwc_sandbox *cwc_sandbox_ref(struct cwc_sandbox *box);

/* Whether calls may go to it, as far as the handle knows; if not, `err` is the local refusal. */
bool cwc_sandbox_is_open(struct cwc_sandbox *box, struct cwc_error *err);

/* ----------------------------------------------------------------- cwc_run */

/* The body of a process's thread: the stream of an exec from its begin to its end.  Takes a reference. */
void cwc_run(void *process);

/* The end, unless it has one: takes what `err` holds (NULL: exit_code). */
void cwc_run_finish(struct cwc_process *process, int exit_code, struct cwc_error *err);

void cwc_run_collect(const struct cwc_process *process, struct cwc_result *out_result); /* locked */

void cwc_process_unref(struct cwc_process *process);

#endif
