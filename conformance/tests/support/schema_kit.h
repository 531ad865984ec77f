/* A published schema (fixtures/schema) for tests that hold tables of the code to it. */
#ifndef STANDBOX_TESTS_SCHEMA_KIT_H
#define STANDBOX_TESTS_SCHEMA_KIT_H

#include <stdbool.h>

struct cJSON;

/* Read fixtures/schema/FILE; `file` for example "case.schema.json".  The caller frees it with json_free.  NULL: it
   cannot be read, and what is wrong has been printed; a set-up function returns -1 then. */
struct cJSON *schema_read(const char *file);

/* The schema's $defs/NAME.  Fails the test when there is none. */
const struct cJSON *schema_definition(const struct cJSON *schema, const char *name);

/* Is `text` one of the texts of this list ("required", "enum"; NULL is an empty one)? */
bool schema_lists(const struct cJSON *list, const char *text);

#endif
