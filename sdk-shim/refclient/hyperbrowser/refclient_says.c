/* The Hyperbrowser library's structs in the words of the protocol. */
#include "refclient_says.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

struct cJSON *say_bytes(const struct sbc_bytes *bytes)
{
    return bytes->data == NULL ? cJSON_CreateNull() : say_base64(bytes->data, bytes->size);
}

struct cJSON *say_sandbox(const struct sbc_sandbox_info *info)
{
    cJSON *said = cJSON_CreateObject();
    say_text(said, "id", info->id);
    say_text(said, "status", info->status);
    return said;
}

struct cJSON *say_process(const struct sbc_process_info *info)
{
    cJSON *said = cJSON_CreateObject();
    say_text(said, "id", info->id);
    say_text(said, "status", info->status);
    say_number(said, "exit_code", info->has_exit_code, info->exit_code);
    say_number(said, "pid", info->pid != 0, info->pid);
    say_text(said, "command", info->command);
    say_text(said, "cwd", info->cwd);
    return said;
}

struct cJSON *say_result(const struct sbc_result *result)
{
    cJSON *said = cJSON_CreateObject();
    say_text(said, "id", result->id);
    say_text(said, "status", result->status);
    say_number(said, "exit_code", result->has_exit_code, result->exit_code);
    cJSON_AddItemToObject(said, "stdout", say_bytes(&result->out));
    cJSON_AddItemToObject(said, "stderr", say_bytes(&result->err));
    say_number(said, "started_at", true, result->started_at);
    say_number(said, "completed_at", result->completed_at != 0, result->completed_at);
    say_text(said, "error", result->error);
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
    say_text(said, "message", err->message);
    say_number(said, "status", err->status != 0, err->status);
    say_text(said, "code", err->code);
    if (err->service != SBC_NO_SERVICE)
        cJSON_AddStringToObject(said, "service", services[err->service]);
    cJSON_AddBoolToObject(said, "retryable", err->is_retryable);
    say_text(said, "request_id", err->request_id);
    cJSON_AddBoolToObject(said, "definite", err->is_definite);
    if (err->retry_after_ms > 0)
        cJSON_AddNumberToObject(said, "retry_after_ms", (double) err->retry_after_ms);
    cJSON *details = err->details == NULL ? NULL : sbc_json_parse(err->details, strlen(err->details));
    if (details != NULL)
        cJSON_AddItemToObject(said, "details", details);
    return said;
}
