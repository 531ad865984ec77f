/* The CoreWeave client against a real standbox-mockserver ($STANDBOX_MOCKSERVER), on both wire versions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <cjson/cJSON.h>

#include "sbc_text.h"
#include "spawned.h"
#include "standbox_coreweave.h"

struct world {
    struct spawned server;
    char *url;
};

struct place {
    struct cwc_client *client;
    struct cwc_sandbox *box;
    struct cwc_error err;
};

static void open_place(struct place *place, const struct world *world, enum cwc_version version)
{
    struct cwc_client_options options = { .url = world->url, .api_key = "test", .version = version };
    *place = (struct place){ .err = CWC_ERROR_INIT };
    place->client = cwc_client_new(&options, &place->err);
    assert_non_null(place->client);
    place->box = cwc_sandbox_create(place->client, &(struct cwc_sandbox_options){ 0 }, &place->err);
    assert_non_null(place->box);
}

static void close_place(struct place *place)
{
    cwc_sandbox_stop(place->box, 0, true, NULL);
    cwc_sandbox_free(place->box);
    cwc_client_free(place->client);
    cwc_error_clear(&place->err);
}

static void in_both(void **state, void (*test)(struct place *place))
{
    for (int version = CWC_V1BETA2; version <= CWC_V1; version++) {
        struct place place;
        open_place(&place, *state, (enum cwc_version) version);
        test(&place);
        close_place(&place);
    }
}

/* `line` goes to a shell. */
static struct cwc_process *start(struct place *place, const char *line, struct cwc_command *options)
{
    const char *argv[] = { "/bin/sh", "-c", line };
    struct cwc_command command = options != NULL ? *options : (struct cwc_command){ 0 };
    command.argv = argv;
    command.argc = 3;
    struct cwc_process *process = cwc_exec(place->box, &command, &place->err);
    assert_non_null(process);
    return process;
}

/* ------------------------------------------------------------------- results */

static void check_result(struct place *place)
{
    struct cwc_result result;
    struct cwc_process *process = start(place, "echo out; echo no >&2; printf '\\377'; exit 7", NULL);
    assert_int_equal(cwc_process_result(process, 60, &result, &place->err), 0);
    assert_int_equal(result.exit_code, 7);
    assert_string_equal(result.text, "out\n\xEF\xBF\xBD");
    assert_string_equal(result.err_text, "no\n");
    assert_int_equal(result.out.size, 5);
    cwc_result_clear(&result);
    cwc_process_free(process);
}

static void a_command_gives_both_streams_and_its_code(void **state)
{
    in_both(state, check_result);
}

static void check_options(struct place *place)
{
    struct cwc_result result;
    struct cwc_command command = { .cwd = "/tmp" };
    struct cwc_process *process = start(place, "pwd", &command);
    assert_int_equal(cwc_process_result(process, 60, &result, &place->err), 0);
    assert_string_equal(result.text, "/tmp\n");
    cwc_result_clear(&result);
    cwc_process_free(process);
    command = (struct cwc_command){ .check = true };
    process = start(place, "exit 3", &command);
    assert_int_equal(cwc_process_result(process, 60, &result, &place->err), -1);
    assert_int_equal(place->err.kind, CWC_CHECK);
    assert_int_equal(place->err.result->exit_code, 3);
    cwc_process_free(process);
    command = (struct cwc_command){ .cwd = "tmp" };
    assert_null(cwc_exec(place->box, &command, &place->err));
    assert_int_equal(place->err.kind, CWC_ARGUMENT);
}

static void cwd_and_check_are_the_clients(void **state)
{
    in_both(state, check_options);
}

/* --------------------------------------------------------------------- input */

static void check_input(struct place *place)
{
    struct cwc_result result;
    struct cwc_command command = { .has_stdin = true };
    char *big = sbc_alloc(200000, 1);
    memset(big, 'x', 199999);
    struct cwc_process *process = start(place, "wc -c", &command);
    assert_int_equal(cwc_process_write(process, big, 199999, &place->err), 0);
    assert_int_equal(cwc_process_write(process, "\0", 1, &place->err), 0);
    assert_int_equal(cwc_process_close_stdin(process, &place->err), 0);
    assert_int_equal(cwc_process_result(process, 60, &result, &place->err), 0);
    assert_string_equal(result.text, "200000\n");
    assert_int_equal(cwc_process_write(process, "x", 1, &place->err), -1);
    assert_int_equal(place->err.kind, CWC_CLOSED);
    cwc_result_clear(&result);
    cwc_process_free(process);
    free(big);
}

static void input_arrives_byte_for_byte(void **state)
{
    in_both(state, check_input);
}

/* -------------------------------------------------------------------- cancel */

static void check_cancel(struct place *place)
{
    struct cwc_bytes piece;
    int exit_code;
    struct cwc_process *process = start(place, "echo first; exec sleep 600", NULL);
    assert_int_equal(cwc_process_read(process, CWC_STDOUT, true, &piece), 1);
    assert_string_equal(piece.data, "first\n");
    cwc_bytes_clear(&piece);
    assert_int_equal(cwc_process_result(process, 0, NULL, &place->err), -1);
    assert_int_equal(place->err.kind, CWC_WAIT_TIMEOUT);
    assert_true(cwc_process_cancel(process));
    assert_false(cwc_process_cancel(process));
    assert_int_equal(cwc_process_read(process, CWC_STDOUT, true, &piece), 0);
    assert_int_equal(cwc_process_poll(process, &exit_code), 0);
    assert_int_equal(cwc_process_result(process, CWC_FOREVER, NULL, &place->err), -1);
    assert_int_equal(place->err.kind, CWC_CANCELLED);
    cwc_process_free(process);
}

static void a_cancel_ends_readers_and_waits(void **state)
{
    in_both(state, check_cancel);
}

/* -------------------------------------------------------------- files, stop */

static void check_files(struct place *place)
{
    struct cwc_bytes data;
    assert_int_equal(cwc_file_write(place->box, "/tmp/f", "a\0b", 3, &place->err), 0);
    assert_int_equal(cwc_file_read(place->box, "/tmp/f", &data, &place->err), 0);
    assert_int_equal(data.size, 3);
    assert_memory_equal(data.data, "a\0b", 3);
    cwc_bytes_clear(&data);
    assert_int_equal(cwc_file_read(place->box, "/tmp/missing", &data, &place->err), -1);
    assert_int_equal(place->err.kind, CWC_FILE);
    assert_int_equal(cwc_sandbox_stop(place->box, 0, false, &place->err), 0);
    struct cwc_process *process = start(place, "true", NULL);
    assert_int_equal(cwc_process_result(process, 60, NULL, &place->err), -1);
    assert_int_equal(place->err.kind, CWC_NOT_RUNNING);
    cwc_process_free(process);
}

static void files_come_back_whole_and_a_stopped_sandbox_takes_no_command(void **state)
{
    in_both(state, check_files);
}

/* ------------------------------------------------------------------- fixtures */

static int start_world(void **state)
{
    static struct world world;
    const char *const argv[] = { getenv("STANDBOX_MOCKSERVER"), "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0",
                                 "--max-streams", "64", NULL };
    spawned_start(&world.server, argv);
    char *line = spawned_read_line(&world.server);
    assert_non_null(line);
    cJSON *ready = cJSON_Parse(line);
    world.url = sbc_text_copy(cJSON_GetObjectItem(ready, "grpc")->valuestring);
    cJSON_Delete(ready);
    free(line);
    *state = &world;
    return 0;
}

static int stop_world(void **state)
{
    struct world *world = *state;
    free(world->url);
    return spawned_end(&world->server) == 0 ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_command_gives_both_streams_and_its_code),
        cmocka_unit_test(cwd_and_check_are_the_clients),
        cmocka_unit_test(input_arrives_byte_for_byte),
        cmocka_unit_test(a_cancel_ends_readers_and_waits),
        cmocka_unit_test(files_come_back_whole_and_a_stopped_sandbox_takes_no_command),
    };
    return cmocka_run_group_tests(tests, start_world, stop_world);
}
