/*
 * A JSON file with comments (// and slash-star), kept with its text, so that a complaint can name the place.
 *
 * Comments are blanked byte by byte, so every offset stays; what is left must be strict JSON (base/json.h) and may
 * name no key twice in one object.  A value is known by its path: the number of each child on the way to it.
 *
 * Thread: a document belongs to one thread.
 */
#ifndef STANDBOX_JUDGE_DOC_H
#define STANDBOX_JUDGE_DOC_H

#include <stdarg.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"

#define DOC_MAX_BYTES ((size_t) 10 * 1024 * 1024)

struct cJSON;

struct doc {
    const char *file; /* borrowed */
    struct buf text;  /* comments blanked */
    struct cJSON *root;
};

struct doc_path {
    size_t index[JSON_MAX_DEPTH + 1];
    size_t depth;
};

/* Parse `text` (copied).  ERR_INVALID, ERR_LIMIT or ERR_NOMEM, "FILE:LINE:COLUMN: ..."; nothing is to be closed
   then. */
int doc_open(struct doc *doc, const char *file, const char *text, size_t len, struct err *err);
void doc_close(struct doc *doc);

/* The path from `root` to `node` below it (of this or any other tree).  Returns 0, or -1 when it is not there. */
int doc_find_path(const struct cJSON *root, const struct cJSON *node, struct doc_path *out);
/* The line on which the value at `path` begins. */
size_t doc_line(const struct doc *doc, const struct doc_path *path);

enum doc_part { DOC_VALUE, DOC_KEY /* the name in front of it, where it has one */ };

/* Fill `err` with "FILE:LINE:COLUMN: /pointer: " and the words; returns -1.  A path that leads out of the document is
   followed as far as it goes. */
int doc_complain(const struct doc *doc, const struct doc_path *path, enum doc_part part, struct err *err,
                 const char *fmt, va_list words) __attribute__((format(printf, 5, 0)));

#endif
