#include "tests/support/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

struct engine_config world_config;
double world_clock_scale;
struct owner *world_owner;

static enum isolation mode;

enum isolation world_isolation(void)
{
    return mode;
}

static bool skipping_is_failure(void)
{
    const char *ci = getenv("CI");
    return ci != NULL && strcmp(ci, "true") == 0;
}

static int run_group(const char *name, const char *mode_name, const struct CMUnitTest *tests, size_t count)
{
    char group[100];
    snprintf(group, sizeof group, "%s (isolation %s)", name, mode_name);
    return _cmocka_run_group_tests(group, tests, count, NULL, NULL);
}

int world_run_namespace(const char *name, const struct CMUnitTest *tests, size_t count)
{
    struct err err = ERR_INIT;
    if (engine_probe_namespace(&err) != 0) {
        fprintf(stderr, "SKIPPED %s (isolation namespace): %s\n", name, err.text);
        return skipping_is_failure();
    }
    mode = ISOLATION_NAMESPACE;
    return run_group(name, "namespace", tests, count);
}

int world_run_modes(const char *name, const struct CMUnitTest *tests, size_t count)
{
    mode = ISOLATION_NONE;
    int failures = run_group(name, "none", tests, count);
    return failures + world_run_namespace(name, tests, count);
}

int world_setup(void **state)
{
    struct err err = ERR_INIT;
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    if (clock_new(&w->clock, world_clock_scale > 0 ? world_clock_scale : 1, &err) != 0)
        fail_msg("%s", err.text);
    const char *tmp = getenv("TMPDIR");
    if (engine_make_state_dir(&w->state_dir, tmp != NULL ? tmp : "/tmp", &err) != 0)
        fail_msg("%s", err.text);
    struct engine_config config = world_config;
    config.isolation = mode;
    config.keeper_path = getenv("STANDBOX_KEEPER");
    config.puppet_path = getenv("STANDBOX_PUPPET");
    config.state_dir = buf_cstr(&w->state_dir);
    config.clock = w->clock;
    world_config = (struct engine_config) { 0 };
    world_clock_scale = 0;
    if (engine_new(&w->engine, &config, &err) != 0)
        fail_msg("%s", err.text);
    struct sandbox_spec spec = { .owner = world_owner, .dialect = "test", .user = "tester" };
    world_owner = NULL;
    if (sandbox_create(w->engine, &spec, &w->sandbox, &err) != 0)
        fail_msg("%s", err.text);
    clock_unref(w->clock);
    w->clock = clock_ref(sandbox_clock(w->sandbox));
    *state = w;
    return 0;
}

int world_teardown(void **state)
{
    struct world *w = *state;
    sandbox_unref(w->sandbox);
    engine_free(w->engine);
    clock_unref(w->clock);
    engine_remove_state_dir(buf_cstr(&w->state_dir));
    buf_fini(&w->state_dir);
    free(w);
    return 0;
}

/* ---- processes ------------------------------------------------------------------------- */

struct proc_spec world_shell(const char *line, char **argv)
{
    static char bash[] = "/bin/bash", dash_c[] = "-c";
    argv[0] = bash;
    argv[1] = dash_c;
    argv[2] = (char *) (uintptr_t) line;
    argv[3] = NULL;
    return (struct proc_spec) { .argv = argv, .drain_grace_ms = 200, .term_grace_ms = 200 };
}

struct proc *world_start(struct world *w, const struct proc_spec *spec)
{
    struct err err = ERR_INIT;
    struct proc *p = NULL;
    if (proc_start(w->sandbox, spec, &p, &err) != 0)
        fail_msg("start refused: %s", err.text);
    return p;
}

struct proc *world_start_line(struct world *w, const char *line)
{
    char *argv[4];
    struct proc_spec spec = world_shell(line, argv);
    return world_start(w, &spec);
}

int64_t world_deadline(struct world *w)
{
    struct clock_state now;
    clock_get(w->clock, &now);
    return clock_deadline(w->clock, (int64_t) (WORLD_LIMIT_MS * now.scale));
}

/* An interrupt: a test's patience is the machine's, whatever the clock under test does. */
static bool is_past(void *end_ns)
{
    return mono_ns() > *(const int64_t *) end_ns;
}

static int64_t patience_end(void)
{
    return mono_ns() + WORLD_LIMIT_MS * 1000000LL;
}

struct outcome world_finish(struct proc *p)
{
    struct err err = ERR_INIT;
    struct outcome o = { .out = BUF_INIT, .err = BUF_INIT };
    int64_t end = patience_end();
    if (proc_wait_state(p, PROC_FINISHED, CLOCK_NEVER, is_past, &end, &err) != 0)
        fail_msg("%s", err.text);
    proc_get_view(p, &o.view);
    proc_collect(p, 0, 0, &o.out);
    proc_collect(p, 1, 0, &o.err);
    proc_unref(p);
    return o;
}

void world_await_fact(struct proc *p, enum fact_kind kind)
{
    struct err err = ERR_INIT;
    int64_t end = patience_end();
    if (proc_wait_fact(p, 1u << kind, CLOCK_NEVER, is_past, &end, &err) != 0)
        fail_msg("no fact \"%s\": %s", fact_kind_name(kind), err.text);
}

struct outcome world_run(struct world *w, const char *line)
{
    return world_finish(world_start_line(w, line));
}

void outcome_fini(struct outcome *o)
{
    buf_fini(&o->out);
    buf_fini(&o->err);
}

void world_await_output(struct proc *p, const char *text)
{
    struct err err = ERR_INIT;
    struct proc_reader *reader;
    BUF_AUTO all = BUF_INIT, bytes = BUF_INIT;
    struct fact fact;
    int64_t end = patience_end();
    if (proc_reader_open(p, 1, true, &reader, &err) != 0)
        fail_msg("%s", err.text);
    while (strstr(buf_cstr(&all), text) == NULL) {
        enum read_result r = proc_reader_next(reader, CLOCK_NEVER, is_past, &end, &fact, &bytes);
        if (r != READ_FACT)
            fail_msg("\"%s\" was never written (read result %d); only: %s", text, (int) r, buf_cstr(&all));
        if (fact.kind == FACT_OUT)
            buf_add(&all, buf_cstr(&bytes), bytes.len);
    }
    proc_reader_close(reader);
}

/* ---- the host's view ------------------------------------------------------------------- */

static void short_pause(void)
{
    nanosleep(&(struct timespec) { .tv_nsec = 2000000L }, NULL);
}

pid_t world_await_comm(struct world *w, const char *comm)
{
    int64_t end = mono_ns() + WORLD_LIMIT_MS * 1000000LL;
    while (mono_ns() < end) {
        size_t count;
        struct census_entry *list = sandbox_census(w->sandbox, &count);
        pid_t found = 0;
        for (size_t i = 0; i < count && found == 0; i++)
            if (strcmp(list[i].comm, comm) == 0)
                found = list[i].host_pid;
        free(list);
        if (found != 0)
            return found;
        short_pause();
    }
    fail_msg("no process \"%s\" in the sandbox", comm);
    return 0;
}

pid_t world_keeper(struct world *w, char *out_state)
{
    size_t count;
    pid_t pid = 0;
    struct census_entry *list = sandbox_census(w->sandbox, &count);
    for (size_t i = 0; i < count; i++) {
        if (list[i].is_keeper) {
            pid = list[i].host_pid;
            *out_state = list[i].state;
        }
    }
    free(list);
    return pid;
}

pid_t world_stop_keeper(struct world *w)
{
    char state = '?';
    int64_t end = mono_ns() + WORLD_LIMIT_MS * 1000000LL;
    pid_t keeper = world_keeper(w, &state);
    assert_int_equal(kill(keeper, SIGSTOP), 0);
    while (world_keeper(w, &state) == keeper && state != 'T' && mono_ns() < end)
        short_pause();
    assert_int_equal(state, 'T');
    return keeper;
}

/* A pidfd becomes readable when the process has ended, reaped or not. */
bool world_await_death(pid_t pid, int limit_ms)
{
    int fd = (int) syscall(SYS_pidfd_open, pid, 0);
    if (fd < 0)
        return errno == ESRCH;
    struct pollfd p = { .fd = fd, .events = POLLIN };
    int rc = poll(&p, 1, limit_ms);
    close(fd);
    return rc > 0;
}

size_t world_open_fds(void)
{
    size_t n = 0;
    DIR *dir = opendir("/proc/self/fd");
    assert_non_null(dir);
    while (readdir(dir) != NULL)
        n++;
    closedir(dir);
    return n - 3;      /* ".", ".." and the folder itself */
}

size_t world_zombies(void)
{
    size_t zombies = 0;
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int) getpid());
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return 0;
    int pid;
    while (fscanf(f, "%d", &pid) == 1) {
        snprintf(path, sizeof path, "/proc/%d/stat", pid);
        FILE *stat = fopen(path, "re");
        if (stat == NULL)
            continue;
        char *end = fgets(text, sizeof text, stat) == NULL ? NULL : strrchr(text, ')');
        zombies += end != NULL && end[2] == 'Z';
        fclose(stat);
    }
    fclose(f);
    return zombies;
}
