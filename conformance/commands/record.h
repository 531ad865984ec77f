/* --record-failures: what failed, as a list for --known-failing.  Thread: any. */
#ifndef STANDBOX_COMMANDS_RECORD_H
#define STANDBOX_COMMANDS_RECORD_H

#include "base/err.h"

struct cJSON;

/* Every result that is neither pass nor skipped, one a line: id, verdict, hash, and the summary as its reason; those
   that a list names already keep its reason.  "-" is stdout.  ERR_IO. */
int record_failures(const struct cJSON *document, const char *path, struct err *err);

#endif
