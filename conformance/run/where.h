/*
 * Where the server of this run is: at which of its addresses a vendor is served, and ${url} and ${host} in what a case
 * says of clients and scenarios.
 *
 * Thread: any.
 */
#ifndef STANDBOX_RUN_WHERE_H
#define STANDBOX_RUN_WHERE_H

#include "base/buf.h"

struct cJSON;

/* A server of ours has one address for each way to carry an API. */
enum where_carrier { WHERE_HTTP, WHERE_GRPC };

/* How `vendor` speaks; those that are not known speak HTTP. */
enum where_carrier where_carrier_of(const char *vendor);

/* "127.0.0.1:8700" of "http://127.0.0.1:8700/lane/x", added to `out`. */
void where_host(const char *url, struct buf *out);
/* `text` with ${url} and ${host} filled in, added to `out`; other ${...} stay as they are. */
void where_fill(const char *url, const char *text, struct buf *out);
/* The same in every text of the JSON value, which is changed in place.  -1: no memory. */
int where_fill_json(const char *url, struct cJSON *value);

#endif
