/*
 * The words of scenario files, vendor-neutral: operations, dialects, facts, errno names, gRPC and
 * HTTP/2 codes.  Tables of words, so that the reader, the messages, the schema test and the docs
 * all speak of the same.  Everything is const.  Thread: any.
 */
#ifndef STANDBOX_SCENARIO_VOCAB_H
#define STANDBOX_SCENARIO_VOCAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct word {
    const char *name;
    int value;
};

struct words {
    const char *what; /* "operation": what the words are */
    const struct word *list;
    size_t count;
};

/* What a request means, whoever words it. */
enum scenario_op {
    OP_SANDBOX_CREATE,
    OP_SANDBOX_GET,
    OP_SANDBOX_LIST,
    OP_SANDBOX_STOP,
    OP_PROCESS_EXEC,
    OP_PROCESS_START,
    OP_PROCESS_GET,
    OP_PROCESS_LIST,
    OP_PROCESS_WAIT,
    OP_PROCESS_SIGNAL,
    OP_PROCESS_KILL,
    OP_PROCESS_STDIN,
    OP_PROCESS_STREAM,
    OP_PROCESS_LOGS,
    OP_PROCESS_WAITPORT,
    OP_PROCESS_POLL,
    OP_PROCESS_RESIZE,
    OP_FILE_READ,
    OP_FILE_WRITE,
    OP_FILE_LIST,
    OP_FILE_STAT,
    OP_FILE_EXISTS,
    OP_FILE_MKDIR,
    OP_FILE_DELETE,
    OP_FILE_RENAME,
    OP_FILE_COPY,
    OP_FILE_CHMOD,
    OP_FILE_CHOWN,
    OP_FILE_WATCH,
    OP_COUNT
};

#define OP_BIT(op) ((uint64_t) 1 << (op))
#define OP_ALL     (OP_BIT(OP_COUNT) - 1)

extern const uint64_t vocab_ops_starting;   /* those that start a process */
extern const uint64_t vocab_ops_launching;  /* the same, and what makes a sandbox that has a process of its own */
extern const uint64_t vocab_ops_of_process; /* those about one process, which has facts */
extern const uint64_t vocab_ops_streaming;  /* those that answer with events in some dialect */
extern const uint64_t vocab_ops_acting;     /* those whose success can be pretended: they give nothing back */
extern const uint64_t vocab_ops_admitting;  /* those whose good answer has a word for failure in some dialect */

enum scenario_dialect { DIALECT_COREWEAVE, DIALECT_HYPERBROWSER, DIALECT_CLOUDFLARE, DIALECT_MODAL, DIALECT_COUNT };

#define DIALECT_BIT(d) (1u << (d))

extern const unsigned vocab_dialects_http; /* bits of those that speak HTTP/1.1 */
extern const unsigned vocab_dialects_grpc;

/* What can be waited for in a process's log.  SEEN_ENDED is exited, died or start-failed. */
enum scenario_fact {
    SEEN_QUEUED,
    SEEN_STARTED,
    SEEN_OUT,
    SEEN_ERR,
    SEEN_STDIN,
    SEEN_STDIN_EOF,
    SEEN_SIGNALLED,
    SEEN_TIMED_OUT,
    SEEN_EXITED,
    SEEN_DIED,
    SEEN_START_FAILED,
    SEEN_OUTPUT_EOF,
    SEEN_ENDED,
    SEEN_COUNT
};

#define SEEN_BIT(fact) (1u << (fact))

extern const struct words vocab_ops, vocab_dialects, vocab_facts, vocab_errnos, vocab_grpc, vocab_http2;

bool vocab_find(const struct words *words, const char *name, int *out_value);
/* The first name of a value, or NULL. */
const char *vocab_name(const struct words *words, int value);
/* All names as "a, b, c". */
void vocab_list(const struct words *words, struct buf *out);

/* The gRPC status that an HTTP status becomes, and the other way round, by the gRPC project's own
   tables; both are total. */
int vocab_grpc_of_http(int http_status);
int vocab_http_of_grpc(int grpc_status);

/* Which of `count` names, `stride` bytes apart (the first field of any table's rows), is most like `name`
   (case aside)?  NULL when none is near. */
const char *vocab_nearest(const char *name, const void *rows, size_t count, size_t stride);

#endif
