/* Lists of scenarios, and of scenarios at work: counted, and never changed once they are made. */
#include <stdlib.h>

#include "lanes/lane_priv.h"

/* ---- scenarios ---------------------------------------------------------------------------- */

int scenario_list_new(struct scenario_list **out_list, struct scenario *const *items, size_t count, struct err *err)
{
    struct scenario_list *list = calloc(1, sizeof *list + count * sizeof(struct scenario *));
    if (list == NULL)
        return err_set(err, ERR_NOMEM, 0, "scenarios");
    atomic_init(&list->refs, 1);
    list->count = count;
    for (size_t i = 0; i < count; i++)
        list->items[i] = scenario_ref(items[i]);
    *out_list = list;
    return 0;
}

struct scenario_list *scenario_list_ref(struct scenario_list *list)
{
    atomic_fetch_add(&list->refs, 1);
    return list;
}

void scenario_list_unref(struct scenario_list *list)
{
    if (list == NULL || atomic_fetch_sub(&list->refs, 1) != 1)
        return;
    for (size_t i = 0; i < list->count; i++)
        scenario_unref(list->items[i]);
    free(list);
}

/* ---- at work ------------------------------------------------------------------------------ */

/* The one in `list` that does `scenario`; borrowed, or NULL. */
static struct match *find_match(const struct match_set *list, const struct scenario *scenario)
{
    for (size_t i = 0; list != NULL && i < list->count; i++) {
        if (match_scenario(list->items[i]) == scenario)
            return list->items[i];
    }
    return NULL;
}

int match_set_new(struct match_set **out_list, struct scenario_list *scenarios, const struct match_set *old,
                   bool (*is_fresh)(const void *arg, const struct scenario *scenario), const void *arg, uint64_t seed,
                   struct err *err)
{
    struct match_set *list = calloc(1, sizeof *list + scenarios->count * sizeof(struct match *));
    if (list == NULL)
        return err_set(err, ERR_NOMEM, 0, "scenarios");
    atomic_init(&list->refs, 1);
    list->scenarios = scenario_list_ref(scenarios);
    for (; list->count < scenarios->count; list->count++) {
        struct scenario *scenario = scenarios->items[list->count];
        struct match *going_on = find_match(old, scenario);
        if (going_on != NULL && !is_fresh(arg, scenario)) {
            list->items[list->count] = match_ref(going_on);
        } else if (match_new(&list->items[list->count], scenario, seed, err) < 0) {
            match_set_unref(list);
            return -1;
        }
    }
    *out_list = list;
    return 0;
}

struct match_set *match_set_ref(struct match_set *list)
{
    atomic_fetch_add(&list->refs, 1);
    return list;
}

void match_set_unref(struct match_set *list)
{
    if (list == NULL || atomic_fetch_sub(&list->refs, 1) != 1)
        return;
    for (size_t i = 0; i < list->count; i++)
        match_unref(list->items[i]);
    scenario_list_unref(list->scenarios);
    free(list);
}

/* ---- in use ------------------------------------------------------------------------------- */

struct match_set *lane_get_matches(struct lane *lane)
{
    pthread_mutex_lock(&lane->lock);
    struct match_set *list = match_set_ref(lane->matches);
    pthread_mutex_unlock(&lane->lock);
    return list;
}

void lane_put_matches(struct lane *lane, struct match_set *list)
{
    pthread_mutex_lock(&lane->lock);
    struct match_set *old = lane->matches;
    lane->matches = list;
    pthread_mutex_unlock(&lane->lock);
    match_set_unref(old);
}
