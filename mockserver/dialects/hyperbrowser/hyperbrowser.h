/*
 * Hyperbrowser sandboxes: control plane (/api/...) and runtime (/sandbox/...).
 *
 * Serves both process protocols of the vendor's SDKs on one URL: A (JSON answer to a
 * start) and B (event stream, when the Accept header asks for one).  Runtime calls come
 * in path form (/sandbox/<id>/exec) or host form (Host: <id>.anything, /sandbox/exec).
 * Files and terminals are answered with 501 so far.
 */
#ifndef STANDBOX_DIALECTS_HYPERBROWSER_H
#define STANDBOX_DIALECTS_HYPERBROWSER_H

#include "dialects/dialect.h"
#include "dialects/hyperbrowser/settings.h"

extern const struct dialect hyperbrowser_dialect;

/* hyperbrowser_dialect.create with other settings than the defaults (copied). */
int hyperbrowser_create(void **out_self, const struct dialect_env *env, const struct hb_settings *settings,
                        struct err *err);

#endif
