/* The runtime's process routes, the list aside (wire page §3.1, §4, §6). */
#include "dialects/hyperbrowser/hb_priv.h"

#include <string.h>

#include "base/text.h"

/* ---- answers ----------------------------------------------------------------------------- */

typedef void write_summary_fn(struct jsonw *w, const char *name, const struct hb_settings *settings,
                              struct proc *proc);

static void reply_process(const struct hb_call *call, struct exchange *x, struct proc *proc, write_summary_fn *write)
{
    BUF_AUTO body = BUF_INIT;
    struct jsonw w;
    if (op_note_proc(x, proc) < 0)
        return;
    jsonw_init(&w, &body);
    jsonw_object(&w, NULL);
    write(&w, "process", hb_now(call->hb), proc);
    jsonw_end_object(&w);
    hb_reply(x, &body);
}

static void reply_summary(const struct hb_call *call, struct exchange *x, struct proc *proc)
{
    reply_process(call, x, proc, hb_write_summary);
}

static void reply_success(struct exchange *x, struct proc *proc)
{
    static const char answer[] = "{\"success\":true}";
    if (op_note_proc(x, proc) == 0)
        exchange_reply(x, 200, JSON_TYPE, answer, sizeof answer - 1);
}

static void reply_result(const struct hb_call *call, struct exchange *x, struct proc *proc)
{
    BUF_AUTO body = BUF_INIT;
    struct jsonw w;
    if (op_note_proc(x, proc) < 0)
        return;
    jsonw_init(&w, &body);
    jsonw_object(&w, NULL);
    hb_write_result(&w, "result", hb_now(call->hb), proc, NULL);
    jsonw_end_object(&w);
    hb_reply(x, &body);
}

/* ---- what is asked --------------------------------------------------------------------------- */

static void expire_token(void *arg)
{
    const struct hb_call *call = arg;
    hb_record_expire_token(sandbox_record(call->sandbox), call->token, clock_now_ms(call->hb->clock));
}

struct op hb_op(struct hb_call *call, enum scenario_op op, struct proc *proc)
{
    return (struct op){ .op = op,
                        .dialect = DIALECT_HYPERBROWSER,
                        .sandbox = call->sandbox,
                        .proc = proc,
                        .expire_token = expire_token,
                        .arg = call };
}

/* A reference, or NULL and the exchange is answered: there is no such process, or a scenario has something against it. */
static struct proc *begin(struct hb_call *call, struct exchange *x, const struct route_params *params,
                          enum scenario_op op, bool *out_pretend)
{
    const char *id = params->value[0];
    struct proc *proc = sandbox_find_proc(call->sandbox, id);
    const struct op what = hb_op(call, op, proc);
    if (proc == NULL) {
        op_note(x, &what);
        hb_fail(x, 404, "process_not_found", "process not found: %s", id);
        return NULL;
    }
    if (hb_begin(x, &what, out_pretend))
        return proc;
    proc_unref(proc);
    return NULL;
}

/* ---- start --------------------------------------------------------------------------------- */

/* The sandbox was active a moment ago: a conflict means that it has been stopped since. */
static void fail_start(const struct hb_call *call, struct exchange *x, const struct err *err)
{
    if (err->code == ERR_CONFLICT)
        hb_fail(x, 409, "sandbox_not_running", "Sandbox %s is not running", sandbox_id(call->sandbox));
    else
        hb_fail_err(x, err);
}

/* With `out_reader`: opened before the process can write, so that no byte is gone before it is read. */
static struct proc *start(struct hb_call *call, struct exchange *x, const struct op *op,
                          const struct hb_command *command, struct proc_reader **out_reader)
{
    struct err err = ERR_INIT;
    struct proc *proc;
    enum stdin_mode stdin_mode = op->op == OP_PROCESS_START ? STDIN_PIPE : STDIN_EMPTY;
    if (hb_command_start(call, x, op, command, stdin_mode, &proc, out_reader, &err) == 0)
        return proc;
    fail_start(call, x, &err);
    return NULL;
}

static struct proc *start_from_body(struct hb_call *call, struct exchange *x, enum scenario_op kind,
                                    struct proc_reader **out_reader)
{
    struct err err = ERR_INIT;
    struct hb_command command;
    struct proc *proc = NULL;
    struct op op = hb_op(call, kind, NULL);
    JSON_AUTO *json = NULL;
    if (hb_read_object(x, false, &json) < 0)
        return NULL;
    if (hb_command_parse(&command, json, hb_now(call->hb)->env_max, &err) < 0) {
        hb_fail_err(x, &err);
    } else {
        op.command = command.line.data;
        op.cwd = command.has_cwd ? command.cwd.data : sandbox_home(call->sandbox);
        op.env = command.env;
        if (hb_begin(x, &op, NULL))
            proc = start(call, x, &op, &command, out_reader);
    }
    hb_command_fini(&command);
    return proc;
}

/* Until it has a pid, so that a Summary can say so. */
static void await_pid(const struct hb_call *call, struct exchange *x, struct proc *proc)
{
    int64_t deadline = clock_deadline(call->hb->clock, hb_now(call->hb)->start_wait_ms);
    struct err ignored;
    struct proc_view view;
    proc_get_view(proc, &view);
    if (!view.held)   /* a scenario wants it to be seen in the queue */
        (void) proc_wait_state(proc, PROC_RUNNING, deadline, hb_peer_gone, x, &ignored);
}

/* A client that goes away ends this wait, never the process (§6: "then list shows it still running"). */
void hb_process_exec(void *dialect, struct exchange *x, const struct route_params *params)
{
    (void) params;
    struct hb_call *call = dialect;
    struct err err = ERR_INIT;
    PROC_AUTO *proc = start_from_body(call, x, OP_PROCESS_EXEC, NULL);
    if (proc == NULL)
        return;
    if (op_wait_state(x, proc, PROC_FINISHED, CLOCK_NEVER, &err) < 0)
        hb_fail_err(x, &err);
    else
        reply_result(call, x, proc);
}

/* Protocol B asks for an event stream by its Accept header; A sends "Accept: any" and wants JSON. */
static bool wants_stream(struct exchange *x)
{
    const char *accept = exchange_header(x, "Accept");
    return accept != NULL && strcasestr(accept, "text/event-stream") != NULL;
}

void hb_process_start(void *dialect, struct exchange *x, const struct route_params *params)
{
    (void) params;
    struct hb_call *call = dialect;
    struct proc_reader *reader = NULL;
    PROC_AUTO *proc = start_from_body(call, x, OP_PROCESS_START, wants_stream(x) ? &reader : NULL);
    if (proc == NULL)
        return;
    await_pid(call, x, proc);
    if (reader == NULL) {
        reply_summary(call, x, proc);
        return;
    }
    /* The answer is the process's stream, too. */
    const struct op stream = hb_op(call, OP_PROCESS_STREAM, proc);
    if (hb_begin(x, &stream, NULL))
        hb_stream_start(call->hb, x, proc, reader);
    else
        proc_reader_close(reader);
}

/* ---- get, kill, wait ------------------------------------------------------------------------ */

void hb_process_get(void *dialect, struct exchange *x, const struct route_params *params)
{
    PROC_AUTO *proc = begin(dialect, x, params, OP_PROCESS_GET, NULL);
    if (proc != NULL)
        reply_summary(dialect, x, proc);
}

/* The kill is sent and given a moment; what is shown may still say running.  On a finished process: no error, the
   Summary as it is. */
void hb_process_delete(void *dialect, struct exchange *x, const struct route_params *params)
{
    struct hb_call *call = dialect;
    struct err err = ERR_INIT, waited;
    bool pretend;
    PROC_AUTO *proc = begin(call, x, params, OP_PROCESS_KILL, &pretend);
    if (proc == NULL)
        return;
    if (pretend) {
        reply_process(call, x, proc, hb_write_killed);
        return;
    }
    int rc = proc_kill(proc, WHO_CLIENT, &err);
    int64_t deadline = clock_deadline(call->hb->clock, hb_now(call->hb)->kill_wait_ms);
    bool finished = proc_wait_state(proc, PROC_FINISHED, deadline, hb_peer_gone, x, &waited) == 0;
    if (rc < 0 && !finished && err.code != ERR_TIMEOUT)
        hb_fail_err(x, &err);
    else
        reply_summary(call, x, proc);
}

static int parse_wait(const struct hb_call *call, const struct cJSON *json, int64_t *out_deadline, struct err *err)
{
    int64_t ms = 0;
    if (json != NULL && hb_parse_timeout(json, &ms, err) < 0)
        return -1;
    *out_deadline = ms == 0 ? CLOCK_NEVER : clock_deadline(call->hb->clock, ms);
    return 0;
}

void hb_process_wait(void *dialect, struct exchange *x, const struct route_params *params)
{
    struct hb_call *call = dialect;
    struct err err = ERR_INIT;
    int64_t deadline;
    JSON_AUTO *json = NULL;
    PROC_AUTO *proc = begin(call, x, params, OP_PROCESS_WAIT, NULL);
    if (proc == NULL || hb_read_object(x, true, &json) < 0)
        return;
    if (parse_wait(call, json, &deadline, &err) < 0)
        hb_fail_err(x, &err);
    else if (op_wait_state(x, proc, PROC_FINISHED, deadline, &err) == 0)
        reply_result(call, x, proc);
    else if (err.code == ERR_TIMEOUT)
        hb_fail(x, 408, "wait_timeout", "timed out waiting for process %s", proc_id(proc));
    else
        hb_fail_err(x, &err);
}

/* ---- signal, stdin --------------------------------------------------------------------------- */

static int send_signal(struct proc *proc, const struct cJSON *json, struct err *err)
{
    BUF_AUTO name = BUF_INIT;
    if (json_get_text(json, "signal", &name, NULL, err) < 0)
        return -1;
    int signo = signal_from_name(buf_cstr(&name));
    if (signo == 0)
        return err_set(err, ERR_INVALID, 0, "/signal: unknown signal \"%.40s\"", buf_cstr(&name));
    return proc_signal(proc, signo, WHO_CLIENT, err);
}

void hb_process_signal(void *dialect, struct exchange *x, const struct route_params *params)
{
    struct err err = ERR_INIT;
    bool pretend;
    JSON_AUTO *json = NULL;
    PROC_AUTO *proc = begin(dialect, x, params, OP_PROCESS_SIGNAL, &pretend);
    if (proc == NULL || hb_read_object(x, false, &json) < 0)
        return;
    if (pretend || send_signal(proc, json, &err) == 0)
        reply_summary(dialect, x, proc);
    else if (err.code == ERR_CONFLICT)
        hb_fail(x, 409, "process_not_running", "process %s is not running", proc_id(proc));
    else
        hb_fail_err(x, &err);
}

struct input {
    struct buf data;
    bool eof;
};

static int parse_input(const struct cJSON *json, struct input *out, struct err *err)
{
    BUF_AUTO encoding = BUF_INIT;
    BUF_AUTO text = BUF_INIT;
    if (json_get_text(json, "encoding", &encoding, NULL, err) < 0 ||
        json_get_bytes(json, "data", &text, NULL, err) < 0 || json_get_bool(json, "eof", &out->eof, NULL, err) < 0)
        return -1;
    if (strcmp(buf_cstr(&encoding), "base64") == 0)
        return base64_decode(&out->data, buf_cstr(&text), text.len, err) == 0 ? 0 : err_wrap(err, "/data");
    if (encoding.len > 0 && strcmp(encoding.data, "utf8") != 0 && strcmp(encoding.data, "utf-8") != 0)
        return err_set(err, ERR_INVALID, 0, "/encoding: must be \"utf8\" or \"base64\"");
    out->data = text;
    text = (struct buf) BUF_INIT;
    return 0;
}

void hb_process_stdin(void *dialect, struct exchange *x, const struct route_params *params)
{
    struct hb_call *call = dialect;
    struct err err = ERR_INIT;
    bool pretend;
    struct input input = { BUF_INIT, false };
    JSON_AUTO *json = NULL;
    PROC_AUTO *proc = begin(call, x, params, OP_PROCESS_STDIN, &pretend);
    if (proc == NULL || hb_read_object(x, false, &json) < 0)
        return;
    int64_t deadline = clock_deadline(call->hb->clock, hb_now(call->hb)->stdin_wait_ms);
    int rc = parse_input(json, &input, &err);
    if (rc == 0 && !pretend)
        rc = proc_stdin_write(proc, buf_cstr(&input.data), input.data.len, input.eof, deadline, &err);
    buf_fini(&input.data);
    if (rc == 0)
        reply_success(x, proc);
    else if (err.code == ERR_TIMEOUT)
        hb_fail(x, 408, "stdin_timeout", "timed out: process %s does not read its stdin", proc_id(proc));
    else
        hb_fail_err(x, &err);
}

/* ---- stream ------------------------------------------------------------------------------------ */

void hb_process_stream(void *dialect, struct exchange *x, const struct route_params *params)
{
    struct hb_call *call = dialect;
    struct err err = ERR_INIT;
    int64_t from_seq = 0;
    PROC_AUTO *proc = begin(call, x, params, OP_PROCESS_STREAM, NULL);
    if (proc == NULL)
        return;
    if (hb_query_int(x, "from_seq", INT64_MIN, INT64_MAX, &from_seq, &err) < 0)
        hb_fail_err(x, &err);
    else
        hb_stream_replay(call->hb, x, proc, from_seq > 0 ? (uint64_t) from_seq : 0);
}
