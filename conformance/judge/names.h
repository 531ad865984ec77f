/* A growing list of texts that it owns.  Without memory it aborts: lists are short.  Thread: belongs to one thread. */
#ifndef STANDBOX_JUDGE_NAMES_H
#define STANDBOX_JUDGE_NAMES_H

#include <stdbool.h>
#include <stddef.h>

struct names {
    char **list;
    size_t count;
};

void names_add(struct names *names, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void names_sort(struct names *names); /* and each only once */
bool names_have(const struct names *names, const char *name);
void names_fini(struct names *names);

#endif
