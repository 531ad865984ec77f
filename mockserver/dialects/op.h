/*
 * What a request means, in neutral words: the point where scenarios come in.
 *
 * A dialect calls op_begin once in every handler, when it knows what is asked and before it has done
 * anything, and does what the answer says.  While it projects a process it tells op_note_fact and sends events by
 * op_event, so that faults keyed to the life of the process strike at the right place.
 *
 * Thread: the exchange's own.
 */
#ifndef STANDBOX_DIALECTS_OP_H
#define STANDBOX_DIALECTS_OP_H

#include "dialects/dialect.h"
#include "engine/engine.h"
#include "scenario/fault.h"
#include "scenario/vocab.h"

struct op {
    enum scenario_op op;
    enum scenario_dialect dialect;
    struct sandbox *sandbox;      /* NULL: none yet */
    struct proc *proc;            /* NULL: none yet; else its command, cwd and facts are used */
    const char *command, *cwd;    /* of a start */
    char *const *env;             /* "NAME=value", NULL-terminated; NULL: none */
    /* Make the token that the request came with an expired one (fault "expire_token"); NULL: cannot be. */
    void (*expire_token)(void *arg);
    void *arg;
};

enum op_go {
    OP_GO_ON,        /* do it */
    OP_PRETEND,      /* answer as if it had been done, and do nothing */
    OP_REFUSE,       /* answer with op_reply(x), in the vendor's shape, and do nothing */
    OP_EXPIRED,      /* answer as to an expired token, and do nothing */
    OP_OVER          /* the exchange is over already: return */
};

/* Tell the journal that the request is one of this dialect's, whatever becomes of it; NULL: it is not, after all. */
void op_note_dialect(struct exchange *x, const char *dialect);
/* The same where the path alone says what is meant: `op` is an enum scenario_op, or -1 for what scenarios have no word for. */
void op_note_path(struct exchange *x, const char *dialect, int op);

/* Tell the journal what a request means that the dialect refuses before it could begin (a bad token): no rule is asked. */
void op_note(struct exchange *x, const struct op *op);

enum op_go op_begin(struct exchange *x, const struct op *op);

/* Tell the journal what fault is armed, and whether it has struck. */
void op_note_fault(struct exchange *x);

/* To be called once when the handler has returned, by whoever called it: accounts for the fault that was armed. */
void op_end(struct exchange *x);

/* Start the process that `op` asks for, as the lane's scenarios say (lanes/start.h), and note it as the request's. */
int op_start(struct exchange *x, const struct op *op, const struct proc_spec *spec, const char *shell,
             struct proc **out_proc, struct proc_reader **out_reader, struct err *err);

/* Tell the journal what the request has made or found: op->sandbox, op->proc. */
void op_note_subject(struct exchange *x, const struct op *op);

/* ---- refusals ------------------------------------------------------------------------- */

/* The answer that OP_REFUSE asks for. */
const struct reply *op_reply(const struct exchange *x);
/* For the HTTP dialects: adds its Retry-After and other headers to x; one that has a body of its own is answered here
   whole: then true. */
bool op_reply_http(struct exchange *x);

/* ---- facts and events ----------------------------------------------------------------- */

/* Is a fault armed?  Then a stream must not gather: every event by itself. */
static inline bool op_is_watched(const struct exchange *x)
{
    return x->strike != NULL;
}

/* A fact of the process is now known to the answer: a fault keyed to it strikes here, so what was gathered must have
   been written.  -1: the answer is over. */
int op_note_fact(struct exchange *x, const struct fact *fact);

/* The same for all that the process's log has by now: before an answer that shows the process as it is. */
int op_note_proc(struct exchange *x, struct proc *proc);

/* proc_wait_state for an answer that comes when the process is so far: faults keyed to a fact strike when it is in
   the log, while this waits.  ERR_CLOSED: the exchange is over. */
int op_wait_state(struct exchange *x, struct proc *proc, enum proc_state state, int64_t deadline_ms,
                  struct err *err);

enum event_kind { EVENT_FIRST, EVENT_OUTPUT, EVENT_TERMINAL, EVENT_COMMENT };

/* One whole event, on the wire when it returns (or held back, dropped, doubled, as the armed fault says).  A comment
   is no event and does not count.  -1: the answer is over. */
int op_event(struct exchange *x, enum event_kind kind, const void *data, size_t len);

/* Must the stream end now with a made-up terminal event that says *out_exit?  Ask after each fact and event; when
   true, send it by op_event(EVENT_TERMINAL) and end the stream. */
bool op_fabricates(struct exchange *x, int *out_exit);
/* ... with the vendor's own error within the stream: a code and a text ("": none), borrowed until op_end. */
bool op_breaks_off(struct exchange *x, const char **out_code, const char **out_message);
/* Must an event that has nothing to do with the process come now?  Ask before the first event, after each, and before
   the stream ends; *out_bytes: how much output it holds. */
bool op_inserts(struct exchange *x, enum odd_event *out_what, size_t *out_bytes);
/* The same, asked before the last event, of what comes behind that: both can go together, so a client that leaves at the
   last one is not gone before the other. */
bool op_inserts_behind_next(struct exchange *x, enum odd_event *out_what, size_t *out_bytes);

/* ---- answers --------------------------------------------------------------------------- */

/* Must a good answer say that what was asked has failed, and nothing be done?  Ask once, before it is done, where the vendor
   has a word for that; *out_message ("": none) is borrowed until op_end. */
bool op_admits(struct exchange *x, const char **out_message);

/* ---- states --------------------------------------------------------------------------- */

/* Is the sandbox to be shown in this state, whatever is true?  Ask once, when the answer is written; then the fault has
   fired. */
bool op_shows_state(struct exchange *x, enum shown_state *out_state, bool *out_without_exit_code);

#endif
