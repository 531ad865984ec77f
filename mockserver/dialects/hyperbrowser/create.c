/* POST /api/sandbox and the memory snapshot: what a sandbox is made from (wire page §2). */
#include "dialects/hyperbrowser/hb_priv.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

/* What a create request names as its start. */
struct source {
    struct buf image_name, image_id, snapshot_name, snapshot_id;
};

static void source_fini(struct source *source)
{
    buf_fini(&source->image_name);
    buf_fini(&source->image_id);
    buf_fini(&source->snapshot_name);
    buf_fini(&source->snapshot_id);
}

/* Empty texts count as absent, as in the SDKs' own check. */
static int parse_source(const struct cJSON *json, struct source *out, struct err *err)
{
    if (json_get_text(json, "imageName", &out->image_name, NULL, err) < 0 ||
        json_get_text(json, "imageId", &out->image_id, NULL, err) < 0 ||
        json_get_text(json, "snapshotName", &out->snapshot_name, NULL, err) < 0 ||
        json_get_text(json, "snapshotId", &out->snapshot_id, NULL, err) < 0)
        return -1;
    if ((out->image_name.len > 0) == (out->snapshot_name.len > 0))
        return err_set(err, ERR_INVALID, 0, "exactly one of imageName and snapshotName must be given");
    if (out->image_id.len > 0 && out->image_name.len == 0)
        return err_set(err, ERR_INVALID, 0, "/imageId: needs imageName");
    if (out->snapshot_id.len > 0 && out->snapshot_name.len == 0)
        return err_set(err, ERR_INVALID, 0, "/snapshotId: needs snapshotName");
    return 0;
}

static int parse_region(const struct hb *hb, const struct cJSON *json, const char **out, struct err *err)
{
    static const char *const known[] = {
        "us", "us-central", "us-west", "us-east", "us-dev", "asia-south", "europe-west"
    };
    BUF_AUTO text = BUF_INIT;
    if (json_get_text(json, "region", &text, NULL, err) < 0)
        return -1;
    const char *wanted = text.len > 0 ? text.data : hb_now(hb)->region;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(wanted, known[i]) == 0) {
            *out = known[i];
            return 0;
        }
    }
    return err_set(err, ERR_INVALID, 0, "/region: unknown region \"%.40s\"", wanted);
}

/* Node leaves these checks to the server: 0, -1 and 1.5 do arrive. */
static int parse_sizes(const struct cJSON *json, bool from_snapshot, struct hb_record *record, struct err *err)
{
    static const char *const image_only[] = { "vcpus", "memMiB", "diskSizeMiB" };
    int64_t *const fields[] = { &record->vcpus, &record->mem_mib, &record->disk_mib };
    for (size_t i = 0; i < 3; i++) {
        bool present;
        if (json_get_int(json, image_only[i], 1, INT32_MAX, fields[i], &present, err) < 0)
            return -1;
        if (present && from_snapshot)
            return err_set(err, ERR_INVALID, 0, "/%s: only for a start from an image", image_only[i]);
    }
    return json_get_int(json, "timeoutMinutes", 1, INT32_MAX, &record->timeout_minutes, NULL, err);
}

static int parse_ports(const struct hb *hb, const struct cJSON *json, struct hb_record *record, struct err *err)
{
    const cJSON *list = json_get(json, "exposedPorts"), *item;
    size_t i = 0;
    if (list != NULL && !cJSON_IsArray(list))
        return err_set(err, ERR_INVALID, 0, "/exposedPorts: must be a list");
    cJSON_ArrayForEach(item, list)
    {
        struct hb_port port;
        if (hb_parse_port(hb, item, &port, err) < 0 || hb_record_expose(record, port, 0, err) < 0)
            return err_wrap(err, "/exposedPorts/%zu", i);
        i++;
    }
    return 0;
}

/* Mounts are checked and then ignored: volumes hold nothing here. */
static int check_mount(const cJSON *mount, struct err *err)
{
    BUF_AUTO id = BUF_INIT;
    BUF_AUTO type = BUF_INIT;
    bool shared;
    if (!cJSON_IsObject(mount))
        return err_set(err, ERR_INVALID, 0, "must be an object");
    if (json_get_text(mount, "id", &id, NULL, err) < 0 || json_get_text(mount, "type", &type, NULL, err) < 0 ||
        json_get_bool(mount, "shared", &shared, NULL, err) < 0)
        return -1;
    if (id.len == 0)
        return err_set(err, ERR_INVALID, 0, "/id: must be given");
    if (type.len > 0 && strcmp(type.data, "rw") != 0 && strcmp(type.data, "ro") != 0)
        return err_set(err, ERR_INVALID, 0, "/type: must be \"rw\" or \"ro\"");
    return 0;
}

static int check_mounts(const struct cJSON *json, struct err *err)
{
    const cJSON *mounts = json_get(json, "mounts"), *mount;
    if (mounts != NULL && !cJSON_IsObject(mounts))
        return err_set(err, ERR_INVALID, 0, "/mounts: must be an object");
    cJSON_ArrayForEach(mount, mounts)
    {
        if (check_mount(mount, err) < 0)
            return err_wrap(err, "/mounts/%.60s", mount->string);
    }
    return 0;
}

static int parse_create(struct hb *hb, const struct cJSON *json, struct source *source, struct hb_record *record,
                        struct err *err)
{
    bool recording;
    if (parse_source(json, source, err) < 0 || parse_region(hb, json, &record->region, err) < 0 ||
        parse_sizes(json, source->snapshot_name.len > 0, record, err) < 0 || parse_ports(hb, json, record, err) < 0 ||
        check_mounts(json, err) < 0 || json_get_bool(json, "enableRecording", &recording, NULL, err) < 0 ||
        hb_parse_network(json, &record->network, err) < 0)
        return -1;
    if (record->timeout_minutes == 0)
        record->timeout_minutes = hb_now(hb)->default_timeout_minutes;
    return 0;
}

/* ---- looking the source up --------------------------------------------------------------- */

static bool is_missing_by_name(const struct hb *hb, const char *name)
{
    const char *prefix = hb_now(hb)->missing_image_prefix;
    return prefix[0] != '\0' && strncmp(name, prefix, strlen(prefix)) == 0;
}

/* Names nobody has used yet become images; an id must be the one that the name has. */
static int find_image(struct hb *hb, const struct source *source, struct hb_record *record, struct err *err)
{
    const char *name = source->image_name.data;
    struct hb_item *item = hb_catalog_by_name(&hb->images, name);
    bool wrong_id = source->image_id.len > 0 && (item == NULL || strcmp(item->id, source->image_id.data) != 0);
    if (wrong_id || is_missing_by_name(hb, name) || (item != NULL && item->deleted))
        return err_set(err, ERR_NOT_FOUND, 0, "image not found: %.100s", name);
    if (item == NULL &&
        hb_catalog_add(&hb->images, name, clock_wall_ms(hb->clock), hb_now(hb)->catalog_max, &item, err) < 0)
        return -1;
    memcpy(record->image_id, item->id, sizeof record->image_id);
    record->image_name = strdup(item->name);
    return record->image_name == NULL ? err_set(err, ERR_NOMEM, 0, "image name") : 0;
}

static int find_snapshot(struct hb *hb, const struct source *source, struct hb_record *record, struct err *err)
{
    const char *name = source->snapshot_name.data;
    bool by_id = source->snapshot_id.len > 0;
    struct hb_item *item = hb_catalog_by_key(&hb->snapshots, by_id ? source->snapshot_id.data : name);
    if (item == NULL || strcmp(item->name, name) != 0)
        return err_set(err, ERR_NOT_FOUND, 0, "snapshot not found: %.100s", name);
    memcpy(record->image_id, item->image_id, sizeof record->image_id);
    record->vcpus = item->vcpus;
    record->mem_mib = item->mem_mib;
    record->disk_mib = item->disk_mib;
    record->image_name = strdup(item->image_name);
    record->snapshot_name = strdup(item->name);
    return record->image_name == NULL || record->snapshot_name == NULL ? err_set(err, ERR_NOMEM, 0, "snapshot name")
                                                                       : 0;
}

static int find_source(struct hb *hb, const struct source *source, struct hb_record *record, struct err *err)
{
    pthread_mutex_lock(&hb->lock);
    int rc = source->image_name.len > 0 ? find_image(hb, source, record, err) : find_snapshot(hb, source, record, err);
    pthread_mutex_unlock(&hb->lock);
    return rc;
}

/* ---- making ------------------------------------------------------------------------------ */

/* Takes the record. */
static int make_sandbox(struct hb *hb, struct hb_record *record, struct sandbox **out_sandbox, struct err *err)
{
    const struct hb_network *network = &record->network;
    struct sandbox_spec spec = {
        .owner = hb->owner,
        .dialect = HB_NAME,
        .user = hb_now(hb)->user,
        .lifetime_ms = record->timeout_minutes * 60000,
        /* Single destinations cannot be let through here, so a list of them leaves the network on. */
        .without_network = network->has_internet && !network->internet && network->allow.count == 0,
    };
    struct sandbox *sandbox;
    if (sandbox_create(hb->engine, &spec, &sandbox, err) < 0) {
        hb_record_free(record);
        return -1;
    }
    sandbox_attach(sandbox, record, hb_record_free);
    *out_sandbox = sandbox;
    return 0;
}

static int make_from_request(struct hb *hb, const struct cJSON *json, struct sandbox **out_sandbox, struct err *err)
{
    struct source source = { BUF_INIT, BUF_INIT, BUF_INIT, BUF_INIT };
    struct hb_record *record;
    if (hb_record_new(&record, err) < 0)
        return -1;
    int rc = parse_create(hb, json, &source, record, err);
    if (rc == 0)
        rc = find_source(hb, &source, record, err);
    source_fini(&source);
    if (rc < 0) {
        hb_record_free(record);
        return -1;
    }
    return make_sandbox(hb, record, out_sandbox, err);
}

static bool asks_for_secrets(const struct cJSON *json)
{
    const struct cJSON *secrets = json_get(json, "secrets");
    return (json_is_object(secrets) && secrets->child != NULL) || json_get(json, "vault") != NULL ||
           json_get(json, "onePassword") != NULL;
}

void hb_create_sandbox(void *dialect, struct exchange *x, const struct route_params *params)
{
    (void) params;
    struct hb *hb = dialect;
    struct err err = ERR_INIT;
    JSON_AUTO *json = NULL;
    SANDBOX_AUTO *sandbox = NULL;
    if (hb_read_object(x, false, &json) < 0)
        return;
    if (asks_for_secrets(json)) {
        hb_fail(x, 403, "SECRETS_FEATURE_DISABLED", "secrets are not enabled for this team");
        return;
    }
    struct op op = { .op = OP_SANDBOX_CREATE, .dialect = DIALECT_HYPERBROWSER };
    if (!hb_begin(x, &op, NULL))
        return;
    if (make_from_request(hb, json, &sandbox, &err) < 0) {
        hb_fail_err(x, &err);
        return;
    }
    op.sandbox = sandbox;
    op_note_subject(x, &op);
    BUF_AUTO body = BUF_INIT;
    struct jsonw w;
    jsonw_init(&w, &body);
    hb_write_sandbox(&w, hb, sandbox, x->base_url, true);
    hb_reply(x, &body);
}

/* ---- snapshots --------------------------------------------------------------------------- */

static int add_snapshot(struct hb *hb, const struct hb_record *record, const char *name, struct hb_item *out,
                        struct err *err)
{
    struct hb_item *item;
    char *image_name = strdup(record->image_name);
    if (image_name == NULL)
        return err_set(err, ERR_NOMEM, 0, "snapshot");
    pthread_mutex_lock(&hb->lock);
    int rc = hb_catalog_add(&hb->snapshots, name, clock_wall_ms(hb->clock), hb_now(hb)->catalog_max, &item, err);
    if (rc == 0) {
        item->image_name = image_name;
        memcpy(item->image_id, record->image_id, sizeof item->image_id);
        item->vcpus = record->vcpus;
        item->mem_mib = record->mem_mib;
        item->disk_mib = record->disk_mib;
        *out = *item; /* its texts are not for the caller */
    }
    pthread_mutex_unlock(&hb->lock);
    if (rc < 0)
        free(image_name);
    return rc;
}

static void reply_snapshot(struct hb *hb, struct exchange *x, const struct hb_record *record, const char *name,
                           const char *id)
{
    BUF_AUTO body = BUF_INIT;
    struct jsonw w;
    jsonw_init(&w, &body);
    jsonw_object(&w, NULL);
    jsonw_str(&w, "snapshotName", name);
    jsonw_str(&w, "snapshotId", id);
    jsonw_str(&w, "namespace", hb_now(hb)->team_id);
    jsonw_str(&w, "status", "created");
    jsonw_str(&w, "imageName", record->image_name);
    jsonw_str(&w, "imageId", record->image_id);
    jsonw_str(&w, "imageNamespace", hb_now(hb)->team_id);
    jsonw_end_object(&w);
    hb_reply(x, &body);
}

void hb_create_snapshot(void *dialect, struct exchange *x, const struct route_params *params)
{
    struct hb *hb = dialect;
    struct err err = ERR_INIT;
    BUF_AUTO name = BUF_INIT;
    struct hb_item item;
    JSON_AUTO *json = NULL;
    SANDBOX_AUTO *sandbox = hb_find_active(hb, x, params->value[0]);
    if (sandbox == NULL || hb_read_object(x, true, &json) < 0)
        return;
    if (json != NULL && json_get_text(json, "snapshotName", &name, NULL, &err) < 0) {
        hb_fail_err(x, &err);
        return;
    }
    if (name.len == 0) {
        char digits[13];
        random_hex(digits, 12);
        buf_printf(&name, "snapshot-%s", digits);
    }
    const struct hb_record *record = sandbox_record(sandbox);
    if (add_snapshot(hb, record, buf_cstr(&name), &item, &err) < 0)
        hb_fail_err(x, &err);
    else
        reply_snapshot(hb, x, record, buf_cstr(&name), item.id);
}
