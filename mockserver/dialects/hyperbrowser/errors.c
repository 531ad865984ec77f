#include "dialects/hyperbrowser/hb_priv.h"

#include <stdarg.h>
#include <stdio.h>

/* How the engine's words sound in the vendor's (wire page §3.3; codes not named there are ours). */
static const struct {
    int status;
    const char *code;
} error_map[ERR_CODES] = {
    [ERR_NONE] = { 500, "internal_error" },     [ERR_NOMEM] = { 503, "out_of_memory" },
    [ERR_IO] = { 500, "internal_error" },       [ERR_INVALID] = { 400, "invalid_request" },
    [ERR_NOT_FOUND] = { 404, "not_found" },     [ERR_CONFLICT] = { 409, "conflict" },
    [ERR_TIMEOUT] = { 408, "wait_timeout" },    [ERR_GONE] = { 410, "replay_window_expired" },
    [ERR_LIMIT] = { 429, "limit_reached" },     [ERR_CLOSED] = { 400, "client_closed" },
    [ERR_AUTH] = { 401, "unauthorized" },       [ERR_UNSUPPORTED] = { 501, "not_supported" },
    [ERR_INTERNAL] = { 500, "internal_error" },
};

static void reply_error(struct exchange *x, int status, const char *code, const char *message)
{
    BUF_AUTO body = BUF_INIT;
    refusal_write(&body, code, message);
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

void hb_fail_route(struct exchange *x, enum route_result result)
{
    if (result == ROUTE_NO_METHOD)
        hb_fail(x, 405, "method_not_allowed", "method %s is not allowed for %s", x->method, x->path);
    else
        hb_fail(x, 404, "not_found", "route not found: %s %s", x->method, x->path);
}

void hb_not_supported(void *dialect, struct exchange *x, const struct route_params *params)
{
    (void) dialect;
    (void) params;
    hb_fail(x, 501, "not_supported", "%s %s is not supported yet", x->method, x->path);
}
