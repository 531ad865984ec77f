/* The client against a real standbox-mockserver ($STANDBOX_MOCKSERVER), in both protocols. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sbc_text.h"
#include "spawned.h"
#include "standbox_client.h"

struct world {
    struct spawned server;
    char *url;
};

struct place {
    struct sbc_client *client;
    struct sbc_sandbox *box;
    struct sbc_error err;
};

static void open_place(struct place *place, const struct world *world, enum sbc_protocol protocol)
{
    struct sbc_client_options options = { .url = world->url, .api_key = "test", .protocol = protocol };
    *place = (struct place){ .err = SBC_ERROR_INIT };
    place->client = sbc_client_new(&options, &place->err);
    assert_non_null(place->client);
    place->box = sbc_sandbox_create(place->client, &(struct sbc_sandbox_options){ .image = "default" }, &place->err);
    assert_non_null(place->box);
}

static void close_place(struct place *place)
{
    sbc_sandbox_stop(place->box, NULL);
    sbc_sandbox_free(place->box);
    sbc_client_free(place->client);
    sbc_error_clear(&place->err);
}

/* Run `test` in a sandbox of its own in each protocol. */
static void in_both(void **state, void (*test)(struct place *place))
{
    for (int protocol = SBC_PROTOCOL_B; protocol <= SBC_PROTOCOL_A; protocol++) {
        struct place place;
        open_place(&place, *state, (enum sbc_protocol) protocol);
        test(&place);
        close_place(&place);
    }
}

static struct sbc_process *start(struct place *place, const char *line)
{
    struct sbc_process *process = sbc_process_start(place->box, &(struct sbc_command){ .command = line }, &place->err);
    assert_non_null(process);
    return process;
}

static void assert_result(struct sbc_result *result, const char *status, int exit_code, const char *out)
{
    assert_string_equal(result->status, status);
    assert_int_equal(result->exit_code, exit_code);
    assert_string_equal(result->out.data, out);
    assert_true(result->started_at > 1600000000000 && result->completed_at >= result->started_at);
    sbc_result_clear(result);
}

/* -------------------------------------------------------------------- tests */

static void check_exec(struct place *place)
{
    const struct sbc_variable env[] = { { "A", "\xC3\xA9 'x'" } };
    const char *args[] = { "%s|", "a b", "", "it's" };
    struct sbc_result result;
    struct sbc_command command = {
        .command = "echo \"$A\" $PWD; echo no >&2; exit 7", .cwd = "/tmp", .env = env, .env_count = 1
    };
    assert_int_equal(sbc_exec(place->box, &command, &result, &place->err), 0);
    assert_string_equal(result.err.data, "no\n");
    assert_result(&result, "exited", 7, "\xC3\xA9 'x' /tmp\n");
    command = (struct sbc_command){ .command = "printf", .args = args, .arg_count = 4 };
    assert_int_equal(sbc_exec(place->box, &command, &result, &place->err), 0);
    assert_result(&result, "exited", 0, "a b||it's|");
    command = (struct sbc_command){ .command = "sleep 60", .timeout_ms = 100 };
    assert_int_equal(sbc_exec(place->box, &command, &result, &place->err), 0);
    assert_false(result.has_exit_code);
    assert_result(&result, "timed_out", 0, "");
}

static void a_command_runs_to_its_end(void **state)
{
    in_both(state, check_exec);
}

static void check_input(struct place *place)
{
    struct sbc_result result;
    struct sbc_process *process = start(place, "cat");
    assert_int_equal(sbc_process_write(process, &(struct sbc_input){ "a\0b\n", 4, SBC_BYTES, false }, &place->err), 0);
    assert_int_equal(sbc_process_write(process, &(struct sbc_input){ "\xC3\xA9", 2, SBC_TEXT, true }, &place->err), 0);
    assert_int_equal(sbc_process_wait(process, NULL, &result, &place->err), 0);
    assert_int_equal(result.out.size, 6);
    assert_memory_equal(result.out.data, "a\0b\n\xC3\xA9", 6);
    sbc_result_clear(&result);
    assert_int_equal(sbc_process_close_stdin(process, &place->err), -1);
    assert_int_equal(place->err.status, 409);
    sbc_process_free(process);
}

static void input_arrives_byte_for_byte(void **state)
{
    in_both(state, check_input);
}

static void check_wait(struct place *place)
{
    struct sbc_result result;
    struct sbc_process_info info;
    struct sbc_limit limit = { 50, 0 };
    struct sbc_process *process = start(place, "read line; echo $line; exit 3");
    assert_int_equal(sbc_process_wait(process, &limit, &result, &place->err), -1);
    assert_true(place->err.kind == SBC_WAIT_TIMEOUT || place->err.status == 408);
    assert_false(place->err.is_retryable);
    assert_int_equal(sbc_process_poll(process, &info, &place->err), 0);
    assert_string_equal(info.status, "running");
    sbc_process_info_clear(&info);
    assert_int_equal(sbc_process_write(process, &(struct sbc_input){ "on\n", 3, SBC_TEXT, false }, &place->err), 0);
    assert_int_equal(sbc_process_wait(process, NULL, &result, &place->err), 0);
    assert_result(&result, "exited", 3, "on\n");
    assert_int_equal(sbc_process_result(process, &result, &place->err), 0);
    assert_result(&result, "exited", 3, "on\n");
    sbc_process_get_info(process, &info);
    assert_string_equal(info.status, "exited");
    sbc_process_info_clear(&info);
    sbc_process_free(process);
}

static void a_wait_has_a_limit_and_can_be_repeated(void **state)
{
    in_both(state, check_wait);
}

static void check_kill(struct place *place)
{
    struct sbc_result result;
    struct sbc_process *process = start(place, "trap '' TERM; echo ready; read x");
    assert_int_equal(sbc_process_signal(process, "TERM", &place->err), 0);
    assert_int_equal(sbc_process_kill(process, NULL, &result, &place->err), 0);
    assert_string_equal(result.status, "killed");
    sbc_result_clear(&result);
    assert_int_equal(sbc_process_kill(process, NULL, NULL, &place->err), 0);
    sbc_process_free(process);
    process = start(place, "read x");
    assert_int_equal(sbc_process_signal(process, "TERM", &place->err), 0);
    assert_int_equal(sbc_process_wait(process, NULL, &result, &place->err), 0);
    assert_string_equal(result.status, "killed");
    sbc_result_clear(&result);
    sbc_process_free(process);
}

static void signals_and_kills_reach_the_process(void **state)
{
    in_both(state, check_kill);
}

/* All output of a stream; the last event must be the exit with this code. */
static char *drain(struct sbc_stream *stream, int exit_code)
{
    struct sbc_buf out = { 0 };
    struct sbc_event event;
    int code = -1;
    while (sbc_stream_next(stream, &event, NULL) > 0) {
        sbc_buf_add(&out, event.data.data, event.data.size);
        code = event.type == SBC_EXIT ? (int) event.result.exit_code : -1;
        sbc_event_clear(&event);
    }
    assert_int_equal(code, exit_code);
    sbc_stream_close(stream);
    return sbc_buf_take(&out);
}

static void check_stream(struct place *place)
{
    struct sbc_process *process = start(place, "echo one; read x; echo two; exit 4");
    struct sbc_stream *stream = sbc_stream_open(process, 0, &place->err);
    struct sbc_event event;
    assert_int_equal(sbc_stream_next(stream, &event, &place->err), 1);
    assert_string_equal(event.data.data, "one\n");
    assert_int_equal(event.seq, 1);
    sbc_event_clear(&event);
    assert_int_equal(sbc_process_close_stdin(process, &place->err), 0);
    char *rest = drain(stream, 4);
    assert_string_equal(rest, "two\n");
    free(rest);
    struct sbc_process_info info;
    sbc_process_get_info(process, &info);
    struct sbc_process *found = sbc_process_get(place->box, info.id, &place->err);
    assert_non_null(found);
    rest = drain(sbc_stream_open(found, 2, &place->err), 4);
    assert_string_equal(rest, "two\n");
    free(rest);
    sbc_process_info_clear(&info);
    sbc_process_free(found);
    sbc_process_free(process);
}

static void a_stream_follows_the_output_to_the_exit(void **state)
{
    in_both(state, check_stream);
}

static void check_list(struct place *place)
{
    const char *status[] = { "running" };
    struct sbc_process_query query = { .status = status, .status_count = 1, .limit = 1 };
    struct sbc_process_list list;
    struct sbc_process *first = start(place, "read x"), *second = start(place, "read y");
    assert_int_equal(sbc_process_list(place->box, &query, &list, &place->err), 0);
    assert_int_equal(list.count, 1);
    assert_string_equal(list.items[0].command, "read y");
    char *cursor = sbc_text_copy(list.cursor);
    assert_non_null(cursor);
    sbc_process_list_clear(&list);
    query.cursor = cursor;
    assert_int_equal(sbc_process_list(place->box, &query, &list, &place->err), 0);
    assert_string_equal(list.items[0].command, "read x");
    sbc_process_list_clear(&list);
    free(cursor);
    assert_null(sbc_process_get(place->box, "none", &place->err));
    assert_int_equal(place->err.status, 404);
    assert_non_null(strstr(place->err.message, "not found"));
    sbc_process_free(first);
    sbc_process_free(second);
}

static void processes_are_listed_page_by_page(void **state)
{
    in_both(state, check_list);
}

static void check_big(struct place *place)
{
    struct sbc_result result;
    struct sbc_command command = { .command = "head -c 3000000 /dev/zero | tr '\\0' x" };
    assert_int_equal(sbc_exec(place->box, &command, &result, &place->err), 0);
    assert_int_equal(result.out.size, 3000000);
    assert_int_equal(strspn(result.out.data, "x"), 3000000);
    sbc_result_clear(&result);
}

static void big_output_arrives_whole(void **state)
{
    in_both(state, check_big);
}

/* Work for one of several threads; nothing is asserted here. */
struct worker {
    struct sbc_process *process;
    bool is_good;
};

static void *wait_and_read(void *arg)
{
    struct worker *worker = arg;
    struct sbc_result result;
    struct sbc_event event;
    int events = 0;
    struct sbc_stream *stream = sbc_stream_open(worker->process, 0, NULL);
    while (stream != NULL && sbc_stream_next(stream, &event, NULL) > 0) {
        sbc_event_clear(&event);
        events++;
    }
    sbc_stream_close(stream);
    if (sbc_process_wait(worker->process, NULL, &result, NULL) == 0) {
        worker->is_good = events >= 2 && strcmp(result.out.data, "go\n") == 0;
        sbc_result_clear(&result);
    }
    return NULL;
}

static void check_threads(struct place *place)
{
    pthread_t threads[6];
    struct worker workers[6];
    struct sbc_process *process = start(place, "read line; echo $line");
    for (size_t i = 0; i < 6; i++) {
        workers[i] = (struct worker){ process, false };
        assert_int_equal(pthread_create(&threads[i], NULL, wait_and_read, &workers[i]), 0);
    }
    assert_int_equal(sbc_process_write(process, &(struct sbc_input){ "go\n", 3, SBC_TEXT, false }, &place->err), 0);
    for (size_t i = 0; i < 6; i++)
        pthread_join(threads[i], NULL);
    for (size_t i = 0; i < 6; i++)
        assert_true(workers[i].is_good);
    sbc_process_free(process);
}

static void one_handle_serves_several_threads(void **state)
{
    in_both(state, check_threads);
}

static void check_cancel(struct place *place)
{
    pthread_t thread;
    struct sbc_process *process = start(place, "read x");
    struct worker worker = { process, false };
    assert_int_equal(pthread_create(&thread, NULL, wait_and_read, &worker), 0);
    sbc_client_cancel(place->client);
    pthread_join(thread, NULL); /* or the test's deadline passes */
    assert_false(worker.is_good);
    sbc_process_free(process);
}

static void a_cancel_ends_all_waits(void **state)
{
    in_both(state, check_cancel);
}

static void check_stop(struct place *place)
{
    struct sbc_result result;
    struct sbc_sandbox_info info;
    sbc_sandbox_get_info(place->box, &info);
    assert_string_equal(info.status, "active");
    assert_int_equal(sbc_sandbox_stop(place->box, &place->err), 0);
    assert_null(sbc_sandbox_connect(place->client, info.id, &place->err));
    assert_int_equal(place->err.status, 409);
    assert_int_equal(place->err.service, SBC_RUNTIME);
    assert_int_equal(sbc_sandbox_refresh(place->box, &place->err), 0);
    assert_int_equal(sbc_exec(place->box, &(struct sbc_command){ .command = "true" }, &result, &place->err), -1);
    assert_int_equal(place->err.status, 409);
    sbc_sandbox_info_clear(&info);
}

static void a_stopped_sandbox_runs_nothing(void **state)
{
    in_both(state, check_stop);
}

static void the_readmes_example_does_what_it_says(void **state)
{
    const struct world *world = *state;
    struct spawned example;
    const char *const argv[] = { getenv("STANDBOX_README_EXAMPLE"), world->url, NULL };
    spawned_start(&example, argv);
    char *line = spawned_read_line(&example);
    assert_non_null(line);
    assert_string_equal(line, "exited 7: hello");
    free(line);
    assert_int_equal(spawned_wait(&example), 0);
}

static int start_world(void **state)
{
    static struct world world;
    world.url = spawned_server(&world.server);
    *state = &world;
    return 0;
}

static int end_world(void **state)
{
    struct world *world = *state;
    free(world->url);
    return spawned_end(&world->server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_command_runs_to_its_end),
        cmocka_unit_test(input_arrives_byte_for_byte),
        cmocka_unit_test(a_wait_has_a_limit_and_can_be_repeated),
        cmocka_unit_test(signals_and_kills_reach_the_process),
        cmocka_unit_test(a_stream_follows_the_output_to_the_exit),
        cmocka_unit_test(processes_are_listed_page_by_page),
        cmocka_unit_test(big_output_arrives_whole),
        cmocka_unit_test(one_handle_serves_several_threads),
        cmocka_unit_test(a_cancel_ends_all_waits),
        cmocka_unit_test(a_stopped_sandbox_runs_nothing),
        cmocka_unit_test(the_readmes_example_does_what_it_says),
    };
    return cmocka_run_group_tests(tests, start_world, end_world);
}
