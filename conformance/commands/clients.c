#include "commands/clients.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "base/clock.h"
#include "commands/commands.h"
#include "run/document.h"
#include "run/progress.h"
#include "run/table.h"

#define NS_PER_MS INT64_C(1000000)

bool clients_own(struct clients *clients, void *memory)
{
    void **grown = realloc(clients->owned, (clients->owned_count + 1) * sizeof *grown);
    if (memory == NULL || grown == NULL) {
        clients->owned = grown != NULL ? grown : clients->owned;
        free(memory);
        return false;
    }
    clients->owned = grown;
    grown[clients->owned_count++] = memory;
    return true;
}

void clients_fini(struct clients *clients)
{
    for (size_t i = 0; i < clients->owned_count; i++)
        free(clients->owned[i]);
    free(clients->owned);
    free(clients->pairs);
    free(clients->list);
    cJSON_Delete(clients->entries);
    *clients = (struct clients) { 0 };
}

static int add_entry(struct clients *clients, const struct document_client *client, struct err *err)
{
    if (clients->entries == NULL)
        clients->entries = cJSON_CreateArray();
    cJSON *entry = document_client(client);
    if (entry == NULL || !cJSON_AddItemToArray(clients->entries, entry))
        return err_set(err, ERR_NOMEM, 0, "clients");
    return 0;
}

int clients_add(struct clients *clients, const struct stage *stage, const char *key, const char *const *argv,
                const cJSON *hello, bool is_reference, const char *imitates, const char *bug, struct err *err)
{
    const struct options *o = stage->options;
    struct document_client described = { .key = key, .hello = hello, .argv = argv, .level = o->level,
                                         .is_reference = is_reference, .imitates = imitates, .bug = bug };
    struct run_client *grown = realloc(clients->list, (clients->count + 1) * sizeof *grown);
    if (grown == NULL)
        return err_set(err, ERR_NOMEM, 0, "clients");
    clients->list = grown;
    BUF_AUTO rerun = BUF_INIT;
    stage_rerun(stage, argv, &rerun);
    char *own_key = strdup(key), *own_rerun = strdup(buf_cstr(&rerun));
    if (!clients_own(clients, own_key) || !clients_own(clients, own_rerun))
        return err_set(err, ERR_NOMEM, 0, "clients");
    if (add_entry(clients, &described, err) != 0)
        return -1;
    grown[clients->count++] = (struct run_client) {
        .how = { .argv = argv, .level = o->level, .warden = buf_cstr(&stage->warden), .vendor = o->vendor },
        .key = own_key,
        .rerun = own_rerun,
    };
    return 0;
}

/* ---- running ----------------------------------------------------------------------------- */

static int apply_lists(void *arg, cJSON *record, struct err *err)
{
    const struct stage *stage = arg;
    return select_apply_known(stage->options, stage->today, record, err);
}

/* Of a mutant only the verdict counts and why: thousands of ledgers would fill the memory. */
static int slim(void *arg, cJSON *record, struct err *err)
{
    static const char *const bulky[] = { "ledger", "steps",  "wire",    "witness",
                                         "journal", "faults", "adapter", "notes" };
    (void) arg, (void) err;
    for (size_t i = 0; i < sizeof bulky / sizeof *bulky; i++)
        cJSON_DeleteItemFromObjectCaseSensitive(record, bulky[i]);
    return 0;
}

static const char *name_item(void *arg, size_t item)
{
    const struct run_plan *plan = arg;
    return plan->cases[run_plan_item(plan, item).row]->id;
}

static struct progress make_progress(const struct options *o, const struct run_plan *plan)
{
    return (struct progress) {
        .out = stderr,
        .voice = o->is_quiet ? PROGRESS_QUIET : o->is_verbose ? PROGRESS_VERBOSE : PROGRESS_NORMAL,
        .is_terminal = isatty(STDERR_FILENO) == 1 && getenv("CI") == NULL,
        .has_many_clients = plan->client_count > 1,
        .expects_failures = o->action == ACTION_KILLS,
        .total = run_plan_count(plan),
        .name = name_item,
        .arg = (void *) plan,
    };
}

static cJSON *document_of(const struct stage *stage, struct clients *clients, cJSON *results)
{
    const struct options *o = stage->options;
    struct document doc = { .vendor = o->vendor, .started_ms = stage->started_ms,
                            .duration_ms = (mono_ns() - stage->begin_ns) / NS_PER_MS,
                            .load_factor = stage->load_factor, .shard = o->shard, .shards = o->shards,
                            .cases = stage->chosen.cases, .case_count = stage->chosen.count };
    cJSON *entries = clients->entries;
    clients->entries = NULL;
    return document_make(&doc, entries, results);
}

int clients_run(const struct stage *stage, struct clients *clients, struct session *first, cJSON **out_document)
{
    struct err err = ERR_INIT;
    struct run *run;
    struct run_plan plan = {
        .server = &stage->server, .clients = clients->list, .client_count = clients->count,
        .cases = stage->chosen.cases, .case_count = stage->chosen.count, .jobs = stage->jobs,
        .pairs = clients->pairs, .pair_count = clients->pair_count,
        .finish = stage->options->action == ACTION_KILLS ? slim : apply_lists, .arg = (void *) stage,
    };
    if (run_start(&run, &plan, first, &err) != 0) {
        complain("%s", err.text);
        return EXIT_HARNESS;
    }
    struct progress progress = make_progress(stage->options, &plan);
    struct table_config table = { .group = stage->options->vendor, .plan = &plan, .progress = &progress };
    int rc = table_run(run, &table, &err);
    progress_end(&progress);
    *out_document = rc == 0 ? document_of(stage, clients, run_take_results(run)) : NULL;
    run_free(run);
    if (*out_document != NULL)
        return 0;
    complain("%s", rc == 0 ? "no memory for the results" : err.text);
    return EXIT_HARNESS;
}
