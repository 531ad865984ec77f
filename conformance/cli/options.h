/*
 * The command line of standbox-conformance (docs/standbox-conformance.1).
 *
 * One table in options.c drives parsing and the help text, so an option is one row.  Parsing opens no file but
 * the lists of patterns that it is given.
 *
 * Ownership: `struct options` borrows argv's strings and owns its lists.
 */
#ifndef STANDBOX_CLI_OPTIONS_H
#define STANDBOX_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "cli/known.h"
#include "cli/wildcard.h"
#include "report/report.h"

enum action {
    ACTION_RUN, ACTION_LIST, ACTION_EXPLAIN, ACTION_VALIDATE_ADAPTER, ACTION_MERGE, ACTION_KILLS,
    ACTION_VERSION, ACTION_HELP
};

struct words {
    char **words;          /* NULL-terminated once there is one */
    size_t count;
};

struct options {
    enum action action;
    struct words client;               /* the adapter's command */
    struct words files;                /* of merge */
    const char *vendor;
    const char *client_key;            /* what the reports call the client; NULL: what it calls itself */
    int level;                         /* 1 or 2 */
    struct wildcards run, skip;
    struct known failing, flaky;
    bool allow_broad;
    bool allow_flaky, allow_missing;   /* of merge */
    unsigned jobs;                     /* 0: as many as the machine has processors, at most 4 */
    unsigned shard, shards;            /* 1/1 */
    const char *reports[REPORT_FORMATS];   /* files; "-": stdout; NULL: none */
    const char *record_failures;
    const char *pairs, *record_pairs;   /* of kills */
    const char *explain;
    const char *server;                /* admin URL's server; NULL: start one */
    const char *server_grpc;           /* where that one speaks gRPC, or NULL */
    const char *admin_token;
    const char *server_only;           /* a server that is not ours */
    const char *api_key;               /* for server_only */
    const char *fixtures;              /* folder with cases/ and scenarios/; NULL: find it */
    const char *programs;              /* folder of our programs; NULL: beside this one */
    const char *isolation;             /* of the server that is started */
    double patience;                   /* deadlines are this many times as long; 0: as measured */
    bool is_truth_documented;          /* leave out cases that are only observed or inferred */
    bool is_verbose, is_quiet;
};

/* Fill `out` from the command line.  `env_token` is the admin token from the environment, or NULL; the option wins.
   ERR_INVALID with a text for the user. */
int options_parse(struct options *out, int argc, char **argv, const char *env_token, struct err *err);
void options_fini(struct options *options);

/* What --help prints. */
void options_describe(struct buf *out);

#endif
