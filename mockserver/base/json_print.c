/* Trees back into text. */
#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/jsonw.h"

#define EXACT_BELOW 9007199254740992.0 /* whole numbers that a double holds */

/* The shortest text that reads back as the same number. */
static void print_number(struct buf *out, double number)
{
    char text[40];
    if (number == floor(number) && fabs(number) < EXACT_BELOW) {
        buf_printf(out, "%.0f", number);
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, number);
        if (strtod(text, NULL) == number)
            break;
    }
    buf_str(out, isfinite(number) ? text : "null");
}

static void print_bytes(struct buf *out, const struct buf *bytes)
{
    buf_char(out, '"');
    json_escape(out, buf_cstr(bytes), bytes->len);
    buf_char(out, '"');
    out->failed |= bytes->failed;
}

/* `spare` is room for one text at a time. */
static void print_node(struct buf *out, const struct cJSON *node, struct buf *spare);

static void print_items(struct buf *out, const struct cJSON *node, struct buf *spare)
{
    bool is_object = cJSON_IsObject(node);
    const struct cJSON *item;
    buf_char(out, is_object ? '{' : '[');
    cJSON_ArrayForEach(item, node)
    {
        if (item != node->child)
            buf_char(out, ',');
        if (is_object) {
            json_name_bytes(item, spare);
            print_bytes(out, spare);
            buf_char(out, ':');
        }
        print_node(out, item, spare);
    }
    buf_char(out, is_object ? '}' : ']');
}

static void print_node(struct buf *out, const struct cJSON *node, struct buf *spare)
{
    if (cJSON_IsString(node)) {
        json_string_bytes(node, spare);
        print_bytes(out, spare);
    } else if (cJSON_IsNumber(node)) {
        print_number(out, node->valuedouble);
    } else if (cJSON_IsObject(node) || cJSON_IsArray(node)) {
        print_items(out, node, spare);
    } else {
        buf_str(out, cJSON_IsTrue(node) ? "true" : cJSON_IsFalse(node) ? "false" : "null");
    }
}

void json_print(struct buf *out, const struct cJSON *json)
{
    BUF_AUTO spare = BUF_INIT;
    print_node(out, json, &spare);
}
