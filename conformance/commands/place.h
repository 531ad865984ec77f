/* Where things are: our other programs, the fixtures.  Thread: any. */
#ifndef STANDBOX_COMMANDS_PLACE_H
#define STANDBOX_COMMANDS_PLACE_H

#include "base/buf.h"
#include "base/err.h"
#include "cli/options.h"

/* Path of one of our programs: in --programs, else beside this one.  ERR_NOT_FOUND says where it was looked for. */
int place_program(const struct options *options, const char *name, struct buf *out, struct err *err);

/* Folder of the fixtures: --fixtures, else what is installed with this program, else that of the source. */
int place_fixtures(const struct options *options, struct buf *out, struct err *err);

/* A command as a person would type it: words in single quotes where a shell needs them.  Appended. */
void place_quote(const char *const *argv, struct buf *out);

#endif
