/* Waiting until processes are so far, by the engine's own view of them. */
#include <stdlib.h>
#include <string.h>

#include "admin/admin_priv.h"
#include "lanes/strike.h"
#include "scenario/pattern.h"

#define SHOWN 1000

struct proc_pattern {
    const char *sandbox, *id;          /* NULL: any */
    struct pattern command;
    bool has_command;
    int state, fact;                   /* -1: any */
};

static bool is_so_far(const struct proc_pattern *p, const struct proc_view *view)
{
    /* One that could not be started was never running. */
    bool has_run = (view->seen & 1u << FACT_STARTED) != 0;
    if (p->state == PROC_RUNNING && !has_run)
        return false;
    if (p->state >= 0 && (int) view->state < p->state)
        return false;
    return p->fact < 0 || (strike_facts_of(view->seen) & SEEN_BIT(p->fact)) != 0;
}

static bool takes(const struct proc_pattern *p, struct proc *proc)
{
    struct proc_view view;
    if ((p->id != NULL && strcmp(p->id, proc_id(proc)) != 0) ||
        (p->has_command && !pattern_holds(&p->command, proc_display(proc))))
        return false;
    proc_get_view(proc, &view);
    return is_so_far(p, &view);
}

/* How many of this sandbox; with an answer, also put there. */
static uint64_t count_sandbox(const struct proc_pattern *p, struct sandbox *sandbox, struct answer *a, uint64_t *shown)
{
    size_t count = 0, alive = 0;
    uint64_t found = 0;
    struct census_entry *census = NULL;
    struct proc **list = sandbox_list_procs(sandbox, &count);
    for (size_t i = 0; i < count; i++) {
        if (!takes(p, list[i]))
            continue;
        if (found++ == 0 && a != NULL)
            census = sandbox_census(sandbox, &alive);
        if (a != NULL && (*shown)++ < SHOWN && answer_flush(a))
            put_proc(&a->w, NULL, list[i], census, alive);
    }
    free(census);
    proc_list_free(list, count);
    return found;
}

static uint64_t count_procs(const struct proc_pattern *p, const struct call *call, struct answer *a)
{
    size_t count = 0;
    uint64_t found = 0, shown = 0;
    struct sandbox **list = call_sandboxes(call, &count);
    for (size_t i = 0; i < count; i++) {
        if (p->sandbox == NULL || strcmp(p->sandbox, sandbox_id(list[i])) == 0)
            found += count_sandbox(p, list[i], a, &shown);
    }
    sandbox_list_free(list, count);
    return found;
}

static void reply_in_vain(struct call *call, const struct wait *wait, uint64_t matched, uint64_t wanted)
{
    static const struct proc_pattern any = { .state = -1, .fact = -1 };
    struct answer a;
    BUF_AUTO what = BUF_INIT;
    buf_printf(&what, "%llu of %llu processes are so far, of %llu that there are", (unsigned long long) matched,
               (unsigned long long) wanted, (unsigned long long) count_procs(&any, call, NULL));
    answer_begin(&a, call);
    wait_put_failure(&a, wait, buf_cstr(&what));
    jsonw_int(&a.w, "wanted", (int64_t) wanted);
    jsonw_int(&a.w, "matched", (int64_t) matched);
    jsonw_array(&a.w, "processes");
    count_procs(&any, call, &a);
    jsonw_end_array(&a.w);
    answer_end(&a);
}

static void reply_waited(struct call *call, const struct wait *wait, const struct proc_pattern *p, uint64_t matched)
{
    struct answer a;
    answer_begin(&a, call);
    jsonw_int(&a.w, "waited_ms", wait_taken_ms(wait));
    jsonw_int(&a.w, "matched", (int64_t) matched);
    jsonw_array(&a.w, "processes");
    count_procs(p, call, &a);
    jsonw_end_array(&a.w);
    answer_end(&a);
}

static void wait_for(struct call *call, const struct proc_pattern *p)
{
    struct wait wait;
    uint64_t matched, wanted = (uint64_t) call_int(call, "count", 1);
    wait_begin(&wait, call);
    do
        matched = count_procs(p, call, NULL);
    while (matched < wanted && wait_next(&wait));
    if (matched >= wanted)
        reply_waited(call, &wait, p, matched);
    else
        reply_in_vain(call, &wait, matched, wanted);
}

void admin_wait_processes(struct call *call)
{
    struct err err = ERR_INIT;
    const char *command = call_text(call, "command", NULL);
    struct proc_pattern p = {
        .sandbox = call_text(call, "sandbox", NULL),
        .id = call_text(call, "id", NULL),
        .has_command = command != NULL,
        .state = call_word(call, "state", &admin_proc_states, -1),
        .fact = call_word(call, "fact", &vocab_facts, -1),
    };
    if (command != NULL && pattern_init_text(&p.command, command, &err) != 0) {
        call_fail_err(call, &err);
        return;
    }
    wait_for(call, &p);
    if (p.has_command)
        pattern_fini(&p.command);
}
