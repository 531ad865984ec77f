/* Start one child, vfork-style: it shares our memory until it execs, so nothing is copied. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine/background.h"
#include "engine/keeper/keeper.h"

#define CHILD_STACK_BYTES (64u * 1024u)
#define MAX_CANDIDATES 64
#define FIRST_EXTRA_FD 3

/* Everything the child needs, made before it exists: between vfork and exec it may not allocate. */
struct child_plan {
    const struct keeper_request *request;
    bool leaves_background;
    const char *cwd;
    char **argv, **env;
    char *candidates[MAX_CANDIDATES];   /* programs to try, NULL-terminated */
    int in, out, err_fd;                /* -1: none */
    const int *extra;                   /* request->extra_fds of them */
    int pty_slave;                      /* -1: none */
    int failed_errno;                   /* written by the child */
    int failed_stage;
};

static int child_fail(struct child_plan *plan, int stage, int errnum)
{
    plan->failed_stage = stage;
    plan->failed_errno = errnum;
    _exit(127);
}

static void child_signals(void)
{
    struct sigaction dfl = { .sa_handler = SIG_DFL };
    sigaction(SIGPIPE, &dfl, NULL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static void child_files(struct child_plan *plan)
{
    if (plan->pty_slave >= 0) {
        ioctl(plan->pty_slave, TIOCSCTTY, 0);
        plan->in = plan->out = plan->err_fd = plan->pty_slave;
    }
    /* All of ours are 3 or above (0, 1 and 2 are /dev/null), so no dup2 can tread on another. */
    dup2(plan->in, STDIN_FILENO);
    dup2(plan->out, STDOUT_FILENO);
    dup2(plan->err_fd, STDERR_FILENO);
}

/* Ours may have just the numbers that these are to get, so they are lifted above all of those first.  The numbers
   below may be the keeper's, of which the child needs none any more. */
static int child_extra_files(const struct child_plan *plan)
{
    int lifted[KEEPER_MAX_EXTRA_FDS];
    for (uint32_t i = 0; i < plan->request->extra_fds; i++)
        if ((lifted[i] = fcntl(plan->extra[i], F_DUPFD_CLOEXEC, FIRST_EXTRA_FD + KEEPER_MAX_EXTRA_FDS)) < 0)
            return errno;
    for (uint32_t i = 0; i < plan->request->extra_fds; i++)
        if (dup2(lifted[i], FIRST_EXTRA_FD + (int) i) < 0)
            return errno;
    return 0;
}

static int child_user(const struct keeper_request *request)
{
    if (request->flags & SPAWN_USERNS)
        return userns_enter(request->uid, request->gid);
    if (request->flags & SPAWN_SETUID) {
        gid_t gid = request->gid;
        /* Raw calls: glibc's wrappers would change all threads of the keeper, whose memory we share. */
        if (syscall(SYS_setgroups, 1, &gid) != 0 || syscall(SYS_setresgid, gid, gid, gid) != 0 ||
            syscall(SYS_setresuid, request->uid, request->uid, request->uid) != 0)
            return errno;
    }
    return 0;
}

/* As execvpe: EACCES is remembered while other folders are tried. */
static int child_exec(struct child_plan *plan)
{
    int worst = ENOENT;
    for (size_t i = 0; plan->candidates[i] != NULL; i++) {
        execve(plan->candidates[i], plan->argv, plan->env);
        if (errno == EACCES)
            worst = EACCES;
        else if (errno != ENOENT && errno != ENOTDIR)
            return errno;
    }
    return worst;
}

static int child_main(void *arg)
{
    struct child_plan *plan = arg;
    child_signals();
    if (plan->leaves_background)
        background_leave();
    setsid();
    child_files(plan);
    int rc = child_user(plan->request);
    if (rc != 0)
        child_fail(plan, STAGE_USER, rc);
    /* If the keeper is killed, its direct children go at once; the server finds the others. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (chdir(plan->cwd) != 0)
        child_fail(plan, STAGE_CWD, errno);
    rc = child_extra_files(plan);
    if (rc != 0)
        child_fail(plan, STAGE_FORK, rc);
    return child_fail(plan, STAGE_EXEC, child_exec(plan));
}

/* ---- the plan ------------------------------------------------------------------------ */

static char *next_text(char **at, const char *end)
{
    char *text = *at;
    char *nul = text < end ? memchr(text, '\0', (size_t) (end - text)) : NULL;
    if (nul == NULL)
        return NULL;
    *at = nul + 1;
    return text;
}

static bool take_list(char **out, size_t count, char **at, const char *end)
{
    for (size_t i = 0; i < count; i++)
        if ((out[i] = next_text(at, end)) == NULL)
            return false;
    out[count] = NULL;
    return true;
}

static const char *env_value(char **env, const char *name)
{
    size_t len = strlen(name);
    for (; *env != NULL; env++)
        if (strncmp(*env, name, len) == 0 && (*env)[len] == '=')
            return *env + len + 1;
    return NULL;
}

/* Folder by folder of the child's PATH; the texts live in one block that the caller frees. */
static char *plan_candidates(struct child_plan *plan)
{
    const char *program = plan->argv[0];
    if (strchr(program, '/') != NULL) {
        plan->candidates[0] = plan->argv[0];
        return calloc(1, 1);
    }
    const char *path = env_value(plan->env, "PATH");
    if (path == NULL || *program == '\0')
        path = "";
    size_t room = strlen(path) + MAX_CANDIDATES * (strlen(program) + 3);
    char *block = malloc(room), *at = block;
    if (block == NULL)
        return NULL;
    size_t n = 0;
    while (*path != '\0' && n + 1 < MAX_CANDIDATES) {
        size_t len = strcspn(path, ":");
        plan->candidates[n++] = at;
        at += snprintf(at, room - (size_t) (at - block), "%.*s/%s", len == 0 ? 1 : (int) len,
                       len == 0 ? "." : path, program) + 1;
        path += len + (path[len] == ':');
    }
    return block;
}

static int open_pty(const struct keeper_request *request, int *out_master, int *out_slave)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    char name[64];
    if (master < 0)
        return errno;
    struct winsize size = { .ws_row = request->rows ? request->rows : 24,
                            .ws_col = request->cols ? request->cols : 80 };
    int slave = -1;
    if (grantpt(master) == 0 && unlockpt(master) == 0 && ptsname_r(master, name, sizeof name) == 0)
        slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (slave < 0) {
        int rc = errno;
        close(master);
        return rc;
    }
    ioctl(slave, TIOCSWINSZ, &size);
    *out_master = master;
    *out_slave = slave;
    return 0;
}

static bool ensure_stack(struct spawner *s)
{
    if (s->stack == NULL) {
        void *stack = mmap(NULL, CHILD_STACK_BYTES, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
        s->stack = stack == MAP_FAILED ? NULL : stack;
    }
    return s->stack != NULL;
}

/* The spawner's `starting` is set by the kernel before the child runs, so the reaper can tell a child that
   exits before we are back here from an orphan. */
static pid_t start_child(struct spawner *s, struct child_plan *plan)
{
    return clone(child_main, s->stack + CHILD_STACK_BYTES,
                 CLONE_VM | CLONE_VFORK | CLONE_PARENT_SETTID | SIGCHLD, plan,
                 (pid_t *) (uintptr_t) &s->starting, NULL, NULL);
}

static void report_failure(struct keeper *k, uint64_t number, int stage, int errnum)
{
    keeper_report(k, &(struct keeper_report) { .event = KEEPER_START_FAILED, .number = number,
                                               .value = errnum, .stage = (uint32_t) stage }, NULL);
}

/* Say what became of it, then let the reaper have it: all under one lock, so that a signal finds the process as
   soon as the server knows of it, and STARTED comes before EXITED. */
static void settle(struct keeper *k, struct spawner *s, struct child_plan *plan, pid_t pid, int master)
{
    int fork_errno = errno;
    uint64_t number = plan->request->number;
    bool failed = pid < 0 || plan->failed_stage != STAGE_NONE;
    pthread_mutex_lock(&k->lock);
    if (!failed && table_add(k, number, pid) == NULL)
        kill(pid, SIGKILL);     /* cannot be tracked: better dead than lost */
    if (pid < 0)
        report_failure(k, number, STAGE_FORK, fork_errno);
    else if (failed)
        report_failure(k, number, plan->failed_stage, plan->failed_errno);
    else
        keeper_report(k, &(struct keeper_report) { .event = KEEPER_STARTED, .number = number,
                                                   .value = pid }, master >= 0 ? &master : NULL);
    s->starting = 0;
    k->starts++;
    k->childless = false;
    pthread_cond_broadcast(&k->changed);
    pthread_mutex_unlock(&k->lock);
}

static void run_plan(struct keeper *k, struct spawner *s, struct child_plan *plan)
{
    int master = -1, rc = 0;
    if (plan->request->flags & SPAWN_PTY)
        rc = open_pty(plan->request, &master, &plan->pty_slave);
    char *block = rc == 0 ? plan_candidates(plan) : NULL;
    if (rc != 0)
        report_failure(k, plan->request->number, STAGE_PTY, rc);
    else if (block == NULL || !ensure_stack(s))
        report_failure(k, plan->request->number, STAGE_MEMORY, ENOMEM);
    else
        settle(k, s, plan, start_child(s, plan), master);
    free(block);
    if (master >= 0)
        close(master);
    if (plan->pty_slave >= 0)
        close(plan->pty_slave);
}

static char *map_text(const struct keeper_request *request, char *text, const int *fds, size_t fd_count)
{
    if (!(request->flags & SPAWN_TEXT_IN_MEMFD))
        return text;
    if (fd_count == 0)
        return NULL;
    void *map = mmap(NULL, request->text_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE,
                     fds[fd_count - 1], 0);
    return map == MAP_FAILED ? NULL : map;
}

static void plan_fds(struct child_plan *plan, const int *fds, int null_fd)
{
    uint32_t flags = plan->request->flags;
    size_t next = 0;
    if (!(flags & SPAWN_PTY)) {
        plan->in = flags & SPAWN_HAS_STDIN ? fds[next++] : null_fd;
        plan->out = fds[next++];
        plan->err_fd = fds[next++];
    }
    plan->extra = fds + next;
}

static bool fds_fit(const struct keeper_request *request, size_t fd_count)
{
    uint32_t flags = request->flags;
    size_t n = flags & SPAWN_PTY ? 0 : flags & SPAWN_HAS_STDIN ? 3 : 2;
    n += request->extra_fds + (flags & SPAWN_TEXT_IN_MEMFD ? 1 : 0);
    return request->extra_fds <= KEEPER_MAX_EXTRA_FDS && n == fd_count;
}

void spawn_serve(struct keeper *k, struct spawner *s, const struct keeper_request *request, char *text,
                 int *fds, size_t fd_count)
{
    struct child_plan plan = { .request = request, .leaves_background = k->in_background,
                               .in = -1, .out = -1, .err_fd = -1, .pty_slave = -1 };
    char *body = map_text(request, text, fds, fd_count);
    char **lists = calloc((size_t) request->argc + request->envc + 2, sizeof *lists);
    char *at = body;
    const char *end = body == NULL ? NULL : body + request->text_bytes;
    if (body == NULL || lists == NULL) {
        report_failure(k, request->number, STAGE_MEMORY, ENOMEM);
    } else if (!fds_fit(request, fd_count) || request->argc == 0 ||
               (plan.cwd = next_text(&at, end)) == NULL ||
               !take_list(plan.argv = lists, request->argc, &at, end) ||
               !take_list(plan.env = lists + request->argc + 1, request->envc, &at, end)) {
        report_failure(k, request->number, STAGE_KEEPER, EINVAL);
    } else {
        plan_fds(&plan, fds, STDIN_FILENO);
        run_plan(k, s, &plan);
    }
    free(lists);
    if (body != NULL && body != text)
        munmap(body, request->text_bytes);
    for (size_t i = 0; i < fd_count; i++)
        close(fds[i]);
}
