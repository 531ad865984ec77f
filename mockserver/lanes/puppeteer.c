#include "lanes/puppeteer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lanes/puppeteer_priv.h"

#define NS_PER_S   1000000000LL
#define GLANCE_NS  (NS_PER_S / 5) /* how often an awaiting thread asks whether it should go on */

/* ---- life ----------------------------------------------------------------------------- */

static void init_cond(pthread_cond_t *cond)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attr);
    pthread_condattr_destroy(&attr);
}

int puppeteer_new(struct puppeteer **out_puppeteer, struct err *err)
{
    struct puppeteer *p = calloc(1, sizeof *p);
    if (p == NULL)
        return err_set(err, ERR_NOMEM, 0, "puppeteer");
    ring_init(&p->strands);
    if (reactor_new(&p->reactor, err) < 0) {
        free(p);
        return -1;
    }
    pthread_mutex_init(&p->lock, NULL);
    init_cond(&p->reached);
    *out_puppeteer = p;
    return 0;
}

static void free_retired(struct puppeteer *p)
{
    pthread_mutex_lock(&p->lock);
    struct troupe *troupe = p->retired, *next;
    p->retired = NULL;
    pthread_mutex_unlock(&p->lock);
    for (; troupe != NULL; troupe = next) {
        next = troupe->next;
        troupe_free(p, troupe);
    }
}

static void close_barrier(struct puppeteer *p, struct barrier *barrier, void *lane)
{
    if (lane != NULL && strcmp(barrier->info.lane, lane) != 0)
        return;
    barrier->info.open = false;
    barrier_tidy(p, barrier);
}

static void close_all(void *arg)
{
    struct puppeteer *p = arg;
    while (p->strands.next != &p->strands)
        strand_close(RING_OWNER(p->strands.next, struct strand, all));
    barrier_each(p, close_barrier, NULL);
}

void puppeteer_free(struct puppeteer *p)
{
    if (p == NULL)
        return;
    reactor_call(p->reactor, close_all, p);
    free_retired(p);
    reactor_free(p->reactor);
    pthread_cond_destroy(&p->reached);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

/* ---- puppets -------------------------------------------------------------------------- */

/* All calls go over the reactor's thread: what they ask, and the answer. */
struct call {
    struct puppeteer *p;
    const char *lane, *name;
    struct troupe *troupe;
    int fd, rc;
    struct err *err;
    bool for_good;
    unsigned went;
    struct barrier_info *list;
    size_t count, room;
    struct puppeteer_counts *counts;
    struct awaiter *awaiter;
};

static void do_add(void *arg)
{
    struct call *call = arg;
    call->rc = strand_begin(call->p, call->troupe, call->fd, call->err);
}

int puppeteer_add(struct puppeteer *p, const char *lane, struct clock *clock, int *out_fd, struct err *err)
{
    struct troupe *troupe;
    int pair[2];
    free_retired(p);
    if (strlen(lane) >= LANE_BYTES)
        return err_set(err, ERR_INVALID, 0, "a lane's name of more than %zu bytes", LANE_BYTES - 1);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return err_set(err, ERR_IO, errno, "make a puppet's socket");
    if (troupe_new(p, lane, clock, &troupe, err) < 0) {
        close(pair[0]);
        goto close_theirs;
    }
    struct call call = { .p = p, .troupe = troupe, .fd = pair[0], .err = err };
    reactor_call(p->reactor, do_add, &call);
    if (call.rc < 0)
        goto free_troupe;
    *out_fd = pair[1];
    return 0;
free_troupe:
    troupe_free(p, troupe);
close_theirs:
    close(pair[1]);
    return -1;
}

static void do_get_counts(void *arg)
{
    struct call *call = arg;
    *call->counts = call->p->counts;
}

void puppeteer_get_counts(struct puppeteer *p, struct puppeteer_counts *out)
{
    reactor_call(p->reactor, do_get_counts, &(struct call){ .p = p, .counts = out });
}

/* ---- barriers ------------------------------------------------------------------------- */

static bool is_listed(const struct barrier *barrier, const char *lane)
{
    return !barrier->is_for_sleepers && (lane == NULL || strcmp(barrier->info.lane, lane) == 0);
}

static void count_barrier(struct puppeteer *p, struct barrier *barrier, void *arg)
{
    struct call *call = arg;
    (void) p;
    call->room += is_listed(barrier, call->lane);
}

static void copy_barrier(struct puppeteer *p, struct barrier *barrier, void *arg)
{
    struct call *call = arg;
    (void) p;
    if (is_listed(barrier, call->lane))
        call->list[call->count++] = barrier->info;
}

static void do_list(void *arg)
{
    struct call *call = arg;
    barrier_each(call->p, count_barrier, call);
    call->list = calloc(call->room + 1, sizeof *call->list);
    if (call->list != NULL)
        barrier_each(call->p, copy_barrier, call);
}

static int compare_barriers(const void *a, const void *b)
{
    const struct barrier_info *left = a, *right = b;
    int order = strcmp(left->lane, right->lane);
    return order != 0 ? order : strcmp(left->name, right->name);
}

struct barrier_info *puppeteer_list_barriers(struct puppeteer *p, const char *lane, size_t *out_count)
{
    struct call call = { .p = p, .lane = lane };
    reactor_call(p->reactor, do_list, &call);
    if (call.count > 1)
        qsort(call.list, call.count, sizeof *call.list, compare_barriers);
    *out_count = call.count;
    return call.list;
}

static void do_open(void *arg)
{
    struct call *call = arg;
    struct barrier *barrier = call->for_good ? barrier_make(call->p, call->lane, call->name)
                                             : barrier_find(call->p, call->lane, call->name);
    if (barrier == NULL)
        return;
    /* Open while they go, or the barrier would be forgotten with the last one. */
    bool stays_open = barrier->info.open || call->for_good;
    barrier->info.open = true;
    while (barrier->wishes.next != &barrier->wishes) {
        strand_grant(RING_OWNER(barrier->wishes.next, struct wish, of_barrier));
        call->went++;
    }
    barrier->info.open = stays_open;
    barrier_tidy(call->p, barrier);
}

unsigned puppeteer_open_barrier(struct puppeteer *p, const char *lane, const char *name, bool for_good)
{
    struct call call = { .p = p, .lane = lane, .name = name, .for_good = for_good };
    if (strlen(lane) >= LANE_BYTES || *name == '\0' || strlen(name) >= BARRIER_NAME_BYTES)
        return 0; /* nobody can stand there */
    reactor_call(p->reactor, do_open, &call);
    return call.went;
}

static void do_reset(void *arg)
{
    struct call *call = arg;
    barrier_each(call->p, close_barrier, (void *) (uintptr_t) call->lane);
}

void puppeteer_reset(struct puppeteer *p, const char *lane)
{
    free_retired(p);
    reactor_call(p->reactor, do_reset, &(struct call){ .p = p, .lane = lane });
}

/* ---- waiting for them ----------------------------------------------------------------- */

static void do_await(void *arg)
{
    struct call *call = arg;
    barrier_await(call->p, call->awaiter);
}

static void do_forget(void *arg)
{
    struct call *call = arg;
    barrier_forget_awaiter(call->p, call->awaiter);
}

/* Sleep till the next look around. */
static void doze(struct puppeteer *p, const struct awaiter *awaiter, int64_t until_ns)
{
    struct timespec until = { .tv_sec = until_ns / NS_PER_S, .tv_nsec = until_ns % NS_PER_S };
    int rc = 0;
    while (!awaiter->reached && rc == 0)
        rc = pthread_cond_timedwait(&p->reached, &p->lock, &until);
}

bool puppeteer_await_barrier(struct puppeteer *p, const char *lane, const char *name, unsigned count, int64_t until_ns,
                             bool (*interrupt)(void *arg), void *arg)
{
    struct awaiter awaiter = { .lane = lane, .name = name, .count = count, .reached = count == 0 };
    struct call call = { .p = p, .awaiter = &awaiter };
    bool goes_on = !awaiter.reached;
    reactor_call(p->reactor, do_await, &call);
    pthread_mutex_lock(&p->lock);
    while (goes_on && !awaiter.reached) {
        int64_t now_ns = mono_ns(), glance_ns = now_ns + GLANCE_NS;
        doze(p, &awaiter, interrupt == NULL || until_ns < glance_ns ? until_ns : glance_ns);
        pthread_mutex_unlock(&p->lock);
        goes_on = mono_ns() < until_ns && (interrupt == NULL || !interrupt(arg));
        pthread_mutex_lock(&p->lock);
    }
    bool reached = awaiter.reached;
    pthread_mutex_unlock(&p->lock);
    reactor_call(p->reactor, do_forget, &call);
    return reached;
}
