/*
 * What the files of lanes share.  Private to lanes/ and its tests.
 *
 * Lists are never changed, only replaced, so that a request looks at one list from begin to end
 * without a lock.
 *
 * Locks: lanes->turn (whoever changes what lanes have in common, or the table, one at a time) >
 * lanes->lock (the table) > lane->lock.  Clocks are changed with the turn held, since their last
 * change must be that of the last list; no callback of the engine's ever asks for the turn.
 */
#ifndef STANDBOX_LANES_LANE_PRIV_H
#define STANDBOX_LANES_LANE_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "lanes/lane.h"

#define LANE_BUCKETS 1024

/* Scenarios with different names, counted. */
struct scenario_list {
    atomic_uint refs;
    size_t count;
    struct scenario *items[];       /* references */
};

/* The same at work in one lane, counted. */
struct match_set {
    atomic_uint refs;
    struct scenario_list *scenarios;   /* a reference */
    size_t count;
    struct match *items[];             /* references */
};

/* How a clock is to run. */
struct pace {
    enum { PACE_UNSAID, PACE_FROZEN, PACE_SCALED } kind;
    double scale;
};

struct lane {
    struct owner owner;             /* first */
    atomic_uint refs;
    char name[LANE_NAME_BYTES];
    struct lanes *lanes;            /* borrowed: must be there for lane_reset only */
    struct engine *engine;
    struct puppeteer *puppeteer;
    struct clock *clock;
    struct ledger *ledger;
    atomic_uint epoch;
    atomic_bool used;
    struct lane_tenant keeper;      /* of the tenant */
    void *tenant;
    uint64_t seed;
    int64_t created_ms;
    struct lane *next, *previous;   /* lanes->lock: in the order of age */
    struct lane *next_in_bucket;    /* lanes->lock */
    struct pace decided;            /* lanes->turn: what its scenarios said of the clock when they last changed */
    pthread_mutex_t lock;           /* everything below */
    struct match_set *matches;
};

struct lanes {
    struct lanes_config config;
    pthread_mutex_t turn;
    struct scenario_list *common, *sealed;        /* turn */
    struct pace common_pace, sealed_pace;         /* turn: what was said of all clocks */
    pthread_mutex_t lock;                         /* everything below */
    struct lane *first, *last;      /* each is a reference */
    struct lane *buckets[LANE_BUCKETS];
    size_t count;
};

/* ---- lane.c --------------------------------------------------------------------------------- */

/* A lane with what all have in common, and its tenant.  Returns a reference.  With the turn held. */
int lane_new(struct lane **out_lane, struct lanes *lanes, const char *name, struct err *err);
/* Stop its sandboxes, and forget what its puppets and its tenant know. */
void lane_stop(struct lane *lane);
/* The same, and it takes no sandboxes any more. */
/* lane_reset, and nobody is asked about the counts. */
void lane_begin_anew(struct lane *lane);
void lane_close(struct lane *lane);

/* ---- lane_list.c ---------------------------------------------------------------------------- */

int scenario_list_new(struct scenario_list **out_list, struct scenario *const *items, size_t count, struct err *err);
struct scenario_list *scenario_list_ref(struct scenario_list *list);
void scenario_list_unref(struct scenario_list *list);                      /* NULL is fine */

/* Put scenarios to work.  `old` (NULL: none) gives the counts of those that go on: all but those that `is_fresh`. */
int match_set_new(struct match_set **out_list, struct scenario_list *scenarios, const struct match_set *old,
                   bool (*is_fresh)(const void *arg, const struct scenario *scenario), const void *arg, uint64_t seed,
                   struct err *err);
struct match_set *match_set_ref(struct match_set *list);
void match_set_unref(struct match_set *list);                            /* NULL is fine */

/* The one in use; returns a reference. */
struct match_set *lane_get_matches(struct lane *lane);
/* Takes `list`. */
void lane_put_matches(struct lane *lane, struct match_set *list);

/* ---- lane_clock.c: with the turn held --------------------------------------------------------- */

/* What the last scenario that says something says. */
struct pace scenario_list_pace(const struct scenario_list *list);
/* The same, or else what the command line says. */
struct pace lane_pace_by_scenarios(const struct lanes *lanes, const struct scenario_list *list);
/* That of a new lane with `list`: what was last said of all clocks comes first. */
struct pace lane_pace_at_first(const struct lanes *lanes, const struct scenario_list *list);
bool pace_is_same(struct pace a, struct pace b);
void lane_set_pace(struct lane *lane, struct pace pace);

/* ---- lane_scenarios.c: with the turn held ----------------------------------------------------- */

/* Ask the tenant what scenarios mean for its settings, and tell it what came of that (lane_tenant in lane.h). */
int lane_prepare_settings(struct lane *lane, const struct scenario_list *list, void **out_plan, struct err *err);
void lane_adopt_settings(struct lane *lane, void *plan, bool is_meant);

/* Scenarios and clock as all lanes have them. */
void lane_take_common(struct lane *lane);

#endif
