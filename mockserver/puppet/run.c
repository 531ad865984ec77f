#include "puppet/puppet.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/jsonw.h"
#include "puppet/run_priv.h"
#include "puppet/signals.h"
#include "puppet/wait.h"

#define NS_PER_MS   1000000.0
#define SPIN_ROUNDS 20000 /* a fraction of a millisecond */
#define PAGE_BYTES  4096

_Noreturn void puppet_fail(const struct step *step, int errnum, const char *fmt, ...)
{
    char text[ERR_TEXT_BYTES];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    dprintf(STDERR_FILENO, "standbox-puppet: %s: %s%s%s\n", step->where, text, errnum != 0 ? ": " : "",
            errnum != 0 ? strerror(errnum) : "");
    _exit(PUPPET_EXIT_FAILED);
}

int puppet_lift_fd(int fd)
{
    if (fd < 0 || fd > STDERR_FILENO)
        return fd;
    int lifted = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1), error = errno;
    close(fd);
    errno = error;
    return lifted;
}

void puppet_sleep_ms(struct puppet *p, const struct step *step, int64_t ms)
{
    if (p->is_clock_manual)
        control_sleep_ms(p, step, ms);
    else
        wait_until(p, mono_ns() + (int64_t) ((double) ms * NS_PER_MS / p->scale));
}

/* ---- steps -------------------------------------------------------------------------- */

static void run_sleep(struct puppet *p, const struct step *step)
{
    puppet_sleep_ms(p, step, step->number);
}

static void run_on(struct puppet *p, const struct step *step)
{
    (void) p;
    if (signals_install(step) < 0)
        puppet_fail(step, errno, "sigaction");
}

static void run_listen(struct puppet *p, const struct step *step)
{
    struct err err = ERR_INIT;
    char text[16];
    int port = 0;
    if (serve_listen(&p->serve, step, &port, &err) < 0)
        puppet_fail(step, 0, "%s", err.text);
    if (!step->as.listen.print)
        return;
    int len = snprintf(text, sizeof text, "%d\n", port);
    run_io_write(p, step, STDOUT_FILENO, text, (size_t) len);
}

static void run_unlisten(struct puppet *p, const struct step *step)
{
    serve_unlisten(&p->serve, step->number);
}

static void run_close(struct puppet *p, const struct step *step)
{
    (void) p;
    close((int) step->number);
}

static void run_raise(struct puppet *p, const struct step *step)
{
    (void) p;
    signals_raise((int) step->number);
}

static void run_core(struct puppet *p, const struct step *step)
{
    (void) p, (void) step;
    signals_dump_core();
}

static void run_exit(struct puppet *p, const struct step *step)
{
    (void) p;
    _exit((int) step->number);
}

static void run_hang(struct puppet *p, const struct step *step)
{
    (void) step;
    wait_until(p, WAIT_FOREVER);
}

static void print_line(struct puppet *p, const struct step *step, struct buf *line)
{
    buf_char(line, '\n');
    if (line->failed)
        puppet_fail(step, ENOMEM, "output");
    run_io_write(p, step, STDOUT_FILENO, line->data, line->len);
}

static void run_env(struct puppet *p, const struct step *step)
{
    BUF_AUTO line = BUF_INIT;
    const char *value = getenv(buf_cstr(&step->text));
    if (value == NULL)
        return;
    buf_str(&line, value);
    print_line(p, step, &line);
}

static void run_cwd(struct puppet *p, const struct step *step)
{
    BUF_AUTO line = BUF_INIT;
    char *cwd = getcwd(NULL, 0);
    if (cwd == NULL)
        puppet_fail(step, errno, "getcwd");
    buf_str(&line, cwd);
    free(cwd);
    print_line(p, step, &line);
}

static void run_args(struct puppet *p, const struct step *step)
{
    BUF_AUTO line = BUF_INIT;
    struct jsonw w;
    jsonw_init(&w, &line);
    jsonw_array(&w, NULL);
    for (char *const *arg = p->args; *arg != NULL; arg++)
        jsonw_str(&w, NULL, *arg);
    jsonw_end_array(&w);
    print_line(p, step, &line);
}

static void run_title(struct puppet *p, const struct step *step)
{
    (void) p;
    if (prctl(PR_SET_NAME, buf_cstr(&step->text)) < 0)
        puppet_fail(step, errno, "prctl");
}

static void run_barrier(struct puppet *p, const struct step *step)
{
    control_barrier(p, step);
}

static void run_loop(struct puppet *p, const struct step *step)
{
    p->stdin_ended = false;
    for (int64_t i = 0; step->number < 0 || i < step->number; i++) {
        puppet_run(p, &step->body);
        if (step->number == LOOP_UNTIL_EOF && p->stdin_ended)
            return;
        /* Nothing in the body may wait (a variable that is not set, say), and signals must get through. */
        wait_look(p);
    }
}

static int64_t cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (int64_t) now.tv_sec * 1000000000 + now.tv_nsec;
}

static void run_spin(struct puppet *p, const struct step *step)
{
    int64_t end_ns = cpu_ns() + step->number * (int64_t) NS_PER_MS;
    while (cpu_ns() < end_ns) {
        for (volatile int i = 0; i < SPIN_ROUNDS; i++)
            continue;
        wait_look(p);
    }
}

/* Kept until the end; that is the point. */
static void run_memory(struct puppet *p, const struct step *step)
{
    (void) p;
    size_t bytes = (size_t) step->number << 20;
    char *block = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (block == MAP_FAILED)
        puppet_fail(step, errno, "%d MB", (int) step->number);
    for (size_t i = 0; i < bytes; i += PAGE_BYTES)
        ((volatile char *) block)[i] = 1;
}

static run_fn *const table[STEP_KINDS] = {
    [STEP_OUT] = run_out,   [STEP_SLEEP] = run_sleep,   [STEP_READ] = run_read,       [STEP_EXPECT] = run_expect,
    [STEP_ON] = run_on,     [STEP_LISTEN] = run_listen, [STEP_FORK] = run_fork,       [STEP_UNLISTEN] = run_unlisten,
    [STEP_WAIT] = run_wait, [STEP_CLOSE] = run_close,   [STEP_RAISE] = run_raise,     [STEP_CORE] = run_core,
    [STEP_EXIT] = run_exit, [STEP_HANG] = run_hang,     [STEP_BARRIER] = run_barrier, [STEP_ENV] = run_env,
    [STEP_CWD] = run_cwd,   [STEP_ARGS] = run_args,     [STEP_TITLE] = run_title,     [STEP_LOOP] = run_loop,
    [STEP_SPIN] = run_spin, [STEP_MEMORY] = run_memory,
};

void puppet_run(struct puppet *p, const struct steps *steps)
{
    for (size_t i = 0; i < steps->count; i++) {
        signals_run(p);
        table[steps->list[i].kind](p, &steps->list[i]);
    }
    signals_run(p);
}
