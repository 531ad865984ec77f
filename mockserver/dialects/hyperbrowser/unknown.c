/* Requests about sandboxes that are not there: they mean something all the same, so that scenarios can have a word. */
#include "dialects/hyperbrowser/hb_priv.h"

/* A Summary of which only the id is known. */
static void write_made_up(struct jsonw *w, const char *id, enum hb_status status)
{
    jsonw_object(w, NULL);
    jsonw_object(w, "process");
    jsonw_str(w, "id", id);
    jsonw_str(w, "status", hb_status_name(status));
    jsonw_str(w, "command", "");
    jsonw_str(w, "cwd", "/");
    jsonw_null(w, "pid");
    jsonw_null(w, "exit_code");
    jsonw_int(w, "started_at", 0);
    jsonw_null(w, "completed_at");
    jsonw_end_object(w);
    jsonw_end_object(w);
}

static void pretend(struct exchange *x, enum scenario_op op, const char *process)
{
    static const char success[] = "{\"success\":true}";
    BUF_AUTO body = BUF_INIT;
    struct jsonw w;
    if (op != OP_PROCESS_KILL && op != OP_PROCESS_SIGNAL) {
        exchange_reply(x, 200, JSON_TYPE, success, sizeof success - 1);
        return;
    }
    jsonw_init(&w, &body);
    write_made_up(&w, process, op == OP_PROCESS_KILL ? HB_KILLED : HB_RUNNING);
    hb_reply(x, &body);
}

void hb_refuse_unknown(struct exchange *x, const struct op *op, const char *id, const char *process)
{
    bool pretends;
    if (!hb_begin(x, op, &pretends))
        return;
    if (pretends)
        pretend(x, op->op, process);
    else
        hb_fail(x, 404, "sandbox_not_found", "sandbox not found: %s", id);
}
