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
 * Thread: any.
 */
#ifndef STANDBOX_LANES_PUPPETEER_H
#define STANDBOX_LANES_PUPPETEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"

struct puppeteer;

int puppeteer_new(struct puppeteer **out_puppeteer, struct err *err);
void puppeteer_free(struct puppeteer *puppeteer);      /* NULL is fine */

/* Serve a puppet of lane `lane` (copied), whose sleeps follow `clock` (a reference is taken).  *out_fd is the puppet's
   end: hand it to the process as descriptor 3 and close it. */
int puppeteer_add(struct puppeteer *puppeteer, const char *lane, struct clock *clock, int *out_fd, struct err *err);

struct barrier_info { char lane[65]; char name[201]; unsigned waiting; bool open; };
/* Barriers that somebody stands at, or that are open for good; of `lane` (NULL: all).  Free the array. */
struct barrier_info *puppeteer_list_barriers(struct puppeteer *puppeteer, const char *lane, size_t *out_count);
/* Let go who stands at it; with `for_good` also all who come.  Returns how many went. */
unsigned puppeteer_open_barrier(struct puppeteer *puppeteer, const char *lane, const char *name, bool for_good);
/* Wait (machine's time, mono_ns) until `count` stand at it, or `interrupt`. */
bool puppeteer_await_barrier(struct puppeteer *puppeteer, const char *lane, const char *name, unsigned count,
                             int64_t until_ns, bool (*interrupt)(void *arg), void *arg);
/* Forget what is open in `lane` (NULL: everywhere). */
void puppeteer_reset(struct puppeteer *puppeteer, const char *lane);

#endif
