#include "tests/support/fake_rpc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

static struct fake_rpc *fake_of(struct exchange *x)
{
    return (struct fake_rpc *) x;
}

/* ---- what the dialect calls ------------------------------------------------------------------ */

static const char *get_header(struct exchange *x, const char *name)
{
    const struct fake_rpc *f = fake_of(x);
    return strcasecmp(name, "authorization") == 0 && f->bearer[0] != '\0' ? f->bearer : NULL;
}

static size_t get_headers(struct exchange *x, const char **names, const char **values, size_t max)
{
    if (max == 0 || get_header(x, "authorization") == NULL)
        return 0;
    names[0] = "authorization";
    values[0] = get_header(x, "authorization");
    return 1;
}

static bool is_over(struct exchange *x)
{
    struct fake_rpc *f = fake_of(x);
    pthread_mutex_lock(&f->lock);
    bool over = f->ended || f->cancelled;
    pthread_mutex_unlock(&f->lock);
    return over;
}

static int add(struct fake_rpc *f, const void *data, size_t len)
{
    pthread_mutex_lock(&f->lock);
    while (f->stalled && !f->ended && !f->cancelled)
        pthread_cond_wait(&f->changed, &f->lock);
    bool takes = !f->ended && !f->cancelled;
    CHECK(f->got_count < FAKE_RPC_MESSAGES);
    if (takes)
        buf_add(&f->got[f->got_count++], data, len);
    f->rpc.x.answered = true;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
    return takes ? 0 : -1;
}

static int stream_write(struct exchange *x, const void *data, size_t len)
{
    return add(fake_of(x), data, len);
}

/* Faults of the wire need a wire: here they never strike. */
static int poke(struct exchange *x)
{
    return is_over(x) ? -1 : 0;
}

static enum exchange_end how_ended(struct exchange *x)
{
    return fake_of(x)->ended ? EXCHANGE_COMPLETE : EXCHANGE_CLIENT_GONE;
}

static const struct exchange_ops exchange_ops = {
    .header = get_header,
    .headers = get_headers,
    .stream_write = stream_write,
    .peer_gone = is_over,
    .how_ended = how_ended,
    .poke = poke,
};

/* The next four with the lock held. */

static bool has_something(const struct fake_rpc *f)
{
    return f->ended || f->cancelled || f->taken < f->sent_count || (f->half_closed && !f->told_half_closed);
}

static void await_something(struct fake_rpc *f)
{
    while (!has_something(f))
        pthread_cond_wait(&f->changed, &f->lock);
}

static enum rpc_received take(struct fake_rpc *f, struct buf *out)
{
    if (!has_something(f))
        return RPC_NOTHING;
    if (f->ended || f->cancelled)
        return RPC_OVER;
    if (f->taken == f->sent_count) {
        f->told_half_closed = true;
        return RPC_HALF_CLOSED;
    }
    buf_fini(out);
    *out = f->sent[f->taken];
    f->sent[f->taken++] = (struct buf) BUF_INIT;
    pthread_cond_broadcast(&f->changed);
    return RPC_MESSAGE;
}

static void tell_over(struct fake_rpc *f)
{
    void (*on_over)(void *arg) = f->ended || f->cancelled ? f->on_over : NULL;
    f->on_over = on_over == NULL ? f->on_over : NULL;
    if (on_over != NULL)
        on_over(f->on_over_arg);
}

static enum rpc_received receive(struct rpc *rpc, struct buf *out)
{
    struct fake_rpc *f = (struct fake_rpc *) rpc;
    pthread_mutex_lock(&f->lock);
    await_something(f);
    enum rpc_received got = take(f, out);
    pthread_mutex_unlock(&f->lock);
    return got;
}

static enum rpc_received receive_now(struct rpc *rpc, struct buf *out)
{
    struct fake_rpc *f = (struct fake_rpc *) rpc;
    pthread_mutex_lock(&f->lock);
    enum rpc_received got = take(f, out);
    pthread_mutex_unlock(&f->lock);
    return got;
}

static void *attend_main(void *arg)
{
    struct fake_rpc *f = arg;
    pthread_mutex_lock(&f->lock);
    for (await_something(f); !f->ended && !f->cancelled; await_something(f)) {
        pthread_mutex_unlock(&f->lock);
        f->attend(f->attend_arg);
        pthread_mutex_lock(&f->lock);
    }
    pthread_mutex_unlock(&f->lock);
    return NULL;
}

static void attend(struct rpc *rpc, void (*attend_fn)(void *arg), void *arg)
{
    struct fake_rpc *f = (struct fake_rpc *) rpc;
    f->attend = attend_fn;
    f->attend_arg = arg;
    CHECK(pthread_create(&f->attendant, NULL, attend_main, f) == 0);
}

static void attend_no_more(struct rpc *rpc)
{
    pthread_join(((struct fake_rpc *) rpc)->attendant, NULL);
}

static int send_message(struct rpc *rpc, const void *message, size_t len)
{
    return add((struct fake_rpc *) rpc, message, len);
}

static int end(struct rpc *rpc, enum rpc_status status, const char *message, const void *details, size_t len)
{
    struct fake_rpc *f = (struct fake_rpc *) rpc;
    pthread_mutex_lock(&f->lock);
    bool ends = !f->ended && !f->cancelled;
    if (ends) {
        f->ended = true;
        f->status = status;
        buf_str(&f->message, message == NULL ? "" : message);
        buf_add(&f->details, details, len);
    }
    tell_over(f);
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
    return ends ? 0 : -1;
}

static int end_http(struct rpc *rpc, int status, const char *content_type, const void *body, size_t len)
{
    struct fake_rpc *f = (struct fake_rpc *) rpc;
    (void) content_type;
    (void) body;
    (void) len;
    pthread_mutex_lock(&f->lock);
    f->http_status = status;
    pthread_mutex_unlock(&f->lock);
    return end(rpc, RPC_UNKNOWN, NULL, "", 0);
}

static void watch(struct rpc *rpc, void (*over)(void *arg), void *arg)
{
    struct fake_rpc *f = (struct fake_rpc *) rpc;
    pthread_mutex_lock(&f->lock);
    f->on_over = over;
    f->on_over_arg = arg;
    tell_over(f);
    pthread_mutex_unlock(&f->lock);
}

static void add_trailer(struct rpc *rpc, const char *name, const char *value)
{
    (void) rpc;
    (void) name;
    (void) value;
}

static const struct rpc_ops rpc_ops = {
    .receive = receive, .receive_now = receive_now, .attend = attend, .attend_no_more = attend_no_more,
    .send = send_message, .end = end, .watch = watch, .add_trailer = add_trailer, .end_http = end_http
};

/* ---- what the test calls ------------------------------------------------------------------------ */

void fake_rpc_init(struct fake_rpc *f, const char *path, const char *key, struct lane *lane)
{
    memset(f, 0, sizeof *f);
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->changed, NULL);
    snprintf(f->path, sizeof f->path, "%s", path);
    if (key != NULL)
        snprintf(f->bearer, sizeof f->bearer, "Bearer %s", key);
    f->rpc = (struct rpc) {
        .x = { .ops = &exchange_ops, .method = "POST", .path = f->path, .query = "", .host = "127.0.0.1:8701",
               .base_url = "http://127.0.0.1:8701", .lane = lane, .request_id = "test-request" },
        .ops = &rpc_ops,
    };
}

void fake_rpc_fini(struct fake_rpc *f)
{
    fake_rpc_cancel(f);
    if (f->has_thread)
        pthread_join(f->thread, NULL);
    for (size_t i = 0; i < f->sent_count; i++)
        buf_fini(&f->sent[i]);
    for (size_t i = 0; i < f->got_count; i++)
        buf_fini(&f->got[i]);
    buf_fini(&f->message);
    buf_fini(&f->details);
    pthread_cond_destroy(&f->changed);
    pthread_mutex_destroy(&f->lock);
}

void fake_rpc_send(struct fake_rpc *f, const void *message, size_t len)
{
    pthread_mutex_lock(&f->lock);
    CHECK(f->sent_count < FAKE_RPC_MESSAGES && !f->half_closed);
    buf_add(&f->sent[f->sent_count], "", 0);
    buf_add(&f->sent[f->sent_count++], message, len);
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

static void set(struct fake_rpc *f, bool *flag, bool value)
{
    pthread_mutex_lock(&f->lock);
    *flag = value;
    tell_over(f);
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

void fake_rpc_half_close(struct fake_rpc *f)
{
    set(f, &f->half_closed, true);
}

void fake_rpc_cancel(struct fake_rpc *f)
{
    set(f, &f->cancelled, true);
}

void fake_rpc_stall(struct fake_rpc *f, bool stalled)
{
    set(f, &f->stalled, stalled);
}

static void *serve(void *arg)
{
    struct fake_rpc *f = arg;
    f->dialect->rpc->serve(f->self, &f->rpc, f->dialect->rpc->find(f->path));
    set(f, &f->served, true);
    return NULL;
}

void fake_rpc_start(struct fake_rpc *f, const struct dialect *dialect, void *self)
{
    f->dialect = dialect;
    f->self = self;
    CHECK(dialect->rpc->find(f->path) != NULL);
    CHECK(pthread_create(&f->thread, NULL, serve, f) == 0);
    f->has_thread = true;
}

/* With the lock held. */
static bool wait_changed(struct fake_rpc *f, const struct timespec *until)
{
    return pthread_cond_timedwait(&f->changed, &f->lock, until) == 0;
}

static struct timespec deadline(int seconds)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += seconds;
    return until;
}

bool fake_rpc_finish(struct fake_rpc *f, int seconds)
{
    struct timespec until = deadline(seconds);
    pthread_mutex_lock(&f->lock);
    while (!f->served && wait_changed(f, &until))
        ;
    bool served = f->served;
    pthread_mutex_unlock(&f->lock);
    if (served && f->has_thread) {
        pthread_join(f->thread, NULL);
        f->has_thread = false;
    }
    return served;
}

bool fake_rpc_await(struct fake_rpc *f, size_t count, int seconds)
{
    struct timespec until = deadline(seconds);
    pthread_mutex_lock(&f->lock);
    while (f->got_count < count && !f->served && wait_changed(f, &until))
        ;
    bool there = f->got_count >= count;
    pthread_mutex_unlock(&f->lock);
    return there;
}

bool fake_rpc_await_taken(struct fake_rpc *f, size_t taken, int seconds)
{
    struct timespec until = deadline(seconds);
    pthread_mutex_lock(&f->lock);
    while (f->taken < taken && wait_changed(f, &until))
        ;
    bool there = f->taken >= taken;
    pthread_mutex_unlock(&f->lock);
    return there;
}
