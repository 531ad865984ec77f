/*
 * The adapter protocol in code: what each line that an adapter says must look like (sdk-shim/PROTOCOL.md).
 *
 * Two depths.  The *outer form* (type, seq, an outcome's step and that it is one of value, error, skipped) is what
 * the suite cannot do without: it is held always.  The *whole form* adds every member of every word (Sandbox,
 * Process, Result, Event, errors, hello), and is what fixtures/schema/adapter.schema.json says; a test compares both.
 * Members that the protocol does not name are ignored, null counts as absent.
 *
 * A complaint names the place as a JSON pointer: "/outcomes/0/value/exit_code: must be an integer, not a string".
 *
 * Thread: any; everything is constant.
 */
#ifndef STANDBOX_LINK_PROTOCOL_H
#define STANDBOX_LINK_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct cJSON;

enum protocol_type {
    PROTOCOL_HELLO,
    PROTOCOL_AT,
    PROTOCOL_RESULT,
    PROTOCOL_SKIPPED,
    PROTOCOL_ERRORED,
    PROTOCOL_TYPES
};

/* "hello", "at"... */
const char *protocol_type_name(enum protocol_type type);

/* Parse one line (without its newline) and hold it to the outer form.  Returns the tree (free with json_free) and its
   type, or NULL: ERR_INVALID, ERR_LIMIT, ERR_NOMEM. */
struct cJSON *protocol_read(const char *line, size_t len, enum protocol_type *out_type, struct err *err);

/* The seq of a line that has one (all but hello). */
int64_t protocol_seq(const struct cJSON *line);

/* Hold a line that protocol_read has taken to the whole form.  `run` (NULL: unknown) is the run that it answers: the
   values are then held to the words of the run's operations, and every step must have one outcome (a step with
   "background" may do without).  0 or -1 with ERR_INVALID. */
int protocol_check(const struct cJSON *line, enum protocol_type type, const struct cJSON *run, struct err *err);

/* ---- the tables, for the test that holds the schema to them ----------------------------- */

/* Types that a member may have, as a set. */
enum {
    KIND_STRING = 1,
    KIND_INTEGER = 2,
    KIND_NUMBER = 4,
    KIND_BOOLEAN = 8,
    KIND_OBJECT = 16,
    KIND_ARRAY = 32,
    KIND_OUTPUT = 64,   /* a string, or {"base64": "…"} */
    KIND_ANY = 128
};

struct word;

struct member {
    const char *name;
    unsigned kinds;
    bool required;
    const struct word *word;    /* KIND_OBJECT: what it is; KIND_ARRAY: what each of its objects is; NULL: anything */
    unsigned each;              /* KIND_ARRAY: what its elements may be, 0: objects of `word` */
    const char *const *names;   /* KIND_STRING: the words it may be, NULL-ended; NULL: any text */
    int64_t min, max;           /* KIND_INTEGER: the range, when max is not 0 */
};

struct word {
    const char *name;           /* in the schema: $defs/NAME */
    const struct member *members;
    size_t count;
};

extern const struct word *const protocol_words[];     /* all words, those of the lines too */
extern const size_t protocol_word_count;
extern const struct word *const protocol_lines[PROTOCOL_TYPES];

struct protocol_op {
    const char *name;
    const struct word *value;   /* NULL: what another step gives (join) */
    bool may_break;             /* value and error together: what came, and how it broke */
};
extern const struct protocol_op protocol_ops[];
extern const size_t protocol_op_count;
const struct protocol_op *protocol_op_find(const char *name);   /* NULL: no such operation */

/* Capabilities behind a dot ("exec.cwd") and facts about the client; NULL-ended. */
extern const char *const protocol_fine_capabilities[];

#endif
