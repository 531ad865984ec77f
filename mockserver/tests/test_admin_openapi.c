/* The admin API's description of itself: true to the table, whole, and usable. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "admin/admin_priv.h"
#include "tests/support/admin_world.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define get cJSON_GetObjectItemCaseSensitive

static void path_of(const struct admin_route *row, struct buf *out)
{
    bool inside = false;
    for (const char *p = row->route.pattern; *p != '\0'; p++) {
        if (inside && *p == '/') {
            buf_char(out, '}');
            inside = false;
        }
        buf_char(out, *p == ':' ? '{' : *p);
        inside = inside || *p == ':';
    }
    if (inside)
        buf_char(out, '}');
}

static const cJSON *operation_of(const cJSON *openapi, const struct admin_route *row)
{
    char method[16] = "";
    BUF_AUTO path = BUF_INIT;
    path_of(row, &path);
    for (size_t i = 0; row->route.method[i] != '\0'; i++)
        method[i] = (char) tolower((unsigned char) row->route.method[i]);
    const cJSON *found = get(get(get(openapi, "paths"), buf_cstr(&path)), method);
    if (found == NULL)
        fail_msg("%s %s is not described", method, buf_cstr(&path));
    return found;
}

static void every_route_is_described_with_an_id_of_its_own(void **state)
{
    struct admin_world *w = *state;
    size_t described = 0, operations = 0;
    const cJSON *path, *operation;
    for (size_t i = 0; i < admin_route_count; i++) {
        if (admin_routes[i].what == NULL)
            continue;
        described++;
        assert_string_equal(json_text(operation_of(w->openapi, &admin_routes[i]), "operationId"), admin_routes[i].id);
        for (size_t k = 0; k < i; k++)
            assert_true(admin_routes[k].id == NULL || strcmp(admin_routes[k].id, admin_routes[i].id) != 0);
    }
    cJSON_ArrayForEach(path, get(w->openapi, "paths")) {
        cJSON_ArrayForEach(operation, path)
            operations++;
    }
    assert_int_equal(operations, described);
}

static void parameters_bodies_and_answers_are_those_of_the_table(void **state)
{
    struct admin_world *w = *state;
    for (size_t i = 0; i < admin_route_count; i++) {
        const struct admin_route *row = &admin_routes[i];
        if (row->what == NULL)
            continue;
        const cJSON *operation = operation_of(w->openapi, row), *param, *answers = get(operation, "responses");
        int in_path = 0, in_query = 0, wanted_path = 0;
        for (const char *p = row->route.pattern; *p != '\0'; p++)
            wanted_path += *p == ':';
        cJSON_ArrayForEach(param, get(operation, "parameters")) {
            in_path += strcmp(json_text(param, "in"), "path") == 0;
            in_query += strcmp(json_text(param, "in"), "query") == 0;
            assert_true(json_text(param, "description")[0] != '\0');
        }
        assert_int_equal(in_path, wanted_path);
        assert_int_equal(in_query, __builtin_popcount(row->params));
        assert_int_equal(get(operation, "requestBody") != NULL, row->body != BODY_NONE);
        assert_non_null(get(answers, "400"));
        assert_non_null(get(answers, "401"));
        assert_int_equal(get(answers, "408") != NULL, (row->errors & ERROR_408) != 0);
        assert_int_equal(get(answers, "422") != NULL, row->body == BODY_SCENARIO);
    }
}

/* Every "$ref" below `node` leads somewhere. */
static int count_refs(const cJSON *openapi, const cJSON *node)
{
    static const char prefix[] = "#/components/schemas/";
    int count = 0;
    const cJSON *child;
    cJSON_ArrayForEach(child, node) {
        if (child->string != NULL && strcmp(child->string, "$ref") == 0) {
            assert_int_equal(strncmp(child->valuestring, prefix, sizeof prefix - 1), 0);
            const char *name = child->valuestring + sizeof prefix - 1;
            if (get(get(get(openapi, "components"), "schemas"), name) == NULL)
                fail_msg("%s leads nowhere", child->valuestring);
            count++;
        }
        count += count_refs(openapi, child);
    }
    return count;
}

static void every_reference_leads_to_a_schema_and_every_schema_is_used(void **state)
{
    struct admin_world *w = *state;
    const cJSON *schema;
    assert_in_range(count_refs(w->openapi, w->openapi), 100, 2000);
    char *text = cJSON_PrintUnformatted(w->openapi);
    cJSON_ArrayForEach(schema, get(get(w->openapi, "components"), "schemas")) {
        char ref[128];
        snprintf(ref, sizeof ref, "\"#/components/schemas/%s\"", schema->string);
        if (strstr(text, ref) == NULL)
            fail_msg("nobody uses %s", schema->string);
    }
    cJSON_free(text);
}

static void head_of_the_description_says_what_it_is_and_who_may(void **state)
{
    struct admin_world *w = *state;
    assert_string_equal(json_text(w->openapi, "openapi"), "3.1.0");
    assert_non_null(get(get(w->openapi, "info"), "title"));
    assert_int_equal(json_length(w->openapi, "security"), 2);
    const cJSON *either;
    cJSON_ArrayForEach(either, get(w->openapi, "security"))
        assert_non_null(get(get(get(w->openapi, "components"), "securitySchemes"), either->child->string));
}

static void page_for_people_shows_every_route_and_loads_nothing(void **state)
{
    struct admin_world *w = *state;
    ASKED *a = admin_ask(w, "GET", "/__admin/docs", NULL);
    assert_int_equal(a->f.status, 200);
    assert_string_equal(a->f.type, "text/html; charset=utf-8");
    assert_non_null(strstr(a->headers.data, "Content-Security-Policy: default-src 'none'"));
    for (size_t i = 0; i < admin_route_count; i++) {
        char head[256];
        if (admin_routes[i].what == NULL)
            continue;
        snprintf(head, sizeof head, "<h3 id=\"%s\">%s %s</h3>", admin_routes[i].id, admin_routes[i].route.method,
                 admin_routes[i].route.pattern);
        if (strstr(a->f.body.data, head) == NULL)
            fail_msg("the page has no %s", head);
    }
    static const char *const foreign[] = { "<script", "src=", "href=", "url(", "@import" };
    for (size_t i = 0; i < COUNT(foreign); i++)
        assert_null(strstr(a->f.body.data, foreign[i]));
}

static void paths_name_only_parameters_that_are_explained(void **state)
{
    (void) state;
    for (size_t i = 0; i < admin_route_count; i++) {
        for (const char *p = strchr(admin_routes[i].route.pattern, ':'); p != NULL; p = strchr(p + 1, ':')) {
            BUF_AUTO name = BUF_INIT;
            buf_add(&name, p + 1, strcspn(p + 1, "/"));
            assert_non_null(admin_path_param(buf_cstr(&name)));
        }
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, admin_world_setup, admin_world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_route_is_described_with_an_id_of_its_own),
        TEST(parameters_bodies_and_answers_are_those_of_the_table),
        TEST(every_reference_leads_to_a_schema_and_every_schema_is_used),
        TEST(head_of_the_description_says_what_it_is_and_who_may),
        TEST(page_for_people_shows_every_route_and_loads_nothing),
        cmocka_unit_test(paths_name_only_parameters_that_are_explained),
    };
    return world_run_modes("admin openapi", tests, COUNT(tests));
}
