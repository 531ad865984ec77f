#include "tests/support/http_site.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define STEP_MS 5

static void count(struct site *site, enum site_count what)
{
    pthread_mutex_lock(&site->lock);
    site->counts[what]++;
    pthread_cond_broadcast(&site->changed);
    pthread_mutex_unlock(&site->lock);
}

/* With the lock held: let `ms` pass, or less when something changed. */
static void wait_change(struct site *site, int ms)
{
    int64_t until = mono_ns() + (int64_t) ms * 1000000;
    struct timespec ts = { until / 1000000000, until % 1000000000 };
    pthread_cond_timedwait(&site->changed, &site->lock, &ts);
}

unsigned site_get(struct site *site, enum site_count what)
{
    pthread_mutex_lock(&site->lock);
    unsigned n = site->counts[what];
    pthread_mutex_unlock(&site->lock);
    return n;
}

bool site_await(struct site *site, enum site_count what, unsigned least, int limit_ms)
{
    int64_t until = mono_ns() + (int64_t) limit_ms * 1000000;
    pthread_mutex_lock(&site->lock);
    while (site->counts[what] < least && mono_ns() < until)
        wait_change(site, limit_ms);
    bool reached = site->counts[what] >= least;
    pthread_mutex_unlock(&site->lock);
    return reached;
}

bool site_await_open(struct site *site, unsigned streams, unsigned exchanges, int limit_ms)
{
    int64_t until = mono_ns() + (int64_t) limit_ms * 1000000;
    struct http_stats stats;
    do {
        http_server_stats(site->server, &stats);
        if (stats.open_streams == streams && stats.open_exchanges == exchanges)
            return true;
        pthread_mutex_lock(&site->lock);
        wait_change(site, STEP_MS);
        pthread_mutex_unlock(&site->lock);
    } while (mono_ns() < until);
    return false;
}

void site_release(struct site *site)
{
    pthread_mutex_lock(&site->lock);
    site->released = true;
    pthread_cond_broadcast(&site->changed);
    pthread_mutex_unlock(&site->lock);
}

/* ---- handlers --------------------------------------------------------------------------- */

static void add(struct exchange *x, const char *name, const char *value)
{
    x->ops->add_header(x, name, value);
}

static void body_failed(struct site *site, struct exchange *x, const struct err *err)
{
    static const struct { enum err_code code; enum site_count what; int status; } kinds[] = {
        { ERR_LIMIT, SITE_BODY_LIMIT, 413 },
        { ERR_TIMEOUT, SITE_BODY_TIMEOUT, 408 },
        { ERR_CLOSED, SITE_BODY_CLOSED, 400 },
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (kinds[i].code != err->code)
            continue;
        count(site, kinds[i].what);
        exchange_reply(x, kinds[i].status, "text/plain", err->text, strlen(err->text));
        return;
    }
    exchange_reply(x, 500, "text/plain", err->text, strlen(err->text));
}

static void echo(struct site *site, struct exchange *x)
{
    const char *body, *again;
    size_t len, len_again;
    struct err err = ERR_INIT;
    if (exchange_body(x, &body, &len, &err) < 0) {
        body_failed(site, x, &err);
        return;
    }
    bool same = exchange_body(x, &again, &len_again, &err) == 0 && again == body && len_again == len;
    count(site, SITE_BODIES);
    add(x, "X-Method", x->method);
    add(x, "X-Path", x->path);
    add(x, "X-Raw-Path", x->raw_path);
    add(x, "X-Query", x->query);
    add(x, "X-Host", x->host);
    add(x, "X-Base", x->base_url);
    exchange_reply(x, same ? 200 : 500, "application/json", body, len);
}

char site_fill(size_t i)
{
    return (char) (i * 31 + (i >> 8));
}

static size_t number(struct exchange *x, const char *name, size_t otherwise)
{
    BUF_AUTO text = BUF_INIT;
    return query_get(x->query, name, &text) ? strtoul(text.data, NULL, 10) : otherwise;
}

static void stream(struct site *site, struct exchange *x)
{
    size_t chunks = number(x, "chunks", 1), size = number(x, "size", 1), at = 0;
    char *data = malloc(size + 1);
    if (data == NULL || x->ops->stream_begin(x, 200, "text/event-stream") < 0) {
        free(data);
        return;
    }
    for (size_t i = 0; i < chunks; i++) {
        for (size_t k = 0; k < size; k++)
            data[k] = site_fill(at++);
        if (x->ops->stream_write(x, data, size) < 0) {
            count(site, SITE_WRITE_FAILED);
            break;
        }
        if (number(x, "empty", 0) == 1)
            x->ops->stream_write(x, "", 0);
    }
    free(data);
    if (number(x, "cut", 0) == 0)
        x->ops->stream_end(x);
}

/* Until the test lets go or the client is gone; true when it was the test. */
static bool stay(struct site *site, struct exchange *x)
{
    pthread_mutex_lock(&site->lock);
    bool released;
    while (!(released = site->released)) {
        pthread_mutex_unlock(&site->lock);
        bool gone = x->ops->peer_gone(x);
        pthread_mutex_lock(&site->lock);
        if (gone)
            break;
        wait_change(site, STEP_MS);
    }
    pthread_mutex_unlock(&site->lock);
    count(site, released ? SITE_RELEASED : SITE_GONE);
    return released;
}

static void open_stream(struct site *site, struct exchange *x)
{
    if (x->ops->stream_begin(x, 200, "text/event-stream") < 0)
        return;
    if (x->ops->stream_write(x, "hello", 5) < 0)
        count(site, SITE_WRITE_FAILED);
    count(site, SITE_OPENED);
    if (stay(site, x))
        x->ops->stream_end(x);
}

static void wait_then_answer(struct site *site, struct exchange *x)
{
    count(site, SITE_OPENED);
    if (stay(site, x))
        exchange_reply(x, 200, "text/plain", "waited", 6);
}

static void flood(struct site *site, struct exchange *x)
{
    static const char zeros[65536];
    if (x->ops->stream_begin(x, 200, "text/plain") < 0)
        return;
    count(site, SITE_OPENED);
    while (x->ops->stream_write(x, zeros, sizeof zeros) == 0)
        count(site, SITE_FLOODED);
    count(site, SITE_WRITE_FAILED);
}

static void silent(struct site *site, struct exchange *x)
{
    (void) site;
    (void) x;
}

static void unread(struct site *site, struct exchange *x)
{
    (void) site;
    exchange_reply(x, 200, "text/plain", "unread", 6);
}

static void empty(struct site *site, struct exchange *x)
{
    (void) site;
    exchange_reply(x, 200, "application/json", "", 0);
}

static void twice(struct site *site, struct exchange *x)
{
    exchange_reply(x, 200, "text/plain", "first", 5);
    if (exchange_reply(x, 500, "text/plain", "second", 6) < 0 && x->ops->stream_begin(x, 200, "text/plain") < 0
        && x->ops->stream_write(x, "third", 5) < 0)
        count(site, SITE_SECOND_REFUSED);
}

static void split(struct site *site, struct exchange *x)
{
    (void) site;
    add(x, "X-Split", "a\r\nX-Evil: yes\n\tb");
    exchange_reply(x, 200, "text/plain", "", 0);
}

static void own_headers(struct site *site, struct exchange *x)
{
    (void) site;
    add(x, "X-Request-ID", "mine");
    add(x, "date", "yesterday");
    exchange_reply(x, 200, "text/plain", "own", 3);
}

static const struct {
    const char *path;
    void (*handle)(struct site *site, struct exchange *x);
} handlers[] = {
    { "/echo", echo },   { "/unread", unread }, { "/stream", stream }, { "/open", open_stream },
    { "/flood", flood }, { "/silent", silent }, { "/twice", twice },   { "/split", split },
    { "/empty", empty }, { "/raw", echo },      { "/wait", wait_then_answer },
    { "/own", own_headers },
};

static void handle(void *arg, struct exchange *x)
{
    struct site *site = arg;
    count(site, SITE_HANDLED);
    for (size_t i = 0; i < sizeof handlers / sizeof *handlers; i++) {
        if (strcmp(handlers[i].path, x->path) == 0) {
            handlers[i].handle(site, x);
            return;
        }
    }
    echo(site, x);
}

static bool takes_raw(void *arg, const struct exchange *x)
{
    (void) arg;
    return strcmp(x->path, "/raw") == 0;
}

/* ---- life ------------------------------------------------------------------------------- */

int site_start(struct site *site, const struct http_config *config, struct err *err)
{
    struct http_config full = config == NULL ? (struct http_config) { .max_streams = 40 } : *config;
    *site = (struct site) { .port = -1 };
    pthread_condattr_t monotonic;
    pthread_mutex_init(&site->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&site->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (full.address == NULL)
        full.address = "127.0.0.1";
    full.handle = handle;
    full.takes_raw_body = takes_raw;
    full.arg = site;
    if (http_server_new(&site->server, &full, err) < 0)
        return -1;
    site->port = (int) strtol(strrchr(http_server_url(site->server), ':') + 1, NULL, 10);
    return 0;
}

void site_stop(struct site *site)
{
    http_server_free(site->server);
    pthread_cond_destroy(&site->changed);
    pthread_mutex_destroy(&site->lock);
}

/* ---- what tests do ------------------------------------------------------------------------ */

void site_join(struct site *site, struct http_client *c)
{
    if (http_client_open(c, "127.0.0.1", site->port) < 0)
        fail_msg("connect: %s", c->why);
}

void site_get_answer(struct http_client *c, struct http_answer *answer)
{
    if (http_client_answer(c, answer, false) < 0)
        fail_msg("answer: %s", c->why);
}

void site_ask(struct http_client *c, struct http_answer *answer, const char *request)
{
    assert_int_equal(http_client_send(c, request, strlen(request)), 0);
    site_get_answer(c, answer);
}

void site_assert_field(const struct http_answer *answer, const char *name, const char *value)
{
    BUF_AUTO text = BUF_INIT;
    if (!http_answer_field(answer, name, &text))
        fail_msg("no field %s in %s", name, buf_cstr(&answer->head));
    assert_string_equal(text.data, value);
}
