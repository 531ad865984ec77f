/*
 * Protobuf messages: from bytes to the structs that protoc-c makes of the .proto files here, and back.
 *
 * The only room that knows protobuf-c; dialects include their own <vendor>_*.pb-c.h, rpc.pb-c.h and this.  A message
 * is checked before protobuf-c reads it: proto3's rules that protobuf-c leaves out (UTF-8), and bounds on what the
 * reading may cost, since each field of two bytes costs some forty in memory.
 *
 * Read: fields that the .proto does not have are skipped, and kept with the message, so that one that is sent back has
 * them.  Presence: messages by NULL, members of a oneof by its case, all else by "not the default".  Enums keep
 * numbers that have no name.  A map is a list of entries: of two with one key the later counts.  Refused, though proto3
 * could carry it: a NUL inside a string (C has no place for it), groups (older than proto3), a known field with
 * another wire type, a part (a message that is no element of a list) that comes twice.
 *
 * Thread: any; a message belongs to one.
 */
#ifndef STANDBOX_PROTO_PROTO_H
#define STANDBOX_PROTO_PROTO_H

#include <protobuf-c/protobuf-c.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define PROTO_MAX_DEPTH  32
#define PROTO_MAX_FIELDS 200000   /* of one message with all that is in it; an element of a list is one */

/* Read `len` bytes as a message of `type`; its parts are allocated and freed with proto_free.  ERR_INVALID (the text
   names the field: "init.command: not UTF-8"), ERR_LIMIT, ERR_NOMEM. */
int proto_decode(const ProtobufCMessageDescriptor *type, const void *bytes, size_t len, ProtobufCMessage **out_message,
                 struct err *err);

/* NULL is fine.  Only of messages made by proto_decode. */
void proto_free(void *message);

/* Append the message's bytes to `out` (which remembers when memory runs out). */
void proto_encode(const void *message, struct buf *out);

/* A message of one's own with bytes or texts borrowed from elsewhere. */
#define PROTO_BYTES(buffer) ((ProtobufCBinaryData) { (buffer).len, (uint8_t *) (buffer).data })
static inline char *proto_text(const char *text)   /* borrows: the structs' texts are not const, and never written */
{
    return (char *) (uintptr_t) text;
}

#endif
