#include "lanes/lane.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "lanes/lane_priv.h"
#include "lanes/puppeteer.h"

/* A day in a tenth of a millisecond. */
#define CLOSED_SCALE 1e9

/* ---- references ------------------------------------------------------------------------- */

static void free_lane(struct lane *lane)
{
    if (lane->tenant != NULL && lane->keeper.destroy != NULL)
        lane->keeper.destroy(lane->tenant, lane->keeper.arg);
    match_set_unref(lane->matches);
    ledger_free(lane->ledger);
    clock_unref(lane->clock);
    pthread_mutex_destroy(&lane->lock);
    free(lane);
}

struct lane *lane_ref(struct lane *lane)
{
    atomic_fetch_add(&lane->refs, 1);
    return lane;
}

void lane_unref(struct lane *lane)
{
    if (lane != NULL && atomic_fetch_sub(&lane->refs, 1) == 1)
        free_lane(lane);
}

/* ---- for sandboxes ------------------------------------------------------------------------ */

struct lane *lane_of_owner(struct owner *owner)
{
    return (struct lane *) (void *) owner;
}

static void ref_owner(struct owner *owner)
{
    lane_ref(lane_of_owner(owner));
}

static void unref_owner(struct owner *owner)
{
    lane_unref(lane_of_owner(owner));
}

static void note_fact(struct owner *owner, const struct proc *proc, const struct fact *fact, const void *bytes)
{
    ledger_add_fact(lane_of_owner(owner)->ledger, sandbox_id(proc_sandbox(proc)), proc_id(proc), proc_display(proc),
                    fact, bytes);
}

/* ---- life --------------------------------------------------------------------------------- */

/* Each lane has dice of its own, the same in every run with the same seed. */
static uint64_t seed_of(uint64_t seed, const char *name)
{
    return hash_bytes(seed, name, strlen(name));
}

static int fill_lane(struct lane *lane, struct err *err)
{
    const struct lanes *lanes = lane->lanes;
    const struct lane_tenant *keeper = &lanes->config.tenant;
    lane->owner.clock = lane->clock;
    lane->created_ms = clock_wall_ms(lane->clock);
    if (ledger_new(&lane->ledger, lane->name, lane->clock, &lanes->config.ledger, err) < 0 ||
        match_set_new(&lane->matches, lanes->common, NULL, NULL, NULL, lane->seed, err) < 0)
        return -1;
    lane->decided = scenario_list_pace(lanes->common);
    lane_set_pace(lane, lane_pace_at_first(lanes, lanes->common));
    void *plan;
    if (keeper->create != NULL && (keeper->create(&lane->tenant, lane, keeper->arg, err) < 0 ||
                                   lane_prepare_settings(lane, lanes->common, &plan, err) < 0))
        return -1;
    if (keeper->create != NULL)
        lane_adopt_settings(lane, plan, true);
    return 0;
}

int lane_new(struct lane **out_lane, struct lanes *lanes, const char *name, struct err *err)
{
    struct lane *lane = calloc(1, sizeof *lane);
    if (lane == NULL)
        return err_set(err, ERR_NOMEM, 0, "lane %s", name);
    if (clock_new(&lane->clock, lanes->config.clock_scale, err) < 0) {
        free(lane);
        return -1;
    }
    atomic_init(&lane->refs, 1);
    memcpy(lane->name, name, strlen(name) + 1);
    lane->owner.ref = ref_owner;
    lane->owner.unref = unref_owner;
    lane->owner.fact = note_fact;
    lane->lanes = lanes;
    lane->engine = lanes->config.engine;
    lane->puppeteer = lanes->config.puppeteer;
    lane->keeper = lanes->config.tenant;
    lane->seed = seed_of(lanes->config.seed, name);
    pthread_mutex_init(&lane->lock, NULL);
    if (fill_lane(lane, err) < 0) {
        err_wrap(err, "lane %s", name);
        lane_unref(lane);
        return -1;
    }
    *out_lane = lane;
    return 0;
}

void lane_stop(struct lane *lane)
{
    atomic_fetch_add(&lane->epoch, 1);
    atomic_store(&lane->used, false);
    if (lane->puppeteer != NULL)
        puppeteer_reset(lane->puppeteer, lane->name);
    engine_reset(lane->engine, &lane->owner);
    if (lane->keeper.reset != NULL)
        lane->keeper.reset(lane->tenant, lane->keeper.arg);
}

void lane_close(struct lane *lane)
{
    atomic_store(&lane->owner.closed, true);
    lane_stop(lane);
    /* Nobody can move its clock any more: whoever still sleeps by it wakes up. */
    clock_run(lane->clock, CLOSED_SCALE);
}

void lane_reset(struct lane *lane)
{
    const struct lanes_config *config = &lane->lanes->config;
    if (config->going != NULL)
        config->going(lane, config->arg);
    lane_begin_anew(lane);
}

void lane_begin_anew(struct lane *lane)
{
    lane_stop(lane);
    pthread_mutex_lock(&lane->lanes->turn);
    lane_take_common(lane);
    pthread_mutex_unlock(&lane->lanes->turn);
    ledger_clear(lane->ledger);
}

const atomic_uint *lane_epoch(const struct lane *lane)
{
    return &lane->epoch;
}

void lane_note_use(struct lane *lane)
{
    if (!atomic_load(&lane->used))
        atomic_store(&lane->used, true);
}

bool lane_was_used(const struct lane *lane)
{
    return atomic_load(&lane->used);
}

/* ---- what it has -------------------------------------------------------------------------- */

struct owner *lane_owner(struct lane *lane)
{
    return &lane->owner;
}

const char *lane_name(const struct lane *lane)
{
    return lane->name;
}

struct clock *lane_clock(struct lane *lane)
{
    return lane->clock;
}

struct ledger *lane_ledger(struct lane *lane)
{
    return lane->ledger;
}

void *lane_tenant(struct lane *lane)
{
    return lane->tenant;
}

struct engine *lane_engine(struct lane *lane)
{
    return lane->engine;
}

struct puppeteer *lane_puppeteer(struct lane *lane)
{
    return lane->puppeteer;
}

int64_t lane_created_ms(const struct lane *lane)
{
    return lane->created_ms;
}

/* ---- matching ------------------------------------------------------------------------------ */

struct match **lane_matches(struct lane *lane, size_t *out_count)
{
    struct match_set *list = lane_get_matches(lane);
    struct match **copy = calloc(list->count + 1, sizeof(struct match *));
    *out_count = copy == NULL ? 0 : list->count;
    for (size_t i = 0; i < *out_count; i++)
        copy[i] = match_ref(list->items[i]);
    match_set_unref(list);
    return copy;
}

void lane_matches_free(struct match **list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        match_unref(list[i]);
    free(list);
}

void lane_reset_matches(struct lane *lane)
{
    struct match_set *list = lane_get_matches(lane);
    for (size_t i = 0; i < list->count; i++)
        match_reset(list->items[i]);
    match_set_unref(list);
}

bool lane_match_process(struct lane *lane, const struct match_subject *subject, struct match **out_match,
                        const struct process_rule **out_rule)
{
    struct match_set *list = lane_get_matches(lane);
    const struct process_rule *rule = NULL;
    for (size_t i = 0; i < list->count && rule == NULL; i++) {
        rule = match_process(list->items[i], subject);
        if (rule != NULL) {
            *out_match = match_ref(list->items[i]);
            *out_rule = rule;
        }
    }
    match_set_unref(list);
    return rule != NULL;
}

bool lane_match_fault(struct lane *lane, const struct match_subject *subject, struct match **out_match,
                      struct match_ticket *out_ticket)
{
    struct match_set *list = lane_get_matches(lane);
    bool found = false;
    for (size_t i = 0; i < list->count && !found; i++) {
        found = match_fault(list->items[i], subject, out_ticket);
        if (found)
            *out_match = match_ref(list->items[i]);
    }
    match_set_unref(list);
    return found;
}

bool lane_has_matches(struct lane *lane)
{
    struct match_set *list = lane_get_matches(lane);
    bool has_some = list->count > 0;
    match_set_unref(list);
    return has_some;
}

int64_t lane_queued_hold_ms(struct lane *lane)
{
    struct match_set *list = lane_get_matches(lane);
    int64_t hold_ms = 0;
    for (size_t i = 0; i < list->count && hold_ms == 0; i++)
        hold_ms = match_scenario(list->items[i])->queued_hold_ms;
    match_set_unref(list);
    return hold_ms;
}
