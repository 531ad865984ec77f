/* Images, snapshots and volumes: small honest answers (wire page §2; nothing is behind the names). */
#include "dialects/hyperbrowser/hb_priv.h"

#include <string.h>

#include "base/text.h"

static void write_iso(struct jsonw *w, const char *name, int64_t epoch_ms)
{
    char text[32];
    iso_time(text, epoch_ms);
    jsonw_str(w, name, text);
}

static void write_int_or_null(struct jsonw *w, const char *name, int64_t value)
{
    if (value == 0)
        jsonw_null(w, name);
    else
        jsonw_int(w, name, value);
}

static void write_image(struct jsonw *w, const struct hb *hb, const struct hb_item *item)
{
    jsonw_str(w, "id", item->id);
    jsonw_str(w, "imageName", item->name);
    jsonw_str(w, "namespace", hb_now(hb)->team_id);
    jsonw_bool(w, "uploaded", item->uploaded);
    jsonw_bool(w, "ready", true);
    write_iso(w, "createdAt", item->created_ms);
    write_iso(w, "updatedAt", item->created_ms);
}

static void write_snapshot(struct jsonw *w, const struct hb *hb, const struct hb_item *item)
{
    jsonw_str(w, "id", item->id);
    jsonw_str(w, "snapshotName", item->name);
    jsonw_str(w, "namespace", hb_now(hb)->team_id);
    jsonw_str(w, "imageNamespace", hb_now(hb)->team_id);
    jsonw_str(w, "imageName", item->image_name);
    jsonw_str(w, "imageId", item->image_id);
    jsonw_str(w, "status", "created");
    write_int_or_null(w, "vcpus", item->vcpus);
    write_int_or_null(w, "memMiB", item->mem_mib);
    write_int_or_null(w, "diskSizeMiB", item->disk_mib);
    jsonw_object(w, "metadata");
    jsonw_end_object(w);
    jsonw_bool(w, "uploaded", item->uploaded);
    jsonw_bool(w, "containsSecrets", false);
    write_iso(w, "createdAt", item->created_ms);
    write_iso(w, "updatedAt", item->created_ms);
}

static void write_volume(struct jsonw *w, const struct hb *hb, const struct hb_item *item)
{
    (void) hb;
    jsonw_str(w, "id", item->id);
    jsonw_str(w, "name", item->name);
    jsonw_int(w, "size", item->size);
    jsonw_int(w, "transferAmount", 0);
}

/* ---- one behaviour for the three kinds ---------------------------------------------------- */

struct kind {
    const char *word; /* "image not found" */
    const char *list_name;
    const char *wrapper; /* member a single one is wrapped in; NULL: bare */
    const char *name_member;
    bool deleted_says_more; /* the answer to DELETE has id and name */
    size_t catalog;         /* offset in struct hb */
    void (*write)(struct jsonw *w, const struct hb *hb, const struct hb_item *item);
};

static const struct kind images = {
    "image", "images", NULL, "imageName", true, offsetof(struct hb, images), write_image
};
static const struct kind snapshots = { "snapshot",     "snapshots", "snapshot",
                                       "snapshotName", false,       offsetof(struct hb, snapshots),
                                       write_snapshot };
static const struct kind volumes = {
    "volume", "volumes", NULL, "name", true, offsetof(struct hb, volumes), write_volume
};

static struct hb_catalog *catalog_of(struct hb *hb, const struct kind *kind)
{
    return (struct hb_catalog *) (void *) ((char *) hb + kind->catalog);
}

static bool contains(const struct buf *part, const char *text)
{
    return part->len == 0 || strcasestr(text, part->data) != NULL;
}

struct filter {
    struct buf search, image_name, status;
    struct hb_page page;
};

/* Every snapshot is "created" from its first moment, every image is ours. */
static bool is_wanted(const struct filter *filter, const struct hb_item *item)
{
    if (item->deleted || !contains(&filter->search, item->name))
        return false;
    return filter->image_name.len == 0 ||
           (item->image_name != NULL && strcmp(item->image_name, filter->image_name.data) == 0);
}

/* `status` may be repeated or a comma list; is "created" among what is asked for? */
static bool wants_created(const char *query)
{
    const char *at = query;
    bool any = false;
    while ((at = strstr(at, "status=")) != NULL) {
        size_t len = strcspn(at, "&");
        if (memmem(at, len, "created", 7) != NULL)
            return true;
        any = true;
        at += len;
    }
    return !any;
}

static void write_list(struct hb *hb, const struct kind *kind, const struct filter *filter, bool none, struct jsonw *w)
{
    const struct hb_catalog *catalog = catalog_of(hb, kind);
    int64_t total = 0;
    jsonw_object(w, NULL);
    jsonw_array(w, kind->list_name);
    pthread_mutex_lock(&hb->lock);
    for (size_t i = none ? 0 : catalog->count; i-- > 0;) {
        if (!is_wanted(filter, catalog->items[i]) || !hb_page_has(&filter->page, total++))
            continue;
        jsonw_object(w, NULL);
        kind->write(w, hb, catalog->items[i]);
        jsonw_end_object(w);
    }
    pthread_mutex_unlock(&hb->lock);
    jsonw_end_array(w);
    hb_page_write(&filter->page, total, w);
    jsonw_end_object(w);
}

static void list_kind(struct hb *hb, struct exchange *x, const struct kind *kind)
{
    struct filter filter = { .search = BUF_INIT, .image_name = BUF_INIT };
    struct err err = ERR_INIT;
    BUF_AUTO body = BUF_INIT;
    struct jsonw w;
    jsonw_init(&w, &body);
    query_get(x->query, "search", &filter.search);
    query_get(x->query, "imageName", &filter.image_name);
    if (hb_query_page(hb, x, &filter.page, &err) < 0) {
        hb_fail_err(x, &err);
    } else {
        write_list(hb, kind, &filter, kind == &snapshots && !wants_created(x->query), &w);
        hb_reply(x, &body);
    }
    buf_fini(&filter.search);
    buf_fini(&filter.image_name);
}

static void get_kind(struct hb *hb, struct exchange *x, const struct kind *kind, const char *key)
{
    BUF_AUTO body = BUF_INIT;
    struct jsonw w;
    jsonw_init(&w, &body);
    pthread_mutex_lock(&hb->lock);
    const struct hb_item *item = hb_catalog_by_key(catalog_of(hb, kind), key);
    bool found = item != NULL;
    if (found) {
        jsonw_object(&w, NULL);
        if (kind->wrapper != NULL)
            jsonw_object(&w, kind->wrapper);
        kind->write(&w, hb, item);
        if (kind->wrapper != NULL)
            jsonw_end_object(&w);
        jsonw_end_object(&w);
    }
    pthread_mutex_unlock(&hb->lock);
    if (found)
        hb_reply(x, &body);
    else
        hb_fail(x, 404, "not_found", "%s not found: %s", kind->word, key);
}

static void delete_kind(struct hb *hb, struct exchange *x, const struct kind *kind, const char *key)
{
    BUF_AUTO body = BUF_INIT;
    struct jsonw w;
    jsonw_init(&w, &body);
    pthread_mutex_lock(&hb->lock);
    struct hb_item *item = hb_catalog_by_key(catalog_of(hb, kind), key);
    bool found = item != NULL;
    if (found) {
        item->deleted = true;
        jsonw_object(&w, NULL);
        jsonw_bool(&w, "deleted", true);
        if (kind->deleted_says_more) {
            jsonw_str(&w, "id", item->id);
            jsonw_str(&w, kind->name_member, item->name);
            jsonw_bool(&w, "uploaded", item->uploaded);
        }
        jsonw_end_object(&w);
    }
    pthread_mutex_unlock(&hb->lock);
    if (found)
        hb_reply(x, &body);
    else
        hb_fail(x, 404, "not_found", "%s not found: %s", kind->word, key);
}

/* ---- volumes are made by hand --------------------------------------------------------------- */

static void create_volume(void *dialect, struct exchange *x, const struct route_params *params)
{
    (void) params;
    struct hb *hb = dialect;
    struct err err = ERR_INIT;
    struct hb_item *item;
    BUF_AUTO name = BUF_INIT;
    BUF_AUTO body = BUF_INIT;
    JSON_AUTO *json = NULL;
    if (hb_read_object(x, false, &json) < 0)
        return;
    int rc = json_get_text(json, "name", &name, NULL, &err);
    if (rc == 0 && name.len == 0)
        rc = err_set(&err, ERR_INVALID, 0, "/name: must be given");
    if (rc == 0) {
        struct jsonw w;
        jsonw_init(&w, &body);
        pthread_mutex_lock(&hb->lock);
        rc = hb_catalog_add(&hb->volumes, name.data, clock_wall_ms(hb->clock), hb_now(hb)->catalog_max, &item, &err);
        if (rc == 0) {
            jsonw_object(&w, NULL);
            write_volume(&w, hb, item);
            jsonw_end_object(&w);
        }
        pthread_mutex_unlock(&hb->lock);
    }
    if (rc < 0)
        hb_fail_err(x, &err);
    else
        hb_reply(x, &body);
}

/* ---- routes ------------------------------------------------------------------------------------ */

static void list_images(void *dialect, struct exchange *x, const struct route_params *params)
{
    (void) params;
    list_kind(dialect, x, &images);
}

static void delete_image(void *dialect, struct exchange *x, const struct route_params *params)
{
    delete_kind(dialect, x, &images, params->value[0]);
}

static void list_snapshots(void *dialect, struct exchange *x, const struct route_params *params)
{
    (void) params;
    list_kind(dialect, x, &snapshots);
}

static void get_snapshot(void *dialect, struct exchange *x, const struct route_params *params)
{
    get_kind(dialect, x, &snapshots, params->value[0]);
}

static void delete_snapshot(void *dialect, struct exchange *x, const struct route_params *params)
{
    delete_kind(dialect, x, &snapshots, params->value[0]);
}

static void list_volumes(void *dialect, struct exchange *x, const struct route_params *params)
{
    (void) params;
    list_kind(dialect, x, &volumes);
}

static void get_volume(void *dialect, struct exchange *x, const struct route_params *params)
{
    get_kind(dialect, x, &volumes, params->value[0]);
}

static void delete_volume(void *dialect, struct exchange *x, const struct route_params *params)
{
    delete_kind(dialect, x, &volumes, params->value[0]);
}

const struct route hb_catalog_routes[] = {
    { "GET", "/api/images", list_images },
    { NULL, "/api/images/builds", hb_not_supported },
    { NULL, "/api/images/builds/*", hb_not_supported },
    { "DELETE", "/api/images/:key", delete_image },
    { "GET", "/api/snapshots", list_snapshots },
    { "GET", "/api/snapshots/:key", get_snapshot },
    { "DELETE", "/api/snapshots/:key", delete_snapshot },
    { "POST", "/api/volume", create_volume },
    { "GET", "/api/volume", list_volumes },
    { "GET", "/api/volume/:id", get_volume },
    { "DELETE", "/api/volume/:id", delete_volume },
};
const size_t hb_catalog_route_count = sizeof hb_catalog_routes / sizeof *hb_catalog_routes;
