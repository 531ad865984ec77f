/* What the ledger is told of a gRPC call: whoever has an answer finds it there. */
#include "calls_priv.h"

#include "dialects/op.h"
#include "proto/tell.h"
#include "transports/grpc_text.h"

/* Messages are read for the journal while all calls wait: not very large ones, and when there is no more room for them
   only those that are as small as an end is. */
#define TOLD_BYTES (4u * 1024u * 1024u)
#define USUAL_BYTES 512u   /* of a message as JSON: more grows */
#define END_BYTES  1024u

static struct ledger *ledger_of(const struct job *job)
{
    return lane_ledger(job->lane);
}

static uint64_t journal_of(struct job *job)
{
    pthread_mutex_lock(&job->lock);
    uint64_t number = job->journal;
    pthread_mutex_unlock(&job->lock);
    return number;
}

static void note_answer(void *arg, int http_status, const char *content_type)
{
    struct job *job = arg;
    uint64_t number = journal_of(job);
    if (number > 0)
        ledger_set_answer(ledger_of(job), number, http_status, content_type);
}

static void note_bytes(void *arg, const void *data, size_t len)
{
    struct job *job = arg;
    uint64_t number = journal_of(job);
    if (number > 0)
        ledger_add_answer_bytes(ledger_of(job), number, data, len);
}

/* ---- ... its messages -------------------------------------------------------------------------------- */

void calls_journal_message(struct job *job, uint64_t number, bool from_client, const void *data, size_t len)
{
    struct told *told = &job->told;
    const struct rpc_dialect *rpc = job->dialect->rpc;
    BUF_AUTO json = BUF_INIT;
    bool is_cut = false, is_short = len <= (told->is_full ? END_BYTES : TOLD_BYTES);
    (void) buf_reserve(&json, USUAL_BYTES);
    bool is_read = is_short && rpc->tell(job->method, from_client, data, len, &told->room[from_client],
                                         &is_cut, &json) && !json.failed;
    if (is_read && from_client && !told->has_body)
        ledger_set_request_body(ledger_of(job), number, buf_cstr(&json), json.len);
    told->has_body = told->has_body || from_client;
    if (!ledger_add_message(ledger_of(job), number, from_client, is_read ? buf_cstr(&json) : NULL, json.len, len,
                            is_cut || !is_short))
        told->is_full = true;
}

static void note_message(void *arg, const void *message, size_t len)
{
    struct job *job = arg;
    uint64_t number = journal_of(job);
    if (number > 0)
        calls_journal_message(job, number, false, message, len);
}

void calls_journal_half_close(struct job *job, uint64_t number)
{
    ledger_add_half_close(ledger_of(job), number);
}

/* ---- ... its end --------------------------------------------------------------------------------------- */

static const char *status_name(int status)
{
    return status < 0 ? NULL : vocab_name(&vocab_grpc, status);
}

static void write_end(struct job *job, uint64_t number)
{
    static const enum answer_end ends[] = {
        [EXCHANGE_COMPLETE] = ANSWER_COMPLETE, [EXCHANGE_CUT] = ANSWER_CUT,
        [EXCHANGE_RESET] = ANSWER_RESET,       [EXCHANGE_CLIENT_GONE] = ANSWER_CLIENT_GONE,
        [EXCHANGE_NO_ANSWER] = ANSWER_NONE,
    };
    int64_t code = grpc_call_reset_code(job->call);
    if (job->status >= 0)
        ledger_set_call_end(ledger_of(job), number, status_name(job->status), buf_cstr(&job->message),
                            buf_cstr(&job->reason));
    else if (code >= 0)
        ledger_set_call_reset(ledger_of(job), number, (uint32_t) code);
    ledger_end_request(ledger_of(job), number, ends[job->end]);
}

void calls_journal_end(struct job *job, enum exchange_end end)
{
    pthread_mutex_lock(&job->lock);
    uint64_t number = job->journal;
    job->journal = 0;
    if (!job->has_end)
        job->end = end;
    job->has_end = true;
    pthread_mutex_unlock(&job->lock);
    if (number > 0)
        write_end(job, number);
}

static void note_ending(void *arg, enum exchange_end end, int status)
{
    struct job *job = arg;
    BUF_AUTO details = BUF_INIT;
    job->status = status;
    if (status >= 0)
        grpc_call_get_end(job->call, &job->message, &details);
    (void) proto_tell_reason(buf_cstr(&details), details.len, &job->reason);
    calls_journal_end(job, end);
}

const struct grpc_observer calls_journal = {
    .answer = note_answer, .answer_bytes = note_bytes, .answer_message = note_message, .ending = note_ending
};

/* ---- ... its beginning ---------------------------------------------------------------------------------- */

static int64_t timeout_ms(const struct grpc_call *call)
{
    int64_t ns;
    const char *text = grpc_call_header(call, "grpc-timeout");
    return text != NULL && grpc_text_parse_timeout(text, &ns) ? ns / 1000000 : -1;
}

static uint64_t begin_request(struct ledger *ledger, const struct grpc_call *call)
{
    const char *names[EXCHANGE_MAX_HEADERS], *values[EXCHANGE_MAX_HEADERS];
    struct wire_header headers[EXCHANGE_MAX_HEADERS];
    size_t count = grpc_call_headers(call, names, values, EXCHANGE_MAX_HEADERS);
    for (size_t i = 0; i < count; i++)
        headers[i] = (struct wire_header) { names[i], values[i] };
    uint64_t number = ledger_begin_request(ledger, grpc_call_request_id(call), "POST", grpc_call_path(call), "",
                                           headers, count);
    if (number > 0)
        ledger_begin_call(ledger, number, timeout_ms(call));
    return number;
}

void calls_journal_unknown(struct ledger *ledger, const struct grpc_call *call)
{
    uint64_t number = begin_request(ledger, call);
    if (number == 0)
        return;
    ledger_set_answer(ledger, number, 200, "application/grpc");
    ledger_set_call_end(ledger, number, status_name(RPC_UNIMPLEMENTED), "", "");
    ledger_end_request(ledger, number, ANSWER_COMPLETE);
}

void calls_journal_begin(struct job *job)
{
    struct exchange *x = &job->rpc.x;
    x->lane = job->lane;
    x->journal = begin_request(ledger_of(job), job->call);
    op_note_dialect(x, job->dialect->name);
    job->told.room[0] = job->told.room[1] = ledger_body_limit(ledger_of(job));
    pthread_mutex_lock(&job->lock);
    for (const struct kept *kept = job->first; kept != NULL && x->journal > 0; kept = kept->next)
        calls_journal_message(job, x->journal, true, buf_cstr(&kept->message), kept->message.len);
    if (job->half_closed && x->journal > 0)
        calls_journal_half_close(job, x->journal);
    bool is_over = job->has_end;
    job->journal = is_over ? 0 : x->journal;
    pthread_mutex_unlock(&job->lock);
    if (is_over && x->journal > 0)
        write_end(job, x->journal);
}
