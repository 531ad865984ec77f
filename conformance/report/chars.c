#include "report/chars.h"

#include <string.h>

#include "base/text.h"

uint32_t chars_next(const char **text)
{
    uint32_t point;
    const char *p = *text;
    if ((unsigned char) p[0] == 0xC0 && (unsigned char) p[1] == 0x80) {
        *text = p + 2;
        return 0;
    }
    *text = p + utf8_next(p, strnlen(p, 4), &point);
    return point == UTF8_BAD || point == UTF8_CUT ? CHARS_REPLACEMENT : point;
}

bool chars_is_hidden(uint32_t point)
{
    static const struct {
        uint32_t first, last;
    } ranges[] = {
        { 0x0000, 0x0008 }, { 0x000B, 0x001F }, { 0x007F, 0x009F }, { 0x00AD, 0x00AD },
        { 0x061C, 0x061C }, { 0x200B, 0x200F }, { 0x2028, 0x202E }, { 0x2060, 0x206F },
        { 0xFEFF, 0xFEFF }, { 0xFFF9, 0xFFFB }, { 0xFFFE, 0xFFFF }, { 0xE0000, 0xE007F },
    };
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        if (point >= ranges[i].first && point <= ranges[i].last)
            return true;
    }
    return false;
}

void chars_put(struct buf *out, uint32_t point)
{
    if (point < 0x80) {
        buf_char(out, (char) point);
    } else if (point < 0x800) {
        buf_char(out, (char) (0xC0 | point >> 6));
        buf_char(out, (char) (0x80 | (point & 0x3F)));
    } else if (point < 0x10000) {
        buf_char(out, (char) (0xE0 | point >> 12));
        buf_char(out, (char) (0x80 | (point >> 6 & 0x3F)));
        buf_char(out, (char) (0x80 | (point & 0x3F)));
    } else {
        buf_char(out, (char) (0xF0 | point >> 18));
        buf_char(out, (char) (0x80 | (point >> 12 & 0x3F)));
        buf_char(out, (char) (0x80 | (point >> 6 & 0x3F)));
        buf_char(out, (char) (0x80 | (point & 0x3F)));
    }
}

static void show_point(struct buf *out, uint32_t point)
{
    if (point == '\n')
        buf_str(out, "\\n");
    else if (point == '\t')
        buf_str(out, "\\t");
    else if (!chars_is_hidden(point))
        chars_put(out, point);
    else
        buf_printf(out, point < 0x100 ? "\\x%02x" : "\\u%04x", (unsigned) point);
}

static void show(struct buf *out, const char *text, size_t max_bytes, bool keeps_lines)
{
    const char *p = text;
    while (*p != '\0') {
        if (max_bytes > 0 && (size_t) (p - text) >= max_bytes) {
            buf_str(out, "...");
            return;
        }
        uint32_t point = chars_next(&p);
        if (keeps_lines && (point == '\n' || point == '\t'))
            buf_char(out, (char) point);
        else
            show_point(out, point);
    }
}

void chars_show(struct buf *out, const char *text, size_t max_bytes)
{
    show(out, text, max_bytes, false);
}

void chars_show_lines(struct buf *out, const char *text, size_t max_bytes)
{
    show(out, text, max_bytes, true);
}
