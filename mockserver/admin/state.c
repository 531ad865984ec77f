/* Is it up, what is it; begin anew, stop. */
#include "admin/admin_priv.h"
#include "base/text.h"
#include "version.h"

void admin_get_health(struct call *call)
{
    char now[32];
    struct answer a;
    iso_time(now, clock_wall_ms(engine_clock(call->admin->config.engine)));
    answer_begin(&a, call);
    jsonw_str(&a.w, "status", "healthy");
    jsonw_str(&a.w, "version", STANDBOX_VERSION);
    jsonw_int(&a.w, "uptimeInSeconds", (mono_ns() - call->admin->started_ns) / 1000000000);
    jsonw_str(&a.w, "timestamp", now);
    answer_end(&a);
}

void admin_get_version(struct call *call)
{
    struct answer a;
    answer_begin(&a, call);
    jsonw_str(&a.w, "version", STANDBOX_VERSION);
    jsonw_str(&a.w, "commit", STANDBOX_COMMIT[0] != '\0' ? STANDBOX_COMMIT : NULL);
    answer_end(&a);
}

/* Answers only when everything is gone: a test may go on at once. */
void admin_reset(struct call *call)
{
    if (call->only != NULL)
        lane_reset(call->only);
    else
        lanes_reset(call->admin->config.lanes);
    call_reply_status(call, "reset");
}

void admin_shutdown(struct call *call)
{
    call_reply_status(call, "shutting down");
    call->admin->config.shutdown(call->admin->config.arg);
}
