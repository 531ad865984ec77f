/* The cases that are shipped: all of them load, and keep what a suite of cases promises. */
#include "tests/support/judge_kit.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <dirent.h>

#include "judge/case.h"

/* Calls `check` for the cases of every vendor that there is a folder of. */
static void for_each_vendor(void (*check)(const struct case_list *list))
{
    const char *fixtures = getenv(FIXTURES);
    char path[1000];
    size_t vendors = 0;
    struct dirent *entry;
    assert_non_null(fixtures);
    snprintf(path, sizeof path, "%s/cases", fixtures);
    DIR *dir = opendir(path);
    if (dir == NULL)
        fail_msg("no folder %s", path);
    while ((entry = readdir(dir)) != NULL) {
        struct err err = ERR_INIT;
        if (entry->d_name[0] == '.' || strchr(entry->d_name, '.') != NULL)
            continue;
        LIST_AUTO *list = case_list_load(fixtures, entry->d_name, &err);
        if (list == NULL)
            fail_msg("%s", err.text);
        check(list);
        vendors++;
    }
    closedir(dir);
    assert_true(vendors > 0);
}

static void are_some(const struct case_list *list)
{
    assert_true(list->count > 0);
}

static void every_shipped_case_loads(void **state)
{
    (void) state;
    for_each_vendor(are_some);
}

static void explain_all(const struct case_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        char *text = NULL;
        size_t len = 0;
        FILE *out = open_memstream(&text, &len);
        case_explain(list->cases[i], out);
        assert_int_equal(fclose(out), 0);
        kit_has(text, list->cases[i]->id);
        kit_has(text, list->cases[i]->requirement);
        free(text);
    }
}

static void every_shipped_case_can_be_explained(void **state)
{
    (void) state;
    for_each_vendor(explain_all);
}

/* A requirement is a sentence; whoever reads only that must understand it. */
static void say_something(const struct case_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct case_def *def = list->cases[i];
        const char *text = def->requirement;
        size_t len = strlen(text);
        if (len < 20 || text[len - 1] != '.')
            fail_msg("%s: the requirement is no sentence: %s", def->id, text);
    }
}

static void every_requirement_is_a_sentence(void **state)
{
    (void) state;
    for_each_vendor(say_something);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_shipped_case_loads),
        cmocka_unit_test(every_shipped_case_can_be_explained),
        cmocka_unit_test(every_requirement_is_a_sentence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
