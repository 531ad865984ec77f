#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/support/http_faulty.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lanes/strike.h"
#include "tests/support/one_fault.h"

#define LIMIT_MS HTTP_CLIENT_LIMIT_MS
#define STEP_NS INT64_C(5000000)
#define FACTS_BEFORE (SEEN_BIT(SEEN_QUEUED) | SEEN_BIT(SEEN_STARTED))

/* An exchange finds the server that it belongs to by its observer. */
struct watch {
    struct observer observer;    /* first */
    struct faulty *faulty;
};

static struct faulty *faulty_of(struct exchange *x)
{
    return ((const struct watch *) x->observer)->faulty;
}

char faulty_fill(size_t i)
{
    return (char) ('a' + (i * 7 + i / 251) % 26);
}

/* ---- what is seen ----------------------------------------------------------------------- */

static void see_request_body(struct exchange *x, const void *body, size_t len)
{
    struct faulty *f = faulty_of(x);
    pthread_mutex_lock(&f->lock);
    buf_add(&f->seen.request, body, len);
    pthread_mutex_unlock(&f->lock);
}

static void see_answer(struct exchange *x, int status, const char *content_type)
{
    struct faulty *f = faulty_of(x);
    (void) content_type;
    pthread_mutex_lock(&f->lock);
    f->seen.status = status;
    pthread_mutex_unlock(&f->lock);
}

static void see_answer_bytes(struct exchange *x, const void *data, size_t len)
{
    struct faulty *f = faulty_of(x);
    pthread_mutex_lock(&f->lock);
    buf_add(&f->seen.bytes, data, len);
    pthread_mutex_unlock(&f->lock);
}

static void see_ending(struct exchange *x, enum exchange_end end)
{
    struct faulty *f = faulty_of(x);
    pthread_mutex_lock(&f->lock);
    f->seen.told_end = end;
    f->seen.told_bytes = f->seen.bytes.len;
    f->seen.told_ends++;
    pthread_mutex_unlock(&f->lock);
}

static void expire_token(struct exchange *x)
{
    struct faulty *f = faulty_of(x);
    if (x->strike->fault->kind != FAULT_EXPIRE_TOKEN || x->strike->fired)
        return;
    strike_fired(x->strike);
    pthread_mutex_lock(&f->lock);
    f->seen.is_expired = true;
    f->seen.expired_at = x->strike->bytes;
    pthread_mutex_unlock(&f->lock);
}

/* What an operation returned.  An answer that is over stays so. */
static int check(struct exchange *x, int rc)
{
    struct faulty *f = faulty_of(x);
    pthread_mutex_lock(&f->lock);
    if (f->seen.was_ended && rc >= 0)
        f->seen.went_on = true;
    f->seen.was_ended = f->seen.was_ended || rc < 0;
    pthread_mutex_unlock(&f->lock);
    return rc;
}

/* ---- handlers --------------------------------------------------------------------------- */

static int write_event(struct exchange *x, const char *text, bool is_event)
{
    int rc = check(x, x->ops->stream_write(x, text, strlen(text)));
    if (rc < 0 || !is_event || x->strike == NULL)
        return rc;
    strike_note_event(x->strike);
    return check(x, x->ops->poke(x));
}

static int note_exit(struct exchange *x)
{
    if (x->strike == NULL)
        return 0;
    strike_note_fact(x->strike, SEEN_EXITED);
    return check(x, x->ops->poke(x));
}

/* Goes on when it should not, since nothing may come of it. */
static void stream(struct exchange *x, const char *type, bool has_events)
{
    if (has_events && x->strike != NULL)
        check(x, x->ops->poke(x));
    check(x, x->ops->stream_begin(x, 200, type));
    write_event(x, "one\n", has_events);
    write_event(x, "two\n", has_events);
    if (has_events)
        note_exit(x);
    write_event(x, "three\n", has_events);
    check(x, x->ops->stream_end(x));
}

static void answer_whole(struct exchange *x)
{
    BUF_AUTO body = BUF_INIT;
    BUF_AUTO size = BUF_INIT;
    if (query_get(x->query, "size", &size)) {
        for (size_t i = 0; i < strtoul(size.data, NULL, 10); i++)
            buf_char(&body, faulty_fill(i));
    } else
        buf_str(&body, "one\ntwo\nthree\n");
    check(x, exchange_reply(x, 200, "text/plain", buf_cstr(&body), body.len));
}

static void answer_events(struct exchange *x)
{
    stream(x, "text/event-stream", true);
}

static void answer_chunks(struct exchange *x)
{
    stream(x, "application/octet-stream", false);
}

static void answer_headers(struct exchange *x)
{
    BUF_AUTO body = BUF_INIT;
    BUF_AUTO max = BUF_INIT;
    const char *names[EXCHANGE_MAX_HEADERS], *values[EXCHANGE_MAX_HEADERS];
    bool has_max = query_get(x->query, "max", &max);
    size_t count = x->ops->headers(x, names, values, has_max ? strtoul(max.data, NULL, 10) : EXCHANGE_MAX_HEADERS);
    for (size_t i = 0; i < count; i++)
        buf_printf(&body, "%s: %s\n", names[i], values[i]);
    check(x, exchange_reply(x, 200, "text/plain", buf_cstr(&body), body.len));
}

static void answer_nothing(struct exchange *x)
{
    (void) x;
}

static void answer_without_end(struct exchange *x)
{
    check(x, x->ops->stream_begin(x, 200, "text/plain"));
    check(x, x->ops->stream_write(x, "cut", 3));
}

/* Let a moment pass, or less when something changed. */
static void wait_step(struct faulty *f)
{
    int64_t end = mono_ns() + STEP_NS;
    struct timespec until = { end / 1000000000, end % 1000000000 };
    pthread_mutex_lock(&f->lock);
    pthread_cond_timedwait(&f->changed, &f->lock, &until);
    pthread_mutex_unlock(&f->lock);
}

static void answer_nobody(struct exchange *x)
{
    int64_t end = mono_ns() + (int64_t) LIMIT_MS * 1000000;
    while (!x->ops->peer_gone(x) && mono_ns() < end)
        wait_step(faulty_of(x));
}

static void answer_with_pause(struct exchange *x)
{
    struct faulty *f = faulty_of(x);
    check(x, x->ops->stream_begin(x, 200, "text/plain"));
    write_event(x, "one\n", false);
    pthread_mutex_lock(&f->lock);
    while (!f->is_released)
        pthread_cond_wait(&f->changed, &f->lock);
    pthread_mutex_unlock(&f->lock);
    write_event(x, "two\nthree\n", false);
    check(x, x->ops->stream_end(x));
}

static void answer_plain(struct exchange *x)
{
    exchange_reply(x, 200, "text/plain", "plain", 5);
}

static void answer(struct exchange *x)
{
    static const struct { const char *path; void (*answer)(struct exchange *x); } answers[] = {
        { "/events", answer_events },   { "/chunks", answer_chunks },   { "/whole", answer_whole },
        { "/headers", answer_headers }, { "/nothing", answer_nothing }, { "/endless", answer_without_end },
        { "/nobody", answer_nobody },   { "/pause", answer_with_pause }, { "/plain", answer_plain },
    };
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        if (strcmp(answers[i].path, x->path) == 0)
            answers[i].answer(x);
    }
}

static void jump(void *arg)
{
    struct faulty *f = arg;
    int64_t ms = atomic_load(&f->jump_ms);
    if (ms > 0)
        clock_advance(f->clock, ms);
}

/* As op_begin does. */
static void arm(struct faulty *f, struct exchange *x, struct strike *strike)
{
    const struct match_subject subject = { .op = OP_PROCESS_STREAM, .dialect = DIALECT_HYPERBROWSER,
                                           .lane = "default", .facts = FACTS_BEFORE };
    struct match_ticket ticket;
    pthread_mutex_lock(&f->lock);
    struct match *match = f->match == NULL ? NULL : match_ref(f->match);
    struct clock *clock = f->clock;          /* lives until all handlers have returned */
    pthread_mutex_unlock(&f->lock);
    if (match == NULL || strcmp(x->path, "/plain") == 0 || !match_fault(match, &subject, &ticket)) {
        match_unref(match);
        return;
    }
    strike_arm(strike, match, &ticket, clock, FACTS_BEFORE);
    strike->on_fired = jump;
    strike->arg = f;
    x->strike = strike;
    x->on_strike = expire_token;
    if (strike->fault->kind == FAULT_EMPTY_RESPONSE)
        check(x, x->ops->poke(x));
    if (strike->fault->kind == FAULT_EXPIRE_TOKEN && strike->rule->at.place == AT_START)
        expire_token(x);
}

/* However an answer ended before its end: nothing more may come of it. */
static void ask_for_more(struct exchange *x)
{
    check(x, exchange_reply(x, 500, "text/plain", "late", 4));
    check(x, x->ops->stream_begin(x, 500, "text/plain"));
    check(x, x->ops->stream_write(x, "late", 4));
    check(x, x->ops->stream_end(x));
    check(x, x->ops->poke(x));
    check(x, x->ops->peer_gone(x) ? -1 : 0);
}

static void tell_finished(struct faulty *f, enum exchange_end end)
{
    pthread_mutex_lock(&f->lock);
    f->seen.end = end;
    f->finished++;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

static void handle(void *arg, struct exchange *x)
{
    struct faulty *f = arg;
    struct watch watch = { { see_request_body, see_answer, see_answer_bytes, see_ending }, f };
    struct strike strike = { 0 };
    if (strcmp(x->path, "/plain") == 0) {
        answer(x);
        return;
    }
    pthread_mutex_lock(&f->lock);
    f->begun++;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
    x->observer = &watch.observer;
    arm(f, x, &strike);
    answer(x);
    pthread_mutex_lock(&f->lock);
    bool was_ended = f->seen.was_ended;
    pthread_mutex_unlock(&f->lock);
    if (was_ended && x->answered)
        ask_for_more(x);
    enum exchange_end end = x->ops->how_ended(x);
    x->strike = NULL;
    x->observer = NULL;
    strike_end(&strike);
    tell_finished(f, end);
}

/* ---- life ------------------------------------------------------------------------------- */

int faulty_start(struct faulty *f, struct err *err)
{
    *f = (struct faulty) { .port = -1 };
    pthread_condattr_t monotonic;
    pthread_mutex_init(&f->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&f->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    struct http_config config = { .address = "127.0.0.1", .max_streams = 20, .handle = handle, .arg = f };
    if (http_server_new(&f->server, &config, err) < 0)
        return -1;
    f->port = http_client_port(http_server_url(f->server));
    return http_server_await_workers(f->server, err);
}

static void forget(struct faulty *f)
{
    match_unref(f->match);
    clock_unref(f->clock);
    buf_fini(&f->seen.bytes);
    buf_fini(&f->seen.request);
    f->match = NULL;
    f->clock = NULL;
    f->seen = (struct faulty_seen) { 0 };
    f->begun = f->finished = 0;
    f->is_released = false;
}

void faulty_stop(struct faulty *f)
{
    http_server_free(f->server);
    f->server = NULL;
    forget(f);
    pthread_cond_destroy(&f->changed);
    pthread_mutex_destroy(&f->lock);
}

int faulty_arm(struct faulty *f, const char *at, const char *fault, struct err *err)
{
    struct match *match;
    struct clock *clock;
    if (one_fault_new(at, fault, &match, &clock, err) < 0)
        return -1;
    pthread_mutex_lock(&f->lock);
    forget(f);
    f->match = match;
    f->clock = clock;
    pthread_mutex_unlock(&f->lock);
    return 0;
}

/* ---- waiting ---------------------------------------------------------------------------- */

static bool await_count(struct faulty *f, const unsigned *count, unsigned least)
{
    int64_t end = mono_ns() + (int64_t) LIMIT_MS * 1000000;
    struct timespec until = { end / 1000000000, end % 1000000000 };
    pthread_mutex_lock(&f->lock);
    while (*count < least && pthread_cond_timedwait(&f->changed, &f->lock, &until) == 0)
        continue;
    bool is_there = *count >= least;
    pthread_mutex_unlock(&f->lock);
    return is_there;
}

static unsigned read_count(struct faulty *f, const unsigned *count)
{
    pthread_mutex_lock(&f->lock);
    unsigned now = *count;
    pthread_mutex_unlock(&f->lock);
    return now;
}

unsigned faulty_begun(struct faulty *f)
{
    return read_count(f, &f->begun);
}

unsigned faulty_finished(struct faulty *f)
{
    return read_count(f, &f->finished);
}

bool faulty_await_begun(struct faulty *f, unsigned count)
{
    return await_count(f, &f->begun, count);
}

bool faulty_await(struct faulty *f, unsigned count)
{
    return await_count(f, &f->finished, count);
}

void faulty_release(struct faulty *f)
{
    pthread_mutex_lock(&f->lock);
    f->is_released = true;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

bool faulty_await_idle(struct faulty *f)
{
    int64_t end = mono_ns() + (int64_t) LIMIT_MS * 1000000;
    struct http_stats stats;
    for (http_server_stats(f->server, &stats); stats.open_exchanges > 0; http_server_stats(f->server, &stats)) {
        if (mono_ns() > end)
            return false;
        wait_step(f);
    }
    return stats.open_streams == 0;
}

void faulty_get_counts(struct faulty *f, struct match_counts *out)
{
    *out = (struct match_counts) { 0 };
    match_get_counts(f->match, MATCH_FAULTS, 0, out);
}

int faulty_receive_in_time(struct faulty *f, struct http_client *c, int64_t step_ms)
{
    int64_t end = mono_ns() + (int64_t) LIMIT_MS * 1000000;
    for (int rc; mono_ns() < end;) {
        if ((rc = http_client_receive(c, 2)) != 0)
            return rc;
        clock_advance(f->clock, step_ms);
    }
    return 0;
}

/* ---- as a fixture ------------------------------------------------------------------------ */

struct faulty faulty_site;

int faulty_setup(void **state)
{
    (void) state;
    struct err err = ERR_INIT;
    /* The workers of its second step have files of their own: they are to be open when a test begins to count. */
    if (faulty_start(&faulty_site, &err) == 0 && http_server_await_workers(faulty_site.server, &err) >= 0)
        return 0;
    print_error("%s\n", err.text);
    return -1;
}

int faulty_teardown(void **state)
{
    (void) state;
    faulty_stop(&faulty_site);
    return 0;
}

void faulty_must_arm(const char *at, const char *fault)
{
    struct err err = ERR_INIT;
    if (faulty_arm(&faulty_site, at, fault, &err) < 0)
        fail_msg("%s", err.text);
}
