#include "dialects/hyperbrowser/hyperbrowser.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dialects/hyperbrowser/hb_priv.h"
#include "lanes/lane.h"

/* ---- making --------------------------------------------------------------------------------- */

static void fill_images(struct hb *hb)
{
    struct err ignored;
    struct hb_item *item;
    const char *p = hb_now(hb)->images;
    while (*(p += strspn(p, " ")) != '\0') {
        size_t len = strcspn(p, " ");
        BUF_AUTO name = BUF_INIT;
        buf_add(&name, p, len);
        (void) hb_catalog_add(&hb->images, buf_cstr(&name), clock_wall_ms(hb->clock), hb_now(hb)->catalog_max, &item,
                              &ignored);
        p += len;
    }
}

int hyperbrowser_create(void **out_self, const struct dialect_env *env, const struct hb_settings *settings,
                        struct err *err)
{
    struct hb *hb = calloc(1, sizeof *hb);
    if (hb == NULL)
        return err_set(err, ERR_NOMEM, 0, "hyperbrowser dialect");
    hb->engine = env->engine;
    hb->lane = env->lane;
    hb->owner = lane_owner(env->lane);
    hb->clock = lane_clock(env->lane);
    hb->api_keys = env->api_keys;
    if (hb_keep_first(hb, settings, err) < 0) {
        free(hb);
        return -1;
    }
    hb->shell = access(settings->shell, X_OK) == 0 ? settings->shell : "/bin/sh";
    pthread_mutex_init(&hb->lock, NULL);
    fill_images(hb);
    *out_self = hb;
    return 0;
}

static int create(void **out_self, const struct dialect_env *env, struct err *err)
{
    struct hb_settings settings;
    if (hb_settings_parse(&settings, env->settings, err) < 0)
        return -1;
    return hyperbrowser_create(out_self, env, &settings, err);
}

static void forget(struct hb *hb)
{
    hb_catalog_fini(&hb->images);
    hb_catalog_fini(&hb->snapshots);
    hb_catalog_fini(&hb->volumes);
}

static void destroy(void *self)
{
    struct hb *hb = self;
    if (hb == NULL)
        return;
    forget(hb);
    settings_kept_fini(&hb->kept);
    pthread_mutex_destroy(&hb->lock);
    free(hb);
}

static void reset(void *self)
{
    struct hb *hb = self;
    pthread_mutex_lock(&hb->lock);
    forget(hb);
    fill_images(hb);
    pthread_mutex_unlock(&hb->lock);
}

/* ---- whose request is it -------------------------------------------------------------------- */

#define UUID_LENGTH 36

static bool is_below(const char *path, const char *prefix)
{
    size_t len = strlen(prefix);
    return strncmp(path, prefix, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

/* The vendor's routes only: others live below /api too. */
static bool is_control_path(const char *path)
{
    static const char *const prefixes[] = { "/api/sandbox", "/api/sandboxes", "/api/images", "/api/snapshots",
                                            "/api/volume" };
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        if (is_below(path, prefixes[i]))
            return true;
    }
    return false;
}

/* "<id>.sbx.test:8700", or "3000-<id>.sbx.test" for an exposed port (*out_port; else 0): a sandbox we know. */
static bool host_names_sandbox(struct hb *hb, const char *host, char id[UUID_LENGTH + 1], int *out_port)
{
    /* A uuid's first group is longer than any port. */
    size_t digits = strspn(host, "0123456789");
    bool has_port = digits > 0 && digits <= 5 && host[digits] == '-';
    const char *label = has_port ? host + digits + 1 : host;
    if (strcspn(label, ".:") != UUID_LENGTH)
        return false;
    memcpy(id, label, UUID_LENGTH);
    id[UUID_LENGTH] = '\0';
    *out_port = has_port ? (int) strtol(host, NULL, 10) : 0;
    SANDBOX_AUTO *sandbox = engine_find_sandbox(hb->engine, NULL, HB_NAME, id);
    return sandbox != NULL;
}

/* "/sandbox/<id>/..." */
static bool path_names_sandbox(const char *path, char id[UUID_LENGTH + 1])
{
    const char *at = path + sizeof "/sandbox/" - 1;
    if (!is_below(path, "/sandbox") || strlen(path) < sizeof "/sandbox/" - 1 || strcspn(at, "/") != UUID_LENGTH)
        return false;
    memcpy(id, at, UUID_LENGTH);
    id[UUID_LENGTH] = '\0';
    return true;
}

static bool claims(void *self, const struct exchange *x)
{
    char id[UUID_LENGTH + 1];
    int port;
    return is_control_path(x->path) || is_below(x->path, "/sandbox") || host_names_sandbox(self, x->host, id, &port);
}

/* Runtime requests name their sandbox; the others bring an API key. */
static bool whose(void *self, struct exchange *x, struct sandbox **out_sandbox, struct buf *out_key)
{
    struct hb *hb = self;
    char id[UUID_LENGTH + 1];
    int port;
    bool is_named = host_names_sandbox(hb, x->host, id, &port) || path_names_sandbox(x->path, id);
    if (is_named) {
        *out_sandbox = engine_find_sandbox(hb->engine, NULL, HB_NAME, id);
        return *out_sandbox != NULL;
    }
    const char *key = exchange_header(x, "x-api-key");
    if (key == NULL)
        key = hb_bearer(x);
    if (!is_control_path(x->path) || !hb_knows_key(hb, key))
        return false;
    buf_str(out_key, key);
    return true;
}

/* ---- answering ------------------------------------------------------------------------------- */

/* The port's own traffic: who may is checked, carrying it is not built yet. */
static void handle_port(struct hb *hb, struct exchange *x, const char *id, int port)
{
    SANDBOX_AUTO *sandbox = hb_find_sandbox(hb, x, id);
    if (sandbox == NULL)
        return;
    if (!hb_record_exposes(sandbox_record(sandbox), port))
        hb_fail(x, 403, "port_not_exposed", "port %d is not exposed", port);
    else
        hb_fail(x, 501, "not_supported", "traffic to exposed ports is not supported yet");
}

static void handle_path_form(struct hb *hb, struct exchange *x)
{
    char id[UUID_LENGTH + 1];
    const char *at = x->path + strlen("/sandbox");
    at += *at == '/';
    size_t len = strcspn(at, "/");
    if (len == 0 || len > UUID_LENGTH) {
        hb_fail(x, 404, "sandbox_not_found", "sandbox not found: %.100s", at);
        return;
    }
    memcpy(id, at, len);
    id[len] = '\0';
    hb_runtime_handle(hb, x, id, at[len] == '\0' ? "/" : at + len);
}

/* Host first: in host form "/sandbox/exec" looks like path form with an id "exec". */
static void handle(void *self, struct exchange *x)
{
    struct hb *hb = self;
    char id[UUID_LENGTH + 1];
    int port = 0;
    bool is_host_form = host_names_sandbox(hb, x->host, id, &port);
    op_note_dialect(x, HB_NAME);
    if (is_host_form && port > 0)
        handle_port(hb, x, id, port);
    else if (is_host_form && is_below(x->path, "/sandbox"))
        hb_runtime_handle(hb, x, id, x->path[8] == '\0' ? "/" : x->path + 8);
    else if (is_below(x->path, "/sandbox"))
        handle_path_form(hb, x);
    else
        hb_control_handle(hb, x);
}

static void describe(struct buf *out, const char *base_url)
{
    buf_printf(out, "  Python  export HYPERBROWSER_BASE_URL=%s HYPERBROWSER_API_KEY=any\n", base_url);
    buf_printf(out, "  Node    new Hyperbrowser({ baseUrl: \"%s\", apiKey: \"any\" })\n", base_url);
}

/* Uploads are not there yet, and say so in the vendor's way, not as a wrong type. */
static bool takes_raw_body(void *self, const struct exchange *x)
{
    static const char upload[] = "/files/upload";
    size_t len = strlen(x->path), tail = sizeof upload - 1;
    return claims(self, x) && strcmp(x->method, "PUT") == 0 && len > tail &&
           strcmp(x->path + len - tail, upload) == 0;
}

static int describe_settings(struct buf *out, const char *const *assignments, struct err *err)
{
    struct hb_settings settings;
    if (hb_settings_parse(&settings, assignments, err) < 0)
        return -1;
    hb_settings_describe(&settings, out);
    return 0;
}

static const char *host_suffix(void *self)
{
    const struct hb *hb = self;
    return hb_now(hb)->host_suffix[0] != '\0' ? hb_now(hb)->host_suffix : NULL;
}

const struct dialect hyperbrowser_dialect = {
    .name = HB_NAME,
    .create = create,
    .destroy = destroy,
    .claims = claims,
    .whose = whose,
    .handle = handle,
    .takes_raw_body = takes_raw_body,
    .reset = reset,
    .describe_settings = describe_settings,
    .settings = &hb_setting_table,
    .prepare_settings = hb_prepare_settings,
    .use_settings = hb_use_settings,
    .host_suffix = host_suffix,
    .describe = describe,
};
