#include "base/jsonw.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/text.h"

#define MAX_DEPTH     31u /* has_member holds one bit per depth, the top included */
#define ESCAPE_BLOCK  65536u
#define ESCAPE_GROWTH 6u /* one byte becomes at most "\uXXXX" */

/* ---- escaping ----------------------------------------------------------------------- */

/* Bytes that need no escape: printable ASCII and DEL without the quote and the backslash. */
static bool is_plain(uint8_t c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

/* The same for eight at once. */
static bool is_plain_word(uint64_t w)
{
    const uint64_t ones = 0x0101010101010101u, highs = 0x8080808080808080u;
    uint64_t quote = w ^ ones * '"', slash = w ^ ones * '\\';
    uint64_t bad = w | (w - ones * 0x20) | (quote - ones) | (slash - ones);
    return (bad & highs) == 0;
}

static const char *plain_end(const char *p, const char *end)
{
    uint64_t w;
    for (; (size_t) (end - p) >= sizeof w; p += sizeof w) {
        memcpy(&w, p, sizeof w);
        if (!is_plain_word(w))
            break;
    }
    while (p < end && is_plain((uint8_t) *p))
        p++;
    return p;
}

static char *put_hex4(char *to, uint32_t unit)
{
    static const char hex[] = "0123456789abcdef";
    to[0] = '\\';
    to[1] = 'u';
    to[2] = hex[unit >> 12 & 15];
    to[3] = hex[unit >> 8 & 15];
    to[4] = hex[unit >> 4 & 15];
    to[5] = hex[unit & 15];
    return to + 6;
}

static char *put_ascii(char *to, uint8_t c)
{
    static const char shorts[256] = {
        ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r', ['"'] = '"', ['\\'] = '\\'
    };
    if (shorts[c] == 0)
        return put_hex4(to, c);
    to[0] = '\\';
    to[1] = shorts[c];
    return to + 2;
}

static char *put_point(char *to, uint32_t point)
{
    if (point == UTF8_BAD || point == UTF8_CUT)
        return put_hex4(to, 0xFFFD);
    if (point < 0x10000)
        return put_hex4(to, point);
    point -= 0x10000;
    to = put_hex4(to, 0xD800 | point >> 10);
    return put_hex4(to, 0xDC00 | (point & 0x3FF));
}

/* Escape from `p` until `stop` is reached or passed (inside a character that begins before it). */
static const char *escape_block(char **to, const char *p, const char *stop, const char *end)
{
    while (p < stop) {
        const char *plain = plain_end(p, stop);
        memcpy(*to, p, (size_t) (plain - p));
        *to += plain - p;
        p = plain;
        while (p < stop && !is_plain((uint8_t) *p)) {
            if ((uint8_t) *p < 0x80) {
                *to = put_ascii(*to, (uint8_t) *p++);
                continue;
            }
            uint32_t point;
            p += utf8_next(p, (size_t) (end - p), &point);
            *to = put_point(*to, point);
        }
    }
    return p;
}

void json_escape(struct buf *out, const void *data, size_t len)
{
    const char *p = data, *end = p + len;
    while (p < end) {
        size_t block = (size_t) (end - p) < ESCAPE_BLOCK ? (size_t) (end - p) : ESCAPE_BLOCK;
        char *to = buf_reserve(out, (block + 4) * ESCAPE_GROWTH);
        if (to == NULL)
            return;
        p = escape_block(&to, p, p + block, end);
        out->len = (size_t) (to - out->data);
        *to = '\0';
    }
}

/* ---- the writer --------------------------------------------------------------------- */

void jsonw_init(struct jsonw *w, struct buf *out)
{
    *w = (struct jsonw){ .out = out };
}

/* Comma where one is due, then the name. */
static void begin_value(struct jsonw *w, const char *name)
{
    uint32_t bit = (uint32_t) 1 << w->depth;
    if ((w->has_member & bit) != 0) {
        CHECK(w->depth > 0);
        buf_char(w->out, ',');
    }
    w->has_member |= bit;
    if (name != NULL) {
        buf_char(w->out, '"');
        json_escape(w->out, name, strlen(name));
        buf_add(w->out, "\":", 2);
    }
}

static void open_container(struct jsonw *w, const char *name, char c)
{
    begin_value(w, name);
    buf_char(w->out, c);
    CHECK(w->depth < MAX_DEPTH);
    w->depth++;
    w->has_member &= ~((uint32_t) 1 << w->depth);
}

static void close_container(struct jsonw *w, char c)
{
    CHECK(w->depth > 0);
    w->depth--;
    buf_char(w->out, c);
}

void jsonw_object(struct jsonw *w, const char *name)
{
    open_container(w, name, '{');
}

void jsonw_end_object(struct jsonw *w)
{
    close_container(w, '}');
}

void jsonw_array(struct jsonw *w, const char *name)
{
    open_container(w, name, '[');
}

void jsonw_end_array(struct jsonw *w)
{
    close_container(w, ']');
}

void jsonw_bytes(struct jsonw *w, const char *name, const void *data, size_t len)
{
    begin_value(w, name);
    buf_char(w->out, '"');
    json_escape(w->out, data, len);
    buf_char(w->out, '"');
}

void jsonw_str(struct jsonw *w, const char *name, const char *value)
{
    if (value == NULL)
        jsonw_null(w, name);
    else
        jsonw_bytes(w, name, value, strlen(value));
}

void jsonw_base64(struct jsonw *w, const char *name, const void *data, size_t len)
{
    begin_value(w, name);
    buf_char(w->out, '"');
    base64_encode(w->out, data, len);
    buf_char(w->out, '"');
}

void jsonw_int(struct jsonw *w, const char *name, int64_t value)
{
    begin_value(w, name);
    buf_printf(w->out, "%" PRId64, value);
}

void jsonw_bool(struct jsonw *w, const char *name, bool value)
{
    begin_value(w, name);
    buf_str(w->out, value ? "true" : "false");
}

void jsonw_null(struct jsonw *w, const char *name)
{
    begin_value(w, name);
    buf_str(w->out, "null");
}

void jsonw_raw(struct jsonw *w, const char *name, const char *json, size_t len)
{
    begin_value(w, name);
    buf_add(w->out, json, len);
}
