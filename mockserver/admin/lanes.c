/* Lanes: list, make, delete, empty. */
#include <stdlib.h>
#include <string.h>

#include "admin/admin_priv.h"

static void put_sandboxes(struct jsonw *w, struct lane *lane)
{
    size_t count = 0, active = 0;
    struct sandbox **list = engine_list_sandboxes(lane_engine(lane), lane_owner(lane), NULL, &count);
    for (size_t i = 0; i < count; i++)
        active += sandbox_get_state(list[i]) == SANDBOX_ACTIVE;
    sandbox_list_free(list, count);
    jsonw_int(w, "sandboxes", (int64_t) count);
    jsonw_int(w, "active_sandboxes", (int64_t) active);
}

static void put_scenarios(struct jsonw *w, struct lane *lane)
{
    size_t count = 0, unfired = 0;
    struct match **list = lane_matches(lane, &count);
    for (size_t i = 0; i < count; i++)
        unfired += match_count_unfired(list[i]);
    lane_matches_free(list, count);
    jsonw_int(w, "scenarios", (int64_t) count);
    jsonw_int(w, "unfired", (int64_t) unfired);
}

/* Where the server is reached, whatever lane this call came by. */
static void put_url(struct jsonw *w, const struct exchange *x, const char *lane)
{
    BUF_AUTO url = BUF_INIT;
    const char *base = x->base_url, *mark = strstr(base, "/lane/");
    buf_add(&url, base, mark == NULL ? strlen(base) : (size_t) (mark - base));
    buf_printf(&url, "/lane/%s", lane);
    jsonw_str(w, "url", buf_cstr(&url));
}

/* A long name is no key: keys of that length are taken for secrets. */
static void put_key(struct jsonw *w, const char *lane)
{
    char leads_to[LANE_NAME_BYTES];
    lane_name_of_key(lane, leads_to);
    jsonw_str(w, "key", strcmp(leads_to, lane) == 0 ? lane : NULL);
}

static void put_members(struct jsonw *w, const struct exchange *x, struct lane *lane)
{
    struct ledger_stats stats;
    ledger_get_stats(lane_ledger(lane), &stats);
    jsonw_str(w, "name", lane_name(lane));
    put_key(w, lane_name(lane));
    put_url(w, x, lane_name(lane));
    put_time(w, "created_at", lane_created_ms(lane));
    put_sandboxes(w, lane);
    put_scenarios(w, lane);
    jsonw_int(w, "entries", (int64_t) stats.entries);
    put_clock(w, "clock", lane);
}

static void reply_lane(struct call *call, struct lane *lane, int status)
{
    struct answer a;
    answer_begin(&a, call);
    a.status = status;
    put_members(&a.w, call->x, lane);
    answer_end(&a);
}

void admin_list_lanes(struct call *call)
{
    struct answer a;
    answer_begin(&a, call);
    jsonw_array(&a.w, "lanes");
    for (size_t i = 0; i < call->lane_count; i++) {
        jsonw_object(&a.w, NULL);
        put_members(&a.w, call->x, call->lanes[i]);
        jsonw_end_object(&a.w);
        answer_flush(&a);
    }
    jsonw_end_array(&a.w);
    answer_end(&a);
}

void admin_make_lane(struct call *call)
{
    struct lanes *lanes = call->admin->config.lanes;
    struct lane *lane = NULL;
    struct err err = ERR_INIT;
    const char *name = call_text(call, "name", "");
    if (!lane_name_is_valid(name)) {
        call_refuse(call, "name", "must be up to 64 of A-Z a-z 0-9 . _ - and neither \".\" nor \"..\"");
        return;
    }
    bool was_there = lanes_get(lanes, name, false, &lane, &err) == 0;
    if (!was_there && lanes_get(lanes, name, true, &lane, &err) != 0) {
        call_fail_err(call, &err);
        return;
    }
    reply_lane(call, lane, was_there ? 200 : 201);
    lane_unref(lane);
}

/* By the name in the path; NULL: refused and answered. */
static struct lane *find(struct call *call)
{
    struct lane *lane = NULL;
    struct err err = ERR_INIT;
    const char *name = call->params.value[0];
    if (lanes_get(call->admin->config.lanes, name, strcmp(name, LANE_DEFAULT) == 0, &lane, &err) == 0)
        return lane;
    call_fail_err(call, &err);
    return NULL;
}

void admin_get_lane(struct call *call)
{
    struct lane *lane = find(call);
    if (lane != NULL)
        reply_lane(call, lane, 200);
    lane_unref(lane);
}

void admin_delete_lane(struct call *call)
{
    struct err err = ERR_INIT;
    if (lanes_delete(call->admin->config.lanes, call->params.value[0], &err) != 0)
        call_fail_err(call, &err);
    else
        call_reply_status(call, "deleted");
}

void admin_reset_lane(struct call *call)
{
    struct lane *lane = find(call);
    if (lane == NULL)
        return;
    lane_reset(lane);
    lane_unref(lane);
    call_reply_status(call, "reset");
}
