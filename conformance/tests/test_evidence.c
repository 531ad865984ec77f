/* The ledger's lines as evidence: what is added to them, and checks on them. */
#include "tests/support/judge_kit.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "judge/evidence.h"

#define EVIDENCE_AUTO __attribute__((cleanup(free_evidence))) struct evidence

static void free_evidence(struct evidence **e)
{
    evidence_free(*e);
}

/* Lines as the server writes them, shortened. */
#define CREATE \
    "{'type':'request','lane':'c1','number':1,'time_ms':1795268124436,'end_ms':1795268124448,'request_id':'req_1'," \
    "'method':'POST','path':'/api/sandbox','query':'','headers':[{'name':'X-Api-Key','value':'[redacted]'}," \
    "{'name':'Accept','value':'a/b'},{'name':'accept','value':'c/d'}]," \
    "'body':{'bytes':18,'data':'{\\'imageName\\': \\'x\\'}','encoding':'utf-8','cut':false}," \
    "'dialect':'hyperbrowser','op':'sandbox.create','process':null,'fault':null," \
    "'answer':{'status':200,'content_type':'application/json','body':{'bytes':10,'data':'{\\'id\\':\\'s\\'}'," \
    "'encoding':'utf-8','cut':false}},'end':'complete'}\n"
#define LIST \
    "{'type':'request','number':2,'method':'GET','path':'/processes'," \
    "'query':'status=running&limit=2&limit=3&name=a%20b+c&flag&%zz=1&','headers':[]," \
    "'body':{'bytes':0,'data':'','encoding':'utf-8','cut':false},'op':'process.list','answer':null,'end':null}\n"
#define CUT \
    "{'type':'request','number':3,'method':'PUT','query':'','headers':[]," \
    "'body':{'bytes':90000,'data':'{}','encoding':'utf-8','cut':true},'op':'file.write'," \
    "'answer':{'status':502,'content_type':'text/html','body':{'bytes':6,'data':'<html>','encoding':'utf-8'," \
    "'cut':false}},'end':'complete'}\n"
#define STARTED "{'type':'fact','number':4,'process':'proc_1','command':'exit 3','seq':2,'fact':'started','pid':4}\n"
#define OUT \
    "{'type':'fact','number':5,'process':'proc_1','fact':'out','output':{'bytes':3,'data':'hi\\n','encoding':'utf-8'," \
    "'cut':false}}\n"
#define EXITED "{'type':'fact','number':6,'process':'proc_1','command':'exit 3','fact':'exited','exit_code':3}\n"
#define ALL    CREATE LIST CUT STARTED OUT EXITED

/* ' becomes ", \' an escaped ". */
static struct evidence *parse(const char *text)
{
    struct err err = ERR_INIT;
    char *quoted = kit_quotes(text);
    struct evidence *e = evidence_parse(quoted, strlen(quoted), &err);
    if (e == NULL)
        fail_msg("%s", err.text);
    free(quoted);
    return e;
}

#define GRPC \
    "{'type':'request','number':7,'op':'process.exec','query':'','headers':[],'grpc':{'status':'OK','messages':[" \
    "{'from':'client','message':{'init':{'command':['cat']}},'size':9},{'from':'server','message':{'ready':{}},'size':2}," \
    "{'from':'client','message':{'close':{}},'size':2},{'from':'client','end':true}]}}\n"
#define GRPC_OPEN \
    "{'type':'request','number':8,'op':'process.exec','query':'','headers':[],'sent':[1],'grpc':{'status':null," \
    "'messages':[]}}\n"

/* ---- what is added ------------------------------------------------------------------------- */

static void bodies_are_parsed_when_they_are_whole(void **state)
{
    (void) state;
    EVIDENCE_AUTO *e = parse(ALL);
    assert_int_equal(evidence_count(e), 6);
    const struct cJSON *create = evidence_entry(e, 0), *list = evidence_entry(e, 1), *cut = evidence_entry(e, 2);
    assert_string_equal(kit_text(json_get(create, "json"), "imageName"), "x");
    assert_string_equal(kit_text(json_get(create, "answer_json"), "id"), "s");
    assert_null(json_get(list, "json"));
    assert_null(json_get(list, "answer_json"));
    assert_null(json_get(cut, "json"));
    assert_null(json_get(cut, "answer_json"));
}

static void headers_are_named_in_lower_case_and_joined(void **state)
{
    (void) state;
    EVIDENCE_AUTO *e = parse(ALL);
    const struct cJSON *header = json_get(evidence_entry(e, 0), "header");
    assert_int_equal(cJSON_GetArraySize(header), 2);
    assert_string_equal(kit_text(header, "x-api-key"), "[redacted]");
    assert_string_equal(kit_text(header, "accept"), "a/b, c/d");
}

static void queries_are_taken_apart_and_decoded(void **state)
{
    (void) state;
    EVIDENCE_AUTO *e = parse(ALL);
    const struct cJSON *params = json_get(evidence_entry(e, 1), "params");
    assert_string_equal(kit_text(params, "status"), "running");
    assert_string_equal(kit_text(params, "limit"), "3");
    assert_string_equal(kit_text(params, "name"), "a b c");
    assert_string_equal(kit_text(params, "flag"), "");
    assert_string_equal(kit_text(params, "%zz"), "1");
    assert_int_equal(cJSON_GetArraySize(params), 5);
    assert_int_equal(cJSON_GetArraySize(json_get(evidence_entry(e, 0), "params")), 0);
}

static void messages_of_a_call_are_told_by_side(void **state)
{
    (void) state;
    EVIDENCE_AUTO *e = parse(GRPC GRPC_OPEN LIST);
    const struct cJSON *call = evidence_entry(e, 0), *open = evidence_entry(e, 1), *http = evidence_entry(e, 2);
    const struct cJSON *sent = json_get(call, "sent"), *received = json_get(call, "received");
    assert_int_equal(cJSON_GetArraySize(sent), 2);
    assert_non_null(json_get(json_get(cJSON_GetArrayItem(sent, 1), "message"), "close"));
    assert_int_equal(cJSON_GetArraySize(received), 1);
    assert_non_null(json_get(json_get(cJSON_GetArrayItem(received, 0), "message"), "ready"));
    assert_true(cJSON_IsTrue(json_get(call, "half_closed")));
    assert_int_equal(cJSON_GetArraySize(json_get(open, "sent")), 0);
    assert_true(cJSON_IsFalse(json_get(open, "half_closed")));
    assert_null(json_get(http, "sent"));
}

static void facts_stay_as_they_are(void **state)
{
    (void) state;
    EVIDENCE_AUTO *e = parse(STARTED);
    assert_null(json_get(evidence_entry(e, 0), "header"));
    assert_null(json_get(evidence_entry(e, 0), "params"));
}

static void a_line_cannot_bring_what_we_add(void **state)
{
    (void) state;
    EVIDENCE_AUTO *e = parse("{'type':'request','number':1,'json':{'forged':1},'header':{'forged':1}}\n");
    assert_null(json_get(evidence_entry(e, 0), "json"));
    assert_null(json_get(json_get(evidence_entry(e, 0), "header"), "forged"));
}

static void only_requests_count_as_requests(void **state)
{
    (void) state;
    EVIDENCE_AUTO *none = parse("");
    EVIDENCE_AUTO *facts = parse(STARTED EXITED);
    EVIDENCE_AUTO *all = parse(ALL);
    assert_false(evidence_has_request(none));
    assert_int_equal(evidence_count(none), 0);
    assert_false(evidence_has_request(facts));
    assert_true(evidence_has_request(all));
    evidence_free(NULL);
}

static void a_bad_line_is_named(void **state)
{
    (void) state;
    static const struct {
        const char *text, *complaint;
    } rows[] = {
        { "{\"type\":\"fact\"}\n{\n", "ledger line 2" },
        { "\n\n[1]\n", "ledger line 3 is no entry" },
        { "{\"kind\":\"fact\"}", "ledger line 1 is no entry" },
        { "<html>", "ledger line 1" },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct err err = ERR_INIT;
        assert_null(evidence_parse(rows[i].text, strlen(rows[i].text), &err));
        kit_has(err.text, rows[i].complaint);
    }
}

static void reports_show_the_lines_without_what_was_added_and_cut(void **state)
{
    (void) state;
    EVIDENCE_AUTO *e = parse(ALL);
    JSON_AUTO *report = evidence_report(e, 6);
    const struct cJSON *create = cJSON_GetArrayItem(report, 0);
    assert_int_equal(cJSON_GetArraySize(report), 6);
    assert_null(json_get(create, "json"));
    assert_null(json_get(create, "answer_json"));
    assert_null(json_get(create, "header"));
    assert_null(json_get(create, "params"));
    assert_non_null(json_get(create, "headers"));
    assert_string_equal(kit_text(create, "path"), "/api/s... [12 bytes]");
    assert_non_null(json_get(evidence_entry(e, 0), "json"));
}

static void bytes_are_cut_where_they_can_be_read_again(void **state)
{
    (void) state;
    EVIDENCE_AUTO *e =
        parse("{'type':'fact','number':1,'fact':'out',"
              "'output':{'bytes':9,'data':'AAECAwQFBgcI','encoding':'base64','cut':false}}\n"
              "{'type':'fact','number':2,'fact':'out',"
              "'output':{'bytes':9,'data':'hello\\u0000xyz','encoding':'utf-8','cut':false}}\n"
              "{'type':'fact','number':3,'fact':'stdin',"
              "'input':{'bytes':4,'data':'h\xC3\xA9\xC3\xA9\xC3\xA9','encoding':'utf-8','cut':false}}\n");
    JSON_AUTO *report = evidence_report(e, 6);
    const struct cJSON *output = json_get(cJSON_GetArrayItem(report, 0), "output");
    const struct cJSON *input = json_get(cJSON_GetArrayItem(report, 2), "input");
    assert_string_equal(kit_text(json_get(cJSON_GetArrayItem(report, 1), "output"), "data"), "hello");
    assert_string_equal(kit_text(output, "data"), "AAEC");
    assert_true(cJSON_IsTrue(json_get(output, "cut")));
    assert_string_equal(kit_text(input, "data"), "h\xC3\xA9\xC3\xA9");
    assert_true(cJSON_IsTrue(json_get(input, "cut")));
    assert_true(cJSON_IsFalse(json_get(json_get(evidence_entry(e, 0), "output"), "cut")));
}

/* ---- checks -------------------------------------------------------------------------------- */

/* `seen`: how its text begins. */
static void checked(const char *check, bool ok, const char *expected, const char *seen)
{
    EVIDENCE_AUTO *e = parse(ALL);
    JSON_AUTO *json = kit_json(check);
    JSON_AUTO *outcomes = kit_json("[{'step': 'r', 'value': {'id': 'proc_1'}}]");
    struct check_result result = CHECK_RESULT_INIT;
    evidence_check(e, json, outcomes, &result);
    if (result.ok != ok)
        fail_msg("%s: %s", check, buf_cstr(&result.seen));
    assert_string_equal(buf_cstr(&result.expected), expected);
    if (strncmp(buf_cstr(&result.seen), seen, strlen(seen)) != 0)
        fail_msg("%s:\n  wanted \"%s\"\n  got    \"%s\"", check, seen, buf_cstr(&result.seen));
    check_result_fini(&result);
}

static void entries_are_counted(void **state)
{
    (void) state;
    checked("{'entry': {'type': 'request'}}", true, "at least 1", "3");
    checked("{'entry': {'type': 'request'}, 'count': 3}", true, "exactly 3", "3");
    checked("{'entry': {'type': 'request'}, 'count': 2}", false, "exactly 2", "3");
    checked("{'entry': {'type': 'request'}, 'count': {'$gte': 1, '$lte': 2}}", false, "at least 1 and at most 2", "3");
    checked("{'entry': {'op': 'process.kill'}, 'count': 0}", true, "none", "none of 6 entries");
    checked("{'entry': {'op': 'process.list'}, 'count': 0}", false, "none", "1");
    checked("{'entry': {'type': 'fact', 'process': {'$same': 'r.value.id'}}, 'count': 3}", true, "exactly 3", "3");
    checked("{'entry': {'fact': 'out', 'output': 'hi\\n'}}", true, "at least 1", "1");
    checked("{'entry': {'json': {'imageName': 'x'}}}", true, "at least 1", "1");
    checked("{'entry': {'params': {'limit': '3'}}}", true, "at least 1", "1");
    checked("{'entry': {'header': {'accept': {'$contains': 'c/d'}}}}", true, "at least 1", "1");
}

static void a_miss_names_the_nearest_entry_and_what_is_wrong_with_it(void **state)
{
    (void) state;
    checked("{'entry': {'type': 'fact', 'fact': 'exited', 'exit_code': 0}}", false, "at least 1",
            "none of 6 entries; nearest is entry 6: exit_code should be 0, is 3");
    checked("{'entry': {'type': 'request', 'op': 'process.list', 'params': {'limit': '5'}}}", false, "at least 1",
            "none of 6 entries; nearest is entry 2: params.limit should be \"5\", is \"3\"");
    checked("{'entry': {'type': 'chat', 'x': 1}}", false, "at least 1", "none of 6 entries");
    checked("{'entry': {'type': 'fact', 'process': 'proc_1'}, 'count': {'$gte': 4}}", false, "at least 4", "3");
}

static void too_many_need_no_nearest(void **state)
{
    (void) state;
    EVIDENCE_AUTO *e = parse(ALL);
    JSON_AUTO *check = kit_json("{'entry': {'type': 'request'}, 'count': 2}");
    struct check_result result = CHECK_RESULT_INIT;
    evidence_check(e, check, NULL, &result);
    assert_string_equal(buf_cstr(&result.seen), "3");
    check_result_fini(&result);
}

static void the_entries_that_count_are_named(void **state)
{
    (void) state;
    EVIDENCE_AUTO *e = parse(ALL);
    JSON_AUTO *check = kit_json("{'entry': {'type': 'fact'}}");
    struct check_result result = CHECK_RESULT_INIT;
    evidence_check(e, check, NULL, &result);
    assert_int_equal(result.entry_count, 3);
    assert_int_equal(result.entries[0], 4);
    assert_int_equal(result.entries[2], 6);
    check_result_fini(&result);
}

static void an_order_is_found_or_told_how_far_it_went(void **state)
{
    (void) state;
    checked("{'order': [{'op': 'sandbox.create'}, {'fact': 'started'}, {'fact': 'exited'}]}", true,
            "3 entries in this order", "3 of 3");
    checked("{'order': [{'type': 'fact'}, {'type': 'fact'}, {'type': 'fact'}]}", true, "3 entries in this order",
            "3 of 3");
    checked("{'order': [{'fact': 'exited'}, {'fact': 'started'}]}", false, "2 entries in this order",
            "1 of 2; there is none then like {fact: \"started\"}");
    checked("{'order': [{'type': 'fact'}, {'type': 'fact'}, {'type': 'fact'}, {'type': 'fact'}]}", false,
            "4 entries in this order", "3 of 4; there is none then like");
    checked("{'order': [{'op': 'none'}, {'fact': 'out'}]}", false, "2 entries in this order",
            "0 of 2; there is none then like {op: \"none\"}; nearest is entry 1: op should be");
}

static void without_entries_nothing_is_there(void **state)
{
    (void) state;
    EVIDENCE_AUTO *e = parse("");
    JSON_AUTO *some = kit_json("{'entry': {}}");
    JSON_AUTO *none = kit_json("{'entry': {}, 'count': 0}");
    JSON_AUTO *order = kit_json("{'order': [{}, {}]}");
    struct check_result a = CHECK_RESULT_INIT, b = CHECK_RESULT_INIT, c = CHECK_RESULT_INIT;
    evidence_check(e, some, NULL, &a);
    evidence_check(e, none, NULL, &b);
    evidence_check(e, order, NULL, &c);
    assert_false(a.ok);
    assert_true(b.ok);
    assert_false(c.ok);
    check_result_fini(&a);
    check_result_fini(&b);
    check_result_fini(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_are_parsed_when_they_are_whole),
        cmocka_unit_test(headers_are_named_in_lower_case_and_joined),
        cmocka_unit_test(queries_are_taken_apart_and_decoded),
        cmocka_unit_test(messages_of_a_call_are_told_by_side),
        cmocka_unit_test(facts_stay_as_they_are),
        cmocka_unit_test(a_line_cannot_bring_what_we_add),
        cmocka_unit_test(only_requests_count_as_requests),
        cmocka_unit_test(a_bad_line_is_named),
        cmocka_unit_test(reports_show_the_lines_without_what_was_added_and_cut),
        cmocka_unit_test(bytes_are_cut_where_they_can_be_read_again),
        cmocka_unit_test(entries_are_counted),
        cmocka_unit_test(a_miss_names_the_nearest_entry_and_what_is_wrong_with_it),
        cmocka_unit_test(too_many_need_no_nearest),
        cmocka_unit_test(the_entries_that_count_are_named),
        cmocka_unit_test(an_order_is_found_or_told_how_far_it_went),
        cmocka_unit_test(without_entries_nothing_is_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
