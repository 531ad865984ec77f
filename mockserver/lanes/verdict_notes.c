#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/hash.h"
#include "lanes/verdict_priv.h"
#include "scenario/vocab.h"

/* 0: none. */
static uint64_t hash_id(const char *text)
{
    return text == NULL || text[0] == '\0' ? 0 : hash_text(HASH_BEGIN, text);
}

static uint64_t hash_request(const struct ledger_request *r)
{
    uint64_t hash = hash_text(hash_text(hash_text(HASH_BEGIN, r->method), r->path), r->query);
    hash = hash_bytes(hash, &r->body_len, sizeof r->body_len);
    return hash_bytes(hash, r->body, r->body_kept);
}

static bool is_stream(const struct ledger_request *r, int op)
{
    static const char events[] = "text/event-stream";
    if (op < 0 || (vocab_ops_streaming & OP_BIT(op)) == 0 || r->status >= 300)
        return false;
    return op == OP_PROCESS_STREAM || strncasecmp(r->content_type, events, sizeof events - 1) == 0;
}

/* The HTTP status that a gRPC one is as good as here.  By the gRPC project's own table, but for these: who asks too early
   has sent nothing malformed, a cancel is no final answer, and what no API here has is not found. */
static int status_of(const struct ledger_request *r)
{
    int status;
    if (r->call == NULL || !vocab_find(&vocab_grpc, r->call->status, &status))
        return r->status;
    switch (vocab_http_of_grpc(status)) {
    case 499: return 408;
    case 501: return r->dialect[0] == '\0' ? 404 : 501;
    case 400: return strcmp(r->call->status, "FAILED_PRECONDITION") == 0 ? 409 : 400;
    default: return vocab_http_of_grpc(status);
    }
}

/* Over gRPC every request is a POST: what it means says whether it only asks. */
static bool is_get(const struct ledger_request *r, int op)
{
    static const uint64_t asking = OP_BIT(OP_SANDBOX_GET) | OP_BIT(OP_SANDBOX_LIST) | OP_BIT(OP_PROCESS_GET) |
                                   OP_BIT(OP_PROCESS_LIST) | OP_BIT(OP_PROCESS_POLL) | OP_BIT(OP_PROCESS_LOGS) |
                                   OP_BIT(OP_FILE_READ) | OP_BIT(OP_FILE_LIST) | OP_BIT(OP_FILE_STAT) |
                                   OP_BIT(OP_FILE_EXISTS);
    if (r->call != NULL)
        return op >= 0 && (asking & OP_BIT(op)) != 0;
    return strcmp(r->method, "GET") == 0 || strcmp(r->method, "HEAD") == 0;
}

static void *grow(void *list, size_t count, size_t *room, size_t size)
{
    if (count < *room)
        return list;
    size_t more = *room == 0 ? 256 : *room * 2;
    void *bigger = reallocarray(list, more, size);
    *room = bigger == NULL ? *room : more;
    return bigger;
}

/* Clients live by the machine's time, however fast the lane's clock runs. */
static int64_t real_ms(int64_t ns)
{
    return ns / 1000000;
}

static bool note_request(struct notes *n, const struct ledger_request *r)
{
    struct note *list = grow(n->list, n->count, &n->room, sizeof *list);
    if (list == NULL)
        return false;
    int op = -1;
    if (r->op[0] != '\0')
        vocab_find(&vocab_ops, r->op, &op);
    n->list = list;
    list[n->count++] = (struct note) {
        .number = r->number, .begin_ms = real_ms(r->begin_ns), .end_ms = r->end_ms == 0 ? 0 : real_ms(r->end_ns),
        .same = hash_request(r),
        .sandbox = hash_id(r->sandbox), .process = hash_id(r->process), .op = op, .status = status_of(r),
        .end = r->end, .fired = r->fault_fired, .is_stream = is_stream(r, op),
        .is_known = r->dialect[0] != '\0',
        .is_get = is_get(r, op),
    };
    return true;
}

static bool note_ending(struct notes *n, const struct ledger_fact *f)
{
    if (f->fact.kind != FACT_EXITED && f->fact.kind != FACT_DIED && f->fact.kind != FACT_START_FAILED)
        return true;
    struct ending *list = grow(n->endings, n->ending_count, &n->ending_room, sizeof *list);
    if (list == NULL)
        return false;
    n->endings = list;
    list[n->ending_count++] = (struct ending) { hash_id(f->process), real_ms(f->at_ns) };
    return true;
}

static bool note_entry(void *arg, const struct ledger_entry *entry)
{
    struct notes *n = arg;
    n->failed = !(entry->is_request ? note_request(n, &entry->request) : note_ending(n, &entry->fact));
    return !n->failed;
}

static int compare_alike(const void *a, const void *b)
{
    const struct note *x = *(const struct note *const *) a, *y = *(const struct note *const *) b;
    if (x->same != y->same)
        return x->same < y->same ? -1 : 1;
    return x->number < y->number ? -1 : 1;
}

static int compare_endings(const void *a, const void *b)
{
    const struct ending *x = a, *y = b;
    return x->process < y->process ? -1 : x->process > y->process;
}

int verdict_take_notes(struct notes *n, struct ledger *ledger, struct err *err)
{
    struct ledger_stats stats;
    ledger_visit(ledger, 1, note_entry, n);
    ledger_get_stats(ledger, &stats);
    n->dropped = stats.dropped;
    n->alike = calloc(n->count + 1, sizeof *n->alike);
    if (n->failed || n->alike == NULL)
        return err_set(err, ERR_NOMEM, 0, "verdict");
    for (size_t i = 0; i < n->count; i++)
        n->alike[i] = &n->list[i];
    qsort(n->alike, n->count, sizeof *n->alike, compare_alike);
    if (n->ending_count > 0)
        qsort(n->endings, n->ending_count, sizeof *n->endings, compare_endings);
    return 0;
}

void verdict_drop_notes(struct notes *n)
{
    free(n->list);
    free(n->alike);
    free(n->endings);
}

int64_t verdict_ended_at(const struct notes *n, uint64_t process)
{
    const struct ending key = { .process = process };
    const struct ending *found =
        n->ending_count == 0 ? NULL : bsearch(&key, n->endings, n->ending_count, sizeof key, compare_endings);
    return found == NULL ? INT64_MAX : found->at_ms;
}

const struct note *verdict_next_alike(const struct notes *n, size_t i)
{
    return i + 1 < n->count && n->alike[i + 1]->same == n->alike[i]->same ? n->alike[i + 1] : NULL;
}
