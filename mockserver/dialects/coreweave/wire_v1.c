/* The encoding of SDK 0.27 and later: package coreweave.sandbox.v1. */
#include <stdlib.h>
#include <string.h>

#include "dialects/coreweave/cw_priv.h"
#include "proto/coreweave_v1.pb-c.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

static const Cw1__State states[CW_STATES] = {
    [CW_UNSPECIFIED] = CW1__STATE__STATE_UNSPECIFIED, [CW_PENDING] = CW1__STATE__STATE_PENDING,
    [CW_CREATING] = CW1__STATE__STATE_CREATING,       [CW_RUNNING] = CW1__STATE__STATE_RUNNING,
    [CW_TERMINATING] = CW1__STATE__STATE_TERMINATING, [CW_COMPLETED] = CW1__STATE__STATE_COMPLETED,
    [CW_FAILED] = CW1__STATE__STATE_FAILED,           [CW_TERMINATED] = CW1__STATE__STATE_TERMINATED,
    [CW_PAUSED] = CW1__STATE__STATE_PAUSED,           [CW_PREPARING] = CW1__STATE__STATE_PREPARING,
};

static int state_from(Cw1__State number)
{
    for (int i = 0; i < CW_STATES; i++) {
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

/* The one that says it is (1.22.0), the one that the spec names (1.6.0), or the first. */
static const Cw1__Container *primary_of(const Cw1__SandboxSpec *spec)
{
    for (size_t i = 0; i < spec->n_containers; i++) {
        const Cw1__Container *c = spec->containers[i];
        bool says_so = c->primary_given_case == CW1__CONTAINER__PRIMARY_GIVEN_PRIMARY && c->primary;
        if (says_so || (spec->primary_container[0] != '\0' && strcmp(c->name, spec->primary_container) == 0))
            return c;
    }
    return spec->n_containers > 0 ? spec->containers[0] : NULL;
}

static int read_files(Cw1__FileMount **list, size_t count, struct cw_request *out, struct err *err)
{
    if (count == 0)
        return 0;
    out->files = calloc(count, sizeof *out->files);
    if (out->files == NULL)
        return err_set(err, ERR_NOMEM, 0, "files");
    for (size_t i = 0; i < count; i++)
        out->files[i] = (struct cw_file) { list[i]->path, list[i]->content.data, list[i]->content.len };
    out->file_count = count;
    return 0;
}

static int read_container(const Cw1__Container *c, struct cw_request *out, struct err *err)
{
    out->container = c->name;
    out->image = c->image;
    out->program = c->command;
    out->working_dir = c->working_dir;
    out->args = (struct cw_texts) { c->args, c->n_args };
    if (read_files(c->files, c->n_files, out, err) < 0)
        return -1;
    return cw_make_env(&out->env, (ProtobufCMessage *const *) c->environment_variables, c->n_environment_variables, err);
}

static int read_create(const ProtobufCMessage *message, struct cw_request *out, struct err *err)
{
    const Cw1__CreateSandboxRequest *m = (const Cw1__CreateSandboxRequest *) message;
    const Cw1__SandboxSpec *spec = m->sandbox == NULL ? NULL : m->sandbox->spec;
    const Cw1__Container *primary = spec == NULL ? NULL : primary_of(spec);
    if (primary == NULL)
        return err_set(err, ERR_INVALID, 0, "sandbox.spec.containers: must not be empty");
    out->spec = &spec->base;
    out->request_id = m->request_id;
    out->tags = (struct cw_texts) { spec->tags, spec->n_tags };
    out->runner_ids = (struct cw_texts) { spec->runner_ids, spec->n_runner_ids };
    out->max_lifetime_s = spec->max_lifetime_seconds;
    return read_container(primary, out, err);
}

static int read_get(const ProtobufCMessage *message, struct cw_request *out, struct err *err)
{
    (void) err;
    out->sandbox_id = ((const Cw1__GetSandboxRequest *) message)->sandbox_id;
    return 0;
}

static int read_list(const ProtobufCMessage *message, struct cw_request *out, struct err *err)
{
    const Cw1__ListSandboxesRequest *m = (const Cw1__ListSandboxesRequest *) message;
    (void) err;
    out->tags = (struct cw_texts) { m->tags, m->n_tags };
    out->runner_ids = (struct cw_texts) { m->runner_ids, m->n_runner_ids };
    out->state = state_from(m->state);
    out->with_terminal = m->show_terminated;
    out->is_ascending = m->sort_direction == CW1__SORT_DIRECTION__SORT_DIRECTION_ASCENDING;
    out->page_size = m->page_size;
    out->page_token = m->page_token;
    return 0;
}

static int read_delete(const ProtobufCMessage *message, struct cw_request *out, struct err *err)
{
    const Cw1__DeleteSandboxRequest *m = (const Cw1__DeleteSandboxRequest *) message;
    (void) err;
    out->sandbox_id = m->sandbox_id;
    out->grace_s = m->grace_period_seconds > 0 ? m->grace_period_seconds : 0;
    out->allow_missing = m->allow_missing;
    out->wants_snapshot = m->n_snapshot_volumes > 0;
    return 0;
}

static int read_exec(const ProtobufCMessage *message, struct cw_request *out, struct err *err)
{
    const Cw1__ExecRequest *m = (const Cw1__ExecRequest *) message;
    out->sandbox_id = m->sandbox_id;
    out->command = (struct cw_texts) { m->command, m->n_command };
    out->max_output_bytes = m->max_output_bytes;
    out->container = m->container;
    return cw_make_env(&out->env, (ProtobufCMessage *const *) m->env, m->n_env, err);
}

static int read_write_file(const ProtobufCMessage *message, struct cw_request *out, struct err *err)
{
    const Cw1__WriteFileRequest *m = (const Cw1__WriteFileRequest *) message;
    (void) err;
    out->sandbox_id = m->sandbox_id;
    out->container = m->container;
    out->file = (struct cw_file) { m->path, m->content.data, m->content.len };
    return 0;
}

static int read_read_file(const ProtobufCMessage *message, struct cw_request *out, struct err *err)
{
    const Cw1__ReadFileRequest *m = (const Cw1__ReadFileRequest *) message;
    (void) err;
    out->sandbox_id = m->sandbox_id;
    out->container = m->container;
    out->file.path = m->path;
    return 0;
}

static int read_exec_init(const ProtobufCMessage *message, struct cw_request *out, struct err *err)
{
    const Cw1__ExecStreamRequest *m = (const Cw1__ExecStreamRequest *) message;
    if (m->message_case != CW1__EXEC_STREAM_REQUEST__MESSAGE_INIT)
        return err_set(err, ERR_INVALID, 0, "the first message must be init");
    const Cw1__ExecStreamInit *init = m->init;
    out->sandbox_id = init->sandbox_id;
    out->command = (struct cw_texts) { init->command, init->n_command };
    out->tty = init->tty;
    out->width = init->tty_width;
    out->height = init->tty_height;
    out->container = init->container;
    return cw_make_env(&out->env, (ProtobufCMessage *const *) init->env, init->n_env, err);
}

static int read_logs(const ProtobufCMessage *message, struct cw_request *out, struct err *err)
{
    const Cw1__StreamLogsRequest *m = (const Cw1__StreamLogsRequest *) message;
    (void) err;
    out->sandbox_id = m->sandbox_id;
    out->follow = m->follow;
    out->timestamps = m->timestamps;
    out->tail_lines = m->tail_lines;
    out->has_since = m->since_time != NULL;
    out->since_ms = m->since_time == NULL ? 0 : m->since_time->seconds * 1000 + m->since_time->nanos / 1000000;
    out->container = m->container;
    out->session_id = m->resume_log_session_id;
    out->offset = m->resume_log_offset;
    return 0;
}

static int read_snapshot_id(const ProtobufCMessage *message, struct cw_request *out, struct err *err)
{
    (void) err;
    out->snapshot_id = message->descriptor == &cw1__get_file_system_snapshot_request__descriptor
                           ? ((const Cw1__GetFileSystemSnapshotRequest *) message)->file_system_snapshot_id
                           : ((const Cw1__DeleteFileSystemSnapshotRequest *) message)->file_system_snapshot_id;
    return 0;
}

static int read_nothing(const ProtobufCMessage *message, struct cw_request *out, struct err *err)
{
    (void) message;
    (void) out;
    (void) err;
    return 0;
}

static int read_runners(const ProtobufCMessage *message, struct cw_request *out, struct err *err)
{
    const Cw1__ListAvailableRunnersRequest *m = (const Cw1__ListAvailableRunnersRequest *) message;
    (void) err;
    out->group_id = m->runner_group_id;
    out->gpu_type = m->gpu_type;
    out->architecture = m->architecture;
    return 0;
}

static int read_runner(const ProtobufCMessage *message, struct cw_request *out, struct err *err)
{
    (void) err;
    out->runner_id = ((const Cw1__GetAvailableRunnerRequest *) message)->runner_id;
    return 0;
}

/* ---- sandboxes ----------------------------------------------------------------------------------- */

struct parts {
    Cw1__Sandbox m;
    Cw1__SandboxSpec spec;           /* of a sandbox that was made by the other version */
    Cw1__SandboxStatus status;
    Rpc__Timestamp created, started, ended;
    Cw1__ContainerStatus container, *containers[1];
};

/* The spec as it came, what we do not know of it included: the SDK finds its volumes there. */
static void fill_spec(const struct cw_view *view, struct parts *parts)
{
    const struct cw_request *from = &view->record->made_from;
    parts->m.spec = (Cw1__SandboxSpec *) (uintptr_t) from->spec;
    if (from->spec != NULL)
        return;
    parts->spec = (Cw1__SandboxSpec) CW1__SANDBOX_SPEC__INIT;
    parts->spec.n_tags = from->tags.count;
    parts->spec.tags = from->tags.list;
    parts->m.spec = &parts->spec;
}

static const Cw1__SandboxSpec *spec_of(const struct cw_view *view)
{
    return (const Cw1__SandboxSpec *) view->record->made_from.spec;
}

static void fill_times(const struct cw_view *view, struct parts *parts)
{
    parts->created = stamp(view->created_ms);
    parts->started = stamp(view->started_ms);
    parts->ended = stamp(view->ended_ms);
    parts->status.create_time = &parts->created;
    parts->status.start_time = view->started_ms > 0 ? &parts->started : NULL;
    parts->status.end_time = view->ended_ms > 0 ? &parts->ended : NULL;
}

static void fill_container(const struct cw_view *view, struct parts *parts)
{
    const char *name = view->record->made_from.container;
    parts->container = (Cw1__ContainerStatus) CW1__CONTAINER_STATUS__INIT;
    parts->container.name = proto_text(name == NULL || name[0] == '\0' ? "main" : name);
    parts->container.state = states[view->state];
    parts->container.exit_code = view->exit_code;
    parts->containers[0] = &parts->container;
    parts->status.n_container_statuses = 1;
    parts->status.container_statuses = parts->containers;
}

/* What was asked for is what there is. */
static void fill_effective(const struct cw_view *view, struct parts *parts)
{
    const Cw1__SandboxSpec *spec = spec_of(view);
    const Cw1__Container *primary = spec == NULL ? NULL : primary_of(spec);
    if (primary == NULL)
        return;
    parts->status.effective_resources = primary->resources;
    parts->status.effective_resource_requirements = primary->resource_requirements;
    parts->status.effective_max_lifetime_seconds = spec->max_lifetime_seconds;
    parts->status.effective_runtime_class = spec->runtime_class;
    if (spec->network != NULL) {
        parts->status.n_effective_egress = spec->network->n_egress;
        parts->status.effective_egress = spec->network->egress;
        parts->status.n_effective_ingress = spec->network->n_ingress;
        parts->status.effective_ingress = spec->network->ingress;
    }
}

/* `parts` borrows from the view and from itself: it must not move. */
static void fill(const struct cw_view *view, struct parts *parts)
{
    parts->m = (Cw1__Sandbox) CW1__SANDBOX__INIT;
    parts->status = (Cw1__SandboxStatus) CW1__SANDBOX_STATUS__INIT;
    parts->m.sandbox_id = proto_text(view->id);
    parts->m.status = &parts->status;
    parts->m.control = CW1__CONTROL__CONTROL_PLATFORM;
    parts->status.state = states[view->state];
    parts->status.state_reason = proto_text(view->reason);
    parts->status.runner_id = proto_text(view->runner_id);
    parts->status.runner_group_id = proto_text(view->runner_group_id);
    if (view->has_exit_code) {
        parts->status.exit_code_given_case = CW1__SANDBOX_STATUS__EXIT_CODE_GIVEN_EXIT_CODE;
        parts->status.exit_code = view->exit_code;
    }
    fill_spec(view, parts);
    fill_times(view, parts);
    fill_container(view, parts);
    fill_effective(view, parts);
}

static void write_sandbox(const struct cw_view *view, struct buf *out)
{
    struct parts parts;
    fill(view, &parts);
    proto_encode(&parts.m, out);
}

static void write_page(const struct cw_view *views, size_t count, const char *next_token, struct buf *out)
{
    Cw1__ListSandboxesResponse m = CW1__LIST_SANDBOXES_RESPONSE__INIT;
    struct parts *parts = calloc(count + 1, sizeof *parts);
    m.sandboxes = calloc(count + 1, sizeof *m.sandboxes);
    out->failed = out->failed || parts == NULL || m.sandboxes == NULL;
    for (size_t i = 0; i < count && !out->failed; i++) {
        fill(&views[i], &parts[i]);
        m.sandboxes[m.n_sandboxes++] = &parts[i].m;
    }
    m.next_page_token = proto_text(next_token);
    if (!out->failed)
        proto_encode(&m, out);
    free(m.sandboxes);
    free(parts);
}

static void write_stopped(const struct cw_view *view, struct buf *out)
{
    Cw1__DeleteSandboxResponse m = CW1__DELETE_SANDBOX_RESPONSE__INIT;
    struct parts parts;
    if (view != NULL) {
        fill(view, &parts);
        m.sandbox = &parts.m;
    }
    proto_encode(&m, out);
}

/* ---- commands ------------------------------------------------------------------------------------ */

static void write_result(struct cw_result *result, struct buf *out)
{
    Cw1__ExecResponse m = CW1__EXEC_RESPONSE__INIT;
    m.stdout = PROTO_BYTES(result->out[0]);
    m.stderr = PROTO_BYTES(result->out[1]);
    m.exit_code = result->exit_code;
    m.stdout_truncated = result->is_cut[0];
    m.stderr_truncated = result->is_cut[1];
    m.stdout_bytes_produced = (int64_t) result->produced[0];
    m.stderr_bytes_produced = (int64_t) result->produced[1];
    proto_encode(&m, out);
}

static void write_ready(int64_t ms, struct buf *out)
{
    Cw1__ExecStreamResponse m = CW1__EXEC_STREAM_RESPONSE__INIT;
    Cw1__ExecStreamReady ready = CW1__EXEC_STREAM_READY__INIT;
    Rpc__Timestamp at = stamp(ms);
    ready.ready_time = &at;
    m.message_case = CW1__EXEC_STREAM_RESPONSE__MESSAGE_READY;
    m.ready = &ready;
    proto_encode(&m, out);
}

static void write_output(enum cw_stream stream, const void *data, size_t len, int64_t ms, struct buf *out)
{
    Cw1__ExecStreamResponse m = CW1__EXEC_STREAM_RESPONSE__INIT;
    Cw1__ExecStreamOutput output = CW1__EXEC_STREAM_OUTPUT__INIT;
    (void) ms;   /* has no place here */
    output.stream = (Cw1__ExecStreamOutput__Stream) stream;
    output.data = (ProtobufCBinaryData) { len, (uint8_t *) (uintptr_t) data };
    m.message_case = CW1__EXEC_STREAM_RESPONSE__MESSAGE_OUTPUT;
    m.output = &output;
    proto_encode(&m, out);
}

static void write_exit(int code, int64_t ms, struct buf *out)
{
    Cw1__ExecStreamResponse m = CW1__EXEC_STREAM_RESPONSE__INIT;
    Cw1__ExecStreamExit end = CW1__EXEC_STREAM_EXIT__INIT;
    Rpc__Timestamp at = stamp(ms);
    end.exit_code = code;
    end.completed_time = &at;
    m.message_case = CW1__EXEC_STREAM_RESPONSE__MESSAGE_EXIT;
    m.exit = &end;
    proto_encode(&m, out);
}

static void write_exec_error(const char *code, const char *message, struct buf *out)
{
    Cw1__ExecStreamResponse m = CW1__EXEC_STREAM_RESPONSE__INIT;
    Cw1__ExecStreamError error = CW1__EXEC_STREAM_ERROR__INIT;
    error.code = proto_text(code);
    error.message = proto_text(message);
    m.message_case = CW1__EXEC_STREAM_RESPONSE__MESSAGE_ERROR;
    m.error = &error;
    proto_encode(&m, out);
}

static int read_exec_input(const struct buf *message, struct cw_input *out_input, struct err *err)
{
    static const enum cw_input_kind kinds[] = {
        [CW1__EXEC_STREAM_REQUEST__MESSAGE__NOT_SET] = CW_INPUT_NONE,
        [CW1__EXEC_STREAM_REQUEST__MESSAGE_INIT] = CW_INPUT_INIT,
        [CW1__EXEC_STREAM_REQUEST__MESSAGE_STDIN] = CW_INPUT_STDIN,
        [CW1__EXEC_STREAM_REQUEST__MESSAGE_RESIZE] = CW_INPUT_RESIZE,
        [CW1__EXEC_STREAM_REQUEST__MESSAGE_CLOSE] = CW_INPUT_CLOSE,
    };
    if (proto_decode(&cw1__exec_stream_request__descriptor, buf_cstr(message), message->len, &out_input->message,
                     err) < 0)
        return -1;
    const Cw1__ExecStreamRequest *m = (const Cw1__ExecStreamRequest *) out_input->message;
    out_input->kind = kinds[m->message_case];
    if (out_input->kind == CW_INPUT_STDIN) {
        out_input->data = m->stdin.data;
        out_input->len = m->stdin.len;
    } else if (out_input->kind == CW_INPUT_RESIZE) {
        out_input->width = m->resize->width;
        out_input->height = m->resize->height;
    }
    return 0;
}

/* ---- logs, files ----------------------------------------------------------------------------------- */

static void write_log(const void *data, size_t len, int64_t ms, const char *session, uint64_t next_offset,
                      struct buf *out)
{
    Cw1__LogEntry m = CW1__LOG_ENTRY__INIT;
    Rpc__Timestamp at = stamp(ms);
    m.data = (ProtobufCBinaryData) { len, (uint8_t *) (uintptr_t) data };
    m.timestamp = &at;
    m.log_session_id = proto_text(session);
    m.next_log_offset = next_offset;
    proto_encode(&m, out);
}

static void write_log_error(const char *code, const char *message, struct buf *out)
{
    Cw1__LogEntry m = CW1__LOG_ENTRY__INIT;
    Cw1__LogStreamError error = CW1__LOG_STREAM_ERROR__INIT;
    error.code = proto_text(code);
    error.message = proto_text(message);
    m.error = &error;
    proto_encode(&m, out);
}

static void write_file(const struct buf *content, struct buf *out)
{
    Cw1__ReadFileResponse m = CW1__READ_FILE_RESPONSE__INIT;
    m.content = PROTO_BYTES(*content);
    proto_encode(&m, out);
}

static void write_file_done(struct buf *out)
{
    Cw1__WriteFileResponse m = CW1__WRITE_FILE_RESPONSE__INIT;
    proto_encode(&m, out);
}

/* ---- discovery, snapshots ----------------------------------------------------------------------------- */

struct runner_parts {
    Cw1__AvailableRunner m;
    Cw1__RunnerCapabilitySummary can;
    Cw1__RunnerResourceSummary has;
    Rpc__Timestamp connected;
    char *architectures[1];
};

static void fill_runner(const struct cw_runner *runner, struct runner_parts *parts)
{
    *parts = (struct runner_parts) { .m = CW1__AVAILABLE_RUNNER__INIT,
                                     .can = CW1__RUNNER_CAPABILITY_SUMMARY__INIT,
                                     .has = CW1__RUNNER_RESOURCE_SUMMARY__INIT };
    parts->connected = stamp(runner->connected_ms);
    parts->architectures[0] = proto_text(runner->architecture);
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
    parts->m.connected_at = &parts->connected;
}

static void write_runners(const struct cw_runner *runners, size_t count, struct buf *out)
{
    Cw1__ListAvailableRunnersResponse m = CW1__LIST_AVAILABLE_RUNNERS_RESPONSE__INIT;
    struct runner_parts parts;
    Cw1__AvailableRunner *list[1] = { &parts.m };
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

static void write_no_snapshots(struct buf *out)
{
    Cw1__ListFileSystemSnapshotsResponse m = CW1__LIST_FILE_SYSTEM_SNAPSHOTS_RESPONSE__INIT;
    proto_encode(&m, out);
}

/* ---- tables ------------------------------------------------------------------------------------------ */

const struct cw_wire cw_wire_v1 = {
    .version = "v1",
    .services = { &cw1__sandbox_service__descriptor, &cw1__discovery_service__descriptor },
    .write_created = write_sandbox,
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
    .write_file = write_file,
    .write_file_done = write_file_done,
    .write_runners = write_runners,
    .write_runner = write_runner,
    .write_no_snapshots = write_no_snapshots,
};

#define SANDBOXES "/coreweave.sandbox.v1.SandboxService/"
#define DISCOVERY "/coreweave.sandbox.v1.DiscoveryService/"
#define QUICK(op) ((op) == OP_SANDBOX_GET)   /* what clients poll, and what reads facts only */
#define ROW(path, kind, op, descriptor, read, handle) \
    { { path, kind, NULL, QUICK(op) }, &cw_wire_v1, op, &cw1__##descriptor##__descriptor, read, NULL, handle }
#define UNARY(name, op, descriptor, read, handle) ROW(SANDBOXES name, RPC_UNARY, op, descriptor, read, handle)
#define UNSERVED(name) \
    { { SANDBOXES name, RPC_UNARY, NULL, false }, &cw_wire_v1, CW_NO_OP, NULL, NULL, NULL, cw_not_supported }

const struct cw_row cw_v1_rows[] = {
    UNARY("CreateSandbox", OP_SANDBOX_CREATE, create_sandbox_request, read_create, cw_create_sandbox),
    UNARY("GetSandbox", OP_SANDBOX_GET, get_sandbox_request, read_get, cw_get_sandbox),
    UNARY("ListSandboxes", OP_SANDBOX_LIST, list_sandboxes_request, read_list, cw_list_sandboxes),
    UNARY("DeleteSandbox", OP_SANDBOX_STOP, delete_sandbox_request, read_delete, cw_stop_sandbox),
    UNARY("Exec", OP_PROCESS_EXEC, exec_request, read_exec, cw_unary_exec),
    UNARY("WriteFile", OP_FILE_WRITE, write_file_request, read_write_file, cw_write_file),
    UNARY("ReadFile", OP_FILE_READ, read_file_request, read_read_file, cw_read_file),
    UNARY("CreateFileSystemSnapshot", CW_NO_OP, create_file_system_snapshot_request, read_nothing, cw_create_snapshot),
    UNARY("GetFileSystemSnapshot", CW_NO_OP, get_file_system_snapshot_request, read_snapshot_id, cw_get_snapshot),
    UNARY("ListFileSystemSnapshots", CW_NO_OP, list_file_system_snapshots_request, read_nothing, cw_list_snapshots),
    UNARY("DeleteFileSystemSnapshot", CW_NO_OP, delete_file_system_snapshot_request, read_snapshot_id,
          cw_delete_snapshot),
    UNSERVED("CreateSandboxFromTemplate"),
    UNSERVED("CreateSandboxFromFile"),
    UNSERVED("GetSandboxBuildLogs"),
    UNSERVED("PurgeSandboxes"),
    /* 1.22.0 asks for a direct connection before each command, log and file, and goes on without one when it hears
       that there is none (SDK 1.22.0, _direct.py:340-365). */
    UNSERVED("ConnectSandbox"),
    { { SANDBOXES "StreamExec", RPC_BIDI, NULL, true }, &cw_wire_v1, OP_PROCESS_EXEC,
      &cw1__exec_stream_request__descriptor, read_exec_init, read_exec_input, cw_stream_exec },
    ROW(SANDBOXES "StreamLogs", RPC_SERVER_STREAM, OP_PROCESS_LOGS, stream_logs_request, read_logs, cw_stream_logs),
    ROW(DISCOVERY "ListAvailableRunners", RPC_UNARY, CW_NO_OP, list_available_runners_request, read_runners,
        cw_list_runners),
    ROW(DISCOVERY "GetAvailableRunner", RPC_UNARY, CW_NO_OP, get_available_runner_request, read_runner, cw_get_runner),
};
const size_t cw_v1_row_count = COUNT(cw_v1_rows);
