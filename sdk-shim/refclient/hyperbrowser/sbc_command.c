/* The body of a start: the command line and its options. */
#include "sbc_priv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "sbc_mutants.h"

static int add_text(cJSON *body, const char *name, const char *value, const char *what, struct sbc_error *err)
{
    if (value == NULL)
        return 0;
    if (!sbc_utf8_is_valid(value, strlen(value)))
        return sbc_error_set(err, SBC_ARGUMENT, "%s: is no UTF-8", what);
    cJSON_AddItemToObject(body, name, sbc_json_new_text(value, strlen(value)));
    return 0;
}

/* A command alone is a shell line already; with arguments it is a word like them. */
static char *fold(const struct sbc_command *command)
{
    struct sbc_buf line = { 0 };
    if (command->args == NULL)
        return sbc_text_copy(command->command);
    sbc_shell_quote(&line, command->command);
    for (size_t i = 0; i < command->arg_count; i++) {
        sbc_buf_add_text(&line, " ");
        if (SBC_MUTANT(args_not_quoted))
            sbc_buf_add_text(&line, command->args[i]);
        else
            sbc_shell_quote(&line, command->args[i]);
    }
    return sbc_buf_take(&line);
}

static int add_env(cJSON *body, const struct sbc_command *command, struct sbc_error *err)
{
    if (command->env == NULL)
        return 0;
    cJSON *env = cJSON_AddObjectToObject(body, "env");
    for (size_t i = 0; i < command->env_count; i++) {
        const struct sbc_variable *variable = &command->env[i];
        if (variable->name == NULL || !sbc_utf8_is_valid(variable->name, strlen(variable->name)))
            return sbc_error_set(err, SBC_ARGUMENT, "env[%zu]: its name is no UTF-8", i);
        if (add_text(env, variable->name, variable->value != NULL ? variable->value : "", "env", err) < 0)
            return -1;
    }
    return 0;
}

static int check_limits(const struct sbc_command *command, struct sbc_error *err)
{
    if (command->timeout_ms < 0)
        return sbc_error_set(err, SBC_ARGUMENT, "timeout_ms: must not be negative");
    if (!(command->timeout_s >= 0) || isinf(command->timeout_s))
        return sbc_error_set(err, SBC_ARGUMENT, "timeout_s: must be a number that is not negative");
    return 0;
}

void sbc_command_add_limit(struct cJSON *body, int64_t timeout_ms, double timeout_s)
{
    if (timeout_ms > 0)
        cJSON_AddNumberToObject(body, "timeoutMs", (double) timeout_ms);
    if (timeout_s > 0)
        cJSON_AddNumberToObject(body, "timeout_sec", timeout_s); /* the wire mixes its spellings */
}

static int fill(cJSON *body, const struct sbc_command *command, struct sbc_error *err)
{
    char *line = fold(command);
    int failed = add_text(body, "command", line, "command", err);
    free(line);
    if (failed < 0 || add_text(body, "cwd", command->cwd, "cwd", err) < 0 || add_env(body, command, err) < 0 ||
        add_text(body, "runAs", command->user, "user", err) < 0)
        return -1;
    sbc_command_add_limit(body, command->timeout_ms, command->timeout_s);
    SBC_MUTATE(sbc_mutants_command(body));
    return 0;
}

struct cJSON *sbc_command_encode(const struct sbc_command *command, struct sbc_error *err)
{
    if (command->command == NULL) {
        sbc_error_set(err, SBC_ARGUMENT, "command: is missing");
        return NULL;
    }
    if (check_limits(command, err) < 0)
        return NULL;
    cJSON *body = cJSON_CreateObject();
    if (fill(body, command, err) == 0)
        return body;
    cJSON_Delete(body);
    return NULL;
}
