/* results_merge: shards and clients become one document, or what does not fit is named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "report/merge.h"
#include "report/report.h"
#include "tests/support/report_sample.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define MOST     4

/* A document of one client and some cases: "exit-code=pass cwd=fail". */
static cJSON *doc_of(const char *client, const char *shard, const char *verdicts)
{
    char copy[300], json[300];
    cJSON *doc = sample_small();
    snprintf(json, sizeof json, "[{'key':'%s','version':'1.0'}]", client);
    sample_set(doc, "clients", json);
    snprintf(json, sizeof json, "'%s'", shard);
    sample_set(doc, "shard", json);
    sample_set(doc, "cases", "[]");
    sample_set(doc, "results", "[]");
    snprintf(copy, sizeof copy, "%s", verdicts);
    for (char *rest = NULL, *word = strtok_r(copy, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
        char *verdict = strchr(word, '=');
        *verdict++ = '\0';
        snprintf(json, sizeof json,
                 "{'id':'hyperbrowser/exec/%s','requirement':'It works.','source':['docs'],"
                 "'tag':'documented','severity':'MUST'}",
                 word);
        cJSON_AddItemToArray(sample_at(doc, "cases"), sample_json(json));
        snprintf(json, sizeof json, "{'case':'hyperbrowser/exec/%s','client':'%s','verdict':'%s'}", word, client,
                 verdict);
        cJSON_AddItemToArray(sample_at(doc, "results"), sample_json(json));
    }
    return doc;
}

/* Join documents named a.json, b.json ...; all of them are freed. */
static cJSON *join(cJSON *const *docs, size_t count, const struct merge_options *options, struct err *err)
{
    static const char *const names[MOST] = { "a.json", "b.json", "c.json", "d.json" };
    struct merge_input inputs[MOST] = { { NULL, NULL } };
    *err = (struct err) ERR_INIT;
    for (size_t i = 0; i < count; i++)
        inputs[i] = (struct merge_input){ names[i], docs[i] };
    cJSON *merged = results_merge(inputs, count, options, err);
    for (size_t i = 0; i < count; i++)
        cJSON_Delete(docs[i]);
    return merged;
}

static cJSON *joined(cJSON *const *docs, size_t count, const struct merge_options *options)
{
    struct err err;
    cJSON *merged = join(docs, count, options, &err);
    if (merged == NULL)
        fail_msg("%s", err.text);
    return merged;
}

static void refused(cJSON *const *docs, size_t count, const char *complaint)
{
    struct err err;
    assert_null(join(docs, count, NULL, &err));
    assert_string_equal(err.text, complaint);
}

/* "one exit-code pass, one cwd fail, " */
static void assert_results(const cJSON *merged, const char *wanted)
{
    BUF_AUTO text = BUF_INIT;
    const cJSON *result;
    cJSON_ArrayForEach(result, results_list(merged, "results"))
        buf_printf(&text, "%s %s %s, ", results_text(result, "client"),
                   results_text(result, "case") + strlen("hyperbrowser/exec/"), results_text(result, "verdict"));
    assert_string_equal(buf_cstr(&text), wanted);
}

/* ---- what fits ---------------------------------------------------------------------------------- */

static void shards_become_one_run(void **state)
{
    (void) state;
    cJSON *docs[] = { doc_of("one", "2/2", "cwd=fail split/Split:10=pass"),
                      doc_of("one", "1/2", "split/Split:2=pass exit-code=pass") };
    cJSON *merged = joined(docs, 2, NULL);
    assert_results(merged, "one cwd fail, one exit-code pass, one split/Split:2 pass, one split/Split:10 pass, ");
    assert_string_equal(results_text(merged, "shard"), "1/1");
    assert_int_equal(cJSON_GetArraySize(results_list(merged, "clients")), 1);
    assert_int_equal(cJSON_GetArraySize(results_list(merged, "cases")), 4);
    cJSON_Delete(merged);
}

static void clients_become_columns(void **state)
{
    (void) state;
    cJSON *docs[] = { doc_of("two", "1/1", "cwd=fail"), doc_of("one", "1/1", "cwd=pass env=pass") };
    cJSON *merged = joined(docs, 2, NULL);
    assert_results(merged, "two cwd fail, one cwd pass, one env pass, ");
    assert_int_equal(cJSON_GetArraySize(results_list(merged, "cases")), 2);
    cJSON_Delete(merged);
}

static void runs_of_different_cases_of_one_client_are_joined(void **state)
{
    (void) state;
    cJSON *docs[] = { doc_of("one", "1/1", "cwd=pass"), doc_of("one", "1/1", "env=pass") };
    cJSON *merged = joined(docs, 2, NULL);
    assert_results(merged, "one cwd pass, one env pass, ");
    cJSON_Delete(merged);
}

static void the_same_verdict_twice_is_one_result(void **state)
{
    (void) state;
    cJSON *docs[] = { doc_of("one", "1/1", "cwd=pass"), doc_of("one", "1/1", "cwd=pass") };
    cJSON *merged = joined(docs, 2, NULL);
    assert_results(merged, "one cwd pass, ");
    cJSON_Delete(merged);
}

static void numbers_of_the_run_are_joined(void **state)
{
    (void) state;
    cJSON *docs[] = { doc_of("one", "1/1", "cwd=pass"), doc_of("two", "1/1", "cwd=pass") };
    sample_set(docs[0], "started_at", "'2026-11-21T14:00:00.000Z'");
    sample_set(docs[1], "started_at", "'2026-11-21T13:00:00.000Z'");
    sample_set(docs[0], "duration_ms", "1500");
    sample_set(docs[1], "duration_ms", "500");
    sample_set(docs[0], "load_factor", "1.5");
    sample_set(docs[1], "seed", "7");
    cJSON *merged = joined(docs, 2, NULL);
    assert_string_equal(results_text(merged, "started_at"), "2026-11-21T13:00:00.000Z");
    assert_int_equal((int) results_number(merged, "duration_ms", 0), 2000);
    assert_int_equal((int) (2 * results_number(merged, "load_factor", 0)), 3);
    assert_null(json_get(merged, "seed"));
    const cJSON *part = cJSON_GetArrayItem(results_list(merged, "parts"), 1);
    assert_string_equal(results_text(part, "name"), "b.json");
    assert_int_equal((int) results_number(part, "seed", 0), 7);
    assert_string_equal(cJSON_GetArrayItem(results_list(part, "clients"), 0)->valuestring, "two");
    cJSON_Delete(merged);
}

static void a_joined_document_can_be_joined_again(void **state)
{
    (void) state;
    cJSON *first[] = { doc_of("one", "1/2", "cwd=pass"), doc_of("one", "2/2", "env=pass") };
    cJSON *second[] = { joined(first, 2, NULL), doc_of("two", "1/1", "env=fail") };
    cJSON *merged = joined(second, 2, NULL);
    assert_results(merged, "one cwd pass, one env pass, two env fail, ");
    assert_int_equal(cJSON_GetArraySize(results_list(merged, "parts")), 3);
    cJSON_Delete(merged);
}

static void a_patch_of_the_suite_is_compatible(void **state)
{
    (void) state;
    cJSON *docs[] = { doc_of("one", "1/1", "cwd=pass"), doc_of("two", "1/1", "cwd=pass") };
    sample_set(docs[0], "suite", "'1.4.2'");
    sample_set(docs[1], "suite", "'1.4.10-rc1'");
    cJSON *merged = joined(docs, 2, NULL);
    assert_string_equal(results_text(merged, "suite"), "1.4.2");
    cJSON_Delete(merged);
}

static void a_whole_run_cut_in_two_is_the_same_again(void **state)
{
    (void) state;
    cJSON *whole = sample_run(), *halves[] = { sample_run(), sample_run() };
    struct report_totals before, after;
    for (int half = 0; half < 2; half++) {
        cJSON *results = sample_at(halves[half], "results");
        sample_set(halves[half], "shard", half == 0 ? "'1/2'" : "'2/2'");
        for (int i = cJSON_GetArraySize(results) - 1; i >= 0; i--) {
            if (i % 2 == half)
                cJSON_DeleteItemFromArray(results, i);
        }
    }
    cJSON *merged = joined(halves, 2, NULL);
    report_summary(whole, NULL, &before);
    report_summary(merged, NULL, &after);
    /* The machine's time is that of both. */
    assert_int_equal((int) after.duration_ms, 2 * (int) before.duration_ms);
    after.duration_ms = before.duration_ms;
    assert_memory_equal(&before, &after, sizeof before);
    const cJSON *result;
    cJSON_ArrayForEach(result, sample_at(whole, "results"))
    {
        const cJSON *other;
        bool is_there = false;
        cJSON_ArrayForEach(other, sample_at(merged, "results")) is_there |= cJSON_Compare(result, other, true);
        assert_true(is_there);
    }
    cJSON_Delete(merged);
    cJSON_Delete(whole);
}

/* ---- what does not -------------------------------------------------------------------------------- */

static void a_missing_shard_is_named(void **state)
{
    (void) state;
    cJSON *one[] = { doc_of("one", "1/3", "cwd=pass"), doc_of("one", "3/3", "env=pass") };
    refused(one, 2, "one: shard 2/3 is missing");
    cJSON *more[] = { doc_of("one", "1/1", "cwd=pass"), doc_of("two", "3/4", "env=pass") };
    refused(more, 2, "two: shard 1/4 and 2 more are missing");
    /* Shards of another way of cutting do not fill the gap. */
    cJSON *mixed[] = { doc_of("one", "1/2", "cwd=pass"), doc_of("one", "2/3", "env=pass") };
    refused(mixed, 2, "one: shard 2/2 is missing");
    cJSON *alone[] = { doc_of("one", "2/2", "cwd=pass") };
    refused(alone, 1, "one: shard 1/2 is missing");
}

static void a_missing_shard_can_be_allowed(void **state)
{
    (void) state;
    struct merge_options options = { .allow_missing = true };
    cJSON *docs[] = { doc_of("one", "1/3", "cwd=pass"), doc_of("one", "3/3", "env=pass") };
    cJSON *merged = joined(docs, 2, &options);
    assert_string_equal(cJSON_GetArrayItem(results_list(merged, "notes"), 0)->valuestring, "one: shard 2/3 is missing");
    cJSON_Delete(merged);
}

static void two_verdicts_are_refused(void **state)
{
    (void) state;
    cJSON *docs[] = { doc_of("one", "1/1", "cwd=pass"), doc_of("one", "1/1", "cwd=fail"),
                      doc_of("one", "1/1", "cwd=pass") };
    refused(docs, 3,
            "hyperbrowser/exec/cwd [one] has two verdicts: pass in a.json, fail in b.json, pass in c.json; run it "
            "again, or allow flaky cases");
}

static void two_verdicts_can_be_allowed_and_are_flaky(void **state)
{
    (void) state;
    struct merge_options options = { .allow_flaky = true };
    cJSON *docs[] = { doc_of("one", "1/1", "cwd=pass env=pass"), doc_of("one", "1/1", "cwd=fail env=pass"),
                      doc_of("one", "1/1", "cwd=not-exercised env=pass") };
    cJSON *merged = joined(docs, 3, &options);
    const cJSON *result = cJSON_GetArrayItem(results_list(merged, "results"), 0);
    assert_results(merged, "one cwd fail, one env pass, ");
    assert_string_equal(results_text(result, "listed"), "known-flaky");
    assert_string_equal(results_text(result, "listed_reason"),
                        "verdicts differ: pass in a.json, fail in b.json, not-exercised in c.json");
    assert_int_equal(result_standing_of(result), STANDING_LISTED);
    assert_int_equal(cJSON_GetArraySize(results_list(merged, "notes")), 1);
    cJSON_Delete(merged);
}

static void what_must_agree_is_named_when_it_does_not(void **state)
{
    (void) state;
    static const struct {
        const char *place, *json, *complaint;
    } rows[] = {
        { "suite", "'0.2.0'", "a.json is of suite 0.1.0, b.json of 0.2.0: run them again with one suite" },
        { "suite", "'nightly'", "a.json is of suite 0.1.0, b.json of nightly: run them again with one suite" },
        { "vendor", "'modal'", "a.json is about hyperbrowser, b.json about modal: join each vendor's by itself" },
        { "clients/0/version", "'1.1'", "client one: \"version\" is not the same in a.json and b.json" },
        { "clients/0/mutant", "true", "client one: \"mutant\" is not the same in a.json and b.json" },
        { "cases/0/severity", "'SHOULD'",
          "case hyperbrowser/exec/cwd: \"severity\" is not the same in a.json and b.json" },
        { "cases/0/source", "['docs','more']",
          "case hyperbrowser/exec/cwd: \"source\" is not the same in a.json and b.json" },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        cJSON *docs[] = { doc_of("one", "1/1", "cwd=pass"), doc_of("one", "1/1", "cwd=pass") };
        sample_set(docs[1], rows[i].place, rows[i].json);
        refused(docs, 2, rows[i].complaint);
    }
}

static void nothing_cannot_be_joined(void **state)
{
    (void) state;
    refused(NULL, 0, "no documents to join");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shards_become_one_run),
        cmocka_unit_test(clients_become_columns),
        cmocka_unit_test(runs_of_different_cases_of_one_client_are_joined),
        cmocka_unit_test(the_same_verdict_twice_is_one_result),
        cmocka_unit_test(numbers_of_the_run_are_joined),
        cmocka_unit_test(a_joined_document_can_be_joined_again),
        cmocka_unit_test(a_patch_of_the_suite_is_compatible),
        cmocka_unit_test(a_whole_run_cut_in_two_is_the_same_again),
        cmocka_unit_test(a_missing_shard_is_named),
        cmocka_unit_test(a_missing_shard_can_be_allowed),
        cmocka_unit_test(two_verdicts_are_refused),
        cmocka_unit_test(two_verdicts_can_be_allowed_and_are_flaky),
        cmocka_unit_test(what_must_agree_is_named_when_it_does_not),
        cmocka_unit_test(nothing_cannot_be_joined),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
