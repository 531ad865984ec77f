/* Lines of the main process, and going on behind a broken stream (wire page §3.12). */
#include <stdlib.h>
#include <string.h>

#include "cwc_priv.h"

#define MAX_ATTEMPTS 3
#define FIRST_MS     500
#define LONGEST_MS   4000
#define LINE_BYTES   ((size_t) 1 << 20)

struct cwc_logs {
    struct cwc_sandbox *box;
    struct cwc_log_options options;
    struct cwc_call *call;
    struct sbc_buf bytes; /* that are no line yet */
    char *session;        /* v1: where to go on */
    uint64_t offset;
    int attempts;
    bool has_given; /* bytes have come */
    bool is_ended;
    struct cwc_error err; /* that came behind the last lines */
};

static int begin(struct cwc_logs *logs, struct cwc_error *err)
{
    struct cwc_client *client = logs->box->client;
    struct sbc_buf request = { 0 };
    bool is_late = logs->has_given && logs->session == NULL; /* where it was nobody knows: go on from now */
    struct cwc_resume resume = { logs->session, logs->offset, is_late ? sbc_wall_ms() : 0 };
    if (CWC_MUTANT(logs_resume_from_start))
        resume.session = NULL;
    logs->call = cwc_client_begin(client, CWC_LOGS, logs->options.follow ? 0 : client->timeout_ms, err);
    if (logs->call == NULL)
        return -1;
    client->wire->put_logs(logs->box->id, &logs->options, &resume, &request);
    cwc_call_send(logs->call, &request);
    if (client->version == CWC_V1 || !logs->options.follow)
        cwc_call_half_close(logs->call);
    sbc_buf_free(&request);
    return 0;
}

struct cwc_logs *cwc_logs_open(struct cwc_sandbox *box, const struct cwc_log_options *options, struct cwc_error *err)
{
    static const struct cwc_log_options none;
    struct cwc_logs *logs = sbc_alloc(1, sizeof *logs);
    logs->box = cwc_sandbox_ref(box);
    logs->options = options != NULL ? *options : none;
    logs->options.follow = logs->options.follow && !CWC_MUTANT(follow_ignored);
    logs->options.timestamps = logs->options.timestamps && !CWC_MUTANT(timestamps_ignored);
    logs->options.tail_lines = CWC_MUTANT(tail_ignored) ? 0 : logs->options.tail_lines;
    bool is_open = cwc_sandbox_is_open(box, logs->options.follow ? err : NULL);
    int failed = is_open ? cwc_poll_running(box, cwc_until(300), NULL, err) : logs->options.follow ? -1 : 0;
    if (failed == 0 && begin(logs, err) == 0)
        return logs;
    cwc_logs_close(logs);
    return NULL;
}

void cwc_logs_close(struct cwc_logs *logs)
{
    if (logs == NULL)
        return;
    cwc_call_free(logs->call);
    sbc_buf_free(&logs->bytes);
    cwc_error_clear(&logs->err);
    cwc_sandbox_free(logs->box);
    free(logs->session);
    free(logs);
}

/* ------------------------------------------------------------------ breaking off */

/* Half a line is of use only to who goes on in the middle of it. */
static void forget_place(struct cwc_logs *logs)
{
    free(logs->session);
    logs->session = NULL;
    sbc_buf_drop(&logs->bytes, logs->bytes.size);
}

/* Begin again behind a break, also when nobody is there at first; -1: it was the last time. */
static int resume(struct cwc_logs *logs)
{
    struct cwc_error err = CWC_ERROR_INIT;
    cwc_call_free(logs->call);
    logs->call = NULL;
    do {
        int64_t pause = FIRST_MS << logs->attempts;
        cwc_error_clear(&err);
        if (++logs->attempts >= MAX_ATTEMPTS)
            return cwc_error_set(&logs->err, CWC_UNAVAILABLE, "Log stream broke off %d times", logs->attempts);
        if (cwc_client_sleep(logs->box->client, pause < LONGEST_MS ? pause : LONGEST_MS))
            return cwc_error_set(&logs->err, CWC_CANCELLED, "the client was cancelled");
    } while (begin(logs, &err) < 0 && err.kind == CWC_UNAVAILABLE);
    logs->err = err;
    return logs->call == NULL ? -1 : 0;
}

static bool may_resume(const struct cwc_logs *logs, const struct cwc_end *end)
{
    return logs->box->client->version == CWC_V1 && logs->options.follow && !end->is_ours &&
           (end->status == CWC_STATUS_UNAVAILABLE || end->status == CWC_STATUS_INTERNAL ||
            end->status == CWC_STATUS_UNKNOWN);
}

static int take_end(struct cwc_logs *logs)
{
    const struct cwc_end *end = cwc_call_end(logs->call);
    if (may_resume(logs, end) && !CWC_MUTANT(logs_never_resume)) {
        if (logs->session == NULL)
            forget_place(logs);
        return resume(logs);
    }
    logs->is_ended = true;
    return end->status == CWC_STATUS_OK || CWC_MUTANT(logs_error_is_end)
               ? 0
               : cwc_error_from_end(&logs->err, end, logs->box->client->version, "Stream logs");
}

static bool is_one_of(const char *code, const char *const *codes)
{
    while (*codes != NULL && strcmp(code, *codes) != 0)
        codes++;
    return *codes != NULL;
}

/* Said inside the stream. */
static int take_error(struct cwc_logs *logs, const struct cwc_log_event *event)
{
    static const char *const fresh[] = { "SESSION_NOT_FOUND", "REPLAY_GAP", "RUNNER_UNAVAILABLE", "RUNNER_DRAINING",
                                         NULL };
    bool is_v1 = logs->box->client->version == CWC_V1;
    if (is_v1 && logs->options.follow && is_one_of(event->code, fresh)) {
        forget_place(logs);
        return resume(logs);
    }
    if (is_v1 && logs->options.follow && strcmp(event->code, "STREAM_INTERRUPTED") == 0)
        return resume(logs);
    logs->is_ended = true;
    if (CWC_MUTANT(logs_error_is_end))
        return 0;
    cwc_error_set(&logs->err, is_v1 && strcmp(event->code, "STREAM_TRUNCATED") == 0 ? CWC_TRUNCATED : CWC_SANDBOX,
                  "Log stream error: %s", event->message[0] != '\0' ? event->message : event->code);
    logs->err.reason = sbc_text_copy(event->code);
    return -1;
}

/* ------------------------------------------------------------------------ lines */

static int take_event(struct cwc_logs *logs, struct cwc_log_event *event)
{
    if (event->is_error)
        return take_error(logs, event);
    if (event->session != NULL && event->session[0] != '\0') {
        free(logs->session);
        logs->session = sbc_text_copy(event->session);
    }
    logs->offset = event->offset != 0 ? event->offset : logs->offset;
    logs->attempts = event->data.size > 0 ? 0 : logs->attempts;
    logs->has_given = logs->has_given || event->data.size > 0;
    logs->is_ended = event->is_complete;
    sbc_buf_add(&logs->bytes, event->data.data != NULL ? event->data.data : "", event->data.size);
    return 0;
}

/* More bytes, or the end; -1: logs->err has why. */
static int read_more(struct cwc_logs *logs)
{
    struct sbc_buf message = { 0 };
    struct cwc_log_event event = { 0 };
    int failed = 0;
    if (cwc_call_next(logs->call, 0, &message) == 0)
        failed = take_end(logs);
    else if (logs->box->client->wire->take_log(&message, &event) < 0)
        failed = cwc_client_refuse(&logs->err, CWC_LOGS);
    else
        failed = take_event(logs, &event);
    cwc_log_event_clear(&event);
    sbc_buf_free(&message);
    return failed;
}

static void give(struct cwc_logs *logs, size_t size, struct cwc_bytes *out_line)
{
    struct sbc_buf line = { 0 };
    cwc_text_clean(&line, logs->bytes.data, size);
    sbc_buf_drop(&logs->bytes, size);
    size = line.size;
    *out_line = (struct cwc_bytes){ sbc_buf_take(&line), size };
}

/* Whether the first line is longer than v1 takes, with or without its end. */
static bool is_too_long(const struct cwc_logs *logs, const char *end)
{
    size_t size = end == NULL ? logs->bytes.size : (size_t) (end - logs->bytes.data) + 1;
    return logs->box->client->version == CWC_V1 && size > LINE_BYTES;
}

int cwc_logs_next(struct cwc_logs *logs, struct cwc_bytes *out_line, struct cwc_error *err)
{
    for (;;) {
        const char *end = logs->bytes.size == 0      ? NULL
                          : CWC_MUTANT(log_in_pieces) ? logs->bytes.data + logs->bytes.size - 1
                                                      : memchr(logs->bytes.data, '\n', logs->bytes.size);
        if (is_too_long(logs, end)) {
            logs->is_ended = true;
            return cwc_error_set(err, CWC_TRUNCATED, "Log line exceeded %zu bytes", LINE_BYTES);
        }
        if (end != NULL || (logs->is_ended && logs->err.kind == CWC_OK && logs->bytes.size > 0)) {
            if (end == NULL && CWC_MUTANT(last_line_lost))
                return 0;
            give(logs, end == NULL ? logs->bytes.size : (size_t) (end - logs->bytes.data) + 1, out_line);
            return 1;
        }
        if (logs->err.kind != CWC_OK)
            return cwc_error_copy(err, &logs->err);
        if (logs->is_ended)
            return 0;
        read_more(logs);
    }
}
