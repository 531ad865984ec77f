/*
 * A server of the HTTP transport with handlers for its tests, no dialect behind it.
 *
 *   /echo           answers with the body it got, and X-Method, X-Path, X-Raw-Path, X-Query, X-Host, X-Base
 *   /unread         answers without looking at the body
 *   /stream?chunks=N&size=M&cut=1&empty=1   N chunks of M bytes (site_fill); cut: without an end
 *   /open           a stream of "hello" that stays open until site_release or the client is gone
 *   /wait           like /open, without an answer until then
 *   /flood          writes 64 KiB chunks until that fails
 *   /silent         does not answer     /twice   answers twice     /split   a header value with line ends
 *   /empty          an empty body       /raw     like /echo, takes any content type
 *   /own            names the transport's own headers itself: X-Request-ID "mine", date "yesterday"
 *
 * Handlers count what they see under a lock; tests wait for counts with site_await.
 */
#ifndef STANDBOX_TESTS_HTTP_SITE_H
#define STANDBOX_TESTS_HTTP_SITE_H

#include <pthread.h>

#include "tests/support/http_client.h"
#include "transports/http.h"

enum site_count {
    SITE_HANDLED, SITE_BODIES, SITE_BODY_CLOSED, SITE_BODY_TIMEOUT, SITE_BODY_LIMIT, SITE_OPENED, SITE_GONE,
    SITE_RELEASED, SITE_FLOODED, SITE_WRITE_FAILED, SITE_SECOND_REFUSED, SITE_COUNTS
};

struct site {
    struct http_server *server;
    int port;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned counts[SITE_COUNTS];
    bool released;
};

/* Start; `config` may be NULL, and its handle, arg, address and port are filled when absent. */
int site_start(struct site *site, const struct http_config *config, struct err *err);
void site_stop(struct site *site);
/* Let /open and /wait end. */
void site_release(struct site *site);
unsigned site_get(struct site *site, enum site_count what);
/* Wait until the count is at least `least`; false after `limit_ms`. */
bool site_await(struct site *site, enum site_count what, unsigned least, int limit_ms);
/* What byte `i` of /stream is. */
char site_fill(size_t i);
/* Wait until so many streams, and exchanges, are open. */
bool site_await_open(struct site *site, unsigned streams, unsigned exchanges, int limit_ms);

/* For the test's own thread: these fail the test.  Connect; read an answer; send a request and read its answer. */
void site_join(struct site *site, struct http_client *c);
void site_get_answer(struct http_client *c, struct http_answer *answer);
void site_ask(struct http_client *c, struct http_answer *answer, const char *request);
void site_assert_field(const struct http_answer *answer, const char *name, const char *value);

#endif
