/*
 * Lists of who kills whom: a mutant and a case a line, "MUTANT/PROTOCOL CASE".  One pair for each mutant and for each
 * case proves as much as the whole matrix, in a hundredth of the time.
 *
 * Thread: one.
 */
#ifndef STANDBOX_COMMANDS_PAIRS_H
#define STANDBOX_COMMANDS_PAIRS_H

#include "base/err.h"
#include "commands/clients.h"
#include "commands/stage.h"

struct cJSON;

/* Fill clients->pairs: all cases with those clients that are no mutants, and the pairs of the file.  ERR_INVALID names
   the line with a mutant or a case that there is not; cases that the options leave out are passed over. */
int pairs_read(struct clients *clients, const struct stage *stage, const char *path, struct err *err);

/* Write a list of pairs that the document (of a whole run) proves.  ERR_IO. */
int pairs_record(const struct cJSON *document, const char *path, struct err *err);

#endif
