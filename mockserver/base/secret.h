/*
 * Which names promise a secret: those of headers, JSON members, parameters and variables.  One list for
 * all who show what came in.
 *
 * Thread: any.
 */
#ifndef STANDBOX_BASE_SECRET_H
#define STANDBOX_BASE_SECRET_H

#include <stdbool.h>
#include <stddef.h>

/* What is shown in the place of a secret. */
#define REDACTED "[redacted]"

#define SECRET_NAME_BYTES 128 /* longer names count as secret */

/* Does something of this name carry a credential? */
bool secret_is_name(const char *name, size_t len);

#endif
