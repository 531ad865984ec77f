/*
 * One case with one client: a lane of its own, the scenario, the adapter, what the suite does beside it, the evidence,
 * the judgement.
 *
 * Thread: a struct session belongs to one thread; each worker of a run has one.
 */
#ifndef STANDBOX_RUN_SESSION_H
#define STANDBOX_RUN_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "judge/case.h"
#include "judge/judge.h"
#include "link/host.h"

struct cJSON;
struct session;

/* The server that the cases are run against. */
struct session_server {
    struct host *host;         /* ours, or one of ours that somebody else started; NULL: a foreign one */
    const char *url;           /* base URL of the vendor's API (where_carrier_of) */
    const char *api_key;       /* foreign: the key for every case */
    double patience;           /* deadlines are so many times as long */
};

/* How an adapter is started. */
struct session_client {
    const char *const *argv;   /* NULL-ended */
    int level;                 /* 1 or 2 */
    const char *warden;        /* path of standbox-warden */
    const char *vendor;
};

/* `name` tells the lanes of this session from those of others.  Everything is borrowed until session_free. */
int session_new(struct session **out_session, const struct session_server *server, const char *name, struct err *err);
void session_free(struct session *session);   /* ends the adapter, too; NULL is fine */

/* Use another client from here on: the adapter of the last one is ended.  Starts nothing yet. */
void session_use(struct session *session, const struct session_client *client);

/* `same` describes the client that is in use (`now`) and will outlive it: go on with it, and its adapter. */
void session_adopt(struct session *session, const struct session_client *now, const struct session_client *same);

/* Start the adapter, unless it runs, and have its hello (borrowed; NULL: a level 1 adapter that says none).  -1: it
   does not come up, `err` says why. */
int session_hello(struct session *session, const struct cJSON **out_hello, struct err *err);

/* Run one case and judge it.  `rerun` goes into the record.  -1: no memory. */
int session_run(struct session *session, const struct case_def *def, const char *client_key, const char *rerun,
                struct judgement *out, struct err *err);

#endif
