#include "dialects/hyperbrowser/hb_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- bodies -------------------------------------------------------------------------- */

/* Is there anything but JSON white space? */
static bool is_blank(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (memchr(" \t\r\n", text[i], 4) == NULL)
            return false;
    }
    return true;
}

int hb_read_object(struct exchange *x, bool may_be_empty, struct cJSON **out)
{
    const char *text;
    size_t len;
    struct err err = ERR_INIT;
    *out = NULL;
    if (exchange_body(x, &text, &len, &err) < 0) {
        if (err.code == ERR_LIMIT)
            hb_fail(x, 413, "request_too_large", "%s", err.text);
        else
            hb_fail_err(x, &err);
        return -1;
    }
    if (may_be_empty && is_blank(text, len))
        return 0;
    struct cJSON *json = json_parse(text, len, &err);
    if (json == NULL) {
        if (err.code == ERR_LIMIT)
            err.code = ERR_INVALID; /* a limit of the document, not a rate: 400, never "retry later" */
        err_wrap(&err, "body is not valid JSON");
        hb_fail_err(x, &err);
        return -1;
    }
    if (!json_is_object(json)) {
        json_free(json);
        hb_fail(x, 400, "invalid_request", "/: must be an object");
        return -1;
    }
    *out = json;
    return 0;
}

/* ---- headers and queries ------------------------------------------------------------- */

const char *hb_bearer(struct exchange *x)
{
    static const char scheme[] = "Bearer ";
    const char *value = exchange_header(x, "Authorization");
    if (value == NULL || strncasecmp(value, scheme, sizeof scheme - 1) != 0)
        return NULL;
    return value + sizeof scheme - 1;
}

int hb_query_int(const struct exchange *x, const char *name, int64_t min, int64_t max, int64_t *out, struct err *err)
{
    BUF_AUTO text = BUF_INIT;
    if (!query_get(x->query, name, &text) || text.len == 0)
        return 0;
    char *end;
    errno = 0;
    long long v = strtoll(text.data, &end, 10);
    bool digits = text.data[0] == '-' || (text.data[0] >= '0' && text.data[0] <= '9');
    if (!digits || end != text.data + text.len || end == text.data)
        return err_set(err, ERR_INVALID, 0, "query parameter %s: must be a whole number", name);
    if (errno == ERANGE || v < min || v > max)
        return err_set(err, ERR_INVALID, 0, "query parameter %s: must be from %lld to %lld", name, (long long) min,
                       (long long) max);
    *out = v;
    return 0;
}

/* Pages far beyond any list, but whose offset still fits. */
#define PAGE_MAX 1000000000

int hb_query_page(const struct hb *hb, const struct exchange *x, struct hb_page *out, struct err *err)
{
    struct hb_page page = { 1, hb_now(hb)->page_size };
    if (hb_query_int(x, "page", 1, PAGE_MAX, &page.number, err) < 0 ||
        hb_query_int(x, "limit", 1, INT64_MAX, &page.size, err) < 0)
        return -1;
    if (page.size > hb_now(hb)->page_size_max)
        page.size = hb_now(hb)->page_size_max;
    *out = page;
    return 0;
}

bool hb_page_has(const struct hb_page *page, int64_t index)
{
    return index / page->size == page->number - 1;
}

void hb_page_write(const struct hb_page *page, int64_t total, struct jsonw *w)
{
    jsonw_int(w, "totalCount", total);
    jsonw_int(w, "page", page->number);
    jsonw_int(w, "perPage", page->size);
}
