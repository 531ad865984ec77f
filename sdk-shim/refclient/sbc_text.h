/*
 * Bytes and text: a growing buffer, UTF-8, base64, shell words.
 *
 * Memory that cannot be had ends the program, so nothing here fails for want of it.
 * Thread: any; a buffer belongs to one thread.
 */
#ifndef SBC_TEXT_H
#define SBC_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sbc_buf {
    char *data; /* NULL while nothing was added; else data[size] is NUL */
    size_t size;
    size_t room;
};

void *sbc_alloc(size_t count, size_t size); /* zeroed; free() it */
char *sbc_text_copy(const char *text);      /* NULL stays NULL; free() it */
char *sbc_text_copy_bytes(const char *data, size_t size);
char *sbc_text_format(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

void sbc_buf_add(struct sbc_buf *buf, const void *data, size_t size);
void sbc_buf_add_text(struct sbc_buf *buf, const char *text);
void sbc_buf_add_format(struct sbc_buf *buf, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void sbc_buf_add_encoded(struct sbc_buf *buf, const char *text); /* percent-encoded: one segment or query value */
void sbc_buf_drop(struct sbc_buf *buf, size_t size);             /* from the front; size <= buf->size */
char *sbc_buf_take(struct sbc_buf *buf);                         /* its text, never NULL; the buffer is empty then */
void sbc_buf_free(struct sbc_buf *buf);

/* Well-formed UTF-8, without overlong forms and surrogates.  NUL is a character like any other. */
bool sbc_utf8_is_valid(const char *data, size_t size);

/* A copy in which each byte that is no UTF-8 became U+FFFD. */
char *sbc_utf8_clean(const char *data, size_t size);

/* Standard base64 with padding; free() it. */
char *sbc_base64_encode(const char *data, size_t size);

/* Strict: length a multiple of 4, padding only at the end, unused bits 0.  Appends to `out` only on success. */
bool sbc_base64_decode(const char *text, size_t size, struct sbc_buf *out);

/* Append `word` so that a shell reads it as one word. */
void sbc_shell_quote(struct sbc_buf *out, const char *word);

int64_t sbc_now_ms(void);  /* monotonic */
int64_t sbc_wall_ms(void); /* since 1970 */

/* Milliseconds since 1970 of an ISO-8601 time with zone ("2026-11-21T14:35:24.448Z"); -1: not one. */
int64_t sbc_time_parse(const char *text);

#endif
