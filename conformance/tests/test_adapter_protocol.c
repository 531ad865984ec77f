/* The protocol in code says what the published schema says, and names the place of what breaks it. */
#include "tests/link_support.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <regex.h>

#include "base/json.h"
#include "link/protocol.h"
#include "tests/support/schema_kit.h"

/* ---- the schema ------------------------------------------------------------------------ */

static struct cJSON *schema;

static int read_schema(void **state)
{
    (void) state;
    schema = schema_read("adapter.schema.json");
    return schema == NULL ? -1 : 0;
}

static int free_schema(void **state)
{
    (void) state;
    json_free(schema);
    return 0;
}

/* ---- a reader of schemas, as far as ours go --------------------------------------------- */

static bool fits(const struct cJSON *node, const struct cJSON *rule);

static bool is_type(const struct cJSON *node, const char *type)
{
    if (strcmp(type, "integer") == 0)
        return cJSON_IsNumber(node) && node->valuedouble == floor(node->valuedouble);
    static const struct {
        const char *name;
        cJSON_bool (*is)(const cJSON *node);
    } types[] = { { "string", cJSON_IsString }, { "number", cJSON_IsNumber }, { "boolean", cJSON_IsBool },
                  { "object", cJSON_IsObject }, { "array", cJSON_IsArray },   { "null", cJSON_IsNull } };
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (strcmp(types[i].name, type) == 0)
            return types[i].is(node);
    }
    fail_msg("the schema has a type %s", type);
    return false;
}

static bool fits_type(const struct cJSON *node, const struct cJSON *type)
{
    const struct cJSON *item;
    if (cJSON_IsString(type))
        return is_type(node, type->valuestring);
    cJSON_ArrayForEach(item, type)
    {
        if (is_type(node, item->valuestring))
            return true;
    }
    return false;
}

static bool fits_any(const struct cJSON *node, const struct cJSON *rules)
{
    const struct cJSON *rule;
    cJSON_ArrayForEach(rule, rules)
    {
        if (fits(node, rule))
            return true;
    }
    return false;
}

static bool fits_required(const struct cJSON *node, const struct cJSON *names)
{
    const struct cJSON *name;
    cJSON_ArrayForEach(name, names)
    {
        if (cJSON_IsObject(node) && !cJSON_HasObjectItem(node, name->valuestring))
            return false;
    }
    return true;
}

static bool fits_properties(const struct cJSON *node, const struct cJSON *rules)
{
    const struct cJSON *rule;
    cJSON_ArrayForEach(rule, rules)
    {
        const struct cJSON *member = cJSON_GetObjectItemCaseSensitive(node, rule->string);
        if (member != NULL && !fits(member, rule))
            return false;
    }
    return true;
}

static bool fits_items(const struct cJSON *node, const struct cJSON *rule)
{
    const struct cJSON *item;
    if (cJSON_IsArray(node)) {
        cJSON_ArrayForEach(item, node)
        {
            if (!fits(item, rule))
                return false;
        }
    }
    return true;
}

static bool fits_pattern(const struct cJSON *node, const struct cJSON *pattern)
{
    regex_t regex;
    if (!cJSON_IsString(node))
        return true;
    assert_int_equal(regcomp(&regex, pattern->valuestring, REG_EXTENDED | REG_NOSUB), 0);
    int result = regexec(&regex, node->valuestring, 0, NULL, 0);
    regfree(&regex);
    return result == 0;
}

static bool fits_reference(const struct cJSON *node, const struct cJSON *reference)
{
    static const char prefix[] = "#/$defs/";
    assert_memory_equal(reference->valuestring, prefix, strlen(prefix));
    return fits(node, schema_definition(schema, reference->valuestring + strlen(prefix)));
}

static bool fits_minimum(const struct cJSON *node, const struct cJSON *limit)
{
    return !cJSON_IsNumber(node) || node->valuedouble >= limit->valuedouble;
}

static bool fits_maximum(const struct cJSON *node, const struct cJSON *limit)
{
    return !cJSON_IsNumber(node) || node->valuedouble <= limit->valuedouble;
}

static bool fits_const(const struct cJSON *node, const struct cJSON *value)
{
    return cJSON_Compare(node, value, true);
}

static bool fits_enum(const struct cJSON *node, const struct cJSON *values)
{
    return cJSON_IsString(node) && schema_lists(values, node->valuestring);
}

static bool fits(const struct cJSON *node, const struct cJSON *rule)
{
    static const struct {
        const char *name;
        bool (*fits)(const struct cJSON *node, const struct cJSON *value);
    } keywords[] = {
        { "$ref", fits_reference },    { "type", fits_type },       { "anyOf", fits_any },
        { "required", fits_required }, { "items", fits_items },     { "properties", fits_properties },
        { "const", fits_const },       { "enum", fits_enum },       { "pattern", fits_pattern },
        { "minimum", fits_minimum },   { "maximum", fits_maximum },
    };
    static const char *const remarks[] = { "description", "examples", "title",   "$schema",
                                           "$comment",    "$defs",    "x-values" };
    const struct cJSON *keyword;
    size_t known = 0;
    for (size_t i = 0; i < sizeof keywords / sizeof keywords[0]; i++) {
        const struct cJSON *value = cJSON_GetObjectItemCaseSensitive(rule, keywords[i].name);
        known += value != NULL;
        if (value != NULL && !keywords[i].fits(node, value))
            return false;
    }
    for (size_t i = 0; i < sizeof remarks / sizeof remarks[0]; i++)
        known += cJSON_HasObjectItem(rule, remarks[i]) ? 1 : 0;
    keyword = rule->child;
    if (known != (size_t) cJSON_GetArraySize(rule))
        fail_msg("the schema uses a keyword that this test does not know, beside %s", keyword->string);
    return true;
}

/* ---- tables ---------------------------------------------------------------------------- */

static void both_name_the_same_members(void **state)
{
    (void) state;
    for (size_t i = 0; i < protocol_word_count; i++) {
        const struct word *word = protocol_words[i];
        const struct cJSON *node = schema_definition(schema, word->name), *properties = json_get(node, "properties");
        bool is_line = json_get(properties, "type") != NULL && json_get(json_get(properties, "type"), "const") != NULL;
        int required = is_line ? 1 : 0;
        if ((size_t) cJSON_GetArraySize(properties) != word->count + (is_line ? 1 : 0))
            fail_msg("%s: the schema has %d members, the table %zu", word->name, cJSON_GetArraySize(properties),
                     word->count);
        for (size_t k = 0; k < word->count; k++) {
            if (json_get(properties, word->members[k].name) == NULL)
                fail_msg("%s: the schema lacks \"%s\"", word->name, word->members[k].name);
            if (schema_lists(json_get(node, "required"), word->members[k].name) != word->members[k].required)
                fail_msg("%s: \"%s\" is required in only one of both", word->name, word->members[k].name);
            required += word->members[k].required;
        }
        assert_int_equal(cJSON_GetArraySize(json_get(node, "required")), required);
    }
}

static void both_name_the_same_operations(void **state)
{
    (void) state;
    const struct cJSON *ops = json_get(schema_definition(schema, "op"), "enum"), *values = json_get(schema, "x-values");
    const struct cJSON *capabilities = json_get(schema_definition(schema, "capability"), "examples");
    size_t fine = 0, with_value = 0;
    assert_int_equal(cJSON_GetArraySize(ops), protocol_op_count);
    for (size_t i = 0; i < protocol_op_count; i++) {
        const struct protocol_op *op = &protocol_ops[i];
        char reference[100] = "";
        if (op->value != NULL)
            snprintf(reference, sizeof reference, "#/$defs/%s", op->value->name);
        with_value += op->value != NULL;
        const struct cJSON *node = json_get(json_get(values, op->name), "$ref");
        if (!schema_lists(ops, op->name) || !schema_lists(capabilities, op->name) ||
            strcmp(node == NULL ? "" : node->valuestring, reference) != 0)
            fail_msg("%s: not the same in the schema", op->name);
    }
    assert_int_equal(cJSON_GetArraySize(values), with_value);
    for (; protocol_fine_capabilities[fine] != NULL; fine++) {
        if (!schema_lists(capabilities, protocol_fine_capabilities[fine]))
            fail_msg("the schema lacks the capability %s", protocol_fine_capabilities[fine]);
    }
    assert_int_equal(cJSON_GetArraySize(capabilities), protocol_op_count + fine);
}

/* ---- the same verdict on every line ----------------------------------------------------- */

static const char *const good_lines[] = {
    "{\"type\":\"hello\",\"version\":1,\"name\":\"n\",\"language\":\"c\",\"client_version\":\"1\","
    "\"issues\":\"https://x\",\"vendors\":[\"v\"],\"capabilities\":[\"exec\"],\"max_in_flight\":2}",
    "{\"type\":\"at\",\"seq\":1,\"step\":\"s\"}",
    "{\"type\":\"skipped\",\"seq\":1,\"message\":\"m\",\"issue_url\":\"u\"}",
    "{\"type\":\"errored\",\"seq\":1,\"message\":\"m\",\"traceback\":\"t\"}",
    "{\"type\":\"result\",\"seq\":1,\"outcomes\":[]}",
    "{\"type\":\"result\",\"seq\":1,\"outcomes\":[{\"step\":\"a\",\"skipped\":\"no handle\"},"
    "{\"step\":\"b\",\"value\":{},\"error\":{\"kind\":\"incomplete\"}}]}",
    "{\"type\":\"result\",\"seq\":1,\"outcomes\":[{\"step\":\"a\",\"value\":{\"id\":\"i\",\"status\":\"s\","
    "\"exit_code\":0,\"pid\":1,\"command\":\"c\",\"cwd\":\"/\",\"stdout\":\"o\","
    "\"stderr\":{\"base64\":\"QUI=\"},\"started_at\":1.5,"
    "\"completed_at\":\"t\",\"error\":{\"any\":[1]}}}]}",
    "{\"type\":\"result\",\"seq\":1,\"outcomes\":[{\"step\":\"a\",\"value\":{\"ended\":true,"
    "\"data\":[\"a\",{\"base64\":\"\"}],\"line\":\"l\",\"items\":[{\"id\":\"i\",\"status\":\"s\"}],"
    "\"cursor\":\"c\",\"events\":[{\"type\":\"stdout\",\"data\":\"d\",\"seq\":1,\"timestamp\":2},"
    "{\"type\":\"exit\",\"result\":{\"exit_code\":1}}]}}]}",
    "{\"type\":\"result\",\"seq\":1,\"outcomes\":[{\"step\":\"a\",\"error\":{\"kind\":\"conflict\",\"class\":\"C\","
    "\"message\":\"m\",\"status\":409,\"code\":\"c\",\"service\":\"s\",\"retryable\":false,\"request_id\":\"r\","
    "\"definite\":true,\"details\":{\"a\":[null]}}}]}",
};

static const char *const odd_values[] = {
    "null", "true", "1", "-1", "1.5", "99", "600", "9007199254740992", "1e300", "\"\"", "\"x\"", "\"QUI=\"",
    "\"stdout\"", "\"timeout\"", "{}", "[]", "[1]", "[\"x\"]", "[{}]", "[[]]", "[null]",
    "{\"base64\":\"QUI=\"}", "{\"base64\":\"QUI\"}",
    "{\"base64\":1}", "{\"base64\":null}", "{\"kind\":\"other\"}", "{\"kind\":null}", "[{\"base64\":\"?\"}]",
    "[{\"base64\":\"QUJD\"}]", "[{\"type\":\"exit\"}]", "[{\"step\":\"q\",\"skipped\":\"s\"}]",
};

struct tally {
    size_t taken, refused;
};

/* By the code, whole form; says nothing of why. */
static bool code_takes(const struct buf *text, struct err *err)
{
    enum protocol_type type;
    struct cJSON *json = protocol_read(text->data, text->len, &type, err);
    bool takes = json != NULL && protocol_check(json, type, NULL, err) == 0;
    json_free(json);
    return takes;
}

static void compare(const struct cJSON *line, struct tally *tally)
{
    BUF_AUTO text = BUF_INIT;
    struct err err = ERR_INIT;
    json_print(&text, line);
    bool by_code = code_takes(&text, &err), by_schema = fits(line, schema);
    if (by_code != by_schema)
        fail_msg("%s: the schema %s it, the code %s it (%s)", buf_cstr(&text), by_schema ? "takes" : "refuses",
                 by_code ? "takes" : "refuses", err.text);
    if (!by_code && err.code != ERR_INVALID)
        fail_msg("%s: %s", buf_cstr(&text), err.text);
    tally->taken += by_code;
    tally->refused += !by_code;
}

/* Put each odd value in the place of `node`, a part of `line`, then take it away; afterwards all is as before. */
static void disturb(struct cJSON *line, struct cJSON *parent, struct cJSON *node, struct tally *tally)
{
    for (size_t i = 0; i < sizeof odd_values / sizeof odd_values[0]; i++) {
        struct cJSON *odd = cJSON_Parse(odd_values[i]);
        struct cJSON before = *node;
        assert_non_null(odd);
        node->type = odd->type;
        node->valuestring = odd->valuestring;
        node->valuedouble = odd->valuedouble;
        node->child = odd->child;
        compare(line, tally);
        *node = before;
        cJSON_Delete(odd);
    }
    struct cJSON *next = node->next;
    cJSON_DetachItemViaPointer(parent, node);
    compare(line, tally);
    if (next == NULL && cJSON_IsObject(parent))
        cJSON_AddItemToObject(parent, node->string, node);
    else if (next == NULL)
        cJSON_AddItemToArray(parent, node);
    else { /* in front of the next, by hand: cJSON has this for arrays alone */
        node->next = next;
        node->prev = next->prev;
        next->prev = node;
        if (parent->child == next)
            parent->child = node;
        else
            node->prev->next = node;
    }
}

static void disturb_all(struct cJSON *line, struct cJSON *parent, struct tally *tally)
{
    for (struct cJSON *node = parent->child; node != NULL; node = node->next) {
        disturb(line, parent, node, tally);
        disturb_all(line, node, tally);
    }
}

static void code_and_schema_agree_on_thousands_of_lines(void **state)
{
    (void) state;
    struct tally all = { 0, 0 };
    for (size_t i = 0; i < sizeof good_lines / sizeof good_lines[0]; i++) {
        struct cJSON *line = cJSON_Parse(good_lines[i]);
        struct tally good = { 0, 0 };
        assert_non_null(line);
        compare(line, &good);
        if (good.taken != 1)
            fail_msg("refused: %s", good_lines[i]);
        disturb_all(line, line, &all);
        compare(line, &good);
        assert_int_equal(good.taken, 2);
        cJSON_Delete(line);
    }
    if (all.taken < 500 || all.refused < 1000)
        fail_msg("only %zu taken, %zu refused", all.taken, all.refused);
}

static void what_we_send_is_what_the_schema_says(void **state)
{
    (void) state;
    struct cJSON *run = make_run(3, 10), *hello = cJSON_Parse("{\"type\":\"hello\",\"version\":1}");
    assert_true(fits(run, schema_definition(schema, "run")));
    assert_true(fits(hello, schema_definition(schema, "suite_hello")));
    cJSON_DeleteItemFromObject(run, "client");
    assert_false(fits(run, schema_definition(schema, "run")));
    json_free(run);
    cJSON_Delete(hello);
}

/* ---- against the run -------------------------------------------------------------------- */

static const char run_text[] =
    "{\"type\":\"run\",\"seq\":1,\"steps\":[{\"step\":\"box\",\"op\":\"sandbox.create\"},"
    "{\"step\":\"s\",\"op\":\"stream\",\"background\":true},{\"step\":\"j\",\"op\":\"join\",\"of\":\"s\"},"
    "{\"step\":\"l\",\"op\":\"list\"}]}";

static void assert_judged(const char *outcomes, const char *complaint)
{
    BUF_AUTO text = BUF_INIT;
    struct err err = ERR_INIT;
    enum protocol_type type;
    struct cJSON *run = json_parse(run_text, strlen(run_text), &err);
    buf_printf(&text, "{\"type\":\"result\",\"seq\":1,\"outcomes\":%s}", outcomes);
    struct cJSON *line = protocol_read(text.data, text.len, &type, &err);
    if (line == NULL)
        fail_msg("%s: %s", outcomes, err.text);
    int result = protocol_check(line, type, run, &err);
    if (complaint == NULL && result < 0)
        fail_msg("%s: %s", outcomes, err.text);
    if (complaint != NULL && (result == 0 || strcmp(err.text, complaint) != 0))
        fail_msg("%s: \"%s\" instead of \"%s\"", outcomes, err.text, complaint);
    json_free(line);
    json_free(run);
}

#define BOX  "{\"step\":\"box\",\"value\":{\"id\":\"i\"}}"
#define JOIN "{\"step\":\"j\",\"value\":{\"events\":[]},\"error\":{\"kind\":\"incomplete\"}}"
#define LIST "{\"step\":\"l\",\"value\":{\"items\":[]}}"

static void outcomes_are_held_to_their_steps(void **state)
{
    (void) state;
    assert_judged("[" BOX "," JOIN "," LIST "]", NULL);
    assert_judged("[" BOX ",{\"step\":\"s\",\"value\":{\"events\":[]}}," JOIN "," LIST "]", NULL);
    assert_judged("[" BOX "," LIST "]", "/outcomes: step \"j\" has no outcome");
    assert_judged("[" BOX "," BOX "," JOIN "," LIST "]", "/outcomes/1/step: this step has an outcome already");
    assert_judged("[" BOX "," JOIN "," LIST ",{\"step\":\"z\",\"skipped\":\"\"}]",
                  "/outcomes/3/step: the run has no step of this name");
    assert_judged("[" BOX "," JOIN ",{\"step\":\"l\",\"value\":{}}]", "/outcomes/2/value: \"items\" is missing");
    assert_judged("[{\"step\":\"box\",\"value\":{\"id\":7}}," JOIN "," LIST "]",
                  "/outcomes/0/value/id: must be a string, not an integer");
    assert_judged("[{\"step\":\"box\",\"value\":{},\"error\":{\"kind\":\"other\"}}," JOIN "," LIST "]",
                  "/outcomes/0: \"value\" and \"error\" together: only stream and read may have both");
    assert_judged("[" BOX ",{\"step\":\"j\",\"value\":{\"events\":[{\"type\":\"exit\",\"result\":"
                  "{\"stdout\":{\"base64\":\"*\"}}}]}}," LIST "]",
                  "/outcomes/1/value/events/0/result/stdout/base64: is not base64");
    assert_judged("[{\"step\":\"box\",\"error\":{\"kind\":\"timed_out\"}}," JOIN "," LIST "]",
                  "/outcomes/0/error/kind: \"timed_out\" is none of invalid, unauthenticated, forbidden, not_found, "
                  "timeout, conflict, gone, too_large, rate_limited, unavailable, server, connection, malformed, "
                  "incomplete, output_limit, check_failed, cancelled, unsupported, other");
}

/* The runner reads adapters that are newer than it: the outer form is what it needs. */
static void the_outer_form_is_lenient_with_values(void **state)
{
    (void) state;
    static const char line[] = "{\"type\":\"result\",\"seq\":1,\"outcomes\":[{\"step\":\"a\",\"value\":"
                               "{\"exit_code\":\"0\"}},{\"step\":\"b\",\"error\":{\"kind\":\"new kind\"}}],\"more\":1}";
    enum protocol_type type;
    struct err err = ERR_INIT;
    struct cJSON *json = protocol_read(line, strlen(line), &type, &err);
    assert_non_null(json);
    assert_int_equal(type, PROTOCOL_RESULT);
    assert_int_equal(protocol_seq(json), 1);
    assert_int_equal(protocol_check(json, type, NULL, &err), -1);
    assert_string_equal(err.text, "/outcomes/0/value/exit_code: must be an integer, not a string");
    json_free(json);
}

static void json_is_printed_as_it_was_read(void **state)
{
    (void) state;
    static const char text[] = "{\"a\\u0000\":[\"\\u0000x\\\"\\n\",0.1,-0,1e21,"
                               "9007199254740993,true,null,{}],\"\\u20ac\":[]}";
    static const char printed[] = "{\"a\\u0000\":[\"\\u0000x\\\"\\n\",0.1,-0,1e+21,"
                                  "9007199254740992,true,null,{}],\"\\u20ac\":[]}";
    BUF_AUTO out = BUF_INIT;
    struct err err = ERR_INIT;
    struct cJSON *json = json_parse(text, strlen(text), &err);
    assert_non_null(json);
    json_print(&out, json);
    assert_string_equal(out.data, printed);
    json_free(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_name_the_same_members),
        cmocka_unit_test(both_name_the_same_operations),
        cmocka_unit_test(code_and_schema_agree_on_thousands_of_lines),
        cmocka_unit_test(what_we_send_is_what_the_schema_says),
        cmocka_unit_test(outcomes_are_held_to_their_steps),
        cmocka_unit_test(the_outer_form_is_lenient_with_values),
        cmocka_unit_test(json_is_printed_as_it_was_read),
    };
    return cmocka_run_group_tests(tests, read_schema, free_schema);
}
