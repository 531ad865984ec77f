#include "engine/link.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* 30 ms on an idle machine; on a very busy one the making of namespaces has been seen to take more than 10 s. */
#define READY_LIMIT_MS 30000
#define EXIT_LIMIT_MS 1000
#define AGAIN_MS 10
#define KEEPER_SOCKET_FD 3

/* A request for which the socket had no room: it has descriptors of its own. */
struct parcel {
    struct parcel *next;
    struct keeper_request request;
    int fds[KEEPER_MAX_FDS];
    size_t fd_count, len;
    char text[];
};

struct link {
    struct source source;        /* first; its descriptor is open until link_free: others may be sending */
    struct link_config config;
    pid_t pid;
    pthread_mutex_t lock;        /* everything below */
    bool ended;
    struct parcel *first, **last;   /* while there are any, the socket is watched for room, or `again` runs */
    struct timer again;             /* the reactor's */
};

static int copy_to_low_fds(posix_spawn_file_actions_t *actions, int sock, int errors)
{
    /* Sources are far above 3 or equal to it; dup2 onto itself would keep close-on-exec, so go through it. */
    int rc = posix_spawn_file_actions_addopen(actions, 0, "/dev/null", O_RDWR, 0);
    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2(actions, 0, 1);
    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2(actions, errors, 2);
    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2(actions, sock, KEEPER_SOCKET_FD);
    if (rc == 0)
        rc = posix_spawn_file_actions_addclosefrom_np(actions, KEEPER_SOCKET_FD + 1);
    return rc;
}

static int spawn_keeper(pid_t *out_pid, const struct link_config *config, int sock, int errors)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &all);
    /* A group of its own, so that ^C in the server's terminal does not reach it. */
    posix_spawnattr_setpgroup(&attr, 0);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    int rc = copy_to_low_fds(&actions, sock, errors);
    if (rc == 0)
        rc = posix_spawn(out_pid, config->argv[0], &actions, &attr, config->argv, config->env);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&actions);
    return rc;
}

static void read_complaint(int errors, char *out, size_t room)
{
    size_t len = 0;
    ssize_t n;
    while (len + 1 < room && (n = read(errors, out + len, room - 1 - len)) > 0)
        len += (size_t) n;
    while (len > 0 && out[len - 1] == '\n')
        len--;
    out[len] = '\0';
    for (size_t i = 0; i < len; i++)
        if (out[i] == '\n')
            out[i] = ' ';
}

static int wait_until_ready(int sock, int errors, struct err *err)
{
    struct keeper_report report;
    int fds[KEEPER_MAX_FDS];
    size_t fd_count;
    struct pollfd p = { .fd = sock, .events = POLLIN };
    int rc;
    do
        rc = poll(&p, 1, READY_LIMIT_MS);
    while (rc < 0 && errno == EINTR);
    if (rc == 0)
        return err_set(err, ERR_TIMEOUT, 0, "the sandbox's keeper is not ready after %d s",
                       READY_LIMIT_MS / 1000);
    ssize_t n = keeper_receive(sock, &report, sizeof report, fds, &fd_count, 0);
    if (n == (ssize_t) sizeof report && report.event == KEEPER_READY)
        return 0;
    char complaint[300];
    read_complaint(errors, complaint, sizeof complaint);
    return err_set(err, ERR_IO, 0, "the sandbox's keeper did not start: %s",
                   complaint[0] != '\0' ? complaint : "it said nothing");
}

/* ---- what waits for room: all of these with the lock held ------------------------------- */

static void free_parcel(struct parcel *parcel)
{
    for (size_t i = 0; i < parcel->fd_count; i++)
        close(parcel->fds[i]);
    free(parcel);
}

static void drop_first(struct link *link)
{
    struct parcel *parcel = link->first;
    link->first = parcel->next;
    if (link->first == NULL)
        link->last = &link->first;
    free_parcel(parcel);
}

static struct parcel *make_parcel(const struct keeper_request *request, const void *text, size_t len, const int *fds,
                                  size_t fd_count)
{
    struct parcel *parcel = malloc(sizeof *parcel + len);
    if (parcel == NULL)
        return NULL;
    *parcel = (struct parcel) { .request = *request, .len = len };
    if (len > 0)
        memcpy(parcel->text, text, len);
    while (parcel->fd_count < fd_count) {
        int fd = fcntl(fds[parcel->fd_count], F_DUPFD_CLOEXEC, 3);
        if (fd < 0) {
            free_parcel(parcel);
            return NULL;
        }
        parcel->fds[parcel->fd_count++] = fd;
    }
    return parcel;
}

static int put_off(struct link *link, struct parcel *parcel)
{
    if (parcel == NULL)
        return -1;
    if (link->first == NULL)
        reactor_change(link->config.reactor, &link->source, EPOLLIN | EPOLLOUT);
    *link->last = parcel;
    link->last = &parcel->next;
    return 0;
}

/* There was room, but no memory for it, or too many descriptors are on their way.  (That the keeper is gone is told by the
   end of the link.) */
static void try_again_later(struct link *link)
{
    if (timer_set_real(link->config.reactor, &link->again, AGAIN_MS) == 0)
        reactor_change(link->config.reactor, &link->source, EPOLLIN);
}

static int send_parcel(const struct link *link, const struct parcel *p)
{
    return keeper_send(link->source.fd, &p->request, sizeof p->request, p->text, p->len, p->fds, p->fd_count, MSG_DONTWAIT);
}

static void send_parcels(struct link *link)
{
    while (link->first != NULL && send_parcel(link, link->first) == 0)
        drop_first(link);
    if (link->first == NULL)
        reactor_change(link->config.reactor, &link->source, EPOLLIN);
    else if (errno == EAGAIN)
        reactor_change(link->config.reactor, &link->source, EPOLLIN | EPOLLOUT);
    else
        try_again_later(link);
}

static void room_again(void *arg)
{
    struct link *link = arg;
    pthread_mutex_lock(&link->lock);
    if (link->first != NULL)
        send_parcels(link);
    pthread_mutex_unlock(&link->lock);
}

/* ---- reports ---------------------------------------------------------------------------- */

static void end_link(struct link *link)
{
    pthread_mutex_lock(&link->lock);
    link->ended = true;
    while (link->first != NULL)
        drop_first(link);
    timer_cancel(link->config.reactor, &link->again);
    reactor_remove(link->config.reactor, &link->source);
    pthread_mutex_unlock(&link->lock);
    link->config.on_end(link->config.arg);
}

static void link_ready(struct source *source, uint32_t events)
{
    struct link *link = (struct link *) source;
    if ((events & EPOLLOUT) != 0)
        room_again(link);
    while (!link->ended && source->fd >= 0) {
        struct keeper_report report;
        int fds[KEEPER_MAX_FDS];
        size_t fd_count;
        ssize_t n = keeper_receive(source->fd, &report, sizeof report, fds, &fd_count, MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n != (ssize_t) sizeof report) {
            end_link(link);
            return;
        }
        for (size_t i = 1; i < fd_count; i++)
            close(fds[i]);
        link->config.on_report(link->config.arg, &report, fd_count > 0 ? fds[0] : -1);
    }
}

static void reap_after_failure(pid_t pid)
{
    kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
}

struct spawn_call {
    const struct link_config *config;
    int sock, errors;
    pid_t pid;
    int rc;
};

static void spawn_on_reactor(void *arg)
{
    struct spawn_call *call = arg;
    call->rc = spawn_keeper(&call->pid, call->config, call->sock, call->errors);
}

/* Numbers below the keeper's place for its socket would be trodden on while it is put there. */
static int lift_fd(int fd)
{
    int lifted = fcntl(fd, F_DUPFD_CLOEXEC, 10);
    close(fd);
    return lifted;
}

int link_start(struct link **out_link, const struct link_config *config, struct err *err)
{
    int pair[2], errors[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return err_set(err, ERR_IO, errno, "make the keeper's socket");
    if (pipe2(errors, O_CLOEXEC) != 0) {
        err_set(err, ERR_IO, errno, "make the keeper's error pipe");
        close(pair[0]);
        close(pair[1]);
        return -1;
    }
    struct link *link = calloc(1, sizeof *link);
    pair[1] = lift_fd(pair[1]);
    errors[1] = lift_fd(errors[1]);
    struct spawn_call call = { .config = config, .sock = pair[1], .errors = errors[1], .pid = -1 };
    if (link == NULL || call.sock < 0 || call.errors < 0)
        call.rc = link == NULL ? ENOMEM : EMFILE;
    else
        reactor_call(config->reactor, spawn_on_reactor, &call);
    pid_t pid = call.rc == 0 ? call.pid : -1;
    close(pair[1]);
    close(errors[1]);
    int failed = call.rc != 0 ? err_set(err, ERR_IO, call.rc, "start %s", config->argv[0])
                              : wait_until_ready(pair[0], errors[0], err);
    close(errors[0]);
    if (failed == 0) {
        *link = (struct link) { .source = { .fd = pair[0], .ready = link_ready }, .config = *config,
                                .pid = pid };
        link->last = &link->first;
        link->again = (struct timer) { .fire = room_again, .arg = link };
        pthread_mutex_init(&link->lock, NULL);
        failed = reactor_add(config->reactor, &link->source, EPOLLIN, err);
    }
    if (failed != 0) {
        close(pair[0]);
        if (pid > 0)
            reap_after_failure(pid);
        free(link);
        return -1;
    }
    *out_link = link;
    return 0;
}

/* With the lock held. */
static int send_or_put_off(struct link *link, const struct keeper_request *request, const void *text, size_t len,
                           const int *fds, size_t fd_count)
{
    if (link->ended) {
        errno = EPIPE;
        return -1;
    }
    if (link->first == NULL) {
        if (keeper_send(link->source.fd, request, sizeof *request, text, len, fds, fd_count, MSG_DONTWAIT) == 0)
            return 0;
        if (errno != EAGAIN)
            return -1;
    }
    return put_off(link, make_parcel(request, text, len, fds, fd_count));
}

int link_send(struct link *link, const struct keeper_request *request, const void *text, size_t len,
              const int *fds, size_t fd_count, struct err *err)
{
    pthread_mutex_lock(&link->lock);
    int rc = send_or_put_off(link, request, text, len, fds, fd_count), errnum = errno;
    pthread_mutex_unlock(&link->lock);
    return rc == 0 ? 0 : err_set(err, ERR_IO, errnum, "reach the sandbox's keeper");
}

pid_t link_pid(const struct link *link)
{
    return link->pid;
}

static void close_on_reactor(void *arg)
{
    struct link *link = arg;
    timer_cancel(link->config.reactor, &link->again);
    reactor_close(link->config.reactor, &link->source);
}

/* Wait with a limit, through a pidfd: there is no waitpid with a deadline. */
static bool has_exited(pid_t pid, int limit_ms)
{
    int fd = (int) syscall(SYS_pidfd_open, pid, 0);
    if (fd < 0)
        return errno == ESRCH;
    struct pollfd p = { .fd = fd, .events = POLLIN };
    int rc;
    do
        rc = poll(&p, 1, limit_ms);
    while (rc < 0 && errno == EINTR);
    close(fd);
    return rc > 0;
}

void link_wake(const struct link *link)
{
    kill(link->pid, SIGCONT);
}

bool link_free(struct link *link)
{
    if (link == NULL)
        return true;
    reactor_call(link->config.reactor, close_on_reactor, link);
    bool by_itself = has_exited(link->pid, EXIT_LIMIT_MS);
    if (!by_itself)
        kill(link->pid, SIGKILL);
    while (waitpid(link->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    while (link->first != NULL)
        drop_first(link);
    pthread_mutex_destroy(&link->lock);
    free(link);
    return by_itself;
}
