/* Waiting for facts in ledgers: what really happened, whatever a client was told. */
#include <string.h>

#include "admin/admin_priv.h"
#include "lanes/strike.h"
#include "scenario/pattern.h"

struct fact_pattern {
    const char *sandbox, *process;     /* NULL: any */
    struct pattern command;
    bool has_command;
    unsigned facts;                    /* SEEN_BIT */
};

static bool is_fact(const void *arg, const struct ledger_entry *entry)
{
    (void) arg;
    return !entry->is_request;
}

/* "Ended" is said by three kinds of facts. */
static unsigned words_of(const struct fact *fact)
{
    return strike_facts_of(1u << fact->kind);
}

static bool takes(const void *arg, const struct ledger_entry *entry)
{
    const struct fact_pattern *p = arg;
    const struct ledger_fact *f = &entry->fact;
    return !entry->is_request && (words_of(&f->fact) & p->facts) != 0 &&
           (p->sandbox == NULL || strcmp(p->sandbox, f->sandbox) == 0) &&
           (p->process == NULL || strcmp(p->process, f->process) == 0) &&
           (!p->has_command || pattern_holds(&p->command, f->command));
}

void admin_wait_facts(struct call *call)
{
    struct err err = ERR_INIT;
    const char *command = call_text(call, "command", NULL);
    struct fact_pattern p = {
        .sandbox = call_text(call, "sandbox", NULL),
        .process = call_text(call, "process", NULL),
        .facts = SEEN_BIT(call_word(call, "fact", &vocab_facts, SEEN_QUEUED)),
        .has_command = command != NULL,
    };
    if (command != NULL && pattern_init_text(&p.command, command, &err) != 0) {
        call_fail_err(call, &err);
        return;
    }
    const struct journal_query query = { .holds = takes, .arg = &p };
    journal_wait(call, &query, is_fact, "facts", "facts that fit are there");
    if (p.has_command)
        pattern_fini(&p.command);
}
