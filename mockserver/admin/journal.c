/* Entries of ledgers: count them, find the newest, write them. */
#include <stdlib.h>
#include <string.h>

#include "admin/admin_priv.h"

bool journal_is_request(const void *arg, const struct ledger_entry *entry)
{
    (void) arg;
    return entry->is_request;
}

static uint64_t number_of(const struct ledger_entry *entry)
{
    return entry->is_request ? entry->request.number : entry->fact.number;
}

static int64_t time_of(const struct ledger_entry *entry)
{
    return entry->is_request ? entry->request.begin_ms : entry->fact.fact.wall_ms;
}

/* ---- the newest ----------------------------------------------------------------------------- */

struct search {
    const struct journal_query *query;
    size_t lane, limit, count;
    uint64_t total;
    struct journal_hit *hits;      /* room for twice the limit, cut back to the newest when it is full */
};

static int newest_first(const void *a, const void *b)
{
    const struct journal_hit *x = a, *y = b;
    if (x->at_ms != y->at_ms)
        return x->at_ms < y->at_ms ? 1 : -1;
    if (x->lane != y->lane)
        return x->lane < y->lane ? -1 : 1;
    return x->number < y->number ? 1 : x->number > y->number ? -1 : 0;
}

static void keep_newest(struct search *s)
{
    qsort(s->hits, s->count, sizeof *s->hits, newest_first);
    s->count = s->count < s->limit ? s->count : s->limit;
}

static bool note_hit(void *arg, const struct ledger_entry *entry)
{
    struct search *s = arg;
    const struct journal_query *q = s->query;
    if (number_of(entry) <= q->after || time_of(entry) < q->since_ms || !q->holds(q->arg, entry))
        return true;
    s->total++;
    if (s->count == 2 * s->limit)
        keep_newest(s);
    s->hits[s->count++] = (struct journal_hit) { s->lane, number_of(entry), time_of(entry) };
    return true;
}

int journal_find(const struct call *call, const struct journal_query *query, size_t limit,
                 struct journal_hit **out_hits, size_t *out_count, uint64_t *out_total)
{
    struct search s = { .query = query, .limit = limit };
    s.hits = calloc(2 * limit, sizeof *s.hits);
    if (s.hits == NULL)
        return -1;
    for (s.lane = 0; s.lane < call->lane_count; s.lane++)
        ledger_visit(lane_ledger(call->lanes[s.lane]), query->after + 1, note_hit, &s);
    keep_newest(&s);
    *out_hits = s.hits;
    *out_count = s.count;
    *out_total = s.total;
    return 0;
}

/* ---- writing -------------------------------------------------------------------------------- */

struct writing { struct jsonw *w; const char *lane; uint64_t number; bool in_short; };

static void put_short(struct jsonw *w, const char *lane, const struct ledger_entry *entry)
{
    jsonw_object(w, NULL);
    jsonw_str(w, "lane", lane);
    jsonw_int(w, "number", (int64_t) number_of(entry));
    if (entry->is_request) {
        jsonw_str(w, "method", entry->request.method);
        jsonw_str(w, "path", entry->request.path);
        jsonw_str(w, "op", entry->request.op[0] == '\0' ? NULL : entry->request.op);
        jsonw_str(w, "command", entry->request.command[0] == '\0' ? NULL : entry->request.command);
        jsonw_int(w, "status", entry->request.status);
    } else {
        jsonw_str(w, "process", entry->fact.process);
        jsonw_str(w, "command", entry->fact.command);
        jsonw_str(w, "fact", fact_kind_name((enum fact_kind) entry->fact.fact.kind));
    }
    jsonw_end_object(w);
}

/* The first visited is it, unless it has been dropped meanwhile. */
static bool put_one(void *arg, const struct ledger_entry *entry)
{
    const struct writing *one = arg;
    if (number_of(entry) != one->number)
        return false;
    if (one->in_short)
        put_short(one->w, one->lane, entry);
    else
        ledger_write_entry(one->w, NULL, one->lane, entry);
    return false;
}

void journal_put(struct answer *a, const char *name, const struct journal_hit *hits, size_t count, bool in_short)
{
    const struct call *call = a->call;
    jsonw_array(&a->w, name);
    for (size_t i = 0; i < count && answer_flush(a); i++) {
        struct lane *lane = call->lanes[hits[i].lane];
        struct writing one = { &a->w, lane_name(lane), hits[i].number, in_short };
        ledger_visit(lane_ledger(lane), hits[i].number, put_one, &one);
    }
    jsonw_end_array(&a->w);
}

/* ---- counting again and again --------------------------------------------------------------- */

struct count {
    const struct journal_query *query;
    uint64_t first_open;           /* number of the first that may still change; 0: none */
    uint64_t last, settled, open;
};

static bool count_one(void *arg, const struct ledger_entry *entry)
{
    struct count *c = arg;
    uint64_t number = number_of(entry);
    bool is_open = entry->is_request && entry->request.end_ms == 0;
    if (is_open && c->first_open == 0)
        c->first_open = number;
    c->last = number;
    if (c->query->holds(c->query->arg, entry)) {
        c->settled += c->first_open == 0;
        c->open += c->first_open != 0;
    }
    return true;
}

/* Lanes mostly stay where they are in the list: `at` is where to look first. */
static struct tally_lane *find_tally(struct tally *tally, struct lane *lane, size_t at)
{
    if (at < tally->count && tally->lanes[at].lane == lane)
        return &tally->lanes[at];
    for (size_t i = 0; i < tally->count; i++) {
        if (tally->lanes[i].lane == lane)
            return &tally->lanes[i];
    }
    struct tally_lane *more = reallocarray(tally->lanes, tally->count + 1, sizeof *more);
    if (more == NULL)
        return NULL;
    tally->lanes = more;
    more[tally->count] = (struct tally_lane) { lane_ref(lane), 1, 0 };
    return &more[tally->count++];
}

int tally_count(struct tally *tally, const struct call *call, const struct journal_query *query, uint64_t *out_count)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < call->lane_count; i++) {
        struct tally_lane *t = find_tally(tally, call->lanes[i], i);
        struct count c = { .query = query };
        if (t == NULL)
            return -1;
        ledger_visit(lane_ledger(t->lane), t->from, count_one, &c);
        t->settled += c.settled;
        t->from = c.first_open != 0 ? c.first_open : c.last != 0 ? c.last + 1 : t->from;
        sum += t->settled + c.open;
    }
    *out_count = sum;
    return 0;
}

void tally_fini(struct tally *tally)
{
    for (size_t i = 0; i < tally->count; i++)
        lane_unref(tally->lanes[i].lane);
    free(tally->lanes);
}
