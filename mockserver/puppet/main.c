/*
 * standbox-puppet: a small real program that does what a script says.
 *
 * It has a pid, pipes and signals of its own, so that what a server shows about a process can be
 * tested with a process that behaves exactly so.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "puppet/puppet.h"
#include "puppet/signals.h"
#include "version.h"

#define EXIT_WRONG_USE   2
#define SCALE_MIN        0.001
#define SCALE_MAX        1000000.0
#define SCRIPT_MAX_BYTES (16 << 20)

struct options {
    const char *steps; /* NULL: from the file */
    const char *file;
    double scale;
    int control_fd; /* -1: none */
    bool is_clock_manual, only_validate;
    char *const *args;
};

static const char help[] = "usage: standbox-puppet [options] FILE [ARG...]\n"
                           "       standbox-puppet [options] --steps JSON [ARG...]\n"
                           "A real process that does what a script says: an array of steps in JSON.\n\n"
                           "  --steps JSON    the script itself\n"
                           "  --scale N       sleeps and rates run N times as fast (1)\n"
                           "  --clock CLOCK   real, or manual: sleeps wait for the controller (real)\n"
                           "  --control FD    a stream socket for barriers and the manual clock\n"
                           "  --validate      only check the script\n"
                           "  --version       print the version and exit\n"
                           "  --help          print this text and exit\n\n"
                           "Exit codes of its own: 2 wrong use or a wrong script, 97 the input was not as expected,\n"
                           "98 a step could not be done. The steps are described in standbox-puppet(1).\n";

enum { OPTION_STEPS = 256, OPTION_SCALE, OPTION_CLOCK, OPTION_CONTROL, OPTION_VALIDATE, OPTION_VERSION, OPTION_HELP };

static const struct option long_options[] = {
    { "steps", required_argument, NULL, OPTION_STEPS }, { "scale", required_argument, NULL, OPTION_SCALE },
    { "clock", required_argument, NULL, OPTION_CLOCK }, { "control", required_argument, NULL, OPTION_CONTROL },
    { "validate", no_argument, NULL, OPTION_VALIDATE }, { "version", no_argument, NULL, OPTION_VERSION },
    { "help", no_argument, NULL, OPTION_HELP },         { NULL, 0, NULL, 0 },
};

/* ---- the command line --------------------------------------------------------------- */

static int take_scale(struct options *o, const char *value, struct err *err)
{
    char *end;
    double scale = strtod(value, &end);
    if (end == value || *end != '\0' || !isfinite(scale) || scale < SCALE_MIN || scale > SCALE_MAX)
        return err_set(err, ERR_INVALID, 0, "--scale: \"%.60s\" is not a number from %g to %.0f", value, SCALE_MIN,
                       SCALE_MAX);
    o->scale = scale;
    return 0;
}

static int take_clock(struct options *o, const char *value, struct err *err)
{
    o->is_clock_manual = strcmp(value, "manual") == 0;
    if (!o->is_clock_manual && strcmp(value, "real") != 0)
        return err_set(err, ERR_INVALID, 0, "--clock: \"%.60s\" is not real or manual", value);
    return 0;
}

static int take_control(struct options *o, const char *value, struct err *err)
{
    char *end;
    errno = 0;
    long fd = strtol(value, &end, 10);
    if (*value < '0' || *value > '9' || *end != '\0' || errno != 0 || fd > INT_MAX)
        return err_set(err, ERR_INVALID, 0, "--control: \"%.60s\" is not a file descriptor", value);
    if (fd <= STDERR_FILENO)
        return err_set(err, ERR_INVALID, 0, "--control: %ld is a standard stream", fd);
    o->control_fd = (int) fd;
    return 0;
}

/* Where to go on: 0 run, 1 done, -1 wrong use. */
static int take_option(struct options *o, int option, struct err *err)
{
    switch (option) {
    case OPTION_STEPS: o->steps = optarg; return 0;
    case OPTION_SCALE: return take_scale(o, optarg, err);
    case OPTION_CLOCK: return take_clock(o, optarg, err);
    case OPTION_CONTROL: return take_control(o, optarg, err);
    case OPTION_VALIDATE: o->only_validate = true; return 0;
    case OPTION_VERSION: printf("standbox-puppet %s\n", STANDBOX_VERSION); return 1;
    case OPTION_HELP: fputs(help, stdout); return 1;
    case ':': return err_set(err, ERR_INVALID, 0, "an option without its value (--help lists them)");
    default: return err_set(err, ERR_INVALID, 0, "unknown option (--help lists them)");
    }
}

/* 0 run, 1 done, -1 wrong use. */
static int parse_options(struct options *o, int argc, char **argv, struct err *err)
{
    int option;
    opterr = 0;
    /* '+': what stands behind FILE is for the script. */
    while ((option = getopt_long(argc, argv, "+:", long_options, NULL)) != -1) {
        int at = optind - 1;
        int rc = take_option(o, option, err);
        if (rc < 0 && (option == '?' || option == ':'))
            return err_wrap(err, "%.60s", argv[at]);
        if (rc != 0)
            return rc;
    }
    if (o->steps == NULL && optind == argc)
        return err_set(err, ERR_INVALID, 0, "no script: FILE or --steps is needed (--help tells more)");
    if (o->steps == NULL)
        o->file = argv[optind++];
    o->args = argv + optind;
    if (o->is_clock_manual && o->control_fd < 0 && !o->only_validate)
        return err_set(err, ERR_INVALID, 0, "--clock manual: needs --control, or nobody could move it");
    return 0;
}

/* ---- the script --------------------------------------------------------------------- */

static int read_all(int fd, struct buf *out, struct err *err)
{
    for (;;) {
        char *room = buf_reserve(out, 65536);
        ssize_t n = room == NULL ? -1 : read(fd, room, 65536);
        if (room == NULL)
            return err_set(err, ERR_NOMEM, 0, "script");
        if (n < 0)
            return err_set(err, ERR_IO, errno, "cannot read");
        if (n == 0)
            return 0;
        out->len += (size_t) n;
        if (out->len > SCRIPT_MAX_BYTES)
            return err_set(err, ERR_LIMIT, 0, "more than %d bytes", SCRIPT_MAX_BYTES);
    }
}

static int read_script(const struct options *o, struct buf *out, struct err *err)
{
    if (o->steps != NULL) {
        buf_str(out, o->steps);
        return out->failed ? err_set(err, ERR_NOMEM, 0, "script") : 0;
    }
    int fd = open(o->file, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set(err, ERR_IO, errno, "cannot open");
    int rc = read_all(fd, out, err);
    close(fd);
    return rc;
}

static int load_script(const struct options *o, struct steps *out, struct err *err)
{
    BUF_AUTO text = BUF_INIT;
    if (read_script(o, &text, err) < 0 || steps_parse(buf_cstr(&text), text.len, out, err) < 0)
        return -1;
    const struct step *barrier = steps_find(out, STEP_BARRIER);
    if (barrier != NULL && o->control_fd < 0 && !o->only_validate) {
        err_set(err, ERR_INVALID, 0, "%s: needs --control, or nobody could lift it", barrier->where);
        steps_fini(out);
        return -1;
    }
    return 0;
}

static int wrong_script(const struct options *o, const struct err *err)
{
    /* "FILE:LINE:COLUMN" is what editors jump to. */
    bool has_place = err->text[0] >= '0' && err->text[0] <= '9';
    fprintf(stderr, "standbox-puppet: %s:%s%s\n", o->steps != NULL ? "--steps" : o->file, has_place ? "" : " ",
            err->text);
    return EXIT_WRONG_USE;
}

static int perform(const struct options *o, const struct steps *steps, struct err *err)
{
    struct puppet p = {
        .scale = o->scale, .is_clock_manual = o->is_clock_manual, .args = o->args, .control = { .fd = -1 }
    };
    if (o->control_fd >= 0 && control_init(&p.control, o->control_fd) < 0)
        return err_set(err, ERR_INVALID, errno, "--control: %d is no stream socket", o->control_fd);
    if (signals_init() < 0)
        return err_set(err, ERR_IO, errno, "eventfd");
    puppet_run(&p, steps);
    serve_leave(&p.serve);
    buf_fini(&p.control.input);
    free(p.children);
    return 0;
}

int main(int argc, char **argv)
{
    struct options o = { .scale = 1, .control_fd = -1 };
    struct steps steps = { NULL, 0 };
    struct err err = ERR_INIT;
    int rc = parse_options(&o, argc, argv, &err);
    if (rc > 0)
        return fflush(stdout) == 0 ? 0 : 1;
    if (rc == 0 && load_script(&o, &steps, &err) < 0)
        return wrong_script(&o, &err);
    if (rc == 0 && !o.only_validate)
        rc = perform(&o, &steps, &err);
    steps_fini(&steps);
    if (rc == 0)
        return 0;
    fprintf(stderr, "standbox-puppet: %s\n", err.text);
    return EXIT_WRONG_USE;
}
