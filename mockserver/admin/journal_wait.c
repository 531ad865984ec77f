/* Waiting until so many entries are in ledgers. */
#include <stdlib.h>

#include "admin/admin_priv.h"

#define SHOWN_AFTER_WAIT 1000
#define SHOWN_IN_VAIN 10

static void reply_waited(struct call *call, const struct wait *wait, const struct journal_query *query,
                         const char *name, uint64_t matched)
{
    struct journal_hit *hits;
    size_t count;
    uint64_t total;
    struct answer a;
    if (journal_find(call, query, SHOWN_AFTER_WAIT, &hits, &count, &total) != 0) {
        call_fail(call, 503, "out_of_memory", "the list does not fit into memory");
        return;
    }
    answer_begin(&a, call);
    jsonw_int(&a.w, "waited_ms", wait_taken_ms(wait));
    jsonw_int(&a.w, "matched", (int64_t) matched);
    journal_put(&a, name, hits, count, false);
    free(hits);
    answer_end(&a);
}

/* The newest that there were, so that it can be seen why none was right. */
static void reply_in_vain(struct call *call, const struct wait *wait, entry_fn *kind, const char *what,
                          uint64_t matched, uint64_t wanted)
{
    const struct journal_query all = { .holds = kind };
    struct journal_hit *hits = NULL;
    size_t count = 0;
    uint64_t total;
    struct answer a;
    BUF_AUTO text = BUF_INIT;
    if (journal_find(call, &all, SHOWN_IN_VAIN, &hits, &count, &total) != 0)
        count = 0;
    buf_printf(&text, "%llu of %llu %s", (unsigned long long) matched, (unsigned long long) wanted, what);
    answer_begin(&a, call);
    wait_put_failure(&a, wait, buf_cstr(&text));
    jsonw_int(&a.w, "wanted", (int64_t) wanted);
    jsonw_int(&a.w, "matched", (int64_t) matched);
    journal_put(&a, "seen", hits, count, true);
    free(hits);
    answer_end(&a);
}

void journal_wait(struct call *call, const struct journal_query *query, entry_fn *kind, const char *name,
                  const char *what)
{
    struct wait wait;
    struct tally tally = { 0 };
    uint64_t matched = 0, wanted = (uint64_t) call_int(call, "count", 1);
    int rc;
    wait_begin(&wait, call);
    do
        rc = tally_count(&tally, call, query, &matched);
    while (rc == 0 && matched < wanted && wait_next(&wait));
    tally_fini(&tally);
    if (rc != 0)
        call_fail(call, 503, "out_of_memory", "counting needs more memory");
    else if (matched >= wanted)
        reply_waited(call, &wait, query, name, matched);
    else
        reply_in_vain(call, &wait, kind, what, matched, wanted);
}
