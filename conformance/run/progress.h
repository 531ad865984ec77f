/*
 * What a person sees while a run goes on.
 *
 * On a terminal one line that changes; everywhere the results that need attention, as they come, and the sum.  All of
 * it on stderr: stdout belongs to reports.  Thread: one.
 */
#ifndef STANDBOX_RUN_PROGRESS_H
#define STANDBOX_RUN_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct cJSON;

enum progress_voice { PROGRESS_QUIET, PROGRESS_NORMAL, PROGRESS_VERBOSE };

struct progress {
    FILE *out;
    enum progress_voice voice;
    bool is_terminal, has_many_clients;
    bool expects_failures;     /* mutants: say none of them */
    size_t total;
    const char *(*name)(void *arg, size_t item);   /* of an item */
    void *arg;
};

void progress_wait(struct progress *p, size_t item, size_t done);
/* `record` NULL: it could not be judged. */
void progress_result(struct progress *p, size_t item, const struct cJSON *record);
/* Take the changing line away. */
void progress_end(struct progress *p);

/* What a person should know of one result, on several lines. */
void progress_describe(const struct cJSON *record, bool with_client, FILE *out);

#endif
