/* Sockets of puppets: lines in, wishes kept, answers out. */
#include <cjson/cJSON.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/json.h"
#include "lanes/puppeteer_priv.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

#define READ_BYTES   4096
#define ROOM_FOR_FDS 4
#define INPUT_KEPT   4096            /* memory that an idle strand may keep */
#define ID_MAX       (INT64_C(1) << 53) /* as far as JSON's numbers are exact */
#define TIME_MAX_MS  ID_MAX

/* ---- life ----------------------------------------------------------------------------- */

int troupe_new(struct puppeteer *p, const char *lane, struct clock *clock, struct troupe **out, struct err *err)
{
    struct troupe *troupe = calloc(1, sizeof *troupe);
    if (troupe == NULL)
        return err_set(err, ERR_NOMEM, 0, "puppet");
    if (reactor_use_clock(p->reactor, clock, err) < 0) {
        free(troupe);
        return -1;
    }
    memcpy(troupe->lane, lane, strlen(lane) + 1);
    troupe->clock = clock;
    *out = troupe;
    return 0;
}

void troupe_free(struct puppeteer *p, struct troupe *troupe)
{
    reactor_drop_clock(p->reactor, troupe->clock);
    free(troupe);
}

/* Its clock may be in the middle of a change that waits for this thread, so another one has to free it. */
static void troupe_leave(struct puppeteer *p, struct troupe *troupe)
{
    if (--troupe->count > 0)
        return;
    pthread_mutex_lock(&p->lock);
    troupe->next = p->retired;
    p->retired = troupe;
    pthread_mutex_unlock(&p->lock);
}

static void wish_free(struct wish *wish)
{
    struct strand *strand = wish->strand;
    struct puppeteer *p = strand->owner;
    timer_cancel(p->reactor, &wish->timer);
    if (wish->barrier != NULL)
        barrier_leave(p, wish);
    ring_remove(&wish->of_strand);
    strand->wish_count--;
    p->counts.wishes--;
    free(wish);
}

static void close_came_fds(struct strand *strand)
{
    while (strand->fds_count > 0)
        close(strand->came_fds[--strand->fds_count]);
}

static void bury(void *arg)
{
    struct strand *strand = arg;
    buf_fini(&strand->input);
    free(strand);
}

void strand_close(struct strand *strand)
{
    struct puppeteer *p = strand->owner;
    struct ring *next;
    if (strand->source.fd < 0)
        return;
    reactor_close(p->reactor, &strand->source);
    for (struct ring *at = strand->wishes.next; at != &strand->wishes; at = next) {
        next = at->next;
        wish_free(RING_OWNER(at, struct wish, of_strand));
    }
    close_came_fds(strand);
    ring_remove(&strand->all);
    p->counts.puppets--;
    troupe_leave(p, strand->troupe);
    strand->troupe = NULL;
    strand->burial = (struct reactor_job){ .fn = bury, .arg = strand };
    reactor_defer(p->reactor, &strand->burial);
}

static void refuse(struct strand *strand)
{
    if (strand->source.fd < 0)
        return;
    strand->owner->counts.refused++;
    strand_close(strand);
}

/* ---- answers -------------------------------------------------------------------------- */

void strand_grant(struct wish *wish)
{
    struct strand *strand = wish->strand;
    char line[96], at[40] = "";
    if (wish->is_sleep)
        snprintf(at, sizeof at, ",\"at_ms\":%" PRId64, wish->at_ms);
    int len = snprintf(line, sizeof line, "{\"go\":true,\"id\":%" PRId64 "%s}\n", wish->id, at);
    wish_free(wish);
    /* A puppet reads while it waits, so there is room for its few answers, or it is none. */
    ssize_t sent = send(strand->source.fd, line, (size_t) len, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent == len)
        return;
    if (sent < 0 && (errno == EPIPE || errno == ECONNRESET))
        strand_close(strand);
    else
        refuse(strand);
}

static void wake(void *arg)
{
    strand_grant(arg);
}

/* ---- wishes --------------------------------------------------------------------------- */

/* The functions below return 0, or -1 for what no puppet says (or no memory). */

static int add_wish(struct strand *strand, const struct cJSON *json, struct wish **out_wish)
{
    int64_t id = 0;
    if (json_get_int(json, "id", 1, ID_MAX, &id, NULL, NULL) < 0 || id == 0)
        return -1;
    if (strand->wish_count == PUPPETEER_WISHES)
        return -1;
    for (struct ring *at = strand->wishes.next; at != &strand->wishes; at = at->next) {
        if (RING_OWNER(at, struct wish, of_strand)->id == id)
            return -1;
    }
    struct wish *wish = calloc(1, sizeof *wish);
    if (wish == NULL)
        return -1;
    wish->strand = strand;
    wish->id = id;
    wish->timer.fire = wake;
    wish->timer.arg = wish;
    ring_init(&wish->of_barrier);
    ring_add(&strand->wishes, &wish->of_strand);
    strand->wish_count++;
    strand->owner->counts.wishes++;
    *out_wish = wish;
    return 0;
}

static int take_barrier(struct strand *strand, const struct cJSON *json)
{
    struct puppeteer *p = strand->owner;
    struct wish *wish;
    BUF_AUTO name = BUF_INIT;
    if (json_get_text(json, "barrier", &name, NULL, NULL) < 0 || name.failed || name.len == 0 ||
        name.len >= BARRIER_NAME_BYTES || add_wish(strand, json, &wish) < 0)
        return -1;
    struct barrier *barrier = barrier_make(p, strand->troupe->lane, name.data);
    if (barrier == NULL)
        return -1;
    if (barrier->info.open)
        strand_grant(wish);
    else
        barrier_join(p, barrier, wish);
    return 0;
}

static int sleep_until(struct strand *strand, const struct cJSON *json, int64_t at_ms)
{
    struct puppeteer *p = strand->owner;
    struct clock *clock = strand->troupe->clock;
    struct wish *wish;
    if (add_wish(strand, json, &wish) < 0)
        return -1;
    wish->is_sleep = true;
    wish->at_ms = at_ms;
    if (at_ms <= clock_now_ms(clock)) {
        strand_grant(wish);
        return 0;
    }
    struct barrier *sleepers = barrier_make(p, strand->troupe->lane, NULL);
    if (sleepers == NULL)
        return -1;
    if (timer_set_api(p->reactor, &wish->timer, clock, at_ms) < 0) {
        barrier_tidy(p, sleepers);
        return -1;
    }
    barrier_join(p, sleepers, wish);
    return 0;
}

/* Its time counts from here on, whatever becomes of the clock. */
static int take_sleep(struct strand *strand, const struct cJSON *json)
{
    int64_t ms = -1;
    if (json_get_int(json, "sleep_ms", 0, TIME_MAX_MS, &ms, NULL, NULL) < 0 || ms < 0)
        return -1;
    return sleep_until(strand, json, clock_deadline(strand->troupe->clock, ms));
}

static int take_until(struct strand *strand, const struct cJSON *json)
{
    int64_t at_ms = -1;
    if (json_get_int(json, "until_ms", 0, TIME_MAX_MS, &at_ms, NULL, NULL) < 0 || at_ms < 0)
        return -1;
    return sleep_until(strand, json, at_ms);
}

static bool is_stream_socket(int fd)
{
    int domain = 0, type = 0;
    socklen_t domain_len = sizeof domain, type_len = sizeof type;
    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &domain_len) == 0 && domain == AF_UNIX &&
           getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_len) == 0 && type == SOCK_STREAM;
}

static int take_fork(struct strand *strand, const struct cJSON *json)
{
    struct puppeteer *p = strand->owner;
    bool forks = false;
    if (json_get_bool(json, "fork", &forks, NULL, NULL) < 0 || !forks || strand->fds_count == 0)
        return -1;
    int fd = strand->came_fds[0];
    strand->came_fds[0] = strand->came_fds[1];
    strand->fds_count--;
    if (!is_stream_socket(fd)) {
        close(fd);
        return -1;
    }
    /* The forking one has done nothing wrong: only what is too much loses its controller. */
    if (strand->troupe->count < PUPPETEER_TREE) {
        (void) strand_begin(p, strand->troupe, fd, NULL);
        return 0;
    }
    close(fd);
    p->counts.refused++;
    return 0;
}

static const struct shape {
    const char *key;
    int members; /* of the whole object */
    int (*take)(struct strand *strand, const struct cJSON *json);
} shapes[] = {
    { "barrier", 2, take_barrier },
    { "sleep_ms", 2, take_sleep },
    { "until_ms", 2, take_until },
    { "fork", 1, take_fork },
};

static int take_json(struct strand *strand, const struct cJSON *json)
{
    if (!json_is_object(json))
        return -1;
    for (size_t i = 0; i < COUNT(shapes); i++) {
        if (json_get(json, shapes[i].key) != NULL)
            return cJSON_GetArraySize(json) == shapes[i].members ? shapes[i].take(strand, json) : -1;
    }
    return -1;
}

/* ---- lines ---------------------------------------------------------------------------- */

static int take_line(struct strand *strand, const char *line, size_t len)
{
    struct err err = ERR_INIT;
    struct cJSON *json = len <= PUPPETEER_LINE_BYTES ? json_parse(line, len, &err) : NULL;
    int rc = json != NULL ? take_json(strand, json) : -1;
    json_free(json);
    return rc;
}

/* The strand may be closed in between, when it does not take an answer. */
static int take_lines(struct strand *strand)
{
    struct buf *in = &strand->input;
    size_t done = 0;
    const char *end;
    while (strand->source.fd >= 0 && done < in->len && (end = memchr(in->data + done, '\n', in->len - done)) != NULL) {
        size_t len = (size_t) (end - in->data) - done;
        if (take_line(strand, in->data + done, len) < 0)
            return -1;
        done += len + 1;
    }
    in->len -= done;
    if (in->len > 0)
        memmove(in->data, in->data + done, in->len);
    else if (in->cap > INPUT_KEPT)
        buf_fini(in);
    if (in->len > PUPPETEER_LINE_BYTES)
        return -1;
    /* What came with a fork's line was taken with it; one may belong to a line in the making. */
    return strand->fds_count <= (in->len > 0 ? 1 : 0) ? 0 : -1;
}

/* One each is sent, with its line.  Reading ends behind a message with a descriptor, but such a message may have been
   begun by the read before: so two may be here at once. */
static int keep_fds(struct strand *strand, const struct cmsghdr *header)
{
    size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    int rc = 0;
    for (size_t i = 0; i < count; i++) {
        int fd;
        memcpy(&fd, CMSG_DATA(header) + i * sizeof fd, sizeof fd);
        if (i == 0 && strand->fds_count < COUNT(strand->came_fds)) {
            strand->came_fds[strand->fds_count++] = fd;
        } else {
            close(fd);
            rc = -1;
        }
    }
    return rc;
}

static int take_rights(struct strand *strand, struct msghdr *message)
{
    int rc = (message->msg_flags & MSG_CTRUNC) != 0 ? -1 : 0;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header != NULL; header = CMSG_NXTHDR(message, header)) {
        if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS && keep_fds(strand, header) < 0)
            rc = -1;
    }
    return rc;
}

static void receive(struct source *source, uint32_t events)
{
    struct strand *strand = RING_OWNER(source, struct strand, source);
    char chunk[READ_BYTES];
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(ROOM_FOR_FDS * sizeof(int))];
    } rights;
    struct iovec iov = { .iov_base = chunk, .iov_len = sizeof chunk };
    struct msghdr message = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = rights.room, .msg_controllen = sizeof rights.room
    };
    (void) events;
    if (source->fd < 0)
        return;
    /* Not O_NONBLOCK: of a fork's socket the process has that flag in its own hands. */
    ssize_t n = recvmsg(source->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    int rc = n > 0 ? take_rights(strand, &message) : 0;
    if (n <= 0) {
        strand_close(strand);
        return;
    }
    buf_add(&strand->input, chunk, (size_t) n);
    if (rc < 0 || strand->input.failed || take_lines(strand) < 0)
        refuse(strand);
}

int strand_begin(struct puppeteer *p, struct troupe *troupe, int fd, struct err *err)
{
    struct strand *strand = calloc(1, sizeof *strand);
    if (strand == NULL) {
        close(fd);
        return err_set(err, ERR_NOMEM, 0, "puppet");
    }
    strand->source = (struct source){ .fd = fd, .ready = receive };
    strand->owner = p;
    strand->troupe = troupe;
    ring_init(&strand->wishes);
    if (reactor_add(p->reactor, &strand->source, EPOLLIN, err) < 0) {
        close(fd);
        free(strand);
        return -1;
    }
    troupe->count++;
    p->counts.puppets++;
    ring_add(&p->strands, &strand->all);
    return 0;
}
