/*
 * JSON values made visible: for messages (short, readable) and for documents (whole, or cut).
 * Thread: any.
 */
#ifndef STANDBOX_JUDGE_SHOW_H
#define STANDBOX_JUDGE_SHOW_H

#include <stddef.h>

#include "base/buf.h"

struct cJSON;

/* Text in quotes, about `max` bytes of it; of a longer one its length is told.  What cannot be printed is escaped. */
void show_text(struct buf *out, const char *text, size_t len, size_t max);
/* A value, about `max` bytes; NULL is "nothing".  Outputs of many megabytes cost no more than short ones. */
void show_value(struct buf *out, const struct cJSON *value, size_t max);

/* A copy of a value in which no text is longer than about `max_text` bytes ("begin... [12582912 bytes]"), no array and
   no object longer than 1000 ("... [200 more]").  Returned; cJSON_Delete frees it.  NULL: no memory. */
struct cJSON *show_clip(const struct cJSON *value, size_t max_text);

#endif
