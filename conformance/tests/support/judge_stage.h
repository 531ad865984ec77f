/* A case, what came of it, and the judge: shared by the tests of the judge. */
#ifndef STANDBOX_TESTS_JUDGE_STAGE_H
#define STANDBOX_TESTS_JUDGE_STAGE_H

#include "tests/support/judge_kit.h"

#include "judge/evidence.h"
#include "judge/judge.h"

/* ---- a case and what came of it ------------------------------------------------------------ */

#define CASE_BODY \
    KIT_HEAD ", 'steps': [{'step': 'r', 'op': 'exec', 'command': 'exit 7', 'expect': {'value': {'exit_code': 7}}}]," \
             "'witness': [{'what': 'it exited', 'entry': {'type': 'fact', 'fact': 'exited'}}]," \
             "'wire': [{'what': 'one request', 'entry': {'type': 'request', 'op': 'process.exec'}, 'count': 1}]," \
             "'journal': ['duplicate-starts'], 'meanwhile': [{'await_fact': {'fact': 'started'}}]," \
             "'before': [{'clock': {'freeze': true}}], 'scenario': {'standbox': 1}"
#define MUST_CASE   "{'id': 'm', " CASE_BODY "}"
#define SHOULD_CASE "{'id': 's', 'severity': 'SHOULD', " CASE_BODY "}"

#define REQUEST     "{'type':'request','number':1,'op':'process.exec'}\n"
#define EXITED      "{'type':'fact','number':2,'fact':'exited','exit_code':7}\n"
#define GOOD_LEDGER REQUEST EXITED

#define BOX       "{'step': 'box', 'value': {'id': 'b'}}"
#define GOOD_LINE "{'type': 'result', 'seq': 1, 'outcomes': [" BOX ", {'step': 'r', 'value': {'exit_code': 7}}]}"
#define BAD_LINE  "{'type': 'result', 'seq': 1, 'outcomes': [" BOX ", {'step': 'r', 'value': {'exit_code': 0}}]}"

#define FAULTS(left) "{'faults': [{'id': 'c/faults/0', 'planned': 2, 'fired': 1, 'left': " left "}], 'unfired': 0}"
#define JOURNAL(word) \
    "{'level': 0, 'lanes': [{'lane': 'l', 'checks': [" \
    "{'id': 'duplicate-starts', 'verdict': '" word "', 'what': 'start sent 2 times', 'evidence': [1]}," \
    "{'id': 'retries', 'verdict': 'warn', 'what': 'a read repeated', 'evidence': []}," \
    "{'id': 'auth', 'verdict': 'pass', 'what': 'fine', 'evidence': []}]}]}"

/* What differs from a run in which all is well. */
struct run {
    bool is_should;
    const char *line, *ledger, *faults, *journal; /* NULL: good ones; "-": none */
    const char *missing_need, *harness_error;
    struct adapter_report adapter; /* .line is set from `line` */
    struct action_report actions;
    bool is_foreign;
};

/* State of a group: the list holds a MUST case and a SHOULD case. */
struct stage {
    struct kit_folder *folder;
    struct case_list *list;
};

/* Setup and teardown of a group. */
int stage_new(void **state);
int stage_free(void **state);

/* Evidence of these lines (single quotes); NULL: the good ones, "-": none. */
struct evidence *stage_evidence(const char *text, const char *good);
/* Judge such a run, which must end like this; its record, cJSON_Delete frees it. */
struct cJSON *stage_record(void **state, const struct run *run, enum verdict wanted);
/* The same, with this in the summary. */
void stage_expect(void **state, const struct run *run, enum verdict wanted, const char *summary);

#endif
