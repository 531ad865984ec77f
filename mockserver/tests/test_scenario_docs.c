/* docs/scenarios.md says what the code does: its examples are read, its tables are compared with the tables here. */
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
#include "puppet/steps.h"
#include "scenario/fault.h"
#include "scenario/reader.h"
#include "scenario/scenario.h"

#define FENCE     "```"
#define CELLS_MAX 8
#define PAGE_MAX  ((size_t) 4 << 20)

static struct buf page;

static int read_page(void **state)
{
    const char *fixtures = getenv("STANDBOX_FIXTURES");
    char path[1000];
    struct err err = ERR_INIT;
    (void) state;
    snprintf(path, sizeof path, "%s/../docs/scenarios.md", fixtures != NULL ? fixtures : ".");
    if (file_read(&page, path, PAGE_MAX, &err) == 0 && page.len > 0)
        return 0;
    print_error("%s\n", page.len == 0 && err.code == ERR_NONE ? "the page is empty" : err.text);
    return -1;
}

static int free_page(void **state)
{
    (void) state;
    buf_fini(&page);
    return 0;
}

static size_t line_of(const char *place)
{
    size_t line = 1;
    for (const char *p = page.data; p < place; p++)
        line += *p == '\n';
    return line;
}

/* ---- examples ------------------------------------------------------------------------- */

static int parse_steps(const char *text, size_t len, struct err *err)
{
    struct steps steps;
    if (steps_parse(text, len, &steps, err) < 0)
        return -1;
    steps_fini(&steps);
    return 0;
}

static int check_steps(const struct cJSON *steps, struct err *err)
{
    char *text = cJSON_PrintUnformatted(steps);
    int rc = text == NULL ? err_set(err, ERR_NOMEM, 0, "steps") : parse_steps(text, strlen(text), err);
    cJSON_free(text);
    return rc;
}

static void assert_scenario(const char *text, size_t len)
{
    static const struct scenario_hooks hooks = { .check_steps = check_steps };
    static const char begin[] = "{ \"standbox\"";
    struct scenario *scenario = NULL;
    struct err err = ERR_INIT;
    if (len < sizeof begin || memcmp(text, begin, sizeof begin - 1) != 0)
        fail_msg("docs/scenarios.md:%zu: an example that is no whole scenario", line_of(text));
    if (scenario_parse_with(&scenario, &hooks, "example", text, len, &err) < 0)
        fail_msg("docs/scenarios.md:%zu: %s", line_of(text), err.text);
    scenario_unref(scenario);
}

static void every_example_is_a_scenario(void **state)
{
    static const char begin[] = "\n" FENCE "jsonc\n";
    size_t count = 0;
    (void) state;
    for (const char *at = strstr(page.data, begin); at != NULL; at = strstr(at, begin)) {
        const char *text = at + sizeof begin - 1, *end = strstr(text, "\n" FENCE "\n");
        assert_non_null(end);
        assert_scenario(text, (size_t) (end - text));
        count++;
        at = end;
    }
    assert_in_range(count, 7, 100);
}

/* ---- tables --------------------------------------------------------------------------- */

struct row {
    char *cells[CELLS_MAX];
    size_t count;
    char *text; /* cut into cells */
};

/* The table's row that begins at `line`, or none: then `count` is 0. */
static struct row row_at(const char *line)
{
    struct row row = { .count = 0 };
    if (*line != '|')
        return row;
    row.text = strndup(line + 1, strcspn(line, "\n") - 1);
    assert_non_null(row.text);
    char *rest = row.text;
    for (char *bar; row.count < CELLS_MAX && (bar = strchr(rest, '|')) != NULL; rest = bar + 1) {
        *bar = '\0';
        row.cells[row.count++] = rest;
    }
    return row;
}

static const char *section(const char *title)
{
    const char *begin = strstr(page.data, title);
    if (begin == NULL)
        fail_msg("no \"%s\"", title);
    return begin;
}

static const char *next_line(const char *line)
{
    return line + strcspn(line, "\n") + 1;
}

static bool is_in_section(const char *line)
{
    return *line != '\0' && strncmp(line, "## ", 3) != 0;
}

/* "`{ ... }`", of a step or a list of them. */
static bool assert_steps(char *cell, const char *line)
{
    struct err err = ERR_INIT;
    BUF_AUTO text = BUF_INIT;
    char *begin = strchr(cell, '`'), *end = begin == NULL ? NULL : strrchr(cell, '`');
    if (begin == NULL || (begin[1] != '{' && begin[1] != '['))
        return false;
    size_t len = (size_t) (end - begin) - 1;
    buf_str(&text, begin[1] == '[' ? "" : "[");
    buf_add(&text, begin + 1, len);
    buf_str(&text, begin[1] == '[' ? "" : "]");
    if (parse_steps(text.data, text.len, &err) < 0)
        fail_msg("docs/scenarios.md:%zu: %s", line_of(line), err.text);
    return true;
}

static void every_example_of_a_step_is_one(void **state)
{
    const char *line = next_line(section("\n## Puppet steps") + 1);
    size_t count = 0;
    (void) state;
    for (; is_in_section(line); line = next_line(line)) {
        struct row row = row_at(line);
        if (row.count == 3)
            count += assert_steps(row.cells[2], line);
        free(row.text);
    }
    assert_in_range(count, 25, 100);
}

static bool has_word(const char *text, const char *word)
{
    char quoted[100];
    snprintf(quoted, sizeof quoted, "`%s`", word);
    return strstr(text, quoted) != NULL;
}

static void assert_params(const struct fault_info *info, const char *cell)
{
    for (size_t i = 0; i < FAULT_MAX_PARAMS && info->params[i].name != NULL; i++) {
        const struct fault_param *param = &info->params[i];
        char needed[100];
        snprintf(needed, sizeof needed, "`%s` (needed)", param->name);
        if (!has_word(cell, param->name))
            fail_msg("%s: the parameter %s is missing", info->name, param->name);
        if ((strstr(cell, needed) != NULL) != param->required)
            fail_msg("%s: is %s needed or not?", info->name, param->name);
    }
    if (info->params[0].name == NULL && strchr(cell, '`') != NULL)
        fail_msg("%s has no parameters", info->name);
}

static void assert_triggers(const struct fault_info *info, const char *cell)
{
    for (size_t t = 0; t < TRIGGERS; t++) {
        const char *name = fault_trigger_name((enum fault_trigger) t);
        if (has_word(cell, name) != ((info->triggers & TRIGGER_BIT(t)) != 0))
            fail_msg("%s: %s", info->name, name);
    }
    if ((strstr(cell, "at once") != NULL) != info->is_immediate)
        fail_msg("%s: at once or not?", info->name);
}

static void the_table_of_faults_is_that_of_the_code(void **state)
{
    const char *line = section("\n## faults:") + 1;
    unsigned seen = 0;
    (void) state;
    for (line = next_line(line); is_in_section(line); line = next_line(line)) {
        struct row row = row_at(line);
        for (size_t kind = FAULT_REPLY + 1; kind < FAULT_KINDS && row.count == 4; kind++) {
            const struct fault_info *info = fault_info_of((enum fault_kind) kind);
            if (!has_word(row.cells[0], info->name))
                continue;
            assert_params(info, row.cells[1]);
            assert_triggers(info, row.cells[2]);
            bool is_grpc = strstr(row.cells[3], "gRPC only") != NULL;
            assert_int_equal(is_grpc, info->dialects == vocab_dialects_grpc);
            seen |= 1u << kind;
        }
        free(row.text);
    }
    assert_int_equal(seen, (1u << FAULT_KINDS) - (1u << (FAULT_REPLY + 1)));
}

/* ---- words ---------------------------------------------------------------------------- */

static void every_word_is_explained(void **state)
{
    const struct words *const all[] = { &vocab_ops,    &vocab_dialects, &vocab_facts,
                                        &vocab_errnos, &vocab_grpc,     &vocab_http2 };
    (void) state;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        for (size_t k = 0; k < all[i]->count; k++) {
            const char *name = all[i]->list[k].name;
            if (!has_word(page.data, name) && strcmp(name, "OK") != 0)
                fail_msg("the %s %s is nowhere", all[i]->what, name);
        }
    }
}

static void every_key_is_shown(void **state)
{
    (void) state;
    for (size_t i = 0; i < reader_table_count; i++) {
        for (size_t k = 0; k < reader_tables[i]->count; k++) {
            const char *name = reader_tables[i]->list[k].name;
            char quoted[100];
            snprintf(quoted, sizeof quoted, "\"%s\"", name);
            if (!has_word(page.data, name) && strstr(page.data, quoted) == NULL)
                fail_msg("the key %s of %s is nowhere", name, reader_tables[i]->what);
        }
    }
}

/* `title` begins the paragraph or row that lists operations, and no others. */
static void assert_ops(const char *title, uint64_t ops)
{
    const char *begin = section(title), *end = begin + 1;
    while (strncmp(end, ". ", 2) != 0 && strncmp(end, "; where", 7) != 0 && strncmp(end, " |\n", 3) != 0)
        end++;
    char *text = strndup(begin, (size_t) (end - begin));
    assert_non_null(text);
    for (size_t i = 0; i < vocab_ops.count; i++) {
        bool is_listed = has_word(text, vocab_ops.list[i].name);
        if (is_listed != ((ops & OP_BIT(vocab_ops.list[i].value)) != 0))
            fail_msg("%s...: %s", title, vocab_ops.list[i].name);
    }
    free(text);
}

static void the_lists_of_operations_are_those_of_the_code(void **state)
{
    (void) state;
    assert_ops("must name operations that give nothing back but success:", vocab_ops_acting);
    assert_ops("events somewhere:", vocab_ops_streaming);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_example_is_a_scenario),
        cmocka_unit_test(every_example_of_a_step_is_one),
        cmocka_unit_test(the_table_of_faults_is_that_of_the_code),
        cmocka_unit_test(every_word_is_explained),
        cmocka_unit_test(every_key_is_shown),
        cmocka_unit_test(the_lists_of_operations_are_those_of_the_code),
    };
    return cmocka_run_group_tests_name("scenario_docs", tests, read_page, free_page);
}
