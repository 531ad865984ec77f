/*
 * The HTML report: the page's own parts (report/page), and the document, cut down to what the page shows, as JSON in a
 * <script> that is never run.  The page makes text nodes of it; a policy that knows the hash of the page's one script
 * lets no other run, and nothing be loaded.
 */
#include <cjson/cJSON.h>
#include <string.h>

#include "base/text.h"
#include "report/chars.h"
#include "report/forms.h"
#include "report/page.h"
#include "report/page_data.h"
#include "report/results.h"

static void put_escaped(struct buf *out, const char *text)
{
    BUF_AUTO shown = BUF_INIT;
    chars_show(&shown, text, 200);
    for (const char *p = buf_cstr(&shown); *p != '\0'; p++) {
        switch (*p) {
        case '<': buf_str(out, "&lt;"); break;
        case '>': buf_str(out, "&gt;"); break;
        case '&': buf_str(out, "&amp;"); break;
        default: buf_char(out, *p); break;
        }
    }
}

static unsigned char hex_digit(char c)
{
    return (unsigned char) (c <= '9' ? c - '0' : c - 'a' + 10);
}

/* "sha256-..." as a content security policy wants it, of the hash in hexadecimal. */
static void put_hash(struct buf *out, const char *hex)
{
    unsigned char bytes[32];
    CHECK(strlen(hex) == 2 * sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char) (hex_digit(hex[2 * i]) << 4 | hex_digit(hex[2 * i + 1]));
    buf_str(out, "sha256-");
    base64_encode(out, bytes, sizeof bytes);
}

static void put_script_hash(struct buf *out, const struct buf *data, const cJSON *doc)
{
    (void) data;
    (void) doc;
    put_hash(out, report_page_js_sha256);
}

static void put_style_hash(struct buf *out, const struct buf *data, const cJSON *doc)
{
    (void) data;
    (void) doc;
    put_hash(out, report_page_css_sha256);
}

static void put_style(struct buf *out, const struct buf *data, const cJSON *doc)
{
    (void) data;
    (void) doc;
    buf_add(out, report_page_css, report_page_css_len);
}

static void put_script(struct buf *out, const struct buf *data, const cJSON *doc)
{
    (void) data;
    (void) doc;
    buf_add(out, report_page_js, report_page_js_len);
}

static void put_title(struct buf *out, const struct buf *data, const cJSON *doc)
{
    (void) data;
    buf_str(out, "Conformance: ");
    put_escaped(out, results_text(doc, "vendor"));
}

static void put_data(struct buf *out, const struct buf *data, const cJSON *doc)
{
    (void) doc;
    buf_add(out, buf_cstr(data), data->len);
}

static const struct {
    const char *mark;
    void (*put)(struct buf *out, const struct buf *data, const cJSON *doc);
} marks[] = {
    { "@TITLE@", put_title },
    { "@STYLE@", put_style },
    { "@STYLE_HASH@", put_style_hash },
    { "@SCRIPT@", put_script },
    { "@SCRIPT_HASH@", put_script_hash },
    { "@DATA@", put_data },
};

/* Puts what the mark at `p` stands for; returns the mark's length, 0 when it is none. */
static size_t put_mark(struct buf *out, const char *p, const struct buf *data, const cJSON *doc)
{
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        size_t len = strlen(marks[i].mark);
        if (strncmp(p, marks[i].mark, len) != 0)
            continue;
        marks[i].put(out, data, doc);
        return len;
    }
    return 0;
}

int html_render(const struct cJSON *results, struct buf *out, struct err *err)
{
    BUF_AUTO data = BUF_INIT;
    if (page_data_put(results, &data, err) < 0)
        return -1;
    for (const char *p = report_page_html; *p != '\0';) {
        size_t plain = strcspn(p, "@");
        buf_add(out, p, plain);
        p += plain;
        if (*p == '\0')
            break;
        size_t len = put_mark(out, p, &data, results);
        if (len == 0)
            buf_char(out, *p);
        p += len == 0 ? 1 : len;
    }
    out->failed |= data.failed;
    return 0;
}
