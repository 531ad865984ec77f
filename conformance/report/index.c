#include "report/index.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "report/results.h"

static int by_name(const void *a, const void *b)
{
    const struct index_entry *one = a, *two = b;
    int order = strcmp(one->name, two->name);
    if (order != 0)
        return order;
    return one->place < two->place ? -1 : one->place > two->place;
}

int index_init(struct index *index, const struct cJSON *list, const char *member, struct err *err)
{
    size_t count = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, list) count++;
    struct index_entry *entries = calloc(count + 1, sizeof *entries);
    if (entries == NULL)
        return err_set(err, ERR_NOMEM, 0, "an index of %zu names", count);
    size_t place = 0;
    cJSON_ArrayForEach(item, list)
    {
        entries[place] = (struct index_entry){ results_text(item, member), item, place };
        place++;
    }
    if (count > 1)
        qsort(entries, count, sizeof *entries, by_name);
    *index = (struct index){ entries, count };
    return 0;
}

void index_fini(struct index *index)
{
    free(index->entries);
    *index = (struct index) INDEX_INIT;
}

const struct index_entry *index_find(const struct index *index, const char *name)
{
    size_t low = 0, high = index->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(index->entries[middle].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == index->count || strcmp(index->entries[low].name, name) != 0)
        return NULL;
    return &index->entries[low];
}

const struct index_entry *index_find_double(const struct index *index)
{
    for (size_t i = 1; i < index->count; i++) {
        if (strcmp(index->entries[i - 1].name, index->entries[i].name) == 0)
            return &index->entries[i];
    }
    return NULL;
}
