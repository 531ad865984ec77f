#include "dialects/coreweave/settings.h"

#include <stddef.h>

#include "dialects/settings.h"

static const struct cw_settings defaults = {
    .pending_ms = 0,
    .creating_ms = 0,
    .stop_wait_ms = 1000,
    .default_grace_s = 10,
    .drain_grace_ms = 100,
    .chunk_bytes = 65536,
    .whole_characters = 1,
    .file_max_bytes = 32 * 1024 * 1024,
    .exec_max_output_bytes = 1024 * 1024,
    .log_chunk_bytes = 32768,
    .log_sessions = 64,
    .page_size = 100,
    .page_size_max = 1000,
    .env_max = 4096,
    .keep_log_bytes = 16 * 1024 * 1024,
    .user = "user",
    .start_failure = "exit",
    .stopped_state = "completed",
    .missing_image_prefix = "missing-",
    .runner_id = "runner-standbox",
    .runner_group_id = "group-standbox",
    .profile = "default",
};

static const char *const start_failures[] = { "exit", "error", NULL };
static const char *const stopped_states[] = { "completed", "terminated", NULL };

/* NUMBER(name, most, kind, why) TEXT(name, words, kind, why) */
#define SETTINGS(NUMBER, TEXT) \
    NUMBER(pending_ms, 0, GUESS, "a new sandbox is PENDING for so long") \
    NUMBER(creating_ms, 0, GUESS, "... and then CREATING for so long at least") \
    NUMBER(stop_wait_ms, 0, GUESS, \
           "real time; a stop is answered when the sandbox is gone, but not later than this; then it is TERMINATING, and the SDK " \
           "polls (0: at once)") \
    NUMBER(default_grace_s, 86400, KNOWN, "between TERM and KILL when the request does not say (the SDK's default)") \
    NUMBER(drain_grace_ms, 0, GUESS, "real time; how long output is awaited when a survivor holds the pipe") \
    NUMBER(chunk_bytes, 1048576, GUESS, \
           "most output in one message (0.22.0 receives 4 MiB at most; the SDK itself sends 64 KiB)") \
    NUMBER(whole_characters, 1, GUESS, \
           "1: no message ends inside a UTF-8 character while the rest may still come; 0: bytes go as they were read") \
    NUMBER(file_max_bytes, 104857600, KNOWN, \
           "most in one ReadFile or WriteFile: more is CWSANDBOX_FILE_TOO_LARGE, and the SDK streams (its own default " \
           "for what it does not ask)") \
    NUMBER(exec_max_output_bytes, 67108864, GUESS, "kept of each stream by unary Exec when it does not say") \
    NUMBER(log_chunk_bytes, 1048576, GUESS, "most in one message of a log") \
    NUMBER(log_sessions, 10000, GUESS, "log sessions of a sandbox that can be resumed; the oldest goes first") \
    NUMBER(page_size, 10000, GUESS, "sandboxes in a page when the request does not say (the SDK never does)") \
    NUMBER(page_size_max, 10000, GUESS, "most in a page") \
    NUMBER(env_max, 100000, GUESS, "environment variables in one request") \
    NUMBER(keep_log_bytes, 0, GUESS, "of the main process's output that logs can go back to") \
    TEXT(user, NULL, GUESS, "user name in the sandbox (in the vendor's images it is mostly root)") \
    TEXT(start_failure, start_failures, GUESS, \
         "a command that cannot be started: \"exit\" 127 (not found) or 126 with a line on stderr, as the SDK's own unit " \
         "test has it, or an in-band \"error\" EXEC_FAILED") \
    TEXT(stopped_state, stopped_states, KNOWN, \
         "last state of a sandbox that was stopped: \"completed\", or \"terminated\" as older back ends say (SDK 1.22.0, " \
         "SandboxStatus)") \
    TEXT(missing_image_prefix, NULL, GUESS, "images whose names begin like this cannot be had: FAILED; \"\": none") \
    TEXT(runner_id, NULL, GUESS, "the one runner that there is") \
    TEXT(runner_group_id, NULL, GUESS, "its group") \
    TEXT(profile, NULL, GUESS, "its one profile (v1beta2)")

static const struct setting_row table[] = {
#define NUMBER(name, most, kind, text) \
    { #name, offsetof(struct cw_settings, name), SETTING_##kind, text, most, NULL, NULL },
#define TEXT(name, list, kind, text) \
    { #name, offsetof(struct cw_settings, name), SETTING_##kind, text, 0, list, "" },
    SETTINGS(NUMBER, TEXT)
#undef NUMBER
#undef TEXT
};

#define COUNT(a) (sizeof(a) / sizeof *(a))

int cw_settings_change(struct cw_settings *out, const struct cw_settings *from, const char *const *assignments,
                       struct err *err)
{
    struct cw_settings settings = *from;
    if (settings_apply(&settings, table, COUNT(table), assignments, err) < 0)
        return -1;
    if (settings.chunk_bytes == 0 || settings.log_chunk_bytes == 0 || settings.page_size == 0)
        return err_set(err, ERR_INVALID, 0, "chunk_bytes, log_chunk_bytes and page_size must not be 0");
    if (settings.user[0] == '\0')
        return err_set(err, ERR_INVALID, 0, "setting \"user\": must not be empty");
    *out = settings;
    return 0;
}

int cw_settings_parse(struct cw_settings *out, const char *const *assignments, struct err *err)
{
    return cw_settings_change(out, &defaults, assignments, err);
}

bool cw_settings_are_same(const struct cw_settings *a, const struct cw_settings *b)
{
    return settings_are_same(a, b, table, COUNT(table));
}

void cw_settings_describe(const struct cw_settings *settings, struct buf *out)
{
    settings_tell(settings, table, COUNT(table), out);
}

/* ---- for scenarios -------------------------------------------------------------------------- */

static int check_for_lane(const char *assignment, struct err *err)
{
    struct cw_settings settings;
    const char *const list[] = { assignment, NULL };
    return cw_settings_parse(&settings, list, err);
}

static const struct setting known[] = {
#define NUMBER(name, most, kind, text) { #name, SETTING_NUMBER, true },
#define TEXT(name, list, kind, text) { #name, SETTING_TEXT, true },
    SETTINGS(NUMBER, TEXT)
#undef NUMBER
#undef TEXT
};

const struct setting_table cw_setting_table = { known, COUNT(known), check_for_lane };
