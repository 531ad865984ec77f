/*
 * The words of gRPC over HTTP/2, without a connection: prefixes, timeouts, escaped texts, what an end means.
 *
 * Pure; any thread.
 */
#ifndef CWC_GRPC_H
#define CWC_GRPC_H

#include "sbc_text.h"
#include "standbox_coreweave.h"

#define CWC_PREFIX_BYTES 5

/* How a call ended. */
struct cwc_end {
    enum cwc_status status;
    bool is_ours;           /* this side ended it: its deadline, a cancel */
    char *message;          /* or NULL */
    struct sbc_buf details; /* google.rpc.Status, or empty */
};

void cwc_end_clear(struct cwc_end *end);

/* Append a message with its prefix. */
void cwc_grpc_put_message(struct sbc_buf *out, const void *bytes, size_t size);

/* "1500m"; rounded up, so that the server's limit is not before ours. */
char *cwc_grpc_timeout(int64_t ms);

/* Percent-decoded; what is no escape stays.  free() it. */
char *cwc_grpc_unescape(const char *text, size_t size);

/* Base64, padded or not.  Appends only what is whole. */
bool cwc_grpc_decode_binary(const char *text, size_t size, struct sbc_buf *out);

/* The number of a grpc-status; what is none is UNKNOWN. */
enum cwc_status cwc_grpc_parse_status(const char *text, size_t size);

/* What an answer that is not gRPC's own means, and a stream's RST code. */
enum cwc_status cwc_grpc_status_of_http(int http_status);
enum cwc_status cwc_grpc_status_of_reset(uint32_t code);

/* Append UTF-8, each maximal piece that is none as one U+FFFD. */
void cwc_text_clean(struct sbc_buf *out, const char *data, size_t size);

#endif
