/* The engine's list of sandboxes: found, remembered, forgotten, stopped together.  The lock is engine->lock. */
#include <stdlib.h>
#include <string.h>

#include "engine/engine_priv.h"

#define MAX_CLOSED 1000           /* closed sandboxes that are remembered of one owner */

/* ---- find ------------------------------------------------------------------------------ */

static bool is_of(const struct sandbox *s, const struct owner *owner, const char *dialect)
{
    return (owner == NULL || s->owner == owner) && (dialect == NULL || strcmp(s->dialect, dialect) == 0);
}

struct sandbox *engine_find_sandbox(struct engine *engine, const struct owner *owner, const char *dialect,
                                    const char *id)
{
    pthread_mutex_lock(&engine->lock);
    struct sandbox *s = engine->first;
    while (s != NULL && !(strcmp(s->id, id) == 0 && is_of(s, owner, dialect)))
        s = s->next;
    if (s != NULL)
        sandbox_ref(s);
    pthread_mutex_unlock(&engine->lock);
    return s;
}

struct sandbox **engine_list_sandboxes(struct engine *engine, const struct owner *owner, const char *dialect,
                                       size_t *out_count)
{
    size_t n = 0;
    pthread_mutex_lock(&engine->lock);
    for (struct sandbox *s = engine->first; s != NULL; s = s->next)
        n += is_of(s, owner, dialect);
    struct sandbox **list = n == 0 ? NULL : calloc(n, sizeof(struct sandbox *));
    n = 0;
    for (struct sandbox *s = list == NULL ? NULL : engine->first; s != NULL; s = s->next)
        if (is_of(s, owner, dialect))
            list[n++] = sandbox_ref(s);
    pthread_mutex_unlock(&engine->lock);
    *out_count = n;
    return list;
}

void sandbox_list_free(struct sandbox **list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        sandbox_unref(list[i]);
    free(list);
}

/* ---- remember and forget --------------------------------------------------------------- */

/* Looked at under the lock that a reset takes, too: it finds the sandbox, or the sandbox finds the owner closed. */
int engine_list_sandbox(struct engine *engine, struct sandbox *s, struct err *err)
{
    pthread_mutex_lock(&engine->lock);
    bool refused = s->owner != NULL && atomic_load(&s->owner->closed);
    if (!refused) {
        *engine->last = sandbox_ref(s);
        engine->last = &s->next;
    }
    pthread_mutex_unlock(&engine->lock);
    return refused ? err_set(err, ERR_CONFLICT, 0, "nobody takes new sandboxes here any more") : 0;
}

static struct sandbox *unlist(struct engine *engine, struct sandbox **at)
{
    struct sandbox *s = *at;
    *at = s->next;
    if (engine->last == &s->next)
        engine->last = at;
    s->next = NULL;
    return s;
}

/* Counted by owner, so that one who makes many does not cost another its memory of a few. */
void engine_remember_closed(struct engine *engine, struct sandbox *closed)
{
    struct sandbox *forgotten = NULL, **oldest = NULL;
    unsigned count = 0;
    pthread_mutex_lock(&engine->lock);
    for (struct sandbox **at = &engine->first; *at != NULL; at = &(*at)->next) {
        if ((*at)->owner != closed->owner || sandbox_get_state(*at) != SANDBOX_CLOSED)
            continue;
        if (count++ == 0)
            oldest = at;
    }
    if (count > MAX_CLOSED)
        forgotten = unlist(engine, oldest);
    pthread_mutex_unlock(&engine->lock);
    if (forgotten != NULL)
        sandbox_forget_main(forgotten);
    sandbox_unref(forgotten);
}

static void forget_closed(struct engine *engine, const struct owner *owner)
{
    pthread_mutex_lock(&engine->lock);
    struct sandbox *gone = NULL, **at = &engine->first;
    while (*at != NULL) {
        if (!is_of(*at, owner, NULL) || sandbox_get_state(*at) != SANDBOX_CLOSED) {
            at = &(*at)->next;
            continue;
        }
        struct sandbox *s = unlist(engine, at);
        s->next = gone;
        gone = s;
    }
    pthread_mutex_unlock(&engine->lock);
    while (gone != NULL) {
        struct sandbox *next = gone->next;
        gone->next = NULL;
        sandbox_forget_main(gone);
        sandbox_unref(gone);
        gone = next;
    }
}

/* ---- all together ---------------------------------------------------------------------- */

static void stop_all(struct engine *engine, const struct owner *owner, enum stop_reason reason)
{
    size_t count;
    struct sandbox **list = engine_list_sandboxes(engine, owner, NULL, &count);
    /* All begin to die before any is waited for. */
    for (size_t i = 0; i < count; i++)
        sandbox_begin_stop(list[i], reason);
    for (size_t i = 0; i < count; i++)
        (void) sandbox_finish_stop(list[i], NULL);
    sandbox_list_free(list, count);
    forget_closed(engine, owner);
}

void engine_reset(struct engine *engine, const struct owner *owner)
{
    stop_all(engine, owner, STOP_REQUEST);
}

void engine_stop_all(struct engine *engine)
{
    stop_all(engine, NULL, STOP_SHUTDOWN);
}
