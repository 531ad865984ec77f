/*
 * The admin API under /__admin (names: WireMock's where it has them).
 *
 * Always needs the admin token: `Authorization: Bearer T` or `X-Standbox-Token: T`.
 * Knows the engine and the dialect table, no vendor.  Thread: as exchanges.
 */
#ifndef STANDBOX_ADMIN_ADMIN_H
#define STANDBOX_ADMIN_ADMIN_H

#include "dialects/dialect.h"

struct admin_config {
    struct engine *engine;                 /* borrowed */
    const char *token;                     /* borrowed */
    void (*reset)(void *arg);              /* synchronous: engine and dialects forget everything */
    void (*shutdown)(void *arg);           /* asks the server to stop; returns at once */
    void *arg;
};

struct admin;
int admin_new(struct admin **out_admin, const struct admin_config *config, struct err *err);
void admin_free(struct admin *admin);
bool admin_claims(const struct exchange *x);   /* path is /__admin or below */
void admin_handle(struct admin *admin, struct exchange *x);

#endif
