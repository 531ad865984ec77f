/*
 * A JSON value together with where it stands, so that every complaint begins with its JSON pointer.
 *
 * Nodes live on the reader's stack and point upwards; they borrow the tree.  The typed readers
 * return 0, or -1 with ERR_INVALID "/3/on: what is wrong" (ERR_NOMEM for lack of memory), and
 * write their output only on success.  An optional member that is absent leaves it untouched.
 */
#ifndef STANDBOX_PUPPET_NODE_H
#define STANDBOX_PUPPET_NODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct cJSON;

struct node {
    const struct node *up; /* NULL: the document */
    const char *key;       /* NULL: an item of an array */
    size_t index;
    const struct cJSON *json; /* NULL: absent */
};

/* `up` is borrowed and must outlive the result. */
struct node node_member(const struct node *up, const char *key);
struct node node_item(const struct node *up, size_t index, const struct cJSON *json);

/* Append the pointer, such as "/3/on"; nothing for the document. */
void node_pointer(const struct node *n, struct buf *out);

/* Complain about this node; returns -1. */
int node_bad(const struct node *n, struct err *err, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Is an object with these keys only, each at most once?  `keys` ends with NULL. */
int node_check_keys(const struct node *n, const char *const *keys, struct err *err);

/* Required values. */
int node_int(const struct node *n, int64_t min, int64_t max, int64_t *out, struct err *err);
int node_true(const struct node *n, struct err *err);
int node_bytes(const struct node *n, struct buf *out, struct err *err); /* a string; may hold NUL */
int node_text(const struct node *n, struct buf *out, struct err *err);  /* a string, not empty, without NUL */
int node_choice(const struct node *n, const char *const *names, size_t count, size_t *out, struct err *err);

/* Optional members of an object. */
int node_opt_int(const struct node *up, const char *key, int64_t min, int64_t max, int64_t *out, struct err *err);
int node_opt_bool(const struct node *up, const char *key, bool *out, struct err *err);

#endif
