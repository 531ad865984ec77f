#include "calls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dialects/op.h"
#include "dialects/rpc.h"
#include "lanes/strike.h"
#include "vendors.h"

_Static_assert((int) GRPC_UNAUTHENTICATED == (int) RPC_UNAUTHENTICATED, "the same numbers");

#define STACK_BYTES (512u * 1024u)

struct kept {
    struct kept *next;
    struct buf message;
};

/* Has two owners, its thread and the transport; the last one frees it. */
struct job {
    struct rpc rpc;               /* first: a call is its job */
    struct calls *calls;
    struct grpc_call *call;       /* a reference */
    struct lane *lane;            /* a reference, once known */
    bool is_armed;                /* the thread's: the transport knows of the fault */
    pthread_mutex_t lock;         /* everything below */
    pthread_cond_t changed;
    unsigned owners;
    struct kept *first, **last;
    size_t taken_bytes;           /* of the message that was received last: dealt with when the next is asked for */
    bool half_closed, told_half_closed, over;
    uint64_t journal;             /* 0: not there, or ended */
};

static struct job *job_of(struct exchange *x)
{
    return (struct job *) x;
}

static void drop(struct job *job)
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
    lane_unref(job->lane);
    grpc_call_unref(job->call);
    pthread_cond_destroy(&job->changed);
    pthread_mutex_destroy(&job->lock);
    free(job);
}

/* ---- the ledger: whoever has an answer finds it there ------------------------------------------------ */

/* The journal's number, and 0 from now on if `ends`. */
static uint64_t journal_of(struct job *job, bool ends)
{
    pthread_mutex_lock(&job->lock);
    uint64_t number = job->journal;
    if (ends)
        job->journal = 0;
    pthread_mutex_unlock(&job->lock);
    return number;
}

static void note_answer(void *arg, int http_status, const char *content_type)
{
    struct job *job = arg;
    uint64_t number = journal_of(job, false);
    if (number > 0)
        ledger_set_answer(lane_ledger(job->lane), number, http_status, content_type);
}

static void note_bytes(void *arg, const void *data, size_t len)
{
    struct job *job = arg;
    uint64_t number = journal_of(job, false);
    if (number > 0)
        ledger_add_answer_bytes(lane_ledger(job->lane), number, data, len);
}

static void note_end(struct job *job, enum exchange_end end)
{
    static const enum answer_end ends[] = {
        [EXCHANGE_COMPLETE] = ANSWER_COMPLETE, [EXCHANGE_CUT] = ANSWER_CUT,
        [EXCHANGE_RESET] = ANSWER_RESET,       [EXCHANGE_CLIENT_GONE] = ANSWER_CLIENT_GONE,
        [EXCHANGE_NO_ANSWER] = ANSWER_NONE,
    };
    uint64_t number = journal_of(job, true);
    if (number > 0)
        ledger_end_request(lane_ledger(job->lane), number, ends[end]);
}

static void note_ending(void *arg, enum exchange_end end, int status)
{
    (void) status;
    note_end(arg, end);
}

static const struct grpc_observer journal = {
    .answer = note_answer, .answer_bytes = note_bytes, .ending = note_ending
};

static void begin_journal(struct job *job)
{
    const char *names[EXCHANGE_MAX_HEADERS], *values[EXCHANGE_MAX_HEADERS];
    struct wire_header headers[EXCHANGE_MAX_HEADERS];
    struct exchange *x = &job->rpc.x;
    size_t count = x->ops->headers(x, names, values, EXCHANGE_MAX_HEADERS);
    for (size_t i = 0; i < count; i++)
        headers[i] = (struct wire_header) { names[i], values[i] };
    x->journal = ledger_begin_request(lane_ledger(job->lane), x->request_id, x->method, x->path, "", headers, count);
    pthread_mutex_lock(&job->lock);
    job->journal = x->journal;
    pthread_mutex_unlock(&job->lock);
}

/* ---- the exchange ------------------------------------------------------------------------------------ */

static const char *get_header(struct exchange *x, const char *name)
{
    return grpc_call_header(job_of(x)->call, name);
}

static size_t get_headers(struct exchange *x, const char **names, const char **values, size_t max)
{
    return grpc_call_headers(job_of(x)->call, names, values, max);
}

static bool is_over(struct exchange *x)
{
    return grpc_call_is_over(job_of(x)->call);
}

static void strike_behind(void *arg)
{
    struct exchange *x = arg;
    if (x->on_strike != NULL)
        x->on_strike(x);
}

/* From the first thing that is sent on, the fault is the transport's. */
static void arm(struct job *job)
{
    if (job->is_armed || job->rpc.x.strike == NULL)
        return;
    job->is_armed = true;
    grpc_call_arm(job->call, job->rpc.x.strike, strike_behind, &job->rpc.x);
}

static int send_some(struct job *job, const void *data, size_t len, unsigned flags)
{
    struct err err = ERR_INIT;
    arm(job);
    job->rpc.x.answered = true;
    while (grpc_call_send(job->call, data, len, flags, &err) < 0) {
        if (err.code != ERR_LIMIT || grpc_call_await_room(job->call, INT64_MAX, &err) < 0)
            return -1;
    }
    /* A fault at this place must have struck before anything more is done. */
    return job->is_armed ? grpc_call_flush(job->call, INT64_MAX, &err) : 0;
}

static int stream_write(struct exchange *x, const void *data, size_t len)
{
    return send_some(job_of(x), data, len, GRPC_EVENT);
}

static int note_fact(struct exchange *x, enum scenario_fact fact)
{
    struct job *job = job_of(x);
    struct err err = ERR_INIT;
    arm(job);
    grpc_call_note_fact(job->call, fact);
    return grpc_call_flush(job->call, INT64_MAX, &err);
}

static int poke(struct exchange *x)
{
    struct job *job = job_of(x);
    struct err err = ERR_INIT;
    arm(job);
    if (job->is_armed) {
        grpc_call_poke(job->call);
        return grpc_call_flush(job->call, INT64_MAX, &err);
    }
    return grpc_call_is_over(job->call) ? -1 : 0;
}

static const struct exchange_ops exchange_ops = {
    .header = get_header,
    .headers = get_headers,
    .stream_write = stream_write,
    .peer_gone = is_over,
    .poke = poke,
    .note_fact = note_fact,
};

/* ---- what gRPC has beside ---------------------------------------------------------------------------- */

static enum rpc_received take(struct job *job, struct buf *out)
{
    struct kept *kept = job->first;
    if (job->over)
        return RPC_OVER;
    if (kept == NULL) {
        job->told_half_closed = true;
        return RPC_HALF_CLOSED;
    }
    job->first = kept->next;
    if (job->first == NULL)
        job->last = &job->first;
    buf_fini(out);
    *out = kept->message;
    job->taken_bytes = out->len;
    free(kept);
    return RPC_MESSAGE;
}

static enum rpc_received receive(struct rpc *rpc, struct buf *out)
{
    struct job *job = (struct job *) rpc;
    pthread_mutex_lock(&job->lock);
    size_t done = job->taken_bytes;
    job->taken_bytes = 0;
    pthread_mutex_unlock(&job->lock);
    if (done > 0)
        grpc_call_consume(job->call, done);
    pthread_mutex_lock(&job->lock);
    while (!job->over && job->first == NULL && (!job->half_closed || job->told_half_closed))
        pthread_cond_wait(&job->changed, &job->lock);
    enum rpc_received got = take(job, out);
    bool is_first = got == RPC_MESSAGE && job->journal > 0;
    uint64_t number = job->journal;
    pthread_mutex_unlock(&job->lock);
    if (is_first)
        ledger_set_request_body(lane_ledger(job->lane), number, buf_cstr(out), out->len);
    return got;
}

static int send_whole(struct rpc *rpc, const void *message, size_t len)
{
    return send_some((struct job *) rpc, message, len, GRPC_PLAIN);
}

/* Nothing may wait for what is not there any more. */
static void wake(struct job *job)
{
    pthread_mutex_lock(&job->lock);
    job->over = true;
    pthread_cond_broadcast(&job->changed);
    pthread_mutex_unlock(&job->lock);
}

static int end(struct rpc *rpc, enum rpc_status status, const char *message, const void *details, size_t len)
{
    struct job *job = (struct job *) rpc;
    struct err err = ERR_INIT;
    arm(job);
    rpc->x.answered = true;
    int rc = grpc_call_end(job->call, (enum grpc_status) status, message, details, len, &err);
    wake(job);
    return rc;
}

static int end_http(struct rpc *rpc, int status, const char *content_type, const void *body, size_t len)
{
    struct job *job = (struct job *) rpc;
    struct err err = ERR_INIT;
    rpc->x.answered = true;
    int rc = grpc_call_end_http(job->call, status, content_type, body, len, &err);
    wake(job);
    return rc;
}

static const struct rpc_ops rpc_ops = { .receive = receive, .send = send_whole, .end = end, .end_http = end_http };

/* ---- serving ------------------------------------------------------------------------------------------ */

static void refuse(struct job *job, enum rpc_status status, const char *message)
{
    (void) rpc_ops.end(&job->rpc, status, message, NULL, 0);
}

/* By its key; who has none is answered (refused, mostly) in the one that is always there. */
static int find_lane(struct job *job, struct err *err)
{
    struct calls *calls = job->calls;
    BUF_AUTO key = BUF_INIT;
    void *self;
    const struct dialect *dialect = vendors_find_rpc(calls->any, job->rpc.x.path, &self);
    bool is_good = dialect != NULL && dialect->rpc->whose(self, &job->rpc.x, &key);
    if (is_good)
        return lanes_get(calls->lanes, buf_cstr(&key), true, &job->lane, err);
    job->lane = lane_ref(calls->any);
    return 0;
}

static void serve(struct job *job)
{
    struct err err = ERR_INIT;
    void *self;
    if (find_lane(job, &err) < 0) {
        refuse(job, err.code == ERR_LIMIT ? RPC_RESOURCE_EXHAUSTED : RPC_INVALID_ARGUMENT, err.text);
        return;
    }
    job->rpc.x.lane = job->lane;
    begin_journal(job);
    const struct dialect *dialect = vendors_find_rpc(job->lane, job->rpc.x.path, &self);
    dialect->rpc->serve(self, &job->rpc, dialect->rpc->find(job->rpc.x.path));
    op_note_fault(&job->rpc.x);
}

static void *job_main(void *arg)
{
    struct job *job = arg;
    struct calls *calls = job->calls;
    serve(job);
    refuse(job, RPC_INTERNAL, "the call was not answered");
    drop(job);
    pthread_mutex_lock(&calls->lock);
    calls->running--;
    pthread_cond_broadcast(&calls->idle);
    pthread_mutex_unlock(&calls->lock);
    return NULL;
}

static int start_thread(struct job *job)
{
    pthread_t thread;
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_mutex_lock(&job->calls->lock);
    int rc = pthread_create(&thread, &attr, job_main, job);
    job->calls->running += rc == 0;
    pthread_mutex_unlock(&job->calls->lock);
    pthread_attr_destroy(&attr);
    return rc == 0 ? 0 : -1;
}

/* ---- what the transport says ------------------------------------------------------------------------- */

static struct job *job_new(struct calls *calls, struct grpc_call *call)
{
    struct job *job = calloc(1, sizeof *job);
    if (job == NULL)
        return NULL;
    job->calls = calls;
    job->call = grpc_call_ref(call);
    job->owners = 2;
    job->last = &job->first;
    pthread_mutex_init(&job->lock, NULL);
    pthread_cond_init(&job->changed, NULL);
    job->rpc.ops = &rpc_ops;
    job->rpc.x = (struct exchange) {
        .ops = &exchange_ops, .method = "POST", .path = grpc_call_path(call), .query = "",
        .host = grpc_call_authority(call), .base_url = "",
    };
    snprintf(job->rpc.x.request_id, sizeof job->rpc.x.request_id, "%s", grpc_call_request_id(call));
    return job;
}

static struct calls *the_calls;   /* one server in a program; the transport's begin has no argument */

static void on_begin(struct grpc_call *call)
{
    struct err ignored;
    struct job *job = job_new(the_calls, call);
    grpc_call_set_data(call, job);
    if (job == NULL) {
        (void) grpc_call_end(call, GRPC_RESOURCE_EXHAUSTED, "out of memory", NULL, 0, &ignored);
        return;
    }
    grpc_call_observe(call, &journal, job);
    if (start_thread(job) < 0) {
        (void) grpc_call_end(call, GRPC_RESOURCE_EXHAUSTED, "too many calls at once", NULL, 0, &ignored);
        drop(job);
    }
}

static bool on_message(struct grpc_call *call, struct buf *message)
{
    struct job *job = grpc_call_data(call);
    struct kept *kept = job == NULL ? NULL : calloc(1, sizeof *kept);
    if (kept == NULL)
        return true;
    bool is_empty = message->len == 0;
    kept->message = *message;
    *message = (struct buf) BUF_INIT;
    pthread_mutex_lock(&job->lock);
    *job->last = kept;
    job->last = &kept->next;
    pthread_cond_broadcast(&job->changed);
    pthread_mutex_unlock(&job->lock);
    return is_empty;
}

static void on_half_close(struct grpc_call *call)
{
    struct job *job = grpc_call_data(call);
    if (job == NULL)
        return;
    pthread_mutex_lock(&job->lock);
    job->half_closed = true;
    pthread_cond_broadcast(&job->changed);
    pthread_mutex_unlock(&job->lock);
}

static void on_over(struct grpc_call *call, enum exchange_end how)
{
    struct job *job = grpc_call_data(call);
    if (job == NULL)
        return;
    note_end(job, how);
    wake(job);
    drop(job);
}

static const struct grpc_handler handler = {
    .begin = on_begin, .message = on_message, .half_close = on_half_close, .over = on_over
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
    return dialect == NULL ? NULL : &methods[dialect->rpc->find(path)->kind];
}

void calls_init(struct calls *calls, struct lanes *lanes, struct lane *any)
{
    *calls = (struct calls) { .lanes = lanes, .any = any };
    pthread_mutex_init(&calls->lock, NULL);
    pthread_cond_init(&calls->idle, NULL);
    the_calls = calls;
}

void calls_fini(struct calls *calls)
{
    pthread_mutex_lock(&calls->lock);
    while (calls->running > 0)
        pthread_cond_wait(&calls->idle, &calls->lock);
    pthread_mutex_unlock(&calls->lock);
    pthread_cond_destroy(&calls->idle);
    pthread_mutex_destroy(&calls->lock);
}
