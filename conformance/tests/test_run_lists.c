/* The suite as a whole: exit codes, lists of known failures, shards, other servers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "link/host.h"
#include "report/results.h"
#include "tests/support/program.h"

#define CASES "hyperbrowser/exec/exit-code/**"
#define QUIET "hyperbrowser/timeouts/quiet-command-outlives-the-limit"
#define ONE_CASE "hyperbrowser/exec/exit-code/Code:7"
#define ZERO "hyperbrowser/exec/exit-code/Code:0"
#define CONFORMANT 0
#define NOT_CONFORMANT 1
#define WRONG_USE 2
#define NOTHING_SELECTED 77
/* Each stream is a thread of the server, and sanitizers make threads slow to start. */
#define FEW "--max-streams=40"

static char *command(const char *program, const char *words)
{
    static char commands[4][2048];
    static unsigned next;
    char *out = commands[next++ % 4];
    snprintf(out, sizeof commands[0], "%s %s", program_env(program), words);
    return out;
}

#define REFERENCE command("STANDBOX_REFCLIENT", "--protocol b")
/* Exit code 0 becomes null: one of the eight cases fails. */
#define IMPATIENT command("STANDBOX_REFCLIENT_MUTANTS", "--protocol b --mutant silence-limited-by-timeout")
#define MUTANT command("STANDBOX_REFCLIENT_MUTANTS", "--protocol b --mutant exit-code-0-lost")

static const char *write_list(const char *text)
{
    static char path[64];
    snprintf(path, sizeof path, "/tmp/standbox-list-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    return path;
}

static void assert_code(const struct program_run *run, int code)
{
    if (run->code != code)
        fail_msg("exit code %d, not %d: %s", run->code, code, buf_cstr(&run->err));
}

static bool is_stale(const struct program_run *run, const char *id)
{
    return results_flag(program_result(run, id), "stale");
}

static void a_right_client_is_conformant(void **state)
{
    (void) state;
    PROGRAM_RUN run = RUN("--client", REFERENCE, "--run", CASES);
    assert_code(&run, CONFORMANT);
    assert_int_equal(program_count(&run, "pass"), 8);
}

static void a_wrong_one_is_not_and_is_told_what_was_seen(void **state)
{
    (void) state;
    PROGRAM_RUN run = RUN("--client", MUTANT, "--run", CASES);
    assert_code(&run, NOT_CONFORMANT);
    assert_int_equal(program_count(&run, "fail"), 1);
    assert_non_null(strstr(buf_cstr(&run.err), "r.value.exit_code: expected 0, seen"));
    assert_non_null(strstr(buf_cstr(&run.err), "--run '" ZERO "'"));
}

/* Limits grow with the patience, and so must the silence that a client should outlast. */
static void a_patient_run_still_notices_who_cannot_bear_silence(void **state)
{
    (void) state;
    PROGRAM_RUN right = RUN("--client", REFERENCE, "--run", QUIET, "--patience", "3");
    assert_code(&right, CONFORMANT);
    PROGRAM_RUN wrong = RUN("--client", IMPATIENT, "--run", QUIET, "--patience", "3");
    assert_code(&wrong, NOT_CONFORMANT);
}

static void a_failure_that_is_listed_is_none(void **state)
{
    (void) state;
    const char *list = write_list(ZERO " the client says null\n");
    PROGRAM_RUN run = RUN("--client", MUTANT, "--run", CASES, "--known-failing", list);
    unlink(list);
    assert_code(&run, CONFORMANT);
    assert_string_equal(results_text(program_result(&run, ZERO), "listed"), "known-failing");
    assert_string_equal(results_text(program_result(&run, ZERO), "listed_reason"), "the client says null");
}

static void a_listed_case_that_passes_is_stale(void **state)
{
    (void) state;
    const char *list = write_list(ONE_CASE "\n" ZERO "\n");
    PROGRAM_RUN run = RUN("--client", MUTANT, "--run", CASES, "--known-failing", list);
    unlink(list);
    assert_code(&run, NOT_CONFORMANT);
    assert_true(is_stale(&run, ONE_CASE));
    assert_false(is_stale(&run, ZERO));
}

static void another_failure_than_the_listed_one_is_a_regression(void **state)
{
    (void) state;
    const char *list = write_list(ZERO " message=00000000\n");
    PROGRAM_RUN run = RUN("--client", MUTANT, "--run", ZERO, "--known-failing", list);
    unlink(list);
    assert_code(&run, NOT_CONFORMANT);
}

static void an_entry_whose_day_is_over_counts_no_more(void **state)
{
    (void) state;
    const char *list = write_list(ZERO " until=2001-01-01\n");
    PROGRAM_RUN run = RUN("--client", MUTANT, "--run", ZERO, "--known-failing", list);
    unlink(list);
    assert_code(&run, NOT_CONFORMANT);
}

static void a_flaky_case_may_pass_or_fail(void **state)
{
    (void) state;
    const char *list = write_list(ZERO "\n" ONE_CASE "\n");
    PROGRAM_RUN run = RUN("--client", MUTANT, "--run", CASES, "--known-flaky", list);
    unlink(list);
    assert_code(&run, CONFORMANT);
}

static void recorded_failures_are_a_list_that_fits(void **state)
{
    (void) state;
    const char *list = write_list("");
    PROGRAM_RUN first = RUN("--client", MUTANT, "--run", CASES, "--record-failures", list);
    assert_code(&first, NOT_CONFORMANT);
    PROGRAM_RUN second = RUN("--client", MUTANT, "--run", CASES, "--known-failing", list);
    unlink(list);
    assert_code(&second, CONFORMANT);
}

static void lists_that_cannot_be_meant_are_refused(void **state)
{
    (void) state;
    static const struct { const char *failing, *flaky, *says; } rows[] = {
        { "hyperbrowser/no/such\n", "", "no case" },
        { "hyperbrowser/**\n", "", "--allow-broad" },
        { ONE_CASE "\n", ONE_CASE "\n", "one of them" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *failing = strdup(write_list(rows[i].failing)), *flaky = strdup(write_list(rows[i].flaky));
        PROGRAM_RUN run = RUN("--client", REFERENCE, "--run", CASES, "--known-failing", failing, "--known-flaky",
                              flaky);
        unlink(failing);
        unlink(flaky);
        free(failing);
        free(flaky);
        assert_code(&run, WRONG_USE);
        assert_non_null(strstr(buf_cstr(&run.err), rows[i].says));
    }
}

static void a_pattern_without_a_case_is_wrong_use_and_none_left_is_77(void **state)
{
    (void) state;
    PROGRAM_RUN wrong = RUN("--client", REFERENCE, "--run", "hyperbrowser/nothing/*");
    assert_code(&wrong, WRONG_USE);
    PROGRAM_RUN none = RUN("--client", REFERENCE, "--run", CASES, "--skip", CASES);
    assert_code(&none, NOTHING_SELECTED);
}

static void shards_have_every_case_once_and_merge(void **state)
{
    (void) state;
    char one[] = "/tmp/standbox-shard-XXXXXX", two[] = "/tmp/standbox-shard-XXXXXX";
    close(mkstemp(one));
    close(mkstemp(two));
    PROGRAM_RUN first = RUN("--client", REFERENCE, "--run", CASES, "--shard", "1/2", "--json", one);
    PROGRAM_RUN second = RUN("--client", REFERENCE, "--run", CASES, "--shard", "2/2", "--json", two);
    assert_code(&first, CONFORMANT);
    assert_code(&second, CONFORMANT);
    PROGRAM_RUN merged = RUN("merge", one, two);
    assert_code(&merged, CONFORMANT);
    assert_int_equal(program_count(&merged, "pass"), 8);
    PROGRAM_RUN half = RUN("merge", one);
    assert_code(&half, WRONG_USE);   /* a shard is missing */
    unlink(one);
    unlink(two);
}

static void a_server_of_somebody_elses_is_judged_by_what_a_client_sees(void **state)
{
    (void) state;
    struct host *host;
    struct err err = ERR_INIT;
    const char *few[] = { FEW, NULL };
    struct host_options options = { .server = program_env("STANDBOX_SERVER"), .warden = program_env("STANDBOX_WARDEN"),
                                    .args = few, .ready_ms = 60000 };
    if (host_start(&host, &options, &err) != 0)
        fail_msg("%s", err.text);
    PROGRAM_RUN right = RUN("--server-only", host_url(host), "--api-key", "any", "--client", REFERENCE);
    assert_code(&right, CONFORMANT);
    assert_true(program_count(&right, "pass") >= 10);
    /* The same server, asked by a client that gets it wrong: the suite sees the difference. */
    PROGRAM_RUN wrong = RUN("--server-only", host_url(host), "--api-key", "any", "--client", MUTANT);
    assert_code(&wrong, NOT_CONFORMANT);
    host_stop(host, NULL);
}

/* It is wrong in one thing alone: every exit code is 9. */
static void a_wrong_server_of_somebody_elses_fails(void **state)
{
    (void) state;
    struct host *host;
    struct err err = ERR_INIT;
    const char *list = write_list("{ \"standbox\": 1, \"name\": \"nines\", \"why\": \"a wrong server\", \"processes\": "
                                  "[{ \"when\": { \"command\": \"exit *\" }, \"run\": { \"exit\": 9 } }] }");
    const char *args[] = { FEW, "--scenario", list, NULL };
    struct host_options options = { .server = program_env("STANDBOX_SERVER"), .warden = program_env("STANDBOX_WARDEN"),
                                    .args = args, .ready_ms = 60000 };
    if (host_start(&host, &options, &err) != 0)
        fail_msg("%s", err.text);
    unlink(list);
    PROGRAM_RUN run = RUN("--server-only", host_url(host), "--api-key", "any", "--client", REFERENCE);
    assert_code(&run, NOT_CONFORMANT);
    assert_true(program_count(&run, "fail") >= 1);
    host_stop(host, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_right_client_is_conformant),
        cmocka_unit_test(a_wrong_one_is_not_and_is_told_what_was_seen),
        cmocka_unit_test(a_patient_run_still_notices_who_cannot_bear_silence),
        cmocka_unit_test(a_failure_that_is_listed_is_none),
        cmocka_unit_test(a_listed_case_that_passes_is_stale),
        cmocka_unit_test(another_failure_than_the_listed_one_is_a_regression),
        cmocka_unit_test(an_entry_whose_day_is_over_counts_no_more),
        cmocka_unit_test(a_flaky_case_may_pass_or_fail),
        cmocka_unit_test(recorded_failures_are_a_list_that_fits),
        cmocka_unit_test(lists_that_cannot_be_meant_are_refused),
        cmocka_unit_test(a_pattern_without_a_case_is_wrong_use_and_none_left_is_77),
        cmocka_unit_test(shards_have_every_case_once_and_merge),
        cmocka_unit_test(a_server_of_somebody_elses_is_judged_by_what_a_client_sees),
        cmocka_unit_test(a_wrong_server_of_somebody_elses_fails),
    };
    return cmocka_run_group_tests_name("lists, shards, servers", tests, NULL, NULL);
}
