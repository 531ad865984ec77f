/* Barriers of puppets: who stands where, let go, wait for them. */
#include <stdlib.h>
#include <string.h>

#include "admin/admin_priv.h"
#include "lanes/puppeteer.h"

static bool fits_name(struct call *call)
{
    const char *name = call_text(call, "name", "");
    if (strlen(name) < BARRIER_NAME_BYTES)
        return true;
    return call_refuse(call, "name", "a name of more than %d bytes", BARRIER_NAME_BYTES - 1);
}

void admin_list_barriers(struct call *call)
{
    size_t count = 0;
    const char *lane = call->only == NULL ? NULL : lane_name(call->only);
    struct barrier_info *list = puppeteer_list_barriers(call->admin->config.puppeteer, lane, &count);
    if (list == NULL) {
        call_fail(call, 503, "out_of_memory", "the list of barriers does not fit into memory");
        return;
    }
    struct answer a;
    answer_begin(&a, call);
    jsonw_array(&a.w, "barriers");
    for (size_t i = 0; i < count && answer_flush(&a); i++) {
        jsonw_object(&a.w, NULL);
        jsonw_str(&a.w, "lane", list[i].lane);
        jsonw_str(&a.w, "name", list[i].name);
        jsonw_int(&a.w, "waiting", list[i].waiting);
        jsonw_bool(&a.w, "open", list[i].open);
        jsonw_end_object(&a.w);
    }
    jsonw_end_array(&a.w);
    free(list);
    answer_end(&a);
}

void admin_open_barrier(struct call *call)
{
    uint64_t released = 0;
    if (!fits_name(call))
        return;
    for (size_t i = 0; i < call->lane_count; i++)
        released += puppeteer_open_barrier(call->admin->config.puppeteer, lane_name(call->lanes[i]),
                                           call_text(call, "name", ""), call_bool(call, "for_good", false));
    struct answer a;
    answer_begin(&a, call);
    jsonw_int(&a.w, "released", (int64_t) released);
    answer_end(&a);
}

/* ---- waiting ---------------------------------------------------------------------------- */

static bool stand(struct call *call, struct lane *lane, int64_t until_ns)
{
    return puppeteer_await_barrier(call->admin->config.puppeteer, lane_name(lane), call_text(call, "name", NULL),
                                   (unsigned) call_int(call, "count", 1), until_ns, call_is_over, call);
}

/* The lane where they stand, borrowed from the call; NULL: nowhere in time. */
static struct lane *await_any(struct call *call, struct wait *wait)
{
    if (call->only != NULL)
        return stand(call, call->only, wait->until_ns) ? call->only : NULL;
    do {
        for (size_t i = 0; i < call->lane_count; i++) {
            if (stand(call, call->lanes[i], wait->begun_ns))
                return call->lanes[i];
        }
    } while (wait_next(wait));
    return NULL;
}

void admin_wait_barrier(struct call *call)
{
    struct wait wait;
    struct answer a;
    if (!fits_name(call))
        return;
    wait_begin(&wait, call);
    struct lane *lane = await_any(call, &wait);
    answer_begin(&a, call);
    if (lane == NULL) {
        wait_put_failure(&a, &wait, "there were never so many in one lane");
    } else {
        jsonw_int(&a.w, "waited_ms", wait_taken_ms(&wait));
        jsonw_str(&a.w, "lane", lane_name(lane));
    }
    answer_end(&a);
}
