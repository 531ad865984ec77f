/*
 * A ledger with a clock that stands still, for tests of ledgers.
 */
#ifndef STANDBOX_TESTS_LEDGER_BOOK_H
#define STANDBOX_TESTS_LEDGER_BOOK_H

#include "base/clock.h"
#include "lanes/ledger.h"

#define BOOK_LANE "my-lane"

struct book {
    struct clock *clock;
    struct ledger *ledger;
};

static inline void book_open(struct book *b, const struct ledger_config *config)
{
    struct err err = ERR_INIT;
    assert_int_equal(clock_new(&b->clock, 1, &err), 0);
    clock_freeze(b->clock);
    assert_int_equal(ledger_new(&b->ledger, BOOK_LANE, b->clock, config, &err), 0);
}

static inline void book_close(struct book *b)
{
    ledger_free(b->ledger);
    clock_unref(b->clock);
}

#endif
