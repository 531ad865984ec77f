/* The table of lanes: making, finding, deleting, and going back to the beginning. */
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "lanes/lane_priv.h"
#include "lanes/puppeteer.h"

/* ---- life --------------------------------------------------------------------------------- */

int lanes_new(struct lanes **out_lanes, const struct lanes_config *config, struct err *err)
{
    struct lanes *lanes = calloc(1, sizeof *lanes);
    if (lanes == NULL)
        return err_set(err, ERR_NOMEM, 0, "lanes");
    if (scenario_list_new(&lanes->common, NULL, 0, err) < 0) {
        free(lanes);
        return -1;
    }
    lanes->config = *config;
    lanes->sealed = scenario_list_ref(lanes->common);
    pthread_mutex_init(&lanes->turn, NULL);
    pthread_mutex_init(&lanes->lock, NULL);
    *out_lanes = lanes;
    return 0;
}

/* ---- the table; `lock` held ------------------------------------------------------------------ */

static struct lane **bucket_of(struct lanes *lanes, const char *name)
{
    return &lanes->buckets[hash_text(HASH_BEGIN, name) % LANE_BUCKETS];
}

static struct lane *find(struct lanes *lanes, const char *name)
{
    struct lane *lane = *bucket_of(lanes, name);
    while (lane != NULL && strcmp(lane->name, name) != 0)
        lane = lane->next_in_bucket;
    return lane;
}

static void insert(struct lanes *lanes, struct lane *lane)
{
    struct lane **bucket = bucket_of(lanes, lane->name);
    lane->next_in_bucket = *bucket;
    *bucket = lane;
    lane->previous = lanes->last;
    *(lanes->last != NULL ? &lanes->last->next : &lanes->first) = lane;
    lanes->last = lane;
    lanes->count++;
}

/* Its reference goes to the caller. */
static void take_out(struct lanes *lanes, struct lane *lane)
{
    struct lane **at = bucket_of(lanes, lane->name);
    while (*at != lane)
        at = &(*at)->next_in_bucket;
    *at = lane->next_in_bucket;
    *(lane->previous != NULL ? &lane->previous->next : &lanes->first) = lane->next;
    *(lane->next != NULL ? &lane->next->previous : &lanes->last) = lane->previous;
    lane->next = lane->previous = lane->next_in_bucket = NULL;
    lanes->count--;
}

/* ---- finding ------------------------------------------------------------------------------ */

/* Returns a reference, or NULL. */
static struct lane *get(struct lanes *lanes, const char *name)
{
    pthread_mutex_lock(&lanes->lock);
    struct lane *lane = find(lanes, name);
    if (lane != NULL)
        lane_ref(lane);
    pthread_mutex_unlock(&lanes->lock);
    return lane;
}

/* With the turn held: another may have made it while we waited for our turn. */
static struct lane *get_or_make(struct lanes *lanes, const char *name, struct err *err)
{
    struct lane *lane = get(lanes, name);
    if (lane != NULL)
        return lane;
    if (lanes->count >= LANES_MAX) {
        err_set(err, ERR_LIMIT, 0, "lane %s: there are %d lanes already", name, LANES_MAX);
        return NULL;
    }
    if (lane_new(&lane, lanes, name, err) < 0)
        return NULL;
    pthread_mutex_lock(&lanes->lock);
    insert(lanes, lane_ref(lane));
    pthread_mutex_unlock(&lanes->lock);
    return lane;
}

/* What the lane of this key, or of this name, is called. */
static void name_of_key(const struct lanes *lanes, const char *key, char out[LANE_NAME_BYTES])
{
    const char *const *secret = lanes->config.secret_keys;
    bool hides = false;
    for (; secret != NULL && *secret != NULL; secret++)
        hides |= strcmp(*secret, key) == 0;
    if (hides)
        lane_name_hidden(key, out);
    else
        lane_name_of_key(key, out);
}

int lanes_get(struct lanes *lanes, const char *name, bool may_create, struct lane **out_lane, struct err *err)
{
    char plain[LANE_NAME_BYTES];
    if (*name == '\0')
        return err_set(err, ERR_INVALID, 0, "a lane has a name");
    name_of_key(lanes, name, plain);
    struct lane *lane = get(lanes, plain);
    if (lane == NULL && !may_create)
        return err_set(err, ERR_NOT_FOUND, 0, "there is no lane %s", plain);
    if (lane == NULL) {
        pthread_mutex_lock(&lanes->turn);
        lane = get_or_make(lanes, plain, err);
        pthread_mutex_unlock(&lanes->turn);
    }
    if (lane == NULL)
        return -1;
    *out_lane = lane;
    return 0;
}

struct lane **lanes_list(struct lanes *lanes, size_t *out_count)
{
    size_t count = 0;
    pthread_mutex_lock(&lanes->lock);
    struct lane **list = calloc(lanes->count + 1, sizeof(struct lane *));
    for (struct lane *lane = lanes->first; list != NULL && lane != NULL; lane = lane->next)
        list[count++] = lane_ref(lane);
    pthread_mutex_unlock(&lanes->lock);
    *out_count = count;
    return list;
}

void lane_list_free(struct lane **list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        lane_unref(list[i]);
    free(list);
}

/* ---- deleting ----------------------------------------------------------------------------- */

int lanes_delete(struct lanes *lanes, const char *name, struct err *err)
{
    struct lane *lane;
    if (lanes_get(lanes, name, false, &lane, err) < 0)
        return -1;
    bool is_default = strcmp(lane->name, LANE_DEFAULT) == 0, is_listed = false;
    pthread_mutex_lock(&lanes->turn);
    pthread_mutex_lock(&lanes->lock);
    if (!is_default && find(lanes, lane->name) == lane) {
        take_out(lanes, lane);
        is_listed = true;
    }
    pthread_mutex_unlock(&lanes->lock);
    pthread_mutex_unlock(&lanes->turn);
    if (is_listed) {
        if (lanes->config.going != NULL)
            lanes->config.going(lane, lanes->config.arg);
        lane_close(lane);
        lane_unref(lane);   /* the table's */
    }
    lane_unref(lane);
    if (is_default)
        return err_set(err, ERR_INVALID, 0, "lane " LANE_DEFAULT " cannot be deleted, only reset");
    return 0;
}

/* All lanes but `but` (NULL: none), taken out of the table; linked by `next`. */
static struct lane *take_all(struct lanes *lanes, const char *but)
{
    struct lane *taken = NULL;
    pthread_mutex_lock(&lanes->lock);
    for (struct lane *lane = lanes->first, *next; lane != NULL; lane = next) {
        next = lane->next;
        if (but != NULL && strcmp(lane->name, but) == 0)
            continue;
        take_out(lanes, lane);
        lane->next = taken;
        taken = lane;
    }
    pthread_mutex_unlock(&lanes->lock);
    return taken;
}

void lanes_free(struct lanes *lanes)
{
    if (lanes == NULL)
        return;
    for (struct lane *lane = take_all(lanes, NULL), *next; lane != NULL; lane = next) {
        next = lane->next;
        lane_close(lane);
        lane_unref(lane);
    }
    scenario_list_unref(lanes->common);
    scenario_list_unref(lanes->sealed);
    pthread_mutex_destroy(&lanes->turn);
    pthread_mutex_destroy(&lanes->lock);
    free(lanes);
}

/* ---- back to the beginning ------------------------------------------------------------------ */

void lanes_seal(struct lanes *lanes)
{
    pthread_mutex_lock(&lanes->turn);
    scenario_list_unref(lanes->sealed);
    lanes->sealed = scenario_list_ref(lanes->common);
    lanes->sealed_pace = lanes->common_pace;
    pthread_mutex_unlock(&lanes->turn);
}

void lanes_reset(struct lanes *lanes)
{
    if (lanes->config.going != NULL)
        lanes->config.going(NULL, lanes->config.arg);
    pthread_mutex_lock(&lanes->turn);
    scenario_list_unref(lanes->common);
    lanes->common = scenario_list_ref(lanes->sealed);
    lanes->common_pace = lanes->sealed_pace;
    struct lane *taken = take_all(lanes, LANE_DEFAULT);
    pthread_mutex_unlock(&lanes->turn);
    if (lanes->config.puppeteer != NULL)
        puppeteer_reset(lanes->config.puppeteer, NULL);
    engine_reset(lanes->config.engine, NULL);
    for (struct lane *lane = taken, *next; lane != NULL; lane = next) {
        next = lane->next;
        lane_close(lane);
        lane_unref(lane);
    }
    struct lane *kept = get(lanes, LANE_DEFAULT);
    if (kept != NULL)
        lane_begin_anew(kept);
    lane_unref(kept);
}
