/* Cases are read, completed and explained. */
#include "tests/support/judge_kit.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "judge/case.h"

static const struct case_def *only(const struct case_list *list)
{
    assert_int_equal(list->count, 1);
    return list->cases[0];
}

static void has_needs(const struct case_def *def, const char *wanted)
{
    BUF_AUTO needs = BUF_INIT;
    for (size_t i = 0; i < def->need_count; i++)
        buf_printf(&needs, "%s%s", i == 0 ? "" : " ", def->needs[i]);
    assert_string_equal(buf_cstr(&needs), wanted);
}

/* Needs of a case of these steps. */
static void steps_need(const struct kit_folder *folder, const char *steps, const char *wanted)
{
    BUF_AUTO text = BUF_INIT;
    buf_printf(&text, "{'id': 'c', %s, %s, 'bare': true, 'steps': [%s]}", KIT_HEAD, KIT_WITNESS, steps);
    LIST_AUTO *list = kit_load(folder, text.data);
    has_needs(only(list), wanted);
}

/* ---- what is read -------------------------------------------------------------------------- */

static void a_short_case_has_the_usual_rest(void **state)
{
    LIST_AUTO *list = kit_load(*state, KIT_CASE("exit-code", ""));
    const struct case_def *def = only(list);
    assert_string_equal(def->id, "acme/exec/exit-code");
    assert_string_equal(def->vendor, "acme");
    assert_string_equal(def->area, "exec");
    assert_string_equal(def->requirement, "It works.");
    assert_string_equal(def->tag, "documented");
    assert_int_equal(def->severity, CASE_MUST);
    assert_int_equal(def->deadline_ms, CASE_DEADLINE_MS);
    assert_int_equal(def->line, 2);
    assert_int_equal(cJSON_GetArraySize(def->sources), 1);
    assert_null(def->scenario);
    assert_null(def->client);
    assert_null(def->wire);
    assert_null(def->journal);
    assert_null(def->kills_none);
    assert_false(def->is_portable);
    has_needs(def, "exec sandbox.create");
}

static void a_full_case_has_all_of_it(void **state)
{
    LIST_AUTO *list = kit_load(
        *state, KIT_CASE("c", ", 'severity': 'SHOULD', 'needs': ['protocol-a'], 'bug': ['a/b#1'], 'deadline_ms': 2000,"
                              "'client': {'timeout_ms': 100, 'runtime_proxy': true}, 'kills_none': 'no way',"
                              "'before': [{'clock': {'freeze': true}}], 'journal': ['duplicate-starts'],"
                              "'meanwhile': [{'await_fact': {'fact': 'started'}}, {'clock': {'advance_ms': 5}}],"
                              "'wire': [{'what': 'w', 'entry': {'type': 'request'}, 'count': 1}]"));
    const struct case_def *def = only(list);
    assert_int_equal(def->severity, CASE_SHOULD);
    assert_int_equal(def->deadline_ms, 2000);
    assert_int_equal(cJSON_GetArraySize(def->before), 1);
    assert_int_equal(cJSON_GetArraySize(def->meanwhile), 2);
    assert_int_equal(cJSON_GetArraySize(def->journal), 1);
    assert_int_equal(cJSON_GetArraySize(def->wire), 1);
    assert_int_equal(cJSON_GetArraySize(def->bugs), 1);
    assert_string_equal(def->kills_none, "no way");
    has_needs(def, "client.runtime_proxy client.timeout_ms exec protocol-a sandbox.create");
}

static void every_client_can_be_told_where_the_server_is(void **state)
{
    LIST_AUTO *list = kit_load(*state, KIT_CASE("c", ", 'portable': true, 'client': {'url': '${url}/'}"));
    assert_string_equal(kit_text(only(list)->client, "url"), "${url}/");
    has_needs(only(list), "exec sandbox.create");
}

static void the_box_is_made_first_unless_the_case_is_bare(void **state)
{
    LIST_AUTO *list = kit_load(*state, KIT_CASE("c", ""));
    const struct case_def *def = only(list);
    assert_int_equal(def->step_count, 2);
    assert_string_equal(def->step[0].name, "box");
    assert_string_equal(def->step[0].op, "sandbox.create");
    assert_string_equal(kit_text(def->step[0].input, "as"), "box");
    assert_string_equal(kit_text(def->step[0].input, "image"), "default");
    assert_null(def->step[0].expect);
    LIST_AUTO *bare = kit_load(*state, "{'id': 'c', " KIT_HEAD ", " KIT_WITNESS ", 'bare': true,"
                                       "'steps': [{'step': 's', 'op': 'sandbox.list'}]}");
    assert_int_equal(only(bare)->step_count, 1);
    has_needs(only(bare), "sandbox.list");
}

static void what_is_left_out_of_a_step_is_filled_in(void **state)
{
    LIST_AUTO *list =
        kit_load(*state, "{'id': 'c', " KIT_HEAD ", " KIT_WITNESS ", 'steps': ["
                         "{'step': 's', 'op': 'start', 'command': 'cat'},"
                         "{'step': 'g', 'op': 'get', 'from': 'p'},"
                         "{'step': 'w', 'op': 'wait', 'process': 'g', 'background': true},"
                         "{'step': 'k', 'op': 'kill'},"
                         "{'step': 'j', 'op': 'join', 'of': 'w', 'expect': {'value': {'exit_code': 0}}}]}");
    const struct case_def *def = only(list);
    assert_int_equal(def->step_count, 6);
    assert_string_equal(kit_text(def->step[1].input, "sandbox"), "box");
    assert_string_equal(kit_text(def->step[1].input, "as"), "p");
    assert_string_equal(kit_text(def->step[2].input, "as"), "g");
    assert_string_equal(kit_text(def->step[3].input, "process"), "g");
    assert_true(def->step[3].is_background);
    assert_string_equal(kit_text(def->step[4].input, "process"), "p");
    has_needs(def, "background get kill sandbox.create start wait");
}

static void long_data_is_written_out_for_the_adapter(void **state)
{
    LIST_AUTO *list =
        kit_load(*state, "{'id': 'c', " KIT_HEAD ", " KIT_WITNESS ", 'steps': ["
                         "{'step': 's', 'op': 'start', 'command': 'cat'},"
                         "{'step': 'w', 'op': 'write', 'data': {'of': 'ab', 'times': 3}}]}");
    assert_string_equal(kit_text(only(list)->step[2].input, "data"), "ababab");
    has_needs(only(list), "sandbox.create start write");
}

static void expectations_stay_with_us(void **state)
{
    LIST_AUTO *list = kit_load(*state, "{'id': 'c', " KIT_HEAD ", " KIT_WITNESS ", 'steps': ["
                                       "{'step': 'r', 'op': 'exec', 'command': 'x', 'expect': {'value': {'a': 1}}}]}");
    const struct case_def *def = only(list);
    assert_null(json_get(def->step[1].input, "expect"));
    assert_non_null(json_get(def->step[1].expect, "value"));
    assert_ptr_equal(cJSON_GetArrayItem(def->steps, 1), def->step[1].input);
}

/* ---- needs --------------------------------------------------------------------------------- */

#define BOX   "{'step': 'b', 'op': 'sandbox.create'}"
#define START BOX ", {'step': 's', 'op': 'start', 'command': 'cat'}"

static void needs_follow_from_operations_and_arguments(void **state)
{
    const struct kit_folder *folder = *state;
    steps_need(folder,
               BOX ", {'step': 'r', 'op': 'exec', 'command': 'x', 'args': [], 'cwd': '/', 'env': {'A': 'b'},"
                   "'timeout_ms': 1, 'timeout_s': 0.5, 'user': 'root', 'check': true}",
               "exec exec.args exec.check exec.cwd exec.env exec.timeout_ms exec.timeout_s exec.user sandbox.create");
    steps_need(folder, BOX ", {'step': 's', 'op': 'start', 'command': 'x', 'cwd': '/'}",
               "sandbox.create start start.cwd");
    steps_need(folder, START ", {'step': 'w', 'op': 'wait', 'timeout_ms': 1, 'timeout_s': 1}",
               "sandbox.create start wait wait.timeout_ms wait.timeout_s");
    steps_need(folder, START ", {'step': 'w', 'op': 'kill', 'timeout_ms': 1}",
               "kill kill.timeout_ms sandbox.create start");
    steps_need(folder, START ", {'step': 'w', 'op': 'write', 'data': 'x'}", "sandbox.create start write");
    steps_need(folder, START ", {'step': 'w', 'op': 'write', 'data': {'base64': 'AA=='}, 'eof': true}",
               "sandbox.create start write write.bytes write.eof");
    steps_need(folder, START ", {'step': 'w', 'op': 'stream', 'from_seq': 0, 'take': 2}",
               "sandbox.create start stream stream.from_seq");
    steps_need(folder,
               BOX ", {'step': 'l', 'op': 'list', 'limit': 1}, {'step': 'm', 'op': 'list', 'status': ['running'],"
                   "'cursor': {'step': 'l'}}",
               "list list.cursor list.limit list.status sandbox.create");
    steps_need(folder,
               "{'step': 'b', 'op': 'sandbox.create', 'as': 'b', 'command': 'x', 'args': [], 'tags': [],"
               "'max_lifetime_s': 1}, {'step': 'l', 'op': 'sandbox.list', 'tags': [], 'include_stopped': true},"
               "{'step': 's', 'op': 'sandbox.stop', 'sandbox': 'b', 'grace_s': 1, 'missing_ok': true}",
               "sandbox.create sandbox.create.args sandbox.create.command sandbox.create.max_lifetime_s "
               "sandbox.create.tags sandbox.list sandbox.list.include_stopped sandbox.list.tags sandbox.stop "
               "sandbox.stop.grace_s sandbox.stop.missing_ok");
    steps_need(folder,
               BOX ", {'step': 's', 'op': 'start', 'command': 'x', 'stdin': true, 'tty': true, 'check': true},"
                   "{'step': 'r', 'op': 'result', 'timeout_s': 1}, {'step': 'z', 'op': 'resize', 'width': 1, 'height': 1},"
                   "{'step': 'w', 'op': 'wait_many', 'processes': ['p', 'p'], 'num_returns': 1, 'timeout_s': 1},"
                   "{'step': 'f', 'op': 'file.write', 'path': '/x', 'data': {'base64': 'AA=='}}",
               "file.write resize result result.timeout_s sandbox.create start start.check start.stdin start.tty "
               "wait_many");
    steps_need(folder, START ", {'step': 'w', 'op': 'wait_log', 'pattern': 'x', 'timeout_ms': 5}",
               "sandbox.create start wait_log");
}

static void stated_needs_are_added_each_once(void **state)
{
    LIST_AUTO *list =
        kit_load(*state, KIT_CASE("c", ", 'needs': ['poll', 'exec', 'exec.cwd', 'async', 'sandbox.stop']"));
    has_needs(only(list), "async exec exec.cwd poll sandbox.create sandbox.stop");
}

static void a_need_that_is_not_declared_is_found(void **state)
{
    LIST_AUTO *list = kit_load(*state, KIT_CASE("c", ", 'needs': ['protocol-b']"));
    JSON_AUTO *all = kit_json("['exec', 'sandbox.create', 'protocol-b', 'more', 7]");
    JSON_AUTO *some = kit_json("['exec', 'exec.cwd', 'protocol-b']");
    assert_null(case_missing_need(only(list), all));
    assert_string_equal(case_missing_need(only(list), some), "sandbox.create");
    assert_string_equal(case_missing_need(only(list), NULL), "exec");
}

/* ---- scenarios ----------------------------------------------------------------------------- */

static void a_scenario_in_a_case_borrows_its_name_and_reason(void **state)
{
    LIST_AUTO *list = kit_load(*state, KIT_CASE("c", ", 'scenario': {'standbox': 1, 'faults': []}"));
    JSON_AUTO *scenario = kit_json(only(list)->scenario);
    assert_string_equal(kit_text(scenario, "name"), "c");
    assert_string_equal(kit_text(scenario, "why"), "It works.");
    assert_string_equal(only(list)->scenario_name, "acme/exec/c");
    LIST_AUTO *named = kit_load(*state, KIT_CASE("c", ", 'scenario': {'standbox': 1, 'name': 'n', 'why': 'w'}"));
    JSON_AUTO *own = kit_json(only(named)->scenario);
    assert_string_equal(kit_text(own, "name"), "n");
    assert_string_equal(kit_text(own, "why"), "w");
}

static void a_scenario_file_is_taken_as_it_is(void **state)
{
    static const char text[] = "// why\n{ \"standbox\": 1 }\n";
    kit_write(*state, "scenarios/start/lost.json", text, strlen(text));
    LIST_AUTO *list = kit_load(*state, KIT_CASE("c", ", 'scenario_file': 'start/lost.json'"));
    assert_string_equal(only(list)->scenario, text);
    assert_string_equal(only(list)->scenario_name, "start/lost.json");
}

/* ---- lists --------------------------------------------------------------------------------- */

static void cases_are_found_by_id_and_by_alias(void **state)
{
    LIST_AUTO *list =
        kit_load(*state, KIT_CASE("a", "") ",\n" KIT_CASE("b", ", 'aliases': ['old', 'acme/start/older']"));
    assert_int_equal(list->count, 2);
    assert_string_equal(case_list_find(list, "acme/exec/a")->id, "acme/exec/a");
    assert_string_equal(case_list_find(list, "acme/exec/old")->id, "acme/exec/b");
    assert_string_equal(case_list_find(list, "acme/start/older")->id, "acme/exec/b");
    assert_null(case_list_find(list, "acme/exec/c"));
    assert_null(case_list_find(list, "old"));
}

static void files_come_by_name_and_only_case_files_count(void **state)
{
    const struct kit_folder *folder = *state;
    char *text =
        kit_quotes("{'standbox_cases': 1, 'vendor': 'acme', 'area': 'auth', 'cases': [" KIT_CASE("z", "") "]}");
    kit_write(folder, "cases/acme/auth.json", text, strlen(text));
    kit_write(folder, "cases/acme/notes.md", "#", 1);
    kit_write(folder, "cases/acme/.auth.json", "#", 1);
    free(text);
    LIST_AUTO *list = kit_load(folder, KIT_CASE("a", "") ",\n" KIT_CASE("b", ""));
    assert_int_equal(list->count, 3);
    assert_string_equal(list->cases[0]->id, "acme/auth/z");
    assert_string_equal(list->cases[1]->id, "acme/exec/a");
    assert_string_equal(list->cases[2]->id, "acme/exec/b");
    assert_int_equal(list->cases[2]->line, 3);
}

static void no_folder_and_no_files_are_told_apart(void **state)
{
    const struct kit_folder *folder = *state;
    struct err err = ERR_INIT;
    assert_null(case_list_load(folder->path, "other", &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    kit_has(err.text, "/cases/other");
    assert_null(case_list_load(folder->path, "acme", &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    kit_has(err.text, "no case files");
    assert_null(case_list_load(folder->path, "../acme", &err));
    assert_int_equal(err.code, ERR_INVALID);
}

static void nothing_to_free_is_fine(void **state)
{
    (void) state;
    case_list_free(NULL);
}

/* ---- explaining ---------------------------------------------------------------------------- */

static void an_explanation_says_all_there_is(void **state)
{
    LIST_AUTO *list = kit_load(
        *state, "{'id': 'c', " KIT_HEAD ", " KIT_WITNESS ", 'severity': 'SHOULD', 'bug': ['a/b#1'], 'aliases': ['old'],"
                "'client': {'timeout_ms': 100}, 'scenario': {'standbox': 1}, 'journal': ['retries'],"
                "'meanwhile': [{'await_fact': {'fact': 'started'}}], 'kills_none': 'no way',"
                "'wire': [{'what': 'once', 'entry': {'op': 'process.exec'}, 'count': {'$lte': 1}},"
                "         {'what': 'first a', 'order': [{'op': 'a'}, {'op': 'b'}]}],"
                "'steps': [{'step': 'r', 'op': 'exec', 'command': 'exit 7', 'expect': {'value': {'exit_code': 7}}}]}");
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    case_explain(only(list), out);
    assert_int_equal(fclose(out), 0);
    static const char *const parts[] = {
        "acme/exec/c\n",
        "It works.",
        "SHOULD, documented",
        "docs",
        "a/b#1",
        "acme/exec/old",
        "client.timeout_ms",
        "exec.json:2",
        "no way",
        "timeout_ms",
        "within 10000 ms",
        "r: exec command: \"exit 7\"",
        "expected: value {exit_code: 7}, no error",
        "await_fact",
        "once",
        "at most 1",
        "first a",
        "{op: \"a\"}, then {op",
        "it ran",
        "fact: \"started\"",
        "retries",
        "--vendor acme --run 'acme/exec/c'",
    };
    for (size_t i = 0; i < COUNT(parts); i++)
        kit_has(text, parts[i]);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(a_short_case_has_the_usual_rest),
        WITH_FOLDER(a_full_case_has_all_of_it),
        WITH_FOLDER(every_client_can_be_told_where_the_server_is),
        WITH_FOLDER(the_box_is_made_first_unless_the_case_is_bare),
        WITH_FOLDER(what_is_left_out_of_a_step_is_filled_in),
        WITH_FOLDER(long_data_is_written_out_for_the_adapter),
        WITH_FOLDER(expectations_stay_with_us),
        WITH_FOLDER(needs_follow_from_operations_and_arguments),
        WITH_FOLDER(stated_needs_are_added_each_once),
        WITH_FOLDER(a_need_that_is_not_declared_is_found),
        WITH_FOLDER(a_scenario_in_a_case_borrows_its_name_and_reason),
        WITH_FOLDER(a_scenario_file_is_taken_as_it_is),
        WITH_FOLDER(cases_are_found_by_id_and_by_alias),
        WITH_FOLDER(files_come_by_name_and_only_case_files_count),
        WITH_FOLDER(no_folder_and_no_files_are_told_apart),
        cmocka_unit_test(nothing_to_free_is_fine),
        WITH_FOLDER(an_explanation_says_all_there_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
