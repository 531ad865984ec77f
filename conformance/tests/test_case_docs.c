/* docs/cases.md says what the code does: its examples load, its tables are those of the loader. */
#include "tests/support/judge_kit.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "judge/case_priv.h"
#include "judge/pattern_priv.h"

#define FENCE "```"

static struct buf page;

static int read_page(void **state)
{
    const char *fixtures = getenv(FIXTURES);
    char path[1000];
    struct err err = ERR_INIT;
    (void) state;
    snprintf(path, sizeof path, "%s/../docs/cases.md", fixtures == NULL ? "." : fixtures);
    if (file_read(&page, path, JSONC_MAX_BYTES, &err) == 0)
        return 0;
    print_error("%s\n", err.text);
    return -1;
}

static int free_page(void **state)
{
    (void) state;
    buf_fini(&page);
    return 0;
}

/* ---- examples ------------------------------------------------------------------------------ */

/* The text of a file with this example, or nothing when it is only a part of one. */
static void complete(const char *example, size_t len, struct buf *out)
{
    static const char file[] = "{ \"standbox_cases\"", one[] = "{ \"id\"";
    if (strncmp(example, file, sizeof file - 1) == 0) {
        buf_add(out, example, len);
    } else if (strncmp(example, one, sizeof one - 1) == 0) {
        buf_str(out, "{ \"standbox_cases\": 1, \"vendor\": \"acme\", \"area\": \"exec\", \"cases\": [\n");
        buf_add(out, example, len);
        buf_str(out, "] }");
    }
}

static size_t load_example(const struct kit_folder *folder, const char *example, size_t len)
{
    struct err err = ERR_INIT;
    BUF_AUTO text = BUF_INIT;
    complete(example, len, &text);
    if (text.len == 0)
        return 0;
    kit_write(folder, "cases/acme/exec.json", text.data, text.len);
    LIST_AUTO *list = case_list_load(folder->path, "acme", &err);
    if (list == NULL)
        fail_msg("%s in %.*s", err.text, (int) len, example);
    return list->count;
}

static void complete_examples_load(void **state)
{
    static const char begin[] = FENCE "jsonc\n";
    size_t cases = 0;
    const char *at = page.data;
    while ((at = strstr(at, begin)) != NULL) {
        at += sizeof begin - 1;
        const char *end = strstr(at, FENCE);
        assert_non_null(end);
        cases += load_example(*state, at, (size_t) (end - at));
        at = end + strlen(FENCE);
    }
    assert_int_equal(cases, 1 + 1 + 1 + 6); /* the first one, the address, the half hour, the axes */
}

/* ---- tables -------------------------------------------------------------------------------- */

/* The row that begins with `name`, below the heading of a section; NULL: there is none. */
static const char *find_row(const char *section, const char *name)
{
    char begin[80];
    snprintf(begin, sizeof begin, "\n| `%s` |", name);
    const char *from = strstr(page.data, section);
    if (from == NULL)
        fail_msg("no section %s", section);
    const char *end = strstr(from + strlen(section), "\n## "), *row = strstr(from, begin);
    return row != NULL && (end == NULL || row < end) ? row : NULL;
}

static void has_row(const char *section, const char *name)
{
    if (find_row(section, name) == NULL)
        fail_msg("%s has no row of `%s`", section, name);
}

/* Rows that begin with a name in backquotes. */
static size_t count_rows(const char *section)
{
    size_t count = 0;
    const char *from = strstr(page.data, section);
    assert_non_null(from);
    const char *end = strstr(from + strlen(section), "\n## ");
    for (const char *row = strstr(from, "\n| `"); row != NULL && (end == NULL || row < end);
         row = strstr(row + 1, "\n| `"))
        count++;
    return count;
}

static void members_are_all_told(void **state)
{
    static const struct shape *const shapes[] = { &case_shape_file, &case_shape_case };
    size_t count = 0;
    (void) state;
    for (size_t k = 0; k < COUNT(shapes); k++) {
        for (size_t i = 0; i < SHAPE_MEMBERS && shapes[k]->members[i].name != NULL; i++, count++) {
            const struct member *member = &shapes[k]->members[i];
            const char *row = find_row("\n## The file", member->name);
            if (row == NULL)
                fail_msg("no row of `%s`", member->name);
            const char *second = strstr(row, "` |") + strlen("` |");
            assert_true((strncmp(second, " needed |", strlen(" needed |")) == 0) == member->required);
        }
    }
    assert_int_equal(count_rows("\n## The file"), count);
}

static void operators_are_all_told(void **state)
{
    (void) state;
    for (size_t i = 0; i < pattern_op_count; i++)
        has_row("\n## Patterns", pattern_ops[i].name);
    assert_int_equal(count_rows("\n## Patterns"), pattern_op_count);
}

static void actions_are_all_told(void **state)
{
    (void) state;
    for (size_t i = 0; i < case_action_shape_count; i++)
        has_row("\n## Scenario, before, meanwhile", case_action_shapes[i].name);
    assert_int_equal(count_rows("\n## Scenario, before, meanwhile"), case_action_shape_count);
}

/* Arguments stand in the row in backquotes, and no others. */
static void check_arguments(const struct step_op *op, const char *row)
{
    size_t count = 0, told = 0;
    const char *end = strchr(row + 1, '\n');
    for (const char *p = strstr(row + 1, "` |") + 3; p < end; p++)
        told += *p == '`';
    for (; count < OP_ARGS && op->args[count].name != NULL; count++) {
        char name[60];
        snprintf(name, sizeof name, "`%s`", op->args[count].name);
        const char *found = strstr(row, name);
        if (found == NULL || found > end)
            fail_msg("%s: the row lacks %s", op->name, name);
        snprintf(name, sizeof name, "`%s` (`%s`)", op->args[count].name,
                 op->args[count].standard == NULL ? "" : op->args[count].standard);
        if (op->args[count].standard != NULL && strcmp(op->args[count].name, "as") == 0)
            assert_true(strstr(row, name) != NULL && strstr(row, name) < end);
        told -= op->args[count].standard != NULL && strcmp(op->args[count].name, "as") == 0 ? 2 : 0;
        told -= op->args[count].kind == KIND_CURSOR ? 2 : 0; /* its other form */
    }
    if (told != 2 * count)
        fail_msg("%s: %zu arguments are told, it has %zu", op->name, told / 2, count);
}

static void operations_are_all_told(void **state)
{
    (void) state;
    for (size_t i = 0; i < steps_op_count; i++) {
        const char *row = find_row("\n## Steps", steps_ops[i].name);
        if (row == NULL)
            fail_msg("no row of `%s`", steps_ops[i].name);
        check_arguments(&steps_ops[i], row);
    }
    assert_int_equal(count_rows("\n## Steps"), steps_op_count);
}

/* ---- the protocol -------------------------------------------------------------------------- */

/* sdk-shim/PROTOCOL.md is where adapters learn the words from. */
static void the_protocol_has_the_same_words(void **state)
{
    const char *fixtures = getenv(FIXTURES);
    char path[1000];
    struct err err = ERR_INIT;
    BUF_AUTO text = BUF_INIT;
    (void) state;
    snprintf(path, sizeof path, "%s/../sdk-shim/PROTOCOL.md", fixtures == NULL ? "." : fixtures);
    if (file_read(&text, path, JSONC_MAX_BYTES, &err) < 0)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < steps_op_count; i++) {
        char row[60];
        snprintf(row, sizeof row, "\n| `%s` |", steps_ops[i].name);
        kit_has(text.data, row);
        for (size_t k = 0; k < OP_ARGS && steps_ops[i].args[k].name != NULL; k++)
            kit_has(text.data, steps_ops[i].args[k].name);
    }
    for (size_t i = 0; i < steps_other_capability_count; i++) {
        char word[60];
        snprintf(word, sizeof word, "`%s`", steps_other_capabilities[i]);
        kit_has(text.data, word);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(complete_examples_load, kit_folder_new, kit_folder_free),
        cmocka_unit_test(members_are_all_told),
        cmocka_unit_test(operators_are_all_told),
        cmocka_unit_test(actions_are_all_told),
        cmocka_unit_test(operations_are_all_told),
        cmocka_unit_test(the_protocol_has_the_same_words),
    };
    return cmocka_run_group_tests(tests, read_page, free_page);
}
