/*
 * An adapter: a program that drives a client, spoken to in the protocol of sdk-shim/PROTOCOL.md.
 *
 * A level 2 adapter is one process that stays; a level 1 adapter is a new process for each run.  Both run under a
 * warden (child.h), so that nothing of them survives.  Everything that an adapter can do wrong is a value here:
 * `struct adapter_reply` says how a run ended, in an enum for the caller and in words for people.
 *
 * Whoever owns an adapter decides when to start another in its place: after any end but ADAPTER_ANSWERED (look at
 * `usable`) a level 2 adapter has been killed, and only adapter_close is left to call.
 *
 * Thread: a struct adapter belongs to one thread (adapter_cancel: any); many may be opened at once.
 */
#ifndef STANDBOX_LINK_ADAPTER_H
#define STANDBOX_LINK_ADAPTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct cJSON;
struct adapter;

#define ADAPTER_LINE_BYTES   (64u << 20) /* the longest line */
#define ADAPTER_STDERR_BYTES 4096        /* of stderr the last so many are kept */
#define ADAPTER_SHOWN_BYTES  400         /* of a bad line the first so many are shown */
#define ADAPTER_CONTEXT_BYTES 100000     /* a longer run line is not put into STANDBOX_CONTEXT */

enum adapter_end {
    ADAPTER_ANSWERED,      /* a line of the right form came: `answer`, `json` */
    ADAPTER_EXITED,        /* it ended by itself without an answer: `code` */
    ADAPTER_SIGNALLED,     /* it died of a signal: `code` */
    ADAPTER_GARBAGE,       /* a line that the protocol does not have here: `line`, `text` says what is wrong with it */
    ADAPTER_DEADLINE,      /* nothing in time; `at` is the step it had begun, if it said */
    ADAPTER_CLOSED_STDIN,  /* it closed its stdin while the run was being written, and lives */
    ADAPTER_CLOSED_STDOUT, /* it closed its stdout without an answer, and lives */
    ADAPTER_CANCELLED,     /* adapter_cancel was called */
    ADAPTER_BROKEN,        /* our side: it could not be started, no memory, used after its end: `text` */
    ADAPTER_ENDS
};

enum adapter_answer { ADAPTER_NO_ANSWER, ADAPTER_RESULT, ADAPTER_SKIPPED, ADAPTER_ERRORED, ADAPTER_ANSWERS };

struct adapter_reply {
    enum adapter_end end;
    enum adapter_answer answer;
    int code;              /* the exit code or the signal's number */
    bool before_run;       /* what broke it came before the run was sent, so is the last run's fault: ask another one */
    bool usable;           /* the adapter can take another run */
    bool no_context;       /* level 1: the run line was too long for STANDBOX_CONTEXT, which was left out */
    struct cJSON *json;    /* the answer (a tree of base/json.h: read strings by json_string_bytes), or
                              NULL; also one that was followed by what broke it: look at `end` */
    char *at;              /* step of the last `at` line of this run, or NULL */
    char *line;            /* the line in question (the answer, the bad one, the unfinished last one), printable, cut;
                              or NULL */
    char *text;            /* in words, one line; "" after a plain answer; never NULL after a call */
    char *log;             /* the last ADAPTER_STDERR_BYTES of stderr, valid UTF-8; "" when it said nothing */
    int survivors;         /* after adapter_close, at level 1 after each run: how many processes could not be killed
                              (another user's); 0 but for sudo and its like */
    char ended[48];        /* "answered", "exit 3", "signal 11 (SIGSEGV)", "garbage", "deadline", "closed stdout"... */
    int64_t took_ms;       /* from the call to its end */
};

struct adapter_options {
    const char *const *argv;   /* the command, NULL-ended */
    const char *const *env;    /* additions "NAME=VALUE", NULL-ended; NULL: none */
    int level;                 /* 1 or 2 */
    const char *warden;        /* path of standbox-warden */
    const char *cwd;           /* NULL: ours */
    int64_t hello_ms;          /* time for start and hello together */
    bool no_hello;             /* level 1: do not ask for it (the caller knows it from another one) */
};

/* Start it and have it say hello.  All of `options` is borrowed for the call.  -1: ERR_NOT_FOUND (no such command),
   ERR_INVALID (it broke the protocol, ended, closed), ERR_TIMEOUT, ERR_IO; `*why` (NULL: not wanted) then says how,
   as for a run.  `*why` is filled in either case: free it with adapter_reply_fini. */
int adapter_open(struct adapter **out_adapter, const struct adapter_options *options, struct adapter_reply *why,
                 struct err *err);

/* Its hello line, or NULL (a level 1 adapter that said nothing, or was not asked).  Borrowed from the adapter. */
const struct cJSON *adapter_hello(const struct adapter *adapter);

/* Send one run line and wait for its answer, `budget_ms` at most.  `run` is {"type":"run","seq":N,"case":…,"vendor":…,
   "client":{"url":…,"api_key":…},"steps":[…]}; borrowed.  `seq` must be new for a level 2 adapter.  Fills `*reply`,
   which the caller frees with adapter_reply_fini.  Level 1: the case also goes into the environment; when the line is
   longer than ADAPTER_CONTEXT_BYTES there is no STANDBOX_CONTEXT, and stdin alone has it. */
void adapter_run(struct adapter *adapter, const struct cJSON *run, int64_t budget_ms, struct adapter_reply *reply);

/* The next run line is the last: stdin is closed behind it (level 2; a level 1 adapter's always is). */
void adapter_end_input(struct adapter *adapter);

/* Send the adapter's process (level 2) a signal. */
void adapter_signal(struct adapter *adapter, int signal);

/* Wait `budget_ms` for its end without closing its stdin (level 2).  `*reply` as adapter_close's. */
void adapter_await_end(struct adapter *adapter, int64_t budget_ms, struct adapter_reply *reply);

/* Make a run (the present or the next) end with ADAPTER_CANCELLED, for good.  Any thread. */
void adapter_cancel(struct adapter *adapter);

/* Close its stdin, give it `grace_ms` to end, kill what is left, free it.  NULL is fine.  `*reply` (NULL: not wanted)
   says how it ended: ADAPTER_EXITED with its code, ADAPTER_SIGNALLED, ADAPTER_GARBAGE (a line came that nobody
   asked for), ADAPTER_DEADLINE (it had to be killed). */
void adapter_close(struct adapter *adapter, int64_t grace_ms, struct adapter_reply *reply);

void adapter_reply_fini(struct adapter_reply *reply);   /* a zeroed one is fine */

const char *adapter_answer_name(enum adapter_answer answer);   /* "result", "skipped", "errored", "none" */

#endif
