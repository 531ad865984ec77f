/* lanes: what is started for a client, as the lane's scenarios say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <sched.h>
#include <stdio.h>

#include "lanes/start.h"
#include "tests/support/lane_world.h"
#include "tests/support/world.h"

#define RULES(rules) ", \"processes\": [" rules "]"
#define PUPPET(when, steps) "{\"when\": {" when "}, \"run\": {\"puppet\": [" steps "]}}"
#define LIMIT_NS (INT64_C(1000000) * WORLD_LIMIT_MS)

/* ---- a lane with a sandbox ----------------------------------------------------------- */

struct stage {
    struct lane_world world;
    struct lane *lane;
    struct sandbox *sandbox;
};

static void stage_open(struct stage *s, const char *puppet_path)
{
    lane_world_open_in(&s->world, world_isolation(), puppet_path, (struct lanes_config) { .seed = 1 });
    s->lane = lane_world_get(&s->world, "stage");
    s->sandbox = lane_world_sandbox(&s->world, s->lane);
}

static int open_stage(void **state)
{
    static struct stage s;
    stage_open(&s, getenv("STANDBOX_PUPPET"));
    *state = &s;
    return 0;
}

static int close_stage(void **state)
{
    struct stage *s = *state;
    sandbox_unref(s->sandbox);
    lane_unref(s->lane);
    lane_world_close(&s->world);
    return 0;
}

static void rules(struct stage *s, const char *members)
{
    lane_world_add(&s->world, s->lane, "rules", members);
}

static int try_start(struct stage *s, const struct proc_spec *spec, struct proc **out, struct err *err)
{
    return lane_start(s->lane, OP_PROCESS_START, DIALECT_HYPERBROWSER, s->sandbox, spec, "/bin/sh", out, NULL, err);
}

static struct proc *start(struct stage *s, const struct proc_spec *spec)
{
    struct err err = ERR_INIT;
    struct proc *p = NULL;
    if (try_start(s, spec, &p, &err) < 0)
        fail_msg("%s", err.text);
    return p;
}

/* A line for a shell, as dialects start it. */
static struct proc *start_line(struct stage *s, const char *line)
{
    char *argv[4];
    struct proc_spec spec = world_shell(line, argv);
    spec.display = line;
    return start(s, &spec);
}

static void check_run(struct stage *s, const char *line, const char *out, int exit_code)
{
    OUTCOME o = world_finish(start_line(s, line));
    assert_string_equal(buf_cstr(&o.err), "");
    assert_string_equal(buf_cstr(&o.out), out);
    assert_int_equal(o.view.end.kind, FACT_EXITED);
    assert_int_equal(o.view.end.value, exit_code);
}

static uint64_t fired(struct stage *s, size_t rule)
{
    size_t count;
    struct match_counts counts;
    struct match **list = lane_matches(s->lane, &count);
    assert_int_equal(count, 1);
    assert_true(match_get_counts(list[0], MATCH_PROCESSES, rule, &counts));
    lane_matches_free(list, count);
    return counts.fired;
}

/* ---- the first word ------------------------------------------------------------------ */

static void the_first_word_is_found_as_a_shell_finds_it(void **state)
{
    static const char *const rows[][2] = {
        { "npm run dev", "npm" },
        { "", "" },
        { "   ", "" },
        { "FOO=1 /usr/bin/env x", "/usr/bin/env" },
        { "A=1 B='x y' C=\"p q\" d_2+=z cmd", "cmd" },
        { "A=1", "" },
        { "\"my program\" -x", "my program" },
        { "my\\ program -x", "my program" },
        { "'it''s'", "its" },
        { "pre\"fix\\\"ed\" x", "prefix\"ed" },
        { "ls; rm x", "ls" },
        { "ls|wc", "ls" },
        { "true&&false", "true" },
        { "(cd x; make)", "cd" },
        { "{ cd x; make; }", "cd" },
        { "# a comment\n  # another\nnpm ci", "npm" },
        { ">out 2>&1 cmd <in", "cmd" },
        { "2> 'my file' cmd", "cmd" },
        { "cmd>out", "cmd" },
        { "\"A\"=1 x", "A=1" },
        { "1A=2 x", "1A=2" },
        { "$CMD x", "$CMD" },
        { "'unfinished", "unfinished" },
        { "end\\", "end\\" },
    };
    (void) state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        BUF_AUTO out = BUF_INIT;
        start_argv0(rows[i][0], &out);
        if (strcmp(buf_cstr(&out), rows[i][1]) != 0)
            fail_msg("%s: \"%s\", not \"%s\"", rows[i][0], buf_cstr(&out), rows[i][1]);
    }
}

/* ---- what runs ----------------------------------------------------------------------- */

static void without_a_rule_what_was_asked_is_run(void **state)
{
    struct stage *s = *state;
    rules(s, RULES("{\"when\": {\"command\": \"other\"}, \"run\": {\"exit\": 9}}"));
    check_run(s, "echo hello; exit 4", "hello\n", 4);
}

static void a_fail_rule_fails_the_start_and_runs_nothing(void **state)
{
    struct stage *s = *state;
    rules(s, RULES("{\"when\": {\"argv0\": \"missing\"}, \"run\": {\"fail\": \"ENOENT\"}}"));
    OUTCOME o = world_finish(start_line(s, "A=1 missing --now"));
    assert_int_equal(o.view.end.kind, FACT_START_FAILED);
    assert_int_equal(o.view.end.value, ENOENT);
    assert_string_equal(proc_start_stage_name(o.view.end.flag), "exec");
    assert_int_equal(o.view.pid, 0);
    assert_int_equal(o.out.len + o.err.len, 0);
    assert_int_equal(fired(s, 0), 1);
}

static void a_command_rule_runs_its_own_line_under_the_client_s_name(void **state)
{
    struct stage *s = *state;
    rules(s, RULES("{\"when\": {\"command\": \"npm *\"},"
                   " \"run\": {\"command\": \"echo \\\"$0 is $FOO\\\"; exit 2\"}}"));
    char *argv[4];
    char env_foo[] = "FOO=bar", *env[] = { env_foo, NULL };
    struct proc_spec spec = world_shell("npm test", argv);
    spec.display = "npm test";
    spec.env = env;
    struct proc *p = start(s, &spec);
    assert_string_equal(proc_display(p), "npm test");
    OUTCOME o = world_finish(p);
    assert_string_equal(buf_cstr(&o.out), "/bin/sh is bar\n");
    assert_int_equal(o.view.end.value, 2);
}

static void a_puppet_gets_the_client_s_arguments_environment_and_folder(void **state)
{
    struct stage *s = *state;
    rules(s, RULES(PUPPET("\"command\": \"*\"", "{\"args\": true}, {\"env\": \"FOO\"}, {\"cwd\": true},"
                                                "{\"err\": \"e\"}, {\"exit\": 3}")));
    char a0[] = "--weird", a1[] = "--steps", a2[] = "[]", a3[] = "x y";
    char *argv[] = { a0, a1, a2, a3, NULL }, env_foo[] = "FOO=bar", *env[] = { env_foo, NULL };
    const struct proc_spec spec = { .argv = argv, .env = env, .cwd = "/tmp", .drain_grace_ms = 200 };
    struct proc *p = start(s, &spec);
    assert_string_equal(proc_display(p), "--weird --steps [] x y");
    OUTCOME o = world_finish(p);
    assert_string_equal(buf_cstr(&o.out), "[\"--weird\",\"--steps\",\"[]\",\"x y\"]\nbar\n/tmp\n");
    assert_string_equal(buf_cstr(&o.err), "e");
    assert_int_equal(o.view.end.value, 3);
}

static void a_long_script_reaches_the_puppet_too(void **state)
{
    struct stage *s = *state;
    BUF_AUTO members = BUF_INIT;
    buf_str(&members, ", \"processes\": [{\"when\": {\"command\": \"*\"}, \"run\": {\"puppet\": [{\"out\": \"");
    for (int i = 0; i < 300000; i++)
        buf_char(&members, (char) ('a' + i % 26));
    buf_str(&members, "\"}, {\"args\": true}]}}]");
    rules(s, buf_cstr(&members));
    OUTCOME o = world_finish(start_line(s, "anything"));
    static const char tail[] = "[\"/bin/bash\",\"-c\",\"anything\"]\n";
    assert_string_equal(buf_cstr(&o.err), "");
    assert_int_equal(o.out.len, 300000 + sizeof tail - 1);
    assert_int_equal(o.out.data[299999], 'a' + 299999 % 26);
    assert_string_equal(o.out.data + 300000, tail);
    assert_int_equal(o.view.end.value, 0);
}

static void rules_fire_by_their_turn(void **state)
{
    struct stage *s = *state;
    rules(s, RULES("{\"when\": {\"command\": \"flaky\", \"nth\": [1, 3]}, \"run\": {\"exit\": 7}},"
                   "{\"when\": {\"command\": \"flaky\"}, \"run\": {\"command\": \"echo fine\"}}"));
    check_run(s, "flaky", "", 7);
    check_run(s, "flaky", "fine\n", 0);
    check_run(s, "flaky", "", 7);
    check_run(s, "flaky", "fine\n", 0);
    assert_int_equal(fired(s, 0), 2);
    assert_int_equal(fired(s, 1), 2);
}

static void rules_see_what_the_client_asked_for(void **state)
{
    struct stage *s = *state;
    BUF_AUTO members = BUF_INIT;
    buf_printf(&members,
               ", \"processes\": [{\"when\": {\"op\": \"process.start\", \"dialect\": \"hyperbrowser\","
               " \"command\": \"run it\", \"argv0\": \"/opt/real\", \"cwd\": \"/tmp\", \"env\": {\"FOO\": \"b*\"},"
               " \"sandbox\": \"%s\", \"lane\": \"stage\"}, \"run\": {\"exit\": 5}}]",
               sandbox_id(s->sandbox));
    rules(s, buf_cstr(&members));
    char a0[] = "/opt/real", *argv[] = { a0, NULL }, env_foo[] = "FOO=bar", *env[] = { env_foo, NULL };
    const struct proc_spec spec = { .argv = argv, .display = "run it", .env = env, .cwd = "/tmp" };
    OUTCOME o = world_finish(start(s, &spec));
    assert_int_equal(o.view.end.value, 5);
    assert_int_equal(fired(s, 0), 1);
}

static void the_folder_that_rules_see_is_the_home_when_none_is_given(void **state)
{
    struct stage *s = *state;
    BUF_AUTO members = BUF_INIT;
    buf_printf(&members, ", \"processes\": [{\"when\": {\"cwd\": \"%s\"}, \"run\": {\"exit\": 6}}]",
               sandbox_home(s->sandbox));
    rules(s, buf_cstr(&members));
    check_run(s, "anything", "", 6);
}

static void a_reader_misses_nothing(void **state)
{
    struct stage *s = *state;
    struct err err = ERR_INIT;
    struct proc *p;
    struct proc_reader *reader;
    struct fact fact;
    char *argv[4];
    BUF_AUTO bytes = BUF_INIT;
    rules(s, RULES(PUPPET("\"command\": \"*\"", "{\"out\": \"x\"}")));
    const struct proc_spec spec = world_shell("anything", argv);
    assert_int_equal(lane_start(s->lane, OP_PROCESS_EXEC, DIALECT_HYPERBROWSER, s->sandbox, &spec, "/bin/sh", &p,
                                &reader, &err), 0);
    assert_int_equal(proc_reader_next(reader, CLOCK_NEVER, NULL, NULL, &fact, &bytes), READ_FACT);
    assert_int_equal(fact.kind, FACT_QUEUED);
    proc_reader_close(reader);
    OUTCOME o = world_finish(p);
    assert_string_equal(buf_cstr(&o.out), "x");
}

/* ---- time and barriers --------------------------------------------------------------- */

static void a_puppet_sleeps_by_the_lane_s_clock(void **state)
{
    struct stage *s = *state;
    rules(s, RULES(PUPPET("\"command\": \"*\"", "{\"sleep_ms\": 3600000}, {\"out\": \"awake\"}"))
             ", \"clock\": \"manual\"");
    struct proc *p = start_line(s, "anything");
    assert_true(puppeteer_await_barrier(s->world.puppeteer, "stage", NULL, 1, mono_ns() + LIMIT_NS, NULL, NULL));
    clock_advance(lane_clock(s->lane), 3600000);
    world_await_fact(p, FACT_EXITED);
    lanes_run_clock(s->world.lanes, s->lane, 1);
    OUTCOME o = world_finish(p);
    assert_string_equal(buf_cstr(&o.out), "awake");
}

static void a_puppet_stands_at_the_lane_s_barrier(void **state)
{
    struct stage *s = *state;
    rules(s, RULES(PUPPET("\"command\": \"*\"", "{\"barrier\": \"b\"}, {\"out\": \"through\"}")));
    struct proc *p = start_line(s, "anything");
    assert_true(puppeteer_await_barrier(s->world.puppeteer, "stage", "b", 1, mono_ns() + LIMIT_NS, NULL, NULL));
    assert_int_equal(puppeteer_open_barrier(s->world.puppeteer, "other", "b", false), 0);
    assert_int_equal(puppeteer_open_barrier(s->world.puppeteer, "stage", "b", false), 1);
    OUTCOME o = world_finish(p);
    assert_string_equal(buf_cstr(&o.out), "through");
}

static void a_hold_keeps_every_start_in_the_queue(void **state)
{
    struct stage *s = *state;
    struct proc_view view;
    rules(s, ", \"status\": {\"hold\": {\"queued_ms\": 500}}, \"clock\": \"manual\"");
    struct proc *p = start_line(s, "echo done");
    clock_advance(lane_clock(s->lane), 499);
    proc_get_view(p, &view);
    assert_int_equal(view.state, PROC_QUEUED);
    assert_true(view.held);
    clock_advance(lane_clock(s->lane), 1);
    world_await_fact(p, FACT_EXITED);
    lanes_run_clock(s->world.lanes, s->lane, 1);
    OUTCOME o = world_finish(p);
    assert_string_equal(buf_cstr(&o.out), "done\n");
}

/* ---- refusals ------------------------------------------------------------------------ */

static void await_no_puppets(struct stage *s)
{
    struct puppeteer_counts counts;
    int64_t end = mono_ns() + LIMIT_NS;
    do {
        puppeteer_get_counts(s->world.puppeteer, &counts);
        if (counts.puppets > 0)
            sched_yield();
    } while (counts.puppets > 0 && mono_ns() < end);
    assert_int_equal(counts.puppets, 0);
}

/* The engine's own ends of pipes are closed by its reactor, a moment later. */
static void await_open_fds(size_t wanted)
{
    int64_t end = mono_ns() + LIMIT_NS;
    while (world_open_fds() != wanted && mono_ns() < end)
        sched_yield();
    assert_int_equal(world_open_fds(), wanted);
}

static void a_refused_start_leaves_nothing_behind(void **state)
{
    struct stage *s = *state;
    struct err err = ERR_INIT;
    struct proc *p;
    char *argv[4];
    BUF_AUTO members = BUF_INIT;
    buf_str(&members, ", \"processes\": [{\"when\": {\"command\": \"*\"}, \"run\": {\"puppet\": ["
                      "{\"out\": {\"text\": \"");
    for (int i = 0; i < 200000; i++)
        buf_char(&members, 'x');
    buf_str(&members, "\"}}]}}]");
    rules(s, buf_cstr(&members));
    assert_int_equal(sandbox_stop(s->sandbox, STOP_REQUEST, &err), 0);
    const struct proc_spec spec = world_shell("anything", argv);
    size_t fds = world_open_fds();
    for (int i = 0; i < 10; i++) {
        assert_int_equal(try_start(s, &spec, &p, &err), -1);
        assert_int_equal(err.code, ERR_CONFLICT);
    }
    await_no_puppets(s);
    await_open_fds(fds);
    assert_int_equal(fired(s, 0), 10);
}

static void a_start_without_arguments_is_refused_as_ever(void **state)
{
    struct stage *s = *state;
    struct err err = ERR_INIT;
    struct proc *p;
    char *argv[] = { NULL };
    rules(s, RULES("{\"when\": {\"command\": \"*\"}, \"run\": {\"exit\": 0}}"));
    assert_int_equal(try_start(s, &(struct proc_spec) { .argv = argv }, &p, &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
    assert_int_equal(fired(s, 0), 0);
}

static void a_puppet_that_cannot_be_had_names_its_rule(void **state)
{
    struct stage s;
    struct err err = ERR_INIT;
    struct proc *p;
    char *argv[4];
    void *closing = &s;
    (void) state;
    stage_open(&s, "/nonexistent/standbox-puppet");
    rules(&s, RULES("{\"when\": {\"command\": \"other\"}, \"run\": {\"exit\": 0}},"
                    PUPPET("\"command\": \"*\"", "{\"out\": \"x\"}")));
    const struct proc_spec spec = world_shell("anything", argv);
    assert_int_equal(try_start(&s, &spec, &p, &err), -1);
    assert_int_equal(err.code, ERR_UNSUPPORTED);
    assert_string_equal(err.text, "test.json:1: /processes/1: this installation has no standbox-puppet");
    close_stage(&closing);
}

#define STAGE_TEST(f) cmocka_unit_test_setup_teardown(f, open_stage, close_stage)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_word_is_found_as_a_shell_finds_it),
        STAGE_TEST(without_a_rule_what_was_asked_is_run),
        STAGE_TEST(a_fail_rule_fails_the_start_and_runs_nothing),
        STAGE_TEST(a_command_rule_runs_its_own_line_under_the_client_s_name),
        STAGE_TEST(a_puppet_gets_the_client_s_arguments_environment_and_folder),
        STAGE_TEST(a_long_script_reaches_the_puppet_too),
        STAGE_TEST(rules_fire_by_their_turn),
        STAGE_TEST(rules_see_what_the_client_asked_for),
        STAGE_TEST(the_folder_that_rules_see_is_the_home_when_none_is_given),
        STAGE_TEST(a_reader_misses_nothing),
        STAGE_TEST(a_puppet_sleeps_by_the_lane_s_clock),
        STAGE_TEST(a_puppet_stands_at_the_lane_s_barrier),
        STAGE_TEST(a_hold_keeps_every_start_in_the_queue),
        STAGE_TEST(a_refused_start_leaves_nothing_behind),
        STAGE_TEST(a_start_without_arguments_is_refused_as_ever),
        cmocka_unit_test(a_puppet_that_cannot_be_had_names_its_rule),
    };
    return world_run_modes("start", tests, sizeof tests / sizeof *tests);
}
