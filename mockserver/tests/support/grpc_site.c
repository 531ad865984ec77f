#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/support/grpc_site.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "lanes/strike.h"
#include "tests/support/one_fault.h"

#define FACTS_BEFORE (SEEN_BIT(SEEN_QUEUED) | SEEN_BIT(SEEN_STARTED))

/* What a handler knows of its call. */
struct visit {
    struct grpc_site *site;
    struct grpc_call *call;         /* a reference */
    struct strike strike;
    size_t left, size;              /* Count, Pour: messages to come, and their size */
    size_t bytes;                   /* Collect, Keep */
    struct buf text;
    bool is_over;
    unsigned refs;                  /* site's lock */
};

char grpc_site_fill(size_t i)
{
    return (char) ('a' + (i * 7 + i / 251) % 26);
}

static struct visit *visit_of(struct grpc_call *call)
{
    return grpc_call_data(call);
}

static void change(struct grpc_site *site, unsigned *count)
{
    pthread_mutex_lock(&site->lock);
    (*count)++;
    pthread_cond_broadcast(&site->changed);
    pthread_mutex_unlock(&site->lock);
}

static void drop(struct visit *v)
{
    pthread_mutex_lock(&v->site->lock);
    bool is_last = --v->refs == 0;
    pthread_mutex_unlock(&v->site->lock);
    if (!is_last)
        return;
    buf_fini(&v->text);
    grpc_call_unref(v->call);
    free(v);
}

/* ---- what is seen ----------------------------------------------------------------------- */

static void see_request(void *arg, const void *data, size_t len)
{
    struct grpc_site *site = arg;
    pthread_mutex_lock(&site->lock);
    if (site->seen.request.len < 65536)
        buf_add(&site->seen.request, data, len);
    pthread_mutex_unlock(&site->lock);
}

static void see_answer(void *arg, int http_status, const char *content_type)
{
    struct grpc_site *site = arg;
    (void) content_type;
    pthread_mutex_lock(&site->lock);
    site->seen.answers++;
    site->seen.http_status = http_status;
    buf_clear(&site->seen.answer);
    pthread_mutex_unlock(&site->lock);
}

static void see_bytes(void *arg, const void *data, size_t len)
{
    struct grpc_site *site = arg;
    pthread_mutex_lock(&site->lock);
    if (site->seen.answer.len < 65536)
        buf_add(&site->seen.answer, data, len);
    pthread_mutex_unlock(&site->lock);
}

static void see_ending(void *arg, enum exchange_end end, int status)
{
    struct grpc_site *site = arg;
    pthread_mutex_lock(&site->lock);
    site->seen.told[end]++;
    site->seen.status = status;
    pthread_mutex_unlock(&site->lock);
}

static const struct grpc_observer observer = {
    .request_bytes = see_request, .answer = see_answer, .answer_bytes = see_bytes, .ending = see_ending
};

/* ---- the life of a call ----------------------------------------------------------------- */

static void expire(void *arg)
{
    struct visit *v = arg;
    if (!v->strike.fired)
        strike_fired(&v->strike);
}

/* As op_begin does. */
static void arm(struct visit *v)
{
    struct grpc_site *site = v->site;
    const struct match_subject subject = { .op = OP_PROCESS_STREAM, .dialect = DIALECT_MODAL, .lane = "default",
                                           .facts = FACTS_BEFORE };
    struct match_ticket ticket;
    pthread_mutex_lock(&site->lock);
    struct match *match = site->match == NULL ? NULL : match_ref(site->match);
    struct clock *clock = site->clock;
    pthread_mutex_unlock(&site->lock);
    if (match == NULL || !match_fault(match, &subject, &ticket)) {
        match_unref(match);
        return;
    }
    strike_arm(&v->strike, match, &ticket, clock, FACTS_BEFORE);
    grpc_call_arm(v->call, &v->strike, expire, v);
}

static void begin(struct grpc_call *call)
{
    struct visit *v = calloc(1, sizeof *v);
    if (v == NULL)
        abort();
    *v = (struct visit) { .site = &grpc_site, .call = grpc_call_ref(call), .refs = 1 };
    grpc_call_set_data(call, v);
    grpc_call_observe(call, &observer, v->site);
    arm(v);
    change(v->site, &v->site->seen.begun);
}

static void over(struct grpc_call *call, enum exchange_end end)
{
    struct visit *v = visit_of(call);
    struct grpc_site *site = v->site;
    strike_end(&v->strike);
    pthread_mutex_lock(&site->lock);
    site->seen.went_on += v->is_over;
    v->is_over = true;
    site->seen.ends[end]++;
    site->seen.over++;
    pthread_cond_broadcast(&site->changed);
    pthread_mutex_unlock(&site->lock);
    drop(v);
}

/* Has this thing the right to happen?  Callbacks may not come after the last. */
static void note(struct grpc_call *call, unsigned *count)
{
    struct visit *v = visit_of(call);
    pthread_mutex_lock(&v->site->lock);
    v->site->seen.went_on += v->is_over;
    (*count)++;
    pthread_mutex_unlock(&v->site->lock);
}

/* ---- methods ---------------------------------------------------------------------------- */

static bool echo(struct grpc_call *call, struct buf *message)
{
    struct err ignored;
    note(call, &grpc_site.seen.messages);
    grpc_call_send(call, buf_cstr(message), message->len, GRPC_PLAIN, &ignored);
    return true;
}

static void end_well(struct grpc_call *call)
{
    struct err ignored;
    note(call, &grpc_site.seen.half_closes);
    grpc_call_end(call, GRPC_OK, NULL, NULL, 0, &ignored);
}

static const struct grpc_handler unary = { begin, echo, end_well, NULL, over, NULL };

/* Echo with backpressure both ways: what cannot be sent yet is kept, and the client gets no window. */
static bool echo_kept(struct grpc_call *call, struct buf *message)
{
    struct visit *v = visit_of(call);
    struct err why = ERR_INIT;
    note(call, &grpc_site.seen.messages);
    if (v->text.len == 0 && grpc_call_send(call, buf_cstr(message), message->len, GRPC_PLAIN, &why) == 0)
        return true;
    buf_printf(&v->text, "%zu ", message->len);
    buf_add(&v->text, buf_cstr(message), message->len);
    return false;
}

static void send_kept(struct grpc_call *call)
{
    struct visit *v = visit_of(call);
    struct err ignored;
    while (v->text.len > 0) {
        char *end;
        size_t len = strtoul(v->text.data, &end, 10), head = (size_t) (end + 1 - v->text.data);
        if (grpc_call_send(call, end + 1, len, GRPC_PLAIN, &ignored) < 0)
            return;
        grpc_call_consume(call, len);
        memmove(v->text.data, v->text.data + head + len, v->text.len - head - len);
        v->text.len -= head + len;
    }
    if (v->left == 1)
        grpc_call_end(call, GRPC_OK, NULL, NULL, 0, &ignored);
}

static void end_kept(struct grpc_call *call)
{
    struct visit *v = visit_of(call);
    note(call, &grpc_site.seen.half_closes);
    v->left = 1;
    send_kept(call);
}

static const struct grpc_handler bidi = { begin, echo_kept, end_kept, send_kept, over, NULL };

static bool collect(struct grpc_call *call, struct buf *message)
{
    struct visit *v = visit_of(call);
    note(call, &grpc_site.seen.messages);
    for (size_t i = 0; i < message->len; i++) {
        if (message->data[i] != grpc_site_fill(i))
            v->size = 1;
    }
    v->bytes += message->len;
    return true;
}

static void tell_collected(struct grpc_call *call)
{
    struct visit *v = visit_of(call);
    char text[64];
    struct err ignored;
    int len = snprintf(text, sizeof text, "%zu%s", v->bytes, v->size == 0 ? "" : " wrong");
    grpc_call_send(call, text, (size_t) len, GRPC_PLAIN, &ignored);
    end_well(call);
}

static const struct grpc_handler collector = { begin, collect, tell_collected, NULL, over, NULL };

static void fill(struct visit *v)
{
    char *end;
    v->left = strtoul(buf_cstr(&v->text), &end, 10);
    v->size = strtoul(end, NULL, 10);
    buf_clear(&v->text);
    for (size_t i = 0; i < v->size; i++)
        buf_char(&v->text, grpc_site_fill(i));
}

static bool take_text(struct grpc_call *call, struct buf *message)
{
    struct visit *v = visit_of(call);
    note(call, &grpc_site.seen.messages);
    v->text = *message;
    *message = (struct buf) BUF_INIT;
    return true;
}

static void count_on(struct grpc_call *call)
{
    struct visit *v = visit_of(call);
    struct err ignored;
    while (v->left > 0 && grpc_call_send(call, buf_cstr(&v->text), v->size, GRPC_PLAIN, &ignored) == 0)
        v->left--;
    if (v->left == 0)
        grpc_call_end(call, GRPC_OK, NULL, NULL, 0, &ignored);
}

static void begin_count(struct grpc_call *call)
{
    note(call, &grpc_site.seen.half_closes);
    fill(visit_of(call));
    count_on(call);
}

static const struct grpc_handler counter = { begin, take_text, begin_count, count_on, over, NULL };

static void start_thread(struct grpc_call *call, void *(*run)(void *arg))
{
    struct visit *v = visit_of(call);
    pthread_t thread;
    pthread_mutex_lock(&v->site->lock);
    v->refs++;
    v->site->threads++;
    pthread_mutex_unlock(&v->site->lock);
    if (pthread_create(&thread, NULL, run, v) != 0)
        abort();
    pthread_detach(thread);
}

static void *end_thread(struct visit *v)
{
    struct grpc_site *site = v->site;
    drop(v);
    pthread_mutex_lock(&site->lock);
    site->threads--;
    pthread_cond_broadcast(&site->changed);
    pthread_mutex_unlock(&site->lock);
    return NULL;
}

static void *pour(void *arg)
{
    struct visit *v = arg;
    struct err err = ERR_INIT;
    while (v->left > 0 && grpc_call_await_room(v->call, INT64_MAX, &err) == 0) {
        if (grpc_call_send(v->call, buf_cstr(&v->text), v->size, GRPC_PLAIN, &err) == 0)
            v->left--;
    }
    grpc_call_flush(v->call, INT64_MAX, &err);
    grpc_call_end(v->call, GRPC_OK, NULL, NULL, 0, &err);
    return end_thread(v);
}

static void begin_pour(struct grpc_call *call)
{
    note(call, &grpc_site.seen.half_closes);
    fill(visit_of(call));
    start_thread(call, pour);
}

static const struct grpc_handler pourer = { begin, take_text, begin_pour, NULL, over, NULL };

static void fail_as_told(struct grpc_call *call)
{
    struct visit *v = visit_of(call);
    struct err ignored;
    char *text;
    enum grpc_status status = (enum grpc_status) strtoul(buf_cstr(&v->text), &text, 10);
    text += *text == ' ';
    grpc_call_add_trailer(call, "x-why", "asked", &ignored);
    grpc_call_end(call, status, text, text, strlen(text), &ignored);
}

static const struct grpc_handler failer = { begin, take_text, fail_as_told, NULL, over, NULL };

static void answer_http(struct grpc_call *call)
{
    struct visit *v = visit_of(call);
    struct err ignored;
    char *type;
    int status = (int) strtol(buf_cstr(&v->text), &type, 10);
    grpc_call_end_http(call, status, type + 1, "<p>hello</p>", 12, &ignored);
}

static const struct grpc_handler web = { begin, take_text, answer_http, NULL, over, NULL };

static void *answer_late(void *arg)
{
    struct visit *v = arg;
    struct grpc_site *site = v->site;
    struct err err = ERR_INIT;
    pthread_mutex_lock(&site->lock);
    while (!site->is_released)
        pthread_cond_wait(&site->changed, &site->lock);
    pthread_mutex_unlock(&site->lock);
    int sent = grpc_call_send(v->call, "late", 4, GRPC_PLAIN, &err);
    int ended = grpc_call_end(v->call, GRPC_OK, NULL, NULL, 0, &err);
    grpc_call_note_fact(v->call, SEEN_EXITED);
    grpc_call_consume(v->call, 1);
    if (sent < 0 && ended < 0 && err.code == ERR_CLOSED && grpc_call_is_over(v->call))
        change(site, &site->seen.late_refused);
    return end_thread(v);
}

static void begin_wait(struct grpc_call *call)
{
    struct err ignored;
    grpc_call_send_head(call, &ignored);
    start_thread(call, answer_late);
}

static const struct grpc_handler waiter = { begin, NULL, begin_wait, NULL, over, NULL };

static bool keep(struct grpc_call *call, struct buf *message)
{
    struct visit *v = visit_of(call);
    note(call, &grpc_site.seen.messages);
    pthread_mutex_lock(&v->site->lock);
    v->bytes += message->len;
    bool is_released = v->site->is_released;
    pthread_mutex_unlock(&v->site->lock);
    return is_released;
}

static void *let_go(void *arg)
{
    struct visit *v = arg;
    struct grpc_site *site = v->site;
    pthread_mutex_lock(&site->lock);
    while (!site->is_released)
        pthread_cond_wait(&site->changed, &site->lock);
    size_t bytes = v->bytes;
    pthread_mutex_unlock(&site->lock);
    grpc_call_consume(v->call, bytes);
    return end_thread(v);
}

static void begin_keep(struct grpc_call *call)
{
    begin(call);
    start_thread(call, let_go);
}

static const struct grpc_handler keeper = { begin_keep, keep, tell_collected, NULL, over, NULL };

static void send_event(struct grpc_call *call, const char *text)
{
    struct err ignored;
    grpc_call_send(call, text, strlen(text), GRPC_EVENT, &ignored);
}

static void send_events(struct grpc_call *call)
{
    struct err ignored;
    grpc_call_poke(call);
    send_event(call, "one");
    send_event(call, "two");
    grpc_call_note_fact(call, SEEN_EXITED);
    send_event(call, "three");
    grpc_call_end(call, GRPC_OK, NULL, NULL, 0, &ignored);
}

static const struct grpc_handler events = { begin, take_text, send_events, NULL, over, NULL };

static void tell_asked(struct grpc_call *call)
{
    const char *names[EXCHANGE_MAX_HEADERS], *values[EXCHANGE_MAX_HEADERS];
    BUF_AUTO text = BUF_INIT;
    struct err ignored;
    int64_t deadline = grpc_call_deadline_ns(call);
    buf_printf(&text, "path %s\nauthority %s\n", grpc_call_path(call), grpc_call_authority(call));
    if (deadline != INT64_MAX)
        buf_printf(&text, "seconds %lld\n", (long long) ((deadline - mono_ns() + 999999999) / 1000000000));
    size_t count = grpc_call_headers(call, names, values, EXCHANGE_MAX_HEADERS);
    for (size_t i = 0; i < count; i++)
        buf_printf(&text, "%s: %s\n", names[i], values[i]);
    grpc_call_add_header(call, "x-first", "1", &ignored);
    grpc_call_send(call, buf_cstr(&text), text.len, GRPC_PLAIN, &ignored);
    grpc_call_end(call, GRPC_OK, NULL, NULL, 0, &ignored);
}

static const struct grpc_handler asker = { begin, take_text, tell_asked, NULL, over, NULL };

static bool end_early(struct grpc_call *call, struct buf *message)
{
    struct err ignored;
    note(call, &grpc_site.seen.messages);
    grpc_call_send(call, buf_cstr(message), message->len, GRPC_PLAIN, &ignored);
    grpc_call_end(call, GRPC_OK, NULL, NULL, 0, &ignored);
    return true;
}

static const struct grpc_handler early = { begin, end_early, NULL, NULL, over, NULL };

const struct grpc_method *grpc_site_find(void *arg, const struct grpc_call *call)
{
    static const struct grpc_method methods[] = {
        { "/t.Echo/Unary", GRPC_UNARY, &unary },          { "/t.Echo/Bidi", GRPC_BIDI, &bidi },
        { "/t.Echo/Collect", GRPC_CLIENT_STREAM, &collector }, { "/t.Echo/Count", GRPC_SERVER_STREAM, &counter },
        { "/t.Echo/Pour", GRPC_SERVER_STREAM, &pourer },  { "/t.Echo/Fail", GRPC_UNARY, &failer },
        { "/t.Echo/Http", GRPC_UNARY, &web },             { "/t.Echo/Wait", GRPC_SERVER_STREAM, &waiter },
        { "/t.Echo/Keep", GRPC_BIDI, &keeper },           { "/t.Echo/Events", GRPC_SERVER_STREAM, &events },
        { "/t.Echo/Ask", GRPC_UNARY, &asker },            { "/t.Echo/Early", GRPC_BIDI, &early },
    };
    (void) arg;
    return grpc_method_find(methods, sizeof methods / sizeof *methods, grpc_call_path(call));
}

/* ---- life ------------------------------------------------------------------------------- */

struct grpc_site grpc_site;

int grpc_site_port(const char *url)
{
    return (int) strtol(strrchr(url, ':') + 1, NULL, 10);
}

int grpc_site_start(struct grpc_site *site, const struct grpc_config *config, struct err *err)
{
    struct grpc_config used = config == NULL ? (struct grpc_config) { 0 } : *config;
    pthread_condattr_t monotonic;
    *site = (struct grpc_site) { .port = -1 };
    pthread_mutex_init(&site->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&site->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    used.address = used.address == NULL ? "127.0.0.1" : used.address;
    used.find = grpc_site_find;
    used.arg = site;
    if (grpc_server_new(&site->server, &used, err) < 0)
        return -1;
    site->port = grpc_site_port(grpc_server_url(site->server));
    return 0;
}

static void forget(struct grpc_site *site)
{
    match_unref(site->match);
    clock_unref(site->clock);
    buf_fini(&site->seen.request);
    buf_fini(&site->seen.answer);
    site->match = NULL;
    site->clock = NULL;
    site->seen = (struct grpc_seen) { .status = -2 };
    site->is_released = false;
}

void grpc_site_stop(struct grpc_site *site)
{
    grpc_server_free(site->server);
    site->server = NULL;
    grpc_site_release(site);
    pthread_mutex_lock(&site->lock);
    while (site->threads > 0)
        pthread_cond_wait(&site->changed, &site->lock);
    forget(site);
    pthread_mutex_unlock(&site->lock);
    pthread_cond_destroy(&site->changed);
    pthread_mutex_destroy(&site->lock);
}

void grpc_site_release(struct grpc_site *site)
{
    pthread_mutex_lock(&site->lock);
    site->is_released = true;
    pthread_cond_broadcast(&site->changed);
    pthread_mutex_unlock(&site->lock);
}

int grpc_site_arm(struct grpc_site *site, const char *at, const char *fault, struct err *err)
{
    struct match *match;
    struct clock *clock;
    if (one_fault_new(at, fault, &match, &clock, err) < 0)
        return -1;
    pthread_mutex_lock(&site->lock);
    forget(site);
    site->match = match;
    site->clock = clock;
    pthread_mutex_unlock(&site->lock);
    return 0;
}

void grpc_site_disarm(struct grpc_site *site)
{
    pthread_mutex_lock(&site->lock);
    forget(site);
    pthread_mutex_unlock(&site->lock);
}

void grpc_site_counts(struct grpc_site *site, struct match_counts *out)
{
    *out = (struct match_counts) { 0 };
    match_get_counts(site->match, MATCH_FAULTS, 0, out);
}

/* ---- what was seen ---------------------------------------------------------------------- */

struct grpc_seen grpc_site_seen(struct grpc_site *site)
{
    pthread_mutex_lock(&site->lock);
    struct grpc_seen seen = site->seen;
    pthread_mutex_unlock(&site->lock);
    seen.request = seen.answer = (struct buf) BUF_INIT;
    return seen;
}

bool grpc_site_answered(struct grpc_site *site, const void *bytes, size_t len)
{
    pthread_mutex_lock(&site->lock);
    bool is_same = site->seen.answer.len == len && memcmp(buf_cstr(&site->seen.answer), bytes, len) == 0;
    pthread_mutex_unlock(&site->lock);
    return is_same;
}

/* ---- as a fixture ------------------------------------------------------------------------ */

int grpc_site_setup(void **state)
{
    struct err err = ERR_INIT;
    (void) state;
    if (grpc_site_start(&grpc_site, NULL, &err) == 0)
        return 0;
    print_error("%s\n", err.text);
    return -1;
}

int grpc_site_teardown(void **state)
{
    (void) state;
    grpc_site_stop(&grpc_site);
    return 0;
}

void grpc_site_join(struct h2_client *c)
{
    if (h2_connect(c, grpc_site.port, NULL) < 0)
        fail_msg("cannot connect to port %d", grpc_site.port);
}

void grpc_site_must_be_well(void)
{
    struct h2_client c;
    BUF_AUTO answer = BUF_INIT;
    grpc_site_join(&c);
    int status = h2_unary(&c, "/t.Echo/Unary", "are you well?", 13, &answer);
    h2_close(&c);
    assert_int_equal(status, 0);
    assert_string_equal(buf_cstr(&answer), "are you well?");
}
