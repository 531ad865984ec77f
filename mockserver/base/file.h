/*
 * A whole file, or what is left of a stream, as bytes.
 *
 * Thread: none of these keeps anything between calls.
 */
#ifndef STANDBOX_BASE_FILE_H
#define STANDBOX_BASE_FILE_H

#include <stddef.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/err.h"

/*
 * Add what the file `path` holds to `out`.  `max_bytes`: what `out` may hold at the end.
 * 0; or -1 with ERR_NOT_FOUND, ERR_IO, ERR_NOMEM, or ERR_LIMIT (it is bigger), which all name the path; `out` then has
 * a part, or nothing.
 */
int file_read(struct buf *out, const char *path, size_t max_bytes, struct err *err);

/* The same to the end of a stream that is open, and stays so.  `name` is what errors call it. */
int file_read_stream(struct buf *out, FILE *stream, const char *name, size_t max_bytes, struct err *err);

#endif
