/* The table as a page for people: one file, no scripts, nothing from elsewhere. */
#include <stdio.h>
#include <string.h>

#include "admin/admin_priv.h"
#include "version.h"

#define POLICY                                                                                                \
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

static const char style[] =
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "h2{margin-top:2.5rem;border-bottom:1px solid #ccc}"
    "h3{margin:1.6rem 0 .2rem;font:600 15px/1.4 ui-monospace,monospace}"
    "p{margin:.2rem 0}table{border-collapse:collapse;margin:.4rem 0}"
    "td,th{text-align:left;vertical-align:top;padding:.1rem .8rem .1rem 0}"
    "th{font-weight:normal;color:#666}code{font:13px ui-monospace,monospace}"
    "@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}th{color:#999}h2{border-color:#444}}";

static void put_text(struct buf *out, const char *text)
{
    for (; *text != '\0'; text++) {
        switch (*text) {
        case '<': buf_str(out, "&lt;"); break;
        case '>': buf_str(out, "&gt;"); break;
        case '&': buf_str(out, "&amp;"); break;
        case '"': buf_str(out, "&quot;"); break;
        default: buf_char(out, *text); break;
        }
    }
}

static void put_row(struct buf *out, const char *head, const char *name, const char *what)
{
    buf_str(out, "<tr><th>");
    put_text(out, head);
    buf_str(out, "</th><td><code>");
    put_text(out, name);
    buf_str(out, "</code></td><td>");
    put_text(out, what);
    buf_str(out, "</td></tr>\n");
}

static void put_members(struct buf *out, const struct admin_route *row)
{
    for (size_t i = 0; row->takes != NULL && i < row->takes->count; i++) {
        const struct field *field = &row->takes->fields[i];
        BUF_AUTO what = BUF_INIT;
        buf_str(&what, field->what);
        if ((field->flags & FIELD_REQUIRED) != 0)
            buf_str(&what, " (needed)");
        if (field->words != NULL) {
            buf_str(&what, ": ");
            vocab_list(field->words, &what);
        }
        put_row(out, "body", field->name, buf_cstr(&what));
    }
    if (row->body == BODY_SCENARIO)
        put_row(out, "body", "{...}", "a scenario file");
}

static void put_results(struct buf *out, const struct admin_route *row)
{
    char status[16];
    const char *what = row->gives != NULL ? row->gives->what : row->type;
    snprintf(status, sizeof status, "%d", row->status != 0 ? row->status : 200);
    put_row(out, "answer", status, what);
    for (size_t i = 0; row->gives != NULL && i < row->gives->count; i++)
        put_row(out, "", row->gives->fields[i].name, row->gives->fields[i].what);
    for (unsigned i = 0; i < ERROR_BITS; i++) {
        if ((row->errors >> i & 1) == 0)
            continue;
        snprintf(status, sizeof status, "%d", admin_error_status(i, &what));
        put_row(out, "", status, what);
    }
}

static void put_route(struct buf *out, const struct admin_route *row)
{
    buf_printf(out, "<h3 id=\"%s\">%s %s</h3>\n<p>", row->id, row->route.method, row->route.pattern);
    put_text(out, row->what);
    if (row->more != NULL) {
        buf_str(out, "</p>\n<p>");
        put_text(out, row->more);
    }
    buf_str(out, "</p>\n<table>\n");
    for (size_t i = 0; i < PARAMS; i++) {
        if ((row->params & TAKES(i)) != 0)
            put_row(out, "query", admin_params[i].name, admin_params[i].what);
    }
    put_members(out, row);
    put_results(out, row);
    buf_str(out, "</table>\n");
}

void admin_get_docs(struct call *call)
{
    struct answer a;
    const char *group = "";
    call->x->ops->add_header(call->x, "Content-Security-Policy", POLICY);
    answer_begin_lines(&a, call, call->row->type);
    buf_printf(&a.buf, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>standbox admin API"
               "</title><style>%s</style></head><body>\n<h1>standbox admin API %s</h1>\n", style, STANDBOX_VERSION);
    buf_str(&a.buf, "<p>Every call needs <code>Authorization: Bearer TOKEN</code> or "
            "<code>X-Standbox-Token: TOKEN</code>; bodies are <code>Content-Type: application/json</code>. "
            "The same for programs: <code>" ADMIN_PREFIX "/docs/openapi.json</code>.</p>\n");
    for (size_t i = 0; i < admin_route_count; i++) {
        const struct admin_route *row = &admin_routes[i];
        if (row->what == NULL)
            continue;
        if (strcmp(group, row->group) != 0)
            buf_printf(&a.buf, "<h2>%s</h2>\n", row->group);
        group = row->group;
        put_route(&a.buf, row);
        answer_flush(&a);
    }
    buf_str(&a.buf, "</body></html>\n");
    answer_end_lines(&a);
}
