/* Which scenarios are at work in which lane: changes are prepared for all lanes first, and then made. */
#include <stdlib.h>
#include <string.h>

#include "lanes/lane_priv.h"

/* ---- one list ----------------------------------------------------------------------------- */

/* What is to be done to a list. */
struct edit {
    enum { EDIT_ADD, EDIT_REMOVE, EDIT_SET } kind;
    struct scenario *const *items;  /* EDIT_ADD: one */
    size_t count;
    const char *name;               /* EDIT_REMOVE: NULL: all */
    bool found;                     /* EDIT_REMOVE: it was in one of the lists */
};

static bool has_name(const struct scenario *scenario, const char *name)
{
    return name == NULL || strcmp(scenario->name, name) == 0;
}

/* `to` has room for one more than there are. */
static size_t add(struct scenario **to, const struct scenario_list *from, const struct edit *edit)
{
    size_t at = 0;
    for (size_t i = 0; i < from->count; i++)
        to[i] = from->items[i];
    while (at < from->count && !has_name(from->items[at], edit->items[0]->name))
        at++;
    to[at] = edit->items[0];
    return at < from->count ? from->count : from->count + 1;
}

static size_t remove_named(struct scenario **to, const struct scenario_list *from, struct edit *edit)
{
    size_t count = 0;
    for (size_t i = 0; i < from->count; i++) {
        if (has_name(from->items[i], edit->name))
            edit->found = true;
        else
            to[count++] = from->items[i];
    }
    return count;
}

static int edit_list(struct scenario_list **out_list, const struct scenario_list *from, struct edit *edit,
                     struct err *err)
{
    if (edit->kind == EDIT_SET)
        return scenario_list_new(out_list, edit->items, edit->count, err);
    struct scenario **items = calloc(from->count + 1, sizeof(struct scenario *));
    if (items == NULL)
        return err_set(err, ERR_NOMEM, 0, "scenarios");
    size_t count = edit->kind == EDIT_ADD ? add(items, from, edit) : remove_named(items, from, edit);
    int rc = scenario_list_new(out_list, items, count, err);
    free(items);
    return rc;
}

/* Scenarios that come with the edit begin anew, also where the same one was at work. */
static bool is_fresh(const void *arg, const struct scenario *scenario)
{
    const struct edit *edit = arg;
    for (size_t i = 0; i < edit->count; i++) {
        if (edit->items[i] == scenario)
            return true;
    }
    return false;
}

static bool speaks_of_clock(const struct edit *edit)
{
    for (size_t i = 0; i < edit->count; i++) {
        if (edit->items[i]->clock != CLOCK_UNSAID)
            return true;
    }
    return false;
}

/* ---- settings ----------------------------------------------------------------------------- */

int lane_prepare_settings(struct lane *lane, const struct scenario_list *list, void **out_plan, struct err *err)
{
    const struct lane_tenant *keeper = &lane->keeper;
    *out_plan = NULL;
    return keeper->prepare == NULL
               ? 0
               : keeper->prepare(lane->tenant, list->items, list->count, out_plan, keeper->arg, err);
}

void lane_adopt_settings(struct lane *lane, void *plan, bool is_meant)
{
    if (plan != NULL)
        lane->keeper.adopt(lane->tenant, plan, is_meant, lane->keeper.arg);
}

/* ---- all lanes ---------------------------------------------------------------------------- */

struct change {
    struct lane *lane;
    struct match_set *list;
    void *plan;                     /* the tenant's */
};

static int prepare(struct change *change, struct lane *lane, struct edit *edit, struct err *err)
{
    struct scenario_list *scenarios;
    struct match_set *old = lane_get_matches(lane);
    int rc = edit_list(&scenarios, old->scenarios, edit, err);
    if (rc == 0) {
        rc = match_set_new(&change->list, scenarios, old, is_fresh, edit, lane->seed, err);
        scenario_list_unref(scenarios);
    }
    if (rc == 0 && lane_prepare_settings(lane, change->list->scenarios, &change->plan, err) < 0) {
        match_set_unref(change->list);
        rc = -1;
    }
    match_set_unref(old);
    change->lane = lane;
    return rc;
}

/* What somebody has said of the clock by hand stands until scenarios say something else. */
static void apply(const struct lanes *lanes, const struct change *change, bool speaks)
{
    struct lane *lane = change->lane;
    struct pace decided = scenario_list_pace(change->list->scenarios);
    struct pace pace = lane_pace_by_scenarios(lanes, change->list->scenarios);
    bool takes_effect = speaks || !pace_is_same(decided, lane->decided);
    lane_put_matches(lane, change->list);
    lane_adopt_settings(lane, change->plan, true);
    lane->decided = decided;
    if (takes_effect)
        lane_set_pace(lane, pace);
}

static void apply_common(struct lanes *lanes, struct scenario_list *common, bool speaks)
{
    if (speaks || !pace_is_same(scenario_list_pace(common), scenario_list_pace(lanes->common)))
        lanes->common_pace = (struct pace) { PACE_UNSAID, 0 };
    scenario_list_unref(lanes->common);
    lanes->common = common;
}

/* Nothing can fail any more. */
static void apply_all(struct lanes *lanes, const struct change *changes, size_t count, struct scenario_list *common,
                      const struct edit *edit)
{
    bool speaks = speaks_of_clock(edit);
    if (common != NULL)
        apply_common(lanes, common, speaks);
    for (size_t i = 0; i < count; i++)
        apply(lanes, &changes[i], speaks);
}

static int prepare_all(struct lanes *lanes, struct lane *lane, struct change *changes, size_t *out_count,
                       struct scenario_list **out_common, struct edit *edit, struct err *err)
{
    if (lane == NULL && edit_list(out_common, lanes->common, edit, err) < 0)
        return -1;
    for (struct lane *at = lane == NULL ? lanes->first : lane; at != NULL; at = lane == NULL ? at->next : NULL) {
        if (prepare(&changes[*out_count], at, edit, err) < 0)
            return -1;
        ++*out_count;
    }
    if (edit->kind == EDIT_REMOVE && edit->name != NULL && !edit->found)
        return err_set(err, ERR_NOT_FOUND, 0, "no scenario \"%.200s\" is at work%s%s", edit->name,
                       lane == NULL ? "" : " in lane ", lane == NULL ? "" : lane->name);
    return 0;
}

static int edit_all(struct lanes *lanes, struct lane *lane, struct edit *edit, struct err *err)
{
    struct scenario_list *common = NULL;
    size_t count = 0;
    pthread_mutex_lock(&lanes->turn);
    struct change *changes = calloc(lane == NULL ? lanes->count + 1 : 1, sizeof *changes);
    int rc = changes == NULL ? err_set(err, ERR_NOMEM, 0, "scenarios")
                             : prepare_all(lanes, lane, changes, &count, &common, edit, err);
    if (rc == 0) {
        apply_all(lanes, changes, count, common, edit);
    } else {
        for (size_t i = 0; i < count; i++) {
            match_set_unref(changes[i].list);
            lane_adopt_settings(changes[i].lane, changes[i].plan, false);
        }
        scenario_list_unref(common);
    }
    pthread_mutex_unlock(&lanes->turn);
    free(changes);
    return rc;
}

int lanes_add_scenario(struct lanes *lanes, struct lane *lane, struct scenario *scenario, struct err *err)
{
    struct edit edit = { .kind = EDIT_ADD, .items = &scenario, .count = 1 };
    return edit_all(lanes, lane, &edit, err);
}

int lanes_remove_scenario(struct lanes *lanes, struct lane *lane, const char *name, struct err *err)
{
    struct edit edit = { .kind = EDIT_REMOVE, .name = name };
    return edit_all(lanes, lane, &edit, err);
}

int lanes_set_scenarios(struct lanes *lanes, struct lane *lane, struct scenario *const *list, size_t count,
                        struct err *err)
{
    struct edit edit = { .kind = EDIT_SET, .items = list, .count = count };
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < i; k++) {
            if (strcmp(list[i]->name, list[k]->name) == 0)
                return err_set(err, ERR_INVALID, 0, "two scenarios have the name \"%.200s\"", list[i]->name);
        }
    }
    return edit_all(lanes, lane, &edit, err);
}

/* ---- back to the beginning ------------------------------------------------------------------ */

void lane_take_common(struct lane *lane)
{
    const struct lanes *lanes = lane->lanes;
    struct match_set *list;
    struct err no_memory;
    if (match_set_new(&list, lanes->common, NULL, NULL, NULL, lane->seed, &no_memory) == 0)
        lane_put_matches(lane, list);
    else
        lane_reset_matches(lane);   /* the scenarios that are there, at least anew */
    list = lane_get_matches(lane);
    void *plan;
    if (lane_prepare_settings(lane, list->scenarios, &plan, &no_memory) == 0)
        lane_adopt_settings(lane, plan, true);
    lane->decided = scenario_list_pace(list->scenarios);
    lane_set_pace(lane, lane_pace_at_first(lanes, list->scenarios));
    match_set_unref(list);
}

bool lanes_have_in_common(struct lanes *lanes, const struct scenario *scenario)
{
    bool found = false;
    pthread_mutex_lock(&lanes->turn);
    for (size_t i = 0; i < lanes->common->count && !found; i++)
        found = lanes->common->items[i] == scenario;
    pthread_mutex_unlock(&lanes->turn);
    return found;
}
