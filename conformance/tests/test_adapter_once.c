/* Level 1: a process for each run. */
#include "tests/link_support.h"

#include <cjson/cJSON.h>

#include "link/adapter.h"

static struct adapter *open_once(const char *verb, const char *argument, struct adapter_reply *why)
{
    char path[1000];
    struct adapter *adapter = NULL;
    struct err err = ERR_INIT;
    adapter_path(path, "behave.py");
    const char *const argv[] = { path, verb, argument, NULL };
    struct adapter_options options = { .argv = argv, .level = 1, .warden = warden_path(), .hello_ms = PLENTY_MS };
    if (adapter_open(&adapter, &options, why, &err) < 0)
        fail_msg("%s: %s", verb, err.text);
    return adapter;
}

static void run_padded(struct adapter *adapter, size_t padding, int64_t budget_ms, struct adapter_reply *reply)
{
    struct cJSON *run = make_run(1, padding);
    adapter_run(adapter, run, budget_ms, reply);
    json_free(run);
}

static void behave(const char *verb, const char *argument, int64_t budget_ms, struct adapter_reply *reply)
{
    struct adapter *adapter = open_once(verb, argument, NULL);
    run_padded(adapter, 0, budget_ms, reply);
    adapter_close(adapter, 0, NULL);
}

static void assert_end(const struct adapter_reply *reply, enum adapter_end end, const char *ended, const char *text)
{
    if (reply->end != end || strcmp(reply->ended, ended) != 0 || strstr(reply->text, text) == NULL)
        fail_msg("ended \"%s\": %s; log: %s", reply->ended, reply->text, reply->log);
}

static const char *value_of(const struct adapter_reply *reply, const char *name)
{
    const struct cJSON *first = cJSON_GetArrayItem(json_get(reply->json, "outcomes"), 0);
    const struct cJSON *value = json_get(json_get(first, "value"), name);
    return cJSON_IsString(value) ? value->valuestring : "";
}

static void the_case_comes_on_stdin_in_the_environment_and_as_argument(void **state)
{
    (void) state;
    struct adapter *adapter = open_once("once", NULL, NULL);
    struct adapter_reply reply;
    assert_string_equal(json_get(adapter_hello(adapter), "name")->valuestring, "behave");
    for (int i = 0; i < 3; i++) {
        run_padded(adapter, 0, PLENTY_MS, &reply);
        assert_end(&reply, ADAPTER_ANSWERED, "answered", "");
        assert_string_equal(value_of(&reply, "id"), "hyperbrowser/exec/some|hyperbrowser|http://127.0.0.1:9/lane/a|"
                                                    "key-1|http://127.0.0.1:9/lane/a");
        assert_string_equal(value_of(&reply, "status"), "same");
        assert_false(reply.no_context);
        adapter_reply_fini(&reply);
    }
    adapter_close(adapter, 0, NULL);
}

static void a_long_case_is_on_stdin_alone(void **state)
{
    (void) state;
    struct adapter *adapter = open_once("once", NULL, NULL);
    struct adapter_reply reply;
    run_padded(adapter, 300000, PLENTY_MS, &reply);
    assert_end(&reply, ADAPTER_ANSWERED, "answered", "");
    assert_true(reply.no_context);
    assert_string_equal(value_of(&reply, "status"), "absent");
    adapter_reply_fini(&reply);
    adapter_close(adapter, 0, NULL);
}

static void one_that_knows_no_hello_may_fail_in_silence(void **state)
{
    (void) state;
    struct adapter_reply why, reply;
    struct adapter *adapter = open_once("once_without_hello", NULL, &why);
    assert_null(adapter_hello(adapter));
    assert_non_null(strstr(why.text, "it said nothing to --hello: exit 9"));
    adapter_reply_fini(&why);
    run_padded(adapter, 0, PLENTY_MS, &reply); /* reads the environment, not its stdin */
    assert_end(&reply, ADAPTER_ANSWERED, "answered", "");
    adapter_reply_fini(&reply);
    adapter_close(adapter, 0, NULL);
}

static void one_that_says_other_things_to_hello_is_refused(void **state)
{
    (void) state;
    struct adapter *adapter = NULL;
    struct err err = ERR_INIT;
    const char *const argv[] = { "sh", "-c", "echo usage: $0 URL", "me", NULL };
    struct adapter_options options = { .argv = argv, .level = 1, .warden = warden_path(), .hello_ms = PLENTY_MS };
    struct adapter_reply why;
    assert_int_equal(adapter_open(&adapter, &options, &why, &err), -1);
    assert_int_equal(why.end, ADAPTER_GARBAGE);
    assert_string_equal(why.line, "usage: me URL");
    assert_int_equal(err.code, ERR_INVALID);
    adapter_reply_fini(&why);
    options.no_hello = true; /* then it is not asked */
    assert_int_equal(adapter_open(&adapter, &options, NULL, &err), 0);
    adapter_close(adapter, 0, NULL);
}

static void what_comes_behind_an_answer_counts(void **state)
{
    (void) state;
    struct adapter_reply reply;
    behave("once_exits", "3", PLENTY_MS, &reply);
    assert_end(&reply, ADAPTER_EXITED, "exit 3", "behind its answer");
    assert_int_equal(reply.answer, ADAPTER_NO_ANSWER);
    adapter_reply_fini(&reply);
    behave("once_twice", NULL, PLENTY_MS, &reply);
    assert_end(&reply, ADAPTER_GARBAGE, "garbage", "a line behind the answer");
    adapter_reply_fini(&reply);
    behave("once_nothing", NULL, PLENTY_MS, &reply);
    assert_end(&reply, ADAPTER_EXITED, "exit 0", "without an answer");
    assert_true(reply.usable); /* the next case has a process of its own */
    adapter_reply_fini(&reply);
}

static void one_that_lingers_behind_its_answer_misses_the_deadline(void **state)
{
    (void) state;
    struct vigil vigil;
    struct adapter_reply reply;
    int64_t budget_ms = 500;
    vigil_open(&vigil);
    for (;; budget_ms *= 4) { /* more, where that was not even enough for the answer */
        behave("once_lingers", vigil.path, budget_ms, &reply);
        if (strstr(reply.text, "it answered") != NULL || budget_ms > PLENTY_MS)
            break;
        adapter_reply_fini(&reply);
    }
    assert_end(&reply, ADAPTER_DEADLINE, "deadline", "it answered, but had not ended within");
    adapter_reply_fini(&reply);
    vigil_close(&vigil);
}

static void a_daemon_ends_with_the_process(void **state)
{
    (void) state;
    struct vigil vigil;
    struct adapter_reply reply;
    vigil_open(&vigil);
    behave("once_with_a_daemon", vigil.path, PLENTY_MS, &reply);
    assert_end(&reply, ADAPTER_ANSWERED, "answered", "");
    adapter_reply_fini(&reply);
    int fd = open(vigil.path, O_WRONLY | O_NONBLOCK | O_CLOEXEC); /* it may have died before it came up */
    assert_true(fd >= 0);
    close(fd);
    vigil_until_dead(&vigil);
    vigil_close(&vigil);
}

static void a_program_that_is_not_there_is_told_at_the_run(void **state)
{
    (void) state;
    const char *const argv[] = { "/nowhere/adapter", NULL };
    struct adapter_options options = { .argv = argv, .level = 1, .warden = warden_path(), .no_hello = true };
    struct adapter *adapter = NULL;
    struct adapter_reply reply;
    struct err err = ERR_INIT;
    assert_int_equal(adapter_open(&adapter, &options, NULL, &err), 0);
    run_padded(adapter, 0, PLENTY_MS, &reply);
    assert_end(&reply, ADAPTER_BROKEN, "broken", "start /nowhere/adapter: No such file or directory");
    adapter_reply_fini(&reply);
    adapter_close(adapter, 0, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(the_case_comes_on_stdin_in_the_environment_and_as_argument),
        leak_test(a_long_case_is_on_stdin_alone),
        leak_test(one_that_knows_no_hello_may_fail_in_silence),
        leak_test(one_that_says_other_things_to_hello_is_refused),
        leak_test(what_comes_behind_an_answer_counts),
        leak_test(one_that_lingers_behind_its_answer_misses_the_deadline),
        leak_test(a_daemon_ends_with_the_process),
        leak_test(a_program_that_is_not_there_is_told_at_the_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
