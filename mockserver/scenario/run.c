/* "run": what a matched process start does instead of what was asked. */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/jsonw.h"
#include "scenario/scenario_priv.h"

static int keep_steps(struct reader *r, struct process_rule *rule, struct buf *json)
{
    if (json->failed)
        return err_set(r->err, ERR_NOMEM, 0, "%s", r->doc.file_name);
    free(rule->steps);
    rule->steps = json->data;
    rule->steps_len = json->len;
    rule->run = RUN_PUPPET;
    *json = (struct buf) BUF_INIT;
    return 0;
}

/* A complaint "/2/out: must be ..." is about the value there; else about the list. */
static int refuse_steps(struct reader *r, const struct cJSON *steps, const struct err *why)
{
    const char *what = why->text;
    const struct cJSON *at = NULL;
    const char *colon = *what == '/' ? strstr(what, ": ") : NULL;
    if (colon != NULL)
        at = jsonc_resolve(steps, what, (size_t) (colon - what));
    if (at != NULL)
        what = colon + 2;
    if (why->code == ERR_NOMEM)
        return err_set(r->err, ERR_NOMEM, 0, "%s", r->doc.file_name);
    return reader_refuse(r, at != NULL ? at : steps, "%s", what);
}

static int read_puppet(struct reader *r, const struct cJSON *value, void *out)
{
    const cJSON *step;
    size_t count;
    struct err why = ERR_INIT;
    BUF_AUTO json = BUF_INIT;
    if (reader_list(r, value, SCENARIO_MAX_RULES, &count) < 0)
        return -1;
    cJSON_ArrayForEach(step, value)
    {
        if (!cJSON_IsObject(step))
            return reader_wants(r, step, "an object, such as {\"out\": \"hello\\n\"}");
    }
    if (r->hooks->check_steps != NULL && r->hooks->check_steps(value, &why) < 0)
        return refuse_steps(r, value, &why);
    json_print(&json, value);
    return keep_steps(r, out, &json);
}

static int read_fail(struct reader *r, const struct cJSON *value, void *out)
{
    struct process_rule *rule = out;
    rule->run = RUN_FAIL;
    return reader_word(r, value, &vocab_errnos, &rule->errnum);
}

static int read_command(struct reader *r, const struct cJSON *value, void *out)
{
    struct process_rule *rule = out;
    rule->run = RUN_COMMAND;
    return reader_text(r, value, 1, &rule->command);
}

/* ---- the short form ------------------------------------------------------------------- */

static void add_text_step(struct jsonw *w, const char *name, const struct cJSON *text)
{
    BUF_AUTO bytes = BUF_INIT;
    if (text == NULL || !json_string_bytes(text, &bytes))
        return;
    jsonw_object(w, NULL);
    jsonw_bytes(w, name, buf_cstr(&bytes), bytes.len);
    jsonw_end_object(w);
}

/* {"exit": 3, "out": "a"} is the puppet [{"out": "a"}, {"exit": 3}]. */
static int make_short_puppet(struct reader *r, const struct cJSON *run, int64_t code, struct process_rule *rule)
{
    BUF_AUTO json = BUF_INIT;
    struct jsonw w;
    jsonw_init(&w, &json);
    jsonw_array(&w, NULL);
    add_text_step(&w, "out", json_get(run, "out"));
    add_text_step(&w, "err", json_get(run, "err"));
    jsonw_object(&w, NULL);
    jsonw_int(&w, "exit", code);
    jsonw_end_object(&w);
    jsonw_end_array(&w);
    return keep_steps(r, rule, &json);
}

/* Both are turned into steps by run_read, once all is checked. */
static int check_exit(struct reader *r, const struct cJSON *value, void *out)
{
    int64_t code;
    (void) out;
    return reader_int(r, value, 0, 255, &code);
}

static int check_output(struct reader *r, const struct cJSON *value, void *out)
{
    (void) out;
    return cJSON_IsString(value) ? 0 : reader_wants(r, value, "a string");
}

/* ---- the whole ------------------------------------------------------------------------ */

static const struct key run_list[] = {
    { "puppet", read_puppet, false }, { "fail", read_fail, false },   { "command", read_command, false },
    { "exit", check_exit, false },    { "out", check_output, false }, { "err", check_output, false },
};
#define ACTIONS 4 /* the first rows of the table; the others go with "exit" */

const struct keys run_keys = { "run", "\"run\"", run_list, sizeof run_list / sizeof run_list[0] };

static bool is_action(const char *name)
{
    for (size_t i = 0; i < ACTIONS; i++) {
        if (strcmp(run_list[i].name, name) == 0)
            return true;
    }
    return false;
}

/* One action, and "out" and "err" only beside "exit". */
static int check_actions(struct reader *r, const struct cJSON *run)
{
    const cJSON *member, *action = NULL;
    cJSON_ArrayForEach(member, run)
    {
        if (!is_action(member->string))
            continue;
        if (action != NULL)
            return reader_refuse_key(r, member, "\"%s\" and \"%s\" contradict each other: a run has one action",
                                     action->string, member->string);
        action = member;
    }
    if (action == NULL)
        return reader_refuse(r, run, "needs an action: puppet, fail, command or exit");
    cJSON_ArrayForEach(member, run)
    {
        if (!is_action(member->string) && strcmp(action->string, "exit") != 0)
            return reader_refuse_key(r, member, "\"%s\" goes only with \"exit\", not with \"%s\"", member->string,
                                     action->string);
    }
    return 0;
}

int run_read(struct reader *r, const struct cJSON *value, void *out)
{
    const cJSON *code;
    if (reader_object(r, value, &run_keys, out) < 0 || check_actions(r, value) < 0)
        return -1;
    code = json_get(value, "exit");
    return code == NULL ? 0 : make_short_puppet(r, value, (int64_t) code->valuedouble, out);
}

void run_fini(struct process_rule *rule)
{
    free(rule->steps);
    free(rule->command);
}
