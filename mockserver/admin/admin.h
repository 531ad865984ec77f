/*
 * The admin API under /__admin (names: WireMock's where it has them).
 *
 * Always needs the admin token: `Authorization: Bearer T` or `X-Standbox-Token: T`.
 * Knows lanes, the engine and scenarios, no vendor.  Its requests are in no lane's ledger.
 * What there is: one table (routes.c), of which the list, the OpenAPI description and the docs page are made.
 * Thread: as exchanges; the waiting calls hold theirs for as long as they wait.
 */
#ifndef STANDBOX_ADMIN_ADMIN_H
#define STANDBOX_ADMIN_ADMIN_H

#include "dialects/dialect.h"

struct lanes;
struct puppeteer;
struct scenario_hooks;

struct admin_config {
    struct lanes *lanes;                   /* borrowed, as all pointers here */
    struct engine *engine;
    struct puppeteer *puppeteer;
    const struct scenario_hooks *hooks;    /* for scenarios that are sent; NULL: none */
    const char *token;
    const char *ledger_path;               /* where the ledger is written, for people; NULL: nowhere */
    void (*shutdown)(void *arg);           /* asks the server to stop; returns at once */
    void *arg;
};

struct admin;
int admin_new(struct admin **out_admin, const struct admin_config *config, struct err *err);
void admin_free(struct admin *admin);
bool admin_claims(const struct exchange *x);   /* path is /__admin or below */
void admin_handle(struct admin *admin, struct exchange *x);

#endif
