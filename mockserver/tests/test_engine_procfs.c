/* What /proc says about a process between two programs, by which the keeper knows that it must ask again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/procfs.h"
#include "tests/support/patience.h"

static pid_t start_sleeper(char *const *env)
{
    static char name[] = "sleep", seconds[] = "1000";
    char *const argv[] = { name, seconds, NULL };
    pid_t pid = 0;
    assert_int_equal(posix_spawn(&pid, "/bin/sleep", NULL, NULL, argv, env), 0);
    return pid;
}

static size_t is_between(void *pid)
{
    return procfs_is_between_programs(*(pid_t *) pid);
}

/* posix_spawn returns as soon as the old program is gone, which is before the new one has its environment. */
static bool comes_to_run(pid_t pid)
{
    return comes_down_to(is_between, &pid, 0);
}

static void end(pid_t pid)
{
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void a_program_that_runs_is_not_between_two(void **state)
{
    (void) state;
    pid_t sleeper = start_sleeper(environ);
    assert_false(procfs_is_between_programs(getpid()));
    assert_true(comes_to_run(sleeper));
    assert_false(procfs_is_between_programs(sleeper));
    end(sleeper);
}

static void an_empty_environment_is_not_a_missing_one(void **state)
{
    (void) state;
    char *const none[] = { NULL };
    pid_t sleeper = start_sleeper(none);
    assert_true(comes_to_run(sleeper));
    assert_false(procfs_is_between_programs(sleeper));
    end(sleeper);
}

static void a_process_without_memory_has_no_environment_yet_or_any_more(void **state)
{
    (void) state;
    siginfo_t info;
    pid_t sleeper = start_sleeper(environ);
    kill(sleeper, SIGKILL);
    assert_int_equal(waitid(P_PID, (id_t) sleeper, &info, WEXITED | WNOWAIT), 0);   /* a zombie from here on */
    assert_true(procfs_is_between_programs(sleeper));
    end(sleeper);
}

static void nobody_is_not_between_programs(void **state)
{
    (void) state;
    pid_t gone = start_sleeper(environ);
    end(gone);
    assert_false(procfs_is_between_programs(gone));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_program_that_runs_is_not_between_two),
        cmocka_unit_test(an_empty_environment_is_not_a_missing_one),
        cmocka_unit_test(a_process_without_memory_has_no_environment_yet_or_any_more),
        cmocka_unit_test(nobody_is_not_between_programs),
    };
    return cmocka_run_group_tests_name("engine procfs", tests, NULL, NULL);
}
