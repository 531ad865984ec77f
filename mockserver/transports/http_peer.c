/*
 * Has the client read what it was sent?
 *
 * Its kernel tells only what has arrived there.  When the client is on this machine, that kernel is ours, and
 * inet_diag(7) knows of every socket how much of it was not read yet.
 */
#include "transports/http_priv.h"

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

#define FIRST_STEP_NS 20000
#define LAST_STEP_NS  2000000

union endpoint {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

struct question {
    struct nlmsghdr head;
    struct inet_diag_req_v2 body;
};

static void put_address(const union endpoint *from, __be32 out[4], __be16 *out_port)
{
    bool is_v6 = from->any.sa_family == AF_INET6;
    memcpy(out, is_v6 ? (const void *) &from->v6.sin6_addr : (const void *) &from->v4.sin_addr, is_v6 ? 16 : 4);
    *out_port = is_v6 ? from->v6.sin6_port : from->v4.sin_port;
}

/* About the other end of our socket. */
static int make_question(int fd, struct question *out)
{
    union endpoint ours, theirs;
    socklen_t our_size = sizeof ours, their_size = sizeof theirs;
    if (getsockname(fd, &ours.any, &our_size) != 0 || getpeername(fd, &theirs.any, &their_size) != 0)
        return -1;
    *out = (struct question) {
        .head = { .nlmsg_len = sizeof *out, .nlmsg_type = SOCK_DIAG_BY_FAMILY, .nlmsg_flags = NLM_F_REQUEST },
        .body = { .sdiag_family = (__u8) ours.any.sa_family, .sdiag_protocol = IPPROTO_TCP, .idiag_states = ~0u,
                  .id = { .idiag_cookie = { INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE } } },
    };
    put_address(&theirs, out->body.id.idiag_src, &out->body.id.idiag_sport);
    put_address(&ours, out->body.id.idiag_dst, &out->body.id.idiag_dport);
    return 0;
}

/* Bytes that it has not read yet; -1: cannot be known, mostly since it is on another machine. */
static int64_t ask_unread(int netlink, const struct question *question)
{
    union {
        struct nlmsghdr head;
        char bytes[2048];
    } answer;
    struct inet_diag_msg message;
    if (send(netlink, question, sizeof *question, 0) != (ssize_t) sizeof *question)
        return -1;
    ssize_t n = recv(netlink, &answer, sizeof answer, 0);
    if (n < (ssize_t) NLMSG_LENGTH(sizeof message) || answer.head.nlmsg_type != SOCK_DIAG_BY_FAMILY)
        return -1;
    memcpy(&message, NLMSG_DATA(&answer.head), sizeof message);
    return message.idiag_rqueue;
}

/* The client's end, or the server's stop, ends the pause. */
static int pause_a_little(struct http_conn *conn, struct timespec *step)
{
    struct pollfd p = { .fd = conn->fd };
    if (ppoll(&p, 1, step, NULL) > 0 || atomic_load(&conn->server->stopping))
        return -1;
    step->tv_nsec = step->tv_nsec < LAST_STEP_NS ? step->tv_nsec * 2 : LAST_STEP_NS;
    return 0;
}

static int await_empty(struct http_conn *conn, int netlink, const struct question *question, int64_t until_ns)
{
    struct timespec step = { 0, FIRST_STEP_NS };
    for (;;) {
        int64_t unread = ask_unread(netlink, question);
        if (unread <= 0)
            return 1;
        if (mono_ns() >= until_ns)
            return 0;
        if (pause_a_little(conn, &step) < 0)
            return -1;
    }
}

int peer_await_read(struct http_conn *conn, int64_t until_ns)
{
    struct question question;
    if (wire_await_sent(conn) < 0)
        return -1;
    int netlink = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    int rc = netlink < 0 || make_question(conn->fd, &question) < 0 ? 1
                                                                   : await_empty(conn, netlink, &question, until_ns);
    if (netlink >= 0)
        close(netlink);
    return rc;
}
