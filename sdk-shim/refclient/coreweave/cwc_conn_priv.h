/*
 * Connection and call, for cwc_conn.c (socket, thread, callers) and cwc_h2.c (nghttp2's callbacks).  All members are
 * the connection's lock's; the thread holds it whenever it is not waiting for the socket.
 */
#ifndef CWC_CONN_PRIV_H
#define CWC_CONN_PRIV_H

#include <pthread.h>

#include <nghttp2/nghttp2.h>

#include "cwc_conn.h"

#define CWC_STREAM_WINDOW (4 << 20)
#define CWC_CONN_WINDOW   (16 << 20)
#define CWC_KEPT_BYTES    (1 << 20) /* of messages that nobody took, before the window is held back */
#define CWC_HEAD_BYTES    16384     /* of header fields of an answer */
#define CWC_SENT_BYTES    (1 << 18) /* of what went out, before its room is used again */

struct cwc_message {
    struct cwc_message *next;
    size_t size;
    char data[];
};

struct cwc_call {
    struct cwc_conn *conn;
    struct cwc_call *next;
    pthread_cond_t changed;
    char *path, *authority, *auth, *timeout;
    int64_t deadline_ms; /* 0: none */
    size_t max_message;
    int32_t stream; /* 0: not on the wire yet */
    /* out */
    struct sbc_buf out;
    size_t out_at;
    bool wants_end, sent_end;
    bool has_news; /* the thread is to look at it */
    bool wants_reset;
    /* in */
    struct sbc_buf in; /* of a message that is not whole */
    struct cwc_message *first, *last;
    size_t kept, owed; /* bytes in the queue, and those not given back yet */
    size_t head_bytes;
    int http_status;
    bool is_grpc, has_status;
    bool is_over;
    struct cwc_end end, told; /* as it is, and as the trailers tell it so far */
};

struct cwc_conn {
    pthread_mutex_t lock;
    pthread_t thread;
    int fd, wake[2];
    nghttp2_session *session;
    struct sbc_buf out;
    size_t out_at;
    struct cwc_call *calls;
    bool is_leaving; /* no new calls */
    bool is_closing; /* freed ... */
    int64_t closing_ms; /* ... since then */
    bool is_over;
};

/* The session with its callbacks; NULL: want of memory. */
nghttp2_session *cwc_h2_new(struct cwc_conn *conn);

/* Bring what callers want onto the wire: new streams, data, windows, resets. */
void cwc_h2_apply(struct cwc_conn *conn, struct cwc_call *call);

/* The call is over; the first word counts.  `message` is copied. */
void cwc_h2_end(struct cwc_call *call, enum cwc_status status, bool is_ours, const char *message);

#endif
