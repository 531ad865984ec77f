/*
 * What /proc says about processes.  Thread: any.
 */
#ifndef STANDBOX_ENGINE_PROCFS_H
#define STANDBOX_ENGINE_PROCFS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct procfs_entry {
    pid_t pid, ppid;
    char state;          /* R S D Z T ... */
    char comm[17];
    bool is_below;       /* descends from the root asked for */
};

/* Every process of the machine that `root` is or is an ancestor of, in no order.  Free the array. */
struct procfs_entry *procfs_tree(pid_t root, size_t *out_count);

/* The pid as the innermost pid namespace numbers it; `pid` itself when that cannot be read. */
pid_t procfs_inner_pid(pid_t pid);

/* Is /proc/PID/exe this program? */
bool procfs_runs(pid_t pid, const char *program);

#endif
