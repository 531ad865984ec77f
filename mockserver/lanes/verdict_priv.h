/* The ledger in small, as the checks of verdict.c look at it.  Taken by verdict_notes.c in one pass. */
#ifndef STANDBOX_LANES_VERDICT_PRIV_H
#define STANDBOX_LANES_VERDICT_PRIV_H

#include <stdbool.h>

#include "lanes/verdict.h"

/* A request.  Texts as hashes, 0 for none: they are only compared. */
struct note {
    uint64_t number;
    int64_t begin_ms, end_ms;      /* the machine's; end 0: open */
    uint64_t same;                 /* of method, path, query, body */
    uint64_t sandbox, process;
    int op;                        /* -1: none was known */
    int status;                    /* of HTTP, also for a gRPC call that ended with one of its own */
    enum answer_end end;
    bool fired, is_get, is_stream;
    bool is_known;                 /* a dialect had a route for it */
};

/* A process is over. */
struct ending { uint64_t process; int64_t at_ms /* the machine's */; };

struct notes {
    struct note *list;
    size_t count, room;
    const struct note **alike;     /* by what is the same, then by number */
    struct ending *endings;
    size_t ending_count, ending_room;
    uint64_t dropped;
    bool failed;                   /* memory ran out */
};

/* -1: no memory; drop them in any case. */
int verdict_take_notes(struct notes *n, struct ledger *ledger, struct err *err);
void verdict_drop_notes(struct notes *n);
/* When the process ended; INT64_MAX: it lives, or nothing is known. */
int64_t verdict_ended_at(const struct notes *n, uint64_t process);
/* The next request that says the same as n->alike[i], or NULL. */
const struct note *verdict_next_alike(const struct notes *n, size_t i);

#endif
