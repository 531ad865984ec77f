/*
 * From a request to its lane and its dialect: whose is it, who answers, and what the ledger is told.
 *
 * Thread: the exchange's own.
 */
#ifndef STANDBOX_REQUESTS_H
#define STANDBOX_REQUESTS_H

#include "admin/admin.h"
#include "dialects/dialect.h"
#include "lanes/lane.h"

struct requests {
    struct lanes *lanes;    /* borrowed, like admin */
    struct admin *admin;
};

/* For the transports; `arg` is the struct requests. */
void requests_handle(void *arg, struct exchange *x);
bool requests_take_raw_body(void *arg, const struct exchange *x);

#endif
