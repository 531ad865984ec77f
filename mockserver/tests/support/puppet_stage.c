#include "tests/support/puppet_stage.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DEADLINE_MS 30000
#define GLANCE_MS   2
#define FDS_MAX     16

static int64_t deadline_ns(void)
{
    return mono_ns() + DEADLINE_MS * 1000000LL;
}

size_t count_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    size_t count = 0;
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}

bool stage_open(struct stage *s)
{
    struct err err = ERR_INIT;
    s->fds_before = count_fds();
    if (puppeteer_new(&s->puppeteer, &err) < 0 || clock_new(&s->clock, 1, &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        return false;
    }
    clock_freeze(s->clock);
    return true;
}

bool stage_close(struct stage *s)
{
    puppeteer_free(s->puppeteer);
    clock_unref(s->clock);
    return count_fds() == s->fds_before;
}

bool stage_enter(struct stage *s, struct puppet_child *c, const char *lane, struct clock *clock, const char *steps)
{
    struct err err = ERR_INIT;
    char number[16];
    int fd;
    puppet_child_init(c);
    if (puppeteer_add(s->puppeteer, lane, clock != NULL ? clock : s->clock, &fd, &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        return false;
    }
    snprintf(number, sizeof number, "%d", fd);
    c->pass_fd = fd;
    bool is_up = puppet_child_start(
        c, (const char *const[]){ "--control", number, "--clock", "manual", "--steps", steps, NULL });
    close(fd);
    return is_up;
}

bool stage_await(struct stage *s, const char *lane, const char *name, unsigned count)
{
    return puppeteer_await_barrier(s->puppeteer, lane, name, count, deadline_ns(), NULL, NULL);
}

bool stage_settles(struct stage *s, size_t puppets, size_t wishes)
{
    struct puppeteer_counts counts;
    int64_t until_ns = deadline_ns();
    for (;;) {
        puppeteer_get_counts(s->puppeteer, &counts);
        if (counts.puppets == puppets && counts.wishes == wishes)
            return true;
        if (mono_ns() > until_ns)
            break;
        poll(NULL, 0, GLANCE_MS);
    }
    fprintf(stderr, "there are %zu puppets with %zu wishes\n", counts.puppets, counts.wishes);
    return false;
}

size_t stage_wishes(struct stage *s)
{
    struct puppeteer_counts counts;
    puppeteer_get_counts(s->puppeteer, &counts);
    return counts.wishes;
}

size_t stage_refused(struct stage *s)
{
    struct puppeteer_counts counts;
    puppeteer_get_counts(s->puppeteer, &counts);
    return (size_t) counts.refused;
}

/* ---- raw sockets ---------------------------------------------------------------------- */

int raw_enter(struct stage *s, const char *lane)
{
    int fd = -1;
    return puppeteer_add(s->puppeteer, lane, s->clock, &fd, NULL) == 0 ? fd : -1;
}

bool raw_send(int fd, const char *text)
{
    size_t len = strlen(text);
    return send(fd, text, len, MSG_NOSIGNAL) == (ssize_t) len;
}

bool raw_send_fds(int fd, const char *text, const int *fds, size_t count)
{
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(FDS_MAX * sizeof(int))];
    } rights = { .room = { 0 } };
    struct iovec iov = { .iov_base = (void *) (uintptr_t) text, .iov_len = strlen(text) };
    struct msghdr message = { .msg_iov = &iov,
                              .msg_iovlen = 1,
                              .msg_control = rights.room,
                              .msg_controllen = CMSG_SPACE(count * sizeof(int)) };
    rights.header = (struct cmsghdr){ .cmsg_len = CMSG_LEN(count * sizeof(int)),
                                      .cmsg_level = SOL_SOCKET,
                                      .cmsg_type = SCM_RIGHTS };
    memcpy(CMSG_DATA(&rights.header), fds, count * sizeof(int));
    return sendmsg(fd, &message, MSG_NOSIGNAL) == (ssize_t) iov.iov_len;
}

bool raw_gets(int fd, const char *text)
{
    char got[256] = "";
    size_t len = strlen(text), have = 0;
    while (have < len && have < sizeof got - 1) {
        if (!puppet_child_readable(fd))
            return false;
        ssize_t n = recv(fd, got + have, len - have, MSG_DONTWAIT);
        if (n <= 0)
            break;
        have += (size_t) n;
    }
    if (have == len && memcmp(got, text, len) == 0)
        return true;
    fprintf(stderr, "expected %s and got %s\n", text, got);
    return false;
}

bool raw_wakes(int fd, int id, int64_t *out_at_ms)
{
    char head[64], digit = '\0';
    int64_t at_ms = 0;
    snprintf(head, sizeof head, "{\"go\":true,\"id\":%d,\"at_ms\":", id);
    if (!raw_gets(fd, head))
        return false;
    while (puppet_child_readable(fd) && recv(fd, &digit, 1, MSG_DONTWAIT) == 1 && digit >= '0' && digit <= '9')
        at_ms = at_ms * 10 + (digit - '0');
    if (out_at_ms != NULL)
        *out_at_ms = at_ms;
    return digit == '}' && raw_gets(fd, "\n");
}

bool raw_gets_end(int fd)
{
    char got;
    if (!puppet_child_readable(fd))
        return false;
    ssize_t n = recv(fd, &got, 1, MSG_DONTWAIT);
    return n == 0 || (n < 0 && errno == ECONNRESET);
}
