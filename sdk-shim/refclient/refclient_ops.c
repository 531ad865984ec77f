/* The operations, each a call of the library.  Arguments have been checked (refclient_run.c). */
#include "refclient.h"

#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

/* --------------------------------------------------------------- arguments */

static const cJSON *member(const cJSON *step, const char *name)
{
    const cJSON *node = cJSON_GetObjectItemCaseSensitive(step, name);
    return cJSON_IsNull(node) ? NULL : node;
}

static const char *text_of(const cJSON *step, const char *name)
{
    const cJSON *node = member(step, name);
    return node == NULL ? NULL : node->valuestring;
}

static double number_of(const cJSON *step, const char *name)
{
    const cJSON *node = member(step, name);
    return node == NULL ? 0 : node->valuedouble;
}

static int64_t whole_of(const cJSON *step, const char *name)
{
    return (int64_t) number_of(step, name);
}

/* 0 for what is no size. */
static size_t size_of(const cJSON *step, const char *name)
{
    int64_t size = whole_of(step, name);
    return size > 0 ? (size_t) size : 0;
}

/* NULL-terminated texts, borrowed, of a list or a single one; NULL when it is absent.  free() the list. */
static const char **texts_of(const cJSON *step, const char *name, size_t *out_count)
{
    const cJSON *node = member(step, name), *item;
    *out_count = 0;
    if (node == NULL)
        return NULL;
    const char **texts = sbc_alloc((size_t) cJSON_GetArraySize(node) + 2, sizeof *texts);
    if (cJSON_IsString(node))
        texts[(*out_count)++] = node->valuestring;
    else
        cJSON_ArrayForEach(item, node) texts[(*out_count)++] = item->valuestring;
    return texts;
}

static struct sbc_variable *variables_of(const cJSON *step, const char *name, size_t *out_count)
{
    const cJSON *node = member(step, name), *item;
    *out_count = 0;
    if (node == NULL)
        return NULL;
    struct sbc_variable *variables = sbc_alloc((size_t) cJSON_GetArraySize(node) + 1, sizeof *variables);
    cJSON_ArrayForEach(item, node) variables[(*out_count)++] = (struct sbc_variable){ item->string, item->valuestring };
    return variables;
}

static struct sbc_sandbox *sandbox_of(struct run *run, const cJSON *step, const char *name, struct outcome *outcome)
{
    struct sbc_sandbox *box = run_find_sandbox(run, text_of(step, name));
    if (box == NULL)
        outcome_skip(outcome, "there is no sandbox \"%s\"", text_of(step, name));
    return box;
}

static struct sbc_process *process_of(struct run *run, const cJSON *step, const char *name, struct outcome *outcome)
{
    struct sbc_process *process = run_find_process(run, text_of(step, name));
    if (process == NULL)
        outcome_skip(outcome, "there is no process \"%s\"", text_of(step, name));
    return process;
}

/* ---------------------------------------------------------------- outcomes */

static void tell_error(struct outcome *outcome)
{
    outcome->has_error = true;
}

static void tell_nothing(struct outcome *outcome, int failed)
{
    if (failed < 0)
        tell_error(outcome);
    else
        outcome->value = cJSON_CreateObject();
}

static void tell_sandbox(struct outcome *outcome, struct sbc_sandbox *box)
{
    struct sbc_sandbox_info info;
    sbc_sandbox_get_info(box, &info);
    outcome->value = say_sandbox(&info);
    sbc_sandbox_info_clear(&info);
}

static void tell_process(struct outcome *outcome, struct sbc_process *process)
{
    struct sbc_process_info info;
    sbc_process_get_info(process, &info);
    outcome->value = say_process(&info);
    sbc_process_info_clear(&info);
}

static void tell_result(struct outcome *outcome, int failed, struct sbc_result *result)
{
    if (failed < 0) {
        tell_error(outcome);
        return;
    }
    outcome->value = say_result(result);
    sbc_result_clear(result);
}

/* --------------------------------------------------------------- sandboxes */

static void keep_sandbox(struct run *run, const cJSON *step, struct sbc_sandbox *box, struct outcome *outcome)
{
    if (box == NULL) {
        tell_error(outcome);
        return;
    }
    tell_sandbox(outcome, box);
    run_keep_sandbox(run, text_of(step, "as"), box);
}

static void sandbox_create(struct run *run, const cJSON *step, struct outcome *outcome)
{
    struct sbc_sandbox_options options = {
        .image = text_of(step, "image"),
        .snapshot = text_of(step, "snapshot"),
        .timeout_minutes = whole_of(step, "timeout_minutes"),
        .vcpus = whole_of(step, "vcpus"),
        .memory_mib = whole_of(step, "memory_mib"),
    };
    keep_sandbox(run, step, sbc_sandbox_create(run->client, &options, &outcome->error), outcome);
}

static void sandbox_connect(struct run *run, const cJSON *step, struct outcome *outcome)
{
    struct sbc_sandbox_info info = { 0 };
    const char *id = text_of(step, "id");
    if (id == NULL) {
        struct sbc_sandbox *box = sandbox_of(run, step, "from", outcome);
        if (box == NULL)
            return;
        sbc_sandbox_get_info(box, &info);
        id = info.id;
    }
    keep_sandbox(run, step, sbc_sandbox_connect(run->client, id, &outcome->error), outcome);
    sbc_sandbox_info_clear(&info);
}

static void sandbox_refresh(struct run *run, const cJSON *step, struct outcome *outcome)
{
    struct sbc_sandbox *box = sandbox_of(run, step, "sandbox", outcome);
    if (box == NULL)
        return;
    if (sbc_sandbox_refresh(box, &outcome->error) < 0)
        tell_error(outcome);
    else
        tell_sandbox(outcome, box);
}

static void sandbox_status(struct run *run, const cJSON *step, struct outcome *outcome)
{
    struct sbc_sandbox *box = sandbox_of(run, step, "sandbox", outcome);
    if (box != NULL)
        tell_sandbox(outcome, box);
}

static void sandbox_list(struct run *run, const cJSON *step, struct outcome *outcome)
{
    struct sbc_sandbox_query query = { .status = text_of(step, "status"), .limit = whole_of(step, "limit") };
    struct sbc_sandbox_list list;
    if (sbc_sandbox_list(run->client, &query, &list, &outcome->error) < 0) {
        tell_error(outcome);
        return;
    }
    outcome->value = cJSON_CreateObject();
    cJSON *items = cJSON_AddArrayToObject(outcome->value, "items");
    for (size_t i = 0; i < list.count; i++)
        cJSON_AddItemToArray(items, say_sandbox(&list.items[i]));
    sbc_sandbox_list_clear(&list);
}

static void sandbox_stop(struct run *run, const cJSON *step, struct outcome *outcome)
{
    struct sbc_sandbox *box = sandbox_of(run, step, "sandbox", outcome);
    if (box != NULL)
        tell_nothing(outcome, sbc_sandbox_stop(box, &outcome->error));
}

/* ---------------------------------------------------------- start and exec */

static struct sbc_command command_of(const cJSON *step)
{
    struct sbc_command command = {
        .command = text_of(step, "command"),
        .cwd = text_of(step, "cwd"),
        .timeout_ms = whole_of(step, "timeout_ms"),
        .timeout_s = number_of(step, "timeout_s"),
        .user = text_of(step, "user"),
        .max_output_bytes = size_of(step, "max_output_bytes"),
    };
    command.args = texts_of(step, "args", &command.arg_count);
    command.env = variables_of(step, "env", &command.env_count);
    return command;
}

static void free_command(struct sbc_command *command)
{
    free((void *) (uintptr_t) command->args);
    free((void *) (uintptr_t) command->env);
}

static void process_exec(struct run *run, const cJSON *step, struct outcome *outcome)
{
    struct sbc_sandbox *box = sandbox_of(run, step, "sandbox", outcome);
    if (box == NULL)
        return;
    struct sbc_command command = command_of(step);
    struct sbc_result result;
    tell_result(outcome, sbc_exec(box, &command, &result, &outcome->error), &result);
    free_command(&command);
}

static void keep_process(struct run *run, const cJSON *step, struct sbc_process *process, struct outcome *outcome)
{
    if (process == NULL) {
        tell_error(outcome);
        return;
    }
    tell_process(outcome, process);
    run_keep_process(run, text_of(step, "as"), process);
}

static void process_start(struct run *run, const cJSON *step, struct outcome *outcome)
{
    struct sbc_sandbox *box = sandbox_of(run, step, "sandbox", outcome);
    if (box == NULL)
        return;
    struct sbc_command command = command_of(step);
    keep_process(run, step, sbc_process_start(box, &command, &outcome->error), outcome);
    free_command(&command);
}

/* -------------------------------------------------------------------- look */

static void process_get(struct run *run, const cJSON *step, struct outcome *outcome)
{
    struct sbc_process_info info = { 0 };
    struct sbc_sandbox *box = sandbox_of(run, step, "sandbox", outcome);
    if (box == NULL)
        return;
    const char *id = text_of(step, "id");
    if (id == NULL) {
        struct sbc_process *process = process_of(run, step, "from", outcome);
        if (process == NULL)
            return;
        sbc_process_get_info(process, &info);
        id = info.id;
    }
    keep_process(run, step, sbc_process_get(box, id, &outcome->error), outcome);
    sbc_process_info_clear(&info);
}

/* A text, or what an earlier step gave; false: that gave none. */
static bool find_cursor(struct run *run, const cJSON *step, const char **out_cursor, struct outcome *outcome)
{
    const cJSON *node = member(step, "cursor");
    const cJSON *given = cJSON_IsObject(node) ? run_find_value(run, text_of(node, "step"), "cursor") : node;
    *out_cursor = cJSON_IsString(given) ? given->valuestring : NULL;
    if (node == NULL || *out_cursor != NULL)
        return true;
    outcome_skip(outcome, "step \"%s\" gave no cursor", text_of(node, "step"));
    return false;
}

static void process_list(struct run *run, const cJSON *step, struct outcome *outcome)
{
    struct sbc_process_query query = { .limit = whole_of(step, "limit") };
    struct sbc_sandbox *box = sandbox_of(run, step, "sandbox", outcome);
    if (box == NULL || !find_cursor(run, step, &query.cursor, outcome))
        return;
    struct sbc_process_list list;
    const char **status = texts_of(step, "status", &query.status_count);
    query.status = status;
    int failed = sbc_process_list(box, &query, &list, &outcome->error);
    free((void *) (uintptr_t) status);
    if (failed < 0) {
        tell_error(outcome);
        return;
    }
    outcome->value = cJSON_CreateObject();
    cJSON *items = cJSON_AddArrayToObject(outcome->value, "items");
    for (size_t i = 0; i < list.count; i++)
        cJSON_AddItemToArray(items, say_process(&list.items[i]));
    cJSON_AddItemToObject(outcome->value, "cursor",
                          list.cursor != NULL ? cJSON_CreateString(list.cursor) : cJSON_CreateNull());
    sbc_process_list_clear(&list);
}

static void process_status(struct run *run, const cJSON *step, struct outcome *outcome)
{
    struct sbc_process *process = process_of(run, step, "process", outcome);
    if (process != NULL)
        tell_process(outcome, process);
}

static void process_poll(struct run *run, const cJSON *step, struct outcome *outcome)
{
    struct sbc_process_info info;
    struct sbc_process *process = process_of(run, step, "process", outcome);
    if (process == NULL)
        return;
    if (sbc_process_poll(process, &info, &outcome->error) < 0) {
        tell_error(outcome);
        return;
    }
    outcome->value = say_process(&info);
    sbc_process_info_clear(&info);
}

/* -------------------------------------------------------- wait, kill, signal */

static const struct sbc_limit *limit_of(const cJSON *step, struct sbc_limit *limit)
{
    *limit = (struct sbc_limit){ whole_of(step, "timeout_ms"), number_of(step, "timeout_s") };
    return member(step, "timeout_ms") != NULL || member(step, "timeout_s") != NULL ? limit : NULL;
}

static void process_wait(struct run *run, const cJSON *step, struct outcome *outcome)
{
    struct sbc_limit limit;
    struct sbc_result result;
    struct sbc_process *process = process_of(run, step, "process", outcome);
    if (process != NULL)
        tell_result(outcome, sbc_process_wait(process, limit_of(step, &limit), &result, &outcome->error), &result);
}

static void process_result(struct run *run, const cJSON *step, struct outcome *outcome)
{
    struct sbc_result result;
    struct sbc_process *process = process_of(run, step, "process", outcome);
    if (process != NULL)
        tell_result(outcome, sbc_process_result(process, &result, &outcome->error), &result);
}

static void process_kill(struct run *run, const cJSON *step, struct outcome *outcome)
{
    struct sbc_limit limit;
    struct sbc_result result;
    struct sbc_process *process = process_of(run, step, "process", outcome);
    if (process != NULL)
        tell_result(outcome, sbc_process_kill(process, limit_of(step, &limit), &result, &outcome->error), &result);
}

static void process_signal(struct run *run, const cJSON *step, struct outcome *outcome)
{
    struct sbc_process *process = process_of(run, step, "process", outcome);
    if (process == NULL)
        return;
    if (sbc_process_signal(process, text_of(step, "signal"), &outcome->error) < 0)
        tell_error(outcome);
    else
        tell_process(outcome, process);
}

/* ------------------------------------------------------------------- stdin */

/* A text, or {"base64":...} for bytes; free() what it gives. */
static struct sbc_bytes data_of(const cJSON *node, bool *out_is_bytes)
{
    *out_is_bytes = cJSON_IsObject(node);
    if (!*out_is_bytes)
        return sbc_json_bytes(node);
    struct sbc_buf bytes = { 0 };
    const char *text = text_of(node, "base64");
    sbc_base64_decode(text, strlen(text), &bytes);
    size_t size = bytes.size;
    return (struct sbc_bytes){ sbc_buf_take(&bytes), size };
}

static void process_write(struct run *run, const cJSON *step, struct outcome *outcome)
{
    struct sbc_process *process = process_of(run, step, "process", outcome);
    if (process == NULL)
        return;
    const cJSON *node = member(step, "data");
    const char *encoding = text_of(step, "encoding");
    bool is_bytes = false;
    struct sbc_bytes data = node == NULL ? (struct sbc_bytes){ NULL, 0 } : data_of(node, &is_bytes);
    struct sbc_input input = { data.data, data.size, is_bytes ? SBC_BYTES : SBC_TEXT,
                               cJSON_IsTrue(member(step, "eof")) };
    if (!is_bytes && encoding != NULL && strcmp(encoding, "base64") == 0)
        input.form = SBC_BASE64;
    tell_nothing(outcome, sbc_process_write(process, &input, &outcome->error));
    free(data.data);
}

static void process_close_stdin(struct run *run, const cJSON *step, struct outcome *outcome)
{
    struct sbc_process *process = process_of(run, step, "process", outcome);
    if (process != NULL)
        tell_nothing(outcome, sbc_process_close_stdin(process, &outcome->error));
}

/* ----------------------------------------------------------------- streams */

/* Until its end, an error, or `take` events of output. */
static void read_stream(struct sbc_stream *stream, int64_t take, struct outcome *outcome)
{
    outcome->value = cJSON_CreateObject();
    cJSON *events = cJSON_AddArrayToObject(outcome->value, "events");
    struct sbc_event event;
    int64_t taken = 0;
    int got = 1;
    while ((take == 0 || taken < take) && (got = sbc_stream_next(stream, &event, &outcome->error)) > 0) {
        taken += event.type != SBC_EXIT;
        cJSON_AddItemToArray(events, say_event(&event));
        sbc_event_clear(&event);
    }
    outcome->has_error = got < 0;
    cJSON_AddBoolToObject(outcome->value, "ended", got == 0);
}

static void process_stream(struct run *run, const cJSON *step, struct outcome *outcome)
{
    struct sbc_process *process = process_of(run, step, "process", outcome);
    if (process == NULL)
        return;
    struct sbc_stream *stream = sbc_stream_open(process, whole_of(step, "from_seq"), &outcome->error);
    if (stream == NULL) {
        tell_error(outcome);
        return;
    }
    read_stream(stream, whole_of(step, "take"), outcome);
    sbc_stream_close(stream);
}

static void process_disconnect(struct run *run, const cJSON *step, struct outcome *outcome)
{
    struct sbc_process *process = process_of(run, step, "process", outcome);
    if (process != NULL)
        tell_nothing(outcome, sbc_process_disconnect(process, &outcome->error));
}

/* ------------------------------------------------------------------- table */

#define COMMAND_ARGS "sandbox:t! command:t! args:l cwd:t env:o timeout_ms:w timeout_s:n user:t"
#define COMMAND_FINE "cwd env timeout_ms timeout_s user args"

const struct op ops[] = {
    { "sandbox.create", "as:t! image:t snapshot:t timeout_minutes:w vcpus:w memory_mib:w - env",
      "snapshot timeout_minutes vcpus memory_mib", ON_BOTH, sandbox_create },
    { "sandbox.connect", "as:t! id:t|from:t", "", ON_BOTH, sandbox_connect },
    { "sandbox.refresh", "sandbox:t!", "", ON_BOTH, sandbox_refresh },
    { "sandbox.status", "sandbox:t!", "", ON_BOTH, sandbox_status },
    { "sandbox.list", "status:t limit:w", "status limit", ON_BOTH, sandbox_list },
    { "sandbox.stop", "sandbox:t!", "", ON_BOTH, sandbox_stop },
    { "exec", COMMAND_ARGS " - check max_output_bytes", COMMAND_FINE, ON_A, process_exec },
    { "start", COMMAND_ARGS " as:t! - max_output_bytes", COMMAND_FINE, ON_A, process_start },
    { "exec", COMMAND_ARGS " max_output_bytes:w - check", COMMAND_FINE " max_output_bytes", ON_B, process_exec },
    { "start", COMMAND_ARGS " as:t! max_output_bytes:w", COMMAND_FINE " max_output_bytes", ON_B, process_start },
    { "get", "sandbox:t! as:t! id:t|from:t", "", ON_BOTH, process_get },
    { "list", "sandbox:t! status:L limit:w cursor:c", "status limit cursor", ON_BOTH, process_list },
    { "status", "process:t!", "", ON_BOTH, process_status },
    { "poll", "process:t!", "", ON_BOTH, process_poll },
    { "wait", "process:t! timeout_ms:w timeout_s:n", "timeout_ms timeout_s", ON_BOTH, process_wait },
    { "result", "process:t!", "", ON_BOTH, process_result },
    { "kill", "process:t! timeout_ms:w timeout_s:n", "timeout_ms", ON_BOTH, process_kill },
    { "signal", "process:t! signal:t!", "", ON_BOTH, process_signal },
    { "write", "process:t! data:d encoding:t eof:b", "bytes eof", ON_BOTH, process_write },
    { "close_stdin", "process:t!", "", ON_BOTH, process_close_stdin },
    { "stream", "process:t! from_seq:w take:w", "from_seq", ON_BOTH, process_stream },
    { "disconnect", "process:t!", "", ON_B, process_disconnect },
};
const size_t op_count = sizeof ops / sizeof ops[0];

const struct op *op_find(const char *name, enum sbc_protocol protocol)
{
    for (size_t i = 0; i < op_count; i++)
        if (strcmp(ops[i].name, name) == 0 && (ops[i].protocols & (protocol == SBC_PROTOCOL_A ? ON_A : ON_B)) != 0)
            return &ops[i];
    return NULL;
}
