/* Find and kill descendants.  Reads /proc, because a process can leave its group, session and parent. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "engine/keeper/keeper.h"
#include "engine/procfs.h"

#define MAX_ENVIRONMENT (256u * 1024u)

static bool is_alive(const struct procfs_entry *e)
{
    return e->state != 'Z' && e->state != 'X';
}

static bool has_mark(pid_t pid, const char *mark)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/environ", (int) pid);
    char *text = malloc(MAX_ENVIRONMENT);
    ssize_t len = text == NULL ? -1 : procfs_read_file(path, text, MAX_ENVIRONMENT);
    bool found = false;
    for (const char *at = text; !found && len > 0 && at < text + len; at += strlen(at) + 1)
        found = strcmp(at, mark) == 0;
    free(text);
    return found;
}

/* Which of ours belong to process `number` (root pid, or 0 when that pid is somebody else's by now). */
static void mark_members(struct procfs_entry *list, size_t count, pid_t keeper, uint64_t number, pid_t root)
{
    char mark[64];
    snprintf(mark, sizeof mark, KEEPER_MARK "%llu", (unsigned long long) number);
    procfs_spread_below(list, count, keeper);
    for (size_t i = 0; i < count; i++) {
        struct procfs_entry *e = &list[i];
        if (e->is_below)
            e->is_marked = (root > 0 && (e->pid == root || e->pgrp == root || e->session == root)) ||
                           has_mark(e->pid, mark);
    }
    procfs_spread_marks(list, count);
}

/* A pidfd pins the process: between the second look and the signal the pid cannot change hands. */
static void kill_exactly(const struct procfs_entry *e)
{
    int fd = (int) syscall(SYS_pidfd_open, e->pid, 0);
    if (fd < 0)
        return;
    struct procfs_entry now;
    if (procfs_read(e->pid, &now) && now.start_time == e->start_time)
        syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
    close(fd);
}

static int kill_marked(const struct procfs_entry *list, size_t count, pid_t keeper)
{
    int alive = 0;
    for (size_t i = 0; i < count; i++) {
        if (!list[i].is_marked || list[i].pid == keeper || !is_alive(&list[i]))
            continue;
        kill_exactly(&list[i]);
        alive++;
    }
    return alive;
}

static int64_t now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void pause_ms(int ms)
{
    nanosleep(&(struct timespec) { .tv_nsec = ms * 1000000L }, NULL);
}

/* The process may have been reaped, and its pid given to another main process of ours. */
static pid_t root_still_ours(struct keeper *k, uint64_t number, pid_t root)
{
    pthread_mutex_lock(&k->lock);
    const struct kept *other = table_find_pid(k, root);
    bool taken = other != NULL && other->number != number;
    pthread_mutex_unlock(&k->lock);
    return taken ? 0 : root;
}

static int kill_tree_once(struct keeper *k, uint64_t number, pid_t root)
{
    size_t count;
    struct procfs_entry *list = procfs_list(&count);
    mark_members(list, count, k->self, number, root_still_ours(k, number, root));
    int alive = kill_marked(list, count, k->self);
    free(list);
    return alive;
}

int tree_kill(struct keeper *k, uint64_t number, pid_t root, int64_t limit_ms)
{
    int64_t end = now_ms() + limit_ms;
    int alive;
    for (int wait = 1; (alive = kill_tree_once(k, number, root)) > 0 && now_ms() < end;
         wait = wait < 16 ? wait * 2 : 16)
        pause_ms(wait);
    return alive;
}

static int kill_all_once(struct keeper *k)
{
    if (k->pid_namespace)
        kill(-1, SIGKILL);
    size_t count;
    struct procfs_entry *list = procfs_list(&count);
    procfs_spread_below(list, count, k->self);
    for (size_t i = 0; i < count; i++)
        list[i].is_marked = list[i].is_below;
    int alive = kill_marked(list, count, k->self);
    free(list);
    return alive;
}

/* Done when the reaper has found no child left: then every exit has been reported, too. */
static bool is_childless(struct keeper *k)
{
    pthread_mutex_lock(&k->lock);
    bool idle = k->childless;
    for (int i = 0; i < k->spawner_count; i++)
        idle = idle && !k->spawners[i].busy;
    pthread_mutex_unlock(&k->lock);
    return idle;
}

int tree_kill_all(struct keeper *k, int64_t limit_ms)
{
    int64_t end = now_ms() + limit_ms;
    int alive = 0;
    while (!is_childless(k)) {
        alive = kill_all_once(k);
        if (now_ms() >= end)
            break;
        pause_ms(1);
    }
    return alive;
}
