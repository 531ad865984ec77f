#include "cwc_error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cwc_mutants.h"
#include "cwc_wire.h"
#include "proto/rpc.pb-c.h"

/* Reasons of another domain are shown, and choose nothing. */
#define DOMAIN "cwsandbox.com"

static const char *const classes[CWC_ERROR_KINDS] = {
    [CWC_OK] = "OK",
    [CWC_ARGUMENT] = "ValueError",
    [CWC_WAIT_TIMEOUT] = "TimeoutError",
    [CWC_CANCELLED] = "CancelledError",
    [CWC_RPC] = "AioRpcError",
    [CWC_VENDOR] = "CWSandboxError",
    [CWC_AUTHENTICATION] = "CWSandboxAuthenticationError",
    [CWC_SANDBOX] = "SandboxError",
    [CWC_NOT_RUNNING] = "SandboxNotRunningError",
    [CWC_UNAVAILABLE] = "SandboxUnavailableError",
    [CWC_TIMEOUT] = "SandboxTimeoutError",
    [CWC_REQUEST_TIMEOUT] = "SandboxRequestTimeoutError",
    [CWC_COMMAND_TIMEOUT] = "SandboxCommandTimeoutError",
    [CWC_TERMINATED] = "SandboxTerminatedError",
    [CWC_FAILED] = "SandboxFailedError",
    [CWC_NOT_FOUND] = "SandboxNotFoundError",
    [CWC_EXECUTION] = "SandboxExecutionError",
    [CWC_CHECK] = "SandboxExecutionError",
    [CWC_CLOSED] = "SandboxExecutionError",
    [CWC_INCOMPLETE] = "SandboxExecutionError",
    [CWC_BACKPRESSURE] = "SandboxStreamBackpressureError",
    [CWC_TRUNCATED] = "SandboxStreamTruncatedError",
    [CWC_FILE] = "SandboxFileError",
    [CWC_EXHAUSTED] = "SandboxResourceExhaustedError",
    [CWC_STATE_UNKNOWN] = "SandboxTerminalStateUnavailableError",
    [CWC_VALIDATION] = "SandboxValidationError",
    [CWC_PROTOCOL] = "SandboxProtocolError",
};

const char *cwc_error_class(enum cwc_error_kind kind)
{
    return classes[kind];
}

const char *cwc_status_name(enum cwc_status status)
{
    static const char *const names[CWC_STATUSES] = {
        "OK",        "CANCELLED",         "UNKNOWN",            "INVALID_ARGUMENT",    "DEADLINE_EXCEEDED",
        "NOT_FOUND", "ALREADY_EXISTS",    "PERMISSION_DENIED",  "RESOURCE_EXHAUSTED",  "FAILED_PRECONDITION",
        "ABORTED",   "OUT_OF_RANGE",      "UNIMPLEMENTED",      "INTERNAL",            "UNAVAILABLE",
        "DATA_LOSS", "UNAUTHENTICATED",
    };
    return status >= 0 && status < CWC_STATUSES ? names[status] : "UNKNOWN";
}

/* --------------------------------------------------------------------- fill */

void cwc_error_clear(struct cwc_error *err)
{
    free(err->message);
    free(err->reason);
    for (size_t i = 0; i < err->detail_count; i++) {
        free(err->details[i].name);
        free(err->details[i].value);
    }
    free(err->details);
    if (err->result != NULL)
        cwc_result_clear(err->result);
    free(err->result);
    *err = (struct cwc_error) CWC_ERROR_INIT;
}

int cwc_error_set(struct cwc_error *err, enum cwc_error_kind kind, const char *fmt, ...)
{
    va_list args;
    if (err == NULL)
        return -1;
    cwc_error_clear(err);
    err->kind = kind;
    va_start(args, fmt);
    if (vasprintf(&err->message, fmt, args) < 0)
        abort(); /* only for want of memory */
    va_end(args);
    return -1;
}

int cwc_error_copy(struct cwc_error *err, const struct cwc_error *from)
{
    if (err == NULL)
        return -1;
    cwc_error_set(err, from->kind, "%s", from->message != NULL ? from->message : "");
    err->has_status = from->has_status;
    err->status = from->status;
    err->reason = sbc_text_copy(from->reason);
    err->retry_after_ms = from->retry_after_ms;
    err->details = sbc_alloc(from->detail_count + 1, sizeof *err->details);
    for (size_t i = 0; i < from->detail_count; i++)
        err->details[i] = (struct cwc_pair){ sbc_text_copy(from->details[i].name),
                                             sbc_text_copy(from->details[i].value) };
    err->detail_count = from->detail_count;
    if (from->result != NULL) {
        err->result = sbc_alloc(1, sizeof *err->result);
        cwc_result_copy(err->result, from->result);
    }
    return -1;
}

/* ----------------------------------------------------------------- details */

/* What the trailers said beside the status. */
struct found {
    bool is_trusted; /* of the vendor's domain */
    bool has_violations;
};

static bool take_info(const Rpc__Any *any, struct cwc_error *err, struct found *found)
{
    const struct sbc_buf bytes = { (char *) any->value.data, any->value.len, 0 };
    Rpc__ErrorInfo *info = cwc_wire_take(&rpc__error_info__descriptor, &bytes);
    if (info == NULL)
        return false;
    found->is_trusted = strcmp(info->domain, DOMAIN) == 0 || CWC_MUTANT(foreign_domain_trusted);
    err->reason = info->reason[0] == '\0' ? NULL : sbc_text_copy(info->reason);
    err->details = sbc_alloc(info->n_metadata + 1, sizeof *err->details);
    for (size_t i = 0; i < info->n_metadata; i++)
        err->details[err->detail_count++] = (struct cwc_pair){ sbc_text_copy(info->metadata[i]->key),
                                                               sbc_text_copy(info->metadata[i]->value) };
    protobuf_c_message_free_unpacked(&info->base, NULL);
    return true;
}

static void take_retry(const Rpc__Any *any, struct cwc_error *err)
{
    const struct sbc_buf bytes = { (char *) any->value.data, any->value.len, 0 };
    Rpc__RetryInfo *retry = cwc_wire_take(&rpc__retry_info__descriptor, &bytes);
    const Rpc__Duration *delay = retry == NULL ? NULL : retry->retry_delay;
    if (delay != NULL && delay->seconds >= 0 && delay->seconds < 1000000 && delay->nanos >= 0)
        err->retry_after_ms = delay->seconds * 1000 + delay->nanos / 1000000;
    if (retry != NULL)
        protobuf_c_message_free_unpacked(&retry->base, NULL);
}

static bool is_type(const Rpc__Any *any, const char *name)
{
    const char *slash = strrchr(any->type_url, '/');
    return slash != NULL && strcmp(slash + 1, name) == 0;
}

/* Details that cannot be read are none. */
static void take_details(const struct cwc_end *end, struct cwc_error *err, struct found *found)
{
    Rpc__Status *status = end->details.size == 0 || CWC_MUTANT(details_ignored)
                              ? NULL
                              : cwc_wire_take(&rpc__status__descriptor, &end->details);
    if (status == NULL)
        return;
    for (size_t i = 0; i < status->n_details; i++) {
        const Rpc__Any *any = status->details[i];
        if (is_type(any, "google.rpc.ErrorInfo") && err->details == NULL)
            take_info(any, err, found);
        else if (is_type(any, "google.rpc.RetryInfo"))
            take_retry(any, err);
        found->has_violations = found->has_violations || is_type(any, "google.rpc.BadRequest");
    }
    protobuf_c_message_free_unpacked(&status->base, NULL);
}

/* ------------------------------------------------------------------- choose */

static const struct {
    const char *reason;
    enum cwc_error_kind kind;
} reasons[] = {
    { "CWSANDBOX_SANDBOX_NOT_FOUND", CWC_NOT_FOUND },
    { "CWSANDBOX_FILE_NOT_FOUND", CWC_FILE },
    { "CWSANDBOX_FILE_IS_DIRECTORY", CWC_FILE },
    { "CWSANDBOX_FILE_IO_FAILED", CWC_FILE },
    { "CWSANDBOX_FILE_PERMISSION_DENIED", CWC_FILE },
    { "CWSANDBOX_FILE_TOO_LARGE", CWC_FILE },
    { "CWSANDBOX_FILE_TRUNCATED", CWC_FILE },
    { "CWSANDBOX_COMMAND_TIMEOUT", CWC_COMMAND_TIMEOUT },
    { "CWSANDBOX_RUNNER_UNAVAILABLE", CWC_UNAVAILABLE },
    { "CWSANDBOX_BACKEND_UNAVAILABLE", CWC_UNAVAILABLE },
    { "CWSANDBOX_RUNNER_SHARD_RETIRING", CWC_UNAVAILABLE },
};

static const struct {
    enum cwc_status status;
    enum cwc_error_kind kind;
} kinds[] = {
    { CWC_STATUS_CANCELLED, CWC_NOT_RUNNING },
    { CWC_STATUS_DEADLINE_EXCEEDED, CWC_REQUEST_TIMEOUT },
    { CWC_STATUS_NOT_FOUND, CWC_NOT_FOUND },
    { CWC_STATUS_PERMISSION_DENIED, CWC_AUTHENTICATION },
    { CWC_STATUS_UNAUTHENTICATED, CWC_AUTHENTICATION },
    { CWC_STATUS_RESOURCE_EXHAUSTED, CWC_EXHAUSTED },
    { CWC_STATUS_UNAVAILABLE, CWC_UNAVAILABLE },
};

static enum cwc_error_kind choose(const struct cwc_end *end, const struct cwc_error *err, const struct found *found,
                                  enum cwc_version version)
{
    for (size_t i = 0; found->is_trusted && err->reason != NULL && i < sizeof reasons / sizeof reasons[0]; i++)
        if (strcmp(reasons[i].reason, err->reason) == 0)
            return reasons[i].kind;
    if (version == CWC_V1 && end->status == CWC_STATUS_INVALID_ARGUMENT && found->has_violations)
        return CWC_VALIDATION;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (kinds[i].status == end->status)
            return kinds[i].kind;
    return CWC_SANDBOX;
}

int cwc_error_from_end(struct cwc_error *err, const struct cwc_end *end, enum cwc_version version,
                       const char *operation)
{
    struct found found = { 0 };
    if (err == NULL)
        return -1;
    if (end->is_ours && end->status == CWC_STATUS_CANCELLED)
        return cwc_error_set(err, CWC_CANCELLED, "%s: cancelled by the caller", operation);
    cwc_error_set(err, CWC_SANDBOX, "%s: %s: %s", operation, cwc_status_name(end->status),
                  end->message != NULL ? end->message : "");
    err->has_status = !CWC_MUTANT(status_lost);
    err->status = end->status;
    take_details(end, err, &found);
    err->kind = choose(end, err, &found, version);
    return -1;
}

int cwc_error_from_exec(struct cwc_error *err, const struct cwc_end *end, enum cwc_version version, const char *argv0,
                        double timeout_s)
{
    cwc_error_from_end(err, end, version, "Execute command");
    if (err == NULL || err->kind == CWC_CANCELLED)
        return -1;
    if (end->status == CWC_STATUS_DEADLINE_EXCEEDED) {
        char *message = sbc_text_format("Command %s timed out after %gs", argv0, timeout_s);
        free(err->message);
        err->message = message;
        err->kind = CWC_MUTANT(timeout_is_cancelled) ? CWC_CANCELLED : CWC_TIMEOUT;
    } else if (version == CWC_V1BETA2 || CWC_MUTANT(errors_untranslated)) {
        free(err->message); /* 0.22.0 does not translate here */
        err->message = sbc_text_copy(end->message != NULL ? end->message : "");
        err->kind = CWC_RPC;
    }
    return -1;
}
