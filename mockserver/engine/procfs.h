/*
 * What /proc says about processes.  Shared by the engine and the keeper.  Thread: any.
 */
#ifndef STANDBOX_ENGINE_PROCFS_H
#define STANDBOX_ENGINE_PROCFS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct procfs_entry {
    pid_t pid, ppid, pgrp, session;
    unsigned long long start_time;  /* with the pid it names one process for ever */
    char state;                     /* R S D Z T ... */
    char comm[17];
    bool is_below;                  /* descends from the root asked for */
    bool is_marked;                 /* the caller's */
};

/* One process; false when it is gone. */
bool procfs_read(pid_t pid, struct procfs_entry *out);

/* Is it in the middle of an exec, its new program's environment not in place yet?  Also true of one that is ending. */
bool procfs_is_between_programs(pid_t pid);

/* Every process that can be seen, by pid.  Free the array; NULL when there is none to be had. */
struct procfs_entry *procfs_list(size_t *out_count);
struct procfs_entry *procfs_find(struct procfs_entry *list, size_t count, pid_t pid);
/* Set is_below of every process that descends from `root`, but not of root itself. */
void procfs_spread_below(struct procfs_entry *list, size_t count, pid_t root);
/* Give every child the mark of its parent. */
void procfs_spread_marks(struct procfs_entry *list, size_t count);

/* Only `root` and those below it. */
struct procfs_entry *procfs_tree(pid_t root, size_t *out_count);

/* A file of at most room - 1 bytes, NUL-terminated; bytes read or -1. */
ssize_t procfs_read_file(const char *path, char *out, size_t room);

/* The pid as the innermost pid namespace numbers it; `pid` itself when that cannot be read. */
pid_t procfs_inner_pid(pid_t pid);

/* Is /proc/PID/exe this program? */
bool procfs_runs(pid_t pid, const char *program);

#endif
