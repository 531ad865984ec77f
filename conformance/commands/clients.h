/*
 * The clients of a run: from the command line, or the mutants that a program offers.
 *
 * Thread: one.
 */
#ifndef STANDBOX_COMMANDS_CLIENTS_H
#define STANDBOX_COMMANDS_CLIENTS_H

#include <stddef.h>

#include "commands/stage.h"
#include "run/run.h"

struct cJSON;

struct clients {
    struct run_client *list;
    size_t count;
    struct cJSON *entries;     /* `clients` of the result document, in the same order */
    struct run_pair *pairs;    /* what to run alone; NULL: all cases with all clients */
    size_t pair_count;
    void **owned;              /* memory that the list points into */
    size_t owned_count;
};

/* Add a client.  `argv` is borrowed for as long as the clients are used; all else is copied.  `hello`, `imitates` and
   `bug` may be NULL.  ERR_NOMEM. */
int clients_add(struct clients *clients, const struct stage *stage, const char *key, const char *const *argv,
                const struct cJSON *hello, bool is_reference, const char *imitates, const char *bug, struct err *err);

/* Keep memory that somebody made for a client (freed with free); false when there is no room to remember it. */
bool clients_own(struct clients *clients, void *memory);

void clients_fini(struct clients *clients);

/* Run all chosen cases with all clients and tell the progress; *out_document is the result document (cJSON_Delete frees
   it).  `first` as for run_start.  0 or an exit code. */
int clients_run(const struct stage *stage, struct clients *clients, struct session *first,
                struct cJSON **out_document);

#endif
