/* The published schema and the tables of the loader name the same members, operations and words. */
#include "tests/support/judge_kit.h"
#include "tests/support/schema_kit.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "judge/case_priv.h"
#include "judge/pattern_priv.h"

static int read_schema(void **state)
{
    *state = schema_read("case.schema.json");
    return *state == NULL ? -1 : 0;
}

static int free_schema(void **state)
{
    json_free(*state);
    return 0;
}

/* Is `property` the definition `name`, or one of the forms that the kind has of its own? */
static void check_kind(const char *what, const struct cJSON *property, enum kind kind)
{
    static const char *const names[KINDS] = {
        [KIND_STRINGS] = "strings", [KIND_STRING_MAP] = "string_map", [KIND_BOOL] = "bool",
        [KIND_INT] = "int",         [KIND_COUNT] = "count",           [KIND_NUMBER] = "number",
        [KIND_OUTPUT] = "output",   [KIND_DATA] = "data",             [KIND_SIGNAL] = "signal",
        [KIND_CURSOR] = "cursor",   [KIND_STD] = "std",
    };
    const struct cJSON *ref = json_get(property, "$ref");
    if (names[kind] == NULL || ref == NULL)
        return;
    const char *wanted = names[kind], *seen = strrchr(kit_text(property, "$ref"), '/') + 1;
    if (strcmp(wanted, seen) != 0)
        fail_msg("%s: the schema says %s, the loader %s", what, seen, wanted);
}

static void same_shape(const struct cJSON *node, const struct shape *shape)
{
    const struct cJSON *properties = json_get(node, "properties"), *required = json_get(node, "required");
    int count = 0, needed = 0;
    assert_true(cJSON_IsFalse(json_get(node, "additionalProperties")));
    for (size_t i = 0; i < SHAPE_MEMBERS && shape->members[i].name != NULL; i++, count++) {
        const struct member *member = &shape->members[i];
        const struct cJSON *property = json_get(properties, member->name);
        if (property == NULL)
            fail_msg("%s: the schema lacks \"%s\"", shape->name, member->name);
        if (schema_lists(required, member->name) != member->required)
            fail_msg("%s: \"%s\" is required in only one of both", shape->name, member->name);
        check_kind(member->name, property, member->kind);
        needed += member->required;
    }
    if (cJSON_GetArraySize(properties) != count || cJSON_GetArraySize(required) != needed)
        fail_msg("%s: the schema has more members, or requires more", shape->name);
}

static void objects_have_the_same_members(void **state)
{
    for (size_t i = 0; i < case_shape_count; i++)
        same_shape(schema_definition(*state, case_shapes[i]->name), case_shapes[i]);
}

/* ---- steps --------------------------------------------------------------------------------- */

static void same_op(const struct cJSON *node, const struct step_op *op)
{
    const struct cJSON *properties = json_get(node, "properties"), *required = json_get(node, "required");
    int count = 0;
    assert_true(cJSON_IsFalse(json_get(node, "additionalProperties")));
    assert_string_equal(kit_text(json_get(properties, "op"), "const"), op->name);
    for (size_t i = 0; i < SHAPE_MEMBERS && case_shape_step.members[i].name != NULL; i++, count++)
        assert_non_null(json_get(properties, case_shape_step.members[i].name));
    for (size_t i = 0; i < OP_ARGS && op->args[i].name != NULL; i++, count++) {
        const struct cJSON *property = json_get(properties, op->args[i].name);
        if (property == NULL)
            fail_msg("%s: the schema lacks \"%s\"", op->name, op->args[i].name);
        check_kind(op->args[i].name, property, op->args[i].kind);
    }
    if (cJSON_GetArraySize(properties) != count)
        fail_msg("%s: the schema has %d members, the loader %d", op->name, cJSON_GetArraySize(properties), count);
    assert_int_equal(cJSON_GetArraySize(required), 2 + (op->required[0] != NULL) + (op->required[1] != NULL));
    for (size_t i = 0; i < COUNT(op->required) && op->required[i] != NULL; i++)
        assert_true(schema_lists(required, op->required[i]));
    assert_true((json_get(node, "oneOf") != NULL) == (op->one_of[0] != NULL));
}

static void operations_have_the_same_arguments(void **state)
{
    const struct cJSON *forms = json_get(schema_definition(*state, "step"), "anyOf");
    for (size_t i = 0; i < steps_op_count; i++) {
        char name[60];
        snprintf(name, sizeof name, "step_%s", steps_ops[i].name);
        same_op(schema_definition(*state, name), &steps_ops[i]);
        snprintf(name, sizeof name, "#/$defs/step_%s", steps_ops[i].name);
        assert_string_equal(kit_text(cJSON_GetArrayItem(forms, (int) i), "$ref"), name);
    }
    assert_int_equal(cJSON_GetArraySize(forms), (int) steps_op_count + 1); /* the operation may be an axis */
}

/* ---- actions, operators, words ------------------------------------------------------------- */

static void actions_are_the_same(void **state)
{
    const struct cJSON *forms = json_get(schema_definition(*state, "action"), "anyOf"), *form;
    assert_int_equal(cJSON_GetArraySize(forms), (int) case_action_shape_count);
    cJSON_ArrayForEach(form, forms)
    {
        const struct cJSON *properties = json_get(form, "properties");
        bool found = false;
        for (size_t i = 0; i < case_action_shape_count; i++)
            found |= json_get(properties, case_action_shapes[i].name) != NULL;
        assert_true(found && cJSON_GetArraySize(properties) == 1 &&
                    cJSON_GetArraySize(json_get(form, "required")) == 1);
    }
}

static void operators_are_the_same(void **state)
{
    const struct cJSON *properties = json_get(schema_definition(*state, "operators"), "properties");
    assert_int_equal(cJSON_GetArraySize(properties), (int) pattern_op_count);
    for (size_t i = 0; i < pattern_op_count; i++) {
        if (json_get(properties, pattern_ops[i].name) == NULL)
            fail_msg("the schema lacks %s", pattern_ops[i].name);
    }
    const struct cJSON *types = json_get(json_get(properties, "$type"), "enum");
    assert_int_equal(cJSON_GetArraySize(types), PATTERN_TYPES);
    for (size_t i = 0; i < PATTERN_TYPES; i++)
        assert_true(schema_lists(types, pattern_types[i]));
}

/* A case with `word` between `before` and `after`. */
static char *case_with(const char *before, const char *word, const char *after)
{
    char *text;
    assert_true(asprintf(&text, "%s%s%s", before, word, after) > 0);
    return text;
}

/* Every word of the schema's list is taken in a case, and another is not. */
static void words_are_taken(const struct cJSON *words, const char *before, const char *after)
{
    void *folder = NULL;
    const struct cJSON *word;
    assert_true(cJSON_GetArraySize(words) > 1);
    assert_int_equal(kit_folder_new(&folder), 0);
    cJSON_ArrayForEach(word, words)
    {
        char *text = case_with(before, word->valuestring, after);
        case_list_free(kit_load(folder, text));
        free(text);
    }
    char *text = case_with(before, "another", after);
    kit_refused(folder, text, "exec.json:2:");
    free(text);
    kit_folder_free(&folder);
}

#define CASE_WITH_TAG     "{'id': 'c', 'requirement': 'x', 'source': ['x'], " KIT_WITNESS ", " KIT_STEPS ", 'tag': '"
#define CASE_WITH(member) "{'id': 'c', " KIT_HEAD ", " KIT_WITNESS ", " KIT_STEPS ", " member

static void words_are_the_same(void **state)
{
    const struct cJSON *properties = json_get(schema_definition(*state, "case"), "properties");
    words_are_taken(json_get(json_get(properties, "tag"), "enum"), CASE_WITH_TAG, "'}");
    words_are_taken(json_get(json_get(properties, "severity"), "enum"), CASE_WITH("'severity': '"), "'}");
    words_are_taken(json_get(json_get(json_get(properties, "journal"), "items"), "enum"), CASE_WITH("'journal': ['"),
                    "']}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_have_the_same_members),
        cmocka_unit_test(operations_have_the_same_arguments),
        cmocka_unit_test(actions_are_the_same),
        cmocka_unit_test(operators_are_the_same),
        cmocka_unit_test(words_are_the_same),
    };
    return cmocka_run_group_tests(tests, read_schema, free_schema);
}
