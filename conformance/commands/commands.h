/*
 * What standbox-conformance can do, one function each.  They speak on stdout and stderr and return the exit code.
 *
 * Thread: the main one.
 */
#ifndef STANDBOX_COMMANDS_COMMANDS_H
#define STANDBOX_COMMANDS_COMMANDS_H

#include "cli/options.h"

/* Exit codes (a contract). */
enum {
    EXIT_CONFORMANT = 0,
    EXIT_NOT_CONFORMANT = 1,
    EXIT_WRONG_USE = 2,
    EXIT_INCONCLUSIVE = 3,
    EXIT_HARNESS = 4,
    EXIT_NOTHING_SELECTED = 77
};

int command_run(struct options *options);
int command_list(struct options *options);
int command_explain(struct options *options);
int command_validate(struct options *options);
int command_merge(struct options *options);
int command_kills(struct options *options);

/* "standbox-conformance: ..." on stderr. */
void complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
