/* Hyperbrowser: the operations, each a call of the library.  Arguments have been checked (refclient_run.c). */
#include "refclient_says.h"

#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "sbc_mutants.h"

/* --------------------------------------------------------------- arguments */

/* 0 for what is no size. */
static size_t size_of(const cJSON *step, const char *name)
{
    int64_t size = step_whole(step, name);
    return size > 0 ? (size_t) size : 0;
}

static struct sbc_variable *variables_of(const cJSON *step, const char *name, size_t *out_count)
{
    const cJSON *node = step_member(step, name), *item;
    *out_count = 0;
    if (node == NULL)
        return NULL;
    struct sbc_variable *variables = sbc_alloc((size_t) cJSON_GetArraySize(node) + 1, sizeof *variables);
    cJSON_ArrayForEach(item, node) variables[(*out_count)++] = (struct sbc_variable){ item->string, item->valuestring };
    return variables;
}

static struct sbc_sandbox *sandbox_of(struct run *run, const cJSON *step, const char *name, struct outcome *outcome)
{
    return run_handle(run, step, name, HANDLE_SANDBOX, outcome);
}

static struct sbc_process *process_of(struct run *run, const cJSON *step, const char *name, struct outcome *outcome)
{
    return run_handle(run, step, name, HANDLE_PROCESS, outcome);
}

/* ---------------------------------------------------------------- outcomes */

static void tell_error(struct outcome *outcome)
{
    outcome->has_error = true;
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
    run_keep(run, step_text(step, "as"), HANDLE_SANDBOX, box);
}

static void sandbox_create(struct run *run, const cJSON *step, struct outcome *outcome)
{
    struct sbc_sandbox_options options = {
        .image = step_text(step, "image"),
        .snapshot = step_text(step, "snapshot"),
        .timeout_minutes = step_whole(step, "timeout_minutes"),
        .vcpus = step_whole(step, "vcpus"),
        .memory_mib = step_whole(step, "memory_mib"),
    };
    keep_sandbox(run, step, sbc_sandbox_create(run->client, &options, outcome->error), outcome);
}

static void sandbox_connect(struct run *run, const cJSON *step, struct outcome *outcome)
{
    struct sbc_sandbox_info info = { 0 };
    const char *id = step_text(step, "id");
    if (id == NULL) {
        struct sbc_sandbox *box = sandbox_of(run, step, "from", outcome);
        if (box == NULL)
            return;
        sbc_sandbox_get_info(box, &info);
        id = info.id;
    }
    keep_sandbox(run, step, sbc_sandbox_connect(run->client, id, outcome->error), outcome);
    sbc_sandbox_info_clear(&info);
}

static void sandbox_refresh(struct run *run, const cJSON *step, struct outcome *outcome)
{
    struct sbc_sandbox *box = sandbox_of(run, step, "sandbox", outcome);
    if (box == NULL)
        return;
    if (sbc_sandbox_refresh(box, outcome->error) < 0)
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
    struct sbc_sandbox_query query = { .status = step_text(step, "status"), .limit = step_whole(step, "limit") };
    struct sbc_sandbox_list list;
    if (sbc_sandbox_list(run->client, &query, &list, outcome->error) < 0) {
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
        outcome_tell(outcome, sbc_sandbox_stop(box, outcome->error));
}

/* ---------------------------------------------------------- start and exec */

static struct sbc_command command_of(const cJSON *step)
{
    struct sbc_command command = {
        .command = step_text(step, "command"),
        .cwd = step_text(step, "cwd"),
        .timeout_ms = step_whole(step, "timeout_ms"),
        .timeout_s = step_number(step, "timeout_s"),
        .user = step_text(step, "user"),
        .max_output_bytes = size_of(step, "max_output_bytes"),
    };
    command.args = step_texts(step, "args", &command.arg_count);
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
    tell_result(outcome, sbc_exec(box, &command, &result, outcome->error), &result);
    free_command(&command);
}

static void keep_process(struct run *run, const cJSON *step, struct sbc_process *process, struct outcome *outcome)
{
    if (process == NULL) {
        tell_error(outcome);
        return;
    }
    tell_process(outcome, process);
    run_keep(run, step_text(step, "as"), HANDLE_PROCESS, process);
}

static void process_start(struct run *run, const cJSON *step, struct outcome *outcome)
{
    struct sbc_sandbox *box = sandbox_of(run, step, "sandbox", outcome);
    if (box == NULL)
        return;
    struct sbc_command command = command_of(step);
    keep_process(run, step, sbc_process_start(box, &command, outcome->error), outcome);
    free_command(&command);
}

/* -------------------------------------------------------------------- look */

static void process_get(struct run *run, const cJSON *step, struct outcome *outcome)
{
    struct sbc_process_info info = { 0 };
    struct sbc_sandbox *box = sandbox_of(run, step, "sandbox", outcome);
    if (box == NULL)
        return;
    const char *id = step_text(step, "id");
    if (id == NULL) {
        struct sbc_process *process = process_of(run, step, "from", outcome);
        if (process == NULL)
            return;
        sbc_process_get_info(process, &info);
        id = info.id;
    }
    keep_process(run, step, sbc_process_get(box, id, outcome->error), outcome);
    sbc_process_info_clear(&info);
}

/* A text, or what an earlier step gave; false: that gave none. */
static bool find_cursor(struct run *run, const cJSON *step, const char **out_cursor, struct outcome *outcome)
{
    const cJSON *node = step_member(step, "cursor");
    const cJSON *given = cJSON_IsObject(node) ? run_find_value(run, step_text(node, "step"), "cursor") : node;
    *out_cursor = cJSON_IsString(given) ? given->valuestring : NULL;
    if (node == NULL || *out_cursor != NULL)
        return true;
    outcome_skip(outcome, "step \"%s\" gave no cursor", step_text(node, "step"));
    return false;
}

static void process_list(struct run *run, const cJSON *step, struct outcome *outcome)
{
    struct sbc_process_query query = { .limit = step_whole(step, "limit") };
    struct sbc_sandbox *box = sandbox_of(run, step, "sandbox", outcome);
    if (box == NULL || !find_cursor(run, step, &query.cursor, outcome))
        return;
    struct sbc_process_list list;
    const char **status = step_texts(step, "status", &query.status_count);
    query.status = status;
    int failed = sbc_process_list(box, &query, &list, outcome->error);
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
    if (sbc_process_poll(process, &info, outcome->error) < 0) {
        tell_error(outcome);
        return;
    }
    outcome->value = say_process(&info);
    sbc_process_info_clear(&info);
}

/* -------------------------------------------------------- wait, kill, signal */

static const struct sbc_limit *limit_of(const cJSON *step, struct sbc_limit *limit)
{
    *limit = (struct sbc_limit){ step_whole(step, "timeout_ms"), step_number(step, "timeout_s") };
    return step_member(step, "timeout_ms") != NULL || step_member(step, "timeout_s") != NULL ? limit : NULL;
}

static void process_wait(struct run *run, const cJSON *step, struct outcome *outcome)
{
    struct sbc_limit limit;
    struct sbc_result result;
    struct sbc_process *process = process_of(run, step, "process", outcome);
    if (process != NULL)
        tell_result(outcome, sbc_process_wait(process, limit_of(step, &limit), &result, outcome->error), &result);
}

static void process_result(struct run *run, const cJSON *step, struct outcome *outcome)
{
    struct sbc_result result;
    struct sbc_process *process = process_of(run, step, "process", outcome);
    if (process != NULL)
        tell_result(outcome, sbc_process_result(process, &result, outcome->error), &result);
}

static void process_kill(struct run *run, const cJSON *step, struct outcome *outcome)
{
    struct sbc_limit limit;
    struct sbc_result result;
    struct sbc_process *process = process_of(run, step, "process", outcome);
    if (process != NULL)
        tell_result(outcome, sbc_process_kill(process, limit_of(step, &limit), &result, outcome->error), &result);
}

static void process_signal(struct run *run, const cJSON *step, struct outcome *outcome)
{
    struct sbc_process *process = process_of(run, step, "process", outcome);
    if (process == NULL)
        return;
    if (sbc_process_signal(process, step_text(step, "signal"), outcome->error) < 0)
        tell_error(outcome);
    else
        tell_process(outcome, process);
}

/* ------------------------------------------------------------------- stdin */

static void process_write(struct run *run, const cJSON *step, struct outcome *outcome)
{
    struct sbc_process *process = process_of(run, step, "process", outcome);
    if (process == NULL)
        return;
    const cJSON *node = step_member(step, "data");
    const char *encoding = step_text(step, "encoding");
    bool is_bytes = false;
    struct sbc_bytes data = node == NULL ? (struct sbc_bytes){ NULL, 0 } : step_data(node, &is_bytes);
    struct sbc_input input = { data.data, data.size, is_bytes ? SBC_BYTES : SBC_TEXT,
                               cJSON_IsTrue(step_member(step, "eof")) };
    if (!is_bytes && encoding != NULL && strcmp(encoding, "base64") == 0)
        input.form = SBC_BASE64;
    outcome_tell(outcome, sbc_process_write(process, &input, outcome->error));
    free(data.data);
}

static void process_close_stdin(struct run *run, const cJSON *step, struct outcome *outcome)
{
    struct sbc_process *process = process_of(run, step, "process", outcome);
    if (process != NULL)
        outcome_tell(outcome, sbc_process_close_stdin(process, outcome->error));
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
    while ((take == 0 || taken < take) && (got = sbc_stream_next(stream, &event, outcome->error)) > 0) {
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
    struct sbc_stream *stream = sbc_stream_open(process, step_whole(step, "from_seq"), outcome->error);
    if (stream == NULL) {
        tell_error(outcome);
        return;
    }
    read_stream(stream, step_whole(step, "take"), outcome);
    sbc_stream_close(stream);
}

static void process_disconnect(struct run *run, const cJSON *step, struct outcome *outcome)
{
    struct sbc_process *process = process_of(run, step, "process", outcome);
    if (process != NULL)
        outcome_tell(outcome, sbc_process_disconnect(process, outcome->error));
}

/* ------------------------------------------------------------------- table */

#define COMMAND_ARGS "sandbox:t! command:t! args:l cwd:t env:o timeout_ms:w timeout_s:n user:t"
#define COMMAND_FINE "cwd env timeout_ms timeout_s user args"

#define ON_A    ON(SBC_PROTOCOL_A)
#define ON_B    ON(SBC_PROTOCOL_B)
#define ON_BOTH (ON_A | ON_B)

static const struct op ops[] = {
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

static const struct protocol protocols[] = {
    [SBC_PROTOCOL_B] = { "b", "refclient-b", "client.timeout_ms client.runtime_proxy background join sync protocol-b" },
    [SBC_PROTOCOL_A] = { "a", "refclient-a", "client.timeout_ms client.runtime_proxy background join sync protocol-a" },
};

/* ------------------------------------------------------------------ vendor */

static void *client_new(const cJSON *options, unsigned protocol, char **out_problem)
{
    struct sbc_error err = SBC_ERROR_INIT;
    struct sbc_client_options made = {
        .url = step_text(options, "url"),
        .api_key = step_text(options, "api_key"),
        .protocol = (enum sbc_protocol) protocol,
        .timeout_ms = step_whole(options, "timeout_ms"),
        .runtime_proxy = step_text(options, "runtime_proxy"),
    };
    struct sbc_client *client = sbc_client_new(&made, &err);
    if (client == NULL)
        *out_problem = sbc_text_copy(err.message);
    sbc_error_clear(&err);
    return client;
}

static void client_cancel(void *client)
{
    sbc_client_cancel(client);
}

static void client_free(void *client)
{
    sbc_client_free(client);
}

static void sandbox_free(void *box)
{
    sbc_sandbox_free(box);
}

static void process_free(void *process)
{
    sbc_process_free(process);
}

static void error_clear(void *error)
{
    sbc_error_clear(error);
}

static struct cJSON *error_say(const void *error)
{
    return say_error(error);
}

const struct vendor vendor_hyperbrowser = {
    .name = "hyperbrowser",
    .protocols = protocols,
    .protocol_count = sizeof protocols / sizeof protocols[0],
    .ops = ops,
    .op_count = sizeof ops / sizeof ops[0],
    .client_args = "url:t! api_key:t! timeout_ms:w runtime_proxy:t",
    .client_new = client_new,
    .client_cancel = client_cancel,
    .client_free = client_free,
    .handle_free = { [HANDLE_SANDBOX] = sandbox_free, [HANDLE_PROCESS] = process_free },
    .error_size = sizeof(struct sbc_error),
    .error_clear = error_clear,
    .error_say = error_say,
#ifdef SBC_MUTANTS
    .mutant_choose = sbc_mutants_choose,
    .mutant_list = sbc_mutants_list,
#endif
};
