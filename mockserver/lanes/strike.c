#include "lanes/strike.h"

#include <stdlib.h>

#include "base/hash.h"
#include "engine/fact.h"

/* ---- life ----------------------------------------------------------------------------- */

void strike_arm(struct strike *strike, struct match *match, const struct match_ticket *ticket, struct clock *clock,
                unsigned facts)
{
    *strike = (struct strike) {
        .match = match,
        .ticket = *ticket,
        .rule = ticket->rule,
        .fault = &ticket->rule->fault,
        .clock = clock,
        .facts = facts,
        .dice = ticket->dice,
    };
}

void strike_end(struct strike *strike)
{
    if (strike->match == NULL)
        return;
    if (!strike->fired)
        match_fault_end(strike->match, &strike->ticket, false);
    for (size_t i = 0; i < strike->held_count; i++)
        buf_fini(&strike->held[i]);
    free(strike->held);
    match_unref(strike->match);
    *strike = (struct strike) { .match = NULL };
}

/* ---- what happens ----------------------------------------------------------------------- */

static unsigned bits_of(enum scenario_fact fact)
{
    bool ends = fact == SEEN_EXITED || fact == SEEN_DIED || fact == SEEN_START_FAILED;
    return SEEN_BIT(fact) | (ends ? SEEN_BIT(SEEN_ENDED) : 0);
}

void strike_note_fact(struct strike *strike, enum scenario_fact fact)
{
    strike->facts |= bits_of(fact);
}

void strike_note_event(struct strike *strike)
{
    strike->events++;
}

void strike_note_bytes(struct strike *strike, uint64_t n)
{
    strike->bytes += n;
}

bool strike_is_due(const struct strike *strike)
{
    if (strike->match == NULL || strike->fired)
        return false;
    const struct fault_at *at = &strike->rule->at;
    switch (at->place) {
    case AT_START: return true;
    case AT_BYTES: return strike->bytes >= at->count;
    case AT_EVENTS: return strike->events >= at->count;
    case AT_FACT: return (strike->facts & SEEN_BIT(at->fact)) != 0;
    }
    return false;
}

bool strike_is_due_behind_next(const struct strike *strike)
{
    const struct fault_at *at = &strike->rule->at;
    return strike->match != NULL && !strike->fired && at->place == AT_EVENTS && strike->events + 1 == at->count;
}

uint64_t strike_room(const struct strike *strike)
{
    if (strike->match == NULL || strike->fired || strike->rule->at.place != AT_BYTES)
        return UINT64_MAX;
    uint64_t count = strike->rule->at.count;
    return strike->bytes >= count ? 0 : count - strike->bytes;
}

bool strike_is_stale(const struct strike *strike)
{
    return strike->epoch != NULL && atomic_load(strike->epoch) != strike->armed_in;
}

/* Counted at once, so that whoever has seen the deed finds it counted. */
void strike_fired(struct strike *strike)
{
    if (strike->fired)
        return;
    strike->fired = true;
    match_fault_end(strike->match, &strike->ticket, true);
    if (strike->on_fired != NULL)
        strike->on_fired(strike->arg);
}

/* ---- what the seed decides -------------------------------------------------------------- */

int64_t strike_delay_ms(const struct strike *strike)
{
    const struct fault *fault = strike->fault;
    /* Not the stream of strike_random, which moves on: the delay must be the same whenever it is asked for. */
    uint64_t state = ~strike->ticket.dice;
    if (fault->jitter_ms <= 0)
        return fault->ms;
    return fault->ms + (int64_t) (dice_roll(&state) % ((uint64_t) fault->jitter_ms + 1));
}

/* A step for each byte, so that the bytes do not depend on the pieces in which they are fetched. */
void strike_random(struct strike *strike, void *out, size_t len)
{
    unsigned char *to = out;
    for (size_t i = 0; i < len; i++)
        to[i] = (unsigned char) (dice_roll(&strike->dice) >> 56);
}

/* ---- facts of the engine ---------------------------------------------------------------- */

static const enum scenario_fact facts[FACT_KINDS] = {
    [FACT_QUEUED] = SEEN_QUEUED,       [FACT_STARTED] = SEEN_STARTED,
    [FACT_OUT] = SEEN_OUT,             [FACT_ERR] = SEEN_ERR,
    [FACT_STDIN] = SEEN_STDIN,         [FACT_STDIN_EOF] = SEEN_STDIN_EOF,
    [FACT_SIGNALLED] = SEEN_SIGNALLED, [FACT_TIMED_OUT] = SEEN_TIMED_OUT,
    [FACT_EXITED] = SEEN_EXITED,       [FACT_DIED] = SEEN_DIED,
    [FACT_START_FAILED] = SEEN_START_FAILED, [FACT_OUTPUT_EOF] = SEEN_OUTPUT_EOF,
};

enum scenario_fact strike_fact_of(int fact_kind)
{
    CHECK(fact_kind >= 0 && fact_kind < FACT_KINDS);
    return facts[fact_kind];
}

unsigned strike_facts_of(unsigned seen)
{
    unsigned mask = 0;
    for (int kind = 0; kind < FACT_KINDS; kind++) {
        if ((seen >> kind & 1) != 0)
            mask |= bits_of(facts[kind]);
    }
    return mask;
}
