/* cli/options: the command line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "cli/options.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

static int parse(struct options *o, struct err *err, const char *const *words)
{
    char *argv[32] = { (char *) "standbox-conformance" };
    int argc = 1;
    for (; words[argc - 1] != NULL; argc++)
        argv[argc] = (char *) words[argc - 1];
    return options_parse(o, argc, argv, NULL, err);
}

#define PARSE(o, err, ...) parse(o, err, (const char *const[]) { __VA_ARGS__, NULL })

static void words_behind_client_belong_to_it(void **state)
{
    (void) state;
    struct options o;
    struct err err = ERR_INIT;
    assert_int_equal(PARSE(&o, &err, "--client", "python3", "my adapter.py", "--vendor", "hyperbrowser"), 0);
    assert_int_equal(o.client.count, 2);
    assert_string_equal(o.client.words[1], "my adapter.py");
    assert_null(o.client.words[2]);
    assert_string_equal(o.vendor, "hyperbrowser");
    options_fini(&o);
}

static void one_word_is_a_command_in_quotes(void **state)
{
    (void) state;
    struct options o;
    struct err err = ERR_INIT;
    assert_int_equal(PARSE(&o, &err, "--client=node 'my adapter.mjs' --modules \"a \\\" b\" ''", "--jobs", "3"), 0);
    assert_int_equal(o.client.count, 5);
    assert_string_equal(o.client.words[1], "my adapter.mjs");
    assert_string_equal(o.client.words[3], "a \" b");
    assert_string_equal(o.client.words[4], "");
    assert_int_equal(o.jobs, 3);
    options_fini(&o);
    assert_int_equal(PARSE(&o, &err, "--client", "node 'x"), -1);
    assert_non_null(strstr(err.text, "quote"));
}

static void everything_behind_two_dashes_is_the_clients(void **state)
{
    (void) state;
    struct options o;
    struct err err = ERR_INIT;
    assert_int_equal(PARSE(&o, &err, "--vendor", "v", "--client", "node", "--", "--modules", "x"), 0);
    assert_int_equal(o.client.count, 3);
    assert_string_equal(o.client.words[1], "--modules");
    options_fini(&o);
}

static void reports_and_shards_are_taken(void **state)
{
    (void) state;
    struct options o;
    struct err err = ERR_INIT;
    assert_int_equal(PARSE(&o, &err, "--client", "x", "--junit", "a.xml", "--html", "b.html", "--shard", "2/3",
                           "--run", "v/*/a", "--run", "v/b/*"), 0);
    assert_string_equal(o.reports[REPORT_JUNIT], "a.xml");
    assert_string_equal(o.reports[REPORT_HTML], "b.html");
    assert_null(o.reports[REPORT_TAP]);
    assert_int_equal(o.shard, 2);
    assert_int_equal(o.shards, 3);
    assert_int_equal(o.run.count, 2);
    options_fini(&o);
}

static void actions_are_chosen(void **state)
{
    (void) state;
    struct options o;
    struct err err = ERR_INIT;
    assert_int_equal(PARSE(&o, &err, "merge", "a.json", "b.json", "--html", "x.html"), 0);
    assert_int_equal(o.action, ACTION_MERGE);
    assert_int_equal(o.files.count, 2);
    options_fini(&o);
    assert_int_equal(PARSE(&o, &err, "kills", "--client", "x"), 0);
    assert_int_equal(o.action, ACTION_KILLS);
    options_fini(&o);
    assert_int_equal(PARSE(&o, &err, "--list"), 0);
    assert_int_equal(o.action, ACTION_LIST);
    options_fini(&o);
    assert_int_equal(PARSE(&o, &err, "--client", "merge"), 0);   /* a client of that name is no action */
    assert_int_equal(o.action, ACTION_RUN);
    options_fini(&o);
}

static void wrong_use_is_named(void **state)
{
    (void) state;
    static const struct { const char *words[6], *says; } rows[] = {
        { { "--vendor", "v" }, "--client is missing" },
        { { "--client", "x", "--jobs", "0" }, "--jobs" },
        { { "--client", "x", "--jobs", "2x" }, "--jobs" },
        { { "--client", "x", "--shard", "3/2" }, "--shard" },
        { { "--client", "x", "--shard", "0/2" }, "--shard" },
        { { "--client", "x", "--level", "0" }, "level 0 needs no adapter" },
        { { "--client", "x", "--nonsense" }, "--nonsense" },
        { { "--client", "x", "--junit" }, "needs a value" },
        { { "--client", "x", "--run", "a*" }, "mixes" },
        { { "--client", "x", "--run=@/no/such" }, "/no/such" },
        { { "--client", "x", "--known-failing", "/no/such" }, "--known-failing" },
        { { "--client", "x", "--client", "y" }, "said twice" },
        { { "--client", "x", "--server", "http://h" }, "--admin-token" },
        { { "--server-only", "http://h" }, "--api-key" },
        { { "--client", "x", "--server-grpc", "http://h" }, "--server-grpc needs --server" },
        { { "--client", "x", "--quiet", "--verbose" }, "exclude" },
        { { "--client", "x", "--isolation", "docker" }, "--isolation" },
        { { "--client", "x", "--patience", "0" }, "--patience" },
        { { "--client", "x", "--junit=" }, "empty" },
        { { "--client", "" }, "empty" },
        { { "stray" }, "stray" },
        { { "merge" }, "no file" },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct options o;
        struct err err = ERR_INIT;
        if (parse(&o, &err, rows[i].words) == 0)
            fail_msg("row %zu was taken", i);
        if (strstr(err.text, rows[i].says) == NULL)
            fail_msg("row %zu: %s", i, err.text);
    }
}

static void help_names_every_exit_code(void **state)
{
    (void) state;
    BUF_AUTO text = BUF_INIT;
    options_describe(&text);
    static const char *const words[] = { "--client",   "--known-failing", "--record-failures",
                                         "Exit codes", "77",              "merge" };
    for (size_t i = 0; i < COUNT(words); i++)
        assert_non_null(strstr(buf_cstr(&text), words[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_behind_client_belong_to_it),
        cmocka_unit_test(one_word_is_a_command_in_quotes),
        cmocka_unit_test(everything_behind_two_dashes_is_the_clients),
        cmocka_unit_test(reports_and_shards_are_taken),
        cmocka_unit_test(actions_are_chosen),
        cmocka_unit_test(wrong_use_is_named),
        cmocka_unit_test(help_names_every_exit_code),
    };
    return cmocka_run_group_tests_name("command line", tests, NULL, NULL);
}
