/*
 * What a lane's journal alone says about the client ("level 0"): nobody told what the client was meant
 * to do, so only what is wrong with any client counts as wrong.
 *
 * One check a line of the table in verdict.c; each looks at the same notes, taken in one pass over the
 * ledger, and names the entries that it goes by.  A ledger that had to drop entries is judged by what
 * is left, and says so.
 *
 * Thread: any; a report belongs to one thread.
 */
#ifndef STANDBOX_LANES_VERDICT_H
#define STANDBOX_LANES_VERDICT_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "lanes/ledger.h"
#include "scenario/match.h"

/* From good to bad, but for the first: nothing was there to judge by. */
enum verdict_word { VERDICT_NOT_EXERCISED, VERDICT_PASS, VERDICT_WARN, VERDICT_FAIL, VERDICT_WORDS };

const char *verdict_name(enum verdict_word word);       /* "not-exercised" ... */
/* The worse of two; anything exercised is more than nothing. */
enum verdict_word verdict_worse(enum verdict_word a, enum verdict_word b);

enum verdict_id {
    VERDICT_DUPLICATE_STARTS,     /* a start sent again though the first may have happened */
    VERDICT_UNCLOSED_STREAMS,     /* streams left while the process lived, or still open */
    VERDICT_AUTH,                 /* a 401 that the client did not get over, or not in one go */
    VERDICT_RETRIES,              /* the same again after an answer that will not change */
    VERDICT_UNKNOWN_ROUTES,       /* requests that no API here has */
    VERDICT_CLIENT_ERRORS,        /* requests that were refused as malformed */
    VERDICT_FAULTS,               /* planned faults that did not fire */
    VERDICT_PROCESSES,            /* planned process rules that no start matched */
    VERDICT_JOURNAL,              /* is it whole? */
    VERDICT_CHECKS
};

const char *verdict_check_name(enum verdict_id id);     /* "duplicate-starts" ... */

#define VERDICT_EVIDENCE 100
/* How long after an answer the same request counts as a retry of it, by the machine's time: the lane's
   clock may run faster or stand still, and clients do not know. */
#define VERDICT_WINDOW_MS 60000

struct verdict_check {
    enum verdict_word word;
    struct buf what;                        /* one line */
    uint64_t evidence[VERDICT_EVIDENCE];    /* numbers of entries, ascending */
    size_t evidence_count;                  /* as many as are kept */
    uint64_t found;                         /* as many as there were */
};

struct verdict_report {
    enum verdict_word word;                 /* the worst check; not exercised when there was no request */
    uint64_t requests;
    struct verdict_check checks[VERDICT_CHECKS];
};

/* Judge `ledger` and the lane's scenarios.  *out_report is written only on success (it is large: not for small
   stacks); verdict_fini frees what is in it. */
int verdict_judge(struct ledger *ledger, struct match *const *matches, size_t match_count,
                  struct verdict_report *out_report, struct err *err);
void verdict_fini(struct verdict_report *report);

#endif
