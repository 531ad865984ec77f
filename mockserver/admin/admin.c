#include "admin/admin.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "admin/admin_priv.h"
#include "base/clock.h"
#include "base/text.h"
#include "engine/engine.h"
#include "version.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define JSON_TYPE "application/json"
#define PREFIX "/__admin"

/* ---- answers -------------------------------------------------------------------------- */

void admin_fail(struct exchange *x, int status, const char *code, const char *fmt, ...)
{
    char message[ERR_TEXT_BYTES];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(message, sizeof message, fmt, ap);
    va_end(ap);
    BUF_AUTO body = BUF_INIT;
    refusal_write(&body, code, message);
    exchange_reply(x, status, JSON_TYPE, buf_cstr(&body), body.len);
}

void admin_reply(struct exchange *x, const struct buf *json)
{
    if (json->failed)
        admin_fail(x, 503, "out_of_memory", "the answer does not fit into memory");
    else
        exchange_reply(x, 200, JSON_TYPE, json->data, json->len);
}

static void reply_status(struct exchange *x, const char *status)
{
    BUF_AUTO body = BUF_INIT;
    struct jsonw w;
    jsonw_init(&w, &body);
    jsonw_object(&w, NULL);
    jsonw_str(&w, "status", status);
    jsonw_end_object(&w);
    admin_reply(x, &body);
}

/* ---- routes --------------------------------------------------------------------------- */

static void get_health(void *self, struct exchange *x, const struct route_params *params)
{
    const struct admin *admin = self;
    (void) params;
    char now[32];
    iso_time(now, clock_wall_ms(engine_clock(admin->config.engine)));
    BUF_AUTO body = BUF_INIT;
    struct jsonw w;
    jsonw_init(&w, &body);
    jsonw_object(&w, NULL);
    jsonw_str(&w, "status", "healthy");
    jsonw_str(&w, "version", STANDBOX_VERSION);
    jsonw_int(&w, "uptimeInSeconds", (mono_ns() - admin->started_ns) / 1000000000);
    jsonw_str(&w, "timestamp", now);
    jsonw_end_object(&w);
    admin_reply(x, &body);
}

static void get_version(void *self, struct exchange *x, const struct route_params *params)
{
    (void) self;
    (void) params;
    BUF_AUTO body = BUF_INIT;
    struct jsonw w;
    jsonw_init(&w, &body);
    jsonw_object(&w, NULL);
    jsonw_str(&w, "version", STANDBOX_VERSION);
    jsonw_str(&w, "commit", STANDBOX_COMMIT[0] != '\0' ? STANDBOX_COMMIT : NULL);
    jsonw_end_object(&w);
    admin_reply(x, &body);
}

/* Answers only when everything is gone: a test may go on at once. */
static void post_reset(void *self, struct exchange *x, const struct route_params *params)
{
    const struct admin *admin = self;
    (void) params;
    admin->config.reset(admin->config.arg);
    reply_status(x, "reset");
}

static void post_shutdown(void *self, struct exchange *x, const struct route_params *params)
{
    const struct admin *admin = self;
    (void) params;
    reply_status(x, "shutting down");
    admin->config.shutdown(admin->config.arg);
}

static route_fn get_routes;

static const struct {
    struct route route;
    const char *what;
} routes[] = {
    { { "GET", PREFIX, get_routes }, "this list" },
    { { "GET", PREFIX "/", get_routes }, NULL },
    { { "GET", PREFIX "/health", get_health }, "is the server up, and since when" },
    { { "GET", PREFIX "/version", get_version }, "which build this is" },
    { { "GET", PREFIX "/processes", admin_list_processes },
      "what runs: per sandbox the kernel's view and the logs' (query: sandbox)" },
    { { "GET", PREFIX "/processes/:id/facts", admin_list_facts },
      "what happened to one process (query: from, limit)" },
    { { "POST", PREFIX "/reset", post_reset }, "stop and forget every sandbox; answers when that is done" },
    { { "POST", PREFIX "/shutdown", post_shutdown }, "stop the server" },
};

static void get_routes(void *self, struct exchange *x, const struct route_params *params)
{
    (void) self;
    (void) params;
    BUF_AUTO body = BUF_INIT;
    struct jsonw w;
    jsonw_init(&w, &body);
    jsonw_object(&w, NULL);
    jsonw_array(&w, "routes");
    for (size_t i = 0; i < COUNT(routes); i++) {
        if (routes[i].what == NULL)
            continue;
        jsonw_object(&w, NULL);
        jsonw_str(&w, "method", routes[i].route.method);
        jsonw_str(&w, "path", routes[i].route.pattern);
        jsonw_str(&w, "description", routes[i].what);
        jsonw_end_object(&w);
    }
    jsonw_end_array(&w);
    jsonw_end_object(&w);
    admin_reply(x, &body);
}

static void fail_method(struct exchange *x)
{
    BUF_AUTO allow = BUF_INIT;
    for (size_t i = 0; i < COUNT(routes); i++) {
        const struct route *row = &routes[i].route, *found;
        struct route_params params;
        if (route_find(row, 1, row->method, x->path, &found, &params) == ROUTE_FOUND)
            buf_printf(&allow, "%s%s", allow.len > 0 ? ", " : "", row->method);
    }
    x->ops->add_header(x, "Allow", buf_cstr(&allow));
    admin_fail(x, 405, "method_not_allowed", "%s takes %s, not %.32s", x->path, buf_cstr(&allow), x->method);
}

static void dispatch(struct admin *admin, struct exchange *x)
{
    enum route_result best = ROUTE_NO_PATH;
    for (size_t i = 0; i < COUNT(routes); i++) {
        const struct route *found;
        struct route_params params;
        enum route_result result = route_find(&routes[i].route, 1, x->method, x->path, &found, &params);
        if (result == ROUTE_FOUND) {
            found->fn(admin, x, &params);
            return;
        }
        best = result == ROUTE_NO_METHOD ? result : best;
    }
    if (best == ROUTE_NO_METHOD)
        fail_method(x);
    else
        admin_fail(x, 404, "not_found", "no such admin path; GET " PREFIX " lists them");
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
    size_t len = sizeof PREFIX - 1;
    return strncmp(x->path, PREFIX, len) == 0 && (x->path[len] == '\0' || x->path[len] == '/');
}

void admin_handle(struct admin *admin, struct exchange *x)
{
    if (is_authorized(admin, x)) {
        dispatch(admin, x);
        return;
    }
    /* The same for every path: without the token nobody learns which exist. */
    x->ops->add_header(x, "WWW-Authenticate", "Bearer realm=\"standbox admin\"");
    admin_fail(x, 401, "unauthorized", "the admin token is needed: Authorization: Bearer TOKEN");
}
