/* Signal names and numbers, both ways. */
#include <ctype.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "engine/engine_priv.h"

struct named_signal {
    const char *name;
    int signo;
};

static const struct named_signal named[] = {
    { "HUP", SIGHUP },     { "INT", SIGINT },   { "QUIT", SIGQUIT },     { "ILL", SIGILL },
    { "TRAP", SIGTRAP },   { "ABRT", SIGABRT }, { "BUS", SIGBUS },       { "FPE", SIGFPE },
    { "KILL", SIGKILL },   { "USR1", SIGUSR1 }, { "SEGV", SIGSEGV },     { "USR2", SIGUSR2 },
    { "PIPE", SIGPIPE },   { "ALRM", SIGALRM }, { "TERM", SIGTERM },     { "STKFLT", SIGSTKFLT },
    { "CHLD", SIGCHLD },   { "CONT", SIGCONT }, { "STOP", SIGSTOP },     { "TSTP", SIGTSTP },
    { "TTIN", SIGTTIN },   { "TTOU", SIGTTOU }, { "URG", SIGURG },       { "XCPU", SIGXCPU },
    { "XFSZ", SIGXFSZ },   { "VTALRM", SIGVTALRM }, { "PROF", SIGPROF }, { "WINCH", SIGWINCH },
    { "IO", SIGIO },       { "PWR", SIGPWR },   { "SYS", SIGSYS },
};

/* A plain decimal number in 1..SIGRTMAX, else 0. */
static int signal_from_number(const char *text)
{
    char *end;
    long n = strtol(text, &end, 10);
    return *end == '\0' && n > 0 && n <= SIGRTMAX ? (int) n : 0;
}

int signal_from_name(const char *name)
{
    if (name == NULL || *name == '\0')
        return 0;
    if (isdigit((unsigned char) *name))
        return signal_from_number(name);
    if (strncasecmp(name, "SIG", 3) == 0)
        name += 3;
    for (size_t i = 0; i < sizeof named / sizeof named[0]; i++)
        if (strcasecmp(name, named[i].name) == 0)
            return named[i].signo;
    return 0;
}

const char *signal_name(int signo, char spare[16])
{
    for (size_t i = 0; i < sizeof named / sizeof named[0]; i++)
        if (named[i].signo == signo)
            return named[i].name;
    if (signo >= SIGRTMIN && signo <= SIGRTMAX)
        snprintf(spare, 16, "RTMIN+%d", (signo - SIGRTMIN) % 64);
    else
        snprintf(spare, 16, "%d", signo);
    return spare;
}

bool signal_is_deadly(int signo)
{
    static const int harmless[] = { SIGCHLD, SIGCONT, SIGURG, SIGWINCH, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU };
    for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++)
        if (signo == harmless[i])
            return false;
    return signo > 0 && signo <= SIGRTMAX;
}
