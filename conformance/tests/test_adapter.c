/* Whatever an adapter does, the runner is told exactly what, and comes back in time. */
#include "tests/link_support.h"

#include <cjson/cJSON.h>
#include <pthread.h>

#include "link/adapter.h"

/* ---- one adapter ----------------------------------------------------------------------- */

static struct adapter_options options_of(const char *const *argv, int level)
{
    return (struct adapter_options){ .argv = argv, .level = level, .warden = warden_path(), .hello_ms = PLENTY_MS };
}

/* behave.py VERB [ARGUMENT], of level 2. */
static int try_open(struct adapter **out, const char *verb, const char *argument, int64_t hello_ms,
                    struct adapter_reply *why, struct err *err)
{
    char path[1000];
    adapter_path(path, "behave.py");
    const char *const argv[] = { path, verb, argument, NULL };
    struct adapter_options options = options_of(argv, 2);
    options.hello_ms = hello_ms;
    return adapter_open(out, &options, why, err);
}

static struct adapter *open_behave(const char *verb, const char *argument)
{
    struct adapter *adapter = NULL;
    struct err err = ERR_INIT;
    if (try_open(&adapter, verb, argument, PLENTY_MS, NULL, &err) < 0)
        fail_msg("%s: %s", verb, err.text);
    return adapter;
}

static void run_padded(struct adapter *adapter, int64_t seq, size_t padding, int64_t budget_ms,
                       struct adapter_reply *reply)
{
    struct cJSON *run = make_run(seq, padding);
    adapter_run(adapter, run, budget_ms, reply);
    json_free(run);
}

static void run_once(struct adapter *adapter, int64_t seq, struct adapter_reply *reply)
{
    run_padded(adapter, seq, 0, PLENTY_MS, reply);
}

static void assert_end(const struct adapter_reply *reply, enum adapter_end end, const char *ended)
{
    if (reply->end != end || strcmp(reply->ended, ended) != 0)
        fail_msg("ended \"%s\": %s; line: %s; log: %s", reply->ended, reply->text,
                 reply->line == NULL ? "(none)" : reply->line, reply->log);
}

static void assert_has(const char *text, const char *part)
{
    if (text == NULL || strstr(text, part) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", text == NULL ? "(nothing)" : text, part);
}

static const char *first_value(const struct adapter_reply *reply, const char *name)
{
    const struct cJSON *first = cJSON_GetArrayItem(json_get(reply->json, "outcomes"), 0);
    const struct cJSON *value = json_get(json_get(first, "value"), name);
    return cJSON_IsString(value) ? value->valuestring : "";
}

/* Open, run once, end; the caller looks at the reply. */
static void behave(const char *verb, const char *argument, int64_t budget_ms, struct adapter_reply *reply)
{
    struct adapter *adapter = open_behave(verb, argument);
    run_padded(adapter, 1, 0, budget_ms, reply);
    adapter_close(adapter, 0, NULL);
}

/* ---- answers --------------------------------------------------------------------------- */

static void a_run_is_answered_again_and_again(void **state)
{
    (void) state;
    struct adapter *adapter = open_behave("plain", NULL);
    struct adapter_reply reply;
    assert_string_equal(json_get(adapter_hello(adapter), "name")->valuestring, "behave");
    for (int seq = 1; seq <= 20; seq++) {
        run_once(adapter, seq, &reply);
        assert_end(&reply, ADAPTER_ANSWERED, "answered");
        assert_int_equal(reply.answer, ADAPTER_RESULT);
        assert_string_equal(reply.text, "");
        assert_string_equal(reply.at, "s2");
        assert_true(reply.usable);
        adapter_reply_fini(&reply);
    }
    adapter_close(adapter, PLENTY_MS, &reply);
    assert_end(&reply, ADAPTER_EXITED, "exit 0");
    adapter_reply_fini(&reply);
}

static void skipped_and_errored_are_told_apart(void **state)
{
    (void) state;
    struct adapter_reply reply;
    behave("skips", NULL, PLENTY_MS, &reply);
    assert_end(&reply, ADAPTER_ANSWERED, "answered");
    assert_int_equal(reply.answer, ADAPTER_SKIPPED);
    assert_string_equal(json_get(reply.json, "message")->valuestring, "no such thing");
    adapter_reply_fini(&reply);
    behave("errs", NULL, PLENTY_MS, &reply);
    assert_int_equal(reply.answer, ADAPTER_ERRORED);
    assert_string_equal(json_get(reply.json, "traceback")->valuestring, "line 1");
    adapter_reply_fini(&reply);
}

static void bytes_that_come_one_by_one_make_a_line(void **state)
{
    (void) state;
    struct adapter_reply reply;
    behave("one_byte_at_a_time", NULL, PLENTY_MS, &reply);
    assert_end(&reply, ADAPTER_ANSWERED, "answered");
    adapter_reply_fini(&reply);
}

static void long_lines_go_both_ways(void **state)
{
    (void) state;
    struct adapter *adapter = open_behave("long_answer", NULL);
    struct adapter_reply reply;
    run_padded(adapter, 1, 8u << 20, PLENTY_MS, &reply);
    assert_end(&reply, ADAPTER_ANSWERED, "answered");
    assert_true(strtoul(first_value(&reply, "id"), NULL, 10) > 8u << 20);
    adapter_reply_fini(&reply);
    adapter_close(adapter, 0, NULL);
}

static void a_flood_on_stderr_blocks_nobody_and_its_end_is_kept(void **state)
{
    (void) state;
    struct adapter_reply reply;
    behave("flood_stderr", NULL, PLENTY_MS, &reply);
    assert_end(&reply, ADAPTER_ANSWERED, "answered");
    assert_has(reply.log, "the last word\n");
    assert_true(strlen(reply.log) <= ADAPTER_STDERR_BYTES);
    adapter_reply_fini(&reply);
}

static void environment_and_folder_are_the_callers(void **state)
{
    (void) state;
    char path[1000];
    adapter_path(path, "behave.py");
    const char *const argv[] = { path, "surroundings", NULL };
    const char *const env[] = { "BEHAVE=so and so", NULL };
    struct adapter_options options = options_of(argv, 2);
    struct adapter *adapter = NULL;
    struct adapter_reply reply;
    struct err err = ERR_INIT;
    options.env = env;
    options.cwd = "/proc";
    assert_int_equal(adapter_open(&adapter, &options, NULL, &err), 0);
    run_once(adapter, 1, &reply);
    assert_string_equal(first_value(&reply, "id"), "so and so");
    assert_string_equal(first_value(&reply, "cwd"), "/proc");
    const struct cJSON *first = cJSON_GetArrayItem(json_get(reply.json, "outcomes"), 0);
    assert_true(json_get(json_get(first, "value"), "pid")->valuedouble == 0); /* it leads its own group */
    adapter_reply_fini(&reply);
    adapter_close(adapter, 0, NULL);
}

/* ---- ends ------------------------------------------------------------------------------ */

static void a_command_that_is_not_there_is_named(void **state)
{
    (void) state;
    const char *const argv[] = { "/nowhere/adapter", NULL };
    struct adapter_options options = options_of(argv, 2);
    struct adapter *adapter = NULL;
    struct err err = ERR_INIT;
    assert_int_equal(adapter_open(&adapter, &options, NULL, &err), -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_has(err.text, "/nowhere/adapter");
}

static void the_exit_code_and_the_step_are_told(void **state)
{
    (void) state;
    struct adapter_reply reply;
    behave("exits", "3", PLENTY_MS, &reply);
    assert_end(&reply, ADAPTER_EXITED, "exit 3");
    assert_int_equal(reply.code, 3);
    assert_string_equal(reply.at, "s1");
    assert_string_equal(reply.log, "giving up\n");
    assert_false(reply.usable);
    adapter_reply_fini(&reply);
    behave("exits", "0", PLENTY_MS, &reply);
    assert_end(&reply, ADAPTER_EXITED, "exit 0");
    assert_has(reply.text, "without an answer");
    adapter_reply_fini(&reply);
}

static void a_signal_is_told_as_the_signal(void **state)
{
    (void) state;
    struct adapter_reply reply;
    behave("dies", "SEGV", PLENTY_MS, &reply);
    assert_end(&reply, ADAPTER_SIGNALLED, "signal 11 (SIGSEGV)");
    assert_int_equal(reply.code, SIGSEGV);
    adapter_reply_fini(&reply);
    behave("dies", "KILL", PLENTY_MS, &reply);
    assert_end(&reply, ADAPTER_SIGNALLED, "signal 9 (SIGKILL)");
    adapter_reply_fini(&reply);
}

static void an_end_before_the_hello_fails_the_opening(void **state)
{
    (void) state;
    struct adapter *adapter = NULL;
    struct adapter_reply why;
    struct err err = ERR_INIT;
    assert_int_equal(try_open(&adapter, "exits_early", NULL, PLENTY_MS, &why, &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
    assert_has(err.text, "exit 4 without a hello");
    assert_end(&why, ADAPTER_EXITED, "exit 4");
    assert_string_equal(why.log, "no such client\n");
    adapter_reply_fini(&why);
}

static void an_end_in_the_middle_of_a_line_is_no_answer(void **state)
{
    (void) state;
    struct adapter_reply reply;
    behave("says_half", "0", PLENTY_MS, &reply);
    assert_end(&reply, ADAPTER_EXITED, "exit 0");
    assert_has(reply.text, "in the middle of a line");
    assert_string_equal(reply.line, "{\"type\": \"result\", \"");
    adapter_reply_fini(&reply);
}

static void an_end_behind_the_answer_is_seen_before_the_next_run(void **state)
{
    (void) state;
    struct adapter *adapter = open_behave("answers_and_exits", "5");
    struct adapter_reply reply, next;
    run_once(adapter, 1, &reply);
    assert_end(&reply, ADAPTER_ANSWERED, "answered");
    /* How soon it ends is its business: within the reply or after it.  The next run is told in either case. */
    run_once(adapter, 2, &next);
    assert_false(next.usable);
    if (reply.usable)
        assert_end(&next, ADAPTER_EXITED, "exit 5");
    else
        assert_end(&next, ADAPTER_BROKEN, "broken");
    adapter_reply_fini(&reply);
    adapter_reply_fini(&next);
    adapter_close(adapter, PLENTY_MS, &reply);
    assert_end(&reply, ADAPTER_EXITED, "exit 5");
    adapter_reply_fini(&reply);
}

/* ---- hangs ----------------------------------------------------------------------------- */

/* A budget that is over before a loaded machine has even started Python proves nothing: then more of it. */
static void hang_until_at(const char *verb, struct adapter_reply *reply)
{
    int64_t budget_ms = 300;
    for (;;) {
        behave(verb, NULL, budget_ms, reply);
        assert_end(reply, ADAPTER_DEADLINE, "deadline");
        assert_true(reply->took_ms >= budget_ms);
        if (reply->at != NULL || budget_ms > PLENTY_MS)
            return;
        adapter_reply_fini(reply);
        budget_ms *= 4;
    }
}

static void a_deadline_names_the_step(void **state)
{
    (void) state;
    struct adapter_reply reply;
    hang_until_at("hangs", &reply);
    assert_string_equal(reply.at, "s2");
    assert_has(reply.text, "step \"s2\" had begun");
    adapter_reply_fini(&reply);
    behave("hangs_without_a_step", NULL, 300, &reply);
    assert_end(&reply, ADAPTER_DEADLINE, "deadline");
    assert_null(reply.at);
    assert_has(reply.text, "named no step");
    adapter_reply_fini(&reply);
}

static void silence_fails_the_opening_in_time(void **state)
{
    (void) state;
    struct adapter *adapter = NULL;
    struct err err = ERR_INIT;
    int64_t budget_ms = 300;
    do { /* what is too short even for the start is told in other words */
        assert_int_equal(try_open(&adapter, "silent", NULL, budget_ms, NULL, &err), -1);
        assert_int_equal(err.code, ERR_TIMEOUT);
        budget_ms *= 4;
    } while (strstr(err.text, "start") != NULL && budget_ms < PLENTY_MS);
    assert_has(err.text, "no hello within");
}

static void one_that_ignores_sigterm_dies_all_the_same(void **state)
{
    (void) state;
    struct vigil vigil;
    struct adapter_reply reply;
    vigil_open(&vigil);
    behave("ignores_sigterm", vigil.path, 300, &reply);
    assert_end(&reply, ADAPTER_DEADLINE, "deadline");
    adapter_reply_fini(&reply);
    vigil_until_up(&vigil, 1);
    vigil_until_dead(&vigil);
    vigil_close(&vigil);
}

static void one_that_never_reads_cannot_block_us(void **state)
{
    (void) state;
    struct adapter *adapter = open_behave("hangs_without_a_step", NULL);
    struct adapter_reply reply;
    run_padded(adapter, 1, 4u << 20, 300, &reply);
    assert_end(&reply, ADAPTER_DEADLINE, "deadline");
    assert_has(reply.text, "does not read its stdin");
    adapter_reply_fini(&reply);
    adapter_close(adapter, 0, NULL);
}

static void the_end_of_stdin_has_a_limit(void **state)
{
    (void) state;
    struct vigil vigil;
    struct adapter_reply reply;
    vigil_open(&vigil);
    struct adapter *adapter = open_behave("ignores_the_end_of_stdin", vigil.path);
    vigil_until_up(&vigil, 1);
    adapter_close(adapter, 300, &reply);
    assert_end(&reply, ADAPTER_DEADLINE, "deadline");
    adapter_reply_fini(&reply);
    vigil_until_dead(&vigil);
    vigil_close(&vigil);
}

static void closed_pipes_are_told(void **state)
{
    (void) state;
    struct vigil vigil;
    struct adapter_reply reply;
    behave("closes_stdout", NULL, PLENTY_MS, &reply);
    assert_end(&reply, ADAPTER_CLOSED_STDOUT, "closed stdout");
    adapter_reply_fini(&reply);
    vigil_open(&vigil);
    struct adapter *adapter = open_behave("closes_stdin", vigil.path);
    vigil_until_up(&vigil, 1);
    run_once(adapter, 1, &reply); /* SIGPIPE would end us here */
    assert_end(&reply, ADAPTER_CLOSED_STDIN, "closed stdin");
    adapter_reply_fini(&reply);
    adapter_close(adapter, 0, NULL);
    vigil_close(&vigil);
}

static void *cancel_it(void *arg)
{
    adapter_cancel(arg);
    return NULL;
}

static void a_run_can_be_cancelled_by_another_thread(void **state)
{
    (void) state;
    pthread_t thread;
    struct adapter_reply reply;
    struct adapter *adapter = open_behave("hangs", NULL);
    assert_int_equal(pthread_create(&thread, NULL, cancel_it, adapter), 0);
    run_once(adapter, 1, &reply);
    assert_end(&reply, ADAPTER_CANCELLED, "cancelled");
    adapter_reply_fini(&reply);
    pthread_join(thread, NULL);
    adapter_close(adapter, 0, NULL);
}

/* ---- lines ----------------------------------------------------------------------------- */

static void garbage_is_shown_with_what_is_wrong(void **state)
{
    (void) state;
    static const struct {
        const char *says, *line, *text;
    } rows[] = {
        { "Warning: old API", "Warning: old API", "is not JSON: 1:1" },
        { "", "", "is not JSON" },
        { "[]", "[]", "must be a JSON object, not an array" },
        { "{}", "{}", "\"type\" is missing" },
        { "{\"type\":\"ready\"}", "{\"type\":\"ready\"}", "/type: \"ready\" is none of hello, at," },
        { "{\"type\":\"result\",\"outcomes\":[]}", NULL, "\"seq\" is missing" },
        { "{\"type\":\"result\",\"seq\":1.5,\"outcomes\":[]}", NULL, "/seq: must be an integer, not a number" },
        { "{\"type\":\"result\",\"seq\":1}", NULL, "\"outcomes\" is missing" },
        { "{\"type\":\"result\",\"seq\":1,\"outcomes\":[{\"step\":\"s1\"}]}", NULL,
          "/outcomes/0: must have \"value\", \"error\" or \"skipped\"" },
        { "{\"type\":\"skipped\",\"seq\":1}", NULL, "\"message\" is missing" },
        { "{\"type\":\"result\",\"seq\":1,\"outcomes\":[]} x", NULL, "text behind the end" },
        { "{\"type\":\"result\",\"seq\":NaN,\"outcomes\":[]}", NULL, "is not JSON" },
        { "a\\x00b", "a\\x00b", "holds a NUL byte" },
        { "\\xff\\xfe", "\\xff\\xfe", "not UTF-8" },
        { "\\x1b[31mred", "\\x1b[31mred", "is not JSON" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct adapter_reply reply;
        behave("says", rows[i].says, PLENTY_MS, &reply);
        assert_end(&reply, ADAPTER_GARBAGE, "garbage");
        assert_has(reply.text, rows[i].text);
        assert_string_equal(reply.line, rows[i].line != NULL ? rows[i].line : rows[i].says);
        assert_false(reply.usable);
        adapter_reply_fini(&reply);
    }
}

static void a_line_before_the_hello_fails_the_opening(void **state)
{
    (void) state;
    static const char *const rows[][3] = {
        { "chatty_before", "is not JSON", "Loading the client..." },
        { "greets_twice", "a line behind the answer", "{\"type\": \"hello\"" },
        { "greets_in_a_foreign_version", "/version: must be from 1 to 1, not 2", "\"version\": 2" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct adapter *adapter = NULL;
        struct adapter_reply why;
        struct err err = ERR_INIT;
        assert_int_equal(try_open(&adapter, rows[i][0], NULL, PLENTY_MS, &why, &err), -1);
        assert_has(err.text, rows[i][1]);
        assert_end(&why, ADAPTER_GARBAGE, "garbage");
        assert_has(why.line, rows[i][2]);
        adapter_reply_fini(&why);
    }
}

static void answers_that_nobody_asked_for_are_garbage(void **state)
{
    (void) state;
    static const char *const rows[][2] = {
        { "answers_twice", "a line behind the answer" },
        { "wrong_seq", "/seq: 77 is not the run under way, which is 1" },
        { "wrong_step", "/step: the run has no step of this name" },
        { "greets_late", "a hello that nobody asked for" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct adapter_reply reply;
        behave(rows[i][0], NULL, PLENTY_MS, &reply);
        assert_end(&reply, ADAPTER_GARBAGE, "garbage");
        assert_has(reply.text, rows[i][1]);
        assert_false(reply.before_run);
        adapter_reply_fini(&reply);
    }
}

static void an_answer_to_what_was_not_read_is_garbage(void **state)
{
    (void) state;
    struct adapter *adapter = open_behave("answers_unread", NULL);
    struct adapter_reply reply;
    run_padded(adapter, 1, 4u << 20, PLENTY_MS, &reply);
    assert_end(&reply, ADAPTER_GARBAGE, "garbage");
    assert_has(reply.text, "before the whole run was read");
    adapter_reply_fini(&reply);
    adapter_close(adapter, 0, NULL);
}

static void what_came_before_the_run_is_not_the_runs_fault(void **state)
{
    (void) state;
    static const char *const verbs[] = { "answers_twice_later", "answers_the_next" };
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        struct vigil vigil;
        struct adapter_reply reply;
        vigil_open(&vigil);
        struct adapter *adapter = open_behave(verbs[i], vigil.path);
        run_once(adapter, 1, &reply);
        bool was_together = reply.end == ADAPTER_GARBAGE; /* both lines were there when we looked */
        adapter_reply_fini(&reply);
        vigil_until_up(&vigil, 1);
        if (!was_together) {
            run_once(adapter, 2, &reply);
            assert_end(&reply, ADAPTER_GARBAGE, "garbage");
            assert_has(reply.text, "before this run was sent: ");
            assert_true(reply.before_run);
            adapter_reply_fini(&reply);
        }
        adapter_close(adapter, 0, NULL);
        vigil_until_dead(&vigil);
        vigil_close(&vigil);
    }
}

static void an_endless_line_is_cut_off(void **state)
{
    (void) state;
    struct adapter_reply reply;
    behave("endless_line", NULL, PLENTY_MS, &reply);
    assert_end(&reply, ADAPTER_GARBAGE, "garbage");
    assert_has(reply.text, "more than 64 MiB");
    assert_has(reply.line, "xxx... (");
    assert_true(strlen(reply.line) < ADAPTER_SHOWN_BYTES + 40);
    adapter_reply_fini(&reply);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(a_run_is_answered_again_and_again),
        leak_test(skipped_and_errored_are_told_apart),
        leak_test(bytes_that_come_one_by_one_make_a_line),
        leak_test(long_lines_go_both_ways),
        leak_test(a_flood_on_stderr_blocks_nobody_and_its_end_is_kept),
        leak_test(environment_and_folder_are_the_callers),
        leak_test(a_command_that_is_not_there_is_named),
        leak_test(the_exit_code_and_the_step_are_told),
        leak_test(a_signal_is_told_as_the_signal),
        leak_test(an_end_before_the_hello_fails_the_opening),
        leak_test(an_end_in_the_middle_of_a_line_is_no_answer),
        leak_test(an_end_behind_the_answer_is_seen_before_the_next_run),
        leak_test(a_deadline_names_the_step),
        leak_test(silence_fails_the_opening_in_time),
        leak_test(one_that_ignores_sigterm_dies_all_the_same),
        leak_test(one_that_never_reads_cannot_block_us),
        leak_test(the_end_of_stdin_has_a_limit),
        leak_test(closed_pipes_are_told),
        leak_test(a_run_can_be_cancelled_by_another_thread),
        leak_test(garbage_is_shown_with_what_is_wrong),
        leak_test(a_line_before_the_hello_fails_the_opening),
        leak_test(answers_that_nobody_asked_for_are_garbage),
        leak_test(an_answer_to_what_was_not_read_is_garbage),
        leak_test(what_came_before_the_run_is_not_the_runs_fault),
        leak_test(an_endless_line_is_cut_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
