/*
 * The small texts of gRPC over HTTP/2: timeouts, content types, status messages.  Pure.
 *
 * Source: PROTOCOL-HTTP2.md of the gRPC project.  Thread: any.
 */
#ifndef STANDBOX_TRANSPORTS_GRPC_TEXT_H
#define STANDBOX_TRANSPORTS_GRPC_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* "20100m": one to eight digits and a unit of H M S m u n.  false: it is something else. */
bool grpc_text_parse_timeout(const char *text, int64_t *out_ns);

/* Is it one that messages can be read of: application/grpc, with "+proto" or parameters or without?  NULL is not. */
bool grpc_text_is_grpc(const char *content_type);

/* Append `len` bytes of text as grpc-message wants them: what is not printable ASCII, and "%", as percent escapes.
   At most `max` bytes are written, and no escape or UTF-8 character is cut. */
void grpc_text_put_message(struct buf *out, const char *text, size_t len, size_t max);

/* Base64 without padding, as in headers that end with "-bin". */
void grpc_text_put_binary(struct buf *out, const void *data, size_t len);

/* May a field of metadata be called so, and have this value? */
bool grpc_text_is_name(const char *name);
bool grpc_text_is_value(const char *value);

#endif
