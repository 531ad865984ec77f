/*
 * Everything about this vendor that could be otherwise, in one table.
 *
 * A row marked GUESS is not observable from the SDKs, their tests or the vendor's pages:
 * it is our choice and may be changed without touching code.  Rows marked KNOWN have a
 * source, named in the text.  Times are API milliseconds unless the text says "real".
 */
#ifndef STANDBOX_HB_SETTINGS_H
#define STANDBOX_HB_SETTINGS_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum hb_setting_kind { HB_KNOWN, HB_GUESS };

/* X(name, default, kind, why) */
#define HB_NUMBERS(X) \
    X(token_lifetime_ms, 3600000, HB_GUESS, \
      "life of a runtime token; SDKs ask anew when 60 s or less are left, so it must be longer") \
    X(token_renew_below_ms, 1800000, HB_GUESS, \
      "GET hands out a new token when the newest has less than this left; older ones stay good until they expire") \
    X(replay_window_bytes, 4194304, HB_KNOWN, \
      "output a finished or running process can replay (vendor's e2e: seq 1 after 11.5 MB is 410)") \
    X(result_window_bytes, 4194304, HB_GUESS, \
      "newest output shown in exec/wait/done results; more sets output_truncated (1.14.0 refuses such a wait)") \
    X(keepalive_ms, 10000, HB_KNOWN, \
      "real time; pause after which a quiet stream gets a sign of life (vendor: 15 s; Python A reads time out at 30 s)") \
    X(term_grace_ms, 1000, HB_GUESS, "between TERM and KILL when a process's own timeout is over") \
    X(drain_grace_ms, 100, HB_GUESS, "real time; how long output is awaited when a survivor holds the pipe") \
    X(start_wait_ms, 5000, HB_GUESS, "a start that has no pid after this answers \"queued\"") \
    X(kill_wait_ms, 1000, HB_GUESS, "DELETE waits this long for the end before it answers (may still say running)") \
    X(stdin_wait_ms, 25000, HB_GUESS, "a stdin write to a process that does not read is refused after this (408)") \
    X(list_limit, 100, HB_GUESS, "processes per page when the query has no limit") \
    X(list_limit_max, 1000, HB_GUESS, "highest limit taken") \
    X(page_size, 10, HB_KNOWN, "sandboxes, images, snapshots per page without a limit (Python always sends limit=10)") \
    X(page_size_max, 100, HB_KNOWN, "highest limit of those lists (1.14.0 models); more is cut down to it") \
    X(reserved_port, 4001, HB_KNOWN, "port that cannot be exposed (vendor's e2e)") \
    X(default_timeout_minutes, 0, HB_GUESS, "life of a sandbox created without timeoutMinutes; 0: no end") \
    X(env_max, 4096, HB_GUESS, "environment variables in one command") \
    X(catalog_max, 1000, HB_GUESS, "images, snapshots and volumes remembered, of each kind")

#define HB_TEXTS(X) \
    X(user, "ubuntu", HB_KNOWN, "default user in a sandbox (vendor's e2e: sudo test)") \
    X(shell, "/bin/bash", HB_GUESS, "runs the command line with -c; /bin/sh when the machine lacks it") \
    X(region, "us-central", HB_GUESS, "region of a sandbox created without one") \
    X(team_id, "team-standbox", HB_GUESS, "teamId and namespace in answers") \
    X(images, "default node python", HB_GUESS, \
      "listed from the start (vendor's e2e looks for \"node\"); every other name is taken too, unless deleted") \
    X(missing_image_prefix, "missing-", HB_GUESS, "image names that begin like this are not found; \"\": none") \
    X(killed_exit_code, "null", HB_GUESS, \
      "exit_code of killed and timed-out processes: \"null\", \"-1\", or \"128+n\" (signal n, or the real code)") \
    X(host_suffix, "", HB_GUESS, \
      "non-empty (\".sbx.test\"): runtime.baseUrl in host form, http://<id><suffix>:<port>; input takes both always")

struct hb_settings {
#define HB_FIELD(name, value, kind, why) int64_t name;
    HB_NUMBERS(HB_FIELD)
#undef HB_FIELD
#define HB_FIELD(name, value, kind, why) const char *name; /* a literal, or outlives the dialect */
    HB_TEXTS(HB_FIELD)
#undef HB_FIELD
};

extern const struct hb_settings hb_default_settings;

/* The defaults with a NULL-terminated list of "name=value" (NULL: none) put over them.  Texts are borrowed.
   ERR_INVALID names the assignment: no such setting, or a value that it cannot have. */
int hb_settings_parse(struct hb_settings *out, const char *const *assignments, struct err *err);

/* One line per setting: name, value, known or guess, why. */
void hb_settings_describe(const struct hb_settings *settings, struct buf *out);

#endif
