/*
 * Scenario files from the command line.
 *
 * Thread: any.
 */
#ifndef STANDBOX_LOAD_H
#define STANDBOX_LOAD_H

#include "base/err.h"
#include "scenario/scenario.h"

/* A hook for whoever reads scenarios: checks puppets' steps by the grammar of the puppet itself. */
scenario_check_steps_fn load_check_steps;

struct load_list {
    struct scenario **items;   /* references */
    size_t count;
    const struct scenario_hooks *hooks;   /* borrowed */
};

/* Read a file, or every *.json below a folder in the order of their names, and add to `list`.  Names must differ.  The
   complaint names the file.  Links are followed, in a folder also those to folders; what is hidden (".x") is passed
   over there.  A pipe has to be written to its end within 5 s. */
int load_scenarios(struct load_list *list, const char *path, struct err *err);
void load_list_fini(struct load_list *list);

#endif
