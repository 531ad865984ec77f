/* A bad case file is refused as a whole, with the place and what to do. */
#include "tests/support/judge_kit.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "judge/case.h"

struct row {
    const char *cases, *complaint;
};

static void all_refused(void **state, const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        kit_refused(*state, rows[i].cases, rows[i].complaint);
}

/* ---- files --------------------------------------------------------------------------------- */

struct file_row {
    const char *text, *complaint;
};

static void files_that_are_none_are_refused(void **state)
{
    static const struct file_row rows[] = {
        { "", "exec.json:1:1: the text ends too early" },
        { "[]", "exec.json:1:1: /: a case file must be an object" },
        { "{", "exec.json:1:2: the text ends too early" },
        { "// only\n", "exec.json:2:1: the text ends too early" },
        { "/* never", "exec.json:1:1: a comment that never ends" },
        { "{} x", "exec.json:1:4: text behind the end" },
        { "{'standbox_cases': 2, 'vendor': 'acme', 'area': 'exec', 'cases': [1]}",
          ":1:20: /standbox_cases: must be 1" },
        { "{'standbox_cases': 1, 'area': 'exec', 'cases': [1]}", ":1:1: /: a case file needs \"vendor\"" },
        { "{'standbox_cases': 1, 'vendor': 'other', 'area': 'exec', 'cases': [1]}",
          "/vendor: the file is in the folder" },
        { "{'standbox_cases': 1, 'vendor': 'acme', 'area': 'stream', 'cases': [1]}",
          "/area: the file is named exec.json" },
        { "{'standbox_cases': 1, 'vendor': 'acme', 'area': 'exed', 'cases': [1]}",
          "/area: the file is named exec.json" },
        { "{'standbox_cases': 1, 'vendor': 'acme', 'area': 'Exec', 'cases': [1]}", "/area: an area is of a-z" },
        { "{'standbox_cases': 1, 'vendor': 'acme', 'area': 'exec', 'cases': []}",
          "/cases: must be a list that is not" },
        { "{'standbox_cases': 1, 'vendor': 'acme', 'area': 'exec', 'cases': [1]}", "/cases/0: must be an object" },
        { "{'standbox_cases': 1, 'vendor': 'acme', 'area': 'exec', 'casse': []}", "/casse: a case file has no member" },
        { "{'standbox_cases': 1, 'cases': [{'a': [{'b': 1, 'b': 2}]}]}", "/cases/0/a/0/b: this key stands here twice" },
        { "{'vendor': 'acme',\n\n  'vendor': 'acme'}", "exec.json:3:3: /vendor: this key stands here twice" },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct err err = ERR_INIT;
        char *text = kit_quotes(rows[i].text);
        kit_write(*state, "cases/acme/exec.json", text, strlen(text));
        free(text);
        struct case_list *list = case_list_load(((struct kit_folder *) *state)->path, "acme", &err);
        assert_null(list);
        kit_has(err.text, rows[i].complaint);
    }
}

static void bytes_that_are_no_text_are_refused(void **state)
{
    struct err err = ERR_INIT;
    kit_write(*state, "cases/acme/exec.json", "{\n \"a\": \"\xFF\"}", 12);
    assert_null(case_list_load(((struct kit_folder *) *state)->path, "acme", &err));
    kit_has(err.text, "exec.json:2:8: not UTF-8");
}

static void json_that_is_too_deep_is_refused(void **state)
{
    BUF_AUTO text = BUF_INIT;
    struct err err = ERR_INIT;
    for (int i = 0; i < 100000; i++)
        buf_char(&text, '[');
    kit_write(*state, "cases/acme/exec.json", text.data, text.len);
    assert_null(case_list_load(((struct kit_folder *) *state)->path, "acme", &err));
    kit_has(err.text, "nested too deep");
}

static void comments_are_only_comments_outside_of_texts(void **state)
{
    LIST_AUTO *list = kit_load(*state, "// one\n /* two\n */ {'id': 'c', // three\n" KIT_HEAD ", " KIT_WITNESS ","
                                       "'steps': [{'step': 'r', 'op': 'exec', 'command': 'echo // \\\\' /* no */}]}");
    assert_int_equal(list->cases[0]->line, 4);
    assert_string_equal(kit_text(list->cases[0]->step[1].input, "command"), "echo // \\");
}

/* ---- members of a case --------------------------------------------------------------------- */

static void cases_with_wrong_members_are_refused(void **state)
{
    static const struct row rows[] = {
        { "{'id': 'c'}", "exec.json:2:1: /cases/0: a case needs \"requirement\"" },
        { "{'id': 'c', 'requirement': 'x', 'source': ['x'], 'tag': 'observed', " KIT_STEPS "}", "needs \"witness\"" },
        { KIT_CASE("c", ", 'witnesses': []"), ":2:220: /cases/0/witnesses: a case has no member \"witnesses\"" },
        { KIT_CASE("Exit", ""), "/cases/0/id: an id is of a-z" },
        { KIT_CASE("a--b", ""), "/cases/0/id: an id is of a-z" },
        { KIT_CASE("-a", ""), "/cases/0/id: an id is of a-z" },
        { KIT_CASE("c", ", 'severity': 'MAY'"), "/severity: must be \"MUST\" or \"SHOULD\"" },
        { KIT_CASE("c", ", 'needs': ['exec.colour']"), "/needs/0: there is no capability \"exec.colour\"" },
        { KIT_CASE("c", ", 'needs': ['join']"), "/needs/0: there is no capability \"join\"" },
        { KIT_CASE("c", ", 'needs': []"), "/needs: must be a list of texts, one at least" },
        { KIT_CASE("c", ", 'bug': 'a/b#1'"), "/bug: must be a list of texts" },
        { KIT_CASE("c", ", 'deadline_ms': 0"), "/deadline_ms: must be a whole number from 1" },
        { KIT_CASE("c", ", 'deadline_ms': 600001"), "/deadline_ms: from 1 to 600000" },
        { KIT_CASE("c", ", 'client': {'api_key': 'x'}"), "/client/api_key: client has no member" },
        { KIT_CASE("c", ", 'client': {'timeout_ms': 0.5}"), "/client/timeout_ms: must be a whole number" },
        { KIT_CASE("c", ", 'client': {'runtime_proxy': false}"), "/client/runtime_proxy: must be true" },
        { KIT_CASE("c", ", 'client': {'url': 'http://127.0.0.1:1'}"), "/client/url: must be a text with ${url} or ${host}" },
        { KIT_CASE("c", ", 'client': {'url': true}"), "/client/url: must be a text with ${url} or ${host}" },
        { KIT_CASE("c", ", 'client': {'url_suffix': '/'}"), "/client/url_suffix: client has no member" },
        { KIT_CASE("c", ", 'aliases': ['a/b']"), "/aliases/0: an alias is an id" },
        { KIT_CASE("c", ", 'aliases': ['a/b/']"), "/aliases/0: an alias is an id" },
        { KIT_CASE("c", ", 'aliases': ['/b/c']"), "/aliases/0: an alias is an id" },
        { KIT_CASE("c", ", 'aliases': ['a//c']"), "/aliases/0: an alias is an id" },
        { KIT_CASE("c", ", 'aliases': ['A']"), "/aliases/0: an alias is an id" },
        { KIT_CASE("c", ", 'journal': ['duplicates']"), "/journal/0: the server's verdict has no check" },
        { KIT_CASE("c", ", 'bare': 1"), "/bare: must be true or false" },
        { KIT_CASE("c", ", 'kills_none': ''"), "/kills_none: must be a text that is not empty" },
        { KIT_CASE("c", ", 'scenario': {}, 'scenario_file': 'x'"), "/scenario_file: a case has a scenario or" },
        { KIT_CASE("c", ", 'scenario_file': 'start/none.json'"), "/scenario_file: " },
        { KIT_CASE("c", ", 'scenario_file': '../cases/acme/exec.json'"), "/scenario_file: a path below" },
        { KIT_CASE("c", ", 'scenario_file': '/etc/passwd'"), "/scenario_file: a path below" },
    };
    all_refused(state, rows, COUNT(rows));
}

static void a_broken_scenario_file_is_refused_with_its_own_place(void **state)
{
    kit_write(*state, "scenarios/start/bad.json", "{\n 1", 4);
    kit_refused(*state, KIT_CASE("c", ", 'scenario_file': 'start/bad.json'"), "start/bad.json:2:2: a member name");
}

static void portable_cases_ask_nothing_of_our_server(void **state)
{
    static const struct row rows[] = {
        { KIT_CASE("c", ", 'portable': true, 'scenario': {}"), "/portable: a case with \"scenario\" needs our own" },
        { KIT_CASE("c", ", 'portable': true, 'scenario_file': 'x'"), "/scenario_file: " },
        { KIT_CASE("c", ", 'portable': true, 'before': [{'clock': {'run': true}}]"), "with \"before\"" },
        { KIT_CASE("c", ", 'portable': true, 'meanwhile': [{'clock': {'run': true}}]"), "with \"meanwhile\"" },
        { KIT_CASE("c", ", 'portable': true, 'client': {'runtime_proxy': true}"), "client.runtime_proxy" },
    };
    all_refused(state, rows, COUNT(rows));
    LIST_AUTO *list = kit_load(*state, KIT_CASE("c", ", 'portable': true, 'client': {'timeout_ms': 5}"));
    assert_true(list->cases[0]->is_portable);
}

static void ids_and_aliases_are_unique_in_all_files(void **state)
{
    static const struct row rows[] = {
        { KIT_CASE("a", "") ",\n" KIT_CASE("a", ""),
          "exec.json:3:1: the id acme/exec/a (or alias) is taken by the case at" },
        { KIT_CASE("a", "") ",\n" KIT_CASE("b", ", 'aliases': ['a']"), "acme/exec/a (or alias) is taken" },
        { KIT_CASE("a", ", 'aliases': ['x', 'x']"), "acme/exec/x (or alias) is taken" },
    };
    all_refused(state, rows, COUNT(rows));
}

/* ---- steps --------------------------------------------------------------------------------- */

#define STEPS(list) "{'id': 'c', " KIT_HEAD ", " KIT_WITNESS ",\n'steps': [" list "]}"
#define EXEC        "{'step': 'r', 'op': 'exec', 'command': 'x'}"
#define START       "{'step': 's', 'op': 'start', 'command': 'x'}"

static void wrong_steps_are_refused(void **state)
{
    static const struct row rows[] = {
        { STEPS("7"), "exec.json:3:11: /cases/0/steps/0: must be an object" },
        { STEPS(""), "/steps: must be a list that is not empty" },
        { STEPS("{'op': 'exec'}"), "/steps/0: a step needs a name" },
        { STEPS("{'step': 'a.b', 'op': 'exec'}"), "/steps/0/step: a step needs a name" },
        { STEPS("{'step': 'r'}"), "/steps/0: a step needs an operation" },
        { STEPS("{'step': 'r', 'op': 'run'}"), "/steps/0/op: there is no operation \"run\"" },
        { STEPS(EXEC ", " EXEC), "/steps/1/step: two steps are named \"r\"" },
        { STEPS("{'step': 'box', 'op': 'exec', 'command': 'x'}"), "two steps are named \"box\"" },
        { STEPS("{'step': 'r', 'op': 'exec'}"), "/steps/0: exec needs \"command\"" },
        { STEPS("{'step': 'r', 'op': 'exec', 'command': 7}"), "/steps/0/command: must be a text" },
        { STEPS("{'step': 'r', 'op': 'exec', 'command': 'x', 'signal': 'TERM'}"), "exec has no argument \"signal\"" },
        { STEPS("{'step': 'r', 'op': 'exec', 'command': 'x', 'env': {'A': 1}}"), "/env: must be an object of texts" },
        { STEPS("{'step': 'r', 'op': 'exec', 'command': 'x', 'timeout_ms': 1.5}"),
          "/timeout_ms: must be a whole number" },
        { STEPS("{'step': 'r', 'op': 'exec', 'command': 'x', 'timeout_ms': null}"),
          "/timeout_ms: must be a whole number" },
        { STEPS("{'step': 'r', 'op': 'exec', 'command': 'x', 'args': 'a'}"), "/args: must be a list of texts" },
        { STEPS("{'step': 'r', 'op': 'exec', 'command': 'x', 'check': 1}"), "/check: must be true or false" },
        { STEPS("{'step': 'r', 'op': 'exec', 'command': 'x', 'sandbox': 'b'}"), "makes the sandbox \"b\"" },
        { STEPS("{'step': 'w', 'op': 'wait'}"), "/steps/0: no step before this makes the process \"p\"" },
        { STEPS(START ", {'step': 'w', 'op': 'wait_many', 'processes': ['p', 'q']}"),
          "/steps/1/processes/1: no step before this makes the process \"q\"" },
        { STEPS("{'step': 'w', 'op': 'file.write', 'path': '/x', 'data': {'of': 'x', 'times': 16777217}}"),
          "/steps/0/data: must be a text, " },
        { STEPS("{'step': 'w', 'op': 'file.write', 'path': '/x', 'data': {'of': '', 'times': 3}}"),
          "/steps/0/data: must be a text, " },
        { STEPS("{'step': 'w', 'op': 'file.write', 'path': '/x'}"), "/steps/0: file.write needs \"data\"" },
        { STEPS("{'step': 'w', 'op': 'resize', 'height': 3}"), "/steps/0: resize needs \"width\"" },
        { STEPS("{'step': 'd', 'op': 'sandbox.delete'}"),
          "/steps/0: sandbox.delete takes one of \"sandbox\" and \"id\"" },
        { STEPS(START ", {'step': 'w', 'op': 'wait', 'process': 'q'}"), "/steps/1/process: no step before this makes" },
        { STEPS(START ", {'step': 't', 'op': 'start', 'command': 'x'}"), "there is a process \"p\" already" },
        { STEPS("{'step': 'b', 'op': 'sandbox.create'}"), "there is a sandbox \"box\" already" },
        { STEPS("{'step': 'b', 'op': 'sandbox.connect', 'id': 'x'}"), "sandbox.connect needs \"as\"" },
        { STEPS("{'step': 'b', 'op': 'sandbox.connect', 'as': 'c'}"), "takes one of \"id\" and \"from\"" },
        { STEPS("{'step': 'b', 'op': 'sandbox.connect', 'as': 'c', 'from': 'c'}"), "makes the sandbox \"c\"" },
        { STEPS(START ", {'step': 'g', 'op': 'get', 'id': 'x', 'from': 'p'}"), "takes one of \"id\" and \"from\"" },
        { STEPS(START ", {'step': 'k', 'op': 'signal'}"), "signal needs \"signal\"" },
        { STEPS(START ", {'step': 'k', 'op': 'write', 'data': {'base64': '?'}}"), "/data: must be a text, " },
        { STEPS(START ", {'step': 'k', 'op': 'read', 'of': 'stdin'}"), "/of: must be \"stdout\" or \"stderr\"" },
        { STEPS(START ", {'step': 'k', 'op': 'stream', 'take': 0}"), "/take: must be a whole number from 1" },
        { STEPS("{'step': 'l', 'op': 'list', 'cursor': {'step': 'k'}}"), "/cursor: no step before this is a list" },
        { STEPS(EXEC ", {'step': 'l', 'op': 'list', 'cursor': {'step': 'r'}}"),
          "/cursor: no step before this is a list" },
        { STEPS("{'step': 'l', 'op': 'list', 'cursor': {'step': 'k', 'x': 1}}"), "/cursor: must be a text or" },
        { STEPS(EXEC ", {'step': 'j', 'op': 'join', 'of': 'r'}"), "/of: step \"r\" does not run in the background" },
        { STEPS("{'step': 'j', 'op': 'join', 'of': 'x'}"), "/of: no step before this is named \"x\"" },
    };
    all_refused(state, rows, COUNT(rows));
}

#define BACK "{'step': 'w', 'op': 'exec', 'command': 'x', 'background': true}"

static void steps_in_the_background_are_expected_where_they_are_joined(void **state)
{
    static const struct row rows[] = {
        { STEPS("{'step': 'w', 'op': 'exec', 'command': 'x', 'background': true, 'expect': 'anything'}"),
          "/expect: what comes of a step in the background is expected of its join" },
        { STEPS(BACK ", {'step': 'j', 'op': 'join', 'of': 'w'}, {'step': 'k', 'op': 'join', 'of': 'w'}"),
          "is joined already" },
        { STEPS(BACK ", {'step': 'j', 'op': 'join', 'of': 'w', 'background': true}"),
          "join cannot run in the background" },
        { STEPS(BACK
                ", {'step': 'r', 'op': 'exec', 'command': 'x', 'expect': {'value': {'id': {'$same': 'w.value.id'}}}}"),
          "/expect/value/id/$same: step \"w\" runs in the background: name the step that joins it" },
    };
    all_refused(state, rows, COUNT(rows));
}

static void a_handle_may_be_made_again_when_it_failed_at_first(void **state)
{
    LIST_AUTO *list = kit_load(*state, STEPS("{'step': 'a', 'op': 'start', 'command': 'x', 'expect': {'error': {}}},"
                                             "{'step': 'b', 'op': 'start', 'command': 'x'},"
                                             "{'step': 'w', 'op': 'wait'}"));
    assert_int_equal(list->cases[0]->step_count, 4);
    kit_refused(*state, STEPS(START ", {'step': 'b', 'op': 'start', 'command': 'x', 'expect': {'error': {}}}"),
                "there is a process \"p\" already");
}

static void wrong_expectations_are_refused_with_their_place(void **state)
{
    static const struct row rows[] = {
        { STEPS("{'step': 'r', 'op': 'exec', 'command': 'x', 'expect': {'value': {'a': {'$foo': 1}}}}"),
          "exec.json:3:90: /cases/0/steps/0/expect/value/a/$foo: there is no operator $foo" },
        { STEPS("{'step': 'r', 'op': 'exec', 'command': 'x', 'expect': {'exit_code': 1}}"),
          "/expect/exit_code: an exp" },
        { STEPS("{'step': 'r', 'op': 'exec', 'command': 'x', 'expect': {'value': {'$same': 'q.value.a'}}}"),
          "/expect/value/$same: there is no step \"q\"" },
        { STEPS("{'step': 'r', 'op': 'exec', 'command': 'x', 'expect': {'value': {'a': {'$matches': '['}}}}"),
          "/$matches: not an extended regular expression" },
    };
    all_refused(state, rows, COUNT(rows));
}

static void a_later_step_may_be_spoken_of(void **state)
{
    LIST_AUTO *list = kit_load(*state, STEPS("{'step': 'r', 'op': 'exec', 'command': 'x', 'expect':"
                                             "{'value': {'id': {'$not': {'$same': 'q.value.id'}}}}},"
                                             "{'step': 'q', 'op': 'exec', 'command': 'x'}"));
    assert_int_equal(list->cases[0]->step_count, 3);
}

/* ---- actions, checks ----------------------------------------------------------------------- */

static void wrong_actions_are_refused(void **state)
{
    static const struct row rows[] = {
        { KIT_CASE("c", ", 'before': []"), "/before: must be a list that is not empty" },
        { KIT_CASE("c", ", 'before': [{}]"), "/before/0: an action is an object with one member" },
        { KIT_CASE("c", ", 'meanwhile': [{'sleep': 5}]"), "/meanwhile/0/sleep: there is no action \"sleep\"" },
        { KIT_CASE("c", ", 'meanwhile': [{'clock': {}}]"), "/clock: clock takes just one of" },
        { KIT_CASE("c", ", 'meanwhile': [{'clock': {'freeze': true, 'scale': 2}}]"),
          "/clock: clock takes just one of" },
        { KIT_CASE("c", ", 'meanwhile': [{'clock': {'freeze': false}}]"), "/clock/freeze: takes only true" },
        { KIT_CASE("c", ", 'meanwhile': [{'clock': {'advance_ms': 0}}]"),
          "/advance_ms: must be a whole number from 1" },
        { KIT_CASE("c", ", 'meanwhile': [{'await_fact': {}}]"), "/await_fact: await_fact needs \"fact\"" },
        { KIT_CASE("c", ", 'meanwhile': [{'await_fact': {'fact': 'x', 'pid': 1}}]"), "/pid: await_fact has no member" },
        { KIT_CASE("c", ", 'meanwhile': [{'await_request': {'count': 0}}]"), "/count: must be a whole number from 1" },
        { KIT_CASE("c", ", 'meanwhile': [{'await_process': {'state': 1}}]"), "/state: must be a text" },
        { KIT_CASE("c", ", 'meanwhile': [{'await_barrier': {'names': 'x'}}]"), "/names: await_barrier has no member" },
        { KIT_CASE("c", ", 'meanwhile': [{'open_barrier': {}}]"), "open_barrier needs \"name\"" },
        { KIT_CASE("c", ", 'meanwhile': [{'scenario': []}]"), "/scenario: must be an object" },
    };
    all_refused(state, rows, COUNT(rows));
}

#define WITNESS(list) "{'id': 'c', " KIT_HEAD ", " KIT_STEPS ", 'witness': [" list "]}"

static void wrong_checks_are_refused(void **state)
{
    static const struct row rows[] = {
        { WITNESS(""), "/witness: must be a list that is not empty" },
        { WITNESS("{'entry': {}}"), "/witness/0: a check needs \"what\"" },
        { WITNESS("{'what': 'w'}"), "/witness/0: a check needs \"entry\"" },
        { WITNESS("{'what': 'w', 'entry': 'x'}"), "/witness/0/entry: must be an object" },
        { WITNESS("{'what': 'w', 'entry': {'a': {'$foo': 1}}}"), "/witness/0/entry/a/$foo: there is no operator" },
        { WITNESS("{'what': 'w', 'entry': {}, 'count': {'$foo': 1}}"), "/witness/0/count/$foo: there is no operator" },
        { WITNESS("{'what': 'w', 'entry': {}, 'count': 0}"), "/witness/0/count: a witness must be there" },
        { WITNESS("{'what': 'w', 'entry': {}, 'count': {'$lte': 5}}"), "/witness/0/count: a witness must be there" },
        { WITNESS("{'what': 'w', 'entry': {}, 'count': {'$same': 'r.value.n'}}"), "$same has no meaning here" },
        { WITNESS("{'what': 'w', 'entry': {'p': {'$same': 'q.value.n'}}}"), "/$same: there is no step \"q\"" },
        { WITNESS("{'what': 'w', 'order': [{'a': 1}]}"), "/order: an order has two entries or more" },
        { WITNESS("{'what': 'w', 'order': [{'a': 1}, 7]}"), "/order/1: must be an object" },
        { WITNESS("{'what': 'w', 'order': [{'a': 1}, {'$foo': 1}]}"), "/order/1/$foo: there is no operator" },
        { WITNESS("{'what': 'w', 'order': [{}, {}], 'count': 1}"), "/count: a check of an order has no member" },
        { KIT_CASE("c", ", 'wire': [{'what': 'w', 'entry': {'a': {'$type': 'x'}}}]"), "/wire/0/entry/a/$type: " },
    };
    all_refused(state, rows, COUNT(rows));
    LIST_AUTO *list = kit_load(*state, KIT_CASE("c", ", 'wire': [{'what': 'w', 'entry': {'p': {'$same': 'r.value.id'}},"
                                                     "'count': 0}, {'what': 'o', 'order': [{'a': 1}, {'a': 2}]}]"));
    assert_int_equal(cJSON_GetArraySize(list->cases[0]->wire), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(files_that_are_none_are_refused),
        WITH_FOLDER(bytes_that_are_no_text_are_refused),
        WITH_FOLDER(json_that_is_too_deep_is_refused),
        WITH_FOLDER(comments_are_only_comments_outside_of_texts),
        WITH_FOLDER(cases_with_wrong_members_are_refused),
        WITH_FOLDER(a_broken_scenario_file_is_refused_with_its_own_place),
        WITH_FOLDER(portable_cases_ask_nothing_of_our_server),
        WITH_FOLDER(ids_and_aliases_are_unique_in_all_files),
        WITH_FOLDER(wrong_steps_are_refused),
        WITH_FOLDER(steps_in_the_background_are_expected_where_they_are_joined),
        WITH_FOLDER(a_handle_may_be_made_again_when_it_failed_at_first),
        WITH_FOLDER(wrong_expectations_are_refused_with_their_place),
        WITH_FOLDER(a_later_step_may_be_spoken_of),
        WITH_FOLDER(wrong_actions_are_refused),
        WITH_FOLDER(wrong_checks_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
