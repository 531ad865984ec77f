/* The published schema of result documents and the tables of results_check name the same members and words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "report/shapes.h"
#include "tests/support/schema_kit.h"

static int read_schema(void **state)
{
    *state = schema_read("results.schema.json");
    return *state == NULL ? -1 : 0;
}

static int free_schema(void **state)
{
    json_free(*state);
    return 0;
}

/* What a member's schema says it is: "string", "array" ...; of one that may be null, too, the other word. */
static const char *type_of(const cJSON *node)
{
    const cJSON *type = json_get(node, "type");
    if (json_get(node, "enum") != NULL)
        return "string";
    if (json_get(node, "anyOf") != NULL || json_get(node, "$ref") != NULL)
        return "object";
    return cJSON_IsString(type) ? type->valuestring : cJSON_GetArrayItem(type, 0)->valuestring;
}

static const char *type_wanted(enum shape shape)
{
    switch (shape) {
    case SHAPE_TEXT:
    case SHAPE_NAME: return "string";
    case SHAPE_NUMBER: return "number";
    case SHAPE_FLAG: return "boolean";
    case SHAPE_OBJECT: return "object";
    case SHAPE_TEXTS:
    case SHAPE_NUMBERS:
    case SHAPE_NOTES:
    case SHAPE_OBJECTS: break;
    }
    return "array";
}

static void compare_words(const cJSON *node, const struct member *m)
{
    const cJSON *words = json_get(node, "enum");
    int count = 0;
    for (; m->words != NULL && m->words[count] != NULL; count++) {
        if (!schema_lists(words, m->words[count]))
            fail_msg("%s: the schema lacks the word %s", m->name, m->words[count]);
    }
    /* null is one more where the member may be absent. */
    assert_int_equal(cJSON_GetArraySize(words), count == 0 ? 0 : count + !m->is_needed);
}

static const cJSON *follow(const cJSON *schema, const cJSON *node)
{
    const cJSON *any = json_get(node, "anyOf"), *ref = json_get(node, "$ref");
    if (json_get(node, "items") != NULL)
        return follow(schema, json_get(node, "items"));
    if (any != NULL)
        return follow(schema, cJSON_GetArrayItem(any, 0));
    assert_true(cJSON_IsString(ref));
    assert_int_equal(strncmp(ref->valuestring, "#/$defs/", 8), 0);
    return json_get(json_get(schema, "$defs"), ref->valuestring + 8);
}

/* Returns how many members were compared, below it, too. */
static size_t compare(const cJSON *schema, const cJSON *node, const struct member *members, const char *name)
{
    const cJSON *properties = json_get(node, "properties"), *required = json_get(node, "required");
    size_t count = 0;
    for (const struct member *m = members; m->name != NULL; m++) {
        const cJSON *property = json_get(properties, m->name);
        if (property == NULL)
            fail_msg("%s: the schema lacks \"%s\"", name, m->name);
        if (schema_lists(required, m->name) != m->is_needed)
            fail_msg("%s: \"%s\" is required in only one of both", name, m->name);
        if (json_get(property, "description") == NULL)
            fail_msg("%s: \"%s\" has no description", name, m->name);
        assert_string_equal(type_of(property), type_wanted(m->shape));
        compare_words(property, m);
        count++;
        if (m->of != NULL)
            count += compare(schema, follow(schema, property), m->of, m->name);
    }
    return count;
}

static void schema_and_tables_agree(void **state)
{
    const cJSON *version = json_get(json_get(*state, "properties"), "standbox_results");
    assert_int_equal(json_get(version, "const")->valueint, 1);
    assert_true(compare(*state, *state, shapes_document, "the document") > 100);
}

/* Members that only the schema has: the version, and what may be any JSON. */
static size_t count_extra(const cJSON *schema, const cJSON *node, const struct member *members)
{
    size_t extra = (size_t) cJSON_GetArraySize(json_get(node, "properties"));
    for (const struct member *m = members; m->name != NULL; m++) {
        extra--;
        if (m->of != NULL)
            extra += count_extra(schema, follow(schema, json_get(json_get(node, "properties"), m->name)), m->of);
    }
    return extra;
}

static void the_schema_has_no_members_that_nobody_checks(void **state)
{
    /* standbox_results; input, expect, outcome of a step */
    assert_int_equal(count_extra(*state, *state, shapes_document), 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schema_and_tables_agree),
        cmocka_unit_test(the_schema_has_no_members_that_nobody_checks),
    };
    return cmocka_run_group_tests(tests, read_schema, free_schema);
}
