/*
 * The words for what came of a case.  One table; reports, lists and exit codes speak them.
 * Thread: any.
 */
#ifndef STANDBOX_JUDGE_VERDICT_H
#define STANDBOX_JUDGE_VERDICT_H

#include <stdbool.h>

enum verdict {
    VERDICT_PASS,
    VERDICT_FAIL,
    VERDICT_NON_STRICT,    /* only a SHOULD was broken */
    VERDICT_NOT_EXERCISED, /* what the case is about did not happen */
    VERDICT_SKIPPED,       /* the client cannot do it, and says so */
    VERDICT_ADAPTER_ERROR, /* the adapter broke, not the client */
    VERDICT_HARNESS_ERROR, /* we broke: the server, the admin API, or the case */
    VERDICTS
};

const char *verdict_name(enum verdict verdict); /* "not-exercised" ... */
/* False for a word that is none, and *out untouched. */
bool verdict_from_name(const char *name, enum verdict *out);

#endif
