/* How calls are refused: status, words, and details in the vendor's domain (wire page §1.5, §4). */
#include "dialects/coreweave/cw_priv.h"

#include <cjson/cJSON.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/rpc.pb-c.h"
#include "scenario/fault.h"

#define DOMAIN     "cwsandbox.com"   /* the only one whose reasons choose an exception (SDK 1.22.0, _error_info.py:39) */
#define INFO_TYPE  "type.googleapis.com/google.rpc.ErrorInfo"
#define RETRY_TYPE "type.googleapis.com/google.rpc.RetryInfo"
#define BAD_TYPE   "type.googleapis.com/google.rpc.BadRequest"
#define MAX_META   32

/* ---- details ------------------------------------------------------------------------------ */

struct trouble {
    enum rpc_status status;
    const char *reason;        /* NULL: no ErrorInfo */
    const char *message;
    const char *meta[2 * MAX_META + 1];
    int64_t retry_after_ms;    /* -1: no RetryInfo */
    const cJSON *violations;   /* NULL: no BadRequest; else a list of {"field", "description"} */
};

static void write_info(const struct trouble *trouble, struct buf *out)
{
    Rpc__ErrorInfo info = RPC__ERROR_INFO__INIT;
    Rpc__ErrorInfo__MetadataEntry entries[MAX_META], *list[MAX_META];
    info.reason = proto_text(trouble->reason);
    info.domain = proto_text(DOMAIN);
    info.metadata = list;
    for (const char *const *at = trouble->meta; *at != NULL; at += 2) {
        Rpc__ErrorInfo__MetadataEntry *entry = &entries[info.n_metadata];
        *entry = (Rpc__ErrorInfo__MetadataEntry) RPC__ERROR_INFO__METADATA_ENTRY__INIT;
        entry->key = proto_text(at[0]);
        entry->value = proto_text(at[1]);
        list[info.n_metadata++] = entry;
    }
    proto_encode(&info, out);
}

static void write_retry(int64_t ms, struct buf *out)
{
    Rpc__RetryInfo retry = RPC__RETRY_INFO__INIT;
    Rpc__Duration delay = RPC__DURATION__INIT;
    delay.seconds = ms / 1000;
    delay.nanos = (int32_t) (ms % 1000) * 1000000;
    retry.retry_delay = &delay;
    proto_encode(&retry, out);
}

static char *text_of(const cJSON *object, const char *name)
{
    const cJSON *text = cJSON_GetObjectItemCaseSensitive(object, name);
    return proto_text(cJSON_IsString(text) ? text->valuestring : "");
}

static void write_violations(const cJSON *violations, struct buf *out)
{
    Rpc__BadRequest bad = RPC__BAD_REQUEST__INIT;
    Rpc__FieldViolation entries[MAX_META], *list[MAX_META];
    const cJSON *violation;
    bad.field_violations = list;
    cJSON_ArrayForEach(violation, violations)
    {
        if (bad.n_field_violations == MAX_META)
            break;
        Rpc__FieldViolation *entry = &entries[bad.n_field_violations];
        *entry = (Rpc__FieldViolation) RPC__FIELD_VIOLATION__INIT;
        entry->field = text_of(violation, "field");
        entry->description = text_of(violation, "description");
        list[bad.n_field_violations++] = entry;
    }
    proto_encode(&bad, out);
}

static void add_part(Rpc__Status *status, Rpc__Any *parts, const char *type, const struct buf *bytes)
{
    parts[status->n_details] = (Rpc__Any) RPC__ANY__INIT;
    parts[status->n_details].type_url = proto_text(type);
    parts[status->n_details++].value = PROTO_BYTES(*bytes);
}

static bool has_details(const struct trouble *trouble)
{
    return trouble->reason != NULL || trouble->retry_after_ms >= 0 || trouble->violations != NULL;
}

static void write_details(const struct trouble *trouble, struct buf *out)
{
    Rpc__Status status = RPC__STATUS__INIT;
    Rpc__Any parts[3], *list[3];
    BUF_AUTO info = BUF_INIT;
    BUF_AUTO retry = BUF_INIT;
    BUF_AUTO bad = BUF_INIT;
    if (trouble->reason != NULL) {
        write_info(trouble, &info);
        add_part(&status, parts, INFO_TYPE, &info);
    }
    if (trouble->retry_after_ms >= 0) {
        write_retry(trouble->retry_after_ms, &retry);
        add_part(&status, parts, RETRY_TYPE, &retry);
    }
    if (trouble->violations != NULL) {
        write_violations(trouble->violations, &bad);
        add_part(&status, parts, BAD_TYPE, &bad);
    }
    for (size_t i = 0; i < status.n_details; i++)
        list[i] = &parts[i];
    status.code = (int32_t) trouble->status;
    status.message = proto_text(trouble->message);
    status.details = list;
    proto_encode(&status, out);
}

static void end_with(struct cw_call *call, const struct trouble *trouble)
{
    BUF_AUTO details = BUF_INIT;
    if (has_details(trouble))
        write_details(trouble, &details);
    bool goes_along = has_details(trouble) && !details.failed;
    (void) call->rpc->ops->end(call->rpc, trouble->status, trouble->message, goes_along ? details.data : NULL,
                               goes_along ? details.len : 0);
}

/* ---- refusals of ours ------------------------------------------------------------------------ */

void cw_fail_with(struct cw_call *call, enum rpc_status status, const char *reason, const char *const *meta,
                  const char *message)
{
    struct trouble trouble = { .status = status, .reason = reason, .message = message, .retry_after_ms = -1 };
    for (size_t i = 0; meta != NULL && meta[i] != NULL && i < 2 * MAX_META; i++)
        trouble.meta[i] = meta[i];
    end_with(call, &trouble);
}

void cw_fail(struct cw_call *call, enum rpc_status status, const char *reason, const char *fmt, ...)
{
    char message[ERR_TEXT_BYTES + 128];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(message, sizeof message, fmt, ap);
    va_end(ap);
    cw_fail_with(call, status, reason, NULL, message);
}

/* Reasons that the SDK knows by name where there is one (SDK 1.22.0, _error_info.py). */
static const struct {
    enum rpc_status status;
    const char *reason;
} error_map[ERR_CODES] = {
    [ERR_NONE] = { RPC_INTERNAL, NULL },
    [ERR_NOMEM] = { RPC_RESOURCE_EXHAUSTED, NULL },
    [ERR_IO] = { RPC_INTERNAL, NULL },
    [ERR_INVALID] = { RPC_INVALID_ARGUMENT, "CWSANDBOX_INVALID_REQUEST" },
    [ERR_NOT_FOUND] = { RPC_NOT_FOUND, "CWSANDBOX_SANDBOX_NOT_FOUND" },
    [ERR_CONFLICT] = { RPC_FAILED_PRECONDITION, "CWSANDBOX_SANDBOX_NOT_RUNNING" },
    [ERR_TIMEOUT] = { RPC_DEADLINE_EXCEEDED, NULL },
    [ERR_GONE] = { RPC_OUT_OF_RANGE, NULL },
    [ERR_LIMIT] = { RPC_RESOURCE_EXHAUSTED, NULL },
    [ERR_CLOSED] = { RPC_CANCELLED, NULL },
    [ERR_AUTH] = { RPC_UNAUTHENTICATED, NULL },
    [ERR_UNSUPPORTED] = { RPC_UNIMPLEMENTED, "CWSANDBOX_NOT_IMPLEMENTED" },
    [ERR_INTERNAL] = { RPC_INTERNAL, NULL },
};

void cw_fail_err(struct cw_call *call, const struct err *err)
{
    enum err_code code = (unsigned) err->code < ERR_CODES ? err->code : ERR_INTERNAL;
    cw_fail_with(call, error_map[code].status, error_map[code].reason, NULL, err->text);
}

void cw_not_supported(struct cw_call *call)
{
    cw_fail(call, RPC_UNIMPLEMENTED, "CWSANDBOX_NOT_IMPLEMENTED", "%s is not served here", call->row->method.path);
}

/* ---- what scenarios make of an answer ------------------------------------------------------------ */

/* The members of "details" that are texts or numbers become the ErrorInfo's metadata. */
static void take_meta(struct trouble *trouble, const cJSON *details)
{
    size_t n = 0;
    const cJSON *member;
    cJSON_ArrayForEach(member, details)
    {
        if (cJSON_IsString(member) && n < MAX_META) {
            trouble->meta[2 * n] = member->string;
            trouble->meta[2 * n++ + 1] = member->valuestring;
        }
    }
}

static void end_scripted(struct cw_call *call)
{
    const struct reply *reply = op_reply(&call->rpc->x);
    if (reply->body != NULL) {
        const char *type = reply->content_type != NULL ? reply->content_type : "application/json";
        (void) call->rpc->ops->end_http(call->rpc, reply->http_status, type, reply->body, reply->body_len);
        return;
    }
    cJSON *details = reply->details == NULL ? NULL : cJSON_Parse(reply->details);
    struct trouble trouble = {
        .status = (enum rpc_status) reply->grpc_status,
        .reason = reply->code,
        .message = reply->message != NULL ? reply->message : "refused by the scenario",
        .retry_after_ms = reply->retry_after_ms,
    };
    take_meta(&trouble, details);
    const cJSON *violations = cJSON_GetObjectItemCaseSensitive(details, "field_violations");
    trouble.violations = cJSON_IsArray(violations) ? violations : NULL;
    for (size_t i = 0; i < reply->header_count; i++)
        call->rpc->ops->add_trailer(call->rpc, reply->headers[i].name, reply->headers[i].value);
    end_with(call, &trouble);
    cJSON_Delete(details);
}

bool cw_begin(struct cw_call *call, const struct op *op, bool *out_pretend)
{
    if (out_pretend != NULL)
        *out_pretend = false;
    switch (op_begin(&call->rpc->x, op)) {
    case OP_GO_ON: return true;
    case OP_PRETEND:
        CHECK(out_pretend != NULL); /* the scenario's reader knows which operations can */
        *out_pretend = true;
        return true;
    case OP_REFUSE: end_scripted(call); return false;
    case OP_EXPIRED: cw_fail(call, RPC_UNAUTHENTICATED, NULL, "the API key has expired"); return false;
    case OP_OVER: return false;
    }
    return false;
}

bool cw_admits(struct cw_call *call, void (*write)(const char *message, struct buf *out))
{
    const char *words;
    BUF_AUTO message = BUF_INIT;
    if (write == NULL || !op_admits(&call->rpc->x, &words))
        return false;
    write(words, &message);
    cw_reply(call, &message);
    return true;
}

/* ---- answers -------------------------------------------------------------------------------- */

void cw_reply(struct cw_call *call, const struct buf *message)
{
    if (message->failed) {
        cw_fail(call, RPC_RESOURCE_EXHAUSTED, NULL, "the answer does not fit into memory");
        return;
    }
    if (call->rpc->ops->send(call->rpc, buf_cstr(message), message->len) == 0)
        (void) call->rpc->ops->end(call->rpc, RPC_OK, NULL, NULL, 0);
}
