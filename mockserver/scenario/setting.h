/*
 * What a vendor lets a scenario change: the table that the vendor hands to whoever reads scenarios.
 *
 * This folder knows no vendor's settings; it asks for their table by the hook `settings_of` (scenario.h).
 * Everything is const.  Thread: any.
 */
#ifndef STANDBOX_SCENARIO_SETTING_H
#define STANDBOX_SCENARIO_SETTING_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "scenario/vocab.h"

enum setting_type { SETTING_NUMBER, SETTING_TEXT };

struct setting {
    const char *name;
    enum setting_type type;
    bool is_for_lanes;   /* false: looked at once, when the server starts */
};

struct setting_table {
    const struct setting *list;
    size_t count;
    /* May a lane's scenario assign this ("name=value", of a row that is for lanes)?  The complaint is about the value
       alone.  NULL: no row is for lanes. */
    int (*check)(const char *assignment, struct err *err);
};

/* The table of a vendor; NULL: it is not built in. */
typedef const struct setting_table *setting_table_fn(enum scenario_dialect dialect);

/* What a scenario assigns to one vendor's settings, in the file's order. */
struct setting_group {
    enum scenario_dialect dialect;
    char **assignments;  /* "name=value" */
    size_t count;
};

#endif
