/* Nothing of an adapter outlives its runner's interest: children, daemons, survivors that hold its pipes. */
#include "tests/link_support.h"

#include <cjson/cJSON.h>
#include <pthread.h>

#include "link/adapter.h"

#define THREADS 8

static struct adapter *open_behave(const char *verb, const char *argument)
{
    char path[1000];
    struct adapter *adapter = NULL;
    struct err err = ERR_INIT;
    adapter_path(path, "behave.py");
    const char *const argv[] = { path, verb, argument, NULL };
    struct adapter_options options = { .argv = argv, .level = 2, .warden = warden_path(), .hello_ms = PLENTY_MS };
    if (adapter_open(&adapter, &options, NULL, &err) < 0)
        fprintf(stderr, "%s: %s\n", verb, err.text);
    return adapter;
}

static void run_once(struct adapter *adapter, int64_t seq, int64_t budget_ms, struct adapter_reply *reply)
{
    struct cJSON *run = make_run(seq, 0);
    adapter_run(adapter, run, budget_ms, reply);
    json_free(run);
}

static void a_survivor_that_holds_stdout_is_not_waited_for(void **state)
{
    (void) state;
    struct vigil vigil;
    struct adapter_reply reply;
    vigil_open(&vigil);
    struct adapter *adapter = open_behave("holds_stdout", vigil.path);
    assert_non_null(adapter);
    run_once(adapter, 1, PLENTY_MS, &reply);
    assert_string_equal(reply.ended, "exit 0");
    assert_int_equal(reply.end, ADAPTER_EXITED);
    assert_true(reply.took_ms < PLENTY_MS / 2);
    adapter_reply_fini(&reply);
    adapter_close(adapter, PLENTY_MS, NULL);
    /* It may have been killed before it said that it was there, and nobody else can come any more. */
    int fd = open(vigil.path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    assert_true(fd >= 0);
    close(fd);
    vigil_until_dead(&vigil);
    vigil_close(&vigil);
}

static void daemons_end_with_their_adapter(void **state)
{
    (void) state;
    static const struct {
        const char *verb;
        int count;
    } rows[] = { { "leaves_a_daemon", 1 }, { "leaves_many", 20 } };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct vigil vigil;
        vigil_open(&vigil);
        struct adapter *adapter = open_behave(rows[i].verb, vigil.path);
        struct adapter_reply reply = { .end = ADAPTER_BROKEN };
        assert_non_null(adapter);
        if (rows[i].count == 1)
            run_once(adapter, 1, PLENTY_MS, &reply);
        vigil_until_up(&vigil, rows[i].count);
        adapter_close(adapter, 0, NULL);
        adapter_reply_fini(&reply);
        vigil_until_dead(&vigil);
        vigil_close(&vigil);
    }
}

static void one_that_forks_and_ends_all_the_time_is_caught(void **state)
{
    (void) state;
    for (int i = 0; i < 5; i++) {
        struct vigil vigil;
        struct adapter_reply reply;
        vigil_open(&vigil);
        struct adapter *adapter = open_behave("breeds", vigil.path);
        assert_non_null(adapter);
        vigil_until_up(&vigil, 1);
        adapter_close(adapter, 0, &reply);
        assert_int_equal(reply.survivors, 0);
        adapter_reply_fini(&reply);
        vigil_until_dead(&vigil);
        vigil_close(&vigil);
    }
}

/* ---- the runner itself dies ------------------------------------------------------------ */

/* What the runner does that is going to be killed: adapters of all sorts, each with a family. */
static int be_a_runner(const char *fifo)
{
    static const char *const verbs[] = { "leaves_many", "ignores_the_end_of_stdin", "hangs" };
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (open_behave(verbs[i], fifo) == NULL)
            return 1;
    }
    for (;;)
        pause();
}

static pid_t start_runner(const char *fifo)
{
    extern char **environ;
    char self[] = "/proc/self/exe", verb[] = "be-a-runner", path[100];
    snprintf(path, sizeof path, "%s", fifo);
    char *argv[] = { self, verb, path, NULL };
    pid_t pid = 0;
    assert_int_equal(posix_spawn(&pid, self, NULL, NULL, argv, environ), 0);
    return pid;
}

static void a_killed_runner_leaves_nothing_alive(void **state)
{
    (void) state;
    struct vigil vigil;
    vigil_open(&vigil);
    pid_t runner = start_runner(vigil.path);
    vigil_until_up(&vigil, 22);
    assert_int_equal(kill(runner, SIGKILL), 0);
    assert_int_equal(waitpid(runner, NULL, 0), runner);
    vigil_until_dead(&vigil);
    vigil_close(&vigil);
}

/* ---- several at once ------------------------------------------------------------------- */

struct worker {
    pthread_t thread;
    char seen[200];
    bool fine;
};

static void *work(void *arg)
{
    struct worker *worker = arg;
    struct adapter *adapter = open_behave("descriptors", NULL);
    if (adapter == NULL)
        return NULL;
    worker->fine = true;
    for (int seq = 1; seq <= 5; seq++) {
        struct adapter_reply reply;
        run_once(adapter, seq, PLENTY_MS, &reply);
        const struct cJSON *first = cJSON_GetArrayItem(json_get(reply.json, "outcomes"), 0);
        const struct cJSON *id = json_get(json_get(first, "value"), "id");
        snprintf(worker->seen, sizeof worker->seen, "%s", cJSON_IsString(id) ? id->valuestring : reply.text);
        worker->fine &= reply.end == ADAPTER_ANSWERED && strcmp(worker->seen, "0,1,2") == 0;
        adapter_reply_fini(&reply);
    }
    struct adapter_reply reply;
    adapter_close(adapter, PLENTY_MS, &reply);
    worker->fine &= reply.end == ADAPTER_EXITED && reply.code == 0;
    adapter_reply_fini(&reply);
    return NULL;
}

static void adapters_of_several_threads_do_not_share_descriptors(void **state)
{
    (void) state;
    struct worker workers[THREADS] = { { .fine = false } };
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(workers[i].thread, NULL);
    for (int i = 0; i < THREADS; i++) {
        if (!workers[i].fine)
            fail_msg("thread %d saw %s", i, workers[i].seen);
    }
}

/* One thread's closed stdin must reach its adapter while others are being started. */
static void *open_and_close(void *arg)
{
    struct worker *worker = arg;
    worker->fine = true;
    for (int i = 0; i < 5; i++) {
        struct adapter_reply reply = { .end = ADAPTER_BROKEN };
        adapter_close(open_behave("plain", NULL), PLENTY_MS, &reply);
        worker->fine &= reply.end == ADAPTER_EXITED && reply.code == 0;
        snprintf(worker->seen, sizeof worker->seen, "%s", reply.text);
        adapter_reply_fini(&reply);
    }
    return NULL;
}

static void the_end_of_stdin_reaches_each_of_them(void **state)
{
    (void) state;
    struct worker workers[THREADS / 2] = { { .fine = false } };
    for (int i = 0; i < THREADS / 2; i++)
        assert_int_equal(pthread_create(&workers[i].thread, NULL, open_and_close, &workers[i]), 0);
    for (int i = 0; i < THREADS / 2; i++)
        pthread_join(workers[i].thread, NULL);
    for (int i = 0; i < THREADS / 2; i++) {
        if (!workers[i].fine)
            fail_msg("thread %d: %s", i, workers[i].seen);
    }
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "be-a-runner") == 0)
        return be_a_runner(argv[2]);
    const struct CMUnitTest tests[] = {
        leak_test(a_survivor_that_holds_stdout_is_not_waited_for),
        leak_test(daemons_end_with_their_adapter),
        leak_test(one_that_forks_and_ends_all_the_time_is_caught),
        leak_test(a_killed_runner_leaves_nothing_alive),
        leak_test(adapters_of_several_threads_do_not_share_descriptors),
        leak_test(the_end_of_stdin_reaches_each_of_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
