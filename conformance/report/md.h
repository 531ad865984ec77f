/*
 * Untrusted text in GitHub's Markdown: it must neither become markup, nor call people (@name), nor leave a trace in
 * other projects' issues (owner/repo#1).  Code spans do that; prose gets its signs escaped.
 *
 * Thread: any.
 */
#ifndef STANDBOX_REPORT_MD_H
#define STANDBOX_REPORT_MD_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

struct cJSON;

/* A code span of at most about `max` bytes (0: all) of the text; "–" for an empty one.  Fit for a cell of a table. */
void md_put_code(struct buf *out, const char *text, size_t max);
/* Code spans with ", " between them. */
void md_put_codes(struct buf *out, const struct cJSON *list);
/* Text that reads on, on one line. */
void md_put_prose(struct buf *out, const char *text, size_t max);
/* <code> for places that are HTML, such as <summary>. */
void md_put_html_code(struct buf *out, const char *text, size_t max);

/* Append `piece` when out->len stays within `limit`; else false, and nothing is appended. */
bool md_put_fitting(struct buf *out, size_t limit, const struct buf *piece);

#endif
