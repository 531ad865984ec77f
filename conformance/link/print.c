#include "link/print.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/jsonw.h"

/* The shortest text that reads back as the same number. */
static void print_number(struct buf *out, double number)
{
    char text[40];
    if (number == floor(number) && fabs(number) < 1e15) {
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

static void print_items(struct buf *out, const struct cJSON *json)
{
    BUF_AUTO name = BUF_INIT;
    const struct cJSON *item;
    bool is_object = json_is_object(json);
    buf_char(out, is_object ? '{' : '[');
    cJSON_ArrayForEach(item, json)
    {
        if (item != json->child)
            buf_char(out, ',');
        if (is_object) {
            json_name_bytes(item, &name);
            print_bytes(out, &name);
            buf_char(out, ':');
        }
        print_json(out, item);
    }
    buf_char(out, is_object ? '}' : ']');
}

/* As deep as the tree: json_parse allows 64 levels. */
void print_json(struct buf *out, const struct cJSON *json) /* NOLINT(misc-no-recursion) */
{
    BUF_AUTO text = BUF_INIT;
    if (cJSON_IsString(json)) {
        json_string_bytes(json, &text);
        print_bytes(out, &text);
    } else if (cJSON_IsNumber(json)) {
        print_number(out, json->valuedouble);
    } else if (cJSON_IsObject(json) || cJSON_IsArray(json)) {
        print_items(out, json);
    } else {
        buf_str(out, cJSON_IsTrue(json) ? "true" : cJSON_IsFalse(json) ? "false" : "null");
    }
}
