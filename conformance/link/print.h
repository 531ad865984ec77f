/*
 * A tree of base/json.h back into text: one line, pure ASCII, \u0000 kept.  (cJSON's own printer would write the
 * marker that base/json.c keeps for it.)  Thread: any.
 */
#ifndef STANDBOX_LINK_PRINT_H
#define STANDBOX_LINK_PRINT_H

#include "base/buf.h"

struct cJSON;

/* Appends; out->failed says when memory ran out.  Trees made by cJSON's own functions are fine, too. */
void print_json(struct buf *out, const struct cJSON *json);

#endif
