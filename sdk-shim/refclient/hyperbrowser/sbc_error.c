#include "sbc_error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "sbc_json.h"
#include "sbc_mutants.h"
#include "sbc_text.h"

#define MESSAGE_BYTES 65536 /* a page of HTML is message enough */

void sbc_error_clear(struct sbc_error *err)
{
    free(err->message);
    free(err->code);
    free(err->request_id);
    free(err->details);
    *err = (struct sbc_error) SBC_ERROR_INIT;
}

const char *sbc_error_kind_name(enum sbc_error_kind kind)
{
    static const char *const names[SBC_ERROR_KINDS] = {
        [SBC_OK] = "SBC_OK",
        [SBC_HTTP] = "SBC_HTTP",
        [SBC_ARGUMENT] = "SBC_ARGUMENT",
        [SBC_CONNECTION] = "SBC_CONNECTION",
        [SBC_WAIT_TIMEOUT] = "SBC_WAIT_TIMEOUT",
        [SBC_MALFORMED] = "SBC_MALFORMED",
        [SBC_INCOMPLETE] = "SBC_INCOMPLETE",
        [SBC_OUTPUT_LIMIT] = "SBC_OUTPUT_LIMIT",
        [SBC_UNSUPPORTED] = "SBC_UNSUPPORTED",
        [SBC_CANCELLED] = "SBC_CANCELLED",
    };
    return kind < SBC_ERROR_KINDS ? names[kind] : "SBC_UNKNOWN";
}

/* Takes `message`. */
static int fill(struct sbc_error *err, enum sbc_error_kind kind, char *message)
{
    if (err == NULL) {
        free(message);
        return -1;
    }
    sbc_error_clear(err);
    err->kind = kind;
    err->message = message;
    err->is_definite = true;
    return -1;
}

__attribute__((format(printf, 1, 0))) static char *format_message(const char *fmt, va_list args)
{
    char text[2048];
    vsnprintf(text, sizeof text, fmt, args);
    return sbc_utf8_clean(text, strlen(text));
}

int sbc_error_set(struct sbc_error *err, enum sbc_error_kind kind, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    char *message = format_message(fmt, args);
    va_end(args);
    return fill(err, kind, message);
}

int sbc_error_copy(struct sbc_error *err, const struct sbc_error *from)
{
    if (err == NULL)
        return -1;
    sbc_error_clear(err);
    *err = *from;
    err->message = sbc_text_copy(from->message);
    err->code = sbc_text_copy(from->code);
    err->request_id = sbc_text_copy(from->request_id);
    err->details = sbc_text_copy(from->details);
    return -1;
}

/* ----------------------------------------------------------------- answers */

static bool is_retryable_status(int status)
{
    return status == 429 || status == 502 || status == 503 || status == 504;
}

/* A member of the answer, when it is a text with something in it. */
static char *read_word(const struct cJSON *answer, const char *name)
{
    const cJSON *node = cJSON_IsObject(answer) ? cJSON_GetObjectItemCaseSensitive(answer, name) : NULL;
    if (!cJSON_IsString(node) || node->valuestring[0] == '\0')
        return NULL;
    struct sbc_bytes bytes = sbc_json_bytes(node);
    return bytes.data;
}

/* The control plane may say itself whether trying again helps. */
static bool read_retryable(const struct sbc_answer *answer, const struct cJSON *tree)
{
    const cJSON *said = cJSON_IsObject(tree) ? cJSON_GetObjectItemCaseSensitive(tree, "retryable") : NULL;
    if (answer->service == SBC_CONTROL && cJSON_IsBool(said) && !SBC_MUTANT(retryable_flag_ignored))
        return cJSON_IsTrue(said);
    return is_retryable_status(answer->status);
}

/* "API_KEY_SCOPE_DENIED": words in capitals with underscores between them. */
static bool looks_like_code(const char *text)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", others[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    size_t words = 0;
    if (strspn(text, letters) == 0)
        return false;
    for (size_t len; (len = strspn(text, others)) > 0; words++) {
        text += len;
        if (*text == '\0')
            return words > 0;
        if (*text++ != '_')
            return false;
    }
    return false;
}

/* Some of its routes have their code in "error", beside a message. */
static char *read_code(const struct sbc_answer *answer, const struct cJSON *tree)
{
    char *code = read_word(tree, "code");
    if (code != NULL || answer->service != SBC_CONTROL || SBC_MUTANT(code_in_error_lost))
        return code;
    char *message = read_word(tree, "message"), *word = read_word(tree, "error");
    bool is_code = message != NULL && word != NULL && looks_like_code(word);
    free(message);
    if (is_code)
        return word;
    free(word);
    return NULL;
}

static char *read_message(const struct sbc_answer *answer, const struct cJSON *tree)
{
    const char *first = "message", *second = "error";
    if (SBC_MUTANT(error_beats_message)) {
        first = "error";
        second = "message";
    }
    char *message = read_word(tree, first);
    if (message == NULL && !SBC_MUTANT(error_word_lost))
        message = read_word(tree, second);
    if (message == NULL && !cJSON_IsObject(tree) && answer->size > 0)
        message = sbc_utf8_clean(answer->body, answer->size < MESSAGE_BYTES ? answer->size : MESSAGE_BYTES);
    return message != NULL ? message : sbc_text_format("the server answered with status %d", answer->status);
}

int sbc_error_from_answer(struct sbc_error *err, const struct sbc_answer *answer, bool is_change)
{
    cJSON *tree = sbc_json_parse(answer->body, answer->size);
    fill(err, SBC_HTTP, read_message(answer, tree));
    if (err != NULL) {
        err->status = answer->status;
        err->service = answer->service;
        err->is_retryable = read_retryable(answer, tree);
        err->is_definite = !is_change || answer->status < 500;
        err->retry_after_ms = answer->retry_after_ms;
        err->code = read_code(answer, tree);
        err->request_id = sbc_text_copy(answer->request_id);
        err->details = cJSON_IsObject(tree) ? sbc_json_print(tree) : NULL;
        SBC_MUTATE(sbc_mutants_error(err));
    }
    cJSON_Delete(tree);
    return -1;
}

int sbc_error_not_running(struct sbc_error *err, const char *sandbox_id, const char *status)
{
    sbc_error_set(err, SBC_HTTP, "sandbox %s is not running (status %s)", sandbox_id, status);
    if (err != NULL) {
        err->status = 409;
        err->service = SBC_RUNTIME;
        err->code = sbc_text_copy("sandbox_not_running");
    }
    return -1;
}

int sbc_error_broken_stream(struct sbc_error *err, enum sbc_error_kind kind, const char *process_id, int64_t last_seq,
                            const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    char *message = format_message(fmt, args);
    va_end(args);
    fill(err, kind, message);
    if (err == NULL)
        return -1;
    err->service = SBC_RUNTIME;
    err->is_definite = false;
    err->code = sbc_text_copy(kind == SBC_OUTPUT_LIMIT ? "output_limit_exceeded" : "incomplete_output");
    cJSON *details = cJSON_CreateObject();
    cJSON_AddItemToObject(details, "process_id", sbc_json_new_text(process_id, strlen(process_id)));
    cJSON_AddNumberToObject(details, "last_seq", (double) last_seq);
    err->details = sbc_json_print(details);
    cJSON_Delete(details);
    return -1;
}
