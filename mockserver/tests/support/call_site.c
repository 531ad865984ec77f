#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/support/call_site.h"

#include <cjson/cJSON.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "load.h"
#include "proto/coreweave_v1.pb-c.h"
#include "proto/coreweave_v1beta2.pb-c.h"
#include "proto/proto.h"

#define KEY       "call-site"
#define COUNT(a)  (sizeof(a) / sizeof *(a))
#define STEP_NS   INT64_C(1000000)
#define IDLE_LIMIT_NS INT64_C(60000000000)

static bool runs_v1;
static const struct scenario_hooks hooks = { .check_steps = load_check_steps, .settings_of = vendors_settings_of };

/* ---- making and unmaking -------------------------------------------------------------------------- */

int call_site_run(const char *name, const struct CMUnitTest *tests, size_t count)
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

static void make_lanes(struct call_site *site)
{
    struct err err = ERR_INIT;
    static const char *nothing[] = { NULL };
    site->options = (struct options) { .api_keys = nothing, .settings = nothing, .scenarios = nothing };
    site->env = (struct vendors_env) { .engine = site->base->engine, .options = &site->options };
    if (puppeteer_new(&site->puppeteer, &err) < 0)
        fail_msg("%s", err.text);
    const struct lanes_config config = {
        .engine = site->base->engine, .puppeteer = site->puppeteer, .clock_scale = 1, .seed = 1,
        .tenant = vendors_tenant(&site->env)
    };
    if (lanes_new(&site->lanes, &config, &err) < 0 ||
        lanes_get(site->lanes, LANE_DEFAULT, true, &site->any, &err) < 0 ||
        lanes_get(site->lanes, KEY, true, &site->lane, &err) < 0)
        fail_msg("%s", err.text);
}

static void serve(struct call_site *site)
{
    struct err err = ERR_INIT;
    if (calls_init(&site->calls, site->lanes, site->any, &err) < 0)
        fail_msg("%s", err.text);
    const struct grpc_config config = { .address = "127.0.0.1", .find = calls_find, .arg = &site->calls };
    if (grpc_server_new(&site->grpc, &config, &err) < 0)
        fail_msg("%s", err.text);
    site->port = (int) strtol(strrchr(grpc_server_url(site->grpc), ':') + 1, NULL, 10);
    call_join(site, &site->client);
}

int64_t call_time_to_idle(struct call_site *site)
{
    int64_t begun = mono_ns(), until = begun + IDLE_LIMIT_NS;
    struct crew_stats stats;
    crew_get_stats(site->calls.crew, &stats);
    while (stats.threads > stats.idle && mono_ns() < until) {
        sched_yield();
        crew_get_stats(site->calls.crew, &stats);
    }
    assert_int_equal(stats.threads, stats.idle);
    return (mono_ns() - begun) / 1000000;
}

void call_join(struct call_site *site, struct h2_client *client)
{
    assert_int_equal(h2_connect(client, site->port, NULL), 0);
}

int call_site_setup(void **state)
{
    struct call_site *site = calloc(1, sizeof *site);
    void *base = NULL;
    assert_non_null(site);
    world_setup(&base);
    site->base = base;
    site->is_v1 = runs_v1;
    make_lanes(site);
    serve(site);
    call_create(site);
    *state = site;
    return 0;
}

int call_site_teardown(void **state)
{
    struct call_site *site = *state;
    h2_close(&site->client);
    grpc_server_free(site->grpc);
    calls_fini(&site->calls);
    lane_unref(site->lane);
    lane_unref(site->any);
    lanes_free(site->lanes);
    puppeteer_free(site->puppeteer);
    void *base = site->base;
    free(site);
    return world_teardown(&base);
}

/* ---- calls ----------------------------------------------------------------------------------------- */

static const char *method_of(bool is_v1, const char *what)
{
    static const struct {
        const char *what, *methods[2];
    } rows[] = {
        { "create", { "GatewayService/Start", "SandboxService/CreateSandbox" } },
        { "get", { "GatewayService/Get", "SandboxService/GetSandbox" } },
        { "stop", { "GatewayService/Stop", "SandboxService/DeleteSandbox" } },
        { "exec", { "GatewayService/Exec", "SandboxService/Exec" } },
        { "stream", { "GatewayStreamingService/StreamExec", "SandboxService/StreamExec" } },
        { "logs", { "GatewayStreamingService/StreamLogs", "SandboxService/StreamLogs" } },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        if (strcmp(rows[i].what, what) == 0)
            return rows[i].methods[is_v1];
    }
    return what;
}

struct h2_stream *call_open_on(struct call_site *site, struct h2_client *client, const char *what, const char *const *more)
{
    char path[200];
    const char *fields[20] = { "authorization", "Bearer " KEY };
    for (size_t i = 0; more != NULL && more[i] != NULL && i < 16; i++)
        fields[2 + i] = more[i];
    snprintf(path, sizeof path, "/coreweave.sandbox.%s.%s", site->is_v1 ? "v1" : "v1beta2", method_of(site->is_v1, what));
    struct h2_stream *s = h2_open(client == NULL ? &site->client : client, path, fields);
    assert_non_null(s);
    return s;
}

struct h2_stream *call_open(struct call_site *site, const char *what, const char *const *more)
{
    return call_open_on(site, NULL, what, more);
}

static void send_message(struct h2_stream *s, const void *message, bool end)
{
    BUF_AUTO bytes = BUF_INIT;
    proto_encode(message, &bytes);
    h2_send_message(s, buf_cstr(&bytes), bytes.len, end);
}

/* Field 1 of every request that names one, in both versions. */
void call_ask(struct call_site *site, struct h2_stream *s, const char *sandbox)
{
    Cw1__GetSandboxRequest m = CW1__GET_SANDBOX_REQUEST__INIT;
    (void) site;
    m.sandbox_id = proto_text(sandbox);
    send_message(s, &m, true);
}

static struct h2_stream *ask_whole(struct call_site *site, const char *what)
{
    struct h2_stream *s = call_open(site, what, NULL);
    call_ask(site, s, site->sandbox);
    (void) h2_await_closed(s);
    return s;
}

struct h2_stream *call_get(struct call_site *site)
{
    return ask_whole(site, "get");
}

struct h2_stream *call_stop(struct call_site *site)
{
    return ask_whole(site, "stop");
}

static void send_init_v1(struct h2_stream *s, const char *sandbox, const char *line, bool ends)
{
    char *argv[] = { proto_text("/bin/sh"), proto_text("-c"), proto_text(line) };
    Cw1__ExecStreamRequest m = CW1__EXEC_STREAM_REQUEST__INIT;
    Cw1__ExecStreamInit init = CW1__EXEC_STREAM_INIT__INIT;
    init.sandbox_id = proto_text(sandbox);
    init.command = argv;
    init.n_command = COUNT(argv);
    m.message_case = CW1__EXEC_STREAM_REQUEST__MESSAGE_INIT;
    m.init = &init;
    send_message(s, &m, ends);
}

static void send_init_v1beta2(struct h2_stream *s, const char *sandbox, const char *line, bool ends)
{
    char *argv[] = { proto_text("/bin/sh"), proto_text("-c"), proto_text(line) };
    Cwb2__ExecStreamRequest m = CWB2__EXEC_STREAM_REQUEST__INIT;
    Cwb2__ExecStreamInit init = CWB2__EXEC_STREAM_INIT__INIT;
    init.sandbox_id = proto_text(sandbox);
    init.command = argv;
    init.n_command = COUNT(argv);
    m.request_case = CWB2__EXEC_STREAM_REQUEST__REQUEST_INIT;
    m.init = &init;
    send_message(s, &m, ends);
}

struct h2_stream *call_exec_on(struct call_site *site, struct h2_client *client, const char *line, bool ends)
{
    struct h2_stream *s = call_open_on(site, client, "stream", (const char *[]) { "grpc-timeout", "305S", NULL });
    (site->is_v1 ? send_init_v1 : send_init_v1beta2)(s, site->sandbox, line, ends);
    return s;
}

struct h2_stream *call_exec(struct call_site *site, const char *line, bool ends)
{
    return call_exec_on(site, NULL, line, ends);
}

void call_stdin(struct call_site *site, struct h2_stream *s, const void *data, size_t len)
{
    const ProtobufCBinaryData bytes = { len, (uint8_t *) (uintptr_t) data };
    if (site->is_v1) {
        Cw1__ExecStreamRequest m = CW1__EXEC_STREAM_REQUEST__INIT;
        m.message_case = CW1__EXEC_STREAM_REQUEST__MESSAGE_STDIN;
        m.stdin = bytes;
        send_message(s, &m, false);
        return;
    }
    Cwb2__ExecStreamRequest m = CWB2__EXEC_STREAM_REQUEST__INIT;
    Cwb2__ExecStreamData part = CWB2__EXEC_STREAM_DATA__INIT;
    part.data = bytes;
    m.request_case = CWB2__EXEC_STREAM_REQUEST__REQUEST_STDIN;
    m.stdin = &part;
    send_message(s, &m, false);
}

static ProtobufCMessage *read_message(const struct h2_stream *s, size_t index, const ProtobufCMessageDescriptor *type)
{
    const char *bytes;
    ProtobufCMessage *message = NULL;
    struct err err = ERR_INIT;
    long len = h2_message(s, index, &bytes);
    if (len < 0 || proto_decode(type, bytes, (size_t) len, &message, &err) < 0)
        fail_msg("message %zu: status %d, %s %s", index, h2_status(s),
                 h2_field(s, "grpc-message") == NULL ? "" : h2_field(s, "grpc-message"), err.text);
    return message;
}

int call_state(struct call_site *site, const struct h2_stream *s)
{
    ProtobufCMessage *m =
        read_message(s, 0, site->is_v1 ? &cw1__sandbox__descriptor : &cwb2__get_sandbox_response__descriptor);
    int state = site->is_v1 ? (int) ((Cw1__Sandbox *) m)->status->state
                            : (int) ((Cwb2__GetSandboxResponse *) m)->sandbox_status;
    proto_free(m);
    return state;
}

/* RUNNING is 2 in both. */
static void await_running(struct call_site *site)
{
    int64_t until = mono_ns() + WORLD_LIMIT_MS * STEP_NS;
    while (call_state(site, call_get(site)) != 2) {
        if (mono_ns() > until)
            fail_msg("the sandbox does not run");
    }
}

#define MAIN_LINE "trap 'exit 0' TERM INT; echo up; sleep infinity & wait"

static void send_create_v1(struct h2_stream *s)
{
    char *args[] = { proto_text("-c"), proto_text(MAIN_LINE) };
    Cw1__CreateSandboxRequest m = CW1__CREATE_SANDBOX_REQUEST__INIT;
    Cw1__Sandbox sandbox = CW1__SANDBOX__INIT;
    Cw1__SandboxSpec spec = CW1__SANDBOX_SPEC__INIT;
    Cw1__Container container = CW1__CONTAINER__INIT, *containers[] = { &container };
    container.command = proto_text("/bin/sh");
    container.args = args;
    container.n_args = COUNT(args);
    spec.containers = containers;
    spec.n_containers = 1;
    sandbox.spec = &spec;
    m.sandbox = &sandbox;
    send_message(s, &m, true);
}

static void send_create_v1beta2(struct h2_stream *s)
{
    char *args[] = { proto_text("-c"), proto_text(MAIN_LINE) };
    Cwb2__StartSandboxRequest m = CWB2__START_SANDBOX_REQUEST__INIT;
    m.command = proto_text("/bin/sh");
    m.args = args;
    m.n_args = COUNT(args);
    send_message(s, &m, true);
}

struct h2_stream *call_ask_create(struct call_site *site, struct h2_client *client)
{
    struct h2_stream *s = call_open_on(site, client, "create", NULL);
    (site->is_v1 ? send_create_v1 : send_create_v1beta2)(s);
    (void) h2_await_closed(s);
    return s;
}

void call_create(struct call_site *site)
{
    struct h2_stream *s = call_ask_create(site, NULL);
    ProtobufCMessage *m =
        read_message(s, 0, site->is_v1 ? &cw1__sandbox__descriptor : &cwb2__start_sandbox_response__descriptor);
    snprintf(site->sandbox, sizeof site->sandbox, "%s",
             site->is_v1 ? ((Cw1__Sandbox *) m)->sandbox_id : ((Cwb2__StartSandboxResponse *) m)->sandbox_id);
    proto_free(m);
    await_running(site);
    call_await_facts(site, FACT_OUT, 1);
}

struct h2_stream *call_logs_on(struct call_site *site, struct h2_client *client)
{
    struct h2_stream *s = call_open_on(site, client, "logs", NULL);
    Cwb2__LogStreamRequest m = CWB2__LOG_STREAM_REQUEST__INIT;
    Cwb2__LogStreamInit init = CWB2__LOG_STREAM_INIT__INIT;
    if (site->is_v1) {
        call_ask(site, s, site->sandbox);
        return s;
    }
    init.sandbox_id = site->sandbox;
    m.request_case = CWB2__LOG_STREAM_REQUEST__REQUEST_INIT;
    m.init = &init;
    send_message(s, &m, true);
    return s;
}

/* ---- what a command says ----------------------------------------------------------------------------- */

static void note_output(struct call_story *story, int stream, const ProtobufCBinaryData *data)
{
    story->outputs++;
    story->odd += stream != 1 && stream != 2;
    if (story->exits + story->errors > 0)
        story->after_exit++;
    else
        buf_add(stream == 2 ? &story->err : &story->out, data->data, data->len);
}

static void note_v1(struct call_story *story, const ProtobufCMessage *message)
{
    const Cw1__ExecStreamResponse *m = (const Cw1__ExecStreamResponse *) message;
    switch ((int) m->message_case) {
    case CW1__EXEC_STREAM_RESPONSE__MESSAGE_READY: story->ready++; break;
    case CW1__EXEC_STREAM_RESPONSE__MESSAGE_OUTPUT:
        note_output(story, (int) m->output->stream, &m->output->data);
        break;
    case CW1__EXEC_STREAM_RESPONSE__MESSAGE_EXIT:
        story->exits++;
        story->exit_code = m->exit->exit_code;
        break;
    case CW1__EXEC_STREAM_RESPONSE__MESSAGE_ERROR:
        story->errors++;
        snprintf(story->error_code, sizeof story->error_code, "%s", m->error->code);
        break;
    case CW1__EXEC_STREAM_RESPONSE__MESSAGE__NOT_SET:
    default: story->empty++; break;
    }
}

static void note_v1beta2(struct call_story *story, const ProtobufCMessage *message)
{
    const Cwb2__ExecStreamResponse *m = (const Cwb2__ExecStreamResponse *) message;
    switch ((int) m->response_case) {
    case CWB2__EXEC_STREAM_RESPONSE__RESPONSE_READY: story->ready++; break;
    case CWB2__EXEC_STREAM_RESPONSE__RESPONSE_OUTPUT:
        note_output(story, (int) m->output->stream_type, &m->output->data);
        break;
    case CWB2__EXEC_STREAM_RESPONSE__RESPONSE_EXIT:
        story->exits++;
        story->exit_code = m->exit->exit_code;
        break;
    case CWB2__EXEC_STREAM_RESPONSE__RESPONSE_ERROR:
        story->errors++;
        snprintf(story->error_code, sizeof story->error_code, "%s", m->error->code);
        break;
    case CWB2__EXEC_STREAM_RESPONSE__RESPONSE__NOT_SET:
    default: story->empty++; break;
    }
}

void call_tell(struct call_site *site, const struct h2_stream *s, struct call_story *out_story)
{
    *out_story = (struct call_story) { .out = BUF_INIT, .err = BUF_INIT };
    out_story->count = h2_messages(s);
    for (size_t i = 0; i < out_story->count; i++) {
        ProtobufCMessage *m = read_message(s, i, site->is_v1 ? &cw1__exec_stream_response__descriptor
                                                             : &cwb2__exec_stream_response__descriptor);
        (site->is_v1 ? note_v1 : note_v1beta2)(out_story, m);
        proto_free(m);
    }
}

void call_story_fini(struct call_story *story)
{
    buf_fini(&story->out);
    buf_fini(&story->err);
}

/* ---- scenarios ------------------------------------------------------------------------------------------ */

int call_try(struct call_site *site, const char *members, struct err *err)
{
    struct scenario *scenario;
    BUF_AUTO text = BUF_INIT;
    buf_printf(&text, "{\"standbox\": 1, \"name\": \"test\", \"why\": \"a test\", %s}", members);
    if (scenario_parse_with(&scenario, &hooks, "test", buf_cstr(&text), text.len, err) < 0)
        return -1;
    int rc = lanes_add_scenario(site->lanes, site->lane, scenario, err);
    scenario_unref(scenario);
    return rc;
}

void call_play(struct call_site *site, const char *members)
{
    struct err err = ERR_INIT;
    if (call_try(site, members, &err) < 0)
        fail_msg("%s", err.text);
}

void call_forget_scenarios(struct call_site *site)
{
    struct err err = ERR_INIT;
    assert_int_equal(lanes_remove_scenario(site->lanes, site->lane, NULL, &err), 0);
}

static bool has_matched(void *arg)
{
    struct match_counts counts;
    return match_get_counts(arg, MATCH_FAULTS, 0, &counts) && counts.matched > 0;
}

void call_await_match(struct call_site *site)
{
    size_t count;
    struct match **matches = lane_matches(site->lane, &count);
    bool has = count > 0 && h2_run(&site->client, has_matched, matches[0], WORLD_LIMIT_MS);
    lane_matches_free(matches, count);
    assert_true(has);
}

void call_assert_fired(struct call_site *site)
{
    size_t count;
    struct match **matches = lane_matches(site->lane, &count);
    assert_true(count > 0);
    for (size_t i = 0; i < count; i++) {
        const struct scenario *scenario = match_scenario(matches[i]);
        for (size_t r = 0; r < scenario->fault_count; r++) {
            struct match_counts counts;
            assert_true(match_get_counts(matches[i], MATCH_FAULTS, r, &counts));
            if (counts.fired != counts.planned)
                fail_msg("rule %zu, %s: planned %d, matched %d, fired %d", r, fault_info_of(scenario->faults[r].fault.kind)->name, (int) counts.planned, (int) counts.matched,
                         (int) counts.fired);
        }
    }
    lane_matches_free(matches, count);
}

/* ---- the journal ------------------------------------------------------------------------------------------ */

struct search {
    const char *method;
    size_t left;
    struct buf text;
    bool is_found, is_over;
};

static bool visit(void *arg, const struct ledger_entry *entry)
{
    struct search *search = arg;
    struct jsonw w;
    const struct ledger_request *r = &entry->request;
    size_t len = entry->is_request ? strlen(r->path) : 0, wanted = strlen(search->method);
    if (len < wanted || strcmp(r->path + len - wanted, search->method) != 0 || search->left-- > 0)
        return true;
    search->is_found = true;
    search->is_over = r->end_ms != 0;
    buf_clear(&search->text);
    jsonw_init(&w, &search->text);
    ledger_write_entry(&w, NULL, "lane", entry);
    return false;
}

struct tally {
    enum fact_kind kind;
    size_t count;
};

static bool count_fact(void *arg, const struct ledger_entry *entry)
{
    struct tally *tally = arg;
    tally->count += !entry->is_request && entry->fact.fact.kind == tally->kind;
    return true;
}

void call_await_facts(struct call_site *site, enum fact_kind kind, size_t count)
{
    uint64_t change = 0;
    int64_t until = mono_ns() + WORLD_LIMIT_MS * STEP_NS;
    struct tally tally;
    do {
        tally = (struct tally) { .kind = kind };
        ledger_visit(lane_ledger(site->lane), 1, count_fact, &tally);
    } while (tally.count < count && ledger_await_change(lane_ledger(site->lane), &change, until, NULL, NULL));
    if (tally.count < count)
        fail_msg("%zu facts \"%s\", not %zu", tally.count, fact_kind_name(kind), count);
}

struct cJSON *call_line(struct call_site *site, const char *what, size_t nth)
{
    uint64_t change = 0;
    int64_t until = mono_ns() + WORLD_LIMIT_MS * STEP_NS;
    struct search search = { .method = method_of(site->is_v1, what), .text = BUF_INIT };
    do {
        search.left = nth;
        search.is_found = false;
        ledger_visit(lane_ledger(site->lane), 1, visit, &search);
    } while (search.is_found && !search.is_over &&
             ledger_await_change(lane_ledger(site->lane), &change, until, NULL, NULL));
    cJSON *line = search.is_found ? cJSON_Parse(buf_cstr(&search.text)) : NULL;
    buf_fini(&search.text);
    return line;
}
