/*
 * standbox_client: a client for Hyperbrowser's sandboxes and their processes, in C.
 *
 *     struct sbc_error err = SBC_ERROR_INIT;
 *     struct sbc_client *client = sbc_client_new(&(struct sbc_client_options) { .url = url, .api_key = key }, &err);
 *     struct sbc_sandbox *box = sbc_sandbox_create(client, &(struct sbc_sandbox_options) { .image = "default" }, &err);
 *     struct sbc_result result;
 *     if (sbc_exec(box, &(struct sbc_command) { .command = "exit 7" }, &result, &err) == 0)
 *         printf("%s %d\n", result.status, result.exit_code);          // exited 7
 *
 * Handles (client, sandbox, process, stream) are opaque and counted inside: free them in any order, each once;
 * all _free functions take NULL.  A process handle that is freed does not end the process.
 *
 * Structs with a _clear function are filled by the library and belong to the caller: clear each one that was
 * filled, once.  They are written only on success.  Options are borrowed during the call; a zeroed struct is
 * a good start, and a member that is 0 or NULL is not sent.
 *
 * Functions that can fail return 0, or -1 (a handle: NULL) and fill `err`, which may be NULL.  An error that was
 * filled is cleared by sbc_error_clear, or by the next call that fails with it.  Being out of memory ends the program.
 *
 * Threads: every function may be called from any thread, several on one handle at the same time, with two
 * exceptions: a stream belongs to one thread at a time, and what is freed must not be in use.
 *
 * Text is UTF-8.  Output and input of processes are bytes: they may hold NUL and need not be UTF-8.
 *
 * What is never done behind the caller's back: a request that could change something is sent once.  Only questions
 * to the control plane are asked again (three times at most), and a request that was refused with 401, which the
 * server did not act on, is repeated once with a new token.
 */
#ifndef STANDBOX_CLIENT_H
#define STANDBOX_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SBC_VERSION "0.1.0"

struct sbc_client;
struct sbc_sandbox;
struct sbc_process;
struct sbc_stream;

/* ------------------------------------------------------------------ errors */

enum sbc_error_kind {
    SBC_OK,
    SBC_HTTP,         /* an answer with an error status, or a local refusal in its words (409 sandbox_not_running) */
    SBC_ARGUMENT,     /* refused before anybody was asked */
    SBC_CONNECTION,   /* no whole answer: refused, reset, ended early, too late */
    SBC_WAIT_TIMEOUT, /* the limit of a local wait passed; the process goes on */
    SBC_MALFORMED,    /* an answer that cannot be understood */
    SBC_INCOMPLETE,   /* the output is known to be incomplete; details name process_id and last_seq */
    SBC_OUTPUT_LIMIT, /* more output than the client takes */
    SBC_UNSUPPORTED,  /* the server, or this protocol, does not offer it */
    SBC_CANCELLED,    /* sbc_client_cancel */
    SBC_ERROR_KINDS
};

enum sbc_service { SBC_NO_SERVICE, SBC_CONTROL, SBC_RUNTIME };

struct sbc_error {
    enum sbc_error_kind kind;
    int status;               /* HTTP status; 0: none */
    enum sbc_service service; /* the plane that was asked */
    bool is_retryable;      /* the same call may succeed later: 429, 502, 503, 504, connection, or the server says so */
    bool is_definite;       /* certainly nothing was done; false: it may have happened all the same */
    int64_t retry_after_ms; /* what the server said about coming back; 0: nothing */
    char *message;          /* never NULL in an error that was filled */
    char *code;             /* the server's code, or NULL */
    char *request_id;       /* or NULL */
    char *details;          /* a JSON object, or NULL: the server's whole answer, or our own facts */
};

#define SBC_ERROR_INIT \
    { \
        SBC_OK, 0, SBC_NO_SERVICE, false, false, 0, NULL, NULL, NULL, NULL \
    }

/* Free what `err` holds and make it SBC_ERROR_INIT again. */
void sbc_error_clear(struct sbc_error *err);

/* "SBC_HTTP" and so on; a constant. */
const char *sbc_error_kind_name(enum sbc_error_kind kind);

/* ------------------------------------------------------------------ client */

/* B: a start is one streamed request that brings all output, so a wait is local.  A: a start answers at once, wait and
   stream are requests of their own.  The routes are the same otherwise. */
enum sbc_protocol { SBC_PROTOCOL_B, SBC_PROTOCOL_A };

struct sbc_client_options {
    const char *url; /* of the API, such as http://127.0.0.1:8700; slashes at its end do not matter */
    const char *api_key;
    enum sbc_protocol protocol;
    int64_t timeout_ms; /* for a whole request, or for the head of a stream; 0: 30000 */
    int64_t idle_ms;    /* silence that ends a stream, signs of life counting as sound; 0: 60000 */
    const char
        *runtime_proxy;   /* "host:port" (or a URL of it) that runtime requests connect to; NULL: where they lead */
    size_t collect_bytes; /* output that is collected of a process in B; 0: 64 MiB */
};

/* Asks nobody.  The environment's proxies are not used. */
struct sbc_client *sbc_client_new(const struct sbc_client_options *options, struct sbc_error *err);

/* Every call in flight, and every later one, on this client and all its handles ends with SBC_CANCELLED.  Processes
   are left alone. */
void sbc_client_cancel(struct sbc_client *client);

void sbc_client_free(struct sbc_client *client);

/* --------------------------------------------------------------- sandboxes */

struct sbc_sandbox_options {
    const char *image; /* exactly one of image and snapshot */
    const char *snapshot;
    int64_t timeout_minutes;
    int64_t vcpus;
    int64_t memory_mib;
};

struct sbc_sandbox_info {
    char *id;
    char *status; /* active, closed, error, close-error, or a word of the future */
};

struct sbc_sandbox_query {
    const char *status;
    const char *search;
    int64_t page; /* from 1 */
    int64_t limit;
};

struct sbc_sandbox_list {
    struct sbc_sandbox_info *items;
    size_t count;
    int64_t total_count, page, per_page;
};

struct sbc_sandbox *sbc_sandbox_create(struct sbc_client *client, const struct sbc_sandbox_options *options,
                                       struct sbc_error *err);

/* A handle of a sandbox that runs; one that was stopped is refused with 409 sandbox_not_running. */
struct sbc_sandbox *sbc_sandbox_connect(struct sbc_client *client, const char *id, struct sbc_error *err);

/* Ask the server for status, token and address. */
int sbc_sandbox_refresh(struct sbc_sandbox *sandbox, struct sbc_error *err);

/* What the handle knows; asks nobody. */
void sbc_sandbox_get_info(struct sbc_sandbox *sandbox, struct sbc_sandbox_info *out_info);

/* `query` may be NULL. */
int sbc_sandbox_list(struct sbc_client *client, const struct sbc_sandbox_query *query,
                     struct sbc_sandbox_list *out_list, struct sbc_error *err);

/* Afterwards the handle refuses all runtime calls (409 sandbox_not_running), until a refresh says otherwise. */
int sbc_sandbox_stop(struct sbc_sandbox *sandbox, struct sbc_error *err);

void sbc_sandbox_free(struct sbc_sandbox *sandbox);
void sbc_sandbox_info_clear(struct sbc_sandbox_info *info);
void sbc_sandbox_list_clear(struct sbc_sandbox_list *list);

/* --------------------------------------------------------------- processes */

struct sbc_variable {
    const char *name;
    const char *value;
};

struct sbc_command {
    const char *command;     /* a shell line; with args: the program */
    const char *const *args; /* folded into one shell line, each quoted; NULL: none */
    size_t arg_count;
    const char *cwd;
    const struct sbc_variable *env; /* NULL: none */
    size_t env_count;
    int64_t timeout_ms; /* the process's own limit: it ends as timed_out; 0: none */
    double timeout_s;   /* the same in seconds; wins where both are given */
    const char *user;
    size_t max_output_bytes; /* that are collected in B before it is SBC_OUTPUT_LIMIT; 0: the client's collect_bytes */
};

/* `size` bytes, and a NUL behind them that does not count. */
struct sbc_bytes {
    char *data;
    size_t size;
};

struct sbc_result {
    char *id;
    char *status;       /* exited, failed, killed, timed_out, or a word of the future */
    bool has_exit_code; /* false: the server knows none.  That is not 0. */
    int64_t exit_code;
    struct sbc_bytes out; /* stdout */
    struct sbc_bytes err; /* stderr */
    int64_t started_at;   /* ms since 1970 */
    int64_t completed_at; /* 0: not known */
    char *error;          /* why it failed, or NULL */
    bool is_truncated;    /* out and err are only the end of it (protocol A; B makes it SBC_INCOMPLETE) */
};

struct sbc_process_info {
    char *id;
    char *status; /* queued, running, or one of a result's */
    char *command;
    char *cwd;
    int64_t pid; /* 0: none */
    bool has_exit_code;
    int64_t exit_code;
    int64_t started_at;
    int64_t completed_at;
};

struct sbc_process_query {
    const char *const *status; /* NULL: any */
    size_t status_count;
    int64_t limit;
    const char *cursor;
    int64_t created_after_ms, created_before_ms;
};

struct sbc_process_list {
    struct sbc_process_info *items;
    size_t count;
    char *cursor; /* of the next page, or NULL */
};

/* Seconds win where both are positive; both 0: no limit. */
struct sbc_limit {
    int64_t timeout_ms;
    double timeout_s;
};

/* Run a command to its end.  Every end is a result: a non-zero exit, a kill, the process's own time-out. */
int sbc_exec(struct sbc_sandbox *sandbox, const struct sbc_command *command, struct sbc_result *out_result,
             struct sbc_error *err);

/* Start a process and go on.  In protocol B a thread of the library collects its output until it ends. */
struct sbc_process *sbc_process_start(struct sbc_sandbox *sandbox, const struct sbc_command *command,
                                      struct sbc_error *err);

/* A handle of a process that somebody started. */
struct sbc_process *sbc_process_get(struct sbc_sandbox *sandbox, const char *id, struct sbc_error *err);

/* `query` may be NULL. */
int sbc_process_list(struct sbc_sandbox *sandbox, const struct sbc_process_query *query,
                     struct sbc_process_list *out_list, struct sbc_error *err);

/* What the handle knows; asks nobody.  An end that a result told is not taken back by a later poll. */
void sbc_process_get_info(struct sbc_process *process, struct sbc_process_info *out_info);

/* Ask the server, without waiting for the end.  `out_info`, which may be NULL, is what it said. */
int sbc_process_poll(struct sbc_process *process, struct sbc_process_info *out_info, struct sbc_error *err);

/* Wait for the end.  `limit` (NULL: none) ends the waiting only: the process goes on, and can be waited for again.
   In A, and for a process from _get, the wait is a request and the client's timeout holds for it, too. */
int sbc_process_wait(struct sbc_process *process, const struct sbc_limit *limit, struct sbc_result *out_result,
                     struct sbc_error *err);

/* sbc_process_wait without a limit. */
int sbc_process_result(struct sbc_process *process, struct sbc_result *out_result, struct sbc_error *err);

/* Kill it and wait for the end (`limit` NULL: 5 s).  Success means that it has ended. */
int sbc_process_kill(struct sbc_process *process, const struct sbc_limit *limit, struct sbc_result *out_result,
                     struct sbc_error *err);

/* Send a signal ("TERM", "HUP"...); the name goes out as it is. */
int sbc_process_signal(struct sbc_process *process, const char *signal, struct sbc_error *err);

enum sbc_input_form {
    SBC_TEXT,  /* UTF-8; sent as such */
    SBC_BYTES, /* any bytes; sent as base64 */
    SBC_BASE64 /* text that is base64 already */
};

struct sbc_input {
    const char *data; /* NULL: nothing to write */
    size_t size;
    enum sbc_input_form form;
    bool eof; /* and close its stdin behind it */
};

int sbc_process_write(struct sbc_process *process, const struct sbc_input *input, struct sbc_error *err);
int sbc_process_close_stdin(struct sbc_process *process, struct sbc_error *err);

/* Protocol B: close the connection that collects the output; the process runs on, and sbc_process_get finds it again.
   Waits on this handle end with SBC_INCOMPLETE, unless it had ended before.  Protocol A: SBC_UNSUPPORTED. */
int sbc_process_disconnect(struct sbc_process *process, struct sbc_error *err);

void sbc_process_free(struct sbc_process *process);
void sbc_process_info_clear(struct sbc_process_info *info);
void sbc_process_list_clear(struct sbc_process_list *list);
void sbc_result_clear(struct sbc_result *result);

/* ----------------------------------------------------------------- streams */

enum sbc_event_type { SBC_STDOUT, SBC_STDERR, SBC_SYSTEM, SBC_EXIT };

struct sbc_event {
    enum sbc_event_type type;
    int64_t seq;              /* 0 with SBC_EXIT */
    int64_t timestamp;        /* ms since 1970; 0 with SBC_EXIT */
    struct sbc_bytes data;    /* a piece of output; characters may be cut at its ends (protocol B) */
    struct sbc_result result; /* with SBC_EXIT */
};

/* Read the output from its beginning, or from event `from_seq` (> 0), while it is written.  Of a process that this
   handle started in B, what was collected; else a request. */
struct sbc_stream *sbc_stream_open(struct sbc_process *process, int64_t from_seq, struct sbc_error *err);

/* The next event: 1 with *out_event filled (the last one is SBC_EXIT), 0 behind the last, -1.  A stream that breaks
   before SBC_EXIT is an error (SBC_INCOMPLETE), never an end. */
int sbc_stream_next(struct sbc_stream *stream, struct sbc_event *out_event, struct sbc_error *err);

/* At any time; the process goes on. */
void sbc_stream_close(struct sbc_stream *stream);

void sbc_event_clear(struct sbc_event *event);
const char *sbc_event_type_name(enum sbc_event_type type); /* "stdout", "stderr", "system", "exit" */

#ifdef __cplusplus
}
#endif

#endif
