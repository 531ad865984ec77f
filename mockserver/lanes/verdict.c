#include "lanes/verdict.h"

#include <string.h>

#include "lanes/verdict_priv.h"
#include "scenario/vocab.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define BLIND_RETRY_MS 10000     /* the same again so soon after a final answer is no new idea of the user's */
#define DOUBLE_SEND_MS 1000      /* two starts in the background so close together are one that was sent twice */
#define EXPLAINED 3              /* rules that are explained in one line */

/* ---- words ------------------------------------------------------------------------------ */

const char *verdict_name(enum verdict_word word)
{
    static const char *const names[VERDICT_WORDS] = {
        [VERDICT_NOT_EXERCISED] = "not-exercised", [VERDICT_PASS] = "pass",
        [VERDICT_WARN] = "warn", [VERDICT_FAIL] = "fail",
    };
    return names[word];
}

enum verdict_word verdict_worse(enum verdict_word a, enum verdict_word b)
{
    return a > b ? a : b;
}

const char *verdict_check_name(enum verdict_id id)
{
    static const char *const names[VERDICT_CHECKS] = {
        [VERDICT_DUPLICATE_STARTS] = "duplicate-starts", [VERDICT_UNCLOSED_STREAMS] = "unclosed-streams",
        [VERDICT_AUTH] = "auth",                         [VERDICT_RETRIES] = "retries",
        [VERDICT_UNKNOWN_ROUTES] = "unknown-routes",     [VERDICT_CLIENT_ERRORS] = "client-errors",
        [VERDICT_FAULTS] = "faults-fired",               [VERDICT_PROCESSES] = "processes-matched",
        [VERDICT_JOURNAL] = "whole-journal",
    };
    return names[id];
}

/* ---- findings ----------------------------------------------------------------------------- */

static void add_evidence(struct verdict_check *check, uint64_t number)
{
    size_t at = check->evidence_count;
    check->found++;
    while (at > 0 && check->evidence[at - 1] > number)
        at--;
    if (at > 0 && check->evidence[at - 1] == number) {
        check->found--;
        return;
    }
    if (check->evidence_count == VERDICT_EVIDENCE)
        return;
    memmove(&check->evidence[at + 1], &check->evidence[at], (check->evidence_count - at) * sizeof *check->evidence);
    check->evidence[at] = number;
    check->evidence_count++;
}

static void find(struct verdict_check *check, enum verdict_word word, const struct note *note)
{
    check->word = verdict_worse(check->word, word);
    add_evidence(check, note->number);
}

/* What there was to look at was as it should be, until something is found. */
static void exercise(struct verdict_check *check)
{
    check->word = verdict_worse(check->word, VERDICT_PASS);
}

struct judged {
    const struct notes *notes;
    struct match *const *matches;
    size_t match_count;
};

/* ---- a start sent again --------------------------------------------------------------------- */

static bool is_start(const struct note *note)
{
    return note->op >= 0 && (vocab_ops_starting & OP_BIT(note->op)) != 0;
}

/* Could the client not know whether it had happened? */
static bool is_in_doubt(const struct note *note)
{
    return note->end_ms != 0 && (note->end != ANSWER_COMPLETE || note->status >= 500 || note->status == 0);
}

static enum verdict_word judge_pair(const struct note *first, const struct note *again)
{
    int64_t apart_ms = again->begin_ms - first->end_ms;
    bool is_overlapping = first->end_ms == 0 || apart_ms < 0;
    if (first->status >= 400 && first->status < 500)
        return VERDICT_PASS;      /* refused: other checks look at that */
    if (is_overlapping)
        return VERDICT_WARN;
    if (apart_ms > VERDICT_WINDOW_MS)
        return VERDICT_PASS;
    /* 503 says that nothing was done, so that asking again is safe, if the server is right. */
    if (is_in_doubt(first))
        return first->status == 503 && first->end == ANSWER_COMPLETE ? VERDICT_WARN : VERDICT_FAIL;
    return first->op == OP_PROCESS_START && apart_ms <= DOUBLE_SEND_MS ? VERDICT_WARN : VERDICT_PASS;
}

static void judge_starts(const struct judged *j, struct verdict_check *check)
{
    size_t lost = 0, twice = 0;
    for (size_t i = 0; i < j->notes->count; i++) {
        const struct note *first = j->notes->alike[i], *again = verdict_next_alike(j->notes, i);
        if (!is_start(first))
            continue;
        exercise(check);
        if (again == NULL || again->sandbox != first->sandbox)
            continue;
        enum verdict_word word = judge_pair(first, again);
        if (word == VERDICT_PASS)
            continue;
        find(check, word, first);
        find(check, word, again);
        lost += word == VERDICT_FAIL;
        twice += word == VERDICT_WARN;
    }
    if (lost > 0)
        buf_printf(&check->what, "starts sent again although the first may have happened (its answer was lost, cut or "
                   "an error): %zu; a start is not safe to repeat", lost);
    else if (twice > 0)
        buf_printf(&check->what, "starts sent twice, at once, right after each other or after a 503: %zu", twice);
    else
        buf_str(&check->what, check->word == VERDICT_PASS ? "no start was sent twice" : "no process was started");
}

/* ---- streams ---------------------------------------------------------------------------------- */

/* Did the client come back to the process's events? */
static bool is_resumed(const struct notes *n, const struct note *note)
{
    for (size_t i = (size_t) (note - n->list) + 1; i < n->count; i++) {
        if (n->list[i].is_stream && n->list[i].process == note->process)
            return true;
    }
    return false;
}

static void judge_streams(const struct judged *j, struct verdict_check *check)
{
    size_t open = 0, left = 0;
    for (size_t i = 0; i < j->notes->count; i++) {
        const struct note *note = &j->notes->list[i];
        if (!note->is_stream)
            continue;
        exercise(check);
        if (note->end_ms == 0) {
            find(check, VERDICT_FAIL, note);
            open++;
        } else if (note->end == ANSWER_CLIENT_GONE && note->process != 0 && !note->fired &&
                   verdict_ended_at(j->notes, note->process) > note->end_ms && !is_resumed(j->notes, note)) {
            find(check, VERDICT_WARN, note);
            left++;
        }
    }
    if (open > 0)
        buf_printf(&check->what, "streams still open: %zu", open);
    if (left > 0)
        buf_printf(&check->what, "%sstreams left before their end while the process lived on: %zu",
                   open > 0 ? "; " : "", left);
    if (open + left == 0)
        buf_str(&check->what, check->word == VERDICT_PASS ? "every stream was read to its end" : "no stream was read");
}

/* ---- auth ------------------------------------------------------------------------------------- */

/* The request that got over this 401; NULL: none did. */
static const struct note *good_retry(const struct notes *n, size_t i, size_t *out_tries)
{
    const struct note *note = n->alike[i];
    *out_tries = 1;
    for (size_t k = i + 1; k < n->count && n->alike[k]->same == note->same; k++) {
        ++*out_tries;
        if (n->alike[k]->status != 401)
            return n->alike[k];
    }
    return NULL;
}

/* Reads of the sandbox, which give new tokens, between the two. */
static size_t count_refreshes(const struct notes *n, const struct note *from, const struct note *to, size_t *out_401s)
{
    size_t refreshes = 0;
    *out_401s = 0;
    for (size_t i = 0; i < n->count && n->list[i].number <= to->number; i++) {
        const struct note *note = &n->list[i];
        bool is_same = note->sandbox == 0 || from->sandbox == 0 || note->sandbox == from->sandbox;
        if (!is_same || note->end_ms == 0 || note->end_ms < from->begin_ms)
            continue;
        *out_401s += note->status == 401;
        refreshes += note->op == OP_SANDBOX_GET && note->number > from->number && note->status < 400;
    }
    return refreshes;
}

struct auth_counts { size_t never, stubborn, stormy; };

static void judge_401(const struct notes *n, size_t i, struct verdict_check *check, struct auth_counts *counts)
{
    const struct note *note = n->alike[i], *before = i > 0 ? n->alike[i - 1] : NULL;
    size_t tries, refused = 0;
    if (before != NULL && before->same == note->same && before->status == 401)
        return;                   /* judged with the first of them */
    const struct note *good = good_retry(n, i, &tries);
    if (good == NULL) {
        find(check, VERDICT_FAIL, note);
        counts->never++;
        if (tries > 2)
            counts->stubborn++;
        return;
    }
    size_t refreshes = count_refreshes(n, note, good, &refused);
    if (tries > 3 || refreshes > (refused > 1 ? refused : 1)) {
        find(check, VERDICT_FAIL, note);
        counts->stubborn += tries > 3;
        counts->stormy += tries <= 3;
    } else if (refreshes > 1) {
        find(check, VERDICT_WARN, note);
        counts->stormy++;
    }
}

static void judge_auth(const struct judged *j, struct verdict_check *check)
{
    struct auth_counts counts = { 0 };
    for (size_t i = 0; i < j->notes->count; i++) {
        if (j->notes->alike[i]->status != 401)
            continue;
        exercise(check);
        judge_401(j->notes, i, check, &counts);
    }
    const char *between = "";
    if (counts.never > 0) {
        buf_printf(&check->what, "requests with a 401 that were never repeated with a token that was taken: %zu",
                   counts.never);
        between = "; ";
    }
    if (counts.stubborn > 0) {
        buf_printf(&check->what, "%stried more than twice: %zu", between, counts.stubborn);
        between = "; ";
    }
    if (counts.stormy > 0)
        buf_printf(&check->what, "%sa token asked for more than once after a 401: %zu times", between,
                   counts.stormy);
    if (check->what.len == 0)
        buf_str(&check->what, check->word == VERDICT_PASS ? "after every 401 a new token was used"
                                                          : "no request got a 401");
}

/* ---- answers that will not change ---------------------------------------------------------------- */

static bool is_final(int status)
{
    static const int passing[] = { 401, 408, 409, 423, 425, 429 };
    for (size_t i = 0; i < COUNT(passing); i++) {
        if (status == passing[i])
            return false;
    }
    return status >= 400 && status < 500;
}

static void judge_retries(const struct judged *j, struct verdict_check *check)
{
    size_t blind = 0, polled = 0;
    for (size_t i = 0; i < j->notes->count; i++) {
        const struct note *first = j->notes->alike[i], *again = verdict_next_alike(j->notes, i);
        if (!is_final(first->status) || first->end_ms == 0)
            continue;
        exercise(check);
        if (again == NULL || again->begin_ms - first->end_ms > BLIND_RETRY_MS)
            continue;
        /* Who asks whether something is there yet may ask again. */
        bool is_poll = first->is_get && (first->status == 404 || first->status == 410);
        find(check, is_poll ? VERDICT_WARN : VERDICT_FAIL, first);
        find(check, is_poll ? VERDICT_WARN : VERDICT_FAIL, again);
        blind += !is_poll;
        polled += is_poll;
    }
    if (blind > 0)
        buf_printf(&check->what, "requests sent again after an answer that is final (4xx): %zu", blind);
    else if (polled > 0)
        buf_printf(&check->what, "reads repeated after a 404 or 410: %zu", polled);
    else
        buf_str(&check->what, check->word == VERDICT_PASS ? "nothing was sent again after a final answer (4xx)"
                                                          : "no request got a final answer (4xx)");
}

/* ---- what the server did not understand ------------------------------------------------------------ */

static void judge_routes(const struct judged *j, struct verdict_check *check)
{
    for (size_t i = 0; i < j->notes->count; i++) {
        const struct note *note = &j->notes->list[i];
        exercise(check);
        if (!note->is_known && (note->status == 404 || note->status == 405))
            find(check, VERDICT_FAIL, note);
    }
    if (check->found > 0)
        buf_printf(&check->what, "requests for paths or methods that no API here has: %llu",
                   (unsigned long long) check->found);
    else
        buf_str(&check->what, "every request was for something that is known here");
}

/* A warning: a test may have wanted it. */
static void judge_client_errors(const struct judged *j, struct verdict_check *check)
{
    static const int statuses[] = { 400, 411, 413, 414, 415, 422, 431 };
    for (size_t i = 0; i < j->notes->count; i++) {
        const struct note *note = &j->notes->list[i];
        exercise(check);
        for (size_t k = 0; k < COUNT(statuses) && !note->fired; k++) {
            if (note->status == statuses[k])
                find(check, VERDICT_WARN, note);
        }
    }
    if (check->found > 0)
        buf_printf(&check->what, "requests refused as malformed (400 and the like): %llu",
                   (unsigned long long) check->found);
    else
        buf_str(&check->what, "no request was refused as malformed");
}

/* ---- the scenarios ----------------------------------------------------------------------------- */

static void judge_rules(const struct judged *j, struct verdict_check *check, enum match_list list,
                        enum verdict_word word, const char *kind)
{
    size_t rules = 0, unfired = 0;
    BUF_AUTO why = BUF_INIT;
    for (size_t m = 0; m < j->match_count; m++) {
        struct match_counts counts;
        for (size_t i = 0; match_get_counts(j->matches[m], list, i, &counts); i++, rules++) {
            if (counts.fired >= counts.planned)
                continue;
            if (unfired++ < EXPLAINED) {
                buf_str(&why, unfired == 1 ? ": " : "; ");
                match_explain(j->matches[m], list, i, &why);
            }
        }
    }
    if (rules > 0)
        exercise(check);
    if (unfired > 0) {
        check->word = word;
        buf_printf(&check->what, "%s that fired less than planned: %zu of %zu%s%s", kind, unfired, rules,
                   buf_cstr(&why), unfired > EXPLAINED ? "; ..." : "");
    } else if (rules > 0) {
        buf_printf(&check->what, "all %s fired as planned: %zu", kind, rules);
    } else {
        buf_printf(&check->what, "no scenario has %s", kind);
    }
}

static void judge_faults(const struct judged *j, struct verdict_check *check)
{
    judge_rules(j, check, MATCH_FAULTS, VERDICT_FAIL, "faults");
}

static void judge_processes(const struct judged *j, struct verdict_check *check)
{
    judge_rules(j, check, MATCH_PROCESSES, VERDICT_WARN, "process rules");
}

static void judge_journal(const struct judged *j, struct verdict_check *check)
{
    exercise(check);
    if (j->notes->dropped == 0) {
        buf_str(&check->what, "nothing had to be dropped from the ledger");
        return;
    }
    check->word = VERDICT_WARN;
    buf_printf(&check->what, "entries dropped for want of room, which the other checks did not see: %llu",
               (unsigned long long) j->notes->dropped);
}

/* ---- the whole ------------------------------------------------------------------------------------ */

typedef void judge_fn(const struct judged *j, struct verdict_check *check);

static judge_fn *const judges[VERDICT_CHECKS] = {
    [VERDICT_DUPLICATE_STARTS] = judge_starts, [VERDICT_UNCLOSED_STREAMS] = judge_streams,
    [VERDICT_AUTH] = judge_auth,               [VERDICT_RETRIES] = judge_retries,
    [VERDICT_UNKNOWN_ROUTES] = judge_routes,   [VERDICT_CLIENT_ERRORS] = judge_client_errors,
    [VERDICT_FAULTS] = judge_faults,           [VERDICT_PROCESSES] = judge_processes,
    [VERDICT_JOURNAL] = judge_journal,
};

static void judge_all(const struct judged *j, struct verdict_report *report)
{
    *report = (struct verdict_report) { .requests = j->notes->count };
    for (size_t i = 0; i < VERDICT_CHECKS; i++) {
        struct verdict_check *check = &report->checks[i];
        /* Where nobody asked anything, nothing is proved, least of all that a fault cannot fire. */
        if (j->notes->count == 0)
            buf_str(&check->what, "there was no request");
        else
            judges[i](j, check);
        report->word = verdict_worse(report->word, check->word);
    }
}

int verdict_judge(struct ledger *ledger, struct match *const *matches, size_t match_count,
                  struct verdict_report *out_report, struct err *err)
{
    struct notes notes = { 0 };
    int rc = verdict_take_notes(&notes, ledger, err);
    if (rc == 0) {
        const struct judged judged = { &notes, matches, match_count };
        judge_all(&judged, out_report);
    }
    verdict_drop_notes(&notes);
    return rc;
}

void verdict_fini(struct verdict_report *report)
{
    for (size_t i = 0; i < VERDICT_CHECKS; i++)
        buf_fini(&report->checks[i].what);
}
