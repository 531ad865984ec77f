/*
 * All message types of the .proto files, found through their services, and messages as a list of texts.
 *
 * For tests and fuzz targets.  Thread: any.
 */
#ifndef STANDBOX_TESTS_MESSAGES_H
#define STANDBOX_TESTS_MESSAGES_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

#include "base/buf.h"

#define MESSAGES_MAX 200

struct messages {
    const ProtobufCMessageDescriptor *types[MESSAGES_MAX];
    size_t count;
};

/* Every type that the services of a vendor's package ("cw1", "cwb2") and the details of errors ("rpc") are made of,
   entries of maps aside. */
void messages_of(const char *package, struct messages *out);
/* NULL: there is none of that name in the list. */
const ProtobufCMessageDescriptor *messages_find(const struct messages *list, const char *short_name);

/* "name=value\n" for each field that is there, as sdk-shim/tests/coreweave/make_samples.py lists them. */
void message_tell(const ProtobufCMessage *message, struct buf *out);
/* Does it, or anything in it, have fields that its .proto does not know? */
bool message_has_unknown(const ProtobufCMessage *message);

#endif
