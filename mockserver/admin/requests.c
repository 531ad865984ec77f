/* The journal: list, find, count, wait. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "admin/admin_priv.h"

#define LIMIT_DEFAULT 100

/* ---- lists ---------------------------------------------------------------------------------- */

static bool read_since_time(const char *text, int64_t *out_ms)
{
    struct tm tm = { 0 };
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    int64_t ms = 0;
    if (rest == NULL)
        return false;
    if (*rest == '.') {
        int scale = 100;
        for (rest++; *rest >= '0' && *rest <= '9'; rest++, scale /= 10)
            ms += (*rest - '0') * scale;
    }
    if (*rest != '\0' && strcmp(rest, "Z") != 0)
        return false;
    *out_ms = (int64_t) timegm(&tm) * 1000 + ms;
    return true;
}

static bool read_since(struct call *call, struct journal_query *query)
{
    BUF_AUTO text = BUF_INIT;
    if (!call_query(call, PARAM_SINCE, &text))
        return true;
    const char *since = buf_cstr(&text);
    size_t len = strspn(since, "0123456789");
    errno = 0;
    query->after = strtoull(since, NULL, 10);
    if (len > 0 && since[len] == '\0' && errno == 0 && query->after < UINT64_MAX)
        return true;
    query->after = 0;
    if (read_since_time(since, &query->since_ms))
        return true;
    call_fail(call, 400, "invalid_request", "query parameter since: must be an entry's number or a UTC time such as "
              "2026-11-21T06:39:23.123Z");
    return false;
}

static void reply_list(struct call *call, const struct journal_query *query, size_t limit)
{
    struct journal_hit *hits;
    size_t count;
    uint64_t total;
    if (journal_find(call, query, limit, &hits, &count, &total) != 0) {
        call_fail(call, 503, "out_of_memory", "the list does not fit into memory");
        return;
    }
    struct answer a;
    answer_begin(&a, call);
    journal_put(&a, "requests", hits, count, false);
    jsonw_object(&a.w, "meta");
    jsonw_int(&a.w, "total", (int64_t) total);
    jsonw_end_object(&a.w);
    free(hits);
    answer_end(&a);
}

static void list(struct call *call, entry_fn *holds)
{
    struct journal_query query = { .holds = holds };
    if (read_since(call, &query))
        reply_list(call, &query, call_query_int(call, PARAM_LIMIT, LIMIT_DEFAULT));
}

void admin_list_requests(struct call *call)
{
    list(call, journal_is_request);
}

/* No dialect had a route for it.  One that only did not find the thing is known. */
static bool is_unmatched(const void *arg, const struct ledger_entry *entry)
{
    (void) arg;
    return entry->is_request && entry->request.dialect[0] == '\0' &&
           (entry->request.status == 404 || entry->request.status == 405);
}

void admin_list_unmatched(struct call *call)
{
    list(call, is_unmatched);
}

void admin_find_requests(struct call *call)
{
    struct request_pattern *pattern;
    if (!pattern_read(&pattern, call))
        return;
    struct journal_query query = { .holds = pattern_takes, .arg = pattern };
    reply_list(call, &query, call_query_int(call, PARAM_LIMIT, LIMIT_DEFAULT));
    pattern_free(pattern);
}

/* ---- one ------------------------------------------------------------------------------------ */

static bool has_id(const void *arg, const struct ledger_entry *entry)
{
    return entry->is_request && strcmp(entry->request.request_id, arg) == 0;
}

static bool has_number(const void *arg, const struct ledger_entry *entry)
{
    const uint64_t *number = arg;
    return entry->is_request && entry->request.number == *number;
}

struct one { struct answer *a; const char *lane; uint64_t number; };

static bool put_request(void *arg, const struct ledger_entry *entry)
{
    const struct one *one = arg;
    if (entry->is_request && entry->request.number == one->number)
        ledger_write_entry(&one->a->w, "request", one->lane, entry);
    return false;
}

static void reply_request(struct call *call, const struct journal_hit *hit)
{
    struct answer a;
    struct lane *lane = call->lanes[hit->lane];
    struct one one = { &a, lane_name(lane), hit->number };
    answer_begin(&a, call);
    size_t before = a.buf.len;
    ledger_visit(lane_ledger(lane), hit->number, put_request, &one);
    if (a.buf.len == before && !a.buf.failed) {
        buf_fini(&a.buf);
        call_fail(call, 404, "not_found", "request %s has just been dropped", call->params.value[0]);
        return;
    }
    answer_end(&a);
}

void admin_get_request(struct call *call)
{
    const char *id = call->params.value[0];
    struct journal_query query = { .holds = has_id, .arg = id };
    struct journal_hit *hits;
    size_t count;
    uint64_t total, number = strtoull(id, NULL, 10);
    int rc = journal_find(call, &query, 2, &hits, &count, &total);
    if (rc == 0 && count == 0 && strspn(id, "0123456789") == strlen(id)) {
        free(hits);
        query.holds = has_number;
        query.arg = &number;
        rc = journal_find(call, &query, 2, &hits, &count, &total);
    }
    if (rc != 0) {
        call_fail(call, 503, "out_of_memory", "the list does not fit into memory");
        return;
    }
    if (count == 0)
        call_fail(call, 404, "not_found", "no request %s is kept", id);
    else if (count > 1)
        call_fail(call, 409, "ambiguous", "several lanes have a request %s: say which by ?lane=", id);
    else
        reply_request(call, &hits[0]);
    free(hits);
}

/* ---- counting and waiting --------------------------------------------------------------------- */

void admin_count_requests(struct call *call)
{
    struct request_pattern *pattern;
    struct tally tally = { 0 };
    struct answer a;
    uint64_t count;
    if (!pattern_read(&pattern, call))
        return;
    struct journal_query query = { .holds = pattern_takes, .arg = pattern };
    if (tally_count(&tally, call, &query, &count) != 0) {
        call_fail(call, 503, "out_of_memory", "counting needs more memory");
    } else {
        answer_begin(&a, call);
        jsonw_int(&a.w, "count", (int64_t) count);
        answer_end(&a);
    }
    tally_fini(&tally);
    pattern_free(pattern);
}

void admin_wait_requests(struct call *call)
{
    struct request_pattern *pattern;
    if (!pattern_read(&pattern, call))
        return;
    const struct journal_query query = { .holds = pattern_takes, .arg = pattern };
    journal_wait(call, &query, journal_is_request, "requests", "requests that fit have come");
    pattern_free(pattern);
}
