/* What the transport says of gRPC calls, and who serves them. */
#include "calls_priv.h"

#include <stdlib.h>

#include "dialects/op.h"
#include "vendors.h"

#define STACK_BYTES (512u * 1024u)
#define MAX_IDLE    64u
#define IDLE_MS     10000u
#define QUICK_BYTES 65536u   /* a message that is read in no time */

/* ---- a job ------------------------------------------------------------------------------------------- */

static struct job *job_new(struct calls *calls, struct grpc_call *call)
{
    void *self;
    struct job *job = calloc(1, sizeof *job);
    if (job == NULL)
        return NULL;
    job->calls = calls;
    job->call = grpc_call_ref(call);
    job->dialect = vendors_find_rpc(calls->any, grpc_call_path(call), &self);
    job->method = job->dialect->rpc->find(grpc_call_path(call));
    job->owners = 2;
    job->last = &job->first;
    job->status = -1;
    pthread_mutex_init(&job->lock, NULL);
    pthread_cond_init(&job->changed, NULL);
    calls_rpc_init(job);
    return job;
}

void calls_drop(struct job *job)
{
    pthread_mutex_lock(&job->lock);
    bool is_last = --job->owners == 0;
    pthread_mutex_unlock(&job->lock);
    if (!is_last)
        return;
    op_end(&job->rpc.x);
    while (job->first != NULL) {
        struct kept *kept = job->first;
        job->first = kept->next;
        buf_fini(&kept->message);
        free(kept);
    }
    buf_fini(&job->message);
    buf_fini(&job->reason);
    lane_unref(job->lane);
    grpc_call_unref(job->call);
    pthread_cond_destroy(&job->changed);
    pthread_mutex_destroy(&job->lock);
    free(job);
}

/* ---- its lane ---------------------------------------------------------------------------------------- */

/* By its key; who has none is answered (refused, mostly) in the one that is always there.  Without `may_create` nothing
   here waits. */
static int find_lane(struct job *job, bool may_create, bool *out_is_good, struct err *err)
{
    struct calls *calls = job->calls;
    BUF_AUTO key = BUF_INIT;
    void *self;
    const struct dialect *dialect = vendors_find_rpc(calls->any, job->rpc.x.path, &self);
    *out_is_good = dialect->rpc->whose(self, &job->rpc.x, &key);
    if (*out_is_good)
        return lanes_get(calls->lanes, buf_cstr(&key), may_create, &job->lane, err);
    job->lane = lane_ref(calls->any);
    return 0;
}

/* The first call of a lane makes it. */
static int make_lane(struct job *job)
{
    struct err err = ERR_INIT;
    bool is_good;
    if (job->lane != NULL)
        return 0;
    if (find_lane(job, true, &is_good, &err) == 0) {
        calls_journal_begin(job);
        return 0;
    }
    calls_refuse(job, err.code == ERR_LIMIT ? RPC_RESOURCE_EXHAUSTED : RPC_INVALID_ARGUMENT, err.text);
    return -1;
}

/* ---- serving ----------------------------------------------------------------------------------------- */

static void serve(void *arg)
{
    struct job *job = arg;
    void *self;
    if (make_lane(job) == 0) {
        (void) vendors_find_rpc(job->lane, job->rpc.x.path, &self);
        job->dialect->rpc->serve(self, &job->rpc, job->method);
    }
    calls_served(job);
}

static void refuse_more(struct grpc_call *call)
{
    struct err ignored;
    (void) grpc_call_end(call, GRPC_RESOURCE_EXHAUSTED, "too many calls at once", NULL, 0, &ignored);
}

/* There is something to do for it. */
static void give(struct job *job)
{
    struct err ignored;
    job->is_given = true;
    job->rpc.x.asks_no_rule = job->lane != NULL && !lane_has_matches(job->lane);
    if (crew_give(job->calls->crew, serve, job, &ignored) == 0)
        return;
    refuse_more(job->call);
    calls_drop(job);
}

/* Nothing may wait on this thread: so no rule is asked, which could want that, and there must be none. */
static bool may_serve_here(const struct job *job)
{
    return job->method->is_quick && !job->is_large && job->lane != NULL && !lane_has_matches(job->lane);
}

static void serve_here(struct job *job)
{
    job->is_given = true;
    job->rpc.x.asks_no_rule = true;
    serve(job);
}

/* There may be a scenario by now. */
static void serve_once(void *arg)
{
    calls_go_on_with(arg, NULL, NULL);
    if (may_serve_here(arg))
        serve_here(arg);
    else
        give(arg);
}

/* Behind all that has come together with the first message: mostly that is all there will be. */
static void serve_here_soon(struct job *job)
{
    job->is_given = true;
    calls_go_on_with(job, serve_once, job);
    grpc_call_knock(job->call);
}

/* ---- what the transport says ------------------------------------------------------------------------- */

/* A thread would wait for the first message, so none is asked for before that; but who may not is told so at once. */
static void on_begin(struct grpc_call *call)
{
    struct err ignored;
    bool is_good;
    struct job *job = job_new(grpc_call_server_arg(call), call);
    grpc_call_set_data(call, job);
    if (job == NULL) {
        (void) grpc_call_end(call, GRPC_RESOURCE_EXHAUSTED, "out of memory", NULL, 0, &ignored);
        return;
    }
    grpc_call_observe(call, &calls_journal, job);
    bool has_lane = find_lane(job, false, &is_good, &ignored) == 0;
    if (has_lane)
        calls_journal_begin(job);
    if (!has_lane || !is_good)
        give(job);
}

static bool on_message(struct grpc_call *call, struct buf *message)
{
    struct job *job = grpc_call_data(call);
    struct kept *kept = job == NULL ? NULL : calloc(1, sizeof *kept);
    if (kept == NULL)
        return true;
    bool is_empty = message->len == 0;
    job->is_large = job->is_large || message->len > QUICK_BYTES;
    kept->message = *message;
    *message = (struct buf) BUF_INIT;
    if (calls_queue(job, kept) < 0)
        refuse_more(call);
    if (job->is_given || job->method->kind != RPC_BIDI)
        return is_empty;
    if (may_serve_here(job))
        serve_here_soon(job);
    else
        give(job);
    return is_empty;
}

static void on_half_close(struct grpc_call *call)
{
    struct job *job = grpc_call_data(call);
    if (job == NULL)
        return;
    if (calls_half_close(job) < 0)
        refuse_more(call);
    if (job->is_given)
        return;
    if (may_serve_here(job))
        serve_here(job);
    else
        give(job);
}

static void on_over(struct grpc_call *call, enum exchange_end how)
{
    struct job *job = grpc_call_data(call);
    if (job == NULL)
        return;
    calls_journal_end(job, how);
    calls_wake(job);
    calls_over(job);
    if (!job->is_given)
        calls_drop(job);   /* who would have served it */
    calls_drop(job);
}

static void on_knock(struct grpc_call *call)
{
    struct job *job = grpc_call_data(call);
    if (job != NULL)
        calls_go_on(job);
}

static const struct grpc_handler handler = {
    .begin = on_begin, .message = on_message, .half_close = on_half_close, .room = on_knock, .knock = on_knock,
    .over = on_over
};

static const struct grpc_method methods[] = {
    [RPC_UNARY] = { "", GRPC_UNARY, &handler },
    [RPC_SERVER_STREAM] = { "", GRPC_SERVER_STREAM, &handler },
    [RPC_BIDI] = { "", GRPC_BIDI, &handler },
};

const struct grpc_method *calls_find(void *arg, const struct grpc_call *call)
{
    struct calls *calls = arg;
    void *self;
    const char *path = grpc_call_path(call);
    const struct dialect *dialect = vendors_find_rpc(calls->any, path, &self);
    if (dialect != NULL)
        return &methods[dialect->rpc->find(path)->kind];
    calls_journal_unknown(lane_ledger(calls->any), call);
    return NULL;
}

/* ---- life --------------------------------------------------------------------------------------------- */

int calls_init(struct calls *calls, struct lanes *lanes, struct lane *any, struct err *err)
{
    const struct crew_config config = { .stack_bytes = STACK_BYTES, .max_idle = MAX_IDLE, .idle_ms = IDLE_MS };
    *calls = (struct calls) { .lanes = lanes, .any = any };
    return crew_new(&calls->crew, &config, err);
}

void calls_fini(struct calls *calls)
{
    crew_free(calls->crew);
    calls->crew = NULL;
}
