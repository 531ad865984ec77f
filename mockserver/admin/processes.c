/* GET processes: kernel truth beside what the logs say; GET processes/ID/facts: one log. */
#include <stdlib.h>
#include <string.h>

#include "admin/admin_priv.h"
#include "base/text.h"
#include "engine/engine.h"

#define FACTS_DEFAULT 1000
#define SIGNALS_MAX 100
#define PAGE 256

/* ---- pieces --------------------------------------------------------------------------- */

static void put_signal(struct jsonw *w, int signo)
{
    char spare[16];
    jsonw_str(w, "signal", signal_name(signo, spare));
    jsonw_int(w, "signalNumber", signo);
}

/* What a fact of this kind says, beside its number and time. */
static void put_fact_details(struct jsonw *w, const struct fact *fact)
{
    switch ((enum fact_kind) fact->kind) {
    case FACT_STARTED:
        jsonw_int(w, "pid", fact->value);
        break;
    case FACT_OUT:
    case FACT_ERR:
        jsonw_int(w, "outputNumber", (int64_t) fact->out_seq);
        jsonw_int(w, "offset", (int64_t) fact->offset);
        jsonw_int(w, "bytes", fact->len);
        break;
    case FACT_STDIN:
        jsonw_int(w, "bytes", fact->len);
        break;
    case FACT_SIGNALLED:
        put_signal(w, fact->value);
        jsonw_str(w, "by", fact_who_name((enum fact_who) fact->who));
        break;
    case FACT_TIMED_OUT:
        jsonw_int(w, "limitMs", fact->value);
        break;
    case FACT_EXITED:
        jsonw_int(w, "code", fact->value);
        break;
    case FACT_DIED:
        put_signal(w, fact->value);
        jsonw_bool(w, "dumpedCore", fact->flag != 0);
        break;
    case FACT_START_FAILED:
        jsonw_str(w, "stage", proc_start_stage_name(fact->flag));
        jsonw_int(w, "errno", fact->value);
        jsonw_str(w, "error", strerrordesc_np(fact->value));
        break;
    case FACT_OUTPUT_EOF:
        jsonw_bool(w, "heldBySurvivor", fact->flag != 0);
        break;
    case FACT_QUEUED:
    case FACT_STDIN_EOF:
    case FACT_KINDS:
        break;
    }
}

static void put_fact(struct jsonw *w, const char *name, const struct fact *fact)
{
    jsonw_object(w, name);
    jsonw_int(w, "seq", (int64_t) fact->seq);
    jsonw_str(w, "kind", fact_kind_name((enum fact_kind) fact->kind));
    put_time(w, "at", fact->wall_ms);
    put_fact_details(w, fact);
    jsonw_end_object(w);
}

/* ---- one process ---------------------------------------------------------------------- */

static void put_alive(struct jsonw *w, const struct census_entry *entry)
{
    jsonw_object(w, NULL);
    jsonw_int(w, "pid", entry->pid);
    jsonw_int(w, "hostPid", entry->host_pid);
    jsonw_int(w, "hostParentPid", entry->host_ppid);
    jsonw_bytes(w, "state", &entry->state, 1);
    jsonw_str(w, "comm", entry->comm);
    jsonw_bool(w, "isKeeper", entry->is_keeper);
    jsonw_end_object(w);
}

static const struct census_entry *find_alive(const struct census_entry *census, size_t count, pid_t pid)
{
    for (size_t i = 0; i < count; i++) {
        if (census[i].pid == pid && !census[i].is_keeper)
            return &census[i];
    }
    return NULL;
}

/* Is there a way up from `entry` to `host_pid`?  Parents that are not in the census end it. */
static bool descends(const struct census_entry *census, size_t count, const struct census_entry *entry, pid_t host_pid)
{
    for (size_t steps = 0; steps < count && entry != NULL; steps++) {
        if (entry->host_ppid == host_pid)
            return true;
        const struct census_entry *parent = NULL;
        for (size_t i = 0; i < count && parent == NULL; i++)
            parent = census[i].host_pid == entry->host_ppid ? &census[i] : NULL;
        entry = parent;
    }
    return false;
}

/* Once the first process is dead its children are the keeper's: whose they were, only the pipes know. */
static void put_kernel_view(struct jsonw *w, const struct proc_view *view, const struct census_entry *census,
                            size_t count)
{
    const struct census_entry *self = view->state == PROC_RUNNING ? find_alive(census, count, view->pid) : NULL;
    if (self == NULL)
        jsonw_null(w, "hostPid");
    else
        jsonw_int(w, "hostPid", self->host_pid);
    jsonw_array(w, "children");
    for (size_t i = 0; self != NULL && i < count; i++) {
        if (descends(census, count, &census[i], self->host_pid))
            put_alive(w, &census[i]);
    }
    jsonw_end_array(w);
}

/* As wait(2) has it: the code in the second byte, else the signal and a bit for the core. */
static void put_wait_status(struct jsonw *w, const struct proc_view *view)
{
    if (view->ended && view->end.kind == FACT_EXITED)
        jsonw_int(w, "waitStatus", (view->end.value & 0xff) << 8);
    else if (view->ended && view->end.kind == FACT_DIED)
        jsonw_int(w, "waitStatus", (view->end.value & 0x7f) | (view->end.flag != 0 ? 0x80 : 0));
    else
        jsonw_null(w, "waitStatus");
}

static void put_signals(struct jsonw *w, struct proc *proc, const struct proc_view *view)
{
    struct fact facts[PAGE];
    size_t count = 0, put = 0;
    bool any = (view->seen & 1u << FACT_SIGNALLED) != 0;
    jsonw_array(w, "signals");
    for (uint64_t from = 1; any && put < SIGNALS_MAX; from = facts[count - 1].seq + 1) {
        count = proc_facts(proc, from, facts, PAGE);
        for (size_t i = 0; i < count && put < SIGNALS_MAX; i++) {
            if (facts[i].kind != FACT_SIGNALLED)
                continue;
            jsonw_object(w, NULL);
            put_signal(w, facts[i].value);
            jsonw_str(w, "by", fact_who_name((enum fact_who) facts[i].who));
            put_time(w, "at", facts[i].wall_ms);
            jsonw_end_object(w);
            put++;
        }
        if (count == 0)
            break;
    }
    jsonw_end_array(w);
}

static void put_life(struct jsonw *w, const struct proc_view *view)
{
    jsonw_str(w, "state", vocab_name(&admin_proc_states, (int) view->state));
    if (view->pid > 0)
        jsonw_int(w, "pid", view->pid);
    else
        jsonw_null(w, "pid");
    put_time(w, "queuedAt", view->queued_ms);
    put_time(w, "startedAt", view->started_ms);
    put_time(w, "endedAt", view->ended_ms);
    if (view->ended)
        put_fact(w, "end", &view->end);
    else
        jsonw_null(w, "end");
    put_wait_status(w, view);
    jsonw_bool(w, "timedOut", view->timed_out);
    jsonw_bool(w, "signalledByClient", view->signalled_by_client);
    jsonw_bool(w, "killedByRequest", view->killed_by_request);
    jsonw_bool(w, "outputHeld", view->output_held);
    jsonw_bool(w, "stdinOpen", view->stdin_open);
    jsonw_int(w, "facts", (int64_t) view->facts);
    jsonw_int(w, "stdoutBytes", (int64_t) view->out_bytes[0]);
    jsonw_int(w, "stderrBytes", (int64_t) view->out_bytes[1]);
    jsonw_int(w, "keptFromOffset", (int64_t) view->kept_from_offset);
}

void put_proc(struct jsonw *w, const char *name, struct proc *proc, const struct census_entry *census, size_t count)
{
    struct proc_view view;
    proc_get_view(proc, &view);
    jsonw_object(w, name);
    jsonw_str(w, "id", proc_id(proc));
    jsonw_str(w, "command", proc_display(proc));
    jsonw_str(w, "cwd", proc_cwd(proc));
    put_life(w, &view);
    put_kernel_view(w, &view, census, count);
    put_signals(w, proc, &view);
    jsonw_end_object(w);
}

/* ---- the list ------------------------------------------------------------------------- */

static void put_census(struct jsonw *w, const struct census_entry *census, size_t count)
{
    jsonw_array(w, "alive");
    for (size_t i = 0; i < count; i++)
        put_alive(w, &census[i]);
    jsonw_end_array(w);
}

static void put_procs(struct answer *a, struct sandbox *sandbox, const struct census_entry *census, size_t alive)
{
    size_t count = 0;
    struct proc **procs = sandbox_list_procs(sandbox, &count);
    jsonw_array(&a->w, "processes");
    for (size_t i = 0; i < count && answer_flush(a); i++)
        put_proc(&a->w, NULL, procs[i], census, alive);
    jsonw_end_array(&a->w);
    proc_list_free(procs, count);
}

static void put_sandbox(struct answer *a, struct sandbox *sandbox)
{
    struct jsonw *w = &a->w;
    struct lane *lane = lane_of_owner(sandbox_owner(sandbox));
    size_t count = 0;
    struct census_entry *census = sandbox_census(sandbox, &count);
    jsonw_object(w, NULL);
    jsonw_str(w, "id", sandbox_id(sandbox));
    jsonw_str(w, "lane", lane == NULL ? NULL : lane_name(lane));
    jsonw_str(w, "state", vocab_name(&admin_sandbox_states, (int) sandbox_get_state(sandbox)));
    jsonw_str(w, "stopReason", vocab_name(&admin_stop_reasons, (int) sandbox_get_stop_reason(sandbox)));
    put_time(w, "createdAt", sandbox_created_ms(sandbox));
    put_time(w, "endedAt", sandbox_ended_ms(sandbox));
    put_census(w, census, count);
    put_procs(a, sandbox, census, count);
    jsonw_end_object(w);
    free(census);
}

struct sandbox **call_sandboxes(const struct call *call, size_t *out_count)
{
    const struct owner *owner = call->only == NULL ? NULL : lane_owner(call->only);
    return engine_list_sandboxes(call->admin->config.engine, owner, NULL, out_count);
}

void admin_list_processes(struct call *call)
{
    BUF_AUTO only = BUF_INIT;
    bool has_filter = call_query(call, PARAM_SANDBOX, &only);
    size_t count = 0;
    struct sandbox **list = call_sandboxes(call, &count);
    bool is_isolated = engine_isolation(call->admin->config.engine) == ISOLATION_NAMESPACE;
    struct answer a;
    answer_begin(&a, call);
    jsonw_str(&a.w, "isolation", is_isolated ? "namespace" : "none");
    jsonw_array(&a.w, "sandboxes");
    for (size_t i = 0; i < count && answer_flush(&a); i++) {
        if (!has_filter || strcmp(buf_cstr(&only), sandbox_id(list[i])) == 0)
            put_sandbox(&a, list[i]);
    }
    jsonw_end_array(&a.w);
    sandbox_list_free(list, count);
    answer_end(&a);
}

/* ---- one log -------------------------------------------------------------------------- */

/* Ids are random, so one name finds one process in whatever sandbox. */
static struct proc *find_proc(struct engine *engine, const char *id)
{
    size_t count = 0;
    struct sandbox **list = engine_list_sandboxes(engine, NULL, NULL, &count);
    struct proc *found = NULL;
    for (size_t i = 0; i < count && found == NULL; i++)
        found = sandbox_find_proc(list[i], id);
    sandbox_list_free(list, count);
    return found;
}

static void reply_facts(struct call *call, struct proc *proc, uint64_t from, uint64_t limit)
{
    struct proc_view view;
    struct answer a;
    struct fact *facts = calloc(limit, sizeof *facts);
    if (facts == NULL) {
        call_fail(call, 503, "out_of_memory", "%llu facts do not fit into memory", (unsigned long long) limit);
        return;
    }
    size_t count = proc_facts(proc, from, facts, limit);
    proc_get_view(proc, &view);
    uint64_t last = count > 0 ? facts[count - 1].seq : from - 1;
    answer_begin(&a, call);
    jsonw_str(&a.w, "id", proc_id(proc));
    jsonw_str(&a.w, "sandboxId", sandbox_id(proc_sandbox(proc)));
    jsonw_str(&a.w, "state", vocab_name(&admin_proc_states, (int) view.state));
    jsonw_int(&a.w, "total", (int64_t) view.facts);
    jsonw_array(&a.w, "facts");
    for (size_t i = 0; i < count && answer_flush(&a); i++)
        put_fact(&a.w, NULL, &facts[i]);
    jsonw_end_array(&a.w);
    if (last < view.facts)
        jsonw_int(&a.w, "next", (int64_t) last + 1);
    else
        jsonw_null(&a.w, "next");
    free(facts);
    answer_end(&a);
}

void admin_list_facts(struct call *call)
{
    struct proc *proc = find_proc(call->admin->config.engine, call->params.value[0]);
    if (proc == NULL) {
        call_fail(call, 404, "not_found", "process %s not found", call->params.value[0]);
        return;
    }
    reply_facts(call, proc, call_query_int(call, PARAM_FROM, 1), call_query_int(call, PARAM_FACT_LIMIT, FACTS_DEFAULT));
    proc_unref(proc);
}
