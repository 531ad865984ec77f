/*
 * What must not be kept: values that stand beside a name which promises a secret.
 *
 * A scanner, no parser: it takes bodies that are cut, garbled or no JSON at all, piece by piece, and
 * never holds back more than a few bytes of state.  In doubt it hides too much.  It works on the way
 * in, so that a secret can never be seen in memory or be left half by a cut.
 *
 * Thread: belongs to one thread.
 */
#ifndef STANDBOX_LANES_LEDGER_REDACT_H
#define STANDBOX_LANES_LEDGER_REDACT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/secret.h"

/* A header's value as it may be shown: empty ones stay, and "Bearer x" keeps its first word. */
void redact_header(struct buf *out, const char *name, const char *value);

/* The text behind "?". */
void redact_query(struct buf *out, const char *query);

/* ---- JSON ------------------------------------------------------------------------------- */

enum redact_state {
    REDACT_SCAN,        /* looking for a secret name */
    REDACT_NAME,        /* in a name within the object that a secret name has opened */
    REDACT_FIRST,       /* behind the opening quote of a secret */
    REDACT_SECRET,      /* further on in it */
    REDACT_NUMBER       /* in a secret number */
};

/* All zero at the start. */
struct redact_json {
    enum redact_state state;
    size_t run;                /* backslashes just before this byte */
    size_t level;              /* backslashes before the last quote: JSON within a JSON string has some */
    bool after_name;           /* behind the closing quote of what may be a name; a colon proves it */
    bool wants_secret;         /* behind that colon */
    bool is_odd;               /* the text since the last quote is too long or has escapes: cannot be judged */
    size_t name_len;           /* the text since the last quote */
    char name[SECRET_NAME_BYTES];
    bool was_odd;              /* the same of the text before that quote: judged when a colon follows */
    size_t last_len;
    char last[SECRET_NAME_BYTES];
    unsigned depth;            /* containers that are open since a secret name; 0: none */
    uint64_t objects;          /* bit d: the one at depth d + 1 is an object, no list */
    bool expects_name;         /* the next string in it is a name */
};

/* Scan a piece; what may be shown is appended to `out` until that holds `limit` bytes.  False: something had to be
   left out. */
bool redact_json(struct redact_json *r, const void *data, size_t len, struct buf *out, size_t limit);

#endif
