/*
 * One HTTP exchange over libcurl: a request goes out, the head comes back, the body is taken piece by piece.
 *
 * Every exchange has a connection of its own.  On a connection that was used before libcurl sends a request again
 * by itself when the server closes it just then, a start of a process not excepted; a fresh one it never does.
 *
 * Thread: an exchange belongs to one thread, but for sbc_http_cancel.
 */
#ifndef SBC_HTTP_H
#define SBC_HTTP_H

#include <pthread.h>
#include <stdatomic.h>

#include "sbc_error.h"
#include "sbc_text.h"
#include "standbox_client.h"

struct sbc_http;

/* All exchanges of a client, so that they can be cancelled. */
struct sbc_http_pool {
    pthread_mutex_t lock; /* taken last */
    pthread_cond_t changed;
    struct sbc_http *first;
    bool is_cancelled;
};

void sbc_http_pool_init(struct sbc_http_pool *pool);
void sbc_http_pool_cancel(struct sbc_http_pool *pool);
bool sbc_http_pool_is_cancelled(struct sbc_http_pool *pool);
bool sbc_http_pool_sleep(struct sbc_http_pool *pool, int64_t ms); /* false: cancelled */
void sbc_http_pool_fini(struct sbc_http_pool *pool);              /* no exchange may be left */

/* Borrowed by sbc_http_open. */
struct sbc_http_request {
    const char *method;
    const char *url;
    const char *connect_to; /* host:port instead of the URL's, or NULL */
    const char *auth;       /* a whole header line */
    const char *accept;
    const char *body; /* JSON, or NULL: none */
    enum sbc_service service;
    bool is_change;      /* it may change something */
    int64_t deadline_ms; /* by sbc_now_ms; for the head */
    size_t limit;        /* bytes of the body that may wait to be taken */
};

/* Send it and read the head; any status is a success.  Close it with sbc_http_close. */
struct sbc_http *sbc_http_open(struct sbc_http_pool *pool, const struct sbc_http_request *request,
                               struct sbc_error *err);

int sbc_http_status(const struct sbc_http *http);
const char *sbc_http_content_type(const struct sbc_http *http); /* "" when there is none */
bool sbc_http_is_event_stream(const struct sbc_http *http);

/* Wait until there is something of the body, append all of it to `out`: 1; 0: the body's proper end; -1. */
int sbc_http_read(struct sbc_http *http, int64_t deadline_ms, struct sbc_buf *out, struct sbc_error *err);

/* The whole body. */
int sbc_http_read_all(struct sbc_http *http, int64_t deadline_ms, struct sbc_buf *out, struct sbc_error *err);

/* What an error needs of it; borrows from both. */
struct sbc_answer sbc_http_answer(const struct sbc_http *http, const struct sbc_buf *body);

/* From any thread: the exchange's owner gets SBC_CANCELLED. */
void sbc_http_cancel(struct sbc_http *http);

void sbc_http_close(struct sbc_http *http);

#endif
