/* The kill matrix: what counts as a kill, and what is found. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#include "report/kills.h"
#include "report/results.h"
#include "tests/support/report_sample.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

/* A run of one case: "ref=pass mutant:a=fail ..."; `more`: members of the case. */
static cJSON *run_of_one(const char *verdicts, const char *more)
{
    char copy[200], json[300];
    snprintf(
        json, sizeof json,
        "{'standbox_results':1,'suite':'1','vendor':'v','started_at':'','duration_ms':1,'shard':'1/1','clients':[],"
        "'cases':[{'id':'v/a/c','requirement':'','source':[],'tag':'inferred','severity':'MUST'%s}],'results':[]}",
        more);
    cJSON *doc = sample_json(json);
    snprintf(copy, sizeof copy, "%s", verdicts);
    for (char *rest = NULL, *word = strtok_r(copy, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
        char *verdict = strchr(word, '=');
        *verdict++ = '\0';
        snprintf(json, sizeof json, "{'key':'%s','mutant':%s,'reference':%s}", word,
                 strncmp(word, "mutant:", 7) == 0 ? "true" : "false", strncmp(word, "ref", 3) == 0 ? "true" : "false");
        cJSON_AddItemToArray(sample_at(doc, "clients"), sample_json(json));
        snprintf(json, sizeof json, "{'case':'v/a/c','client':'%s','verdict':'%s'}", word, verdict);
        if (strcmp(verdict, "-") != 0)
            cJSON_AddItemToArray(sample_at(doc, "results"), sample_json(json));
    }
    struct err err = ERR_INIT;
    if (results_check(doc, &err) < 0)
        fail_msg("%s", err.text);
    return doc;
}

static struct kills *kills_of(const cJSON *doc)
{
    struct err err = ERR_INIT;
    struct kills *kills = kills_new(doc, &err);
    assert_non_null(kills);
    return kills;
}

static void a_mark_follows_from_both_verdicts(void **state)
{
    (void) state;
    static const struct {
        const char *verdicts;
        enum kill_mark mark;
    } rows[] = {
        { "ref=pass mutant:m=pass", KILL_NONE },
        { "ref=pass mutant:m=fail", KILL_KILLED },
        { "ref=pass mutant:m=non-strict", KILL_NOTICED },
        { "ref=pass mutant:m=not-exercised", KILL_OTHER },
        { "ref=pass mutant:m=adapter-error", KILL_OTHER },
        { "ref=pass mutant:m=skipped", KILL_OTHER },
        { "ref=pass mutant:m=harness-error", KILL_OTHER },
        { "ref=pass mutant:m=-", KILL_NOT_RUN },
        { "ref=fail mutant:m=fail", KILL_VOID },
        { "ref=- mutant:m=fail", KILL_VOID },
        { "ref=non-strict mutant:m=non-strict", KILL_VOID },
        /* Two protocols: each reference skips what is the other's. */
        { "ref/a=pass ref/b=skipped mutant:m=fail", KILL_KILLED },
        { "ref/a=pass ref/b=fail mutant:m=fail", KILL_VOID },
        { "ref/a=skipped ref/b=skipped mutant:m=fail", KILL_VOID },
        /* A client under test is no reference where one is marked, and is one where none is. */
        { "ref=pass sdk=fail mutant:m=fail", KILL_KILLED },
        { "sdk=pass mutant:m=fail", KILL_KILLED },
        { "sdk=fail mutant:m=fail", KILL_VOID },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        cJSON *doc = run_of_one(rows[i].verdicts, "");
        struct kills *kills = kills_of(doc);
        if (kills_mark(kills, 0, 0) != rows[i].mark)
            fail_msg("%s: %s, not %s", rows[i].verdicts, kill_mark_name(kills_mark(kills, 0, 0)),
                     kill_mark_name(rows[i].mark));
        kills_free(kills);
        cJSON_Delete(doc);
    }
}

static void findings_name_what_is_wrong(void **state)
{
    (void) state;
    static const struct {
        const char *verdicts, *more, *findings; /* names and subjects, in order */
    } rows[] = {
        { "ref=pass mutant:m=fail", "", "" },
        { "ref=pass mutant:m=pass", "", "surviving-mutant mutant:m, case-kills-none v/a/c, " },
        { "ref=pass mutant:m=pass", ",'kills_none':'cannot'", "surviving-mutant mutant:m, " },
        { "ref=pass mutant:m=fail", ",'kills_none':'cannot'", "stale-kills-none v/a/c, " },
        { "ref=pass mutant:m=non-strict", "", "" },
        { "ref=pass mutant:m=adapter-error", "", "surviving-mutant mutant:m, case-kills-none v/a/c, " },
        { "ref=fail mutant:m=fail", "", "surviving-mutant mutant:m, reference-does-not-pass v/a/c, " },
        /* The reference takes the other reading of a SHOULD, or cannot do it at all: that can be a reason. */
        { "ref=non-strict mutant:m=fail", "", "surviving-mutant mutant:m, reference-does-not-pass v/a/c, " },
        { "ref=non-strict mutant:m=fail", ",'kills_none':'cannot'", "surviving-mutant mutant:m, " },
        { "ref=skipped mutant:m=skipped", ",'kills_none':'cannot'", "surviving-mutant mutant:m, " },
        { "ref=fail mutant:m=fail", ",'kills_none':'cannot'",
          "surviving-mutant mutant:m, reference-does-not-pass v/a/c, " },
        { "ref/a=non-strict ref/b=fail mutant:m=fail", ",'kills_none':'cannot'",
          "surviving-mutant mutant:m, reference-does-not-pass v/a/c, " },
        { "ref=pass mutant:m=fail mutant:n=pass", "", "surviving-mutant mutant:n, " },
        { "ref=fail", "", "" }, /* without mutants there is no kill matrix */
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        cJSON *doc = run_of_one(rows[i].verdicts, rows[i].more);
        struct kills *kills = kills_of(doc);
        BUF_AUTO found = BUF_INIT;
        for (size_t f = 0; f < kills_finding_count(kills); f++)
            buf_printf(&found, "%s %s, ", kill_finding_name(kills_finding(kills, f)->kind),
                       kills_finding(kills, f)->subject);
        if (strcmp(buf_cstr(&found), rows[i].findings) != 0)
            fail_msg("%s %s: \"%s\", not \"%s\"", rows[i].verdicts, rows[i].more, buf_cstr(&found), rows[i].findings);
        kills_free(kills);
        cJSON_Delete(doc);
    }
}

static void kills_are_counted_both_ways(void **state)
{
    (void) state;
    cJSON *doc = sample_run();
    struct kills *kills = kills_of(doc);
    assert_int_equal(kills_mutant_count(kills), 7);
    assert_int_equal(kills_case_count(kills), 20);
    assert_int_equal(kills_of_mutant(kills, 2), 6);
    assert_int_equal(kills_of_mutant(kills, 6), 0);
    assert_int_equal(kills_of_case(kills, 11), 2);
    assert_string_equal(results_text(kills_mutant(kills, 2), "key"), "mutant:drops-last-chunk");
    assert_string_equal(results_text(kills_case(kills, 11), "id"), "hyperbrowser/stream/utf8-split");
    assert_ptr_equal(kills_finding_of(kills, "mutant:refreshes-twice"), kills_finding(kills, 0));
    assert_null(kills_finding_of(kills, "mutant:drops-last-chunk"));
    kills_free(kills);
    cJSON_Delete(doc);
}

static void the_markdown_has_findings_before_lists(void **state)
{
    (void) state;
    cJSON *doc = sample_run();
    struct kills *kills = kills_of(doc);
    BUF_AUTO out = BUF_INIT;
    kills_markdown(kills, &out);
    kills_free(kills);
    cJSON_Delete(doc);
    static const char *const parts[] = { "### ❌ Mutants: 6 of 7 killed",
                                         "**Surviving mutants**",
                                         "- `mutant:refreshes-twice`: survives 20 cases",
                                         "**Cases that kill none, and give no reason**",
                                         "- `hyperbrowser/exec/cwd`",
                                         "| mutant | what it does | killed by |",
                                         "| `mutant:drops-last-chunk` | loses the end of a stream (`cloudflare",
                                         "| 6: `hyperbrowser/stream/order`",
                                         "| ❌ `mutant:refreshes-twice`",
                                         "| case | kills | why none |",
                                         "| `hyperbrowser/stream/utf8-split` | 2 |" };
    const char *at = buf_cstr(&out);
    for (size_t i = 0; i < COUNT(parts); i++) {
        at = strstr(at, parts[i]);
        if (at == NULL)
            fail_msg("\"%s\" is not there, or not in order:\n%s", parts[i], buf_cstr(&out));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mark_follows_from_both_verdicts),
        cmocka_unit_test(findings_name_what_is_wrong),
        cmocka_unit_test(kills_are_counted_both_ways),
        cmocka_unit_test(the_markdown_has_findings_before_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
