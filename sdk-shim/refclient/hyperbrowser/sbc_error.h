/*
 * Filling the caller's error.  All of these return -1 and take NULL for `err`.
 */
#ifndef SBC_ERROR_H
#define SBC_ERROR_H

#include "standbox_client.h"

struct cJSON;

/* A local refusal or failure: not retryable; definite, which a caller that knows better changes. */
int sbc_error_set(struct sbc_error *err, enum sbc_error_kind kind, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* An answer, as far as an error needs it. */
struct sbc_answer {
    int status;
    enum sbc_service service;
    const char *request_id; /* or NULL */
    int64_t retry_after_ms;
    const char *body;
    size_t size;
};

/* Fill `err` from an answer that is no success; `is_change`: the request may have changed something. */
int sbc_error_from_answer(struct sbc_error *err, const struct sbc_answer *answer, bool is_change);

/* 409 sandbox_not_running, in the server's words and without asking it. */
int sbc_error_not_running(struct sbc_error *err, const char *sandbox_id, const char *status);

/* A stream that began and did not get to its end: details name the process and the last event that was taken. */
int sbc_error_broken_stream(struct sbc_error *err, enum sbc_error_kind kind, const char *process_id, int64_t last_seq,
                            const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* The same words again, for another caller. */
int sbc_error_copy(struct sbc_error *err, const struct sbc_error *from);

#endif
