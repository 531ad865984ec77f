/*
 * The keeper: one small process per sandbox that starts, reaps and kills everything in it.
 *
 * It is the subreaper (or pid 1 of the sandbox's pid namespace), so every orphan becomes its child
 * and no exit is lost.  When its socket to the server ends, for whatever reason, it kills all that
 * lives in the sandbox and exits: nothing survives the server.
 *
 * Threads: a few spawners (each waits for a request, starts a child vfork-style, and answers)
 * and one reaper.  Lock order: table lock only.
 */
#ifndef STANDBOX_ENGINE_KEEPER_KEEPER_H
#define STANDBOX_ENGINE_KEEPER_KEEPER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "engine/keeper_wire.h"

#define KEEPER_MIN_SPAWNERS 4
#define KEEPER_MAX_SPAWNERS 8
#define TABLE_BUCKETS 256

/* A main process of ours: known from its start until it is reaped, and its number after that while
   descendants may be asked for. */
struct kept {
    struct kept *next_by_pid, *next_by_number;
    uint64_t number;
    pid_t pid;
    bool reaped;
};

struct spawner {
    pthread_t thread;
    volatile pid_t starting;   /* set by the kernel before the child can exit; 0 when idle */
    bool busy;                 /* under lock; a start is under way, with or without a pid */
    uint64_t number;
    char *stack;               /* the vfork child runs on it */
    int index;
};

struct keeper {
    int sock;
    pid_t self;
    bool pid_namespace;        /* we are pid 1: kill(-1) reaches exactly the sandbox */
    bool in_background;        /* background.h: our threads are, as the server's; children are not to be */
    pthread_mutex_t lock;      /* the table, spawners' `starting` */
    pthread_cond_t changed;    /* a spawner finished, or `childless` changed */
    uint64_t starts;           /* how many children were started */
    bool childless;            /* the reaper found no child at all and waits for the next start */
    struct kept *by_pid[TABLE_BUCKETS], *by_number[TABLE_BUCKETS];
    size_t entries;
    struct spawner spawners[KEEPER_MAX_SPAWNERS];
    int spawner_count;
    bool stopping;             /* under lock; no start any more */
};

/* table.c: the caller holds the lock. */
struct kept *table_add(struct keeper *k, uint64_t number, pid_t pid);
struct kept *table_find_pid(struct keeper *k, pid_t pid);        /* not reaped ones only */
struct kept *table_find_number(struct keeper *k, uint64_t number);
void table_mark_reaped(struct keeper *k, struct kept *kept);

/* spawn.c: start what the request asks for, report STARTED or START_FAILED. Takes the fds. */
void spawn_serve(struct keeper *k, struct spawner *s, const struct keeper_request *request, char *text,
                 int *fds, size_t fd_count);

/* reap.c: never returns. */
_Noreturn void reaper_run(struct keeper *k);

/* tree.c */
/* Kill the group of `root` and every process that descends from it or carries the mark of `number`;
   returns how many still live when the time is up. */
int tree_kill(struct keeper *k, uint64_t number, pid_t root, int64_t limit_ms);
/* Kill every descendant of the keeper, until none is left or the time is up. */
int tree_kill_all(struct keeper *k, int64_t limit_ms);

/* sudo.c: what `sudo` means in a sandbox: run a program as root of a user namespace. */
int sudo_main(int argc, char **argv);

/* userns.c: enter a user namespace in which we are uid and gid.  0 or errno.  Async-signal-safe. */
int userns_enter(uid_t uid, gid_t gid);

void keeper_report(struct keeper *k, const struct keeper_report *report, const int *fd);

#endif
