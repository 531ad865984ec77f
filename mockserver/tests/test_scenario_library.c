/* The library in fixtures/scenarios: every file can be loaded, and says what it is and where it comes from. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load.h"

static const struct scenario_hooks hooks = { .check_steps = load_check_steps };

#define COUNT(a) (sizeof(a) / sizeof *(a))

/* What the library promises at least. */
#define LEAST_SCENARIOS 44
#define LEAST_PER_AREA  5
#define LEAST_WHY_BYTES 40

static const char *const areas[] = { "start", "output", "stdin", "exit", "time", "signals", "transport", "lifecycle",
                                      "coreweave" };

/* As the server reads a folder: no scenario, no script, or a name that is there twice is refused. */
static int load_library(void **state)
{
    static struct load_list library;
    const char *fixtures = getenv("STANDBOX_FIXTURES");
    char path[1000];
    struct err err = ERR_INIT;
    if (fixtures == NULL)
        return -1;
    snprintf(path, sizeof path, "%s/scenarios", fixtures);
    library = (struct load_list){ .hooks = &hooks };
    if (load_scenarios(&library, path, &err) < 0) {
        print_error("%s\n", err.text);
        return -1;
    }
    *state = &library;
    return 0;
}

static int free_library(void **state)
{
    if (*state != NULL)
        load_list_fini(*state);
    return 0;
}

/* The last folder of "x/start/start-slow.json"; NULL: none that we know. */
static const char *area_of(const struct scenario *scenario)
{
    for (size_t i = 0; i < COUNT(areas); i++) {
        char part[100];
        snprintf(part, sizeof part, "/scenarios/%s/", areas[i]);
        if (strstr(scenario->file_name, part) != NULL)
            return areas[i];
    }
    return NULL;
}

static void every_file_is_a_scenario(void **state)
{
    const struct load_list *library = *state;
    if (library->count < LEAST_SCENARIOS)
        fail_msg("only %zu scenarios", library->count);
    for (size_t i = 0; i < library->count; i++) {
        if (library->items[i]->process_count + library->items[i]->fault_count == 0)
            fail_msg("%s: does nothing", library->items[i]->file_name);
    }
}

static void names_are_those_of_the_files(void **state)
{
    const struct load_list *library = *state;
    for (size_t i = 0; i < library->count; i++) {
        const struct scenario *scenario = library->items[i];
        const char *slash = strrchr(scenario->file_name, '/');
        char expected[200];
        snprintf(expected, sizeof expected, "/%s.json", scenario->name);
        if (slash == NULL || strcmp(slash, expected) != 0)
            fail_msg("%s: its name is \"%s\"", scenario->file_name, scenario->name);
    }
}

static void areas_are_those_we_know_and_none_is_empty(void **state)
{
    const struct load_list *library = *state;
    size_t counts[COUNT(areas)] = { 0 };
    for (size_t i = 0; i < library->count; i++) {
        const char *area = area_of(library->items[i]);
        if (area == NULL)
            fail_msg("%s: not in a folder of an area", library->items[i]->file_name);
        for (size_t k = 0; k < COUNT(areas); k++)
            counts[k] += areas[k] == area;
    }
    for (size_t k = 0; k < COUNT(areas); k++) {
        if (counts[k] < LEAST_PER_AREA)
            fail_msg("%s has %zu scenarios only", areas[k], counts[k]);
    }
}

static void every_scenario_says_why(void **state)
{
    const struct load_list *library = *state;
    for (size_t i = 0; i < library->count; i++) {
        const char *why = library->items[i]->why;
        size_t len = why == NULL ? 0 : strlen(why);
        if (len < LEAST_WHY_BYTES || why[len - 1] != '.')
            fail_msg("%s: \"why\" must be a sentence or two", library->items[i]->file_name);
    }
}

/* A link that somebody can open, or the place of a documented edge. */
static bool is_source(const char *source)
{
    static const char *const starts[] = { "https://", "wire: " };
    for (size_t i = 0; i < COUNT(starts); i++) {
        if (strncmp(source, starts[i], strlen(starts[i])) == 0 && strlen(source) > strlen(starts[i]) + 4)
            return true;
    }
    return false;
}

static void every_scenario_says_where_it_was_seen(void **state)
{
    const struct load_list *library = *state;
    for (size_t i = 0; i < library->count; i++) {
        const struct scenario *scenario = library->items[i];
        if (scenario->source_count == 0)
            fail_msg("%s: no \"source\"", scenario->file_name);
        for (size_t k = 0; k < scenario->source_count; k++) {
            if (!is_source(scenario->sources[k]))
                fail_msg("%s: \"%s\" is no source", scenario->file_name, scenario->sources[k]);
        }
    }
}

/* A fault without an end would make its count a matter of chance. */
static void every_fault_strikes_a_known_number_of_times(void **state)
{
    const struct load_list *library = *state;
    for (size_t i = 0; i < library->count; i++) {
        const struct scenario *scenario = library->items[i];
        for (size_t k = 0; k < scenario->fault_count; k++) {
            const struct fault_rule *rule = &scenario->faults[k];
            bool is_bounded = rule->times > 0 || rule->when.nth_count > 0;
            if (!is_bounded || rule->at.probability < 1)
                fail_msg("%s:%zu: needs \"nth\" or \"times\", and no dice", scenario->file_name, rule->line);
        }
    }
}

static bool is_coreweave(const struct scenario *scenario)
{
    return strcmp(area_of(scenario), "coreweave") == 0;
}

/* Neutral: but for made-up answers, which are a vendor's, no rule is bound to one.  Each can fire with the vendor whose SDK
   its test drives. */
static void only_made_up_answers_are_bound_to_a_vendor(void **state)
{
    const struct load_list *library = *state;
    const unsigned all = DIALECT_BIT(DIALECT_COUNT) - 1;
    for (size_t i = 0; i < library->count; i++) {
        const struct scenario *scenario = library->items[i];
        const unsigned tested = DIALECT_BIT(is_coreweave(scenario) ? DIALECT_COREWEAVE : DIALECT_HYPERBROWSER);
        for (size_t k = 0; k < scenario->process_count; k++)
            assert_int_equal(scenario->processes[k].when.dialects, all);
        for (size_t k = 0; k < scenario->fault_count; k++) {
            const struct fault_rule *rule = &scenario->faults[k];
            bool is_bound = (rule->when.has & (1u << WHEN_DIALECT)) != 0;
            bool is_made_up = rule->fault.reply != NULL && rule->fault.reply->body != NULL;
            if (is_bound && !is_made_up)
                fail_msg("%s:%zu: bound to a vendor", scenario->file_name, rule->line);
            if (rule->when.dialects != 0 && (rule->when.dialects & tested) == 0)
                fail_msg("%s:%zu: cannot fire where the tests are", scenario->file_name, rule->line);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_file_is_a_scenario),
        cmocka_unit_test(names_are_those_of_the_files),
        cmocka_unit_test(areas_are_those_we_know_and_none_is_empty),
        cmocka_unit_test(every_scenario_says_why),
        cmocka_unit_test(every_scenario_says_where_it_was_seen),
        cmocka_unit_test(every_fault_strikes_a_known_number_of_times),
        cmocka_unit_test(only_made_up_answers_are_bound_to_a_vendor),
    };
    return cmocka_run_group_tests(tests, load_library, free_library);
}
