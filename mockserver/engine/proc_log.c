/* A process's facts and output: appending, trimming, looking.  proc->lock is held unless a function takes it. */
#include <stdlib.h>
#include <string.h>

#include "engine/engine_priv.h"

/* Output facts kept of one process at most, however short they are. */
#define MAX_FACTS 262144u

static bool have_room(struct proc *p)
{
    if (p->fact_count < p->fact_cap)
        return true;
    size_t cap = p->fact_cap == 0 ? 8 : p->fact_cap * 2;
    struct fact *facts = realloc(p->facts, cap * sizeof *facts);
    if (facts == NULL)
        return false;
    p->facts = facts;
    p->fact_cap = cap;
    return true;
}

/* Also of what could not be kept: then there is a loss to be seen, or an end. */
const struct fact *proc_add_fact(struct proc *p, struct fact fact, const void *bytes)
{
    if (p->listener != NULL && (p->listens_to >> fact.kind & 1) != 0)
        p->listener(p->listener_arg);
    if (!have_room(p))
        return NULL;
    struct owner *owner = p->sandbox->owner;
    fact.seq = ++p->view.facts;
    fact.wall_ms = clock_wall_ms(p->sandbox->clock);
    p->view.seen |= 1u << fact.kind;
    struct fact *f = &p->facts[p->fact_count++];
    *f = fact;
    if (owner != NULL && owner->fact != NULL)
        owner->fact(owner, p, f, bytes);
    return f;
}

void proc_append_output(struct proc *p, enum fact_kind kind, const void *data, size_t len)
{
    struct fact fact = { .kind = (uint8_t) kind, .offset = p->log.end, .len = (uint32_t) len,
                         .out_seq = p->view.out_seq + 1 };
    if (bytelog_append(&p->log, data, len, NULL) != 0 || proc_add_fact(p, fact, data) == NULL)
        return;
    p->view.out_seq++;
    p->view.out_bytes[kind == FACT_ERR] += len;
    proc_trim(p);
}

static bool is_output(const struct fact *f)
{
    return f->kind == FACT_OUT || f->kind == FACT_ERR;
}

static uint64_t slowest_reader(const struct proc *p, uint64_t least)
{
    for (const struct proc_reader *r = p->readers; r != NULL; r = r->next)
        if (r->pin < least)
            least = r->pin;
    return least;
}

/* Where the kept output may begin: what the dialect wants kept and what open readers still need stays, up to
   the log limit, which nobody can hold against. */
static uint64_t wanted_start(const struct proc *p)
{
    uint64_t end = p->log.end, start = 0;
    if (p->keep_bytes != 0 && end > p->keep_bytes)
        start = slowest_reader(p, end - p->keep_bytes);
    uint64_t limit = p->sandbox->engine->config.log_limit_bytes;
    return end > limit && start < end - limit ? end - limit : start;
}

/* Facts go with their bytes, and only as a run from the front, so that sequence numbers stay gapless. */
static size_t droppable_facts(const struct proc *p, uint64_t start)
{
    size_t n = 0;
    bool too_many = p->fact_count > MAX_FACTS;
    size_t least = too_many ? p->fact_count / 4 : 0;
    for (size_t i = 0; i < p->fact_count; i++) {
        const struct fact *f = &p->facts[i];
        if (is_output(f) && f->offset + f->len > start && i >= least)
            break;
        if (is_output(f))
            n = i + 1;
    }
    return n;
}

#define TRIM_STEP_BYTES (256u * 1024u)

void proc_trim(struct proc *p)
{
    uint64_t start = wanted_start(p);
    bool too_many = p->fact_count > MAX_FACTS;
    /* In steps, because moving the facts down costs as much for one as for many. */
    if (start < p->log.start + TRIM_STEP_BYTES && !too_many)
        return;
    size_t n = droppable_facts(p, start);
    if (n == 0)
        return;
    const struct fact *last = &p->facts[n - 1];
    bytelog_drop_before(&p->log, last->offset + last->len);
    p->view.kept_from_offset = p->log.start;
    p->facts_dropped += n;
    p->fact_count -= n;
    memmove(p->facts, p->facts + n, p->fact_count * sizeof *p->facts);
}

size_t proc_facts(struct proc *p, uint64_t from, struct fact *out, size_t max)
{
    pthread_mutex_lock(&p->lock);
    uint64_t first = p->facts_dropped + 1;
    size_t skip = from > first ? (size_t) (from - first) : 0;
    size_t n = skip < p->fact_count ? p->fact_count - skip : 0;
    if (n > max)
        n = max;
    if (n > 0)
        memcpy(out, p->facts + skip, n * sizeof *out);
    pthread_mutex_unlock(&p->lock);
    return n;
}

bool proc_collect(struct proc *p, int stream, uint64_t window, struct buf *out)
{
    enum fact_kind kind = stream == 0 ? FACT_OUT : FACT_ERR;
    pthread_mutex_lock(&p->lock);
    uint64_t from = window != 0 && p->log.end > window ? p->log.end - window : 0;
    bool cut = from > 0 || p->log.start > 0;
    if (from < p->log.start)
        from = p->log.start;
    for (size_t i = 0; i < p->fact_count; i++) {
        const struct fact *f = &p->facts[i];
        if (f->kind != kind || f->offset + f->len <= from)
            continue;
        uint64_t offset = f->offset < from ? from : f->offset;
        size_t len = (size_t) (f->offset + f->len - offset);
        char *at = buf_reserve(out, len);
        if (at == NULL || bytelog_read(&p->log, offset, at, len, NULL) != 0)
            break;
        out->len += len;
        out->data[out->len] = '\0';
    }
    pthread_mutex_unlock(&p->lock);
    return cut;
}

/* Index of the first fact with out_seq >= `out_seq`; fact_count when there is none yet. */
static size_t find_out_seq(const struct proc *p, uint64_t out_seq)
{
    for (size_t i = 0; i < p->fact_count; i++)
        if (is_output(&p->facts[i]) && p->facts[i].out_seq >= out_seq)
            return i;
    return p->fact_count;
}

uint64_t proc_oldest_in_window(struct proc *p, uint64_t window)
{
    pthread_mutex_lock(&p->lock);
    uint64_t start = p->log.end > window ? p->log.end - window : 0;
    uint64_t oldest = p->view.out_seq + 1;
    for (size_t i = p->fact_count; i > 0; i--) {
        const struct fact *f = &p->facts[i - 1];
        if (is_output(f) && f->offset < start)
            break;
        if (is_output(f))
            oldest = f->out_seq;
    }
    pthread_mutex_unlock(&p->lock);
    return oldest;
}

/* ---- readers ------------------------------------------------------------------------- */

static bool seq_is_lost(const struct proc *p, uint64_t from_out_seq, size_t i)
{
    bool existed = from_out_seq <= p->view.out_seq;
    return existed && (i == p->fact_count || p->facts[i].out_seq != from_out_seq);
}

int proc_reader_open(struct proc *p, uint64_t from_out_seq, bool or_oldest, struct proc_reader **out_reader,
                     struct err *err)
{
    struct proc_reader *r = calloc(1, sizeof *r);
    if (r == NULL)
        return err_set(err, ERR_NOMEM, 0, "reader");
    if (from_out_seq == 0)
        from_out_seq = 1;
    pthread_mutex_lock(&p->lock);
    size_t i = find_out_seq(p, from_out_seq);
    if (seq_is_lost(p, from_out_seq, i) && !or_oldest) {
        pthread_mutex_unlock(&p->lock);
        free(r);
        return err_set(err, ERR_GONE, 0, "output %llu is not kept any more", (unsigned long long) from_out_seq);
    }
    r->proc = proc_ref(p);
    /* From the very beginning means also what came before the first output. */
    r->next_seq = from_out_seq == 1 ? p->facts_dropped + 1 : p->facts_dropped + i + 1;
    r->pin = i < p->fact_count ? p->facts[i].offset : p->log.end;
    r->next = p->readers;
    p->readers = r;
    pthread_mutex_unlock(&p->lock);
    *out_reader = r;
    return 0;
}

void proc_reader_close(struct proc_reader *r)
{
    if (r == NULL)
        return;
    struct proc *p = r->proc;
    pthread_mutex_lock(&p->lock);
    struct proc_reader **at = &p->readers;
    while (*at != r)
        at = &(*at)->next;
    *at = r->next;
    proc_trim(p);
    pthread_mutex_unlock(&p->lock);
    proc_unref(p);
    free(r);
}

/* With the lock held: the fact to read next is there, lost, never to come, or not there yet. */
static enum read_result reader_take(struct proc_reader *r, struct fact *out_fact, struct buf *bytes)
{
    struct proc *p = r->proc;
    if (r->next_seq <= p->facts_dropped)
        return READ_LOST;
    size_t i = (size_t) (r->next_seq - p->facts_dropped - 1);
    if (i >= p->fact_count)
        return p->view.state == PROC_FINISHED ? READ_END : READ_DEADLINE;
    const struct fact *f = &p->facts[i];
    if (is_output(f)) {
        char *at = buf_reserve(bytes, f->len);
        if (at == NULL || bytelog_read(&p->log, f->offset, at, f->len, NULL) != 0)
            return READ_LOST;
        bytes->len += f->len;
        at[f->len] = '\0';
        r->pin = f->offset + f->len;
    }
    *out_fact = *f;
    r->next_seq++;
    return READ_FACT;
}

enum read_result proc_reader_next(struct proc_reader *r, int64_t deadline_ms, interrupt_fn *interrupt,
                                  void *arg, struct fact *out_fact, struct buf *bytes)
{
    struct proc *p = r->proc;
    buf_clear(bytes);
    enum read_result result;
    pthread_mutex_lock(&p->lock);
    while ((result = reader_take(r, out_fact, bytes)) == READ_DEADLINE) {
        enum wait_result waited = proc_wait_change(p, &p->changed, deadline_ms, interrupt, arg, &r->nudges);
        if (waited == WAIT_CHANGED)
            continue;
        result = waited == WAIT_INTERRUPTED ? READ_CLOSED : READ_DEADLINE;
        break;
    }
    pthread_mutex_unlock(&p->lock);
    return result;
}
