/* Sandboxes: made, found, stopped. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "engine/engine_priv.h"

#define STOP_LIMIT_MS 10000       /* the keeper fights five seconds for the last process */

/* ---- small things ---------------------------------------------------------------------- */

void engine_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attr);
    pthread_condattr_destroy(&attr);
}

struct timespec engine_real_deadline(int64_t delay_ms)
{
    int64_t ns = mono_ns() + delay_ms * 1000000LL;
    return (struct timespec) { .tv_sec = ns / 1000000000LL, .tv_nsec = ns % 1000000000LL };
}

static void make_uuid(char out[37])
{
    unsigned char b[16];
    CHECK(getrandom(b, sizeof b, 0) == (ssize_t) sizeof b);
    b[6] = (unsigned char) ((b[6] & 0x0f) | 0x40);
    b[8] = (unsigned char) ((b[8] & 0x3f) | 0x80);
    snprintf(out, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
             b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
}

struct sandbox *sandbox_ref(struct sandbox *s)
{
    atomic_fetch_add(&s->refs, 1);
    return s;
}

void sandbox_unref(struct sandbox *s)
{
    if (s == NULL || atomic_fetch_sub(&s->refs, 1) != 1)
        return;
    CHECK(s->link == NULL && s->newest == NULL && s->main == NULL);
    if (s->free_record != NULL)
        s->free_record(s->record);
    sandbox_home_free(s->home);
    clock_unref(s->clock);
    if (s->owner != NULL)
        s->owner->unref(s->owner);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

/* ---- create ---------------------------------------------------------------------------- */

/* From now on it takes no new processes; the first reason is the one that counts. */
static void mark_stopping(struct sandbox *s, enum stop_reason reason)
{
    pthread_mutex_lock(&s->lock);
    if (s->state == SANDBOX_ACTIVE || s->state == SANDBOX_BROKEN) {
        s->reason = s->state == SANDBOX_BROKEN ? STOP_KEEPER_DIED : reason;
        s->state = SANDBOX_STOPPING;
    }
    pthread_mutex_unlock(&s->lock);
}

/* Marked here, so that who moved the clock sees it expired at once. */
static void fire_lifetime(void *arg)
{
    struct sandbox *s = arg;
    mark_stopping(s, s->stops_for);
    janitor_give(s->engine->janitor, s, s->stops_for);
}

struct deadline {
    struct sandbox *sandbox;
    int64_t at_ms;
    enum stop_reason reason;
};

/* The soonest counts. */
static void bring_forward(void *arg)
{
    const struct deadline *d = arg;
    struct sandbox *s = d->sandbox;
    if (s->stops_no_more || d->at_ms >= s->stops_at_ms)
        return;
    s->stops_at_ms = d->at_ms;
    s->stops_for = d->reason;
    CHECK(timer_set_api(s->engine->reactor, &s->lifetime, s->clock, d->at_ms) == 0);
}

void sandbox_stop_after(struct sandbox *s, int64_t delay_ms, enum stop_reason reason)
{
    struct deadline d = { .sandbox = s, .at_ms = clock_deadline(s->clock, delay_ms), .reason = reason };
    reactor_call(s->engine->reactor, bring_forward, &d);
}

static void end_lifetime(void *arg)
{
    struct sandbox *s = arg;
    s->stops_no_more = true;
    timer_cancel(s->engine->reactor, &s->lifetime);
}

static struct sandbox *sandbox_alloc(struct engine *engine, const struct sandbox_spec *spec)
{
    struct sandbox *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    s->engine = engine;
    s->refs = 1;
    make_uuid(s->id);
    s->dialect = spec->dialect;
    s->lifetime_ms = spec->lifetime_ms;
    s->stops_at_ms = CLOCK_NEVER;
    s->owner = spec->owner;
    if (s->owner != NULL)
        s->owner->ref(s->owner);
    s->clock = clock_ref(s->owner != NULL ? s->owner->clock : engine->config.clock);
    s->listener = (struct clock_listener) { .changed = sandbox_wake_waiters, .arg = s };
    s->created_ms = clock_wall_ms(s->clock);
    s->lifetime = (struct timer) { .fire = fire_lifetime, .arg = s };
    pthread_mutex_init(&s->lock, NULL);
    engine_cond_init(&s->changed);
    return s;
}

static int start_keeper(struct sandbox *s, const struct sandbox_spec *spec, struct err *err)
{
    struct engine *engine = s->engine;
    struct string_list argv = { 0 }, env = { 0 };
    struct link *link = NULL;
    struct own_programs programs = { .keeper = engine->keeper_path, .puppet = engine->puppet_path,
                                     .keeper_is_in_background = engine->config.in_background };
    sandbox_home_command(s->home, &engine->tools, &programs, spec, &argv, &env);
    struct link_config config = { .reactor = engine->reactor, .argv = argv.items, .env = env.items,
                                  .on_report = sandbox_on_report, .on_end = sandbox_on_link_end, .arg = s };
    int rc = argv.failed || env.failed ? err_set(err, ERR_NOMEM, 0, "sandbox") : link_start(&link, &config, err);
    string_list_fini(&argv);
    string_list_fini(&env);
    if (rc != 0)
        return -1;
    pthread_mutex_lock(&s->lock);
    s->link = link;
    bool dead = s->keeper_stopped;
    pthread_mutex_unlock(&s->lock);
    if (!dead)
        return 0;
    s->link = NULL;
    link_free(link);
    return err_set(err, ERR_IO, 0, "the sandbox's keeper ended at once");
}

static int follow_clock(struct sandbox *s, struct err *err)
{
    if (reactor_use_clock(s->engine->reactor, s->clock, err) != 0)
        return -1;
    clock_listen(s->clock, &s->listener);
    return 0;
}

static void leave_clock(struct sandbox *s)
{
    clock_unlisten(s->clock, &s->listener);
    reactor_drop_clock(s->engine->reactor, s->clock);
}

int sandbox_create(struct engine *engine, const struct sandbox_spec *spec, struct sandbox **out_sandbox,
                   struct err *err)
{
    struct sandbox *s = sandbox_alloc(engine, spec);
    if (s == NULL)
        return err_set(err, ERR_NOMEM, 0, "sandbox");
    const char *user = spec->user != NULL ? spec->user : "user";
    if (follow_clock(s, err) != 0) {
        sandbox_unref(s);
        return -1;
    }
    if (sandbox_home_new(&s->home, &engine->tools, engine->state_dir, s->id, engine->config.isolation, user,
                         err) != 0 ||
        start_keeper(s, spec, err) != 0) {
        leave_clock(s);
        sandbox_unref(s);
        return -1;
    }
    if (engine_list_sandbox(engine, s, err) != 0) {
        (void) sandbox_stop(s, STOP_REQUEST, NULL);
        sandbox_unref(s);
        return -1;
    }
    if (s->lifetime_ms > 0)
        sandbox_stop_after(s, s->lifetime_ms, STOP_EXPIRED);
    *out_sandbox = s;
    return 0;
}

/* ---- look ------------------------------------------------------------------------------ */

struct engine *sandbox_engine(const struct sandbox *s)
{
    return s->engine;
}

struct owner *sandbox_owner(const struct sandbox *s)
{
    return s->owner;
}

struct clock *sandbox_clock(const struct sandbox *s)
{
    return s->clock;
}

const char *sandbox_puppet_path(const struct sandbox *s)
{
    const char *path = s->engine->puppet_path;
    return path != NULL && s->engine->config.isolation == ISOLATION_NAMESPACE ? INSIDE_PUPPET : path;
}

const char *sandbox_id(const struct sandbox *s)
{
    return s->id;
}

const char *sandbox_home(const struct sandbox *s)
{
    return s->home->home;
}

const char *sandbox_user(const struct sandbox *s)
{
    return s->home->user;
}

int64_t sandbox_created_ms(const struct sandbox *s)
{
    return s->created_ms;
}

enum sandbox_state sandbox_get_state(struct sandbox *s)
{
    pthread_mutex_lock(&s->lock);
    enum sandbox_state state = s->state;
    pthread_mutex_unlock(&s->lock);
    return state;
}

enum stop_reason sandbox_get_stop_reason(struct sandbox *s)
{
    pthread_mutex_lock(&s->lock);
    enum stop_reason reason = s->reason;
    pthread_mutex_unlock(&s->lock);
    return reason;
}

int64_t sandbox_ended_ms(struct sandbox *s)
{
    pthread_mutex_lock(&s->lock);
    int64_t ended = s->ended_ms;
    pthread_mutex_unlock(&s->lock);
    return ended;
}

void sandbox_attach(struct sandbox *s, void *record, void (*free_record)(void *))
{
    pthread_mutex_lock(&s->lock);
    CHECK(s->record == NULL);
    s->record = record;
    s->free_record = free_record;
    pthread_mutex_unlock(&s->lock);
}

void *sandbox_record(struct sandbox *s)
{
    pthread_mutex_lock(&s->lock);
    void *record = s->record;
    pthread_mutex_unlock(&s->lock);
    return record;
}

/* ---- stop ------------------------------------------------------------------------------ */

static void note_stop_signals(struct sandbox *s)
{
    size_t count;
    struct proc **live = sandbox_live_procs(s, &count);
    for (size_t i = 0; i < count; i++)
        if (!proc_end_held(live[i], SIGKILL, WHO_SANDBOX_STOP, false))
            proc_note_signal(live[i], SIGKILL, WHO_SANDBOX_STOP);
    proc_list_free(live, count);
}

void sandbox_begin_stop(struct sandbox *s, enum stop_reason reason)
{
    mark_stopping(s, reason);
    pthread_mutex_lock(&s->lock);
    bool first = s->state == SANDBOX_STOPPING && !s->stop_begun;
    s->stop_begun = true;
    pthread_mutex_unlock(&s->lock);
    if (!first)
        return;
    note_stop_signals(s);
    pthread_mutex_lock(&s->lock);
    if (s->link != NULL)
        link_wake(s->link);
    pthread_mutex_unlock(&s->lock);
    struct keeper_request request = { .op = KEEPER_STOP };
    (void) sandbox_send(s, &request, NULL, 0, NULL, 0, NULL);    /* a keeper that is gone has stopped */
}

/* With the lock held; false when the time is up. */
static bool wait_until(struct sandbox *s, bool (*is_so)(const struct sandbox *s), int64_t limit_ms)
{
    struct timespec until = engine_real_deadline(limit_ms);
    int rc = 0;
    while (!is_so(s) && rc == 0)
        rc = pthread_cond_timedwait(&s->changed, &s->lock, &until);
    return is_so(s);
}

static bool keeper_has_stopped(const struct sandbox *s)
{
    return s->keeper_stopped;
}

static bool nothing_lives(const struct sandbox *s)
{
    return s->live == 0;
}

static bool nobody_sends(const struct sandbox *s)
{
    return s->link_users == 0;
}

static bool is_closed(const struct sandbox *s)
{
    return s->state == SANDBOX_CLOSED;
}

bool sandbox_await_closed(struct sandbox *s, int64_t limit_ms)
{
    pthread_mutex_lock(&s->lock);
    bool closed = wait_until(s, is_closed, limit_ms);
    pthread_mutex_unlock(&s->lock);
    return closed;
}

static void lose_live_procs(void *arg)
{
    size_t count;
    struct proc **live = sandbox_live_procs(arg, &count);
    for (size_t i = 0; i < count; i++)
        proc_happen(live[i], EVENT_KEEPER_LOST, NULL);
    proc_list_free(live, count);
}

/* The keeper's own death, if it comes to that, takes its children; false: their descendants may be left. */
static bool end_link(struct sandbox *s)
{
    pthread_mutex_lock(&s->lock);
    s->keeper_stopped = true;
    wait_until(s, nobody_sends, STOP_LIMIT_MS);
    CHECK(s->link_users == 0);
    struct link *link = s->link;
    s->link = NULL;
    bool left_any = s->keeper_left_any;
    pthread_mutex_unlock(&s->lock);
    return link_free(link) && !left_any;
}

static void close_sandbox(struct sandbox *s)
{
    struct engine *engine = s->engine;
    pthread_mutex_lock(&s->lock);
    wait_until(s, keeper_has_stopped, STOP_LIMIT_MS);
    wait_until(s, nothing_lives, STOP_LIMIT_MS / 10);
    pthread_mutex_unlock(&s->lock);
    reactor_call(engine->reactor, end_lifetime, s);
    bool is_clean = end_link(s);
    reactor_call(engine->reactor, lose_live_procs, s);
    leave_clock(s);
    if (s->reason == STOP_KEEPER_DIED || !is_clean)
        orphans_kill(engine);
    sandbox_home_remove(s->home);
    sandbox_forget_procs(s);
    pthread_mutex_lock(&s->lock);
    s->ended_ms = clock_wall_ms(s->clock);
    s->state = SANDBOX_CLOSED;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    engine_remember_closed(engine, s);
}

/* One caller closes; the others wait for it. */
int sandbox_finish_stop(struct sandbox *s, struct err *err)
{
    pthread_mutex_lock(&s->lock);
    bool mine = s->state == SANDBOX_STOPPING && !s->closing;
    s->closing = s->closing || mine;
    bool closed = mine || wait_until(s, is_closed, 3 * STOP_LIMIT_MS);
    pthread_mutex_unlock(&s->lock);
    if (mine)
        close_sandbox(s);
    return closed ? 0 : err_set(err, ERR_TIMEOUT, 0, "sandbox %s does not stop", s->id);
}

int sandbox_stop(struct sandbox *s, enum stop_reason reason, struct err *err)
{
    sandbox_begin_stop(s, reason);
    return sandbox_finish_stop(s, err);
}
