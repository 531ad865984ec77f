#include "link/host.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/text.h"
#include "link/admin.h"
#include "link/talk.h"

#define NS_IN_MS     1000000
#define LINE_BYTES   65536
#define STOP_MS      30000    /* the server itself takes a second; a loaded machine with sanitizers took ten */
#define ORPHAN_MS    3000     /* the same when we are gone: its folders want tidying up */
#define TOKEN_DIGITS 32
#define ERR_LOG_BYTES 300     /* of its stderr, in an error */

struct host {
    char *url, *grpc, *token;
    bool ours;
    struct talk talk;         /* ours: the watcher's while it runs, under the lock */
    pthread_mutex_t lock;
    pthread_t watcher;
    bool watched;
    int stop_fd;              /* ends the watcher */
};

/* ---- watching -------------------------------------------------------------------------- */

static bool is_over(const struct talk *talk)
{
    return talk->drained || talk->child.lost;
}

/* It says nothing after its ready line; should it, nobody cares. */
static void drop_lines(struct talk *talk)
{
    const char *line;
    size_t len;
    enum lines_got got;
    while ((got = lines_next(&talk->lines, &line, &len)) == LINES_ONE)
        ;
    if (got != LINES_NONE) {
        lines_fini(&talk->lines);
        talk->lines = (struct lines) LINES_INIT(LINE_BYTES);
    }
}

/* Reads what the server says until it has ended, or the host has no more use for it. */
static void *watch(void *arg)
{
    struct host *host = arg;
    const struct child *child = &host->talk.child;
    while (!is_over(&host->talk)) {
        struct pollfd fds[] = { { .fd = host->stop_fd, .events = POLLIN },
                                { .fd = child->control, .events = POLLIN },
                                { .fd = child->err, .events = POLLIN },
                                { .fd = child->out, .events = POLLIN } };
        if (poll(fds, sizeof fds / sizeof fds[0], -1) < 0)
            continue;
        if (fds[0].revents != 0)
            break;
        pthread_mutex_lock(&host->lock);
        talk_glance(&host->talk);
        drop_lines(&host->talk);
        pthread_mutex_unlock(&host->lock);
    }
    return NULL;
}

static int start_watcher(struct host *host, struct err *err)
{
    host->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (host->stop_fd < 0)
        return err_set(err, ERR_IO, errno, "make an eventfd");
    int error = pthread_create(&host->watcher, NULL, watch, host);
    if (error != 0)
        return err_set(err, ERR_IO, error, "start a thread");
    host->watched = true;
    return 0;
}

static void stop_watcher(struct host *host)
{
    if (host->watched) {
        eventfd_write(host->stop_fd, 1);
        pthread_join(host->watcher, NULL);
    }
    host->watched = false;
}

/* ---- starting -------------------------------------------------------------------------- */

static struct host *host_new(struct err *err)
{
    struct host *host = calloc(1, sizeof *host);
    if (host == NULL) {
        err_set(err, ERR_NOMEM, 0, "the server under the suite");
        return NULL;
    }
    pthread_mutex_init(&host->lock, NULL);
    host->stop_fd = -1;
    return host;
}

static void host_free(struct host *host)
{
    stop_watcher(host);
    if (host->ours)
        talk_fini(&host->talk);
    if (host->stop_fd >= 0)
        close(host->stop_fd);
    pthread_mutex_destroy(&host->lock);
    free(host->url);
    free(host->grpc);
    free(host->token);
    free(host);
}

static const char **build_argv(const struct host_options *options)
{
    size_t count = 0, n = 0;
    while (options->args != NULL && options->args[count] != NULL)
        count++;
    const char **argv = calloc(count + 4, sizeof *argv);
    if (argv == NULL)
        return NULL;
    argv[n++] = options->server;
    argv[n++] = "--http";
    argv[n++] = "127.0.0.1:0";
    for (size_t i = 0; i < count; i++)
        argv[n++] = options->args[i];
    return argv;
}

static int launch(struct host *host, const struct host_options *options, struct err *err)
{
    char variable[64], token[TOKEN_DIGITS + 1];
    random_hex(token, TOKEN_DIGITS);
    snprintf(variable, sizeof variable, "STANDBOX_ADMIN_TOKEN=%s", token);
    const char *const env[] = { variable, NULL };
    const char **argv = build_argv(options);
    struct child_options child = { .argv = argv, .env = env, .warden = options->warden, .grace_ms = ORPHAN_MS };
    host->ours = true;
    host->talk.child = (struct child) CHILD_INIT;
    int result = argv == NULL ? err_set(err, ERR_NOMEM, 0, "%s", options->server)
                              : talk_start(&host->talk, &child, LINE_BYTES, options->ready_ms, err);
    free(argv);
    return result;
}

static char *copy_text(const struct cJSON *object, const char *name)
{
    const struct cJSON *node = json_get(object, name);
    return cJSON_IsString(node) ? strdup(node->valuestring) : NULL;
}

static int take_ready(struct host *host, const char *line, size_t len, struct err *err)
{
    struct cJSON *ready = json_parse(line, len, NULL);
    host->url = copy_text(ready, "http");
    host->grpc = copy_text(ready, "grpc");
    host->token = copy_text(ready, "admin_token");
    json_free(ready);
    if (host->url != NULL && host->token != NULL)
        return 0;
    BUF_AUTO shown = BUF_INIT;
    show_bytes(&shown, line, len, ERR_LOG_BYTES);
    return err_set(err, ERR_INVALID, 0, "the server's first line is no ready line: %s", buf_cstr(&shown));
}

static int await_ready(struct host *host, int64_t ready_ms, struct err *err)
{
    const char *line = "";
    size_t len = 0;
    char how[48];
    switch (talk_next(&host->talk, mono_ns() + ready_ms * NS_IN_MS, &line, &len)) {
    case TALK_LINE: return take_ready(host, line, len, err);
    case TALK_ENDED:
        child_end_text(host->talk.child.wait_status, how);
        return err_set(err, ERR_INVALID, 0, "the server ended before it was ready: %s", how);
    case TALK_TIMEOUT:
        return err_set(err, ERR_TIMEOUT, 0, "the server was not ready within %lld ms", (long long) ready_ms);
    case TALK_TOO_LONG:
    case TALK_NO_MEMORY:
    case TALK_LOST:
    case TALK_NO_STDIN:
    case TALK_NO_STDOUT:
    case TALK_CANCELLED: break;
    }
    return err_set(err, ERR_INVALID, 0, "the server closed its stdout, or said too much, before it was ready");
}

/* What it said last tells most. */
static void add_log(struct host *host, struct err *err)
{
    BUF_AUTO log = BUF_INIT;
    BUF_AUTO shown = BUF_INIT;
    host_log(host, &log);
    size_t len = log.len;
    while (len > 0 && log.data[len - 1] == '\n')
        len--;
    size_t skip = len > ERR_LOG_BYTES ? len - ERR_LOG_BYTES : 0;
    for (size_t i = skip; i < len; i++) {
        if (log.data[i] == '\n')
            log.data[i] = '|';
    }
    if (len == 0 || err == NULL)
        return;
    show_bytes(&shown, log.data + skip, len - skip, ERR_LOG_BYTES);
    struct err before = *err;
    err_set(err, before.code, 0, "%.180s; its stderr: %s", before.text, buf_cstr(&shown));
}

int host_start(struct host **out_host, const struct host_options *options, struct err *err)
{
    struct host *host = host_new(err);
    if (host == NULL)
        return -1;
    int result = launch(host, options, err);
    if (result == 0 && (result = await_ready(host, options->ready_ms, err)) < 0)
        add_log(host, err);
    if (result == 0 && (result = start_watcher(host, err)) == 0)
        *out_host = host;
    if (result < 0)
        host_free(host);
    return result;
}

static char *without_slash(const char *url)
{
    size_t len = strlen(url);
    while (len > 0 && url[len - 1] == '/')
        len--;
    return strndup(url, len);
}

static int ask_health(const struct host *host, struct err *err)
{
    struct admin *admin = NULL;
    if (admin_open(&admin, host->url, host->token, err) < 0)
        return -1;
    int result = admin_health(admin, err);
    admin_close(admin);
    return result < 0 ? err_wrap(err, "%s", host->url) : 0;
}

int host_attach(struct host **out_host, const char *url, const char *grpc, const char *admin_token, struct err *err)
{
    struct host *host = host_new(err);
    if (host == NULL)
        return -1;
    host->url = without_slash(url);
    host->grpc = grpc == NULL ? NULL : without_slash(grpc);
    host->token = strdup(admin_token);
    bool is_whole = host->url != NULL && host->token != NULL && (grpc == NULL || host->grpc != NULL);
    int result = is_whole ? ask_health(host, err) : err_set(err, ERR_NOMEM, 0, "%s", url);
    if (result == 0)
        *out_host = host;
    else
        host_free(host);
    return result;
}

/* ---- asking ---------------------------------------------------------------------------- */

const char *host_url(const struct host *host)
{
    return host->url;
}

const char *host_grpc(const struct host *host)
{
    return host->grpc;
}

const char *host_token(const struct host *host)
{
    return host->token;
}

bool host_is_ours(const struct host *host)
{
    return host->ours;
}

bool host_lives(struct host *host, char how[48])
{
    if (!host->ours)
        return true;
    pthread_mutex_lock(&host->lock);
    bool over = is_over(&host->talk);
    if (over && how != NULL && host->talk.child.ended)
        child_end_text(host->talk.child.wait_status, how);
    else if (over && how != NULL)
        snprintf(how, 48, "its warden was killed");
    pthread_mutex_unlock(&host->lock);
    return !over;
}

void host_log(struct host *host, struct buf *out)
{
    if (!host->ours)
        return;
    pthread_mutex_lock(&host->lock);
    tail_text(&host->talk.tail, out);
    pthread_mutex_unlock(&host->lock);
}

/* ---- stopping -------------------------------------------------------------------------- */

/* SIGTERM, and until it has ended. */
static void ask_to_end(struct host *host)
{
    int64_t until_ns = mono_ns() + (int64_t) STOP_MS * NS_IN_MS;
    const char *line;
    size_t len;
    enum talk_event event;
    child_signal(&host->talk.child, SIGTERM);
    do {
        event = talk_next(&host->talk, until_ns, &line, &len);
        if (event == TALK_NO_STDOUT)
            host->talk.out_closed_ns = 0;
    } while (event == TALK_LINE || event == TALK_NO_STDOUT);
}

bool host_stop(struct host *host, char how[48])
{
    char own[48];
    if (how == NULL)
        how = own;
    snprintf(how, 48, "%s", "");
    if (host == NULL)
        return true;
    bool lived = host_lives(host, NULL), fine = true;
    stop_watcher(host);
    if (host->ours) {
        if (lived)
            ask_to_end(host);
        const struct child *child = &host->talk.child;
        if (child->ended)
            child_end_text(child->wait_status, how);
        else
            snprintf(how, 48, "killed");
        fine = lived && child->ended && child->wait_status == 0;
    }
    host_free(host);
    return fine;
}
