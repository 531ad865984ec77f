/*
 * The admin API of the server under the suite, over libcurl.
 *
 * A struct admin is one connection for one caller: each thread has its own.  Only admin_cancel may be called by
 * another thread: it makes the call under way (and every later one, until admin_resume) fail with ADMIN_CANCELLED.
 * The connection is then reset, so that a waiting server hears of it at once.
 *
 * Errors carry the server's own message.  Codes: ERR_AUTH 401, ERR_NOT_FOUND 404, ERR_TIMEOUT 408, ERR_CONFLICT 409,
 * ERR_LIMIT 413, ERR_INVALID other 4xx, ERR_INTERNAL 5xx or an answer that cannot be understood, ERR_IO no answer,
 * ERR_CLOSED cancelled.
 */
#ifndef STANDBOX_LINK_ADMIN_H
#define STANDBOX_LINK_ADMIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct admin;
struct cJSON;

/* `base_url` is the server's, without /__admin.  Asks nothing yet. */
int admin_open(struct admin **out_admin, const char *base_url, const char *token, struct err *err);
void admin_close(struct admin *admin);   /* NULL is fine */

/* Any thread. */
void admin_cancel(struct admin *admin);
/* Take the cancelling back, before the next use. */
void admin_resume(struct admin *admin);

/* Limits that an action names itself are multiplied by `factor` (1 at first): jobs_load_factor. */
void admin_set_patience(struct admin *admin, double factor);
double admin_patience(const struct admin *admin);

struct admin_request {
    const char *method;
    const char *path;     /* behind /__admin, escaped by the caller, may have a query */
    const char *lane;     /* added to the query; NULL: none */
    const char *body;     /* NULL: none */
    size_t body_len;
    int64_t budget_ms;    /* for all of it */
};

/* One call.  A 2xx answer's body goes to `*answer` (replaced; NULL: not wanted).  0, or -1 as above. */
int admin_call(struct admin *admin, const struct admin_request *request, struct buf *answer, struct err *err);

/* The same with JSON both ways (free with json_free); NULL on failure. */
struct cJSON *admin_ask(struct admin *admin, const char *method, const char *path, const char *lane,
                        const struct cJSON *body, int64_t budget_ms, struct err *err);

int admin_health(struct admin *admin, struct err *err);

struct admin_lane {
    char *key;    /* the API key that leads there */
    char *url;    /* the base URL that leads there */
};

/* Make the lane `name` (up to 64 of A-Z a-z 0-9 . _ -), which must not be there.  Free with admin_lane_fini. */
int admin_lane_create(struct admin *admin, const char *name, struct admin_lane *out, struct err *err);
void admin_lane_fini(struct admin_lane *lane);
/* Stop what runs in it and forget it; answers when that is done. */
int admin_lane_delete(struct admin *admin, const char *name, struct err *err);

/* Put a scenario to work in the lane, after those there.  `file` (NULL: none) is what complaints call it. */
int admin_scenario(struct admin *admin, const char *lane, const char *file, const char *text, size_t len,
                   struct err *err);

/* The lane's ledger, JSON lines. */
int admin_ledger(struct admin *admin, const char *lane, struct buf *out, struct err *err);
/* {"faults":[…],"unfired":N}; NULL on failure, else free with json_free. */
struct cJSON *admin_faults(struct admin *admin, const char *lane, struct err *err);
/* The level-0 verdict of this one lane: {"lane":…,"verdict":…,"requests":N,"checks":[…]}. */
struct cJSON *admin_verdict(struct admin *admin, const char *lane, struct err *err);

enum admin_done {
    ADMIN_DONE,
    ADMIN_TIMED_OUT,   /* what was awaited has not happened; err says what was seen instead */
    ADMIN_CANCELLED,
    ADMIN_FAILED,      /* refused, or no answer: the case or the server is broken */
};

/* Is `action` one of the case format's actions (before, meanwhile)?  Its form alone: one member of a known name with
   an object.  ERR_INVALID says what is wrong. */
int admin_action_check(const struct cJSON *action, struct err *err);

/* Do one action: await_request, await_fact, await_process, await_barrier, open_barrier, clock, scenario.  A wait lasts
   `budget_ms` at most, less when the action has a timeout_ms of its own
   (times the patience). */
enum admin_done admin_action(struct admin *admin, const char *lane, const struct cJSON *action, int64_t budget_ms,
                             struct err *err);

#endif
