/* The kernel's figures of the server and everything below it. */
#include "bench/target.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct process {
    pid_t pid, parent;
    char state;
    char name[20];
    double cpu_s, children_cpu_s; /* of children: those it has reaped */
    long rss_kib;
    bool below; /* a descendant of the server */
};

struct process_list {
    struct process *items;
    size_t count, cap;
};

static bool read_stat(const char *pid, struct process *out)
{
    char path[300], text[600];
    snprintf(path, sizeof path, "/proc/%s/stat", pid);
    FILE *file = fopen(path, "re");
    size_t n = file == NULL ? 0 : fread(text, 1, sizeof text - 1, file);
    if (file != NULL)
        fclose(file);
    text[n] = '\0';
    const char *open = strchr(text, '('), *close = strrchr(text, ')'); /* a name may hold both */
    unsigned long user, system, child_user, child_system;
    long pages;
    if (open == NULL || close == NULL ||
        sscanf(close + 1, " %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %lu %lu %*d %*d %*d %*d %*u %*u %ld",
               &out->state, &out->parent, &user, &system, &child_user, &child_system, &pages) != 7)
        return false;
    out->pid = (pid_t) strtol(pid, NULL, 10);
    snprintf(out->name, sizeof out->name, "%.*s", (int) (close - open - 1), open + 1);
    out->cpu_s = (double) (user + system) / (double) sysconf(_SC_CLK_TCK);
    out->children_cpu_s = (double) (child_user + child_system) / (double) sysconf(_SC_CLK_TCK);
    out->rss_kib = pages * (sysconf(_SC_PAGESIZE) / 1024);
    return true;
}

static bool add_process(struct process_list *list, const struct process *p)
{
    if (list->count == list->cap) {
        size_t cap = list->cap == 0 ? 256 : list->cap * 2;
        struct process *items = realloc(list->items, cap * sizeof *items);
        if (items == NULL)
            return false;
        list->items = items;
        list->cap = cap;
    }
    list->items[list->count++] = *p;
    return true;
}

static int list_processes(struct process_list *list, struct err *err)
{
    DIR *dir = opendir("/proc");
    if (dir == NULL)
        return err_set(err, ERR_IO, errno, "open /proc");
    bool ok = true;
    for (struct dirent *e; ok && (e = readdir(dir)) != NULL;) {
        struct process p = { .below = false };
        if (e->d_name[0] >= '1' && e->d_name[0] <= '9' && read_stat(e->d_name, &p))
            ok = add_process(list, &p);
    }
    closedir(dir);
    return ok ? 0 : err_set(err, ERR_NOMEM, 0, "list processes");
}

static bool is_below(const struct process_list *list, pid_t parent, pid_t root)
{
    if (parent == root)
        return true;
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].pid == parent)
            return list->items[i].below;
    return false;
}

/* Parents may come after their children in /proc: repeat until nothing changes. */
static void mark_descendants(struct process_list *list, pid_t root)
{
    for (bool changed = true; changed;) {
        changed = false;
        for (size_t i = 0; i < list->count; i++) {
            struct process *p = &list->items[i];
            if (!p->below && is_below(list, p->parent, root))
                p->below = changed = true;
        }
    }
}

static unsigned count_fds(pid_t pid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd", (int) pid);
    DIR *dir = opendir(path);
    unsigned count = 0;
    if (dir == NULL)
        return 0;
    for (struct dirent *e; (e = readdir(dir)) != NULL;)
        count += e->d_name[0] != '.';
    closedir(dir);
    return count;
}

/* The exact figures are in "status"; the ones in "stat" lag behind on many CPUs. */
static int read_status(pid_t pid, struct target_sample *s, struct err *err)
{
    char path[64], line[256];
    snprintf(path, sizeof path, "/proc/%d/status", (int) pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return err_set(err, ERR_IO, errno, "open %s", path);
    while (fgets(line, sizeof line, file) != NULL) {
        sscanf(line, "VmRSS: %ld", &s->rss_kib);
        sscanf(line, "VmHWM: %ld", &s->peak_kib);
        sscanf(line, "RssAnon: %ld", &s->anon_kib);
        sscanf(line, "Threads: %u", &s->threads);
    }
    fclose(file);
    return 0;
}

/* The keeper goes by another name inside a namespace. */
static bool is_helper(const struct process *p)
{
    static const char *const names[] = { "standbox-keeper", "keeper", "bwrap" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(p->name, names[i]) == 0)
            return true;
    return false;
}

static void add_descendant(struct target_sample *s, const struct process *p)
{
    s->descendants++;
    s->zombies += p->state == 'Z';
    if (p->state == 'Z' || !is_helper(p))
        return;
    s->helpers++;
    s->helper_rss_kib += p->rss_kib;
    s->helper_fds += count_fds(p->pid);
    s->helper_cpu_s += p->cpu_s;
    s->children_cpu_s += p->children_cpu_s;
}

int target_sample(const struct target *t, struct target_sample *out_sample, struct err *err)
{
    struct target_sample s = { .threads = 0 };
    struct process_list list = { .items = NULL };
    int rc = list_processes(&list, err);
    if (rc == 0)
        rc = read_status(t->pid, &s, err);
    if (rc == 0) {
        mark_descendants(&list, t->pid);
        for (size_t i = 0; i < list.count; i++) {
            const struct process *p = &list.items[i];
            if (p->pid == t->pid)
                s.cpu_s = p->cpu_s;
            else if (p->below)
                add_descendant(&s, p);
        }
        s.fds = count_fds(t->pid);
        *out_sample = s;
    }
    free(list.items);
    return rc;
}

double target_other_load(unsigned ms)
{
    unsigned long long t[2][8] = { { 0 } };
    for (int i = 0; i < 2; i++) {
        FILE *file = fopen("/proc/stat", "re");
        unsigned long long *v = t[i];
        int n = file == NULL ? 0
                             : fscanf(file, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &v[0], &v[1], &v[2], &v[3],
                                      &v[4], &v[5], &v[6], &v[7]);
        if (file != NULL)
            fclose(file);
        if (n != 8)
            return -1;
        if (i == 0)
            nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = (long) (ms % 1000) * 1000000 }, NULL);
    }
    unsigned long long all = 0;
    for (int k = 0; k < 8; k++)
        all += t[1][k] - t[0][k];
    unsigned long long idle = t[1][3] - t[0][3] + t[1][4] - t[0][4];
    return all == 0 ? -1 : (double) (all - idle) / (double) all;
}
