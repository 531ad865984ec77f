/*
 * The command line of standbox-mockserver.
 *
 * One table in options.c drives parsing and the help text, so an option is one row.
 * Both `--option value` and `--option=value` are taken; of repeats the last counts,
 * but keys add up.  Parsing starts nothing and reads no environment itself.
 *
 * Ownership: `struct options` borrows argv's strings and owns only the lists of keys, settings and scenarios.
 */
#ifndef STANDBOX_OPTIONS_H
#define STANDBOX_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define OPTIONS_ADDRESS_BYTES 64

enum options_action { ACTION_SERVE, ACTION_CHECK, ACTION_PRINT_CONFIG, ACTION_VERSION, ACTION_HELP };

enum isolation_choice { CHOOSE_AUTO, CHOOSE_NAMESPACE, CHOOSE_NONE, ISOLATION_CHOICES };

struct options {
    enum options_action action;
    char http_address[OPTIONS_ADDRESS_BYTES];  /* "127.0.0.1", "[::1]" */
    bool http_is_loopback;
    int http_port;                             /* 0: any free one */
    char grpc_address[OPTIONS_ADDRESS_BYTES];
    bool grpc_is_loopback, has_grpc;           /* has_grpc: it was given; else HTTP's address and the next port */
    int grpc_port;
    enum isolation_choice isolation;
    double time_scale;
    unsigned max_streams;
    const char **api_keys;                     /* NULL-terminated, never NULL */
    size_t api_key_count;
    const char **settings;                     /* "vendor.name=value", NULL-terminated, never NULL */
    size_t setting_count;
    const char **scenarios;                    /* files and folders, NULL-terminated, never NULL */
    size_t scenario_count;
    const char *ledger;                        /* file; NULL: none */
    bool has_seed;
    uint64_t seed;
    bool strict;                               /* a rule that did not fire as planned is a failure */
    const char *admin_token;                   /* NULL: make one up */
    bool allow_remote;
    const char *state_dir;                     /* NULL: choose one */
};

/* Fill `out` from the command line (argv[0] is skipped).  `env_token` is the admin token from the
   environment, or NULL; the option wins.  ERR_INVALID or ERR_UNSUPPORTED with a text for the user. */
int options_parse(struct options *out, int argc, char *const *argv, const char *env_token, struct err *err);
void options_fini(struct options *options);

/* What --help prints. */
void options_describe(struct buf *out);

const char *options_isolation_name(enum isolation_choice choice);

#endif
