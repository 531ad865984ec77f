/*
 * At which moments of an answer a kind of fault may strike, for every transport.
 *
 * Thread: the exchange's own.
 */
#ifndef STANDBOX_TRANSPORTS_MOMENT_H
#define STANDBOX_TRANSPORTS_MOMENT_H

#include <stdbool.h>

struct strike;

/* Something was noted; the answer is about to begin; it has begun. */
enum moment { MOMENT_POKE, MOMENT_HEAD, MOMENT_BODY };

/* Is the armed fault (NULL: none) one that strikes here and now? */
bool moment_is_right(const struct strike *strike, enum moment moment);

#endif
