/* How the clocks of lanes run, and who decides it. */
#include "lanes/lane_priv.h"

/* ---- who decides -------------------------------------------------------------------------- */

struct pace scenario_list_pace(const struct scenario_list *list)
{
    static const struct pace unsaid = { PACE_UNSAID, 0 };
    for (size_t i = list->count; i-- > 0;) {
        const struct scenario *scenario = list->items[i];
        if (scenario->clock == CLOCK_MANUAL)
            return (struct pace) { PACE_FROZEN, 0 };
        if (scenario->clock == CLOCK_SCALED)
            return (struct pace) { PACE_SCALED, scenario->clock_scale };
    }
    return unsaid;
}

struct pace lane_pace_by_scenarios(const struct lanes *lanes, const struct scenario_list *list)
{
    struct pace pace = scenario_list_pace(list);
    return pace.kind != PACE_UNSAID ? pace : (struct pace) { PACE_SCALED, lanes->config.clock_scale };
}

struct pace lane_pace_at_first(const struct lanes *lanes, const struct scenario_list *list)
{
    return lanes->common_pace.kind != PACE_UNSAID ? lanes->common_pace : lane_pace_by_scenarios(lanes, list);
}

bool pace_is_same(struct pace a, struct pace b)
{
    return a.kind == b.kind && (a.kind != PACE_SCALED || (a.scale >= b.scale && a.scale <= b.scale));
}

/* Changes wake everybody who waits, so what is so already is left alone. */
void lane_set_pace(struct lane *lane, struct pace pace)
{
    struct clock_state now;
    clock_get(lane->clock, &now);
    struct pace present = now.frozen ? (struct pace) { PACE_FROZEN, 0 } : (struct pace) { PACE_SCALED, now.scale };
    if (pace_is_same(pace, present))
        return;
    if (pace.kind == PACE_FROZEN)
        clock_freeze(lane->clock);
    else
        clock_run(lane->clock, pace.scale);
}

/* ---- by hand ------------------------------------------------------------------------------ */

/* For one lane, or for all and those to come.  `pace` unsaid: as each one's scenarios say. */
static void set_paces(struct lanes *lanes, struct lane *lane, struct pace pace)
{
    pthread_mutex_lock(&lanes->turn);
    if (lane == NULL)
        lanes->common_pace = pace;
    for (struct lane *at = lane == NULL ? lanes->first : lane; at != NULL; at = lane == NULL ? at->next : NULL) {
        struct match_set *list = lane_get_matches(at);
        lane_set_pace(at, pace.kind != PACE_UNSAID ? pace : lane_pace_by_scenarios(lanes, list->scenarios));
        match_set_unref(list);
    }
    pthread_mutex_unlock(&lanes->turn);
}

void lanes_freeze_clock(struct lanes *lanes, struct lane *lane)
{
    set_paces(lanes, lane, (struct pace) { PACE_FROZEN, 0 });
}

void lanes_run_clock(struct lanes *lanes, struct lane *lane, double scale)
{
    set_paces(lanes, lane, (struct pace) { PACE_SCALED, scale });
}

void lanes_reset_clock(struct lanes *lanes, struct lane *lane)
{
    set_paces(lanes, lane, (struct pace) { PACE_UNSAID, 0 });
}
