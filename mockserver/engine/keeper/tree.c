/* Find and kill descendants.  Reads /proc, because a process can leave its group, session and parent. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "engine/keeper/keeper.h"

struct seen {
    pid_t pid, ppid, pgrp, session;
    char state;
    unsigned long long start_time;
    bool is_ours;      /* descends from the keeper */
    bool is_member;    /* belongs to what is to be killed */
};

struct snapshot {
    struct seen *list;
    size_t count, cap;
};

static ssize_t read_small_file(const char *path, char *out, size_t room)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    size_t len = 0;
    ssize_t n;
    while (len + 1 < room && (n = read(fd, out + len, room - 1 - len)) > 0)
        len += (size_t) n;
    close(fd);
    out[len] = '\0';
    return (ssize_t) len;
}

/* The name in brackets may hold anything, brackets too: fields start behind the last one. */
static bool read_stat(pid_t pid, struct seen *out)
{
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", (int) pid);
    if (read_small_file(path, text, sizeof text) <= 0)
        return false;
    char *after = strrchr(text, ')');
    *out = (struct seen) { .pid = pid };
    return after != NULL &&
           sscanf(after + 1, " %c %d %d %d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
                  &out->state, &out->ppid, &out->pgrp, &out->session, &out->start_time) == 5;
}

static bool is_alive(const struct seen *s)
{
    return s->state != 'Z' && s->state != 'X';
}

static void snapshot_add(struct snapshot *snap, const struct seen *s)
{
    if (snap->count == snap->cap) {
        size_t cap = snap->cap == 0 ? 128 : snap->cap * 2;
        struct seen *list = realloc(snap->list, cap * sizeof *list);
        if (list == NULL)
            return;      /* the next round sees what this one missed */
        snap->list = list;
        snap->cap = cap;
    }
    snap->list[snap->count++] = *s;
}

static void snapshot_take(struct snapshot *snap)
{
    snap->count = 0;
    DIR *proc = opendir("/proc");
    if (proc == NULL)
        return;
    struct seen s;
    for (struct dirent *e; (e = readdir(proc)) != NULL;)
        if (isdigit((unsigned char) e->d_name[0]) && read_stat((pid_t) strtol(e->d_name, NULL, 10), &s))
            snapshot_add(snap, &s);
    closedir(proc);
}

static struct seen *snapshot_find(const struct snapshot *snap, pid_t pid)
{
    for (size_t i = 0; i < snap->count; i++)
        if (snap->list[i].pid == pid)
            return &snap->list[i];
    return NULL;
}

/* Spread `is_ours` and `is_member` from parents to children until nothing changes. */
static void snapshot_spread(struct snapshot *snap, pid_t keeper)
{
    bool changed = true;
    while (changed) {
        changed = false;
        for (size_t i = 0; i < snap->count; i++) {
            struct seen *s = &snap->list[i];
            const struct seen *parent = snapshot_find(snap, s->ppid);
            bool ours = s->ppid == keeper || (parent != NULL && parent->is_ours);
            bool member = parent != NULL && parent->is_member;
            if ((ours && !s->is_ours) || (member && !s->is_member)) {
                s->is_ours |= ours;
                s->is_member |= member;
                changed = true;
            }
        }
    }
}

static bool has_mark(pid_t pid, const char *mark)
{
    enum { ROOM = 256 * 1024 };
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/environ", (int) pid);
    char *text = malloc(ROOM);
    ssize_t len = text == NULL ? -1 : read_small_file(path, text, ROOM);
    bool found = false;
    for (const char *at = text; !found && len > 0 && at < text + len; at += strlen(at) + 1)
        found = strcmp(at, mark) == 0;
    free(text);
    return found;
}

/* Which of ours belong to process `number` (root pid, unless that pid is somebody else's by now). */
static void mark_members(struct snapshot *snap, pid_t keeper, uint64_t number, pid_t root)
{
    char mark[64];
    snprintf(mark, sizeof mark, KEEPER_MARK "%llu", (unsigned long long) number);
    snapshot_spread(snap, keeper);
    for (size_t i = 0; i < snap->count; i++) {
        struct seen *s = &snap->list[i];
        if (s->is_ours)
            s->is_member = (root > 0 && (s->pid == root || s->pgrp == root || s->session == root)) ||
                           has_mark(s->pid, mark);
    }
    snapshot_spread(snap, keeper);
}

/* A pidfd pins the process: between the second look and the signal the pid cannot change hands. */
static void kill_exactly(const struct seen *s)
{
    int fd = (int) syscall(SYS_pidfd_open, s->pid, 0);
    if (fd < 0)
        return;
    struct seen now;
    if (read_stat(s->pid, &now) && now.start_time == s->start_time)
        syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
    close(fd);
}

static int kill_members(const struct snapshot *snap, pid_t keeper)
{
    int alive = 0;
    for (size_t i = 0; i < snap->count; i++) {
        const struct seen *s = &snap->list[i];
        if (!s->is_member || s->pid == keeper || !is_alive(s))
            continue;
        kill_exactly(s);
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

int tree_kill(struct keeper *k, uint64_t number, pid_t root, int64_t limit_ms)
{
    struct snapshot snap = { 0 };
    int64_t end = now_ms() + limit_ms;
    int alive;
    for (int wait = 1;; wait = wait < 16 ? wait * 2 : 16) {
        snapshot_take(&snap);
        mark_members(&snap, k->self, number, root_still_ours(k, number, root));
        alive = kill_members(&snap, k->self);
        if (alive == 0 || now_ms() >= end)
            break;
        pause_ms(wait);
    }
    free(snap.list);
    return alive;
}

static int kill_all_once(struct keeper *k, struct snapshot *snap)
{
    if (k->pid_namespace)
        kill(-1, SIGKILL);
    snapshot_take(snap);
    snapshot_spread(snap, k->self);
    for (size_t i = 0; i < snap->count; i++)
        snap->list[i].is_member = snap->list[i].is_ours;
    return kill_members(snap, k->self);
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
    struct snapshot snap = { 0 };
    int64_t end = now_ms() + limit_ms;
    int alive = 0;
    while (!is_childless(k)) {
        alive = kill_all_once(k, &snap);
        if (now_ms() >= end)
            break;
        pause_ms(1);
    }
    free(snap.list);
    return alive;
}
