/* What the client sends while its call is answered: a thread of its own, so that neither waits for the other. */
#include "dialects/coreweave/cw_priv.h"

#define STACK_BYTES (256u * 1024u)

static bool take(struct cw_input_thread *input, const struct buf *message)
{
    struct cw_call *call = input->call;
    struct cw_input what = { .message = NULL };
    struct err err = ERR_INIT;
    if (call->row->read_input(message, &what, &err) < 0) {
        cw_fail(call, RPC_INTERNAL, NULL, "the message could not be read: %s", err.text);
        return false;
    }
    bool goes_on = input->message(input->arg, &what);
    proto_free(what.message);
    return goes_on;
}

static void *input_main(void *arg)
{
    struct cw_input_thread *input = arg;
    struct cw_call *call = input->call;
    BUF_AUTO message = BUF_INIT;
    enum rpc_received got;
    bool is_wanted = true;
    while ((got = call->rpc->ops->receive(call->rpc, &message)) != RPC_OVER) {
        if (got == RPC_HALF_CLOSED)
            input->half_closed(input->arg);
        else if (is_wanted)
            is_wanted = take(input, &message);
    }
    input->over(input->arg);
    return NULL;
}

int cw_input_start(struct cw_input_thread *input, struct err *err)
{
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    int rc = pthread_create(&input->thread, &attr, input_main, input);
    pthread_attr_destroy(&attr);
    return rc == 0 ? 0 : err_set(err, ERR_LIMIT, rc, "a thread for the client's input");
}

void cw_input_join(struct cw_input_thread *input)
{
    pthread_join(input->thread, NULL);
}
