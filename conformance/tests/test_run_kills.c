/* standbox-conformance kills: the clients that a program of mutants lists, and what is said of them. */
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

#include "report/results.h"
#include "tests/support/program.h"

#define CASE "coreweave/results/exit-code/Code:255"
#define CONFORMANT 0
#define NOT_CONFORMANT 1
#define FAULT 4

/* The name of a file with this text; the caller unlinks it. */
static void write_file(const char *text, char path[static 64])
{
    snprintf(path, 64, "/tmp/standbox-mutants-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

/* kills with a client that has just these mutants; `pairs` may be NULL. */
static struct program_run run_kills(const char *mutants, const char *pairs)
{
    char list[64], pair_file[64], client[2048];
    write_file(mutants, list);
    write_file(pairs != NULL ? pairs : "", pair_file);
    snprintf(client, sizeof client, "%s %s %s --vendor coreweave", program_adapter("some-mutants"), list,
             program_env("STANDBOX_REFCLIENT_MUTANTS"));
    struct program_run run = pairs != NULL ? RUN("kills", "--vendor", "coreweave", "--client", client, "--run", CASE,
                                                 "--pairs", pair_file)
                                           : RUN("kills", "--vendor", "coreweave", "--client", client, "--run", CASE);
    unlink(list);
    unlink(pair_file);
    return run;
}

static void assert_code(const struct program_run *run, int code)
{
    if (run->code != code)
        fail_msg("exit code %d, not %d: %s", run->code, code, buf_cstr(&run->err));
}

static void assert_clients(const struct program_run *run, const char *expected)
{
    BUF_AUTO keys = BUF_INIT;
    const cJSON *client;
    cJSON_ArrayForEach(client, results_list(run->results, "clients"))
        buf_printf(&keys, "%s ", results_text(client, "key"));
    assert_string_equal(buf_cstr(&keys), expected);
}

static void references_are_of_the_protocols_that_mutants_have(void **state)
{
    (void) state;
    PROGRAM_RUN one = run_kills("{\"name\":\"exit-code-cut\",\"what\":\"x\",\"protocols\":[\"v1\"]}\n", NULL);
    assert_code(&one, CONFORMANT);
    assert_non_null(strstr(buf_cstr(&one.err), "1 mutants, 1 cases, 0 findings"));
    assert_clients(&one, "reference/v1 mutant:exit-code-cut/v1 ");
    PROGRAM_RUN both = run_kills("{\"name\":\"exit-code-cut\",\"what\":\"x\",\"protocols\":[\"v1\"]}\n"
                                 "{\"name\":\"timeout-in-ms\",\"what\":\"x\",\"protocols\":[\"v1beta2\",\"v1\"]}",
                                 "exit-code-cut/v1 " CASE "\n");
    assert_clients(&both, "reference/v1 reference/v1beta2 mutant:exit-code-cut/v1 mutant:timeout-in-ms/v1beta2 "
                          "mutant:timeout-in-ms/v1 ");
    assert_int_equal(program_count(&both, NULL), 3); /* the references and the pair */
    assert_int_equal(program_count(&both, "fail"), 1);
}

static void a_mutant_that_nobody_notices_is_a_finding(void **state)
{
    (void) state;
    PROGRAM_RUN run = run_kills("{\"name\":\"exit-code-cut\",\"what\":\"x\",\"protocols\":[\"v1\"]}\n"
                                "{\"name\":\"stderr-dropped\",\"what\":\"x\",\"protocols\":[\"v1\"]}\n",
                                NULL);
    assert_code(&run, NOT_CONFORMANT);
    assert_non_null(strstr(buf_cstr(&run.err), "surviving-mutant  mutant:stderr-dropped/v1"));
    assert_non_null(strstr(buf_cstr(&run.err), "2 mutants, 1 cases, 1 findings"));
}

static void lists_that_are_none_are_refused(void **state)
{
    (void) state;
    static const struct {
        const char *list, *said;
    } rows[] = {
        { "", "the client lists no mutants" },
        { "\n\n", "the client lists no mutants" },
        { "exit-code-cut\n", "--list-mutants: " },
        { "{\"protocols\":[\"v1\"]}\n", "no name, what or protocols in: {\"protocols\"" },
        { "{\"name\":7,\"what\":\"x\",\"protocols\":[\"v1\"]}\n", "no name, what or protocols" },
        { "{\"name\":\"exit-code-cut\",\"protocols\":[\"v1\"]}\n", "no name, what or protocols" },
        { "{\"name\":\"exit-code-cut\",\"what\":\"x\"}\n", "no name, what or protocols" },
        { "{\"name\":\"exit-code-cut\",\"what\":\"x\",\"protocols\":[]}\n", "no name, what or protocols" },
        { "{\"name\":\"exit-code-cut\",\"what\":\"x\",\"protocols\":\"v1\"}\n", "no name, what or protocols" },
        { "{\"name\":\"exit-code-cut\",\"what\":\"x\",\"protocols\":[\"v1\",1]}\n", "no name, what or protocols" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        PROGRAM_RUN run = run_kills(rows[i].list, NULL);
        assert_code(&run, FAULT);
        if (strstr(buf_cstr(&run.err), rows[i].said) == NULL)
            fail_msg("row %zu: %s", i, buf_cstr(&run.err));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(references_are_of_the_protocols_that_mutants_have),
        cmocka_unit_test(a_mutant_that_nobody_notices_is_a_finding),
        cmocka_unit_test(lists_that_are_none_are_refused),
    };
    return cmocka_run_group_tests_name("kills", tests, NULL, NULL);
}
