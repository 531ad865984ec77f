#include "lanes/start.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lanes/puppeteer.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

/* The kernel takes 128 KiB in one argument. */
#define STEPS_INLINE_MAX ((size_t) 100 * 1024)

/* What is handed over as descriptors 3 and 4. */
#define CONTROL_FD "3"
#define SCRIPT_FD  "/proc/self/fd/4"

/* ---- the first word ---------------------------------------------------------------------- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool ends_word(char c)
{
    return c == '\0' || is_blank(c) || strchr(";&|()<>", c) != NULL;
}

/* Blanks, comments, the brackets of a subshell or a group. */
static const char *skip_gap(const char *p)
{
    for (;;) {
        if (is_blank(*p) || *p == '(' || (*p == '{' && is_blank(p[1])))
            p++;
        else if (*p == '#')
            p += strcspn(p, "\n");
        else
            return p;
    }
}

/* One word, quotes taken off, into `out`.  Returns what follows. */
static const char *take_word(const char *p, struct buf *out)
{
    char quote = '\0';
    for (; *p != '\0' && (quote != '\0' || !ends_word(*p)); p++) {
        bool escapes = *p == '\\' && quote != '\'' && p[1] != '\0';
        if (escapes && quote == '"' && strchr("\"\\$`", p[1]) == NULL)
            escapes = false;
        if (escapes)
            buf_char(out, *++p);
        else if (quote != '\0' ? *p == quote : *p == '\'' || *p == '"')
            quote = quote == '\0' ? *p : '\0';
        else
            buf_char(out, *p);
    }
    return p;
}

/* "NAME=..." or "NAME+=...", with nothing quoted in front of the "=". */
static bool is_assignment(const char *p)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";
    size_t len = strspn(p, letters);
    if (len == 0 || (*p >= '0' && *p <= '9'))
        return false;
    return p[len] == '=' || (p[len] == '+' && p[len + 1] == '=');
}

/* "2>file" and the like: what follows, or NULL when there is none. */
static const char *skip_redirection(const char *p)
{
    BUF_AUTO ignored = BUF_INIT;
    p += strspn(p, "0123456789");
    if (*p == '&' && p[1] == '>')
        p++;
    if (*p != '<' && *p != '>')
        return NULL;
    p += strspn(p, "<>&|");
    while (*p == ' ' || *p == '\t')
        p++;
    return take_word(p, &ignored);
}

void start_argv0(const char *line, struct buf *out)
{
    BUF_AUTO skipped = BUF_INIT;
    for (const char *p = skip_gap(line); *p != '\0'; p = skip_gap(p)) {
        const char *behind = skip_redirection(p);
        if (behind == NULL && !is_assignment(p)) {
            take_word(p, out);
            return;
        }
        p = behind != NULL ? behind : take_word(p, &skipped);
    }
}

/* ---- what rules see ---------------------------------------------------------------------- */

static bool is_shell(const char *program)
{
    static const char *const shells[] = { "sh", "bash", "dash", "ash", "zsh", "ksh" };
    const char *slash = strrchr(program, '/');
    for (size_t i = 0; i < COUNT(shells); i++) {
        if (strcmp(slash == NULL ? program : slash + 1, shells[i]) == 0)
            return true;
    }
    return false;
}

/* "sh -c LINE", also "bash -lc LINE". */
static bool is_shell_line(char *const *argv)
{
    if (!is_shell(argv[0]) || argv[1] == NULL || argv[2] == NULL)
        return false;
    size_t len = strlen(argv[1]);
    return argv[1][0] == '-' && argv[1][1] != '-' && len > 1 && argv[1][len - 1] == 'c';
}

/* The command as the client worded it. */
static void add_command(struct buf *out, const struct proc_spec *spec)
{
    if (spec->display != NULL) {
        buf_str(out, spec->display);
        return;
    }
    for (size_t i = 0; spec->argv[i] != NULL; i++)
        buf_printf(out, "%s%s", i == 0 ? "" : " ", spec->argv[i]);
}

static bool has_argv(const struct proc_spec *spec)
{
    return spec->argv != NULL && spec->argv[0] != NULL;
}

/* ---- what is started instead --------------------------------------------------------------- */

/* Everything that a changed spec borrows. */
struct plan {
    struct proc_spec spec;
    struct buf command;
    char **argv;
    int fds[2];              /* -1: none */
    struct match *match;     /* a reference: the rule is borrowed from it; NULL: no rule fits */
    const struct process_rule *rule;
};

static void plan_fini(struct plan *plan)
{
    for (size_t i = 0; i < COUNT(plan->fds); i++) {
        if (plan->fds[i] >= 0)
            close(plan->fds[i]);
    }
    free(plan->argv);
    buf_fini(&plan->command);
    match_unref(plan->match);
}

/* `head`, and then the client's own arguments if it `wants_args`. */
static int set_argv(struct plan *plan, const char *const *head, size_t count, bool wants_args, struct err *err)
{
    char *const *args = plan->spec.argv;
    size_t more = 0;
    while (wants_args && args[more] != NULL)
        more++;
    plan->argv = calloc(count + more + 1, sizeof(char *));
    if (plan->argv == NULL)
        return err_set(err, ERR_NOMEM, 0, "arguments");
    for (size_t i = 0; i < count; i++)
        plan->argv[i] = (char *) (uintptr_t) head[i];
    for (size_t i = 0; i < more; i++)
        plan->argv[count + i] = args[i];
    plan->spec.argv = plan->argv;
    return 0;
}

/* The script as a file that only the puppet has, and nobody can change. */
static int write_script(const struct process_rule *rule, int *out_fd, struct err *err)
{
    int fd = memfd_create("steps", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return err_set(err, ERR_IO, errno, "memfd_create");
    for (size_t done = 0; done < rule->steps_len;) {
        ssize_t n = write(fd, rule->steps + done, rule->steps_len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            err_set(err, ERR_IO, errno, "steps of a puppet");
            close(fd);
            return -1;
        }
        done += (size_t) n;
    }
    (void) fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
    *out_fd = fd;
    return 0;
}

/* "--": the client's own arguments may begin with a dash. */
static int set_puppet_argv(struct plan *plan, const char *path, struct err *err)
{
    const char *const with_steps[] = { path, "--control", CONTROL_FD, "--clock", "manual",
                                       "--steps", plan->rule->steps, "--" };
    const char *const with_file[] = { path, "--control", CONTROL_FD, "--clock", "manual", "--", SCRIPT_FD };
    if (plan->rule->steps_len < STEPS_INLINE_MAX)
        return set_argv(plan, with_steps, COUNT(with_steps), true, err);
    if (write_script(plan->rule, &plan->fds[1], err) < 0)
        return -1;
    return set_argv(plan, with_file, COUNT(with_file), true, err);
}

static int plan_puppet(struct plan *plan, struct lane *lane, struct sandbox *sandbox, const char *shell,
                       struct err *err)
{
    const char *path = sandbox_puppet_path(sandbox);
    struct puppeteer *puppeteer = lane_puppeteer(lane);
    (void) shell;
    if (path == NULL || puppeteer == NULL)
        return err_set(err, ERR_UNSUPPORTED, 0, "this installation has no standbox-puppet");
    if (plan->spec.extra_fd_count > 0)
        return err_set(err, ERR_UNSUPPORTED, 0, "a puppet cannot take a process's own descriptors");
    if (set_puppet_argv(plan, path, err) < 0 ||
        puppeteer_add(puppeteer, lane_name(lane), lane_clock(lane), &plan->fds[0], err) < 0)
        return -1;
    plan->spec.extra_fds = plan->fds;
    plan->spec.extra_fd_count = plan->fds[1] >= 0 ? 2 : 1;
    return 0;
}

static int plan_failure(struct plan *plan, struct lane *lane, struct sandbox *sandbox, const char *shell,
                        struct err *err)
{
    (void) lane;
    (void) sandbox;
    (void) shell;
    (void) err;
    plan->spec.fail_errno = plan->rule->errnum;
    return 0;
}

static int plan_command(struct plan *plan, struct lane *lane, struct sandbox *sandbox, const char *shell,
                        struct err *err)
{
    const char *const head[] = { shell != NULL ? shell : "/bin/sh", "-c", plan->rule->command };
    (void) lane;
    (void) sandbox;
    return set_argv(plan, head, COUNT(head), false, err);
}

static int (*const plan_run[])(struct plan *plan, struct lane *lane, struct sandbox *sandbox, const char *shell,
                               struct err *err) = {
    [RUN_PUPPET] = plan_puppet,
    [RUN_FAIL] = plan_failure,
    [RUN_COMMAND] = plan_command,
};

/* ---- starting ------------------------------------------------------------------------------ */

static bool find_rule(struct plan *plan, struct lane *lane, enum scenario_op op, enum scenario_dialect dialect,
                      const struct sandbox *sandbox)
{
    BUF_AUTO argv0 = BUF_INIT;
    const struct proc_spec *spec = &plan->spec;
    if (is_shell_line(spec->argv))
        start_argv0(buf_cstr(&plan->command), &argv0);
    else
        buf_str(&argv0, spec->argv[0]);
    const struct match_subject subject = {
        .op = op,
        .dialect = dialect,
        .command = buf_cstr(&plan->command),
        .argv0 = buf_cstr(&argv0),
        .cwd = spec->cwd != NULL ? spec->cwd : sandbox_home(sandbox),
        .sandbox = sandbox_id(sandbox),
        .lane = lane_name(lane),
        .env = (const char *const *) spec->env,
    };
    return lane_match_process(lane, &subject, &plan->match, &plan->rule);
}

/* "kill-lies.json:12: /processes/0: ..." */
static int name_rule(const struct plan *plan, struct err *err)
{
    const struct scenario *scenario = match_scenario(plan->match);
    return err_wrap(err, "%s:%zu: /processes/%zu", scenario->file_name, plan->rule->line,
                    (size_t) (plan->rule - scenario->processes));
}

int lane_start(struct lane *lane, enum scenario_op op, enum scenario_dialect dialect, struct sandbox *sandbox,
               const struct proc_spec *spec, const char *shell, struct proc **out_proc,
               struct proc_reader **out_reader, struct err *err)
{
    struct plan plan __attribute__((cleanup(plan_fini))) = { .spec = *spec, .command = BUF_INIT, .fds = { -1, -1 } };
    if (!has_argv(spec))
        return proc_start_read(sandbox, spec, out_proc, out_reader, err);   /* which says what is wrong */
    add_command(&plan.command, spec);
    if (plan.command.failed)
        return err_set(err, ERR_NOMEM, 0, "command");
    plan.spec.display = buf_cstr(&plan.command);
    int64_t hold_ms = lane_queued_hold_ms(lane);
    if (hold_ms > plan.spec.hold_ms)
        plan.spec.hold_ms = hold_ms;
    if (find_rule(&plan, lane, op, dialect, sandbox) &&
        plan_run[plan.rule->run](&plan, lane, sandbox, shell, err) < 0)
        return name_rule(&plan, err);
    return proc_start_read(sandbox, &plan.spec, out_proc, out_reader, err);
}
