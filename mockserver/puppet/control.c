#include "puppet/control.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/jsonw.h"
#include "puppet/puppet.h"
#include "puppet/wait.h"

#define LINE_MAX_BYTES 4096
#define SETTLE_NS        INT64_C(2000000000)
#define SETTLE_GLANCE_NS INT64_C(200000)
#define TIME_MAX_MS    (INT64_C(1) << 53) /* as far as JSON's numbers are exact */

struct wish {
    int64_t id;
    bool is_granted;
    int64_t at_ms; /* the controller's time, if it told */
    struct wish *older;
};

int control_init(struct control *c, int fd)
{
    int type;
    socklen_t len = sizeof type;
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0)
        return -1;
    if (type != SOCK_STREAM) {
        errno = EPROTOTYPE;
        return -1;
    }
    c->fd = fd;
    return 0;
}

/* ---- asking ------------------------------------------------------------------------- */

static void send_line(struct puppet *p, const struct step *step, const struct buf *line)
{
    size_t sent = 0;
    if (line->failed)
        puppet_fail(step, ENOMEM, "control socket");
    while (sent < line->len) {
        wait_for_fd(p, p->control.fd, POLLOUT);
        ssize_t n = send(p->control.fd, line->data + sent, line->len - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            puppet_fail(step, errno, "control socket");
        sent += n > 0 ? (size_t) n : 0;
    }
}

/* ---- answers ------------------------------------------------------------------------ */

static void grant(struct control *c, int64_t id, int64_t at_ms)
{
    for (struct wish *wish = c->newest; wish != NULL; wish = wish->older) {
        if (id == 0 || wish->id == id) {
            wish->is_granted = true;
            wish->at_ms = at_ms;
            return;
        }
    }
}

static void take_line(struct puppet *p, const struct step *step, const char *line, size_t len)
{
    bool go = false;
    int64_t id = 0, at_ms = -1;
    struct err err = ERR_INIT;
    struct cJSON *json = json_parse(line, len, &err);
    int rc = json == NULL ? -1 : json_get_bool(json, "go", &go, NULL, &err);
    if (rc == 0)
        rc = json_get_int(json, "id", 1, INT64_MAX / 2, &id, NULL, &err);
    if (rc == 0)
        rc = json_get_int(json, "at_ms", 0, TIME_MAX_MS, &at_ms, NULL, &err);
    json_free(json);
    if (rc < 0)
        puppet_fail(step, 0, "control socket: %s", err.text);
    if (!go)
        puppet_fail(step, 0, "control socket: a line without \"go\": true");
    grant(&p->control, id, at_ms);
}

static void take_lines(struct puppet *p, const struct step *step)
{
    struct buf *in = &p->control.input;
    char *end;
    while (in->len > 0 && (end = memchr(in->data, '\n', in->len)) != NULL) {
        size_t len = (size_t) (end - in->data) + 1;
        take_line(p, step, in->data, len);
        memmove(in->data, in->data + len, in->len - len);
        in->len -= len;
    }
    if (in->len > LINE_MAX_BYTES)
        puppet_fail(step, 0, "control socket: a line of more than %d bytes", LINE_MAX_BYTES);
}

static void receive(struct puppet *p, const struct step *step)
{
    char chunk[512];
    ssize_t n = recv(p->control.fd, chunk, sizeof chunk, MSG_DONTWAIT);
    if (n == 0)
        puppet_fail(step, 0, "the control socket was closed");
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n < 0)
        puppet_fail(step, errno, "control socket");
    buf_add(&p->control.input, chunk, (size_t) n);
    if (p->control.input.failed)
        puppet_fail(step, ENOMEM, "control socket");
    take_lines(p, step);
}

/* ---- wishes ------------------------------------------------------------------------- */

static bool is_unread(int fd)
{
    struct stat st;
    int unread = 0;
    return fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode) && ioctl(fd, FIONREAD, &unread) == 0 && unread > 0;
}

/* Who sees a puppet at a barrier, or asleep, can rely on it: what it wrote before has been read, and what it writes
   afterwards is a piece of its own.  A pipe that nobody reads holds it up only for a while. */
static void settle_output(struct puppet *p)
{
    int64_t end = mono_ns() + SETTLE_NS;
    while ((is_unread(STDOUT_FILENO) || is_unread(STDERR_FILENO)) && mono_ns() < end)
        wait_until(p, mono_ns() + SETTLE_GLANCE_NS);
}

/* `w` lacks the id and the end.  Returns the controller's time, or -1. */
static int64_t make_wish(struct puppet *p, const struct step *step, struct jsonw *w)
{
    struct control *c = &p->control;
    settle_output(p);
    struct wish wish = { .id = ++c->last_id, .at_ms = -1, .older = c->newest };
    jsonw_int(w, "id", wish.id);
    jsonw_end_object(w);
    buf_char(w->out, '\n');
    send_line(p, step, w->out);
    /* Known only once it is sent: a handler's go without an id must not meet a wish nobody has heard of. */
    wish.older = c->newest;
    c->newest = &wish;
    while (!wish.is_granted) {
        struct wait what = { .fd = c->fd, .events = POLLIN, .until_ns = WAIT_FOREVER, .done = &wish.is_granted };
        if (wait_for(p, &what) && !wish.is_granted)
            receive(p, step);
    }
    c->newest = wish.older;
    return wish.at_ms;
}

void control_barrier(struct puppet *p, const struct step *step)
{
    BUF_AUTO line = BUF_INIT;
    struct jsonw w;
    jsonw_init(&w, &line);
    jsonw_object(&w, NULL);
    jsonw_bytes(&w, "barrier", step->text.data, step->text.len);
    make_wish(p, step, &w);
}

static int64_t wish_to_sleep(struct puppet *p, const struct step *step, const char *how, int64_t ms)
{
    BUF_AUTO line = BUF_INIT;
    struct jsonw w;
    jsonw_init(&w, &line);
    jsonw_object(&w, NULL);
    jsonw_int(&w, how, ms);
    return make_wish(p, step, &w);
}

int64_t control_sleep_ms(struct puppet *p, const struct step *step, int64_t ms)
{
    return wish_to_sleep(p, step, "sleep_ms", ms);
}

int64_t control_sleep_until(struct puppet *p, const struct step *step, int64_t at_ms)
{
    return wish_to_sleep(p, step, "until_ms", at_ms);
}

/* ---- forks -------------------------------------------------------------------------- */

int control_before_fork(struct puppet *p, const struct step *step)
{
    static const char line[] = "{\"fork\":true}\n";
    int pair[2];
    if (p->control.fd < 0)
        return -1;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        puppet_fail(step, errno, "control socket");
    pair[0] = puppet_lift_fd(pair[0]);
    pair[1] = puppet_lift_fd(pair[1]);
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } rights = { .header = { .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS } };
    memcpy(CMSG_DATA(&rights.header), &pair[1], sizeof(int));
    struct iovec iov = { .iov_base = (void *) (uintptr_t) line, .iov_len = sizeof line - 1 };
    struct msghdr message = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = rights.room, .msg_controllen = sizeof rights.room
    };
    /* A line this short goes out whole or not at all. */
    while (sendmsg(p->control.fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
        if (errno != EAGAIN && errno != EINTR)
            puppet_fail(step, errno, "control socket");
        wait_for_fd(p, p->control.fd, POLLOUT);
    }
    close(pair[1]);
    return pair[0];
}

void control_in_child(struct control *c, int fd)
{
    if (c->fd < 0)
        return;
    close(c->fd);
    c->fd = fd;
    c->newest = NULL; /* the interrupted steps are the parent's */
    buf_clear(&c->input);
}
