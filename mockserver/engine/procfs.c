#include "engine/procfs.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STAT_BYTES 1024

ssize_t procfs_read_file(const char *path, char *out, size_t room)
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

static bool read_stat(pid_t pid, char *out, size_t room)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/stat", (int) pid);
    return procfs_read_file(path, out, room) > 0;
}

/* The name in brackets may hold brackets itself: fields start behind the last one. */
bool procfs_read(pid_t pid, struct procfs_entry *out)
{
    char text[STAT_BYTES];
    if (!read_stat(pid, text, sizeof text))
        return false;
    char *open_bracket = strchr(text, '('), *close_bracket = strrchr(text, ')');
    if (open_bracket == NULL || close_bracket == NULL)
        return false;
    *out = (struct procfs_entry) { .pid = pid };
    size_t len = (size_t) (close_bracket - open_bracket - 1);
    memcpy(out->comm, open_bracket + 1, len < 16 ? len : 16);
    return sscanf(close_bracket + 1,
                  " %c %d %d %d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu", &out->state,
                  &out->ppid, &out->pgrp, &out->session, &out->start_time) == 5;
}

/* The 51st field of proc(5): where the environment ends.  An empty one has an end, too. */
#define FIELDS_TO_ENV_END 49

bool procfs_is_between_programs(pid_t pid)
{
    char text[STAT_BYTES];
    const char *at = read_stat(pid, text, sizeof text) ? strrchr(text, ')') : NULL;
    for (int i = 0; i < FIELDS_TO_ENV_END && at != NULL; i++)
        at = strchr(at + 1, ' ');
    return at != NULL && strtoull(at, NULL, 10) == 0;
}

static int by_pid(const void *a, const void *b)
{
    pid_t x = ((const struct procfs_entry *) a)->pid, y = ((const struct procfs_entry *) b)->pid;
    return (x > y) - (x < y);
}

struct procfs_entry *procfs_list(size_t *out_count)
{
    struct procfs_entry *list = NULL, entry;
    size_t count = 0, cap = 0;
    DIR *proc = opendir("/proc");
    for (struct dirent *e; proc != NULL && (e = readdir(proc)) != NULL;) {
        if (!isdigit((unsigned char) e->d_name[0]) || !procfs_read((pid_t) strtol(e->d_name, NULL, 10), &entry))
            continue;
        if (count == cap) {
            cap = cap == 0 ? 256 : cap * 2;
            struct procfs_entry *more = realloc(list, cap * sizeof *list);
            if (more == NULL)
                break;
            list = more;
        }
        list[count++] = entry;
    }
    if (proc != NULL)
        closedir(proc);
    if (count > 0)
        qsort(list, count, sizeof *list, by_pid);
    *out_count = count;
    return list;
}

struct procfs_entry *procfs_find(struct procfs_entry *list, size_t count, pid_t pid)
{
    struct procfs_entry key = { .pid = pid };
    return count == 0 ? NULL : bsearch(&key, list, count, sizeof *list, by_pid);
}

void procfs_spread_below(struct procfs_entry *list, size_t count, pid_t root)
{
    for (bool changed = true; changed;) {
        changed = false;
        for (size_t i = 0; i < count; i++) {
            if (list[i].is_below)
                continue;
            const struct procfs_entry *parent = procfs_find(list, count, list[i].ppid);
            if (list[i].ppid == root || (parent != NULL && parent->is_below))
                list[i].is_below = changed = true;
        }
    }
}

void procfs_spread_marks(struct procfs_entry *list, size_t count)
{
    for (bool changed = true; changed;) {
        changed = false;
        for (size_t i = 0; i < count; i++) {
            if (list[i].is_marked)
                continue;
            const struct procfs_entry *parent = procfs_find(list, count, list[i].ppid);
            if (parent != NULL && parent->is_marked)
                list[i].is_marked = changed = true;
        }
    }
}

struct procfs_entry *procfs_tree(pid_t root, size_t *out_count)
{
    size_t count, kept = 0;
    struct procfs_entry *list = procfs_list(&count);
    procfs_spread_below(list, count, root);
    for (size_t i = 0; i < count; i++)
        if (list[i].is_below || list[i].pid == root)
            list[kept++] = list[i];
    *out_count = kept;
    return list;
}

pid_t procfs_inner_pid(pid_t pid)
{
    char path[64], text[4096];
    snprintf(path, sizeof path, "/proc/%d/status", (int) pid);
    char *line = procfs_read_file(path, text, sizeof text) <= 0 ? NULL : strstr(text, "\nNSpid:");
    if (line == NULL)
        return pid;
    line += strlen("\nNSpid:");
    line[strcspn(line, "\n")] = '\0';
    char *last = strrchr(line, '\t');
    return last == NULL ? pid : (pid_t) strtol(last, NULL, 10);
}

bool procfs_runs(pid_t pid, const char *program)
{
    char path[64], exe[PATH_MAX];
    snprintf(path, sizeof path, "/proc/%d/exe", (int) pid);
    ssize_t n = readlink(path, exe, sizeof exe - 1);
    if (n <= 0)
        return false;
    exe[n] = '\0';
    return strcmp(exe, program) == 0;
}
