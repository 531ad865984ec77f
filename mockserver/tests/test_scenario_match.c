/* Which rule is a request's, what is counted, and why a rule did not fire. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "scenario/match.h"

#define RULE(text) "{\"standbox\":1,\"name\":\"x\",\"why\":\"y\",\"seed\":42,\n" text "}"

static struct match *load(const char *text)
{
    struct scenario *scenario = NULL;
    struct match *match = NULL;
    struct err err = ERR_INIT;
    if (scenario_parse(&scenario, "x.json", text, strlen(text), &err) < 0 || match_new(&match, scenario, 9, &err) < 0)
        fail_msg("%s", err.text);
    scenario_unref(scenario); /* the match has its own reference */
    return match;
}

static struct match_subject start_of(const char *command)
{
    return (struct match_subject){ .op = OP_PROCESS_START,
                                   .dialect = DIALECT_HYPERBROWSER,
                                   .command = command,
                                   .argv0 = "sh",
                                   .cwd = "/workspace",
                                   .sandbox = "s-1",
                                   .lane = "default" };
}

/* Index of the fault that takes the request and strikes; -1: none. */
static int strike(struct match *match, const struct match_subject *subject)
{
    struct match_ticket ticket;
    if (!match_fault(match, subject, &ticket))
        return -1;
    match_fault_end(match, &ticket, true);
    return (int) ticket.index;
}

/* ---- conditions ----------------------------------------------------------------------- */

static const char *const some_env[] = { "A=0", "A=1", "EMPTY=", NULL };

static const struct {
    const char *when;
    bool holds;
} condition_rows[] = {
    { "{}", true },
    { "{\"op\":\"process.start\"}", true },
    { "{\"op\":\"process.exec\"}", false },
    { "{\"op\":[\"process.exec\",\"process.start\"]}", true },
    { "{\"op\":\"process.*\"}", true },
    { "{\"op\":\"file.*\"}", false },
    { "{\"dialect\":\"hyperbrowser\"}", true },
    { "{\"dialect\":[\"modal\",\"cloudflare\"]}", false },
    { "{\"command\":\"npm run dev\"}", true },
    { "{\"command\":\"npm run de\"}", false },
    { "{\"command\":\"npm*\"}", true },
    { "{\"command\":\"npm run de?\"}", true },
    { "{\"command\":[\"yarn*\",\"*dev\"]}", true },
    { "{\"command\":{\"regex\":\"run (dev|start)$\"}}", true },
    { "{\"command\":{\"regex\":\"^run\"}}", false },
    { "{\"argv0\":\"sh\"}", true },
    { "{\"argv0\":\"bash\"}", false },
    { "{\"cwd\":\"/workspace\"}", true },
    { "{\"cwd\":\"/work\"}", false },
    { "{\"env\":{\"A\":\"1\"}}", true },
    { "{\"env\":{\"A\":\"0\"}}", false },
    { "{\"env\":{\"A\":null}}", false },
    { "{\"env\":{\"B\":null}}", true },
    { "{\"env\":{\"B\":\"*\"}}", false },
    { "{\"env\":{\"EMPTY\":\"\"}}", true },
    { "{\"env\":{\"EMPTY\":null}}", false },
    { "{\"env\":{\"A\":[\"2\",\"1\"],\"B\":[\"x\",null]}}", true },
    { "{\"env\":{\"A\":\"1\",\"B\":\"x\"}}", false },
    { "{\"sandbox\":\"s-*\"}", true },
    { "{\"sandbox\":\"s\"}", false },
    { "{\"lane\":\"default\"}", true },
    { "{\"lane\":\"other\"}", false },
    { "{\"op\":\"process.start\",\"command\":\"npm*\",\"lane\":\"default\"}", true },
    { "{\"op\":\"process.start\",\"command\":\"npm*\",\"lane\":\"x\"}", false },
};

static void all_listed_conditions_must_hold(void **state)
{
    (void) state;
    for (size_t i = 0; i < sizeof condition_rows / sizeof condition_rows[0]; i++) {
        BUF_AUTO text = BUF_INIT;
        struct match_subject subject = start_of("npm run dev");
        subject.env = some_env;
        buf_printf(&text, "{\"standbox\":1,\"name\":\"x\",\"why\":\"y\",\"faults\":[{\"when\":%s,\"fault\":\"cut\"}]}",
                   condition_rows[i].when);
        struct match *match = load(text.data);
        if ((strike(match, &subject) == 0) != condition_rows[i].holds)
            fail_msg("%s", condition_rows[i].when);
        match_unref(match);
    }
}

static void what_a_request_has_not_matches_nothing(void **state)
{
    (void) state;
    struct match *match = load(RULE(
        "\"faults\":[{\"when\":{\"command\":\"*\"},\"fault\":\"cut\"},{\"when\":{\"cwd\":{\"regex\":\".*\"}},\"fault\":\"cut\"}]"));
    struct match_subject subject = { .op = OP_SANDBOX_GET, .dialect = DIALECT_MODAL };
    assert_int_equal(strike(match, &subject), -1);
    match_unref(match);
}

static void the_first_match_wins(void **state)
{
    (void) state;
    struct match *match =
        load(RULE("\"processes\":[{\"when\":{\"command\":\"a*\"},\"run\":{\"exit\":1}},"
                  "{\"when\":{\"command\":\"ab\"},\"run\":{\"exit\":2}},{\"when\":{},\"run\":{\"exit\":3}}]"));
    struct match_subject ab = start_of("ab"), b = start_of("b");
    const struct scenario *s = match_scenario(match);
    assert_ptr_equal(match_process(match, &ab), &s->processes[0]);
    assert_ptr_equal(match_process(match, &b), &s->processes[2]);
    b.op = OP_PROCESS_KILL;
    assert_null(match_process(match, &b));
    match_unref(match);
}

/* ---- nth, times, probability ---------------------------------------------------------- */

static void nth_counts_what_the_other_conditions_hold_for(void **state)
{
    (void) state;
    struct match *match =
        load(RULE("\"faults\":[{\"when\":{\"command\":\"a\",\"nth\":[2,{\"from\":4,\"to\":5},7]},\"fault\":\"cut\"},"
                  "{\"when\":{\"command\":\"a\",\"nth\":{\"from\":2}},\"fault\":\"cut\"}]"));
    /* The second rule sees only what the first lets by: 1 3 6 8 ... */
    static const int wanted[] = { -1, 0, 1, 0, 0, 1, 0, 1, 1 };
    struct match_subject a = start_of("a"), b = start_of("b");
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        assert_int_equal(strike(match, &b), -1);
        assert_int_equal(strike(match, &a), wanted[i]);
    }
    match_reset(match);
    assert_int_equal(strike(match, &a), -1);
    assert_int_equal(strike(match, &a), 0);
    match_unref(match);
}

static void times_counts_strikes_not_tries(void **state)
{
    (void) state;
    struct match *match = load(RULE(
        "\"faults\":[{\"when\":{},\"at\":{\"after_bytes\":10},\"fault\":\"cut\",\"times\":1},{\"when\":{},\"fault\":\"stall\"}]"));
    struct match_subject a = start_of("a");
    struct match_ticket first, second;
    assert_true(match_fault(match, &a, &first));
    assert_int_equal(first.index, 0);
    /* While it is out, the strike may still come: nobody else gets it. */
    assert_true(match_fault(match, &a, &second));
    assert_int_equal(second.index, 1);
    match_fault_end(match, &first, false);
    match_fault_end(match, &second, true);
    assert_int_equal(strike(match, &a), 0);
    assert_int_equal(strike(match, &a), 1);
    struct match_counts counts;
    assert_true(match_get_counts(match, MATCH_FAULTS, 0, &counts));
    assert_int_equal(counts.planned, 1);
    assert_int_equal(counts.matched, 2);
    assert_int_equal(counts.fired, 1);
    assert_int_equal(counts.missed, 1);
    assert_int_equal(counts.pending, 0);
    assert_int_equal(match_count_unfired(match), 0);
    match_unref(match);
}

static void dice_follow_the_seed(void **state)
{
    (void) state;
    const char *text =
        RULE("\"faults\":[{\"when\":{\"op\":\"process.get\"},\"at\":{\"probability\":0.5},\"fault\":\"cut\"},"
             "{\"when\":{\"op\":\"process.start\"},\"at\":{\"probability\":0.25},\"fault\":\"cut\"}]");
    struct match *one = load(text), *two = load(text);
    struct match_subject start = start_of("a"), get = start_of("a");
    get.op = OP_PROCESS_GET;
    int hits = 0;
    for (int i = 0; i < 4000; i++) {
        int first = strike(one, &start);
        strike(two, &get); /* another rule's luck changes nothing */
        assert_int_equal(strike(two, &start), first);
        hits += first == 1;
    }
    assert_in_range(hits, 850, 1150);
    assert_int_equal(match_seed(one), 42);
    match_unref(one);
    match_unref(two);
}

/* Which of 64 requests are struck, as bits. */
static uint64_t luck(const char *name, uint64_t seed)
{
    struct scenario *scenario = NULL;
    struct match *match = NULL;
    struct err err = ERR_INIT;
    BUF_AUTO text = BUF_INIT;
    struct match_subject start = start_of("a");
    uint64_t bits = 0;
    buf_printf(&text,
               "{\"standbox\":1,\"name\":\"%s\",\"why\":\"y\",\"faults\":["
               "{\"when\":{},\"at\":{\"probability\":0.5},\"fault\":\"cut\"}]}",
               name);
    if (scenario_parse(&scenario, "x.json", text.data, text.len, &err) < 0 ||
        match_new(&match, scenario, seed, &err) < 0)
        fail_msg("%s", err.text);
    for (int i = 0; i < 64; i++)
        bits = bits << 1 | (strike(match, &start) == 0);
    match_unref(match);
    scenario_unref(scenario);
    return bits;
}

static void scenarios_without_a_seed_have_dice_of_their_own(void **state)
{
    (void) state;
    assert_true(luck("one", 7) == luck("one", 7));
    assert_true(luck("one", 7) != luck("two", 7));
    assert_true(luck("one", 7) != luck("one", 8));
}

static void the_seed_that_is_shown_gives_the_same_luck_in_the_file(void **state)
{
    (void) state;
    static const char rule[] = "\"faults\":[{\"when\":{},\"at\":{\"probability\":0.5},\"fault\":\"cut\"}]}";
    BUF_AUTO text = BUF_INIT;
    struct match_subject start = start_of("a");
    buf_printf(&text, "{\"standbox\":1,\"name\":\"x\",\"why\":\"y\",%s", rule);
    struct match *unsaid = load(text.data);
    buf_clear(&text);
    buf_printf(&text, "{\"standbox\":1,\"name\":\"other\",\"why\":\"y\",\"seed\":%llu,%s",
               (unsigned long long) match_seed(unsaid), rule);
    struct match *said = load(text.data);
    for (int i = 0; i < 64; i++)
        assert_int_equal(strike(said, &start), strike(unsaid, &start));
    match_unref(unsaid);
    match_unref(said);
}

static void an_immediate_fault_waits_for_its_fact(void **state)
{
    (void) state;
    struct match *match = load(RULE(
        "\"faults\":[{\"when\":{\"op\":\"process.get\",\"nth\":1},\"at\":{\"after_fact\":\"exited\"},\"reply\":{\"status\":500}},"
        "{\"when\":{\"op\":\"process.stream\"},\"at\":{\"after_fact\":\"exited\"},\"fault\":\"cut\"}]"));
    struct match_subject get = start_of("a"), stream = start_of("a");
    get.op = OP_PROCESS_GET;
    stream.op = OP_PROCESS_STREAM;
    assert_int_equal(strike(match, &get), -1);
    assert_int_equal(strike(match, &stream), 1); /* it strikes in mid-answer: taken at once */
    get.facts = SEEN_BIT(SEEN_STARTED) | SEEN_BIT(SEEN_EXITED);
    assert_int_equal(strike(match, &get), 0);
    assert_int_equal(strike(match, &get), -1);
    match_unref(match);
}

static void a_fault_keeps_to_where_it_can_be_done(void **state)
{
    (void) state;
    struct match *match = load(RULE(
        "\"faults\":[{\"when\":{},\"fault\":\"GOAWAY\"},{\"when\":{},\"fault\":\"reorder\"},{\"when\":{},\"fault\":\"cut\"}]"));
    struct match_subject get = start_of("a"), stream = start_of("a");
    get.op = OP_PROCESS_GET;
    stream.op = OP_PROCESS_STREAM;
    assert_int_equal(strike(match, &get), 2);
    assert_int_equal(strike(match, &stream), 1);
    get.dialect = DIALECT_MODAL;
    assert_int_equal(strike(match, &get), 0);
    match_unref(match);
}

/* ---- near misses ---------------------------------------------------------------------- */

static void explained(struct match *match, enum match_list list, size_t index, const char *wanted)
{
    BUF_AUTO text = BUF_INIT;
    match_explain(match, list, index, &text);
    assert_string_equal(buf_cstr(&text), wanted);
}

static void the_closest_request_is_remembered(void **state)
{
    (void) state;
    struct match *match = load(RULE(
        "\"faults\":[{\"when\":{\"op\":\"process.kill\",\"command\":\"npm run dev*\",\"nth\":2},\"fault\":\"cut\"}]"));
    struct match_subject far = start_of("ls"), nearer = start_of("npm start"), nearest = start_of("npm run dev");
    explained(match, MATCH_FAULTS, 0,
              "x.json:2: /faults/0: never matched; no request came that it could be compared with");
    strike(match, &far);
    explained(match, MATCH_FAULTS, 0,
              "x.json:2: /faults/0: never matched; closest was process.start of hyperbrowser \"ls\": "
              "op: wanted process.kill, saw process.start");
    nearer.op = OP_PROCESS_KILL;
    strike(match, &nearer);
    explained(match, MATCH_FAULTS, 0,
              "x.json:2: /faults/0: never matched; closest was process.kill of hyperbrowser \"npm start\": "
              "command: wanted \"npm run dev*\", saw \"npm start\"");
    nearest.op = OP_PROCESS_KILL;
    strike(match, &nearest);
    strike(match, &far); /* not closer */
    explained(match, MATCH_FAULTS, 0,
              "x.json:2: /faults/0: never matched; closest was process.kill of hyperbrowser \"npm run dev\": "
              "nth: wanted 2, saw 1");
    assert_int_equal(match_count_unfired(match), 1);
    strike(match, &nearest);
    explained(match, MATCH_FAULTS, 0, "x.json:2: /faults/0: matched 1, fired 1 of 1 planned");
    match_unref(match);
}

static void a_rule_behind_another_learns_who_took_its_request(void **state)
{
    (void) state;
    struct match *match = load(RULE("\"processes\":[{\"when\":{\"command\":\"a*\"},\"run\":{\"exit\":1}},\n"
                                    "{\"when\":{\"command\":\"ab\"},\"run\":{\"exit\":2}}]"));
    struct match_subject ab = start_of("ab");
    match_process(match, &ab);
    explained(match, MATCH_PROCESSES, 1,
              "x.json:3: /processes/1: never matched; closest was process.start of hyperbrowser \"ab\": "
              "first match: wanted no rule before this one to match, saw the rule in line 2 took the request");
    match_unref(match);
}

static void variables_facts_and_dice_are_explained_too(void **state)
{
    (void) state;
    struct match *match =
        load(RULE("\"faults\":[{\"when\":{\"env\":{\"A\":\"1\",\"B\":[\"x\",null]}},\"fault\":\"cut\"},\n"
                  "{\"when\":{\"lane\":\"default\"},\"at\":{\"after_fact\":\"exited\"},\"fault\":\"lost_reply\"},\n"
                  "{\"when\":{\"lane\":\"default\"},\"at\":{\"probability\":1e-300},\"fault\":\"cut\"}]"));
    static const char *const env[] = { "A=1", "B=y", NULL };
    struct match_subject subject = start_of("c");
    subject.op = OP_PROCESS_GET;
    subject.env = env;
    assert_int_equal(strike(match, &subject), -1);
    static const char *const wanted[] = { "env \"B\" \"y\" | \"x\" or not set", "after_fact not yet | exited",
                                          "probability the dice said no | 1e-300" };
    for (size_t i = 0; i < 3; i++) {
        struct match_near near;
        BUF_AUTO got = BUF_INIT;
        assert_true(match_get_near(match, MATCH_FAULTS, i, &near) && near.any);
        buf_printf(&got, "%s %s | %s", near.key, near.seen, near.expected);
        assert_string_equal(got.data, wanted[i]);
    }
    match_unref(match);
}

static void values_of_secret_variables_are_not_shown(void **state)
{
    (void) state;
    static const struct {
        const char *condition, *env, *shown;
    } rows[] = {
        { "{\"API_KEY\":\"sk-WANTED\"}", "API_KEY=sk-SECRET", "\"API_KEY\" [redacted] | [redacted]" },
        { "{\"API_KEY\":\"sk-WANTED\"}", "API_KEY=", "\"API_KEY\" \"\" | [redacted]" },
        { "{\"API_KEY\":[\"sk-WANTED\",\"\",\"o*\"]}", "A=1", "\"API_KEY\" not set | [redacted] or \"\" or \"o*\"" },
        { "{\"DbPassword\":null}", "DbPassword=SECRET", "\"DbPassword\" [redacted] | not set" },
        { "{\"auth_token\":{\"regex\":\"^v2\"}}", "auth_token=SECRET", "\"auth_token\" [redacted] | regex \"^v2\"" },
        { "{\"LEVEL\":\"debug\"}", "LEVEL=info", "\"LEVEL\" \"info\" | \"debug\"" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        BUF_AUTO text = BUF_INIT, got = BUF_INIT;
        const char *const env[] = { rows[i].env, NULL };
        struct match_subject subject = start_of("c");
        struct match_near near;
        buf_printf(&text,
                   "{\"standbox\":1,\"name\":\"x\",\"why\":\"y\",\"faults\":[{\"when\":{\"env\":%s},"
                   "\"fault\":\"cut\"}]}",
                   rows[i].condition);
        struct match *match = load(text.data);
        subject.env = env;
        assert_int_equal(strike(match, &subject), -1);
        assert_true(match_get_near(match, MATCH_FAULTS, 0, &near) && near.any);
        buf_printf(&got, "%s | %s", near.seen, near.expected);
        assert_string_equal(got.data, rows[i].shown);
        match_unref(match);
    }
}

static void huge_requests_leave_small_notes(void **state)
{
    (void) state;
    struct match *match = load(RULE("\"faults\":[{\"when\":{\"command\":\"short\"},\"fault\":\"cut\"}]"));
    char *huge = malloc(1 << 20);
    assert_non_null(huge);
    memset(huge, '\x01', (1 << 20) - 1);
    huge[(1 << 20) - 1] = '\0';
    struct match_subject subject = start_of(huge);
    struct match_near near;
    strike(match, &subject);
    assert_true(match_get_near(match, MATCH_FAULTS, 0, &near) && near.any);
    assert_true(strlen(near.seen) < sizeof near.seen && strlen(near.subject) < sizeof near.subject);
    assert_non_null(strstr(near.seen, "\\u0001"));
    free(huge);
    match_unref(match);
}

/* ---- threads -------------------------------------------------------------------------- */

#define THREADS  8
#define REQUESTS 2000

static void *request_many(void *arg)
{
    struct match *match = arg;
    struct match_subject subject = start_of("a");
    for (int i = 0; i < REQUESTS; i++) {
        struct match_ticket ticket;
        match_process(match, &subject);
        if (match_fault(match, &subject, &ticket))
            match_fault_end(match, &ticket, i % 2 == 0);
    }
    match_unref(match);
    return NULL;
}

static void threads_lose_no_count(void **state)
{
    (void) state;
    struct match *match = load(
        RULE("\"processes\":[{\"when\":{\"command\":\"b\"},\"run\":{\"exit\":0}},{\"when\":{},\"run\":{\"exit\":0}}],"
             "\"faults\":[{\"when\":{\"nth\":{\"from\":1,\"to\":1000}},\"reply\":{\"status\":503}},"
             "{\"when\":{},\"fault\":\"cut\",\"times\":500},{\"when\":{},\"fault\":\"stall\"}]"));
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, request_many, match_ref(match)), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    struct match_counts counts[3], starts;
    for (size_t i = 0; i < 3; i++)
        assert_true(match_get_counts(match, MATCH_FAULTS, i, &counts[i]));
    assert_true(match_get_counts(match, MATCH_PROCESSES, 1, &starts));
    assert_false(match_get_counts(match, MATCH_FAULTS, 3, &starts));
    assert_int_equal(starts.fired, THREADS * REQUESTS);
    assert_int_equal(counts[0].matched, 1000);
    assert_int_equal(counts[1].fired, 500);
    assert_int_equal(counts[0].matched + counts[1].matched + counts[2].matched, THREADS * REQUESTS);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(counts[i].fired + counts[i].missed, counts[i].matched);
        assert_int_equal(counts[i].pending, 0);
    }
    match_unref(match);
}

static void a_ticket_from_before_a_reset_counts_nowhere(void **state)
{
    (void) state;
    struct match *match = load(RULE("\"faults\":[{\"when\":{},\"fault\":\"cut\"}]"));
    struct match_subject a = start_of("a");
    struct match_ticket ticket;
    struct match_counts counts;
    assert_true(match_fault(match, &a, &ticket));
    match_reset(match);
    match_fault_end(match, &ticket, true);
    assert_true(match_get_counts(match, MATCH_FAULTS, 0, &counts));
    assert_int_equal(counts.fired + counts.matched + counts.pending, 0);
    match_unref(match);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_listed_conditions_must_hold),
        cmocka_unit_test(what_a_request_has_not_matches_nothing),
        cmocka_unit_test(the_first_match_wins),
        cmocka_unit_test(nth_counts_what_the_other_conditions_hold_for),
        cmocka_unit_test(times_counts_strikes_not_tries),
        cmocka_unit_test(dice_follow_the_seed),
        cmocka_unit_test(scenarios_without_a_seed_have_dice_of_their_own),
        cmocka_unit_test(the_seed_that_is_shown_gives_the_same_luck_in_the_file),
        cmocka_unit_test(an_immediate_fault_waits_for_its_fact),
        cmocka_unit_test(a_fault_keeps_to_where_it_can_be_done),
        cmocka_unit_test(the_closest_request_is_remembered),
        cmocka_unit_test(a_rule_behind_another_learns_who_took_its_request),
        cmocka_unit_test(variables_facts_and_dice_are_explained_too),
        cmocka_unit_test(values_of_secret_variables_are_not_shown),
        cmocka_unit_test(huge_requests_leave_small_notes),
        cmocka_unit_test(threads_lose_no_count),
        cmocka_unit_test(a_ticket_from_before_a_reset_counts_nowhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
