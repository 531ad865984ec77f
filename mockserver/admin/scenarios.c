/* Scenarios: list, add, take away, begin anew. */
#include "scenario/scenario.h"

#include <stdlib.h>
#include <string.h>

#include "admin/admin_priv.h"

#define FILE_NAME "BODY"       /* what complaints call the text, unless the caller has a name for it */
#define FILE_NAME_MAX 100      /* complaints have to fit into one line */

/* ---- what is at work ------------------------------------------------------------------------ */

void put_count_members(struct jsonw *w, const struct match_counts *counts)
{
    jsonw_int(w, "planned", (int64_t) counts->planned);
    jsonw_int(w, "matched", (int64_t) counts->matched);
    jsonw_int(w, "fired", (int64_t) counts->fired);
    jsonw_int(w, "missed", (int64_t) counts->missed);
    jsonw_int(w, "pending", (int64_t) counts->pending);
    jsonw_int(w, "left", counts->planned > counts->fired ? (int64_t) (counts->planned - counts->fired) : 0);
}

void put_counts(struct jsonw *w, struct match *match, enum match_list list, size_t index)
{
    struct match_counts counts = { 0 };
    match_get_counts(match, list, index, &counts);
    put_count_members(w, &counts);
}

void put_rule_id(struct jsonw *w, const struct scenario *scenario, enum match_list list, size_t index)
{
    BUF_AUTO id = BUF_INIT;
    buf_printf(&id, "%s/%s/%zu", scenario->name, list == MATCH_FAULTS ? "faults" : "processes", index);
    jsonw_str(w, "id", buf_cstr(&id));
}

static const char *what_it_does(const struct scenario *scenario, enum match_list list, size_t index)
{
    static const char *const runs[] = {
        [RUN_PUPPET] = "puppet", [RUN_FAIL] = "fail", [RUN_COMMAND] = "command",
    };
    if (list == MATCH_PROCESSES)
        return runs[scenario->processes[index].run];
    return fault_info_of(scenario->faults[index].fault.kind)->name;
}

static void put_rules(struct answer *a, const char *name, struct match *match, enum match_list list, size_t count)
{
    const struct scenario *scenario = match_scenario(match);
    jsonw_array(&a->w, name);
    for (size_t i = 0; i < count && answer_flush(a); i++) {
        jsonw_object(&a->w, NULL);
        put_rule_id(&a->w, scenario, list, i);
        jsonw_int(&a->w, "line",
                  (int64_t) (list == MATCH_FAULTS ? scenario->faults[i].line : scenario->processes[i].line));
        jsonw_str(&a->w, "does", what_it_does(scenario, list, i));
        put_counts(&a->w, match, list, i);
        jsonw_end_object(&a->w);
    }
    jsonw_end_array(&a->w);
}

static void put_match(struct answer *a, const char *lane, struct match *match)
{
    const struct scenario *scenario = match_scenario(match);
    BUF_AUTO seed = BUF_INIT;
    jsonw_object(&a->w, NULL);
    jsonw_str(&a->w, "lane", lane);
    jsonw_str(&a->w, "name", scenario->name);
    jsonw_str(&a->w, "file", scenario->file_name);
    jsonw_str(&a->w, "why", scenario->why);
    jsonw_array(&a->w, "source");
    for (size_t i = 0; i < scenario->source_count; i++)
        jsonw_str(&a->w, NULL, scenario->sources[i]);
    jsonw_end_array(&a->w);
    /* As text: readers of JSON lose digits of a number of 64 bits. */
    buf_printf(&seed, "%llu", (unsigned long long) match_seed(match));
    jsonw_str(&a->w, "seed", buf_cstr(&seed));
    put_rules(a, "processes", match, MATCH_PROCESSES, scenario->process_count);
    put_rules(a, "faults", match, MATCH_FAULTS, scenario->fault_count);
    jsonw_int(&a->w, "unfired", (int64_t) match_count_unfired(match));
    jsonw_end_object(&a->w);
}

/* Of one lane; `name` NULL: all.  How many there were. */
static size_t put_lane(struct answer *a, struct lane *lane, const char *name)
{
    size_t count = 0, put = 0;
    struct match **list = lane_matches(lane, &count);
    for (size_t i = 0; i < count && answer_flush(a); i++) {
        if (name != NULL && strcmp(match_scenario(list[i])->name, name) != 0)
            continue;
        put_match(a, lane_name(lane), list[i]);
        put++;
    }
    lane_matches_free(list, count);
    return put;
}

void admin_list_scenarios(struct call *call)
{
    struct answer a;
    answer_begin(&a, call);
    jsonw_array(&a.w, "scenarios");
    for (size_t i = 0; i < call->lane_count; i++)
        put_lane(&a, call->lanes[i], NULL);
    jsonw_end_array(&a.w);
    answer_end(&a);
}

static bool is_in(struct lane *lane, const char *name)
{
    size_t count = 0;
    bool found = false;
    struct match **list = lane_matches(lane, &count);
    for (size_t i = 0; i < count; i++)
        found = found || strcmp(match_scenario(list[i])->name, name) == 0;
    lane_matches_free(list, count);
    return found;
}

void call_fail_scenario(struct call *call, const char *name)
{
    BUF_AUTO shown = BUF_INIT;
    jsonc_quote(&shown, name, strlen(name), 100);
    call_fail(call, 404, "not_found", "no scenario %s is at work%s%s; GET " ADMIN_PREFIX "/scenarios lists them",
              buf_cstr(&shown), call->only == NULL ? "" : " in lane ",
              call->only == NULL ? "" : lane_name(call->only));
}

void admin_get_scenario(struct call *call)
{
    struct answer a;
    const char *name = call->params.value[0];
    bool found = false;
    for (size_t i = 0; i < call->lane_count && !found; i++)
        found = is_in(call->lanes[i], name);
    if (!found) {
        call_fail_scenario(call, name);
        return;
    }
    answer_begin(&a, call);
    jsonw_array(&a.w, "scenarios");
    for (size_t i = 0; i < call->lane_count; i++)
        put_lane(&a, call->lanes[i], name);
    jsonw_end_array(&a.w);
    answer_end(&a);
}

/* ---- changing ------------------------------------------------------------------------------- */

/* "FILE:LINE:COLUMN: /pointer: what", as base/jsonc.h has it; what is no JSON has no pointer. */
static void put_place(struct jsonw *w, const char *file, const char *text)
{
    size_t file_len = strlen(file);
    char *rest;
    if (strncmp(text, file, file_len) != 0 || text[file_len] != ':')
        return;
    unsigned long line = strtoul(text + file_len + 1, &rest, 10);
    unsigned long column = *rest == ':' ? strtoul(rest + 1, &rest, 10) : 0;
    if (line == 0 || column == 0)
        return;
    jsonw_int(w, "line", (int64_t) line);
    jsonw_int(w, "column", (int64_t) column);
    rest += strspn(rest, ": ");
    const char *end = strstr(rest, ": ");
    if (*rest == '/' && end != NULL)
        jsonw_bytes(w, "pointer", rest, (size_t) (end - rest));
    else
        jsonw_null(w, "pointer");
}

static void refuse_scenario(struct call *call, const char *file, const struct err *err)
{
    struct answer a;
    if (err->code != ERR_INVALID && err->code != ERR_LIMIT) {
        call_fail_err(call, err);
        return;
    }
    answer_begin(&a, call);
    a.status = 422;
    jsonw_str(&a.w, "message", err->text);
    jsonw_str(&a.w, "error", err->text);
    jsonw_str(&a.w, "code", "invalid_scenario");
    put_place(&a.w, file, err->text);
    answer_end(&a);
}

static void reply_added(struct call *call, const struct scenario *scenario)
{
    struct answer a;
    BUF_AUTO place = BUF_INIT;
    buf_printf(&place, ADMIN_PREFIX "/scenarios/%s", scenario->name);
    call->x->ops->add_header(call->x, "Location", buf_cstr(&place));
    answer_begin(&a, call);
    jsonw_str(&a.w, "name", scenario->name);
    jsonw_str(&a.w, "lane", call->only == NULL ? NULL : lane_name(call->only));
    jsonw_int(&a.w, "processes", (int64_t) scenario->process_count);
    jsonw_int(&a.w, "faults", (int64_t) scenario->fault_count);
    answer_end(&a);
}

static int put_to_work(struct call *call, struct scenario *scenario, struct err *err)
{
    struct lanes *lanes = call->admin->config.lanes;
    BUF_AUTO replace = BUF_INIT;
    if (call_query(call, PARAM_REPLACE, &replace) && strcmp(buf_cstr(&replace), "true") == 0)
        return lanes_set_scenarios(lanes, call->only, &scenario, 1, err);
    return lanes_add_scenario(lanes, call->only, scenario, err);
}

void admin_add_scenario(struct call *call)
{
    struct scenario *scenario = NULL;
    struct err err = ERR_INIT;
    BUF_AUTO file = BUF_INIT;
    if (!call_query(call, PARAM_FILE, &file) || file.len == 0) {
        buf_clear(&file);
        buf_str(&file, FILE_NAME);
    }
    if (file.len > FILE_NAME_MAX)
        call_fail(call, 400, "invalid_request", "query parameter file: more than %d bytes", FILE_NAME_MAX);
    else if (scenario_parse_with(&scenario, call->admin->config.hooks, buf_cstr(&file), call->text, call->len,
                                 &err) != 0)
        refuse_scenario(call, buf_cstr(&file), &err);
    else if (put_to_work(call, scenario, &err) != 0)
        call_fail_err(call, &err);
    else
        reply_added(call, scenario);
    scenario_unref(scenario);
}

static void remove_scenarios(struct call *call, const char *name)
{
    struct err err = ERR_INIT;
    int rc = lanes_remove_scenario(call->admin->config.lanes, call->only, name, &err);
    if (rc == 0 || (name == NULL && err.code == ERR_NOT_FOUND))
        call_reply_status(call, "deleted");
    else if (err.code == ERR_NOT_FOUND)
        call_fail_scenario(call, name);
    else
        call_fail_err(call, &err);
}

void admin_delete_scenario(struct call *call)
{
    remove_scenarios(call, call->params.value[0]);
}

void admin_delete_scenarios(struct call *call)
{
    remove_scenarios(call, NULL);
}

void admin_reset_scenarios(struct call *call)
{
    for (size_t i = 0; i < call->lane_count; i++)
        lane_reset_matches(call->lanes[i]);
    call_reply_status(call, "reset");
}
