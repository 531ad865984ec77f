#include "base/err.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const code_names[ERR_CODES] = {
    [ERR_NONE] = "none",         [ERR_NOMEM] = "no_memory",   [ERR_IO] = "io",
    [ERR_INVALID] = "invalid",   [ERR_NOT_FOUND] = "not_found", [ERR_CONFLICT] = "conflict",
    [ERR_TIMEOUT] = "timeout",   [ERR_GONE] = "gone",         [ERR_LIMIT] = "limit",
    [ERR_CLOSED] = "closed",     [ERR_AUTH] = "auth",         [ERR_UNSUPPORTED] = "unsupported",
    [ERR_INTERNAL] = "internal",
};

int err_set(struct err *err, enum err_code code, int errnum, const char *fmt, ...)
{
    if (err == NULL)
        return -1;
    char text[ERR_TEXT_BYTES];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    err->code = code;
    err->errnum = errnum;
    if (errnum != 0)
        snprintf(err->text, sizeof err->text, "%.400s: %.100s", text, strerror(errnum));
    else
        memcpy(err->text, text, sizeof text);
    return -1;
}

int err_wrap(struct err *err, const char *fmt, ...)
{
    if (err == NULL)
        return -1;
    char front[ERR_TEXT_BYTES / 2];
    char back[ERR_TEXT_BYTES];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(front, sizeof front, fmt, ap);
    va_end(ap);
    memcpy(back, err->text, sizeof back);
    snprintf(err->text, sizeof err->text, "%s: %.*s", front,
             (int) (sizeof back - sizeof front - 2), back);
    return -1;
}

const char *err_code_name(enum err_code code)
{
    return (unsigned) code < ERR_CODES ? code_names[code] : "unknown";
}

_Noreturn void check_failed(const char *file, int line, const char *expr)
{
    fprintf(stderr, "standbox: %s:%d: broken invariant: %s\n", file, line, expr);
    abort();
}
