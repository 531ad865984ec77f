/*
 * The judge: one case, what the adapter said, what the ledger shows -> a verdict with its reasons.
 *
 * Pure: no processes, no network, no clock.  The rules, the first that fits:
 *
 *   1  skipped        a need is not declared, or the adapter answered "skipped"; where nothing was declared, also when
 *                     a step was skipped before anything went wrong
 *   2  harness-error  our server, our admin API or the case broke
 *   3  adapter-error  the adapter crashed, printed garbage, said "errored", or gave an answer that is no answer (but 4
 *                     comes first for the last of these)
 *   4  not-exercised  nothing at all came to the lane, whatever was claimed
 *   5  fail           the deadline passed, SHOULD or not; names the step it hung in
 *   6  fail           an expectation, a wire check or a named check of the journal is broken (SHOULD: non-strict)
 *   7  not-exercised  a witness is missing, a fault did not fire, an action of `meanwhile` timed out
 *   8  pass
 *
 * Thread: any; an input is only read.
 */
#ifndef STANDBOX_JUDGE_JUDGE_H
#define STANDBOX_JUDGE_JUDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "judge/verdict.h"

struct cJSON;
struct case_def;
struct evidence;

/* How the adapter's work on this case came to its end. */
enum judge_end {
    JUDGE_ANSWERED, /* `line` is a result, skipped or errored line */
    JUDGE_EXITED,   /* it ended by itself before it answered, with exit code `code` */
    JUDGE_KILLED,   /* it died of signal number `code`, which we did not send */
    JUDGE_GARBAGE,  /* it printed `garbage`, which is no line of the protocol */
    JUDGE_DEADLINE, /* it did not answer in time, and we killed it */
    JUDGE_NOT_RUN,  /* it was never asked (a need is missing; our side broke first) */
    JUDGE_ENDS
};

struct adapter_report {
    enum judge_end end;
    int code;                 /* exit code or signal number */
    const struct cJSON *line; /* JUDGE_ANSWERED: the line, parsed (by json_parse) */
    const char *garbage;      /* JUDGE_GARBAGE: the line as it came */
    size_t garbage_len;
    const char *garbage_why; /* what is wrong with it ("1:1: a JSON value should be here"), or NULL */
    const char *at_step;     /* of the last "at" line, or NULL */
    const char *stderr_tail; /* the end of its log, or NULL */
    size_t stderr_len;
};

/* What became of `before` and `meanwhile`. */
enum action_end {
    ACTIONS_DONE,
    ACTIONS_TIMED_OUT, /* an await did not see what it waits for (408) */
    ACTIONS_BROKEN,    /* the admin API refused it or could not be reached */
    ACTIONS_LEFT       /* the adapter was done before it: this and those behind it were not done */
};

struct action_report {
    enum action_end end;
    bool in_before;  /* else in `meanwhile` */
    size_t index;    /* of the one it is about */
    const char *why; /* in words, or NULL */
};

struct judge_input {
    const struct case_def *def;
    const char *client;       /* key of the client, for the record */
    const char *rerun;        /* shell command that reruns this case alone, or NULL: one without the client's command */
    const char *missing_need; /* capability that the client does not declare, or NULL */
    bool is_undeclared;             /* it has declared nothing at all: a step that it skips is a need that it lacks */
    const char *harness_error; /* what broke on our side, or NULL */
    struct adapter_report adapter;
    struct action_report actions;
    bool is_foreign_server;          /* not ours: no evidence, faults, journal; only expectations count */
    const struct evidence *evidence; /* NULL is a harness-error unless the server is foreign or it was never run */
    const struct cJSON *faults;      /* answer of GET /__admin/faults?lane=, or NULL when the case has no scenario */
    const struct cJSON *journal;     /* answer of GET /__admin/verdict?lane= */
    int64_t duration_ms;
    int64_t deadline_ms; /* as it was scaled */
};

struct judgement {
    enum verdict verdict;
    struct cJSON *record; /* one of `results` in the result document; `listed`, `listed_reason` and `stale`
                                       are there (null, null, false) for the runner to replace */
};

/* Fills *out (judgement_fini frees it).  Fails only with ERR_NOMEM. */
int judge_case(const struct judge_input *input, struct judgement *out, struct err *err);
void judgement_fini(struct judgement *judgement);

/* Is something that the case wants to see not in the evidence (yet)?  A fact may come a moment after the answer: the
   runner asks again for a little while before it judges.  `line` is the adapter's answer, may be NULL. */
bool judge_witness_missing(const struct case_def *def, const struct evidence *evidence, const struct cJSON *line);

/* Is `line` an answer that fits the case: a result with one well-formed outcome for every step (background steps may
   go without), skipped, or errored?  ERR_INVALID with what is wrong else.  The judge asks this itself. */
int judge_check_answer(const struct case_def *def, const struct cJSON *line, struct err *err);

/* "exit 3", "signal 11 (SIGSEGV)", "answered" ...: how an adapter ended, in words; `out` has room for 64. */
void judge_end_text(const struct adapter_report *adapter, char out[64]);

#endif
