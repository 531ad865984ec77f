/* results_check: walks a document along the tables of shapes.c; what those cannot say is said by functions. */
#include <cjson/cJSON.h>
#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "report/chars.h"
#include "report/index.h"
#include "report/results.h"
#include "report/shapes.h"

/* A matrix beyond this is of no use to anybody, and its table would be large. */
#define MAX_CASES   20000
#define MAX_CLIENTS 1000
#define NUMBER_MAX  9007199254740991.0
#define SHOWN       120 /* bytes of a text from outside in a message */

struct walk {
    char path[256];
    size_t len;
    struct err *err;
};

/* ---- the walk ------------------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static int complain(const struct walk *w, const char *fmt, ...)
{
    char what[ERR_TEXT_BYTES];
    va_list args;
    va_start(args, fmt);
    vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    return err_set(w->err, ERR_INVALID, 0, "%s: %s", w->len == 0 ? "/" : w->path, what);
}

/* One step down.  Returns the length to go back to. */
__attribute__((format(printf, 2, 3))) static size_t go_down(struct walk *w, const char *fmt, ...)
{
    size_t before = w->len;
    va_list args;
    va_start(args, fmt);
    int more = vsnprintf(w->path + w->len, sizeof w->path - w->len, fmt, args);
    va_end(args);
    /* All names are ours, and four levels of them fit. */
    CHECK(more > 0 && (size_t) more < sizeof w->path - w->len);
    w->len += (size_t) more;
    return before;
}

static void go_up(struct walk *w, size_t len)
{
    w->len = len;
    w->path[len] = '\0';
}

static const char *type_name(const cJSON *node)
{
    if (cJSON_IsObject(node))
        return "an object";
    if (cJSON_IsArray(node))
        return "an array";
    if (cJSON_IsString(node))
        return "a string";
    if (cJSON_IsBool(node))
        return "true or false";
    return cJSON_IsNumber(node) ? "a number" : "null";
}

static int check_word(const struct walk *w, const char *text, const char *const *words)
{
    char all[256];
    size_t len = 0;
    for (size_t i = 0; words[i] != NULL; i++) {
        if (strcmp(words[i], text) == 0)
            return 0;
        len += (size_t) snprintf(all + len, sizeof all - len, "%s%s", i == 0 ? "" : ", ", words[i]);
        CHECK(len < sizeof all);
    }
    BUF_AUTO shown = BUF_INIT;
    chars_show(&shown, text, SHOWN);
    return complain(w, "must be one of %s, not \"%s\"", all, buf_cstr(&shown));
}

static int check_text(const struct walk *w, const cJSON *node, const struct member *m)
{
    if (!cJSON_IsString(node))
        return complain(w, "must be a string, not %s", type_name(node));
    if (m->shape == SHAPE_NAME && node->valuestring[0] == '\0')
        return complain(w, "must not be empty");
    return m->words == NULL ? 0 : check_word(w, node->valuestring, m->words);
}

static int check_number(const struct walk *w, const cJSON *node)
{
    if (!cJSON_IsNumber(node))
        return complain(w, "must be a number, not %s", type_name(node));
    if (!(node->valuedouble >= 0 && node->valuedouble <= NUMBER_MAX))
        return complain(w, "must be from 0 to 2^53 - 1, not %g", node->valuedouble);
    return 0;
}

static int check_members(struct walk *w, const cJSON *object, const struct member *members);

static int check_item(struct walk *w, const cJSON *item, const struct member *m)
{
    static const struct member text = { .name = "", .shape = SHAPE_TEXT };
    static const struct member note[] = { { .name = "what", .shape = SHAPE_TEXT, .is_needed = true },
                                          { .name = NULL } };
    switch (m->shape) {
    case SHAPE_TEXTS: return check_text(w, item, &text);
    case SHAPE_NUMBERS: return check_number(w, item);
    case SHAPE_NOTES: return cJSON_IsObject(item) ? check_members(w, item, note) : check_text(w, item, &text);
    case SHAPE_OBJECTS:
        if (!cJSON_IsObject(item))
            return complain(w, "must be an object, not %s", type_name(item));
        return check_members(w, item, m->of);
    case SHAPE_TEXT:
    case SHAPE_NAME:
    case SHAPE_NUMBER:
    case SHAPE_FLAG:
    case SHAPE_OBJECT: break;
    }
    return err_set(w->err, ERR_INTERNAL, 0, "%s: no list", w->path);
}

static int check_items(struct walk *w, const cJSON *list, const struct member *m)
{
    if (!cJSON_IsArray(list))
        return complain(w, "must be an array, not %s", type_name(list));
    size_t place = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, list)
    {
        size_t before = go_down(w, "/%zu", place++);
        if (check_item(w, item, m) < 0)
            return -1;
        go_up(w, before);
    }
    return 0;
}

static int check_value(struct walk *w, const cJSON *node, const struct member *m)
{
    switch (m->shape) {
    case SHAPE_TEXT:
    case SHAPE_NAME: return check_text(w, node, m);
    case SHAPE_NUMBER: return check_number(w, node);
    case SHAPE_FLAG: return cJSON_IsBool(node) ? 0 : complain(w, "must be true or false, not %s", type_name(node));
    case SHAPE_OBJECT:
        if (!cJSON_IsObject(node))
            return complain(w, "must be an object, not %s", type_name(node));
        return check_members(w, node, m->of);
    case SHAPE_TEXTS:
    case SHAPE_NUMBERS:
    case SHAPE_NOTES:
    case SHAPE_OBJECTS: break;
    }
    return check_items(w, node, m);
}

static int check_members(struct walk *w, const cJSON *object, const struct member *members)
{
    for (const struct member *m = members; m->name != NULL; m++) {
        const cJSON *node = json_get(object, m->name);
        if (node == NULL && !m->is_needed)
            continue;
        size_t before = go_down(w, "/%s", m->name);
        if (node == NULL)
            return complain(w, "is missing");
        if (check_value(w, node, m) < 0)
            return -1;
        go_up(w, before);
    }
    return 0;
}

/* ---- what tables cannot say ------------------------------------------------------------ */

static int check_version(const struct walk *w, const cJSON *doc)
{
    const cJSON *version = json_get(doc, "standbox_results");
    if (!cJSON_IsObject(doc))
        return complain(w, "must be an object, not %s", type_name(doc));
    if (version == NULL)
        return complain(w, "no result document: it has no member \"standbox_results\"");
    if (!cJSON_IsNumber(version) || fabs(version->valuedouble - RESULTS_FORMAT) > 0)
        return err_set(w->err, ERR_INVALID, 0,
                       "/standbox_results: must be %d: another format, which this program "
                       "cannot read",
                       RESULTS_FORMAT);
    return 0;
}

static int check_shard(const struct walk *w, const cJSON *doc)
{
    unsigned part, parts;
    BUF_AUTO shown = BUF_INIT;
    if (results_shard(doc, &part, &parts))
        return 0;
    chars_show(&shown, results_text(doc, "shard"), SHOWN);
    return err_set(w->err, ERR_INVALID, 0, "/shard: must be like \"1/4\", not \"%s\"", buf_cstr(&shown));
}

/* vendor/area/case, each part of lower-case letters, digits, "-"; axes after that as they come ("/Split:2"). */
static bool is_case_id(const char *id, const char *vendor)
{
    size_t len = strlen(vendor);
    if (strncmp(id, vendor, len) != 0 || id[len] != '/')
        return false;
    const char *part = id + len + 1;
    for (int i = 0; i < 2; i++) {
        size_t word = strspn(part, "abcdefghijklmnopqrstuvwxyz0123456789-_.");
        if (word == 0 || (part[word] != '/' && (i == 0 || part[word] != '\0')))
            return false;
        part += word + (part[word] == '/');
    }
    return true;
}

static int check_case_ids(const struct walk *w, const cJSON *doc)
{
    const char *vendor = results_text(doc, "vendor");
    size_t place = 0;
    if (vendor[strspn(vendor, "abcdefghijklmnopqrstuvwxyz0123456789-")] != '\0' || strlen(vendor) > 40)
        return err_set(w->err, ERR_INVALID, 0, "/vendor: must be a short name of a-z 0-9 -");
    const cJSON *item;
    cJSON_ArrayForEach(item, results_list(doc, "cases"))
    {
        if (!is_case_id(results_text(item, "id"), vendor)) {
            BUF_AUTO shown = BUF_INIT;
            chars_show(&shown, results_text(item, "id"), SHOWN);
            return err_set(w->err, ERR_INVALID, 0, "/cases/%zu/id: must be like \"%s/area/case\", not \"%s\"", place,
                           vendor, buf_cstr(&shown));
        }
        place++;
    }
    return 0;
}

static int check_double(const struct walk *w, const struct index *index, const char *list, const char *member)
{
    const struct index_entry *twice = index_find_double(index);
    if (twice == NULL)
        return 0;
    BUF_AUTO shown = BUF_INIT;
    chars_show(&shown, twice->name, SHOWN);
    return err_set(w->err, ERR_INVALID, 0, "/%s/%zu/%s: \"%s\" is there twice", list, twice->place, member,
                   buf_cstr(&shown));
}

static int complain_unknown(const struct walk *w, const cJSON *result, size_t place, const char *member,
                            const char *list)
{
    BUF_AUTO shown = BUF_INIT;
    chars_show(&shown, results_text(result, member), SHOWN);
    return err_set(w->err, ERR_INVALID, 0, "/results/%zu/%s: there is no \"%s\" in /%s", place, member,
                   buf_cstr(&shown), list);
}

static int complain_twice(const struct walk *w, const cJSON *result, size_t place)
{
    BUF_AUTO shown = BUF_INIT;
    chars_show(&shown, results_text(result, "case"), SHOWN);
    buf_str(&shown, "\" and client \"");
    chars_show(&shown, results_text(result, "client"), SHOWN);
    return err_set(w->err, ERR_INVALID, 0, "/results/%zu: a second result of case \"%s\"", place, buf_cstr(&shown));
}

/* Each result's case and client are there, and no pair of them twice. */
static int check_pairs(const struct walk *w, const cJSON *doc, const struct index *clients, const struct index *cases)
{
    bool *seen = calloc(clients->count * cases->count + 1, sizeof *seen);
    if (seen == NULL)
        return err_set(w->err, ERR_NOMEM, 0, "a table of %zu x %zu results", clients->count, cases->count);
    size_t place = 0;
    int rc = 0;
    const cJSON *result;
    cJSON_ArrayForEach(result, results_list(doc, "results"))
    {
        const struct index_entry *client = index_find(clients, results_text(result, "client"));
        const struct index_entry *row = index_find(cases, results_text(result, "case"));
        bool *pair = client == NULL || row == NULL ? NULL : &seen[client->place * cases->count + row->place];
        if (client == NULL)
            rc = complain_unknown(w, result, place, "client", "clients");
        else if (pair == NULL)
            rc = complain_unknown(w, result, place, "case", "cases");
        else if (*pair)
            rc = complain_twice(w, result, place);
        if (rc < 0)
            break;
        *pair = true;
        place++;
    }
    free(seen);
    return rc;
}

static int check_names(const struct walk *w, const cJSON *doc)
{
    INDEX_AUTO clients = INDEX_INIT;
    INDEX_AUTO cases = INDEX_INIT;
    if (index_init(&clients, results_list(doc, "clients"), "key", w->err) < 0 ||
        index_init(&cases, results_list(doc, "cases"), "id", w->err) < 0)
        return -1;
    if (clients.count > MAX_CLIENTS || cases.count > MAX_CASES)
        return err_set(w->err, ERR_LIMIT, 0, "%zu clients and %zu cases: at most %d and %d", clients.count, cases.count,
                       MAX_CLIENTS, MAX_CASES);
    if (check_double(w, &clients, "clients", "key") < 0 || check_double(w, &cases, "cases", "id") < 0)
        return -1;
    return check_pairs(w, doc, &clients, &cases);
}

int results_check(const struct cJSON *doc, struct err *err)
{
    struct walk w = { .path = "", .len = 0, .err = err };
    if (check_version(&w, doc) < 0 || check_members(&w, doc, shapes_document) < 0 || check_shard(&w, doc) < 0 ||
        check_case_ids(&w, doc) < 0)
        return -1;
    return check_names(&w, doc);
}
