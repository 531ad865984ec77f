/* The published schema and the tables of the reader name the same keys and words. */
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
#include "base/file.h"
#include "base/json.h"
#include "base/jsonc.h"
#include "scenario/fault.h"
#include "scenario/reader.h"

static int read_schema(void **state)
{
    const char *fixtures = getenv("STANDBOX_FIXTURES");
    BUF_AUTO path = BUF_INIT;
    BUF_AUTO text = BUF_INIT;
    struct err err = ERR_INIT;
    buf_printf(&path, "%s/schema/scenario.schema.json", fixtures != NULL ? fixtures : ".");
    *state = NULL;
    if (file_read(&text, buf_cstr(&path), JSONC_MAX_BYTES, &err) == 0 &&
        (*state = json_parse(buf_cstr(&text), text.len, &err)) == NULL)
        err_wrap(&err, "%s", buf_cstr(&path));
    if (*state == NULL)
        print_error("%s%s\n", err.text, fixtures != NULL ? "" : " (STANDBOX_FIXTURES is not set)");
    return *state == NULL ? -1 : 0;
}

static int free_schema(void **state)
{
    json_free(*state);
    return 0;
}

static const struct cJSON *definition(void **state, const char *name)
{
    const struct cJSON *found = *name == '\0' ? *state : json_get(json_get(*state, "$defs"), name);
    if (found == NULL)
        fail_msg("the schema has no $defs/%s", name);
    return found;
}

static bool has_text(const struct cJSON *list, const char *text)
{
    const struct cJSON *item;
    cJSON_ArrayForEach(item, list)
    {
        if (cJSON_IsString(item) && strcmp(item->valuestring, text) == 0)
            return true;
    }
    return false;
}

/* Same keys, same required ones, and no others allowed. */
static void compare(const struct cJSON *node, const char *name, const struct key *keys, size_t count)
{
    const struct cJSON *properties = json_get(node, "properties"), *required = json_get(node, "required");
    assert_true(cJSON_IsFalse(json_get(node, "additionalProperties")));
    if ((size_t) cJSON_GetArraySize(properties) != count)
        fail_msg("%s: the schema has %d keys, the reader %zu", name, cJSON_GetArraySize(properties), count);
    int needed = 0;
    for (size_t i = 0; i < count; i++) {
        if (json_get(properties, keys[i].name) == NULL)
            fail_msg("%s: the schema lacks \"%s\"", name, keys[i].name);
        if (has_text(required, keys[i].name) != keys[i].required)
            fail_msg("%s: \"%s\" is required in only one of both", name, keys[i].name);
        needed += keys[i].required;
    }
    assert_int_equal(cJSON_GetArraySize(required), needed);
}

static void both_name_the_same_keys(void **state)
{
    for (size_t i = 0; i < reader_table_count; i++) {
        const struct keys *keys = reader_tables[i];
        compare(definition(state, keys->schema), keys->what, keys->list, keys->count);
    }
}

static void both_name_the_same_words(void **state)
{
    static const struct {
        const char *name;
        const struct words *words;
        int more; /* in the schema only: groups of operations */
        int less; /* in the table only: gRPC's OK */
    } rows[] = { { "op", &vocab_ops, 3, 0 },           { "dialect", &vocab_dialects, 0, 0 },
                 { "fact", &vocab_facts, 0, 0 },       { "errno", &vocab_errnos, 0, 0 },
                 { "grpc_status", &vocab_grpc, 0, 1 }, { "http2_code", &vocab_http2, 0, 0 } };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct cJSON *list = json_get(definition(state, rows[i].name), "enum");
        assert_int_equal(cJSON_GetArraySize(list), (int) rows[i].words->count + rows[i].more - rows[i].less);
        for (size_t k = 0; k < rows[i].words->count; k++) {
            const char *word = rows[i].words->list[k].name;
            if (!has_text(list, word) && strcmp(word, "OK") != 0)
                fail_msg("%s: the schema lacks \"%s\"", rows[i].name, word);
        }
    }
}

static void check_bounds(const struct cJSON *node, const struct fault_param *param)
{
    if (param->type != PARAM_INT)
        return;
    assert_true((int64_t) json_get(node, "minimum")->valuedouble == param->min);
    assert_true((int64_t) json_get(node, "maximum")->valuedouble == param->max);
}

static void both_name_the_same_faults(void **state)
{
    const struct cJSON *fault = json_get(definition(state, "fault"), "anyOf");
    const struct cJSON *plain = json_get(cJSON_GetArrayItem(fault, 0), "enum");
    assert_int_equal(cJSON_GetArraySize(fault), FAULT_KINDS);
    for (size_t kind = FAULT_REPLY + 1; kind < FAULT_KINDS; kind++) {
        const struct fault_info *info = fault_info_of((enum fault_kind) kind);
        struct key keys[1 + FAULT_MAX_PARAMS] = { { "kind", NULL, true } };
        char name[80];
        size_t count = 1;
        bool needs = false;
        snprintf(name, sizeof name, "fault_%s", info->name);
        const struct cJSON *node = definition(state, name);
        for (; count <= FAULT_MAX_PARAMS && info->params[count - 1].name != NULL; count++) {
            const struct fault_param *param = &info->params[count - 1];
            keys[count] = (struct key){ param->name, NULL, param->required };
            needs |= param->required;
            check_bounds(json_get(json_get(node, "properties"), param->name), param);
        }
        compare(node, info->name, keys, count);
        assert_true(has_text(plain, info->name) == !needs);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_name_the_same_keys),
        cmocka_unit_test(both_name_the_same_words),
        cmocka_unit_test(both_name_the_same_faults),
    };
    return cmocka_run_group_tests(tests, read_schema, free_schema);
}
