/* coreweave: a sandbox's life, lists, stops, files, discovery and refusals, in both versions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dialects/coreweave/wire.h"
#include "tests/support/cw_world.h"

#define WISH(...) (&(struct cw_wish) { __VA_ARGS__ })
#define SHELL(line) .program = "/bin/sh", .args = { "-c", line }

/* ---- states -------------------------------------------------------------------------------------- */

static void a_new_sandbox_is_pending_then_creating_then_running(void **state)
{
    struct cw_world *w = *state;
    w->settings.pending_ms = 1000;
    w->settings.creating_ms = 1000;
    cw_world_remake_dialect(w);
    clock_freeze(lane_clock(w->lane));
    cw_assert_ok(cw_create(w, WISH(.program = NULL)));
    assert_int_equal(cw_get(w, w->sandbox).state, CW_PENDING);
    clock_advance(lane_clock(w->lane), 1000);
    assert_int_equal(cw_get(w, w->sandbox).state, CW_CREATING);
    assert_int_equal(cw_get(w, w->sandbox).started_s, 0);
    clock_advance(lane_clock(w->lane), 1000);
    assert_true(cw_await_state(w, w->sandbox, CW_RUNNING).started_s > 0);
}

static void commands_are_refused_until_it_runs(void **state)
{
    struct cw_world *w = *state;
    w->settings.creating_ms = 1000;
    cw_world_remake_dialect(w);
    clock_freeze(lane_clock(w->lane));
    cw_assert_ok(cw_create(w, WISH(.program = NULL)));
    cw_assert_refused(cw_exec(w, "true"), RPC_FAILED_PRECONDITION, "CWSANDBOX_SANDBOX_NOT_RUNNING");
}

static void a_main_process_that_ends_completes_its_sandbox_with_its_exit_code(void **state)
{
    struct cw_world *w = *state;
    cw_assert_ok(cw_create(w, WISH(SHELL("exit 3"))));
    struct cw_seen seen = cw_await_state(w, w->sandbox, CW_COMPLETED);
    if (w->is_v1) {
        assert_true(seen.has_exit_code);
        assert_int_equal(seen.exit_code, 3);
    }
    cw_assert_refused(cw_exec(w, "true"), RPC_FAILED_PRECONDITION, "CWSANDBOX_SANDBOX_NOT_RUNNING");
}

static void exit_code_0_is_reported_too(void **state)
{
    struct cw_world *w = *state;
    cw_assert_ok(cw_create(w, WISH(SHELL("exit 0"))));
    struct cw_seen seen = cw_await_state(w, w->sandbox, CW_COMPLETED);
    assert_int_equal(seen.has_exit_code, w->is_v1);
    assert_int_equal(seen.exit_code, 0);
}

static void a_program_that_is_not_there_fails_its_sandbox(void **state)
{
    struct cw_world *w = *state;
    cw_assert_ok(cw_create(w, WISH(.program = "/no/such/program")));
    struct cw_seen seen = cw_await_state(w, w->sandbox, CW_FAILED);
    assert_false(seen.has_exit_code);
    if (w->is_v1)
        assert_string_equal(seen.reason, "the main process could not be started");
}

static void an_image_that_cannot_be_had_fails_its_sandbox(void **state)
{
    struct cw_world *w = *state;
    cw_assert_ok(cw_create(w, WISH(.image = "missing-image:1")));
    struct cw_seen seen = cw_await_state(w, w->sandbox, CW_FAILED);
    if (w->is_v1)
        assert_non_null(strstr(seen.reason, "missing-image:1"));
}

static void a_sandbox_ends_when_its_lifetime_is_over(void **state)
{
    struct cw_world *w = *state;
    cw_new_sandbox(w, WISH(.max_lifetime_s = 60));
    clock_advance(lane_clock(w->lane), 59000);
    assert_int_equal(cw_get(w, w->sandbox).state, CW_RUNNING);
    clock_advance(lane_clock(w->lane), 2000);
    cw_await_state(w, w->sandbox, CW_COMPLETED);
}

/* ---- stop ------------------------------------------------------------------------------------------ */

static void a_stop_is_answered_when_the_sandbox_is_gone(void **state)
{
    struct cw_world *w = *state;
    w->settings.stop_wait_ms = WORLD_LIMIT_MS;
    cw_world_remake_dialect(w);
    cw_new_sandbox_running(w, "trap 'exit 6' TERM; echo up; sleep 1000 & wait");
    cw_assert_ok(cw_stop(w, w->sandbox, 1000, false));
    struct cw_seen seen = cw_get(w, w->sandbox);
    assert_int_equal(seen.state, CW_COMPLETED);
    if (w->is_v1)
        assert_int_equal(seen.exit_code, 6);
    cw_assert_ok(cw_stop(w, w->sandbox, 10, false));
}

static void a_stop_gives_the_main_process_its_grace_and_then_no_more(void **state)
{
    struct cw_world *w = *state;
    w->settings.stop_wait_ms = 0;
    cw_world_remake_dialect(w);
    cw_new_sandbox_running(w, "trap '' TERM; echo up; sleep 1000");
    clock_freeze(lane_clock(w->lane));
    cw_assert_ok(cw_stop(w, w->sandbox, 30, false));
    assert_int_equal(cw_get(w, w->sandbox).state, CW_TERMINATING);
    cw_assert_refused(cw_exec(w, "true"), RPC_FAILED_PRECONDITION, "CWSANDBOX_SANDBOX_NOT_RUNNING");
    clock_advance(lane_clock(w->lane), 29999);
    assert_int_equal(cw_get(w, w->sandbox).state, CW_TERMINATING);
    clock_advance(lane_clock(w->lane), 1);
    struct cw_seen seen = cw_await_state(w, w->sandbox, CW_COMPLETED);
    if (w->is_v1)
        assert_int_equal(seen.exit_code, 137);
}

static void without_grace_it_dies_at_once(void **state)
{
    struct cw_world *w = *state;
    cw_new_sandbox_running(w, "trap 'exit 9' TERM; echo up; sleep 1000 & wait");
    cw_assert_ok(cw_stop(w, w->sandbox, 0, false));
    struct cw_seen seen = cw_await_state(w, w->sandbox, CW_COMPLETED);
    if (w->is_v1)
        assert_int_equal(seen.exit_code, 137);
}

static void what_a_stopped_sandbox_is_called_can_be_set(void **state)
{
    struct cw_world *w = *state;
    w->settings.stopped_state = "terminated";
    cw_world_remake_dialect(w);
    cw_new_sandbox(w, WISH(.program = NULL));
    cw_assert_ok(cw_stop(w, w->sandbox, 10, false));
    cw_await_state(w, w->sandbox, CW_TERMINATED);
    cw_assert_ok(cw_create(w, WISH(SHELL("exit 0"))));
    cw_await_state(w, w->sandbox, CW_COMPLETED);
}

static void a_sandbox_that_is_not_there_is_not_found(void **state)
{
    struct cw_world *w = *state;
    cw_assert_refused(cw_stop(w, "nobody", 10, false), RPC_NOT_FOUND, "CWSANDBOX_SANDBOX_NOT_FOUND");
    snprintf(w->sandbox, sizeof w->sandbox, "nobody");
    cw_assert_refused(cw_exec(w, "true"), RPC_NOT_FOUND, "CWSANDBOX_SANDBOX_NOT_FOUND");
    if (!w->is_v1)
        return;
    struct cw_answer *a = cw_stop(w, "nobody", 10, true);
    cw_assert_ok(a);
    assert_null(((const Cw1__DeleteSandboxResponse *) cw_read(a, 0, &cw1__delete_sandbox_response__descriptor))->sandbox);
}

/* ---- what a create gives back -------------------------------------------------------------------------- */

static void the_spec_comes_back_as_it_was_sent(void **state)
{
    struct cw_world *w = *state;
    if (!w->is_v1)
        return;
    Cw1__CreateSandboxRequest m = CW1__CREATE_SANDBOX_REQUEST__INIT;
    Cw1__Sandbox sandbox = CW1__SANDBOX__INIT;
    Cw1__SandboxSpec spec = CW1__SANDBOX_SPEC__INIT;
    Cw1__Container c = CW1__CONTAINER__INIT, *containers[] = { &c };
    Cw1__SandboxVolume volume = CW1__SANDBOX_VOLUME__INIT, *volumes[] = { &volume };
    Cw1__ScratchVolume scratch = CW1__SCRATCH_VOLUME__INIT;
    ProtobufCMessageUnknownField later = { 900, PROTOBUF_C_WIRE_TYPE_VARINT, 1, (uint8_t *) proto_text("\x07") };
    volume.name = proto_text("workspace");
    volume.source_case = CW1__SANDBOX_VOLUME__SOURCE_SCRATCH;
    volume.scratch = &scratch;
    c.name = proto_text("main");
    spec.n_containers = spec.n_volumes = 1;
    spec.containers = containers;
    spec.volumes = volumes;
    spec.base.n_unknown_fields = 1;
    spec.base.unknown_fields = &later;
    sandbox.spec = &spec;
    m.sandbox = &sandbox;
    struct cw_answer *a = cw_unary(w, "SandboxService/CreateSandbox", &m);
    cw_assert_ok(a);
    const Cw1__SandboxSpec *back = ((const Cw1__Sandbox *) cw_read(a, 0, &cw1__sandbox__descriptor))->spec;
    assert_string_equal(back->volumes[0]->name, "workspace");
    assert_int_equal(back->volumes[0]->source_case, CW1__SANDBOX_VOLUME__SOURCE_SCRATCH);
    assert_int_equal(back->base.n_unknown_fields, 1);
}

static void one_request_id_makes_one_sandbox(void **state)
{
    struct cw_world *w = *state;
    if (!w->is_v1)
        return;
    char first[64];
    cw_assert_ok(cw_create(w, WISH(.request_id = "id-1", .tag = "x")));
    snprintf(first, sizeof first, "%s", w->sandbox);
    cw_assert_ok(cw_create(w, WISH(.request_id = "id-1", .tag = "x")));
    assert_string_equal(w->sandbox, first);
    cw_assert_refused(cw_create(w, WISH(.request_id = "id-1", .tag = "other")), RPC_ALREADY_EXISTS,
                      "CWSANDBOX_REQUEST_ID_CONFLICT");
    cw_assert_ok(cw_create(w, WISH(.request_id = "id-2", .tag = "x")));
    assert_string_not_equal(w->sandbox, first);
}

static void files_of_a_create_are_there_before_the_command(void **state)
{
    struct cw_world *w = *state;
    bool is_isolated = world_isolation() == ISOLATION_NAMESPACE;
    const char *path = is_isolated ? "/app/deep/config" : "/tmp/standbox-cw-test-config";
    cw_assert_ok(cw_create(w, WISH(SHELL("cat /app/deep/config || cat /tmp/standbox-cw-test-config; exit 5"),
                                   .file_path = path, .file_content = "hello")));
    cw_await_state(w, w->sandbox, CW_COMPLETED);
    if (!is_isolated)
        unlink(path);
}

static void a_file_that_cannot_be_written_fails_its_sandbox(void **state)
{
    struct cw_world *w = *state;
    cw_assert_ok(cw_create(w, WISH(.file_path = "/proc/no/file", .file_content = "x")));
    struct cw_seen seen = cw_await_state(w, w->sandbox, CW_FAILED);
    if (w->is_v1)
        assert_non_null(strstr(seen.reason, "/proc/no/file"));
}

/* ---- list ------------------------------------------------------------------------------------------- */

struct page {
    size_t count;
    char ids[8][64], token[64];
};

static struct page list(struct cw_world *w, const char *tag, int state, bool all, int size, const char *token)
{
    char *tags[] = { proto_text(tag) };
    struct page page = { 0 };
    if (w->is_v1) {
        Cw1__ListSandboxesRequest m = CW1__LIST_SANDBOXES_REQUEST__INIT;
        m.n_tags = tag != NULL;
        m.tags = tags;
        m.state = (Cw1__State) state;
        m.show_terminated = all;
        m.page_size = size;
        m.page_token = proto_text(token);
        struct cw_answer *a = cw_unary(w, "SandboxService/ListSandboxes", &m);
        cw_assert_ok(a);
        const Cw1__ListSandboxesResponse *r = cw_read(a, 0, &cw1__list_sandboxes_response__descriptor);
        page.count = r->n_sandboxes;
        for (size_t i = 0; i < page.count; i++)
            snprintf(page.ids[i], 64, "%s", r->sandboxes[i]->sandbox_id);
        snprintf(page.token, 64, "%s", r->next_page_token);
        return page;
    }
    Cwb2__ListSandboxesRequest m = CWB2__LIST_SANDBOXES_REQUEST__INIT;
    m.n_tags = tag != NULL;
    m.tags = tags;
    m.status = (Cwb2__SandboxStatus) state;
    m.include_stopped = all;
    m.page_size = size;
    m.page_token = proto_text(token);
    struct cw_answer *a = cw_unary(w, "GatewayService/List", &m);
    cw_assert_ok(a);
    const Cwb2__ListSandboxesResponse *r = cw_read(a, 0, &cwb2__list_sandboxes_response__descriptor);
    page.count = r->n_sandboxes;
    for (size_t i = 0; i < page.count; i++)
        snprintf(page.ids[i], 64, "%s", r->sandboxes[i]->sandbox_id);
    snprintf(page.token, 64, "%s", r->next_page_token);
    return page;
}

static void lists_show_what_lives_or_what_is_asked_for(void **state)
{
    struct cw_world *w = *state;
    char alive[64];
    cw_new_sandbox(w, WISH(.tag = "a"));
    snprintf(alive, sizeof alive, "%s", w->sandbox);
    cw_assert_ok(cw_create(w, WISH(SHELL("exit 0"), .tag = "a")));
    cw_await_state(w, w->sandbox, CW_COMPLETED);
    struct page page = list(w, "a", 0, false, 0, "");
    assert_int_equal(page.count, 1);
    assert_string_equal(page.ids[0], alive);
    assert_int_equal(list(w, "a", 0, true, 0, "").count, 2);
    page = list(w, "a", 3, false, 0, "");   /* COMPLETED: asked for by its state */
    assert_int_equal(page.count, 1);
    assert_string_equal(page.ids[0], w->sandbox);
    assert_int_equal(list(w, "b", 0, true, 0, "").count, 0);
    assert_int_equal(list(w, NULL, 0, true, 0, "").count, 2);
}

static void lists_can_be_of_one_profile(void **state)
{
    struct cw_world *w = *state;
    if (w->is_v1)
        return;   /* has no profiles */
    cw_new_sandbox(w, WISH(.tag = "a"));
    static const struct { const char *id, *name; size_t count; } rows[] = {
        { "default", NULL, 1 }, { NULL, "default", 1 }, { "other", NULL, 0 }, { NULL, "other", 0 }, { "default", "other", 0 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *ids[] = { proto_text(rows[i].id) }, *names[] = { proto_text(rows[i].name) };
        Cwb2__ListSandboxesRequest m = CWB2__LIST_SANDBOXES_REQUEST__INIT;
        m.n_profile_ids = rows[i].id != NULL;
        m.profile_ids = ids;
        m.n_profile_names = rows[i].name != NULL;
        m.profile_names = names;
        struct cw_answer *a = cw_unary(w, "GatewayService/List", &m);
        cw_assert_ok(a);
        const Cwb2__ListSandboxesResponse *r = cw_read(a, 0, &cwb2__list_sandboxes_response__descriptor);
        assert_int_equal(r->n_sandboxes, rows[i].count);
    }
}

static void pages_have_all_once_the_newest_first(void **state)
{
    struct cw_world *w = *state;
    char ids[3][64];
    for (int i = 0; i < 3; i++) {
        cw_new_sandbox(w, WISH(.tag = "p"));
        snprintf(ids[i], 64, "%s", w->sandbox);
    }
    struct page first = list(w, "p", 0, false, 2, "");
    assert_int_equal(first.count, 2);
    assert_string_equal(first.ids[0], ids[2]);
    assert_string_equal(first.ids[1], ids[1]);
    assert_true(first.token[0] != '\0');
    struct page second = list(w, "p", 0, false, 2, first.token);
    assert_int_equal(second.count, 1);
    assert_string_equal(second.ids[0], ids[0]);
    assert_string_equal(second.token, "");
}

/* ---- files --------------------------------------------------------------------------------------------- */

static struct cw_answer *write_file(struct cw_world *w, const char *path, const void *data, size_t len)
{
    ProtobufCBinaryData content = { len, (uint8_t *) (uintptr_t) data };
    if (w->is_v1) {
        Cw1__WriteFileRequest m = CW1__WRITE_FILE_REQUEST__INIT;
        m.sandbox_id = w->sandbox;
        m.path = proto_text(path);
        m.content = content;
        return cw_unary(w, "SandboxService/WriteFile", &m);
    }
    Cwb2__AddFileSandboxRequest m = CWB2__ADD_FILE_SANDBOX_REQUEST__INIT;
    m.sandbox_id = w->sandbox;
    m.filepath = proto_text(path);
    m.file_contents = content;
    return cw_unary(w, "GatewayService/AddFile", &m);
}

static struct cw_answer *read_file(struct cw_world *w, const char *path)
{
    if (w->is_v1) {
        Cw1__ReadFileRequest m = CW1__READ_FILE_REQUEST__INIT;
        m.sandbox_id = w->sandbox;
        m.path = proto_text(path);
        return cw_unary(w, "SandboxService/ReadFile", &m);
    }
    Cwb2__RetrieveFileSandboxRequest m = CWB2__RETRIEVE_FILE_SANDBOX_REQUEST__INIT;
    m.sandbox_id = w->sandbox;
    m.filepath = proto_text(path);
    return cw_unary(w, "GatewayService/RetrieveFile", &m);
}

static ProtobufCBinaryData content_of(struct cw_world *w, struct cw_answer *a)
{
    cw_assert_ok(a);
    return w->is_v1 ? ((const Cw1__ReadFileResponse *) cw_read(a, 0, &cw1__read_file_response__descriptor))->content
                    : ((const Cwb2__RetrieveFileSandboxResponse *) cw_read(
                           a, 0, &cwb2__retrieve_file_sandbox_response__descriptor))->file_contents;
}

static void a_file_comes_back_byte_by_byte(void **state)
{
    struct cw_world *w = *state;
    static char much[300000];
    for (size_t i = 0; i < sizeof much; i++)
        much[i] = (char) (i * 7 % 256);
    cw_assert_ok(write_file(w, "a file", much, sizeof much));
    ProtobufCBinaryData back = content_of(w, read_file(w, "a file"));
    assert_int_equal(back.len, sizeof much);
    assert_memory_equal(back.data, much, sizeof much);
    cw_assert_ok(write_file(w, "a file", "", 0));
    assert_int_equal(content_of(w, read_file(w, "a file")).len, 0);
}

static void what_is_wrong_with_a_file_is_its_reason(void **state)
{
    struct cw_world *w = *state;
    struct cw_answer *a = read_file(w, "/no/such");
    cw_assert_refused(a, RPC_NOT_FOUND, "CWSANDBOX_FILE_NOT_FOUND");
    assert_string_equal(cw_meta(a, "filepath"), "/no/such");
    cw_assert_refused(read_file(w, "/tmp"), RPC_FAILED_PRECONDITION, "CWSANDBOX_FILE_IS_DIRECTORY");
    cw_assert_refused(write_file(w, "/tmp", "x", 1), RPC_FAILED_PRECONDITION, "CWSANDBOX_FILE_IS_DIRECTORY");
    cw_assert_refused(write_file(w, "/no/such/file", "x", 1), RPC_NOT_FOUND, "CWSANDBOX_FILE_NOT_FOUND");
    cw_assert_refused(write_file(w, "", "x", 1), RPC_INVALID_ARGUMENT, "CWSANDBOX_INVALID_REQUEST");
}

static void a_file_that_is_too_large_is_refused_with_its_size(void **state)
{
    struct cw_world *w = *state;
    w->settings.file_max_bytes = 10;
    cw_world_remake_dialect(w);
    cw_exec(w, "printf 12345678901 >large; printf 1234567890 >fits");
    struct cw_answer *a = read_file(w, "large");
    cw_assert_refused(a, RPC_RESOURCE_EXHAUSTED, "CWSANDBOX_FILE_TOO_LARGE");
    assert_string_equal(cw_meta(a, "size_bytes"), "11");
    assert_string_equal(cw_meta(a, "max_size_bytes"), "10");
    assert_int_equal(content_of(w, read_file(w, "fits")).len, 10);
    a = write_file(w, "other", "12345678901", 11);
    cw_assert_refused(a, RPC_RESOURCE_EXHAUSTED, "CWSANDBOX_FILE_TOO_LARGE");
    assert_string_equal(cw_meta(a, "size_bytes"), "11");
}

/* ---- the rest --------------------------------------------------------------------------------------------- */

static void a_wrong_key_is_unauthenticated(void **state)
{
    struct cw_world *w = *state;
    w->api_keys[0] = "other";
    cw_world_remake_dialect(w);
    cw_assert_refused(cw_create(w, WISH(.program = NULL)), RPC_UNAUTHENTICATED, NULL);
}

static void a_method_that_is_not_served_says_so(void **state)
{
    struct cw_world *w = *state;
    Cw1__GetSandboxRequest m = CW1__GET_SANDBOX_REQUEST__INIT;
    struct cw_answer *a = cw_unary(w, w->is_v1 ? "SandboxService/ConnectSandbox" : "GatewayService/Pause", &m);
    cw_assert_refused(a, RPC_UNIMPLEMENTED, "CWSANDBOX_NOT_IMPLEMENTED");
    a = cw_unary(w, w->is_v1 ? "VolumeService/ListVolumes" : "SecretStoreService/GetSecretStore", &m);
    cw_assert_refused(a, RPC_UNIMPLEMENTED, "CWSANDBOX_NOT_IMPLEMENTED");
    assert_null(coreweave_dialect.rpc->find("/coreweave.sandbox.v1.SandboxService/NoSuch"));
}

static void a_call_without_a_message_is_refused(void **state)
{
    struct cw_world *w = *state;
    struct cw_answer *a = cw_new(w, w->is_v1 ? "SandboxService/GetSandbox" : "GatewayService/Get");
    fake_rpc_half_close(&a->f);
    cw_start(w, a);
    cw_finish(a);
    cw_assert_refused(a, RPC_INVALID_ARGUMENT, "CWSANDBOX_INVALID_REQUEST");
}

static void a_call_that_is_cancelled_before_its_message_does_nothing(void **state)
{
    struct cw_world *w = *state;
    struct cw_answer *a = cw_new(w, w->is_v1 ? "SandboxService/GetSandbox" : "GatewayService/Get");
    cw_start(w, a);
    fake_rpc_cancel(&a->f);
    cw_finish(a);
    assert_false(a->f.ended);
}

static void there_is_one_runner(void **state)
{
    struct cw_world *w = *state;
    if (w->is_v1) {
        Cw1__ListAvailableRunnersRequest m = CW1__LIST_AVAILABLE_RUNNERS_REQUEST__INIT;
        struct cw_answer *a = cw_unary(w, "DiscoveryService/ListAvailableRunners", &m);
        cw_assert_ok(a);
        const Cw1__ListAvailableRunnersResponse *r = cw_read(a, 0, &cw1__list_available_runners_response__descriptor);
        assert_int_equal(r->n_runners, 1);
        assert_true(r->runners[0]->healthy);
        m.gpu_type = proto_text("H100");
        a = cw_unary(w, "DiscoveryService/ListAvailableRunners", &m);
        r = cw_read(a, 0, &cw1__list_available_runners_response__descriptor);
        assert_int_equal(r->n_runners, 0);
        return;
    }
    Cwb2__GetAvailableRunnerRequest m = CWB2__GET_AVAILABLE_RUNNER_REQUEST__INIT;
    m.runner_id = proto_text("no-such");
    cw_assert_refused(cw_unary(w, "DiscoveryService/GetAvailableRunner", &m), RPC_NOT_FOUND,
                      "CWSANDBOX_RUNNER_NOT_FOUND");
    m.runner_id = proto_text(w->settings.runner_id);
    struct cw_answer *a = cw_unary(w, "DiscoveryService/GetAvailableRunner", &m);
    cw_assert_ok(a);
    const Cwb2__AvailableRunner *r = cw_read(a, 0, &cwb2__available_runner__descriptor);
    assert_string_equal(r->profile_names[0], "default");
}

static void snapshots_are_not_supported_and_say_so(void **state)
{
    struct cw_world *w = *state;
    if (!w->is_v1) {
        Cwb2__StopSandboxRequest m = CWB2__STOP_SANDBOX_REQUEST__INIT;
        m.sandbox_id = w->sandbox;
        m.snapshot_on_stop = true;
        cw_assert_refused(cw_unary(w, "GatewayService/Stop", &m), RPC_UNIMPLEMENTED, "CWSANDBOX_FSS_NOT_SUPPORTED");
        assert_int_equal(cw_get(w, w->sandbox).state, CW_RUNNING);
        return;
    }
    Cw1__CreateFileSystemSnapshotRequest m = CW1__CREATE_FILE_SYSTEM_SNAPSHOT_REQUEST__INIT;
    cw_assert_refused(cw_unary(w, "SandboxService/CreateFileSystemSnapshot", &m), RPC_UNIMPLEMENTED,
                      "CWSANDBOX_FSS_NOT_SUPPORTED");
    Cw1__GetFileSystemSnapshotRequest get = CW1__GET_FILE_SYSTEM_SNAPSHOT_REQUEST__INIT;
    cw_assert_refused(cw_unary(w, "SandboxService/GetFileSystemSnapshot", &get), RPC_NOT_FOUND,
                      "CWSANDBOX_FSS_NOT_FOUND");
}

#define T(name) cmocka_unit_test_setup_teardown(name, cw_world_setup, cw_world_teardown)
#define E(name) cmocka_unit_test_setup_teardown(name, cw_world_setup_empty, cw_world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        E(a_new_sandbox_is_pending_then_creating_then_running),
        E(commands_are_refused_until_it_runs),
        E(a_main_process_that_ends_completes_its_sandbox_with_its_exit_code),
        E(exit_code_0_is_reported_too),
        E(a_program_that_is_not_there_fails_its_sandbox),
        E(an_image_that_cannot_be_had_fails_its_sandbox),
        E(a_sandbox_ends_when_its_lifetime_is_over),
        E(a_stop_is_answered_when_the_sandbox_is_gone),
        E(a_stop_gives_the_main_process_its_grace_and_then_no_more),
        E(without_grace_it_dies_at_once),
        E(what_a_stopped_sandbox_is_called_can_be_set),
        E(a_sandbox_that_is_not_there_is_not_found),
        E(the_spec_comes_back_as_it_was_sent),
        E(one_request_id_makes_one_sandbox),
        E(files_of_a_create_are_there_before_the_command),
        E(a_file_that_cannot_be_written_fails_its_sandbox),
        E(lists_show_what_lives_or_what_is_asked_for),
        E(lists_can_be_of_one_profile),
        E(pages_have_all_once_the_newest_first),
        T(a_file_comes_back_byte_by_byte),
        T(what_is_wrong_with_a_file_is_its_reason),
        T(a_file_that_is_too_large_is_refused_with_its_size),
        E(a_wrong_key_is_unauthenticated),
        E(a_method_that_is_not_served_says_so),
        E(a_call_without_a_message_is_refused),
        E(a_call_that_is_cancelled_before_its_message_does_nothing),
        E(there_is_one_runner),
        T(snapshots_are_not_supported_and_say_so),
    };
    return cw_world_run("coreweave sandbox", tests, sizeof tests / sizeof *tests);
}
