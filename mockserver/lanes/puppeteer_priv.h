/*
 * The puppeteer's parts: barriers (puppeteer_barrier.c), sockets and their wishes (puppeteer_strand.c), and
 * what other threads may call (puppeteer.c).
 *
 * Everything here belongs to the reactor's thread, but for what says otherwise; so there is one lock
 * only.
 */
#ifndef STANDBOX_LANES_PUPPETEER_PRIV_H
#define STANDBOX_LANES_PUPPETEER_PRIV_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "engine/reactor.h"
#include "lanes/puppeteer.h"

#define BARRIER_BUCKETS 256
#define LANE_BYTES      sizeof(((struct barrier_info *) NULL)->lane)

/* A list that is closed in itself; a head stands for its begin and end. */
struct ring {
    struct ring *next, *prev;
};

static inline void ring_init(struct ring *ring)
{
    ring->next = ring->prev = ring;
}

static inline void ring_add(struct ring *head, struct ring *last)
{
    last->next = head;
    last->prev = head->prev;
    head->prev->next = last;
    head->prev = last;
}

static inline void ring_remove(struct ring *item)
{
    item->prev->next = item->next;
    item->next->prev = item->prev;
    ring_init(item);
}

#define RING_OWNER(item, type, member) ((type *) (void *) ((char *) (item) - offsetof(type, member)))

/* Who sleeps in a lane stands at the lane's barrier without a name, which nobody can open. */
struct barrier {
    struct barrier *next; /* of the bucket */
    struct barrier_info info;
    bool is_for_sleepers;
    struct ring wishes; /* in the order of arrival */
};

/* A puppet and the processes that it forked. */
struct troupe {
    struct troupe *next; /* of those retired */
    char lane[LANE_BYTES];
    struct clock *clock; /* used by the reactor */
    unsigned count;
};

/* What moves a puppet: one socket, its own or that of a process it forked. */
struct strand {
    struct source source;
    struct ring all; /* of the puppeteer */
    struct puppeteer *owner;
    struct troupe *troupe;
    struct buf input;   /* the begin of a line */
    int came_fds[2];    /* with lines not yet read; a line in the making and the one behind it */
    unsigned fds_count;
    struct ring wishes;
    unsigned wish_count;
    struct reactor_job burial;
};

struct wish {
    struct ring of_strand, of_barrier;
    struct strand *strand;
    struct barrier *barrier;
    int64_t id;
    bool is_sleep;
    int64_t at_ms; /* by the clock of its lane */
    struct timer timer;
};

/* On the stack of a thread that waits. */
struct awaiter {
    struct awaiter *next;
    const char *lane, *name;
    unsigned count;
    bool reached; /* under the lock; never taken back */
};

struct puppeteer {
    struct reactor *reactor;
    struct barrier *buckets[BARRIER_BUCKETS];
    struct ring strands;
    struct awaiter *awaiters;
    struct puppeteer_counts counts;
    pthread_mutex_t lock; /* awaiter.reached, retired; taken last, and briefly */
    pthread_cond_t reached;
    struct troupe *retired; /* whose last process is gone */
};

/* ---- puppeteer_barrier.c -------------------------------------------------------------- */

/* NULL: there is none.  `name` NULL: the sleepers'. */
struct barrier *barrier_find(struct puppeteer *p, const char *lane, const char *name);
/* NULL: no memory.  Give it back with barrier_tidy when nobody has come. */
struct barrier *barrier_make(struct puppeteer *p, const char *lane, const char *name);
void barrier_tidy(struct puppeteer *p, struct barrier *barrier); /* forget it, if there is nothing to remember */
/* Call `visit` for each; it may tidy the one that it is given. */
void barrier_each(struct puppeteer *p, void (*visit)(struct puppeteer *p, struct barrier *barrier, void *arg),
                  void *arg);
/* The wish stands here from now on; wakes who awaits so many. */
void barrier_join(struct puppeteer *p, struct barrier *barrier, struct wish *wish);
void barrier_leave(struct puppeteer *p, struct wish *wish);
void barrier_await(struct puppeteer *p, struct awaiter *awaiter);
void barrier_forget_awaiter(struct puppeteer *p, struct awaiter *awaiter);

/* ---- puppeteer_strand.c --------------------------------------------------------------- */

/* Any thread but the reactor's. */
int troupe_new(struct puppeteer *p, const char *lane, struct clock *clock, struct troupe **out, struct err *err);
void troupe_free(struct puppeteer *p, struct troupe *troupe);

/* Serve `fd` as one more of the troupe, which is retired after the last.  Takes fd, on failure too. */
int strand_begin(struct puppeteer *p, struct troupe *troupe, int fd, struct err *err);
void strand_close(struct strand *strand);
/* Frees the wish; a puppet that does not take the answer is closed. */
void strand_grant(struct wish *wish);

#endif
