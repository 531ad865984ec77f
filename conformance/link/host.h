/*
 * The server under the suite: one of ours that we start (and that dies with us), or one that is there already.
 *
 * A started server runs under a warden; a thread of the host's reads its stderr, keeps the end of it, and notices its
 * death.  Thread: any may ask; host_stop when nobody else does.
 */
#ifndef STANDBOX_LINK_HOST_H
#define STANDBOX_LINK_HOST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct host;

struct host_options {
    const char *server;        /* path of standbox-mockserver */
    const char *const *args;   /* more arguments, NULL-ended; NULL: none */
    const char *warden;        /* path of standbox-warden */
    int64_t ready_ms;          /* time for its ready line */
};

/* Start `server --http 127.0.0.1:0 ARGS...` with an admin token of its own (by STANDBOX_ADMIN_TOKEN) and wait for the
   ready line.  -1: what went wrong, with the end of its stderr; nothing is left. */
int host_start(struct host **out_host, const struct host_options *options, struct err *err);

/* Use the server at `url` ("http://host:port", without a path), whose vendors of gRPC are at `grpc` (the same form;
   NULL: not told).  Asks its /__admin/health with the token: ERR_AUTH, ERR_IO... */
int host_attach(struct host **out_host, const char *url, const char *grpc, const char *admin_token, struct err *err);

const char *host_url(const struct host *host);     /* base URL of the API, no slash at the end */
const char *host_grpc(const struct host *host);    /* the same for vendors that speak gRPC; NULL: not known */
const char *host_token(const struct host *host);   /* the admin token */
bool host_is_ours(const struct host *host);        /* started by host_start */

/* Does it live (an attached one: always)?  Else `*how` (NULL: not wanted) gets "exit 1", "signal 9 (SIGKILL)". */
bool host_lives(struct host *host, char how[48]);

/* Appends the end of its stderr (the last 4 KiB, valid UTF-8). */
void host_log(struct host *host, struct buf *out);

/* A started one: SIGTERM, some seconds' grace, then everything is killed.  Frees it.  NULL is fine.
   False when it did not end by itself, now, with exit code 0 (`*how` as in host_lives, "killed" when it had to be). */
bool host_stop(struct host *host, char how[48]);

#endif
