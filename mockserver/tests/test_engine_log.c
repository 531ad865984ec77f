/* engine: output is never lost, doubled or reordered, and can be replayed as long as it is kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine_priv.h"
#include "tests/support/world.h"

#define MIB (1024u * 1024u)

static struct proc_reader *reader_at(struct proc *p, uint64_t out_seq)
{
    struct err err = ERR_INIT;
    struct proc_reader *reader = NULL;
    if (proc_reader_open(p, out_seq, false, &reader, &err) != 0)
        fail_msg("%s", err.text);
    return reader;
}

/* ---- floods ---------------------------------------------------------------------------- */

/* Lines "1\n", "2\n" ... as `seq 1 N` writes them, checked on the fly. */
struct seq_check {
    uint64_t bytes;
    bool wrong;
    char line[24];     /* the one expected now, right-aligned */
    size_t first, at;
};

#define LINE_END (sizeof ((struct seq_check *) 0)->line - 1)

static struct seq_check seq_check_new(void)
{
    struct seq_check check = { .first = LINE_END - 1, .at = LINE_END - 1 };
    memset(check.line, '0', LINE_END);
    check.line[LINE_END - 1] = '1';
    check.line[LINE_END] = '\n';
    return check;
}

static void next_line(struct seq_check *check)
{
    size_t i = LINE_END - 1;
    for (; check->line[i] == '9'; i--)
        check->line[i] = '0';
    check->line[i]++;
    if (i < check->first)
        check->first = i;
    check->at = check->first;
}

static void check_bytes(struct seq_check *check, const struct buf *bytes)
{
    for (size_t i = 0; i < bytes->len && !check->wrong; i++) {
        check->wrong = bytes->data[i] != check->line[check->at];
        if (++check->at > LINE_END)
            next_line(check);
    }
    check->bytes += bytes->len;
}

static struct seq_check read_all(struct world *w, struct proc_reader *reader, uint64_t *next_out_seq)
{
    struct seq_check check = seq_check_new();
    BUF_AUTO bytes = BUF_INIT;
    struct fact fact;
    enum read_result r;
    while ((r = proc_reader_next(reader, world_deadline(w), NULL, NULL, &fact, &bytes)) == READ_FACT) {
        if (fact.kind != FACT_OUT)
            continue;
        check.wrong = check.wrong || fact.out_seq != (*next_out_seq)++ || fact.len != bytes.len;
        check_bytes(&check, &bytes);
    }
    assert_int_equal(r, READ_END);
    return check;
}

static void a_hundred_megabytes_arrive_in_order(void **state)
{
    struct world *w = *state;
    char *argv[4];
    struct proc_spec spec = world_shell("seq 1 13000000 | head -c 104857600", argv);
    spec.keep_bytes = 4 * MIB;
    struct proc *p = world_start(w, &spec);
    struct proc_reader *reader = reader_at(p, 1);
    uint64_t next = 1;
    struct seq_check check = read_all(w, reader, &next);
    proc_reader_close(reader);
    assert_false(check.wrong);
    assert_int_equal(check.bytes, 104857600);
    OUTCOME o = world_finish(p);
    assert_int_equal((o.view.out_bytes[0] + o.view.out_bytes[1]), 104857600);
    assert_int_equal(o.view.out_seq, next - 1);
}

static void several_readers_each_get_everything(void **state)
{
    struct world *w = *state;
    struct proc *p = world_start_line(w, "seq 1 9999999 | head -c 9000000");
    struct proc_reader *readers[3];
    for (int i = 0; i < 3; i++)
        readers[i] = reader_at(p, 1);
    for (int i = 0; i < 3; i++) {
        uint64_t next = 1;
        struct seq_check check = read_all(w, readers[i], &next);
        assert_false(check.wrong);
        assert_int_equal(check.bytes, 9000000);
        proc_reader_close(readers[i]);
    }
    OUTCOME o = world_finish(p);
    assert_int_equal(o.view.end.value, 0);
}

/* ---- replay ---------------------------------------------------------------------------- */

static void output_from_before_the_reader_came_is_replayed(void **state)
{
    struct world *w = *state;
    struct proc *p = proc_ref(world_start_line(w, "echo early"));
    OUTCOME o = world_finish(p);
    assert_int_equal(o.view.end.value, 0);
    for (int i = 0; i < 2; i++) {
        struct proc_reader *reader = reader_at(p, 0);
        BUF_AUTO bytes = BUF_INIT, all = BUF_INIT;
        struct fact fact, last = { 0 };
        while (proc_reader_next(reader, 0, NULL, NULL, &fact, &bytes) == READ_FACT) {
            buf_add(&all, buf_cstr(&bytes), bytes.len);
            assert_int_equal(fact.seq, last.seq + 1);
            last = fact;
        }
        assert_int_equal(last.kind, FACT_OUTPUT_EOF);
        assert_string_equal(buf_cstr(&all), "early\n");
        proc_reader_close(reader);
    }
    proc_unref(p);
}

static void a_reader_can_begin_at_any_sequence_number(void **state)
{
    struct world *w = *state;
    struct proc *p = proc_ref(world_start_line(w, "for i in 1 2 3 4 5; do echo $i; sleep 0.02; done"));
    OUTCOME o = world_finish(p);
    for (uint64_t from = 1; from <= o.view.out_seq + 1; from++) {
        struct proc_reader *reader = reader_at(p, from);
        BUF_AUTO bytes = BUF_INIT;
        struct fact fact = { 0 };
        while (proc_reader_next(reader, 0, NULL, NULL, &fact, &bytes) == READ_FACT && fact.out_seq == 0)
            continue;
        assert_int_equal(fact.out_seq, from <= o.view.out_seq ? from : 0);
        proc_reader_close(reader);
    }
    proc_unref(p);
}

static void output_behind_the_window_is_gone(void **state)
{
    struct world *w = *state;
    char *argv[4];
    struct proc_spec spec = world_shell("head -c 20000000 /dev/zero; echo; echo end", argv);
    spec.keep_bytes = 4 * MIB;
    struct proc *p = proc_ref(world_start(w, &spec));
    OUTCOME o = world_finish(p);
    struct err err = ERR_INIT;
    struct proc_reader *reader = NULL;
    assert_int_equal(proc_reader_open(p, 1, false, &reader, &err), -1);
    assert_int_equal(err.code, ERR_GONE);
    uint64_t oldest = proc_oldest_in_window(p, 4 * MIB);
    assert_true(oldest > 1 && oldest <= o.view.out_seq);
    assert_int_equal(proc_oldest_in_window(p, 0), o.view.out_seq + 1);
    assert_true(o.view.kept_from_offset > 0);
    assert_true((o.view.out_bytes[0] + o.view.out_bytes[1]) - o.view.kept_from_offset >= 4 * MIB);
    assert_int_equal(proc_reader_open(p, 1, true, &reader, &err), 0);
    struct fact fact;
    BUF_AUTO bytes = BUF_INIT;
    assert_int_equal(proc_reader_next(reader, 0, NULL, NULL, &fact, &bytes), READ_FACT);
    assert_int_equal(fact.offset, o.view.kept_from_offset);
    proc_reader_close(reader);
    proc_unref(p);
}

static void the_result_keeps_the_newest_bytes_of_the_window(void **state)
{
    struct world *w = *state;
    struct proc *p = proc_ref(world_start_line(w, "head -c 3000000 /dev/zero | tr '\\0' a; echo; echo tail"));
    OUTCOME o = world_finish(p);
    assert_int_equal(o.out.len, 3000006);
    BUF_AUTO cut = BUF_INIT;
    assert_true(proc_collect(p, 0, 1000, &cut));
    assert_int_equal(cut.len, 1000);
    assert_memory_equal(cut.data + 994, "\ntail\n", 6);
    proc_unref(p);
}

/* ---- memory ---------------------------------------------------------------------------- */

static int little_memory(void **state)
{
    world_config.log_memory_bytes = 256 * 1024;
    return world_setup(state);
}

static void output_beyond_memory_is_kept_on_disk(void **state)
{
    struct world *w = *state;
    struct proc *p = proc_ref(world_start_line(w, "seq 1 9999999 | head -c 18000000"));
    OUTCOME o = world_finish(p);
    assert_int_equal(o.out.len, 18000000);
    assert_true(atomic_load(&w->engine->budget.used_bytes) <= 512 * 1024);
    struct proc_reader *reader = reader_at(p, 1);
    uint64_t next = 1;
    struct seq_check check = read_all(w, reader, &next);
    proc_reader_close(reader);
    assert_false(check.wrong);
    assert_int_equal(check.bytes, 18000000);
    proc_unref(p);
}

static int little_log(void **state)
{
    world_config.log_limit_bytes = MIB;
    return world_setup(state);
}

static void a_reader_that_falls_behind_the_limit_is_told(void **state)
{
    struct world *w = *state;
    struct proc *p = proc_ref(world_start_line(w, "mkfifo go; echo first; read go < go; head -c 8000000 /dev/zero"));
    world_await_output(p, "first");
    struct proc_reader *reader = reader_at(p, 1);
    OUTCOME go = world_run(w, "echo go > go");
    assert_int_equal(go.view.end.value, 0);
    OUTCOME o = world_finish(p);
    assert_int_equal((o.view.out_bytes[0] + o.view.out_bytes[1]), 8000006);
    struct fact fact;
    BUF_AUTO bytes = BUF_INIT;
    enum read_result r;
    while ((r = proc_reader_next(reader, 0, NULL, NULL, &fact, &bytes)) == READ_FACT)
        continue;
    assert_int_equal(r, READ_LOST);
    proc_reader_close(reader);
    proc_unref(p);
}

/* ---- waiting --------------------------------------------------------------------------- */

static bool yes(void *arg)
{
    ++*(int *) arg;
    return true;
}

static void waits_end_by_deadline_or_by_interrupt(void **state)
{
    struct world *w = *state;
    struct err err = ERR_INIT;
    struct proc *p = world_start_line(w, "echo up; sleep 1000");
    world_await_output(p, "up");
    assert_int_equal(proc_wait_state(p, PROC_FINISHED, clock_deadline(w->clock, 30), NULL, NULL, &err), -1);
    assert_int_equal(err.code, ERR_TIMEOUT);
    int asked = 0;
    assert_int_equal(proc_wait_state(p, PROC_FINISHED, CLOCK_NEVER, yes, &asked, &err), -1);
    assert_int_equal(err.code, ERR_CLOSED);
    assert_int_equal(asked, 1);
    struct proc_reader *reader = reader_at(p, 2);
    struct fact fact;
    BUF_AUTO bytes = BUF_INIT;
    assert_int_equal(proc_reader_next(reader, clock_deadline(w->clock, 30), NULL, NULL, &fact, &bytes),
                     READ_DEADLINE);
    assert_int_equal(proc_reader_next(reader, CLOCK_NEVER, yes, &asked, &fact, &bytes), READ_CLOSED);
    proc_reader_close(reader);
    assert_int_equal(proc_kill(p, WHO_CLIENT, NULL), 0);
    OUTCOME o = world_finish(p);
    assert_int_equal(o.view.end.kind, FACT_DIED);
}

/* ---- many at once ---------------------------------------------------------------------- */

enum { THREADS = 8, EACH = 40 };

struct worker {
    pthread_t thread;
    struct world *w;
    int index, wrong;
};

/* No assert here: cmocka's belong to the main thread. */
static void *run_many(void *arg)
{
    struct worker *me = arg;
    for (int i = 0; i < EACH; i++) {
        char line[64], expected[32], *argv[4];
        snprintf(line, sizeof line, "echo %d-%d; exit %d", me->index, i, i);
        snprintf(expected, sizeof expected, "%d-%d\n", me->index, i);
        struct proc_spec spec = world_shell(line, argv);
        struct proc *p;
        if (proc_start(me->w->sandbox, &spec, &p, NULL) != 0 ||
            proc_wait_state(p, PROC_FINISHED, world_deadline(me->w), NULL, NULL, NULL) != 0) {
            me->wrong++;
            continue;
        }
        struct proc_view view;
        BUF_AUTO out = BUF_INIT;
        proc_get_view(p, &view);
        proc_collect(p, 0, 0, &out);
        me->wrong += view.end.value != i || strcmp(buf_cstr(&out), expected) != 0;
        proc_unref(p);
    }
    return NULL;
}

static void processes_side_by_side_do_not_mix(void **state)
{
    struct worker workers[THREADS];
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (struct worker) { .w = *state, .index = i };
        assert_int_equal(pthread_create(&workers[i].thread, NULL, run_many, &workers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(workers[i].thread, NULL);
        assert_int_equal(workers[i].wrong, 0);
    }
}

#define T(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        T(a_hundred_megabytes_arrive_in_order),
        T(several_readers_each_get_everything),
        T(output_from_before_the_reader_came_is_replayed),
        T(a_reader_can_begin_at_any_sequence_number),
        T(output_behind_the_window_is_gone),
        T(the_result_keeps_the_newest_bytes_of_the_window),
        cmocka_unit_test_setup_teardown(output_beyond_memory_is_kept_on_disk, little_memory, world_teardown),
        cmocka_unit_test_setup_teardown(a_reader_that_falls_behind_the_limit_is_told, little_log, world_teardown),
        T(waits_end_by_deadline_or_by_interrupt),
        T(processes_side_by_side_do_not_mix),
    };
    return world_run_modes("engine: log", tests, sizeof tests / sizeof *tests);
}
