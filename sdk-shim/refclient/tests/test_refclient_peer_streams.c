/* Connections of a CoreWeave server that go away, stall or flood: no call hangs, and the next one works. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cwc_conn_priv.h"
#include "cwc_priv.h"
#include "peer.h"

#define TIMEOUT_MS 30000
#define LATE_MS    60000 /* what ends by its limit has ended by then, however slow the machine is */
#define INITIAL_WINDOW  4
#define MAX_STREAMS     3
#define LARGEST_WINDOW  0x7fffffffu

static void in_both(void (*test)(struct site *site))
{
    for (int version = CWC_V1BETA2; version <= CWC_V1; version++) {
        struct site site;
        site_open(&site, (enum cwc_version) version, NULL, TIMEOUT_MS);
        test(&site);
        site_close(&site);
    }
}

static void check_next_works(struct site *site)
{
    struct cwc_sandbox *again = cwc_sandbox_from_id(site->client, "box", &site->err);
    if (again == NULL)
        fail_msg("%s", site->err.message);
    cwc_sandbox_free(again);
}

static void answer_nothing(struct site *site)
{
    struct sbc_buf nothing = { 0 };
    site_answer(site, "StreamExec", &nothing, PEER_STAYS);
}

/* Until the process has its call. */
static void await_call(struct cwc_process *process)
{
    int64_t until = sbc_now_ms() + 10000;
    bool has_call = false;
    while (!has_call && sbc_now_ms() < until) {
        pthread_mutex_lock(&process->lock);
        has_call = process->call != NULL;
        pthread_mutex_unlock(&process->lock);
    }
    assert_true(has_call);
}

static void check_exit(struct site *site, struct cwc_process *process, int code)
{
    struct cwc_result result;
    if (site_result(site, process, &result) < 0)
        fail_msg("%s", site->err.message);
    assert_int_equal(result.exit_code, code);
    cwc_result_clear(&result);
}

static void put_end(struct sbc_buf *out, enum cwc_version version)
{
    put_exit(out, version, 7);
    put_trailers(out, "grpc-status: 0\n");
}

/* ------------------------------------------------------------------- GOAWAY */

static void check_graceful(struct site *site)
{
    struct sbc_buf begin = { 0 }, end = { 0 };
    put_head(&begin);
    put_goaway(&begin, LARGEST_WINDOW, 0);
    put_output(&begin, site->version, CWC_STDOUT, "o");
    site_answer(site, "StreamExec", &begin, PEER_STAYS);
    struct cwc_process *process = site_exec(site, NULL);
    struct cwc_bytes piece;
    assert_int_equal(cwc_process_read(process, CWC_STDOUT, true, &piece), 1);
    cwc_bytes_clear(&piece);
    assert_int_equal(peer_connections(site->peer), 1);
    check_next_works(site);
    check_next_works(site);
    assert_int_equal(peer_connections(site->peer), 2);
    put_end(&end, site->version);
    peer_say(site->peer, "StreamExec", &end, PEER_STAYS);
    check_exit(site, process, 7);
    cwc_process_free(process);
    check_next_works(site);
    assert_int_equal(peer_connections(site->peer), 2);
}

static void started_streams_outlive_a_goaway_and_new_ones_go_elsewhere(void **state)
{
    (void) state;
    in_both(check_graceful);
}

static void check_unseen(struct site *site)
{
    static const uint32_t codes[] = { 0, 2, 11 };
    for (size_t i = 0; i < 3; i++) {
        struct sbc_buf goaway = { 0 };
        put_goaway(&goaway, 1, codes[i]);
        site_answer(site, "StreamExec", &goaway, i == 2 ? PEER_CLOSES : PEER_STAYS);
        check_next_works(site); /* on stream 1 there was another call */
        struct cwc_process *process = site_exec(site, NULL);
        assert_int_equal(site_result(site, process, NULL), -1);
        assert_int_equal(site->err.status, CWC_STATUS_UNAVAILABLE);
        cwc_process_free(process);
        check_next_works(site);
        assert_int_equal(peer_connections(site->peer), (int) i + 2);
    }
}

static void streams_behind_a_goaways_last_are_unavailable(void **state)
{
    (void) state;
    in_both(check_unseen);
}

/* The second waits for the first, which ends together with the connection: it was never sent. */
static void check_queued(enum cwc_version version)
{
    struct site site;
    struct peer_options options = { 0 };
    struct sbc_buf end = { 0 };
    put_setting(&options.hello, MAX_STREAMS, 1);
    site_open(&site, version, &options, TIMEOUT_MS);
    answer_nothing(&site);
    struct cwc_process *first = site_exec(&site, NULL);
    assert_true(peer_await_calls(site.peer, "StreamExec", 1));
    struct cwc_process *second = site_exec(&site, NULL);
    await_call(second);
    put_head(&end);
    put_goaway(&end, LARGEST_WINDOW, 0);
    put_end(&end, version);
    peer_say(site.peer, "StreamExec", &end, PEER_STAYS);
    check_exit(&site, first, 7);
    assert_int_equal(site_result(&site, second, NULL), -1);
    assert_int_equal(site.err.status, CWC_STATUS_UNAVAILABLE);
    assert_int_equal(peer_calls(site.peer, "StreamExec"), 1);
    cwc_process_free(first);
    cwc_process_free(second);
    check_next_works(&site);
    site_close(&site);
}

static void a_call_that_never_left_is_unavailable(void **state)
{
    (void) state;
    check_queued(CWC_V1BETA2);
    check_queued(CWC_V1);
}

static void one_stream_at_a_time_is_enough(void **state)
{
    (void) state;
    struct site site;
    struct peer_options options = { 0 };
    struct cwc_process *processes[5];
    put_setting(&options.hello, MAX_STREAMS, 1);
    site_open(&site, CWC_V1, &options, TIMEOUT_MS);
    for (int i = 0; i < 5; i++) {
        struct sbc_buf frames = { 0 };
        put_head(&frames);
        put_end(&frames, CWC_V1);
        site_answer(&site, "StreamExec", &frames, PEER_STAYS);
    }
    for (int i = 0; i < 5; i++)
        processes[i] = site_exec(&site, NULL);
    for (int i = 0; i < 5; i++) {
        check_exit(&site, processes[i], 7);
        cwc_process_free(processes[i]);
    }
    assert_int_equal(peer_connections(site.peer), 1);
    site_close(&site);
}

/* What waits for its turn can be given up: by its limit, and by its caller. */
static void a_call_in_the_queue_keeps_its_limit(void **state)
{
    (void) state;
    struct site site;
    struct peer_options options = { 0 };
    put_setting(&options.hello, MAX_STREAMS, 1);
    site_open(&site, CWC_V1, &options, TIMEOUT_MS);
    answer_nothing(&site);
    struct cwc_process *first = site_exec(&site, NULL);
    assert_true(peer_await_calls(site.peer, "StreamExec", 1));
    struct cwc_process *second = site_exec(&site, &(struct cwc_command){ .has_timeout = true, .timeout_s = 0.3 });
    struct cwc_process *third = site_exec(&site, NULL);
    assert_int_equal(site_result(&site, second, NULL), -1);
    assert_int_equal(site.err.kind, CWC_TIMEOUT);
    await_call(third);
    assert_true(cwc_process_cancel(third));
    cwc_process_free(third);
    cwc_process_free(second);
    assert_true(cwc_process_cancel(first));
    cwc_process_free(first);
    check_next_works(&site);
    assert_int_equal(peer_calls(site.peer, "StreamExec"), 1);
    site_close(&site);
}

/* ------------------------------------------------------------------- windows */

static void put_ready_head(struct site *site, struct sbc_buf *out)
{
    put_head(out);
    put_ready(out, site->version);
}

/* No window, and none comes: the writer waits, and goes with the process. */
static void a_window_that_never_opens_ends_with_the_limit(void **state)
{
    (void) state;
    struct site site;
    struct sbc_buf ready = { 0 };
    char *big = sbc_alloc(2 << 20, 1);
    site_open(&site, CWC_V1, NULL, TIMEOUT_MS);
    put_setting(&ready, INITIAL_WINDOW, 0); /* takes back what is left of the stream's */
    put_ready_head(&site, &ready);
    site_answer(&site, "StreamExec", &ready, PEER_STAYS);
    struct cwc_command command = { .has_stdin = true, .has_timeout = true, .timeout_s = 1 };
    struct cwc_process *process = site_exec(&site, &command);
    int64_t begun = sbc_now_ms();
    while (cwc_process_write(process, big, 2 << 20, &site.err) == 0)
        continue;
    assert_int_equal(site.err.kind, CWC_CLOSED);
    assert_int_equal(site_result(&site, process, NULL), -1);
    assert_int_equal(site.err.kind, CWC_TIMEOUT);
    assert_true(sbc_now_ms() - begun < LATE_MS);
    assert_true(peer_await_reset(site.peer, "StreamExec", 8));
    cwc_process_free(process);
    site_close(&site);
    free(big);
}

static void *cancel_when_the_writer_waits(void *arg)
{
    struct cwc_process *process = arg;
    bool is_full = false;
    for (int64_t until = sbc_now_ms() + 10000; !is_full && sbc_now_ms() < until;) {
        pthread_mutex_lock(&process->lock);
        if (process->call != NULL) {
            pthread_mutex_lock(&process->call->conn->lock);
            is_full = process->call->out.size > 1 << 20;
            pthread_mutex_unlock(&process->call->conn->lock);
        }
        pthread_mutex_unlock(&process->lock);
    }
    cwc_process_cancel(process);
    return NULL;
}

static void check_cancelled_writer(struct site *site)
{
    struct sbc_buf ready = { 0 };
    char *big = sbc_alloc(2 << 20, 1);
    pthread_t canceller;
    put_setting(&ready, INITIAL_WINDOW, 0);
    put_ready_head(site, &ready);
    site_answer(site, "StreamExec", &ready, PEER_STAYS);
    struct cwc_process *process = site_exec(site, &(struct cwc_command){ .has_stdin = true });
    assert_int_equal(pthread_create(&canceller, NULL, cancel_when_the_writer_waits, process), 0);
    while (cwc_process_write(process, big, 2 << 20, &site->err) == 0)
        continue;
    assert_int_equal(site->err.kind, CWC_CLOSED);
    pthread_join(canceller, NULL);
    assert_true(peer_await_reset(site->peer, "StreamExec", 8));
    cwc_process_free(process);
    free(big);
}

static void a_cancel_lets_a_writer_go(void **state)
{
    (void) state;
    in_both(check_cancelled_writer);
}

/* What is written before that is held, and goes all at once. */
static void await_ready(struct cwc_process *process)
{
    pthread_mutex_lock(&process->lock);
    while (!process->is_ready && !process->is_done)
        pthread_cond_wait(&process->changed, &process->lock);
    assert_true(process->is_ready);
    pthread_mutex_unlock(&process->lock);
}

/* What went out is not kept: a long input costs no more than a short one. */
static void check_long_input(struct site *site)
{
    struct sbc_buf ready = { 0 }, end = { 0 };
    size_t most = 0, total = 0;
    char *big = sbc_alloc(1 << 18, 1);
    put_ready_head(site, &ready);
    site_answer(site, "StreamExec", &ready, PEER_STAYS);
    struct cwc_process *process = site_exec(site, &(struct cwc_command){ .has_stdin = true });
    await_ready(process);
    for (; total < 32 << 20; total += 1 << 18) {
        if (cwc_process_write(process, big, 1 << 18, &site->err) < 0)
            fail_msg("%s", site->err.message);
        pthread_mutex_lock(&process->lock);
        if (process->call != NULL) {
            pthread_mutex_lock(&process->call->conn->lock);
            most = process->call->out.size > most ? process->call->out.size : most;
            pthread_mutex_unlock(&process->call->conn->lock);
        }
        pthread_mutex_unlock(&process->lock);
    }
    free(big);
    assert_true(most < 4 << 20);
    assert_true(peer_await_bytes(site->peer, "StreamExec", total));
    put_end(&end, site->version);
    peer_say(site->peer, "StreamExec", &end, PEER_STAYS);
    check_exit(site, process, 7);
    cwc_process_free(process);
}

static void long_input_is_not_kept(void **state)
{
    (void) state;
    in_both(check_long_input);
}

/* -------------------------------------------------------------------- floods */

static void put_many(struct sbc_buf *out, unsigned type, unsigned flags, const char *payload, size_t size)
{
    for (int i = 0; i < 500; i++)
        put_frame(out, type, flags, 0, payload, size);
}

static void put_pings(struct sbc_buf *out)
{
    put_many(out, PEER_PING, 0, "12345678", 8);
}

static void put_settings(struct sbc_buf *out)
{
    put_many(out, PEER_SETTINGS, 0, "", 0);
}

static void put_unknown(struct sbc_buf *out)
{
    static const char payload[16384];
    put_many(out, 0x42, 0xff, payload, sizeof payload);
}

static void put_pongs(struct sbc_buf *out)
{
    put_many(out, PEER_PING, PEER_ACK, "12345678", 8);
}

static void put_empty_data(struct sbc_buf *out)
{
    put_head(out);
    for (int i = 0; i < 500; i++)
        put_frame(out, PEER_DATA, 0, PEER_THIS, "", 0);
}

/* A head whose block never ends. */
static void put_long_block(struct sbc_buf *out)
{
    struct sbc_buf block = { 0 };
    put_block(&block, ":status: 200\n");
    put_frame(out, PEER_HEADERS, 0, PEER_THIS, block.data, block.size);
    sbc_buf_drop(&block, block.size);
    put_block(&block, "x: y\n");
    for (int i = 0; i < 5000; i++)
        put_frame(out, 9, 0, PEER_THIS, block.data, block.size);
    sbc_buf_free(&block);
}

static void (*const floods[])(struct sbc_buf *) = { put_pings, put_settings, put_unknown, put_pongs, put_empty_data,
                                                    put_long_block };

static void a_flood_does_not_outlast_a_limit(void **state)
{
    (void) state;
    for (size_t i = 0; i < sizeof floods / sizeof floods[0]; i++) {
        struct site site;
        struct sbc_buf frames = { 0 };
        site_open(&site, CWC_V1, NULL, 1500);
        floods[i](&frames);
        site_forget(&site, "Get");
        site_answer(&site, "Get", &frames, PEER_REPEATS);
        int64_t begun = sbc_now_ms();
        assert_null(cwc_sandbox_from_id(site.client, "box", &site.err));
        if (sbc_now_ms() - begun > LATE_MS)
            fail_msg("flood %zu: %lld ms", i, (long long) (sbc_now_ms() - begun));
        bool is_fit = site.err.kind == CWC_REQUEST_TIMEOUT || site.err.kind == CWC_UNAVAILABLE ||
                      site.err.kind == CWC_EXHAUSTED || site.err.status == CWC_STATUS_INTERNAL;
        if (!is_fit || !site.err.has_status)
            fail_msg("flood %zu: %s", i, site.err.message);
        site_close(&site);
    }
}

static void output_behind_the_exit_is_not_read_for_ever(void **state)
{
    (void) state;
    for (int version = CWC_V1BETA2; version <= CWC_V1; version++) {
        struct site site;
        struct sbc_buf frames = { 0 };
        site_open(&site, (enum cwc_version) version, NULL, TIMEOUT_MS);
        put_head(&frames);
        put_exit(&frames, site.version, 7);
        site_answer(&site, "StreamExec", &frames, PEER_STAYS);
        struct cwc_process *process = site_exec(&site, NULL);
        check_exit(&site, process, 7);
        struct sbc_buf more = { 0 };
        for (int i = 0; i < 10000; i++)
            put_output(&more, site.version, CWC_STDOUT, "and more");
        peer_say(site.peer, "StreamExec", &more, PEER_FLOWS);
        assert_true(peer_await_reset(site.peer, "StreamExec", 8));
        cwc_process_free(process);
        site_close(&site);
    }
}

/* ---------------------------------------------------------------------- deaf */

/* The peer gives all the window there is and then reads no more: the limit counts, and so does the client's end. */
static void check_deaf(enum cwc_version version)
{
    struct site site;
    struct peer_options options = { .keeps_window = true, .is_narrow = true };
    size_t size = 32 << 20;
    char *big = sbc_alloc(size, 1);
    put_setting(&options.hello, INITIAL_WINDOW, LARGEST_WINDOW);
    put_window(&options.hello, 0, LARGEST_WINDOW - 65535);
    site_open(&site, version, &options, 2000);
    assert_int_equal(cwc_sandbox_wait(site.box, 10, &site.err), 0);
    peer_deafen(site.peer);
    int64_t begun = sbc_now_ms();
    assert_int_equal(cwc_file_write(site.box, "/f", big, size, &site.err), -1);
    assert_int_equal(site.err.status, CWC_STATUS_DEADLINE_EXCEEDED);
    cwc_sandbox_free(site.box);
    cwc_client_free(site.client);
    assert_true(sbc_now_ms() - begun < LATE_MS);
    peer_stop(site.peer);
    cwc_error_clear(&site.err);
    free(big);
}

static void a_peer_that_reads_nothing_holds_nobody(void **state)
{
    (void) state;
    check_deaf(CWC_V1BETA2);
    check_deaf(CWC_V1);
}

/* Nothing comes at all, and what comes is no HTTP/2. */
static void greetings_that_are_none_are_told(void **state)
{
    (void) state;
    static const struct {
        const char *hello;
        enum peer_then then;
        enum cwc_status status;
    } rows[] = {
        { "", PEER_STAYS, CWC_STATUS_DEADLINE_EXCEEDED },
        { "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n", PEER_STAYS, CWC_STATUS_UNAVAILABLE },
        { "SSH-2.0-OpenSSH_9.2\r\n", PEER_STAYS, CWC_STATUS_UNAVAILABLE },
        { "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", PEER_STAYS, CWC_STATUS_UNAVAILABLE },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct cwc_error err = CWC_ERROR_INIT;
        struct peer_options options = { .is_mute = true };
        sbc_buf_add_text(&options.hello, rows[i].hello);
        struct peer *peer = peer_start(&options);
        struct cwc_client_options how = { .url = peer_url(peer), .version = CWC_V1, .timeout_ms = 1500 };
        struct cwc_client *client = cwc_client_new(&how, &err);
        assert_null(cwc_sandbox_from_id(client, "box", &err));
        if (!err.has_status || err.status != rows[i].status)
            fail_msg("row %zu: %s", i, err.message);
        cwc_error_clear(&err);
        cwc_client_free(client);
        peer_stop(peer);
    }
}

static void nobody_there_is_unavailable(void **state)
{
    (void) state;
    struct cwc_error err = CWC_ERROR_INIT;
    struct peer *peer = peer_start(NULL);
    char *url = sbc_text_copy(peer_url(peer));
    peer_stop(peer);
    struct cwc_client_options how = { .url = url, .version = CWC_V1, .timeout_ms = TIMEOUT_MS };
    struct cwc_client *client = cwc_client_new(&how, &err);
    assert_null(cwc_sandbox_create(client, &(struct cwc_sandbox_options){ 0 }, &err));
    assert_int_equal(err.kind, CWC_UNAVAILABLE);
    assert_int_equal(err.status, CWC_STATUS_UNAVAILABLE);
    cwc_error_clear(&err);
    cwc_client_free(client);
    free(url);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(started_streams_outlive_a_goaway_and_new_ones_go_elsewhere),
        cmocka_unit_test(streams_behind_a_goaways_last_are_unavailable),
        cmocka_unit_test(a_call_that_never_left_is_unavailable),
        cmocka_unit_test(one_stream_at_a_time_is_enough),
        cmocka_unit_test(a_call_in_the_queue_keeps_its_limit),
        cmocka_unit_test(a_window_that_never_opens_ends_with_the_limit),
        cmocka_unit_test(a_cancel_lets_a_writer_go),
        cmocka_unit_test(long_input_is_not_kept),
        cmocka_unit_test(a_flood_does_not_outlast_a_limit),
        cmocka_unit_test(output_behind_the_exit_is_not_read_for_ever),
        cmocka_unit_test(a_peer_that_reads_nothing_holds_nobody),
        cmocka_unit_test(greetings_that_are_none_are_told),
        cmocka_unit_test(nobody_there_is_unavailable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
