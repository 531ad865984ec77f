/* The runtime plane: who may, and which route (wire page §3). */
#include "dialects/hyperbrowser/hb_priv.h"

bool hb_peer_gone(void *exchange)
{
    struct exchange *x = exchange;
    return x->ops->peer_gone(x);
}

#define NOTHING OP_COUNT

/* Paths are those behind R; files and terminals are the vendor's and not ours yet (§3.4, §3.5). */
static const struct row {
    struct route route;
    enum scenario_op op; /* what it means; NOTHING: nothing that scenarios have a word for */
} rows[] = {
    { { "POST", "/exec", hb_process_exec }, OP_PROCESS_EXEC },
    { { "POST", "/processes", hb_process_start }, OP_PROCESS_START },
    { { "GET", "/processes", hb_process_list }, OP_PROCESS_LIST },
    { { "GET", "/processes/:id", hb_process_get }, OP_PROCESS_GET },
    { { "DELETE", "/processes/:id", hb_process_delete }, OP_PROCESS_KILL },
    { { "POST", "/processes/:id/wait", hb_process_wait }, OP_PROCESS_WAIT },
    { { "POST", "/processes/:id/signal", hb_process_signal }, OP_PROCESS_SIGNAL },
    { { "POST", "/processes/:id/stdin", hb_process_stdin }, OP_PROCESS_STDIN },
    { { "GET", "/processes/:id/stream", hb_process_stream }, OP_PROCESS_STREAM },
    { { NULL, "/files", hb_not_supported }, NOTHING },
    { { NULL, "/files/*", hb_not_supported }, NOTHING },
    { { NULL, "/pty", hb_not_supported }, NOTHING },
    { { NULL, "/pty/*", hb_not_supported }, NOTHING },
};

/* NULL: none, and why. */
static const struct row *find_row(const struct exchange *x, const char *rest, struct route_params *params,
                                  enum route_result *out_why)
{
    const struct route *ignored;
    *out_why = ROUTE_NO_PATH;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        enum route_result result = route_find(&rows[i].route, 1, x->method, rest, &ignored, params);
        if (result == ROUTE_FOUND)
            return &rows[i];
        if (result == ROUTE_NO_METHOD)
            *out_why = result;
    }
    return NULL;
}

static void refuse_sandbox(struct exchange *x, const struct row *row, const struct route_params *params, const char *id)
{
    if (row == NULL || row->op == NOTHING) {
        hb_fail(x, 404, "sandbox_not_found", "sandbox not found: %s", id);
        return;
    }
    const struct op what = { .op = row->op, .dialect = DIALECT_HYPERBROWSER };
    hb_refuse_unknown(x, &what, id, params->count > 0 ? params->value[0] : "");
}

void hb_runtime_handle(struct hb *hb, struct exchange *x, const char *id, const char *rest)
{
    struct route_params params = { .count = 0 };
    enum route_result why;
    const struct row *row = find_row(x, rest, &params, &why);
    SANDBOX_AUTO *sandbox = hb_look_up(hb, id);
    if (sandbox == NULL) {
        refuse_sandbox(x, row, &params, id);
        return;
    }
    const char *token = hb_bearer(x);
    struct hb_call call = { hb, sandbox, token };
    bool is_known = token != NULL && hb_record_knows_token(sandbox_record(sandbox), token, clock_now_ms(hb->clock));
    bool is_active = sandbox_get_state(sandbox) == SANDBOX_ACTIVE;
    const struct op what = { .op = row == NULL ? NOTHING : row->op, .dialect = DIALECT_HYPERBROWSER, .sandbox = sandbox };
    if ((!is_known || !is_active) && what.op != NOTHING)
        op_note(x, &what);
    /* A 401 must come before anything ran: the SDKs refresh the token and send the same request again. */
    if (!is_known)
        hb_fail_token(x);
    else if (!is_active)
        hb_fail(x, 409, "sandbox_not_running", "Sandbox %s is not running", id);
    else if (row == NULL)
        hb_fail_route(x, why);
    else
        row->route.fn(&call, x, &params);
}
