#include "report/kills.h"

#include <cjson/cJSON.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/grid.h"
#include "report/results.h"

struct kills {
    struct grid grid;
    size_t *mutants; /* places of clients in the grid */
    size_t mutant_count;
    unsigned char *marks; /* [mutant * cases + case], enum kill_mark */
    bool *is_clean;       /* [case]: some reference ran it, and all that did pass it */
    bool *is_broken;      /* [case]: a reference ran it, and did worse than non-strict */
    struct kill_finding *findings;
    size_t finding_count;
};

static const char *const mark_names[KILL_MARKS] = {
    [KILL_NOT_RUN] = "not run", [KILL_NONE] = "not noticed", [KILL_KILLED] = "killed",
    [KILL_NOTICED] = "noticed", [KILL_VOID] = "void",        [KILL_OTHER] = "other",
};

static const char *const finding_names[KILL_FINDINGS] = {
    [KILL_SURVIVOR] = "surviving-mutant",
    [KILL_IDLE_CASE] = "case-kills-none",
    [KILL_STALE_REASON] = "stale-kills-none",
    [KILL_NO_REFERENCE] = "reference-does-not-pass",
};

const char *kill_mark_name(enum kill_mark mark)
{
    CHECK(mark < KILL_MARKS);
    return mark_names[mark];
}

const char *kill_finding_name(enum kill_finding_kind kind)
{
    CHECK(kind < KILL_FINDINGS);
    return finding_names[kind];
}

/* ---- working it out ------------------------------------------------------------------------ */

/* Is any client marked "reference"? */
static bool has_references(const struct grid *grid)
{
    for (size_t i = 0; i < grid->client_count; i++) {
        if (results_flag(grid->clients[i], "reference"))
            return true;
    }
    return false;
}

static bool is_reference(const struct grid *grid, size_t client, bool is_marked)
{
    return is_marked ? results_flag(grid->clients[client], "reference") : !results_is_mutant(grid->clients[client]);
}

static void look_at_references(struct kills *k, size_t row, bool is_marked)
{
    bool has_run = false, all_pass = true;
    for (size_t i = 0; i < k->grid.client_count; i++) {
        const cJSON *result = is_reference(&k->grid, i, is_marked) ? grid_get(&k->grid, i, row) : NULL;
        /* What a reference lacks it says nothing about. */
        if (result == NULL || result_verdict_of(result) == RESULT_SKIPPED)
            continue;
        has_run = true;
        all_pass = all_pass && result_verdict_of(result) == RESULT_PASS;
        if (result_verdict_of(result) != RESULT_PASS && result_verdict_of(result) != RESULT_NON_STRICT)
            k->is_broken[row] = true;
    }
    k->is_clean[row] = has_run && all_pass;
}

static enum kill_mark mark_of(const cJSON *result, bool clean)
{
    if (result == NULL)
        return KILL_NOT_RUN;
    switch (result_verdict_of(result)) {
    case RESULT_PASS: return KILL_NONE;
    case RESULT_FAIL: return clean ? KILL_KILLED : KILL_VOID;
    case RESULT_NON_STRICT: return clean ? KILL_NOTICED : KILL_VOID;
    case RESULT_NOT_EXERCISED:
    case RESULT_SKIPPED:
    case RESULT_ADAPTER_ERROR:
    case RESULT_HARNESS_ERROR:
    case RESULT_VERDICTS: break;
    }
    return KILL_OTHER;
}

static void fill_marks(struct kills *k)
{
    bool is_marked = has_references(&k->grid);
    for (size_t row = 0; row < k->grid.case_count; row++) {
        look_at_references(k, row, is_marked);
        for (size_t m = 0; m < k->mutant_count; m++)
            k->marks[m * k->grid.case_count + row] =
                (unsigned char) mark_of(grid_get(&k->grid, k->mutants[m], row), k->is_clean[row]);
    }
}

static size_t count_row(const struct kills *k, size_t row, enum kill_mark mark)
{
    size_t count = 0;
    for (size_t m = 0; m < k->mutant_count; m++)
        count += kills_mark(k, m, row) == mark;
    return count;
}

static size_t count_mutant(const struct kills *k, size_t mutant, enum kill_mark mark)
{
    size_t count = 0;
    for (size_t row = 0; row < k->grid.case_count; row++)
        count += kills_mark(k, mutant, row) == mark;
    return count;
}

/* ---- findings ------------------------------------------------------------------------------ */

__attribute__((format(printf, 4, 5))) static void add_finding(struct kills *k, enum kill_finding_kind kind,
                                                              const char *subject, const char *fmt, ...)
{
    struct kill_finding *f = &k->findings[k->finding_count++];
    va_list args;
    f->kind = kind;
    f->subject = subject;
    va_start(args, fmt);
    vsnprintf(f->text, sizeof f->text, fmt, args);
    va_end(args);
}

static void judge_mutant(struct kills *k, size_t mutant)
{
    const char *key = results_text(kills_mutant(k, mutant), "key");
    size_t empty = count_mutant(k, mutant, KILL_VOID);
    size_t ran = k->grid.case_count - count_mutant(k, mutant, KILL_NOT_RUN);
    /* A mutant that breaks what is only a SHOULD cannot be more than non-strict. */
    if (count_mutant(k, mutant, KILL_KILLED) + count_mutant(k, mutant, KILL_NOTICED) > 0)
        return;
    if (empty > 0)
        add_finding(k, KILL_SURVIVOR, key, "survives %zu cases: it breaks %zu, but a reference does not pass those",
                    ran, empty);
    else
        add_finding(k, KILL_SURVIVOR, key, "survives %zu cases: write one that fails for it", ran);
}

static void judge_case(struct kills *k, size_t row)
{
    const cJSON *c = k->grid.cases[row];
    const char *id = results_text(c, "id"), *reason = results_text(c, "kills_none");
    size_t killed = count_row(k, row, KILL_KILLED), noticed = count_row(k, row, KILL_NOTICED);
    size_t ran = k->mutant_count - count_row(k, row, KILL_NOT_RUN);
    if (!k->is_clean[row] && reason[0] != '\0' && !k->is_broken[row])
        return; /* no reference can do it, or takes this reading: that is the reason */
    if (!k->is_clean[row])
        add_finding(k, KILL_NO_REFERENCE, id,
                    "no reference has passed it, or one does not: what it says about mutants "
                    "proves nothing");
    else if (reason[0] == '\0' && killed + noticed == 0)
        add_finding(k, KILL_IDLE_CASE, id,
                    "kills none of %zu mutants: add a mutant that it catches, or say in "
                    "\"kills_none\" why there can be none",
                    ran);
    else if (reason[0] != '\0' && killed + noticed > 0)
        add_finding(k, KILL_STALE_REASON, id,
                    "has a reason in \"kills_none\", and yet notices %zu: take the reason out", killed + noticed);
}

/* ---- life ---------------------------------------------------------------------------------- */

static int allocate(struct kills *k)
{
    size_t cases = k->grid.case_count;
    k->mutants = calloc(k->grid.client_count + 1, sizeof *k->mutants);
    k->marks = calloc(k->grid.client_count * cases + 1, sizeof *k->marks);
    k->is_clean = calloc(cases + 1, sizeof *k->is_clean);
    k->is_broken = calloc(cases + 1, sizeof *k->is_broken);
    k->findings = calloc(k->grid.client_count + cases + 1, sizeof *k->findings);
    bool has_all = k->mutants != NULL && k->marks != NULL && k->is_clean != NULL && k->is_broken != NULL &&
                   k->findings != NULL;
    return has_all ? 0 : -1;
}

struct kills *kills_new(const struct cJSON *results, struct err *err)
{
    struct kills *k = calloc(1, sizeof *k);
    if (k == NULL || grid_init(&k->grid, results, err) < 0 || allocate(k) < 0) {
        kills_free(k);
        err_set(err, ERR_NOMEM, 0, "a kill matrix");
        return NULL;
    }
    for (size_t i = 0; i < k->grid.client_count; i++) {
        if (results_is_mutant(k->grid.clients[i]))
            k->mutants[k->mutant_count++] = i;
    }
    if (k->mutant_count == 0)
        return k;
    fill_marks(k);
    for (size_t m = 0; m < k->mutant_count; m++)
        judge_mutant(k, m);
    for (size_t row = 0; row < k->grid.case_count; row++)
        judge_case(k, row);
    return k;
}

void kills_free(struct kills *kills)
{
    if (kills == NULL)
        return;
    grid_fini(&kills->grid);
    free(kills->mutants);
    free(kills->marks);
    free(kills->is_clean);
    free(kills->is_broken);
    free(kills->findings);
    free(kills);
}

/* ---- reading ------------------------------------------------------------------------------- */

size_t kills_mutant_count(const struct kills *kills)
{
    return kills->mutant_count;
}

size_t kills_case_count(const struct kills *kills)
{
    return kills->grid.case_count;
}

const struct cJSON *kills_mutant(const struct kills *kills, size_t mutant)
{
    CHECK(mutant < kills->mutant_count);
    return kills->grid.clients[kills->mutants[mutant]];
}

const struct cJSON *kills_case(const struct kills *kills, size_t row)
{
    CHECK(row < kills->grid.case_count);
    return kills->grid.cases[row];
}

enum kill_mark kills_mark(const struct kills *kills, size_t mutant, size_t row)
{
    CHECK(mutant < kills->mutant_count && row < kills->grid.case_count);
    return kills->marks[mutant * kills->grid.case_count + row];
}

size_t kills_of_mutant(const struct kills *kills, size_t mutant)
{
    return count_mutant(kills, mutant, KILL_KILLED);
}

size_t kills_of_case(const struct kills *kills, size_t row)
{
    return count_row(kills, row, KILL_KILLED);
}

size_t kills_finding_count(const struct kills *kills)
{
    return kills->finding_count;
}

const struct kill_finding *kills_finding(const struct kills *kills, size_t index)
{
    CHECK(index < kills->finding_count);
    return &kills->findings[index];
}

const struct kill_finding *kills_finding_of(const struct kills *kills, const char *subject)
{
    for (size_t i = 0; i < kills->finding_count; i++) {
        if (strcmp(kills->findings[i].subject, subject) == 0)
            return &kills->findings[i];
    }
    return NULL;
}
