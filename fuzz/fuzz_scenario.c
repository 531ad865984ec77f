/*
 * libFuzzer target: the scenario reader and the matcher on what it reads.
 *
 *     cmake -B build/fuzz -DCMAKE_C_COMPILER=clang -DSTANDBOX_FUZZ=ON && cmake --build build/fuzz
 *     build/fuzz/bin/fuzz_scenario -max_total_time=60 fuzz/corpus/scenario
 *
 * mockserver/tests/test_scenario_corpus.c replays the corpus with any compiler.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "scenario/match.h"
#include "scenario/scenario.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void match_some(struct scenario *scenario)
{
    static const char *const env[] = { "A=1", "B=", NULL };
    struct match_subject subject = {
        .command = "npm run dev", .argv0 = "npm", .cwd = "/workspace", .sandbox = "s", .lane = "default", .env = env
    };
    struct match *match;
    struct err err = ERR_INIT;
    if (match_new(&match, scenario, 1, &err) < 0)
        return;
    for (int i = 0; i < OP_COUNT; i++) {
        struct match_ticket ticket;
        subject.op = (enum scenario_op) i;
        subject.dialect = (enum scenario_dialect)(i % DIALECT_COUNT);
        subject.facts = (unsigned) i;
        match_process(match, &subject);
        if (match_fault(match, &subject, &ticket))
            match_fault_end(match, &ticket, i % 2 == 0);
    }
    BUF_AUTO text = BUF_INIT;
    match_explain(match, MATCH_FAULTS, 0, &text);
    match_explain(match, MATCH_PROCESSES, 0, &text);
    match_unref(match);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct scenario *scenario = NULL;
    struct err err = ERR_INIT;
    if (scenario_parse(&scenario, "fuzz.json", (const char *) data, size, &err) < 0) {
        /* A refusal is one line that names the file. */
        if (scenario != NULL || strncmp(err.text, "fuzz.json", 9) != 0 || strchr(err.text, '\n') != NULL)
            abort();
        return 0;
    }
    match_some(scenario);
    scenario_unref(scenario);
    return 0;
}
