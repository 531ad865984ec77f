/* A sandbox's talk with its keeper: requests, answers somebody waits for, reports. */
#include <errno.h>
#include <unistd.h>

#include "engine/engine_priv.h"

#define ANSWER_LIMIT_MS 10000     /* the keeper gives up on a tree after one second */

/* ---- sending --------------------------------------------------------------------------- */

static struct link *take_link(struct sandbox *s)
{
    pthread_mutex_lock(&s->lock);
    struct link *link = s->keeper_stopped ? NULL : s->link;
    if (link != NULL)
        s->link_users++;
    pthread_mutex_unlock(&s->lock);
    return link;
}

static void give_link_back(struct sandbox *s)
{
    pthread_mutex_lock(&s->lock);
    if (--s->link_users == 0)
        pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

int sandbox_send(struct sandbox *s, const struct keeper_request *request, const void *text, size_t len,
                 const int *fds, size_t fd_count, struct err *err)
{
    struct link *link = take_link(s);
    if (link == NULL)
        return err_set(err, ERR_CONFLICT, EPIPE, "Sandbox is not running");
    int rc = link_send(link, request, text, len, fds, fd_count, err);
    give_link_back(s);
    return rc;
}

/* ---- asking ---------------------------------------------------------------------------- */

static void drop_ticket(struct sandbox *s, struct link_ticket *ticket)
{
    struct link_ticket **at = &s->tickets;
    while (*at != ticket)
        at = &(*at)->next;
    *at = ticket->next;
}

int sandbox_ask(struct sandbox *s, struct keeper_request *request, int *out_value, struct err *err)
{
    struct link_ticket ticket = { 0 };
    pthread_mutex_lock(&s->lock);
    ticket.number = ++s->next_ticket;
    ticket.next = s->tickets;
    s->tickets = &ticket;
    pthread_mutex_unlock(&s->lock);
    request->ticket = ticket.number;
    int rc = sandbox_send(s, request, NULL, 0, NULL, 0, err);
    struct timespec until = engine_real_deadline(ANSWER_LIMIT_MS);
    pthread_mutex_lock(&s->lock);
    int waited = 0;
    while (rc == 0 && !ticket.done && !s->keeper_stopped && waited == 0)
        waited = pthread_cond_timedwait(&s->changed, &s->lock, &until);
    drop_ticket(s, &ticket);
    bool stopped = s->keeper_stopped;
    pthread_mutex_unlock(&s->lock);
    if (rc != 0)
        return -1;
    if (!ticket.done)
        return stopped ? err_set(err, ERR_CONFLICT, 0, "Sandbox is not running")
                       : err_set(err, ERR_TIMEOUT, 0, "the sandbox's keeper does not answer");
    *out_value = ticket.value;
    return 0;
}

static void settle_ticket(struct sandbox *s, const struct keeper_report *report)
{
    pthread_mutex_lock(&s->lock);
    for (struct link_ticket *t = s->tickets; t != NULL; t = t->next)
        if (t->number == report->ticket) {
            t->value = report->value;
            t->done = true;
            pthread_cond_broadcast(&s->changed);
        }
    pthread_mutex_unlock(&s->lock);
}

/* ---- reports --------------------------------------------------------------------------- */

static void set_stopped(struct sandbox *s, bool left_any)
{
    pthread_mutex_lock(&s->lock);
    s->keeper_left_any = left_any;
    s->keeper_stopped = true;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

static enum proc_event read_report(const struct keeper_report *report, int fd, struct proc_happening *out)
{
    *out = (struct proc_happening) { .fd = fd };
    switch ((enum keeper_event) report->event) {
    case KEEPER_STARTED:
        out->pid = report->value;
        return EVENT_STARTED;
    case KEEPER_START_FAILED:
        out->end = (struct fact) { .kind = FACT_START_FAILED, .value = report->value,
                                   .flag = (uint8_t) report->stage };
        return EVENT_START_FAILED;
    case KEEPER_EXITED:
        out->end = (struct fact) { .kind = FACT_EXITED, .value = report->value };
        return EVENT_ENDED;
    case KEEPER_DIED:
        out->end = (struct fact) { .kind = FACT_DIED, .value = report->value, .flag = report->stage != 0 };
        return EVENT_ENDED;
    case KEEPER_READY:
    case KEEPER_SIGNAL_DONE:
    case KEEPER_KILL_DONE:
    case KEEPER_STOPPED:
    default:
        return PROC_EVENTS;
    }
}

static void tell_proc(struct sandbox *s, const struct keeper_report *report, int fd)
{
    struct proc *p = sandbox_find_number(s, report->number);
    struct proc_happening what;
    enum proc_event event = read_report(report, fd, &what);
    if (p == NULL) {
        if (fd >= 0)
            close(fd);
        return;     /* long forgotten: its survivor's keeper entry outlived it */
    }
    if (event != PROC_EVENTS)
        proc_happen(p, event, &what);
    else if (report->event == KEEPER_SIGNAL_DONE && report->value == 0)
        proc_note_signal(p, (int) report->stage, (enum fact_who) report->who);
    proc_unref(p);
}

void sandbox_on_report(void *arg, const struct keeper_report *report, int fd)
{
    struct sandbox *s = arg;
    if (report->number != 0)
        tell_proc(s, report, fd);
    if (report->ticket != 0)
        settle_ticket(s, report);
    if (report->event == KEEPER_STOPPED)
        set_stopped(s, report->value > 0);
}

void sandbox_on_link_end(void *arg)
{
    struct sandbox *s = arg;
    pthread_mutex_lock(&s->lock);
    bool broke = s->state == SANDBOX_ACTIVE;
    if (broke)
        s->state = SANDBOX_BROKEN;
    bool ours = s->link != NULL;
    s->keeper_stopped = true;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    size_t count;
    struct proc **live = sandbox_live_procs(s, &count);
    for (size_t i = 0; i < count; i++)
        proc_happen(live[i], EVENT_KEEPER_LOST, NULL);
    proc_list_free(live, count);
    if (broke && ours)
        janitor_give(s->engine->janitor, s, STOP_KEEPER_DIED);
}
