/*
 * standbox_coreweave: a client for CoreWeave's sandboxes, in C, over nghttp2 and protobuf-c.
 *
 *     struct cwc_error err = CWC_ERROR_INIT;
 *     struct cwc_client *client = cwc_client_new(&(struct cwc_client_options) { .url = url, .api_key = key }, &err);
 *     struct cwc_sandbox *box = cwc_sandbox_create(client, &(struct cwc_sandbox_options) { 0 }, &err);
 *     const char *argv[] = { "echo", "hello" };
 *     struct cwc_process *process = cwc_exec(box, &(struct cwc_command) { .argv = argv, .argc = 2 }, &err);
 *     struct cwc_result result;
 *     if (cwc_process_result(process, CWC_FOREVER, &result, &err) == 0)
 *         printf("%d %s", result.exit_code, result.out.data);          // 0 hello
 *
 * It does what the vendor's Python SDK does as it is documented: version 0.22.0 on wire v1beta2, 1.22.0 on wire v1.
 * Error kinds are that SDK's classes.  Where 0.22.0 takes a stream that broke off for an exit with 0, this client does
 * not: it says CWC_INCOMPLETE, as 1.22.0 does.
 *
 * Handles (client, sandbox, process, logs) are opaque and counted inside: free them in any order, each once; all
 * _free functions take NULL.  A process that is freed before its end is cancelled.
 *
 * Structs with a _clear function are filled by the library and belong to the caller: clear each one that was
 * filled, once.  They are written only on success.  Options are borrowed during the call; a zeroed struct is a good
 * start, and a member that is 0 or NULL is not sent.
 *
 * Functions that can fail return 0, or -1 (a handle: NULL) and fill `err`, which may be NULL.  An error that was
 * filled is cleared by cwc_error_clear, or by the next call that fails with it.  Being out of memory ends the program.
 *
 * Threads: every function may be called from any thread, several on one handle at the same time; what is freed must
 * not be in use, and logs belong to one thread at a time.  All calls of a client share one connection, which has a
 * thread of its own; each process has one, too.
 *
 * Waits: seconds, CWC_FOREVER for no limit.  A limit that passes ends the waiting alone.
 */
#ifndef STANDBOX_COREWEAVE_H
#define STANDBOX_COREWEAVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CWC_FOREVER (-1.0)

struct cwc_client;
struct cwc_sandbox;
struct cwc_process;
struct cwc_logs;

/* `size` bytes, and a NUL behind them that does not count. */
struct cwc_bytes {
    char *data;
    size_t size;
};

struct cwc_pair {
    char *name;
    char *value;
};

/* ------------------------------------------------------------------ errors */

/* The statuses of gRPC. */
enum cwc_status {
    CWC_NO_STATUS = -1,
    CWC_STATUS_OK,
    CWC_STATUS_CANCELLED,
    CWC_STATUS_UNKNOWN,
    CWC_STATUS_INVALID_ARGUMENT,
    CWC_STATUS_DEADLINE_EXCEEDED,
    CWC_STATUS_NOT_FOUND,
    CWC_STATUS_ALREADY_EXISTS,
    CWC_STATUS_PERMISSION_DENIED,
    CWC_STATUS_RESOURCE_EXHAUSTED,
    CWC_STATUS_FAILED_PRECONDITION,
    CWC_STATUS_ABORTED,
    CWC_STATUS_OUT_OF_RANGE,
    CWC_STATUS_UNIMPLEMENTED,
    CWC_STATUS_INTERNAL,
    CWC_STATUS_UNAVAILABLE,
    CWC_STATUS_DATA_LOSS,
    CWC_STATUS_UNAUTHENTICATED,
    CWC_STATUSES
};

enum cwc_error_kind {
    CWC_OK,
    CWC_ARGUMENT,       /* refused before anybody was asked */
    CWC_WAIT_TIMEOUT,   /* the limit of a local wait passed; the process goes on */
    CWC_CANCELLED,      /* by cwc_process_cancel or cwc_client_cancel */
    CWC_RPC,            /* v1beta2: a status that ended an exec, as it came */
    CWC_VENDOR,         /* the answers make no sense together (a list that turns in circles) */
    CWC_AUTHENTICATION, /* UNAUTHENTICATED, PERMISSION_DENIED */
    CWC_SANDBOX,        /* any other refusal */
    CWC_NOT_RUNNING,    /* CANCELLED by the server, or a sandbox that is known to be over */
    CWC_UNAVAILABLE,
    CWC_TIMEOUT,         /* a command or the wait for a state took too long */
    CWC_REQUEST_TIMEOUT, /* a request's deadline */
    CWC_COMMAND_TIMEOUT, /* the server says that the command's time was up */
    CWC_TERMINATED,      /* the sandbox was stopped */
    CWC_FAILED,          /* the sandbox never came to run */
    CWC_NOT_FOUND,
    CWC_EXECUTION,      /* the stream said that the command could not be run */
    CWC_CHECK,          /* the exit code was not 0, and `check` was asked for: the error has the result */
    CWC_CLOSED,         /* stdin is closed, or the process has ended */
    CWC_INCOMPLETE,     /* the stream ended without saying how the command did */
    CWC_BACKPRESSURE,   /* v1: STREAM_BACKPRESSURE in the stream */
    CWC_TRUNCATED,      /* v1: STREAM_TRUNCATED in the stream */
    CWC_FILE,           /* a file could not be read or written */
    CWC_EXHAUSTED,      /* RESOURCE_EXHAUSTED */
    CWC_STATE_UNKNOWN,  /* stopped, and then nobody knew how it ended */
    CWC_VALIDATION,     /* v1: INVALID_ARGUMENT with a list of what is wrong */
    CWC_PROTOCOL,       /* an answer that cannot be understood */
    CWC_ERROR_KINDS
};

struct cwc_result {
    int exit_code;
    char *text;           /* stdout as UTF-8, each maximal piece that is none replaced by U+FFFD; may hold NUL */
    size_t text_size;
    char *err_text;       /* the same of stderr */
    size_t err_text_size;
    struct cwc_bytes out; /* stdout as it came */
    struct cwc_bytes err; /* stderr */
};

struct cwc_error {
    enum cwc_error_kind kind;
    bool has_status;
    enum cwc_status status;   /* with has_status */
    char *message;            /* never NULL in an error that was filled */
    char *reason;             /* of ErrorInfo, or the code that came in the stream; or NULL */
    struct cwc_pair *details; /* ErrorInfo's metadata */
    size_t detail_count;
    int64_t retry_after_ms;    /* of RetryInfo; 0: no hint */
    struct cwc_result *result; /* with CWC_CHECK; else NULL */
};

#define CWC_ERROR_INIT { CWC_OK, false, CWC_STATUS_OK, NULL, NULL, NULL, 0, 0, NULL }

/* Free what `err` holds and make it CWC_ERROR_INIT again. */
void cwc_error_clear(struct cwc_error *err);

/* "SandboxNotFoundError" and so on: the SDK's word; a constant. */
const char *cwc_error_class(enum cwc_error_kind kind);

/* "NOT_FOUND" and so on; a constant. */
const char *cwc_status_name(enum cwc_status status);

/* ------------------------------------------------------------------ client */

enum cwc_version { CWC_V1BETA2, CWC_V1 };

struct cwc_client_options {
    const char *url;     /* http://HOST:PORT, plaintext; a slash at its end does not matter */
    const char *api_key; /* NULL or "": no authorization is sent */
    enum cwc_version version;
    int64_t timeout_ms; /* of unary calls; 0: 300000 */
};

/* Asks nobody.  The environment's proxies are not used. */
struct cwc_client *cwc_client_new(const struct cwc_client_options *options, struct cwc_error *err);

/* Every call in flight, and every later one, on this client and all its handles ends with CWC_CANCELLED. */
void cwc_client_cancel(struct cwc_client *client);

/* Cancels, and waits for the threads of its processes. */
void cwc_client_free(struct cwc_client *client);

/* --------------------------------------------------------------- sandboxes */

enum cwc_state {
    CWC_UNSPECIFIED,
    CWC_CREATING,
    CWC_RUNNING,
    CWC_COMPLETED,
    CWC_STATE_FAILED,
    CWC_TERMINATING,
    CWC_STATE_TERMINATED,
    CWC_PENDING,
    CWC_PAUSED,
    CWC_PREPARING,
    CWC_STATES
};

const char *cwc_state_name(enum cwc_state state); /* "running" and so on */
int cwc_state_find(const char *name);             /* -1: there is none */

struct cwc_sandbox_options {
    const char *image;   /* NULL: python:3.11 */
    const char *command; /* program of the main process; NULL: a shell that waits to be stopped */
    const char *const *args;
    size_t arg_count; /* 0: those of the default command, whatever `command` is (as the SDK has it) */
    const char *const *tags;
    size_t tag_count;
    const char *const *env; /* name, value, name, value... */
    size_t env_count;       /* of pairs */
    int max_lifetime_s;
};

struct cwc_sandbox_info {
    char *id;
    enum cwc_state state;
    bool has_exit_code; /* v1, of a sandbox that is completed.  False is "not reported", which is not 0. */
    int exit_code;
};

struct cwc_query {
    const char *const *tags; /* all of them must fit */
    size_t tag_count;
    const char *status; /* NULL: any */
    bool include_stopped;
};

struct cwc_list {
    struct cwc_sandbox_info *items;
    size_t count;
};

/* Comes back when the create was answered; the sandbox may be starting still. */
struct cwc_sandbox *cwc_sandbox_create(struct cwc_client *client, const struct cwc_sandbox_options *options,
                                       struct cwc_error *err);

/* A handle of a sandbox that is there, running or over. */
struct cwc_sandbox *cwc_sandbox_from_id(struct cwc_client *client, const char *id, struct cwc_error *err);

/* Ask for its state; nobody is asked when the handle knows that it is over. */
int cwc_sandbox_refresh(struct cwc_sandbox *sandbox, struct cwc_error *err);

/* What the handle knows; asks nobody. */
void cwc_sandbox_get_info(struct cwc_sandbox *sandbox, struct cwc_sandbox_info *out_info);

/* Until it runs (or is completed); the limit is 300 s with CWC_FOREVER.  Asks at once, then after 0.2 s and ever more
   up to 2 s; all who wait for one sandbox share the questions.  UNAVAILABLE, DEADLINE_EXCEEDED and RESOURCE_EXHAUSTED
   are asked again for 30 s. */
int cwc_sandbox_wait(struct cwc_sandbox *sandbox, double timeout_s, struct cwc_error *err);

/* Until it is over; CWC_TERMINATED when this handle stopped it. */
int cwc_sandbox_wait_complete(struct cwc_sandbox *sandbox, double timeout_s, struct cwc_error *err);

/* Stop it and wait until it is over.  `grace_s` negative: 10.  `missing_ok`: one that is gone is fine.  Nothing is sent
   when the handle knows that it is over; stops at the same time join. */
int cwc_sandbox_stop(struct cwc_sandbox *sandbox, double grace_s, bool missing_ok, struct cwc_error *err);

/* By id, without waiting. */
int cwc_sandbox_delete(struct cwc_client *client, const char *id, bool missing_ok, struct cwc_error *err);

/* All pages of the list; `query` may be NULL. */
int cwc_sandbox_list(struct cwc_client *client, const struct cwc_query *query, struct cwc_list *out_list,
                     struct cwc_error *err);

void cwc_sandbox_free(struct cwc_sandbox *sandbox); /* does not stop it */
void cwc_sandbox_info_clear(struct cwc_sandbox_info *info);
void cwc_list_clear(struct cwc_list *list);

/* ------------------------------------------------------------------- files */

int cwc_file_write(struct cwc_sandbox *sandbox, const char *path, const void *data, size_t size,
                   struct cwc_error *err);
int cwc_file_read(struct cwc_sandbox *sandbox, const char *path, struct cwc_bytes *out_data, struct cwc_error *err);
void cwc_bytes_clear(struct cwc_bytes *bytes);

/* -------------------------------------------------------------------- logs */

struct cwc_log_options {
    bool follow;
    int tail_lines;
    bool timestamps;
};

/* What the main process writes.  `options` may be NULL. */
struct cwc_logs *cwc_logs_open(struct cwc_sandbox *sandbox, const struct cwc_log_options *options,
                               struct cwc_error *err);

/* The next line with its newline (the last may have none): 1, or 0 behind the last, or -1.  A follower on v1 goes on
   where it was when the stream breaks. */
int cwc_logs_next(struct cwc_logs *logs, struct cwc_bytes *out_line, struct cwc_error *err);
void cwc_logs_close(struct cwc_logs *logs);

/* --------------------------------------------------------------- processes */

struct cwc_command {
    const char *const *argv; /* no shell is put around it */
    size_t argc;             /* 0 is refused */
    const char *cwd;         /* absolute; a shell changes into it first */
    bool has_timeout;
    double timeout_s; /* of the command from the moment that the sandbox runs; v1beta2 gives 5 s more.  Default 300 */
    bool check;       /* an exit code that is not 0 is an error (CWC_CHECK) */
    bool has_stdin;
    bool is_tty; /* a terminal: has stdin, no time limit, output comes as stdout */
    unsigned width, height; /* of the terminal; 0: the server's */
};

enum cwc_stream { CWC_STDOUT, CWC_STDERR };

/* Comes back at once; whatever goes wrong later is told by wait and result. */
struct cwc_process *cwc_exec(struct cwc_sandbox *sandbox, const struct cwc_command *command, struct cwc_error *err);

/* The exit code where it is known: 1.  0: not ended, or without exit code (failed, cancelled). */
int cwc_process_poll(struct cwc_process *process, int *out_exit_code);

/* The caller's argv, also when cwd put a shell around it; borrowed from the process. */
const char *const *cwc_process_argv(const struct cwc_process *process, size_t *out_argc);

bool cwc_process_has_stdin(const struct cwc_process *process);
bool cwc_process_is_tty(const struct cwc_process *process);

/* Wait for the end.  An end that was no exit is told as its error, every time. */
int cwc_process_result(struct cwc_process *process, double timeout_s, struct cwc_result *out_result,
                       struct cwc_error *err);

/* Whether it was cancelled by this: false when it had ended.  Nothing more is waited for. */
bool cwc_process_cancel(struct cwc_process *process);

/* The next piece of output, one for each message of the stream: 1, or 0 behind the last (however it ended).  As text:
   each piece is made UTF-8 by itself.  What was given once does not come again. */
int cwc_process_read(struct cwc_process *process, enum cwc_stream stream, bool as_text, struct cwc_bytes *out_piece);

/* Comes back when it is queued: at most 16 writes wait for the process to get ready.  CWC_CLOSED: closed, or ended. */
int cwc_process_write(struct cwc_process *process, const void *data, size_t size, struct cwc_error *err);

/* Behind everything that was written.  Again: fine. */
int cwc_process_close_stdin(struct cwc_process *process, struct cwc_error *err);

int cwc_process_resize(struct cwc_process *process, unsigned width, unsigned height, struct cwc_error *err);

/* Until `num_returns` of them (0: all; more than there are: all) have ended, failed ones and cancelled ones, too, or
   the time is up, which is no error.  out_done[i] tells of process i; exactly num_returns are told where more ended. */
int cwc_wait(struct cwc_process *const *processes, size_t count, int64_t num_returns, double timeout_s,
             bool *out_done, struct cwc_error *err);

void cwc_process_free(struct cwc_process *process);
void cwc_result_clear(struct cwc_result *result);

#ifdef __cplusplus
}
#endif

#endif
