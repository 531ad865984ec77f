#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "engine/keeper/keeper.h"

static bool is_being_started(const struct keeper *k, pid_t pid)
{
    for (int i = 0; i < k->spawner_count; i++)
        if (k->spawners[i].starting == pid)
            return true;
    return false;
}

static uint64_t count_starts(struct keeper *k)
{
    pthread_mutex_lock(&k->lock);
    uint64_t starts = k->starts;
    pthread_mutex_unlock(&k->lock);
    return starts;
}

/* No child at all: nothing can exit until the next start.  One that came since we counted, before we looked for
   children or after, is not slept over. */
static void wait_for_start(struct keeper *k, uint64_t counted)
{
    pthread_mutex_lock(&k->lock);
    while (k->starts == counted) {
        k->childless = true;
        pthread_cond_broadcast(&k->changed);
        pthread_cond_wait(&k->changed, &k->lock);
    }
    k->childless = false;
    pthread_mutex_unlock(&k->lock);
}

static void report_end(struct keeper *k, uint64_t number, const siginfo_t *si)
{
    struct keeper_report report = { .number = number, .value = si->si_status };
    report.event = si->si_code == CLD_EXITED ? KEEPER_EXITED : KEEPER_DIED;
    report.stage = si->si_code == CLD_DUMPED;
    keeper_report(k, &report, NULL);
}

/* The zombie is looked at first and reaped under the lock: until then its pid cannot become anybody else's,
   and nobody signals it after. */
static void reap_one(struct keeper *k, pid_t pid)
{
    siginfo_t si = { 0 };
    pthread_mutex_lock(&k->lock);
    while (is_being_started(k, pid))
        pthread_cond_wait(&k->changed, &k->lock);
    struct kept *kept = table_find_pid(k, pid);
    waitid(P_PID, (id_t) pid, &si, WEXITED | WNOHANG | __WALL);
    uint64_t number = kept == NULL ? 0 : kept->number;
    if (kept != NULL)
        table_mark_reaped(k, kept);
    pthread_mutex_unlock(&k->lock);
    if (number != 0)
        report_end(k, number, &si);
}

_Noreturn void reaper_run(struct keeper *k)
{
    for (;;) {
        siginfo_t si = { 0 };
        uint64_t starts = count_starts(k);
        int rc = waitid(P_ALL, 0, &si, WEXITED | WNOWAIT | __WALL);
        if (rc == 0)
            reap_one(k, si.si_pid);
        else if (errno == ECHILD)
            wait_for_start(k, starts);
        else if (errno != EINTR)
            abort();
    }
}
