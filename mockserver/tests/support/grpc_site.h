/*
 * A server of the gRPC transport with methods for its tests, no dialect behind it.
 *
 *   /t.Echo/Unary     the message back                   /t.Echo/Collect   (client stream) how many bytes came, as text
 *   /t.Echo/Bidi      each message back, as it comes; ends when the client does
 *   /t.Echo/Count     (server stream) the message "N SIZE": N messages of SIZE bytes (grpc_site_fill), as the client reads
 *   /t.Echo/Pour      the same by a thread of its own that waits for room
 *   /t.Echo/Fail      the message "STATUS TEXT": that status, with trailing metadata x-why and the details TEXT
 *   /t.Echo/Http      the message "STATUS TYPE": no gRPC answer
 *   /t.Echo/Wait      the head at once, nothing else until grpc_site_release, then "late"; by a thread, also when the
 *                     call is over
 *   /t.Echo/Keep      (bidi) keeps all messages until grpc_site_release; then answers how many bytes came
 *   /t.Echo/Events    three events "one", "two", "three", with the fact "exited" between the last two
 *   /t.Echo/Ask       the request's metadata as lines, with the call's path and seconds of its deadline
 *   /t.Echo/Early     (bidi) an answer and the end at the first message, whatever else comes
 *
 * Every call is counted, and its end.  Thread: the test's own.
 */
#ifndef STANDBOX_TESTS_GRPC_SITE_H
#define STANDBOX_TESTS_GRPC_SITE_H

#include <pthread.h>

#include "scenario/match.h"
#include "tests/support/h2_client.h"
#include "transports/grpc.h"

struct grpc_seen {
    unsigned begun, over;                  /* calls */
    unsigned ends[EXCHANGE_NO_ANSWER + 1]; /* of them, how they ended */
    unsigned told[EXCHANGE_NO_ANSWER + 1]; /* ... as the observer was told before */
    unsigned answers;                      /* heads, as it was told */
    int status;                            /* the last one's, as it was told */
    int http_status;
    struct buf request, answer;            /* bytes of DATA frames */
    unsigned late_refused;                 /* answers that came too late, and were told so */
    unsigned messages, half_closes;
    unsigned went_on;                      /* callbacks after the last */
};

struct grpc_site {
    struct grpc_server *server;
    int port;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct grpc_seen seen;                 /* lock */
    bool is_released;                      /* lock */
    unsigned threads;                      /* lock; running */
    struct match *match;                   /* lock; the fault that calls meet, or NULL */
    struct clock *clock;                   /* lock; its clock, frozen */
};

/* `config` may be NULL; its address, port, find and arg are filled. */
int grpc_site_start(struct grpc_site *site, const struct grpc_config *config, struct err *err);
void grpc_site_stop(struct grpc_site *site);
/* Let /Wait and /Keep go on. */
void grpc_site_release(struct grpc_site *site);
/* Calls meet this fault from now on; `at` and `fault` are JSON, `at` may be NULL.  Forgets what was seen. */
int grpc_site_arm(struct grpc_site *site, const char *at, const char *fault, struct err *err);
void grpc_site_disarm(struct grpc_site *site);
void grpc_site_counts(struct grpc_site *site, struct match_counts *out);
/* Wait until so many calls have begun / are over; false: they are not. */
bool grpc_site_await_begun(struct grpc_site *site, unsigned count);
bool grpc_site_await_over(struct grpc_site *site, unsigned count);
bool grpc_site_await_late(struct grpc_site *site, unsigned count);
/* A copy of the numbers; its buffers are empty. */
struct grpc_seen grpc_site_seen(struct grpc_site *site);
/* The observed bytes of the last answer equal these? */
bool grpc_site_answered(struct grpc_site *site, const void *bytes, size_t len);
/* Until faults of the armed rule have fired so often. */
bool grpc_site_await_fired(struct grpc_site *site, unsigned count);
/* Does it come to be idle: no calls, no connections, nothing held? */
bool grpc_site_await_idle(struct grpc_site *site);

char grpc_site_fill(size_t i);
int grpc_site_port(const char *url);

/* For programs without tests: the methods. */
const struct grpc_method *grpc_site_find(void *arg, const struct grpc_call *call);

/* One for a test program, and cmocka fixtures for it. */
extern struct grpc_site grpc_site;
int grpc_site_setup(void **state);
int grpc_site_teardown(void **state);
/* Connect, or the test fails. */
void grpc_site_join(struct h2_client *c);
/* The server answers a good call on a new connection, or the test fails. */
void grpc_site_must_be_well(void);

#endif
