/* What scenarios can be about with CoreWeave: sandboxes that are not there, keys that are not taken, main processes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

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

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, call_site_setup, call_site_teardown)
    const struct CMUnitTest tests[] = {
        TEST(rules_hold_for_sandboxes_that_are_not_there),
        TEST(rules_hold_for_sandboxes_that_are_over),
        TEST(a_rule_about_a_sandbox_by_name_needs_one_that_is_there),
        TEST(pretence_holds_for_sandboxes_that_are_not_there),
        TEST(what_cannot_be_read_is_known_by_its_method),
    };
    return call_site_run("calls and rules", tests, sizeof tests / sizeof *tests);
}
