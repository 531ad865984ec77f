/* engine: descriptors that a process is given beyond the usual three; the puppet as sandboxes see it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/patience.h"
#include "tests/support/world.h"

#define assert_text(buf, text) assert_string_equal(buf_cstr(&(buf)), text)

/* Two pipes; the process gets the ends that write. */
struct extras {
    int ours[2], theirs[2];
};

static struct extras extras_make(void)
{
    struct extras e;
    for (int i = 0; i < 2; i++) {
        int ends[2];
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        e.ours[i] = ends[0];
        e.theirs[i] = ends[1];
    }
    return e;
}

static void extras_give(struct proc_spec *spec, const struct extras *e)
{
    spec->extra_fds = e->theirs;
    spec->extra_fd_count = 2;
}

/* What was written until nobody can write any more: the end comes only when no copy is left anywhere. */
static void assert_wrote(struct extras *e, int i, const char *text)
{
    char room[64];
    size_t len = 0;
    close(e->theirs[i]);
    for (;;) {
        struct pollfd p = { .fd = e->ours[i], .events = POLLIN };
        assert_int_equal(poll(&p, 1, WORLD_LIMIT_MS), 1);
        ssize_t n = read(e->ours[i], room + len, sizeof room - 1 - len);
        assert_true(n >= 0);
        if (n == 0)
            break;
        len += (size_t) n;
    }
    room[len] = '\0';
    assert_string_equal(room, text);
    close(e->ours[i]);
}

static const char writes_both[] = "echo three >&3; echo four >&4";

static struct outcome run_with_extras(struct world *w, struct proc_spec spec, const struct extras *e)
{
    extras_give(&spec, e);
    return world_finish(world_start(w, &spec));
}

static void they_arrive_as_three_and_four(void **state)
{
    struct world *w = *state;
    char *argv[4];
    for (int mode = 0; mode < 4; mode++) {
        struct extras e = extras_make();
        struct proc_spec spec = world_shell(writes_both, argv);
        spec.stdin_mode = mode & 1 ? STDIN_PIPE : STDIN_EMPTY;
        spec.pty = (mode & 2) != 0;
        OUTCOME o = run_with_extras(w, spec, &e);
        assert_int_equal(o.view.end.kind, FACT_EXITED);
        assert_int_equal(o.view.end.value, 0);
        assert_wrote(&e, 0, "three\n");
        assert_wrote(&e, 1, "four\n");
    }
}

static void they_come_with_commands_of_any_length_too(void **state)
{
    struct world *w = *state;
    char *argv[4];
    BUF_AUTO line = BUF_INIT;
    buf_printf(&line, "%s; : ", writes_both);
    while (line.len < 100000)
        buf_printf(&line, "x");
    struct extras e = extras_make();
    OUTCOME o = run_with_extras(w, world_shell(buf_cstr(&line), argv), &e);
    assert_int_equal(o.view.end.value, 0);
    assert_wrote(&e, 0, "three\n");
    assert_wrote(&e, 1, "four\n");
}

static void they_come_to_another_user_too(void **state)
{
    struct world *w = *state;
    char *argv[4];
    struct extras e = extras_make();
    struct proc_spec spec = world_shell(writes_both, argv);
    spec.run_as = "root";
    OUTCOME o = run_with_extras(w, spec, &e);
    assert_int_equal(o.view.end.kind, FACT_EXITED);
    assert_wrote(&e, 0, "three\n");
    assert_wrote(&e, 1, "four\n");
}

/* `ls` has the folder itself open, with the first free number. */
static void nothing_else_is_open(void **state)
{
    struct world *w = *state;
    char *argv[4];
    struct extras e = extras_make();
    struct proc_spec spec = world_shell("exec ls /proc/self/fd", argv);
    OUTCOME with = run_with_extras(w, spec, &e);
    assert_text(with.out, "0\n1\n2\n3\n4\n5\n");
    assert_wrote(&e, 0, "");
    assert_wrote(&e, 1, "");
    OUTCOME without = world_run(w, "exec ls /proc/self/fd");
    assert_text(without.out, "0\n1\n2\n3\n");
}

static void one_alone_is_three(void **state)
{
    struct world *w = *state;
    char *argv[4];
    struct extras e = extras_make();
    struct proc_spec spec = world_shell("echo alone >&3; exec ls /proc/self/fd", argv);
    spec.extra_fds = &e.theirs[1];
    spec.extra_fd_count = 1;
    OUTCOME o = world_finish(world_start(w, &spec));
    assert_text(o.out, "0\n1\n2\n3\n4\n");
    assert_wrote(&e, 0, "");
    assert_wrote(&e, 1, "alone\n");
}

static void a_hold_does_not_need_the_callers_own(void **state)
{
    struct world *w = *state;
    char *argv[4];
    struct extras e = extras_make();
    struct proc_spec spec = world_shell(writes_both, argv);
    spec.hold_ms = 60000;
    extras_give(&spec, &e);
    clock_freeze(w->clock);
    struct proc *p = world_start(w, &spec);
    int null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    assert_true(null_fd >= 0);
    for (int i = 0; i < 2; i++)
        assert_true(dup3(null_fd, e.theirs[i], O_CLOEXEC) >= 0);
    close(null_fd);
    clock_advance(w->clock, 60000);
    OUTCOME o = world_finish(p);
    assert_int_equal(o.view.end.value, 0);
    assert_wrote(&e, 0, "three\n");
    assert_wrote(&e, 1, "four\n");
}

/* A neighbour that starts at the same time must not get a copy: then the end of the pipe would not come. */
static void neighbours_do_not_inherit_them(void **state)
{
    struct world *w = *state;
    char *argv[4];
    enum { ROUNDS = 15 };
    struct proc *sleepers[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
        struct extras e = extras_make();
        struct proc_spec spec = world_shell(writes_both, argv);
        extras_give(&spec, &e);
        struct proc *p = world_start(w, &spec);
        sleepers[i] = world_start_line(w, "exec sleep 1000");
        OUTCOME o = world_finish(p);
        assert_int_equal(o.view.end.value, 0);
        assert_wrote(&e, 0, "three\n");
        assert_wrote(&e, 1, "four\n");
    }
    for (int i = 0; i < ROUNDS; i++) {
        proc_kill(sleepers[i], WHO_CLIENT, NULL);
        proc_unref(sleepers[i]);
    }
}

/* ---- nothing is left -------------------------------------------------------------------- */

static pid_t keeper_of(struct world *w)
{
    size_t count;
    pid_t found = 0;
    struct census_entry *list = sandbox_census(w->sandbox, &count);
    for (size_t i = 0; i < count; i++)
        if (list[i].is_keeper && strncmp(list[i].comm, "bwrap", 5) != 0)
            found = list[i].host_pid;
    free(list);
    assert_int_not_equal(found, 0);
    return found;
}

static size_t fds_of(void *pid)
{
    char path[64];
    size_t n = 0;
    snprintf(path, sizeof path, "/proc/%d/fd", (int) *(pid_t *) pid);
    DIR *dir = opendir(path);
    assert_non_null(dir);
    for (const struct dirent *e; (e = readdir(dir)) != NULL;)
        n += e->d_name[0] != '.';
    closedir(dir);
    return n;
}

static void neither_server_nor_keeper_keeps_one(void **state)
{
    struct world *w = *state;
    char *argv[4], program[] = "/no/such/program", *bad[] = { program, NULL };
    pid_t keeper = keeper_of(w);
    /* A keeper that has run something is past its start, when it has files of its own open. */
    OUTCOME first = world_run(w, "true");
    assert_int_equal(first.view.end.value, 0);
    size_t ours = world_open_fds(), theirs = fds_of(&keeper);
    for (int i = 0; i < 20; i++) {
        struct extras e = extras_make();
        struct proc_spec spec = world_shell(writes_both, argv);
        if (i % 4 == 1)
            spec.argv = bad;
        if (i % 4 == 2)
            spec.fail_errno = ENOEXEC;
        if (i % 4 == 3)
            spec.cwd = "/no/such/folder";
        OUTCOME o = run_with_extras(w, spec, &e);
        assert_int_equal(o.view.end.kind, i % 4 == 0 ? FACT_EXITED : FACT_START_FAILED);
        assert_wrote(&e, 0, i % 4 == 0 ? "three\n" : "");
        assert_wrote(&e, 1, i % 4 == 0 ? "four\n" : "");
    }
    assert_int_equal(world_open_fds(), ours);
    assert_true(comes_down_to(fds_of, &keeper, theirs));
}

static void a_refused_start_keeps_none(void **state)
{
    struct world *w = *state;
    char *argv[4];
    struct err err = ERR_INIT;
    struct proc *p;
    int three[] = { 0, 1, 2 }, closed = 100000;
    size_t ours = world_open_fds();
    struct proc_spec spec = world_shell("true", argv);
    spec.extra_fds = three;
    spec.extra_fd_count = 3;
    assert_int_equal(proc_start(w->sandbox, &spec, &p, &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
    spec.extra_fds = &closed;
    spec.extra_fd_count = 1;
    assert_int_equal(proc_start(w->sandbox, &spec, &p, &err), -1);
    assert_int_equal(err.errnum, EBADF);
    /* The reactor's thread frees what is left. */
    OUTCOME o = world_run(w, "true");
    assert_int_equal(o.view.end.value, 0);
    assert_int_equal(world_open_fds(), ours);
}

/* ---- the puppet ------------------------------------------------------------------------- */

static void the_puppet_can_be_run_by_its_path(void **state)
{
    struct world *w = *state;
    const char *path = sandbox_puppet_path(w->sandbox);
    assert_non_null(path);
    if (world_isolation() == ISOLATION_NAMESPACE)
        assert_string_equal(path, "/opt/standbox/puppet");
    char version[] = "--version", *argv[] = { (char *) (uintptr_t) path, version, NULL };
    OUTCOME o = world_finish(world_start(w, &(struct proc_spec) { .argv = argv }));
    assert_int_equal(o.view.end.kind, FACT_EXITED);
    assert_int_equal(o.view.end.value, 0);
    assert_non_null(strstr(buf_cstr(&o.out), "puppet"));
}

static void the_puppet_cannot_be_changed_from_inside(void **state)
{
    OUTCOME o = world_run(*state, "echo x 2>/dev/null >> /opt/standbox/puppet || echo refused");
    assert_text(o.out, "refused\n");
}

static void without_the_program_there_is_no_path(void **state)
{
    struct world *w = *state;
    struct err err = ERR_INIT;
    struct engine *engine;
    struct sandbox *s = NULL;
    struct engine_config config = { .isolation = world_isolation(), .keeper_path = getenv("STANDBOX_KEEPER"),
                                    .puppet_path = "/no/such/puppet", .state_dir = buf_cstr(&w->state_dir),
                                    .clock = w->clock };
    if (engine_new(&engine, &config, &err) != 0 ||
        sandbox_create(engine, &(struct sandbox_spec) { .dialect = "test" }, &s, &err) != 0)
        fail_msg("%s", err.text);
    assert_null(sandbox_puppet_path(s));
    sandbox_unref(s);
    engine_free(engine);
}

#define T(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        T(they_arrive_as_three_and_four),
        T(they_come_with_commands_of_any_length_too),
        T(they_come_to_another_user_too),
        T(nothing_else_is_open),
        T(one_alone_is_three),
        T(a_hold_does_not_need_the_callers_own),
        T(neighbours_do_not_inherit_them),
        T(neither_server_nor_keeper_keeps_one),
        T(a_refused_start_keeps_none),
        T(the_puppet_can_be_run_by_its_path),
        T(without_the_program_there_is_no_path),
    };
    static const struct CMUnitTest isolated[] = {
        T(the_puppet_cannot_be_changed_from_inside),
    };
    int failures = world_run_modes("engine files", tests, sizeof tests / sizeof *tests);
    return failures + world_run_namespace("engine files, isolated", isolated, 1);
}
