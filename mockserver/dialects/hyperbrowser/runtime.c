/* The runtime plane: who may, and which route (wire page §3). */
#include "dialects/hyperbrowser/hb_priv.h"

bool hb_peer_gone(void *exchange)
{
    struct exchange *x = exchange;
    return x->ops->peer_gone(x);
}

/* Paths are those behind R; files and terminals are the vendor's and not ours yet (§3.4, §3.5). */
static const struct route routes[] = {
    { "POST", "/exec", hb_process_exec },
    { "POST", "/processes", hb_process_start },
    { "GET", "/processes", hb_process_list },
    { "GET", "/processes/:id", hb_process_get },
    { "DELETE", "/processes/:id", hb_process_delete },
    { "POST", "/processes/:id/wait", hb_process_wait },
    { "POST", "/processes/:id/signal", hb_process_signal },
    { "POST", "/processes/:id/stdin", hb_process_stdin },
    { "GET", "/processes/:id/stream", hb_process_stream },
    { NULL, "/files", hb_not_supported },
    { NULL, "/files/*", hb_not_supported },
    { NULL, "/pty", hb_not_supported },
    { NULL, "/pty/*", hb_not_supported },
};

static void dispatch(struct hb_call *call, struct exchange *x, const char *rest)
{
    struct route_params params;
    const struct route *route;
    enum route_result result = route_find(routes, sizeof routes / sizeof *routes, x->method, rest, &route, &params);
    if (result == ROUTE_FOUND)
        route->fn(call, x, &params);
    else
        hb_fail_route(x, result);
}

void hb_runtime_handle(struct hb *hb, struct exchange *x, const char *id, const char *rest)
{
    SANDBOX_AUTO *sandbox = hb_find_sandbox(hb, x, id);
    if (sandbox == NULL)
        return;
    const char *token = hb_bearer(x);
    struct hb_call call = { hb, sandbox, token };
    /* A 401 must come before anything ran: the SDKs refresh the token and send the same request again. */
    if (token == NULL || !hb_record_knows_token(sandbox_record(sandbox), token, clock_now_ms(hb->clock)))
        hb_fail_token(x);
    else if (sandbox_get_state(sandbox) != SANDBOX_ACTIVE)
        hb_fail(x, 409, "sandbox_not_running", "Sandbox %s is not running", id);
    else
        dispatch(&call, x, rest);
}
