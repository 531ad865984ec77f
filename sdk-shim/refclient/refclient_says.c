/* The library's structs in the words of the protocol. */
#include "refclient.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

static void add_text(cJSON *object, const char *name, const char *text)
{
    if (text == NULL) {
        cJSON_AddNullToObject(object, name);
        return;
    }
    char *clean = sbc_utf8_clean(text, strlen(text));
    cJSON_AddStringToObject(object, name, clean);
    free(clean);
}

static void add_number(cJSON *object, const char *name, bool is_known, int64_t number)
{
    if (is_known)
        cJSON_AddNumberToObject(object, name, (double) number);
    else
        cJSON_AddNullToObject(object, name);
}

struct cJSON *say_bytes(const struct sbc_bytes *bytes)
{
    if (bytes->data == NULL)
        return cJSON_CreateNull();
    cJSON *said = cJSON_CreateObject();
    char *text = sbc_base64_encode(bytes->data, bytes->size);
    cJSON_AddStringToObject(said, "base64", text);
    free(text);
    return said;
}

struct cJSON *say_sandbox(const struct sbc_sandbox_info *info)
{
    cJSON *said = cJSON_CreateObject();
    add_text(said, "id", info->id);
    add_text(said, "status", info->status);
    return said;
}

struct cJSON *say_process(const struct sbc_process_info *info)
{
    cJSON *said = cJSON_CreateObject();
    add_text(said, "id", info->id);
    add_text(said, "status", info->status);
    add_number(said, "exit_code", info->has_exit_code, info->exit_code);
    add_number(said, "pid", info->pid != 0, info->pid);
    add_text(said, "command", info->command);
    add_text(said, "cwd", info->cwd);
    return said;
}

struct cJSON *say_result(const struct sbc_result *result)
{
    cJSON *said = cJSON_CreateObject();
    add_text(said, "id", result->id);
    add_text(said, "status", result->status);
    add_number(said, "exit_code", result->has_exit_code, result->exit_code);
    cJSON_AddItemToObject(said, "stdout", say_bytes(&result->out));
    cJSON_AddItemToObject(said, "stderr", say_bytes(&result->err));
    add_number(said, "started_at", true, result->started_at);
    add_number(said, "completed_at", result->completed_at != 0, result->completed_at);
    add_text(said, "error", result->error);
    cJSON_AddBoolToObject(said, "output_truncated", result->is_truncated);
    return said;
}

struct cJSON *say_event(const struct sbc_event *event)
{
    cJSON *said = cJSON_CreateObject();
    cJSON_AddStringToObject(said, "type", sbc_event_type_name(event->type));
    if (event->type == SBC_EXIT) {
        cJSON_AddItemToObject(said, "result", say_result(&event->result));
        return said;
    }
    cJSON_AddItemToObject(said, "data", say_bytes(&event->data));
    cJSON_AddNumberToObject(said, "seq", (double) event->seq);
    cJSON_AddNumberToObject(said, "timestamp", (double) event->timestamp);
    return said;
}

/* ------------------------------------------------------------------ errors */

static const char *kind_of_status(int status)
{
    static const struct {
        int status;
        const char *kind;
    } kinds[] = {
        { 400, "invalid" },     { 401, "unauthenticated" }, { 403, "forbidden" },   { 404, "not_found" },
        { 408, "timeout" },     { 409, "conflict" },        { 410, "gone" },        { 413, "too_large" },
        { 422, "invalid" },     { 429, "rate_limited" },    { 502, "unavailable" }, { 503, "unavailable" },
        { 504, "unavailable" },
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (kinds[i].status == status)
            return kinds[i].kind;
    return status >= 500 && status < 600 ? "server" : "other";
}

/* The table of PROTOCOL.md, "Errors". */
static const char *kind_of(const struct sbc_error *err)
{
    static const char *const kinds[SBC_ERROR_KINDS] = {
        [SBC_OK] = "other",
        [SBC_HTTP] = "other",
        [SBC_ARGUMENT] = "invalid",
        [SBC_CONNECTION] = "connection",
        [SBC_WAIT_TIMEOUT] = "timeout",
        [SBC_MALFORMED] = "malformed",
        [SBC_INCOMPLETE] = "incomplete",
        [SBC_OUTPUT_LIMIT] = "output_limit",
        [SBC_UNSUPPORTED] = "unsupported",
        [SBC_CANCELLED] = "cancelled",
    };
    if (err->code != NULL && strcmp(err->code, "incomplete_output") == 0)
        return "incomplete";
    if (err->code != NULL && strcmp(err->code, "output_limit_exceeded") == 0)
        return "output_limit";
    return err->status != 0 ? kind_of_status(err->status) : kinds[err->kind];
}

struct cJSON *say_error(const struct sbc_error *err)
{
    static const char *const services[] = { [SBC_CONTROL] = "control", [SBC_RUNTIME] = "runtime" };
    cJSON *said = cJSON_CreateObject();
    cJSON_AddStringToObject(said, "kind", kind_of(err));
    cJSON_AddStringToObject(said, "class", sbc_error_kind_name(err->kind));
    add_text(said, "message", err->message);
    add_number(said, "status", err->status != 0, err->status);
    add_text(said, "code", err->code);
    if (err->service != SBC_NO_SERVICE)
        cJSON_AddStringToObject(said, "service", services[err->service]);
    cJSON_AddBoolToObject(said, "retryable", err->is_retryable);
    add_text(said, "request_id", err->request_id);
    cJSON_AddBoolToObject(said, "definite", err->is_definite);
    if (err->retry_after_ms > 0)
        cJSON_AddNumberToObject(said, "retry_after_ms", (double) err->retry_after_ms);
    cJSON *details = err->details == NULL ? NULL : sbc_json_parse(err->details, strlen(err->details));
    if (details != NULL)
        cJSON_AddItemToObject(said, "details", details);
    return said;
}

/* ---------------------------------------------------------------- outcomes */

void outcome_clear(struct outcome *outcome)
{
    cJSON_Delete(outcome->value);
    sbc_error_clear(&outcome->error);
    free(outcome->skipped);
    *outcome = (struct outcome){ 0 };
}

void outcome_skip(struct outcome *outcome, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    if (vasprintf(&outcome->skipped, fmt, args) < 0)
        abort(); /* only for want of memory */
    va_end(args);
}

struct cJSON *outcome_say(const struct outcome *outcome, const char *step)
{
    cJSON *said = cJSON_CreateObject();
    cJSON_AddStringToObject(said, "step", step);
    if (outcome->skipped != NULL)
        add_text(said, "skipped", outcome->skipped);
    if (outcome->value != NULL)
        cJSON_AddItemToObject(said, "value", cJSON_Duplicate(outcome->value, true));
    if (outcome->has_error)
        cJSON_AddItemToObject(said, "error", say_error(&outcome->error));
    return said;
}
