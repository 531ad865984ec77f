#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/support/cw_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dialects/coreweave/wire.h"
#include "dialects/op.h"

static bool runs_v1;

/* ---- making and unmaking ------------------------------------------------------------------------ */

int cw_world_run(const char *name, const struct CMUnitTest *tests, size_t count)
{
    char full[100];
    int failures = 0;
    for (int i = 0; i < 2; i++) {
        runs_v1 = i == 1;
        snprintf(full, sizeof full, "%s, %s", name, runs_v1 ? "v1" : "v1beta2");
        failures += world_run_modes(full, tests, count);
    }
    return failures;
}

void cw_world_remake_dialect(struct cw_world *world)
{
    struct err err = ERR_INIT;
    struct dialect_env env = { .engine = world->base->engine, .lane = world->lane, .api_keys = world->api_keys };
    coreweave_dialect.destroy(world->dialect);
    world->dialect = NULL;
    if (coreweave_create(&world->dialect, &env, &world->settings, &err) < 0)
        fail_msg("%s", err.text);
}

static void make_lane(struct cw_world *world, double clock_scale)
{
    struct err err = ERR_INIT;
    if (puppeteer_new(&world->puppeteer, &err) < 0)
        fail_msg("%s", err.text);
    const struct lanes_config config = {
        .engine = world->base->engine, .puppeteer = world->puppeteer, .clock_scale = clock_scale, .seed = 1
    };
    if (lanes_new(&world->lanes, &config, &err) < 0 ||
        lanes_get(world->lanes, LANE_DEFAULT, true, &world->lane, &err) < 0)
        fail_msg("%s", err.text);
}

int cw_world_setup_empty(void **state)
{
    struct cw_world *world = calloc(1, sizeof *world);
    void *base = NULL;
    assert_non_null(world);
    double clock_scale = world_clock_scale > 0 ? world_clock_scale : 1;
    world_setup(&base);
    world->base = base;
    world->is_v1 = runs_v1;
    make_lane(world, clock_scale);
    assert_int_equal(cw_settings_parse(&world->settings, NULL, NULL), 0);
    cw_world_remake_dialect(world);
    *state = world;
    return 0;
}

int cw_world_setup(void **state)
{
    cw_world_setup_empty(state);
    cw_new_sandbox(*state, &(struct cw_wish) { .program = NULL });
    return 0;
}

static void free_answer(struct cw_answer *answer)
{
    fake_rpc_cancel(&answer->f);
    assert_true(fake_rpc_finish(&answer->f, CW_SECONDS) || !answer->f.has_thread);
    op_end(&answer->f.rpc.x);
    fake_rpc_fini(&answer->f);
    for (size_t i = 0; i < answer->message_count; i++)
        proto_free(answer->messages[i]);
    free(answer);
}

int cw_world_teardown(void **state)
{
    struct cw_world *world = *state;
    while (world->answers != NULL) {
        struct cw_answer *answer = world->answers;
        world->answers = answer->next;
        free_answer(answer);
    }
    coreweave_dialect.destroy(world->dialect);
    engine_reset(world->base->engine, lane_owner(world->lane));
    lane_unref(world->lane);
    lanes_free(world->lanes);
    puppeteer_free(world->puppeteer);
    void *base = world->base;
    free(world);
    return world_teardown(&base);
}

/* ---- calls ---------------------------------------------------------------------------------------- */

struct cw_answer *cw_new(struct cw_world *world, const char *method)
{
    char path[200];
    struct cw_answer *answer = calloc(1, sizeof *answer);
    assert_non_null(answer);
    snprintf(path, sizeof path, "/coreweave.sandbox.%s.%s", world->is_v1 ? "v1" : "v1beta2", method);
    fake_rpc_init(&answer->f, path, "key", world->lane);
    answer->next = world->answers;
    world->answers = answer;
    return answer;
}

void cw_send(struct cw_answer *answer, const void *message)
{
    BUF_AUTO bytes = BUF_INIT;
    proto_encode(message, &bytes);
    fake_rpc_send(&answer->f, buf_cstr(&bytes), bytes.len);
}

void cw_start(struct cw_world *world, struct cw_answer *answer)
{
    fake_rpc_start(&answer->f, &coreweave_dialect, world->dialect);
}

void cw_finish(struct cw_answer *answer)
{
    if (!fake_rpc_finish(&answer->f, CW_SECONDS))
        fail_msg("not answered in %d s: %s", CW_SECONDS, answer->f.path);
    op_end(&answer->f.rpc.x);
}

struct cw_answer *cw_unary(struct cw_world *world, const char *method, const void *message)
{
    struct cw_answer *answer = cw_new(world, method);
    cw_send(answer, message);
    fake_rpc_half_close(&answer->f);
    cw_start(world, answer);
    cw_finish(answer);
    return answer;
}

const void *cw_read(struct cw_answer *answer, size_t index, const ProtobufCMessageDescriptor *type)
{
    struct err err = ERR_INIT;
    ProtobufCMessage *message;
    BUF_AUTO bytes = BUF_INIT;
    pthread_mutex_lock(&answer->f.lock);
    bool there = index < answer->f.got_count;
    if (there)
        buf_add(&bytes, buf_cstr(&answer->f.got[index]), answer->f.got[index].len);
    pthread_mutex_unlock(&answer->f.lock);
    if (!there)
        fail_msg("no message %zu: status %d, %s", index, (int) answer->f.status, buf_cstr(&answer->f.message));
    if (proto_decode(type, buf_cstr(&bytes), bytes.len, &message, &err) < 0)
        fail_msg("%s", err.text);
    assert_true(answer->message_count < 64);
    answer->messages[answer->message_count++] = message;
    return message;
}

void cw_assert_ok(const struct cw_answer *answer)
{
    if (!answer->f.ended || answer->f.status != RPC_OK)
        fail_msg("%s: status %d, %s", answer->f.path, answer->f.ended ? (int) answer->f.status : -1,
                 buf_cstr(&answer->f.message));
}

/* Free it with proto_free; NULL: there is none. */
static ProtobufCMessage *read_info(const struct cw_answer *answer)
{
    struct err err = ERR_INIT;
    ProtobufCMessage *status, *info = NULL;
    if (answer->f.details.len == 0)
        return NULL;
    if (proto_decode(&rpc__status__descriptor, answer->f.details.data, answer->f.details.len, &status, &err) < 0)
        fail_msg("%s", err.text);
    const Rpc__Status *s = (const Rpc__Status *) status;
    assert_int_equal(s->code, answer->f.status);
    assert_string_equal(s->message, buf_cstr(&answer->f.message));
    for (size_t i = 0; i < s->n_details && info == NULL; i++) {
        if (strcmp(s->details[i]->type_url, "type.googleapis.com/google.rpc.ErrorInfo") == 0 &&
            proto_decode(&rpc__error_info__descriptor, s->details[i]->value.data, s->details[i]->value.len, &info,
                         &err) < 0)
            fail_msg("%s", err.text);
    }
    proto_free(status);
    return info;
}

void cw_assert_refused(const struct cw_answer *answer, enum rpc_status status, const char *reason)
{
    ProtobufCMessage *info = read_info(answer);
    if (!answer->f.ended || answer->f.status != status)
        fail_msg("%s: status %d, not %d: %s", answer->f.path, answer->f.ended ? (int) answer->f.status : -1,
                 (int) status, buf_cstr(&answer->f.message));
    assert_true(answer->f.message.len > 0);
    if (reason == NULL) {
        assert_null(info);
        return;
    }
    assert_non_null(info);
    assert_string_equal(((Rpc__ErrorInfo *) info)->reason, reason);
    assert_string_equal(((Rpc__ErrorInfo *) info)->domain, "cwsandbox.com");
    proto_free(info);
}

const char *cw_meta(struct cw_answer *answer, const char *name)
{
    ProtobufCMessage *info = read_info(answer);
    assert_non_null(info);
    answer->messages[answer->message_count++] = info;
    const Rpc__ErrorInfo *m = (const Rpc__ErrorInfo *) info;
    for (size_t i = 0; i < m->n_metadata; i++) {
        if (strcmp(m->metadata[i]->key, name) == 0)
            return m->metadata[i]->value;
    }
    return NULL;
}

/* ---- sandboxes --------------------------------------------------------------------------------------- */

static size_t count_args(const struct cw_wish *wish)
{
    size_t n = 0;
    while (n < 4 && wish->args[n] != NULL)
        n++;
    return n;
}

static char *text(const char *value)
{
    return proto_text(value == NULL ? "" : value);
}

static struct cw_answer *create_v1(struct cw_world *world, const struct cw_wish *wish)
{
    Cw1__CreateSandboxRequest m = CW1__CREATE_SANDBOX_REQUEST__INIT;
    Cw1__Sandbox sandbox = CW1__SANDBOX__INIT;
    Cw1__SandboxSpec spec = CW1__SANDBOX_SPEC__INIT;
    Cw1__Container c = CW1__CONTAINER__INIT, *containers[] = { &c };
    Cw1__Container__EnvironmentVariablesEntry entry = CW1__CONTAINER__ENVIRONMENT_VARIABLES_ENTRY__INIT, *env[] = { &entry };
    Cw1__FileMount file = CW1__FILE_MOUNT__INIT, *files[] = { &file };
    char *tags[] = { text(wish->tag) };
    c.name = text("main");
    c.image = text(wish->image);
    c.command = text(wish->program);
    c.working_dir = text(wish->working_dir);
    c.n_args = count_args(wish);
    c.args = (char **) (uintptr_t) wish->args;
    c.n_environment_variables = wish->env_name != NULL;
    c.environment_variables = env;
    entry.key = text(wish->env_name);
    entry.value = text(wish->env_value);
    c.n_files = wish->file_path != NULL;
    c.files = files;
    file.path = text(wish->file_path);
    file.content = (ProtobufCBinaryData) { strlen(text(wish->file_content)), (uint8_t *) text(wish->file_content) };
    spec.n_containers = 1;
    spec.containers = containers;
    spec.n_tags = wish->tag != NULL;
    spec.tags = tags;
    spec.max_lifetime_seconds = wish->max_lifetime_s;
    sandbox.spec = &spec;
    m.sandbox = &sandbox;
    m.request_id = text(wish->request_id);
    return cw_unary(world, "SandboxService/CreateSandbox", &m);
}

static struct cw_answer *create_v1beta2(struct cw_world *world, const struct cw_wish *wish)
{
    Cwb2__StartSandboxRequest m = CWB2__START_SANDBOX_REQUEST__INIT;
    Cwb2__StartSandboxRequest__EnvironmentVariablesEntry entry =
        CWB2__START_SANDBOX_REQUEST__ENVIRONMENT_VARIABLES_ENTRY__INIT, *env[] = { &entry };
    Cwb2__MountedFile file = CWB2__MOUNTED_FILE__INIT, *files[] = { &file };
    char *tags[] = { text(wish->tag) };
    m.container_image = text(wish->image);
    m.command = text(wish->program);
    m.n_args = count_args(wish);
    m.args = (char **) (uintptr_t) wish->args;
    m.n_environment_variables = wish->env_name != NULL;
    m.environment_variables = env;
    entry.key = text(wish->env_name);
    entry.value = text(wish->env_value);
    m.n_mounted_files = wish->file_path != NULL;
    m.mounted_files = files;
    file.mount_path = text(wish->file_path);
    file.file_content = (ProtobufCBinaryData) { strlen(text(wish->file_content)), (uint8_t *) text(wish->file_content) };
    m.n_tags = wish->tag != NULL;
    m.tags = tags;
    m.max_lifetime_seconds = wish->max_lifetime_s;
    return cw_unary(world, "GatewayService/Start", &m);
}

struct cw_answer *cw_create(struct cw_world *world, const struct cw_wish *wish)
{
    struct cw_answer *answer = world->is_v1 ? create_v1(world, wish) : create_v1beta2(world, wish);
    if (answer->f.status != RPC_OK)
        return answer;
    const char *id = world->is_v1 ? ((const Cw1__Sandbox *) cw_read(answer, 0, &cw1__sandbox__descriptor))->sandbox_id
                                  : ((const Cwb2__StartSandboxResponse *) cw_read(
                                         answer, 0, &cwb2__start_sandbox_response__descriptor))->sandbox_id;
    snprintf(world->sandbox, sizeof world->sandbox, "%s", id);
    return answer;
}

void cw_new_sandbox(struct cw_world *world, const struct cw_wish *wish)
{
    cw_assert_ok(cw_create(world, wish));
    cw_await_state(world, world->sandbox, CW_RUNNING);
}

void cw_new_sandbox_running(struct cw_world *world, const char *line)
{
    cw_new_sandbox(world, &(struct cw_wish) { .program = "/bin/sh", .args = { "-c", line } });
    struct sandbox *sandbox = engine_find_sandbox(world->base->engine, NULL, NULL, world->sandbox);
    struct proc *proc = sandbox_main(sandbox);
    world_await_output(proc, "up\n");
    proc_unref(proc);
    sandbox_unref(sandbox);
}

static const int states_v1[] = { CW_UNSPECIFIED, CW_CREATING, CW_RUNNING, CW_COMPLETED, CW_FAILED, CW_TERMINATING,
                                 CW_TERMINATED, CW_PENDING, CW_PAUSED, CW_PREPARING };
static const int states_v1beta2[] = { CW_UNSPECIFIED, CW_CREATING, CW_RUNNING, CW_COMPLETED, CW_FAILED, CW_TERMINATED,
                                      CW_PENDING, CW_PAUSED, -1, CW_TERMINATING };

struct cw_seen cw_get(struct cw_world *world, const char *id)
{
    struct cw_seen seen = { .state = -1 };
    if (world->is_v1) {
        Cw1__GetSandboxRequest m = CW1__GET_SANDBOX_REQUEST__INIT;
        m.sandbox_id = text(id);
        struct cw_answer *answer = cw_unary(world, "SandboxService/GetSandbox", &m);
        cw_assert_ok(answer);
        const Cw1__SandboxStatus *s = ((const Cw1__Sandbox *) cw_read(answer, 0, &cw1__sandbox__descriptor))->status;
        seen.state = states_v1[s->state];
        seen.has_exit_code = s->exit_code_given_case == CW1__SANDBOX_STATUS__EXIT_CODE_GIVEN_EXIT_CODE;
        seen.exit_code = seen.has_exit_code ? s->exit_code : 0;
        seen.started_s = s->start_time == NULL ? 0 : s->start_time->seconds;
        snprintf(seen.reason, sizeof seen.reason, "%s", s->state_reason);
        return seen;
    }
    Cwb2__GetSandboxRequest m = CWB2__GET_SANDBOX_REQUEST__INIT;
    m.sandbox_id = text(id);
    struct cw_answer *answer = cw_unary(world, "GatewayService/Get", &m);
    cw_assert_ok(answer);
    const Cwb2__GetSandboxResponse *s = cw_read(answer, 0, &cwb2__get_sandbox_response__descriptor);
    seen.state = states_v1beta2[s->sandbox_status];
    seen.started_s = s->started_at_time == NULL ? 0 : s->started_at_time->seconds;
    return seen;
}

struct cw_seen cw_await_state(struct cw_world *world, const char *id, int state)
{
    int64_t end = mono_ns() + CW_SECONDS * INT64_C(1000000000);
    struct cw_seen seen = cw_get(world, id);
    while (seen.state != state && mono_ns() < end)
        seen = cw_get(world, id);
    if (seen.state != state)
        fail_msg("state %d, not %d", seen.state, state);
    return seen;
}

struct cw_answer *cw_stop(struct cw_world *world, const char *id, int grace_s, bool allow_missing)
{
    if (world->is_v1) {
        Cw1__DeleteSandboxRequest m = CW1__DELETE_SANDBOX_REQUEST__INIT;
        m.sandbox_id = text(id);
        m.grace_period_seconds = grace_s;
        m.allow_missing = allow_missing;
        return cw_unary(world, "SandboxService/DeleteSandbox", &m);
    }
    Cwb2__StopSandboxRequest m = CWB2__STOP_SANDBOX_REQUEST__INIT;
    m.sandbox_id = text(id);
    m.graceful_shutdown_seconds = grace_s;
    return cw_unary(world, "GatewayService/Stop", &m);
}

/* ---- commands ---------------------------------------------------------------------------------------- */

static void send_init(struct cw_world *world, struct cw_answer *answer, char **argv, size_t argc, bool tty)
{
    if (world->is_v1) {
        Cw1__ExecStreamRequest m = CW1__EXEC_STREAM_REQUEST__INIT;
        Cw1__ExecStreamInit init = CW1__EXEC_STREAM_INIT__INIT;
        init.sandbox_id = world->sandbox;
        init.n_command = argc;
        init.command = argv;
        init.tty = tty;
        m.message_case = CW1__EXEC_STREAM_REQUEST__MESSAGE_INIT;
        m.init = &init;
        cw_send(answer, &m);
        return;
    }
    Cwb2__ExecStreamRequest m = CWB2__EXEC_STREAM_REQUEST__INIT;
    Cwb2__ExecStreamInit init = CWB2__EXEC_STREAM_INIT__INIT;
    init.sandbox_id = world->sandbox;
    init.n_command = argc;
    init.command = argv;
    init.tty = tty;
    m.request_case = CWB2__EXEC_STREAM_REQUEST__REQUEST_INIT;
    m.init = &init;
    cw_send(answer, &m);
}

struct cw_answer *cw_exec_start(struct cw_world *world, const char *const *argv, bool tty)
{
    size_t argc = 0;
    struct cw_answer *answer =
        cw_new(world, world->is_v1 ? "SandboxService/StreamExec" : "GatewayStreamingService/StreamExec");
    while (argv[argc] != NULL)
        argc++;
    send_init(world, answer, (char **) (uintptr_t) argv, argc, tty);
    cw_start(world, answer);
    return answer;
}

struct cw_answer *cw_exec(struct cw_world *world, const char *line)
{
    struct cw_answer *answer = cw_exec_start(world, (const char *[]) { "/bin/sh", "-c", line, NULL }, false);
    fake_rpc_half_close(&answer->f);
    cw_finish(answer);
    return answer;
}

void cw_stdin(struct cw_world *world, struct cw_answer *answer, const void *data, size_t len)
{
    ProtobufCBinaryData bytes = { len, (uint8_t *) (uintptr_t) data };
    if (world->is_v1) {
        Cw1__ExecStreamRequest m = CW1__EXEC_STREAM_REQUEST__INIT;
        m.message_case = CW1__EXEC_STREAM_REQUEST__MESSAGE_STDIN;
        m.stdin = bytes;
        cw_send(answer, &m);
        return;
    }
    Cwb2__ExecStreamRequest m = CWB2__EXEC_STREAM_REQUEST__INIT;
    Cwb2__ExecStreamData piece = CWB2__EXEC_STREAM_DATA__INIT;
    piece.data = bytes;
    m.request_case = CWB2__EXEC_STREAM_REQUEST__REQUEST_STDIN;
    m.stdin = &piece;
    cw_send(answer, &m);
}

void cw_close(struct cw_world *world, struct cw_answer *answer)
{
    if (world->is_v1) {
        Cw1__ExecStreamRequest m = CW1__EXEC_STREAM_REQUEST__INIT;
        Cw1__ExecStreamClose close = CW1__EXEC_STREAM_CLOSE__INIT;
        m.message_case = CW1__EXEC_STREAM_REQUEST__MESSAGE_CLOSE;
        m.close = &close;
        cw_send(answer, &m);
        return;
    }
    Cwb2__ExecStreamRequest m = CWB2__EXEC_STREAM_REQUEST__INIT;
    Cwb2__ExecStreamClose close = CWB2__EXEC_STREAM_CLOSE__INIT;
    m.request_case = CWB2__EXEC_STREAM_REQUEST__REQUEST_CLOSE;
    m.close = &close;
    cw_send(answer, &m);
}

void cw_resize(struct cw_world *world, struct cw_answer *answer, unsigned width, unsigned height)
{
    if (world->is_v1) {
        Cw1__ExecStreamRequest m = CW1__EXEC_STREAM_REQUEST__INIT;
        Cw1__ExecStreamResize resize = CW1__EXEC_STREAM_RESIZE__INIT;
        resize.width = width;
        resize.height = height;
        m.message_case = CW1__EXEC_STREAM_REQUEST__MESSAGE_RESIZE;
        m.resize = &resize;
        cw_send(answer, &m);
        return;
    }
    Cwb2__ExecStreamRequest m = CWB2__EXEC_STREAM_REQUEST__INIT;
    Cwb2__ExecStreamResize resize = CWB2__EXEC_STREAM_RESIZE__INIT;
    resize.width = width;
    resize.height = height;
    m.request_case = CWB2__EXEC_STREAM_REQUEST__REQUEST_RESIZE;
    m.resize = &resize;
    cw_send(answer, &m);
}

/* ---- what an exec says -------------------------------------------------------------------------------- */

static void tell_output(struct cw_story *story, bool is_stderr, const ProtobufCBinaryData *data)
{
    buf_add(is_stderr ? &story->err : &story->out, data->data, data->len);
    story->outputs++;
    story->after_exit += story->exits > 0;
}

static void tell_v1(struct cw_story *story, const Cw1__ExecStreamResponse *m)
{
    if (m->message_case == CW1__EXEC_STREAM_RESPONSE__MESSAGE_READY)
        story->ready++;
    else if (m->message_case == CW1__EXEC_STREAM_RESPONSE__MESSAGE_OUTPUT)
        tell_output(story, m->output->stream == CW1__EXEC_STREAM_OUTPUT__STREAM__STREAM_STDERR, &m->output->data);
    else if (m->message_case == CW1__EXEC_STREAM_RESPONSE__MESSAGE_EXIT) {
        story->exits++;
        story->exit_code = m->exit->exit_code;
    } else if (m->message_case == CW1__EXEC_STREAM_RESPONSE__MESSAGE_ERROR) {
        story->errors++;
        snprintf(story->error_code, sizeof story->error_code, "%s", m->error->code);
    }
}

static void tell_v1beta2(struct cw_story *story, const Cwb2__ExecStreamResponse *m)
{
    if (m->response_case == CWB2__EXEC_STREAM_RESPONSE__RESPONSE_READY)
        story->ready++;
    else if (m->response_case == CWB2__EXEC_STREAM_RESPONSE__RESPONSE_OUTPUT)
        tell_output(story, m->output->stream_type == CWB2__EXEC_STREAM_OUTPUT__STREAM_TYPE__STREAM_TYPE_STDERR,
                    &m->output->data);
    else if (m->response_case == CWB2__EXEC_STREAM_RESPONSE__RESPONSE_EXIT) {
        story->exits++;
        story->exit_code = m->exit->exit_code;
    } else if (m->response_case == CWB2__EXEC_STREAM_RESPONSE__RESPONSE_ERROR) {
        story->errors++;
        snprintf(story->error_code, sizeof story->error_code, "%s", m->error->code);
    }
}

void cw_tell(struct cw_world *world, struct cw_answer *answer, struct cw_story *out_story)
{
    struct err err = ERR_INIT;
    *out_story = (struct cw_story) { .exit_code = -1000 };
    pthread_mutex_lock(&answer->f.lock);
    for (size_t i = 0; i < answer->f.got_count; i++) {
        ProtobufCMessage *message;
        const struct buf *bytes = &answer->f.got[i];
        CHECK(proto_decode(world->is_v1 ? &cw1__exec_stream_response__descriptor
                                        : &cwb2__exec_stream_response__descriptor,
                           buf_cstr(bytes), bytes->len, &message, &err) == 0);
        if (world->is_v1)
            tell_v1(out_story, (const Cw1__ExecStreamResponse *) message);
        else
            tell_v1beta2(out_story, (const Cwb2__ExecStreamResponse *) message);
        proto_free(message);
    }
    pthread_mutex_unlock(&answer->f.lock);
}

void cw_story_fini(struct cw_story *story)
{
    buf_fini(&story->out);
    buf_fini(&story->err);
}

void cw_await_output(struct cw_world *world, struct cw_answer *answer, const char *wanted)
{
    for (size_t count = 1;; count++) {
        bool more = fake_rpc_await(&answer->f, count, CW_SECONDS);
        CW_STORY story;
        cw_tell(world, answer, &story);
        if (strstr(buf_cstr(&story.out), wanted) != NULL)
            return;
        if (!more)
            fail_msg("never wrote \"%s\": %s", wanted, buf_cstr(&story.out));
    }
}
