/*
 * A run: cases x clients, some at once, in the order of a table.
 *
 * Worker threads take item after item, clients one after the other, so that each keeps its adapter as long as it can.
 * Whoever started the run waits for the items in their order.
 *
 * Thread: run_start and run_free on one thread, run_await on any.
 */
#ifndef STANDBOX_RUN_RUN_H
#define STANDBOX_RUN_RUN_H

#include <stddef.h>

#include "base/err.h"
#include "run/session.h"

struct cJSON;
struct run;

struct run_client {
    struct session_client how;
    const char *key;           /* what results call it */
    const char *rerun;         /* command without the case: "... --run"; NULL: none is known */
};

/* One item of a run. */
struct run_pair {
    size_t client, row;        /* numbers of the client and of the case */
};

struct run_plan {
    const struct session_server *server;
    const struct run_client *clients;
    size_t client_count;
    const struct case_def *const *cases;
    size_t case_count;
    const struct run_pair *pairs;   /* these alone, clients together; NULL: all cases with all clients */
    size_t pair_count;
    unsigned jobs;
    /* Called for each result on a worker's thread before anybody sees it; may change it.  -1: no memory. */
    int (*finish)(void *arg, struct cJSON *record, struct err *err);
    void *arg;
};

/* Everything in `plan` is borrowed until run_free.  `first` (NULL: none) is a session of the first client that is up
   already; the run uses and frees it. */
int run_start(struct run **out_run, const struct run_plan *plan, struct session *first, struct err *err);

/* How many items, and which the number `item` is: client by client, the cases in their order. */
size_t run_plan_count(const struct run_plan *plan);
struct run_pair run_plan_item(const struct run_plan *plan, size_t item);

size_t run_count(const struct run *run);
size_t run_done(const struct run *run);                /* so far */

/* Wait for an item; its record stays the run's.  NULL: it could not be judged (no memory). */
const struct cJSON *run_await(struct run *run, size_t item);

/* Take the records out as an array (cJSON_Delete frees it); every item must have been awaited. */
struct cJSON *run_take_results(struct run *run);

/* Joins the workers: items that nobody began are left out. */
void run_free(struct run *run);

#endif
