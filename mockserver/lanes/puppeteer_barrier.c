/* Barriers by lane and name, and who awaits how many at one. */
#include <stdlib.h>
#include <string.h>

#include "lanes/puppeteer_priv.h"

/* ---- finding -------------------------------------------------------------------------- */

static size_t bucket_of(const char *lane, const char *name)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (; *lane != '\0'; lane++)
        hash = (hash ^ (unsigned char) *lane) * 16777619u;
    hash *= 16777619u;
    for (; name != NULL && *name != '\0'; name++)
        hash = (hash ^ (unsigned char) *name) * 16777619u;
    return hash % BARRIER_BUCKETS;
}

static bool is_called(const struct barrier *barrier, const char *lane, const char *name)
{
    if (strcmp(barrier->info.lane, lane) != 0 || barrier->is_for_sleepers != (name == NULL))
        return false;
    return name == NULL || strcmp(barrier->info.name, name) == 0;
}

struct barrier *barrier_find(struct puppeteer *p, const char *lane, const char *name)
{
    struct barrier *barrier = p->buckets[bucket_of(lane, name)];
    while (barrier != NULL && !is_called(barrier, lane, name))
        barrier = barrier->next;
    return barrier;
}

struct barrier *barrier_make(struct puppeteer *p, const char *lane, const char *name)
{
    struct barrier *barrier = barrier_find(p, lane, name), **bucket = &p->buckets[bucket_of(lane, name)];
    if (barrier != NULL)
        return barrier;
    barrier = calloc(1, sizeof *barrier);
    if (barrier == NULL)
        return NULL;
    memcpy(barrier->info.lane, lane, strlen(lane) + 1);
    if (name != NULL)
        memcpy(barrier->info.name, name, strlen(name) + 1);
    barrier->is_for_sleepers = name == NULL;
    ring_init(&barrier->wishes);
    barrier->next = *bucket;
    *bucket = barrier;
    return barrier;
}

void barrier_tidy(struct puppeteer *p, struct barrier *barrier)
{
    if (barrier->info.waiting > 0 || barrier->info.open)
        return;
    const char *name = barrier->is_for_sleepers ? NULL : barrier->info.name;
    struct barrier **place = &p->buckets[bucket_of(barrier->info.lane, name)];
    while (*place != barrier)
        place = &(*place)->next;
    *place = barrier->next;
    free(barrier);
}

void barrier_each(struct puppeteer *p, void (*visit)(struct puppeteer *p, struct barrier *barrier, void *arg),
                  void *arg)
{
    for (size_t i = 0; i < BARRIER_BUCKETS; i++) {
        struct barrier *next;
        for (struct barrier *barrier = p->buckets[i]; barrier != NULL; barrier = next) {
            next = barrier->next;
            visit(p, barrier, arg);
        }
    }
}

/* ---- standing there ------------------------------------------------------------------- */

/* Only threads that wait for this very number are woken. */
static void tell_awaiters(struct puppeteer *p, const struct barrier *barrier)
{
    for (struct awaiter *awaiter = p->awaiters; awaiter != NULL; awaiter = awaiter->next) {
        if (awaiter->count > barrier->info.waiting || !is_called(barrier, awaiter->lane, awaiter->name))
            continue;
        pthread_mutex_lock(&p->lock);
        awaiter->reached = true;
        pthread_cond_broadcast(&p->reached);
        pthread_mutex_unlock(&p->lock);
    }
}

void barrier_join(struct puppeteer *p, struct barrier *barrier, struct wish *wish)
{
    ring_add(&barrier->wishes, &wish->of_barrier);
    wish->barrier = barrier;
    barrier->info.waiting++;
    tell_awaiters(p, barrier);
}

void barrier_leave(struct puppeteer *p, struct wish *wish)
{
    struct barrier *barrier = wish->barrier;
    ring_remove(&wish->of_barrier);
    wish->barrier = NULL;
    barrier->info.waiting--;
    barrier_tidy(p, barrier);
}

void barrier_await(struct puppeteer *p, struct awaiter *awaiter)
{
    const struct barrier *barrier = barrier_find(p, awaiter->lane, awaiter->name);
    awaiter->next = p->awaiters;
    p->awaiters = awaiter;
    if (barrier != NULL)
        tell_awaiters(p, barrier);
}

void barrier_forget_awaiter(struct puppeteer *p, struct awaiter *awaiter)
{
    struct awaiter **place = &p->awaiters;
    while (*place != awaiter)
        place = &(*place)->next;
    *place = awaiter->next;
}
