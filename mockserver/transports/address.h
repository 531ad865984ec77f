/*
 * Where a transport listens: an address in words, as bytes, and as a URL.
 *
 * Thread: any.
 */
#ifndef STANDBOX_TRANSPORTS_ADDRESS_H
#define STANDBOX_TRANSPORTS_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>

#include "base/err.h"

struct address {
    bool is_v4;
    bool is_wildcard;              /* every address of the machine */
    struct in_addr v4;
    struct in6_addr v6;
    char text[64];                 /* as it was given */
};

/* `text` is "127.0.0.1", "[::1]", "0.0.0.0" ...  ERR_INVALID: no address, no port, or one that can be reached from
   outside without `allow_remote`. */
int address_parse(struct address *out, const char *text, int port, bool allow_remote, struct err *err);

/* "http://127.0.0.1:8700"; a wildcard is called by its loopback address. */
void address_write_url(const struct address *address, int port, char *out, size_t size);

#endif
