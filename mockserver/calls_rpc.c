/* A gRPC call as its dialect sees it: an exchange, and what gRPC has beside. */
#include "calls_priv.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "lanes/strike.h"

_Static_assert((int) GRPC_UNAUTHENTICATED == (int) RPC_UNAUTHENTICATED, "the same numbers");

static struct job *job_of(struct exchange *x)
{
    return (struct job *) x;
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

/* Asked often, so without the lock. */
static bool is_over(struct exchange *x)
{
    return atomic_load(&job_of(x)->over) || grpc_call_is_over(job_of(x)->call);
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
    bool must_strike = job->is_armed && !job->rpc.follows_next;
    if (must_strike)
        flags &= ~(unsigned) GRPC_MORE;
    if (job->left_to != NULL)
        flags |= GRPC_ANY;       /* the reactor may not wait: who goes on there looks for room before */
    while (grpc_call_send(job->call, data, len, flags, &err) < 0) {
        if (err.code != ERR_LIMIT || grpc_call_await_room(job->call, INT64_MAX, &err) < 0)
            return -1;
    }
    /* A fault at this place must have struck before anything more is done. */
    return must_strike ? grpc_call_flush(job->call, INT64_MAX, &err) : 0;
}

static int stream_write(struct exchange *x, const void *data, size_t len)
{
    struct job *job = job_of(x);
    bool is_more_to_come = job->rpc.ends_next || job->rpc.follows_next;
    return send_some(job, data, len, is_more_to_come ? GRPC_EVENT | GRPC_MORE : GRPC_EVENT);
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

/* All of these with the lock held. */

static bool has_something(const struct job *job)
{
    return job->over || job->first != NULL || (job->half_closed && !job->told_half_closed);
}

static enum rpc_received take(struct job *job, struct buf *out)
{
    struct kept *kept = job->first;
    if (!has_something(job))
        return RPC_NOTHING;
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

/* The message that was received last is dealt with. */
static void consume(struct job *job)
{
    size_t done = job->taken_bytes;
    job->taken_bytes = 0;
    if (done > 0)
        grpc_call_consume(job->call, done);
}

static enum rpc_received receive(struct rpc *rpc, struct buf *out)
{
    struct job *job = (struct job *) rpc;
    pthread_mutex_lock(&job->lock);
    consume(job);
    while (!has_something(job))
        pthread_cond_wait(&job->changed, &job->lock);
    enum rpc_received got = take(job, out);
    pthread_mutex_unlock(&job->lock);
    return got;
}

static enum rpc_received receive_now(struct rpc *rpc, struct buf *out)
{
    struct job *job = (struct job *) rpc;
    pthread_mutex_lock(&job->lock);
    consume(job);
    enum rpc_received got = take(job, out);
    pthread_mutex_unlock(&job->lock);
    return got;
}

/* ---- ... by somebody beside who serves --------------------------------------------------------------- */

/* The lock must be held, and there be something; else nobody would call again. */
static bool attends_on(struct job *job)
{
    bool goes_on = !job->over && job->attend != NULL && has_something(job);
    job->is_attended = goes_on;
    if (!goes_on)
        pthread_cond_broadcast(&job->changed);
    return goes_on;
}

static void attend_main(void *arg)
{
    struct job *job = arg;
    bool goes_on = true;
    while (goes_on) {
        job->attend(job->attend_arg);
        pthread_mutex_lock(&job->lock);
        goes_on = attends_on(job);
        pthread_mutex_unlock(&job->lock);
    }
}

/* With the lock held. */
static int call_attendant(struct job *job)
{
    struct err ignored;
    if (job->attend == NULL || job->is_attended || job->over || !has_something(job))
        return 0;
    job->is_attended = crew_give(job->calls->crew, attend_main, job, &ignored) == 0;
    return job->is_attended ? 0 : -1;
}

static void refuse_more(struct job *job)
{
    calls_refuse(job, RPC_RESOURCE_EXHAUSTED, "too many calls at once");
}

static void attend(struct rpc *rpc, void (*attend_fn)(void *arg), void *arg)
{
    struct job *job = (struct job *) rpc;
    pthread_mutex_lock(&job->lock);
    consume(job);    /* a client may wait for that before the next message can come */
    bool is_end_alone = !job->over && job->first == NULL && has_something(job);
    pthread_mutex_unlock(&job->lock);
    if (is_end_alone)
        attend_fn(arg);
    pthread_mutex_lock(&job->lock);
    job->attend = attend_fn;
    job->attend_arg = arg;
    int rc = call_attendant(job);
    pthread_mutex_unlock(&job->lock);
    if (rc < 0)
        refuse_more(job);
}

static void attend_no_more(struct rpc *rpc)
{
    struct job *job = (struct job *) rpc;
    pthread_mutex_lock(&job->lock);
    while (job->is_attended)
        pthread_cond_wait(&job->changed, &job->lock);
    job->attend = NULL;
    pthread_mutex_unlock(&job->lock);
}

/* Told before anybody can answer it; by whoever begins the journal, when that has not begun. */
int calls_queue(struct job *job, struct kept *kept)
{
    pthread_mutex_lock(&job->lock);
    uint64_t number = job->journal;
    if (number > 0) {
        pthread_mutex_unlock(&job->lock);
        calls_journal_message(job, number, true, buf_cstr(&kept->message), kept->message.len);
        pthread_mutex_lock(&job->lock);
    }
    *job->last = kept;
    job->last = &kept->next;
    pthread_cond_broadcast(&job->changed);
    int rc = call_attendant(job);
    pthread_mutex_unlock(&job->lock);
    return rc;
}

int calls_half_close(struct job *job)
{
    pthread_mutex_lock(&job->lock);
    uint64_t number = job->journal;
    if (number > 0) {
        pthread_mutex_unlock(&job->lock);
        calls_journal_half_close(job, number);
        pthread_mutex_lock(&job->lock);
    }
    job->half_closed = true;
    pthread_cond_broadcast(&job->changed);
    int rc = call_attendant(job);
    pthread_mutex_unlock(&job->lock);
    return rc;
}

/* ---- ... when nobody waits for it --------------------------------------------------------------------- */

static void leave_to(struct rpc *rpc, void (*go_on)(void *arg), void *arg)
{
    struct job *job = (struct job *) rpc;
    job->left_to = go_on;
    job->left_arg = arg;
}

static void knock(struct rpc *rpc)
{
    grpc_call_knock(((struct job *) rpc)->call);
}

static bool has_room(struct rpc *rpc)
{
    return grpc_call_has_room(((struct job *) rpc)->call);
}

void calls_go_on_with(struct job *job, void (*go_on)(void *arg), void *arg)
{
    pthread_mutex_lock(&job->lock);
    job->go_on = go_on;
    job->go_on_arg = arg;
    pthread_mutex_unlock(&job->lock);
}

void calls_go_on(struct job *job)
{
    pthread_mutex_lock(&job->lock);
    void (*go_on)(void *arg) = job->go_on;
    pthread_mutex_unlock(&job->lock);
    if (go_on != NULL)
        go_on(job->go_on_arg);
}

/* Either finds what to go on with here, or calls_served finds that it is over: never both. */
void calls_over(struct job *job)
{
    pthread_mutex_lock(&job->lock);
    job->told_over = true;
    void (*go_on)(void *arg) = job->go_on;
    pthread_mutex_unlock(&job->lock);
    if (go_on != NULL)
        go_on(job->go_on_arg);
}

static void end_job(struct job *job)
{
    calls_refuse(job, RPC_INTERNAL, "the call was not answered");
    calls_drop(job);
}

/* From the moment that it may go on, the job is the reactor's, unless that has done with it. */
void calls_served(struct job *job)
{
    struct grpc_call *call = grpc_call_ref(job->call);
    bool goes_on = job->left_to != NULL;
    pthread_mutex_lock(&job->lock);
    job->go_on = job->left_to;
    job->go_on_arg = job->left_arg;
    bool is_over = job->told_over;
    pthread_mutex_unlock(&job->lock);
    if (!goes_on)
        end_job(job);
    else if (is_over)
        calls_go_on(job);
    else
        grpc_call_knock(call);
    grpc_call_unref(call);
}

static void do_last(void *arg)
{
    struct job *job = arg;
    job->at_last(job->at_last_arg);
    end_job(job);
}

static void finish(struct rpc *rpc, bool waits, void (*last)(void *arg), void *arg)
{
    struct job *job = (struct job *) rpc;
    struct err ignored;
    job->at_last = last;
    job->at_last_arg = arg;
    calls_go_on_with(job, NULL, NULL);
    calls_refuse(job, RPC_INTERNAL, "the call was not answered");
    pthread_mutex_lock(&job->lock);
    waits = waits || job->is_attended;
    pthread_mutex_unlock(&job->lock);
    if (!waits || crew_give(job->calls->crew, do_last, job, &ignored) < 0)
        do_last(job);
}

/* ---- the answer -------------------------------------------------------------------------------------- */

static int send_whole(struct rpc *rpc, const void *message, size_t len)
{
    return send_some((struct job *) rpc, message, len, GRPC_MORE);
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

void calls_wake(struct job *job)
{
    pthread_mutex_lock(&job->lock);
    job->over = true;
    tell_over(job);
    pthread_cond_broadcast(&job->changed);
    bool goes_on = job->go_on != NULL;
    pthread_mutex_unlock(&job->lock);
    if (goes_on)
        grpc_call_knock(job->call);
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
    calls_wake(job);
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
    calls_wake(job);
    return rc;
}

static const struct rpc_ops rpc_ops = {
    .receive = receive, .receive_now = receive_now, .attend = attend, .attend_no_more = attend_no_more,
    .leave_to = leave_to, .knock = knock, .has_room = has_room, .finish = finish, .send = send_whole, .end = end, .watch = watch, .add_trailer = add_trailer, .end_http = end_http
};

void calls_refuse(struct job *job, enum rpc_status status, const char *message)
{
    (void) end(&job->rpc, status, message, NULL, 0);
}

void calls_rpc_init(struct job *job)
{
    job->rpc.ops = &rpc_ops;
    job->rpc.x = (struct exchange) {
        .ops = &exchange_ops, .method = "POST", .path = grpc_call_path(job->call), .query = "",
        .host = grpc_call_authority(job->call), .base_url = "",
    };
    snprintf(job->rpc.x.request_id, sizeof job->rpc.x.request_id, "%s", grpc_call_request_id(job->call));
}
