/* The suite as a whole: what it says of adapters that are wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include <cjson/cJSON.h>

#include "report/results.h"
#include "tests/support/program.h"

#define CASES "hyperbrowser/exec/exit-code/**"   /* eight, each a command that exits with another code */
#define ONE_CASE "hyperbrowser/exec/exit-code/Code:7"
#define A_THIRD "1/3"   /* of all cases */
#define MANY_JOBS "8"   /* who waits for requests that never come needs no processor */
#define EXIT_INCONCLUSIVE 3

static const char *end_of(const struct program_run *run, const char *id)
{
    return results_text(cJSON_GetObjectItemCaseSensitive(program_result(run, id), "adapter"), "end");
}

/* All results have this one verdict, and there is one at least. */
static void assert_all(const struct program_run *run, const char *verdict)
{
    size_t all = program_count(run, NULL);
    if (all == 0 || program_count(run, verdict) != all)
        fail_msg("not all %zu results are %s: %s", all, verdict, buf_cstr(&run->err));
}

static void an_adapter_that_does_nothing_passes_nothing(void **state)
{
    (void) state;
    PROGRAM_RUN run = RUN("--client", program_adapter("do-nothing"), "--jobs", MANY_JOBS, "--shard", A_THIRD);
    assert_int_equal(run.code, EXIT_INCONCLUSIVE);
    assert_int_equal(program_count(&run, "pass"), 0);
    assert_true(program_count(&run, "not-exercised") > 50);
    assert_int_equal(program_count(&run, "fail"), 0);
}

static void one_that_claims_success_for_everything_passes_nothing(void **state)
{
    (void) state;
    PROGRAM_RUN run = RUN("--client", program_adapter("claims-success"), "--jobs", MANY_JOBS, "--shard", A_THIRD);
    assert_int_equal(run.code, EXIT_INCONCLUSIVE);
    assert_int_equal(program_count(&run, "pass"), 0);
    assert_true(program_count(&run, "not-exercised") > 50);
}

static void one_that_exits_is_named_with_its_exit_code_and_started_again(void **state)
{
    (void) state;
    PROGRAM_RUN run = RUN("--client", program_adapter("crash-exit"), "--run", CASES, "--jobs", "1");
    assert_int_equal(run.code, EXIT_INCONCLUSIVE);
    assert_all(&run, "adapter-error");
    assert_int_equal(program_count(&run, NULL), 8);
    assert_string_equal(end_of(&run, ONE_CASE), "exit 3");
    assert_non_null(strstr(buf_cstr(&run.err), "exit 3"));
}

static void one_that_crashes_is_named_with_its_signal(void **state)
{
    (void) state;
    PROGRAM_RUN run = RUN("--client", program_adapter("crash-signal"), "--run", ONE_CASE);
    assert_int_equal(run.code, EXIT_INCONCLUSIVE);
    assert_all(&run, "adapter-error");
    assert_non_null(strstr(end_of(&run, ONE_CASE), "signal 11"));
}

static void one_that_prints_garbage_has_its_line_shown(void **state)
{
    (void) state;
    PROGRAM_RUN run = RUN("--client", program_adapter("garbage"), "--run", ONE_CASE);
    assert_int_equal(run.code, EXIT_INCONCLUSIVE);
    assert_all(&run, "adapter-error");
    const cJSON *adapter = cJSON_GetObjectItemCaseSensitive(program_result(&run, ONE_CASE), "adapter");
    assert_true(*results_text(adapter, "line") != '\0');
}

/* Its own end counts, not that of the pipe that its child holds; a run that waited for it would not end here. */
static void one_whose_grandchild_holds_stdout_does_not_hold_the_suite(void **state)
{
    (void) state;
    PROGRAM_RUN run = RUN("--client", program_adapter("holds-stdout"), "--run", CASES);
    assert_int_equal(run.code, EXIT_INCONCLUSIVE);
    assert_all(&run, "adapter-error");
    assert_int_equal(program_count(&run, NULL), 8);
}

static void one_that_hangs_is_killed_at_its_deadline(void **state)
{
    (void) state;
    PROGRAM_RUN run = RUN("--client", program_adapter("hang"), "--run", ONE_CASE, "--patience", "0.1");
    assert_int_equal(run.code, EXIT_INCONCLUSIVE);   /* it never asked for anything */
    assert_all(&run, "not-exercised");
    assert_string_equal(end_of(&run, ONE_CASE), "deadline");
}

static void one_that_cannot_be_started_is_no_client(void **state)
{
    (void) state;
    PROGRAM_RUN run = RUN("--client", "/no/such/adapter", "--run", CASES);
    assert_int_equal(run.code, EXIT_INCONCLUSIVE);
    assert_all(&run, "adapter-error");
    assert_non_null(strstr(buf_cstr(&run.err), "/no/such/adapter"));
}

static void a_level_1_adapter_that_says_nothing_passes_nothing(void **state)
{
    (void) state;
    PROGRAM_RUN run = RUN("--client", program_adapter("level1-nothing"), "--level", "1", "--run", CASES);
    assert_int_equal(run.code, EXIT_INCONCLUSIVE);
    assert_int_equal(program_count(&run, "pass"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_adapter_that_does_nothing_passes_nothing),
        cmocka_unit_test(one_that_claims_success_for_everything_passes_nothing),
        cmocka_unit_test(one_that_exits_is_named_with_its_exit_code_and_started_again),
        cmocka_unit_test(one_that_crashes_is_named_with_its_signal),
        cmocka_unit_test(one_that_prints_garbage_has_its_line_shown),
        cmocka_unit_test(one_whose_grandchild_holds_stdout_does_not_hold_the_suite),
        cmocka_unit_test(one_that_hangs_is_killed_at_its_deadline),
        cmocka_unit_test(one_that_cannot_be_started_is_no_client),
        cmocka_unit_test(a_level_1_adapter_that_says_nothing_passes_nothing),
    };
    return cmocka_run_group_tests_name("wrong adapters", tests, NULL, NULL);
}
