#include "judge/doc.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define SHOWN_FILE 160 /* an error has room for 511 bytes: a long path may not crowd out what is wrong */
#define SHOWN_KEY  40

/* ---- comments ------------------------------------------------------------------------------ */

/* Behind the string that begins at `i`. */
static size_t string_end(const char *text, size_t len, size_t i)
{
    for (i++; i < len && text[i] != '"'; i++)
        i += text[i] == '\\';
    return i < len ? i + 1 : len;
}

/* Blanks the comment at `i`; returns what is behind it, 0 when it has no end. */
static size_t blank_comment(char *text, size_t len, size_t i)
{
    bool to_line_end = text[i + 1] == '/';
    const char *stop = to_line_end ? memchr(text + i, '\n', len - i) : memmem(text + i + 2, len - i - 2, "*/", 2);
    if (stop == NULL && !to_line_end)
        return 0;
    size_t end = stop == NULL ? len : (size_t) (stop - text) + (to_line_end ? 0 : 2);
    for (; i < end; i++) {
        if (text[i] != '\n' && text[i] != '\r')
            text[i] = ' ';
    }
    return end;
}

/* False when a comment has no end, and where it begins. */
static bool blank_comments(char *text, size_t len, size_t *out_bad)
{
    size_t i = 0;
    while (i < len) {
        bool is_comment = text[i] == '/' && i + 1 < len && (text[i + 1] == '/' || text[i + 1] == '*');
        size_t next = is_comment ? blank_comment(text, len, i) : text[i] == '"' ? string_end(text, len, i) : i + 1;
        if (next == 0) {
            *out_bad = i;
            return false;
        }
        i = next;
    }
    return true;
}

/* ---- places -------------------------------------------------------------------------------- */

struct place {
    size_t line, column; /* from 1; columns in characters */
};

static struct place place_of(const char *text, size_t offset)
{
    struct place place = { 1, 1 };
    for (size_t i = 0; i < offset; i++) {
        if (text[i] == '\n') {
            place.line++;
            place.column = 1;
        } else {
            place.column += ((unsigned char) text[i] & 0xC0) != 0x80;
        }
    }
    return place;
}

static size_t skip_blanks(const char *text, size_t i)
{
    return i + strspn(text + i, " \t\r\n");
}

/* Behind the value that begins at `i` of (checked) text. */
static size_t value_end(const char *text, size_t len, size_t i)
{
    size_t depth = 0;
    do {
        if (text[i] == '"') {
            i = string_end(text, len, i);
        } else if (strchr("{[", text[i]) != NULL) {
            depth++;
            i++;
        } else if (strchr("}]", text[i]) != NULL) {
            depth--;
            i++;
        } else if (strchr(" \t\r\n,:", text[i]) != NULL) {
            i++;
        } else {
            i += strcspn(text + i, " \t\r\n,:]}");
        }
    } while (depth > 0 && i < len);
    return i;
}

/* Where child `wanted` of the container at `i` begins: its key in an object, else its value. */
static size_t child_start(const char *text, size_t len, size_t i, size_t wanted)
{
    bool is_object = text[i] == '{';
    i = skip_blanks(text, i + 1);
    for (; wanted > 0; wanted--) {
        if (is_object)
            i = skip_blanks(text, string_end(text, len, i)) + 1;
        i = value_end(text, len, skip_blanks(text, i));
        i = skip_blanks(text, skip_blanks(text, i) + 1);
    }
    return i;
}

static size_t value_start(const char *text, size_t len, size_t key)
{
    return skip_blanks(text, skip_blanks(text, string_end(text, len, key)) + 1);
}

/* Walks text and tree together, as far as the path leads.  Fills the pointer (may be NULL); returns the offset. */
static size_t follow(const struct doc *doc, const struct doc_path *path, enum doc_part part, struct buf *pointer)
{
    const char *text = doc->text.data;
    const cJSON *node = doc->root;
    size_t i = skip_blanks(text, 0), shown = i;
    for (size_t d = 0; d < path->depth; d++) {
        bool is_object = cJSON_IsObject(node);
        node = cJSON_GetArrayItem(node, (int) path->index[d]);
        if (node == NULL)
            break;
        shown = child_start(text, doc->text.len, i, path->index[d]);
        i = is_object ? value_start(text, doc->text.len, shown) : shown;
        if (pointer == NULL)
            continue;
        if (is_object)
            buf_printf(pointer, "/%.*s", SHOWN_KEY, node->string);
        else
            buf_printf(pointer, "/%zu", path->index[d]);
    }
    return part == DOC_KEY ? shown : i;
}

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

size_t doc_line(const struct doc *doc, const struct doc_path *path)
{
    return place_of(doc->text.data, follow(doc, path, DOC_VALUE, NULL)).line;
}

/* The end of a long path says more than its beginning. */
static const char *shown_file(const char *file)
{
    size_t len = strlen(file);
    return len > SHOWN_FILE ? file + len - SHOWN_FILE : file;
}

int doc_complain(const struct doc *doc, const struct doc_path *path, enum doc_part part, struct err *err,
                 const char *fmt, va_list words)
{
    char what[300];
    BUF_AUTO pointer = BUF_INIT;
    struct place place = place_of(doc->text.data, follow(doc, path, part, &pointer));
    vsnprintf(what, sizeof what, fmt, words);
    size_t shown = utf8_complete_prefix(what, strlen(what));
    return err_set(err, ERR_INVALID, 0, "%s:%zu:%zu: %s: %.*s", shown_file(doc->file), place.line, place.column,
                   pointer.len == 0 ? "/" : pointer.data, (int) shown, what);
}

/* ---- keys that stand twice ----------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
    const cJSON *const *x = a, *const *y = b;
    return strcmp((*x)->string, (*y)->string);
}

static int complain_twice(const struct doc *doc, const cJSON *object, const char *name, struct err *err, ...)
{
    struct doc_path path;
    const cJSON *member, *last = NULL;
    va_list none;
    cJSON_ArrayForEach(member, object)
    {
        if (strcmp(member->string, name) == 0)
            last = member;
    }
    CHECK(doc_find_path(doc->root, last, &path) == 0);
    va_start(none, err);
    doc_complain(doc, &path, DOC_KEY, err, "this key stands here twice in one object", none);
    va_end(none);
    return -1;
}

/* Sorted, since an object may have a million members. */
static int check_object(const struct doc *doc, const cJSON *object, struct err *err)
{
    size_t count = (size_t) cJSON_GetArraySize(object), n = 0;
    const cJSON **sorted = calloc(count + 1, sizeof *sorted), *member;
    const char *twice = NULL;
    if (sorted == NULL)
        return err_set(err, ERR_NOMEM, 0, "%zu keys", count);
    cJSON_ArrayForEach(member, object) sorted[n++] = member;
    qsort(sorted, n, sizeof *sorted, by_name);
    for (size_t i = 1; i < n && twice == NULL; i++) {
        if (strcmp(sorted[i - 1]->string, sorted[i]->string) == 0)
            twice = sorted[i]->string;
    }
    free(sorted);
    return twice == NULL ? 0 : complain_twice(doc, object, twice, err);
}

static int check_keys(const struct doc *doc, const cJSON *node, struct err *err)
{
    const cJSON *child;
    if (cJSON_IsObject(node) && check_object(doc, node, err) < 0)
        return -1;
    cJSON_ArrayForEach(child, node)
    {
        if (check_keys(doc, child, err) < 0)
            return -1;
    }
    return 0;
}

/* ---- open and close ------------------------------------------------------------------------ */

static int check_text(const char *file, const char *text, size_t len, struct err *err)
{
    size_t good = utf8_valid_prefix(text, len);
    if (len > DOC_MAX_BYTES)
        return err_set(err, ERR_LIMIT, 0, "%s:1:1: %zu bytes are too many (limit %zu)", shown_file(file), len,
                       DOC_MAX_BYTES);
    if (good == len)
        return 0;
    struct place place = place_of(text, good);
    return err_set(err, ERR_INVALID, 0, "%s:%zu:%zu: not UTF-8", shown_file(file), place.line, place.column);
}

static int parse(struct doc *doc, struct err *err)
{
    size_t bad = 0;
    buf_str(&doc->text, ""); /* so that there is a text, also for none */
    if (doc->text.failed)
        return err_set(err, ERR_NOMEM, 0, "%s", doc->file);
    if (!blank_comments(doc->text.data, doc->text.len, &bad)) {
        struct place place = place_of(doc->text.data, bad);
        return err_set(err, ERR_INVALID, 0, "%s:%zu:%zu: a comment that never ends", shown_file(doc->file), place.line,
                       place.column);
    }
    struct err why = ERR_INIT;
    doc->root = json_parse(doc->text.data, doc->text.len, &why);
    if (doc->root == NULL)
        return err_set(err, why.code, 0, "%s:%s", shown_file(doc->file), why.text);
    return check_keys(doc, doc->root, err);
}

int doc_open(struct doc *doc, const char *file, const char *text, size_t len, struct err *err)
{
    struct doc made = { .file = file, .text = BUF_INIT };
    struct err why = ERR_INIT;
    if (check_text(file, text, len, err) < 0)
        return -1;
    buf_add(&made.text, text, len);
    if (parse(&made, &why) < 0) {
        doc_close(&made);
        return err_set(err, why.code, 0, "%s", why.text);
    }
    *doc = made;
    return 0;
}

void doc_close(struct doc *doc)
{
    json_free(doc->root);
    doc->root = NULL;
    buf_fini(&doc->text);
}
