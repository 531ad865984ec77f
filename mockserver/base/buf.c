#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_fini(struct buf *b)
{
    free(b->data);
    *b = (struct buf) BUF_INIT;
}

void buf_clear(struct buf *b)
{
    b->len = 0;
    b->failed = false;
    if (b->data != NULL)
        b->data[0] = '\0';
}

char *buf_reserve(struct buf *b, size_t more)
{
    if (b->failed)
        return NULL;
    if (more < b->cap - b->len && b->data != NULL)
        return b->data + b->len;
    size_t cap = b->cap < 64 ? 64 : b->cap;
    while (cap - b->len <= more) {
        if (cap > (size_t) -1 / 2) {
            b->failed = true;
            return NULL;
        }
        cap *= 2;
    }
    char *data = realloc(b->data, cap);
    if (data == NULL) {
        b->failed = true;
        return NULL;
    }
    b->data = data;
    b->cap = cap;
    data[b->len] = '\0';
    return data + b->len;
}

void buf_add(struct buf *b, const void *data, size_t len)
{
    char *at = buf_reserve(b, len);
    if (at == NULL)
        return;
    if (len > 0)
        memcpy(at, data, len);
    b->len += len;
    b->data[b->len] = '\0';
}

void buf_str(struct buf *b, const char *s)
{
    buf_add(b, s, strlen(s));
}

void buf_char(struct buf *b, char c)
{
    buf_add(b, &c, 1);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *at = n < 0 ? NULL : buf_reserve(b, (size_t) n);
    if (at != NULL) {
        vsnprintf(at, (size_t) n + 1, fmt, again);
        b->len += (size_t) n;
    }
    va_end(again);
}

const char *buf_cstr(const struct buf *b)
{
    return b->data == NULL ? "" : b->data;
}
