/* Exec, the unary one: run to the end, then answer with what is kept of the output.  The SDKs never call it. */
#include "dialects/coreweave/cw_priv.h"

static uint64_t most_output(const struct cw_call *call)
{
    int64_t asked = call->request.max_output_bytes;
    return (uint64_t) (asked > 0 ? asked : cw_now(call->cw)->exec_max_output_bytes);
}

/* The first bytes of each stream; what comes behind is only counted. */
static void keep(struct cw_result *result, bool is_stderr, const struct buf *bytes, uint64_t most)
{
    struct buf *out = &result->out[is_stderr];
    uint64_t room = out->len < most ? most - out->len : 0;
    result->produced[is_stderr] += bytes->len;
    result->is_cut[is_stderr] = result->is_cut[is_stderr] || bytes->len > room;
    buf_add(out, buf_cstr(bytes), bytes->len < room ? bytes->len : (size_t) room);
}

static enum read_result collect(struct cw_call *call, struct proc_reader *reader, struct cw_result *result)
{
    BUF_AUTO bytes = BUF_INIT;
    struct fact fact;
    enum read_result got;
    while ((got = proc_reader_next(reader, CLOCK_NEVER, cw_is_over, call, &fact, &bytes)) == READ_FACT) {
        if (fact.out_seq > 0)
            keep(result, fact.kind == FACT_ERR, &bytes, most_output(call));
        if (op_is_watched(&call->rpc->x) && op_note_fact(&call->rpc->x, &fact) < 0)
            return READ_CLOSED;
    }
    return got;
}

/* False: the call is ended. */
static bool fill_end(struct cw_call *call, struct proc *proc, struct cw_result *result)
{
    struct proc_view view;
    BUF_AUTO words = BUF_INIT;
    proc_get_view(proc, &view);
    if (view.end.kind != FACT_START_FAILED) {
        result->exit_code = cw_exit_code(&view);
        return true;
    }
    result->exit_code = cw_describe_failure(call->cw, &view, call->request.command.list[0], &words);
    buf_add(&result->out[1], buf_cstr(&words), words.len);
    result->produced[1] += words.len;
    if (result->exit_code == 0)
        cw_fail(call, RPC_INTERNAL, NULL, "%s", buf_cstr(&words));
    return result->exit_code != 0;
}

static void answer(struct cw_call *call, struct proc *proc, struct proc_reader *reader)
{
    struct cw_result result = { .out = { BUF_INIT, BUF_INIT } };
    BUF_AUTO message = BUF_INIT;
    enum read_result got = collect(call, reader, &result);
    if (got == READ_CLOSED)
        (void) proc_kill(proc, WHO_CLIENT, NULL);
    else if (got == READ_LOST)
        cw_fail(call, RPC_RESOURCE_EXHAUSTED, NULL, "the output is more than can be kept");
    else if (fill_end(call, proc, &result)) {
        message.failed = result.out[0].failed || result.out[1].failed;
        call->wire->write_result(&result, &message);
        cw_reply(call, &message);
    }
    buf_fini(&result.out[0]);
    buf_fini(&result.out[1]);
}

void cw_unary_exec(struct cw_call *call)
{
    struct err err = ERR_INIT;
    struct proc *proc;
    struct proc_reader *reader;
    struct op op;
    BUF_AUTO display = BUF_INIT;
    SANDBOX_AUTO *sandbox = cw_begin_command(call, &op, &display);
    if (sandbox == NULL)
        return;
    if (cw_start_command(call, sandbox, &op, STDIN_EMPTY, &proc, &reader, &err) < 0) {
        cw_fail_err(call, &err);
        return;
    }
    cw_watch(call, proc);
    answer(call, proc, reader);
    cw_unwatch(call);
    proc_reader_close(reader);
    proc_unref(proc);
}
