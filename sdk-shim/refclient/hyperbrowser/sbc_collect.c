/*
 * Protocol B: the answer to a start is the stream of all that the process writes, and of its end.  A thread of the
 * library reads it into process->output, whoever looks at that.
 */
#include "sbc_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cjson/cJSON.h>

#include "sbc_mutants.h"

#define BYTES_PER_EVENT 4 /* events that may be kept: one for so many bytes of the limit, and some */
#define SOME_EVENTS     1024

/* ------------------------------------------------------------------ events */

static int break_off(struct sbc_process *process, enum sbc_error_kind kind, const char *why)
{
    struct sbc_output *output = &process->output;
    int64_t last_seq = output->count > 0 ? output->pieces[output->count - 1].seq : 0;
    return sbc_error_broken_stream(&output->error, kind, process->id, last_seq, "%s", why);
}

static bool is_over_limit(const struct sbc_process *process)
{
    size_t limit = process->output.limit;
    if (SBC_MUTANT(output_limit_ignored))
        return false;
    if (SBC_MUTANT(output_limit_reached_is_over))
        limit--;
    return process->output.bytes.size > limit || process->output.count >= limit / BYTES_PER_EVENT + SOME_EVENTS;
}

static void keep_piece(struct sbc_output *output, const struct sbc_piece *piece)
{
    if (output->count == output->room) {
        size_t room = output->room * 2 + 16;
        struct sbc_piece *grown = sbc_alloc(room, sizeof *grown);
        if (output->count > 0)
            memcpy(grown, output->pieces, output->count * sizeof *grown);
        free(output->pieces);
        output->pieces = grown;
        output->room = room;
    }
    output->pieces[output->count++] = *piece;
}

static int take_output(struct sbc_process *process, struct sbc_reader *reader)
{
    struct sbc_output *output = &process->output;
    size_t before = output->bytes.size;
    int64_t last_seq = output->count > 0 ? output->pieces[output->count - 1].seq : 0;
    struct sbc_piece piece = sbc_read_output(reader, &output->bytes);
    SBC_MUTATE(sbc_mutants_piece(&output->bytes, &piece));
    const char *problem = reader->problem[0] != '\0' ? reader->problem : NULL;
    if (problem == NULL && piece.seq != last_seq + 1 && !SBC_MUTANT(seq_gap_accepted))
        problem = "the output has a gap: its numbers do not grow by one";
    bool is_over = is_over_limit(process);
    if (problem == NULL && !is_over) {
        keep_piece(output, &piece);
        return 0;
    }
    output->bytes.size = before;
    return problem != NULL ? break_off(process, SBC_INCOMPLETE, problem)
                           : break_off(process, SBC_OUTPUT_LIMIT, "the output is more than is collected");
}

/* The end counts only when it says that we have seen everything. */
static const char *check_end(struct sbc_reader *reader, const struct sbc_output *output)
{
    int64_t last_seq = -1, seen = output->count > 0 ? output->pieces[output->count - 1].seq : 0;
    sbc_reader_integer(reader, "last_seq", true, &last_seq);
    if (SBC_MUTANT(last_seq_ignored))
        return NULL;
    if (reader->problem[0] != '\0')
        return reader->problem;
    if (last_seq != seen)
        return "the output is incomplete: its last number is not the last one that came";
    return output->result.is_truncated ? "the output is incomplete: the server says so" : NULL;
}

static int take_done(struct sbc_process *process, struct sbc_reader *reader)
{
    struct sbc_output *output = &process->output;
    sbc_read_result(reader, false, &output->result);
    const char *problem = reader->problem[0] != '\0' ? reader->problem : check_end(reader, output);
    if (problem == NULL && !sbc_read_is_final(output->result.status))
        problem = "the stream is at its end, and the process still runs";
    if (problem != NULL)
        return break_off(process, SBC_INCOMPLETE, problem);
    SBC_MUTATE(sbc_mutants_done(output));
    output->has_result = true;
    sbc_process_settle(process, &output->result);
    return 0;
}

static int take_error(struct sbc_process *process, struct sbc_reader *reader)
{
    if (SBC_MUTANT(error_event_ignored))
        return 0;
    char *said = sbc_reader_text(reader, "error", false), *code = sbc_reader_text(reader, "code", false);
    break_off(process, SBC_INCOMPLETE, said != NULL ? said : "the stream failed");
    if (code != NULL) {
        free(process->output.error.code);
        process->output.error.code = sbc_text_copy(code);
    }
    free(said);
    free(code);
    return -1;
}

/* Unknown events are none of our business. */
static int take_event(struct sbc_process *process, const struct sbc_sse_event *event)
{
    static const struct {
        const char *name;
        int (*take)(struct sbc_process *, struct sbc_reader *);
    } known[] = { { "output", take_output }, { "done", take_done }, { "error", take_error } };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(event->name, known[i].name) != 0)
            continue;
        cJSON *data = sbc_json_parse(event->data, event->size);
        struct sbc_reader reader;
        sbc_reader_init(&reader, data, known[i].name);
        int failed = known[i].take(process, &reader);
        cJSON_Delete(data);
        return failed;
    }
    return SBC_MUTANT(unknown_event_raises) ? break_off(process, SBC_INCOMPLETE, "unknown event") : 0;
}

/* ------------------------------------------------------------------ thread */

static bool is_over(const struct sbc_output *output)
{
    return output->has_result || output->error.kind != SBC_OK;
}

/* All whole events that are there; false when that was the end. */
static bool take_events(struct sbc_process *process)
{
    struct sbc_sse_event event;
    int got = 0;
    pthread_mutex_lock(&process->lock);
    while (!is_over(&process->output) && (got = sbc_sse_next(&process->sse, &event)) > 0)
        take_event(process, &event);
    if (got < 0)
        break_off(process, SBC_OUTPUT_LIMIT, "an event is longer than is taken");
    bool goes_on = !is_over(&process->output);
    pthread_cond_broadcast(&process->changed);
    pthread_mutex_unlock(&process->lock);
    return goes_on;
}

static void end_early(struct sbc_process *process, const struct sbc_error *why)
{
    pthread_mutex_lock(&process->lock);
    if (!is_over(&process->output)) {
        if (why->kind == SBC_OK)
            break_off(process, SBC_INCOMPLETE, "the stream ended before the process's end");
        else
            break_off(process, SBC_INCOMPLETE, why->message);
        SBC_MUTATE(sbc_mutants_pretend_exited(process));
    }
    pthread_cond_broadcast(&process->changed);
    pthread_mutex_unlock(&process->lock);
}

static void *collect(void *arg)
{
    struct sbc_process *process = arg;
    struct sbc_http *http = process->http; /* ours; the field is there to cancel it */
    struct sbc_error err = SBC_ERROR_INIT;
    struct sbc_buf chunk = { 0 };
    while (take_events(process)) {
        chunk.size = 0;
        if (sbc_http_read(http, sbc_now_ms() + process->sandbox->client->idle_ms, &chunk, &err) <= 0) {
            end_early(process, &err);
            break;
        }
        sbc_sse_feed(&process->sse, chunk.data, chunk.size);
    }
    pthread_mutex_lock(&process->lock);
    process->http = NULL;
    pthread_mutex_unlock(&process->lock);
    sbc_http_close(http);
    sbc_buf_free(&chunk);
    sbc_error_clear(&err);
    return NULL;
}

/* ------------------------------------------------------------------- start */

/* The first event that is no sign of life. */
static int read_first(struct sbc_http *http, struct sbc_sse *sse, int64_t idle_ms, struct sbc_sse_event *out_event,
                      struct sbc_error *err)
{
    for (;;) {
        int got = sbc_sse_next(sse, out_event);
        if (got < 0)
            return sbc_client_refuse(err, SBC_RUNTIME, true, "its first event is longer than is taken");
        if (got > 0 && strcmp(out_event->name, "keepalive") != 0)
            return 0;
        if (got > 0)
            continue;
        struct sbc_buf chunk = { 0 };
        int read = sbc_http_read(http, sbc_now_ms() + idle_ms, &chunk, err);
        if (read > 0)
            sbc_sse_feed(sse, chunk.data, chunk.size);
        sbc_buf_free(&chunk);
        if (read == 0)
            return sbc_client_refuse(err, SBC_RUNTIME, true, "the stream ended before it began");
        if (read < 0)
            return -1;
    }
}

/* What was started. */
static int read_started(struct sbc_http *http, struct sbc_sse *sse, int64_t idle_ms, struct sbc_process_info *out_info,
                        struct sbc_error *err)
{
    struct sbc_sse_event event;
    if (read_first(http, sse, idle_ms, &event, err) < 0)
        return -1;
    if (strcmp(event.name, "started") != 0)
        return sbc_client_refuse(err, SBC_RUNTIME, true, "its first event is not \"started\"");
    cJSON *data = sbc_json_parse(event.data, event.size);
    struct sbc_reader reader;
    sbc_reader_init(&reader, data, "started");
    sbc_read_info(&reader, out_info);
    cJSON_Delete(data);
    return reader.problem[0] == '\0' ? 0 : sbc_client_refuse(err, SBC_RUNTIME, true, reader.problem);
}

static void refuse_type(struct sbc_http *http, struct sbc_error *err)
{
    struct sbc_buf none = { 0 };
    struct sbc_answer answer = sbc_http_answer(http, &none);
    sbc_error_set(err, SBC_UNSUPPORTED, "the server does not stream starts: it answered with %s; the process may run",
                  sbc_http_content_type(http)[0] != '\0' ? sbc_http_content_type(http) : "no content type");
    if (err != NULL) {
        err->service = SBC_RUNTIME;
        err->code = sbc_text_copy("streaming_not_supported");
        err->request_id = sbc_text_copy(answer.request_id);
        err->is_definite = false;
    }
}

static struct sbc_process *begin(struct sbc_sandbox *box, struct sbc_http *http, struct sbc_sse *sse,
                                 struct sbc_process_info *info, size_t limit, struct sbc_error *err)
{
    char *id = sbc_text_copy(info->id);
    struct sbc_process *process = sbc_process_make(box, id, info);
    free(id);
    process->is_collected = true;
    process->http = http;
    process->sse = *sse;
    process->output.limit = limit;
    int failed = pthread_create(&process->thread, NULL, collect, process);
    if (failed == 0)
        return process;
    sbc_error_broken_stream(err, SBC_INCOMPLETE, process->id, 0, "no thread: %s", strerror(failed));
    process->is_collected = false; /* there is nothing to join */
    sbc_sse_free(&process->sse);
    sbc_http_close(http);
    sbc_process_free(process);
    return NULL;
}

struct sbc_process *sbc_collect_start(struct sbc_sandbox *sandbox, const struct cJSON *body, size_t limit,
                                      struct sbc_error *err)
{
    struct sbc_client *client = sandbox->client;
    struct sbc_route route = { "POST", "/processes", body, true, true };
    struct sbc_http *http = sbc_runtime_open(sandbox, &route, sbc_now_ms() + client->timeout_ms, err);
    if (http == NULL)
        return NULL;
    struct sbc_sse sse;
    struct sbc_process_info info;
    sbc_sse_init(&sse, client->answer_bytes);
    if (SBC_MUTANT(json_start_is_success) && !sbc_http_is_event_stream(http)) {
        sbc_sse_free(&sse);
        return SBC_MUTANTS_ASK(sbc_mutants_take_json(sandbox, http, err));
    }
    if (!sbc_http_is_event_stream(http))
        refuse_type(http, err);
    else if (read_started(http, &sse, client->idle_ms, &info, err) == 0 ||
             SBC_MUTANTS_ASK(sbc_mutants_makes_up_start(&info, err)))
        return begin(sandbox, http, &sse, &info, limit, err);
    sbc_sse_free(&sse);
    sbc_http_close(http);
    return NULL;
}

/* -------------------------------------------------------------------- wait */

static struct timespec deadline_of(const struct sbc_limit *limit)
{
    double ms = limit->timeout_s > 0 ? limit->timeout_s * 1000 : (double) limit->timeout_ms;
    int64_t end = sbc_now_ms() + (ms < 1e15 ? (int64_t) ms : (int64_t) 1e15);
    return (struct timespec){ end / 1000, end % 1000 * 1000000 };
}

void sbc_collect_copy_result(struct sbc_process *process, struct sbc_result *out_result)
{
    struct sbc_buf streams[2] = { { 0 }, { 0 } }; /* what the system says goes to stderr */
    const struct sbc_output *output = &process->output;
    for (size_t i = 0; i < output->count; i++) {
        const struct sbc_piece *piece = &output->pieces[i];
        sbc_buf_add(&streams[piece->type != SBC_STDOUT], output->bytes.data + piece->from, piece->size);
    }
    sbc_read_copy_result(out_result, &output->result);
    struct sbc_bytes *const to[2] = { &out_result->out, &out_result->err };
    for (size_t i = 0; i < 2; i++) {
        free(to[i]->data);
        to[i]->size = streams[i].size;
        to[i]->data = sbc_buf_take(&streams[i]);
    }
    SBC_MUTATE(sbc_mutants_result(out_result));
}

/* True when something is settled, false when the time is up. */
static bool await_end(struct sbc_process *process, const struct sbc_limit *limit)
{
    bool has_limit = limit != NULL && (limit->timeout_ms > 0 || limit->timeout_s > 0);
    struct timespec until = has_limit ? deadline_of(limit) : (struct timespec){ 0 };
    int waited = 0;
    while (!is_over(&process->output) && waited != ETIMEDOUT)
        waited = has_limit ? pthread_cond_timedwait(&process->changed, &process->lock, &until)
                           : pthread_cond_wait(&process->changed, &process->lock);
    return is_over(&process->output);
}

int sbc_collect_wait(struct sbc_process *process, const struct sbc_limit *limit, struct sbc_result *out_result,
                     struct sbc_error *err)
{
    pthread_mutex_lock(&process->lock);
    bool is_settled = await_end(process, limit);
    bool has_result = process->output.has_result;
    if (has_result)
        sbc_collect_copy_result(process, out_result);
    else if (sbc_http_pool_is_cancelled(&process->sandbox->client->pool))
        sbc_error_set(err, SBC_CANCELLED, "wait for process %s: cancelled", process->id);
    else if (is_settled)
        sbc_error_copy(err, &process->output.error);
    else
        sbc_error_set(err, SBC_WAIT_TIMEOUT, "the wait for process %s timed out; it runs on", process->id);
    pthread_mutex_unlock(&process->lock);
    return has_result ? 0 : -1;
}

/* -------------------------------------------------------------------- leave */

void sbc_collect_leave(struct sbc_process *process)
{
    if (!process->is_collected)
        return;
    pthread_mutex_lock(&process->lock);
    if (!is_over(&process->output))
        break_off(process, SBC_INCOMPLETE, "the output is not collected any more: disconnected");
    if (process->http != NULL)
        sbc_http_cancel(process->http);
    pthread_cond_broadcast(&process->changed);
    pthread_mutex_unlock(&process->lock);
}

void sbc_collect_free(struct sbc_process *process)
{
    if (!process->is_collected)
        return;
    sbc_collect_leave(process);
    pthread_join(process->thread, NULL);
    sbc_sse_free(&process->sse);
    sbc_result_clear(&process->output.result);
    sbc_error_clear(&process->output.error);
    sbc_buf_free(&process->output.bytes);
    free(process->output.pieces);
}
