/* The control plane's sandbox routes (wire page §2). */
#include "dialects/hyperbrowser/hb_priv.h"

#include <cjson/cJSON.h>
#include <string.h>

#include "base/text.h"

/* ---- who may --------------------------------------------------------------------------- */

bool hb_knows_key(const struct hb *hb, const char *key)
{
    if (key == NULL || key[0] == '\0')
        return false;
    if (hb->api_keys == NULL || hb->api_keys[0] == NULL)
        return true;
    bool known = false;
    for (size_t i = 0; hb->api_keys[i] != NULL; i++)
        known |= same_secret(hb->api_keys[i], key);
    return known;
}

/* The SDKs send x-api-key; the vendor's own test helpers also send the key as a bearer token. */
static bool is_authorised(const struct hb *hb, struct exchange *x)
{
    const char *key = exchange_header(x, "x-api-key");
    return hb_knows_key(hb, key != NULL ? key : hb_bearer(x));
}

/* ---- finding --------------------------------------------------------------------------- */

struct sandbox *hb_look_up(struct hb *hb, const char *id)
{
    struct sandbox *sandbox = engine_find_sandbox(hb->engine, hb->owner, HB_NAME, id);
    /* Without a record it is still being made: its id was told to nobody. */
    if (sandbox != NULL && sandbox_record(sandbox) != NULL)
        return sandbox;
    sandbox_unref(sandbox);
    return NULL;
}

struct sandbox *hb_find_sandbox(struct hb *hb, struct exchange *x, const char *id)
{
    struct sandbox *sandbox = hb_look_up(hb, id);
    if (sandbox == NULL)
        hb_fail(x, 404, "sandbox_not_found", "sandbox not found: %s", id);
    return sandbox;
}

struct sandbox *hb_find_active(struct hb *hb, struct exchange *x, const char *id)
{
    struct sandbox *sandbox = hb_find_sandbox(hb, x, id);
    if (sandbox == NULL || sandbox_get_state(sandbox) == SANDBOX_ACTIVE)
        return sandbox;
    sandbox_unref(sandbox);
    hb_fail(x, 409, "sandbox_not_running", "Sandbox is not running: %s", id);
    return NULL;
}

/* ---- get, list, stop --------------------------------------------------------------------- */

/* A reference, or NULL and the exchange is answered.  Scenarios are asked in any case. */
static struct sandbox *find_and_begin(struct hb *hb, struct exchange *x, const char *id, enum scenario_op op,
                                      bool *out_pretend)
{
    struct sandbox *sandbox = hb_look_up(hb, id);
    const struct op what = { .op = op, .dialect = DIALECT_HYPERBROWSER, .sandbox = sandbox };
    if (sandbox == NULL)
        hb_refuse_unknown(x, &what, id, "");
    else if (hb_begin(x, &what, out_pretend))
        return sandbox;
    sandbox_unref(sandbox);
    return NULL;
}

static void get_sandbox(void *dialect, struct exchange *x, const struct route_params *params)
{
    struct hb *hb = dialect;
    SANDBOX_AUTO *sandbox = find_and_begin(hb, x, params->value[0], OP_SANDBOX_GET, NULL);
    if (sandbox == NULL)
        return;
    BUF_AUTO body = BUF_INIT;
    struct jsonw w;
    jsonw_init(&w, &body);
    hb_write_sandbox(&w, hb, sandbox, x->base_url, true);
    hb_reply(x, &body);
}

struct filter {
    struct buf status, search;
    bool has_status, has_search;
    int64_t start, end;
    struct hb_page page;
};

static int parse_filter(const struct hb *hb, const struct exchange *x, struct filter *filter, struct err *err)
{
    static const char *const known[] = { "active", "closed", "error", "close-error" };
    filter->start = 0;
    filter->end = INT64_MAX;
    if (hb_query_page(hb, x, &filter->page, err) < 0 ||
        hb_query_int(x, "start", 0, INT64_MAX, &filter->start, err) < 0 ||
        hb_query_int(x, "end", 0, INT64_MAX, &filter->end, err) < 0)
        return -1;
    filter->has_search = query_get(x->query, "search", &filter->search) && filter->search.len > 0;
    filter->has_status = query_get(x->query, "status", &filter->status) && filter->status.len > 0;
    if (!filter->has_status)
        return 0;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(filter->status.data, known[i]) == 0)
            return 0;
    }
    return err_set(err, ERR_INVALID, 0, "query parameter status: unknown status \"%.40s\"", filter->status.data);
}

static bool contains(const char *text, const char *part)
{
    return text != NULL && strcasestr(text, part) != NULL;
}

static bool is_wanted(const struct filter *filter, struct sandbox *sandbox)
{
    const struct hb_record *record = sandbox_record(sandbox);
    int64_t created = sandbox_created_ms(sandbox);
    if (record == NULL || created < filter->start || created > filter->end)
        return false;
    if (filter->has_status && strcmp(filter->status.data, hb_sandbox_status(sandbox)) != 0)
        return false;
    const char *part = filter->search.data;
    return !filter->has_search || contains(sandbox_id(sandbox), part) || contains(record->image_name, part) ||
           contains(record->snapshot_name, part);
}

static void write_list(struct hb *hb, struct exchange *x, const struct filter *filter, struct jsonw *w)
{
    size_t count;
    int64_t total = 0;
    struct sandbox **list = engine_list_sandboxes(hb->engine, hb->owner, HB_NAME, &count);
    jsonw_object(w, NULL);
    jsonw_array(w, "sandboxes");
    for (size_t i = count; i-- > 0;) {
        if (is_wanted(filter, list[i]) && hb_page_has(&filter->page, total++))
            hb_write_sandbox(w, hb, list[i], x->base_url, false);
    }
    jsonw_end_array(w);
    hb_page_write(&filter->page, total, w);
    jsonw_end_object(w);
    sandbox_list_free(list, count);
}

static void list_sandboxes(void *dialect, struct exchange *x, const struct route_params *params)
{
    (void) params;
    struct filter filter = { .status = BUF_INIT, .search = BUF_INIT };
    struct err err = ERR_INIT;
    BUF_AUTO body = BUF_INIT;
    struct jsonw w;
    const struct op what = { .op = OP_SANDBOX_LIST, .dialect = DIALECT_HYPERBROWSER };
    if (!hb_begin(x, &what, NULL))
        return;
    jsonw_init(&w, &body);
    if (parse_filter(dialect, x, &filter, &err) < 0) {
        hb_fail_err(x, &err);
    } else {
        write_list(dialect, x, &filter, &w);
        hb_reply(x, &body);
    }
    buf_fini(&filter.status);
    buf_fini(&filter.search);
}

static void stop_sandbox(void *dialect, struct exchange *x, const struct route_params *params)
{
    static const char answer[] = "{\"success\":true}";
    struct err err = ERR_INIT;
    bool pretend;
    SANDBOX_AUTO *sandbox = find_and_begin(dialect, x, params->value[0], OP_SANDBOX_STOP, &pretend);
    if (sandbox == NULL)
        return;
    if (!pretend && sandbox_stop(sandbox, STOP_REQUEST, &err) < 0)
        hb_fail_err(x, &err);
    else
        exchange_reply(x, 200, JSON_TYPE, answer, sizeof answer - 1);
}

/* ---- ports --------------------------------------------------------------------------------- */

int hb_parse_port(const struct hb *hb, const struct cJSON *json, struct hb_port *out, struct err *err)
{
    int64_t number = 0;
    bool present = false, auth = false;
    if (!json_is_object(json))
        return err_set(err, ERR_INVALID, 0, "a port must be an object");
    if (json_get_int(json, "port", 1, 65535, &number, &present, err) < 0 ||
        json_get_bool(json, "auth", &auth, NULL, err) < 0)
        return -1;
    if (!present)
        return err_set(err, ERR_INVALID, 0, "/port: must be given");
    if (number == hb_now(hb)->reserved_port)
        return err_set(err, ERR_INVALID, 0, "port %d cannot be exposed", (int) number);
    *out = (struct hb_port){ (int) number, auth };
    return 0;
}

static void change_port(struct hb *hb, struct exchange *x, const char *id, bool expose)
{
    struct err err = ERR_INIT;
    struct hb_port port;
    JSON_AUTO *json = NULL;
    SANDBOX_AUTO *sandbox = hb_find_active(hb, x, id);
    if (sandbox == NULL || hb_read_object(x, false, &json) < 0)
        return;
    struct hb_record *record = sandbox_record(sandbox);
    if (hb_parse_port(hb, json, &port, &err) < 0 ||
        (expose && hb_record_expose(record, port, clock_wall_ms(hb->clock), &err) < 0)) {
        hb_fail_err(x, &err);
        return;
    }
    BUF_AUTO body = BUF_INIT;
    struct jsonw w;
    jsonw_init(&w, &body);
    if (expose) {
        hb_write_port(&w, hb, id, x->base_url, &port);
    } else {
        hb_record_unexpose(record, port.port, clock_wall_ms(hb->clock));
        buf_printf(&body, "{\"port\":%d,\"exposed\":false}", port.port);
    }
    hb_reply(x, &body);
}

static void expose_port(void *dialect, struct exchange *x, const struct route_params *params)
{
    change_port(dialect, x, params->value[0], true);
}

static void unexpose_port(void *dialect, struct exchange *x, const struct route_params *params)
{
    change_port(dialect, x, params->value[0], false);
}

/* ---- network ------------------------------------------------------------------------------- */

static int parse_texts(const struct cJSON *json, const char *name, struct hb_texts *out, bool *out_present,
                       struct err *err)
{
    const cJSON *list = json_get(json, name), *item;
    *out_present = list != NULL;
    if (list != NULL && !cJSON_IsArray(list))
        return err_set(err, ERR_INVALID, 0, "/%s: must be a list", name);
    cJSON_ArrayForEach(item, list)
    {
        if (!cJSON_IsString(item))
            return err_set(err, ERR_INVALID, 0, "/%s/%zu: must be a string", name, out->count);
        if (hb_texts_add(out, item->valuestring, err) < 0)
            return -1;
    }
    return 0;
}

int hb_parse_network(const struct cJSON *json, struct hb_network *out, struct err *err)
{
    if (json_get_bool(json, "allowInternetAccess", &out->internet, &out->has_internet, err) < 0 ||
        parse_texts(json, "allowOut", &out->allow, &out->has_allow, err) < 0 ||
        parse_texts(json, "denyOut", &out->deny, &out->has_deny, err) < 0)
        return -1;
    return 0;
}

static void update_network(void *dialect, struct exchange *x, const struct route_params *params)
{
    struct hb *hb = dialect;
    struct err err = ERR_INIT;
    struct hb_network change = { .has_internet = false };
    JSON_AUTO *json = NULL;
    SANDBOX_AUTO *sandbox = hb_find_active(hb, x, params->value[0]);
    if (sandbox == NULL || hb_read_object(x, false, &json) < 0)
        return;
    if (hb_parse_network(json, &change, &err) < 0) {
        hb_fail_err(x, &err);
    } else {
        struct hb_record *record = sandbox_record(sandbox);
        BUF_AUTO body = BUF_INIT;
        struct jsonw w;
        hb_record_change_network(record, &change, clock_wall_ms(hb->clock));
        jsonw_init(&w, &body);
        jsonw_object(&w, NULL);
        hb_record_write_network(record, &w);
        jsonw_end_object(&w);
        hb_reply(x, &body);
    }
    hb_network_fini(&change);
}

/* ---- routes ---------------------------------------------------------------------------------- */

/* Python (1.12 and later) starts a process here only to have secrets put into it; we have none. */
static void start_with_secrets(void *dialect, struct exchange *x, const struct route_params *params)
{
    SANDBOX_AUTO *sandbox = hb_find_sandbox(dialect, x, params->value[0]);
    if (sandbox != NULL)
        hb_fail(x, 403, "SECRETS_FEATURE_DISABLED", "secrets are not enabled for this team");
}

static const struct route sandbox_routes[] = {
    { "POST", "/api/sandbox", hb_create_sandbox },
    { "GET", "/api/sandboxes", list_sandboxes },
    { "GET", "/api/sandbox/:id", get_sandbox },
    { "PUT", "/api/sandbox/:id/stop", stop_sandbox },
    { "POST", "/api/sandbox/:id/snapshot", hb_create_snapshot },
    { "POST", "/api/sandbox/:id/expose", expose_port },
    { "POST", "/api/sandbox/:id/unexpose", unexpose_port },
    { "PUT", "/api/sandbox/:id/network", update_network },
    { "POST", "/api/sandbox/:id/processes", start_with_secrets },
};

void hb_control_handle(struct hb *hb, struct exchange *x)
{
    struct route_params params;
    const struct route *route;
    if (!is_authorised(hb, x)) {
        hb_fail(x, 401, "unauthorized", "missing or wrong API key");
        return;
    }
    enum route_result result =
        route_find(sandbox_routes, sizeof sandbox_routes / sizeof *sandbox_routes, x->method, x->path, &route, &params);
    if (result == ROUTE_NO_PATH)
        result = route_find(hb_catalog_routes, hb_catalog_route_count, x->method, x->path, &route, &params);
    if (result == ROUTE_FOUND)
        route->fn(hb, x, &params);
    else
        hb_fail_route(x, result);
}
