/*
 * Untrusted text, character by character, for writers that must not let any of them through as it is.
 *
 * Thread: any.
 */
#ifndef STANDBOX_REPORT_CHARS_H
#define STANDBOX_REPORT_CHARS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

#define CHARS_REPLACEMENT 0xFFFDu /* instead of bytes that are no UTF-8 */

/* The code point at **text (which is not at its end), and go on behind it.  The bytes C0 80 are a NUL (base/json.h). */
uint32_t chars_next(const char **text);

/* Does it change how text around it looks, or not show at all: control characters but for line feed and tab, and the
   marks of bidirectional text, that can make a line read as another one. */
bool chars_is_hidden(uint32_t point);

/* Append the code point as UTF-8. */
void chars_put(struct buf *out, uint32_t point);

/* Append `text` on one line: hidden characters, line feeds and tabs as visible escapes ("\n", "\x1b", "\u202e"), the
   rest as it is.  `max_bytes` (0: all) bounds what is taken of it; "..." says that there was more. */
void chars_show(struct buf *out, const char *text, size_t max_bytes);

/* The same, but lines stay lines and tabs tabs. */
void chars_show_lines(struct buf *out, const char *text, size_t max_bytes);

#endif
