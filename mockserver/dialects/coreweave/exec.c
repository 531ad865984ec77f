/*
 * StreamExec (wire page §3.3 to §3.8): a process, its output as messages, its exit.
 *
 * Facts become messages: on the transport's reactor, which is told of them and never waits; or, when a scenario may have
 * its say, on the call's own thread, which waits for each.  What the client sends is taken beside that (input.c).  The
 * process dies with the call: a cancel, a deadline and a lost connection all look like the end of the call here.
 */
#include "dialects/coreweave/cw_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define KEEP_BYTES (1024u * 1024u)   /* behind the reader, who is never further back than the client */

struct session {
    struct cw_call own;              /* that of `serve`, which returns earlier */
    struct cw_call *call;
    struct sandbox *sandbox;
    struct proc *proc;
    struct cw_inlet inlet;
    struct proc_reader *reader;
    struct fact end;                 /* how it ended; kind FACT_KINDS: not yet */
    struct held {
        char bytes[4];               /* the unfinished character at the end of a stream */
        size_t len;
    } held[2];
    struct buf text, message, bytes;
    bool is_made_up;                 /* the scenario makes an end up: `made_up_exit` */
    int made_up_exit;
    bool is_broken_off;              /* ... or an error: */
    const char *error_code, *error_message;
    bool is_done;                    /* the end was told: the process is not the call's any more */
};

/* ---- starting ----------------------------------------------------------------------------------- */

/* The sandbox's environment with the command's own over it; free the list, not the texts. */
static char **join_env(char *const *base, char *const *own, struct err *err)
{
    size_t n = 0, count = 0;
    for (char *const *list = base; list != NULL && list[count] != NULL; count++)
        ;
    for (size_t i = 0; own != NULL && own[i] != NULL; i++)
        count++;
    char **joined = calloc(count + 1, sizeof *joined);
    if (joined == NULL) {
        err_set(err, ERR_NOMEM, 0, "environment");
        return NULL;
    }
    for (size_t i = 0; base != NULL && base[i] != NULL; i++)
        joined[n++] = base[i];
    for (size_t i = 0; own != NULL && own[i] != NULL; i++)
        joined[n++] = own[i];
    return joined;
}

static unsigned short size_of(uint32_t asked)
{
    return (unsigned short) (asked > UINT16_MAX ? UINT16_MAX : asked);
}

static int start_with(struct cw_call *call, struct op *op, struct proc_spec *spec, char **argv,
                      struct proc **out_proc, struct proc_reader **out_reader, struct err *err)
{
    const struct cw_request *made = &((struct cw_record *) sandbox_record(op->sandbox))->made_from;
    char **env = join_env(made->env, call->request.env, err);
    if (env == NULL)
        return -1;
    spec->argv = argv;
    spec->env = env;
    spec->cwd = made->working_dir == NULL || made->working_dir[0] == '\0' ? NULL : made->working_dir;
    int rc = op_start(&call->rpc->x, op, spec, "/bin/sh", out_proc, out_reader, err);
    free(env);
    return rc;
}

int cw_start_command(struct cw_call *call, struct sandbox *sandbox, struct op *op, enum stdin_mode stdin_mode,
                     struct proc **out_proc, struct proc_reader **out_reader, struct err *err)
{
    const struct cw_request *request = &call->request;
    struct proc_spec spec = {
        .stdin_mode = stdin_mode,
        .pty = request->tty,
        .rows = size_of(request->height),
        .cols = size_of(request->width),
        .drain_grace_ms = cw_now(call->cw)->drain_grace_ms,
        .keep_bytes = KEEP_BYTES,
    };
    char **argv = calloc(request->command.count + 1, sizeof *argv);
    if (argv == NULL)
        return err_set(err, ERR_NOMEM, 0, "command");
    for (size_t i = 0; i < request->command.count; i++)
        argv[i] = request->command.list[i];
    op->sandbox = sandbox;
    int rc = start_with(call, op, &spec, argv, out_proc, out_reader, err);
    free(argv);
    return rc;
}

int cw_describe_failure(const struct cw *cw, const struct proc_view *view, const char *program, struct buf *out)
{
    bool is_program = strcmp(proc_start_stage_name(view->end.flag), "exec") == 0;
    buf_printf(out, "%s: %s\n", program, view->end.value == ENOENT && is_program ? "not found" : strerror(view->end.value));
    if (!is_program || strcmp(cw_now(cw)->start_failure, "exit") != 0)
        return 0;
    return view->end.value == ENOENT || view->end.value == ENOTDIR ? 127 : 126;
}

struct sandbox *cw_begin_command(struct cw_call *call, struct op *out_op, struct buf *display)
{
    const struct cw_texts *command = &call->request.command;
    if (command->count == 0 || command->list[0][0] == '\0') {
        cw_fail(call, RPC_INVALID_ARGUMENT, "CWSANDBOX_INVALID_REQUEST", "command: must not be empty");
        return NULL;
    }
    struct sandbox *sandbox = cw_find_sandbox(call);
    for (size_t i = 0; i < command->count; i++)
        buf_printf(display, "%s%s", i == 0 ? "" : " ", command->list[i]);
    *out_op = cw_op(call, sandbox, NULL);
    out_op->command = buf_cstr(display);
    out_op->env = call->request.env;
    if (cw_begin(call, out_op, NULL) && cw_must_run(call, sandbox))
        return sandbox;
    sandbox_unref(sandbox);
    return NULL;
}

/* ---- messages ------------------------------------------------------------------------------------ */

/* What is in `message`: by itself, on the wire when this returns.  -1: the call is over. */
static int send_message(struct session *s, enum event_kind kind)
{
    int rc = s->message.failed ? -1 : op_event(&s->call->rpc->x, kind, buf_cstr(&s->message), s->message.len);
    buf_clear(&s->message);
    return rc;
}

static int64_t now_ms(const struct session *s)
{
    return clock_wall_ms(s->call->cw->clock);
}

static int send_piece(struct session *s, bool is_stderr, const char *data, size_t len, int64_t ms)
{
    s->call->wire->write_output(is_stderr ? CW_STDERR : CW_STDOUT, data, len, ms, &s->message);
    return send_message(s, EVENT_OUTPUT);
}

/* What a scenario puts between the process's own. */
static int send_odd(struct session *s, enum odd_event what, size_t bytes)
{
    char *text = what == ODD_EMPTY ? NULL : malloc(bytes + 1);
    if (text != NULL) {
        memset(text, 'x', bytes);
        s->call->wire->write_output(what == ODD_OUTPUT ? CW_STDOUT : CW_UNKNOWN_STREAM, text, bytes, now_ms(s),
                                    &s->message);
    }
    free(text);
    return send_message(s, EVENT_OUTPUT);
}

/* In pieces that do not end inside a character, where they need not. */
static int send_output(struct session *s, bool is_stderr, const char *data, size_t len, int64_t ms)
{
    size_t most = (size_t) cw_now(s->call->cw)->chunk_bytes;
    while (len > 0) {
        size_t n = len < most ? len : most;
        size_t whole = n < len ? utf8_complete_prefix(data, n) : n;
        n = whole > 0 ? whole : n;
        if (send_piece(s, is_stderr, data, n, ms) < 0)
            return -1;
        data += n;
        len -= n;
    }
    return 0;
}

/* The first part of a character that was cut by the read waits for the rest. */
static int take_output(struct session *s, const struct fact *fact, const struct buf *bytes)
{
    bool is_stderr = fact->kind == FACT_ERR;
    struct held *held = &s->held[is_stderr];
    const struct buf *text = bytes;
    if (cw_now(s->call->cw)->whole_characters == 0)
        return send_output(s, is_stderr, buf_cstr(bytes), bytes->len, fact->wall_ms);
    if (held->len > 0) {
        buf_clear(&s->text);
        buf_add(&s->text, held->bytes, held->len);
        buf_add(&s->text, buf_cstr(bytes), bytes->len);
        text = &s->text;
    }
    if (text->failed)
        return -1;
    size_t whole = utf8_complete_prefix(buf_cstr(text), text->len);
    held->len = text->len - whole;
    memcpy(held->bytes, buf_cstr(text) + whole, held->len);
    return send_output(s, is_stderr, buf_cstr(text), whole, fact->wall_ms);
}

/* The rest never came. */
static int send_held(struct session *s)
{
    for (int i = 0; i < 2; i++) {
        size_t len = s->held[i].len;
        s->held[i].len = 0;
        if (len > 0 && send_piece(s, i == 1, s->held[i].bytes, len, now_ms(s)) < 0)
            return -1;
    }
    return 0;
}

static int send_ready(struct session *s, const struct fact *fact)
{
    s->call->wire->write_ready(fact->wall_ms, &s->message);
    return send_message(s, EVENT_FIRST);
}

static bool is_end(const struct fact *fact)
{
    return fact->kind == FACT_EXITED || fact->kind == FACT_DIED || fact->kind == FACT_START_FAILED;
}

/* A fact as the client sees it.  -1: the call is over. */
static int show(struct session *s, const struct fact *fact, const struct buf *bytes)
{
    if (is_end(fact))
        s->end = *fact;
    if (fact->kind == FACT_STARTED)
        return send_ready(s, fact);
    return fact->out_seq > 0 ? take_output(s, fact, bytes) : 0;
}

/* Does a scenario have its say between two events?  -1: the call is over. */
static int look(struct session *s)
{
    struct exchange *x = &s->call->rpc->x;
    enum odd_event what;
    size_t bytes;
    if (op_inserts(x, &what, &bytes) && send_odd(s, what, bytes) < 0)
        return -1;
    s->is_made_up = op_fabricates(x, &s->made_up_exit);
    s->is_broken_off = op_breaks_off(x, &s->error_code, &s->error_message);
    return 0;
}

/* Faults keyed to facts and events look here.  -1: the call is over. */
static int note(struct session *s, const struct fact *fact)
{
    struct exchange *x = &s->call->rpc->x;
    if (!op_is_watched(x))
        return 0;
    return op_note_fact(x, fact) < 0 ? -1 : look(s);
}

static enum read_result run(struct session *s)
{
    struct fact fact;
    if (look(s) < 0)
        return READ_CLOSED;
    while (!s->is_made_up && !s->is_broken_off) {
        enum read_result result = proc_reader_next(s->reader, CLOCK_NEVER, cw_is_over, s->call, &fact, &s->bytes);
        if (result != READ_FACT)
            return result;
        if (show(s, &fact, &s->bytes) < 0 || note(s, &fact) < 0)
            return READ_CLOSED;
    }
    return READ_END;
}

/* ---- the end ---------------------------------------------------------------------------------------- */

static int write_failed_start(struct session *s)
{
    struct proc_view view;
    BUF_AUTO words = BUF_INIT;
    proc_get_view(s->proc, &view);
    int code = cw_describe_failure(s->call->cw, &view, s->call->request.command.list[0], &words);
    if (code == 0) {
        s->call->wire->write_exec_error("EXEC_FAILED", buf_cstr(&words), &s->message);
        return 0;
    }
    if (send_piece(s, true, buf_cstr(&words), words.len, now_ms(s)) < 0)
        return -1;
    s->call->wire->write_exit(code, s->end.wall_ms, &s->message);
    return 0;
}

static int write_end(struct session *s)
{
    if (s->is_broken_off) {
        s->call->wire->write_exec_error(s->error_code, s->error_message, &s->message);
        return 0;
    }
    if (s->is_made_up) {
        s->call->wire->write_exit(s->made_up_exit, now_ms(s), &s->message);
        return 0;
    }
    if (s->end.kind == FACT_START_FAILED)
        return write_failed_start(s);
    int code = s->end.kind == FACT_DIED ? 128 + s->end.value : s->end.value;
    s->call->wire->write_exit(code, s->end.wall_ms, &s->message);
    return 0;
}

/* The message that ends it, and what a scenario puts behind that. */
static int send_last(struct session *s)
{
    struct rpc *rpc = s->call->rpc;
    enum odd_event what;
    size_t bytes;
    bool inserts = op_inserts_behind_next(&rpc->x, &what, &bytes);
    rpc->ends_next = true;
    rpc->follows_next = inserts;
    int rc = send_message(s, EVENT_TERMINAL);
    rpc->follows_next = false;
    inserts = inserts || (rc == 0 && op_inserts(&rpc->x, &what, &bytes));
    return rc == 0 && inserts ? send_odd(s, what, bytes) : rc;
}

/* All output first: a client reads nothing behind the exit. */
static void finish(struct session *s, enum read_result result)
{
    struct rpc *rpc = s->call->rpc;
    if (result == READ_CLOSED)
        return;
    if (result == READ_LOST)
        s->call->wire->write_exec_error("STREAM_BACKPRESSURE", "output was not read as fast as it came, and some is lost",
                                        &s->message);
    else if (send_held(s) < 0 || write_end(s) < 0)
        return;
    s->is_done = result == READ_END;
    if (send_last(s) < 0)
        return;
    (void) rpc->ops->end(rpc, RPC_OK, NULL, NULL, 0);
}

/* ---- what the client sends ------------------------------------------------------------------------------ */

#define STDIN_LOOK_UP_MS 200

/* A process that does not read makes the client wait: nothing more of it is taken meanwhile.  Input for one that is
   over, or whose stdin was closed, is nobody's. */
static void write_stdin(struct session *s, const void *data, size_t len, bool eof)
{
    struct err err = ERR_INIT;
    do {
        int64_t deadline = clock_deadline(s->call->cw->clock, STDIN_LOOK_UP_MS);
        if (proc_stdin_write(s->proc, data, len, eof, deadline, &err) == 0)
            return;
    } while (err.code == ERR_TIMEOUT && !cw_is_over(s->call));
}

static bool take_message(void *arg, const struct cw_input *input)
{
    struct session *s = arg;
    switch (input->kind) {
    case CW_INPUT_STDIN: write_stdin(s, input->data, input->len, false); break;
    case CW_INPUT_CLOSE: write_stdin(s, NULL, 0, true); break;
    case CW_INPUT_RESIZE: (void) proc_resize(s->proc, size_of(input->height), size_of(input->width), NULL); break;
    case CW_INPUT_INIT:
        cw_fail(s->call, RPC_INVALID_ARGUMENT, "CWSANDBOX_INVALID_REQUEST", "init: comes twice");
        return false;
    case CW_INPUT_NONE: break;
    }
    return true;
}

static void take_half_close(void *arg)
{
    write_stdin(arg, NULL, 0, true);
}

/* ---- with a thread of its own ------------------------------------------------------------------------------ */

static void stream(struct session *s)
{
    cw_watch(s->call, s->proc);
    finish(s, run(s));
    if (!s->is_done)
        (void) proc_kill(s->proc, WHO_CLIENT, NULL);
    /* Whatever happened, it is over now: else the inlet takes more for ever. */
    (void) s->call->rpc->ops->end(s->call->rpc, RPC_INTERNAL, "the answer could not be written", NULL, 0);
    cw_inlet_close(&s->inlet);
    cw_unwatch(s->call);
}

/* ---- on the reactor ---------------------------------------------------------------------------------------- */

/* What a client is shown, and what may be the last. */
#define SHOWN_FACTS \
    (1u << FACT_STARTED | 1u << FACT_OUT | 1u << FACT_ERR | 1u << FACT_START_FAILED | 1u << FACT_OUTPUT_EOF)

static void session_free(struct session *s)
{
    proc_reader_close(s->reader);
    proc_unref(s->proc);
    sandbox_unref(s->sandbox);
    buf_fini(&s->text);
    buf_fini(&s->message);
    buf_fini(&s->bytes);
    cw_request_fini(&s->own.request);
    free(s);
}

static void let_go(void *arg)
{
    struct session *s = arg;
    if (!s->is_done)
        (void) proc_kill(s->proc, WHO_CLIENT, NULL);
    cw_inlet_close(&s->inlet);
    session_free(s);
}

/* READ_DEADLINE: there is nothing to be shown for now, or no room for it. */
static enum read_result show_what_is_there(struct session *s)
{
    struct rpc *rpc = s->call->rpc;
    enum read_result result = READ_FACT;
    struct fact fact;
    while (result == READ_FACT && !cw_is_over(s->call)) {
        if (!rpc->ops->has_room(rpc))
            return READ_DEADLINE;
        result = proc_reader_next(s->reader, 0, NULL, NULL, &fact, &s->bytes);
        if (result == READ_FACT && show(s, &fact, &s->bytes) < 0)
            result = READ_CLOSED;
    }
    return result == READ_FACT || cw_is_over(s->call) ? READ_CLOSED : result;
}

static void go_on(void *arg)
{
    struct session *s = arg;
    enum read_result result = show_what_is_there(s);
    if (result == READ_DEADLINE)
        return;
    finish(s, result);
    proc_listen(s->proc, 0, NULL, NULL);
    s->call->rpc->ops->finish(s->call->rpc, !s->is_done, let_go, s);
}

static void knock(void *arg)
{
    struct rpc *rpc = arg;
    rpc->ops->knock(rpc);
}

/* A knock that comes before it is left to the reactor is not lost: that looks by itself then. */
static void leave(struct session *s)
{
    struct rpc *rpc = s->call->rpc;
    proc_listen(s->proc, SHOWN_FACTS, knock, rpc);
    rpc->ops->leave_to(rpc, go_on, s);
}

/* ---- the call --------------------------------------------------------------------------------------------- */

/* Takes what the call holds; it has its own sandbox. */
static struct session *session_new(struct cw_call *call, struct sandbox *sandbox)
{
    struct session *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    s->own = *call;
    call->request = (struct cw_request) { 0 };
    s->call = &s->own;
    s->sandbox = sandbox_ref(sandbox);
    s->end.kind = FACT_KINDS;
    s->inlet = (struct cw_inlet) {
        .call = s->call, .message = take_message, .half_closed = take_half_close, .arg = s
    };
    return s;
}

static bool can_leave(const struct session *s)
{
    const struct rpc *rpc = s->call->rpc;
    return rpc->x.asks_no_rule && rpc->ops->leave_to != NULL;
}

static void serve(struct session *s, struct op *op)
{
    struct err err = ERR_INIT;
    if (cw_start_command(s->call, s->sandbox, op, STDIN_PIPE, &s->proc, &s->reader, &err) < 0) {
        cw_fail_err(s->call, &err);
        session_free(s);
        return;
    }
    /* The answer is the process's stream, too. */
    struct op as_stream = cw_op(s->call, s->sandbox, s->proc);
    as_stream.op = OP_PROCESS_STREAM;
    if (!cw_begin(s->call, &as_stream, NULL)) {
        (void) proc_kill(s->proc, WHO_CLIENT, NULL);
        session_free(s);
        return;
    }
    cw_inlet_open(&s->inlet);
    if (can_leave(s)) {
        leave(s);
        return;
    }
    stream(s);
    session_free(s);
}

void cw_stream_exec(struct cw_call *call)
{
    BUF_AUTO display = BUF_INIT;
    struct op op;
    SANDBOX_AUTO *sandbox = cw_begin_command(call, &op, &display);
    struct session *s = sandbox == NULL ? NULL : session_new(call, sandbox);
    if (s != NULL)
        serve(s, &op);
    else if (sandbox != NULL)
        cw_fail(call, RPC_RESOURCE_EXHAUSTED, NULL, "out of memory");
}
