/*
 * Reading objects by tables of keys: the tools of this folder's parsers.
 *
 * A table lists every key an object may have and who reads its value; what is not listed is
 * refused with the nearest known name.  Every function returns 0, or -1 with a complaint that
 * names the place.  Outputs are owned by the structure they are put in, whose `fini` frees them
 * also when reading stopped half-way.  Private to scenario/ and its tests.
 */
#ifndef STANDBOX_SCENARIO_READER_H
#define STANDBOX_SCENARIO_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/jsonc.h"
#include "scenario/vocab.h"

struct cJSON;
struct scenario_hooks;

struct reader {
    struct jsonc doc;
    const struct scenario_hooks *hooks;
    size_t pattern_cost; /* spent so far */
    struct err *err;
};

/* Read `value` into `out`, whatever the table's object is. */
typedef int read_fn(struct reader *r, const struct cJSON *value, void *out);

struct key {
    const char *name;
    read_fn *read;
    bool required;
};

struct keys {
    const char *schema; /* its name below $defs in the schema; "" is the top */
    const char *what;   /* "a rule for processes" */
    const struct key *list;
    size_t count;
};

/* Every table there is, for the schema test. */
extern const struct keys *const reader_tables[];
extern const size_t reader_table_count;

int reader_object(struct reader *r, const struct cJSON *node, const struct keys *keys, void *out);

/* Refuse a member that the table does not know. */
int reader_unknown(struct reader *r, const struct cJSON *member, const struct keys *keys);

/* Complain about a value, or about the name in front of it. */
#define reader_refuse(r, node, ...)     jsonc_complain(&(r)->doc, node, JSONC_VALUE, (r)->err, __VA_ARGS__)
#define reader_refuse_key(r, node, ...) jsonc_complain(&(r)->doc, node, JSONC_KEY, (r)->err, __VA_ARGS__)

/* "a string", "null", "a list": what a value is, for messages. */
const char *reader_type(const struct cJSON *node);
int reader_wants(struct reader *r, const struct cJSON *node, const char *what);

/* Text without NUL, of at least `min` bytes.  Replaces *out. */
int reader_text(struct reader *r, const struct cJSON *node, size_t min, char **out);
/* Text that may hold NUL. */
int reader_bytes(struct reader *r, const struct cJSON *node, char **out, size_t *out_len);
int reader_int(struct reader *r, const struct cJSON *node, int64_t min, int64_t max, int64_t *out);
int reader_number(struct reader *r, const struct cJSON *node, double min, double max, double *out);
int reader_bool(struct reader *r, const struct cJSON *node, bool *out);
int reader_word(struct reader *r, const struct cJSON *node, const struct words *words, int *out);
/* An array of at least one and at most `max` items; its length. */
int reader_list(struct reader *r, const struct cJSON *node, size_t max, size_t *out_count);

/* Room for `count` zeroed items, or NULL with ERR_NOMEM; never NULL for none. */
void *reader_alloc(struct reader *r, size_t count, size_t size);

#endif
