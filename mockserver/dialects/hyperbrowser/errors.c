#include "dialects/hyperbrowser/hb_priv.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How the engine's words sound in the vendor's (wire page §3.3; codes not named there are ours). */
static const struct {
    int status;
    const char *code;
} error_map[ERR_CODES] = {
    [ERR_NONE] = { 500, "internal_error" },
    [ERR_NOMEM] = { 503, "out_of_memory" },
    [ERR_IO] = { 500, "internal_error" },
    [ERR_INVALID] = { 400, "invalid_request" },
    [ERR_NOT_FOUND] = { 404, "not_found" },
    [ERR_CONFLICT] = { 409, "conflict" },
    [ERR_TIMEOUT] = { 408, "wait_timeout" },
    [ERR_GONE] = { 410, "replay_window_expired" },
    [ERR_LIMIT] = { 429, "limit_reached" },
    [ERR_CLOSED] = { 400, "client_closed" },
    [ERR_AUTH] = { 401, "unauthorized" },
    [ERR_UNSUPPORTED] = { 501, "not_supported" },
    [ERR_INTERNAL] = { 500, "internal_error" },
};

static void reply_error(struct exchange *x, int status, const char *code, const char *message)
{
    BUF_AUTO body = BUF_INIT;
    struct jsonw w;
    jsonw_init(&w, &body);
    jsonw_object(&w, NULL);
    jsonw_str(&w, "message", message);
    jsonw_str(&w, "error", message);
    jsonw_str(&w, "code", code);
    jsonw_end_object(&w);
    if (body.failed)
        exchange_reply(x, 503, JSON_TYPE, "{\"message\":\"out of memory\"}", 27);
    else
        exchange_reply(x, status, JSON_TYPE, body.data, body.len);
}

void hb_fail(struct exchange *x, int status, const char *code, const char *fmt, ...)
{
    char message[ERR_TEXT_BYTES + 128];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(message, sizeof message, fmt, ap);
    va_end(ap);
    reply_error(x, status, code, message);
}

void hb_fail_err(struct exchange *x, const struct err *err)
{
    enum err_code code = (unsigned) err->code < ERR_CODES ? err->code : ERR_INTERNAL;
    reply_error(x, error_map[code].status, error_map[code].code, err->text);
}

void hb_reply(struct exchange *x, const struct buf *body)
{
    if (body->failed)
        hb_fail(x, 503, "out_of_memory", "the answer does not fit into memory");
    else
        exchange_reply(x, 200, JSON_TYPE, body->data, body->len);
}

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
            err.code = ERR_INVALID;   /* a limit of the document, not a rate: 400, never "retry later" */
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

int hb_query_int(const struct exchange *x, const char *name, int64_t min, int64_t max, int64_t *out,
                 struct err *err)
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
        return err_set(err, ERR_INVALID, 0, "query parameter %s: must be from %lld to %lld", name,
                       (long long) min, (long long) max);
    *out = v;
    return 0;
}
