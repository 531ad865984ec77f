/* --validate-adapter finds what breaks the protocol, quotes it, and finds nothing where nothing is. */
#include "tests/link_support.h"

#include "link/validate.h"

#define LIMIT_MS 20000

static void validate_program(const char *program, const char *verb, const char *argument, int level, int64_t limit_ms,
                             struct validate_report *report)
{
    char path[1000];
    struct err err = ERR_INIT;
    adapter_path(path, program);
    const char *const argv[] = { path, verb, argument, NULL };
    struct adapter_options options = { .argv = argv, .level = level, .warden = warden_path() };
    if (adapter_validate(&options, "hyperbrowser", limit_ms, report, &err) < 0)
        fail_msg("%s", err.text);
}

static void validate(const char *verb, const char *argument, int level, struct validate_report *report)
{
    validate_program("behave.py", verb, argument, level, LIMIT_MS, report);
}

static void assert_nothing_broken(const struct validate_report *report)
{
    for (size_t i = 0; i < report->count; i++) {
        if (!report->list[i].ok)
            fail_msg("%s: %s; %s", report->list[i].rule, report->list[i].text,
                     report->list[i].line == NULL ? "" : report->list[i].line);
    }
    assert_int_equal(report->broken, 0);
}

static const struct validate_finding *find(const struct validate_report *report, const char *rule)
{
    for (size_t i = 0; i < report->count; i++) {
        if (strcmp(report->list[i].rule, rule) == 0)
            return &report->list[i];
    }
    fail_msg("nothing is said of \"%s\"", rule);
    return NULL;
}

static void an_honest_adapter_breaks_nothing(void **state)
{
    (void) state;
    struct validate_report report;
    validate("honest", NULL, 2, &report);
    assert_nothing_broken(&report);
    assert_int_equal(report.count, 10);
    assert_string_equal(find(&report, "declares capabilities")->text, "note: the protocol does not name exec.cdw");
    validate_report_fini(&report);
}

static void an_honest_adapter_of_level_1_breaks_nothing(void **state)
{
    (void) state;
    struct validate_report report;
    validate("honest_once", NULL, 1, &report);
    assert_nothing_broken(&report);
    assert_int_equal(report.count, 7);
    validate_report_fini(&report);
}

static void each_flaw_breaks_its_rule(void **state)
{
    (void) state;
    static const struct {
        const char *flaw, *rule, *text;
        size_t broken;
    } rows[] = {
        { "hello", "says hello", "/max_in_flight: must be an integer, not a string", 1 },
        { "vendor", "says hello", "/vendors: hyperbrowser is not in it", 1 },
        { "crash", "skips an operation that it does not know", "exit 1 without an answer", 3 },
        { "seq", "gives a large seq back as it is", "is not the run under way", 1 },
        { "code", "ends with exit 0 when its stdin ends", "exit 1", 2 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct validate_report report;
        validate("honest", rows[i].flaw, 2, &report);
        const struct validate_finding *found = find(&report, rows[i].rule);
        assert_false(found->ok);
        if (strstr(found->text, rows[i].text) == NULL)
            fail_msg("%s: \"%s\"", rows[i].flaw, found->text);
        assert_true(i >= 2 || (found->line != NULL && strstr(found->line, "\"type\": \"hello\"") != NULL));
        if (report.broken != rows[i].broken)
            fail_msg("%s broke %zu rules", rows[i].flaw, report.broken);
        validate_report_fini(&report);
    }
}

/* The limit must be long enough for a start of Python on a loaded machine: short ones are tried first. */
static void one_that_does_not_end_is_found(void **state)
{
    (void) state;
    static const char *const rows[][2] = {
        { "sigterm", "ends on SIGTERM" },
        { "linger", "ends with exit 0 when its stdin ends" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (int64_t limit_ms = 1500;; limit_ms *= 4) {
            struct validate_report report;
            validate_program("behave.py", "honest", rows[i][0], 2, limit_ms, &report);
            size_t expected = i == 0 ? 1 : 2;
            bool fine = report.broken == expected && !find(&report, rows[i][1])->ok &&
                        strstr(find(&report, rows[i][1])->text, "had not ended within") != NULL;
            size_t broken = report.broken;
            validate_report_fini(&report);
            if (fine)
                break;
            if (limit_ms > PLENTY_MS)
                fail_msg("%s: %zu rules broken", rows[i][0], broken);
        }
    }
}

static void the_bad_adapters_are_found_and_quoted(void **state)
{
    (void) state;
    static const struct {
        const char *program;
        int level;
        const char *rule, *text, *line;
    } rows[] = {
        { "do-nothing", 2, "skips an operation that it does not know", "/outcomes: step \"x\" has no outcome",
          "\"outcomes\": []" },
        { "claims-success", 2, "skips an operation that it does not know", "must be \"skipped\"", "\"value\"" },
        { "garbage", 2, "answers a run without steps", "is not JSON", "DeprecationWarning: use the new API" },
        { "crash-exit", 2, "skips an operation that it does not know", "exit 3 without an answer", NULL },
        { "crash-signal", 2, "reads a line of a mebibyte", "signal 11 (SIGSEGV)", NULL },
        { "holds-stdout", 2, "says that there was no answer", "exit 0 without an answer", NULL },
        { "level1-nothing", 1, "says that there was no answer", "step \"box\" has no outcome", "\"outcomes\":[]" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct validate_report report;
        validate_program(rows[i].program, NULL, NULL, rows[i].level, LIMIT_MS, &report);
        const struct validate_finding *found = find(&report, rows[i].rule);
        if (found->ok || strstr(found->text, rows[i].text) == NULL)
            fail_msg("%s: \"%s\"", rows[i].program, found->text);
        if (rows[i].line != NULL && (found->line == NULL || strstr(found->line, rows[i].line) == NULL))
            fail_msg("%s: line %s", rows[i].program, found->line == NULL ? "(none)" : found->line);
        validate_report_fini(&report);
    }
}

static void what_does_not_start_is_one_finding(void **state)
{
    (void) state;
    struct validate_report report;
    validate("exits_early", NULL, 2, &report);
    assert_int_equal(report.count, 1);
    assert_int_equal(report.broken, 1);
    assert_non_null(strstr(report.list[0].text, "exit 4 without a hello"));
    assert_string_equal(report.list[0].log, "no such client\n");
    validate_report_fini(&report);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(an_honest_adapter_breaks_nothing),
        leak_test(an_honest_adapter_of_level_1_breaks_nothing),
        leak_test(each_flaw_breaks_its_rule),
        leak_test(one_that_does_not_end_is_found),
        leak_test(the_bad_adapters_are_found_and_quoted),
        leak_test(what_does_not_start_is_one_finding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
