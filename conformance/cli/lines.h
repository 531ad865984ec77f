/* Text files of one entry a line.  Thread: any. */
#ifndef STANDBOX_CLI_LINES_H
#define STANDBOX_CLI_LINES_H

#include "base/err.h"

/* Takes a line without its comment and without blanks around it; it may change the text.  `place` is "FILE:LINE".
   Not 0 ends the reading with its error. */
typedef int lines_fn(void *arg, char *line, const char *place, struct err *err);

/* Give each line of a file that holds something to `take`.  What follows a # at the start or after a blank is a
   comment.  ERR_IO when the file cannot be read, else what `take` says. */
int lines_read(const char *path, lines_fn *take, void *arg, struct err *err);

#endif
