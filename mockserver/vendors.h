/*
 * The vendors that are built in, and their instances in a lane.  A new vendor is one row in vendors.c.
 *
 * Thread: any.
 */
#ifndef STANDBOX_VENDORS_H
#define STANDBOX_VENDORS_H

#include "base/jsonw.h"
#include "dialects/dialect.h"
#include "lanes/lane.h"
#include "options.h"

/* What instances are made from; borrowed for their life. */
struct vendors_env {
    struct engine *engine;
    const struct options *options;
};

/* The instances that every lane has. */
struct lane_tenant vendors_tenant(struct vendors_env *env);

/* Whose request is it?  NULL: nobody's.  The dialect and, in *out_self, its instance in `lane`. */
const struct dialect *vendors_find(struct lane *lane, const struct exchange *x, void **out_self);

/* Who serves the gRPC method of this path?  As vendors_find. */
const struct dialect *vendors_find_rpc(struct lane *lane, const char *path, void **out_self);

/* The hook for whoever reads scenarios (scenario/setting.h). */
setting_table_fn vendors_settings_of;

/* Do all --set options name vendors that there are? */
int vendors_check_settings(const struct options *options, struct err *err);
/* Their settings as --print-config shows them: one list a vendor, into an open object. */
int vendors_write_settings(struct jsonw *w, const struct options *options, struct err *err);

/* NULL-terminated list of host name endings under which sandboxes are reached; free the list, not the texts, which
   live as long as `lane`. */
const char **vendors_hosts(struct lane *lane);
/* How to point each SDK at its server: those that speak HTTP, and those that speak gRPC. */
void vendors_describe(struct buf *out, const char *http_url, const char *grpc_url);

#endif
