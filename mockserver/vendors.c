#include "vendors.h"

#include <stdlib.h>
#include <string.h>

#include "dialects/hyperbrowser/hyperbrowser.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

/* A new vendor is one row. */
static const struct dialect *const vendors[] = {
    &hyperbrowser_dialect,
};

/* Sandboxes' own host names, beside what the vendors' settings add: ".test" can never be somebody's. */
#define SANDBOX_HOSTS ".sbx.test"

struct instances {
    void *selves[COUNT(vendors)];
};

/* ---- settings ------------------------------------------------------------------------- */

/* "hyperbrowser.name=value" -> "name=value" when the vendor is `name`, else NULL. */
static const char *setting_of(const char *setting, const char *name)
{
    size_t len = strlen(name);
    return strncmp(setting, name, len) == 0 && setting[len] == '.' ? setting + len + 1 : NULL;
}

/* The vendor's own --set options, NULL-terminated; free it.  NULL: no memory. */
static const char **settings_of(const struct options *o, const char *name)
{
    const char **list = calloc(o->setting_count + 1, sizeof *list);
    size_t n = 0;
    for (size_t i = 0; list != NULL && i < o->setting_count; i++) {
        const char *setting = setting_of(o->settings[i], name);
        if (setting != NULL)
            list[n++] = setting;
    }
    return list;
}

int vendors_check_settings(const struct options *o, struct err *err)
{
    for (size_t i = 0; i < o->setting_count; i++) {
        bool known = false;
        for (size_t v = 0; v < COUNT(vendors); v++)
            known = known || setting_of(o->settings[i], vendors[v]->name) != NULL;
        if (!known)
            return err_set(err, ERR_INVALID, 0, "--set: \"%.100s\" names no vendor that is built in", o->settings[i]);
    }
    return 0;
}

static int write_vendor(struct jsonw *w, const struct dialect *vendor, const struct options *o, struct err *err)
{
    BUF_AUTO text = BUF_INIT;
    const char **settings = settings_of(o, vendor->name);
    if (settings == NULL)
        return err_set(err, ERR_NOMEM, 0, "settings");
    int rc = vendor->describe_settings(&text, settings, err);
    free(settings);
    if (rc != 0)
        return err_wrap(err, "%s", vendor->name);
    jsonw_array(w, vendor->name);
    for (const char *line = buf_cstr(&text); *line != '\0';) {
        size_t len = strcspn(line, "\n");
        jsonw_bytes(w, NULL, line, len);
        line += len + (line[len] == '\n');
    }
    jsonw_end_array(w);
    return 0;
}

int vendors_write_settings(struct jsonw *w, const struct options *options, struct err *err)
{
    for (size_t i = 0; i < COUNT(vendors); i++) {
        if (write_vendor(w, vendors[i], options, err) != 0)
            return -1;
    }
    return 0;
}

/* ---- instances ------------------------------------------------------------------------ */

static void destroy(void *tenant, void *arg)
{
    struct instances *instances = tenant;
    (void) arg;
    for (size_t i = 0; instances != NULL && i < COUNT(vendors); i++)
        vendors[i]->destroy(instances->selves[i]);
    free(instances);
}

static int create_one(const struct dialect *vendor, const struct vendors_env *env, struct lane *lane, void **out_self,
                      struct err *err)
{
    const char **settings = settings_of(env->options, vendor->name);
    if (settings == NULL)
        return err_set(err, ERR_NOMEM, 0, "settings");
    const struct dialect_env what = {
        .engine = env->engine, .lane = lane, .api_keys = env->options->api_keys, .settings = settings
    };
    int rc = vendor->create(out_self, &what, err);
    free(settings);
    return rc == 0 ? 0 : err_wrap(err, "%s", vendor->name);
}

static int create(void **out_tenant, struct lane *lane, void *arg, struct err *err)
{
    struct instances *instances = calloc(1, sizeof *instances);
    if (instances == NULL)
        return err_set(err, ERR_NOMEM, 0, "lane");
    for (size_t i = 0; i < COUNT(vendors); i++) {
        if (create_one(vendors[i], arg, lane, &instances->selves[i], err) != 0) {
            destroy(instances, arg);
            return -1;
        }
    }
    *out_tenant = instances;
    return 0;
}

static void reset(void *tenant, void *arg)
{
    struct instances *instances = tenant;
    (void) arg;
    for (size_t i = 0; i < COUNT(vendors); i++)
        vendors[i]->reset(instances->selves[i]);
}

struct lane_tenant vendors_tenant(struct vendors_env *env)
{
    return (struct lane_tenant) { .create = create, .destroy = destroy, .reset = reset, .arg = env };
}

const struct dialect *vendors_find(struct lane *lane, const struct exchange *x, void **out_self)
{
    struct instances *instances = lane_tenant(lane);
    for (size_t i = 0; i < COUNT(vendors); i++) {
        if (vendors[i]->claims(instances->selves[i], x)) {
            *out_self = instances->selves[i];
            return vendors[i];
        }
    }
    return NULL;
}

/* ---- what people and transports are told ------------------------------------------------ */

const char **vendors_hosts(struct lane *lane)
{
    struct instances *instances = lane_tenant(lane);
    const char **hosts = calloc(COUNT(vendors) + 2, sizeof *hosts);
    size_t n = 0;
    if (hosts == NULL)
        return NULL;
    hosts[n++] = SANDBOX_HOSTS;
    for (size_t i = 0; i < COUNT(vendors); i++) {
        const char *suffix = vendors[i]->host_suffix(instances->selves[i]);
        if (suffix != NULL)
            hosts[n++] = suffix;
    }
    return hosts;
}

void vendors_describe(struct buf *out, const char *base_url)
{
    for (size_t i = 0; i < COUNT(vendors); i++)
        vendors[i]->describe(out, base_url);
}
