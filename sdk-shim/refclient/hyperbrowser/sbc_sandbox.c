/* Sandboxes: the control plane's answers, and the handle's address and token. */
#include "sbc_priv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "sbc_mutants.h"

/* What an answer says about one sandbox. */
struct detail {
    char *id, *status, *prefix, *token;
    int64_t expires_at;
};

static void detail_clear(struct detail *detail)
{
    free(detail->id);
    free(detail->status);
    free(detail->prefix);
    free(detail->token);
}

/* ISO text, or seconds or milliseconds since 1970.  What cannot be read never expires: the server will say so. */
static int64_t read_expiry(const struct sbc_reader *reader)
{
    static const double smallest_ms = 1e11;
    const cJSON *node = sbc_reader_member(reader, "tokenExpiresAt");
    if (cJSON_IsString(node))
        return sbc_time_parse(node->valuestring);
    if (!cJSON_IsNumber(node) || !(node->valuedouble >= 0 && node->valuedouble < 1e15))
        return -1;
    return (int64_t) (node->valuedouble < smallest_ms ? node->valuedouble * 1000 : node->valuedouble);
}

static char *read_prefix(struct sbc_reader *reader, bool is_needed)
{
    const cJSON *runtime = sbc_reader_object(reader, "runtime", is_needed);
    if (runtime == NULL)
        return NULL;
    struct sbc_reader inner;
    sbc_reader_init(&inner, runtime, "runtime");
    char *base = sbc_reader_text(&inner, "baseUrl", is_needed);
    char *prefix = base == NULL ? NULL : sbc_runtime_prefix(base);
    if (is_needed && prefix == NULL)
        sbc_reader_refuse(reader, "runtime.baseUrl", "a URL", sbc_reader_member(&inner, "baseUrl"));
    free(base);
    return prefix;
}

static int read_detail(const cJSON *answer, bool is_change, struct detail *out, struct sbc_error *err)
{
    struct sbc_reader reader;
    sbc_reader_init(&reader, answer, "sandbox");
    *out = (struct detail){ 0 };
    out->id = sbc_reader_text(&reader, "id", true);
    out->status = sbc_reader_text(&reader, "status", true);
    out->token = sbc_reader_text(&reader, "token", false);
    out->expires_at = read_expiry(&reader);
    out->prefix = read_prefix(&reader, out->token != NULL);
    if (out->token != NULL && strpbrk(out->token, "\r\n") != NULL)
        sbc_reader_refuse(&reader, "token", "without line ends", sbc_reader_member(&reader, "token"));
    if (reader.problem[0] == '\0')
        return 0;
    detail_clear(out);
    return sbc_client_refuse(err, SBC_CONTROL, is_change, reader.problem);
}

/* Takes what `detail` holds but its id. */
static void learn(struct sbc_sandbox *box, struct detail *detail)
{
    pthread_mutex_lock(&box->lock);
    free(box->status);
    free(box->prefix);
    free(box->token);
    box->status = detail->status;
    box->prefix = detail->prefix;
    box->token = detail->token;
    box->expires_at = detail->expires_at;
    pthread_mutex_unlock(&box->lock);
    free(detail->id);
}

static struct sbc_sandbox *make(struct sbc_client *client, struct detail *detail)
{
    struct sbc_sandbox *box = sbc_alloc(1, sizeof *box);
    atomic_init(&box->refs, 1);
    box->client = sbc_client_ref(client);
    box->id = sbc_text_copy(detail->id);
    pthread_mutex_init(&box->renewing, NULL);
    pthread_mutex_init(&box->lock, NULL);
    learn(box, detail);
    return box;
}

struct sbc_sandbox *sbc_sandbox_ref(struct sbc_sandbox *sandbox)
{
    atomic_fetch_add(&sandbox->refs, 1);
    return sandbox;
}

void sbc_sandbox_free(struct sbc_sandbox *sandbox)
{
    if (sandbox == NULL || atomic_fetch_sub(&sandbox->refs, 1) > 1)
        return;
    pthread_mutex_destroy(&sandbox->renewing);
    pthread_mutex_destroy(&sandbox->lock);
    free(sandbox->id);
    free(sandbox->status);
    free(sandbox->prefix);
    free(sandbox->token);
    sbc_client_free(sandbox->client);
    free(sandbox);
}

/* ------------------------------------------------------------------ create */

static int add_text(cJSON *body, const char *name, const char *value, struct sbc_error *err)
{
    if (value == NULL)
        return 0;
    if (!sbc_utf8_is_valid(value, strlen(value)))
        return sbc_error_set(err, SBC_ARGUMENT, "%s: is no UTF-8", name);
    cJSON_AddItemToObject(body, name, sbc_json_new_text(value, strlen(value)));
    return 0;
}

static void add_number(cJSON *body, const char *name, int64_t value)
{
    if (value != 0)
        cJSON_AddNumberToObject(body, name, (double) value);
}

static cJSON *encode_options(const struct sbc_sandbox_options *options, struct sbc_error *err)
{
    if ((options->image == NULL) == (options->snapshot == NULL) && !SBC_MUTANT(sources_not_checked)) {
        sbc_error_set(err, SBC_ARGUMENT, "image, snapshot: give exactly one");
        return NULL;
    }
    const char *snapshot = SBC_MUTANT(sources_not_checked) && options->image != NULL ? NULL : options->snapshot;
    cJSON *body = cJSON_CreateObject();
    if (add_text(body, "imageName", options->image, err) < 0 || add_text(body, "snapshotName", snapshot, err) < 0) {
        cJSON_Delete(body);
        return NULL;
    }
    add_number(body, "timeoutMinutes", options->timeout_minutes);
    add_number(body, "vcpus", options->vcpus);
    add_number(body, "memMiB", options->memory_mib);
    SBC_MUTATE(sbc_mutants_create(body));
    return body;
}

static struct sbc_sandbox *ask_for_one(struct sbc_client *client, const char *method, const char *path,
                                       const cJSON *body, struct sbc_error *err)
{
    cJSON *answer;
    struct detail detail;
    if (sbc_client_call(client, method, path, body, &answer, err) < 0)
        return NULL;
    int failed = read_detail(answer, body != NULL, &detail, err);
    cJSON_Delete(answer);
    return failed < 0 ? NULL : make(client, &detail);
}

struct sbc_sandbox *sbc_sandbox_create(struct sbc_client *client, const struct sbc_sandbox_options *options,
                                       struct sbc_error *err)
{
    cJSON *body = encode_options(options, err);
    if (body == NULL)
        return NULL;
    struct sbc_sandbox *box = ask_for_one(client, "POST", "/sandbox", body, err);
    cJSON_Delete(body);
    return box;
}

/* "/sandbox/ID" and `more`; NULL: refused. */
static char *make_path(const char *id, const char *more, struct sbc_error *err)
{
    if (id == NULL || id[0] == '\0') {
        sbc_error_set(err, SBC_ARGUMENT, "id: is missing");
        return NULL;
    }
    struct sbc_buf path = { 0 };
    sbc_buf_add_text(&path, "/sandbox/");
    sbc_buf_add_encoded(&path, id);
    sbc_buf_add_text(&path, more);
    return sbc_buf_take(&path);
}

struct sbc_sandbox *sbc_sandbox_connect(struct sbc_client *client, const char *id, struct sbc_error *err)
{
    char *path = make_path(id, "", err);
    if (path == NULL)
        return NULL;
    struct sbc_sandbox *box = ask_for_one(client, "GET", path, NULL, err);
    free(path);
    if (box == NULL || sbc_runtime_is_open(box, err))
        return box;
    sbc_sandbox_free(box);
    return NULL;
}

int sbc_sandbox_refresh(struct sbc_sandbox *sandbox, struct sbc_error *err)
{
    cJSON *answer = NULL;
    struct detail detail;
    if (SBC_MUTANT(refresh_cached))
        return 0;
    char *path = make_path(sandbox->id, "", err);
    int failed = sbc_client_call(sandbox->client, "GET", path, NULL, &answer, err);
    if (failed == 0)
        failed = read_detail(answer, false, &detail, err);
    if (failed == 0)
        learn(sandbox, &detail);
    cJSON_Delete(answer);
    free(path);
    return failed;
}

int sbc_sandbox_stop(struct sbc_sandbox *sandbox, struct sbc_error *err)
{
    char *path = make_path(sandbox->id, "/stop", err);
    int failed = SBC_MUTANT(stop_not_sent) ? 0 : sbc_client_call(sandbox->client, "PUT", path, NULL, NULL, err);
    free(path);
    if (failed < 0 || SBC_MUTANT(requests_on_stopped_sandbox))
        return failed;
    struct detail closed = { .status = sbc_text_copy("closed"), .expires_at = -1 };
    learn(sandbox, &closed);
    return 0;
}

void sbc_sandbox_get_info(struct sbc_sandbox *sandbox, struct sbc_sandbox_info *out_info)
{
    if (SBC_MUTANT(status_asks))
        sbc_sandbox_refresh(sandbox, NULL);
    pthread_mutex_lock(&sandbox->lock);
    *out_info = (struct sbc_sandbox_info){ sbc_text_copy(sandbox->id), sbc_text_copy(sandbox->status) };
    pthread_mutex_unlock(&sandbox->lock);
}

void sbc_sandbox_info_clear(struct sbc_sandbox_info *info)
{
    free(info->id);
    free(info->status);
    *info = (struct sbc_sandbox_info){ 0 };
}

/* -------------------------------------------------------------------- list */

static char *make_list_path(const struct sbc_sandbox_query *query)
{
    struct sbc_buf path = { 0 };
    const char *sep = "?";
    const struct {
        const char *name, *text;
        int64_t number;
    } parts[] = {
        { "status", query->status, 0 },
        { "search", query->search, 0 },
        { "page", NULL, query->page },
        { "limit", NULL, query->limit },
    };
    sbc_buf_add_text(&path, "/sandboxes");
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (parts[i].text == NULL && parts[i].number == 0)
            continue;
        sbc_buf_add_format(&path, "%s%s=", sep, parts[i].name);
        if (parts[i].text != NULL)
            sbc_buf_add_encoded(&path, parts[i].text);
        else
            sbc_buf_add_format(&path, "%lld", (long long) parts[i].number);
        sep = "&";
    }
    return sbc_buf_take(&path);
}

static void read_items(const cJSON *items, struct sbc_sandbox_list *out, struct sbc_reader *reader)
{
    const cJSON *item;
    out->items = sbc_alloc((size_t) cJSON_GetArraySize(items), sizeof *out->items);
    cJSON_ArrayForEach(item, items)
    {
        struct sbc_reader inner;
        sbc_reader_init(&inner, item, "sandboxes[]");
        struct sbc_sandbox_info *info = &out->items[out->count++];
        info->id = sbc_reader_text(&inner, "id", true);
        info->status = sbc_reader_text(&inner, "status", true);
        if (reader->problem[0] == '\0')
            memcpy(reader->problem, inner.problem, sizeof reader->problem);
    }
}

int sbc_sandbox_list(struct sbc_client *client, const struct sbc_sandbox_query *query,
                     struct sbc_sandbox_list *out_list, struct sbc_error *err)
{
    static const struct sbc_sandbox_query all = { 0 };
    cJSON *answer = NULL;
    char *path = make_list_path(query != NULL ? query : &all);
    int failed = sbc_client_call(client, "GET", path, NULL, &answer, err);
    free(path);
    if (failed < 0)
        return -1;
    struct sbc_sandbox_list list = { 0 };
    struct sbc_reader reader;
    sbc_reader_init(&reader, answer, "list");
    read_items(sbc_reader_array(&reader, "sandboxes", true), &list, &reader);
    sbc_reader_integer(&reader, "totalCount", true, &list.total_count);
    sbc_reader_integer(&reader, "page", true, &list.page);
    sbc_reader_integer(&reader, "perPage", true, &list.per_page);
    cJSON_Delete(answer);
    if (reader.problem[0] == '\0') {
        *out_list = list;
        return 0;
    }
    sbc_sandbox_list_clear(&list);
    return sbc_client_refuse(err, SBC_CONTROL, false, reader.problem);
}

void sbc_sandbox_list_clear(struct sbc_sandbox_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        sbc_sandbox_info_clear(&list->items[i]);
    free(list->items);
    *list = (struct sbc_sandbox_list){ 0 };
}
