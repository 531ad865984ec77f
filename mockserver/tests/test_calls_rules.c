/* What scenarios can be about with CoreWeave: sandboxes that are not there, keys that are not taken, main processes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "tests/support/call_site.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define NOBODY   "nobody"

enum { OK = 0, NOT_FOUND = 5, RESOURCE_EXHAUSTED = 8, FAILED_PRECONDITION = 9, INTERNAL = 13, UNAUTHENTICATED = 16 };

/* ---- the journal -------------------------------------------------------------------------------- */

static void assert_text(const struct cJSON *line, const char *name, const char *expected)
{
    const struct cJSON *found = json_get(line, name);
    if (!cJSON_IsString(found) || strcmp(found->valuestring, expected) != 0)
        fail_msg("%s: %s, not %s", name, cJSON_IsString(found) ? found->valuestring : "(no text)", expected);
}

/* The newest call of this method means `op`. */
static void assert_last_op(struct call_site *site, const char *method, const char *op)
{
    struct cJSON *line = NULL, *next;
    for (size_t nth = 0; (next = call_line(site, method, nth)) != NULL; nth++) {
        cJSON_Delete(line);
        line = next;
    }
    assert_non_null(line);
    assert_text(line, "dialect", "coreweave");
    assert_text(line, "op", op);
    cJSON_Delete(line);
}

static void await_state(struct call_site *site, int state)
{
    int64_t until = mono_ns() + WORLD_LIMIT_MS * INT64_C(1000000);
    while (call_state(site, call_get(site)) != state) {
        if (mono_ns() > until)
            fail_msg("not in state %d", state);
    }
}

/* ---- what is not there -------------------------------------------------------------------------------- */

/* Requests that name a sandbox, by the op that they mean; `rest` is what goes with it, the same in both versions: a command
   or a path (2), a content or another path (3). */
static const struct asked {
    const char *op, *methods[2], *rest;
    bool is_stream;
} asked[] = {
    { "sandbox.get", { "get", "get" }, "", false },
    { "sandbox.stop", { "stop", "stop" }, "", false },
    { "sandbox.stop", { "GatewayService/Delete", "stop" }, "", false },
    { "process.exec", { "exec", "exec" }, "\x12\x01x", false },
    { "process.exec", { "stream", "stream" }, "\x12\x01x", true },
    { "process.logs", { "logs", "logs" }, "", true },
    { "file.read", { "GatewayService/RetrieveFile", "SandboxService/ReadFile" }, "\x12\x01x", false },
    { "file.write", { "GatewayService/AddFile", "SandboxService/WriteFile" }, "\x12\x01x\x1a\x01x", false },
};

static struct h2_stream *ask(struct call_site *site, const struct asked *row, const char *sandbox)
{
    BUF_AUTO request = BUF_INIT;
    const char *method = row->methods[site->is_v1];
    int len = (int) strlen(sandbox);
    /* The first message of a stream holds it in its field 1, but for v1's logs. */
    bool is_wrapped = row->is_stream && !(site->is_v1 && strcmp(method, "logs") == 0);
    struct h2_stream *s = call_open(site, method, NULL);
    if (is_wrapped)
        buf_printf(&request, "\x0a%c", len + 2 + (int) strlen(row->rest));
    buf_printf(&request, "\x0a%c%s%s", len, sandbox, row->rest);
    h2_send_message(s, request.data, request.len, true);
    assert_true(h2_await_closed(s));
    return s;
}

static void rules_hold_for_sandboxes_that_are_not_there(void **state)
{
    struct call_site *site = *state;
    char members[200];
    for (size_t i = 0; i < COUNT(asked); i++) {
        snprintf(members, sizeof members,
                 "\"faults\": [{\"when\": {\"op\": \"%s\"}, \"times\": 1, \"reply\": {\"status\": \"RESOURCE_EXHAUSTED\"}}]",
                 asked[i].op);
        call_play(site, members);
        assert_int_equal(h2_status(ask(site, &asked[i], NOBODY)), RESOURCE_EXHAUSTED);
        assert_last_op(site, asked[i].methods[site->is_v1], asked[i].op);
        call_assert_fired(site);
        struct h2_stream *s = ask(site, &asked[i], NOBODY);
        if (h2_status(s) != NOT_FOUND)
            fail_msg("%s: %d", asked[i].op, h2_status(s));
        assert_last_op(site, asked[i].methods[site->is_v1], asked[i].op);
        call_forget_scenarios(site);
    }
}

/* The same with one that does not run any more. */
static void rules_hold_for_sandboxes_that_are_over(void **state)
{
    struct call_site *site = *state;
    assert_int_equal(h2_status(call_stop(site)), OK);
    call_play(site, "\"faults\": [{\"when\": {\"op\": \"process.exec\", \"sandbox\": \"*\"}, \"times\": 1, "
                    "\"reply\": {\"status\": \"RESOURCE_EXHAUSTED\"}}]");
    assert_int_equal(h2_status(ask(site, &asked[4], site->sandbox)), RESOURCE_EXHAUSTED);
    assert_int_equal(h2_status(ask(site, &asked[4], site->sandbox)), FAILED_PRECONDITION);
    call_assert_fired(site);
}

static void a_rule_about_a_sandbox_by_name_needs_one_that_is_there(void **state)
{
    struct call_site *site = *state;
    call_play(site, "\"faults\": [{\"when\": {\"op\": \"sandbox.get\", \"sandbox\": \"*\"}, \"times\": 1, "
                    "\"reply\": {\"status\": \"RESOURCE_EXHAUSTED\"}}]");
    assert_int_equal(h2_status(ask(site, &asked[0], NOBODY)), NOT_FOUND);
    assert_int_equal(h2_status(call_get(site)), RESOURCE_EXHAUSTED);
    call_assert_fired(site);
}

static void pretence_holds_for_sandboxes_that_are_not_there(void **state)
{
    struct call_site *site = *state;
    call_play(site, "\"faults\": [{\"when\": {\"op\": [\"sandbox.stop\", \"file.write\"]}, \"times\": 2, "
                    "\"reply\": {\"pretend\": \"success\"}}]");
    assert_int_equal(h2_status(ask(site, &asked[1], NOBODY)), OK);
    assert_int_equal(h2_status(ask(site, &asked[7], NOBODY)), OK);
    assert_int_equal(h2_status(ask(site, &asked[7], NOBODY)), NOT_FOUND);
    call_assert_fired(site);
}

/* No rule is asked then, but the journal knows what was meant. */
static void what_cannot_be_read_is_known_by_its_method(void **state)
{
    struct call_site *site = *state;
    call_play(site, "\"faults\": [{\"when\": {}, \"reply\": {\"status\": \"RESOURCE_EXHAUSTED\"}}]");
    struct h2_stream *s = call_open(site, "stop", NULL);
    h2_send_message(s, "\xff\xff\xff", 3, true);
    assert_true(h2_await_closed(s));
    assert_int_equal(h2_status(s), INTERNAL);
    assert_last_op(site, "stop", "sandbox.stop");
}

/* ---- answers that say that it failed ------------------------------------------------------------------- */

/* success (1 or 2) is false, so not there; error_message (2 or 3) is "no, thanks". */
static void an_answer_can_say_that_it_failed(void **state)
{
    static const struct { size_t row; char tag; } rows[] = { { 1, '\x12' }, { 2, '\x12' }, { 6, '\x1a' }, { 7, '\x12' } };
    struct call_site *site = *state;
    char members[200], wanted[20];
    if (site->is_v1)
        return;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const char *bytes;
        const struct asked *row = &asked[rows[i].row];
        snprintf(members, sizeof members, "\"faults\": [{\"when\": {\"op\": \"%s\"}, \"times\": 1, "
                 "\"fault\": {\"kind\": \"error_answer\", \"message\": \"no, thanks\"}}]", row->op);
        snprintf(wanted, sizeof wanted, "%c\x0ano, thanks", rows[i].tag);
        call_play(site, members);
        struct h2_stream *s = ask(site, row, site->sandbox);
        assert_int_equal(h2_status(s), OK);
        assert_int_equal(h2_message(s, 0, &bytes), 12);
        assert_memory_equal(bytes, wanted, 12);
        call_assert_fired(site);
        call_forget_scenarios(site);
        assert_int_equal(call_state(site, call_get(site)), 2);
    }
}

/* Of the only rule.  A strike is settled when its call is let go, which may be after the answer. */
static struct match_counts await_settled_counts(struct call_site *site)
{
    int64_t until = mono_ns() + WORLD_LIMIT_MS * INT64_C(1000000);
    struct match_counts counts;
    size_t count;
    struct match **matches = lane_matches(site->lane, &count);
    assert_int_equal(count, 1);
    do {
        assert_true(match_get_counts(matches[0], MATCH_FAULTS, 0, &counts));
    } while (counts.fired + counts.missed < counts.matched && mono_ns() < until);
    lane_matches_free(matches, count);
    return counts;
}

/* In v1 a status says it: the rule is missed, and so is found in the counts. */
static void v1_has_no_such_answer(void **state)
{
    struct call_site *site = *state;
    if (!site->is_v1)
        return;
    call_play(site, "\"faults\": [{\"when\": {\"op\": \"sandbox.stop\"}, \"fault\": \"error_answer\"}]");
    assert_int_equal(h2_status(call_stop(site)), OK);
    await_state(site, 3);
    struct match_counts counts = await_settled_counts(site);
    assert_int_equal(counts.matched, 1);
    assert_int_equal(counts.fired, 0);
    assert_int_equal(counts.missed, 1);
}

/* ---- keys --------------------------------------------------------------------------------------------- */

/* Only this request: an API key has nothing that could take its place. */
static void a_key_can_be_refused_as_an_old_one(void **state)
{
    struct call_site *site = *state;
    char members[200];
    for (size_t i = 0; i < COUNT(asked); i++) {
        snprintf(members, sizeof members, "\"faults\": [{\"when\": {\"op\": \"%s\"}, \"times\": 1, \"fault\": \"expire_token\"}]",
                 asked[i].op);
        call_play(site, members);
        struct h2_stream *s = ask(site, &asked[i], NOBODY);
        assert_int_equal(h2_status(s), UNAUTHENTICATED);
        assert_string_equal(h2_field(s, "grpc-message"), "the API key has expired");
        assert_int_equal(h2_status(ask(site, &asked[i], NOBODY)), NOT_FOUND);
        call_assert_fired(site);
        call_forget_scenarios(site);
    }
    assert_int_equal(h2_status(call_get(site)), OK);
}

static void no_key_expires_behind_an_answer(void **state)
{
    struct call_site *site = *state;
    struct err err = ERR_INIT;
    assert_int_equal(call_try(site, "\"faults\": [{\"when\": {\"dialect\": \"coreweave\"}, \"at\": {\"after_bytes\": 1}, "
                                    "\"fault\": \"expire_token\"}]", &err), -1);
    assert_non_null(strstr(err.text, "API keys do not expire"));
    call_play(site, "\"faults\": [{\"when\": {}, \"at\": {\"after_bytes\": 1}, \"fault\": \"expire_token\"}]");
    assert_int_equal(h2_status(call_get(site)), OK);
    assert_int_equal(h2_status(call_get(site)), OK);
}

/* ---- main processes ---------------------------------------------------------------------------------- */

#define MAIN_RULE(run) "\"processes\": [{\"when\": {\"op\": \"sandbox.create\", \"argv0\": \"/bin/sh\"}, \"run\": " run "}]"

/* Field 1 of both versions' answers. */
static void create(struct call_site *site)
{
    const char *bytes;
    struct h2_stream *s = call_ask_create(site, NULL);
    long len = h2_message(s, 0, &bytes);
    assert_true(len > 2 && bytes[0] == '\x0a' && bytes[1] > 0 && bytes[1] < len);
    snprintf(site->sandbox, sizeof site->sandbox, "%.*s", bytes[1], bytes + 2);
}

/* As the newest Get has told it; -1: not at all.  v1beta2 has no word for it. */
static int exit_code(struct call_site *site)
{
    struct cJSON *line = NULL, *next;
    for (size_t nth = 0; (next = call_line(site, "get", nth)) != NULL; nth++) {
        cJSON_Delete(line);
        line = next;
    }
    const struct cJSON *messages = json_get(json_get(line, "grpc"), "messages");
    const struct cJSON *answer = json_get(cJSON_GetArrayItem(messages, cJSON_GetArraySize(messages) - 1), "message");
    const struct cJSON *code = json_get(json_get(answer, "status"), "exit_code");
    int value = cJSON_IsNumber(code) ? code->valueint : -1;
    cJSON_Delete(line);
    return value;
}

static bool has_log(struct call_site *site, const char *text)
{
    struct h2_stream *s = call_logs_on(site, NULL);
    assert_true(h2_await_closed(s));
    return s->in.len > 0 && memmem(s->in.data, s->in.len, text, strlen(text)) != NULL;
}

static void a_main_process_can_be_a_puppet(void **state)
{
    struct call_site *site = *state;
    call_play(site, MAIN_RULE("{\"puppet\": [{\"on\": \"TERM\", \"do\": [{\"exit\": 7}]}, {\"out\": \"strings attached\"}, "
                              "{\"hang\": true}]}"));
    create(site);
    await_state(site, 2);
    call_await_facts(site, FACT_OUT, 2);
    assert_true(has_log(site, "strings attached"));
    static const struct asked stop = { "sandbox.stop", { "stop", "stop" }, "\x10\x1e", false };   /* half a minute's grace */
    assert_int_equal(h2_status(ask(site, &stop, site->sandbox)), OK);
    await_state(site, 3);
    assert_int_equal(exit_code(site), site->is_v1 ? 7 : -1);
    call_assert_fired(site);
}

static void a_main_process_can_end_at_once(void **state)
{
    struct call_site *site = *state;
    call_play(site, MAIN_RULE("{\"exit\": 3}"));
    create(site);
    await_state(site, 3);
    assert_int_equal(exit_code(site), site->is_v1 ? 3 : -1);
    call_assert_fired(site);
}

static void a_main_process_can_fail_to_start(void **state)
{
    struct call_site *site = *state;
    call_play(site, MAIN_RULE("{\"fail\": \"ENOENT\"}"));
    create(site);
    await_state(site, 4);
    call_assert_fired(site);
}

/* Else "every command fails" would leave no sandbox to run them in. */
static void rules_about_commands_leave_main_processes_alone(void **state)
{
    struct call_site *site = *state;
    call_play(site, "\"processes\": [{\"when\": {\"op\": \"sandbox.create\"}, \"run\": {\"command\": \"echo up; exec sleep 1000\"}}, "
                    "{\"when\": {}, \"run\": {\"exit\": 5}}]");
    create(site);
    await_state(site, 2);
    struct h2_stream *s = call_exec(site, "exit 0", true);
    assert_true(h2_await_closed(s));
    CALL_STORY story;
    call_tell(site, s, &story);
    assert_int_equal(story.exit_code, 5);
    call_assert_fired(site);
    call_forget_scenarios(site);
    call_play(site, "\"processes\": [{\"when\": {}, \"run\": {\"exit\": 5}}]");
    create(site);
    await_state(site, 2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, call_site_setup, call_site_teardown)
    const struct CMUnitTest tests[] = {
        TEST(rules_hold_for_sandboxes_that_are_not_there),
        TEST(rules_hold_for_sandboxes_that_are_over),
        TEST(a_rule_about_a_sandbox_by_name_needs_one_that_is_there),
        TEST(pretence_holds_for_sandboxes_that_are_not_there),
        TEST(what_cannot_be_read_is_known_by_its_method),
        TEST(an_answer_can_say_that_it_failed),
        TEST(v1_has_no_such_answer),
        TEST(a_key_can_be_refused_as_an_old_one),
        TEST(no_key_expires_behind_an_answer),
        TEST(a_main_process_can_be_a_puppet),
        TEST(a_main_process_can_end_at_once),
        TEST(a_main_process_can_fail_to_start),
        TEST(rules_about_commands_leave_main_processes_alone),
    };
    return call_site_run("calls and rules", tests, sizeof tests / sizeof *tests);
}
