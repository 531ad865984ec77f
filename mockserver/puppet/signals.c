#include "puppet/signals.h"

#include <errno.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "puppet/puppet.h"

struct handler {
    const struct steps *body; /* NULL: not ours */
    bool is_running;
};

static struct handler handlers[NSIG];
static volatile sig_atomic_t pending[NSIG], any_pending;
static int wake_fd = -1;

static void note_signal(int signo)
{
    int saved = errno;
    uint64_t one = 1;
    pending[signo] = 1;
    any_pending = 1;
    /* Cannot fail in a way that matters: a full counter is readable as well. */
    ssize_t written = write(wake_fd, &one, sizeof one);
    (void) written;
    errno = saved;
}

static int set_action(int signo, void (*action)(int))
{
    /* No SA_RESTART: a write that blocks after all must come back for the handler. */
    struct sigaction sa = { .sa_handler = action };
    sigemptyset(&sa.sa_mask);
    return sigaction(signo, &sa, NULL);
}

static int make_wake_fd(void)
{
    wake_fd = puppet_lift_fd(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    return wake_fd < 0 ? -1 : 0;
}

int signals_init(void)
{
    sigset_t none;
    /* Those that cannot be changed say so, which is fine. */
    for (int signo = 1; signo < NSIG; signo++)
        set_action(signo, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    return make_wake_fd();
}

int signals_renew(void)
{
    for (int signo = 1; signo < NSIG; signo++) {
        pending[signo] = 0;
        handlers[signo].is_running = false;
    }
    any_pending = 0;
    close(wake_fd);
    return make_wake_fd();
}

int signals_install(const struct step *step)
{
    int signo = (int) step->number;
    /* Set first, so that a signal that comes at once finds it; kept apart from `pending`, which stays. */
    handlers[signo].body = step->as.on.how == ON_STEPS ? &step->body : NULL;
    switch (step->as.on.how) {
    case ON_STEPS: return set_action(signo, note_signal);
    case ON_IGNORE: return set_action(signo, SIG_IGN);
    case ON_DEFAULT: break;
    }
    return set_action(signo, SIG_DFL);
}

void signals_run(struct puppet *p)
{
    uint64_t count;
    while (any_pending) {
        any_pending = 0;
        ssize_t got = read(wake_fd, &count, sizeof count);
        (void) got;
        for (int signo = 1; signo < NSIG; signo++) {
            struct handler *handler = &handlers[signo];
            if (!pending[signo] || handler->is_running)
                continue;
            pending[signo] = 0;
            if (handler->body == NULL)
                continue;
            handler->is_running = true;
            puppet_run(p, handler->body);
            handler->is_running = false;
            any_pending = 1; /* it may have come again meanwhile, or one below it */
        }
    }
}

int signals_fd(void)
{
    return wake_fd;
}

void signals_raise(int signo)
{
    kill(getpid(), signo);
}

void signals_dump_core(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_CORE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_CORE, &limit);
    }
    prctl(PR_SET_DUMPABLE, 1);
    set_action(SIGABRT, SIG_DFL);
    raise(SIGABRT);
    _exit(PUPPET_EXIT_FAILED);
}
