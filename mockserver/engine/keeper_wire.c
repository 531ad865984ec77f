#include "engine/keeper_wire.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

int keeper_send(int sock, const void *head, size_t head_len, const void *text, size_t text_len,
                const int *fds, size_t fd_count, int flags)
{
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(sizeof(int) * KEEPER_MAX_FDS)];
    } control;
    struct iovec iov[2] = {
        { .iov_base = (void *) (uintptr_t) head, .iov_len = head_len },
        { .iov_base = (void *) (uintptr_t) text, .iov_len = text_len },
    };
    struct msghdr msg = { .msg_iov = iov, .msg_iovlen = text_len > 0 ? 2 : 1 };
    if (fd_count > KEEPER_MAX_FDS) {
        errno = EINVAL;
        return -1;
    }
    if (fd_count > 0) {
        memset(&control, 0, sizeof control);
        msg.msg_control = control.room;
        msg.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
        struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
        memcpy(CMSG_DATA(c), fds, sizeof(int) * fd_count);
    }
    ssize_t n;
    do
        n = sendmsg(sock, &msg, flags | MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -1 : 0;
}

static size_t take_fds(struct msghdr *msg, int *fds)
{
    size_t count = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        memcpy(fds + count, CMSG_DATA(c), n * sizeof(int));
        count += n;
    }
    return count;
}

ssize_t keeper_receive(int sock, void *data, size_t room, int *fds, size_t *fd_count, int flags)
{
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(sizeof(int) * KEEPER_MAX_FDS)];
    } control;
    struct iovec iov = { .iov_base = data, .iov_len = room };
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.room,
                          .msg_controllen = sizeof control.room };
    ssize_t n;
    do
        n = recvmsg(sock, &msg, flags | MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    *fd_count = n > 0 ? take_fds(&msg, fds) : 0;
    return n;
}

const char *spawn_stage_name(int stage)
{
    static const char *const names[STAGES] = {
        [STAGE_NONE] = "none", [STAGE_KEEPER] = "keeper", [STAGE_MEMORY] = "memory",
        [STAGE_PTY] = "pty",   [STAGE_FORK] = "fork",     [STAGE_USER] = "user",
        [STAGE_CWD] = "cwd",   [STAGE_EXEC] = "exec",
    };
    return stage >= 0 && stage < STAGES ? names[stage] : "unknown";
}
