/*
 * Everything about this vendor that could be otherwise, in one table.
 *
 * A row marked GUESS is not observable from the SDKs, their tests or the vendor's pages:
 * it is our choice and may be changed without touching code.  Rows marked KNOWN have a
 * source, named in the text.  Times are API milliseconds unless the text says "real".  Those for LANES can be changed by
 * a lane's scenarios ("settings"), too, those for the SERVER only with --set: they are looked at once.
 */
#ifndef STANDBOX_HB_SETTINGS_H
#define STANDBOX_HB_SETTINGS_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "scenario/setting.h"

enum hb_setting_kind { HB_KNOWN, HB_GUESS };

/* X(name, default, kind, scope, why) */
#define HB_NUMBERS(X) \
    X(token_lifetime_ms, 3600000, HB_GUESS, LANES, \
      "life of a runtime token; SDKs ask anew when 60 s or less are left, so it must be longer") \
    X(token_renew_below_ms, 1800000, HB_GUESS, LANES, \
      "GET hands out a new token when the newest has less than this left; older ones stay good until they expire") \
    X(runtime_slash, 0, HB_GUESS, LANES, "1: runtime.baseUrl ends with a slash (the SDKs take both)") \
    X(replay_window_bytes, 4194304, HB_KNOWN, LANES, \
      "output a finished or running process can replay (vendor's e2e: seq 1 after 11.5 MB is 410)") \
    X(result_window_bytes, 4194304, HB_GUESS, LANES, \
      "newest output shown in exec/wait/done results; more sets output_truncated (1.14.0 refuses such a wait)") \
    X(keepalive_ms, 10000, HB_KNOWN, LANES, \
      "real time; pause after which a quiet stream gets a sign of life (vendor: 15 s; Python A reads time out at 30 s)") \
    X(term_grace_ms, 1000, HB_GUESS, LANES, "between TERM and KILL when a process's own timeout is over") \
    X(drain_grace_ms, 100, HB_GUESS, LANES, "real time; how long output is awaited when a survivor holds the pipe") \
    X(start_wait_ms, 5000, HB_GUESS, LANES, "a start that has no pid after this answers \"queued\"") \
    X(kill_wait_ms, 1000, HB_GUESS, LANES, "DELETE waits this long for the end before it answers (may still say running)") \
    X(stdin_wait_ms, 25000, HB_GUESS, LANES, "a stdin write to a process that does not read is refused after this (408)") \
    X(list_limit, 100, HB_GUESS, LANES, "processes per page when the query has no limit") \
    X(list_limit_max, 1000, HB_GUESS, LANES, "highest limit taken") \
    X(page_size, 10, HB_KNOWN, LANES, "sandboxes, images, snapshots per page without a limit (Python always sends limit=10)") \
    X(page_size_max, 100, HB_KNOWN, LANES, "highest limit of those lists (1.14.0 models); more is cut down to it") \
    X(reserved_port, 4001, HB_KNOWN, LANES, "port that cannot be exposed (vendor's e2e)") \
    X(default_timeout_minutes, 0, HB_GUESS, LANES, "life of a sandbox created without timeoutMinutes; 0: no end") \
    X(env_max, 4096, HB_GUESS, LANES, "environment variables in one command") \
    X(catalog_max, 1000, HB_GUESS, SERVER, "images, snapshots and volumes remembered, of each kind")

#define HB_TEXTS(X) \
    X(user, "ubuntu", HB_KNOWN, LANES, "default user in a sandbox (vendor's e2e: sudo test)") \
    X(shell, "/bin/bash", HB_GUESS, SERVER, "runs the command line with -c; /bin/sh when the machine lacks it") \
    X(region, "us-central", HB_GUESS, LANES, "region of a sandbox created without one") \
    X(team_id, "team-standbox", HB_GUESS, LANES, "teamId and namespace in answers") \
    X(images, "default node python", HB_GUESS, SERVER, \
      "listed from the start (vendor's e2e looks for \"node\"); every other name is taken too, unless deleted") \
    X(missing_image_prefix, "missing-", HB_GUESS, LANES, "image names that begin like this are not found; \"\": none") \
    X(killed_exit_code, "null", HB_GUESS, LANES, \
      "exit_code of killed and timed-out processes: \"null\", \"-1\", or \"128+n\" (signal n, or the real code)") \
    X(host_suffix, "", HB_GUESS, LANES, \
      "non-empty (\".sbx.test\"): runtime.baseUrl in host form, http://<id><suffix>:<port>; input takes both always") \
    X(token_form, "text", HB_GUESS, LANES, \
      "token of a running sandbox: \"text\", or \"null\" or \"absent\", which SDKs take for one that does not run") \
    X(token_expiry, "iso", HB_GUESS, LANES, \
      "tokenExpiresAt: \"iso\", \"epoch_ms\" (the Python SDK takes both), or \"null\", which SDKs take for never")

struct hb_settings {
#define HB_FIELD(name, value, kind, scope, why) int64_t name;
    HB_NUMBERS(HB_FIELD)
#undef HB_FIELD
#define HB_FIELD(name, value, kind, scope, why) const char *name; /* a literal, or outlives the dialect */
    HB_TEXTS(HB_FIELD)
#undef HB_FIELD
};

extern const struct hb_settings hb_default_settings;

/* What scenarios may change. */
extern const struct setting_table hb_setting_table;

/* The defaults with a NULL-terminated list of "name=value" (NULL: none) put over them.  Texts are borrowed.
   ERR_INVALID names the assignment: no such setting, or a value that it cannot have. */
int hb_settings_parse(struct hb_settings *out, const char *const *assignments, struct err *err);
/* The same from other settings. */
int hb_settings_change(struct hb_settings *out, const struct hb_settings *from, const char *const *assignments,
                       struct err *err);
bool hb_settings_are_same(const struct hb_settings *a, const struct hb_settings *b);

/* One line per setting: name, value, known or guess, why. */
void hb_settings_describe(const struct hb_settings *settings, struct buf *out);

#endif
