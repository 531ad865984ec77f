/* What the client sends while its call is answered: taken beside that, so that neither waits for the other. */
#include "dialects/coreweave/cw_priv.h"

static bool take(const struct cw_inlet *inlet, const struct buf *message)
{
    struct cw_call *call = inlet->call;
    struct cw_input what = { .message = NULL };
    struct err err = ERR_INIT;
    if (call->row->read_input(message, &what, &err) < 0) {
        cw_fail(call, RPC_INTERNAL, NULL, "the message could not be read: %s", err.text);
        return false;
    }
    bool goes_on = inlet->message(inlet->arg, &what);
    proto_free(what.message);
    return goes_on;
}

static void take_all(void *arg)
{
    struct cw_inlet *inlet = arg;
    struct rpc *rpc = inlet->call->rpc;
    BUF_AUTO message = BUF_INIT;
    enum rpc_received got;
    while ((got = rpc->ops->receive_now(rpc, &message)) == RPC_MESSAGE || got == RPC_HALF_CLOSED) {
        if (got == RPC_HALF_CLOSED)
            inlet->half_closed(inlet->arg);
        else if (!inlet->is_unwanted)
            inlet->is_unwanted = !take(inlet, &message);
    }
}

void cw_inlet_open(struct cw_inlet *inlet)
{
    inlet->call->rpc->ops->attend(inlet->call->rpc, take_all, inlet);
}

void cw_inlet_close(struct cw_inlet *inlet)
{
    inlet->call->rpc->ops->attend_no_more(inlet->call->rpc);
}
