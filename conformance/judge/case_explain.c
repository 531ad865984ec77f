/* A case for people. */
#include "judge/case.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <string.h>

#include "base/json.h"
#include "judge/expectation.h"
#include "judge/show.h"

#define SHOWN 1000 /* bytes of one value */

static void put_list(FILE *out, const char *title, const cJSON *list)
{
    const cJSON *one;
    if (list == NULL)
        return;
    fprintf(out, "%s\n", title);
    cJSON_ArrayForEach(one, list) fprintf(out, "  %s\n", one->valuestring);
}

static void put_head(const struct case_def *def, FILE *out)
{
    fprintf(out, "%s\n  %s\n\n", def->id, def->requirement);
    fprintf(out, "%s, %s%s\n", def->severity == CASE_SHOULD ? "SHOULD" : "MUST", def->tag,
            def->is_portable ? ", portable" : "");
    put_list(out, "source", def->sources);
    put_list(out, "guards against", def->bugs);
    if (def->alias_count > 0)
        fputs("formerly\n", out);
    for (size_t i = 0; i < def->alias_count; i++)
        fprintf(out, "  %s\n", def->aliases[i]);
    fputs("needs\n ", out);
    for (size_t i = 0; i < def->need_count; i++)
        fprintf(out, " %s", def->needs[i]);
    fprintf(out, "\nread at\n  %s:%zu\n", def->file, def->line);
    if (def->kills_none != NULL)
        fprintf(out, "no mutant breaks it\n  %s\n", def->kills_none);
}

static void put_value(FILE *out, const char *indent, const cJSON *value)
{
    BUF_AUTO text = BUF_INIT;
    show_value(&text, value, SHOWN);
    fprintf(out, "%s%s\n", indent, buf_cstr(&text));
}

/* "exec command: "exit 7", sandbox: "box"" */
static void put_step(FILE *out, const struct case_step *step)
{
    BUF_AUTO text = BUF_INIT;
    const cJSON *arg;
    cJSON_ArrayForEach(arg, step->input)
    {
        if (strcmp(arg->string, "step") == 0 || strcmp(arg->string, "op") == 0)
            continue;
        buf_printf(&text, "%s %s: ", text.len == 0 ? "" : ",", arg->string);
        show_value(&text, arg, SHOWN);
    }
    fprintf(out, "  %s: %s%s\n", step->name, step->op, buf_cstr(&text));
    buf_clear(&text);
    if (step->is_background)
        return;
    expectation_describe(step->expect, &text, SHOWN);
    fprintf(out, "     expected: %s\n", buf_cstr(&text));
}

static void put_actions(FILE *out, const char *title, const cJSON *actions)
{
    const cJSON *action;
    if (actions == NULL)
        return;
    fprintf(out, "%s\n", title);
    cJSON_ArrayForEach(action, actions) put_value(out, "  ", action);
}

static void put_checks(FILE *out, const char *title, const cJSON *checks)
{
    const cJSON *check, *one;
    if (checks == NULL)
        return;
    fprintf(out, "%s\n", title);
    cJSON_ArrayForEach(check, checks)
    {
        fprintf(out, "  %s\n", json_get(check, "what")->valuestring);
        BUF_AUTO text = BUF_INIT;
        if (json_get(check, "entry") != NULL)
            pattern_describe(json_get(check, "entry"), &text, SHOWN);
        cJSON_ArrayForEach(one, json_get(check, "order"))
        {
            buf_str(&text, text.len == 0 ? "" : ", then ");
            pattern_describe(one, &text, SHOWN);
        }
        fprintf(out, "     %s\n", buf_cstr(&text));
        if (json_get(check, "count") == NULL)
            continue;
        buf_clear(&text);
        pattern_describe(json_get(check, "count"), &text, SHOWN);
        fprintf(out, "     how often: %s\n", buf_cstr(&text));
    }
}

void case_explain(const struct case_def *def, FILE *out)
{
    put_head(def, out);
    if (def->scenario != NULL)
        fprintf(out, "scenario\n  %s\n", def->scenario_name);
    if (def->client != NULL) {
        fputs("client\n", out);
        put_value(out, "  ", def->client);
    }
    put_actions(out, "before", def->before);
    fprintf(out, "steps (within %" PRId64 " ms)\n", def->deadline_ms);
    for (size_t i = 0; i < def->step_count; i++)
        put_step(out, &def->step[i]);
    put_actions(out, "meanwhile", def->meanwhile);
    put_checks(out, "on the wire", def->wire);
    put_checks(out, "witness (without it the case was not exercised)", def->witness);
    put_list(out, "checks of the journal", def->journal);
    fprintf(out, "rerun\n  standbox-conformance --client ... --vendor %s --run '%s'\n", def->vendor, def->id);
}
