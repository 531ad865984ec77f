#include "report/md.h"

#include <cjson/cJSON.h>
#include <string.h>

#include "report/chars.h"

#define ZERO_WIDTH_SPACE "&#8203;"

/* The longest run of backticks. */
static size_t longest_run(const char *text)
{
    size_t longest = 0;
    for (const char *p = text; *p != '\0';) {
        size_t run = strspn(p, "`");
        longest = run > longest ? run : longest;
        p += run == 0 ? 1 : run;
    }
    return longest;
}

void md_put_code(struct buf *out, const char *text, size_t max)
{
    BUF_AUTO shown = BUF_INIT;
    chars_show(&shown, text, max);
    const char *p = buf_cstr(&shown);
    if (*p == '\0') {
        buf_str(out, "–");
        return;
    }
    size_t fence = longest_run(p) + 1;
    /* One space on each side is taken off again; without it a backtick or a blank at the edge would be. */
    bool is_padded = fence > 1 || p[0] == ' ' || p[shown.len - 1] == ' ';
    for (size_t i = 0; i < fence; i++)
        buf_char(out, '`');
    buf_str(out, is_padded ? " " : "");
    for (; *p != '\0'; p++) {
        if (*p == '|')
            buf_char(out, '\\');
        buf_char(out, *p);
    }
    buf_str(out, is_padded ? " " : "");
    for (size_t i = 0; i < fence; i++)
        buf_char(out, '`');
}

void md_put_codes(struct buf *out, const struct cJSON *list)
{
    const cJSON *item;
    const char *between = "";
    cJSON_ArrayForEach(item, list)
    {
        if (!cJSON_IsString(item))
            continue;
        buf_str(out, between);
        md_put_code(out, item->valuestring, 300);
        between = ", ";
    }
}

void md_put_prose(struct buf *out, const char *text, size_t max)
{
    BUF_AUTO shown = BUF_INIT;
    chars_show(&shown, text, max);
    for (const char *p = buf_cstr(&shown); *p != '\0'; p++) {
        if (*p == '<')
            buf_str(out, "&lt;");
        else if (*p == '&')
            buf_str(out, "&amp;");
        else if (strchr("\\`*_{}[]()#+!|~>$", *p) != NULL)
            buf_printf(out, "\\%c", *p);
        else
            buf_char(out, *p);
        if (*p == '@' || *p == '#')
            buf_str(out, ZERO_WIDTH_SPACE);
    }
}

void md_put_html_code(struct buf *out, const char *text, size_t max)
{
    BUF_AUTO shown = BUF_INIT;
    chars_show(&shown, text, max);
    buf_str(out, "<code>");
    for (const char *p = buf_cstr(&shown); *p != '\0'; p++) {
        switch (*p) {
        case '<': buf_str(out, "&lt;"); break;
        case '>': buf_str(out, "&gt;"); break;
        case '&': buf_str(out, "&amp;"); break;
        case '"': buf_str(out, "&quot;"); break;
        default: buf_char(out, *p); break;
        }
    }
    buf_str(out, "</code>");
}

bool md_put_fitting(struct buf *out, size_t limit, const struct buf *piece)
{
    if (out->len + piece->len > limit)
        return false;
    buf_add(out, buf_cstr(piece), piece->len);
    out->failed |= piece->failed;
    return true;
}
