/*
 * From the bytes of DATA frames to messages: a prefix of a flag and a length, then the message.
 *
 * Memory grows with the bytes that have come, never with the length that is announced.
 * Pure.  Thread: the owner's.
 */
#ifndef STANDBOX_TRANSPORTS_GRPC_MESSAGE_H
#define STANDBOX_TRANSPORTS_GRPC_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define GRPC_PREFIX_BYTES 5

struct grpc_gather {
    size_t max;                              /* bytes of one message; set by the owner */
    unsigned char prefix[GRPC_PREFIX_BYTES];
    size_t prefix_len;                       /* of it has come */
    struct buf body;                         /* of it has come */
};

enum grpc_gathered {
    GATHERED_PART,          /* all bytes are taken, and no message is complete */
    GATHERED_MESSAGE,       /* out_message has one, the caller's; there may be more in the rest */
    GATHERED_COMPRESSED,    /* its flag says that it is compressed */
    GATHERED_BAD_FLAG,
    GATHERED_TOO_LARGE,
    GATHERED_NO_MEMORY
};

/* Take bytes from *data, which is moved on, like *len.  After one of the last four: nothing more. */
enum grpc_gathered grpc_gather_feed(struct grpc_gather *gather, const unsigned char **data, size_t *len,
                                    struct buf *out_message);
/* Has a part of a message come? */
bool grpc_gather_is_inside(const struct grpc_gather *gather);
/* Bytes of the unfinished message. */
size_t grpc_gather_held(const struct grpc_gather *gather);
void grpc_gather_fini(struct grpc_gather *gather);

/* The prefix of an uncompressed message. */
void grpc_message_put_prefix(unsigned char out[GRPC_PREFIX_BYTES], uint32_t len);

#endif
