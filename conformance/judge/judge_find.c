/* What there is to be found: expectations, checks on the ledger, the journal's verdict, faults. */
#include <cjson/cJSON.h>
#include <inttypes.h>
#include <string.h>

#include "base/json.h"
#include "judge/case.h"
#include "judge/evidence.h"
#include "judge/expectation.h"
#include "judge/judge_priv.h"
#include "judge/output.h"
#include "judge/show.h"

/* ---- notes for summary and hash ------------------------------------------------------------ */

static void hash_line(struct findings *f, const char *a, const char *b, const char *c)
{
    const char *const parts[] = { a, b, c };
    for (size_t i = 0; i < 3; i++) {
        hash_put_stable(&f->hashed, parts[i]);
        buf_char(&f->hashed, i < 2 ? '|' : '\n');
    }
}

/* The first of its kind is kept. */
static void keep_first(struct buf *text, const char *what, const char *expected, const char *seen)
{
    if (text->len == 0)
        buf_printf(text, "%s: expected %s, seen %s", what, expected, seen);
}

static void note_broken(struct findings *f, const char *what, const char *expected, const char *seen)
{
    keep_first(&f->broken, what, expected, seen);
    f->broken_count++;
}

/* ---- steps --------------------------------------------------------------------------------- */

static const cJSON *find_outcome(const cJSON *outcomes, const char *step)
{
    const cJSON *outcome;
    cJSON_ArrayForEach(outcome, outcomes)
    {
        const char *name = judge_text(outcome, "step");
        if (name != NULL && strcmp(name, step) == 0)
            return outcome;
    }
    return NULL;
}

static cJSON *problem_to_json(struct findings *f, const struct problem *problem)
{
    cJSON *object = record_new(f);
    record_put_text(f, object, "at", problem->at);
    record_put(f, object, "expected", output_to_text(problem->expected, strlen(problem->expected)));
    record_put(f, object, "seen", output_to_text(problem->seen, strlen(problem->seen)));
    return object;
}

static cJSON *problems_to_json(struct findings *f, const struct problems *problems)
{
    cJSON *list = cJSON_CreateArray();
    for (size_t i = 0; i < problems->count; i++) {
        const struct problem *p = &problems->list[i];
        note_broken(f, p->at, p->expected, p->seen);
        hash_line(f, p->at, p->expected, p->seen);
        record_append(f, list, problem_to_json(f, p));
    }
    if (problems->total > problems->count) {
        char more[40];
        snprintf(more, sizeof more, "%zu more", problems->total - problems->count);
        struct problem rest = { (char *) (uintptr_t) "...", (char *) (uintptr_t) "no more problems", more };
        f->broken_count += problems->total - problems->count;
        record_append(f, list, problem_to_json(f, &rest));
    }
    return list;
}

static bool hung_here(const struct judge_input *in, const struct case_step *step)
{
    return in->adapter.end == JUDGE_DEADLINE && in->adapter.at_step != NULL &&
           strcmp(in->adapter.at_step, step->name) == 0;
}

static void find_problems(struct findings *f, const struct case_step *step, const cJSON *outcome,
                          struct problems *problems)
{
    if (hung_here(f->in, step)) {
        char limit[60];
        snprintf(limit, sizeof limit, "to come back within %" PRId64 " ms", f->in->deadline_ms);
        problems_add(problems, step->name, limit, "nothing: it hung here");
    } else if (f->outcomes != NULL && !step->is_background) {
        expectation_match(step->expect, step->name, outcome, f->outcomes, problems);
    }
}

/* A copy, or null. */
static cJSON *copy_or_null(const cJSON *value)
{
    return value == NULL ? cJSON_CreateNull() : show_clip(value, RECORD_TEXT);
}

static void find_step(struct findings *f, const struct case_step *step)
{
    PROBLEMS_AUTO problems = PROBLEMS_INIT;
    cJSON *object = record_new(f);
    const cJSON *outcome = find_outcome(f->outcomes, step->name);
    find_problems(f, step, outcome, &problems);
    record_put_text(f, object, "step", step->name);
    record_put_text(f, object, "op", step->op);
    record_put(f, object, "input", copy_or_null(step->input));
    record_put(f, object, "expect", copy_or_null(step->expect));
    record_put(f, object, "outcome", copy_or_null(outcome));
    record_put(f, object, "problems", problems_to_json(f, &problems));
    record_append(f, f->steps, object);
}

/* ---- wire and witness ---------------------------------------------------------------------- */

static cJSON *check_to_json(struct findings *f, const cJSON *check, const struct check_result *result)
{
    cJSON *object = record_new(f), *entries = cJSON_CreateArray();
    record_put_text(f, object, "what", judge_text(check, "what"));
    record_put(f, object, "ok", cJSON_CreateBool(result->ok));
    record_put(f, object, "expected", output_to_text(buf_cstr(&result->expected), result->expected.len));
    record_put(f, object, "seen", output_to_text(buf_cstr(&result->seen), result->seen.len));
    for (size_t i = 0; i < result->entry_count; i++)
        record_append(f, entries, cJSON_CreateNumber((double) result->entries[i]));
    record_put(f, object, "entries", entries);
    return object;
}

static void find_check(struct findings *f, const cJSON *check, bool is_witness)
{
    BUF_AUTO what = BUF_INIT;
    struct check_result result = CHECK_RESULT_INIT;
    evidence_check(f->in->evidence, check, f->outcomes, &result);
    record_append(f, is_witness ? f->witness : f->wire, check_to_json(f, check, &result));
    if (!result.ok) {
        buf_printf(&what, "%s: %s", is_witness ? "no witness" : "on the wire", judge_text(check, "what"));
        if (is_witness)
            keep_first(&f->missing, buf_cstr(&what), buf_cstr(&result.expected), buf_cstr(&result.seen));
        else
            note_broken(f, buf_cstr(&what), buf_cstr(&result.expected), buf_cstr(&result.seen));
        if (!is_witness)
            hash_line(f, "wire", judge_text(check, "what"), buf_cstr(&result.expected));
    }
    check_result_fini(&result);
}

static void find_checks(struct findings *f, const cJSON *checks, bool is_witness)
{
    const cJSON *check;
    cJSON_ArrayForEach(check, checks) find_check(f, check, is_witness);
}

/* ---- the journal's own checks -------------------------------------------------------------- */

static bool is_named(const cJSON *names, const char *id)
{
    const cJSON *name;
    cJSON_ArrayForEach(name, names)
    {
        if (strcmp(name->valuestring, id) == 0)
            return true;
    }
    return false;
}

static const cJSON *journal_checks(const cJSON *journal)
{
    return json_get(cJSON_GetArrayItem(json_get(journal, "lanes"), 0), "checks");
}

static void find_journal_check(struct findings *f, const cJSON *check)
{
    const char *id = judge_text(check, "id"), *verdict = judge_text(check, "verdict"),
               *what = judge_text(check, "what");
    BUF_AUTO text = BUF_INIT;
    if (id == NULL || verdict == NULL)
        return;
    bool fails = strcmp(verdict, "fail") == 0;
    if (!is_named(f->in->def->journal, id)) {
        if (!fails && strcmp(verdict, "warn") != 0)
            return;
        buf_printf(&text, "%s (%s): %s", id, verdict, what == NULL ? "" : what);
        record_append(f, f->notes, output_to_text(buf_cstr(&text), text.len));
        return;
    }
    record_append(f, f->journal, show_clip(check, RECORD_TEXT));
    if (!fails)
        return;
    buf_printf(&text, "journal: %s", id);
    note_broken(f, buf_cstr(&text), "nothing of the kind", what == NULL ? "a failure" : what);
    hash_line(f, "journal", id, "");
}

static void find_journal(struct findings *f)
{
    const cJSON *checks = journal_checks(f->in->journal), *check, *name;
    cJSON_ArrayForEach(check, checks) find_journal_check(f, check);
    cJSON_ArrayForEach(name, f->in->def->journal)
    {
        bool found = false;
        cJSON_ArrayForEach(check, checks)
        {
            const char *id = judge_text(check, "id");
            found = found || (id != NULL && strcmp(id, name->valuestring) == 0);
        }
        if (!found && f->harness.len == 0)
            buf_printf(&f->harness, "the server's verdict has no check \"%s\"", name->valuestring);
    }
}

/* ---- faults -------------------------------------------------------------------------------- */

static void find_faults(struct findings *f)
{
    const cJSON *fault;
    cJSON_ArrayForEach(fault, json_get(f->in->faults, "faults"))
    {
        const cJSON *left = json_get(fault, "left"), *planned = json_get(fault, "planned");
        const char *id = judge_text(fault, "id");
        record_append(f, f->faults, show_clip(fault, RECORD_TEXT));
        if (!cJSON_IsNumber(left) || left->valuedouble <= 0 || f->missing.len > 0)
            continue;
        buf_printf(&f->missing, "a fault of the scenario did not fire: %s", id == NULL ? "?" : id);
        if (cJSON_IsNumber(planned))
            buf_printf(&f->missing, " (%.0f of %.0f)", planned->valuedouble - left->valuedouble, planned->valuedouble);
    }
}

/* ---- actions ------------------------------------------------------------------------------- */

static void describe_action(const struct judge_input *in, struct buf *out)
{
    const cJSON *list = in->actions.in_before ? in->def->before : in->def->meanwhile;
    const cJSON *action = cJSON_GetArrayItem(list, (int) in->actions.index);
    buf_printf(out, "%s/%zu", in->actions.in_before ? "before" : "meanwhile", in->actions.index);
    if (action != NULL && action->child != NULL)
        buf_printf(out, " (%s)", action->child->string);
}

/* What waits in `before` waits for what only we could do: that is our mistake. */
static void find_actions(struct findings *f)
{
    const struct action_report *actions = &f->in->actions;
    bool is_ours = actions->end == ACTIONS_BROKEN || (actions->end == ACTIONS_TIMED_OUT && actions->in_before);
    struct buf *to = is_ours ? &f->harness : &f->missing;
    if (actions->end == ACTIONS_DONE || to->len > 0)
        return;
    buf_str(to, "action ");
    describe_action(f->in, to);
    buf_str(to, is_ours                        ? " failed"
                : actions->end == ACTIONS_LEFT ? " was not done: the client was back before it"
                                               : " timed out");
    if (actions->why != NULL)
        buf_printf(to, ": %.300s", actions->why);
}

/* ---- all of it ----------------------------------------------------------------------------- */

/* A result is matched only when it is one. */
static void read_answer(struct findings *f)
{
    const struct adapter_report *adapter = &f->in->adapter;
    if (adapter->end != JUDGE_ANSWERED || judge_check_answer(f->in->def, adapter->line, &f->answer_err) < 0)
        return;
    if (strcmp(judge_text(adapter->line, "type"), "result") == 0)
        f->outcomes = json_get(adapter->line, "outcomes");
}

void findings_collect(struct findings *f)
{
    const struct judge_input *in = f->in;
    cJSON **const arrays[] = { &f->steps, &f->wire, &f->witness, &f->journal, &f->faults, &f->notes };
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) {
        *arrays[i] = cJSON_CreateArray();
        f->failed = f->failed || *arrays[i] == NULL;
    }
    if (in->harness_error != NULL)
        buf_str(&f->harness, in->harness_error);
    read_answer(f);
    for (size_t i = 0; i < in->def->step_count; i++)
        find_step(f, &in->def->step[i]);
    if (in->is_foreign_server)
        return;
    if (in->evidence != NULL) {
        find_checks(f, in->def->wire, false);
        find_checks(f, in->def->witness, true);
    }
    if (in->journal != NULL)
        find_journal(f);
    find_faults(f);
    find_actions(f);
}

void findings_fini(struct findings *f)
{
    cJSON *const arrays[] = { f->steps, f->wire, f->witness, f->journal, f->faults, f->notes };
    struct buf *const bufs[] = { &f->broken, &f->missing, &f->harness, &f->hashed, &f->summary, &f->skip_text };
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++)
        cJSON_Delete(arrays[i]);
    for (size_t i = 0; i < sizeof bufs / sizeof bufs[0]; i++)
        buf_fini(bufs[i]);
}
