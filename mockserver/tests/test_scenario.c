/* Sound scenario files: what is read from them, feature by feature. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/jsonc.h"
#include "scenario/scenario.h"

#define RULE(text) "{\"standbox\":1,\"name\":\"x\",\"why\":\"y\",\n" text "}"

static struct scenario *parse(const char *text)
{
    struct scenario *scenario = NULL;
    struct err err = ERR_INIT;
    if (scenario_parse(&scenario, "f", text, strlen(text), &err) < 0)
        fail_msg("%s", err.text);
    return scenario;
}

static void the_example_of_the_design_is_read_whole(void **state)
{
    (void) state;
    struct scenario *s = parse(
        "{ \"standbox\": 1, \"name\": \"kill-lies\", \"why\": \"kill answers success, the process lives on\",\n"
        "  \"source\": [\"an issue\", \"another\"],\n"
        "  \"processes\": [                  // first match wins\n"
        "    { \"when\": { \"command\": \"npm run dev*\", \"nth\": 1, \"dialect\": [\"cloudflare\"] },\n"
        "      \"run\":  { \"puppet\": [ { \"out\": \"listening\\n\" }, { \"on\": \"TERM\", \"do\": [ { \"err\": \"no\\n\" } ] },\n"
        "                            { \"hang\": true } ] } },\n"
        "    { \"when\": { \"argv0\": \"missing\" }, \"run\": { \"fail\": \"ENOENT\" } } ],\n"
        "  \"faults\": [ /* delivery */\n"
        "    { \"when\": { \"op\": \"process.kill\", \"nth\": 1 }, \"reply\": { \"pretend\": \"success\" } },\n"
        "    { \"when\": { \"op\": \"process.stream\" }, \"at\": { \"after_bytes\": 4097 }, \"fault\": "
        "\"CONNECTION_RESET_BY_PEER\" },\n"
        "    { \"when\": { \"op\": \"process.start\", \"nth\": [1, 2] }, \"reply\": { \"status\": 503, \"retry_after_s\": 1.5 } } ],\n"
        "  \"status\": { \"hold\": { \"queued_ms\": 200 } },\n"
        "  \"clock\":  { \"scale\": 50 }, \"seed\": 7 }\n");
    assert_string_equal(s->name, "kill-lies");
    assert_int_equal(s->source_count, 2);
    assert_string_equal(s->sources[1], "another");
    assert_int_equal(s->process_count, 2);
    assert_int_equal(s->processes[0].line, 4);
    assert_int_equal(s->processes[1].line, 7);
    assert_string_equal(s->processes[0].steps,
                        "[{\"out\":\"listening\\n\"},{\"on\":\"TERM\",\"do\":[{\"err\":\"no\\n\"}]},"
                        "{\"hang\":true}]");
    assert_int_equal(s->processes[1].run, RUN_FAIL);
    assert_int_equal(s->processes[1].errnum, ENOENT);
    assert_int_equal(s->fault_count, 3);
    assert_int_equal(s->faults[2].line, 11);
    assert_true(s->faults[0].fault.reply->pretend_success);
    assert_int_equal(s->faults[1].at.place, AT_BYTES);
    assert_int_equal(s->faults[1].at.count, 4097);
    assert_int_equal(s->faults[1].fault.kind, FAULT_CONNECTION_RESET_BY_PEER);
    assert_int_equal(s->faults[2].fault.reply->http_status, 503);
    assert_int_equal(s->faults[2].fault.reply->grpc_status, 14);
    assert_int_equal(s->faults[2].fault.reply->retry_after_ms, 1500);
    assert_int_equal(s->faults[2].planned, 2);
    assert_int_equal(s->queued_hold_ms, 200);
    assert_int_equal(s->clock, CLOCK_SCALED);
    assert_true(s->clock_scale > 49 && s->clock_scale < 51);
    assert_true(s->has_seed && s->seed == 7);
    scenario_unref(s);
}

static void comments_may_stand_in_every_place(void **state)
{
    (void) state;
    static const char *const tokens[] = { "{", "\"standbox\"",
                                          ":", "1",
                                          ",", "\"name\"",
                                          ":", "\"x\"",
                                          ",", "\"why\"",
                                          ":", "\"// no /* comment\"",
                                          ",", "\"clock\"",
                                          ":", "\"manual\"",
                                          ",", "\"processes\"",
                                          ":", "[",
                                          "]", "}" };
    BUF_AUTO text = BUF_INIT;
    for (size_t i = 0; i < sizeof tokens / sizeof tokens[0]; i++)
        buf_printf(&text, "/* \" é **/// line \" { \n%s/**/", tokens[i]);
    buf_str(&text, "// the end");
    struct scenario *s = parse(buf_cstr(&text));
    assert_string_equal(s->why, "// no /* comment");
    assert_int_equal(s->clock, CLOCK_MANUAL);
    scenario_unref(s);
}

static void the_least_scenario_does_nothing(void **state)
{
    (void) state;
    struct scenario *s = parse("{\"standbox\":1,\"name\":\"x\",\"why\":\"y\"}");
    assert_int_equal(s->process_count + s->fault_count + s->source_count, 0);
    assert_int_equal(s->clock, CLOCK_UNSAID);
    assert_false(s->has_seed);
    assert_int_equal(s->queued_hold_ms, 0);
    scenario_unref(s);
}

static void the_short_run_becomes_puppet_steps(void **state)
{
    (void) state;
    struct scenario *s =
        parse(RULE("\"processes\":[{\"when\":{},\"run\":{\"err\":\"\\u00e9\\n\",\"exit\":3,\"out\":\"a\\u0000b\"}}]"));
    assert_int_equal(s->processes[0].run, RUN_PUPPET);
    assert_string_equal(s->processes[0].steps, "[{\"out\":\"a\\u0000b\"},{\"err\":\"\\u00e9\\n\"},{\"exit\":3}]");
    assert_int_equal(s->processes[0].steps_len, strlen(s->processes[0].steps));
    scenario_unref(s);
}

static void another_command_can_run_instead(void **state)
{
    (void) state;
    struct scenario *s =
        parse(RULE("\"processes\":[{\"when\":{\"command\":\"a\"},\"run\":{\"command\":\"echo b | cat\"}}]"));
    assert_int_equal(s->processes[0].run, RUN_COMMAND);
    assert_string_equal(s->processes[0].command, "echo b | cat");
    scenario_unref(s);
}

static void every_condition_is_kept(void **state)
{
    (void) state;
    struct scenario *s = parse(RULE(
        "\"faults\":[{\"when\":{\"op\":[\"file.*\",\"process.get\"],\"dialect\":[\"modal\",\"coreweave\"],"
        "\"command\":[\"a\",\"b*\",{\"regex\":\"^c\"}],\"argv0\":\"d\",\"cwd\":\"/e/*\",\"env\":{\"F\":null,\"G\":[\"1\",null]},"
        "\"sandbox\":\"h\",\"lane\":[\"i\"],\"nth\":[5,{\"from\":7},2]},\"fault\":\"stall\"}]"));
    const struct when *w = &s->faults[0].when;
    assert_int_equal(w->has, (1u << WHEN_KEYS) - 1);
    assert_true((w->ops & OP_BIT(OP_FILE_CHMOD)) != 0 && (w->ops & OP_BIT(OP_PROCESS_GET)) != 0);
    assert_true((w->ops & OP_BIT(OP_PROCESS_KILL)) == 0);
    assert_int_equal(w->dialects, DIALECT_BIT(DIALECT_MODAL) | DIALECT_BIT(DIALECT_COREWEAVE));
    assert_int_equal(w->text[WHEN_COMMAND].count, 3);
    assert_int_equal(w->text[WHEN_COMMAND].list[0].kind, PATTERN_EXACT);
    assert_int_equal(w->text[WHEN_COMMAND].list[1].kind, PATTERN_GLOB);
    assert_int_equal(w->text[WHEN_COMMAND].list[2].kind, PATTERN_ERE);
    assert_int_equal(w->env_count, 2);
    assert_int_equal(w->env[0].values.list[0].kind, PATTERN_ABSENT);
    assert_int_equal(w->nth_count, 3);
    assert_int_equal(w->nth[0].to, 2);
    assert_true(w->nth[2].from == 7 && w->nth[2].to == UINT64_MAX);
    assert_int_equal(s->faults[0].planned, 1);
    scenario_unref(s);
}

static void every_fault_can_be_named_with_its_parameters(void **state)
{
    (void) state;
    for (size_t kind = FAULT_REPLY + 1; kind < FAULT_KINDS; kind++) {
        const struct fault_info *info = fault_info_of((enum fault_kind) kind);
        BUF_AUTO text = BUF_INIT;
        buf_printf(&text,
                   "{\"standbox\":1,\"name\":\"x\",\"why\":\"y\",\"faults\":[{\"when\":{},\"fault\":{\"kind\":\"%s\"",
                   info->name);
        for (size_t i = 0; i < FAULT_MAX_PARAMS && info->params[i].name != NULL; i++) {
            const struct fault_param *p = &info->params[i];
            buf_printf(&text, ",\"%s\":", p->name);
            if (p->type == PARAM_INT)
                buf_printf(&text, "%lld", (long long) p->max);
            else if (p->type == PARAM_BOOL)
                buf_str(&text, "true");
            else if (p->type == PARAM_TEXT)
                buf_printf(&text, "\"the %s\"", p->name);
            else
                buf_printf(&text, "\"%s\"", p->words->list[p->words->count - 1].name);
        }
        buf_str(&text, "}}]}");
        struct scenario *s = parse(buf_cstr(&text));
        assert_int_equal(s->faults[0].fault.kind, kind);
        for (size_t i = 0; i < FAULT_MAX_PARAMS && info->params[i].name != NULL; i++) {
            const struct fault_param *p = &info->params[i];
            char wanted[100], *given;
            if (p->type == PARAM_TEXT) {
                memcpy(&given, (const char *) &s->faults[0].fault + p->offset, sizeof given);
                snprintf(wanted, sizeof wanted, "the %s", p->name);
                assert_string_equal(given, wanted);
                continue;
            }
            int64_t got, want = p->type == PARAM_INT    ? p->max
                                : p->type == PARAM_BOOL ? 1
                                                        : p->words->list[p->words->count - 1].value;
            memcpy(&got, (const char *) &s->faults[0].fault + p->offset, sizeof got);
            assert_int_equal(got, want);
        }
        scenario_unref(s);
    }
}

static void parameters_have_defaults(void **state)
{
    (void) state;
    struct scenario *s = parse(
        RULE("\"faults\":[{\"when\":{\"nth\":1},\"fault\":\"split\"},{\"when\":{\"nth\":2},\"fault\":\"reorder\"},"
             "{\"when\":{\"nth\":3},\"fault\":\"RANDOM_DATA_THEN_CLOSE\",\"times\":1}]"));
    assert_int_equal(s->faults[0].fault.bytes, 1);
    assert_int_equal(s->faults[1].fault.span, 2);
    assert_int_equal(s->faults[2].fault.bytes, 256);
    scenario_unref(s);
}

static void put_value(struct buf *out, const struct fault_param *p)
{
    if (p->words != NULL)
        buf_printf(out, ",\"%s\":\"%s\"", p->name, p->words->list[0].name);
    else
        buf_printf(out, ",\"%s\":9", p->name);
}

/* The table of triggers, each pair: taken or refused as the table says. */
static void each_kind_takes_its_triggers_and_no_others(void **state)
{
    (void) state;
    static const char *const values[TRIGGERS] = { "5", "5", "\"exited\"", "0.5" };
    for (size_t kind = FAULT_REPLY + 1; kind < FAULT_KINDS; kind++) {
        const struct fault_info *info = fault_info_of((enum fault_kind) kind);
        for (size_t t = 0; t < TRIGGERS; t++) {
            BUF_AUTO text = BUF_INIT;
            struct scenario *s = NULL;
            struct err err = ERR_INIT;
            buf_printf(
                &text,
                "{\"standbox\":1,\"name\":\"x\",\"why\":\"y\",\"faults\":[{\"when\":{},\"at\":{\"%s\":%s},\"fault\":{\"kind\":\"%s\"",
                fault_trigger_name((enum fault_trigger) t), values[t], info->name);
            for (size_t i = 0; i < FAULT_MAX_PARAMS && info->params[i].name != NULL; i++) {
                if (info->params[i].required)
                    put_value(&text, &info->params[i]);
            }
            buf_str(&text, "}}]}");
            int rc = scenario_parse(&s, "f", buf_cstr(&text), text.len, &err);
            bool fits = (info->triggers & TRIGGER_BIT(t)) != 0;
            if ((rc == 0) != fits)
                fail_msg("%s: %s", text.data, err.text);
            assert_true(fits || strstr(err.text, "makes no sense with") != NULL);
            scenario_unref(s);
        }
    }
}

static void a_reply_carries_status_details_and_headers(void **state)
{
    (void) state;
    struct scenario *s = parse(RULE(
        "\"faults\":[{\"when\":{\"nth\":1},\"reply\":{\"status\":\"RESOURCE_EXHAUSTED\",\"message\":\"slow down\",\"code\":\"QUOTA\","
        "\"details\":[{\"a\":1.5}],\"retry_after_s\":0}},"
        "{\"when\":{},\"reply\":{\"status\":502,\"body\":\"<html>\\u0000\",\"content_type\":\"text/html\",\"headers\":{\"X-A\":\"b\"}}}]"));
    const struct reply *first = s->faults[0].fault.reply, *second = s->faults[1].fault.reply;
    assert_true(first->says_grpc);
    assert_int_equal(first->grpc_status, 8);
    assert_int_equal(first->http_status, 429);
    assert_string_equal(first->details, "[{\"a\":1.5}]");
    assert_int_equal(first->retry_after_ms, 0);
    assert_int_equal(second->body_len, 7);
    assert_memory_equal(second->body, "<html>\0", 7);
    assert_string_equal(second->headers[0].value, "b");
    assert_int_equal(second->retry_after_ms, -1);
    scenario_unref(s);
}

/* ---- the puppet's own check ----------------------------------------------------------- */

static int refuse_second_step(const struct cJSON *steps, struct err *err)
{
    return cJSON_GetArraySize(steps) > 1 ? err_set(err, ERR_INVALID, 0, "/1/out: must be a string") : 0;
}

static int refuse_as_a_whole(const struct cJSON *steps, struct err *err)
{
    (void) steps;
    return err_set(err, ERR_INVALID, 0, "no end in sight");
}

static void settings_become_assignments_in_the_files_order(void **state)
{
    (void) state;
    struct scenario *s = parse(RULE("\"settings\":{\"modal\":{\"b\":-5,\"a\":\"x=y \"},\"coreweave\":{}}"));
    assert_int_equal(s->setting_count, 2);
    assert_int_equal(s->settings[0].dialect, DIALECT_MODAL);
    assert_int_equal(s->settings[0].count, 2);
    assert_string_equal(s->settings[0].assignments[0], "b=-5");
    assert_string_equal(s->settings[0].assignments[1], "a=x=y ");
    assert_int_equal(s->settings[1].dialect, DIALECT_COREWEAVE);
    assert_int_equal(s->settings[1].count, 0);
    scenario_unref(s);
}

static void a_bad_step_is_shown_in_its_place(void **state)
{
    (void) state;
    static const char *const text =
        RULE("\"processes\":[{\"when\":{},\"run\":{\"puppet\":[\n {\"exit\":0},\n {\"out\": 5}]}}]");
    struct scenario_hooks hooks = { .check_steps = refuse_second_step };
    struct scenario *s = NULL;
    struct err err = ERR_INIT;
    assert_int_equal(scenario_parse_with(&s, &hooks, "f", text, strlen(text), &err), -1);
    assert_string_equal(err.text, "f:4:10: /processes/0/run/puppet/1/out: must be a string");
    hooks.check_steps = refuse_as_a_whole;
    assert_int_equal(scenario_parse_with(&s, &hooks, "f", text, strlen(text), &err), -1);
    assert_string_equal(err.text, "f:2:41: /processes/0/run/puppet: no end in sight");
}

static void a_pointer_leads_to_its_place_in_the_text(void **state)
{
    (void) state;
    static const char text[] = "/* é */ {\n  \"a~/\": [ 1, {\"b\": [true, null]}, \"x\" ], // c\n\t\"\": \"y\" }";
    static const struct {
        const char *pointer;
        size_t line, column;
    } rows[] = { { "", 1, 9 },
                 { "/a~0~1", 2, 10 },
                 { "/a~0~1/0", 2, 12 },
                 { "/a~0~1/1", 2, 15 },
                 { "/a~0~1/1/b", 2, 21 },
                 { "/a~0~1/1/b/1", 2, 28 },
                 { "/a~0~1/2", 2, 36 },
                 { "/", 3, 6 } };
    struct jsonc doc;
    struct err err = ERR_INIT;
    assert_int_equal(jsonc_open(&doc, "f", text, strlen(text), &err), 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct jsonc_place place = { 0, 0 };
        const struct cJSON *node = jsonc_resolve(doc.root, rows[i].pointer, strlen(rows[i].pointer));
        assert_non_null(node);
        assert_true(jsonc_locate(&doc, node, JSONC_VALUE, &place));
        assert_int_equal(place.line, rows[i].line);
        assert_int_equal(place.column, rows[i].column);
    }
    assert_null(jsonc_resolve(doc.root, "/a~0~1/3", 8));
    assert_null(jsonc_resolve(doc.root, "a", 1));
    jsonc_close(&doc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_example_of_the_design_is_read_whole),
        cmocka_unit_test(comments_may_stand_in_every_place),
        cmocka_unit_test(the_least_scenario_does_nothing),
        cmocka_unit_test(the_short_run_becomes_puppet_steps),
        cmocka_unit_test(another_command_can_run_instead),
        cmocka_unit_test(every_condition_is_kept),
        cmocka_unit_test(every_fault_can_be_named_with_its_parameters),
        cmocka_unit_test(parameters_have_defaults),
        cmocka_unit_test(each_kind_takes_its_triggers_and_no_others),
        cmocka_unit_test(a_reply_carries_status_details_and_headers),
        cmocka_unit_test(settings_become_assignments_in_the_files_order),
        cmocka_unit_test(a_bad_step_is_shown_in_its_place),
        cmocka_unit_test(a_pointer_leads_to_its_place_in_the_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
