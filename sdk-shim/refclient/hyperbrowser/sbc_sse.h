/*
 * An incremental reader of server-sent events: bytes go in as they come, cut anywhere; whole events come out.
 *
 * Lines end with LF, CR or CRLF.  A byte order mark at the beginning is skipped.  Comments, "id", "retry" and unknown
 * fields are read over; events without data are none.  What is left when the stream ends is no event.
 *
 * Thread: one.
 */
#ifndef SBC_SSE_H
#define SBC_SSE_H

#include "sbc_text.h"

struct sbc_sse {
    size_t limit;         /* bytes of one event, pending ones included */
    struct sbc_buf in;    /* not yet read */
    size_t read, scanned; /* of `in`: behind the last whole line; known to hold no line end */
    struct sbc_buf name, data;
    bool has_begun, has_data, was_cr;
    bool is_given; /* name and data are the caller's until the next call */
};

/* What sbc_sse_next gave; valid until its next call. */
struct sbc_sse_event {
    const char *name; /* "message" where the stream names none */
    const char *data;
    size_t size;
};

void sbc_sse_init(struct sbc_sse *sse, size_t limit);
void sbc_sse_feed(struct sbc_sse *sse, const char *bytes, size_t size);

/* 1: an event; 0: more bytes are needed; -1: an event over the limit. */
int sbc_sse_next(struct sbc_sse *sse, struct sbc_sse_event *out_event);

void sbc_sse_free(struct sbc_sse *sse);

#endif
