#include "bench/sse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void take_line(struct sse *s)
{
    const char *line = buf_cstr(&s->line);
    size_t len = s->line.len;
    if (len > 0 && line[len - 1] == '\r')
        s->line.data[--s->line.len] = '\0';
    if (s->line.len == 0) {
        if (s->data.len > 0)
            s->event(s->arg, s->name, buf_cstr(&s->data) + 6, s->data.len - 6);
        buf_clear(&s->data);
        s->name[0] = '\0';
    } else if (strncmp(line, "event: ", 7) == 0) {
        snprintf(s->name, sizeof s->name, "%s", line + 7);
    } else if (strncmp(line, "data: ", 6) == 0) {
        struct buf old = s->data; /* swapped, not copied: a line may be long */
        s->data = s->line;
        s->line = old;
    }
    buf_clear(&s->line);
}

void sse_feed(struct sse *s, const char *bytes, size_t len)
{
    while (len > 0) {
        const char *newline = memchr(bytes, '\n', len);
        size_t part = newline == NULL ? len : (size_t) (newline - bytes);
        buf_add(&s->line, bytes, part);
        if (newline == NULL)
            return;
        take_line(s);
        bytes += part + 1;
        len -= part + 1;
    }
}

void sse_fini(struct sse *s)
{
    buf_fini(&s->line);
    buf_fini(&s->data);
}

/* At `at` a backslash: bytes of output it stands for; *out_used of the text. */
static unsigned escape_bytes(const char *at, size_t *out_used)
{
    if (at[1] != 'u') {
        *out_used = 2;
        return 1;
    }
    char hex[5] = "";
    memcpy(hex, at + 2, strnlen(at + 2, 4));
    unsigned long code = strtoul(hex, NULL, 16);
    *out_used = 6;
    if (code >= 0xD800 && code < 0xE000)
        return 2; /* half of a pair that makes four bytes */
    return code < 0x80 ? 1 : code < 0x800 ? 2 : 3;
}

/* The next quote, escaped or not. */
static const char *quote_from(const char *at, const char *end)
{
    const char *quote = at < end ? memchr(at, '"', (size_t) (end - at)) : NULL;
    return quote == NULL ? end : quote;
}

/* From behind the opening quote to the closing one. */
static uint64_t count_text(const char *at, const char *end, size_t *out_raw)
{
    const char *begin = at, *quote = quote_from(at, end), *slash;
    uint64_t bytes = 0;
    while (at < quote && (slash = memchr(at, '\\', (size_t) (quote - at))) != NULL) {
        size_t used;
        bytes += (uint64_t) (slash - at) + escape_bytes(slash, &used);
        at = slash + used;
        if (at > quote) /* it was the escaped one */
            quote = quote_from(at, end);
    }
    *out_raw = (size_t) (quote - begin);
    return bytes + (uint64_t) (quote > at ? quote - at : 0);
}

uint64_t sse_count_payload(const char *data, size_t len)
{
    static const char key[] = "\"data\":\"", encoding[] = "\"encoding\":\"base64\"";
    const char *end = data + len;
    const char *at = memmem(data, len, key, sizeof key - 1);
    size_t raw = 0;
    if (at == NULL)
        return 0;
    at += sizeof key - 1;
    uint64_t text = count_text(at, end, &raw);
    const char *behind = at + raw;
    bool base64 = memmem(behind, (size_t) (end - behind), encoding, sizeof encoding - 1) != NULL ||
                  memmem(data, (size_t) (at - data), encoding, sizeof encoding - 1) != NULL;
    if (!base64)
        return text;
    unsigned pads = raw >= 2 ? (unsigned) (behind[-1] == '=') + (unsigned) (behind[-2] == '=') : 0;
    return raw / 4 * 3 - pads;
}
