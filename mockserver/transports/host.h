/*
 * Names by which a client may call this server.  A web page that a developer opens can reach a loopback
 * port through a name of its own that resolves to it: so only names are taken that mean this machine.
 *
 * Thread: any.
 */
#ifndef STANDBOX_TRANSPORTS_HOST_H
#define STANDBOX_TRANSPORTS_HOST_H

#include <stdbool.h>

#define HOST_NAME_BYTES 256

/* The name in "name", "name:port", "[v6]" or "[v6]:port"; false when it is none of them. */
bool host_split(const char *host, char out_name[HOST_NAME_BYTES]);

/* Is `host` ("name[:port]") one that names this machine, or one that ends with one of the suffixes (NULL-terminated;
   may be NULL)? */
bool host_is_known(const char *host, const char *const *suffixes);

#endif
