/*
 * `--validate-adapter`: holds an adapter to the protocol in small dialogues that need no server, and quotes the line
 * that breaks it.
 *
 * Thread: any.
 */
#ifndef STANDBOX_LINK_VALIDATE_H
#define STANDBOX_LINK_VALIDATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "link/adapter.h"

struct validate_finding {
    bool ok;
    char *rule;   /* what was looked at: "says hello within 10 s" */
    char *text;   /* not ok: what is wrong with it, one line; ok: what was seen, or "" */
    char *line;   /* the line that breaks the rule, printable, cut; or NULL */
    char *log;    /* not ok: the end of the adapter's stderr; or NULL */
};

struct validate_report {
    struct validate_finding *list;
    size_t count, broken;
};

/* Run all dialogues against `options->argv` (borrowed), as an adapter for `vendor`; each waits `limit_ms` at most.
   Where a client is needed, its URL is one where nobody listens.  0: all dialogues were held, see report->broken;
   -1: our side failed.  Free with validate_report_fini. */
int adapter_validate(const struct adapter_options *options, const char *vendor, int64_t limit_ms,
                     struct validate_report *report, struct err *err);

void validate_report_fini(struct validate_report *report);

#endif
