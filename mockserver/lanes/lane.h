/*
 * Lanes: isolated worlds in one server.  A lane has its own sandboxes, clock, scenarios with their
 * counts, ledger, and instances of the dialects.
 *
 * A request's lane is what stands in its path ("/lane/NAME/..."), since that was chosen on purpose; else
 * the one of the sandbox that it names; else the one its API key names; else "default".
 * A lane comes into being when it is first used.  It begins with what all lanes have in common
 * (the scenarios and the pace of the clock from the command line, or given to all lanes later).
 *
 * What a key names: its own text when that is a lane name of at most LANE_KEY_PLAIN characters, else
 * "key-" and a digest, so that real secrets are not shown; a key that must not show at all
 * (secret_keys) is always a digest.  Everything that takes a lane's name also takes such a key, so a
 * longer name leads to the lane that is called by its digest.
 *
 * Ownership: lanes are counted; sandboxes and requests hold references.  A deleted lane is out of the
 * table, its sandboxes stopped; a struct that somebody still holds answers but takes no new sandboxes.
 * Thread: any.  Locks: the turn of those who change something > lanes table > lane > (match's, clock's,
 * ledger's own).  None is held while the engine is called, but for the turn while clocks are changed.
 */
#ifndef STANDBOX_LANES_LANE_H
#define STANDBOX_LANES_LANE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"
#include "engine/engine.h"
#include "lanes/ledger.h"
#include "scenario/match.h"

#define LANE_DEFAULT    "default"
#define LANE_NAME_BYTES 65          /* [A-Za-z0-9._-]{1,64} and NUL; not "." or ".." */
#define LANE_KEY_PLAIN  24
#define LANES_MAX       10000

struct lane;
struct lanes;
struct puppeteer;

/* What the owner of the table keeps in every lane (main.c: the dialects' instances).  `create` is called with the turn
   held, so nothing may be asked of the table there. */
struct lane_tenant {
    int (*create)(void **out_tenant, struct lane *lane, void *arg, struct err *err);
    void (*destroy)(void *tenant, void *arg);
    void (*reset)(void *tenant, void *arg);          /* the lane's sandboxes are gone: forget them */
    /* Other scenarios are to be at work, which may change settings: make ready what follows of it.  With the turn
       held, like adopt, which is called for each `plan`: it is to be so now (`is_meant`), or is not to be.  NULL: the
       tenant has no settings. */
    int (*prepare)(void *tenant, struct scenario *const *list, size_t count, void **out_plan, void *arg,
                   struct err *err);
    void (*adopt)(void *tenant, void *plan, bool is_meant, void *arg);
    void *arg;
};

struct lanes_config {
    struct engine *engine;         /* borrowed till free */
    struct puppeteer *puppeteer;   /* borrowed till free */
    double clock_scale;            /* of new lanes, when their scenarios do not say */
    uint64_t seed;                 /* for dice of scenarios that name none; each lane's follows from it and its name */
    struct ledger_config ledger;   /* of each lane */
    struct lane_tenant tenant;
    const char *const *secret_keys;/* NULL-terminated: keys that must not show, however short; NULL: none.  Borrowed */
    /* A lane (NULL: every one) is about to be reset or deleted, and with it the counts of its scenarios.  NULL: nobody
       cares. */
    void (*going)(struct lane *lane, void *arg);
    void *arg;
};

int lanes_new(struct lanes **out_lanes, const struct lanes_config *config, struct err *err);
/* After the transports have stopped, before the engine; stops all sandboxes of lanes.  NULL is fine. */
void lanes_free(struct lanes *lanes);

/* ---- finding -------------------------------------------------------------------------- */

/* How often the lane was reset or deleted: what was begun in another epoch is nobody's any more. */
const atomic_uint *lane_epoch(const struct lane *lane);
/* A client has asked for something that a dialect knows. */
void lane_note_use(struct lane *lane);
bool lane_was_used(const struct lane *lane);

bool lane_name_is_valid(const char *name);
void lane_name_of_key(const char *key, char out[LANE_NAME_BYTES]);
/* The digest, however short the key is. */
void lane_name_hidden(const char *key, char out[LANE_NAME_BYTES]);

/* By name or key; made when there is none yet and `may_create`.  Returns a reference.  ERR_NOT_FOUND, ERR_INVALID (no
   such name can be), ERR_LIMIT (LANES_MAX). */
int lanes_get(struct lanes *lanes, const char *name, bool may_create, struct lane **out_lane, struct err *err);
/* All, oldest first; free with lane_list_free. */
struct lane **lanes_list(struct lanes *lanes, size_t *out_count);
void lane_list_free(struct lane **list, size_t count);
/* Stop its sandboxes and forget it, synchronously.  ERR_INVALID for "default". */
int lanes_delete(struct lanes *lanes, const char *name, struct err *err);
/* As after the start: every sandbox stopped, only "default" left and empty, common settings as lanes_new and the
   calls before lanes_seal made them.  Clocks run as they did, but their time does not go back.  Synchronous. */
void lanes_reset(struct lanes *lanes);
/* What is common now is what lanes_reset goes back to. */
void lanes_seal(struct lanes *lanes);

struct lane *lane_ref(struct lane *lane);
void lane_unref(struct lane *lane);                  /* NULL is fine */
struct lane *lane_of_owner(struct owner *owner);     /* borrowed; NULL stays NULL */
struct owner *lane_owner(struct lane *lane);         /* for sandbox_spec; borrowed */

const char *lane_name(const struct lane *lane);
struct clock *lane_clock(struct lane *lane);         /* borrowed */
struct ledger *lane_ledger(struct lane *lane);       /* borrowed */
void *lane_tenant(struct lane *lane);
struct engine *lane_engine(struct lane *lane);
struct puppeteer *lane_puppeteer(struct lane *lane);
int64_t lane_created_ms(const struct lane *lane);    /* epoch */

/* Stop its sandboxes; ledger empty, scenarios and clock back to the common ones.  Synchronous. */
void lane_reset(struct lane *lane);

/* ---- clocks --------------------------------------------------------------------------- */

/* Let the clock of `lane` stand still, or run `scale` (> 0) times as fast as the machine's; `lane` NULL: of all lanes,
   also those to come. */
void lanes_freeze_clock(struct lanes *lanes, struct lane *lane);
void lanes_run_clock(struct lanes *lanes, struct lane *lane, double scale);
/* Go on as scenarios, or else the command line, say. */
void lanes_reset_clock(struct lanes *lanes, struct lane *lane);

/* ---- scenarios ------------------------------------------------------------------------ */

/* Add one, or put it in the place of the one with the same name; `lane` NULL: to all lanes, also those to come.  Its
   clock and seed take effect at once.  Keeps a reference.  0, or -1 and nothing has changed. */
int lanes_add_scenario(struct lanes *lanes, struct lane *lane, struct scenario *scenario, struct err *err);
/* Take one away (NULL: every one).  ERR_NOT_FOUND. */
int lanes_remove_scenario(struct lanes *lanes, struct lane *lane, const char *name, struct err *err);
/* Put `list` in the place of all there are, at once. */
int lanes_set_scenarios(struct lanes *lanes, struct lane *lane, struct scenario *const *list, size_t count,
                        struct err *err);
/* The scenarios at work in a lane, in the order in which they are asked.  An array of references; free with
   lane_matches_free. */
struct match **lane_matches(struct lane *lane, size_t *out_count);
void lane_matches_free(struct match **list, size_t count);
/* Is it one of those that all lanes have? */
bool lanes_have_in_common(struct lanes *lanes, const struct scenario *scenario);
/* All counts begin anew. */
void lane_reset_matches(struct lane *lane);

/* The first scenario's rule that fits.  The process rule is borrowed from *out_match, a reference.  False: none. */
bool lane_match_process(struct lane *lane, const struct match_subject *subject, struct match **out_match,
                        const struct process_rule **out_rule);
bool lane_match_fault(struct lane *lane, const struct match_subject *subject, struct match **out_match,
                      struct match_ticket *out_ticket);
/* Is any scenario at work? */
bool lane_has_matches(struct lane *lane);
/* API ms that processes stay queued (the first scenario that says so); 0: none. */
int64_t lane_queued_hold_ms(struct lane *lane);

#endif
