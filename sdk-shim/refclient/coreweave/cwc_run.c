/* The stream of an exec, from its begin to its end, on the process's thread (wire page §3.3 to §3.7). */
#include <stdlib.h>
#include <string.h>

#include "cwc_priv.h"

#define READY_MS      5000
#define TRAILERS_MS   2000  /* that they may come behind the exit, before the stream is dropped */
#define MORE_MS       5000  /* that 0.22.0 gives a command beyond its limit, so that the server's word can win */
#define DEFAULT_LIMIT 300.0

/* --------------------------------------------------------------------- end */

void cwc_run_finish(struct cwc_process *process, int exit_code, struct cwc_error *err)
{
    pthread_mutex_lock(&process->lock);
    if (!process->is_done) {
        process->is_done = true;
        process->exit_code = CWC_MUTANT(exit_code_cut) ? exit_code & 0x7f : exit_code;
        if (err != NULL) {
            process->err = *err;
            *err = (struct cwc_error) CWC_ERROR_INIT;
        }
        pthread_cond_broadcast(&process->changed);
    }
    pthread_mutex_unlock(&process->lock);
    if (err != NULL)
        cwc_error_clear(err);
    cwc_client_tell(process->box->client);
}

static void join_pieces(const struct cwc_process *process, enum cwc_stream stream, struct cwc_bytes *out)
{
    struct sbc_buf bytes = { 0 };
    for (size_t i = 0; i < process->piece_count; i++)
        if (process->pieces[i].stream == stream && !(CWC_MUTANT(last_output_lost) && i + 1 == process->piece_count))
            sbc_buf_add(&bytes, process->bytes.data + process->pieces[i].from, process->pieces[i].size);
    size_t size = bytes.size;
    *out = (struct cwc_bytes){ sbc_buf_take(&bytes), size };
}

static void add_text(struct sbc_buf *text, const struct cwc_process *process, enum cwc_stream stream,
                     const struct cwc_bytes *joined)
{
    if (!CWC_MUTANT(pieces_decoded_alone)) {
        cwc_text_clean(text, joined->data, joined->size);
        return;
    }
    for (size_t i = 0; i < process->piece_count; i++)
        if (process->pieces[i].stream == stream)
            cwc_text_clean(text, process->bytes.data + process->pieces[i].from, process->pieces[i].size);
}

void cwc_run_collect(const struct cwc_process *process, struct cwc_result *out_result)
{
    struct sbc_buf text = { 0 }, err_text = { 0 };
    out_result->exit_code = process->exit_code;
    join_pieces(process, CWC_STDOUT, &out_result->out);
    join_pieces(process, CWC_STDERR, &out_result->err);
    add_text(&text, process, CWC_STDOUT, &out_result->out);
    add_text(&err_text, process, CWC_STDERR, &out_result->err);
    out_result->text_size = text.size;
    out_result->err_text_size = err_text.size;
    out_result->text = sbc_buf_take(&text);
    out_result->err_text = sbc_buf_take(&err_text);
}

static void finish_with_exit(struct cwc_process *process, int exit_code)
{
    struct cwc_error err = CWC_ERROR_INIT;
    bool is_checked = (process->command.check && !CWC_MUTANT(check_ignored)) || CWC_MUTANT(check_always);
    if (!is_checked || exit_code == 0) {
        cwc_run_finish(process, exit_code, NULL);
        return;
    }
    cwc_error_set(&err, CWC_CHECK, "Command %s failed with exit code %d", process->argv[0], exit_code);
    if (!CWC_MUTANT(check_without_result)) {
        err.result = sbc_alloc(1, sizeof *err.result);
        pthread_mutex_lock(&process->lock);
        cwc_run_collect(process, err.result);
        pthread_mutex_unlock(&process->lock);
        err.result->exit_code = exit_code;
    }
    cwc_run_finish(process, exit_code, &err);
}

static double limit_of(const struct cwc_process *process)
{
    return process->command.has_timeout ? process->command.timeout_s : DEFAULT_LIMIT;
}

/* The stream is over, and said nothing of how the command ended. */
static void finish_without_exit(struct cwc_process *process, const struct cwc_end *end)
{
    struct cwc_error err = CWC_ERROR_INIT;
    enum cwc_version version = process->box->client->version;
    if (end->status == CWC_STATUS_OK && (process->command.is_tty || CWC_MUTANT(no_exit_is_exit_0))) {
        finish_with_exit(process, process->command.is_tty ? -1 : 0);
        return;
    }
    if (end->status == CWC_STATUS_OK)
        cwc_error_set(&err, CWC_INCOMPLETE, "Command %s ended without an exit status", process->argv[0]);
    else if (process->command.is_tty)
        cwc_error_from_end(&err, end, version, "TTY exec");
    else
        cwc_error_from_exec(&err, end, version, process->argv[0], limit_of(process));
    cwc_run_finish(process, 0, &err);
}

static void finish_with_error(struct cwc_process *process, const struct cwc_event *event)
{
    struct cwc_error err = CWC_ERROR_INIT;
    bool is_v1 = process->box->client->version == CWC_V1;
    enum cwc_error_kind kind = !is_v1                                              ? CWC_EXECUTION
                               : CWC_MUTANT(stream_codes_alike)                  ? CWC_EXECUTION
                               : strcmp(event->code, "STREAM_BACKPRESSURE") == 0 ? CWC_BACKPRESSURE
                               : strcmp(event->code, "STREAM_TRUNCATED") == 0    ? CWC_TRUNCATED
                                                                                   : CWC_EXECUTION;
    if (CWC_MUTANT(stream_error_is_exit_0)) {
        finish_with_exit(process, 0);
        return;
    }
    cwc_error_set(&err, kind, "Exec stream error: %s", event->message);
    err.reason = event->code[0] == '\0' || CWC_MUTANT(stream_code_lost) ? NULL : sbc_text_copy(event->code);
    cwc_run_finish(process, 0, &err);
}

/* ------------------------------------------------------------------- events */

/* With the lock held. */
static void add_piece(struct cwc_process *process, enum cwc_stream stream, const struct cwc_bytes *data)
{
    if (process->piece_count == process->piece_room) {
        size_t room = process->piece_room * 2 + 16;
        struct cwc_piece *longer = sbc_alloc(room, sizeof *longer);
        if (process->piece_count > 0)
            memcpy(longer, process->pieces, process->piece_count * sizeof *longer);
        free(process->pieces);
        process->pieces = longer;
        process->piece_room = room;
    }
    process->pieces[process->piece_count++] = (struct cwc_piece){ stream, process->bytes.size, data->size };
    sbc_buf_add(&process->bytes, data->data, data->size);
}

static void take_output(struct cwc_process *process, struct cwc_event *event)
{
    bool is_err = event->stream == CWC_STDERR && !process->command.is_tty;
    if (CWC_MUTANT(stderr_dropped) && is_err)
        return;
    if (CWC_MUTANT(stderr_is_stdout))
        is_err = false;
    if (CWC_MUTANT(nul_ends_output))
        event->data.size = strlen(event->data.data);
    pthread_mutex_lock(&process->lock);
    if (!process->is_done)
        add_piece(process, is_err ? CWC_STDERR : CWC_STDOUT, &event->data);
    pthread_cond_broadcast(&process->changed);
    pthread_mutex_unlock(&process->lock);
}

static void take_ready(struct cwc_process *process)
{
    pthread_mutex_lock(&process->lock);
    process->is_ready = true;
    for (size_t i = 0; i < process->held_count; i++) {
        cwc_call_send(process->call, &process->held[i]);
        sbc_buf_free(&process->held[i]);
    }
    process->held_count = process->held_writes = 0;
    if (process->is_stdin_closed)
        cwc_call_half_close(process->call);
    pthread_cond_broadcast(&process->changed);
    pthread_mutex_unlock(&process->lock);
}

static void take_exit(struct cwc_process *process, int exit_code)
{
    struct sbc_buf message = { 0 };
    struct cwc_event event = { 0 };
    while (CWC_MUTANT(exit_is_not_the_end) && cwc_call_next(process->call, 0, &message) > 0) {
        if (process->box->client->wire->take_event(&message, &event) == 0 && event.type == CWC_OUTPUT)
            take_output(process, &event);
        cwc_event_clear(&event);
        sbc_buf_drop(&message, message.size);
    }
    sbc_buf_free(&message);
    finish_with_exit(process, exit_code);
}

/* Whether the stream goes on. */
static bool take_event(struct cwc_process *process, const struct sbc_buf *message)
{
    struct cwc_event event = { 0 };
    struct cwc_error err = CWC_ERROR_INIT;
    if (process->box->client->wire->take_event(message, &event) < 0) {
        cwc_client_refuse(&err, CWC_EXEC);
        cwc_run_finish(process, 0, &err);
        return false;
    }
    bool goes_on = event.type == CWC_NOTHING || event.type == CWC_READY || event.type == CWC_OUTPUT;
    if (event.type == CWC_READY)
        take_ready(process);
    else if (event.type == CWC_OUTPUT)
        take_output(process, &event);
    else if (event.type == CWC_EXIT)
        take_exit(process, event.exit_code);
    else if (event.type == CWC_STREAM_ERROR)
        finish_with_error(process, &event);
    cwc_event_clear(&event);
    return goes_on;
}

/* ------------------------------------------------------------------- stream */

/* Until when the process must be ready; 0: no matter. */
static int64_t ready_limit(const struct cwc_process *process, int64_t begun_ms)
{
    double limit = limit_of(process) * 1000;
    if (!process->command.has_stdin || process->is_ready)
        return 0;
    return begun_ms + (process->command.is_tty || limit > READY_MS ? READY_MS : (int64_t) limit);
}

static void give_up(struct cwc_process *process)
{
    struct cwc_error err = CWC_ERROR_INIT;
    cwc_call_cancel(process->call);
    cwc_error_set(&err, CWC_MUTANT(timeout_is_cancelled) ? CWC_CANCELLED : CWC_TIMEOUT,
                  "stdin ready signal not received within timeout");
    cwc_run_finish(process, 0, &err);
}

static void read_stream(struct cwc_process *process)
{
    struct sbc_buf message = { 0 };
    int64_t begun = sbc_now_ms(), trailers;
    bool goes_on = true;
    while (goes_on) {
        int got = cwc_call_next(process->call, ready_limit(process, begun), &message);
        if (got > 0)
            goes_on = take_event(process, &message);
        else if (got == 0)
            finish_without_exit(process, cwc_call_end(process->call));
        else
            give_up(process);
        goes_on = goes_on && got > 0;
        sbc_buf_drop(&message, message.size);
    }
    trailers = sbc_now_ms() + TRAILERS_MS;
    while (sbc_now_ms() < trailers && cwc_call_next(process->call, trailers, &message) > 0)
        sbc_buf_drop(&message, message.size);
    sbc_buf_free(&message);
}

static void send_init(struct cwc_process *process, struct cwc_call *call)
{
    const struct cwc_wire *wire = process->box->client->wire;
    struct sbc_buf init = { 0 };
    struct cwc_command command = process->command;
    command.is_tty = command.is_tty && !CWC_MUTANT(tty_not_asked);
    wire->put_init(process->box->id, &command, &init);
    cwc_call_send(call, &init);
    sbc_buf_free(&init);
    if (!process->command.has_stdin && !CWC_MUTANT(never_half_closes))
        cwc_call_half_close(call);
}

static int64_t call_limit(const struct cwc_process *process, int64_t waited_ms)
{
    int64_t more = process->box->client->version == CWC_V1BETA2 ? MORE_MS : 0;
    if (process->command.is_tty || CWC_MUTANT(timeout_ignored))
        return 0;
    int64_t limit = (int64_t) (limit_of(process) * (CWC_MUTANT(timeout_in_ms) ? 1 : 1000)) + more;
    limit -= CWC_MUTANT(waiting_counts) ? waited_ms + more : 0;
    return limit > 0 ? limit : 1;
}

/* Give the call to whoever writes or cancels, and take it back. */
static bool show_call(struct cwc_process *process, struct cwc_call *call)
{
    pthread_mutex_lock(&process->lock);
    bool is_wanted = !process->is_done || CWC_MUTANT(cancelled_begins);
    process->call = is_wanted ? call : NULL;
    process->is_ready = is_wanted && CWC_MUTANT(stdin_before_ready);
    pthread_mutex_unlock(&process->lock);
    return is_wanted;
}

static void hide_call(struct cwc_process *process)
{
    cwc_call_cancel(process->call); /* lets a writer go */
    pthread_mutex_lock(&process->writing);
    pthread_mutex_lock(&process->lock);
    struct cwc_call *call = process->call;
    process->call = NULL;
    pthread_mutex_unlock(&process->lock);
    pthread_mutex_unlock(&process->writing);
    cwc_call_free(call);
}

void cwc_run(void *arg)
{
    struct cwc_process *process = arg;
    struct cwc_sandbox *box = process->box;
    struct cwc_error err = CWC_ERROR_INIT;
    struct cwc_call *call = NULL, *second = NULL;
    int64_t begun = sbc_now_ms();
    const atomic_bool *is_cancelled = CWC_MUTANT(cancelled_begins) ? NULL : &process->is_cancelled;
    if (cwc_sandbox_is_open(box, &err) && cwc_poll_running(box, cwc_until(DEFAULT_LIMIT), is_cancelled, &err) == 0 &&
        (is_cancelled == NULL || !atomic_load(is_cancelled))) {
        if (CWC_MUTANT(stream_opened_twice) && (second = cwc_client_begin(box->client, CWC_EXEC, 0, NULL)) != NULL)
            send_init(process, second);
        call = cwc_client_begin(box->client, CWC_EXEC, call_limit(process, sbc_now_ms() - begun), &err);
    }
    if (call == NULL) {
        cwc_run_finish(process, 0, &err);
    } else if (!show_call(process, call)) {
        cwc_call_free(call);
    } else {
        send_init(process, call);
        if (process->is_ready)
            take_ready(process);
        read_stream(process);
        hide_call(process);
    }
    cwc_call_free(second);
    cwc_error_clear(&err);
    cwc_process_unref(process);
}
