/*
 * Every mutant is wrong, and can be seen to be: for each there is a probe whose transcript (what the client gave, and
 * what the server was sent) differs from that of the client without a bug.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "boxed.h"
#include "sbc_mutants.h"
#include "sbc_priv.h"

#define EXEC  "POST /sandbox/box/exec "
#define START "POST /sandbox/box/processes "
#define P1    "/sandbox/box/processes/p1"
#define PIECE(seq, stream, base64) \
    "event: output\ndata: {\"seq\":" #seq ",\"stream\":\"" stream "\",\"data\":\"" base64 "\",\"encoding\":" \
    "\"base64\",\"timestamp\":1}\n\n"
#define END(status, code, last_seq) \
    "event: done\ndata: {\"id\":\"p1\",\"status\":\"" status "\",\"exit_code\":" code \
    ",\"stdout\":\"\",\"stderr\":\"\"," \
    "\"started_at\":1000,\"completed_at\":2000,\"error\":\"why\",\"last_seq\":" #last_seq "}\n\n"

#define PATIENCE_MS     30000 /* for the right client */
#define MUTANT_PATIENCE 3000  /* a wrong one may hang */

struct probe {
    struct boxed boxed;
    struct sbc_buf told; /* the transcript */
};

/* ---------------------------------------------------------------- telling */

static void tell_error(struct probe *probe)
{
    const struct sbc_error *err = &probe->boxed.err;
    sbc_buf_add_format(&probe->told, "error %s %d %s %s %s %d %d %s\n", sbc_error_kind_name(err->kind), err->status,
                       err->message, err->code != NULL ? err->code : "-",
                       err->request_id != NULL ? err->request_id : "-", err->is_retryable, err->is_definite,
                       err->details != NULL ? err->details : "-");
}

static void tell(struct probe *probe, int failed)
{
    if (failed < 0)
        tell_error(probe);
    else
        sbc_buf_add_text(&probe->told, "fine\n");
}

static void tell_bytes(struct probe *probe, const char *data, size_t size)
{
    char *text = sbc_base64_encode(data, size);
    sbc_buf_add_format(&probe->told, "%s\n", data == NULL ? "nothing" : text);
    free(text);
}

static void tell_result(struct probe *probe, int failed, struct sbc_result *result)
{
    if (failed < 0) {
        tell_error(probe);
        return;
    }
    sbc_buf_add_format(&probe->told, "result %s %s %d %d %d %s %d\n", result->id, result->status, result->has_exit_code,
                       (int) result->exit_code, (int) result->started_at, result->error != NULL ? result->error : "-",
                       result->is_truncated);
    tell_bytes(probe, result->out.data, result->out.size);
    tell_bytes(probe, result->err.data, result->err.size);
    sbc_result_clear(result);
}

static void tell_info(struct probe *probe, int failed, struct sbc_process_info *info)
{
    if (failed < 0) {
        tell_error(probe);
        return;
    }
    sbc_buf_add_format(&probe->told, "process %s %s\n", info->id, info->status);
    sbc_process_info_clear(info);
}

static void tell_handle(struct probe *probe, struct sbc_process *process)
{
    struct sbc_process_info info = { 0 };
    if (process != NULL)
        sbc_process_get_info(process, &info);
    tell_info(probe, process == NULL ? -1 : 0, &info);
}

static void tell_stream(struct probe *probe, struct sbc_process *process, int64_t from_seq)
{
    struct sbc_event event;
    struct sbc_stream *stream = sbc_stream_open(process, from_seq, &probe->boxed.err);
    int got = -1;
    while (stream != NULL && (got = sbc_stream_next(stream, &event, &probe->boxed.err)) > 0) {
        sbc_buf_add_format(&probe->told, "%s %d ", sbc_event_type_name(event.type), (int) event.seq);
        tell_bytes(probe, event.data.data, event.data.size);
        sbc_event_clear(&event);
    }
    tell(probe, got);
    sbc_stream_close(stream);
}

/* What the server was sent: first line, token, body. */
static void tell_requests(struct probe *probe)
{
    const char *request;
    for (size_t i = 0; (request = scripted_request(probe->boxed.server, i)) != NULL; i++) {
        const char *auth = strstr(request, "Bearer "), *body = strstr(request, "\r\n\r\n");
        sbc_buf_add_format(&probe->told, "> %.*s %.*s %s\n", (int) strcspn(request, "\r"), request,
                           auth == NULL ? 0 : (int) strcspn(auth, "\r"), auth == NULL ? "" : auth,
                           body == NULL ? "" : body + 4);
    }
}

/* ------------------------------------------------------------------ probes */

static void answer_exec(struct probe *probe, const char *result, const char *events)
{
    scripted_json(probe->boxed.server, EXEC, 1, 200, result);
    scripted_events(probe->boxed.server, START, 1, events, SCRIPTED_CLOSE);
}

static void run(struct probe *probe, const struct sbc_command *command)
{
    struct sbc_result result;
    tell_result(probe, sbc_exec(probe->boxed.box, command, &result, &probe->boxed.err), &result);
}

static void run_simply(struct probe *probe)
{
    run(probe, &(struct sbc_command){ .command = "c" });
}

/* NULL only when the client has been cancelled already. */
static struct sbc_process *find(struct probe *probe)
{
    scripted_json(probe->boxed.server, "GET " P1 " ", 1, 200, PROCESS("running"));
    struct sbc_process *process = sbc_process_get(probe->boxed.box, "p1", &probe->boxed.err);
    if (process == NULL)
        tell_error(probe);
    return process;
}

static void probe_command(struct probe *probe)
{
    static const char *const args[] = { "a b", "\xC3\xA9" };
    static const struct sbc_variable env[] = { { "A", "1" } };
    struct sbc_command command = { .command = "c",
                                   .args = args,
                                   .arg_count = 2,
                                   .cwd = "/tmp",
                                   .env = env,
                                   .env_count = 1,
                                   .timeout_s = 2,
                                   .user = "root" };
    answer_exec(probe, RESULT("exited", "0", ""), STARTED END("exited", "0", 0));
    run(probe, &command);
}

static void probe_output(struct probe *probe)
{
    answer_exec(probe,
                "{\"result\":{\"id\":\"p1\",\"status\":\"failed\",\"exit_code\":0,\"stdout\":\"a\\r\\nb\\u0000c \\n\","
                "\"stderr\":\"bad\",\"started_at\":1000,\"error\":\"why\"}}",
                STARTED PIECE(1, "stdout", "YQ0KYgBjIOI=") PIECE(2, "stderr", "YmFkIAo=") PIECE(3, "stdout", "gqwKwyA=")
                    PIECE(4, "stdout", "w4o=") PIECE(5, "stdout", "4oI=") END("failed", "0", 5));
    run_simply(probe);
}

static void probe_big_output(struct probe *probe)
{
    char big[70001];
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    char *result = sbc_text_format(RESULT("exited", "0", "%s"), big);
    char *events = sbc_text_format(STARTED OUTPUT(1, "stdout", "%s") END("exited", "0", 1), big);
    answer_exec(probe, result, events);
    run_simply(probe);
    free(result);
    free(events);
}

static void probe_ends(struct probe *probe)
{
    static const struct {
        const char *result, *events;
    } ends[] = {
        { RESULT("exited", "7", ""), STARTED END("exited", "7", 0) },
        { RESULT("exited", "null", ""), STARTED END("exited", "null", 0) },
        { RESULT("killed", "null", ""), STARTED END("killed", "null", 0) },
        { RESULT("timed_out", "null", ""), STARTED END("timed_out", "null", 0) },
    };
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        answer_exec(probe, ends[i].result, ends[i].events);
        run_simply(probe);
    }
}

static void probe_nonsense(struct probe *probe)
{
    scripted_json(probe->boxed.server, "POST " P1 "/wait ", 1, 200, "<html>");
    struct sbc_result result;
    struct sbc_process *process = find(probe);
    if (process == NULL)
        return;
    tell_result(probe, sbc_process_wait(process, NULL, &result, &probe->boxed.err), &result);
    sbc_process_free(process);
    scripted_json(probe->boxed.server, EXEC, 1, 200, RESULT("running", "null", "early"));
    run_simply(probe);
}

static void probe_stalled_body(struct probe *probe)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{";
    struct sbc_result result;
    struct sbc_process *process = find(probe);
    if (process == NULL)
        return;
    scripted_answer(probe->boxed.server, "POST " P1 "/wait ", 0, head, sizeof head - 1, SCRIPTED_HOLD);
    tell_result(probe, sbc_process_wait(process, NULL, &result, &probe->boxed.err), &result);
    sbc_process_free(process);
}

static void probe_refused_starts(struct probe *probe)
{
    static const int status[] = { 503, 502, 500, 408, 429 };
    for (size_t i = 0; i < sizeof status / sizeof status[0]; i++) {
        for (int k = 0; k < 2; k++) {
            scripted_json(probe->boxed.server, k == 0 ? EXEC : START, 1, status[i],
                          "{\"message\":\"m\",\"error\":\"e\",\"code\":\"c\"}");
        }
        tell_handle(probe,
                    sbc_process_start(probe->boxed.box, &(struct sbc_command){ .command = "c" }, &probe->boxed.err));
        run_simply(probe);
    }
}

static void probe_lost_replies(struct probe *probe)
{
    scripted_answer(probe->boxed.server, EXEC, 0, "", 0, SCRIPTED_RESET);
    scripted_answer(probe->boxed.server, START, 0, "", 0, SCRIPTED_RESET);
    tell_handle(probe, sbc_process_start(probe->boxed.box, &(struct sbc_command){ .command = "c" }, &probe->boxed.err));
    run_simply(probe);
    struct sbc_process *process = find(probe);
    if (process == NULL)
        return;
    scripted_answer(probe->boxed.server, "POST " P1 "/stdin ", 0, "", 0, SCRIPTED_RESET);
    tell(probe, sbc_process_write(process, &(struct sbc_input){ "x", 1, SBC_TEXT, false }, &probe->boxed.err));
    sbc_process_free(process);
}

static void probe_control(struct probe *probe)
{
    static const char *const errors[] = {
        "plain text",
        "{\"message\":\"m\",\"error\":\"A_CODE\",\"retryable\":true}",
        "{\"error\":\"alone\"}",
        "{\"message\":\"m\",\"code\":17}",
    };
    struct sbc_sandbox_options options = { .image = "i", .timeout_minutes = 1 }, both = { "i", .snapshot = "s" };
    scripted_forget(probe->boxed.server, "POST /api/sandbox ");
    sbc_sandbox_free(sbc_sandbox_create(probe->boxed.client, &both, &probe->boxed.err));
    tell_error(probe);
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        scripted_json(probe->boxed.server, "POST /api/sandbox ", 1, 400, errors[i]);
        sbc_sandbox_free(sbc_sandbox_create(probe->boxed.client, &options, &probe->boxed.err));
        tell_error(probe);
    }
    scripted_answer(probe->boxed.server, "POST /api/sandbox ", 0, "", 0, SCRIPTED_RESET);
    sbc_sandbox_free(sbc_sandbox_create(probe->boxed.client, &options, &probe->boxed.err));
    tell_error(probe);
    scripted_json(probe->boxed.server, "GET /api/sandbox/none ", 0, 404, "{\"message\":\"not found\"}");
    scripted_json(probe->boxed.server, "GET /api/sandbox/busy ", 0, 503, "{}");
    sbc_sandbox_free(sbc_sandbox_connect(probe->boxed.client, "none", &probe->boxed.err));
    tell_error(probe);
    sbc_sandbox_free(sbc_sandbox_connect(probe->boxed.client, "busy", &probe->boxed.err));
    tell_error(probe);
}

static void probe_json_start(struct probe *probe)
{
    scripted_json(probe->boxed.server, START, 0, 200, PROCESS("running"));
    struct sbc_process *process =
        sbc_process_start(probe->boxed.box, &(struct sbc_command){ .command = "c" }, &probe->boxed.err);
    tell_handle(probe, process);
    sbc_process_free(process);
}

static void probe_stdin(struct probe *probe)
{
    struct sbc_process *process = find(probe);
    if (process == NULL)
        return;
    scripted_json(probe->boxed.server, "POST " P1 "/stdin ", 1, 202, "{}");
    scripted_json(probe->boxed.server, "POST " P1 "/stdin ", 0, 200, "");
    tell(probe, sbc_process_write(process, &(struct sbc_input){ "text", 4, SBC_TEXT, false }, &probe->boxed.err));
    tell(probe, sbc_process_write(process, &(struct sbc_input){ "\xFF\0", 2, SBC_BYTES, true }, &probe->boxed.err));
    tell(probe, sbc_process_close_stdin(process, &probe->boxed.err));
    sbc_process_free(process);
}

static void probe_kill(struct probe *probe)
{
    struct sbc_result result;
    struct sbc_process *process = find(probe);
    if (process == NULL)
        return;
    scripted_json(probe->boxed.server, "POST " P1 "/signal ", 0, 200, PROCESS("running"));
    scripted_json(probe->boxed.server, "DELETE " P1 " ", 0, 200, PROCESS("running"));
    scripted_json(probe->boxed.server, "POST " P1 "/wait ", 0, 200, RESULT("killed", "null", "out"));
    tell(probe, sbc_process_signal(process, "TERM", &probe->boxed.err));
    tell_result(probe, sbc_process_kill(process, NULL, &result, &probe->boxed.err), &result);
    tell_handle(probe, process);
    tell_result(probe, sbc_process_wait(process, NULL, &result, &probe->boxed.err), &result);
    tell_result(probe, sbc_process_wait(process, NULL, &result, &probe->boxed.err), &result);
    sbc_process_free(process);
}

static void probe_wait_limit(struct probe *probe)
{
    struct sbc_result result;
    struct sbc_limit limits[] = { { 40, 0 }, { 0, 0 } };
    struct sbc_process *process = find(probe);
    if (process == NULL)
        return;
    scripted_json(probe->boxed.server, "DELETE " P1 " ", 0, 200, PROCESS("running"));
    scripted_json(probe->boxed.server, "POST " P1 "/wait ", 1, 408, "{\"message\":\"timed out\"}");
    scripted_json(
        probe->boxed.server, "POST " P1 "/wait ", 0, 200,
        "{\"result\":{\"id\":\"p1\",\"status\":\"exited\",\"stdout\":\"end\",\"stderr\":\"\",\"started_at\":1,"
        "\"output_truncated\":true}}");
    for (size_t i = 0; i < 2; i++)
        tell_result(probe, sbc_process_wait(process, &limits[i], &result, &probe->boxed.err), &result);
    sbc_process_free(process);
}

static void probe_look(struct probe *probe)
{
    struct sbc_process_info info;
    struct sbc_process *process = find(probe);
    if (process == NULL)
        return;
    tell_handle(probe, process);
    scripted_json(probe->boxed.server, "GET " P1 " ", 1, 200, PROCESS("hibernating"));
    scripted_json(probe->boxed.server, "GET " P1 " ", 0, 404, "{\"message\":\"not found\"}");
    scripted_json(probe->boxed.server, "POST " P1 "/wait ", 0, 200, RESULT("exited", "0", ""));
    tell_info(probe, sbc_process_poll(process, &info, &probe->boxed.err), &info);
    tell_info(probe, sbc_process_poll(process, &info, &probe->boxed.err), &info);
    sbc_process_free(process);
    process = sbc_process_get(probe->boxed.box, "p1", &probe->boxed.err);
    tell_handle(probe, process);
    sbc_process_free(process);
}

static void list(struct probe *probe, const char *answer)
{
    const char *status[] = { "running" };
    struct sbc_process_query query = { .status = status, .status_count = 1, .limit = 2, .cursor = "c" };
    struct sbc_process_list list;
    scripted_json(probe->boxed.server, "GET /sandbox/box/processes", 1, 200, answer);
    int failed = sbc_process_list(probe->boxed.box, &query, &list, &probe->boxed.err);
    tell(probe, failed);
    if (failed == 0) {
        sbc_buf_add_format(&probe->told, "cursor %s.\n", list.cursor != NULL ? list.cursor : "-");
        sbc_process_list_clear(&list);
    }
}

static void probe_list(struct probe *probe)
{
    list(probe, "{\"data\":[],\"next_cursor\":\"n\"}");
    list(probe, "{\"data\":[],\"next_cursor\":\"\"}");
}

static void probe_streams(struct probe *probe)
{
    static const char *const events[] = {
        OUTPUT(1, "stdout", "a") OUTPUT(2, "stdout", "no exit\\r\\n") OUTPUT(2, "stdout", "a") OUTPUT(3, "stdout", "b")
            DONE(3),
        OUTPUT(1, "stdout", "a"), /* cut */
        "event: odd\ndata: 1\n\n" OUTPUT(1, "stdout", "a") DONE(1),
        OUTPUT(1, "stdout", "a") "event: done\ndata: " RESULT_OF("exited", "0", "") "\n", /* no blank line */
        ": sign of life\n\n" OUTPUT(1, "stdout", "a") DONE(1),
        "event: output\r\ndata: {\"seq\":1,\"stream\":\"stdout\",\r\ndata: \"data\":\"a\",\"timestamp\":1}\r\n\r\n" DONE(
            1),
    };
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
        struct sbc_process *process = find(probe);
        if (process == NULL)
            return;
        scripted_events(probe->boxed.server, "GET " P1 "/stream", 1, events[i], SCRIPTED_CLOSE);
        tell_stream(probe, process, i == 0 ? 2 : 0);
        sbc_process_free(process);
    }
    struct sbc_process *process = find(probe);
    if (process == NULL)
        return;
    scripted_json(probe->boxed.server, "GET " P1 "/stream", 1, 410, "{\"message\":\"gone\"}");
    tell_stream(probe, process, 1);
    sbc_process_free(process);
}

static void probe_collected(struct probe *probe)
{
    static const char *const events[] = {
        STARTED OUTPUT(1, "stdout", "a") OUTPUT(3, "stdout", "c") DONE(3),
        STARTED OUTPUT(1, "stdout", "a") DONE(2),
        STARTED OUTPUT(1, "stdout", "a"),
        STARTED OUTPUT(1, "stdout", "a") OUTPUT(2, "stderr", "b") DONE(2),
        STARTED OUTPUT(1, "stdlog", "a") DONE(1),
        STARTED "event: error\ndata: {\"error\":\"bad\"}\n\n" DONE(0),
        OUTPUT(1, "stdout", "a") DONE(1),
    };
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
        struct sbc_result result;
        scripted_events(probe->boxed.server, START, 1, events[i], SCRIPTED_CLOSE);
        struct sbc_process *process =
            sbc_process_start(probe->boxed.box, &(struct sbc_command){ .command = "c" }, &probe->boxed.err);
        if (process == NULL) { /* protocol A; or nothing was started */
            tell_error(probe);
            return;
        }
        tell_result(probe, sbc_process_wait(process, NULL, &result, &probe->boxed.err), &result);
        tell_stream(probe, process, 2);
        sbc_process_free(process);
    }
}

static void probe_disconnect(struct probe *probe)
{
    if (probe->boxed.client->protocol == SBC_PROTOCOL_A)
        return;
    scripted_events(probe->boxed.server, START, 1, STARTED, SCRIPTED_HOLD);
    struct sbc_process *process =
        sbc_process_start(probe->boxed.box, &(struct sbc_command){ .command = "c" }, &probe->boxed.err);
    if (process == NULL) {
        tell_error(probe);
        return;
    }
    tell(probe, sbc_process_disconnect(process, &probe->boxed.err));
    sbc_process_free(process);
}

static void probe_tokens(struct probe *probe)
{
    scripted_json(probe->boxed.server, EXEC, 1, 401, "{\"message\":\"no\"}");
    scripted_json(probe->boxed.server, START, 1, 401, "{\"message\":\"no\"}");
    answer_exec(probe, RESULT("exited", "0", ""), STARTED END("exited", "0", 0));
    run_simply(probe);
    scripted_json(probe->boxed.server, EXEC, 0, 401, "{\"message\":\"no\"}");
    scripted_json(probe->boxed.server, START, 0, 401, "{\"message\":\"no\"}");
    run_simply(probe);
}

static void probe_expiry(struct probe *probe)
{
    struct sbc_result result;
    char *body = sbc_text_format("{\"id\":\"late\",\"status\":\"active\",\"token\":\"t\",\"tokenExpiresAt\":%lld,"
                                 "\"runtime\":{\"baseUrl\":\"%s/sandbox/late\"}}",
                                 (long long) sbc_wall_ms() + 30000, scripted_url(probe->boxed.server));
    scripted_json(probe->boxed.server, "GET /api/sandbox/late ", 0, 200, body);
    scripted_json(probe->boxed.server, "POST /sandbox/late/", 0, 404, "{\"message\":\"m\"}");
    struct sbc_sandbox *box = sbc_sandbox_connect(probe->boxed.client, "late", &probe->boxed.err);
    tell_result(probe, sbc_exec(box, &(struct sbc_command){ .command = "c" }, &result, &probe->boxed.err), &result);
    sbc_sandbox_free(box);
    free(body);
}

/* Sandboxes whose addresses have other forms, and one that has no token. */
static void probe_addresses(struct probe *probe)
{
    static const struct {
        const char *id, *question, *address, *token;
    } rows[] = { { "slash", "GET /api/sandbox/slash ", "/sandbox/slash/", "\"t\"" },
                 { "host", "GET /api/sandbox/host ", "", "\"t\"" },
                 { "none", "GET /api/sandbox/none ", "/sandbox/none", "null" } };
    scripted_json(probe->boxed.server, "POST /", 0, 404, "{\"message\":\"m\"}");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sbc_result result;
        char *body = sbc_text_format("{\"id\":\"%s\",\"status\":\"active\",\"token\":%s,"
                                     "\"runtime\":{\"baseUrl\":\"%s%s\"}}", rows[i].id,
                                     rows[i].token, scripted_url(probe->boxed.server), rows[i].address);
        scripted_json(probe->boxed.server, rows[i].question, 0, 200, body);
        struct sbc_sandbox *box = sbc_sandbox_connect(probe->boxed.client, rows[i].id, &probe->boxed.err);
        int failed = box == NULL ? -1 : sbc_exec(box, &(struct sbc_command){ .command = "c" }, &result, &probe->boxed.err);
        tell_result(probe, failed, &result);
        sbc_sandbox_free(box);
        free(body);
    }
}

/* Three bytes, of which the caller wants so many. */
static void probe_output_limit(struct probe *probe)
{
    for (size_t limit = 2; limit <= 3; limit++) {
        answer_exec(probe, RESULT("exited", "0", "abc"),
                    STARTED PIECE(1, "stdout", "YWI=") PIECE(2, "stdout", "Yw==") END("exited", "0", 2));
        run(probe, &(struct sbc_command){ .command = "c", .max_output_bytes = limit });
    }
}

static void probe_stop(struct probe *probe)
{
    scripted_json(probe->boxed.server, "PUT /api/sandbox/box/stop ", 0, 200, "{}");
    tell(probe, sbc_sandbox_stop(probe->boxed.box, &probe->boxed.err));
    run_simply(probe);
    scripted_json(probe->boxed.server, "GET /api/sandbox/over ", 0, 200,
                  "{\"id\":\"over\",\"status\":\"closed\",\"token\":\"t\","
                  "\"runtime\":{\"baseUrl\":\"http://h/sandbox/over\"}}");
    struct sbc_sandbox *box = sbc_sandbox_connect(probe->boxed.client, "over", &probe->boxed.err);
    tell(probe, box == NULL ? -1 : 0);
    sbc_sandbox_free(box);
}

/* What a client is made of; whether it goes by it is seen elsewhere. */
static void probe_options(struct probe *probe)
{
    struct sbc_client_options options = {
        .url = "http://h//", .api_key = "k", .timeout_ms = 7, .runtime_proxy = "p:1"
    };
    struct sbc_client *client = sbc_client_new(&options, NULL);
    sbc_buf_add_format(&probe->told, "%s %s %d %d\n", client->base, client->proxy != NULL ? client->proxy : "-",
                       (int) client->timeout_ms, (int) client->idle_ms);
    sbc_client_free(client);
}

static void probe_cut_character(struct probe *probe)
{
    static const char first[] = "event: output\ndata: {\"seq\":1,\"stream\":\"stdout\",\"data\":\"\xC3";
    static const char second[] = "\xA9\",\"timestamp\":1}\n\n" DONE(1);
    char *bytes = sbc_text_format("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n"
                                  "\r\n%zx\r\n%s\r\n%zx\r\n%s\r\n0\r\n\r\n",
                                  sizeof first - 1, first, sizeof second - 1, second);
    scripted_answer(probe->boxed.server, "GET " P1 "/stream ", 0, bytes, strlen(bytes), SCRIPTED_CLOSE);
    free(bytes);
    struct sbc_process *process = find(probe);
    if (process == NULL)
        return;
    tell_stream(probe, process, 0);
    sbc_process_free(process);
}

static void (*const probes[])(struct probe *) = {
    probe_options,    probe_cut_character, probe_command,        probe_output,       probe_big_output, probe_ends,
    probe_nonsense,   probe_json_start,    probe_stdin,          probe_kill,         probe_look,       probe_list,
    probe_streams,    probe_collected,     probe_tokens,         probe_expiry,       probe_stop,       probe_disconnect,
    probe_wait_limit, probe_lost_replies,  probe_refused_starts, probe_stalled_body, probe_control,    probe_addresses,
    probe_output_limit,
};
#define PROBES (sizeof probes / sizeof probes[0])

/* ---------------------------------------------------------------- running */

struct task {
    struct probe probe;
    void (*act)(struct probe *);
};

static void *act(void *arg)
{
    struct task *task = arg;
    task->act(&task->probe);
    return NULL;
}

/* The port of the server differs from run to run. */
static char *without_port(char *text, const char *url)
{
    const char *port = strrchr(url, ':');
    for (char *at; (at = strstr(text, port)) != NULL;)
        memset(at, '#', strlen(port));
    return text;
}

/* The transcript of a probe; a client that hangs is cancelled, which can be seen there. */
static char *transcribe(void (*probe)(struct probe *), enum sbc_protocol protocol, int64_t patience_ms)
{
    struct task task = { .act = probe };
    struct timespec until;
    pthread_t thread;
    boxed_start_with(&task.probe.boxed, &(struct sbc_client_options){ .protocol = protocol, .timeout_ms = 500 });
    assert_int_equal(pthread_create(&thread, NULL, act, &task), 0);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += patience_ms / 1000;
    if (pthread_timedjoin_np(thread, NULL, &until) != 0) {
        sbc_client_cancel(task.probe.boxed.client);
        pthread_join(thread, NULL);
        sbc_buf_add_text(&task.probe.told, "hung\n");
    }
    tell_requests(&task.probe);
    char *told = without_port(sbc_buf_take(&task.probe.told), scripted_url(task.probe.boxed.server));
    boxed_stop(&task.probe.boxed);
    return told;
}

static bool differs_somewhere(enum sbc_mutant mutant, enum sbc_protocol protocol, char *const right[PROBES])
{
    bool differs = false;
    sbc_mutants_chosen = mutant;
    for (size_t i = 0; i < PROBES && !differs; i++) {
        char *told = transcribe(probes[i], protocol, MUTANT_PATIENCE);
        differs = strcmp(told, right[i]) != 0;
        free(told);
    }
    sbc_mutants_chosen = SBC_MUTANT_none;
    return differs;
}

enum { A = 1, B = 2, BOTH = 3 };

static void check_mutants(enum sbc_protocol protocol, unsigned which)
{
    static const struct {
        const char *name;
        unsigned protocols;
    } rows[] = {
        { "none", 0 },
#define SBC_MUTANT_ROW(name, protocols, what, imitates) { #name, protocols },
#include "mutants.def"
#undef SBC_MUTANT_ROW
    };
    char *right[PROBES];
    int alike = 0;
    for (size_t i = 0; i < PROBES; i++) {
        right[i] = transcribe(probes[i], protocol, PATIENCE_MS);
        char *again = transcribe(probes[i], protocol, PATIENCE_MS);
        assert_string_equal(right[i], again); /* else a difference says nothing */
        assert_null(strstr(again, "hung"));
        free(again);
    }
    for (size_t i = 1; i < SBC_MUTANTS_COUNT; i++) {
        if ((rows[i].protocols & which) == 0 || differs_somewhere((enum sbc_mutant) i, protocol, right))
            continue;
        print_error("%s is not wrong anywhere\n", rows[i].name);
        alike++;
    }
    for (size_t i = 0; i < PROBES; i++)
        free(right[i]);
    assert_int_equal(alike, 0);
}

static void every_mutant_of_protocol_a_is_wrong_somewhere(void **state)
{
    (void) state;
    check_mutants(SBC_PROTOCOL_A, A);
}

static void every_mutant_of_protocol_b_is_wrong_somewhere(void **state)
{
    (void) state;
    check_mutants(SBC_PROTOCOL_B, B);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_mutant_of_protocol_a_is_wrong_somewhere),
        cmocka_unit_test(every_mutant_of_protocol_b_is_wrong_somewhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
