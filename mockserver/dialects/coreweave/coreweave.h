/*
 * CoreWeave Sandbox over gRPC: both wire versions, v1beta2 (SDK 0.17 to 0.26, the documented 0.22.0 among them) and v1
 * (0.27 and later, 1.22.0 among them).  Facts about the wire are in docs/wire-notes.md.
 */
#ifndef STANDBOX_COREWEAVE_H
#define STANDBOX_COREWEAVE_H

#include "dialects/coreweave/settings.h"
#include "dialects/dialect.h"

extern const struct dialect coreweave_dialect;

/* `create` with settings that are parsed already, for tests. */
int coreweave_create(void **out_self, const struct dialect_env *env, const struct cw_settings *settings,
                     struct err *err);

#endif
