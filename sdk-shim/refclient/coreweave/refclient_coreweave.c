/* CoreWeave: the operations, each a call of the library, and its words.  Arguments have been checked. */
#include "refclient.h"

#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "cwc_mutants.h"
#include "standbox_coreweave.h"

/* -------------------------------------------------------------------- words */

/* Text that may hold NUL. */
static cJSON *say_string(const char *data, size_t size)
{
    return sbc_json_new_text(data, size);
}

static cJSON *say_sandbox(struct cwc_sandbox *box, const struct run *run)
{
    struct cwc_sandbox_info info;
    cJSON *said = cJSON_CreateObject();
    cwc_sandbox_get_info(box, &info);
    say_text(said, "id", info.id);
    say_text(said, "status", cwc_state_name(info.state));
    if (run->protocol == CWC_V1)
        say_number(said, "exit_code", info.has_exit_code, info.exit_code);
    cwc_sandbox_info_clear(&info);
    return said;
}

static cJSON *say_process(struct cwc_process *process, bool has_stdin)
{
    int exit_code = 0;
    size_t argc;
    cJSON *said = cJSON_CreateObject();
    bool is_known = cwc_process_poll(process, &exit_code) != 0;
    say_number(said, "exit_code", is_known && !(CWC_MUTANT(exit_code_0_lost) && exit_code == 0), exit_code);
    const char *const *argv = cwc_process_argv(process, &argc);
    cJSON *command = cJSON_AddArrayToObject(said, "command");
    for (size_t i = 0; i < argc; i++)
        cJSON_AddItemToArray(command, cJSON_CreateString(argv[i]));
    if (has_stdin)
        cJSON_AddBoolToObject(said, "stdin", cwc_process_has_stdin(process) || CWC_MUTANT(writer_always));
    return said;
}

static cJSON *say_result(const struct cwc_result *result)
{
    cJSON *said = cJSON_CreateObject();
    say_number(said, "exit_code", !CWC_MUTANT(exit_code_0_lost) || result->exit_code != 0, result->exit_code);
    cJSON_AddItemToObject(said, "stdout", say_string(result->text, result->text_size));
    cJSON_AddItemToObject(said, "stderr", say_string(result->err_text, result->err_text_size));
    cJSON_AddItemToObject(said, "stdout_bytes", say_base64(result->out.data, result->out.size));
    cJSON_AddItemToObject(said, "stderr_bytes", say_base64(result->err.data, result->err.size));
    return said;
}

static const char *const kind_of_status[CWC_STATUSES] = {
    [CWC_STATUS_OK] = "other",
    [CWC_STATUS_CANCELLED] = "cancelled",
    [CWC_STATUS_UNKNOWN] = "server",
    [CWC_STATUS_INVALID_ARGUMENT] = "invalid",
    [CWC_STATUS_DEADLINE_EXCEEDED] = "timeout",
    [CWC_STATUS_NOT_FOUND] = "not_found",
    [CWC_STATUS_ALREADY_EXISTS] = "conflict",
    [CWC_STATUS_PERMISSION_DENIED] = "forbidden",
    [CWC_STATUS_RESOURCE_EXHAUSTED] = "rate_limited",
    [CWC_STATUS_FAILED_PRECONDITION] = "conflict",
    [CWC_STATUS_ABORTED] = "conflict",
    [CWC_STATUS_OUT_OF_RANGE] = "invalid",
    [CWC_STATUS_UNIMPLEMENTED] = "unsupported",
    [CWC_STATUS_INTERNAL] = "server",
    [CWC_STATUS_UNAVAILABLE] = "unavailable",
    [CWC_STATUS_DATA_LOSS] = "server",
    [CWC_STATUS_UNAUTHENTICATED] = "unauthenticated",
};

/* Of errors without a status. */
static const char *const kind_of_error[CWC_ERROR_KINDS] = {
    [CWC_ARGUMENT] = "invalid",          [CWC_WAIT_TIMEOUT] = "timeout",    [CWC_CANCELLED] = "cancelled",
    [CWC_AUTHENTICATION] = "unauthenticated",
    [CWC_NOT_RUNNING] = "conflict",      [CWC_UNAVAILABLE] = "unavailable", [CWC_TIMEOUT] = "timeout",
    [CWC_REQUEST_TIMEOUT] = "timeout",   [CWC_COMMAND_TIMEOUT] = "timeout", [CWC_TERMINATED] = "conflict",
    [CWC_FAILED] = "conflict",           [CWC_NOT_FOUND] = "not_found",     [CWC_CHECK] = "check_failed",
    [CWC_CLOSED] = "conflict",           [CWC_INCOMPLETE] = "connection",   [CWC_BACKPRESSURE] = "incomplete",
    [CWC_TRUNCATED] = "incomplete",      [CWC_EXHAUSTED] = "rate_limited",  [CWC_VALIDATION] = "invalid",
    [CWC_PROTOCOL] = "malformed",
};

static const char *kind_of(const struct cwc_error *err)
{
    if (err->has_status)
        return kind_of_status[err->status];
    if (err->kind == CWC_EXECUTION && err->reason != NULL && strncmp(err->reason, "STREAM_", 7) == 0)
        return "incomplete";
    return kind_of_error[err->kind] != NULL ? kind_of_error[err->kind] : "other";
}

/* What the server said beside its words, or the result that a check refused. */
static cJSON *say_details(const struct cwc_error *err)
{
    if (err->result != NULL)
        return say_result(err->result);
    if (err->detail_count == 0)
        return NULL;
    cJSON *said = cJSON_CreateObject();
    for (size_t i = 0; i < err->detail_count; i++)
        say_text(said, err->details[i].name, err->details[i].value);
    return said;
}

static cJSON *error_say(const void *error)
{
    const struct cwc_error *err = error;
    cJSON *said = cJSON_CreateObject(), *details = say_details(err);
    cJSON_AddStringToObject(said, "kind", kind_of(err));
    cJSON_AddStringToObject(said, "class", cwc_error_class(err->kind));
    say_text(said, "message", err->message);
    say_text(said, "status", err->has_status ? cwc_status_name(err->status) : NULL);
    say_text(said, "code", err->reason);
    if (err->retry_after_ms > 0)
        cJSON_AddNumberToObject(said, "retry_after_ms", (double) err->retry_after_ms);
    if (details != NULL)
        cJSON_AddItemToObject(said, "details", details);
    return said;
}

/* ---------------------------------------------------------------- arguments */

static struct cwc_sandbox *sandbox_of(struct run *run, const cJSON *step, struct outcome *outcome)
{
    return run_handle(run, step, "sandbox", HANDLE_SANDBOX, outcome);
}

static struct cwc_process *process_of(struct run *run, const cJSON *step, struct outcome *outcome)
{
    return run_handle(run, step, "process", HANDLE_PROCESS, outcome);
}

static double limit_of(const cJSON *step)
{
    return step_member(step, "timeout_s") == NULL ? CWC_FOREVER : step_number(step, "timeout_s");
}

/* Of a member that was filled from calloc'ed lists. */
static void free_texts(const char *const *texts)
{
    free((void *) (uintptr_t) texts);
}

/* ---------------------------------------------------------------- sandboxes */

static void keep_sandbox(struct run *run, const cJSON *step, struct cwc_sandbox *box, struct outcome *outcome)
{
    outcome->has_error = box == NULL;
    if (box == NULL)
        return;
    outcome->value = say_sandbox(box, run);
    run_keep(run, step_text(step, "as"), HANDLE_SANDBOX, box);
}

/* name, value, name, value... */
static const char **pairs_of(const cJSON *node, size_t *out_count)
{
    const cJSON *item;
    size_t at = 0;
    const char **pairs = sbc_alloc(2 * (size_t) cJSON_GetArraySize(node) + 2, sizeof *pairs);
    cJSON_ArrayForEach(item, node)
    {
        pairs[at++] = item->string;
        pairs[at++] = item->valuestring;
    }
    *out_count = at / 2;
    return pairs;
}

static void sandbox_create(struct run *run, const cJSON *step, struct outcome *outcome)
{
    const char *image = step_text(step, "image");
    struct cwc_sandbox_options options = { .command = step_text(step, "command") };
    options.image = image == NULL || strcmp(image, "default") == 0 ? NULL : image;
    options.args = step_texts(step, "args", &options.arg_count);
    options.tags = step_texts(step, "tags", &options.tag_count);
    options.env = pairs_of(step_member(step, "env"), &options.env_count);
    options.max_lifetime_s = (int) step_whole(step, "max_lifetime_s");
    keep_sandbox(run, step, cwc_sandbox_create(run->client, &options, outcome->error), outcome);
    free_texts(options.args);
    free_texts(options.tags);
    free_texts(options.env);
}

/* The id that is given, or that of the handle in member `name`; free() it. */
static char *id_of(struct run *run, const cJSON *step, const char *name, struct outcome *outcome)
{
    struct cwc_sandbox_info info;
    if (step_text(step, "id") != NULL)
        return sbc_text_copy(step_text(step, "id"));
    struct cwc_sandbox *box = run_handle(run, step, name, HANDLE_SANDBOX, outcome);
    if (box == NULL)
        return NULL;
    cwc_sandbox_get_info(box, &info);
    return info.id;
}

static void sandbox_connect(struct run *run, const cJSON *step, struct outcome *outcome)
{
    char *id = id_of(run, step, "from", outcome);
    if (id != NULL)
        keep_sandbox(run, step, cwc_sandbox_from_id(run->client, id, outcome->error), outcome);
    free(id);
}

static void tell_sandbox(struct run *run, struct outcome *outcome, struct cwc_sandbox *box, int failed)
{
    outcome->has_error = failed < 0;
    if (failed == 0)
        outcome->value = say_sandbox(box, run);
}

static void sandbox_refresh(struct run *run, const cJSON *step, struct outcome *outcome)
{
    struct cwc_sandbox *box = sandbox_of(run, step, outcome);
    if (box != NULL)
        tell_sandbox(run, outcome, box, cwc_sandbox_refresh(box, outcome->error));
}

static void sandbox_status(struct run *run, const cJSON *step, struct outcome *outcome)
{
    struct cwc_sandbox *box = sandbox_of(run, step, outcome);
    if (box != NULL)
        tell_sandbox(run, outcome, box, 0);
}

static void sandbox_wait(struct run *run, const cJSON *step, struct outcome *outcome)
{
    struct cwc_sandbox *box = sandbox_of(run, step, outcome);
    if (box != NULL)
        tell_sandbox(run, outcome, box, cwc_sandbox_wait(box, limit_of(step), outcome->error));
}

static void sandbox_wait_complete(struct run *run, const cJSON *step, struct outcome *outcome)
{
    struct cwc_sandbox *box = sandbox_of(run, step, outcome);
    if (box != NULL)
        tell_sandbox(run, outcome, box, cwc_sandbox_wait_complete(box, limit_of(step), outcome->error));
}

static void sandbox_stop(struct run *run, const cJSON *step, struct outcome *outcome)
{
    struct cwc_sandbox *box = sandbox_of(run, step, outcome);
    double grace_s = step_member(step, "grace_s") == NULL ? -1 : step_number(step, "grace_s");
    if (box != NULL)
        outcome_tell(outcome, cwc_sandbox_stop(box, grace_s, step_flag(step, "missing_ok"), outcome->error));
}

static void sandbox_delete(struct run *run, const cJSON *step, struct outcome *outcome)
{
    char *id = id_of(run, step, "sandbox", outcome);
    if (id != NULL)
        outcome_tell(outcome, cwc_sandbox_delete(run->client, id, step_flag(step, "missing_ok"), outcome->error));
    free(id);
}

static void sandbox_list(struct run *run, const cJSON *step, struct outcome *outcome)
{
    struct cwc_query query = { .status = step_text(step, "status"),
                               .include_stopped = step_flag(step, "include_stopped") };
    struct cwc_list list = { 0 };
    query.tags = step_texts(step, "tags", &query.tag_count);
    int failed = cwc_sandbox_list(run->client, &query, &list, outcome->error);
    free_texts(query.tags);
    outcome_tell(outcome, failed);
    if (failed < 0)
        return;
    cJSON *items = cJSON_AddArrayToObject(outcome->value, "items");
    for (size_t i = 0; i < list.count; i++) {
        cJSON *item = cJSON_CreateObject();
        say_text(item, "id", list.items[i].id);
        say_text(item, "status", cwc_state_name(list.items[i].state));
        cJSON_AddItemToArray(items, item);
    }
    cwc_list_clear(&list);
}

static void sandbox_logs(struct run *run, const cJSON *step, struct outcome *outcome)
{
    struct cwc_log_options options = { .follow = step_flag(step, "follow"),
                                       .tail_lines = (int) step_whole(step, "tail_lines"),
                                       .timestamps = step_flag(step, "timestamps") };
    struct cwc_bytes line;
    int64_t take = step_member(step, "take") == NULL ? INT64_MAX : step_whole(step, "take");
    int got = 1;
    struct cwc_sandbox *box = sandbox_of(run, step, outcome);
    if (box == NULL)
        return;
    outcome->value = cJSON_CreateObject();
    cJSON *data = cJSON_AddArrayToObject(outcome->value, "data");
    struct cwc_logs *logs = cwc_logs_open(box, &options, outcome->error);
    for (; logs != NULL && take > 0 && (got = cwc_logs_next(logs, &line, outcome->error)) > 0; take--) {
        cJSON_AddItemToArray(data, say_string(line.data, line.size));
        cwc_bytes_clear(&line);
    }
    cwc_logs_close(logs);
    outcome->has_error = logs == NULL || got < 0;
    cJSON_AddBoolToObject(outcome->value, "ended", logs != NULL && got == 0);
}

/* -------------------------------------------------------------------- files */

static void file_write(struct run *run, const cJSON *step, struct outcome *outcome)
{
    bool is_bytes;
    struct cwc_sandbox *box = sandbox_of(run, step, outcome);
    if (box == NULL)
        return;
    struct sbc_bytes data = step_data(step_member(step, "data"), &is_bytes);
    outcome_tell(outcome, cwc_file_write(box, step_text(step, "path"), data.data, data.size, outcome->error));
    free(data.data);
}

static void file_read(struct run *run, const cJSON *step, struct outcome *outcome)
{
    struct cwc_bytes data;
    struct cwc_sandbox *box = sandbox_of(run, step, outcome);
    if (box == NULL)
        return;
    outcome_tell(outcome, cwc_file_read(box, step_text(step, "path"), &data, outcome->error));
    if (outcome->has_error)
        return;
    cJSON_AddItemToObject(outcome->value, "data", say_base64(data.data, data.size));
    cwc_bytes_clear(&data);
}

/* ---------------------------------------------------------------- processes */

/* The argv of a step: no text and no arguments are none.  free() the list. */
static const char **argv_of(const cJSON *step, size_t *out_argc)
{
    size_t count;
    const char **args = step_texts(step, "args", &count);
    const char **argv = sbc_alloc(count + 2, sizeof *argv);
    argv[0] = step_text(step, "command");
    for (size_t i = 0; i < count; i++)
        argv[i + 1] = args[i];
    *out_argc = count == 0 && argv[0][0] == '\0' ? 0 : count + 1;
    free_texts(args);
    return argv;
}

static struct cwc_process *begin(struct run *run, const cJSON *step, struct outcome *outcome)
{
    struct cwc_sandbox *box = sandbox_of(run, step, outcome);
    if (box == NULL)
        return NULL;
    struct cwc_command command = { .cwd = step_text(step, "cwd"),
                                   .has_timeout = step_member(step, "timeout_s") != NULL,
                                   .timeout_s = step_number(step, "timeout_s"),
                                   .check = step_flag(step, "check"),
                                   .has_stdin = step_flag(step, "stdin"),
                                   .is_tty = step_flag(step, "tty"),
                                   .width = (unsigned) step_whole(step, "width"),
                                   .height = (unsigned) step_whole(step, "height") };
    const char **argv = argv_of(step, &command.argc);
    command.argv = argv;
    struct cwc_process *process = cwc_exec(box, &command, outcome->error);
    outcome->has_error = process == NULL;
    free_texts(argv);
    return process;
}

static void tell_result(struct cwc_process *process, double limit, struct outcome *outcome)
{
    struct cwc_result result;
    outcome->has_error = cwc_process_result(process, limit, &result, outcome->error) < 0;
    if (outcome->has_error)
        return;
    cJSON *shown = say_process(process, false);
    outcome->value = say_result(&result);
    cJSON_AddItemToObject(outcome->value, "command", cJSON_DetachItemFromObject(shown, "command"));
    cJSON_Delete(shown);
    cwc_result_clear(&result);
}

static void process_exec(struct run *run, const cJSON *step, struct outcome *outcome)
{
    struct cwc_process *process = begin(run, step, outcome);
    if (process != NULL)
        tell_result(process, CWC_FOREVER, outcome);
    cwc_process_free(process);
}

static void process_start(struct run *run, const cJSON *step, struct outcome *outcome)
{
    struct cwc_process *process = begin(run, step, outcome);
    if (process == NULL)
        return;
    outcome->value = say_process(process, true);
    run_keep(run, step_text(step, "as"), HANDLE_PROCESS, process);
}

static void process_status(struct run *run, const cJSON *step, struct outcome *outcome)
{
    struct cwc_process *process = process_of(run, step, outcome);
    if (process != NULL)
        outcome->value = say_process(process, true);
}

static void process_poll(struct run *run, const cJSON *step, struct outcome *outcome)
{
    int exit_code = 0;
    struct cwc_process *process = process_of(run, step, outcome);
    if (process == NULL)
        return;
    outcome->value = cJSON_CreateObject();
    bool is_known = cwc_process_poll(process, &exit_code) != 0;
    say_number(outcome->value, "exit_code", is_known, exit_code);
}

static void process_wait(struct run *run, const cJSON *step, struct outcome *outcome)
{
    struct cwc_result result;
    struct cwc_process *process = process_of(run, step, outcome);
    if (process == NULL)
        return;
    outcome_tell(outcome, cwc_process_result(process, limit_of(step), &result, outcome->error));
    if (outcome->has_error)
        return;
    say_number(outcome->value, "exit_code", !CWC_MUTANT(exit_code_0_lost) || result.exit_code != 0, result.exit_code);
    cwc_result_clear(&result);
}

static void process_result(struct run *run, const cJSON *step, struct outcome *outcome)
{
    struct cwc_process *process = process_of(run, step, outcome);
    if (process != NULL)
        tell_result(process, limit_of(step), outcome);
}

static void process_cancel(struct run *run, const cJSON *step, struct outcome *outcome)
{
    struct cwc_process *process = process_of(run, step, outcome);
    if (process == NULL)
        return;
    outcome->value = cJSON_CreateObject();
    cJSON_AddBoolToObject(outcome->value, "cancelled", cwc_process_cancel(process));
}

static void process_read(struct run *run, const cJSON *step, struct outcome *outcome)
{
    struct cwc_bytes piece;
    const char *of = step_text(step, "of");
    int64_t take = step_member(step, "take") == NULL ? INT64_MAX : step_whole(step, "take");
    struct cwc_process *process = process_of(run, step, outcome);
    if (process == NULL)
        return;
    bool as_text = !cwc_process_is_tty(process), is_ended = false;
    enum cwc_stream stream = of != NULL && strcmp(of, "stderr") == 0 ? CWC_STDERR : CWC_STDOUT;
    outcome->value = cJSON_CreateObject();
    cJSON *data = cJSON_AddArrayToObject(outcome->value, "data");
    for (; take > 0 && !is_ended; take--) {
        is_ended = cwc_process_read(process, stream, as_text, &piece) == 0;
        if (is_ended)
            break;
        cJSON_AddItemToArray(data,
                             as_text ? say_string(piece.data, piece.size) : say_base64(piece.data, piece.size));
        cwc_bytes_clear(&piece);
    }
    cJSON_AddBoolToObject(outcome->value, "ended", is_ended);
}

/* -------------------------------------------------------------------- stdin */

static void write_data(struct cwc_process *process, const cJSON *node, const char *tail, struct outcome *outcome)
{
    bool is_bytes;
    struct sbc_buf all = { 0 };
    struct sbc_bytes data = step_data(node, &is_bytes);
    sbc_buf_add(&all, data.data, data.size);
    sbc_buf_add_text(&all, tail);
    outcome_tell(outcome, cwc_process_write(process, all.data != NULL ? all.data : "", all.size, outcome->error));
    sbc_buf_free(&all);
    free(data.data);
}

/* As the SDK has it: without stdin there is nothing to write with. */
static bool has_stdin(struct cwc_process *process, struct outcome *outcome)
{
    if (process != NULL && !cwc_process_has_stdin(process))
        outcome_skip(outcome, "the process has no input");
    return process != NULL && cwc_process_has_stdin(process);
}

static void process_write(struct run *run, const cJSON *step, struct outcome *outcome)
{
    struct cwc_process *process = process_of(run, step, outcome);
    if (has_stdin(process, outcome))
        write_data(process, step_member(step, "data"), "", outcome);
}

static void process_write_line(struct run *run, const cJSON *step, struct outcome *outcome)
{
    struct cwc_process *process = process_of(run, step, outcome);
    if (has_stdin(process, outcome))
        write_data(process, step_member(step, "data"), CWC_MUTANT(no_newline) ? "" : "\n", outcome);
}

static void process_close_stdin(struct run *run, const cJSON *step, struct outcome *outcome)
{
    struct cwc_process *process = process_of(run, step, outcome);
    if (has_stdin(process, outcome))
        outcome_tell(outcome, cwc_process_close_stdin(process, outcome->error));
}

static void process_resize(struct run *run, const cJSON *step, struct outcome *outcome)
{
    struct cwc_process *process = process_of(run, step, outcome);
    if (process != NULL)
        outcome_tell(outcome, cwc_process_resize(process, (unsigned) step_whole(step, "width"),
                                                 (unsigned) step_whole(step, "height"), outcome->error));
}

/* --------------------------------------------------------------------- many */

static void say_many(const char **names, const bool *done, size_t count, struct outcome *outcome)
{
    cJSON *ended = cJSON_AddArrayToObject(outcome->value, "done");
    cJSON *pending = cJSON_AddArrayToObject(outcome->value, "pending");
    for (size_t i = 0; i < count; i++)
        cJSON_AddItemToArray(done[i] ? ended : pending, cJSON_CreateString(names[i]));
}

static void wait_many(struct run *run, const cJSON *step, struct outcome *outcome)
{
    size_t count, found = 0;
    int64_t wanted = step_member(step, "num_returns") == NULL ? 0 : step_whole(step, "num_returns");
    const char **names = step_texts(step, "processes", &count);
    struct cwc_process **processes = sbc_alloc(count + 1, sizeof *processes);
    bool *done = sbc_alloc(count + 1, sizeof *done);
    while (found < count && (processes[found] = run_find(run, names[found], HANDLE_PROCESS)) != NULL)
        found++;
    if (found < count) {
        outcome_skip(outcome, "there is no process \"%s\"", names[found]);
    } else {
        if (wanted == 0 && step_member(step, "num_returns") != NULL)
            wanted = -1; /* 0 is "all" for the library alone */
        outcome_tell(outcome, cwc_wait(processes, count, wanted, limit_of(step), done, outcome->error));
        if (!outcome->has_error)
            say_many(names, done, count, outcome);
    }
    free(done);
    free(processes);
    free_texts(names);
}

/* ------------------------------------------------------------------- tables */

#define BOTH         (ON(CWC_V1BETA2) | ON(CWC_V1))
#define COMMAND_ARGS "sandbox:t! command:t! args:l cwd:t timeout_s:n check:b"
#define COMMAND_FINE "args cwd timeout_s check"
#define NOT_OFFERED  " - env timeout_ms user max_output_bytes"

static const struct op ops[] = {
    { "sandbox.create",
      "as:t! image:t command:t args:l tags:l env:o max_lifetime_s:w - snapshot timeout_minutes vcpus memory_mib",
      "command args tags env max_lifetime_s", BOTH, sandbox_create },
    { "sandbox.connect", "as:t! id:t|from:t", "", BOTH, sandbox_connect },
    { "sandbox.refresh", "sandbox:t!", "", BOTH, sandbox_refresh },
    { "sandbox.status", "sandbox:t!", "", BOTH, sandbox_status },
    { "sandbox.wait", "sandbox:t! timeout_s:n", "timeout_s", BOTH, sandbox_wait },
    { "sandbox.wait_complete", "sandbox:t! timeout_s:n", "timeout_s", BOTH, sandbox_wait_complete },
    { "sandbox.stop", "sandbox:t! grace_s:n missing_ok:b", "grace_s missing_ok", BOTH, sandbox_stop },
    { "sandbox.delete", "id:t|sandbox:t missing_ok:b", "missing_ok", BOTH, sandbox_delete },
    { "sandbox.list", "tags:l status:t include_stopped:b - limit", "tags status include_stopped", BOTH,
      sandbox_list },
    { "sandbox.logs", "sandbox:t! follow:b tail_lines:w timestamps:b take:w", "follow tail_lines timestamps", BOTH,
      sandbox_logs },
    { "file.write", "sandbox:t! path:t! data:d!", "", BOTH, file_write },
    { "file.read", "sandbox:t! path:t!", "", BOTH, file_read },
    { "exec", COMMAND_ARGS NOT_OFFERED " stdin tty", COMMAND_FINE, BOTH, process_exec },
    { "start", "as:t! stdin:b tty:b width:w height:w " COMMAND_ARGS NOT_OFFERED, COMMAND_FINE " stdin tty", BOTH,
      process_start },
    { "status", "process:t!", "", BOTH, process_status },
    { "poll", "process:t!", "", BOTH, process_poll },
    { "wait", "process:t! timeout_s:n - timeout_ms", "timeout_s", BOTH, process_wait },
    { "result", "process:t! timeout_s:n", "timeout_s", BOTH, process_result },
    { "cancel", "process:t!", "", BOTH, process_cancel },
    { "read", "process:t! of:t take:w", "", BOTH, process_read },
    { "write", "process:t! data:d! - encoding eof", "bytes", BOTH, process_write },
    { "write_line", "process:t! data:d!", "", BOTH, process_write_line },
    { "close_stdin", "process:t!", "", BOTH, process_close_stdin },
    { "resize", "process:t! width:w! height:w!", "", BOTH, process_resize },
    { "wait_many", "processes:l! num_returns:w timeout_s:n", "num_returns timeout_s", BOTH, wait_many },
};

static const struct protocol protocols[] = {
    [CWC_V1BETA2] = { "v1beta2", "refclient-coreweave-v1beta2", "client.timeout_ms background join sync v1beta2" },
    [CWC_V1] = { "v1", "refclient-coreweave-v1", "client.timeout_ms background join sync v1" },
};

/* ------------------------------------------------------------------- vendor */

static void *client_new(const cJSON *options, unsigned protocol, char **out_problem)
{
    struct cwc_error err = CWC_ERROR_INIT;
    struct cwc_client_options made = { .url = step_text(options, "url"),
                                       .api_key = step_text(options, "api_key"),
                                       .version = (enum cwc_version) protocol,
                                       .timeout_ms = step_whole(options, "timeout_ms") };
    struct cwc_client *client = cwc_client_new(&made, &err);
    if (client == NULL)
        *out_problem = sbc_text_copy(err.message);
    cwc_error_clear(&err);
    return client;
}

static void client_cancel(void *client)
{
    cwc_client_cancel(client);
}

static void client_free(void *client)
{
    cwc_client_free(client);
}

static void sandbox_free(void *box)
{
    cwc_sandbox_free(box);
}

static void process_free(void *process)
{
    cwc_process_free(process);
}

static void error_clear(void *error)
{
    cwc_error_clear(error);
}

const struct vendor vendor_coreweave = {
    .name = "coreweave",
    .protocols = protocols,
    .protocol_count = sizeof protocols / sizeof protocols[0],
    .ops = ops,
    .op_count = sizeof ops / sizeof ops[0],
    .client_args = "url:t! api_key:t! timeout_ms:w",
    .client_new = client_new,
    .client_cancel = client_cancel,
    .client_free = client_free,
    .handle_free = { [HANDLE_SANDBOX] = sandbox_free, [HANDLE_PROCESS] = process_free },
    .error_size = sizeof(struct cwc_error),
    .error_clear = error_clear,
    .error_say = error_say,
#ifdef SBC_MUTANTS
    .mutant_choose = cwc_mutants_choose,
    .mutant_list = cwc_mutants_list,
#endif
};
