/* The encoding of SDK 0.17 to 0.26: package coreweave.sandbox.v1beta2. */
#include <stdlib.h>
#include <string.h>

#include "dialects/coreweave/cw_priv.h"
#include "proto/coreweave_v1beta2.pb-c.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

/* What 0.22.0 has no word for is what comes nearest. */
static const Cwb2__SandboxStatus states[CW_STATES] = {
    [CW_UNSPECIFIED] = CWB2__SANDBOX_STATUS__SANDBOX_STATUS_UNSPECIFIED,
    [CW_PENDING] = CWB2__SANDBOX_STATUS__SANDBOX_STATUS_PENDING,
    [CW_CREATING] = CWB2__SANDBOX_STATUS__SANDBOX_STATUS_CREATING,
    [CW_RUNNING] = CWB2__SANDBOX_STATUS__SANDBOX_STATUS_RUNNING,
    [CW_TERMINATING] = CWB2__SANDBOX_STATUS__SANDBOX_STATUS_TERMINATING,
    [CW_COMPLETED] = CWB2__SANDBOX_STATUS__SANDBOX_STATUS_COMPLETED,
    [CW_FAILED] = CWB2__SANDBOX_STATUS__SANDBOX_STATUS_FAILED,
    [CW_TERMINATED] = CWB2__SANDBOX_STATUS__SANDBOX_STATUS_TERMINATED,
    [CW_PAUSED] = CWB2__SANDBOX_STATUS__SANDBOX_STATUS_PAUSED,
    [CW_PREPARING] = CWB2__SANDBOX_STATUS__SANDBOX_STATUS_PENDING,
};

static int state_from(Cwb2__SandboxStatus number)
{
    for (int i = 0; i < CW_PREPARING; i++) {
        if (states[i] == number)
            return i;
    }
    return -1;
}

static Rpc__Timestamp stamp(int64_t ms)
{
    Rpc__Timestamp time = RPC__TIMESTAMP__INIT;
    time.seconds = ms / 1000;
    time.nanos = (int32_t) (ms % 1000) * 1000000;
    return time;
}

/* ---- requests ------------------------------------------------------------------------------------ */

static int read_files(Cwb2__MountedFile **list, size_t count, struct cw_request *out, struct err *err)
{
    if (count == 0)
        return 0;
    out->files = calloc(count, sizeof *out->files);
    if (out->files == NULL)
        return err_set(err, ERR_NOMEM, 0, "files");
    for (size_t i = 0; i < count; i++)
        out->files[i] = (struct cw_file) { list[i]->mount_path, list[i]->file_content.data, list[i]->file_content.len };
    out->file_count = count;
    return 0;
}

static int read_start(const ProtobufCMessage *message, struct cw_request *out, struct err *err)
{
    const Cwb2__StartSandboxRequest *m = (const Cwb2__StartSandboxRequest *) message;
    out->image = m->container_image;
    out->request_id = "";
    out->program = m->command;
    out->working_dir = "";
    out->args = (struct cw_texts) { m->args, m->n_args };
    out->tags = (struct cw_texts) { m->tags, m->n_tags };
    out->runner_ids = (struct cw_texts) { m->runner_ids, m->n_runner_ids };
    out->max_lifetime_s = m->max_lifetime_seconds;
    if (read_files(m->mounted_files, m->n_mounted_files, out, err) < 0)
        return -1;
    return cw_make_env(&out->env, (ProtobufCMessage *const *) m->environment_variables, m->n_environment_variables, err);
}

static int read_get(const ProtobufCMessage *message, struct cw_request *out, struct err *err)
{
    (void) err;
    out->sandbox_id = ((const Cwb2__GetSandboxRequest *) message)->sandbox_id;
    return 0;
}

static int read_list(const ProtobufCMessage *message, struct cw_request *out, struct err *err)
{
    const Cwb2__ListSandboxesRequest *m = (const Cwb2__ListSandboxesRequest *) message;
    (void) err;
    out->tags = (struct cw_texts) { m->tags, m->n_tags };
    out->runner_ids = (struct cw_texts) { m->runner_ids, m->n_runner_ids };
    out->profile_ids = (struct cw_texts) { m->profile_ids, m->n_profile_ids };
    out->profile_names = (struct cw_texts) { m->profile_names, m->n_profile_names };
    out->state = state_from(m->status);
    out->with_terminal = m->include_stopped;
    out->page_size = m->page_size;
    out->page_token = m->page_token;
    return 0;
}

static int read_stop(const ProtobufCMessage *message, struct cw_request *out, struct err *err)
{
    const Cwb2__StopSandboxRequest *m = (const Cwb2__StopSandboxRequest *) message;
    (void) err;
    out->sandbox_id = m->sandbox_id;
    out->grace_s = m->graceful_shutdown_seconds > 0 ? m->graceful_shutdown_seconds : 0;
    out->wants_snapshot = m->snapshot_on_stop;
    return 0;
}

static int read_delete(const ProtobufCMessage *message, struct cw_request *out, struct err *err)
{
    (void) err;
    out->sandbox_id = ((const Cwb2__DeleteSandboxRequest *) message)->sandbox_id;
    out->grace_s = -1;
    return 0;
}

/* "command" and "args" are two lists here: one behind the other. */
static int read_exec(const ProtobufCMessage *message, struct cw_request *out, struct err *err)
{
    Cwb2__ExecSandboxRequest *m = (Cwb2__ExecSandboxRequest *) (uintptr_t) message;
    char **all = realloc(m->command, (m->n_command + m->n_args + 1) * sizeof *all);
    if (all == NULL)
        return err_set(err, ERR_NOMEM, 0, "command");
    for (size_t i = 0; i < m->n_args; i++)
        all[m->n_command + i] = m->args[i];
    m->command = all;
    m->n_command += m->n_args;
    free(m->args);
    m->args = NULL;
    m->n_args = 0;
    out->sandbox_id = m->sandbox_id;
    out->command = (struct cw_texts) { m->command, m->n_command };
    return 0;
}

static int read_add_file(const ProtobufCMessage *message, struct cw_request *out, struct err *err)
{
    const Cwb2__AddFileSandboxRequest *m = (const Cwb2__AddFileSandboxRequest *) message;
    (void) err;
    out->sandbox_id = m->sandbox_id;
    out->file = (struct cw_file) { m->filepath, m->file_contents.data, m->file_contents.len };
    return 0;
}

static int read_retrieve_file(const ProtobufCMessage *message, struct cw_request *out, struct err *err)
{
    const Cwb2__RetrieveFileSandboxRequest *m = (const Cwb2__RetrieveFileSandboxRequest *) message;
    (void) err;
    out->sandbox_id = m->sandbox_id;
    out->file.path = m->filepath;
    return 0;
}

static int read_exec_init(const ProtobufCMessage *message, struct cw_request *out, struct err *err)
{
    const Cwb2__ExecStreamRequest *m = (const Cwb2__ExecStreamRequest *) message;
    if (m->request_case != CWB2__EXEC_STREAM_REQUEST__REQUEST_INIT)
        return err_set(err, ERR_INVALID, 0, "the first message must be init");
    const Cwb2__ExecStreamInit *init = m->init;
    out->sandbox_id = init->sandbox_id;
    out->command = (struct cw_texts) { init->command, init->n_command };
    out->tty = init->tty;
    out->width = init->tty_width;
    out->height = init->tty_height;
    return cw_make_env(&out->env, (ProtobufCMessage *const *) init->env, init->n_env, err);
}

static int read_logs_init(const ProtobufCMessage *message, struct cw_request *out, struct err *err)
{
    const Cwb2__LogStreamRequest *m = (const Cwb2__LogStreamRequest *) message;
    if (m->request_case != CWB2__LOG_STREAM_REQUEST__REQUEST_INIT)
        return err_set(err, ERR_INVALID, 0, "the first message must be init");
    const Cwb2__LogStreamInit *init = m->init;
    out->sandbox_id = init->sandbox_id;
    out->follow = init->follow;
    out->timestamps = init->timestamps;
    out->tail_lines = init->tail_lines;
    out->has_since = init->since_time != NULL;
    out->since_ms = init->since_time == NULL ? 0 : init->since_time->seconds * 1000 + init->since_time->nanos / 1000000;
    out->session_id = "";
    return 0;
}

static int read_runners(const ProtobufCMessage *message, struct cw_request *out, struct err *err)
{
    const Cwb2__ListAvailableRunnersRequest *m = (const Cwb2__ListAvailableRunnersRequest *) message;
    (void) err;
    out->group_id = m->runner_group_id;
    out->profile = m->profile_name;
    out->gpu_type = m->gpu_type;
    out->architecture = m->architecture;
    return 0;
}

static int read_runner(const ProtobufCMessage *message, struct cw_request *out, struct err *err)
{
    (void) err;
    out->runner_id = ((const Cwb2__GetAvailableRunnerRequest *) message)->runner_id;
    return 0;
}

static int read_profiles(const ProtobufCMessage *message, struct cw_request *out, struct err *err)
{
    const Cwb2__ListProfilesRequest *m = (const Cwb2__ListProfilesRequest *) message;
    (void) err;
    out->gpu_type = m->gpu_type;
    out->architecture = m->architecture;
    out->runner_id = m->runner_id;
    return 0;
}

static int read_profile(const ProtobufCMessage *message, struct cw_request *out, struct err *err)
{
    const Cwb2__GetProfileRequest *m = (const Cwb2__GetProfileRequest *) message;
    (void) err;
    out->profile = m->profile_name;
    out->runner_id = m->runner_id;
    return 0;
}

/* ---- sandboxes ----------------------------------------------------------------------------------- */

static const Cwb2__StartSandboxRequest *made_from(const struct cw_view *view)
{
    return view->record->made_by == &cw_wire_v1beta2
               ? (const Cwb2__StartSandboxRequest *) view->record->made_from.message
               : NULL;
}

static void write_created(const struct cw_view *view, struct buf *out)
{
    Cwb2__StartSandboxResponse m = CWB2__START_SANDBOX_RESPONSE__INIT;
    const Cwb2__StartSandboxRequest *from = made_from(view);
    Rpc__Timestamp started = stamp(view->started_ms);
    m.sandbox_id = proto_text(view->id);
    m.started_at_time = view->started_ms > 0 ? &started : NULL;
    m.profile_id = proto_text(view->profile);
    m.runner_id = proto_text(view->runner_id);
    m.sandbox_status = states[view->state];
    if (from != NULL) {
        m.n_exposed_ports = from->n_ports;
        m.exposed_ports = from->ports;
        m.requested_resources = from->resources;
        m.requested_resource_limits = from->resource_limits;
        m.requested_resource_requests = from->resource_requests;
    }
    if (from != NULL && from->network != NULL) {
        m.applied_ingress_mode = from->network->ingress_mode;
        m.applied_egress_mode = from->network->egress_mode;
    }
    proto_encode(&m, out);
}

/* GetSandboxResponse and SandboxInfo are of one shape. */
_Static_assert(sizeof(Cwb2__GetSandboxResponse) == sizeof(Cwb2__SandboxInfo), "two messages of one shape");

static void fill_info(const struct cw_view *view, Rpc__Timestamp *started, Cwb2__SandboxInfo *m)
{
    const Cwb2__StartSandboxRequest *from = made_from(view);
    *m = (Cwb2__SandboxInfo) CWB2__SANDBOX_INFO__INIT;
    *started = stamp(view->started_ms);
    m->sandbox_id = proto_text(view->id);
    m->started_at_time = view->started_ms > 0 ? started : NULL;
    m->sandbox_status = states[view->state];
    m->runner_id = proto_text(view->runner_id);
    m->runner_group_id = proto_text(view->runner_group_id);
    m->profile_id = proto_text(view->profile);
    if (from != NULL) {
        m->n_exposed_ports = from->n_ports;
        m->exposed_ports = from->ports;
    }
    if (from != NULL && from->network != NULL) {
        m->applied_ingress_mode = from->network->ingress_mode;
        m->applied_egress_mode = from->network->egress_mode;
    }
}

static void write_sandbox(const struct cw_view *view, struct buf *out)
{
    Cwb2__SandboxInfo info;
    Rpc__Timestamp started;
    fill_info(view, &started, &info);
    info.base.descriptor = &cwb2__get_sandbox_response__descriptor;
    proto_encode(&info, out);
}

struct page_entry {
    Cwb2__SandboxInfo info;
    Rpc__Timestamp started;
};

static void write_page(const struct cw_view *views, size_t count, const char *next_token, struct buf *out)
{
    Cwb2__ListSandboxesResponse m = CWB2__LIST_SANDBOXES_RESPONSE__INIT;
    struct page_entry *entries = calloc(count + 1, sizeof *entries);
    m.sandboxes = calloc(count + 1, sizeof *m.sandboxes);
    out->failed = out->failed || entries == NULL || m.sandboxes == NULL;
    for (size_t i = 0; i < count && !out->failed; i++) {
        fill_info(&views[i], &entries[i].started, &entries[i].info);
        m.sandboxes[m.n_sandboxes++] = &entries[i].info;
    }
    m.next_page_token = proto_text(next_token);
    if (!out->failed)
        proto_encode(&m, out);
    free(m.sandboxes);
    free(entries);
}

static void write_stopped(const struct cw_view *view, struct buf *out)
{
    Cwb2__StopSandboxResponse m = CWB2__STOP_SANDBOX_RESPONSE__INIT;
    (void) view;
    m.success = true;
    proto_encode(&m, out);   /* the answer to Delete has the same fields */
}

static void write_not_stopped(const char *message, struct buf *out)
{
    Cwb2__StopSandboxResponse m = CWB2__STOP_SANDBOX_RESPONSE__INIT;
    m.error_message = proto_text(message);
    proto_encode(&m, out);
}

/* ---- commands ------------------------------------------------------------------------------------ */

static void write_result(struct cw_result *result, struct buf *out)
{
    Cwb2__ExecSandboxResponse m = CWB2__EXEC_SANDBOX_RESPONSE__INIT;
    Cwb2__ExecResponse r = CWB2__EXEC_RESPONSE__INIT;
    r.stdout = PROTO_BYTES(result->out[0]);
    r.stderr = PROTO_BYTES(result->out[1]);
    r.exit_code = result->exit_code;
    m.result = &r;
    proto_encode(&m, out);
}

static void write_ready(int64_t ms, struct buf *out)
{
    Cwb2__ExecStreamResponse m = CWB2__EXEC_STREAM_RESPONSE__INIT;
    Cwb2__StreamingExecReady ready = CWB2__STREAMING_EXEC_READY__INIT;
    Rpc__Timestamp at = stamp(ms);
    ready.ready_at = &at;
    m.response_case = CWB2__EXEC_STREAM_RESPONSE__RESPONSE_READY;
    m.ready = &ready;
    proto_encode(&m, out);
}

static void write_output(enum cw_stream stream, const void *data, size_t len, int64_t ms, struct buf *out)
{
    Cwb2__ExecStreamResponse m = CWB2__EXEC_STREAM_RESPONSE__INIT;
    Cwb2__ExecStreamOutput output = CWB2__EXEC_STREAM_OUTPUT__INIT;
    Rpc__Timestamp at = stamp(ms);
    output.stream_type = (Cwb2__ExecStreamOutput__StreamType) stream;
    output.data = (ProtobufCBinaryData) { len, (uint8_t *) (uintptr_t) data };
    output.timestamp = &at;
    m.response_case = CWB2__EXEC_STREAM_RESPONSE__RESPONSE_OUTPUT;
    m.output = &output;
    proto_encode(&m, out);
}

static void write_exit(int code, int64_t ms, struct buf *out)
{
    Cwb2__ExecStreamResponse m = CWB2__EXEC_STREAM_RESPONSE__INIT;
    Cwb2__ExecStreamExit end = CWB2__EXEC_STREAM_EXIT__INIT;
    Rpc__Timestamp at = stamp(ms);
    end.exit_code = code;
    end.completed_at = &at;
    m.response_case = CWB2__EXEC_STREAM_RESPONSE__RESPONSE_EXIT;
    m.exit = &end;
    proto_encode(&m, out);
}

static void write_exec_error(const char *code, const char *message, struct buf *out)
{
    Cwb2__ExecStreamResponse m = CWB2__EXEC_STREAM_RESPONSE__INIT;
    Cwb2__ExecStreamError error = CWB2__EXEC_STREAM_ERROR__INIT;
    error.code = proto_text(code);
    error.message = proto_text(message);
    m.response_case = CWB2__EXEC_STREAM_RESPONSE__RESPONSE_ERROR;
    m.error = &error;
    proto_encode(&m, out);
}

static void take_exec_input(const Cwb2__ExecStreamRequest *m, struct cw_input *out)
{
    static const enum cw_input_kind kinds[] = {
        [CWB2__EXEC_STREAM_REQUEST__REQUEST__NOT_SET] = CW_INPUT_NONE,
        [CWB2__EXEC_STREAM_REQUEST__REQUEST_INIT] = CW_INPUT_INIT,
        [CWB2__EXEC_STREAM_REQUEST__REQUEST_STDIN] = CW_INPUT_STDIN,
        [CWB2__EXEC_STREAM_REQUEST__REQUEST_RESIZE] = CW_INPUT_RESIZE,
        [CWB2__EXEC_STREAM_REQUEST__REQUEST_CLOSE] = CW_INPUT_CLOSE,
    };
    out->kind = kinds[m->request_case];
    if (out->kind == CW_INPUT_STDIN) {
        out->data = m->stdin->data.data;
        out->len = m->stdin->data.len;
    } else if (out->kind == CW_INPUT_RESIZE) {
        out->width = m->resize->width;
        out->height = m->resize->height;
    }
}

static int read_exec_input(const struct buf *message, struct cw_input *out_input, struct err *err)
{
    if (proto_decode(&cwb2__exec_stream_request__descriptor, buf_cstr(message), message->len, &out_input->message,
                     err) < 0)
        return -1;
    take_exec_input((const Cwb2__ExecStreamRequest *) out_input->message, out_input);
    return 0;
}

static int read_logs_input(const struct buf *message, struct cw_input *out_input, struct err *err)
{
    if (proto_decode(&cwb2__log_stream_request__descriptor, buf_cstr(message), message->len, &out_input->message,
                     err) < 0)
        return -1;
    const Cwb2__LogStreamRequest *m = (const Cwb2__LogStreamRequest *) out_input->message;
    out_input->kind = m->request_case == CWB2__LOG_STREAM_REQUEST__REQUEST_CLOSE ? CW_INPUT_CLOSE : CW_INPUT_NONE;
    return 0;
}

/* ---- logs ------------------------------------------------------------------------------------------ */

static void write_log(const void *data, size_t len, int64_t ms, const char *session, uint64_t next_offset,
                      struct buf *out)
{
    Cwb2__LogStreamResponse m = CWB2__LOG_STREAM_RESPONSE__INIT;
    Cwb2__LogStreamData piece = CWB2__LOG_STREAM_DATA__INIT;
    Rpc__Timestamp at = stamp(ms);
    (void) session;   /* 0.22.0 cannot resume */
    (void) next_offset;
    piece.data = (ProtobufCBinaryData) { len, (uint8_t *) (uintptr_t) data };
    piece.timestamp = &at;
    m.response_case = CWB2__LOG_STREAM_RESPONSE__RESPONSE_DATA;
    m.data = &piece;
    proto_encode(&m, out);
}

static void write_log_error(const char *code, const char *message, struct buf *out)
{
    Cwb2__LogStreamResponse m = CWB2__LOG_STREAM_RESPONSE__INIT;
    Cwb2__LogStreamError error = CWB2__LOG_STREAM_ERROR__INIT;
    error.code = proto_text(code);
    error.message = proto_text(message);
    m.response_case = CWB2__LOG_STREAM_RESPONSE__RESPONSE_ERROR;
    m.error = &error;
    proto_encode(&m, out);
}

static void write_log_end(struct buf *out)
{
    Cwb2__LogStreamResponse m = CWB2__LOG_STREAM_RESPONSE__INIT;
    Cwb2__LogStreamComplete complete = CWB2__LOG_STREAM_COMPLETE__INIT;
    m.response_case = CWB2__LOG_STREAM_RESPONSE__RESPONSE_COMPLETE;
    m.complete = &complete;
    proto_encode(&m, out);
}

/* ---- files ----------------------------------------------------------------------------------------- */

static void write_file(const struct buf *content, struct buf *out)
{
    Cwb2__RetrieveFileSandboxResponse m = CWB2__RETRIEVE_FILE_SANDBOX_RESPONSE__INIT;
    m.file_contents = PROTO_BYTES(*content);
    m.success = true;
    proto_encode(&m, out);
}

static void write_file_done(struct buf *out)
{
    Cwb2__AddFileSandboxResponse m = CWB2__ADD_FILE_SANDBOX_RESPONSE__INIT;
    m.success = true;
    proto_encode(&m, out);
}

static void write_not_read(const char *message, struct buf *out)
{
    Cwb2__RetrieveFileSandboxResponse m = CWB2__RETRIEVE_FILE_SANDBOX_RESPONSE__INIT;
    m.error_message = proto_text(message);
    proto_encode(&m, out);
}

static void write_not_written(const char *message, struct buf *out)
{
    Cwb2__AddFileSandboxResponse m = CWB2__ADD_FILE_SANDBOX_RESPONSE__INIT;
    m.error_message = proto_text(message);
    proto_encode(&m, out);
}

/* ---- discovery -------------------------------------------------------------------------------------- */

struct runner_parts {
    Cwb2__AvailableRunner m;
    Cwb2__RunnerCapabilitySummary can;
    Cwb2__RunnerResourceSummary has;
    Rpc__Timestamp connected;
    char *architectures[1], *profiles[1];
};

static void fill_runner(const struct cw_runner *runner, struct runner_parts *parts)
{
    *parts = (struct runner_parts) { .m = CWB2__AVAILABLE_RUNNER__INIT,
                                     .can = CWB2__RUNNER_CAPABILITY_SUMMARY__INIT,
                                     .has = CWB2__RUNNER_RESOURCE_SUMMARY__INIT };
    parts->connected = stamp(runner->connected_ms);
    parts->architectures[0] = proto_text(runner->architecture);
    parts->profiles[0] = proto_text(runner->profile);
    parts->can.max_cpu_millicores = runner->cpu_millicores;
    parts->can.max_memory_bytes = runner->memory_bytes;
    parts->can.n_supported_architectures = 1;
    parts->can.supported_architectures = parts->architectures;
    parts->has.available_cpu_millicores = runner->cpu_millicores;
    parts->has.available_memory_bytes = runner->memory_bytes;
    parts->has.running_sandboxes = runner->running;
    parts->m.runner_id = proto_text(runner->id);
    parts->m.runner_group_id = proto_text(runner->group_id);
    parts->m.healthy = true;
    parts->m.capabilities = &parts->can;
    parts->m.resources = &parts->has;
    parts->m.n_profile_names = 1;
    parts->m.profile_names = parts->profiles;
    parts->m.connected_at = &parts->connected;
}

static void write_runners(const struct cw_runner *runners, size_t count, struct buf *out)
{
    Cwb2__ListAvailableRunnersResponse m = CWB2__LIST_AVAILABLE_RUNNERS_RESPONSE__INIT;
    struct runner_parts parts;
    Cwb2__AvailableRunner *list[1] = { &parts.m };
    fill_runner(runners, &parts);
    m.n_runners = count;
    m.runners = list;
    proto_encode(&m, out);
}

static void write_runner(const struct cw_runner *runner, struct buf *out)
{
    struct runner_parts parts;
    fill_runner(runner, &parts);
    proto_encode(&parts.m, out);
}

struct profile_parts {
    Cwb2__ProfileSummary m;
    Cwb2__EgressMode egress, *egress_list[1];
    char *architectures[1];
};

static void fill_profile(const struct cw_runner *runner, struct profile_parts *parts)
{
    *parts = (struct profile_parts) { .m = CWB2__PROFILE_SUMMARY__INIT, .egress = CWB2__EGRESS_MODE__INIT };
    parts->egress.name = proto_text("internet");
    parts->egress_list[0] = &parts->egress;
    parts->architectures[0] = proto_text(runner->architecture);
    parts->m.profile_name = proto_text(runner->profile);
    parts->m.runner_id = proto_text(runner->id);
    parts->m.n_supported_architectures = 1;
    parts->m.supported_architectures = parts->architectures;
    parts->m.n_egress_modes = 1;
    parts->m.egress_modes = parts->egress_list;
}

static void write_profiles(const struct cw_runner *runners, size_t count, struct buf *out)
{
    Cwb2__ListProfilesResponse m = CWB2__LIST_PROFILES_RESPONSE__INIT;
    struct profile_parts parts;
    Cwb2__ProfileSummary *list[1] = { &parts.m };
    fill_profile(runners, &parts);
    m.n_profiles = count;
    m.profiles = list;
    proto_encode(&m, out);
}

static void write_profile(const struct cw_runner *runner, struct buf *out)
{
    struct profile_parts parts;
    fill_profile(runner, &parts);
    proto_encode(&parts.m, out);
}

/* ---- tables ------------------------------------------------------------------------------------------ */

const struct cw_wire cw_wire_v1beta2 = {
    .version = "v1beta2",
    .services = { &cwb2__gateway_service__descriptor, &cwb2__gateway_streaming_service__descriptor,
                  &cwb2__discovery_service__descriptor },
    .has_logs_of_ended = true,
    .write_created = write_created,
    .write_sandbox = write_sandbox,
    .write_page = write_page,
    .write_stopped = write_stopped,
    .write_result = write_result,
    .write_ready = write_ready,
    .write_output = write_output,
    .write_exit = write_exit,
    .write_exec_error = write_exec_error,
    .write_log = write_log,
    .write_log_error = write_log_error,
    .write_log_end = write_log_end,
    .write_file = write_file,
    .write_file_done = write_file_done,
    .write_not_stopped = write_not_stopped,
    .write_not_read = write_not_read,
    .write_not_written = write_not_written,
    .write_runners = write_runners,
    .write_runner = write_runner,
    .write_profiles = write_profiles,
    .write_profile = write_profile,
};

#define PACKAGE "/coreweave.sandbox.v1beta2."
#define QUICK(op) ((op) == OP_SANDBOX_GET)   /* what clients poll, and what reads facts only */
#define ROW(service, name, kind, op, descriptor, read, handle) \
    { { PACKAGE service "/" name, kind, NULL, QUICK(op) }, &cw_wire_v1beta2, op, descriptor, read, NULL, handle }
#define BIDI(service, name, is_quick, op, descriptor, read, read_input, handle) \
    { { PACKAGE service "/" name, RPC_BIDI, NULL, is_quick }, &cw_wire_v1beta2, op, descriptor, read, read_input, handle }
#define GATEWAY(name, op, descriptor, read, handle) \
    ROW("GatewayService", name, RPC_UNARY, op, &cwb2__##descriptor##__descriptor, read, handle)
#define UNSERVED(name) ROW("GatewayService", name, RPC_UNARY, CW_NO_OP, NULL, NULL, cw_not_supported)
#define DISCOVERY(name, descriptor, read, handle) \
    ROW("DiscoveryService", name, RPC_UNARY, CW_NO_OP, &cwb2__##descriptor##__descriptor, read, handle)

const struct cw_row cw_v1beta2_rows[] = {
    GATEWAY("Start", OP_SANDBOX_CREATE, start_sandbox_request, read_start, cw_create_sandbox),
    GATEWAY("Get", OP_SANDBOX_GET, get_sandbox_request, read_get, cw_get_sandbox),
    GATEWAY("List", OP_SANDBOX_LIST, list_sandboxes_request, read_list, cw_list_sandboxes),
    GATEWAY("Stop", OP_SANDBOX_STOP, stop_sandbox_request, read_stop, cw_stop_sandbox),
    GATEWAY("Delete", OP_SANDBOX_STOP, delete_sandbox_request, read_delete, cw_stop_sandbox),
    GATEWAY("Exec", OP_PROCESS_EXEC, exec_sandbox_request, read_exec, cw_unary_exec),
    GATEWAY("AddFile", OP_FILE_WRITE, add_file_sandbox_request, read_add_file, cw_write_file),
    GATEWAY("RetrieveFile", OP_FILE_READ, retrieve_file_sandbox_request, read_retrieve_file, cw_read_file),
    UNSERVED("Pause"),
    UNSERVED("Resume"),
    UNSERVED("Raw"),
    BIDI("GatewayStreamingService", "StreamExec", true, OP_PROCESS_EXEC, &cwb2__exec_stream_request__descriptor,
         read_exec_init, read_exec_input, cw_stream_exec),
    BIDI("GatewayStreamingService", "StreamLogs", false, OP_PROCESS_LOGS, &cwb2__log_stream_request__descriptor,
         read_logs_init, read_logs_input, cw_stream_logs),
    DISCOVERY("ListAvailableRunners", list_available_runners_request, read_runners, cw_list_runners),
    DISCOVERY("GetAvailableRunner", get_available_runner_request, read_runner, cw_get_runner),
    DISCOVERY("ListProfiles", list_profiles_request, read_profiles, cw_list_profiles),
    DISCOVERY("GetProfile", get_profile_request, read_profile, cw_get_profile),
};
const size_t cw_v1beta2_row_count = COUNT(cw_v1beta2_rows);
