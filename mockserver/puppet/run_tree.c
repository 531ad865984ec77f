/* Steps that make processes and wait for them. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "puppet/run_priv.h"
#include "puppet/signals.h"
#include "puppet/wait.h"

/* As a daemon does it: what is not kept goes to /dev/null, so that writing there is no error. */
static void leave_streams(const bool keeps[3])
{
    int null = puppet_lift_fd(open("/dev/null", O_RDWR | O_CLOEXEC));
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (!keeps[fd] && (null < 0 || dup2(null, fd) < 0))
            close(fd);
    }
    if (null >= 0)
        close(null);
}

_Noreturn static void be_child(struct puppet *p, const struct step *step, int control, const sigset_t *mask)
{
    if (step->as.fork.setsid && setsid() < 0)
        puppet_fail(step, errno, "setsid");
    if (step->as.fork.twice) {
        pid_t pid = fork();
        if (pid < 0)
            puppet_fail(step, errno, "fork");
        if (pid > 0)
            _exit(0);
    }
    leave_streams(step->as.fork.keeps);
    serve_leave(&p->serve);
    control_in_child(&p->control, control);
    free(p->children);
    p->children = NULL;
    p->child_count = 0;
    if (signals_renew() < 0)
        puppet_fail(step, errno, "eventfd");
    sigprocmask(SIG_SETMASK, mask, NULL);
    puppet_run(p, &step->body);
    _exit(0);
}

static void remember_child(struct puppet *p, const struct step *step, pid_t pid)
{
    pid_t *grown = reallocarray(p->children, p->child_count + 1, sizeof *grown);
    if (grown == NULL)
        puppet_fail(step, ENOMEM, "children");
    p->children = grown;
    grown[p->child_count++] = pid;
}

void run_fork(struct puppet *p, const struct step *step)
{
    sigset_t all, mask;
    int control = control_before_fork(p, step);
    /* A signal that meets the child before it has an eventfd of its own would wake the parent. */
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &mask);
    pid_t pid = fork();
    if (pid == 0)
        be_child(p, step, control, &mask);
    int error = errno;
    sigprocmask(SIG_SETMASK, &mask, NULL);
    if (control >= 0)
        close(control);
    if (pid < 0)
        puppet_fail(step, error, "fork");
    /* The one in the middle is gone at once, and nobody else will reap it. */
    while (step->as.fork.twice && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    if (!step->as.fork.twice)
        remember_child(p, step, pid);
}

/* A pidfd rather than SIGCHLD, which belongs to the script. */
static void wait_child(struct puppet *p, const struct step *step, pid_t pid)
{
    if (waitpid(pid, NULL, WNOHANG) != 0)
        return; /* reaped, or gone by itself because CHLD is ignored */
    int fd = puppet_lift_fd((int) syscall(SYS_pidfd_open, pid, 0));
    if (fd < 0 && errno != ESRCH)
        puppet_fail(step, errno, "pidfd_open");
    if (fd < 0)
        return;
    wait_for_fd(p, fd, POLLIN);
    close(fd);
    waitpid(pid, NULL, WNOHANG);
}

void run_wait(struct puppet *p, const struct step *step)
{
    /* A handler may fork or wait meanwhile, so the list is read anew each time. */
    while (p->child_count > 0)
        wait_child(p, step, p->children[--p->child_count]);
}
