/*
 * A growable byte buffer, always with a NUL behind its bytes.
 *
 * Growing cannot be refused half-way: when memory runs out the buffer keeps what it
 * has, remembers `failed`, and ignores further appends, so that a builder checks once
 * at the end.  Thread: belongs to one thread.
 */
#ifndef STANDBOX_BASE_BUF_H
#define STANDBOX_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>

struct buf {
    char *data;      /* NULL while nothing was appended */
    size_t len;
    size_t cap;
    bool failed;     /* an append was lost for want of memory */
};

#define BUF_INIT { NULL, 0, 0, false }
#define BUF_AUTO __attribute__((cleanup(buf_fini))) struct buf

void buf_fini(struct buf *b);
void buf_clear(struct buf *b);                          /* len = 0, keeps the memory */
char *buf_reserve(struct buf *b, size_t more);          /* room for `more` bytes at the end, or NULL */
void buf_add(struct buf *b, const void *data, size_t len);
void buf_str(struct buf *b, const char *s);
void buf_char(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
const char *buf_cstr(const struct buf *b);              /* "" when empty; valid until the next change */

#endif
