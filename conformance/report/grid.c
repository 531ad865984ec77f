#include "report/grid.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "report/index.h"
#include "report/results.h"

/* The items of a list as an array, one longer so that an empty one is no NULL. */
static const cJSON **list_items(const cJSON *list, size_t *out_count)
{
    size_t count = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, list) count++;
    const cJSON **items = calloc(count + 1, sizeof *items);
    if (items == NULL)
        return NULL;
    *out_count = count;
    count = 0;
    cJSON_ArrayForEach(item, list) items[count++] = item;
    return items;
}

static int place_results(struct grid *grid, const cJSON *doc, struct err *err)
{
    INDEX_AUTO clients = INDEX_INIT;
    INDEX_AUTO cases = INDEX_INIT;
    if (index_init(&clients, results_list(doc, "clients"), "key", err) < 0 ||
        index_init(&cases, results_list(doc, "cases"), "id", err) < 0)
        return -1;
    const cJSON *result;
    cJSON_ArrayForEach(result, results_list(doc, "results"))
    {
        const struct index_entry *client = index_find(&clients, results_text(result, "client"));
        const struct index_entry *row = index_find(&cases, results_text(result, "case"));
        CHECK(client != NULL && row != NULL);
        grid->results[client->place * grid->case_count + row->place] = result;
    }
    return 0;
}

const char *grid_area(const struct grid *grid, size_t area, size_t *out_len)
{
    CHECK(area < grid->area_count);
    const char *id = results_text(grid->cases[grid->area_first[area]], "id");
    *out_len = results_area_length(id);
    return id;
}

static void find_areas(struct grid *grid)
{
    for (size_t i = 0; i < grid->case_count; i++) {
        const char *id = results_text(grid->cases[i], "id");
        size_t len = results_area_length(id), area = 0;
        for (; area < grid->area_count; area++) {
            size_t known_len;
            const char *known = grid_area(grid, area, &known_len);
            if (known_len == len && memcmp(known, id, len) == 0)
                break;
        }
        if (area == grid->area_count)
            grid->area_first[grid->area_count++] = i;
        grid->area_of[i] = area;
    }
}

int grid_init(struct grid *grid, const struct cJSON *doc, struct err *err)
{
    struct grid g = GRID_INIT;
    g.clients = list_items(results_list(doc, "clients"), &g.client_count);
    g.cases = list_items(results_list(doc, "cases"), &g.case_count);
    g.results = calloc(g.client_count * g.case_count + 1, sizeof *g.results);
    g.area_of = calloc(g.case_count + 1, sizeof *g.area_of);
    g.area_first = calloc(g.case_count + 1, sizeof *g.area_first);
    if (g.clients == NULL || g.cases == NULL || g.results == NULL || g.area_of == NULL || g.area_first == NULL) {
        grid_fini(&g);
        return err_set(err, ERR_NOMEM, 0, "a table of clients and cases");
    }
    if (place_results(&g, doc, err) < 0) {
        grid_fini(&g);
        return -1;
    }
    find_areas(&g);
    *grid = g;
    return 0;
}

void grid_fini(struct grid *grid)
{
    free(grid->clients);
    free(grid->cases);
    free(grid->results);
    free(grid->area_of);
    free(grid->area_first);
    *grid = (struct grid) GRID_INIT;
}

const struct cJSON *grid_get(const struct grid *grid, size_t client, size_t row)
{
    CHECK(client < grid->client_count && row < grid->case_count);
    return grid->results[client * grid->case_count + row];
}
