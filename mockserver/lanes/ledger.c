#include "lanes/ledger.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "lanes/ledger_priv.h"

#define DEFAULT_ENTRIES    20000
#define DEFAULT_BYTES      ((size_t) 16 * 1024 * 1024)
#define DEFAULT_BODY_BYTES ((size_t) 8 * 1024)

/* ---- life ----------------------------------------------------------------------------- */

static void cond_init_monotonic(pthread_cond_t *cond)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attr);
    pthread_condattr_destroy(&attr);
}

static struct ledger_config with_defaults(struct ledger_config config)
{
    config.max_entries = config.max_entries != 0 ? config.max_entries : DEFAULT_ENTRIES;
    config.max_bytes = config.max_bytes != 0 ? config.max_bytes : DEFAULT_BYTES;
    config.max_body_bytes = config.max_body_bytes != 0 ? config.max_body_bytes : DEFAULT_BODY_BYTES;
    if (config.max_body_bytes > UINT32_MAX)
        config.max_body_bytes = UINT32_MAX;
    return config;
}

int ledger_new(struct ledger **out_ledger, const char *lane, struct clock *clock, const struct ledger_config *config,
               struct err *err)
{
    struct ledger *ledger = calloc(1, sizeof *ledger);
    char *name = strdup(lane);
    if (ledger == NULL || name == NULL) {
        free(ledger);
        free(name);
        return err_set(err, ERR_NOMEM, 0, "ledger");
    }
    ledger->lane = name;
    ledger->clock = clock_ref(clock);
    ledger->config = with_defaults(*config);
    ledger->next_number = 1;
    pthread_mutex_init(&ledger->lock, NULL);
    cond_init_monotonic(&ledger->changed);
    *out_ledger = ledger;
    return 0;
}

static struct ledger_request_item *request_of(struct ledger_item *item)
{
    return (struct ledger_request_item *) (void *) item;
}

static struct ledger_fact_item *fact_of(struct ledger_item *item)
{
    return (struct ledger_fact_item *) (void *) item;
}

static void free_item(struct ledger *l, struct ledger_item *item)
{
    ledger_resize(l, item, 0);
    if (item->is_request) {
        ledger_request_free(l, request_of(item));
        return;
    }
    ledger_subject_put(l, fact_of(item)->subject);
    free(item);
}

static bool is_open(const struct ledger_request_item *r)
{
    return r->shown.end_ms == 0;
}

/* Open ones are still in the table of open ones. */
static void leave_or_hide(struct ledger *l, struct ledger_item *item)
{
    if (item->is_request && is_open(request_of(item)))
        request_of(item)->place = PLACE_HIDDEN;
    else
        free_item(l, item);
}

static void clear_all(struct ledger *l)
{
    for (size_t i = 0; i < l->count; i++)
        leave_or_hide(l, l->ring[(l->head + i) % l->cap]);
    for (struct ledger_request_item *r = l->aside_first, *next; r != NULL; r = next) {
        next = r->next;
        leave_or_hide(l, &r->item);
    }
    l->head = l->count = l->aside = 0;
    l->aside_first = l->aside_last = l->settled_first = l->settled_last = NULL;
    l->dropped = 0;
}

void ledger_clear(struct ledger *ledger)
{
    pthread_mutex_lock(&ledger->lock);
    clear_all(ledger);
    ledger_note_change(ledger);
    pthread_mutex_unlock(&ledger->lock);
}

void ledger_free(struct ledger *ledger)
{
    if (ledger == NULL)
        return;
    clear_all(ledger);
    for (size_t i = 0; i < LEDGER_OPEN_BUCKETS; i++) {
        for (struct ledger_request_item *r = ledger->open[i], *next; r != NULL; r = next) {
            next = r->next_open;
            free_item(ledger, &r->item);
        }
    }
    CHECK(ledger->bytes == 0 && ledger->subject_count == 0);
    free(ledger->subjects);
    free(ledger->ring);
    pthread_cond_destroy(&ledger->changed);
    pthread_mutex_destroy(&ledger->lock);
    clock_unref(ledger->clock);
    free(ledger->lane);
    free(ledger);
}

/* ---- the ring ----------------------------------------------------------------------------- */

static uint64_t first_number(const struct ledger *l)
{
    return l->next_number - l->count;
}

static int grow_ring(struct ledger *l)
{
    size_t cap = l->cap == 0 ? 64 : l->cap * 2;
    struct ledger_item **ring = calloc(cap, sizeof(struct ledger_item *));
    if (ring == NULL)
        return -1;
    for (size_t i = 0; i < l->count; i++)
        ring[i] = l->ring[(l->head + i) % l->cap];
    free(l->ring);
    l->ring = ring;
    l->cap = cap;
    l->head = 0;
    return 0;
}

int ledger_push(struct ledger *l, struct ledger_item *item)
{
    if (l->count == l->cap && grow_ring(l) < 0)
        return -1;
    item->number = l->next_number++;
    l->ring[(l->head + l->count) % l->cap] = item;
    l->count++;
    return 0;
}

/* ---- bounds ------------------------------------------------------------------------------- */

void ledger_resize(struct ledger *l, struct ledger_item *item, size_t size)
{
    l->bytes = l->bytes - item->size + size;
    item->size = size;
}

static void put_aside(struct ledger *l, struct ledger_request_item *r)
{
    r->place = PLACE_ASIDE;
    r->previous = l->aside_last;
    r->next = NULL;
    *(l->aside_last != NULL ? &l->aside_last->next : &l->aside_first) = r;
    l->aside_last = r;
    l->aside++;
}

static void drop_oldest(struct ledger *l)
{
    struct ledger_item *item = l->ring[l->head];
    l->head = (l->head + 1) % l->cap;
    l->count--;
    if (item->is_request && is_open(request_of(item))) {
        put_aside(l, request_of(item));
        return;
    }
    l->dropped++;
    free_item(l, item);
}

void ledger_settle(struct ledger *l, struct ledger_request_item *r)
{
    r->settled = l->next_number;
    r->next_settled = NULL;
    *(l->settled_last != NULL ? &l->settled_last->next_settled : &l->settled_first) = r;
    l->settled_last = r;
}

static void drop_settled(struct ledger *l)
{
    struct ledger_request_item *r = l->settled_first;
    l->settled_first = r->next_settled;
    if (l->settled_first == NULL)
        l->settled_last = NULL;
    *(r->previous != NULL ? &r->previous->next : &l->aside_first) = r->next;
    *(r->next != NULL ? &r->next->previous : &l->aside_last) = r->previous;
    l->aside--;
    l->dropped++;
    free_item(l, &r->item);
}

static bool is_over(const struct ledger *l)
{
    return l->count + l->aside > l->config.max_entries || l->bytes > l->config.max_bytes;
}

/* Who has ended aside is as old as its end.  The newest entry stays, however large it is. */
static void keep_bounds(struct ledger *l)
{
    while (is_over(l)) {
        const struct ledger_request_item *settled = l->settled_first;
        if (settled != NULL && (settled->settled < first_number(l) || l->count <= 1))
            drop_settled(l);
        else if (l->count > 1)
            drop_oldest(l);
        else
            return;
    }
}

void ledger_note_change(struct ledger *l)
{
    keep_bounds(l);
    l->change++;
    pthread_cond_broadcast(&l->changed);
}

size_t ledger_clip(const struct ledger *l, const char *text, size_t len)
{
    size_t most = l->config.max_body_bytes;
    return len <= most ? len : utf8_complete_prefix(text, most);
}

/* ---- facts -------------------------------------------------------------------------------- */

static struct ledger_fact_item *new_fact(struct ledger *l, const char *sandbox, const char *process,
                                         const char *command, const struct fact *fact, const void *bytes)
{
    size_t kept = bytes == NULL ? 0 : ledger_clip(l, bytes, fact->len);
    struct ledger_subject *subject = ledger_subject_get(l, sandbox, process, command);
    struct ledger_fact_item *f = calloc(1, sizeof *f + kept);
    if (subject == NULL || f == NULL) {
        ledger_subject_put(l, subject);
        free(f);
        return NULL;
    }
    f->subject = subject;
    f->fact = *fact;
    f->at_ns = mono_ns();
    f->kept = (uint32_t) kept;
    if (kept > 0)
        memcpy(f->bytes, bytes, kept);
    ledger_resize(l, &f->item, sizeof *f + kept);
    return f;
}

void ledger_add_fact(struct ledger *ledger, const char *sandbox, const char *process, const char *command,
                     const struct fact *fact, const void *bytes)
{
    pthread_mutex_lock(&ledger->lock);
    struct ledger_fact_item *f = new_fact(ledger, sandbox, process, command, fact, bytes);
    if (f == NULL) {
        ledger->dropped++;
    } else if (ledger_push(ledger, &f->item) < 0) {
        ledger->dropped++;
        free_item(ledger, &f->item);
    } else {
        ledger_put_line(ledger, &f->item);
    }
    ledger_note_change(ledger);
    pthread_mutex_unlock(&ledger->lock);
}

/* ---- reading ------------------------------------------------------------------------------ */

void ledger_get_stats(struct ledger *ledger, struct ledger_stats *out)
{
    pthread_mutex_lock(&ledger->lock);
    *out = (struct ledger_stats) {
        .next_number = ledger->next_number,
        .entries = ledger->count + ledger->aside,
        .bytes = ledger->bytes,
        .dropped = ledger->dropped,
        .open_requests = ledger->open_count,
    };
    pthread_mutex_unlock(&ledger->lock);
}

void ledger_show(const struct ledger_item *item, struct ledger_entry *out)
{
    out->is_request = item->is_request;
    if (item->is_request) {
        const struct ledger_request_item *r = (const struct ledger_request_item *) (const void *) item;
        out->request = r->shown;
        out->request.number = item->number;
        return;
    }
    const struct ledger_fact_item *f = (const struct ledger_fact_item *) (const void *) item;
    out->fact = (struct ledger_fact) {
        .number = item->number,
        .sandbox = f->subject->sandbox,
        .process = f->subject->process,
        .command = f->subject->command,
        .fact = f->fact,
        .at_ns = f->at_ns,
        .bytes = f->bytes,
        .kept = f->kept,
    };
}

static void visit_locked(struct ledger *l, uint64_t from, ledger_visit_fn *visit, void *arg)
{
    struct ledger_entry entry;
    memset(&entry, 0, sizeof entry);
    for (const struct ledger_request_item *r = l->aside_first; r != NULL; r = r->next) {
        if (r->item.number < from)
            continue;
        ledger_show(&r->item, &entry);
        if (!visit(arg, &entry))
            return;
    }
    uint64_t first = first_number(l);
    for (uint64_t number = from > first ? from : first; number < l->next_number; number++) {
        ledger_show(l->ring[(l->head + (size_t) (number - first)) % l->cap], &entry);
        if (!visit(arg, &entry))
            return;
    }
}

void ledger_visit(struct ledger *ledger, uint64_t from, ledger_visit_fn *visit, void *arg)
{
    pthread_mutex_lock(&ledger->lock);
    visit_locked(ledger, from, visit, arg);
    pthread_mutex_unlock(&ledger->lock);
}

/* ---- waiting ------------------------------------------------------------------------------ */

#define NS_PER_S           INT64_C(1000000000)
#define INTERRUPT_EVERY_NS (NS_PER_S / 5)

/* Wait until something changes, or `until_ns`, or it is time to ask for an interrupt; lock held. */
static void wait_change(struct ledger *l, int64_t until_ns, bool asks)
{
    int64_t now = mono_ns();
    int64_t until = asks && until_ns - now > INTERRUPT_EVERY_NS ? now + INTERRUPT_EVERY_NS : until_ns;
    struct timespec ts = { .tv_sec = until / NS_PER_S, .tv_nsec = until % NS_PER_S };
    (void) pthread_cond_timedwait(&l->changed, &l->lock, &ts);
}

bool ledger_await_change(struct ledger *ledger, uint64_t *change, int64_t until_ns, bool (*interrupt)(void *arg),
                         void *arg)
{
    bool stop = false;
    pthread_mutex_lock(&ledger->lock);
    while (!stop && ledger->change == *change && mono_ns() < until_ns) {
        wait_change(ledger, until_ns, interrupt != NULL);
        if (ledger->change != *change || interrupt == NULL)
            continue;
        pthread_mutex_unlock(&ledger->lock);
        stop = interrupt(arg);
        pthread_mutex_lock(&ledger->lock);
    }
    bool changed = ledger->change != *change;
    *change = ledger->change;
    pthread_mutex_unlock(&ledger->lock);
    return changed;
}
