#include "link/lines.h"

#include <string.h>

#include "base/text.h"

/* ---- lines ----------------------------------------------------------------------------- */

void lines_fini(struct lines *l)
{
    buf_fini(&l->buf);
    l->start = l->scanned = 0;
}

/* Given-out bytes go when half of the buffer is theirs: each byte moves once on average, at most. */
static void compact(struct lines *l)
{
    if (l->start == 0 || l->start < l->buf.len - l->start)
        return;
    size_t left = l->buf.len - l->start;
    memmove(l->buf.data, l->buf.data + l->start, left);
    l->buf.len = left;
    l->scanned -= l->start;
    l->start = 0;
}

char *lines_room(struct lines *l, size_t more)
{
    compact(l);
    return buf_reserve(&l->buf, more);
}

void lines_added(struct lines *l, size_t len)
{
    l->buf.len += len;
    if (l->buf.data != NULL)
        l->buf.data[l->buf.len] = '\0';
}

enum lines_got lines_next(struct lines *l, const char **out_line, size_t *out_len)
{
    if (l->buf.failed)
        return LINES_NO_MEMORY;
    if (l->buf.len == l->start)
        return LINES_NONE;
    const char *newline = memchr(l->buf.data + l->scanned, '\n', l->buf.len - l->scanned);
    size_t len = newline == NULL ? l->buf.len - l->start : (size_t) (newline - l->buf.data) - l->start;
    if (len > l->limit)
        return LINES_TOO_LONG;
    l->scanned = newline == NULL ? l->buf.len : l->start + len + 1;
    if (newline == NULL)
        return LINES_NONE;
    *out_line = l->buf.data + l->start;
    *out_len = len;
    l->start = l->scanned;
    return LINES_ONE;
}

void lines_rest(const struct lines *l, const char **out_line, size_t *out_len)
{
    *out_line = l->buf.data == NULL ? "" : l->buf.data + l->start;
    *out_len = l->buf.len - l->start;
}

/* ---- the end of a log ------------------------------------------------------------------ */

static size_t at_most(size_t a, size_t b)
{
    return a < b ? a : b;
}

void tail_add(struct tail *t, const char *data, size_t len)
{
    if (len > TAIL_BYTES) {
        data += len - TAIL_BYTES;
        len = TAIL_BYTES;
    }
    size_t end = (t->begin + t->len) % TAIL_BYTES;
    size_t first = at_most(len, TAIL_BYTES - end);
    memcpy(t->data + end, data, first);
    memcpy(t->data, data + first, len - first);
    size_t total = t->len + len;
    if (total > TAIL_BYTES) {
        t->begin = (t->begin + total - TAIL_BYTES) % TAIL_BYTES;
        total = TAIL_BYTES;
    }
    t->len = total;
}

static void add_utf8(struct buf *out, const char *data, size_t len)
{
    while (len > 0) {
        uint32_t point;
        size_t n = utf8_next(data, len, &point);
        if (point == UTF8_BAD || point == UTF8_CUT || point == 0)
            buf_str(out, "\xEF\xBF\xBD");
        else
            buf_add(out, data, n);
        data += n;
        len -= n;
    }
}

void tail_text(const struct tail *t, struct buf *out)
{
    char flat[TAIL_BYTES];
    size_t first = at_most(t->len, TAIL_BYTES - t->begin), skip = 0;
    memcpy(flat, t->data + t->begin, first);
    memcpy(flat + first, t->data, t->len - first);
    while (t->len == TAIL_BYTES && skip < 3 && ((unsigned char) flat[skip] & 0xC0) == 0x80)
        skip++;
    add_utf8(out, flat + skip, t->len - skip);
}

/* ---- showing bytes --------------------------------------------------------------------- */

static bool is_shown_as_it_is(uint32_t point)
{
    return point >= 0x20 && point != 0x7F && (point < 0x80 || point > 0x9F) && point != UTF8_BAD && point != UTF8_CUT;
}

void show_bytes(struct buf *out, const char *data, size_t len, size_t most)
{
    size_t shown = 0;
    while (shown < len && shown < most) {
        uint32_t point;
        size_t n = utf8_next(data + shown, len - shown, &point);
        if (is_shown_as_it_is(point)) {
            buf_add(out, data + shown, n);
        } else {
            for (size_t i = 0; i < n; i++)
                buf_printf(out, "\\x%02x", (unsigned char) data[shown + i]);
        }
        shown += n;
    }
    if (shown < len)
        buf_printf(out, "... (%zu bytes)", len);
}
