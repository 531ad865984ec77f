/*
 * A small HTTP/1.1 client on a raw socket, for tests that care about every byte.
 *
 * It sends exactly what it is told and never repairs anything.  Every call gives up at the client's deadline.
 * Functions return 0 or -1 and leave the reason in `why`; nothing here asserts, so threads may use it.
 */
#ifndef STANDBOX_TESTS_HTTP_CLIENT_H
#define STANDBOX_TESTS_HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define HTTP_CLIENT_LIMIT_MS 60000

struct http_client {
    int fd;
    int64_t deadline_ns;
    struct buf in;           /* received, not yet taken */
    const char *why;         /* "end", "reset", "deadline", "bad answer" ... of the last failure */
};

struct http_answer {
    int status;
    struct buf head;         /* status line and fields as received, with the empty line */
    struct buf body;
    bool chunked, closes;
};

/* Connect to 127.0.0.1 (or `address`: ::1 when it holds a colon). */
int http_client_open(struct http_client *c, const char *address, int port);
void http_client_close(struct http_client *c);
/* Close so that the other side gets a reset. */
void http_client_reset(struct http_client *c);
/* "http://127.0.0.1:8700" -> 8700 */
int http_client_port(const char *url);

int http_client_send(struct http_client *c, const void *data, size_t len);
int http_client_text(struct http_client *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int http_client_end_sending(struct http_client *c);

/* Receive into c->in until it holds at least `len` bytes. */
int http_client_need(struct http_client *c, size_t len);
/* Receive once, waiting at most `wait_ms`: 1 something came, 0 nothing did, -1 with `why`. */
int http_client_receive(struct http_client *c, int wait_ms);
/* Take the next `len` bytes from c->in. */
void http_client_take(struct http_client *c, struct buf *out, size_t len);
/* Receive until the other side ends or resets the connection. */
int http_client_until_end(struct http_client *c);

/* Head of an answer; `out` is cleared first. */
int http_client_head(struct http_client *c, struct http_answer *out);
/* One chunk of a chunked body, appended: 1, or 0 at the proper end, or -1. */
int http_client_chunk(struct http_client *c, struct buf *out);
/* Head and the whole body, however it is framed.  `is_head`: the request was a HEAD. */
int http_client_answer(struct http_client *c, struct http_answer *out, bool is_head);
/* Value of a field of an answer, copied to `out`; false when it is not there. */
bool http_answer_field(const struct http_answer *answer, const char *name, struct buf *out);
int http_answer_count(const struct http_answer *answer, const char *name);
void http_answer_fini(struct http_answer *answer);

#define HTTP_CLIENT_INIT { -1, 0, BUF_INIT, "" }
#define HTTP_CLIENT __attribute__((cleanup(http_client_close))) struct http_client
#define HTTP_ANSWER __attribute__((cleanup(http_answer_fini))) struct http_answer

#endif
