/* The command object, and starting what it describes (wire page §3.1). */
#include "dialects/hyperbrowser/hb_priv.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- timeouts -------------------------------------------------------------------------- */

/* Some 31,000 years: far from any overflow, and whole in a double. */
#define TIMEOUT_MAX_MS 1000000000000000

/* A whole number >= 0 times `unit`, cut down to the maximum. */
static int parse_duration(const struct cJSON *json, const char *name, int64_t unit, int64_t *out, struct err *err)
{
    const cJSON *node = json_get(json, name);
    if (node == NULL)
        return 0;
    if (!cJSON_IsNumber(node) || node->valuedouble != floor(node->valuedouble))
        return err_set(err, ERR_INVALID, 0, "/%s: must be a whole number", name);
    if (node->valuedouble < 0)
        return err_set(err, ERR_INVALID, 0, "/%s: must not be negative", name);
    bool fits = node->valuedouble < (double) (TIMEOUT_MAX_MS / unit);
    *out = fits ? (int64_t) node->valuedouble * unit : TIMEOUT_MAX_MS;
    return 0;
}

int hb_parse_timeout(const struct cJSON *json, int64_t *out_ms, struct err *err)
{
    int64_t ms = 0, seconds_ms = 0;
    if (parse_duration(json, "timeoutMs", 1, &ms, err) < 0 ||
        parse_duration(json, "timeout_sec", 1000, &seconds_ms, err) < 0)
        return -1;
    *out_ms = seconds_ms > 0 ? seconds_ms : ms;
    return 0;
}

/* ---- the line -------------------------------------------------------------------------- */

/* As the SDKs do it by themselves since April 2026; older ones send `args`. */
static void quote_token(struct buf *out, const char *token)
{
    static const char bare[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_@%+=:,./-";
    if (token[0] != '\0' && token[strspn(token, bare)] == '\0') {
        buf_str(out, token);
        return;
    }
    buf_char(out, '\'');
    for (const char *p = token; *p != '\0'; p++) {
        if (*p == '\'')
            buf_str(out, "'\"'\"'");
        else
            buf_char(out, *p);
    }
    buf_char(out, '\'');
}

static int fold_args(struct buf *line, const cJSON *args, struct err *err)
{
    const cJSON *arg;
    if (args == NULL || cJSON_GetArraySize(args) == 0)
        return cJSON_IsArray(args) || args == NULL ? 0 : err_set(err, ERR_INVALID, 0, "/args: must be a list");
    BUF_AUTO folded = BUF_INIT;
    BUF_AUTO text = BUF_INIT;
    quote_token(&folded, line->data);
    cJSON_ArrayForEach(arg, args)
    {
        if (!json_string_bytes(arg, &text) || memchr(buf_cstr(&text), '\0', text.len) != NULL)
            return err_set(err, ERR_INVALID, 0, "/args: must be a list of strings without NUL characters");
        buf_char(&folded, ' ');
        quote_token(&folded, buf_cstr(&text));
    }
    buf_clear(line);
    buf_add(line, folded.data, folded.len);
    return 0;
}

static int parse_line(struct buf *line, const struct cJSON *json, struct err *err)
{
    if (json_get_text(json, "command", line, NULL, err) < 0)
        return -1;
    if (line->len == 0)
        return err_set(err, ERR_INVALID, 0, "/command: must be given");
    return fold_args(line, json_get(json, "args"), err);
}

/* ---- the environment -------------------------------------------------------------------- */

static bool comes_again(const cJSON *member)
{
    for (const cJSON *next = member->next; next != NULL; next = next->next) {
        if (strcmp(next->string, member->string) == 0)
            return true;
    }
    return false;
}

static int add_variable(struct hb_command *command, const cJSON *member, struct err *err)
{
    BUF_AUTO name = BUF_INIT;
    BUF_AUTO value = BUF_INIT;
    json_name_bytes(member, &name);
    if (name.len == 0 || memchr(name.data, '=', name.len) != NULL || memchr(name.data, '\0', name.len) != NULL)
        return err_set(err, ERR_INVALID, 0, "/env: a name must not be empty nor hold \"=\" or a NUL character");
    if (!json_string_bytes(member, &value))
        return err_set(err, ERR_INVALID, 0, "/env/%.100s: must be a string", name.data);
    if (memchr(buf_cstr(&value), '\0', value.len) != NULL)
        return err_set(err, ERR_INVALID, 0, "/env/%.100s: must not hold a NUL character", name.data);
    buf_char(&name, '=');
    buf_add(&name, buf_cstr(&value), value.len);
    if (name.failed || value.failed)
        return err_set(err, ERR_NOMEM, 0, "environment");
    command->env[command->env_count++] = name.data;
    name = (struct buf) BUF_INIT;
    return 0;
}

static int parse_env(struct hb_command *command, const cJSON *env, int64_t env_max, struct err *err)
{
    const cJSON *member;
    if (env == NULL)
        return 0;
    if (!cJSON_IsObject(env))
        return err_set(err, ERR_INVALID, 0, "/env: must be an object");
    int count = cJSON_GetArraySize(env);
    if (count > env_max)
        return err_set(err, ERR_INVALID, 0, "/env: more than %lld variables", (long long) env_max);
    command->env = calloc((size_t) count + 1, sizeof *command->env);
    if (command->env == NULL)
        return err_set(err, ERR_NOMEM, 0, "environment");
    cJSON_ArrayForEach(member, env)
    {
        if (cJSON_IsNull(member) || comes_again(member))
            continue;
        if (add_variable(command, member, err) < 0)
            return -1;
    }
    return 0;
}

/* ---- the whole --------------------------------------------------------------------------- */

int hb_command_parse(struct hb_command *command, const struct cJSON *json, int64_t env_max, struct err *err)
{
    *command = (struct hb_command){ .line = BUF_INIT, .cwd = BUF_INIT, .run_as = BUF_INIT };
    if (parse_line(&command->line, json, err) < 0 || json_get_text(json, "cwd", &command->cwd, NULL, err) < 0 ||
        json_get_text(json, "runAs", &command->run_as, NULL, err) < 0 ||
        parse_env(command, json_get(json, "env"), env_max, err) < 0 ||
        hb_parse_timeout(json, &command->timeout_ms, err) < 0)
        return -1;
    command->has_cwd = command->cwd.len > 0;
    command->has_run_as = command->run_as.len > 0;
    if (command->has_cwd && command->cwd.data[0] != '/')
        return err_set(err, ERR_INVALID, 0, "/cwd: must be an absolute path");
    if (command->line.failed || command->cwd.failed || command->run_as.failed)
        return err_set(err, ERR_NOMEM, 0, "command");
    return 0;
}

void hb_command_fini(struct hb_command *command)
{
    buf_fini(&command->line);
    buf_fini(&command->cwd);
    buf_fini(&command->run_as);
    for (size_t i = 0; i < command->env_count; i++)
        free(command->env[i]);
    free(command->env);
}

int hb_command_start(struct hb_call *call, struct exchange *x, const struct op *op, const struct hb_command *command,
                     enum stdin_mode stdin_mode, struct proc **out_proc, struct proc_reader **out_reader,
                     struct err *err)
{
    const struct hb_settings *settings = hb_now(call->hb);
    char dash_c[] = "-c";
    char *argv[] = { (char *) (uintptr_t) call->hb->shell, dash_c, command->line.data, NULL };
    struct proc_spec spec = {
        .argv = argv,
        .display = command->line.data,
        .cwd = command->has_cwd ? command->cwd.data : NULL,
        .env = command->env,
        .run_as = command->has_run_as ? command->run_as.data : NULL,
        .stdin_mode = stdin_mode,
        .timeout_ms = command->timeout_ms,
        .term_grace_ms = settings->term_grace_ms,
        .drain_grace_ms = settings->drain_grace_ms,
        .keep_bytes = (uint64_t) settings->replay_window_bytes,
    };
    return op_start(x, op, &spec, call->hb->shell, out_proc, out_reader, err);
}
