/* The list of a sandbox's processes. */
#include "sbc_priv.h"

#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "sbc_mutants.h"

static void add_separator(struct sbc_buf *path)
{
    sbc_buf_add_text(path, path->data != NULL && strchr(path->data, '?') != NULL ? "&" : "?");
}

static void add_number(struct sbc_buf *path, const char *name, int64_t value)
{
    if (value == 0)
        return;
    add_separator(path);
    sbc_buf_add_format(path, "%s=%lld", name, (long long) value);
}

static void add_status(struct sbc_buf *path, const struct sbc_process_query *query)
{
    if (query->status_count == 0 || SBC_MUTANT(list_status_dropped))
        return;
    struct sbc_buf words = { 0 };
    for (size_t i = 0; i < query->status_count; i++)
        sbc_buf_add_format(&words, "%s%s", i > 0 ? "," : "", query->status[i]);
    add_separator(path);
    sbc_buf_add_text(path, "status=");
    sbc_buf_add_encoded(path, words.data);
    sbc_buf_free(&words);
}

static char *make_path(const struct sbc_process_query *query)
{
    struct sbc_buf path = { 0 };
    sbc_buf_add_text(&path, "/processes");
    add_status(&path, query);
    add_number(&path, "limit", SBC_MUTANT(list_limit_dropped) ? 0 : query->limit);
    if (query->cursor != NULL && !SBC_MUTANT(list_cursor_dropped)) {
        add_separator(&path);
        sbc_buf_add_text(&path, "cursor=");
        sbc_buf_add_encoded(&path, query->cursor);
    }
    add_number(&path, "created_after", query->created_after_ms);
    add_number(&path, "created_before", query->created_before_ms);
    return sbc_buf_take(&path);
}

static void read_items(const cJSON *items, struct sbc_process_list *out, struct sbc_reader *reader)
{
    const cJSON *item;
    out->items = sbc_alloc((size_t) cJSON_GetArraySize(items), sizeof *out->items);
    cJSON_ArrayForEach(item, items)
    {
        struct sbc_reader inner;
        sbc_reader_init(&inner, item, "data[]");
        sbc_read_info(&inner, &out->items[out->count++]);
        if (reader->problem[0] == '\0')
            memcpy(reader->problem, inner.problem, sizeof reader->problem);
    }
}

int sbc_process_list(struct sbc_sandbox *sandbox, const struct sbc_process_query *query,
                     struct sbc_process_list *out_list, struct sbc_error *err)
{
    static const struct sbc_process_query all = { 0 };
    char *path = make_path(query != NULL ? query : &all);
    struct sbc_route route = { "GET", path, NULL, false, false };
    cJSON *answer = NULL;
    int failed = sbc_runtime_call(sandbox, &route, &answer, err);
    free(path);
    if (failed < 0)
        return -1;
    struct sbc_process_list list = { 0 };
    struct sbc_reader reader;
    sbc_reader_init(&reader, answer, "list");
    read_items(sbc_reader_array(&reader, "data", true), &list, &reader);
    list.cursor = sbc_reader_text(&reader, "next_cursor", false);
    cJSON_Delete(answer);
    bool is_empty = list.cursor != NULL && list.cursor[0] == '\0' && !SBC_MUTANT(empty_cursor_is_one);
    if (is_empty || SBC_MUTANT(list_cursor_lost)) {
        free(list.cursor);
        list.cursor = NULL;
    }
    if (reader.problem[0] == '\0' || SBC_MUTANT(nonsense_is_success)) {
        *out_list = list;
        return 0;
    }
    sbc_process_list_clear(&list);
    return sbc_client_refuse(err, SBC_RUNTIME, false, reader.problem);
}
