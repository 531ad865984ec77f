/* Hyperbrowser's event streams: protocol B's start, and GET .../stream (wire page §3.2). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "tests/support/hb_world.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define SSE      "text/event-stream"
#define FLOOD    "head -c 11500000 /dev/zero | tr '\\\\0' x" /* JSON-escaped; the window is 4 MiB */

static const struct cJSON *member(const struct hb_event *event, const char *name)
{
    const struct cJSON *node = cJSON_GetObjectItemCaseSensitive(event->data, name);
    if (node == NULL)
        fail_msg("no %s in %s", name, event->name);
    return node;
}

static const char *text_of(const struct hb_event *event, const char *name)
{
    const struct cJSON *node = member(event, name);
    assert_true(cJSON_IsString(node));
    return node->valuestring;
}

static int64_t int_of(const struct hb_event *event, const char *name)
{
    const struct cJSON *node = member(event, name);
    assert_true(cJSON_IsNumber(node));
    return (int64_t) node->valuedouble;
}

/* What a stream was found to hold. */
struct seen {
    struct buf out[2];
    int64_t first_seq, last_seq, outputs;
    bool gapless;
};

static void seen_fini(struct seen *seen)
{
    buf_fini(&seen->out[0]);
    buf_fini(&seen->out[1]);
}

#define SEEN __attribute__((cleanup(seen_fini))) struct seen

static void see_output(struct seen *seen, const struct hb_event *event)
{
    struct err err = ERR_INIT;
    const char *data = text_of(event, "data"), *stream = text_of(event, "stream");
    bool is_err = strcmp(stream, "stderr") == 0;
    assert_true(is_err || strcmp(stream, "stdout") == 0);
    assert_true(int_of(event, "timestamp") > 1600000000000);
    if (cJSON_HasObjectItem(event->data, "encoding")) {
        assert_string_equal(text_of(event, "encoding"), "base64");
        assert_int_equal(base64_decode(&seen->out[is_err], data, strlen(data), &err), 0);
    } else {
        buf_str(&seen->out[is_err], data);
    }
    int64_t seq = int_of(event, "seq");
    assert_true(seq > seen->last_seq);
    if (seen->outputs++ == 0)
        seen->first_seq = seq;
    else
        seen->gapless &= seq == seen->last_seq + 1;
    seen->last_seq = seq;
}

/* Checks what holds for every stream: pure ASCII, known events in order, `done` last. */
static void see(struct seen *seen, const struct hb_event *events, size_t count, bool is_start)
{
    *seen = (struct seen){ .gapless = true };
    assert_true(count > (is_start ? 1 : 0));
    assert_string_equal(events[count - 1].name, "done");
    if (is_start)
        assert_string_equal(events[0].name, "started");
    for (size_t i = is_start; i + 1 < count; i++) {
        assert_string_equal(events[i].name, "output");
        see_output(seen, &events[i]);
    }
}

static void see_answer(struct seen *seen, const struct answer *a, struct hb_event *out_done, bool is_start)
{
    size_t count;
    assert_int_equal(a->f.status, 200);
    assert_string_equal(a->f.type, SSE);
    assert_true(a->f.streamed && a->f.ended);
    for (size_t i = 0; i < a->f.body.len; i++)
        assert_true((unsigned char) a->f.body.data[i] < 0x80);
    struct hb_event *events = hb_events(a, &count);
    see(seen, events, count, is_start);
    *out_done = events[count - 1];
    hb_events_free(events, count - 1);
}

static struct answer *start_b(struct hb_world *world, const char *body)
{
    return hb_runtime_start(world, "POST", "/processes", body, SSE);
}

static struct answer *replay(struct hb_world *world, const char *id, const char *query)
{
    char rest[256];
    snprintf(rest, sizeof rest, "/processes/%s/stream%s", id, query);
    struct answer *a = hb_runtime_start(world, "GET", rest, NULL, SSE);
    hb_finish(a);
    return a;
}

/* Also of an answer that still grows. */
static void id_of(struct answer *a, char id[64])
{
    id[0] = '\0';
    pthread_mutex_lock(&a->f.lock);
    const char *at = strstr(buf_cstr(&a->f.body), "\"id\":\"");
    if (at != NULL)
        snprintf(id, 64, "%.*s", (int) strcspn(at + 6, "\""), at + 6);
    pthread_mutex_unlock(&a->f.lock);
    assert_true(id[0] != '\0');
}

/* ---- protocol B -------------------------------------------------------------------------------- */

static void start_streams_when_asked(void **state)
{
    struct hb_world *world = *state;
    struct hb_event done;
    SEEN seen;
    size_t count;
    struct answer *a = start_b(world, "{\"command\":\"printf 'o\\\\377'; echo e >&2; exit 7\"}");
    hb_finish(a);
    see_answer(&seen, a, &done, true);
    assert_memory_equal(seen.out[0].data, "o\377", 3);
    assert_string_equal(seen.out[1].data, "e\n");
    assert_true(seen.gapless && seen.first_seq == 1 && seen.last_seq == 2);
    assert_string_equal(text_of(&done, "status"), "exited");
    assert_int_equal(int_of(&done, "exit_code"), 7);
    assert_int_equal(int_of(&done, "last_seq"), 2);
    assert_true(cJSON_IsFalse(member(&done, "output_truncated")));
    assert_string_equal(text_of(&done, "stdout"), "");
    struct hb_event *events = hb_events(a, &count);
    assert_string_equal(text_of(&events[0], "status"), "running");
    assert_true(int_of(&events[0], "pid") > 0);
    assert_true(int_of(&events[0], "started_at") == int_of(&done, "started_at"));
    assert_string_equal(text_of(&events[0], "id"), text_of(&done, "id"));
    hb_events_free(events, count);
    cJSON_Delete(done.data);
}

static void only_the_accept_header_makes_it_a_stream(void **state)
{
    struct hb_world *world = *state;
    static const struct {
        const char *accept;
        bool streamed;
    } rows[] = {
        { NULL, false },
        { "*/*", false },
        { "application/json", false },
        { "text/event-stream", true },
        { "application/json, TEXT/Event-Stream;q=0.9", true },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct answer *a = hb_runtime_start(world, "POST", "/processes", "{\"command\":\"true\"}", rows[i].accept);
        hb_finish(a);
        assert_int_equal(a->f.status, 200);
        assert_int_equal(a->f.streamed, rows[i].streamed);
    }
}

static void silent_process_has_last_seq_zero(void **state)
{
    struct hb_event done;
    SEEN seen;
    struct answer *a = start_b(*state, "{\"command\":\"exit 2\"}");
    hb_finish(a);
    see_answer(&seen, a, &done, true);
    assert_int_equal(seen.outputs, 0);
    assert_int_equal(int_of(&done, "last_seq"), 0);
    cJSON_Delete(done.data);
}

static void failed_start_still_begins_with_started(void **state)
{
    struct hb_event done;
    SEEN seen;
    struct answer *a = start_b(*state, "{\"command\":\"true\",\"cwd\":\"/no/such\"}");
    hb_finish(a);
    see_answer(&seen, a, &done, true);
    assert_string_equal(text_of(&done, "status"), "failed");
    assert_non_null(strstr(text_of(&done, "error"), "/no/such"));
    cJSON_Delete(done.data);
}

static void refusals_come_before_the_stream(void **state)
{
    struct hb_world *world = *state;
    struct answer *a = start_b(world, "{\"command\":\"\"}");
    hb_finish(a);
    hb_assert_refused(a, 400, "invalid_request");
    assert_false(a->f.streamed);
    hb_assert_refused(replay(world, "proc_unknown", ""), 404, "process_not_found");
    const char *id = hb_text(hb_exec(world, "true"), "result/id");
    hb_assert_refused(replay(world, id, "?from_seq=x"), 400, "invalid_request");
}

static void events_arrive_while_the_process_runs(void **state)
{
    struct hb_world *world = *state;
    struct hb_event done;
    SEEN seen;
    char id[64];
    struct answer *a = start_b(world, "{\"command\":\"while read l; do echo got:$l; done\"}");
    assert_true(fake_exchange_await(&a->f, "event: started", 30));
    id_of(a, id);
    hb_post(world, id, "stdin", "{\"data\":\"1\\n\"}");
    assert_true(fake_exchange_await(&a->f, "Z290OjEK", 30)); /* got:1 */
    hb_post(world, id, "stdin", "{\"data\":\"2\\n\",\"eof\":true}");
    hb_finish(a);
    see_answer(&seen, a, &done, true);
    assert_string_equal(seen.out[0].data, "got:1\ngot:2\n");
    cJSON_Delete(done.data);
}

static void disconnect_does_not_kill(void **state)
{
    struct hb_world *world = *state;
    char id[64], rest[128];
    struct answer *a = start_b(world, "{\"command\":\"echo up; read l; echo went on\"}");
    assert_true(fake_exchange_await(&a->f, "dXAK", 30));
    fake_exchange_hang_up(&a->f);
    hb_finish(a);
    assert_false(a->f.ended);
    id_of(a, id);
    snprintf(rest, sizeof rest, "/processes/%s", id);
    assert_string_equal(hb_text(hb_runtime(world, "GET", rest, NULL), "process/status"), "running");
    hb_post(world, id, "stdin", "{\"data\":\"\\n\"}");
    assert_string_equal(hb_text(hb_post(world, id, "wait", "{}"), "result/stdout"), "up\nwent on\n");
}

/* A reader that is slower than the process, over more output than is kept without readers. */
static void flood_arrives_whole_at_a_slow_reader(void **state)
{
    struct hb_world *world = *state;
    struct hb_event done;
    SEEN seen;
    world->settings.replay_window_bytes = 65536;
    hb_world_remake_dialect(world);
    hb_world_new_sandbox(world);
    struct answer *a = hb_runtime_start(world, "POST", "/processes",
                                        "{\"command\":\"echo up; read l; seq 1 1000000; echo end >&2\"}", SSE);
    assert_true(fake_exchange_await(&a->f, "dXAK", 30));
    char id[64];
    id_of(a, id);
    fake_exchange_set_slow(&a->f, true);
    hb_post(world, id, "stdin", "{\"data\":\"\\n\"}");
    hb_post(world, id, "wait", "{}");
    fake_exchange_set_slow(&a->f, false);
    hb_finish(a);
    see_answer(&seen, a, &done, true);
    assert_true(seen.gapless);
    assert_int_equal(seen.out[0].len, 3 + 6888896);
    assert_string_equal(seen.out[0].data + seen.out[0].len - 15, "999999\n1000000\n");
    assert_string_equal(seen.out[1].data, "end\n");
    /* Far fewer writes than events would need one by one. */
    assert_true(a->f.writes < 200);
    cJSON_Delete(done.data);
}

static void reader_that_loses_output_is_told(void **state)
{
    world_config.log_limit_bytes = 1024 * 1024;
    hb_world_setup(state);
    struct hb_world *world = *state;
    struct answer *a = start_b(world, "{\"command\":\"echo up; read l; seq 1 1000000\"}");
    assert_true(fake_exchange_await(&a->f, "dXAK", 30));
    char id[64];
    id_of(a, id);
    fake_exchange_set_slow(&a->f, true);
    hb_post(world, id, "stdin", "{\"data\":\"\\n\"}");
    hb_post(world, id, "wait", "{}");
    fake_exchange_set_slow(&a->f, false);
    hb_finish(a);
    size_t count;
    struct hb_event *events = hb_events(a, &count);
    assert_string_equal(events[count - 1].name, "error");
    assert_string_equal(text_of(&events[count - 1], "code"), "output_truncated");
    assert_true(strlen(text_of(&events[count - 1], "error")) > 0);
    hb_events_free(events, count);
}

static void quiet_stream_gets_signs_of_life(void **state)
{
    struct hb_world *world = *state;
    struct hb_event done;
    SEEN seen;
    world->settings.keepalive_ms = 20;
    hb_world_remake_dialect(world);
    hb_world_new_sandbox(world);
    struct answer *a = start_b(world, "{\"command\":\"read l; echo late\"}");
    assert_true(fake_exchange_await(&a->f, ": keepalive\n\n: keepalive\n\n", 30));
    char id[64];
    id_of(a, id);
    hb_post(world, id, "stdin", "{\"eof\":true}");
    hb_finish(a);
    see_answer(&seen, a, &done, true);
    assert_string_equal(seen.out[0].data, "late\n");
    cJSON_Delete(done.data);
}

/* ---- GET .../stream -------------------------------------------------------------------------------- */

static void replay_after_the_end_is_the_same_every_time(void **state)
{
    struct hb_world *world = *state;
    struct hb_event done;
    SEEN seen;
    const char *id = hb_text(hb_exec(world, "echo a; echo b >&2; exit 5"), "result/id");
    struct answer *first = replay(world, id, "");
    struct answer *again = replay(world, id, "?from_seq=0");
    assert_string_equal(first->f.body.data, again->f.body.data);
    assert_string_equal(first->f.body.data, replay(world, id, "?from_seq=-3")->f.body.data);
    assert_string_equal(first->f.body.data, replay(world, id, "?from_seq=1")->f.body.data);
    see_answer(&seen, first, &done, false);
    assert_string_equal(seen.out[0].data, "a\n");
    assert_string_equal(seen.out[1].data, "b\n");
    assert_string_equal(text_of(&done, "stdout"), "a\n");
    assert_string_equal(text_of(&done, "stderr"), "b\n");
    assert_int_equal(int_of(&done, "exit_code"), 5);
    assert_null(strstr(first->f.body.data, "base64"));
    cJSON_Delete(done.data);
}

/* One event a turn, because the process waits between them. */
static void start_turns(struct hb_world *world, const char *command, const char *const *marks, size_t turns,
                        char id[64])
{
    hb_start(world, command, id);
    char rest[128];
    snprintf(rest, sizeof rest, "/processes/%s/stream", id);
    struct answer *watch = hb_runtime_start(world, "GET", rest, NULL, NULL);
    for (size_t i = 0; i < turns; i++) {
        if (!fake_exchange_await(&watch->f, marks[i], 30))
            fail_msg("\"%s\" never came", marks[i]);
        hb_post(world, id, "stdin", "{\"data\":\"\\n\"}");
    }
    hb_finish(watch);
}

static void from_seq_is_inclusive(void **state)
{
    struct hb_world *world = *state;
    static const char *const marks[] = { "\"1\\n\"", "\"2\\n\"", "\"3\\n\"", "\"4\\n\"" };
    char id[64];
    start_turns(world, "for i in 1 2 3 4; do echo $i; read l; done", marks, 4, id);
    static const struct {
        const char *query, *text;
        int64_t first;
    } rows[] = {
        { "?from_seq=1", "1\n2\n3\n4\n", 1 },
        { "?from_seq=3", "3\n4\n", 3 },
        { "?from_seq=4", "4\n", 4 },
        { "?from_seq=5", "", 0 },
        { "?from_seq=9223372036854775807", "", 0 },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct hb_event done;
        SEEN seen;
        see_answer(&seen, replay(world, id, rows[i].query), &done, false);
        assert_string_equal(buf_cstr(&seen.out[0]), rows[i].text);
        assert_int_equal(seen.first_seq, rows[i].first);
        cJSON_Delete(done.data);
    }
}

static void characters_are_not_cut(void **state)
{
    struct hb_world *world = *state;
    static const char *const marks[] = { "\"go\"", "\"?\"" };
    char id[64];
    /* E2 82 | (stderr ?) | AC !, and at the very end an F0 9F without the rest */
    start_turns(world, "printf 'go\\342\\202'; read l; printf '?' >&2; read l; printf '\\254!\\360\\237'", marks, 2,
                id);
    static const struct {
        const char *query, *text;
        int64_t first;
    } rows[] = {
        { "", "go\xE2\x82\xAC!\xEF\xBF\xBD", 1 },
        /* Behind the first event: what it held back comes now. */
        { "?from_seq=2", "\xE2\x82\xAC!\xEF\xBF\xBD", 2 },
        { "?from_seq=3", "\xE2\x82\xAC!\xEF\xBF\xBD", 3 },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct hb_event done;
        SEEN seen;
        see_answer(&seen, replay(world, id, rows[i].query), &done, false);
        assert_string_equal(buf_cstr(&seen.out[0]), rows[i].text);
        assert_int_equal(seen.first_seq, rows[i].first);
        assert_true(seen.gapless);
        assert_string_equal(text_of(&done, "stdout"), "go\xE2\x82\xAC!\xEF\xBF\xBD");
        cJSON_Delete(done.data);
    }
}

static void halves_on_both_streams_come_at_the_end(void **state)
{
    struct hb_world *world = *state;
    struct hb_event done;
    SEEN seen;
    const char *id = hb_text(hb_exec(world, "printf '\\303' >&2; printf '\\303'"), "result/id");
    see_answer(&seen, replay(world, id, ""), &done, false);
    assert_string_equal(buf_cstr(&seen.out[0]), "\xEF\xBF\xBD");
    assert_string_equal(buf_cstr(&seen.out[1]), "\xEF\xBF\xBD");
    assert_true(seen.gapless && seen.first_seq == 1 && seen.last_seq == 2);
    cJSON_Delete(done.data);
}

static void replay_window_expires(void **state)
{
    struct hb_world *world = *state;
    struct hb_event done;
    SEEN seen;
    char query[64];
    struct answer *exec = hb_runtime(world, "POST", "/exec", "{\"command\":\"" FLOOD "; echo the-end\"}");
    const char *id = hb_text(exec, "result/id");
    size_t shown = strlen(hb_text(exec, "result/stdout"));
    assert_true(shown > 3u << 20 && shown <= 4u << 20);
    assert_true(cJSON_IsTrue(hb_at(exec, "result/output_truncated")));

    struct answer *gone = replay(world, id, "?from_seq=1");
    hb_assert_refused(gone, 410, "replay_window_expired");
    assert_non_null(strstr(hb_text(gone, "message"), "Replay window expired"));

    see_answer(&seen, replay(world, id, ""), &done, false);
    assert_true(seen.gapless);
    assert_true(seen.out[0].len > 3u << 20 && seen.out[0].len <= 4u << 20);
    assert_string_equal(seen.out[0].data + seen.out[0].len - 9, "xthe-end\n");
    /* Where it began is the oldest that may be asked for. */
    snprintf(query, sizeof query, "?from_seq=%lld", (long long) seen.first_seq);
    assert_int_equal(replay(world, id, query)->f.status, 200);
    snprintf(query, sizeof query, "?from_seq=%lld", (long long) seen.first_seq - 1);
    hb_assert_refused(replay(world, id, query), 410, "replay_window_expired");
    cJSON_Delete(done.data);
}

static void window_holds_also_while_a_reader_keeps_more(void **state)
{
    struct hb_world *world = *state;
    struct answer *a = start_b(world, "{\"command\":\"" FLOOD "; echo end >&2; read l\"}");
    assert_true(fake_exchange_await(&a->f, "ZW5kCg==", 60));
    char id[64];
    id_of(a, id);
    hb_assert_refused(replay(world, id, "?from_seq=1"), 410, "replay_window_expired");
    hb_post(world, id, "stdin", "{\"eof\":true}");
    hb_finish(a);
}

static void several_readers_get_everything(void **state)
{
    struct hb_world *world = *state;
    char id[64], rest[128];
    struct answer *readers[4];
    hb_start(world, "read l; seq 1 20000", id);
    snprintf(rest, sizeof rest, "/processes/%s/stream", id);
    for (size_t i = 0; i < COUNT(readers); i++)
        readers[i] = hb_runtime_start(world, "GET", rest, NULL, NULL);
    hb_post(world, id, "stdin", "{\"data\":\"\\n\"}");
    for (size_t i = 0; i < COUNT(readers); i++) {
        struct hb_event done;
        SEEN seen;
        hb_finish(readers[i]);
        see_answer(&seen, readers[i], &done, false);
        assert_int_equal(seen.out[0].len, 108894);
        assert_true(seen.gapless);
        cJSON_Delete(done.data);
    }
}

#define WITH(name) cmocka_unit_test_setup_teardown(name, hb_world_setup, hb_world_teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        WITH(start_streams_when_asked),
        WITH(only_the_accept_header_makes_it_a_stream),
        WITH(silent_process_has_last_seq_zero),
        WITH(failed_start_still_begins_with_started),
        WITH(refusals_come_before_the_stream),
        WITH(events_arrive_while_the_process_runs),
        WITH(disconnect_does_not_kill),
        WITH(flood_arrives_whole_at_a_slow_reader),
        cmocka_unit_test_teardown(reader_that_loses_output_is_told, hb_world_teardown),
        WITH(quiet_stream_gets_signs_of_life),
        WITH(replay_after_the_end_is_the_same_every_time),
        WITH(from_seq_is_inclusive),
        WITH(characters_are_not_cut),
        WITH(halves_on_both_streams_come_at_the_end),
        WITH(replay_window_expires),
        WITH(window_holds_also_while_a_reader_keeps_more),
        WITH(several_readers_get_everything),
    };
    return world_run_modes("hyperbrowser stream", tests, COUNT(tests));
}
