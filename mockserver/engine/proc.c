/* Processes as callers see them: start, look, wait, signal. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/engine_priv.h"

#define ID_RANDOM_BYTES 12

/* ---- life of the struct ---------------------------------------------------------------- */

static void fire_time_limit(void *arg)
{
    proc_happen(arg, EVENT_TIME_UP, NULL);
}

static void fire_drain(void *arg)
{
    proc_happen(arg, EVENT_DRAIN_OVER, NULL);
}

/* On the reactor thread, between two batches of events: nothing can point at it any more. */
static void proc_destroy(void *arg)
{
    struct proc *p = arg;
    struct sandbox *sandbox = p->sandbox;
    timer_cancel(sandbox->engine->reactor, &p->time_limit);
    timer_cancel(sandbox->engine->reactor, &p->drain);
    proc_close_all(p);
    bytelog_fini(&p->log);
    pthread_cond_destroy(&p->changed);
    pthread_cond_destroy(&p->moved);
    pthread_mutex_destroy(&p->lock);
    free(p->facts);
    free(p->pending);
    free(p->display);
    free(p->cwd);
    free(p);
    sandbox_unref(sandbox);
}

struct proc *proc_ref(struct proc *p)
{
    atomic_fetch_add(&p->refs, 1);
    return p;
}

void proc_unref(struct proc *p)
{
    if (p == NULL || atomic_fetch_sub(&p->refs, 1) != 1)
        return;
    struct reactor *reactor = p->sandbox->engine->reactor;
    p->destroy = (struct reactor_job) { .fn = proc_destroy, .arg = p };
    if (reactor_is_mine(reactor))
        reactor_defer(reactor, &p->destroy);
    else
        reactor_post(reactor, &p->destroy);
}

static char *join_argv(char *const *argv)
{
    BUF_AUTO text = BUF_INIT;
    for (size_t i = 0; argv[i] != NULL; i++)
        buf_printf(&text, "%s%s", i == 0 ? "" : " ", argv[i]);
    return text.failed ? NULL : strdup(buf_cstr(&text));
}

static void make_id(char *out, size_t room, const char *prefix)
{
    static const char hex[] = "0123456789abcdef";
    unsigned char random[ID_RANDOM_BYTES];
    CHECK(getrandom(random, sizeof random, 0) == (ssize_t) sizeof random);
    size_t n = strlen(prefix);
    CHECK(n + 2 * sizeof random < room);
    memcpy(out, prefix, n);
    for (size_t i = 0; i < sizeof random; i++) {
        out[n++] = hex[random[i] >> 4];
        out[n++] = hex[random[i] & 15];
    }
    out[n] = '\0';
}

static struct proc *proc_new(struct sandbox *sandbox, const struct proc_spec *spec)
{
    struct engine *engine = sandbox->engine;
    struct proc *p = calloc(1, sizeof *p);
    if (p == NULL)
        return NULL;
    p->display = spec->display != NULL ? strdup(spec->display) : join_argv(spec->argv);
    p->cwd = strdup(spec->cwd != NULL ? spec->cwd : sandbox_home(sandbox));
    if (p->display == NULL || p->cwd == NULL) {
        free(p->display);
        free(p->cwd);
        free(p);
        return NULL;
    }
    p->sandbox = sandbox_ref(sandbox);
    p->refs = 1;
    p->number = atomic_fetch_add(&engine->next_proc_number, 1);
    make_id(p->id, sizeof p->id, spec->id_prefix != NULL ? spec->id_prefix : "proc_");
    p->pty = spec->pty;
    p->stdin_is_pipe = spec->pty || spec->stdin_mode == STDIN_PIPE;
    p->timeout_ms = spec->timeout_ms;
    p->term_grace_ms = spec->term_grace_ms;
    p->drain_grace_ms = spec->drain_grace_ms;
    p->keep_bytes = spec->keep_bytes;
    pthread_mutex_init(&p->lock, NULL);
    engine_cond_init(&p->changed);
    engine_cond_init(&p->moved);
    p->time_limit = (struct timer) { .fire = fire_time_limit, .arg = p };
    p->drain = (struct timer) { .fire = fire_drain, .arg = p };
    bytelog_init(&p->log, &engine->budget);
    p->view.queued_ms = clock_wall_ms(engine->config.clock);
    return p;
}

/* ---- what the keeper is told ----------------------------------------------------------- */

static size_t name_len(const char *entry)
{
    return strcspn(entry, "=");
}

static bool names_same(const char *a, const char *b)
{
    size_t n = name_len(a);
    return name_len(b) == n && memcmp(a, b, n) == 0;
}

static bool is_named_in(char *const *list, const char *entry)
{
    for (; list != NULL && *list != NULL; list++)
        if (names_same(*list, entry))
            return true;
    return false;
}

static void add_text(struct buf *text, const char *s)
{
    buf_add(text, s, strlen(s) + 1);
}

/* The marks by which descendants are found come first and cannot be overridden; the caller's own entries win over
   the base environment. */
static uint32_t add_env(struct buf *text, const struct proc *p, const struct proc_spec *spec,
                        const struct run_as *who)
{
    struct string_list base = { 0 };
    string_list_add(&base, KEEPER_MARK "%llu", (unsigned long long) p->number);
    string_list_add(&base, SANDBOX_MARK "%s", p->sandbox->id);
    size_t marks = base.count;
    sandbox_home_env(p->sandbox->home, &p->sandbox->engine->tools, who, &base);
    text->failed = text->failed || base.failed;
    uint32_t count = 0;
    for (size_t i = 0; i < base.count; i++)
        if (i < marks || !is_named_in(spec->env, base.items[i])) {
            add_text(text, base.items[i]);
            count++;
        }
    for (char *const *e = spec->env; e != NULL && *e != NULL; e++)
        if (!names_same(*e, KEEPER_MARK) && !names_same(*e, SANDBOX_MARK)) {
            add_text(text, *e);
            count++;
        }
    string_list_fini(&base);
    return count;
}

static void write_request(struct keeper_request *request, struct buf *text, const struct proc *p,
                          const struct proc_spec *spec, const struct run_as *who)
{
    *request = (struct keeper_request) { .op = KEEPER_SPAWN, .number = p->number, .flags = who->flags,
                                         .uid = who->uid, .gid = who->gid, .rows = spec->rows,
                                         .cols = spec->cols };
    request->flags |= p->pty ? SPAWN_PTY : p->stdin_is_pipe ? SPAWN_HAS_STDIN : 0u;
    add_text(text, p->cwd);
    for (char *const *arg = spec->argv; *arg != NULL; arg++, request->argc++)
        add_text(text, *arg);
    request->envc = add_env(text, p, spec, who);
    request->text_bytes = (uint32_t) text->len;
}

static int text_in_memfd(const struct buf *text, struct err *err)
{
    int fd = memfd_create("spawn", MFD_CLOEXEC);
    size_t at = 0;
    while (fd >= 0 && at < text->len) {
        ssize_t n = write(fd, text->data + at, text->len - at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            close(fd);
            fd = -1;
            break;
        }
        at += (size_t) n;
    }
    if (fd < 0)
        err_set(err, ERR_IO, errno, "hand a long command over");
    return fd;
}

/* The descriptors stay the caller's. */
static int send_spawn(struct proc *p, struct keeper_request *request, const struct buf *text, int *fds,
                      size_t fd_count, struct err *err)
{
    if (text->failed)
        return err_set(err, ERR_NOMEM, 0, "command");
    if (text->len <= KEEPER_INLINE_BYTES)
        return sandbox_send(p->sandbox, request, text->data, text->len, fds, fd_count, err);
    int memfd = text_in_memfd(text, err);
    if (memfd < 0)
        return -1;
    request->flags |= SPAWN_TEXT_IN_MEMFD;
    fds[fd_count] = memfd;
    int rc = sandbox_send(p->sandbox, request, NULL, 0, fds, fd_count + 1, err);
    close(memfd);
    return rc;
}

/* ---- start ----------------------------------------------------------------------------- */

static int check_env(char *const *env, struct err *err)
{
    for (; env != NULL && *env != NULL; env++)
        if (**env == '=' || strchr(*env, '=') == NULL)
            return err_set(err, ERR_INVALID, 0, "\"%.60s\" is not an environment entry NAME=value", *env);
    return 0;
}

static int check_spec(const struct proc_spec *spec, struct err *err)
{
    if (spec->argv == NULL || spec->argv[0] == NULL || spec->argv[0][0] == '\0')
        return err_set(err, ERR_INVALID, 0, "the command is empty");
    if (spec->cwd != NULL && spec->cwd[0] != '/')
        return err_set(err, ERR_INVALID, 0, "cwd \"%.200s\" is not an absolute path", spec->cwd);
    size_t bytes = 0;
    for (char *const *arg = spec->argv; *arg != NULL; arg++)
        bytes += strlen(*arg) + 1;
    for (char *const *e = spec->env; e != NULL && *e != NULL; e++)
        bytes += strlen(*e) + 1;
    if (bytes > KEEPER_MAX_TEXT_BYTES)
        return err_set(err, ERR_INVALID, 0, "command and environment are longer than %u bytes",
                       KEEPER_MAX_TEXT_BYTES);
    return check_env(spec->env, err);
}

struct failed_start {
    struct proc *proc;
    int stage, errnum;
};

static void fail_on_reactor(void *arg)
{
    const struct failed_start *f = arg;
    struct proc_happening what = { .end = { .kind = FACT_START_FAILED, .value = f->errnum,
                                            .flag = (uint8_t) f->stage } };
    proc_happen(f->proc, EVENT_START_FAILED, &what);
}

/* It is listed already, so its failure is told by its facts, like every other. */
static void fail_start(struct proc *p, int stage, int errnum)
{
    struct failed_start f = { .proc = p, .stage = stage, .errnum = errnum };
    reactor_call(p->sandbox->engine->reactor, fail_on_reactor, &f);
}


/* Output is not read before the fact of the start: edge-triggered without any event means one call at most. */
static int watch_streams(struct proc *p, struct err *err)
{
    struct reactor *reactor = p->sandbox->engine->reactor;
    static const uint32_t events[SLOTS] = { [SLOT_OUT] = EPOLLET, [SLOT_ERR] = EPOLLET, [SLOT_IN] = 0 };
    for (enum stream_slot slot = 0; slot < SLOTS; slot++)
        if (p->streams[slot].source.fd >= 0 &&
            reactor_add(reactor, &p->streams[slot].source, events[slot], err) != 0)
            return -1;
    return 0;
}

static void close_fds(const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        close(fds[i]);
}

static void launch(struct proc *p, const struct proc_spec *spec, const struct run_as *who, int *fds,
                   size_t fd_count)
{
    BUF_AUTO text = BUF_INIT;
    struct keeper_request request;
    struct err err = ERR_INIT;
    write_request(&request, &text, p, spec, who);
    if (send_spawn(p, &request, &text, fds, fd_count, &err) != 0)
        fail_start(p, STAGE_KEEPER, err.errnum != 0 ? err.errnum : ENOMEM);
}

static int start(struct proc *p, const struct proc_spec *spec, struct err *err)
{
    struct sandbox *sandbox = p->sandbox;
    int fds[KEEPER_MAX_FDS];
    size_t fd_count = 0;
    struct run_as who;
    bool known = sandbox_home_run_as(sandbox->home, spec->run_as, &who, err) == 0;
    int rc = proc_append_fact(p, FACT_QUEUED) == NULL ? err_set(err, ERR_NOMEM, 0, "process")
                                                      : proc_open_streams(p, fds, &fd_count, err);
    /* Watched before anybody else can close them. */
    if (rc == 0)
        rc = watch_streams(p, err);
    if (rc != 0 || sandbox_list_proc(sandbox, p, err) != 0) {
        close_fds(fds, fd_count);
        return -1;
    }
    if (known)
        launch(p, spec, &who, fds, fd_count);
    else
        fail_start(p, STAGE_USER, ENOENT);
    close_fds(fds, fd_count);
    return 0;
}

int proc_start_read(struct sandbox *sandbox, const struct proc_spec *spec, struct proc **out_proc,
                    struct proc_reader **out_reader, struct err *err)
{
    if (check_spec(spec, err) != 0)
        return -1;
    struct proc *p = proc_new(sandbox, spec);
    if (p == NULL)
        return err_set(err, ERR_NOMEM, 0, "process");
    struct proc_reader *reader = NULL;
    if ((out_reader != NULL && proc_reader_open(p, 1, false, &reader, err) != 0) || start(p, spec, err) != 0) {
        proc_reader_close(reader);
        proc_unref(p);
        return -1;
    }
    if (out_reader != NULL)
        *out_reader = reader;
    *out_proc = p;
    return 0;
}

int proc_start(struct sandbox *sandbox, const struct proc_spec *spec, struct proc **out_proc, struct err *err)
{
    return proc_start_read(sandbox, spec, out_proc, NULL, err);
}

/* ---- looking and waiting --------------------------------------------------------------- */

const char *proc_id(const struct proc *p)
{
    return p->id;
}

const char *proc_display(const struct proc *p)
{
    return p->display;
}

const char *proc_cwd(const struct proc *p)
{
    return p->cwd;
}

struct sandbox *proc_sandbox(const struct proc *p)
{
    return p->sandbox;
}

const char *proc_start_stage_name(int stage)
{
    return spawn_stage_name(stage);
}

void proc_get_view(struct proc *p, struct proc_view *out_view)
{
    pthread_mutex_lock(&p->lock);
    *out_view = p->view;
    pthread_mutex_unlock(&p->lock);
}

#define INTERRUPT_EVERY_MS 1000

static bool is_before(struct timespec a, struct timespec b)
{
    return a.tv_sec != b.tv_sec ? a.tv_sec < b.tv_sec : a.tv_nsec < b.tv_nsec;
}

enum wait_result proc_wait_change(struct proc *p, pthread_cond_t *cond, int64_t deadline_ms,
                                  interrupt_fn *interrupt, void *arg)
{
    const struct clock *clock = p->sandbox->engine->config.clock;
    if (deadline_ms != CLOCK_NEVER && clock_now_ms(clock) >= deadline_ms)
        return WAIT_DEADLINE;
    struct timespec until = clock_real_deadline(clock, deadline_ms);
    if (interrupt != NULL) {
        struct timespec look_up = engine_real_deadline(INTERRUPT_EVERY_MS);
        if (is_before(look_up, until))
            until = look_up;
    }
    int rc = pthread_cond_timedwait(cond, &p->lock, &until);
    if (rc == 0 || interrupt == NULL)
        return WAIT_CHANGED;     /* or the deadline, which the next call finds */
    pthread_mutex_unlock(&p->lock);
    bool stop = interrupt(arg);
    pthread_mutex_lock(&p->lock);
    return stop ? WAIT_INTERRUPTED : WAIT_CHANGED;
}

int proc_wait_state(struct proc *p, enum proc_state state, int64_t deadline_ms, interrupt_fn *interrupt,
                    void *arg, struct err *err)
{
    enum wait_result result = WAIT_CHANGED;
    pthread_mutex_lock(&p->lock);
    p->waiting[state]++;
    while (p->view.state < state && result == WAIT_CHANGED)
        result = proc_wait_change(p, &p->moved, deadline_ms, interrupt, arg);
    p->waiting[state]--;
    bool there = p->view.state >= state;
    pthread_mutex_unlock(&p->lock);
    if (there)
        return 0;
    return result == WAIT_DEADLINE ? err_set(err, ERR_TIMEOUT, 0, "timed out waiting for process %s", p->id)
                                   : err_set(err, ERR_CLOSED, 0, "nobody waits for process %s any more", p->id);
}

/* ---- signals --------------------------------------------------------------------------- */

static int refuse_ended(const struct proc *p, struct err *err)
{
    return err_set(err, ERR_CONFLICT, 0, "process %s is not running", p->id);
}

int proc_signal(struct proc *p, int signo, enum fact_who who, struct err *err)
{
    /* The keeper finds it only when it has been started. */
    if (proc_wait_state(p, PROC_RUNNING, CLOCK_NEVER, NULL, NULL, err) != 0)
        return -1;
    pthread_mutex_lock(&p->lock);
    bool ended = p->view.ended;
    pthread_mutex_unlock(&p->lock);
    if (ended)
        return refuse_ended(p, err);
    struct keeper_request request = { .op = KEEPER_SIGNAL, .number = p->number, .signo = signo, .who = who };
    int errnum = 0;
    if (sandbox_ask(p->sandbox, &request, &errnum, err) != 0)
        return -1;
    if (errnum == ESRCH)
        return refuse_ended(p, err);
    return errnum == 0 ? 0 : err_set(err, ERR_IO, errnum, "signal process %s", p->id);
}

int proc_kill(struct proc *p, enum fact_who who, struct err *err)
{
    if (proc_wait_state(p, PROC_RUNNING, CLOCK_NEVER, NULL, NULL, err) != 0)
        return -1;
    pthread_mutex_lock(&p->lock);
    p->view.killed_by_request = p->view.killed_by_request || !p->view.ended;
    pthread_mutex_unlock(&p->lock);
    struct keeper_request request = { .op = KEEPER_KILL_TREE, .number = p->number, .who = who };
    int alive = 0;
    if (sandbox_ask(p->sandbox, &request, &alive, err) != 0)
        return -1;
    if (alive > 0)
        return err_set(err, ERR_TIMEOUT, 0, "%d processes of %s do not die", alive, p->id);
    return 0;
}
