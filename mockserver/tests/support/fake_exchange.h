/*
 * An exchange without a network, for tests of dialects: holds a request, records the answer.
 *
 * `fake_exchange_run` answers in the caller's thread; `fake_exchange_start` in one of its own,
 * for answers that take their time, which can then be watched while they grow.  What is below
 * `lock` is reached through the functions here until the thread was joined.
 */
#ifndef STANDBOX_TESTS_FAKE_EXCHANGE_H
#define STANDBOX_TESTS_FAKE_EXCHANGE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/buf.h"
#include "dialects/dialect.h"

#define FAKE_HEADERS 8

struct fake_exchange {
    struct exchange x; /* first: an exchange is its fake */
    char method[16], path[512], query[512], host[256];
    struct {
        char name[64], value[256];
    } headers[FAKE_HEADERS];
    size_t header_count;
    struct buf request;
    const struct dialect *dialect;
    void *self;
    pthread_t thread;
    bool has_thread;
    atomic_bool peer_gone;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool slow;  /* stream_write waits while this is set */
    int status; /* 0: not answered */
    char type[128];
    bool streamed, ended; /* began as a stream; ended properly */
    bool over;            /* the dialect's handle has returned */
    unsigned answers, writes, pokes;
    struct buf body;
};

/* `target` is a decoded path, with "?query" if there is one. */
void fake_exchange_init(struct fake_exchange *f, const char *method, const char *target);
void fake_exchange_fini(struct fake_exchange *f); /* joins */
void fake_exchange_header(struct fake_exchange *f, const char *name, const char *value);
void fake_exchange_host(struct fake_exchange *f, const char *host);
void fake_exchange_body(struct fake_exchange *f, const void *data, size_t len);

void fake_exchange_run(struct fake_exchange *f, const struct dialect *dialect, void *self);
void fake_exchange_start(struct fake_exchange *f, const struct dialect *dialect, void *self);
void fake_exchange_join(struct fake_exchange *f);

/* The client hangs up: peer_gone is true and writes fail from now on. */
void fake_exchange_hang_up(struct fake_exchange *f);

/* The client stops reading, or goes on: writes of a stream wait meanwhile. */
void fake_exchange_set_slow(struct fake_exchange *f, bool slow);

/* Wait at most `seconds` until the answer holds `text`, or (NULL) until handle has returned. */
bool fake_exchange_await(struct fake_exchange *f, const char *text, int seconds);

#endif
