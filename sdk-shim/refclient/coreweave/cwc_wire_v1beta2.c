/* The encoding of SDK 0.17 to 0.26, the documented 0.22.0 among them: package coreweave.sandbox.v1beta2. */
#include <stdlib.h>

#include "cwc_mutants.h"
#include "cwc_wire.h"
#include "proto/coreweave_v1beta2.pb-c.h"

#define GATEWAY   "/coreweave.sandbox.v1beta2.GatewayService/"
#define STREAMING "/coreweave.sandbox.v1beta2.GatewayStreamingService/"

static const char *const paths[CWC_METHODS] = {
    [CWC_CREATE] = GATEWAY "Start",          [CWC_GET] = GATEWAY "Get",
    [CWC_LIST] = GATEWAY "List",             [CWC_STOP] = GATEWAY "Stop",
    [CWC_DELETE] = GATEWAY "Delete",         [CWC_WRITE_FILE] = GATEWAY "AddFile",
    [CWC_READ_FILE] = GATEWAY "RetrieveFile", [CWC_EXEC] = STREAMING "StreamExec",
    [CWC_LOGS] = STREAMING "StreamLogs",
};

#define STATE(name) CWB2__SANDBOX_STATUS__SANDBOX_STATUS_##name

static const struct {
    Cwb2__SandboxStatus number;
    enum cwc_state state;
} states[] = {
    { STATE(UNSPECIFIED), CWC_UNSPECIFIED }, { STATE(CREATING), CWC_CREATING },
    { STATE(RUNNING), CWC_RUNNING },         { STATE(COMPLETED), CWC_COMPLETED },
    { STATE(FAILED), CWC_STATE_FAILED },     { STATE(TERMINATED), CWC_STATE_TERMINATED },
    { STATE(PENDING), CWC_PENDING },         { STATE(PAUSED), CWC_PAUSED },
    { STATE(TERMINATING), CWC_TERMINATING },
};

#define STATE_COUNT (sizeof states / sizeof states[0])

static enum cwc_state state_from(Cwb2__SandboxStatus number)
{
    if (CWC_MUTANT(states_of_v1))
        return (unsigned) number < CWC_STATES ? (enum cwc_state) number : CWC_UNSPECIFIED;
    for (size_t i = 0; i < STATE_COUNT; i++)
        if (states[i].number == number)
            return states[i].state;
    return CWC_UNSPECIFIED;
}

static Cwb2__SandboxStatus state_to(int state)
{
    for (size_t i = 0; i < STATE_COUNT; i++)
        if ((int) states[i].state == state)
            return states[i].number;
    return STATE(UNSPECIFIED);
}

/* ---------------------------------------------------------------- requests */

static void put_create(const struct cwc_sandbox_options *o, const char *request_id, struct sbc_buf *out)
{
    Cwb2__StartSandboxRequest request = CWB2__START_SANDBOX_REQUEST__INIT;
    Cwb2__StartSandboxRequest__EnvironmentVariablesEntry *entries = sbc_alloc(o->env_count + 1, sizeof *entries);
    Cwb2__StartSandboxRequest__EnvironmentVariablesEntry **env = sbc_alloc(o->env_count + 1, sizeof *env);
    (void) request_id;
    for (size_t i = 0; i < o->env_count; i++) {
        entries[i] = (Cwb2__StartSandboxRequest__EnvironmentVariablesEntry)
            CWB2__START_SANDBOX_REQUEST__ENVIRONMENT_VARIABLES_ENTRY__INIT;
        entries[i].key = cwc_wire_text(o->env[2 * i]);
        entries[i].value = cwc_wire_text(o->env[2 * i + 1]);
        env[i] = &entries[i];
    }
    request.container_image = cwc_wire_text(o->image != NULL ? o->image : cwc_default_image);
    request.command = cwc_wire_text(o->command != NULL ? o->command : cwc_default_command);
    request.args = cwc_wire_texts(o->arg_count > 0 ? o->args : cwc_default_args);
    request.n_args = o->arg_count > 0 ? o->arg_count : cwc_default_arg_count;
    request.environment_variables = env;
    request.n_environment_variables = o->env_count;
    request.tags = cwc_wire_texts(o->tags);
    request.n_tags = o->tag_count;
    request.max_lifetime_seconds = o->max_lifetime_s;
    cwc_wire_put(&request, out);
    free(entries);
    free(env);
}

static void put_get(const char *id, struct sbc_buf *out)
{
    Cwb2__GetSandboxRequest request = CWB2__GET_SANDBOX_REQUEST__INIT;
    request.sandbox_id = cwc_wire_text(id);
    cwc_wire_put(&request, out);
}

static void put_list(const struct cwc_page *page, struct sbc_buf *out)
{
    Cwb2__ListSandboxesRequest request = CWB2__LIST_SANDBOXES_REQUEST__INIT;
    request.tags = cwc_wire_texts(page->query->tags);
    request.n_tags = page->query->tag_count;
    request.status = state_to(page->state);
    request.include_stopped = page->query->include_stopped;
    request.page_token = cwc_wire_text(page->token);
    cwc_wire_put(&request, out);
}

static void put_stop(const struct cwc_stop *stop, struct sbc_buf *out)
{
    Cwb2__StopSandboxRequest request = CWB2__STOP_SANDBOX_REQUEST__INIT;
    request.sandbox_id = cwc_wire_text(stop->id);
    request.graceful_shutdown_seconds = (int32_t) stop->grace_s;
    request.max_timeout_seconds = (int32_t) stop->grace_s + 5;
    cwc_wire_put(&request, out);
}

static void put_delete(const struct cwc_stop *stop, struct sbc_buf *out)
{
    Cwb2__DeleteSandboxRequest request = CWB2__DELETE_SANDBOX_REQUEST__INIT;
    request.sandbox_id = cwc_wire_text(stop->id);
    cwc_wire_put(&request, out);
}

static void put_write_file(const char *id, const char *path, const void *data, size_t size, struct sbc_buf *out)
{
    Cwb2__AddFileSandboxRequest request = CWB2__ADD_FILE_SANDBOX_REQUEST__INIT;
    request.sandbox_id = cwc_wire_text(id);
    request.filepath = cwc_wire_text(path);
    request.file_contents = cwc_wire_data(data, size);
    request.max_timeout_seconds = 300;
    cwc_wire_put(&request, out);
}

static void put_read_file(const char *id, const char *path, struct sbc_buf *out)
{
    Cwb2__RetrieveFileSandboxRequest request = CWB2__RETRIEVE_FILE_SANDBOX_REQUEST__INIT;
    request.sandbox_id = cwc_wire_text(id);
    request.filepath = cwc_wire_text(path);
    request.max_timeout_seconds = 300;
    cwc_wire_put(&request, out);
}

static void put_exec(Cwb2__ExecStreamRequest__RequestCase which, void *part, struct sbc_buf *out)
{
    Cwb2__ExecStreamRequest request = CWB2__EXEC_STREAM_REQUEST__INIT;
    request.request_case = which;
    request.init = part; /* one of the union's pointers, which are alike */
    cwc_wire_put(&request, out);
}

static void put_init(const char *id, const struct cwc_command *command, struct sbc_buf *out)
{
    Cwb2__ExecStreamInit init = CWB2__EXEC_STREAM_INIT__INIT;
    init.sandbox_id = cwc_wire_text(id);
    init.command = cwc_wire_texts(command->argv);
    init.n_command = command->argc;
    init.tty = command->is_tty;
    init.tty_width = command->width;
    init.tty_height = command->height;
    put_exec(CWB2__EXEC_STREAM_REQUEST__REQUEST_INIT, &init, out);
}

static void put_stdin(const void *data, size_t size, struct sbc_buf *out)
{
    Cwb2__ExecStreamData piece = CWB2__EXEC_STREAM_DATA__INIT;
    piece.data = cwc_wire_data(data, size);
    put_exec(CWB2__EXEC_STREAM_REQUEST__REQUEST_STDIN, &piece, out);
}

static void put_resize(unsigned width, unsigned height, struct sbc_buf *out)
{
    Cwb2__ExecStreamResize resize = CWB2__EXEC_STREAM_RESIZE__INIT;
    resize.width = width;
    resize.height = height;
    put_exec(CWB2__EXEC_STREAM_REQUEST__REQUEST_RESIZE, &resize, out);
}

static void put_close(struct sbc_buf *out)
{
    Cwb2__ExecStreamClose close = CWB2__EXEC_STREAM_CLOSE__INIT;
    put_exec(CWB2__EXEC_STREAM_REQUEST__REQUEST_CLOSE, &close, out);
}

static void put_logs(const char *id, const struct cwc_log_options *options, const struct cwc_resume *resume,
                     struct sbc_buf *out)
{
    Cwb2__LogStreamRequest request = CWB2__LOG_STREAM_REQUEST__INIT;
    Cwb2__LogStreamInit init = CWB2__LOG_STREAM_INIT__INIT;
    (void) resume;
    init.sandbox_id = cwc_wire_text(id);
    init.follow = options->follow;
    init.tail_lines = options->tail_lines;
    init.timestamps = options->timestamps;
    request.request_case = CWB2__LOG_STREAM_REQUEST__REQUEST_INIT;
    request.init = &init;
    cwc_wire_put(&request, out);
}

/* ----------------------------------------------------------------- answers */

static void free_message(void *message)
{
    protobuf_c_message_free_unpacked(message, NULL);
}

static int take_created(const struct sbc_buf *bytes, char **out_id)
{
    Cwb2__StartSandboxResponse *m = cwc_wire_take(&cwb2__start_sandbox_response__descriptor, bytes);
    if (m == NULL)
        return -1;
    *out_id = sbc_text_copy(m->sandbox_id);
    free_message(m);
    return 0;
}

static int take_sandbox(const struct sbc_buf *bytes, struct cwc_sandbox_info *out_info)
{
    Cwb2__GetSandboxResponse *m = cwc_wire_take(&cwb2__get_sandbox_response__descriptor, bytes);
    if (m == NULL)
        return -1;
    *out_info = (struct cwc_sandbox_info){ .id = sbc_text_copy(m->sandbox_id), .state = state_from(m->sandbox_status) };
    free_message(m);
    return 0;
}

static int take_list(const struct sbc_buf *bytes, struct cwc_list *list, char **out_token)
{
    Cwb2__ListSandboxesResponse *m = cwc_wire_take(&cwb2__list_sandboxes_response__descriptor, bytes);
    if (m == NULL)
        return -1;
    for (size_t i = 0; i < m->n_sandboxes; i++)
        *cwc_wire_add(list) = (struct cwc_sandbox_info){ .id = sbc_text_copy(m->sandboxes[i]->sandbox_id),
                                                         .state = state_from(m->sandboxes[i]->sandbox_status) };
    *out_token = sbc_text_copy(m->next_page_token);
    free_message(m);
    return 0;
}

static void read_ack(struct cwc_ack *out_ack, bool is_success, const char *message)
{
    *out_ack = (struct cwc_ack){ .is_success = is_success || CWC_MUTANT(success_false_ignored) };
    out_ack->message = out_ack->is_success ? NULL : sbc_text_copy(message);
}

static int take_stopped(const struct sbc_buf *bytes, struct cwc_ack *out_ack)
{
    Cwb2__StopSandboxResponse *m = cwc_wire_take(&cwb2__stop_sandbox_response__descriptor, bytes);
    if (m == NULL)
        return -1;
    read_ack(out_ack, m->success, m->error_message);
    free_message(m);
    return 0;
}

static int take_written(const struct sbc_buf *bytes, struct cwc_ack *out_ack)
{
    Cwb2__AddFileSandboxResponse *m = cwc_wire_take(&cwb2__add_file_sandbox_response__descriptor, bytes);
    if (m == NULL)
        return -1;
    read_ack(out_ack, m->success, m->error_message);
    free_message(m);
    return 0;
}

static int take_file(const struct sbc_buf *bytes, struct cwc_ack *out_ack, struct cwc_bytes *out_data)
{
    Cwb2__RetrieveFileSandboxResponse *m = cwc_wire_take(&cwb2__retrieve_file_sandbox_response__descriptor, bytes);
    if (m == NULL)
        return -1;
    read_ack(out_ack, m->success, m->error_message);
    *out_data = cwc_wire_bytes(m->file_contents);
    free_message(m);
    return 0;
}

static void read_event(const Cwb2__ExecStreamResponse *m, struct cwc_event *out)
{
    *out = (struct cwc_event){ 0 };
    if (m->response_case == CWB2__EXEC_STREAM_RESPONSE__RESPONSE_READY) {
        out->type = CWC_READY;
    } else if (m->response_case == CWB2__EXEC_STREAM_RESPONSE__RESPONSE_OUTPUT) {
        bool is_err = m->output->stream_type == CWB2__EXEC_STREAM_OUTPUT__STREAM_TYPE__STREAM_TYPE_STDERR;
        bool is_known = is_err || m->output->stream_type == CWB2__EXEC_STREAM_OUTPUT__STREAM_TYPE__STREAM_TYPE_STDOUT;
        out->type = CWC_MUTANT(unknown_stream_dropped) && !is_known ? CWC_NOTHING : CWC_OUTPUT;
        out->stream = is_err ? CWC_STDERR : CWC_STDOUT;
        out->data = cwc_wire_bytes(m->output->data);
    } else if (m->response_case == CWB2__EXEC_STREAM_RESPONSE__RESPONSE_EXIT) {
        out->type = CWC_EXIT;
        out->exit_code = m->exit->exit_code;
    } else if (m->response_case == CWB2__EXEC_STREAM_RESPONSE__RESPONSE_ERROR) {
        out->type = CWC_STREAM_ERROR;
        out->message = sbc_text_copy(m->error->message);
        out->code = sbc_text_copy(m->error->code);
    }
}

static int take_event(const struct sbc_buf *bytes, struct cwc_event *out_event)
{
    Cwb2__ExecStreamResponse *m = cwc_wire_take(&cwb2__exec_stream_response__descriptor, bytes);
    if (m == NULL)
        return -1;
    read_event(m, out_event);
    free_message(m);
    return 0;
}

static int take_log(const struct sbc_buf *bytes, struct cwc_log_event *out_event)
{
    Cwb2__LogStreamResponse *m = cwc_wire_take(&cwb2__log_stream_response__descriptor, bytes);
    if (m == NULL)
        return -1;
    *out_event = (struct cwc_log_event){ 0 };
    out_event->is_complete = m->response_case == CWB2__LOG_STREAM_RESPONSE__RESPONSE_COMPLETE;
    out_event->is_error = m->response_case == CWB2__LOG_STREAM_RESPONSE__RESPONSE_ERROR;
    if (m->response_case == CWB2__LOG_STREAM_RESPONSE__RESPONSE_DATA)
        out_event->data = cwc_wire_bytes(m->data->data);
    out_event->message = sbc_text_copy(out_event->is_error ? m->error->message : "");
    out_event->code = sbc_text_copy(out_event->is_error ? m->error->code : "");
    free_message(m);
    return 0;
}

const struct cwc_wire cwc_wire_v1beta2 = {
    .max_message = 4 << 20,
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
