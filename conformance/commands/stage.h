/*
 * What every run needs: cases, the programs' places, a server, the machine's patience.
 *
 * Thread: one.
 */
#ifndef STANDBOX_COMMANDS_STAGE_H
#define STANDBOX_COMMANDS_STAGE_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "cli/options.h"
#include "judge/case.h"
#include "link/host.h"
#include "run/select.h"
#include "run/session.h"

struct cJSON;

struct stage {
    struct options *options;
    struct case_list *list;
    struct selection chosen;
    struct buf warden, fixtures;       /* paths */
    struct host *host;                 /* NULL: a foreign server */
    struct session_server server;
    double load_factor;
    int64_t started_ms, begin_ns;      /* epoch; monotonic */
    unsigned jobs;
    char today[11];
};

/* Load and select the cases and hold the lists to them.  0, or the exit code with what is wrong on stderr. */
int stage_cases(struct stage *stage, struct options *options);

/* Find the warden and measure the machine, which is all that an adapter alone needs.  The same. */
int stage_tools(struct stage *stage, struct options *options);

/* stage_tools, and start (or find) the server, for a stage that has its cases.  The same. */
int stage_server(struct stage *stage);

void stage_fini(struct stage *stage);   /* stops the server; a zeroed one is fine */

/* The command that runs one case of this client again, but for the case. */
void stage_rerun(const struct stage *stage, const char *const *client, struct buf *out);

/* Write all reports that the options ask for.  0 or the exit code. */
int reports_write(const struct options *options, const struct cJSON *document);

#endif
