#include "scenario/match.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/hash.h"
#include "scenario/match_priv.h"

struct match {
    unsigned refs;
    struct scenario *scenario;
    uint64_t seed;
    pthread_mutex_t lock;
    uint64_t generation; /* of resets: a ticket from before is void */
    struct rule_state *states[MATCH_LISTS];
};

static size_t count_of(const struct match *m, enum match_list list)
{
    return list == MATCH_PROCESSES ? m->scenario->process_count : m->scenario->fault_count;
}

static struct rule_view view_of(const struct match *m, enum match_list list, size_t i)
{
    struct rule_state *state = &m->states[list][i];
    if (list == MATCH_PROCESSES) {
        const struct process_rule *rule = &m->scenario->processes[i];
        return (struct rule_view){ &rule->when, NULL, rule->line, state };
    }
    const struct fault_rule *rule = &m->scenario->faults[i];
    return (struct rule_view){ &rule->when, rule, rule->line, state };
}

/* ---- dice ----------------------------------------------------------------------------- */

/* Scenarios without a seed of their own must not share their luck.  A seed that a scenario can have: whoever writes it
   into the file meets the same luck again. */
static uint64_t seed_of(const struct scenario *scenario, uint64_t seed)
{
    uint64_t state = hash_text(HASH_BEGIN, scenario->name) ^ seed;
    return scenario->has_seed ? scenario->seed : dice_roll(&state) & SCENARIO_MAX_SEED;
}

/* Each rule has dice of its own, so that what one rule meets does not change another's luck. */
static uint64_t dice_of(uint64_t seed, enum match_list list, size_t index)
{
    uint64_t state = seed ^ ((uint64_t) index * MATCH_LISTS + (uint64_t) list);
    return dice_roll(&state);
}

static bool dice_say_yes(struct rule_state *state, double probability)
{
    if (probability >= 1)
        return true;
    return (double) (dice_roll(&state->dice) >> 11) * 0x1.0p-53 < probability;
}

/* ---- life ----------------------------------------------------------------------------- */

static void start_counts(struct match *m)
{
    for (size_t list = 0; list < MATCH_LISTS; list++) {
        for (size_t i = 0; i < count_of(m, (enum match_list) list); i++) {
            struct rule_view rule = view_of(m, (enum match_list) list, i);
            free(rule.state->near);
            *rule.state = (struct rule_state){ .dice = dice_of(m->seed, (enum match_list) list, i) };
            rule.state->counts.planned = rule.fault != NULL ? rule.fault->planned : m->scenario->processes[i].planned;
        }
    }
}

int match_new(struct match **out_match, struct scenario *scenario, uint64_t seed, struct err *err)
{
    struct match *m = calloc(1, sizeof *m);
    if (m == NULL)
        return err_set(err, ERR_NOMEM, 0, "scenario %s", scenario->name);
    m->refs = 1;
    m->scenario = scenario_ref(scenario);
    m->seed = seed_of(scenario, seed);
    pthread_mutex_init(&m->lock, NULL);
    for (size_t list = 0; list < MATCH_LISTS; list++) {
        m->states[list] = calloc(count_of(m, (enum match_list) list) + 1, sizeof *m->states[list]);
        if (m->states[list] == NULL) {
            match_unref(m);
            return err_set(err, ERR_NOMEM, 0, "scenario %s", scenario->name);
        }
    }
    start_counts(m);
    *out_match = m;
    return 0;
}

struct match *match_ref(struct match *match)
{
    __atomic_add_fetch(&match->refs, 1, __ATOMIC_RELAXED);
    return match;
}

void match_unref(struct match *match)
{
    if (match == NULL || __atomic_sub_fetch(&match->refs, 1, __ATOMIC_ACQ_REL) != 0)
        return;
    for (size_t list = 0; list < MATCH_LISTS; list++) {
        for (size_t i = 0; match->states[list] != NULL && i < count_of(match, (enum match_list) list); i++)
            free(match->states[list][i].near);
        free(match->states[list]);
    }
    pthread_mutex_destroy(&match->lock);
    scenario_unref(match->scenario);
    free(match);
}

const struct scenario *match_scenario(const struct match *match)
{
    return match->scenario;
}

uint64_t match_seed(const struct match *match)
{
    return match->seed;
}

void match_reset(struct match *match)
{
    pthread_mutex_lock(&match->lock);
    match->generation++;
    start_counts(match);
    pthread_mutex_unlock(&match->lock);
}

/* ---- matching ------------------------------------------------------------------------- */

static bool nth_holds(const struct when *when, uint64_t n)
{
    size_t low = 0, high = when->nth_count;
    if ((when->has >> WHEN_NTH & 1) == 0)
        return true;
    while (low < high) { /* sorted by the reader */
        size_t middle = (low + high) / 2;
        if (n > when->nth[middle].to)
            low = middle + 1;
        else
            high = middle;
    }
    return low < when->nth_count && n >= when->nth[low].from;
}

/* The conditions that have a memory.  Only asked when all others hold. */
static bool memory_holds(const struct rule_view *rule, unsigned *out_reason)
{
    struct rule_state *state = rule->state;
    state->nth++;
    if (!nth_holds(rule->when, state->nth)) {
        *out_reason = WHEN_NTH;
        return false;
    }
    if (rule->fault == NULL)
        return true;
    if (rule->fault->times != 0 && state->counts.fired + state->counts.pending >= rule->fault->times) {
        *out_reason = NEAR_TIMES;
        return false;
    }
    *out_reason = NEAR_PROBABILITY;
    return dice_say_yes(state, rule->fault->at.probability);
}

/* An earlier rule has taken the request: that may be just what its author wonders about. */
static void note_behind(struct match *m, enum match_list list, size_t taken, const struct match_subject *subject)
{
    size_t line = view_of(m, list, taken).line;
    for (size_t i = taken + 1; i < count_of(m, list); i++) {
        struct rule_view rule = view_of(m, list, i);
        if (rule.state->counts.matched > 0)
            continue;
        struct verdict v = near_judge(&rule, subject, true);
        if (v.holds)
            v.reason = NEAR_EARLIER_RULE;
        near_note(&rule, subject, &v, line);
    }
}

/* Under the lock: the first rule that matches, or the count of rules. */
static size_t find_rule(struct match *m, enum match_list list, const struct match_subject *subject)
{
    size_t count = count_of(m, list);
    for (size_t i = 0; i < count; i++) {
        struct rule_view rule = view_of(m, list, i);
        bool is_new = rule.state->counts.matched == 0;
        struct verdict v = near_judge(&rule, subject, is_new);
        if (v.holds && memory_holds(&rule, &v.reason)) {
            rule.state->counts.matched++;
            free(rule.state->near);
            rule.state->near = NULL;
            note_behind(m, list, i, subject);
            return i;
        }
        if (is_new)
            near_note(&rule, subject, &v, 0);
    }
    return count;
}

const struct process_rule *match_process(struct match *match, const struct match_subject *subject)
{
    const struct process_rule *found = NULL;
    pthread_mutex_lock(&match->lock);
    size_t i = find_rule(match, MATCH_PROCESSES, subject);
    if (i < match->scenario->process_count) {
        match->states[MATCH_PROCESSES][i].counts.fired++;
        found = &match->scenario->processes[i];
    }
    pthread_mutex_unlock(&match->lock);
    return found;
}

bool match_fault(struct match *match, const struct match_subject *subject, struct match_ticket *out_ticket)
{
    pthread_mutex_lock(&match->lock);
    size_t i = find_rule(match, MATCH_FAULTS, subject);
    bool found = i < match->scenario->fault_count;
    if (found) {
        struct rule_state *state = &match->states[MATCH_FAULTS][i];
        state->counts.pending++;
        *out_ticket =
            (struct match_ticket){ &match->scenario->faults[i], i, match->generation, dice_roll(&state->dice) };
    }
    pthread_mutex_unlock(&match->lock);
    return found;
}

void match_fault_end(struct match *match, const struct match_ticket *ticket, bool fired)
{
    pthread_mutex_lock(&match->lock);
    if (ticket->generation == match->generation) {
        struct match_counts *counts = &match->states[MATCH_FAULTS][ticket->index].counts;
        CHECK(counts->pending > 0);
        counts->pending--;
        counts->fired += fired;
        counts->missed += !fired;
    }
    pthread_mutex_unlock(&match->lock);
}

/* ---- what became of the rules --------------------------------------------------------- */

bool match_get_counts(struct match *match, enum match_list list, size_t index, struct match_counts *out)
{
    if (index >= count_of(match, list))
        return false;
    pthread_mutex_lock(&match->lock);
    *out = match->states[list][index].counts;
    pthread_mutex_unlock(&match->lock);
    return true;
}

size_t match_count_unfired(struct match *match)
{
    size_t unfired = 0;
    pthread_mutex_lock(&match->lock);
    for (size_t list = 0; list < MATCH_LISTS; list++) {
        for (size_t i = 0; i < count_of(match, (enum match_list) list); i++) {
            const struct match_counts *counts = &match->states[list][i].counts;
            unfired += counts->fired < counts->planned;
        }
    }
    pthread_mutex_unlock(&match->lock);
    return unfired;
}

bool match_get_near(struct match *match, enum match_list list, size_t index, struct match_near *out)
{
    if (index >= count_of(match, list))
        return false;
    pthread_mutex_lock(&match->lock);
    const struct near *near = match->states[list][index].near;
    *out = near != NULL ? near->shown : (struct match_near){ .any = false };
    pthread_mutex_unlock(&match->lock);
    return true;
}

void match_explain(struct match *match, enum match_list list, size_t index, struct buf *out)
{
    struct match_counts counts;
    struct match_near near;
    if (!match_get_counts(match, list, index, &counts) || !match_get_near(match, list, index, &near))
        return;
    buf_printf(out, "%s:%zu: /%s/%zu: ", match->scenario->file_name, view_of(match, list, index).line,
               list == MATCH_PROCESSES ? "processes" : "faults", index);
    if (counts.matched > 0)
        buf_printf(out, "matched %llu, fired %llu of %llu planned", (unsigned long long) counts.matched,
                   (unsigned long long) counts.fired, (unsigned long long) counts.planned);
    else if (!near.any)
        buf_str(out, "never matched; no request came that it could be compared with");
    else
        buf_printf(out, "never matched; closest was %s: %s: wanted %s, saw %s", near.subject, near.key, near.expected,
                   near.seen);
    if (counts.missed > 0)
        buf_printf(out, ", missed %llu (the request was over before)", (unsigned long long) counts.missed);
}
