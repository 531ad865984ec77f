/* What the adapter says of a CoreWeave server that answers wrongly: kind, class, status and code of PROTOCOL.md. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <cjson/cJSON.h>

#include "peer.h"
#include "spawned.h"

/* h the head, r ready, o output, ! an error in band, x exit 3, . garbage, 0 OK, 5 NOT_FOUND with a text that is no
   UTF-8, 4 DEADLINE_EXCEEDED, 8 RESOURCE_EXHAUSTED, w HTML with 401, c reset with CANCEL, l a length beyond all limits,
   t too much output in band, | the connection closes */
static enum peer_then put_script(struct sbc_buf *out, enum cwc_version version, const char *script)
{
    enum peer_then then = PEER_STAYS;
    struct sbc_buf garbage = { 0 };
    sbc_buf_add(&garbage, "\xff", 1);
    for (; *script != '\0'; script++) {
        switch (*script) {
        case 'h': put_head(out); break;
        case 'r': put_ready(out, version); break;
        case 'o': put_output(out, version, CWC_STDOUT, "o"); break;
        case 'x': put_exit(out, version, 3); break;
        case '!': put_error(out, version, "went wrong", "ODD_CODE"); break;
        case 't': put_error(out, version, "too slow", "STREAM_BACKPRESSURE"); break;
        case '.': put_message(out, &garbage); break;
        case '0': put_trailers(out, "grpc-status: 0\n"); break;
        case '5': put_trailers(out, "grpc-status: 5\ngrpc-message: gone%FF\n"); break;
        case '4': put_trailers(out, "grpc-status: 4\n"); break;
        case '8': put_trailers(out, "grpc-status: 8\n"); break;
        case 'w': put_headers(out, ":status: 401\ncontent-type: text/html\n", true); break;
        case 'c': put_rst(out, 8); break;
        case 'l': put_data(out, "\0\xff\xff\xff\xff", 5, false); break;
        default: then = PEER_CLOSES; break;
        }
    }
    sbc_buf_free(&garbage);
    return then;
}

static const struct {
    const char *script, *kind;
    const char *classes[2]; /* v1beta2, v1 */
    const char *status, *code;
} rows[] = {
    { "hro0", "connection", { "SandboxExecutionError", "SandboxExecutionError" }, NULL, NULL },
    { "hro|", "unavailable", { "AioRpcError", "SandboxUnavailableError" }, "UNAVAILABLE", NULL },
    { "ho.", "malformed", { "SandboxProtocolError", "SandboxProtocolError" }, NULL, NULL },
    { "ho!", "other", { "SandboxExecutionError", "SandboxExecutionError" }, NULL, "ODD_CODE" },
    { "hot", "incomplete", { "SandboxExecutionError", "SandboxStreamBackpressureError" }, NULL, "STREAM_BACKPRESSURE" },
    { "ho5", "not_found", { "AioRpcError", "SandboxNotFoundError" }, "NOT_FOUND", NULL },
    { "ho4", "timeout", { "SandboxTimeoutError", "SandboxTimeoutError" }, "DEADLINE_EXCEEDED", NULL },
    { "ho8", "rate_limited", { "AioRpcError", "SandboxResourceExhaustedError" }, "RESOURCE_EXHAUSTED", NULL },
    { "w", "unauthenticated", { "AioRpcError", "CWSandboxAuthenticationError" }, "UNAUTHENTICATED", NULL },
    { "hoc", "cancelled", { "AioRpcError", "SandboxNotRunningError" }, "CANCELLED", NULL },
    { "hol", "rate_limited", { "AioRpcError", "SandboxResourceExhaustedError" }, "RESOURCE_EXHAUSTED", NULL },
};

/* A text, or NULL where there is none or null. */
static const char *text_of(const cJSON *object, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItem(object, name));
}

static bool is_same(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static cJSON *read_result(struct spawned *adapter)
{
    for (;;) {
        char *line = spawned_read_line(adapter);
        assert_non_null(line);
        assert_true(sbc_utf8_is_valid(line, strlen(line)));
        cJSON *said = cJSON_Parse(line);
        free(line);
        assert_non_null(said);
        if (is_same(text_of(said, "type"), "result"))
            return said;
        assert_string_equal(text_of(said, "type"), "at");
        cJSON_Delete(said);
    }
}

/* Of the second step. */
static void check_error(const cJSON *said, size_t row, enum cwc_version version)
{
    const cJSON *outcome = cJSON_GetArrayItem(cJSON_GetObjectItem(said, "outcomes"), 1);
    const cJSON *error = cJSON_GetObjectItem(outcome, "error");
    if (!is_same(text_of(error, "kind"), rows[row].kind) ||
        !is_same(text_of(error, "class"), rows[row].classes[version == CWC_V1]) ||
        !is_same(text_of(error, "status"), rows[row].status) || !is_same(text_of(error, "code"), rows[row].code)) {
        char *text = cJSON_PrintUnformatted(said);
        fail_msg("%s: %s", rows[row].script, text);
    }
}

static void check_version(enum cwc_version version)
{
    const char *const argv[] = { getenv("STANDBOX_REFCLIENT"), "--vendor", "coreweave", "--protocol",
                                 version == CWC_V1 ? "v1" : "v1beta2", NULL };
    struct site site;
    struct spawned adapter;
    site_open(&site, version, NULL, 30000);
    spawned_start(&adapter, argv);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sbc_buf frames = { 0 };
        enum peer_then then = put_script(&frames, version, rows[i].script);
        site_answer(&site, "StreamExec", &frames, then);
        char *line = sbc_text_format(
            "{\"type\":\"run\",\"seq\":1,\"case\":\"x\",\"vendor\":\"coreweave\",\"client\":{\"url\":\"%s\","
            "\"api_key\":\"k\"},\"steps\":[{\"step\":\"s\",\"op\":\"sandbox.create\",\"as\":\"b\"},"
            "{\"step\":\"r\",\"op\":\"exec\",\"sandbox\":\"b\",\"command\":\"c\"}]}",
            peer_url(site.peer));
        spawned_write_line(&adapter, line);
        free(line);
        cJSON *said = read_result(&adapter);
        check_error(said, i, version);
        cJSON_Delete(said);
    }
    assert_int_equal(spawned_wait(&adapter), 0);
    site_close(&site);
}

static void every_error_has_its_kind_class_status_and_code(void **state)
{
    (void) state;
    check_version(CWC_V1BETA2);
    check_version(CWC_V1);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(every_error_has_its_kind_class_status_and_code) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
