/*
 * JSON from outside, read strictly (cJSON does the parsing).
 *
 * On top of cJSON: the input must be valid UTF-8 and nested no deeper than asked; \u0000 is
 * kept (cJSON would cut the string there), so json_string_bytes gives bytes and a length; every
 * complaint names the place as a JSON pointer ("/env/FOO").  null counts as absent.
 */
#ifndef STANDBOX_BASE_JSON_H
#define STANDBOX_BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct cJSON;

#define JSON_MAX_DEPTH  64      /* at most 64: the checker keeps one bit per level */
#define JSON_MAX_VALUES 1000000 /* a parsed value takes 64 bytes and more: bounds the memory of "[0,0,0..." */

/* Parse one whole document.  Returns a tree (free with json_free) or NULL with ERR_INVALID (not JSON, not UTF-8,
   text behind the end; says line:column), ERR_LIMIT (too deep, too many values) or ERR_NOMEM. */
struct cJSON *json_parse(const char *text, size_t len, struct err *err);
void json_free(struct cJSON *json); /* NULL is fine */

/* The tree as text again, appended: one line, pure ASCII, \u0000 kept (cJSON's own printer would write the mark that
   stands for it here).  Trees made by cJSON's functions are fine, too.  out->failed: no memory. */
void json_print(struct buf *out, const struct cJSON *json);

bool json_is_object(const struct cJSON *node); /* false for NULL */

/* Member of an object; NULL when absent or null.  Exact case; of duplicates the last. */
const struct cJSON *json_get(const struct cJSON *object, const char *name);

/* Typed members: 0 = fine, *out untouched when absent (and `*out_present` false where asked); -1 = wrong type or
   range, ERR_INVALID "/<name>: must be ...".  Integers must be whole and within [min, max]. */
int json_get_bool(const struct cJSON *object, const char *name, bool *out, bool *out_present, struct err *err);
int json_get_int(const struct cJSON *object, const char *name, int64_t min, int64_t max, int64_t *out,
                 bool *out_present, struct err *err);
/* Text with its length; may hold NUL bytes.  Replaces *out's contents. */
int json_get_bytes(const struct cJSON *object, const char *name, struct buf *out, bool *out_present, struct err *err);
/* Text that must not hold NUL.  Replaces *out's contents. */
int json_get_text(const struct cJSON *object, const char *name, struct buf *out, bool *out_present, struct err *err);

/* The text of a string node as bytes (decodes the NUL marker); false when it is no string. */
bool json_string_bytes(const struct cJSON *node, struct buf *out);
/* The decoded name of an object member, as bytes. */
void json_name_bytes(const struct cJSON *member, struct buf *out);

#endif
