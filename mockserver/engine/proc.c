/* Processes as callers see them: look, wait, signal; and the struct's own life. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "engine/engine_priv.h"

#define ID_RANDOM_BYTES 12

/* ---- life of the struct ---------------------------------------------------------------- */

static void fire_time_limit(void *arg)
{
    proc_happen(arg, EVENT_TIME_UP, NULL);
}

static void fire_drain(void *arg)
{
    proc_happen(arg, EVENT_DRAIN_OVER, NULL);
}

static void fire_hold(void *arg)
{
    proc_happen(arg, EVENT_HOLD_OVER, NULL);
}

/* On the reactor thread, between two batches of events: nothing can point at it any more. */
static void proc_destroy(void *arg)
{
    struct proc *p = arg;
    struct sandbox *sandbox = p->sandbox;
    timer_cancel(sandbox->engine->reactor, &p->time_limit);
    timer_cancel(sandbox->engine->reactor, &p->drain);
    timer_cancel(sandbox->engine->reactor, &p->hold);
    launch_free(p->held);
    proc_close_all(p);
    bytelog_fini(&p->log);
    pthread_cond_destroy(&p->changed);
    pthread_cond_destroy(&p->moved);
    pthread_mutex_destroy(&p->lock);
    free(p->facts);
    free(p->pending);
    free(p->display);
    free(p->cwd);
    free(p);
    sandbox_unref(sandbox);
}

struct proc *proc_ref(struct proc *p)
{
    atomic_fetch_add(&p->refs, 1);
    return p;
}

void proc_unref(struct proc *p)
{
    if (p == NULL || atomic_fetch_sub(&p->refs, 1) != 1)
        return;
    struct reactor *reactor = p->sandbox->engine->reactor;
    p->destroy = (struct reactor_job) { .fn = proc_destroy, .arg = p };
    if (reactor_is_mine(reactor))
        reactor_defer(reactor, &p->destroy);
    else
        reactor_post(reactor, &p->destroy);
}

static char *join_argv(char *const *argv)
{
    BUF_AUTO text = BUF_INIT;
    for (size_t i = 0; argv[i] != NULL; i++)
        buf_printf(&text, "%s%s", i == 0 ? "" : " ", argv[i]);
    return text.failed ? NULL : strdup(buf_cstr(&text));
}

static void make_id(char *out, size_t room, const char *prefix)
{
    static const char hex[] = "0123456789abcdef";
    unsigned char random[ID_RANDOM_BYTES];
    CHECK(getrandom(random, sizeof random, 0) == (ssize_t) sizeof random);
    size_t n = strlen(prefix);
    CHECK(n + 2 * sizeof random < room);
    memcpy(out, prefix, n);
    for (size_t i = 0; i < sizeof random; i++) {
        out[n++] = hex[random[i] >> 4];
        out[n++] = hex[random[i] & 15];
    }
    out[n] = '\0';
}

struct proc *proc_new(struct sandbox *sandbox, const struct proc_spec *spec)
{
    struct engine *engine = sandbox->engine;
    struct proc *p = calloc(1, sizeof *p);
    if (p == NULL)
        return NULL;
    p->display = spec->display != NULL ? strdup(spec->display) : join_argv(spec->argv);
    p->cwd = strdup(spec->cwd != NULL ? spec->cwd : sandbox_home(sandbox));
    if (p->display == NULL || p->cwd == NULL) {
        free(p->display);
        free(p->cwd);
        free(p);
        return NULL;
    }
    p->sandbox = sandbox_ref(sandbox);
    p->refs = 1;
    p->number = atomic_fetch_add(&engine->next_proc_number, 1);
    make_id(p->id, sizeof p->id, spec->id_prefix != NULL ? spec->id_prefix : "proc_");
    p->pty = spec->pty;
    p->stdin_is_pipe = spec->pty || spec->stdin_mode == STDIN_PIPE;
    p->is_main = spec->is_main;
    p->timeout_ms = spec->timeout_ms;
    p->term_grace_ms = spec->term_grace_ms;
    p->drain_grace_ms = spec->drain_grace_ms;
    p->keep_bytes = spec->keep_bytes;
    pthread_mutex_init(&p->lock, NULL);
    engine_cond_init(&p->changed);
    engine_cond_init(&p->moved);
    p->time_limit = (struct timer) { .fire = fire_time_limit, .arg = p };
    p->drain = (struct timer) { .fire = fire_drain, .arg = p };
    p->hold = (struct timer) { .fire = fire_hold, .arg = p };
    for (enum stream_slot slot = 0; slot < SLOTS; slot++)
        p->streams[slot].source.fd = -1;
    bytelog_init(&p->log, &engine->budget);
    p->view.queued_ms = clock_wall_ms(sandbox->clock);
    return p;
}

/* ---- looking and waiting --------------------------------------------------------------- */

const char *proc_id(const struct proc *p)
{
    return p->id;
}

const char *proc_display(const struct proc *p)
{
    return p->display;
}

const char *proc_cwd(const struct proc *p)
{
    return p->cwd;
}

struct sandbox *proc_sandbox(const struct proc *p)
{
    return p->sandbox;
}

const char *proc_start_stage_name(int stage)
{
    return spawn_stage_name(stage);
}

void proc_get_view(struct proc *p, struct proc_view *out_view)
{
    pthread_mutex_lock(&p->lock);
    *out_view = p->view;
    pthread_mutex_unlock(&p->lock);
}

#define INTERRUPT_EVERY_MS 1000

static bool is_before(struct timespec a, struct timespec b)
{
    return a.tv_sec != b.tv_sec ? a.tv_sec < b.tv_sec : a.tv_nsec < b.tv_nsec;
}

/* With the lock held, which is released meanwhile. */
static enum wait_result ask(struct proc *p, interrupt_fn *interrupt, void *arg)
{
    pthread_mutex_unlock(&p->lock);
    bool stop = interrupt(arg);
    pthread_mutex_lock(&p->lock);
    return stop ? WAIT_INTERRUPTED : WAIT_CHANGED;
}

void proc_nudge(struct proc *p)
{
    pthread_mutex_lock(&p->lock);
    p->nudges++;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
}

void proc_listen(struct proc *p, unsigned kinds, void (*fn)(void *arg), void *arg)
{
    pthread_mutex_lock(&p->lock);
    p->listener = fn;
    p->listener_arg = arg;
    p->listens_to = kinds;
    pthread_mutex_unlock(&p->lock);
}

enum wait_result proc_wait_change(struct proc *p, pthread_cond_t *cond, int64_t deadline_ms,
                                  interrupt_fn *interrupt, void *arg, uint64_t *nudges)
{
    const struct clock *clock = p->sandbox->clock;
    if (deadline_ms != CLOCK_NEVER && clock_now_ms(clock) >= deadline_ms)
        return WAIT_DEADLINE;
    if (interrupt != NULL && nudges != NULL && *nudges != p->nudges) {
        *nudges = p->nudges;
        return ask(p, interrupt, arg);
    }
    struct timespec until = clock_real_deadline(clock, deadline_ms);
    if (interrupt != NULL) {
        struct timespec look_up = engine_real_deadline(INTERRUPT_EVERY_MS);
        if (is_before(look_up, until))
            until = look_up;
    }
    int rc = pthread_cond_timedwait(cond, &p->lock, &until);
    if (rc == 0 || interrupt == NULL)
        return WAIT_CHANGED;     /* or the deadline, which the next call finds */
    return ask(p, interrupt, arg);
}

static int refuse_to_wait(const struct proc *p, enum wait_result result, struct err *err)
{
    return result == WAIT_DEADLINE ? err_set(err, ERR_TIMEOUT, 0, "timed out waiting for process %s", p->id)
                                   : err_set(err, ERR_CLOSED, 0, "nobody waits for process %s any more", p->id);
}

int proc_wait_state(struct proc *p, enum proc_state state, int64_t deadline_ms, interrupt_fn *interrupt,
                    void *arg, struct err *err)
{
    enum wait_result result = WAIT_CHANGED;
    pthread_mutex_lock(&p->lock);
    p->waiting[state]++;
    while (p->view.state < state && result == WAIT_CHANGED)
        result = proc_wait_change(p, &p->moved, deadline_ms, interrupt, arg, NULL);
    p->waiting[state]--;
    bool there = p->view.state >= state;
    pthread_mutex_unlock(&p->lock);
    return there ? 0 : refuse_to_wait(p, result, err);
}

int proc_wait_fact(struct proc *p, unsigned mask, int64_t deadline_ms, interrupt_fn *interrupt, void *arg,
                   struct err *err)
{
    enum wait_result result = WAIT_CHANGED;
    pthread_mutex_lock(&p->lock);
    while ((p->view.seen & mask) == 0 && p->view.state != PROC_FINISHED && result == WAIT_CHANGED)
        result = proc_wait_change(p, &p->changed, deadline_ms, interrupt, arg, NULL);
    bool there = (p->view.seen & mask) != 0;
    bool over = p->view.state == PROC_FINISHED;
    pthread_mutex_unlock(&p->lock);
    if (there)
        return 0;
    return over ? err_set(err, ERR_GONE, 0, "process %s ended without it", p->id) : refuse_to_wait(p, result, err);
}

/* ---- signals --------------------------------------------------------------------------- */

static int refuse_ended(const struct proc *p, struct err *err)
{
    return err_set(err, ERR_CONFLICT, 0, "process %s is not running", p->id);
}

/* Held ones would have to be waited for, for as long as the clock stands still. */
static bool is_held(struct proc *p)
{
    pthread_mutex_lock(&p->lock);
    bool held = p->view.held;
    pthread_mutex_unlock(&p->lock);
    return held;
}

int proc_signal(struct proc *p, int signo, enum fact_who who, struct err *err)
{
    if (signal_is_deadly(signo) && proc_end_held(p, signo, who, false))
        return 0;
    if (is_held(p))
        return refuse_ended(p, err);
    /* The keeper finds it only when it has been started. */
    if (proc_wait_state(p, PROC_RUNNING, CLOCK_NEVER, NULL, NULL, err) != 0)
        return -1;
    pthread_mutex_lock(&p->lock);
    bool ended = p->view.ended;
    pthread_mutex_unlock(&p->lock);
    if (ended)
        return refuse_ended(p, err);
    struct keeper_request request = { .op = KEEPER_SIGNAL, .number = p->number, .signo = signo, .who = who };
    int errnum = 0;
    if (sandbox_ask(p->sandbox, &request, &errnum, err) != 0)
        return -1;
    if (errnum == ESRCH)
        return refuse_ended(p, err);
    return errnum == 0 ? 0 : err_set(err, ERR_IO, errnum, "signal process %s", p->id);
}

int proc_kill(struct proc *p, enum fact_who who, struct err *err)
{
    if (proc_end_held(p, SIGKILL, who, true))
        return 0;
    if (proc_wait_state(p, PROC_RUNNING, CLOCK_NEVER, NULL, NULL, err) != 0)
        return -1;
    pthread_mutex_lock(&p->lock);
    p->view.killed_by_request = p->view.killed_by_request || !p->view.ended;
    pthread_mutex_unlock(&p->lock);
    struct keeper_request request = { .op = KEEPER_KILL_TREE, .number = p->number, .who = who };
    int alive = 0;
    if (sandbox_ask(p->sandbox, &request, &alive, err) != 0)
        return -1;
    if (alive > 0)
        return err_set(err, ERR_TIMEOUT, 0, "%d processes of %s do not die", alive, p->id);
    return 0;
}
