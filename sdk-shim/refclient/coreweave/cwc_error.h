/*
 * Filling the caller's error.  All of these return -1 and take NULL for `err`.
 */
#ifndef CWC_ERROR_H
#define CWC_ERROR_H

#include "cwc_grpc.h"

int cwc_error_set(struct cwc_error *err, enum cwc_error_kind kind, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* What an end that is not OK means, by its reason and status (wire page §4). */
int cwc_error_from_end(struct cwc_error *err, const struct cwc_end *end, enum cwc_version version,
                       const char *operation);

/* The same of a stream of an exec: `argv0` and `timeout_s` for the message. */
int cwc_error_from_exec(struct cwc_error *err, const struct cwc_end *end, enum cwc_version version, const char *argv0,
                        double timeout_s);

/* The same words again, for another caller. */
int cwc_error_copy(struct cwc_error *err, const struct cwc_error *from);

void cwc_result_copy(struct cwc_result *to, const struct cwc_result *from);

#endif
