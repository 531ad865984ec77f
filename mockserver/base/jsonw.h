/*
 * Write JSON, pure ASCII, straight into a buffer.
 *
 * Why not cJSON's printer: answers must escape every non-ASCII character (readers of event
 * streams split lines at U+2028 and decode chunk by chunk: wire/hyperbrowser.md §3.2), and
 * strings may hold NUL.  Bytes that are not UTF-8 become U+FFFD, one per maximal bad run as
 * the WHATWG decoder does it.
 *
 * Commas are put by the writer.  Depth up to 31; unbalanced calls abort (CHECK).
 */
#ifndef STANDBOX_BASE_JSONW_H
#define STANDBOX_BASE_JSONW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct jsonw {
    struct buf *out; /* borrowed */
    unsigned depth;
    uint32_t has_member; /* bit d: the container at depth d has a member already */
};

void jsonw_init(struct jsonw *w, struct buf *out);
/* `name` is NULL inside arrays and at the top. */
void jsonw_object(struct jsonw *w, const char *name);
void jsonw_end_object(struct jsonw *w);
void jsonw_array(struct jsonw *w, const char *name);
void jsonw_end_array(struct jsonw *w);
void jsonw_str(struct jsonw *w, const char *name, const char *value); /* NULL value writes null */
void jsonw_bytes(struct jsonw *w, const char *name, const void *data, size_t len);
void jsonw_base64(struct jsonw *w, const char *name, const void *data, size_t len);
void jsonw_int(struct jsonw *w, const char *name, int64_t value);
void jsonw_bool(struct jsonw *w, const char *name, bool value);
void jsonw_null(struct jsonw *w, const char *name);
void jsonw_raw(struct jsonw *w, const char *name, const char *json, size_t len); /* JSON already: a value (in a list: values) */

/* Just the escaped text without quotes. */
void json_escape(struct buf *out, const void *data, size_t len);

#endif
