/*
 * engine: nothing survives the server, nothing leaks.
 *
 * The server that gets killed is this program itself, started again with "host" as its argument.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/engine_priv.h"
#include "tests/support/world.h"

extern char **environ;

#define MAX_PIDS 64

/* AddressSanitizer keeps what was freed for a while (and finds leaks itself). */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MEMORY_SLACK_KIB (300u * 1024u)
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define MEMORY_SLACK_KIB (300u * 1024u)
#endif
#ifndef MEMORY_SLACK_KIB
#define MEMORY_SLACK_KIB 4096u
#endif

/* ---- the server to be killed ----------------------------------------------------------- */

/* Trees of every nasty kind, in two sandboxes; prints the host's pids of all, then waits to be killed. */
static const char *const nasty[] = {
    "echo up; exec sleep 1000",
    "trap '' TERM HUP INT; echo up; while :; do sleep 1000; done",
    "(setsid sleep 1000 >/dev/null 2>&1 &); (setsid setsid sleep 1000 &); echo up; wait; sleep 1000",
    "(env -i setsid sleep 1000 >/dev/null 2>&1 &); echo up",
};

static void print_pids(struct sandbox *sandbox)
{
    size_t count;
    struct census_entry *list = sandbox_census(sandbox, &count);
    for (size_t i = 0; i < count; i++)
        printf("%d\n", (int) list[i].host_pid);
    free(list);
}

static int host_main(enum isolation isolation)
{
    struct err err = ERR_INIT;
    struct clock *clock;
    struct buf dir = BUF_INIT;
    struct engine *engine;
    if (clock_new(&clock, 1, &err) != 0 || engine_make_state_dir(&dir, "/tmp", &err) != 0)
        return 1;
    struct engine_config config = { .isolation = isolation, .keeper_path = getenv("STANDBOX_KEEPER"),
                                    .state_dir = buf_cstr(&dir), .clock = clock };
    if (engine_new(&engine, &config, &err) != 0)
        return 1;
    printf("%s\n", config.state_dir);
    struct world w = { .clock = clock, .engine = engine };
    for (int box = 0; box < 2; box++) {
        if (sandbox_create(engine, &(struct sandbox_spec) { .dialect = "test" }, &w.sandbox, &err) != 0)
            return 1;
        for (size_t i = 0; i < sizeof nasty / sizeof *nasty; i++) {
            char *argv[4];
            struct proc_spec spec = world_shell(nasty[i], argv);
            struct proc *p;
            if (proc_start(w.sandbox, &spec, &p, &err) != 0)
                return 1;
            world_await_output(p, "up");
        }
        print_pids(w.sandbox);
    }
    printf("end\n");
    fflush(stdout);
    for (;;)
        pause();
}

static pid_t start_host(FILE **out_output)
{
    int fds[2];
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fds[1], 1);
    const char *const argv[] = { "/proc/self/exe", "host",
                                 world_isolation() == ISOLATION_NONE ? "none" : "namespace", NULL };
    pid_t pid;
    assert_int_equal(posix_spawn(&pid, argv[0], &actions, NULL, (char *const *) (uintptr_t) argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(fds[1]);
    *out_output = fdopen(fds[0], "r");
    assert_non_null(*out_output);
    return pid;
}

static size_t read_pids(FILE *f, pid_t *pids)
{
    size_t n = 0;
    char line[64];
    while (fgets(line, sizeof line, f) != NULL && strcmp(line, "end\n") != 0) {
        assert_true(n < MAX_PIDS);
        pids[n++] = (pid_t) strtol(line, NULL, 10);
    }
    return n;
}

static void nothing_survives_a_server_killed_by(int signo)
{
    FILE *output;
    pid_t pids[MAX_PIDS];
    pid_t host = start_host(&output);
    char folder[300];
    assert_non_null(fgets(folder, sizeof folder, output));
    size_t count = read_pids(output, pids);
    assert_true(count >= 2 * (sizeof nasty / sizeof *nasty));
    kill(host, signo);
    int status;
    assert_int_equal(waitpid(host, &status, 0), host);
    assert_true(WIFSIGNALED(status));
    int64_t end = mono_ns() + 1000000000LL;
    for (size_t i = 0; i < count; i++) {
        int64_t left = (end - mono_ns()) / 1000000;
        if (!world_await_death(pids[i], left > 0 ? (int) left : 0))
            fail_msg("process %d lives a second after its server's death", (int) pids[i]);
    }
    fclose(output);
    /* An engine before this test made us a subreaper: the dead have become our children. */
    while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
        continue;
}

static void nothing_survives_a_server_killed_by_sigkill(void **state)
{
    (void) state;
    nothing_survives_a_server_killed_by(SIGKILL);
}

static void nothing_survives_a_server_that_crashes(void **state)
{
    (void) state;
    nothing_survives_a_server_killed_by(SIGTRAP);
}

/* ---- leaks ----------------------------------------------------------------------------- */

static size_t resident_kib(void)
{
    char text[256];
    unsigned long pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    assert_non_null(f);
    if (fgets(text, sizeof text, f) == NULL || sscanf(text, "%*u %lu", &pages) != 1)
        fail_msg("cannot read /proc/self/statm");
    fclose(f);
    return (size_t) pages * (size_t) sysconf(_SC_PAGESIZE) / 1024;
}

static int remember_ten(void **state)
{
    world_config.keep_finished = 10;
    return world_setup(state);
}

static void run_some(struct world *w, int n)
{
    char program[] = "/bin/true", *argv[] = { program, NULL };
    struct proc_spec spec = { .argv = argv };
    for (int i = 0; i < n; i++) {
        OUTCOME o = world_finish(world_start(w, &spec));
        assert_int_equal(o.view.end.kind, FACT_EXITED);
    }
}

static void five_thousand_processes_leave_nothing_behind(void **state)
{
    struct world *w = *state;
    run_some(w, 500);                 /* pools and caches have their size now */
    size_t fds = world_open_fds(), kib = resident_kib();
    run_some(w, 5000);
    assert_int_equal(world_zombies(), 0);
    /* Resources of the last process are given back by the reactor, soon. */
    int64_t end = mono_ns() + WORLD_LIMIT_MS * 1000000LL;
    while (world_open_fds() > fds && mono_ns() < end)
        sched_yield();
    assert_true(world_open_fds() <= fds);
    size_t after = resident_kib();
    if (after > kib + MEMORY_SLACK_KIB)
        fail_msg("memory grew from %zu to %zu KiB", kib, after);
    size_t count, keepers = 0;
    struct census_entry *list = sandbox_census(w->sandbox, &count);
    for (size_t i = 0; i < count; i++)
        keepers += list[i].is_keeper;
    free(list);
    assert_int_equal(count, keepers);
}

static void sandboxes_leave_nothing_behind(void **state)
{
    struct world *w = *state;
    size_t fds = world_open_fds();
    for (int i = 0; i < 20; i++) {
        struct sandbox *s = NULL;
        assert_int_equal(sandbox_create(w->engine, &(struct sandbox_spec) { .dialect = "test" }, &s, NULL), 0);
        assert_int_equal(sandbox_stop(s, STOP_REQUEST, NULL), 0);
        sandbox_unref(s);
    }
    assert_true(world_open_fds() <= fds);
    assert_int_equal(world_zombies(), 0);
}

struct hunter {
    struct engine *engine;
    atomic_bool is_over;
};

static void *hunt_all_the_time(void *arg)
{
    struct hunter *hunter = arg;
    while (!atomic_load(&hunter->is_over))
        orphans_kill(hunter->engine);
    return NULL;
}

/* What a dead keeper left is hunted: children of the server that are no keepers.  One that is being started does not look
   like one yet. */
static void a_hunt_for_orphans_spares_keepers_that_are_being_started(void **state)
{
    struct world *w = *state;
    struct hunter hunter = { .engine = w->engine };
    unsigned failed = 0;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, hunt_all_the_time, &hunter), 0);
    for (int i = 0; i < 100; i++) {
        struct sandbox *s = NULL;
        failed += sandbox_create(w->engine, &(struct sandbox_spec) { .dialect = "test" }, &s, NULL) != 0;
        if (s != NULL)
            sandbox_stop(s, STOP_REQUEST, NULL);
        sandbox_unref(s);
    }
    atomic_store(&hunter.is_over, true);
    pthread_join(thread, NULL);
    assert_int_equal(failed, 0);
}

static void a_child_inherits_no_descriptor_but_its_three(void **state)
{
    OUTCOME o = world_run(*state, "ls /proc/self/fd | tr '\\n' ' '");
    assert_string_equal(buf_cstr(&o.out), "0 1 2 3 ");      /* 3 is ls's own look at the folder */
}

static void a_child_starts_with_default_signals(void **state)
{
    OUTCOME o = world_run(*state, "grep -E '^Sig(Blk|Ign):' /proc/self/status | cut -f2 | sort -u");
    assert_string_equal(buf_cstr(&o.out), "0000000000000000\n");
}

/* The host prints its own state folder first. */
static void the_folder_of_a_dead_server_is_removed_and_a_living_ones_stays(void **state)
{
    struct world *w = *state;
    FILE *output;
    pid_t pids[MAX_PIDS];
    char dead[300];
    pid_t host = start_host(&output);
    assert_non_null(fgets(dead, sizeof dead, output));
    dead[strcspn(dead, "\n")] = '\0';
    assert_true(read_pids(output, pids) > 0);
    assert_int_equal(access(dead, F_OK), 0);
    kill(host, SIGKILL);
    assert_int_equal(waitpid(host, NULL, 0), host);
    fclose(output);
    BUF_AUTO dir = BUF_INIT;
    assert_int_equal(engine_make_state_dir(&dir, "/tmp", NULL), 0);
    engine_remove_state_dir(buf_cstr(&dir));
    /* Another server that starts just now may have been first at it, and not be done. */
    int64_t end = mono_ns() + WORLD_LIMIT_MS * 1000000LL;
    while (access(dead, F_OK) == 0 && mono_ns() < end)
        sched_yield();
    assert_int_equal(access(dead, F_OK), -1);
    assert_int_equal(access(buf_cstr(&w->state_dir), F_OK), 0);
}

/* ---- state folders --------------------------------------------------------------------- */

enum { MAKERS = 8, FOLDERS_EACH = 25 };

/* Every maker also sweeps, so each is in danger of being taken for stale by the others.  No assert in a thread. */
static void *make_folders(void *arg)
{
    int *failures = arg;
    for (int i = 0; i < FOLDERS_EACH; i++) {
        BUF_AUTO dir = BUF_INIT;
        if (engine_make_state_dir(&dir, "/tmp", NULL) != 0 || access(buf_cstr(&dir), F_OK) != 0)
            ++*failures;
        else
            engine_remove_state_dir(buf_cstr(&dir));
    }
    return NULL;
}

static void servers_that_start_at_once_do_not_take_each_others_folders(void **state)
{
    (void) state;
    pthread_t threads[MAKERS];
    int failures[MAKERS] = { 0 };
    for (int i = 0; i < MAKERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, make_folders, &failures[i]), 0);
    for (int i = 0; i < MAKERS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(failures[i], 0);
    }
}

#define T(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "host") == 0)
        return host_main(strcmp(argv[2], "none") == 0 ? ISOLATION_NONE : ISOLATION_NAMESPACE);
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_survives_a_server_killed_by_sigkill),
        cmocka_unit_test(nothing_survives_a_server_that_crashes),
        cmocka_unit_test_setup_teardown(five_thousand_processes_leave_nothing_behind, remember_ten, world_teardown),
        T(sandboxes_leave_nothing_behind),
        T(a_hunt_for_orphans_spares_keepers_that_are_being_started),
        T(a_child_inherits_no_descriptor_but_its_three),
        T(a_child_starts_with_default_signals),
        cmocka_unit_test(servers_that_start_at_once_do_not_take_each_others_folders),
        T(the_folder_of_a_dead_server_is_removed_and_a_living_ones_stays),
    };
    return world_run_modes("engine: life", tests, sizeof tests / sizeof *tests);
}
