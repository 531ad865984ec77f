/* GET processes: kernel truth beside what the logs say; GET processes/ID/facts: one log. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "admin/admin_priv.h"
#include "base/text.h"
#include "engine/engine.h"

#define FACTS_DEFAULT 1000
#define FACTS_MAX 10000

static const char *const sandbox_states[SANDBOX_STATES] = {
    [SANDBOX_ACTIVE] = "active", [SANDBOX_STOPPING] = "stopping",
    [SANDBOX_CLOSED] = "closed", [SANDBOX_BROKEN] = "broken",
};

static const char *const stop_reasons[STOP_REASONS] = {
    [STOP_NOT] = NULL, [STOP_REQUEST] = "request", [STOP_EXPIRED] = "expired",
    [STOP_KEEPER_DIED] = "keeper-died", [STOP_SHUTDOWN] = "shutdown",
};

static const char *const proc_states[PROC_STATES] = {
    [PROC_QUEUED] = "queued", [PROC_RUNNING] = "running",
    [PROC_DRAINING] = "draining", [PROC_FINISHED] = "finished",
};

/* ---- pieces --------------------------------------------------------------------------- */

static void put_time(struct jsonw *w, const char *name, int64_t epoch_ms)
{
    char text[32];
    if (epoch_ms != 0)
        iso_time(text, epoch_ms);
    jsonw_str(w, name, epoch_ms == 0 ? NULL : text);
}

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

/* ---- the list ------------------------------------------------------------------------- */

static void put_census(struct jsonw *w, struct sandbox *sandbox)
{
    size_t count = 0;
    struct census_entry *census = sandbox_census(sandbox, &count);
    jsonw_array(w, "alive");
    for (size_t i = 0; i < count; i++) {
        jsonw_object(w, NULL);
        jsonw_int(w, "pid", census[i].pid);
        jsonw_int(w, "hostPid", census[i].host_pid);
        jsonw_int(w, "hostParentPid", census[i].host_ppid);
        jsonw_bytes(w, "state", &census[i].state, 1);
        jsonw_str(w, "comm", census[i].comm);
        jsonw_bool(w, "isKeeper", census[i].is_keeper);
        jsonw_end_object(w);
    }
    jsonw_end_array(w);
    free(census);
}

static void put_proc(struct jsonw *w, struct proc *proc)
{
    struct proc_view view;
    proc_get_view(proc, &view);
    jsonw_object(w, NULL);
    jsonw_str(w, "id", proc_id(proc));
    jsonw_str(w, "command", proc_display(proc));
    jsonw_str(w, "cwd", proc_cwd(proc));
    jsonw_str(w, "state", proc_states[view.state]);
    if (view.pid > 0)
        jsonw_int(w, "pid", view.pid);
    else
        jsonw_null(w, "pid");
    put_time(w, "queuedAt", view.queued_ms);
    put_time(w, "startedAt", view.started_ms);
    put_time(w, "endedAt", view.ended_ms);
    if (view.ended)
        put_fact(w, "end", &view.end);
    else
        jsonw_null(w, "end");
    jsonw_bool(w, "timedOut", view.timed_out);
    jsonw_bool(w, "signalledByClient", view.signalled_by_client);
    jsonw_bool(w, "killedByRequest", view.killed_by_request);
    jsonw_bool(w, "outputHeld", view.output_held);
    jsonw_bool(w, "stdinOpen", view.stdin_open);
    jsonw_int(w, "facts", (int64_t) view.facts);
    jsonw_int(w, "stdoutBytes", (int64_t) view.out_bytes[0]);
    jsonw_int(w, "stderrBytes", (int64_t) view.out_bytes[1]);
    jsonw_int(w, "keptFromOffset", (int64_t) view.kept_from_offset);
    jsonw_end_object(w);
}

static void put_procs(struct jsonw *w, struct sandbox *sandbox)
{
    size_t count = 0;
    struct proc **procs = sandbox_list_procs(sandbox, &count);
    jsonw_array(w, "processes");
    for (size_t i = 0; i < count; i++)
        put_proc(w, procs[i]);
    jsonw_end_array(w);
    proc_list_free(procs, count);
}

static void put_sandbox(struct jsonw *w, struct sandbox *sandbox)
{
    jsonw_object(w, NULL);
    jsonw_str(w, "id", sandbox_id(sandbox));
    jsonw_str(w, "state", sandbox_states[sandbox_get_state(sandbox)]);
    jsonw_str(w, "stopReason", stop_reasons[sandbox_get_stop_reason(sandbox)]);
    put_time(w, "createdAt", sandbox_created_ms(sandbox));
    put_time(w, "endedAt", sandbox_ended_ms(sandbox));
    put_census(w, sandbox);
    put_procs(w, sandbox);
    jsonw_end_object(w);
}

void admin_list_processes(void *self, struct exchange *x, const struct route_params *params)
{
    const struct admin *admin = self;
    (void) params;
    BUF_AUTO only = BUF_INIT;
    bool has_filter = query_get(x->query, "sandbox", &only);
    size_t count = 0;
    struct sandbox **list = engine_list_sandboxes(admin->config.engine, NULL, &count);
    bool is_isolated = engine_isolation(admin->config.engine) == ISOLATION_NAMESPACE;
    BUF_AUTO body = BUF_INIT;
    struct jsonw w;
    jsonw_init(&w, &body);
    jsonw_object(&w, NULL);
    jsonw_str(&w, "isolation", is_isolated ? "namespace" : "none");
    jsonw_array(&w, "sandboxes");
    for (size_t i = 0; i < count; i++) {
        if (!has_filter || strcmp(buf_cstr(&only), sandbox_id(list[i])) == 0)
            put_sandbox(&w, list[i]);
    }
    jsonw_end_array(&w);
    jsonw_end_object(&w);
    sandbox_list_free(list, count);
    admin_reply(x, &body);
}

/* ---- one log -------------------------------------------------------------------------- */

/* Ids are random, so one name finds one process in whatever sandbox. */
static struct proc *find_proc(struct engine *engine, const char *id)
{
    size_t count = 0;
    struct sandbox **list = engine_list_sandboxes(engine, NULL, &count);
    struct proc *found = NULL;
    for (size_t i = 0; i < count && found == NULL; i++)
        found = sandbox_find_proc(list[i], id);
    sandbox_list_free(list, count);
    return found;
}

/* A query number within [1, max]; -1 when it is none. */
static int get_number(const struct exchange *x, const char *name, uint64_t max, uint64_t *out)
{
    BUF_AUTO text = BUF_INIT;
    if (!query_get(x->query, name, &text))
        return 0;
    const char *digits = buf_cstr(&text);
    size_t len = strspn(digits, "0123456789");
    errno = 0;
    unsigned long long v = strtoull(digits, NULL, 10);
    if (len == 0 || len != text.len || errno != 0 || v < 1 || v > max)
        return -1;
    *out = v;
    return 0;
}

static void reply_facts(struct exchange *x, struct proc *proc, uint64_t from, uint64_t limit)
{
    struct proc_view view;
    struct fact *facts = calloc(limit, sizeof *facts);
    if (facts == NULL) {
        admin_fail(x, 503, "out_of_memory", "%llu facts do not fit into memory", (unsigned long long) limit);
        return;
    }
    size_t count = proc_facts(proc, from, facts, limit);
    proc_get_view(proc, &view);
    uint64_t last = count > 0 ? facts[count - 1].seq : from - 1;
    BUF_AUTO body = BUF_INIT;
    struct jsonw w;
    jsonw_init(&w, &body);
    jsonw_object(&w, NULL);
    jsonw_str(&w, "id", proc_id(proc));
    jsonw_str(&w, "sandboxId", sandbox_id(proc_sandbox(proc)));
    jsonw_str(&w, "state", proc_states[view.state]);
    jsonw_int(&w, "total", (int64_t) view.facts);
    jsonw_array(&w, "facts");
    for (size_t i = 0; i < count; i++)
        put_fact(&w, NULL, &facts[i]);
    jsonw_end_array(&w);
    if (last < view.facts)
        jsonw_int(&w, "next", (int64_t) last + 1);
    else
        jsonw_null(&w, "next");
    jsonw_end_object(&w);
    free(facts);
    admin_reply(x, &body);
}

void admin_list_facts(void *self, struct exchange *x, const struct route_params *params)
{
    const struct admin *admin = self;
    uint64_t from = 1, limit = FACTS_DEFAULT;
    if (get_number(x, "from", INT64_MAX, &from) < 0) {
        admin_fail(x, 400, "invalid_request", "query parameter from: must be a whole number from 1");
        return;
    }
    if (get_number(x, "limit", FACTS_MAX, &limit) < 0) {
        admin_fail(x, 400, "invalid_request", "query parameter limit: must be from 1 to %d", FACTS_MAX);
        return;
    }
    struct proc *proc = find_proc(admin->config.engine, params->value[0]);
    if (proc == NULL) {
        admin_fail(x, 404, "not_found", "process %s not found", params->value[0]);
        return;
    }
    reply_facts(x, proc, from, limit);
    proc_unref(proc);
}
