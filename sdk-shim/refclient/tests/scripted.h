/*
 * A server for tests that answers with prepared bytes, right or wrong.
 *
 * A request is answered by the first rule that fits and is not used up; without one, with 599.  Connections are
 * served side by side, one request each.  All requests are kept.
 *
 * Thread: the test's, but for the server's own threads.
 */
#ifndef SCRIPTED_H
#define SCRIPTED_H

#include <stdbool.h>
#include <stddef.h>

struct scripted;

enum scripted_end {
    SCRIPTED_CLOSE, /* behind the answer */
    SCRIPTED_RESET, /* with RST */
    SCRIPTED_HOLD   /* not before the server stops, or the client does */
};

struct scripted *scripted_start(void);
void scripted_stop(struct scripted *server); /* ends all connections; NULL is fine */

const char *scripted_url(const struct scripted *server); /* "http://127.0.0.1:PORT" */

/* `begin` is how a request begins, such as "GET /api/sandbox/box"; `times` 0: for ever.  The bytes are copied. */
void scripted_answer(struct scripted *server, const char *begin, int times, const char *bytes, size_t size,
                     enum scripted_end end);

/* The same with a whole answer of JSON, or a stream's head and `events` without an end of its own. */
void scripted_json(struct scripted *server, const char *begin, int times, int status, const char *body);
void scripted_events(struct scripted *server, const char *begin, int times, const char *events, enum scripted_end end);

/* Use up all rules for requests that begin so. */
void scripted_forget(struct scripted *server, const char *begin);

/* Answers for one sandbox "box": created with token "t1" (path form on this server), fetched with "t2". */
void scripted_box(struct scripted *server);

/* The whole `index`th request, or NULL; valid until the server is freed. */
const char *scripted_request(struct scripted *server, size_t index);
int scripted_count(struct scripted *server, const char *begin); /* of requests that begin so */

#endif
