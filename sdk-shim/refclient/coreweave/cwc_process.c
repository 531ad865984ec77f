/* Processes for callers: start, wait, read, write, cancel. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cwc_priv.h"

#define CHUNK_BYTES 65536
#define MAX_WRITES  16 /* that wait for the process to get ready */

/* --------------------------------------------------------------------- life */

static void copy_argv(struct cwc_process *process, const struct cwc_command *command)
{
    process->argc = command->argc;
    process->argv = sbc_alloc(command->argc + 1, sizeof(char *));
    for (size_t i = 0; i < command->argc; i++)
        process->argv[i] = sbc_text_copy(command->argv[i]);
}

/* cwd is not on the wire: a shell changes into it and becomes the command. */
static void wrap(struct cwc_process *process, const char *cwd)
{
    struct sbc_buf line = { 0 };
    sbc_buf_add_text(&line, "cd ");
    if (CWC_MUTANT(cwd_not_quoted))
        sbc_buf_add_text(&line, cwd);
    else
        sbc_shell_quote(&line, cwd);
    sbc_buf_add_text(&line, CWC_MUTANT(cwd_failure_ignored) ? "; exec" : " && exec");
    for (size_t i = 0; i < process->argc; i++) {
        sbc_buf_add_text(&line, " ");
        if (CWC_MUTANT(args_not_quoted))
            sbc_buf_add_text(&line, process->argv[i]);
        else
            sbc_shell_quote(&line, process->argv[i]);
    }
    process->wrapped[0] = sbc_text_copy("/bin/sh");
    process->wrapped[1] = sbc_text_copy("-c");
    process->wrapped[2] = sbc_buf_take(&line);
}

static struct cwc_process *make(struct cwc_sandbox *box, const struct cwc_command *command)
{
    struct cwc_process *process = sbc_alloc(1, sizeof *process);
    atomic_init(&process->refs, 1);
    atomic_init(&process->is_cancelled, false);
    process->box = cwc_sandbox_ref(box);
    process->command = *command;
    process->command.has_stdin = command->has_stdin || command->is_tty;
    process->command.cwd = NULL;
    copy_argv(process, command);
    process->command.argv = (const char *const *) process->argv;
    if (command->cwd != NULL && !CWC_MUTANT(cwd_dropped)) {
        wrap(process, command->cwd);
        process->command.argv = (const char *const *) process->wrapped;
        process->command.argc = 3;
    } else if ((CWC_MUTANT(shell_added) && command->argc == 1) || CWC_MUTANT(args_not_quoted)) {
        wrap(process, "/");
        process->command.argv = (const char *const *) process->wrapped;
        process->command.argc = 3;
    }
    pthread_mutex_init(&process->writing, NULL);
    pthread_mutex_init(&process->lock, NULL);
    cwc_init_cond(&process->changed);
    return process;
}

void cwc_process_unref(struct cwc_process *process)
{
    if (atomic_fetch_sub(&process->refs, 1) > 1)
        return;
    for (size_t i = 0; i < process->argc; i++)
        free(process->argv[i]);
    free(process->argv);
    for (size_t i = 0; i < 3; i++)
        free(process->wrapped[i]);
    for (size_t i = 0; i < process->held_count; i++)
        sbc_buf_free(&process->held[i]);
    free(process->held);
    free(process->pieces);
    sbc_buf_free(&process->bytes);
    cwc_error_clear(&process->err);
    pthread_cond_destroy(&process->changed);
    pthread_mutex_destroy(&process->lock);
    pthread_mutex_destroy(&process->writing);
    cwc_sandbox_free(process->box);
    free(process);
}

void cwc_process_free(struct cwc_process *process)
{
    if (process == NULL)
        return;
    cwc_process_cancel(process);
    cwc_process_unref(process);
}

static int check_command(const struct cwc_command *command, struct cwc_error *err)
{
    if (command->argc == 0 && !CWC_MUTANT(empty_command_sent))
        return cwc_error_set(err, CWC_ARGUMENT, "Command cannot be empty");
    if (command->cwd != NULL && command->cwd[0] == '\0' && !CWC_MUTANT(relative_cwd_taken))
        return cwc_error_set(err, CWC_ARGUMENT, "cwd cannot be empty string");
    if (command->cwd != NULL && command->cwd[0] != '/' && !CWC_MUTANT(relative_cwd_taken))
        return cwc_error_set(err, CWC_ARGUMENT, "cwd must be an absolute path, got: '%s'", command->cwd);
    return 0;
}

struct cwc_process *cwc_exec(struct cwc_sandbox *box, const struct cwc_command *command, struct cwc_error *err)
{
    if (check_command(command, err) < 0)
        return NULL;
    struct cwc_process *process = make(box, command);
    atomic_fetch_add(&process->refs, 1);
    cwc_client_spawn(box->client, cwc_run, process);
    if (CWC_MUTANT(exec_blocks))
        cwc_process_result(process, CWC_FOREVER, NULL, NULL);
    return process;
}

const char *const *cwc_process_argv(const struct cwc_process *process, size_t *out_argc)
{
    *out_argc = CWC_MUTANT(wrapper_shown) ? process->command.argc : process->argc;
    return CWC_MUTANT(wrapper_shown) ? process->command.argv : (const char *const *) process->argv;
}

bool cwc_process_has_stdin(const struct cwc_process *process)
{
    return process->command.has_stdin;
}

bool cwc_process_is_tty(const struct cwc_process *process)
{
    return process->command.is_tty;
}

/* ----------------------------------------------------------------------- end */

int cwc_process_poll(struct cwc_process *process, int *out_exit_code)
{
    pthread_mutex_lock(&process->lock);
    while (CWC_MUTANT(poll_blocks) && !process->is_done)
        pthread_cond_wait(&process->changed, &process->lock);
    int is_known = process->is_done && process->err.kind == CWC_OK;
    if (is_known)
        *out_exit_code = process->exit_code;
    pthread_mutex_unlock(&process->lock);
    return is_known || CWC_MUTANT(running_is_0);
}

static void copy_bytes(struct cwc_bytes *to, const char *data, size_t size)
{
    *to = (struct cwc_bytes){ sbc_alloc(size + 1, 1), size };
    if (size > 0)
        memcpy(to->data, data, size);
}

void cwc_result_copy(struct cwc_result *to, const struct cwc_result *from)
{
    struct cwc_bytes text, err_text;
    copy_bytes(&text, from->text, from->text_size);
    copy_bytes(&err_text, from->err_text, from->err_text_size);
    *to = (struct cwc_result){ .exit_code = from->exit_code, .text = text.data, .text_size = text.size };
    to->err_text = err_text.data;
    to->err_text_size = err_text.size;
    copy_bytes(&to->out, from->out.data, from->out.size);
    copy_bytes(&to->err, from->err.data, from->err.size);
}

void cwc_result_clear(struct cwc_result *result)
{
    free(result->text);
    free(result->err_text);
    free(result->out.data);
    free(result->err.data);
    *result = (struct cwc_result){ 0 };
}

int cwc_process_result(struct cwc_process *process, double timeout_s, struct cwc_result *out_result,
                       struct cwc_error *err)
{
    int64_t until = cwc_until(timeout_s);
    int failed = 0;
    bool goes_on = true;
    pthread_mutex_lock(&process->lock);
    while (!process->is_done && goes_on)
        goes_on = cwc_wait_until(&process->changed, &process->lock, until);
    if (!process->is_done)
        failed = cwc_error_set(err, CWC_WAIT_TIMEOUT, "the process goes on");
    else if (process->err.kind != CWC_OK)
        failed = cwc_error_copy(err, &process->err);
    else if (out_result != NULL)
        cwc_run_collect(process, out_result);
    if (failed == 0 && CWC_MUTANT(second_result_empty))
        process->piece_count = 0;
    pthread_mutex_unlock(&process->lock);
    if (failed < 0 && CWC_MUTANT(wait_timeout_cancels) && err != NULL && err->kind == CWC_WAIT_TIMEOUT)
        cwc_process_cancel(process);
    return failed;
}

bool cwc_process_cancel(struct cwc_process *process)
{
    struct cwc_error err = CWC_ERROR_INIT;
    pthread_mutex_lock(&process->lock);
    bool was_running = !process->is_done;
    if (was_running) {
        atomic_store(&process->is_cancelled, true);
        cwc_error_set(&err, CWC_CANCELLED, "the process was cancelled");
        process->err = CWC_MUTANT(cancel_is_an_end) ? (struct cwc_error) CWC_ERROR_INIT : err;
        process->exit_code = CWC_MUTANT(cancel_is_an_end) ? 137 : process->exit_code;
        process->is_done = true;
        if (process->call != NULL && !CWC_MUTANT(cancel_keeps_stream))
            cwc_call_cancel(process->call);
        pthread_cond_broadcast(&process->changed);
    }
    pthread_mutex_unlock(&process->lock);
    if (was_running) {
        cwc_poll_wake(process->box);
        cwc_client_tell(process->box->client);
    }
    return was_running || CWC_MUTANT(cancel_always_true);
}

/* -------------------------------------------------------------------- output */

/* With the lock held: the stream's next piece, or NULL. */
static const struct cwc_piece *find_piece(struct cwc_process *process, enum cwc_stream stream)
{
    for (size_t *at = &process->read_at[stream]; *at < process->piece_count; (*at)++)
        if (process->pieces[*at].stream == stream)
            return &process->pieces[(*at)++];
    if (CWC_MUTANT(readers_begin_anew) && process->is_done)
        process->read_at[stream] = 0;
    return NULL;
}

/* Only for a mutant: the first of the lines of the piece that was found last, and the rest is found again. */
static bool cut_line(struct cwc_process *process, enum cwc_stream stream, const char *data, struct cwc_piece *out_line)
{
    struct cwc_piece *piece = &process->pieces[process->read_at[stream] - 1];
    const char *end = memchr(data, '\n', piece->size);
    size_t size = end == NULL ? piece->size : (size_t) (end - data) + 1;
    *out_line = (struct cwc_piece){ stream, piece->from, size };
    if (size == piece->size)
        return false;
    piece->from += size;
    piece->size -= size;
    process->read_at[stream]--;
    return true;
}

int cwc_process_read(struct cwc_process *process, enum cwc_stream stream, bool as_text, struct cwc_bytes *out_piece)
{
    const struct cwc_piece *piece;
    struct sbc_buf text = { 0 };
    pthread_mutex_lock(&process->lock);
    while (CWC_MUTANT(output_at_the_end) && !process->is_done)
        pthread_cond_wait(&process->changed, &process->lock);
    while ((piece = find_piece(process, stream)) == NULL &&
           (!process->is_done || (CWC_MUTANT(cancel_leaves_readers) && process->err.kind == CWC_CANCELLED)))
        pthread_cond_wait(&process->changed, &process->lock);
    if (piece != NULL) {
        const char *data = process->bytes.data == NULL ? "" : process->bytes.data + piece->from;
        struct cwc_piece line;
        if (CWC_MUTANT(items_are_lines) && cut_line(process, stream, data, &line))
            piece = &line;
        if (as_text)
            cwc_text_clean(&text, data, piece->size);
        else
            sbc_buf_add(&text, data, piece->size);
        size_t size = text.size;
        *out_piece = (struct cwc_bytes){ sbc_buf_take(&text), size };
    }
    pthread_mutex_unlock(&process->lock);
    return piece != NULL;
}

/* --------------------------------------------------------------------- input */

static int refuse_input(struct cwc_error *err, const char *why)
{
    return cwc_error_set(err, CWC_CLOSED, "%s", why);
}

/* A message for the process: at once, or when it is ready; with the lock held.  Takes what `message` holds. */
static void queue_message(struct cwc_process *process, struct sbc_buf *message)
{
    if (process->is_ready && process->call != NULL) {
        cwc_call_send(process->call, message);
        sbc_buf_free(message);
        return;
    }
    struct sbc_buf *longer = sbc_alloc(process->held_count + 1, sizeof *longer);
    if (process->held_count > 0)
        memcpy(longer, process->held, process->held_count * sizeof *longer);
    free(process->held);
    process->held = longer;
    process->held[process->held_count++] = *message;
    *message = (struct sbc_buf){ 0 };
}

static void queue_bytes(struct cwc_process *process, const char *data, size_t size)
{
    const struct cwc_wire *wire = process->box->client->wire;
    size_t chunk = CWC_MUTANT(stdin_in_one_piece) ? size : CHUNK_BYTES;
    for (size_t at = 0; at < size; at += chunk) {
        struct sbc_buf message = { 0 };
        wire->put_stdin(data + at, size - at < chunk ? size - at : chunk, &message);
        queue_message(process, &message);
    }
    if (!process->is_ready)
        process->held_writes++;
}

/* Until one more write may be queued; called and left with the lock held.  -1: there is nobody to write to. */
static int wait_for_room(struct cwc_process *process, struct cwc_error *err)
{
    while (!process->is_done && !process->is_stdin_closed && !process->is_ready &&
           process->held_writes >= MAX_WRITES)
        pthread_cond_wait(&process->changed, &process->lock);
    struct cwc_call *call = process->is_ready && !process->is_done ? process->call : NULL;
    if (call != NULL) { /* stays while `writing` is held */
        pthread_mutex_unlock(&process->lock);
        cwc_call_wait_room(call);
        pthread_mutex_lock(&process->lock);
    }
    if (process->is_stdin_closed && !CWC_MUTANT(write_after_close))
        return refuse_input(err, "stdin is closed");
    return process->is_done && !CWC_MUTANT(write_after_exit) ? refuse_input(err, "Process has exited") : 0;
}

int cwc_process_write(struct cwc_process *process, const void *data, size_t size, struct cwc_error *err)
{
    if (!process->command.has_stdin)
        return cwc_error_set(err, CWC_ARGUMENT, "the process has no stdin");
    pthread_mutex_lock(&process->writing);
    pthread_mutex_lock(&process->lock);
    int failed = wait_for_room(process, err);
    if (failed == 0 && !process->is_stdin_closed && !process->is_done)
        queue_bytes(process, data, CWC_MUTANT(stdin_ends_at_nul) ? strnlen(data, size) : size);
    pthread_mutex_unlock(&process->lock);
    pthread_mutex_unlock(&process->writing);
    return failed;
}

int cwc_process_close_stdin(struct cwc_process *process, struct cwc_error *err)
{
    struct sbc_buf message = { 0 };
    if (!process->command.has_stdin)
        return cwc_error_set(err, CWC_ARGUMENT, "the process has no stdin");
    pthread_mutex_lock(&process->writing);
    pthread_mutex_lock(&process->lock);
    bool is_first = !process->is_stdin_closed && !process->is_done;
    if (CWC_MUTANT(close_drops_writes) && !process->is_ready)
        process->held_count = 0;
    if (is_first && !CWC_MUTANT(close_not_sent)) {
        process->box->client->wire->put_close(&message);
        if (!CWC_MUTANT(close_unsaid))
            queue_message(process, &message);
        if (process->is_ready && process->call != NULL)
            cwc_call_half_close(process->call);
    }
    process->is_stdin_closed = true;
    pthread_mutex_unlock(&process->lock);
    pthread_mutex_unlock(&process->writing);
    sbc_buf_free(&message);
    return 0;
}

int cwc_process_resize(struct cwc_process *process, unsigned width, unsigned height, struct cwc_error *err)
{
    struct sbc_buf message = { 0 };
    if (!process->command.is_tty)
        return cwc_error_set(err, CWC_ARGUMENT, "the process has no terminal");
    pthread_mutex_lock(&process->lock);
    bool is_open = !process->is_done && !process->is_stdin_closed;
    if (is_open && !CWC_MUTANT(resize_not_sent)) {
        process->box->client->wire->put_resize(width, height, &message);
        queue_message(process, &message);
    }
    pthread_mutex_unlock(&process->lock);
    sbc_buf_free(&message);
    return 0;
}

/* ------------------------------------------------------------------ many of them */

static size_t count_done(struct cwc_process *const *processes, size_t count, size_t wanted, bool *out_done)
{
    size_t done = 0;
    for (size_t i = 0; i < count; i++) {
        pthread_mutex_lock(&processes[i]->lock);
        bool is_done = processes[i]->is_done;
        if (CWC_MUTANT(failed_is_pending) && processes[i]->err.kind != CWC_OK)
            is_done = false;
        pthread_mutex_unlock(&processes[i]->lock);
        out_done[i] = is_done && done < wanted;
        done += out_done[i];
    }
    return done;
}

int cwc_wait(struct cwc_process *const *processes, size_t count, int64_t num_returns, double timeout_s,
             bool *out_done, struct cwc_error *err)
{
    if (count == 0 && CWC_MUTANT(empty_wait_refused))
        return cwc_error_set(err, CWC_ARGUMENT, "there is nothing to wait for");
    if (num_returns < 0 && CWC_MUTANT(wait_number_unchecked))
        num_returns = 1, timeout_s = 0;
    if (num_returns < 0)
        return cwc_error_set(err, CWC_ARGUMENT, "num_returns must be at least 1");
    if (count == 0)
        return 0;
    int64_t until = cwc_until(timeout_s);
    size_t wanted = num_returns == 0 || (size_t) num_returns > count ? count : (size_t) num_returns;
    if (CWC_MUTANT(wait_for_all))
        wanted = count;
    if (CWC_MUTANT(wait_for_one) && wanted == count)
        wanted = 1;
    struct cwc_client *client = processes[0]->box->client;
    bool goes_on = true;
    while (count_done(processes, count, wanted, out_done) < wanted && goes_on) {
        int64_t soon = sbc_now_ms() + 50; /* an end between the count and the wait is seen then */
        pthread_mutex_lock(&client->lock);
        cwc_wait_until(&client->changed, &client->lock, until != 0 && until < soon ? until : soon);
        goes_on = !client->is_cancelled && (until == 0 || sbc_now_ms() < until);
        pthread_mutex_unlock(&client->lock);
    }
    if (count_done(processes, count, wanted, out_done) < wanted && CWC_MUTANT(wait_limit_raises))
        return cwc_error_set(err, CWC_WAIT_TIMEOUT, "they go on");
    for (size_t i = 0; CWC_MUTANT(wait_cancels_rest) && i < count; i++)
        if (!out_done[i])
            cwc_process_cancel(processes[i]);
    return 0;
}
