#include "tests/support/puppet_child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

#define DEADLINE_MS 30000
#define ARGS_MAX    32

void puppet_child_init(struct puppet_child *c)
{
    *c = (struct puppet_child){ .fds = { -1, -1, -1 }, .pass_fd = -1 };
}

void puppet_child_close(struct puppet_child *c, int fd)
{
    if (c->fds[fd] >= 0)
        close(c->fds[fd]);
    c->fds[fd] = -1;
}

void puppet_child_fini(struct puppet_child *c)
{
    for (int fd = 0; fd < 3; fd++) {
        puppet_child_close(c, fd);
        buf_fini(&c->got[fd]);
    }
    if (c->pid > 0) {
        kill(c->pid, SIGKILL);
        waitpid(c->pid, NULL, 0);
    }
    puppet_child_init(c);
}

_Noreturn static void be_puppet(const struct puppet_child *c, int theirs[3], char *const *argv)
{
    for (int fd = 0; fd < 3; fd++) {
        if (dup2(theirs[fd], fd) < 0)
            _exit(99);
    }
    if (c->pass_fd >= 0)
        fcntl(c->pass_fd, F_SETFD, 0);
    execv(argv[0], argv);
    _exit(99);
}

bool puppet_child_start(struct puppet_child *c, const char *const *args)
{
    char *argv[ARGS_MAX + 2] = { getenv("STANDBOX_PUPPET") };
    int theirs[3], pair[2];
    for (size_t i = 0; args[i] != NULL && i < ARGS_MAX; i++)
        argv[i + 1] = (char *) (uintptr_t) args[i];
    if (argv[0] == NULL)
        return false;
    for (int fd = 0; fd < 3; fd++) {
        if (pipe2(pair, O_CLOEXEC | (fd == 1 && c->packets ? O_DIRECT : 0)) < 0)
            return false;
        theirs[fd] = pair[fd == 0 ? 0 : 1];
        c->fds[fd] = pair[fd == 0 ? 1 : 0];
    }
    c->pid = fork();
    if (c->pid == 0)
        be_puppet(c, theirs, argv);
    for (int fd = 0; fd < 3; fd++)
        close(theirs[fd]);
    return c->pid > 0;
}

bool puppet_child_steps(struct puppet_child *c, const char *steps)
{
    return puppet_child_start(c, (const char *const[]){ "--steps", steps, NULL });
}

bool puppet_child_send(struct puppet_child *c, const char *text)
{
    size_t len = strlen(text);
    return write(c->fds[0], text, len) == (ssize_t) len;
}

static bool is_there(const struct puppet_child *c, int fd, const char *text)
{
    const struct buf *got = &c->got[fd];
    if (text == NULL)
        return c->fds[fd] < 0;
    return got->len > 0 && memmem(got->data, got->len, text, strlen(text)) != NULL;
}

static void read_output(struct puppet_child *c, int fd)
{
    char chunk[65536];
    ssize_t n = read(c->fds[fd], chunk, sizeof chunk);
    if (n > 0)
        buf_add(&c->got[fd], chunk, (size_t) n);
    else if (n == 0)
        puppet_child_close(c, fd);
}

static int left_ms(int64_t until_ns)
{
    int64_t left = (until_ns - mono_ns()) / 1000000;
    return left > 0 ? (int) left : 0;
}

bool puppet_child_await(struct puppet_child *c, int fd, const char *text)
{
    int64_t until_ns = mono_ns() + DEADLINE_MS * 1000000LL;
    while (!is_there(c, fd, text)) {
        struct pollfd fds[2] = { { .fd = c->fds[1], .events = POLLIN }, { .fd = c->fds[2], .events = POLLIN } };
        if (c->fds[fd] < 0 || poll(fds, 2, left_ms(until_ns)) <= 0) {
            fprintf(stderr, "not seen on %d: %s\nthere is: %s\n", fd, text != NULL ? text : "(end)",
                    buf_cstr(&c->got[fd]));
            return false;
        }
        for (int i = 0; i < 2; i++) {
            if (fds[i].revents != 0)
                read_output(c, i + 1);
        }
    }
    return true;
}

bool puppet_child_readable(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    return poll(&p, 1, DEADLINE_MS) == 1;
}

bool puppet_child_wait(struct puppet_child *c)
{
    int fd = (int) syscall(SYS_pidfd_open, c->pid, 0);
    bool is_over = fd >= 0 && puppet_child_readable(fd) && waitpid(c->pid, &c->status, 0) == c->pid;
    close(fd);
    if (is_over)
        c->pid = 0;
    return is_over;
}

bool puppet_child_finish(struct puppet_child *c)
{
    puppet_child_close(c, 0);
    return puppet_child_await(c, 1, NULL) && puppet_child_await(c, 2, NULL) && puppet_child_wait(c);
}

bool puppet_child_exits(struct puppet_child *c, const char *steps, int code)
{
    if (!puppet_child_steps(c, steps) || !puppet_child_finish(c))
        return false;
    bool as_told = WIFEXITED(c->status) && WEXITSTATUS(c->status) == code;
    if (!as_told)
        fprintf(stderr, "status 0x%x, stderr: %s\n", (unsigned) c->status, buf_cstr(&c->got[2]));
    return as_told;
}

void puppet_child_adopt_orphans(void)
{
    prctl(PR_SET_CHILD_SUBREAPER, 1);
}

void puppet_child_reap_orphans(void)
{
    alarm(DEADLINE_MS / 1000);
    while (waitpid(-1, NULL, 0) > 0)
        continue;
    alarm(0);
}
