/*
 * standbox-warden: runs one command and leaves nothing of it behind.
 *
 * Started by conformance/link/child.c, never by people.  Descriptors 0 to 2 are the command's, 3 is the owner's socket
 * (wire.h).  It is one small single-threaded program per command, so that it outlives its owner's SIGKILL: the end of
 * the socket is the word to kill.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "warden/tree.h"
#include "warden/wire.h"

#define ROUND_MS     20    /* between two rounds of killing when no child ends */
#define HUNTS        100   /* looks at our children, some 13 us each, before all of /proc is read */
#define GIVE_UP_MS   5000  /* on what may not be killed, or does not die of it */

extern char **environ;

struct warden {
    pid_t leader;          /* the command */
    bool leader_reaped;
    bool ended;            /* ENDED was said */
    bool owner_gone;
    bool enough;           /* kill everything now */
    int signals;           /* a signalfd for SIGCHLD */
    int64_t grace_ms;
};

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* An owner that has gone hears nothing any more, which is noticed when reading. */
static void report(enum warden_report_kind kind, int value)
{
    struct warden_report message = { kind, value };
    while (send(WARDEN_CONTROL_FD, &message, sizeof message, MSG_NOSIGNAL) < 0 && errno == EINTR)
        ;
}

static void report_end(struct warden *w, int wait_status)
{
    if (!w->ended)
        report(WARDEN_ENDED, wait_status);
    w->ended = true;
}

/* ---- starting -------------------------------------------------------------------------- */

/* The command gets default signals, an empty mask and a group of its own. */
static int spawn(struct warden *w, char **argv)
{
    posix_spawnattr_t attr;
    sigset_t all, none;
    sigfillset(&all);
    sigemptyset(&none);
    int error = posix_spawnattr_init(&attr);
    if (error != 0)
        return error;
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    posix_spawnattr_setpgroup(&attr, 0);
    posix_spawnattr_setsigdefault(&attr, &all);
    posix_spawnattr_setsigmask(&attr, &none);
    error = posix_spawnp(&w->leader, argv[0], NULL, &attr, argv, environ);
    posix_spawnattr_destroy(&attr);
    return error;
}

/* Its pipes must be the command's alone: their ends are seen only when nobody else holds them. */
static int let_go_of_pipes(void)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0)
        return errno;
    for (int fd = 0; fd <= 2; fd++) {
        if (dup2(null, fd) < 0)
            return errno;
    }
    if (null > 2)
        close(null);
    return 0;
}

/* Keys pressed at the terminal and the like are for the owner, whose end we notice by the socket. */
static int prepare(struct warden *w)
{
    static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGTSTP, SIGUSR1, SIGUSR2 };
    sigset_t child;
    for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
        signal(ignored[i], SIG_IGN);
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    if (sigprocmask(SIG_SETMASK, &child, NULL) != 0)
        return errno;
    if (fcntl(WARDEN_CONTROL_FD, F_SETFD, FD_CLOEXEC) != 0)
        return errno;
    /* Descriptors that our owner forgot to close; an old kernel has no such call, and then they stay. */
    (void) close_range(WARDEN_CONTROL_FD + 1, ~0U, 0);
    w->signals = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
    if (w->signals < 0)
        return errno;
    return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0 ? 0 : errno;
}

/* ---- watching -------------------------------------------------------------------------- */

static int status_of(const siginfo_t *info)
{
    if (info->si_code == CLD_EXITED)
        return (info->si_status & 0xFF) << 8;
    return info->si_status | (info->si_code == CLD_DUMPED ? 0x80 : 0);
}

/* Reap orphans.  The command itself stays a zombie for now: its number, which is its group's too, cannot be given to
   others before the group has been killed. */
static void reap_orphans(struct warden *w)
{
    for (;;) {
        siginfo_t info = { .si_pid = 0 };
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0)
            return;
        if (info.si_pid == w->leader) {
            report_end(w, status_of(&info));
            return;
        }
        waitpid(info.si_pid, NULL, WNOHANG);
    }
}

static void drain_signals(const struct warden *w)
{
    struct signalfd_siginfo info;
    while (read(w->signals, &info, sizeof info) > 0)
        ;
}

static void hear_owner(struct warden *w)
{
    struct warden_request request;
    ssize_t n = recv(WARDEN_CONTROL_FD, &request, sizeof request, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n != (ssize_t) sizeof request)
        w->owner_gone = true;
    else if (request.kind == WARDEN_KILL)
        w->enough = true;
    else if (request.kind == WARDEN_SIGNAL && !w->ended)
        kill(w->leader, request.value);
}

/* One event, or `until` (negative: none). */
static void watch(struct warden *w, int64_t until)
{
    struct pollfd fds[] = { { .fd = w->signals, .events = POLLIN },
                            { .fd = w->owner_gone ? -1 : WARDEN_CONTROL_FD, .events = POLLIN } };
    int64_t left = until < 0 ? -1 : until - now_ms();
    if (until >= 0 && left < 0)
        left = 0;
    if (poll(fds, 2, (int) left) < 0)
        return;
    if (fds[0].revents != 0) {
        drain_signals(w);
        reap_orphans(w);
    }
    if (fds[1].revents != 0)
        hear_owner(w);
}

/* Until the command has ended, or has to. */
static void stand_by(struct warden *w)
{
    while (!w->ended && !w->enough && !w->owner_gone)
        watch(w, -1);
    if (w->ended || w->enough || w->grace_ms == 0)
        return;
    kill(w->leader, SIGTERM);
    for (int64_t until = now_ms() + w->grace_ms; !w->ended && now_ms() < until;)
        watch(w, until);
}

/* ---- ending ---------------------------------------------------------------------------- */

/* Reaps all that is dead.  False: there is no child any more, so no descendant. */
static bool reap(struct warden *w)
{
    for (;;) {
        int status;
        pid_t pid = waitpid(-1, &status, WNOHANG);
        if (pid == 0)
            return true;
        if (pid < 0 && errno != EINTR)
            return false;
        if (pid == w->leader) {
            w->leader_reaped = true;
            report_end(w, status);
        }
    }
}

/* False: nobody is left. */
static bool hunt_children(struct warden *w)
{
    bool any = reap(w);
    for (int i = 0; any && i < HUNTS; i++) {
        tree_kill_children();
        any = reap(w);
    }
    return any;
}

/* Kill until nobody is left, however fast they fork.  Returns how many had to be left. */
static int end_everything(struct warden *w)
{
    int refused = 0;
    int64_t until = now_ms() + GIVE_UP_MS;
    kill(-w->leader, SIGKILL);
    do {
        if (!hunt_children(w))
            return 0;
        refused = tree_kill();
        struct pollfd fd = { .fd = w->signals, .events = POLLIN };
        if (poll(&fd, 1, ROUND_MS) > 0)
            drain_signals(w);
    } while (now_ms() < until);
    return !reap(w) ? 0 : refused > 0 ? refused : 1;
}

/* ---- main ------------------------------------------------------------------------------ */

static _Noreturn void usage(int status)
{
    fprintf(status == 0 ? stdout : stderr,
            "usage: standbox-warden [--cwd DIR] [--grace-ms N] -- COMMAND [ARG]...\n"
            "Runs COMMAND, and kills all that it started when it ends or the owner of descriptor 3 does.\n"
            "Started by standbox-conformance; it needs a socket as descriptor 3.\n");
    exit(status);
}

static int64_t parse_ms(const char *text)
{
    char *end;
    errno = 0;
    long long ms = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || ms < 0 || ms > 3600000)
        usage(2);
    return ms;
}

static char **parse(int argc, char **argv, struct warden *w, const char **cwd)
{
    static const struct option options[] = { { "cwd", required_argument, NULL, 'c' },
                                             { "grace-ms", required_argument, NULL, 'g' },
                                             { "help", no_argument, NULL, 'h' },
                                             { NULL, 0, NULL, 0 } };
    int option;
    while ((option = getopt_long(argc, argv, "+h", options, NULL)) != -1) {
        switch (option) {
        case 'c': *cwd = optarg; break;
        case 'g': w->grace_ms = parse_ms(optarg); break;
        case 'h': usage(0);
        default: usage(2);
        }
    }
    if (optind == argc)
        usage(2);
    return argv + optind;
}

static bool has_owner(void)
{
    int type;
    socklen_t len = sizeof type;
    return getsockopt(WARDEN_CONTROL_FD, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_SEQPACKET;
}

int main(int argc, char **argv)
{
    struct warden w = { .signals = -1 };
    const char *cwd = NULL;
    char **command = parse(argc, argv, &w, &cwd);
    if (!has_owner())
        usage(2);
    int error = prepare(&w);
    if (error == 0 && cwd != NULL && chdir(cwd) != 0)
        error = errno;
    if (error == 0)
        error = spawn(&w, command);
    if (error != 0) {
        report(WARDEN_FAILED, error);
        return 1;
    }
    report(WARDEN_STARTED, w.leader);
    if (let_go_of_pipes() == 0)
        stand_by(&w);
    int left = end_everything(&w);
    report(WARDEN_GONE, left);
    return 0;
}
