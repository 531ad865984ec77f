/*
 * A lean HTTP/1.1 client connection: it shares the machine with what it measures.
 *
 * One request in flight, sent with one call (requests are small, so they fit an idle
 * socket's buffer), answers parsed as they come: Content-Length and chunked.  Connections
 * belong to an epoll instance that hconn_serve runs, or stand alone with hconn_call.
 * A server that closes after an answer is connected to again before the next request.
 *
 * Thread: an epoll instance and its connections belong to one thread.
 */
#ifndef STANDBOX_BENCH_HCONN_H
#define STANDBOX_BENCH_HCONN_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct hconn;

struct hconn_events {
    void (*body)(struct hconn *c, const char *data, size_t len); /* a piece, chunk marks removed */
    void (*complete)(struct hconn *c);                           /* may send the next request */
    void (*broken)(struct hconn *c, const char *why);            /* the answer will not be complete */
};

enum hconn_state { HC_IDLE, HC_HEAD, HC_LENGTH, HC_CHUNK_SIZE, HC_CHUNK_DATA, HC_CHUNK_END, HC_TRAILER };

struct hconn {
    int fd;       /* -1: closed */
    int epoll_fd; /* -1: stands alone */
    struct sockaddr_in address;
    const struct hconn_events *events;
    void *arg;
    enum hconn_state state;
    int status;      /* of the current answer */
    uint64_t left;   /* of the body or the chunk */
    size_t line_len; /* of the trailer line so far */
    bool closes;     /* the server said it will close */
    struct buf head;
};

/* Connect (blocking) and join `epoll_fd` unless that is -1. */
int hconn_open(struct hconn *c, const struct sockaddr_in *address, int epoll_fd, const struct hconn_events *events,
               void *arg, struct err *err);
int hconn_send(struct hconn *c, const void *request, size_t len, struct err *err);
void hconn_close(struct hconn *c); /* also on one that was never opened but is zeroed with fd -1 */

/* Serve what is ready within `timeout_ms`; returns how many connections had something, -1 on error. */
int hconn_serve(int epoll_fd, int timeout_ms, struct err *err);

/* One request, whole answer: the body is appended to `out_body`, the status returned; -1 with `err`. */
int hconn_call(const struct sockaddr_in *address, const void *request, size_t len, struct buf *out_body,
               struct err *err);

/* Make a request text.  `auth` is a whole header line without its end; `body` may be NULL. */
void hconn_make_request(struct buf *out, const char *method, const char *path, const char *auth, const char *accept,
                        const char *body);

#endif
