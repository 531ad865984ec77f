/*
 * A server of the HTTP transport whose handlers meet faults the way dialects do, no dialect behind it.
 *
 *   /events   a process that is started already: a poke, then a stream of the events "one\n", "two\n", then it
 *             exits (a poke), "three\n", the end
 *   /chunks   the same without any fact or event: chunks of application/octet-stream
 *   /whole    "one\ntwo\nthree\n" with a Content-Length; ?size=N: N bytes of faulty_fill
 *   /headers  the request's headers as lines; ?max=N: not more
 *   /nothing  does not answer    /endless  a stream without an end    /nobody  waits until the client has gone
 *   /pause    "one\n", and "two\nthree\n" after faulty_release
 *   /plain    "plain"; never meets a fault, and is not counted
 *
 * The rule is one for all until faulty_arm is called again, and its clock stands still.
 * Thread: the test's own calls; handlers use the lock.
 */
#ifndef STANDBOX_TESTS_HTTP_FAULTY_H
#define STANDBOX_TESTS_HTTP_FAULTY_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "base/clock.h"
#include "scenario/match.h"
#include "tests/support/http_client.h"
#include "transports/http.h"

/* What the handler of the last request saw, when it was over. */
struct faulty_seen {
    enum exchange_end end;
    enum exchange_end told_end;  /* the observer's, before the client could see it ... */
    unsigned told_ends;          /* ... so often */
    size_t told_bytes;           /* so much of `bytes` was told by then */
    int status;                  /* the observer's; 0: none */
    struct buf bytes, request;   /* the observer's, of both bodies */
    bool is_expired;             /* the token is */
    uint64_t expired_at;         /* behind so many bytes */
    bool was_ended;              /* an operation said that the answer is over ... */
    bool went_on;                /* ... and another one did not */
};

struct faulty {
    struct http_server *server;
    int port;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct clock *clock;         /* lock; frozen */
    _Atomic int64_t jump_ms;     /* time moves on by this in the moment in which a fault is said to have fired */
    struct match *match;         /* lock */
    unsigned begun, finished;    /* lock */
    bool is_released;            /* lock */
    struct faulty_seen seen;     /* lock */
};

int faulty_start(struct faulty *f, struct err *err);
void faulty_stop(struct faulty *f);

/* From now on requests meet this fault; `at` and `fault` are JSON, `at` may be NULL. */
int faulty_arm(struct faulty *f, const char *at, const char *fault, struct err *err);
/* How many handlers have begun, or returned, since the last faulty_arm. */
unsigned faulty_begun(struct faulty *f);
unsigned faulty_finished(struct faulty *f);
/* Wait until there are so many. */
bool faulty_await_begun(struct faulty *f, unsigned count);
bool faulty_await(struct faulty *f, unsigned count);
/* Let /pause go on. */
void faulty_release(struct faulty *f);
/* Wait until the transport itself is done with all of them. */
bool faulty_await_idle(struct faulty *f);
void faulty_get_counts(struct faulty *f, struct match_counts *out);
/* Receive from `c` with the clock moving on by `step_ms` whenever nothing comes. */
int faulty_receive_in_time(struct faulty *f, struct http_client *c, int64_t step_ms);

char faulty_fill(size_t i);

/* One for a test program, and cmocka fixtures for it. */
extern struct faulty faulty_site;
int faulty_setup(void **state);
int faulty_teardown(void **state);
/* faulty_arm, or the test fails. */
void faulty_must_arm(const char *at, const char *fault);

#endif
