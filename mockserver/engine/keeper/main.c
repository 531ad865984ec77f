#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/keeper/keeper.h"

/* How long the keeper fights for a tree that does not die before it says so. */
#define KILL_LIMIT_MS 1000
#define STOP_LIMIT_MS 5000

struct packet {
    struct keeper_request request;
    char text[KEEPER_INLINE_BYTES];
};

struct spawner_start {
    struct keeper *keeper;
    struct spawner *spawner;
};

/* A failure means that nobody listens any more; the spawners see that as the end of their socket. */
void keeper_report(struct keeper *k, const struct keeper_report *report, const int *fd)
{
    (void) keeper_send(k->sock, report, sizeof *report, NULL, 0, fd, fd == NULL ? 0 : 1, 0);
}

/* The server is gone.  As pid 1 our exit takes the whole namespace with it. */
static _Noreturn void end_everything(struct keeper *k)
{
    pthread_mutex_lock(&k->lock);
    k->stopping = true;
    pthread_mutex_unlock(&k->lock);
    if (!k->pid_namespace)
        tree_kill_all(k, 60 * 1000);
    _exit(0);
}

/* Reported under the lock, which the reaper takes too: the server hears of the signal before it hears of the end. */
static void send_signal(struct keeper *k, const struct keeper_request *request, int signo, uint64_t ticket)
{
    struct keeper_report report = { .event = KEEPER_SIGNAL_DONE, .number = request->number, .ticket = ticket,
                                    .stage = (uint32_t) signo, .who = request->who };
    const struct kept *kept = table_find_number(k, request->number);
    if (kept == NULL || kept->reaped)
        report.value = ESRCH;
    else if (kill(-kept->pid, signo) != 0 && kill(kept->pid, signo) != 0)
        report.value = errno;
    if (ticket != 0 || report.value == 0)
        keeper_report(k, &report, NULL);
}

static void serve_signal(struct keeper *k, const struct keeper_request *request)
{
    pthread_mutex_lock(&k->lock);
    send_signal(k, request, request->signo, request->ticket);
    pthread_mutex_unlock(&k->lock);
}

static void serve_kill(struct keeper *k, const struct keeper_request *request)
{
    struct keeper_report report = { .event = KEEPER_KILL_DONE, .number = request->number,
                                    .ticket = request->ticket };
    pthread_mutex_lock(&k->lock);
    const struct kept *kept = table_find_number(k, request->number);
    pid_t root = kept == NULL ? 0 : kept->pid;
    send_signal(k, request, SIGKILL, 0);
    pthread_mutex_unlock(&k->lock);
    report.value = tree_kill(k, request->number, root, KILL_LIMIT_MS);
    keeper_report(k, &report, NULL);
}

static void serve_stop(struct keeper *k)
{
    pthread_mutex_lock(&k->lock);
    k->stopping = true;
    pthread_mutex_unlock(&k->lock);
    struct keeper_report report = { .event = KEEPER_STOPPED };
    report.value = tree_kill_all(k, STOP_LIMIT_MS);
    keeper_report(k, &report, NULL);
}

static void serve_spawn(struct keeper *k, struct spawner *s, struct packet *p, int *fds, size_t fd_count)
{
    pthread_mutex_lock(&k->lock);
    bool refused = k->stopping;
    s->busy = !refused;
    pthread_mutex_unlock(&k->lock);
    if (!refused) {
        spawn_serve(k, s, &p->request, p->text, fds, fd_count);
        pthread_mutex_lock(&k->lock);
        s->busy = false;
        pthread_mutex_unlock(&k->lock);
        return;
    }
    for (size_t i = 0; i < fd_count; i++)
        close(fds[i]);
    keeper_report(k, &(struct keeper_report) { .event = KEEPER_START_FAILED, .value = ECANCELED,
                                               .number = p->request.number, .stage = STAGE_KEEPER }, NULL);
}

static _Noreturn void spawner_run(struct keeper *k, struct spawner *s)
{
    struct packet *p = malloc(sizeof *p);
    if (p == NULL)
        abort();
    for (;;) {
        int fds[KEEPER_MAX_FDS];
        size_t fd_count;
        ssize_t n = keeper_receive(k->sock, p, sizeof *p, fds, &fd_count, 0);
        if (n < (ssize_t) sizeof p->request)
            end_everything(k);
        switch ((enum keeper_op) p->request.op) {
        case KEEPER_SPAWN:
            serve_spawn(k, s, p, fds, fd_count);
            break;
        case KEEPER_SIGNAL:
            serve_signal(k, &p->request);
            break;
        case KEEPER_KILL_TREE:
            serve_kill(k, &p->request);
            break;
        case KEEPER_STOP:
            serve_stop(k);
            break;
        default:
            abort();
        }
    }
}

static void *spawner_main(void *arg)
{
    struct spawner_start *start = arg;
    spawner_run(start->keeper, start->spawner);
}

/* One stands still while its child is on the way to its program, so there are more of them than processors. */
static int spawners_for(long processors)
{
    long want = 2 * processors;
    return want < KEEPER_MIN_SPAWNERS ? KEEPER_MIN_SPAWNERS : want > KEEPER_MAX_SPAWNERS ? KEEPER_MAX_SPAWNERS : (int) want;
}

static void start_spawners(struct keeper *k)
{
    static struct spawner_start starts[KEEPER_MAX_SPAWNERS];
    k->spawner_count = spawners_for(sysconf(_SC_NPROCESSORS_ONLN));
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 256 * 1024);
    for (int i = 0; i < k->spawner_count; i++) {
        starts[i] = (struct spawner_start) { k, &k->spawners[i] };
        k->spawners[i].index = i;
        if (pthread_create(&k->spawners[i].thread, &attr, spawner_main, &starts[i]) != 0)
            abort();
    }
    pthread_attr_destroy(&attr);
}

static void limit(enum __rlimit_resource resource, const char *value)
{
    struct rlimit now;
    if (value == NULL || getrlimit(resource, &now) != 0)
        return;
    rlim_t want = (rlim_t) strtoull(value, NULL, 10);
    now.rlim_cur = want < now.rlim_max ? want : now.rlim_max;
    setrlimit(resource, &now);
}

static void use_null_streams(void)
{
    int fd = open("/dev/null", O_RDWR);
    if (fd < 0)
        _exit(1);
    for (int i = 0; i < 3; i++)
        dup2(fd, i);
    if (fd > 2)
        close(fd);
}

/* Signals to the keeper (a sandboxed `kill -TERM -1`, a ^C in the server's terminal) must not end it. */
static void ignore_signals(void)
{
    static const int ignored[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE, SIGUSR1, SIGUSR2, SIGALRM };
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
        sigaddset(&set, ignored[i]);
    sigprocmask(SIG_SETMASK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, SIG_DFL);
    /* posix_spawn leaves glibc's two internal signals ignored, and glibc's sigaction refuses to touch them. */
    static const struct { unsigned long words[8]; } dfl;
    for (int signo = 32; signo <= 33; signo++)
        syscall(SYS_rt_sigaction, signo, &dfl, NULL, 8);
}

static int keeper_main(int argc, char **argv)
{
    static struct keeper keeper = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER,
                                    .sock = -1 };
    static const struct option options[] = {
        { "socket", required_argument, NULL, 's' }, { "pid-namespace", no_argument, NULL, 'p' },
        { "nofile", required_argument, NULL, 'n' }, { "nproc", required_argument, NULL, 'u' },
        { "fsize", required_argument, NULL, 'f' },  { "in-background", no_argument, NULL, 'b' },
        { 0 },
    };
    int c;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (c) {
        case 's': keeper.sock = (int) strtol(optarg, NULL, 10); break;
        case 'b': keeper.in_background = true; break;
        case 'p': keeper.pid_namespace = true; break;
        case 'n': limit(RLIMIT_NOFILE, optarg); break;
        case 'u': limit(RLIMIT_NPROC, optarg); break;
        case 'f': limit(RLIMIT_FSIZE, optarg); break;
        default: return 2;
        }
    }
    if (keeper.sock < 3 || fcntl(keeper.sock, F_SETFD, FD_CLOEXEC) != 0) {
        fputs("standbox-keeper: started by standbox-mockserver; not for use by hand\n", stderr);
        return 2;
    }
    keeper.self = getpid();
    if (keeper.pid_namespace && keeper.self != 1) {
        fputs("standbox-keeper: --pid-namespace, but this is not process 1\n", stderr);
        return 1;
    }
    limit(RLIMIT_CORE, "0");
    umask(022);
    ignore_signals();
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0)
        return 1;
    struct keeper_report ready = { .event = KEEPER_READY, .value = keeper.self };
    if (keeper_send(keeper.sock, &ready, sizeof ready, NULL, 0, NULL, 0, 0) != 0)
        return 1;
    use_null_streams();
    start_spawners(&keeper);
    reaper_run(&keeper);
}

int main(int argc, char **argv)
{
    const char *name = strrchr(argv[0], '/');
    if (strcmp(name == NULL ? argv[0] : name + 1, "sudo") == 0)
        return sudo_main(argc, argv);
    return keeper_main(argc, argv);
}
