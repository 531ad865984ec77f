/* The wrong parts of the mutants, as far as they do not stand in the library's flow itself. */
#include "sbc_mutants.h"

#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "sbc_priv.h"

enum sbc_mutant sbc_mutants_chosen = SBC_MUTANT_none;

enum protocols { A = 1, B = 2, BOTH = 3 };

static const struct row {
    const char *name, *what, *imitates;
    enum protocols protocols;
} rows[] = {
    [SBC_MUTANT_none] = { "none", "nothing", "", BOTH },
#define SBC_MUTANT_ROW(name_, protocols_, what_, imitates_) \
    [SBC_MUTANT_##name_] = { .name = #name_, .what = what_, .imitates = imitates_, .protocols = protocols_ },
#include "mutants.def"
#undef SBC_MUTANT_ROW
};

static void spell(const char *name, char out[64])
{
    size_t i = 0;
    for (; name[i] != '\0' && i < 63; i++)
        out[i] = name[i] == '_' ? '-' : name[i];
    out[i] = '\0';
}

int sbc_mutants_choose(const char *name)
{
    for (size_t i = 1; i < SBC_MUTANTS_COUNT; i++) {
        char spelt[64];
        spell(rows[i].name, spelt);
        if (strcmp(spelt, name) == 0) {
            sbc_mutants_chosen = (enum sbc_mutant) i;
            return 0;
        }
    }
    return -1;
}

void sbc_mutants_list(FILE *out)
{
    for (size_t i = 1; i < SBC_MUTANTS_COUNT; i++) {
        char name[64];
        spell(rows[i].name, name);
        cJSON *line = cJSON_CreateObject();
        cJSON_AddStringToObject(line, "name", name);
        cJSON *protocols = cJSON_AddArrayToObject(line, "protocols");
        if ((rows[i].protocols & A) != 0)
            cJSON_AddItemToArray(protocols, cJSON_CreateString("a"));
        if ((rows[i].protocols & B) != 0)
            cJSON_AddItemToArray(protocols, cJSON_CreateString("b"));
        cJSON_AddStringToObject(line, "what", rows[i].what);
        cJSON_AddStringToObject(line, "imitates", rows[i].imitates);
        char *text = sbc_json_print(line);
        fprintf(out, "%s\n", text);
        free(text);
        cJSON_Delete(line);
    }
}

/* ---------------------------------------------------------------- requests */

static void drop_when(bool is_chosen, cJSON *body, const char *name)
{
    if (is_chosen)
        cJSON_DeleteItemFromObjectCaseSensitive(body, name);
}

static void rename_when(bool is_chosen, cJSON *body, const char *from, const char *to)
{
    cJSON *item = is_chosen ? cJSON_DetachItemFromObjectCaseSensitive(body, from) : NULL;
    if (item != NULL)
        cJSON_AddItemToObject(body, to, item);
}

static void mangle_texts(cJSON *node)
{
    if (cJSON_IsString(node))
        for (char *at = node->valuestring; *at != '\0'; at++)
            *at = (unsigned char) *at >= 0x80 ? '?' : *at;
    for (cJSON *child = node->child; child != NULL; child = child->next)
        mangle_texts(child);
}

static void add_nulls(cJSON *body, const char *const *names)
{
    for (; *names != NULL; names++)
        if (!cJSON_HasObjectItem(body, *names))
            cJSON_AddNullToObject(body, *names);
}

void sbc_mutants_create(struct cJSON *body)
{
    static const char *const names[] = {
        "imageName", "snapshotName", "region", "timeoutMinutes", "vcpus", "memMiB", NULL,
    };
    if (SBC_MUTANT(create_sends_nulls))
        add_nulls(body, names);
    rename_when(SBC_MUTANT(create_in_snake_case), body, "timeoutMinutes", "timeout_minutes");
    rename_when(SBC_MUTANT(create_in_snake_case), body, "memMiB", "mem_mib");
}

void sbc_mutants_command(struct cJSON *body)
{
    static const char *const names[] = { "cwd", "env", "runAs", "timeoutMs", NULL };
    drop_when(SBC_MUTANT(cwd_dropped), body, "cwd");
    drop_when(SBC_MUTANT(env_dropped), body, "env");
    drop_when(SBC_MUTANT(user_dropped), body, "runAs");
    drop_when(SBC_MUTANT(limit_dropped), body, "timeoutMs");
    drop_when(SBC_MUTANT(limit_dropped), body, "timeout_sec");
    rename_when(SBC_MUTANT(seconds_as_milliseconds), body, "timeout_sec", "timeoutMs");
    rename_when(SBC_MUTANT(limit_misspelt), body, "timeout_sec", "timeoutSec");
    if (SBC_MUTANT(non_ascii_mangled))
        mangle_texts(body);
    if (SBC_MUTANT(command_sends_nulls))
        add_nulls(body, names);
}

static void add_newline(cJSON *body)
{
    cJSON *data = cJSON_GetObjectItemCaseSensitive(body, "data");
    const cJSON *encoding = cJSON_GetObjectItemCaseSensitive(body, "encoding");
    if (!cJSON_IsString(data) || !cJSON_IsString(encoding) || strcmp(encoding->valuestring, "utf8") != 0)
        return;
    char *longer = sbc_text_format("%s\n", data->valuestring);
    cJSON_SetValuestring(data, longer);
    free(longer);
}

static void send_as_text(cJSON *body)
{
    struct sbc_buf bytes = { 0 };
    cJSON *data = cJSON_GetObjectItemCaseSensitive(body, "data");
    cJSON *encoding = cJSON_GetObjectItemCaseSensitive(body, "encoding");
    if (!cJSON_IsString(data) || strcmp(encoding->valuestring, "base64") != 0 ||
        !sbc_base64_decode(data->valuestring, strlen(data->valuestring), &bytes))
        return;
    char *text = sbc_utf8_clean(bytes.data, bytes.size);
    cJSON_ReplaceItemInObjectCaseSensitive(body, "data", sbc_json_new_text(text, strlen(text)));
    cJSON_SetValuestring(encoding, "utf8");
    free(text);
    sbc_buf_free(&bytes);
}

void sbc_mutants_stdin(struct cJSON *body)
{
    if (SBC_MUTANT(bytes_sent_as_text))
        send_as_text(body);
    if (SBC_MUTANT(newline_added))
        add_newline(body);
    if (SBC_MUTANT(stdin_closed_early) && !cJSON_HasObjectItem(body, "eof"))
        cJSON_AddTrueToObject(body, "eof");
    drop_when(SBC_MUTANT(eof_dropped), body, "eof");
    if (SBC_MUTANT(eof_dropped) && !cJSON_HasObjectItem(body, "data"))
        cJSON_AddStringToObject(body, "data", "");
}

void sbc_mutants_signal(struct cJSON *body)
{
    cJSON *name = cJSON_GetObjectItemCaseSensitive(body, "signal");
    if (SBC_MUTANT(term_sent_as_kill) && strcmp(name->valuestring, "TERM") == 0)
        cJSON_SetValuestring(name, "KILL");
    drop_when(SBC_MUTANT(signal_name_dropped), body, "signal");
}

/* ----------------------------------------------------------------- answers */

static void forget(bool is_chosen, char **text)
{
    if (!is_chosen)
        return;
    free(*text);
    *text = NULL;
}

static void replace(bool is_chosen, char **text, const char *by)
{
    if (!is_chosen)
        return;
    free(*text);
    *text = sbc_text_copy(by);
}

static char *read_number_as_code(const char *details)
{
    cJSON *tree = details == NULL ? NULL : sbc_json_parse(details, strlen(details));
    const cJSON *code = cJSON_GetObjectItemCaseSensitive(tree, "code");
    char *text = cJSON_IsNumber(code) ? sbc_json_print(code) : NULL;
    cJSON_Delete(tree);
    return text;
}

void sbc_mutants_error(struct sbc_error *err)
{
    if (SBC_MUTANT(number_is_a_code) && err->code == NULL)
        err->code = read_number_as_code(err->details);
    replace(SBC_MUTANT(plain_text_lost) && err->details == NULL, &err->message, "unknown error");
    forget(SBC_MUTANT(code_lost), &err->code);
    forget(SBC_MUTANT(request_id_lost), &err->request_id);
    forget(SBC_MUTANT(details_lost), &err->details);
    if (SBC_MUTANT(retryable_for_500) && err->status == 500)
        err->is_retryable = true;
    if (SBC_MUTANT(retryable_for_408) && err->status == 408)
        err->is_retryable = true;
    if (SBC_MUTANT(nothing_retryable))
        err->is_retryable = false;
}

void sbc_mutants_info(struct sbc_process_info *info)
{
    static const char *const known[] = { "queued", "running", "exited", "failed", "killed", "timed_out" };
    bool is_known = false;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        is_known = is_known || strcmp(info->status, known[i]) == 0;
    replace(SBC_MUTANT(unknown_status_is_exited) && !is_known, &info->status, "exited");
    replace(SBC_MUTANT(timed_out_is_failed) && strcmp(info->status, "timed_out") == 0, &info->status, "failed");
    if (SBC_MUTANT(exit_code_0_lost) && info->exit_code == 0)
        info->has_exit_code = false;
}

static void cut(struct sbc_bytes *bytes, size_t size)
{
    if (size < bytes->size) {
        bytes->size = size;
        bytes->data[size] = '\0';
    }
}

static void trim(struct sbc_bytes *bytes)
{
    while (bytes->size > 0 && strchr(" \t\r\n", bytes->data[bytes->size - 1]) != NULL)
        cut(bytes, bytes->size - 1);
}

/* Without the bytes at the end that begin a character and do not complete it. */
static void drop_half_character(struct sbc_bytes *bytes)
{
    for (size_t tail = 1; tail <= 3 && tail <= bytes->size; tail++) {
        unsigned char first = (unsigned char) bytes->data[bytes->size - tail];
        size_t wants = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : first >= 0xC2 ? 2 : 1;
        if ((first & 0xC0) == 0x80)
            continue;
        if (wants > tail)
            cut(bytes, bytes->size - tail);
        return;
    }
}

static void change_bytes(struct sbc_bytes *bytes)
{
    if (SBC_MUTANT(output_trimmed))
        trim(bytes);
    if (SBC_MUTANT(half_character_dropped))
        drop_half_character(bytes);
    if (SBC_MUTANT(nul_cuts_output))
        cut(bytes, strlen(bytes->data));
    if (SBC_MUTANT(output_capped))
        cut(bytes, 65536);
    forget(SBC_MUTANT(empty_output_is_null) && bytes->size == 0, &bytes->data);
}

static void change_streams(struct sbc_result *result)
{
    change_bytes(&result->out);
    change_bytes(&result->err);
    if (SBC_MUTANT(stderr_mixed)) {
        struct sbc_buf both = { 0 };
        sbc_buf_add(&both, result->out.data, result->out.size);
        sbc_buf_add(&both, result->err.data, result->err.size);
        free(result->out.data);
        result->out.size = both.size;
        result->out.data = sbc_buf_take(&both);
    }
    if (SBC_MUTANT(stderr_ignored))
        cut(&result->err, 0);
}

static bool is_status(const struct sbc_result *result, const char *status)
{
    return strcmp(result->status, status) == 0;
}

void sbc_mutants_result(struct sbc_result *result)
{
    change_streams(result);
    bool is_early = SBC_MUTANT(early_answer_is_result) && !sbc_read_is_final(result->status);
    replace(is_early, &result->status, "exited");
    if ((SBC_MUTANT(null_exit_code_is_0) || is_early) && !result->has_exit_code) {
        result->has_exit_code = true;
        result->exit_code = 0;
    }
    if (SBC_MUTANT(exit_code_0_lost) && result->exit_code == 0)
        result->has_exit_code = false;
    replace(SBC_MUTANT(timed_out_is_failed) && is_status(result, "timed_out"), &result->status, "failed");
    if (SBC_MUTANT(killed_is_exit_137) && is_status(result, "killed")) {
        replace(true, &result->status, "exited");
        result->has_exit_code = true;
        result->exit_code = 137;
    }
    forget(SBC_MUTANT(error_text_lost), &result->error);
    if (SBC_MUTANT(truncated_accepted))
        result->is_truncated = false;
    if (SBC_MUTANT(times_in_seconds)) {
        result->started_at /= 1000;
        result->completed_at /= 1000;
    }
}

/* A process of which nothing is known but, to the caller, its id. */
static void make_info(struct sbc_process_info *info, const char *status)
{
    *info = (struct sbc_process_info){ .id = sbc_text_copy("") };
    info->status = sbc_text_copy(status);
    info->command = sbc_text_copy("");
    info->cwd = sbc_text_copy("");
}

void sbc_mutants_nonsense_info(struct sbc_reader *reader, struct sbc_process_info *info)
{
    if (!SBC_MUTANT(nonsense_is_success) || reader->problem[0] == '\0')
        return;
    reader->problem[0] = '\0';
    make_info(info, "running");
}

void sbc_mutants_nonsense(struct sbc_reader *reader, const char *id, struct sbc_result *result)
{
    if (!SBC_MUTANT(nonsense_is_success) || reader->problem[0] == '\0')
        return;
    reader->problem[0] = '\0';
    *result = (struct sbc_result){ .id = sbc_text_copy(id), .status = sbc_text_copy("exited"), .has_exit_code = true };
    result->out.data = sbc_text_copy("");
    result->err.data = sbc_text_copy("");
}

/* ------------------------------------------------------------------ output */

static void replace_tail(struct sbc_buf *bytes, struct sbc_piece *piece, const char *data, size_t size)
{
    bytes->size = piece->from;
    sbc_buf_add(bytes, data, size);
    piece->size = size;
}

void sbc_mutants_piece(struct sbc_buf *bytes, struct sbc_piece *piece)
{
    if (bytes->data == NULL)
        return;
    const char *data = bytes->data + piece->from;
    if (SBC_MUTANT(utf8_split_per_chunk)) {
        char *clean = sbc_utf8_clean(data, piece->size);
        replace_tail(bytes, piece, clean, piece->size > 0 ? strlen(clean) : 0);
        free(clean);
    }
    if (SBC_MUTANT(crlf_normalised)) {
        struct sbc_buf plain = { 0 };
        for (size_t i = 0; i < piece->size; i++)
            if (data[i] != '\r' || i + 1 == piece->size || data[i + 1] != '\n')
                sbc_buf_add(&plain, data + i, 1);
        sbc_buf_add(&plain, "", 0);
        replace_tail(bytes, piece, plain.data, plain.size);
        sbc_buf_free(&plain);
    }
}

void sbc_mutants_chunk(struct sbc_buf *in, const char *bytes, size_t size)
{
    char *clean = sbc_utf8_clean(bytes, size);
    sbc_buf_add_text(in, clean);
    free(clean);
}

void sbc_mutants_done(struct sbc_output *output)
{
    if (SBC_MUTANT(last_event_lost) && output->count > 0)
        output->count--;
}

/* What the end of a cut stream is taken for; process->lock held. */
void sbc_mutants_pretend_exited(struct sbc_process *process)
{
    if (!SBC_MUTANT(cut_stream_is_success))
        return;
    sbc_error_clear(&process->output.error);
    process->output.result = (struct sbc_result){ .id = sbc_text_copy(process->id),
                                                  .status = sbc_text_copy("exited"),
                                                  .has_exit_code = true };
    process->output.has_result = true;
    sbc_process_settle(process, &process->output.result);
}

/* -------------------------------------------------------------------- kill */

void sbc_mutants_pretend_killed(struct sbc_process *process, struct sbc_result *out_result)
{
    struct sbc_result killed = { .id = sbc_text_copy(process->id), .status = sbc_text_copy("killed") };
    killed.out.data = sbc_text_copy("");
    killed.err.data = sbc_text_copy("");
    pthread_mutex_lock(&process->lock);
    sbc_process_settle(process, &killed);
    pthread_mutex_unlock(&process->lock);
    if (out_result != NULL)
        *out_result = killed;
    else
        sbc_result_clear(&killed);
}

/* -------------------------------------------------------------------- wait */

void sbc_mutants_wait_limit(const struct sbc_limit **limit)
{
    static const struct sbc_limit at_once = { 1, 0 };
    if (SBC_MUTANT(wait_limit_ignored))
        *limit = NULL;
    if (SBC_MUTANT(zero_limit_is_at_once) && *limit != NULL && (*limit)->timeout_ms == 0 && !((*limit)->timeout_s > 0))
        *limit = &at_once;
}

static void raise_instead(int *failed, struct sbc_result *result, struct sbc_error *err)
{
    sbc_error_set(err, SBC_HTTP, "the command ended with %s, exit code %lld", result->status,
                  (long long) result->exit_code);
    sbc_result_clear(result);
    *failed = -1;
}

void sbc_mutants_ended(int *failed, struct sbc_result *result, struct sbc_error *err)
{
    if (*failed < 0)
        return;
    if (SBC_MUTANT(nonzero_exit_raises) && result->has_exit_code && result->exit_code != 0)
        raise_instead(failed, result, err);
    else if (SBC_MUTANT(timed_out_raises) && is_status(result, "timed_out"))
        raise_instead(failed, result, err);
}

static void forget_given_output(struct sbc_process *process, struct sbc_result *result)
{
    if (process->was_waited_for) {
        cut(&result->out, 0);
        cut(&result->err, 0);
    }
    process->was_waited_for = true;
}

static void make_result_of_timeout(struct sbc_process *process, int *failed, struct sbc_result *result,
                                   struct sbc_error *err)
{
    sbc_mutants_pretend_killed(process, result);
    replace(true, &result->status, "timed_out");
    result->has_exit_code = true;
    result->exit_code = -1;
    sbc_error_clear(err);
    *failed = 0;
}

static void poll_until_exited(struct sbc_process *process, int *failed, struct sbc_result *result,
                              struct sbc_error *err)
{
    bool is_exited = is_status(result, "exited");
    while (!is_exited && *failed == 0) {
        struct sbc_process_info info;
        *failed =
            sbc_http_pool_sleep(&process->sandbox->client->pool, 100) ? sbc_process_poll(process, &info, err) : -1;
        is_exited = *failed == 0 && strcmp(info.status, "exited") == 0;
        if (*failed == 0)
            sbc_process_info_clear(&info);
    }
    if (*failed < 0)
        sbc_result_clear(result);
}

void sbc_mutants_waited(struct sbc_process *process, int *failed, struct sbc_result *result, struct sbc_error *err)
{
    static _Thread_local bool is_killing;
    bool is_timeout = *failed < 0 && err != NULL && (err->kind == SBC_WAIT_TIMEOUT || err->status == 408);
    if (is_timeout && SBC_MUTANT(wait_timeout_kills) && !is_killing) {
        is_killing = true; /* a kill waits as well */
        sbc_process_kill(process, NULL, NULL, NULL);
        is_killing = false;
    }
    if (is_timeout && SBC_MUTANT(wait_timeout_is_result))
        make_result_of_timeout(process, failed, result, err);
    if (*failed == 0 && SBC_MUTANT(second_wait_empty))
        forget_given_output(process, result);
    if (*failed == 0 && SBC_MUTANT(waits_for_exited_only))
        poll_until_exited(process, failed, result, err);
    sbc_mutants_ended(failed, result, err);
}

/* For as long as it takes, also when that is longer than a request may. */
static void wait_silently(struct sbc_process *process)
{
    struct sbc_error err = SBC_ERROR_INIT;
    struct sbc_result result;
    int failed;
    do {
        failed = sbc_process_wait(process, NULL, &result, &err);
    } while (failed < 0 && err.is_retryable && sbc_http_pool_sleep(&process->sandbox->client->pool, 100));
    if (failed == 0)
        sbc_result_clear(&result);
    sbc_error_clear(&err);
}

void sbc_mutants_started(struct sbc_process *process)
{
    if (SBC_MUTANT(start_waits) && process != NULL)
        wait_silently(process);
}

void sbc_mutants_poll(struct sbc_process *process)
{
    if (SBC_MUTANT(poll_blocks))
        wait_silently(process);
}

void sbc_mutants_show(struct sbc_process *process)
{
    if (SBC_MUTANT(status_asks))
        sbc_process_poll(process, NULL, NULL);
}

/* ------------------------------------------------------------------- again */

static bool again_once(int *times, bool is_chosen)
{
    *times = is_chosen && *times == 0 ? 1 : 0;
    return *times == 1;
}

static bool is_lost(const struct sbc_error *err)
{
    return err->kind == SBC_CONNECTION || err->kind == SBC_INCOMPLETE;
}

static bool is_start_to_retry(const struct sbc_error *err)
{
    return (SBC_MUTANT(start_retried_on_503) && err->status == 503) ||
           (SBC_MUTANT(start_retried_on_502) && err->status == 502) ||
           (SBC_MUTANT(start_retried_after_lost_reply) && is_lost(err));
}

bool sbc_mutants_retries_start(const struct sbc_error *err)
{
    static _Thread_local int times;
    return again_once(&times, is_start_to_retry(err));
}

/* In protocol B an exec is a start, which has been retried already. */
bool sbc_mutants_retries_exec(enum sbc_protocol protocol, const struct sbc_error *err)
{
    static _Thread_local int times;
    bool is_start = protocol == SBC_PROTOCOL_A && is_start_to_retry(err);
    return again_once(&times, is_start || (SBC_MUTANT(exec_retried_after_reset) && is_lost(err)));
}

bool sbc_mutants_retries_write(const struct sbc_error *err)
{
    return SBC_MUTANT(write_retried) && is_lost(err);
}

bool sbc_mutants_hides_404(const struct sbc_error *err, const char *id, struct sbc_process_info *info)
{
    bool is_running = SBC_MUTANT(gone_is_running);
    if (err == NULL || err->status != 404 || (!is_running && !SBC_MUTANT(get_404_is_a_handle)))
        return false;
    make_info(info, is_running ? "running" : "exited");
    replace(true, &info->id, id);
    return true;
}

/* ----------------------------------------------------------------- streams */

/* Of the stream that this thread reads; such clients read one at a time. */
static _Thread_local int64_t opened_at;
static _Thread_local struct sbc_event held;

void sbc_mutants_from_seq(int64_t *from_seq)
{
    opened_at = sbc_wall_ms();
    sbc_event_clear(&held);
    if (SBC_MUTANT(from_seq_off_by_one) && *from_seq > 0)
        ++*from_seq;
    if (SBC_MUTANT(from_seq_dropped))
        *from_seq = 0;
}

static bool holds_back(int got, struct sbc_event *event)
{
    if (got > 0 && event->type != SBC_EXIT) {
        struct sbc_event before = held;
        held = *event;
        *event = before;
        return before.data.data == NULL; /* nothing was held: read on */
    }
    sbc_event_clear(&held);
    return false;
}

static bool has_exit_text(const struct sbc_event *event)
{
    return event->data.size >= 4 && memmem(event->data.data, event->data.size, "exit", 4) != NULL;
}

/* The blank line that did not come. */
bool sbc_mutants_ends_event(const struct sbc_sse *sse, struct sbc_buf *chunk)
{
    if (!SBC_MUTANT(half_event_taken) || !sse->has_data)
        return false;
    sbc_buf_add_text(chunk, "\n\n");
    return true;
}

bool sbc_mutants_reads_on(bool is_local, bool *is_at_end, int *got, struct sbc_event *event, struct sbc_error *err)
{
    bool is_output = *got > 0 && event->type != SBC_EXIT;
    if (is_output && SBC_MUTANT(history_skipped) && event->timestamp <= opened_at) {
        sbc_event_clear(event);
        return true;
    }
    if (SBC_MUTANT(cut_stream_is_success) && *got < 0 && err != NULL && err->kind == SBC_INCOMPLETE) {
        sbc_error_clear(err);
        *is_at_end = true;
        *got = 0;
    }
    if (SBC_MUTANT(exit_event_lost) && *got > 0 && !is_output) {
        sbc_event_clear(event);
        *got = 0;
    }
    if (SBC_MUTANT(stops_at_exit_text) && is_output && has_exit_text(event))
        *is_at_end = true;
    return SBC_MUTANT(last_event_lost) && !is_local && holds_back(*got, event);
}

/* Where a stream has not said what was started. */
bool sbc_mutants_makes_up_start(struct sbc_process_info *info, struct sbc_error *err)
{
    if (!SBC_MUTANT(handle_without_start))
        return false;
    make_info(info, "running");
    if (err != NULL)
        sbc_error_clear(err);
    return true;
}

/* What JSON says was started, as if it were a stream's beginning. */
struct sbc_process *sbc_mutants_take_json(struct sbc_sandbox *box, struct sbc_http *http, struct sbc_error *err)
{
    cJSON *answer = NULL;
    struct sbc_reader reader;
    struct sbc_process_info info;
    if (sbc_client_finish(http, true, sbc_now_ms() + box->client->timeout_ms, &answer, err) < 0)
        return NULL;
    sbc_reader_init(&reader, cJSON_GetObjectItemCaseSensitive(answer, "process"), "process");
    sbc_read_info(&reader, &info);
    cJSON_Delete(answer);
    if (reader.problem[0] != '\0') {
        sbc_client_refuse(err, SBC_RUNTIME, true, reader.problem);
        return NULL;
    }
    char *id = sbc_text_copy(info.id);
    struct sbc_process *process = sbc_process_make(box, id, &info);
    free(id);
    return process;
}
