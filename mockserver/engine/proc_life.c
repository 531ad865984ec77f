/* What becomes of a process: one table of state x event.  Reactor thread only. */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "engine/engine_priv.h"

#define RESEND_MS 10     /* real time; the kernel had no memory for asking the keeper, which is still there */

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
    const struct fact *f = proc_add_fact(p, *end, NULL);
    p->view.end = f != NULL ? *f : *end;
    p->view.ended = true;
    p->view.held = false;
    p->view.ended_ms = clock_wall_ms(p->sandbox->clock);
}

static void note_signal(struct proc *p, int signo, enum fact_who who)
{
    (void) proc_add_fact(p, (struct fact) { .kind = FACT_SIGNALLED, .value = signo, .who = (uint8_t) who }, NULL);
    p->view.signalled_by_client = p->view.signalled_by_client || who == WHO_CLIENT || who == WHO_ADMIN;
}

static void cancel_timers(struct proc *p)
{
    timer_cancel(reactor_of(p), &p->drain);
    timer_cancel(reactor_of(p), &p->time_limit);
    timer_cancel(reactor_of(p), &p->hold);
}

/* Nobody waits for what else lives in a sandbox when its main process has ended. */
static void end_sandbox_of(struct proc *p)
{
    if (p->is_main)
        janitor_give(p->sandbox->engine->janitor, p->sandbox, STOP_MAIN_ENDED);
}

static void finish(struct proc *p, bool held)
{
    cancel_timers(p);
    launch_free(p->held);
    p->held = NULL;
    /* First, so that who sees it finished sees the sandbox's counts right, too. */
    sandbox_proc_finished(p->sandbox, p);
    pthread_mutex_lock(&p->lock);
    proc_close_stream(p, SLOT_IN);
    (void) proc_add_fact(p, (struct fact) { .kind = FACT_OUTPUT_EOF, .flag = held }, NULL);
    p->view.output_held = held;
    p->view.state = PROC_FINISHED;
    unlock_and_tell(p);
}

/* ---- steps ----------------------------------------------------------------------------- */

static void on_started(struct proc *p, const struct proc_happening *what)
{
    struct clock *clock = p->sandbox->clock;
    pthread_mutex_lock(&p->lock);
    p->view.pid = what->pid;
    p->view.started_ms = clock_wall_ms(clock);
    (void) proc_add_fact(p, (struct fact) { .kind = FACT_STARTED, .value = what->pid }, NULL);
    p->view.state = PROC_RUNNING;
    unlock_and_tell(p);
    if (p->pty)
        proc_adopt_pty(p, what->fd);
    else
        proc_read_output(p);
    if (p->timeout_ms > 0)
        CHECK(timer_set_api(reactor_of(p), &p->time_limit, clock, clock_deadline(clock, p->timeout_ms)) == 0);
}

static void on_start_failed(struct proc *p, const struct proc_happening *what)
{
    proc_close_all(p);
    pthread_mutex_lock(&p->lock);
    note_end(p, &what->end);
    pthread_mutex_unlock(&p->lock);
    finish(p, false);
    end_sandbox_of(p);
}

static void fail_start(struct proc *p, int stage, int errnum)
{
    struct proc_happening failed = { .end = { .kind = FACT_START_FAILED, .value = errnum, .flag = (uint8_t) stage } };
    on_start_failed(p, &failed);
}

/* Now what an ordinary start does at once. */
static void on_hold_over(struct proc *p, const struct proc_happening *what)
{
    (void) what;
    struct launch *launch = p->held;
    struct err err = ERR_INIT;
    if (launch->fail_stage == STAGE_NONE && launch_send(p, launch, &err) != 0) {
        launch->fail_stage = STAGE_KEEPER;
        launch->fail_errno = err.errnum != 0 ? err.errnum : ENOMEM;
    }
    p->held = NULL;
    pthread_mutex_lock(&p->lock);
    p->view.held = false;
    unlock_and_tell(p);
    if (launch->fail_stage != STAGE_NONE)
        fail_start(p, launch->fail_stage, launch->fail_errno);
    launch_free(launch);
}

/* It never began, so the keeper knows nothing of it. */
static void on_killed(struct proc *p, const struct proc_happening *what)
{
    proc_close_all(p);
    pthread_mutex_lock(&p->lock);
    note_signal(p, what->signo, what->who);
    p->view.killed_by_request = p->view.killed_by_request || what->by_request;
    note_end(p, &(struct fact) { .kind = FACT_DIED, .value = what->signo });
    pthread_mutex_unlock(&p->lock);
    finish(p, false);
    end_sandbox_of(p);
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
    if (over) {
        pthread_mutex_unlock(&p->lock);
        finish(p, false);        /* tells of both */
    } else {
        p->view.state = PROC_DRAINING;
        unlock_and_tell(p);
        CHECK(timer_set_real(reactor_of(p), &p->drain, p->drain_grace_ms) == 0);
    }
    end_sandbox_of(p);
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
    int32_t limit = p->timeout_ms > INT32_MAX ? INT32_MAX : (int32_t) p->timeout_ms;
    (void) proc_add_fact(p, (struct fact) { .kind = FACT_TIMED_OUT, .value = limit }, NULL);
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
    if (!sent && err.errnum != EPIPE && err.errnum != ECONNRESET)
        rc = timer_set_real(reactor_of(p), &p->time_limit, RESEND_MS);
    else if (sent && term)
        rc = timer_set_api(reactor_of(p), &p->time_limit, p->sandbox->clock,
                           clock_deadline(p->sandbox->clock, p->term_grace_ms));
    CHECK(rc == 0);
    p->term_sent = p->term_sent || sent;
}

static void lost_start(struct proc *p, const struct proc_happening *what)
{
    (void) what;
    fail_start(p, STAGE_KEEPER, EPIPE);
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

/* A row is a state; a queued process that is held has one of its own. */
enum { ROW_HELD = PROC_STATES, ROWS };

/* NULL: cannot happen, by the order that the keeper promises. */
static step_fn *const table[ROWS][PROC_EVENTS] = {
    [ROW_HELD] = {
        [EVENT_HOLD_OVER] = on_hold_over, [EVENT_KILLED] = on_killed, [EVENT_START_FAILED] = on_start_failed,
        [EVENT_KEEPER_LOST] = lost_start,
    },
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
    step_fn *step = table[p->view.held ? (size_t) ROW_HELD : (size_t) p->view.state][event];
    CHECK(step != NULL);
    step(p, what);
}

struct held_kill {
    struct proc *proc;
    struct proc_happening what;
    bool done;
};

static void kill_held(void *arg)
{
    struct held_kill *kill = arg;
    kill->done = kill->proc->view.held;      /* changes on this thread only */
    if (kill->done)
        proc_happen(kill->proc, EVENT_KILLED, &kill->what);
}

bool proc_end_held(struct proc *p, int signo, enum fact_who who, bool by_request)
{
    pthread_mutex_lock(&p->lock);
    bool held = p->view.held;
    pthread_mutex_unlock(&p->lock);
    struct held_kill kill = { .proc = p, .what = { .signo = signo, .who = who, .by_request = by_request } };
    if (held)
        reactor_call(reactor_of(p), kill_held, &kill);
    return kill.done;
}

void proc_note_signal(struct proc *p, int signo, enum fact_who who)
{
    pthread_mutex_lock(&p->lock);
    if (!p->view.ended) {
        note_signal(p, signo, who);
        pthread_cond_broadcast(&p->changed);
    }
    pthread_mutex_unlock(&p->lock);
}
