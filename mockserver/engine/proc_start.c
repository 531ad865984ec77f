/* How a process starts: the spec is checked, the pipes are made, the keeper is told; now, or when the hold is over. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/engine_priv.h"

#define USUAL_TEXT_BYTES 4096   /* a command with its environment: growing step by step costs more than all the rest here */

_Static_assert(PROC_MAX_EXTRA_FDS == KEEPER_MAX_EXTRA_FDS, "what callers may give, the keeper takes");

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

static void write_request(struct launch *l, const struct proc *p, const struct proc_spec *spec,
                          const struct run_as *who)
{
    struct keeper_request *request = &l->request;
    *request = (struct keeper_request) { .op = KEEPER_SPAWN, .number = p->number, .flags = who->flags,
                                         .uid = who->uid, .gid = who->gid, .rows = spec->rows,
                                         .cols = spec->cols, .extra_fds = (uint32_t) spec->extra_fd_count };
    request->flags |= p->pty ? SPAWN_PTY : p->stdin_is_pipe ? SPAWN_HAS_STDIN : 0u;
    (void) buf_reserve(&l->text, USUAL_TEXT_BYTES);
    add_text(&l->text, p->cwd);
    for (char *const *arg = spec->argv; *arg != NULL; arg++, request->argc++)
        add_text(&l->text, *arg);
    request->envc = add_env(&l->text, p, spec, who);
    request->text_bytes = (uint32_t) l->text.len;
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

int launch_send(struct proc *p, struct launch *l, struct err *err)
{
    if (l->text.failed)
        return err_set(err, ERR_NOMEM, 0, "command");
    if (l->text.len <= KEEPER_INLINE_BYTES)
        return sandbox_send(p->sandbox, &l->request, l->text.data, l->text.len, l->fds, l->fd_count, err);
    int memfd = text_in_memfd(&l->text, err);
    if (memfd < 0)
        return -1;
    l->request.flags |= SPAWN_TEXT_IN_MEMFD;
    l->fds[l->fd_count] = memfd;
    int rc = sandbox_send(p->sandbox, &l->request, NULL, 0, l->fds, l->fd_count + 1, err);
    close(memfd);
    return rc;
}

static void launch_fini(struct launch *l)
{
    for (size_t i = 0; i < l->fd_count; i++)
        close(l->fds[i]);
    buf_fini(&l->text);
}

void launch_free(struct launch *l)
{
    if (l == NULL)
        return;
    launch_fini(l);
    free(l);
}

/* ---- the start ------------------------------------------------------------------------- */

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
    if (spec->extra_fd_count > PROC_MAX_EXTRA_FDS)
        return err_set(err, ERR_INVALID, 0, "more than %d descriptors for a process", PROC_MAX_EXTRA_FDS);
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

static int add_extra_fds(struct launch *l, const struct proc_spec *spec, struct err *err)
{
    for (size_t i = 0; i < spec->extra_fd_count; i++) {
        int fd = fcntl(spec->extra_fds[i], F_DUPFD_CLOEXEC, 3);
        if (fd < 0)
            return err_set(err, errno == EMFILE ? ERR_LIMIT : ERR_IO, errno, "hand descriptor %zu over", 3 + i);
        l->fds[l->fd_count++] = fd;
    }
    return 0;
}

/* Who it is to run as decides before the program is looked for, as in the keeper. */
static int prepare(struct launch *l, struct proc *p, const struct proc_spec *spec, struct err *err)
{
    struct run_as who;
    if (proc_open_streams(p, l->fds, &l->fd_count, err) != 0 || add_extra_fds(l, spec, err) != 0)
        return -1;
    bool known = sandbox_home_run_as(p->sandbox->home, spec->run_as, &who, NULL) == 0;
    if (known && spec->fail_errno == 0) {
        write_request(l, p, spec, &who);
        return 0;
    }
    l->fail_stage = known ? STAGE_EXEC : STAGE_USER;
    l->fail_errno = known ? spec->fail_errno : ENOENT;
    return 0;
}

static void launch_now(struct proc *p, struct launch *l)
{
    struct err err = ERR_INIT;
    if (l->fail_stage != STAGE_NONE)
        fail_start(p, l->fail_stage, l->fail_errno);
    else if (launch_send(p, l, &err) != 0)
        fail_start(p, STAGE_KEEPER, err.errnum != 0 ? err.errnum : ENOMEM);
}

/* It may have ended meanwhile. */
static void begin_hold(void *arg)
{
    struct proc *p = arg;
    if (p->view.held)
        CHECK(timer_set_api(p->sandbox->engine->reactor, &p->hold, p->sandbox->clock, p->hold_until) == 0);
}

/* The process owns what is held before anybody can find it. */
static int hold(struct proc *p, const struct proc_spec *spec, struct launch *l, struct err *err)
{
    struct launch *held = malloc(sizeof *held);
    if (held == NULL)
        return err_set(err, ERR_NOMEM, 0, "process");
    *held = *l;
    *l = (struct launch) { .text = BUF_INIT };
    p->held = held;
    p->view.held = true;
    p->hold_until = clock_deadline(p->sandbox->clock, spec->hold_ms);
    return 0;
}

static int start(struct proc *p, const struct proc_spec *spec, struct err *err)
{
    struct launch l = { .text = BUF_INIT };
    bool holds = spec->hold_ms > 0;
    int rc = prepare(&l, p, spec, err);
    /* Watched before anybody else can close them. */
    if (rc == 0)
        rc = watch_streams(p, err);
    if (rc == 0 && holds)
        rc = hold(p, spec, &l, err);
    if (rc == 0)
        rc = sandbox_list_proc(p->sandbox, p, err);
    if (rc == 0 && holds)
        reactor_call(p->sandbox->engine->reactor, begin_hold, p);
    else if (rc == 0)
        launch_now(p, &l);
    launch_fini(&l);
    return rc;
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
