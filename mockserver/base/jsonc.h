/*
 * JSON with comments, and where in the file a value stands.
 *
 * Comments (// to the end of the line, and slash-star) are blanked byte by byte, so that every
 * offset stays; what is left must be strict JSON (base/json.h), must name no key twice in one
 * object, and may hold no text over a megabyte.  Every complaint is one line:
 *
 *     FILE:LINE:COLUMN: /json/pointer: what is wrong
 *
 * (a text that is no JSON has no pointers, and the complaint leaves it out).  Columns count
 * characters from 1.  Finding a place costs a walk over tree and text: for complaints only.
 * Thread: a document belongs to one thread.
 */
#ifndef STANDBOX_BASE_JSONC_H
#define STANDBOX_BASE_JSONC_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

struct cJSON;

#define JSONC_MAX_BYTES  ((size_t) 10 * 1024 * 1024)
#define JSONC_MAX_STRING ((size_t) 1024 * 1024)

struct jsonc {
    const char *file_name; /* borrowed, as the text: both outlive the document */
    const char *text;
    size_t len;
    struct buf blanked; /* the text without its comments */
    struct cJSON *root;
};

struct jsonc_place {
    size_t line, column;
};

enum jsonc_part { JSONC_VALUE, JSONC_KEY /* the name in front of the value */ };

/* ERR_INVALID, ERR_LIMIT or ERR_NOMEM; on failure nothing is to be closed. */
int jsonc_open(struct jsonc *doc, const char *file_name, const char *text, size_t len, struct err *err);
void jsonc_close(struct jsonc *doc);

/* Where `node`, a value of this document, stands.  False when it is none of its values. */
bool jsonc_locate(const struct jsonc *doc, const struct cJSON *node, enum jsonc_part part,
                  struct jsonc_place *out_place);
/* Lines of all children of `parent` in one go, into `lines` (as many as it has children). */
void jsonc_child_lines(const struct jsonc *doc, const struct cJSON *parent, size_t *lines);
/* The node at JSON pointer `pointer`, seen from `base`, or NULL. */
const struct cJSON *jsonc_resolve(const struct cJSON *base, const char *pointer, size_t len);
/* The pointer of `node`, made printable and shortened when very long; "/" for the whole document. */
void jsonc_pointer(const struct jsonc *doc, const struct cJSON *node, struct buf *out);

/* Fill `err` with a complaint about `node`; returns -1. */
int jsonc_complain(const struct jsonc *doc, const struct cJSON *node, enum jsonc_part part, struct err *err,
                   const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* At most `max` bytes of some text in quotes, printable, for messages. */
void jsonc_quote(struct buf *out, const char *text, size_t len, size_t max);

#endif
