/* The lanes' time: look, hold, move, let run. */
#include "admin/admin_priv.h"

void put_clock(struct jsonw *w, const char *name, struct lane *lane)
{
    struct clock_state now;
    clock_get(lane_clock(lane), &now);
    jsonw_object(w, name);
    jsonw_str(w, "lane", lane_name(lane));
    jsonw_bool(w, "frozen", now.frozen);
    put_number(w, "scale", now.scale);
    jsonw_int(w, "now_ms", now.now_ms);
    put_time(w, "time", now.wall_ms);
    jsonw_end_object(w);
}

void admin_get_clock(struct call *call)
{
    struct answer a;
    answer_begin(&a, call);
    jsonw_array(&a.w, "clocks");
    for (size_t i = 0; i < call->lane_count; i++) {
        put_clock(&a.w, NULL, call->lanes[i]);
        answer_flush(&a);
    }
    jsonw_end_array(&a.w);
    answer_end(&a);
}

void admin_freeze_clock(struct call *call)
{
    lanes_freeze_clock(call->admin->config.lanes, call->only);
    admin_get_clock(call);
}

/* A lane to come begins with its own time, so there is nothing to move in it. */
void admin_advance_clock(struct call *call)
{
    for (size_t i = 0; i < call->lane_count; i++)
        clock_advance(lane_clock(call->lanes[i]), call_int(call, "ms", 0));
    admin_get_clock(call);
}

void admin_run_clock(struct call *call)
{
    lanes_run_clock(call->admin->config.lanes, call->only, call_number(call, "scale", 1));
    admin_get_clock(call);
}

void admin_reset_clock(struct call *call)
{
    lanes_reset_clock(call->admin->config.lanes, call->only);
    admin_get_clock(call);
}
