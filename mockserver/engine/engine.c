#include "engine/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/engine_priv.h"

#define DEFAULT_LOG_MEMORY (64u * 1024u * 1024u)
#define DEFAULT_LOG_LIMIT (1024ull * 1024ull * 1024ull)
#define DEFAULT_KEEP_FINISHED 1000u
#define KEEPER_NAME "standbox-keeper"
#define PUPPET_NAME "standbox-puppet"

extern char **environ;

/* Beside this executable, or in ../libexec/standbox as an installation has it.  NULL: not there. */
static char *find_beside(const char *name, char *self, size_t room)
{
    static const char *const places[] = { "", "../libexec/standbox/" };
    char path[PATH_MAX + 64];
    ssize_t n = readlink("/proc/self/exe", self, room - 1);
    if (n <= 0)
        return NULL;
    self[n] = '\0';
    *strrchr(self, '/') = '\0';
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        snprintf(path, sizeof path, "%s/%s%s", self, places[i], name);
        if (access(path, X_OK) == 0)
            return realpath(path, NULL);
    }
    return NULL;
}

static char *find_keeper(const struct engine_config *config, struct err *err)
{
    char self[PATH_MAX] = "";
    const char *given = config->keeper_path;
    char *path = given != NULL ? realpath(given, NULL) : find_beside(KEEPER_NAME, self, sizeof self);
    if (path == NULL && given != NULL)
        err_set(err, ERR_IO, errno, "the keeper program %s", given);
    else if (path == NULL)
        err_set(err, ERR_NOT_FOUND, 0, "there is no " KEEPER_NAME " beside %s/; build or install it there", self);
    return path;
}

/* A server without one can do all but scripted processes. */
static char *find_puppet(const struct engine_config *config)
{
    char self[PATH_MAX];
    const char *given = config->puppet_path;
    if (given == NULL)
        return find_beside(PUPPET_NAME, self, sizeof self);
    return access(given, X_OK) == 0 ? realpath(given, NULL) : NULL;
}

static void fill_defaults(struct engine_config *config)
{
    if (config->log_memory_bytes == 0)
        config->log_memory_bytes = DEFAULT_LOG_MEMORY;
    if (config->log_limit_bytes == 0)
        config->log_limit_bytes = DEFAULT_LOG_LIMIT;
    if (config->keep_finished == 0)
        config->keep_finished = DEFAULT_KEEP_FINISHED;
}

static void engine_release(struct engine *engine)
{
    janitor_free(engine->janitor);
    reactor_free(engine->reactor);
    pthread_mutex_destroy(&engine->lock);
    clock_unref(engine->config.clock);
    free(engine->keeper_path);
    free(engine->puppet_path);
    free(engine->state_dir);
    free(engine);
}

int engine_new(struct engine **out_engine, const struct engine_config *config, struct err *err)
{
    struct engine *engine = calloc(1, sizeof *engine);
    if (engine == NULL)
        return err_set(err, ERR_NOMEM, 0, "engine");
    engine->config = *config;
    engine->config.clock = clock_ref(config->clock);
    fill_defaults(&engine->config);
    engine->last = &engine->first;
    engine->next_proc_number = 1;
    pthread_mutex_init(&engine->lock, NULL);
    engine->state_dir = strdup(config->state_dir);
    engine->keeper_path = engine->state_dir == NULL ? NULL : find_keeper(config, err);
    if (engine->state_dir == NULL)
        err_set(err, ERR_NOMEM, 0, "engine");
    if (engine->keeper_path == NULL || reactor_new(&engine->reactor, err) != 0 ||
        janitor_new(&engine->janitor, err) != 0) {
        engine_release(engine);
        return -1;
    }
    engine->budget = (struct log_budget) { .limit_bytes = engine->config.log_memory_bytes,
                                           .spool_dir = engine->state_dir };
    engine->puppet_path = find_puppet(config);
    host_tools_find(&engine->tools, config->isolation);
    /* A process may close its stdin while we write to it. */
    (void) signal(SIGPIPE, SIG_IGN);
    /* What a dead keeper leaves comes to us, so that it can be found and killed. */
    (void) prctl(PR_SET_CHILD_SUBREAPER, 1);
    *out_engine = engine;
    return 0;
}

static void nothing(void *arg)
{
    (void) arg;
}

void engine_free(struct engine *engine)
{
    if (engine == NULL)
        return;
    engine_stop_all(engine);
    janitor_free(engine->janitor);
    engine->janitor = NULL;
    /* Last processes are freed by jobs of the reactor's; a call returns behind them. */
    reactor_call(engine->reactor, nothing, NULL);
    engine_release(engine);
}

struct clock *engine_clock(const struct engine *engine)
{
    return engine->config.clock;
}

enum isolation engine_isolation(const struct engine *engine)
{
    return engine->config.isolation;
}

/* ---- can this machine do it? ----------------------------------------------------------- */

static pid_t spawn_probe(const char *bwrap, int errors)
{
    const char *const argv[] = { bwrap, "--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts",
                                 "--uid", "1000", "--gid", "1000", "--ro-bind", "/", "/", "--proc", "/proc",
                                 "--dev", "/dev", "--", "/bin/true", NULL };
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDWR, 0);
    posix_spawn_file_actions_adddup2(&actions, 0, 1);
    posix_spawn_file_actions_adddup2(&actions, errors, 2);
    pid_t pid = -1;
    errno = posix_spawn(&pid, bwrap, &actions, NULL, (char *const *) (uintptr_t) argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    return errno == 0 ? pid : -1;
}

static void first_line(int fd, char *out, size_t room)
{
    size_t len = 0;
    ssize_t n;
    while (len + 1 < room && (n = read(fd, out + len, room - 1 - len)) > 0)
        len += (size_t) n;
    out[len] = '\0';
    out[strcspn(out, "\n")] = '\0';
}

int engine_probe_namespace(struct err *err)
{
    struct host_tools tools;
    host_tools_find(&tools, ISOLATION_NAMESPACE);
    if (tools.bwrap[0] == '\0')
        return err_set(err, ERR_NOT_FOUND, 0, "bubblewrap (bwrap) is not installed");
    int errors[2], status = 0;
    if (pipe2(errors, O_CLOEXEC) != 0)
        return err_set(err, ERR_IO, errno, "make a pipe");
    pid_t pid = spawn_probe(tools.bwrap, errors[1]);
    int errnum = errno;
    close(errors[1]);
    char line[200];
    first_line(errors[0], line, sizeof line);
    close(errors[0]);
    if (pid < 0)
        return err_set(err, ERR_IO, errnum, "run %s", tools.bwrap);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    if (status == 0)
        return 0;
    return err_set(err, ERR_UNSUPPORTED, 0, "%s", line[0] != '\0' ? line : "bwrap failed without a word");
}
