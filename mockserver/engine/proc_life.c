/* What becomes of a process: one table of state x event.  Reactor thread only. */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "engine/engine_priv.h"

#define RESEND_MS 10     /* real time; the keeper's socket was full */

typedef void step_fn(struct proc *p, const struct proc_happening *what);

static struct reactor *reactor_of(const struct proc *p)
{
    return p->sandbox->engine->reactor;
}

/* ---- moving ---------------------------------------------------------------------------- */

/* Who waits is told after the unlock, so that nobody wakes up only to wait for the lock. */
static void unlock_and_tell(struct proc *p)
{
    bool awaited = false;
    for (enum proc_state s = 0; s <= p->view.state; s++)
        awaited = awaited || p->waiting[s] > 0;
    pthread_mutex_unlock(&p->lock);
    pthread_cond_broadcast(&p->changed);
    if (awaited)
        pthread_cond_broadcast(&p->moved);
}

/* A process whose facts cannot be kept any more has an end all the same: the view does not need the fact. */
static void note_end(struct proc *p, const struct fact *end)
{
    struct fact *f = proc_append_fact(p, (enum fact_kind) end->kind);
    struct fact lost = { .kind = end->kind };
    if (f == NULL)
        f = &lost;
    f->value = end->value;
    f->flag = end->flag;
    p->view.end = *f;
    p->view.ended = true;
    p->view.ended_ms = clock_wall_ms(p->sandbox->engine->config.clock);
}

static void finish(struct proc *p, bool held)
{
    timer_cancel(reactor_of(p), &p->drain);
    timer_cancel(reactor_of(p), &p->time_limit);
    /* First, so that who sees it finished sees the sandbox's counts right, too. */
    sandbox_proc_finished(p->sandbox, p);
    pthread_mutex_lock(&p->lock);
    proc_close_stream(p, SLOT_IN);
    struct fact *f = proc_append_fact(p, FACT_OUTPUT_EOF);
    if (f != NULL)
        f->flag = held;
    p->view.output_held = held;
    p->view.state = PROC_FINISHED;
    unlock_and_tell(p);
}

/* ---- steps ----------------------------------------------------------------------------- */

static void on_started(struct proc *p, const struct proc_happening *what)
{
    const struct clock *clock = p->sandbox->engine->config.clock;
    pthread_mutex_lock(&p->lock);
    p->view.pid = what->pid;
    p->view.started_ms = clock_wall_ms(clock);
    struct fact *f = proc_append_fact(p, FACT_STARTED);
    if (f != NULL)
        f->value = what->pid;
    p->view.state = PROC_RUNNING;
    unlock_and_tell(p);
    if (p->pty)
        proc_adopt_pty(p, what->fd);
    else
        proc_read_output(p);
    if (p->timeout_ms > 0)
        CHECK(timer_set_api(reactor_of(p), &p->time_limit, clock_deadline(clock, p->timeout_ms)) == 0);
}

static void on_start_failed(struct proc *p, const struct proc_happening *what)
{
    proc_close_all(p);
    pthread_mutex_lock(&p->lock);
    note_end(p, &what->end);
    pthread_mutex_unlock(&p->lock);
    finish(p, false);
}

static void on_ended(struct proc *p, const struct proc_happening *what)
{
    timer_cancel(reactor_of(p), &p->time_limit);
    /* What it wrote is older than its end: into the log first. */
    proc_pump_all(p);
    bool over = proc_output_is_over(p);
    pthread_mutex_lock(&p->lock);
    note_end(p, &what->end);
    proc_close_stream(p, SLOT_IN);
    if (!over)
        p->view.state = PROC_DRAINING;
    unlock_and_tell(p);
    if (over)
        finish(p, false);
    else
        CHECK(timer_set_real(reactor_of(p), &p->drain, p->drain_grace_ms) == 0);
}

static void on_output_over(struct proc *p, const struct proc_happening *what)
{
    (void) what;
    finish(p, false);
}

/* A survivor holds the pipe.  Reading goes on into the void, so that a daemon is not killed by SIGPIPE; a terminal
   is hung up, as a real one would be. */
static void on_drain_over(struct proc *p, const struct proc_happening *what)
{
    (void) what;
    proc_pump_all(p);
    pthread_mutex_lock(&p->lock);
    p->discards = true;
    pthread_mutex_unlock(&p->lock);
    if (p->pty)
        proc_close_all(p);
    finish(p, true);
}

static void note_timed_out(struct proc *p)
{
    pthread_mutex_lock(&p->lock);
    struct fact *f = proc_append_fact(p, FACT_TIMED_OUT);
    if (f != NULL)
        f->value = p->timeout_ms > INT32_MAX ? INT32_MAX : (int32_t) p->timeout_ms;
    p->view.timed_out = true;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
}

/* First TERM to the group; after the grace the whole tree goes. */
static void on_time_up(struct proc *p, const struct proc_happening *what)
{
    (void) what;
    if (!p->view.timed_out)
        note_timed_out(p);
    bool term = !p->term_sent && p->term_grace_ms > 0;
    struct keeper_request request = { .op = term ? KEEPER_SIGNAL : KEEPER_KILL_TREE, .number = p->number,
                                      .signo = SIGTERM, .who = WHO_TIMEOUT };
    struct err err = ERR_INIT;
    bool sent = sandbox_send(p->sandbox, &request, NULL, 0, NULL, 0, &err) == 0;
    int rc = 0;
    if (!sent && err.errnum == EAGAIN)
        rc = timer_set_real(reactor_of(p), &p->time_limit, RESEND_MS);
    else if (sent && term)
        rc = timer_set_api(reactor_of(p), &p->time_limit,
                           clock_deadline(p->sandbox->engine->config.clock, p->term_grace_ms));
    CHECK(rc == 0);
    p->term_sent = p->term_sent || sent;
}

static void lost_start(struct proc *p, const struct proc_happening *what)
{
    (void) what;
    struct proc_happening failed = { .end = { .kind = FACT_START_FAILED, .value = EPIPE, .flag = STAGE_KEEPER } };
    on_start_failed(p, &failed);
}

/* The keeper's death killed it, and took the knowledge of how with it. */
static void lost_running(struct proc *p, const struct proc_happening *what)
{
    (void) what;
    struct proc_happening died = { .end = { .kind = FACT_DIED, .value = SIGKILL } };
    on_ended(p, &died);
}

static void pass(struct proc *p, const struct proc_happening *what)
{
    (void) p;
    (void) what;
}

/* NULL: cannot happen, by the order that the keeper promises. */
static step_fn *const table[PROC_STATES][PROC_EVENTS] = {
    [PROC_QUEUED] = {
        [EVENT_STARTED] = on_started, [EVENT_START_FAILED] = on_start_failed,
        [EVENT_KEEPER_LOST] = lost_start,
    },
    [PROC_RUNNING] = {
        [EVENT_ENDED] = on_ended, [EVENT_OUTPUT_OVER] = pass, [EVENT_TIME_UP] = on_time_up,
        [EVENT_KEEPER_LOST] = lost_running,
    },
    [PROC_DRAINING] = {
        [EVENT_OUTPUT_OVER] = on_output_over, [EVENT_DRAIN_OVER] = on_drain_over,
        [EVENT_KEEPER_LOST] = pass,
    },
    [PROC_FINISHED] = {
        [EVENT_START_FAILED] = pass, [EVENT_ENDED] = pass, [EVENT_OUTPUT_OVER] = pass,
        [EVENT_KEEPER_LOST] = pass,
    },
};

void proc_happen(struct proc *p, enum proc_event event, const struct proc_happening *what)
{
    step_fn *step = table[p->view.state][event];
    CHECK(step != NULL);
    step(p, what);
}

void proc_note_signal(struct proc *p, int signo, enum fact_who who)
{
    pthread_mutex_lock(&p->lock);
    if (!p->view.ended) {
        struct fact *f = proc_append_fact(p, FACT_SIGNALLED);
        if (f != NULL) {
            f->value = signo;
            f->who = (uint8_t) who;
        }
        p->view.signalled_by_client = p->view.signalled_by_client || who == WHO_CLIENT || who == WHO_ADMIN;
        pthread_cond_broadcast(&p->changed);
    }
    pthread_mutex_unlock(&p->lock);
}
