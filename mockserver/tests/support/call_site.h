/*
 * The gRPC side of the whole server without its program: engine, lanes, vendors, calls.c, the transport, and a client of it
 * that speaks CoreWeave's two versions.
 *
 * A test is written once and runs for both (call_site_run): `site->is_v1` says which.  Functions that cannot do their work
 * fail the running test, so they are for the test's own thread.
 */
#ifndef STANDBOX_TESTS_CALL_SITE_H
#define STANDBOX_TESTS_CALL_SITE_H

#include "calls.h"
#include "lanes/puppeteer.h"
#include "tests/support/h2_client.h"
#include "tests/support/world.h"
#include "vendors.h"

struct cJSON;

struct call_site {
    struct world *base;
    struct puppeteer *puppeteer;
    struct options options;
    struct vendors_env env;
    struct lanes *lanes;
    struct lane *any, *lane;          /* where calls without a key go, and those of the client's key */
    struct calls calls;
    struct grpc_server *grpc;
    int port;
    struct h2_client client;
    bool is_v1;
    char sandbox[64];                 /* made by the set-up; it runs */
};

int call_site_run(const char *name, const struct CMUnitTest *tests, size_t count);
int call_site_setup(void **state);
int call_site_teardown(void **state);

/* ---- calls ------------------------------------------------------------------------------------- */

/* Open the method that is called so in the site's version: "create", "get", "stop", "exec" (unary), "stream", "logs". */
struct h2_stream *call_open(struct call_site *site, const char *what, const char *const *more);
/* One of the connection's own; `client` NULL: the site's. */
struct h2_stream *call_open_on(struct call_site *site, struct h2_client *client, const char *what, const char *const *more);
/* A request that names a sandbox and no more, then the client's end. */
void call_ask(struct call_site *site, struct h2_stream *s, const char *sandbox);
/* The same, whole: until it is closed. */
struct h2_stream *call_get(struct call_site *site);
struct h2_stream *call_stop(struct call_site *site);
/* StreamExec of a shell line: its init, and the client's end if `ends`. */
struct h2_stream *call_exec_on(struct call_site *site, struct h2_client *client, const char *line, bool ends);
struct h2_stream *call_exec(struct call_site *site, const char *line, bool ends);
void call_stdin(struct call_site *site, struct h2_stream *s, const void *data, size_t len);
/* A new sandbox, its id into site->sandbox; it runs, and its main process has written "up". */
void call_create(struct call_site *site);
/* Its request alone; whole. */
struct h2_stream *call_ask_create(struct call_site *site, struct h2_client *client);
/* The log so far. */
struct h2_stream *call_logs_on(struct call_site *site, struct h2_client *client);
/* Wait until the lane's ledger has so many facts of this kind. */
void call_await_facts(struct call_site *site, enum fact_kind kind, size_t count);
/* Wait until no thread serves a call any more.  In ms, how long that took. */
int64_t call_time_to_idle(struct call_site *site);
/* A connection of one's own. */
void call_join(struct call_site *site, struct h2_client *client);
/* State by the version's number, as a Get's answer says. */
int call_state(struct call_site *site, const struct h2_stream *s);

/* What a StreamExec's messages say. */
struct call_story {
    struct buf out, err;
    size_t ready, outputs, exits, errors, empty, odd, after_exit, count;
    int exit_code;
    char error_code[64];
};
void call_tell(struct call_site *site, const struct h2_stream *s, struct call_story *out_story);
void call_story_fini(struct call_story *story);
#define CALL_STORY __attribute__((cleanup(call_story_fini))) struct call_story

/* ---- scenarios and the journal ------------------------------------------------------------------- */

/* `members` is what follows "why". */
void call_play(struct call_site *site, const char *members);
/* 0 and loaded, or -1. */
int call_try(struct call_site *site, const char *members, struct err *err);
void call_forget_scenarios(struct call_site *site);
/* Wait until the first loaded scenario's first fault has found its call. */
void call_await_match(struct call_site *site);
/* Every rule has fired as planned, or the test fails. */
void call_assert_fired(struct call_site *site);
/* The `nth` (from 0) line of the ledger whose path ends with this method, parsed, to be freed with cJSON_Delete; NULL: there is
   none.  Waits for its end. */
struct cJSON *call_line(struct call_site *site, const char *what, size_t nth);

#endif
