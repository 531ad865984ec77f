/* As much of protobuf's encoding as the bench's few messages need: fields of bytes, and finding a field. */
#ifndef STANDBOX_BENCH_PB_H
#define STANDBOX_BENCH_PB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* Append field `number` (1 to 15) holding these bytes: a string, bytes or a message. */
void pb_put(struct buf *out, unsigned number, const void *data, size_t len);

struct pb_field {
    uint64_t number;   /* of a varint field */
    const char *data;  /* of one with bytes; borrowed from the message */
    size_t len;
};

/* The first field with this number.  False: there is none, or this is no message. */
bool pb_find(const char *message, size_t len, unsigned number, struct pb_field *out);

#endif
