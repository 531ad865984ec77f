/*
 * One line of ours to an adapter, and what comes of it: until its answer, or what is wrong instead, in words.
 *
 * Behind adapter.c, for both levels.  Functions that can end an exchange badly fill the reply and return -1.
 *
 * Thread: belongs to one thread.
 */
#ifndef STANDBOX_LINK_EXCHANGE_H
#define STANDBOX_LINK_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "link/adapter.h"
#include "link/protocol.h"
#include "link/talk.h"

struct exchange {
    struct adapter *adapter;
    struct talk *talk;
    const struct cJSON *run;       /* NULL: the hello */
    int64_t seq;
    int64_t begin_ns, until_ns;
    bool is_stale;                 /* the line under way had begun before ours was sent */
    struct adapter_reply *reply;
};

/* Begin the reply and its time. */
void exchange_begin(struct exchange *x, int64_t budget_ms);

/* Read lines until the answer (1), or all that can go wrong (-1).  `to_the_end`: until the process has ended with
   code 0 behind it. */
int exchange_converse(struct exchange *x, bool to_the_end);

/* Lines that came together with the answer are known now; those that come later are the next run's to notice.
   0 or -1. */
int exchange_look_behind(struct exchange *x);

/* The reply's last act: how it ended, in words.  All of these return -1, for the caller to pass on. */
int exchange_finish(struct exchange *x, enum adapter_end end, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* A line that should not be. */
int exchange_garbage(struct exchange *x, const char *line, size_t len, const char *what);
/* Its process has ended; `when` says in the middle of what ("without an answer"). */
int exchange_ended(struct exchange *x, const char *when);
/* An event that is no line. */
int exchange_broke(struct exchange *x, enum talk_event event);

#endif
