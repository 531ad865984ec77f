/* The admin API's own parts, for files of this folder.  admin.c: who may, which route; processes.c: what runs. */
#ifndef STANDBOX_ADMIN_ADMIN_PRIV_H
#define STANDBOX_ADMIN_ADMIN_PRIV_H

#include "admin/admin.h"
#include "base/jsonw.h"

struct admin {
    struct admin_config config;
    int64_t started_ns;
};

/* Answer 200 with this JSON, or 503 when memory ran out while it was built. */
void admin_reply(struct exchange *x, const struct buf *json);
void admin_fail(struct exchange *x, int status, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* Routes. */
route_fn admin_list_processes, admin_list_facts;

#endif
