/* Who may, and which route. */
#include "admin/admin.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "admin/admin_priv.h"
#include "base/text.h"

/* ---- routes --------------------------------------------------------------------------- */

static void fail_method(struct call *call)
{
    BUF_AUTO allow = BUF_INIT;
    const struct exchange *x = call->x;
    for (size_t i = 0; i < admin_route_count; i++) {
        const struct route *row = &admin_routes[i].route, *found;
        struct route_params params;
        bool fits = route_find(row, 1, row->method, x->path, &found, &params) == ROUTE_FOUND;
        if (fits && strstr(buf_cstr(&allow), row->method) == NULL)
            buf_printf(&allow, "%s%s", allow.len > 0 ? ", " : "", row->method);
    }
    x->ops->add_header(call->x, "Allow", buf_cstr(&allow));
    call_fail(call, 405, "method_not_allowed", "%.200s takes %s, not %.32s", x->path, buf_cstr(&allow), x->method);
}

static void serve(struct call *call)
{
    if (call_open(call))
        call->row->fn(call);
    call_close(call);
}

static void dispatch(struct admin *admin, struct exchange *x)
{
    enum route_result best = ROUTE_NO_PATH;
    struct call call = { .admin = admin, .x = x };
    for (size_t i = 0; i < admin_route_count; i++) {
        const struct route *found;
        enum route_result result = route_find(&admin_routes[i].route, 1, x->method, x->path, &found, &call.params);
        if (result == ROUTE_FOUND) {
            call.row = &admin_routes[i];
            serve(&call);
            return;
        }
        best = result == ROUTE_NO_METHOD ? result : best;
    }
    if (best == ROUTE_NO_METHOD)
        fail_method(&call);
    else
        call_fail(&call, 404, "not_found", "no such admin path; GET " ADMIN_PREFIX " lists them");
}

/* ---- who may -------------------------------------------------------------------------- */

static bool is_authorized(const struct admin *admin, struct exchange *x)
{
    static const char scheme[] = "Bearer ";
    const char *own = exchange_header(x, "X-Standbox-Token");
    const char *common = exchange_header(x, "Authorization");
    if (own != NULL)
        return same_secret(own, admin->config.token);
    if (common == NULL || strncasecmp(common, scheme, sizeof scheme - 1) != 0)
        return false;
    common += sizeof scheme - 1;
    return same_secret(common + strspn(common, " "), admin->config.token);
}

int admin_new(struct admin **out_admin, const struct admin_config *config, struct err *err)
{
    if (config->token == NULL || config->token[0] == '\0')
        return err_set(err, ERR_INVALID, 0, "the admin API needs a token");
    struct admin *admin = calloc(1, sizeof *admin);
    if (admin == NULL)
        return err_set(err, ERR_NOMEM, 0, "admin API");
    admin->config = *config;
    admin->started_ns = mono_ns();
    *out_admin = admin;
    return 0;
}

void admin_free(struct admin *admin)
{
    free(admin);
}

bool admin_claims(const struct exchange *x)
{
    size_t len = sizeof ADMIN_PREFIX - 1;
    return strncmp(x->path, ADMIN_PREFIX, len) == 0 && (x->path[len] == '\0' || x->path[len] == '/');
}

void admin_handle(struct admin *admin, struct exchange *x)
{
    if (is_authorized(admin, x)) {
        dispatch(admin, x);
        return;
    }
    /* The same for every path: without the token nobody learns which exist. */
    struct call call = { .admin = admin, .x = x };
    x->ops->add_header(x, "WWW-Authenticate", "Bearer realm=\"standbox admin\"");
    call_fail(&call, 401, "unauthorized", "the admin token is needed: Authorization: Bearer TOKEN");
}
