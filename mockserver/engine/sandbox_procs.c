/* A sandbox's table of processes.  The lock is sandbox->lock throughout. */
#include <stdlib.h>
#include <string.h>

#include "engine/engine_priv.h"

#define MAX_LIVE 4096       /* beyond it the server's descriptors run out for everybody */

static struct proc **id_bucket(struct sandbox *s, const char *id)
{
    uint32_t h = 2166136261u;       /* FNV-1a */
    for (; *id != '\0'; id++)
        h = (h ^ (unsigned char) *id) * 16777619u;
    return &s->by_id[h % PROC_BUCKETS];
}

static struct proc **number_bucket(struct sandbox *s, uint64_t number)
{
    return &s->by_number[number % PROC_BUCKETS];
}

static void link_newest(struct sandbox *s, struct proc *p)
{
    p->older = s->newest;
    if (s->newest != NULL)
        s->newest->newer = p;
    else
        s->oldest = p;
    s->newest = p;
    struct proc **at = id_bucket(s, p->id);
    p->next_by_id = *at;
    *at = p;
    at = number_bucket(s, p->number);
    p->next_by_number = *at;
    *at = p;
}

static void unlink_proc(struct sandbox *s, struct proc *p)
{
    *(p->newer != NULL ? &p->newer->older : &s->newest) = p->older;
    *(p->older != NULL ? &p->older->newer : &s->oldest) = p->newer;
    p->newer = p->older = NULL;
    struct proc **at = id_bucket(s, p->id);
    while (*at != p)
        at = &(*at)->next_by_id;
    *at = p->next_by_id;
    at = number_bucket(s, p->number);
    while (*at != p)
        at = &(*at)->next_by_number;
    *at = p->next_by_number;
}

/* Its first fact, told to the owner only when it has been accepted, and before anybody can add another. */
static int note_queued(struct proc *p, struct err *err)
{
    pthread_mutex_lock(&p->lock);
    const struct fact *f = proc_add_fact(p, (struct fact) { .kind = FACT_QUEUED }, NULL);
    pthread_mutex_unlock(&p->lock);
    return f != NULL ? 0 : err_set(err, ERR_NOMEM, 0, "process");
}

int sandbox_list_proc(struct sandbox *s, struct proc *p, struct err *err)
{
    int rc = 0;
    pthread_mutex_lock(&s->lock);
    if (s->state != SANDBOX_ACTIVE)
        rc = err_set(err, ERR_CONFLICT, 0, "Sandbox is not running");
    else if (s->live >= MAX_LIVE)
        rc = err_set(err, ERR_LIMIT, 0, "%d processes are running in this sandbox; that is the limit", MAX_LIVE);
    else if (p->is_main && s->main != NULL)
        rc = err_set(err, ERR_CONFLICT, 0, "the sandbox has had its main process already");
    if (rc == 0)
        rc = note_queued(p, err);
    if (rc == 0) {
        link_newest(s, proc_ref(p));
        if (p->is_main)
            s->main = proc_ref(p);
        p->listed = true;
        s->live++;
    }
    pthread_mutex_unlock(&s->lock);
    return rc;
}

static struct proc *oldest_finished(const struct sandbox *s)
{
    struct proc *p = s->oldest;
    while (p != NULL && p->listed)
        p = p->newer;
    return p;
}

void sandbox_proc_finished(struct sandbox *s, struct proc *p)
{
    struct proc *forgotten = NULL;
    pthread_mutex_lock(&s->lock);
    if (p->listed) {
        p->listed = false;
        s->live--;
        s->finished++;
        pthread_cond_broadcast(&s->changed);
    }
    if (s->finished > s->engine->config.keep_finished && (forgotten = oldest_finished(s)) != NULL) {
        unlink_proc(s, forgotten);
        s->finished--;
    }
    pthread_mutex_unlock(&s->lock);
    proc_unref(forgotten);
}

struct proc *sandbox_find_number(struct sandbox *s, uint64_t number)
{
    pthread_mutex_lock(&s->lock);
    struct proc *p = *number_bucket(s, number);
    while (p != NULL && p->number != number)
        p = p->next_by_number;
    if (p != NULL)
        proc_ref(p);
    pthread_mutex_unlock(&s->lock);
    return p;
}

struct proc *sandbox_find_proc(struct sandbox *s, const char *id)
{
    pthread_mutex_lock(&s->lock);
    struct proc *p = *id_bucket(s, id);
    while (p != NULL && strcmp(p->id, id) != 0)
        p = p->next_by_id;
    if (p != NULL)
        proc_ref(p);
    pthread_mutex_unlock(&s->lock);
    return p;
}

static struct proc **list_some(struct sandbox *s, bool live_only, size_t *out_count)
{
    pthread_mutex_lock(&s->lock);
    size_t n = 0, room = (size_t) s->live + s->finished;
    struct proc **list = room == 0 ? NULL : calloc(room, sizeof(struct proc *));
    for (struct proc *p = list == NULL ? NULL : s->newest; p != NULL; p = p->older)
        if (p->listed || !live_only)
            list[n++] = proc_ref(p);
    pthread_mutex_unlock(&s->lock);
    *out_count = n;
    return list;
}

struct proc **sandbox_list_procs(struct sandbox *s, size_t *out_count)
{
    return list_some(s, false, out_count);
}

struct proc **sandbox_live_procs(struct sandbox *s, size_t *out_count)
{
    return list_some(s, true, out_count);
}

void proc_list_free(struct proc **list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        proc_unref(list[i]);
    free(list);
}

void sandbox_forget_procs(struct sandbox *s)
{
    pthread_mutex_lock(&s->lock);
    struct proc *p = s->newest;
    s->newest = s->oldest = NULL;
    s->finished = s->live = 0;
    memset(s->by_id, 0, sizeof s->by_id);
    memset(s->by_number, 0, sizeof s->by_number);
    pthread_mutex_unlock(&s->lock);
    while (p != NULL) {
        struct proc *older = p->older;
        proc_unref(p);
        p = older;
    }
}

struct proc *sandbox_main(struct sandbox *s)
{
    pthread_mutex_lock(&s->lock);
    struct proc *p = s->main == NULL ? NULL : proc_ref(s->main);
    pthread_mutex_unlock(&s->lock);
    return p;
}

void sandbox_forget_main(struct sandbox *s)
{
    pthread_mutex_lock(&s->lock);
    struct proc *p = s->main;
    s->main = NULL;
    pthread_mutex_unlock(&s->lock);
    proc_unref(p);
}

/* Who waits took the deadline from the clock with the process's lock held, so it either saw the new pace or waits by
   now.  Finished processes have nobody waiting. */
void sandbox_wake_waiters(void *arg)
{
    struct sandbox *s = arg;
    pthread_mutex_lock(&s->lock);
    for (struct proc *p = s->newest; p != NULL; p = p->older) {
        if (!p->listed)
            continue;
        pthread_mutex_lock(&p->lock);
        pthread_cond_broadcast(&p->changed);
        pthread_cond_broadcast(&p->moved);
        pthread_mutex_unlock(&p->lock);
    }
    pthread_mutex_unlock(&s->lock);
}
