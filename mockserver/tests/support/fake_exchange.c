#include "tests/support/fake_exchange.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

static struct fake_exchange *fake_of(struct exchange *x)
{
    return (struct fake_exchange *) x;
}

/* ---- what the dialect calls ------------------------------------------------------------- */

static const char *get_header(struct exchange *x, const char *name)
{
    const struct fake_exchange *f = fake_of(x);
    for (size_t i = 0; i < f->header_count; i++) {
        if (strcasecmp(f->headers[i].name, name) == 0)
            return f->headers[i].value;
    }
    return NULL;
}

static size_t get_headers(struct exchange *x, const char **names, const char **values, size_t max)
{
    const struct fake_exchange *f = fake_of(x);
    size_t count = f->header_count < max ? f->header_count : max;
    for (size_t i = 0; i < count; i++) {
        names[i] = f->headers[i].name;
        values[i] = f->headers[i].value;
    }
    return count;
}

static int get_body(struct exchange *x, const char **out, size_t *len, struct err *err)
{
    const struct fake_exchange *f = fake_of(x);
    (void) err;
    *out = buf_cstr(&f->request);
    *len = f->request.len;
    return 0;
}

static void add_header(struct exchange *x, const char *name, const char *value)
{
    (void) x;
    (void) name;
    (void) value;
}

/* Under the lock. */
static void begin(struct fake_exchange *f, int status, const char *type, bool streamed)
{
    f->answers++;
    f->status = status;
    f->streamed = streamed;
    f->x.answered = true;
    snprintf(f->type, sizeof f->type, "%s", type == NULL ? "" : type);
}

static int add(struct fake_exchange *f, const void *data, size_t len)
{
    buf_add(&f->body, data, len);
    f->writes++;
    pthread_cond_broadcast(&f->changed);
    return atomic_load(&f->peer_gone) ? -1 : 0;
}

static int reply(struct exchange *x, int status, const char *type, const void *body, size_t len)
{
    struct fake_exchange *f = fake_of(x);
    pthread_mutex_lock(&f->lock);
    begin(f, status, type, false);
    int rc = add(f, body, len);
    f->ended = true;
    pthread_mutex_unlock(&f->lock);
    return rc;
}

static int stream_begin(struct exchange *x, int status, const char *type)
{
    struct fake_exchange *f = fake_of(x);
    pthread_mutex_lock(&f->lock);
    begin(f, status, type, true);
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
    return atomic_load(&f->peer_gone) ? -1 : 0;
}

static int stream_write(struct exchange *x, const void *data, size_t len)
{
    struct fake_exchange *f = fake_of(x);
    pthread_mutex_lock(&f->lock);
    while (f->slow && !atomic_load(&f->peer_gone))
        pthread_cond_wait(&f->changed, &f->lock);
    int rc = add(f, data, len);
    pthread_mutex_unlock(&f->lock);
    return rc;
}

static int stream_end(struct exchange *x)
{
    struct fake_exchange *f = fake_of(x);
    pthread_mutex_lock(&f->lock);
    f->ended = true;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
    return 0;
}

static bool peer_gone(struct exchange *x)
{
    return atomic_load(&fake_of(x)->peer_gone);
}

static enum exchange_end how_ended(struct exchange *x)
{
    struct fake_exchange *f = fake_of(x);
    pthread_mutex_lock(&f->lock);
    bool ended = f->ended;
    pthread_mutex_unlock(&f->lock);
    if (ended)
        return EXCHANGE_COMPLETE;
    if (atomic_load(&f->peer_gone))
        return EXCHANGE_CLIENT_GONE;
    return x->answered ? EXCHANGE_CUT : EXCHANGE_NO_ANSWER;
}

/* Faults of the wire need a wire: here they never strike. */
static int poke(struct exchange *x)
{
    struct fake_exchange *f = fake_of(x);
    pthread_mutex_lock(&f->lock);
    f->pokes++;
    bool ended = f->ended;
    pthread_mutex_unlock(&f->lock);
    return ended || atomic_load(&f->peer_gone) ? -1 : 0;
}

static const struct exchange_ops ops = {
    .header = get_header,
    .headers = get_headers,
    .body = get_body,
    .add_header = add_header,
    .reply = reply,
    .stream_begin = stream_begin,
    .stream_write = stream_write,
    .stream_end = stream_end,
    .peer_gone = peer_gone,
    .how_ended = how_ended,
    .poke = poke,
};

/* ---- what the test calls ------------------------------------------------------------------ */

void fake_exchange_init(struct fake_exchange *f, const char *method, const char *target)
{
    const char *mark = strchr(target, '?');
    size_t path_len = mark == NULL ? strlen(target) : (size_t) (mark - target);
    *f = (struct fake_exchange){ .request = BUF_INIT, .body = BUF_INIT };
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->changed, NULL);
    snprintf(f->method, sizeof f->method, "%s", method);
    snprintf(f->path, sizeof f->path, "%.*s", (int) path_len, target);
    snprintf(f->query, sizeof f->query, "%s", mark == NULL ? "" : mark + 1);
    snprintf(f->host, sizeof f->host, "127.0.0.1:8700");
    f->x = (struct exchange){
        .ops = &ops,
        .method = f->method,
        .path = f->path,
        .query = f->query,
        .host = f->host,
        .base_url = "http://127.0.0.1:8700",
        .request_id = "test-request",
    };
}

void fake_exchange_fini(struct fake_exchange *f)
{
    fake_exchange_join(f);
    buf_fini(&f->request);
    buf_fini(&f->body);
    pthread_cond_destroy(&f->changed);
    pthread_mutex_destroy(&f->lock);
}

void fake_exchange_header(struct fake_exchange *f, const char *name, const char *value)
{
    CHECK(f->header_count < FAKE_HEADERS);
    snprintf(f->headers[f->header_count].name, sizeof f->headers[0].name, "%s", name);
    snprintf(f->headers[f->header_count].value, sizeof f->headers[0].value, "%s", value);
    f->header_count++;
}

void fake_exchange_host(struct fake_exchange *f, const char *host)
{
    snprintf(f->host, sizeof f->host, "%s", host);
}

void fake_exchange_body(struct fake_exchange *f, const void *data, size_t len)
{
    buf_add(&f->request, data, len);
}

void fake_exchange_run(struct fake_exchange *f, const struct dialect *dialect, void *self)
{
    dialect->handle(self, &f->x);
    pthread_mutex_lock(&f->lock);
    f->over = true;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

static void *run_in_thread(void *arg)
{
    struct fake_exchange *f = arg;
    fake_exchange_run(f, f->dialect, f->self);
    return NULL;
}

void fake_exchange_start(struct fake_exchange *f, const struct dialect *dialect, void *self)
{
    f->dialect = dialect;
    f->self = self;
    CHECK(pthread_create(&f->thread, NULL, run_in_thread, f) == 0);
    f->has_thread = true;
}

void fake_exchange_join(struct fake_exchange *f)
{
    if (f->has_thread)
        pthread_join(f->thread, NULL);
    f->has_thread = false;
}

void fake_exchange_hang_up(struct fake_exchange *f)
{
    pthread_mutex_lock(&f->lock);
    atomic_store(&f->peer_gone, true);
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

void fake_exchange_set_slow(struct fake_exchange *f, bool slow)
{
    pthread_mutex_lock(&f->lock);
    f->slow = slow;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

bool fake_exchange_await(struct fake_exchange *f, const char *text, int seconds)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += seconds;
    int rc = 0;
    bool found;
    pthread_mutex_lock(&f->lock);
    do {
        found = text == NULL ? f->over : strstr(buf_cstr(&f->body), text) != NULL;
        if (!found && rc == 0)
            rc = pthread_cond_timedwait(&f->changed, &f->lock, &until);
        else
            break;
    } while (true);
    pthread_mutex_unlock(&f->lock);
    return found;
}
