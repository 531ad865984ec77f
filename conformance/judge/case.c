/* Lists of cases: folders, files, and what must be unique in all of them. */
#include "judge/case.h"

#include <cjson/cJSON.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "judge/case_priv.h"

struct loader {
    const char *vendor;
    char *folder, *scenarios; /* owned */
    struct names files;       /* in the folder, sorted */
    struct case_full **cases;
    size_t count;
    struct err *err;
};

/* The list and what it was made of. */
struct owned_list {
    struct case_list list;
    struct case_full **cases;
};

/* ---- files --------------------------------------------------------------------------------- */

static bool is_case_file(const char *name)
{
    size_t len = strlen(name);
    return len > 5 && name[0] != '.' && strcmp(name + len - 5, ".json") == 0;
}

static int list_files(struct loader *l)
{
    DIR *dir = opendir(l->folder);
    struct dirent *entry;
    if (dir == NULL)
        return err_set(l->err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, errno, "cases of vendor %s: %s", l->vendor,
                       l->folder);
    while ((entry = readdir(dir)) != NULL) {
        if (is_case_file(entry->d_name))
            names_add(&l->files, "%s", entry->d_name);
    }
    closedir(dir);
    names_sort(&l->files);
    return l->files.count > 0 ? 0 : err_set(l->err, ERR_NOT_FOUND, 0, "%s: no case files (*.json)", l->folder);
}

/* ---- unique ids ---------------------------------------------------------------------------- */

/* An id and whose it is. */
struct claim {
    const char *id;
    const struct case_full *owner;
};

static int by_id(const void *a, const void *b)
{
    const struct claim *x = a, *y = b;
    return strcmp(x->id, y->id);
}

static int complain_twice(const struct claim *a, const struct claim *b, struct err *err)
{
    const struct case_full *later = a->owner, *first = b->owner;
    bool swap = strcmp(later->file, first->file) == 0 && later->def.line < first->def.line;
    if (swap) {
        later = b->owner;
        first = a->owner;
    }
    return err_set(err, ERR_INVALID, 0, "%.150s:%zu:1: the id %.100s (or alias) is taken by the case at %.150s:%zu",
                   later->file, later->def.line, a->id, first->file, first->def.line);
}

static int check_unique(const struct loader *l)
{
    size_t count = 0, n = 0;
    for (size_t i = 0; i < l->count; i++)
        count += 1 + l->cases[i]->aliases.count;
    struct claim *claims = calloc(count + 1, sizeof *claims);
    CHECK(claims != NULL);
    for (size_t i = 0; i < l->count; i++) {
        claims[n++] = (struct claim){ l->cases[i]->id, l->cases[i] };
        for (size_t k = 0; k < l->cases[i]->aliases.count; k++)
            claims[n++] = (struct claim){ l->cases[i]->aliases.list[k], l->cases[i] };
    }
    qsort(claims, n, sizeof *claims, by_id);
    int result = 0;
    for (size_t i = 1; i < n && result == 0; i++) {
        if (strcmp(claims[i - 1].id, claims[i].id) == 0)
            result = complain_twice(&claims[i - 1], &claims[i], l->err);
    }
    free(claims);
    return result;
}

/* ---- one file ------------------------------------------------------------------------------ */

static void append(struct loader *l, struct case_full *made)
{
    struct case_full **cases = realloc(l->cases, (l->count + 1) * sizeof *cases);
    CHECK(cases != NULL);
    l->cases = cases;
    cases[l->count++] = made;
}

/* Combination `index` of the case at which `r` stands. */
static int load_combination(struct loader *l, const struct reader *r, const char *area, size_t index)
{
    BUF_AUTO suffix = BUF_INIT;
    const cJSON *unused = NULL;
    struct reader copy = *r;
    cJSON *json = axes_apply(r->root, json_get(r->root, "axes"), index, &suffix, &unused);
    if (json == NULL)
        return err_set(l->err, ERR_NOMEM, 0, "%s", r->doc->file);
    if (unused != NULL) {
        cJSON_Delete(json);
        return shape_complain(r, unused, l->err, "nothing in the case speaks of \"${%s}\"", unused->string);
    }
    copy.root = json;
    struct case_full *made = case_read(&copy, l->vendor, area, l->scenarios, buf_cstr(&suffix), json, l->err);
    if (made == NULL)
        return -1;
    append(l, made);
    return 0;
}

static int load_case(struct loader *l, const struct doc *doc, const cJSON *json, const char *area)
{
    struct reader r = { .doc = doc, .root = json };
    CHECK(doc_find_path(doc->root, json, &r.base) == 0);
    if (shape_check_kind(&r, KIND_OBJECT, json, l->err) < 0)
        return -1;
    size_t count = axes_count(&r, json_get(json, "axes"), l->err);
    for (size_t i = 0; i < count; i++) {
        if (load_combination(l, &r, area, i) < 0)
            return -1;
    }
    return count == 0 ? -1 : 0;
}

/* The file says the same as its place. */
static int check_head(struct loader *l, const struct reader *r, const char *file_name)
{
    const cJSON *vendor = json_get(r->root, "vendor"), *area = json_get(r->root, "area");
    size_t stem = strlen(file_name) - strlen(".json");
    if (strcmp(vendor->valuestring, l->vendor) != 0)
        return shape_complain(r, vendor, l->err, "the file is in the folder of vendor \"%s\"", l->vendor);
    if (!shape_is_lower_name(area->valuestring))
        return shape_complain(r, area, l->err, "an area is of a-z, 0-9 and single hyphens between them");
    if (strlen(area->valuestring) != stem || memcmp(area->valuestring, file_name, stem) != 0)
        return shape_complain(r, area, l->err, "the file is named %.60s: it holds the area \"%.*s\"", file_name,
                              (int) (stem < 60 ? stem : 60), file_name);
    return 0;
}

static int load_document(struct loader *l, const struct doc *doc, const char *file_name)
{
    struct reader r = { .doc = doc, .root = doc->root };
    const cJSON *json;
    if (shape_check(&r, &case_shape_file, doc->root, l->err) < 0 || check_head(l, &r, file_name) < 0)
        return -1;
    cJSON_ArrayForEach(json, json_get(doc->root, "cases"))
    {
        if (load_case(l, doc, json, json_get(doc->root, "area")->valuestring) < 0)
            return -1;
    }
    return 0;
}

static int load_file(struct loader *l, const char *name)
{
    BUF_AUTO path = BUF_INIT;
    BUF_AUTO text = BUF_INIT;
    struct doc doc;
    buf_printf(&path, "%s/%s", l->folder, name);
    if (file_read(&text, buf_cstr(&path), JSONC_MAX_BYTES, l->err) < 0 ||
        doc_open(&doc, buf_cstr(&path), buf_cstr(&text), text.len, l->err) < 0)
        return -1;
    int result = load_document(l, &doc, name);
    doc_close(&doc);
    return result;
}

/* ---- the list ------------------------------------------------------------------------------ */

static int load_all(struct loader *l)
{
    if (list_files(l) < 0)
        return -1;
    for (size_t i = 0; i < l->files.count; i++) {
        if (load_file(l, l->files.list[i]) < 0)
            return -1;
    }
    return check_unique(l);
}

static struct case_list *make_list(struct loader *l)
{
    struct owned_list *made = calloc(1, sizeof *made);
    const struct case_def **defs = calloc(l->count + 1, sizeof *defs);
    CHECK(made != NULL && defs != NULL);
    for (size_t i = 0; i < l->count; i++)
        defs[i] = &l->cases[i]->def;
    made->list = (struct case_list){ defs, l->count };
    made->cases = l->cases;
    return &made->list;
}

struct case_list *case_list_load(const char *fixtures, const char *vendor, struct err *err)
{
    struct loader l = { .vendor = vendor, .err = err };
    struct case_list *list = NULL;
    if (!shape_is_lower_name(vendor)) {
        err_set(err, ERR_INVALID, 0, "no name of a vendor: \"%.60s\"", vendor);
        return NULL;
    }
    CHECK(asprintf(&l.folder, "%s/cases/%s", fixtures, vendor) >= 0);
    CHECK(asprintf(&l.scenarios, "%s/scenarios", fixtures) >= 0);
    if (load_all(&l) == 0) {
        list = make_list(&l);
    } else {
        for (size_t i = 0; i < l.count; i++)
            case_full_free(l.cases[i]);
        free(l.cases);
    }
    names_fini(&l.files);
    free(l.folder);
    free(l.scenarios);
    return list;
}

void case_list_free(struct case_list *list)
{
    if (list == NULL)
        return;
    struct owned_list *owned = (struct owned_list *) ((char *) list - offsetof(struct owned_list, list));
    for (size_t i = 0; i < list->count; i++)
        case_full_free(owned->cases[i]);
    free(owned->cases);
    free((void *) (uintptr_t) list->cases);
    free(owned);
}

const struct case_def *case_list_find(const struct case_list *list, const char *id)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct case_def *def = list->cases[i];
        if (strcmp(def->id, id) == 0)
            return def;
        for (size_t k = 0; k < def->alias_count; k++) {
            if (strcmp(def->aliases[k], id) == 0)
                return def;
        }
    }
    return NULL;
}

const char *case_missing_need(const struct case_def *def, const struct cJSON *capabilities)
{
    for (size_t i = 0; i < def->need_count; i++) {
        bool declared = false;
        const cJSON *one;
        cJSON_ArrayForEach(one, capabilities)
        {
            declared = declared || (cJSON_IsString(one) && strcmp(one->valuestring, def->needs[i]) == 0);
        }
        if (!declared)
            return def->needs[i];
    }
    return NULL;
}
