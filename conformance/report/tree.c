#include "report/tree.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/jsonw.h"

static void write_text(struct buf *out, const struct buf *bytes)
{
    buf_char(out, '"');
    json_escape(out, buf_cstr(bytes), bytes->len);
    buf_char(out, '"');
}

/* Shortest that reads back the same. */
static void write_number(struct buf *out, double number)
{
    char text[40];
    if (!isfinite(number)) {
        buf_str(out, "null");
        return;
    }
    if (fabs(number) < 1e15 && !(fabs(number - trunc(number)) > 0)) {
        buf_printf(out, "%.0f", number);
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, number);
        if (!(fabs(strtod(text, NULL) - number) > 0))
            break;
    }
    buf_str(out, text);
}

static void write_leaf(struct buf *out, const cJSON *node)
{
    BUF_AUTO bytes = BUF_INIT;
    if (json_string_bytes(node, &bytes))
        write_text(out, &bytes);
    else if (cJSON_IsNumber(node))
        write_number(out, node->valuedouble);
    else if (cJSON_IsBool(node))
        buf_str(out, cJSON_IsTrue(node) ? "true" : "false");
    else
        buf_str(out, "null");
}

static void write_name(struct buf *out, const cJSON *member)
{
    BUF_AUTO bytes = BUF_INIT;
    json_name_bytes(member, &bytes);
    write_text(out, &bytes);
    buf_char(out, ':');
}

/* The next node to write after `node` and all below it are done: recursion would let deep trees end the program. */
struct climb {
    const cJSON **parents;
    size_t depth, room;
};

static bool climb_push(struct climb *c, const cJSON *node)
{
    if (c->depth == c->room) {
        size_t room = c->room == 0 ? 64 : c->room * 2;
        const cJSON **parents = realloc(c->parents, room * sizeof *parents);
        if (parents == NULL)
            return false;
        c->parents = parents;
        c->room = room;
    }
    c->parents[c->depth++] = node;
    return true;
}

/* Writes the node's beginning; returns its first child, or NULL when it is written whole. */
static const cJSON *write_begin(struct buf *out, const cJSON *node, bool is_member)
{
    bool is_object = cJSON_IsObject(node), is_array = cJSON_IsArray(node);
    if (is_member)
        write_name(out, node);
    if (!is_object && !is_array) {
        write_leaf(out, node);
        return NULL;
    }
    buf_char(out, is_object ? '{' : '[');
    if (node->child == NULL)
        buf_char(out, is_object ? '}' : ']');
    return node->child;
}

/* The next sibling, of `node` or of the nearest parent that has one; NULL at the end. */
static const cJSON *write_end(struct buf *out, const cJSON *node, struct climb *c)
{
    while (c->depth > 0) {
        if (node->next != NULL) {
            buf_char(out, ',');
            return node->next;
        }
        node = c->parents[--c->depth];
        buf_char(out, cJSON_IsObject(node) ? '}' : ']');
    }
    return NULL;
}

void tree_write(struct buf *out, const struct cJSON *tree)
{
    struct climb c = { NULL, 0, 0 };
    const cJSON *node = tree;
    if (tree == NULL)
        buf_str(out, "null");
    while (node != NULL) {
        const cJSON *child = write_begin(out, node, c.depth > 0 && cJSON_IsObject(c.parents[c.depth - 1]));
        if (child == NULL) {
            node = write_end(out, node, &c);
        } else if (climb_push(&c, node)) {
            node = child;
        } else {
            out->failed = true;
            break;
        }
    }
    free(c.parents);
}

static void write_lines(struct buf *out, const cJSON *list)
{
    const cJSON *item;
    const char *between = "\n";
    buf_char(out, '[');
    cJSON_ArrayForEach(item, list)
    {
        buf_str(out, between);
        tree_write(out, item);
        between = ",\n";
    }
    buf_str(out, "\n]");
}

void tree_write_document(struct buf *out, const struct cJSON *doc)
{
    const cJSON *member;
    const char *between = "{\n";
    if (!cJSON_IsObject(doc) || doc->child == NULL) {
        tree_write(out, doc);
        buf_char(out, '\n');
        return;
    }
    cJSON_ArrayForEach(member, doc)
    {
        buf_str(out, between);
        write_name(out, member);
        if (cJSON_IsArray(member) && member->child != NULL)
            write_lines(out, member);
        else
            tree_write(out, member);
        between = ",\n";
    }
    buf_str(out, "\n}\n");
}

void tree_put_in_page(struct buf *out, const struct buf *json)
{
    const char *p = buf_cstr(json), *end = p + json->len;
    while (p < end) {
        size_t plain = strcspn(p, "<>&");
        buf_add(out, p, plain);
        p += plain;
        if (p < end)
            buf_printf(out, "\\u%04x", (unsigned) (unsigned char) *p++);
    }
}
