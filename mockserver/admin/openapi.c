/* The table as an OpenAPI 3.1 description, for programs. */
#include <ctype.h>
#include <string.h>

#include "admin/admin_priv.h"
#include "version.h"

/* ---- schemas ------------------------------------------------------------------------------ */

static const char *const field_types[FIELD_TYPES] = {
    [FIELD_TEXT] = "string",    [FIELD_GLOB] = "string",   [FIELD_WORD] = "string",   [FIELD_INT] = "integer",
    [FIELD_NUMBER] = "number",  [FIELD_BOOL] = "boolean",  [FIELD_TIME] = "string",   [FIELD_GLOBS] = "object",
    [FIELD_TEXTS] = "array",    [FIELD_INTS] = "array",    [FIELD_OBJECT] = "object", [FIELD_LIST] = "array",
    [FIELD_ENTRY] = "object",   [FIELD_ENTRIES] = "array",
};

static void put_ref(struct jsonw *w, const char *name, const struct shape *shape)
{
    BUF_AUTO ref = BUF_INIT;
    buf_printf(&ref, "#/components/schemas/%s", shape->name);
    jsonw_object(w, name);
    jsonw_str(w, "$ref", buf_cstr(&ref));
    jsonw_end_object(w);
}

static void put_items(struct jsonw *w, const struct field *field)
{
    if (field->type == FIELD_LIST) {
        put_ref(w, "items", field->of);
    } else if (field->type == FIELD_GLOBS || field->type == FIELD_TEXTS || field->type == FIELD_INTS ||
               field->type == FIELD_ENTRIES) {
        jsonw_object(w, field->type == FIELD_GLOBS ? "additionalProperties" : "items");
        jsonw_str(w, "type", field->type == FIELD_INTS      ? "integer"
                             : field->type == FIELD_ENTRIES ? "object"
                                                            : "string");
        jsonw_end_object(w);
    }
}

static void put_range(struct jsonw *w, const struct field *field)
{
    if (field->type == FIELD_INT)
        jsonw_int(w, "minimum", field->min);
    else if (field->type == FIELD_NUMBER)
        jsonw_int(w, "exclusiveMinimum", field->min);
    if (field->type == FIELD_INT || field->type == FIELD_NUMBER)
        jsonw_int(w, "maximum", field->max);
}

static void put_words(struct jsonw *w, const struct field *field)
{
    if (field->words == NULL)
        return;
    jsonw_array(w, "enum");
    for (size_t i = 0; i < field->words->count; i++)
        jsonw_str(w, NULL, field->words->list[i].name);
    if ((field->flags & FIELD_NULL) != 0)
        jsonw_null(w, NULL);
    jsonw_end_array(w);
}

/* The members of a field's schema, in the object that is open. */
static void put_schema(struct jsonw *w, const struct field *field, bool wants_text)
{
    const char *type = field_types[field->type];
    if ((field->flags & FIELD_NULL) != 0) {
        jsonw_array(w, "type");
        jsonw_str(w, NULL, type);
        jsonw_str(w, NULL, "null");
        jsonw_end_array(w);
    } else {
        jsonw_str(w, "type", type);
    }
    if (field->type == FIELD_TIME)
        jsonw_str(w, "format", "date-time");
    put_words(w, field);
    put_range(w, field);
    put_items(w, field);
    if (wants_text && field->what[0] != '\0')
        jsonw_str(w, "description", field->what);
}

static void put_property(struct jsonw *w, const struct field *field)
{
    if (field->type == FIELD_OBJECT && (field->flags & FIELD_NULL) == 0) {
        put_ref(w, field->name, field->of);
        return;
    }
    jsonw_object(w, field->name);
    if (field->type == FIELD_OBJECT) {
        jsonw_array(w, "anyOf");
        put_ref(w, NULL, field->of);
        jsonw_object(w, NULL);
        jsonw_str(w, "type", "null");
        jsonw_end_object(w);
        jsonw_end_array(w);
    } else {
        put_schema(w, field, true);
    }
    jsonw_end_object(w);
}

static bool is_required(const struct shape *shape, const struct field *field)
{
    return shape->is_body ? (field->flags & FIELD_REQUIRED) != 0 : (field->flags & FIELD_SPARE) == 0;
}

static void put_shape(struct jsonw *w, const struct shape *shape)
{
    jsonw_object(w, shape->name);
    jsonw_str(w, "type", "object");
    jsonw_str(w, "description", shape->what);
    jsonw_object(w, "properties");
    for (size_t i = 0; i < shape->count; i++)
        put_property(w, &shape->fields[i]);
    jsonw_end_object(w);
    jsonw_array(w, "required");
    for (size_t i = 0; i < shape->count; i++) {
        if (is_required(shape, &shape->fields[i]))
            jsonw_str(w, NULL, shape->fields[i].name);
    }
    jsonw_end_array(w);
    jsonw_bool(w, "additionalProperties", false);
    jsonw_end_object(w);
}

#define MAX_SHAPES 100

struct shapes { const struct shape *list[MAX_SHAPES]; size_t count; };

/* This one and all that it is made of, each once. */
static void gather(struct shapes *shapes, const struct shape *shape)
{
    for (size_t i = 0; i < shapes->count; i++) {
        if (shapes->list[i] == shape)
            return;
    }
    CHECK(shapes->count < MAX_SHAPES);
    shapes->list[shapes->count++] = shape;
    for (size_t i = 0; i < shape->count; i++) {
        if (shape->fields[i].of != NULL)
            gather(shapes, shape->fields[i].of);
    }
}

static void put_schemas(struct jsonw *w)
{
    struct shapes shapes = { .count = 0 };
    gather(&shapes, &shape_error);
    for (size_t i = 0; i < admin_route_count; i++) {
        if (admin_routes[i].takes != NULL)
            gather(&shapes, admin_routes[i].takes);
        if (admin_routes[i].gives != NULL)
            gather(&shapes, admin_routes[i].gives);
    }
    jsonw_object(w, "schemas");
    for (size_t i = 0; i < shapes.count; i++)
        put_shape(w, shapes.list[i]);
    jsonw_object(w, "Scenario");
    jsonw_str(w, "type", "object");
    jsonw_str(w, "description", "A scenario file: fixtures/schema/scenario.schema.json. Comments are allowed.");
    jsonw_end_object(w);
    jsonw_end_object(w);
}

/* ---- operations ----------------------------------------------------------------------------- */

/* "/a/:id/b" as "/a/{id}/b". */
static void path_of(const struct admin_route *row, struct buf *out)
{
    for (const char *p = row->route.pattern; *p != '\0';) {
        size_t len = strcspn(p + 1, "/") + 1;
        if (p[1] == ':')
            buf_printf(out, "/{%.*s}", (int) len - 2, p + 2);
        else
            buf_add(out, p, len);
        p += len;
    }
}

static void put_path_params(struct jsonw *w, const struct admin_route *row)
{
    for (const char *p = strchr(row->route.pattern, ':'); p != NULL; p = strchr(p + 1, ':')) {
        BUF_AUTO name = BUF_INIT;
        buf_add(&name, p + 1, strcspn(p + 1, "/"));
        jsonw_object(w, NULL);
        jsonw_str(w, "name", buf_cstr(&name));
        jsonw_str(w, "in", "path");
        jsonw_bool(w, "required", true);
        jsonw_str(w, "description", admin_path_param(buf_cstr(&name)));
        jsonw_object(w, "schema");
        jsonw_str(w, "type", "string");
        jsonw_end_object(w);
        jsonw_end_object(w);
    }
}

static void put_params(struct jsonw *w, const struct admin_route *row)
{
    jsonw_array(w, "parameters");
    put_path_params(w, row);
    for (size_t i = 0; i < PARAMS; i++) {
        if ((row->params & TAKES(i)) == 0)
            continue;
        jsonw_object(w, NULL);
        jsonw_str(w, "name", admin_params[i].name);
        jsonw_str(w, "in", "query");
        jsonw_str(w, "description", admin_params[i].what);
        jsonw_object(w, "schema");
        put_schema(w, &admin_params[i], false);
        jsonw_end_object(w);
        jsonw_end_object(w);
    }
    jsonw_end_array(w);
}

static void put_content(struct jsonw *w, const char *type, const char *ref)
{
    jsonw_object(w, "content");
    jsonw_object(w, type);
    jsonw_object(w, "schema");
    if (ref != NULL)
        jsonw_str(w, "$ref", ref);
    else
        jsonw_str(w, "type", strcmp(type, ADMIN_JSON) == 0 ? "object" : "string");
    jsonw_end_object(w);
    jsonw_end_object(w);
    jsonw_end_object(w);
}

static void put_body(struct jsonw *w, const struct admin_route *row)
{
    BUF_AUTO ref = BUF_INIT;
    bool is_required_body = row->body == BODY_SCENARIO;
    if (row->body == BODY_NONE)
        return;
    for (size_t i = 0; row->takes != NULL && i < row->takes->count; i++)
        is_required_body = is_required_body || (row->takes->fields[i].flags & FIELD_REQUIRED) != 0;
    buf_printf(&ref, "#/components/schemas/%s", row->body == BODY_SCENARIO ? "Scenario" : row->takes->name);
    jsonw_object(w, "requestBody");
    jsonw_bool(w, "required", is_required_body);
    put_content(w, ADMIN_JSON, buf_cstr(&ref));
    jsonw_end_object(w);
}

static void put_answer(struct jsonw *w, int status, const char *what, const char *type, const struct shape *shape)
{
    BUF_AUTO code = BUF_INIT, ref = BUF_INIT;
    buf_printf(&code, "%d", status);
    if (shape != NULL)
        buf_printf(&ref, "#/components/schemas/%s", shape->name);
    jsonw_object(w, buf_cstr(&code));
    jsonw_str(w, "description", what);
    put_content(w, type, shape == NULL ? NULL : buf_cstr(&ref));
    jsonw_end_object(w);
}

static void put_answers(struct jsonw *w, const struct admin_route *row)
{
    const char *what = row->gives != NULL ? row->gives->what : "The text.";
    const char *type = row->gives != NULL ? ADMIN_JSON : row->type;
    jsonw_object(w, "responses");
    put_answer(w, row->status != 0 ? row->status : 200, what, type, row->gives);
    if (row->status == 201 && row->fn == admin_make_lane)
        put_answer(w, 200, "It was there.", type, row->gives);
    for (unsigned i = 0; i < ERROR_BITS; i++) {
        if ((row->errors >> i & 1) == 0)
            continue;
        int status = admin_error_status(i, &what);
        put_answer(w, status, what, ADMIN_JSON, &shape_error);
    }
    put_answer(w, 400, "Bad input; the message names the place. Nothing was changed.", ADMIN_JSON, &shape_error);
    put_answer(w, 401, "The admin token is missing or wrong.", ADMIN_JSON, &shape_error);
    put_answer(w, 503, "No memory.", ADMIN_JSON, &shape_error);
    jsonw_end_object(w);
}

static void put_operation(struct jsonw *w, const struct admin_route *row)
{
    char method[16] = "";
    for (size_t i = 0; i + 1 < sizeof method && row->route.method[i] != '\0'; i++)
        method[i] = (char) tolower((unsigned char) row->route.method[i]);
    jsonw_object(w, method);
    jsonw_str(w, "operationId", row->id);
    jsonw_array(w, "tags");
    jsonw_str(w, NULL, row->group);
    jsonw_end_array(w);
    jsonw_str(w, "summary", row->what);
    if (row->more != NULL)
        jsonw_str(w, "description", row->more);
    put_params(w, row);
    put_body(w, row);
    put_answers(w, row);
    jsonw_end_object(w);
}

static bool is_first_of_path(size_t index)
{
    for (size_t i = 0; i < index; i++) {
        if (strcmp(admin_routes[i].route.pattern, admin_routes[index].route.pattern) == 0)
            return false;
    }
    return true;
}

static void put_paths(struct jsonw *w)
{
    jsonw_object(w, "paths");
    for (size_t i = 0; i < admin_route_count; i++) {
        const char *pattern = admin_routes[i].route.pattern;
        BUF_AUTO path = BUF_INIT;
        if (admin_routes[i].what == NULL || !is_first_of_path(i))
            continue;
        path_of(&admin_routes[i], &path);
        jsonw_object(w, buf_cstr(&path));
        for (size_t k = i; k < admin_route_count; k++) {
            if (strcmp(admin_routes[k].route.pattern, pattern) == 0)
                put_operation(w, &admin_routes[k]);
        }
        jsonw_end_object(w);
    }
    jsonw_end_object(w);
}

/* ---- the document ------------------------------------------------------------------------------ */

static void put_security(struct jsonw *w)
{
    jsonw_object(w, "securitySchemes");
    jsonw_object(w, "bearer");
    jsonw_str(w, "type", "http");
    jsonw_str(w, "scheme", "bearer");
    jsonw_end_object(w);
    jsonw_object(w, "header");
    jsonw_str(w, "type", "apiKey");
    jsonw_str(w, "in", "header");
    jsonw_str(w, "name", "X-Standbox-Token");
    jsonw_end_object(w);
    jsonw_end_object(w);
}

static void put_either(struct jsonw *w)
{
    static const char *const schemes[] = { "bearer", "header" };
    jsonw_array(w, "security");
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        jsonw_object(w, NULL);
        jsonw_array(w, schemes[i]);
        jsonw_end_array(w);
        jsonw_end_object(w);
    }
    jsonw_end_array(w);
}

void admin_get_openapi(struct call *call)
{
    struct answer a;
    struct jsonw *w = &a.w;
    answer_begin(&a, call);
    jsonw_str(w, "openapi", "3.1.0");
    jsonw_object(w, "info");
    jsonw_str(w, "title", "standbox admin API");
    jsonw_str(w, "version", STANDBOX_VERSION);
    jsonw_str(w, "description", "Scripts, watches and resets a standbox mock server.");
    jsonw_end_object(w);
    jsonw_array(w, "servers");
    jsonw_object(w, NULL);
    jsonw_str(w, "url", "/");
    jsonw_end_object(w);
    jsonw_end_array(w);
    put_either(w);
    put_paths(w);
    jsonw_object(w, "components");
    put_schemas(w);
    put_security(w);
    jsonw_end_object(w);
    answer_end(&a);
}
