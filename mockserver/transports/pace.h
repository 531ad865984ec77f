/*
 * How fast the bytes of an answer may go: "slow", "dribble" and "split" of scenario files, for every transport.
 *
 * Only the arithmetic; how to wait is the transport's business.  Times are the lane's clock's.
 *
 * Thread: the exchange's own.
 */
#ifndef STANDBOX_TRANSPORTS_PACE_H
#define STANDBOX_TRANSPORTS_PACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "scenario/fault.h"

struct strike;

struct pace {
    enum fault_kind kind;            /* FAULT_SLOW, _DRIBBLE or _SPLIT, when `is_on` */
    bool is_on;
    struct clock *clock;             /* borrowed */
    int64_t bytes, bytes_per_s, every_ms;
    int64_t last_ms, credit;         /* slow: thousandths of bytes saved up until then */
    int64_t next_ms, left;           /* dribble: the next piece, and what is left of this one */
    int64_t rested_ms;               /* nothing to send since */
};

/* From the next byte on. */
void pace_begin(struct pace *pace, const struct strike *strike);

/* How many of `want` (> 0) bytes may go now, as one piece; the caller sends them.  0: none before the API time
   *out_wake_ms.  Of a split answer each piece must also have come to the client before the next one goes. */
size_t pace_allow(struct pace *pace, size_t want, int64_t *out_wake_ms);

/* There was nothing to send until now / all there was has been sent: the time in between earns nothing. */
void pace_resume(struct pace *pace);
void pace_rest(struct pace *pace);

#endif
