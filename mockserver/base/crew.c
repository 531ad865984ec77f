#include "base/crew.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

/* A thread.  Who has taken it from the idle ones calls it, and until then it stays. */
struct hand {
    struct hand *next;           /* idle */
    bool is_idle;
    sem_t called;
    void (*work)(void *arg);     /* NULL: nothing to do */
    void *arg;
};

struct crew {
    struct crew_config config;
    pthread_attr_t attr;
    pthread_mutex_t lock;        /* everything below */
    pthread_cond_t gone;
    struct hand *idle;           /* the one that was busy last is the first */
    struct crew_stats stats;
    bool is_ending;
};

/* What a new thread begins with. */
struct first_job {
    struct crew *crew;
    void (*work)(void *arg);
    void *arg;
};

/* ---- a thread ------------------------------------------------------------------------------------ */

/* With the lock held. */
static void leave_idle(struct crew *crew, struct hand *hand)
{
    struct hand **at = &crew->idle;
    while (*at != hand)
        at = &(*at)->next;
    *at = hand->next;
    hand->is_idle = false;
    crew->stats.idle--;
}

/* False: it would be one too many. */
static bool become_idle(struct crew *crew, struct hand *hand)
{
    pthread_mutex_lock(&crew->lock);
    bool may_stay = !crew->is_ending && crew->stats.idle < crew->config.max_idle;
    if (may_stay) {
        hand->next = crew->idle;
        hand->is_idle = true;
        crew->idle = hand;
        crew->stats.idle++;
    }
    pthread_mutex_unlock(&crew->lock);
    return may_stay;
}

static struct timespec end_of_idleness(const struct crew *crew)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += crew->config.idle_ms / 1000;
    until.tv_nsec += (long) (crew->config.idle_ms % 1000) * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    return until;
}

/* Was it called?  It may be just when it has waited long enough: then the call is on its way. */
static bool was_called(struct crew *crew, struct hand *hand)
{
    pthread_mutex_lock(&crew->lock);
    bool is_called = !hand->is_idle;
    if (!is_called)
        leave_idle(crew, hand);
    pthread_mutex_unlock(&crew->lock);
    while (is_called && sem_wait(&hand->called) != 0)
        CHECK(errno == EINTR);
    return is_called;
}

static void wait_for_work(struct crew *crew, struct hand *hand)
{
    const struct timespec until = end_of_idleness(crew);
    int rc;
    do
        rc = sem_timedwait(&hand->called, &until);
    while (rc != 0 && errno == EINTR);
    if (rc != 0 && !was_called(crew, hand))
        hand->work = NULL;
}

static void leave(struct crew *crew)
{
    pthread_mutex_lock(&crew->lock);
    if (--crew->stats.threads == 0)
        pthread_cond_broadcast(&crew->gone);
    pthread_mutex_unlock(&crew->lock);
}

static void *hand_main(void *arg)
{
    struct first_job first = *(struct first_job *) arg;
    struct hand hand = { .work = first.work, .arg = first.arg };
    free(arg);
    sem_init(&hand.called, 0, 0);
    while (hand.work != NULL) {
        hand.work(hand.arg);
        hand.work = NULL;
        if (become_idle(first.crew, &hand))
            wait_for_work(first.crew, &hand);
    }
    sem_destroy(&hand.called);
    leave(first.crew);
    return NULL;
}

/* With the lock held. */
static int start_hand(struct crew *crew, void (*work)(void *arg), void *arg, struct err *err)
{
    pthread_t thread;
    struct first_job *first = malloc(sizeof *first);
    if (first == NULL)
        return err_set(err, ERR_LIMIT, 0, "no memory for a thread");
    *first = (struct first_job) { crew, work, arg };
    int rc = pthread_create(&thread, &crew->attr, hand_main, first);
    if (rc != 0) {
        free(first);
        return err_set(err, ERR_LIMIT, rc, "start a thread");
    }
    crew->stats.threads++;
    crew->stats.started++;
    return 0;
}

/* ---- for users -------------------------------------------------------------------------------- */

int crew_new(struct crew **out_crew, const struct crew_config *config, struct err *err)
{
    struct crew *crew = calloc(1, sizeof *crew);
    if (crew == NULL)
        return err_set(err, ERR_NOMEM, 0, "crew");
    crew->config = *config;
    pthread_attr_init(&crew->attr);
    pthread_attr_setdetachstate(&crew->attr, PTHREAD_CREATE_DETACHED);
    int rc = pthread_attr_setstacksize(&crew->attr, config->stack_bytes);
    if (rc != 0) {
        pthread_attr_destroy(&crew->attr);
        free(crew);
        return err_set(err, ERR_INVALID, rc, "a stack of %zu bytes", config->stack_bytes);
    }
    pthread_mutex_init(&crew->lock, NULL);
    pthread_cond_init(&crew->gone, NULL);
    *out_crew = crew;
    return 0;
}

/* With the lock held; the caller calls it then. */
static struct hand *take_idle(struct crew *crew, void (*work)(void *arg), void *arg)
{
    struct hand *hand = crew->idle;
    if (hand == NULL)
        return NULL;
    leave_idle(crew, hand);
    hand->work = work;
    hand->arg = arg;
    return hand;
}

int crew_give(struct crew *crew, void (*work)(void *arg), void *arg, struct err *err)
{
    pthread_mutex_lock(&crew->lock);
    struct hand *hand = take_idle(crew, work, arg);
    int rc = hand != NULL ? 0 : start_hand(crew, work, arg, err);
    crew->stats.given += rc == 0;
    pthread_mutex_unlock(&crew->lock);
    if (hand != NULL)
        sem_post(&hand->called);
    return rc;
}

void crew_get_stats(struct crew *crew, struct crew_stats *out_stats)
{
    pthread_mutex_lock(&crew->lock);
    *out_stats = crew->stats;
    pthread_mutex_unlock(&crew->lock);
}

void crew_free(struct crew *crew)
{
    if (crew == NULL)
        return;
    pthread_mutex_lock(&crew->lock);
    crew->is_ending = true;
    for (struct hand *hand; (hand = take_idle(crew, NULL, NULL)) != NULL;)
        sem_post(&hand->called);
    while (crew->stats.threads > 0)
        pthread_cond_wait(&crew->gone, &crew->lock);
    pthread_mutex_unlock(&crew->lock);
    pthread_attr_destroy(&crew->attr);
    pthread_cond_destroy(&crew->gone);
    pthread_mutex_destroy(&crew->lock);
    free(crew);
}
