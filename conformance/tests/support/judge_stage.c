#include "tests/support/judge_stage.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

int stage_new(void **state)
{
    static struct stage stage;
    void *folder = NULL;
    if (kit_folder_new(&folder) != 0)
        return -1;
    stage.folder = folder;
    stage.list = kit_load(folder, MUST_CASE ",\n" SHOULD_CASE);
    *state = &stage;
    return 0;
}

int stage_free(void **state)
{
    struct stage *stage = *state;
    void *folder = stage->folder;
    case_list_free(stage->list);
    return kit_folder_free(&folder);
}

static struct cJSON *json_or(const char *text, const char *good)
{
    if (text != NULL && strcmp(text, "-") == 0)
        return NULL;
    return kit_json(text == NULL ? good : text);
}

struct evidence *stage_evidence(const char *text, const char *good)
{
    struct err err = ERR_INIT;
    if (text != NULL && strcmp(text, "-") == 0)
        return NULL;
    char *quoted = kit_quotes(text == NULL ? good : text);
    struct evidence *evidence = evidence_parse(quoted, strlen(quoted), &err);
    free(quoted);
    assert_non_null(evidence);
    return evidence;
}

struct cJSON *stage_record(void **state, const struct run *run, enum verdict wanted)
{
    struct stage *stage = *state;
    struct err err = ERR_INIT;
    JSON_AUTO *line = json_or(run->line, GOOD_LINE);
    JSON_AUTO *faults = json_or(run->faults, FAULTS("0"));
    JSON_AUTO *journal = json_or(run->journal, JOURNAL("pass"));
    struct evidence *evidence = stage_evidence(run->ledger, GOOD_LEDGER);
    struct judgement judgement;
    struct judge_input input = {
        .def = stage->list->cases[run->is_should],
        .client = "acme-c",
        .missing_need = run->missing_need,
        .harness_error = run->harness_error,
        .adapter = run->adapter,
        .actions = run->actions,
        .is_foreign_server = run->is_foreign,
        .evidence = evidence,
        .faults = faults,
        .journal = journal,
        .duration_ms = 12,
        .deadline_ms = 10000,
    };
    if (input.adapter.end == JUDGE_ANSWERED)
        input.adapter.line = line;
    assert_int_equal(judge_case(&input, &judgement, &err), 0);
    const char *summary = kit_text(judgement.record, "summary");
    if (judgement.verdict != wanted)
        fail_msg("%s instead of %s: %s", verdict_name(judgement.verdict), verdict_name(wanted), summary);
    assert_string_equal(kit_text(judgement.record, "verdict"), verdict_name(wanted));
    evidence_free(evidence);
    return judgement.record;
}

void stage_expect(void **state, const struct run *run, enum verdict wanted, const char *summary)
{
    JSON_AUTO *record = stage_record(state, run, wanted);
    kit_has(kit_text(record, "summary"), summary);
}
