/* Totals, standings and exit codes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <cjson/cJSON.h>
#include <string.h>

#include "report/report.h"
#include "tests/support/report_sample.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

static void verdict_words_are_those_of_the_conventions(void **state)
{
    (void) state;
    static const char *const words[] = { "pass",    "fail",          "non-strict",   "not-exercised",
                                         "skipped", "adapter-error", "harness-error" };
    assert_int_equal(COUNT(words), RESULT_VERDICTS);
    for (size_t i = 0; i < COUNT(words); i++)
        assert_string_equal(result_verdict_name(result_verdict_find(words[i])), words[i]);
    assert_int_equal(result_verdict_find("passed"), RESULT_VERDICTS);
}

static void a_standing_follows_from_verdict_and_lists(void **state)
{
    (void) state;
    static const struct {
        const char *result;
        enum result_standing standing;
    } rows[] = {
        { "{'verdict':'pass'}", STANDING_FINE },
        { "{'verdict':'skipped'}", STANDING_FINE },
        { "{'verdict':'non-strict'}", STANDING_FINE },
        { "{'verdict':'pass','listed':'known-flaky'}", STANDING_FINE },
        { "{'verdict':'fail'}", STANDING_UNEXPECTED },
        { "{'verdict':'fail','listed':null}", STANDING_UNEXPECTED },
        { "{'verdict':'not-exercised'}", STANDING_UNEXPECTED },
        { "{'verdict':'adapter-error'}", STANDING_UNEXPECTED },
        { "{'verdict':'fail','listed':'known-failing'}", STANDING_LISTED },
        { "{'verdict':'not-exercised','listed':'known-flaky'}", STANDING_LISTED },
        { "{'verdict':'harness-error','listed':'known-failing'}", STANDING_UNEXPECTED },
        { "{'verdict':'pass','listed':'known-failing','stale':true}", STANDING_STALE },
        { "{'verdict':'fail','listed':'known-failing','stale':true}", STANDING_STALE },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        cJSON *result = sample_json(rows[i].result);
        if (result_standing_of(result) != rows[i].standing)
            fail_msg("%s: %d", rows[i].result, result_standing_of(result));
        cJSON_Delete(result);
    }
}

static void mutants_are_in_no_total(void **state)
{
    (void) state;
    struct report_totals all, python;
    cJSON *doc = sample_run();
    report_summary(doc, NULL, &all);
    report_summary(doc, "hyperbrowser-python", &python);
    cJSON_Delete(doc);
    assert_int_equal(all.clients, 3);
    assert_int_equal(all.cases, 20);
    assert_int_equal(all.results, 59);
    assert_int_equal(all.verdicts[RESULT_PASS], 43);
    assert_int_equal(all.verdicts[RESULT_FAIL], 6);
    assert_int_equal(all.standings[STANDING_LISTED], 5);
    assert_int_equal(all.standings[STANDING_STALE], 1);
    assert_int_equal(all.unexpected[RESULT_FAIL], 2);
    assert_int_equal(python.clients, 1);
    assert_int_equal(python.results, 20);
    assert_int_equal(python.verdicts[RESULT_PASS], 11);
}

/* The exit code of one client's results, given as JSON. */
static int exit_code(const char *results)
{
    struct report_totals totals;
    cJSON *doc = sample_json("{'clients':[{'key':'c'}]}");
    cJSON_AddItemToObject(doc, "results", sample_json(results));
    report_summary(doc, NULL, &totals);
    cJSON_Delete(doc);
    return report_exit_code(&totals);
}

#define R(verdict, more) "{'client':'c','verdict':'" verdict "'" more "}"
#define KNOWN            ",'listed':'known-failing'"

static void exit_codes_are_those_of_the_conventions(void **state)
{
    (void) state;
    static const struct {
        const char *results;
        int code;
    } rows[] = {
        { "[]", 77 },
        { "[" R("pass", "") "]", 0 },
        { "[" R("pass", "") "," R("non-strict", "") "," R("skipped", "") "]", 0 },
        { "[" R("pass", "") "," R("fail", KNOWN) "]", 0 },
        { "[" R("pass", "") "," R("not-exercised", KNOWN) "]", 0 },
        { "[" R("pass", "") "," R("fail", "") "]", 1 },
        { "[" R("pass", "") "," R("fail", "") "," R("adapter-error", "") "]", 1 },
        { "[" R("pass", KNOWN ",'stale':true") "]", 1 },
        { "[" R("pass", "") "," R("not-exercised", "") "]", 3 },
        { "[" R("pass", "") "," R("adapter-error", "") "]", 3 },
        { "[" R("skipped", "") "]", 3 },
        { "[" R("not-exercised", "") "]", 3 },
        { "[" R("harness-error", "") "," R("fail", "") "]", 4 },
        { "[" R("pass", "") "," R("harness-error", KNOWN) "]", 4 },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        if (exit_code(rows[i].results) != rows[i].code)
            fail_msg("%s: %d, not %d", rows[i].results, exit_code(rows[i].results), rows[i].code);
    }
}

static void the_totals_line_names_what_is_there(void **state)
{
    (void) state;
    struct report_totals totals = { 0 };
    BUF_AUTO line = BUF_INIT;
    report_totals_line(&totals, &line);
    assert_string_equal(buf_cstr(&line), "no results");
    buf_clear(&line);
    cJSON *doc = sample_run();
    report_summary(doc, NULL, &totals);
    report_totals_line(&totals, &line);
    cJSON_Delete(doc);
    assert_string_equal(buf_cstr(&line), "43 pass, 6 fail, 4 non-strict, 2 not-exercised, 2 skipped, 1 adapter-error, "
                                         "1 harness-error; 5 of them known; 1 stale list entry");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verdict_words_are_those_of_the_conventions),
        cmocka_unit_test(a_standing_follows_from_verdict_and_lists),
        cmocka_unit_test(mutants_are_in_no_total),
        cmocka_unit_test(exit_codes_are_those_of_the_conventions),
        cmocka_unit_test(the_totals_line_names_what_is_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
