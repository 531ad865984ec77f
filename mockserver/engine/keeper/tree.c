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

enum answer { NO, YES, UNKNOWN };

static ssize_t read_environment(pid_t pid, char *out)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/environ", (int) pid);
    return out == NULL ? -1 : procfs_read_file(path, out, MAX_ENVIRONMENT);
}

/* In the middle of an exec there is no environment to be read: then it must be asked again. */
static enum answer has_mark(pid_t pid, const char *mark)
{
    char *text = malloc(MAX_ENVIRONMENT);
    ssize_t len = read_environment(pid, text);
    enum answer answer = len == 0 && procfs_is_between_programs(pid) ? UNKNOWN : NO;
    if (len == 0 && answer == NO)
        len = read_environment(pid, text);   /* it may have come in between the two looks */
    for (const char *at = text; answer == NO && len > 0 && at < text + len; at += strlen(at) + 1)
        answer = strcmp(at, mark) == 0 ? YES : NO;
    free(text);
    return answer;
}

static bool is_member(const struct procfs_entry *e, pid_t root)
{
    return root > 0 && (e->pid == root || e->pgrp == root || e->session == root);
}

/* Which of ours belong to process `number` (root pid, or 0 when that pid is somebody else's by now).  False: of some it
   cannot be said yet. */
static bool mark_members(struct procfs_entry *list, size_t count, pid_t keeper, uint64_t number, pid_t root)
{
    char mark[64];
    bool is_certain = true;
    snprintf(mark, sizeof mark, KEEPER_MARK "%llu", (unsigned long long) number);
    procfs_spread_below(list, count, keeper);
    for (size_t i = 0; i < count; i++) {
        struct procfs_entry *e = &list[i];
        if (!e->is_below)
            continue;
        enum answer answer = is_member(e, root) ? YES : is_alive(e) ? has_mark(e->pid, mark) : NO;
        e->is_marked = answer == YES;
        is_certain = is_certain && answer != UNKNOWN;
    }
    procfs_spread_marks(list, count);
    return is_certain;
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

/* True when nobody is left. */
static bool kill_tree_once(struct keeper *k, uint64_t number, pid_t root, int *out_alive)
{
    size_t count;
    struct procfs_entry *list = procfs_list(&count);
    bool is_certain = mark_members(list, count, k->self, number, root_still_ours(k, number, root));
    *out_alive = kill_marked(list, count, k->self);
    free(list);
    return is_certain && *out_alive == 0;
}

int tree_kill(struct keeper *k, uint64_t number, pid_t root, int64_t limit_ms)
{
    int64_t end = now_ms() + limit_ms;
    int alive;
    for (int wait = 1; !kill_tree_once(k, number, root, &alive) && now_ms() < end; wait = wait < 16 ? wait * 2 : 16)
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
