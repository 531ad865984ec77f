/* The encoding of SDK 0.27 and later: package coreweave.sandbox.v1. */
#include <math.h>
#include <stdlib.h>

#include "cwc_mutants.h"
#include "cwc_wire.h"
#include "proto/coreweave_v1.pb-c.h"

#define SERVICE "/coreweave.sandbox.v1.SandboxService/"

static const char *const paths[CWC_METHODS] = {
    [CWC_CREATE] = SERVICE "CreateSandbox", [CWC_GET] = SERVICE "GetSandbox",
    [CWC_LIST] = SERVICE "ListSandboxes",   [CWC_STOP] = SERVICE "DeleteSandbox",
    [CWC_DELETE] = SERVICE "DeleteSandbox", [CWC_WRITE_FILE] = SERVICE "WriteFile",
    [CWC_READ_FILE] = SERVICE "ReadFile",   [CWC_EXEC] = SERVICE "StreamExec",
    [CWC_LOGS] = SERVICE "StreamLogs",
};

/* Ours are numbered like these. */
static enum cwc_state state_from(Cw1__State number)
{
    return (unsigned) number < CWC_STATES ? (enum cwc_state) number : CWC_UNSPECIFIED;
}

/* ---------------------------------------------------------------- requests */

static void put_create(const struct cwc_sandbox_options *o, const char *request_id, struct sbc_buf *out)
{
    Cw1__CreateSandboxRequest request = CW1__CREATE_SANDBOX_REQUEST__INIT;
    Cw1__Sandbox sandbox = CW1__SANDBOX__INIT;
    Cw1__SandboxSpec spec = CW1__SANDBOX_SPEC__INIT;
    Cw1__Container container = CW1__CONTAINER__INIT, *containers[] = { &container };
    Cw1__Container__EnvironmentVariablesEntry *entries = sbc_alloc(o->env_count + 1, sizeof *entries);
    Cw1__Container__EnvironmentVariablesEntry **env = sbc_alloc(o->env_count + 1, sizeof *env);
    for (size_t i = 0; i < o->env_count; i++) {
        entries[i] = (Cw1__Container__EnvironmentVariablesEntry) CW1__CONTAINER__ENVIRONMENT_VARIABLES_ENTRY__INIT;
        entries[i].key = cwc_wire_text(o->env[2 * i]);
        entries[i].value = cwc_wire_text(o->env[2 * i + 1]);
        env[i] = &entries[i];
    }
    container.name = cwc_wire_text("main");
    container.image = cwc_wire_text(o->image != NULL ? o->image : cwc_default_image);
    container.command = cwc_wire_text(o->command != NULL ? o->command : cwc_default_command);
    container.args = cwc_wire_texts(o->arg_count > 0 ? o->args : cwc_default_args);
    container.n_args = o->arg_count > 0 ? o->arg_count : cwc_default_arg_count;
    container.environment_variables = env;
    container.n_environment_variables = o->env_count;
    container.primary_given_case = CW1__CONTAINER__PRIMARY_GIVEN_PRIMARY;
    container.primary = 1;
    spec.containers = containers;
    spec.n_containers = 1;
    spec.tags = cwc_wire_texts(o->tags);
    spec.n_tags = o->tag_count;
    spec.max_lifetime_seconds = o->max_lifetime_s;
    sandbox.spec = &spec;
    request.sandbox = &sandbox;
    request.request_id = cwc_wire_text(request_id);
    cwc_wire_put(&request, out);
    free(entries);
    free(env);
}

static void put_get(const char *id, struct sbc_buf *out)
{
    Cw1__GetSandboxRequest request = CW1__GET_SANDBOX_REQUEST__INIT;
    request.sandbox_id = cwc_wire_text(id);
    cwc_wire_put(&request, out);
}

static void put_list(const struct cwc_page *page, struct sbc_buf *out)
{
    Cw1__ListSandboxesRequest request = CW1__LIST_SANDBOXES_REQUEST__INIT;
    request.tags = cwc_wire_texts(page->query->tags);
    request.n_tags = page->query->tag_count;
    request.state = page->state < 0 ? CW1__STATE__STATE_UNSPECIFIED : (Cw1__State) page->state;
    request.show_terminated = page->query->include_stopped;
    request.page_token = cwc_wire_text(page->token);
    cwc_wire_put(&request, out);
}

static void put_stop(const struct cwc_stop *stop, struct sbc_buf *out)
{
    Cw1__DeleteSandboxRequest request = CW1__DELETE_SANDBOX_REQUEST__INIT;
    request.sandbox_id = cwc_wire_text(stop->id);
    request.grace_period_seconds = (int32_t) ceil(stop->grace_s);
    request.allow_missing = stop->missing_ok;
    cwc_wire_put(&request, out);
}

static void put_delete(const struct cwc_stop *stop, struct sbc_buf *out)
{
    struct cwc_stop without_grace = { .id = stop->id, .missing_ok = stop->missing_ok };
    put_stop(&without_grace, out);
}

static void put_write_file(const char *id, const char *path, const void *data, size_t size, struct sbc_buf *out)
{
    Cw1__WriteFileRequest request = CW1__WRITE_FILE_REQUEST__INIT;
    request.sandbox_id = cwc_wire_text(id);
    request.path = cwc_wire_text(path);
    request.content = cwc_wire_data(data, size);
    cwc_wire_put(&request, out);
}

static void put_read_file(const char *id, const char *path, struct sbc_buf *out)
{
    Cw1__ReadFileRequest request = CW1__READ_FILE_REQUEST__INIT;
    request.sandbox_id = cwc_wire_text(id);
    request.path = cwc_wire_text(path);
    cwc_wire_put(&request, out);
}

static void put_exec(Cw1__ExecStreamRequest__MessageCase which, void *part, struct sbc_buf *out)
{
    Cw1__ExecStreamRequest request = CW1__EXEC_STREAM_REQUEST__INIT;
    request.message_case = which;
    request.init = part; /* one of the union's pointers, which are alike */
    cwc_wire_put(&request, out);
}

static void put_init(const char *id, const struct cwc_command *command, struct sbc_buf *out)
{
    Cw1__ExecStreamInit init = CW1__EXEC_STREAM_INIT__INIT;
    init.sandbox_id = cwc_wire_text(id);
    init.command = cwc_wire_texts(command->argv);
    init.n_command = command->argc;
    init.tty = command->is_tty;
    init.tty_width = command->width;
    init.tty_height = command->height;
    put_exec(CW1__EXEC_STREAM_REQUEST__MESSAGE_INIT, &init, out);
}

static void put_stdin(const void *data, size_t size, struct sbc_buf *out)
{
    Cw1__ExecStreamRequest request = CW1__EXEC_STREAM_REQUEST__INIT;
    request.message_case = CW1__EXEC_STREAM_REQUEST__MESSAGE_STDIN;
    request.stdin = cwc_wire_data(data, size);
    cwc_wire_put(&request, out);
}

static void put_resize(unsigned width, unsigned height, struct sbc_buf *out)
{
    Cw1__ExecStreamResize resize = CW1__EXEC_STREAM_RESIZE__INIT;
    resize.width = width;
    resize.height = height;
    put_exec(CW1__EXEC_STREAM_REQUEST__MESSAGE_RESIZE, &resize, out);
}

static void put_close(struct sbc_buf *out)
{
    Cw1__ExecStreamClose close = CW1__EXEC_STREAM_CLOSE__INIT;
    put_exec(CW1__EXEC_STREAM_REQUEST__MESSAGE_CLOSE, &close, out);
}

static void put_logs(const char *id, const struct cwc_log_options *options, const struct cwc_resume *resume,
                     struct sbc_buf *out)
{
    Cw1__StreamLogsRequest request = CW1__STREAM_LOGS_REQUEST__INIT;
    Rpc__Timestamp since = RPC__TIMESTAMP__INIT;
    bool is_late = resume->session == NULL && resume->since_ms != 0;
    since.seconds = resume->since_ms / 1000;
    since.nanos = (int32_t) (resume->since_ms % 1000) * 1000000;
    request.sandbox_id = cwc_wire_text(id);
    request.follow = options->follow;
    request.resume_log_session_id = cwc_wire_text(resume->session);
    request.resume_log_offset = resume->session == NULL ? 0 : resume->offset;
    request.tail_lines = resume->session == NULL && !is_late ? options->tail_lines : 0;
    request.since_time = is_late ? &since : NULL;
    request.timestamps = resume->session == NULL && options->timestamps;
    cwc_wire_put(&request, out);
}

/* ----------------------------------------------------------------- answers */

static void free_message(void *message)
{
    protobuf_c_message_free_unpacked(message, NULL);
}

static void read_sandbox(const Cw1__Sandbox *from, struct cwc_sandbox_info *out)
{
    const Cw1__SandboxStatus *status = from->status;
    *out = (struct cwc_sandbox_info){ .id = sbc_text_copy(from->sandbox_id) };
    out->state = status == NULL ? CWC_UNSPECIFIED : state_from(status->state);
    out->has_exit_code =
        status != NULL && status->exit_code_given_case == CW1__SANDBOX_STATUS__EXIT_CODE_GIVEN_EXIT_CODE;
    out->exit_code = out->has_exit_code ? status->exit_code : 0;
}

static int take_created(const struct sbc_buf *bytes, char **out_id)
{
    Cw1__Sandbox *m = cwc_wire_take(&cw1__sandbox__descriptor, bytes);
    if (m == NULL)
        return -1;
    *out_id = sbc_text_copy(m->sandbox_id);
    free_message(m);
    return 0;
}

static int take_sandbox(const struct sbc_buf *bytes, struct cwc_sandbox_info *out_info)
{
    Cw1__Sandbox *m = cwc_wire_take(&cw1__sandbox__descriptor, bytes);
    if (m == NULL)
        return -1;
    read_sandbox(m, out_info);
    free_message(m);
    return 0;
}

static int take_list(const struct sbc_buf *bytes, struct cwc_list *list, char **out_token)
{
    Cw1__ListSandboxesResponse *m = cwc_wire_take(&cw1__list_sandboxes_response__descriptor, bytes);
    if (m == NULL)
        return -1;
    for (size_t i = 0; i < m->n_sandboxes; i++)
        read_sandbox(m->sandboxes[i], cwc_wire_add(list));
    *out_token = sbc_text_copy(m->next_page_token);
    free_message(m);
    return 0;
}

static int take_stopped(const struct sbc_buf *bytes, struct cwc_ack *out_ack)
{
    Cw1__DeleteSandboxResponse *m = cwc_wire_take(&cw1__delete_sandbox_response__descriptor, bytes);
    if (m == NULL)
        return -1;
    *out_ack = (struct cwc_ack){ .is_success = true };
    out_ack->is_gone = m->sandbox == NULL && m->n_file_system_snapshot_ids == 0;
    free_message(m);
    return 0;
}

static int take_written(const struct sbc_buf *bytes, struct cwc_ack *out_ack)
{
    Cw1__WriteFileResponse *m = cwc_wire_take(&cw1__write_file_response__descriptor, bytes);
    if (m == NULL)
        return -1;
    free_message(m);
    *out_ack = (struct cwc_ack){ .is_success = true };
    return 0;
}

static int take_file(const struct sbc_buf *bytes, struct cwc_ack *out_ack, struct cwc_bytes *out_data)
{
    Cw1__ReadFileResponse *m = cwc_wire_take(&cw1__read_file_response__descriptor, bytes);
    if (m == NULL)
        return -1;
    *out_ack = (struct cwc_ack){ .is_success = true };
    *out_data = cwc_wire_bytes(m->content);
    free_message(m);
    return 0;
}

static void read_event(const Cw1__ExecStreamResponse *m, struct cwc_event *out)
{
    *out = (struct cwc_event){ 0 };
    if (m->message_case == CW1__EXEC_STREAM_RESPONSE__MESSAGE_READY) {
        out->type = CWC_READY;
    } else if (m->message_case == CW1__EXEC_STREAM_RESPONSE__MESSAGE_OUTPUT) {
        bool is_known = m->output->stream == CW1__EXEC_STREAM_OUTPUT__STREAM__STREAM_STDOUT ||
                        m->output->stream == CW1__EXEC_STREAM_OUTPUT__STREAM__STREAM_STDERR;
        out->type = CWC_MUTANT(unknown_stream_dropped) && !is_known ? CWC_NOTHING : CWC_OUTPUT;
        out->stream = m->output->stream == CW1__EXEC_STREAM_OUTPUT__STREAM__STREAM_STDERR ? CWC_STDERR : CWC_STDOUT;
        out->data = cwc_wire_bytes(m->output->data);
    } else if (m->message_case == CW1__EXEC_STREAM_RESPONSE__MESSAGE_EXIT) {
        out->type = CWC_EXIT;
        out->exit_code = m->exit->exit_code;
    } else if (m->message_case == CW1__EXEC_STREAM_RESPONSE__MESSAGE_ERROR) {
        out->type = CWC_STREAM_ERROR;
        out->message = sbc_text_copy(m->error->message);
        out->code = sbc_text_copy(m->error->code);
    }
}

static int take_event(const struct sbc_buf *bytes, struct cwc_event *out_event)
{
    Cw1__ExecStreamResponse *m = cwc_wire_take(&cw1__exec_stream_response__descriptor, bytes);
    if (m == NULL)
        return -1;
    read_event(m, out_event);
    free_message(m);
    return 0;
}

static int take_log(const struct sbc_buf *bytes, struct cwc_log_event *out_event)
{
    Cw1__LogEntry *m = cwc_wire_take(&cw1__log_entry__descriptor, bytes);
    if (m == NULL)
        return -1;
    *out_event = (struct cwc_log_event){ .data = cwc_wire_bytes(m->data), .offset = m->next_log_offset };
    out_event->session = sbc_text_copy(m->log_session_id);
    out_event->is_error = m->error != NULL && m->error->code[0] != '\0';
    out_event->message = sbc_text_copy(m->error == NULL ? "" : m->error->message);
    out_event->code = sbc_text_copy(m->error == NULL ? "" : m->error->code);
    free_message(m);
    return 0;
}

const struct cwc_wire cwc_wire_v1 = {
    .max_message = 100 << 20,
    .paths = paths,
    .put_create = put_create,
    .put_get = put_get,
    .put_list = put_list,
    .put_stop = put_stop,
    .put_delete = put_delete,
    .put_write_file = put_write_file,
    .put_read_file = put_read_file,
    .put_init = put_init,
    .put_stdin = put_stdin,
    .put_resize = put_resize,
    .put_close = put_close,
    .put_logs = put_logs,
    .take_created = take_created,
    .take_sandbox = take_sandbox,
    .take_list = take_list,
    .take_stopped = take_stopped,
    .take_written = take_written,
    .take_file = take_file,
    .take_event = take_event,
    .take_log = take_log,
};
