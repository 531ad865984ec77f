/* engine: what a process does is what its facts say: exit codes, streams, environment, users, refusals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/background.h"
#include "tests/support/world.h"

#define assert_text(buf, text) assert_string_equal(buf_cstr(&(buf)), text)

static void exit_code_and_both_streams_are_reported(void **state)
{
    OUTCOME o = world_run(*state, "echo to-out; echo to-err >&2; exit 7");
    assert_int_equal(o.view.end.kind, FACT_EXITED);
    assert_int_equal(o.view.end.value, 7);
    assert_text(o.out, "to-out\n");
    assert_text(o.err, "to-err\n");
    assert_false(o.view.timed_out);
    assert_false(o.view.output_held);
}

static void every_exit_code_is_kept(void **state)
{
    static const int codes[] = { 0, 1, 2, 126, 127, 128, 137, 255 };
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        char line[32];
        snprintf(line, sizeof line, "exit %d", codes[i]);
        OUTCOME o = world_run(*state, line);
        assert_int_equal(o.view.end.kind, FACT_EXITED);
        assert_int_equal(o.view.end.value, codes[i]);
    }
}

static void death_by_signal_is_not_an_exit_code(void **state)
{
    OUTCOME o = world_run(*state, "kill -SEGV $$");
    assert_int_equal(o.view.end.kind, FACT_DIED);
    assert_int_equal(o.view.end.value, SIGSEGV);
}

static void facts_come_in_order_without_gaps(void **state)
{
    struct proc *p = proc_ref(world_start_line(*state, "echo one; echo two >&2"));
    OUTCOME o = world_finish(p);
    struct fact facts[32];
    size_t n = proc_facts(p, 1, facts, 32);
    assert_int_equal(n, o.view.facts);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(facts[i].seq, i + 1);
    assert_int_equal(facts[0].kind, FACT_QUEUED);
    assert_int_equal(facts[n - 2].kind, FACT_EXITED);
    assert_int_equal(facts[n - 1].kind, FACT_OUTPUT_EOF);
    proc_unref(p);
}

static void the_start_comes_before_the_first_output(void **state)
{
    for (int i = 0; i < 100; i++) {
        char program[] = "/bin/echo", word[] = "x", *argv[] = { program, word, NULL };
        struct proc *p = proc_ref(world_start(*state, &(struct proc_spec) { .argv = argv }));
        OUTCOME o = world_finish(p);
        assert_string_equal(buf_cstr(&o.out), "x\n");
        struct fact facts[3];
        assert_int_equal(proc_facts(p, 1, facts, 3), 3);
        assert_int_equal(facts[1].kind, FACT_STARTED);
        assert_int_equal(facts[2].kind, FACT_OUT);
        proc_unref(p);
    }
}

static void bytes_are_not_touched(void **state)
{
    OUTCOME o = world_run(*state, "printf 'a\\0b\\377\\200\\r\\n\\303'");
    static const char expected[] = "a\0b\377\200\r\n\303";
    assert_int_equal(o.out.len, sizeof expected - 1);
    assert_memory_equal(o.out.data, expected, sizeof expected - 1);
}

static void an_empty_stdin_is_at_its_end_at_once(void **state)
{
    OUTCOME o = world_run(*state, "cat; echo over");
    assert_text(o.out, "over\n");
}

static void stdout_is_a_pipe_and_not_a_socket(void **state)
{
    OUTCOME o = world_run(*state, "[ -p /dev/fd/1 ] && [ -p /dev/fd/2 ] && echo pipes");
    assert_text(o.out, "pipes\n");
}

static void program_is_looked_up_in_the_childs_own_path(void **state)
{
    char program[] = "standbox-no-such-program", *argv[] = { program, NULL };
    struct proc_spec spec = { .argv = argv };
    OUTCOME o = world_finish(world_start(*state, &spec));
    assert_int_equal(o.view.end.kind, FACT_START_FAILED);
    assert_int_equal(o.view.end.value, ENOENT);
    assert_string_equal(proc_start_stage_name(o.view.end.flag), "exec");
    char env_name[] = "env", *env_argv[] = { env_name, NULL };
    spec = (struct proc_spec) { .argv = env_argv };
    OUTCOME found = world_finish(world_start(*state, &spec));
    assert_int_equal(found.view.end.kind, FACT_EXITED);
}

static void a_program_that_may_not_run_says_so(void **state)
{
    char program[] = "/etc/passwd", *argv[] = { program, NULL };
    struct proc_spec spec = { .argv = argv };
    OUTCOME o = world_finish(world_start(*state, &spec));
    assert_int_equal(o.view.end.kind, FACT_START_FAILED);
    assert_int_equal(o.view.end.value, EACCES);
}

static void cwd_is_where_it_runs(void **state)
{
    char *argv[4];
    struct proc_spec spec = world_shell("pwd", argv);
    spec.cwd = "/usr/lib";
    OUTCOME o = world_finish(world_start(*state, &spec));
    assert_text(o.out, "/usr/lib\n");
}

static void default_cwd_is_home(void **state)
{
    OUTCOME o = world_run(*state, "[ \"$PWD\" = \"$HOME\" ] && [ -w . ] && echo same");
    assert_text(o.out, "same\n");
}

static void a_missing_cwd_fails_the_start(void **state)
{
    char *argv[4];
    struct proc_spec spec = world_shell("echo never", argv);
    spec.cwd = "/no/such/folder";
    OUTCOME o = world_finish(world_start(*state, &spec));
    assert_int_equal(o.view.end.kind, FACT_START_FAILED);
    assert_int_equal(o.view.end.value, ENOENT);
    assert_string_equal(proc_start_stage_name(o.view.end.flag), "cwd");
    assert_int_equal(o.out.len, 0);
}

static void refused(struct world *w, const struct proc_spec *spec, enum err_code code, const char *word)
{
    struct err err = ERR_INIT;
    struct proc *p = NULL;
    assert_int_equal(proc_start(w->sandbox, spec, &p, &err), -1);
    assert_null(p);
    assert_int_equal(err.code, code);
    assert_non_null(strstr(err.text, word));
}

static void bad_specs_are_refused_with_the_place(void **state)
{
    char *argv[4];
    struct proc_spec spec = world_shell("true", argv);
    spec.cwd = "relative/path";
    refused(*state, &spec, ERR_INVALID, "relative/path");
    char no_value[] = "JUST_A_NAME", *env[] = { no_value, NULL };
    spec = world_shell("true", argv);
    spec.env = env;
    refused(*state, &spec, ERR_INVALID, "JUST_A_NAME");
    char no_name[] = "=x";
    env[0] = no_name;
    refused(*state, &spec, ERR_INVALID, "=x");
    char *none[] = { NULL };
    spec = (struct proc_spec) { .argv = none };
    refused(*state, &spec, ERR_INVALID, "empty");
}

static void only_the_allow_list_and_the_request_reach_the_environment(void **state)
{
    setenv("STANDBOX_TEST_SECRET", "hidden", 1);
    char *argv[4];
    struct proc_spec spec = world_shell("env", argv);
    char foo[] = "FOO=bar baz", path[] = "LANG=xx", *env[] = { foo, path, NULL };
    spec.env = env;
    OUTCOME o = world_finish(world_start(*state, &spec));
    const char *out = buf_cstr(&o.out);
    assert_null(strstr(out, "hidden"));
    assert_non_null(strstr(out, "FOO=bar baz\n"));
    assert_non_null(strstr(out, "LANG=xx\n"));
    assert_non_null(strstr(out, "\nPATH=/"));
    const char *first = strstr(out, "LANG=");
    assert_null(strstr(first + 1, "\nLANG="));
}

static void a_megabyte_of_command_arrives(void **state)
{
    enum { SIZE = 100 * 1024, COUNT = 10 };
    char *argv[COUNT + 5] = { 0 };
    struct proc_spec spec = world_shell("echo $#; echo ${#1}; echo ${9: -1}", argv);
    argv[3] = argv[0];
    char *big = malloc(SIZE + 1);
    assert_non_null(big);
    memset(big, 'x', SIZE);
    big[SIZE] = '\0';
    for (int i = 0; i < COUNT; i++)
        argv[4 + i] = big;
    OUTCOME o = world_finish(world_start(*state, &spec));
    free(big);
    assert_text(o.out, "10\n102400\nx\n");
}

static void a_command_beyond_the_kernels_limit_is_a_failed_start(void **state)
{
    enum { SIZE = 256 * 1024 };
    char *big = malloc(SIZE + 1);
    assert_non_null(big);
    memset(big, 'x', SIZE);
    big[SIZE] = '\0';
    char *argv[4];
    struct proc_spec spec = world_shell(big, argv);
    OUTCOME o = world_finish(world_start(*state, &spec));
    free(big);
    assert_int_equal(o.view.end.kind, FACT_START_FAILED);
    assert_int_equal(o.view.end.value, E2BIG);
}

static void run_as_root_is_root(void **state)
{
    char *argv[4];
    struct proc_spec spec = world_shell("whoami; id -u; id -g", argv);
    spec.run_as = "root";
    OUTCOME o = world_finish(world_start(*state, &spec));
    assert_text(o.out, "root\n0\n0\n");
}

static void default_user_owns_what_it_makes(void **state)
{
    OUTCOME o = world_run(*state, "touch mine && [ \"$(stat -c %U mine)\" = \"$(whoami)\" ] && echo same");
    assert_text(o.out, "same\n");
    if (world_isolation() == ISOLATION_NAMESPACE) {
        OUTCOME who = world_run(*state, "whoami; id -u");
        assert_text(who.out, "tester\n1000\n");
    }
}

static void an_unknown_user_fails_the_start(void **state)
{
    char *argv[4];
    struct proc_spec spec = world_shell("echo never", argv);
    spec.run_as = "standbox-nobody-knows";
    OUTCOME o = world_finish(world_start(*state, &spec));
    assert_int_equal(o.view.end.kind, FACT_START_FAILED);
    assert_string_equal(proc_start_stage_name(o.view.end.flag), "user");
}

static void python_is_there_when_the_host_has_python3(void **state)
{
    OUTCOME o = world_run(*state, "command -v python3 >/dev/null || exit 0; python -c 'print(6 * 7)'");
    assert_int_equal(o.view.end.value, 0);
    if (o.out.len > 0)
        assert_text(o.out, "42\n");
}

/* The policy is field 41 of stat; the keeper's name has no blank in it. */
static void assert_policies(struct world *w, int keepers, int commands)
{
    char expected[32];
    snprintf(expected, sizeof expected, "%d\n%d\n", keepers, commands);
    OUTCOME o = world_run(w, "for p in $PPID $$; do set -- $(cat /proc/$p/stat); shift 40; echo $1; done");
    assert_text(o.out, expected);
}

static int in_background(void **state)
{
    background_leave();
    world_config.in_background = background_enter();
    assert_true(world_config.in_background);
    return world_setup(state);
}

static int out_of_background(void **state)
{
    background_leave();
    return world_teardown(state);
}

static void the_keeper_is_in_the_background_and_a_command_is_not(void **state)
{
    assert_policies(*state, SCHED_BATCH, SCHED_OTHER);
}

static int with_a_chosen_policy(void **state)
{
    const struct sched_param none = { 0 };
    assert_int_equal(sched_setscheduler(0, SCHED_BATCH, &none), 0);
    world_config.in_background = background_enter();
    assert_false(world_config.in_background);
    return world_setup(state);
}

/* Who starts the server with a policy means its commands. */
static void a_policy_that_was_chosen_is_a_commands_too(void **state)
{
    assert_policies(*state, SCHED_BATCH, SCHED_BATCH);
}

/* At most: the machine's own hard limits may be lower. */
static void resources_are_limited(void **state)
{
    OUTCOME o = world_run(*state, "ulimit -c; ulimit -n; ulimit -f; ulimit -u");
    char *next = NULL;
    assert_int_equal(strtol(buf_cstr(&o.out), &next, 10), 0);
    long files = strtol(next, &next, 10), blocks = strtol(next, &next, 10);
    assert_in_range(files, 1, 65536);
    assert_in_range(blocks, 1, 8l * 1024 * 1024);
    if (world_isolation() == ISOLATION_NAMESPACE)
        assert_in_range(strtol(next, &next, 10), 1, 8192);
}

static void ids_find_processes_and_unknown_ids_do_not(void **state)
{
    struct world *w = *state;
    struct proc *p = world_start_line(w, "true");
    struct proc *found = sandbox_find_proc(w->sandbox, proc_id(p));
    assert_ptr_equal(found, p);
    proc_unref(found);
    assert_null(sandbox_find_proc(w->sandbox, "proc_unknown"));
    OUTCOME o = world_finish(p);
    assert_int_equal(o.view.end.value, 0);
}

static void the_list_is_newest_first_and_keeps_finished_ones(void **state)
{
    struct world *w = *state;
    char ids[3][64];
    for (int i = 0; i < 3; i++) {
        struct proc *p = world_start_line(w, "true");
        snprintf(ids[i], sizeof ids[i], "%s", proc_id(p));
        OUTCOME o = world_finish(p);
        assert_int_equal(o.view.end.value, 0);
    }
    size_t count;
    struct proc **list = sandbox_list_procs(w->sandbox, &count);
    assert_int_equal(count, 3);
    for (int i = 0; i < 3; i++)
        assert_string_equal(proc_id(list[i]), ids[2 - i]);
    proc_list_free(list, count);
}

static int remember_two(void **state)
{
    world_config.keep_finished = 2;
    return world_setup(state);
}

static void the_oldest_finished_process_is_forgotten_first(void **state)
{
    struct world *w = *state;
    struct proc *running = world_start_line(w, "sleep 1000");
    struct proc *first = proc_ref(world_start_line(w, "true"));
    OUTCOME a = world_finish(first), b = world_run(w, "true"), c = world_run(w, "true");
    assert_int_equal(a.view.end.value + b.view.end.value + c.view.end.value, 0);
    assert_null(sandbox_find_proc(w->sandbox, proc_id(first)));
    struct proc *still = sandbox_find_proc(w->sandbox, proc_id(running));
    assert_ptr_equal(still, running);
    proc_unref(still);
    proc_unref(running);
    proc_unref(first);
}

static void bad_user_numbers_do_not_run_as_somebody_else(void **state)
{
    char *argv[4];
    struct proc_spec spec = world_shell("id -u", argv);
    spec.run_as = "12junk";
    OUTCOME o = world_finish(world_start(*state, &spec));
    assert_int_equal(o.view.end.kind, FACT_START_FAILED);
    assert_int_equal(o.out.len, 0);
}

static void host_folders_outside_are_not_visible(void **state)
{
    struct world *w = *state;
    char line[400];
    snprintf(line, sizeof line, "ls '%s' >/dev/null 2>&1 && echo visible; touch /usr/x 2>/dev/null && echo writable; "
             "cat /etc/shadow 2>/dev/null; echo done", buf_cstr(&w->state_dir));
    OUTCOME o = world_run(w, line);
    assert_text(o.out, "done\n");
}

static void private_folders_can_be_written_and_are_private(void **state)
{
    struct world *w = *state;
    OUTCOME o = world_run(w, "for d in /workspace /tmp /home/tester /app; do echo x > $d/f || exit 1; done; echo ok");
    assert_text(o.out, "ok\n");
    struct err err = ERR_INIT;
    struct sandbox *other = NULL;
    assert_int_equal(sandbox_create(w->engine, &(struct sandbox_spec) { .dialect = "test" }, &other, &err), 0);
    char *argv[4];
    struct proc_spec spec = world_shell("ls /workspace /tmp", argv);
    struct proc *p = NULL;
    assert_int_equal(proc_start(other, &spec, &p, &err), 0);
    OUTCOME seen = world_finish(p);
    assert_null(strstr(buf_cstr(&seen.out), "f\n"));
    sandbox_unref(other);
}

#define T(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        T(exit_code_and_both_streams_are_reported),
        T(every_exit_code_is_kept),
        T(death_by_signal_is_not_an_exit_code),
        T(facts_come_in_order_without_gaps),
        T(the_start_comes_before_the_first_output),
        T(bytes_are_not_touched),
        T(an_empty_stdin_is_at_its_end_at_once),
        T(stdout_is_a_pipe_and_not_a_socket),
        T(program_is_looked_up_in_the_childs_own_path),
        T(a_program_that_may_not_run_says_so),
        T(cwd_is_where_it_runs),
        T(default_cwd_is_home),
        T(a_missing_cwd_fails_the_start),
        T(bad_specs_are_refused_with_the_place),
        T(only_the_allow_list_and_the_request_reach_the_environment),
        T(a_megabyte_of_command_arrives),
        T(a_command_beyond_the_kernels_limit_is_a_failed_start),
        T(run_as_root_is_root),
        T(default_user_owns_what_it_makes),
        T(an_unknown_user_fails_the_start),
        T(bad_user_numbers_do_not_run_as_somebody_else),
        T(python_is_there_when_the_host_has_python3),
        T(resources_are_limited),
        cmocka_unit_test_setup_teardown(the_keeper_is_in_the_background_and_a_command_is_not,
                                        in_background, out_of_background),
        cmocka_unit_test_setup_teardown(a_policy_that_was_chosen_is_a_commands_too,
                                        with_a_chosen_policy, out_of_background),
        T(ids_find_processes_and_unknown_ids_do_not),
        T(the_list_is_newest_first_and_keeps_finished_ones),
        cmocka_unit_test_setup_teardown(the_oldest_finished_process_is_forgotten_first, remember_two, world_teardown),
    };
    static const struct CMUnitTest isolated[] = {
        T(host_folders_outside_are_not_visible),
        T(private_folders_can_be_written_and_are_private),
    };
    return world_run_modes("engine: exec", tests, sizeof tests / sizeof *tests) +
           world_run_namespace("engine: what is seen", isolated, sizeof isolated / sizeof *isolated);
}
