/* JUnit, TAP and Markdown: which verdict becomes what, and that no text gets out of its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "report/report.h"
#include "tests/support/report_sample.h"

#define COUNT(a)  (sizeof(a) / sizeof *(a))
#define TEXT_AUTO __attribute__((cleanup(free_text))) char

static void free_text(char **text)
{
    free(*text);
}

/* `doc` is freed.  Returned: freed by the caller. */
static char *render(cJSON *doc, enum report_format format)
{
    struct err err = ERR_INIT;
    BUF_AUTO out = BUF_INIT;
    if (report_render(doc, format, &out, &err) < 0)
        fail_msg("%s", err.text);
    cJSON_Delete(doc);
    assert_true(utf8_is_valid(out.data, out.len));
    assert_int_equal(strlen(out.data), out.len);
    return strdup(out.data);
}

/* The smallest document, with a result as JSON says. */
static cJSON *one_result(const char *result)
{
    cJSON *doc = sample_small();
    sample_set(doc, "results/0", result);
    cJSON_AddStringToObject(sample_at(doc, "results/0"), "case", "hyperbrowser/exec/exit-code");
    cJSON_AddStringToObject(sample_at(doc, "results/0"), "client", "one");
    return doc;
}

static void has(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("\"%s\" is not in\n%s", part, text);
}

static void has_not(const char *text, const char *part)
{
    if (strstr(text, part) != NULL)
        fail_msg("\"%s\" is in\n%s", part, text);
}

static size_t count(const char *text, const char *part)
{
    size_t found = 0;
    for (const char *p = text; (p = strstr(p, part)) != NULL; p += strlen(part))
        found++;
    return found;
}

/* ---- each verdict ------------------------------------------------------------------------------ */

static const struct verdict_row {
    const char *result;
    const char *junit, *tap; /* what must be there */
    bool is_plain;           /* JUnit: no failure, error, skipped */
} verdict_rows[] = {
    { "{'verdict':'pass'}", "<property name=\"verdict\" value=\"pass\"/>",
      "\nok 1 - hyperbrowser/exec/exit-code [one]\n", true },
    { "{'verdict':'fail','summary':'expected 7, seen 0'}", "<failure message=\"expected 7, seen 0\" type=\"fail\">",
      "\nnot ok 1 - hyperbrowser/exec/exit-code [one]\n  ---\n  message: \"expected 7, seen 0\"\n", false },
    { "{'verdict':'fail','listed':'known-failing','listed_reason':'upstream #7','summary':'s'}",
      "<skipped message=\"known-failing: upstream #7 (fail: s)\"/>",
      "\nnot ok 1 - hyperbrowser/exec/exit-code [one] # TODO known-failing: upstream \\#7\n", false },
    { "{'verdict':'fail','listed':'known-flaky','listed_reason':'races','summary':'s'}",
      "<skipped message=\"known-flaky: races (fail: s)\"/>", "# TODO known-flaky: races\n", false },
    { "{'verdict':'not-exercised','listed':'known-failing','summary':'s'}",
      "<skipped message=\"known-failing: no reason given (not-exercised: s)\"/>", "# TODO known-failing: s\n", false },
    { "{'verdict':'pass','listed':'known-failing','stale':true}",
      "<failure message=\"stale entry of the known-failing list: "
      "the case passes now; take it out of the list\" type=\"stale\">",
      "\nnot ok 1 - hyperbrowser/exec/exit-code [one]\n", false },
    { "{'verdict':'fail','listed':'known-failing','stale':true}",
      "the case fails in another way now; look at it, then change", "\nnot ok 1 - hyperbrowser/exec/exit-code [one]\n",
      false },
    { "{'verdict':'non-strict','summary':'odd'}", "<property name=\"non-strict\" value=\"odd\"/>",
      "\nok 1 - hyperbrowser/exec/exit-code [one]\n  ---\n  message: \"odd\"\n  verdict: \"non-strict\"\n", true },
    { "{'verdict':'not-exercised','summary':'no request'}", "<error message=\"no request\" type=\"not-exercised\">",
      "\nnot ok 1 - hyperbrowser/exec/exit-code [one]\n  ---\n", false },
    { "{'verdict':'adapter-error','adapter':{'end':'exit 3','stderr':'boom\\n'}}",
      "<error message=\"exit 3: expected an answer\" type=\"adapter-error\">", "  stderr: \"boom\\n\"\n", false },
    { "{'verdict':'harness-error','summary':'ours'}", "<error message=\"ours\" type=\"harness-error\">",
      "\nnot ok 1 - hyperbrowser/exec/exit-code [one]\n", false },
    { "{'verdict':'skipped','skip_reason':'no exec'}", "<skipped message=\"no exec\"/>",
      "\nok 1 - hyperbrowser/exec/exit-code [one] # SKIP no exec\n", false },
};

static void junit_says_each_verdict_in_its_own_words(void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT(verdict_rows); i++) {
        TEXT_AUTO *text = render(one_result(verdict_rows[i].result), REPORT_JUNIT);
        size_t elements = count(text, "<failure ") + count(text, "<error ") + count(text, "<skipped ");
        has(text, verdict_rows[i].junit);
        assert_int_equal(elements, verdict_rows[i].is_plain ? 0 : 1);
        has(text, count(text, "<failure ") > 0   ? "tests=\"1\" failures=\"1\" errors=\"0\" skipped=\"0\""
                  : count(text, "<error ") > 0   ? "tests=\"1\" failures=\"0\" errors=\"1\" skipped=\"0\""
                  : count(text, "<skipped ") > 0 ? "tests=\"1\" failures=\"0\" errors=\"0\" skipped=\"1\""
                                                 : "tests=\"1\" failures=\"0\" errors=\"0\" skipped=\"0\"");
    }
}

static void tap_says_each_verdict_in_its_own_words(void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT(verdict_rows); i++) {
        TEXT_AUTO *text = render(one_result(verdict_rows[i].result), REPORT_TAP);
        assert_int_equal(strncmp(text, "TAP version 13\n1..1\n", 20), 0);
        has(text, verdict_rows[i].tap);
    }
}

static void a_summary_that_is_missing_is_made_from_what_is_there(void **state)
{
    (void) state;
    static const struct {
        const char *result, *summary;
    } rows[] = {
        { "{'verdict':'fail','steps':[{'step':'r','problems':[{'at':'r.value','expected':'1','seen':'2'},"
          "{'at':'r.x'}]}]}",
          "message=\"r.value: expected 1, seen 2\"" },
        { "{'verdict':'fail','wire':[{'what':'one start','ok':true},{'what':'no retry','ok':false,'seen':'2'}]}",
          "message=\"no retry: 2\"" },
        { "{'verdict':'fail','journal':[{'id':'auth','verdict':'fail','what':'a 401'}]}", "message=\"auth: a 401\"" },
        { "{'verdict':'not-exercised','faults':[{'kind':'cut','planned':2,'fired':1}]}",
          "message=\"cut: expected fires 2 times, seen fired 1 times\"" },
        { "{'verdict':'fail'}", "message=\"fail\"" },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        TEXT_AUTO *text = render(one_result(rows[i].result), REPORT_JUNIT);
        has(text, rows[i].summary);
    }
}

/* ---- whole runs ---------------------------------------------------------------------------------- */

static void junit_counts_are_those_of_the_testcases(void **state)
{
    (void) state;
    TEXT_AUTO *text = render(sample_run(), REPORT_JUNIT);
    char head[200];
    snprintf(head, sizeof head,
             "<testsuites name=\"standbox-conformance hyperbrowser\" tests=\"%zu\" failures=\"%zu\" "
             "errors=\"%zu\" skipped=\"%zu\"",
             count(text, "<testcase "), count(text, "<failure "), count(text, "<error "), count(text, "<skipped "));
    has(text, head);
    has(text, "<testsuite name=\"hyperbrowser/exec [hyperbrowser-python]\" tests=\"6\" failures=\"1\" "
              "errors=\"0\" skipped=\"2\"");
    has(text,
        "<testcase name=\"hyperbrowser/stream/resume/Split:10\" classname=\"hyperbrowser-node.hyperbrowser/stream\"");
    has(text, "timestamp=\"2026-11-21T13:35:24\"");
    has(text, "<system-err>Traceback (most recent call last):\n");
}

static void mutants_are_a_suite_of_their_own(void **state)
{
    (void) state;
    TEXT_AUTO *junit = render(sample_run(), REPORT_JUNIT);
    TEXT_AUTO *tap = render(sample_run(), REPORT_TAP);
    has(junit, "<testsuite name=\"mutants\" tests=\"13\" failures=\"7\"");
    has(junit, "<testcase name=\"mutant:loses-exit-code\" classname=\"mutants\" time=\"0.000\"/>");
    has(junit, "<failure message=\"surviving-mutant: survives 20 cases");
    has_not(junit, "classname=\"mutant:");
    has(tap, " - mutant:loses-exit-code\n");
    has_not(tap, "[mutant:");
}

static void the_plan_of_tap_counts_its_points(void **state)
{
    (void) state;
    cJSON *docs[] = { sample_run(), sample_hostile(), sample_small() };
    for (size_t i = 0; i < COUNT(docs); i++) {
        TEXT_AUTO *text = render(docs[i], REPORT_TAP);
        size_t points = 0, plan = 0;
        bool in_block = false;
        assert_int_equal(sscanf(text, "TAP version 13\n1..%zu", &plan), 1);
        for (char *rest = NULL, *line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
            char is[8];
            size_t number;
            if (strcmp(line, "  ---") == 0 || strcmp(line, "  ...") == 0) {
                in_block = !in_block;
                assert_int_equal(in_block, line[2] == '-');
            } else if (strncmp(line, "ok ", 3) == 0 || strncmp(line, "not ok ", 7) == 0) {
                assert_int_equal(sscanf(line, line[0] == 'o' ? "%3s %zu - " : "not %3s %zu - ", is, &number), 2);
                assert_int_equal(number, ++points);
                assert_false(in_block);
            } else if (in_block) {
                assert_int_equal(strncmp(line, "  ", 2), 0);
            } else {
                assert_true(line[0] == '#' || strncmp(line, "TAP version 13", 14) == 0 || strncmp(line, "1..", 3) == 0);
            }
        }
        assert_int_equal(points, plan);
    }
}

static void an_empty_run_is_an_empty_report(void **state)
{
    (void) state;
    static const char *const parts[] = { [REPORT_JUNIT] = "tests=\"0\"",
                                         [REPORT_TAP] = "TAP version 13\n1..0 # SKIP nothing was selected\n",
                                         [REPORT_JSON] = "\"standbox_results\":1",
                                         [REPORT_MARKDOWN] = "**nothing was selected**",
                                         [REPORT_HTML] = "\"ending\":77" };
    for (enum report_format format = 0; format < REPORT_FORMATS; format++) {
        cJSON *doc = sample_small();
        sample_set(doc, "results", "[]");
        sample_set(doc, "cases", "[]");
        TEXT_AUTO *text = render(doc, format);
        has(text, parts[format]);
    }
}

/* ---- hostile texts -------------------------------------------------------------------------------- */

/* Is this a character of XML 1.0? */
static bool is_xml(uint32_t point)
{
    return point == '\t' || point == '\n' || point == '\r' || (point >= 0x20 && point <= 0xD7FF) ||
           (point >= 0xE000 && point <= 0xFFFD) || point >= 0x10000;
}

static void junit_has_only_characters_of_xml(void **state)
{
    (void) state;
    TEXT_AUTO *text = render(sample_hostile(), REPORT_JUNIT);
    for (size_t i = 0, len = strlen(text); i < len;) {
        uint32_t point;
        i += utf8_next(text + i, len - i, &point);
        assert_true(is_xml(point));
    }
    has(text, "\\x1b[31mred\\x07");
    has(text, "\\u202edesrever");
    has(text, "&lt;/script&gt;");
    has_not(text, "<img");
    has_not(text, "]]>");
}

/* How many directives a reader would see in a line: "#" with a blank before it and no "\" . */
static size_t count_directives(const char *line)
{
    size_t found = 0;
    for (const char *p = line; (p = strchr(p, '#')) != NULL; p++)
        found += p > line && p[-1] == ' ';
    return found;
}

static void hostile_text_is_no_directive_of_tap(void **state)
{
    (void) state;
    TEXT_AUTO *text = render(sample_hostile(), REPORT_TAP);
    size_t directives = 0;
    has_not(text, "\nnot ok 99");
    has_not(text, "\x1b");
    for (char *rest = NULL, *line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
        bool is_point = strncmp(line, "ok ", 3) == 0 || strncmp(line, "not ok ", 7) == 0;
        size_t found = is_point ? count_directives(line) : 0;
        if (found > 0 && strstr(line, "] # SKIP ") == NULL && strstr(line, "] # TODO known-") == NULL)
            fail_msg("%s", line);
        assert_true(found <= 1);
        directives += found;
    }
    /* Two are skipped, five are known. */
    assert_int_equal(directives, 7);
}

/* Where the code span that begins with `run` backticks at `p` ends: the next run of as many in the line; NULL: none. */
static const char *span_end(const char *p, size_t run)
{
    for (p += run; *p != '\0' && *p != '\n';) {
        size_t other = strspn(p, "`");
        if (other == run)
            return p + run;
        p += other == 0 ? 1 : other;
    }
    return NULL;
}

/* Is the place in a code span, as GitHub reads them, or in <code>? */
static bool is_in_code(const char *text, const char *place)
{
    const char *line = place;
    size_t codes = 0;
    while (line > text && line[-1] != '\n')
        line--;
    for (const char *p = line; p < place;) {
        size_t run = p > line && p[-1] == '\\' ? 0 : strspn(p, "`");
        const char *end = run > 0 ? span_end(p, run) : NULL;
        if (end != NULL && end > place)
            return true;
        codes += strncmp(p, "<code>", 6) == 0;
        codes -= strncmp(p, "</code>", 7) == 0;
        p = end != NULL ? end : p + (run == 0 ? 1 : run);
    }
    return codes > 0;
}

static void hostile_text_is_no_markup_of_markdown(void **state)
{
    (void) state;
    static const char *const evils[] = { "<img", "@everyone", "cloudflare/sandbox-sdk#1", "[x](", "**b**", "</script" };
    TEXT_AUTO *text = render(sample_hostile(), REPORT_MARKDOWN);
    has_not(text, "\n- not ok 99");
    has_not(text, "\x1b");
    for (size_t i = 0; i < COUNT(evils); i++) {
        size_t found = 0;
        for (const char *p = text; (p = strstr(p, evils[i])) != NULL; p++, found++) {
            if (!is_in_code(text, p))
                fail_msg("%s is bare: %.100s", evils[i], p);
        }
        assert_true(found > 10);
    }
}

static void hostile_cells_do_not_end_their_row(void **state)
{
    (void) state;
    TEXT_AUTO *text = render(sample_hostile(), REPORT_MARKDOWN);
    for (char *rest = NULL, *line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
        size_t bars = 0;
        if (strncmp(line, "| step | ", 9) != 0)
            continue;
        for (char *p = line; *p != '\0'; p++)
            bars += *p == '|' && (p == line || p[-1] != '\\');
        assert_int_equal(bars, 5);
    }
}

/* ---- Markdown's size ------------------------------------------------------------------------------- */

static void markdown_fits_into_a_comment(void **state)
{
    (void) state;
    TEXT_AUTO *text = render(sample_matrix(40, 300), REPORT_MARKDOWN);
    assert_true(strlen(text) < 65536);
    has(text, "more, which do not fit here");
    assert_int_equal(count(text, "<details>"), count(text, "</details>"));
}

static void markdown_puts_what_is_broken_first(void **state)
{
    (void) state;
    TEXT_AUTO *text = render(sample_run(), REPORT_MARKDOWN);
    const char *broken = strstr(text, "### Not in order (6)"), *known = strstr(text, "Known, in a list (5)");
    const char *mutants = strstr(text, "Mutants: 6 of 7 killed");
    assert_true(broken != NULL && known != NULL && mutants != NULL);
    assert_true(broken < known && known < mutants);
    has(text, "| `hyperbrowser-python` | `1.14.0` | 11 | 3 | 2 | 1 | 1 | 2 | 1 | 1 |");
    has(text, "| `hyperbrowser/exec` | 5/6 | 2/5 ❌ | 5/6 |");
    has(text, "`cloudflare/sandbox-sdk#873`");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(junit_says_each_verdict_in_its_own_words),
        cmocka_unit_test(tap_says_each_verdict_in_its_own_words),
        cmocka_unit_test(a_summary_that_is_missing_is_made_from_what_is_there),
        cmocka_unit_test(junit_counts_are_those_of_the_testcases),
        cmocka_unit_test(mutants_are_a_suite_of_their_own),
        cmocka_unit_test(the_plan_of_tap_counts_its_points),
        cmocka_unit_test(an_empty_run_is_an_empty_report),
        cmocka_unit_test(junit_has_only_characters_of_xml),
        cmocka_unit_test(hostile_text_is_no_directive_of_tap),
        cmocka_unit_test(hostile_text_is_no_markup_of_markdown),
        cmocka_unit_test(hostile_cells_do_not_end_their_row),
        cmocka_unit_test(markdown_fits_into_a_comment),
        cmocka_unit_test(markdown_puts_what_is_broken_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
