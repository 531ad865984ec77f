/* Everything about this vendor that could be otherwise; the table with the reasons is in settings.c.  Times are API
   milliseconds unless the text says "real". */
#ifndef STANDBOX_CW_SETTINGS_H
#define STANDBOX_CW_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "scenario/setting.h"

struct cw_settings {
    int64_t pending_ms, creating_ms, stop_wait_ms, default_grace_s, drain_grace_ms, chunk_bytes, whole_characters;
    int64_t file_max_bytes, exec_max_output_bytes, log_chunk_bytes, log_sessions, page_size, page_size_max, env_max;
    int64_t keep_log_bytes;
    const char *user, *start_failure, *stopped_state, *missing_image_prefix, *runner_id, *runner_group_id, *profile;
};

/* What scenarios may change: all of them, for their lanes.  What a sandbox was made with stays as it was. */
extern const struct setting_table cw_setting_table;

/* The defaults with a NULL-terminated list of "name=value" (NULL: none) put over them.  ERR_INVALID. */
int cw_settings_parse(struct cw_settings *out, const char *const *assignments, struct err *err);
/* The same from other settings. */
int cw_settings_change(struct cw_settings *out, const struct cw_settings *from, const char *const *assignments,
                       struct err *err);
bool cw_settings_are_same(const struct cw_settings *a, const struct cw_settings *b);
void cw_settings_describe(const struct cw_settings *settings, struct buf *out);

#endif
