/*
 * A list of header fields, in order.  Pure.  Thread: the owner's.
 */
#ifndef STANDBOX_TRANSPORTS_GRPC_FIELDS_H
#define STANDBOX_TRANSPORTS_GRPC_FIELDS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/* What HTTP/2 adds to name and value when it reckons the size of a field (RFC 9113, 10.5.1). */
#define GRPC_FIELD_OVERHEAD 32

struct grpc_fields {
    struct buf text;        /* name, NUL, value, NUL, and so on */
    size_t count;
    size_t size;            /* as HTTP/2 reckons it */
};

void grpc_fields_fini(struct grpc_fields *fields);

/* Copies both; a NUL in them ends them.  -1: no memory. */
int grpc_fields_add(struct grpc_fields *fields, const char *name, size_t name_len, const char *value,
                    size_t value_len);

/* Go through: *at is NULL at first.  false: there are no more.  Names and values are borrowed. */
bool grpc_fields_next(const struct grpc_fields *fields, const char **at, const char **out_name,
                      const char **out_value);

/* The first of this name, or NULL. */
const char *grpc_fields_find(const struct grpc_fields *fields, const char *name);

#endif
