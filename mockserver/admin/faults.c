/* Faults and what became of them; rules that never matched. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "admin/admin_priv.h"
#include "scenario/scenario.h"

/* ---- faults --------------------------------------------------------------------------------- */

/* `lane` NULL: the sum of several. */
static void put_fault(struct jsonw *w, const char *lane, const struct scenario *scenario, size_t index,
                      const struct match_counts *counts)
{
    jsonw_str(w, "lane", lane);
    put_rule_id(w, scenario, MATCH_FAULTS, index);
    jsonw_str(w, "scenario", scenario->name);
    jsonw_int(w, "index", (int64_t) index);
    jsonw_int(w, "line", (int64_t) scenario->faults[index].line);
    jsonw_str(w, "kind", fault_info_of(scenario->faults[index].fault.kind)->name);
    put_count_members(w, counts);
}

/* How many have fired less than planned. */
static size_t put_match(struct answer *a, const char *lane, struct match *match)
{
    const struct scenario *scenario = match_scenario(match);
    size_t unfired = 0;
    for (size_t i = 0; i < scenario->fault_count && answer_flush(a); i++) {
        struct match_counts counts = { 0 };
        match_get_counts(match, MATCH_FAULTS, i, &counts);
        unfired += counts.fired < counts.planned;
        jsonw_object(&a->w, NULL);
        put_fault(&a->w, lane, scenario, i, &counts);
        jsonw_end_object(&a->w);
    }
    return unfired;
}

void admin_list_faults(struct call *call)
{
    struct answer a;
    size_t unfired = 0;
    answer_begin(&a, call);
    jsonw_array(&a.w, "faults");
    for (size_t i = 0; i < call->lane_count; i++) {
        size_t count = 0;
        struct match **list = lane_matches(call->lanes[i], &count);
        for (size_t j = 0; j < count; j++)
            unfired += put_match(&a, lane_name(call->lanes[i]), list[j]);
        lane_matches_free(list, count);
    }
    jsonw_end_array(&a.w);
    jsonw_int(&a.w, "unfired", (int64_t) unfired);
    answer_end(&a);
}

/* ---- one fault ------------------------------------------------------------------------------ */

struct sum {
    const char *name;
    size_t index;
    struct match *match;           /* one of them, a reference; NULL: none has it */
    struct lane *lane;             /* borrowed; the only one that has it */
    size_t lanes, scenarios;       /* that have the fault; that have the scenario */
    struct match_counts counts;
};

static void add_counts(struct match_counts *to, const struct match_counts *more)
{
    to->planned += more->planned;
    to->matched += more->matched;
    to->fired += more->fired;
    to->missed += more->missed;
    to->pending += more->pending;
}

static void add_lane(struct sum *sum, struct lane *lane)
{
    size_t count = 0;
    struct match **list = lane_matches(lane, &count);
    for (size_t i = 0; i < count; i++) {
        struct match_counts counts;
        if (strcmp(match_scenario(list[i])->name, sum->name) != 0)
            continue;
        sum->scenarios++;
        if (!match_get_counts(list[i], MATCH_FAULTS, sum->index, &counts))
            continue;
        add_counts(&sum->counts, &counts);
        sum->lanes++;
        sum->lane = lane;
        if (sum->match == NULL)
            sum->match = match_ref(list[i]);
    }
    lane_matches_free(list, count);
}

static bool read_index(const char *text, size_t *out)
{
    size_t len = strspn(text, "0123456789");
    errno = 0;
    *out = strtoul(text, NULL, 10);
    return len > 0 && text[len] == '\0' && errno == 0;
}

void admin_get_fault(struct call *call)
{
    struct sum sum = { .name = call->params.value[0] };
    struct answer a;
    if (!read_index(call->params.value[1], &sum.index)) {
        call_fail(call, 400, "invalid_request", "a fault is named by its scenario and its place there: "
                  ADMIN_PREFIX "/faults/SCENARIO/0");
        return;
    }
    for (size_t i = 0; i < call->lane_count; i++)
        add_lane(&sum, call->lanes[i]);
    if (sum.scenarios == 0) {
        call_fail_scenario(call, sum.name);
    } else if (sum.match == NULL) {
        call_fail(call, 404, "not_found", "scenario %s has no fault %zu", sum.name, sum.index);
    } else {
        answer_begin(&a, call);
        put_fault(&a.w, sum.lanes == 1 ? lane_name(sum.lane) : NULL, match_scenario(sum.match), sum.index,
                  &sum.counts);
        answer_end(&a);
    }
    match_unref(sum.match);
}

/* ---- near misses ---------------------------------------------------------------------------- */

static void put_near(struct jsonw *w, const char *lane, struct match *match, enum match_list list, size_t index)
{
    struct match_near near;
    BUF_AUTO line = BUF_INIT;
    match_get_near(match, list, index, &near);
    match_explain(match, list, index, &line);
    jsonw_object(w, NULL);
    jsonw_str(w, "lane", lane);
    put_rule_id(w, match_scenario(match), list, index);
    jsonw_str(w, "key", near.any ? near.key : NULL);
    jsonw_str(w, "expected", near.any ? near.expected : NULL);
    jsonw_str(w, "seen", near.any ? near.seen : NULL);
    jsonw_str(w, "request", near.any ? near.subject : NULL);
    jsonw_str(w, "explanation", buf_cstr(&line));
    jsonw_end_object(w);
}

static void put_match_nears(struct answer *a, const char *lane, struct match *match)
{
    struct match_counts counts;
    for (int list = 0; list < MATCH_LISTS; list++) {
        for (size_t i = 0; match_get_counts(match, (enum match_list) list, i, &counts) && answer_flush(a); i++) {
            if (counts.matched == 0)
                put_near(&a->w, lane, match, (enum match_list) list, i);
        }
    }
}

void admin_list_near_misses(struct call *call)
{
    struct answer a;
    answer_begin(&a, call);
    jsonw_array(&a.w, "near_misses");
    for (size_t i = 0; i < call->lane_count; i++) {
        size_t count = 0;
        struct match **list = lane_matches(call->lanes[i], &count);
        for (size_t j = 0; j < count; j++)
            put_match_nears(&a, lane_name(call->lanes[i]), list[j]);
        lane_matches_free(list, count);
    }
    jsonw_end_array(&a.w);
    answer_end(&a);
}
