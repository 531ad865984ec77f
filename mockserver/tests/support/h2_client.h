/*
 * An HTTP/2 client for tests of the gRPC transport, on nghttp2: many streams on one connection, each as slow or as rude
 * as the test wants.  Everything happens in h2_run and what calls it, on the test's own thread.
 */
#ifndef STANDBOX_TESTS_H2_CLIENT_H
#define STANDBOX_TESTS_H2_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "transports/grpc_fields.h"

#define H2_LIMIT_MS 60000

struct nghttp2_session;
struct h2_client;

struct h2_stream {
    struct h2_client *client;
    struct h2_stream *next;
    int32_t id;
    struct buf out;                  /* of DATA frames, not sent yet */
    size_t out_at;
    bool out_end, is_waiting;        /* ... then END_STREAM; nghttp2 was told that there is nothing now */
    bool reads_nothing;              /* gives no window back (the connection's it does) */
    /* What has come: */
    struct grpc_fields head, trailers;
    unsigned heads;                  /* HEADERS frames */
    struct buf in;                   /* of DATA frames */
    size_t frames;                   /* DATA frames that are not empty ... */
    size_t largest, smallest;        /* ... and their sizes */
    bool is_ended;                   /* END_STREAM has come */
    bool is_closed;
    uint32_t code;                   /* when closed: how */
};

struct h2_options {
    int32_t stream_window;           /* 0: 64 KiB; -1: none at all */
    int32_t connection_window;       /* 0: 16 MiB */
    uint32_t max_frame;              /* 0: 16384 */
    int receive_buffer;              /* SO_RCVBUF; 0: the kernel's */
};

struct h2_client {
    int fd;
    struct nghttp2_session *session;
    struct h2_stream *streams;
    struct buf out;
    size_t out_at;
    bool is_open;                    /* the connection is */
    bool was_reset;                  /* it ended with ECONNRESET */
    bool has_settings;               /* the server's have come */
    uint32_t max_streams;            /* ... and say so */
    bool has_goaway;
    uint32_t goaway_code;
    int32_t goaway_last;
    unsigned pongs;
    size_t moved;                    /* bytes sent and received */
    bool is_mute;                    /* reads nothing from the socket */
};

/* -1: errno says why. */
int h2_connect(struct h2_client *c, int port, const struct h2_options *options);
void h2_close(struct h2_client *c);

/* A POST of content type application/grpc; `more`: NULL-terminated list of names and values that are added, or that
   replace those.  A value "" leaves the field out. */
struct h2_stream *h2_open(struct h2_client *c, const char *path, const char *const *more);
/* Bytes of DATA frames / one message with its prefix; then END_STREAM? */
void h2_send(struct h2_stream *s, const void *data, size_t len, bool end);
void h2_send_message(struct h2_stream *s, const void *data, size_t len, bool end);
void h2_reset(struct h2_stream *s, uint32_t code);
void h2_ping(struct h2_client *c);
/* From now on it reads again, and what it owes is given back. */
void h2_read_again(struct h2_stream *s);
void h2_give_window(struct h2_stream *s, int32_t bytes);

/* Send and receive until `done`, or the connection's end, or nothing has moved for so long.  Was it done? */
bool h2_run(struct h2_client *c, bool (*done)(void *arg), void *arg, int limit_ms);
bool h2_await_closed(struct h2_stream *s);
bool h2_await_head(struct h2_stream *s);
bool h2_await_bytes(struct h2_stream *s, size_t least);
bool h2_await_end(struct h2_client *c);          /* of the connection */
bool h2_await_goaway(struct h2_client *c);
bool h2_await_settings(struct h2_client *c);
/* What is written goes out; whatever is there is read. */
void h2_step(struct h2_client *c);

/* The status of a gRPC answer, from trailers or the only head; -1: none. */
int h2_status(const struct h2_stream *s);
const char *h2_field(const struct h2_stream *s, const char *name);   /* in trailers, else the head; NULL */
/* The message number `index` of s->in: its length, or -1. */
long h2_message(const struct h2_stream *s, size_t index, const char **out);
size_t h2_messages(const struct h2_stream *s);

/* One unary call, whole: its status, or -1.  The answer's message goes into `out` (NULL: is thrown away). */
int h2_unary(struct h2_client *c, const char *path, const void *message, size_t len, struct buf *out);

/* ---- without HTTP/2 --------------------------------------------------------------------- */

/* A plain connection; `receive_buffer` is SO_RCVBUF, 0: the kernel's.  -1: errno says why. */
int h2_dial(int port, int receive_buffer);
/* All of it, and how it went: false, the connection is gone. */
bool h2_dial_send(int fd, const void *data, size_t len);
/* Read until the end, or `limit_ms` after the last byte; what came goes into `out`.  Did the connection end? */
bool h2_dial_drain(int fd, struct buf *out, int limit_ms);

/* The error code of the first GOAWAY, or RST_STREAM, among the server's frames; -1: there is none. */
int64_t h2_goaway_in(const struct buf *frames);
int64_t h2_reset_in(const struct buf *frames);

/* Append a frame. */
void h2_put_frame(struct buf *out, unsigned type, unsigned flags, uint32_t stream, const void *payload, size_t len);
void h2_put_preface(struct buf *out);
/* The head of a gRPC call as a header block. */
void h2_put_head_block(struct buf *out, const char *path);
/* A whole unary call as a client with nothing in mind sends it, on stream `id`; no preface. */
void h2_put_call(struct buf *out, uint32_t id, const char *path, const void *message, size_t len);

#endif
