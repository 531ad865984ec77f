/* Which processes a sandbox really has, and what a dead keeper left behind. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "engine/engine_priv.h"
#include "engine/procfs.h"

static pid_t keeper_pid(struct sandbox *s)
{
    pthread_mutex_lock(&s->lock);
    pid_t pid = s->link == NULL || s->keeper_stopped ? 0 : link_pid(s->link);
    pthread_mutex_unlock(&s->lock);
    return pid;
}

struct census_entry *sandbox_census(struct sandbox *s, size_t *out_count)
{
    size_t count = 0;
    pid_t root = keeper_pid(s);
    struct procfs_entry *tree = root == 0 ? NULL : procfs_tree(root, &count);
    struct census_entry *list = count == 0 ? NULL : calloc(count, sizeof *list);
    if (list == NULL)
        count = 0;
    bool isolated = s->engine->config.isolation == ISOLATION_NAMESPACE;
    for (size_t i = 0; i < count; i++) {
        const struct procfs_entry *e = &tree[i];
        pid_t inner = procfs_inner_pid(e->pid);
        list[i] = (struct census_entry) { .host_pid = e->pid, .host_ppid = e->ppid, .pid = inner,
                                          .state = e->state };
        memcpy(list[i].comm, e->comm, sizeof list[i].comm);
        /* With namespaces the root is bubblewrap, and its child is the keeper: process 1 inside. */
        list[i].is_keeper = e->pid == root || (isolated && inner == 1);
    }
    free(tree);
    *out_count = count;
    return list;
}

/* ---- orphans --------------------------------------------------------------------------- */

#define HUNT_ROUNDS 400

/* With namespaces our children are bubblewraps; a keeper that has become our child has lost its own. */
static bool is_a_keeper(struct engine *engine, pid_t pid)
{
    bool isolated = engine->config.isolation == ISOLATION_NAMESPACE;
    return procfs_runs(pid, isolated ? engine->tools.bwrap : engine->keeper_path);
}

static bool kill_tree_of(pid_t root)
{
    size_t count;
    struct procfs_entry *tree = procfs_tree(root, &count);
    for (size_t i = 0; i < count; i++)
        kill(tree[i].pid, SIGKILL);
    free(tree);
    return count > 0;
}

/* One round; true when an orphan is left.  The zombie of a process whose other threads still die cannot be reaped
   yet. */
static bool hunt(struct engine *engine)
{
    size_t count;
    pid_t self = getpid();
    struct procfs_entry *tree = procfs_tree(self, &count);
    bool found = false;
    for (size_t i = 0; i < count; i++) {
        const struct procfs_entry *e = &tree[i];
        if (e->ppid != self || is_a_keeper(engine, e->pid))
            continue;
        if (e->state == 'Z')
            found |= waitpid(e->pid, NULL, WNOHANG) == 0;
        else
            found |= kill_tree_of(e->pid);
    }
    free(tree);
    return found;
}

struct round {
    struct engine *engine;
    bool found;
};

static void hunt_once(void *arg)
{
    struct round *round = arg;
    round->found = hunt(round->engine);
}

/* The server starts nothing but keepers, and is a subreaper: any other child of its own is what a dead keeper
   left.  Killed ones come round again as zombies and are reaped.  The reactor's thread looks, since it is the one that
   starts keepers: a child that is still to become one does not look like one. */
void orphans_kill(struct engine *engine)
{
    struct round round = { engine, true };
    for (int i = 0; i < HUNT_ROUNDS && round.found; i++) {
        if (i > 0)
            nanosleep(&(struct timespec) { .tv_nsec = 5000000L }, NULL);
        reactor_call(engine->reactor, hunt_once, &round);
    }
}
