#include <stdlib.h>

#include "engine/keeper/keeper.h"

/* Numbers of long-gone processes are kept so that "kill its descendants" still works; this many. */
#define MAX_ENTRIES 8192

static struct kept **pid_bucket(struct keeper *k, pid_t pid)
{
    return &k->by_pid[(unsigned) pid % TABLE_BUCKETS];
}

static struct kept **number_bucket(struct keeper *k, uint64_t number)
{
    return &k->by_number[number % TABLE_BUCKETS];
}

struct kept *table_find_pid(struct keeper *k, pid_t pid)
{
    for (struct kept *e = *pid_bucket(k, pid); e != NULL; e = e->next_by_pid)
        if (e->pid == pid)
            return e;
    return NULL;
}

struct kept *table_find_number(struct keeper *k, uint64_t number)
{
    for (struct kept *e = *number_bucket(k, number); e != NULL; e = e->next_by_number)
        if (e->number == number)
            return e;
    return NULL;
}

/* Numbers only grow, so within a bucket the newest is first and a reaped one at the end is the oldest. */
static void forget_oldest_reaped(struct keeper *k, struct kept **bucket)
{
    struct kept **last = NULL;
    for (struct kept **at = bucket; *at != NULL; at = &(*at)->next_by_number)
        if ((*at)->reaped)
            last = at;
    if (last == NULL)
        return;
    struct kept *old = *last;
    *last = old->next_by_number;
    free(old);
    k->entries--;
}

struct kept *table_add(struct keeper *k, uint64_t number, pid_t pid)
{
    if (k->entries >= MAX_ENTRIES)
        forget_oldest_reaped(k, number_bucket(k, number));
    struct kept *e = calloc(1, sizeof *e);
    if (e == NULL)
        return NULL;
    e->number = number;
    e->pid = pid;
    e->next_by_pid = *pid_bucket(k, pid);
    *pid_bucket(k, pid) = e;
    e->next_by_number = *number_bucket(k, number);
    *number_bucket(k, number) = e;
    k->entries++;
    return e;
}

/* From here on the pid may be anybody's: nothing may find it by pid any more. */
void table_mark_reaped(struct keeper *k, struct kept *kept)
{
    struct kept **at = pid_bucket(k, kept->pid);
    while (*at != kept)
        at = &(*at)->next_by_pid;
    *at = kept->next_by_pid;
    kept->reaped = true;
}
