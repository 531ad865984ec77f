#include "dialects/hyperbrowser/catalog.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

static void free_item(struct hb_item *item)
{
    free(item->name);
    free(item->image_name);
    free(item);
}

void hb_catalog_fini(struct hb_catalog *catalog)
{
    for (size_t i = 0; i < catalog->count; i++)
        free_item(catalog->items[i]);
    free(catalog->items);
    *catalog = (struct hb_catalog){ NULL, 0 };
}

int hb_catalog_add(struct hb_catalog *catalog, const char *name, int64_t now_ms, int64_t max, struct hb_item **out_item,
                   struct err *err)
{
    if ((int64_t) catalog->count >= max)
        return err_set(err, ERR_LIMIT, 0, "more than %lld names", (long long) max);
    struct hb_item *item = calloc(1, sizeof *item);
    struct hb_item **items = realloc(catalog->items, (catalog->count + 1) * sizeof *items);
    if (items != NULL)
        catalog->items = items;
    if (item == NULL || items == NULL || (item->name = strdup(name)) == NULL) {
        free(item);
        return err_set(err, ERR_NOMEM, 0, "remember \"%s\"", name);
    }
    random_uuid(item->id);
    item->created_ms = now_ms;
    items[catalog->count++] = item;
    *out_item = item;
    return 0;
}

struct hb_item *hb_catalog_by_name(const struct hb_catalog *catalog, const char *name)
{
    for (size_t i = catalog->count; i-- > 0;) {
        if (strcmp(catalog->items[i]->name, name) == 0)
            return catalog->items[i];
    }
    return NULL;
}

struct hb_item *hb_catalog_by_key(const struct hb_catalog *catalog, const char *key)
{
    for (size_t i = catalog->count; i-- > 0;) {
        if (strcmp(catalog->items[i]->id, key) == 0)
            return catalog->items[i]->deleted ? NULL : catalog->items[i];
    }
    struct hb_item *item = hb_catalog_by_name(catalog, key);
    return item == NULL || item->deleted ? NULL : item;
}
