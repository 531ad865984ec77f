/*
 * Lists of what a client is known to get wrong.
 *
 * One entry a line:
 *
 *     PATTERN [verdict=WORD] [message=HASH] [issue=URL] [until=YYYY-MM-DD] [why the rest of the line]
 *
 * The verdict defaults to fail.  With a message hash (the report and --record-failures print it) a different
 * failure of the same case is a regression.  After its day an entry counts no more.  A list must stay true:
 * what is listed as failing and passes fails the run.  Thread: any; one list belongs to one thread.
 */
#ifndef STANDBOX_CLI_KNOWN_H
#define STANDBOX_CLI_KNOWN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define KNOWN_MAX_BREADTH 20   /* cases that one wildcard may name, unless breadth is allowed */

struct known_row {
    char *pattern, *place;
    char *verdict;             /* "fail" when the line says none */
    char *message;             /* hash; NULL: any */
    char *issue, *why;         /* NULL: none */
    char until[11];            /* "": for ever */
    size_t breadth;            /* cases that it named so far */
};

struct known {
    struct known_row *rows;
    size_t count;
};

void known_fini(struct known *k);

/* Add the entries of a file.   ERR_INVALID names file and line. */
int known_read(struct known *k, const char *path, struct err *err);

/* The entry for a case, or NULL.  An exact one comes before one with wildcards.  Counts the breadth. */
struct known_row *known_find(struct known *k, const char *id);

/* Is its day over? */
bool known_is_expired(const struct known_row *row, const char *today);

#endif
