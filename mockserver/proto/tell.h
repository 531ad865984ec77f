/*
 * Messages as JSON, for people and for tests: any message by its descriptor, names as in the .proto.
 *
 * As proto3's own JSON leaves them out, fields that hold their default are not shown, but for the members of a oneof.
 * Bytes are {"base64":"..."}, enums whole names (numbers that have none as numbers), maps objects, unsigned numbers
 * beyond int64 texts.  Fields that the .proto does not have are not shown.
 *
 * Thread: any.
 */
#ifndef STANDBOX_PROTO_TELL_H
#define STANDBOX_PROTO_TELL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

struct ProtobufCMessageDescriptor;
struct ProtobufCMethodDescriptor;
struct ProtobufCServiceDescriptor;

/* Append the message to `out` as one JSON object.  `*room`: how many bytes of texts, of bytes, and 8 for each element
   of a list may be shown; is taken down by what was.  What does not fit is cut (a text not inside a character) or left
   out (elements), and *out_cut is true then.  -1: `bytes` are no such message, as proto_decode says; nothing is
   appended. */
int proto_tell(const struct ProtobufCMessageDescriptor *type, const void *bytes, size_t len, size_t *room,
               bool *out_cut, struct buf *out, struct err *err);

/* The method of a path, "/any.package.Service/Method": of the services the one with that name, whatever their package is
   called here.  NULL: there is none. */
const struct ProtobufCMethodDescriptor *proto_find_method(const struct ProtobufCServiceDescriptor *const *services,
                                                          size_t count, const char *path);

/* Append the reason of the first ErrorInfo among the details of a google.rpc.Status.  Was there one? */
bool proto_tell_reason(const void *status, size_t len, struct buf *out);

#endif
