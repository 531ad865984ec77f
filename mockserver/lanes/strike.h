/*
 * An armed fault, following one exchange: when is it time?  The triggers of scenario files, for every
 * transport alike; what a fault does to the bytes is the transport's business.
 *
 * Who calls what: op_begin (dialects/op.c) arms it; the dialect notes facts and events as it projects
 * them; the transport notes bytes, asks strike_is_due and strike_room, does the deed, and says
 * strike_fired once.  Whoever owns the exchange ends it.
 *
 * Thread: the exchange's own.
 */
#ifndef STANDBOX_LANES_STRIKE_H
#define STANDBOX_LANES_STRIKE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/clock.h"
#include "scenario/match.h"

struct strike {
    struct match *match;                /* a reference; NULL: nothing is armed */
    struct match_ticket ticket;
    const struct fault_rule *rule;      /* borrowed from match */
    const struct fault *fault;          /* &rule->fault */
    struct clock *clock;                /* the lane's; borrowed */
    uint64_t bytes, events;             /* of the answer so far: body bytes, whole events */
    unsigned facts;                     /* SEEN_BIT of what its process's log is known to have */
    bool fired;
    uint64_t dice;                      /* for strike_random */
    void (*on_fired)(void *arg);        /* set by who arms it; NULL: nobody wants to know */
    void *arg;
    const atomic_uint *epoch;           /* of the lane; NULL: never changes */
    unsigned armed_in;                  /* the lane's epoch when it was armed */
    struct buf *held;                   /* events that op_event holds back (reorder); an array, freed by strike_end */
    size_t held_count;
    int64_t to_drop;                    /* drop_event: so many more do not come */
};

/* Takes the reference and the ticket. */
void strike_arm(struct strike *strike, struct match *match, const struct match_ticket *ticket, struct clock *clock,
                unsigned facts);
/* Hand the ticket back if it has not fired; drops the reference.  Harmless when nothing is armed. */
void strike_end(struct strike *strike);

void strike_note_fact(struct strike *strike, enum scenario_fact fact);
void strike_note_event(struct strike *strike);              /* a whole event is on the wire */
void strike_note_bytes(struct strike *strike, uint64_t n);  /* so many more bytes of the body are on the wire */

/* Is its place reached, and has it not fired yet? */
bool strike_is_due(const struct strike *strike);
/* Will it be when one more event has passed? */
bool strike_is_due_behind_next(const struct strike *strike);
/* How many body bytes may go out before it is due; UINT64_MAX when bytes do not matter. */
uint64_t strike_room(const struct strike *strike);
/* It strikes now: say so before the client can see it, since it counts from here on.  Continuous ones (slow, dribble,
   split) fire with their first byte. */
void strike_fired(struct strike *strike);

/* Has its lane been reset or deleted meanwhile?  Then nobody waits for it any more. */
bool strike_is_stale(const struct strike *strike);

/* ms and up to jitter_ms, by the seed: the same in every call for one strike. */
int64_t strike_delay_ms(const struct strike *strike);
/* Random bytes, by the seed. */
void strike_random(struct strike *strike, void *out, size_t len);

/* The scenario's word for a fact of the engine. */
enum scenario_fact strike_fact_of(int fact_kind);
/* SEEN_BIT mask of an engine's mask (1u << FACT_...), SEEN_ENDED included. */
unsigned strike_facts_of(unsigned seen);

#endif
