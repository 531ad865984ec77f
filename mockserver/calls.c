#include "calls.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dialects/op.h"
#include "dialects/rpc.h"
#include "lanes/strike.h"
#include "proto/tell.h"
#include "transports/grpc_text.h"
#include "vendors.h"

_Static_assert((int) GRPC_UNAUTHENTICATED == (int) RPC_UNAUTHENTICATED, "the same numbers");

#define STACK_BYTES (512u * 1024u)

/* Messages are read for the journal while all calls wait: not very large ones, and when there is no more room for them
   only those that are as small as an end is. */
#define TOLD_BYTES (4u * 1024u * 1024u)
#define END_BYTES  1024u

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
    const struct dialect *dialect;/* fixed once the thread has begun */
    bool is_armed;                /* the thread's: the transport knows of the fault */
    struct told {                 /* in the journal; the thread's until that has begun, then the transport's */
        size_t room[2];           /* for what the server says, and the client */
        bool has_body, is_full;
    } told;
    pthread_mutex_t lock;         /* everything below */
    pthread_cond_t changed;
    unsigned owners;
    struct kept *first, **last;
    size_t taken_bytes;           /* of the message that was received last: dealt with when the next is asked for */
    bool half_closed, told_half_closed, over;
    void (*on_over)(void *arg);   /* NULL: nobody waits for that */
    void *on_over_arg;
    uint64_t journal;             /* 0: not there, or ended */
    bool has_end;                 /* how it ended is known: */
    enum exchange_end end;
    int status;                   /* -1: no gRPC status was said */
    struct buf message, reason;
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
    buf_fini(&job->message);
    buf_fini(&job->reason);
    lane_unref(job->lane);
    grpc_call_unref(job->call);
    pthread_cond_destroy(&job->changed);
    pthread_mutex_destroy(&job->lock);
    free(job);
}

/* ---- the ledger: whoever has an answer finds it there ------------------------------------------------ */

static struct ledger *ledger_of(const struct job *job)
{
    return lane_ledger(job->lane);
}

static uint64_t journal_of(struct job *job)
{
    pthread_mutex_lock(&job->lock);
    uint64_t number = job->journal;
    pthread_mutex_unlock(&job->lock);
    return number;
}

static void note_answer(void *arg, int http_status, const char *content_type)
{
    struct job *job = arg;
    uint64_t number = journal_of(job);
    if (number > 0)
        ledger_set_answer(ledger_of(job), number, http_status, content_type);
}

static void note_bytes(void *arg, const void *data, size_t len)
{
    struct job *job = arg;
    uint64_t number = journal_of(job);
    if (number > 0)
        ledger_add_answer_bytes(ledger_of(job), number, data, len);
}

/* ---- ... its messages -------------------------------------------------------------------------------- */

static void tell_message(struct job *job, uint64_t number, bool from_client, const void *data, size_t len)
{
    struct told *told = &job->told;
    const struct rpc_dialect *rpc = job->dialect->rpc;
    BUF_AUTO json = BUF_INIT;
    bool is_cut = false, is_short = len <= (told->is_full ? END_BYTES : TOLD_BYTES);
    bool is_read = is_short && rpc->tell(rpc->find(job->rpc.x.path), from_client, data, len, &told->room[from_client],
                                         &is_cut, &json) && !json.failed;
    if (is_read && from_client && !told->has_body)
        ledger_set_request_body(ledger_of(job), number, buf_cstr(&json), json.len);
    told->has_body = told->has_body || from_client;
    if (!ledger_add_message(ledger_of(job), number, from_client, is_read ? buf_cstr(&json) : NULL, json.len, len,
                            is_cut || !is_short))
        told->is_full = true;
}

static void note_message(void *arg, const void *message, size_t len)
{
    struct job *job = arg;
    uint64_t number = journal_of(job);
    if (number > 0)
        tell_message(job, number, false, message, len);
}

/* ---- ... its end --------------------------------------------------------------------------------------- */

static const char *status_name(int status)
{
    return status < 0 ? NULL : vocab_name(&vocab_grpc, status);
}

static void write_end(struct job *job, uint64_t number)
{
    static const enum answer_end ends[] = {
        [EXCHANGE_COMPLETE] = ANSWER_COMPLETE, [EXCHANGE_CUT] = ANSWER_CUT,
        [EXCHANGE_RESET] = ANSWER_RESET,       [EXCHANGE_CLIENT_GONE] = ANSWER_CLIENT_GONE,
        [EXCHANGE_NO_ANSWER] = ANSWER_NONE,
    };
    int64_t code = grpc_call_reset_code(job->call);
    if (job->status >= 0)
        ledger_set_call_end(ledger_of(job), number, status_name(job->status), buf_cstr(&job->message),
                            buf_cstr(&job->reason));
    else if (code >= 0)
        ledger_set_call_reset(ledger_of(job), number, (uint32_t) code);
    ledger_end_request(ledger_of(job), number, ends[job->end]);
}

/* It may be over before its thread has begun to write of it. */
static void note_end(struct job *job, enum exchange_end end)
{
    pthread_mutex_lock(&job->lock);
    uint64_t number = job->journal;
    job->journal = 0;
    if (!job->has_end)
        job->end = end;
    job->has_end = true;
    pthread_mutex_unlock(&job->lock);
    if (number > 0)
        write_end(job, number);
}

static void note_ending(void *arg, enum exchange_end end, int status)
{
    struct job *job = arg;
    BUF_AUTO details = BUF_INIT;
    job->status = status;
    if (status >= 0)
        grpc_call_get_end(job->call, &job->message, &details);
    (void) proto_tell_reason(buf_cstr(&details), details.len, &job->reason);
    note_end(job, end);
}

static const struct grpc_observer journal = {
    .answer = note_answer, .answer_bytes = note_bytes, .answer_message = note_message, .ending = note_ending
};

/* ---- ... its beginning ---------------------------------------------------------------------------------- */

static int64_t timeout_ms(const struct grpc_call *call)
{
    int64_t ns;
    const char *text = grpc_call_header(call, "grpc-timeout");
    return text != NULL && grpc_text_parse_timeout(text, &ns) ? ns / 1000000 : -1;
}

static uint64_t begin_request(struct ledger *ledger, const struct grpc_call *call)
{
    const char *names[EXCHANGE_MAX_HEADERS], *values[EXCHANGE_MAX_HEADERS];
    struct wire_header headers[EXCHANGE_MAX_HEADERS];
    size_t count = grpc_call_headers(call, names, values, EXCHANGE_MAX_HEADERS);
    for (size_t i = 0; i < count; i++)
        headers[i] = (struct wire_header) { names[i], values[i] };
    uint64_t number = ledger_begin_request(ledger, grpc_call_request_id(call), "POST", grpc_call_path(call), "",
                                           headers, count);
    if (number > 0)
        ledger_begin_call(ledger, number, timeout_ms(call));
    return number;
}

/* The transport refuses what nobody serves. */
static void note_unknown(struct ledger *ledger, const struct grpc_call *call)
{
    uint64_t number = begin_request(ledger, call);
    if (number == 0)
        return;
    ledger_set_answer(ledger, number, 200, "application/grpc");
    ledger_set_call_end(ledger, number, status_name(RPC_UNIMPLEMENTED), "", "");
    ledger_end_request(ledger, number, ANSWER_COMPLETE);
}

/* What has come already is written first; from then on the transport tells what comes. */
static void begin_journal(struct job *job)
{
    struct exchange *x = &job->rpc.x;
    x->journal = begin_request(ledger_of(job), job->call);
    job->told.room[0] = job->told.room[1] = ledger_body_limit(ledger_of(job));
    pthread_mutex_lock(&job->lock);
    for (const struct kept *kept = job->first; kept != NULL && x->journal > 0; kept = kept->next)
        tell_message(job, x->journal, true, buf_cstr(&kept->message), kept->message.len);
    if (job->half_closed && x->journal > 0)
        ledger_add_half_close(ledger_of(job), x->journal);
    bool is_over = job->has_end;
    job->journal = is_over ? 0 : x->journal;
    pthread_mutex_unlock(&job->lock);
    if (is_over && x->journal > 0)
        write_end(job, x->journal);
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
    pthread_mutex_unlock(&job->lock);
    return got;
}

static int send_whole(struct rpc *rpc, const void *message, size_t len)
{
    return send_some((struct job *) rpc, message, len, GRPC_PLAIN);
}

/* With the lock held. */
static void tell_over(struct job *job)
{
    void (*on_over)(void *arg) = job->over ? job->on_over : NULL;
    if (on_over == NULL)
        return;
    job->on_over = NULL;
    on_over(job->on_over_arg);
}

/* Nothing may wait for what is not there any more. */
static void wake(struct job *job)
{
    pthread_mutex_lock(&job->lock);
    job->over = true;
    tell_over(job);
    pthread_cond_broadcast(&job->changed);
    pthread_mutex_unlock(&job->lock);
}

static void watch(struct rpc *rpc, void (*over)(void *arg), void *arg)
{
    struct job *job = (struct job *) rpc;
    pthread_mutex_lock(&job->lock);
    job->on_over = over;
    job->on_over_arg = arg;
    tell_over(job);
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

static void add_trailer(struct rpc *rpc, const char *name, const char *value)
{
    struct err ignored;
    BUF_AUTO lower = BUF_INIT;
    for (const char *at = name; *at != '\0'; at++)
        buf_char(&lower, (char) tolower((unsigned char) *at));
    (void) grpc_call_add_trailer(((struct job *) rpc)->call, buf_cstr(&lower), value, &ignored);
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

static const struct rpc_ops rpc_ops = {
    .receive = receive, .send = send_whole, .end = end, .watch = watch, .add_trailer = add_trailer, .end_http = end_http
};

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
    job->dialect = vendors_find_rpc(job->lane, job->rpc.x.path, &self);
    begin_journal(job);
    job->dialect->rpc->serve(self, &job->rpc, job->dialect->rpc->find(job->rpc.x.path));
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
    job->status = -1;
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

/* With the lock held. */
static void queue(struct job *job, struct kept *kept)
{
    *job->last = kept;
    job->last = &kept->next;
    pthread_cond_broadcast(&job->changed);
}

/* Told before anybody can answer it; by whoever begins the journal, when that has not begun. */
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
    uint64_t number = job->journal;
    if (number > 0) {
        pthread_mutex_unlock(&job->lock);
        tell_message(job, number, true, buf_cstr(&kept->message), kept->message.len);
        pthread_mutex_lock(&job->lock);
    }
    queue(job, kept);
    pthread_mutex_unlock(&job->lock);
    return is_empty;
}

static void on_half_close(struct grpc_call *call)
{
    struct job *job = grpc_call_data(call);
    if (job == NULL)
        return;
    pthread_mutex_lock(&job->lock);
    uint64_t number = job->journal;
    job->half_closed = true;
    pthread_cond_broadcast(&job->changed);
    pthread_mutex_unlock(&job->lock);
    if (number > 0)
        ledger_add_half_close(ledger_of(job), number);
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
    if (dialect != NULL)
        return &methods[dialect->rpc->find(path)->kind];
    note_unknown(lane_ledger(calls->any), call);
    return NULL;
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
