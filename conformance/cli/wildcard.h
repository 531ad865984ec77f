/*
 * Patterns over case ids, such as "hyperbrowser/stream/" followed by "*".
 *
 * `*` stands for exactly one component of the id, `**` for any number of them (none, too).  A component
 * is either a wildcard or taken literally: "out-*" is refused, since it would match less than it seems.
 * Thread: any.
 */
#ifndef STANDBOX_CLI_WILDCARD_H
#define STANDBOX_CLI_WILDCARD_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* Is this a pattern?  ERR_INVALID says what is wrong with it. */
int wildcard_check(const char *pattern, struct err *err);

bool wildcard_matches(const char *pattern, const char *id);

bool wildcard_is_exact(const char *pattern);   /* no wildcard in it */

/* A list of patterns, in the order they were given.  Owns its texts. */
struct wildcards {
    struct wildcard_row {
        char *pattern;
        char *place;           /* "--run" or "FILE:LINE", for messages */
        bool is_used;          /* has matched some case */
    } *rows;
    size_t count;
};

void wildcards_fini(struct wildcards *w);

/* Add one pattern, or with "@FILE" those of a file: one a line, blank lines and what follows a # left out.
   `place` is borrowed.  On failure the list is as it was. */
int wildcards_add(struct wildcards *w, const char *pattern, const char *place, struct err *err);

/* Does any match?  Marks all that do as used. */
bool wildcards_match(struct wildcards *w, const char *id);

/* The first that matched nothing so far; NULL when there is none. */
const struct wildcard_row *wildcards_unused(const struct wildcards *w);

#endif
