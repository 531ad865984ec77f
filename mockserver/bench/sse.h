/*
 * Reading a server-sent event stream, and counting what it carries.
 *
 * Lines are put together from the pieces that arrive; of an event only its name and its
 * (single) data line matter here.  Belongs to one thread.
 */
#ifndef STANDBOX_BENCH_SSE_H
#define STANDBOX_BENCH_SSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct sse {
    void (*event)(void *arg, const char *name, const char *data, size_t len); /* data is NUL-terminated */
    void *arg;
    char name[24];
    struct buf line, data;
};

void sse_feed(struct sse *s, const char *bytes, size_t len);
void sse_fini(struct sse *s);

/* How many bytes of output an "output" event's data stands for: escapes and base64 undone. */
uint64_t sse_count_payload(const char *data, size_t len);

#endif
