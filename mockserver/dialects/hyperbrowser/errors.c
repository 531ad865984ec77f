#include "dialects/hyperbrowser/hb_priv.h"

#include <cjson/cJSON.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "scenario/fault.h"

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

/* ---- what scenarios make of an answer ----------------------------------------------------- */

/* What a code is when the scenario names none. */
static const char *code_of(int status)
{
    static const struct {
        int status;
        const char *code;
    } codes[] = {
        { 400, "invalid_request" },  { 401, "unauthorized" },        { 403, "forbidden" },
        { 404, "not_found" },        { 408, "wait_timeout" },        { 409, "conflict" },
        { 410, "replay_window_expired" }, { 413, "payload_too_large" }, { 429, "rate_limited" },
        { 500, "internal_error" },   { 501, "not_supported" },       { 502, "bad_gateway" },
        { 503, "service_unavailable" }, { 504, "gateway_timeout" },
    };
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        if (codes[i].status == status)
            return codes[i].code;
    }
    return status >= 500 ? "server_error" : "request_failed";
}

/* The members of "details" stand beside the others: the SDKs show the whole object as the error's details. */
static cJSON *make_scripted(const struct reply *reply)
{
    cJSON *details = reply->details == NULL ? cJSON_CreateObject() : cJSON_Parse(reply->details);
    cJSON *body = details;
    if (details != NULL && !cJSON_IsObject(details)) {
        body = cJSON_CreateObject();
        cJSON_AddItemToObject(body, "details", details);
    }
    const char *message = reply->message != NULL ? reply->message : "refused by the scenario";
    const char *code = reply->code != NULL ? reply->code : code_of(reply->http_status);
    const char *const members[][2] = { { "message", message }, { "error", message }, { "code", code } };
    for (size_t i = 0; body != NULL && i < sizeof members / sizeof *members; i++) {
        if (cJSON_GetObjectItemCaseSensitive(body, members[i][0]) == NULL)
            cJSON_AddStringToObject(body, members[i][0], members[i][1]);
    }
    return body;
}

void hb_fail_scripted(struct exchange *x)
{
    if (op_reply_http(x))
        return;
    const struct reply *reply = op_reply(x);
    cJSON *body = make_scripted(reply);
    char *text = body == NULL ? NULL : cJSON_PrintUnformatted(body);
    if (text == NULL)
        hb_fail(x, 503, "out_of_memory", "out of memory");
    else
        exchange_reply(x, reply->http_status, JSON_TYPE, text, strlen(text));
    cJSON_free(text);
    cJSON_Delete(body);
}

void hb_fail_token(struct exchange *x)
{
    hb_fail(x, 401, "unauthorized", "missing, wrong or expired token");
}

bool hb_begin(struct exchange *x, const struct op *op, bool *out_pretend)
{
    if (out_pretend != NULL)
        *out_pretend = false;
    switch (op_begin(x, op)) {
    case OP_GO_ON: return true;
    case OP_PRETEND:
        CHECK(out_pretend != NULL); /* the scenario's reader knows which operations can */
        *out_pretend = true;
        return true;
    case OP_REFUSE: hb_fail_scripted(x); return false;
    case OP_EXPIRED: hb_fail_token(x); return false;
    case OP_OVER: return false;
    }
    return false;
}

/* ---- answers ------------------------------------------------------------------------------- */

void hb_reply(struct exchange *x, const struct buf *body)
{
    if (body->failed)
        hb_fail(x, 503, "out_of_memory", "the answer does not fit into memory");
    else
        exchange_reply(x, 200, JSON_TYPE, body->data, body->len);
}

void hb_fail_route(struct exchange *x, enum route_result result)
{
    op_note_dialect(x, NULL);
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
