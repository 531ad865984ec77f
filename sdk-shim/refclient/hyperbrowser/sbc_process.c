/* Processes: the routes, and what a handle knows. */
#include "sbc_priv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cjson/cJSON.h>

#include "sbc_mutants.h"

#define KILL_WAIT_MS 5000

/* ----------------------------------------------------------------- handles */

struct sbc_process *sbc_process_make(struct sbc_sandbox *sandbox, const char *id, struct sbc_process_info *info)
{
    struct sbc_process *process = sbc_alloc(1, sizeof *process);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&process->lock, NULL);
    pthread_cond_init(&process->changed, &attr);
    pthread_condattr_destroy(&attr);
    atomic_init(&process->refs, 1);
    process->sandbox = sbc_sandbox_ref(sandbox);
    process->id = sbc_text_copy(id);
    process->info = *info;
    *info = (struct sbc_process_info){ 0 };
    free(process->info.id);
    process->info.id = sbc_text_copy(id);
    return process;
}

struct sbc_process *sbc_process_ref(struct sbc_process *process)
{
    atomic_fetch_add(&process->refs, 1);
    return process;
}

void sbc_process_free(struct sbc_process *process)
{
    if (process == NULL || atomic_fetch_sub(&process->refs, 1) > 1)
        return;
    sbc_collect_free(process);
    pthread_mutex_destroy(&process->lock);
    pthread_cond_destroy(&process->changed);
    sbc_process_info_clear(&process->info);
    free(process->id);
    sbc_sandbox_free(process->sandbox);
    free(process);
}

void sbc_process_get_info(struct sbc_process *process, struct sbc_process_info *out_info)
{
    SBC_MUTATE(sbc_mutants_show(process));
    pthread_mutex_lock(&process->lock);
    sbc_read_copy_info(out_info, &process->info);
    pthread_mutex_unlock(&process->lock);
}

void sbc_process_settle(struct sbc_process *process, const struct sbc_result *result)
{
    if (SBC_MUTANT(status_stale_after_wait))
        return;
    free(process->info.status);
    process->info.status = sbc_text_copy(result->status);
    process->info.has_exit_code = result->has_exit_code;
    process->info.exit_code = result->exit_code;
    process->info.completed_at = result->completed_at;
    process->is_settled = true;
}

/* Takes `info`. */
static void learn(struct sbc_process *process, struct sbc_process_info *info)
{
    struct sbc_process_info old = *info;
    pthread_mutex_lock(&process->lock);
    if (!process->is_settled) {
        old = process->info;
        process->info = *info;
        free(process->info.id);
        process->info.id = sbc_text_copy(process->id);
    }
    pthread_mutex_unlock(&process->lock);
    sbc_process_info_clear(&old);
}

/* ------------------------------------------------------------------ routes */

static char *make_path(const char *id, const char *more)
{
    struct sbc_buf path = { 0 };
    sbc_buf_add_text(&path, "/processes/");
    sbc_buf_add_encoded(&path, id);
    sbc_buf_add_text(&path, more);
    return sbc_buf_take(&path);
}

/* Send, and read the object `name` of the answer: its reader goes to `read`, which gets `out`. */
static int call_for(struct sbc_sandbox *box, const struct sbc_route *route, const char *name,
                    void (*read)(struct sbc_reader *, void *out), void *out, struct sbc_error *err)
{
    cJSON *answer;
    if (sbc_runtime_call(box, route, &answer, err) < 0)
        return -1;
    struct sbc_reader reader;
    sbc_reader_init(&reader, cJSON_GetObjectItemCaseSensitive(answer, name), name);
    read(&reader, out);
    cJSON_Delete(answer);
    return reader.problem[0] == '\0' ? 0 : sbc_client_refuse(err, SBC_RUNTIME, route->is_change, reader.problem);
}

static void read_info(struct sbc_reader *reader, void *out)
{
    sbc_read_info(reader, out);
    SBC_MUTATE(sbc_mutants_nonsense_info(reader, out));
}

static void read_result(struct sbc_reader *reader, void *out)
{
    sbc_read_result(reader, true, out);
    SBC_MUTATE(sbc_mutants_nonsense(reader, "", out));
    if (reader->problem[0] == '\0')
        SBC_MUTATE(sbc_mutants_result(out));
}

/* ----------------------------------------------------------- start and get */

static struct sbc_process *start_with_answer(struct sbc_sandbox *box, const cJSON *body, struct sbc_error *err)
{
    struct sbc_route route = { "POST", "/processes", body, true, false };
    struct sbc_process_info info;
    if (call_for(box, &route, "process", read_info, &info, err) < 0)
        return NULL;
    char *id = sbc_text_copy(info.id);
    struct sbc_process *process = sbc_process_make(box, id, &info);
    free(id);
    return process;
}

static struct sbc_process *start_once(struct sbc_sandbox *box, const cJSON *body, size_t limit, struct sbc_error *err)
{
    if (box->client->protocol == SBC_PROTOCOL_A)
        return start_with_answer(box, body, err);
    struct sbc_process *process = sbc_collect_start(box, body, limit > 0 ? limit : box->client->collect_bytes, err);
    if (SBC_MUTANT(start_resent_as_json) && process == NULL && err != NULL && err->kind == SBC_UNSUPPORTED)
        process = start_with_answer(box, body, err);
    return process;
}

struct sbc_process *sbc_process_start(struct sbc_sandbox *sandbox, const struct sbc_command *command,
                                      struct sbc_error *err)
{
    cJSON *body = sbc_command_encode(command, err);
    if (body == NULL)
        return NULL;
    struct sbc_process *process = start_once(sandbox, body, command->max_output_bytes, err);
    while (process == NULL && SBC_MUTANTS_ASK(sbc_mutants_retries_start(err)))
        process = start_once(sandbox, body, command->max_output_bytes, err);
    cJSON_Delete(body);
    SBC_MUTATE(sbc_mutants_started(process));
    return process;
}

struct sbc_process *sbc_process_get(struct sbc_sandbox *sandbox, const char *id, struct sbc_error *err)
{
    if (id == NULL || id[0] == '\0') {
        sbc_error_set(err, SBC_ARGUMENT, "id: is missing");
        return NULL;
    }
    char *path = make_path(id, "");
    struct sbc_route route = { "GET", path, NULL, false, false };
    struct sbc_process_info info;
    int failed = call_for(sandbox, &route, "process", read_info, &info, err);
    free(path);
    if (failed < 0 && !SBC_MUTANTS_ASK(sbc_mutants_hides_404(err, id, &info)))
        return NULL;
    return sbc_process_make(sandbox, SBC_MUTANT(get_gives_another_id) ? "proc_another" : id, &info);
}

int sbc_process_poll(struct sbc_process *process, struct sbc_process_info *out_info, struct sbc_error *err)
{
    SBC_MUTATE(sbc_mutants_poll(process));
    if (SBC_MUTANT(poll_cached) && out_info != NULL) {
        sbc_process_get_info(process, out_info);
        return 0;
    }
    char *path = make_path(process->id, "");
    struct sbc_route route = { "GET", path, NULL, false, false };
    struct sbc_process_info info;
    int failed = call_for(process->sandbox, &route, "process", read_info, &info, err);
    free(path);
    if (failed < 0 && !SBC_MUTANTS_ASK(sbc_mutants_hides_404(err, process->id, &info)))
        return -1;
    if (out_info != NULL)
        sbc_read_copy_info(out_info, &info);
    learn(process, &info);
    return 0;
}

/* -------------------------------------------------------------------- wait */

static int check_limit(const struct sbc_limit *limit, struct sbc_error *err)
{
    if (limit != NULL && (limit->timeout_ms < 0 || !(limit->timeout_s >= 0) || isinf(limit->timeout_s)))
        return sbc_error_set(err, SBC_ARGUMENT, "timeout_ms, timeout_s: must be numbers that are not negative");
    return 0;
}

/* The caller of `result` may not take it for the end and the whole. */
static int check_result(struct sbc_sandbox *box, struct sbc_result *result, struct sbc_error *err)
{
    bool is_final = sbc_read_is_final(result->status);
    if (is_final &&
        !(result->is_truncated && box->client->protocol == SBC_PROTOCOL_B && !SBC_MUTANT(truncated_accepted)))
        return 0;
    if (is_final)
        sbc_error_broken_stream(err, SBC_INCOMPLETE, result->id, 0, "the server kept only the end of the output");
    else
        sbc_client_refuse(err, SBC_RUNTIME, false, "the wait is over, and the process still runs");
    sbc_result_clear(result);
    return -1;
}

static int ask_to_wait(struct sbc_sandbox *box, const char *id, const struct sbc_limit *limit,
                       struct sbc_result *out_result, struct sbc_error *err)
{
    char *path = make_path(id, "/wait");
    cJSON *body = cJSON_CreateObject();
    if (limit != NULL)
        sbc_command_add_limit(body, limit->timeout_ms, limit->timeout_s);
    struct sbc_route route = { "POST", path, body, false, false };
    int failed = call_for(box, &route, "result", read_result, out_result, err);
    cJSON_Delete(body);
    free(path);
    return failed;
}

int sbc_process_wait_remote(struct sbc_process *process, const struct sbc_limit *limit, struct sbc_result *out_result,
                            struct sbc_error *err)
{
    struct sbc_result result;
    if (ask_to_wait(process->sandbox, process->id, limit, &result, err) < 0)
        return -1;
    if (sbc_read_is_final(result.status)) {
        pthread_mutex_lock(&process->lock);
        sbc_process_settle(process, &result);
        pthread_mutex_unlock(&process->lock);
    }
    if (check_result(process->sandbox, &result, err) < 0)
        return -1;
    *out_result = result;
    return 0;
}

int sbc_process_wait(struct sbc_process *process, const struct sbc_limit *limit, struct sbc_result *out_result,
                     struct sbc_error *err)
{
    if (check_limit(limit, err) < 0)
        return -1;
    SBC_MUTATE(sbc_mutants_wait_limit(&limit));
    int failed = process->is_collected ? sbc_collect_wait(process, limit, out_result, err)
                                       : sbc_process_wait_remote(process, limit, out_result, err);
    SBC_MUTATE(sbc_mutants_waited(process, &failed, out_result, err));
    return failed;
}

int sbc_process_result(struct sbc_process *process, struct sbc_result *out_result, struct sbc_error *err)
{
    return sbc_process_wait(process, NULL, out_result, err);
}

/* -------------------------------------------------------------------- exec */

/* An answer that came before the end is no result: wait for it by its id. */
static int finish_early_answer(struct sbc_sandbox *box, struct sbc_result *result, struct sbc_error *err)
{
    if (sbc_read_is_final(result->status))
        return 0;
    struct sbc_result early = *result;
    int failed = ask_to_wait(box, early.id, NULL, result, err);
    sbc_result_clear(&early);
    if (failed < 0 && err != NULL)
        err->is_definite = false;
    return failed;
}

static int exec_with_answer(struct sbc_sandbox *box, const struct sbc_command *command, struct sbc_result *out_result,
                            struct sbc_error *err)
{
    cJSON *body = sbc_command_encode(command, err);
    if (body == NULL)
        return -1;
    struct sbc_route route = { "POST", "/exec", body, true, false };
    struct sbc_result result;
    int failed = call_for(box, &route, "result", read_result, &result, err);
    cJSON_Delete(body);
    if (failed < 0 || finish_early_answer(box, &result, err) < 0 || check_result(box, &result, err) < 0)
        return -1;
    *out_result = result;
    return 0;
}

static int exec_by_start(struct sbc_sandbox *box, const struct sbc_command *command, struct sbc_result *out_result,
                         struct sbc_error *err)
{
    struct sbc_process *process = sbc_process_start(box, command, err);
    if (process == NULL)
        return -1;
    int failed = sbc_process_wait(process, NULL, out_result, err);
    if (failed < 0 && err != NULL)
        err->is_definite = false;
    sbc_process_free(process);
    return failed;
}

int sbc_exec(struct sbc_sandbox *sandbox, const struct sbc_command *command, struct sbc_result *out_result,
             struct sbc_error *err)
{
    int failed;
    do {
        failed = sandbox->client->protocol == SBC_PROTOCOL_B ? exec_by_start(sandbox, command, out_result, err)
                                                             : exec_with_answer(sandbox, command, out_result, err);
    } while (failed < 0 && SBC_MUTANTS_ASK(sbc_mutants_retries_exec(sandbox->client->protocol, err)));
    SBC_MUTATE(sbc_mutants_ended(&failed, out_result, err));
    return failed;
}

/* -------------------------------------------------------- signal and kill */

int sbc_process_signal(struct sbc_process *process, const char *signal, struct sbc_error *err)
{
    if (signal == NULL || signal[0] == '\0' || !sbc_utf8_is_valid(signal, strlen(signal)))
        return sbc_error_set(err, SBC_ARGUMENT, "signal: give a name such as TERM");
    char *path = make_path(process->id, "/signal");
    cJSON *body = cJSON_CreateObject();
    cJSON_AddStringToObject(body, "signal", signal);
    SBC_MUTATE(sbc_mutants_signal(body));
    struct sbc_route route = { "POST", path, body, true, false };
    struct sbc_process_info info;
    int failed = call_for(process->sandbox, &route, "process", read_info, &info, err);
    cJSON_Delete(body);
    free(path);
    if (failed == 0)
        learn(process, &info);
    return failed;
}

/* A collection that broke off cannot tell the end. */
static int wait_for_end(struct sbc_process *process, const struct sbc_limit *limit, struct sbc_result *out_result,
                        struct sbc_error *err)
{
    pthread_mutex_lock(&process->lock);
    bool is_broken = process->is_collected && process->output.error.kind != SBC_OK;
    pthread_mutex_unlock(&process->lock);
    return is_broken ? sbc_process_wait_remote(process, limit, out_result, err)
                     : sbc_process_wait(process, limit, out_result, err);
}

int sbc_process_kill(struct sbc_process *process, const struct sbc_limit *limit, struct sbc_result *out_result,
                     struct sbc_error *err)
{
    static const struct sbc_limit usual = { KILL_WAIT_MS, 0 };
    if (check_limit(limit, err) < 0)
        return -1;
    if (SBC_MUTANT(kill_without_asking)) {
        SBC_MUTATE(sbc_mutants_pretend_killed(process, out_result));
        return 0;
    }
    char *path = make_path(process->id, "");
    struct sbc_route route = { "DELETE", path, NULL, true, false };
    int failed = SBC_MUTANT(kill_sends_term) ? sbc_process_signal(process, "TERM", err)
                                             : sbc_runtime_call(process->sandbox, &route, NULL, err);
    free(path);
    if (failed < 0)
        return -1;
    if (SBC_MUTANT(kill_without_wait)) {
        SBC_MUTATE(sbc_mutants_pretend_killed(process, out_result));
        return 0;
    }
    struct sbc_result result;
    if (wait_for_end(process, limit != NULL ? limit : &usual, &result, err) < 0) {
        if (err != NULL)
            err->is_definite = false;
        return -1;
    }
    if (out_result != NULL)
        *out_result = result;
    else
        sbc_result_clear(&result);
    return 0;
}

/* ------------------------------------------------------------------- stdin */

static int add_data(cJSON *body, const struct sbc_input *input, struct sbc_error *err)
{
    char *encoded = input->form == SBC_BYTES ? sbc_base64_encode(input->data, input->size) : NULL;
    const char *data = encoded != NULL ? encoded : input->data;
    size_t size = encoded != NULL ? strlen(encoded) : input->size;
    bool is_text = sbc_utf8_is_valid(data, size);
    if (is_text) {
        cJSON_AddItemToObject(body, "data", sbc_json_new_text(data, size));
        cJSON_AddStringToObject(body, "encoding", input->form == SBC_TEXT ? "utf8" : "base64");
    }
    free(encoded);
    return is_text ? 0 : sbc_error_set(err, SBC_ARGUMENT, "data: is no UTF-8; send it as bytes");
}

int sbc_process_write(struct sbc_process *process, const struct sbc_input *input, struct sbc_error *err)
{
    if (input->data == NULL && !input->eof)
        return sbc_error_set(err, SBC_ARGUMENT, "data, eof: give one of them");
    cJSON *body = cJSON_CreateObject();
    int failed = input->data == NULL ? 0 : add_data(body, input, err);
    if (input->eof)
        cJSON_AddTrueToObject(body, "eof");
    SBC_MUTATE(sbc_mutants_stdin(body));
    char *path = make_path(process->id, "/stdin");
    struct sbc_route route = { "POST", path, body, true, false };
    if (failed == 0)
        failed = sbc_runtime_call(process->sandbox, &route, NULL, err);
    if (failed < 0 && SBC_MUTANTS_ASK(sbc_mutants_retries_write(err)))
        failed = sbc_runtime_call(process->sandbox, &route, NULL, err);
    cJSON_Delete(body);
    free(path);
    return failed;
}

int sbc_process_close_stdin(struct sbc_process *process, struct sbc_error *err)
{
    return sbc_process_write(process, &(struct sbc_input){ .eof = true }, err);
}

int sbc_process_disconnect(struct sbc_process *process, struct sbc_error *err)
{
    if (process->sandbox->client->protocol != SBC_PROTOCOL_B)
        return sbc_error_set(err, SBC_UNSUPPORTED, "disconnect: protocol A has no connection to let go of");
    sbc_collect_leave(process);
    return SBC_MUTANT(disconnect_kills) ? sbc_process_kill(process, NULL, NULL, err) : 0;
}
