/* Small text tools: UTF-8, base64, random names.  Thread: any. */
#ifndef STANDBOX_BASE_TEXT_H
#define STANDBOX_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/* What utf8_next says instead of a code point. */
#define UTF8_BAD UINT32_MAX       /* not UTF-8 */
#define UTF8_CUT (UINT32_MAX - 1) /* valid so far, but `data` ends inside the character */

/* Decode the character at the start of `data` (len > 0).  Returns how many bytes it takes; of bytes that are not
   UTF-8 those up to where it became clear (the WHATWG decoder's "maximal subpart"), which is never 0. */
size_t utf8_next(const char *data, size_t len, uint32_t *out_point);

/* Length of the longest prefix of `data` that does not end inside an unfinished (but so far valid) UTF-8
   character.  Hold back the rest until more arrives. */
size_t utf8_complete_prefix(const char *data, size_t len);

/* Length of the longest prefix that is valid UTF-8 (no surrogates, no overlong forms). */
size_t utf8_valid_prefix(const char *data, size_t len);
/* Is all of it valid UTF-8? */
bool utf8_is_valid(const char *data, size_t len);

void base64_encode(struct buf *out, const void *data, size_t len);
/* Strict: length a multiple of 4, padding only at the end, no white space; unused bits in the last
   character are ignored, as most decoders do.  Appends; ERR_INVALID else, and `out` untouched then. */
int base64_decode(struct buf *out, const char *text, size_t len, struct err *err);

/* Random lower-case hex (from getrandom); `out` has room for `digits` + 1. */
void random_hex(char *out, size_t digits);
/* Random version-4 uuid. */
void random_uuid(char out[37]);

/* Compare secrets without telling by time where they differ. */
bool same_secret(const char *a, const char *b);

/* "2026-11-21T06:39:23.123Z" for epoch milliseconds; `out` has room for 32. */
void iso_time(char out[32], long long epoch_ms);

#endif
