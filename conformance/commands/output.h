/* What a program prints.  Thread: any. */
#ifndef STANDBOX_COMMANDS_OUTPUT_H
#define STANDBOX_COMMANDS_OUTPUT_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/* Run a command under the warden and append its stdout.  ERR_NOT_FOUND, ERR_TIMEOUT after `limit_ms`, ERR_INVALID when
   it does not end with 0 (with what it said on stderr), ERR_LIMIT beyond 16 MiB. */
int output_of(const char *const *argv, const char *warden, int64_t limit_ms, struct buf *out, struct err *err);

#endif
