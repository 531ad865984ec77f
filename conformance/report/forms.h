/*
 * The forms that report_render can choose from; one file each.  All append to `out`, take a checked document, and fail
 * with ERR_NOMEM only.
 *
 * Thread: any.
 */
#ifndef STANDBOX_REPORT_FORMS_H
#define STANDBOX_REPORT_FORMS_H

#include "base/buf.h"
#include "base/err.h"

struct cJSON;

int junit_render(const struct cJSON *results, struct buf *out, struct err *err);
int tap_render(const struct cJSON *results, struct buf *out, struct err *err);
int markdown_render(const struct cJSON *results, struct buf *out, struct err *err);
int html_render(const struct cJSON *results, struct buf *out, struct err *err);

#endif
