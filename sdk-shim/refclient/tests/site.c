/* A place for tests with a peer: client, sandbox. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "peer.h"

#define PATIENCE_S 60 /* for what ends by itself */

const char *site_method(const struct site *site, const char *v1beta2_name)
{
    static const char *const names[][2] = {
        { "Start", "CreateSandbox" }, { "Get", "GetSandbox" },    { "List", "ListSandboxes" },
        { "Stop", "DeleteSandbox" },  { "AddFile", "WriteFile" }, { "RetrieveFile", "ReadFile" },
    };
    for (size_t i = 0; site->version == CWC_V1 && i < sizeof names / sizeof names[0]; i++)
        if (strcmp(names[i][0], v1beta2_name) == 0)
            return names[i][1];
    return v1beta2_name;
}

static enum peer_when when_of(const char *method)
{
    return strcmp(method, "StreamExec") == 0 ? PEER_AT_HEAD : PEER_AT_END;
}

void site_answer(struct site *site, const char *method, struct sbc_buf *frames, enum peer_then then)
{
    peer_answer(site->peer, site_method(site, method), when_of(method), 1, frames, then);
}

void site_answer_well(struct site *site, const char *method, struct sbc_buf *message)
{
    struct sbc_buf frames = { 0 };
    put_head(&frames);
    sbc_buf_add(&frames, message->data, message->size);
    put_trailers(&frames, "grpc-status: 0\n");
    sbc_buf_free(message);
    peer_answer(site->peer, site_method(site, method), when_of(method), 0, &frames, PEER_STAYS);
}

void site_forget(struct site *site, const char *method)
{
    peer_forget(site->peer, site_method(site, method));
}

int site_calls(struct site *site, const char *method)
{
    return peer_calls(site->peer, site_method(site, method));
}

void site_run(struct site *site)
{
    struct sbc_buf runs = { 0 };
    put_state(&runs, site->version, CWC_RUNNING);
    site_answer_well(site, "Get", &runs);
}

void site_open(struct site *site, enum cwc_version version, struct peer_options *options, int64_t timeout_ms)
{
    struct sbc_buf created = { 0 };
    *site = (struct site){ .version = version, .err = CWC_ERROR_INIT };
    site->peer = peer_start(options);
    put_created(&created, version);
    site_answer_well(site, "Start", &created);
    site_run(site);
    struct cwc_client_options how = { .url = peer_url(site->peer), .api_key = "k", .version = version };
    how.timeout_ms = timeout_ms;
    site->client = cwc_client_new(&how, &site->err);
    assert_non_null(site->client);
    site->box = cwc_sandbox_create(site->client, &(struct cwc_sandbox_options){ 0 }, &site->err);
    if (site->box == NULL)
        fail_msg("create: %s", site->err.message);
}

void site_close(struct site *site)
{
    cwc_sandbox_free(site->box);
    cwc_client_free(site->client);
    peer_stop(site->peer);
    cwc_error_clear(&site->err);
}

struct cwc_process *site_exec(struct site *site, const struct cwc_command *options)
{
    static const char *const argv[] = { "c" };
    struct cwc_command command = options != NULL ? *options : (struct cwc_command){ 0 };
    command.argv = argv;
    command.argc = 1;
    struct cwc_process *process = cwc_exec(site->box, &command, &site->err);
    assert_non_null(process);
    return process;
}

int site_result(struct site *site, struct cwc_process *process, struct cwc_result *out_result)
{
    int failed = cwc_process_result(process, PATIENCE_S, out_result, &site->err);
    if (failed < 0 && site->err.kind == CWC_WAIT_TIMEOUT)
        fail_msg("the client hangs");
    return failed;
}
