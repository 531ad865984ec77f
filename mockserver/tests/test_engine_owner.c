/* engine: whoever sandboxes belong to sees their facts, gives them their time, and finds only its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/world.h"

#define MAX_SEEN 4096

/* What an owner keeps of the facts: the facts, whose they are, and all bytes of output and of stdin. */
struct seen {
    const struct proc *proc;
    struct fact fact;
};

struct keeper_of_facts {
    struct owner owner;
    atomic_int refs;
    pthread_mutex_t lock;
    struct seen seen[MAX_SEEN];
    size_t count;
    struct buf out, in;
    bool ids_wrong, bytes_wrong;
};

static struct keeper_of_facts *of_owner(struct owner *owner)
{
    return (struct keeper_of_facts *) (void *) ((char *) owner - offsetof(struct keeper_of_facts, owner));
}

static void count_ref(struct owner *owner)
{
    atomic_fetch_add(&of_owner(owner)->refs, 1);
}

static void count_unref(struct owner *owner)
{
    atomic_fetch_sub(&of_owner(owner)->refs, 1);
}

static void note_fact(struct owner *owner, const struct proc *proc, const struct fact *fact, const void *bytes)
{
    struct keeper_of_facts *k = of_owner(owner);
    bool out = fact->kind == FACT_OUT || fact->kind == FACT_ERR, in = fact->kind == FACT_STDIN;
    pthread_mutex_lock(&k->lock);
    if (k->count < MAX_SEEN)
        k->seen[k->count++] = (struct seen) { .proc = proc, .fact = *fact };
    k->bytes_wrong = k->bytes_wrong || (bytes != NULL) != (out || in);
    k->ids_wrong = k->ids_wrong || strncmp(proc_id(proc), "proc_", 5) != 0 ||
                   sandbox_owner(proc_sandbox(proc)) != owner || strlen(sandbox_id(proc_sandbox(proc))) != 36;
    if (bytes != NULL)
        buf_add(out ? &k->out : &k->in, bytes, fact->len);
    pthread_mutex_unlock(&k->lock);
}

static struct keeper_of_facts *make_owner(void)
{
    struct keeper_of_facts *k = calloc(1, sizeof *k);
    assert_non_null(k);
    k->owner = (struct owner) { .ref = count_ref, .unref = count_unref, .fact = note_fact };
    assert_int_equal(clock_new(&k->owner.clock, 1, NULL), 0);
    pthread_mutex_init(&k->lock, NULL);
    return k;
}

/* A process that was let go takes its sandbox along, a moment later, on the reactor's thread. */
static void free_owner(struct keeper_of_facts *k)
{
    int64_t end = mono_ns() + WORLD_LIMIT_MS * INT64_C(1000000);
    while (atomic_load(&k->refs) != 0 && mono_ns() < end)
        sched_yield();
    assert_int_equal(atomic_load(&k->refs), 0);
    assert_false(k->ids_wrong);
    assert_false(k->bytes_wrong);
    clock_unref(k->owner.clock);
    pthread_mutex_destroy(&k->lock);
    buf_fini(&k->out);
    buf_fini(&k->in);
    free(k);
}

static struct keeper_of_facts *mine;

static int setup(void **state)
{
    mine = make_owner();
    world_owner = &mine->owner;
    return world_setup(state);
}

static int teardown(void **state)
{
    int rc = world_teardown(state);
    free_owner(mine);
    return rc;
}

static bool same_fact(const struct fact *a, const struct fact *b)
{
    return a->seq == b->seq && a->kind == b->kind && a->value == b->value && a->who == b->who &&
           a->flag == b->flag && a->len == b->len && a->offset == b->offset && a->out_seq == b->out_seq &&
           a->wall_ms == b->wall_ms;
}

/* What the owner saw of `p`, in its order, is the log. */
static void assert_saw_the_log(const struct keeper_of_facts *k, struct proc *p)
{
    static struct fact facts[MAX_SEEN];
    size_t n = proc_facts(p, 1, facts, MAX_SEEN), at = 0;
    for (size_t i = 0; i < k->count; i++) {
        if (k->seen[i].proc != p)
            continue;
        assert_true(at < n);
        assert_true(same_fact(&facts[at], &k->seen[i].fact));
        at++;
    }
    assert_int_equal(at, n);
}

/* ---- facts ------------------------------------------------------------------------------ */

static void the_owner_sees_every_fact_in_the_order_of_the_log(void **state)
{
    struct world *w = *state;
    char *argv[4];
    struct proc_spec spec = world_shell("read line; echo $line; echo err >&2; read line; exec sleep 1000", argv);
    spec.stdin_mode = STDIN_PIPE;
    struct proc *p = proc_ref(world_start(w, &spec));
    assert_int_equal(proc_stdin_write(p, "one\n", 4, false, CLOCK_NEVER, NULL), 0);
    world_await_output(p, "one");
    assert_int_equal(proc_stdin_write(p, "two\n", 4, true, CLOCK_NEVER, NULL), 0);
    world_await_fact(p, FACT_STDIN_EOF);
    world_await_fact(p, FACT_ERR);
    assert_int_equal(proc_signal(p, SIGTERM, WHO_CLIENT, NULL), 0);
    OUTCOME o = world_finish(p);
    unsigned all = 1u << FACT_QUEUED | 1u << FACT_STARTED | 1u << FACT_OUT | 1u << FACT_ERR | 1u << FACT_STDIN |
                   1u << FACT_STDIN_EOF | 1u << FACT_SIGNALLED | 1u << FACT_DIED | 1u << FACT_OUTPUT_EOF;
    assert_int_equal(o.view.seen, all);
    assert_saw_the_log(mine, p);
    assert_string_equal(buf_cstr(&mine->in), "one\ntwo\n");
    proc_unref(p);
}

static void timeouts_and_failures_are_seen_too(void **state)
{
    struct world *w = *state;
    char *argv[2][4];
    struct proc_spec specs[] = { world_shell("exec sleep 1000", argv[0]), world_shell("true", argv[1]) };
    specs[0].timeout_ms = 1;
    specs[1].fail_errno = 13;
    for (size_t i = 0; i < 2; i++) {
        struct proc *p = proc_ref(world_start(w, &specs[i]));
        OUTCOME o = world_finish(p);
        assert_true((o.view.seen & (1u << FACT_TIMED_OUT | 1u << FACT_START_FAILED)) != 0);
        assert_saw_the_log(mine, p);
        proc_unref(p);
    }
}

static void the_owner_sees_every_byte_of_output(void **state)
{
    struct world *w = *state;
    OUTCOME o = world_run(w, "seq 1 100000");
    assert_int_equal(mine->out.len, o.out.len);
    assert_memory_equal(mine->out.data, o.out.data, o.out.len);
}

static void many_processes_at_once_keep_their_order(void **state)
{
    struct world *w = *state;
    enum { MANY = 40 };
    struct proc *procs[MANY];
    for (int i = 0; i < MANY; i++)
        procs[i] = proc_ref(world_start_line(w, "echo a; echo b >&2; echo c"));
    for (int i = 0; i < MANY; i++) {
        OUTCOME o = world_finish(procs[i]);
        assert_int_equal(o.view.end.kind, FACT_EXITED);
    }
    for (int i = 0; i < MANY; i++) {
        assert_saw_the_log(mine, procs[i]);
        proc_unref(procs[i]);
    }
}

static void a_refused_start_is_no_fact(void **state)
{
    struct world *w = *state;
    char *argv[4];
    struct err err = ERR_INIT;
    struct proc_spec spec = world_shell("true", argv);
    struct proc *p;
    assert_int_equal(sandbox_stop(w->sandbox, STOP_REQUEST, NULL), 0);
    assert_int_equal(proc_start(w->sandbox, &spec, &p, &err), -1);
    assert_int_equal(err.code, ERR_CONFLICT);
    assert_int_equal(mine->count, 0);
}

/* ---- sandboxes -------------------------------------------------------------------------- */

static struct sandbox *make_sandbox(struct world *w, struct owner *owner, const char *dialect)
{
    struct err err = ERR_INIT;
    struct sandbox *s = NULL;
    if (sandbox_create(w->engine, &(struct sandbox_spec) { .owner = owner, .dialect = dialect }, &s, &err) != 0)
        fail_msg("%s", err.text);
    return s;
}

static size_t count_sandboxes(struct world *w, const struct owner *owner, const char *dialect)
{
    size_t count;
    struct sandbox **list = engine_list_sandboxes(w->engine, owner, dialect, &count);
    for (size_t i = 0; i < count; i++)
        assert_true(owner == NULL || sandbox_owner(list[i]) == owner);
    sandbox_list_free(list, count);
    return count;
}

static bool can_find(struct world *w, const struct owner *owner, const char *dialect, const char *id)
{
    struct sandbox *s = engine_find_sandbox(w->engine, owner, dialect, id);
    sandbox_unref(s);
    return s != NULL;
}

static void each_owner_finds_only_its_own(void **state)
{
    struct world *w = *state;
    struct keeper_of_facts *other = make_owner();
    struct sandbox *theirs = make_sandbox(w, &other->owner, "test"), *nobodys = make_sandbox(w, NULL, "rest");
    assert_null(sandbox_owner(nobodys));
    assert_ptr_equal(sandbox_clock(nobodys), engine_clock(w->engine));
    assert_ptr_equal(sandbox_clock(theirs), other->owner.clock);
    assert_int_equal(count_sandboxes(w, NULL, NULL), 3);
    assert_int_equal(count_sandboxes(w, NULL, "test"), 2);
    assert_int_equal(count_sandboxes(w, &other->owner, NULL), 1);
    assert_int_equal(count_sandboxes(w, &other->owner, "rest"), 0);
    assert_true(can_find(w, &other->owner, "test", sandbox_id(theirs)));
    assert_true(can_find(w, NULL, NULL, sandbox_id(theirs)));
    assert_false(can_find(w, &mine->owner, NULL, sandbox_id(theirs)));
    assert_false(can_find(w, &other->owner, NULL, sandbox_id(nobodys)));
    sandbox_unref(theirs);
    sandbox_unref(nobodys);
    engine_reset(w->engine, &other->owner);
    free_owner(other);
}

static void a_reset_stops_and_forgets_only_its_own(void **state)
{
    struct world *w = *state;
    struct keeper_of_facts *other = make_owner();
    struct sandbox *theirs = make_sandbox(w, &other->owner, "test");
    assert_int_equal(atomic_load(&other->refs), 1);
    engine_reset(w->engine, &other->owner);
    assert_int_equal(sandbox_get_state(theirs), SANDBOX_CLOSED);
    assert_int_equal(sandbox_get_state(w->sandbox), SANDBOX_ACTIVE);
    assert_false(can_find(w, NULL, NULL, sandbox_id(theirs)));
    assert_true(can_find(w, NULL, NULL, sandbox_id(w->sandbox)));
    /* Somebody still has it, so its owner must be there. */
    assert_ptr_equal(sandbox_owner(theirs), &other->owner);
    assert_int_equal(atomic_load(&other->refs), 1);
    sandbox_unref(theirs);
    free_owner(other);
}

static void a_closed_owner_gets_no_new_sandbox(void **state)
{
    struct world *w = *state;
    struct err err = ERR_INIT;
    struct sandbox *s;
    size_t fds = world_open_fds(), zombies = world_zombies();
    atomic_store(&mine->owner.closed, true);
    struct sandbox_spec spec = { .owner = &mine->owner, .dialect = "test" };
    assert_int_equal(sandbox_create(w->engine, &spec, &s, &err), -1);
    assert_int_equal(err.code, ERR_CONFLICT);
    assert_int_equal(count_sandboxes(w, &mine->owner, NULL), 1);
    assert_int_equal(world_open_fds(), fds);
    assert_int_equal(world_zombies(), zombies);
}

/* Whatever the moment at which the owner closes: after the reset there is none. */
static void *create_until_refused(void *arg)
{
    struct world *w = arg;
    struct sandbox_spec spec = { .owner = &mine->owner, .dialect = "test" };
    struct sandbox *s;
    while (sandbox_create(w->engine, &spec, &s, NULL) == 0)
        sandbox_unref(s);
    return NULL;
}

static void a_reset_after_closing_leaves_none_behind(void **state)
{
    struct world *w = *state;
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, create_until_refused, w), 0);
    while (count_sandboxes(w, &mine->owner, NULL) < 4)
        sched_yield();
    atomic_store(&mine->owner.closed, true);
    engine_reset(w->engine, &mine->owner);
    size_t left = count_sandboxes(w, &mine->owner, NULL);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(left, 0);
    assert_int_equal(count_sandboxes(w, &mine->owner, NULL), 0);
}

static void an_owner_need_not_care_for_facts(void **state)
{
    struct world *w = *state;
    struct keeper_of_facts *other = make_owner();
    other->owner.fact = NULL;
    struct sandbox *s = make_sandbox(w, &other->owner, "test");
    char *argv[4];
    struct proc_spec spec = world_shell("echo fine", argv);
    struct proc *p;
    assert_int_equal(proc_start(s, &spec, &p, NULL), 0);
    OUTCOME o = world_finish(p);
    assert_string_equal(buf_cstr(&o.out), "fine\n");
    sandbox_unref(s);
    engine_reset(w->engine, NULL);
    assert_int_equal(other->count, 0);
    free_owner(other);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        T(the_owner_sees_every_fact_in_the_order_of_the_log),
        T(timeouts_and_failures_are_seen_too),
        T(the_owner_sees_every_byte_of_output),
        T(many_processes_at_once_keep_their_order),
        T(a_refused_start_is_no_fact),
        T(each_owner_finds_only_its_own),
        T(a_reset_stops_and_forgets_only_its_own),
        T(a_closed_owner_gets_no_new_sandbox),
        T(a_reset_after_closing_leaves_none_behind),
        T(an_owner_need_not_care_for_facts),
    };
    return world_run_modes("engine owner", tests, sizeof tests / sizeof *tests);
}
