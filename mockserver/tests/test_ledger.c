/* lanes: what the ledger keeps, in which order, within which bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lanes/ledger.h"
#include "tests/support/ledger_book.h"

#define LIMIT_NS INT64_C(60000000000)   /* after so long a test gives up */

/* ---- filling it ---------------------------------------------------------------------- */

static void add_out(struct book *b, const char *process, const char *text)
{
    const struct fact fact = { .seq = 3, .out_seq = 1, .kind = FACT_OUT, .len = (uint32_t) strlen(text) };
    ledger_add_fact(b->ledger, "sandbox", process, "the command", &fact, text);
}

static void add_facts(struct book *b, int count)
{
    for (int i = 0; i < count; i++)
        add_out(b, "p", "x");
}

static uint64_t begin(struct book *b, const char *id)
{
    return ledger_begin_request(b->ledger, id, "GET", "/", "", NULL, 0);
}

/* ---- looking ------------------------------------------------------------------------- */

struct seen {
    size_t count;
    uint64_t numbers[256];
    struct ledger_entry last;
    char id[64];      /* of the last request */
    char end[16];
};

static bool note(void *arg, const struct ledger_entry *entry)
{
    struct seen *s = arg;
    s->numbers[s->count++] = entry->is_request ? entry->request.number : entry->fact.number;
    s->last = *entry;
    if (entry->is_request) {
        snprintf(s->id, sizeof s->id, "%s", entry->request.request_id);
        snprintf(s->end, sizeof s->end, "%s", entry->request.end_ms == 0 ? "" : answer_end_name(entry->request.end));
    }
    return s->count < sizeof s->numbers / sizeof *s->numbers;
}

static struct seen look(struct book *b, uint64_t from)
{
    struct seen s;
    memset(&s, 0, sizeof s);
    ledger_visit(b->ledger, from, note, &s);
    return s;
}

static struct ledger_stats stats(struct book *b)
{
    struct ledger_stats s;
    ledger_get_stats(b->ledger, &s);
    return s;
}

static bool note_first(void *arg, const struct ledger_entry *entry)
{
    *(struct ledger_entry *) arg = *entry;
    return false;
}

/* Its texts stay where they are until something changes. */
static struct ledger_entry entry_at(struct book *b, uint64_t number)
{
    struct ledger_entry entry;
    memset(&entry, 0, sizeof entry);
    ledger_visit(b->ledger, number, note_first, &entry);
    return entry;
}

/* ---- order --------------------------------------------------------------------------- */

static void entries_have_numbers_without_gaps_in_one_order(void **state)
{
    struct book b;
    (void) state;
    book_open(&b, &(struct ledger_config) { 0 });
    add_facts(&b, 2);
    uint64_t first = begin(&b, "r-1");
    add_facts(&b, 1);
    assert_int_equal(first, 3);
    struct seen s = look(&b, 1);
    assert_int_equal(s.count, 4);
    for (uint64_t i = 0; i < 4; i++)
        assert_int_equal(s.numbers[i], i + 1);
    assert_int_equal(look(&b, 4).count, 1);
    assert_int_equal(look(&b, 5).count, 0);
    assert_int_equal(stats(&b).next_number, 5);
    assert_int_equal(stats(&b).dropped, 0);
    book_close(&b);
}

static void a_visit_ends_when_it_is_told_to(void **state)
{
    struct book b;
    (void) state;
    book_open(&b, &(struct ledger_config) { 0 });
    add_facts(&b, 3);
    assert_int_equal(entry_at(&b, 2).fact.number, 2);
    book_close(&b);
}

static void a_fact_is_kept_as_it_was(void **state)
{
    struct book b;
    const struct fact fact = { .seq = 9, .wall_ms = 1234, .kind = FACT_DIED, .value = 11, .flag = 1 };
    (void) state;
    book_open(&b, &(struct ledger_config) { 0 });
    ledger_add_fact(b.ledger, "s-1", "p-1", "crash me", &fact, NULL);
    struct ledger_entry e = entry_at(&b, 1);
    assert_false(e.is_request);
    assert_string_equal(e.fact.sandbox, "s-1");
    assert_string_equal(e.fact.process, "p-1");
    assert_string_equal(e.fact.command, "crash me");
    assert_memory_equal(&e.fact.fact, &fact, sizeof fact);
    assert_int_equal(e.fact.kept, 0);
    book_close(&b);
}

static void output_is_kept_to_a_limit_that_tears_no_character(void **state)
{
    struct book b;
    (void) state;
    book_open(&b, &(struct ledger_config) { .max_body_bytes = 4 });
    add_out(&b, "p", "abc\xc3\xa4z");
    struct ledger_entry e = entry_at(&b, 1);
    assert_int_equal(e.fact.kept, 3);
    assert_memory_equal(e.fact.bytes, "abc", 3);
    assert_int_equal(e.fact.fact.len, 6);
    book_close(&b);
}

static void a_long_command_is_shortened_and_still_shared(void **state)
{
    struct book b;
    char command[5000];
    const struct fact fact = { .seq = 1, .kind = FACT_QUEUED };
    (void) state;
    memset(command, 'c', sizeof command - 1);
    command[sizeof command - 1] = '\0';
    book_open(&b, &(struct ledger_config) { .max_body_bytes = 1000 });
    ledger_add_fact(b.ledger, "s", "p", command, &fact, NULL);
    uint64_t before = stats(&b).bytes;
    ledger_add_fact(b.ledger, "s", "p", command, &fact, NULL);
    assert_true(stats(&b).bytes - before < 1000);
    struct ledger_entry e = entry_at(&b, 2);
    assert_int_equal(strlen(e.fact.command), 1003);
    assert_string_equal(e.fact.command + 1000, "\xe2\x80\xa6");
    book_close(&b);
}

/* ---- requests ------------------------------------------------------------------------ */

static void a_request_is_shown_as_it_grows(void **state)
{
    static const struct wire_header headers[] = { { "Host", "h" }, { "Authorization", "Bearer abc" } };
    struct book b;
    (void) state;
    book_open(&b, &(struct ledger_config) { 0 });
    uint64_t n = ledger_begin_request(b.ledger, "id-1", "POST", "/a b", "token=x&y=1", headers, 2);
    struct ledger_request r = entry_at(&b, n).request;
    assert_string_equal(r.request_id, "id-1");
    assert_string_equal(r.method, "POST");
    assert_string_equal(r.path, "/a b");
    assert_string_equal(r.query, "token=[redacted]&y=1");
    assert_int_equal(r.header_count, 2);
    assert_string_equal(r.headers[0].name, "Host");
    assert_string_equal(r.headers[0].value, "h");
    assert_string_equal(r.headers[1].value, "Bearer [redacted]");
    assert_int_equal(r.begin_ms, clock_wall_ms(b.clock));
    assert_int_equal(r.end_ms, 0);
    assert_string_equal(r.op, "");
    assert_string_equal(r.answer, "");

    ledger_set_request_body(b.ledger, n, "{\"apiKey\":\"k\"}", 14);
    ledger_set_request_op(b.ledger, n, "hyperbrowser", "process.exec", "s-1", NULL, "ls");
    ledger_set_request_fault(b.ledger, n, "scene", 2, "cut", false);
    ledger_set_answer(b.ledger, n, 200, "text/plain");
    ledger_add_answer_bytes(b.ledger, n, "hello ", 6);
    ledger_add_answer_bytes(b.ledger, n, "world", 5);
    ledger_set_request_op(b.ledger, n, "hyperbrowser", "process.exec", "s-1", "p-1", "ls");
    ledger_set_request_fault(b.ledger, n, "scene", 2, "cut", true);
    clock_advance(b.clock, 25);
    ledger_end_request(b.ledger, n, ANSWER_CUT);

    r = entry_at(&b, n).request;
    assert_memory_equal(r.body, "{\"apiKey\":\"[redacted]\"}", r.body_kept);
    assert_int_equal(r.body_len, 14);
    assert_false(r.body_cut);
    assert_string_equal(r.dialect, "hyperbrowser");
    assert_string_equal(r.op, "process.exec");
    assert_string_equal(r.sandbox, "s-1");
    assert_string_equal(r.process, "p-1");
    assert_string_equal(r.command, "ls");
    assert_string_equal(r.fault, "cut");
    assert_string_equal(r.fault_scenario, "scene");
    assert_int_equal(r.fault_rule, 2);
    assert_true(r.fault_fired);
    assert_int_equal(r.status, 200);
    assert_string_equal(r.content_type, "text/plain");
    assert_string_equal(r.answer, "hello world");
    assert_int_equal(r.answer_len, 11);
    assert_false(r.answer_cut);
    assert_int_equal(r.end_ms - r.begin_ms, 25);
    assert_int_equal(r.end, ANSWER_CUT);
    book_close(&b);
}

static void entries_bear_the_machine_s_time_whatever_the_clock_does(void **state)
{
    struct book b;
    (void) state;
    book_open(&b, &(struct ledger_config) { 0 });
    for (int frozen = 0; frozen < 2; frozen++) {
        if (!frozen)
            clock_run(b.clock, 1000000);
        else
            clock_freeze(b.clock);
        int64_t before = mono_ns();
        uint64_t n = begin(&b, "id");
        int64_t between = mono_ns();
        clock_advance(b.clock, 3600000);
        add_out(&b, "p", "x");
        ledger_end_request(b.ledger, n, ANSWER_COMPLETE);
        int64_t after = mono_ns();
        struct ledger_request r = entry_at(&b, n).request;
        struct ledger_fact f = entry_at(&b, n + 1).fact;
        assert_true(r.end_ms - r.begin_ms >= 3600000);
        assert_true(before <= r.begin_ns && r.begin_ns <= between);
        assert_true(between <= f.at_ns && f.at_ns <= r.end_ns && r.end_ns <= after);
    }
    book_close(&b);
}

static void an_answer_s_token_is_redacted_across_its_pieces(void **state)
{
    static const char text[] = "{\"id\":\"1\",\"token\":\"SECRET\",\"x\":\"y\"}";
    struct book b;
    (void) state;
    book_open(&b, &(struct ledger_config) { 0 });
    uint64_t n = begin(&b, "r");
    for (size_t i = 0; i < sizeof text - 1; i++) {
        ledger_add_answer_bytes(b.ledger, n, text + i, 1);
        assert_null(strstr(entry_at(&b, n).request.answer, "S"));
    }
    ledger_end_request(b.ledger, n, ANSWER_COMPLETE);
    struct ledger_request r = entry_at(&b, n).request;
    assert_string_equal(r.answer, "{\"id\":\"1\",\"token\":\"[redacted]\",\"x\":\"y\"}");
    assert_int_equal(r.answer_len, sizeof text - 1);
    book_close(&b);
}

static void bodies_are_kept_to_a_limit_with_their_true_length(void **state)
{
    struct book b;
    (void) state;
    book_open(&b, &(struct ledger_config) { .max_body_bytes = 8 });
    uint64_t n = begin(&b, "r");
    ledger_set_request_body(b.ledger, n, "1234567\xc3\xa4", 9);
    ledger_add_answer_bytes(b.ledger, n, "12345", 5);
    ledger_add_answer_bytes(b.ledger, n, "67890", 5);
    ledger_add_answer_bytes(b.ledger, n, "abc", 3);
    ledger_end_request(b.ledger, n, ANSWER_COMPLETE);
    struct ledger_request r = entry_at(&b, n).request;
    assert_int_equal(r.body_kept, 7);
    assert_int_equal(r.body_len, 9);
    assert_true(r.body_cut);
    assert_int_equal(r.answer_kept, 8);
    assert_int_equal(r.answer_len, 13);
    assert_true(r.answer_cut);
    book_close(&b);
}

static void what_comes_after_the_end_or_for_nobody_is_ignored(void **state)
{
    struct book b;
    (void) state;
    book_open(&b, &(struct ledger_config) { 0 });
    uint64_t n = begin(&b, "r");
    ledger_end_request(b.ledger, n, ANSWER_RESET);
    ledger_end_request(b.ledger, n, ANSWER_COMPLETE);
    ledger_set_answer(b.ledger, n, 500, NULL);
    ledger_set_request_body(b.ledger, 0, "x", 1);
    ledger_add_answer_bytes(b.ledger, 77, "x", 1);
    struct ledger_request r = entry_at(&b, n).request;
    assert_int_equal(r.end, ANSWER_RESET);
    assert_int_equal(r.status, 0);
    assert_int_equal(stats(&b).open_requests, 0);
    book_close(&b);
}

/* ---- bounds -------------------------------------------------------------------------- */

static void the_oldest_go_first_and_are_counted(void **state)
{
    struct book b;
    (void) state;
    book_open(&b, &(struct ledger_config) { .max_entries = 10 });
    add_facts(&b, 25);
    struct seen s = look(&b, 1);
    assert_int_equal(s.count, 10);
    assert_int_equal(s.numbers[0], 16);
    assert_int_equal(s.numbers[9], 25);
    assert_int_equal(stats(&b).entries, 10);
    assert_int_equal(stats(&b).dropped, 15);
    assert_int_equal(stats(&b).next_number, 26);
    book_close(&b);
}

static void bytes_are_bounded_too(void **state)
{
    struct book b;
    char text[1001];
    (void) state;
    memset(text, 'x', 1000);
    text[1000] = '\0';
    book_open(&b, &(struct ledger_config) { .max_bytes = 20000 });
    for (int i = 0; i < 200; i++) {
        char process[16];
        snprintf(process, sizeof process, "p%d", i);
        add_out(&b, process, text);
        assert_true(stats(&b).bytes <= 20000);
    }
    assert_true(stats(&b).entries >= 10);
    assert_int_equal(stats(&b).entries + stats(&b).dropped, 200);
    book_close(&b);
}

static void the_newest_stays_however_large_it_is(void **state)
{
    struct book b;
    (void) state;
    book_open(&b, &(struct ledger_config) { .max_bytes = 10 });
    add_facts(&b, 3);
    struct seen s = look(&b, 1);
    assert_int_equal(s.count, 1);
    assert_int_equal(s.numbers[0], 3);
    book_close(&b);
}

static void a_request_that_is_open_is_never_dropped(void **state)
{
    struct book b;
    (void) state;
    book_open(&b, &(struct ledger_config) { .max_entries = 10 });
    uint64_t early = begin(&b, "early");
    add_facts(&b, 3);
    uint64_t later = begin(&b, "later");
    add_facts(&b, 50);
    struct seen s = look(&b, 1);
    assert_int_equal(s.count, 10);
    assert_int_equal(s.numbers[0], early);
    assert_int_equal(s.numbers[1], later);
    assert_int_equal(s.numbers[2], 48);
    ledger_set_answer(b.ledger, early, 201, NULL);
    assert_int_equal(entry_at(&b, early).request.status, 201);
    assert_int_equal(stats(&b).open_requests, 2);
    book_close(&b);
}

static void a_request_counts_from_its_end_and_is_dropped_then(void **state)
{
    struct book b;
    (void) state;
    book_open(&b, &(struct ledger_config) { .max_entries = 10 });
    uint64_t n = begin(&b, "long");
    add_facts(&b, 50);
    ledger_end_request(b.ledger, n, ANSWER_COMPLETE);
    add_facts(&b, 8);
    assert_int_equal(look(&b, 1).numbers[0], n);
    assert_int_equal(entry_at(&b, n).request.end, ANSWER_COMPLETE);
    add_facts(&b, 3);
    struct seen s = look(&b, 1);
    assert_int_equal(s.count, 10);
    assert_int_equal(s.numbers[0], 53);
    assert_int_equal(stats(&b).dropped, 52);
    book_close(&b);
}

static void many_that_were_open_leave_in_the_order_of_their_ends(void **state)
{
    struct book b;
    uint64_t n[40];
    (void) state;
    book_open(&b, &(struct ledger_config) { .max_entries = 4 });
    for (int i = 0; i < 40; i++)
        n[i] = begin(&b, "r");
    assert_int_equal(stats(&b).entries, 40);
    for (int i = 39; i >= 0; i--)
        ledger_end_request(b.ledger, n[i], ANSWER_COMPLETE);
    add_facts(&b, 10);
    struct seen s = look(&b, 1);
    assert_int_equal(s.count, 4);
    assert_int_equal(s.numbers[0], 47);
    assert_int_equal(stats(&b).dropped, 46);
    book_close(&b);
}

/* ---- clearing ------------------------------------------------------------------------ */

static void clearing_empties_it_and_numbers_go_on(void **state)
{
    struct book b;
    (void) state;
    book_open(&b, &(struct ledger_config) { .max_entries = 3 });
    add_facts(&b, 5);
    ledger_clear(b.ledger);
    assert_int_equal(look(&b, 1).count, 0);
    assert_int_equal(stats(&b).entries, 0);
    assert_int_equal(stats(&b).bytes, 0);
    assert_int_equal(stats(&b).dropped, 0);
    add_facts(&b, 1);
    assert_int_equal(look(&b, 1).numbers[0], 6);
    book_close(&b);
}

static void a_request_that_was_open_comes_in_again_at_its_end(void **state)
{
    struct book b;
    (void) state;
    book_open(&b, &(struct ledger_config) { .max_entries = 3 });
    uint64_t aside = begin(&b, "aside");
    add_facts(&b, 5);
    uint64_t inside = begin(&b, "inside");
    ledger_clear(b.ledger);
    assert_int_equal(look(&b, 1).count, 0);
    assert_int_equal(stats(&b).open_requests, 2);
    ledger_add_answer_bytes(b.ledger, inside, "yes", 3);
    assert_int_equal(look(&b, 1).count, 0);
    ledger_end_request(b.ledger, inside, ANSWER_CLIENT_GONE);
    struct seen s = look(&b, 1);
    assert_int_equal(s.count, 1);
    assert_int_equal(s.numbers[0], 8);
    assert_string_equal(s.id, "inside");
    assert_string_equal(s.end, "client_gone");
    assert_string_equal(entry_at(&b, 8).request.answer, "yes");
    ledger_end_request(b.ledger, aside, ANSWER_COMPLETE);
    s = look(&b, 9);
    assert_string_equal(s.id, "aside");
    assert_int_equal(stats(&b).open_requests, 0);
    book_close(&b);
}

static void a_ledger_with_open_requests_can_be_freed(void **state)
{
    struct book b;
    (void) state;
    book_open(&b, &(struct ledger_config) { .max_entries = 2 });
    begin(&b, "aside");
    add_facts(&b, 3);
    begin(&b, "hidden");
    ledger_clear(b.ledger);
    begin(&b, "inside");
    book_close(&b);   /* the leak checker looks on */
}

/* ---- waiting ------------------------------------------------------------------------- */

static void what_has_changed_already_is_told_at_once(void **state)
{
    struct book b;
    uint64_t change = 0;
    (void) state;
    book_open(&b, &(struct ledger_config) { 0 });
    assert_false(ledger_await_change(b.ledger, &change, 0, NULL, NULL));
    uint64_t n = begin(&b, "r");
    assert_true(ledger_await_change(b.ledger, &change, 0, NULL, NULL));
    assert_false(ledger_await_change(b.ledger, &change, 0, NULL, NULL));
    ledger_set_answer(b.ledger, n, 200, NULL);
    assert_true(ledger_await_change(b.ledger, &change, 0, NULL, NULL));
    book_close(&b);
}

struct waiter {
    struct ledger *ledger;
    atomic_int asked;
    bool changed;
};

static bool count_asked(void *arg)
{
    struct waiter *w = arg;
    atomic_fetch_add(&w->asked, 1);
    return false;
}

static void *wait_for_change(void *arg)
{
    struct waiter *w = arg;
    uint64_t change = 0;
    w->changed = ledger_await_change(w->ledger, &change, mono_ns() + LIMIT_NS, count_asked, w);
    return NULL;
}

static void who_waits_is_woken_by_a_change(void **state)
{
    struct book b;
    pthread_t thread;
    (void) state;
    book_open(&b, &(struct ledger_config) { 0 });
    struct waiter w = { .ledger = b.ledger };
    assert_int_equal(pthread_create(&thread, NULL, wait_for_change, &w), 0);
    add_facts(&b, 1);
    pthread_join(thread, NULL);
    assert_true(w.changed);
    book_close(&b);
}

static bool stop(void *arg)
{
    return ++*(int *) arg == 2;
}

static void waiting_can_be_interrupted(void **state)
{
    struct book b;
    uint64_t change = 0;
    int asked = 0;
    (void) state;
    book_open(&b, &(struct ledger_config) { 0 });
    assert_false(ledger_await_change(b.ledger, &change, mono_ns() + LIMIT_NS, stop, &asked));
    assert_int_equal(asked, 2);
    book_close(&b);
}

/* ---- many threads -------------------------------------------------------------------- */

#define WRITERS 8
#define ROUNDS  300

static void *write_much(void *arg)
{
    struct book *b = arg;
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t n = begin(b, "r");
        add_out(b, "p", "some output");
        ledger_set_request_op(b->ledger, n, "d", "o", "s", "p", "c");
        ledger_add_answer_bytes(b->ledger, n, "answer", 6);
        ledger_end_request(b->ledger, n, ANSWER_COMPLETE);
    }
    return NULL;
}

static void writers_of_many_threads_keep_the_books_right(void **state)
{
    struct book b;
    pthread_t threads[WRITERS];
    (void) state;
    book_open(&b, &(struct ledger_config) { .max_entries = 100 });
    for (int i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_much, &b), 0);
    for (int i = 0; i < 50; i++)
        (void) look(&b, 1);
    for (int i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    struct seen s = look(&b, 1);
    assert_true(s.count <= 100);
    for (size_t i = 1; i < s.count; i++)
        assert_true(s.numbers[i] > s.numbers[i - 1]);
    assert_int_equal(stats(&b).next_number, WRITERS * ROUNDS * 2 + 1);
    assert_int_equal(stats(&b).entries + stats(&b).dropped, WRITERS * ROUNDS * 2);
    assert_int_equal(stats(&b).open_requests, 0);
    book_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_have_numbers_without_gaps_in_one_order),
        cmocka_unit_test(a_visit_ends_when_it_is_told_to),
        cmocka_unit_test(a_fact_is_kept_as_it_was),
        cmocka_unit_test(output_is_kept_to_a_limit_that_tears_no_character),
        cmocka_unit_test(a_long_command_is_shortened_and_still_shared),
        cmocka_unit_test(a_request_is_shown_as_it_grows),
        cmocka_unit_test(entries_bear_the_machine_s_time_whatever_the_clock_does),
        cmocka_unit_test(an_answer_s_token_is_redacted_across_its_pieces),
        cmocka_unit_test(bodies_are_kept_to_a_limit_with_their_true_length),
        cmocka_unit_test(what_comes_after_the_end_or_for_nobody_is_ignored),
        cmocka_unit_test(the_oldest_go_first_and_are_counted),
        cmocka_unit_test(bytes_are_bounded_too),
        cmocka_unit_test(the_newest_stays_however_large_it_is),
        cmocka_unit_test(a_request_that_is_open_is_never_dropped),
        cmocka_unit_test(a_request_counts_from_its_end_and_is_dropped_then),
        cmocka_unit_test(many_that_were_open_leave_in_the_order_of_their_ends),
        cmocka_unit_test(clearing_empties_it_and_numbers_go_on),
        cmocka_unit_test(a_request_that_was_open_comes_in_again_at_its_end),
        cmocka_unit_test(a_ledger_with_open_requests_can_be_freed),
        cmocka_unit_test(what_has_changed_already_is_told_at_once),
        cmocka_unit_test(who_waits_is_woken_by_a_change),
        cmocka_unit_test(waiting_can_be_interrupted),
        cmocka_unit_test(writers_of_many_threads_keep_the_books_right),
    };
    return cmocka_run_group_tests_name("ledger", tests, NULL, NULL);
}
