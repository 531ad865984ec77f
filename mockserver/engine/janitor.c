/* Stops sandboxes whose time is up or whose keeper died: the reactor notices, and may not wait itself. */
#include <errno.h>
#include <stdlib.h>

#include "engine/engine_priv.h"

struct janitor {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct sandbox *first, **last;   /* each holds a reference */
    bool stopping;
};

static struct sandbox *next_job(struct janitor *j)
{
    pthread_mutex_lock(&j->lock);
    while (j->first == NULL && !j->stopping)
        pthread_cond_wait(&j->changed, &j->lock);
    struct sandbox *s = j->first;
    if (s != NULL && (j->first = s->janitor_next) == NULL)
        j->last = &j->first;
    pthread_mutex_unlock(&j->lock);
    return s;
}

static void *janitor_main(void *arg)
{
    struct sandbox *s;
    while ((s = next_job(arg)) != NULL) {
        (void) sandbox_stop(s, s->janitor_reason, NULL);
        sandbox_unref(s);
    }
    return NULL;
}

int janitor_new(struct janitor **out_janitor, struct err *err)
{
    struct janitor *j = calloc(1, sizeof *j);
    if (j == NULL)
        return err_set(err, ERR_NOMEM, 0, "janitor");
    j->last = &j->first;
    pthread_mutex_init(&j->lock, NULL);
    pthread_cond_init(&j->changed, NULL);
    int rc = pthread_create(&j->thread, NULL, janitor_main, j);
    if (rc != 0) {
        pthread_cond_destroy(&j->changed);
        pthread_mutex_destroy(&j->lock);
        free(j);
        return err_set(err, ERR_IO, rc, "start the janitor's thread");
    }
    *out_janitor = j;
    return 0;
}

void janitor_give(struct janitor *j, struct sandbox *s, enum stop_reason reason)
{
    pthread_mutex_lock(&j->lock);
    if (!s->janitor_has_it) {       /* one stop is enough, whatever the reason */
        s->janitor_has_it = true;
        s->janitor_reason = reason;
        s->janitor_next = NULL;
        *j->last = sandbox_ref(s);
        j->last = &s->janitor_next;
        pthread_cond_signal(&j->changed);
    }
    pthread_mutex_unlock(&j->lock);
}

void janitor_free(struct janitor *j)
{
    if (j == NULL)
        return;
    pthread_mutex_lock(&j->lock);
    j->stopping = true;
    pthread_cond_signal(&j->changed);
    pthread_mutex_unlock(&j->lock);
    pthread_join(j->thread, NULL);
    pthread_cond_destroy(&j->changed);
    pthread_mutex_destroy(&j->lock);
    free(j);
}
