#include "engine/reactor.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define BATCH 64

struct job_list {
    struct reactor_job *first, **last;
};

/* A clock that timers follow. */
struct used_clock {
    struct used_clock *next;
    struct reactor *reactor;
    struct clock *clock;         /* a reference */
    struct clock_listener listener;
    unsigned users;
};

struct reactor {
    pthread_t thread;
    int epoll_fd;
    struct source wake;          /* eventfd */
    pthread_mutex_t lock;        /* clocks, posted, stopping */
    struct used_clock *clocks;
    struct job_list posted;
    bool stopping;
    struct job_list deferred;    /* reactor thread only, like the heap */
    struct timer **heap;
    size_t heap_count, heap_cap;
};

static void jobs_init(struct job_list *list)
{
    list->first = NULL;
    list->last = &list->first;
}

static void jobs_add(struct job_list *list, struct reactor_job *job)
{
    job->next = NULL;
    *list->last = job;
    list->last = &job->next;
}

static void jobs_run(struct job_list *list)
{
    while (list->first != NULL) {
        struct reactor_job *job = list->first;
        list->first = job->next;
        if (list->first == NULL)
            list->last = &list->first;
        job->fn(job->arg);       /* may free the job */
    }
}

/* ---- timers: a binary heap by time --------------------------------------------------- */

static void heap_put(struct reactor *r, size_t i, struct timer *t)
{
    r->heap[i] = t;
    t->slot = i + 1;
}

static void heap_up(struct reactor *r, size_t i)
{
    struct timer *t = r->heap[i];
    while (i > 0 && r->heap[(i - 1) / 2]->at_ns > t->at_ns) {
        heap_put(r, i, r->heap[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    heap_put(r, i, t);
}

static void heap_down(struct reactor *r, size_t i)
{
    struct timer *t = r->heap[i];
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= r->heap_count)
            break;
        if (child + 1 < r->heap_count && r->heap[child + 1]->at_ns < r->heap[child]->at_ns)
            child++;
        if (r->heap[child]->at_ns >= t->at_ns)
            break;
        heap_put(r, i, r->heap[child]);
        i = child;
    }
    heap_put(r, i, t);
}

void timer_cancel(struct reactor *r, struct timer *t)
{
    if (t->slot == 0)
        return;
    size_t i = t->slot - 1;
    t->slot = 0;
    struct timer *last = r->heap[--r->heap_count];
    if (last == t)
        return;
    heap_put(r, i, last);
    heap_up(r, i);
    heap_down(r, last->slot - 1);
}

static int timer_set_ns(struct reactor *r, struct timer *t, int64_t at_ns)
{
    timer_cancel(r, t);
    if (r->heap_count == r->heap_cap) {
        size_t cap = r->heap_cap == 0 ? 64 : r->heap_cap * 2;
        struct timer **heap = realloc(r->heap, cap * sizeof(struct timer *));
        if (heap == NULL)
            return -1;
        r->heap = heap;
        r->heap_cap = cap;
    }
    t->at_ns = at_ns;
    r->heap_count++;
    heap_put(r, r->heap_count - 1, t);
    heap_up(r, r->heap_count - 1);
    return 0;
}

int timer_set_real(struct reactor *r, struct timer *t, int64_t delay_ms)
{
    t->clock = NULL;
    return timer_set_ns(r, t, mono_ns() + delay_ms * 1000000LL);
}

int timer_set_api(struct reactor *r, struct timer *t, const struct clock *clock, int64_t api_ms)
{
    if (api_ms == CLOCK_NEVER) {
        timer_cancel(r, t);
        return 0;
    }
    t->clock = clock;
    t->api_ms = api_ms;
    return timer_set_ns(r, t, clock_real_ns(clock, api_ms));
}

/* The machine's time is there, but not the clock's: it was stopped or slowed a moment ago, and the word is on its way.
   (Or something was rounded: then it is tried again a little later.) */
static bool put_off_early(struct reactor *r, struct timer *t, int64_t now)
{
    if (t->clock == NULL || clock_now_ms(t->clock) >= t->api_ms)
        return false;
    int64_t at = clock_real_ns(t->clock, t->api_ms);
    t->at_ns = at > now ? at : now + 100000;
    heap_down(r, t->slot - 1);
    return true;
}

static void fire_due_timers(struct reactor *r)
{
    int64_t now = mono_ns();
    while (r->heap_count > 0 && r->heap[0]->at_ns <= now) {
        struct timer *t = r->heap[0];
        if (put_off_early(r, t, now))
            continue;
        timer_cancel(r, t);
        t->fire(t->arg);
    }
}

static int next_timeout_ms(const struct reactor *r)
{
    if (r->heap_count == 0)
        return -1;
    int64_t left_ns = r->heap[0]->at_ns - mono_ns();
    if (left_ns <= 0)
        return 0;
    int64_t ms = (left_ns + 999999) / 1000000;
    return ms > 60000 ? 60000 : (int) ms;
}

/* ---- the loop ------------------------------------------------------------------------ */

static void take_posted(struct source *source, uint32_t events)
{
    (void) events;
    uint64_t n;
    (void) !read(source->fd, &n, sizeof n);
}

static bool run_posted(struct reactor *r)
{
    struct job_list mine;
    jobs_init(&mine);
    pthread_mutex_lock(&r->lock);
    if (r->posted.first != NULL) {
        mine.first = r->posted.first;
        mine.last = r->posted.last;
        jobs_init(&r->posted);
    }
    bool stopping = r->stopping;
    pthread_mutex_unlock(&r->lock);
    jobs_run(&mine);
    return stopping;
}

static void *reactor_main(void *arg)
{
    struct reactor *r = arg;
    struct epoll_event events[BATCH];
    for (;;) {
        int n = epoll_wait(r->epoll_fd, events, BATCH, next_timeout_ms(r));
        CHECK(n >= 0 || errno == EINTR);
        for (int i = 0; i < n; i++) {
            struct source *s = events[i].data.ptr;
            s->ready(s, events[i].events);
        }
        fire_due_timers(r);
        bool stopping = run_posted(r);
        jobs_run(&r->deferred);
        if (stopping)
            return NULL;
    }
}

static void wake_up(struct reactor *r)
{
    uint64_t one = 1;
    CHECK(write(r->wake.fd, &one, sizeof one) == sizeof one || errno == EAGAIN);
}

static void stop_following(struct reactor *r, bool all);

int reactor_new(struct reactor **out_reactor, struct err *err)
{
    struct reactor *r = calloc(1, sizeof *r);
    if (r == NULL)
        return err_set(err, ERR_NOMEM, 0, "reactor");
    jobs_init(&r->posted);
    jobs_init(&r->deferred);
    pthread_mutex_init(&r->lock, NULL);
    r->wake = (struct source) { .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), .ready = take_posted };
    r->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (r->epoll_fd < 0 || r->wake.fd < 0) {
        err_set(err, ERR_IO, errno, "make the reactor's descriptors");
        goto close_fds;
    }
    if (reactor_add(r, &r->wake, EPOLLIN, err) != 0)
        goto close_fds;
    int rc = pthread_create(&r->thread, NULL, reactor_main, r);
    if (rc != 0) {
        err_set(err, ERR_IO, rc, "start the reactor's thread");
        goto close_fds;
    }
    *out_reactor = r;
    return 0;
close_fds:
    if (r->epoll_fd >= 0)
        close(r->epoll_fd);
    if (r->wake.fd >= 0)
        close(r->wake.fd);
    pthread_mutex_destroy(&r->lock);
    free(r);
    return -1;
}

void reactor_free(struct reactor *r)
{
    if (r == NULL)
        return;
    stop_following(r, true);
    pthread_mutex_lock(&r->lock);
    r->stopping = true;
    pthread_mutex_unlock(&r->lock);
    wake_up(r);
    pthread_join(r->thread, NULL);
    close(r->epoll_fd);
    close(r->wake.fd);
    pthread_mutex_destroy(&r->lock);
    free(r->heap);
    free(r);
}

int reactor_add(struct reactor *r, struct source *source, uint32_t events, struct err *err)
{
    struct epoll_event ev = { .events = events, .data.ptr = source };
    if (epoll_ctl(r->epoll_fd, EPOLL_CTL_ADD, source->fd, &ev) != 0)
        return err_set(err, ERR_IO, errno, "watch a descriptor");
    return 0;
}

void reactor_change(struct reactor *r, struct source *source, uint32_t events)
{
    struct epoll_event ev = { .events = events, .data.ptr = source };
    CHECK(epoll_ctl(r->epoll_fd, EPOLL_CTL_MOD, source->fd, &ev) == 0);
}

void reactor_remove(struct reactor *r, struct source *source)
{
    (void) epoll_ctl(r->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
}

void reactor_close(struct reactor *r, struct source *source)
{
    if (source->fd < 0)
        return;
    reactor_remove(r, source);
    close(source->fd);
    source->fd = -1;
}

bool reactor_is_mine(const struct reactor *r)
{
    return pthread_equal(pthread_self(), r->thread) != 0;
}

void reactor_post(struct reactor *r, struct reactor_job *job)
{
    pthread_mutex_lock(&r->lock);
    jobs_add(&r->posted, job);
    pthread_mutex_unlock(&r->lock);
    wake_up(r);
}

void reactor_defer(struct reactor *r, struct reactor_job *job)
{
    CHECK(reactor_is_mine(r));
    jobs_add(&r->deferred, job);
}

struct waited_call {
    void (*fn)(void *arg);
    void *arg;
    sem_t done;
};

static void run_waited_call(void *arg)
{
    struct waited_call *call = arg;
    call->fn(call->arg);
    sem_post(&call->done);
}

void reactor_call(struct reactor *r, void (*fn)(void *arg), void *arg)
{
    if (reactor_is_mine(r)) {
        fn(arg);
        return;
    }
    struct waited_call call = { .fn = fn, .arg = arg };
    sem_init(&call.done, 0, 0);
    struct reactor_job job = { .fn = run_waited_call, .arg = &call };
    reactor_post(r, &job);
    while (sem_wait(&call.done) != 0)
        CHECK(errno == EINTR);
    sem_destroy(&call.done);
}

/* ---- clocks ---------------------------------------------------------------------------- */

static void look_at_timers_again(void *arg)
{
    const struct used_clock *used = arg;
    struct reactor *r = used->reactor;
    for (size_t i = 0; i < r->heap_count; i++)
        if (r->heap[i]->clock == used->clock)
            r->heap[i]->at_ns = clock_real_ns(used->clock, r->heap[i]->api_ms);
    for (size_t i = r->heap_count / 2; i > 0; i--)
        heap_down(r, i - 1);
    fire_due_timers(r);
}

static void clock_changed(void *arg)
{
    const struct used_clock *used = arg;
    reactor_call(used->reactor, look_at_timers_again, arg);
}

static struct used_clock *find_used(const struct reactor *r, const struct clock *clock)
{
    struct used_clock *used = r->clocks;
    while (used != NULL && used->clock != clock)
        used = used->next;
    return used;
}

/* Those that nobody uses any more, or all of them. */
static void stop_following(struct reactor *r, bool all)
{
    struct used_clock *gone = NULL, **at = &r->clocks;
    pthread_mutex_lock(&r->lock);
    while (*at != NULL) {
        struct used_clock *used = *at;
        if (!all && used->users > 0) {
            at = &used->next;
            continue;
        }
        *at = used->next;
        used->next = gone;
        gone = used;
    }
    pthread_mutex_unlock(&r->lock);
    while (gone != NULL) {
        struct used_clock *used = gone;
        gone = used->next;
        clock_unlisten(used->clock, &used->listener);
        clock_unref(used->clock);
        free(used);
    }
}

int reactor_use_clock(struct reactor *r, struct clock *clock, struct err *err)
{
    struct used_clock *made = calloc(1, sizeof *made);
    if (made == NULL)
        return err_set(err, ERR_NOMEM, 0, "follow a clock");
    pthread_mutex_lock(&r->lock);
    struct used_clock *used = find_used(r, clock);
    if (used != NULL) {
        used->users++;
        free(made);
    } else {
        *made = (struct used_clock) { .next = r->clocks, .reactor = r, .clock = clock_ref(clock), .users = 1 };
        made->listener = (struct clock_listener) { .changed = clock_changed, .arg = made };
        r->clocks = made;
        clock_listen(clock, &made->listener);
    }
    pthread_mutex_unlock(&r->lock);
    return 0;
}

/* A clock that is changing waits for this reactor, so the reactor must not wait for it: then the next one to drop a
   clock on another thread, or the end, stops listening to it. */
void reactor_drop_clock(struct reactor *r, struct clock *clock)
{
    pthread_mutex_lock(&r->lock);
    struct used_clock *used = find_used(r, clock);
    CHECK(used != NULL && used->users > 0);
    used->users--;
    pthread_mutex_unlock(&r->lock);
    if (!reactor_is_mine(r))
        stop_following(r, false);
}
