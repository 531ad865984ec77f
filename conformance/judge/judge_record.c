/* The record of a judgement: one of `results` in the result document. */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "judge/case.h"
#include "judge/evidence.h"
#include "judge/judge_priv.h"
#include "judge/output.h"
#include "judge/show.h"

void record_put(struct findings *f, struct cJSON *object, const char *name, struct cJSON *item)
{
    if (object != NULL && item != NULL && cJSON_AddItemToObject(object, name, item))
        return;
    cJSON_Delete(item);
    f->failed = true;
}

void record_put_text(struct findings *f, struct cJSON *object, const char *name, const char *text)
{
    record_put(f, object, name, text == NULL ? cJSON_CreateNull() : output_to_text(text, strlen(text)));
}

void record_append(struct findings *f, struct cJSON *array, struct cJSON *item)
{
    if (array != NULL && item != NULL && cJSON_AddItemToArray(array, item))
        return;
    cJSON_Delete(item);
    f->failed = true;
}

struct cJSON *record_new(struct findings *f)
{
    cJSON *object = cJSON_CreateObject();
    f->failed = f->failed || object == NULL;
    return object;
}

/* ---- the adapter --------------------------------------------------------------------------- */

/* The line where it says more than the outcomes: a refusal, or something that is no answer. */
static cJSON *line_to_json(const struct findings *f)
{
    const struct adapter_report *adapter = &f->in->adapter;
    BUF_AUTO text = BUF_INIT;
    if (adapter->garbage != NULL && adapter->end != JUDGE_ANSWERED)
        buf_add(&text, adapter->garbage, adapter->garbage_len);
    else if (adapter->line != NULL && f->outcomes == NULL)
        json_print(&text, adapter->line);
    else
        return cJSON_CreateNull();
    return text.failed ? NULL : output_to_text(buf_cstr(&text), text.len < RECORD_TEXT ? text.len : RECORD_TEXT);
}

static cJSON *stderr_to_json(const struct adapter_report *adapter)
{
    size_t len = adapter->stderr_len, from = len > RECORD_TEXT ? len - RECORD_TEXT : 0;
    if (adapter->stderr_tail == NULL)
        return cJSON_CreateNull();
    return output_to_text(adapter->stderr_tail + from, len - from);
}

static cJSON *adapter_to_json(struct findings *f)
{
    char end[64];
    cJSON *object = record_new(f);
    judge_end_text(&f->in->adapter, end);
    record_put_text(f, object, "end", end);
    record_put(f, object, "line", line_to_json(f));
    record_put(f, object, "stderr", stderr_to_json(&f->in->adapter));
    return object;
}

/* ---- all of it ----------------------------------------------------------------------------- */

static void put_rerun(struct findings *f, cJSON *record)
{
    const struct case_def *def = f->in->def;
    BUF_AUTO text = BUF_INIT;
    if (f->in->rerun != NULL)
        buf_str(&text, f->in->rerun);
    else
        buf_printf(&text, "standbox-conformance --client ... --vendor %s --run '%s'", def->vendor, def->id);
    record_put_text(f, record, "rerun", buf_cstr(&text));
}

/* Takes an array of the findings. */
static void put_array(struct findings *f, cJSON *record, const char *name, cJSON **array)
{
    record_put(f, record, name, *array);
    *array = NULL;
}

static void put_head(struct findings *f, cJSON *record)
{
    char hash[9];
    bool is_wrong = f->verdict != VERDICT_PASS && f->verdict != VERDICT_SKIPPED;
    hash_text_hex(&f->hashed, hash);
    record_put_text(f, record, "case", f->in->def->id);
    record_put_text(f, record, "client", f->in->client);
    record_put_text(f, record, "verdict", verdict_name(f->verdict));
    record_put_text(f, record, "listed", NULL);
    record_put_text(f, record, "listed_reason", NULL);
    record_put(f, record, "stale", cJSON_CreateFalse());
    record_put_text(f, record, "summary", buf_cstr(&f->summary));
    record_put_text(f, record, "message_hash", is_wrong ? hash : NULL);
    record_put(f, record, "duration_ms", cJSON_CreateNumber((double) f->in->duration_ms));
    record_put_text(f, record, "skip_reason", f->verdict == VERDICT_SKIPPED ? f->skip_reason : NULL);
    record_put_text(f, record, "issue_url", f->verdict == VERDICT_SKIPPED ? f->issue_url : NULL);
}

struct cJSON *record_build(struct findings *f)
{
    cJSON *record = record_new(f);
    put_head(f, record);
    put_array(f, record, "steps", &f->steps);
    put_array(f, record, "wire", &f->wire);
    put_array(f, record, "witness", &f->witness);
    put_array(f, record, "journal", &f->journal);
    put_array(f, record, "faults", &f->faults);
    record_put(f, record, "ledger",
               f->in->evidence == NULL ? cJSON_CreateArray() : evidence_report(f->in->evidence, RECORD_TEXT));
    record_put(f, record, "adapter", adapter_to_json(f));
    put_rerun(f, record);
    put_array(f, record, "notes", &f->notes);
    if (!f->failed)
        return record;
    cJSON_Delete(record);
    return NULL;
}
