#include "warden/tree.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct seen {
    pid_t pid, parent;
    bool zombie, ours;
};

struct crowd {
    struct seen *list;
    size_t count, room;
};

static bool crowd_add(struct crowd *crowd, struct seen one)
{
    if (crowd->count == crowd->room) {
        size_t room = crowd->room == 0 ? 256 : crowd->room * 2;
        struct seen *list = realloc(crowd->list, room * sizeof *list);
        if (list == NULL)
            return false;
        crowd->list = list;
        crowd->room = room;
    }
    crowd->list[crowd->count++] = one;
    return true;
}

/* "4711 (name) S 4710 ..."; the name may hold anything, brackets too. */
static bool parse_stat(const char *text, struct seen *out)
{
    const char *close = strrchr(text, ')');
    if (close == NULL || close[1] != ' ' || close[2] == '\0' || close[3] != ' ')
        return false;
    out->zombie = close[2] == 'Z' || close[2] == 'X';
    out->parent = (pid_t) strtol(close + 4, NULL, 10);
    return true;
}

/* False when it has ended meanwhile. */
static bool read_one(const char *name, struct seen *out)
{
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/%.20s/stat", name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n <= 0)
        return false;
    text[n] = '\0';
    out->pid = (pid_t) strtol(name, NULL, 10);
    return parse_stat(text, out);
}

static int by_pid(const void *a, const void *b)
{
    const struct seen *left = a, *right = b;
    return (left->pid > right->pid) - (left->pid < right->pid);
}

static bool crowd_read(struct crowd *crowd)
{
    DIR *proc = opendir("/proc");
    if (proc == NULL)
        return false;
    bool fine = true;
    const struct dirent *entry;
    while (fine && (entry = readdir(proc)) != NULL) {
        struct seen one = { 0 };
        if (isdigit((unsigned char) entry->d_name[0]) && read_one(entry->d_name, &one))
            fine = crowd_add(crowd, one);
    }
    closedir(proc);
    if (fine && crowd->count > 0)
        qsort(crowd->list, crowd->count, sizeof *crowd->list, by_pid);
    return fine;
}

static bool is_ours(const struct crowd *crowd, pid_t pid, pid_t root)
{
    struct seen key = { .pid = pid };
    const struct seen *found = bsearch(&key, crowd->list, crowd->count, sizeof key, by_pid);
    return pid == root || (found != NULL && found->ours);
}

/* Each round finds one generation more at least. */
static void mark_descendants(struct crowd *crowd, pid_t root)
{
    bool found = true;
    while (found) {
        found = false;
        for (size_t i = 0; i < crowd->count; i++) {
            struct seen *one = &crowd->list[i];
            if (!one->ours && is_ours(crowd, one->parent, root))
                found = one->ours = true;
        }
    }
}

int tree_kill(void)
{
    struct crowd crowd = { NULL, 0, 0 };
    int refused = -1;
    if (crowd_read(&crowd)) {
        mark_descendants(&crowd, getpid());
        refused = 0;
        for (size_t i = 0; i < crowd.count; i++) {
            const struct seen *one = &crowd.list[i];
            if (one->ours && !one->zombie && kill(one->pid, SIGKILL) != 0 && errno == EPERM)
                refused++;
        }
    }
    free(crowd.list);
    return refused;
}

/* As many as fit: who is not among them is next time. */
void tree_kill_children(void)
{
    char text[4096], *end;
    int fd = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    char *last = strrchr(text, ' ');    /* each number has one behind it; without, it may be cut */
    if (last == NULL)
        return;
    *last = '\0';
    for (char *at = text; *at != '\0'; at = end) {
        pid_t pid = (pid_t) strtol(at, &end, 10);
        if (end == at)
            return;
        kill(pid, SIGKILL);
    }
}
