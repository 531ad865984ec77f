/* Between the files of the judge. */
#ifndef STANDBOX_JUDGE_JUDGE_PRIV_H
#define STANDBOX_JUDGE_JUDGE_PRIV_H

#include "base/buf.h"
#include "judge/judge.h"
#include "judge/pattern.h"

struct evidence;

/* ---- what was found ------------------------------------------------------------------------ */

struct findings {
    const struct judge_input *in;
    const struct cJSON *outcomes; /* of a good answer, else NULL */
    struct err answer_err;        /* why the answer is none; ERR_NONE: it is one, or there is none */

    struct cJSON *steps, *wire, *witness, *journal, *faults, *notes; /* arrays of the record */
    bool failed;                                                     /* no memory */

    /* In words, "" when nothing of the kind was found: the first of each, for the summary. */
    struct buf broken; /* a broken expectation, wire check or check of the journal */
    size_t broken_count;
    struct buf missing; /* what keeps the case from being exercised */
    struct buf harness; /* what broke on our side */
    struct buf hashed;  /* all that is broken, without what varies from run to run */

    enum verdict verdict;
    struct buf summary;
    const char *skip_reason, *issue_url; /* borrowed, or NULL */
    struct buf skip_text;
};

/* Look at everything there is: steps, checks, journal, faults. */
void findings_collect(struct findings *f);
void findings_fini(struct findings *f);

/* ---- the record ---------------------------------------------------------------------------- */

#define RECORD_TEXT 4096 /* bytes of a text, and of stderr */

/* Takes `item`; NULL counts as no memory. */
void record_put(struct findings *f, struct cJSON *object, const char *name, struct cJSON *item);
void record_put_text(struct findings *f, struct cJSON *object, const char *name, const char *text); /* NULL: null */
void record_append(struct findings *f, struct cJSON *array, struct cJSON *item);
struct cJSON *record_new(struct findings *f);   /* an object */
struct cJSON *record_build(struct findings *f); /* all of it; takes the arrays */

/* ---- hashes -------------------------------------------------------------------------------- */

/* Append `text` without what varies: ids, ports, times, lengths. */
void hash_put_stable(struct buf *out, const char *text);
/* "1a2b3c4d" */
void hash_text_hex(const struct buf *text, char out[9]);

const char *judge_text(const struct cJSON *object, const char *name); /* a text member, or NULL */

#endif
