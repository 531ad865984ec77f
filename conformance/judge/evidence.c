#include "judge/evidence.h"

#include <cjson/cJSON.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "judge/output.h"
#include "judge/show.h"

struct evidence {
    struct cJSON **entries;
    size_t count, requests;
};

static const char *const added[] = { "json", "answer_json", "header", "params", "sent", "received", "half_closed" };
#define ADDED (sizeof added / sizeof added[0])

/* ---- what is added to requests ------------------------------------------------------------- */

static const char *text_of(const cJSON *object, const char *name)
{
    const cJSON *node = json_get(object, name);
    return cJSON_IsString(node) ? node->valuestring : NULL;
}

static void add(cJSON *object, const char *name, cJSON *value)
{
    CHECK(value != NULL && cJSON_AddItemToObject(object, name, value));
}

/* A body that is whole and JSON. */
static void add_body(cJSON *entry, const char *name, const cJSON *body)
{
    OUTPUT_AUTO bytes = OUTPUT_INIT;
    struct err why;
    if (cJSON_IsTrue(json_get(body, "cut")) || !output_read(body, &bytes) || bytes.len == 0)
        return;
    cJSON *json = json_parse(bytes.data, bytes.len, &why);
    if (json != NULL)
        add(entry, name, json);
}

static void lower(char *text)
{
    for (; *text != '\0'; text++)
        *text = (char) tolower((unsigned char) *text);
}

/* One more value of a header is put behind the others, as a reader of HTTP may do. */
static void put_header(cJSON *object, const char *name, const char *value)
{
    BUF_AUTO key = BUF_INIT;
    BUF_AUTO all = BUF_INIT;
    buf_str(&key, name);
    buf_str(&all, "");
    CHECK(!key.failed && !all.failed);
    lower(key.data);
    const char *before = text_of(object, key.data);
    if (before != NULL)
        buf_printf(&all, "%s, ", before);
    buf_str(&all, value);
    cJSON_DeleteItemFromObjectCaseSensitive(object, key.data);
    add(object, key.data, cJSON_CreateString(buf_cstr(&all)));
}

static void add_headers(cJSON *entry)
{
    cJSON *object = cJSON_CreateObject();
    const cJSON *header;
    CHECK(object != NULL);
    cJSON_ArrayForEach(header, json_get(entry, "headers"))
    {
        const char *name = text_of(header, "name"), *value = text_of(header, "value");
        if (name != NULL && value != NULL)
            put_header(object, name, value);
    }
    add(entry, "header", object);
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char) tolower((unsigned char) c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Percent signs and pluses of a query. */
static void decode(const char *text, size_t len, struct buf *out)
{
    for (size_t i = 0; i < len; i++) {
        int high = i + 2 < len && text[i] == '%' ? hex_value(text[i + 1]) : -1;
        int low = high >= 0 ? hex_value(text[i + 2]) : -1;
        int byte = low >= 0 ? high << 4 | low : text[i] == '+' ? ' ' : text[i];
        buf_char(out, (char) byte);
        i += low >= 0 ? 2 : 0;
    }
}

static void put_param(cJSON *object, const char *text, size_t len)
{
    BUF_AUTO name = BUF_INIT;
    BUF_AUTO value = BUF_INIT;
    const char *equals = memchr(text, '=', len);
    size_t name_len = equals == NULL ? len : (size_t) (equals - text);
    decode(text, name_len, &name);
    if (equals != NULL)
        decode(equals + 1, len - name_len - 1, &value);
    if (name.len == 0 || strlen(name.data) != name.len)
        return;
    cJSON_DeleteItemFromObjectCaseSensitive(object, name.data);
    add(object, name.data, output_to_json(buf_cstr(&value), value.len, true));
}

static void add_params(cJSON *entry)
{
    cJSON *object = cJSON_CreateObject();
    const char *query = text_of(entry, "query");
    CHECK(object != NULL);
    while (query != NULL && *query != '\0') {
        size_t len = strcspn(query, "&");
        put_param(object, query, len);
        query += len + (query[len] == '&');
    }
    add(entry, "params", object);
}

/* The messages of one side of a gRPC call. */
static cJSON *messages_from(const cJSON *messages, const char *side)
{
    cJSON *list = cJSON_CreateArray();
    const cJSON *one;
    CHECK(list != NULL);
    cJSON_ArrayForEach(one, messages)
    {
        const char *from = text_of(one, "from");
        if (from == NULL || strcmp(from, side) != 0 || json_get(one, "message") == NULL)
            continue;
        cJSON *copy = cJSON_Duplicate(one, 1);
        CHECK(copy != NULL && cJSON_AddItemToArray(list, copy));
    }
    return list;
}

static bool has_client_end(const cJSON *messages)
{
    const cJSON *one;
    cJSON_ArrayForEach(one, messages)
    {
        const char *from = text_of(one, "from");
        if (from != NULL && strcmp(from, "client") == 0 && cJSON_IsTrue(json_get(one, "end")))
            return true;
    }
    return false;
}

static void add_messages(cJSON *entry)
{
    const cJSON *messages = json_get(json_get(entry, "grpc"), "messages");
    if (messages == NULL)
        return;
    add(entry, "sent", messages_from(messages, "client"));
    add(entry, "received", messages_from(messages, "server"));
    add(entry, "half_closed", cJSON_CreateBool(has_client_end(messages)));
}

static bool is_request(const cJSON *entry)
{
    const char *type = text_of(entry, "type");
    return type != NULL && strcmp(type, "request") == 0;
}

/* ---- reading ------------------------------------------------------------------------------- */

static void append(struct evidence *e, cJSON *entry)
{
    cJSON **entries = realloc(e->entries, (e->count + 1) * sizeof(cJSON *));
    CHECK(entries != NULL);
    e->entries = entries;
    entries[e->count++] = entry;
    if (!is_request(entry))
        return;
    e->requests++;
    for (size_t i = 0; i < ADDED; i++)
        cJSON_DeleteItemFromObjectCaseSensitive(entry, added[i]);
    add_body(entry, "json", json_get(entry, "body"));
    add_body(entry, "answer_json", json_get(json_get(entry, "answer"), "body"));
    add_headers(entry);
    add_params(entry);
    add_messages(entry);
}

static int read_line(struct evidence *e, const char *line, size_t len, size_t number, struct err *err)
{
    cJSON *entry = json_parse(line, len, err);
    if (entry == NULL)
        return err_wrap(err, "ledger line %zu", number);
    if (!cJSON_IsObject(entry) || text_of(entry, "type") == NULL) {
        json_free(entry);
        return err_set(err, ERR_INVALID, 0, "ledger line %zu is no entry: an object with a \"type\"", number);
    }
    append(e, entry);
    return 0;
}

struct evidence *evidence_parse(const char *text, size_t len, struct err *err)
{
    struct evidence *e = calloc(1, sizeof *e);
    const char *end = text + len;
    size_t number = 0;
    if (e == NULL) {
        err_set(err, ERR_NOMEM, 0, "evidence");
        return NULL;
    }
    while (text < end) {
        const char *stop = memchr(text, '\n', (size_t) (end - text));
        size_t line = (size_t) ((stop == NULL ? end : stop) - text);
        number++;
        if (line > 0 && read_line(e, text, line, number, err) < 0) {
            evidence_free(e);
            return NULL;
        }
        text += line + 1;
    }
    return e;
}

void evidence_free(struct evidence *evidence)
{
    if (evidence == NULL)
        return;
    for (size_t i = 0; i < evidence->count; i++)
        json_free(evidence->entries[i]);
    free(evidence->entries);
    free(evidence);
}

size_t evidence_count(const struct evidence *evidence)
{
    return evidence->count;
}

const struct cJSON *evidence_entry(const struct evidence *evidence, size_t index)
{
    CHECK(index < evidence->count);
    return evidence->entries[index];
}

bool evidence_has_request(const struct evidence *evidence)
{
    return evidence->requests > 0;
}

/* ---- for reports --------------------------------------------------------------------------- */

/* Bytes stay what they say they are: text is cut between characters, base64 between its groups. */
static void trim_bytes(cJSON *bytes, size_t max)
{
    cJSON *data = cJSON_GetObjectItemCaseSensitive(bytes, "data"),
          *cut = cJSON_GetObjectItemCaseSensitive(bytes, "cut");
    const char *encoding = text_of(bytes, "encoding");
    size_t len = cJSON_IsString(data) ? strlen(data->valuestring) : 0;
    if (len <= max || encoding == NULL)
        return;
    bool is_base64 = strcmp(encoding, "base64") == 0;
    size_t kept = is_base64 ? max / 4 * 4 : utf8_complete_prefix(data->valuestring, max);
    kept -= kept > 0 && data->valuestring[kept - 1] == '\xC0'; /* half of what json_parse puts for a NUL */
    data->valuestring[kept] = '\0';
    if (cJSON_IsBool(cut))
        cut->type = (cut->type & ~0xFF) | cJSON_True;
}

static cJSON *entry_for_report(const cJSON *entry, size_t max_text)
{
    cJSON *copy = cJSON_Duplicate(entry, 1);
    if (copy == NULL)
        return NULL;
    for (size_t k = 0; is_request(entry) && k < ADDED; k++)
        cJSON_DeleteItemFromObjectCaseSensitive(copy, added[k]);
    trim_bytes(cJSON_GetObjectItemCaseSensitive(copy, "body"), max_text);
    trim_bytes(cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(copy, "answer"), "body"), max_text);
    trim_bytes(cJSON_GetObjectItemCaseSensitive(copy, "output"), max_text);
    trim_bytes(cJSON_GetObjectItemCaseSensitive(copy, "input"), max_text);
    cJSON *clipped = show_clip(copy, max_text);
    cJSON_Delete(copy);
    return clipped;
}

struct cJSON *evidence_report(const struct evidence *evidence, size_t max_text)
{
    cJSON *list = cJSON_CreateArray();
    for (size_t i = 0; list != NULL && i < evidence->count; i++) {
        cJSON *entry = entry_for_report(evidence->entries[i], max_text);
        if (entry == NULL || !cJSON_AddItemToArray(list, entry)) {
            cJSON_Delete(entry);
            cJSON_Delete(list);
            return NULL;
        }
    }
    return list;
}
