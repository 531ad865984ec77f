/*
 * POSIX extended regular expressions that cannot blow up.
 *
 * The C library's regexec may take time and memory without bound for some patterns (counted
 * repeats, many states), and scenario files and commands come from outside.  So this is a
 * simulation of all states at once: time at most (length of subject) x (size of program), memory
 * fixed by the program.  It only says whether the pattern is found.
 *
 * Taken: literals, . [] with ranges and [:classes:], ^ $ ( ) | * + ? {m,n}, and \ before a
 * punctuation character.  Refused with a reason: back-references, \w and other letters behind \,
 * collating elements.  Characters are Unicode code points; a byte that is not UTF-8 counts as one
 * character that only . and negated brackets match.  ^ and $ mean the whole subject's ends.
 * Thread: a compiled pattern is const.
 */
#ifndef STANDBOX_SCENARIO_ERE_H
#define STANDBOX_SCENARIO_ERE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct ere;

#define ERE_MAX_PATTERN 1024  /* bytes */
#define ERE_MAX_PROGRAM 2000  /* instructions after repeats were written out */
#define ERE_MAX_SUBJECT 4096  /* bytes that are looked at */

/* ERR_INVALID (says at which character and why), ERR_LIMIT, ERR_NOMEM. */
int ere_compile(struct ere **out_ere, const char *pattern, struct err *err);
void ere_free(struct ere *ere);         /* NULL is fine */
size_t ere_size(const struct ere *ere); /* instructions */

/* Is it found anywhere in the first ERE_MAX_SUBJECT bytes?  False also when memory runs out. */
bool ere_search(const struct ere *ere, const char *subject, size_t len);

#endif
