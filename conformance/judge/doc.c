#include "judge/doc.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

/* ---- paths ------------------------------------------------------------------------------------ */

static bool find(const cJSON *node, const cJSON *wanted, struct doc_path *path)
{
    size_t index = 0;
    const cJSON *child;
    if (node == wanted)
        return true;
    if (path->depth == JSON_MAX_DEPTH)
        return false;
    cJSON_ArrayForEach(child, node)
    {
        path->index[path->depth++] = index++;
        if (find(child, wanted, path))
            return true;
        path->depth--;
    }
    return false;
}

int doc_find_path(const struct cJSON *root, const struct cJSON *node, struct doc_path *out)
{
    struct doc_path path = { { 0 }, 0 };
    if (!find(root, node, &path))
        return -1;
    *out = path;
    return 0;
}

/* As far as the path leads. */
static const cJSON *follow(const struct doc *doc, const struct doc_path *path)
{
    const cJSON *node = doc->root;
    for (size_t d = 0; d < path->depth; d++) {
        const cJSON *child = cJSON_GetArrayItem(node, (int) path->index[d]);
        if (child == NULL)
            break;
        node = child;
    }
    return node;
}

size_t doc_line(const struct doc *doc, const struct doc_path *path)
{
    struct jsonc_place place = { 1, 1 };
    CHECK(jsonc_locate(&doc->json, follow(doc, path), JSONC_VALUE, &place));
    return place.line;
}

int doc_complain(const struct doc *doc, const struct doc_path *path, enum jsonc_part part, struct err *err,
                 const char *fmt, va_list words)
{
    char what[300];
    vsnprintf(what, sizeof what, fmt, words);
    size_t shown = utf8_complete_prefix(what, strlen(what));
    return jsonc_complain(&doc->json, follow(doc, path), part, err, "%.*s", (int) shown, what);
}

/* ---- open and close ------------------------------------------------------------------------ */

int doc_open(struct doc *doc, const char *file, const char *text, size_t len, struct err *err)
{
    struct doc made = { .file = file, .text = BUF_INIT };
    struct err why = ERR_INIT;
    buf_add(&made.text, text, len);
    if (made.text.failed)
        return err_set(err, ERR_NOMEM, 0, "%s", file);
    if (jsonc_open(&made.json, file, buf_cstr(&made.text), made.text.len, &why) < 0) {
        buf_fini(&made.text);
        return err_set(err, why.code, 0, "%s", why.text);
    }
    made.root = made.json.root;
    *doc = made;
    return 0;
}

void doc_close(struct doc *doc)
{
    jsonc_close(&doc->json);
    doc->root = NULL;
    buf_fini(&doc->text);
}
