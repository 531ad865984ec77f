/*
 * Errors as values.
 *
 * A function that can fail returns 0 or -1 (or a pointer or NULL) and fills the
 * caller's `struct err`, its last argument, only on failure.  The struct lives on
 * the caller's stack, so reporting "out of memory" needs no memory.  Library code
 * never logs: only edges speak (main logs, transports answer, each dialect maps
 * `enum err_code` to its vendor's status in one table).
 *
 * Thread: any; a struct err belongs to one thread.
 */
#ifndef STANDBOX_BASE_ERR_H
#define STANDBOX_BASE_ERR_H

#include <stdarg.h>

enum err_code {
    ERR_NONE,
    ERR_NOMEM,       /* no memory */
    ERR_IO,          /* the system refused; errnum says why */
    ERR_INVALID,     /* bad input from outside */
    ERR_NOT_FOUND,   /* no such thing */
    ERR_CONFLICT,    /* the thing is in a state that does not allow it */
    ERR_TIMEOUT,     /* a deadline passed */
    ERR_GONE,        /* it was kept once, and is not any more */
    ERR_LIMIT,       /* too big, too many, too deep */
    ERR_CLOSED,      /* the other side went away */
    ERR_AUTH,        /* no or wrong credentials */
    ERR_UNSUPPORTED, /* known, and not offered here */
    ERR_INTERNAL,    /* our fault */
    ERR_CODES
};

#define ERR_TEXT_BYTES 512

struct err {
    enum err_code code;
    int errnum;                 /* errno, or 0 */
    char text[ERR_TEXT_BYTES];  /* one line, no newline */
};

#define ERR_INIT { ERR_NONE, 0, "" }

/* Fill `err` (borrowed; NULL is fine) and return -1.  A non-zero `errnum` adds ": strerror". */
int err_set(struct err *err, enum err_code code, int errnum, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* Put "fmt: " in front of what `err` says already; returns -1. */
int err_wrap(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Name of a code in lower case, such as "not_found". */
const char *err_code_name(enum err_code code);

/* A broken invariant is not an error: abort in every build, naming file, line and expression. */
#define CHECK(x) ((x) ? (void) 0 : check_failed(__FILE__, __LINE__, #x))
_Noreturn void check_failed(const char *file, int line, const char *expr);

#endif
