/* lanes: when an armed fault is due, and what its dice say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "engine/fact.h"
#include "lanes/strike.h"

/* ---- an armed fault ------------------------------------------------------------------ */

struct stage {
    struct clock *clock;
    struct match *match;
    struct strike strike;
};

static struct match *match_of(const char *json, uint64_t seed)
{
    struct err err = ERR_INIT;
    struct scenario *scenario;
    struct match *match = NULL;
    if (scenario_parse(&scenario, "test.json", json, strlen(json), &err) < 0 ||
        match_new(&match, scenario, seed, &err) < 0)
        fail_msg("%s", err.text);
    scenario_unref(scenario);
    return match;
}

static void arm(struct stage *s, struct match *match, unsigned facts)
{
    const struct match_subject subject = {
        .op = OP_PROCESS_STREAM, .dialect = DIALECT_HYPERBROWSER, .command = "x", .facts = facts
    };
    struct match_ticket ticket;
    assert_true(match_fault(match, &subject, &ticket));
    strike_arm(&s->strike, match_ref(match), &ticket, s->clock, facts);
}

static void stage_open(struct stage *s, const char *fault, uint64_t seed)
{
    struct err err = ERR_INIT;
    BUF_AUTO json = BUF_INIT;
    buf_printf(&json,
               "{\"standbox\": 1, \"name\": \"x\", \"why\": \"a test\","
               " \"faults\": [{\"when\": {\"op\": \"process.stream\"}, %s}]}",
               fault);
    assert_int_equal(clock_new(&s->clock, 1, &err), 0);
    s->match = match_of(buf_cstr(&json), seed);
    arm(s, s->match, 0);
}

static void stage_close(struct stage *s)
{
    strike_end(&s->strike);
    match_unref(s->match);
    clock_unref(s->clock);
}

static struct match_counts counts(const struct stage *s)
{
    struct match_counts c;
    assert_true(match_get_counts(s->match, MATCH_FAULTS, 0, &c));
    return c;
}

/* ---- places -------------------------------------------------------------------------- */

static void a_fault_without_a_place_is_due_at_once(void **state)
{
    struct stage s;
    (void) state;
    stage_open(&s, "\"fault\": \"cut\"", 1);
    assert_true(strike_is_due(&s.strike));
    assert_true(strike_room(&s.strike) == UINT64_MAX);
    assert_ptr_equal(s.strike.fault, &s.strike.rule->fault);
    assert_int_equal(s.strike.fault->kind, FAULT_CUT);
    stage_close(&s);
}

static void after_bytes_leaves_room_for_exactly_those_bytes(void **state)
{
    struct stage s;
    (void) state;
    stage_open(&s, "\"at\": {\"after_bytes\": 4097}, \"fault\": \"CONNECTION_RESET_BY_PEER\"", 1);
    assert_false(strike_is_due(&s.strike));
    assert_int_equal(strike_room(&s.strike), 4097);
    strike_note_bytes(&s.strike, 4096);
    assert_false(strike_is_due(&s.strike));
    assert_int_equal(strike_room(&s.strike), 1);
    strike_note_bytes(&s.strike, 1);
    assert_true(strike_is_due(&s.strike));
    assert_int_equal(strike_room(&s.strike), 0);
    strike_note_bytes(&s.strike, 5);
    assert_int_equal(strike_room(&s.strike), 0);
    stage_close(&s);
}

static void after_events_counts_whole_events(void **state)
{
    struct stage s;
    (void) state;
    stage_open(&s, "\"at\": {\"after_events\": 2}, \"fault\": \"stall\"", 1);
    strike_note_bytes(&s.strike, 100000);
    strike_note_event(&s.strike);
    assert_false(strike_is_due(&s.strike));
    assert_true(strike_room(&s.strike) == UINT64_MAX);
    strike_note_event(&s.strike);
    assert_true(strike_is_due(&s.strike));
    stage_close(&s);
}

static void after_fact_is_due_once_the_fact_was_seen(void **state)
{
    struct stage s;
    (void) state;
    stage_open(&s, "\"at\": {\"after_fact\": \"exited\"}, \"fault\": \"cut\"", 1);
    strike_note_fact(&s.strike, SEEN_OUT);
    strike_note_fact(&s.strike, SEEN_DIED);
    assert_false(strike_is_due(&s.strike));
    strike_note_fact(&s.strike, SEEN_EXITED);
    assert_true(strike_is_due(&s.strike));
    strike_note_fact(&s.strike, SEEN_OUTPUT_EOF);
    assert_true(strike_is_due(&s.strike));
    stage_close(&s);
}

static void ended_is_any_of_the_three_ends(void **state)
{
    static const enum scenario_fact ends[] = { SEEN_EXITED, SEEN_DIED, SEEN_START_FAILED };
    (void) state;
    for (size_t i = 0; i < 3; i++) {
        struct stage s;
        stage_open(&s, "\"at\": {\"after_fact\": \"ended\"}, \"fault\": \"cut\"", 1);
        strike_note_fact(&s.strike, SEEN_SIGNALLED);
        assert_false(strike_is_due(&s.strike));
        strike_note_fact(&s.strike, ends[i]);
        assert_true(strike_is_due(&s.strike));
        stage_close(&s);
    }
}

static void facts_that_were_there_before_count(void **state)
{
    struct stage s;
    (void) state;
    stage_open(&s, "\"at\": {\"after_fact\": \"started\"}, \"fault\": \"cut\"", 1);
    strike_end(&s.strike);
    arm(&s, s.match, SEEN_BIT(SEEN_QUEUED) | SEEN_BIT(SEEN_STARTED));
    assert_true(strike_is_due(&s.strike));
    stage_close(&s);
}

/* ---- what becomes of it -------------------------------------------------------------- */

static void what_has_fired_is_not_due_again_and_counts_as_fired(void **state)
{
    struct stage s;
    (void) state;
    stage_open(&s, "\"at\": {\"after_bytes\": 10}, \"fault\": \"split\"", 1);
    assert_int_equal(counts(&s).pending, 1);
    strike_note_bytes(&s.strike, 10);
    strike_fired(&s.strike);
    assert_false(strike_is_due(&s.strike));
    assert_true(strike_room(&s.strike) == UINT64_MAX);
    assert_int_equal(counts(&s).fired, 1);   /* at once, since the client sees it now */
    assert_int_equal(counts(&s).pending, 0);
    strike_fired(&s.strike);
    strike_end(&s.strike);
    assert_int_equal(counts(&s).fired, 1);
    assert_int_equal(counts(&s).missed, 0);
    stage_close(&s);
}

static void what_never_came_to_its_place_counts_as_missed(void **state)
{
    struct stage s;
    (void) state;
    stage_open(&s, "\"at\": {\"after_bytes\": 10}, \"fault\": \"cut\"", 1);
    strike_note_bytes(&s.strike, 9);
    strike_end(&s.strike);
    assert_int_equal(counts(&s).fired, 0);
    assert_int_equal(counts(&s).missed, 1);
    strike_end(&s.strike);   /* twice is harmless */
    assert_int_equal(counts(&s).missed, 1);
    stage_close(&s);
}

static void nothing_armed_is_never_due(void **state)
{
    struct strike none = { .match = NULL };
    (void) state;
    assert_false(strike_is_due(&none));
    assert_true(strike_room(&none) == UINT64_MAX);
    strike_end(&none);
}

static void events_that_were_held_back_are_freed_at_the_end(void **state)
{
    struct stage s;
    (void) state;
    stage_open(&s, "\"fault\": {\"kind\": \"reorder\", \"span\": 3}", 1);
    s.strike.held = calloc(2, sizeof *s.strike.held);
    assert_non_null(s.strike.held);
    s.strike.held_count = 2;
    buf_str(&s.strike.held[0], "one");
    buf_str(&s.strike.held[1], "two");
    strike_end(&s.strike);   /* the leak checker looks on */
    assert_null(s.strike.held);
    stage_close(&s);
}

/* ---- dice ---------------------------------------------------------------------------- */

#define DELAY "\"fault\": {\"kind\": \"delay\", \"ms\": 100, \"jitter_ms\": 50}"

static void a_delay_is_the_same_whenever_it_is_asked_for(void **state)
{
    struct stage s, again;
    unsigned char junk[7];
    (void) state;
    stage_open(&s, DELAY, 42);
    stage_open(&again, DELAY, 42);
    int64_t ms = strike_delay_ms(&s.strike);
    strike_random(&s.strike, junk, sizeof junk);
    assert_int_equal(strike_delay_ms(&s.strike), ms);
    assert_int_equal(strike_delay_ms(&again.strike), ms);
    stage_close(&s);
    stage_close(&again);
}

static void jitter_stays_in_its_bounds_and_varies(void **state)
{
    struct stage s;
    int64_t least = INT64_MAX, most = 0;
    (void) state;
    stage_open(&s, DELAY, 7);
    for (int i = 0; i < 1000; i++) {
        int64_t ms = strike_delay_ms(&s.strike);
        least = ms < least ? ms : least;
        most = ms > most ? ms : most;
        strike_end(&s.strike);
        arm(&s, s.match, 0);
    }
    assert_int_equal(least, 100);
    assert_int_equal(most, 150);
    stage_close(&s);
}

static void a_delay_without_jitter_is_exact(void **state)
{
    struct stage s;
    (void) state;
    stage_open(&s, "\"fault\": {\"kind\": \"first_byte_delay\", \"ms\": 1234}", 9);
    assert_int_equal(strike_delay_ms(&s.strike), 1234);
    stage_close(&s);
}

static void random_bytes_do_not_depend_on_the_pieces(void **state)
{
    struct stage whole, pieces, other;
    unsigned char a[100], b[100], c[100];
    (void) state;
    stage_open(&whole, "\"fault\": \"RANDOM_DATA_THEN_CLOSE\"", 5);
    stage_open(&pieces, "\"fault\": \"RANDOM_DATA_THEN_CLOSE\"", 5);
    stage_open(&other, "\"fault\": \"RANDOM_DATA_THEN_CLOSE\"", 6);
    strike_random(&whole.strike, a, sizeof a);
    strike_random(&pieces.strike, b, 1);
    strike_random(&pieces.strike, b + 1, 36);
    strike_random(&pieces.strike, b + 37, 63);
    strike_random(&other.strike, c, sizeof c);
    assert_memory_equal(a, b, sizeof a);
    assert_memory_not_equal(a, c, sizeof a);
    stage_close(&whole);
    stage_close(&pieces);
    stage_close(&other);
}

/* ---- facts of the engine ------------------------------------------------------------- */

static void every_fact_of_the_engine_has_its_word(void **state)
{
    (void) state;
    for (int kind = 0; kind < FACT_KINDS; kind++) {
        enum scenario_fact fact = strike_fact_of(kind);
        assert_string_equal(vocab_name(&vocab_facts, (int) fact), fact_kind_name((enum fact_kind) kind));
        bool ends = kind == FACT_EXITED || kind == FACT_DIED || kind == FACT_START_FAILED;
        assert_int_equal(strike_facts_of(1u << kind), SEEN_BIT(fact) | (ends ? SEEN_BIT(SEEN_ENDED) : 0));
    }
    assert_int_equal(strike_facts_of(0), 0);
    assert_int_equal(strike_facts_of((1u << FACT_KINDS) - 1), (1u << SEEN_COUNT) - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fault_without_a_place_is_due_at_once),
        cmocka_unit_test(after_bytes_leaves_room_for_exactly_those_bytes),
        cmocka_unit_test(after_events_counts_whole_events),
        cmocka_unit_test(after_fact_is_due_once_the_fact_was_seen),
        cmocka_unit_test(ended_is_any_of_the_three_ends),
        cmocka_unit_test(facts_that_were_there_before_count),
        cmocka_unit_test(what_has_fired_is_not_due_again_and_counts_as_fired),
        cmocka_unit_test(what_never_came_to_its_place_counts_as_missed),
        cmocka_unit_test(nothing_armed_is_never_due),
        cmocka_unit_test(events_that_were_held_back_are_freed_at_the_end),
        cmocka_unit_test(a_delay_is_the_same_whenever_it_is_asked_for),
        cmocka_unit_test(jitter_stays_in_its_bounds_and_varies),
        cmocka_unit_test(a_delay_without_jitter_is_exact),
        cmocka_unit_test(random_bytes_do_not_depend_on_the_pieces),
        cmocka_unit_test(every_fact_of_the_engine_has_its_word),
    };
    return cmocka_run_group_tests_name("strike", tests, NULL, NULL);
}
