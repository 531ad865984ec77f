/* results_check and results_read: what is taken, what is refused, and that the place is named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "report/results.h"
#include "tests/support/report_sample.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

/* The complaint about the smallest document with this changed; "" when there is none. */
static void complaint(struct err *err, const char *place, const char *json)
{
    cJSON *doc = sample_small();
    *err = (struct err) ERR_INIT;
    sample_set(doc, place, json);
    assert_int_equal(results_check(doc, err), err->code == ERR_NONE ? 0 : -1);
    cJSON_Delete(doc);
}

static void made_up_documents_are_taken(void **state)
{
    (void) state;
    cJSON *docs[] = { sample_run(), sample_small(), sample_hostile(), sample_matrix(3, 10) };
    for (size_t i = 0; i < COUNT(docs); i++) {
        struct err err = ERR_INIT;
        if (results_check(docs[i], &err) < 0)
            fail_msg("document %zu: %s", i, err.text);
        cJSON_Delete(docs[i]);
    }
}

static void what_is_wrong_is_refused_with_its_place(void **state)
{
    (void) state;
    static const struct {
        const char *place, *json, *complaint;
    } rows[] = {
        { "standbox_results", "2", "/standbox_results: must be 1: another format, which this program cannot read" },
        { "standbox_results", "'1'", "/standbox_results: must be 1" },
        { "standbox_results", "null", "no result document: it has no member \"standbox_results\"" },
        { "suite", "''", "/suite: must not be empty" },
        { "suite", "null", "/suite: is missing" },
        { "vendor", "7", "/vendor: must be a string, not a number" },
        { "vendor", "'Hyper Browser'", "/vendor: must be a short name of a-z 0-9 -" },
        { "started_at", "null", "/started_at: is missing" },
        { "duration_ms", "-1", "/duration_ms: must be from 0 to 2^53 - 1, not -1" },
        { "duration_ms", "1e300", "/duration_ms: must be from 0 to 2^53 - 1, not 1e+300" },
        { "duration_ms", "'9'", "/duration_ms: must be a number, not a string" },
        { "shard", "'2'", "/shard: must be like \"1/4\", not \"2\"" },
        { "shard", "'3/2'", "/shard: must be like \"1/4\", not \"3/2\"" },
        { "shard", "'0/2'", "/shard: must be like" },
        { "shard", "' 1/2'", "/shard: must be like" },
        { "shard", "'1/2x'", "/shard: must be like" },
        { "shard", "'1/123456'", "/shard: must be like" },
        { "notes", "{}", "/notes: must be an array, not an object" },
        { "notes", "[{'that':'x'}]", "/notes/0/what: is missing" },
        { "clients", "{}", "/clients: must be an array, not an object" },
        { "clients", "[7]", "/clients/0: must be an object, not a number" },
        { "clients/0/key", "''", "/clients/0/key: must not be empty" },
        { "clients/0/mutant", "'yes'", "/clients/0/mutant: must be true or false, not a string" },
        { "clients/0/capabilities", "['a',7]", "/clients/0/capabilities/1: must be a string, not a number" },
        { "clients", "[{'key':'one'},{'key':'one'}]", "/clients/1/key: \"one\" is there twice" },
        { "cases/0/id", "'other/exec/exit-code'", "/cases/0/id: must be like \"hyperbrowser/area/case\", not" },
        { "cases/0/id", "'hyperbrowser/exec'", "/cases/0/id: must be like" },
        { "cases/0/id", "'hyperbrowser/Exec/x'", "/cases/0/id: must be like" },
        { "cases/0/source", "null", "/cases/0/source: is missing" },
        { "cases/0/tag", "'guessed'", "/cases/0/tag: must be one of documented, observed, inferred, not \"guessed\"" },
        { "cases/0/severity", "'MAY'", "/cases/0/severity: must be one of MUST, SHOULD, not \"MAY\"" },
        { "results/0/verdict", "'passed'",
          "/results/0/verdict: must be one of pass, fail, non-strict, not-exercised, "
          "skipped, adapter-error, harness-error, not \"passed\"" },
        { "results/0/verdict", "null", "/results/0/verdict: is missing" },
        { "results/0/client", "'two'", "/results/0/client: there is no \"two\" in /clients" },
        { "results/0/case", "'hyperbrowser/exec/other'",
          "/results/0/case: there is no \"hyperbrowser/exec/other\" in" },
        { "results/0/listed", "'known'",
          "/results/0/listed: must be one of known-failing, known-flaky, not \"known\"" },
        { "results/0/steps", "[{'step':'r','problems':[{'seen':'1'}]}]",
          "/results/0/steps/0/problems/0/at: is missing" },
        { "results/0/wire", "[{'what':'w','ok':1}]", "/results/0/wire/0/ok: must be true or false, not a number" },
        { "results/0/witness", "[{'what':'w','ok':true,'entries':['1']}]",
          "/results/0/witness/0/entries/0: must be a" },
        { "results/0/adapter", "[]", "/results/0/adapter: must be an object, not an array" },
        { "results/0/ledger", "[{'type':'reply','number':1,'time_ms':1}]", "/results/0/ledger/0/type: must be one of" },
        { "results/0/ledger",
          "[{'type':'fact','number':1,'time_ms':1,'output':{'bytes':1,'data':'','encoding':'hex'}}]",
          "/results/0/ledger/0/output/encoding: must be one of utf-8, base64, not \"hex\"" },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct err err = ERR_INIT;
        cJSON *doc = sample_small();
        sample_set(doc, rows[i].place, rows[i].json);
        if (results_check(doc, &err) == 0)
            fail_msg("%s = %s was taken", rows[i].place, rows[i].json);
        if (strstr(err.text, rows[i].complaint) == NULL || err.code != ERR_INVALID)
            fail_msg("%s = %s: \"%s\", not \"%s\"", rows[i].place, rows[i].json, err.text, rows[i].complaint);
        cJSON_Delete(doc);
    }
}

static void a_second_result_of_a_pair_is_refused(void **state)
{
    (void) state;
    struct err err = ERR_INIT;
    cJSON *doc = sample_small();
    cJSON_AddItemToArray(sample_at(doc, "results"), cJSON_Duplicate(sample_at(doc, "results/0"), true));
    assert_int_equal(results_check(doc, &err), -1);
    assert_string_equal(err.text,
                        "/results/1: a second result of case \"hyperbrowser/exec/exit-code\" and client \"one\"");
    cJSON_Delete(doc);
}

static void what_is_no_object_is_refused(void **state)
{
    (void) state;
    static const char *const rows[] = { "[]", "7", "'x'", "null" };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct err err = ERR_INIT;
        cJSON *doc = sample_json(rows[i]);
        assert_int_equal(results_check(doc, &err), -1);
        assert_int_equal(strncmp(err.text, "/: must be an object, not ", 26), 0);
        cJSON_Delete(doc);
    }
}

static void members_that_nobody_knows_are_left_alone(void **state)
{
    (void) state;
    struct err err;
    complaint(&err, "later", "{'anything':[1,2]}");
    assert_int_equal(err.code, ERR_NONE);
    complaint(&err, "results/0/later", "'x'");
    assert_int_equal(err.code, ERR_NONE);
}

static void null_counts_as_absent(void **state)
{
    (void) state;
    struct err err;
    complaint(&err, "results/0/steps", "null");
    assert_int_equal(err.code, ERR_NONE);
    complaint(&err, "seed", "null");
    assert_int_equal(err.code, ERR_NONE);
}

static void complaints_show_hostile_text_as_escapes(void **state)
{
    (void) state;
    struct err err = ERR_INIT;
    cJSON *doc = sample_small();
    cJSON_SetValuestring(sample_at(doc, "results/0/verdict"), "\x1b[2J\npass\xE2\x80\xAE");
    assert_int_equal(results_check(doc, &err), -1);
    assert_non_null(strstr(err.text, "not \"\\x1b[2J\\npass\\u202e\""));
    cJSON_Delete(doc);
}

/* ---- files ------------------------------------------------------------------------------------ */

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fputs(text, file) < 0, 0);
    assert_int_equal(fclose(file), 0);
}

static int make_path(void **state)
{
    static char path[64];
    snprintf(path, sizeof path, "/tmp/standbox-check-%d.json", (int) getpid());
    *state = path;
    return 0;
}

static int drop_path(void **state)
{
    unlink(*state);
    return 0;
}

static void a_file_is_read(void **state)
{
    struct err err = ERR_INIT;
    cJSON *made = sample_small();
    char *text = cJSON_Print(made);
    write_file(*state, text);
    cJSON *doc = results_read(*state, &err);
    assert_non_null(doc);
    assert_true(cJSON_Compare(made, doc, true));
    cJSON_Delete(doc);
    cJSON_Delete(made);
    free(text);
}

static void complaints_about_a_file_begin_with_its_path(void **state)
{
    static const struct {
        const char *text, *complaint;
    } rows[] = {
        { "", ": 1:1: " },
        { "{\n\"standbox_results\": 1,\n]", ": 3:1: " },
        { "{\"standbox_results\": 1}", ": /suite: is missing" },
        { "[]", ": /: must be an object, not an array" },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct err err = ERR_INIT;
        write_file(*state, rows[i].text);
        assert_null(results_read(*state, &err));
        size_t len = strlen(*state);
        assert_int_equal(strncmp(err.text, *state, len), 0);
        if (strncmp(err.text + len, rows[i].complaint, strlen(rows[i].complaint)) != 0)
            fail_msg("\"%s\", not \"%s\"", err.text + len, rows[i].complaint);
    }
}

static void a_file_that_is_not_there_is_not_found(void **state)
{
    (void) state;
    struct err err = ERR_INIT;
    assert_null(results_read("/nowhere/results.json", &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_string_equal(err.text, "/nowhere/results.json: No such file or directory");
}

/* ---- order ------------------------------------------------------------------------------------ */

static void numbers_in_ids_are_ordered_as_numbers(void **state)
{
    (void) state;
    static const char *const ordered[] = { "v/a/x",          "v/a/x/Split:1", "v/a/x/Split:2", "v/a/x/Split:02",
                                           "v/a/x/Split:10", "v/a/x-y",       "v/b/a" };
    for (size_t i = 0; i < COUNT(ordered); i++) {
        for (size_t j = 0; j < COUNT(ordered); j++) {
            int order = results_compare_ids(ordered[i], ordered[j]);
            /* "02" and "2" are the same number, and yet not the same id. */
            bool is_twin = (i == 2 && j == 3) || (i == 3 && j == 2);
            if (is_twin ? order == 0 : (order < 0) != (i < j) || (order > 0) != (i > j))
                fail_msg("%s and %s: %d", ordered[i], ordered[j], order);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(made_up_documents_are_taken),
        cmocka_unit_test(what_is_wrong_is_refused_with_its_place),
        cmocka_unit_test(a_second_result_of_a_pair_is_refused),
        cmocka_unit_test(what_is_no_object_is_refused),
        cmocka_unit_test(members_that_nobody_knows_are_left_alone),
        cmocka_unit_test(null_counts_as_absent),
        cmocka_unit_test(complaints_show_hostile_text_as_escapes),
        cmocka_unit_test_setup_teardown(a_file_is_read, make_path, drop_path),
        cmocka_unit_test_setup_teardown(complaints_about_a_file_begin_with_its_path, make_path, drop_path),
        cmocka_unit_test(a_file_that_is_not_there_is_not_found),
        cmocka_unit_test(numbers_in_ids_are_ordered_as_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
