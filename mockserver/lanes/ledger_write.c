/* Entries as JSON: for people, for the file and for the admin API alike.  The shapes are described in ledger.h. */
#include <string.h>

#include "base/text.h"
#include "engine/engine.h"
#include "lanes/ledger_priv.h"

/* NULL and "" are null. */
static void put_text(struct jsonw *w, const char *name, const char *text)
{
    jsonw_str(w, name, text == NULL || *text == '\0' ? NULL : text);
}

static void put_bytes(struct jsonw *w, const char *name, const char *data, size_t kept, uint64_t len, bool cut)
{
    bool is_text = utf8_is_valid(data, kept);
    jsonw_object(w, name);
    jsonw_int(w, "bytes", (int64_t) len);
    if (is_text)
        jsonw_bytes(w, "data", data, kept);
    else
        jsonw_base64(w, "data", data, kept);
    jsonw_str(w, "encoding", is_text ? "utf-8" : "base64");
    jsonw_bool(w, "cut", cut);
    jsonw_end_object(w);
}

/* ---- requests --------------------------------------------------------------------------- */

static void put_headers(struct jsonw *w, const struct ledger_request *r)
{
    jsonw_array(w, "headers");
    for (size_t i = 0; i < r->header_count; i++) {
        jsonw_object(w, NULL);
        jsonw_str(w, "name", r->headers[i].name);
        jsonw_str(w, "value", r->headers[i].value);
        jsonw_end_object(w);
    }
    jsonw_end_array(w);
}

static void put_fault(struct jsonw *w, const struct ledger_request *r)
{
    if (*r->fault == '\0') {
        jsonw_null(w, "fault");
        return;
    }
    jsonw_object(w, "fault");
    put_text(w, "scenario", r->fault_scenario);
    jsonw_int(w, "rule", (int64_t) r->fault_rule);
    jsonw_str(w, "kind", r->fault);
    jsonw_bool(w, "fired", r->fault_fired);
    jsonw_end_object(w);
}

static void put_answer(struct jsonw *w, const struct ledger_request *r)
{
    if (r->status == 0 && r->answer_len == 0) {
        jsonw_null(w, "answer");
        return;
    }
    jsonw_object(w, "answer");
    if (r->status == 0)
        jsonw_null(w, "status");
    else
        jsonw_int(w, "status", r->status);
    put_text(w, "content_type", r->content_type);
    put_bytes(w, "body", r->answer, r->answer_kept, r->answer_len, r->answer_cut);
    jsonw_end_object(w);
}

static void put_number(struct jsonw *w, const char *name, int64_t value)
{
    if (value < 0)
        jsonw_null(w, name);
    else
        jsonw_int(w, name, value);
}

/* Was it answered by something that is no gRPC? */
static bool is_other_answer(const struct ledger_request *r)
{
    return r->status != 0 && (r->status != 200 || strncmp(r->content_type, "application/grpc", 16) != 0);
}

static void put_call(struct jsonw *w, const struct ledger_request *r)
{
    const struct ledger_call *call = r->call;
    if (call == NULL)
        return;
    jsonw_object(w, "grpc");
    put_text(w, "status", call->status);
    put_text(w, "message", call->message);
    if (*call->reason != '\0')
        jsonw_str(w, "reason", call->reason);
    if (is_other_answer(r))
        jsonw_int(w, "http_status", r->status);
    put_number(w, "timeout_ms", call->timeout_ms);
    put_number(w, "reset_by_client", call->reset_code);
    jsonw_array(w, "messages");
    if (call->messages_len > 0)
        jsonw_raw(w, NULL, call->messages, call->messages_len);
    jsonw_end_array(w);
    jsonw_int(w, "messages_left_out", (int64_t) call->left_out);
    jsonw_end_object(w);
}

static void put_request(struct jsonw *w, const struct ledger_request *r)
{
    bool is_open = r->end_ms == 0;
    jsonw_int(w, "time_ms", r->begin_ms);
    if (is_open)
        jsonw_null(w, "end_ms");
    else
        jsonw_int(w, "end_ms", r->end_ms);
    jsonw_str(w, "request_id", r->request_id);
    jsonw_str(w, "method", r->method);
    jsonw_str(w, "path", r->path);
    jsonw_str(w, "raw_path", r->raw_path);
    jsonw_str(w, "query", r->query);
    put_headers(w, r);
    put_bytes(w, "body", r->body, r->body_kept, r->body_len, r->body_cut);
    put_text(w, "dialect", r->dialect);
    put_text(w, "op", r->op);
    put_text(w, "sandbox", r->sandbox);
    put_text(w, "process", r->process);
    put_text(w, "command", r->command);
    put_fault(w, r);
    put_answer(w, r);
    jsonw_str(w, "end", is_open ? NULL : answer_end_name(r->end));
    put_call(w, r);
}

/* ---- facts ------------------------------------------------------------------------------ */

static void put_pid(struct jsonw *w, const struct ledger_fact *f)
{
    jsonw_int(w, "pid", f->fact.value);
}

static void put_output(struct jsonw *w, const struct ledger_fact *f)
{
    jsonw_int(w, "out_seq", (int64_t) f->fact.out_seq);
    put_bytes(w, "output", f->bytes, f->kept, f->fact.len, f->kept < f->fact.len);
}

static void put_input(struct jsonw *w, const struct ledger_fact *f)
{
    put_bytes(w, "input", f->bytes, f->kept, f->fact.len, f->kept < f->fact.len);
}

static void put_signal(struct jsonw *w, const struct ledger_fact *f)
{
    char spare[16];
    jsonw_str(w, "signal", signal_name(f->fact.value, spare));
    jsonw_int(w, "signal_number", f->fact.value);
}

static void put_signalled(struct jsonw *w, const struct ledger_fact *f)
{
    put_signal(w, f);
    jsonw_str(w, "by", fact_who_name((enum fact_who) f->fact.who));
}

static void put_limit(struct jsonw *w, const struct ledger_fact *f)
{
    jsonw_int(w, "limit_ms", f->fact.value);
}

static void put_exit_code(struct jsonw *w, const struct ledger_fact *f)
{
    jsonw_int(w, "exit_code", f->fact.value);
}

static void put_death(struct jsonw *w, const struct ledger_fact *f)
{
    put_signal(w, f);
    jsonw_bool(w, "core_dumped", f->fact.flag != 0);
}

static void put_failure(struct jsonw *w, const struct ledger_fact *f)
{
    jsonw_int(w, "errno", f->fact.value);
    jsonw_str(w, "error", strerrordesc_np(f->fact.value));
    jsonw_str(w, "stage", proc_start_stage_name(f->fact.flag));
}

static void put_survivor(struct jsonw *w, const struct ledger_fact *f)
{
    jsonw_bool(w, "held_by_survivor", f->fact.flag != 0);
}

/* What a fact of this kind says, beside its number and time. */
static void (*const put_kind[FACT_KINDS])(struct jsonw *w, const struct ledger_fact *f) = {
    [FACT_STARTED] = put_pid,
    [FACT_OUT] = put_output,
    [FACT_ERR] = put_output,
    [FACT_STDIN] = put_input,
    [FACT_SIGNALLED] = put_signalled,
    [FACT_TIMED_OUT] = put_limit,
    [FACT_EXITED] = put_exit_code,
    [FACT_DIED] = put_death,
    [FACT_START_FAILED] = put_failure,
    [FACT_OUTPUT_EOF] = put_survivor,
};

static void put_fact(struct jsonw *w, const struct ledger_fact *f)
{
    jsonw_int(w, "time_ms", f->fact.wall_ms);
    put_text(w, "sandbox", f->sandbox);
    put_text(w, "process", f->process);
    put_text(w, "command", f->command);
    jsonw_int(w, "seq", (int64_t) f->fact.seq);
    jsonw_str(w, "fact", fact_kind_name((enum fact_kind) f->fact.kind));
    if (f->fact.kind < FACT_KINDS && put_kind[f->fact.kind] != NULL)
        put_kind[f->fact.kind](w, f);
}

/* ---- entries ---------------------------------------------------------------------------- */

void ledger_write_entry(struct jsonw *w, const char *name, const char *lane, const struct ledger_entry *entry)
{
    jsonw_object(w, name);
    jsonw_str(w, "type", entry->is_request ? "request" : "fact");
    jsonw_str(w, "lane", lane);
    jsonw_int(w, "number", (int64_t) (entry->is_request ? entry->request.number : entry->fact.number));
    if (entry->is_request)
        put_request(w, &entry->request);
    else
        put_fact(w, &entry->fact);
    jsonw_end_object(w);
}

void ledger_put_line(struct ledger *ledger, const struct ledger_item *item)
{
    BUF_AUTO line = BUF_INIT;
    struct ledger_entry entry;
    struct jsonw w;
    if (ledger->config.file == NULL)
        return;
    memset(&entry, 0, sizeof entry);
    ledger_show(item, &entry);
    jsonw_init(&w, &line);
    ledger_write_entry(&w, NULL, ledger->lane, &entry);
    buf_char(&line, '\n');
    ledger_file_write(ledger->config.file, line.failed ? NULL : line.data, line.len);
}
