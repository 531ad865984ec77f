/* `sudo` inside a sandbox: one uid is all a sandbox has, so root is a user namespace in which we are 0. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/keeper/keeper.h"

static const char usage[] =
    "usage: sudo [-EHnS] [-u root] [-i | -s] [--] [NAME=value ...] command [argument ...]\n";

struct sudo_options {
    bool wants_shell;
    int first;          /* index of the command */
};

static int sudo_fail(const char *what, const char *why)
{
    fprintf(stderr, "sudo: %s: %s\n", what, why);
    return 1;
}

static int parse(int argc, char **argv, struct sudo_options *out)
{
    int c;
    while ((c = getopt(argc, argv, "+EHnSisu:")) != -1) {
        if (c == '?') {
            fputs(usage, stderr);
            return 1;
        }
        if (c == 'u' && strcmp(optarg, "root") != 0 && strcmp(optarg, "#0") != 0 && strcmp(optarg, "0") != 0)
            return sudo_fail(optarg, "only root can be asked for in this sandbox");
        if (c == 'i' || c == 's')
            out->wants_shell = true;
    }
    out->first = optind;
    return 0;
}

int sudo_main(int argc, char **argv)
{
    struct sudo_options options = { 0 };
    if (parse(argc, argv, &options) != 0)
        return 1;
    int i = options.first;
    setenv("HOME", "/root", 1);
    setenv("USER", "root", 1);
    setenv("LOGNAME", "root", 1);
    for (; i < argc && strchr(argv[i], '=') != NULL && argv[i][0] != '='; i++)
        putenv(argv[i]);
    if (i >= argc && !options.wants_shell) {
        fputs(usage, stderr);
        return 1;
    }
    int rc = getuid() == 0 ? 0 : userns_enter(0, 0);
    if (rc != 0)
        return sudo_fail("become root", strerror(rc));
    char *shell[] = { (char[]) { "/bin/sh" }, NULL };
    char **command = i < argc ? argv + i : shell;
    execvp(command[0], command);
    sudo_fail(command[0], errno == ENOENT ? "command not found" : strerror(errno));
    return errno == ENOENT ? 127 : 126;
}
