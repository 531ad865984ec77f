/*
 * The kill matrix: which case notices which mutant.
 *
 * A mutant is a client with exactly one known bug: clients[] with "mutant": true and a key "mutant:NAME", optionally
 * "imitates" (what it does, in words) and "bug" (the real ones it is like, as in cases).  A client with
 * "reference": true has no known bug; when none is marked, all that are no mutants count as such.
 *
 * A case *kills* a mutant when the mutant's verdict is fail and every reference that ran the case passed it.  A SHOULD
 * case can only say non-strict: that *notices* the mutant.  Who breaks nothing but a SHOULD is noticed and never killed,
 * so a mutant survives only when no case does either.
 *
 * Thread: any; a tree belongs to one thread.
 */
#ifndef STANDBOX_REPORT_KILLS_H
#define STANDBOX_REPORT_KILLS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

struct cJSON;

enum kill_mark {
    KILL_NOT_RUN, /* no result */
    KILL_NONE,    /* pass: not noticed */
    KILL_KILLED,  /* fail */
    KILL_NOTICED, /* non-strict where the reference is strict: noticed, not killed */
    KILL_VOID,    /* fail or non-strict, but the reference does not pass either: proves nothing */
    KILL_OTHER,   /* not-exercised, skipped, adapter-error, harness-error */
    KILL_MARKS
};

enum kill_finding_kind {
    KILL_SURVIVOR,     /* a mutant that no case kills */
    KILL_IDLE_CASE,    /* a case that neither kills nor notices any, and has no "kills_none" */
    KILL_STALE_REASON, /* a case with "kills_none" that kills one all the same */
    KILL_NO_REFERENCE, /* a case that a reference does not pass, or that none has run: its kills count for nothing */
    KILL_FINDINGS
};

struct kill_finding {
    enum kill_finding_kind kind;
    const char *subject; /* key of the mutant or id of the case; lives as long as the document */
    char text[256];      /* one sentence without the subject */
};

struct kills; /* keeps pointers into the document */

/* Returns the matrix (free with kills_free) or NULL: ERR_NOMEM.  A document without mutants gives an empty one.
   `results` is a checked document and must outlive it. */
struct kills *kills_new(const struct cJSON *results, struct err *err);
void kills_free(struct kills *kills); /* NULL is fine */

size_t kills_mutant_count(const struct kills *kills);
size_t kills_case_count(const struct kills *kills);
const struct cJSON *kills_mutant(const struct kills *kills, size_t mutant); /* its clients[] entry */
const struct cJSON *kills_case(const struct kills *kills, size_t row);      /* its cases[] entry */
enum kill_mark kills_mark(const struct kills *kills, size_t mutant, size_t row);
const char *kill_mark_name(enum kill_mark mark);                  /* "killed", "noticed" ... */
size_t kills_of_mutant(const struct kills *kills, size_t mutant); /* how many cases kill it */
size_t kills_of_case(const struct kills *kills, size_t row);      /* how many mutants it kills */

/* None: the suite bites. */
size_t kills_finding_count(const struct kills *kills);
const struct kill_finding *kills_finding(const struct kills *kills, size_t index);
/* The first about this mutant or case, or NULL. */
const struct kill_finding *kills_finding_of(const struct kills *kills, const char *subject);
const char *kill_finding_name(enum kill_finding_kind kind); /* "surviving-mutant" ... */

/* For people: findings, then mutants with their killers, then cases.  Appended. */
void kills_markdown(const struct kills *kills, struct buf *out);

#endif
