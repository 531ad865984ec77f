/*
 * A cJSON tree as JSON text: pure ASCII, NULs kept (base/json.h), numbers exact.
 *
 * Thread: any.
 */
#ifndef STANDBOX_REPORT_TREE_H
#define STANDBOX_REPORT_TREE_H

#include "base/buf.h"

struct cJSON;

/* Append the tree on one line.  NULL is null; so are numbers that JSON has no word for. */
void tree_write(struct buf *out, const struct cJSON *tree);

/* A document for people with tools: members of the top, and items of its lists, each on a line of its own. */
void tree_write_document(struct buf *out, const struct cJSON *doc);

/* JSON for a <script> of an HTML page: appends `json` with < > & escaped, so that nothing in it can end the script. */
void tree_put_in_page(struct buf *out, const struct buf *json);

#endif
