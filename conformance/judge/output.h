/*
 * An output of a process, as it stands in JSON: a text, {"base64": "..."}, or as the ledger writes one
 * ({"bytes", "data", "encoding"}).  Thread: any.
 */
#ifndef STANDBOX_JUDGE_OUTPUT_H
#define STANDBOX_JUDGE_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

struct cJSON;

struct output {
    const char *data; /* borrowed from the value, or in `own` */
    size_t len;
    bool is_text; /* given as text: the client decoded it */
    struct buf own;
};

#define OUTPUT_INIT \
    { \
        NULL, 0, false, BUF_INIT \
    }
#define OUTPUT_AUTO __attribute__((cleanup(output_fini))) struct output

/* False when `value` (NULL is fine) is no output: something else, bad base64, or too big for the memory. */
bool output_read(const struct cJSON *value, struct output *out);
/* The same; an array of outputs (chunks, lines) is one output, too: all of them together. */
bool output_read_joined(const struct cJSON *value, struct output *out);
void output_fini(struct output *output);

/* Is it `data`?  A text may also be what a decoder makes of those bytes: U+FFFD for each part that is no UTF-8. */
bool output_is(const struct output *output, const char *data, size_t len);
/* Exactly these bytes? */
bool output_equals(const struct output *output, const char *data, size_t len);

/* Bytes as JSON: a text where `as_text` (and they are UTF-8), {"base64"} else.  Returned; NULL: no memory. */
struct cJSON *output_to_json(const char *data, size_t len, bool as_text);
/* Always as a text, U+FFFD in the place of what is no UTF-8.  Returned; NULL: no memory. */
struct cJSON *output_to_text(const char *data, size_t len);

#endif
