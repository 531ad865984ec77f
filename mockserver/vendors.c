#include "vendors.h"

#include <stdlib.h>
#include <string.h>

#include "dialects/coreweave/coreweave.h"
#include "dialects/hyperbrowser/hyperbrowser.h"
#include "dialects/rpc.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

/* A new vendor is one row. */
static const struct dialect *const vendors[] = {
    &hyperbrowser_dialect,
    &coreweave_dialect,
};

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

const struct dialect *vendors_find_rpc(struct lane *lane, const char *path, void **out_self)
{
    struct instances *instances = lane_tenant(lane);
    for (size_t i = 0; i < COUNT(vendors); i++) {
        if (vendors[i]->rpc != NULL && vendors[i]->rpc->find(path) != NULL) {
            *out_self = instances->selves[i];
            return vendors[i];
        }
    }
    return NULL;
}

/* ---- what scenarios say of settings ------------------------------------------------------- */

static const struct dialect *find_vendor(enum scenario_dialect dialect, size_t *out_index)
{
    const char *name = vocab_name(&vocab_dialects, (int) dialect);
    for (size_t i = 0; i < COUNT(vendors); i++) {
        *out_index = i;
        if (strcmp(vendors[i]->name, name) == 0)
            return vendors[i];
    }
    return NULL;
}

const struct setting_table *vendors_settings_of(enum scenario_dialect dialect)
{
    size_t index;
    const struct dialect *vendor = find_vendor(dialect, &index);
    return vendor == NULL ? NULL : vendor->settings;
}

/* What a scenario assigns to the vendor's settings, into `out` (NULL: only counted). */
static size_t put_assignments(size_t vendor, const struct scenario *scenario, const char **out)
{
    size_t n = 0, index;
    for (size_t g = 0; g < scenario->setting_count; g++) {
        const struct setting_group *group = &scenario->settings[g];
        bool is_its = find_vendor(group->dialect, &index) != NULL && index == vendor;
        for (size_t a = 0; is_its && a < group->count; a++, n++) {
            if (out != NULL)
                out[n] = group->assignments[a];
        }
    }
    return n;
}

/* The same of all scenarios, in their order, NULL-terminated; free the list, not the texts.  NULL: no memory. */
static const char **list_assignments(size_t vendor, struct scenario *const *list, size_t count)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        n += put_assignments(vendor, list[i], NULL);
    const char **found = calloc(n + 1, sizeof *found);
    for (size_t i = 0, at = 0; found != NULL && i < count; i++)
        at += put_assignments(vendor, list[i], found + at);
    return found;
}

struct plan {
    const void *ready[COUNT(vendors)];
};

static int prepare(void *tenant, struct scenario *const *list, size_t count, void **out_plan, void *arg,
                   struct err *err)
{
    struct instances *instances = tenant;
    struct plan *plan = calloc(1, sizeof *plan);
    int rc = plan == NULL ? err_set(err, ERR_NOMEM, 0, "settings") : 0;
    (void) arg;
    for (size_t i = 0; i < COUNT(vendors) && rc == 0; i++) {
        if (vendors[i]->prepare_settings == NULL)
            continue;
        const char **assignments = list_assignments(i, list, count);
        rc = assignments == NULL
                 ? err_set(err, ERR_NOMEM, 0, "settings")
                 : vendors[i]->prepare_settings(instances->selves[i], assignments, &plan->ready[i], err);
        free(assignments);
    }
    if (rc == 0)
        *out_plan = plan;
    else
        free(plan);
    return rc;
}

static void adopt(void *tenant, void *arg_plan, bool is_meant, void *arg)
{
    struct instances *instances = tenant;
    struct plan *plan = arg_plan;
    (void) arg;
    for (size_t i = 0; i < COUNT(vendors) && is_meant; i++) {
        if (vendors[i]->use_settings != NULL)
            vendors[i]->use_settings(instances->selves[i], plan->ready[i]);
    }
    free(plan);
}

struct lane_tenant vendors_tenant(struct vendors_env *env)
{
    return (struct lane_tenant) { .create = create, .destroy = destroy, .reset = reset, .prepare = prepare,
                                  .adopt = adopt, .arg = env };
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

void vendors_describe(struct buf *out, const char *http_url, const char *grpc_url)
{
    for (size_t i = 0; i < COUNT(vendors); i++)
        vendors[i]->describe(out, vendors[i]->rpc != NULL ? grpc_url : http_url);
}
