/* Requests in neutral words; faults that look at requests, facts and whole events. */
#include "dialects/op.h"

#include <stdio.h>
#include <stdlib.h>

#include "lanes/lane.h"
#include "lanes/start.h"
#include "lanes/strike.h"

/* ---- what is known of a request --------------------------------------------------------- */

static const char *op_name(enum scenario_op op)
{
    return vocab_name(&vocab_ops, (int) op);
}

static const char *dialect_name(enum scenario_dialect dialect)
{
    return vocab_name(&vocab_dialects, (int) dialect);
}

static unsigned facts_of(struct proc *proc)
{
    struct proc_view view;
    if (proc == NULL)
        return 0;
    proc_get_view(proc, &view);
    return strike_facts_of(view.seen);
}

/* A stream begins with what came before any output, and comes to the rest by and by, however old it is.  What strikes
   before an answer looks at the log alone. */
static unsigned known_facts(const struct op *op, const struct fault *fault, unsigned facts)
{
    const unsigned before_all = SEEN_BIT(SEEN_QUEUED) | SEEN_BIT(SEEN_STARTED);
    bool comes_to_them = op->op == OP_PROCESS_STREAM && !fault_info_of(fault->kind)->is_immediate;
    return comes_to_them ? facts & before_all : facts;
}

static void write_journal(struct exchange *x, const struct op *op, const char *command)
{
    if (x->journal == 0)
        return;
    ledger_set_request_op(lane_ledger(x->lane), x->journal, dialect_name(op->dialect), op_name(op->op),
                          op->sandbox == NULL ? NULL : sandbox_id(op->sandbox),
                          op->proc == NULL ? NULL : proc_id(op->proc), command);
}

void op_note_path(struct exchange *x, const char *dialect, int op)
{
    if (x->journal > 0)
        ledger_set_request_op(lane_ledger(x->lane), x->journal, dialect, vocab_name(&vocab_ops, op), NULL, NULL, NULL);
}

void op_note_dialect(struct exchange *x, const char *dialect)
{
    op_note_path(x, dialect, -1);
}

void op_note_fault(struct exchange *x)
{
    const struct strike *s = x->strike;
    if (s != NULL && x->journal > 0)
        ledger_set_request_fault(lane_ledger(x->lane), x->journal, match_scenario(s->match)->name, s->ticket.index,
                                 fault_info_of(s->fault->kind)->name, s->fired);
}

static void note_fired(void *arg)
{
    op_note_fault(arg);
}

/* ---- arming ----------------------------------------------------------------------------- */

/* Faults that leave the answer alone and reach behind it. */
static void strike_behind(struct exchange *x)
{
    struct strike *s = x->strike;
    if (s == NULL || s->fault->kind != FAULT_EXPIRE_TOKEN || s->fired || x->expire_token == NULL)
        return;
    x->expire_token(x->expire_arg);
    strike_fired(s);
}

static bool find_fault(struct exchange *x, const struct op *op, const char *command)
{
    struct match *match;
    struct match_ticket ticket;
    unsigned epoch = atomic_load(lane_epoch(x->lane));
    BUF_AUTO argv0 = BUF_INIT;
    if (command != NULL)
        start_argv0(command, &argv0);
    const struct match_subject subject = {
        .op = op->op,
        .dialect = op->dialect,
        .command = command,
        .argv0 = command == NULL ? NULL : buf_cstr(&argv0),
        .cwd = op->cwd != NULL ? op->cwd : op->proc != NULL ? proc_cwd(op->proc) : NULL,
        .sandbox = op->sandbox == NULL ? NULL : sandbox_id(op->sandbox),
        .lane = lane_name(x->lane),
        .env = (const char *const *) op->env,
        .facts = facts_of(op->proc),
    };
    if (!lane_match_fault(x->lane, &subject, &match, &ticket))
        return false;
    x->strike = calloc(1, sizeof *x->strike);
    if (x->strike == NULL) {
        match_fault_end(match, &ticket, false);
        match_unref(match);
        return false;
    }
    strike_arm(x->strike, match, &ticket, lane_clock(x->lane), known_facts(op, &ticket.rule->fault, subject.facts));
    x->strike->epoch = lane_epoch(x->lane);
    x->strike->armed_in = epoch;
    x->strike->on_fired = note_fired;
    x->strike->arg = x;
    return true;
}

/* A start whose answer is its stream asks twice: what was armed for the start and has struck makes room. */
static bool is_taken(struct exchange *x)
{
    if (x->strike == NULL)
        return false;
    if (!x->strike->fired)
        return true;
    op_end(x);
    return false;
}

static bool peer_gone(void *arg)
{
    struct exchange *x = arg;
    return x->ops->peer_gone(x);
}

static bool is_given_up(void *arg)
{
    struct exchange *x = arg;
    return strike_is_stale(x->strike) || x->ops->peer_gone(x);
}

/* Whoever hangs up while the request waits at the door has not been served; nor has one whose lane begins anew. */
static enum op_go delay(struct exchange *x)
{
    struct strike *s = x->strike;
    strike_fired(s);
    bool has_come = clock_sleep_until(s->clock, clock_deadline(s->clock, strike_delay_ms(s)), is_given_up, x);
    return has_come && !strike_is_stale(s) ? OP_GO_ON : OP_OVER;
}

static enum op_go refuse(struct exchange *x)
{
    strike_fired(x->strike);
    return x->strike->fault->reply->pretend_success ? OP_PRETEND : OP_REFUSE;
}

static enum op_go expire(struct exchange *x)
{
    struct strike *s = x->strike;
    if (s->rule->at.place != AT_START) {
        if (strike_is_due(s))
            strike_behind(x);
        return OP_GO_ON;
    }
    strike_behind(x);
    strike_fired(s);   /* also where no token can be made an old one: an API key's refusal is all there is */
    return OP_EXPIRED;
}

static enum op_go close_empty(struct exchange *x)
{
    (void) x->ops->poke(x);
    return OP_OVER;
}

/* What must be done before anything else is; the other kinds wait for their place in the answer. */
static enum op_go (*const at_the_door[FAULT_KINDS])(struct exchange *x) = {
    [FAULT_REPLY] = refuse,
    [FAULT_DELAY] = delay,
    [FAULT_EMPTY_RESPONSE] = close_empty,
    [FAULT_EXPIRE_TOKEN] = expire,
};

static void note(struct exchange *x, const struct op *op, const char *command)
{
    if (x->op_name != NULL)
        return;
    x->op_name = op_name(op->op);
    lane_note_use(x->lane);
    write_journal(x, op, command);
}

void op_note(struct exchange *x, const struct op *op)
{
    if (x->lane != NULL)
        note(x, op, NULL);
}

enum op_go op_begin(struct exchange *x, const struct op *op)
{
    const char *command = op->command != NULL ? op->command : op->proc != NULL ? proc_display(op->proc) : NULL;
    bool is_taken_already = is_taken(x);
    if (x->lane == NULL)
        return OP_GO_ON;
    note(x, op, command);
    x->expire_token = op->expire_token;
    x->expire_arg = op->arg;
    x->on_strike = strike_behind;
    if (is_taken_already || x->asks_no_rule || !find_fault(x, op, command))
        return OP_GO_ON;
    op_note_fault(x);
    enum fault_kind kind = x->strike->fault->kind;
    return at_the_door[kind] == NULL ? OP_GO_ON : at_the_door[kind](x);
}

void op_end(struct exchange *x)
{
    if (x->strike == NULL)
        return;
    op_note_fault(x);
    strike_end(x->strike);
    free(x->strike);
    x->strike = NULL;
}

int op_start(struct exchange *x, const struct op *op, const struct proc_spec *spec, const char *shell,
             struct proc **out_proc, struct proc_reader **out_reader, struct err *err)
{
    if (lane_start(x->lane, op->op, op->dialect, op->sandbox, spec, shell, out_proc, out_reader, err) < 0)
        return -1;
    struct op started = *op;
    started.proc = *out_proc;
    op_note_subject(x, &started);
    return 0;
}

void op_note_subject(struct exchange *x, const struct op *op)
{
    write_journal(x, op, op->proc == NULL ? op->command : proc_display(op->proc));
}

/* ---- refusals --------------------------------------------------------------------------- */

const struct reply *op_reply(const struct exchange *x)
{
    CHECK(x->strike != NULL && x->strike->fault->reply != NULL);
    return x->strike->fault->reply;
}

bool op_reply_http(struct exchange *x)
{
    const struct reply *reply = op_reply(x);
    char seconds[24];
    if (reply->retry_after_ms >= 0) {
        snprintf(seconds, sizeof seconds, "%lld", (long long) ((reply->retry_after_ms + 999) / 1000));
        x->ops->add_header(x, "Retry-After", seconds);
    }
    for (size_t i = 0; i < reply->header_count; i++)
        x->ops->add_header(x, reply->headers[i].name, reply->headers[i].value);
    if (reply->body == NULL)
        return false;
    const char *type = reply->content_type != NULL ? reply->content_type : "application/json";
    exchange_reply(x, reply->http_status, type, reply->body, reply->body_len);
    return true;
}

/* ---- facts ------------------------------------------------------------------------------- */

/* -1: the answer is over. */
static int strike_now(struct exchange *x)
{
    if (strike_is_due(x->strike))
        strike_behind(x);
    return x->ops->poke(x);
}

int op_note_fact(struct exchange *x, const struct fact *fact)
{
    if (x->strike == NULL)
        return 0;
    if (x->ops->note_fact != NULL)
        return x->ops->note_fact(x, strike_fact_of((int) fact->kind));
    strike_note_fact(x->strike, strike_fact_of((int) fact->kind));
    return strike_now(x);
}

int op_note_proc(struct exchange *x, struct proc *proc)
{
    if (x->strike == NULL)
        return 0;
    x->strike->facts |= facts_of(proc);
    return strike_now(x);
}

/* The kinds of engine facts that a scenario's word stands for. */
static unsigned kinds_of(enum scenario_fact wanted)
{
    unsigned mask = 0;
    for (unsigned kind = 0; kind < FACT_KINDS; kind++) {
        if ((strike_facts_of(1u << kind) & SEEN_BIT(wanted)) != 0)
            mask |= 1u << kind;
    }
    return mask;
}

static bool waits_for_fact(const struct strike *s)
{
    return s != NULL && !s->fired && s->rule->at.place == AT_FACT && (s->facts & SEEN_BIT(s->rule->at.fact)) == 0;
}

int op_wait_state(struct exchange *x, struct proc *proc, enum proc_state state, int64_t deadline_ms, struct err *err)
{
    struct strike *s = x->strike;
    struct err ignored = ERR_INIT;
    if (waits_for_fact(s)) {
        unsigned mask = kinds_of(s->rule->at.fact);
        if (proc_wait_fact(proc, mask, deadline_ms, peer_gone, x, &ignored) == 0) {
            strike_note_fact(s, s->rule->at.fact);
            if (strike_now(x) < 0)
                return err_set(err, ERR_CLOSED, 0, "the scenario ended the exchange");
        }
    }
    return proc_wait_state(proc, state, deadline_ms, peer_gone, x, err);
}

/* ---- events ------------------------------------------------------------------------------ */

static int write_event(struct exchange *x, const void *data, size_t len)
{
    if (x->ops->stream_write(x, data, len) < 0)
        return -1;
    if (x->ops->note_fact != NULL)
        return 0;   /* the transport has noted it */
    strike_note_event(x->strike);
    return strike_now(x);
}

static int write_copies(struct exchange *x, const void *data, size_t len)
{
    int64_t copies = x->strike->fault->copies;
    strike_fired(x->strike);
    for (int64_t i = 0; i <= copies; i++) {
        if (write_event(x, data, len) < 0)
            return -1;
    }
    return 0;
}

static int hold_event(struct strike *s, const void *data, size_t len)
{
    struct buf *held = realloc(s->held, (s->held_count + 1) * sizeof *held);
    if (held == NULL)
        return -1;
    s->held = held;
    held[s->held_count] = (struct buf) BUF_INIT;
    buf_add(&held[s->held_count], data, len);
    return held[s->held_count++].failed ? -1 : 0;
}

/* The last one first.  One alone cannot be turned round. */
static int write_held(struct exchange *x)
{
    struct strike *s = x->strike;
    int rc = 0;
    if (s->held_count > 1)
        strike_fired(s);
    for (size_t i = s->held_count; i-- > 0;) {
        if (rc == 0)
            rc = write_event(x, s->held[i].data, s->held[i].len);
        buf_fini(&s->held[i]);
    }
    s->held_count = 0;
    return rc;
}

static int reorder(struct exchange *x, enum event_kind kind, const void *data, size_t len)
{
    struct strike *s = x->strike;
    if (hold_event(s, data, len) < 0)
        return -1;
    bool is_full = (int64_t) s->held_count >= s->fault->span;
    return is_full || kind == EVENT_TERMINAL ? write_held(x) : 0;
}

static bool drops(struct strike *s)
{
    if (s->fault->kind == FAULT_DROP_EVENT && strike_is_due(s)) {
        strike_fired(s);
        s->to_drop = s->fault->count;
    }
    return s->to_drop > 0 && s->to_drop-- > 0;
}

int op_event(struct exchange *x, enum event_kind kind, const void *data, size_t len)
{
    struct strike *s = x->strike;
    if (s == NULL || kind == EVENT_COMMENT)
        return x->ops->stream_write(x, data, len);
    if (drops(s))
        return 0;
    bool is_due = strike_is_due(s);
    if (is_due && s->fault->kind == FAULT_DUPLICATE_EVENT)
        return write_copies(x, data, len);
    if (is_due && s->fault->kind == FAULT_REORDER)
        return reorder(x, kind, data, len);
    if (is_due && s->fault->kind == FAULT_DROP_TERMINAL_EVENT && kind == EVENT_TERMINAL) {
        strike_fired(s);
        return 0;
    }
    return write_event(x, data, len);
}

/* The fault, when it is of this kind and due; then it has fired. */
static const struct fault *take(struct exchange *x, enum fault_kind kind)
{
    struct strike *s = x->strike;
    if (s == NULL || s->fault->kind != kind || !strike_is_due(s))
        return NULL;
    strike_fired(s);
    return s->fault;
}

bool op_fabricates(struct exchange *x, int *out_exit)
{
    const struct fault *fault = take(x, FAULT_FABRICATE_TERMINAL_EVENT);
    if (fault == NULL)
        return false;
    *out_exit = (int) fault->exit;
    return true;
}

bool op_breaks_off(struct exchange *x, const char **out_code, const char **out_message)
{
    const struct fault *fault = take(x, FAULT_ERROR_EVENT);
    if (fault == NULL)
        return false;
    *out_code = fault->error_code == NULL ? "" : fault->error_code;
    *out_message = fault->error_message == NULL ? "" : fault->error_message;
    return true;
}

bool op_inserts(struct exchange *x, enum odd_event *out_what, size_t *out_bytes)
{
    const struct fault *fault = take(x, FAULT_INSERT_EVENT);
    if (fault == NULL)
        return false;
    *out_what = (enum odd_event) fault->what;
    *out_bytes = (size_t) fault->bytes;
    return true;
}

bool op_inserts_behind_next(struct exchange *x, enum odd_event *out_what, size_t *out_bytes)
{
    struct strike *s = x->strike;
    if (s == NULL || s->fault->kind != FAULT_INSERT_EVENT || !strike_is_due_behind_next(s))
        return false;
    strike_fired(s);
    *out_what = (enum odd_event) s->fault->what;
    *out_bytes = (size_t) s->fault->bytes;
    return true;
}

bool op_admits(struct exchange *x, const char **out_message)
{
    const struct fault *fault = take(x, FAULT_ERROR_ANSWER);
    if (fault == NULL)
        return false;
    *out_message = fault->error_message == NULL ? "" : fault->error_message;
    return true;
}

bool op_shows_state(struct exchange *x, enum shown_state *out_state, bool *out_without_exit_code)
{
    const struct fault *fault = take(x, FAULT_SHOW_STATE);
    if (fault == NULL)
        return false;
    *out_state = (enum shown_state) fault->state;
    *out_without_exit_code = fault->without_exit_code != 0;
    return true;
}
