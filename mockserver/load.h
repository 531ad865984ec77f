/*
 * Scenario files from the command line.
 *
 * Thread: any.
 */
#ifndef STANDBOX_LOAD_H
#define STANDBOX_LOAD_H

#include "base/err.h"
#include "scenario/scenario.h"

/* For whoever parses scenarios: also checks the puppets' steps. */
extern const struct scenario_hooks load_hooks;

struct load_list {
    struct scenario **items;   /* references */
    size_t count;
};

/* Read a file, or every *.json below a folder in the order of their names, and add to `list`.  All are read before one
   is taken; names must differ.  The complaint names the file. */
int load_scenarios(struct load_list *list, const char *path, struct err *err);
void load_list_fini(struct load_list *list);

#endif
