/*
 * A case file as a document (base/jsonc.h), in which a value is known by its path: the number of each child on the way
 * to it.  So a copy of a part, with the values of axes put in, still knows its place in the file.
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
#include "base/jsonc.h"

struct cJSON;

struct doc {
    const char *file; /* borrowed */
    struct buf text;  /* a copy */
    struct jsonc json;
    struct cJSON *root; /* of `json` */
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

/* Fill `err` with "FILE:LINE:COLUMN: /pointer: " and the words; returns -1.  A path that leads out of the document is
   followed as far as it goes. */
int doc_complain(const struct doc *doc, const struct doc_path *path, enum jsonc_part part, struct err *err,
                 const char *fmt, va_list words) __attribute__((format(printf, 5, 0)));

#endif
