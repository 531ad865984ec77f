/* Reading output as it comes: from what is collected, or by a request. */
#include "sbc_priv.h"

#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "sbc_mutants.h"

struct sbc_stream {
    struct sbc_process *process;
    int64_t from_seq;
    bool is_at_end; /* SBC_EXIT was given */
    bool is_local;
    size_t index; /* local: of the next piece */
    struct sbc_http *http;
    struct sbc_sse sse;
    int64_t first_seq, last_seq; /* remote: of what was given; 0: nothing */
    bool has_gap;                /* between them */
    struct sbc_error broken;     /* remote: for ever, once it is */
};

/* ------------------------------------------------------------------- local */

static bool is_wanted(const struct sbc_stream *stream, int64_t seq)
{
    return seq >= stream->from_seq;
}

static void give_piece(const struct sbc_process *process, const struct sbc_piece *piece, struct sbc_event *out_event)
{
    *out_event = (struct sbc_event){
        .type = piece->type,
        .seq = piece->seq,
        .timestamp = piece->timestamp,
        .data = { sbc_text_copy_bytes(process->output.bytes.data + piece->from, piece->size), piece->size },
    };
}

static bool has_next_local(struct sbc_stream *stream)
{
    const struct sbc_output *output = &stream->process->output;
    while (stream->index < output->count && !is_wanted(stream, output->pieces[stream->index].seq))
        stream->index++;
    return stream->index < output->count || output->has_result || output->error.kind != SBC_OK;
}

static int next_local(struct sbc_stream *stream, struct sbc_event *out_event, struct sbc_error *err)
{
    struct sbc_process *process = stream->process;
    int got = 1;
    pthread_mutex_lock(&process->lock);
    while (!has_next_local(stream))
        pthread_cond_wait(&process->changed, &process->lock);
    if (stream->index < process->output.count) {
        give_piece(process, &process->output.pieces[stream->index++], out_event);
    } else if (process->output.has_result) {
        *out_event = (struct sbc_event){ .type = SBC_EXIT };
        sbc_collect_copy_result(process, &out_event->result);
        stream->is_at_end = true;
    } else if (sbc_http_pool_is_cancelled(&process->sandbox->client->pool)) {
        got = sbc_error_set(err, SBC_CANCELLED, "stream of process %s: cancelled", process->id);
    } else {
        got = sbc_error_copy(err, &process->output.error);
    }
    pthread_mutex_unlock(&process->lock);
    return got;
}

/* ------------------------------------------------------------------ remote */

static int break_off(struct sbc_stream *stream, struct sbc_error *err, enum sbc_error_kind kind, const char *why)
{
    return sbc_error_broken_stream(err, kind, stream->process->id, stream->last_seq, "%s", why);
}

/*
 * Numbers grow, but not always by one: a piece that ends inside of a character may be shown with the next one.
 * What was given before is left out; what should have come before is an error.  1: give it, 0: leave it out.
 */
static int check_order(struct sbc_stream *stream, int64_t seq, struct sbc_error *err)
{
    if (seq < stream->from_seq && !SBC_MUTANT(duplicates_delivered))
        return 0;
    if (seq > stream->last_seq || SBC_MUTANT(duplicates_delivered)) {
        stream->has_gap = stream->has_gap || (stream->last_seq > 0 && seq != stream->last_seq + 1);
        stream->first_seq = stream->first_seq > 0 ? stream->first_seq : seq;
        stream->last_seq = seq;
        return 1;
    }
    bool was_given = seq == stream->last_seq || (seq >= stream->first_seq && !stream->has_gap);
    return was_given ? 0 : break_off(stream, err, SBC_INCOMPLETE, "the output is out of order");
}

static int take_output(struct sbc_stream *stream, struct sbc_reader *reader, struct sbc_event *out_event,
                       struct sbc_error *err)
{
    struct sbc_buf bytes = { 0 };
    struct sbc_piece piece = sbc_read_output(reader, &bytes);
    SBC_MUTATE(sbc_mutants_piece(&bytes, &piece));
    int got = reader->problem[0] != '\0' ? break_off(stream, err, SBC_INCOMPLETE, reader->problem)
                                         : check_order(stream, piece.seq, err);
    if (got <= 0) {
        sbc_buf_free(&bytes);
        return got;
    }
    size_t size = bytes.size;
    *out_event = (struct sbc_event){
        .type = piece.type, .seq = piece.seq, .timestamp = piece.timestamp, .data = { sbc_buf_take(&bytes), size }
    };
    return 1;
}

static int take_done(struct sbc_stream *stream, struct sbc_reader *reader, struct sbc_event *out_event,
                     struct sbc_error *err)
{
    struct sbc_result result;
    sbc_read_result(reader, true, &result);
    if (reader->problem[0] != '\0')
        return break_off(stream, err, SBC_INCOMPLETE, reader->problem);
    if (!sbc_read_is_final(result.status)) {
        sbc_result_clear(&result);
        return break_off(stream, err, SBC_INCOMPLETE, "the stream is at its end, and the process still runs");
    }
    SBC_MUTATE(sbc_mutants_result(&result));
    pthread_mutex_lock(&stream->process->lock);
    sbc_process_settle(stream->process, &result);
    pthread_mutex_unlock(&stream->process->lock);
    *out_event = (struct sbc_event){ .type = SBC_EXIT, .result = result };
    stream->is_at_end = true;
    return 1;
}

/* 1: an event for the caller, 0: none, -1. */
static int take_event(struct sbc_stream *stream, const struct sbc_sse_event *event, struct sbc_event *out_event,
                      struct sbc_error *err)
{
    bool is_output = strcmp(event->name, "output") == 0;
    if (!is_output && strcmp(event->name, "done") != 0)
        return SBC_MUTANT(unknown_event_raises) ? break_off(stream, err, SBC_INCOMPLETE, "unknown event") : 0;
    cJSON *data = sbc_json_parse(event->data, event->size);
    struct sbc_reader reader;
    sbc_reader_init(&reader, data, event->name);
    int got = is_output ? take_output(stream, &reader, out_event, err) : take_done(stream, &reader, out_event, err);
    cJSON_Delete(data);
    return got;
}

/* Bytes from the server; -1 is also its end, which comes too early. */
static int read_more(struct sbc_stream *stream, struct sbc_error *err)
{
    struct sbc_buf chunk = { 0 };
    struct sbc_error why = SBC_ERROR_INIT;
    int64_t deadline_ms = sbc_now_ms() + stream->process->sandbox->client->idle_ms;
    int got = sbc_http_read(stream->http, deadline_ms, &chunk, &why);
    if (got == 0 && SBC_MUTANTS_ASK(sbc_mutants_ends_event(&stream->sse, &chunk)))
        got = 1;
    if (got > 0)
        sbc_sse_feed(&stream->sse, chunk.data, chunk.size);
    else if (why.kind == SBC_CANCELLED)
        sbc_error_copy(err, &why);
    else
        break_off(stream, err, SBC_INCOMPLETE,
                  why.kind != SBC_OK ? why.message : "the stream ended before the process's end");
    sbc_error_clear(&why);
    sbc_buf_free(&chunk);
    return got > 0 ? 0 : -1;
}

static int read_next(struct sbc_stream *stream, struct sbc_event *out_event, struct sbc_error *err)
{
    for (;;) {
        struct sbc_sse_event event;
        int got = sbc_sse_next(&stream->sse, &event);
        if (got < 0)
            return break_off(stream, err, SBC_OUTPUT_LIMIT, "an event is longer than is taken");
        if (got == 0 && read_more(stream, err) < 0)
            return -1;
        if (got > 0 && (got = take_event(stream, &event, out_event, err)) != 0)
            return got;
    }
}

static int next_remote(struct sbc_stream *stream, struct sbc_event *out_event, struct sbc_error *err)
{
    if (stream->broken.kind == SBC_OK && read_next(stream, out_event, &stream->broken) > 0)
        return 1;
    return sbc_error_copy(err, &stream->broken);
}

static int open_remote(struct sbc_stream *stream, struct sbc_error *err)
{
    struct sbc_process *process = stream->process;
    struct sbc_client *client = process->sandbox->client;
    struct sbc_buf path = { 0 };
    sbc_buf_add_text(&path, "/processes/");
    sbc_buf_add_encoded(&path, process->id);
    sbc_buf_add_text(&path, "/stream");
    if (stream->from_seq > 0 || SBC_MUTANT(from_seq_0_sent))
        sbc_buf_add_format(&path, "?from_seq=%lld", (long long) stream->from_seq);
    struct sbc_route route = { "GET", path.data, NULL, false, true };
    stream->http = sbc_runtime_open(process->sandbox, &route, sbc_now_ms() + client->timeout_ms, err);
    sbc_buf_free(&path);
    if (stream->http == NULL)
        return -1;
    if (!sbc_http_is_event_stream(stream->http))
        return sbc_client_refuse(err, SBC_RUNTIME, false, "it is no event stream");
    return 0;
}

/* ------------------------------------------------------------------ public */

struct sbc_stream *sbc_stream_open(struct sbc_process *process, int64_t from_seq, struct sbc_error *err)
{
    struct sbc_stream *stream = sbc_alloc(1, sizeof *stream);
    stream->process = sbc_process_ref(process);
    stream->from_seq = from_seq > 0 ? from_seq : 0;
    SBC_MUTATE(sbc_mutants_from_seq(&stream->from_seq));
    sbc_sse_init(&stream->sse, process->sandbox->client->answer_bytes);
    stream->is_local = process->is_collected;
    if (stream->is_local || open_remote(stream, err) == 0)
        return stream;
    if (SBC_MUTANT(gone_is_empty_stream) && err != NULL && err->status == 410) {
        stream->is_at_end = true;
        return stream;
    }
    sbc_stream_close(stream);
    return NULL;
}

int sbc_stream_next(struct sbc_stream *stream, struct sbc_event *out_event, struct sbc_error *err)
{
    if (stream->is_at_end)
        return 0;
    int got;
    do {
        got = stream->is_local ? next_local(stream, out_event, err) : next_remote(stream, out_event, err);
    } while (SBC_MUTANTS_ASK(sbc_mutants_reads_on(stream->is_local, &stream->is_at_end, &got, out_event, err)));
    return got;
}

void sbc_stream_close(struct sbc_stream *stream)
{
    if (stream == NULL)
        return;
    sbc_http_close(stream->http);
    sbc_sse_free(&stream->sse);
    sbc_error_clear(&stream->broken);
    sbc_process_free(stream->process);
    free(stream);
}
