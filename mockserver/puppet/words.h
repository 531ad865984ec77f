/* Names in scripts: signals, and what somebody may have meant. */
#ifndef STANDBOX_PUPPET_WORDS_H
#define STANDBOX_PUPPET_WORDS_H

#include <stddef.h>

/* The number of "TERM", "SIGTERM", "term", "RTMIN+3"; 0 when there is no such signal. */
int words_signal(const char *name);

/* The signal's name that is nearest to `name`, or NULL when none is near. */
const char *words_nearest_signal(const char *name);

/* The word nearest to `name` (itself, when it is there), or NULL when none is near. */
const char *words_nearest(const char *name, const char *const *words, size_t count);

#endif
