/*
 * Holds the other end of every puppet's --control socket: grants sleeps by the lane's clock, and opens
 * barriers.  One thread for the whole server; the protocol is in puppet/control.h (JSON lines; forks
 * send a socket of their own).
 *
 * A barrier has a name in a lane.  Who stands at it waits until it is opened: for those who stand there
 * now, or for good.  Nothing waits for ever because of a mistake: a puppet dies with its sandbox.
 *
 * Bad lines (a process that only pretends to be a puppet can write anything): the socket is closed,
 * counted, nothing else happens; memory per puppet is bounded.
 *
 * Thread: any.  Most calls ask the puppeteer's own thread and wait for it, so none may be made with a
 * lock held that a listener of a lane's clock takes.
 */
#ifndef STANDBOX_LANES_PUPPETEER_H
#define STANDBOX_LANES_PUPPETEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"

/* Bounds: a wish's line, the wishes of one process (a handler's stand above those it interrupts), and the processes
   of one tree. */
#define PUPPETEER_LINE_BYTES 65536
#define PUPPETEER_WISHES     64
#define PUPPETEER_TREE       256
#define BARRIER_NAME_BYTES   201 /* 1 to 200 bytes and NUL */

struct puppeteer;

int puppeteer_new(struct puppeteer **out_puppeteer, struct err *err);
/* Closes every socket: puppets that want something end with 98.  NULL is fine. */
void puppeteer_free(struct puppeteer *puppeteer);

/* Serve a puppet of lane `lane` (copied), whose sleeps follow `clock` (a reference is taken).  *out_fd is the puppet's
   end: hand it to the process as descriptor 3 and close it. */
int puppeteer_add(struct puppeteer *puppeteer, const char *lane, struct clock *clock, int *out_fd, struct err *err);

struct barrier_info { char lane[65]; char name[BARRIER_NAME_BYTES]; unsigned waiting; bool open; };
/* Barriers that somebody stands at, or that are open for good; of `lane` (NULL: all), sorted.  Free the array; NULL:
   no memory. */
struct barrier_info *puppeteer_list_barriers(struct puppeteer *puppeteer, const char *lane, size_t *out_count);
/* Let go who stands at it; with `for_good` also all who come.  Returns how many went. */
unsigned puppeteer_open_barrier(struct puppeteer *puppeteer, const char *lane, const char *name, bool for_good);
/* Wait (machine's time, mono_ns) until `count` stand at it, or `interrupt` (NULL: none; called about five times a
   second).  Did they?  `name` NULL: until `count` of the lane's puppets sleep, so that a test can advance a frozen
   clock when it is time to. */
bool puppeteer_await_barrier(struct puppeteer *puppeteer, const char *lane, const char *name, unsigned count,
                             int64_t until_ns, bool (*interrupt)(void *arg), void *arg);
/* Forget what is open in `lane` (NULL: everywhere). */
void puppeteer_reset(struct puppeteer *puppeteer, const char *lane);

struct puppeteer_counts {
    size_t puppets;   /* sockets that are served */
    size_t wishes;    /* that stand */
    uint64_t refused; /* sockets closed for what came from them, since the start */
};
void puppeteer_get_counts(struct puppeteer *puppeteer, struct puppeteer_counts *out);

#endif
