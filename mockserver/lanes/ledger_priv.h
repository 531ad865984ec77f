/*
 * The ledger's entries and where they are, for files of this folder and its tests.
 *
 * Entries with the newest numbers stand in a ring, without gaps.  A request that is still open when it
 * would be dropped from there goes aside; all open ones are found by their number in a table, wherever
 * they are.
 */
#ifndef STANDBOX_LANES_LEDGER_PRIV_H
#define STANDBOX_LANES_LEDGER_PRIV_H

#include <pthread.h>

#include "lanes/ledger.h"
#include "lanes/ledger_redact.h"

#define LEDGER_OPEN_BUCKETS 64

/* Who an entry is about.  Many are about the same process, so they share this. */
struct ledger_subject {
    struct ledger_subject *next;    /* in its bucket */
    size_t refs, size;
    uint64_t hash;
    const char *sandbox, *process, *command;   /* "" when unknown; in the memory behind this */
};

struct ledger_item {
    uint64_t number;
    size_t size;                    /* what it takes of the bound */
    bool is_request;
};

struct ledger_fact_item {
    struct ledger_item item;        /* first */
    struct ledger_subject *subject;
    struct fact fact;
    int64_t at_ns;
    uint32_t kept;
    char bytes[];
};

enum request_place { PLACE_RING, PLACE_ASIDE, PLACE_HIDDEN /* since ledger_clear */ };

struct ledger_request_item {
    struct ledger_item item;        /* first */
    uint64_t handle;                /* what the writer calls it by */
    enum request_place place;
    struct ledger_request_item *next_open;          /* in its bucket */
    struct ledger_request_item *previous, *next;    /* PLACE_ASIDE: in the order of numbers */
    struct ledger_request_item *next_settled;       /* PLACE_ASIDE and ended: in the order of ends */
    uint64_t settled;               /* the number that would have come next at its end */
    struct ledger_request shown;    /* borrows from what follows */
    struct buf texts;               /* of the beginning, NUL behind each */
    struct wire_header *headers;
    struct ledger_subject *subject; /* NULL: unknown */
    char *raw_path, *dialect, *op, *fault, *fault_scenario, *content_type;
    struct buf body, answer;
    struct redact_json *scan;       /* of the answer, until it ends */
    struct ledger_call_item *call;  /* NULL: no gRPC call */
};

/* What is known of a gRPC call: its messages as JSON objects with commas between them. */
struct ledger_call_item {
    struct ledger_call shown;       /* borrows from what follows; its messages are joined when it is read */
    char *status, *message, *reason;
    struct buf messages;
    size_t kept;                    /* of them: behind it stands the newest, which the next one takes the place of */
    bool is_full;
};

struct ledger {
    char *lane;
    struct clock *clock;            /* a reference */
    struct ledger_config config;    /* without zeros */
    pthread_mutex_t lock;           /* everything below */
    pthread_cond_t changed;
    uint64_t change;
    uint64_t next_number, dropped;
    size_t bytes;
    struct ledger_item **ring;      /* `count` of them from `head` on, the last has next_number - 1 */
    size_t cap, head, count;
    struct ledger_request_item *aside_first, *aside_last;
    size_t aside;
    struct ledger_request_item *settled_first, *settled_last;
    struct ledger_request_item *open[LEDGER_OPEN_BUCKETS];
    size_t open_count;
    struct ledger_subject **subjects;
    size_t subject_count, subject_buckets;
};

/* ---- ledger.c; all with the lock held ----------------------------------------------------- */

/* Give it the next number and a place in the ring.  -1: no memory, nothing has changed. */
int ledger_push(struct ledger *ledger, struct ledger_item *item);
/* Something was added or has changed: keep the bounds, wake who waits. */
void ledger_note_change(struct ledger *ledger);
/* The entry takes `size` now. */
void ledger_resize(struct ledger *ledger, struct ledger_item *item, size_t size);
/* Write its line to the file, if there is one. */
void ledger_put_line(struct ledger *ledger, const struct ledger_item *item);
/* A request that is aside has ended. */
void ledger_settle(struct ledger *ledger, struct ledger_request_item *r);
void ledger_show(const struct ledger_item *item, struct ledger_entry *out);
/* One text's length within the bound for bodies, no character torn. */
size_t ledger_clip(const struct ledger *ledger, const char *text, size_t len);

/* ---- ledger_subject.c, likewise ------------------------------------------------------------ */

/* Returns a reference, or NULL without memory. */
struct ledger_subject *ledger_subject_get(struct ledger *ledger, const char *sandbox, const char *process,
                                          const char *command);
void ledger_subject_put(struct ledger *ledger, struct ledger_subject *subject);   /* NULL is fine */

/* ---- ledger_request.c ---------------------------------------------------------------------- */

void ledger_request_free(struct ledger *ledger, struct ledger_request_item *r);   /* NULL is fine */
/* Lock, and find an open one; NULL: ended, or never begun, and not locked.  Then account for what has changed, and
   unlock. */
struct ledger_request_item *ledger_enter(struct ledger *ledger, uint64_t number);
void ledger_leave(struct ledger *ledger, struct ledger_request_item *r);
/* Replace a text (NULL, "": none); an old one stays when there is no memory.  Returns the new one, or "". */
const char *ledger_set_text(char **slot, const char *text);

/* ---- ledger_call.c: with the lock held ------------------------------------------------------ */

void ledger_call_free(struct ledger_call_item *call);                             /* NULL is fine */
size_t ledger_call_size(const struct ledger_call_item *call);                     /* NULL: 0 */
/* No more will come: give back what was reserved. */
void ledger_call_finish(struct ledger_call_item *call);

/* ---- ledger_file.c: any thread ------------------------------------------------------------- */

/* One line, with its newline. */
void ledger_file_write(struct ledger_file *file, const char *line, size_t len);

#endif
