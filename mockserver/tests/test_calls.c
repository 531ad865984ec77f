/* calls.c with the CoreWeave dialect and the real transport: what the ledger says of gRPC calls, settings of a lane, cancels. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/text.h"
#include "tests/support/call_site.h"

#define CJSON_AUTO __attribute__((cleanup(drop_json))) struct cJSON

static void drop_json(struct cJSON **json)
{
    cJSON_Delete(*json);
}

/* ---- looking ----------------------------------------------------------------------------------- */

static const struct cJSON *at(const struct cJSON *node, const char *name)
{
    const struct cJSON *found = cJSON_GetObjectItemCaseSensitive(node, name);
    if (found == NULL) {
        char *text = cJSON_PrintUnformatted(node);
        print_error("no \"%s\" in %s\n", name, text);
        cJSON_free(text);
        fail();
    }
    return found;
}

static struct cJSON *line_of(struct call_site *site, const char *what, size_t nth)
{
    struct cJSON *line = call_line(site, what, nth);
    if (line == NULL)
        fail_msg("the ledger has no call %zu of %s", nth, what);
    return line;
}

static const char *text_at(const struct cJSON *node, const char *name)
{
    const struct cJSON *found = at(node, name);
    return cJSON_IsString(found) ? found->valuestring : "(no text)";
}

static const struct cJSON *message_at(const struct cJSON *line, int index)
{
    const struct cJSON *entry = cJSON_GetArrayItem(at(at(line, "grpc"), "messages"), index);
    assert_non_null(entry);
    return entry;
}

/* "client server client/" is who sent in which order, with a stroke where the client ended. */
static void assert_order(const struct cJSON *line, const char *expected)
{
    BUF_AUTO order = BUF_INIT;
    const struct cJSON *entry;
    cJSON_ArrayForEach(entry, at(at(line, "grpc"), "messages"))
        buf_str(&order, json_get(entry, "end") != NULL ? "/" : text_at(entry, "from")[0] == 'c' ? "c" : "s");
    assert_string_equal(buf_cstr(&order), expected);
}

/* ---- the ledger ---------------------------------------------------------------------------------- */

static void a_command_is_told_message_by_message(void **state)
{
    struct call_site *site = *state;
    struct h2_stream *s = call_exec(site, "read line; echo \"got $line\"; exit 3", false);
    assert_true(h2_await_bytes(s, 1));
    call_stdin(site, s, "hello\n", 6);
    assert_true(h2_await_closed(s));
    assert_int_equal(h2_status(s), 0);
    CJSON_AUTO *line = line_of(site, "stream", 0);
    const struct cJSON *grpc = at(line, "grpc");
    assert_string_equal(text_at(line, "op"), "process.exec");
    assert_string_equal(text_at(line, "dialect"), "coreweave");
    assert_string_equal(text_at(line, "sandbox"), site->sandbox);
    assert_string_equal(text_at(line, "end"), "complete");
    assert_string_equal(text_at(grpc, "status"), "OK");
    assert_int_equal(at(grpc, "timeout_ms")->valueint, 305000);
    assert_true(cJSON_IsNull(at(grpc, "reset_by_client")));
    assert_null(json_get(grpc, "http_status"));
    assert_null(json_get(grpc, "reason"));
    assert_int_equal(at(grpc, "messages_left_out")->valueint, 0);
    assert_order(line, "cscss");
    const struct cJSON *init = at(at(message_at(line, 0), "message"), "init");
    assert_string_equal(text_at(init, "sandbox_id"), site->sandbox);
    assert_string_equal(cJSON_GetArrayItem(at(init, "command"), 1)->valuestring, "-c");
    assert_non_null(at(at(message_at(line, 1), "message"), "ready"));
    const struct cJSON *sent = at(at(message_at(line, 2), "message"), "stdin");
    assert_string_equal(text_at(site->is_v1 ? sent : at(sent, "data"), "base64"), "aGVsbG8K");
    const struct cJSON *output = at(at(message_at(line, 3), "message"), "output");
    assert_string_equal(text_at(at(output, "data"), "base64"), "Z290IGhlbGxvCg==");
    assert_non_null(strstr(text_at(output, site->is_v1 ? "stream" : "stream_type"), "STDOUT"));
    assert_int_equal(at(at(at(message_at(line, 4), "message"), "exit"), "exit_code")->valueint, 3);
}

static void a_refusal_is_told_with_its_reason(void **state)
{
    struct call_site *site = *state;
    struct h2_stream *s = call_open(site, "get", NULL);
    call_ask(site, s, "nobody");
    assert_true(h2_await_closed(s));
    CJSON_AUTO *line = line_of(site, "get", 0);
    /* The set-up has asked, too. */
    for (size_t i = 1; json_get(json_get(line, "grpc"), "reason") == NULL; i++) {
        cJSON_Delete(line);
        line = line_of(site, "get", i);
    }
    const struct cJSON *grpc = at(line, "grpc");
    assert_string_equal(text_at(grpc, "status"), "NOT_FOUND");
    assert_string_equal(text_at(grpc, "reason"), "CWSANDBOX_SANDBOX_NOT_FOUND");
    assert_non_null(strstr(text_at(grpc, "message"), "nobody"));
    assert_true(cJSON_IsNull(at(grpc, "timeout_ms")));
    assert_order(line, "c/");
}

static void a_cancel_is_told_with_its_code(void **state)
{
    struct call_site *site = *state;
    struct h2_stream *s = call_exec(site, "echo up; sleep 60", false);
    assert_true(h2_await_bytes(s, 20));
    h2_reset(s, 8);
    assert_true(h2_await_closed(s));
    CJSON_AUTO *line = line_of(site, "stream", 0);
    assert_int_equal(at(at(line, "grpc"), "reset_by_client")->valueint, 8);
    assert_true(cJSON_IsNull(at(at(line, "grpc"), "status")));
    assert_string_equal(text_at(line, "end"), "client_gone");
}

/* What a client says when it has the end already is no cancel. */
static void a_reset_behind_the_end_is_not_told(void **state)
{
    struct call_site *site = *state;
    struct h2_stream *s = call_exec(site, "exit 0", false);
    assert_true(h2_await_closed(s));
    CJSON_AUTO *line = line_of(site, "stream", 0);
    assert_true(cJSON_IsNull(at(at(line, "grpc"), "reset_by_client")));
    assert_string_equal(text_at(at(line, "grpc"), "status"), "OK");
}

static void an_answer_that_is_no_grpc_is_told_so(void **state)
{
    struct call_site *site = *state;
    call_play(site, "\"faults\": [{\"when\": {\"op\": \"process.exec\"}, \"reply\": {\"status\": 503, \"body\": \"busy\", "
                    "\"content_type\": \"text/plain\"}, \"times\": 1}]");
    struct h2_stream *s = call_exec(site, "true", true);
    assert_true(h2_await_closed(s));
    assert_string_equal(h2_field(s, ":status"), "503");
    CJSON_AUTO *line = line_of(site, "stream", 0);
    assert_int_equal(at(at(line, "grpc"), "http_status")->valueint, 503);
    assert_true(cJSON_IsNull(at(at(line, "grpc"), "status")));
    call_assert_fired(site);
}

/* The first bytes of each direction are shown, and all messages are there. */
static void long_messages_are_cut_and_counted(void **state)
{
    struct call_site *site = *state;
    struct h2_stream *s = call_exec(site, "head -c 300000 /dev/zero", true);
    assert_true(h2_await_closed(s));
    CJSON_AUTO *line = line_of(site, "stream", 0);
    const struct cJSON *entry;
    double size = 0;
    size_t cut = 0, shown = 0;
    cJSON_ArrayForEach(entry, at(at(line, "grpc"), "messages"))
    {
        if (json_get(entry, "end") != NULL || text_at(entry, "from")[0] == 'c')
            continue;
        size += at(entry, "size")->valuedouble;
        cut += json_get(entry, "cut") != NULL;
        const struct cJSON *output = json_get(at(entry, "message"), "output");
        shown += output == NULL || json_get(output, "data") == NULL ? 0 : strlen(text_at(at(output, "data"), "base64"));
    }
    assert_true(size > 300000);
    assert_true(cut > 0);
    assert_true(shown > 8192 && shown < 12000);
    assert_int_equal(at(at(line, "grpc"), "messages_left_out")->valueint, 0);
}

/* Very many small ones: the first stay, and the last, and the others are counted. */
static void very_many_messages_leave_the_end_in_sight(void **state)
{
    struct call_site *site = *state;
    struct h2_stream *s = call_exec(site, "read go; exit 5", false);
    for (int i = 0; i < 3000; i++)
        call_stdin(site, s, "", 0);
    call_stdin(site, s, "\n", 1);
    assert_true(h2_await_closed(s));
    CJSON_AUTO *line = line_of(site, "stream", 0);
    const struct cJSON *list = at(at(line, "grpc"), "messages");
    int count = cJSON_GetArraySize(list), left = at(at(line, "grpc"), "messages_left_out")->valueint;
    assert_true(left > 0 && count > 100);
    assert_int_equal(count + left, 3000 + 2 + 2);
    assert_int_equal(at(at(at(cJSON_GetArrayItem(list, count - 1), "message"), "exit"), "exit_code")->valueint, 5);
}

static void secrets_are_not_told(void **state)
{
    struct call_site *site = *state;
    struct h2_stream *s = call_open(site, "create", NULL);
    BUF_AUTO request = BUF_INIT;
    /* A map's entry {1: "MY_API_KEY", 2: "hush-hush"}: v1 in sandbox(1).spec(2).containers(1), v1beta2 in field 6. */
    static const char entry[] = "\x0a\x0aMY_API_KEY\x12\x09hush-hush";
    size_t len = sizeof entry - 1;
    if (site->is_v1) {
        buf_printf(&request, "\x0a%c\x12%c\x0a%c\x2a%c", (int) len + 6, (int) len + 4, (int) len + 2, (int) len);
    } else {
        buf_printf(&request, "\x32%c", (int) len);
    }
    buf_add(&request, entry, len);
    h2_send_message(s, request.data, request.len, true);
    assert_true(h2_await_closed(s));
    assert_int_equal(h2_status(s), 0);
    CJSON_AUTO *line = line_of(site, "create", 1);
    char *text = cJSON_PrintUnformatted(line);
    assert_non_null(strstr(text, "MY_API_KEY"));
    assert_null(strstr(text, "hush"));
    assert_null(strstr(text, "Bearer call-site"));
    assert_non_null(strstr(text, "[redacted]"));
    cJSON_free(text);
}

static void a_message_that_cannot_be_read_is_null(void **state)
{
    struct call_site *site = *state;
    struct h2_stream *s = call_open(site, "stop", NULL);
    h2_send_message(s, "\xff\xff\xff", 3, true);
    assert_true(h2_await_closed(s));
    assert_int_equal(h2_status(s), 13);
    CJSON_AUTO *line = line_of(site, "stop", 0);
    assert_true(cJSON_IsNull(at(message_at(line, 0), "message")));
    assert_int_equal(at(message_at(line, 0), "size")->valueint, 3);
    assert_string_equal(text_at(at(line, "grpc"), "status"), "INTERNAL");
}

static void what_nobody_serves_is_told_in_the_common_lane(void **state)
{
    struct call_site *site = *state;
    struct h2_stream *s = h2_open(&site->client, "/no.such.Service/Method", NULL);
    h2_send_message(s, "", 0, true);
    assert_true(h2_await_closed(s));
    assert_int_equal(h2_status(s), 12);
    struct lane *own = site->lane;
    site->lane = site->any;
    CJSON_AUTO *line = line_of(site, "/no.such.Service/Method", 0);
    site->lane = own;
    assert_string_equal(text_at(at(line, "grpc"), "status"), "UNIMPLEMENTED");
}

/* ---- settings ------------------------------------------------------------------------------------------ */

static void a_scenario_changes_settings_of_its_lane(void **state)
{
    struct call_site *site = *state;
    struct err err = ERR_INIT;
    call_play(site, "\"settings\": {\"coreweave\": {\"start_failure\": \"error\", \"chunk_bytes\": 1000}}");
    struct h2_stream *s = call_exec(site, "head -c 5000 /dev/zero", true);
    assert_true(h2_await_closed(s));
    CALL_STORY story;
    call_tell(site, s, &story);
    assert_true(story.outputs >= 5);
    call_forget_scenarios(site);
    struct h2_stream *again = call_exec(site, "head -c 5000 /dev/zero", true);
    assert_true(h2_await_closed(again));
    CALL_STORY after;
    call_tell(site, again, &after);
    assert_true(after.outputs < 5);
    assert_int_equal(call_try(site, "\"settings\": {\"coreweave\": {\"chunk_bytes\": 0}}", &err), -1);
    assert_non_null(strstr(err.text, "must not be 0"));
}

/* ---- cancels --------------------------------------------------------------------------------------------- */

/* A reader looks up by itself once a second, so a cancel soon after the start would show.  The best of some counts, as the
   machine may be busy. */
static void a_cancel_of_unary_exec_kills_at_once(void **state)
{
    struct call_site *site = *state;
    int64_t best_ms = INT64_MAX;
    for (size_t i = 0; i < 5 && best_ms > 500; i++) {
        BUF_AUTO request = BUF_INIT;
        struct h2_stream *s = call_open(site, "exec", NULL);
        buf_printf(&request, "\x0a%c%s\x12\x05sleep\x12\x02" "60", (int) strlen(site->sandbox), site->sandbox);
        h2_send_message(s, request.data, request.len, true);
        h2_step(&site->client);
        call_await_facts(site, FACT_STARTED, i + 2);
        int64_t begun = mono_ns();
        h2_reset(s, 8);
        h2_step(&site->client);
        call_await_facts(site, FACT_DIED, i + 1);
        int64_t took_ms = (mono_ns() - begun) / 1000000;
        best_ms = took_ms < best_ms ? took_ms : best_ms;
    }
    assert_true(best_ms < 500);
}

/* A log that is followed: {sandbox_id = 1, follow = 2}, and one message around it in v1beta2. */
static struct h2_stream *follow_log(struct call_site *site)
{
    BUF_AUTO request = BUF_INIT;
    struct h2_stream *s = call_open(site, "logs", NULL);
    int len = (int) strlen(site->sandbox);
    if (!site->is_v1)
        buf_printf(&request, "\x0a%c", len + 4);
    buf_printf(&request, "\x0a%c%s\x10\x01", len, site->sandbox);
    h2_send_message(s, request.data, request.len, true);
    assert_true(h2_await_bytes(s, 5));
    return s;
}

static void a_cancel_of_a_log_is_noticed_at_once(void **state)
{
    struct call_site *site = *state;
    int64_t best_ms = INT64_MAX;
    (void) call_time_to_idle(site);
    for (int i = 0; i < 5 && best_ms > 500; i++) {
        struct h2_stream *s = follow_log(site);
        h2_reset(s, 8);
        h2_step(&site->client);
        int64_t took_ms = call_time_to_idle(site);
        best_ms = took_ms < best_ms ? took_ms : best_ms;
    }
    assert_true(best_ms < 500);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, call_site_setup, call_site_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_command_is_told_message_by_message),
        TEST(a_refusal_is_told_with_its_reason),
        TEST(a_cancel_is_told_with_its_code),
        TEST(a_reset_behind_the_end_is_not_told),
        TEST(an_answer_that_is_no_grpc_is_told_so),
        TEST(long_messages_are_cut_and_counted),
        TEST(very_many_messages_leave_the_end_in_sight),
        TEST(secrets_are_not_told),
        TEST(a_message_that_cannot_be_read_is_null),
        TEST(what_nobody_serves_is_told_in_the_common_lane),
        TEST(a_scenario_changes_settings_of_its_lane),
        TEST(a_cancel_of_unary_exec_kills_at_once),
        TEST(a_cancel_of_a_log_is_noticed_at_once),
    };
    return call_site_run("calls", tests, sizeof tests / sizeof *tests);
}
