/* The rules, in their order. */
#include "judge/judge.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "judge/case.h"
#include "judge/evidence.h"
#include "judge/judge_priv.h"
#include "judge/show.h"

#define GARBAGE_SHOWN 200
#define STDERR_SHOWN  200

void judge_end_text(const struct adapter_report *adapter, char out[64])
{
    static const char *const words[JUDGE_ENDS] = {
        [JUDGE_ANSWERED] = "answered",
        [JUDGE_GARBAGE] = "garbage",
        [JUDGE_DEADLINE] = "deadline",
        [JUDGE_NOT_RUN] = "not run",
    };
    const char *name = adapter->end == JUDGE_KILLED ? sigabbrev_np(adapter->code) : NULL;
    CHECK((unsigned) adapter->end < JUDGE_ENDS);
    if (adapter->end == JUDGE_EXITED)
        snprintf(out, 64, "exit %d", adapter->code);
    else if (adapter->end == JUDGE_KILLED && name != NULL)
        snprintf(out, 64, "signal %d (SIG%.20s)", adapter->code, name);
    else if (adapter->end == JUDGE_KILLED)
        snprintf(out, 64, "signal %d", adapter->code);
    else
        snprintf(out, 64, "%s", words[adapter->end]);
}

/* ---- deciding ------------------------------------------------------------------------------ */

/* True: the verdict is found.  `text` (may be NULL) goes into the hash, as far as it does not vary. */
static bool decide(struct findings *f, enum verdict verdict, const char *text)
{
    f->verdict = verdict;
    if (text != NULL) {
        buf_clear(&f->hashed);
        hash_put_stable(&f->hashed, text);
    }
    return true;
}

/* The last line of the log often says why. */
static void tell_stderr(struct findings *f)
{
    const struct adapter_report *adapter = &f->in->adapter;
    size_t len = adapter->stderr_tail == NULL ? 0 : adapter->stderr_len;
    while (len > 0 && strchr("\r\n \t", adapter->stderr_tail[len - 1]) != NULL)
        len--;
    size_t from = len;
    while (from > 0 && adapter->stderr_tail[from - 1] != '\n')
        from--;
    if (len == from)
        return;
    buf_str(&f->summary, "; its log ends with ");
    show_text(&f->summary, adapter->stderr_tail + from, len - from, STDERR_SHOWN);
}

static void tell_step(struct findings *f)
{
    if (f->in->adapter.at_step != NULL)
        buf_printf(&f->summary, " in step \"%.60s\"", f->in->adapter.at_step);
}

static bool answered_with(const struct findings *f, const char *type)
{
    const char *seen = f->in->adapter.end == JUDGE_ANSWERED ? judge_text(f->in->adapter.line, "type") : NULL;
    return seen != NULL && strcmp(seen, type) == 0;
}

/* ---- 1 ------------------------------------------------------------------------------------- */

/* The reason of a step that an adapter without declarations has skipped, unless something went wrong before it. */
static const char *skipped_step(const struct findings *f)
{
    const cJSON *outcome;
    if (!f->in->is_undeclared || !answered_with(f, "result"))
        return NULL;
    cJSON_ArrayForEach(outcome, json_get(f->in->adapter.line, "outcomes")) {
        const char *reason = judge_text(outcome, "skipped");
        if (reason != NULL || json_get(outcome, "error") != NULL)
            return reason;
    }
    return NULL;
}

static bool is_skipped(struct findings *f)
{
    if (f->in->missing_need != NULL) {
        buf_printf(&f->skip_text, "the client does not declare %s", f->in->missing_need);
    } else if (answered_with(f, "skipped")) {
        const char *message = judge_text(f->in->adapter.line, "message");
        buf_str(&f->skip_text, message == NULL ? "the adapter gave no reason" : message);
        f->issue_url = judge_text(f->in->adapter.line, "issue_url");
    } else if (skipped_step(f) != NULL) {
        buf_str(&f->skip_text, skipped_step(f));
    } else {
        return false;
    }
    f->skip_reason = buf_cstr(&f->skip_text);
    buf_printf(&f->summary, "skipped: %s", f->skip_reason);
    return decide(f, VERDICT_SKIPPED, "");
}

/* ---- 2 ------------------------------------------------------------------------------------- */

static bool is_harness_error(struct findings *f)
{
    if (f->harness.len == 0 && f->in->adapter.end == JUDGE_NOT_RUN)
        buf_str(&f->harness, "the case was not run");
    if (f->harness.len == 0)
        return false;
    buf_str(&f->summary, buf_cstr(&f->harness));
    return decide(f, VERDICT_HARNESS_ERROR, buf_cstr(&f->harness));
}

/* ---- 3, 4 ---------------------------------------------------------------------------------- */

static bool is_crash(struct findings *f)
{
    char end[64];
    const struct adapter_report *adapter = &f->in->adapter;
    if (adapter->end != JUDGE_EXITED && adapter->end != JUDGE_KILLED)
        return false;
    judge_end_text(adapter, end);
    buf_printf(&f->summary, "the adapter ended with %s before it answered", end);
    tell_step(f);
    tell_stderr(f);
    /* Codes and signals tell one crash from another. */
    decide(f, VERDICT_ADAPTER_ERROR, "");
    buf_str(&f->hashed, end);
    return true;
}

static bool is_garbage(struct findings *f)
{
    const struct adapter_report *adapter = &f->in->adapter;
    const char *why = adapter->garbage_why;
    if (adapter->end != JUDGE_GARBAGE)
        return false;
    if (adapter->garbage == NULL) {
        buf_printf(&f->summary, "the adapter broke the protocol: %.300s", why == NULL ? "it does not say how" : why);
    } else {
        buf_str(&f->summary, "the adapter printed something that is no line of the protocol: ");
        show_text(&f->summary, adapter->garbage, adapter->garbage_len, GARBAGE_SHOWN);
        if (why != NULL)
            buf_printf(&f->summary, " (%.200s)", why);
    }
    decide(f, VERDICT_ADAPTER_ERROR, buf_cstr(&f->summary));
    tell_stderr(f);
    return true;
}

static bool is_errored(struct findings *f)
{
    if (!answered_with(f, "errored"))
        return false;
    const char *message = judge_text(f->in->adapter.line, "message");
    buf_str(&f->summary, "the adapter failed: ");
    buf_str(&f->summary, message == NULL ? "it does not say why" : message);
    return decide(f, VERDICT_ADAPTER_ERROR, buf_cstr(&f->summary));
}

/* What the case is to be judged by and is not there, or NULL. */
static const char *missing_piece(const struct judge_input *in)
{
    if (in->is_foreign_server)
        return NULL;
    if (in->evidence == NULL)
        return "the ledger";
    if (in->def->scenario != NULL && in->faults == NULL)
        return "the list of faults";
    return in->def->journal != NULL && in->journal == NULL ? "the journal's verdict" : NULL;
}

static bool is_blind(struct findings *f)
{
    const char *what = missing_piece(f->in);
    if (what == NULL)
        return false;
    buf_printf(&f->summary, "%s is missing: nothing can be judged", what);
    return decide(f, VERDICT_HARNESS_ERROR, buf_cstr(&f->summary));
}

static bool is_silent(struct findings *f)
{
    if (f->in->is_foreign_server || evidence_has_request(f->in->evidence))
        return false;
    buf_str(&f->summary, "no request came from the client");
    if (f->answer_err.code != ERR_NONE)
        buf_printf(&f->summary, ", and the adapter's answer is none: %s", f->answer_err.text);
    return decide(f, VERDICT_NOT_EXERCISED, "no request");
}

static bool is_no_answer(struct findings *f)
{
    if (f->answer_err.code == ERR_NONE)
        return false;
    buf_printf(&f->summary, "the adapter's answer is none: %s", f->answer_err.text);
    return decide(f, VERDICT_ADAPTER_ERROR, buf_cstr(&f->summary));
}

/* ---- 5 to 8 -------------------------------------------------------------------------------- */

static bool is_late(struct findings *f)
{
    if (f->in->adapter.end != JUDGE_DEADLINE)
        return false;
    buf_printf(&f->summary, "did not come back within %" PRId64 " ms", f->in->deadline_ms);
    if (f->in->adapter.at_step != NULL)
        buf_printf(&f->summary, "; it hung in step \"%.60s\"", f->in->adapter.at_step);
    else
        buf_str(&f->summary, "; it did not say in which step it hung");
    decide(f, VERDICT_FAIL, "deadline ");
    buf_str(&f->hashed, f->in->adapter.at_step == NULL ? "" : f->in->adapter.at_step);
    return true;
}

static bool is_broken(struct findings *f)
{
    if (f->broken_count == 0)
        return false;
    buf_str(&f->summary, buf_cstr(&f->broken));
    if (f->broken_count > 1)
        buf_printf(&f->summary, " (and %zu more)", f->broken_count - 1);
    return decide(f, f->in->def->severity == CASE_SHOULD ? VERDICT_NON_STRICT : VERDICT_FAIL, NULL);
}

static bool is_missing(struct findings *f)
{
    if (f->missing.len == 0)
        return false;
    buf_str(&f->summary, buf_cstr(&f->missing));
    return decide(f, VERDICT_NOT_EXERCISED, buf_cstr(&f->missing));
}

static bool is_pass(struct findings *f)
{
    buf_str(&f->summary, "as required");
    return decide(f, VERDICT_PASS, "");
}

static bool (*const rules[])(struct findings *f) = {
    is_skipped, is_harness_error, is_crash, is_garbage, is_errored, is_blind,
    is_silent,  is_no_answer,     is_late,  is_broken,  is_missing, is_pass,
};

/* A summary is one line of bounded length. */
static void trim_summary(struct buf *summary)
{
    const size_t max = 600;
    for (size_t i = 0; i < summary->len; i++) {
        if ((unsigned char) summary->data[i] < 0x20)
            summary->data[i] = ' ';
    }
    if (summary->len <= max)
        return;
    summary->len = utf8_complete_prefix(summary->data, max);
    summary->data[summary->len] = '\0';
    buf_str(summary, "...");
}

int judge_case(const struct judge_input *input, struct judgement *out, struct err *err)
{
    struct findings f = { .in = input, .answer_err = ERR_INIT };
    findings_collect(&f);
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        if (rules[i](&f))
            break;
    }
    trim_summary(&f.summary);
    cJSON *record = record_build(&f);
    enum verdict verdict = f.verdict;
    findings_fini(&f);
    if (record == NULL)
        return err_set(err, ERR_NOMEM, 0, "the record of %s", input->def->id);
    *out = (struct judgement){ verdict, record };
    return 0;
}

void judgement_fini(struct judgement *judgement)
{
    cJSON_Delete(judgement->record);
    judgement->record = NULL;
}

bool judge_witness_missing(const struct case_def *def, const struct evidence *evidence, const struct cJSON *line)
{
    const cJSON *check;
    cJSON_ArrayForEach(check, def->witness)
    {
        struct check_result result = CHECK_RESULT_INIT;
        evidence_check(evidence, check, json_get(line, "outcomes"), &result);
        bool ok = result.ok;
        check_result_fini(&result);
        if (!ok)
            return true;
    }
    return false;
}
