#include "base/jsonc.h"

#include <cjson/cJSON.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/jsonw.h"
#include "base/text.h"

/* An error has room for 511 bytes: the file's name and the pointer may not crowd out what is wrong. */
#define SHOWN_FILE    140
#define SHOWN_POINTER 140

/* ---- places --------------------------------------------------------------------------- */

static struct jsonc_place place_at(const char *text, size_t offset)
{
    struct jsonc_place place = { 1, 1 };
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

/* The offset of a place; the inverse of place_at. */
static size_t offset_of(const char *text, size_t len, struct jsonc_place place)
{
    size_t i = 0;
    for (size_t line = 1; i < len && line < place.line; i++)
        line += text[i] == '\n';
    for (size_t column = 1; i < len; i++) {
        bool starts = ((unsigned char) text[i] & 0xC0) != 0x80;
        if (starts && column++ == place.column)
            break;
    }
    return i;
}

/* The end of a long path says more than its beginning. */
static int complain_at(const char *file_name, struct jsonc_place place, struct err *err, enum err_code code,
                       const char *what)
{
    size_t len = strlen(file_name);
    const char *shown = len > SHOWN_FILE ? file_name + len - SHOWN_FILE : file_name;
    return err_set(err, code, 0, "%s%s:%zu:%zu: %s", shown == file_name ? "" : "...", shown, place.line, place.column,
                   what);
}

/* ---- comments ------------------------------------------------------------------------- */

/* Behind the string that begins at `i`; an unfinished one is the JSON checker's business. */
static size_t skip_string(const char *text, size_t len, size_t i)
{
    for (i++; i < len && text[i] != '"'; i++)
        i += text[i] == '\\';
    return i < len ? i + 1 : len;
}

/* The end of the comment at `i`; 0 when it never ends. */
static size_t comment_end(const char *text, size_t len, size_t i)
{
    if (text[i + 1] == '/') {
        while (i < len && text[i] != '\n' && text[i] != '\r')
            i++;
        return i;
    }
    for (i += 2; i + 1 < len; i++) {
        if (text[i] == '*' && text[i + 1] == '/')
            return i + 2;
    }
    return 0;
}

static void blank(char *text, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        if (text[i] != '\n' && text[i] != '\r')
            text[i] = ' ';
    }
}

/* False, and where the comment begins that has no end. */
static bool blank_comments(char *text, size_t len, size_t *out_bad)
{
    size_t i = 0;
    while (i < len) {
        if (text[i] == '"') {
            i = skip_string(text, len, i);
        } else if (text[i] == '/' && i + 1 < len && (text[i + 1] == '/' || text[i + 1] == '*')) {
            size_t end = comment_end(text, len, i);
            if (end == 0) {
                *out_bad = i;
                return false;
            }
            blank(text, i, end);
            i = end;
        } else {
            i++;
        }
    }
    return true;
}

/* ---- finding a value ------------------------------------------------------------------ */

/*
 * The values of a text in their order are the nodes of the tree in theirs, so a node is found
 * by its number in both.
 */
struct search {
    const cJSON *wanted;
    size_t number;                         /* of the values seen so far */
    const cJSON *path[JSON_MAX_DEPTH + 1]; /* from the root to the wanted */
    size_t depth;
};

static bool search_tree(struct search *s, const cJSON *node)
{
    s->path[s->depth++] = node;
    if (node == s->wanted)
        return true;
    s->number++;
    const cJSON *child;
    cJSON_ArrayForEach(child, node)
    {
        if (search_tree(s, child))
            return true;
    }
    s->depth--;
    return false;
}

/* How many values there are in and below `node`. */
static size_t count_values(const cJSON *node)
{
    size_t count = 1;
    const cJSON *child;
    cJSON_ArrayForEach(child, node) count += count_values(child);
    return count;
}

struct walk {
    const char *text;
    size_t len, at;
    size_t value, key; /* where the last value and the name in front of it begin */
};

static size_t skip_blanks(const char *text, size_t len, size_t i)
{
    while (i < len && strchr(" \t\r\n", text[i]) != NULL && text[i] != '\0')
        i++;
    return i;
}

/* On to the next value of (checked) text; false at the end. */
static bool walk_next(struct walk *w)
{
    bool has_key = false;
    while (w->at < w->len) {
        char c = w->text[w->at];
        size_t start = w->at;
        if (c == '\0' || strchr(" \t\r\n,:]}", c) != NULL) {
            w->at++;
            continue;
        }
        if (c == '"') {
            w->at = skip_string(w->text, w->len, start);
            size_t next = skip_blanks(w->text, w->len, w->at);
            if (next < w->len && w->text[next] == ':') {
                w->key = start;
                has_key = true;
                continue;
            }
        } else if (c == '{' || c == '[') {
            w->at++;
        } else {
            w->at += strcspn(w->text + w->at, " \t\r\n,:]}");
        }
        w->value = start;
        if (!has_key)
            w->key = start;
        return true;
    }
    return false;
}

bool jsonc_locate(const struct jsonc *doc, const struct cJSON *node, enum jsonc_part part,
                  struct jsonc_place *out_place)
{
    struct search s = { .wanted = node };
    struct walk w = { .text = doc->blanked.data, .len = doc->len };
    if (!search_tree(&s, doc->root))
        return false;
    for (size_t i = 0; i <= s.number; i++) {
        if (!walk_next(&w))
            return false;
    }
    *out_place = place_at(doc->text, part == JSONC_KEY ? w.key : w.value);
    return true;
}

void jsonc_child_lines(const struct jsonc *doc, const struct cJSON *parent, size_t *lines)
{
    struct search s = { .wanted = parent };
    struct walk w = { .text = doc->blanked.data, .len = doc->len };
    size_t line = 1, counted = 0, i = 0;
    CHECK(search_tree(&s, doc->root));
    for (size_t n = 0; n <= s.number; n++)
        CHECK(walk_next(&w));
    const cJSON *child;
    cJSON_ArrayForEach(child, parent)
    {
        CHECK(walk_next(&w));
        for (; counted < w.value; counted++)
            line += doc->text[counted] == '\n';
        lines[i++] = line;
        for (size_t skip = count_values(child); skip > 1; skip--)
            CHECK(walk_next(&w));
    }
}

/* ---- pointers ------------------------------------------------------------------------- */

static void add_pointer_name(struct buf *out, const cJSON *member)
{
    BUF_AUTO name = BUF_INIT;
    json_name_bytes(member, &name);
    size_t shown = utf8_complete_prefix(buf_cstr(&name), name.len < 40 ? name.len : 40);
    for (size_t i = 0; i < shown;) {
        size_t plain = i;
        while (plain < shown && name.data[plain] != '~' && name.data[plain] != '/')
            plain++;
        json_escape(out, name.data + i, plain - i);
        if (plain < shown)
            buf_str(out, name.data[plain] == '~' ? "~0" : "~1");
        i = plain + 1;
    }
    if (shown < name.len)
        buf_str(out, "...");
}

static size_t index_of(const cJSON *array, const cJSON *node)
{
    size_t index = 0;
    for (const cJSON *child = array->child; child != NULL && child != node; child = child->next)
        index++;
    return index;
}

void jsonc_pointer(const struct jsonc *doc, const struct cJSON *node, struct buf *out)
{
    struct search s = { .wanted = node };
    size_t before = out->len;
    if (!search_tree(&s, doc->root) || s.depth == 1) {
        buf_str(out, "/");
        return;
    }
    for (size_t i = 1; i < s.depth; i++) {
        if (out->len - before > SHOWN_POINTER && i + 1 < s.depth) {
            buf_str(out, "/...");
            return;
        }
        buf_char(out, '/');
        if (cJSON_IsArray(s.path[i - 1]))
            buf_printf(out, "%zu", index_of(s.path[i - 1], s.path[i]));
        else
            add_pointer_name(out, s.path[i]);
    }
}

/* Does pointer token `token` (with ~0 and ~1 in it) name this member? */
static bool is_token_name(const char *token, size_t len, const char *name)
{
    for (size_t i = 0; i < len; i++, name++) {
        char c = token[i];
        if (c == '~' && i + 1 < len)
            c = token[++i] == '1' ? '/' : '~';
        if (*name == '\0' || *name != c)
            return false;
    }
    return *name == '\0';
}

static const cJSON *child_by_token(const cJSON *node, const char *token, size_t len)
{
    const cJSON *child;
    char digits[24];
    size_t index = 0;
    cJSON_ArrayForEach(child, node)
    {
        if (cJSON_IsObject(node) && is_token_name(token, len, child->string))
            return child;
        if (cJSON_IsArray(node)) {
            int n = snprintf(digits, sizeof digits, "%zu", index++);
            if ((size_t) n == len && memcmp(digits, token, len) == 0)
                return child;
        }
    }
    return NULL;
}

const struct cJSON *jsonc_resolve(const struct cJSON *base, const char *pointer, size_t len)
{
    const char *end = pointer + len;
    while (base != NULL && pointer < end) {
        if (*pointer++ != '/')
            return NULL;
        const char *slash = memchr(pointer, '/', (size_t) (end - pointer));
        size_t token = (size_t) ((slash != NULL ? slash : end) - pointer);
        base = child_by_token(base, pointer, token);
        pointer += token;
    }
    return base;
}

int jsonc_complain(const struct jsonc *doc, const struct cJSON *node, enum jsonc_part part, struct err *err,
                   const char *fmt, ...)
{
    struct jsonc_place place = { 1, 1 };
    BUF_AUTO what = BUF_INIT;
    char text[ERR_TEXT_BYTES];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    jsonc_locate(doc, node, part, &place);
    jsonc_pointer(doc, node, &what);
    buf_printf(&what, ": %s", text);
    return complain_at(doc->file_name, place, err, ERR_INVALID, buf_cstr(&what));
}

void jsonc_quote(struct buf *out, const char *text, size_t len, size_t max)
{
    size_t shown = len <= max ? len : utf8_complete_prefix(text, max);
    buf_char(out, '"');
    json_escape(out, text, shown);
    buf_str(out, shown < len ? "...\"" : "\"");
}

/* ---- checks on the tree --------------------------------------------------------------- */

static int compare_names(const void *a, const void *b)
{
    const cJSON *const *x = a, *const *y = b;
    return strcmp((*x)->string, (*y)->string);
}

/* Sorted, since an object may have a million members. */
static int check_members(const struct jsonc *doc, const cJSON *object, size_t count, struct err *err)
{
    const cJSON **sorted = count > 1 ? malloc(count * sizeof *sorted) : NULL;
    const cJSON *member, *twice = NULL;
    size_t n = 0;
    if (count < 2)
        return 0;
    if (sorted == NULL)
        return err_set(err, ERR_NOMEM, 0, "%zu keys", count);
    cJSON_ArrayForEach(member, object) sorted[n++] = member;
    qsort(sorted, count, sizeof *sorted, compare_names);
    for (size_t i = 1; i < count && twice == NULL; i++) {
        if (strcmp(sorted[i - 1]->string, sorted[i]->string) == 0)
            twice = sorted[i];
    }
    free(sorted);
    if (twice == NULL)
        return 0;
    /* qsort keeps no order: point at the last of them. */
    const cJSON *last = twice;
    cJSON_ArrayForEach(member, object)
    {
        if (strcmp(member->string, twice->string) == 0)
            last = member;
    }
    return jsonc_complain(doc, last, JSONC_KEY, err, "this key stands here twice in one object");
}

static int check_tree(const struct jsonc *doc, const cJSON *node, struct err *err)
{
    size_t count = 0;
    const cJSON *child;
    if (cJSON_IsString(node) && strlen(node->valuestring) > JSONC_MAX_STRING)
        return jsonc_complain(doc, node, JSONC_VALUE, err, "a text of more than 1048576 bytes");
    cJSON_ArrayForEach(child, node)
    {
        count++;
        if (child->string != NULL && strlen(child->string) > JSONC_MAX_STRING)
            return jsonc_complain(doc, child, JSONC_KEY, err, "a name of more than 1048576 bytes");
        if (check_tree(doc, child, err) < 0)
            return -1;
    }
    return cJSON_IsObject(node) ? check_members(doc, node, count, err) : 0;
}

/* ---- open and close ------------------------------------------------------------------- */

/* The checker counted columns in the blanked text, where a comment's characters are bytes. */
static int complain_syntax(const struct jsonc *doc, struct err *err)
{
    char *rest;
    struct jsonc_place place = { strtoul(err->text, &rest, 10), 1 };
    if (place.line == 0 || *rest != ':')
        return err_wrap(err, "%.140s", doc->file_name);
    place.column = strtoul(rest + 1, &rest, 10);
    BUF_AUTO what = BUF_INIT;
    buf_str(&what, rest + strspn(rest, ": "));
    place = place_at(doc->text, offset_of(doc->blanked.data, doc->len, place));
    return complain_at(doc->file_name, place, err, err->code, buf_cstr(&what));
}

static int check_text(const struct jsonc *doc, struct err *err)
{
    static const struct jsonc_place top = { 1, 1 };
    char what[100];
    if (doc->len > JSONC_MAX_BYTES) {
        snprintf(what, sizeof what, "%zu bytes are too many (limit %zu)", doc->len, JSONC_MAX_BYTES);
        return complain_at(doc->file_name, top, err, ERR_LIMIT, what);
    }
    if (doc->len >= 3 && memcmp(doc->text, "\xEF\xBB\xBF", 3) == 0)
        return complain_at(doc->file_name, top, err, ERR_INVALID, "a byte order mark: save as UTF-8 without one");
    size_t good = utf8_valid_prefix(doc->text, doc->len);
    return good == doc->len ? 0 : complain_at(doc->file_name, place_at(doc->text, good), err, ERR_INVALID, "not UTF-8");
}

static int parse_blanked(struct jsonc *doc, struct err *err)
{
    size_t open_comment = 0;
    buf_add(&doc->blanked, doc->text, doc->len);
    buf_char(&doc->blanked, '\n'); /* so that there is a text, also for none */
    if (doc->blanked.failed)
        return err_set(err, ERR_NOMEM, 0, "%zu bytes of text", doc->len);
    if (!blank_comments(doc->blanked.data, doc->len, &open_comment))
        return complain_at(doc->file_name, place_at(doc->text, open_comment), err, ERR_INVALID,
                           "a comment that never ends");
    struct err why = ERR_INIT;
    doc->root = json_parse(doc->blanked.data, doc->len, &why);
    if (doc->root == NULL) {
        complain_syntax(doc, &why);
        return err_set(err, why.code, 0, "%s", why.text);
    }
    return check_tree(doc, doc->root, err);
}

int jsonc_open(struct jsonc *doc, const char *file_name, const char *text, size_t len, struct err *err)
{
    struct jsonc made = { .file_name = file_name, .text = text, .len = len, .blanked = BUF_INIT };
    if (check_text(&made, err) < 0)
        return -1;
    if (parse_blanked(&made, err) < 0) {
        jsonc_close(&made);
        return -1;
    }
    *doc = made;
    return 0;
}

void jsonc_close(struct jsonc *doc)
{
    json_free(doc->root);
    doc->root = NULL;
    buf_fini(&doc->blanked);
}
