/* standbox-conformance: does a client of a sandbox vendor's API get it right? */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "commands/commands.h"
#include "version.h"

void complain(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fputs("standbox-conformance: ", stderr);
    vfprintf(stderr, fmt, args);
    fputc('\n', stderr);
    va_end(args);
}

static int print_version(struct options *options)
{
    (void) options;
    printf("standbox-conformance %s\n", STANDBOX_VERSION);
    return 0;
}

static int print_help(struct options *options)
{
    (void) options;
    BUF_AUTO text = BUF_INIT;
    options_describe(&text);
    fputs(buf_cstr(&text), stdout);
    return 0;
}

static int (*const commands[])(struct options *) = {
    [ACTION_RUN] = command_run,
    [ACTION_LIST] = command_list,
    [ACTION_EXPLAIN] = command_explain,
    [ACTION_VALIDATE_ADAPTER] = command_validate,
    [ACTION_MERGE] = command_merge,
    [ACTION_KILLS] = command_kills,
    [ACTION_VERSION] = print_version,
    [ACTION_HELP] = print_help,
};

int main(int argc, char **argv)
{
    struct options options;
    struct err err = ERR_INIT;
    signal(SIGPIPE, SIG_IGN);   /* an adapter that is gone is an error of that one write */
    if (options_parse(&options, argc, argv, getenv("STANDBOX_ADMIN_TOKEN"), &err) != 0) {
        complain("%s", err.text);
        return EXIT_WRONG_USE;
    }
    int code = commands[options.action](&options);
    options_fini(&options);
    return code;
}
